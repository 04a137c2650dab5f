"""Numbers of 16 bits, along long axes: every primitive, layer, loss, derivation and optimiser.

Each row is computed twice, in a 16-bit dtype and in float64 from the same rounded inputs, and the
two may differ by roundings of the 16-bit dtype. A sum that is kept in 16 bits stands still at 2048
(float16) or 256 (bfloat16); a mean or variance of numbers around 300 loses all its digits. So the
axes here have 5,000 rows, 2,000 classes, or 400 entries in a window, and the numbers are large, or
of one sign. What has no row fails: the last test of each section counts them.

What is allowed, u being the unit roundoff of the dtype:

    a value                    u of itself: it is rounded once. As many u as a row says, of the
                               largest entry, where 16-bit Tensors lie between its operations
    a cotangent                3 u of the largest entry: the rule is handed z, which was rounded,
                               and z comes in twice, as in z (z_bar - <z_bar, z>)
    both                       2^-16 of the largest entry, for thousands of roundings in float32,
                               and half of the least subnormal number
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import Tensor, byhand, nn, ops, optim, tensor
from minwn.backend import dtype_of, unit_roundoff
from minwn.byhand import (
    conv,
    exponential_scale,
    frozen_norm,
    linear,
    mean_only_batch_norm,
    softmax_cross_entropy,
    weight_norm,
)
from minwn.nn.norm import standardise
from minwn.nn.pooling import avg_pool, max_pool
from minwn.ops.matrix import _einsum
from minwn.ops.shape import _concatenate
from minwn.verify.primitives import registered

ROWS, CLASSES, SIZE = 5000, 2000, 400
TINY = {"float16": 2.0**-25, "bfloat16": 2.0**-134}
Draw = Callable[[np.random.Generator], np.ndarray]


@pytest.fixture(params=["float16", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    return dtype_of(request.param)


# ---- inputs -------------------------------------------------------------------------------------


def positive(*shape: int) -> Draw:
    """All of one sign, so that a sum grows."""
    return lambda rng: rng.uniform(0.5, 1.5, shape)


def signed(*shape: int) -> Draw:
    return lambda rng: rng.normal(size=shape)


def far(*shape: int, at: float = 300.0, width: float = 4.0) -> Draw:
    """A large offset and a little noise."""
    return lambda rng: at + width * rng.normal(size=shape)


def large(*shape: int) -> Draw:
    """Numbers whose squares are above the largest float16."""
    return lambda rng: 400 * rng.normal(size=shape)


def equal(*shape: int) -> Draw:
    return lambda rng: np.ones(shape)


def mask(*shape: int) -> Draw:
    return lambda rng: rng.random(shape) < 0.5


# ---- what is right ------------------------------------------------------------------------------


def near(
    found: Any,
    right: Any,
    dtype: np.dtype,
    roundings: float,
    *,
    each: bool = False,
    least: float = 0,
) -> None:
    """found is of dtype, and off by so many roundings of each entry, or of the largest."""
    found, right = (np.asarray(x.numpy() if isinstance(x, Tensor) else x) for x in (found, right))
    assert found.dtype == dtype
    assert found.shape == right.shape
    found, right = found.astype("f8"), right.astype("f8")
    assert np.isfinite(right).all()
    top = np.abs(right).max(initial=least)
    allowed = roundings * unit_roundoff(dtype) * (np.abs(right) if each else top)
    allowed = allowed + 2.0**-16 * top + TINY[dtype.name]
    off = np.abs(found - right)
    assert np.all(off <= allowed), (
        f"{np.max(off / unit_roundoff(dtype) / max(top, 1e-300)):.3g} roundings of {top:g}"
    )


def rounded(x: np.ndarray, dtype: Any) -> np.ndarray:
    return x.astype(dtype) if x.dtype == "f8" else x


def wide(x: Any) -> Any:
    return x.astype("f8") if isinstance(x, np.ndarray) and x.dtype.kind not in "biu" else x


def like(u: np.ndarray, z: Any) -> np.ndarray:
    """The numbers to seven bits, which every dtype holds, in the dtype of z."""
    return (np.round(np.asarray(u) * 128) / 128).astype(z.dtype)


def pulled_back(
    f: Any, inputs: list[Any], seed: int, create_graph: bool
) -> tuple[Any, list[Any], np.ndarray]:
    """z, the cotangents of the floating inputs for a positive one of z."""
    leaves = [
        Tensor(x, True) if isinstance(x, np.ndarray) and x.dtype.kind not in "biu" else x
        for x in inputs
    ]
    z = f(*leaves)
    u = like(np.random.default_rng(seed).uniform(0.5, 1.5, z.shape), z)
    wanted = [x for x in leaves if isinstance(x, Tensor)]
    bars = minwn.grad(z, wanted, u, create_graph=create_graph, allow_unused=True)
    return z, [b for b in bars if b is not None], u


class Row(NamedTuple):
    f: Callable[..., Any]
    inputs: tuple[Draw, ...]
    values: float  # roundings; 1 is one of each entry
    bars: float  # roundings of the largest entry
    least: float  # or of so many times the largest |z|, where that is larger


def row(
    f: Any, *inputs: Draw, values: float = 1, bars: float = 3, least: float = 0, **params: Any
) -> Row:
    return Row((lambda *xs: f(*xs, **params)) if params else f, inputs, values, bars, least)


def judge(given: Row, dtype: np.dtype, rng: np.random.Generator) -> None:
    narrow = [rounded(np.asarray(draw(rng)), dtype) for draw in given.inputs]
    right, right_bars, _ = pulled_back(given.f, [wide(x) for x in narrow], 1, False)
    for create_graph in (False, True):
        z, bars, _ = pulled_back(given.f, narrow, 1, create_graph)
        near(z, right, dtype, given.values, each=given.values == 1.0)
        for bar, right_bar in zip(bars, right_bars, strict=True):
            near(bar, right_bar, dtype, given.bars, least=given.least * np.abs(right.data).max())
    alone = given.f(*narrow)  # arrays alone: the same numbers, in the same dtype
    if not isinstance(alone, Tensor):
        assert alone.dtype == dtype
        np.testing.assert_array_equal(np.asarray(alone, "f8"), z.numpy().astype("f8"))


# ---- every primitive ----------------------------------------------------------------------------

LABELS = np.random.default_rng(1).integers(0, 2, ROWS)
MANY = np.random.default_rng(2).integers(0, CLASSES, 30)
ONE_ROW = np.zeros(ROWS, int)
CONVS: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    # x, w: each of the ways of kernels.conv
    ("many positions", (20, 4, 250), (3, 4, 2), {}),
    ("many channels", (2, SIZE, 6), (3, SIZE, 3), {"padding": 1}),
    ("a long kernel", (2, 2, 2 * SIZE), (3, 2, SIZE), {}),
    ("one entry", (20, SIZE, 25), (3, SIZE, 1), {}),
    ("depthwise", (20, 4, 250), (4, 1, 3), {"groups": 4, "padding": 1}),
    ("groups", (10, 8, 250), (4, 4, 3), {"groups": 2}),
    ("strided", (20, 4, 500), (3, 4, 3), {"stride": 2, "padding": 1}),
    ("strided and dilated", (20, 4, 500), (3, 4, 3), {"stride": 2, "dilation": 3}),
    ("pictures", (8, 20, 20, 20), (20, 20, 3, 3), {"padding": 1}),
    ("small pictures", (200, 8, 5, 5), (8, 8, 3, 3), {"padding": 1}),
    ("in space", (4, 3, 10, 10, 12), (4, 3, 2, 2, 2), {}),
]


def convolved(x: Any, w: Any, options: dict[str, Any]) -> tuple[int, ...]:
    y = conv.forward(np.zeros(x), np.zeros(w), None, **options)
    return y.shape


def convolutions() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {"conv": [], "conv_input": [], "conv_weight": []}
    for _, x, w, options in CONVS:
        shape, y = conv.geometry(x, w, **options), convolved(x, w, options)
        o, c = (w[0],), (x[1],)
        found["conv"].append(row(conv.conv, positive(*x), signed(*w), signed(*o), **shape))
        found["conv_input"].append(
            row(conv.conv_input, positive(*y), signed(*w), signed(*c), size=x[2:], **shape)
        )
        found["conv_weight"].append(
            row(conv.conv_weight, signed(*y), positive(*x), kernel=w[2:], **shape)
        )
    return found


def unary(op: Any, *draws: Draw, **params: Any) -> list[Row]:
    return [row(op, draw, **params) for draw in draws or (signed(ROWS, 3),)]


def binary(op: Any, x: Any = signed, y: Any = signed) -> list[Row]:
    return [
        row(op, x(ROWS, 3), y(3)), row(op, x(3), y(ROWS, 3)), row(op, x(ROWS, 1), y(1, 3)),
        row(op, x(), y(ROWS)),
    ]


def reduced(op: Any, draw: Any) -> list[Row]:
    return [
        row(op, draw(ROWS, 3), axis=0), row(op, draw(3, ROWS), axis=1), row(op, draw(ROWS)),
        row(op, draw(ROWS, 3), axis=0, keepdims=True), row(op, draw(50, 3, 100), axis=(0, 2)),
    ]


def cross_entropies(f: Any) -> list[Row]:
    return [
        row(f, draw(*shape), targets=targets, reduction=reduction)
        for shape, targets in (((ROWS, 2), LABELS), ((30, CLASSES), MANY))
        for draw in (signed, equal)
        for reduction in ("mean", "none", "sum")
        if not (shape[1] == CLASSES and reduction == "sum")
    ]


LENGTHS = [((3, ROWS), (3, 1)), ((ROWS, 3), (1, 3)), ((ROWS,), ()), ((50, 3, 100), (1, 3, 1))]
FORMS = [("plain", 0.0), *((form, 0.5) for form in ("inside", "outside", "max_q", "max_n", "rms"))]


def normed(f: Any, gain: Any = positive) -> list[Row]:
    return [
        *(row(f, draw(*v), gain(*g)) for v, g in LENGTHS for draw in (signed, far)),
        *(row(f, signed(3, ROWS), gain(3, 1), form=form, eps=eps) for form, eps in FORMS),
    ]


WINDOW = {"kernel": (SIZE,), "stride": (1,), "dilation": (1,), "padding": ((0, 0),)}
POOL = {"kernel": (SIZE,), "stride": (3,), "padding": ((7, 8),)}

PRIMITIVES: dict[str, list[Row]] = {
    "sum_to": [
        row(ops.sum_to, positive(ROWS, 3), shape=(3,)),
        row(ops.sum_to, positive(3, ROWS), shape=(3, 1)),
        row(ops.sum_to, positive(ROWS), shape=()),
    ],
    "broadcast_to": [
        row(ops.broadcast_to, positive(3), shape=(ROWS, 3)),
        row(ops.broadcast_to, positive(3, 1), shape=(3, ROWS)),
    ],
    "reshape": [row(ops.reshape, signed(ROWS, 3), shape=(3, ROWS))],
    "transpose": [row(ops.transpose, signed(ROWS, 3))],
    "flip": [row(ops.flip, signed(ROWS, 3), axis=0)],
    "getitem": [
        row(ops.getitem, signed(4, 3), index=ONE_ROW),
        row(ops.getitem, signed(4, 3), index=(ONE_ROW, ONE_ROW + 1)),
        row(ops.getitem, signed(ROWS, 3), index=slice(0, ROWS, 2)),
        row(ops.getitem, signed(ROWS, 3), index=np.arange(ROWS)[::-1]),
    ],
    "put_at": [
        row(ops.put_at, positive(ROWS, 3), index=ONE_ROW, shape=(4, 3)),
        row(ops.put_at, positive(ROWS), index=(ONE_ROW, ONE_ROW), shape=(4, 3)),
    ],
    "pad": [
        row(ops.pad, signed(ROWS, 3), widths=((1, 2), (0, 1))),
        row(ops.pad, signed(3, 2), widths=((0, 0), (0, ROWS)), mode="replicate"),
    ],
    "crop": [
        row(ops.crop, signed(ROWS, 3), widths=((1, 2), (0, 1))),
        row(ops.crop, positive(3, ROWS), widths=((0, 0), (0, ROWS - 2)), mode="replicate"),
    ],
    "_concatenate": [row(_concatenate, signed(ROWS, 3), signed(ROWS, 2), axis=1)],
    "move": [row(ops.move, signed(ROWS, 3), device="cpu")],
    "add": binary(ops.add),
    "subtract": binary(ops.subtract),
    "multiply": binary(ops.multiply),
    "divide": binary(ops.divide, positive, positive),
    "floor_divide": binary(ops.floor_divide, signed, positive),
    "remainder": binary(ops.remainder, signed, positive),
    "round": unary(ops.round) + unary(ops.round, decimals=1),
    "power": binary(ops.power, positive, signed),
    "negative": unary(ops.negative),
    "exp": unary(ops.exp),
    "log": unary(ops.log, positive(ROWS, 3)),
    "sqrt": unary(ops.sqrt, positive(ROWS, 3)),
    "sin": unary(ops.sin),
    "cos": unary(ops.cos),
    "tanh": unary(ops.tanh),
    "sigmoid": unary(ops.sigmoid),
    "softplus": unary(ops.softplus),
    "erf": unary(ops.erf),
    "abs": unary(ops.abs),
    "relu": unary(ops.relu),
    "leaky_relu": unary(ops.leaky_relu, slope=0.3),
    "elu": unary(ops.elu, alpha=0.7),
    "gelu": unary(ops.gelu) + unary(ops.gelu, approximate="tanh"),
    "clip": unary(ops.clip, low=-0.3, high=0.6),
    "where": [
        row(ops.where, mask(ROWS, 3), signed(ROWS, 3), signed(3)),
        row(lambda c, x: ops.where(c, x, 0.7), mask(ROWS, 3), signed(3)),
    ],
    "maximum": [*binary(ops.maximum), row(ops.maximum, equal(ROWS, 3), equal(3))],
    "minimum": [*binary(ops.minimum), row(ops.minimum, equal(ROWS, 3), equal(3))],
    "matmul": [
        row(ops.matmul, positive(5, ROWS), positive(ROWS, 3)),
        row(ops.matmul, positive(ROWS, 3), positive(3, 4)),
        row(ops.matmul, positive(ROWS), positive(ROWS)),
        row(ops.matmul, positive(ROWS), positive(ROWS, 3)),
        row(ops.matmul, positive(2, 3, ROWS), positive(ROWS)),
        row(ops.matmul, positive(ROWS, 2, 3), positive(3, 2)),
    ],
    "_einsum": [
        row(_einsum, positive(ROWS, 3), positive(ROWS, 3), inputs=("ij", "ij"), output="j"),
        row(_einsum, positive(ROWS, 3), inputs=("ij",), output="j"),
        row(_einsum, positive(ROWS, 3), positive(3, 2), inputs=("ij", "jk"), output="ik"),
        row(_einsum, signed(ROWS, 2), signed(ROWS), signed(ROWS, 3),
            inputs=("ij", "i", "ik"), output="jk"),
        row(_einsum, positive(SIZE, SIZE), inputs=("ii",), output=""),
        row(_einsum, positive(SIZE, SIZE, 3), inputs=("iij",), output="ij"),
    ],
    "sum": reduced(ops.sum, positive),
    "mean": reduced(ops.mean, positive) + reduced(ops.mean, far),
    "max": reduced(ops.max, equal) + reduced(ops.max, signed),
    "min": reduced(ops.min, equal) + reduced(ops.min, signed),
    "logsumexp": reduced(ops.logsumexp, equal) + reduced(ops.logsumexp, signed)
    + [row(ops.logsumexp, far(3, CLASSES), axis=1)],
    # The cotangent is a difference of numbers of the size of z z_bar.
    "softmax": [
        row(ops.softmax, draw(*shape), axis=axis, least=1)
        for draw in (signed, far, equal, large)
        for shape, axis in (((3, CLASSES), 1), ((CLASSES, 3), 0), ((2, CLASSES, 2), 1))
    ],
    "var": reduced(ops.var, far) + reduced(ops.var, signed)
    + [row(ops.var, far(ROWS, 3), axis=0, ddof=1)],
    "std": reduced(ops.std, far) + reduced(ops.std, signed)
    + [row(ops.std, far(ROWS, 3), axis=0, ddof=1)],
    "cumsum": [row(ops.cumsum, positive(ROWS, 3), axis=0),
               row(ops.cumsum, positive(3, ROWS), axis=1),
               row(ops.cumsum, positive(ROWS))],
    "prod": [row(ops.prod, far(ROWS, 3, at=1.0, width=0.01), axis=0),
             row(ops.prod, far(3, ROWS, at=-1.0, width=0.01), axis=1),
             row(ops.prod, signed(ROWS, 3), axis=1)],
    "unfold": [row(ops.unfold, signed(1, 2, 3 * SIZE), **WINDOW)],
    "fold": [row(ops.fold, positive(1, 2, SIZE, 2 * SIZE + 1), size=(3 * SIZE,), **WINDOW)],
    "linear": [
        row(linear.forward, positive(ROWS, 4), signed(3, 4), signed(3)),
        row(linear.forward, positive(3, CLASSES), signed(2, CLASSES), signed(2)),
        row(linear.forward, positive(50, 100, 4), signed(3, 4), signed(3)),
        row(linear.forward, positive(ROWS, 4), signed(3, 4)),
        row(linear.forward, positive(CLASSES), signed(3, CLASSES), signed(3)),
    ],
    "mean_only_batch_norm": [
        row(mean_only_batch_norm.forward, draw(*shape), signed(3))
        for draw in (far, positive) for shape in ((ROWS, 3), (20, 3, 250))
    ],
    "softmax_cross_entropy": cross_entropies(softmax_cross_entropy.forward),
    "standardise": [
        row(standardise, draw(*shape), axis=axis, eps=1e-5)
        for draw in (far, large, signed)
        for shape, axis in (((ROWS, 3), (0,)), ((3, SIZE), (1,)), ((20, 3, 250), (0, 2)))
    ],
    "max_pool": [
        row(max_pool, draw(1, 2, 3 * SIZE), **POOL, dilation=(d,))
        for draw in (signed, equal) for d in (1, 2)
    ],
    "avg_pool": [
        row(avg_pool, draw(1, 2, 3 * SIZE), **POOL, counted=counted)
        for draw in (signed, far) for counted in (POOL["padding"], ((0, 0),))
    ],
    "weight_norm": normed(weight_norm.forward),
    "exponential_scale": normed(exponential_scale.forward, signed),
    "frozen_norm": [
        row(frozen_norm.forward, draw(*v), positive(*g))
        for v, g in LENGTHS for draw in (signed, far)
    ],
    **convolutions(),
}


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in PRIMITIVES.items() for i in range(len(rows))]
)
def test_primitive(name, index, dtype, rng):
    judge(PRIMITIVES[name][index], dtype, rng)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive_at_second_order(name, dtype, rng):
    """The cotangents of the cotangents: as those of first order, twice."""
    given = PRIMITIVES[name][0]
    narrow = [rounded(np.asarray(draw(rng)), dtype) for draw in given.inputs]

    def twice(inputs: list[Any]) -> tuple[list[Any], float]:
        leaves = [Tensor(x, True) if x.dtype.kind not in "biu" else x for x in inputs]
        wanted = [x for x in leaves if isinstance(x, Tensor)]
        z = given.f(*leaves)
        seeded = np.random.default_rng(5)
        u = Tensor(like(seeded.normal(size=z.shape), z), True)
        bars = minwn.grad(z, wanted, u, create_graph=True)
        ends = [(bar, like(seeded.normal(size=bar.shape), bar)) for bar in bars]
        found: list[Any] = []
        for bar, t in ends:
            if bar.requires_grad:
                found += minwn.grad(bar, [u, *wanted], t, retain_graph=True, allow_unused=True)
        return found, np.abs(z.data).max()

    (answers, _), (rights, top) = twice(narrow), twice([wide(x) for x in narrow])
    for found, right in zip(answers, rights, strict=True):
        assert (found is None) == (right is None)
        if found is not None:
            near(found, right, dtype, 6, least=given.least * top)


def test_primitives_that_change_the_dtype(dtype, rng):
    """A cast gives what it is asked for, and its cotangent comes back; a norm is float32."""
    x = signed(ROWS, 3)(rng).astype(dtype)
    leaf = Tensor(x, True)
    z = ops.cast(leaf, dtype="float32")
    assert np.array_equal(z.data, x.astype("f4"))
    u = rng.normal(size=x.shape).astype("f4")
    bar = minwn.grad(z, leaf, u)
    assert bar.dtype == dtype
    assert np.array_equal(bar.data, u.astype(dtype))
    for v, shape in LENGTHS:
        x = far(*v)(rng).astype(dtype)
        n = weight_norm.radius(x, shape=shape, eps=0.0, form="plain")
        right = weight_norm.radius(x.astype("f8"), shape=shape, eps=0.0, form="plain")
        np.testing.assert_allclose(n, right, rtol=2.0**-16)


def test_every_primitive_has_a_row():
    assert set(registered()) - {"cast", "radius"} == set(PRIMITIVES)


# ---- every layer --------------------------------------------------------------------------------


class Layer(NamedTuple):
    make: Callable[[], nn.Module]
    x: Draw
    values: float = 1.0  # as in Row
    bars: float = 3.0
    prepare: Callable[[nn.Module], Any] = lambda layer: None


def normalised(layer: nn.Module, kind: Any = minwn.WeightNorm, **settings: Any) -> nn.Module:
    return kind(**settings).apply(layer)


def moved_far(layer: nn.Module) -> None:
    """In evaluation, with statistics as large as the input."""
    layer.eval()
    for name, buffer in layer.named_buffers():
        buffer.data = np.full(buffer.shape, 300.0 if "mean" in name else 9.0, buffer.dtype)


def indices(high: int) -> Draw:
    return lambda rng: np.where(rng.random(ROWS) < 0.9, 1, rng.integers(0, high, ROWS))


class Both(nn.Module):
    """A cell's answers side by side, from a state that is not 0."""

    def __init__(self, cell: nn.Module) -> None:
        self.cell = cell
        self.h = nn.Parameter(np.full((1, cell.hidden_size), 0.5))

    def forward(self, x: Any) -> Any:
        h = ops.broadcast_to(self.h, shape=(*x.shape[:-1], self.cell.hidden_size))
        if isinstance(self.cell, nn.LSTMCell):
            return ops.concatenate(self.cell(x, (h, h)), axis=-1)
        return self.cell(x, h)


