"""How the layers behave: what torch does not show, what is refused, and what a copy keeps."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import StaleWeightError, WeightNorm, nn, tensor
from minwn.graph import Primitive
from minwn.optim import SGD

from ..helpers.differences import CLOSE, directional, dot


def f32(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


# ---- the primitives that live here --------------------------------------------------------------

POOL = {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (1, 1))}
PRIMITIVES = {
    "max_pool": ((2, 3, 5, 4), POOL | {"dilation": (1, 2)}),
    "avg_pool": ((2, 3, 5, 4), POOL | {"counted": ((0, 0), (1, 1))}),
    "standardise": ((4, 3, 2), {"axis": (0, 2), "eps": 0.1}),
}


def test_every_primitive_of_nn_is_here():
    registry = Primitive.registry.items()
    here = {name for name, p in registry if p.forward.__module__.startswith("minwn.nn")}
    assert here == set(PRIMITIVES)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_arrays_of_every_kind_give_the_same_and_pullbacks_agree_with_differences(
    name, rng, xp, host
):
    op, (shape, params) = Primitive.registry[name], PRIMITIVES[name]
    # No two entries closer than 0.05, so that no window changes its winner under differences.
    x = rng.permutation(0.1 * np.arange(np.prod(shape)) - 3.0).reshape(shape)
    z = op(x, **params)
    u, x_dot = rng.normal(size=z.shape), rng.normal(size=shape)
    arrived = tensor(xp(x), requires_grad=True)
    y = op(arrived, **params)
    np.testing.assert_array_equal(host(y), z)
    x_bar = host(minwn.grad(y, arrived, xp(u)))
    z_dot = directional(lambda x: op(x, **params), [x], [x_dot])
    assert dot([u], [z_dot]) == pytest.approx(dot([x_bar], [x_dot]), abs=CLOSE)


# ---- pooling ------------------------------------------------------------------------------------


def test_the_first_of_equal_entries_receives_the_cotangent(rng):
    x = tensor(np.zeros((1, 1, 4, 4)), requires_grad=True)
    x_bar = minwn.grad(nn.MaxPool2d(3, 1, 1)(x), x, np.full((1, 1, 4, 4), 2.0))
    counts = np.array([[8, 4, 4, 0], [4, 2, 2, 0], [4, 2, 2, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(x_bar.data[0, 0], counts)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), ((2, 3), 1, 0)])
def test_a_pool_of_channels_that_are_last_in_memory_is_the_same_and_leaves_them_last(
    kernel, stride, padding, rng
):
    x = rng.integers(0, 3, (2, 5, 6, 8)).astype("float32")  # with many equal entries
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    for kind in (nn.MaxPool2d, nn.AvgPool2d):
        pool, found = kind(kernel, stride, padding), []
        for array in (x, last):
            arrived = tensor(array, requires_grad=True)
            y = pool(arrived)
            u = rng.integers(-9, 9, y.shape).astype("float32") if not found else found[0][2]
            found.append((y.data, minwn.grad(y, arrived, u).data, u))
        for one, two in zip(*found, strict=True):
            np.testing.assert_array_equal(one, two)
        assert np.moveaxis(found[1][0], 1, -1).flags.c_contiguous


def test_a_pool_of_one_entry_is_a_copy(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    y = nn.MaxPool2d(1)(x)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(y, x)


def test_a_last_window_of_ceil_mode_counts_the_entries_it_has():
    """Of five entries by twos, a last one of one entry."""
    x = np.arange(5.0).reshape(1, 1, 5)
    assert nn.AvgPool1d(2, ceil_mode=True)(x).tolist() == [[[0.5, 2.5, 4.0]]]
    assert nn.MaxPool1d(2, ceil_mode=True)(x).tolist() == [[[1.0, 3.0, 4.0]]]
    assert nn.AvgPool1d(3, 2, 1)(x).tolist() == [[[1 / 3, 2.0, 7 / 3]]]
    assert nn.AvgPool1d(3, 2, 1, count_include_pad=False)(x).tolist() == [[[0.5, 2.0, 3.5]]]
    # A window that would start in the padding behind x does not count.
    assert nn.MaxPool1d(2, 2, 1, ceil_mode=True)(x[..., :4]).tolist() == [[[0.0, 2.0, 3.0]]]


def test_a_pool_says_its_options():
    assert repr(nn.MaxPool1d(3)) == "MaxPool1d(kernel_size=(3,), stride=(3,), padding=(0,))"
    assert repr(nn.MaxPool1d(3, dilation=2, ceil_mode=True)).endswith(
        "padding=(0,), dilation=(2,), ceil_mode=True)"
    )
    assert repr(nn.AvgPool1d(3, count_include_pad=False)).endswith("count_include_pad=False)")


def test_a_maximum_never_comes_from_the_padding():
    y = nn.MaxPool1d(2, 2, 1)(np.array([[[-3.0, -2.0, -5.0]]]))
    np.testing.assert_array_equal(y, [[[-3.0, -2.0]]])


@pytest.mark.parametrize(
    ("x", "options", "x_bar"),
    [
        # The first of a window of -inf, and never its padding.
        ([-np.inf, -np.inf, 1.0, 2.0], (2, 2, 1), [1, 0, 2, 4]),
        ([-np.inf] * 4, (3, 2, 1), [1, 2, 0, 0]),
        # The last NaN of a window, wherever the largest number is.
        ([np.nan, 1.0, 2.0, np.inf], (2, 2, 0), [1, 0, 0, 2]),
        ([1.0, np.nan, np.nan, 3.0], (3, 1, 1), [0, 1, 14, 0]),
        ([np.nan, np.nan], (2, 2, 1), [1, 2]),
    ],
)
def test_the_cotangent_of_a_maximum_arrives_at_one_entry(x, options, x_bar):
    x = tensor(np.array([[x]]), requires_grad=True)
    y = nn.MaxPool1d(*options)(x)
    y_bar = (2.0 ** np.arange(y.size)).reshape(y.shape)
    for create_graph in (False, True):
        found = minwn.grad(y, x, y_bar, retain_graph=True, create_graph=create_graph)
        np.testing.assert_array_equal(found.data, [[x_bar]])


def test_sixteen_bit_means_are_summed_in_float32():
    x = np.full((1, 1, 4096), 30.0, "float16")  # the sum, 122880, is out of range for float16
    assert nn.AvgPool1d(4096)(x).item() == 30.0
    assert nn.GlobalAvgPool()(x).item() == 30.0


# ---- norms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.BatchNorm, nn.MeanOnlyBatchNorm])
def test_a_failed_call_leaves_the_running_statistics(kind, rng):
    norm = kind(3)
    before = norm.state_dict()
    for wrong in (f32(rng, 4, 2), f32(rng, 3), rng.normal(size=(4, 3))):
        with pytest.raises((ValueError, TypeError)):
            norm(tensor(wrong))
    if kind is nn.BatchNorm:
        WeightNorm().apply(norm)
        norm.weight_g.data = np.full(3, 2.0, "float32")
        with pytest.raises(StaleWeightError):
            norm(f32(rng, 4, 3))
    for name in ("running_mean", "running_var"):
        if name in before:
            np.testing.assert_array_equal(getattr(norm, name).data, before[name])


def test_running_statistics_follow_the_batches_only_in_training(rng):
    norm = nn.BatchNorm(2, momentum=0.25, dtype="float64")
    x = rng.normal(size=(5, 2, 3)) * 4 + 1
    with minwn.no_grad():
        norm(x)
    np.testing.assert_allclose(norm.running_mean.data, 0.25 * x.mean((0, 2)), rtol=1e-14)
    unbiased = 0.75 + 0.25 * x.var((0, 2), ddof=1)
    np.testing.assert_allclose(norm.running_var.data, unbiased, rtol=1e-14)
    before = norm.state_dict()
    norm.eval()(x)
    for name, array in norm.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_running_statistics_keep_their_dtype(rng):
    norm = nn.BatchNorm(3, affine=False)
    assert norm(rng.normal(size=(4, 3))).dtype == "float64"
    assert norm.running_mean.dtype == norm.running_var.dtype == "float32"


# ---- containers ---------------------------------------------------------------------------------


def test_sequential_is_a_sequence():
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    assert [n for n, _ in net[1:].named_parameters()] == ["2.weight", "2.bias"]
    named = nn.Sequential({"a": layers[0], "b": layers[2]})
    assert named["b"] is layers[2]
    assert [n for n, _ in named.named_parameters()] == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert len(nn.Sequential()) == 0


def test_flatten_takes_an_empty_batch():
    assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)


@pytest.mark.parametrize("p", [0.25, 0.8, 1.0])
def test_dropout_keeps_the_mean_in_training_and_everything_in_evaluation(p, rng):
    layer, x = nn.Dropout(p, rng=rng), tensor(np.full((100, 120), 3.0), requires_grad=True)
    y = layer(x)
    kept = y.data != 0
    # 12000 draws: six standard errors of the share that is kept.
    assert abs(kept.mean() - (1 - p)) <= 6 * np.sqrt(p * (1 - p) / 12000)
    # 3 (1 / (1 - p)) and 3 / (1 - p) differ by a rounding or two.
    np.testing.assert_allclose(y.data[kept], 3.0 / (1 - p) if p < 1 else 0, rtol=1e-15)
    u = rng.normal(size=x.shape)
    expected = u * y.data / 3.0
    np.testing.assert_allclose(minwn.grad(y, x, u).data, expected, rtol=1e-15)
    assert layer.eval()(x) is x
    assert (nn.Dropout(p, rng=3)(x).data == nn.Dropout(p, rng=3)(x).data).all()
    for weak in (np.float64(p), np.float32(p)):
        z = nn.Dropout(weak, rng=3)(x)
        assert z.dtype == x.dtype
        assert ((z.data == 0) == (nn.Dropout(float(weak), rng=3)(x).data == 0)).all()


def small(seed: int, dtype: str = "float32") -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, rng=rng, dtype=dtype),
        nn.BatchNorm2d(4, dtype=dtype),
        nn.ELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3, rng=rng),
        WeightNorm().apply(nn.Linear(16, 3, rng=rng, dtype=dtype)),
    )


@pytest.mark.parametrize("make", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_alone_from_the_same_state(make, rng):
    net, x = small(0), f32(rng, 5, 2, 4, 4)
    net(x)  # moves the generator and the running statistics
    twin = make(net)
    first, again = net(x).data, net(x).data
    assert (first != again).any()
    np.testing.assert_array_equal(twin(x).data, first)
    np.testing.assert_array_equal(twin(x).data, again)
    for a, b in zip(net._state().values(), twin._state().values(), strict=True):
        assert not np.shares_memory(a.data, b.data)


# ---- together -----------------------------------------------------------------------------------


def test_training_lowers_the_loss(rng):
    net, x = small(0), f32(rng, 24, 2, 4, 4)
    labels = (x[:, 0].sum((1, 2)) > 0).astype(int) + (x[:, 1, 0, 0] > 0)
    norm, optimiser, losses = net[6]._computed["weight"].declared, SGD(net.parameters(), lr=0.2), []
    for _ in range(60):
        norm.recompute(net[6])
        loss = nn.cross_entropy(net(x), labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


FLOATS = [
    nn.Linear(4, 3),
    nn.Conv1d(3, 2, 2),
    nn.Conv2d(3, 2, 2, padding=1),
    nn.Conv3d(3, 2, 2),
    nn.ConvTranspose1d(3, 2, 2),
    nn.ConvTranspose2d(3, 2, 2, stride=2, output_padding=1),
    nn.ConvTranspose3d(3, 2, 2),
    nn.BatchNorm(3),
    nn.BatchNorm(3, affine=False),
    nn.BatchNorm(3).eval(),
    nn.MeanOnlyBatchNorm(3),
    nn.MeanOnlyBatchNorm(3).eval(),
    nn.LayerNorm(4),
    *(getattr(nn, name)() for name in nn.activation.__all__),
    nn.GELU(approximate="tanh"),
    nn.MaxPool1d(2),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool3d(2),
    nn.AvgPool1d(2),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool3d(2),
    nn.GlobalAvgPool(),
    nn.GlobalMaxPool(),
    nn.Flatten(),
    nn.Dropout(0.4),
]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layer", FLOATS, ids=lambda x: type(x).__name__)
def test_a_dtype_stays(layer, dtype, rng):
    layer = copy.deepcopy(layer).to(dtype)
    digits = [c for c in type(layer).__name__ if c in "123"]
    x = tensor(rng.normal(size=(2, 3, *(4,) * int(digits[0] if digits else 2))).astype(dtype), True)
    y = layer(x)
    y.backward(rng.normal(size=y.shape).astype(dtype))
    assert {t.dtype.name for t in (y, x.grad, *layer._state().values())} == {dtype}
    assert all(parameter.grad.dtype == dtype for parameter in layer.parameters())


def test_an_ignored_row_gives_nothing_whatever_is_in_it():
    """Its gradient is 0, beside NaN and infinity too. (PyTorch's gradient there is NaN.)"""
    x = tensor([[np.nan, 1.0], [0.0, 1.0], [np.inf, np.inf]], requires_grad=True)
    for options in ({}, {"weight": [2.0, 3.0]}, {"label_smoothing": 0.2}):
        loss = nn.cross_entropy(x, [-1, 1, -1], "none", ignore_index=-1, **options)
        alone = nn.cross_entropy(x.data[1:2], [1], "none", **options)
        np.testing.assert_array_equal(loss.data, [0.0, *alone, 0.0])
        x_bar = minwn.grad(loss, x, np.ones(3, "f4"))
        assert np.array_equal(x_bar.data[::2], np.zeros((2, 2)))
        assert x_bar.data[1].all()


def test_class_weights_and_soft_targets_have_gradients(rng):
    """Both by differences, to second order: of the mean over labels, the denominator too."""
    x, w, p = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, 4), rng.dirichlet(np.ones(4), 3)
    for targets in (np.array([1, 0, 3]), None):
        def loss(x, w, p, targets=targets):
            given = p if targets is None else targets
            return nn.cross_entropy(x, given, weight=w, label_smoothing=0.25)

        inputs = (x, w, p) if targets is None else (x, w)
        f = loss if targets is None else lambda x, w, loss=loss: loss(x, w, None)
        assert minwn.gradcheck(f, inputs, order=2).ok


