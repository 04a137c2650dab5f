"""What an implementation should compute, and the cases that follow, each with its truth."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
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

__all__ = [
    "DTYPES", "RANKS", "Prepared", "Spec", "dtype_name", "in_range", "make_spec", "prepare",
    "ranks_of",
]

DTYPES = ("float64", "float32", "float16", "bfloat16")
RANKS = range(1, 6)  # of which there are cases
LARGE = 2**16  # entries of v: above, a shape is judged by blocks, and never kept


@dataclass(frozen=True)
class Spec:
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
        """Of the cases that are drawn as slices: the least of the spec; None where in each of
        them every axis keeps a norm."""
        return min((rank for rank in self.ranks if fits(self.axis, rank)), default=None)

    @property
    def large(self) -> bool:
        """Whether the given shape is judged by blocks."""
        return self.shape is not None and math.prod(self.shape) > LARGE

    def in_float64(self) -> Spec:
        """The same spec in float64."""
        return replace(self, dtype="float64", accumulate="float64")

    def tolerance(self, v: Any, g: Any, w_bar: Any) -> dict[str, np.ndarray]:
        """How far w, v_bar and g_bar may be from the rounded truth."""
        how: Any = {"form": self.form, "eps": self.eps, "accumulate": self.accumulate}
        return bounds(v, g, w_bar, **how)._asdict()

    def drawn(self, *groups: str) -> list[Case]:
        """The quick cases of some groups that have a rank of the spec; where there are
        none, those of X, or of the given shape."""
        found = _chosen(replace(self, groups=groups, quick=True, shape=None))
        if not found:
            axes = _chosen(replace(self, groups=("axes",), shape=None))
            found = [case for case in axes if case.v.size] or _chosen(replace(self, groups=()))
        if not found and self.large:
            small = tuple(min(n, 5) for n in self.shape or ())
            found = list(of_shape(small, self.dtype, axis=self.axis))
        return found

    def chosen(self) -> list[Case]:
        """Every chosen case."""
        return _chosen(self)

    def prepared(self) -> tuple[Prepared, ...]:
        """Every chosen case, to first order."""
        return _prepared(self)

    def prepared_second(self) -> tuple[Prepared, ...]:
        """The cases of products and of the second order."""
        return _prepared_second(replace(self, groups=(), quick=True))

    def in_range(self, case: Case) -> bool:
        """Whether nothing in a case leaves the range of the dtype."""
        return in_range(case.v, case.g, case.w_bar, self.accumulate)


def make_spec(
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
) -> Spec:
    """The spec of a `check`, with every setting validated; see there.

    Raises TypeError for a dtype that cannot be judged, ImportError for bfloat16 without ml_dtypes,
    IndexError for an axis that no array in question has, and ValueError for all else.
    """
    axes = validation.axes("axis", axis)
    axis = axes if axes is None or isinstance(axis, tuple) else axes[0]
    eps = forms.check(form, eps)
    kept = dtype_name("dtype", dtype)
    summed = kept if accumulate is None else dtype_name("accumulate", accumulate)
    if ranks is None:
        ranks = (2,) if axis in (-2, -1, 0, 1) else RANKS
    known = ranks_of(ranks)
    size = None if shape is None else _shape(shape)
    if size is not None or not any(_has(axis, rank) for rank in known):
        there = validation.axes("axis", axis, max(known) if size is None else size)
        if there is not None and len(set(there)) < len(there):
            raise ValueError(f"axis={axis} names an axis twice; name each axis once")
    chosen = GROUPS if groups is None else validation.names("groups", groups, GROUPS, one="group")
    spec = Spec(axis, form, eps, kept, summed, known, chosen, quick, size)
    drawn = spec.drawn("generic")
    if not (spec.chosen() or spec.large) or not any(case.v.size for case in drawn):
        raise ValueError(
            f"no case is left: groups={list(chosen)} have none with ranks={sorted(known)} and "
            f"axis={axis}; ask for more ranks or groups, or give a shape with entries"
        )
    return spec


def dtype_name(name: str, dtype: Any) -> str:
    """The name of a dtype that can be judged. Raises TypeError for others."""
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
    """The ranks of v, validated. Raises ValueError for anything but ranks, and for none at all."""
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


def in_range(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, accumulate: Any) -> bool:
    """Whether n^3 d and the like are in range, so that any order of evaluation is."""
    top = Format.of(accumulate).largest + 1
    every = np.concatenate([np.ravel(as_float64(x)) for x in (v, w_bar, g)])
    sizes = np.abs(every[(every != 0) & np.isfinite(every)])
    return bool((4.5 * np.abs(np.log2(sizes)) < top).all())


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case, the expected answers in float64, and how far from them one may be."""

    case: Case
    expected: dict[str, np.ndarray]
    allowed: dict[str, np.ndarray]
    in_range: bool = True  # overflow or underflow is not accepted as a reason

    @functools.cached_property
    def expected_or_zero(self) -> dict[str, np.ndarray]:
        """The expected answers, and 0 where they are undefined."""
        return {name: np.where(self.undefined[name], 0.0, x) for name, x in self.expected.items()}

    @functools.cached_property
    def undefined(self) -> dict[str, np.ndarray]:
        """Mask of entries with no defined reference value; any answer is accepted."""
        return {
            name: np.isnan(x) | ~np.isfinite(self.allowed[name])
            for name, x in self.expected.items()
        }


