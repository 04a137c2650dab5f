"""Sliding windows, in any number of spatial dimensions: unfold | fold, each other's pullback.

Window entry k of output position p reads input position  stride p + dilation k - padding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from numbers import Integral

from ..backend import Array, Shape, namespace
from ..graph import primitive
from ..validation import door, shown
from .shape import Widths, beside_channels, framed, inside

__all__ = ["fold", "unfold", "window_count"]


@door
def window_count(
    size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]
) -> int:
    """How many windows fit: floor((size + padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises ValueError where not even one does.
    """
    room = size + sum(padding) - dilation * (kernel - 1) - 1
    least = min(kernel, stride, dilation, 1 + min(padding))
    if not isinstance(room, Integral) or least < 1:
        raise ValueError(
            f"window_count: {size=}, {kernel=}, {stride=}, {dilation=}, {padding=}; give whole "
            f"numbers, kernel, stride and dilation >= 1, padding >= 0"
        )
    if room < 0:
        raise ValueError(
            f"a window of {kernel} entries, dilation {dilation}, does not fit into {size} "
            f"with padding {padding}"
        )
    return room // stride + 1


def window_counts(
    size: Shape, kernel: Shape, stride: Shape, dilation: Shape, padding: Widths
) -> Shape:
    """`window_count` along each axis."""
    spans = zip(size, kernel, stride, dilation, padding, strict=True)
    return tuple(window_count(*span) for span in spans)


def taps(
    kernel: Shape, out: Shape, stride: Shape, dilation: Shape
) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
    """For each window entry k: (k, the slices of the padded input that it reads)."""
    for k in itertools.product(*map(range, kernel)):
        yield (
            k,
            tuple(
                slice(d * i, d * i + s * (n - 1) + 1, s)
                for i, n, s, d in zip(k, out, stride, dilation, strict=True)
            ),
        )


@primitive(widen=False)
def unfold(x: Array, *, kernel: Shape, stride: Shape, dilation: Shape, padding: Widths) -> Array:
    """All windows of x.   x: (n, c, *size)   z: (n, c, *kernel, *out), out by `window_count`

    kernel, stride, dilation: a number for each axis   padding: a pair (before, after) for each
    Raises ValueError where no window fits.  im2col: Chellapilla, Puri & Simard 2006
    """
    out = window_counts(x.shape[2:], kernel, stride, dilation, padding)
    if any(map(any, padding)):
        x = framed(x, ((0, 0), (0, 0), *padding))
    z = namespace(x).empty_like(x, shape=(*x.shape[:2], *kernel, *out))
    for k, place in taps(kernel, out, stride, dilation):
        z[(..., *k, *(slice(None),) * len(out))] = x[(..., *place)]
    return z


@primitive
def fold(
    x: Array, *, size: Shape, kernel: Shape, stride: Shape, dilation: Shape, padding: Widths
) -> Array:
    """Every window added back where `unfold` read it.   x: (n, c, *kernel, *out)   z: (n, c, *size)

    What falls into the padding is dropped. Raises ValueError where x is not of the shape that
    `unfold` gives.
    """
    spans = zip(size, kernel, stride, dilation, padding, strict=True)
    out = tuple(window_count(*span) for span in spans)
    if x.shape[2:] != (*kernel, *out):
        raise ValueError(
            f"fold: {shown(x)}, where the windows of {size=} are (n, c, "
            f"{', '.join(map(str, (*kernel, *out)))})"
        )
    padded = tuple(n + sum(p) for n, p in zip(size, padding, strict=True))
    if stride == kernel and padded == tuple(k * n for k, n in zip(kernel, out, strict=True)):
        z = _side_by_side(x, kernel, padded, out)
    else:
        z = beside_channels(x, namespace(x).zeros, (*x.shape[:2], *padded), x.dtype)
        for k, place in taps(kernel, out, stride, dilation):
            z[(..., *place)] += x[(..., *k, *(slice(None),) * len(out))]
    return z[(..., *inside(padded, padding))]


@unfold.pullback
def _(z_bar, z, x, *, kernel, stride, dilation, padding):
    shape = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    return (fold(z_bar, size=x.shape[2:], **shape),)


@fold.pullback
def _(z_bar, z, x, *, size, **shape):
    return (unfold(z_bar, **shape),)


def _side_by_side(x: Array, kernel: Shape, size: Shape, out: Shape) -> Array:
    """`fold` of windows that leave nothing out and share nothing: one copy."""
    z = beside_channels(x, namespace(x).empty, (*x.shape[:2], *size), x.dtype)
    apart = tuple(m for pair in zip(out, kernel, strict=True) for m in pair)
    order = (axis for k in range(2, len(out) + 2) for axis in (k + len(out), k))
    z.reshape((*x.shape[:2], *apart))[...] = x.transpose(0, 1, *order)
    return z
