"""The three products of `conv` for kernels of 3 x 3, with 4 multiplications in place of 9.

Two neighbouring outputs of a row are six products,  y0 = d0 g0 + d1 g1 + d2 g2  and
y1 = d1 g0 + d2 g1 + d3 g2.  Winograd's F(2, 3) needs four (Lavin and Gray, arXiv:1509.09308):

    y = A ((G g) * (B d))      A = | 1  1  1  0 |   G = |  1    0   0  |   B = | 1  0 -1  0 |
                                   | 0  1 -1  1 |       | 1/2  1/2 1/2 |       | 0  1  1  0 |
                                                        | 1/2 -1/2 1/2 |       | 0 -1  1  0 |
                                                        |  0    0   1  |       | 0 -1  0  1 |

In two dimensions a tile of 2 x 2 outputs sees 4 x 4 entries, and A, G, B stand for their Kronecker
squares: 16 multiplications for 36. Over channels, the form of `conv`, with e one of the 16 and
t the tiles, is

    T(y, w, x) = sum_{e,t,o,c} (A^T y)[e,t,o] (G w)[e,o,c] (B x)[e,t,c]

and leaving out one of the three gives the products: for each e a matrix product, in between
A, G, B, which are matrix products as well. x_bar is the conv of y_bar by the flipped kernel.

Rounding. Each step sums: 4 terms in B x and A^T y, 9 in G w, A (...) and G^T (...), and in between
c channels, or t tiles. So with u = 2^-24, and || of every matrix and array entry by entry,

    |error of y|      <=  (c + 20) u  |A| ((|G| |w|) (|B| |x|))
    |error of w_bar|  <=  (t + 14) u  |G^T| ((|A^T| |y|) (|B| |x|))         to first order in u

where the formula has  (9 c + 2) u |w| |x|.  The sums on the right are larger than |w| |x|, for
they mix the entries of a tile; on random numbers the error is about 1 to 2 times the formula's.
Two cases are left to other ways. An entry of w that is exactly 0 lets nothing through, as in a
masked kernel, and here would leave its rounding errors. And a number that is not finite, or becomes
so in a sum, spreads over its tile: then the next way computes all of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, namespace, quiet
from ..ops.window import taps
from .channels import channels_last, last, second
from .conv_windows import Place, Problem, Shape, blocks

__all__ = ["conv", "conv_weight", "forms", "serves"]

A = ((1, 1, 1, 0), (0, 1, -1, 1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
B = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))

MANY = 64  # channels: with fewer there is more to transform than to multiply
ENOUGH = 1 << 14  # entries of x or y in one of the 16 products


@functools.cache
def forms(xp: Any) -> list[Array]:
    """The squares of A, G and B.   (4, 16), (16, 9), (16, 16)"""
    return [xp.kron(m, m) for m in (xp.asarray(m, dtype="float32") for m in (A, G, B))]


def serves(p: Problem) -> bool:
    """float32, 3 x 3 entries that touch, many channels, tiles many and well filled."""
    if p.dtype.name != "float32" or p.kernel != (3, 3) or p.groups > 1:
        return False
    tiles, least = math.prod(_halved(p.out)), min(p.c, p.o)
    if 4 * tiles > 1.25 * math.prod(p.out) or {*p.stride, *p.dilation} != {1}:
        return False
    return least >= MANY and p.n * tiles * least >= ENOUGH


def conv(p: Problem, x: Array, w: Array, b: Array | None) -> Array | None:
    """dT/dy + b, or None where w has a 0, or y a number that is not finite.

    x: (n, c, *size)   w: (o, c, 3, 3)   y: (n, o, *out)
    """
    if not w.all():
        return None
    xp, (a, g, _) = namespace(x), forms(namespace(x))
    y = xp.empty((p.n, *p.out, p.o), dtype=x.dtype)
    # BLAS is up to twice as fast with (e, c, o) in C order as with its transpose.
    w = xp.ascontiguousarray(w.swapaxes(0, 1))
    u = (g @ w.reshape(-1, 9).T).reshape(-1, *w.shape[:2])
    with quiet():
        for at, shape, entries in _tiles(p, u, x):
            products = entries @ u  # (e, t, c), (e, c, o) -> (e, t, o)
            tile = a @ products.reshape(len(u), -1)
            if not math.isfinite(xp.vdot(tile, tile)):
                return None
            tile = tile.reshape(2, 2, *shape, -1)
            if b is not None:
                tile += b
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                part = _every_second(y, at, i, j)
                part[...] = tile[i, j, :, : part.shape[1], : part.shape[2]]
    return second(y)


def conv_weight(p: Problem, y: Array, x: Array) -> Array | None:
    """dT/dw, or None where it has a number that is not finite.

    y: (n, o, *out)   x: (n, c, *size)   w: (o, c, 3, 3)
    """
    xp, y, (a, g, _) = namespace(x), channels_last(y), forms(namespace(x))
    total = xp.zeros((len(g), p.o, p.c), dtype=x.dtype)
    with quiet():
        for at, shape, entries in _tiles(p, total, x):
            tile = xp.zeros((2, 2, *shape, p.o), dtype=x.dtype)
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                part = _every_second(y, at, i, j)
                tile[i, j, :, : part.shape[1], : part.shape[2]] = part
            sent = (a.T @ tile.reshape(4, -1)).reshape(len(g), -1, p.o)
            total += sent.swapaxes(1, 2) @ entries  # (e, t, o), (e, t, c) -> (e, o, c)
        w = (total.reshape(len(g), -1).T @ g).reshape(p.o, p.c, 3, 3)
    return w if xp.isfinite(w).all() else None


def _every_second(y: Array, at: Place, i: int, j: int) -> Array:
    """Output (i, j) of some tiles, where there is one.   (n, *out, o) -> (n, *tiles, o)"""
    some, rows, columns = at
    rows, columns = (slice(2 * q.start + k, 2 * q.stop, 2) for q, k in ((rows, i), (columns, j)))
    return y[some, rows, columns]


def _tiles(p: Problem, u: Array, x: Array) -> Iterator[tuple[Place, Shape, Array]]:
    """Some tiles at a time: which, how many along each axis, and B x of them.   -> (e, t, c)"""
    xp, halved, (*_, b) = namespace(x), _halved(p.out), forms(namespace(x))
    inside = tuple(slice(lo, lo + n) for n, (lo, _) in zip(p.size, p.padding, strict=True))
    apart = p._replace(out=halved, stride=(2, 2))
    # All of u is read for each block, so a block has at least twice as many numbers.
    for block in blocks(apart, len(u) * max(p.o, p.c), 2 * u.size):
        z = xp.zeros((block.n, *(2 * t + 2 for t in halved), p.c), dtype=x.dtype)
        z[(slice(None), *inside)] = last(x[block.examples])
        for tile in block.tiles:
            near = last(second(z)[tile.near])
            yield tile.at, tile.shape, (b @ _windows(near, tile.shape[1:])).reshape(16, -1, p.c)


def _windows(near: Array, count: Shape) -> Array:
    """The windows of 4 x 4 entries that tiles see.   (n, *padded, c) -> (16, t c)"""
    cols = namespace(near).empty((4, 4, len(near), *count, near.shape[-1]), dtype=near.dtype)
    for e, place in taps((4, 4), count, (2, 2), (1, 1)):
        cols[e] = near[(slice(None), *place)]
    return cols.reshape(16, -1)


def _halved(out: Shape) -> Shape:
    return tuple(-(-n // 2) for n in out)
