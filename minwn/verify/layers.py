"""Weight normalisation on real layers: through `apply` and `recompute`, the layer and its backward
pass, for every kind of layer and choice of dim.

The twin of a layer is its definition in ops (`composed`), on the composed weight. The cotangent of
the weight is itself a sum of K products x y_bar; with W the same sum over absolute values, it errs
by at most K u W. So in the `bounds`, W takes the place of |w_bar|, and K is added to
every count. Laws and 50 digits start from the cotangent that the backward pass delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy

from .. import byhand, nn
from ..gradcheck.differences import DISTRUST, Contraction, complex_step, ladder
from ..graph import no_grad
from ..nn import WeightNorm
from ..tensor import Tensor, grad
from .bounds import U64, Bounds, Problem, gamma
from .report import AUTODIFF, COMPLEX, DIFFERENCES, Finding, compare
from .weight_norm import by_digits, by_laws, places

MEASURED = 6  # entries of v, and of g, that are measured through each layer

Definition = Callable[[Any, Any, Any], Any]  # (x, w, b) -> y, of arrays or Tensors


@dataclass(frozen=True)
class Kind:
    """A layer, how to make it, an input of it, and its definition."""

    name: str
    make: Callable[[numpy.random.Generator], Any]
    shape: tuple[int, ...]
    definition: Definition
    indices: int = 0  # for an Embedding: the inputs are numbers below this

    def input(self, rng: numpy.random.Generator) -> numpy.ndarray:
        if self.indices:
            return rng.integers(0, self.indices, self.shape)
        return rng.standard_normal(self.shape)


def _conv(name: str, shape: tuple[int, ...], cls: Any, *sizes: Any, **options: Any) -> Kind:
    def make(rng: numpy.random.Generator) -> Any:
        return cls(*sizes, rng=rng, dtype="float64", **options)

    def definition(x: Any, w: Any, b: Any) -> Any:
        return byhand.conv.composed(x, w, b, **options)

    return Kind(name, make, shape, definition)


def _conv_transpose(
    name: str, shape: tuple[int, ...], size: tuple[int, ...], cls: Any, *sizes: Any, **options: Any
) -> Kind:
    """size: that of the output, worked out by hand."""

    def make(rng: numpy.random.Generator) -> Any:
        return cls(*sizes, rng=rng, dtype="float64", **options)

    def definition(x: Any, w: Any, b: Any) -> Any:
        how = {key: value for key, value in options.items() if key != "output_padding"}
        return byhand.conv.composed_transpose(x, w, b, size=size, **how)

    return Kind(name, make, shape, definition)


def _look_up(x: Any, w: Any, b: Any) -> Any:
    """Embedding as a product with unit vectors."""
    return numpy.eye(w.shape[0])[x] @ w


KINDS = [
    Kind("Linear", lambda rng: nn.Linear(5, 4, rng=rng, dtype="float64"), (3, 5),
         byhand.linear.composed),
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
    Kind("Embedding", lambda rng: nn.Embedding(6, 4, rng=rng, dtype="float64"), (3, 5),
         _look_up, indices=6),
]  # fmt: skip


def points(quick: bool) -> Iterator[tuple[Kind, WeightNorm]]:
    """Every layer with every single axis, pairs of axes, the whole, and a form with eps."""
    for kind in KINDS:
        rank = len(kind.make(numpy.random.default_rng(0)).weight.shape)
        dims: list[Any] = ["output", None, (0, -1), *range(rank)]
        yield from ((kind, WeightNorm(dim=dim)) for dim in (dims[:2] if quick else dims))
        yield kind, WeightNorm(dim="output", eps=0.5, form="inside")


def check(kind: Kind, norm: WeightNorm, rng: numpy.random.Generator) -> list[Finding]:
    layer, x = kind.make(rng), kind.input(rng)
    norm.apply(layer)
    g, v = layer.weight_g, layer.weight_v
    # Away from where apply puts them, g = ||v||: there, wrong gradients look right.
    for parameter in (g, v):
        sign = rng.choice([-1.0, 1.0], parameter.shape)
        parameter.data = parameter.data * rng.uniform(0.5, 2.0, parameter.shape) * sign
    w = norm.recompute(layer)
    y = layer(x)
    y_bar = rng.standard_normal(y.shape)
    w_bar, v_bar, g_bar = (bar.data for bar in grad(y, [w, v, g], y_bar, retain_graph=True))

    A, B = (numpy.asarray(rng.standard_normal(parameter.shape)) for parameter in (v, g))
    p = Problem(v.data, g.data, w_bar, A, B, norm.form, norm.eps)
    where = f"nn.{kind.name} (weight {v.shape}), WeightNorm(dim={norm.dim!r}, form={norm.form!r})"
    bounds = Bounds(p)
    wn = byhand.weight_norm
    own = {
        "w": w.data, "v_bar": v_bar, "g_bar": g_bar, "w_dot": wn.jvp(p.v, p.g, p.A, p.B, **p.how),
    } | dict(zip(("by_w_bar", "by_v", "by_g"), wn.double_vjp(
        p.A, p.B, p.w_bar, p.v, p.g, **p.how), strict=True))  # fmt: skip
    found = [*by_laws(kind.name, p, own, bounds), *by_digits(kind.name, p, own, bounds)]
    found = [replace(f, place=f"{where}, {f.place}") for f in found]

    # W and K: the definition on absolute values, and the number of positions that share a weight.
    sizes = Tensor(numpy.zeros_like(w.data), True)
    W = grad(kind.definition(x if kind.indices else abs(x), sizes, None), sizes, abs(y_bar)).data
    K = max(y.size // y.shape[1], x.size // (1 if kind.indices else x.shape[1]))
    through = Bounds(replace(p, w_bar=W))

    def allowed(name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Of the layer, and of its twin."""
        return tuple(
            gamma(C[name] + K, U64) * through.S[name] for C in (through.C, through.C_composed)
        )  # type: ignore[return-value]

    twins = [Tensor(parameter.data, True) for parameter in (v, g)]
    bias = None if getattr(layer, "bias", None) is None else layer.bias.data
    other = kind.definition(x, wn.composed(*twins, **p.how), bias)
    for name, claimed, bar in zip(
        ("v_bar", "g_bar"), (v_bar, g_bar), grad(other, twins, y_bar), strict=True
    ):
        spot = f"{where}, {name}"
        found.append(compare(kind.name, AUTODIFF, spot, claimed, bar.data, sum(allowed(name))))

    def call(k: int, point: numpy.ndarray) -> numpy.ndarray:
        """The layer's output with v (k = 0) or g (k = 1) at this point."""
        parameter, before = (v, g)[k], p.v if k == 0 else p.g
        with no_grad():
            parameter.data = point
            norm.recompute(layer)
            answer = layer(x).data.reshape(-1)
            parameter.data = before
        return answer

    def twin(k: int, point: numpy.ndarray) -> numpy.ndarray:
        v_at, g_at = (point, p.g) if k == 0 else (p.v, point)
        weight = wn.composed(v_at.astype(point.dtype), g_at.astype(point.dtype), **p.how)
        return kind.definition(x, weight, bias).reshape(-1)

    contract = Contraction(y_bar.reshape(1, -1))
    for k, (name, claims) in enumerate((("v_bar", v_bar), ("g_bar", g_bar))):
        entries, rows, lengths = places(p, rng)[k]
        some = rng.permutation(len(rows))[:MEASURED]
        rows, lengths = rows[some], lengths[some]
        hand, composed = (a.reshape(-1)[rows] for a in allowed(name))
        spot, claimed = f"{where}, {name}", claims.reshape(-1)[rows]
        named = rows, entries.x.shape
        centre = call(k, entries.x)
        m = ladder(_line(call, k, entries), rows, lengths / 8, centre, contract, U64)
        slack, value = DISTRUST * m.estimate[:, 0] + m.floor[:, 0] + hand, m.value[:, 0]
        found.append(compare(kind.name, DIFFERENCES, spot, claimed, value, slack, entries=named))
        m = complex_step(_line(twin, k, entries), rows, lengths, centre, contract, U64)
        slack, value = hand + 4 * composed + m.floor[:, 0], m.value[:, 0]
        found.append(compare(kind.name, COMPLEX, spot, claimed, value, slack, entries=named))
    return found


def _line(f: Callable[[int, numpy.ndarray], numpy.ndarray], k: int, entries: Any) -> Any:
    """f along entries of its argument, one point at a time"""
    return lambda rows, h: numpy.stack([f(k, x) for x in entries.shifted(rows, h)])
