"""Every layer and loss that PyTorch has too: values, gradients of all inputs and parameters, second
order, running statistics, and the same under WeightNorm. One table of layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import WeightNorm, nn, tensor

torch = pytest.importorskip("torch", reason="torch is the other implementation here")


def assert_close(found: Any, expected: Any) -> None:
    """Equal to 1e-12 of the largest entry: float64 sums of up to a few hundred products of numbers
    of order 1, rounded in another order. A wrong term shows at 1e-3 or above."""
    found = found.data if isinstance(found, minwn.Tensor) else found
    expected = expected.detach().numpy()
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)


# torch copies the input where "same" pads unevenly, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


# ---- the table ----------------------------------------------------------------------------------


class Layer(NamedTuple):
    ours: Callable[[], nn.Module]
    theirs: Callable[[], Any]
    shape: tuple[int, ...]

    def build(self, rng: np.random.Generator) -> tuple[nn.Module, Any, np.ndarray]:
        """Both layers with one random state, and an input without ties.

        Parameters are at least 0.5 from zero, for at a tiny v the gradients lose their digits.
        """
        ours, theirs = self.ours(), self.theirs().double()
        state = {
            name: rng.uniform(0.5, 1.5, x.shape)
            * (1 if "var" in name else rng.choice([-1, 1], x.shape))
            for name, x in ours.state_dict().items()
        }
        ours.load_state_dict(state)
        theirs.load_state_dict({n: torch.tensor(x) for n, x in state.items()}, strict=False)
        return ours, theirs, rng.normal(size=self.shape)


class MeanOnly(torch.nn.Module):
    """Eq. 7 of the paper in torch's words, with the running mean of its BatchNorm."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))

    def forward(self, x: Any) -> Any:
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes) if self.training else self.running_mean
        if self.training:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
        along = (-1,) + (1,) * (x.ndim - 2)
        return x - mean.reshape(along) + self.bias.reshape(along)


class Over(torch.nn.Module):
    """A function of everything after the channels."""

    def __init__(self, f: Callable[..., Any]) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Any) -> Any:
        return self.f(x, tuple(range(2, x.ndim)))


def layer(name: str, shape: Sequence[int], *args: Any, **options: Any) -> Layer:
    """The layer of this name in both libraries, with the same arguments."""
    return Layer(
        lambda: getattr(nn, name)(*args, **options).to("float64"),
        lambda: getattr(torch.nn, name)(*args, **options),
        tuple(shape),
    )


