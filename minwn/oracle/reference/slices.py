"""Where the slices of an array are, for g that keeps v's rank with 1 where a norm runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

__all__ = ["Slices", "arrays_of"]


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
    def order(self) -> tuple[int, ...]:
        """The axes of v, those that keep a norm each first."""
        axes = range(len(self.shape))
        if self.g_shape == ():
            return tuple(axes)
        kept = [a for a in axes if self.g_shape[a] == self.shape[a]]
        return tuple(kept + [a for a in axes if a not in kept])

    @property
    def rows(self) -> int:
        return math.prod(self.g_shape)

    @property
    def m(self) -> int:
        """Entries of v for each entry of g."""
        return math.prod(self.shape) // self.rows if self.rows else 0

    def split(self, x: numpy.ndarray) -> numpy.ndarray:
        return x.transpose(self.order).reshape(self.rows, self.m)

    def join(self, rows: Sequence[Sequence[float]] | numpy.ndarray, dtype: Any) -> numpy.ndarray:
        moved = [self.shape[a] for a in self.order]
        x = numpy.array(rows, dtype="float64").reshape(moved).astype(dtype)
        return numpy.ascontiguousarray(x.transpose(numpy.argsort(self.order))).reshape(self.shape)
