"""What an implementation claims to be, and the cases that follow: each beside its truth."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .accused import wide
from .bounds import bounds, second_bounds
from .bulk import truths
from .cases import Case, cases, of_shape
from .mistakes import Terms
from .rounding import Format
from .truth import second

__all__ = ["Claim", "Prepared", "ordinary"]


@dataclass(frozen=True)
class Claim:
    """The function w = g v / h(v), its dtypes, and where it is to be judged."""

    axis: Any
    form: str
    eps: float
    dtype: str
    accumulate: str
    ranks: frozenset[int]
    groups: tuple[str, ...]
    quick: bool = True
    shape: tuple[int, ...] | None = None

    def in_float64(self) -> Claim:
        """The same function, where it is asked for all the digits there are."""
        return replace(self, dtype="float64", accumulate="float64")

    def room(self, v: Any, g: Any, w_bar: Any) -> dict[str, np.ndarray]:
        """How far w, v_bar and g_bar may be from the rounded truth."""
        how: Any = {"form": self.form, "eps": self.eps, "accumulate": self.accumulate}
        return bounds(v, g, w_bar, **how)._asdict()

    def drawn(self, *groups: str) -> list[Case]:
        """The quick cases of some groups that have a rank that is claimed."""
        found = _drawn(self.dtype, self.axis, groups, True)
        return [case for case in found if case.v.ndim in self.ranks]

    def prepared(self) -> tuple[Prepared, ...]:
        """Every case that is asked for, to first order."""
        return _prepared(self)

    def prepared_second(self) -> tuple[Prepared, ...]:
        """The cases of products and of the second order."""
        return _prepared_second(replace(self, groups=(), quick=True, shape=None))

    def ordinary(self, case: Case) -> bool:
        return ordinary(case.v, case.g, case.w_bar, self.accumulate)


def ordinary(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, accumulate: Any) -> bool:
    """Whether n^3 d and the like are in range, so that any order of evaluation is."""
    top = Format.of(accumulate).largest + 1
    every = np.concatenate([np.ravel(wide(x)) for x in (v, w_bar, g)])
    sizes = np.abs(every[(every != 0) & np.isfinite(every)])
    return bool((4.5 * np.abs(np.log2(sizes)) < top).all())


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case, the right answers in float64, and how far from them one may be."""

    case: Case
    right: dict[str, np.ndarray]
    allowed: dict[str, np.ndarray]
    usual: bool = True  # of ordinary range: an honest evaluation has no excuse

    @functools.cached_property
    def told(self) -> dict[str, np.ndarray]:
        """The right answers, and 0 where there is no truth."""
        return {name: np.where(self.untold[name], 0.0, x) for name, x in self.right.items()}

    @functools.cached_property
    def untold(self) -> dict[str, np.ndarray]:
        """Where there is no truth: whatever is answered there is as good."""
        return {
            name: np.isnan(x) | ~np.isfinite(self.allowed[name]) for name, x in self.right.items()
        }


# Cases and truths are functions of the claim alone; kept, they cost nothing the next time.


@functools.lru_cache(maxsize=32)
def _drawn(dtype: str, axis: Any, groups: tuple[str, ...], quick: bool) -> tuple[Case, ...]:
    return tuple(cases(dtype, groups, axis=axis, quick=quick))


@functools.lru_cache(maxsize=16)
def _prepared(claim: Claim) -> tuple[Prepared, ...]:
    chosen = [
        case
        for case in _drawn(claim.dtype, claim.axis, claim.groups, claim.quick)
        if case.v.ndim in claim.ranks
    ]
    if claim.shape is not None:
        chosen += of_shape(claim.shape, claim.dtype, axis=claim.axis)
    found = []
    with np.errstate(all="ignore"):
        every = truths(chosen, form=claim.form, eps=claim.eps)
        for case, truth in zip(chosen, every, strict=True):
            right = {name: wide(x) for name, x in truth._asdict().items()}
            allowed = claim.room(case.v, case.g, case.w_bar)
            usual = case.group != "range" and (case.group == "undefined" or claim.ordinary(case))
            usual = usual and case.flags != ("result overflows",) and case.v.size > 0
            found.append(Prepared(case, right, allowed, usual))
    return tuple(found)


@functools.lru_cache(maxsize=16)
def _prepared_second(claim: Claim) -> tuple[Prepared, ...]:
    found = []
    how: Any = {"form": claim.form, "eps": claim.eps}
    for case in claim.drawn("dyadic", "generic", "axes"):
        if case.v.size:
            truth = second(case, certify="", **how)._asdict()
            room = second_bounds(case, accumulate=claim.accumulate, **how)._asdict()
            right = {name: wide(x) for name, x in truth.items()}
            found.append(Prepared(case, right, room, _fifth_power(case, claim.accumulate)))
    return tuple(found)


def _fifth_power(case: Case, accumulate: Any) -> bool:
    """Whether n^-5 keeps all its digits: autodiff meets it on its way to the second order."""
    n = Terms(case.v, case.g, case.w_bar, case.axes).n
    least = Format.of(accumulate).largest - 1
    return bool((5 * np.abs(np.log2(n[n > 0])) < least).all())