def pools(dimensions: int) -> list[Layer]:
    kind, size = {1: "1d", 2: "2d", 3: "3d"}[dimensions], (40, *(10,) * (dimensions - 1))
    kernel = (20, *(5,) * (dimensions - 1))
    return [
        Layer(lambda name=name, s=s: getattr(nn, name + kind)(kernel, s), draw(1, 2, *size))
        for name in ("MaxPool", "AvgPool") for s in (1, None) for draw in (far, equal)
    ]


def convs(name: str) -> list[Layer]:
    d, kind = int(name[-2]), getattr(nn, name)
    long, many = (250, *(1,) * (d - 1)), (3, *(3,) * (d - 1))
    return [
        Layer(lambda: kind(4, 3, (2, *(1,) * (d - 1)), rng=0), positive(20, 4, *long)),
        Layer(lambda: kind(SIZE, 3, 2, rng=0), positive(2, SIZE, *many)),
    ]


LAYERS: dict[str, list[Layer]] = {
    "Linear": [
        Layer(lambda: nn.Linear(4, 3, rng=0), positive(ROWS, 4)),
        Layer(lambda: nn.Linear(CLASSES, 3, rng=0), far(5, CLASSES)),
        Layer(lambda: nn.Linear(4, CLASSES, rng=0), positive(50, 4)),
    ],
    "Embedding": [Layer(lambda: nn.Embedding(7, 3, rng=0), indices(7))],
    **{name: convs(name) for name in nn.conv.__all__},
    # Answers of h' - h are smaller than both: counted in the size of h, which is near 1.
    "LSTMCell": [Layer(lambda: Both(nn.LSTMCell(SIZE, 3, rng=0)), positive(ROWS, SIZE)),
                 Layer(lambda: Both(nn.LSTMCell(3, SIZE, rng=0)), far(20, 3))],
    "GRUCell": [Layer(lambda: Both(nn.GRUCell(SIZE, 3, rng=0)), positive(ROWS, SIZE)),
                Layer(lambda: Both(nn.GRUCell(3, SIZE, rng=0)), far(20, 3))],
    "ReLU": [Layer(nn.ReLU, signed(ROWS, 3))],
    "LeakyReLU": [Layer(lambda: nn.LeakyReLU(0.3), signed(ROWS, 3))],
    "ELU": [Layer(lambda: nn.ELU(0.7), signed(ROWS, 3))],
    "GELU": [Layer(nn.GELU, signed(ROWS, 3)), Layer(lambda: nn.GELU("tanh"), signed(ROWS, 3))],
    "Softplus": [Layer(nn.Softplus, signed(ROWS, 3))],
    "Sigmoid": [Layer(nn.Sigmoid, signed(ROWS, 3))],
    "Tanh": [Layer(nn.Tanh, signed(ROWS, 3))],
    "Softmax": [Layer(nn.Softmax, draw(3, CLASSES), bars=5) for draw in (signed, equal)],
    **{f"{name}{d}d": [p for p in pools(d) if type(p.make()).__name__.startswith(name)]
       for name in ("MaxPool", "AvgPool") for d in (1, 2, 3)},
    "GlobalAvgPool": [Layer(nn.GlobalAvgPool, draw(2, 3, ROWS)) for draw in (positive, far)],
    "GlobalMaxPool": [Layer(nn.GlobalMaxPool, draw(2, 3, ROWS)) for draw in (signed, equal)],
    "BatchNorm": [
        *(Layer(lambda: nn.BatchNorm(3), draw(*shape))
          for draw in (far, large, positive) for shape in ((ROWS, 3), (20, 3, 250))),
        Layer(lambda: nn.BatchNorm(3, affine=False), far(ROWS, 3)),
        Layer(lambda: nn.BatchNorm(3), far(ROWS, 3), prepare=moved_far),
        Layer(lambda: nn.BatchNorm(3, affine=False), far(20, 3, 250), prepare=moved_far),
    ],
    "LayerNorm": [
        *(Layer(lambda: nn.LayerNorm(SIZE), draw(20, SIZE)) for draw in (far, large, positive)),
        Layer(lambda: nn.LayerNorm(4), large(ROWS, 4)),
        Layer(lambda: nn.LayerNorm((4, SIZE)), far(5, 4, SIZE)),
        Layer(lambda: nn.LayerNorm(SIZE, elementwise_affine=False), far(20, SIZE)),
        Layer(lambda: nn.LayerNorm(SIZE, bias=False), far(20, SIZE)),
    ],
    "MeanOnlyBatchNorm": [
        *(Layer(lambda: nn.MeanOnlyBatchNorm(3), draw(*shape))
          for draw in (far, positive) for shape in ((ROWS, 3), (20, 3, 250))),
        Layer(lambda: nn.MeanOnlyBatchNorm(3), far(ROWS, 3, at=1000, width=0.5)),
        Layer(lambda: nn.MeanOnlyBatchNorm(3), far(ROWS, 3), prepare=moved_far),
    ],
    "Dropout": [Layer(lambda: nn.Dropout(0.25, rng=0), signed(ROWS, 3))],
    "Flatten": [Layer(nn.Flatten, signed(20, 3, 250))],
    # Two layers, and a 16-bit Tensor between them, of the size of the result.
    "Sequential": [
        Layer(lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.Linear(3, 2, rng=1)),
              positive(ROWS, 4), values=4, bars=6)
    ],
    # The weight is a 16-bit Tensor between g, v and the output.
    "WeightNormWrapper": [
        Layer(lambda: nn.WeightNormWrapper(nn.Linear(4, 3, rng=0)), positive(ROWS, 4), 3, 6),
        Layer(lambda: nn.WeightNormWrapper(nn.Linear(CLASSES, 3, rng=0)), far(5, CLASSES), 3, 6),
    ],
    "DoRALinear": [
        Layer(lambda: nn.DoRALinear(nn.Linear(4, 3, rng=0), 2, rng=0), positive(ROWS, 4), 4, 6),
        Layer(lambda: nn.DoRALinear(nn.Linear(CLASSES, 3, rng=0), 2, rng=0),
              positive(5, CLASSES), 4, 6),
    ],
}
LAYERS |= {f"BatchNorm{d}d": LAYERS["BatchNorm"][:1] for d in (1, 2, 3)}
NORMED = [
    Layer(
        lambda kind=kind, dim=dim, sizes=sizes: normalised(
            nn.Linear(*sizes, rng=0), kind, dim=dim
        ),
        x, 3, 6,
    )
    for kind, dim in itertools.product((minwn.WeightNorm, nn.ExponentialWeightNorm), (0, 1, None))
    for sizes, x in (((4, 3), positive(ROWS, 4)), ((CLASSES, 3), positive(5, CLASSES)))
]


