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
    """The base of Conv1d, Conv2d and Conv3d: y = conv(x, w) + b."""

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
    """The base of ConvTranspose1d, 2d and 3d: x = the transpose of conv, applied to y, + b."""

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
    """y = conv(x, w) + b over one axis, with the options and errors of `Conv2d`.

    x: (n, in, l)   weight: (out, in/groups, k)   bias: (out,)   y: (n, out, l')
    """

    dimensions = 1


class Conv2d(Conv):
    """y = conv(x, w) + b.   x: (n, in, h, w)   weight: (out, in/groups, kh, kw)   bias: (out,)

    y: (n, out, h', w') with, along each axis, size' = floor((size + padding before and after
    - dilation (kernel - 1) - 1) / stride) + 1.
    stride, dilation: a number, or one for each axis
    padding: a number, one for each axis, pairs (before, after), "valid" for none, or "same" for
    size' = size
    padding_mode: what the input is padded with, "zeros", "reflect", "replicate" or "circular"; see
    `ops.pad`
    Raises ValueError for options and inputs that do not fit.  The derivation: `byhand.conv`

    >>> nn.Conv2d(3, 8, 3, padding="same")(np.ones((2, 3, 5, 5), "float32")).shape
    (2, 8, 5, 5)
    """

    dimensions = 2


class Conv3d(Conv):
    """y = conv(x, w) + b over three axes, with the options and errors of `Conv2d`.

    x: (n, in, d, h, w)   weight: (out, in/groups, kd, kh, kw)   bias: (out,)
    y: (n, out, d', h', w')
    """

    dimensions = 3


class ConvTranspose1d(ConvTranspose):
    """x = the transpose of conv over one axis, applied to y, + b.

    Options and errors are those of `ConvTranspose2d`.
    y: (n, in, l)   weight: (in, out/groups, k)   bias: (out,)   x: (n, out, l')
    """

    dimensions = 1


class ConvTranspose2d(ConvTranspose):
    """x = the transpose of conv, applied to y, + b.

    y: (n, in, h, w)   weight: (in, out/groups, kh, kw)   bias: (out,)   x: (n, out, h', w') with,
    along each axis, size' = (size - 1) stride - padding before and after + dilation (kernel - 1)
    + output_padding + 1, and output_padding < stride.
    The arguments are in PyTorch's order; there is no padding_mode but zeros.
    Raises ValueError for options and inputs that do not fit.  The derivation: `byhand.conv`

    >>> nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)(np.ones((2, 8, 5, 5), "float32")).shape
    (2, 3, 10, 10)
    """

    dimensions = 2


class ConvTranspose3d(ConvTranspose):
    """x = the transpose of conv over three axes, applied to y, + b.

    Options and errors are those of `ConvTranspose2d`.
    y: (n, in, d, h, w)   weight: (in, out/groups, kd, kh, kw)   bias: (out,)
    x: (n, out, d', h', w')
    """

    dimensions = 3
