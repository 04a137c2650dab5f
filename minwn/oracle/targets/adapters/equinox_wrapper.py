"""equinox.nn.WeightNorm: the weight of the wrapped layer is computed at each call.

For axis=None its g keeps v's rank, with 1 everywhere.
"""

from __future__ import annotations

from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_jax import derivatives

__all__ = ["EQUINOX"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    import equinox
    import jax

    class Layer(equinox.Module):
        weight: jax.Array

        def __call__(self, x: Any) -> Any:
            return self.weight

    def weight(v: Any, g: Any) -> Any:
        norm = equinox.nn.WeightNorm(Layer(v), axis=axis)
        norm = equinox.tree_at(lambda norm: norm.g, norm, g.reshape(norm.g.shape))
        return norm(None)

    return derivatives(weight)


EQUINOX = Adapter(
    name="equinox.wrapper", runs="equinox.nn.WeightNorm(layer)", distribution="equinox",
    functions=functions, axes=(0, -1, None),
)
