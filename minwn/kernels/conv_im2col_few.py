"""The three products of `conv` for NumPy and few channels: the formula, some examples at a time.

With a handful of channels the runs that `conv_row_stack` copies are too short, but all windows of
some examples are small. They are written channel by channel, where the last axis of x is the run:

    cols[c, k, (n, p)] = x[n, c, stride p + dilation k - padding]
    y = w cols
    w_bar = y_bar cols^T

and x_bar is cols_bar = w^T y_bar with every entry added where it was read. y has its channels last
in memory, as the wide layers behind it want them, and x_bar the layout of NumPy's default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, accumulator, namespace
from ..ops.window import taps
from .channels import along, channels_last
from .conv_reads import Shape, frame
from .conv_row_stack import blocks

__all__ = ["conv", "conv_input", "conv_weight"]


def conv(x: Array, w: Array, b: Array | None, y: Array, groups: int, **shape: Any) -> None:
    xp, rows = namespace(x), _rows(w, groups)
    for at in _some(y, rows):
        cols = _columns(x[at], w.shape[2:], y.shape[1:-1], **shape).reshape(*rows.shape[:2], -1)
        # 16-bit outputs are rounded once, with the bias in them.
        sums = y[at] if y.dtype == rows.dtype else xp.empty(y[at].shape, dtype=rows.dtype)
        # (g, p, ck), (g, ck, o) -> (g, p, o)
        xp.matmul(cols.swapaxes(-1, -2), rows, out=_by_group(sums, groups))
        if b is not None:
            sums += b
        if sums.dtype != y.dtype:
            y[at] = sums


def conv_input(
    y: Array, w: Array, b: Array | None, size: Shape, groups: int, **shape: Any
) -> Array:
    xp, rows, y = namespace(y), _rows(w, groups), channels_last(y)
    x = xp.empty((y.shape[0], groups * w.shape[1], *size), dtype=y.dtype)
    padded, inside = frame(size, shape["padding"])
    for at in _some(y, rows):
        sent = _by_group(y[at], groups).astype(rows.dtype, copy=False)
        cols = rows @ sent.swapaxes(-1, -2)  # (g, ck, o), (g, p, o) -> (g, ck, p)
        cols = cols.reshape(x.shape[1], *w.shape[2:], *y[at].shape[:-1])
        wide = xp.zeros((x.shape[1], len(y[at]), *padded), dtype=rows.dtype)
        for e, place in taps(w.shape[2:], y.shape[1:-1], shape["stride"], shape["dilation"]):
            wide[(..., *place)] += cols[(slice(None), *e)]
        found = wide[(..., *inside)].swapaxes(0, 1)
        x[at] = found if b is None else found + along(b, x)
    return x


def conv_weight(y: Array, x: Array, w: Array, groups: int, **shape: Any) -> Array:
    y, rows = channels_last(y), _rows(w, groups)
    total = namespace(w).zeros(rows.shape, dtype=rows.dtype)
    for at in _some(y, rows):
        cols = _columns(x[at], w.shape[2:], y.shape[1:-1], **shape).reshape(*rows.shape[:2], -1)
        # (g, ck, p), (g, p, o) -> (g, ck, o)
        total += cols @ _by_group(y[at], groups).astype(rows.dtype, copy=False)
    w[...] = total.swapaxes(-1, -2).reshape(w.shape)
    return w


def _rows(w: Array, groups: int) -> Array:
    """(o, c, *kernel) -> (g, ck, o)"""
    wide = w.astype(accumulator(w.dtype), copy=False)
    return wide.reshape(groups, w.shape[0] // groups, -1).swapaxes(-1, -2)


def _by_group(y: Array, groups: int) -> Array:
    """(n, *out, o) -> (g, p, o/g), a view where channels are last in memory"""
    return y.reshape(math.prod(y.shape[:-1]), groups, -1).swapaxes(0, 1)


def _some(y: Array, rows: Array) -> Iterator[slice]:
    """Blocks of examples with about a tile of window entries or of outputs each."""
    most = max(rows.shape[0] * rows.shape[1], y.shape[-1])
    for (at,) in blocks(y.shape[:1], most * math.prod(y.shape[1:-1])):
        yield at


def _columns(
    x: Array, kernel: Shape, out: Shape, *, stride: Shape, dilation: Shape, padding: Any
) -> Array:
    """All windows of x.   (n, c, *size) -> (c, *kernel, n, *out)"""
    xp, (n, c, *size), wide = namespace(x), x.shape, accumulator(x.dtype)
    padded, inside = frame(tuple(size), padding)
    framed = xp.zeros((c, n, *padded), dtype=wide)
    framed[(..., *inside)] = x.swapaxes(0, 1)
    channel, example, *axes = framed.strides
    steps = (
        channel, *(a * d for a, d in zip(axes, dilation, strict=True)),
        example, *(a * s for a, s in zip(axes, stride, strict=True)),
    )  # fmt: skip
    # One copy of all windows at once takes two thirds of one for each kernel entry.
    return xp.lib.stride_tricks.as_strided(framed, (c, *kernel, n, *out), steps).copy()
