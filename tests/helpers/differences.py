"""Derivatives by differences: what the tests believe, and nothing of minwn's own.

The five-point stencil errs by h^4 f'''''/30 and by a few u |f| / h of rounding. With h = 1e-3 and
values of order 1 to 10 both are below 1e-10; a forgotten term or factor is above 1e-3. `CLOSE`
lies between, for numbers of order 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

CLOSE = 1e-8
STEP = 1e-3


def directional(
    f: Callable[..., Any], xs: Sequence[np.ndarray], ts: Sequence[np.ndarray | None]
) -> np.ndarray:
    """d f(xs + h ts) / dh at h = 0. A tangent of None leaves its x alone."""

    def at(h: float) -> np.ndarray:
        moved = [x if t is None else x + h * t for x, t in zip(xs, ts, strict=True)]
        return np.asarray(f(*moved))

    near, far = at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


def dot(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> float:
    """The inner product of two lists of arrays."""
    return float(sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True)))
