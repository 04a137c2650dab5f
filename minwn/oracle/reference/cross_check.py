"""The cross-check: a second route to the truth, which shares nothing with the first.

`definition` differences L(v, g) = <w_bar, w> with 80 digits or more, and knows no derivative. Where
the two routes disagree, the oracle is at fault, and says so.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from ... import forms
from .rounding import Format

__all__ = ["Numbers", "OracleFault", "cross_check", "definition", "numbers"]


DIGITS = 80
FIRST, MIXED = -25, -15  # exponents of ten of the relative steps
CERTAIN = -28  # exponent of ten to which `definition` is trusted, relative to the terms of a sum

Number = Any  # decimal.Decimal or mpmath.mpf


class OracleFault(Exception):
    """The oracle contradicts itself. Nothing that it was asked to judge is to blame."""


class Numbers(NamedTuple):
    """An arithmetic of many digits."""

    of: Callable[[float], Number]  # exact
    sqrt: Callable[[Number], Number]
    context: Callable[[int], AbstractContextManager[Any]]  # of so many digits


def numbers(library: str) -> Numbers:
    """The arithmetic of "decimal" or of "mpmath"."""
    if library == "decimal":
        return Numbers(
            decimal.Decimal,
            decimal.Decimal.sqrt,
            lambda n: decimal.localcontext(decimal.Context(n, Emin=-99999, Emax=99999)),
        )
    try:
        import mpmath
    except ImportError as error:
        raise ImportError('this needs mpmath: pip install "minwn[oracle]"') from error
    return Numbers(mpmath.mpf, mpmath.sqrt, mpmath.workdps)


def cross_check(
    answer: dict[str, Any], row: list[Any], scalars: list[float], form: str, eps: float,
    target: Format, library: str,
) -> None:
    """Raise OracleFault unless `definition` is nearest to the same numbers."""
    arithmetic = numbers(library)
    # Next to eps, a small v has its digits further down.
    down = -math.frexp(abs(row[0]).max())[1] if eps else 0
    with arithmetic.context(DIGITS + max(down, 0)):
        of = arithmetic.of
        for name, sure, truth in definition(arithmetic, tuple(answer), row, scalars, form, eps):
            given = answer[name] if isinstance(answer[name], list) else [answer[name]]
            for i, (x, y) in enumerate(zip(given, truth, strict=True)):
                if math.isinf(x):
                    edge = of(math.ldexp(2.0 - 2.0**-target.p, target.largest - 1)) * 2
                    agree = abs(y) + sure >= edge and (y > 0) == (x > 0)
                else:
                    agree = abs(of(x) - y) <= of(2.0) ** (target.ulp(x) - 1) + sure
                if not agree:
                    raise OracleFault(
                        f"{name}[{i}] is {x!r} by the exact route, and {y} by {library}, for "
                        f"form={form!r}, eps={eps!r}, g={scalars[0]!r}, v={row[0].tolist()}, "
                        f"w_bar={row[1].tolist()}; please report this"
                    )


def definition(
    arithmetic: Numbers, names: tuple[str, ...], row: list[Any], scalars: list[float], form: str,
    eps: float,
) -> list[tuple[str, Number, list[Number]]]:
    """(name, absolute certainty, values) of the answers for one slice, from w = g v / h alone.

    A move of v along x changes q and s by exact polynomials in its length, so that
    L = g s / h(q) is cheap to evaluate again.
    """
    of, sqrt = arithmetic.of, arithmetic.sqrt
    (v, w_bar, A), (g, B) = ([of(float(x)) for x in xs] for xs in row), map(of, scalars)
    e, m = of(float(eps)), of(float(len(v)))
    q, s, qA, sA, AA = (_sum(x, y) for x, y in ((v, v), (w_bar, v), (v, A), (w_bar, A), (A, A)))

    def h(q: Number) -> Number:
        if form in ("plain", "inside"):
            return sqrt(q + e)
        if form in ("outside", "rms"):
            return sqrt(q / m if form == "rms" else q) + e
        if form in ("max_q", "max_n"):
            return sqrt(max(q, e)) if form == "max_q" else max(sqrt(q), e)
        raise forms.unknown(form)

    def moved(a: Number, i: int, t: Number) -> tuple[Number, Number, Number]:
        """(g, s, h) at v + a A + t e_i and g + a B"""
        q_there = q + a * (2 * qA + a * AA) + t * (t + 2 * v[i] + 2 * a * A[i])
        return g + a * B, s + a * sA + t * w_bar[i], h(q_there)

    def L(a: Number, i: int, t: Number) -> Number:
        g, s, h = moved(a, i, t)
        return g * s / h

    zero, ten, h0 = of(0.0), of(10.0), h(q)
    length = sqrt(q) if q else h0
    speed = sqrt(AA) if AA else length
    largest = [max(map(abs, x)) for x in (v, w_bar, A)]
    sure = ten**CERTAIN
    spread = abs(g) / h0 * (largest[1] + sqrt(_sum(w_bar, w_bar)) * largest[0] / length)
    found: list[tuple[str, Number, list[Number]]] = []
    t, a = length * ten**FIRST, length / speed * ten**FIRST
    T, R = length * ten**MIXED, length / speed * ten**MIXED
    every = range(len(v))
    up, down = moved(a, 0, zero), moved(-a, 0, zero)
    bent = (abs(B) + abs(g) * speed / length) / h0  # the size of a second derivative
    for name in names:
        if name == "w":
            found.append((name, zero, [g * x / h0 for x in v]))
        elif name == "g_bar":
            found.append((name, zero + sure * abs(s / h0), [s / h0]))
        elif name == "v_bar":
            by_v = [(L(zero, i, t) - L(zero, i, -t)) / (2 * t) for i in every]
            found.append((name, sure * spread, by_v))
        elif name == "w_dot":
            along = [
                (up[0] * (x + a * y) / up[2] - down[0] * (x - a * y) / down[2]) / (2 * a)
                for x, y in zip(v, A, strict=True)
            ]
            size = abs(B) * largest[0] / h0 + abs(g) / h0 * (largest[2] + speed)
            found.append((name, sure * size, along))
        elif name == "by_g":
            size = sqrt(_sum(w_bar, w_bar)) * speed / h0
            found.append((name, sure * size, [(up[1] / up[2] - down[1] / down[2]) / (2 * a)]))
        else:
            mixed = [
                (L(R, i, T) - L(R, i, -T) - L(-R, i, T) + L(-R, i, -T)) / (4 * R * T) for i in every
            ]
            found.append((name, sure * bent * sqrt(_sum(w_bar, w_bar)), mixed))
    return found


def _sum(x: list[Number], y: list[Number]) -> Number:
    return sum((a * b for a, b in zip(x, y, strict=True)), x[0] * 0)
