"""Optimisers against PyTorch's, what they leave alone, what they save, and what they refuse."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from minwn import WeightNorm, nn, tensor
from minwn.optim import SGD, Adam, Adamax

OPTIONS: list[tuple[Any, dict[str, Any]]] = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.2}),
    (SGD, {"lr": 0.1, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1}),
    (Adam, {}),
    (Adam, {"lr": 0.05, "betas": (0.6, 0.9), "eps": 0.1, "weight_decay": 0.3}),
    (Adam, {"lr": 0.05, "betas": (0.0, 0.5)}),
    (Adamax, {}),
    (Adamax, {"lr": 0.05, "betas": (0.6, 0.9), "eps": 0.1, "weight_decay": 0.3}),
]
every_option = pytest.mark.parametrize(("kind", "options"), OPTIONS)
SHAPES = [(4, 3), (), (5,), (2, 3, 2)]


def parameters(rng: np.random.Generator, dtype: str = "float64") -> list[nn.Parameter]:
    return [nn.Parameter(np.asarray(rng.normal(size=shape)).astype(dtype)) for shape in SHAPES]


def give_gradients(params: list[nn.Parameter], rng: np.random.Generator) -> None:
    for p in params:
        p.grad = tensor(np.asarray(rng.normal(size=p.shape)).astype(p.dtype))


@every_option
def test_twenty_steps_are_those_of_torch(kind, options, rng):
    torch = pytest.importorskip("torch", reason="torch's optimisers are the measure")
    ours = parameters(rng)
    theirs = [torch.nn.Parameter(torch.tensor(p.data)) for p in ours]

    def build(make: Any, p: list[Any]) -> Any:
        return make(
            [{"params": p[:2]}, {"params": p[2:], "lr": 0.02, "weight_decay": 0.05}], **options
        )

    mine, other = build(kind, ours), build(getattr(torch.optim, kind.__name__), theirs)
    for step in range(20):
        if step == 12:
            mine.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.03
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            u = np.asarray(rng.normal(size=p.shape))
            missing = i == step % 7  # each is left out once or more
            p.grad, q.grad = (None, None) if missing else (tensor(u), torch.tensor(u))
        mine.step()
        other.step()
        for p, q in zip(ours, theirs, strict=True):
            # Twenty steps of a dozen roundings each, 1e-16 of numbers of order 1.
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-13, atol=1e-14)


@every_option
def test_a_step_makes_new_arrays_of_the_same_kind(kind, options, rng):
    for dtype in ("float32", "float64"):
        params = parameters(rng, dtype)
        params[0].data = np.asfortranarray(params[0].data)
        optimiser = kind(params, **options)
        for _ in range(2):
            give_gradients(params, rng)
            before = [
                (p.data, p.data.copy(), p.grad.data, p.grad.data.copy(), p._time) for p in params
            ]
            optimiser.step()
            for p, (old, value, bar, bar_value, time) in zip(params, before, strict=True):
                assert p.data is not old
                assert type(p.data) is np.ndarray
                assert p.dtype == dtype
                assert p.data.strides == old.strides
                assert p._time > time
                np.testing.assert_array_equal(old, value)
                np.testing.assert_array_equal(bar, bar_value)
        assert all(
            type(x) in (np.ndarray, int) for s in optimiser.state.values() for x in s.values()
        )


def test_zero_grad_forgets_and_a_step_without_gradients_does_nothing(rng):
    params = parameters(rng)
    optimiser = SGD(iter(params), lr=0.1)
    give_gradients(params, rng)
    optimiser.zero_grad()
    before = [p.data for p in params]
    optimiser.step()
    assert all(p.grad is None and p.data is old for p, old in zip(params, before, strict=True))


@every_option
@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle"])
def test_training_goes_on_where_it_was_saved(kind, options, way, rng):
    params = parameters(rng)
    optimiser = kind(params, **options)
    for _ in range(3):
        give_gradients(params, rng)
        optimiser.step()
    optimiser.param_groups[0]["lr"] = 0.07
    if way == "state_dict":
        copies = [copy.deepcopy(p) for p in params]
        other = kind(copies, **options)
        saved = optimiser.state_dict()
        other.load_state_dict(saved)
    elif way == "deepcopy":
        copies, other = copy.deepcopy((params, optimiser))
    else:
        copies, other = pickle.loads(pickle.dumps((params, optimiser)))
    for _ in range(3):
        give_gradients(params, rng)
        for p, q in zip(params, copies, strict=True):
            q.grad = p.grad
        optimiser.step()
        other.step()
    for p, q in zip(params, copies, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    if way == "state_dict" and saved["state"]:  # what was saved did not move with the steps
        again = kind([copy.deepcopy(p) for p in params], **options)
        again.load_state_dict(saved)
        assert again.state_dict()["state"].keys() == {0, 1, 2, 3}
        name = next(k for k, x in saved["state"][0].items() if not isinstance(x, int))
        assert (saved["state"][0][name] != optimiser.state[params[0]][name]).any()


def test_a_state_is_converted_to_the_dtype_of_the_parameters(rng):
    wide, narrow = parameters(rng), parameters(rng, "float32")
    optimiser, other = Adam(wide), Adam(narrow)
    give_gradients(wide, rng)
    optimiser.step()
    other.load_state_dict(optimiser.state_dict())
    assert {
        x.dtype.name for s in other.state.values() for x in s.values() if not isinstance(x, int)
    } == {"float32"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s["param_groups"].pop(), "do not match"),
        (lambda s: s["param_groups"][0]["params"].pop(), "do not match"),
        (lambda s: s["param_groups"][0].pop("eps"), "eps"),
        (lambda s: s["param_groups"][0].update(lr=-2.0), "lr=-2.0"),
        (lambda s: s["state"].update({9: s["state"].pop(0)}), "parameter 9"),
        (lambda s: s["state"][1].pop("q"), "'q'"),
        (lambda s: s["state"][0].update(m=np.zeros(7)), r"\(7,\)"),
    ],
)
def test_a_state_that_does_not_fit_is_not_loaded(spoil, said, rng):
    params = parameters(rng)
    optimiser = Adam([{"params": params[:2]}, {"params": params[2:]}])
    give_gradients(params, rng)
    optimiser.step()
    saved = optimiser.state_dict()
    give_gradients(params, rng)
    optimiser.step()
    now, state = copy.deepcopy(optimiser.state_dict()), copy.deepcopy(saved)
    spoil(state)
    with pytest.raises(ValueError, match=said):
        optimiser.load_state_dict(state)
    assert repr(optimiser.state_dict()) == repr(now)


W = nn.Parameter(np.zeros((2, 3), "float32"))
MISTAKES: list[tuple[Any, type[Exception], str]] = [
    (lambda: SGD([], lr=0.1), ValueError, "SGD got no parameters"),
    (lambda: SGD([W, W], lr=0.1), ValueError, r"parameter 1, of shape \(2, 3\), was given twice"),
    (lambda: SGD([{"params": [W]}, {"params": [W]}], lr=0.1), ValueError, "twice"),
    (lambda: SGD(W, lr=0.1), TypeError, "Parameter; pass module.parameters"),
    (lambda: SGD(nn.Linear(2, 3), lr=0.1), TypeError, "Linear; pass module.parameters"),
    (lambda: SGD([np.zeros(3)], lr=0.1), TypeError, "item 0 is a ndarray"),
    (lambda: SGD([W * 2], lr=0.1), ValueError, r"item 0, of shape \(2, 3\), was computed"),
    (lambda: SGD([W, {"params": []}], lr=0.1), TypeError, "mixes"),
    (lambda: SGD([{"params": [W], "rate": 1}], lr=0.1), ValueError, "'rate'"),
    (lambda: SGD([{"lr": 1.0}], lr=0.1), ValueError, "'params'"),
    (lambda: SGD([{"params": [W], "lr": -1.0}], lr=0.1), ValueError, "lr=-1.0"),
    (lambda: SGD([W], lr=float("nan")), ValueError, "lr=nan"),
    (lambda: SGD([W], lr=float("inf")), ValueError, "lr=inf"),
    (lambda: SGD([W], lr="0.1"), ValueError, "lr='0.1'"),
    (lambda: SGD([W], lr=0.1, momentum=-0.5), ValueError, "momentum=-0.5"),
    (lambda: SGD([W], lr=0.1, weight_decay=-1), ValueError, "weight_decay=-1"),
    (lambda: SGD([W], lr=0.1, dampening=float("nan")), ValueError, "dampening=nan"),
    (lambda: SGD([W], lr=0.1, nesterov=True), ValueError, "nesterov needs momentum > 0"),
    (
        lambda: SGD([W], lr=0.1, nesterov=True, momentum=0.9, dampening=0.1),
        ValueError,
        "dampening=0.1",
    ),
    (lambda: Adam([W], betas=(0.9, 1.0)), ValueError, r"betas=\(0.9, 1.0\)"),
    (lambda: Adam([W], betas=0.9), ValueError, "betas=0.9"),
    (lambda: Adam([W], betas=(0.9,)), ValueError, r"betas=\(0.9,\)"),
    (lambda: Adam([W], eps=-1e-8), ValueError, "eps=-1e-08"),
    (lambda: Adamax([W], lr=None), ValueError, "lr=None"),
]


@pytest.mark.parametrize("index", range(len(MISTAKES)))
def test_a_mistake_is_answered_with_its_values(index):
    make, error, said = MISTAKES[index]
    with pytest.raises(error, match=said):
        make()


def test_a_gradient_of_another_dtype_updates_nothing(rng):
    params = parameters(rng, "float32")
    optimiser = SGD(params, lr=0.1)
    give_gradients(params, rng)
    params[-1].grad = tensor(rng.normal(size=params[-1].shape))
    before = [p.data for p in params]
    with pytest.raises(TypeError, match="float64 for a parameter of float32"):
        optimiser.step()
    assert all(p.data is old for p, old in zip(params, before, strict=True))


def test_a_weight_that_was_normalised_afterwards_is_noticed(rng):
    layer = nn.Linear(3, 2, rng=rng)
    optimiser, norm = SGD(layer.parameters(), lr=0.1), WeightNorm()
    norm.apply(layer)
    layer(tensor(rng.normal(size=(4, 3)).astype("float32"))).sum().backward()
    bias = layer.bias.data
    with pytest.raises(RuntimeError, match=r"\(2, 3\) was replaced by WeightNorm"):
        optimiser.step()
    assert layer.bias.data is bias
    SGD(layer.parameters(), lr=0.1).step()
    assert layer.bias.data is not bias


def _after_apply(rng, norm, layer):
    norm.apply(layer)


def _after_remove(rng, norm, layer):
    norm.remove(layer)


REPLACED = {  # what is done before the optimiser is made, which parameters it has, and what is then
    "apply": (None, lambda n: n.parameters(), _after_apply),
    "apply, in groups": (
        None, lambda n: [{"params": [n.bias]}, {"params": [n.weight], "lr": 0.5}], _after_apply,
    ),
    "remove": (_after_apply, lambda n: n.parameters(), _after_remove),
    "remove, g alone": (_after_apply, lambda n: [n.weight_g], _after_remove),
    "remove, v alone": (_after_apply, lambda n: [n.weight_v], _after_remove),
    "remove and apply": (
        _after_apply, lambda n: n.parameters(),
        lambda rng, norm, layer: norm.apply(norm.remove(layer)),
    ),
    "another name": (
        None, lambda n: n.parameters(), lambda rng, norm, layer: norm.apply(layer, "bias"),
    ),
    "exponential": (
        None, lambda n: n.parameters(),
        lambda rng, norm, layer: nn.ExponentialWeightNorm().apply(layer),
    ),
}  # fmt: skip


@pytest.mark.parametrize("held", ["no gradients", "gradients", "gradients since", "frozen"])
@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("make", [SGD, Adam], ids=lambda make: make.__name__)
def test_an_optimiser_made_before_what_replaced_its_parameters(make, name, held, rng):
    before, choose, after = REPLACED[name]
    layer, norm = nn.Linear(3, 2, rng=rng), WeightNorm()
    if before is not None:
        before(rng, norm, layer)
    if held == "frozen":
        for parameter in layer.parameters():
            parameter.requires_grad = False
    optimiser = make(choose(layer), lr=0.1)
    own = [p for group in optimiser.param_groups for p in group["params"]]

    def give():
        for parameter in own:
            parameter.grad = tensor(np.ones(parameter.shape, "float32"))

    if held == "gradients":
        give()
    after(rng, norm, layer)
    if held == "gradients since":
        give()
    data = [parameter.data for parameter in own]
    with pytest.raises(RuntimeError, match=r"was replaced by WeightNorm.apply\(\) or remove\(\)"):
        optimiser.step()
    assert all(p.data is old for p, old in zip(own, data, strict=True))
    make(layer.parameters(), lr=0.1).step()


def test_a_tie_half_applied(rng):
    """One of two layers that share a weight is normalised; the other trains it as it is."""
    norm, one, two = WeightNorm(), nn.Linear(3, 2, rng=rng), nn.Linear(3, 2, rng=rng)
    two.weight = one.weight
    both = nn.Sequential(one, two)
    early = SGD(both.parameters(), lr=0.1)
    norm.apply(one)
    between = SGD(both.parameters(), lr=0.1)  # has the weight of two, and g and v of one
    for parameter in both.parameters():
        parameter.grad = tensor(np.zeros(parameter.shape, "float32"))
    with pytest.raises(RuntimeError, match="was replaced"):
        early.step()
    two.weight.grad = None
    between.step()
    two.weight = nn.Parameter(two.weight.data)
    norm.apply(two)
    three, four = nn.Linear(3, 2, rng=rng), nn.Linear(3, 2, rng=rng)
    four.weight = three.weight
    norm.apply(three)
    between = SGD([four.weight], lr=0.1)
    norm.apply(four)
    with pytest.raises(RuntimeError, match="was replaced"):
        between.step()
    assert four.weight_g is three.weight_g
    norm.remove(three)
    between = SGD([four.weight_g], lr=0.1)
    norm.remove(four)
    with pytest.raises(RuntimeError, match="was replaced"):
        between.step()
    SGD(four.parameters(), lr=0.1).step()


def test_a_copy_of_an_optimiser_goes_on(rng):
    layer = nn.Linear(3, 2, rng=rng)
    WeightNorm().apply(layer)
    layer, optimiser = copy.deepcopy((layer, SGD(layer.parameters(), lr=0.1)))
    layer(tensor(np.ones((1, 3), "float32"))).sum().backward()
    before = layer.weight_v.data
    optimiser.step()
    assert layer.weight_v.data is not before
