"""minwn.byhand.weight_norm: forward, vjp, jvp and double_vjp, derived on paper."""

from __future__ import annotations

import functools

from ....byhand import weight_norm
from .adapter import Adapter, Axis, Roles

__all__ = ["BYHAND"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    roles: Roles = {
        "forward": weight_norm.forward, "backward": weight_norm.vjp, "jvp": weight_norm.jvp,
        "double_backward": weight_norm.double_vjp,
    }
    return {role: functools.partial(f, form=form, eps=eps) for role, f in roles.items()}


BYHAND = Adapter(
    name="minwn.byhand", runs="minwn.byhand.weight_norm", distribution="minwn",
    functions=functions, axes=(0, -1, None, (0, 1)), free_eps=True,
    lengths=(("plain", 0.0), ("inside", 1e-12), ("outside", 1e-8), ("max_q", 1e-12),
             ("max_n", 1e-12), ("rms", 1e-4)),
    accumulate={"float16": "float32", "bfloat16": "float32"},
)
