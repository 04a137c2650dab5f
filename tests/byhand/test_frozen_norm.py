"""The frozen norm in its own words: derivatives for a given n, and how they differ from weight
norm's. (Against autodiff: test_twins.)"""

from __future__ import annotations

import numpy as np
import pytest

import minwn
from minwn import Tensor
from minwn.byhand import frozen_norm, weight_norm

from ..helpers.differences import CLOSE, directional, dot

U = 2.0**-53
# v, g
SHAPES = [((4, 3, 2), (4, 1, 1)), ((4, 3), (1, 3)), ((2, 3, 2), (2, 1, 2)), ((4, 3), ())]


def point(rng, shapes):
    """v, g, w_bar, the cotangents A of v_bar and B of g_bar, and a norm that is not v's."""
    v, g = shapes
    return *(rng.normal(size=shape) for shape in (v, g, v, v, g)), rng.uniform(0.5, 2.0, g)


def over_slices(x, g):
    axes = tuple(a for a in range(x.ndim) if not g.ndim or g.shape[a] != x.shape[a])
    return x.sum(axis=axes).reshape(g.shape)


def close(x, y):
    """Sums of at most 12 products and ten operations, on numbers of order 10."""
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=0, atol=200 * U * (1 + np.abs(y).max()))


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_for_a_given_norm_the_derivatives_agree_with_differences(shapes, rng):
    v, g, w_bar, A, B, n = point(rng, shapes)
    w_dot = directional(lambda v, g: frozen_norm.forward(v, g, n=n), (v, g), (A, B))
    np.testing.assert_allclose(frozen_norm.jvp(v, g, A, B, n=n), w_dot, rtol=0, atol=CLOSE)
    bars = frozen_norm.vjp(w_bar, v, g, n=n)
    assert dot(bars, (A, B)) == pytest.approx(dot([w_bar], [w_dot]), abs=CLOSE)
    moves = [rng.normal(size=x.shape) for x in (w_bar, v, g)]
    slope = directional(
        lambda *xs: np.asarray(dot(frozen_norm.vjp(*xs, n=n), (A, B))), (w_bar, v, g), moves
    )
    found = frozen_norm.double_vjp(A, B, w_bar, v, g, n=n)
    assert dot(found, moves) == pytest.approx(float(slope), abs=CLOSE)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_the_same_value_and_not_the_gradient_of_weight_norm(shapes, rng):
    v, g, w_bar, *_ = point(rng, shapes)
    close(frozen_norm.forward(v, g), weight_norm.forward(v, g))
    v_bar, g_bar = frozen_norm.vjp(w_bar, v, g)
    true_v_bar, true_g_bar = weight_norm.vjp(w_bar, v, g)
    n = np.sqrt(over_slices(v * v, g))
    close(g_bar, true_g_bar)
    close(v_bar - true_v_bar, g / n * g_bar * v / n)
    close(over_slices(v_bar * v, g), g * g_bar)
    assert np.abs(v_bar - true_v_bar).max() > 1e-3
    # The definition says so too: by differences, the derivative is weight norm's.
    along = directional(lambda v: frozen_norm.forward(v, g), [v], [w_bar])
    assert dot([along], [w_bar]) == pytest.approx(dot([true_v_bar], [w_bar]), abs=CLOSE)
    assert abs(dot([v_bar], [w_bar]) - dot([true_v_bar], [w_bar])) > 1e-3


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_the_norm_is_frozen_at_second_order_as_well(shapes, rng):
    v, g, w_bar, A, B, _ = point(rng, shapes)
    leaves = [Tensor(x, True) for x in (w_bar, v, g)]
    w = frozen_norm.forward(*leaves[1:])
    v_bar, g_bar = minwn.grad(w, leaves[1:], leaves[0], create_graph=True)
    found = minwn.grad((v_bar * A).sum() + (g_bar * B).sum(), leaves)
    for x, y in zip(found, frozen_norm.double_vjp(A, B, w_bar, v, g), strict=True):
        close(x.data, y)


def test_sixteen_bit_is_computed_wider():
    """||v|| = 113,509 is no float16, and w is 3 / sqrt(3)."""
    v, g = np.full((1, 3), 65504.0, "float16"), np.array([[3.0]], "float16")
    np.testing.assert_array_equal(frozen_norm.forward(v, g), np.full((1, 3), 1.732, "float16"))
    bars = frozen_norm.vjp(np.ones((1, 3), "float16"), v, g)
    assert [x.dtype for x in bars] == ["float16", "float16"]
    assert bars[1] == np.float16(1.732)
    assert frozen_norm.norm(v, (1, 1)).dtype == "float32"


def test_a_zero_slice_is_nan_alone(rng):
    v, g, w_bar, *_ = point(rng, SHAPES[1])
    v[:, 1] = 0.0
    for x in (frozen_norm.forward(v, g), *frozen_norm.vjp(w_bar, v, g)):
        assert np.isnan(x[:, 1]).all()
        assert np.isfinite(x[:, [0, 2]]).all()


@pytest.mark.parametrize(
    ("v", "g", "n", "words"),
    [
        ((4, 3), (4,), None, r"g of shape \(4,\) for v of shape \(4, 3\)"),
        ((4, 3), (4, 1), (4,), r"n of shape \(4,\) for g of shape \(4, 1\)"),
        ((4, 3), (4, 1), (), r"n of shape \(\) for g"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(v, g, n, words, rng):
    v, g = rng.normal(size=v), rng.normal(size=g)
    n = None if n is None else np.ones(n)
    for call in (
        lambda: frozen_norm.forward(v, g, n=n),
        lambda: frozen_norm.vjp(v, v, g, n=n),
        lambda: frozen_norm.jvp(v, g, v, g, n=n),
        lambda: frozen_norm.double_vjp(v, g, v, v, g, n=n),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match="int64"):
        frozen_norm.forward(np.ones((4, 3), int), np.ones((4, 1), int))
