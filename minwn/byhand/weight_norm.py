r"""Weight normalisation, w = g v / h(v), and its derivatives on paper.

Salimans & Kingma 2016, arXiv:1602.07868, eq. 2 and 3. Each slice of v that shares one entry of g
is one vector; v is not of unit length, and g is the gain, signed, never a gradient.

    n = ||v||            <a, b> = the sum of a b over a slice

h is the length by which v is divided. Every convention in use is one choice of h:

    form      h                    y = dh/dv         used by
    plain     n                    v/n               the paper, PyTorch, R torch, Equinox
    inside    sqrt(n^2 + eps)      v/h               Flax, nnabla, Flux
    outside   n + eps              v/n               flax.optim
    rms       n/sqrt(m) + eps      v/(n sqrt(m))     EDM2
    max_q     sqrt(max(n^2, eps))  v/n or 0          TensorFlow
    max_n     max(n, eps)          v/n or 0          Paddle

with m the number of entries of a slice; y is 0 where eps is the larger of the two.

Forward product. Write x = v / h. Then w = g x, and

    h_dot = <y, v_dot>
    x_dot = v_dot / h - v h_dot / h^2 = (v_dot - h_dot x) / h
    w_dot = x g_dot + (g / h) (v_dot - h_dot x)

Pullback. Move everything in <w_bar, w_dot> off the dotted letters:

    <w_bar, w_dot> = <w_bar, x> g_dot + (g / h) (<w_bar, v_dot> - <w_bar, x> <y, v_dot>)

    g_bar = <w_bar, x>
    v_bar = (g / h) (w_bar - g_bar y)

In the plain form y = x is the unit vector along v, so the bracket is w_bar without its component
along v: eq. 3 and 4 of the paper, and <v_bar, v> = 0.

Pullback of the pullback. Let A and B be the cotangents of v_bar and g_bar; then the scalar to
differentiate is L = <A, v_bar> + B g_bar. With a = <A, y>, c = <A, w_bar> and s = g_bar,

    L = (g / h) (c - s a) + B s

s, a and h move with v: ds/dv = (w_bar - s y) / h = r / h;  da/dv = H A with H = d2h/dv2, which is
(A - a y) / h for plain and inside, (A - a y) / n for outside, (A - m a y) / (n sqrt(m)) for rms,
and as plain or 0 for the two maxima. Therefore

    dL/dw_bar = (g / h) (A - a x) + B x                  (the forward product along A, B)
    dL/dg     = (c - s a) / h
    dL/dv     = ((B - g a / h) r - (g / h) ((c - s a) y + s h H A)) / h

At v = 0 the plain form is undefined: NaN, for that slice alone. The others give w = 0 there; y is
taken as 0, which is its limit for inside and the maxima, and the mean of its values for the rest.
"""

from __future__ import annotations

from typing import Any

from .. import forms
from ..backend import (
    Array,
    asarray,
    largest,
    namespace,
    quiet,
    smallest_normal,
    within,
)
from ..graph import primitive, raw
from ..kernels import weight_norm as kernels
from ..kernels.slices import count, dot, kept_shape, widen
from ..ops import add, divide, maximum, sqrt, sum_to
from ..validation import door, inside
from .lengths import FORMS, curvature, radius, slope

__all__ = [
    "FORMS", "check", "check_form", "composed", "double_vjp", "forward", "jvp", "kept_shape",
    "radius", "split", "vjp",
]


@door
def composed(v: Any, g: Any, *, eps: float = 0.0, form: str = "plain") -> Any:
    """The definition, in ops: autodiff finds the derivatives. Right where n^2 is in range."""
    eps = inside(check)(v, g, eps=eps, form=form)
    q = sum_to(v * v, shape=g.shape)
    h = {
        "plain": lambda: sqrt(q),
        "inside": lambda: sqrt(add(q, eps)),
        "outside": lambda: add(sqrt(q), eps),
        "max_q": lambda: sqrt(maximum(q, eps)),
        "max_n": lambda: maximum(sqrt(q), eps),
        "rms": lambda: add(sqrt(divide(q, count(v, g.shape))), eps),
    }[form]()
    return g * v / h


@primitive(widen=False)
@quiet()
def weight_norm(v: Array, g: Array, *, eps: float = 0.0, form: str = "plain") -> Array:
    """w = g v / h(v), one norm for each entry of g.  eq. 2, arXiv:1602.07868

    v: any shape   g: v's rank, with 1 along every axis that a norm runs over, or 0-d for one norm
    of the whole   w: v's shape

    16-bit inputs are computed in float32 and rounded once. Slices are scaled by powers of two where
    their squares would leave the range, so every representable w of the plain form comes out; the
    other forms need a norm that is in range.
    Raises ValueError where g does not fit v, or eps does not fit the form, and TypeError for
    dtypes that are not floating, or differ.

    >>> byhand.weight_norm.forward(np.array([[3.0, 4.0]]), np.array([[10.0]]))
    array([[6., 8.]])
    """
    way = kernels.way(v, g, eps, form)
    if way is not None:
        return way.forward(v, g, eps, form)
    w = v / radius(v, shape=g.shape, eps=eps, form=form) * g
    return w if w.dtype == v.dtype else w.astype(v.dtype)


