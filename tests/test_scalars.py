"""NumPy's scalars as hyperparameters: as weak as Python's numbers, wherever one is taken.

A rate from `numpy.linspace` is a numpy.float64, and in arithmetic that is strong: a float32 result
would become float64 without a word. Everything that takes a number is given it as one of Python's
and as each of NumPy's; values, both derivatives, and dtypes have to be the same to the bit. What
takes a number and has no row fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import Tensor, nn, ops, tensor
from minwn.byhand import exponential_scale, weight_norm
from minwn.graph import Primitive
from minwn.nn import init
from minwn.nn.norm import standardise
from minwn.ops.shape import _concatenate

FLOATS = [np.float64, np.float32, np.float16, lambda x: np.linspace(x, 1, 2)[0]]
WHOLE = [np.int64, np.int32, np.uint8]
DTYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> str:
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    return request.param


def scalars(value: Any) -> list[Any]:
    """The number as every scalar that holds it. The numbers here are of few bits."""
    if isinstance(value, int):
        return [kind(value) for kind in WHOLE]
    whole = [kind(int(value)) for kind in WHOLE] if value == int(value) else []
    return [kind(value) for kind in FLOATS] + whole


def everything(f: Callable[..., Any], inputs: list[Tensor]) -> list[Any]:
    """f, its cotangents, and theirs."""
    y = f(*inputs)
    y = y[0] if isinstance(y, tuple) else y
    bars = minwn.grad(y.sum(), inputs, create_graph=True, allow_unused=True)
    found = [y, *bars]
    for bar in bars:
        if bar is not None and bar.requires_grad:
            found += minwn.grad(
                (bar * bar).sum(), inputs, retain_graph=True, allow_unused=True
            )
    return found


def same(found: list[Any], right: list[Any], dtype: str) -> None:
    for x, y in zip(found, right, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            assert x.dtype.name == dtype
            np.testing.assert_array_equal(x.numpy(), y.numpy(), strict=True)


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Tensor:
    x = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    return tensor(x, dtype=dtype, requires_grad=True)


# ---- primitives ---------------------------------------------------------------------------------

OPS: dict[str, list[tuple[Any, dict[str, Any], tuple[tuple[int, ...], ...]]]] = {
    # name: the function, its numbers, the shapes of its inputs
    "leaky_relu": [(ops.leaky_relu, {"slope": 0.25}, ((3, 4),))],
    "round": [(ops.round, {"decimals": 1}, ((3, 4),))],
    "elu": [(ops.elu, {"alpha": 0.75}, ((3, 4),))],
    "clip": [(ops.clip, {"low": 0.75, "high": 1.25}, ((3, 4),)), (ops.clip, {"low": 1.0}, ((3,),))],
    "_concatenate": [(_concatenate, {"axis": 1}, ((3, 4), (3, 2)))],
    "softmax": [(ops.softmax, {"axis": 1}, ((3, 4),))],
    **{
        f.name: [(f, {"ddof": 1}, ((3, 4),)), (f, {"axis": 0, "ddof": 2}, ((3, 4),))]
        for f in (ops.var, ops.std)
    },
    "cumsum": [(ops.cumsum, {"axis": 1}, ((3, 4),))],
    "standardise": [
        (lambda x, eps: standardise(x, axis=(1,), eps=eps), {"eps": 0.5}, ((3, 4),))
    ],
    **{
        f"{name}{said}": [
            (lambda v, g, eps, f=f, form=form: f(v, g, eps=eps, form=form), {"eps": 0.5},
             ((3, 4), (3, 1)))
            for form in weight_norm.FORMS if form != "plain"
        ]
        for name, module in (
            ("weight_norm", weight_norm), ("exponential_scale", exponential_scale),
        )
        for said, f in (("", module.forward), (", composed", module.composed))
    },
    "radius": [
        (lambda v, eps: weight_norm.radius(v, shape=(3, 1), eps=eps, form="inside").to(v.dtype),
         {"eps": 0.5}, ((3, 4),))
    ],
}
NUMBERS = [  # where a number may stand in the place of an array
    lambda x, n: x + n, lambda x, n: n - x, lambda x, n: x * n, lambda x, n: n / x,
    lambda x, n: x**n, lambda x, n: n**x, ops.maximum, ops.minimum,
    lambda x, n: ops.where(np.array([True, False, True]), x, n),
    lambda x, n: ops.where(np.array([True, False, True]), n, x),
]


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in OPS.items() for i in range(len(rows))]
)
def test_a_primitive(name, index, dtype):
    f, numbers, shapes = OPS[name][index]
    inputs = [drawn(shape, dtype, i) for i, shape in enumerate(shapes)]
    right = everything(lambda *xs: f(*xs, **numbers), inputs)
    arrays = [x.data for x in inputs]
    for key, value in numbers.items():
        for n in scalars(value):
            given = {**numbers, key: n}
            same(everything(lambda *xs, given=given: f(*xs, **given), inputs), right, dtype)
            if name in Primitive.registry and name != "radius":
                alone = f(*arrays, **given)
                np.testing.assert_array_equal(alone, f(*arrays, **numbers), strict=True)
                assert alone.dtype.name == dtype


@pytest.mark.parametrize("index", range(len(NUMBERS)))
@pytest.mark.parametrize("value", [1.5, 2])
def test_a_number_in_the_place_of_an_array(index, value, dtype):
    f, x = NUMBERS[index], drawn((3,), dtype)
    right = everything(lambda x: f(x, value), [x])
    for n in scalars(value):
        same(everything(lambda x, n=n: f(x, n), [x]), right, dtype)


def test_every_primitive_with_a_number_has_a_row():
    assert {name for name, op in Primitive.registry.items() if op.numbers} <= set(OPS)


def test_the_derivations_on_arrays(dtype):
    v, g, t = (drawn(shape, dtype, i).data for i, shape in enumerate(((3, 4), (3, 1), (3, 4))))
    for module in (weight_norm, exponential_scale):
        for form in weight_norm.FORMS[1:]:
            for f, inputs in (
                (module.vjp, (t, v, g)), (module.jvp, (v, g, t, g)),
                (module.double_vjp, (t, g, t, v, g)),
            ):
                right = f(*inputs, eps=0.5, form=form)
                for n in scalars(0.5):
                    found = f(*inputs, eps=n, form=form)
                    several = isinstance(found, tuple)
                    for x, y in zip(found, right, strict=True) if several else [(found, right)]:
                        assert x.dtype.name == dtype
                        np.testing.assert_array_equal(x, y, strict=True)


# ---- layers -------------------------------------------------------------------------------------


def normed(kind: Any) -> Callable[..., nn.Module]:
    return lambda eps: kind(eps=eps, form="outside").apply(nn.Linear(4, 3, rng=0))


CONV = {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1,
        "dilation": 1, "groups": 2}
LAYERS: dict[str, list[tuple[Any, dict[str, Any], tuple[int, ...]]]] = {
    # name: how it is made, its numbers, the shape of its input
    "Linear": [(nn.Linear, {"in_features": 4, "out_features": 3}, (2, 4))],
    "Embedding": [(nn.Embedding, {"num_embeddings": 4, "embedding_dim": 3}, ())],
    **{f"Conv{d}d": [(getattr(nn, f"Conv{d}d"), CONV, (1, 2, *(5,) * d))] for d in (1, 2, 3)},
    **{
        f"ConvTranspose{d}d": [
            (getattr(nn, f"ConvTranspose{d}d"), {**CONV, "output_padding": 1}, (1, 2, *(3,) * d))
        ]
        for d in (1, 2, 3)
    },
    "LSTMCell": [(nn.LSTMCell, {"input_size": 4, "hidden_size": 3}, (2, 4))],
    "GRUCell": [(nn.GRUCell, {"input_size": 4, "hidden_size": 3}, (2, 4))],
    "LeakyReLU": [(nn.LeakyReLU, {"negative_slope": 0.25}, (3, 4))],
    "ELU": [(nn.ELU, {"alpha": 1.0}, (3, 4)), (nn.ELU, {"alpha": 0.75}, (3, 4))],
    "Softmax": [(nn.Softmax, {"axis": 1}, (3, 4))],
    **{
        f"{name}Pool{d}d": [
            (getattr(nn, f"{name}Pool{d}d"),
             {"kernel_size": 2, "stride": 1, "padding": 1} | more, (1, 2, *(4,) * d))
        ]
        for name, more in (("Max", {"dilation": 2}), ("Avg", {})) for d in (1, 2, 3)
    },
    "BatchNorm": [
        (nn.BatchNorm, {"num_features": 4, "eps": eps, "momentum": momentum}, (3, 4))
        for eps, momentum in ((0.5, 0.25), (1.0, 1.0))
    ],
    "MeanOnlyBatchNorm": [(nn.MeanOnlyBatchNorm, {"num_features": 4, "momentum": 0.25}, (3, 4))],
    "LayerNorm": [
        (nn.LayerNorm, {"normalized_shape": 4, "eps": eps}, (3, 4)) for eps in (0.5, 1.0)
    ],
    "Dropout": [(lambda p: nn.Dropout(p, rng=0), {"p": p}, (3, 4)) for p in (0.5, 1.0, 0.0)],
    "Flatten": [(nn.Flatten, {"start_dim": 1}, (3, 4, 2))],
    "WeightNorm": [(normed(minwn.WeightNorm), {"eps": eps}, (2, 4)) for eps in (0.5, 1.0)],
    "ExponentialWeightNorm": [(normed(nn.ExponentialWeightNorm), {"eps": 0.5}, (2, 4))],
    "WeightNormWrapper": [
        (lambda epsilon: nn.WeightNormWrapper(nn.Linear(4, 3, rng=0), epsilon=epsilon),
         {"epsilon": 0.5}, (2, 4))
    ],
    "DoRALinear": [
        (lambda rank, alpha: nn.DoRALinear(nn.Linear(4, 3, rng=0), rank, alpha, rng=0),
         {"rank": 2, "alpha": 0.5}, (2, 4))
    ],
}
LAYERS |= {f"BatchNorm{d}d": LAYERS["BatchNorm"] for d in (1, 2, 3)}


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, rows in LAYERS.items() for i in range(len(rows))]
)
def test_a_layer(name, index, dtype):
    make, numbers, shape = LAYERS[name][index]
    seeded = {"rng": 0} if "rng" in inspect.signature(make).parameters else {}
    x = drawn(shape, dtype) if shape else np.array([1, 0, 1])

    def through(**given: Any) -> tuple[list[Any], str, list[Any]]:
        layer = make(**given, **seeded).to(dtype)
        layer.train()
        inputs = [*([x] if shape else []), *(p for p in layer.parameters() if p.requires_grad)]
        found = everything(lambda *_: layer(x), inputs)
        settings = {k: v for k, v in vars(layer).items() if isinstance(v, int | float | tuple)}
        return [*found, *(b for _, b in layer.named_buffers())], repr(layer), list(settings.items())

    right, text, settings = through(**numbers)
    for key, value in numbers.items():
        for n in scalars(value):
            found, said, kept = through(**{**numbers, key: n})
            same(found, right, dtype)
            assert kept == settings  # and none of NumPy's is kept, nor shown
            assert "np." not in said
            assert {type(v) for _, v in kept} <= {int, float, bool, tuple}
            if not isinstance(value, float) or not isinstance(n, np.integer):
                assert said == text


def test_every_layer_with_a_number_has_a_row():
    """By the annotations of the constructors."""
    missing = []
    for name in nn.__all__:
        kind = getattr(nn, name)
        if not isinstance(kind, type) or issubclass(kind, Exception | Tensor):
            continue
        for key, p in inspect.signature(kind).parameters.items():
            kinds = set(str(p.annotation).replace("|", " ").split())
            if kinds & {"int", "float", "Ints", "Padding"} and key != "rng":
                rows = LAYERS.get(name, [])
                missing += [] if any(key in numbers for _, numbers, _ in rows) else [(name, key)]
    assert missing == []


# ---- the rest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "value"),
    [
        (lambda n: init.uniform((3, 4), n, 0), 0.5),
        (lambda n: init.normal((3, 4), n, 0), 0.5),
        (lambda n: init.he((3, 4), 0, slope=n), 0.5),
        (lambda n: init.orthogonal((3, 4), 0, gain=n), 2.0),
    ],
)
def test_first_values(f, value):
    for n in scalars(value):
        np.testing.assert_array_equal(f(n), f(value), strict=True)


def test_what_sets_parameters(dtype):
    def initialised(eps: Any) -> list[Any]:
        layer = minwn.WeightNorm(dim=0).apply(nn.Linear(4, 3, rng=0).to(dtype))
        nn.data_dependent_init(layer, drawn((5, 4), dtype).detach(), eps=eps)
        return list(layer.parameters())

    def shortened(eps: Any) -> list[Any]:
        v = drawn((3, 4), dtype)
        nn.normalise_(v, eps=eps, form="rms")
        return [v]

    for f in (initialised, shortened):
        for n in scalars(0.5):
            same(f(n), f(0.5), dtype)
