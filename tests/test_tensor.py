"""The contract of Tensor and of tensor, grad, vjp, jvp: names, operators on both sides, manners
towards NumPy and DLPack, copies, and a sentence for everything that is wrong."""

from __future__ import annotations

import contextlib
import copy
import operator
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minwn
from minwn import Tensor, grad, jvp, nn, no_grad, ops, tensor, vjp

from .helpers.differences import CLOSE, directional
from .helpers.foreign import Foreign


def leaf(x, dtype="float64") -> Tensor:
    return tensor(np.asarray(x, dtype=dtype), requires_grad=True)


@pytest.fixture
def x(rng) -> Tensor:
    return leaf(rng.normal(size=(2, 3)))


# ---- names --------------------------------------------------------------------------------------


def test_the_public_names():
    wanted = {"Tensor", "tensor", "grad", "vjp", "jvp", "no_grad", "ops"}
    assert wanted <= set(minwn.__all__)
    assert all(hasattr(minwn, name) for name in minwn.__all__)
    assert all(hasattr(ops, name) for name in ops.__all__)
    assert len(set(ops.__all__)) == len(ops.__all__)


def test_what_a_tensor_says_about_itself(x):
    assert (x.shape, x.ndim, x.size, x.dtype, x.device) == ((2, 3), 2, 6, np.float64, "cpu")
    assert x.requires_grad
    assert x.is_leaf
    assert x.grad is None
    assert not (x * 2.0).is_leaf
    assert (x.detach() * 2.0).is_leaf
    assert len(x) == 2
    assert x.T.shape == (3, 2)
    assert x.numpy() is x.data
    assert x.detach().data is x.data
    assert not x.detach().requires_grad
    assert leaf(2.5).item() == 2.5
    assert hash(x) == hash(x)


def test_unknown_names_are_refused(x):
    for name in ("gard", "requires_gradient", "cuda"):
        with pytest.raises(AttributeError, match=name):
            getattr(x, name)
        with pytest.raises(AttributeError):
            setattr(x, name, 1)


# ---- operators ----------------------------------------------------------------------------------

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize(
    "other",
    [2, 2.5, True, np.float64(1.5), np.float32(1.5), np.int64(3), np.array([1.5, 0.5, 2.0]),
     np.array(2.0), np.ones((4, 1, 1)) * 1.25],
    ids=lambda o: f"{type(o).__name__}{np.shape(o)}",
)
def test_operators_take_numbers_and_arrays_on_both_sides(symbol, other, rng):
    f = OPERATORS[symbol]
    x = leaf(rng.uniform(0.5, 2.0, (2, 3)))
    for forward in (lambda x: f(x, other), lambda x: f(other, x)):
        z = forward(x)
        assert type(z) is Tensor
        assert z.dtype == np.float64
        np.testing.assert_allclose(z.data, forward(x.data), rtol=1e-15)
        u, t = rng.normal(size=z.shape), rng.normal(size=x.shape)
        found = np.sum(grad(z, x, u).data * t)
        assert abs(found - np.sum(u * directional(forward, [x.data], [t]))) < CLOSE


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("scalar", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)])
def test_scalars_are_weak_on_both_sides(symbol, dtype, scalar):
    x = leaf([1.0, 2.0], dtype)
    for z in (OPERATORS[symbol](x, scalar), OPERATORS[symbol](scalar, x)):
        assert z.dtype == dtype
        assert grad(z.sum(), x, create_graph=True).dtype == dtype


def test_matmul_and_the_unary_operators(x, rng):
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(5, 2))
    np.testing.assert_allclose((x @ a).data, x.data @ a, rtol=1e-15)
    np.testing.assert_allclose((b @ x).data, b @ x.data, rtol=1e-15)
    assert (b @ x).requires_grad
    assert np.array_equal((-x).data, -x.data)
    assert np.array_equal(abs(x).data, abs(x.data))
    y = +x
    assert y is not x
    assert np.array_equal(y.data, x.data)
    assert not np.shares_memory(y.data, x.data)
    assert np.array_equal(grad(y.sum(), x).data, np.ones((2, 3)))


