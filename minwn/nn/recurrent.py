"""One step of a recurrent network: LSTMCell and GRUCell, with the weights and names of PyTorch.

Both take a = x w_ih^T + b_ih and h w_hh^T + b_hh, cut into parts of hidden_size, one for each gate.
Two weights of one module can be normalised side by side, each by its own WeightNorm:

    for name in ("weight_ih", "weight_hh"):
        WeightNorm(name).apply(cell)         # one norm for each gate of each unit

16-bit numbers are computed in float32, from the gates to the state, and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..backend import Array, Generator, generator, is_array, zeros_like
from ..byhand import linear
from ..graph import raw
from ..ops import sigmoid, split, tanh
from ..tensors import Tensor
from ..validation import flag, shown
from . import init
from .module import Module, Parameter
from .widen import widen

__all__ = ["GRUCell", "LSTMCell"]


class _Cell(Module):
    """The base of both: weights for `parts` gates, drawn from U(-b, b) with b = 1/sqrt(hidden)."""

    parts: ClassVar[int]
    output_axis = 0
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: Generator | int | None = None,
        dtype: Any = "float32",
    ) -> None:
        input_size, hidden_size = init.sizes(input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        rng, rows, bound = generator(rng), self.parts * hidden_size, hidden_size**-0.5

        def drawn(*shape: int) -> Parameter:
            return Parameter(init.uniform(shape, bound, rng, dtype))

        self.weight_ih, self.weight_hh = drawn(rows, input_size), drawn(rows, hidden_size)
        wanted = flag("bias", bias)
        self.bias_ih, self.bias_hh = (drawn(rows), drawn(rows)) if wanted else (None, None)

    def _widen(self, *inputs: Any) -> tuple[tuple[Any, ...], Callable[[Any], Tensor]]:
        """Inputs and operands of `_gates`, in the dtype of the computation; and the way back."""
        return widen(*inputs, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def _gates(
        self, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
    ) -> tuple[list[Any], list[Any]]:
        """The parts from the input, and those from the state.   each: (..., hidden_size)"""
        by_x, by_h = linear.forward(x, w_ih, b_ih), linear.forward(h, w_hh, b_hh)
        return split(by_x, self.parts, axis=-1), split(by_h, self.parts, axis=-1)

    def _start(self, x: Any) -> Any:
        x = raw(x)
        return zeros_like(x, (*x.shape[:-1], self.hidden_size))

    def _check(self, x: Any, **state: Any) -> None:
        if x.shape[-1:] != (self.input_size,):
            raise ValueError(
                f"{type(self).__name__} takes x (..., {self.input_size}), got {tuple(x.shape)}"
            )
        for name, given in state.items():
            expected = (*x.shape[:-1], self.hidden_size)
            if given.shape != expected:
                raise ValueError(
                    f"{type(self).__name__}: {name} of shape {tuple(given.shape)} for x "
                    f"{tuple(x.shape)}; expected {expected}"
                )

    def describe(self) -> str:
        return f"{self.input_size} -> {self.hidden_size}"


class LSTMCell(_Cell):
    """c' = sigmoid(f) c + sigmoid(i) tanh(u)      h' = sigmoid(o) tanh(c')

    with (i, f, u, o) = x w_ih^T + b_ih + h w_hh^T + b_hh.   x: (..., input_size)   h, c:
    (..., hidden_size)   weight_ih: (4 hidden, input)   weight_hh: (4 hidden, hidden)   bias_ih,
    bias_hh: (4 hidden,)

    Raises ValueError for sizes < 1, and for an x or a state that does not fit.
    Hochreiter & Schmidhuber 1997; forget gate f: Gers et al. 2000
    """

    parts = 4

    def forward(
        self, x: Tensor | Array, state: tuple[Tensor | Array, Tensor | Array] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(h', c') from the state (h, c); None is zeros."""
        if state is None:
            state = (self._start(x),) * 2
        elif (
            not isinstance(state, tuple | list)
            or len(state) != 2
            or not all(isinstance(a, Tensor) or is_array(a) for a in state)
        ):
            raise ValueError(
                f"LSTMCell: the state is a pair (h, c) of arrays, or None for zeros; got "
                f"{shown(state)}"
            )
        h, c = state
        self._check(x, h=h, c=c)
        (x, h, c, *weights), narrow = self._widen(x, h, c)
        i, f, u, o = (a + b for a, b in zip(*self._gates(x, h, *weights), strict=True))
        c = sigmoid(f) * c + sigmoid(i) * tanh(u)
        return narrow(sigmoid(o) * tanh(c)), narrow(c)


class GRUCell(_Cell):
    """h' = u + sigmoid(z) (h - u)      u = tanh(u_x + sigmoid(r) u_h)

    with (r_x, z_x, u_x) = x w_ih^T + b_ih, (r_h, z_h, u_h) = h w_hh^T + b_hh, r = r_x + r_h and
    z = z_x + z_h.   x: (..., input_size)   h: (..., hidden_size)   weight_ih: (3 hidden, input)
    weight_hh: (3 hidden, hidden)   bias_ih, bias_hh: (3 hidden,)

    Raises ValueError for sizes < 1, and for an x or a state that does not fit.
    Cho et al. 2014, arXiv:1406.1078
    """

    parts = 3

    def forward(self, x: Tensor | Array, h: Tensor | Array | None = None) -> Tensor:
        """h' from the state h; None is zeros."""
        h = self._start(x) if h is None else h
        self._check(x, h=h)
        (x, h, *weights), narrow = self._widen(x, h)
        (r_x, z_x, u_x), (r_h, z_h, u_h) = self._gates(x, h, *weights)
        u = tanh(u_x + sigmoid(r_x + r_h) * u_h)
        return narrow(u + sigmoid(z_x + z_h) * (h - u))
