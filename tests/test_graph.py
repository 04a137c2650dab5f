"""The record and the walk back: order, accumulation, freeing, depth, memory, threads, and wrong
rules. The operations themselves are judged in tests/ops."""

from __future__ import annotations

import gc
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minwn
from minwn import Tensor, no_grad, ops, tensor
from minwn.graph import Value, primitive, raw, walk

from .helpers.differences import directional
from .helpers.foreign import Foreign

DEPTH = 100_000


def leaf(x, dtype="float64") -> Tensor:
    return tensor(np.asarray(x, dtype=dtype), requires_grad=True)


# ---- order and accumulation ---------------------------------------------------------------------


def test_a_diamond_hears_from_both_sides_before_it_answers():
    a = leaf(3.0)
    b = a + a
    c = b * b
    c.backward()
    assert a.grad.item() == 8 * 3.0


def test_a_diamond_whose_sides_differ_in_length():
    a = leaf(0.7)
    b = a * 2.0
    long = b
    for _ in range(5):
        long = ops.sin(long)
    (long * b + ops.exp(b)).backward()

    def f(a):
        s = b = 2 * a
        for _ in range(5):
            s = np.sin(s)
        return s * b + np.exp(b)

    assert a.grad.item() == pytest.approx(f(0.7 + 1e-30j).imag / 1e-30, rel=1e-14)


def test_one_input_used_many_times_in_one_operation():
    x, y = leaf([1.0, 2.0]), leaf([3.0, -1.0])
    ops.einsum("i,i,i,i->", x, y, x, x).backward()
    assert np.allclose(x.grad.data, 3 * x.data**2 * y.data, rtol=1e-15)
    assert np.allclose(y.grad.data, x.data**3, rtol=1e-15)


def test_backward_adds_to_what_is_there():
    x = leaf([1.0, -2.0])
    for k in (1, 2, 3):
        (x * x).sum().backward()
        assert np.array_equal(x.grad.data, k * 2 * x.data)
    x.grad = None
    (3.0 * x).sum().backward()
    assert np.array_equal(x.grad.data, [3.0, 3.0])


def test_every_leaf_gets_a_gradient_and_no_result_does():
    x, y, frozen = leaf([1.0, 2.0]), leaf([3.0, 4.0]), tensor(np.array([5.0, 6.0]))
    z = x * y * frozen
    z.sum().backward()
    assert np.array_equal(x.grad.data, [15.0, 24.0])
    assert np.array_equal(y.grad.data, [5.0, 12.0])
    assert frozen.grad is None
    assert z.grad is None


def test_a_leaf_pulls_back_to_itself():
    x = leaf(2.5)
    x.backward()
    assert x.grad.item() == 1.0
    assert minwn.grad(x, x).item() == 1.0


PROGRAMS = st.lists(
    st.tuples(
        st.sampled_from(["+", "-", "*", "sin", "matmul"]), st.integers(0, 99), st.integers(0, 99)
    ),
    min_size=1,
    max_size=12,
)


def run(program, xs, sin):
    """The sum of all values of a program whose steps use any value before them."""
    values = list(xs)
    for op, i, j in program:
        x, y = values[i % len(values)], values[j % len(values)]
        if op == "sin":
            values.append(sin(x))
        elif op == "matmul":
            values.append(0.3 * (x @ y))
        else:
            values.append(x + y if op == "+" else x - y if op == "-" else 0.5 * x * y)
    total = values[0]
    for v in values[1:]:
        total = total + v
    return total.sum()


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(program=PROGRAMS)
def test_random_graphs_agree_with_the_complex_step(program):
    rng = np.random.default_rng(len(program))
    xs = [rng.uniform(-1, 1, (2, 2)) for _ in range(3)]
    ts = [rng.normal(size=(2, 2)) for _ in range(3)]
    inputs = [leaf(x) for x in xs]
    bars = minwn.grad(run(program, inputs, ops.sin), inputs)
    found = sum(float(np.sum(bar.data * t)) for bar, t in zip(bars, ts, strict=True))
    # The complex step has no cancellation: both are right to rounding, which products may grow.
    step = run(program, [x + 1e-100j * t for x, t in zip(xs, ts, strict=True)], np.sin)
    assert found == pytest.approx(step.imag / 1e-100, rel=1e-9, abs=1e-9)


