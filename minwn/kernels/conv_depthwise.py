"""The three products of `conv` for NumPy where each group is one channel of x: entry by entry.

    y[n,p,o] = sum_k w[o,k] x[n,q(p,k),c]        o = c m, ..., c m + m - 1

There is nothing to sum over channels, so no matrix product: a kernel entry is one number for each
channel, and it reads a box of x in its frame of zeros. With channels last, box times
numbers runs along memory; some examples at a time stay in the cache from entry to entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..backend import Array, namespace
from ..ops.window import taps
from .channels import channels_last, second
from .conv_windows import Block, Place, Problem, Shape, examples, framed

__all__ = ["conv", "conv_input", "conv_weight", "serves"]

FEW = 8  # channels: with fewer the runs are too short
STAY = 4  # frame, outputs and products of about a quarter of a tile each


def serves(p: Problem) -> bool:
    """Groups of one channel, and enough of them."""
    return p.groups == p.c >= FEW


def conv(p: Problem, x: Array, w: Array, b: Array | None) -> Array:
    """dT/dy + b.   (n, c, *size), (o, 1, *kernel) -> (n, o, *out)"""
    xp, m, w = namespace(x), p.o // p.c, _numbers(w)
    y = xp.empty((p.n, *p.out, p.o), dtype=x.dtype)
    for block in _blocks(p):
        z = framed(x[block.examples], p)
        for j in range(m):
            sums = xp.zeros((len(z), *p.out, p.c), dtype=x.dtype)
            each = xp.empty_like(sums)
            for e, place in _places(p):
                sums += xp.multiply(z[(slice(None), *place)], w[(*e, slice(j, None, m))], each)
            y[block.examples, ..., j::m] = sums if b is None else sums + b[j::m]
    return second(y)


def conv_input(p: Problem, y: Array, w: Array, b: Array | None) -> Array:
    """dT/dx + b.   (n, o, *out), (o, 1, *kernel) -> (n, c, *size)"""
    xp, m, w, y = namespace(y), p.o // p.c, _numbers(w), channels_last(y)
    x = xp.empty((p.n, *p.size, p.c), dtype=y.dtype)
    for block in _blocks(p):
        z = xp.zeros((block.n, *p.padded, p.c), dtype=y.dtype)
        for j in range(m):
            sent = y[block.examples, ..., j::m]
            each = xp.empty(sent.shape, dtype=y.dtype)
            for e, place in _places(p):
                z[(slice(None), *place)] += xp.multiply(sent, w[(*e, slice(j, None, m))], each)
        found = z[(slice(None), *p.inside)]
        x[block.examples] = found if b is None else found + b
    return second(x)


def conv_weight(p: Problem, y: Array, x: Array) -> Array:
    """dT/dw.   (n, o, *out), (n, c, *size) -> (o, 1, *kernel)"""
    xp, m, y = namespace(x), p.o // p.c, channels_last(y)
    axes = list(range(y.ndim))
    total = xp.zeros((*p.kernel, p.o), dtype=x.dtype)
    for block in _blocks(p):
        z = framed(x[block.examples], p)
        for j in range(m):
            sent = y[block.examples, ..., j::m]
            for e, place in _places(p):
                # (n, *out, c), (n, *out, c) -> (c,)
                part = xp.einsum(z[(slice(None), *place)], axes, sent, axes, axes[-1:])
                total[(*e, slice(j, None, m))] += part
    return xp.ascontiguousarray(xp.moveaxis(total, -1, 0)[:, None])


def _numbers(w: Array) -> Array:
    """(o, 1, *kernel) -> (*kernel, o)"""
    return namespace(w).ascontiguousarray(namespace(w).moveaxis(w[:, 0], 0, -1))


def _places(p: Problem) -> Iterator[tuple[Shape, Place]]:
    return taps(p.kernel, p.out, p.stride, p.dilation)


def _blocks(p: Problem) -> tuple[Block, ...]:
    return examples(p, STAY * math.prod(p.padded) * p.c)
