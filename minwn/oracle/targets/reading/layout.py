"""How the arrays of a layer differ from torch's: orders of axes and taps, shapes of b and g."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...layer_spec import KINDS
from .arrangement import place

__all__ = ["FOLDED", "LAYOUTS", "UNTIED", "Layout", "group"]

X = {  # orders of the axes of x and y, by how they are called; d axes of space
    "rows": lambda d: (0, 1), "columns": lambda d: (1, 0),
    "channels first": lambda d: tuple(range(d + 2)),
    "channels last": lambda d: (0, *range(2, d + 2), 1),
    # without the batch: one sample at a time
    "one sample": lambda d: tuple(range(1, d + 2)),
    "one column": lambda d: (1, 0),
    "one sample, channels last": lambda d: (*range(2, d + 2), 1),
    # and of one channel, which neither x nor the weight has an axis for
    "one image": lambda d: tuple(range(1, d + 2)),
    "one image, outputs last": lambda d: (*range(2, d + 2), 1),
}
ONE = tuple(x for x in X if x.startswith("one"))
FOLDED = "the last of the inputs"  # a bias that is kept in the weight
UNTIED = "one number for each entry of y"  # a bias with axes of space
W = {  # of the weight
    "(o, i)": lambda d: (0, 1), "(i, o)": lambda d: (1, 0),
    "(o, i, k)": lambda d: tuple(range(d + 2)),
    "(k, i, o)": lambda d: (*range(2, d + 2), 1, 0),
    "(o, k, i)": lambda d: (0, *range(2, d + 2), 1),
    "(i, o, k)": lambda d: (1, 0, *range(2, d + 2)),
    "(k, o, i)": lambda d: (*range(2, d + 2), 0, 1),
    "(o, k)": lambda d: tuple(range(d + 2)),
    # the taps in reversed order
    "(-k, i, o)": lambda d: (*range(2, d + 2), 1, 0), "(o, i, -k)": lambda d: tuple(range(d + 2)),
}
Pairs = tuple[tuple[str, str], ...]
LAYOUTS: dict[str, Pairs] = {  # (of x, of the weight), likeliest first
    "linear": (
        ("rows", "(o, i)"), ("rows", "(i, o)"), ("columns", "(o, i)"), ("columns", "(i, o)"),
        ("one sample", "(o, i)"), ("one sample", "(i, o)"), ("one column", "(o, i)"),
        ("one column", "(i, o)"),
    ),
    "conv": (
        ("channels first", "(o, i, k)"), ("channels last", "(k, i, o)"),
        ("channels last", "(o, k, i)"), ("channels first", "(k, i, o)"),
        ("channels last", "(o, i, k)"), ("one sample", "(o, i, k)"),
        ("one sample, channels last", "(k, i, o)"), ("one sample, channels last", "(o, k, i)"),
        ("one image", "(o, k)"), ("one image, outputs last", "(o, k)"),
    ),
    "transposed": (
        ("channels first", "(i, o, k)"), ("channels last", "(k, i, o)"),
        ("channels last", "(k, o, i)"), ("channels first", "(o, i, k)"),
        ("one sample", "(i, o, k)"), ("one sample, channels last", "(k, i, o)"),
    ),
}


def group(kind: str) -> str:
    """The key of `LAYOUTS` for a kind of layer."""
    return "transposed" if "transpose" in kind else "linear" if kind == "linear" else "conv"


@dataclass(frozen=True)
class Layout:
    """How the arrays of a layer differ from torch's.

    gain: "flat"; "kept", with the rank of the weight; or the shape of a g that is one number
    axis: of the weight in its own layout, the axes that keep a norm each; "output" as in LayerSpec
    """

    kind: str
    x: str
    w: str
    bias: str = "(o,)"
    gain: str | tuple[int, ...] = "flat"
    groups: int = 1
    axis: Any = "output"

    def give(self, role: str, array: Any) -> Any:
        """From torch's layout to theirs."""
        if role == "x" and self.bare:
            return np.ascontiguousarray(array[0, 0])
        if role in ("x", "y"):
            if self.alone and self.x != "one column":
                array = array[0]
            return np.ascontiguousarray(array.transpose(self._image))
        if role in ("v", "w"):
            turned = np.ascontiguousarray(self._turned(array, back=False).transpose(self._weight))
            return turned[:, 0] if self.bare else turned
        if role == "b":
            return array.reshape(_bias(self.bias, array.size))
        if self.gain == "flat":
            return array.reshape(-1)
        if self.gain != "kept":
            return array.reshape(self.gain)
        if array.ndim == len(self._weight):
            return array.transpose(self._weight)
        kept = [1] * len(self._weight)
        kept[self._weight.index(self._output)] = array.size
        return array.reshape(kept)

    def take(self, role: str, found: Any, given: Any, ours: tuple[int, ...]) -> Any:
        """From their layout to torch's; an answer of a wrong shape stays wrong."""
        if found is None:
            return None
        found = np.asarray(found)
        if found.shape != np.shape(given):
            return found[None] if found.shape == ours else found
        if self.bare and role in ("x", "v", "w"):
            return found.reshape(ours)
        if role in ("x", "y"):
            return self.image(found)
        if role == "b" and self.bias == UNTIED:
            image = self.image(found if self.alone else found[None])[0]
            return image.sum(axis=tuple(range(1, image.ndim)))
        if role in ("v", "w"):
            found = self._turned(found.transpose(np.argsort(self._weight)), back=True)
            return np.ascontiguousarray(found)
        if role == "g" and found.ndim == len(ours) == len(self._weight):
            found = found.transpose(np.argsort(self._weight))
            return found.reshape(ours)
        return place(found, np.shape(given), ours)

    def untied(self, b: Any, y: tuple[int, ...]) -> Any:
        """A bias for each entry of y, with the same number in every place. y: its shape"""
        full = self.give("y", np.broadcast_to(b.reshape(-1, *(1 for _ in y[2:])), (1, *y[1:])))
        return full if self.alone else full[0]

    @property
    def bare(self) -> bool:
        """Whether neither x nor the weight has an axis for the only channel of x."""
        return self.x.startswith("one image")

    @property
    def alone(self) -> bool:
        """Whether it takes one sample at a time."""
        return self.x in ONE

    @property
    def _image(self) -> tuple[int, ...]:
        """Axes of torch's x in their order, counted among those that x has here."""
        axes = X[self.x](KINDS[self.kind])
        return tuple(a - 1 for a in axes) if 0 not in axes else axes

    def image(self, found: np.ndarray) -> np.ndarray:
        """x or y in torch's layout; an answer of a wrong rank stays as it is."""
        axes = self._image
        if found.ndim != len(axes):
            return found
        found = np.ascontiguousarray(found.transpose(np.argsort(axes)))
        return found[None] if self.alone and self.x != "one column" else found

    # -- the weight

    def _turned(self, w: Any, *, back: bool) -> Any:
        """A weight with axes in torch's order, with the taps and the groups as they are here."""
        if "-k" in self.w:
            w = np.flip(w, tuple(range(2, w.ndim)))
        if self._spread:  # (i, o / groups, k) here is (i / groups, o, k)
            split = (w.shape[0], self.groups, -1) if back else (self.groups, -1, w.shape[1])
            w = w.reshape(*split, *w.shape[2:]).swapaxes(0, 1)
            a, b, c, *kernel = w.shape
            w = w.reshape(*((a * b, c) if back else (a, b * c)), *kernel)
        return w

    @property
    def _spread(self) -> bool:
        """Whether a grouped transposed weight has every output along one axis, as Equinox's."""
        return self.groups > 1 and self.w == "(o, i, -k)" and "transpose" in self.kind

    @property
    def _output(self) -> int:
        """The axis of outputs in torch's layout."""
        return 1 if "transpose" in self.kind else 0

    @property
    def _weight(self) -> tuple[int, ...]:
        """Axes of torch's weight in their order."""
        axes = W[self.w](KINDS[self.kind])
        if "transpose" in self.kind:  # torch's has its inputs first
            axes = tuple({0: 1, 1: 0}.get(a, a) for a in axes)
        return axes

    def torch_shape(self, theirs: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a weight in torch's layout, by its shape here."""
        return self._turned(
            np.broadcast_to(0.0, theirs).transpose(np.argsort(self._weight)), back=True).shape

    # -- the gain

    @property
    def torch_axis(self) -> Any:
        """`axis` of torch's weight, as LayerSpec takes it. Raises ValueError for one it has not."""
        if self.axis is None or self.axis == "output":
            return self.axis
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        rank = len(self._weight)
        if any(not -rank <= a < rank for a in given):
            raise ValueError(f"axis={self.axis}: the weight has {rank} axes")
        kept = tuple(sorted({self._weight[a] for a in given}))
        whole = self.groups == 1 or self._output == 0 or self._spread
        if kept == (self._output,) and whole:
            return "output"
        if self._spread:
            raise ValueError(f"axis={self.axis} of a grouped transposed weight: declare axis 0")
        return kept[0] if len(kept) == 1 else kept

    def with_gain(self, v: tuple[int, ...], g: tuple[int, ...], axis: Any = ...) -> Layout:
        """With the gain of the shape g, of a weight of the shape v, both as they are here.

        axis: where it is known; else g tells, and a g that fits outputs is one of outputs
        """
        output = self._weight.index(self._output)
        whole = self.groups == 1 or self._output == 0 or self._spread
        if axis is ...:
            fits = [a for a, n in enumerate(v) if g in (_kept(v, (a,)), (n,))]
            some = tuple(a for a, n in enumerate(v) if len(g) == len(v) and g[a] == n > 1)
            if (output in fits and whole) or g == (v[output] * (1 if whole else self.groups),):
                axis = "output"
            elif fits:
                axis = fits[0]
            else:
                several = some and g == _kept(v, some)
                axis = some if several else None if math.prod(g) == 1 else "output"
        elif axis in (output, output - len(v)) and whole:
            axis = "output"
        gain: Any = g if axis is None else "kept" if len(g) == len(v) else "flat"
        return replace(self, gain=gain, axis=axis)

    # -- in words

    @property
    def says(self) -> str:
        """weight as (k, i, o); x with channels last"""
        spare = "" if self.x in ("rows", "channels first") else f"; x with {self.x}"
        if self.x == "columns":
            spare = "; x as (features, batch)"
        if self.alone:
            how = self.x.replace("sample", "sample without a batch").replace(
                "image", "image without axes for batch and channel")
            spare = f"; x as {how}: each is asked alone, and their gradients are added up here"
        if self.bias == FOLDED:
            spare += "; its last input is the bias"
        if self.bias == UNTIED:
            spare += "; b of the shape of y, and its gradient is added up over places here"
        who = "Flax has" if self.w.startswith("(-k") else "Equinox has"
        taps = f" with its taps reversed, as {who} them" if "-k" in self.w else ""
        return f"weight as {self.w.replace('-', '')}{taps}{self._norms}{spare}"

    @property
    def _norms(self) -> str:
        """; a norm for each index of axis 0, the inputs"""
        if self.axis == "output":
            return ""
        if self.axis is None:
            return "; one norm of the whole weight"
        letters = self.w.strip("()").replace("-", "").split(", ")
        at = letters.index("i")
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if "k" in letters[:at]:
            at += KINDS[self.kind] - 1
        inputs = ", the inputs" if [a % len(self._weight) for a in axes] == [at] else ""
        return f"; a norm for each index of axis {', '.join(map(str, axes))}{inputs}"


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n if a in axes else 1 for a, n in enumerate(shape))


def _bias(how: str, n: int) -> tuple[int, ...]:
    return tuple(n if part.strip() == "o" else 1 for part in how.strip("(),").split(","))