# ---- targets ------------------------------------------------------------------------------------


def test_targets_may_be_results_and_both_ends_at_once():
    x = leaf([0.5, -0.2])
    h = ops.sin(x)
    y = (h * h * x).sum()
    x_bar, h_bar, y_bar = minwn.grad(y, [x, h, y])
    assert y_bar.item() == 1.0
    assert np.allclose(h_bar.data, 2 * h.data * x.data, rtol=1e-15)
    assert np.allclose(x_bar.data, h.data**2 + h_bar.data * np.cos(x.data), rtol=1e-15)
    assert x.grad is None


def test_a_target_off_the_path():
    x, other = leaf([1.0, 2.0]), leaf(3.0)
    y = (x * x).sum()
    with pytest.raises(RuntimeError, match=r"does not depend on input 1, of shape \(\)"):
        minwn.grad(y, [x, other], retain_graph=True)
    x_bar, none = minwn.grad(y, [x, other], allow_unused=True)
    assert none is None
    assert np.array_equal(x_bar.data, 2 * x.data)


def test_only_what_leads_to_a_target_is_pulled_back():
    @primitive
    def loud(x):
        return x * 2.0

    @loud.pullback
    def _(z_bar, z, x):
        raise AssertionError("this side was not asked for")

    x, y = leaf([1.0]), leaf([2.0])
    z = loud(x) * y
    assert minwn.grad(z, y).item() == 2.0


def test_a_thunk_is_called_only_where_it_is_wanted():
    called = []

    @primitive
    def pair(x, y):
        return x + y

    @pair.pullback
    def _(z_bar, z, x, y):
        return lambda: called.append("x") or z_bar, lambda: called.append("y") or z_bar

    x, y = leaf([1.0]), tensor(np.array([2.0]))
    pair(x, y).backward()
    assert called == ["x"]


def test_the_gradient_by_a_result_leaves_the_graph_behind_it():
    x = leaf(0.3)
    h = ops.exp(x)
    h_bar = minwn.grad(h * h, h)
    again = h * h_bar
    assert minwn.grad(again, h).item() == h_bar.item()  # and so often as one likes
    again = h * 2.0
    again.backward()
    assert x.grad.item() == 2.0 * h.item()


def test_two_independent_results_as_targets_are_left_alike():
    x = leaf(0.3)
    a, b = ops.exp(x), ops.sin(x)
    minwn.grad(a * b, [a, b])
    (a + b).backward()
    assert x.grad.item() == pytest.approx(np.exp(0.3) + np.cos(0.3), rel=1e-15)


# ---- freeing and retaining ----------------------------------------------------------------------


def test_a_second_backward_explains_that_the_graph_was_freed():
    x = leaf(2.0)
    h = ops.exp(x)
    y = h * h
    assert not y.freed
    y.backward()
    assert y.freed
    assert h.freed
    assert not x.freed
    first = x.grad.item()
    with pytest.raises(RuntimeError, match=r"'multiply' was freed.*retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"'exp' was freed"):
        (h * 3.0).backward()
    with pytest.raises(RuntimeError, match="'exp' was freed"):
        minwn.grad(h * 3.0, [h, x])
    assert minwn.grad(h * 3.0, h).item() == 3.0  # what was freed is not needed for this
    assert x.grad.item() == first


def test_after_an_error_in_a_pullback_a_retry_blames_the_pass_that_failed(monkeypatch):
    """Nobody else: not the call that comes next, nor a pass of another output before it."""
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = ops.exp(x)
    y = (h * w).sum()
    other = (ops.tanh(x) * w).sum()
    other.backward()
    kept = x.grad.numpy().copy(), w.grad.numpy().copy()
    with monkeypatch.context() as patch:
        patch.setattr(ops.exp, "rule", lambda *args, **params: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), kept[0])
    np.testing.assert_array_equal(w.grad.numpy(), kept[1])
    failed = r"an earlier backward pass failed at 'exp' \(ZeroDivisionError\).*no \.grad.*forward"
    for retry in (y.backward, lambda: minwn.grad(y, [x, w]), lambda: (y * 2.0).backward()):
        with pytest.raises(RuntimeError, match=failed) as error:
            retry()
        assert "retain_graph" not in str(error.value)
    with pytest.raises(RuntimeError, match="was freed by an earlier backward pass"):
        other.backward()
    np.testing.assert_array_equal(x.grad.numpy(), kept[0])
    (h * 1.0).sum().backward()  # what the failed pass did not free is there
    np.testing.assert_allclose(x.grad.numpy() - kept[0], np.exp(x.numpy()))


