"""A training step of a weight-normalised ReLU network: the problem, and its answer by hand.

    a_k = h_(k-1) w_k^T + b_k,   w_k = g_k v_k / ||v_k||,   h_k = max(a_k, 0)

with the cross entropy of a_last as the loss, then a step of SGD or Adam. Every peer starts from
the same v, g and b; a step returns the loss that it found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .work import Step

__all__ = ["RATES", "problem", "updater", "with_numpy"]

Layers = tuple[int, ...]
RATES = {"sgd": 0.05, "adam": 1e-3}


def problem(widths: Layers, batch: int) -> tuple[Any, Any, list[tuple[Any, Any, Any]]]:
    """Inputs, labels, and the first (v, g, b) of each layer: new arrays, the same at each call."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
    labels = rng.integers(0, widths[-1], batch)
    layers = []
    for i, o in itertools.pairwise(widths):
        v = (rng.standard_normal((o, i)) * (2 / i) ** 0.5).astype(np.float32)
        g = np.linalg.norm(v, axis=1, keepdims=True)
        layers.append((v, g, np.zeros(o, np.float32)))
    return x, labels, layers


def with_numpy(widths: Layers, batch: int, rule: str) -> Step:
    """The step written out, as one would for this network alone."""
    x, labels, layers = problem(widths, batch)
    rows, last = np.arange(batch), len(layers) - 1
    update = updater([array for layer in layers for array in layer], rule)

    def step() -> float:
        h, seen = x, []
        for k, (v, g, b) in enumerate(layers):
            n = np.sqrt((v * v).sum(axis=1, keepdims=True))
            u = v / n
            w = g * u
            a = h @ w.T  # (n, i), (o, i) -> (n, o)
            a += b
            seen.append((h, n, u, w))
            h = np.maximum(a, 0) if k < last else a
        e = np.exp(h - h.max(axis=1, keepdims=True))
        s = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(s[rows, labels]).mean()
        s[rows, labels] -= 1
        a_bar = s / batch
        bars: list[Any] = []
        for k in range(last, -1, -1):
            (h, n, u, w), g = seen[k], layers[k][1]
            w_bar = a_bar.T @ h  # (n, o), (n, i) -> (o, i)
            g_bar = (w_bar * u).sum(axis=1, keepdims=True)
            bars = [g / n * (w_bar - g_bar * u), g_bar, a_bar.sum(axis=0), *bars]
            if k > 0:
                a_bar = a_bar @ w  # (n, o), (o, i) -> (n, i)
                a_bar *= h > 0
        update(bars)
        return float(loss)

    return step


def updater(arrays: list[Any], rule: str) -> Callable[[list[Any]], None]:
    """A function of the gradients that moves the arrays in place: SGD, or Adam as in PyTorch."""
    lr, t = RATES[rule], 0
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in arrays]

    def sgd(bars: list[Any]) -> None:
        for w, bar in zip(arrays, bars, strict=True):
            w -= lr * bar

    def adam(bars: list[Any]) -> None:
        nonlocal t
        t += 1
        for w, bar, (m, q) in zip(arrays, bars, moments, strict=True):
            m += 0.1 * (bar - m)
            q *= 0.999
            q += 0.001 * (bar * bar)
            root = np.sqrt(q)
            root *= (1 - 0.999**t) ** -0.5
            root += 1e-8
            w -= lr / (1 - 0.9**t) * (m / root)

    return {"sgd": sgd, "adam": adam}[rule]
