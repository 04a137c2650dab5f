"""normalise_: weights put back to one length between the steps."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import StaleWeightError, Tensor, WeightNorm, ZeroNormError, nn
from minwn.nn import Parameter, normalise_
from minwn.optim import SGD

U = 2.0**-53


@pytest.mark.parametrize("dim", [0, 1, -1, (0, 2), None])
@pytest.mark.parametrize("form", ["plain", "rms"])
def test_every_slice_gets_length_or_root_mean_square_one(dim, form, rng):
    v = Parameter(rng.normal(size=(4, 3, 5)) * 7)
    before = v.data
    assert normalise_(v, dim, form=form) is None
    kept = () if dim is None else tuple(a % 3 for a in (dim if isinstance(dim, tuple) else (dim,)))
    axes = tuple(a for a in range(3) if a not in kept)
    squares = {"plain": np.sum, "rms": np.mean}[form](v.data**2, axis=axes)
    np.testing.assert_allclose(squares, 1.0, rtol=100 * U)
    ratio = v.data / before
    wide = ratio.max(axis=axes, keepdims=True) * np.ones(ratio.shape)
    np.testing.assert_allclose(ratio, wide, rtol=8 * U)  # the direction is kept
    assert ratio.min() > 0


@pytest.mark.parametrize(("form", "eps"), [("rms", 1e-4), ("inside", 0.5), ("outside", 0.3)])
def test_eps_is_where_the_form_says(form, eps, rng):
    v = rng.normal(size=(4, 5))
    v[2] = 0.0
    n = np.linalg.norm(v, axis=1, keepdims=True)
    h = {"rms": n / 5**0.5 + eps, "inside": np.sqrt(n**2 + eps), "outside": n + eps}[form]
    p = Parameter(v)
    normalise_([p], eps=eps, form=form)
    np.testing.assert_allclose(p.data, v / h, rtol=20 * U)


def test_forced_weight_normalisation(rng):
    """EDM2: the layer normalises once more, so its function does not change, and its gradient is
    at right angles to v; both but for eps."""
    layer, norm = nn.Linear(3, 5, rng=rng, dtype="float64"), WeightNorm(form="rms", eps=1e-4)
    norm.apply(layer)
    x, y_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    optimiser = SGD(layer.parameters(), lr=5.0)
    for step in range(4):
        if step:
            with pytest.raises(StaleWeightError):
                layer(x)
        before = norm.recompute(layer).data
        normalise_(layer.weight_v, form="rms", eps=1e-4)
        with pytest.raises(StaleWeightError, match="older than its weight_g and weight_v"):
            layer(x)
        after = norm.recompute(layer).data
        # v / (rms + eps) before, v / (rms + eps (rms + eps)) after, and every rms is above 0.05.
        np.testing.assert_allclose(after, before, rtol=1e-4 / 0.05)
        np.testing.assert_allclose((layer.weight_v.data**2).mean(axis=1), 1.0, rtol=0.005)
        optimiser.zero_grad()
        layer(x).backward(y_bar)
        v, v_bar = layer.weight_v.data, layer.weight_v.grad.data
        cosine = (v * v_bar).sum(axis=1) / np.sqrt((v**2).sum(axis=1) * (v_bar**2).sum(axis=1))
        assert np.abs(cosine).max() < 0.01
        optimiser.step()


def test_projection_after_the_step(rng):
    """nGPT: rows of length 1 after every step; the gradient before was the plain one."""
    layers = [nn.Linear(6, 5, False, rng=rng, dtype="float64") for _ in range(2)]
    matrices = [layer.weight for layer in layers]
    normalise_(matrices)
    optimiser = SGD(matrices, lr=0.3)
    x, y_bar = rng.normal(size=(4, 6)), rng.normal(size=(4, 5))
    for _ in range(3):
        optimiser.zero_grad()
        for layer in layers:
            layer(x).backward(y_bar)
        expected = [w.data - 0.3 * y_bar.T @ x for w in matrices]
        optimiser.step()
        normalise_(w for w in matrices)
        for w, e in zip(matrices, expected, strict=True):
            unit = e / np.linalg.norm(e, axis=1, keepdims=True)
            np.testing.assert_allclose(w.data, unit, rtol=0, atol=50 * U)


def test_a_graph_through_the_old_weight_is_refused_afterwards(rng):
    layer = nn.Linear(3, 5, rng=rng, dtype="float64")
    loss = (layer(rng.normal(size=(4, 3))) ** 2).sum()
    normalise_(layer.weight)
    with pytest.raises(RuntimeError, match="was assigned after the forward pass"):
        loss.backward()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_dtype_is_kept_and_the_norm_taken_wider(dtype):
    v = Parameter(np.full((2, 4), 5e4, dtype))
    normalise_(v)
    np.testing.assert_array_equal(v.data, np.full((2, 4), 0.5, dtype))
    assert v.dtype == dtype


def test_what_cannot_be_normalised_leaves_all_as_it_was(rng):
    good, zero = Parameter(rng.normal(size=(4, 3))), Parameter(rng.normal(size=(4, 3)))
    zero.data[2] = 0.0
    computed = Tensor(rng.normal(size=(4, 3)), True) * 2.0
    infinite = Parameter(np.full((4, 3), np.inf))
    flat = Parameter(rng.normal(size=4))
    for bad, options, error, words in [
        (zero, {}, ZeroNormError, r"item 1: .* in 1 of 4 slices \(of g \(4, 1\): \(2, 0\)\)"),
        (computed, {}, ValueError, r"item 1, of shape \(4, 3\), was computed by 'multiply'"),
        (infinite, {}, ValueError, "item 1 has entries that are not finite"),
        (flat, {"dim": 1}, IndexError, r"dim 1 of a weight of shape \(4,\)"),
        (np.ones((4, 3)), {}, TypeError, "item 1 is a ndarray; pass Parameters"),
        (Tensor(np.ones((4, 3), int)), {}, TypeError, "item 1 is int64; only floating"),
        (good, {"dim": "output"}, ValueError, "does not say which axis is its output"),
        (good, {"dim": 0.5}, ValueError, "dim=0.5; give an axis"),
        (good, {"eps": 1e-4}, ValueError, "choose form='inside'"),
        (good, {"form": "outer"}, ValueError, "form='outer'"),
    ]:
        before = good.data
        with pytest.raises(error, match=words):
            normalise_([good, bad], **options)
        assert good.data is before
