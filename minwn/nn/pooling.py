"""Pooling: the largest entry, or the mean, of every window or of the whole picture.

    max_pool    z_p = max_k x_q(p,k)           z_bar_p goes to the first k that attains the maximum
    avg_pool    z_p = 1/K sum_k x_q(p,k)       z_bar_p / K goes to all K entries of the window

with q = stride p + k - padding. Entries outside x count as -inf for the maximum and as 0 for the
mean, as in PyTorch. The maximum of a window with a NaN is NaN, and z_bar_p goes to the last NaN. In
the padding nothing arrives. Both pullbacks end in `fold`, which adds every window back where it was
read.
"""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar

from ..backend import Array, namespace
from ..byhand.conv import Ints, each
from ..graph import Primitive, primitive, raw
from ..ops import broadcast_to, fold, mean, window_count
from ..ops import max as largest
from ..ops.elementwise import masked
from ..ops.shape import beside_channels
from ..ops.window import taps
from ..tensors import Tensor
from .module import Module

__all__ = [
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "GlobalAvgPool", "GlobalMaxPool", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]

Shape = tuple[int, ...]


@primitive
def max_pool(x: Array, *, kernel: Shape, stride: Shape, padding: Shape) -> Array:
    """z = the largest entry of each window.   x: (n, c, *size)   z: (n, c, *out)

    Axis by axis, from the first: the largest of a window is that of the largest of its columns.
    """
    z, out = _padded(x, -math.inf, padding), _out(x, kernel, stride, padding)
    for axis, (k, s, n) in enumerate(zip(kernel, stride, out, strict=True), start=2):
        before = (slice(None),) * axis
        parts = [z[(*before, slice(i, i + s * (n - 1) + 1, s))] for i in range(k)]
        z = functools.reduce(namespace(x).maximum, parts[1:] or parts, parts[0])  # a new array
    return z


@primitive
def avg_pool(x: Array, *, kernel: Shape, stride: Shape, padding: Shape) -> Array:
    """z = the mean of each window.   x: (n, c, *size)   z: (n, c, *out)"""
    out, x = _out(x, kernel, stride, padding), _padded(x, 0.0, padding)
    z = namespace(x).zeros_like(x, shape=(*x.shape[:2], *out))
    for _, place in taps(kernel, out, stride, (1,) * len(kernel)):
        z += x[(..., *place)]
    z /= math.prod(kernel)
    return z


@max_pool.pullback
def _(z_bar, z, x, *, kernel, stride, padding):
    mine = _first_largest(raw(x), raw(z), kernel, stride, padding)
    return (_scatter(masked(_beside_taps(z_bar, kernel), mine), x, kernel, stride, padding),)


@avg_pool.pullback
def _(z_bar, z, x, *, kernel, stride, padding):
    sent = _beside_taps(z_bar / math.prod(kernel), kernel)
    sent = broadcast_to(sent, shape=(*z.shape[:2], *kernel, *z.shape[2:]))
    return (_scatter(sent, x, kernel, stride, padding),)


def _first_largest(x: Array, z: Array, kernel: Shape, stride: Shape, padding: Shape) -> Array:
    """Whether an entry is the one of its window that z comes from.   -> (n, c, *kernel, *out)

    The first of the largest; or the last NaN, where there is one.
    """
    xp, out = namespace(x), z.shape[2:]
    places = list(taps(kernel, out, stride, (1,) * len(kernel)))
    padded = _padded(x, math.nan, padding)  # which is equal to nothing, not even to -inf
    mine = beside_channels(z, xp.empty, (*z.shape[:2], *kernel, *out), bool)
    free = xp.ones_like(z, dtype=bool)
    for k, place in places:
        hit = free & (padded[(..., *place)] == z)
        mine[(slice(None), slice(None), *k)] = hit
        free ^= hit
    if free.any():
        nan = _padded(x != x, False, padding)
        for k, place in reversed(places):
            hit = free & nan[(..., *place)]
            mine[(slice(None), slice(None), *k)] |= hit
            free ^= hit
    return mine


def _beside_taps(z_bar: Any, kernel: Shape) -> Any:
    """(n, c, *out) -> (n, c, 1, ..., *out), which meets every window entry"""
    n, c, *out = z_bar.shape
    return z_bar.reshape((n, c, *(1,) * len(kernel), *out))


def _scatter(cols: Any, x: Any, kernel: Shape, stride: Shape, padding: Shape) -> Any:
    pairs, dilation = tuple((p, p) for p in padding), (1,) * len(kernel)
    size = tuple(x.shape[2:])
    return fold(cols, size=size, kernel=kernel, stride=stride, dilation=dilation, padding=pairs)


def _padded(x: Array, value: float, padding: Shape) -> Array:
    if not any(padding):
        return x
    shape = (*x.shape[:2], *(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)))
    z = namespace(x).full_like(x, value, shape=shape)
    z[(..., *(slice(p, p + n) for n, p in zip(x.shape[2:], padding, strict=True)))] = x
    return z


def _out(x: Array, kernel: Shape, stride: Shape, padding: Shape) -> Shape:
    spans = zip(x.shape[2:], kernel, stride, padding, strict=True)
    return tuple(window_count(n, k, s, 1, (p, p)) for n, k, s, p in spans)


# ---- layers -------------------------------------------------------------------------------------


class _Pool(Module):
    """x: (n, c, *size)   y: (n, c, *out),   out = floor((size + 2 padding - kernel) / stride) + 1

    stride is the kernel size where it is None. Raises ValueError for options and inputs that do
    not fit; a padding above half of the kernel size would make windows of nothing but padding.
    """

    dimensions: ClassVar[int]
    pool: ClassVar[Primitive]

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        d = self.dimensions
        self.kernel_size = each(kernel_size, d, "kernel_size", least=1)
        self.stride = self.kernel_size if stride is None else each(stride, d, "stride", least=1)
        self.padding = each(padding, d, "padding", least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding={padding} is above half of kernel_size={kernel_size}")

    def forward(self, x: Tensor) -> Tensor:
        if len(x.shape) != self.dimensions + 2:
            raise ValueError(
                f"{type(self).__name__} takes (n, c, and {self.dimensions} sizes), got "
                f"{tuple(x.shape)}; add a missing batch axis with x[None]"
            )
        return self.pool(x, kernel=self.kernel_size, stride=self.stride, padding=self.padding)

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    pool = max_pool


class _AvgPool(_Pool):
    pool = avg_pool


class MaxPool1d(_MaxPool):
    dimensions = 1


class MaxPool2d(_MaxPool):
    dimensions = 2


class MaxPool3d(_MaxPool):
    dimensions = 3


class AvgPool1d(_AvgPool):
    dimensions = 1


class AvgPool2d(_AvgPool):
    dimensions = 2


class AvgPool3d(_AvgPool):
    dimensions = 3


class GlobalAvgPool(Module):
    """The mean over everything after the channels.   x: (n, c, ...)   y: (n, c)

    Raises ValueError where there is nothing after the channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        return mean(x, axis=_after_channels(self, x))


class GlobalMaxPool(Module):
    """The maximum over everything after the channels.   x: (n, c, ...)   y: (n, c)

    Equal entries share the cotangent. Raises ValueError where there is nothing after the channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        return largest(x, axis=_after_channels(self, x))


def _after_channels(layer: Module, x: Any) -> Shape:
    if len(x.shape) < 3:
        raise ValueError(f"{type(layer).__name__} takes (n, c, *size), got {tuple(x.shape)}")
    return tuple(range(2, len(x.shape)))
