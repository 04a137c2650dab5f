"""A layer by loops over its definition: a second route, which shares nothing with `layer`.

Each product of an entry of x and one of w that is summed into an entry of y is found by its
indices, in the declared layout. The arithmetic is that of the arrays; with `fractions` it is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["by_loops", "fractions"]

Index = tuple[int, ...]
fractions = np.vectorize(Fraction, otypes=[object])


def by_loops(
    x: Any, w: Any, b: Any, y_bar: Any, **options: Any
) -> dict[str, np.ndarray]:
    """y, x_bar, w_bar and b_bar. L = <y_bar, y>, and a product y_bar w x has three derivatives.

    x, y_bar, w: in the declared layout   b: (o,), or None   options: of `products`
    """
    last = options["layout"] == "flax"
    y, x_bar, w_bar = (np.zeros(a.shape, a.dtype) for a in (y_bar, x, w))
    for i, j, k in products(x.shape, w.shape, y.shape, **options):
        y[i] += w[j] * x[k]
        x_bar[k] += w[j] * y_bar[i]
        w_bar[j] += x[k] * y_bar[i]
    found = {"y": y, "x_bar": x_bar, "w_bar": w_bar}
    if b is not None:
        found["b_bar"] = np.zeros(b.shape, b.dtype)
        for i in np.ndindex(y.shape):
            o = i[-1 if last else 1]
            y[i] += b[o]
            found["b_bar"][o] += y_bar[i]
    return found


def products(
    x_shape: Index, w_shape: Index, y_shape: Index, *, layout: str, transposed: bool, stride: Index,
    dilation: Index, before: Index, groups: int,
) -> Iterator[tuple[Index, Index, Index]]:
    """(entry of y, entry of w, entry of x) of every product.

    Window p and tap k meet entry stride p + dilation k - before of the wide array, which is x, or,
    of a transposed layer, y. before: entries of padding before the first
    """
    last = layout == "flax"
    n, c, o = x_shape[0], x_shape[-1 if last else 1], y_shape[-1 if last else 1]
    taps = w_shape[:-2] if last else w_shape[2:]
    x_size, y_size = ((a[1:-1] if last else a[2:]) for a in (x_shape, y_shape))
    wide, windows = (y_size, x_size) if transposed else (x_size, y_size)
    for p, k in itertools.product(np.ndindex(*windows), np.ndindex(*taps)):
        each = zip(stride, p, dilation, k, before, strict=True)
        q = tuple(s * a + d * b - e for s, a, d, b, e in each)
        if any(not 0 <= a < size for a, size in zip(q, wide, strict=True)):
            continue
        at_x, at_y = (p, q) if transposed else (q, p)
        tap = tuple(t - 1 - a for t, a in zip(taps, k, strict=True)) if last and transposed else k
        for s, i, j in itertools.product(range(n), range(o), range(c // groups)):
            group = i // (o // groups)
            channel = group * (c // groups) + j
            pair = (channel, i - group * (o // groups)) if transposed else (i, j)
            if last:
                at_w = (*tap, *(pair if transposed else pair[::-1]))
                yield (s, *at_y, i), at_w, (s, *at_x, channel)
            else:
                yield (s, i, *at_y), (*pair, *tap), (s, channel, *at_x)
