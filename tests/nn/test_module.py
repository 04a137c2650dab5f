"""Module: what it finds, under which names; what it saves, loads, copies and converts."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

from minwn import Tensor, WeightNorm, nn


class Scale(nn.Module):
    """A parameter and a buffer."""

    def __init__(self, n, value=1.0):
        self.factor = nn.Parameter(np.full(n, value, "float32"))
        self.count = nn.Buffer(np.array(3))

    def forward(self, x):
        return x * self.factor


class Net(nn.Module):
    """Every way of holding something."""

    def __init__(self, rng=0):
        self.last = nn.Linear(3, 2, rng=rng)
        self.blocks = [Scale(3), (nn.Linear(3, 3, bias=False, rng=rng), None, Scale(2, 2.0))]
        self.heads = {"left": Scale(1, 3.0), "right": {"deep": Scale(4, 4.0)}}
        self.shift = nn.Parameter(np.array([0.5, -1.0], "float32"), requires_grad=False)
        self.name = "net"
        self.sizes = [1, 2, 3]
        self.plain = Tensor(np.ones(5))  # neither trained nor saved

    def forward(self, x):
        return self.last(self.blocks[0](x)) + self.shift


PARAMETERS = [
    "shift",  # its own come before those of the modules below
    "last.weight", "last.bias", "blocks.0.factor", "blocks.1.0.weight", "blocks.1.2.factor",
    "heads.left.factor", "heads.right.deep.factor",
]  # fmt: skip
BUFFERS = [f"{n}.count" for n in ("blocks.0", "blocks.1.2", "heads.left", "heads.right.deep")]


class Tied(nn.Module):
    def __init__(self):
        self.one, self.two = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)
        self.two.weight = self.one.weight
        self.again = self.one

    def forward(self, x):
        return self.two(self.one(x))


def names(module):
    return [name for name, _ in module.named_parameters()]


def arrays(module):
    return {name: value.copy() for name, value in module.state_dict().items()}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[n], two[n]) for n in one)


# ---- names --------------------------------------------------------------------------------------


def test_names_are_paths_in_the_order_of_assignment():
    net = Net()
    assert names(net) == PARAMETERS
    assert [name for name, _ in net.named_buffers()] == BUFFERS
    assert list(net.state_dict()) == PARAMETERS + BUFFERS
    assert [name for name, _ in net.named_modules()] == [
        "", "last", "blocks.0", "blocks.1.0", "blocks.1.2", "heads.left", "heads.right.deep",
    ]  # fmt: skip
    assert [type(m) for m in net.modules()][:2] == [Net, nn.Linear]
    assert len(list(net.parameters())) == len(PARAMETERS)


def test_what_is_shared_is_named_once_and_saved_under_every_name():
    tied = Tied()
    assert names(tied) == ["one.weight", "one.bias", "two.bias"]
    assert [name for name, _ in tied.named_modules()] == ["", "one", "two"]
    assert list(tied.state_dict()) == ["one.weight", "one.bias", "two.weight", "two.bias"]


def test_reassigning_an_attribute_keeps_its_place():
    net = Net()
    net.last = nn.Linear(3, 5, bias=False, rng=1)
    assert names(net)[:3] == ["shift", "last.weight", "blocks.0.factor"]
    del net.last
    assert names(net)[:2] == ["shift", "blocks.0.factor"]


# ---- state --------------------------------------------------------------------------------------


def test_state_is_a_copy_and_loads_back(rng):
    net, other = Net(0), Net(1)
    state = net.state_dict()
    assert all(isinstance(x, np.ndarray) for x in state.values())
    state["last.weight"] *= 2
    assert not np.array_equal(state["last.weight"], net.last.weight.data)
    state = net.state_dict()
    other.load_state_dict(state)
    assert same(arrays(other), state)
    x = Tensor(rng.normal(size=(4, 3)).astype("float32"))
    np.testing.assert_array_equal(other(x).data, net(x).data)
    state["shift"][:] = 9.0  # the module has arrays of its own
    assert not np.any(other.shift.data == 9.0)
    assert not other.shift.requires_grad


def test_loading_converts_to_the_dtypes_of_the_module_and_dates_what_it_loads():
    net = Net()
    before = net.last.weight
    square = before * before
    net.load_state_dict({n: x.astype("float64") for n, x in net.state_dict().items()})
    assert net.last.weight is before
    assert net.last.weight.dtype == "float32"
    assert net.blocks[0].count.dtype == np.dtype(int)
    assert square.older_than(before)
    net.load_state_dict({n: Tensor(x) for n, x in net.state_dict().items()})


BAD_STATES = {
    "missing": (
        lambda s: s.pop("last.bias"), KeyError, r"nothing was loaded\n  missing 'last.bias'$",
    ),
    "renamed": (
        lambda s: s.update({"last.wieght": s.pop("last.weight")}), KeyError,
        r"unexpected 'last.wieght'; did you mean 'last.weight'\?\n  missing 'last.weight'",
    ),
    "unexpected": (lambda s: s.update(zzz=np.ones(2)), KeyError, r"  unexpected 'zzz'$"),
    "shape": (
        lambda s: s.update(shift=np.ones(3)), ValueError, r"shift: shape \(3,\) for \(2,\)",
    ),
    "transposed": (
        lambda s: s.update({"last.weight": s["last.weight"].T}), ValueError,
        r"last.weight: shape \(3, 2\) for \(2, 3\)",
    ),
    "complex": (
        lambda s: s.update(shift=np.ones(2, complex)), ValueError, "shift: cannot load complex128",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_state_that_does_not_fit_is_refused_whole(name):
    spoil, error, words = BAD_STATES[name]
    net = Net(0)
    before, state = arrays(net), {n: x + 1 for n, x in net.state_dict().items()}
    spoil(state)
    with pytest.raises(error) as caught:
        net.load_state_dict(state)
    text = caught.value.args[0]  # str() of a KeyError would be its repr
    assert re.search(words, text), text
    assert same(arrays(net), before)


def test_without_strict_the_common_names_are_loaded():
    net = Net()
    net.load_state_dict({"shift": np.array([7.0, 8.0]), "zzz": np.ones(2)}, strict=False)
    np.testing.assert_array_equal(net.shift.data, [7.0, 8.0])
    with pytest.raises(ValueError, match="shape"):
        net.load_state_dict({"shift": np.ones(5)}, strict=False)


# ---- copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_own_their_arrays_and_keep_what_is_shared(duplicate, rng):
    x = Tensor(rng.normal(size=(4, 3)).astype("float32"))
    for module in (Net(), Tied()):
        y = module(x).data
        twin = duplicate(module)
        np.testing.assert_array_equal(twin(x).data, y)
        assert names(twin) == names(module)
        for (_, p), (_, q) in zip(module.named_parameters(), twin.named_parameters(), strict=True):
            assert p is not q
            assert not np.shares_memory(p.data, q.data)
            assert p.requires_grad == q.requires_grad
            q.data = q.data + 1
        np.testing.assert_array_equal(module(x).data, y)
    assert twin.one.weight is twin.two.weight
    assert twin.again is twin.one


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_computed_weight_is_left_behind_and_rebuilt(duplicate, rng):
    net = Net()
    WeightNorm().apply(net.last)
    x = Tensor(rng.normal(size=(4, 3)).astype("float32"))
    y = net(x).data
    assert net.last.__getstate__()["_computed"]["weight"].weight is None
    twin = duplicate(net)
    np.testing.assert_array_equal(twin(x).data, y)
    assert twin.last.weight is not net.last.weight
    assert WeightNorm().recompute(twin.last) is twin.last.weight
    twin.last.weight_g.data = 2 * twin.last.weight_g.data
    np.testing.assert_array_equal(net(x).data, y)


# ---- modes and conversions ----------------------------------------------------------------------


def test_train_and_eval_reach_everything_below():
    net = Net()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.blocks[1][2].train()
    assert [m.training for m in net.modules()] == [False] * 4 + [True] + [False] * 2
    assert all(m.training for m in net.train().modules())


def test_to_a_dtype_converts_parameters_gradients_and_floating_buffers(rng):
    net = Net()
    WeightNorm().apply(net.last)
    weight_v = net.last.weight_v
    net(Tensor(rng.normal(size=(4, 3)).astype("float32"))).sum().backward()
    assert net.to("float64") is net
    assert all(p.dtype == "float64" for p in net.parameters())
    assert net.last.weight_v is weight_v
    assert weight_v.grad.dtype == "float64"
    assert net.blocks[0].count.dtype == np.dtype(int)
    assert net.last.weight.dtype == "float64"  # computed anew
    assert net(Tensor(rng.normal(size=(4, 3)))).dtype == "float64"
    assert not net.shift.requires_grad


@pytest.mark.parametrize("where", ["int32", np.int64, "bool"])
def test_parameters_do_not_become_integers(where):
    net = Net()
    before = arrays(net)
    with pytest.raises(TypeError, match="choose a float dtype"):
        net.to(where)
    assert same(arrays(net), before)
    assert net.last.weight.dtype == "float32"


def test_zero_grad_forgets_every_gradient(rng):
    net = Net()
    net(Tensor(rng.normal(size=(4, 3)).astype("float32"))).sum().backward()
    assert net.last.weight.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# ---- what it says -------------------------------------------------------------------------------


def test_repr_shows_the_tree_and_every_shape():
    net = Net()
    WeightNorm(dim=1).apply(net.last)
    assert repr(net) == "\n".join([
        "Net(shift(2,) frozen",
        "  last: Linear(3 -> 2, weight_g(1, 3), weight_v(2, 3), bias(2,), "
        "weight = g v / ||v|| (dim=1))",
        "  blocks.0: Scale(factor(3,), count())",
        "  blocks.1.0: Linear(3 -> 3, weight(3, 3))",
        "  blocks.1.2: Scale(factor(2,), count())",
        "  heads.left: Scale(factor(1,), count())",
        "  heads.right.deep: Scale(factor(4,), count())",
        ")",
    ])  # fmt: skip


def test_a_missing_attribute_is_named_with_the_closest_one():
    layer = nn.Linear(3, 2, rng=0)
    with pytest.raises(AttributeError, match="Linear has no attribute 'wieght'; did you mean 'wei"):
        _ = layer.wieght
    WeightNorm().apply(layer)
    with pytest.raises(AttributeError, match="did you mean 'weight'"):
        _ = layer.wegiht
    with pytest.raises(AttributeError, match=r"no attribute 'momentum'$"):
        _ = layer.momentum
    assert getattr(layer, "momentum", 0.9) == 0.9
    assert not hasattr(layer, "momentum")


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no method forward"):
        Empty()(1)


def test_describe_is_what_a_user_adds_to_the_repr():
    class Named(Scale):
        def describe(self):
            return "times"

    assert repr(Named(2)) == "Named(times, factor(2,), count())"
