"""Weight normalisation on real layers: through `apply` and `recompute`, the layer and its backward
pass, for every kind of layer and choice of dim.

    80 digits      w, v_bar and g_bar, for the cotangent of w that the backward pass delivered,
                   against the oracle's exact answers, which are certified with 80 digits
    laws           the oracle's, of the pullback of the layer's weight
    autodiff       v_bar and g_bar against those of the layer's definition in ops (`composed`),
                   on the composed weight
    differences    of the layer, and the complex step of its definition

The cotangent of the weight is itself a sum of K products x y_bar; with W the same sum over absolute
values, it errs by at most K u W. So in the bounds of the last three, W takes the place of |w_bar|,
and K is added to every count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy

from .. import byhand, nn, oracle
from ..backend import Generator, unit_roundoff
from ..derivatives import grad
from ..gradcheck.numerical import (
    DISTRUST,
    Contraction,
    Entries,
    central_differences,
    complex_step,
)
from ..graph import no_grad
from ..nn import WeightNorm
from ..oracle.reference.error_bounds import bounds, counts, gamma, sizes
from ..tensors import Tensor
from .report import AUTODIFF, COMPLEX, DIFFERENCES, DIGITS, LAWS, Finding, compare

U64 = unit_roundoff(numpy.dtype("float64"))
MEASURED = 6  # entries of v, and of g, that are measured through each layer

Definition = Callable[[Any, Any, Any], Any]  # (x, w, b) -> y, of arrays or Tensors


@dataclass(frozen=True)
class Kind:
    """A layer, how to make it, an input of it, and its definition."""

    name: str
    layer: Callable[..., Any]  # (rng=, dtype=) -> the layer
    shape: tuple[int, ...]
    definition: Definition
    indices: int = 0  # for an Embedding: the inputs are numbers below this

    def make(self, rng: Generator) -> Any:
        return self.layer(rng=rng, dtype="float64")

    def input(self, rng: Generator) -> numpy.ndarray:
        if self.indices:
            return rng.integers(0, self.indices, self.shape)
        return rng.standard_normal(self.shape)


def _conv(name: str, shape: tuple[int, ...], cls: Any, *sizes: Any, **options: Any) -> Kind:
    definition = partial(byhand.conv.composed, **options)
    return Kind(name, partial(cls, *sizes, **options), shape, definition)


def _conv_transpose(
    name: str, shape: tuple[int, ...], size: tuple[int, ...], cls: Any, *sizes: Any, **options: Any
) -> Kind:
    """size: that of the output, worked out by hand."""
    how = {key: value for key, value in options.items() if key != "output_padding"}
    definition = partial(byhand.conv.composed_transpose, size=size, **how)
    return Kind(name, partial(cls, *sizes, **options), shape, definition)


def _look_up(x: Any, w: Any, b: Any) -> Any:
    """Embedding as a product with unit vectors."""
    return numpy.eye(w.shape[0])[x] @ w


KINDS = [
    Kind("Linear", partial(nn.Linear, 5, 4), (3, 5), byhand.linear.composed),
    _conv("Conv1d", (2, 3, 7), nn.Conv1d, 3, 4, 3, stride=2, padding=1),
    _conv("Conv2d", (2, 3, 5, 4), nn.Conv2d, 3, 4, (3, 2), padding="same"),
    _conv("Conv2d grouped", (2, 4, 6, 5), nn.Conv2d, 4, 6, 2, stride=(2, 1), padding=1,
          dilation=(1, 2), groups=2),
    _conv("Conv3d", (1, 2, 4, 3, 4), nn.Conv3d, 2, 3, (2, 1, 3), padding=(1, 0, 1)),
    _conv_transpose("ConvTranspose1d", (2, 3, 4), (9,), nn.ConvTranspose1d, 3, 4, 3, stride=2),
    _conv_transpose("ConvTranspose2d", (2, 3, 3, 4), (4, 5), nn.ConvTranspose2d, 3, 4, 2),
    _conv_transpose("ConvTranspose2d grouped", (2, 4, 3, 3), (6, 6), nn.ConvTranspose2d, 4, 6, 3,
                    stride=2, padding=1, output_padding=1, groups=2),
    _conv_transpose("ConvTranspose3d", (1, 2, 2, 3, 2), (3, 3, 4), nn.ConvTranspose3d, 2, 3,
                    (2, 1, 3)),
    Kind("Embedding", partial(nn.Embedding, 6, 4), (3, 5), _look_up, indices=6),
]


def points(quick: bool) -> Iterator[tuple[Kind, WeightNorm]]:
    """Every layer with every single axis, pairs of axes, the whole, and a form with eps."""
    for kind in KINDS:
        layer = kind.make(numpy.random.default_rng(0))
        output = 1 if layer.output_axis is None else "output"  # in groups, outputs share norms
        dims: list[Any] = [output, None, (0, -1), *range(layer.weight.ndim)]
        yield from ((kind, WeightNorm(dim=dim)) for dim in (dims[:2] if quick else dims))
        yield kind, WeightNorm(dim=output, eps=0.5, form="inside")


def check(kind: Kind, norm: WeightNorm, rng: Generator) -> list[Finding]:
    """All routes through one layer with one WeightNorm."""
    t = Trial(kind, norm, rng)
    return [*by_oracle(t), *by_autodiff(t), *by_measuring(t, rng)]


class Trial:
    """One layer at a generic point: a backward pass through it, and how far that may err."""

    def __init__(self, kind: Kind, norm: WeightNorm, rng: Generator) -> None:
        self.kind, self.norm = kind, norm
        self.how: dict[str, Any] = {"form": norm.form, "eps": norm.eps}
        self.layer, self.x = layer, x = kind.make(rng), kind.input(rng)
        norm.apply(layer)
        v, g = layer.weight_v, layer.weight_g
        # Away from where apply puts them, g = ||v||: there, wrong gradients look right.
        for parameter in (g, v):
            sign = rng.choice([-1.0, 1.0], parameter.shape)
            parameter.data = parameter.data * rng.uniform(0.5, 2.0, parameter.shape) * sign
        self.v, self.g, w = v.data, g.data, norm.recompute(layer)
        y = layer(x)
        self.y_bar = rng.standard_normal(y.shape)
        bars = grad(y, [w, v, g], self.y_bar, retain_graph=True)
        self.w_bar, v_bar, g_bar = (bar.data for bar in bars)
        self.w, self.bars = w.data, {"v_bar": v_bar, "g_bar": g_bar}
        bias = getattr(layer, "bias", None)
        self.bias = None if bias is None else bias.data
        how = f"WeightNorm(dim={norm.dim!r}, form={norm.form!r})"
        self.where = f"nn.{kind.name} (weight {v.shape}), {how}"

        # W: the definition on absolute values. K: the number of positions that share a weight.
        zeros = Tensor(numpy.zeros_like(w.data), True)
        size = kind.definition(x if kind.indices else abs(x), zeros, None)
        W = grad(size, zeros, abs(self.y_bar)).data
        K = max(y.size // y.shape[1], x.size // (1 if kind.indices else x.shape[1]))
        C, (S, *_) = counts(v.size // g.size, norm.form), sizes(v.data, g.data, W, **self.how)
        # How far v_bar and g_bar may err, through the layer or through its definition.
        self.allowed = {name: gamma(C[name] + K, U64) * S[name] for name in self.bars}

    def pullback(self, w_bar: Any, v: Any, g: Any) -> tuple[Any, Any]:
        """(v_bar, g_bar) of the layer's weight, recomputed at v and g"""
        parameters = self.layer.weight_v, self.layer.weight_g
        for parameter, x in zip(parameters, (v, g), strict=True):
            parameter.data = x
        v_bar, g_bar = grad(self.norm.recompute(self.layer), parameters, w_bar)
        for parameter, x in zip(parameters, (self.v, self.g), strict=True):
            parameter.data = x
        return v_bar.data, g_bar.data

    def call(self, k: int, point: numpy.ndarray) -> numpy.ndarray:
        """The layer's output with v (k = 0) or g (k = 1) at this point."""
        parameter = (self.layer.weight_v, self.layer.weight_g)[k]
        with no_grad():
            parameter.data = point
            self.norm.recompute(self.layer)
            y = self.layer(self.x).data.reshape(-1)
            parameter.data = (self.v, self.g)[k]
        return y

    def by_definition(self, v: Any, g: Any) -> Any:
        """The output by its definition, of arrays or Tensors."""
        w = byhand.weight_norm.composed(v, g, **self.how)
        return self.kind.definition(self.x, w, self.bias)

    def call_definition(self, k: int, point: numpy.ndarray) -> numpy.ndarray:
        """The same as `call`, by the definition."""
        v, g = (point, self.g) if k == 0 else (self.v, point)
        return self.by_definition(v.astype(point.dtype), g.astype(point.dtype)).reshape(-1)


