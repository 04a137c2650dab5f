"""ExponentialWeightNorm: what it has in common with WeightNorm, and what it does not."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minwn
from minwn import StaleWeightError, WeightNorm, ZeroNormError, nn
from minwn.byhand import exponential_scale
from minwn.nn import ExponentialWeightNorm
from minwn.optim import SGD

U = 2.0**-53


@pytest.fixture
def layer(rng):
    layer = nn.Linear(3, 5, rng=rng, dtype="float64")
    layer.weight.data = rng.normal(size=(5, 3))
    return layer


@pytest.mark.parametrize("dim", [0, 1, None, (0, 1), "output"])
@pytest.mark.parametrize(("form", "eps"), [("plain", 0.0), ("inside", 0.3), ("rms", 0.2)])
def test_apply_keeps_the_function_and_remove_gives_it_back(dim, form, eps, layer):
    w, norm = layer.weight.data.copy(), ExponentialWeightNorm(dim=dim, eps=eps, form=form)
    assert norm.apply(layer) is layer
    assert [name for name, _ in layer.named_parameters()] == ["weight_s", "weight_v", "bias"]
    # |s| < 3, so e^s has some three roundings more than w.
    np.testing.assert_allclose(layer.weight.data, w, rtol=12 * U)
    np.testing.assert_array_equal(norm.compute_weight(layer).data, layer.weight.data)
    norm.remove(layer)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    np.testing.assert_allclose(layer.weight.data, w, rtol=12 * U)


def test_the_gradients_are_those_derived_by_hand(layer, rng):
    norm = ExponentialWeightNorm()
    norm.apply(layer)
    layer.weight_s.data, layer.weight_v.data = rng.normal(size=(5, 1)), rng.normal(size=(5, 3))
    x, y_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    norm.recompute(layer)
    layer(x).backward(y_bar)
    bars = exponential_scale.vjp(y_bar.T @ x, layer.weight_v.data, layer.weight_s.data)
    for p, bar in zip((layer.weight_v, layer.weight_s), bars, strict=True):
        np.testing.assert_allclose(p.grad.data, bar, rtol=0, atol=50 * U * np.abs(bar).max())


def test_values_and_gradients_are_those_of_torch(layer, rng):
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    norm = ExponentialWeightNorm(dim=1)
    norm.apply(layer)
    layer.weight_s.data = rng.normal(size=(1, 3))
    norm.recompute(layer)
    x, y_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    v, s = (torch.tensor(p.data, requires_grad=True) for p in (layer.weight_v, layer.weight_s))
    y = torch.tensor(x) @ (torch.exp(s) * v / v.norm(dim=0, keepdim=True)).T
    y.backward(torch.tensor(y_bar))
    z = layer(x)
    z.backward(y_bar)
    close = {"rtol": 0, "atol": 1000 * U}
    np.testing.assert_allclose(z.data - layer.bias.data, y.detach().numpy(), **close)
    np.testing.assert_allclose(layer.weight_v.grad.data, v.grad.numpy(), **close)
    np.testing.assert_allclose(layer.weight_s.grad.data, s.grad.numpy(), **close)


def test_stale_weights_copies_and_states_are_as_for_weight_norm(layer, rng):
    norm, x = ExponentialWeightNorm(), rng.normal(size=(4, 3))
    norm.apply(layer)
    (layer(x) ** 2).mean().backward()
    SGD(layer.parameters(), lr=0.1).step()
    with pytest.raises(StaleWeightError, match="is older than its weight_s and weight_v"):
        layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x).data, twin(x).data)
        np.testing.assert_array_equal(norm.recompute(layer).data, twin.weight.data)
        norm.recompute(twin)
    other = nn.Linear(3, 5, rng=rng, dtype="float64")
    norm.apply(other).load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other.weight.data, layer.weight.data)
    assert repr(layer) == (
        "Linear(3 -> 5, weight_s(5, 1), weight_v(5, 3), bias(5,), weight = e^s v / ||v|| (dim=0))"
    )


def test_it_is_not_taken_for_a_weight_norm(layer):
    norm, other = ExponentialWeightNorm(), WeightNorm()
    assert norm != other
    assert norm == norm.clone() == ExponentialWeightNorm("weight", 0)
    assert type(norm.clone()) is ExponentialWeightNorm
    norm.apply(layer)
    for call in (other.recompute, other.remove, other.compute_weight):
        with pytest.raises(ValueError, match="not applied to 'weight' of this Linear"):
            call(layer)
    with pytest.raises(ValueError, match="is weight-normalised already"):
        other.apply(layer)


def test_layers_that_share_a_weight_share_s_and_v(layer):
    twin, third = copy.copy(layer), copy.copy(layer)
    norm = ExponentialWeightNorm()
    norm.apply(layer)
    norm.apply(twin)
    assert twin.weight_s is layer.weight_s
    assert twin.weight_v is layer.weight_v
    # A g is no s, whatever they were made from.
    with pytest.raises(ValueError, match="is shared with a module"):
        WeightNorm().apply(third)


def test_what_cannot_be_is_refused(layer, rng):
    norm = ExponentialWeightNorm()
    layer.weight_s = 3.0
    with pytest.raises(ValueError, match="has an attribute 'weight_s' already"):
        norm.apply(layer)
    del layer.weight_s
    layer.weight.data = np.zeros((5, 3))
    with pytest.raises(ZeroNormError, match="in 5 of 5 slices"):
        norm.apply(layer)
    layer.weight.data = rng.normal(size=(5, 3))
    norm.apply(layer)
    layer.weight_s = nn.Parameter(np.ones(5))
    with pytest.raises(ValueError, match=r"weight_s of shape \(5,\) for dim=0 .* needs \(5, 1\)"):
        norm.recompute(layer)
    with pytest.raises(ValueError, match="form='outer'"):
        ExponentialWeightNorm(form="outer")


# ---- a frozen gain, the head of DINO ------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SGD", "Adam", "Adamax"])
def test_a_frozen_gain_stays_and_v_keeps_its_projected_gradient(kind, layer, rng):
    norm, x, y_bar = WeightNorm(), rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    norm.apply(layer)
    layer.weight_g.data = np.full((5, 1), 1.7)
    layer.weight_g.requires_grad = False
    options = {} if kind == "Adamax" else {"weight_decay": 0.3}
    optimiser = getattr(minwn.optim, kind)(layer.parameters(), lr=0.1, **options)
    for _ in range(3):
        optimiser.zero_grad()
        norm.recompute(layer)
        layer(x).backward(y_bar)
        v, g = layer.weight_v, layer.weight_g
        assert g.grad is None
        v_bar, _ = minwn.byhand.weight_norm.vjp(y_bar.T @ x, v.data, g.data)
        np.testing.assert_allclose(v.grad.data, v_bar, rtol=0, atol=100 * U * np.abs(v_bar).max())
        before = v.data
        optimiser.step()
        assert np.abs(v.data - before).min() > 0
    np.testing.assert_array_equal(layer.weight_g.data, np.full((5, 1), 1.7))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert not twin.weight_g.requires_grad
        assert twin.weight_v.requires_grad
    np.testing.assert_allclose(np.linalg.norm(norm.recompute(layer).data, axis=1), 1.7, rtol=8 * U)
