"""Rows of x stacked so that the windows of a convolution lie in memory as they are.

For one row of outputs of a k x k kernel, stack the k rows of x that it sees, channels last:

    z[q] = (x[i, q], x[i+1, q], ..., x[i+k-1, q])           k c numbers for each column q

Then the window of output j is z[j], ..., z[j+k-1]: one unbroken run of k k c numbers. Runs that
start k columns apart do not overlap, so z from column r on, cut into pieces of k columns, is a
matrix of windows as it stands:

    windows of outputs r, r+k, r+2k, ...  =  z[r:].reshape(-1, k k c)      for r = 0, ..., k-1

and x was copied k times, where writing out all windows copies it k k times. The rows of a tile
stand one after the other and share the zeros between them; what is computed across a seam is
dropped. A row with a dilation is that many rows, interleaved. In any number of dimensions the rows
lie along the last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..backend import Array, accumulator, namespace
from .conv_reads import Place, Shape, put, reads, run

__all__ = ["Stack", "blocks", "conv", "conv_weight", "matrix", "stacks"]

TILE = 1 << 19  # numbers in z: 2 MB of float32, about what a core keeps close


def conv(x: Array, w: Array, b: Array | None, y: Array, **shape: Any) -> None:
    """y = dT/dy + b.   (n, *size, c), (o, c, *kernel) -> (n, *out, o)"""
    xp, last = namespace(x), w.ndim - 1
    rows = matrix(w, (last, *range(2, last)))
    for at, z in stacks(x, y.shape[1:-1], w.shape[2:], **shape):
        part = y[at]
        direct = part.flags.c_contiguous and part.dtype == rows.dtype and not z.seams
        flat = part.reshape(-1, len(w)) if direct else xp.empty((z.every, len(w)), rows.dtype)
        for r in range(z.kernel):
            xp.matmul(z.windows(r), rows, out=flat[r :: z.kernel])  # (p, k kc), (k kc, o)
        kept = part if direct else z.apart(flat)
        if b is not None:
            xp.add(kept, b, out=part, casting="same_kind")
        elif kept is not part:
            part[...] = kept


def conv_weight(y: Array, x: Array, w: Array, **shape: Any) -> None:
    """dT/dw, written into w.   (n, *out, o), (n, *size, c) -> (o, c, *kernel)"""
    xp, wide, (o, c, *kernel) = namespace(x), accumulator(x.dtype), w.shape
    shares = (o, kernel[-1], math.prod(kernel[:-1]) * c)
    total, share = xp.zeros(shares, dtype=wide), xp.empty(shares, dtype=wide)
    # Each tile passes over all of w once: make it some times as large.
    for at, z in stacks(x, y.shape[1:-1], w.shape[2:], least=4 * total.size, **shape):
        flat = xp.zeros((z.every, o), dtype=wide)
        z.apart(flat)[...] = y[at]
        for e in range(kernel[-1]):
            xp.matmul(flat.T, z.columns(e), out=share[:, e])  # (p, o), (p, kc) -> (o, kc)
        total += share
    taps = total.reshape(o, kernel[-1], *kernel[:-1], c)
    for tap in itertools.product(*map(range, kernel)):
        w[(..., *tap)] = taps[(slice(None), tap[-1], *tap[:-1])]


def matrix(w: Array, axes: Iterable[int] | None = None) -> Array:
    """(o, c, *kernel) -> (kernel c, o), copied in the order in which w can be read in runs

    axes: those of the kernel, in the order of the rows; as they stand, if None
    """
    xp, wide, axes = namespace(w), accumulator(w.dtype), axes or range(2, w.ndim)
    if abs(w.strides[0]) < abs(w.strides[1]):  # the flipped kernel of conv_input
        return xp.ascontiguousarray(w.transpose(*axes, 1, 0), dtype=wide).reshape(-1, len(w))
    rows = xp.ascontiguousarray(w.transpose(0, *axes, 1), dtype=wide)
    return rows.reshape(len(w), math.prod(w.shape[1:])).T


class Stack(NamedTuple):
    """The stacked rows of a tile, one after the other, in which the windows lie."""

    z: Array  # (columns, k c), the last few of them 0
    rows: Shape  # (n, *lead): how many rows of outputs
    outputs: int  # of a row
    seams: int  # more outputs of a row, which are to be dropped
    kernel: int

    @property
    def every(self) -> int:
        """Outputs, those to be dropped included."""
        return math.prod(self.rows) * (self.outputs + self.seams)

    def windows(self, r: int) -> Array:
        """The windows of outputs r, r + k, r + 2 k, ..., a view.   -> (p, k kc)"""
        many = len(range(r, self.every, self.kernel))
        run = self.kernel * self.z.shape[1]
        return self.z[r:][: many * self.kernel].reshape(many, run)

    def columns(self, e: int) -> Array:
        """What every output reads in column e of its window, a view.   -> (p, kc)"""
        return self.z[e:][: self.every]

    def apart(self, flat: Array) -> Array:
        """Without what is to be dropped.   (count, o) -> (*rows, outputs, o)"""
        return flat.reshape(*self.rows, self.outputs + self.seams, -1)[..., : self.outputs, :]


def stacks(
    x: Array, out: Shape, kernel: Shape, *, dilation: Shape, padding: Any, least: int = 0, **_: Any
) -> Iterator[tuple[Place, Stack]]:  # fmt: skip
    """Tile by tile, of `least` numbers or more: its place in y, and its rows, for stride 1.

    x: (n, *size, c)   y: (n, *out, o)
    """
    xp, wide, c = namespace(x), accumulator(x.dtype), x.shape[-1]
    k, d, (before, _), size = kernel[-1], dilation[-1], padding[-1], x.shape[-2]
    taps, memory = math.prod(kernel[:-1]), xp.empty(0, dtype=wide)
    lead = {"stride": (1,) * len(out[:-1]), "dilation": dilation[:-1], "padding": padding[:-1]}
    for phase in range(min(d, out[-1])):
        phased = (x.shape[0], *out[:-1], len(range(phase, out[-1], d)))
        for at in blocks(phased, taps * c, least):
            *rows, outputs = (p.stop - p.start for p in at)
            # Column q reads x at  first + d q,  which is within x for left <= q < right.
            first = phase - before + d * at[-1].start
            columns = outputs - 1 + k
            left = min(max(-(first // d), 0), columns)
            right = max(min(-((first - size) // d), columns), left)
            # The zeros at the ends of a row are shared by neighbours.
            pitch = columns - min(left, columns - right, k - 1)
            filled, tail = math.prod(rows) * pitch, 2 * (k + 1)
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
            for tap, (_e, there, here) in enumerate(reading):
                put(inside[..., left:right, tap, :], here, x[(at[0], *there, line)])
            place = run(phase + d * at[-1].start, outputs, d)
            yield (*at[:-1], place), Stack(z, tuple(rows), outputs, pitch - outputs, k)


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
