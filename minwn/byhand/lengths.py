"""h(v), the length by which weight normalisation divides v, with its first two derivatives.

The shape of g says what a slice is: g keeps v's rank, with 1 along every axis that a norm runs
over, or is 0-d for one norm of the whole. The forms of h are listed in `weight_norm`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ..backend import (
    Array,
    accumulator,
    dot_rows,
    largest,
    largest_entry,
    namespace,
    smallest_normal,
    unit_roundoff,
    within,
)
from ..graph import Value, primitive, raw
from ..ops import cast, sum_to

__all__ = [
    "FORMS", "count", "curvature", "dot", "kept_shape", "radius", "rows_of", "scaled", "slope",
    "widen",
]  # fmt: skip

Shape = tuple[int, ...]

FORMS = ("plain", "inside", "outside", "max_q", "max_n", "rms")


def kept_shape(shape: Shape, axes: int | tuple[int, ...] | None) -> Shape:
    """The shape of g for weights of `shape` whose `axes` keep a norm each; () for None."""
    if axes is None:
        return ()
    axes = axes if isinstance(axes, tuple) else (axes,)
    for a in axes:
        if not -len(shape) <= a < len(shape):
            raise IndexError(
                f"dim {a} of a weight of shape {shape}; choose from {-len(shape)} to "
                f"{len(shape) - 1}, a tuple of these, or None for one norm of the whole"
            )
    kept = {a % len(shape) for a in axes}
    return tuple(n if a in kept else 1 for a, n in enumerate(shape))


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
    return math.prod(v.shape[a] for a in _reduced(v.shape, shape))


def _reduced(v_shape: Shape, shape: Shape) -> tuple[int, ...]:
    """The axes a norm runs over."""
    if shape == ():
        return tuple(range(len(v_shape)))
    return tuple(a for a, (n, m) in enumerate(zip(shape, v_shape, strict=True)) if n != m)


# ---- h and its derivatives ----------------------------------------------------------------------


@primitive(widen=False)
def radius(v: Array, *, shape: Shape, eps: float, form: str) -> Array:
    """h(v), of the shape of g. NaN in place of 0, for nothing can be divided by it.

    form="norm" is n itself, 0 included.
    """
    v = v.astype(accumulator(v.dtype), copy=False)
    xp, n = namespace(v), _norm(v, shape)
    if form == "norm":
        return n
    if form == "plain":
        h = n
    elif form == "inside":
        h = xp.hypot(n, math.sqrt(eps)) if n.dtype.kind != "c" else xp.sqrt(n * n + eps)
    elif form == "outside":
        h = n + eps
    elif form == "rms":
        h = n / math.sqrt(count(v, shape)) + eps
    else:
        h = xp.maximum(n, _floor(eps, form))
    return xp.where(h == 0, math.nan, h).astype(h.dtype)


@radius.pullback
def _(h_bar, h, v, *, shape, eps, form):
    (v,), _ = widen(v)  # h is wide
    return (h_bar * slope(v, h, shape, eps, form),)


def slope(v: Any, h: Any, shape: Shape, eps: float, form: str) -> Any:
    """y = dh/dv"""
    if form in ("plain", "inside"):
        return v / h
    if form in ("max_q", "max_n"):
        return v / h * _above(v, shape, eps, form)
    n = h if form == "norm" else radius(v, shape=shape, eps=0.0, form="norm")
    y = v / (n + (raw(n) == 0))
    return y / math.sqrt(count(v, shape)) if form == "rms" else y


def curvature(A: Any, a: Any, v: Any, g: Any, h: Any, y: Any, eps: float, form: str) -> Any:
    """h H A, with H = d2h/dv2 and a = <A, y>"""
    if form in ("plain", "inside"):
        return A - a * y
    if form in ("max_q", "max_n"):
        return (A - a * y) * _above(v, g.shape, eps, form)
    n = radius(v, shape=g.shape, eps=0.0, form="norm")
    squared = count(v, g.shape) if form == "rms" else 1
    away = raw(n) != 0
    return (A - squared * a * y) * (h / ((n + (raw(n) == 0)) * math.sqrt(squared))) * away


def _floor(eps: float, form: str) -> float:
    return math.sqrt(eps) if form == "max_q" else eps


def _above(v: Any, shape: Shape, eps: float, form: str) -> Array:
    """1 where the norm, not the floor, is the larger; where they are equal, the norm counts."""
    n = radius(raw(v), shape=shape, eps=0.0, form="norm")
    return (n >= _floor(eps, form)).astype(n.dtype)


# ---- range --------------------------------------------------------------------------------------


def _norm(v: Array, shape: Shape) -> Array:
    """||v|| over the axes where `shape` has 1, without overflow or underflow on the way."""
    xp, q = namespace(v), dot(v, v, shape)
    # Where q is in this range, no square that counts has left the range of the dtype.
    low, high = _safe_squares(v.dtype)
    if v.dtype.kind == "f" and within(q, low, high):
        return xp.sqrt(q)
    v, exponent = scaled(v, shape)
    n, half = xp.sqrt(dot(v, v, shape)), exponent // 2
    for part in (half, exponent - half):
        n = n * xp.ldexp(xp.ones_like(n.real), part)
    return n


@functools.cache
def _safe_squares(dtype: Any) -> tuple[float, float]:
    dtype = accumulator(dtype) if dtype.kind == "f" else dtype
    return smallest_normal(dtype) / unit_roundoff(dtype), largest(dtype)


def scaled(v: Array, shape: Shape) -> tuple[Array, Array]:
    """(v 2^-e, e) with the largest entry of each slice in [1/2, 1); e = 0 where there is none."""
    xp = namespace(v)
    top = largest_entry(abs(v.real), _reduced(v.shape, shape)).reshape(shape)
    exponent = xp.frexp(xp.where(xp.isfinite(top), top, 0))[1]
    # In two halves: 2^1074, which brings the least subnormal to 1, is itself out of range.
    half = exponent // 2
    for part in (half, exponent - half):
        v = v * xp.ldexp(xp.ones_like(top), -part)
    return v, exponent


def widen(*values: Any) -> tuple[tuple[Any, ...], Any]:
    """The values in the dtype in which to compute, and the way back."""
    dtype = values[0].dtype
    wide = accumulator(dtype)
    if wide == dtype:
        return values, lambda x: x
    return tuple(cast(x, dtype=wide) for x in values), lambda x: cast(x, dtype=dtype)
