"""Pooling: the largest entry, or the mean, of every window or of the whole picture.

    max_pool    z_p = max_k x_q(p,k)           z_bar_p goes to the first k that attains the maximum
    avg_pool    z_p = 1/K_p sum_k x_q(p,k)     z_bar_p / K_p goes to all entries of the window

with q = stride p + dilation k - padding. Entries outside x count as -inf for the maximum and as 0
for the mean, as in PyTorch. K_p is how many entries of the window count: those in x, and those in
the padding unless it is left out. The maximum of a window with a NaN is NaN, and z_bar_p goes to
the last NaN. In the padding nothing arrives. Both pullbacks end in `fold`, which adds every window
back where it was read.
"""

from __future__ import annotations

import functools
import math
from typing import Any, ClassVar

from ..backend import Array, namespace
from ..byhand.conv import Ints, each
from ..graph import primitive, raw
from ..ops import broadcast_to, fold, mean
from ..ops import max as largest
from ..ops.elementwise import masked
from ..ops.shape import Widths, beside_channels, framed
from ..ops.window import taps, window_counts
from ..tensors import Tensor
from ..validation import flag
from .module import Module

__all__ = [
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "GlobalAvgPool", "GlobalMaxPool", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]

Shape = tuple[int, ...]


@primitive
def max_pool(
    x: Array, *, kernel: Shape, stride: Shape, padding: Widths, dilation: Shape
) -> Array:
    """z = the largest entry of each window.   x: (n, c, *size)   z: (n, c, *out)

    Axis by axis, from the first: the largest of a window is that of the largest of its columns.
    """
    out = window_counts(x.shape[2:], kernel, stride, dilation, padding)
    z = _padded(x, -math.inf, padding)
    for axis, (k, s, d, n) in enumerate(zip(kernel, stride, dilation, out, strict=True), start=2):
        before = (slice(None),) * axis
        parts = [z[(*before, slice(i, i + s * (n - 1) + 1, s))] for i in range(0, d * k, d)]
        z = functools.reduce(namespace(x).maximum, parts[1:] or parts, parts[0])  # a new array
    return z


@primitive
def avg_pool(
    x: Array, *, kernel: Shape, stride: Shape, padding: Widths, counted: Widths
) -> Array:
    """z = the mean of each window.   x: (n, c, *size)   z: (n, c, *out)

    counted: how much of the padding counts as entries, which are 0
    """
    undilated, share = (1,) * len(kernel), _entries(x, kernel, stride, padding, counted)
    out = window_counts(x.shape[2:], kernel, stride, undilated, padding)
    x = _padded(x, 0.0, padding)
    z: Array = namespace(x).zeros_like(x, shape=(*x.shape[:2], *out))
    for _, place in taps(kernel, out, stride, undilated):
        z += x[(..., *place)]
    z /= share
    return z


@max_pool.pullback
def _(z_bar, z, x, *, kernel, **windows):
    mine = _first_largest(raw(x), raw(z), kernel, **windows)
    sent = masked(_beside_taps(z_bar, kernel), mine)
    return (fold(sent, size=x.shape[2:], kernel=kernel, **windows),)


@avg_pool.pullback
def _(z_bar, z, x, *, kernel, stride, padding, counted):
    sent = _beside_taps(z_bar / _entries(raw(x), kernel, stride, padding, counted), kernel)
    sent = broadcast_to(sent, shape=(*z.shape[:2], *kernel, *z.shape[2:]))
    windows = {"stride": stride, "padding": padding, "dilation": (1,) * len(kernel)}
    return (fold(sent, size=x.shape[2:], kernel=kernel, **windows),)


def _entries(x: Array, kernel: Shape, stride: Shape, padding: Widths, counted: Widths) -> Any:
    """K_p: a number where it is the same for all windows, else an array of them.   -> (*out)"""
    if padding == counted:
        return math.prod(kernel)
    xp, d, along = namespace(x), len(kernel), []
    out = window_counts(x.shape[2:], kernel, stride, (1,) * d, padding)
    lines = zip(x.shape[2:], kernel, stride, padding, counted, out, strict=True)
    for axis, (size, k, s, (before, _), (low, high), n) in enumerate(lines):
        first = xp.arange(n) * s - before
        some = xp.minimum(first + k, size + high) - xp.maximum(first, -low)
        along.append(some.reshape((n,) + (1,) * (d - 1 - axis)))
    entries: Any = math.prod(along)
    return entries.astype(x.dtype)


def _first_largest(x: Array, z: Array, kernel: Shape, **windows: Any) -> Array:
    """Whether an entry is the one of its window that z comes from.   -> (n, c, *kernel, *out)

    The first of the largest; or the last NaN, where there is one.
    """
    xp, out, padding = namespace(x), z.shape[2:], windows["padding"]
    places = list(taps(kernel, out, windows["stride"], windows["dilation"]))
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


def _padded(x: Array, value: float, padding: Widths) -> Array:
    return framed(x, ((0, 0), (0, 0), *padding), value) if any(map(any, padding)) else x


