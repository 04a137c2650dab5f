"""flax.nnx.WeightNorm: the kernel of the wrapped layer is overwritten with w at each call.

A new layer for each question: the second call of one is given another v than the first.
"""

from __future__ import annotations

from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_jax import derivatives

__all__ = ["NNX"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    from flax import nnx

    class Layer(nnx.Module):
        def __init__(self, kernel: Any) -> None:
            self.kernel = nnx.Param(kernel)

        def __call__(self, x: Any) -> Any:
            return self.kernel[...]

    def weight(v: Any, g: Any) -> Any:
        norm = nnx.WeightNorm(
            Layer(v), epsilon=eps, feature_axes=axis,
            scale_init=lambda key, shape: g.reshape(shape), rngs=nnx.Rngs(0),
        )
        return norm(None)

    return derivatives(weight)


NNX = Adapter(
    name="flax.nnx", runs="flax.nnx.WeightNorm(layer)", distribution="flax", functions=functions,
    axes=(-1, 0, None), lengths=(("inside", 1e-12),), free_eps=True,
)