def twin_layers(given: Layer, dtype: Any) -> tuple[nn.Module, nn.Module]:
    """The layer in the dtype, and in float64 with the same numbers, none of them 0 or 1."""
    narrow, right = given.make(), given.make()
    rng = np.random.default_rng(7)
    for p in narrow.parameters():
        p.data = p.data + rng.normal(size=p.shape) * (0.5 if p.ndim < 2 else 0.01)
    narrow.to(dtype)
    right.to("float64")
    right.load_state_dict(narrow.state_dict())
    for layer in (narrow, right):
        given.prepare(layer)
    return narrow, right


def judge_layer(given: Layer, dtype: np.dtype, rng: np.random.Generator) -> None:
    narrow, right = twin_layers(given, dtype)
    x = given.x(rng)
    x = x if x.dtype.kind in "iu" else rounded(x, dtype)

    def through(layer: nn.Module, x: Any) -> tuple[Any, list[Any]]:
        layer.zero_grad()
        leaf = Tensor(x, x.dtype.kind not in "iu")
        y = layer(leaf)
        y.backward(like(np.random.default_rng(3).uniform(0.5, 1.5, y.shape), y))
        bars = [p.grad for p in layer.parameters() if p.requires_grad]
        return y, bars if leaf.grad is None else [leaf.grad, *bars]

    (y, bars), (right_y, right_bars) = through(narrow, x), through(right, wide(x))
    near(y, right_y, dtype, given.values, each=given.values == 1.0)
    for bar, right_bar in zip(bars, right_bars, strict=True):
        near(bar, right_bar, dtype, given.bars)
    for (_, b), (_, right_b) in zip(narrow.named_buffers(), right.named_buffers(), strict=True):
        near(b, right_b, dtype, 1.0)


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in LAYERS.items() for i in range(len(rows))]
)
def test_layer(name, index, dtype, rng):
    judge_layer(LAYERS[name][index], dtype, rng)


