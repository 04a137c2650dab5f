r"""What a whole layer is: y and its gradients from the definition, and how far off one may be.

With p running over windows, k over taps and (c, o) over the channels of one group, let

    T(y, w, x) = sum_{n,o,c,p,k} y[n,o,p] w[o,c,k] x[n,c,q]    q = stride p + dilation k - before

where an x outside of its array is 0. T is linear in each array; leaving one out gives the products

    read(x, w) = dT/dy        write(y, w) = dT/dx        weigh(y, x) = dT/dw

A convolution reads: y = read(x, w) + b, x_bar = write(y_bar, w), w_bar = weigh(y_bar, x). A
transposed convolution writes: y = write(x, w) + b, x_bar = read(y_bar, w), w_bar = weigh(x, y_bar).
A linear layer is a convolution without axes. In all of them b_bar is the sum of y_bar over
everything but its channel.

Bounds. An entry of a product is a sum of K products, so that in any order of summation it is off by
at most gamma(K) S, with gamma(C) = C u / (1 - C u) and S the same product of absolute values. The
weight is itself rounded, with the count C of `error_bounds`, in proportion to |w|:

    y       K + C[w] + 5                 S = |x| |w| + |b|
    x_bar   K + C[w] + 4                 S = |y_bar| |w|
    w_bar   K + 2                        S = |y_bar| |x|
    b_bar   K + 1                        S = the sum of |y_bar|
    v_bar   C[v_bar] + K + K[y] + 4      S of v_bar, with the S of w_bar in the place of |w_bar|
    g_bar   C[g_bar] + K + K[y] + 4      the same

K of the last two is that of w_bar; K[y] is there because g_bar may be summed from y in the place of
w_bar. These hold for y = (g / h) read(x, v) + b as well. What is computed here, in float64, has the
same bounds with u = 2^-53, which are added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .error_bounds import counts, gamma, sizes
from .rounding import Format

__all__ = ["Layer", "Windows", "read", "weigh", "write"]

Array = np.ndarray
U64 = 2.0**-53


@dataclass(frozen=True)
class Windows:
    """Tap k of window p reads entry stride p + dilation k - before of the wide array.

    size: of the wide array   out: how many windows, each of them along each axis
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    out: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    groups: int = 1

    def entries(self, axis: int) -> tuple[Array, Array]:
        """(which entry, whether it is inside) by tap and window along an axis. (kernel, out)"""
        taps, windows = np.arange(self.kernel[axis]), np.arange(self.out[axis])
        q = self.dilation[axis] * taps[:, None] + self.stride[axis] * windows - self.before[axis]
        return q, (q >= 0) & (q < self.size[axis])

    def columns(self, x: Array) -> Array:
        """x[n, c, q] by tap and window.   (n, c, *size) -> (n, c, *kernel, *out)"""
        d = len(self.size)
        for axis in reversed(range(d)):
            q, inside = self.entries(axis)
            x = np.take(x, np.clip(q, 0, self.size[axis] - 1), axis=2 + axis)
            x = x * inside.reshape(inside.shape + (1,) * (x.ndim - 4 - axis))
        return x.transpose(0, 1, *range(2, 2 + 2 * d, 2), *range(3, 3 + 2 * d, 2))

    def collect(self, cols: Array) -> Array:
        """The adjoint of `columns`: what windows have in one entry is added."""
        d = len(self.size)
        order = [2 + i + j * d for i in range(d) for j in (0, 1)]
        x = cols.transpose(0, 1, *order)
        for axis in range(d):
            q, inside = self.entries(axis)
            x = np.moveaxis(x, (2 + axis, 3 + axis), (0, 1))
            total = np.zeros((self.size[axis], *x.shape[2:]), x.dtype)
            for k in range(self.kernel[axis]):  # for one tap, no entry occurs twice
                total[q[k][inside[k]]] += x[k][inside[k]]
            x = np.moveaxis(total, 0, 2 + axis)
        return x

    def cut(self, x: Array) -> Array:
        """(n, c, *kernel, *out) -> (n, groups, c/groups kernel, out)"""
        d = len(self.kernel)
        channels = x.shape[1] // self.groups * math.prod(self.kernel)
        return x.reshape(x.shape[0], self.groups, channels, math.prod(x.shape[2 + d :]))


