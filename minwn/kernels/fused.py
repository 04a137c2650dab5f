r"""The plain form, w = g v / ||v||, on arrays: as few passes over memory as the formulas need.

    n = ||v||                     w = (g / n) v
    g_bar = <w_bar, v> / n        v_bar = (g / n) (w_bar - (g_bar / n) v)

These are the lines of `byhand.weight_norm`, with y = v / n never written out, and each step of
v_bar written over the one before. Slices are rows of memory, or rows of a large array, taken a
block at a time into memory that is there already, or others. A slice is computed alone, so a block
does not change a bit of it. Every function is called with eps and form, which are 0 and plain here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..backend import Array, dot_rows, namespace, within
from ..blocks import by_rows
from .slices import dot, scaled, widen

__all__ = ["RANGE", "blocks", "blocks_vjp", "rows", "rows_vjp", "slices", "slices_vjp"]

RANGE = 2.0**-20, 2.0**20  # of <v, v>, in which slices are taken as they are


def rows(v: Array, g: Array, eps: float = 0.0, form: str = "plain") -> Array:
    """w, where each slice is a row of memory."""
    if v.ndim == 2 == g.ndim:
        return _forward(v, g)
    return _forward(v.reshape(g.size, -1), g.reshape(-1, 1)).reshape(v.shape)


def rows_vjp(
    w_bar: Array, v: Array, g: Array, eps: float = 0.0, form: str = "plain"
) -> tuple[Array, Array]:
    """(v_bar, g_bar), where each slice is a row of memory."""
    if v.ndim == g.ndim == 2:
        return _vjp(w_bar, v, g)
    return _vjp_by_rows(w_bar, v, g)


def blocks(v: Array, g: Array, eps: float = 0.0, form: str = "plain") -> Array:
    """w, some rows at a time."""
    (v, g), narrow = widen(v, g)
    w, m = namespace(v).empty_like(v), g.size
    by_rows(_forward, v.reshape(m, -1), g.reshape(m, 1), w.reshape(m, -1))
    return narrow(w)


def blocks_vjp(
    w_bar: Array, v: Array, g: Array, eps: float = 0.0, form: str = "plain"
) -> tuple[Array, Array]:
    """(v_bar, g_bar), some rows at a time."""
    (w_bar, v, g), narrow = widen(w_bar, v, g)
    v_bar, g_bar = _vjp_by_rows(w_bar, v, g, functools.partial(by_rows, _vjp))
    return narrow(v_bar), narrow(g_bar)


def _vjp_by_rows(
    w_bar: Array, v: Array, g: Array, vjp: Callable[..., Any] | None = None
) -> tuple[Array, Array]:
    """The answers, in arrays of their shapes: a view would be copied once more."""
    xp, m = namespace(v), g.size
    v_bar, g_bar = xp.empty(v.shape, v.dtype), xp.empty(g.shape, g.dtype)
    (vjp or _vjp)(
        w_bar.reshape(m, -1), v.reshape(m, -1), g.reshape(m, 1), v_bar.reshape(m, -1),
        g_bar.reshape(m, 1),
    )
    return v_bar, g_bar


def slices(v: Array, g: Array, eps: float = 0.0, form: str = "plain") -> Array:
    """w, for slices of any kind."""
    (v, g), narrow = widen(v, g)
    if v.ndim == 0:  # NumPy makes numbers of these, and a number cannot be written over
        return narrow(rows(v, g))
    return narrow(_forward(v, g, dot=lambda x, y: dot(x, y, g.shape)))


def slices_vjp(
    w_bar: Array, v: Array, g: Array, eps: float = 0.0, form: str = "plain"
) -> tuple[Array, Array]:
    """(v_bar, g_bar), for slices of any kind."""
    (w_bar, v, g), narrow = widen(w_bar, v, g)
    if v.ndim == 0:
        v_bar, g_bar = rows_vjp(w_bar, v, g)
    else:
        v_bar, g_bar = _vjp(w_bar, v, g, dot=lambda x, y: dot(x, y, g.shape))
    return narrow(v_bar), narrow(g_bar)


Dot = Callable[[Any, Any], Any]


def _forward(v: Array, g: Array, w: Array | None = None, *, dot: Dot = dot_rows) -> Array:
    """w, written into w where it is given.   v: (m, k)   g: (m, 1), for rows"""
    xp, q = namespace(v), dot(v, v)
    if not within(q, *RANGE):
        v, q, _ = _scaled(xp, v, g, dot)
    ratio = g / xp.sqrt(q)
    return v * ratio if w is None else xp.multiply(v, ratio, out=w)


def _vjp(
    w_bar: Array, v: Array, g: Array, v_bar: Array | None = None, g_out: Array | None = None, *,
    dot: Dot = dot_rows,
) -> tuple[Array, Array]:
    """The answers, in v_bar and g_out where these are given."""
    xp, q, exponent = namespace(v), dot(v, v), None
    if not within(q, *RANGE):
        v, q, exponent = _scaled(xp, v, g, dot)
    n = xp.sqrt(q)
    g_bar = dot(w_bar, v) / n
    x = v * (g_bar / n) if v_bar is None else xp.multiply(v, g_bar / n, out=v_bar)
    xp.subtract(w_bar, x, out=x)
    x *= g / n
    if exponent is not None:
        xp.ldexp(x, -exponent, out=x)
    if g_out is not None:
        g_out[...] = g_bar
    return x, g_bar


def _scaled(xp: Any, v: Array, g: Array, dot: Dot) -> tuple[Array, Array, Array]:
    """v 2^-e, the squares q of its norms, and the exponents e, one a slice.

    The rule: where the square of any norm leaves RANGE, every slice is scaled so that its largest
    entry lies in [1/2, 1). That is exact, so the digits of a result do not depend on the rule, and
    each slice is what it would be alone. A product by such a norm, or a quotient, leaves the range
    only where its other factor is at the edge itself.
    """
    v, exponent = scaled(v, g.shape)
    q = dot(v, v)
    undefined = math.nan if v.size else 1.0  # an empty slice has nothing that is undefined
    return v, xp.where(q == 0, undefined, q).astype(v.dtype), exponent
