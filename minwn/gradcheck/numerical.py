"""Derivatives that are measured: what the gradient checker compares a derivation with.

Central differences over a ladder of steps, extrapolated to h = 0 (Richardson), with the rung
whose error estimate is least (Ridders 1982, doi:10.1016/S0141-1195(82)80057-0):

    D(h) = (f(x + h t) - f(x - h t)) / 2h = f'(x) t + c2 h^2 + c4 h^4 + ...

and the complex step, which subtracts nothing (Squire & Trapp 1998, doi:10.1137/S003614459631241X):

    Im f(x + i h t) / h = f'(x) t + O(h^2).

The complex step is right only where f never takes a modulus or a conjugate. Through
`numpy.linalg.norm` it returns, exactly and without a warning, the gradient of weight
normalisation without its projection. So it is never believed unverified.

A `line(rows, h)` evaluates f at x + h_b t_b for the tangents t_b named by rows: (b,) -> (b, m).
The three finest rungs often are enough; the two longer steps are taken where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy

from ..backend import quiet

__all__ = ["DISTRUST", "Contraction", "Line", "Measured", "complex_step", "ladder"]

Line = Callable[[numpy.ndarray, numpy.ndarray], numpy.ndarray]

DISTRUST = 100.0  # the estimate is of the right order, but has been seen too low by 30
RUNGS, RATIO = 5, 4.0  # five steps, each a quarter of the one before
FINE = 3  # the rungs that are tried first
COMPLEX_STEP = 2.0**-66  # relative; its square is far below the unit roundoff


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
    add up to the value. kink: the two one-sided derivatives differ.
    """

    value: numpy.ndarray
    estimate: numpy.ndarray
    floor: numpy.ndarray
    scale: numpy.ndarray
    kink: numpy.ndarray

    def allowed(self, rtol: float) -> numpy.ndarray:
        """How far a correct derivative may be from the value."""
        return rtol * self.scale + DISTRUST * self.estimate + self.floor

    def each(self, change: Callable[[Any], Any]) -> Measured:
        """The same change made to each field."""
        return Measured(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def __getitem__(self, rows: Any) -> Measured:
        return self.each(lambda a: a[rows])

    def __setitem__(self, rows: Any, other: Measured) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)

    def per(self, length: Any) -> Measured:
        """The same derivatives along tangents shorter by this factor."""
        size = abs(length)
        return Measured(
            self.value / length, self.estimate / size, self.floor / size, self.scale / size,
            self.kink,
        )  # fmt: skip

    def crisp(self, enough: float) -> bool:
        """Whether its own errors are all below this share of the terms."""
        return bool((DISTRUST * self.estimate + self.floor <= enough * self.scale).all())

    def sharp(self, u: float) -> Any:
        """Whether it could see an error of a thousandth."""
        return self.allowed(u**0.56) <= min(1e4 * u**0.56, 5e-4) * self.scale

    def settled(self) -> Any:
        """Whether rounding, not the length of the steps, is what limits it."""
        return self.estimate <= self.floor

    def sees(self, rtol: float) -> float:
        """The share of S that would have been noticed as an error, wherever S itself is more than
        a millionth of the largest."""
        counts = self.scale > 1e-6 * self.scale.max(initial=0.0)
        with quiet():
            return float((self.allowed(rtol)[counts] / self.scale[counts]).max(initial=0.0))

    def clearer_than(self, other: Measured, u: float) -> Any:
        """Sizes of error alone do not tell: over far too long a step, everything is small."""
        sharp, with_sharp = self.sharp(u), other.sharp(u)
        with quiet():
            finer = self.estimate / self.scale < other.estimate / other.scale
        lost = ~numpy.isfinite(other.value)
        unsharp = ~other.settled() & (self.settled() | finer | lost)
        closer = self.allowed(u**0.56) < other.allowed(u**0.56)
        return numpy.where(sharp != with_sharp, sharp, numpy.where(sharp, closer, unsharp))

    def agrees_with(self, other: Measured, rtol: float) -> Any:
        with quiet():
            return abs(self.value - other.value) <= self.allowed(rtol) + other.allowed(rtol)

    def contradicts(self, claimed: numpy.ndarray, rtol: float) -> Any:
        with quiet():
            return numpy.logical_not(abs(claimed - self.value) <= self.allowed(rtol))


