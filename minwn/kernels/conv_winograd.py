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
A, G, B, which are matrix products as well. For x_bar the kernel is flipped.

Rounding. Each step sums: 4 terms in B x and A^T y, 9 in G w, A (...) and G^T (...), and in between
c channels, or t tiles. So with u = 2^-24, and || of every matrix and array entry by entry,

    |error of y|      <=  (c + 20) u  |A| ((|G| |w|) (|B| |x|))
    |error of w_bar|  <=  (t + 14) u  |G^T| ((|A^T| |y|) (|B| |x|))         to first order in u

where the formula has  (9 c + 2) u |w| |x|.  The sums on the right are larger than |w| |x|, for
they mix the entries of a tile; on random numbers the error is about 1 to 2 times the formula's.
Two things are left to it. An entry of w that is exactly 0 is meant to let nothing through, as in
a masked kernel, and here would leave its rounding errors. And what is not finite, or becomes so
in a sum, spreads to its tile: then all is computed again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

from ..backend import Array, namespace, quiet
from ..ops.window import taps
from .channels import channels_last
from .conv_reads import Place, Shape, put, reads
from .conv_row_stack import blocks

__all__ = ["conv", "conv_input", "conv_weight", "forms", "pays"]

A = ((1, 1, 1, 0), (0, 1, -1, 1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
B = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))

MANY = 64  # channels: with fewer there is more to transform than to multiply
ENOUGH = 1 << 14  # entries of x or y in one of the 16 products
BARE = ((0, 0), (0, 0))  # no padding
CLOSE = {"stride": (1, 1), "dilation": (1, 1)}
APART = {"stride": (2, 2), "dilation": (1, 1)}  # tiles are two apart


@functools.cache
def forms(xp: Any) -> list[Array]:
    """The squares of A, G and B.   (4, 16), (16, 9), (16, 16)"""
    return [xp.kron(m, m) for m in (xp.asarray(m, dtype="float32") for m in (A, G, B))]


def pays(
    x: Array, y: Shape, kernel: Shape, *, groups: int, stride: Shape, dilation: Shape, **_: Any
) -> bool:
    """The rule: float32, 3 x 3 entries that touch, many channels, tiles many and well filled.

    y: the shape (n, o, *out)
    """
    if x.dtype.name != "float32" or kernel != (3, 3) or groups > 1:
        return False
    tiles, least = math.prod(_tiles(y[2:])), min(x.shape[1], y[1])
    if 4 * tiles > 1.25 * math.prod(y[2:]) or {*stride, *dilation} != {1}:
        return False
    return least >= MANY and len(x) * tiles * least >= ENOUGH


def conv(x: Array, w: Array, b: Array | None, y: Array, padding: Any) -> bool:
    """y = dT/dy + b, unless w has a 0 or y what is not finite; whether y is right.

    x: (n, c, *size)   w: (o, c, 3, 3)   y: (n, *out, o)
    """
    _, g, _ = forms(namespace(x))
    # BLAS is up to twice as fast with (e, c, o) in C order as with its transpose.
    w = namespace(x).ascontiguousarray(w.swapaxes(0, 1))
    return _products(x, w, g, b, y, padding)


def conv_input(y: Array, w: Array, b: Array | None, x: Array, padding: Any) -> bool:
    """x = dT/dx + b, likewise, padding being that of y as the input of a convolution.

    y: (n, o, *out)   w: (o, c, 3, 3)   x: (n, *size, c)
    """
    _, g, _ = forms(namespace(y))
    return _products(y, w, g[:, ::-1], b, x, padding)


def _products(x: Array, w: Array, g: Array, b: Array | None, y: Array, padding: Any) -> bool:
    """(n, c, *size), (c, o, 3, 3) -> (n, *out, o)"""
    if not w.all():
        return False
    xp, x, out = namespace(x), channels_last(x), y.shape[1:-1]
    a, _, _ = forms(xp)
    u = (g @ w.reshape(-1, 9).T).reshape(-1, *w.shape[:2])
    with quiet():
        for at in _blocks(y, u):
            products = _entries(x, at, padding) @ u  # (e, t, c), (e, c, o) -> (e, t, o)
            tile = a @ products.reshape(len(u), -1)
            if not math.isfinite(xp.vdot(tile, tile)):
                return False
            tile = tile.reshape(2, 2, *(p.stop - p.start for p in at), -1)
            if b is not None:
                tile += b
            for e, there, here in reads(at[1:], out, (2, 2), **APART, padding=BARE):
                y[(at[0], *there)] = tile[(*e, slice(None), *here)]
    return True


def conv_weight(y: Array, x: Array, w: Array, padding: Any) -> bool:
    """w = dT/dw, unless it has what is not finite; whether w is right.

    y: (n, o, *out)   x: (n, c, *size)   w: (o, c, 3, 3)
    """
    xp, x, y = namespace(x), channels_last(x), channels_last(y)
    a, g, _ = forms(xp)
    total = xp.zeros((len(g), *w.shape[:2]), dtype=w.dtype)
    with quiet():
        for at in _blocks(y, total):
            sent = (a.T @ _windows(y, at, 2, BARE)).reshape(len(g), -1, len(w))
            # (e, t, o), (e, t, c) -> (e, o, c)
            total += sent.swapaxes(1, 2) @ _entries(x, at, padding)
        w[...] = (total.reshape(len(g), -1).T @ g).reshape(w.shape)
    return bool(xp.isfinite(w).all())


def _entries(x: Array, at: Place, padding: Any) -> Array:
    """B x of some tiles.   -> (e, t, c)"""
    _, _, b = forms(namespace(x))
    return (b @ _windows(x, at, 4, padding)).reshape(len(b), -1, x.shape[-1])


def _windows(x: Array, at: Place, k: int, padding: Any) -> Array:
    """The windows of k x k entries that some tiles see.   (n, *size, c) -> (k k, t c)"""
    xp, c, tiles = namespace(x), x.shape[-1], tuple(p.stop - p.start for p in at)
    # Cut out of a copy that is still in the cache, which takes half the time.
    box = tuple(slice(2 * p.start, 2 * p.stop + k - 2) for p in at[1:])
    near = xp.empty((tiles[0], *(p.stop - p.start for p in box), c), dtype=x.dtype)
    for _, there, here in reads(box, x.shape[1:-1], (1, 1), **CLOSE, padding=padding):
        put(near, here, x[(at[0], *there)])
    cols = xp.empty((k, k, *tiles, c), dtype=x.dtype)
    for e, place in taps((k, k), tiles[1:], **APART):
        cols[e] = near[(slice(None), *place)]
    return cols.reshape(k * k, -1)


def _tiles(out: Shape) -> Shape:
    return tuple(-(-n // 2) for n in out)


def _blocks(y: Array, u: Array) -> Iterator[Place]:
    """Some tiles at a time; each time all of u is read, so let them be twice as large."""
    most = len(u) * max(u.shape[1:])
    return blocks((len(y), *_tiles(y.shape[1:-1])), most, least=2 * u.size)
