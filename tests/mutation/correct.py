"""Right implementations, in every order of evaluation that people use.

Each takes slices as rows: v and w_bar (rows, m), g (rows, 1), and gives (w, v_bar, g_bar). They
are what a judge must never fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CORRECT", "CorrectImplementation"]

Answers = tuple[Any, Any, Any]


@dataclass(frozen=True)
class CorrectImplementation:
    """One order of evaluation. widens: float16 and float32 are summed in a wider dtype."""

    name: str
    function: Callable[[Any, Any, Any], Answers]
    widens: bool = False

    def __call__(self, w_bar: Any, v: Any, g: Any) -> Answers:
        return self.function(w_bar, v, g)


def _sum(x: Any) -> Any:
    return x.sum(axis=1, keepdims=True)


def textbook(w_bar: Any, v: Any, g: Any) -> Answers:
    n = np.sqrt(_sum(v * v))
    g_bar = _sum(w_bar * v) / n
    return g * v / n, g / n * w_bar - g * g_bar / (n * n) * v, g_bar


def fused(w_bar: Any, v: Any, g: Any) -> Answers:
    q, d = _sum(v * v), _sum(w_bar * v)
    n = np.sqrt(q)
    factor = g / n
    return factor * v, factor * (w_bar - d / q * v), d / n


def normalised_first(w_bar: Any, v: Any, g: Any) -> Answers:
    x = v / np.sqrt(_sum(v * v))
    g_bar = _sum(w_bar * x)
    return g * x, g / np.sqrt(_sum(v * v)) * (w_bar - g_bar * x), g_bar


def einsum(w_bar: Any, v: Any, g: Any) -> Answers:
    q = np.einsum("oi,oi->o", v, v)[:, None]
    d = np.einsum("oi,oi->o", w_bar, v)[:, None]
    n = np.sqrt(q)
    return v * (g / n), g / n * (w_bar - d / q * v), d / n


def divided_twice(w_bar: Any, v: Any, g: Any) -> Answers:
    n = np.sqrt(_sum(v * v))
    d = _sum(w_bar * v)
    return v / n * g, g * (w_bar / n - v * d / n / n / n), d / n


def inverse_cube(w_bar: Any, v: Any, g: Any) -> Answers:
    """As PyTorch's kernel: 1/n and its third power."""
    r = v.dtype.type(1) / np.sqrt(_sum(v * v))
    d = _sum(w_bar * v)
    return g * r * v, g * (r * w_bar - r * r * r * d * v), d * r


def reciprocal_root(w_bar: Any, v: Any, g: Any) -> Answers:
    """As Flax and TensorFlow: q^(-1/2) by a power."""
    q = _sum(v * v)
    r = q ** q.dtype.type(-0.5)
    d = _sum(w_bar * v)
    return v * (r * g), (g * r) * w_bar - (g * r) * (d / q) * v, d * r


def scaled(w_bar: Any, v: Any, g: Any) -> Answers:
    """Divided by the largest entry before anything is squared."""
    top = np.abs(v).max(axis=1, keepdims=True)
    top = np.where(top == 0, v.dtype.type(1), top)
    x = v / top
    n = np.sqrt(_sum(x * x))
    g_bar = _sum(w_bar * x) / n
    return g * (x / n), g / (n * top) * (w_bar - g_bar * (x / n)), g_bar


def two_powers(w_bar: Any, v: Any, g: Any) -> Answers:
    """Scaled by a power of two, which does not round."""
    e = np.frexp(np.abs(v).max(axis=1, keepdims=True))[1]
    x = np.ldexp(v, -e)
    n = np.sqrt(_sum(x * x))
    x /= n
    g_bar = _sum(w_bar * x)
    return g * x, np.ldexp(g / n, -e) * (w_bar - g_bar * x), g_bar


def sequential(w_bar: Any, v: Any, g: Any) -> Answers:
    """One entry after the other, as a loop in C."""
    q, d = np.zeros_like(v[:, :1]), np.zeros_like(v[:, :1])
    for j in range(v.shape[1]):
        x, y = v[:, j : j + 1], w_bar[:, j : j + 1]
        q, d = q + x * x, d + y * x
    n = np.sqrt(q)
    return g * v / n, g / n * (w_bar - d / q * v), d / n