# ---- layers -------------------------------------------------------------------------------------


class _Pool(Module):
    """What the six share: the options, and what they mean for an input."""

    dimensions: ClassVar[int]

    def _build(
        self, kernel_size: Ints, stride: Ints | None, padding: Ints, dilation: Ints, ceil_mode: bool
    ) -> None:
        d = self.dimensions
        self.kernel_size = each(kernel_size, d, "kernel_size", least=1)
        self.stride = self.kernel_size if stride is None else each(stride, d, "stride", least=1)
        self.padding = each(padding, d, "padding", least=0)
        self.dilation = each(dilation, d, "dilation", least=1)
        self.ceil_mode = flag("ceil_mode", ceil_mode)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding={padding} is above half of kernel_size={kernel_size}")

    def _windows(self, x: Any) -> dict[str, Any]:
        """The options as the primitives take them, once the shape of x is known."""
        if len(x.shape) != self.dimensions + 2:
            raise ValueError(
                f"{type(self).__name__} takes (n, c, and {self.dimensions} sizes), got "
                f"{tuple(x.shape)}; add a missing batch axis with x[None]"
            )
        padding = tuple((p, p) for p in self.padding)
        if self.ceil_mode:
            spans = self.kernel_size, self.stride, self.padding, self.dilation
            padding = tuple(map(_up_to_last, x.shape[2:], *spans))
        return {"kernel": self.kernel_size, "stride": self.stride, "padding": padding}

    def describe(self) -> str:
        said = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            said += f", dilation={self.dilation}"
        return said + (", ceil_mode=True" if self.ceil_mode else "")


def _up_to_last(size: int, k: int, s: int, p: int, d: int) -> tuple[int, int]:
    """The padding before x, and that behind it as far as the last window of ceil_mode reaches."""
    reach = d * (k - 1) + 1
    last = -((size + 2 * p - reach) // -s)  # rounded up
    if last * s >= size + p:  # it would start behind x
        last -= 1
    return p, max(p, last * s + reach - size - p)


class _MaxPool(_Pool):
    """The base of MaxPool1d, MaxPool2d and MaxPool3d."""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self._build(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = max_pool(x, **self._windows(x), dilation=self.dilation)
        return y


class _AvgPool(_Pool):
    """The base of AvgPool1d, AvgPool2d and AvgPool3d."""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._build(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = flag("count_include_pad", count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        counted = tuple((p, p) if self.count_include_pad else (0, 0) for p in self.padding)
        y: Tensor = avg_pool(x, **self._windows(x), counted=counted)
        return y

    def describe(self) -> str:
        return super().describe() + ("" if self.count_include_pad else ", count_include_pad=False")


class MaxPool1d(_MaxPool):
    """The largest entry of each window, with the options and errors of `MaxPool2d`.

    x: (n, c, l)   y: (n, c, l')
    """

    dimensions = 1


class MaxPool2d(_MaxPool):
    """The largest entry of each window.   x: (n, c, h, w)   y: (n, c, h', w')

    size' = floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1

    stride is the kernel size where it is None. With ceil_mode the fraction is rounded up: a last
    window may reach beyond the padding, if it starts in x or in the padding before x.
    Raises ValueError for options and inputs that do not fit; a padding above half of the kernel
    size would make windows of nothing but padding.

    >>> nn.MaxPool2d(2)(tensor(np.arange(16.0).reshape(1, 1, 4, 4))).flatten()
    tensor([ 5.,  7., 13., 15.])
    """

    dimensions = 2


class MaxPool3d(_MaxPool):
    """The largest entry of each window, with the options and errors of `MaxPool2d`.

    x: (n, c, d, h, w)   y: (n, c, d', h', w')
    """

    dimensions = 3


class AvgPool1d(_AvgPool):
    """The mean of each window, with the options and errors of `AvgPool2d`.

    x: (n, c, l)   y: (n, c, l')
    """

    dimensions = 1


class AvgPool2d(_AvgPool):
    """The mean of each window.   x: (n, c, h, w)   y: (n, c, h', w')

    size' = floor((size + 2 padding - kernel) / stride) + 1

    stride is the kernel size where it is None. With ceil_mode the fraction is rounded up: a last
    window may reach beyond the padding, if it starts in x or in the padding before x. What it
    reaches there does not count as entries; the padding does, as zeros, if count_include_pad.
    Raises ValueError for options and inputs that do not fit; a padding above half of the kernel
    size would make windows of nothing but padding.

    >>> nn.AvgPool2d(2)(tensor(np.arange(16.0).reshape(1, 1, 4, 4))).flatten()
    tensor([ 2.5,  4.5, 10.5, 12.5])
    """

    dimensions = 2


class AvgPool3d(_AvgPool):
    """The mean of each window, with the options and errors of `AvgPool2d`.

    x: (n, c, d, h, w)   y: (n, c, d', h', w')
    """

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
