"""NumPy, part by part: q = <v, v>, n = sqrt(q), r = g / n, w = r v, and each part pulled back."""

from __future__ import annotations

from typing import Any

import numpy as np

from .adapter import Adapter, Axis, Roles

__all__ = ["COMPOSED"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    def total(x: Any, g: Any) -> Any:
        # g has 1 where a norm runs, and so may v: the sum over that axis is then the entry itself.
        reduced = tuple(a for a in range(x.ndim) if not g.ndim or g.shape[a] == 1)
        return x.sum(axis=reduced, keepdims=g.ndim > 0, dtype=x.dtype)

    def parts(v: Any, g: Any) -> Any:
        n = np.sqrt(total(v * v, g))
        return n, g / n

    def forward(v: Any, g: Any) -> Any:
        return parts(v, g)[1] * v

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        n, r = parts(v, g)
        r_bar = total(w_bar * v, g)
        n_bar = -r_bar * r / n
        q_bar = n_bar / (n + n)
        return r * w_bar + (q_bar + q_bar) * v, r_bar / n

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        n, r = parts(v, g)
        q_dot = total(v * v_dot, g) + total(v_dot * v, g)
        n_dot = q_dot / (n + n)
        return (g_dot / n - r * n_dot / n) * v + r * v_dot

    return {"forward": forward, "backward": backward, "jvp": jvp}


COMPOSED = Adapter(
    name="numpy.composed", runs="NumPy, part by part", distribution="numpy", functions=functions,
    axes=(0, -1, None, (0, 1)),
)
