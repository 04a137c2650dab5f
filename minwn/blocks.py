"""Large arrays a block of rows at a time, so that each number is fetched from memory once.

NumPy takes one pass over its arrays for each operation. Where a formula has several, and rows do
not depend on each other, the block that one pass leaves in the cache is there for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backend import Array, namespace, quiet

__all__ = ["by_rows", "is_large"]

_BLOCK = 1 << 18  # entries of a block of rows: three blocks fit into the cache together
_LONG = 256  # entries of a row: NumPy is faster row by row from this length on


def is_large(rows: int, m: int) -> bool:
    """Whether a matrix fills more than a block, or an eighth of one in long rows."""
    return rows * m > (_BLOCK // 8 if m > _LONG else _BLOCK)


def by_rows(f: Callable[..., Any], *matrices: Array) -> None:
    """f(*matrices), which writes its answers into some of them, a block of rows at a time."""
    rows, m = matrices[0].shape
    step = max(1, _BLOCK // m)
    with quiet():
        # To loop over several rows at once, a ufunc copies a column that it broadcasts into a
        # buffer of 8192 entries. For long rows this costs more than the product; with a buffer
        # no longer than a row, it takes the rows one by one. (Leaving `quiet` restores the size.)
        if m > _LONG:
            namespace(*matrices).setbufsize(_LONG)
        for i in range(0, rows, step):
            f(*[x[i : i + step] for x in matrices])