def test_an_error_with_retain_graph_leaves_the_graph_as_it_was(monkeypatch):
    x = leaf(2.0)
    y = ops.exp(x) * 3.0
    with monkeypatch.context() as patch:
        patch.setattr(ops.exp, "rule", lambda *args, **params: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            y.backward(retain_graph=True)
    assert x.grad is None
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 3.0 * np.exp(2.0))


def test_retain_graph_keeps_it():
    x = leaf(2.0)
    y = ops.exp(x) * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == pytest.approx(3 * 3 * np.exp(2.0), rel=1e-15)
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_the_walk_frees_what_only_the_graph_held():
    x = leaf(np.ones(3))
    y = ops.exp(ops.sin(x))
    inner = weakref.ref(y._inputs[0].data)
    assert inner() is not None
    y.sum().backward()
    assert inner() is None


def test_nothing_is_held_where_nothing_requires_a_gradient():
    x = tensor(np.ones(3))
    y = ops.exp(x)
    assert not y.requires_grad
    assert y.is_leaf
    with pytest.raises(RuntimeError, match="nothing to differentiate"):
        y.sum().backward()


# ---- higher orders ------------------------------------------------------------------------------


def test_create_graph_to_order_four():
    x = leaf(0.6)
    z = ops.sin(x) * ops.exp(2.0 * x)
    derivative = lambda n, x: ((2 + 1j) ** n * np.exp((2 + 1j) * x)).imag  # noqa: E731
    for n in range(5):
        assert z.item() == pytest.approx(derivative(n, 0.6), rel=1e-14)
        z = minwn.grad(z, x, create_graph=True)


def test_backward_with_create_graph_gives_gradients_with_a_graph():
    x, y = leaf([0.5, 2.0]), leaf([1.5, -1.0])
    (x * x * y).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    x_grad, y.grad, x.grad = x.grad, None, None
    (x_grad * x_grad).sum().backward()  # x_grad = 2 x y
    assert np.allclose(x.grad.data, 8 * x.data * y.data**2, rtol=1e-15)
    assert np.allclose(y.grad.data, 8 * x.data**2 * y.data, rtol=1e-15)


def test_without_create_graph_gradients_have_no_graph():
    x = leaf(0.6)
    assert not minwn.grad(x * x, x).requires_grad
    (x * x).backward()
    assert not x.grad.requires_grad


# ---- no_grad ------------------------------------------------------------------------------------


def test_no_grad_nests_and_ends():
    x = leaf(1.0)
    with no_grad():
        with no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_ends_after_an_error():
    x = leaf(1.0)
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (x * x).requires_grad


def test_no_grad_decorates():
    @no_grad()
    def square(x):
        """its docstring"""
        return x * x

    x = leaf(1.0)
    assert not square(x).requires_grad
    assert not square(x).requires_grad
    assert square.__doc__ == "its docstring"
    assert (x * x).requires_grad


def test_no_grad_is_of_one_thread():
    x, seen = leaf(1.0), []
    with no_grad():
        other = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        other.start()
        other.join()
        assert not (x * x).requires_grad
    assert seen == [True]


