"""data_dependent_init: mean 0 and variance 1 for every kind of layer, and nothing else touched."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minwn
from minwn import Tensor, WeightNorm, nn
from minwn.nn import ExponentialWeightNorm, data_dependent_init

U = 2.0**-53
# The two-pass variance of some hundred numbers, and g rounded once: 1e-12 is a thousand times more
# than they need, and a biased or unnormalised statistic misses by 1e-2 or more.
EXACT = {"rtol": 0, "atol": 1e-12}


def f64(layer, *sizes, **options):
    return getattr(nn, layer)(*sizes, **options, rng=11, dtype="float64")


# layer, input shape
KINDS = {
    "Linear": (lambda: f64("Linear", 4, 5), (30, 4)),
    "Linear, deep": (lambda: f64("Linear", 4, 5), (6, 7, 4)),
    "Linear, one input": (lambda: f64("Linear", 1, 5), (30, 1)),
    "Conv1d": (lambda: f64("Conv1d", 3, 4, 3, padding=1), (5, 3, 8)),
    "Conv2d": (lambda: f64("Conv2d", 3, 4, (3, 2), stride=2), (5, 3, 7, 6)),
    "Conv2d, groups": (lambda: f64("Conv2d", 4, 6, 2, groups=2), (5, 4, 5, 4)),
    "Conv2d, depthwise": (lambda: f64("Conv2d", 3, 6, 2, groups=3), (5, 3, 5, 4)),
    "Conv3d": (lambda: f64("Conv3d", 2, 3, 2), (3, 2, 4, 3, 4)),
    "ConvTranspose1d": (lambda: f64("ConvTranspose1d", 3, 4, 3, stride=2), (5, 3, 6)),
    "ConvTranspose2d": (lambda: f64("ConvTranspose2d", 3, 4, 2, dilation=2), (5, 3, 4, 5)),
    "ConvTranspose3d": (lambda: f64("ConvTranspose3d", 2, 3, 2), (3, 2, 3, 2, 3)),
}


def moments(y, layer):
    axes = tuple(range(y.ndim - 1)) if isinstance(layer, nn.Linear) else (0, *range(2, y.ndim))
    return y.mean(axis=axes), y.var(axis=axes)


@pytest.mark.parametrize("norm", [
    WeightNorm(dim="output"), ExponentialWeightNorm(dim="output"),
    WeightNorm(dim="output", eps=0.3, form="inside"),
], ids=["g", "s", "inside"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_every_output_has_mean_0_and_variance_1(name, bias, norm, rng):
    make, shape = KINDS[name]
    layer, x = make(), 3 * rng.normal(size=shape) + 2
    layer.weight.data = rng.normal(size=layer.weight.shape)
    if not bias:
        layer.bias = None
    norm.apply(layer)
    v = layer.weight_v.data
    assert data_dependent_init(layer, x) is layer
    assert layer.weight_v.data is v
    mean, variance = moments(layer(x).data, layer)
    np.testing.assert_allclose(variance, 1.0, **EXACT)
    if bias:
        np.testing.assert_allclose(mean, 0.0, **EXACT)
    else:
        assert np.abs(mean).max() > 1e-3


def test_the_numbers_are_those_of_the_paper(rng):
    layer, x = f64("Linear", 4, 5), rng.normal(size=(30, 4)) + 1
    WeightNorm().apply(layer)
    data_dependent_init(layer, x, eps=0.04)
    v = layer.weight_v.data
    t = x @ (v / np.linalg.norm(v, axis=1, keepdims=True)).T
    g = 1 / np.sqrt(t.var(axis=0) + 0.04)
    np.testing.assert_allclose(layer.weight_g.data[:, 0], g, rtol=50 * U)
    np.testing.assert_allclose(layer.bias.data, -t.mean(axis=0) * g, rtol=0, atol=200 * U)


@pytest.mark.parametrize("norm", [WeightNorm(), ExponentialWeightNorm()], ids=["g", "e^s"])
@pytest.mark.parametrize("init_scale", [0.1, 3, np.float64(0.5)], ids=repr)
def test_init_scale_is_the_deviation_of_every_output(norm, init_scale, rng):
    net, x = (
        nn.Sequential(f64("Linear", 4, 5), nn.Tanh(), f64("Linear", 5, 3)),
        rng.normal(size=(30, 4)),
    )
    for layer in (net[0], net[2]):
        norm.apply(layer)
    data_dependent_init(net, x, init_scale=init_scale)
    first = net[0](x)
    for y in (first, net[2](first.tanh())):
        np.testing.assert_allclose(y.data.mean(axis=0), 0.0, **EXACT)
        np.testing.assert_allclose(y.data.std(axis=0), init_scale, **EXACT)
    data_dependent_init(net, x, eps=0.04, init_scale=init_scale)
    v = net[0].weight_v.data
    t = x @ (v / np.linalg.norm(v, axis=1, keepdims=True)).T
    exact = init_scale / np.sqrt(t.var(axis=0) + 0.04)
    g = getattr(net[0], f"weight_{norm._letter}").data[:, 0]
    np.testing.assert_allclose(np.exp(g) if norm._letter == "s" else g, exact, rtol=50 * U)
    for bad in (0, -1.0, None, np.inf, "1"):
        with pytest.raises(ValueError, match=r"init_scale=.*; give a finite number > 0"):
            data_dependent_init(net, x, init_scale=bad)


class Net(nn.Module):
    """Layers in lists and dicts, called in another order, one of them twice, and recomputed as the
    documentation says."""

    def __init__(self):
        self.norm = WeightNorm(dim="output")
        self.last = f64("Linear", 6, 3)
        self.blocks = [{"conv": f64("Conv1d", 4, 4, 3, padding=1)}, f64("Conv1d", 2, 4, 3)]
        self.batch_norm = nn.BatchNorm(4, dtype="float64")
        self.dropout = nn.Dropout(0.3, rng=5)
        for layer in self.layers():
            self.norm.apply(layer)
        self.plain = f64("Linear", 4, 6)
        self.seen = []

    def layers(self):
        return [self.blocks[1], self.blocks[0]["conv"], self.last]

    def forward(self, x):
        for layer in self.layers():
            self.norm.recompute(layer)
        first, conv, last = self.layers()
        a = first(x)
        b = conv(minwn.ops.relu(a))
        c = conv(minwn.ops.relu(b))
        h = self.dropout(self.batch_norm(c)).mean(axis=2)
        d = last(minwn.ops.tanh(self.plain(h)))
        self.seen.append([raw.data for raw in (a, b, c, d)])
        return d


def test_a_model_is_initialised_in_the_order_of_its_calls_and_nothing_else_changes(rng):
    net, x = Net(), rng.normal(size=(40, 2, 9)) + 1
    before, twin = net.state_dict(), copy.deepcopy(net)
    data_dependent_init(net, x)
    assert net.seen == []
    assert "forward" not in vars(net.last)
    after = net.state_dict()
    changed = {name for name in after if not np.array_equal(after[name], before[name])}
    places = ("blocks.1", "blocks.0.conv", "last")
    assert changed == {f"{place}.{part}" for place in places for part in ("weight_g", "bias")}
    assert net.dropout.rng.bit_generator.state == twin.dropout.rng.bit_generator.state
    net(x)  # draws what the initialisation drew
    a, b, c, d = net.seen[0]
    for y, layer in ((a, nn.Conv1d), (b, nn.Conv1d), (d, nn.Linear)):
        mean, variance = moments(y, layer if layer is nn.Conv1d else net.last)
        np.testing.assert_allclose(mean, 0.0, **EXACT)
        np.testing.assert_allclose(variance, 1.0, **EXACT)
    assert np.abs(c.var(axis=(0, 2)) - 1).max() > 1e-2  # its second call takes what it is given


def test_the_weights_can_be_used_and_trained_at_once(rng):
    net = nn.Sequential(f64("Linear", 4, 5), nn.ReLU(), f64("Linear", 5, 2))
    for i in (0, 2):
        WeightNorm().apply(net[i])
    x = rng.normal(size=(30, 4))
    with minwn.no_grad():
        data_dependent_init(net, x)
    data_dependent_init(net, Tensor(x))
    (net(x) ** 2).mean().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_narrow_dtypes_are_kept_and_their_statistics_taken_wider(dtype, rng):
    layer, x = nn.Linear(8, 5, rng=rng, dtype=dtype), 90 * rng.normal(size=(200, 8)).astype(dtype)
    WeightNorm().apply(layer)
    data_dependent_init(layer, x.astype(dtype))
    assert {p.dtype.name for p in layer.parameters()} == {dtype}
    mean, variance = moments(layer(x.astype(dtype)).data.astype("float64"), layer)
    u = {"float16": 2.0**-11, "float32": 2.0**-24}[dtype]
    # Every t, and g, is rounded; the errors of the t average out.
    np.testing.assert_allclose(mean, 0.0, atol=10 * u)
    np.testing.assert_allclose(variance, 1.0, atol=10 * u)


def test_layers_that_share_all_are_set_once(rng):
    first = f64("Linear", 4, 4)
    second = copy.copy(first)
    net = nn.Sequential(first, nn.Tanh(), second)
    for layer in (first, second):
        WeightNorm().apply(layer)
    assert second.weight_g is first.weight_g
    x = rng.normal(size=(30, 4))
    data_dependent_init(net, x)
    np.testing.assert_allclose(moments(first(x).data, first)[1], 1.0, **EXACT)
    second.bias = nn.Parameter(np.zeros(4))
    with pytest.raises(ValueError, match="2 shares its g or its bias, but not both"):
        data_dependent_init(net, x)


# ---- what is refused ----------------------------------------------------------------------------


def normalised(layer, *args, **options):
    WeightNorm(*args, **options).apply(layer)
    return layer


class Unused(nn.Module):
    def __init__(self):
        self.used, self.spare = (normalised(f64("Linear", 4, 4)) for _ in range(2))

    def forward(self, x):
        return self.used(x)


X = np.random.default_rng(1).normal(size=(20, 4))
STILL = np.ones((20, 4)) * [0.1, 0.7, -0.3, 0.9]
FLAT = np.random.default_rng(2).normal(size=(5, 4, 3))
GROUPED = {"groups": 2}
REFUSED = {
    "nothing to set": (f64("Linear", 4, 3), X, ValueError, "Linear has no layer with a WeightNorm"),
    "another dim": (normalised(f64("Linear", 4, 3), dim=1), X, ValueError,
                    r"Linear: dim=1 gives gains of shape \(1, 4\) .* WeightNorm\(dim='output'\)"),
    "the whole": (normalised(f64("Linear", 4, 3), dim=None), X, ValueError, "dim=None gives gains"),
    "inputs of a transposed convolution": (
        normalised(f64("ConvTranspose1d", 4, 3, 2)), FLAT, ValueError, "dim=0 gives gains"),
    "groups of a transposed convolution": (
        normalised(f64("ConvTranspose1d", 4, 6, 2, **GROUPED), dim=1), FLAT, ValueError,
        "ConvTranspose1d with groups=2; one gain serves an output of each group"),
    "a bias": (normalised(f64("Linear", 4, 3), "bias"), X, TypeError,
               r"Linear: \['bias'\] of a Linear normalised"),
    "a cell": (normalised(f64("GRUCell", 4, 3), "weight_ih"), X, TypeError,
               r"\['weight_ih'\] of a GRUCell normalised; .* knows the weight of Linear and conv"),
    "not called": (Unused(), X, ValueError, "did not call spare"),
    "no variance": (nn.Sequential(normalised(f64("Linear", 4, 3)), normalised(f64("Linear", 3, 2))),
                    STILL, ValueError,
                    r"0: 3 of 3 outputs do not vary .*\(0, 1, 2\); give .* an eps such as 1e-10"),
    "one example": (normalised(f64("Linear", 4, 9)), X[:1], ValueError,
                    r"\(0, 1, 2, 3, 4, \.\.\.\)"),
    "not finite": (normalised(f64("Linear", 4, 3)), X * [1, np.inf, 1, 1], ValueError,
                   "3 of 3 outputs do not vary over the batch, or are not finite"),
    "wrong inputs": (normalised(f64("Linear", 4, 3)), X[:, :2], ValueError, "expected x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_initialised_changes_nothing(name):
    model, x, error, words = REFUSED[name]
    before = model.state_dict()
    dates = [p._time for p in model.parameters()]
    with pytest.raises(error, match=words):
        data_dependent_init(model, x)
    assert [p._time for p in model.parameters()] == dates
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_with_eps_outputs_may_stand_still():
    layer = normalised(f64("Linear", 4, 3))
    data_dependent_init(layer, STILL, eps=1e-4)
    np.testing.assert_allclose(layer.weight_g.data, 100.0, rtol=1e-12)
    np.testing.assert_allclose(layer(STILL).data, 0.0, atol=1e-12)
    for eps in (-1.0, np.inf, "1"):
        with pytest.raises(ValueError, match=f"eps={eps!r}; give a finite number >= 0"):
            data_dependent_init(layer, X, eps=eps)
