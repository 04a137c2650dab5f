"""ExponentialWeightNorm: a layer's weight as w = e^s v / ||v||. The mathematics is in
`byhand.exponential_scale`."""

from __future__ import annotations

from typing import Any

from ..backend import Array, namespace
from ..byhand import exponential_scale
from .weight_norm import WeightNorm

__all__ = ["ExponentialWeightNorm"]


class ExponentialWeightNorm(WeightNorm):
    """The reparameterisation w = e^s v / h(v) of one weight of a Module, with `WeightNorm`'s
    settings and methods.

    The parameters are `name_s`, shaped as `name_g` would be, and `name_v`. apply() keeps the
    function: s = log h(v), which is rounded to the dtype, so w is kept to |s| + 1 roundings.
    section 2, arXiv:1602.07868

    >>> nn.ExponentialWeightNorm().apply(nn.Linear(3, 2, rng=0))
    Linear(3 -> 2, weight_s(2, 1), weight_v(2, 3), bias(2,), weight = e^s v / ||v|| (dim=0))
    """

    _letter = "s"
    _gain = "e^s"

    def _weight(self, v: Any, s: Any) -> Any:
        return exponential_scale.forward(v, s, eps=self.eps, form=self.form)

    def _stored(self, length: Array) -> Array:
        return namespace(length).log(length)