@pytest.mark.parametrize("index", range(len(NORMED)))
def test_normalised_layer(index, dtype, rng):
    judge_layer(NORMED[index], dtype, rng)


def test_every_layer_has_a_row():
    found = (getattr(nn, name) for name in nn.__all__)
    layers = {x.__name__ for x in found if isinstance(x, type) and issubclass(x, nn.Module)}
    assert layers - {"Module"} <= set(LAYERS)


# ---- every loss ---------------------------------------------------------------------------------

REDUCTIONS = ("mean", "sum", "none")
LOSSES: dict[str, list[Row]] = {
    "mse_loss": [
        row(nn.mse_loss, draw(ROWS), draw(ROWS), reduction=r)
        for draw in (positive, far) for r in REDUCTIONS
        if not (draw is far and r == "sum")  # above the largest float16
    ] + [
        # One term is above the largest float16, and the mean is not.
        row(nn.mse_loss, lambda rng: 400.0 * (np.arange(ROWS) == 7), signed(ROWS)),
    ],
    "bce_with_logits": [
        row(nn.bce_with_logits, draw(ROWS), lambda rng: rng.random(ROWS), reduction=r)
        for draw in (signed, equal) for r in REDUCTIONS
    ],
    "cross_entropy": [
        *cross_entropies(nn.cross_entropy),
        *(row(nn.cross_entropy, draw(*shape),
              lambda rng, shape=shape: rng.dirichlet(np.ones(shape[1]), shape[0]),
              reduction=reduction)
          for draw in (signed, far, equal) for shape in ((ROWS, 2), (30, CLASSES))
          for reduction in ("mean", "none")),
        *(row(nn.cross_entropy, draw(*shape), targets=targets, reduction=reduction,
              weight=np.linspace(0.5, 2, shape[1]), ignore_index=1, label_smoothing=smoothing)
          for draw in (signed, far, equal)
          for shape, targets in (((ROWS, 2), LABELS), ((30, CLASSES), MANY))
          for smoothing in (0.0, 0.1) for reduction in ("mean", "none")),
    ],
}


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in LOSSES.items() for i in range(len(rows))]
)
def test_loss(name, index, dtype, rng):
    judge(LOSSES[name][index], dtype, rng)


