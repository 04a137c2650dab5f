"""The shorter ways to say the same to NumPy, held to the longer ones: to the bit where the order of
the arithmetic is the same, to its rounding where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import Tensor, nn, ops, tensor
from minwn.byhand import softmax_cross_entropy
from minwn.graph import walk
from minwn.optim import Adam
from minwn.small import column_sums, indices, product, row_maxima, row_sums, zero_beside

from .helpers.foreign import Foreign

SIZES = (0, 1, 2, 3, 7, 32, 65)
DTYPES = ("float16", "float32", "float64")
U = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


def matrices(rng: np.random.Generator, n: int, k: int, dtype: str) -> list[np.ndarray]:
    """One matrix in four layouts of memory."""
    x = rng.normal(size=(n, k)).astype(dtype)
    wide = np.full((2 * n, 3 * k), 99, dtype)
    wide[::2, ::3] = x
    return [x, np.asfortranarray(x), wide[::2, ::3], x[::-1].copy()[::-1]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_is_that_of_the_operator(dtype, rng):
    for n in SIZES:
        for k in SIZES:
            for m in (1, 2, 10, 33):
                for x in matrices(rng, n, k, dtype):
                    for y in matrices(rng, k, m, dtype):
                        hold_together(product(x, y), x, y, U[dtype])


def hold_together(z, x, y, u):
    """To the bit; but BLAS has several routines for a single row or column, which round otherwise,
    and NumPy before 2.3 does not go to BLAS for matrices that are not in one piece."""
    assert z.dtype == x.dtype
    if 1 not in z.shape and x.flags.forc and y.flags.forc:
        np.testing.assert_array_equal(z, x @ y, strict=True)
        return
    truth, scale = (np.matmul(f(x), f(y), dtype="f8") for f in (np.positive, np.abs))
    assert np.all(abs(z - truth) <= (x.shape[1] + 1) * u * scale)


def test_a_product_of_anything_else_is_left_to_the_operator(rng):
    x, w = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5))
    np.testing.assert_array_equal(product(x, w), x @ w)
    np.testing.assert_array_equal(product(x[0, 0], w), x[0, 0] @ w)
    for a, b in [(tensor(x[0]), w), (x[0], tensor(w)), (tensor(x[0]), tensor(w))]:
        assert isinstance(product(a, b), Tensor)
    assert isinstance(product(Foreign(x[0]), Foreign(w)), Foreign)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sums", "axis"), [(column_sums, 0), (row_sums, 1)])
def test_sums_are_right_to_the_rounding_of_any_order(sums, axis, dtype, rng):
    for n in (*SIZES, 4096, 4097):
        for x in matrices(rng, *((n, 5) if axis == 0 else (5, n)), dtype):
            x = (x * 1e3 ** rng.uniform(-3, 3, x.shape)).astype(dtype)  # few terms count
            found, lines = sums(x), (x.T if axis == 0 else x).tolist()
            assert found.dtype == dtype
            assert found.shape == (5,)
            for s, line in zip(found, lines, strict=True):
                allowed = max(n - 1, 0) * U[dtype] * math.fsum(map(abs, line))
                assert abs(float(s) - math.fsum(line)) <= allowed


def test_sums_of_what_is_no_small_matrix_of_floats():
    assert column_sums(np.arange(5.0)) == 10.0
    assert column_sums(np.ones((3, 4, 2))).shape == (4, 2)
    assert column_sums(np.array([[1, 2], [3, 4]])).tolist() == [4, 6]
    assert column_sums(np.ones((3000, 2), "float16")).dtype == "float16"
    assert row_sums(np.array([[True, True]])).tolist() == [2]
    assert isinstance(column_sums(tensor(np.ones((3, 4)))), Tensor)
    assert column_sums(Foreign(np.ones((3, 4)))).host.tolist() == [3.0] * 4


def test_a_sum_that_is_not_finite_is_alone():
    x = np.ones((4, 5))
    x[1, 2], x[3, 0] = np.inf, np.nan
    np.testing.assert_array_equal(column_sums(x), [np.nan, 4.0, np.inf, 4.0, 4.0])
    np.testing.assert_array_equal(row_sums(x), [5.0, np.inf, 5.0, np.nan])


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
def test_maxima_are_those_of_max(dtype, rng):
    for n in SIZES:
        for k in SIZES[1:]:
            for x in matrices(rng, n, k, dtype):
                np.testing.assert_array_equal(
                    row_maxima(x), x.max(axis=1, keepdims=True), strict=True
                )
    x = np.array([[np.nan, 1.0], [-np.inf, -np.inf], [2.0, np.inf], [-0.5, np.nan], [3.0, 3.0]])
    np.testing.assert_array_equal(row_maxima(x), [[np.nan], [-np.inf], [np.inf], [np.nan], [3.0]])
    assert row_maxima(Foreign(x)).host.shape == (5, 1)


def test_indices():
    for n in (0, 1, 5, 4096, 4097):
        np.testing.assert_array_equal(indices(np.ones((n, 2))), np.arange(n), strict=True)
    assert indices(Foreign(np.ones(3))).host.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        indices(np.ones(3))[0] = 1


# ---- who goes these ways ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("top", [1.0, 0.999, 1.001, 1.5, 2.2])
def test_softmax_is_right_with_and_without_its_largest_entry_taken_out(dtype, top, rng):
    edge = math.log(float(np.finfo(dtype).max)) / 2
    x = (rng.uniform(-1, 1, (40, 7)) * edge * top).astype(dtype)
    x[0] = edge * top, *[-edge * top] * 6
    wide = x.astype("longdouble")
    e = np.exp(wide - wide.max(axis=1, keepdims=True))
    truth = e / e.sum(axis=1, keepdims=True)
    # Each power is within 4 roundings of that of its exponent, which has one of up to 2 |x| where
    # something was taken out; then a sum and a quotient.
    allowed = (2 * edge * top + 2 * 4 + 7 + 1) * U[dtype] * truth + np.finfo(dtype).tiny
    for axis in (1, -1):
        assert np.all(abs(ops.softmax(x, axis=axis) - truth) <= allowed)
    assert np.all(abs(ops.softmax(x.T, axis=0) - truth.T) <= allowed.T)


def test_softmax_of_a_row_that_is_not_finite_leaves_the_others_alone():
    x = np.array([[0.0, 1.0], [np.nan, 1.0], [-np.inf, 0.0], [1e4, -1e4]])
    s = 1 / (1 + math.e)
    np.testing.assert_allclose(
        ops.softmax(x, axis=1), [[s, 1 - s], [np.nan] * 2, [0, 1], [1, 0]], rtol=1e-15
    )


def test_labels_of_many_rows(rng):
    """More than are kept ready: the same losses as for each row alone, to rounding."""
    logits, labels = rng.normal(size=(5000, 3)), rng.integers(0, 3, 5000)
    found = softmax_cross_entropy.forward(logits, targets=labels, reduction="none")
    z = np.log(np.exp(logits).sum(axis=1))
    np.testing.assert_allclose(found, z - logits[np.arange(5000), labels], rtol=0, atol=1e-14)
    mean = softmax_cross_entropy.forward(logits, targets=labels)
    np.testing.assert_allclose(mean, found.mean(), rtol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_adams_factors_as_arrays_are_its_numbers(dtype, rng):
    """The lines of the docstring with Python's numbers, in the order of the code: not a bit off."""
    w = rng.normal(size=(4, 3)).astype(dtype)
    wide = "float32" if dtype == "float16" else dtype
    p, (m, q) = nn.Parameter(w.copy()), np.zeros((2, 4, 3), wide)
    optimiser = Adam([p], lr=0.01, betas=(0.8, 0.95), eps=0.1)
    for t in range(1, 8):
        g = rng.normal(size=w.shape).astype(dtype)
        p.grad = tensor(g)
        optimiser.step()
        w, g = w.astype(wide), g.astype(wide)
        m = 0.8 * m + (1.0 - 0.8) * g
        q = 0.95 * q + (1.0 - 0.95) * (g * g)
        up = math.sqrt(1.0 - 0.95**t)
        w = (w - m / (np.sqrt(q) + 0.1 * up) * (0.01 / (1.0 - 0.8**t) * up)).astype(dtype)
        np.testing.assert_array_equal(p.data, w, strict=True)


