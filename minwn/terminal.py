"""Shared by commands: lines that fit the terminal, a progress bar, colours, words in columns."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import io
import os
import re
import shutil
import sys
import textwrap
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = [
    "Progress", "Stream", "at_least", "coloured", "colours", "columns", "counted", "fit",
    "matplotlib", "seconds", "streams", "width",
]

MOST_SECONDS = 1_000_000  # what every clock of Python can wait

_COLOUR = re.compile(r"\033\[[\d;]*m")
_SPELT = {"‖": "||", "²": "^2", "³": "^3", "→": "->", "–": "-", "—": "-", "×": "x", "·": "*",
          "−": "-", "≤": "<=", "≥": ">=", "√": "sqrt ", "’": "'", "“": '"', "”": '"', "…": "..."}


# ---- the standard streams -----------------------------------------------------------------------


def width() -> int:
    """The columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


def fit(line: str, columns: int) -> str:
    """A line on as many as it takes; those that follow stand below its last column.

    A word that is longer, as a path, stays whole: it can be copied.
    """
    plain = _COLOUR.sub("", line)
    if len(plain) <= columns:
        return line
    gaps = [found.end() for found in re.finditer(r"^ +|(?<=\S)  +(?=\S)", plain)]
    indent = max((gap for gap in gaps if gap <= columns - 28), default=0)  # room for some words
    return "\n".join(
        textwrap.wrap(
            line, columns, subsequent_indent=" " * (indent or 2), break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """Characters that a terminal lacks, in ASCII: eta, ||v||^2; others by their number."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def _ascii(c: str) -> str:
    name = unicodedata.name(c, "")
    if c in _SPELT:
        return _SPELT[c]
    if name.startswith("GREEK SMALL LETTER "):
        return name.split()[-1].lower()
    return c.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error("minwn.spelt", _spelt)


class Stream:
    """stdout or stderr: it writes what its encoding lacks in ASCII, and survives its reader.

    stream: as it was
    fits: whether lines are made to fit the terminal
    fault: the first error of writing; what follows is dropped, so that a command comes to its end
    """

    def __init__(self, stream: Any, fits: bool) -> None:
        self.stream = stream if stream is not None else io.StringIO()  # closed, as by >&-
        self.fits, self._rest = fits, ""
        self.fault: OSError | None = None
        self._errors = getattr(stream, "errors", None)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="minwn.spelt")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write whole lines; the rest when it is whole, or flushed."""
        count = len(text)
        if self.fits:
            *lines, self._rest = (self._rest + text).split("\n")
            text = "".join(f"{fit(line, width())}\n" for line in lines)
        self._try(lambda: self.stream.write(text))
        return count

    def flush(self) -> None:
        """Write all."""
        rest, self._rest = self._rest, ""
        self._try(lambda: self.stream.write(rest))
        self._try(self.stream.flush)

    def _try(self, write: Any) -> None:
        if self.fault is not None:
            return
        Progress.clear()
        try:
            write()
        except OSError as error:
            self.fault = error
            with contextlib.suppress(OSError):  # for what Python would write when it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def restore(self) -> Any:
        """The stream as it was."""
        self.flush()
        if self._errors is not None and hasattr(self.stream, "reconfigure"):
            self.stream.reconfigure(errors=self._errors)
        return self.stream


@contextlib.contextmanager
def streams() -> Iterator[Stream]:
    """stdout and stderr with manners, while the block runs; stdout."""
    before = sys.stdout, sys.stderr
    out, err = (Stream(s, fits=s is not None and s.isatty()) for s in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        for stream in (out, err):
            stream.restore()
        sys.stdout, sys.stderr = before


# ---- while one waits ----------------------------------------------------------------------------


class Progress:
    """A bar on stderr: tqdm's where it is installed, a plain one otherwise, none when not `on`.

    total: how many steps there will be, or None where that is not known.
    after: seconds until it is drawn; then by a thread, so that time is seen to pass in one step.
    """

    _shown: Progress | None = None

    def __init__(self, total: int | None, on: bool, after: float = 0.0, what: str = "") -> None:
        self.total, self.done, self.on, self.what = total, 0, on, what
        self._tqdm: Any = None
        self._drawn, self._start = 0.0, time.monotonic()
        self._file = getattr(sys.stderr, "stream", sys.stderr)  # a Stream would remove the bar
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        if on:
            Progress._shown = self
        if on and after:
            self._thread = threading.Thread(target=self._keep_drawing, args=(after,), daemon=True)
            self._thread.start()
        elif on:
            self._open()

    def _open(self) -> None:
        with contextlib.suppress(ImportError):
            from tqdm import tqdm

            form = f"{{desc:{self._most}}} {{bar}} {{elapsed}}"
            if self.total is None:
                form = "{desc} {elapsed}"
            self._tqdm = tqdm(
                total=self.total, leave=False, bar_format=form, initial=self.done, file=self._file
            )
            self._tqdm.start_t -= time.monotonic() - self._start

    @property
    def _most(self) -> int:
        """How many letters may say what is done."""
        return min(28, width() // 2)

    def _keep_drawing(self, after: float) -> None:
        if self._closed.wait(after):
            return
        self._open()
        while True:
            self._draw(self.done - self._tqdm.n if self._tqdm is not None else 0)
            if self._closed.wait(0.2):
                return

    def step(self, what: str, count: int = 1) -> None:
        """`count` more of the total are done; `what` comes next."""
        self.done, self.what = self.done + count, what
        if self.on and self._thread is None:
            self._draw(count)

    def _draw(self, count: int) -> None:
        if self._tqdm is not None:
            self._tqdm.set_description_str(self.what[: self._most], refresh=False)
            self._tqdm.update(count)
            if self._thread is not None:
                self._tqdm.refresh()
        elif time.monotonic() - self._drawn > 0.1:
            self._drawn = time.monotonic()
            line = f"\r{self.what[: self._most]:{self._most}}"
            if self.total:
                cells = max(min(30, width() - self._most - 11), 1)
                line += f" [{'#' * (cells * min(self.done, self.total) // self.total):{cells}}]"
            passed = f" {self._drawn - self._start:3.0f} s" if self._thread is not None else ""
            print(line + passed, end="", file=self._file, flush=True)

    @classmethod
    def clear(cls) -> None:
        """Remove the bar that is drawn, if any, for a line that is printed; it comes back."""
        bar = cls._shown
        if bar is None:
            return
        if bar._tqdm is not None:
            bar._tqdm.clear()
        elif bar._drawn:
            print(f"\r{'':{min(68, width() - 1)}}\r", end="", file=bar._file, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        if self._tqdm is not None:
            self._tqdm.close()
        elif self.on:
            Progress.clear()
        if Progress._shown is self:
            Progress._shown = None


def colours(stream: Any) -> bool:
    """Whether to write in colour: to a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def coloured(text: str, good: bool) -> str:
    """The text for stdout, in green or in red where it is in colour."""
    return f"\033[{32 if good else 31}m{text}\033[0m" if colours(sys.stdout) else text


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Rows of words in columns, the first to the left, the others to the right.

    Four columns or more that are too wide for the terminal come in parts, the first column in each.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = width() if getattr(sys.stdout, "fits", False) and len(widths) > 3 else sys.maxsize
    parts: list[list[int]] = [[]]
    left = room
    for i, wide in enumerate(widths[1:], 1):
        left -= 2 + wide
        if left < len(indent) + widths[0] and parts[-1]:
            parts.append([])
            left = room - 2 - wide
        parts[-1].append(i)
    lines = []
    for part in parts:
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in part)]
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


def seconds(text: str) -> float:
    """A type for argparse: seconds that a clock can wait, more than 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r}; write seconds, more than 0 and at most {MOST_SECONDS:,}"
        )
    return found


def matplotlib() -> Any:
    """The module matplotlib, with its figures.  Raises ImportError where it is not installed."""
    try:
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install 'minwn[plot]'") from error
    return matplotlib
