"""Numerical differentiation: the derivatives with which the analytic ones are compared.

Central differences over a sequence of steps, extrapolated to h = 0 (Richardson), where the entry of
the table with the least estimated error is taken (Ridders 1982, doi:10.1016/S0141-1195(82)80057-0):

    D(h) = (f(x + h t) - f(x - h t)) / 2h = f'(x) t + c2 h^2 + c4 h^4 + ...

The complex step, which subtracts nothing (Squire & Trapp 1998, doi:10.1137/S003614459631241X):

    Im f(x + i h t) / h = f'(x) t + O(h^2).

It is right only where f never takes a modulus or a conjugate. Through `numpy.linalg.norm` it
returns, exactly and without a warning, the gradient of weight normalisation without its projection.
So nothing here should believe it unverified.

`central_differences` and `complex_step` measure many tangents at once: a `line(rows, h)` evaluates
f at x + h_b t_b for the tangents t_b numbered by rows, (b,) -> (b, m), which are `Entries` of x or
`Directions`. `central_difference`, `ridders` and `complex_derivative` do the same for one function
of one real number. `adjoint_gap` and `taylor_remainder` are the two identities that a derivative
must satisfy, summed without rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy

from ..backend import Generator, quiet

__all__ = [
    "DISTRUST", "Contraction", "Derivative", "Directions", "Entries", "Line", "Measured",
    "adjoint_gap", "central_difference", "central_differences", "complex_derivative",
    "complex_step", "halves", "noise_along", "power_of_two", "random_directions", "ridders",
    "signed", "size_of", "sizes_of", "spread", "taylor_remainder",
]

Line = Callable[[numpy.ndarray, numpy.ndarray], numpy.ndarray]

DISTRUST = 100.0  # the estimate is of the right order, but has been seen too low by 30
STEPS, RATIO = 5, 4.0  # five steps, each a quarter of the one before
FINE = 3  # the steps that are tried first
COMPLEX_STEP = 2.0**-66  # relative; its square is far below the unit roundoff
NOISY = 4.0  # standard deviations of f's noise that are allowed for


# ---- tangents ------------------------------------------------------------------------------------


def power_of_two(x: numpy.ndarray) -> numpy.ndarray:
    """The power of two just below |x|; 0 where x is 0."""
    mantissa, exponent = numpy.frexp(abs(x))
    return numpy.where(mantissa > 0, numpy.ldexp(0.5, exponent), 0.0)


def size_of(x: numpy.ndarray) -> float:
    """The power of two just below the largest |x|; 1 for an array of zeros."""
    return float(power_of_two(abs(x).max())) or 1.0


def sizes_of(x: numpy.ndarray) -> numpy.ndarray:
    """The power of two just below each |x|; for a zero, the least of the others."""
    own = power_of_two(x)
    return numpy.where(own > 0, own, own.min(initial=size_of(x), where=own > 0))


def spread(x: numpy.ndarray) -> float:
    """The size of the least |x| that is not 0, as a share of the largest; 2^-256 at the least."""
    return max(float(sizes_of(x).min(initial=size_of(x))) / size_of(x), 2.0**-256)


def signed(rng: Generator, shape: tuple[int, ...], bits: int = 12) -> numpy.ndarray:
    """Random numbers of either sign with sizes from 1 to 2, of so many bits after the point."""
    fraction = rng.integers(-(2**bits), 2**bits, shape) / 2.0**bits
    return fraction + numpy.where(fraction < 0, -1.0, 1.0)


class Entries:
    """The unit vectors: one entry of x at a time."""

    def __init__(self, x: numpy.ndarray) -> None:
        self.x, self.count, self.size = x, x.size, size_of(x)

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        """x + h_b t_b: (b, *x.shape)"""
        y = numpy.empty((len(rows), self.x.size), h.dtype)
        y[:] = self.x.reshape(-1)
        y[numpy.arange(len(rows)), rows] += h
        return y.reshape(-1, *self.x.shape)

    def dot(self, x_bar: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """<x_bar_k, t_b>: (k, n) -> (b, k)"""
        return x_bar[:, rows].T

    def bound(self, error: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """sum_i |error_ki t_bi|: what errors of the entries come to along the tangents."""
        return error[:, rows].T

    def tangent(self, row: int) -> numpy.ndarray:
        """1 at the entry of that number, 0 elsewhere."""
        return numpy.eye(1, self.x.size, row).reshape(self.x.shape)

    def least(self, rows: numpy.ndarray) -> numpy.ndarray:
        """The least length over which f may change: for complex steps, which may be as short."""
        return sizes_of(self.x).reshape(-1)[rows]

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """Lengths over which f may change, the likeliest first, the finest last."""
        whole = numpy.full(len(rows), self.size)
        own = power_of_two(self.x.reshape(-1)[rows])
        own = numpy.where(own > 0, own, whole)
        return [whole, own, numpy.ones_like(whole), *(whole * 2.0**-e for e in (11, 22, 33))]


class Directions:
    """Given tangents: (count, *x.shape)."""

    def __init__(self, x: numpy.ndarray, tangents: numpy.ndarray) -> None:
        self.x, self.count, self.size = x, len(tangents), size_of(x)
        self.tangents = tangents

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        """x + h t for these rows, each with its own h.   -> (rows, *x.shape)"""
        return self.x + h.reshape(-1, *(1,) * self.x.ndim) * self.tangents[rows]

    def dot(self, x_bar: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """<x_bar_k, t_b>: (k, n), (b, n) -> (b, k)"""
        return self.tangents[rows].reshape(len(rows), -1) @ x_bar.T

    def bound(self, error: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """What errors of the entries of a gradient can add up to along these rows."""
        return abs(self.tangents[rows]).reshape(len(rows), -1) @ error.T

    def tangent(self, row: int) -> numpy.ndarray:
        """The tangent of a row, in the shape of x."""
        return self.tangents[row]

    def least(self, rows: numpy.ndarray) -> numpy.ndarray:
        """As for Entries, but counted in lengths of the tangents."""
        return numpy.full(len(rows), self.spread)

    @cached_property
    def spread(self) -> float:
        """The function of the same name, of x."""
        return spread(self.x)

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """As for Entries, but counted in lengths of the tangents."""
        one = numpy.ones(len(rows))  # all entries move: a quarter of what is right for one
        return [one / 4, one / self.size, *(one * 2.0**-e for e in (11, 22, 33))]


def random_directions(x: numpy.ndarray, count: int, rng: Generator, bits: int = 4) -> Directions:
    """Random tangents at x, with no component small enough to hide an error in it.

    Components are +-1 to 2 times a power of two, of a few bits, so that x + h t is computed without
    a rounding error that 1/h could magnify. They follow the size of the whole x and, in every
    second direction, the size of each entry. Two errors, equal but for the sign, hide where their
    components are equal: once in 2^bits.
    """
    tangents = signed(rng, (count, *x.shape), bits)
    tangents[0::2] *= size_of(x)
    tangents[1::2] *= sizes_of(x)
    return Directions(x, tangents)


def halves(x: numpy.ndarray, tangent: numpy.ndarray, support: numpy.ndarray) -> Directions:
    """The tangent restricted to either half of the entries listed in support."""
    pair = numpy.zeros((2, x.size))
    for half, entries in zip(pair, numpy.array_split(support, 2), strict=True):
        half[entries] = tangent.reshape(-1)[entries]
    return Directions(x, pair.reshape(2, *x.shape))


# ---- many tangents at once ----------------------------------------------------------------------


class Contraction:
    """Outputs seen through k cotangents: (..., m), (k, m) -> (..., k); none: as they are."""

    def __init__(self, cotangents: numpy.ndarray | None) -> None:
        self.cotangents = cotangents

    def __call__(self, y: numpy.ndarray) -> numpy.ndarray:
        return y if self.cotangents is None else y @ self.cotangents.T

    def size(self, y: numpy.ndarray, out: numpy.ndarray | None = None) -> numpy.ndarray:
        """The same sum over absolute values, which may go to `out`: no cancellation hides in it."""
        if self.cotangents is None:
            return numpy.abs(y)
        return numpy.abs(y, out=out) @ numpy.abs(self.cotangents).T


@dataclass
class Measured:
    """Derivatives along b tangents through k cotangents, each field of shape (b, k).

    value: NaN where f was not finite on either side. estimate: of the extrapolation's error.
    floor: what rounding in f can do to it. scale: sum |u_j| |J_ji|, the size of the terms that
    add up to the value; and secant: the same sum over the slopes of the steps themselves. bend: by
    how much the two one-sided derivatives differ, where that does not shrink with the step.
    """

    value: numpy.ndarray
    estimate: numpy.ndarray
    floor: numpy.ndarray
    scale: numpy.ndarray
    secant: numpy.ndarray
    bend: numpy.ndarray

    @property
    def kink(self) -> numpy.ndarray:
        """Where there are two one-sided derivatives."""
        return self.bend > 0

    @property
    def least_bend(self) -> numpy.ndarray:
        """What a bend must be to be told from rounding, also at steps 64 times shorter."""
        return 64 * 16 * self.floor + 1e-9 * self.scale

    def allowed(self, rtol: float) -> numpy.ndarray:
        """How far a correct derivative may be from the value."""
        return rtol * self.scale + DISTRUST * self.estimate + self.floor

    def contradicts(self, analytic: numpy.ndarray, rtol: float) -> numpy.ndarray:
        """Whether the analytic derivative is farther from the value than is allowed."""
        with quiet():
            return numpy.logical_not(abs(analytic - self.value) <= self.allowed(rtol))

    def apply(self, change: Callable[[Any], Any]) -> Measured:
        """The same change made to each field."""
        return Measured(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def __getitem__(self, rows: Any) -> Measured:
        return self.apply(lambda a: a[rows])

    def __setitem__(self, rows: Any, other: Measured) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)

    def per(self, length: Any) -> Measured:
        """The same derivatives along tangents shorter by this factor."""
        size = abs(length)
        return Measured(
            self.value / length, self.estimate / size, self.floor / size, self.scale / size,
            self.secant / size, self.bend / size,
        )

    @staticmethod
    def joined(parts: list[Measured]) -> Measured:
        """The rows of all parts."""
        columns = ([getattr(p, f.name) for p in parts] for f in fields(Measured))
        return Measured(*map(numpy.concatenate, columns))


def central_differences(
    line: Line,
    rows: numpy.ndarray,
    step: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
    enough: float = 0.0,
    noise: numpy.ndarray | None = None,
) -> Measured:
    """Extrapolated central differences from the given first steps: (b,) -> Measured (b, k).

    centre: f(x), (m,). u: the unit roundoff of f's arithmetic. noise: how far f(x) is known to be
    from a smooth function, (m,), where that is more. Costs 2 STEPS evaluations a row, or 2 FINE
    where these leave errors below `enough` of the terms, and no kink.
    """
    steps = [step / RATIO**i for i in range(STEPS)]
    with quiet():
        still = 8 * u * contract.size(centre)
        if noise is not None:
            still = still + NOISY * contract.size(noise)
        fine = _quotients(line, rows, steps[-FINE:], centre, still, contract, u)
        if enough > 0:
            found = _extrapolated(*fine)
            precise = DISTRUST * found.estimate + found.floor <= enough * found.scale
            if precise.all() and not found.kink.any():
                return found
        coarse = _quotients(line, rows, steps[:-FINE], centre, still, contract, u)
        found = _extrapolated(*map(numpy.concatenate, zip(coarse, fine, strict=True)))
    if noise is not None:  # it moves the estimate, too, and is no reason to distrust that
        found.estimate = numpy.maximum(found.estimate - found.floor / NOISY, 0.0)
    return found


def _quotients(
    line: Line,
    rows: Any,
    steps: Any,
    centre: numpy.ndarray,
    still: numpy.ndarray,
    contract: Contraction,
    u: float,
) -> tuple[numpy.ndarray, ...]:
    """D(h) for r steps, and there the floor, the size of the terms, that of the one-sided ones, and
    the bend, which is the difference of the one-sided quotients: it shrinks with h, but not at a
    kink. Each (r, b, k)."""
    found = []
    for step in steps:
        h, up = step[:, None], line(rows, step)
        rise = up - line(rows, -step)
        up -= centre
        whole, half = contract(rise), contract(up)
        scale, above = contract.size(rise, rise), contract.size(up, up)
        floor = (still + 8 * u * (above + scale)) / h
        bend = abs(2 * half - whole) / h
        found.append((whole / (2 * h), floor, scale / (2 * h), above / h, bend))
    return tuple(map(numpy.array, zip(*found, strict=True)))


def _extrapolated(
    slope: numpy.ndarray,
    floor: numpy.ndarray,
    scale: numpy.ndarray,
    aside: numpy.ndarray,
    bend: numpy.ndarray,
) -> Measured:
    """Richardson's table over the steps, longest first, and of it what errs least."""
    above: list[Any] = []
    values, estimates, steps = [], [], []
    for i, here in enumerate(slope):
        row = _next_row(above, here, RATIO)
        for j in range(1, len(row)):
            values.append(row[j])
            estimates.append(numpy.maximum(abs(row[j] - row[j - 1]), abs(row[j] - above[j - 1])))
            steps.append(i)
        above = row
    estimate = numpy.array(estimates)
    doubt = estimate + floor[steps]
    best = numpy.where(numpy.isfinite(doubt), doubt, numpy.inf).argmin(axis=0)
    step, (row, column) = numpy.array(steps)[best], numpy.indices(best.shape, sparse=True)
    kink = (
        (bend[-1] > 0.7 * bend[-2])
        & (bend[-2] > 0.7 * bend[-3])
        & (bend[-1] > 16 * floor[-1] + 1e-9 * scale[-1])
    )
    value, terms = numpy.array(values)[best, row, column], scale[step, row, column]
    secant = numpy.maximum(terms, aside[step, row, column])
    # But for rounding, the shortest step must not be farther from the value than those it is from.
    off = abs(slope - value)
    astray = off[-1] - numpy.maximum.accumulate(off)[step, row, column] - floor[-1]
    error = numpy.fmax(estimate[best, row, column], astray)
    # Extrapolated, too: over far too long a step the terms may be large, and their sum nothing.
    terms = numpy.minimum(terms, _next_row([scale[-2]], scale[-1], RATIO)[1])
    return Measured(
        value, error, floor[step, row, column],
        numpy.maximum(terms, abs(value)), secant, numpy.where(kink, bend[-1], 0.0),
    )


