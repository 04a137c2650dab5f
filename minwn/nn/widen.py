"""The way into float32 for 16-bit numbers, and back, for layers of several operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kernels import slices
from ..tensors import Tensor

__all__ = ["widen"]


def widen(x: Any, *others: Any) -> tuple[tuple[Any, ...], Callable[[Any], Tensor]]:
    """(x, *others) in the dtype in which to compute, float32 for 16 bits; and the way back.

    None stays None. Where dtypes differ nothing is widened, and the operation that they meet in
    raises its TypeError.
    """
    if x.dtype.itemsize == 2 and all(y is None or y.dtype == x.dtype for y in others):
        return slices.widen(x, *others)
    return (x, *others), slices.same