# ---- depth, speed, memory -----------------------------------------------------------------------


def chain(x, length=DEPTH):
    for _ in range(length):
        x = x * 1.0
    return x


@pytest.mark.slow
def test_a_deep_chain_goes_back_and_is_disposed_of():
    x = leaf([2.0, 3.0])
    y = chain(x)
    y.backward(np.array([1.0, -1.0]))
    assert np.array_equal(x.grad.data, [1.0, -1.0])


@pytest.mark.slow
def test_a_deep_chain_is_disposed_of_without_a_walk():
    x = leaf([2.0, 3.0])
    y = chain(x, 2 * DEPTH)
    assert sys.getrecursionlimit() < DEPTH
    seen = weakref.ref(y.data)
    del y
    assert seen() is None


def test_a_deep_chain_of_second_order():
    x = leaf(1.1)
    y = chain(x, DEPTH // 10) * x
    first = minwn.grad(y, x, create_graph=True)
    assert minwn.grad(first, x).item() == 2.0


def test_sixty_doublings_are_walked_once_each():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    start = time.perf_counter()
    y.backward()
    assert x.grad.item() == 2.0**60
    assert time.perf_counter() - start < 1.0  # a walk along every path would take 2^60 steps


def train(steps):
    rng = np.random.default_rng(0)
    w, b = leaf(rng.normal(size=(5, 4))), leaf(rng.normal(size=5))
    x = rng.normal(size=(3, 4))
    for _ in range(steps):
        h = ops.tanh(ops.matmul(x, w.T) + b)
        loss = ops.logsumexp(h[:, np.array([0, 1, 1])], axis=1).mean() + (h * h).sum() * 0.1
        w.grad = b.grad = None
        loss.backward()
        w.data = w.data - 0.01 * w.grad.data
        b.data = b.data - 0.01 * b.grad.data


@pytest.mark.slow
@pytest.mark.parametrize("second_order", [False, True])
def test_memory_returns_to_its_start_without_the_collector(second_order):
    def step():
        train(1)
        if second_order:
            x = leaf([0.3, 0.4])
            x_bar = minwn.grad((ops.sin(x) ** 3).sum(), x, create_graph=True)
            (x_bar * x_bar).sum().backward()

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(600):  # until the interpreter's free lists of tuples are full
            step()
        count, before = alive(), tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        growth = tracemalloc.get_traced_memory()[0] - before
        assert alive() == count
        assert growth < 24_000  # 24 bytes a step: less than an object of any kind
    finally:
        tracemalloc.stop()
        gc.enable()


def alive() -> int:
    return sum(issubclass(type(x), Value) for x in gc.get_objects())


# ---- threads ------------------------------------------------------------------------------------


def in_threads(f, count=4):
    results = [None] * count

    def work(k):
        results[k] = f(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_may_share_parameters(rng):
    w = leaf(rng.normal(size=(3, 4)))
    xs = rng.normal(size=(4, 50, 2, 4))

    def gradients(k):
        return [minwn.grad((ops.matmul(x, w.T) ** 2).sum(), w).data for x in xs[k]]

    for k, found in enumerate(in_threads(gradients)):
        for x, w_bar in zip(xs[k], found, strict=True):
            assert np.allclose(w_bar, 2 * (x @ w.data.T).T @ x, rtol=1e-12)


def test_threads_may_walk_one_retained_graph(rng):
    w = leaf(rng.normal(size=(3, 4)))
    h = ops.tanh(w)
    y = (h * h).sum()
    found = in_threads(lambda k: [minwn.grad(y, w, retain_graph=True).data for _ in range(50)])
    expected = 2 * h.data * (1 - h.data**2)
    assert all(np.allclose(w_bar, expected, rtol=1e-13) for part in found for w_bar in part)


# ---- leaves assigned since ----------------------------------------------------------------------


def test_a_leaf_assigned_since_the_forward_is_found():
    w, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (w * x).sum()
    w.data = w.data * 2.0
    with pytest.raises(RuntimeError, match=r"input of 'multiply', of shape \(2,\), was assigned"):
        y.backward()
    assert w.grad is None
    assert x.grad is None
    (w * x).sum().backward()
    assert np.array_equal(x.grad.data, [2.0, 4.0])


def test_so_is_one_that_requires_no_gradient():
    w, x = leaf([1.0, 2.0]), tensor(np.array([3.0, 4.0]))
    y = (w * x).sum()
    x.data = x.data + 1.0
    with pytest.raises(RuntimeError, match="assigned after"):
        y.backward()


def test_a_result_cannot_be_assigned():
    y = leaf([1.0, 2.0]) * 2.0
    with pytest.raises(RuntimeError, match=r"shape \(2,\) was computed by 'multiply'.*detach"):
        y.data = np.zeros(2)
    assert np.array_equal(y.data, [2.0, 4.0])


def test_what_is_made_or_assigned_later_has_a_later_date():
    v, g = leaf([1.0]), leaf([2.0])
    w = v * g
    assert w._time > v._time
    g.data = g.data * 2.0
    assert w._time < g._time
    assert w._time > v._time
    assert (v * g)._time > g._time


# ---- who owns what ------------------------------------------------------------------------------


def test_gradients_of_two_leaves_never_share_memory():
    x, y, z = leaf(np.ones((2, 3))), leaf(np.ones((2, 3))), leaf(np.ones((3, 2)))
    given = np.full((2, 3), 0.5)
    for create_graph in (False, True):
        for t in (x, y, z):
            t.grad = None
        (x + y + z.T).backward(given, create_graph=create_graph)
        arrays = [x.grad.data, y.grad.data, z.grad.data, given, x.data, y.data, z.data]
        for i, a in enumerate(arrays):
            assert not any(np.shares_memory(a, b) for b in arrays[:i])
        assert all(a.flags.writeable for a in arrays)


def test_gradients_own_their_memory_where_views_are_pulled_back():
    x = leaf(np.arange(6.0).reshape(2, 3))
    for f in (ops.sum, lambda x: x.reshape(6)[2], lambda x: ops.broadcast_to(x, shape=(1, 2, 3))):
        x.grad = None
        y = f(x)
        u = np.ones(y.shape)
        y.backward(u)
        x.grad.data[...] = 7.0  # raises for the read-only views of broadcasting
        assert np.array_equal(u, np.ones(y.shape))


def test_gradients_given_by_grad_are_not_shared_either():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    u = np.array([0.5, 0.25])
    a, b = minwn.grad(x + y, [x, y], u)
    assert not np.shares_memory(a.data, b.data)
    assert not np.shares_memory(a.data, u)


def test_no_array_is_changed_by_a_forward_or_a_walk(rng):
    w, x = leaf(rng.normal(size=(3, 4))), leaf(rng.normal(size=(2, 4)))
    u = rng.normal(size=(2, 3))
    y = ops.tanh(x @ w.T)
    before = [a.copy() for a in (w.data, x.data, y.data, u)]
    for a in (w.data, x.data, y.data, u):
        a.setflags(write=False)
    y.backward(u, retain_graph=True)
    y.backward(u)
    assert all(
        np.array_equal(a, b) for a, b in zip((w.data, x.data, y.data, u), before, strict=True)
    )


# ---- rules that are wrong -----------------------------------------------------------------------


def planted(rule, forward=lambda x: x * 2.0, kind=primitive):
    def planted_op(*xs):
        return forward(*xs)

    op = kind(planted_op)
    op.pullback(rule)
    return op


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            lambda z_bar, z, x: (z_bar.sum(axis=0),),
            r"planted_op: cotangent \(3,\) for input \(2, 3\)",
        ),
        (lambda z_bar, z, x: (z_bar.T,), r"planted_op: cotangent \(3, 2\) for input \(2, 3\)"),
        (lambda z_bar, z, x: (z_bar[None],), r"cotangent \(1, 2, 3\) for input \(2, 3\)"),
        (lambda z_bar, z, x: (z_bar, z_bar), "planted_op: 2 cotangents for 1 inputs"),
        (lambda z_bar, z, x: (), "planted_op: 0 cotangents for 1 inputs"),
        (
            lambda z_bar, z, x: (z_bar.astype("float32"),),
            r"planted_op: cotangent float32 for input float64 of shape \(2, 3\)",
        ),
    ],
)
def test_a_wrong_rule_is_named(rule, words):
    for create_graph in (False, True):
        x = leaf(np.ones((2, 3)))
        y = planted(rule)(x)
        with pytest.raises(ValueError, match=words):
            y.backward(np.ones((2, 3)), create_graph=create_graph)
        assert x.grad is None
        del minwn.graph.Primitive.registry["planted_op"]


