"""Observed answers, candidate formulas, and whether the two agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...tolerance import scaled_error
from ..mistakes import Terms
from ..reference.error_bounds import STORED
from ..reference.rounding import Format

__all__ = ["SLACK", "Candidate", "Diagnosis", "Observation", "differs", "fits"]

SLACK = 4.0  # a candidate is computed in float64, and both it and the answer are rounded


@dataclass(frozen=True)
class Diagnosis:
    """One name for the error. residual: the worst |got - formula| in units of rounding."""

    id: str
    formula: str
    fix: str
    evidence: str
    outputs: tuple[str, ...]
    residual: float = math.nan
    seen_in: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "id": self.id, "formula": self.formula, "fix": self.fix, "evidence": self.evidence,
            "outputs": list(self.outputs), "seen_in": self.seen_in,
            "residual": self.residual if math.isfinite(self.residual) else None,
        }


@dataclass(frozen=True)
class Observation:
    """One case: the answers, the expected ones, and the tolerances, per output, in float64."""

    id: str
    group: str
    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    axes: tuple[int, ...] | None
    got: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    allowed: dict[str, np.ndarray]
    form: str = "plain"
    eps: float = 0.0
    flags: tuple[str, ...] = ()
    dtype: Any = "float64"
    accumulate: Any = None  # the dtype of the sums, where it is wider
    sizes: Mapping[str, int] | None = None  # of the answers, of which some slices are kept

    def size(self, output: str) -> int:
        """How many numbers were compared."""
        return self.got[output].size if self.sizes is None else self.sizes[output]

    @cached_property
    def terms(self) -> Terms:
        """The terms of the formulas here, in float64."""
        return Terms(self.v, self.g, self.w_bar, self.axes, self.form, self.eps)

    @cached_property
    def u(self) -> float:
        """The unit roundoff of the dtype."""
        return Format.of(self.dtype).u

    def rounding(self, output: str) -> float:
        """The error of a right evaluation over a slice's largest entry; see `error_bounds`."""
        inner = self.u if self.accumulate is None else Format.of(self.accumulate).u
        stored = STORED[output] * self.u if inner < self.u else 0.0
        return stored + (2.5 * self.terms.m + 8) * inner

    def ratio(self, output: str) -> np.ndarray:
        """|got - expected| in units of the tolerance, entry by entry; inf for NaN."""
        if output not in self._ratios:
            found = scaled_error(self.got[output], self.expected[output], self.allowed[output])
            self._ratios[output] = np.asarray(found)
        return self._ratios[output]

    def worst(self, output: str) -> float:
        """The largest ratio: above 1, something is wrong."""
        if output not in self._worst:
            self._worst[output] = float(self.ratio(output).max(initial=0.0))
        return self._worst[output]

    # Every check asks for both.

    @cached_property
    def _ratios(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def _worst(self) -> dict[str, float]:
        return {}

    def wrong(self, output: str) -> np.ndarray:
        """Which entries are out of their tolerance."""
        return self.ratio(output) > 1

    @cached_property
    def fails(self) -> bool:
        """Whether any entry of any output is wrong."""
        return any(self.worst(output) > 1 for output in self.got)

    def distance(
        self, output: str, candidate: np.ndarray, *, undefined: bool = False
    ) -> float:
        """The worst |got - candidate| in units of the rounding error of either.

        undefined: whether NaN in both is no difference
        """
        t, allowed = self.terms, self.allowed[output]
        candidate = np.broadcast_to(candidate, self.got[output].shape)
        size = np.abs(candidate)
        if output != "g_bar" and size.size:
            size = size.max(axis=t.reduced, keepdims=True, initial=0.0)
        tol = SLACK * np.maximum(allowed, self.rounding(output) * size)
        got, top = self.got[output], 2.0 ** Format.of(self.dtype).largest
        overflowed = np.isinf(got) & (np.sign(got) * candidate + tol >= top)
        candidate = np.where(overflowed, got, candidate)
        if undefined:
            both = np.isnan(got) & np.isnan(candidate)
            candidate, got = (np.where(both, 0.0, x) for x in (candidate, got))
        return float(np.max(scaled_error(got, candidate, tol), initial=0.0))


Candidate = Callable[[Observation], Any]  # the array a formula gives, or None where it has none


def fits(
    evidence: Sequence[Observation], output: str, candidate: Candidate, *, undefined: bool = False
) -> float:
    """The worst distance over the evidence; inf where the candidate does not fit."""
    worst = 0.0
    for o in evidence:
        with np.errstate(all="ignore"):
            array = candidate(o)
        if array is None:
            return math.inf
        worst = max(worst, o.distance(output, array, undefined=undefined))
        if worst > 1:
            return math.inf
    return worst


def differs(seen: Sequence[Observation], output: str, candidate: Candidate) -> bool:
    """Whether the candidate is not the truth itself on this evidence."""
    for o in seen:
        truth = replace(o, got={output: o.expected[output]})
        array = candidate(o)
        if array is not None and truth.distance(output, array) > 1:
            return True
    return False
