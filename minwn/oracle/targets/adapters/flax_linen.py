"""flax.linen.WeightNorm: the kernel of the wrapped layer is normalised at each call.

feature_axes are the axes that keep a norm each; the scale is g without the axes of size 1.
"""

from __future__ import annotations

from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_jax import derivatives

__all__ = ["LINEN"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    from flax import linen

    class Layer(linen.Module):
        shape: tuple[int, ...]

        @linen.compact
        def __call__(self) -> Any:
            return self.param("kernel", linen.initializers.ones, self.shape)

    def weight(v: Any, g: Any) -> Any:
        norm = linen.WeightNorm(Layer(v.shape), epsilon=eps, feature_axes=axis)
        axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
        scale = g.reshape([v.shape[a] for a in axes])
        params = {"layer_instance": {"kernel": v}, "layer_instance/kernel/scale": scale}
        return norm.apply({"params": params})

    return derivatives(weight)


LINEN = Adapter(
    name="flax.linen", runs="flax.linen.WeightNorm(layer)", distribution="flax",
    functions=functions, axes=(-1, 0, None), lengths=(("inside", 1e-12),), free_eps=True,
)
