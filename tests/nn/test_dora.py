"""DoRALinear: its start, its gradients, what it leaves alone, and what it merges into."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from minwn import WeightNorm, ZeroNormError, nn
from minwn.optim import SGD

U = 2.0**-53


def base(rng, i=5, o=4, bias=True, dtype="float64"):
    layer = nn.Linear(i, o, bias, rng=rng, dtype=dtype)
    layer.weight.data = rng.normal(size=(o, i)).astype(dtype)
    return layer


def moved(rng, **options):
    """A DoRALinear away from its start: B is not 0, and m not the norm."""
    layer = nn.DoRALinear(base(rng), 2, 3.0, rng=rng, **options)
    layer.B.data, layer.m.data = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    return layer


def close(x, y):
    """Two products of sums of at most 20 terms of order 1, and a division by a norm above 0.1."""
    np.testing.assert_allclose(x, y, rtol=0, atol=2000 * U * (1 + np.abs(y).max()))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_function_is_that_of_the_base_at_the_start(bias, dtype, rng):
    linear = base(rng, bias=bias, dtype=dtype)
    before = linear.state_dict()
    layer = nn.DoRALinear(linear, 2, rng=rng)
    x = rng.normal(size=(3, 5)).astype(dtype)
    u = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": U}[dtype]
    np.testing.assert_allclose(layer(x).data, linear(x).data, rtol=0, atol=50 * u)
    assert layer(x).dtype == dtype
    assert {n: p.requires_grad for n, p in layer.named_parameters()} == {
        "weight": False, **({"bias": False} if bias else {}), "m": True, "A": True, "B": True,
    }
    assert [p.shape for p in (layer.m, layer.A, layer.B)] == [(4, 1), (2, 5), (4, 2)]
    assert np.abs(layer.A.data).max() <= 5**-0.5
    # The base goes on as if nothing had happened, and shares nothing.
    assert all(p.requires_grad for p in linear.parameters())
    for name, array in linear.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
        assert not np.shares_memory(getattr(linear, name).data, getattr(layer, name).data)


@pytest.mark.parametrize("frozen", [True, False])
def test_values_and_gradients_are_those_of_the_formula_in_torch(frozen, rng):
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    layer = moved(rng, frozen_norm=frozen)
    x, y_bar = rng.normal(size=(3, 5)), rng.normal(size=(3, 4))
    m, A, B = theirs = [
        torch.tensor(p.data, requires_grad=True) for p in (layer.m, layer.A, layer.B)
    ]
    v = torch.tensor(layer.weight.data) + 1.5 * B @ A  # alpha / rank = 3 / 2
    n = v.norm(dim=1, keepdim=True)
    w = m / (n.detach() if frozen else n) * v
    y = torch.tensor(x) @ w.T + torch.tensor(layer.bias.data)
    y.backward(torch.tensor(y_bar))
    z = layer(x)
    z.backward(y_bar)
    close(z.data, y.detach().numpy())
    for ours, other in zip((layer.m, layer.A, layer.B), theirs, strict=True):
        close(ours.grad.data, other.grad.numpy())
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_only_with_the_norm_free_is_the_gradient_at_right_angles_to_the_direction(rng):
    x, y_bar = rng.normal(size=(3, 5)), rng.normal(size=(3, 4))
    radial = {}
    for frozen in (True, False):
        layer = moved(np.random.default_rng(5), frozen_norm=frozen)
        layer.weight.requires_grad = True  # then its gradient is v_bar
        layer(x).backward(y_bar)
        v = layer.direction().data
        radial[frozen] = (layer.weight.grad.data * v).sum(axis=1, keepdims=True)
        along = layer.m.data * layer.m.grad.data
    close(radial[True], along)
    close(radial[False], np.zeros((4, 1)))


def test_only_m_A_and_B_train(rng):
    layer = nn.DoRALinear(base(rng), 2, rng=rng)
    before = layer.state_dict()
    optimiser = SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    x, target, losses = rng.normal(size=(20, 5)), rng.normal(size=(20, 4)), []
    for _ in range(10):
        optimiser.zero_grad()
        loss = ((layer(x) - target) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    for name, array in layer.state_dict().items():
        assert np.array_equal(array, before[name]) == (name in ("weight", "bias"))


@pytest.mark.parametrize("bias", [True, False])
def test_merge_gives_a_plain_linear_of_the_same_function(bias, rng):
    layer = nn.DoRALinear(base(rng, bias=bias), 2, 3.0, rng=rng)
    layer.B.data, layer.m.data = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    before, x = layer.state_dict(), rng.normal(size=(3, 5))
    plain = layer.eval().merge()
    assert type(plain) is nn.Linear
    assert plain.training is False
    assert [n for n, _ in plain.named_parameters()] == ["weight", "bias"][: 1 + bias]
    assert all(p.requires_grad and p.is_leaf for p in plain.parameters())
    np.testing.assert_array_equal(plain(x).data, layer(x).data)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_copies_states_and_display(rng):
    layer, x = moved(rng), rng.normal(size=(3, 5))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x).data, layer(x).data)
    other = nn.DoRALinear(base(rng), 2, 3.0, rng=rng)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other(x).data, layer(x).data)
    assert repr(layer) == (
        "DoRALinear(5 -> 4, rank=2, alpha=3.0, frozen norm, weight(4, 5) frozen, bias(4,) frozen, "
        "m(4, 1), A(2, 5), B(4, 2))"
    )
    assert "norm not frozen" in repr(moved(rng, frozen_norm=False))


def test_what_cannot_be_is_refused(rng):
    linear = base(rng)
    for options, words in [
        ({"rank": 0}, "rank=0; give a whole number >= 1"),
        ({"rank": 1.5}, "rank=1.5"),
        ({"rank": 2, "alpha": 0.0}, "alpha=0.0; give a finite number > 0"),
        ({"rank": 2, "alpha": np.inf}, "alpha=inf"),
        ({"rank": 2, "alpha": "1"}, "alpha='1'"),
    ]:
        with pytest.raises(ValueError, match=words):
            nn.DoRALinear(linear, **options)
    with pytest.raises(TypeError, match=r"Conv1d.*; DoRALinear is for a Linear"):
        nn.DoRALinear(nn.Conv1d(2, 3, 1), 2)
    WeightNorm().apply(linear)
    with pytest.raises(ValueError, match=r"\['weight'\] of base are normalised by WeightNorm; rem"):
        nn.DoRALinear(linear, 2)
    linear = base(rng, dtype="float16")
    linear.weight.data = np.full((4, 5), 6e4, "float16")
    with pytest.raises(ValueError, match="a row of base has norm 134164, too long for float16"):
        nn.DoRALinear(linear, 2)
    layer = moved(rng)
    with pytest.raises(ValueError, match="expected x"):
        layer(np.zeros((3, 4)))


def test_rows_of_zeros_are_refused_here_and_in_merge(rng):
    linear = base(rng)
    w = linear.weight.data.copy()
    w[[1, 3]] = 0.0
    linear.weight.data = w
    with pytest.raises(
        ZeroNormError, match=r"in 2 of 4 slices \(of g \(4, 1\): \(1, 0\), \(3, 0\)"
    ):
        nn.DoRALinear(linear, 2)
    layer = nn.DoRALinear(base(rng), 2, rng=rng)
    w = layer.weight.data.copy()
    w[2] = 0.0
    layer.weight.data = w
    assert np.isnan(layer(np.ones((1, 5))).data).tolist() == [[False, False, True, False]]
    with pytest.raises(ZeroNormError, match=r"\(2, 0\)\); give these weights a value"):
        layer.merge()
    linear.weight.data = np.full((4, 5), np.nan)
    with pytest.raises(ValueError, match="has entries that are not finite"):
        nn.DoRALinear(linear, 2)
