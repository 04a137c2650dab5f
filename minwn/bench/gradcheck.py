"""Checking the gradient of weight normalisation, in float64, by minwn and by PyTorch.

The same w = g v / ||v|| with the gradient in closed form on both sides: minwn's pullback, and the
fused kernel behind PyTorch's weight norms. "torch slow" compares the whole Jacobian, "torch fast"
one random product, as "minwn full" and "minwn random" do, which also see kinks, inputs that change
and the like. The oracle draws its own cases, independent of the size, so it is in one work
only. A step returns the verdict; `scale` multiplies the gradients, to be caught.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .. import byhand, gradcheck, oracle
from .work import Build, Step, Work

__all__ = ["WORKS", "peers"]

Shape = tuple[int, int]


def problem(shape: Shape) -> list[Any]:
    """v and g."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape), rng.standard_normal((shape[0], 1))]


def _scaled(scale: float) -> Any:
    def backward(w_bar: Any, v: Any, g: Any) -> tuple[Any, Any]:
        v_bar, g_bar = byhand.weight_norm.vjp(w_bar, v, g)
        return scale * v_bar, scale * g_bar

    return byhand.weight_norm.vjp if scale == 1 else backward


def with_minwn(shape: Shape, scale: float = 1.0, **options: Any) -> Step:
    inputs, forward, backward = problem(shape), byhand.weight_norm.forward, _scaled(scale)

    def step() -> bool:
        return gradcheck.gradcheck(
            forward, inputs, backward=backward, raise_on_failure=False, **options
        ).ok

    return step


def with_oracle(shape: Shape, scale: float = 1.0) -> Step:
    forward, backward = byhand.weight_norm.forward, _scaled(scale)
    return lambda: oracle.check(forward, backward).ok


def with_torch(shape: Shape, scale: float = 1.0, *, fast: bool) -> Step:
    import torch

    inputs = tuple(torch.tensor(x, requires_grad=True) for x in problem(shape))

    def forward(v: Any, g: Any) -> Any:
        w = torch._weight_norm(v, g, 0)
        if scale != 1 and w.requires_grad:
            w.register_hook(lambda w_bar: scale * w_bar)
        return w

    def step() -> bool:
        return torch.autograd.gradcheck(forward, inputs, fast_mode=fast, raise_exception=False)

    return step


def peers(shape: Shape, scale: float = 1.0) -> dict[str, Build]:
    """All, by name."""
    return {
        "minwn full": partial(with_minwn, shape, scale, batched=True),
        "minwn full, one by one": partial(with_minwn, shape, scale),
        "minwn random": partial(with_minwn, shape, scale, mode="random"),
        "minwn oracle": partial(with_oracle, shape, scale),
        "torch slow": partial(with_torch, shape, scale, fast=False),
        "torch fast": partial(with_torch, shape, scale, fast=True),
    }


ORACLE = ("minwn oracle",)  # its cases do not depend on the shape
SLOW = ("minwn full", "minwn full, one by one", "torch slow")
WORKS = [
    Work(
        group="gradcheck",
        size=f"{shape[0]}x{shape[1]}",
        what=f"{shape}",
        peers={name: build for name, build in peers(shape).items() if name not in left_out},
        targets={"torch slow": 0.05} if shape == (32, 64) else {},
        quick=quick,
    )
    for shape, left_out, quick in (
        ((4, 8), ORACLE, True),
        ((10, 64), ORACLE, False),
        ((32, 64), (), False),
        ((128, 256), (*ORACLE, *SLOW), False),
    )
]
