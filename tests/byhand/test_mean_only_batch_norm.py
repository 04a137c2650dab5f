"""Mean-only batch normalisation in its own words. (Against autodiff: test_twins.)"""

from __future__ import annotations

import numpy as np
import pytest

from minwn.byhand import mean_only_batch_norm as norm

U = 2.0**-53


@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 5), (2, 3, 4, 2)])
def test_the_mean_of_each_channel_becomes_its_shift_and_the_variance_stays(shape, rng):
    t, b = 5 + 2 * rng.normal(size=shape), rng.normal(size=3)
    y = norm.forward(t, b)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(y.mean(axis=axes), b, rtol=0, atol=50 * U * 10)
    np.testing.assert_allclose(y.var(axis=axes), t.var(axis=axes), rtol=100 * U)
    np.testing.assert_allclose(norm.forward(t + 3.5, b), y, rtol=0, atol=20 * U * 10)


@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 5)])
def test_the_gradient_is_centred_and_centring_is_its_own_adjoint(shape, rng):
    y_bar, u, b = rng.normal(size=shape), rng.normal(size=shape), np.zeros(3)
    axes = (0, *range(2, len(shape)))
    t_bar, b_bar = norm.vjp(y_bar)
    np.testing.assert_allclose(t_bar.sum(axis=axes), 0.0, atol=200 * U)
    np.testing.assert_allclose(b_bar, y_bar.sum(axis=axes), rtol=0, atol=100 * U)
    np.testing.assert_allclose(norm.vjp(t_bar)[0], t_bar, rtol=0, atol=50 * U)
    there, back = (norm.forward(u, b) * y_bar).sum(), (u * t_bar).sum()
    assert abs(there - back) <= 50 * U * np.abs(u * y_bar).sum()


@pytest.mark.parametrize(("t", "b"), [((4, 3), (4,)), ((4, 3), (3, 1)), ((3,), (3,)), ((4, 3), ())])
def test_shapes_that_do_not_fit_are_named(t, b):
    with pytest.raises(ValueError, match=r"expected t \(n, c, \.\.\.\) and b \(c,\)"):
        norm.forward(np.zeros(t), np.zeros(b))
