"""The inputs on which a whole layer is judged: few and small, each there for what others hide.

A case is planned for the declared stride, padding, dilation and groups:

    0  kernel 3 x 2, more high than wide, a stride leaves a remainder, c < o
    1  kernel 2 x 3, more wide than high, a remainder along the last axis alone, c > o
    2  everything square, c = o, no remainder: where axes can be exchanged without an error
    3  kernel 1 x 2, one channel to a group, more than one output to each
    4  kernel 4 x 3, and 5: 3 x 4; c and o of other sizes. Not in quick mode

A kernel reaches over the padding, as some ways to x_bar need. Each plan is drawn twice: letter K,
integers and dyadic numbers with which nothing is rounded, and letter Y, real numbers. A shape that
the caller gives is drawn with the letter S. The bits are those of `lcg`.

    K  x, y_bar, b and a plain w: integer(-3, 3). Slices of v: powers of two and zeros whose squares
       add up to a power of four, shuffled, with signs. g: integer(1, 3), minus in odd slices
    Y  x, y_bar, b and a plain w: real(-1, 0). v: real(0, 1) times 2^(i mod 4 - 2) in slice i.
       g: real(-2, 1), minus in odd slices
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..reference.layer import Layer
from ..reference.rounding import Format
from .lcg import LCG

__all__ = ["LayerCase", "Plan", "Plans", "draw", "plans"]

Array = np.ndarray
Ints = tuple[int, ...]


class Plan(NamedTuple):
    """The sizes of one case: x (n, c, *size), o outputs, a kernel."""

    n: int
    c: int
    o: int
    size: Ints
    kernel: Ints


@dataclass(frozen=True, eq=False)
class LayerCase:
    """One problem, in float64 numbers that the dtype has, in torch's layout.

    v, g: the weight before it is normalised, as `LayerSpec.view`, or None   w: it, or None
    lead: the axes of x before the last, where a linear layer has several
    """

    id: str
    group: str  # integers, reals or shape
    x: Array
    b: Array
    y_bar: Array
    layer: Layer
    v: Array | None = None
    g: Array | None = None
    w: Array | None = None
    remainder: Ints = ()
    lead: Ints = ()

    @property
    def features(self) -> set[str]:
        """What an implementation may not take: "remainder", "kernel", "size" (not square)."""
        found = {"remainder"} if any(self.remainder) else set()
        found |= {"kernel"} if len(set(self.layer.windows.kernel)) > 1 else set()
        return found | ({"size"} if len(set(self.x.shape[2:])) > 1 else set())


# By number: samples, (c, o) of each group, kernel, windows, whether a remainder is left.
_KERNELS: tuple[Ints, ...] = ((3, 2, 2), (2, 3, 1), (3, 3, 3), (1, 2, 2), (4, 3, 2), (3, 4, 2))
_WINDOWS: tuple[Ints, ...] = ((4, 2, 2), (2, 4, 3), (3, 3, 3), (3, 2, 2), (5, 3, 2), (2, 5, 3))
_LEFT = ((1, 1, 1), (0, 0, 1), (0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 0))
_CHANNELS = ((2, 3), (3, 2), (3, 3), (1, 2), (2, 5), (4, 3))
_FEATURES = ((5, 3), (3, 4), (3, 3), (2, 5), (7, 2), (4, 9))  # of a linear layer
_SAMPLES = (2, 3, 2, 1, 4, 2)


class Plans(NamedTuple):
    """What the plans of a spec depend on."""

    stride: Ints
    dilation: Ints
    pads: tuple[tuple[int, int], ...] | None  # None for "same" and "valid"
    groups: int
    transposed: bool
    kernel: Ints | None
    channels: tuple[int, int] | None
    fits: Callable[[Ints, Ints], bool]  # whether a y of some size belongs to the size of x
    span: Ints | None = None  # the least reach of a kernel


def plans(p: Plans, quick: bool = True) -> Iterator[Plan]:
    """The sizes of the cases, 4 or 6 of them; x grows until some y belongs to its size."""
    d = len(p.stride)
    for number in range(4 if quick else 6):
        c, o = _CHANNELS[number] if d else _FEATURES[number]
        c, o = p.channels or (c * p.groups, o * p.groups)
        kernel = p.kernel or tuple(_tap(p, number, axis) for axis in range(d))
        size = tuple(_size(p, number, axis, kernel[axis]) for axis in range(d))
        while not p.fits(size, kernel):
            size = tuple(n + 1 for n in size)
        yield Plan(_SAMPLES[number], c, o, size, kernel)


def _tap(p: Plans, number: int, axis: int) -> int:
    reach = 0 if p.pads is None else max(p.pads[axis])
    reach = max(reach, 0 if p.span is None else p.span[axis] - 1)
    return max(_KERNELS[number][axis], -(-reach // p.dilation[axis]) + 1)


def _size(p: Plans, number: int, axis: int, kernel: int) -> int:
    windows, s = _WINDOWS[number][axis], p.stride[axis]
    if p.transposed:
        return windows
    span = p.dilation[axis] * (kernel - 1) + 1
    pads = sum(p.pads[axis]) if p.pads is not None else span - 1
    left = (s - 1 if number % 2 else 1) if _LEFT[number][axis] and s > 1 else 0
    return max((windows - 1) * s + span - pads + left, 1)


def draw(
    letter: str, number: int, plan: Plan, layer: Layer, dtype: str, weight: Ints,
    gains: Ints | None = None, axes: Ints | None = None,
) -> LayerCase:
    """One case. weight: the shape of v, or of w where there are no gains; axes: that keep a norm"""
    target = Format.of(dtype)
    lcg, whole = LCG(letter, number, target.p), letter == "K"

    def array(*shape: int) -> Array:
        count = math.prod(shape)
        flat = _integers(lcg, count) if whole else lcg.reals(-1, 0, count)
        return np.array(flat, "float64").reshape(shape)

    x, b = array(plan.n, plan.c, *plan.size), array(plan.o)
    y_bar = array(plan.n, plan.o, *layer.size)
    group = {"K": "integers", "Y": "reals"}.get(letter, "shape")
    id = f"{letter}-{number:04d}"
    if gains is None:
        return LayerCase(id, group, x, b, y_bar, layer, w=array(*weight))
    rows = math.prod(gains)
    m = math.prod(weight) // rows
    v = _placed(np.array([_slice(lcg, whole, i, m) for i in range(rows)]), weight, axes)
    sizes = [lcg.integer(1, 3) for _ in range(rows)] if whole else map(abs, lcg.reals(-2, 1, rows))
    g = np.array([-float(y) if i % 2 else float(y) for i, y in enumerate(sizes)]).reshape(gains)
    return LayerCase(id, group, x, b, y_bar, layer, v, g)


def _integers(lcg: LCG, count: int) -> list[float]:
    """[integer(-3, 3), ...]"""
    half = np.uint64(32)
    return [float(x) - 3.0 for x in ((lcg.steps(count) >> half) * np.uint64(7)) >> half]


def _slice(lcg: LCG, whole: bool, i: int, m: int) -> list[float]:
    if not whole:
        return [math.ldexp(x, i % 4 - 2) for x in lcg.reals(0, 1, m)]
    row = _powers(m)
    for j in range(m - 1, 0, -1):
        k = lcg.integer(0, j)
        row[j], row[k] = row[k], row[j]
    scale = 2.0 ** lcg.integer(-1, 1)
    signs = [-1.0 if lcg.integer(0, 1) else 1.0 for _ in row]
    return [sign * x * scale if x else 0.0 for sign, x in zip(signs, row, strict=True)]


def _powers(m: int) -> list[float]:
    """m numbers, all or all but two powers of two, whose squares add up to a power of four.

    1 is four times 1/4: so often as there is room for three more, the largest is split.
    """
    row = [1.0]
    while len(row) + 3 <= m:
        row = row[1:] + [row[0] / 2] * 4
    return [x / row[-1] for x in row] + [0.0] * (m - len(row))


def _placed(slices: Array, shape: Ints, axes: Ints | None) -> Array:
    """Slices, one for each entry of g, as an array."""
    kept = list(axes or ())
    order = kept + [a for a in range(len(shape)) if a not in kept]
    moved = slices.reshape([shape[a] for a in order])
    return np.ascontiguousarray(moved.transpose(np.argsort(order)))
