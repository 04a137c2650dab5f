"""Faster calls of NumPy for small arrays, where the call costs more than the arithmetic.

They cost a half to a quarter: products of two matrices, where the general function first looks up
the number of axes; sums and maxima of short rows, where it starts a loop over each; and arrays
of constants, made once. Other libraries' arrays take the usual way.
"""

from __future__ import annotations

import functools
from typing import Any

from .backend import Array, Host, Shape, accumulator, full, is_array, namespace, run

__all__ = [
    "column_sums", "indices", "one_like", "product", "row_maxima", "row_sums",
    "zero_beside",
]

_SMALL = 4096  # entries: the sums of longer rows come out more exact from NumPy's own function
_LONG = 64  # entries of a row: from this length on, a loop over the rows pays


def product(x: Any, y: Any) -> Any:
    """x @ y.   (..., n, k), (k, m) -> (..., n, m)"""
    if type(x) is type(y) is Host and x.ndim == y.ndim == 2:
        return x.dot(y)
    return x @ y


def column_sums(x: Any) -> Any:
    """The sum over the first axis.   (n,) -> ()   (n, k) -> (k,)"""
    if type(x) is Host and x.dtype.char in "fd" and len(x) <= _SMALL and x.ndim <= 2:
        return _ones((len(x),), x.dtype).dot(x)
    return _summed(x, 0)


def row_sums(x: Any) -> Array:
    """(n, k) -> (n,)"""
    if type(x) is Host and x.dtype.char in "fd" and x.shape[1] <= _SMALL:
        return x.dot(_ones((x.shape[1],), x.dtype))  # type: ignore[no-any-return]
    return _summed(x, 1)  # type: ignore[no-any-return]


def _summed(x: Any, axis: int) -> Any:
    """16-bit numbers of an array are summed in float32, and rounded once."""
    wide = accumulator(x.dtype)
    if wide == x.dtype or not is_array(x):
        return x.sum(axis=axis)
    return x.sum(axis=axis, dtype=wide).astype(x.dtype)


def row_maxima(x: Array) -> Array:
    """The largest number of each row, NaN where one is.   (n, k), real -> (n, 1)"""
    if type(x) is Host:
        return x[indices(x), x.argmax(axis=1)].reshape((-1, 1))  # type: ignore[no-any-return]
    return x.max(axis=1, keepdims=True)


def one_like(x: Array) -> Array:
    """1 in the shape of x, which has one entry, its dtype, and on its device; read-only."""
    if type(x) is Host:
        return _ones(x.shape, x.dtype)
    return run(x, namespace(x).ones, x.shape, dtype=x.dtype)


def zero_beside(x: Any) -> Any:
    """0 for `maximum` with x: of a NumPy array with long rows, as zeros in the shape of one.

    `maximum` has vector instructions for two arrays, and none for an array and a number.
    """
    if type(x) is not Host or x.dtype.kind != "f":
        return 0
    if x.ndim > 1 and x.size >= _LONG * max(len(x), _LONG):
        return namespace(x).zeros_like(x[:1])  # with the axes of x in their order in memory
    return _zero(x.dtype)


@functools.lru_cache(maxsize=64)
def _zero(dtype: Any) -> Array:
    """0 of this dtype, for NumPy's arrays: it would make an array of a number at each call."""
    return _fixed(full((), 0, dtype))


def indices(x: Array) -> Any:
    """0 to len(x) - 1, an array of x's library that is not to be written to."""
    if type(x) is Host and len(x) <= _SMALL:
        return _indices(len(x))
    return namespace(x).arange(len(x))


@functools.lru_cache(maxsize=64)
def _ones(shape: Shape, dtype: Any) -> Host:
    return _fixed(full(shape, 1, dtype))


@functools.lru_cache(maxsize=64)
def _indices(n: int) -> Host:
    numbers: Any = namespace().arange(n)
    return _fixed(numbers)


def _fixed(x: Host) -> Host:
    x.setflags(write=False)
    return x
