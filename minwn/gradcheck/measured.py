"""A derivative that was measured, through some cotangents, and how far it is to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy

from ..backend import quiet

__all__ = ["DISTRUST", "Contraction", "Measured"]

DISTRUST = 100.0  # the estimate is of the right order, but has been seen too low by 30


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
