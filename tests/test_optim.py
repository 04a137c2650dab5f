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


@pytest.mark.slow
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


# ---- options ------------------------------------------------------------------------------------

NUMBERS = [np.float64, np.float32, np.float16, lambda x: np.linspace(x, x + 1, 3)[0]]


@every_option
@pytest.mark.parametrize("kind_of_number", NUMBERS)
@pytest.mark.parametrize("later", [False, True])
def test_a_scalar_of_numpy_is_as_weak_as_a_number(kind, options, kind_of_number, later, rng):
    """The same steps as with the Python number that it is, in the same dtype."""
    options = {"lr": 1e-3, **options}
    scalars: dict[str, Any] = {
        k: tuple(map(kind_of_number, x)) if k == "betas" else x if x is True else kind_of_number(x)
        for k, x in options.items()
    }
    plain: dict[str, Any] = {
        k: tuple(map(float, x)) if k == "betas" else x if x is True else float(x)
        for k, x in scalars.items()
    }
    given, same = parameters(rng, "float32"), []
    same = [copy.deepcopy(p) for p in given]
    one = kind(given, **options) if later else kind(given, **scalars)
    other = kind(same, **plain)
    if later:
        one.param_groups[0].update(scalars)
    for _ in range(3):
        give_gradients(given, rng)
        for p, q in zip(given, same, strict=True):
            q.grad = p.grad
        one.step()
        other.step()
        for p, q in zip(given, same, strict=True):
            np.testing.assert_array_equal(p.data, q.data, strict=True)
    assert {k: x for k, x in one.param_groups[0].items() if k != "params"} == {
        k: x for k, x in other.param_groups[0].items() if k != "params"
    }


def test_whole_numbers_of_numpy_are_numbers():
    p = nn.Parameter(np.ones(2, "float32"))
    p.grad = tensor(np.ones(2, "float32"))
    SGD([p], lr=np.int64(1), momentum=np.int64(1)).step()
    np.testing.assert_array_equal(p.data, np.zeros(2, "float32"), strict=True)


@pytest.mark.parametrize(
    "betas",
    [(0.5, 0.25), [0.5, 0.25], np.array([0.5, 0.25]), np.array([0.5, 0.25], "float32")],
)
def test_betas_are_any_two_numbers(betas):
    assert Adam([W], betas=betas).param_groups[0]["betas"] == (0.5, 0.25)
    later = Adam([nn.Parameter(np.ones(2))])
    later.param_groups[0]["betas"] = betas
    later.step()
    assert later.param_groups[0]["betas"] == (0.5, 0.25)


BAD_LATER: list[tuple[Any, str, Any, str]] = [
    (SGD, "lr", (1, 2, 3), r"lr=\(1, 2, 3\); give a finite number >= 0"),
    (SGD, "lr", None, "lr=None"),
    (SGD, "lr", "0.1", "lr='0.1'"),
    (SGD, "lr", True, "lr=True"),
    (SGD, "lr", np.array([0.1]), r"lr=a float64 ndarray of shape \(1,\)"),
    (SGD, "lr", float("nan"), "lr=nan"),
    (SGD, "momentum", -1.0, "momentum=-1.0"),
    (SGD, "nesterov", "yes", "nesterov='yes'; give True or False"),
    (SGD, "dampening", float("inf"), "dampening=inf"),
    (Adam, "betas", 0.9, "betas=0.9; give two numbers"),
    (Adam, "betas", (0.9, 1.0), r"betas=\(0.9, 1.0\)"),
    (Adam, "betas", (0.9, 0.99, 0.999), r"betas=\(0.9, 0.99, 0.999\)"),
    (Adam, "betas", np.zeros((2, 2)), r"betas=a float64 ndarray of shape \(2, 2\)"),
    (Adamax, "eps", [1e-8], r"eps=\[1e-08\]"),
    (Adamax, "weight_decay", np.float64(-1), "weight_decay="),
]


@pytest.mark.parametrize("index", range(len(BAD_LATER)))
def test_a_bad_option_is_refused_where_it_is_given_and_where_it_is_set(index, rng):
    kind, name, value, said = BAD_LATER[index]
    with pytest.raises(ValueError, match=said):
        kind([W], **{"lr": 0.1, name: value})
    params = parameters(rng)
    optimiser = kind([{"params": params[:2]}, {"params": params[2:]}], lr=0.1)
    give_gradients(params, rng)
    optimiser.step()
    before, state = [p.data for p in params], copy.deepcopy(optimiser.state_dict()["state"])
    optimiser.param_groups[1][name] = value
    for _ in range(2):  # and again
        with pytest.raises(ValueError, match=said):
            optimiser.step()
        assert all(p.data is old for p, old in zip(params, before, strict=True))
        assert repr(optimiser.state_dict()["state"]) == repr(state)
    optimiser.param_groups[1][name] = optimiser.param_groups[0][name]
    optimiser.step()
    assert not any(p.data is old for p, old in zip(params, before, strict=True))


def test_an_option_that_was_taken_away_is_missed():
    optimiser = SGD([nn.Parameter(np.ones(2))], lr=0.1)
    del optimiser.param_groups[0]["momentum"]
    with pytest.raises(ValueError, match="a group lacks momentum"):
        optimiser.step()


