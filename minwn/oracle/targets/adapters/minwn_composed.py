"""minwn.byhand.weight_norm.composed: the definition in ops, and its derivatives by autodiff."""

from __future__ import annotations

from typing import Any

from ....byhand import weight_norm
from ....derivatives import grad, jvp, vjp
from ....tensors import tensor
from .adapter import Adapter, Axis, Roles

__all__ = ["COMPOSED"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    def weight(v: Any, g: Any) -> Any:
        return weight_norm.composed(v, g, form=form, eps=eps)

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        return tuple(x.numpy() for x in vjp(weight, v, g)[1](w_bar))

    def product(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        return jvp(weight, (v, g), (v_dot, g_dot))[1].numpy()

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        every = [tensor(x, requires_grad=True) for x in (w_bar, v, g)]
        w = weight(*every[1:])
        v_bar, g_bar = grad(w, every[1:], every[0], create_graph=True)
        total = (v_bar * v_bar_bar).sum() + (g_bar * g_bar_bar).sum()
        return tuple(x.numpy() for x in grad(total, every))

    return {"forward": weight, "backward": backward, "jvp": product,
            "double_backward": double_backward}


COMPOSED = Adapter(
    name="minwn.composed", runs="minwn.byhand.weight_norm.composed", distribution="minwn",
    functions=functions, axes=(0, -1, None, (0, 1)), free_eps=True,
    lengths=(("plain", 0.0), ("inside", 1e-12), ("outside", 1e-8), ("max_q", 1e-12),
             ("max_n", 1e-12), ("rms", 1e-4)),
)