def test_a_class_that_cannot_be_counts_where_smoothing_gives_it_a_share():
    x = np.array([[0.0, -np.inf, 1.0]])
    assert nn.cross_entropy(x, [2], label_smoothing=0.1) == np.inf
    found = nn.cross_entropy(x, [2], weight=[1.0, 0.0, 1.0], label_smoothing=0.3)
    z = np.log(1 + np.e)  # q = (0.1, 0, 0.8), and the denominator is 1
    np.testing.assert_allclose(found, 0.1 * z + 0.8 * (z - 1), rtol=1e-14)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.mse_loss, nn.bce_with_logits])
def test_a_dtype_stays_in_a_loss(loss, rng):
    x, target = tensor(f32(rng, 3, 4), requires_grad=True), abs(f32(rng, 3, 4))
    for reduction in ("mean", "sum", "none"):
        value = loss(x, target, reduction)
        assert value.dtype == minwn.grad(value.sum(), x).dtype == "float32"


def test_targets_may_be_lists():
    x = np.array([[0.5, -1.0]], "float32")
    assert nn.mse_loss(x, [[0.5, 1.0]]).item() == 2.0
    assert nn.bce_with_logits(x, [[0, 1]]).shape == ()
    assert nn.cross_entropy(x, [1]).shape == ()


