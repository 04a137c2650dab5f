"""The route of laws: what must hold whatever the numbers are.

With delta = 1 - <v, y> / h, which is 0 in the plain form: <v, v_bar> = g g_bar delta (v_bar is
orthogonal to v), g g_bar = <w_bar, w>, <w_bar, w_dot> = <v_bar, v_dot> + g_bar g_dot, and for
c = -1/8, eps scaled along with v: w(c v) = -w(v), v_bar(c v) = v_bar(v) / |c|,
g_bar(c v) = -g_bar(v), v_bar(c g) = c v_bar(g), g_bar(c g) = g_bar(g).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy

from .. import byhand, forms
from ..backend import Generator, quiet
from .bounds import U64, Bounds, gamma
from .points import Problem, answers, draw, place
from .report import LAWS, Finding, compare

__all__ = ["at_zero", "by_laws"]


def by_laws(what: str, p: Problem, found: dict[str, Any], bounds: Bounds) -> Iterator[Finding]:
    wide, wn = p.wide(), byhand.weight_norm
    own = {name: x.astype("float64") for name, x in found.items()}
    h, y = length_and_slope(wide)
    total, g, m = wide.total, wide.g, p.m
    judged = bounds.judged

    def law(text: str, left: Any, right: Any, allowed: Any) -> Finding:
        return compare(what, LAWS, f"byhand.weight_norm ({p}): {text}", left, right, allowed)

    def sum_of(*terms: numpy.ndarray) -> Any:
        """What adding up m such terms in float64 can do: every partial sum is below this."""
        return gamma(m + 4, U64) * sum(abs(t) for t in terms)

    if judged("v_bar") and judged("g_bar"):
        delta = 1 - total(abs(wide.v) * y) / h
        delta = numpy.zeros_like(delta) if p.form == "plain" else delta
        spread = gamma(m + 8, U64) * abs(g) * bounds.S["g_bar"]  # of delta, which is below 1
        left, right = total(wide.v * own["v_bar"]), g * own["g_bar"] * delta
        allowed = total(abs(wide.v) * bounds["v_bar"]) + abs(g * delta) * bounds["g_bar"] + spread
        yield law("<v, v_bar> = g g_bar delta", left, right,
                  allowed + sum_of(total(abs(wide.v * own["v_bar"])), right))  # fmt: skip
    if judged("w") and judged("g_bar"):
        left, right = total(wide.w_bar * own["w"]), g * own["g_bar"]
        allowed = total(abs(wide.w_bar) * bounds["w"]) + abs(g) * bounds["g_bar"]
        yield law("<w_bar, w> = g g_bar", left, right,
                  allowed + sum_of(total(abs(wide.w_bar * own["w"])), right))  # fmt: skip
    if judged("w_dot") and judged("v_bar") and judged("g_bar"):
        left = total(wide.w_bar * own["w_dot"])
        right = total(wide.A * own["v_bar"]) + wide.B * own["g_bar"]
        allowed = total(abs(wide.w_bar) * bounds["w_dot"] + abs(wide.A) * bounds["v_bar"])
        allowed = allowed + abs(wide.B) * bounds["g_bar"]
        terms = total(abs(wide.w_bar * own["w_dot"])), total(abs(wide.A * own["v_bar"]))
        yield law("<w_bar, w_dot> = <v_bar, v_dot> + g_bar g_dot", left, right,
                  allowed + sum_of(*terms, wide.B * own["g_bar"]))  # fmt: skip

    c = p.v.dtype.type(-0.125)
    eps = p.eps * float(c) ** 2 if p.form in ("inside", "max_q") else p.eps * abs(float(c))
    scaled = replace(p, v=c * p.v, eps=eps)
    limits = Bounds(scaled)
    w = wn.forward(scaled.v, p.g, **scaled.how)
    v_bar, g_bar = wn.vjp(p.w_bar, scaled.v, p.g, **scaled.how)
    for name, text, x, power in (
        ("w", "w(c v) = -w(v)", w, -1.0),
        ("v_bar", "v_bar(c v) = v_bar(v) / |c| (degree -1)", v_bar, 8.0),
        ("g_bar", "g_bar(c v) = -g_bar(v) (degree 0)", g_bar, -1.0),
    ):
        if judged(name) and limits.judged(name):
            left, right = x.astype("float64"), power * own[name]
            yield law(text, left, right, limits[name] + abs(power) * bounds[name])
    louder = replace(p, g=c * p.g)
    limits = Bounds(louder)
    v_bar, g_bar = wn.vjp(p.w_bar, p.v, louder.g, **p.how)
    for name, text, x, power in (
        ("v_bar", "v_bar(c g) = c v_bar(g) (degree 1)", v_bar, float(c)),
        ("g_bar", "g_bar(c g) = g_bar(g) (degree 0)", g_bar, 1.0),
    ):
        if judged(name) and limits.judged(name):
            left, right = x.astype("float64"), power * own[name]
            yield law(text, left, right, limits[name] + abs(power) * bounds[name])


def at_zero(rng: Generator) -> Iterator[Finding]:
    """Where v is zero the plain form is undefined: NaN in that slice, and in no other.

    The count of entries that are NaN where they should not be, or not NaN where they should.
    """
    for axes, zero in ((0, numpy.s_[1]), (1, numpy.s_[:, 2]), ((0, 1), numpy.s_[2, 0])):
        for scale in (1.0, 1e-120):
            p = draw(rng, (3, 4, 2), axes, v_scale=scale)
            p.v[zero] = 0.0
            undefined = p.total(abs(p.v)) == 0
            with quiet():
                for name, x in answers(p).items():
                    wrong = (numpy.isnan(x) != undefined).sum()
                    text = f"{place(name, p)}, slices that are not NaN exactly where v = 0"
                    yield compare("a zero slice", LAWS, text, wrong, 0.0, 0.0)


def length_and_slope(p: Problem) -> tuple[numpy.ndarray, numpy.ndarray]:
    """h and |dh/dv|, from the definitions, in float64."""
    q = p.total(p.v * p.v)
    n = numpy.sqrt(q)
    if p.form == "plain":
        return n, abs(p.v) / n
    if p.form == "inside":
        h = numpy.sqrt(q + p.eps)
        return h, abs(p.v) / h
    if p.form == "outside":
        return n + p.eps, abs(p.v) / n
    if p.form == "rms":
        return n / math.sqrt(p.m) + p.eps, abs(p.v) / n / math.sqrt(p.m)
    if p.form not in ("max_q", "max_n"):
        raise forms.unknown(p.form)
    floor = math.sqrt(p.eps) if p.form == "max_q" else p.eps
    return numpy.maximum(n, floor), abs(p.v) / n * (n >= floor)
