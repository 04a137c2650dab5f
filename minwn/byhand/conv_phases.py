"""conv_input of `conv` with a stride, as a convolution without one.

In the frame of x, padding included, entry  q = s a + r  is reached from output p by the entry
q - s p = r + s (a - p)  of the kernel. So where the stride s divides the kernel, each of the s
phases r of x is the convolution of y by every s-th entry of the kernel, the last one first,

    x[s a + r] = sum_t w[r + s t] y[a - t]        t = 0, ..., k/s - 1

and all of them read the same windows of y: one convolution with s^d c outputs. Nothing is added up
where windows overlap; the outputs only have to be put side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend import Array, namespace
from .conv_reads import Shape, reads

__all__ = ["conv_input", "serves"]


def serves(w: Shape, *, groups: int, stride: Shape, dilation: Shape, **_: Any) -> bool:
    """The rule: one group, a stride, which divides a kernel without gaps.   w: its shape"""
    whole = all(k % s == 0 for k, s in zip(w[2:], stride, strict=True))
    return groups == 1 and max(stride) > 1 == max(dilation) and whole


def conv_input(
    conv: Callable[..., Array], y: Array, w: Array, b: Array | None, size: Shape, stride: Shape,
    padding: Any,
) -> Array:  # fmt: skip
    """dT/dx + b, given `conv`.   (n, o, *out), (o, c, *kernel) -> (n, c, *size)"""
    xp, d, (o, c, *kernel) = namespace(y), len(stride), w.shape
    few = tuple(k // s for k, s in zip(kernel, stride, strict=True))
    # (o, c, t0, r0, t1, r1, ...) -> (r0, r1, ..., c, o, t0, t1, ...), with the last t first
    parts = w.reshape(o, c, *(m for pair in zip(few, stride, strict=True) for m in pair))
    parts = parts.transpose(*range(3, 2 * d + 2, 2), 1, 0, *range(2, 2 * d + 2, 2))
    parts = parts[(..., *(slice(None, None, -1),) * d)].reshape(-1, o, *few)
    ones, far = (1,) * d, tuple((t - 1, t - 1) for t in few)
    biases = None if b is None else xp.tile(b, math.prod(stride))
    phases = conv(y, parts, biases, groups=1, stride=ones, dilation=ones, padding=far)
    phases = xp.moveaxis(phases, 1, -1)
    phases = phases.reshape(*phases.shape[:-1], *stride, c)
    # With output_padding, the last entries of x are reached from nowhere.
    x = xp.full((len(y), *size, c), 0 if b is None else b, dtype=y.dtype)
    every = tuple(slice(0, n) for n in phases.shape[1 : d + 1])
    for r, there, here in reads(every, size, stride, stride=stride, dilation=ones, padding=padding):
        x[(slice(None), *there)] = phases[(slice(None), *here, *r)]
    return xp.moveaxis(x, -1, 1)
