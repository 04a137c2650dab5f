"""Weight normalisation with a gain that is never negative, w = e^s v / h(v), and its derivatives.

Salimans & Kingma 2016, section 2, arXiv:1602.07868. The gain is e^s, so dg/ds = g, and everything
follows from `weight_norm` by the chain rule. With x = v / h and y = dh/dv as there, in every form,

    g = e^s         w = g x
    w_dot = w s_dot + (g / h) (v_dot - <y, v_dot> x)

    s_bar = g g_bar = <w_bar, w>
    v_bar = (g / h) (w_bar - <w_bar, x> y)

Pullback of the pullback, with A and B the cotangents of v_bar and s_bar: differentiate
L = <A, v_bar> + (B g) g_bar, which is the L of `weight_norm` with B g in the place of B. By s, the
g in B g counts as well:

    dL/ds = g dL/dg + B s_bar

A step down s_bar multiplies w, where a step down g_bar adds to it. For unit v, one step along both
gradients moves w by  g^2 w_bar:  plain gradient descent with the rate ||w||^2 for each slice.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..graph import primitive
from ..kernels.slices import widen
from ..ops import exp
from ..validation import door
from . import weight_norm

__all__ = ["composed", "double_vjp", "forward", "jvp", "vjp"]


@door
def composed(v: Any, s: Any, *, eps: float = 0.0, form: str = "plain") -> Any:
    """The definition, in ops: autodiff finds the derivatives. Right where ||v||^2 is in range."""
    return weight_norm.composed(v, exp(s), eps=eps, form=form)


@primitive(widen=False)
def exponential_scale(v: Array, s: Array, *, eps: float = 0.0, form: str = "plain") -> Array:
    """w = e^s v / h(v), one norm for each entry of s.  section 2, arXiv:1602.07868

    v: any shape   s: as g in `weight_norm`: v's rank, with 1 along every axis that a norm runs
    over, or 0-d   w: v's shape

    16-bit inputs are computed in float32 and rounded once. Raises as `weight_norm.forward` does.
    """
    eps = weight_norm.check(v, s, eps=eps, form=form)
    (v, s), narrow = widen(v, s)
    return narrow(weight_norm.forward(v, exp(s), eps=eps, form=form))


forward = exponential_scale


@exponential_scale.pullback
def _(w_bar, w, v, s, *, eps=0.0, form="plain"):
    return vjp(w_bar, v, s, eps=eps, form=form)


@door
def vjp(w_bar: Any, v: Any, s: Any, *, eps: float = 0.0, form: str = "plain") -> tuple[Any, Any]:
    """(v_bar, s_bar), the cotangents of v and s for the cotangent w_bar of w.

    s_bar = <w_bar, w>      v_bar = (e^s / h) (w_bar - <w_bar, x> y)
    """
    eps = weight_norm.check(v, s, eps=eps, form=form)
    (w_bar, v, s), narrow = widen(w_bar, v, s)
    g = exp(s)
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g, eps=eps, form=form)
    return narrow(v_bar), narrow(g * g_bar)


@door
def jvp(v: Any, s: Any, v_dot: Any, s_dot: Any, *, eps: float = 0.0, form: str = "plain") -> Any:
    """w_dot = w s_dot + (e^s / h) (v_dot - <y, v_dot> x)"""
    eps = weight_norm.check(v, s, eps=eps, form=form)
    (v, s, v_dot, s_dot), narrow = widen(v, s, v_dot, s_dot)
    g = exp(s)
    return narrow(weight_norm.jvp(v, g, v_dot, g * s_dot, eps=eps, form=form))


@door
def double_vjp(
    v_bar_bar: Any,
    s_bar_bar: Any,
    w_bar: Any,
    v: Any,
    s: Any,
    *,
    eps: float = 0.0,
    form: str = "plain",
) -> tuple[Any, Any, Any]:
    """The cotangents of (w_bar, v, s) for the cotangents of vjp's answers (v_bar, s_bar).

    The letters are those of the derivation above: A = v_bar_bar, B = s_bar_bar.
    """
    eps = weight_norm.check(v, s, eps=eps, form=form)
    (A, B, w_bar, v, s), narrow = widen(v_bar_bar, s_bar_bar, w_bar, v, s)
    g = exp(s)
    by_w_bar, by_v, by_g = weight_norm.double_vjp(A, B * g, w_bar, v, g, eps=eps, form=form)
    _, g_bar = weight_norm.vjp(w_bar, v, g, eps=eps, form=form)
    return narrow(by_w_bar), narrow(by_v), narrow(g * (by_g + B * g_bar))
