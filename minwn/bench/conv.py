"""Convolution forward, then both backward passes, x_bar and w_bar, in float32.

A first list of shapes with kernel 3 (and one from audio), by which the speed is judged, and a
second of kinds at one size: other kernels, strides, groups, and transposed. x and y_bar lie in
memory as they do inside a network of each peer: channels last for minwn, first for the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import byhand
from ..derivatives import grad
from ..tensors import tensor
from .work import Step, Work

__all__ = [
    "FIRST_SIX",
    "KINDS",
    "WORKS",
    "Shape",
    "with_jax",
    "with_minwn",
    "with_numpy",
    "with_torch",
]


@dataclass(frozen=True)
class Shape:
    """x: (n, c, *size)   w: (o, c/groups, *kernel), or (c, o/groups, *kernel) transposed"""

    n: int
    c: int
    size: tuple[int, ...]
    o: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    transposed: bool = False

    @property
    def options(self) -> dict[str, int]:
        """The padding keeps the size, or divides or multiplies it by the stride."""
        reach = self.dilation * (self.kernel - 1)
        padding = (self.kernel - self.stride if self.transposed else reach) // 2
        return {
            "stride": self.stride, "padding": padding, "dilation": self.dilation,
            "groups": self.groups,
        }

    def __str__(self) -> str:
        words = [f"{self.n}x{self.c}x{'x'.join(map(str, self.size))} -> {self.o}, k{self.kernel}"]
        words += [
            f"{key} {value}"
            for key in ("stride", "dilation", "groups")
            if (value := getattr(self, key)) > 1
        ]
        return ", ".join(words + ["transposed"] * self.transposed)


def problem(s: Shape) -> tuple[Any, Any, Any]:
    """x, w, y_bar."""
    rng, axes = np.random.default_rng(0), len(s.size)
    outer, inner = (s.c, s.o) if s.transposed else (s.o, s.c)
    w_shape = (outer, inner // s.groups, *(s.kernel,) * axes)
    pad, reach = s.options["padding"], s.dilation * (s.kernel - 1)
    if s.transposed:
        out = tuple((m - 1) * s.stride - 2 * pad + reach + 1 for m in s.size)
    else:
        out = tuple((m + 2 * pad - reach - 1) // s.stride + 1 for m in s.size)
    shapes = (s.n, s.c, *s.size), w_shape, (s.n, s.o, *out)
    x, w, y_bar = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, w / np.float32(math.sqrt(inner * s.kernel**axes)), y_bar


def with_minwn(s: Shape) -> Step:
    """A step of minwn."""
    x, w, y_bar = problem(s)
    x, w = (tensor(a, requires_grad=True) for a in (channels_last(x), w))
    y_bar = tensor(channels_last(y_bar))
    forward = byhand.conv.transpose if s.transposed else byhand.conv.forward

    def step() -> tuple[Any, ...]:
        y = forward(x, w, **s.options)
        x_bar, w_bar = grad(y, (x, w), y_bar)
        return y.data, x_bar.data, w_bar.data

    return step


def channels_last(x: Any) -> Any:
    """The same numbers in the same places of an array, but with the channels last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def with_torch(s: Shape) -> Step:
    """A step of PyTorch."""
    import torch

    x, w, y_bar = map(torch.tensor, problem(s))
    x.requires_grad_()
    w.requires_grad_()
    kind = "conv_transpose" if s.transposed else "conv"
    forward = getattr(torch.nn.functional, f"{kind}{len(s.size)}d")

    def step() -> tuple[Any, ...]:
        y = forward(x, w, **s.options)
        return y.detach(), *torch.autograd.grad(y, (x, w), y_bar)

    return step


