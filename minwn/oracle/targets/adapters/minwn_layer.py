"""minwn.WeightNorm: layer.weight is recomputed from weight_g and weight_v by an explicit call."""

from __future__ import annotations

from typing import Any

import numpy

from .... import nn
from ....derivatives import grad
from ....tensors import tensor
from .adapter import Adapter, Axis, Roles

__all__ = ["LAYER"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    def layer(v: Any, g: Any) -> Any:
        made = nn.Module()
        made.weight = nn.Parameter(numpy.ones_like(v))
        norm = nn.WeightNorm("weight", dim=axis, form=form, eps=eps)
        norm.apply(made)
        made.weight_g.data, made.weight_v.data = numpy.array(g), numpy.array(v)
        norm.recompute(made)
        return made

    def forward(v: Any, g: Any) -> Any:
        return layer(v, g).weight.numpy()

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        made = layer(v, g)
        made.weight.backward(w_bar)
        return made.weight_v.grad.numpy(), made.weight_g.grad.numpy()

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        made, cotangent = layer(v, g), tensor(w_bar, requires_grad=True)
        inputs = (made.weight_v, made.weight_g)
        v_bar, g_bar = grad(made.weight, inputs, cotangent, create_graph=True)
        total = (v_bar * v_bar_bar).sum() + (g_bar * g_bar_bar).sum()
        return tuple(x.numpy() for x in grad(total, (cotangent, *inputs)))

    return {"forward": forward, "backward": backward, "double_backward": double_backward}


LAYER = Adapter(
    name="minwn.layer", runs="minwn.WeightNorm(name, dim)", distribution="minwn",
    functions=functions, axes=(0, -1, None, (0, 1)), free_eps=True,
    lengths=(("plain", 0.0), ("inside", 1e-12), ("outside", 1e-8), ("max_q", 1e-12),
             ("max_n", 1e-12), ("rms", 1e-4)),
    accumulate={"float16": "float32", "bfloat16": "float32"},
)
