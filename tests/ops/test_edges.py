"""What the operations do at their edges: kinks, ties, tails, infinities, and wrong arguments."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import minwn
from minwn import grad, nn, ops, tensor

INF = math.inf


def slope(f, x, u=None):
    """The pullback of u, or of ones, at the numbers x."""
    x = tensor(np.asarray(x, dtype=float), requires_grad=True)
    z = f(x)
    return minwn.grad(z, x, np.ones(z.shape) if u is None else u).data


# ---- kinks and ties -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (ops.relu, 0.0, 0.0),
        (ops.relu, -0.0, 0.0),
        (ops.abs, 0.0, 0.0),
        (ops.leaky_relu, 0.0, 0.01),
        (ops.elu, 0.0, 1.0),
        (lambda x: ops.elu(x, alpha=0.3), 0.0, 0.3),
        (lambda x: ops.clip(x, low=-1.0, high=2.0), [-1.5, -1.0, 0.0, 2.0, 2.5], [0, 1, 1, 1, 0]),
        (lambda x: ops.maximum(x, 1.0), [0.0, 1.0, 2.0], [0, 0.5, 1]),
        (lambda x: ops.maximum(1.0, x), [0.0, 1.0, 2.0], [0, 0.5, 1]),
        (lambda x: ops.minimum(x, 1.0), [0.0, 1.0, 2.0], [1, 0.5, 0]),
        (lambda x: ops.maximum(x, x), [0.7], [1]),
    ],
)
def test_the_derivative_at_a_kink_is_the_documented_one(f, at, expected):
    assert np.array_equal(slope(f, at), expected)


def test_ties_of_maximum_share_over_both_inputs():
    x, y = (tensor([[1.0, 2.0, 3.0]], requires_grad=True) for _ in range(2))
    u = np.array([[0.3, -1.1, 2.0]], np.float32)
    x_bar, y_bar = minwn.grad(ops.minimum(x, y), [x, y], u)
    assert np.array_equal(x_bar.data, u / 2)
    assert np.array_equal(y_bar.data, u / 2)


@pytest.mark.parametrize("op", [ops.max, ops.min])
@pytest.mark.parametrize("keepdims", [False, True])
def test_tied_extremes_share_the_cotangent(op, keepdims):
    x = np.array([[2.0, 2.0, 2.0, 2.0], [1.0, 5.0, 5.0, 1.0]])
    expected = [[0.25, 0.25, 0.25, 0.25], [0, 0.5, 0.5, 0]]
    if op is ops.min:
        expected[1] = [0.5, 0, 0, 0.5]
    u = np.array([4.0, -3.0])
    found = slope(lambda x: op(x, axis=1, keepdims=keepdims), x, u[:, None] if keepdims else u)
    assert np.array_equal(found, u[:, None] * expected)


def test_where_ignores_what_it_did_not_choose():
    # The derivative of sqrt at 0 is infinite; the side that was not chosen must not leak 0 * inf.
    def root(x):
        positive = x.data > 0
        return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)

    assert np.array_equal(slope(root, [0.0, 4.0]), [0.0, 0.25])
    x = tensor(np.array([1.0, 2.0]), requires_grad=True)
    bad = ops.where(np.array([True, False]), x, tensor(np.array([np.nan, 5.0])))
    assert np.array_equal(minwn.grad(bad.sum(), x).data, [1.0, 0.0])


NAN = math.nan


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (ops.relu, [NAN, -INF, INF], [1, 0, 1]),
        (ops.elu, [NAN, -INF, INF], [1, 0, 1]),
        (lambda x: ops.leaky_relu(x, slope=0.25), [NAN, -INF, INF], [0.25, 0.25, 1]),
        (ops.abs, [NAN, -INF, INF], [0, -1, 1]),
        (lambda x: ops.clip(x, low=-1.0, high=1.0), [NAN, -INF, INF], [0, 0, 0]),
        (lambda x: ops.maximum(x, 1.0), [NAN, -INF, INF], [1, 0, 1]),
        (lambda x: ops.minimum(1.0, x), [NAN, -INF, INF], [1, 1, 0]),
        (lambda x: ops.maximum(x, NAN), [NAN, 0.0, INF], [1, 1, 1]),
        (lambda x: ops.minimum(x, np.array([INF, -INF])), [INF, -INF], [0.5, 0.5]),
        (ops.max, [1.0, NAN, 3.0], [0, 1, 0]),
        (ops.min, [NAN, -INF, NAN, 0.0], [0.5, 0, 0.5, 0]),
        (ops.max, [INF, 1.0, INF], [0.5, 0, 0.5]),
        (lambda x: ops.max(x, axis=1), [[NAN, 1.0], [2.0, 1.0]], [[1, 0], [1, 0]]),
    ],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_where_the_cotangent_goes_at_nan_and_at_infinity(f, at, expected, create_graph):
    x = tensor(np.array(at), requires_grad=True)
    z = f(x)
    assert np.isnan(z.data).any() == np.isnan(at).any()
    x_bar = minwn.grad(z, x, np.ones(z.shape), create_graph=create_graph)
    assert np.array_equal(x_bar.data, expected)


def test_beside_a_nan_both_sides_receive_the_cotangent():
    x, y = tensor([NAN, 1.0, NAN], requires_grad=True), tensor([1.0, NAN, NAN], requires_grad=True)
    for op in (ops.maximum, ops.minimum):
        bars = minwn.grad(op(x, y), [x, y], np.array([3.0, 5.0, 7.0], "float32"))
        assert [bar.data.tolist() for bar in bars] == [[3.0, 5.0, 7.0]] * 2


# ---- powers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "z", "by_x", "by_y"),
    [
        (0.0, 0.0, 1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, 2.5, 0.0, 0.0, 0.0),
        (2.0, 0.0, 1.0, 0.0, math.log(2.0)),
        (1.0, 3.0, 1.0, 3.0, 0.0),
        (-2.0, 3.0, -8.0, 12.0, None),  # the derivative by y does not exist
        (-2.0, 2.0, 4.0, -4.0, None),
        (-2.0, -1.0, -0.5, -0.25, None),
    ],
)
def test_powers_at_the_edge(x, y, z, by_x, by_y):
    xs, ys = tensor(np.array([x]), True), tensor(np.array([y]), True)
    answer = xs**ys
    assert answer.item() == z
    assert minwn.grad(answer, xs, retain_graph=True).item() == by_x
    assert slope(lambda x: x**y, x) == by_x  # the exponent a Python number
    if by_y is None:
        with np.errstate(invalid="ignore"):
            assert math.isnan(minwn.grad(answer, ys).item())
            assert math.isnan(slope(lambda y: x**y, y))  # the base a Python number
    else:
        assert minwn.grad(answer, ys).item() == pytest.approx(by_y, rel=1e-15)
        assert slope(lambda y: x**y, y) == pytest.approx(by_y, rel=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "y", "by_y"),
    [
        (0.0, -1.0, -INF),  # z log x = infinity times -infinity
        (0.0, -0.5, -INF),
        (0.0, -INF, -INF),
        (0.0, 0.0, 0.0),
        (0.0, 0.5, 0.0),
        (0.0, INF, 0.0),
        (0.0, NAN, NAN),
        (1.0, -2.0, 0.0),
        (INF, -1.0, NAN),  # 0 times infinity; so in PyTorch
        (NAN, 2.0, NAN),
    ],
)
def test_the_derivative_of_a_power_by_its_exponent_at_the_ends(x, y, by_y, dtype):
    xs, ys = (tensor(np.array([a], dtype), requires_grad=True) for a in (x, y))
    with np.errstate(all="ignore"):
        found = [minwn.grad(base**ys, ys) for base in (xs, x, tensor(np.array([x], dtype)))]
    for bar in found:
        assert bar.dtype == dtype
        assert np.array_equal(bar.data, [by_y], equal_nan=True)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 2.0])
def test_derivatives_of_every_order_of_an_integer_power_at_zero(n):
    x = tensor(np.array(0.0), requires_grad=True)
    z = x**n
    for k in range(4):
        expected = math.factorial(int(n)) if k == n else 0.0
        assert z.item() == expected
        if not z.requires_grad:
            break
        z = minwn.grad(z, x, create_graph=True)


# ---- tails --------------------------------------------------------------------------------------


def relative(found, exact):
    return abs(mpmath.mpf(float(found)) - exact) / abs(exact)


REAL_LINE = [-700.0, -40.0, -5.5, -1.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.7, 3.0, 20.0, 40.0, 700.0]


def at_30_digits(f):
    def exact(x):
        with mpmath.workdps(30 + int(abs(x))):
            return f(mpmath.mpf(x))

    return exact


# Relative to the exact value, in units of 2^-52; e^-x alone turns the rounding of its argument,
# |x| / 2 units, into a relative error.
@pytest.mark.parametrize("x", REAL_LINE)
@pytest.mark.parametrize(
    ("f", "exact"),
    [
        (ops.sigmoid, at_30_digits(lambda x: 1 / (1 + mpmath.exp(-x)))),
        (ops.softplus, at_30_digits(lambda x: mpmath.log1p(mpmath.exp(x)))),
        (ops.tanh, at_30_digits(mpmath.tanh)),
        (ops.elu, at_30_digits(lambda x: x if x > 0 else mpmath.expm1(x))),
        (ops.erf, at_30_digits(mpmath.erf)),
    ],
    ids=["sigmoid", "softplus", "tanh", "elu", "erf"],
)
def test_values_and_slopes_keep_their_digits_in_both_tails(f, exact, x):
    found = f(np.array([x]))[0]
    units = 4 + abs(x) / 2
    if x == 0:
        assert found == float(exact(x))
    else:
        assert relative(found, exact(x)) <= units * 2**-52
    if f is ops.sigmoid:
        with mpmath.workdps(1000):
            e = mpmath.exp(-mpmath.mpf(abs(x)))
            assert relative(slope(f, x), e / (1 + e) ** 2) <= 2 * units * 2**-52
    if f is ops.softplus:
        with mpmath.workdps(1000):
            assert relative(slope(f, x), 1 / (1 + mpmath.exp(-mpmath.mpf(x)))) <= units * 2**-52


@pytest.mark.parametrize(
    "f",
    [ops.sigmoid, ops.softplus, ops.tanh, ops.elu, ops.relu, ops.erf, ops.gelu,
     lambda x: ops.gelu(x, approximate="tanh")],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nothing_overflows_at_the_ends_of_the_line(f, dtype):
    top = float(np.finfo(dtype).max)
    x = tensor(np.array([-top, -1000.0, -60.0, 60.0, 1000.0, top], dtype), requires_grad=True)
    z = f(x)
    bar = minwn.grad(z, x, np.ones_like(z.data))
    assert np.all(np.isfinite(z.data))
    assert np.all(np.isfinite(bar.data))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("x", [-6.0, -3.0, -0.75, -1e-4, 0.0, 1e-4, 0.5, 2.0, 6.0])
def test_gelu_of_both_forms_and_its_slope(x, approximate):
    def exact(x):
        if approximate == "none":
            return x * mpmath.ncdf(x)
        inner = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
        return x / 2 * (1 + mpmath.tanh(inner))

    with mpmath.workdps(40):
        value, derivative = exact(mpmath.mpf(x)), mpmath.diff(exact, mpmath.mpf(x))
    f = lambda x: ops.gelu(x, approximate=approximate)  # noqa: E731
    # 1 + erf cancels on the far left: an absolute error of some units of 2^-52, times |x|.
    assert abs(f(np.array([x]))[0] - float(value)) <= 8 * 2**-52 * max(abs(x), 0.1)
    assert abs(slope(f, x) - float(derivative)) <= 64 * 2**-52


# ---- log of a sum -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "z", "softmax"),
    [
        ([1000.0, 1000.0], 1000.0 + math.log(2.0), [0.5, 0.5]),
        ([-1000.0, -1000.0], -1000.0 + math.log(2.0), [0.5, 0.5]),
        ([-INF, 1.5], 1.5, [0.0, 1.0]),
        ([-INF, 0.0, 0.0], math.log(2.0), [0.0, 0.5, 0.5]),
        ([-1e200, 1e200], 1e200, [0.0, 1.0]),
        ([3.25], 3.25, [1.0]),
    ],
)
def test_logsumexp_at_the_edge(x, z, softmax):
    assert ops.logsumexp(np.array(x)) == pytest.approx(z, rel=1e-15)
    assert slope(ops.logsumexp, x) == pytest.approx(softmax, rel=1e-12)  # u * 1000 from exp


def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity():
    x = np.array([[-INF, -INF], [0.0, -INF]])
    assert np.array_equal(ops.logsumexp(x, axis=1), [-INF, 0.0])


def test_logsumexp_of_infinity_is_infinity():
    assert ops.logsumexp(np.array([INF, 1.0])) == INF


# ---- sums of 16-bit numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_sums_are_kept_in_float32(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes").bfloat16
    ones = np.ones(5000, dtype)
    assert ops.sum(ones) == ones.dtype.type(5000)  # added one at a time they stop at 2048, 256
    assert ops.mean(ones) == 1
    large = np.full((1000,), 100.0, dtype)  # the sum is above the largest float16, the mean is not
    assert ops.mean(large) == 100
    assert ops.var(np.concatenate([large, -large])) == ones.dtype.type(10000)
    assert ops.std(np.concatenate([large, -large])) == 100
    assert ops.cumsum(ones)[-1] == ones.dtype.type(5000)
    # The product passes 2^30, above the largest float16, on its way to 1.
    assert ops.prod(np.array([2.0] * 30 + [0.5] * 30, dtype)) == 1
    reduced = (ops.sum, ops.mean, ops.var, ops.std, ops.cumsum, ops.prod)
    assert all(f(ones).dtype == ones.dtype for f in reduced)


# ---- rounding to another dtype ------------------------------------------------------------------


def test_cast_rounds_and_its_pullback_casts_back(rng):
    x = tensor(rng.normal(size=(3, 2)), requires_grad=True)
    z = ops.cast(x, dtype="float32")
    u = rng.normal(size=(3, 2)).astype("float32")
    assert np.array_equal(z.data, x.data.astype("float32"))
    x_bar = minwn.grad(z, x, u)
    assert x_bar.dtype == "float64"
    assert np.array_equal(x_bar.data, u)


def test_a_cast_to_integers_has_no_gradient():
    x = tensor([1.2, 2.7], requires_grad=True)
    assert not x.to("int64").requires_grad
    rounded = lambda x: x * ops.cast(ops.cast(x, dtype="int64"), dtype="float64")  # noqa: E731
    assert np.array_equal(slope(rounded, 2.7), 2.0)


# ---- arguments that are wrong -------------------------------------------------------------------


ARRAY = np.arange(12.0).reshape(3, 4)
BAD = {
    "sum_to": (lambda: ops.sum_to(ARRAY, shape=(2, 4)), ValueError, r"\(2, 4\).*\(3, 4\)"),
    "sum_to deeper": (lambda: ops.sum_to(ARRAY, shape=(1, 3, 4)), ValueError, "broadcast"),
    "broadcast_to": (lambda: ops.broadcast_to(ARRAY, shape=(3, 5)), ValueError, "shape"),
    "reshape": (lambda: ops.reshape(ARRAY, shape=(5, 2)), ValueError, "reshape"),
    "transpose": (lambda: ops.transpose(ARRAY, axes=(0,)), ValueError, "axes"),
    "getitem": (lambda: ops.getitem(ARRAY, index=3), IndexError, "3"),
    "pad too few": (lambda: ops.pad(ARRAY, widths=((1, 1),)), ValueError, "one pair"),
    "pad negative": (lambda: ops.pad(ARRAY, widths=((1, 1), (-1, 0))), ValueError, ">= 0"),
    "pad mode": (lambda: ops.pad(ARRAY, widths=((0, 0), (1, 0)), mode="a"), ValueError, "circular"),
    "pad reflect": (
        lambda: ops.pad(ARRAY, widths=((3, 0), (0, 0)), mode="reflect"), ValueError,
        r"mode='reflect' pads an axis of length 3 by at most 2 entries, not by \(3, 0\)",
    ),
    "pad circular": (
        lambda: ops.pad(ARRAY, widths=((0, 4), (0, 0)), mode="circular"), ValueError, "at most 3",
    ),
    "pad replicate": (
        lambda: ops.pad(ARRAY[:0], widths=((0, 1), (0, 0)), mode="replicate"), ValueError,
        "length 0 by at most 0",
    ),
    "crop": (lambda: ops.crop(ARRAY, widths=((1, 1), (1, 6))), ValueError, r"\(1, 6\)"),
    "split unequal": (lambda: ops.split(ARRAY, 2), ValueError, "length 3 into 2"),
    "split none": (lambda: ops.split(ARRAY, 0), ValueError, "into 0"),
    "split lengths": (lambda: ops.split(ARRAY, [1, 1]), ValueError, r"\[1, 1\].*length 3"),
    "split negative": (lambda: ops.split(ARRAY, [4, -1]), ValueError, r"\[4, -1\]"),
    "stack": (lambda: ops.stack([ARRAY, ARRAY[:2]]), ValueError, r"\(3, 4\).*\(2, 4\)"),
    "stack nothing": (lambda: ops.stack([]), ValueError, "at least one"),
    "concatenate nothing": (lambda: ops.concatenate([]), ValueError, "at least one"),
    "sum axis": (lambda: ops.sum(ARRAY, axis=2), IndexError, "axis 2"),
    "logsumexp axis": (lambda: ops.logsumexp(ARRAY, axis=2), IndexError, "axis 2"),
    "var": (lambda: ops.var(ARRAY, axis=0, ddof=3), ValueError, "3 entries with ddof=3"),
    "std": (lambda: ops.std(ARRAY, axis=0, ddof=3), ValueError, "std: 3 entries with ddof=3"),
    "cumsum axis": (lambda: ops.cumsum(ARRAY, axis=2), IndexError, "no axis 2"),
    "prod axis": (lambda: ops.prod(ARRAY, axis=2), IndexError, "no axis 2"),
    "clip": (lambda: ops.clip(ARRAY, low=2.0, high=1.0), ValueError, "low=2.0 is above high=1.0"),
    "gelu": (lambda: ops.gelu(ARRAY, approximate="erf"), ValueError, "'none' or 'tanh'"),
    "matmul": (lambda: ops.matmul(tensor(ARRAY), tensor(ARRAY)), ValueError, "matmul"),
    "einsum count": (lambda: ops.einsum("ij,jk->ik", ARRAY), ValueError, "2 subscripts.*1 arrays"),
    "einsum rank": (lambda: ops.einsum("ijk->k", ARRAY), ValueError, r"'ijk'.*\(3, 4\)"),
    "einsum few": (lambda: ops.einsum("ijk...->k", ARRAY), ValueError, r"\(3, 4\)"),
    "unfold": (
        lambda: ops.unfold(
            ARRAY.reshape(1, 3, 4), kernel=(6,), stride=(1,), dilation=(1,), padding=((0, 0),)
        ),
        ValueError,
        "6 entries.*does not fit into 4",
    ),
}


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((1, 1, 3, 1), {"size": (2,)}, "3 entries.*does not fit into 2"),
        ((1, 1, 3, 1), {"size": (5,)}, r"\(1, 1, 3, 1\), where the windows of.*n, c, 3, 3"),
        ((1, 1, 3, 4), {"size": (5,)}, r"n, c, 3, 3"),
        ((1, 1, 4, 3), {"size": (5,)}, r"n, c, 3, 3"),
        ((1, 1, 3, 3), {"size": (7,), "padding": ((-1, -1),)}, "padding >= 0"),
        ((1, 1, 0, 6), {"size": (5,), "kernel": (0,)}, "kernel, stride and dilation >= 1"),
        ((1, 1, 3, 3), {"size": (5, 2)}, "do not fit together"),
    ],
)
def test_fold_takes_what_unfold_gives(shape, options, words):
    how = {"kernel": (3,), "stride": (1,), "dilation": (1,), "padding": ((0, 0),)} | options
    with pytest.raises(ValueError, match=words):
        ops.fold(np.ones(shape), **how)


@pytest.mark.parametrize("index", [slice(0, 2), np.array([0, 0]), np.array([True, False, True])])
@pytest.mark.parametrize("shape", [(), (1,), (1, 2), (3,)])
def test_put_at_takes_what_getitem_gives(index, shape):
    with pytest.raises(ValueError, match=r"put_at: .*where z\[index\] has the shape \(2,\)"):
        ops.put_at(np.ones(shape), index=index, shape=(3,))


def test_a_length_below_minus_one_is_none():
    with pytest.raises(ValueError, match=r"reshape: .*-2"):
        ops.reshape(ARRAY, shape=(-2,))


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_argument_is_named(name):
    call, error, words = BAD[name]
    before = ARRAY.copy()
    with pytest.raises(error, match=words):
        call()
    assert np.array_equal(ARRAY, before)


def test_metadata_is_by_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        ops.sum(ARRAY, 0)
    with pytest.raises(TypeError, match="unexpected keyword"):
        ops.sum(ARRAY, axes=0)


def test_a_reshaped_cotangent_lies_in_memory_as_its_input_does(rng):
    x = np.moveaxis(rng.normal(size=(2, 4, 5, 3)), -1, 1)
    u = rng.normal(size=(2, 60))
    (x_bar,) = ops.reshape.rule(u, None, x, shape=(2, 60))
    np.testing.assert_array_equal(x_bar, u.reshape(x.shape))
    assert x_bar.strides == x.strides
    (x_bar,) = ops.reshape.rule(u, None, np.ascontiguousarray(x), shape=(2, 60))
    assert np.shares_memory(x_bar, u)


# ---- cotangents that are not finite, long axes, and scalars -------------------------------------


def test_a_cotangent_that_is_not_finite_stays_where_it_belongs():
    """0 times infinity is NaN: an entry that took no part gets 0, as in PyTorch."""
    for f in (ops.relu, lambda x: ops.max(x, axis=0), lambda x: ops.maximum(x, 0.0)):
        x = tensor([-1.0, 2.0], requires_grad=True)
        (x_bar,) = grad(f(x), [x], np.full(np.shape(f(x.data)), np.inf, "f4"))
        np.testing.assert_array_equal(x_bar.numpy(), [0.0, np.inf])
    x = tensor([[[1.0, 2.0, -3.0, 0.0]]], requires_grad=True)
    for create_graph in (False, True):
        with np.errstate(divide="ignore"):
            y = ops.log(nn.MaxPool1d(2)(x)).sum()
            (x_bar,) = grad(y, [x], create_graph=create_graph)
        np.testing.assert_array_equal(x_bar.numpy(), [[[0.0, 0.5, 0.0, np.inf]]])


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_mean_of_more_entries_than_float16_can_count(create_graph):
    x = tensor(np.ones(70_000), dtype="float16", requires_grad=True)
    (x_bar,) = grad(x.mean() * 1024.0, [x], create_graph=create_graph)
    np.testing.assert_array_equal(x_bar.numpy(), np.float16(1024 / 70_000))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool"])
def test_sums_over_small_integers_are_kept_in_float32(dtype):
    x = np.zeros(100_000, dtype)
    assert ops.logsumexp(x).dtype == np.float16  # as NumPy's exp of these
    np.testing.assert_allclose(ops.logsumexp(x), np.log(1e5), rtol=1e-3)
    np.testing.assert_allclose(ops.softmax(x), 1e-5, rtol=1e-2)


def test_a_0d_array_is_as_weak_a_parameter_as_a_number():
    x = tensor([-1.0, 2.0])
    for limit in (np.array(0.1), np.float64(0.1), 0.1):
        assert ops.leaky_relu(x, slope=limit).dtype == np.float32
        assert ops.clip(x, low=limit).dtype == np.float32


def test_the_grad_of_a_scalar_can_be_written_to():
    a, b = (tensor(value, requires_grad=True) for value in (1.0, 2.0))
    (a + b).backward()
    a.grad.data[...] = 5.0
    assert (a.grad.item(), b.grad.item()) == (5.0, 1.0)


def test_grad_of_a_function_passes_keywords_on():
    assert grad(lambda x, k=1.0: x * k)(tensor(2.0), k=3.0).item() == 3.0
