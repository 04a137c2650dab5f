"""WeightNorm: its six methods, what they keep, and what they refuse."""

from __future__ import annotations

import contextlib
import copy
import inspect
import operator
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minwn
from minwn import StaleWeightError, Tensor, WeightNorm, ZeroNormError, nn, no_grad, optim
from minwn.byhand import weight_norm
from minwn.graph import raw
from minwn.nn import ExponentialWeightNorm

U32, U = 2.0**-24, 2.0**-53
FORMS = [("inside", 0.7), ("outside", 0.3), ("max_q", 0.5), ("max_n", 0.6), ("rms", 0.4)]


def linear(rng, i=3, o=5, dtype="float64", bias=True):
    """A Linear with float64 weights of order 1, unlike those of its own start."""
    layer = nn.Linear(i, o, bias, rng=rng, dtype=dtype)
    layer.weight.data = rng.normal(size=(o, i)).astype(dtype)
    return layer


class Product(nn.Module):
    """Two weights side by side; the output of `deep` is its axis 1."""

    output_axis = 1

    def __init__(self, rng):
        self.deep = nn.Parameter(rng.normal(size=(3, 4, 2)))
        self.scale = nn.Parameter(rng.normal(size=(2, 3)))
        self.bias = None

    def forward(self):
        return (self.deep.sum(axis=1) @ self.scale).sum()


def snapshot(module):
    """Everything a failed call might have touched."""
    own = [
        (name, id(x), x.data.tobytes(), x.requires_grad, x._time) if isinstance(x, Tensor) else name
        for name, x in vars(module).items()
    ]
    return own, {name: (id(c), id(c.weight)) for name, c in module._computed.items()}


@contextlib.contextmanager
def refused(module, error, words):
    before = snapshot(module)
    with pytest.raises(error, match=words):
        yield
    assert snapshot(module) == before


def names(module):
    return [name for name, _ in module.named_parameters()]


# ---- the documented example ---------------------------------------------------------------------


def test_the_example_of_r_torch():
    layer = nn.Linear(20, 40, rng=0)
    norm = WeightNorm("weight", dim=1)
    w = layer.weight.data.copy()
    assert norm.apply(layer) is layer
    assert layer.weight_g.shape == (1, 20)
    assert layer.weight_v.shape == (40, 20)
    np.testing.assert_allclose(layer.weight.data, w, rtol=4 * U32)
    assert repr(layer) == (
        "Linear(20 -> 40, weight_g(1, 20), weight_v(40, 20), bias(40,), "
        "weight = g v / ||v|| (dim=1))"
    )
    assert norm.recompute(layer) is layer.weight
    assert norm(layer) is layer.weight
    assert norm.remove(layer) is layer
    np.testing.assert_allclose(layer.weight.data, w, rtol=4 * U32)


@pytest.mark.parametrize(
    ("dim", "shape"),
    [(0, (5, 1)), (1, (1, 3)), (-1, (1, 3)), (-2, (5, 1)), (None, ()), ((0, 1), (5, 3)),
     ([1], (1, 3)), ("output", (5, 1))],
)
def test_dim_is_what_keeps_a_norm(dim, shape, rng):
    layer = linear(rng)
    x, old = Tensor(rng.normal(size=(4, 3))), layer.weight
    w, y = old.data.copy(), layer(x).data
    WeightNorm(dim=dim).apply(layer)
    assert not np.shares_memory(layer.weight_v.data, old.data)
    assert layer.weight_g.shape == shape
    assert isinstance(layer.weight_g.data, np.ndarray)
    axes = tuple(a for a in range(2) if not shape or shape[a] == 1)
    np.testing.assert_allclose(
        layer.weight_g.data, np.sqrt((w**2).sum(axis=axes, keepdims=bool(shape))), rtol=10 * U
    )
    np.testing.assert_array_equal(layer.weight_v.data, w)
    np.testing.assert_allclose(layer(x).data, y, rtol=0, atol=20 * U * 10)


