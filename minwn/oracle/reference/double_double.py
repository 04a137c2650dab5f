r"""The truth for many slices at once: unevaluated sums of two float64, and a test of the rounding.

A number x is kept as hi + lo, |lo| <= ulp(hi) / 2, with 106 digits (Dekker 1971). What an
operation loses is below 16 u^2 with u = 2^-53. Sums are taken in halves, so that of m terms none
goes through more than k + 1 operations, k = ceil(log2 m), and for the counts C of k + 1 terms and
the sizes S of `error_bounds` an answer errs by less than E = 16 C u^2 S. Where x - E and x + E
round to the same number of the dtype, that number is the correctly rounded one (Ziv 1991). The
others, and slices whose numbers are beyond 2^+-100 or close to a kink, go to the exact route of
`truth`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy

from ... import forms
from .error_bounds import counts, sizes
from .exact import answers
from .rounding import Format
from .slices import Slices, arrays_of
from .truth import Expected

__all__ = ["bulk", "truths"]

U2 = 2.0**-106
PART = 2**13  # entries of a slice at once; a power of two, so that halves of a sum stay halves


class Problem(Protocol):
    """Arrays to be normalised, such as a Case."""

    @property
    def v(self) -> Any: ...
    @property
    def g(self) -> Any: ...
    @property
    def w_bar(self) -> Any: ...


class Double:
    """hi + lo, entry by entry; the operations of Dekker and Knuth, in numpy."""

    __slots__ = ("hi", "lo")

    def __init__(self, hi: Any, lo: Any = 0.0) -> None:
        self.hi, self.lo = hi, lo

    def __add__(self, other: Double) -> Double:
        s, e = _two_sum(self.hi, other.hi)
        t, f = _two_sum(self.lo, other.lo)
        s, e = _fast(s, e + t)
        return Double(*_fast(s, e + f))

    def __neg__(self) -> Double:
        return Double(-self.hi, -self.lo)

    def __mul__(self, other: Double) -> Double:
        p, e = _two_product(self.hi, other.hi)
        return Double(*_fast(p, e + (self.hi * other.lo + self.lo * other.hi)))

    def __truediv__(self, other: Double) -> Double:
        q = Double(self.hi / other.hi, numpy.zeros_like(self.hi / other.hi))
        for _ in range(2):
            rest = self + -(q * other)
            q = q + Double(rest.hi / other.hi, 0.0 * rest.hi)
        return q

    def sqrt(self) -> Double:
        x = numpy.sqrt(self.hi)
        root = Double(x, 0.0 * x)
        for _ in range(2):
            rest = self + -(root * root)
            root = root + Double(rest.hi / (2 * x), 0.0 * x)
        return root


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def _fast(a: Any, b: Any) -> tuple[Any, Any]:
    s = a + b
    return s, b - (s - a)


def _split(a: Any) -> tuple[Any, Any]:
    c = 134217729.0 * a  # 2^27 + 1
    hi = c - (c - a)
    return hi, a - hi


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    p, (a1, a2), (b1, b2) = a * b, _split(a), _split(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def bulk(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
) -> Expected:
    """What `expected` gives, uncertified, and the faster the more slices there are."""
    v, g, w_bar = arrays_of("bulk", v, g, w_bar)
    return _truths([(v, g, w_bar)], form, forms.check(form, eps))[0]


def truths(cases: Sequence[Problem], *, form: str = "plain", eps: float = 0.0) -> list[Expected]:
    """The same for many cases of one dtype, whose slices are evaluated together."""
    problems = [(case.v, case.g, case.w_bar) for case in cases]
    return _truths(problems, form, forms.check(form, eps))


def _truths(problems: Sequence[tuple[Any, Any, Any]], form: str, eps: float) -> list[Expected]:
    found: list[Expected | None] = [None] * len(problems)
    together: dict[int, list[int]] = {}
    slices = [Slices(v.shape, g.shape) for v, g, _ in problems]
    for i, each in enumerate(slices):
        # Slices of one width are one array. Zeros at the end do no harm, but to the m of rms.
        width = each.m if form == "rms" or each.m < 2 else 1 << (each.m - 1).bit_length()
        together.setdefault(width, []).append(i)
    for width, members in together.items():
        dtype = problems[members[0]][0].dtype
        parts = [_rows(*problems[i], slices[i], width) for i in members]
        v, w_bar, g = (numpy.concatenate(part) for part in zip(*parts, strict=True))
        rows = [slices[i].rows for i in members]
        lengths = numpy.repeat([slices[i].m for i in members], rows)
        answers = _rounded(v, g, w_bar, lengths, form, eps, Format.of(dtype))
        start = 0
        for i, count in zip(members, rows, strict=True):
            w, v_bar, g_bar = (x[start : start + count] for x in answers)
            start, m = start + count, slices[i].m
            found[i] = Expected(
                slices[i].join(w[:, :m], dtype),
                slices[i].join(v_bar[:, :m], dtype),
                g_bar.reshape(problems[i][1].shape).astype(dtype),
            )
    return [x for x in found if x is not None]


def _rows(v: Any, g: Any, w_bar: Any, slices: Slices, width: int) -> tuple[Any, Any, Any]:
    """v and w_bar as (rows, width), g as (rows, 1), in float64"""
    wide = numpy.zeros((2, slices.rows, width))
    for x, to in zip((v, w_bar), wide, strict=True):
        to[:, : slices.m] = slices.split(numpy.asarray(x).astype("float64"))
    return wide[0], wide[1], numpy.asarray(g).astype("float64").reshape(-1, 1)


def _rounded(
    v: numpy.ndarray, g: numpy.ndarray, w_bar: numpy.ndarray, lengths: numpy.ndarray, form: str,
    eps: float, target: Format,
) -> list[numpy.ndarray]:
    """w, v_bar and g_bar, of which those in doubt come from the exact route."""
    if not v.shape[1]:
        return [v, v, numpy.zeros_like(g)]
    with numpy.errstate(all="ignore"):
        found, sure = _evaluate(v, g, w_bar, form, eps, target)
    for i in numpy.flatnonzero(~sure):
        m = lengths[i]
        row, scalars = [v[i, :m], w_bar[i, :m], v[i, :m]], [float(g[i, 0])] * 2
        exact = answers(("w", "v_bar", "g_bar"), row, scalars, form, eps, target)
        found[0][i, :m], found[1][i, :m], found[2][i] = exact.values()
    return found


def _evaluate(
    v: numpy.ndarray, g: numpy.ndarray, w_bar: numpy.ndarray, form: str, eps: float, target: Format
) -> tuple[list[numpy.ndarray], numpy.ndarray]:
    """([w, v_bar, g_bar] as float64 that round to the truth, for which rows). (rows, m), (rows, 1)

    In the symbols of `truth`.
    """
    if form not in forms.FORMS:
        raise forms.unknown(form)
    m = v.shape[1]
    sure = numpy.ones(len(v), dtype=bool)
    for x in (v, g, w_bar):
        size = abs(x)
        sure &= ((size == 0) | ((size > 2.0**-100) & (size < 2.0**100))).all(1)
    G, e = (_double(x) for x in (g, numpy.full_like(g, eps)))
    parts = [slice(start, start + PART) for start in range(0, m, PART)]
    q, s = (
        _joined([_total(_double(x[:, part]) * _double(v[:, part])) for part in parts])
        for x in (v, w_bar)
    )
    k = _double(numpy.full_like(g, m if form == "rms" else 1.0))
    sure &= q.hi[:, 0] > 0
    low = None
    if form in ("max_q", "max_n"):
        floor = e if form == "max_q" else e * e
        low = q.hi < floor.hi
        sure &= (abs(q.hi - floor.hi) > 1e-12 * floor.hi)[:, 0]
        q = Double(numpy.where(low, floor.hi, q.hi), numpy.where(low, floor.lo, q.lo))
    h = t = (q + e if form == "inside" else q / k).sqrt()
    if form in ("outside", "rms"):
        h = t + e
    over = G / h
    bend = s / (k * t * h)  # -2 phi' s / phi
    if low is not None:
        bend = Double(numpy.where(low, 0.0, bend.hi), numpy.where(low, 0.0, bend.lo))
    S, *_ = sizes(v, g, w_bar, form=form, eps=eps)
    C = counts((m - 1).bit_length() + 1, form)
    found = [numpy.empty_like(v), numpy.empty_like(v), numpy.empty_like(g)]

    def fill(i: int, name: str, part: slice, answer: Double) -> None:
        error = 16 * C[name] * U2 * S[name][:, part]
        found[i][:, part], certain = _nearest(answer, error, target)
        sure[:] &= certain.all(1)

    for part in parts:
        V, W = _double(v[:, part]), _double(w_bar[:, part])
        fill(0, "w", part, over * V)
        fill(1, "v_bar", part, over * (W + -(bend * V)))
    fill(2, "g_bar", slice(None), s / h)
    return found, sure


def _nearest(
    answer: Double, error: numpy.ndarray, target: Format
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(the nearest number of the format, whether it is that of all within the error)"""
    hi, lo = answer.hi, answer.lo
    if target.p == 53:
        return hi, (hi + (lo + error) == hi) & (hi + (lo - error) == hi)
    error = error + abs(hi) * 2.0**-52
    rounded = target.round(hi + error)
    return rounded, rounded == target.round(hi - error)


def _joined(columns: Sequence[Double]) -> Double:
    """The sum of some (rows, 1), in halves."""
    if len(columns) == 1:
        return columns[0]
    hi, lo = (numpy.hstack([getattr(c, part) for c in columns]) for part in ("hi", "lo"))
    return _total(Double(hi, lo))


def _double(x: numpy.ndarray) -> Double:
    return Double(x, numpy.zeros_like(x))


def _total(x: Double) -> Double:
    """The sum over each row, in halves: (rows, m) -> (rows, 1)"""
    hi, lo = x.hi, x.lo
    while hi.shape[1] > 1:
        odd = Double(hi[:, -1:], lo[:, -1:]) if hi.shape[1] % 2 else None
        even = hi.shape[1] // 2 * 2
        half = Double(hi[:, :even:2], lo[:, :even:2]) + Double(hi[:, 1:even:2], lo[:, 1:even:2])
        hi, lo = half.hi, half.lo
        if odd is not None:
            hi, lo = (numpy.concatenate(pair, axis=1) for pair in ((hi, odd.hi), (lo, odd.lo)))
    return Double(hi, lo)
