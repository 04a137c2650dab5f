"""On the terminal: a progress bar, colours, counts, and words in columns."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Progress", "colours", "columns", "counted"]


class Progress:
    """A bar on stderr: tqdm's where it is installed, a plain one otherwise, none when not `on`.

    total: how many steps there will be, or None where that is not known.
    """

    def __init__(self, total: int | None, on: bool) -> None:
        self.total, self.done, self.on = total, 0, on
        self._tqdm: Any = None
        self._drawn = 0.0
        if on:
            with contextlib.suppress(ImportError):
                from tqdm import tqdm

                self._tqdm = tqdm(total=total, leave=False, bar_format="{desc:28} {bar} {elapsed}")

    def step(self, what: str, count: int = 1) -> None:
        """`count` more of the total are done; `what` comes next."""
        self.done += count
        if self._tqdm is not None:
            self._tqdm.set_description_str(what[:28], refresh=False)
            self._tqdm.update(count)
        elif self.on and time.monotonic() - self._drawn > 0.1:
            self._drawn = time.monotonic()
            full = 30 * min(self.done, self.total) // max(self.total, 1) if self.total else 0
            print(f"\r{what[:28]:28} [{'#' * full:30}]", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._tqdm is not None:
            self._tqdm.close()
        elif self.on:
            print(f"\r{'':61}\r", end="", file=sys.stderr, flush=True)


def colours(stream: Any) -> bool:
    """Whether to write in colour: to a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


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