@every_option
def test_a_gradient_that_does_not_fit_updates_nothing(kind, options, rng):
    params = parameters(rng, "float32")
    optimiser = kind(params, **{"lr": 0.1, **options})
    give_gradients(params, rng)
    optimiser.step()
    before, state = [p.data for p in params], copy.deepcopy(optimiser.state_dict()["state"])
    give_gradients(params, rng)
    params[-1].grad = tensor(np.ones((2, 3, 2)))
    with pytest.raises(ValueError, match=r"grad of shape \(2, 3\) for a Tensor of shape"):
        params[-1].grad = tensor(np.ones((2, 3), "float32"))
    with pytest.raises(TypeError, match=r"a gradient of float64 for a parameter of float32"):
        optimiser.step()
    assert all(p.data is old for p, old in zip(params, before, strict=True))
    assert repr(optimiser.state_dict()["state"]) == repr(state)


# ---- small betas, and dtypes --------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 1e-3, 0.1])
def test_a_large_gradient_is_forgotten_as_fast_as_beta_says(beta):
    """m of two gradients, 1e6 and 1e-3, is beta (1 - beta) 1e6 + (1 - beta) 1e-3: no digits of the
    second are lost beside the first."""
    p = nn.Parameter(np.zeros(1, "float32"))
    optimiser = Adamax([p], lr=1.0, eps=1e-3, betas=(beta, 0.0))
    for grad in (1e6, 1e-3):
        p.grad, before = tensor(np.array([grad], "float32")), p.data.copy()
        optimiser.step()
    m = beta * (1 - beta) * 1e6 + (1 - beta) * 1e-3
    np.testing.assert_allclose(optimiser.state[p]["m"], [m], rtol=4 * 2.0**-24)
    step = m / ((1e-3 + 1e-3) * (1 - beta**2))
    np.testing.assert_allclose(p.data - before, [-step], rtol=1e-6)
    if beta == 0:
        assert p.data - before == pytest.approx(-0.5, rel=1e-6)


@pytest.mark.parametrize(("kind", "size"), [(Adam, 1e-3), (Adamax, 2e-3)])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("grad", [1e-4, 1e-7, 300.0])
def test_the_first_step_in_sixteen_bits_is_the_rate(kind, size, dtype, grad):
    """lr g / (|g| + eps), with g as rounded, whatever the size of g: eps is no 0."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    p = tensor(np.zeros(3), dtype=dtype, requires_grad=True)
    p.grad = tensor(np.array([grad, -grad, 0.0]), dtype=dtype)
    g = p.grad.data[0].astype("float64")
    kind([p]).step()
    assert p.dtype == dtype
    right = size * g / (g + 1e-8)
    np.testing.assert_allclose(p.data.astype("float64"), [-right, right, 0], rtol=2.0**-8)


@every_option
def test_a_saved_state_of_sixteen_bits_is_float32_and_an_older_one_is_taken(kind, options, rng):
    params = parameters(rng, "float16")
    optimiser = kind(params, **options)
    give_gradients(params, rng)
    optimiser.step()
    saved = optimiser.state_dict()
    arrays = lambda s: [  # noqa: E731
        x for values in s["state"].values() for x in values.values() if not isinstance(x, int)
    ]
    assert {x.dtype.name for x in arrays(saved)} <= {"float32"}
    other = kind(params, **options)
    other.load_state_dict(saved)
    for x, y in zip(arrays(saved), arrays(other.state_dict()), strict=True):
        np.testing.assert_array_equal(x, y, strict=True)
    for values in saved["state"].values():  # as it was saved before: in 16 bits
        values.update({k: x if isinstance(x, int) else x.astype("f2") for k, x in values.items()})
    other.load_state_dict(saved)
    for x, y in zip(arrays(saved), arrays(other.state_dict()), strict=True):
        np.testing.assert_array_equal(x.astype("f4"), y, strict=True)


@every_option
@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [("float32", "float64", "float64"), ("float64", "float32", "float32"),
     ("float32", "float16", "float32"), ("float16", "float64", "float64")],
)
def test_the_state_follows_a_module_to_another_dtype(kind, options, before, after, kept, rng):
    """As for an optimiser made afterwards that has loaded the state."""
    layer = nn.Linear(3, 2, rng=rng).to(before)
    optimiser = kind(layer.parameters(), **options)

    def step(optimiser: Any, layer: Any) -> None:
        seeded = np.random.default_rng(3)
        for p in layer.parameters():
            p.grad = tensor(seeded.normal(size=p.shape).astype(p.dtype))
        optimiser.step()

    step(optimiser, layer)
    layer.to(after)
    twin = copy.deepcopy(layer)
    other = kind(twin.parameters(), **options)
    other.load_state_dict(optimiser.state_dict())
    for _ in range(2):
        step(optimiser, layer)
        step(other, twin)
    for p, q in zip(layer.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data, strict=True)
        assert p.dtype == after
        state = optimiser.state[p].values()
        assert {x.dtype.name for x in state if not isinstance(x, int)} <= {kept}


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
}


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