def test_a_leaf_may_be_the_output_and_the_target_another():
    x, y = (tensor(np.array(z), requires_grad=True) for z in (1.0, 2.0))
    with pytest.raises(RuntimeError, match="does not depend on input 0"):
        minwn.grad(x, y)
    assert minwn.grad(x, [y, x], allow_unused=True)[0] is None
    assert walk(x, 1.0, [y]) == {}
    assert walk(x, 1.0, [x, y]) == walk(x, 1.0) == {x: 1.0}


def test_a_leaf_hears_from_every_consumer_whoever_asks():
    x, y = (tensor(np.array(z), requires_grad=True) for z in (0.5, 2.0))
    z = ops.exp(x)
    f: Callable[[], Any] = lambda: x * y + z * z * x + y  # noqa: E731
    x_bar = 2.0 + np.exp(1.0) + 2 * np.exp(1.0) * 0.5
    f().backward(retain_graph=True)
    assert x.grad.item() == pytest.approx(x_bar, rel=1e-15)
    assert y.grad.item() == 1.5
    for wanted in ([x], [x, z], [y, x], [z, y, x]):
        bars = dict(zip(map(id, wanted), minwn.grad(f(), wanted, retain_graph=True), strict=True))
        assert bars[id(x)].item() == pytest.approx(x_bar, rel=1e-15)


# ---- zeros beside an array ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*DTYPES, "complex128", "int32"])
def test_a_rectifier_is_the_maximum_with_0_to_the_bit(dtype, rng):
    for shape in (
        (),
        (3,),
        (5000,),
        (64, 64),
        (3000, 2),
        (2, 3000),
        (0, 80),
        (8, 16, 6, 7),
        (9, 0),
    ):
        wide = (rng.normal(size=(*shape, 2)) * 9).astype(dtype)
        wide.flat[: min(wide.size, 3)] = [0, -1, 1][: min(wide.size, 3)]
        if wide.dtype.kind == "f":
            wide.flat[3:9] = [-0.0, np.nan, np.inf, -np.inf, 1e-7, -1e-7][: max(wide.size - 3, 0)]
        x = wide[..., 0]
        layouts = [x, x.copy(), np.array(x, order="F")]
        if x.ndim == 4:
            layouts.append(np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1))
        for y in layouts:
            found = ops.relu(y)
            np.testing.assert_array_equal(found, np.maximum(y, 0), strict=True)
            if y.flags.forc:
                assert np.asarray(found).strides == y.strides


def test_zero_is_a_row_of_zeros_where_rows_are_long():
    x = np.moveaxis(np.ones((8, 6, 7, 16)), -1, 1)
    zero = zero_beside(x)
    assert zero.shape == (1, 16, 6, 7)
    assert zero.strides[1] == x.strides[1]
    assert not zero.any()
    for short in (np.ones(9999), np.ones((4000, 3)), np.ones((32, 32), "float32")):
        zero = zero_beside(short)
        assert zero == 0
        assert zero.shape == ()
        assert zero.dtype == short.dtype
        assert not zero.flags.writeable
    for other in (1.5, tensor(x), Foreign(x)):
        assert type(zero_beside(other)) is int
