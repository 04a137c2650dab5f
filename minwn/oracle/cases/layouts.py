"""Layouts: the axes that keep a norm, of every rank, and how arrays lie in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy

from ..reference.rounding import Format
from ..reference.slices import Slices, gain_shape
from .case import Case, arrange, laid_in
from .generators import SIZES, generic, sized

__all__ = ["AXES", "LAYOUTS", "SHAPES", "axes_case", "laid_out", "shape_case", "sizes_case"]

# No two axes that could be taken for each other are of one size.
SHAPES = (
    (5,), (3, 4), (2, 3, 4), (2, 5, 3, 4), (2, 3, 1, 5, 4), (1, 4), (4, 1), (3, 1, 2), (1, 1),
    (0, 3), (3, 0), (2, 0, 3),
)


def _sets(rank: int) -> Iterator[tuple[int, ...] | None]:
    yield None
    for count in range(1, min(rank, 3) + 1):
        yield from itertools.combinations(range(rank), count)


# The number of a case of X is its place in this list.
AXES: tuple[tuple[tuple[int, ...], tuple[int, ...] | None], ...] = tuple(
    (shape, axes) for shape in SHAPES for axes in _sets(len(shape))
)


def axes_case(number: int, target: Format) -> Case:
    """AXES[number], drawn as `generic` of letter X with that many rows and entries.

    With more than 5 rows, the norms are not set apart, and no slice of v is multiplied.
    """
    shape, axes = AXES[number]
    flags = tuple(f"size {n}" for n in (0, 1) if n in shape)
    return _generic("X", number, "axes", shape, axes, flags, target)


def sizes_case(number: int, axis: Any, target: Format, rank: int | None) -> Case:
    """SIZES[number], drawn as `sized` of letter N.

    Where all of an array has one norm, it has as many entries: rows x m of them, or one after the
    other in an array of rank 1.
    """
    rows, m = SIZES[number]
    if axis in (None, ()):
        shape, axes = (rows * m,) if rank in (None, 1) else (*(1,) * (rank - 2), rows, m), axis
    else:
        shape, axes = arrange(rows, m, axis, rank)
    slices = Slices(shape, gain_shape(shape, axes))
    flags = (f"{rows} x {m}",)
    draw = replace(sized(number, target, slices.rows, slices.m), flags=flags)
    return laid_in(f"N-{number:04d}", "sizes", draw, shape, axes, target)


def shape_case(number: int, shape: tuple[int, ...], axes: Any, target: Format) -> Case:
    """The same with letter S, in a given shape."""
    return _generic("S", number, "shape", shape, axes, (), target)


def _generic(
    letter: str, number: int, group: str, shape: Any, axes: Any, flags: tuple[str, ...],
    target: Format,
) -> Case:
    slices = Slices(shape, gain_shape(shape, axes))
    draw = replace(generic(number, target, letter, (slices.rows, slices.m)), flags=flags)
    return laid_in(f"{letter}-{number:04d}", group, draw, shape, axes, target)


def _strided(x: numpy.ndarray, step: int = 2) -> numpy.ndarray:
    """The values of x in every second entry of a larger array, or, for -1, stored backwards."""
    if not x.ndim:
        return x.copy()
    parts = (slice(None, None, step),) * x.ndim
    spread = numpy.full([abs(step) * n for n in x.shape], 99).astype(x.dtype)
    spread[parts] = x
    return spread[parts]


def _broadcast(x: numpy.ndarray) -> numpy.ndarray:
    """The values at 0 along axis 0, again and again."""
    return numpy.broadcast_to(x[:1].copy(), x.shape) if x.ndim else x.copy()


LAYOUTS: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "writeable": numpy.copy,
    "read-only": numpy.copy,
    "Fortran": lambda x: numpy.array(x, order="F"),
    "every second": _strided,
    "backwards": lambda x: _strided(x, -1),
    "broadcast": _broadcast,
}


def laid_out(case: Case, name: str) -> Case:
    """The case with its arrays laid out in memory in the way of that name."""
    lay = LAYOUTS[name]
    arrays: dict[str, Any] = {part: lay(getattr(case, part)) for part in ("v", "w_bar", "A")}
    small: dict[str, Any] = {
        part: _broadcast(getattr(case, part)) if name == "broadcast" else lay(getattr(case, part))
        for part in ("g", "B")
    }
    for x in (*arrays.values(), *small.values()):
        x.setflags(write=name == "writeable")
    return replace(case, flags=(name,), **arrays, **small)
