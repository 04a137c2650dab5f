"""Random bits that any language can make again: a congruential generator of 64 bits.

One step is x <- (a x + c) mod 2^64. So x_k = a^k x_0 + (1 + a + ... + a^(k-1)) c, and as many as
are wanted can be had at once.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy

__all__ = ["LCG"]

A, C = 6364136223846793005, 1442695040888963407
PART = 2**15  # numbers drawn at once: of the jumps to each, a table is kept


class LCG:
    """The random bits of one case, as in the docstring of `cases`."""

    def __init__(self, letter: str, number: int, p: int) -> None:
        self.x, self.p = (ord(letter) << 32) + number, p

    def step(self) -> int:
        """The next 64 bits, as a whole number."""
        self.x = (A * self.x + C) % 2**64
        return self.x

    def steps(self, count: int) -> numpy.ndarray:
        """The next states, as many as `count`, in uint64, whose products are taken mod 2^64."""
        powers, sums = _jumps(max(count - 1, 0).bit_length())
        with numpy.errstate(over="ignore"):
            states = powers[:count] * numpy.uint64(self.x) + sums[:count]
        self.x = int(states[-1]) if count else self.x
        return states

    def integer(self, a: int, b: int) -> int:
        """A whole number from a to b."""
        return a + ((self.step() >> 32) * (b - a + 1) >> 32)

    def real(self, a: int, b: int) -> float:
        """A signed number of p digits, its exponent from a to b."""
        x, p = self.step(), self.p
        K = x >> (64 - p) & (1 << p - 1) - 1
        size = math.ldexp((1 << p - 1) + K, self.integer(a, b) - p + 1)
        return -size if x >> 63 else size

    def reals(self, a: int, b: int, count: int) -> list[float]:
        """[real(a, b), ...]"""
        found: list[float] = self.array(a, b, count).tolist()
        return found

    def array(self, a: int, b: int, count: int) -> numpy.ndarray:
        """The same in float64."""
        found = numpy.empty(count)
        for start in range(0, count, PART):
            part = found[start : start + PART]
            part[...] = self._part(a, b, len(part))
        return found

    def _part(self, a: int, b: int, count: int) -> numpy.ndarray:
        x, p = self.steps(2 * count), self.p
        bits, digits = x[::2], numpy.uint64(p - 1)
        K = (bits << numpy.uint64(1)) >> numpy.uint64(65 - p)
        e = ((x[1::2] >> numpy.uint64(32)) * numpy.uint64(b - a + 1)) >> numpy.uint64(32)
        size = ((numpy.uint64(1) << digits) + K).astype("float64")
        size = numpy.ldexp(size, e.astype("int64") + (a - p + 1))
        return numpy.where(bits >> numpy.uint64(63), -size, size)


@functools.cache
def _jumps(doublings: int) -> tuple[Any, Any]:
    """(a^k, 1 + ... + a^(k-1) times c) for k = 1, ..., 2^doublings"""
    if not doublings:
        return numpy.array([A], "uint64"), numpy.array([C], "uint64")
    powers, sums = _jumps(doublings - 1)
    return (
        numpy.concatenate([powers, powers * powers[-1]]),
        numpy.concatenate([sums, powers * sums[-1] + sums]),
    )
