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
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy

from ..backend import quiet

__all__ = ["DISTRUST", "Contraction", "Line", "Measured", "complex_step", "ladder"]

Line = Callable[[numpy.ndarray, numpy.ndarray], numpy.ndarray]

RUNGS, RATIO = 5, 4.0  # five steps, each a quarter of the one before
COMPLEX_STEP = 2.0**-66  # relative; its square is far below the unit roundoff
DISTRUST = 100.0  # the estimate is of the right order, but has been seen too low by 30


class Contraction:
    """Outputs seen through k cotangents: (b, m), (k, m) -> (b, k); through none, themselves."""

    def __init__(self, cotangents: numpy.ndarray | None) -> None:
        self.cotangents = cotangents

    def __call__(self, y: numpy.ndarray) -> numpy.ndarray:
        return y if self.cotangents is None else y @ self.cotangents.T

    def size(self, y: numpy.ndarray) -> numpy.ndarray:
        """The same sum over absolute values: no cancellation hides in it."""
        y = numpy.abs(y)
        return y if self.cotangents is None else y @ numpy.abs(self.cotangents).T


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

    def __getitem__(self, rows: Any) -> Measured:
        return Measured(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def __setitem__(self, rows: Any, other: Measured) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)

    def per(self, length: float) -> Measured:
        """The same derivatives along tangents shorter by this factor."""
        size = abs(length)
        return Measured(
            self.value / length, self.estimate / size, self.floor / size, self.scale / size,
            self.kink,
        )  # fmt: skip

    def sharp(self, u: float) -> Any:
        """Whether it could see an error of a thousandth."""
        return self.allowed(u**0.56) <= min(1e4 * u**0.56, 5e-4) * self.scale

    def settled(self) -> Any:
        """Whether rounding, not the length of the steps, is what limits it."""
        return self.estimate <= self.floor

    def clearer_than(self, other: Measured, u: float) -> Any:
        """Sizes of error alone do not tell: over far too long a step, everything is small."""
        sharp, with_sharp = self.sharp(u), other.sharp(u)
        with quiet():
            finer = self.estimate / self.scale < other.estimate / other.scale
        lost = ~numpy.isfinite(other.value)
        unsharp = ~other.settled() & (self.settled() | finer | lost)
        closer = self.allowed(u**0.56) < other.allowed(u**0.56)
        return numpy.where(sharp != with_sharp, sharp, numpy.where(sharp, closer, unsharp))

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
) -> Measured:
    """Extrapolated central differences from the given first steps: (b,) -> Measured (b, k).

    centre: f(x), (m,). u: the unit roundoff of f's arithmetic. Costs 2 RUNGS evaluations a row.
    """
    above: list[numpy.ndarray] = []
    bends, candidates = [], []
    with quiet():
        for rung in range(RUNGS):
            h = (step / RATIO**rung)[:, None]
            up, down = line(rows, h[:, 0]), line(rows, -h[:, 0])
            floor = 8 * u * contract.size(numpy.maximum(abs(up), abs(down))) / h
            scale = contract.size(up - down) / (2 * h)
            # The difference of the one-sided quotients. It shrinks with h, but not at a kink.
            bends.append(abs(contract((up - centre) - (centre - down))) / h)
            here = [contract(up - down) / (2 * h)]
            for j, coarser in enumerate(above, 1):
                here.append(here[-1] + (here[-1] - coarser) / (RATIO ** (2 * j) - 1))
                estimate = numpy.maximum(abs(here[-1] - here[-2]), abs(here[-1] - coarser))
                candidates.append((here[-1], estimate, floor, scale))
            above = here
        value, estimate, floor, scale = map(numpy.stack, zip(*candidates, strict=True))
        doubt = estimate + floor
        best = numpy.where(numpy.isfinite(doubt), doubt, numpy.inf).argmin(axis=0)[None]
        kink = (
            (bends[-1] > 0.7 * bends[-2])
            & (bends[-2] > 0.7 * bends[-3])
            & (bends[-1] > 16 * floor[-1] + 1e-9 * scale[-1])
        )
    value, estimate, floor, scale = (
        numpy.take_along_axis(a, best, axis=0)[0] for a in (value, estimate, floor, scale)
    )
    return Measured(value, estimate, floor, scale, kink)


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
        floor = 16 * u * contract.size(centre[None]) / length[:, None]
        nothing = numpy.zeros_like(value)
        return Measured(value, nothing, floor, scale, nothing.astype(bool))
