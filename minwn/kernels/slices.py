"""The slices of v that share one entry of g: where they lie in memory, their sums and their norms.

The shape of g defines the slices: g keeps v's rank, with 1 along every axis that a norm runs
over, or is 0-d for one norm of the whole.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

from .. import validation
from ..backend import (
    Array,
    Shape,
    accumulator,
    dot_rows,
    largest,
    largest_entry,
    namespace,
    smallest_normal,
    unit_roundoff,
    within,
)
from ..graph import Value
from ..ops import cast, sum_to
from ..validation import door

__all__ = ["count", "dot", "kept_shape", "norm", "rows_of", "same", "scaled", "widen"]

K = TypeVar("K")


@door
def kept_shape(shape: Shape, axes: int | tuple[int, ...] | None) -> Shape:
    """The shape of g for weights of `shape` whose `axes` keep a norm each; () for None.

    Raises IndexError for an axis that v lacks, ValueError for anything but axes.
    """
    kept = validation.axes("dim", axes, tuple(shape))
    return () if kept is None else tuple(n if a in kept else 1 for a, n in enumerate(shape))


@functools.lru_cache(maxsize=4096)
def rows_of(v: Shape, g: Shape) -> tuple[int, int] | None:
    """(rows, m) where a slice is a row of v's memory: one norm for each entry of the first axis,
    or one of the whole; None for other slices. Raises ValueError where g does not fit v.
    """
    if g != () and (len(g) != len(v) or any(n not in (1, m) for n, m in zip(g, v, strict=True))):
        raise ValueError(
            f"g of shape {g} for v of shape {v}; g keeps v's rank, with 1 along each axis that a "
            f"norm runs over, or is 0-d for one norm of the whole"
        )
    rows, size = math.prod(g), math.prod(v)
    return (rows, size // max(rows, 1)) if g == () or rows == g[0] == v[0] else None


def dot(x: Any, y: Any, shape: Shape) -> Any:
    """<x, y> over the axes where `shape` has 1."""
    if isinstance(x, Value) or isinstance(y, Value) or x.dtype.kind != "f":
        return sum_to(x * y, shape=shape)
    if x.ndim == 2 and shape == (len(x), 1):
        return dot_rows(x, y)
    rows = rows_of(x.shape, shape)
    if rows is None:
        return sum_to(x * y, shape=shape)
    return dot_rows(x.reshape(rows), y.reshape(rows)).reshape(shape)


def count(v: Any, shape: Shape) -> int:
    """How many entries a slice has."""
    return math.prod(v.shape[a] for a in reduced(v.shape, shape))


def reduced(v_shape: Shape, shape: Shape) -> tuple[int, ...]:
    """The axes a norm runs over."""
    if shape == ():
        return tuple(range(len(v_shape)))
    return tuple(a for a, (n, m) in enumerate(zip(shape, v_shape, strict=True)) if n != m)


def norm(v: Array, shape: Shape) -> Array:
    """||v|| over the axes where `shape` has 1, without overflow or underflow on the way."""
    xp, q = namespace(v), dot(v, v, shape)
    # Where q is in this range, no square that counts has left the range of the dtype.
    low, high = _safe_squares(v.dtype)
    if v.dtype.kind == "f" and within(q, low, high):
        return xp.sqrt(q)
    v, exponent = scaled(v, shape)
    n, half = xp.sqrt(dot(v, v, shape)), exponent // 2
    for part in (half, exponent - half):
        n = n * xp.ldexp(xp.ones_like(n.real), part)  # type: ignore[attr-defined]
    return n


@functools.cache
def _safe_squares(dtype: Any) -> tuple[float, float]:
    dtype = accumulator(dtype) if dtype.kind == "f" else dtype
    return smallest_normal(dtype) / unit_roundoff(dtype), largest(dtype)


def scaled(v: Array, shape: Shape) -> tuple[Array, Array]:
    """(v 2^-e, e) with the largest entry of each slice in [1/2, 1); e = 0 where there is none."""
    xp = namespace(v)
    top = largest_entry(abs(v.real), reduced(v.shape, shape)).reshape(shape)  # type: ignore[attr-defined]
    exponent = xp.frexp(xp.where(xp.isfinite(top), top, 0))[1]
    # In two halves: 2^1074, which brings the least subnormal to 1, is itself out of range.
    half = exponent // 2
    for part in (half, exponent - half):
        v = v * xp.ldexp(xp.ones_like(top), -part)
    return v, exponent


def widen(*values: Any) -> tuple[tuple[Any, ...], Callable[[K], K]]:
    """The values in the dtype in which to compute, and the way back. None stays None."""
    dtype = values[0].dtype
    wide = accumulator(dtype)
    if wide == dtype:
        return values, same
    wider = tuple(None if x is None else cast(x, dtype=wide) for x in values)
    return wider, lambda x: cast(x, dtype=dtype)


def same(x: K) -> K:
    """The way back from where nothing was widened."""
    return x
