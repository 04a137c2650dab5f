"""Shared by commands: a progress bar, colours, words in columns, a type of options, matplotlib."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Progress", "at_least", "coloured", "colours", "columns", "counted", "matplotlib"]


class Progress:
    """A bar on stderr, with the seconds that have passed; none when not `on`.

    total: how many steps there will be, or None where that is not known.
    after: seconds until it is drawn; then by a thread, so that time is seen to pass in one step.
    """

    def __init__(self, total: int | None, on: bool, after: float = 0.0) -> None:
        self.total, self.done, self.on, self.what = total, 0, on, ""
        self._drawn, self._start = 0.0, time.monotonic()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        if on and after:
            self._thread = threading.Thread(target=self._keep_drawing, args=(after,), daemon=True)
            self._thread.start()

    def _keep_drawing(self, after: float) -> None:
        while not self._closed.wait(0.2 if self._drawn else after):
            self._draw()

    def step(self, what: str, count: int = 1) -> None:
        """`count` more of the total are done; `what` comes next."""
        self.done, self.what = self.done + count, what
        if self.on and self._thread is None and time.monotonic() - self._drawn > 0.1:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        full = 30 * min(self.done, self.total) // max(self.total, 1) if self.total else 0
        line = f"{self.what[:28]:28} [{'#' * full:30}] {self._drawn - self._start:3.0f} s"
        print(f"\r{line}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        if self._drawn:
            print(f"\r{'':68}\r", end="", file=sys.stderr, flush=True)


def colours(stream: Any) -> bool:
    """Whether to write in colour: to a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def coloured(text: str, good: bool) -> str:
    """The text for stdout, in green or in red where it is in colour."""
    return f"\033[{32 if good else 31}m{text}\033[0m" if colours(sys.stdout) else text


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Rows of words in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def counted(count: int, word: str) -> str:
    """1 case, 2 cases"""
    return f"{count} {word}{'' if count == 1 else 's'}"


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: a whole number >= least."""

    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= {least}")
        return int(text)

    return whole


def matplotlib() -> Any:
    """The module matplotlib, with its figures.  Raises ImportError where it is not installed."""
    try:
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install 'minwn[plot]'") from error
    return matplotlib
