"""Where the slices of an array are: the axes that keep a norm, those it runs over, g's shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ... import validation

__all__ = ["Axes", "Slices", "arrays_of", "gain_shape", "kept_axes", "reduced_axes"]

Axes = tuple[int, ...] | None  # those that keep a norm each; None for one norm of the whole


def kept_axes(axis: int | tuple[int, ...] | None, shape: int | tuple[int, ...]) -> Axes:
    """The axes that keep a norm each, counted from 0, in order, for v of a shape, or of a rank.

    Raises IndexError for an axis out of range, ValueError for what is none.
    """
    kept = validation.axes("axis", axis, shape)
    return None if kept is None else tuple(sorted(set(kept)))


def reduced_axes(axes: Axes, rank: int) -> tuple[int, ...]:
    """The axes that a norm runs over: all that keep none."""
    return tuple(a for a in range(rank) if a not in (axes or ()))


def gain_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape of g: 1 along each axis that a norm runs over; () for one norm of the whole."""
    return () if axes is None else tuple(n if a in axes else 1 for a, n in enumerate(shape))


def arrays_of(function: str, v: Any, g: Any, w_bar: Any, *more: Any) -> tuple[Any, ...]:
    """(v, g, w_bar), and A and B where `more` has them; of a Case, where v is one and alone.

    Raises ValueError where only one of g and w_bar is missing.
    """
    names = ("g", "w_bar", "A", "B")[: 2 + len(more)]
    if g is None and w_bar is None:
        return (v.v, *(getattr(v, name) for name in names))
    if g is None or w_bar is None:
        raise ValueError(f"{function}: give v, {', '.join(names)}, all of them, or a Case alone")
    return (v, g, w_bar, *more)


@dataclass(frozen=True)
class Slices:
    """Where the slices of an array are: v as (rows, m), one row for each entry of g."""

    shape: tuple[int, ...]
    g_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        shape, g_shape = self.shape, self.g_shape
        fits = len(g_shape) == len(shape) and all(
            n in (1, m) for n, m in zip(g_shape, shape, strict=True)
        )
        if g_shape != () and not fits:
            raise ValueError(
                f"g of shape {g_shape} for v of shape {shape}; g keeps v's rank, with 1 along each "
                f"axis that a norm runs over, or is 0-d for one norm of the whole"
            )

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that keep a norm each; one of size 1 keeps it either way."""
        pairs = zip(self.g_shape, self.shape, strict=False)
        return tuple(a for a, (n, m) in enumerate(pairs) if n == m)

    @property
    def axes(self) -> Axes:
        """The same, and None for one norm of the whole."""
        return None if self.g_shape == () != self.shape else self.kept

    @property
    def reduced(self) -> tuple[int, ...]:
        """The axes that a norm runs over."""
        return reduced_axes(self.kept, len(self.shape))

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of v, those that keep a norm each first."""
        return self.kept + self.reduced

    @property
    def rows(self) -> int:
        """How many slices there are."""
        return math.prod(self.g_shape)

    @property
    def m(self) -> int:
        """Entries of v for each entry of g."""
        return math.prod(self.shape) // self.rows if self.rows else 0

    def total(self, x: numpy.ndarray) -> numpy.ndarray:
        """The sum over each slice, with the shape of g."""
        return numpy.asarray(x.sum(axis=self.reduced, keepdims=True)).reshape(self.g_shape)

    def split(self, x: numpy.ndarray) -> numpy.ndarray:
        """(rows, m)"""
        return x.transpose(self.order).reshape(self.rows, self.m)

    def join(self, rows: Sequence[Sequence[float]] | numpy.ndarray, dtype: Any) -> numpy.ndarray:
        """An array of v's shape from its rows."""
        moved = [self.shape[a] for a in self.order]
        x = numpy.asarray(rows, dtype="float64").reshape(moved).astype(dtype)
        return numpy.ascontiguousarray(x.transpose(numpy.argsort(self.order))).reshape(self.shape)
