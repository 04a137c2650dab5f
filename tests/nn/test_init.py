"""First values: their moments, and what makes them reproducible."""

from __future__ import annotations

import math

import numpy as np
import pytest

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
