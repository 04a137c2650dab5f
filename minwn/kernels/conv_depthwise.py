"""The three products of `conv` for NumPy where each group is one channel of x: entry by entry.

    y[n,p,o] = sum_k w[o,k] x[n,q(p,k),c]        o = c m, ..., c m + m - 1

There is nothing to sum over channels, so no matrix product: a kernel entry is one number for each
channel, and what it reads is a box of x in its frame of zeros. With channels last, box times
numbers runs along memory; some examples at a time stay in the cache from entry to entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, accumulator, namespace
from ..ops.window import taps
from .channels import channels_last, second
from .conv_reads import Place, Shape, frame
from .conv_row_stack import blocks

__all__ = ["conv", "conv_input", "conv_weight"]

STAY = 4  # frame, outputs and products of about a quarter of a tile each


def conv(x: Array, w: Array, b: Array | None, y: Array, **shape: Any) -> None:
    """y = dT/dy + b.   (n, c, *size), (o, 1, *kernel) -> (n, *out, o)"""
    xp, wide, out, m = namespace(x), accumulator(x.dtype), y.shape[1:-1], len(w) // x.shape[1]
    w = _numbers(w)
    for (at,), framed in _frames(channels_last(x), wide, shape["padding"]):
        for j in range(m):
            sums = xp.zeros((len(framed), *out, x.shape[1]), dtype=wide)
            each = xp.empty_like(sums)
            for e, place in _places(w, out, shape):
                sums += xp.multiply(framed[(slice(None), *place)], w[(*e, slice(j, None, m))], each)
            y[at, ..., j::m] = sums if b is None else sums + b[j::m]


def conv_input(y: Array, w: Array, b: Array | None, size: Shape, c: int, **shape: Any) -> Array:
    """dT/dx + b.   (n, o, *out), (o, 1, *kernel) -> (n, c, *size)"""
    xp, wide, y = namespace(y), accumulator(y.dtype), channels_last(y)
    x, m, w = xp.empty((len(y), *size, c), dtype=y.dtype), len(w) // c, _numbers(w)
    padded, inside = frame(size, shape["padding"])
    for (at,) in blocks(x.shape[:1], STAY * math.prod(padded) * c):
        framed = xp.zeros((at.stop - at.start, *padded, c), dtype=wide)
        for j in range(m):
            sent = y[at, ..., j::m]
            each = xp.empty(sent.shape, dtype=wide)
            for e, place in _places(w, y.shape[1:-1], shape):
                framed[(slice(None), *place)] += xp.multiply(sent, w[(*e, slice(j, None, m))], each)
        found = framed[(slice(None), *inside)]
        x[at] = found if b is None else found + b
    return second(x)


def conv_weight(y: Array, x: Array, w: Array, **shape: Any) -> Array:
    """dT/dw, written into w.   (n, o, *out), (n, c, *size) -> (o, 1, *kernel)"""
    xp, wide, m, y = namespace(x), accumulator(x.dtype), len(w) // x.shape[1], channels_last(y)
    axes = list(range(y.ndim))
    total = xp.zeros((*w.shape[2:], len(w)), dtype=wide)
    for (at,), framed in _frames(channels_last(x), wide, shape["padding"]):
        for j in range(m):
            sent = y[at, ..., j::m].astype(wide, copy=False)
            for e, place in _places(total, y.shape[1:-1], shape):
                read = framed[(slice(None), *place)]
                # (n, *out, c), (n, *out, c) -> (c,)
                total[(*e, slice(j, None, m))] += xp.einsum(read, axes, sent, axes, axes[-1:])
    w[:, 0] = xp.moveaxis(total, -1, 0)
    return w


def _numbers(w: Array) -> Array:
    """(o, 1, *kernel) -> (*kernel, o)"""
    w = namespace(w).moveaxis(w[:, 0], 0, -1)
    return namespace(w).ascontiguousarray(w, dtype=accumulator(w.dtype))


def _places(w: Array, out: Shape, shape: dict[str, Any]) -> Iterator[tuple[Shape, Place]]:
    return taps(w.shape[:-1], out, shape["stride"], shape["dilation"])


def _frames(x: Array, dtype: Any, padding: Any) -> Iterator[tuple[Place, Array]]:
    """Some examples at a time: which, and they with their padding."""
    (n, *size, c), xp = x.shape, namespace(x)
    padded, inside = frame(tuple(size), padding)
    for at in blocks((n,), STAY * math.prod(padded) * c):
        framed = xp.zeros((at[0].stop - at[0].start, *padded, c), dtype=dtype)
        framed[(slice(None), *inside)] = x[at]
        yield at, framed
