"""Normalisation of activations: over the batch, by its mean only, or over each example.

    z = (x - m) / s      m = mean(x)      s = sqrt(mean((x - m)^2) + eps)

over the N entries that share one m. Writing mean() for that average,

    s_dot = mean((x - m) x_dot) / s = mean(z x_dot)
    z_dot = (x_dot - mean(x_dot) - z s_dot) / s

and, moving everything in <z_bar, z_dot> off x_dot,

    x_bar = (z_bar - mean(z_bar) - z mean(z z_bar)) / s

16-bit numbers are computed in float32, from the statistics to the bias, and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..backend import Array, accumulator, run
from ..byhand import mean_only_batch_norm
from ..graph import primitive, raw
from ..kernels.channels import along, others
from ..ops import mean, sqrt, var
from ..tensors import Tensor
from ..validation import flag, positive, share, shown
from . import init
from .module import Buffer, Module, Parameter
from .widen import widen

__all__ = [
    "BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "MeanOnlyBatchNorm",
]


@primitive
def standardise(x: Array, *, axis: tuple[int, ...], eps: float) -> Array:
    """z = (x - mean of x) / sqrt(variance of x + eps), both over axis."""
    z = x - mean(x, axis=axis, keepdims=True)
    z /= sqrt(mean(z * z, axis=axis, keepdims=True) + eps)
    return z


@standardise.pullback
def _(z_bar, z, x, *, axis, eps):
    centre = mean(z_bar, axis=axis, keepdims=True)
    parallel = z * mean(z * z_bar, axis=axis, keepdims=True)
    return ((z_bar - centre - parallel) / sqrt(var(x, axis=axis, keepdims=True) + eps),)


class _OverBatch(Module):
    """The base of both batch norms: channels on axis 1, and statistics that follow the batches."""

    output_axis = 0

    def __init__(self, num_features: int, momentum: float, dtype: Any) -> None:
        (num_features,) = init.sizes(num_features=num_features)
        self.num_features = num_features
        self.momentum = share("momentum", momentum)
        self.running_mean = Buffer(init.zeros((num_features,), dtype=dtype))

    def __call__(self, x: Tensor | Array) -> Tensor:
        """forward(x); the running statistics move only where all of that has succeeded."""
        y: Tensor = super().__call__(x)
        if self.training:
            run(raw(x), self._follow, raw(x))
        return y

    def _follow(self, x: Array) -> None:
        x = x.astype(accumulator(x.dtype), copy=False)
        self._average(self.running_mean, mean(x, axis=others(x)))

    def _average(self, running: Buffer, now: Array) -> None:
        old = running.data.astype(accumulator(running.dtype), copy=False)
        new = (1.0 - self.momentum) * old + self.momentum * now
        running.assign(new.astype(running.dtype, copy=False))

    def _check(self, x: Any) -> None:
        if len(x.shape) < 2 or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__} takes (n, {self.num_features}, ...), got {tuple(x.shape)}"
            )

    def describe(self) -> str:
        return f"momentum={self.momentum}"


class BatchNorm(_OverBatch):
    """y = (x - m) / sqrt(q + eps) weight + bias, channel by channel.   x, y: (n, c, ...)

    In training m and q are mean and variance of the batch, and the buffers follow them,
    running = (1 - momentum) running + momentum (m, or N/(N-1) q for N entries of a channel);
    in evaluation m and q are the buffers.   weight, bias, running_mean, running_var: (c,)

    Raises ValueError for inputs that do not fit, and in training for N = 1.
    Ioffe & Szegedy 2015, arXiv:1502.03167
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(num_features, momentum, dtype)
        self.eps = positive("eps", eps)
        affine = flag("affine", affine)
        self.weight = Parameter(init.ones((num_features,), dtype=dtype)) if affine else None
        self.bias = Parameter(init.zeros((num_features,), dtype=dtype)) if affine else None
        self.running_var = Buffer(init.ones((num_features,), dtype=dtype))

    def forward(self, x: Tensor | Array) -> Tensor:
        self._check(x)
        if self.training:
            if math.prod(x.shape[a] for a in others(x)) < 2:
                raise ValueError(
                    f"{type(self).__name__} in training needs two entries of each channel or more, "
                    f"got {tuple(x.shape)}; use a larger batch, or eval()"
                )
            (x, weight, bias), narrow = widen(x, self.weight, self.bias)
            z = standardise(x, axis=others(x), eps=self.eps)
            y = z if weight is None else z * along(weight, x)
        else:
            (x, weight, bias, m, q), narrow = widen(
                x, self.weight, self.bias, self.running_mean, self.running_var
            )
            scale = 1.0 / sqrt(q + self.eps)
            scale = scale if weight is None else scale * weight
            y = (x - along(m, x)) * along(scale, x)
        return narrow(y if bias is None else y + along(bias, x))

    def _follow(self, x: Array) -> None:
        super()._follow(x)
        x = x.astype(accumulator(x.dtype), copy=False)
        self._average(self.running_var, var(x, axis=others(x), ddof=1))

    def describe(self) -> str:
        return f"eps={self.eps}, {super().describe()}"


