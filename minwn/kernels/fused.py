r"""The plain form, w = g v / ||v||, on arrays: as few passes over memory as the formulas need.

    n = ||v||                     w = (g / n) v
    g_bar = <w_bar, v> / n        v_bar = (g / n) (w_bar - (g_bar / n) v)

These are the lines of `weight_norm`, with y = v / n never written out, and each step of v_bar
written over the one before. Large arrays whose slices are rows of memory are taken a block of rows
at a time, into memory that is there already; a slice is computed alone, so a block does not change
a bit of it.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, namespace, within
from ..blocks import by_rows, in_large_rows
from .slices import dot, rows_of, scaled

__all__ = ["RANGE", "forward", "vjp"]

RANGE = 2.0**-20, 2.0**20  # of <v, v>, in which slices are taken as they are


def forward(v: Array, g: Array) -> Array:
    """w, of the shape of v."""
    rows = rows_of(v.shape, g.shape)
    if rows is None or not in_large_rows(rows, v):
        return _forward(v, g)
    w = namespace(v).empty_like(v)
    by_rows(_forward, v.reshape(rows), g.reshape(rows[0], 1), w.reshape(rows))
    return w


def vjp(w_bar: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """(v_bar, g_bar), of the shapes of v and g."""
    rows = rows_of(v.shape, g.shape)
    if rows is None or not in_large_rows(rows, v, w_bar):
        return _vjp(w_bar, v, g)
    xp, column = namespace(v), (rows[0], 1)
    v_bar, g_bar = xp.empty_like(v), xp.empty(g.shape, g.dtype)
    by_rows(
        _vjp, w_bar.reshape(rows), v.reshape(rows), g.reshape(column), v_bar.reshape(rows),
        g_bar.reshape(column),
    )  # fmt: skip
    return v_bar, g_bar


def _forward(v: Array, g: Array, w: Array | None = None) -> Array:
    xp = namespace(v)
    v, n, _ = _lengths(xp, v, g)
    return xp.multiply(v, g / n, out=w)


def _vjp(
    w_bar: Array, v: Array, g: Array, v_bar: Array | None = None, g_bar: Array | None = None
) -> tuple[Array, Array]:
    """The answers, in v_bar and g_bar where these are given; then every step is taken there."""
    xp = namespace(v)
    v, n, exponent = _lengths(xp, v, g)
    g_bar = xp.divide(dot(w_bar, v, g.shape), n, out=g_bar)
    x = xp.multiply(v, g_bar / n, out=v_bar)
    x = xp.subtract(w_bar, x, out=v_bar)
    x = xp.multiply(x, g / n, out=v_bar)
    return x if exponent is None else xp.ldexp(x, -exponent, out=v_bar), g_bar


def _lengths(xp: Any, v: Array, g: Array) -> tuple[Array, Array, Any]:
    """v 2^-e, its norms n, and the exponents e, one a slice; None for none, where v is v.

    The rule: where the square of any norm leaves RANGE, every slice is scaled so that its largest
    entry lies in [1/2, 1). That is exact, so the digits of a result do not depend on the rule, and
    each slice is what it would be alone. A product by such a norm, or a quotient, leaves the range
    only where its other factor is at the edge itself.
    """
    q, exponent = dot(v, v, g.shape), None
    if not within(q, *RANGE):
        v, exponent = scaled(v, g.shape)
        q = dot(v, v, g.shape)
        undefined = math.nan if v.size else 1.0  # an empty slice has nothing that is undefined
        q = xp.where(q == 0, undefined, q).astype(v.dtype)
    return v, xp.sqrt(q), exponent
