"""The ways to compute a weight normalisation, its pullback, and the pullback of that.

`WAYS` has a row for each: the first that serves runs. Where none does, the formulas of
`byhand.weight_norm` run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import forms
from ..backend import Array, Host, Shape, is_array, is_cupy
from ..blocks import is_large
from . import fused, weight_norm_cuda
from .slices import rows_of

__all__ = ["WAYS", "Problem", "Way", "check", "way"]


class Problem(NamedTuple):
    """The features by which a way is chosen: everything but the numbers.

    library: "numpy" or "cupy", where all arrays are of it; "other" for arrays of another; else ""
    alike: whether all arrays have one dtype, and those of v's shape that shape
    in_order: whether those of v's shape lie in C order in NumPy's memory
    rows: (rows, entries of one) where each slice is a row of v in C order
    """

    library: str
    alike: bool
    in_order: bool
    v: Shape
    g: Shape
    dtype: Any
    form: str
    rows: tuple[int, int] | None


class Way(NamedTuple):
    """One order of the sums. A product that it does not compute is None.

    inputs, serves: the rule in words, and in code
    because: the time without this row over the time with it, forward and pullback together
    """

    name: str
    inputs: str
    serves: Callable[[Problem], bool]
    forward: Callable[[Array, Array, float, str], Array]
    vjp: Callable[[Array, Array, Array, float, str], tuple[Array, Array]]
    double_vjp: Callable[..., tuple[Array, Array, Array]] | None
    because: str


def _is_plain(p: Problem) -> bool:
    """The plain form of real arrays, of any library."""
    return p.form == "plain" and p.alike and p.library != "" and p.dtype.kind != "c"


def _has_short_rows(p: Problem) -> bool:
    """Rows of NumPy's that need neither blocks nor another dtype."""
    if p.library != "numpy" or p.rows is None or p.dtype.char not in "fd" or is_large(*p.rows):
        return False
    # Others are seen as rows, for which they must have an entry, and lie in order.
    return (len(p.v) == 2 and p.g == (p.v[0], 1)) or (p.in_order and p.rows[0] * p.rows[1] > 0)


def _has_large_rows(p: Problem) -> bool:
    """Rows of NumPy's that do not stay in the cache from one pass over them to the next."""
    return p.library == "numpy" and p.in_order and p.rows is not None and is_large(*p.rows)


WAYS = (
    Way(
        "cuda", "CuPy, one real dtype, kept axes side by side",
        lambda p: weight_norm_cuda.serves(p.library, p.alike, p.v, p.g, p.dtype),
        weight_norm_cuda.forward, weight_norm_cuda.vjp, weight_norm_cuda.double_vjp,
        "each number is read once where a block holds a row: see tests/benchmarks/README.md",
    ),
    Way(
        "rows", "plain, NumPy's float32 and float64, slices rows of memory, not large",
        lambda p: _is_plain(p) and _has_short_rows(p),
        fused.rows, fused.rows_vjp, None,
        "1.2 at (4, 3, 3, 3), 1.1 at (32, 64), 1.0 from 30 thousand entries on",
    ),
    Way(
        "blocks of rows", "plain, NumPy, slices rows of memory, large",
        lambda p: _is_plain(p) and _has_large_rows(p),
        fused.blocks, fused.blocks_vjp, None,
        "1.3 at (256, 256, 3, 3), 1.2 at (1024, 1024) and (4096, 1024)",
    ),
    Way(
        "slices", "plain, real",
        _is_plain,
        fused.slices, fused.slices_vjp, None,
        "1.8 at (32, 64), 2.1 at (1024, 1024), 3.1 at (4096, 1024), without the rows above",
    ),
)


def way(v: Any, g: Any, eps: float, form: str, *likes: Any, gain: Any = None) -> Way | None:
    """The first way that serves, or None, after a check that g fits v, and eps the form.

    likes: other arrays of v's shape. gain: another of g's, or None.
    Raises as `check` does.
    """
    if type(eps) is not float or type(form) is not str:
        eps = forms.check(form, eps)
    shape, dtype, of_g = v.shape, v.dtype, g.dtype
    if type(v) is type(g) is Host and gain is None:  # the same in fewer steps: it is most calls
        in_order = v.flags.c_contiguous
        for x in likes:
            if type(x) is not Host or x.dtype is not dtype or x.shape != shape:
                break
            in_order = in_order and x.flags.c_contiguous
        else:
            return _first(in_order, shape, g.shape, dtype, of_g, eps, form)
    likes, gains = (v, *likes), (g,) if gain is None else (g, gain)
    every = (*likes, *gains)
    if not all(map(is_array, every)):
        return _first(False, shape, g.shape, dtype, of_g, eps, form, "", False)
    alike = all(x.dtype == dtype for x in every) and all(x.shape == shape for x in likes)
    alike = alike and all(x.shape == g.shape for x in gains)
    library = "cupy" if all(map(is_cupy, every)) else "other"
    return _first(False, shape, g.shape, dtype, of_g, eps, form, library, alike)


@functools.cache
def _first(
    in_order: bool, v: Shape, g: Shape, dtype: Any, of_g: Any, eps: float, form: str,
    library: str = "numpy", alike: bool = True,
) -> Way | None:
    check(v, g, dtype, of_g, eps, form)
    p = Problem(library, alike and dtype == of_g, in_order, v, g, dtype, form, rows_of(v, g))
    return next((way for way in WAYS if way.serves(p)), None)


def check(v: Shape, g: Shape, dtype: Any, of_g: Any, eps: float, form: str) -> float:
    """eps as Python's number. Raises ValueError unless g fits v, and eps the form; TypeError unless
    their dtypes do.
    """
    if dtype.kind in "biu" or (dtype != of_g and dtype.kind == of_g.kind):
        raise TypeError(f"v of {dtype} and g of {of_g}; convert both to one floating dtype")
    rows_of(v, g)
    return forms.check(form, eps)
