"""Cross entropy of a softmax, and its derivatives on paper.

One row of logits x_1 ... x_k and a distribution p over the k classes (for a label t, p_t = 1):

    z = log sum_j e^(x_j)        the softmax is  s_j = e^(x_j - z)
    l = -sum_j p_j log s_j = z sum_j p_j - <p, x>

    dz/dx_j = s_j       so       x_bar_j = l_bar (s_j sum_i p_i - p_j)

For a label this is l_bar (s - p). The loss is linear in the distribution:

    dl/dp_j = z - x_j = -log s_j       so       p_bar_j = l_bar (z - x_j)

Nothing here asks the p_j to sum to 1. So class weights w and label smoothing e, as in PyTorch, are
another p, and `nn.cross_entropy` hands over

    q_j = w_j ((1 - e) p_j + e / k)

Rows whose label is ignored are left out first. The mean over labels t is then the sum of l divided
by the sum of w_t.

A class with p_j = 0 and x_j = -inf is left out of every sum; there p_bar_j is 0. The mean of n rows
gives each of them l_bar / n. Differentiated again,  ds_i/dx_j = s_i (1[i = j] - s_j),  the pullback
of the softmax, and  d(z - x_i)/dx_j = s_j - 1[i = j].
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, beside, is_floating, namespace, on_device_of, run, within
from ..graph import primitive, raw
from ..ops import cast, logsumexp, mean, reshape, softmax, transpose, where
from ..ops import sum as sum_over
from ..small import column_sums, indices, row_maxima, row_sums
from ..validation import door

__all__ = ["composed", "forward", "targets_vjp", "vjp"]

REDUCTIONS = ("mean", "sum", "none")


@door
def forward(logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """l = log sum_j e^(x_j) - x_t, averaged, summed, or one number a row.

    logits: (n, k) or (n, k, ...)   targets: labels 0..k-1 of shape (n,) or (n, ...), or
    distributions of the shape of the logits   reduction: "mean", "sum" or "none"

    Distributions have a gradient as well. The mean of no rows is NaN, their sum 0.

    Raises ValueError for labels out of range, shapes that do not fit, or an unknown reduction.
    """
    rows, targets, lead = as_rows(logits, targets, reduction)
    if targets.ndim == 1:
        loss = softmax_cross_entropy(rows, labels=targets, reduction=reduction)
    else:
        loss = softmax_cross_entropy(rows, targets, reduction=reduction)
    return reshape(loss, shape=lead) if reduction == "none" and len(lead) > 1 else loss


@door
def composed(logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The definition, in ops: autodiff finds the derivatives."""
    rows, targets, lead = as_rows(logits, targets, reduction)
    p = one_hot(rows, targets) if targets.ndim == 1 else targets
    log_s = rows - logsumexp(rows, axis=1, keepdims=True)
    losses = -sum_over(where(_left_out(rows, p), 0.0, log_s) * p, axis=1)
    if reduction == "none":
        return reshape(losses, shape=lead)
    return mean(losses) if reduction == "mean" else sum_over(losses)


@primitive
def softmax_cross_entropy(
    logits: Array, p: Array | None = None, *, labels: Any = None, reduction: str
) -> Array:
    """l of each row, averaged, summed or as they are.   logits, p: (n, k)   labels: (n,)"""
    # From the largest of each row: z and x_t may be large, and their difference small.
    x = logits - row_maxima(logits)
    xp = namespace(x)
    z = xp.log(row_sums(xp.exp(x)))
    if p is None:
        losses = z - x[_at(labels)]
    else:
        x = where(p == 0, 0.0, x)  # a class that cannot be may have -inf
        losses = z * p.sum(axis=1) - (x * p).sum(axis=1)
    if reduction == "none":
        return losses
    loss: Array = column_sums(losses) * _share(logits, reduction)
    return loss


@softmax_cross_entropy.pullback
def _(l_bar, loss, logits, p=None, *, labels=None, reduction):
    l_bar = l_bar.reshape((-1, 1)) if reduction == "none" else l_bar * _share(logits, reduction)
    if p is None:
        return ((softmax(logits, axis=1) - one_hot(logits, labels)) * l_bar,)
    total = sum_over(p, axis=1, keepdims=True)
    return (
        lambda: (softmax(logits, axis=1) * total - p) * l_bar,
        lambda: where(_left_out(logits, p), 0.0, _minus_log_s(logits)) * l_bar,
    )


