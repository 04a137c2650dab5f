"""Along what to measure: single entries of x, or directions, with lengths for the first step."""

from __future__ import annotations

import numpy

from ..backend import Generator

__all__ = [
    "Directions", "Entries", "halves", "power_of_two", "random_directions", "signed", "size_of",
    "sizes_of",
]  # fmt: skip


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
        return numpy.eye(1, self.x.size, row).reshape(self.x.shape)

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """Lengths over which f may change, the likeliest first, the finest last."""
        whole = numpy.full(len(rows), self.size)
        own = power_of_two(self.x.reshape(-1)[rows])
        own = numpy.where(own > 0, own, whole)
        return [whole, own, numpy.ones_like(whole), whole * 2.0**-11, whole * 2.0**-22]


class Directions:
    """Given tangents: (count, *x.shape)."""

    def __init__(self, x: numpy.ndarray, tangents: numpy.ndarray) -> None:
        self.x, self.count, self.size = x, len(tangents), size_of(x)
        self.tangents = tangents

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        return self.x + h.reshape(-1, *(1,) * self.x.ndim) * self.tangents[rows]

    def dot(self, x_bar: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """<x_bar_k, t_b>: (k, n), (b, n) -> (b, k)"""
        return self.tangents[rows].reshape(len(rows), -1) @ x_bar.T

    def bound(self, error: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        return abs(self.tangents[rows]).reshape(len(rows), -1) @ error.T

    def tangent(self, row: int) -> numpy.ndarray:
        return self.tangents[row]

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """As for Entries, but counted in lengths of the tangents."""
        one = numpy.ones(len(rows))  # all entries move: a quarter of what is right for one
        return [one / 4, one / self.size, one * 2.0**-11, one * 2.0**-22]


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