def test_embedding_adds_up_the_cotangents_of_a_row(rng):
    layer = nn.Embedding(5, 3, rng=rng, dtype="float64")
    index, u = np.array([[1, 4], [1, 1]]), rng.normal(size=(2, 2, 3))
    y = layer(index)
    np.testing.assert_array_equal(y.data, layer.weight.data[index])
    expected = np.zeros((5, 3))
    np.add.at(expected, index, u)
    np.testing.assert_array_equal(minwn.grad(y, layer.weight, u).data, expected)


# ---- what is refused ----------------------------------------------------------------------------

X = np.zeros((2, 3, 4, 4), "float32")
MISTAKES: list[tuple[Any, type[Exception], list[str]]] = [
    (lambda: nn.Linear(0, 3), ValueError, ["in_features=0"]),
    (lambda: nn.Linear(2, 1.5), ValueError, ["out_features=1.5"]),
    (lambda: nn.Linear(5, 3)(X), ValueError, ["(2, 3, 4, 4)", "(3, 5)"]),
    (lambda: nn.Linear(4, 3)(tensor(X.astype("float64"))), TypeError, ["float64", "float32"]),
    (lambda: nn.Embedding(0, 3), ValueError, ["num_embeddings=0"]),
    (lambda: nn.Embedding(4, 3)(np.array([1, 4])), IndexError, ["1 to 4", "4 rows"]),
    (lambda: nn.Embedding(4, 3)(np.array([0.5])), TypeError, ["float64"]),
    (lambda: nn.Conv2d(3, 4, 0), ValueError, ["kernel_size=0"]),
    (lambda: nn.Conv2d(3, 4, 1.5), ValueError, ["kernel_size=1.5"]),
    (lambda: nn.Conv2d(3, 4, (2, 2, 2)), ValueError, ["kernel_size=(2, 2, 2)", "2 of them"]),
    (lambda: nn.Conv2d(3, 4, 2, stride=0), ValueError, ["stride=0"]),
    (lambda: nn.Conv2d(3, 4, 2, padding=-1), ValueError, ["padding=-1"]),
    (lambda: nn.Conv2d(3, 4, 2, padding=0.5), ValueError, ["padding=0.5"]),
    (lambda: nn.Conv2d(3, 4, 2, padding="full"), ValueError, ["'full'", "'same'"]),
    (lambda: nn.Conv2d(3, 4, 2, padding=((0, 1), (1,))), ValueError, ["padding", "(1,)"]),
    (lambda: nn.Conv2d(3, 4, 2, 2, "same"), ValueError, ["'same'", "stride (2, 2)"]),
    (lambda: nn.Conv2d(3, 4, 2, dilation=()), ValueError, ["dilation=()"]),
    (lambda: nn.Conv2d(3, 4, 2, groups=2), ValueError, ["groups=2", "in_channels=3"]),
    (lambda: nn.Conv2d(2, 3, 2, groups=2), ValueError, ["groups=2", "out_channels=3"]),
    (lambda: nn.Conv2d(4, 2, 2)(X), ValueError, ["(2, 3, 4, 4)", "takes 4"]),
    (lambda: nn.Conv2d(3, 2, 2)(X[0]), ValueError, ["(3, 4, 4)", "x[None]"]),
    (lambda: nn.Conv2d(3, 2, 6)(X), ValueError, ["6", "4"]),
    (lambda: nn.ConvTranspose2d(3, 2, 2)(X[0]), ValueError, ["(3, 4, 4)", "x[None]"]),
    (lambda: nn.ConvTranspose2d(3, 2, 2, output_padding=-1), ValueError, ["output_padding=-1"]),
    (lambda: nn.ConvTranspose2d(3, 2, 2, 2, 0, 2)(X), ValueError, ["(2, 2)", "stride"]),
    (lambda: nn.ConvTranspose2d(3, 2, 1, 1, 3)(X), ValueError, ["size (-2, -2)"]),
    (lambda: nn.LeakyReLU(float("nan")), ValueError, ["negative_slope=nan"]),
    (lambda: nn.ELU("1"), ValueError, ["alpha='1'"]),
    (lambda: nn.GELU("fast"), ValueError, ["'fast'", "tanh"]),
    (lambda: nn.Softmax(None), ValueError, ["axis=None"]),
    (lambda: nn.Softmax(4)(tensor(X)), IndexError, ["axis 4"]),
    (lambda: nn.MaxPool2d(0), ValueError, ["kernel_size=0"]),
    (lambda: nn.AvgPool2d(2, 0), ValueError, ["stride=0"]),
    (lambda: nn.MaxPool2d(2, dilation=0), ValueError, ["dilation=0"]),
    (lambda: nn.MaxPool2d(2, ceil_mode=1), TypeError, ["ceil_mode=1"]),
    (lambda: nn.AvgPool2d(2, count_include_pad=None), TypeError, ["count_include_pad=None"]),
    (lambda: nn.MaxPool2d(3, 1, dilation=2)(X), ValueError, ["3 entries, dilation 2", "into 4"]),
    (lambda: nn.MaxPool2d(3, 1, 2), ValueError, ["padding=2", "kernel_size=3"]),
    (lambda: nn.MaxPool2d(5)(X), ValueError, ["5", "4"]),
    (lambda: nn.AvgPool1d(2)(X), ValueError, ["AvgPool1d", "(2, 3, 4, 4)"]),
    (lambda: nn.GlobalAvgPool()(X[0, 0]), ValueError, ["(4, 4)"]),
    (lambda: nn.GlobalMaxPool()(X[0, 0]), ValueError, ["(4, 4)"]),
    (lambda: nn.BatchNorm(0), ValueError, ["num_features=0"]),
    (lambda: nn.BatchNorm(3, eps=0), ValueError, ["eps=0"]),
    (lambda: nn.BatchNorm(3, momentum=None), ValueError, ["momentum=None"]),
    (lambda: nn.BatchNorm(4)(X), ValueError, ["(n, 4, ...)", "(2, 3, 4, 4)"]),
    (lambda: nn.BatchNorm(3)(X[:1, :, 0, 0]), ValueError, ["(1, 3)", "eval()"]),
    (lambda: nn.MeanOnlyBatchNorm(3, momentum=2), ValueError, ["momentum=2"]),
    (lambda: nn.MeanOnlyBatchNorm(3)(np.ones((0, 3), "f4")), ValueError, ["(0, 3) has no entries"]),
    (lambda: nn.MeanOnlyBatchNorm(4)(X), ValueError, ["(n, 4, ...)", "(2, 3, 4, 4)"]),
    (lambda: nn.LayerNorm(()), ValueError, ["normalized_shape=()"]),
    (lambda: nn.LayerNorm((4, 0)), ValueError, ["(4, 0)"]),
    (lambda: nn.LayerNorm(4, eps=-1.0), ValueError, ["eps=-1.0"]),
    (lambda: nn.LayerNorm((3, 4))(X), ValueError, ["3, 4", "(2, 3, 4, 4)"]),
    (lambda: nn.Sequential(nn.ReLU), TypeError, ["'0'", "type", "nn.ReLU()"]),
    (lambda: nn.Sequential({"forward": nn.ReLU()}), ValueError, ["'forward'"]),
    (lambda: nn.Sequential({"a.b": nn.ReLU()}), ValueError, ["'a.b'"]),
    (lambda: nn.Sequential(nn.ReLU())[1], IndexError, ["1", "['0']"]),
    (lambda: nn.Sequential(nn.ReLU())["relu"], IndexError, ["'relu'"]),
    (lambda: nn.Flatten(4)(X), IndexError, ["start_dim=4", "(2, 3, 4, 4)"]),
    (lambda: nn.Dropout(1.5), ValueError, ["p=1.5"]),
    (lambda: nn.Dropout(None), ValueError, ["p=None"]),
    (lambda: nn.Flatten(None), ValueError, ["start_dim=None"]),
    (lambda: nn.Flatten(0.5), ValueError, ["start_dim=0.5"]),
    (lambda: nn.LeakyReLU("0.1"), ValueError, ["negative_slope='0.1'"]),
    (lambda: nn.DoRALinear(nn.Linear(2, 2), 1, alpha=np.inf), ValueError, ["alpha=inf"]),
    (lambda: nn.DoRALinear(None, 1), TypeError, ["base=None", "Linear"]),
    (lambda: nn.normalise_(None), TypeError, ["parameters=None"]),
    (lambda: nn.substitute(nn.ReLU(), None), TypeError, ["replaced=None"]),
    (lambda: nn.Sequential(None), TypeError, ["'0'", "None"]),
    (lambda: nn.cross_entropy(X[0, 0], [0, 1, 2, 4]), ValueError, ["4 classes"]),
    (lambda: nn.cross_entropy(X[0, 0], [0] * 4, "avg"), ValueError, ["'avg'", "mean"]),
    (lambda: nn.cross_entropy(X[0, 0], [0] * 4, weight=[1, 2]), ValueError, ["(2,)", "4 classes"]),
    (lambda: nn.cross_entropy(X[0, 0], X[0, 0], ignore_index=1), ValueError, ["=1 is for labels"]),
    (lambda: nn.cross_entropy(X[0, 0], [0] * 4, ignore_index=0.5), ValueError, ["=0.5; give a wh"]),
    (lambda: nn.cross_entropy(X[0, 0], [0] * 4, label_smoothing=2), ValueError, ["=2; give", "1"]),
    (lambda: nn.cross_entropy(X[0, 0], [9] * 4, ignore_index=7), ValueError, ["from 9 to 9 for 4"]),
    (lambda: nn.mse_loss(X, X[0]), ValueError, ["(3, 4, 4)", "(2, 3, 4, 4)"]),
    (lambda: nn.mse_loss(X, X, "avg"), ValueError, ["'avg'", "mean"]),
    (lambda: nn.bce_with_logits(X, [1.0]), ValueError, ["(1,)", "(2, 3, 4, 4)"]),
    (lambda: nn.bce_with_logits(X, X, None), ValueError, ["None", "mean"]),
    (lambda: nn.init.uniform((2,), -1.0), ValueError, ["bound=-1.0"]),
    (lambda: nn.init.normal((2,), float("inf")), ValueError, ["std=inf"]),
    (lambda: nn.init.he((3,)), ValueError, ["(3,)"]),
    (lambda: nn.init.glorot((3, 0)), ValueError, ["(3, 0)"]),
    (lambda: nn.init.orthogonal((3,)), ValueError, ["(3,)"]),
]


@pytest.mark.parametrize("index", range(len(MISTAKES)))
def test_a_mistake_is_answered_with_its_values(index):
    make, error, said = MISTAKES[index]
    with pytest.raises(error) as caught:
        make()
    for part in said:
        assert part in str(caught.value)