def by_oracle(t: Trial) -> Iterator[Finding]:
    """The layer's answers for its own cotangent of w against the exact ones, and the laws."""
    point = (t.v, t.g, t.w_bar)
    expected, allowed = oracle.expected(*point, **t.how), bounds(*point, **t.how)
    claimed = (t.w, t.bars["v_bar"], t.bars["g_bar"])
    for name, *x in zip(expected._fields, claimed, expected, allowed, strict=True):
        yield compare(t.kind.name, DIGITS, f"{t.where}, {name}", *x)

    def tolerances(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
        return bounds(v, g, w_bar, **t.how)[1:]

    axes = tuple(a for a, n in enumerate(t.g.shape) if n == t.v.shape[a]) if t.g.shape else None
    ratios = oracle.laws(t.pullback, *point, axes=axes, allowed=tolerances, **t.how)
    for law in oracle.INVARIANTS:
        if law.id in ratios:
            place, ratio = f"{t.where}, {law.id}: {law.law}", ratios[law.id]
            yield Finding(t.kind.name, LAWS, place, allowed=1.0, error=ratio)


def by_autodiff(t: Trial) -> Iterator[Finding]:
    leaves = [Tensor(x, True) for x in (t.v, t.g)]
    references = grad(t.by_definition(*leaves), leaves, t.y_bar)
    for (name, claimed), reference in zip(t.bars.items(), references, strict=True):
        place, allowed = f"{t.where}, {name}", 2 * t.allowed[name]
        yield compare(t.kind.name, AUTODIFF, place, claimed, reference.data, allowed)


def by_measuring(t: Trial, rng: Generator) -> Iterator[Finding]:
    """Differences of the layer, and complex steps of its definition, at some entries of v and g.

    A measurement adds its own floor to the bound, and 100 times its own estimate of its error. A
    complex operation is at most four real ones: 4 times the bound.
    """
    what, contract = t.kind.name, Contraction(t.y_bar.reshape(1, -1))
    reduced = tuple(a for a, n in enumerate(t.g.shape) if n < t.v.shape[a]) if t.g.shape else None
    n = numpy.sqrt((t.v * t.v).sum(axis=reduced, keepdims=True))  # over which everything changes
    scales = numpy.broadcast_to(n, t.v.shape), abs(t.g)
    for k, (x, scale, (name, bar)) in enumerate(
        zip((t.v, t.g), scales, t.bars.items(), strict=True)
    ):
        entries, rows = Entries(x), rng.permutation(x.size)[:MEASURED]
        lengths, allowed = scale.reshape(-1)[rows], t.allowed[name].reshape(-1)[rows]
        place, claimed, named = f"{t.where}, {name}", bar.reshape(-1)[rows], (rows, x.shape)
        centre = t.call(k, x)
        m = central_differences(_line(t.call, k, entries), rows, lengths / 8, centre, contract, U64)
        slack, value = DISTRUST * m.estimate[:, 0] + m.floor[:, 0] + allowed, m.value[:, 0]
        yield compare(what, DIFFERENCES, place, claimed, value, slack, entries=named)
        m = complex_step(_line(t.call_definition, k, entries), rows, lengths, centre, contract, U64)
        slack, value = 5 * allowed + m.floor[:, 0], m.value[:, 0]
        yield compare(what, COMPLEX, place, claimed, value, slack, entries=named)


def _line(f: Callable[[int, numpy.ndarray], numpy.ndarray], k: int, entries: Any) -> Any:
    """f along entries of its argument, one point at a time"""
    return lambda rows, h: numpy.stack([f(k, x) for x in entries.shifted(rows, h)])