def test_output_is_the_axis_that_the_layer_declares(rng):
    module = Product(rng)
    WeightNorm("deep", "output").apply(module)
    assert module.deep_g.shape == (1, 4, 1)
    assert WeightNorm("scale", (0, 1)).apply(module).scale_g.shape == (2, 3)

    class Undeclared(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(rng.normal(size=(2, 3)))

    module = Undeclared()
    with refused(module, ValueError, "Undeclared does not say which axis of weight is its output"):
        WeightNorm(dim="output").apply(module)


@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_every_form_keeps_the_function(form, eps, rng):
    layer = linear(rng)
    layer.weight.data = layer.weight.data * np.array([[1], [0.01], [3], [0], [0.5]])
    w = layer.weight.data.copy()
    norm = WeightNorm(eps=eps, form=form)
    norm.apply(layer)
    np.testing.assert_allclose(layer.weight.data, w, rtol=4 * U)
    assert f"eps={eps}, form={form!r}" in repr(layer)
    with no_grad():
        np.testing.assert_array_equal(norm.compute_weight(layer).data, layer.weight.data)
    norm.remove(layer)
    np.testing.assert_allclose(layer.weight.data, w, rtol=4 * U)


def test_the_gradients_are_those_derived_by_hand(rng):
    layer, x, y_bar = linear(rng), rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    norm = WeightNorm()
    norm.apply(layer)
    layer.weight_g.data = rng.normal(size=(5, 1))  # no longer ||v||
    layer.weight_v.data = rng.normal(size=(5, 3))
    norm.recompute(layer)
    layer(Tensor(x)).backward(y_bar)
    v, g = layer.weight_v, layer.weight_g
    v_bar, g_bar = weight_norm.vjp(y_bar.T @ x, v.data, g.data)
    np.testing.assert_allclose(v.grad.data, v_bar, rtol=0, atol=50 * U * np.abs(v_bar).max())
    np.testing.assert_allclose(g.grad.data, g_bar, rtol=0, atol=50 * U * np.abs(g_bar).max())
    np.testing.assert_allclose((v.grad.data * v.data).sum(axis=1), 0, atol=100 * U)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_values_and_gradients_are_those_of_torch(dim, rng):
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    layer, x, y_bar = linear(rng), rng.normal(size=(4, 3)), rng.normal(size=(4, 5))
    other = torch.nn.Linear(3, 5, dtype=torch.float64)
    with torch.no_grad():
        other.weight.copy_(torch.tensor(layer.weight.data))
        other.bias.copy_(torch.tensor(layer.bias.data))
    torch.nn.utils.parametrizations.weight_norm(other, dim=dim)
    norm = WeightNorm(dim=dim)
    norm.apply(layer)
    pair = other.parametrizations.weight  # original0 is g, original1 is v
    g = rng.normal(size=layer.weight_g.shape)
    layer.weight_g.data = g
    with torch.no_grad():
        pair.original0.copy_(torch.tensor(g))
    norm.recompute(layer)
    y, z = layer(Tensor(x)), other(torch.tensor(x))
    y.backward(y_bar)
    z.backward(torch.tensor(y_bar))
    close = {"rtol": 0, "atol": 100 * U * 10}
    np.testing.assert_allclose(y.data, z.detach().numpy(), **close)
    np.testing.assert_allclose(layer.weight_g.grad.data, pair.original0.grad.numpy(), **close)
    np.testing.assert_allclose(layer.weight_v.grad.data, pair.original1.grad.numpy(), **close)
    np.testing.assert_allclose(layer.bias.grad.data, other.bias.grad.numpy(), **close)


def test_training_lowers_the_loss_and_lengthens_v(rng):
    class Net(nn.Module):
        def __init__(self):
            self.norm = WeightNorm(dim=0)
            self.layers = [linear(rng, 3, 8), linear(rng, 8, 2)]
            for layer in self.layers:
                self.norm.apply(layer)

        def forward(self, x):
            for layer in self.layers:
                self.norm.recompute(layer)
            return self.layers[1](minwn.ops.tanh(self.layers[0](x)))

    net = Net()
    x, target = Tensor(rng.normal(size=(20, 3))), rng.normal(size=(20, 2))
    losses, lengths = [], []
    for _ in range(30):
        loss = ((net(x) - target) ** 2).mean()
        net.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.data = p.data - 0.1 * p.grad.data
        losses.append(loss.item())
        lengths.append(np.linalg.norm(net.layers[0].weight_v.data, axis=1))
    assert losses[-1] < 0.8 * losses[0]
    assert np.all(np.diff(lengths, axis=0) > 0)
    x_again = net(x).data
    for layer in net.layers:
        net.norm.remove(layer)
    flat = net.layers[1](minwn.ops.tanh(net.layers[0](x)))
    np.testing.assert_allclose(flat.data, x_again, rtol=0, atol=100 * U * 10)


# ---- what apply and remove keep -----------------------------------------------------------------


def test_the_order_of_the_parameters_is_kept(rng):
    module, norm = Product(rng), WeightNorm("deep")
    assert names(norm.apply(module)) == ["deep_g", "deep_v", "scale"]
    assert list(module.state_dict()) == ["deep_g", "deep_v", "scale"]
    WeightNorm("scale").apply(module)
    assert names(module) == ["deep_g", "deep_v", "scale_g", "scale_v"]
    assert names(norm.remove(module)) == ["deep", "scale_g", "scale_v"]


@pytest.mark.parametrize("trained", [True, False])
def test_what_was_frozen_stays_frozen(trained, rng):
    layer, norm = linear(rng), WeightNorm()
    layer.weight.requires_grad = trained
    norm.apply(layer)
    assert [layer.weight_g.requires_grad, layer.weight_v.requires_grad] == [trained, trained]
    assert layer.weight.requires_grad is trained
    layer(Tensor(rng.normal(size=(4, 3)))).sum().backward()
    assert (layer.weight_v.grad is not None) is trained
    norm.recompute(layer)
    norm.remove(layer)
    assert layer.weight.requires_grad is trained


def test_g_alone_may_be_frozen(rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    layer.weight_g.requires_grad = False
    norm.recompute(layer)
    layer(Tensor(rng.normal(size=(4, 3)))).sum().backward()
    assert layer.weight_g.grad is None
    assert layer.weight_v.grad is not None


@pytest.mark.parametrize("same_name", [True, False])
def test_ties_stay_ties(same_name, rng):
    first = linear(rng)
    if same_name:
        second = nn.Linear(3, 5, rng=rng, dtype="float64")
        second.weight, name = first.weight, "weight"
    else:
        second, name = Product(rng), "scale"
        second.scale = first.weight
    one, two = WeightNorm(), WeightNorm(name)
    one.apply(first)
    two.apply(second)
    g, v = (vars(second)[f"{name}_{letter}"] for letter in "gv")
    assert g is first.weight_g
    assert v is first.weight_v
    v.data = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(one(first).data, two(second).data)
    one.remove(first)
    two.remove(second)
    assert vars(second)[name] is first.weight


def test_a_tie_that_cannot_be_kept_is_an_error_and_nothing_changes(rng):
    first, second = linear(rng), nn.Linear(3, 5, rng=rng, dtype="float64")
    second.weight = first.weight
    WeightNorm(dim=0).apply(first)
    with pytest.raises(ValueError, match="is shared with a module where it was normalised"):
        WeightNorm(dim=1).apply(second)  # another norm: it cannot share
    assert isinstance(second.weight, nn.Parameter)
    third = nn.Linear(3, 5, rng=rng, dtype="float64")
    third.weight = nn.Parameter(rng.normal(size=(5, 3)))
    norm = WeightNorm()
    kept = third.weight
    norm.apply(third)
    third.weight_v.data = 2 * rng.normal(size=(5, 3))  # trained since: not what `kept` became
    fourth = nn.Linear(3, 5, rng=rng, dtype="float64")
    fourth.weight = kept
    with pytest.raises(ValueError, match="or trained or assigned since"):
        norm.apply(fourth)
    assert fourth.weight is kept
    fourth.weight = nn.Parameter(kept.data)  # the way out that the message names
    norm.apply(fourth)
    np.testing.assert_allclose(fourth.weight.data, kept.data, rtol=4 * U)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_remove_then_apply_is_the_same_function_and_g_turns_positive(dim, rng):
    layer, norm = linear(rng), WeightNorm(dim=dim)
    norm.apply(layer)
    layer.weight_g.data = rng.normal(size=layer.weight_g.shape)
    if dim is None:
        layer.weight_g.data = -abs(layer.weight_g.data)
    w = norm.recompute(layer).data
    assert (layer.weight_g.data < 0).any()
    norm.remove(layer)
    np.testing.assert_array_equal(layer.weight.data, w)
    norm.apply(layer)
    np.testing.assert_allclose(layer.weight.data, w, rtol=8 * U)
    assert (layer.weight_g.data > 0).all()


# ---- overrides, and several weights of one module -----------------------------------------------


def test_overrides_stay_in_force(rng):
    layer, norm = linear(rng), WeightNorm("weight", 0)
    norm.apply(layer, name="bias", dim=-1)
    assert names(layer) == ["weight", "bias_g", "bias_v"]
    norm.apply(layer, dim=1)
    assert layer.weight_g.shape == (1, 3)
    layer.weight_v.data, layer.bias_v.data = rng.normal(size=(5, 3)), rng.normal(size=5)
    norm.recompute(layer)  # both, each along its own axis
    np.testing.assert_allclose(
        np.linalg.norm(layer.weight.data, axis=0), layer.weight_g.data[0], rtol=10 * U
    )
    np.testing.assert_allclose(np.abs(layer.bias.data), layer.bias_g.data, rtol=4 * U)
    layer(Tensor(rng.normal(size=(2, 3))))
    norm.remove(layer, "bias")
    norm.remove(layer)
    assert names(layer) == ["weight", "bias"]


def test_remove_without_a_name_needs_one_candidate(rng):
    module, norm = Product(rng), WeightNorm("other")
    norm.apply(module, "deep")
    norm.apply(module, "scale", 1)
    with refused(module, ValueError, r"there are \['deep', 'scale'\] to remove; pass one"):
        norm.remove(module)
    norm.remove(module, "deep")
    norm.remove(module)
    assert names(module) == ["deep", "scale"]


def test_two_reparameterisations_do_not_disturb_each_other(rng):
    module = Product(rng)
    deep, scale = WeightNorm("deep", (0, 2)), WeightNorm("scale", None)
    total = module().item()
    deep.apply(module)
    scale.apply(module)
    assert module().item() == pytest.approx(total, rel=1e-13)
    module.deep_g.data = 2 * module.deep_g.data
    scale.recompute(module)
    with pytest.raises(
        StaleWeightError, match=r"Product\.deep is older than its deep_g and deep_v"
    ):
        module()
    deep.recompute(module)
    module()
    deep.remove(module)
    scale.recompute(module)
    assert module().item() == pytest.approx(2 * total, rel=1e-13)


def test_one_object_serves_many_layers(rng):
    norm, layers = WeightNorm(), [linear(rng), linear(rng, 2, 4)]
    for layer in layers:
        norm.apply(layer)
    assert norm == WeightNorm()
    assert hash(norm) == hash(WeightNorm())
    assert [norm(layer).shape for layer in layers] == [(5, 3), (4, 2)]


# ---- stale weights ------------------------------------------------------------------------------


def test_a_stale_weight_is_never_used_silently(rng):
    layer, norm, x = linear(rng), WeightNorm(), Tensor(rng.normal(size=(4, 3)))
    norm.apply(layer)

    def step():
        layer.weight_g.data = layer.weight_g.data - 0.1

    def double():
        layer.weight_v.data *= 2

    def reset():
        layer.weight_v = nn.Parameter(rng.normal(size=(5, 3)))

    for change in (step, double, reset):
        change()
        with pytest.raises(StaleWeightError, match=r"Linear.weight is older.*call recompute\(laye"):
            layer(x)
        norm.recompute(layer)
        layer(x)
    layer(x).sum().backward()
    with pytest.raises(StaleWeightError, match="was used up by a backward pass"):
        layer(x)
    with no_grad():
        layer(x)  # nothing will be differentiated
        norm.recompute(layer)
        layer(x)
    with pytest.raises(StaleWeightError, match="computed under no_grad"):
        layer(x)
    norm.recompute(layer)
    layer(x).sum().backward(retain_graph=True)
    layer(x).sum().backward()


def test_a_forward_may_begin_by_recomputing(rng):
    class Own(nn.Linear):
        norm = WeightNorm()

        def forward(self, x):
            self.norm.recompute(self)
            return super().forward(x)

    layer, x = Own(3, 5, rng=rng, dtype="float64"), Tensor(rng.normal(size=(4, 3)))
    Own.norm.apply(layer)
    for _ in range(3):
        layer(x).sum().backward()
        for p in layer.parameters():
            p.data = p.data - 0.1 * p.grad.data


def test_compute_weight_changes_nothing(rng):
    layer, norm = linear(rng), WeightNorm(dim=1)
    norm.apply(layer)
    layer.weight_g.data = rng.normal(size=(1, 3))
    before = snapshot(layer)
    w = norm.compute_weight(layer)
    np.testing.assert_array_equal(
        w.data, weight_norm.forward(layer.weight_v.data, layer.weight_g.data)
    )
    assert w.requires_grad
    np.testing.assert_array_equal(norm.compute_weight(layer, "weight", 1).data, w.data)
    np.testing.assert_array_equal(WeightNorm().compute_weight(layer, "weight").data, w.data)
    assert snapshot(layer) == before
    with refused(layer, ValueError, r"weight_g of shape \(1, 3\) for dim=0 .*needs \(5, 1\)"):
        norm.compute_weight(layer, dim=0)
    with refused(layer, ValueError, "Linear has no bias_g and bias_v; apply"):
        norm.compute_weight(layer, "bias")
    with refused(layer, ValueError, "was not applied to 'weight' of this Linear"):
        WeightNorm(dim=0).compute_weight(layer)


def test_an_explicit_dim_of_none_is_the_whole(rng):
    layer, norm = linear(rng), WeightNorm(dim=0)
    w = layer.weight.data.copy()
    norm.apply(layer, dim=None)
    assert layer.weight_g.shape == ()
    np.testing.assert_allclose(layer.weight_g.data, np.linalg.norm(w), rtol=10 * U)
    np.testing.assert_allclose(norm.recompute(layer).data, w, rtol=10 * U)
    np.testing.assert_allclose(norm.compute_weight(layer).data, w, rtol=10 * U)
    np.testing.assert_allclose(norm.compute_weight(layer, dim=None).data, w, rtol=10 * U)
    rows = WeightNorm(dim=None).apply(linear(rng), dim=0)
    assert rows.weight_g.shape == (5, 1)
    with refused(rows, ValueError, r"weight_g of shape \(5, 1\) for dim=None .*needs \(\)"):
        WeightNorm(dim=None).compute_weight(rows, dim=None)
    assert WeightNorm(dim=None).compute_weight(rows).shape == (5, 3)
    for method in (WeightNorm.apply, WeightNorm.compute_weight):
        assert "dim: 'Dim' = <its own dim>" in str(inspect.signature(method))


# ---- what was read when -------------------------------------------------------------------------


class Parent(nn.Module):
    """Uses the weight of a layer below without calling it, as tied embeddings are used."""

    def __init__(self, layer, before=None):
        self.emb, self.before = layer, before

    def forward(self, x):
        if self.before is not None:
            self.before(self.emb)
        return x @ self.emb.weight.T


def test_a_parent_that_reads_a_stale_weight_is_told(rng):
    layer, norm, x = linear(rng), WeightNorm(), Tensor(rng.normal(size=(4, 3)))
    norm.apply(layer)
    parent = nn.Sequential(Parent(layer))
    parent(x)
    w = layer.weight.data.copy()
    layer.weight_g.data = 2 * layer.weight_g.data
    with pytest.raises(StaleWeightError, match=r"Linear.weight is older than its weight_g and wei"):
        parent(x)
    with no_grad(), pytest.raises(StaleWeightError, match="is older"):
        parent(x)
    np.testing.assert_array_equal(layer.weight.data, w)  # outside of a forward it can be looked at
    norm.recompute(layer)
    np.testing.assert_allclose(parent(x).data, x.data @ (2 * w).T, rtol=1e-12)
    parent(x).sum().backward()
    with pytest.raises(StaleWeightError, match="was used up by a backward pass"):
        parent(x)
    with no_grad():
        norm.recompute(layer)
    with pytest.raises(StaleWeightError, match="computed under no_grad"):
        parent(x)
    for _ in range(2):  # a forward that recomputes first may then read
        Parent(layer, norm.recompute)(x).sum().backward()


def test_reading_before_recomputing_is_reading_a_stale_weight(rng):
    class Late(nn.Module):
        def __init__(self, layer):
            self.layer = layer

        def forward(self, x):
            first = self.layer.weight
            norm.recompute(self.layer)
            return (x @ first.T).sum() + (x @ self.layer.weight.T).sum()

    layer, norm, x = linear(rng), WeightNorm(), Tensor(rng.normal(size=(4, 3)))
    late = Late(norm.apply(layer))
    late(x)
    layer.weight_v.data = 1 + layer.weight_v.data
    with pytest.raises(StaleWeightError, match="is older"):
        late(x)
    with pytest.raises(StaleWeightError, match="is older"):
        late(x)  # the failed call stopped before it recomputed
    norm.recompute(layer)
    late(x)


def test_a_failed_forward_leaves_no_trace(rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    with pytest.raises(ValueError, match="linear"):
        layer(np.ones((1, 7)))
    layer.weight_g.data = 2 * layer.weight_g.data
    assert layer.weight.shape == (5, 3)  # stale, and read outside of any forward


def test_an_older_parameter_in_the_place_of_g_or_v_is_noticed(rng):
    a, b, norm, x = linear(rng), linear(rng), WeightNorm(), np.ones((1, 3))
    norm.apply(b)  # its g and v are older than the weight of a
    norm.apply(a)
    for name in ("weight_g", "weight_v"):
        own, other = getattr(a, name), getattr(b, name)
        setattr(a, name, other)
        with pytest.raises(
            StaleWeightError, match="older than its weight_g and weight_v, which we"
        ):
            a(x)
        norm.recompute(a)
        np.testing.assert_array_equal(a(x).data, x @ norm.compute_weight(a).data.T + a.bias.data)
        setattr(a, name, own)
        with pytest.raises(StaleWeightError):
            a(x)
        norm.recompute(a)
        a(x)


def test_a_tied_weight_is_as_fresh_as_its_own_module(rng):
    one, two, norm, x = linear(rng), linear(rng), WeightNorm(), np.ones((1, 3))
    two.weight = one.weight
    for layer in (one, two):
        norm.apply(layer)
    one.weight_g.data = 2 * one.weight_g.data
    norm.recompute(one)
    one(x)
    with pytest.raises(StaleWeightError):
        two(x)
    norm.recompute(two)
    np.testing.assert_array_equal(one.weight.data, two.weight.data)
    for duplicate in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        both = duplicate(nn.Sequential({"one": one, "two": two}))
        assert both["one"].weight_g is both["two"].weight_g
        both["one"](x)
        both["two"](x)


def test_copies_loads_and_conversions_inside_a_forward_are_fresh(rng):
    class Inside(nn.Module):
        def __init__(self, layer):
            self.layer = layer

        def forward(self, x):
            twin = pickle.loads(pickle.dumps(copy.deepcopy(self.layer)))
            twin.load_state_dict(self.layer.state_dict())
            return twin.to("float64").weight.data

    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    layer.weight_g.data = 3 * layer.weight_g.data  # stale here, and not in a copy
    w = Inside(layer)(np.ones((1, 3)))
    np.testing.assert_array_equal(w, norm.recompute(layer).data)


def test_each_thread_has_a_forward_of_its_own(rng):
    layer, norm, x = linear(rng), WeightNorm(), np.ones((1, 3))
    norm.apply(layer)
    layer.weight_g.data = 2 * layer.weight_g.data
    inside, go = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self, x):
            inside.set()
            assert go.wait(10)
            return layer(x)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Waits(), x)
        assert inside.wait(10)
        assert layer.weight.shape == (5, 3)  # no forward in this thread
        norm.recompute(layer)
        go.set()
        waiting.result()


@pytest.mark.parametrize("lose", [delattr, lambda layer, name: setattr(layer, name, None)])
@pytest.mark.parametrize("name", ["weight_g", "weight_v"])
def test_a_lost_part_is_named(lose, name, rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    part = getattr(layer, name)
    lose(layer, name)
    words = f"Linear has no {name}; assign a Parameter"
    with pytest.raises(StaleWeightError, match=words):
        layer(np.ones((1, 3)))
    for call in (norm.recompute, norm.compute_weight, norm.remove, copy.deepcopy):
        with pytest.raises(ValueError, match=words):
            call(layer)
    setattr(layer, name, part)
    layer(np.ones((1, 3)))


# ---- the memory of the weight -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["recorded", "no_grad", "frozen"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "norm",
    [
        WeightNorm(),
        WeightNorm(dim=None),
        WeightNorm(eps=0.1, form="inside"),
        ExponentialWeightNorm(),
    ],
)
def test_a_computed_weight_is_read_only(norm, dtype, how, rng):
    layer = norm.apply(linear(rng, dtype=dtype))
    gain = f"weight_{norm._letter}"
    if how == "frozen":
        getattr(layer, gain).requires_grad = layer.weight_v.requires_grad = False
    with no_grad() if how == "no_grad" else contextlib.nullcontext():
        norm.recompute(layer)
    assert layer.weight.requires_grad is (how == "recorded")
    w = layer.weight.data.copy()
    with pytest.raises(ValueError, match="read-only"):
        layer.weight.data[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        layer.weight.numpy()[0, 0] = 7
    with pytest.raises(ValueError, match="read-only"):
        layer.weight.detach().data += 1
    words = rf"weight of shape \(5, 3\) was computed.* from {gain} and weight_v; .*remove\(\)"

    def in_place(x):
        x -= 1

    for write in (
        lambda: layer.weight.assign(w), lambda: setattr(layer.weight, "data", w),
        lambda: in_place(layer.weight), lambda: operator.imul(layer.weight, 2),
        lambda: operator.itruediv(layer.weight, 2), lambda: operator.ipow(layer.weight, 2),
        lambda: operator.imatmul(layer.weight, layer.weight),
    ):
        for context in (no_grad(), contextlib.nullcontext()):
            with context, pytest.raises(RuntimeError, match=words):
                write()
    np.testing.assert_array_equal(layer.weight.data, w)
    assert not layer.weight.is_leaf
    with pytest.raises(ValueError, match="was computed"):
        optim.SGD([layer.weight], lr=0.1)
    with pytest.raises(ValueError, match="was computed"):
        nn.normalise_(layer.weight)
    for part in (layer.weight_v, vars(layer)[gain]):
        assert not np.shares_memory(part.data, layer.weight.data)
        part.data[...] = part.data  # which is the optimiser's to write to


def test_attributes_of_computed_weights_are_not_assigned_or_deleted(rng):
    layer = linear(rng)
    WeightNorm().apply(layer)
    with refused(layer, AttributeError, "Linear.weight is computed from weight_g and weight_v"):
        del layer.weight
    with refused(layer, AttributeError, "Linear.weight is computed from weight_g and weight_v"):
        layer.weight = layer.weight * 2


def test_what_leaves_by_dlpack_is_a_copy(rng):
    torch = pytest.importorskip("torch", reason="torch is the one that takes it")
    layer = linear(rng)
    WeightNorm().apply(layer)
    w = layer.weight.data.copy()
    for mine in (layer.weight, layer.weight.detach()):
        theirs = torch.from_dlpack(mine)
        np.testing.assert_array_equal(theirs.numpy(), w)
        theirs.zero_()
    np.testing.assert_array_equal(layer.weight.data, w)
    with pytest.raises(BufferError, match="copy=False"):
        layer.weight.__dlpack__(copy=False)
    v = torch.from_dlpack(layer.weight_v)  # as ever: the same memory
    assert np.shares_memory(v.numpy(), layer.weight_v.data)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_of_the_weight_is_a_plain_tensor(duplicate, rng):
    layer = linear(rng)
    WeightNorm().apply(layer)
    twin = duplicate(layer.weight)
    assert type(twin) is Tensor
    assert twin.is_leaf
    np.testing.assert_array_equal(twin.data, layer.weight.data)
    assert type(layer.weight * 2) is Tensor


# ---- state and copies ---------------------------------------------------------------------------


def test_the_state_is_g_and_v_and_loading_rebuilds_the_weight(rng):
    layer, other = linear(rng), linear(rng)
    norm = WeightNorm()
    norm.apply(layer)
    norm.apply(other)
    assert list(layer.state_dict()) == ["weight_g", "weight_v", "bias"]
    layer.weight_g.data = rng.normal(size=(5, 1))
    norm.recompute(layer)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other.weight.data, layer.weight.data)
    x = Tensor(rng.normal(size=(4, 3)))
    np.testing.assert_array_equal(other(x).data, layer(x).data)
    plain = linear(rng).state_dict()
    with refused(other, KeyError, "unexpected 'weight'; did you mean 'weight_"):
        other.load_state_dict(plain)


def test_a_computed_weight_is_an_attribute_but_no_state(rng):
    layer = linear(rng)
    before = list(vars(layer))
    WeightNorm().apply(layer)
    assert layer.weight is layer.weight
    assert hasattr(layer, "weight")
    assert "weight" in dir(layer)
    assert set(layer.__getstate__()) == {*before, "_computed", "weight_g", "weight_v"} - {"weight"}
    assert layer.__getstate__()["_computed"]["weight"].weight is None
    WeightNorm().remove(layer)
    assert [name for name in vars(layer) if name != "_computed"] == before


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_computed_from_its_own_parts(duplicate, rng):
    layer, norm = linear(rng), WeightNorm(eps=0.3, form="inside")
    norm.apply(layer, dim=1)
    layer.weight_g.data = rng.normal(size=(1, 3))
    twin = duplicate(layer)  # stale here, computed there
    with pytest.raises(StaleWeightError):
        layer(Tensor(np.ones((1, 3))))
    np.testing.assert_array_equal(twin.weight.data, norm.recompute(layer).data)
    norm.recompute(twin)
    twin(Tensor(rng.normal(size=(4, 3)))).sum().backward()
    assert twin.weight_v.grad is not None
    assert layer.weight_v.grad is None
    duplicate(norm).remove(twin)
    assert names(layer) == ["weight_g", "weight_v", "bias"]
    np.testing.assert_array_equal(twin.weight.data, layer.weight.data)


@pytest.mark.parametrize("deep", [False, True])
def test_a_clone_has_the_settings_and_no_weight(deep, rng):
    norm = WeightNorm("bias", None, eps=0.1, form="rms")
    clone = norm.clone(deep)
    assert clone == norm
    assert clone is not norm
    assert vars(clone) == {"name": "bias", "dim": None, "eps": 0.1, "form": "rms"}
    layer = linear(rng)
    norm.apply(layer)
    clone.remove(layer)


# ---- what is refused ----------------------------------------------------------------------------


def test_a_computed_weight_cannot_be_assigned(rng):
    layer = linear(rng)
    WeightNorm().apply(layer)
    for value in (nn.Parameter(np.ones((5, 3))), None):
        with refused(layer, AttributeError, "Linear.weight is computed from weight_g and weight_v"):
            layer.weight = value
    with refused(layer, RuntimeError, "was computed by 'weight_norm'"):
        layer.weight.data = np.ones((5, 3))


def test_the_parts_of_a_weight_are_not_normalised_again(rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    for name in ("weight_g", "weight_v"):
        words = f"Linear.{name} is what Linear.weight is computed from, .*; remove.* of 'weight' fi"
        for again in (WeightNorm(name), ExponentialWeightNorm(name, dim=None)):
            with refused(layer, ValueError, words):
                again.apply(layer)
    ExponentialWeightNorm("bias", None).apply(layer)
    for name in ("bias_s", "bias_v"):
        with refused(layer, ValueError, f"Linear.{name} is what Linear.bias is computed from"):
            norm.apply(layer, name, None)
    copy.deepcopy(layer).to("float32")
    norm.remove(layer, "bias")
    norm.remove(layer)
    assert names(layer) == ["weight", "bias"]


def test_an_attribute_of_the_class_would_hide_the_weight(rng):
    class Optional(nn.Module):
        kernel = None

        def __init__(self):
            self.kernel = nn.Parameter(rng.normal(size=(2, 3)))

    with refused(
        module := Optional(), ValueError, "class Optional has an attribute 'kernel' of it"
    ):
        WeightNorm("kernel").apply(module)


@pytest.mark.parametrize("build", [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_in_groups_a_transposed_convolution_has_no_axis_of_outputs(build, rng):
    layer = build(4, 6, 2, groups=2, rng=rng)
    words = f"{build.__name__} with groups=2: no axis of weight .* for each output; give dim=1"
    with refused(layer, ValueError, words):
        WeightNorm(dim="output").apply(layer)
    with pytest.raises(ValueError, match=r"no axis of weight \(4, 3, 2.* give feature_axes=1 for"):
        nn.WeightNormWrapper(layer)
    assert WeightNorm(dim=1).apply(layer).weight_g.shape[:2] == (1, 3)
    one = WeightNorm(dim="output").apply(build(4, 6, 2, rng=rng))
    assert one.weight_g.shape[:2] == (1, 6)
    two = WeightNorm(dim="output").apply(nn.Conv1d(4, 6, 2, groups=2, rng=rng))
    assert two.weight_g.shape == (6, 1, 1)


def test_a_forward_that_recomputes_after_remove_is_told_of_fold(rng):
    class Own(nn.Linear):
        norm = WeightNorm()

        def forward(self, x):
            self.norm.recompute(self)
            return super().forward(x)

    layer, x = Own(3, 5, rng=rng, dtype="float64"), rng.normal(size=(4, 3))
    Own.norm.apply(layer)
    plain, y = nn.fold(layer), layer(x).data
    np.testing.assert_allclose(plain(x).data, y, rtol=1e-12)
    Own.norm.remove(layer)
    with pytest.raises(ValueError, match=r"was not applied .* nn.fold\(model\) in place of remove"):
        layer(x)


@pytest.mark.parametrize("module", [None, 3, "layer", [1.0], np.ones(2)], ids=repr)
def test_what_is_no_module_is_refused(module):
    norm = WeightNorm()
    for call in (norm.apply, norm.recompute, norm, norm.compute_weight, norm.remove,
                 lambda m: norm.compute_weight(m, "weight"), lambda m: norm.remove(m, "weight"),
                 lambda m: nn.substitute(m, {}), nn.data_dependent_init):
        with pytest.raises(TypeError, match=r"mod.*=.*; pass a Module"):
            call(module)


@pytest.mark.parametrize("name", [3, ["weight"], "", np.ones(2)], ids=repr)
def test_what_is_no_name_is_refused(name, rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    for call in (norm.apply, norm.compute_weight, norm.remove):
        with refused(layer, ValueError, "name=.*; give the name of a parameter"):
            call(layer, name)


@pytest.mark.parametrize("eps", [np.float64(1e-3), np.float32(0.25), np.int64(1)], ids=repr)
def test_an_eps_of_numpy_is_weak(eps, rng):
    x = Tensor(rng.normal(size=(4, 3)).astype("float32"))
    for form in ("inside", "outside", "max_q", "max_n", "rms"):
        weak, strong = (linear(np.random.default_rng(0), dtype="float32") for _ in range(2))
        WeightNorm(eps=float(eps), form=form).apply(weak)
        norm = WeightNorm(eps=eps, form=form)
        norm.apply(strong)
        assert type(norm.eps) in (int, float)
        for layer in (weak, strong):
            layer(x).sum().backward()
        for a, b in zip(weak.parameters(), strong.parameters(), strict=True):
            assert a.grad.dtype == b.grad.dtype == "float32"
            np.testing.assert_array_equal(a.grad.data, b.grad.data)


BAD_SETTINGS = {
    "dim fraction": ({"dim": 1.5}, "dim=1.5; give an axis, a tuple of axes, None or 'output'"),
    "dim bool": ({"dim": True}, "dim=True"),
    "dim word": ({"dim": "rows"}, "dim='rows'"),
    "dim mixed": ({"dim": (0, "output")}, r"dim=\(0, 'output'\)"),
    "name": ({"name": ""}, "name=''; give the name of a parameter"),
    "name type": ({"name": 0}, "name=0"),
    "form": ({"form": "outer"}, "form='outer'; choose from plain"),
    "eps": ({"eps": 1e-12}, "form='plain' has no eps, got eps=1e-12; choose form='inside'"),
    "eps negative": ({"eps": -1.0, "form": "inside"}, "eps=-1.0"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_settings_that_make_no_sense_are_refused(name, rng):
    settings, words = BAD_SETTINGS[name]
    with pytest.raises(ValueError, match=words):
        WeightNorm(**settings)
    if settings.keys() <= {"name", "dim"}:
        layer = linear(rng)
        with refused(layer, ValueError, words):
            WeightNorm().apply(layer, **settings)


BAD_APPLIES = {
    "missing": ({"name": "wieght"}, ValueError, "no parameter 'wieght'; did you mean 'weight'"),
    "unlike any": ({"name": "xyz"}, ValueError, r"no parameter 'xyz'; it has \['weight', 'bias'\]"),
    "not a parameter": ({"name": "in_features"}, ValueError, "in_features is 3, not a Parameter"),
    "dim": ({"dim": 2}, IndexError, r"dim 2 of a weight of shape \(5, 3\); choose from -2 to 1"),
    "dim negative": ({"dim": -3}, IndexError, "dim -3"),
    "dim of a bias": ({"name": "bias", "dim": 1}, IndexError, r"of shape \(5,\)"),
}


@pytest.mark.parametrize("name", BAD_APPLIES)
def test_an_apply_that_cannot_be_changes_nothing(name, rng):
    arguments, error, words = BAD_APPLIES[name]
    layer = linear(rng)
    with refused(layer, error, words):
        WeightNorm().apply(layer, **arguments)


def test_double_apply_missing_bias_and_taken_names_are_refused(rng):
    layer, norm = linear(rng, bias=False), WeightNorm()
    with refused(layer, ValueError, "Linear.bias is None, not a Parameter; there is nothing to sp"):
        norm.apply(layer, "bias")
    norm.apply(layer)
    for again in (norm, WeightNorm(dim=1)):
        with refused(layer, ValueError, r"Linear.weight is weight-normalised already; remove\(\)"):
            again.apply(layer)
    norm.remove(layer)
    layer.weight_g = 3.0
    with refused(layer, ValueError, "Linear has an attribute 'weight_g' already"):
        norm.apply(layer)


def test_calls_before_apply_are_refused(rng):
    layer, norm = linear(rng), WeightNorm()
    for call in (norm.recompute, norm, norm.remove, norm.compute_weight):
        with refused(
            layer, ValueError, "not applied to 'weight' of this Linear; computed here: no"
        ):
            call(layer)
    norm.apply(layer)
    with refused(layer, ValueError, r"to 'bias' of this Linear; computed here: \['weight'\]"):
        norm.remove(layer, "bias")


@pytest.mark.parametrize("shape", [(), (1, 1), (5, 3), (1, 3), (5,)])
def test_a_g_of_another_shape_is_refused_though_it_might_broadcast(shape, rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    layer.weight_g = nn.Parameter(np.ones(shape))
    for call in (norm.recompute, norm.compute_weight, norm.remove):
        with refused(layer, ValueError, r"weight_g of shape \(.*dim=0 .* needs \(5, 1\)"):
            call(layer)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex128"])
def test_only_floating_weights_have_a_norm(dtype, rng):
    layer = linear(rng)
    layer.weight = nn.Parameter(np.ones((5, 3), dtype), requires_grad=False)
    with refused(layer, ValueError, f"Linear.weight is {dtype}; only floating weights"):
        WeightNorm().apply(layer)


def test_zero_slices_are_named_with_the_ways_out(rng):
    layer = linear(rng)
    w = layer.weight.data.copy()
    w[[1, 3]] = 0.0
    layer.weight.data = w
    words = (
        r"Linear.weight: v / \|\|v\|\| is undefined where v is zero, in 2 of 5 slices "
        r"\(of g \(5, 1\): \(1, 0\), \(3, 0\)\); give .* choose another dim, or a form with eps, "
        r"such as WeightNorm\('weight', eps=1e-12, form='inside'\)"
    )
    with refused(layer, ZeroNormError, words):
        WeightNorm().apply(layer)
    for way_out in (WeightNorm(dim=1), WeightNorm(eps=1e-12, form="inside")):
        way_out.apply(layer)
        np.testing.assert_allclose(layer.weight.data, w, rtol=4 * U)
        way_out.remove(layer)
    layer.weight.data = np.zeros((5, 3))
    with refused(layer, ZeroNormError, r"in 1 of 1 slices \(of g \(\): \(\)\)"):
        WeightNorm(dim=None).apply(layer)
    with refused(layer, ZeroNormError, r"in 15 of 15 slices .*\(1, 1\), \.\.\.\)"):
        WeightNorm(dim=(0, 1)).apply(layer)


def test_remove_refuses_a_v_of_zero(rng):
    layer, norm = linear(rng), WeightNorm()
    norm.apply(layer)
    layer.weight_v.data = np.zeros((5, 3))
    with refused(layer, ZeroNormError, "in 5 of 5 slices"):
        norm.remove(layer)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value, rng):
    layer = linear(rng)
    w = layer.weight.data.copy()
    w[2, 1] = value
    layer.weight.data = w
    with refused(layer, ValueError, "Linear.weight has entries that are not finite"):
        WeightNorm().apply(layer)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float16", 6e4), ("float32", 3e38), ("float64", 1.5e308)]
)
def test_a_norm_out_of_range_is_refused(dtype, size, rng):
    layer = linear(rng, dtype=dtype)
    layer.weight.data = np.full((5, 3), size, dtype)
    with refused(
        layer, ValueError, rf"a norm of \S+ is out of range for {dtype}; scale the weight"
    ):
        WeightNorm().apply(layer)


def test_remove_needs_no_room_for_the_norm(rng):
    layer, norm = linear(rng, dtype="float16"), WeightNorm()
    norm.apply(layer)
    layer.weight_v.data = np.full((5, 3), 6e4, "float16")  # ||v|| is no float16; w is
    w = norm.recompute(layer).data
    norm.remove(layer)
    np.testing.assert_array_equal(raw(layer.weight), w)
    assert np.isfinite(w).all()
