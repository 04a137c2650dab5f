"""w = g v / n with n = ||v|| read as a constant. This is NOT the gradient of weight normalisation.

The value is that of `weight_norm`, plain form. The derivatives are those of a function of v and g
in which n is a number that happens to be ||v|| now: the norm is frozen. DoRA trains so, to save
memory: Liu et al. 2024, arXiv:2402.09353. For a given n, w = g v / n is linear in v and in g:

    w_dot = (v g_dot + g v_dot) / n

    g_bar = <w_bar, v> / n          (as in weight norm)
    v_bar = (g / n) w_bar           (weight norm takes the part along v out; this does not)

so the two differ by the part along v, and the component that weight norm sets to 0 is not 0 here:

    v_bar - (v_bar of weight norm) = (g / n) g_bar v / n          <v_bar, v> = g g_bar

A step down this v_bar changes ||v||, which w does not depend on, as well as the direction.

Pullback of the pullback, n frozen there too. With A and B the cotangents of v_bar and g_bar,
differentiate L = (g <A, w_bar> + B <w_bar, v>) / n, therefore

    dL/dw_bar = (g A + B v) / n     (the forward product along A, B)
    dL/dv     = B w_bar / n
    dL/dg     = <A, w_bar> / n
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, accumulator, quiet
from ..graph import primitive, raw
from ..kernels.slices import dot, widen
from ..validation import door
from . import weight_norm

__all__ = ["composed", "double_vjp", "forward", "jvp", "norm", "vjp"]


@door
def norm(v: Any, shape: tuple[int, ...]) -> Array:
    """n = ||v||, an array of the shape of g; NaN in place of 0. 16-bit v: n is float32."""
    n: Array = weight_norm.radius(raw(v), shape=shape, eps=0.0, form="plain")
    return n


@door
def composed(v: Any, g: Any) -> Any:
    """The definition, in ops: autodiff meets n as an array, which is a constant to it."""
    weight_norm.check(v, g)
    return g * v / norm(v, g.shape).astype(v.dtype, copy=False)


@door
def forward(v: Any, g: Any, *, n: Array | None = None) -> Any:
    """w = g v / n, n being ||v|| and constant.  arXiv:2402.09353

    v: any shape   g, n: v's rank, with 1 along every axis that a norm runs over, or 0-d
    w: v's shape   n: None for the norm that v has now

    A zero slice gives NaN, for that slice alone. 16-bit inputs are computed in float32 and rounded
    once. Raises ValueError where g or n does not fit v, TypeError for dtypes that are not floating.
    """
    return frozen_norm(v, g, n=_given(v, g, n))


@primitive(widen=False)
def frozen_norm(v: Array, g: Array, *, n: Array) -> Array:
    """w = g v / n for the n that is given."""
    (v, g), narrow = widen(v, g)
    with quiet():
        return narrow(v / _like(n, v) * g)


@frozen_norm.pullback
def _(w_bar, w, v, g, *, n):
    return vjp(w_bar, v, g, n=n)


@door
def vjp(w_bar: Any, v: Any, g: Any, *, n: Array | None = None) -> tuple[Any, Any]:
    """(v_bar, g_bar) for the cotangent w_bar of w, n being constant.

    v_bar = (g / n) w_bar      g_bar = <w_bar, v> / n
    """
    n = _given(v, g, n)
    (w_bar, v, g), narrow = widen(w_bar, v, g)
    with quiet():
        n = _like(n, v)
        return narrow(g / n * w_bar), narrow(dot(w_bar, v / n, g.shape))


@door
def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any, *, n: Array | None = None) -> Any:
    """w_dot = (v g_dot + g v_dot) / n"""
    n = _given(v, g, n)
    (v, g, v_dot, g_dot), narrow = widen(v, g, v_dot, g_dot)
    with quiet():
        n = _like(n, v)
        return narrow(v / n * g_dot + g / n * v_dot)


@door
def double_vjp(
    v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any, *, n: Array | None = None
) -> tuple[Any, Any, Any]:
    """The cotangents of (w_bar, v, g) for the cotangents of vjp's answers (v_bar, g_bar).

    The letters are those of the derivation above: A = v_bar_bar, B = g_bar_bar.
    """
    n = _given(v, g, n)
    (A, B, w_bar, v, g), narrow = widen(v_bar_bar, g_bar_bar, w_bar, v, g)
    with quiet():
        n = _like(n, v)
        by_w_bar, by_v = g / n * A + B * (v / n), B / n * w_bar
        return narrow(by_w_bar), narrow(by_v), narrow(dot(A, w_bar, g.shape) / n)


def _given(v: Any, g: Any, n: Array | None) -> Array:
    weight_norm.check(v, g)
    if n is None:
        return norm(v, g.shape)
    if n.shape != g.shape:
        raise ValueError(f"n of shape {n.shape} for g of shape {g.shape}; n is one norm for each g")
    array: Array = raw(n)
    return array


def _like(n: Array, v: Any) -> Array:
    """n in the dtype in which v is computed."""
    return n.astype(accumulator(v.dtype), copy=False)
