r"""Bounds for the rounding errors of any right evaluation, derived from operation counts.

Every answer is a sum of products. S is the same sum of absolute values, so that it carries the
condition number; C counts the roundings on the longest way to one term of it; u is the unit
roundoff. Then, for any order of summation (Jeannerod & Rump 2013, doi:10.1137/120894488),

    |computed - true| <= C u S / (1 - C u)

For slices of m entries, counting for the longest of the evaluation orders in use, with
E = 0 (plain, max_q, max_n), 1 (outside: the sum), 2 (inside: eps, and a hypot of one ulp) or
3 (rms: the root of m, the quotient, the sum), and F = 2 for rms, else 0:

    h         H = m/2 + 1 + E     m products and sums, halved by the root
    w         H + 3               a reciprocal, two products             S = |g v| / h
    g_bar     m + H + 3           the dot product; composed of parts     S = <|w_bar|, |v|> / h
    v_bar     m + 3 H + 11 + F    the dot product, and the cube of h     S = (|g| / h) (|w_bar|
                                  or of 1 / h, which autodiff forms            + S[g_bar] |y|)
    w_dot     m + 3 H + 11 + F    the same                               S = |B x| + (|g| / h)
                                                                           (|A| + <|y|, |A|> |x|)
    by_g      2 m + 3 H + 12 + F  two dot products
    by_v      2 m + 5 H + 20 + F  two dot products, and the fifth power of h

where x = v / h and y = dh/dv. Add 1 for the rounding of the true value itself. Autodiff finds
the second order by the product rule, with at most twice the roundings, on terms that add up to at
most three times S: the last three counts are taken six times.

Storage and accumulation. Where the sums are accumulated in a wider type, u is its roundoff, and
what is rounded to the narrow one is added: the answer, its true value, and the norm, should it be
saved, as often as it occurs. Say in which dtype an implementation accumulates: in float16,
2.5 m u is 1 at m = 800, and the bound says nothing.

Near underflow, each operation adds half the least number, eta, which the operations after it
multiply: eta is counted in `sizes`. Nothing excuses an overflow or underflow on the way to a result
that is in range, except where |g| / h, or a term of the result, is out of range itself.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy

from ... import forms
from ...tolerance import ratio
from .rounding import Format
from .slices import Slices, arrays_of

__all__ = ["Bounds", "SecondBounds", "bounds", "counts", "excess", "second_bounds", "sizes"]


class Bounds(NamedTuple):
    """The largest |error| of each entry, in float64; infinite where there is none to tell."""

    w: numpy.ndarray
    v_bar: numpy.ndarray
    g_bar: numpy.ndarray


class SecondBounds(NamedTuple):
    w_dot: numpy.ndarray
    by_w_bar: numpy.ndarray
    by_v: numpy.ndarray
    by_g: numpy.ndarray


# The roundings of h, but for those of the sum of squares.
E = {"plain": 0, "inside": 2, "outside": 1, "rms": 3, "max_q": 0, "max_n": 0}
# How often a number that was rounded to the narrow type occurs: powers of the norm, and two more.
STORED = {"w": 3, "g_bar": 3, "v_bar": 5, "w_dot": 5, "by_w_bar": 5, "by_g": 5, "by_v": 7}


def bounds(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    accumulate: Any = None,
    probable: bool = False,
) -> Bounds:
    """How far w, v_bar and g_bar may be from what `expected` gives, for arrays or for a Case.

    accumulate: the dtype of the sums; that of v where it is None
    probable: C = 8 + 2 sqrt(m) in place of the counts, which rounding errors that are independent
    stay below. A grade, not a theorem: nothing fails for it.
    """
    v, g, w_bar = arrays_of("bounds", v, g, w_bar)
    names, eps = ("w", "v_bar", "g_bar"), forms.check(form, eps)
    return Bounds(*_allowed(names, v, g, w_bar, None, None, form, eps, accumulate, probable))


def second_bounds(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    A: numpy.ndarray | None = None,
    B: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    accumulate: Any = None,
    probable: bool = False,
) -> SecondBounds:
    """The same for what `second` gives."""
    v, g, w_bar, A, B = arrays_of("second_bounds", v, g, w_bar, A, B)
    names, eps = ("w_dot", "by_w_bar", "by_v", "by_g"), forms.check(form, eps)
    return SecondBounds(*_allowed(names, v, g, w_bar, A, B, form, eps, accumulate, probable))


def excess(got: Any, want: numpy.ndarray, allowed: numpy.ndarray) -> float:
    """The largest |got - want| / allowed, over the entries that have a truth. 1 is still right.

    Infinite where an entry that has a truth is NaN, or infinite.
    """
    got, want = (numpy.asarray(x).astype("float64") for x in (got, want))
    if got.shape != want.shape:
        raise ValueError(f"shape {got.shape} to compare with {want.shape}; they must be the same")
    there = numpy.isfinite(want) & numpy.isfinite(allowed)
    if not there.any():
        return 0.0
    got, want, allowed = got[there], want[there], allowed[there]
    if not numpy.isfinite(got).all():
        return math.inf
    with numpy.errstate(over="ignore"):
        return float(ratio(got - want, allowed).max())


def counts(m: int, form: str, *, autodiff: bool = True) -> dict[str, float]:
    """C of each answer: those of the module's docstring, and 1 for the true value's rounding.

    autodiff: six times as many for the second order, which may be found by the product rule
    """
    H = m / 2 + 1 + E[forms.form_of(form).name]
    F = 2 if form == "rms" else 0
    first = {"w": H + 3, "g_bar": m + H + 3, "v_bar": m + 3 * H + 11 + F}
    w_dot, by_v, by_g = m + 3 * H + 11 + F, 2 * m + 5 * H + 20 + F, 2 * m + 3 * H + 12 + F
    more = 6 if autodiff else 1
    later = {"w_dot": w_dot, "by_w_bar": more * w_dot, "by_v": more * by_v, "by_g": more * by_g}
    return {name: C + 1 for name, C in (first | later).items()}


def gamma(C: float, u: float) -> float:
    """C u / (1 - C u), or no bound at all."""
    return C * u / (1 - C * u) if C * u < 1 else math.inf


def _allowed(
    names: tuple[str, ...], v: Any, g: Any, w_bar: Any, A: Any, B: Any, form: str, eps: float,
    accumulate: Any, probable: bool,
) -> list[numpy.ndarray]:
    target = Format.of(v.dtype)
    u, inner = 2.0**-target.p, 2.0 ** -Format.of(v.dtype if accumulate is None else accumulate).p
    m = Slices(v.shape, g.shape).m
    largest = math.ldexp(1.0, target.largest)
    C = counts(m, form) if not probable else dict.fromkeys(STORED, 8 + 2 * math.sqrt(m))
    found = []
    with numpy.errstate(all="ignore"):
        S, eta, kink = sizes(v, g, w_bar, A, B, form=form, eps=eps)
        for name in names:
            relative = gamma(C[name], inner)
            if inner < u:
                relative += gamma(STORED[name], u)
            allowed = relative * S[name] + math.ldexp(1.0, target.quantum) * eta[name]
            # Beyond, a term may overflow on any way to the result. |g| / h is a factor of most
            # ways, and |g| / h^2 one of the second order.
            later = name in ("w_dot", "by_w_bar", "by_v", "by_g")
            edge = 0.0 if name == "g_bar" else S["ratio, later" if later else "ratio"]
            bounded = (S[name] < largest) & (edge < largest)
            if name not in ("w", "g_bar"):
                bounded = bounded & ~kink
            found.append(numpy.where(bounded, allowed, math.inf))
    return found


Sizes = dict[str, numpy.ndarray]


def sizes(
    v: Any, g: Any, w_bar: Any, A: Any = None, B: Any = None, *, form: str = "plain",
    eps: float = 0.0,
) -> tuple[Sizes, Sizes, numpy.ndarray]:
    """(S of each answer, multiples of eta, where a maximum is too near its kink to be judged).

    In float64; slices are scaled by powers of two, so that no square leaves the range.
    """
    eps = forms.check(form, eps)
    slices, tiny = Slices(v.shape, g.shape), 2.0 ** -Format.of(v.dtype).p
    wide = [None if x is None else numpy.abs(numpy.asarray(x).astype("float64")) for x in
            (v, g, w_bar, A, B)]
    v, g, w_bar, A, B = wide
    m, total = slices.m, slices.total
    top = numpy.asarray(v.max(axis=slices.reduced, keepdims=True, initial=0.0)).reshape(g.shape)
    scale = numpy.frexp(numpy.where(numpy.isfinite(top), top, 0.0))[1]
    v = numpy.ldexp(v, -scale)
    # From here, lengths are in units of 2^scale.
    n = numpy.sqrt(total(v * v))
    e = numpy.ldexp(math.sqrt(eps) if form in ("inside", "max_q") else eps, -scale)
    root_m = math.sqrt(m) if form == "rms" else 1.0
    kink = numpy.zeros(g.shape, dtype=bool)
    if form == "inside":
        h = numpy.hypot(n, e)
    elif form in ("max_q", "max_n"):
        h, kink = numpy.maximum(n, e), abs(n - e) <= 2 * (m + 4) * tiny * e
    elif form in ("plain", "outside", "rms"):
        h = n / root_m + (e if form != "plain" else 0.0)
    else:
        raise forms.unknown(form)
    x = v / h
    away = numpy.where(n == 0, 1.0, n)
    y = {"plain": x, "inside": x}.get(form, v / (away * root_m))
    if form in ("max_q", "max_n"):
        y = y * (n >= e)
    r = numpy.ldexp(g / h, -scale)  # the true |g| / h
    Ss = total(w_bar * x)
    S = {"w": g * x, "g_bar": Ss, "v_bar": r * (w_bar + Ss * y), "ratio": r}
    part = r * (m + 4)
    eta = {"w": 2 + g, "g_bar": m + 3 + 0 * g, "v_bar": 4 + part}
    if A is not None and B is not None:
        k = m if form == "rms" else 1
        Sa, Sc = total(A * y), total(A * w_bar)
        bend = (A + k * Sa * y) / (h if form in ("plain", "inside") else away * root_m)
        along = B * x + r * (A + Sa * x)
        by_g = numpy.ldexp((Sc + Ss * Sa) / h, -scale)
        over_h = numpy.ldexp((B + r * Sa) / h, -scale)
        by_v = over_h * (w_bar + Ss * y) + r * (by_g * y + numpy.ldexp(Ss * bend, -scale))
        over = numpy.ldexp(1 / h, -scale)
        S |= {
            "w_dot": along,
            "by_w_bar": along,
            "by_v": by_v,
            "by_g": by_g,
            "ratio, later": r * (1 + over),
        }
        each = (m + 4) * (1 + B + r + over) * (1 + over)
        eta |= {"w_dot": 4 + B + part, "by_w_bar": 4 + B + part, "by_v": each * (1 + r),
                "by_g": each}
    if m == 0:
        S["g_bar"] = numpy.zeros(g.shape)
    S = {name: numpy.where(numpy.isnan(s), math.inf, s) for name, s in S.items()}
    return S, eta, kink