def test_every_loss_has_a_row():
    assert set(nn.loss.__all__) == set(LOSSES)


# ---- every derivation, called with arrays -------------------------------------------------------

# name -> rows: a function of arrays that gives one or several, and its inputs
ARRAYS: dict[str, list[tuple[Any, tuple[Draw, ...]]]] = {
    "linear.vjp": [
        (linear.vjp, (positive(ROWS, 3), positive(ROWS, 4), signed(3, 4), signed(3))),
        (linear.vjp, (positive(3, 2), positive(3, CLASSES), positive(2, CLASSES), signed(2))),
        (linear.vjp, (positive(50, 100, 3), positive(50, 100, 4), signed(3, 4), signed(3))),
    ],
    "linear.jvp": [
        (linear.jvp, (positive(4, CLASSES), positive(3, CLASSES), positive(4, CLASSES),
                      positive(3, CLASSES), signed(3))),
    ],
    "mean_only_batch_norm.vjp": [
        (mean_only_batch_norm.vjp, (positive(*shape),)) for shape in ((ROWS, 3), (20, 3, 250))
    ],
    "softmax_cross_entropy.vjp": [
        (lambda bar, x, t=t: softmax_cross_entropy.vjp(bar, x, targets=t),
         (positive(), draw(*shape)))
        for draw in (signed, equal, far)
        for t, shape in ((LABELS, (ROWS, 2)), (MANY, (30, CLASSES)))
    ],
    "softmax_cross_entropy.targets_vjp": [
        (lambda bar, x, p: softmax_cross_entropy.targets_vjp(bar, x, targets=p),
         (positive(), draw(*shape), positive(*shape)))
        for draw in (signed, equal, far) for shape in ((ROWS, 2), (30, CLASSES))
    ],
    **{
        f"{file.__name__.rpartition('.')[2]}.{name}": [
            (getattr(file, name), tuple(draw(*(v if c == "v" else g)) for c in shapes))
            for v, g in LENGTHS for draw in (signed, positive)
        ]
        for file in (weight_norm, exponential_scale, frozen_norm)
        for name, shapes in (("vjp", "vvg"), ("jvp", "vgvg"), ("double_vjp", "vgvvg"))
    },
    "conv.vjp": [
        (lambda y, x, w, b, o=o: conv.vjp(y, x, w, b, **o),
         (positive(*convolved(x, w, o)), positive(*x), signed(*w), signed(w[0])))
        for _, x, w, o in CONVS
    ],
    "conv.jvp": [
        (lambda x, w, p, q, b, o=o: conv.jvp(x, w, p, q, b, **o),
         (positive(*x), positive(*w), positive(*x), positive(*w), signed(w[0])))
        for _, x, w, o in CONVS
    ],
}


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in ARRAYS.items() for i in range(len(rows))]
)
def test_derivation(name, index, dtype, rng):
    f, draws = ARRAYS[name][index]
    narrow = [rounded(np.asarray(draw(rng)), dtype) for draw in draws]
    answers, right = f(*narrow), f(*map(wide, narrow))
    several = isinstance(answers, tuple)
    for z, r in zip(answers, right, strict=True) if several else [(answers, right)]:
        near(z, r, dtype, 3.0)


