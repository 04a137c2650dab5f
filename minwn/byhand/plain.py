r"""The plain form, w = g v / ||v||, on arrays: as few passes over memory as the formulas need.

    n = ||v||     w = (g / n) v     g_bar = <w_bar, v> / n     v_bar = (g / n) w_bar - p v
                                    p = (g / n) g_bar / n

These are the lines of `weight_norm`, with y = v / n never written out. Large arrays whose slices
are rows of memory are taken a block of rows at a time, so that each number is read from memory
once; a slice is computed alone, so a block does not change a bit of it.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, by_rows, in_long_rows, namespace, within
from .lengths import dot, rows_of, scaled

__all__ = ["forward", "vjp"]


def forward(v: Array, g: Array) -> Array:
    """w, of the shape of v."""
    rows = rows_of(v.shape, g.shape)
    if rows is None or not in_long_rows(v):
        return _forward(v, g)
    w, column = namespace(v).empty(v.shape, dtype=v.dtype), (rows[0], 1)
    by_rows(_forward, v.reshape(rows), g.reshape(column), w.reshape(rows))
    return w


def vjp(w_bar: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """(v_bar, g_bar), of the shapes of v and g."""
    rows = rows_of(v.shape, g.shape)
    if rows is None or not in_long_rows(v, w_bar):
        return _vjp(w_bar, v, g)
    empty, column = namespace(v).empty, (rows[0], 1)
    v_bar, g_bar = empty(v.shape, dtype=v.dtype), empty(g.shape, dtype=g.dtype)
    by_rows(
        _vjp, w_bar.reshape(rows), v.reshape(rows), g.reshape(column), v_bar.reshape(rows),
        g_bar.reshape(column),
    )  # fmt: skip
    return v_bar, g_bar


def _forward(v: Array, g: Array, w: Array | None = None) -> Array:
    v, _, ratio, _ = _lengths(v, g)
    return v * ratio if w is None else namespace(v).multiply(v, ratio, out=w)


def _vjp(
    w_bar: Array, v: Array, g: Array, v_bar: Array | None = None, g_bar: Array | None = None
) -> tuple[Array, Array]:
    v, n, ratio, exponent = _lengths(v, g)
    s = dot(w_bar, v, g.shape) / n
    x = w_bar * ratio if v_bar is None else namespace(v).multiply(w_bar, ratio, out=v_bar)
    x -= v * (ratio * s / n)
    if exponent is not None:
        x[...] = namespace(v).ldexp(x, -exponent)
    if g_bar is not None:
        g_bar[...] = s
    return x, s


def _lengths(v: Array, g: Array) -> tuple[Array, Array, Array, Any]:
    """v 2^-e, its norms n, g / n, and the exponents e, one a slice; None for none, where v is v.

    The rule: where any norm leaves [2^-10, 2^10], every slice is scaled so that its largest entry
    lies in [1/2, 1). That is exact, so the digits of a result do not depend on the rule, and each
    slice is what it would be alone. A product by such a norm, or a quotient, leaves the range only
    where its other factor is at the edge itself.
    """
    q, exponent = dot(v, v, g.shape), None
    if not within(q, 2.0**-20, 2.0**20):
        v, exponent = scaled(v, g.shape)
        q = dot(v, v, g.shape)
        undefined = math.nan if v.size else 1.0  # an empty slice has nothing that is undefined
        q = namespace(v).where(q == 0, undefined, q).astype(v.dtype)
    n = namespace(v).sqrt(q)
    return v, n, g / n, exponent
