"""Activations as layers, with PyTorch's argument names, but for Softmax's `axis` (NumPy's name).

The functions themselves are in `ops`.
"""

from __future__ import annotations

from .. import ops
from ..tensors import Tensor
from ..validation import number, shown, whole
from .module import Module

__all__ = ["ELU", "GELU", "LeakyReLU", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh"]


class ReLU(Module):
    """y = max(x, 0), with derivative 0 at 0"""

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class LeakyReLU(Module):
    """y = x where x > 0, negative_slope x elsewhere.  Raises ValueError for a slope not finite."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = number("negative_slope", negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, slope=self.negative_slope)

    def describe(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """y = x where x > 0, alpha (e^x - 1) elsewhere.  Raises ValueError for an alpha not finite."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("alpha", alpha)

    def forward(self, x: Tensor) -> Tensor:
        return ops.elu(x, alpha=self.alpha)

    def describe(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """y = x P(N <= x) for a standard normal N; approximate="tanh" is the older formula with tanh.

    Raises ValueError for another approximation.  Hendrycks & Gimpel 2016, arXiv:1606.08415
    """

    def __init__(self, approximate: str = "none") -> None:
        if not isinstance(approximate, str) or approximate not in ("none", "tanh"):
            raise ValueError(f"approximate={shown(approximate)}; choose 'none' or 'tanh'")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return ops.gelu(x, approximate=self.approximate)

    def describe(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """y = log(1 + e^x)"""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softplus(x)


class Sigmoid(Module):
    """y = 1 / (1 + e^-x)"""

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class Tanh(Module):
    """y = tanh x"""

    def forward(self, x: Tensor) -> Tensor:
        return ops.tanh(x)


class Softmax(Module):
    """y = e^x / (the sum of e^x over axis).  Raises IndexError for an axis that x does not have.

    For a loss, pass the logits to `cross_entropy` instead: the logarithm of y loses digits.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = whole("axis", axis, least=None)

    def forward(self, x: Tensor) -> Tensor:
        return ops.softmax(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"
