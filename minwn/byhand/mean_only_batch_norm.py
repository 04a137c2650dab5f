"""Mean-only batch normalisation, and its derivatives on paper.

Salimans & Kingma 2016, section 3, eq. 7 and 8, arXiv:1602.07868. Over a batch, channel by channel,

    y = t - mean(t) + b

Over the m entries of one channel, mean(t) = (1/m) sum_j t_j, so

    y_dot_j        = t_dot_j - mean(t_dot) + b_dot
    <y_bar, y_dot> = sum_j y_bar_j t_dot_j - mean(t_dot) sum_j y_bar_j + b_dot sum_j y_bar_j

    (mean(t_dot) sum_j y_bar_j  is  sum_j t_dot_j mean(y_bar))

    t_bar = y_bar - mean(y_bar)             (eq. 8: the gradient is centred)
    b_bar = sum_j y_bar_j

The map is linear, and centring is its own adjoint: the second pullback is the first again.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..graph import primitive
from ..kernels.channels import along, others
from ..ops import mean
from ..ops import sum as sum_over
from ..validation import door

__all__ = ["composed", "forward", "vjp"]


@door
def composed(t: Any, b: Any) -> Any:
    """The definition, in ops: autodiff finds the derivatives."""
    return t - mean(t, axis=others(t), keepdims=True) + along(b, t)


@primitive
def mean_only_batch_norm(t: Array, b: Array) -> Array:
    """y = t - mean(t) + b.   t: (n, c, ...)   b: (c,)   y: (n, c, ...).   eq. 7

    Raises ValueError where the shapes do not fit.
    """
    if t.ndim < 2 or b.shape != t.shape[1:2]:
        raise ValueError(f"t {t.shape} and b {b.shape}; expected t (n, c, ...) and b (c,)")
    y: Array = t - mean(t, axis=others(t), keepdims=True) + along(b, t)
    return y


forward = mean_only_batch_norm


@mean_only_batch_norm.pullback
def _(y_bar, y, t, b):
    return vjp(y_bar)


@door
def vjp(y_bar: Any) -> tuple[Any, Any]:
    """(t_bar, b_bar) = (y_bar - mean(y_bar), sum of y_bar).   eq. 8"""
    axes = others(y_bar)
    return y_bar - mean(y_bar, axis=axes, keepdims=True), sum_over(y_bar, axis=axes)
