"""h(v), the length by which weight normalisation divides v, with its first two derivatives.

The forms of h and the slices are those of `weight_norm`.
"""

from __future__ import annotations

import math
from typing import Any

from .. import forms
from ..backend import Array, Shape, accumulator, namespace
from ..graph import primitive, raw
from ..kernels.slices import count, norm, widen

__all__ = ["FORMS", "curvature", "radius", "slope"]

FORMS = forms.NAMES


@primitive(widen=False)
def radius(v: Array, *, shape: Shape, eps: float, form: str) -> Array:
    """h(v), of the shape of g. NaN in place of 0, for nothing can be divided by it.

    form="norm" is n itself, 0 included.
    Raises ValueError for an unknown form, or an eps that it cannot use.
    """
    eps = eps if form == "norm" else forms.check(form, eps)
    v = v.astype(accumulator(v.dtype), copy=False)
    xp, n = namespace(v), norm(v, shape)
    if form == "norm":
        return n
    if form == "plain":
        h = n
    elif form == "inside":
        h = xp.hypot(n, math.sqrt(eps)) if n.dtype.kind != "c" else xp.sqrt(n * n + eps)
    elif form == "outside":
        h = n + eps
    elif form == "rms":
        h = n / math.sqrt(count(v, shape)) + eps
    elif form in ("max_q", "max_n"):
        h = xp.maximum(n, _floor(eps, form))
    else:
        raise forms.unknown(form)
    return xp.where(h == 0, math.nan, h).astype(h.dtype)


@radius.pullback
def _(h_bar, h, v, *, shape, eps, form):
    (v,), _ = widen(v)  # h is wide
    return (h_bar * slope(v, h, shape, eps, form),)


def slope(v: Any, h: Any, shape: Shape, eps: float, form: str) -> Any:
    """y = dh/dv"""
    if form in ("plain", "inside"):
        return v / h
    if form in ("max_q", "max_n"):
        return v / h * _above(v, shape, eps, form)
    if form not in ("outside", "rms", "norm"):
        raise forms.unknown(form)
    n = h if form == "norm" else radius(v, shape=shape, eps=0.0, form="norm")
    y = v / (n + (raw(n) == 0))
    return y / math.sqrt(count(v, shape)) if form == "rms" else y


def curvature(A: Any, a: Any, v: Any, g: Any, h: Any, y: Any, eps: float, form: str) -> Any:
    """h H A, with H = d2h/dv2 and a = <A, y>"""
    if form in ("plain", "inside"):
        return A - a * y
    if form in ("max_q", "max_n"):
        return (A - a * y) * _above(v, g.shape, eps, form)
    if form not in ("outside", "rms"):
        raise forms.unknown(form)
    n = radius(v, shape=g.shape, eps=0.0, form="norm")
    squared = count(v, g.shape) if form == "rms" else 1
    away = raw(n) != 0
    return (A - squared * a * y) * (h / ((n + (raw(n) == 0)) * math.sqrt(squared))) * away


def _floor(eps: float, form: str) -> float:
    return math.sqrt(eps) if form == "max_q" else eps


def _above(v: Any, shape: Shape, eps: float, form: str) -> Array:
    """1 where the norm, not the floor, is the larger; where they are equal, the norm counts."""
    n: Array = radius(raw(v), shape=shape, eps=0.0, form="norm")
    return (n >= _floor(eps, form)).astype(n.dtype)
