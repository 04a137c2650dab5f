"""What was compared, the progress bar, and the table.

Every check ends in a `Finding`: two numbers that had to agree, how far apart they may be, and
where they were. ratio = |claimed - reference| / allowed, and above 1 the check has failed.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

# The columns of the tables, from left to right.
ROUTES = (
    FIRST, SECOND, PRODUCT, SINGLE, KINK, AUTODIFF, DIFFERENCES, COMPLEX, LAWS, DIGITS, TEST,
) = (
    "first order", "second order", "forward product", "float32", "at kinks",
    "autodiff", "differences", "complex step", "laws", "50 digits", "test errors",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """The worst comparison of one kind. `note` is for what has no numbers, such as an error."""

    what: str  # the row of the table
    route: str  # its column
    place: str  # the function, the argument, the index, the options
    claimed: float = math.nan
    reference: float = math.nan
    allowed: float = math.nan
    error: float = math.inf
    note: str = ""

    @property
    def ratio(self) -> float:
        if self.error == 0:
            return 0.0
        ratio = self.error / self.allowed if self.allowed else math.inf
        return math.inf if math.isnan(ratio) else ratio

    @property
    def ok(self) -> bool:
        return self.ratio <= 1

    def __str__(self) -> str:
        lines = [f"FAILED  {self.what}, {self.route}: {self.place}"]
        if not math.isnan(self.allowed):
            lines.append(f"    claimed   {self.claimed: .17g}")
            lines.append(f"    reference {self.reference: .17g}")
            lines.append(
                f"    error {self.error:.2e}   allowed {self.allowed:.2e}   ratio {self.ratio:.2e}"
            )
        lines += [f"    {line}" for line in self.note.splitlines()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Numbers that JSON has no word for (inf, nan) become null."""
        numbers = {
            "claimed": self.claimed, "reference": self.reference, "worst": self.error,
            "bound": self.allowed, "ratio": self.ratio,
        }  # fmt: skip
        return {
            "what": self.what,
            "route": self.route,
            "place": self.place,
            **{k: x if math.isfinite(x) else None for k, x in numbers.items()},
            "ok": self.ok,
            "note": self.note,
        }


def compare(
    what: str,
    route: str,
    place: str,
    claimed: Any,
    reference: Any,
    allowed: Any,
    *,
    error: Any = None,
    entries: tuple[Any, tuple[int, ...]] | None = None,
) -> Finding:
    """The worst entry of two arrays that may differ by `allowed` each.

    error: |claimed - reference|, where it was computed in more digits than a float has.
    entries: where the arrays list some entries of another, their flat numbers and its shape.
    """
    claimed, reference, allowed = (
        numpy.asarray(x, dtype="float64") for x in (claimed, reference, allowed)
    )
    if claimed.shape != reference.shape:
        note = f"shape {claimed.shape} where {reference.shape} was expected"
        return Finding(what, route, place, note=note)
    if not claimed.size:
        return Finding(what, route, place, 0.0, 0.0, 0.0, 0.0)
    with numpy.errstate(all="ignore"):
        error = numpy.abs(claimed - reference) if error is None else numpy.asarray(error)
        allowed = numpy.broadcast_to(allowed, error.shape)
        ratio = numpy.where(error == 0, 0.0, error / allowed)
    worst = numpy.unravel_index(numpy.nan_to_num(ratio, nan=numpy.inf).argmax(), ratio.shape)
    index = worst
    if entries is not None:
        index = numpy.unravel_index(entries[0][worst[0]], entries[1])
    at = f"[{', '.join(map(str, index))}]" if index else ""
    return Finding(
        what, route, f"{place}{at}", float(claimed[worst]), float(reference[worst]),
        float(allowed[worst]), float(error[worst]),
    )  # fmt: skip


@contextlib.contextmanager
def caught(found: list[Finding], what: str, route: str, place: str) -> Iterator[None]:
    """An exception in a check is a failed check: it must not hide the others."""
    try:
        yield
    except Exception as error:
        found.append(Finding(what, route, place, note=f"raised {type(error).__name__}: {error}"))


def worst_of(findings: Iterable[Finding]) -> list[Finding]:
    """One Finding for each row and column, the worst, and all those that failed."""
    kept: dict[tuple[str, str], Finding] = {}
    failed = []
    for f in findings:
        if not f.ok:
            failed.append(f)
        key = (f.what, f.route)
        if key not in kept or f.ratio > kept[key].ratio:
            kept[key] = f
    return [*kept.values(), *(f for f in failed if kept[f.what, f.route] is not f)]


# ---- on the terminal ----------------------------------------------------------------------------


class Progress:
    """A bar on stderr: tqdm's where it is installed, a plain one otherwise, none when not `on`."""

    def __init__(self, total: int, on: bool) -> None:
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
            full = 30 * min(self.done, self.total) // max(self.total, 1)
            print(f"\r{what[:28]:28} [{'#' * full:30}]", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
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


def table(title: str, findings: Sequence[Finding]) -> str:
    """Rows of what was checked, columns of routes; each cell the worst ratio, "-" for no check."""
    whats = list(dict.fromkeys(f.what for f in findings))
    routes = sorted({f.route for f in findings}, key=ROUTES.index)
    worst = {(f.what, f.route): f for f in reversed(worst_of(findings))}
    rows = [[title, *routes]]
    for what in whats:
        cells = (worst.get((what, route)) for route in routes)
        rows.append([what, *("-" if f is None else _cell(f) for f in cells)])
    return columns(rows)


def _cell(f: Finding) -> str:
    if not f.ok:
        return "FAILED" if f.ratio == math.inf else f"FAILED {f.ratio:.0e}"
    return f"{f.ratio:.3f}" if f.ratio >= 5e-4 or f.ratio == 0 else f"{f.ratio:.0e}"