def _next_row(above: list[Any], quotient: Any, ratio: float) -> list[Any]:
    """The next row of Richardson's table, for a step shorter by `ratio` than that of `above`:
    entry j is free of the error terms up to h^2j."""
    row = [quotient]
    for j, coarser in enumerate(above, 1):
        row.append(row[-1] + (row[-1] - coarser) / (ratio ** (2 * j) - 1))
    return row


def complex_step(
    line: Line,
    rows: numpy.ndarray,
    length: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
    least: numpy.ndarray | None = None,
) -> Measured:
    """Im f(x + i h t) / h, with h = 2^-66 of `least`: (b,) -> Measured (b, k).

    length: over which f changes; least: over which it may, where some entries are small. Raises
    TypeError where f answers a complex argument with real numbers.
    """
    h = ((length if least is None else least) * COMPLEX_STEP)[:, None]
    y = line(rows, 1j * h[:, 0])
    if y.dtype.kind != "c":
        raise TypeError("f answers complex arguments with real numbers")
    with quiet():
        rise = numpy.ascontiguousarray(y.imag)
        value, scale = contract(rise) / h, contract.size(rise) / h
        floor = 16 * u * contract.size(centre) / length[:, None]
        nothing = numpy.zeros_like(value)
        return Measured(value, nothing, floor, scale, scale.copy(), nothing.copy())


