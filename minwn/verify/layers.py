"""Weight normalisation on real layers: through `apply` and `recompute`, the layer and its backward
pass, for every kind of layer and choice of dim.

    80 digits      w, v_bar and g_bar, for the cotangent of w that the backward pass delivered,
                   against the oracle's exact answers, which are certified with 80 digits
    laws           the oracle's, of the pullback of the layer's weight
    autodiff       v_bar and g_bar against those of the layer's definition in ops (`composed`),
                   on the composed weight
    differences    of the layer, and the complex step of its definition, along random directions,
                   by `gradcheck`, to 2^12 roundings of their terms

The cotangent of the weight is itself a sum of K products x y_bar; with W the same sum over absolute
values, it errs by at most K u W. So in the bounds of autodiff W takes the place of |w_bar|, and K
is added to every count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy

from .. import byhand, nn, oracle
from ..backend import Generator, unit_roundoff
from ..derivatives import grad
from ..gradcheck import gradcheck
from ..nn import WeightNorm
from ..oracle.reference.error_bounds import bounds, counts, gamma, sizes
from ..tensors import Tensor
from .report import AUTODIFF, COMPLEX, DIFFERENCES, DIGITS, LAWS, Finding, compare, finding

U64 = unit_roundoff(numpy.dtype("float64"))

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

    def pullback(self, w_bar: Any, v: Any, g: Any) -> Any:
        """(v_bar, g_bar) of the layer's weight, recomputed at v and g"""
        w, parts = self.weight(v, g)
        return tuple(bar.data for bar in grad(w, parts, w_bar))

    def weight(self, v: Any, g: Any) -> tuple[Any, list[Any]]:
        """The layer's weight, recomputed at v and g, and the parameters that hold these."""
        parts = [self.layer.weight_v, self.layer.weight_g]
        for parameter, x in zip(parts, (v, g), strict=True):
            parameter.data = x
        return self.norm.recompute(self.layer), parts

    def call(self, v: Any, g: Any) -> Any:
        """The layer's output at v and g."""
        self.weight(v, g)
        return self.layer(self.x).data

    def backward(self, y_bar: Any, v: Any, g: Any) -> Any:
        """(v_bar, g_bar) through the layer."""
        _, parts = self.weight(v, g)
        return tuple(bar.data for bar in grad(self.layer(self.x), parts, y_bar))

    def by_definition(self, v: Any, g: Any) -> Any:
        """The output by its definition, of arrays or Tensors."""
        w = byhand.weight_norm.composed(v, g, **self.how)
        return self.kind.definition(self.x, w, self.bias)


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
    """Differences of the layer, and complex steps of its definition."""
    ways = ((DIFFERENCES, "difference", t.call), (COMPLEX, "complex", t.by_definition))
    for route, method, f in ways:
        report = gradcheck(
            f, [t.v, t.g], backward=t.backward, method=method, mode="random", cotangents=1,
            rtol=2**12 * U64, rng=rng, names=("v", "g"), raise_on_failure=False,
        )
        for c in report.comparisons:
            yield replace(finding(t.kind.name, route, c, ""), place=f"{t.where}, {c.name}_bar")