@pytest.mark.parametrize("symbol", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_give_masks_on_both_sides(symbol):
    f = getattr(operator, symbol)
    x, y = leaf([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    for other in (y, 2, 2.5, np.float64(2.0), tensor(y)):
        array = other.data if isinstance(other, Tensor) else other
        for found, expected in [(f(x, other), f(x.data, array)), (f(other, x), f(array, x.data))]:
            assert type(found) is Tensor
            assert np.array_equal(found.data, expected)
            assert found.dtype == bool
            assert not found.requires_grad
    assert isinstance(f(leaf(1.0), 2.0).data, np.ndarray)


def test_indices(x):
    index = tensor([1, 0, 1])
    assert np.array_equal(x[index].data, x.data[[1, 0, 1]])
    assert np.array_equal(x[tensor([0, 1]), index[:2]].data, x.data[[0, 1], [1, 0]])
    assert np.array_equal(x[x > 0].data, x.data[x.data > 0])
    assert np.array_equal(x[index[0].item()].data, x.data[1])
    assert [row.shape for row in x] == [(3,), (3,)]
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(TypeError, match="unsized"):
        iter(leaf(1.0))


def test_entries_are_not_assigned(x):
    before = x.data.copy()
    with pytest.raises(TypeError, match=r"ops\.where\(mask, value, x\).*ops\.put_at.*x\.data ="):
        x[0] = 1.0
    with no_grad(), pytest.raises(TypeError, match="not assigned"):
        x[0, 0] += 1.0
    with pytest.raises(TypeError, match="not deleted"):
        del x[0]
    assert np.array_equal(x.data, before)


# ---- rounding, bits, and numbers ----------------------------------------------------------------


def test_rounding_has_a_gradient_of_zeros():
    x = leaf([-2.5, -0.7, 0.5, 1.5, 2.345])
    cases = {
        x // 2: [-2, -1, 0, 0, 1], 3 // x: [-2, -5, 6, 2, 1], x // x.data: [1, 1, 1, 1, 1],
        round(x): [-2, -1, 0, 2, 2], round(x, 1): [-2.5, -0.7, 0.5, 1.5, 2.3],
        round(10 * x, -1): [-20, -10, 0, 20, 20], x.round(): [-2, -1, 0, 2, 2],
        divmod(x, 2)[0]: [-2, -1, 0, 0, 1], divmod(3, x)[0]: [-2, -5, 6, 2, 1],
    }
    for z, expected in cases.items():
        np.testing.assert_allclose(z.data, expected, rtol=1e-15)
        assert np.array_equal(grad(z, x, np.full(5, np.inf)).data, np.zeros(5))
    z = x * round(x)  # the straight part alone
    assert np.array_equal(grad(z.sum(), x).data, round(x).data)


def test_remainders_have_a_gradient():
    x, y = leaf([5.5, -5.5, 5.5]), leaf([2.0, 2.0, -2.0])
    for z in (x % y, divmod(x, y)[1], x.data % y, x % y.data):
        assert np.array_equal(z.data, [1.5, 0.5, -0.5])
    x_bar, y_bar = grad((x % y).sum(), [x, y])
    assert np.array_equal(x_bar.data, [1, 1, 1])
    assert np.array_equal(y_bar.data, [-2, 3, 3])
    assert np.array_equal((7 % y).data, [1, 1, -1])
    for whole, rest in (divmod(x.data, y), np.divmod(x, y)):  # NumPy's function, on both sides
        assert np.array_equal(whole.data, [2, -3, -3])
        assert grad(rest.sum(), y, retain_graph=True).data.tolist() == [-2, 3, 3]


def test_rounding_of_whole_numbers_keeps_them():
    assert round(tensor([True, False])).dtype == bool
    assert round(tensor([14, 15, -25]), -1).data.tolist() == [10, 20, -20]
    x = tensor([-3, 4])
    for z, expected in [(x // 2, [-2, 2]), (x % 2, [1, 0]), (round(x), [-3, 4]), (+x, [-3, 4])]:
        assert z.dtype == x.dtype
        assert z.data.tolist() == expected


@pytest.mark.parametrize("symbol", ["and_", "or_", "xor"])
def test_bits_are_constants_on_both_sides(symbol):
    f = getattr(operator, symbol)
    x = leaf([1.0, -2.0, 3.0])
    mask, other = x > 0, np.array([True, True, False])
    pairs = [(mask, other), (other, mask), (mask, tensor(other)), (mask, True), (False, mask)]
    for a, b in pairs:
        found = f(a, b)
        assert type(found) is Tensor
        assert found.dtype == bool
        assert np.array_equal(found.data, f(minwn.graph.raw(a), minwn.graph.raw(b)))
    assert np.array_equal(f(tensor([6, 5]), 3).data, f(np.array([6, 5]), 3))
    for bad in (
        lambda: f(x, mask),
        lambda: f(mask, 1.0),
        lambda: f(other, x),
        lambda: f(mask, "a"),
    ):
        with pytest.raises(TypeError, match=r"&, \|, \^ and ~ are for bool.*\(x > 0\) &"):
            bad()


def test_not_all_and_any():
    x = leaf([[1.0, -2.0], [3.0, 4.0]])
    assert np.array_equal((~(x > 0)).data, [[False, True], [False, False]])
    assert np.array_equal((~tensor([1, -1])).data, [-2, 0])
    with pytest.raises(TypeError, match=r"~ are for .* a float64 ndarray of shape \(2, 2\)"):
        operator.invert(x)
    assert bool((x == x).all())
    assert not (x == 0).any()
    assert not (x > 0).all()
    for found, expected in [
        ((x > 0).all(axis=0), [True, False]), ((x > 0).all(1, keepdims=True), [[False], [True]]),
        ((x < 0).any(axis=-1), [True, False]), (x.any(), True), (np.all(x > 0), False),
        (np.any(x < 0, axis=0), [False, True]),
    ]:
        assert type(found) is Tensor
        assert isinstance(found.data, np.ndarray)
        assert np.array_equal(found.data, expected)
        assert not found.requires_grad
    assert (tensor(np.ones((0, 2))) > 0).all()


def test_formats():
    loss = leaf(2.34567)
    assert f"{loss:.3f}" == "2.346"
    assert f"{loss * 2:8.1e}" == " 4.7e+00"
    assert f"{leaf([[2.5]]):.2f}" == "2.50"
    assert f"{tensor(7):>4d}" == "   7"
    assert f"{loss}" == str(loss) == "tensor(2.34567, requires_grad=True)"
    assert f"{loss!r:>40}".endswith("=True)")
    assert f"{(leaf([1.0, 0.0]) > 0).mean():.1%}" == "50.0%"
    with pytest.raises(TypeError, match=r"'\.3f' is for one number.*shape \(2,\)"):
        f"{leaf([1.0, 2.0]):.3f}"
    pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    assert f"{tensor(1.5, dtype='bfloat16'):.2f}" == "1.50"


# ---- in place -----------------------------------------------------------------------------------

IN_PLACE = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv,
    "//": operator.ifloordiv, "%": operator.imod, "**": operator.ipow,
}
KEPT = {
    "parameter": lambda x, dtype: nn.Parameter(np.array(x, dtype)),
    "frozen parameter": lambda x, dtype: nn.Parameter(np.array(x, dtype), requires_grad=False),
    "buffer": lambda x, dtype: nn.Buffer(np.array(x, dtype)),
    "leaf": lambda x, dtype: leaf(x, dtype),
}


@pytest.mark.parametrize("symbol", IN_PLACE)
@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_in_place_arithmetic_assigns_what_is_kept(symbol, kind, dtype):
    f = IN_PLACE[symbol]
    for other in (2, 0.5, np.float64(1.5), np.array([[0.5], [2.0]], dtype), tensor([[2.0, 1.0]]),
                  leaf(1.5)):
        if isinstance(other, Tensor):
            other = Tensor(other.data.astype(dtype), other.requires_grad)
        x = KEPT[kind]([[1.0, 2.0], [3.0, 4.0]], dtype)
        array, before, time = x.data, x.data.copy(), x._time
        expected = f(before.copy(), minwn.graph.raw(other))
        with no_grad():
            y = f(x, other)
        assert y is x
        assert (x.dtype, x.shape) == (dtype, (2, 2))
        np.testing.assert_allclose(x.data, expected, rtol=2 * float(np.finfo(dtype).eps))
        assert x._time > time  # dated
        assert np.array_equal(array, before)  # new memory: what others hold is not written to
        assert x.is_leaf


def test_a_step_by_hand_moves_every_parameter_and_makes_results_older(rng):
    layer = nn.Linear(3, 2, rng=0)
    names = [name for name, _ in layer.named_parameters()]
    y = layer(np.ones((1, 3), "float32")).sum()
    y.backward(retain_graph=True)
    before = layer.state_dict()
    with no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.grad
        layer.weight *= 2
    assert [name for name, _ in layer.named_parameters()] == names
    np.testing.assert_allclose(layer.weight.data, 2 * (before["weight"] - 0.1), rtol=1e-6)
    np.testing.assert_allclose(layer.bias.data, before["bias"] - 0.1, rtol=1e-6)
    with pytest.raises(RuntimeError, match="was assigned after the forward pass"):
        y.backward()


def test_a_tensor_takes_itself_away():
    w = leaf([1.0, 2.0])
    held = w.data
    with no_grad():
        w -= w
    assert np.array_equal(w.data, [0, 0])
    assert np.array_equal(held, [1, 2])


def test_other_tensors_give_new_ones(x):
    def block(x):
        x += 1.0
        x *= x
        return x

    given = tensor(np.ones(3))
    for other in (given, x * 1.0, x.detach(), given > 0):
        before, array = other.data.copy(), other.data
        for mode in (no_grad, contextlib.nullcontext):
            with mode():
                y = other
                y += block(other + 0.0)
                assert y is not other
            assert other.data is array
            assert np.array_equal(array, before)
    y = x * 1.0
    y += x
    assert np.array_equal(grad(y.sum(), x).data, np.full((2, 3), 2.0))


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_in_place_arithmetic_refuses_while_operations_are_recorded(symbol, x):
    for kept in (x, nn.Parameter(np.ones((2, 3)))):
        array, time = kept.data, kept._time
        words = rf"x {re.escape(symbol)}= y of a \w+ of shape \(2, 3\) that .*no_grad\(\).*optim"
        with pytest.raises(RuntimeError, match=words):
            IN_PLACE[symbol](kept, 2.0)
        assert kept.data is array
        assert kept._time == time


@pytest.mark.parametrize("make", [lambda a: nn.Buffer(a), lambda a: nn.Parameter(a, False)])
def test_what_has_no_gradient_is_assigned_also_while_operations_are_recorded(make, x):
    kept = make(np.ones((2, 3)))
    same = kept
    kept *= 0.5
    kept += x.detach()
    assert kept is same
    assert np.array_equal(kept.data, 0.5 + x.data)
    with pytest.raises(RuntimeError, match=r"whose history it cannot keep; use y\.detach\(\)"):
        kept += x
    with no_grad():
        kept += x
    assert kept is same
    assert not kept.requires_grad
    counter = nn.Buffer(np.array(0))
    counter += 1
    assert (counter.data, counter.dtype) == (1, np.int64)
    bits = nn.Buffer(np.array([True, False]))
    same = bits
    bits &= np.array([True, True])
    bits |= np.array([False, True])
    bits ^= True
    assert bits is same
    assert bits.data.tolist() == [False, False]


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (lambda p: operator.iadd(p, np.ones((4, 2, 3))), ValueError, r"the shape \(4, 2, 3\)"),
        (lambda p: operator.imatmul(p, np.ones((3, 2))), ValueError, r"the shape \(2, 2\)"),
        (lambda p: operator.iadd(p, np.ones((2, 3), "f4")), TypeError, "float64.*meets float32"),
        (lambda p: operator.imul(p, "a"), TypeError, "str"),
        (lambda p: operator.itruediv(nn.Buffer(np.ones(2, int)), 2), TypeError,
         r"float64 of int64; convert y, or assign x\.data = \(x / y\)\.to\('int64'\)"),
    ],
)
def test_a_step_that_does_not_fit_changes_nothing(step, error, words):
    p = nn.Parameter(np.ones((2, 3)))
    array, time = p.data, p._time
    with no_grad(), pytest.raises(error, match=words):
        step(p)
    assert p.data is array
    assert p._time == time


def test_a_function_that_is_differentiated_may_write_in_place(x):
    def f(x):
        y = x
        y *= x
        with no_grad():
            x -= 7.0
        return y.sum()

    a = x.data.copy()
    for found in (grad(f)(a), vjp(f, a)[1]()[0], grad(f)(x), jvp(f, [a], [np.ones((2, 3))])[1]):
        expected = 2 * x.data if found.shape else (2 * x.data).sum()
        np.testing.assert_allclose(found.data, expected, rtol=1e-14)
    assert np.array_equal(a, x.data)
    assert minwn.gradcheck(f, (a,), order=2).ok


def test_a_step_by_a_product():
    p = nn.Parameter(np.arange(4.0).reshape(2, 2))
    same = p
    with no_grad():
        p @= np.array([[0.0, 1.0], [1.0, 0.0]])
    assert p is same
    assert p.data.tolist() == [[1, 0], [3, 2]]


def test_each_thread_has_its_own_no_grad(x):
    def step():
        y = x
        y += 1.0

    with no_grad(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(RuntimeError, match="requires gradients"):
            pool.submit(step).result()
        step()


def test_methods_are_the_operations(rng):
    x = leaf(rng.uniform(0.5, 2.0, (2, 3, 4)))
    a = x.data
    for found, expected in {
        x.sum(): a.sum(),
        x.sum(axis=(0, 2), keepdims=True): a.sum(axis=(0, 2), keepdims=True),
        x.mean(1): a.mean(1),
        x.var(axis=1, ddof=1): a.var(axis=1, ddof=1),
        x.std(axis=1, ddof=1): a.std(axis=1, ddof=1),
        x.prod(axis=(0, 2), keepdims=True): a.prod(axis=(0, 2), keepdims=True),
        x.cumsum(axis=1): a.cumsum(axis=1),
        x.cumsum(): a.cumsum(),
        np.prod(x, axis=1): a.prod(axis=1),
        np.std(x): a.std(),
        np.cumsum(x, axis=-1): a.cumsum(axis=-1),
        x.max(axis=0): a.max(axis=0),
        x.min(): a.min(),
        x.exp(): np.exp(a),
        x.log(): np.log(a),
        x.sqrt(): np.sqrt(a),
        (-x).abs(): a,
        x.tanh(): np.tanh(a),
        (x - 1.0).relu(): np.maximum(a - 1, 0),
        x.sigmoid(): 1 / (1 + np.exp(-a)),
        x.T: a.T,
        x.transpose(): a.T,
        x.transpose(2, 0, 1): a.transpose(2, 0, 1),
        x.transpose((2, 0, 1)): a.transpose(2, 0, 1),
        x.swapaxes(0, -1): a.swapaxes(0, -1),
        x.reshape(6, 4): a.reshape(6, 4),
        x.reshape((6, -1)): a.reshape(6, 4),
        x.reshape([24]): a.reshape(24),
        x.reshape(np.int64(4), 6): a.reshape(4, 6),
        x[0, 0, 0].reshape(()): a[0, 0, 0],
        x[:1, :1, :1].reshape(): a[0, 0, 0],
        x.flatten(): a.ravel(),
        x.flatten(1): a.reshape(2, 12),
        x.flatten(-1): a,
        x[:0].flatten(1): np.zeros((0, 12)),
    }.items():
        assert found.requires_grad
        np.testing.assert_allclose(found.data, expected, rtol=1e-14)
    assert np.array_equal(x.argmax(axis=1), a.argmax(axis=1))


def test_numbers_of_one_entry(x):
    assert float(leaf([[2.5]])) == 2.5
    assert int(tensor([3])) == 3
    assert bool(leaf(0.0)) is False
    assert [10, 20, 30][tensor(1)] == 20
    for convert in (bool, float, int, lambda x: x.item()):
        with pytest.raises(ValueError, match=r"ambiguous|size 1"):
            convert(x)
    with pytest.raises(TypeError):
        operator.index(leaf(1.0))


# ---- dtypes and devices -------------------------------------------------------------------------


def test_to_a_dtype(x):
    assert x.to("float64") is x
    assert x.to(np.float64) is x
    y = x.to("float32")
    assert y.dtype == "float32"
    assert grad(y.sum(), x).dtype == "float64"
    assert x.astype(np.float16).dtype == "float16"
    mask = x.to(bool)
    assert not mask.requires_grad
    with pytest.raises(TypeError, match="nonsense"):
        x.to("nonsense")
    y = x.to("float32")
    for call in (y.to, y.astype, lambda dtype: ops.cast(y, dtype=dtype)):
        with pytest.raises(TypeError, match="None is no dtype; name one, such as 'float32'"):
            call(None)


def test_to_a_device(x, monkeypatch):
    assert x.to("cpu") is x
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'minwn[cuda12]'")):
        x.to("cuda")
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'minwn[interop]'")):
        x.to("bfloat16")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: minwn.ops.sqrt(x * x + 1.0), lambda x: 1 / (x * x + 2), minwn.ops.gelu,
        minwn.ops.softplus, minwn.ops.elu, minwn.ops.sigmoid, lambda x: x**2,
        lambda x: x.var(axis=1), lambda x: minwn.ops.logsumexp(x, axis=1),
        lambda x: minwn.ops.maximum(x, 0.5) * x,
    ],
)
def test_bfloat16_stays_so_beside_python_numbers_to_second_order(rng, f):
    bfloat16 = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes").bfloat16
    x = tensor(rng.normal(size=(3, 4)).astype(bfloat16), requires_grad=True)
    y = f(x)
    y_bar = rng.normal(size=y.shape).astype(bfloat16)
    (x_bar,) = grad(y, [x], y_bar, create_graph=True)
    second = grad(x_bar, x, rng.normal(size=x.shape).astype(bfloat16))
    assert y.dtype == x_bar.dtype == second.dtype == bfloat16
    exact = tensor(x.data.astype("float64"), requires_grad=True)
    right = grad(f(exact), exact, y_bar.astype("float64"))
    # Some roundings of 2^-8 each; where terms cancel, of terms of size up to 8.
    np.testing.assert_allclose(x_bar.data.astype("float64"), right.data, rtol=0.1, atol=8 * 2.0**-8)


def test_bfloat16(rng):
    pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    x = tensor(rng.normal(size=(3, 4)), requires_grad=True, dtype="bfloat16")
    y = (x * x - x).sum()
    y.backward()
    assert str(y.dtype) == str(x.grad.dtype) == "bfloat16"
    assert x.to("float32").to("bfloat16").dtype == x.dtype
    with pytest.raises(TypeError, match=r"bfloat16.*meets float32"):
        x * np.ones(4, "float32")


# ---- tensor() -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1.5, "float32", ()),
        ([1.0, 2.0], "float32", (2,)),
        ([[1, 2], [3, 4.5]], "float32", (2, 2)),
        ((1, 2, 3), "int64", (3,)),
        (True, "bool", ()),
        ([], "float32", (0,)),
        (1j, "complex128", ()),
        (np.float64(1.5), "float64", ()),
        (np.arange(3), "int64", (3,)),
        (np.ones((2, 0), "float16"), "float16", (2, 0)),
        (np.ones(2, ">f8"), ">f8", (2,)),
        (tensor([1.0]), "float32", (1,)),
        (range(3), "int64", (3,)),
    ],
    ids=str,
)
def test_tensors_are_made_of_numbers_lists_and_arrays(data, dtype, shape):
    x = tensor(data)
    assert (x.dtype, x.shape) == (np.dtype(dtype), shape)
    assert isinstance(x.data, np.ndarray)
    assert not x.requires_grad


