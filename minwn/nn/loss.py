"""Losses, as functions. Each gives one number for the mean or the sum, or one for each term.

16-bit numbers are computed in float32, terms and sum, and rounded once.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, beside, namespace, quiet, run
from ..byhand import softmax_cross_entropy
from ..graph import Value, raw
from ..ops import cast, getitem, mean, put_at, reshape, softplus
from ..ops import sum as sum_over
from ..tensors import Tensor
from ..validation import choice, door, share, whole
from .widen import widen

__all__ = ["bce_with_logits", "cross_entropy", "mse_loss"]


def cross_entropy(
    logits: Tensor,
    targets: Any,
    reduction: str = "mean",
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """l = sum_j q_j (log sum_i e^(x_i) - x_j) for each row x of the logits, where
    q_j = weight_j ((1 - label_smoothing) p_j + label_smoothing / k) for its target distribution p.

    logits: (n, k) or (n, k, ...)   targets: labels 0..k-1 of shape (n,) or (n, ...), or
    distributions of the shape of the logits, which have a gradient as well
    weight: one number for each class, (k,); it has a gradient too
    ignore_index: rows with this label have loss and gradient 0, and do not count. It is for labels
    only, and any whole number. (None ignores nothing; PyTorch ignores -100 unasked.)
    label_smoothing: from 0 to 1 (Szegedy et al. 2016)
    reduction: "sum", "none", or "mean": the sum divided by the number of rows; with labels and
    weights, by the sum of the weights of the labels. The mean of no rows is NaN.
    Raises ValueError for labels out of range, shapes that do not fit, or an unknown reduction.

    >>> f"{nn.cross_entropy(tensor([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])):.4f}"
    '0.4100'
    """
    smoothed = not isinstance(label_smoothing, float) or label_smoothing != 0
    if weight is None and ignore_index is None and not smoothed:
        plain: Tensor = softmax_cross_entropy.forward(logits, targets=targets, reduction=reduction)
        return plain
    loss: Tensor = run(
        raw(logits), _cross_entropy, logits, targets, reduction, weight, ignore_index,
        label_smoothing,
    )
    return loss


@door
def _cross_entropy(
    logits: Any,
    targets: Any,
    reduction: str,
    weight: Any,
    ignore_index: int | None,
    label_smoothing: float,
) -> Any:
    """The targets as q, of the rows that count; their losses; and each back in its place."""
    smoothing, places = share("label_smoothing", label_smoothing), None
    (logits,), narrow = widen(logits)
    if ignore_index is not None:
        targets, kept = _kept(logits, targets, whole("ignore_index", ignore_index, None))
        places = namespace(kept).flatnonzero(kept)
    rows, targets, lead = softmax_cross_entropy.as_rows(logits, targets, reduction)
    n, k = rows.shape
    if places is not None:
        rows, targets = getitem(rows, index=places), targets[places]
    labels, total = targets if targets.ndim == 1 else None, None
    if weight is not None or smoothing:
        p = targets if labels is None else softmax_cross_entropy.one_hot(rows, labels)
        targets = p * (1.0 - smoothing) + smoothing / k
    if weight is not None:
        weight = _weights(rows, weight)
        targets = targets * weight
        if labels is not None and reduction == "mean":
            reduction, total = "sum", sum_over(getitem(weight, index=labels))
    loss = softmax_cross_entropy.forward(rows, targets=targets, reduction=reduction)
    if total is not None:
        with quiet():  # the mean of nothing is 0 / 0
            loss = loss / total
    if reduction == "none":
        loss = loss if places is None else put_at(loss, index=places, shape=(n,))
        loss = reshape(loss, shape=lead)
    return narrow(loss)


def _kept(logits: Any, targets: Any, ignore_index: int) -> tuple[Array, Array]:
    """The labels, 0 where one is to be ignored, and whether each counts."""
    labels = beside(raw(targets), raw(logits))
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"ignore_index={ignore_index} is for labels, and the targets are {labels.dtype} "
            f"{labels.shape}; leave it out, or pass integers"
        )
    kept = labels != ignore_index
    return labels * kept, kept.reshape((-1,))


def _weights(rows: Any, weight: Any) -> Any:
    """One number for each class, in the dtype of the logits."""
    if not isinstance(weight, Value):
        weight = beside(weight, raw(rows), rows.dtype)
    if tuple(weight.shape) != (rows.shape[1],):
        raise ValueError(
            f"weight of shape {tuple(weight.shape)} for {rows.shape[1]} classes; give one number "
            f"for each"
        )
    return weight if weight.dtype == rows.dtype else cast(weight, dtype=rows.dtype)


@door
def mse_loss(prediction: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """l = (prediction - target)^2.

    prediction, target: of one shape   reduction: "mean" (over every entry), "sum" or "none"
    Raises ValueError where the shapes differ (nothing is broadcast), or for another reduction.

    >>> nn.mse_loss(tensor([1.0, 2.0]), [0.0, 0.0])
    tensor(2.5, dtype=float32)
    """
    (prediction, target), narrow = widen(prediction, _beside(prediction, target))
    difference = prediction - target
    return narrow(_reduce(difference * difference, reduction))


@door
def bce_with_logits(logits: Tensor, targets: Any, reduction: str = "mean") -> Tensor:
    """l = -t log s(x) - (1 - t) log(1 - s(x)) = t log(1 + e^-x) + (1 - t) log(1 + e^x).

    logits x, targets t in [0, 1]: of one shape   reduction: "mean", "sum" or "none"
    Raises ValueError where the shapes differ (nothing is broadcast), or for another reduction.
    """
    (x, t), narrow = widen(logits, _beside(logits, targets))
    # Not softplus(x) - x t, which loses the digits of a small loss.
    return narrow(_reduce(t * softplus(-x) + (1.0 - t) * softplus(x), reduction))


def _beside(prediction: Any, target: Any) -> Any:
    """The target, as an array like the prediction where it is numbers in lists."""
    if target is None:
        raise TypeError("target=None; pass an array or a Tensor of the shape of the prediction")
    if not isinstance(target, Value):
        target = beside(target, raw(prediction), prediction.dtype)
    if tuple(target.shape) != tuple(prediction.shape):
        raise ValueError(
            f"target of shape {tuple(target.shape)} for a prediction of shape "
            f"{tuple(prediction.shape)}; reshape one of them, nothing is broadcast here"
        )
    return target


def _reduce(terms: Tensor, reduction: str) -> Tensor:
    choice("reduction", reduction, ("mean", "sum", "none"))
    return terms if reduction == "none" else mean(terms) if reduction == "mean" else sum_over(terms)
