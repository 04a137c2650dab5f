"""The comparisons, and their table.

Every check ends in a `Finding`: two numbers that should agree, the allowed distance, and
their place. ratio = |claimed - reference| / allowed, and above 1 the check has failed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ..backend import unit_roundoff
from ..gradcheck import Comparison, GradcheckReport
from ..terminal import columns
from ..tolerance import ratio

# The columns of the tables, from left to right.
ROUTES = (
    FIRST, SECOND, PRODUCT, SINGLE, KINK, AUTODIFF, DIFFERENCES, COMPLEX, LAWS, DIGITS, TEST,
) = (
    "first order", "second order", "forward product", "float32", "at kinks",
    "autodiff", "differences", "complex step", "laws", "80 digits", "test errors",
)


@dataclass(frozen=True)
class Finding:
    """The worst comparison of one kind. `note` is for results without numbers, such as an error.

    count: how many numbers were compared
    """

    what: str  # the row of the table
    route: str  # its column
    place: str  # the function, the argument, the index, the options
    claimed: float = math.nan
    reference: float = math.nan
    allowed: float = math.nan
    error: float = math.inf
    note: str = ""
    count: int = 1

    @property
    def ratio(self) -> float:
        return float(ratio(self.error, self.allowed))

    @property
    def ok(self) -> bool:
        return self.ratio <= 1

    def __str__(self) -> str:
        lines = [f"FAILED  {self.what}, {self.route}: {self.place}"]
        if not (math.isnan(self.claimed) and math.isnan(self.reference)):
            lines.append(f"    claimed   {self.claimed: .17g}")
            lines.append(f"    reference {self.reference: .17g}")
            lines.append(
                f"    error {self.error:.2e}   allowed {self.allowed:.2e}   ratio {self.ratio:.2e}"
            )
        lines += [f"    {line}" for line in self.note.splitlines()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Numbers that JSON cannot express (inf, nan) become null."""
        numbers = {
            "claimed": self.claimed, "reference": self.reference, "worst": self.error,
            "bound": self.allowed, "ratio": self.ratio,
        }
        return {
            "what": self.what,
            "route": self.route,
            "place": self.place,
            **{k: x if math.isfinite(x) else None for k, x in numbers.items()},
            "ok": self.ok,
            "note": self.note,
        }


def compare(
    what: str, route: str, place: str, claimed: Any, reference: Any, allowed: Any
) -> Finding:
    """The worst entry of two arrays that may differ by `allowed` each."""
    claimed, reference, allowed = (
        numpy.asarray(x, dtype="float64") for x in (claimed, reference, allowed)
    )
    if claimed.shape != reference.shape:
        note = f"shape {claimed.shape} where {reference.shape} was expected"
        return Finding(what, route, place, note=note)
    if not claimed.size:
        return Finding(what, route, place, 0.0, 0.0, 0.0, 0.0, count=0)
    with numpy.errstate(all="ignore"):
        error = numpy.abs(claimed - reference)
    allowed = numpy.broadcast_to(allowed, error.shape)
    worst = numpy.unravel_index(numpy.argmax(ratio(error, allowed)), error.shape)
    at = f"[{', '.join(map(str, worst))}]" if worst else ""
    return Finding(
        what, route, f"{place}{at}", float(claimed[worst]), float(reference[worst]),
        float(allowed[worst]), float(error[worst]), count=claimed.size,
    )


def close(
    what: str, route: str, place: str, claimed: Any, reference: Any, dtype: str = "float64"
) -> Finding:
    """Two arrays that may differ by 2^12 roundings of the largest entry: more than is needed."""
    u = unit_roundoff(numpy.dtype(dtype))
    return compare(
        what, route, place, claimed, reference, 2**12 * u * abs(reference).max(initial=0.0)
    )


def findings(
    what: str, routes: tuple[str, str], report: GradcheckReport, place: str
) -> Iterator[Finding]:
    """The comparisons of a gradient check, as rows of the table."""
    for c in report.comparisons:
        yield finding(what, routes[min(c.order, 2) - 1], c, place)


def finding(what: str, route: str, c: Comparison, place: str) -> Finding:
    at = f"{c.place}, {place}" + ("" if c.index is None else f", at {c.index}")
    if c.verdict == "pass":
        return Finding(what, route, at, c.analytic, c.numeric, c.allowed, c.error)
    note = f"{c.verdict}: {c.note}" if c.note else c.verdict
    error = c.error if c.verdict == "fail" and c.ratio > 1 else math.inf
    return Finding(what, route, at, c.analytic, c.numeric, c.allowed, error, note)


@contextlib.contextmanager
def caught(found: list[Finding], what: str, route: str, place: str) -> Iterator[None]:
    """An exception in a check is a failed check: it must not hide the others."""
    try:
        yield
    except Exception as error:
        found.append(Finding(what, route, place, note=f"raised {type(error).__name__}: {error}"))


def worst_of(findings: Iterable[Finding]) -> list[Finding]:
    """One Finding for each row and column, the worst, and all those that failed."""
    worst: dict[tuple[str, str], Finding] = {}
    failed = []
    for f in findings:
        if not f.ok:
            failed.append(f)
        key = (f.what, f.route)
        if key not in worst or f.ratio > worst[key].ratio:
            worst[key] = f
    return [*worst.values(), *(f for f in failed if worst[f.what, f.route] is not f)]


def table(title: str, findings: Sequence[Finding]) -> str:
    """A row for each subject, a column for each route; each cell the worst ratio, or "-"."""
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