def test_an_elementwise_rule_is_summed_back_but_never_stretched():
    elementwise = type(ops.add)
    x = leaf(np.ones((2, 3)))
    y = planted(lambda z_bar, z, x: (z_bar.sum(axis=0),), kind=elementwise)(x)
    with pytest.raises(ValueError, match=r"planted_op: cotangent \(3,\) for input \(2, 3\)"):
        y.sum().backward()


def test_a_primitive_without_a_rule_says_so():
    @primitive
    def ruleless(x):
        return x * 2.0

    assert ruleless(np.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(NotImplementedError, match="'ruleless' has no pullback"):
        ruleless(leaf(1.0)).backward()


def test_a_name_is_taken_once():
    def add(x):
        return x

    with pytest.raises(ValueError, match="'add' already"):
        primitive(add)


def test_none_is_a_cotangent_of_zero():
    x = leaf([1.0, 2.0])
    op = planted(lambda z_bar, z, x: (None,))
    assert minwn.grad((op(x) + x).sum(), x).data.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="does not depend on input 0"):
        minwn.grad(op(x).sum(), x)


# ---- mixing -------------------------------------------------------------------------------------


def test_two_dtypes_do_not_meet():
    x, y = leaf(np.ones(2)), leaf(np.ones((3, 2)), "float32")
    for a, b in [(x, y), (x, y.data), (y, x.data)]:
        with pytest.raises(TypeError, match=r"multiply: float.*\(.*meets float.*\.to\(dtype\)"):
            a * b
    assert (x.to("float32") * y).dtype == "float32"
    assert (x * (y.data > 0)).dtype == "float64"  # a mask is no number


