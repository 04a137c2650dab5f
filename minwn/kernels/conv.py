"""The three products of `conv` at the speed of the matrix product, for NumPy.

The formula in `conv` writes out windows: k k copies of x, fresh memory each time. Here
tiles of x are brought into a form in which the windows are a matrix, and one BLAS call multiplies
them:

    conv          the windows of x times w
    conv_input    the conv of y with the flipped kernel, or y w, added where it was read
    conv_weight   y_bar times the windows of x

Each room knows a way for some shapes, and most have a rule that says which:

    conv_pointwise     kernels of one entry
    conv_depthwise     groups of one channel
    conv_im2col_few       groups of few channels
    conv_im2col_whole     small images
    conv_winograd  kernels of 3 x 3 in float32, for many channels
    conv_im2col   strides, and short rows
    conv_row_stack      everything else
    conv_subpixel    conv_input with a stride

Nothing is kept from call to call: a pullback makes its windows again.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, accumulator, is_numpy, namespace
from ..ops import window_count
from . import (
    conv_depthwise,
    conv_im2col,
    conv_im2col_few,
    conv_im2col_whole,
    conv_pointwise,
    conv_row_stack,
    conv_subpixel,
    conv_winograd,
)
from .channels import channels_last, second
from .conv_reads import Shape, reads
from .conv_row_stack import blocks

__all__ = ["conv", "conv_input", "conv_weight", "serves"]

FEW = 8  # with fewer channels in a group the runs are too short


def serves(x: Array, w: Array, *, stride: Shape, dilation: Shape, **_: Any) -> bool:
    """The rule: float or complex NumPy arrays, the last axis not strided and dilated at once."""
    if not is_numpy(x, w) or x.dtype != w.dtype or x.dtype.kind not in "fc":
        return False
    return len(stride) > 0 and (stride[-1] == 1 or dilation[-1] == 1)


def conv(x: Array, w: Array, b: Array | None, *, groups: int, **shape: Any) -> Array:
    """dT/dy + b, channels last in memory.

    (n, c, *size), (o, c/groups, *kernel) -> (n, o, *out)
    """
    xp, kernel = namespace(x), w.shape[2:]
    if conv_pointwise.serves(x, w.shape, **shape):
        return conv_pointwise.conv(x, w, b, groups)
    spans = zip(x.shape[2:], kernel, *_options(shape), strict=True)
    out = tuple(window_count(*span) for span in spans)
    y = xp.empty((x.shape[0], *out, w.shape[0]), dtype=x.dtype)
    if _depthwise(w, groups):
        conv_depthwise.conv(x, w, b, y, **shape)
        return second(y)
    if w.shape[1] < FEW:
        conv_im2col_few.conv(x, w, b, y, groups, **shape)
        return second(y)
    if conv_im2col_whole.pays(x, kernel, out, groups):
        conv_im2col_whole.conv(x, w, b, y, **shape)
        return second(y)
    fewer = conv_winograd.pays(x, (len(x), len(w), *out), kernel, groups=groups, **shape)
    if fewer and conv_winograd.conv(x, w, b, y, shape["padding"]):
        return second(y)
    x, way = channels_last(x), _way(w, (len(x), len(w) // groups, *out), **shape)
    for i, o in zip(cut(x.shape[-1], groups), cut(len(w), groups), strict=True):
        way.conv(x[..., i], w[o], None if b is None else b[o], y[..., o], **shape)
    return second(y)


def conv_input(
    y: Array, w: Array, b: Array | None, *, size: Shape, groups: int, **shape: Any
) -> Array:
    """dT/dx + b.   (n, o, *out), (o, c/groups, *kernel) -> (n, c, *size)"""
    if conv_pointwise.serves(y, w.shape, **shape):
        return conv_pointwise.conv_input(y, w, b, groups)
    strides, dilations, paddings = _options(shape)
    reach = [d * (k - 1) for k, d in zip(w.shape[2:], dilations, strict=True)]
    far = tuple((r - p, r - q) for r, (p, q) in zip(reach, paddings, strict=True))
    if _depthwise(w, groups):
        return conv_depthwise.conv_input(y, w, b, size, groups, **shape)
    if w.shape[1] < FEW:
        return conv_im2col_few.conv_input(y, w, b, size, groups, **shape)
    if conv_subpixel.serves(groups=groups, **shape):
        return conv_subpixel.conv_input(conv, y, w, b, size, strides, paddings)
    if any(s > 1 for s in strides) or min(map(min, far)) < 0:
        return _scattered(y, w, b, size, groups, **shape)
    if conv_winograd.pays(y, (len(y), w.shape[1], *size), w.shape[2:], groups=groups, **shape):
        x = namespace(y).empty((len(y), *size, w.shape[1]), dtype=y.dtype)
        if conv_winograd.conv_input(y, w, b, x, far):
            return second(x)
    # With few channels in x there is less to add up than there is to copy.
    if w.shape[0] // groups * math.prod(w.shape[2:-1]) <= w.shape[1] * math.prod(w.shape[2:]):
        flipped = w[(..., *(slice(None, None, -1),) * len(reach))]
        o, c, *kernel = flipped.shape
        flipped = flipped.reshape(groups, o // groups, c, *kernel).swapaxes(1, 2)
        flipped = flipped.reshape(groups * c, o // groups, *kernel)
        return conv(y, flipped, b, groups=groups, **(shape | {"padding": far}))
    return _scattered(y, w, b, size, groups, **shape)


def _scattered(
    y: Array, w: Array, b: Array | None, size: Shape, groups: int, **shape: Any
) -> Array:
    """y w, tile by tile, added where windows read.   (p, o), (o, kernel c) -> (p, kernel c)"""
    xp, kernel, c = namespace(y), w.shape[2:], w.shape[1]
    x = xp.zeros((y.shape[0], *size, groups * c), dtype=accumulator(y.dtype))
    y = channels_last(y)
    for i, o in zip(cut(x.shape[-1], groups), cut(w.shape[0], groups), strict=True):
        rows = conv_row_stack.matrix(w[o]).T
        for at in blocks(y.shape[:-1], rows.shape[1]):
            sent = y[..., o][at]
            cols = xp.ascontiguousarray(sent, dtype=x.dtype).reshape(-1, rows.shape[0]) @ rows
            cols = cols.reshape(*sent.shape[:-1], *kernel, c)
            for e, there, here in reads(at[1:], size, kernel, **shape):
                x[(at[0], *there, i)] += cols[(slice(None), *here, *e)]
    if b is not None:
        x += b
    return second(x.astype(y.dtype, copy=False))


def conv_weight(y: Array, x: Array, *, kernel: Shape, groups: int, **shape: Any) -> Array:
    """dT/dw.   (n, o, *out), (n, c, *size) -> (o, c/groups, *kernel)"""
    xp, out = namespace(x), y.shape[2:]
    w = xp.empty((y.shape[1], x.shape[1] // groups, *kernel), dtype=x.dtype)
    if conv_pointwise.serves(x, w.shape, **shape):
        return conv_pointwise.conv_weight(y, x, w, groups)
    if _depthwise(w, groups):
        return conv_depthwise.conv_weight(y, x, w, **shape)
    if w.shape[1] < FEW:
        return conv_im2col_few.conv_weight(y, x, w, groups, **shape)
    if conv_im2col_whole.pays(x, kernel, out, groups):
        return conv_im2col_whole.conv_weight(y, x, w, **shape)
    fewer = conv_winograd.pays(x, y.shape, kernel, groups=groups, **shape)
    if fewer and conv_winograd.conv_weight(y, x, w, shape["padding"]):
        return w
    way = _way(w, (len(x), len(w) // groups, *out), **shape)
    x, y = channels_last(x), channels_last(y)
    for i, o in zip(cut(x.shape[-1], groups), cut(len(w), groups), strict=True):
        way.conv_weight(y[..., o], x[..., i], w[o], **shape)
    return w


def _way(w: Array, y: Shape, **shape: Any) -> Any:
    """The room for many channels that are not a small image.   y: the shape of one group's"""
    return conv_im2col if conv_im2col.pays(w.shape[2:], y, **shape) else conv_row_stack


def _depthwise(w: Array, groups: int) -> bool:
    return w.shape[1] == 1 and groups >= FEW


def cut(n: int, groups: int) -> list[slice]:
    """0, ..., n - 1 in equal groups."""
    return [slice(a, a + n // groups) for a in range(0, n, n // groups)]


def _options(shape: dict[str, Any]) -> tuple[Any, Any, Any]:
    return shape["stride"], shape["dilation"], shape["padding"]
