"""Losses, as functions. Each gives one number for the mean or the sum, or one for each term.

16-bit numbers are computed in float32, terms and sum, and rounded once.
"""

from __future__ import annotations

from typing import Any

from ..backend import beside
from ..byhand import softmax_cross_entropy
from ..graph import Value, raw
from ..ops import mean, softplus
from ..ops import sum as sum_over
from ..tensors import Tensor
from ..validation import choice, door
from .widen import widen

__all__ = ["bce_with_logits", "cross_entropy", "mse_loss"]


def cross_entropy(logits: Tensor, targets: Any, reduction: str = "mean") -> Tensor:
    """l = log sum_j e^(x_j) - <p, x> for each row x of the logits and its target distribution p.

    logits: (n, k) or (n, k, ...)   targets: labels 0..k-1 of shape (n,) or (n, ...), or
    distributions of the shape of the logits, which have a gradient as well
    reduction: "mean", "sum" or "none"
    Raises ValueError for labels out of range, shapes that do not fit, or an unknown reduction.
    """
    loss: Tensor = softmax_cross_entropy.forward(logits, targets=targets, reduction=reduction)
    return loss


@door
def mse_loss(prediction: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """l = (prediction - target)^2.

    prediction, target: of one shape   reduction: "mean" (over every entry), "sum" or "none"
    Raises ValueError where the shapes differ (nothing is broadcast), or for another reduction.
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
