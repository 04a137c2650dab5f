"""Convolution in any number of dimensions, and its derivatives on paper.

    x: (n, c, *size)   w: (o, c/groups, *kernel)   y: (n, o, *out)

For one group, with p running over output positions and k over kernel entries, the window of y_p
reads x at  q = stride p + dilation k - padding  (entries outside x are 0):

    y[n,o,p] = sum_{c,k} w[o,c,k] x[n,c,q(p,k)] + b[o]

The sum T(y, w, x) = sum_{n,o,c,p,k} y[n,o,p] w[o,c,k] x[n,c,q(p,k)] is linear in each of three
arrays. Leaving out one of them gives a product of the other two:

    conv(x, w)          = dT/dy        sum over c, k      (the forward)
    conv_input(y, w)    = dT/dx        sum over o, p, k   (the transposed convolution)
    conv_weight(y, x)   = dT/dw        sum over n, p

and these are each other's pullbacks, since <y_bar, conv(x, w)> = T(y_bar, w, x): for instance

    y = conv(x, w):    x_bar = conv_input(y_bar, w)    w_bar = conv_weight(y_bar, x)
                       b_bar = sum_{n,p} y_bar

so the family is closed: derivatives of every order are convolutions. With `groups`, channels are
cut into equal groups that do not see each other.

Each product is written below as its formula, for one tile of windows after the other. For the
arrays that it serves, `kernels.conv` takes the same sums in less time; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..backend import Array, accumulator, namespace
from ..graph import primitive
from ..kernels import conv as fast
from ..kernels.channels import along, totals
from ..kernels.conv_tiles import Tile, tiles
from ..ops import einsum, fold, unfold
from ..ops.window import window_counts
from ..validation import door

__all__ = ["composed", "composed_transpose", "forward", "jvp", "transpose", "vjp"]

Ints = int | Sequence[int]
Padding = str | int | Sequence[Any]


@door
def forward(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """y = conv(x, w) + b.

    x: (n, c, *size)   w: (o, c/groups, *kernel)   b: (o,)   y: (n, o, *out)

    out = floor((size + padding before and after - dilation (kernel - 1) - 1) / stride) + 1.
    stride, dilation: a number or one for each dimension. padding: a number, one for each
    dimension, pairs (before, after), "valid" for none, or "same" for out = size (stride 1 only).
    Raises ValueError where shapes or options do not fit.
    """
    return forward_of(x, w, b, geometry(x.shape, w.shape, stride, padding, dilation, groups))


@door
def transpose(
    y: Any,
    w: Any,
    b: Any = None,
    *,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Any:
    """x = conv_input(y, w) + b, the transposed convolution.

    y: (n, o, *out)   w: (o, c/groups, *kernel)   b: (c,)   x: (n, c, *size)

    size = (out - 1) stride - padding before and after + dilation (kernel - 1) + output_padding + 1.
    Raises ValueError where shapes or options do not fit.
    """
    shape = geometry(y.shape, w.shape, stride, padding, dilation, groups)
    extra = each(output_padding, len(w.shape) - 2, "output_padding", least=0)
    return transpose_of(y, w, b, shape, extra)


def forward_of(x: Any, w: Any, b: Any, shape: dict[str, Any]) -> Any:
    """`forward` for options that `geometry` has read."""
    channels, (outputs, each, *_) = x.shape[1], w.shape
    _check_channels(x, w, b, channels, each * shape["groups"], outputs)
    return conv(x, w, b, **shape)


def transpose_of(y: Any, w: Any, b: Any, shape: dict[str, Any], extra: tuple[int, ...]) -> Any:
    """`transpose` for options that `geometry` has read, and an output_padding of each dimension."""
    _check_channels(y, w, b, y.shape[1], w.shape[0], w.shape[1] * shape["groups"])
    # From a stride on, x would have room for more windows than y has entries.
    if any(e >= s for e, s in zip(extra, shape["stride"], strict=True)):
        raise ValueError(f"output_padding {extra} must be smaller than stride {shape['stride']}")
    lines = zip(
        y.shape[2:], w.shape[2:], shape["stride"], shape["dilation"], shape["padding"], extra,
        strict=True,
    )
    size = tuple((n - 1) * s + d * (k - 1) + 1 + e - sum(p) for n, k, s, d, p, e in lines)
    if any(n < 1 for n in size):
        raise ValueError(f"transposed convolution of {y.shape} by {w.shape} would have size {size}")
    return conv_input(y, w, b, size=size, **shape)


@door
def vjp(y_bar: Any, x: Any, w: Any, b: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    """(x_bar, w_bar, b_bar) of `forward` for the cotangent y_bar; b_bar is None without b."""
    return conv.vjp(y_bar, None, x, w, b, **geometry(x.shape, w.shape, **options))


@door
def jvp(x: Any, w: Any, x_dot: Any, w_dot: Any, b_dot: Any = None, **options: Any) -> Any:
    """y_dot = conv(x_dot, w) + conv(x, w_dot) + b_dot"""
    return forward(x_dot, w, b_dot, **options) + forward(x, w_dot, **options)


@door
def composed(x: Any, w: Any, b: Any = None, **options: Any) -> Any:
    """The definition, in ops: windows, then one einsum. Autodiff finds the derivatives."""
    shape = geometry(x.shape, w.shape, **options)
    groups, kernel = shape.pop("groups"), w.shape[2:]
    cols = unfold(x, kernel=kernel, **shape)
    out, taps = cols.shape[2 + len(kernel) :], math.prod(kernel)
    cols = cols.reshape((x.shape[0], groups, w.shape[1], taps, math.prod(out)))
    rows = w.reshape((groups, w.shape[0] // groups, w.shape[1], taps))
    y = einsum("ngckp,gock->ngop", cols, rows).reshape((x.shape[0], w.shape[0], *out))
    return y if b is None else y + along(b, y)


@door
def composed_transpose(
    y: Any, w: Any, b: Any = None, *, size: Sequence[int], **options: Any
) -> Any:
    """The definition of `transpose` for a given size, in ops: one einsum, then the windows' sum."""
    shape = geometry(y.shape, w.shape, **options)
    groups, kernel, taps = shape.pop("groups"), w.shape[2:], math.prod(w.shape[2:])
    sent = y.reshape((y.shape[0], groups, w.shape[0] // groups, math.prod(y.shape[2:])))
    rows = w.reshape((groups, w.shape[0] // groups, w.shape[1], taps))
    cols = einsum("ngop,gock->ngckp", sent, rows)
    cols = cols.reshape((y.shape[0], groups * w.shape[1], *kernel, *y.shape[2:]))
    x = fold(cols, size=tuple(size), kernel=kernel, **shape)
    return x if b is None else x + along(b, x)


# ---- the closed family --------------------------------------------------------------------------


@primitive
def conv(x: Array, w: Array, b: Array | None = None, **shape: Any) -> Array:
    """dT/dy + b"""
    found = fast.conv(x, w, b, **shape)
    if found is not None:
        return found
    kernel, groups = w.shape[2:], shape["groups"]
    rows = w.reshape((groups, w.shape[0] // groups, w.shape[1] * math.prod(kernel)))
    out = window_counts(x.shape[2:], kernel, shape["stride"], shape["dilation"], shape["padding"])
    y = namespace(x).empty((x.shape[0], w.shape[0], *out), dtype=x.dtype)
    for tile in tiles(x.shape, kernel, **shape):
        cols = _columns(x, kernel, tile, **shape)
        part = rows @ cols  # (g, o, ck), (n, g, ck, p) -> (n, g, o, p)
        y[tile.outputs] = part.reshape(y[tile.outputs].shape)
    return _plus(y, b)


@primitive
def conv_input(
    y: Array, w: Array, b: Array | None = None, *, size: tuple[int, ...], **shape: Any
) -> Array:
    """dT/dx + b"""
    found = fast.conv_input(y, w, b, size=size, **shape)
    if found is not None:
        return found
    kernel, groups, c = w.shape[2:], shape["groups"], w.shape[1] * shape["groups"]
    rows = w.reshape((groups, w.shape[0] // groups, w.shape[1] * math.prod(kernel)))
    x = namespace(y).zeros((y.shape[0], c, *size), dtype=y.dtype)
    for tile in tiles(x.shape, kernel, **shape):
        sent = y[tile.outputs]
        n, out = sent.shape[0], sent.shape[2:]
        sent = sent.reshape((n, groups, w.shape[0] // groups, math.prod(out)))
        cols = rows.swapaxes(-1, -2) @ sent  # (g, ck, o), (n, g, o, p) -> (n, g, ck, p)
        cols = cols.reshape((n, c, *kernel, *out))
        place = x[tile.inputs]
        place += fold(cols, size=place.shape[2:], kernel=kernel, **_windows(tile, **shape))
    return _plus(x, b)


@primitive
def conv_weight(y: Array, x: Array, *, kernel: tuple[int, ...], **shape: Any) -> Array:
    """dT/dw"""
    found = fast.conv_weight(y, x, kernel=kernel, **shape)
    if found is not None:
        return found
    groups = shape["groups"]
    c, wide = x.shape[1] // groups, accumulator(x.dtype)
    w = namespace(x).zeros((groups, y.shape[1] // groups, c * math.prod(kernel)), dtype=wide)
    for tile in tiles(x.shape, kernel, **shape):
        cols, sent = _columns(x, kernel, tile, **shape), y[tile.outputs]
        sent = sent.reshape((*cols.shape[:2], y.shape[1] // groups, cols.shape[3]))
        for g in range(groups):  # (n, o, p), (n, ck, p) -> (o, ck)
            w[g] += namespace(x).tensordot(sent[:, g], cols[:, g], axes=((0, 2), (0, 2)))
    return w.astype(x.dtype, copy=False).reshape((y.shape[1], c, *kernel))


@conv.pullback
def _(y_bar, y, x, w, b=None, **shape):
    return (
        lambda: conv_input(y_bar, w, None, size=x.shape[2:], **shape),
        lambda: conv_weight(y_bar, x, kernel=w.shape[2:], **shape),
        None if b is None else lambda: totals(y_bar),
    )


@conv_input.pullback
def _(x_bar, x, y, w, b=None, *, size, **shape):
    return (
        lambda: conv(x_bar, w, None, **shape),
        lambda: conv_weight(y, x_bar, kernel=w.shape[2:], **shape),
        None if b is None else lambda: totals(x_bar),
    )


@conv_weight.pullback
def _(w_bar, w, y, x, *, kernel, **shape):
    return (
        lambda: conv(x, w_bar, None, **shape),
        lambda: conv_input(y, w_bar, None, size=x.shape[2:], **shape),
    )


def _columns(x: Array, kernel: tuple[int, ...], tile: Tile, **shape: Any) -> Array:
    """Every window of a tile as a column.   -> (n, groups, c/groups kernel, out)"""
    cols = unfold(x[tile.inputs], kernel=kernel, **_windows(tile, **shape))
    taps = x.shape[1] // shape["groups"] * math.prod(kernel)
    out = math.prod(cols.shape[2 + len(kernel) :])
    return cols.reshape((cols.shape[0], shape["groups"], taps, out))


def _windows(tile: Tile, *, stride: Any, dilation: Any, **_: Any) -> dict[str, Any]:
    return {"stride": stride, "dilation": dilation, "padding": tile.padding}


def _plus(y: Array, b: Array | None) -> Array:
    if b is not None:
        y += along(b, y)
    return y


# ---- options ------------------------------------------------------------------------------------


def geometry(
    x: tuple[int, ...],
    w: tuple[int, ...],
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> dict[str, Any]:
    """The options in full: stride and dilation per dimension, padding as pairs, groups.

    x, w: the shapes of the input and the weight. Raises ValueError for options that do not fit.
    """
    d = len(w) - 2
    if len(x) != d + 2:
        raise ValueError(
            f"input of shape {x} for a weight of shape {w}; expected (n, c) and {d} sizes"
        )
    strides = each(stride, d, "stride", least=1)
    dilations = each(dilation, d, "dilation", least=1)
    if not isinstance(groups, Integral) or groups < 1 or w[0] % groups:
        raise ValueError(f"groups={groups} for a weight of shape {w}; it must divide {w[0]}")
    pairs: tuple[tuple[int, ...], ...]
    named = isinstance(padding, str)
    if named and padding == "same":
        if any(s != 1 for s in strides):
            raise ValueError(f"padding='same' needs stride 1, got stride {strides}")
        spare = [dil * (k - 1) for dil, k in zip(dilations, w[2:], strict=True)]
        pairs = tuple((n // 2, n - n // 2) for n in spare)
    elif named and padding == "valid":
        pairs = ((0, 0),) * d
    elif named:
        raise ValueError(f"padding={padding!r}; choose 'same', 'valid' or numbers")
    elif isinstance(padding, Sequence) and any(isinstance(p, Sequence) for p in padding):
        if len(padding) != d or not all(isinstance(p, Sequence) for p in padding):
            raise ValueError(f"padding={padding!r}; expected {d} pairs of numbers >= 0")
        pairs = tuple(each(p, 2, "padding", least=0) for p in padding)
    else:
        pairs = tuple((p, p) for p in each(padding, d, "padding", least=0))
    return {"stride": strides, "dilation": dilations, "padding": pairs, "groups": int(groups)}


def each(value: Any, d: int, name: str, *, least: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * d
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in values)
    if len(values) != d or not whole or any(n < least for n in values):
        raise ValueError(f"{name}={value!r}; expected a number >= {least}, or {d} of them")
    return tuple(map(int, values))


def _check_channels(x: Any, w: Any, b: Any, got: int, expected: int, bias: int) -> None:
    if got != expected:
        raise ValueError(
            f"input of shape {x.shape} has {got} channels, the weight of shape {w.shape} "
            f"takes {expected}"
        )
    if b is not None and b.shape != (bias,):
        raise ValueError(f"bias of shape {b.shape} for {bias} output channels")