WEIGHTED = [
    layer("Linear", (3, 4), 4, 5),
    layer("Linear", (2, 3, 4), 4, 5, bias=False),
    layer("Linear", (4,), 4, 2),
    layer("Conv1d", (2, 3, 9), 3, 4, 3),
    layer("Conv1d", (2, 4, 9), 4, 6, 2, stride=2, padding=1, dilation=3, groups=2),
    layer("Conv1d", (2, 3, 8), 3, 2, 4, padding="same"),
    layer("Conv1d", (2, 3, 8), 3, 2, 4, padding="valid", bias=False),
    layer("Conv2d", (2, 3, 7, 6), 3, 4, 3),
    layer("Conv2d", (2, 4, 7, 6), 4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2),
    layer("Conv2d", (2, 3, 7, 6), 3, 6, (2, 4), padding="same", dilation=(2, 1), groups=3),
    layer("Conv2d", (1, 4, 5, 5), 4, 4, 1, bias=False),
    layer("Conv2d", (2, 3, 5, 4), 3, 2, (5, 4)),
    layer("Conv3d", (2, 2, 5, 4, 6), 2, 3, (2, 3, 1), stride=(1, 2, 2), padding=(1, 1, 0)),
    layer("Conv3d", (1, 4, 4, 5, 4), 4, 2, 2, padding="same", groups=2),
    layer("Conv1d", (2, 3, 5), 3, 2, 3, padding=4, padding_mode="reflect"),
    layer("Conv1d", (2, 3, 5), 3, 2, 4, padding="same", padding_mode="circular"),
    layer("Conv2d", (2, 3, 5, 6), 3, 2, 3, 2, (2, 1), padding_mode="circular"),
    layer("Conv2d", (2, 4, 5, 6), 4, 2, 3, 1, (4, 1), 2, 2, False, "replicate"),
    layer("Conv2d", (2, 3, 5, 6), 3, 2, (3, 2), padding="same", padding_mode="reflect"),
    layer("Conv2d", (1, 2, 4, 4), 2, 2, 3, padding="valid", padding_mode="reflect"),
    layer("Conv3d", (2, 2, 3, 4, 3), 2, 3, 2, padding=(1, 0, 2), padding_mode="circular"),
    layer("ConvTranspose1d", (2, 3, 5), 3, 4, 3),
    layer("ConvTranspose1d", (2, 4, 5), 4, 6, 4, 3, 2, 2, 2, False, 2),
    layer("ConvTranspose2d", (2, 4, 4, 3), 4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2),
    layer("ConvTranspose2d", (1, 3, 4, 4), 3, 2, 3, 2, 1, 1, dilation=2),
    layer("ConvTranspose3d", (2, 2, 3, 2, 3), 2, 3, (2, 3, 2), stride=2, output_padding=(1, 0, 1)),
    layer("BatchNorm1d", (6, 3), 3),
    layer("BatchNorm1d", (4, 3, 5), 3, eps=0.3, momentum=0.7),
    layer("BatchNorm2d", (3, 2, 4, 3), 2, eps=0.05),
    layer("BatchNorm3d", (2, 3, 2, 3, 2), 3),
    layer("LayerNorm", (3, 5), 5),
    layer("LayerNorm", (3, 2, 4), (2, 4), eps=0.2),
    layer("LayerNorm", (2, 3, 2, 4), [2, 4], bias=False),
]
OTHERS = [
    layer("BatchNorm1d", (4, 3, 5), 3, affine=False, eps=0.1),
    layer("LayerNorm", (3, 2, 4), 4, elementwise_affine=False),
    Layer(lambda: nn.MeanOnlyBatchNorm(3, dtype="float64"), lambda: MeanOnly(3), (5, 3)),
    Layer(lambda: nn.MeanOnlyBatchNorm(2, dtype="float64"), lambda: MeanOnly(2), (3, 2, 4, 3)),
    layer("ReLU", (3, 4)),
    layer("LeakyReLU", (3, 4), 0.2),
    layer("LeakyReLU", (3, 4)),
    layer("ELU", (3, 4), 0.7),
    layer("GELU", (3, 4)),
    layer("GELU", (3, 4), approximate="tanh"),
    layer("Softplus", (3, 4)),
    layer("Sigmoid", (3, 4)),
    layer("Tanh", (3, 4)),
    Layer(nn.Softmax, lambda: torch.nn.Softmax(-1), (3, 4)),
    Layer(lambda: nn.Softmax(1), lambda: torch.nn.Softmax(1), (2, 3, 4)),
    layer("Flatten", (2, 3, 4, 2)),
    layer("Flatten", (2, 3, 4, 2), start_dim=2),
    layer("Flatten", (2, 3, 4, 2), -2),
    *(
        layer(f"{kind}Pool{d}d", (2, 3, 7, 6, 5)[: 2 + d], *args)
        for kind in ("Max", "Avg")
        for d, args in [
            (1, (2,)),
            (1, (3, 2, 1)),
            (2, (2,)),
            (2, (3, 1)),
            (2, ((4, 3), (2, 3), (2, 1))),
            (3, ((2, 3, 2), 2, (0, 1, 1))),
        ]
    ),
    layer("MaxPool1d", (2, 3, 7), 3, 2, 1, 2),
    layer("MaxPool2d", (2, 3, 7, 6), (2, 3), 2, 1, (3, 1), ceil_mode=True),
    layer("MaxPool3d", (2, 3, 6, 5, 5), 2, (2, 3, 1), (0, 1, 1), (1, 1, 2), ceil_mode=True),
    layer("AvgPool1d", (2, 3, 7), 2, ceil_mode=True),
    layer("AvgPool2d", (2, 3, 7, 6), (3, 2), 2, 1, ceil_mode=True),
    layer("AvgPool2d", (2, 3, 7, 6), 3, 2, 1, True, False),
    layer("AvgPool3d", (2, 3, 6, 5, 4), 3, 2, (1, 1, 0), count_include_pad=False),
    Layer(nn.GlobalAvgPool, lambda: Over(torch.mean), (2, 3, 4)),
    Layer(nn.GlobalMaxPool, lambda: Over(torch.amax), (2, 3, 4, 2)),
    layer("Dropout", (3, 4), 0.0),
]


def named(layers: list[Layer]) -> Any:
    return pytest.mark.parametrize(
        "case", layers, ids=[f"{i}-{type(x.ours()).__name__}" for i, x in enumerate(layers)]
    )


# ---- layers -------------------------------------------------------------------------------------


