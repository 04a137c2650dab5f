"""Which library an array belongs to, and the few things that are spelt differently."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from minwn import Tensor, backend

from .helpers.foreign import Foreign
from .helpers.foreign import namespace as foreign


@pytest.fixture
def fake_cupy(monkeypatch):
    """A module of that name, and an array class that says it comes from it."""
    module = types.ModuleType("cupy")
    array = type("ndarray", (), {"__module__": "cupy", "get": lambda self: np.ones(2)})
    array.device = types.SimpleNamespace(id=1)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module, array()


def test_what_is_an_array():
    assert all(map(backend.is_array, [np.ones(2), np.float32(1), np.array(1), Foreign([1.0])]))
    assert not any(map(backend.is_array, [1, 1.0, [1.0], "a", None, Tensor(np.ones(2)), np]))


def test_the_namespace_of_arrays():
    assert backend.namespace() is np
    assert backend.namespace(1, 2.0, None) is np
    assert backend.namespace(np.ones(2), 1.0, np.float32(2)) is np
    assert backend.namespace(1.0, Foreign([1.0]), Foreign([2.0])) is foreign


def test_cupy_is_looked_for_only_where_it_is(fake_cupy, monkeypatch):
    module, array = fake_cupy
    assert backend.namespace(array, 1.0) is module
    assert backend.device(array) == "cuda:1"
    assert np.array_equal(backend.to_numpy(array), np.ones(2))
    with pytest.raises(TypeError, match=r"a numpy array and a cupy array meet.*\.to\('cpu'\)"):
        backend.namespace(np.ones(2), array)
    monkeypatch.delitem(sys.modules, "cupy")
    assert not backend.is_array(array)


def test_libraries_do_not_meet():
    with pytest.raises(TypeError, match="a foreign array and a numpy array meet"):
        backend.namespace(Foreign([1.0]), np.ones(1))


def test_asarray_follows_another():
    x = Foreign(np.ones(2))
    assert type(backend.asarray([1.0], like=x)) is Foreign
    assert type(backend.asarray(np.ones(2), like=x)) is Foreign
    assert backend.asarray([1, 2], dtype="float32").dtype == "float32"
    a = np.ones(2)
    assert backend.asarray(a) is a


def test_dtypes():
    assert backend.is_floating(np.dtype("float16"))
    assert not any(backend.is_floating(np.dtype(d)) for d in ("int64", "bool", "complex128"))
    assert backend.accumulator(np.dtype("float16")) == "float32"
    assert backend.accumulator(np.dtype("float64")) == "float64"
    assert backend.accumulator(np.dtype("int32")) == "int32"
    assert backend.unit_roundoff(np.dtype("float64")) == 2.0**-53
    assert backend.unit_roundoff(np.dtype("float16")) == 2.0**-11
    assert backend.smallest_normal(np.dtype("float32")) == 2.0**-126


def test_bfloat16_is_floating_and_what_is_known_of_it_is_so():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    dtype = backend.dtype_of("bfloat16")
    info = ml_dtypes.finfo(dtype)
    assert backend.is_floating(dtype)
    assert backend.accumulator(dtype) == "float32"
    assert backend.unit_roundoff(dtype) == float(info.eps) / 2
    assert backend.smallest_normal(dtype) == float(info.smallest_normal)


def test_devices():
    assert backend.device(np.ones(2)) == "cpu"
    assert all(map(backend.is_device, ["cpu", "cuda", "cuda:1"]))
    assert not any(map(backend.is_device, ["float32", np.float32, None, "cupy"]))
    a = np.ones(2)
    assert backend.move(a, "cpu") is a


@pytest.mark.parametrize(
    ("x", "answer"),
    [([0.0, 1.0], True), ([0.0, 1.1], False), ([-0.1, 1.0], False), ([[0.5], [np.nan]], False),
     ([np.inf], False), ([], True), (0.5, True)],
)
def test_within(x, answer, xp):
    assert backend.within(xp(np.array(x)), 0.0, 1.0) is answer


def test_add_at_counts_repetitions(xp, host):
    x = np.zeros(3)
    backend.add_at(x, np.array([1, 1, 0]), np.array([1.0, 2.0, 4.0]))
    assert x.tolist() == [4.0, 3.0, 0.0]
    y = Foreign(np.zeros(3))
    backend.add_at(y, np.array([1, 1, 0]), Foreign([1.0, 2.0, 4.0]))
    assert host(y).tolist() == [4.0, 3.0, 0.0]


def test_quiet_hides_what_arithmetic_says_of_nan():
    with backend.quiet():
        assert np.isnan(np.zeros(1) / np.zeros(1)).all()
    with pytest.raises(RuntimeWarning):
        np.zeros(1) / np.zeros(1)


def test_quiet_is_a_decorator_that_lasts_as_long_as_the_call():
    @backend.quiet()
    def nothing(depth):
        return nothing(depth - 1) if depth else np.zeros(1) / np.zeros(1)

    assert np.isnan(nothing(2)).all()
    with pytest.raises(RuntimeWarning):
        np.zeros(1) / np.zeros(1)


def test_dot_rows(xp, host, rng):
    x, y = rng.integers(-9, 9, (2, 4, 3)).astype("float64")
    found = host(backend.dot_rows(xp(x), xp(y)))
    assert np.array_equal(found, (x * y).sum(axis=1, keepdims=True))


# ---- random numbers -----------------------------------------------------------------------------


def test_random_numbers_are_of_one_seed_on_every_device():
    a, b = (
        backend.uniform(np.random.default_rng(3), (2, 5), like=like)
        for like in (np.ones(1, "float32"), Foreign(np.ones(1, "float32")))
    )
    assert a.dtype == b.dtype == "float32"
    assert np.array_equal(a, b.host)
    assert np.all((a >= 0) & (a < 1))


# ---- the Foreign class itself: it must refuse, or it proves nothing -----------------------------


@pytest.mark.parametrize(
    "stray",
    [
        np.exp,
        np.asarray,
        np.sum,
        np.concatenate,
        lambda x: np.where(x > 0, x, x),
        lambda x: np.ones(2) * x,
        lambda x: x * np.ones(2),
        lambda x: x + np.float64(1.0),
        lambda x: np.add.at(np.zeros(2), [0, 1], x),
        lambda x: foreign.maximum(x, np.ones(2)),
        lambda x: x.reshape(np.ones(2)),
    ],
)
def test_a_stray_numpy_call_on_a_foreign_array_fails(stray):
    with pytest.raises(TypeError):
        stray(Foreign(np.ones(2)))
