r"""What weight normalisation and its derivatives are, to the last bit of a format.

Let q = <v, v> for one slice of v, and phi(q) = 1 / h, so that w = g phi v. The inputs are binary
fractions, hence rational, and in every form phi and its derivatives by q need one square root, t:

    form         t^2        phi                 with
    plain        q          1 / t               e = 0, k = 1
    inside       q + eps    1 / t               e = 0, k = 1
    outside      q          1 / (t + e)         e = eps, k = 1
    rms          q / m      1 / (t + e)         e = eps, k = m
    max_q        q or eps   1 / t               the larger; phi' = phi'' = 0 where it is eps
    max_n        q or eps^2 1 / t               the same

    phi'  = -1 / (2 k t (t + e)^2)
    phi'' = (1 / (4 t^3 (t + e)^2) + 1 / (2 t^2 (t + e)^3)) / k^2

So each answer is x + y t with x and y rational: a combination of v, w_bar and A whose coefficients
are the same for a whole slice. With s = <w_bar, v>, a = <A, v>, c = <A, w_bar>,

    w        = g phi v
    g_bar    = phi s
    v_bar    = g phi w_bar + 2 g phi' s v
    w_dot    = g phi A + (B phi + 2 g phi' a) v                  tangents (A, B) of (v, g)
    by_w_bar = w_dot                                             cotangents (A, B) of (v_bar, g_bar)
    by_v     = (2 g phi' c + 4 g phi'' s a + 2 B phi' s) v + (2 g phi' a + B phi) w_bar
               + 2 g phi' s A
    by_g     = phi c + 2 phi' s a

The floor of (x + y t) 2^k is an integer square root away, and as t is irrational there are no ties
but rational ones: this rounds correctly, with integers alone.

The certificate is a second route, which shares nothing with the first: `definition` differences
L(v, g) = <w_bar, w> with 80 digits or more, and knows no derivative. Where the two disagree, the
oracle is at fault, and says so.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy

__all__ = ["Expected", "Format", "OracleFault", "Second", "expected", "nearest", "second"]

NAN = math.nan


class OracleFault(Exception):
    """The oracle contradicts itself. Nothing that it was asked to judge is to blame."""


class Expected(NamedTuple):
    """The answers to first order, each the number of the dtype that is nearest to the truth.

    NaN where there is no truth (see `expected`), and an infinity where it is out of range.
    """

    w: numpy.ndarray
    v_bar: numpy.ndarray
    g_bar: numpy.ndarray


class Second(NamedTuple):
    """The forward product, and the pullback of the pullback, likewise."""

    w_dot: numpy.ndarray
    by_w_bar: numpy.ndarray
    by_v: numpy.ndarray
    by_g: numpy.ndarray


def expected(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    certify: str = "decimal",
) -> Expected:
    """The correctly rounded w, v_bar and g_bar, for arrays or for a Case.

    v, w_bar: any shape   g: v's rank, with 1 along every axis that a norm runs over, or 0-d
    certify: "decimal", "mpmath", or "" for the exact route alone

    A slice with an infinity or a NaN in it has no truth, nor has one of zeros where h = 0; a slice
    without entries has g_bar = 0.
    Raises OracleFault where the two routes disagree, and ImportError for mpmath not installed.
    """
    if g is None or w_bar is None:
        v, g, w_bar = v.v, v.g, v.w_bar
    found = _rounded(("w", "v_bar", "g_bar"), v, g, w_bar, None, None, form, eps, certify)
    return Expected(**found)


def second(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    A: numpy.ndarray | None = None,
    B: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    certify: str = "decimal",
) -> Second:
    """The correctly rounded forward and double backward products, for arrays or for a Case.

    A, B: tangents of v and g, or cotangents of v_bar and g_bar. Otherwise as `expected`; by_v has
    no truth at v = 0 in the forms outside and rms, where the pullback is not differentiable.
    """
    if g is None or w_bar is None:
        v, g, w_bar, A, B = v.v, v.g, v.w_bar, v.A, v.B
    if A is None or B is None:
        raise ValueError("second order needs A and B; give both, or a case that has them")
    found = _rounded(("w_dot", "by_v", "by_g"), v, g, w_bar, A, B, form, eps, certify)
    return Second(by_w_bar=found["w_dot"].copy(), **found)


# ---- slices -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slices:
    """Where the slices of an array are: v as (rows, m), one row for each entry of g."""

    shape: tuple[int, ...]
    g_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        shape, g_shape = self.shape, self.g_shape
        fits = len(g_shape) == len(shape) and all(
            n in (1, m) for n, m in zip(g_shape, shape, strict=True)
        )
        if g_shape != () and not fits:
            raise ValueError(
                f"g of shape {g_shape} for v of shape {shape}; g keeps v's rank, with 1 along each "
                f"axis that a norm runs over, or is 0-d for one norm of the whole"
            )

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of v, those that keep a norm each first."""
        axes = range(len(self.shape))
        if self.g_shape == ():
            return tuple(axes)
        kept = [a for a in axes if self.g_shape[a] == self.shape[a]]
        return tuple(kept + [a for a in axes if a not in kept])

    @property
    def rows(self) -> int:
        return math.prod(self.g_shape)

    @property
    def m(self) -> int:
        """Entries of v for each entry of g."""
        return math.prod(self.shape) // self.rows if self.rows else 0

    def split(self, x: numpy.ndarray) -> numpy.ndarray:
        return x.transpose(self.order).reshape(self.rows, self.m)

    def join(self, rows: Sequence[Sequence[float]] | numpy.ndarray, dtype: Any) -> numpy.ndarray:
        moved = [self.shape[a] for a in self.order]
        x = numpy.array(rows, dtype="float64").reshape(moved).astype(dtype)
        return numpy.ascontiguousarray(x.transpose(numpy.argsort(self.order))).reshape(self.shape)


