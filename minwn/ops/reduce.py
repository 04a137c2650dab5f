"""Reductions over axes.

Sums of 16-bit numbers are kept in float32. Where several entries tie for a maximum or minimum,
they share its cotangent equally; so do the NaNs, where there are any.
"""

from __future__ import annotations

import builtins
import functools
import math
from typing import Any

from ..backend import Array, Axis, accumulator, floating, largest, namespace, quiet, within
from ..graph import primitive, raw
from ..small import row_sums
from .elementwise import masked
from .shape import add_up, broadcast_to, concatenate, flip, reshape, transpose

__all__ = [
    "cumsum", "logsumexp", "max", "mean", "min", "prod", "softmax", "std", "sum", "var",
]


def _axes(x: Any, axis: Axis) -> tuple[int, ...]:
    """The reduced axes, counted from the front. Raises IndexError for one out of range."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise IndexError(f"axis {a} of an array of shape {x.shape}")
    return tuple(a % x.ndim for a in axes)


def _kept(x: Any, axis: Axis) -> tuple[int, ...]:
    """The shape of x with length 1 along the reduced axes, in which a reduction broadcasts."""
    if axis is None:
        return (1,) * len(x.shape)
    axes = _axes(x, axis)
    return tuple(1 if a in axes else n for a, n in enumerate(x.shape))


def _count(x: Any, axis: Axis) -> int:
    """How many entries of x each entry of the reduction stands for."""
    return math.prod(x.shape[a] for a in _axes(x, axis))


@primitive(widen=False)
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = sum of x over axis."""
    return add_up(x, axis, keepdims)


@sum.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False):
    return (broadcast_to(z_bar.reshape(_kept(x, axis)), shape=x.shape),)


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = sum of x over axis / number of entries."""
    return add_up(x, axis, keepdims, _count(x, axis))


@mean.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False):
    share = z_bar.reshape(_kept(x, axis)) / builtins.max(_count(x, axis), 1)
    return (broadcast_to(share, shape=x.shape),)


@primitive
def cumsum(x: Array, *, axis: int | None = None) -> Array:
    """z_i = x_0 + ... + x_i along axis; of all entries, in C order, where it is None."""
    return x.cumsum(axis=axis)


@cumsum.pullback
def _(z_bar, z, x, *, axis=None):
    # x_j is in z_i for i >= j: the sums from the other end.
    x_bar = flip(cumsum(flip(z_bar, axis=axis), axis=axis), axis=axis)
    return (reshape(x_bar, shape=x.shape),)


@primitive
def prod(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = product of x over axis, with dz/dx_i the product of the other entries: where one entry is
    0, that of this one; where two are, 0. (PyTorch divides z by x_i where no entry is 0.)"""
    return x.prod(axis=axis, keepdims=keepdims)


@prod.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False):
    axes = _axes(x, axis)
    order = (*(a for a in range(x.ndim) if a not in axes), *axes)  # the reduced axes last
    moved = transpose(x, axes=order)
    rows = reshape(moved, shape=(math.prod(z.shape), _count(x, axis)))
    others = transpose(
        reshape(_others(rows), shape=moved.shape), axes=tuple(order.index(a) for a in range(x.ndim))
    )
    return (z_bar.reshape(_kept(x, axis)) * others,)


def _others(x: Any) -> Any:
    """For each entry the product of the others in its row.   (m, n) -> (m, n)

    Without a division, so that a 0 does no harm, and of every order: the first half is multiplied
    by the second, entry by entry. The others of x_i are its partner and the others of their pair.
    """
    half = x.shape[1] // 2
    if not half:
        return namespace(raw(x)).ones_like(raw(x))
    one, two, rest = x[:, :half], x[:, half : 2 * half], x[:, 2 * half :]
    pairs = _others(concatenate([one * two, rest], axis=1))
    shared = pairs[:, :half]
    return concatenate([shared * two, shared * one, pairs[:, half:]], axis=1)


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = the largest entry of x over axis."""
    return x.max(axis=axis, keepdims=keepdims)


@primitive
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = the smallest entry of x over axis."""
    return x.min(axis=axis, keepdims=keepdims)


