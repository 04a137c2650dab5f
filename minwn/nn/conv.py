"""Convolutions and transposed convolutions in one, two and three dimensions.

The mathematics is in `byhand.conv`; here are the layers that own its weight and bias. Both are
drawn from U(-b, b) with b = 1/sqrt(weight.shape[1] kernel entries), as in PyTorch.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

from ..backend import Array, Generator, generator
from ..byhand import conv
from ..byhand.conv import Ints, Padding, each
from ..ops import pad
from ..ops.shape import PADDING
from ..tensors import Tensor
from ..validation import choice, flag
from . import init
from .module import Module, Parameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]


class Convolution(Module):
    """The base of the six: options, checked once, and first values."""

    dimensions: ClassVar[int]
    output_axis: int | None
    bias: Parameter | None
    _read: tuple[tuple[Any, ...], dict[str, Any]]  # the options, and their parsed form

    def _build(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        padding: Padding,
        dilation: Ints,
        groups: int,
        bias: bool,
        rng: Generator | int | None,
        dtype: Any,
    ) -> None:
        in_channels, out_channels, groups = init.sizes(
            in_channels=in_channels, out_channels=out_channels, groups=groups
        )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups={groups} must divide in_channels={in_channels} "
                f"and out_channels={out_channels}"
            )
        self.kernel_size = each(kernel_size, self.dimensions, "kernel_size", least=1)
        self.stride, self.padding, self.dilation = map(_plain, (stride, padding, dilation))
        outer, inner = in_channels, out_channels
        if self.output_axis == 0:
            outer, inner = out_channels, in_channels
        shape = (outer, inner // groups, *self.kernel_size)
        self._read = self._options(shape)
        rng, bound = generator(rng), init.fans(shape)[0] ** -0.5
        self.weight = Parameter(init.uniform(shape, bound, rng, dtype))
        wanted = flag("bias", bias)
        self.bias = Parameter(init.uniform((out_channels,), bound, rng, dtype)) if wanted else None

    def _options(self, weight: tuple[int, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The options as they are here, and as `conv.geometry` reads them."""
        given = self.stride, self.padding, self.dilation, self.groups
        return given, conv.geometry(weight, weight, *given)

    def _shape(self) -> dict[str, Any]:
        """The options in full, read again where one of them was assigned."""
        if self._read[0] != (self.stride, self.padding, self.dilation, self.groups):
            self._read = self._options(self.weight.shape)
        return self._read[1]

    def _check(self, x: Any) -> None:
        if len(x.shape) != self.dimensions + 2:
            raise ValueError(
                f"{type(self).__name__} takes (n, {self.in_channels}, and {self.dimensions} "
                f"sizes), got {tuple(x.shape)}; add a missing batch axis with x[None]"
            )

    def describe(self) -> str:
        defaults = {
            "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1,
            "padding_mode": "zeros",
        }
        said = [f"{self.in_channels} -> {self.out_channels}"]
        own = vars(self)
        said += [f"{k}={own[k]!r}" for k, usual in defaults.items() if own.get(k, usual) != usual]
        return ", ".join(said)


def _plain(value: Any) -> Any:
    """A whole number as Python's; anything else as it was given."""
    return int(value) if isinstance(value, Integral) else value


class Conv(Convolution):
    """y = conv(x, w) + b.   x: (n, in, *size)   weight: (out, in/groups, *kernel)   bias: (out,)

    y: (n, out, *out_size), out_size = floor((size + padding before and after
    - dilation (kernel - 1) - 1) / stride) + 1.   padding: a number, one for each dimension, pairs
    (before, after), "valid" for none or "same" for out_size = size.   padding_mode: what the input
    is padded with, "zeros", "reflect", "replicate" or "circular"; see `ops.pad`.
    Raises ValueError for options and inputs that do not fit.
    """

    output_axis = 0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Padding = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rng: Generator | int | None = None,
        dtype: Any = "float32",
    ) -> None:
        self.padding_mode = choice("padding_mode", padding_mode, PADDING)
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng,
            dtype,
        )

    def forward(self, x: Tensor | Array) -> Tensor:
        self._check(x)
        shape = self._shape()
        if self.padding_mode != "zeros":
            x = pad(x, widths=((0, 0), (0, 0), *shape["padding"]), mode=self.padding_mode)
            shape = shape | {"padding": ((0, 0),) * self.dimensions}
        y: Tensor = conv.forward_of(x, self.weight, self.bias, shape)
        return y


class ConvTranspose(Convolution):
    """x = the transpose of conv, applied to y, + b.

    y: (n, in, *size)   weight: (in, out/groups, *kernel)   bias: (out,)   x: (n, out, *out_size)

    out_size = (size - 1) stride - padding before and after + dilation (kernel - 1)
    + output_padding + 1, output_padding < stride.   The arguments are in PyTorch's order; there is
    no padding_mode but zeros.
    Raises ValueError for options and inputs that do not fit.
    """

    output_axis: int | None = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Padding = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        *,
        rng: Generator | int | None = None,
        dtype: Any = "float32",
    ) -> None:
        each(output_padding, self.dimensions, "output_padding", least=0)
        self.output_padding = _plain(output_padding)
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, rng,
            dtype,
        )
        if groups > 1:
            self.output_axis = None  # along axis 1 lies one output of each group

    def forward(self, y: Tensor | Array) -> Tensor:
        self._check(y)
        extra = each(self.output_padding, self.dimensions, "output_padding", least=0)
        x: Tensor = conv.transpose_of(y, self.weight, self.bias, self._shape(), extra)
        return x


class Conv1d(Conv):
    dimensions = 1


class Conv2d(Conv):
    dimensions = 2


class Conv3d(Conv):
    dimensions = 3


class ConvTranspose1d(ConvTranspose):
    dimensions = 1


class ConvTranspose2d(ConvTranspose):
    dimensions = 2


class ConvTranspose3d(ConvTranspose):
    dimensions = 3