def _rounded(
    names: tuple[str, ...], v: Any, g: Any, w_bar: Any, A: Any, B: Any, form: str, eps: float,
    certify: str,
) -> dict[str, numpy.ndarray]:  # fmt: skip
    slices, target = Slices(v.shape, g.shape), Format.of(v.dtype)
    A, B = (v, g) if A is None else (A, B)  # not used by the first order
    wide = [numpy.asarray(x).astype("float64") for x in (v, w_bar, A, g, B)]
    vectors, gains = [slices.split(x) for x in wide[:3]], [x.reshape(-1) for x in wide[3:]]
    found: dict[str, list[Any]] = {name: [] for name in names}
    for i in range(slices.rows):
        row = [x[i] for x in vectors]
        scalars = [float(x[i]) for x in gains]
        answer = _slice(names, row, scalars, form, eps, target)
        if certify and slices.m and not any(map(_undefined, answer.values())):
            _certify(answer, row, scalars, form, eps, target, certify)
        for name, x in answer.items():
            found[name].append(x)
    return {
        name: numpy.array(x, dtype="float64").reshape(g.shape).astype(v.dtype)
        if name in ("g_bar", "by_g")
        else slices.join(x, v.dtype)
        for name, x in found.items()
    }


def _undefined(x: Any) -> bool:
    return x != x if isinstance(x, float) else any(y != y for y in x)


# ---- the exact route ----------------------------------------------------------------------------


class Surd:
    """x + y t with t^2 = d; x, y and d rational, and t not, unless y = 0."""

    __slots__ = ("d", "x", "y")

    def __init__(self, x: Any, y: Any, d: Fraction) -> None:
        self.x, self.y, self.d = x, y, d

    @classmethod
    def root(cls, d: Fraction) -> Surd:
        p, q = math.isqrt(d.numerator), math.isqrt(d.denominator)
        if p * p == d.numerator and q * q == d.denominator:
            return cls(Fraction(p, q), Fraction(0), d)
        return cls(Fraction(0), Fraction(1), d)

    def __add__(self, other: Surd) -> Surd:
        return Surd(self.x + other.x, self.y + other.y, self.d)

    def __mul__(self, other: Surd | Fraction | int) -> Surd:
        if not isinstance(other, Surd):
            return Surd(self.x * other, self.y * other, self.d)
        x = self.x * other.x + self.y * other.y * self.d
        return Surd(x, self.x * other.y + self.y * other.x, self.d)

    __rmul__ = __mul__

    def inverse(self) -> Surd:
        size = self.x * self.x - self.y * self.y * self.d
        return Surd(self.x / size, -self.y / size, self.d)


def _slice(
    names: tuple[str, ...], row: list[Any], scalars: list[float], form: str, eps: float,
    target: Format,
) -> dict[str, Any]:  # fmt: skip
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
    floor = {"max_q": eps, "max_n": eps * eps}.get(form)
    if floor is not None:
        if floor == 0 == q:
            return None
        if q < floor:
            zero = Surd(Fraction(0), Fraction(0), floor)
            return Surd.root(floor).inverse(), zero, zero
    d = {"inside": q + eps, "rms": q / m}.get(form, q)
    e, k = (eps, m if form == "rms" else 1) if form in ("outside", "rms") else (Fraction(0), 1)
    if d == 0:
        if e == 0:
            return None
        zero = Surd(Fraction(0), Fraction(0), d)  # s = a = 0: these are multiplied by 0
        return Surd(1 / e, Fraction(0), d), zero, zero
    t = Surd.root(d)
    phi, over_t = (t + Surd(e, Fraction(0), d)).inverse(), t.inverse()
    d1 = over_t * phi * phi * Fraction(-1, 2 * k)
    if not twice:
        return phi, d1, d1
    bend = over_t * Fraction(1, 4) + phi * Fraction(1, 2)
    return phi, d1, over_t * over_t * phi * phi * bend * Fraction(1, k * k)


