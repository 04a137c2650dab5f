"""How cost grows: time and memory of one training step against one size at a time.

A power law is a straight line in logarithms, so the slope over the three largest sizes, where
constant costs no longer matter, is the exponent:

    cost ~ size^slope

Width costs its square, everything else is proportional: so much for operations. Where a step falls
out of a cache its time grows faster, in any library; so the slope of the same step by hand in
NumPy, measured in turn, is printed with it. Times are the least of several; memory is the most that
Python and NumPy held at once, by tracemalloc, in a separate step.
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops
from ..tensors import tensor
from .mlp import Layers, with_numpy
from .step import with_minwn
from .work import Step

__all__ = ["SWEEPS", "Sweep", "slope"]

SLACK = 0.15  # above the exponent that the arithmetic has


@dataclass(frozen=True)
class Sweep:
    """One size that grows; `bounds` are the exponents of time and of memory.

    by_hand: the same step without an engine, timed for comparison
    """

    size: str
    what: str
    build: Callable[[int], Step]
    sizes: tuple[int, ...]
    bounds: tuple[float, float]
    by_hand: Callable[[int], Step] | None = None
    quick: int = 4  # so many sizes, the smallest, in `--quick`
    group: str = "scaling"

    @property
    def name(self) -> str:
        """group/size, as it is asked for."""
        return f"{self.group}/{self.size}"

    def run(self, repeats: int, quick: bool) -> dict[str, Any]:
        """The curve, its slopes, and their targets: none where sizes are small."""
        sizes = self.sizes[: self.quick] if quick else self.sizes
        costs: dict[str, list[float]] = {"seconds": [], "bytes": [], "by hand": []}
        for n in sizes:
            step = self.build(n)
            others = [] if self.by_hand is None else [self.by_hand(n)]
            seconds, *theirs = _seconds([step, *others], repeats)
            costs["seconds"].append(seconds)
            costs["by hand"] += theirs
            costs["bytes"].append(_bytes(step))
        slopes: dict[str, Any] = {}
        for kind, bound in zip(("seconds", "bytes"), self.bounds, strict=True):
            seen, target = slope(sizes, costs[kind]), None if quick else bound + SLACK
            met = None if target is None else seen <= target
            slopes[kind] = {"slope": seen, "by hand": None, "target": target, "met": met}
        if self.by_hand is not None:
            slopes["seconds"]["by hand"] = slope(sizes, costs["by hand"])
        return {"name": self.name, "what": self.what, "sizes": list(sizes), **costs,
                "slopes": slopes}


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of the power law through the last three points, by least squares."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(costs[-3:]), 1)[0])


def _seconds(steps: Sequence[Step], repeats: int) -> list[float]:
    """The least time of each, in turn; a call before brings the caches back."""
    least = [math.inf] * len(steps)
    for _ in range(repeats):
        for k, step in enumerate(steps):
            step()
            start = time.perf_counter()
            step()
            least[k] = min(least[k], time.perf_counter() - start)
    return least


def _bytes(step: Step) -> int:
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chain(length: int) -> Step:
    """x <- sin(x), so many times, and back: the engine, and little else."""
    x = tensor(np.linspace(0.1, 1.0, 8), requires_grad=True)

    def step() -> float:
        y = x
        for _ in range(length):
            y = ops.sin(y)
        total = ops.sum(y)
        x.grad = None
        total.backward()
        return total.item()

    return step


def _sweep(
    size: str, what: str, network: Callable[[int], tuple[Layers, int]], sizes: tuple[int, ...],
    bounds: tuple[float, float],
) -> Sweep:
    """Networks, widths and batch, that grow; a step of SGD."""
    return Sweep(
        size, what, lambda n: with_minwn(*network(n), "sgd"), sizes, bounds,
        by_hand=lambda n: with_numpy(*network(n), "sgd"),
    )


SWEEPS = [
    _sweep(
        "width", "width w, [w w w 10], batch 32", lambda w: ((w, w, w, 10), 32),
        (16, 32, 64, 128, 256, 512, 1024, 2048), (2.0, 2.0),
    ),
    _sweep(
        "depth", "layers d of width 128, batch 32", lambda d: ((128,) * d + (10,), 32),
        (1, 2, 4, 8, 16, 32, 64), (1.0, 1.0),
    ),
    _sweep(
        "batch", "batch n, [256 256 256 10]", lambda n: ((256, 256, 256, 10), n),
        (8, 32, 128, 512, 2048, 8192), (1.0, 1.0),
    ),
    Sweep(
        "length", "graph of n operations on 8 numbers", chain,
        (10, 100, 1000, 10_000, 100_000), (1.0, 1.0),
    ),
]
