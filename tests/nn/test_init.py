"""First values: their moments, and what makes them reproducible."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minwn import nn
from minwn.nn import init

SHAPE = (60, 50, 4)
SIZE = math.prod(SHAPE)  # 12000 draws
UNIFORM = 1 / math.sqrt(3)  # standard deviation of U(-1, 1)
# name -> (draw, standard deviation, fourth moment / variance^2)
DRAWS = {
    "uniform": (lambda **k: init.uniform(SHAPE, 0.3, **k), 0.3 * UNIFORM, 1.8),
    "normal": (lambda **k: init.normal(SHAPE, **k), 0.05, 3.0),
    "he": (lambda **k: init.he(SHAPE, slope=0.5, **k), math.sqrt(2 / (1.25 * 200)), 3.0),
    "glorot": (lambda **k: init.glorot(SHAPE, **k), math.sqrt(6 / 440) * UNIFORM, 1.8),
}


@pytest.mark.parametrize("name", DRAWS)
def test_moments(name, rng):
    draw, std, kurtosis = DRAWS[name]
    x = draw(rng=rng, dtype="float64")
    # Six standard errors of each: a sound draw fails twice in 1e9 seeds.
    assert x.shape == SHAPE
    assert abs(x.mean()) < 6 * std / math.sqrt(SIZE)
    assert abs((x**2).mean() / std**2 - 1) < 6 * math.sqrt((kurtosis - 1) / SIZE)
    assert abs((x**4).mean() / std**4 - kurtosis) < 6 * math.sqrt(96 / SIZE)


@pytest.mark.parametrize("name", ["uniform", "glorot"])
def test_uniform_draws_fill_their_interval_and_stay_in_it(name, rng):
    draw, std, _ = DRAWS[name]
    x = draw(rng=rng, dtype="float64")
    assert 0.99 * std / UNIFORM < np.abs(x).max() <= std / UNIFORM


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (6, 2, 2), (3, 2, 2, 2)])
def test_orthogonal(shape, rng):
    x = init.orthogonal(shape, rng, "float64", gain=1.7).reshape(shape[0], -1)
    gram = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    # Householder's Q is orthonormal to a few dozen roundings of 1e-16.
    np.testing.assert_allclose(gram, 1.7**2 * np.eye(len(gram)), atol=1e-13)


def test_orthogonal_has_no_preferred_sign(rng):
    signs = [np.sign(init.orthogonal((2, 2), rng)).ravel() for _ in range(400)]
    # LAPACK alone would fix the sign of an entry. Six standard errors of a mean of fair signs.
    assert np.abs(np.mean(signs, axis=0)).max() < 6 / math.sqrt(400)


@pytest.mark.parametrize("name", [*DRAWS, "orthogonal"])
def test_one_seed_gives_one_result_in_the_dtype_asked_for(name):
    draw = DRAWS[name][0] if name in DRAWS else lambda **k: init.orthogonal((4, 3), **k)
    first, again, other = draw(rng=7), draw(rng=np.random.default_rng(7)), draw(rng=8)
    assert first.dtype == "float32"
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(draw(rng=7, dtype="float64").astype("float32"), first)


def test_constants():
    assert init.zeros((2, 3)).dtype == init.ones((2, 3)).dtype == "float32"
    assert not init.zeros((2, 3)).any()
    assert (init.ones((2, 3), dtype="float16") == 1).all()


ALL = {
    **{name: draw for name, (draw, _, _) in DRAWS.items()},
    "orthogonal": lambda **k: init.orthogonal((4, 3), **k),
    "zeros": lambda **k: init.zeros(SHAPE, **k),
    "ones": lambda **k: init.ones(SHAPE, **k),
}


@pytest.mark.parametrize("name", ALL)
def test_only_floats_are_drawn(name):
    assert ALL[name](rng=7).dtype == "float32"
    for dtype in ("int32", "bool", complex):
        with pytest.raises(TypeError, match=r"dtype=.*; give a float dtype, such as 'float32'"):
            ALL[name](rng=7, dtype=dtype)
    for dtype in ("float33", 3, object(), None):
        with pytest.raises(TypeError, match="is no dtype; name one, such as 'float32'"):
            ALL[name](rng=7, dtype=dtype)


@pytest.mark.parametrize(
    "make",
    [lambda d: nn.Linear(3, 2, dtype=d), lambda d: nn.Conv1d(3, 2, 2, dtype=d),
     lambda d: nn.Embedding(3, 2, dtype=d), lambda d: nn.LSTMCell(3, 2, dtype=d),
     lambda d: nn.LayerNorm(3, dtype=d), lambda d: nn.BatchNorm1d(3, dtype=d)],
)
def test_a_layer_has_a_float_dtype(make):
    assert {x.dtype.name for x in make("float64").state_dict().values()} == {"float64"}
    with pytest.raises(TypeError, match=r"dtype='int32'; give a float dtype"):
        make("int32")


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.float16(0.5)], ids=repr)
def test_numbers_of_numpy_are_those_of_python(number):
    for draw in (lambda x: init.uniform(SHAPE, x, 7), lambda x: init.normal(SHAPE, x, 7),
                 lambda x: init.he(SHAPE, 7, slope=x),
                 lambda x: init.orthogonal((3, 4), 7, gain=x)):
        np.testing.assert_array_equal(draw(number), draw(0.5))
    assert nn.Linear(np.int64(3), np.uint8(2), rng=0).describe() == "3 -> 2"


BAD = {
    "bound": (lambda x: init.uniform(SHAPE, x), [-1.0, None, "x", np.nan, np.inf, True, [1.0]]),
    "std": (lambda x: init.normal(SHAPE, x), [-1.0, None, "x", np.nan, np.inf, True, [1.0]]),
    "slope": (lambda x: init.he(SHAPE, slope=x), [None, "x", np.nan, np.inf, [1.0]]),
    "gain": (lambda x: init.orthogonal((2, 2), gain=x), [None, "x", np.nan, [1.0]]),
    "shape": (lambda x: init.ones(x), [None, "x", 1.5, (2, 1.5), (2, -1), [None]]),
    "in_features": (lambda x: nn.Linear(x, 2), [None, "x", 1.5, 0, -1, True, [2]]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_out_of_range_is_named(name):
    call, values = BAD[name]
    for value in values:
        with pytest.raises(ValueError, match=rf"{name}=.*; give"):
            call(value)
    for shape in (None, "x", 3):
        with pytest.raises(ValueError, match="shape"):
            init.glorot(shape)


@pytest.mark.parametrize("rng", ["seed", -1, 1.5, ...], ids=repr)
def test_what_cannot_seed_is_refused(rng):
    for call in (lambda: nn.Linear(2, 2, rng=rng), lambda: nn.Dropout(rng=rng),
                 lambda: init.normal((2,), rng=rng)):
        with pytest.raises((TypeError, ValueError), match=r"rng=.*; give a Generator, a whole num"):
            call()
