"""What an implementation claims to be, and the cases that follow: each beside its truth."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import forms, validation
from ..backend import dtype_of
from .cases import GROUPS, Case, cases, fits, of_shape
from .mistakes import Terms
from .reference.double_double import truths
from .reference.error_bounds import bounds, second_bounds
from .reference.rounding import FORMATS, Format, as_float64
from .reference.truth import second

__all__ = ["Claim", "Prepared", "claimed", "ordinary", "ranks_of"]

RANKS = range(1, 6)  # of which there are cases


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

    @property
    def rank(self) -> int | None:
        """Of the cases that are drawn as slices: the least that is claimed; None where in each of
        them every axis keeps a norm."""
        return min((rank for rank in self.ranks if fits(self.axis, rank)), default=None)

    def in_float64(self) -> Claim:
        """The same function, where it is asked for all the digits there are."""
        return replace(self, dtype="float64", accumulate="float64")

    def room(self, v: Any, g: Any, w_bar: Any) -> dict[str, np.ndarray]:
        """How far w, v_bar and g_bar may be from the rounded truth."""
        how: Any = {"form": self.form, "eps": self.eps, "accumulate": self.accumulate}
        return bounds(v, g, w_bar, **how)._asdict()

    def drawn(self, *groups: str) -> list[Case]:
        """The quick cases of some groups that have a rank that is claimed; or where there are
        none, what there is: of X, or of the shape that is asked for."""
        found = _chosen(replace(self, groups=groups, quick=True, shape=None))
        if not found:
            axes = _chosen(replace(self, groups=("axes",), shape=None))
            found = [case for case in axes if case.v.size] or _chosen(replace(self, groups=()))
        return found

    def chosen(self) -> list[Case]:
        """Every case that is asked for."""
        return _chosen(self)

    def prepared(self) -> tuple[Prepared, ...]:
        """Every case that is asked for, to first order."""
        return _prepared(self)

    def prepared_second(self) -> tuple[Prepared, ...]:
        """The cases of products and of the second order."""
        return _prepared_second(replace(self, groups=(), quick=True))

    def ordinary(self, case: Case) -> bool:
        return ordinary(case.v, case.g, case.w_bar, self.accumulate)


def claimed(
    *,
    axis: Any = 0,
    form: Any = "plain",
    eps: Any = 0.0,
    dtype: Any = "float64",
    accumulate: Any = None,
    ranks: Iterable[int] | None = None,
    groups: Iterable[str] | None = None,
    shape: Iterable[int] | None = None,
    quick: bool = True,
) -> Claim:
    """What `check` is asked, with every setting looked at; see there.

    Raises TypeError for a dtype that cannot be judged, ImportError for bfloat16 without ml_dtypes,
    IndexError for an axis that no array in question has, and ValueError for all else.
    """
    given = validation.axes("axis", axis)
    axis = given if given is None or isinstance(axis, tuple) else given[0]
    eps = forms.check(form, eps)
    kept = _format("dtype", dtype)
    summed = kept if accumulate is None else _format("accumulate", accumulate)
    if ranks is None:
        ranks = (2,) if axis in (-2, -1, 0, 1) else RANKS
    known = ranks_of(ranks)
    size = None if shape is None else _shape(shape)
    if size is not None or not any(_has(axis, rank) for rank in known):
        there = validation.axes("axis", axis, max(known) if size is None else size)
        if there is not None and len(set(there)) < len(there):
            raise ValueError(f"axis={axis} names an axis twice; name each axis once")
    chosen = GROUPS if groups is None else validation.names("groups", groups, GROUPS, one="group")
    claim = Claim(axis, form, eps, kept, summed, known, chosen, quick, size)
    if not claim.chosen() or not any(case.v.size for case in claim.drawn("generic")):
        raise ValueError(
            f"no case is left: groups={list(chosen)} have none with ranks={sorted(known)} and "
            f"axis={axis}; ask for more ranks or groups, or give a shape with entries"
        )
    return claim


def _format(name: str, dtype: Any) -> str:
    """The name of a dtype that can be judged."""
    try:
        found = None if dtype is None else dtype_of(dtype).name
    except (TypeError, ValueError):
        found = None
    if found not in FORMATS:
        raise TypeError(
            f"{name} {found or validation.shown(dtype)}; choose float16, bfloat16, float32 or "
            f"float64"
        )
    return found


def ranks_of(ranks: Any) -> frozenset[int]:
    """The ranks of v that are asked for. Raises ValueError for what is none, or none at all."""
    if not isinstance(ranks, Iterable) or isinstance(ranks, str | bytes):
        raise ValueError(
            f"ranks={validation.shown(ranks)}; give several, such as (2,) or range(1, 6)"
        )
    found = set()
    for rank in validation.several("ranks", ranks, "several, such as (2,) or range(1, 6)"):
        found.add(validation.whole("ranks", rank))
        if rank not in RANKS:
            raise ValueError(f"ranks={rank}; give ranks from 1 to {RANKS[-1]}")
    if not found:
        raise ValueError("ranks is empty; give some, such as (2,) or range(1, 6)")
    return frozenset(found)


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple | list):
        raise ValueError(f"shape={validation.shown(shape)}; give the shape of v, such as (3, 4)")
    return tuple(validation.whole("shape", n, 0) for n in shape)


def _has(axis: Any, rank: int) -> bool:
    """Whether v of that rank has the axes, each once."""
    try:
        found = validation.axes("axis", axis, rank)
    except IndexError:
        return False
    return found is None or len(set(found)) == len(found)


def ordinary(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, accumulate: Any) -> bool:
    """Whether n^3 d and the like are in range, so that any order of evaluation is."""
    top = Format.of(accumulate).largest + 1
    every = np.concatenate([np.ravel(as_float64(x)) for x in (v, w_bar, g)])
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
def _drawn(
    dtype: str, axis: Any, groups: tuple[str, ...], quick: bool, rank: int | None
) -> tuple[Case, ...]:
    return tuple(cases(dtype, groups, axis=axis, quick=quick, rank=rank))


def _chosen(claim: Claim) -> list[Case]:
    groups = claim.groups if claim.rank else tuple(x for x in claim.groups if x == "axes")
    found: list[Case] = []
    if groups:
        every = _drawn(claim.dtype, claim.axis, groups, claim.quick, claim.rank)
        found = [case for case in every if case.v.ndim in claim.ranks]
    if claim.shape is not None:
        found += of_shape(claim.shape, claim.dtype, axis=claim.axis)
    return found


@functools.lru_cache(maxsize=16)
def _prepared(claim: Claim) -> tuple[Prepared, ...]:
    chosen, found = _chosen(claim), []
    with np.errstate(all="ignore"):
        every = truths(chosen, form=claim.form, eps=claim.eps)
        for case, truth in zip(chosen, every, strict=True):
            right = {name: as_float64(x) for name, x in truth._asdict().items()}
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
            right = {name: as_float64(x) for name, x in truth.items()}
            found.append(Prepared(case, right, room, _fifth_power(case, claim.accumulate)))
    return tuple(found)


def _fifth_power(case: Case, accumulate: Any) -> bool:
    """Whether n^-5 keeps all its digits: autodiff meets it on its way to the second order."""
    n = Terms(case.v, case.g, case.w_bar, case.axes).n
    least = Format.of(accumulate).largest - 1
    return bool((5 * np.abs(np.log2(n[n > 0])) < least).all())
