"""What a layer is declared to be: its kind and options, its layout, and how its weight is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import forms, validation
from .reference.layer import Layer
from .spec import dtype_name

__all__ = ["KINDS", "LAYOUTS", "LayerSpec", "make_layer_spec", "shortest"]

KINDS = {
    "linear": 0, "conv1d": 1, "conv2d": 2, "conv3d": 3,
    "conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3,
}  # and their axes
LAYOUTS = ("torch", "flax")

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LayerSpec:
    """A layer as it was declared.

    Arrays are drawn and judged in torch's layout: x (n, c, *size), weight (o, c/groups, *kernel) or
    transposed (c, o/groups, *kernel); `theirs` and `ours` convert from it and to it. A weight that
    is normalised is drawn in the shape `view`, in which every norm has axes of its own.
    """

    kind: str
    stride: Ints
    padding: Pairs | str
    dilation: Ints
    groups: int
    output_padding: Ints
    layout: str
    axis: Any
    normalised: bool
    form: str
    eps: float
    dtype: str
    quick: bool
    shape: Ints | None  # of x, as it is handed over
    kernel: Ints | None
    channels: tuple[int, int] | None  # (c, o)

    @property
    def dims(self) -> int:
        """The number of axes that windows move along."""
        return KINDS[self.kind]

    @property
    def transposed(self) -> bool:
        """Whether the layer is a transposed convolution."""
        return "transpose" in self.kind

    @property
    def settings(self) -> str:
        """conv2d, stride 2, padding 1, normalised along 0"""
        words = [self.kind]
        for name, value, usual in (
            ("stride", self.stride, 1), ("padding", self.padding, 0),
            ("dilation", self.dilation, 1), ("output_padding", self.output_padding, 0),
        ):
            if isinstance(value, tuple) and not isinstance(value, str):
                value = shortest(value)
            if value not in (usual, ()):
                words.append(f"{name} {value}")
        words += [f"groups {self.groups}"] if self.groups > 1 else []
        words += [f"{self.layout} layout"] if self.layout != "torch" else []
        if not self.normalised:
            words.append("plain weight")
        elif self.axis != "output":
            words.append(f"axis {self.axis}")
        return ", ".join(words)

    # -- sizes

    def pads(self, size: Ints, kernel: Ints) -> Pairs:
        """(before, after) along each axis, for the size of x.

        "same" and "valid" are those of XLA. With "same", a convolution has ceil(size / stride)
        windows, and the y of a transposed one has size * stride entries. If the padding is odd, its
        larger part is after x; a transposed one crops the larger part after y.
        """
        if self.padding == "valid":
            return ((0, 0),) * self.dims
        if not isinstance(self.padding, str):
            return self.padding
        found = []
        for n, k, s, d in zip(size, kernel, self.stride, self.dilation, strict=True):
            span = d * (k - 1) + 1
            if self.transposed:
                total = span + s - 2  # what XLA pads the spread x by
                before = span - 1 if s > span - 1 else -(-total // 2)
                found.append((span - 1 - before, span - 1 - (total - before)))
            else:
                total = max((-(-n // s) - 1) * s + span - n, 0)
                found.append((total // 2, total - total // 2))
        return tuple(found)

    def layer(self, size: Ints, kernel: Ints) -> Layer | None:
        """The layer for x of that size; None where y would be empty."""
        extra = self.output_padding
        if self.transposed and self.padding == "valid":  # XLA's y has a stride for each entry of x
            each = zip(self.stride, self.dilation, kernel, strict=True)
            extra = tuple(max(s - d * (k - 1) - 1, 0) for s, d, k in each)
        return Layer.of(
            size, kernel, stride=self.stride, dilation=self.dilation, pads=self.pads(size, kernel),
            groups=self.groups, extra=extra, transposed=self.transposed,
        )

    def remainder(self, size: Ints, kernel: Ints) -> Ints:
        """The number of entries after the last window, along each axis."""
        if self.transposed:
            return (0,) * len(size)
        pads = self.pads(size, kernel)
        return tuple(
            (n + sum(p) - d * (k - 1) - 1) % s
            for n, p, k, s, d in zip(size, pads, kernel, self.stride, self.dilation, strict=True)
        )

    def y_shape(self, x: Ints, w: Ints) -> Ints:
        """The shape of y, for those of x and the weight. All are in the declared layout."""
        x_, w_ = (self.ours(k, np.broadcast_to(0.0, s)).shape for k, s in (("x", x), ("w", w)))
        o = w_[1] * self.groups if self.transposed else w_[0]
        layer = self.layer(x_[2:], w_[2:]) if self.dims else None
        if layer is None:
            return (*x[:-1], o)
        return self.theirs("y", np.broadcast_to(0.0, (x[0], o, *layer.size))).shape

    def weight_shape(self, c: int, o: int, kernel: Ints) -> Ints:
        """In torch's layout."""
        if self.transposed:
            return (c, o // self.groups, *kernel)
        return (o, c // self.groups, *kernel)

    # -- layouts

    def theirs(self, output: str, array: np.ndarray) -> np.ndarray:
        """From torch's layout to the declared one."""
        if self.layout == "torch" or output in ("b", "b_bar"):
            return array
        if output in ("x", "y", "x_bar", "y_bar"):
            return np.moveaxis(array, 1, -1)
        if self.transposed:
            return np.moveaxis(self._reversed(array), (0, 1), (-2, -1))
        return np.moveaxis(array, (0, 1), (-1, -2))

    def ours(self, output: str, array: np.ndarray) -> np.ndarray:
        """From the declared layout to torch's."""
        if self.layout == "torch" or output in ("b", "b_bar"):
            return array
        if output in ("x", "y", "x_bar", "y_bar"):
            return np.moveaxis(array, -1, 1)
        if self.transposed:
            return self._reversed(np.moveaxis(array, (-2, -1), (0, 1)))
        return np.moveaxis(array, (-1, -2), (0, 1))

    @staticmethod
    def _reversed(w: np.ndarray) -> np.ndarray:
        """The taps, which follow the channels, in reversed order."""
        return np.flip(w, tuple(range(2, w.ndim)))

    # -- the weight and its norms

    def view(self, w: np.ndarray) -> np.ndarray:
        """The view of a weight in torch's layout: norms keep each axis or sum over it."""
        w = self.theirs("w", w)
        if self._shared:
            G = self.groups
            w = w.reshape(G, w.shape[0] // G, *w.shape[1:])
        return w

    def weight(self, view: np.ndarray) -> np.ndarray:
        """From the view to torch's layout."""
        return self.ours("w", self.handed(view))

    def handed(self, view: np.ndarray) -> np.ndarray:
        """The weight as the implementation takes it."""
        return view.reshape(-1, *view.shape[2:]) if self._shared else view

    @property
    def _shared(self) -> bool:
        """Whether one axis of the weight has entries of several outputs."""
        return self.transposed and self.groups > 1 and self.axis == "output"

    @property
    def axes(self) -> Ints | None:
        """The axes of the view that keep a norm each."""
        if self.axis is None:
            return None
        rank = 2 + self.dims
        if self._shared:
            return (0, 2)
        if self.axis == "output":
            return (rank - 1,) if self.layout == "flax" else (1,) if self.transposed else (0,)
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        return tuple(sorted({a % rank for a in given}))

    def gain_shape(self, view: Ints) -> Ints:
        """g with the rank of the view, or 0-d."""
        axes = self.axes
        if axes is None:
            return ()
        return tuple(n if a in axes else 1 for a, n in enumerate(view))

    def gain_forms(self, view: Ints) -> list[Ints]:
        """The shapes in which g may be handed over, the usual one first."""
        kept = self.gain_shape(view)
        if self.axes is None:
            return [(), (1,) * len(view), (1,)]
        flat = (math.prod(kept),)
        return [flat] if self._shared else [kept, flat]


def make_layer_spec(
    *,
    kind: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
    output_padding: Any = 0,
    layout: Any = "torch",
    axis: Any = "output",
    normalised: Any = True,
    form: Any = "plain",
    eps: Any = 0.0,
    dtype: Any = "float64",
    quick: Any = True,
    shape: Any = None,
    kernel: Any = None,
    channels: Any = None,
) -> LayerSpec:
    """The spec of a `check_layer`, with every option validated; see there.

    Raises ValueError for options that do not fit, IndexError for an axis that the weight has not,
    TypeError for a dtype that cannot be judged.
    """
    kind = validation.choice("kind", kind, KINDS)
    layout = validation.choice("layout", layout, LAYOUTS)
    d, transposed = KINDS[kind], "transpose" in kind
    strides, dilations = _each("stride", stride, d, 1), _each("dilation", dilation, d, 1)
    extra = _each("output_padding", output_padding, d, 0)
    G = validation.whole("groups", groups)
    pads = _padding(padding, d, transposed)
    if any(extra) and not transposed:
        raise ValueError(f"output_padding={output_padding!r} belongs to transposed kinds only")
    if G > 1 and (kind == "linear" or (transposed and layout == "flax")):
        raise ValueError(f"groups={G}: {kind} in the {layout} layout has no groups")
    normalised = validation.flag("normalised", normalised)
    if not (isinstance(axis, str) and axis == "output"):
        given = validation.axes("axis", axis, 2 + d)
        axis = given if given is None or isinstance(axis, tuple) else given[0]
    size = None if shape is None else _ints("shape", shape)
    if size is not None and (len(size) < 2 or (d and len(size) != 2 + d)):
        raise ValueError(f"shape={shape}; give the shape of x, with {2 + d} axes for {kind}")
    taps = None if kernel is None else _each("kernel", kernel, d, 1)
    pair = None if channels is None else _ints("channels", channels)
    if pair is not None and (len(pair) != 2 or pair[0] % G or pair[1] % G):
        raise ValueError(f"channels={channels}; give (c, o), each a multiple of groups={G}")
    if size is not None and size[-1 if layout == "flax" or not d else 1] % G:
        raise ValueError(f"shape={shape} has channels that groups={G} does not divide")
    eps = forms.check(form, eps)
    return LayerSpec(
        kind, strides, pads, dilations, G, extra, layout, axis, normalised, form, eps,
        dtype_name("dtype", dtype), validation.flag("quick", quick), size, taps, pair,
    )


def _ints(name: str, value: Any) -> Ints:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f"{name}={validation.shown(value)}; give several numbers, such as (2, 3)")
    return tuple(validation.whole(name, n) for n in value)


def _each(name: str, value: Any, d: int, least: int) -> Ints:
    """A number for each axis."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != d:
            raise ValueError(f"{name}={value!r}; give a number, or one for each of {d} axes")
        return tuple(validation.whole(name, n, least) for n in value)
    number = validation.whole(name, value, least)
    if not d and number != least:
        raise ValueError(f"{name}={number}: linear has no {name}; leave it out")
    return (number,) * d


def _padding(value: Any, d: int, transposed: bool) -> Pairs | str:
    if isinstance(value, str):
        word = validation.choice("padding", value.lower(), ("same", "valid") if d else ("valid",))
        return word if d and (word == "same" or transposed) else ((0, 0),) * d
    if isinstance(value, Sequence) and any(isinstance(p, Sequence) for p in value):
        if len(value) != d:
            raise ValueError(f"padding={value!r}; give a pair for each of {d} axes")
        return tuple(_each("padding", p, 2, 0) for p in value)  # type: ignore[misc]
    return tuple((p, p) for p in _each("padding", value, d, 0))


def shortest(value: Any) -> Any:
    """One number for tuples and lists that are the same everywhere; others as tuples."""
    if not isinstance(value, tuple | list):
        return value
    value = tuple(tuple(x) if isinstance(x, list) else x for x in value)
    flat = [n for x in value for n in (x if isinstance(x, tuple) else (x,))]
    return flat[0] if len(set(flat)) == 1 else value