def test_two_libraries_do_not_meet():
    x, y = leaf(np.ones(2)), Tensor(Foreign(np.ones(2)), True)
    for a, b in [(x, y), (y, x), (x, y.data), (y, x.data), (y.data, x), (x.data, y)]:
        with pytest.raises(TypeError, match=r"array and a .* array meet.*\.to\('cpu'\)"):
            ops.add(a, b)
    with pytest.raises(TypeError, match="meet in one operation"):
        (y * 2.0).backward(np.ones(2))


def test_an_input_that_is_no_array_is_named():
    with pytest.raises(TypeError, match="add: input 1 is a list"):
        ops.add(leaf([1.0]), [1.0])
    with pytest.raises(TypeError, match="matmul: input 0 is a str"):
        ops.matmul("x", leaf([1.0]))


# ---- primitives on arrays, and the walk by itself -----------------------------------------------


def test_a_primitive_of_arrays_alone_records_nothing(monkeypatch):
    monkeypatch.setattr(Value, "__init__", lambda *a: pytest.fail("a Value was made"))
    z = ops.exp(np.array([0.0, 1.0]))
    assert type(z) is np.ndarray


def test_the_walk_serves_values_without_operators():
    x = Value(np.array([1.0, 2.0]), requires_grad=True)
    z = ops.multiply(x, ops.exp(x))
    assert type(z) is Value
    bars = walk(z, np.array([1.0, 10.0]))
    assert np.allclose(bars[x], [1.0, 10.0] * (1 + x._data) * np.exp(x._data), rtol=1e-15)
    assert raw(z) is z._data
    assert raw(3) == 3