def derivatives(y: Any, inputs: Sequence[Any], seed: int, lib: Any) -> list[Any]:
    """y, its gradients by all inputs for a random cotangent, and the gradients of a random
    combination of those. `lib` holds how one library spells it."""
    rng = np.random.default_rng(seed)
    first = lib.grad(y, inputs, lib.array(rng.normal(size=tuple(y.shape))), create_graph=True)
    total = sum((x_bar * lib.array(rng.normal(size=tuple(x_bar.shape)))).sum() for x_bar in first)
    answers = [y, *first]
    if total.requires_grad:
        second = lib.grad(total, inputs, None, allow_unused=True)
        answers += [0.0 * x if bar is None else bar for x, bar in zip(inputs, second, strict=True)]
    return answers


class Ours:
    array = staticmethod(lambda x: x)
    grad = staticmethod(minwn.grad)


class Theirs:
    array = staticmethod(torch.tensor)
    grad = staticmethod(torch.autograd.grad)


def assert_same_derivatives(y: Any, inputs: Sequence[Any], z: Any, others: Sequence[Any]) -> None:
    found, expected = derivatives(y, inputs, 1, Ours), derivatives(z, others, 1, Theirs)
    # Where one library knows that the second order is zero and the other computes the zeros.
    short, long = sorted((found, expected), key=len)
    assert all(not bool((x != 0).data.any()) for x in long[len(short) :])
    for a, b in zip(found, expected, strict=False):
        assert_close(a, b)


@pytest.mark.parametrize("training", [True, False])
@named(WEIGHTED + OTHERS)
def test_layer(case, training, rng):
    ours, theirs, x = case.build(rng)
    ours.train(training), theirs.train(training)
    mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(mine), theirs(other)
    assert_same_derivatives(y, [mine, *ours.parameters()], z, [other, *theirs.parameters()])
    after = theirs.state_dict()
    for name, array in ours.state_dict().items():
        assert_close(array, after[name])