@door
def vjp(l_bar: Any, logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The cotangent of the logits for the cotangent l_bar of the loss:  l_bar (s - p) / n"""
    return _unrows(_bars(l_bar, logits, targets, reduction)[0], logits.shape)


@door
def targets_vjp(l_bar: Any, logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The cotangent of targets that are distributions:  l_bar (z - x) / n

    Raises ValueError for labels, which have none.
    """
    bars = _bars(l_bar, logits, targets, reduction)
    if len(bars) == 1:
        raise ValueError(f"labels of shape {targets.shape} have no cotangent; pass distributions")
    return _unrows(bars[1], logits.shape)


def _bars(l_bar: Any, logits: Any, targets: Any, reduction: str) -> Any:
    rows, targets, _ = as_rows(logits, targets, reduction)
    if targets.ndim == 1:
        return softmax_cross_entropy.vjp(l_bar, None, rows, labels=targets, reduction=reduction)
    return softmax_cross_entropy.vjp(l_bar, None, rows, targets, reduction=reduction)


def _minus_log_s(logits: Any) -> Any:
    """z - x, counted from the largest of each row, in which it loses no digits."""
    x = logits - row_maxima(raw(logits))
    return logsumexp(x, axis=1, keepdims=True) - x


def _left_out(logits: Any, p: Any) -> Any:
    """Whether a class can neither be nor is: 0 log 0 = 0."""
    return (raw(p) == 0) & (raw(logits) == -math.inf)


def _share(logits: Any, reduction: str) -> float:
    if reduction == "sum":
        return 1.0
    return 1.0 / logits.shape[0] if logits.shape[0] else math.nan  # the mean of nothing


def one_hot(logits: Any, labels: Array) -> Array:
    """Labels as distributions, (n, k)."""
    p = namespace(labels).zeros(logits.shape, dtype=logits.dtype)
    p[_at(labels)] = 1.0
    return p


def _at(targets: Array) -> tuple[Array, Array]:
    """The index of each row's label."""
    return indices(targets), targets


def as_rows(logits: Any, targets: Any, reduction: str) -> tuple[Any, Any, tuple[int, ...]]:
    """Logits (n ..., k), targets (n ...) or (n ..., k), and the shape of the n ... positions."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}; choose from {', '.join(REDUCTIONS)}")
    targets = check_targets(logits, targets)
    if logits.ndim == 2:
        return logits, targets, logits.shape[:1]
    last, k = (0, *range(2, logits.ndim), 1), logits.shape[1]
    if targets.ndim == logits.ndim:
        targets = reshape(transpose(targets, axes=last), shape=(-1, k))
    else:
        with on_device_of(targets):
            targets = targets.reshape((-1,))
    rows = reshape(transpose(logits, axes=last), shape=(-1, k))
    return rows, targets, (logits.shape[0], *logits.shape[2:])


def _unrows(rows: Any, shape: tuple[int, ...]) -> Any:
    """Rows (n ..., k) back in the shape (n, k, ...)."""
    if len(shape) == 2:
        return rows
    classes = (0, len(shape) - 1, *range(1, len(shape) - 1))
    return transpose(reshape(rows, shape=(shape[0], *shape[2:], shape[1])), axes=classes)


def check_targets(logits: Any, targets: Any) -> Any:
    """Integer labels as an array; distributions in the dtype of the logits, with their history."""
    logits, given = raw(logits), raw(targets)
    if type(given) is not type(logits):
        given = targets = beside(given, logits)
    shape = logits.shape
    if len(shape) < 2 or not shape[1]:
        raise ValueError(f"logits of shape {shape}; expected (n, k) or (n, k, ...), with k >= 1")
    labels = (shape[0], *shape[2:])
    if given.dtype.kind in "iu" and given.shape == labels:
        if within(given, 0, shape[1] - 1):
            return given
        low, high = (int(run(given, f)) for f in (given.min, given.max))
        raise ValueError(
            f"labels from {low} to {high} for {shape[1]} classes; "
            f"they are numbered 0 to {shape[1] - 1}"
        )
    if is_floating(given.dtype) and given.shape == shape:
        return targets if given.dtype == logits.dtype else cast(targets, dtype=logits.dtype)
    raise ValueError(
        f"targets {given.dtype} {given.shape} for logits {shape}; expected integer labels "
        f"{labels}, or distributions {shape}"
    )
