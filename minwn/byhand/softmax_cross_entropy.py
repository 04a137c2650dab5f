"""Cross entropy of a softmax, and its derivatives on paper.

One row of logits x_1 ... x_k and a distribution p over the k classes (for a label t, p_t = 1):

    z = log sum_j e^(x_j)        the softmax is  s_j = e^(x_j - z)
    l = -sum_j p_j log s_j = z sum_j p_j - <p, x>

    dz/dx_j = s_j       so       x_bar_j = l_bar (s_j sum_i p_i - p_j)

For a label this is l_bar (s - p). The mean of n rows gives each of them l_bar / n. Differentiated
again,  ds_i/dx_j = s_i (1[i = j] - s_j),  the pullback of the softmax.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, beside, is_floating, namespace, on_device_of, run, within
from ..graph import primitive, raw
from ..ops import logsumexp, mean, reshape, softmax, transpose, where
from ..ops import sum as sum_over
from ..small import column_sums, indices, row_maxima, row_sums

__all__ = ["composed", "forward", "vjp"]

REDUCTIONS = ("mean", "sum", "none")


def forward(logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """l = log sum_j e^(x_j) - x_t, averaged, summed, or one number a row.

    logits: (n, k) or (n, k, ...)   targets: labels 0..k-1 of shape (n,) or (n, ...), or
    distributions of the shape of the logits   reduction: "mean", "sum" or "none"

    Raises ValueError for labels out of range, shapes that do not fit, or an unknown reduction.
    """
    rows, targets, lead = _rows(logits, targets, reduction)
    loss = softmax_cross_entropy(rows, targets=targets, reduction=reduction)
    return reshape(loss, shape=lead) if reduction == "none" and len(lead) > 1 else loss


def composed(logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The definition, in ops: autodiff finds the derivatives."""
    rows, targets, lead = _rows(logits, targets, reduction)
    p, log_s = _p(rows, targets), rows - logsumexp(rows, axis=1, keepdims=True)
    losses = -sum_over(where(p == 0, 0.0, log_s * p), axis=1)
    if reduction == "none":
        return reshape(losses, shape=lead)
    return mean(losses) if reduction == "mean" else sum_over(losses)


@primitive
def softmax_cross_entropy(logits: Array, *, targets: Array, reduction: str) -> Array:
    """l of each row, averaged, summed or as they are.   logits: (n, k)   targets: (n,) or (n, k)"""
    # From the largest of each row: z and x_t may be large, and their difference small.
    x = logits - row_maxima(logits)
    xp = namespace(x)
    z = xp.log(row_sums(xp.exp(x)))
    if targets.ndim == 1:
        losses = z - x[_at(targets)]
    else:
        x = where(targets == 0, 0.0, x)  # a class that cannot be may have -inf
        losses = z * targets.sum(axis=1) - (x * targets).sum(axis=1)
    if reduction == "none":
        return losses
    return column_sums(losses) * _share(logits, reduction)


@softmax_cross_entropy.pullback
def _(l_bar, loss, logits, *, targets, reduction):
    s = softmax(logits, axis=1)
    if targets.ndim == 2:
        s = s * targets.sum(axis=1, keepdims=True)
    l_bar = l_bar.reshape((-1, 1)) if reduction == "none" else l_bar * _share(logits, reduction)
    return ((s - _p(logits, targets)) * l_bar,)


def vjp(l_bar: Any, logits: Any, *, targets: Any, reduction: str = "mean") -> Any:
    """The cotangent of the logits for the cotangent l_bar of the loss:  l_bar (s - p) / n"""
    rows, targets, _ = _rows(logits, targets, reduction)
    (flat,) = softmax_cross_entropy.vjp(l_bar, None, rows, targets=targets, reduction=reduction)
    return _unrows(flat, logits.shape)


def _share(logits: Any, reduction: str) -> float:
    return 1.0 / logits.shape[0] if reduction == "mean" else 1.0


def _p(logits: Any, targets: Array) -> Array:
    """The targets as probabilities, (n, k)."""
    if targets.ndim == 2:
        return targets
    p = namespace(targets).zeros(logits.shape, dtype=logits.dtype)
    p[_at(targets)] = 1.0
    return p


def _at(targets: Array) -> tuple[Array, Array]:
    """The index of each row's label."""
    return indices(targets), targets


def _rows(logits: Any, targets: Any, reduction: str) -> tuple[Any, Array, tuple[int, ...]]:
    """Logits (n ..., k), targets (n ...) or (n ..., k), and the shape of the n ... positions."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction={reduction!r}; choose from {', '.join(REDUCTIONS)}")
    targets = check_targets(logits, targets)
    if logits.ndim == 2:
        return logits, targets, logits.shape[:1]
    last, k = (0, *range(2, logits.ndim), 1), logits.shape[1]
    soft = targets.ndim == logits.ndim
    with on_device_of(targets):
        targets = targets.transpose(last).reshape((-1, k)) if soft else targets.reshape((-1,))
    rows = reshape(transpose(logits, axes=last), shape=(-1, k))
    return rows, targets, (logits.shape[0], *logits.shape[2:])


def _unrows(rows: Any, shape: tuple[int, ...]) -> Any:
    """Rows (n ..., k) back in the shape (n, k, ...)."""
    if len(shape) == 2:
        return rows
    classes = (0, len(shape) - 1, *range(1, len(shape) - 1))
    return transpose(reshape(rows, shape=(shape[0], *shape[2:], shape[1])), axes=classes)


def check_targets(logits: Any, targets: Any) -> Array:
    """The targets as an array: integer labels, or distributions of the dtype of the logits."""
    logits, targets = raw(logits), raw(targets)
    if type(targets) is not type(logits):
        targets = beside(targets, logits)
    shape = logits.shape
    if len(shape) < 2:
        raise ValueError(f"logits of shape {shape}; expected (n, k) or (n, k, ...)")
    labels = (shape[0], *shape[2:])
    if targets.dtype.kind in "iu" and targets.shape == labels:
        if within(targets, 0, shape[1] - 1):
            return targets
        low, high = (int(run(targets, f)) for f in (targets.min, targets.max))
        raise ValueError(
            f"labels from {low} to {high} for {shape[1]} classes; "
            f"they are numbered 0 to {shape[1] - 1}"
        )
    if is_floating(targets.dtype) and targets.shape == shape:
        return run(targets, targets.astype, logits.dtype, copy=False)
    raise ValueError(
        f"targets {targets.dtype} {targets.shape} for logits {shape}; expected integer labels "
        f"{labels}, or distributions {shape}"
    )
