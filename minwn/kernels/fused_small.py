r"""The plain form on small matrices: the formulas of `fused`, bare.

    n = ||v||                     w = (g / n) v
    g_bar = <w_bar, v> / n        v_bar = (g / n) (w_bar - (g_bar / n) v)

NumPy answers for a few thousand entries in a microsecond or two a call. That is what it costs, too,
to find out whether dtypes fit, which slices g means, and whether blocks or a GPU are of use. For
the arrays that `serves` lets in, all of this is known; the answers are those of `fused` to the bit.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, Host, dot_rows, namespace, within
from ..blocks import is_large
from . import fused

__all__ = ["alike", "forward", "serves", "vjp"]


def serves(v: Any, g: Any, eps: float, form: str) -> bool:
    """The rule: a float32 or float64 matrix of NumPy's, one norm for each row, no eps, and no need
    of blocks.
    """
    if not type(v) is type(g) is Host or v.ndim != 2:
        return False
    rows, m = v.shape
    return (
        g.shape == (rows, 1)
        and v.dtype is g.dtype
        and v.dtype.char in "fd"
        and form == "plain"
        and eps == 0.0
        and not is_large(rows, m)
    )


def alike(x: Any, v: Array) -> bool:
    """Whether x is another array of the kind of v."""
    return type(x) is type(v) and x.dtype is v.dtype and x.shape == v.shape


def forward(v: Array, g: Array) -> Array:
    """w.   v: (rows, m)   g: (rows, 1)   w: (rows, m)"""
    n = _norms(v)
    return fused.forward(v, g) if n is None else v * (g / n)


def vjp(w_bar: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """(v_bar, g_bar), for a w_bar that is like v."""
    n = _norms(v)
    if n is None:
        return fused.vjp(w_bar, v, g)
    g_bar = dot_rows(w_bar, v) / n
    v_bar = v * (g_bar / n)
    namespace(v).subtract(w_bar, v_bar, out=v_bar)
    v_bar *= g / n
    return v_bar, g_bar


def _norms(v: Array) -> Array | None:
    """n, or None where `fused` would scale the slices first."""
    q = dot_rows(v, v)
    return namespace(v).sqrt(q) if within(q, *fused.RANGE) else None
