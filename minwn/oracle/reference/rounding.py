"""The numbers of a binary format, and the nearest of them to (x + y sqrt(d)) / c: integers alone.

The floor of (x + y sqrt(d)) 2^k is an integer square root away, and as sqrt(d) is irrational, or y
is 0, there are no ties but rational ones.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy

from ...backend import dtype_of

__all__ = ["FORMATS", "Format", "as_float64", "nearest"]


class Format(NamedTuple):
    """A binary format: p digits, exponents of the least normal and of the largest number."""

    p: int
    least: int
    largest: int

    @classmethod
    def of(cls, dtype: Any) -> Format:
        """Raises TypeError for a dtype that is none of float16, bfloat16, float32, float64."""
        return _format_of(dtype)

    @property
    def name(self) -> str:
        """The name of the dtype."""
        return next(name for name, known in FORMATS.items() if known == self)

    @property
    def u(self) -> float:
        """The unit roundoff: half the distance from 1 to the next number."""
        return 2.0**-self.p

    @property
    def quantum(self) -> int:
        """The exponent of the least subnormal number."""
        return self.least - self.p + 1

    def round(self, x: numpy.ndarray) -> numpy.ndarray:
        """float64 numbers to the nearest of the format, ties to even."""
        unit = numpy.maximum(numpy.frexp(x)[1] - self.p, self.quantum)
        rounded = numpy.ldexp(numpy.rint(numpy.ldexp(x, -unit)), unit)
        largest = math.ldexp(2.0 - 2.0 * self.u, self.largest)
        return numpy.where(abs(rounded) > largest, numpy.copysign(math.inf, x), rounded)

    def ulp(self, x: float) -> int:
        """The exponent of the distance from x to the next number away from 0."""
        return max(math.frexp(x)[1] - self.p, self.quantum) if x else self.quantum


FORMATS = {
    "float16": Format(11, -14, 15),
    "bfloat16": Format(8, -126, 127),
    "float32": Format(24, -126, 127),
    "float64": Format(53, -1022, 1023),
}


@functools.cache
def _format_of(dtype: Any) -> Format:
    name = dtype_of(dtype).name
    if name not in FORMATS:
        raise TypeError(f"dtype {name}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]


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


def as_float64(x: Any) -> numpy.ndarray:
    """x in float64, which holds every number of every format exactly."""
    return numpy.asarray(x, dtype=numpy.float64)
