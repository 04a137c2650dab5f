"""fold: the same function, plain weights, the model left alone."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from minwn import WeightNorm, ZeroNormError, nn, no_grad
from minwn.nn import DoRALinear, ExponentialWeightNorm, WeightNormWrapper, fold
from minwn.optim import SGD

U = 2.0**-53


def f64(layer, *sizes, **options):
    return getattr(nn, layer)(*sizes, **options, rng=11, dtype="float64")


def normalised(layer, norm=None, name=None):
    """Away from where apply leaves it, for there g = ||v||."""
    norm = WeightNorm(dim="output") if norm is None else norm
    norm.apply(layer, name)
    own = dict(layer.own_parameters())
    for scale in (f"{name or norm.name}_g", f"{name or norm.name}_s"):
        if scale in own:
            own[scale].data = np.random.default_rng(3).normal(size=own[scale].shape)
    norm.recompute(layer)
    return layer


def dora():
    layer = DoRALinear(f64("Linear", 4, 3), 2, rng=5)
    layer.B.data = np.random.default_rng(3).normal(size=(3, 2))
    return layer


def wrapped(layer, **options):
    return WeightNormWrapper(
        layer, param_dtype="float64", scale_init=nn.init.normal, rng=7, **options
    )


def cell():
    layer = f64("LSTMCell", 4, 3)
    for name in ("weight_ih", "weight_hh"):
        normalised(layer, WeightNorm(name))
    return layer


class Net(nn.Module):
    """Recomputes as the documentation says, through a WeightNorm of its own and one of nobody's."""

    outside = WeightNorm()

    def __init__(self):
        self.norm = WeightNorm(dim="output")
        self.layers = [f64("Linear", 4, 5), {"out": f64("Linear", 5, 3)}]
        self.pair = (normalised(f64("Linear", 3, 2), ExponentialWeightNorm()), 7)
        self.norm.apply(self.layers[0])
        self.outside.apply(self.layers[1]["out"])

    def forward(self, x):
        self.norm.recompute(self.layers[0])
        self.outside.recompute(self.layers[1]["out"])
        return self.pair[0](self.layers[1]["out"](self.layers[0](x)))


LINE, W = (5, 4), ["weight", "bias"]
# model, input shape, names of the plain parameters
MODELS = {
    "plain": (lambda: f64("Linear", 4, 3), LINE, W),
    "Linear": (lambda: normalised(f64("Linear", 4, 3)), LINE, W),
    "Linear, e^s": (lambda: normalised(f64("Linear", 4, 3), ExponentialWeightNorm(dim=None)),
                    LINE, W),
    "Conv2d, rms": (
        lambda: normalised(f64("Conv2d", 4, 6, 2, groups=2), WeightNorm(eps=0.1, form="rms")),
        (2, 4, 3, 3), W,
    ),
    "ConvTranspose1d": (lambda: normalised(f64("ConvTranspose1d", 4, 3, 2)), (2, 4, 3), W),
    "another name": (lambda: normalised(f64("Linear", 4, 3), WeightNorm(), "bias"), LINE, W),
    "cell": (cell, LINE, ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]),
    "DoRA": (dora, LINE, W),
    "wrapper": (lambda: wrapped(f64("Linear", 4, 3)), LINE, W),
    "wrapper, all": (lambda: wrapped(f64("Linear", 4, 3), variable_filter=None), LINE, W),
    "wrapper of a wrapper": (lambda: wrapped(wrapped(f64("Linear", 4, 3))), LINE, W),
    "wrapper of DoRA": (lambda: wrapped(dora(), variable_filter={"weight", "B"}), LINE, W),
    "model": (Net, LINE, [f"{place}.{w}" for place in ("layers.0", "layers.1.out", "pair.0")
                          for w in W]),
    "in line": (
        lambda: nn.Sequential(
            normalised(f64("Conv1d", 4, 3, 2)), nn.BatchNorm(3, dtype="float64"), nn.Flatten(),
            wrapped(f64("Linear", 6, 4)), nn.ELU(), dora(),
        ),
        (5, 4, 3), [f"{i}.{w}" for i in (0, 1, 3, 5) for w in W],
    ),
}


def outputs(model, x):
    with no_grad():
        y = model(x)
    return [z.data for z in (y if isinstance(y, tuple) else (y,))]


@pytest.mark.parametrize("name", MODELS)
def test_the_function_is_the_same_and_the_model_is_left(name, rng):
    make, shape, plain = MODELS[name]
    model, x = make().eval(), rng.normal(size=shape)
    before, dates = model.state_dict(), [p._time for p in model.parameters()]
    folded = fold(model)
    for y, z in zip(outputs(folded, x), outputs(model, x), strict=True):
        # The weights are the same numbers, computed by the same lines: a few roundings at most.
        np.testing.assert_allclose(y, z, rtol=0, atol=8 * U * (1 + np.abs(z).max()))
    assert [n for n, _ in folded.named_parameters()] == plain
    assert all(p.is_leaf for p in folded.parameters())
    assert not any(
        module._computed or module.training or isinstance(module, DoRALinear | WeightNormWrapper)
        for module in folded.modules()
    )
    assert [p._time for p in model.parameters()] == dates
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    for p in folded.parameters():
        for q in model.parameters():
            assert not np.shares_memory(p.data, q.data)


def test_a_folded_model_can_be_copied_saved_trained_and_normalised_again(rng):
    model, x = Net(), rng.normal(size=(5, 4))
    folded = fold(model)
    for twin in (copy.deepcopy(folded), pickle.loads(pickle.dumps(folded)), fold(folded)):
        np.testing.assert_array_equal(twin(x).data, folded(x).data)
    first = folded.layers[0]
    assert folded.norm.recompute(first) is first.weight
    optimiser = SGD(folded.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = (folded(x) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    folded.norm.apply(first)
    for _ in range(2):  # the second time, recompute() has something to do again
        (folded(x) ** 2).mean().backward()
    assert first.weight_v.grad is not None
    with pytest.raises(ValueError, match="was not applied to 'weight' of this Linear"):
        WeightNorm(dim=1).recompute(folded.layers[1]["out"])


def test_ties_stay_ties(rng):
    first = f64("Linear", 4, 4)
    second = copy.copy(first)
    model = nn.Sequential(first, second, first, wrapped(first := f64("Linear", 4, 4)), first)
    for layer in (model[0], model[1]):
        WeightNorm().apply(layer)
    model[0].weight_g.data = rng.normal(size=(4, 1))
    model[0].weight_v.data = rng.normal(size=(4, 4))
    for layer in (model[0], model[1]):
        WeightNorm().recompute(layer)
    folded, x = fold(model), rng.normal(size=(3, 4))
    assert folded[0] is folded[2]
    assert folded[0].weight is folded[1].weight
    np.testing.assert_allclose(folded(x).data, model(x).data, rtol=0, atol=1e-13)
    # Inside the wrapper the weight was another one than outside; the bias was the same.
    assert folded[3].weight is not folded[4].weight
    assert folded[3].bias is folded[4].bias


def test_what_cannot_be_folded_is_refused(rng):
    layer = normalised(f64("Linear", 4, 3))
    layer.weight_v.data = np.zeros((3, 4))
    with pytest.raises(ZeroNormError, match=r"Linear.weight: v / \|\|v\|\| is undefined"):
        fold(nn.Sequential(layer))
    assert layer.weight_v.shape == (3, 4)
    with pytest.raises(TypeError, match=r"fold\(array.*; pass a Module"):
        fold(np.ones(3))
