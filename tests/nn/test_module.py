"""Module: what it finds, under which names; what it saves, loads, copies and converts."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

from minwn import StaleWeightError, Tensor, WeightNorm, nn, no_grad, tensor


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
]
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
    ]
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


# ---- names that read the same -------------------------------------------------------------------


def square(rng=0):
    return nn.Linear(2, 2, rng=rng)


class Holder(nn.Module):
    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)


SAME = {  # name: (make, the name that would stand for two)
    "keys": (lambda: Holder(parts={"1": square(), 1: square(1)}), "parts.1"),
    "keys of one module": (lambda: Holder(parts=dict.fromkeys(["1", 1], square())), "parts.1"),
    "keys of parameters": (
        lambda: Holder(parts={None: nn.Parameter(np.ones(2)), "None": nn.Parameter(np.ones(2))}),
        "parts.None",
    ),
    "a buffer and a parameter": (
        lambda: Holder(parts={"1": nn.Parameter(np.ones(2)), 1: nn.Buffer(np.ones(2))}), "parts.1",
    ),
    "keys deep below": (lambda: Holder(parts=[({"x": {2.0: square(), "2.0": square()}},)]),
                        "parts.0.0.x.2.0"),
    "a key with a dot": (
        lambda: Holder(parts={"a": {"b": square()}, "a.b": square()}), "parts.a.b",
    ),
    "a key that reads like a weight": (
        lambda: Holder(parts={"a": square(), "a.weight": nn.Parameter(np.ones(2))}),
        "parts.a.weight",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_two_names_that_read_the_same_cannot_be_made(name):
    make, twice = SAME[name]
    with pytest.raises(
        ValueError, match=rf"names that read '{re.escape(twice)}', so a state .*key"
    ):
        make()


LISTINGS = {
    "state_dict": lambda net: net.state_dict(),
    "load_state_dict": lambda net: net.load_state_dict({}, strict=False),
    "named_parameters": lambda net: list(net.named_parameters()),
    "parameters": lambda net: list(net.parameters()),
    "named_modules": lambda net: list(net.named_modules()),
    "train": lambda net: net.train(),
    "to": lambda net: net.to("float64"),
    "zero_grad": lambda net: net.zero_grad(),
    "own_parameters": lambda net: list(net.own_parameters()),
    "named_buffers": lambda net: list(net.named_buffers()),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_what_a_dict_was_filled_with_later_is_not_lost_in_a_listing(listing):
    net = Holder(parts={})
    net.parts["1"] = square()
    net.parts[1] = nn.Parameter(np.ones(3)) if listing == "own_parameters" else square()
    if listing == "own_parameters":
        net.parts["1"] = nn.Parameter(np.ones(3))
    with pytest.raises(ValueError, match=r"names that read 'parts\.1"):
        LISTINGS[listing](net)
    assert "parts.1" in repr(net)  # which still helps to find it
    assert not hasattr(net, "part")
    del net.parts[1]
    LISTINGS[listing](net)


@pytest.mark.parametrize("name", ["a.b", "layers.0", "", ".", "a."])
def test_a_name_with_a_dot_would_read_as_a_path(name):
    net = Holder(layers=[square()], a=Holder(b=square()))
    for value in (square(), nn.Parameter(np.ones(2)), nn.Buffer(np.ones(2)), [square()],
                  {"x": (square(),)}):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(name))} cannot be the name .* dot"):
            setattr(net, name, value)
    setattr(net, name, [1, 2])  # neither saved nor trained
    assert len(net.state_dict()) == 4


def test_keys_that_read_apart_are_fine():
    net = Holder(parts={0.5: square(), 1: square(), "1.0": square(), (1, 2): square()})
    assert [name for name, _ in net.named_modules()][1:] == [
        "parts.0.5", "parts.1", "parts.1.0", "parts.(1, 2)",
    ]
    Holder(settings={"1": 0.1, 1: 0.2})  # no state


@pytest.mark.parametrize("name", [0, "", "a.b", "forward", "training"])
def test_sequential_refuses_names_that_cannot_be_attributes(name):
    with pytest.raises(ValueError, match="cannot be the name of a module"):
        nn.Sequential({name: square(), "other": square()})


# ---- what takes the place of what ---------------------------------------------------------------

NO_PARAMETER = {
    "array": np.ones((2, 2), "float32"),
    "float64": np.ones((2, 2)),
    "Tensor": tensor(np.ones((2, 2))),
    "leaf": tensor(np.ones((2, 2)), requires_grad=True),
    "Buffer": nn.Buffer(np.ones((2, 2))),
    "number": 1.0,
    "scalar": np.float32(1),
    "list": [1.0],
    "list of parameters": [nn.Parameter(np.ones(2))],
    "dict": {},
    "word": "weight",
    "module": nn.ReLU(),
    "function": abs,
    "class": nn.Parameter,
}


@pytest.mark.parametrize("value", NO_PARAMETER.values(), ids=NO_PARAMETER)
def test_only_a_parameter_takes_the_place_of_a_parameter(value):
    layer = square()
    WeightNorm("weight").apply(layer)
    for name in ("bias", "weight_g", "weight_v"):
        before, state = getattr(layer, name), arrays(layer)
        words = (
            rf"Linear.{name} is a Parameter, got .*; .* layer.{name}.data, .* Parameter\(array\)"
        )
        with pytest.raises(TypeError, match=words):
            setattr(layer, name, value)
        assert getattr(layer, name) is before
        assert same(arrays(layer), state)
    layer.bias = new = nn.Parameter(np.ones(2))
    assert layer.bias is new
    layer.bias = None
    assert names(layer) == ["weight_g", "weight_v"]


def test_a_product_does_not_replace_a_parameter_silently():
    layer = square()
    before = layer.weight
    with pytest.raises(
        TypeError, match=r"Linear.weight is a Parameter, got a float32 Tensor of sh"
    ):
        layer.weight = layer.weight * 2
    with no_grad(), pytest.raises(TypeError, match=r"assign layer.weight.data"):
        layer.weight = layer.weight * 2
    assert layer.weight is before
    layer.weight.data = layer.weight.data * 2  # as the sentence says
    assert layer.weight is before
    layer.weight = nn.Parameter(layer.weight.data * 2)
    assert names(layer) == ["weight", "bias"]


def test_in_place_arithmetic_keeps_parameters_and_buffers():
    net = nn.Sequential(square(), nn.BatchNorm1d(2))
    layer, norm, w = net[0], net[1], net[0].weight.data.copy()
    weight, bias, mean, before = layer.weight, layer.bias, norm.running_mean, names(net)
    with no_grad():
        layer.weight *= 2
        layer.bias -= layer.bias
        norm.running_mean += 3.0
    assert layer.weight is weight
    assert layer.bias is bias
    assert norm.running_mean is mean
    assert names(net) == before
    np.testing.assert_array_equal(net.state_dict()["0.weight"], 2 * w)
    np.testing.assert_array_equal(net.state_dict()["0.bias"], np.zeros(2))
    np.testing.assert_array_equal(net.state_dict()["1.running_mean"], [3.0, 3.0])
    with pytest.raises((RuntimeError, TypeError)):
        layer.weight *= 2  # recorded
    assert layer.weight is weight
    np.testing.assert_array_equal(weight.data, 2 * w)
    WeightNorm().apply(layer)
    g = layer.weight_g.data
    with no_grad():
        layer.weight_g *= 2  # dates it
        with pytest.raises(StaleWeightError):
            layer(np.ones((1, 2), "float32"))
        with pytest.raises(RuntimeError, match=r"weight of shape \(2, 2\) was computed"):
            layer.weight *= 2
    np.testing.assert_array_equal(layer.weight_g.data, 2 * g)


def test_only_a_buffer_takes_the_place_of_a_buffer():
    layer = nn.BatchNorm1d(3)
    for value in (np.ones(3), tensor(np.ones(3)), 0.9 * layer.running_mean + 0.1, 1.0, [0.0] * 3):
        with pytest.raises(TypeError, match=r"BatchNorm.running_mean is a Buffer, got .*\.data"):
            layer.running_mean = value
    layer.running_mean = nn.Buffer(np.ones(3, "float32"))
    assert [name for name, _ in layer.named_buffers()] == ["running_mean", "running_var"]


def test_a_module_gives_way_to_what_can_be_called_or_is_listed():
    net = nn.Sequential(square(), nn.Tanh())
    for value in (3, "relu", np.ones(2), tensor(np.ones(2))):
        with pytest.raises(
            TypeError, match=r"Sequential.1 is a Module, got .*; give another Module"
        ):
            setattr(net, "1", value)
    for value in (nn.ReLU(), np.tanh, [nn.ReLU()], None):
        setattr(net, "1", value)


def test_everything_else_is_assigned_as_ever():
    net = Net()
    net.plain = np.ones(2)  # was a Tensor, neither trained nor saved
    net.name, net.sizes, net.extra = 3, None, tensor(np.ones(2), requires_grad=True)
    assert names(net) == PARAMETERS


# ---- sentences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.Parameter, nn.Buffer])
@pytest.mark.parametrize("value", [[1.0, 2.0], None, "ones", 3.0, {"a": 1}, ...], ids=repr)
def test_a_parameter_is_made_of_an_array(kind, value):
    with pytest.raises(TypeError, match=rf"{kind.__name__}\(.*\): pass an array or a Tensor"):
        kind(value)


def test_a_parameter_of_integers_or_of_a_scalar():
    with pytest.raises(TypeError, match="int64 has no gradient; convert it to a float dtype"):
        nn.Parameter(np.array([1, 2]))
    scalar = nn.Parameter(np.float32(3))
    assert isinstance(scalar.data, np.ndarray)
    assert scalar.shape == ()


@pytest.mark.parametrize("x", [None, [[1.0, 2.0]], "x", 3.0, (1.0,)], ids=repr)
@pytest.mark.parametrize(
    "layer",
    [nn.Linear(2, 3, rng=0), nn.Conv1d(1, 1, 1, rng=0), nn.Flatten(), nn.Dropout(),
     nn.LayerNorm(2), nn.BatchNorm1d(2), nn.MaxPool1d(2), nn.LSTMCell(2, 3, rng=0), nn.Softmax(),
     nn.Sequential(nn.Conv1d(1, 1, 1, rng=0)), nn.WeightNormWrapper(nn.Linear(2, 3, rng=0))],
    ids=lambda layer: type(layer).__name__,
)
def test_an_input_that_is_no_array_is_named(layer, x):
    with pytest.raises((TypeError, ValueError)) as caught:
        layer(x)
    text = str(caught.value)
    assert "object has no attribute" not in text, text
    assert re.search(r"input 0 is|pass an array|numbers", text), text


def test_an_input_by_name_that_is_no_array_is_named():
    with pytest.raises(TypeError, match=r"Conv1d: x=\[1.0\]; pass an array or a Tensor"):
        nn.Conv1d(1, 1, 1, rng=0)(x=[1.0])


def test_an_error_raised_by_hand_is_not_blamed_on_an_input_of_none():
    class Sets(nn.Linear):
        def forward(self, x):
            self.weight = x

    layer = Sets(2, 2, rng=0)
    WeightNorm().apply(layer)
    with pytest.raises(AttributeError, match=r"Sets.weight is computed from weight_g and"):
        layer(None)


def test_an_attribute_missing_elsewhere_is_not_blamed_on_the_input():
    class Odd(nn.Module):
        def forward(self, x):
            return self.missing(x) if isinstance(x, str) else {}.nothing

    with pytest.raises(AttributeError, match="Odd has no attribute 'missing'"):
        Odd()("x")
    with pytest.raises(AttributeError, match="'dict' object has no attribute 'nothing'"):
        Odd()(None)


@pytest.mark.parametrize("state", [None, [1, 2], "file.npz", 3], ids=repr)
def test_a_state_is_a_mapping_of_names(state):
    net = Net()
    with pytest.raises(TypeError, match=r"state=.*; pass the names and arrays of a state_dict"):
        net.load_state_dict(state)


def test_a_state_may_have_names_that_are_no_words():
    with pytest.raises(KeyError, match="unexpected 1"):
        Net().load_state_dict({1: np.ones(2)})


@pytest.mark.parametrize("value", [None, "x", ..., ["a"], [[1], [1, 2]]], ids=repr)
def test_a_state_holds_arrays(value):
    net = Net()
    before = arrays(net)
    with pytest.raises(ValueError, match=r"shift: (cannot load|shape)"):
        net.load_state_dict({"shift": value}, strict=False)
    assert same(arrays(net), before)


@pytest.mark.parametrize("where", [None, 3, "float33", ..., "gpu"], ids=repr)
def test_to_nowhere_is_refused(where):
    net = Net()
    with pytest.raises(
        TypeError, match=r"to\(.*\): .* choose a float dtype, or a device|is no dtype"
    ):
        net.to(where)
    assert net.last.weight.dtype == "float32"


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
    assert square._time < before._time
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
}


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
    ])


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


# ---- places that are empty, and holders ---------------------------------------------------------


@pytest.mark.parametrize("value", [np.zeros(3, "f4"), tensor(np.zeros(3, "f4"), True), 0.0])
def test_an_empty_place_takes_a_parameter_or_none(value):
    layer = nn.Linear(2, 3, bias=False)
    emptied = nn.Linear(2, 3)
    emptied.bias = None
    for given in (layer, emptied, nn.Conv1d(2, 3, 1, bias=False)):
        with pytest.raises(TypeError, match=r"bias is a Parameter, got .*Parameter\(array\)"):
            given.bias = value
        given.bias = None
        given.bias = nn.Parameter(np.zeros(3, "f4"))
        assert "bias" in dict(given.named_parameters())


def test_a_list_or_dict_of_parameters_gives_way_to_parameters_only():
    net = nn.Module()
    net.ws = [nn.Parameter(np.ones(2)), nn.Parameter(np.ones(3))]
    net.parts = {"a": nn.Parameter(np.ones(2))}
    with pytest.raises(TypeError, match=r"ws\.0 is a Parameter, got a float64 Tensor of shape"):
        net.ws = [w * 2 for w in net.ws]
    with pytest.raises(TypeError, match=r"parts\.a is a Parameter"):
        net.parts = {"a": np.ones(2)}
    assert len(list(net.parameters())) == 3
    net.ws = [nn.Parameter(np.ones(4))]  # shorter, and no place is taken by anything else
    assert names(net) == ["ws.0", "parts.a"]


@pytest.mark.parametrize(("dtype", "number"), [("int64", 1.5), ("int64", np.nan), ("int8", 300)])
def test_loading_loses_no_number_of_a_buffer_of_integers(dtype, number):
    net = nn.Module()
    net.n = nn.Buffer(np.array([7], dtype))
    with pytest.raises(ValueError, match=r"n: numbers up to .* are not all int"):
        net.load_state_dict({"n": np.array([number])})
    assert net.n.data[0] == 7
    net.load_state_dict({"n": np.array([5.0])})
    assert net.n.data[0] == 5


def test_loading_two_numbers_into_one_tied_parameter_is_refused():
    net = nn.Sequential(nn.Linear(2, 2, bias=False, rng=0), nn.Linear(2, 2, bias=False, rng=1))
    net[1].weight = net[0].weight
    before, five = net[0].weight.data, np.full((2, 2), 5.0, "f4")
    with pytest.raises(ValueError, match=r"1\.weight and 0\.weight are one parameter here"):
        net.load_state_dict({"0.weight": five, "1.weight": five + 1})
    assert net[0].weight.data is before
    net.load_state_dict({"0.weight": five, "1.weight": five})
    np.testing.assert_array_equal(net[1].weight.data, five)


def test_an_error_inside_a_property_is_its_own():
    class Net(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 3, rng=0)

        @property
        def kernel(self):
            return self.inner.missing

        def forward(self, x):
            return x @ self.kernel

    with pytest.raises(AttributeError, match="Linear has no attribute 'missing'"):
        Net()(np.ones((1, 2), "f4"))
