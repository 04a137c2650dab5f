"""Cross entropy of a softmax, and its derivatives on paper.

One row of logits x_1 ... x_k and a distribution p over the k classes (for a label t, p_t = 1):

    z = log sum_j e^(x_j)        the softmax is  s_j = e^(x_j - z)
    l = -sum_j p_j log s_j = z sum_j p_j - sum_j p_j x_j = z - <p, x>

    dz/dx_j = s_j       so       dl/dx_j = s_j - p_j

The loss is the mean of l over the rows, so a cotangent l_bar of it gives each of n rows l_bar / n.
Differentiated again,  ds_i/dx_j = s_i (1[i = j] - s_j),  which autodiff finds from s = e^(x - z).
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, asarray, is_floating, namespace
from ..graph import primitive, raw
from ..ops import exp, logsumexp, multiply
from ..ops import sum as sum_over

__all__ = ["composed", "forward", "vjp"]

REDUCTIONS = ("mean", "sum", "none")


def composed(logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The definition, in ops: autodiff finds the derivatives."""
    p = distribution(raw(logits), targets)
    rows = logsumexp(logits, axis=1) - sum_over(multiply(logits, p), axis=1)
    return rows if reduction == "none" else sum_over(rows) * _share(logits, reduction)


@primitive
def softmax_cross_entropy(logits: Array, *, targets: Any, reduction: str = "mean") -> Array:
    """l = log sum_j e^(x_j) - <p, x>, averaged, summed, or one number a row.

    logits: (n, k) or (n, k, ...)   targets: labels 0..k-1 of shape (n,) or (n, ...), or
    distributions of the shape of the logits   reduction: "mean", "sum" or "none"

    Raises ValueError for labels out of range, shapes that do not fit, or an unknown reduction.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}; choose from {', '.join(REDUCTIONS)}")
    p = distribution(logits, targets)
    rows = logsumexp(logits, axis=1) - (logits * p).sum(axis=1)
    return rows if reduction == "none" else rows.sum() * _share(logits, reduction)


forward = softmax_cross_entropy


@softmax_cross_entropy.pullback
def _(l_bar, loss, logits, *, targets, reduction="mean"):
    return (vjp(l_bar, logits, targets=targets, reduction=reduction),)


def vjp(l_bar: Any, logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The cotangent of the logits:  l_bar (s - p) / n"""
    s = exp(logits - logsumexp(logits, axis=1, keepdims=True))
    if reduction == "none":
        l_bar = l_bar.reshape((l_bar.shape[0], 1, *l_bar.shape[1:]))
    return (s - distribution(raw(logits), targets)) * (l_bar * _share(logits, reduction))


def _share(logits: Any, reduction: str) -> float:
    rows = math.prod(logits.shape) // logits.shape[1]
    return 1.0 / rows if reduction == "mean" else 1.0


def distribution(logits: Array, targets: Any) -> Array:
    """The targets as probabilities of the shape of the logits."""
    xp = namespace(logits)
    targets = asarray(raw(targets), like=logits)
    if logits.ndim < 2:
        raise ValueError(f"logits of shape {logits.shape}; expected (n, k) or (n, k, ...)")
    rows = (logits.shape[0], *logits.shape[2:])
    if is_floating(targets.dtype) and targets.shape == logits.shape:
        return targets.astype(logits.dtype, copy=False)
    if targets.dtype.kind not in "iu" or targets.shape != rows:
        raise ValueError(
            f"targets {targets.dtype} {targets.shape} for logits {logits.shape}; "
            f"expected integer labels {rows}, or distributions {logits.shape}"
        )
    if targets.size and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(
            f"labels from {int(targets.min())} to {int(targets.max())} "
            f"for {logits.shape[1]} classes, 0 to {logits.shape[1] - 1}"
        )
    classes = xp.arange(logits.shape[1]).reshape((-1,) + (1,) * (logits.ndim - 2))
    return (xp.expand_dims(targets, 1) == classes).astype(logits.dtype)