@max.pullback
@min.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False):
    kept = _kept(x, axis)
    hit = (raw(x) == raw(z).reshape(kept)) | (raw(x) != raw(x))
    count = hit.sum(axis=_axes(x, axis), keepdims=True, dtype=raw(x).dtype)
    return (masked(z_bar.reshape(kept) / count, hit),)


def _wide(x: Array) -> tuple[Array, Any]:
    """x and None; integers in a dtype in which e^x is summed, and the dtype of the answer."""
    if x.dtype.kind not in "biu":
        return x, None
    dtype = floating(x.dtype)
    return x.astype(accumulator(dtype)), dtype


@primitive
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """z = log(sum of exp(x) over axis), without overflow: the largest entry is taken out first."""
    xp, (x, dtype) = namespace(x), _wide(x)
    top: Array = x.real.max(axis=axis, keepdims=True)  # type: ignore[attr-defined]
    if within(top, -largest(top.dtype), largest(top.dtype)):
        z = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    else:
        top = xp.where(xp.isfinite(top), top, 0).astype(top.dtype)
        with quiet():  # e^-inf = 0, and log 0 = -inf
            z = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    z = z if dtype is None else z.astype(dtype)
    if keepdims:
        return z
    axes = _axes(x, axis)
    return z.reshape(tuple(n for a, n in enumerate(x.shape) if a not in axes))


@logsumexp.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False):
    # Not exp(x - z): a z that was rounded to 16 bits would change every entry.
    return (z_bar.reshape(_kept(x, axis)) * softmax(x, axis=axis),)


@primitive
def softmax(x: Array, *, axis: Axis = -1) -> Array:
    """z = e^x / sum of e^x over axis. Where that may overflow, the largest entry is taken out."""
    exp, (x, dtype) = namespace(x).exp, _wide(x)
    if x.dtype.kind == "f" and within(x, -_in_range(x.dtype), _in_range(x.dtype)):
        z = exp(x)
    else:
        z = exp(x - x.real.max(axis=axis, keepdims=True))  # type: ignore[attr-defined]
    if x.ndim == 2 and axis == 1:
        z /= row_sums(z).reshape((-1, 1))
    else:
        z /= z.sum(axis=axis, keepdims=True)
    return z if dtype is None else z.astype(dtype)


@functools.cache
def _in_range(dtype: Any) -> float:
    """e^x and its sum over many entries are far from the ends of the range for x up to this."""
    return math.log(largest(dtype)) / 2


@softmax.pullback
def _(z_bar, z, x, *, axis=-1):
    return (z * (z_bar - sum(z_bar * z, axis=axis, keepdims=True)),)


@primitive
def var(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """z = sum of (x - mean)^2 over axis / (number of entries - ddof)."""
    return _var("var", x, axis, keepdims, ddof)


@var.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False, ddof=0):
    share = z_bar.reshape(_kept(x, axis)) * (2 / (_count(x, axis) - ddof))
    return (share * (x - mean(x, axis=axis, keepdims=True)),)


@primitive
def std(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """z = the square root of `var`; with derivative 0 where z = 0, as in PyTorch."""
    return namespace(x).sqrt(_var("std", x, axis, keepdims, ddof))


@std.pullback
def _(z_bar, z, x, *, axis=None, keepdims=False, ddof=0):
    kept, still = _kept(x, axis), raw(z) == 0
    share = masked(z_bar / (z + still), ~still).reshape(kept) * (1 / (_count(x, axis) - ddof))
    return (share * (x - mean(x, axis=axis, keepdims=True)),)


def _var(name: str, x: Array, axis: Axis, keepdims: bool, ddof: int) -> Array:
    count = _count(x, axis)
    if not count - ddof > 0:
        raise ValueError(f"{name}: {count} entries with ddof={ddof} leave nothing to divide by")
    centred = x - add_up(x, axis, True, count)
    return add_up(centred * centred, axis, keepdims, count - ddof)