def test_tensor_copies_and_takes_a_dtype():
    a = np.ones(3)
    x = tensor(a, requires_grad=True)
    a[0] = 7.0
    assert x.data[0] == 1.0
    assert tensor(x).data is not x.data
    assert not tensor(x).requires_grad
    assert tensor([1, 2], dtype="float16").dtype == "float16"
    assert tensor([1.5], dtype=np.float64).dtype == "float64"
    assert tensor(a, dtype=int).dtype == "int64"
    assert tensor(Foreign(a)).data.host is not a


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tensor("abc"), TypeError, "cannot hold.*abc"),
        (lambda: tensor(None), TypeError, "cannot hold object: None"),
        (lambda: tensor(["a", 1.0]), TypeError, "cannot hold"),
        (lambda: tensor([[1.0], [1.0, 2.0]]), ValueError, "inhomogeneous"),
        (lambda: tensor({"a": 1}), TypeError, "cannot hold object"),
        (lambda: tensor([1, 2], requires_grad=True), TypeError, "int64 has no gradient"),
        (lambda: tensor([True], requires_grad=True), TypeError, "bool has no gradient"),
        (lambda: tensor(1j, requires_grad=True), TypeError, "complex128 has no gradient"),
        (lambda: tensor([1.0], True, dtype=int), TypeError, "int64 has no gradient"),
        (lambda: tensor([1.0], dtype="nonsense"), TypeError, "nonsense"),
        (lambda: tensor([leaf(1.0), leaf(2.0)]), TypeError, "out of its graph"),
    ],
)
def test_what_a_tensor_cannot_be_made_of(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- data and grad ------------------------------------------------------------------------------


def test_assigning_data(x):
    before = x._time
    x.data = np.zeros((2, 3))
    assert x._time > before
    x.data = tensor(np.ones((2, 3)))
    assert np.array_equal(x.data, np.ones((2, 3)))
    x.data = [[1, 2, 3], [4, 5, 6]]
    assert x.dtype == "float64"
    y = leaf(1.0)
    y.data = y.data - 0.5  # NumPy answers with a scalar
    assert isinstance(y.data, np.ndarray)
    assert y.item() == 0.5


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (np.zeros((3, 2)), ValueError, r"\(3, 2\) for a Tensor of shape \(2, 3\)"),
        (np.zeros(3), ValueError, r"\(3,\)"),
        (1.0, ValueError, r"\(\)"),
        (np.zeros((2, 3), int), TypeError, "int64 for a Tensor that requires gradients"),
        ("abc", ValueError, "abc"),
        (None, TypeError, r"data=None for a Tensor of shape \(2, 3\)"),
    ],
)
def test_data_that_does_not_fit_changes_nothing(x, data, error, words):
    array, time = x.data, x._time
    with pytest.raises(error, match=words):
        x.data = data
    assert x.data is array
    assert x._time == time


