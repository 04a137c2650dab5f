"""How cost grows: time and memory of one training step against one size at a time.

A power law is a straight line in logarithms, so the slope over the three largest sizes, where
what does not grow no longer counts, is the exponent:

    cost ~ size^slope

Width costs its square, everything else is proportional. Times are the least of several; memory is
the most that Python and NumPy held at once, by tracemalloc, in a step of its own.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops
from ..tensors import tensor
from .step import with_minwn
from .work import Step

__all__ = ["SWEEPS", "Sweep", "slope"]

SLACK = 0.15  # above the exponent that the arithmetic has


@dataclass(frozen=True)
class Sweep:
    """One size that grows; `bounds` are the exponents of time and of memory."""

    size: str
    what: str
    build: Callable[[int], Step]
    sizes: tuple[int, ...]
    bounds: tuple[float, float]
    quick: int = 4  # so many sizes, the smallest, in `--quick`
    group: str = "scaling"

    @property
    def name(self) -> str:
        return f"{self.group}/{self.size}"

    def run(self, repeats: int, quick: bool) -> dict[str, Any]:
        """The curve, its slopes, and what they should be: nothing where sizes are small."""
        sizes = self.sizes[: self.quick] if quick else self.sizes
        costs = [_cost(self.build(n), repeats) for n in sizes]
        found: dict[str, Any] = {"name": self.name, "what": self.what, "sizes": list(sizes)}
        slopes: dict[str, Any] = {}
        for kind, values, bound in zip(
            ("seconds", "bytes"), zip(*costs, strict=True), self.bounds, strict=True
        ):
            seen, target = slope(sizes, values), None if quick else bound + SLACK
            found[kind] = list(values)
            met = None if target is None else seen <= target
            slopes[kind] = {"slope": seen, "target": target, "met": met}
        return found | {"slopes": slopes}


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of the power law through the last three points, by least squares."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(costs[-3:]), 1)[0])


def _cost(step: Step, repeats: int) -> tuple[float, int]:
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    tracemalloc.start()
    try:
        step()
        return min(times), tracemalloc.get_traced_memory()[1]
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


SWEEPS = [
    Sweep(
        "width", "width w, [w w w 10], batch 32",
        lambda w: with_minwn((w, w, w, 10), 32, "sgd"),
        (16, 32, 64, 128, 256, 512, 1024, 2048), (2.0, 2.0),
    ),
    Sweep(
        "depth", "layers d of width 128, batch 32",
        lambda d: with_minwn((128,) * d + (10,), 32, "sgd"),
        (1, 2, 4, 8, 16, 32, 64), (1.0, 1.0),
    ),
    Sweep(
        "batch", "batch n, [256 256 256 10]",
        lambda n: with_minwn((256, 256, 256, 10), n, "sgd"),
        (8, 32, 128, 512, 2048, 8192), (1.0, 1.0),
    ),
    Sweep(
        "length", "graph of n operations on 8 numbers", chain,
        (10, 100, 1000, 10_000, 100_000), (1.0, 1.0),
    ),
]  # fmt: skip
