"""Weight normalisation on real layers: through `apply` and `recompute`, the layer and its backward
pass, for every kind of layer and choice of dim.

The twin of a layer is its definition in ops (`composed`), on the composed weight. The cotangent of
the weight is itself a sum of K products x y_bar; with W the same sum over absolute values, it errs
by at most K u W. So in the `bounds`, W takes the place of |w_bar|, and K is added to every count.
Laws and 80 digits start from the cotangent that the backward pass delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy

from .. import byhand, nn
from ..backend import Generator
from ..derivatives import grad
from ..gradcheck.numerical import DISTRUST, Contraction, central_differences, complex_step
from ..graph import no_grad
from ..nn import WeightNorm
from ..tensors import Tensor
from .bounds import U64, Bounds, gamma
from .exact import by_digits
from .laws import by_laws
from .measured import places
from .points import Problem, answers
from .report import AUTODIFF, COMPLEX, DIFFERENCES, Finding, compare

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
]  # fmt: skip


def points(quick: bool) -> Iterator[tuple[Kind, WeightNorm]]:
    """Every layer with every single axis, pairs of axes, the whole, and a form with eps."""
    for kind in KINDS:
        rank = len(kind.make(numpy.random.default_rng(0)).weight.shape)
        dims: list[Any] = ["output", None, (0, -1), *range(rank)]
        yield from ((kind, WeightNorm(dim=dim)) for dim in (dims[:2] if quick else dims))
        yield kind, WeightNorm(dim="output", eps=0.5, form="inside")


def check(kind: Kind, norm: WeightNorm, rng: Generator) -> list[Finding]:
    """All routes through one layer with one WeightNorm."""
    t, what = Trial(kind, norm, rng), kind.name
    bounds, own = Bounds(t.p), answers(t.p) | {"w": t.w} | t.bars
    found = [*by_laws(what, t.p, own, bounds), *by_digits(what, t.p, own, bounds)]
    found = [replace(f, place=f"{t.where}, {f.place}") for f in found]
    return [*found, *by_autodiff(t), *by_measuring(t, rng)]


class Trial:
    """One layer at a generic point: a backward pass through it, and how far that may err."""

    def __init__(self, kind: Kind, norm: WeightNorm, rng: Generator) -> None:
        self.kind, self.norm = kind, norm
        self.layer, self.x = layer, x = kind.make(rng), kind.input(rng)
        norm.apply(layer)
        v, g = layer.weight_v, layer.weight_g
        # Away from where apply puts them, g = ||v||: there, wrong gradients look right.
        for parameter in (g, v):
            sign = rng.choice([-1.0, 1.0], parameter.shape)
            parameter.data = parameter.data * rng.uniform(0.5, 2.0, parameter.shape) * sign
        w = norm.recompute(layer)
        y = layer(x)
        self.y_bar = rng.standard_normal(y.shape)
        w_bar, v_bar, g_bar = (b.data for b in grad(y, [w, v, g], self.y_bar, retain_graph=True))
        self.w, self.bars = w.data, {"v_bar": v_bar, "g_bar": g_bar}
        A, B = (numpy.asarray(rng.standard_normal(parameter.shape)) for parameter in (v, g))
        self.p = Problem(v.data, g.data, w_bar, A, B, norm.form, norm.eps)
        bias = getattr(layer, "bias", None)
        self.bias = None if bias is None else bias.data
        how = f"WeightNorm(dim={norm.dim!r}, form={norm.form!r})"
        self.where = f"nn.{kind.name} (weight {v.shape}), {how}"

        # W: the definition on absolute values. K: the number of positions that share a weight.
        sizes = Tensor(numpy.zeros_like(w.data), True)
        size = kind.definition(x if kind.indices else abs(x), sizes, None)
        W = grad(size, sizes, abs(self.y_bar)).data
        self.K = max(y.size // y.shape[1], x.size // (1 if kind.indices else x.shape[1]))
        self.through = Bounds(replace(self.p, w_bar=W))

    def allowed(self, name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
        """How far v_bar or g_bar may err, through the layer and through its twin."""
        own, composed = (c[name] + self.K for c in (self.through.C, self.through.C_composed))
        S = self.through.S[name]
        return gamma(own, U64) * S, gamma(composed, U64) * S

    def call(self, k: int, point: numpy.ndarray) -> numpy.ndarray:
        """The layer's output with v (k = 0) or g (k = 1) at this point."""
        parameter = (self.layer.weight_v, self.layer.weight_g)[k]
        with no_grad():
            parameter.data = point
            self.norm.recompute(self.layer)
            y = self.layer(self.x).data.reshape(-1)
            parameter.data = (self.p.v, self.p.g)[k]
        return y

    def twin(self, v: Any, g: Any) -> Any:
        """The output by its definition, of arrays or Tensors."""
        w = byhand.weight_norm.composed(v, g, **self.p.how)
        return self.kind.definition(self.x, w, self.bias)

    def call_twin(self, k: int, point: numpy.ndarray) -> numpy.ndarray:
        """The same as `call`, by the definition."""
        v, g = (point, self.p.g) if k == 0 else (self.p.v, point)
        return self.twin(v.astype(point.dtype), g.astype(point.dtype)).reshape(-1)


def by_autodiff(t: Trial) -> Iterator[Finding]:
    twins = [Tensor(x, True) for x in (t.p.v, t.p.g)]
    references = grad(t.twin(*twins), twins, t.y_bar)
    for (name, claimed), reference in zip(t.bars.items(), references, strict=True):
        place, allowed = f"{t.where}, {name}", sum(t.allowed(name))
        yield compare(t.kind.name, AUTODIFF, place, claimed, reference.data, allowed)


def by_measuring(t: Trial, rng: Generator) -> Iterator[Finding]:
    """Differences of the layer, and the complex step of its twin, at some entries of v and of g."""
    what, contract = t.kind.name, Contraction(t.y_bar.reshape(1, -1))
    for k, (name, bar) in enumerate(t.bars.items()):
        entries, rows, lengths = places(t.p, rng)[k]
        some = rng.permutation(len(rows))[:MEASURED]
        rows, lengths = rows[some], lengths[some]
        hand, composed = (a.reshape(-1)[rows] for a in t.allowed(name))
        place, claimed, named = f"{t.where}, {name}", bar.reshape(-1)[rows], (rows, entries.x.shape)
        centre = t.call(k, entries.x)
        m = central_differences(_line(t.call, k, entries), rows, lengths / 8, centre, contract, U64)
        slack, value = DISTRUST * m.estimate[:, 0] + m.floor[:, 0] + hand, m.value[:, 0]
        yield compare(what, DIFFERENCES, place, claimed, value, slack, entries=named)
        m = complex_step(_line(t.call_twin, k, entries), rows, lengths, centre, contract, U64)
        slack, value = hand + 4 * composed + m.floor[:, 0], m.value[:, 0]
        yield compare(what, COMPLEX, place, claimed, value, slack, entries=named)


def _line(f: Callable[[int, numpy.ndarray], numpy.ndarray], k: int, entries: Any) -> Any:
    """f along entries of its argument, one point at a time"""
    return lambda rows, h: numpy.stack([f(k, x) for x in entries.shifted(rows, h)])