def test_requires_grad_is_for_floating_leaves(x):
    constant = tensor([1.0, 2.0])
    constant.requires_grad = True
    constant.sum().backward()
    assert constant.grad.data.tolist() == [1.0, 1.0]
    constant.requires_grad = False
    assert not (constant * 2).requires_grad
    for data in ([1, 2], [True], 1j):
        whole = tensor(data)
        with pytest.raises(TypeError, match="has no gradient; convert it to a float dtype"):
            whole.requires_grad = True
        assert not whole.requires_grad
        whole.requires_grad = False
    y = x * 2.0
    for wanted in (False, True):
        with pytest.raises(
            RuntimeError, match=r"\(2, 3\) was computed by 'multiply'.*\.detach\(\)"
        ):
            y.requires_grad = wanted
    assert y.requires_grad


def test_assigning_grad(x):
    x.grad = np.ones((2, 3))
    assert type(x.grad) is Tensor
    x.sum().backward()
    assert np.array_equal(x.grad.data, np.full((2, 3), 2.0))
    x.grad = [[1, 2, 3], [4, 5, 6]]
    assert x.grad.dtype == x.dtype
    with pytest.raises(ValueError, match=r"\(3,\) for a Tensor of shape \(2, 3\)"):
        x.grad = np.zeros(3)
    x.grad = None
    assert x.grad is None