def ladder(
    line: Line,
    rows: numpy.ndarray,
    step: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
    enough: float = 0.0,
) -> Measured:
    """Extrapolated central differences from the given first steps: (b,) -> Measured (b, k).

    centre: f(x), (m,). u: the unit roundoff of f's arithmetic. Costs 2 RUNGS evaluations a row, or
    2 FINE where these leave errors below `enough` of the terms, a kink apart.
    """
    steps = [step / RATIO**rung for rung in range(RUNGS)]
    with quiet():
        fine = _quotients(line, rows, steps[-FINE:], centre, contract, u)
        if enough > 0:
            found = _extrapolated(*fine)
            if found.crisp(enough) and not found.kink.any():
                return found
        coarse = _quotients(line, rows, steps[:-FINE], centre, contract, u)
        return _extrapolated(*map(numpy.concatenate, zip(coarse, fine, strict=True)))


def _quotients(
    line: Line, rows: Any, steps: Any, centre: numpy.ndarray, contract: Contraction, u: float
) -> tuple[numpy.ndarray, ...]:
    """D(h) for r steps, and there the floor, the scale, and the bend, which is the difference of
    the one-sided quotients: it shrinks with h, but not at a kink. Each (r, b, k)."""
    still, found = contract.size(centre), []
    for step in steps:
        h, up = step[:, None], line(rows, step)
        rise = up - line(rows, -step)
        up -= centre
        whole, half = contract(rise), contract(up)
        scale, above = contract.size(rise, rise), contract.size(up, up)
        floor = 8 * u * (still + above + scale) / h
        found.append((whole / (2 * h), floor, scale / (2 * h), abs(2 * half - whole) / h))
    return tuple(map(numpy.array, zip(*found, strict=True)))


def _extrapolated(
    slope: numpy.ndarray, floor: numpy.ndarray, scale: numpy.ndarray, bend: numpy.ndarray
) -> Measured:
    """Richardson's table over the rungs, coarsest first, and of it what errs least."""
    above: list[numpy.ndarray] = []
    values, estimates, rungs = [], [], []
    for rung, here in enumerate(slope):
        row = [here]
        for j, coarser in enumerate(above, 1):
            row.append(row[-1] + (row[-1] - coarser) / (RATIO ** (2 * j) - 1))
            values.append(row[-1])
            estimates.append(numpy.maximum(abs(row[-1] - row[-2]), abs(row[-1] - coarser)))
            rungs.append(rung)
        above = row
    estimate = numpy.array(estimates)
    doubt = estimate + floor[rungs]
    best = numpy.where(numpy.isfinite(doubt), doubt, numpy.inf).argmin(axis=0)
    rung, (row, column) = numpy.array(rungs)[best], numpy.indices(best.shape, sparse=True)
    kink = (
        (bend[-1] > 0.7 * bend[-2])
        & (bend[-2] > 0.7 * bend[-3])
        & (bend[-1] > 16 * floor[-1] + 1e-9 * scale[-1])
    )
    return Measured(
        numpy.array(values)[best, row, column], estimate[best, row, column],
        floor[rung, row, column], scale[rung, row, column], kink,
    )  # fmt: skip


def complex_step(
    line: Line,
    rows: numpy.ndarray,
    length: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
) -> Measured:
    """Im f(x + i h t) / h, h far below the length over which f changes: (b,) -> Measured (b, k).

    Raises TypeError where f answers a complex argument with real numbers.
    """
    h = (length * COMPLEX_STEP)[:, None]
    y = line(rows, 1j * h[:, 0])
    if y.dtype.kind != "c":
        raise TypeError("f answers complex arguments with real numbers")
    with quiet():
        rise = numpy.ascontiguousarray(y.imag)
        value, scale = contract(rise) / h, contract.size(rise) / h
        floor = 16 * u * contract.size(centre) / length[:, None]
        nothing = numpy.zeros_like(value)
        return Measured(value, nothing, floor, scale, nothing.astype(bool))
