"""The three products of `conv` for NumPy and a kernel of one entry: matrix products as they stand.

Channels last, every place p of every example is a row, and nothing needs to be copied:

    y = x w^T    x_bar = y_bar w    w_bar = y_bar^T x        (p, c), (o, c), (p, o)

with the groups along one more axis.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, accumulator, namespace
from .channels import channels_last, second
from .conv_reads import Shape

__all__ = ["conv", "conv_input", "conv_weight", "serves"]


def serves(x: Array, w: Shape, *, stride: Shape, padding: Any, **_: Any) -> bool:
    """The rule: one entry of several channels, nothing skipped or padded, sums in x's dtype.

    w: the shape (o, c/groups, *kernel)
    """
    plain = {*w[2:]} == {1} == {*stride} and not any(map(any, padding))
    return plain and w[1] > 1 and accumulator(x.dtype) == x.dtype


def conv(x: Array, w: Array, b: Array | None, groups: int) -> Array:
    """dT/dy + b.   (n, c, *size), (o, c/groups, 1, ...) -> (n, o, *size)"""
    return _product(x, _by_output(w, groups).swapaxes(1, 2), b)


def conv_input(y: Array, w: Array, b: Array | None, groups: int) -> Array:
    """dT/dx + b.   (n, o, *size), (o, c/groups, 1, ...) -> (n, c, *size)"""
    return _product(y, _by_output(w, groups), b)


def conv_weight(y: Array, x: Array, w: Array, groups: int) -> Array:
    """dT/dw, written into w.   (n, o, *size), (n, c, *size) -> (o, c/groups, 1, ...)"""
    sent, read = _by_group(channels_last(y), groups), _by_group(channels_last(x), groups)
    # (g, p, o), (g, p, c) -> (g, o, c)
    namespace(x).matmul(sent.swapaxes(1, 2), read, out=_by_output(w, groups))
    return w


def _product(x: Array, rows: Array, b: Array | None) -> Array:
    """(n, c, *size), (g, c, o) -> (n, o, *size)"""
    xp, x, (groups, _, o) = namespace(x), channels_last(x), rows.shape
    y = xp.empty((*x.shape[:-1], groups * o), dtype=x.dtype)
    xp.matmul(_by_group(x, groups), rows, out=_by_group(y, groups))
    if b is not None:
        y += b
    return second(y)


def _by_output(w: Array, groups: int) -> Array:
    """(o, c/g, 1, ...) -> (g, o/g, c/g)"""
    return w.reshape(groups, len(w) // groups, w.shape[1])


def _by_group(x: Array, groups: int) -> Array:
    """(n, *size, c) -> (g, p, c/g), a view where the rows of x follow each other in memory"""
    return x.reshape(math.prod(x.shape[:-1]), groups, x.shape[-1] // groups).swapaxes(0, 1)
