"""conv_input of `conv` with a stride, as convolutions without one.

In the frame of x, padding included, entry  q = s a + r  is reached from output p by the entry
q - s p = r + s (a - p)  of the kernel. So each of the s phases r of x is the convolution of y by
every s-th entry of the kernel, the last one first,

    x[s a + r] = sum_t w[r + s t] y[a - t]        t = 0, ..., ceil((k - r) / s) - 1

Nothing is added up where windows overlap; the outputs only have to be put side by side. Phases with
as many entries read the same windows of y: they are one convolution, with its outputs side by side.
Where s divides k all phases are one; else there are two kinds of them for each dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array, namespace
from .channels import last, second
from .conv_reads import Place, Shape, reads

__all__ = ["conv_input", "serves"]


def serves(*, groups: int, stride: Shape, dilation: Shape, **_: Any) -> bool:
    """The rule: one group, a stride, no gaps in the kernel."""
    return groups == 1 and max(stride) > 1 == max(dilation)


def conv_input(
    conv: Callable[..., Array], y: Array, w: Array, b: Array | None, size: Shape, stride: Shape,
    padding: Any,
) -> Array:  # fmt: skip
    """dT/dx + b, given `conv`.   (n, o, *out), (o, c, *kernel) -> (n, c, *size)"""
    xp, (_, c, *kernel), out, ones = namespace(y), w.shape, y.shape[2:], (1,) * len(stride)
    every = tuple(slice(0, n + (k - 1) // s) for n, k, s in zip(out, kernel, stride, strict=True))
    back = (slice(None, None, -1),) * len(stride)
    alike: dict[Shape, list[tuple[Shape, Place, Place]]] = {}
    for phase in reads(every, size, stride, stride=stride, dilation=ones, padding=padding):
        few = tuple(-(-(k - r) // s) for k, r, s in zip(kernel, phase[0], stride, strict=True))
        if all(p.start < p.stop for p in phase[2]):
            alike.setdefault(few, []).append(phase)
    # Some entries of x may be reached from nowhere.
    x = xp.full((len(y), *size, c), 0 if b is None else b, dtype=y.dtype)
    for few, phases in alike.items():
        near, pads, low = [], [], []
        for axis, (n, t) in enumerate(zip(out, few, strict=True)):
            starts, stops = zip(*((h[axis].start, h[axis].stop) for *_, h in phases), strict=True)
            start, stop = min(starts) - t + 1, max(stops)
            low.append(min(starts))
            near.append(slice(max(start, 0), min(stop, n)))
            pads.append((max(-start, 0), max(stop - n, 0)))
        if any(t == 0 or p.start >= p.stop for t, p in zip(few, near, strict=True)):
            continue
        parts = [_every(w, r, stride)[(..., *back)].swapaxes(0, 1) for r, *_ in phases]
        found = conv(
            y[(..., *near)], parts[0] if len(parts) == 1 else xp.concatenate(parts),
            None if b is None else xp.tile(b, len(parts)),
            groups=1, stride=ones, dilation=ones, padding=tuple(pads),
        )  # fmt: skip
        found = last(found)
        for j, (_, there, here) in enumerate(phases):
            place = tuple(slice(h.start - m, h.stop - m) for h, m in zip(here, low, strict=True))
            x[(slice(None), *there)] = found[(slice(None), *place, slice(j * c, j * c + c))]
    return second(x)


def _every(w: Array, phase: Shape, stride: Shape) -> Array:
    """The entries r, r + s, ... of the kernel."""
    return w[(..., *(slice(r, None, s) for r, s in zip(phase, stride, strict=True)))]