@named(WEIGHTED)
def test_the_names_and_first_values_are_drawn_as_torch_draws_them(case):
    ours, theirs = case.ours(), case.theirs().double()
    expected = {n: x for n, x in theirs.state_dict().items() if n != "num_batches_tracked"}
    assert {n: x.shape for n, x in ours.state_dict().items()} == {
        n: tuple(x.shape) for n, x in expected.items()
    }
    if "Norm" in type(ours).__name__:
        for name, x in ours.state_dict().items():
            assert_close(x, expected[name])
        return
    fan_in = np.prod(ours.weight.shape[1:])
    for parameter in ours.parameters():
        assert np.abs(parameter.data).max() <= fan_in**-0.5
    big = np.concatenate(
        [case.ours().weight.data.ravel() for _ in range(2000 // ours.weight.size + 1)]
    )
    # The largest of 2000 draws from U(0, b) falls below 0.99 b once in 5e8 runs.
    assert np.abs(big).max() >= 0.99 * fan_in**-0.5


# ---- layers under WeightNorm --------------------------------------------------------------------

DIMS = [0, 1, -1, None, "output", (0, 1), (0, -1)]


def torch_weight(v: Any, g: Any) -> Any:
    """g v / ||v|| for g of v's rank, or 0-d."""
    axes = [a for a in range(v.ndim) if g.ndim == 0 or g.shape[a] != v.shape[a]]
    return g * v / (v**2).sum(axes, keepdim=bool(g.ndim)).sqrt() if axes else g * v / v.abs()


@pytest.mark.parametrize("dim", DIMS, ids=str)
@named(WEIGHTED)
def test_layer_with_weight_norm(case, dim, rng):
    ours, theirs, x = case.build(rng)
    rank = ours.weight.ndim
    axis = getattr(ours, "output_axis", None) if dim == "output" else dim
    if (dim == "output" and axis is None) or any(
        not -rank <= a < rank for a in (axis if isinstance(axis, tuple) else (axis or 0,))
    ):
        with pytest.raises((IndexError, ValueError), match="dim"):
            WeightNorm("weight", dim).apply(ours)
        return
    norm = WeightNorm("weight", dim)
    names = [name for name, _ in ours.named_parameters()]
    norm.apply(ours)
    assert [n for n, _ in ours.named_parameters()] == ["weight_g", "weight_v", *names[1:]]
    ours.weight_g.data = rng.normal(size=ours.weight_g.shape)  # another than ||v||, and signed
    norm.recompute(ours)

    mine = tensor(x, requires_grad=True)
    parts = {n: torch.tensor(p.data, requires_grad=True) for n, p in ours.named_parameters()}
    rest = {n: p for n, p in parts.items() if not n.startswith("weight")}
    other = torch.tensor(x, requires_grad=True)
    weight = torch_weight(parts["weight_v"], parts["weight_g"])
    z = torch.func.functional_call(theirs, {"weight": weight, **rest}, (other,))
    y = ours(mine)
    assert_same_derivatives(y, [mine, *ours.parameters()], z, [other, *parts.values()])

    if axis is None or (isinstance(axis, int) and axis >= 0):  # torch's own has the same
        _, theirs, _ = case.build(rng)
        torch.nn.utils.parametrizations.weight_norm(theirs, "weight", axis)
        theirs.parametrizations.weight.original0.data = parts["weight_g"].detach()
        theirs.parametrizations.weight.original1.data = parts["weight_v"].detach()
        theirs.load_state_dict({n: p.detach() for n, p in rest.items()}, strict=False)
        g_v = [theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1]
        others = [*g_v, *(p for n, p in theirs.named_parameters() if "parametrizations" not in n)]
        norm.recompute(ours)
        u = rng.normal(size=y.shape)
        z = theirs(torch.tensor(x))
        found = minwn.grad(ours(x), list(ours.parameters()), u)
        for a, b in zip(found, torch.autograd.grad(z, others, torch.tensor(u)), strict=True):
            assert_close(a, b)


# ---- losses -------------------------------------------------------------------------------------

F = torch.nn.functional
LABELS = np.array([0, 3, 2, 3, 1])


def distributions(rng: np.random.Generator) -> np.ndarray:
    p = rng.random((5, 4))
    return p / p.sum(axis=1, keepdims=True)


LOSSES = {
    "labels": (nn.cross_entropy, F.cross_entropy, (5, 4), lambda rng: LABELS),
    "distributions": (nn.cross_entropy, F.cross_entropy, (5, 4), distributions),
    "pixels": (
        nn.cross_entropy,
        F.cross_entropy,
        (2, 4, 3, 2),
        lambda rng: rng.integers(0, 4, (2, 3, 2)),
    ),
    "mse": (nn.mse_loss, F.mse_loss, (3, 4), lambda rng: rng.normal(size=(3, 4))),
    "bce": (
        nn.bce_with_logits,
        F.binary_cross_entropy_with_logits,
        (3, 4),
        lambda rng: rng.random((3, 4)),
    ),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, reduction, rng):
    ours, theirs, shape, draw = LOSSES[name]
    x, targets = rng.normal(size=shape) * 3, draw(rng)
    mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss = ours(mine, targets, reduction)
    expected = theirs(other, torch.tensor(targets), reduction=reduction)
    assert_same_derivatives(loss, [mine], expected, [other])


WEIGHTS = {"no": None, "positive": [0.5, 2.0, 1.5, 0.25], "any": [0.0, 1.0, -0.5, 2.0]}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("kind", "weight", "ignored", "smoothing"),
    [
        *itertools.product(["labels"], WEIGHTS, [None, -100, 2, 7], [0.0, 0.1, 1.0]),
        *itertools.product(["distributions"], WEIGHTS, [None], [0.0, 0.1, 1.0]),
    ],
)
@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 3)])
def test_the_options_of_cross_entropy(shape, kind, weight, ignored, smoothing, reduction, rng):
    """Every denominator is PyTorch's."""
    positions, x = (shape[0], *shape[2:]), rng.normal(size=shape) * 3
    if kind == "labels":
        targets = rng.integers(0, 4, positions)
        targets[0], targets[-1] = 1 if ignored is None else ignored, 3
    else:
        targets = np.moveaxis(rng.dirichlet(np.ones(4), positions), -1, 1)
    w, options = WEIGHTS[weight], {"reduction": reduction, "label_smoothing": smoothing}
    mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss = nn.cross_entropy(mine, targets, weight=w, ignore_index=ignored, **options)
    w = None if w is None else torch.tensor(w, dtype=torch.float64)
    unasked = {} if ignored is None else {"ignore_index": ignored}
    expected = F.cross_entropy(other, torch.tensor(targets), w, **options, **unasked)
    assert_same_derivatives(loss, [mine], expected, [other])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0], [0.0, 0.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nothing_but_ignored_labels(weight, smoothing, reduction):
    x, labels = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([-100, -100])
    loss = nn.cross_entropy(
        x, labels, reduction, weight=weight, ignore_index=-100, label_smoothing=smoothing
    )
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    expected = F.cross_entropy(
        torch.tensor(x), torch.tensor(labels), w, reduction=reduction, label_smoothing=smoothing
    )
    np.testing.assert_array_equal(loss, expected.numpy())


def test_losses_hold_where_an_exponential_would_overflow():
    x = np.array([[1e4, -1e4], [-1e4, 1e4]])
    for ours, theirs, t in [
        (
            nn.bce_with_logits,
            F.binary_cross_entropy_with_logits,
            np.array([[0.0, 1.0], [0.0, 1.0]]),
        ),
        (nn.cross_entropy, F.cross_entropy, np.array([1, 1])),
    ]:
        mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        loss, expected = ours(mine, t), theirs(other, torch.tensor(t))
        assert_close(loss, expected)
        assert_close(minwn.grad(loss, mine), torch.autograd.grad(expected, other)[0])


@pytest.mark.parametrize("kind", ["Max", "Avg"])
@pytest.mark.parametrize("kernel", range(1, 5))
def test_every_window_of_a_pool(kind, kernel, rng):
    """Which windows there are, and by what the mean divides: every option on a line."""
    dilations, counts = ((1, 2, 3), (True,)) if kind == "Max" else ((1,), (True, False))
    for size, stride, padding, dilation, ceil_mode, counted in itertools.product(
        range(1, 9), range(1, 6), range(kernel // 2 + 1), dilations, (False, True), counts
    ):
        options: dict[str, Any] = {"ceil_mode": ceil_mode}
        options |= {"dilation": dilation} if kind == "Max" else {"count_include_pad": counted}
        ours, theirs = (
            getattr(lib, f"{kind}Pool1d")(kernel, stride, padding, **options)
            for lib in (nn, torch.nn)
        )
        x = rng.normal(size=(1, 1, size))
        mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        try:
            expected = theirs(other)
        except RuntimeError:  # not one window fits
            with pytest.raises(ValueError, match="does not fit"):
                ours(mine)
            continue
        y = ours(mine)
        assert_close(y, expected)
        y_bar = rng.normal(size=y.shape)
        (x_bar,) = torch.autograd.grad(expected, other, torch.tensor(y_bar))
        assert_close(minwn.grad(y, mine, y_bar), x_bar)


@pytest.mark.parametrize("seed", range(40))
def test_maxima_of_windows_with_nan_and_infinity(seed):
    rng = np.random.default_rng(seed)
    kernel, stride = (tuple(rng.integers(1, 4, 2).tolist()) for _ in range(2))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    dilation, ceil_mode = tuple(rng.integers(1, 3, 2).tolist()), bool(rng.integers(2))
    x = rng.choice([np.nan, -np.inf, 0.0, 1.0, np.inf], (1, 2, 6, 7), p=[0.1, 0.5, 0.1, 0.1, 0.2])
    mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)(mine)
    theirs = F.max_pool2d(other, kernel, stride, padding, dilation, ceil_mode)
    np.testing.assert_array_equal(y.data, theirs.detach().numpy())
    y_bar = rng.normal(size=y.shape)
    (expected,) = torch.autograd.grad(theirs, other, torch.tensor(y_bar))
    assert_close(minwn.grad(y, mine, y_bar), expected)


# ---- state --------------------------------------------------------------------------------------


def network(lib: Any, **options: Any) -> Any:
    return lib.Sequential(
        lib.Conv2d(2, 4, 3, padding=1, bias=False, **options),
        lib.BatchNorm2d(4, **options),
        lib.ReLU(),
        lib.MaxPool2d(2),
        lib.Sequential(lib.ConvTranspose2d(4, 3, 2, stride=2, **options), lib.Tanh()),
        lib.Flatten(),
        lib.Linear(3 * 4 * 6, 5, **options),
    )


def test_a_network_has_the_names_of_torch_and_its_state_goes_there_and_back(rng):
    ours, theirs = network(nn, dtype="float64"), network(torch.nn).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    theirs(torch.tensor(rng.normal(size=(6, 2, 4, 6))))  # moves its running statistics
    saved = {k: x.numpy() for k, x in theirs.state_dict().items() if "num_batches" not in k}
    assert set(ours.state_dict()) == set(saved)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(saved)
    back = network(torch.nn).double()
    back.load_state_dict({k: torch.tensor(x) for k, x in ours.state_dict().items()}, strict=False)
    x = rng.normal(size=(2, 2, 4, 6))
    for net in (theirs, back):
        assert_close(ours.eval()(x), net.eval()(torch.tensor(x)))