def test_rules_see_arrays_at_first_order_and_tensors_with_create_graph(rng):
    seen = []
    op = planted(lambda z_bar, z, x: (seen.append((type(z_bar), type(z), type(x))) or z_bar * 2.0,))
    x = leaf(rng.normal(size=3))
    minwn.grad(op(x).sum(), x)
    minwn.grad(op(x).sum(), x, create_graph=True)
    assert seen == [(np.ndarray,) * 3, (Tensor,) * 3]


def test_the_differences_that_judge_here_are_right():
    found = directional(lambda x: np.sin(3 * x) ** 2, [np.array(0.4)], [np.array(1.0)])
    assert found == pytest.approx(3 * np.sin(2.4), abs=1e-10)


# ---- 16 bits ------------------------------------------------------------------------------------


NARROW = ("float16", "bfloat16")


@pytest.fixture
def steps():
    """A primitive that takes three steps, each of which loses digits of a narrow dtype."""

    @primitive
    def three_steps(x, y, *, scale: float = 1.0):
        return ((x + 1000.0) * y - 1000.0 * y) * scale

    @three_steps.pullback
    def _(z_bar, z, x, y, *, scale=1.0):
        return (z_bar + 1000.0) * y * scale - 1000.0 * y * scale, lambda: z_bar * x * scale

    yield three_steps
    del minwn.graph.Primitive.registry["three_steps"]


@pytest.mark.parametrize("dtype", NARROW)
def test_a_narrow_primitive_is_computed_in_float32_and_rounded_once(steps, dtype, rng):
    x, y = (tensor(rng.standard_normal(50), dtype=dtype, requires_grad=True) for _ in "xy")
    z_bar = tensor(rng.standard_normal(50), dtype=dtype)
    exact = [a.numpy().astype("float64") for a in (x, y, z_bar)]
    right = {"z": exact[0] * exact[1], "x": exact[2] * exact[1], "y": exact[2] * exact[0]}
    for create_graph in (False, True):
        z = steps(x, y)
        x_bar, y_bar = minwn.grad(z, [x, y], z_bar, create_graph=create_graph)
        for name, found in {"z": z, "x": x_bar, "y": y_bar}.items():
            assert found.dtype == x.dtype
            rounded = right[name].astype(x.dtype).astype("float64")
            # float32 keeps 1000 to 3e-5; what is added to the one rounding of the result is less
            np.testing.assert_allclose(
                found.numpy().astype("float64"), rounded, rtol=2.0**-8, atol=2e-4, err_msg=name
            )
    bare = steps(x.numpy(), y.numpy())
    assert isinstance(bare, np.ndarray)
    assert bare.dtype == x.dtype
    np.testing.assert_array_equal(bare, z.numpy())


@pytest.mark.parametrize("dtype", NARROW)
def test_cotangents_that_meet_and_grad_keep_the_narrow_dtype(dtype):
    x = tensor(np.ones(3), dtype=dtype, requires_grad=True)
    (x * 2.0 + ops.exp(x) * 0.5).backward(tensor(np.ones(3), dtype=dtype))
    assert x.grad.dtype == x.dtype
    np.testing.assert_allclose(x.grad.numpy().astype("f8"), 2 + np.e / 2, rtol=2.0**-7)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int8])
def test_numpy_scalars_are_weak_parameters(steps, kind):
    """As weak as Python's: the dtype stays, forwards, backwards and at second order."""
    found = []
    for scale in (2, kind(2)):
        x = tensor([0.5, 3.0], requires_grad=True)
        z = steps(x, x, scale=scale)
        (x_bar,) = minwn.grad(z.sum(), [x], create_graph=True)
        (second,) = minwn.grad(x_bar.sum(), [x])
        assert {z.dtype, x_bar.dtype, second.dtype} == {np.dtype("float32")}
        found.append([a.numpy() for a in (z, x_bar, second)])
    np.testing.assert_array_equal(*found)
