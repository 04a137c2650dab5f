"""The three products of `conv` for NumPy by im2col: windows in one copy, and one product for them.

In x with its zeros, entry k of the window of output p stands at  stride p + dilation k.  In all
axes this is a sum of steps, so the windows are an array already, with strides that let them
overlap. Written out, some outputs at a time, they are a matrix, and

    y = cols w^T      x_bar = y_bar w, added where it was read      w_bar = y_bar^T cols

There are two layouts. With channels last, (n, p) x (k, c), a window is copied in runs of c numbers,
or of whole rows of the kernel. With few channels these are too short, and channels come first,
(c, k) x (n, p): there the run is a row of outputs. A kernel of one entry needs no copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import mul
from typing import Any

from ..backend import Array, Namespace, namespace
from ..ops.window import taps
from .channels import along, channels_last, second
from .conv_windows import Place, Problem, Shape, blocks

__all__ = ["CHANNELS_FIRST", "CHANNELS_LAST", "Im2col"]


class Im2col:
    """im2col in one layout."""

    def __init__(self, *, channels_first: bool) -> None:
        self.first = channels_first

    def conv(self, p: Problem, x: Array, w: Array, b: Array | None) -> Array:
        """dT/dy + b.   (n, c, *size), (o, c/groups, *kernel) -> (n, o, *out)"""
        xp, rows = namespace(x), self._rows(p, w)
        y = xp.empty((p.n, *p.out, p.o), dtype=x.dtype)
        for at, cols in self._windows(p, x):
            part = y[at]
            # (g, p, ck), (g, ck, o) -> (g, p, o)
            xp.matmul(cols, rows, out=_by_group(part, p))
            if b is not None:
                part += b
        return second(y)

    def conv_input(self, p: Problem, y: Array, w: Array, b: Array | None) -> Array:
        """dT/dx + b.   (n, o, *out), (o, c/groups, *kernel) -> (n, c, *size)"""
        xp, y, rows = namespace(y), channels_last(y), self._rows(p, w)
        x = xp.empty((p.n, p.c, *p.size) if self.first else (p.n, *p.size, p.c), dtype=y.dtype)
        x = x if self.first else second(x)
        for block in blocks(p, max(p.c * p.taps, p.o)):
            z = self._zeros(p, block.n, xp, y.dtype)
            for tile in block.tiles:
                cols = self._columns(p, _by_group(y[tile.at], p), rows, tile.shape)
                near = z[tile.near]
                for e, place in taps(p.kernel, tile.shape[1:], p.stride, p.dilation):
                    near[(..., *place)] += cols[(slice(None), slice(None), *e)]
            found = z[(..., *p.inside)].reshape(p.c, block.n, *p.size).swapaxes(0, 1)
            x[block.examples] = found if b is None else found + along(b, x)
        return x

    def conv_weight(self, p: Problem, y: Array, x: Array) -> Array:
        """dT/dw.   (n, o, *out), (n, c, *size) -> (o, c/groups, *kernel)"""
        xp, y, each = namespace(x), channels_last(y), p.c // p.groups
        # (g, p, o), (g, p, ck) -> (g, o, ck)
        parts = (_by_group(y[at], p).swapaxes(1, 2) @ cols for at, cols in self._windows(p, x))
        total = next(parts, None)
        if total is None:  # there are no examples
            return xp.zeros((p.o, each, *p.kernel), dtype=x.dtype)
        for part in parts:
            total += part
        if self.first:
            return total.reshape(p.o, each, *p.kernel)
        return xp.ascontiguousarray(second(total.reshape(p.o, *p.kernel, each)))

    def _zeros(self, p: Problem, n: int, xp: Namespace, dtype: Any) -> Array:
        """(g, c/g, n, *padded), with channels first or last in memory"""
        each = p.c // p.groups
        if self.first:
            return xp.zeros((p.groups, each, n, *p.padded), dtype=dtype)
        z = xp.zeros((p.groups, n, *p.padded, each), dtype=dtype)
        return z.transpose(0, -1, *range(1, z.ndim - 1))

    def _rows(self, p: Problem, w: Array) -> Array:
        """(o, c/g, *kernel) -> (g, ck, o/g), or kc, copied in runs"""
        xp, each = namespace(w), p.o // p.groups
        if self.first:
            return w.reshape(p.groups, each, -1).swapaxes(1, 2)
        w = w.reshape(p.groups, each, *w.shape[1:])
        kernel = range(3, w.ndim)
        if abs(w.strides[1]) < abs(w.strides[2]):  # a flipped kernel
            rows = xp.ascontiguousarray(w.transpose(0, *kernel, 2, 1))
            return rows.reshape(p.groups, -1, each)
        rows = xp.ascontiguousarray(w.transpose(0, 1, *kernel, 2))
        return rows.reshape(p.groups, each, -1).swapaxes(1, 2)

    def _columns(self, p: Problem, sent: Array, rows: Array, outputs: Shape) -> Array:
        """The contribution of each output to its window.   -> (g, c/g, *kernel, n, *out)"""
        d, each = len(p.kernel), p.c // p.groups
        if self.first:  # (g, ck, o), (g, o, p) -> (g, ck, p)
            return (rows @ sent.swapaxes(1, 2)).reshape(p.groups, each, *p.kernel, *outputs)
        cols = sent @ rows.swapaxes(1, 2)  # (g, p, o), (g, o, kc) -> (g, p, kc)
        cols = cols.reshape(p.groups, *outputs, *p.kernel, each)
        return cols.transpose(0, -1, *range(d + 2, 2 * d + 2), *range(1, d + 2))

    def _windows(self, p: Problem, x: Array) -> Iterator[tuple[Place, Array]]:
        """Some outputs at a time: which, and their windows as rows.   -> (g, p, ck), or kc"""
        d, each, (xp, pointwise) = len(p.kernel), p.c // p.groups, (namespace(x), p.taps == 1)
        as_strided = xp.lib.stride_tricks.as_strided
        copied = self.first or not pointwise or p.padded != p.size
        x = x if copied else second(channels_last(x))
        for block in blocks(p, max(p.c * p.taps, p.o)):
            z = x[block.examples].reshape(block.n, p.groups, each, *p.size)
            z = z.transpose(1, 2, 0, *range(3, d + 3))
            if copied:
                z, bare = self._zeros(p, block.n, xp, x.dtype), z
                z[(..., *p.inside)] = bare
            group, channel, example, *axes = z.strides
            steps = (
                group, channel, *map(mul, axes, p.dilation), example, *map(mul, axes, p.stride),
            )
            for tile in block.tiles:
                shape = (p.groups, each, *p.kernel, *tile.shape)
                every = as_strided(z[tile.near], shape, steps)
                if self.first:
                    cols = every.copy().reshape(p.groups, each * p.taps, -1).swapaxes(1, 2)
                else:
                    every = every.transpose(0, *range(d + 2, 2 * d + 3), *range(2, d + 2), 1)
                    # BLAS does not take a view whose rows overlap as a matrix.
                    every = every if pointwise else every.copy()
                    cols = every.reshape(p.groups, -1, p.taps * each)
                yield tile.at, cols


def _by_group(y: Array, p: Problem) -> Array:
    """(n, *out, o) -> (g, p, o/g), a view where channels are last in memory"""
    return y.reshape(math.prod(y.shape[:-1]), p.groups, -1).swapaxes(0, 1)


CHANNELS_FIRST = Im2col(channels_first=True)
CHANNELS_LAST = Im2col(channels_first=False)
