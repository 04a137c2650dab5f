"""Arrays (n, c, ...), with channels on axis 1, and arrays (c,), with a number for each."""

from __future__ import annotations

from typing import Any

__all__ = ["along", "others"]


def others(x: Any) -> tuple[int, ...]:
    """Every axis but that of the channels: those over which a channel has its statistics."""
    return (0, *range(2, x.ndim))


def along(p: Any, x: Any) -> Any:
    """p, one number for each channel of x, in the shape that broadcasts.   (c,) -> (c, 1, ...)"""
    return p.reshape((-1,) + (1,) * (x.ndim - 2))