# ---- backward -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradient", "error", "words"),
    [
        (None, ValueError, r"shape \(2, 3\) has many gradients"),
        (np.ones(3), ValueError, r"\(3,\) for an output float64 \(2, 3\)"),
        (np.ones((2, 3), "float32"), ValueError, r"float32 \(2, 3\) for an output float64"),
        (1.0, ValueError, r"\(\)"),
        (Foreign(np.ones((2, 3))), TypeError, "meet in one operation"),
    ],
)
def test_a_gradient_that_does_not_fit(x, gradient, error, words):
    y = x * 2.0
    with pytest.raises(error, match=words):
        y.backward(gradient)
    y.backward(np.ones((2, 3)))  # nothing was freed by the call that failed
    assert np.array_equal(x.grad.data, np.full((2, 3), 2.0))


def test_backward_takes_lists_arrays_and_tensors(x):
    y = x[0] * 2.0
    for gradient in ([1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]), tensor(np.array([1.0, 2.0, 3.0]))):
        x.grad = None
        y.backward(gradient, retain_graph=True)
        assert np.array_equal(x.grad.data, [[2.0, 4.0, 6.0], [0.0, 0.0, 0.0]])
    one = (x[:1, :1] * 3.0).reshape(1, 1)
    one.backward()  # one entry, in any number of dimensions


def test_backward_of_what_has_no_graph(x):
    with pytest.raises(RuntimeError, match="nothing to differentiate"):
        tensor([1.0]).backward()
    with no_grad():
        y = x.sum()
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


# ---- NumPy's manners ----------------------------------------------------------------------------


def test_ufuncs_are_the_operations(x):
    for found, expected in [
        (np.exp(x), ops.exp(x)),
        (np.absolute(x), ops.abs(x)),
        (np.true_divide(x, 2.0), x / 2.0),
        (np.maximum(x, 0.0), ops.maximum(x, 0.0)),
        (np.matmul(x, x.data.T), x @ x.data.T),
    ]:
        assert type(found) is Tensor
        assert found.requires_grad
        assert np.array_equal(found.data, expected.data)


def test_numpys_reductions_are_the_methods(x):
    for found, expected in [
        (np.sum(x), x.sum()), (np.sum(x, axis=0), x.sum(axis=0)),
        (np.sum(x, axis=1, keepdims=True), x.sum(axis=1, keepdims=True)),
        (np.mean(x), x.mean()), (np.mean(x, axis=(0, 1)), x.mean()), (np.max(x), x.max()),
        (np.min(x, axis=1), x.min(axis=1)), (np.var(x, axis=0, ddof=1), x.var(axis=0, ddof=1)),
        (np.transpose(x), x.T), (np.transpose(x, (1, 0)), x.T), (x.transpose(None), x.T),
        (np.reshape(x, (3, 2)), x.reshape(3, 2)), (np.swapaxes(x, 0, 1), x.T),
        (np.round(x, 1), x.round(1)),
    ]:
        assert type(found) is Tensor
        assert found.requires_grad
        assert np.array_equal(found.data, expected.data)
    assert np.argmax(x) == x.data.argmax()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: x.sum(dim=0), "sum: dim=0 is called axis here"),
        (lambda x: x.sum(0, keepdim=True), "sum: keepdim=True is called keepdims here"),
        (lambda x: x.mean(dim=(0, 1)), r"mean: dim=\(0, 1\) is called axis"),
        (lambda x: x.max(dim=None), "max: dim=None is called axis"),
        (lambda x: x.var(unbiased=False), "var: unbiased=False is no argument"),
        (lambda x: np.sum(x, dtype="float32"), "sum: dtype='float32' is no argument"),
        (lambda x: np.sum(x, initial=0), "sum: initial=0 is no argument"),
        (lambda x: np.mean(x, out=np.zeros(())), "mean: out=.* is no argument"),
    ],
)
def test_other_arguments_of_a_reduction_are_named(x, call, words):
    with pytest.raises(TypeError, match=words):
        call(x)


