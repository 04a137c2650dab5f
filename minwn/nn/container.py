"""Layers that hold, reshape or thin out: Sequential, Flatten, Dropout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any

from ..backend import Generator, generator, on_device_of, uniform
from ..graph import raw
from ..ops import reshape
from ..tensors import Tensor
from ..validation import kind_of, share, shown, whole
from .module import Module
from .widen import widen

__all__ = ["Dropout", "Flatten", "Sequential"]


class Sequential(Module):
    """y = f_k(... f_1(x)), the modules one after the other.

        net = Sequential(Linear(2, 8), ReLU(), Linear(8, 1))     # names "0.weight", "2.weight"
        net = Sequential({"in": Linear(2, 8), "out": Linear(8, 1)})

    net[0], net[-1] and net["in"] are modules, net[1:] is a Sequential of the same modules under
    the same names. Raises TypeError for anything but a Module, ValueError for a name that cannot be
    an attribute.
    """

    def __init__(self, *modules: Any) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], dict) else None
        if named is None:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential: {name!r} is {kind_of(module)}; pass Modules, "
                    f"for instance nn.ReLU() with brackets"
                )
            if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
                raise ValueError(f"Sequential: {name!r} cannot be the name of a module")
            setattr(self, name, module)

    def _named_layers(self) -> dict[str, Module]:
        return {name: x for name, x in vars(self).items() if isinstance(x, Module)}

    def forward(self, x: Any) -> Tensor:
        y: Tensor = x
        for module in self:
            y = module(y)
        return y

    def __iter__(self) -> Iterator[Module]:
        return iter(self._named_layers().values())

    def __len__(self) -> int:
        return len(self._named_layers())

    def __getitem__(self, index: int | slice | str) -> Any:
        layers = self._named_layers()
        if isinstance(index, slice):
            return Sequential(dict(list(layers.items())[index]))
        if isinstance(index, Integral) and -len(layers) <= index < len(layers):
            return list(layers.values())[int(index)]
        if isinstance(index, str) and index in layers:
            return layers[index]
        raise IndexError(f"Sequential has no module {shown(index)}; it has {list(layers)}")


class Flatten(Module):
    """All axes from start_dim on made one, in C order.   x: (n, a, b, ...)   y: (n, a b ...)

    Raises ValueError for a start_dim that is not a whole number, IndexError for one that x does not
    have.
    """

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = whole("start_dim", start_dim, None)

    def forward(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape)
        if not -len(shape) <= self.start_dim < len(shape):
            raise IndexError(f"Flatten: start_dim={self.start_dim} of an input of shape {shape}")
        start = self.start_dim % len(shape)
        return reshape(x, shape=(*shape[:start], math.prod(shape[start:])))

    def describe(self) -> str:
        return f"start_dim={self.start_dim}"


class Dropout(Module):
    """In training y = x m / (1 - p), each entry of m being 0 with probability p and 1 otherwise;
    in evaluation y = x.

    The mask is drawn from `rng`: a Generator, which the layer goes on using, or a seed. A copy of
    the layer goes on from the same state. Raises ValueError for p outside [0, 1].
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | int | None = None) -> None:
        self.p, self.rng = share("p", p), generator(rng)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        (x,), narrow = widen(x)
        with on_device_of(raw(x)):
            kept = uniform(self.rng, tuple(x.shape), like=raw(x)) >= self.p
            scale = kept.astype(x.dtype) * (1.0 / (1.0 - float(self.p)) if self.p < 1 else 0.0)
        return narrow(x * scale)

    def describe(self) -> str:
        return f"p={self.p}"
