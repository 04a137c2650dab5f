"""Weight normalisation alone: w from v and g, then v_bar and g_bar from w_bar, in float32.

It computes little and moves much. v, w_bar are read, w and v_bar written, and v is needed again
when w_bar is there: five arrays' worth of traffic at the least, where a copy has two. So the
yardsticks are copies of the same size, in the same rounds: `copyto` into memory that is warm, and
`.copy()` into a new array, which the results of NumPy's functions are as well.

On a GPU, where launching a kernel takes longer than a small tensor does, sizes are larger, and
float16 is measured, too.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import numpy as np

from .. import byhand
from ..backend import move, namespace
from ..derivatives import grad
from ..tensors import tensor
from .work import Build, Step, Unavailable, Work, torch_for

__all__ = ["PEERS", "WORKS", "YARDSTICKS", "on_device", "peers_on"]

Shape = tuple[int, ...]
SHAPES: tuple[Shape, ...] = (
    (10, 64), (64, 64), (256, 256), (192, 192, 3, 3), (1024, 1024), (4096, 1024), (512, 512, 3, 3),
)


ON_DEVICE: tuple[Shape, ...] = (
    (64, 64), (1024, 1024), (4096, 1024), (512, 512, 3, 3), (4096, 4096), (8192, 4096),
    (16384, 4096),
)
LARGE = 1 << 26  # bytes of v from which a GPU's memory, not its cache, sets the time


def problem(shape: Shape, dtype: str = "float32") -> tuple[Any, Any, Any]:
    """v, g, w_bar, with a gain for each slice along axis 0."""
    rng = np.random.default_rng(0)
    g_shape = (shape[0], *(1,) * (len(shape) - 1))
    v, g, w_bar = (rng.standard_normal(s, dtype=np.float32) for s in (shape, g_shape, shape))
    return v.astype(dtype), g.astype(dtype), w_bar.astype(dtype)


def with_minwn(shape: Shape, dtype: str = "float32", device: str = "cpu") -> Step:
    inputs = (move(x, device) for x in problem(shape, dtype))
    v, g, w_bar = (tensor(x, requires_grad=k < 2) for k, x in enumerate(inputs))

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


def with_torch(shape: Shape, dtype: str = "float32", device: str = "cpu") -> Step:
    """The fused kernel behind both of PyTorch's weight norms."""
    torch = torch_for(device)
    return _with_torch(lambda v, g: torch._weight_norm(v, g, 0), shape, dtype, device)


def with_torch_compiled(shape: Shape, dtype: str = "float32", device: str = "cpu") -> Step:
    """The formula, for the compiler to fuse."""
    torch, axes = torch_for(device), tuple(range(1, len(shape)))

    def weight(v: Any, g: Any) -> Any:
        return g * v / torch.linalg.vector_norm(v, dim=axes, keepdim=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the compiler, about itself
        step = _with_torch(torch.compile(weight, dynamic=False), shape, dtype, device)
        try:
            step()
        except Exception as error:  # without a compiler for this device it fails in many ways
            raise Unavailable(f"torch.compile: {str(error).strip().splitlines()[0]}") from error
    return step


def _with_torch(weight: Any, shape: Shape, dtype: str, device: str) -> Step:
    torch = torch_for(device)
    v, g, w_bar = (torch.tensor(x, device=device) for x in problem(shape, dtype))
    v.requires_grad_()
    g.requires_grad_()

    def step() -> tuple[Any, ...]:
        w = weight(v, g)
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


def on_the_device(shape: Shape, dtype: str, device: str) -> Step:
    v = move(problem(shape, dtype)[0], device)
    return partial(namespace(v).copyto, v.copy(), v)


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


def peers_on(device: str, shape: Shape, dtype: str) -> dict[str, Build]:
    """By name, the builds that run on a device."""
    found = {"minwn": with_minwn, "torch": with_torch, "torch compiled": with_torch_compiled}
    return {name: partial(build, shape, dtype, device) for name, build in found.items()}


def on_device(device: str) -> list[Work]:
    """The works of a GPU: ahead of PyTorch, and at 0.8 of the copy rate where memory counts."""
    return [
        Work(
            group="weight_norm",
            size=f"{'x'.join(map(str, shape))}-{dtype}",
            what=f"{shape}, {dtype}",
            peers=peers_on(device, shape, dtype),
            targets={"torch": 1.0},
            yardsticks={"copy on the device": partial(on_the_device, shape, dtype, device)},
            passes=5,
            share=0.8 if math.prod(shape) * np.dtype(dtype).itemsize >= LARGE else None,
            quick=shape == (64, 64),
            device=device,
        )
        for shape in ON_DEVICE
        for dtype in ("float32", "float16")
    ]