def test_numpys_predicates_are_constants(x):
    for found, expected in [
        (np.isnan(x), np.zeros((2, 3), bool)), (np.isfinite(x), np.ones((2, 3), bool)),
        (np.equal(x, x.data), np.ones((2, 3), bool)), (np.less(x, 0.0), x.data < 0),
        (np.logical_not(x > 0), x.data <= 0), (np.invert(x > 0), x.data <= 0),
        (np.logical_and(x > 0, x.data > 1), x.data > 1),
    ]:
        assert type(found) is Tensor
        assert not found.requires_grad
        assert np.array_equal(found.data, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.add.reduce(x),
        lambda x: np.square(x),
        lambda x: np.arctan2(x, x),
        lambda x: np.exp(x, out=np.zeros((2, 3))),
        lambda x: np.add.at(np.zeros(2), 0, x),
        lambda x: np.multiply.outer(x, x),
    ],
)
def test_other_ufuncs_are_refused(x, call):
    with pytest.raises(TypeError, match=r"does not know Tensors; use minwn\.ops"):
        call(x)


def test_arrays_are_not_changed_in_place_by_tensors(x):
    a = np.zeros((2, 3))
    with pytest.raises(TypeError, match=r"numpy\.add.*\.numpy\(\) first; .* a = a \+ x"):
        a += x
    assert np.array_equal(a, np.zeros((2, 3)))


def test_numpy_does_not_take_a_tensor_out_of_its_graph(x):
    for call in (np.asarray, np.array, np.linalg.norm, lambda x: np.concatenate([x, x])):
        with pytest.raises(TypeError, match=r"out of its graph silently; use \.numpy\(\)"):
            call(x)
    constant = x.detach()
    assert np.asarray(constant) is x.data
    assert np.array(constant) is not x.data
    assert np.asarray(constant, dtype="float32").dtype == "float32"


def test_dlpack():
    a = np.arange(3.0)
    assert np.shares_memory(np.from_dlpack(Tensor(a)), a)
    assert Tensor(a).__dlpack_device__() == a.__dlpack_device__()
    torch = pytest.importorskip("torch", reason="torch is the other library here")
    assert torch.from_dlpack(Tensor(a)).tolist() == [0.0, 1.0, 2.0]
    y = tensor(torch.arange(3.0), requires_grad=True)
    assert y.dtype == "float32"
    assert isinstance(y.data, np.ndarray)


# ---- copies and text ----------------------------------------------------------------------------


def test_deepcopy_is_a_leaf_of_its_own(x):
    x.grad = np.ones((2, 3))
    for copied in (copy.deepcopy(x), copy.deepcopy([x])[0]):
        assert copied.requires_grad
        assert np.array_equal(copied.data, x.data)
        assert not np.shares_memory(copied.data, x.data)
        assert not np.shares_memory(copied.grad.data, x.grad.data)
    y = x * 2.0
    assert copy.deepcopy(y).is_leaf
    assert not copy.deepcopy(y).requires_grad
    twins = copy.deepcopy([x, x])
    assert twins[0] is twins[1]


def test_copy_shares_the_array(x):
    assert copy.copy(x).data is x.data
    assert copy.copy(x) is not x
    assert copy.copy(x).requires_grad
    assert not copy.copy(x * 2.0).requires_grad


def test_pickle(x):
    y = pickle.loads(pickle.dumps(x))
    assert type(y) is Tensor
    assert y.requires_grad
    assert np.array_equal(y.data, x.data)
    assert not pickle.loads(pickle.dumps(x * 2.0)).requires_grad


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: tensor([1.0, 2.5]), "tensor([1. , 2.5], dtype=float32)"),
        (lambda: tensor(np.array([1.0])), "tensor([1.])"),
        (lambda: leaf([1.0]), "tensor([1.], requires_grad=True)"),
        (lambda: leaf([1.0]) * 2, "tensor([2.], from=multiply)"),
        (lambda: tensor(3), "tensor(3)"),
        (lambda: leaf(2.0).sum(), "tensor(2., from=sum)"),
        (lambda: leaf([1.0]) > 0, "tensor([ True])"),
        (lambda: tensor([]), "tensor([], dtype=float32)"),
    ],
)
def test_repr(make, text):
    assert repr(make()).replace("shape=(0,), ", "") == text


# ---- grad ---------------------------------------------------------------------------------------


def f(x, y):
    return (ops.sin(x) * y * y).sum()


def test_grad_of_tensors_leaves_grad_alone(x, rng):
    y = leaf(rng.normal(size=3))
    z = f(x, y)
    single = grad(z, x, retain_graph=True)
    assert type(single) is Tensor
    pair = grad(z, [x, y], retain_graph=True)
    assert type(pair) is tuple
    again = grad(z, (x, x), retain_graph=True)
    assert np.array_equal(pair[0].data, single.data)
    assert np.array_equal(again[1].data, single.data)
    assert not np.shares_memory(again[0].data, again[1].data)
    assert x.grad is None
    assert y.grad is None
    assert grad(z, []) == ()


def test_grad_of_a_function(rng):
    x, y = rng.normal(size=(2, 3)), rng.normal(size=3)
    by_x = np.cos(x) * y * y
    by_y = (np.sin(x) * 2 * y).sum(axis=0)
    np.testing.assert_allclose(grad(f)(x, y).data, by_x, rtol=1e-14)
    np.testing.assert_allclose(grad(f, 1)(x, tensor(y)).data, by_y, rtol=1e-14)
    np.testing.assert_allclose(grad(f, -1)(x, y).data, by_y, rtol=1e-14)
    found = grad(f, (1, 0))(x, y)
    np.testing.assert_allclose(found[0].data, by_y, rtol=1e-14)
    np.testing.assert_allclose(found[1].data, by_x, rtol=1e-14)
    assert not found[0].requires_grad


def test_grad_of_a_function_of_python_numbers():
    assert grad(lambda x: x**3)(2.0).item() == 12.0
    assert grad(lambda x: x**3)(2.0).dtype == "float32"


def test_grad_of_grad_of_grad():
    f = lambda x: ops.exp(2.0 * x)  # noqa: E731
    x = np.array(0.3)
    for n, g in enumerate([grad(f), grad(grad(f)), grad(grad(grad(f)))], start=1):
        assert g(x).item() == pytest.approx(2**n * np.exp(0.6), rel=1e-15)


