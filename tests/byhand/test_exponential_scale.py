"""w = e^s v / h(v) in its own words. (Against autodiff, with every form: test_twins.)"""

from __future__ import annotations

import numpy as np
import pytest

import minwn
from minwn.byhand import exponential_scale, weight_norm

from ..helpers.differences import CLOSE, directional, dot

U = 2.0**-53
# v, s
SHAPES = [
    ((4, 3, 2), (4, 1, 1)),
    ((4, 3), (1, 3)),
    ((2, 3, 2), (2, 1, 2)),
    ((4, 3), ()),
    ((5,), (1,)),
]
FORMS = [("plain", 0.0), ("inside", 0.7), ("outside", 0.3), ("max_q", 4.0), ("max_n", 1.5),
         ("rms", 0.4)]


def point(rng, shapes):
    """v, s, w_bar and the cotangents A of v_bar, B of s_bar."""
    v, s = shapes
    return tuple(rng.normal(size=shape) for shape in (v, s, v, v, s))


def close(x, y, m=6):
    """The two differ by the rounding of sums of m products and some twenty operations on numbers
    of order 10; a wrong term is off by more than 1e-3."""
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=0, atol=(m + 20) * 10 * U * (1 + np.abs(y).max()))


@pytest.mark.parametrize("form_eps", FORMS, ids=lambda p: p[0])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_derivatives_of_both_orders_agree_with_differences(shapes, form_eps, rng):
    options = dict(zip(("form", "eps"), form_eps, strict=True))
    v, s, w_bar, A, B = point(rng, shapes)

    def forward(v, s):
        return exponential_scale.forward(v, s, **options)

    w_dot = directional(forward, (v, s), (A, B))
    close_to_difference = {"rtol": 0, "atol": CLOSE * (1 + np.abs(w_dot).max())}
    np.testing.assert_allclose(
        exponential_scale.jvp(v, s, A, B, **options), w_dot, **close_to_difference
    )
    bars = exponential_scale.vjp(w_bar, v, s, **options)
    assert dot(bars, (A, B)) == pytest.approx(dot([w_bar], [w_dot]), abs=CLOSE * 10)

    def pulled(w_bar, v, s):
        v_bar, s_bar = exponential_scale.vjp(w_bar, v, s, **options)
        return np.asarray(dot((v_bar, s_bar), (A, B)))

    moves = [rng.normal(size=x.shape) for x in (w_bar, v, s)]
    found = exponential_scale.double_vjp(A, B, w_bar, v, s, **options)
    for i, (bar, move) in enumerate(zip(found, moves, strict=True)):
        along = [move if k == i else None for k in range(3)]
        slope = directional(pulled, (w_bar, v, s), along)
        assert dot([bar], [move]) == pytest.approx(float(slope), abs=CLOSE * (10 + abs(slope)))


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_it_is_weight_norm_with_the_gain_e_to_the_s(shapes, rng):
    v, s, w_bar, _, _ = point(rng, shapes)
    g = np.asarray(np.exp(s))
    w = exponential_scale.forward(v, s)
    v_bar, s_bar = exponential_scale.vjp(w_bar, v, s)
    close(w, weight_norm.forward(v, g))
    by_v, by_g = weight_norm.vjp(w_bar, v, g)
    close(v_bar, by_v)
    close(s_bar, g * by_g)
    axes = tuple(a for a in range(v.ndim) if not s.ndim or s.shape[a] != v.shape[a])
    close(s_bar, (w_bar * w).sum(axis=axes).reshape(s.shape))  # <w_bar, w>


@pytest.mark.parametrize("shapes", SHAPES[:4], ids=str)
def test_laws(shapes, rng):
    """What v's length and a shift of s do, and that v_bar is at right angles to v."""
    v, s, w_bar, _, _ = point(rng, shapes)
    w, (v_bar, s_bar) = exponential_scale.forward(v, s), exponential_scale.vjp(w_bar, v, s)
    np.testing.assert_array_equal(exponential_scale.forward(8.0 * v, s), w)
    for bar, expected in zip(
        exponential_scale.vjp(w_bar, 8.0 * v, s), (v_bar / 8.0, s_bar), strict=True
    ):
        np.testing.assert_array_equal(bar, expected)
    close(exponential_scale.forward(v, s + 0.7), np.exp(0.7) * w)
    axes = tuple(a for a in range(v.ndim) if not s.ndim or s.shape[a] != v.shape[a])
    assert (
        np.abs((v_bar * v).sum(axis=axes)).max() <= 100 * U * np.abs(v_bar).max() * np.abs(v).max()
    )


def test_for_unit_v_both_gradients_together_are_plain_descent_at_the_rate_of_the_square(rng):
    v, s, w_bar, _, _ = point(rng, SHAPES[0])
    v /= np.sqrt((v * v).sum(axis=(1, 2), keepdims=True))
    bars = exponential_scale.vjp(w_bar, v, s)
    close(exponential_scale.jvp(v, s, *bars), np.exp(2 * s) * w_bar)


def test_sixteen_bit_is_computed_wider(rng):
    """e^12 = 162,755 is no float16, and w, a third of it, is."""
    v = np.full((1, 9), 0.3, "float16")
    w = exponential_scale.forward(v, np.array([[12.0]], "float16"))
    np.testing.assert_array_equal(w, np.full((1, 9), 54251.6, "float16"))
    w_bar = rng.normal(size=(1, 9)).astype("float16")
    bars = exponential_scale.vjp(w_bar, v, np.array([[2.0]], "float16"))
    assert [bar.dtype for bar in bars] == ["float16", "float16"]


def test_a_zero_slice_is_nan_alone(rng):
    v, s, w_bar, _, _ = point(rng, SHAPES[1])
    v[:, 1] = 0.0
    for x in (exponential_scale.forward(v, s), *exponential_scale.vjp(w_bar, v, s)):
        assert np.isnan(x[:, 1]).all()
        assert np.isfinite(x[:, [0, 2]]).all()


@pytest.mark.parametrize(
    ("v", "s", "options", "error", "words"),
    [
        ((4, 3), (4,), {}, ValueError, r"shape \(4,\) for v of shape \(4, 3\)"),
        ((4, 3), (4, 1), {"eps": 1.0}, ValueError, "choose form='inside'"),
        ((4, 3), (4, 1), {"form": "outer"}, ValueError, "form='outer'; choose from plain"),
    ],
)
def test_what_does_not_fit_is_refused(v, s, options, error, words, rng):
    v, s = rng.normal(size=v), rng.normal(size=s)
    for call in (
        lambda: exponential_scale.forward(v, s, **options),
        lambda: exponential_scale.vjp(v, v, s, **options),
        lambda: exponential_scale.jvp(v, s, v, s, **options),
        lambda: exponential_scale.double_vjp(v, s, v, v, s, **options),
        lambda: exponential_scale.composed(v, s, **options),
    ):
        with pytest.raises(error, match=words):
            call()
    with pytest.raises(TypeError, match="float32"):
        exponential_scale.forward(minwn.tensor(v), minwn.tensor(s.astype("float32")))
    with pytest.raises(TypeError, match="int64"):
        exponential_scale.forward(np.ones((4, 3), int), np.ones((4, 1), int))
