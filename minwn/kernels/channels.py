"""Arrays (n, c, ...), with channels on axis 1, and arrays (c,), with a number for each."""

from __future__ import annotations

from typing import Any

from ..backend import Array, namespace
from ..graph import raw
from ..ops import sum as sum_over
from ..ops.shape import channels_are_last
from ..small import column_sums

__all__ = ["along", "channels_last", "last", "others", "second", "totals"]


def others(x: Any) -> tuple[int, ...]:
    """Every axis but that of the channels: those over which a channel has its statistics."""
    return (0, *range(2, x.ndim))


def along(p: Any, x: Any) -> Any:
    """p, one number for each channel of x, in the shape that broadcasts.   (c,) -> (c, 1, ...)"""
    return p.reshape((-1,) + (1,) * (x.ndim - 2))


def totals(x: Any) -> Any:
    """The sum of each channel.   (n, c, ...) -> (c,)"""
    if raw(x) is x and channels_are_last(x):
        return column_sums(channels_last(x).reshape(-1, x.shape[1]))
    return sum_over(x, axis=others(x))


def last(x: Array) -> Array:
    """(n, c, *size) -> (n, *size, c), a view, in a tenth of the time of `moveaxis`"""
    return x.transpose(0, *range(2, x.ndim), 1)


def second(x: Array) -> Array:
    """(n, *size, c) -> (n, c, *size), a view"""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def channels_last(x: Array) -> Array:
    """(n, c, *size) -> (n, *size, c), a copy where channels are not next to each other in memory"""
    x = last(x)
    return x if x.strides[-1] == x.itemsize else namespace(x).ascontiguousarray(x)