@pytest.mark.parametrize("f", [lambda x: 3 * x, lambda x: x, lambda x: 3.0, lambda x: x // 2])
def test_derivatives_of_a_function_that_is_linear_or_constant(f):
    found = grad(f)(2.0)
    assert found.item() == {6.0: 3.0, 2.0: 1.0}.get(float(f(2.0)), 0.0)
    for n in (grad(grad(f)), grad(grad(grad(f)))):
        second = n(2.0)
        assert (second.item(), second.shape, second.dtype) == (0.0, (), "float32")
        assert not second.requires_grad


def test_grad_of_an_argument_that_a_function_ignores(x):
    f = lambda x, y: (x * x).sum()  # noqa: E731
    y = np.ones(3, "float32")
    assert np.array_equal(grad(f, (0, 1))(x, y)[1].data, np.zeros(3))
    assert grad(f, 1)(x, y).dtype == "float32"
    assert np.array_equal(grad(lambda y: x.sum())(y).data, np.zeros(3))  # what f closes over
    assert np.array_equal(grad(lambda y: tensor(1.0))(x).data, np.zeros((2, 3)))
    by_x, by_y = grad(f, (0, 1), allow_unused=True)(x, y)
    assert np.array_equal(by_x.data, 2 * x.data)
    assert by_y is None
    assert grad(f, 1, allow_unused=True)(x, y) is None


def test_grad_of_a_function_with_many_entries_takes_its_cotangent(x, rng):
    u, a = rng.normal(size=(2, 4)), rng.normal(size=(3, 4))
    f = lambda x, a: ops.sin(x) @ a  # noqa: E731
    expected = (u @ a.T) * np.cos(x.data), np.sin(x.data).T @ u
    for call in (grad(f, (0, 1), u), grad(f, [0, 1], cotangent=u), grad(f, (0, 1), tensor(u))):
        for found, right in zip(call(x.detach(), a), expected, strict=True):
            np.testing.assert_allclose(found.data, right, rtol=1e-13)
            assert not found.requires_grad
    np.testing.assert_allclose(grad(f, np.int64(1), u)(x.data, a).data, expected[1], rtol=1e-13)
    np.testing.assert_allclose(grad(f, 0, u.tolist())(x.data, a).data, expected[0], rtol=1e-13)
    u = leaf(u)  # and the gradient is a function of it
    by_u = grad(grad(f, 0, u)(x.data, a).sum(), u)
    np.testing.assert_allclose(by_u.data, np.cos(x.data) @ a, rtol=1e-13)


def test_grad_knows_what_is_argument_and_what_is_closed_over(x):
    """d/dx of x a at a = x, twice: the derivative by the argument is not that of x^2."""
    w = leaf(3.0)
    product = grad(lambda a: (w * a * w).sum())(w)  # by a alone: w^2
    assert product.item() == 9.0
    assert grad(product, w).item() == 6.0


def test_derivatives_of_functions_that_close_over_a_tensor_are_recorded(x):
    """A gradient penalty: |d critic / d input|^2, differentiated by the critic's weights."""
    w = leaf([1.0, 2.0, -1.0])
    critic = lambda x: ops.tanh(x * w).sum()  # noqa: E731
    t = np.ones((2, 3))
    tanh2 = lambda w: 1 - np.tanh(x.data * w) ** 2  # noqa: E731
    penalty = lambda w: ((tanh2(w) * w) ** 2).sum()  # noqa: E731
    step = (penalty(w.data + 1e-100j * np.array([1.0, 0.5, -2.0]))).imag / 1e-100
    for derivative in (
        lambda: grad(critic)(x.data),
        lambda: vjp(critic, x.data)[1]()[0],
        lambda: grad(critic)(x.detach()),
    ):
        w_bar = grad((derivative() ** 2).sum(), w).data
        assert w_bar @ [1.0, 0.5, -2.0] == pytest.approx(step, rel=1e-12)
    y, y_dot = jvp(critic, [x.data], [t])
    assert y.requires_grad
    expected = (tanh2(w.data + 1e-100j) * (w.data + 1e-100j)).sum().imag / 1e-100
    assert grad(y_dot, w).data.sum() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: grad(x.sum()), TypeError, "pass the Tensors"),
        (lambda x: grad(x.sum(), [x.data]), TypeError, "input 0 is not a Tensor"),
        (lambda x: grad(x.sum(), x.detach()), TypeError, "requires gradients"),
        (lambda x: grad(x, x), ValueError, "many gradients"),
        (lambda x: grad(x.data, x), RuntimeError, "nothing to differentiate"),
        (lambda x: grad(x.detach(), x), RuntimeError, "nothing to differentiate"),
        (lambda x: grad(x, x, np.ones(3)), ValueError, r"\(3,\)"),
        (lambda x: grad(lambda x: x)(x), ValueError, "many gradients"),
        (lambda x: grad(lambda x: x * 2)(x), ValueError, r"grad\(f, 0, y_bar\), or use vjp"),
        (lambda x: grad(lambda x: x, 0, np.ones(3))(x), ValueError, r"cotangent float64 \(3,\)"),
        (lambda x: grad(lambda x: 1.0, 0, np.ones(3))(x), ValueError, r"cotangent float64 \(3,\)"),
        (lambda x: grad(lambda x: None)(x), TypeError, "returned a NoneType"),
        (lambda x: grad(lambda x: "1")(x), TypeError, "returned a str, no Tensor; return one"),
        (lambda x: grad(lambda x: x.sum(), x), TypeError, r"argnums=a float64 Tensor of shape"),
        (lambda x: grad(lambda x: x.sum(), "x"), TypeError, r"argnums='x' .* grad\(f, 0\)\(x\)"),
        (lambda x: no_grad()(grad(lambda x: x.sum()))(x), RuntimeError, "under no_grad nothing"),
        (lambda x: grad(lambda x: x.sum(), 1)(x), TypeError, "argnums 1 of a call with 1"),
        (lambda x: grad(lambda x: x.sum())(np.arange(3)), TypeError, "int64 has no gradient"),
    ],
)
def test_what_grad_refuses(x, call, error, words):
    with pytest.raises(error, match=words):
        call(x)
    assert x.grad is None


# ---- vjp and jvp --------------------------------------------------------------------------------


def test_vjp_pulls_back_as_often_as_wanted(rng):
    x, y = rng.normal(size=(2, 3)), rng.normal(size=3)
    f = lambda x, y: ops.sin(x) * y * y  # noqa: E731
    z, pullback = vjp(f, x, y)
    assert not z.requires_grad
    assert np.array_equal(z.data, f(x, y))
    for _ in range(3):
        u = rng.normal(size=(2, 3))
        x_bar, y_bar = pullback(u)
        np.testing.assert_allclose(x_bar.data, u * np.cos(x) * y * y, rtol=1e-13)
        np.testing.assert_allclose(y_bar.data, (u * np.sin(x) * 2 * y).sum(0), rtol=1e-12)
    _, pullback = vjp(lambda x, y: ops.sum(x), x, y)
    x_bar, y_bar = pullback()
    assert np.array_equal(x_bar.data, np.ones((2, 3)))
    assert np.array_equal(y_bar.data, np.zeros(3))  # what f ignores has a derivative of zero


