"""The way into float32 for 16-bit numbers, and back, for layers of several operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import accumulator
from ..ops import cast

__all__ = ["widen"]


def widen(x: Any, *others: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """[x, *others] in the dtype in which to compute, float32 for 16 bits; and the way back.

    None stays None. Where dtypes differ nothing is widened, and the operation that they meet in
    raises its TypeError.
    """
    dtype, values = x.dtype, [x, *others]
    wide = accumulator(dtype) if dtype.itemsize == 2 else dtype
    if wide == dtype or any(y is not None and y.dtype != dtype for y in others):
        return values, _same
    return [y if y is None else cast(y, dtype=wide) for y in values], lambda y: cast(y, dtype=dtype)


def _same(x: Any) -> Any:
    return x
