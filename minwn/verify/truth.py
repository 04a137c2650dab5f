"""Weight normalisation and its derivatives to 50 digits, from the definition alone.

No formula of a derivative is used. For one slice, everything that `byhand.weight_norm` derives is
a derivative of

    L(v, g) = <w_bar, w> = g s / h(q)         q = <v, v>     s = <w_bar, v>

and a move of v along t changes q and s by exact polynomials in its length, so that L is cheap to
evaluate again. With 50 digits and steps of 1e-16 of ||v||, a central difference errs by 1e-32 of
the terms it is made of, and a mixed one, with steps of 1e-12, by 1e-24: nothing beside the 1e-16
of what is judged.

A float is a finite binary fraction, hence exact as a decimal. `decimal` is in the standard
library; where mpmath is installed, it repeats the arithmetic (see `numbers`).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

DIGITS = 50
FIRST, MIXED = -16, -12  # exponents of ten of the relative steps

Number = Any  # decimal.Decimal or mpmath.mpf


class Numbers(NamedTuple):
    """An arithmetic of 50 digits."""

    of: Callable[[float], Number]  # exact
    sqrt: Callable[[Number], Number]
    context: Callable[[], AbstractContextManager[Any]]


def numbers(library: str = "decimal") -> Numbers:
    """The arithmetic of "decimal" or of "mpmath".

    Raises ImportError where mpmath is wanted and not installed.
    """
    if library == "decimal":
        return Numbers(
            lambda x: decimal.Decimal(float(x)),
            lambda x: x.sqrt(),
            lambda: decimal.localcontext(decimal.Context(prec=DIGITS)),
        )
    try:
        import mpmath
    except ImportError as error:
        raise ImportError("this needs mpmath: pip install 'minwn[oracle]'") from error
    return Numbers(mpmath.mpf, mpmath.sqrt, lambda: mpmath.workdps(DIGITS))


@dataclass(frozen=True)
class Truth:
    """What the definition gives for one slice of v, in the letters of `byhand.weight_norm`."""

    w: list[Number]
    v_bar: list[Number]
    g_bar: Number
    w_dot: list[Number]  # along (A, B); also the first answer of double_vjp
    by_v: list[Number]  # of double_vjp
    by_g: Number


def truth(
    v: Sequence[float],
    g: float,
    w_bar: Sequence[float],
    A: Sequence[float],
    B: float,
    *,
    form: str,
    eps: float,
    library: str = "decimal",
) -> Truth:
    """All of them for one slice that is not zero. A, B: the tangents, or second cotangents."""
    arithmetic = numbers(library)
    with arithmetic.context():
        return _truth(arithmetic, v, g, w_bar, A, B, form, eps)


def _truth(
    arithmetic: Numbers, v: Any, g: Any, w_bar: Any, A: Any, B: Any, form: str, eps: Any
) -> Truth:
    of, sqrt = arithmetic.of, arithmetic.sqrt
    v, w_bar, A = ([of(x) for x in xs] for xs in (v, w_bar, A))
    g, B, eps, k = of(g), of(B), of(eps), of(len(v))
    q, s = _dot(v, v), _dot(w_bar, v)
    qA, sA, AA = _dot(v, A), _dot(w_bar, A), _dot(A, A)

    def h(q: Number) -> Number:
        if form == "plain":
            return sqrt(q)
        if form == "inside":
            return sqrt(q + eps)
        if form == "outside":
            return sqrt(q) + eps
        if form == "max_q":
            return sqrt(max(q, eps))
        if form == "max_n":
            return max(sqrt(q), eps)
        return sqrt(q / k) + eps  # rms

    def step(length: Number, exponent: int) -> Number:
        """A power of ten: `exponent` relative to n / length."""
        ratio = sqrt(q / length) if length else sqrt(q)
        return of(10) ** (_adjusted(ratio) + exponent)

    def q_at(a: Number, i: int, t: Number) -> Number:
        """<v', v'> at v' = v + a A + t e_i"""
        return q + a * a * AA + 2 * a * qA + t * (t + 2 * v[i] + 2 * a * A[i])

    def L(a: Number, i: int, t: Number) -> Number:
        """<w_bar, w> at v + a A + t e_i and g + a B"""
        return (g + a * B) * (s + a * sA + t * w_bar[i]) / h(q_at(a, i, t))

    t, a = step(of(1), FIRST), step(AA, FIRST)
    v_bar = [(L(of(0), i, t) - L(of(0), i, -t)) / (2 * t) for i in range(len(v))]
    up, down = (h(q_at(x, 0, of(0))) for x in (a, -a))
    w_dot = [
        ((g + a * B) * (x + a * y) / up - (g - a * B) * (x - a * y) / down) / (2 * a)
        for x, y in zip(v, A, strict=True)
    ]
    by_g = ((s + a * sA) / up - (s - a * sA) / down) / (2 * a)
    t, a = step(of(1), MIXED), step(AA, MIXED)
    by_v = [
        (L(a, i, t) - L(a, i, -t) - L(-a, i, t) + L(-a, i, -t)) / (4 * a * t) for i in range(len(v))
    ]
    h0 = h(q)
    return Truth([g * x / h0 for x in v], v_bar, s / h0, w_dot, by_v, by_g)


def _dot(x: Sequence[Number], y: Sequence[Number]) -> Number:
    return sum((a * b for a, b in zip(x, y, strict=True)), x[0] * 0)


def _adjusted(x: Number) -> int:
    """The exponent of ten of x > 0; one more or less does no harm here."""
    if isinstance(x, decimal.Decimal):
        return x.adjusted()
    mantissa, exponent = x.man_exp
    return math.floor((exponent + int(mantissa).bit_length()) * math.log10(2.0))
