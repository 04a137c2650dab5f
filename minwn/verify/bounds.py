"""How far apart two honest evaluations of weight normalisation may be: counted, not tuned.

Every answer is a sum of products. S is the same sum over absolute values, so that it carries the
condition number, and C counts the roundings on the longest way to one term. Then, whatever the
order of summation (Jeannerod & Rump 2013, doi:10.1137/120894488), with the unit roundoff u,

    |computed - true| <= C u S / (1 - C u)

For a slice of m entries, with E = 0 (plain and the maxima, whose floors are rounded less often
than a norm), 1 (outside: the sum), 2 (inside: hypot, one ulp) or 3 (rms: root of m, quotient, sum)
roundings due to eps, and F = 2 for inside and rms, else 0, the counts are

    h       H = m/2 + 1 + E                  m in the sum of squares, halved by the root
    y       Y = m/2 + 2 + F                  y = dh/dv
    w       H + 2                            S = |g v| / h
    g_bar   m + H + 1                        S = <|w_bar|, |v|> / h
    v_bar   g_bar + Y + H + 4                S = (|g| / h) (|w_bar| + S[g_bar] |y|)
    w_dot   m + Y + 2 H + 6                  S = |x g_dot| + (|g| / h) (|v_dot| + D |x|)
                                             with D = <|y|, |v_dot|>

and for the double pullback term by term, in `counts` and `sizes`. 16-bit numbers are computed in
float32 and rounded once: u16 S is added, and half the smallest number. Where two evaluations are
compared, both bounds are added.
"""

from __future__ import annotations

import math

import numpy

from ..backend import accumulator, quiet, unit_roundoff
from .points import Problem

__all__ = ["U64", "Bounds", "gamma", "length_and_slope", "sizes"]

U64 = 2.0**-53


def counts(m: int, form: str) -> dict[str, float]:
    """C of each answer: the roundings on the longest way to one term of it.

    In the letters of `byhand.weight_norm.double_vjp`.
    """
    H = _count_of_h(m, form)
    Y = m / 2 + 2 + {"inside": 2, "rms": 2}.get(form, 0)
    g_bar, w_dot = m + H + 1, m + Y + 2 * H + 6
    a, s, c = m + Y, g_bar, m
    t = max(c, s + a + 1) + 1
    bend = a + Y + 2 + (H + m / 2 + 6 if form in ("outside", "rms") else 0)
    terms = (a + H + s + Y + 6, t + Y + H + 4, s + bend + H + 4)
    return {
        "w": H + 2, "g_bar": g_bar, "v_bar": g_bar + Y + H + 4, "w_dot": w_dot, "by_w_bar": w_dot,
        "by_g": t + H + 1, "by_v": max(terms) + H + 2,
    }  # fmt: skip


def _count_of_h(m: int, form: str) -> float:
    return m / 2 + 1 + {"outside": 1, "inside": 2, "rms": 3}.get(form, 0)


def counts_composed(m: int, form: str) -> dict[str, float]:
    """The same for autodiff through `composed`, of the same S.

    The second pullback expands the quotient of the first by the product rule: at most twice the
    roundings, on terms that add up to at most three times S.
    """
    own, H = counts(m, form), _count_of_h(m, form)
    twice = {name: 6 * own[name] for name in ("w_dot", "by_w_bar", "by_v", "by_g")}
    return {"w": H + 2, "g_bar": m + H + 3, "v_bar": m + 3 * H + 11} | twice


def sizes(p: Problem) -> dict[str, numpy.ndarray]:
    """S of each answer, in float64."""
    p = p.wide()
    with quiet():
        h, y = length_and_slope(p)
        g, v, w_bar, A, B = (abs(x) for x in (p.g, p.v, p.w_bar, p.A, p.B))
        x, r = v / h, g / h
        Ss, Sa, Sc = p.total(w_bar * x), p.total(A * y), p.total(A * w_bar)
        spread = w_bar + Ss * y
        n = numpy.sqrt(p.total(v * v))
        k = p.m if p.form == "rms" else 1
        curved = (A + k * Sa * y) / (h if p.form in ("plain", "inside") else n * math.sqrt(k))
        by_g = (Sc + Ss * Sa) / h
        along = x * B + r * (A + Sa * x)
        by_v = ((B + r * Sa) * spread + g * by_g * y + g * Ss * curved) / h
    return {
        "w": g * x, "g_bar": Ss, "v_bar": r * spread, "w_dot": along, "by_w_bar": along,
        "by_v": by_v, "by_g": by_g,
    }  # fmt: skip


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
    floor = math.sqrt(p.eps) if p.form == "max_q" else p.eps
    return numpy.maximum(n, floor), abs(p.v) / n * (n >= floor)


class Bounds:
    """How far the answers for one Problem may be from the truth, and which can be judged."""

    def __init__(self, p: Problem) -> None:
        self.S = sizes(p)
        self.C, self.C_composed = counts(p.m, p.form), counts_composed(p.m, p.form)
        self.u = unit_roundoff(accumulator(p.v.dtype))
        self.narrow = unit_roundoff(p.v.dtype) if p.v.dtype.itemsize == 2 else 0.0
        info = numpy.finfo(p.v.dtype)
        # Where S is in this range, no term that counts overflows or loses digits to underflow.
        # 16-bit numbers are computed in a wider range, and `least` is what rounding them loses.
        self.low = 0.0 if self.narrow else float(info.smallest_normal) / self.u
        self.high = float(info.max) * (0.5 if self.narrow else self.u)
        self.least = float(info.smallest_subnormal) / 2 if self.narrow else 0.0

    def judged(self, name: str) -> bool:
        """Whether the answer is within the range of the dtype."""
        S = self.S[name]
        with quiet():
            return bool(((self.low < S) & (self.high > S)).all())

    def __getitem__(self, name: str) -> numpy.ndarray:
        """Of an answer of the functions of `byhand.weight_norm`."""
        part = gamma(self.C[name], self.u) * (1 + self.narrow) + self.narrow
        return part * self.S[name] + self.least

    def composed(self, name: str) -> numpy.ndarray:
        return gamma(self.C_composed[name], U64) * self.S[name]


def gamma(C: float, u: float) -> float:
    """C u / (1 - C u)"""
    return C * u / (1 - C * u)
