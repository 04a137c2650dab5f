"""Sliding windows, in any number of spatial dimensions: unfold | fold, each other's pullback.

Window entry k of output position p reads input position  stride p + dilation k - padding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ..backend import Array, namespace
from ..graph import primitive
from .shape import Shape, Widths

__all__ = ["fold", "unfold", "window_count"]


def window_count(
    size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]
) -> int:
    """How many windows fit: floor((size + padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises ValueError where not even one does.
    """
    room = size + sum(padding) - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError(
            f"a window of {kernel} entries, dilation {dilation}, does not fit into {size} "
            f"with padding {padding}"
        )
    return room // stride + 1


def beside_channels(x: Array, make: Any, shape: Shape, dtype: Any) -> Array:
    """make(shape, dtype=dtype), a new array (n, c, ...), its channels last in memory as those of x.

    What is computed from two arrays takes several times as long where their orders differ.
    """
    if x.shape[1] > 1 and getattr(x, "strides", (0, 0))[1] == x.dtype.itemsize:
        return namespace(x).moveaxis(make((shape[0], *shape[2:], shape[1]), dtype=dtype), -1, 1)
    return make(shape, dtype=dtype)


def taps(kernel: Shape, out: Shape, stride: Shape, dilation: Shape) -> Iterator[tuple]:
    """For each window entry k: (k, the slices of the padded input that it reads)."""
    for k in itertools.product(*map(range, kernel)):
        yield (
            k,
            tuple(
                slice(d * i, d * i + s * (n - 1) + 1, s)
                for i, n, s, d in zip(k, out, stride, dilation, strict=True)
            ),
        )


@primitive
def unfold(x: Array, *, kernel: Shape, stride: Shape, dilation: Shape, padding: Widths) -> Array:
    """All windows of x.   x: (n, c, *size)   z: (n, c, *kernel, *out)"""
    size = x.shape[2:]
    spans = zip(size, kernel, stride, dilation, padding, strict=True)
    out = tuple(window_count(*span) for span in spans)
    if any(p != (0, 0) for p in padding):
        inside = tuple(slice(b, b + n) for n, (b, _) in zip(size, padding, strict=True))
        padded = tuple(n + sum(p) for n, p in zip(size, padding, strict=True))
        bare, x = x, namespace(x).zeros_like(x, shape=(*x.shape[:2], *padded))
        x[(..., *inside)] = bare
    z = namespace(x).empty_like(x, shape=(*x.shape[:2], *kernel, *out))
    for k, place in taps(kernel, out, stride, dilation):
        z[(..., *k, *(slice(None),) * len(out))] = x[(..., *place)]
    return z


@primitive
def fold(
    x: Array, *, size: Shape, kernel: Shape, stride: Shape, dilation: Shape, padding: Widths
) -> Array:
    """Every window added back where it was read.   x: (n, c, *kernel, *out)   z: (n, c, *size)"""
    out = x.shape[2 + len(kernel) :]
    padded = tuple(n + sum(p) for n, p in zip(size, padding, strict=True))
    z = beside_channels(x, namespace(x).zeros, (*x.shape[:2], *padded), x.dtype)
    for k, place in taps(kernel, out, stride, dilation):
        z[(..., *place)] += x[(..., *k, *(slice(None),) * len(out))]
    inside = tuple(slice(b, b + n) for n, (b, _) in zip(size, padding, strict=True))
    return z[(..., *inside)]


@unfold.pullback
def _(z_bar, z, x, *, kernel, stride, dilation, padding):
    shape = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    return (fold(z_bar, size=x.shape[2:], **shape),)


@fold.pullback
def _(z_bar, z, x, *, size, **shape):
    return (unfold(z_bar, **shape),)