def with_jax(s: Shape) -> Step:
    """In NCHW, the convolution and both of its transposes as one compiled function."""
    import jax

    x, w, y_bar = jax.device_put(problem(s), jax.devices("cpu")[0])
    axes, o = len(s.size), s.options
    letters = ("NC" + "DHW"[-axes:], "OI" + "DHW"[-axes:], "NC" + "DHW"[-axes:])

    def conv(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, w, (s.stride,) * axes, ((o["padding"],) * 2,) * axes,
            rhs_dilation=(s.dilation,) * axes, dimension_numbers=letters,
            feature_group_count=s.groups,
        )

    @jax.jit
    def all_three(x: Any, w: Any, y_bar: Any) -> Any:
        y, pullback = jax.vjp(conv, x, w)
        return y, *pullback(y_bar)

    return lambda: jax.block_until_ready(all_three(x, w, y_bar))


def with_numpy(s: Shape) -> Step:
    """Every window as a row of one matrix, a product, and a sum over the kernel to go back.

    For stride 1 and one group, in two dimensions; one dimension is extended to two.
    """
    x, w, y_bar = (a[:, :, None] if a.ndim == 3 else a for a in problem(s))
    (n, c, height, width), (o, _, rows, columns), d = x.shape, w.shape, s.dilation
    pad = tuple(d * (k - 1) // 2 for k in (rows, columns))
    taps = [(i, j) for i in range(rows) for j in range(columns)]

    def step() -> tuple[Any, ...]:
        padded = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
        parts = [padded[:, :, d * i :, d * j :][:, :, :height, :width] for i, j in taps]
        cols = np.stack(parts, axis=2).transpose(0, 3, 4, 1, 2).reshape(-1, c * len(taps))
        flat_w, flat_bar = w.reshape(o, -1), y_bar.transpose(0, 2, 3, 1).reshape(-1, o)
        y = (cols @ flat_w.T).reshape(n, height, width, o).transpose(0, 3, 1, 2)
        w_bar = (flat_bar.T @ cols).reshape(w.shape)  # (p, o), (p, ck) -> (o, ck)
        cols_bar = (flat_bar @ flat_w).reshape(n, height, width, c, len(taps))
        padded_bar = np.zeros_like(padded)
        for k, (i, j) in enumerate(taps):
            place = padded_bar[:, :, d * i :, d * j :][:, :, :height, :width]
            place += cols_bar[..., k].transpose(0, 3, 1, 2)
        x_bar = padded_bar[:, :, pad[0] : pad[0] + height, pad[1] : pad[1] + width]
        return tuple(a.reshape(shape) for a, shape in zip((y, x_bar, w_bar), shapes, strict=True))

    shapes = [a.shape for a in (problem(s)[k] for k in (2, 0, 1))]
    return step


def _work(group: str, s: Shape, quick: bool) -> Work:
    peers = {"minwn": with_minwn, "torch": with_torch}
    if group == "conv":
        peers |= {"numpy by hand": with_numpy, "jax jit": with_jax}
    words = "-".join(str(s).replace(",", "").replace("-> ", "").split())
    return Work(
        group=group,
        size=words,
        what=str(s),
        peers={name: partial(build, s) for name, build in peers.items()},
        targets={"torch": 1.3},
        quick=quick,
    )


WORKS = [
    _work("conv", shape, quick)
    for shape, quick in (
        (Shape(32, 1, (8, 8), 16), True),
        (Shape(32, 16, (8, 8), 32), True),
        (Shape(32, 64, (16, 16), 64), False),
        (Shape(64, 3, (32, 32), 96), False),
        (Shape(100, 96, (32, 32), 96), False),
        (Shape(32, 256, (8, 8), 256), False),
        (Shape(8, 64, (4096,), 64, kernel=7, dilation=3), False),
    )
]
FIRST_SIX = [work.name for work in WORKS[:6]]
KINDS = [
    _work("conv_kinds", shape, False)
    for shape in (
        Shape(32, 64, (16, 16), 64, kernel=1),
        Shape(32, 64, (16, 16), 64, kernel=5),
        Shape(32, 64, (16, 16), 64, stride=2),
        Shape(32, 64, (16, 16), 64, groups=4),
        Shape(32, 64, (16, 16), 64, groups=64),
        Shape(32, 64, (16, 16), 64, kernel=4, stride=2, transposed=True),
        Shape(8, 64, (1024,), 64, kernel=5),
        Shape(8, 64, (256,), 32, kernel=8, stride=4, transposed=True),
    )
]
