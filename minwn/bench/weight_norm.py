"""Weight normalisation alone: w from v and g, then v_bar and g_bar from w_bar, in float32.

It computes little and moves much. v, w_bar are read, w and v_bar written, and v is needed again
when w_bar is there: five arrays' worth of traffic at the least, where a copy has two. So the
yardsticks are copies of the same size, in the same rounds: `copyto` into memory that is warm, and
`.copy()` into a new array, which the results of NumPy's functions are as well.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from .. import byhand
from ..derivatives import grad
from ..tensors import tensor
from .work import Step, Work

__all__ = ["PEERS", "WORKS", "YARDSTICKS"]

Shape = tuple[int, ...]
SHAPES: tuple[Shape, ...] = (
    (10, 64), (64, 64), (256, 256), (192, 192, 3, 3), (1024, 1024), (4096, 1024), (512, 512, 3, 3),
)  # fmt: skip


def problem(shape: Shape) -> tuple[Any, Any, Any]:
    """v, g, w_bar, with a gain for each slice along axis 0."""
    rng = np.random.default_rng(0)
    kept = (shape[0], *(1,) * (len(shape) - 1))
    v, g, w_bar = (rng.standard_normal(s, dtype=np.float32) for s in (shape, kept, shape))
    return v, g, w_bar


def with_minwn(shape: Shape) -> Step:
    v, g, w_bar = (tensor(x, requires_grad=k < 2) for k, x in enumerate(problem(shape)))

    def step() -> tuple[Any, ...]:
        w = byhand.weight_norm.forward(v, g)
        v_bar, g_bar = grad(w, (v, g), w_bar)
        return w.data, v_bar.data, g_bar.data

    return step


def with_numpy(shape: Shape) -> Step:
    v, g, w_bar = problem(shape)
    axes = tuple(range(1, len(shape)))

    def step() -> tuple[Any, ...]:
        n = np.sqrt((v * v).sum(axis=axes, keepdims=True))
        u = v / n
        w = g * u
        g_bar = (w_bar * u).sum(axis=axes, keepdims=True)
        return w, g / n * (w_bar - g_bar * u), g_bar

    return step


def with_torch(shape: Shape) -> Step:
    """The fused kernel behind both of PyTorch's weight norms."""
    import torch

    v, g, w_bar = map(torch.tensor, problem(shape))
    v.requires_grad_()
    g.requires_grad_()

    def step() -> tuple[Any, ...]:
        w = torch._weight_norm(v, g, 0)
        return w.detach(), *torch.autograd.grad(w, (v, g), w_bar)

    return step


def with_jax(shape: Shape) -> Step:
    import jax
    from jax import numpy as jnp

    v, g, w_bar = jax.device_put(problem(shape), jax.devices("cpu")[0])
    axes = tuple(range(1, len(shape)))

    @jax.jit
    def both(v: Any, g: Any, w_bar: Any) -> Any:
        def weight(v: Any, g: Any) -> Any:
            return g * v / jnp.sqrt((v * v).sum(axis=axes, keepdims=True))

        w, pullback = jax.vjp(weight, v, g)
        return w, *pullback(w_bar)

    return lambda: jax.block_until_ready(both(v, g, w_bar))


def into_warm_memory(shape: Shape) -> Step:
    v = problem(shape)[0]
    return partial(np.copyto, np.zeros_like(v), v)


def into_a_new_array(shape: Shape) -> Step:
    return problem(shape)[0].copy


PEERS = {
    "minwn": with_minwn,
    "numpy by hand": with_numpy,
    "torch": with_torch,
    "jax jit": with_jax,
}
YARDSTICKS = {"copy into warm memory": into_warm_memory, "copy into a new array": into_a_new_array}
WORKS = [
    Work(
        group="weight_norm",
        size="x".join(map(str, shape)),
        what=f"{shape}",
        peers={name: partial(build, shape) for name, build in PEERS.items()},
        targets={"torch": 1.0 if math.prod(shape) <= 2**16 else 1.5},
        yardsticks={name: partial(build, shape) for name, build in YARDSTICKS.items()},
        passes=5,
        share=0.6 if math.prod(shape) > 1_000_000 else None,
        quick=shape in ((10, 64), (256, 256)),
    )
    for shape in SHAPES
]
