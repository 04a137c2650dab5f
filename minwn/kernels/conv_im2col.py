"""All windows of a convolution in one copy, some outputs at a time, and one product for them.

Channels last, entry (p, k) of a window is c numbers of memory at the place  stride p + dilation k
of x in its frame of zeros. In all axes this is a sum of steps, so the windows are an array already,
with strides that let them overlap:

    cols[n, p, k, c] = framed[n, stride p + dilation k, c]

Written out once, in runs of c numbers or of whole kernel rows, they are a matrix, and

    y = cols w       w_bar = y_bar^T cols        (p, kc), (kc, o), (p, o)

Where `conv_row_stack` copies x k times, this copies it k k / s s times, for strides s. But nothing
is computed that is dropped, and each product is one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, accumulator, namespace
from . import conv_row_stack
from .channels import second
from .conv_reads import Place, Shape, put, reads
from .conv_row_stack import blocks, matrix

__all__ = ["conv", "conv_weight", "cut_out", "pays"]


def pays(
    kernel: Shape, y: Shape, *, stride: Shape, dilation: Shape, padding: Any, **_: Any
) -> bool:
    """The rule: a stride, or rows so short that their seams cost more than copies.   y: its shape

    What is computed across a seam and dropped takes o products for each number of a window. Rows
    save most of the copies of windows; measured, one such copy takes the time of 3 products.
    """
    seams = kernel[-1] - 1 - min(kernel[-1] - 1, min(padding[-1]) // dilation[-1])
    return max(stride) > 1 or seams * y[1] * dilation[-1] >= 3 * y[-1]


def conv(x: Array, w: Array, b: Array | None, y: Array, **shape: Any) -> None:
    """y = dT/dy + b.   (n, *size, c), (o, c, *kernel) -> (n, *out, o)"""
    xp, wide = namespace(x), accumulator(x.dtype)
    rows = matrix(w)
    for at, cols in _windows(x, y.shape[1:-1], w.shape[2:], **shape):
        part = y[at]
        direct = part.flags.c_contiguous and part.dtype == wide
        flat = (
            part.reshape(len(cols), len(w)) if direct else xp.empty((len(cols), len(w)), dtype=wide)
        )
        xp.matmul(cols, rows, out=flat)
        if b is not None:
            flat += b
        if not direct:
            part[...] = flat.reshape(part.shape)


def conv_weight(y: Array, x: Array, w: Array, **shape: Any) -> None:
    """dT/dw, written into w.   (n, *out, o), (n, *size, c) -> (o, c, *kernel)"""
    xp, wide, o = namespace(x), accumulator(x.dtype), len(w)
    total = xp.zeros((o, w[0].size), dtype=wide)
    for at, cols in _windows(x, y.shape[1:-1], w.shape[2:], **shape):
        sent = xp.ascontiguousarray(y[at], dtype=wide).reshape(-1, o)
        total += sent.T @ cols  # (p, o), (p, kc) -> (o, kc)
    w[...] = second(total.reshape(o, *w.shape[2:], w.shape[1]))


def _windows(
    x: Array, out: Shape, kernel: Shape, *, stride: Shape, dilation: Shape, padding: Any
) -> Iterator[tuple[Place, Array]]:
    """Some outputs at a time: which, and their windows as rows.   (n, *size, c) -> (p, k c)"""
    xp, c, ones = namespace(x), x.shape[-1], (1,) * len(kernel)
    plain = {"stride": ones, "dilation": ones, "padding": padding}
    for at in blocks((len(x), *out), math.prod(kernel) * c, least=2 * conv_row_stack.TILE):
        lines = zip(at[1:], kernel, stride, dilation, strict=True)
        box = tuple(slice(s * p.start, s * (p.stop - 1) + d * (k - 1) + 1) for p, k, s, d in lines)
        some = tuple(p.stop - p.start for p in at)
        near = xp.empty((some[0], *(p.stop - p.start for p in box), c), dtype=accumulator(x.dtype))
        for _, there, here in reads(box, x.shape[1:-1], ones, **plain):
            put(near, here, x[(at[0], *there)])
        yield at, cut_out(near, some[1:], kernel, stride, dilation)


def cut_out(framed: Array, out: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Array:
    """All windows of x with its zeros around it.   (n, *padded, c) -> (n out, kernel c)"""
    example, *axes, channel = framed.strides
    steps = (
        example, *(a * s for a, s in zip(axes, stride, strict=True)),
        *(a * d for a, d in zip(axes, dilation, strict=True)), channel,
    )  # fmt: skip
    n, c = len(framed), framed.shape[-1]
    every = namespace(framed).lib.stride_tricks.as_strided(framed, (n, *out, *kernel, c), steps)
    return every.reshape(n * math.prod(out), math.prod(kernel) * c)
