"""The affine map in numbers, and shapes that do not fit. (Its derivatives: test_twins.)"""

from __future__ import annotations

import numpy as np
import pytest

from minwn import Tensor
from minwn.byhand import linear


def test_numbers():
    x, w, b = np.array([[1.0, -2.0]]), np.array([[3.0, 4.0], [0.5, 1.0], [-1.0, 0.0]]), np.ones(3)
    np.testing.assert_array_equal(linear.forward(x, w, b), [[-4.0, -0.5, 0.0]])
    y_bar = np.array([[1.0, -2.0, 4.0]])
    x_bar, w_bar, b_bar = linear.vjp(y_bar, x, w, b)
    np.testing.assert_array_equal(x_bar, [[-2.0, 2.0]])  # sum_o y_bar_o w_oi
    np.testing.assert_array_equal(w_bar, [[1.0, -2.0], [-2.0, 4.0], [4.0, -8.0]])
    np.testing.assert_array_equal(b_bar, [1.0, -2.0, 4.0])
    assert linear.vjp(y_bar, x, w)[2] is None


def test_vjp_and_jvp_are_transposes(rng):
    x, w, b = rng.normal(size=(3, 2, 4)), rng.normal(size=(5, 4)), rng.normal(size=5)
    tangents = [rng.normal(size=a.shape) for a in (x, w, b)]
    y_bar = rng.normal(size=(3, 2, 5))
    there = (y_bar * linear.jvp(x, w, *tangents)).sum()
    products = [p * q for p, q in zip(linear.vjp(y_bar, x, w, b), tangents, strict=True)]
    scale = sum(np.abs(p).sum() for p in products)
    assert abs(there - sum(p.sum() for p in products)) <= 50 * 2.0**-53 * scale


def test_a_batch_may_be_empty():
    w, b = np.ones((5, 4)), np.ones(5)
    for lead in ((0,), (2, 0)):
        x = np.ones((*lead, 4))
        y = linear.forward(x, w, b)
        x_bar, w_bar, b_bar = linear.vjp(y, x, w, b)
        assert (y.shape, x_bar.shape) == ((*lead, 5), x.shape)
        assert w_bar.shape == (5, 4)
        assert not w_bar.any()
        assert not b_bar.any()


@pytest.mark.parametrize(
    ("x", "w", "b"),
    [
        ((2, 3), (5, 4), (5,)),
        ((2, 4), (5, 4), (4,)),
        ((2, 4), (5, 4), (1, 5)),
        ((2, 4), (4,), None),
    ],
)
def test_shapes_that_do_not_fit_are_named(x, w, b):
    arrays = [None if s is None else np.zeros(s) for s in (x, w, b)]
    for wrap in (lambda a: a, lambda a: a if a is None else Tensor(a, True)):
        with pytest.raises(ValueError, match=r"linear: x \(.*expected x \(\.\.\., i\)"):
            linear.forward(*map(wrap, arrays))