COMPOSED: dict[str, list[tuple[Any, tuple[Draw, ...]]]] = {
    "linear": [(linear.composed, (positive(9, 4), signed(3, 4), signed(3)))],
    "conv": [(conv.composed, (positive(2, 4, 9), signed(3, 4, 2), signed(3)))],
    "mean_only_batch_norm": [(mean_only_batch_norm.composed, (signed(9, 3), signed(3)))],
    "softmax_cross_entropy": [
        (lambda x: softmax_cross_entropy.composed(x, targets=LABELS[:9]), (signed(9, 2),)),
        (lambda x, p: softmax_cross_entropy.composed(x, targets=p), (signed(9, 2), positive(9, 2))),
    ],
    "frozen_norm": [(frozen_norm.composed, (signed(3, 9), positive(3, 1)))],
    **{
        name: [
            (lambda v, g, f=f, form=form, eps=eps: f(v, g, form=form, eps=eps),
             (signed(3, 9), positive(3, 1)))
            for form, eps in FORMS
        ]
        for name, f in (
            ("weight_norm", weight_norm.composed), ("exponential_scale", exponential_scale.composed)
        )
    },
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_definition_keeps_the_dtype_of_arrays(name, dtype, rng):
    """Short axes: each of its operations rounds once, and there are fewer than eight of them."""
    for f, draws in COMPOSED[name]:
        narrow = [rounded(np.asarray(draw(rng)), dtype) for draw in draws]
        near(f(*narrow), f(*map(wide, narrow)), dtype, 8)


def test_every_definition_has_a_row():
    assert set(COMPOSED) == set(byhand.__all__)


def test_every_derivation_has_a_row():
    files = {name: getattr(byhand, name) for name in byhand.__all__}
    names = {
        f"{file}.{f}"
        for file, module in files.items()
        for f in module.__all__
        if f.endswith(("vjp", "jvp"))
    }
    assert names == set(ARRAYS)


# ---- every optimiser, and what sets parameters --------------------------------------------------

OPTIMISERS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}, {"lr": 0.1, "weight_decay": 0.3},
        {"lr": 0.1, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.4},
    ],
    "Adam": [{}, {"lr": 0.05, "betas": (0.6, 0.9), "weight_decay": 0.3}, {"betas": (0.0, 0.0)}],
    "Adamax": [{}, {"lr": 0.05, "betas": (0.6, 0.9), "weight_decay": 0.3}, {"betas": (0.0, 0.0)}],
}