BatchNorm1d = BatchNorm2d = BatchNorm3d = BatchNorm


class MeanOnlyBatchNorm(_OverBatch):
    """y = x - m + bias, channel by channel; WeightNorm takes care of the scale.   x, y: (n, c, ...)

    In training m is the mean of the batch, and running_mean = (1 - momentum) running_mean
    + momentum m; in evaluation m is running_mean.   bias, running_mean: (c,)

    Raises ValueError for inputs that do not fit, and in training for an empty batch.
    eq. 7 and 8, arXiv:1602.07868

    >>> nn.MeanOnlyBatchNorm(2)(tensor([[1.0, 5.0], [3.0, 9.0]])).numpy()
    array([[-1., -2.],
           [ 1.,  2.]], dtype=float32)
    """

    def __init__(self, num_features: int, momentum: float = 0.1, *, dtype: Any = "float32") -> None:
        super().__init__(num_features, momentum, dtype)
        self.bias = Parameter(init.zeros((num_features,), dtype=dtype))

    def forward(self, x: Tensor | Array) -> Tensor:
        self._check(x)
        if self.training:
            if not raw(x).size:
                raise ValueError(
                    f"MeanOnlyBatchNorm in training: {tuple(x.shape)} has no entries to take a "
                    f"mean of; use a larger batch, or eval()"
                )
            return mean_only_batch_norm.forward(x, self.bias)
        (x, bias, m), narrow = widen(x, self.bias, self.running_mean)
        return narrow(x + along(bias - m, x))


class LayerNorm(Module):
    """y = (x - m) / sqrt(q + eps) weight + bias, m and q over the last axes of each example.

    normalized_shape: their lengths, a number or several   weight, bias: normalized_shape
    Raises ValueError for inputs that do not end in normalized_shape.  arXiv:1607.06450
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = "float32",
    ) -> None:
        alone = not isinstance(normalized_shape, tuple | list)
        several: Any = [normalized_shape] if alone else normalized_shape
        if not several or not all(isinstance(n, Integral) and int(n) >= 1 for n in several):
            raise ValueError(
                f"normalized_shape={shown(normalized_shape)}; give a whole number >= 1, or several"
            )
        shape = tuple(map(int, several))
        self.normalized_shape, self.eps = shape, positive("eps", eps)
        elementwise_affine = flag("elementwise_affine", elementwise_affine)
        wanted = flag("bias", bias) and elementwise_affine
        self.weight = Parameter(init.ones(shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(init.zeros(shape, dtype=dtype)) if wanted else None

    def forward(self, x: Tensor | Array) -> Tensor:
        axis = tuple(range(-len(self.normalized_shape), 0))
        if tuple(x.shape[axis[0] :]) != self.normalized_shape:
            raise ValueError(
                f"LayerNorm takes (..., {', '.join(map(str, self.normalized_shape))}), "
                f"got {tuple(x.shape)}"
            )
        (x, weight, bias), narrow = widen(x, self.weight, self.bias)
        z = standardise(x, axis=axis, eps=self.eps)
        y = z if weight is None else z * weight
        return narrow(y if bias is None else y + bias)

    def describe(self) -> str:
        return f"eps={self.eps}"
