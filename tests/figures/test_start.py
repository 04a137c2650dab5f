"""figures/_start.py: one function, several parameterisations of it."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import Tensor, figure, nn

Started = figure.load(figure.folder() / "_start.py").Started


def started(how, seed=0):
    body = nn.Sequential(nn.Linear(5, 7, rng=1), nn.LeakyReLU(0.1), nn.Linear(7, 3, rng=2))
    batch = np.random.default_rng(3).normal(size=(40, 5)).astype("float32") + 2
    return Started(body, how, [Tensor(batch)], np.random.default_rng(seed)), Tensor(batch)


@pytest.mark.parametrize("how", ["plain", "paper", "matched"])
def test_it_is_the_function_that_data_dependent_initialisation_gives(how):
    net, batch = started(how)
    t = net(batch).data
    # float32, sums of 40 terms
    np.testing.assert_allclose(t.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(t.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(t, started("paper")[0](batch).data, rtol=1e-4, atol=1e-5)


def test_the_parameterisations_differ_in_v_alone():
    (plain, _), (paper, _), (matched, _) = (started(how) for how in ("plain", "paper", "matched"))
    for a, b, c in zip(plain.layers, paper.layers, matched.layers, strict=True):
        assert {name for name, _ in a.own_parameters()} == {"weight", "bias"}
        np.testing.assert_array_equal(c.weight_v.data, a.weight.data)
        # g is the norm of what g v / ||v|| was rounded to
        np.testing.assert_allclose(c.weight_g.data, b.weight_g.data, rtol=1e-6)
        assert 0.02 < b.weight_v.data.std() < 0.08


def test_drawn_weights_stay_as_drawn_and_the_seed_decides():
    (net, _), (same, _), (other, _) = started("drawn"), started("drawn"), started("drawn", 1)
    first = net.layers[0].weight.data
    assert 0.02 < first.std() < 0.08
    np.testing.assert_array_equal(first, same.layers[0].weight.data)
    assert not np.array_equal(first, other.layers[0].weight.data)


@pytest.mark.parametrize("how", ["paper", "matched"])
def test_its_forward_follows_g_and_v(how):
    net, batch = started(how)
    before = net(batch).data
    net.layers[0].weight_g.data = 2 * net.layers[0].weight_g.data
    assert abs(net(batch).data - before).max() > 0.1
