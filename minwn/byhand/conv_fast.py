"""The three products of `conv` at the speed of the matrix product, for NumPy.

The formula in `conv` writes out windows: k k copies of x, fresh memory each time. Here
tiles of x are brought into a form in which the windows are a matrix, and one BLAS call multiplies
them:

    conv          the windows of x times w
    conv_input    the conv of y with the flipped kernel, or y w, added where it was read
    conv_weight   y_bar times the windows of x: w_bar[e] = sum_j y_bar[j] z[j + e], for each
                  column e of the kernel

`conv_rows` says how for many channels and long rows. Other rooms know of shorter ways, each with
its rule:

    conv_point     kernels of one entry
    conv_depth     groups of one channel
    conv_few       groups of few channels
    conv_winograd  kernels of 3 x 3 in float32, for many channels
    conv_windows   strides, and short rows
    conv_phases    conv_input with a stride

Nothing is kept from call to call: a pullback makes its windows again.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from ..backend import Array, accumulator, is_numpy, namespace
from ..ops import window_count
from . import conv_depth, conv_few, conv_phases, conv_point, conv_windows, conv_winograd
from .channels import channels_last
from .conv_reads import Shape, reads
from .conv_rows import Stack, blocks, stacks

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
    if conv_point.serves(x, w.shape, **shape):
        return conv_point.conv(x, w, b, groups)
    spans = zip(x.shape[2:], kernel, *_options(shape), strict=True)
    out = tuple(window_count(*span) for span in spans)
    y = xp.empty((x.shape[0], *out, w.shape[0]), dtype=x.dtype)
    if _depthwise(w, groups):
        conv_depth.conv(x, w, b, y, **shape)
        return xp.moveaxis(y, -1, 1)
    if w.shape[1] < FEW:
        conv_few.conv(x, w, b, y, groups, **shape)
        return xp.moveaxis(y, -1, 1)
    fewer = conv_winograd.pays(x, (len(x), len(w), *out), kernel, groups=groups, **shape)
    if fewer and conv_winograd.conv(x, w, b, y, shape["padding"]):
        return xp.moveaxis(y, -1, 1)
    x = channels_last(x)
    gather = conv_windows.pays(kernel, (len(x), len(w) // groups, *out), **shape)
    for i, o in zip(cut(x.shape[-1], groups), cut(w.shape[0], groups), strict=True):
        if gather:
            conv_windows.conv(x[..., i], w[o], None if b is None else b[o], y[..., o], **shape)
            continue
        rows = _matrix(w[o])
        for at, z in stacks(x[..., i], out, kernel, **shape):
            _products(z, rows, None if b is None else b[o], y[..., o][at])
    return xp.moveaxis(y, -1, 1)


def _products(z: Stack, rows: Array, b: Array | None, y: Array) -> None:
    """y = the windows of z times rows, + b.   (p, k kc), (k kc, o) -> (n, *lead, j, o)"""
    xp = namespace(y)
    direct = y.flags.c_contiguous and y.dtype == rows.dtype and not z.seams
    flat = y.reshape(z.every, -1) if direct else xp.empty((z.every, y.shape[-1]), dtype=rows.dtype)
    for r in range(z.kernel):
        xp.matmul(z.windows(r), rows, out=flat[r :: z.kernel])
    kept = y if direct else z.apart(flat)
    if b is not None:
        xp.add(kept, b, out=y, casting="same_kind")
    elif kept is not y:
        y[...] = kept


def conv_input(
    y: Array, w: Array, b: Array | None, *, size: Shape, groups: int, **shape: Any
) -> Array:
    """dT/dx + b.   (n, o, *out), (o, c/groups, *kernel) -> (n, c, *size)"""
    if conv_point.serves(y, w.shape, **shape):
        return conv_point.conv_input(y, w, b, groups)
    strides, dilations, paddings = _options(shape)
    reach = [d * (k - 1) for k, d in zip(w.shape[2:], dilations, strict=True)]
    far = tuple((r - p, r - q) for r, (p, q) in zip(reach, paddings, strict=True))
    if _depthwise(w, groups):
        return conv_depth.conv_input(y, w, b, size, groups, **shape)
    if w.shape[1] < FEW:
        return conv_few.conv_input(y, w, b, size, groups, **shape)
    if conv_phases.serves(groups=groups, **shape):
        return conv_phases.conv_input(conv, y, w, b, size, strides, paddings)
    if any(s > 1 for s in strides) or min(map(min, far)) < 0:
        return _scattered(y, w, b, size, groups, **shape)
    if conv_winograd.pays(y, (len(y), w.shape[1], *size), w.shape[2:], groups=groups, **shape):
        x = namespace(y).empty((len(y), *size, w.shape[1]), dtype=y.dtype)
        if conv_winograd.conv_input(y, w, b, x, far):
            return namespace(y).moveaxis(x, -1, 1)
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
        rows = xp.moveaxis(w[o], 1, -1).astype(x.dtype, order="C").reshape(o.stop - o.start, -1)
        for at in blocks(y.shape[:-1], rows.shape[1]):
            sent = y[..., o][at]
            cols = xp.ascontiguousarray(sent, dtype=x.dtype).reshape(-1, rows.shape[0]) @ rows
            cols = cols.reshape(*sent.shape[:-1], *kernel, c)
            for e, there, here in reads(at[1:], size, kernel, **shape):
                x[(at[0], *there, i)] += cols[(slice(None), *here, *e)]
    if b is not None:
        x += b
    return xp.moveaxis(x.astype(y.dtype, copy=False), -1, 1)


def conv_weight(y: Array, x: Array, *, kernel: Shape, groups: int, **shape: Any) -> Array:
    """dT/dw.   (n, o, *out), (n, c, *size) -> (o, c/groups, *kernel)"""
    xp, wide, out = namespace(x), accumulator(x.dtype), y.shape[2:]
    w = xp.zeros((y.shape[1], x.shape[1] // groups, *kernel), dtype=x.dtype)
    if conv_point.serves(x, w.shape, **shape):
        return conv_point.conv_weight(y, x, w, groups)
    if _depthwise(w, groups):
        return conv_depth.conv_weight(y, x, w, **shape)
    if w.shape[1] < FEW:
        return conv_few.conv_weight(y, x, w, groups, **shape)
    fewer = conv_winograd.pays(x, y.shape, kernel, groups=groups, **shape)
    if fewer and conv_winograd.conv_weight(y, x, w, shape["padding"]):
        return w
    w[...] = 0
    x, y = channels_last(x), channels_last(y)
    gather = conv_windows.pays(kernel, (len(x), len(w) // groups, *out), **shape)
    for i, o in zip(cut(x.shape[-1], groups), cut(w.shape[0], groups), strict=True):
        if gather:
            conv_windows.conv_weight(y[..., o], x[..., i], w[o], **shape)
            continue
        shares = (o.stop - o.start, kernel[-1], math.prod(kernel[:-1]) * w.shape[1])
        total, share = xp.zeros(shares, dtype=wide), xp.empty(shares, dtype=wide)
        # Each tile passes over all of w once: make it some times as large.
        for at, z in stacks(x[..., i], out, kernel, least=4 * total.size, **shape):
            sent = y[..., o][at]
            flat = xp.zeros((z.every, shares[0]), dtype=wide)
            z.apart(flat)[...] = sent
            for e in range(kernel[-1]):
                xp.matmul(flat.T, z.columns(e), out=share[:, e])  # (p, o), (p, kc) -> (o, kc)
            total += share
        taps = total.reshape(shares[0], kernel[-1], *kernel[:-1], w.shape[1])
        for tap in itertools.product(*map(range, kernel)):
            w[(o, slice(None), *tap)] = taps[(slice(None), tap[-1], *tap[:-1])]
    return w


def _depthwise(w: Array, groups: int) -> bool:
    return w.shape[1] == 1 and groups >= FEW


def _matrix(w: Array) -> Array:
    """(o, c, *lead, k) -> (k lead c, o), copied in the order in which w can be read in runs"""
    xp = namespace(w)
    order = (w.ndim - 1, *range(2, w.ndim - 1))
    wide = accumulator(w.dtype)
    if abs(w.strides[0]) < abs(w.strides[1]):
        return xp.ascontiguousarray(w.transpose(*order, 1, 0), dtype=wide).reshape(-1, w.shape[0])
    rows = xp.ascontiguousarray(w.transpose(0, *order, 1), dtype=wide)
    return rows.reshape(w.shape[0], -1).T


def cut(n: int, groups: int) -> list[slice]:
    """0, ..., n - 1 in equal groups."""
    return [slice(a, a + n // groups) for a in range(0, n, n // groups)]


def _options(shape: dict[str, Any]) -> tuple[Any, Any, Any]:
    return shape["stride"], shape["dilation"], shape["padding"]
