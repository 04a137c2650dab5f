"""Derived on paper: each file is a derivation, the same function composed of ops (autodiff finds
its gradient) and fused into one node (the derivation is its gradient), and array functions."""

from . import (
    conv,
    exponential_scale,
    frozen_norm,
    linear,
    mean_only_batch_norm,
    softmax_cross_entropy,
    weight_norm,
)

__all__ = [
    "conv", "exponential_scale", "frozen_norm", "linear", "mean_only_batch_norm",
    "softmax_cross_entropy", "weight_norm",
]