def pairwise(w_bar: Any, v: Any, g: Any) -> Answers:
    """Halves added to halves."""

    def total(x: Any) -> Any:
        while x.shape[1] > 1:
            odd = x[:, x.shape[1] // 2 * 2 :]
            x = x[:, : x.shape[1] // 2 * 2 : 2] + x[:, 1 : x.shape[1] // 2 * 2 : 2]
            x = np.concatenate([x, odd], axis=1)
        return x

    q, d = total(v * v), total(w_bar * v)
    n = np.sqrt(q)
    return g * v / n, g * (w_bar - v * (d / q)) / n, d / n


def backwards(w_bar: Any, v: Any, g: Any) -> Answers:
    """Summed from the last entry to the first, in Fortran order."""
    v, w_bar = np.asfortranarray(v), np.asfortranarray(w_bar)
    q = np.add.accumulate((v * v)[:, ::-1], axis=1)[:, -1:]
    d = np.add.accumulate((w_bar * v)[:, ::-1], axis=1)[:, -1:]
    n = np.sqrt(q)
    return np.asfortranarray(g / n * v), g / n * (w_bar - d / q * v), d / n


def by_columns(w_bar: Any, v: Any, g: Any) -> Answers:
    """The transposed problem, summed over the first axis."""
    V, G = np.ascontiguousarray(v.T), np.ascontiguousarray(w_bar.T)
    q, d = (V * V).sum(axis=0), (G * V).sum(axis=0)
    n = np.sqrt(q)
    f = g[:, 0] / n
    return (f * V).T, (f * (G - d / q * V)).T, (d / n)[:, None]


def product(w_bar: Any, v: Any, g: Any) -> Answers:
    """By matrix products, whose order of summation is BLAS's own."""
    q = (v[:, None, :] @ v[:, :, None])[:, :, 0]
    d = (w_bar[:, None, :] @ v[:, :, None])[:, :, 0]
    n = np.sqrt(q)
    return g * (v / n), (g * w_bar - g * v * d / q) / n, d / n


def from_w(w_bar: Any, v: Any, g: Any) -> Answers:
    """The projection from w and g_bar, which a fused kernel has at hand."""
    n = np.sqrt(_sum(v * v))
    w, g_bar = g * v / n, _sum(w_bar * v) / n
    return w, (g * w_bar - w * g_bar) / n, g_bar


def autodiff(w_bar: Any, v: Any, g: Any) -> Answers:
    """What reverse mode makes of g * (v / n): step by step, each with its own pullback."""
    q = _sum(v * v)
    n = np.sqrt(q)
    x = v / n
    x_bar = w_bar * g
    n_bar = -_sum(x_bar * v) / (n * n)
    two = v.dtype.type(2)  # which is weak in every NumPy
    q_bar = n_bar / (two * n)
    return g * x, x_bar / n + two * q_bar * v, _sum(w_bar * x)


def double_where(w_bar: Any, v: Any, g: Any) -> Answers:
    """Guarded against slices of zeros, by the double `where` of automatic differentiation."""
    q = _sum(v * v)
    safe = np.where(q == 0, q.dtype.type(1), q)
    n = np.where(q == 0, q.dtype.type(np.nan), np.sqrt(safe))
    d = _sum(w_bar * v)
    return g * v / n, g / n * (w_bar - d / safe * v), d / n


def wider(w_bar: Any, v: Any, g: Any) -> Answers:
    """Storage in the dtype of v, every sum and product in a wider one."""
    to = {"float16": "float32", "float32": "float64"}.get(str(v.dtype), "longdouble")
    found = fused(*(x.astype(to) for x in (w_bar, v, g)))
    w, v_bar, g_bar = (x.astype(v.dtype) for x in found)
    return w, v_bar, g_bar


def wide_sums(w_bar: Any, v: Any, g: Any) -> Answers:
    """Only the sums in a wider dtype; n and d rounded, and saved."""
    to = {"float16": "float32", "float32": "float64"}.get(str(v.dtype), "float64")
    V, G = v.astype(to), w_bar.astype(to)
    n, d = np.sqrt(_sum(V * V)), _sum(G * V)
    w = (g.astype(to) / n * V).astype(v.dtype)
    n = n.astype(v.dtype).astype(to)
    v_bar = g.astype(to) / n * (G - d / (n * n) * V)
    return w, v_bar.astype(v.dtype), (d / n).astype(v.dtype)


CORRECT: tuple[CorrectImplementation, ...] = (
    *(
        CorrectImplementation(f.__name__, f)
        for f in (
            textbook, fused, normalised_first, einsum, divided_twice, inverse_cube,
            reciprocal_root, scaled, two_powers, sequential, pairwise, backwards, by_columns,
            product, from_w, autodiff, double_where,
        )
    ),
    CorrectImplementation("wider", wider, widens=True),
    CorrectImplementation("wide_sums", wide_sums, widens=True),
)