@pytest.mark.parametrize(
    ("constant", "y", "dtype"),
    [
        (3.0, 3.0, "float64"), (3, 3.0, "float64"), (np.float32(1.5), 1.5, "float32"),
        (np.arange(3.0), [0, 1, 2], "float64"), (tensor([1.0, 2.0]), [1, 2], "float32"),
        (leaf([1.0, 2.0]), [1, 2], "float64"),
    ],
)
def test_the_products_of_a_constant_are_zeros(x, constant, y, dtype):
    value, pullback = vjp(lambda x: constant, x.data)
    assert type(value) is Tensor
    assert value.dtype == dtype
    assert np.array_equal(value.data, y)
    (x_bar,) = pullback(np.ones(np.shape(y), dtype))
    assert type(x_bar) is Tensor
    assert np.array_equal(x_bar.data, np.zeros((2, 3)))
    whole = lambda x: ops.cast(x, dtype="int64")  # noqa: E731
    assert jvp(whole, [x.data], [x.data])[1].dtype == "int64"
    assert np.array_equal(vjp(whole, x.data)[1](np.ones((2, 3), int))[0].data, np.zeros((2, 3)))
    value, y_dot = jvp(lambda x: constant, [x.data], [x.data])
    assert np.array_equal(value.data, y)
    assert type(y_dot) is Tensor
    assert y_dot.dtype == dtype
    assert np.array_equal(y_dot.data, np.zeros(np.shape(y)))


def test_jvp_and_vjp_are_adjoint(rng):
    xs = [rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)]
    ts = [rng.normal(size=x.shape) for x in xs]
    f = lambda x, w, b: ops.logsumexp(ops.tanh(x @ w) + b, axis=1)  # noqa: E731
    z, pullback = vjp(f, *xs)
    u = rng.normal(size=z.shape)
    _, z_dot = jvp(f, xs, ts)
    bars = pullback(u)
    assert np.sum(u * z_dot.data) == pytest.approx(
        sum(np.sum(bar.data * t) for bar, t in zip(bars, ts, strict=True)), rel=1e-12
    )
    np.testing.assert_allclose(z_dot.data, directional(f, xs, ts), rtol=CLOSE)
    assert not z_dot.requires_grad


def test_jvp_of_a_linear_and_of_an_ignored_argument(rng):
    a, x, t = rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=3)
    _, z_dot = jvp(lambda x, y: ops.matmul(a, x), [x, x], [t, t])
    np.testing.assert_allclose(z_dot.data, a @ t, rtol=1e-14)
    z, z_dot = jvp(lambda x: x, [2.0], [3.0])
    assert (z.item(), z_dot.item()) == (2.0, 3.0)


def quartic(x):
    return (ops.sin(x) * x**3).sum()


def test_hessian_vector_products_by_three_ways(rng):
    x, t = rng.normal(size=4), rng.normal(size=4)
    expected = t * (-np.sin(x) * x**3 + 6 * np.cos(x) * x**2 + 6 * np.sin(x) * x)
    ways = {
        "reverse over reverse": grad(lambda x: (grad(quartic)(x) * t).sum())(x),
        "forward over reverse": jvp(grad(quartic), [x], [t])[1],
        "reverse over forward": grad(lambda x: jvp(quartic, [x], [t])[1])(x),
        "reverse of a pullback": vjp(grad(quartic), x)[1](t)[0],
    }
    for way, found in ways.items():
        np.testing.assert_allclose(found.data, expected, rtol=1e-12, err_msg=way)
        assert not found.requires_grad


def test_jvp_of_jvp_and_a_tangent_that_is_a_variable(rng):
    x, t = rng.normal(size=4), leaf(rng.normal(size=4))
    second = jvp(lambda x: jvp(quartic, [x], [t.data])[1], [x], [t.data])[1]
    hessian = -np.sin(x) * x**3 + 6 * np.cos(x) * x**2 + 6 * np.sin(x) * x
    assert second.item() == pytest.approx(np.sum(t.data**2 * hessian), rel=1e-12)
    by_t = grad(jvp(quartic, [x], [t])[1], t)  # linear in t: the gradient by x
    np.testing.assert_allclose(by_t.data, np.cos(x) * x**3 + 3 * np.sin(x) * x**2, rtol=1e-12)


def test_derivatives_of_foreign_arrays_stay_foreign(rng, host):
    x, t = rng.normal(size=4), rng.normal(size=4)
    for found, expected in [
        (grad(quartic)(Foreign(x)), grad(quartic)(x)),
        (jvp(grad(quartic), [Foreign(x)], [Foreign(t)])[1], jvp(grad(quartic), [x], [t])[1]),
        (vjp(quartic, Foreign(x))[1]()[0], grad(quartic)(x)),
    ]:
        assert isinstance(found.data, Foreign)
        np.testing.assert_allclose(host(found), expected.data, rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: jvp(quartic, x, x), TypeError, "two lists"),
        (lambda x: jvp(quartic, [x], x.data), TypeError, "two lists"),
        (lambda x: jvp(quartic, [x], []), ValueError, "0 tangents for 1 primals"),
        (lambda x: jvp(quartic, [x], [np.ones(3)]), ValueError, r"\(3,\) for a primal .*\(2, 3\)"),
        (lambda x: jvp(quartic, [x], [np.ones((2, 3), "f4")]), ValueError, "float32 .*float64"),
        (lambda x: jvp(lambda x: [x], [x], [x]), TypeError, "returned a list"),
        (lambda x: jvp(quartic, [np.arange(3)], [np.arange(3)]), TypeError, "no gradient"),
        (lambda x: vjp(lambda x: (x, x), x), TypeError, "returned a tuple"),
        (lambda x: vjp(quartic, "abc"), TypeError, "cannot hold"),
        (lambda x: vjp(ops.sin, x)[1](), ValueError, "many gradients"),
        (lambda x: vjp(ops.sin, x)[1](np.ones(2)), ValueError, r"\(2,\)"),
        (lambda x: vjp(lambda x: 1.0, x)[1](np.ones(2)), ValueError, r"\(2,\)"),
        (lambda x: no_grad()(vjp)(ops.sin, x), RuntimeError, "under no_grad nothing"),
        (lambda x: no_grad()(jvp)(ops.sin, [x], [x]), RuntimeError, "under no_grad nothing"),
    ],
)
def test_what_vjp_and_jvp_refuse(x, call, error, words):
    with pytest.raises(error, match=words):
        call(x)