def read(x: Array, w: Array, windows: Windows) -> Array:
    """dT/dy.   (n, c, *size), (o, c/groups, *kernel) -> (n, o, *out)"""
    rows = w.reshape(windows.groups, w.shape[0] // windows.groups, -1)
    y = rows @ windows.cut(windows.columns(x))  # (g, o, ck), (n, g, ck, p) -> (n, g, o, p)
    return y.reshape(x.shape[0], w.shape[0], *windows.out)


def write(y: Array, w: Array, windows: Windows) -> Array:
    """dT/dx.   (n, o, *out), (o, c/groups, *kernel) -> (n, c, *size)"""
    return windows.collect(sent(y, w, windows))


def sent(y: Array, w: Array, windows: Windows) -> Array:
    """What each window adds to each entry that it reads.   -> (n, c, *kernel, *out)"""
    G, n = windows.groups, y.shape[0]
    rows = w.reshape(G, w.shape[0] // G, -1).swapaxes(1, 2)
    cols = rows @ y.reshape(n, G, w.shape[0] // G, -1)
    return cols.reshape(n, G * w.shape[1], *windows.kernel, *windows.out)


def weigh(y: Array, x: Array, windows: Windows) -> Array:
    """dT/dw.   (n, o, *out), (n, c, *size) -> (o, c/groups, *kernel)"""
    G, o = windows.groups, y.shape[1]
    cols = windows.cut(windows.columns(x)).swapaxes(2, 3)
    w = (y.reshape(y.shape[0], G, o // G, -1) @ cols).sum(axis=0)
    return w.reshape(o, x.shape[1] // G, *windows.kernel)


Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Layer:
    """A convolution, or a transposed one, of arrays of one size.

    x: (n, c, *size)   w: (o, c/groups, *kernel), transposed (c, o/groups, *kernel)   b: (o,)
    pads: entries before and after that are not there   extra: the output padding
    """

    windows: Windows
    pads: Pairs
    extra: tuple[int, ...]
    transposed: bool = False

    @classmethod
    def of(
        cls, size: tuple[int, ...], kernel: tuple[int, ...], *, stride: Any, dilation: Any,
        pads: Pairs, groups: int = 1, extra: Any = None, transposed: bool = False,
        round_up: bool = False,
    ) -> Layer | None:
        """The layer for x of a size; None where y is empty. round_up: a remainder is a window."""
        extra = (0,) * len(size) if extra is None else extra
        each = list(zip(size, kernel, stride, dilation, pads, extra, strict=True))
        if transposed:
            wide = tuple((n - 1) * s + d * (k - 1) + 1 - sum(p) + e for n, k, s, d, p, e in each)
            out = size
        else:
            more = [s - 1 if round_up else 0 for s in stride]
            wide, out = size, tuple(
                (n + sum(p) - d * (k - 1) - 1 + m) // s + 1
                for (n, k, s, d, p, _), m in zip(each, more, strict=True)
            )
        if any(n < 1 for n in (*wide, *out)):
            return None
        before = tuple(p[0] for p in pads)
        windows = Windows(wide, kernel, out, stride, dilation, before, groups)
        return cls(windows, pads, extra, transposed)

    def natural(self, **changes: Any) -> Layer | None:
        """The layer for x of the same size with other options, and a y of the size that follows."""
        w = self.windows
        options: dict[str, Any] = {
            "size": w.out if self.transposed else w.size, "kernel": w.kernel, "stride": w.stride,
            "dilation": w.dilation, "pads": self.pads, "groups": w.groups, "extra": self.extra,
            "transposed": self.transposed,
        }
        return Layer.of(**(options | changes))

    def but(self, **changes: Any) -> Layer:
        """The layer with other windows, and x and y of the same sizes."""
        return replace(self, windows=replace(self.windows, **changes))

    @property
    def size(self) -> tuple[int, ...]:
        """Of y."""
        return self.windows.size if self.transposed else self.windows.out

    def y(self, x: Array, w: Array, b: Array | None = None) -> Array:
        """The output, with b added where it is given.   -> (n, o, *out)"""
        found = (write if self.transposed else read)(x, w, self.windows)
        return found if b is None else found + b.reshape(-1, *[1] * len(self.size))

    def x_bar(self, y_bar: Array, w: Array) -> Array:
        """dL/dx.   y_bar (n, o, *out), w -> (n, c, *size)"""
        return (read if self.transposed else write)(y_bar, w, self.windows)

    def w_bar(self, y_bar: Array, x: Array) -> Array:
        """dL/dw.   y_bar (n, o, *out), x (n, c, *size) -> w's shape"""
        pair = (x, y_bar) if self.transposed else (y_bar, x)
        return weigh(*pair, self.windows)

    def b_bar(self, y_bar: Array) -> Array:
        """dL/db: y_bar summed over samples and positions.   (n, o, *out) -> (o,)"""
        return np.asarray(y_bar.sum(axis=(0, *range(2, y_bar.ndim))))

    # -- how far from these one may be

    def terms(self, x: Array, w: Array) -> dict[str, int]:
        """K of each answer: the most products that are summed in one entry."""
        n, taps, G = x.shape[0], math.prod(self.windows.kernel), self.windows.groups
        out = math.prod(self.windows.out)
        reads, writes = w.shape[1] * taps, w.shape[0] // G * taps
        y, x_bar = (writes, reads) if self.transposed else (reads, writes)
        return {"y": y, "x_bar": x_bar, "w_bar": n * out, "b_bar": n * math.prod(self.size)}

    def bounds(
        self, x: Array, w: Array, b: Array | None, y_bar: Array, dtype: str, C: float = 0.0
    ) -> dict[str, Array]:
        """How far y, x_bar, w_bar and b_bar may be off. C: the roundings of w, 0 where it is given.
        """
        K = self.terms(x, w)
        x, w, y_bar = abs(x), abs(w), abs(y_bar)
        S = {
            "y": self.y(x, w, None if b is None else abs(b)), "x_bar": self.x_bar(y_bar, w),
            "w_bar": self.w_bar(y_bar, x), "b_bar": self.b_bar(y_bar),
        }
        more = {"y": C + 5, "x_bar": C + 4, "w_bar": 2, "b_bar": 1}
        return {name: _allowed(K[name] + more[name], S[name], dtype) for name in S}

    def weight_bounds(
        self, x: Array, w: Array, y_bar: Array, W: Array, v: Array, g: Array, dtype: str, form: str,
        eps: float,
    ) -> dict[str, Array]:
        """How far v_bar and g_bar may be off. W: the S of w_bar, with the shape of v."""
        K, C = self.terms(x, w), counts(v.size // max(g.size, 1), form)
        S, _, kink = sizes(v, g, W, form=form, eps=eps)
        S["v_bar"] = np.where(kink, math.inf, S["v_bar"])
        more = K["w_bar"] + K["y"] + 4
        return {name: _allowed(C[name] + more, S[name], dtype) for name in ("v_bar", "g_bar")}


def _allowed(C: float, S: Array, dtype: str) -> Array:
    """gamma(C) S, here and there, and what subnormal numbers lose."""
    target = Format.of(dtype)
    return (gamma(C, target.u) + gamma(C, U64)) * S + C * math.ldexp(1.0, target.quantum)