# Cases and truths depend on the spec alone; cached, they cost nothing the next time.


@functools.lru_cache(maxsize=128)
def _drawn(
    dtype: str, axis: Any, group: str, quick: bool, rank: int | None
) -> tuple[Case, ...]:
    return tuple(cases(dtype, (group,), axis=axis, quick=quick, rank=rank))


def _chosen(spec: Spec) -> list[Case]:
    found = [
        case
        for group in GROUPS if group in spec.groups and (spec.rank or group == "axes")
        for case in _drawn(spec.dtype, spec.axis, group, spec.quick, spec.rank)
        if case.v.ndim in spec.ranks
    ]
    if spec.shape is not None and not spec.large:
        found += of_shape(spec.shape, spec.dtype, axis=spec.axis)
    return found


@functools.lru_cache(maxsize=16)
def _prepared(spec: Spec) -> tuple[Prepared, ...]:
    return tuple(prepare(spec, _chosen(spec)))


def prepare(spec: Spec, chosen: Sequence[Case]) -> list[Prepared]:
    """Cases with their truths and bounds, to first order."""
    found = []
    with np.errstate(all="ignore"):
        every = truths(chosen, form=spec.form, eps=spec.eps)
        for case, truth in zip(chosen, every, strict=True):
            expected = {name: as_float64(x) for name, x in truth._asdict().items()}
            allowed = spec.tolerance(case.v, case.g, case.w_bar)
            in_range = case.group != "range" and (case.group == "undefined" or spec.in_range(case))
            in_range = in_range and case.flags != ("result overflows",) and case.v.size > 0
            found.append(Prepared(case, expected, allowed, in_range))
    return found


@functools.lru_cache(maxsize=16)
def _prepared_second(spec: Spec) -> tuple[Prepared, ...]:
    found = []
    how: Any = {"form": spec.form, "eps": spec.eps}
    for case in spec.drawn("dyadic", "generic", "axes"):
        if case.v.size:
            truth = second(case, certify="", **how)._asdict()
            tol = second_bounds(case, accumulate=spec.accumulate, **how)._asdict()
            expected = {name: as_float64(x) for name, x in truth.items()}
            found.append(Prepared(case, expected, tol, _fifth_power(case, spec.accumulate)))
    return tuple(found)


def _fifth_power(case: Case, accumulate: Any) -> bool:
    """Whether n^-5 keeps all its digits: autodiff meets it on its way to the second order."""
    n = Terms(case.v, case.g, case.w_bar, case.axes).n
    least = Format.of(accumulate).largest - 1
    return bool((5 * np.abs(np.log2(n[n > 0])) < least).all())
