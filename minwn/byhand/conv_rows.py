"""Rows of x stacked so that the windows of a convolution lie in memory as they are.

For one row of outputs of a k x k kernel, stack the k rows of x that it sees, channels last:

    z[q] = (x[i, q], x[i+1, q], ..., x[i+k-1, q])           k c numbers for each column q

Then the window of output j is z[j], ..., z[j+k-1]: one unbroken run of k k c numbers. Runs that
start k columns apart do not overlap, so z from column r on, cut into pieces of k columns, is a
matrix of windows as it stands:

    windows of outputs r, r+k, r+2k, ...  =  z[r:].reshape(-1, k k c)      for r = 0, ..., k-1

and x was copied k times, where writing out all windows copies it k k times. The rows of a tile
stand one after the other and share the zeros between them; what is computed across a seam is
dropped. With a stride s the pieces are ceil(k/s) s columns long. A row with a dilation is that
many rows, interleaved. In any number of dimensions the rows lie along the last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..backend import Array, accumulator, namespace
from .conv_reads import Place, Shape, put, reads, run

__all__ = ["Stack", "blocks", "stacks"]

TILE = 1 << 19  # numbers in z: 2 MB of float32, about what a core keeps close


class Stack(NamedTuple):
    """The stacked rows of a tile, one after the other, in which the windows lie."""

    z: Array  # (columns, k c), the last few of them 0
    rows: Shape  # (n, *lead): how many rows of outputs
    outputs: int  # of a row
    seams: int  # more outputs of a row, which are to be dropped
    kernel: int
    stride: int
    gather: bool  # whether the windows are better copied than cut out with their seams

    @property
    def step(self) -> int:
        """How many outputs on the next window begins where this one has ended."""
        return -(-self.kernel // self.stride)

    @property
    def every(self) -> int:
        """Outputs, those to be dropped included."""
        return math.prod(self.rows) * (self.outputs + self.seams)

    def windows(self, r: int, step: int | None = None) -> Array:
        """The windows of outputs r, r + step, ..., a view.   -> (p, k kc)"""
        step = step or self.step
        many = len(range(r, self.every, step))
        pieces = self.z[r * self.stride :][: many * step * self.stride].reshape(many, -1)
        return pieces[:, : self.kernel * self.z.shape[1]]

    def gathered(self) -> Array:
        """All windows, in a copy where there is more than one in a row.   -> (p, k kc)"""
        every = self.outputs + self.seams
        if self.outputs == 1:
            return self.windows(0, every)
        run = self.kernel * self.z.shape[1]
        cols = namespace(self.z).empty(
            (math.prod(self.rows), self.outputs, run), dtype=self.z.dtype
        )
        for j in range(self.outputs):
            cols[:, j] = self.windows(j, every)
        return cols.reshape(-1, run)

    def columns(self, e: int) -> Array:
        """What every output reads in column e of its window, a view.   -> (p, kc)"""
        pieces = self.z[e:][: self.every * self.stride].reshape(self.every, -1)
        return pieces[:, : self.z.shape[1]]

    def apart(self, flat: Array) -> Array:
        """Without what is to be dropped.   (count, o) -> (*rows, outputs, o)"""
        return flat.reshape(*self.rows, self.outputs + self.seams, -1)[..., : self.outputs, :]


def stacks(
    x: Array, out: Shape, kernel: Shape, o: int, *, stride: Shape, dilation: Shape, padding: Any,
    least: int = 0,
) -> Iterator[tuple[Place, Stack]]:  # fmt: skip
    """Tile by tile, of `least` numbers or more: its place in y, of o channels, and its rows.

    x: (n, *size, c)   y: (n, *out, o)
    """
    xp, wide, c = namespace(x), accumulator(x.dtype), x.shape[-1]
    k, s, d, (before, _), size = kernel[-1], stride[-1], dilation[-1], padding[-1], x.shape[-2]
    taps, memory = math.prod(kernel[:-1]), xp.empty(0, dtype=wide)
    lead = {"stride": stride[:-1], "dilation": dilation[:-1], "padding": padding[:-1]}
    for phase in range(min(d, out[-1])):
        phased = (x.shape[0], *out[:-1], len(range(phase, out[-1], d)))
        for at in blocks(phased, taps * c * s, least):
            *rows, outputs = (p.stop - p.start for p in at)
            # Column q reads x at  first + d q,  which is within x for left <= q < right.
            first = phase - before + d * s * at[-1].start
            columns = (outputs - 1) * s + k
            left = min(max(-(first // d), 0), columns)
            right = max(min(-((first - size) // d), columns), left)
            pitch, gather = _pitch(left, columns - right, columns, outputs, k, s, o)
            filled, tail = math.prod(rows) * pitch, 2 * (k + s)
            need = (filled + pitch + tail) * taps * c
            if memory.size < need:
                memory = xp.empty(need, dtype=wide)
            z = memory[:need].reshape(-1, taps * c)
            z[filled : filled + tail] = 0
            inside = z[:filled].reshape(*rows, pitch, taps, c)
            inside[..., :left, :, :] = 0
            inside[..., right:, :, :] = 0
            line = run(first + d * left, right - left, d)
            reading = reads(at[1:-1], x.shape[1:-2], kernel[:-1], **lead)
            for tap, (_, there, here) in enumerate(reading):
                put(inside[..., left:right, tap, :], here, x[(at[0], *there, line)])
            place = run(phase + d * at[-1].start, outputs, d)
            yield (
                (*at[:-1], place),
                Stack(z, tuple(rows), outputs, pitch // s - outputs, k, s, gather),
            )


def _pitch(
    before: int, after: int, columns: int, outputs: int, k: int, s: int, o: int
) -> tuple[int, bool]:
    """Columns from row to row, and whether the windows are better gathered than cut out.

    before, after: the zeros at the ends of a row, which neighbours share. A window gathered is
    k kc numbers copied; a window dropped is k kc o products, each about 1/10 of a copy.
    """
    whole = -(-columns // s) * s
    shared = -(-(columns - min(before, after, max(k - s, 0))) // s) * s
    if outputs == 1 or (shared // s - outputs) * o > 10 * outputs:
        return whole, True
    return shared, False


def blocks(sizes: Shape, cost: int, least: int = 0) -> Iterator[Place]:
    """An index space in blocks, whole along the last axes, of what fits into a tile.

    cost: how many numbers an entry stands for. least: a tile is so large, or larger.
    """
    takes, tile = [], max(TILE, least)
    for n in reversed(sizes):
        most = min(n, max(1, tile // max(cost, 1)))
        takes.append(-(-n // -(-n // most)) if n else 1)  # blocks of about one size
        cost *= takes[-1]
    starts = (range(0, n, t) for n, t in zip(sizes, reversed(takes), strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + t, n)) for a, t, n in zip(corner, reversed(takes), sizes, strict=True)
        )
