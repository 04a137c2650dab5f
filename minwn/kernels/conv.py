"""The three products of `byhand.conv` for NumPy, and the choice of their way.

The formula there copies windows entry by entry of the kernel, into fresh memory each time. Here are
the same sums in other orders. `WAYS` has a row for each. The first that serves runs; where it
returns None, because of the numbers that it finds, the next. Where none is left, the formula runs.

Nothing is kept from call to call: a pullback makes its windows again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..backend import Array, is_numpy
from ..ops.window import window_counts
from . import conv_depthwise, conv_winograd
from .conv_im2col import CHANNELS_FIRST, CHANNELS_LAST
from .conv_windows import Problem, Shape

__all__ = ["WAYS", "Way", "conv", "conv_input", "conv_weight", "ways"]

FEW = 8  # channels of a group: with fewer, runs of channels are too short


class Way(NamedTuple):
    """One order of the sums. A product that it does not compute is None.

    inputs, serves: the rule in words, and by shapes, options and dtype
    because: the time without this row over the time with it, all three products together, by shape
    """

    name: str
    inputs: str
    serves: Callable[[Problem], bool]
    conv: Callable[[Problem, Array, Array, Array | None], Array | None] | None
    conv_input: Callable[[Problem, Array, Array, Array | None], Array | None] | None
    conv_weight: Callable[[Problem, Array, Array], Array | None] | None
    because: str


def conv(x: Array, w: Array, b: Array | None, **shape: Any) -> Array | None:
    """dT/dy + b, or None.   (n, c, *size), (o, c/groups, *kernel) -> (n, o, *out)"""
    if _served(x, w):
        p, found = _plan("conv", x.dtype, x.shape, w.shape, None, **shape)
        for way in found:
            y = way(p, x, w, b)
            if y is not None:
                return y
    return None


def conv_input(y: Array, w: Array, b: Array | None, *, size: Shape, **shape: Any) -> Array | None:
    """dT/dx + b, or None.   (n, o, *out), (o, c/groups, *kernel) -> (n, c, *size)"""
    if _served(y, w):
        x_shape = (y.shape[0], w.shape[1] * shape["groups"], *size)
        p, found = _plan("conv_input", y.dtype, x_shape, w.shape, y.shape, **shape)
        for way in found:
            x = way(p, y, w, b)
            if x is not None:
                return x
    return None


def conv_weight(y: Array, x: Array, *, kernel: Shape, groups: int, **shape: Any) -> Array | None:
    """dT/dw, or None.   (n, o, *out), (n, c, *size) -> (o, c/groups, *kernel)"""
    if _served(y, x):
        w_shape = (y.shape[1], x.shape[1] // groups, *kernel)
        p, found = _plan("conv_weight", x.dtype, x.shape, w_shape, y.shape, groups=groups, **shape)
        for way in found:
            w = way(p, y, x)
            if w is not None:
                return w
    return None


def _flipped(p: Problem, y: Array, w: Array, b: Array | None) -> Array | None:
    """dT/dx + b as a conv of y, for stride 1: entry k of the kernel is entry -k of the flipped."""
    kernel = w[(..., *(slice(None, None, -1),) * len(p.kernel))]
    kernel = kernel.reshape(p.groups, p.o // p.groups, p.c // p.groups, *p.kernel).swapaxes(1, 2)
    kernel = kernel.reshape(p.c, p.o // p.groups, *p.kernel)
    options = {"stride": p.stride, "dilation": p.dilation, "groups": p.groups}
    return conv(y, kernel, b, padding=_far(p), **options)


def _far(p: Problem) -> tuple[tuple[int, int], ...]:
    """The padding of y that `_flipped` needs."""
    reach = [d * (k - 1) for k, d in zip(p.kernel, p.dilation, strict=True)]
    return tuple((r - a, r - b) for r, (a, b) in zip(reach, p.padding, strict=True))


def _can_flip(p: Problem) -> bool:
    """Stride 1, no padding beyond the kernel's reach, and not much more to copy than to add."""
    return max(p.stride) == 1 and min(map(min, _far(p))) >= 0 and p.o <= 4 * p.c


WAYS = (
    Way(
        "depthwise", "groups of one channel, 8 or more",
        conv_depthwise.serves,
        conv_depthwise.conv, conv_depthwise.conv_input, conv_depthwise.conv_weight,
        "2.8 at 32x64x16x16 -> 64, k3, groups 64",
    ),
    Way(
        "im2col, channels first", "less than 8 channels in a group",
        lambda p: p.c < FEW * p.groups,
        CHANNELS_FIRST.conv, CHANNELS_FIRST.conv_input, CHANNELS_FIRST.conv_weight,
        "1.4 at 64x3x32x32 -> 96, k3; 1.3 at 32x1x8x8 -> 16, k3",
    ),
    Way(
        "winograd", "float32, 3 x 3, stride 1, 64 channels or more, of which 2^14 numbers in a tap",
        conv_winograd.serves,
        conv_winograd.conv, None, conv_winograd.conv_weight,
        "1.7 at 32x256x8x8 -> 256, k3; 1.6 at 100x96x32x32 -> 96; 1.4 at 32x64x16x16 -> 64",
    ),
    Way(
        "flipped kernel", "stride 1, padding within the kernel's reach, o <= 4 c",
        _can_flip,
        None, _flipped, None,
        "1.4 at 32x64x16x16 -> 64, k3, groups 4; 1.2 at 32x16x8x8 -> 32, k3",
    ),
    Way(
        "im2col, channels last", "all others",
        lambda p: True,
        CHANNELS_LAST.conv, CHANNELS_LAST.conv_input, CHANNELS_LAST.conv_weight,
        "2.3 at 32x64x16x16 -> 64, k5; 1.6 at k3, stride 2, and at k1; 1.9 at 8x64x1024 -> 64, k5",
    ),
)


def ways(product: str, p: Problem) -> list[Way]:
    """Those that serve, in their order.   product: "conv", "conv_input" or "conv_weight" """
    return [way for way in WAYS if getattr(way, product) and way.serves(p)]


def _served(x: Array, y: Array) -> bool:
    """Float or complex arrays of NumPy's, of one dtype, that have a size."""
    return is_numpy(x, y) and x.dtype == y.dtype and x.dtype.kind in "fc" and x.ndim > 2


@functools.lru_cache(maxsize=4096)
def _plan(
    product: str, dtype: Any, x: Shape, w: Shape, y: Shape | None, *, stride: Shape,
    dilation: Shape, padding: tuple[tuple[int, int], ...], groups: int,
) -> tuple[Problem, list[Callable[..., Array | None]]]:
    """The problem, and the ways that take the product; cached by shapes."""
    size, kernel = x[2:], w[2:]
    out = y[2:] if y else window_counts(size, kernel, stride, dilation, padding)
    p = Problem(
        dtype, x[0], x[1], w[0], groups, size, kernel, out, stride, dilation, padding,
        tuple(n + sum(pair) for n, pair in zip(size, padding, strict=True)),
        tuple(slice(a, a + n) for n, (a, _) in zip(size, padding, strict=True)), math.prod(kernel),
    )
    return p, [getattr(way, product) for way in ways(product, p)]
