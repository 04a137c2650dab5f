"""Arrays (n, c, ...), with channels on axis 1, and arrays (c,), with a number for each."""

from __future__ import annotations

from typing import Any

from ..backend import Array, namespace

__all__ = ["along", "channels_last", "others"]


def others(x: Any) -> tuple[int, ...]:
    """Every axis but that of the channels: those over which a channel has its statistics."""
    return (0, *range(2, x.ndim))


def along(p: Any, x: Any) -> Any:
    """p, one number for each channel of x, in the shape that broadcasts.   (c,) -> (c, 1, ...)"""
    return p.reshape((-1,) + (1,) * (x.ndim - 2))


def channels_last(x: Array) -> Array:
    """(n, c, *size) -> (n, *size, c), a copy where channels are not next to each other in memory"""
    x = namespace(x).moveaxis(x, 1, -1)
    return x if x.strides[-1] == x.itemsize else namespace(x).ascontiguousarray(x)
