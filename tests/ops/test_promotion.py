"""Integers and booleans in the operations: the values and the dtypes of NumPy, and no gradients.
And the words by which a dtype is given: None is none of them, though NumPy takes it for float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minwn import Tensor, nn, ops, tensor
from minwn.backend import dtype_of, floating
from minwn.nn import init

KINDS = ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64"]
X = np.array([[0, 1, 1], [1, 0, 0]])
MASK = np.array([True, False, True])
erf = np.vectorize(math.erf, otypes=["float64"])


def e(x: np.ndarray) -> np.ndarray:
    """x as float64, from which everything below is computed."""
    return x.astype("float64")


# name: the operation, the right values from float64, and how NumPy comes to the dtype
EXPONENTIAL: Any = lambda x: np.exp(x).dtype  # noqa: E731
TIMES_A_FRACTION: Any = lambda x: (x * 0.5).dtype  # noqa: E731
KEPT: Any = lambda x: x.dtype  # noqa: E731
CASES: dict[str, tuple[Any, Any, Any]] = {
    "exp": (ops.exp, np.exp, EXPONENTIAL),
    "sqrt": (ops.sqrt, np.sqrt, EXPONENTIAL),
    "sin": (ops.sin, np.sin, EXPONENTIAL),
    "cos": (ops.cos, np.cos, EXPONENTIAL),
    "tanh": (ops.tanh, np.tanh, EXPONENTIAL),
    "log": (lambda x: ops.log(x[:, 1:2][:1]), lambda x: np.log(x[:, 1:2][:1]), EXPONENTIAL),
    "erf": (ops.erf, erf, EXPONENTIAL),
    "sigmoid": (ops.sigmoid, lambda x: 1 / (1 + np.exp(-x)), EXPONENTIAL),
    "softplus": (ops.softplus, lambda x: np.log1p(np.exp(x)), EXPONENTIAL),
    "softmax": (lambda x: ops.softmax(x, axis=1),
                lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), EXPONENTIAL),
    "logsumexp": (lambda x: ops.logsumexp(x, axis=1), lambda x: np.log(np.exp(x).sum(axis=1)),
                  EXPONENTIAL),
    "elu": (ops.elu, lambda x: x, EXPONENTIAL),
    "gelu": (ops.gelu, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, TIMES_A_FRACTION),
    "gelu, tanh": (
        lambda x: ops.gelu(x, approximate="tanh"),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        TIMES_A_FRACTION,
    ),
    "leaky_relu": (ops.leaky_relu, lambda x: x, TIMES_A_FRACTION),
    "mean": (ops.mean, np.mean, lambda x: np.mean(x).dtype),
    "var": (lambda x: ops.var(x, axis=0), lambda x: np.var(x, axis=0), lambda x: np.var(x).dtype),
    "sum": (lambda x: ops.sum(x, axis=0), lambda x: np.sum(x, axis=0), lambda x: np.sum(x).dtype),
    "max": (lambda x: ops.max(x, axis=1), lambda x: np.max(x, axis=1), KEPT),
    "min": (lambda x: ops.min(x, axis=1), lambda x: np.min(x, axis=1), KEPT),
    "relu": (ops.relu, lambda x: x, lambda x: np.maximum(x, 0).dtype),
    "maximum": (lambda x: ops.maximum(x, 0.5), lambda x: np.maximum(x, 0.5), TIMES_A_FRACTION),
    "minimum": (lambda x: ops.minimum(x, 1), lambda x: np.minimum(x, 1),
                lambda x: np.minimum(x, 1).dtype),
    "clip": (lambda x: ops.clip(x, low=0.25, high=0.75), lambda x: np.clip(x, 0.25, 0.75),
             TIMES_A_FRACTION),
    "power": (lambda x: ops.power(x, 2), lambda x: x**2, lambda x: (x**2).dtype),
    "power by a fraction": (lambda x: ops.power(x, 0.5), lambda x: x**0.5,
                            lambda x: (x**0.5).dtype),
    "divide": (lambda x: ops.divide(x, 4), lambda x: x / 4, lambda x: (x / 4).dtype),
    "where, a fraction": (lambda x: ops.where(MASK, x, 0.7), lambda x: np.where(MASK, x, 0.7),
                          TIMES_A_FRACTION),
    "where, fraction first": (lambda x: ops.where(MASK, 0.7, x), lambda x: np.where(MASK, 0.7, x),
                              TIMES_A_FRACTION),
    "where, a whole": (lambda x: ops.where(MASK, x, 2), lambda x: np.where(MASK, x, 2),
                       lambda x: (x * 2).dtype),
    "einsum": (lambda x: ops.einsum("ij,kj->ik", x, x), lambda x: np.einsum("ij,kj->ik", x, x),
               KEPT),
    "matmul": (lambda x: ops.matmul(x, ops.transpose(x)), lambda x: x @ x.T, KEPT),
}
ROUNDINGS = {"float16": 2.0**-10, "float32": 2.0**-22, "float64": 2.0**-50}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_integers_promote_as_in_numpy(name, kind):
    f, right, dtype = CASES[name]
    x = X.astype(kind)
    for given in (x, tensor(x)):
        found = f(given)
        if isinstance(given, Tensor):
            assert not found.requires_grad
            found = found.data
        assert found.dtype == dtype(x)
        values = right(e(x))
        if kind == "bool" and found.dtype == bool:
            values = values > 0  # true and true, or: what NumPy makes of products and sums
        rtol = ROUNDINGS.get(found.dtype.name, 0)
        np.testing.assert_allclose(found.astype("float64"), values, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integers_at_the_ends_of_their_range(kind):
    """x - max and -x would wrap round."""
    x = np.array([[np.iinfo(kind).min, 0, 5, np.iinfo(kind).max]], kind)
    for f, right in (
        (lambda x: ops.softmax(x, axis=1), [[0, 0, 0, 1]]),
        (lambda x: ops.logsumexp(x, axis=1), [np.iinfo(kind).max]),
        (ops.sigmoid, 1 / (1 + np.exp(-e(x)))),
        (ops.softplus, np.log1p(np.exp(-abs(e(x)))) + np.maximum(e(x), 0)),
    ):
        np.testing.assert_allclose(f(x).astype("float64"), right, rtol=2e-3, atol=2e-3)


def test_a_number_beside_floats_keeps_their_dtype():
    for kind in ("float16", "float32", "float64"):
        for number in (0.7, 2, True):
            assert ops.where(MASK, np.ones(3, kind), number).dtype == kind
    assert ops.where(MASK, np.ones(3, "float32"), 1j).dtype == "complex64"
    assert ops.where(MASK, 1.5, 2).dtype == "float64"


def test_the_dtype_of_an_exponential_is_that_of_numpy():
    for kind in [*KINDS, "float16", "float32", "float64", "complex64"]:
        assert floating(np.dtype(kind)) == np.exp(np.ones(1, kind)).dtype


# ---- no dtype -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: dtype_of(None),
        lambda: tensor([1.0]).to(None),
        lambda: tensor([1.0]).astype(None),
        lambda: ops.cast(np.ones(2, "float32"), dtype=None),
        lambda: nn.Linear(2, 3, dtype=None),
        lambda: nn.Embedding(2, 3, dtype=None),
        lambda: nn.Conv2d(2, 3, 1, dtype=None),
        lambda: nn.ConvTranspose1d(2, 3, 1, dtype=None),
        lambda: nn.LSTMCell(2, 3, dtype=None),
        lambda: nn.GRUCell(2, 3, dtype=None),
        lambda: nn.BatchNorm(2, dtype=None),
        lambda: nn.MeanOnlyBatchNorm(2, dtype=None),
        lambda: nn.LayerNorm(2, dtype=None),
        lambda: nn.Linear(2, 3).to(None),
        *(
            lambda f=f: f((2, 3), dtype=None)
            for f in (init.zeros, init.ones, init.he, init.glorot, init.orthogonal, init.normal)
        ),
        lambda: init.uniform((2, 3), 0.5, dtype=None),
    ],
)
def test_none_is_no_dtype(make):
    with pytest.raises(TypeError, match="None is no dtype; name one, such as 'float32'"):
        make()


@pytest.mark.parametrize("spec", ["floatt", 7, [1], "float 32", object()])
def test_what_names_no_dtype_is_shown(spec):
    with pytest.raises(TypeError, match="is no dtype"):
        dtype_of(spec)


def test_no_dtype_given_keeps_that_of_the_array():
    assert tensor(np.ones(2, "float16"), dtype=None).dtype == "float16"
    assert tensor([1.0], dtype=None).dtype == "float32"
