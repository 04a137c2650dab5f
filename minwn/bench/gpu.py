"""The works of `minwn bench --device cuda`: weight norm and training steps on one GPU.

They are timed by events of the GPU, in the default stream, which CuPy and PyTorch share. Weight
norm reads v and writes w, reads w_bar and v again and writes v_bar: five arrays, where a copy of
v, the yardstick, has two.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .. import byhand
from ..backend import gpu_clock, namespace
from ..derivatives import grad
from ..tensors import tensor
from . import epoch, mlp_peers, step
from .weight_norm import problem
from .work import Step, Work, library

__all__ = ["PEERS", "WORKS", "GpuWork"]

Shape = tuple[int, ...]
SHAPES: tuple[Shape, ...] = (
    (64, 64), (1024, 1024), (4096, 1024), (4096, 4096), (16384, 4096), (512, 512, 3, 3),
)  # fmt: skip
MLP = (4096, 4096, 4096)


class GpuWork(Work):
    """A work on the GPU."""

    def available(self) -> list[str]:
        """The peers whose library is installed, and sees the GPU."""
        return [name for name in super().available() if library(name) != "torch" or _torch(name)]

    def clock(self) -> Callable[[], float]:
        return gpu_clock()


def _torch(name: str) -> bool:
    import torch

    compiles = name != "torch compile" or importlib.util.find_spec("triton") is not None
    return torch.cuda.is_available() and compiles


# ---- weight norm --------------------------------------------------------------------------------


def with_minwn(shape: Shape, dtype: str) -> Step:
    v, g, w_bar = (tensor(x, dtype=dtype).to("cuda").data for x in problem(shape))
    v, g = tensor(v, requires_grad=True), tensor(g, requires_grad=True)

    def run() -> tuple[Any, ...]:
        w = byhand.weight_norm.forward(v, g)
        return w.data, *(bar.data for bar in grad(w, (v, g), w_bar))

    return run


def with_torch(shape: Shape, dtype: str, device: str = "cuda") -> Step:
    """The fused kernel behind both of PyTorch's weight norms."""
    import torch

    return _with_torch(lambda v, g: torch._weight_norm(v, g, 0), shape, dtype, device)


def with_torch_compile(shape: Shape, dtype: str, device: str = "cuda") -> Step:
    """The definition, compiled by PyTorch, its gradient with it."""
    import torch

    axes = tuple(range(1, len(shape)))

    @torch.compile
    def weight(v: Any, g: Any) -> Any:
        return v * (g / torch.linalg.vector_norm(v, dim=axes, keepdim=True))

    return _with_torch(weight, shape, dtype, device)


def _with_torch(weight: Any, shape: Shape, dtype: str, device: str) -> Step:
    import torch

    kind = getattr(torch, dtype)
    v, g, w_bar = (torch.tensor(x, dtype=kind, device=device) for x in problem(shape))
    v.requires_grad_()
    g.requires_grad_()

    def run() -> tuple[Any, ...]:
        w = weight(v, g)
        return w.detach(), *torch.autograd.grad(w, (v, g), w_bar)

    return run


def a_copy(shape: Shape, dtype: str) -> Step:
    v = tensor(problem(shape)[0], dtype=dtype).to("cuda").data
    xp = namespace(v)
    return partial(xp.copyto, xp.zeros_like(v), v)


PEERS = {"minwn": with_minwn, "torch": with_torch, "torch compile": with_torch_compile}


def _weight_norm(shape: Shape, dtype: str) -> GpuWork:
    large = math.prod(shape) > 1_000_000
    return GpuWork(
        group="cuda_weight_norm",
        size=f"{'x'.join(map(str, shape))}-{dtype}",
        what=f"{shape} {dtype}",
        peers={name: partial(build, shape, dtype) for name, build in PEERS.items()},
        targets={"torch": 1.0},
        yardsticks={"copy into warm memory": partial(a_copy, shape, dtype)},
        passes=5,
        share=0.8 if large else None,
        quick=not large,
    )


# ---- training steps -----------------------------------------------------------------------------


def _mlp(widths: Shape, batch: int, rule: str, quick: bool) -> GpuWork:
    builds = {"minwn": step.with_minwn, "torch hook": mlp_peers.with_torch_hook}
    return GpuWork(
        group="cuda_step",
        size=f"{'-'.join(map(str, widths))}-{rule}",
        what=f"{' '.join(map(str, widths))}, batch {batch}, {rule.upper()}",
        peers={name: partial(f, widths, batch, rule, "cuda") for name, f in builds.items()},
        targets={"torch": 1.0},
        quick=quick,
    )


WORKS = [
    *(_weight_norm(shape, dtype) for shape in SHAPES for dtype in ("float32", "float16")),
    _mlp((64, 32, 10), 32, "sgd", True),
    _mlp(MLP, 256, "sgd", False),
    _mlp(MLP, 256, "adam", False),
    GpuWork(
        group="cuda_step",
        size="digits",
        what="45 steps on the digits",
        peers={
            "minwn": partial(epoch.with_minwn, "cuda"),
            "torch hook": partial(epoch.with_torch, "cuda"),
        },
        targets={"torch": 1.0},
    ),
]
