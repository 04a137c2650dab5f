"""The exact route: each answer for one slice as (x + y t) / z, rounded once.

x, y and z are integers and t is the one square root of the form (see `truth`): a field, in which
sums, products and inverses are exact.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy

from ... import forms
from .rounding import Format, nearest

__all__ = ["Surd", "answers"]

NAN = math.nan


class Surd:
    """(x + y t) / z with t^2 = d; x, y, z > 0 and d are integers, and t is not, unless y = 0."""

    __slots__ = ("d", "x", "y", "z")

    def __init__(self, x: int, y: int, z: int, d: int) -> None:
        common = math.gcd(x, y, z) if z > 0 else -math.gcd(x, y, z)
        self.x, self.y, self.z, self.d = x // common, y // common, z // common, d

    @classmethod
    def of(cls, x: Fraction, d: int) -> Surd:
        """A rational number, in the field of the square root of d."""
        return cls(x.numerator, 0, x.denominator, d)

    @classmethod
    def root(cls, x: Fraction) -> Surd:
        """The square root of a rational number >= 0: sqrt(p / q) = sqrt(p q) / q."""
        d = x.numerator * x.denominator
        whole = math.isqrt(d)
        return cls(whole, 0, x.denominator, d) if whole**2 == d else cls(0, 1, x.denominator, d)

    def __add__(self, other: Surd) -> Surd:
        x, y = (a * other.z + b * self.z for a, b in ((self.x, other.x), (self.y, other.y)))
        return Surd(x, y, self.z * other.z, self.d)

    def __mul__(self, other: Surd | Fraction | int) -> Surd:
        if not isinstance(other, Surd):
            p, q = other.numerator, other.denominator
            return Surd(self.x * p, self.y * p, self.z * q, self.d)
        x = self.x * other.x + self.y * other.y * self.d
        return Surd(x, self.x * other.y + self.y * other.x, self.z * other.z, self.d)

    __rmul__ = __mul__

    def inverse(self) -> Surd:
        """One over this."""
        size = self.x * self.x - self.y * self.y * self.d
        return Surd(self.z * self.x, -self.z * self.y, size, self.d)


def answers(
    names: tuple[str, ...], row: list[Any], scalars: list[float], form: str, eps: float,
    target: Format,
) -> dict[str, Any]:
    """The answers for one slice: lists for v's entries, a number for g's."""
    m = len(row[0])
    single = {"g_bar", "by_g"}
    if m == 0:
        return {name: 0.0 if name in single else [] for name in names}
    undefined = {name: NAN if name in single else [NAN] * m for name in names}
    if not (all(numpy.isfinite(x).all() for x in row) and all(map(math.isfinite, scalars))):
        return undefined
    (v, V), (w_bar, W), (A, AA) = map(_integers, row)
    g, B = map(Fraction, scalars)
    q, s = _dot(v, v) * V * V, _dot(w_bar, v) * W * V
    a, c = _dot(A, v) * AA * V, _dot(A, w_bar) * AA * W
    found = _radial(q, m, form, Fraction(eps), "by_v" in names)
    if found is None:
        return undefined
    phi, d1, d2 = found
    flat = q == 0 and form in ("outside", "rms")
    answer: dict[str, Any] = {}
    for name in names:
        if name == "w":
            terms = [(g * phi, v, V)]
        elif name == "v_bar":
            terms = [(g * phi, w_bar, W), (2 * g * s * d1, v, V)]
        elif name == "w_dot":
            terms = [(g * phi, A, AA), (B * phi + 2 * g * a * d1, v, V)]
        elif name == "by_v" and flat:
            answer[name] = undefined[name]
            continue
        elif name == "by_v":
            along = 2 * (g * c + B * s) * d1 + 4 * g * s * a * d2
            across = 2 * g * a * d1 + B * phi
            terms = [(along, v, V), (across, w_bar, W), (2 * g * s * d1, A, AA)]
        else:
            terms = [(s * phi if name == "g_bar" else c * phi + 2 * s * a * d1, [1], Fraction(1))]
        found_here = _combine(terms, target)
        answer[name] = found_here[0] if name in single else found_here
    return answer


def _radial(
    q: Fraction, m: int, form: str, eps: Fraction, twice: bool
) -> tuple[Surd, Surd, Surd] | None:
    """phi and its first derivative by q, and the second where it is wanted; None where h = 0."""
    if form not in forms.FORMS:
        raise forms.unknown(form)
    floor = {"max_q": eps, "max_n": eps * eps}.get(form)
    if floor is not None:
        if floor == 0 == q:
            return None
        if q < floor:
            root = Surd.root(floor)
            return root.inverse(), 0 * root, 0 * root
    d = {"inside": q + eps, "rms": q / m}.get(form, q)
    e, k = (eps, m if form == "rms" else 1) if form in ("outside", "rms") else (Fraction(0), 1)
    if d == 0:
        if e == 0:
            return None
        zero = Surd.of(Fraction(0), 0)  # s = a = 0: these are multiplied by 0
        return Surd.of(1 / e, 0), zero, zero
    t = Surd.root(d)
    phi, over_t = (t + Surd.of(e, t.d)).inverse(), t.inverse()
    d1 = over_t * phi * phi * Fraction(-1, 2 * k)
    if not twice:
        return phi, d1, d1
    bend = over_t * Fraction(1, 4) + phi * Fraction(1, 2)
    return phi, d1, over_t * over_t * phi * phi * bend * Fraction(1, k * k)


def _combine(terms: list[tuple[Surd, list[int], Fraction]], target: Format) -> list[float]:
    """The sum of coefficient x vector x unit over the terms, rounded."""
    coefficients = [z * unit for z, _, unit in terms]
    c = math.lcm(*(z.z for z in coefficients))
    xs, ys = [z.x * (c // z.z) for z in coefficients], [z.y * (c // z.z) for z in coefficients]
    d, vectors = coefficients[0].d, [x for _, x, _ in terms]
    return [
        nearest(sum(map(int.__mul__, xs, entry)), sum(map(int.__mul__, ys, entry)), d, c, target)
        for entry in zip(*vectors, strict=True)
    ]


def _integers(x: numpy.ndarray) -> tuple[list[int], Fraction]:
    """x as integers and the power of two that is their unit."""
    part, exponent = numpy.frexp(x)
    numbers = (part * 2.0**53).astype("int64").tolist()
    exponents = (exponent - 53).tolist()
    low = min((e for n, e in zip(numbers, exponents, strict=True) if n), default=0)
    numbers = [n << (e - low) if n else 0 for n, e in zip(numbers, exponents, strict=True)]
    every = 0
    for n in numbers:
        every |= n
    spare = (every & -every).bit_length() - 1 if every else 0
    return [n >> spare for n in numbers], Fraction(2) ** (low + spare)


def _dot(x: list[int], y: list[int]) -> int:
    return sum(map(int.__mul__, x, y))
