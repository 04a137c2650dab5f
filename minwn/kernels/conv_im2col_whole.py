"""The three products of `conv` for NumPy and small images: all windows in one copy, one product.

Channels last in memory, a window of k x k entries is k runs of k c numbers in x with its zeros
around it, and all windows of all examples are one array of strides into it:

    cols[(n, p), (k, c)] = x[n, c, stride p + dilation k - padding]
    y = cols w^T        w_bar = y_bar^T cols

and x_bar is the conv of y_bar with the flipped kernel, as in `conv`. In two dimensions this
copies x k k times, and `conv_row_stack` k times. But there is one copy and one product, nothing is
multiplied between two rows, and no output is moved: as long as all windows stay close to the
processor, that is the shorter way.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, accumulator, namespace
from . import conv_row_stack
from .channels import channels_last, last, second
from .conv_im2col import cut_out
from .conv_reads import Shape, frame

__all__ = ["conv", "conv_weight", "pays"]


def pays(x: Array, kernel: Shape, out: Shape, groups: int) -> bool:
    """The rule: one group, two dimensions or more, sums in x's dtype, all windows in a tile."""
    if groups > 1 or len(kernel) < 2 or accumulator(x.dtype) != x.dtype:
        return False
    return len(x) * x.shape[1] * math.prod(kernel) * math.prod(out) <= conv_row_stack.TILE


def conv(x: Array, w: Array, b: Array | None, y: Array, **shape: Any) -> None:
    """y = dT/dy + b.   x: (n, c, *size)   w: (o, c, *kernel)   y: (n, *out, o)"""
    # (n p, kernel c), (kernel c, o) -> (n p, o)
    cols = windows(x, w.shape[2:], y.shape[1:-1], **shape)
    namespace(x).matmul(cols, conv_row_stack.matrix(w), out=_flat(y))
    if b is not None:
        y += b


def conv_weight(y: Array, x: Array, w: Array, **shape: Any) -> Array:
    """w = dT/dw.   y: (n, o, *out)   x: (n, c, *size)   w: (o, c, *kernel)"""
    sent, cols = _flat(channels_last(y)), windows(x, w.shape[2:], y.shape[2:], **shape)
    # With many channels a product (kernel c, o) would take twice as long to be put in order.
    total = sent.T @ cols  # (p, o), (p, kernel c) -> (o, kernel c)
    w[...] = second(total.reshape(len(w), *w.shape[2:], w.shape[1]))
    return w


def windows(
    x: Array, kernel: Shape, out: Shape, *, stride: Shape, dilation: Shape, padding: Any
) -> Array:
    """All windows of x.   (n, c, *size) -> (n out, kernel c)"""
    xp, (n, c, *size) = namespace(x), x.shape
    padded, inside = frame(tuple(size), padding)
    framed = xp.zeros((n, *padded, c), dtype=x.dtype)
    framed[(slice(None), *inside)] = last(x)
    return cut_out(framed, out, kernel, stride, dilation)


def _flat(y: Array) -> Array:
    return y.reshape(-1, y.shape[-1])
