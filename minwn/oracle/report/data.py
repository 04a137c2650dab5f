"""The results as data, from which every rendering of a report is written.

Five verdicts:

    PASS         every check holds. Grade: rounded (each number the nearest one), faithful (within
                 one unit in the last place), or stable (within the proven bound)
    FAIL         a check does not hold
    ACCEPTABLE   the only failures were declared, by name
    UNDEFINED    no case has a true answer
    REFUSED      nothing could be judged: no function, or one that answers nothing
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...tolerance import scaled_error
from ..diagnosis import Diagnosis

__all__ = ["CheckResult", "Findings", "LayerMinimalCase", "MinimalCase", "Worst"]


@dataclass(frozen=True)
class CheckResult:
    """One kind of check: how many comparisons, how many failed, the worst error over allowed."""

    name: str
    checked: int
    failed: int
    ratio: float
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.failed == 0


@dataclass(frozen=True)
class Worst:
    """The entry that is furthest outside its bound."""

    case: str
    output: str
    index: tuple[int, ...]
    shape: tuple[int, ...]
    got: float
    expected: float
    allowed: float

    @property
    def ratio(self) -> float:
        """|got - expected| in units of what is allowed."""
        return float(scaled_error(self.got, self.expected, self.allowed))

    @property
    def location(self) -> str:
        """v_bar[0, 2] of case D-0006, shape (3, 4)"""
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.output}{at} of case {self.case}, shape {self.shape}"

    def __str__(self) -> str:
        return (
            f"{self.location}: got {self.got:.8g}, expected {self.expected:.8g}, "
            f"allowed {self.allowed:.1e} ({self.ratio:.1e} x)"
        )


@dataclass(frozen=True)
class MinimalCase:
    """One output of one case; all values nested lists. allowed: how far each number may be off."""

    v: Any
    g: Any
    w_bar: Any
    output: str
    got: Any
    expected: Any
    allowed: Any = None

    @property
    def inputs(self) -> list[tuple[str, Any]]:
        """The arrays that the function was given, by name."""
        return [("v", self.v), ("g", self.g)] + ([("w_bar", self.w_bar)] * (self.output != "w"))

    def ratio(self, dtype: str = "float64") -> np.ndarray:
        """|got - expected| in units of the tolerance: above 1 an entry is wrong.

        Where `allowed` is not known, it is taken for 64 roundings of the largest number.
        """
        allowed = self.allowed
        if allowed is None:
            digits = {"float32": 24, "float16": 11, "bfloat16": 8}.get(dtype, 53)
            allowed = 64 * 2.0**-digits * np.max(np.abs(self.expected), initial=0.0)
        return np.asarray(scaled_error(self.got, self.expected, allowed))


@dataclass(frozen=True)
class LayerMinimalCase(MinimalCase):
    """The same of a layer, whose weight is w, or made of v and g; w_bar is None."""

    x: Any = None
    w: Any = None
    b: Any = None
    y_bar: Any = None

    @property
    def inputs(self) -> list[tuple[str, Any]]:
        """The arrays that the function was given, by name."""
        names = ("y_bar", "x", "w", "v", "g", "b")
        return [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]


@dataclass(frozen=True)
class Findings:
    """The contents of a report.

    minimal_case: a failing case that can be done on paper. examples: larger ones for pictures, one
    for each output that is wrong. layer: its kind and options, where a layer was judged. skipped:
    what was not judged, and why. In JSON "smallest" is minimal_case, "specimens" are examples, and
    "rungs" checks.
    """

    name: str
    verdict: str
    headline: str
    grade: str | None = None
    diagnosis: list[Diagnosis] = field(default_factory=list)
    ambiguous: bool = False
    checks: list[CheckResult] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    worst: Worst | None = None
    minimal_case: MinimalCase | None = None
    laws: dict[str, float] = field(default_factory=dict)
    consistent: bool | None = None
    notes: list[str] = field(default_factory=list)
    dtype: str = "float64"
    form: str = "plain"
    eps: float = 0.0
    axis: Any = 0
    seconds: float = 0.0
    examples: list[MinimalCase] = field(default_factory=list)
    layer: str = ""
    skipped: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all failures were declared."""
        return self.verdict in ("PASS", "ACCEPTABLE")

    @property
    def title(self) -> str:
        """The verdict, with its grade where it is a pass."""
        return f"{self.verdict} ({self.grade})" if self.grade and self.ok else self.verdict

    @property
    def settings(self) -> str:
        """The settings: axis 0, float64, form inside with eps 0.001"""
        form = "" if self.form == "plain" else f", form {self.form} with eps {self.eps:g}"
        return f"{self.layer or f'axis {self.axis}'}, {self.dtype}{form}"

    @property
    def broken(self) -> list[str]:
        """The ids of the laws that do not hold."""
        return [name for name, ratio in self.laws.items() if ratio > 1]

    @property
    def rivals(self) -> list[list[Diagnosis]]:
        """The diagnoses in groups: each group is one mistake, or several that look the same."""
        groups: list[list[Diagnosis]] = []
        for d in self.diagnosis:
            same = [
                group
                for group in groups
                if self.ambiguous and math.isfinite(d.residual)
                and math.isfinite(group[0].residual) and group[0].outputs == d.outputs
            ]
            if same:
                same[0].append(d)
            else:
                groups.append([d])
        return groups

    def to_json(self) -> dict[str, Any]:
        """Everything, in types that JSON has; inf and nan become null."""
        data = {
            "name": self.name, "verdict": self.verdict, "grade": self.grade, "ok": self.ok,
            "headline": self.headline, "dtype": self.dtype, "form": self.form, "eps": self.eps,
            "axis": list(self.axis) if isinstance(self.axis, tuple) else self.axis,
            "ambiguous": self.ambiguous, "consistent": self.consistent,
            "diagnosis": [d.to_json() for d in self.diagnosis],
            "rungs": [vars(r) | {"ok": r.ok} for r in self.checks],
            "groups": self.groups, "laws": self.laws, "broken": self.broken,
            "worst": None if self.worst is None else vars(self.worst) | {"ratio": self.worst.ratio},
            "smallest": None if self.minimal_case is None else vars(self.minimal_case),
            "specimens": [vars(s) for s in self.examples],
            "notes": self.notes, "skipped": self.skipped, "layer": self.layer,
            "seconds": self.seconds,
        }
        return _plain(data)


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(value) for value in x]
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x
