"""Which entries of x the windows of a convolution read, as boxes of x: one for each kernel entry.

Along an axis, output p reads entry  s p + d i - before  of x, where i is the place in the kernel;
what lies outside 0, ..., n - 1 reads a zero. So the outputs that read x itself are a range, and
what they read is a slice with step s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ..backend import Array

__all__ = ["Place", "Shape", "frame", "put", "reads", "run"]

Shape = tuple[int, ...]
Place = tuple[slice, ...]


def reads(
    at: Place, size: Shape, kernel: Shape, *, stride: Shape, dilation: Shape, padding: Any
) -> Iterator[tuple[Shape, Place, Place]]:
    """For each kernel entry: itself, what of x the outputs `at` read, and which of them do."""
    for e in itertools.product(*map(range, kernel)):
        there, here = [], []
        for p, n, i, s, d, (before, _) in zip(at, size, e, stride, dilation, padding, strict=True):
            # s p + d i - before  is within 0, ..., n - 1
            shift = d * i - before
            low = min(max(-(shift // s), p.start), p.stop)
            high = max(min(-((shift - n) // s), p.stop), low)
            here.append(slice(low - p.start, high - p.start))
            there.append(run(s * low + shift, high - low, s))
        yield e, tuple(there), tuple(here)


def run(start: int, count: int, step: int) -> slice:
    """start, start + step, ...: count of them. (A stop below 0 would count from the end.)"""
    return slice(start, start + (count - 1) * step + 1, step) if count > 0 else slice(0, 0)


def put(z: Array, here: Place, x: Array) -> None:
    """z[:, *here] = x, and 0 everywhere else."""
    for axis, inside in enumerate(here, start=1):
        before = (slice(None),) * axis
        z[(*before, slice(0, inside.start))] = 0
        z[(*before, slice(inside.stop, None))] = 0
    z[(slice(None), *here)] = x


def frame(size: Shape, padding: Any) -> tuple[Shape, Place]:
    """The size with its padding, and where within it the array lies."""
    padded = tuple(n + sum(p) for n, p in zip(size, padding, strict=True))
    return padded, tuple(slice(b, b + n) for n, (b, _) in zip(size, padding, strict=True))
