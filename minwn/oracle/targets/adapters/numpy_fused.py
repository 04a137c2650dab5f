"""NumPy, the formulas of the paper: g_bar = <w_bar, v> / n, v_bar = (g/n) (w_bar - g_bar v/n)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .adapter import Adapter, Axis, Roles

__all__ = ["FUSED"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    def dot(x: Any, y: Any, g: Any) -> Any:
        # g has 1 where a norm runs, and so may v: the sum over that axis is then the entry itself.
        reduced = tuple(a for a in range(x.ndim) if not g.ndim or g.shape[a] == 1)
        return (x * y).sum(axis=reduced, keepdims=g.ndim > 0, dtype=x.dtype)

    def forward(v: Any, g: Any) -> Any:
        return v / np.sqrt(dot(v, v, g)) * g

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        n = np.sqrt(dot(v, v, g))
        unit = v / n
        g_bar = dot(w_bar, unit, g)
        return g / n * (w_bar - g_bar * unit), g_bar

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        n = np.sqrt(dot(v, v, g))
        unit = v / n
        return g_dot * unit + g / n * (v_dot - dot(unit, v_dot, g) * unit)

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        A, B, n = v_bar_bar, g_bar_bar, np.sqrt(dot(v, v, g))
        unit = v / n
        a, s, c = dot(A, unit, g), dot(w_bar, unit, g), dot(A, w_bar, g)
        across_A, across_w = A - a * unit, w_bar - s * unit
        by_v = B * across_w - g / n * (s * across_A + a * across_w + (c - s * a) * unit)
        return B * unit + g / n * across_A, by_v / n, (c - s * a) / n

    return {"forward": forward, "backward": backward, "jvp": jvp,
            "double_backward": double_backward}


FUSED = Adapter(
    name="numpy.fused", runs="NumPy, the formulas of the paper", distribution="numpy",
    functions=functions, axes=(0, -1, None, (0, 1)),
)