def noise_along(y: numpy.ndarray) -> numpy.ndarray:
    """How far f is from a smooth function, from its values at equally spaced points: (p, m) -> (m,)

    Sixth differences leave nothing of a function that is smooth over the spacing, and 30 times the
    standard deviation of independent errors (Hamming 1971, section 6). p > 6; the largest counts.
    """
    sixth = numpy.abs(numpy.diff(y, 6, axis=0)).max(axis=0) / math.sqrt(924)
    return numpy.where(numpy.isfinite(sixth), sixth, 0.0)


# ---- one function of one real number ------------------------------------------------------------


@dataclass(frozen=True)
class Derivative:
    """f'(0), the estimated error, and the size of what was divided: max (|f(h)| + |f(-h)|) / 2h.

    The unit roundoff times the size is what rounding in f does to the value.
    """

    value: float
    estimate: float
    size: float


def central_difference(f: Callable[[float], Any], h: float) -> Any:
    """(f(h) - f(-h)) / 2h, which is f'(0) + O(h^2); f may return an array."""
    return (f(h) - f(-h)) / (2 * h)


def ridders(f: Callable[[float], float], h: float) -> Derivative:
    """f'(0) by Ridders' extrapolation of six central differences, the first with step h, each
    other with half of the one before.

    Stops early where the estimate is below 8 u of the size: shorter steps find no more there.
    """
    above: list[float] = []
    value, estimate, size = math.nan, math.inf, 0.0
    for _ in range(6):
        up, down = f(h), f(-h)
        size = max(size, (abs(up) + abs(down)) / (2 * h))
        row = _next_row(above, (up - down) / (2 * h), 2.0)
        for j in range(1, len(row)):
            e = max(abs(row[j] - row[j - 1]), abs(row[j] - above[j - 1]))
            if e <= estimate:
                value, estimate = row[j], e
        if estimate <= 8 * 2.0**-53 * size:
            break
        above, h = row, h / 2.0
    return Derivative(value, estimate, size)