forward = weight_norm


@weight_norm.pullback
def _(w_bar, w, v, g, *, eps=0.0, form="plain"):
    return inside(vjp)(w_bar, v, g, eps=eps, form=form)


@door
@quiet()
def vjp(w_bar: Any, v: Any, g: Any, *, eps: float = 0.0, form: str = "plain") -> tuple[Any, Any]:
    """(v_bar, g_bar), the cotangents of v and g for the cotangent w_bar of w.  eq. 3

    g_bar = <w_bar, x>      v_bar = (g / h) (w_bar - g_bar y)

    >>> byhand.weight_norm.vjp(np.array([[5.0, 10.0]]), np.array([[3.0, 4.0]]), np.array([[10.0]]))
    (array([[-3.2,  2.4]]), array([[11.]]))
    """
    way = kernels.way(v, g, eps, form, w_bar)
    if way is not None:
        return way.vjp(w_bar, v, g, eps, form)
    (w_bar, v, g), narrow = widen(w_bar, v, g)
    h, x, y = _lengths(v, g.shape, eps, form)
    g_bar = dot(w_bar, x, g.shape)
    return narrow(_scale(w_bar - g_bar * y, g, h)), narrow(g_bar)


@door
@quiet()
def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any, *, eps: float = 0.0, form: str = "plain") -> Any:
    """w_dot = x g_dot + (g / h) (v_dot - <y, v_dot> x)"""
    eps = inside(check)(v, g, eps=eps, form=form)
    (v, g, v_dot, g_dot), narrow = widen(v, g, v_dot, g_dot)
    h, x, y = _lengths(v, g.shape, eps, form)
    h_dot = dot(y, v_dot, g.shape)
    return narrow(x * g_dot + _scale(v_dot - h_dot * x, g, h))


@door
@quiet()
def double_vjp(
    v_bar_bar: Any,
    g_bar_bar: Any,
    w_bar: Any,
    v: Any,
    g: Any,
    *,
    eps: float = 0.0,
    form: str = "plain",
) -> tuple[Any, Any, Any]:
    """The cotangents of (w_bar, v, g) for the cotangents of vjp's answers (v_bar, g_bar).

    The letters are those of the derivation above: A = v_bar_bar, B = g_bar_bar.
    """
    way = kernels.way(v, g, eps, form, w_bar, v_bar_bar, gain=g_bar_bar)
    if way is not None and way.double_vjp is not None:
        return way.double_vjp(v_bar_bar, g_bar_bar, w_bar, v, g, eps, form)
    (A, B, w_bar, v, g), narrow = widen(v_bar_bar, g_bar_bar, w_bar, v, g)
    h, x, y = _lengths(v, g.shape, eps, form)
    s, a, c = (dot(p, q, g.shape) for p, q in ((w_bar, x), (A, y), (A, w_bar)))
    r = w_bar - s * y
    t, ratio = c - s * a, g / h
    bend = curvature(A, a, v, g, h, y, eps, form)
    by_v = ((B - ratio * a) * r - ratio * (t * y + s * bend)) / h
    by_w_bar = _scale(A - a * x, g, h) + B * x
    return narrow(by_w_bar), narrow(by_v), narrow(t / h)


@door
def split(w: Array, axes: int | tuple[int, ...] | None = 0) -> tuple[Array, Array]:
    """(v, g) with v = w and g = ||w||, so that weight_norm(v, g) is w again, to rounding.

    axes: those that keep a norm each, counted as NumPy counts; None for one norm of the whole.
    Raises IndexError for an axis that w does not have.
    """
    g = radius(w, shape=kept_shape(w.shape, axes), eps=0.0, form="norm")
    return w, asarray(g.astype(w.dtype, copy=False), like=w)


@door
def check(v: Any, g: Any, *, eps: float = 0.0, form: str = "plain") -> float:
    """eps as Python's number. Raises ValueError unless g fits v, and eps the form; TypeError unless
    their dtypes do."""
    return kernels.check(v.shape, g.shape, v.dtype, g.dtype, eps, form)


@door
def check_form(eps: float, form: str) -> float:
    """eps as Python's number. Raises ValueError unless the form is known and can use it."""
    return forms.check(form, eps)


def _lengths(v: Any, shape: tuple[int, ...], eps: float, form: str) -> tuple[Any, Any, Any]:
    """h, x = v / h and y = dh/dv."""
    h = radius(v, shape=shape, eps=eps, form=form)
    x = v / h
    return h, x, x if form in ("plain", "inside") else slope(v, h, shape, eps, form)


def _scale(t: Any, g: Any, h: Any) -> Any:
    """t (g / h), also where g / h alone is out of range: then by exponents, on arrays."""
    ratio = g / h
    if raw(t) is not t or t.dtype.kind == "c":
        return t * ratio
    if within(abs(ratio), smallest_normal(ratio.dtype), largest(ratio.dtype)):
        t *= ratio
        return t
    xp = namespace(t)
    (g_part, g_exponent), (h_part, h_exponent) = xp.frexp(g), xp.frexp(h)
    return xp.ldexp(t * (g_part / h_part), g_exponent - h_exponent)