@pytest.mark.parametrize("scale", [1.0, 1e-4, 300.0])
@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, given in OPTIMISERS.items() for i in range(len(given))]
)
def test_every_step_is_rounded_once(name, index, scale, dtype, rng):
    """Each step starts from the rounded w, and the state is float64's to the digits of float32."""
    options = OPTIMISERS[name][index]
    p = nn.Parameter(rng.normal(size=(40, 3)).astype(dtype))
    q = nn.Parameter(p.data.astype("f8"))
    narrow, right = (getattr(optim, name)([x], **options) for x in (p, q))
    for _ in range(20):
        grad = (scale * rng.normal(size=p.shape)).astype(dtype)
        p.grad, q.grad, q.data = tensor(grad), tensor(grad.astype("f8")), p.data.astype("f8")
        narrow.step()
        right.step()
        near(p, q, dtype, 1.0, each=True)
    for key, value in right.state[q].items():
        found = narrow.state[p][key]
        assert isinstance(found, int) or found.dtype == "float32"
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=2.0**-20 * np.max(np.abs(value)))


def test_every_optimiser_has_a_row():
    assert set(OPTIMISERS) == set(optim.__all__) - {"Optimizer"}


@pytest.mark.parametrize(("v", "dim"), [((3, ROWS), 0), ((ROWS, 3), 1), ((ROWS,), None)])
@pytest.mark.parametrize("form", ["plain", "rms"])
def test_normalise(v, dim, form, dtype, rng):
    p = nn.Parameter(far(*v)(rng).astype(dtype))
    q = nn.Parameter(p.data.astype("f8"))
    for x in (p, q):
        nn.normalise_(x, dim, form=form)
    near(p, q, dtype, 1.0, each=True)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Linear(4, 3, rng=0), (ROWS, 4)),
        (lambda: nn.Conv1d(4, 3, 2, rng=0), (20, 4, 250)),
    ],
)
def test_data_dependent_init(make, shape, dtype, rng):
    narrow, right = (normalised(make().to("float64"), dim="output") for _ in range(2))
    narrow.to(dtype)
    right.load_state_dict(narrow.state_dict())
    x = positive(*shape)(rng).astype(dtype)
    for layer, batch in ((narrow, x), (right, x.astype("f8"))):
        nn.data_dependent_init(layer, tensor(batch))
    # The outputs t are 16-bit Tensors, so each is off by u of the largest; g = 1 / their deviation.
    top = 2 * math.sqrt(shape[1])
    for name, p in narrow.named_parameters():
        if name != "weight_v":
            q = dict(right.named_parameters())[name].data
            g = right.weight_g.data.max()
            near(p, q, dtype, 1.0, least=np.abs(q).max() * (1 + g * top))