def complex_derivative(f: Callable[[complex], Any], length: float) -> Any:
    """Im f(i h) / h with h = 2^-66 of the length over which f changes; f may return an array."""
    h = length * COMPLEX_STEP
    return numpy.imag(f(1j * h)) / h


# ---- identities ---------------------------------------------------------------------------------

Pair = tuple[Any, Any]


def adjoint_gap(outputs: Iterable[Pair], inputs: Iterable[Pair]) -> tuple[float, float]:
    """<u, J t> - <J^T u, t>, which is 0, and the size of its terms: the sum of their moduli.

    outputs: pairs (u, J t) of arrays. inputs: pairs (J^T u, t), one for each argument. Products are
    rounded once, and their sum not at all.
    Necessary for two products of one matrix, not sufficient: two that lack the same term agree.
    """
    return _exact_sum([*_terms(outputs), *(-x for x in _terms(inputs))])


def taylor_remainder(
    there: Iterable[Pair], here: Iterable[Pair], slope: Iterable[Pair]
) -> tuple[float, float]:
    """<u, f(x + s)> - <u, f(x)> - <J^T u, s>, which is O(|s|^2), and the size of its terms.

    there: pairs (u, f(x + s)). here: (u, f(x)). slope: (J^T u, s), one for each argument. Products
    are rounded once, and their sum not at all.
    """
    return _exact_sum([*_terms(there), *(-x for x in [*_terms(here), *_terms(slope)])])


def _terms(pairs: Iterable[Pair]) -> list[float]:
    """The products of the entries of all pairs, in one list."""
    products = (numpy.multiply(x, y, dtype="float64") for x, y in pairs)
    return [term for product in products for term in product.reshape(-1).tolist()]


def _exact_sum(terms: list[float]) -> tuple[float, float]:
    """The sum, and the sum of the moduli; NaN where a term is not finite."""
    if not all(map(math.isfinite, terms)):
        return math.nan, math.inf
    return math.fsum(terms), math.fsum(map(abs, terms))
