"""One problem, and the array that slices are laid out in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy

from ... import validation
from ...backend import dtype_of
from ..reference.rounding import Format
from ..reference.slices import Axes, Slices, gain_shape, reduced_axes

__all__ = ["Case", "Draw", "arrange", "fits", "laid_in"]


@dataclass(frozen=True, eq=False)
class Case:
    """One problem. The arrays are of one dtype, and not to be written to.

    exact: to first order nothing is rounded, so that only the true numbers are right
    defined: every slice has a truth in the plain form
    A, B: the tangents of v and g, or the cotangents of v_bar and g_bar
    """

    id: str
    group: str
    v: numpy.ndarray
    g: numpy.ndarray
    w_bar: numpy.ndarray
    A: numpy.ndarray
    B: numpy.ndarray
    axes: tuple[int, ...] | None
    flags: tuple[str, ...] = ()
    exact: bool = False
    defined: bool = True

    @property
    def v_dot(self) -> numpy.ndarray:
        """A, as the tangent of v."""
        return self.A

    @property
    def g_dot(self) -> numpy.ndarray:
        """B, as the tangent of g."""
        return self.B

    def given(self, what: str) -> tuple[numpy.ndarray, ...]:
        """The arguments of "forward" or of "backward"."""
        return (self.v, self.g) if what == "forward" else (self.w_bar, self.v, self.g)


@dataclass
class Draw:
    """Slices as lists or as arrays (rows, m), before they are arranged."""

    v: Any
    g: list[float]
    w_bar: Any
    A: Any
    B: list[float]
    flags: tuple[str, ...] = ()
    exact: bool = False
    defined: bool = True
    alone: int = 0  # the slice that is used for one norm of the whole


def fits(axis: int | tuple[int, ...] | None, rank: int) -> bool:
    """Whether arrays of that rank have the axes, each once, and one more."""
    if axis is None:
        return rank > 0
    wanted = axis if isinstance(axis, tuple) else (axis,)
    axes = {a % rank for a in wanted if -rank <= a < rank} if rank else set()
    return len(axes) == len(wanted) < rank


def arrange(
    rows: int, m: int, axis: int | tuple[int, ...], rank: int | None = None
) -> tuple[tuple[int, ...], Any]:
    """(shape, kept axes) of an array whose slices keep the given axes, counted as NumPy counts.

    The array has the least rank that has such axes and one more, or the given rank. The first
    of the kept axes has size `rows`, or, if there are others and rows is even, 2, and the next one
    rows / 2. The last axis that is not kept has size m. All others have size 1.
    """
    wanted = validation.axes("axis", axis) or ()
    rank = next(r for r in itertools.count(1) if fits(axis, r)) if rank is None else rank
    axes = sorted({a % rank for a in wanted})
    shape = [1] * rank
    shape[axes[0]] = rows
    if len(axes) > 1 and rows % 2 == 0:
        shape[axes[0]], shape[axes[1]] = 2, rows // 2
    shape[reduced_axes(tuple(axes), rank)[-1]] = m
    return tuple(shape), tuple(axes)


def laid_in(
    id: str, group: str, draw: Draw, shape: tuple[int, ...], axes: Axes, target: Format
) -> Case:
    """A case of that shape from a draw, its arrays in the dtype of the target."""
    dtype, slices = dtype_of(target.name), Slices(shape, gain_shape(shape, axes))
    g, B = (
        numpy.array(x, dtype="float64").reshape(slices.g_shape).astype(dtype)
        for x in (draw.g, draw.B)
    )
    v, w_bar, A = (slices.join(x, dtype) for x in (draw.v, draw.w_bar, draw.A))
    for x in (v, g, w_bar, A, B):
        x.setflags(write=False)
    return Case(id, group, v, g, w_bar, A, B, axes, draw.flags, draw.exact, draw.defined)