def _combine(terms: list[tuple[Surd, list[int], Fraction]], target: Format) -> list[float]:
    """The sum of coefficient x vector x unit over the terms, rounded."""
    coefficients = [(z * unit, x) for z, x, unit in terms]
    d = coefficients[0][0].d
    # x + y sqrt(p / q) = x + (y / q) sqrt(p q)
    parts = [(z.x, z.y / d.denominator) for z, _ in coefficients]
    c = math.lcm(*(f.denominator for pair in parts for f in pair))
    xs, ys = ([int(pair[i] * c) for pair in parts] for i in (0, 1))
    D = d.numerator * d.denominator
    vectors = [x for _, x in coefficients]
    return [
        nearest(sum(map(int.__mul__, xs, entry)), sum(map(int.__mul__, ys, entry)), D, c, target)
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


# ---- rounding -----------------------------------------------------------------------------------


class Format(NamedTuple):
    """A binary format: p digits, exponents of the least normal and of the largest number."""

    p: int
    least: int
    largest: int

    @classmethod
    def of(cls, dtype: Any) -> Format:
        """Raises TypeError for a dtype that is none of float16, bfloat16, float32, float64."""
        name = numpy.dtype(dtype).name
        if name not in FORMATS:
            raise TypeError(f"dtype {name}; choose from {', '.join(FORMATS)}")
        return FORMATS[name]

    @property
    def quantum(self) -> int:
        """The exponent of the least subnormal number."""
        return self.least - self.p + 1

    def ulp(self, x: float) -> int:
        """The exponent of the distance from x to the next number away from 0."""
        return max(math.frexp(x)[1] - self.p, self.quantum) if x else self.quantum


FORMATS = {
    "float16": Format(11, -14, 15),
    "bfloat16": Format(8, -126, 127),
    "float32": Format(24, -126, 127),
    "float64": Format(53, -1022, 1023),
}


def nearest(x: int, y: int, d: int, c: int, target: Format) -> float:
    """(x + y sqrt(d)) / c to the nearest number of a format, ties to even.

    c > 0; sqrt(d) is irrational, or y = 0.
    """
    square = y * y * d
    larger = x if x * x > square else y  # its sign is that of the sum
    negative = larger < 0
    if negative:
        x, y = -x, -y
    elif x == y == 0:
        return 0.0
    p, finest = target.p, 2 - target.quantum
    # The value is below 2^top. Take k binary places, such that p + 2 digits are left of the point.
    top = max(x.bit_length(), square.bit_length() // 2 + 1) - c.bit_length() + 2
    k = min(p + 4 - top, finest)
    while True:
        digits, exact = _floor(x, y, square, c, k)
        missing = p + 2 - digits.bit_length()
        if missing <= 0 or k >= finest:
            break
        k = min(k + max(missing, 1) + (p if not digits else 0), finest)  # x and y sqrt(d) cancel
    unit = max(digits.bit_length() - k - p, target.quantum)
    spare = unit + k
    kept, rest = digits >> spare, digits & ((1 << spare) - 1)
    half = 1 << (spare - 1)
    if rest > half or (rest == half and (not exact or kept & 1)):
        kept += 1
    if kept.bit_length() + unit > target.largest + 1:
        return -math.inf if negative else math.inf
    return math.ldexp(-kept if negative else kept, unit)


def _floor(x: int, y: int, square: int, c: int, k: int) -> tuple[int, bool]:
    """The floor of (x + y sqrt(d)) 2^k / c for square = y^2 d, and whether it is exact."""
    # floor(floor(z) / n) = floor(z / n) for an integer n: the root may be cut off first.
    up, c = max(k, 0), c << max(-k, 0)
    root = math.isqrt(square << 2 * up)
    digits, rest = divmod((x << up) + (root if y >= 0 else -root - 1), c)
    return digits, not (y or rest)


# ---- the certificate ----------------------------------------------------------------------------

DIGITS = 80
FIRST, MIXED = -25, -15  # exponents of ten of the relative steps
CERTAIN = -28  # exponent of ten to which `definition` is trusted, relative to the terms of a sum

Number = Any  # decimal.Decimal or mpmath.mpf


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


def _certify(
    answer: dict[str, Any], row: list[Any], scalars: list[float], form: str, eps: float,
    target: Format, library: str,
) -> None:  # fmt: skip
    """Raise OracleFault unless `definition` is nearest to the same numbers."""
    arithmetic = numbers(library)
    # Beside eps, a small v has its digits further down.
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
) -> list[tuple[str, Number, list[Number]]]:  # fmt: skip
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
        return sqrt(max(q, e)) if form == "max_q" else max(sqrt(q), e)

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
