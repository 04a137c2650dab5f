"""WeightNormWrapper: what it normalises and by which formula, what it leaves alone and refuses.

The formula is judged in NumPy, the derivatives by measurement, and all of it by Flax, whose layer
this is, on translated parameters.
"""

from __future__ import annotations

import collections
import copy
import pickle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import Tensor, WeightNorm, gradcheck, nn, optim, tensor
from minwn.nn import WeightNormWrapper, substitute

U = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


def linear(i=3, o=4, **options):
    return nn.Linear(i, o, rng=i + 10 * o, dtype="float64", **options)


def wrap(layer, random=None, **options):
    """A wrapper in float64, with signed scales drawn from `random` where it is given."""
    wrapper = WeightNormWrapper(layer, **{"param_dtype": "float64", **options})
    for scale in own(wrapper).values() if random else ():
        signs = random.choice([-1.0, 1.0], scale.shape)
        scale.data = signs * random.uniform(0.5, 2, scale.shape)
    return wrapper


def own(wrapper):
    """The scales, by name."""
    return dict(wrapper.own_parameters())


def shapes(wrapper):
    return {name.removesuffix("/scale"): x.shape for name, x in own(wrapper).items()}


def by_path(layer):
    return {name.replace(".", "/"): p for name, p in layer.named_parameters()}


# ---- trees of layers ----------------------------------------------------------------------------


class Held(nn.Module):
    """Layers in lists, dicts and tuples, and parameters of its own."""

    def __init__(self):
        self.blocks = [linear(3, 3), (None, linear(3, 3, bias=False))]
        self.heads = {"left": linear(3, 2), "right": {"deep": linear(3, 2)}}
        self.weights = nn.Parameter(np.array([0.5, -1.5]))

    def forward(self, x):
        x = self.blocks[1][1](self.blocks[0](x))
        return (self.heads["left"](x) * self.heads["right"]["deep"](x)) @ self.weights


class Twice(nn.Module):
    """One layer under two names, and a parameter in two layers."""

    def __init__(self):
        self.one = self.again = linear(3, 3)
        self.tied = linear(3, 3)
        self.tied.weight = self.one.weight

    def forward(self, x):
        return self.tied(self.again(self.one(x).tanh()).tanh())


def network():
    """All that has a state: running statistics and random masks, which evaluation leaves alone."""
    return nn.Sequential(
        nn.Conv1d(2, 3, 2, rng=1, dtype="float64"),
        nn.BatchNorm1d(3, dtype="float64"),
        nn.Tanh(),
        nn.Dropout(0.5, rng=2),
        nn.ConvTranspose1d(3, 2, 2, rng=3, dtype="float64"),
    )


class Tree(NamedTuple):
    build: Any
    x: tuple[int, ...]
    scales: dict[str, tuple[int, ...]]
    options: Mapping[str, Any] = MappingProxyType({})


TREES = {
    "linear": Tree(linear, (5, 3), {"weight": (4,)}),
    "no scale": Tree(linear, (5, 3), {}, {"use_scale": False}),
    "all": Tree(linear, (5, 3), {"weight": (4,), "bias": (4,)}, {"variable_filter": None}),
    "input axis": Tree(linear, (5, 3), {"weight": (3,)}, {"feature_axes": -1}),
    "whole": Tree(linear, (5, 3), {"weight": ()}, {"feature_axes": None}),
    "held": Tree(
        Held,
        (5, 3),
        {
            "weights": (2,), "blocks/0/weight": (3,), "blocks/1/1/weight": (3,),
            "heads/left/weight": (2,), "heads/right/deep/weight": (2,),
        },
    ),
    "held, by path": Tree(
        Held,
        (5, 3),
        {"blocks/1/1/weight": (3,), "heads/left/bias": (2,), "heads/right/deep/bias": (2,)},
        {"variable_filter": ["s/1", "heads/left/b", "p/bias"]},
    ),
    "twice": Tree(Twice, (5, 3), {"one/weight": (3,)}),
    "network": Tree(network, (4, 2, 5), {"0/weight": (3,), "1/weight": (3,), "4/weight": (2,)}),
    "kernel": Tree(network, (4, 2, 5), {"0/weight": (2, 2)},
                   {"variable_filter": {"0/w"}, "feature_axes": (2, 1)}),
    "nested": Tree(
        lambda: wrap(linear(), np.random.default_rng(0), epsilon=0.2),
        (5, 3),
        {"weight/scale": (4,), "layer/weight": (4,)},
    ),
    "two within": Tree(
        lambda: nn.Sequential(wrap(linear(), epsilon=0.1), nn.Tanh(), linear(4, 2)),
        (5, 3),
        {"0/layer/bias": (4,), "2/bias": (2,)},
        {"variable_filter": {"bias"}},
    ),
}
trees = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


def normalised(v, scale, kept, epsilon):
    """The definition. kept: v's shape with 1 along the axes that a norm runs over."""
    axes = tuple(a for a in range(v.ndim) if kept[a] != v.shape[a])
    return scale.reshape(kept) * v / np.sqrt((v**2).sum(axes, keepdims=True) + epsilon)


@trees
def test_scales_have_the_paths_and_shapes_of_what_they_scale(tree):
    assert shapes(wrap(tree.build(), **tree.options)) == tree.scales


@trees
def test_the_layer_is_called_with_the_normalised_weights(tree, rng):
    wrapper = wrap(tree.build(), rng, epsilon=0.3, **tree.options)
    twin, x = copy.deepcopy(wrapper.layer), rng.normal(size=tree.x)
    weights = wrapper.normalised()
    assert tree.scales.keys() in (weights.keys(), set())
    for path, w in weights.items():
        by_path(twin)[path].data = w.data
    for mode in (True, True, False):  # running statistics and random numbers go on alike
        wrapper.train(mode), twin.train(mode)
        np.testing.assert_array_equal(wrapper(x).data, twin(x).data)
    for (_, a), (_, b) in zip(wrapper.named_buffers(), twin.named_buffers(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert np.ptp(a.data) > 0  # they have moved


@pytest.mark.slow
@trees
def test_derivatives_of_every_parameter_and_the_input(tree, rng):
    """The wrapper is a function of what it is given by `substitute`, so itself wrapped again."""
    wrapper = wrap(tree.build(), rng, epsilon=0.3, **tree.options).eval()
    parameters = list(wrapper.parameters())

    def f(x, *values):
        return substitute(wrapper, dict(zip(parameters, values, strict=True)))(x)

    inputs = [rng.normal(size=tree.x), *(p.data for p in parameters)]
    gradcheck(f, inputs, order=2, mode="random", cotangents=1, directions=2, rng=rng)
    found = minwn.grad(wrapper(inputs[0]).sum(), parameters)
    _, pullback = minwn.vjp(f, *inputs)
    expected = pullback(np.ones(wrapper(inputs[0]).shape))[1:]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


AXES = [
    ("output", linear, (4, 1)),
    ("output", lambda: nn.Conv2d(4, 6, 3, groups=2, rng=0, dtype="float64"), (6, 1, 1, 1)),
    ("output", lambda: nn.ConvTranspose1d(3, 5, 2, rng=0, dtype="float64"), (1, 5, 1)),
    ("output", lambda: nn.Embedding(7, 3, rng=0, dtype="float64"), (1, 3)),
    ("output", lambda: nn.BatchNorm1d(3, dtype="float64"), (3,)),
    (0, lambda: nn.ConvTranspose1d(3, 5, 2, rng=0, dtype="float64"), (3, 1, 1)),
    (-1, linear, (1, 3)),
    ((0, -1), lambda: nn.Conv2d(4, 6, (2, 3), rng=0, dtype="float64"), (6, 1, 1, 3)),
    ([-1, 1, 0], linear, (4, 3)),
    ((), linear, (1, 1)),
    (None, linear, (1, 1)),
]


@pytest.mark.parametrize(("axes", "build", "kept"), AXES, ids=[str(a) for a, *_ in AXES])
@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_the_formula(axes, build, kept, epsilon, rng):
    layer = build()
    layer.weight.data = v = rng.normal(size=layer.weight.shape)
    wrapper = wrap(layer, rng, feature_axes=axes, epsilon=epsilon)
    scale = own(wrapper)["weight/scale"]
    assert scale.shape == tuple(n for n in kept if n > 1)
    expected = normalised(v, scale.data, kept, epsilon)
    # A sum of m squares errs by m u at most, under the root by half of that; the rest is a few u.
    rtol = (v.size // scale.size + 4) * U["float64"]
    w = wrapper.normalised()["weight"].data
    np.testing.assert_allclose(w, expected, rtol=rtol, atol=0)
    # The length of v does not count, up to epsilon / q: where it is large, not at all.
    layer.weight.data = 2.0**40 * v
    long = wrapper.normalised()["weight"].data
    exact = normalised(v, scale.data, kept, 0.0)
    np.testing.assert_allclose(long, exact, rtol=rtol, atol=0)


# ---- nothing is rewritten -----------------------------------------------------------------------


def contents(module):
    """Every attribute of every module, by identity, and a copy of every array."""
    held = [(id(m), {k: id(x) for k, x in vars(m).items()}) for m in module.modules()]
    tensors = [*module.parameters(), *(b for _, b in module.named_buffers())]
    return held, [id(t.data) for t in tensors], [t.data.copy() for t in tensors]


@trees
def test_stored_parameters_are_never_rewritten(tree, rng):
    layer = tree.build().eval()
    *before, arrays = contents(layer)
    wrapper = wrap(layer, rng, scale_init=nn.init.zeros, **tree.options)
    x = tensor(rng.normal(size=tree.x), requires_grad=True)
    y = wrapper(x)
    y.backward(rng.normal(size=y.shape))
    with pytest.raises(ValueError, match=r"\(7, 11, 13\)|shape|takes|13"):
        wrapper(rng.normal(size=(7, 11, 13)))
    for build in (
        lambda: wrap(layer, variable_filter={"nothing"}),
        lambda: wrap(layer, scale_init=lambda shape, rng, dtype: np.ones(99)),
    ):
        with pytest.raises(ValueError, match=r"matches nothing|shape"):
            build()
    *after, now = contents(layer)
    assert before == after
    assert all(map(np.array_equal, arrays, now))


def test_a_scale_of_zero_leaves_the_direction(rng):
    """Flax stores the normalised kernel when it initialises: zeros then, which nothing revives."""
    wrapper = wrap(linear(), scale_init=nn.init.zeros)
    x, u = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    v = wrapper.layer.weight.data
    scale_bar = minwn.grad(wrapper(x), own(wrapper)["weight/scale"], u)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    # epsilon / (2 q) at q of order 1 is 1e-12.
    np.testing.assert_allclose(scale_bar.data, ((u.T @ x) * unit).sum(1), rtol=1e-11)


def test_threads_share_a_wrapper(rng):
    wrapper = wrap(Held(), rng)
    xs = [rng.normal(size=(50, 3)) for _ in range(64)]
    parameters = list(wrapper.parameters())

    def run(x):
        return [g.data for g in minwn.grad((wrapper(x) * wrapper(x)).sum(), parameters)]

    expected = [run(x) for x in xs]
    with ThreadPoolExecutor(8) as pool:
        for a, b in zip(pool.map(run, xs), expected, strict=True):
            assert all(map(np.array_equal, a, b))


# ---- state, copies, conversions -----------------------------------------------------------------


def test_state_copies_and_a_step(rng):
    wrapper, other = wrap(Held(), rng), wrap(Held())
    x = rng.normal(size=(5, 3))
    assert list(wrapper.state_dict())[:2] == ["weights/scale", "blocks/0/weight/scale"]
    assert "layer.blocks.0.weight" in wrapper.state_dict()
    other.load_state_dict(wrapper.state_dict())
    copies = [other, copy.deepcopy(wrapper), pickle.loads(pickle.dumps(wrapper))]
    y = wrapper(x)
    for twin in copies:
        np.testing.assert_array_equal(twin(x).data, y.data)
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in wrapper.parameters()}
    wrapper.eval()
    assert not wrapper.layer.blocks[0].training
    (y * y).sum().backward()
    optim.SGD(wrapper.parameters(), 1e-5).step()
    assert ((wrapper(x) * wrapper(x)).sum() < (y * y).sum()).item()
    assert np.array_equal(copies[0](x).data, copies[1](x).data)


def test_conversion():
    wrapper = wrap(linear()).to("float32")
    assert {p.dtype.name for p in wrapper.parameters()} == {"float32"}
    assert wrapper(np.ones((1, 3), "float32")).dtype == "float32"


def test_a_frozen_parameter_stays_frozen_and_its_scale_is_trained(rng):
    layer = linear()
    layer.weight.requires_grad = False
    wrapper = wrap(layer)
    wrapper(rng.normal(size=(5, 3))).sum().backward()
    assert layer.weight.grad is None
    assert own(wrapper)["weight/scale"].grad.shape == (4,)


def test_repr_says_what_is_normalised():
    assert repr(wrap(linear(), variable_filter={"weight", "bi"}, feature_axes=0)) == (
        "WeightNormWrapper(bi, weight, feature_axes=0, epsilon=1e-12, weight/scale(4,), "
        "bias/scale(4,)\n  layer: Linear(3 -> 4, weight(4, 3), bias(4,))\n)"
    )
    assert "(all parameters, feature_axes='output'" in repr(wrap(linear(), variable_filter=None))


# ---- dtypes -------------------------------------------------------------------------------------

DTYPES = [  # parameter, scale, the argument dtype -> the weight
    ("float32", "float32", None, "float32"),
    ("float64", "float32", None, "float64"),
    ("float32", "float64", None, "float32"),
    ("float16", "float32", None, "float16"),
    ("float16", "float16", None, "float16"),
    ("float64", "float16", "float32", "float32"),
    ("float16", "float32", "float32", "float32"),
    ("float32", "float64", "float64", "float64"),
]


@pytest.mark.parametrize(("stored", "scale", "dtype", "weight"), DTYPES)
def test_weights_are_computed_wide_and_rounded_once(stored, scale, dtype, weight, rng):
    layer = nn.Linear(30, 40, rng=rng, dtype=stored)
    draw = lambda shape, rng, dtype: rng.uniform(0.5, 2, shape).astype(dtype)  # noqa: E731
    wrapper = WeightNormWrapper(layer, dtype=dtype, param_dtype=scale, scale_init=draw, rng=rng)
    w = wrapper.normalised()["weight"]
    w.sum().backward()
    g = own(wrapper)["weight/scale"]
    for x, kind in ((w, weight), (layer.weight, stored), (g, scale)):
        assert x.dtype == kind
        assert x.grad is None or x.grad.dtype == kind
    v, g = layer.weight.data.astype("float64"), g.data.astype("float64")
    exact = normalised(v, g, (40, 1), 1e-12)
    wide = min(U[stored], U[scale], U["float32"])  # in which a sum of 30 squares is taken
    bound = U[weight] + 30 * wide
    # Below 2^-14 numbers of 16 bits are 2^-24 apart.
    assert (
        np.abs(w.data - exact) <= bound * np.abs(exact) + 2.0**-25 * (weight == "float16")
    ).all()


def test_columns_that_16_bits_cannot_square(rng):
    """In Flax a column of 300 gives 0, one of 1e-5 inf, and one of zeros NaN: its sums are in the
    dtype of the kernel, and so is epsilon."""
    layer = nn.Linear(4, 3, rng=rng, dtype="float16")
    layer.weight.data = np.array([[300.0] * 4, [1e-5] * 4, [0.0] * 4], "float16")
    w = WeightNormWrapper(layer).normalised()["weight"].data
    tiny = float(np.float16(1e-5))
    exact = np.array([0.5, tiny / np.hypot(2 * tiny, 1e-6), 0.0])
    np.testing.assert_allclose(w, np.tile(exact[:, None], 4), rtol=2 * U["float16"], atol=0)


@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_a_slice_of_zeros(epsilon, rng):
    layer = linear()
    layer.weight.data[2] = 0.0
    wrapper = wrap(layer, rng, epsilon=epsilon)
    w, w_bar = wrapper.normalised()["weight"], rng.normal(size=(4, 3))
    scale = own(wrapper)["weight/scale"]
    v_bar, scale_bar = minwn.grad(w, [layer.weight, scale], w_bar)
    assert np.array_equal(w.data[2], np.zeros(3))
    assert scale_bar.data[2] == 0.0
    expected = scale.data[2] * w_bar[2] / np.sqrt(epsilon)
    np.testing.assert_allclose(v_bar.data[2], expected, rtol=8 * U["float64"])
    plain = wrap(layer, epsilon=0.0).normalised()["weight"].data
    assert np.isnan(plain).any(axis=1).tolist() == [False, False, True, False]


FLOATS = ["float16", "float32", "float64"]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("given", FLOATS)
@pytest.mark.parametrize("dtype", [None, *FLOATS, "bfloat16"])
@pytest.mark.parametrize("stored", FLOATS)
def test_a_call_is_computed_in_the_widest_dtype_it_meets(stored, dtype, given, bias, rng):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs it")
    layer = nn.Linear(6, 4, bias, rng=rng, dtype=stored)
    wrapper = WeightNormWrapper(layer, dtype=dtype, param_dtype="float64", epsilon=0.1)
    x = tensor(rng.normal(size=(5, 6)), dtype=given, requires_grad=True)
    y = wrapper(x)
    met = {given, dtype or stored} | ({stored} if bias else set())
    wide = (
        "float32"
        if met == {"float16", "bfloat16"}
        else max(met - {"bfloat16"} or met, key=lambda name: int(name.lstrip("bfloat")))
    )
    wide = "float32" if "bfloat16" in met and wide == "float16" else wide
    assert y.dtype == wide
    # The weight is rounded to `dtype` first, the rest happens in the wide one.
    w = wrapper.normalised()["weight"].data
    assert w.dtype == (dtype or stored)
    w, b = w.astype("float64"), layer.bias.data.astype("float64") if bias else 0.0
    exact = x.data.astype("float64") @ w.T + b
    np.testing.assert_allclose(y.data, exact, rtol=0, atol=40 * U[wide] * np.abs(exact).max())
    y.sum().backward()
    for leaf in (x, *wrapper.parameters()):
        assert leaf.grad.dtype == leaf.dtype


@pytest.mark.slow
def test_dtypes_as_in_flax(rng, flax):
    import jax.numpy as jnp

    for stored in FLOATS:
        for dtype in (None, *FLOATS):
            for given in FLOATS:
                for bias in (True, False):
                    layer = nn.Linear(6, 4, bias, rng=rng, dtype=stored)
                    ours = WeightNormWrapper(layer, dtype=dtype, param_dtype=stored)
                    dense = flax.Dense(4, use_bias=bias, param_dtype=stored)
                    theirs = flax.WeightNorm(dense, dtype=dtype, param_dtype=stored)
                    own = {"kernel": jnp.array(layer.weight.data.T)}
                    own |= {"bias": jnp.array(layer.bias.data)} if bias else {}
                    scale = jnp.array(vars(ours)["weight/scale"].data)
                    params = {"layer_instance": own, "layer_instance/kernel/scale": scale}
                    x = rng.normal(size=(5, 6)).astype(given)
                    z = theirs.apply({"params": params}, x)
                    y = ours(x)
                    assert y.dtype == z.dtype, (stored, dtype, given, bias)
                    narrow = max(U[stored], U[dtype or stored], U[given])
                    np.testing.assert_allclose(y.data, z, rtol=0, atol=60 * narrow)


@pytest.mark.parametrize("training", [True, False])
def test_a_tree_in_another_dtype(training, rng):
    def build(dtype):
        return nn.Sequential(
            nn.Conv1d(2, 3, 2, rng=0, dtype=dtype), nn.BatchNorm1d(3, dtype=dtype), nn.Tanh(),
            nn.ConvTranspose1d(3, 2, 2, rng=3, dtype=dtype),
        )

    net, twin = build("float32"), build("float64")
    wrapper = WeightNormWrapper(net, dtype="float64", variable_filter=["0/w", "3/w"])
    twin.load_state_dict(net.state_dict())
    exact = WeightNormWrapper(twin, variable_filter=["0/w", "3/w"])
    wrapper.train(training)
    exact.train(training)
    x = rng.normal(size=(4, 2, 5)).astype("float32")
    for _ in range(2):  # running statistics move on, in the dtype that they have
        y, z = wrapper(x), exact(x.astype("float64"))
        assert y.dtype == "float64"
        np.testing.assert_allclose(y.data, z.data, rtol=0, atol=1e-6)
    mean, same = net[1].running_mean, twin[1].running_mean
    assert mean.dtype == "float32"
    np.testing.assert_allclose(mean.data, same.data, rtol=1e-6)
    assert np.any(mean.data) == training
    plain = nn.fold(wrapper).eval()
    assert {p.dtype.name for p in plain.parameters()} == {"float64"}
    np.testing.assert_allclose(plain(x.astype("float64")).data, wrapper.eval()(x).data, atol=1e-12)
    assert net[1].running_var.dtype == "float32"


def test_states_in_tuples_are_promoted_and_integers_are_not(rng):
    cell = WeightNormWrapper(nn.LSTMCell(3, 2, rng=0), dtype="float64")
    h, c = cell(np.ones((4, 3), "float32"), (np.ones((4, 2), "float32"), np.zeros((4, 2))))
    assert h.dtype == c.dtype == "float64"
    table = WeightNormWrapper(nn.Embedding(5, 3, rng=0), dtype="float64")
    assert table(np.array([1, 4])).dtype == "float64"


def test_paths_that_read_the_same_are_refused():
    class Slashed(nn.Module):
        def __init__(self):
            self.parts = {"a/b": linear(), "a": {"b": linear()}}

    with pytest.raises(ValueError, match=r"two parameters have the path 'parts/a/b/weight'; .* /"):
        WeightNormWrapper(Slashed())


# ---- first scales -------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
@pytest.mark.parametrize("axes", ["output", -1, None, (0, 1)], ids=str)
def test_norm_keeps_the_function_of_the_layer(epsilon, axes, rng):
    layer = nn.Linear(3, 4, rng=rng)
    wrapper = WeightNormWrapper(layer, scale_init="norm", feature_axes=axes, epsilon=epsilon)
    w = wrapper.normalised()["weight"].data
    np.testing.assert_allclose(w, layer.weight.data, rtol=4 * U["float32"])


def test_functions_that_make_scales(rng):
    said = []

    def first(shape, rng, dtype):
        said.append((shape, str(dtype)))
        return rng.normal(size=shape)

    scales = [own(WeightNormWrapper(Held(), scale_init=first, rng=7)) for _ in range(2)]
    assert said[:2] == [((2,), "float32"), ((3,), "float32")]
    assert {s.dtype.name for s in scales[0].values()} == {"float32"}  # as param_dtype says
    for name, scale in scales[0].items():
        assert np.array_equal(scale.data, scales[1][name].data)
    drawn = own(wrap(linear(), scale_init=nn.init.normal, rng=7))["weight/scale"]
    assert np.array_equal(drawn.data, nn.init.normal((4,), rng=7, dtype="float64"))
    seven = wrap(linear(), scale_init=lambda shape, rng, dtype: Tensor(np.full(shape, 7.0)))
    assert own(seven)["weight/scale"].data.tolist() == [7.0] * 4
    assert own(wrap(linear()))["weight/scale"].data.tolist() == [1.0] * 4


def test_an_epsilon_of_numpy_is_weak(rng):
    one, two = (
        WeightNormWrapper(nn.Linear(3, 4, rng=0), epsilon=e) for e in (0.1, np.float64(0.1))
    )
    x = rng.normal(size=(5, 3)).astype("float32")
    one(x).sum().backward()
    two(x).sum().backward()
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert q.grad.dtype == "float32"
        np.testing.assert_array_equal(p.grad.data, q.grad.data)


# ---- errors -------------------------------------------------------------------------------------


class Odd(nn.Module):
    """A matrix that does not say which of its axes is the output, and integers."""

    def __init__(self, table=()):
        self.weight = nn.Parameter(np.ones((2, 3)))
        self.table = nn.Parameter(np.array(table, int), requires_grad=False)


def normed():
    layer = nn.Sequential(linear())
    WeightNorm().apply(layer[0])
    return layer


def zero():
    layer = linear()
    layer.weight.data[1] = 0.0
    return layer


ERRORS = {
    "letters": (
        linear, {"variable_filter": "weight"}, TypeError,
        r"variable_filter='weight' would be read letter by letter; write \{'weight'\}",
    ),
    "no words": (linear, {"variable_filter": {nn.Linear}}, TypeError, "give strings"),
    "nothing": (
        Twice, {"variable_filter": {"kernel"}}, ValueError,
        r"\['kernel'\] matches nothing; the paths are \['one/weight', 'one/bias', 'tied/bias'\]",
    ),
    "empty": (linear, {"variable_filter": ()}, ValueError, r"=\[\] matches nothing"),
    "no parameters": (nn.ReLU, {"variable_filter": None}, ValueError, r"the paths are \[\]"),
    "axis": (
        linear, {"feature_axes": 2}, IndexError,
        r"feature_axes=2 for weight of shape \(4, 3\); an axis is a number from -2 to 1",
    ),
    "negative axis": (linear, {"feature_axes": -3}, IndexError, "feature_axes=-3"),
    "one axis of two": (linear, {"feature_axes": (0, 5)}, IndexError, r"feature_axes=\(0, 5\)"),
    "axis of a bias": (
        linear, {"feature_axes": 1, "variable_filter": None}, IndexError,
        r"feature_axes=1 for bias of shape \(4,\)",
    ),
    "no axis": (linear, {"feature_axes": "input"}, TypeError, "None or 'output'"),
    "true": (linear, {"feature_axes": True}, TypeError, "feature_axes=True"),
    "no output": (
        Odd, {}, ValueError, r"Odd does not say which axis of weight \(2, 3\) is its output",
    ),
    "integers": (Odd, {"variable_filter": {"table"}}, TypeError, "table is int64"),
    "shape": (
        linear, {"scale_init": lambda shape, rng, dtype: np.ones((4, 1))}, ValueError,
        r"of shape \(4, 1\) for weight/scale, which has shape \(4,\)",
    ),
    "words for a function": (linear, {"scale_init": "ones"}, ValueError, "'ones'; give a function"),
    "not finite": (
        zero, {"scale_init": "norm", "epsilon": 0.0}, ValueError, "weight/scale entries that are",
    ),
    "overflow": (
        linear,
        {"scale_init": lambda shape, rng, dtype: np.full(shape, 1e9), "param_dtype": "float16"},
        ValueError, "not finite in float16",
    ),
    "class": (lambda: nn.Linear, {}, TypeError, r"layer=.*Linear.*; give a Module"),
    "epsilon": (linear, {"epsilon": -1.0}, ValueError, r"-1.0; choose a finite number >= 0"),
    "dtype": (linear, {"dtype": int}, TypeError, "dtype=.*; choose a float dtype"),
    "param_dtype": (linear, {"param_dtype": "int8"}, TypeError, "param_dtype='int8'; choose"),
    "computed": (normed, {}, ValueError, r"0 has weights normalised by WeightNorm, \['weight'\]"),
}


@pytest.mark.parametrize(("build", "options", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(build, options, kind, message):
    with pytest.raises(kind, match=message):
        WeightNormWrapper(build(), **options)


def test_what_is_normalised_is_settled_at_the_start():
    wrapper = wrap(Held())
    wrapper.layer.blocks[0].weight = nn.Parameter(np.eye(3))  # another value of the same parameter
    # 1 + 1e-12 rounds to a root that is 1 + 5e-13.
    w = wrapper.normalised()["blocks/0/weight"].data
    np.testing.assert_allclose(w, np.eye(3), rtol=1e-12)
    wrapper.layer.more_weight = nn.Parameter(np.ones(2))
    assert "more_weight" not in wrapper.normalised()
    wrapper.layer.weights = None
    with pytest.raises(ValueError, match=r"no parameter \['weights'\] of its own any more"):
        wrapper(np.ones((1, 3)))
    wrapper = wrap(linear())
    WeightNorm().apply(wrapper.layer)
    with pytest.raises(ValueError, match=r"Linear has weights normalised by WeightNorm"):
        wrapper(np.ones((1, 3)))


# ---- substitute ---------------------------------------------------------------------------------


def test_substitute_shares_what_it_does_not_replace(rng):
    pair = collections.namedtuple("pair", "layer factor")
    net = nn.Module()
    net.pair, net.options = pair(linear(), 3.0), collections.defaultdict(list, a=[1])
    net.found = collections.defaultdict(list, layer=net.pair.layer, self=net)
    new = tensor(rng.normal(size=(4, 3)), requires_grad=True)
    other = substitute(net, {net.pair.layer.weight: new})
    assert other.pair.layer is other.found["layer"] is not net.pair.layer
    assert other.found["self"] is other
    assert isinstance(other.pair, pair)
    assert other.options is net.options
    assert other.pair.layer.bias is net.pair.layer.bias
    assert [n for n, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
    x, u = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    other.pair.layer(x).backward(u)
    np.testing.assert_array_equal(new.grad.data, u.T @ x)  # the leaf that was given
    assert net.pair.layer.weight.grad is None


# ---- Flax ---------------------------------------------------------------------------------------


@pytest.fixture
def flax():
    """flax.linen, with JAX in float64 for the time of a test."""
    linen = pytest.importorskip("flax.linen", reason="flax is the other implementation here")
    import jax

    with jax.enable_x64(True):
        yield linen


def assert_close(found, expected):
    """Equal to 1e-14 of the largest entry of all, or of 1: float64 sums of up to a hundred products
    of numbers of order 1, rounded in another order. A wrong term shows at 1e-3 or above."""
    (found, names), (expected, theirs) = flatten(found), flatten(expected)
    assert names == theirs
    scale = max(np.abs(x).max() for x in (np.ones(1), *expected))
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype == "float64"
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-14 * scale)


def flatten(tree):
    import jax

    leaves, names = jax.tree_util.tree_flatten(tree)
    return [np.asarray(x) for x in leaves], names


def assert_same_as_flax(wrapper, model, to_flax, x, rng, channels=-1, second=True):
    """Output, and the derivatives by every parameter and by x; with `second`, theirs as well.

    to_flax: name of ours -> (path in the tree of Flax, what makes our array one of Flax).
    channels: our axis of x and y that Flax has last.
    """
    import jax

    def last(a):
        return np.moveaxis(a, channels, -1)

    def tree(arrays, x):
        """Our arrays, by name, and x as Flax has them."""
        params: dict[str, Any] = {}
        for name, array in arrays.items():
            (*path, key), convert = to_flax(name)
            node = params
            for part in path:
                node = node.setdefault(part, {})
            node[key] = convert(array)
        return params, last(x)

    ours = dict(wrapper.named_parameters())
    inputs, names = [tensor(x, requires_grad=True), *ours.values()], list(ours)
    along = [rng.normal(size=t.shape) for t in inputs]
    y = wrapper(inputs[0])
    u = rng.normal(size=y.shape)
    bars = minwn.grad(y, inputs, u, create_graph=second)

    def compare(bars, expected):
        x_bar, *rest = [
            np.zeros(t.shape) if b is None else b.data for t, b in zip(inputs, bars, strict=True)
        ]
        assert_close(tree(dict(zip(names, rest, strict=True)), x_bar), expected)

    def f(params, x):
        return model.apply({"params": params}, x)

    def derivatives(f, *primals):
        z, pull = jax.vjp(f, *primals)
        return z, pull(last(u))

    point = tree({n: p.data for n, p in ours.items()}, x)
    z, expected = jax.jit(lambda *p: derivatives(f, *p))(*point)
    assert_close(last(y.data), z)
    compare(bars, expected)
    if second:  # the gradient of <bars, along> = <u, f_dot>, f_dot the derivative along `along`
        s = sum((b * t).sum() for b, t in zip(bars, along, strict=True))
        bars = minwn.grad(s, inputs, allow_unused=True)
        tangents = tree(dict(zip(names, along[1:], strict=True)), along[0])
        f_dot = lambda *p: jax.jvp(f, p, tangents)[1]  # noqa: E731
        compare(bars, jax.jit(lambda *p: derivatives(f_dot, *p)[1])(*point))


class Twin(NamedTuple):
    """One layer of both libraries. order: of our axes, as Flax has them."""

    build: Any
    flax: tuple[str, dict[str, Any]]
    order: tuple[int, ...]
    x: tuple[int, ...]


TWINS = {
    "Dense": Twin(linear, ("Dense", {"features": 4}), (1, 0), (5, 3)),
    "Conv1d": Twin(
        lambda: nn.Conv1d(3, 4, 2, rng=0, dtype="float64"),
        ("Conv", {"features": 4, "kernel_size": (2,), "padding": "VALID"}), (2, 1, 0), (2, 3, 6),
    ),
    "Conv2d": Twin(
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), groups=2, rng=0, dtype="float64"),
        ("Conv", {"features": 6, "kernel_size": (3, 2), "strides": (2, 1), "padding": "VALID",
                  "feature_group_count": 2}),
        (2, 3, 1, 0), (2, 4, 7, 5),
    ),
}
SAME = {  # arguments of both; axes as Flax counts them
    "default": {},
    "epsilon": {"epsilon": 0.1},
    "input axis": {"feature_axes": -2, "epsilon": 0.1},
    "first axis": {"feature_axes": 0, "epsilon": 0.1},
    "two axes": {"feature_axes": (-1, 0), "epsilon": 0.1},
    "whole": {"feature_axes": None, "epsilon": 0.1},
    "whole, all": {"feature_axes": None, "epsilon": 0.1, "variable_filter": None},
    "all": {"epsilon": 0.1, "variable_filter": None},
    "bias": {"epsilon": 0.1, "variable_filter": {"bias"}},
    "no scale": {"epsilon": 0.1, "use_scale": False},
    "no scale, no epsilon": {"use_scale": False},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", SAME.values(), ids=SAME)
@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
def test_one_layer_is_that_of_flax(twin, options, rng, flax):
    layer, axes = twin.build(), options.get("feature_axes", "output")
    if isinstance(axes, int | tuple):
        axes = tuple(twin.order[a] for a in np.atleast_1d(axes))
    layer.weight.data = rng.normal(size=layer.weight.shape)
    wrapper = wrap(layer, rng, **{**options, "feature_axes": axes})
    kind, arguments = twin.flax
    model = flax.WeightNorm(getattr(flax, kind)(**arguments), **options)
    to_flax = {
        "layer.weight": (("layer_instance", "kernel"), lambda a: a.transpose(twin.order)),
        "layer.bias": (("layer_instance", "bias"), np.array),
        # Axes rise in both; of two, the one that is first in ours is last in Flax.
        "weight/scale": (("layer_instance/kernel/scale",), np.transpose),
        "bias/scale": (("layer_instance/bias/scale",), np.array),
    }
    x = rng.normal(size=twin.x)
    second = twin.build is linear and options.get("variable_filter", ()) is None
    assert_same_as_flax(wrapper, model, to_flax.__getitem__, x, rng, channels=1, second=second)


@pytest.mark.slow
def test_a_wrapper_in_a_wrapper_is_that_of_flax(rng, flax):
    wrapper = wrap(wrap(linear(), rng, epsilon=0.2), rng, epsilon=0.1)
    model = flax.WeightNorm(flax.WeightNorm(flax.Dense(4), epsilon=0.2), epsilon=0.1)
    outer, inner = "layer_instance", "layer_instance/kernel/scale"
    to_flax = {
        "layer/weight/scale": ((f"{outer}/{inner}",), np.array),
        "weight/scale/scale": ((f"{outer}/{inner}/scale",), np.array),
        "layer.weight/scale": ((outer, inner), np.array),
        "layer.layer.weight": ((outer, outer, "kernel"), np.transpose),
        "layer.layer.bias": ((outer, outer, "bias"), np.array),
    }
    assert_same_as_flax(wrapper, model, to_flax.__getitem__, rng.normal(size=(5, 3)), rng)


class Baz(nn.Module):
    def __init__(self, i):
        self.dense_0 = linear(i, 2)

    def forward(self, x):
        return self.dense_0(x)


class Bar(nn.Module):
    def __init__(self, i):
        self.baz_0, self.dense_0 = Baz(i), linear(2, 3)
        self.baz_1, self.dense_1 = Baz(3), linear(2, 3)

    def forward(self, x):
        return self.dense_1(self.baz_1(self.dense_0(self.baz_0(x))))


class Foo(nn.Module):
    """The example on Flax's page: its filters {"kernel", "Baz"} and None in our names."""

    def __init__(self, **options):
        self.dense_0, self.dense_2 = linear(2, 3), linear(4, 5)
        self.weight_norm_0 = wrap(linear(3, 4), variable_filter=None, **options)
        self.weight_norm_1 = wrap(Bar(5), variable_filter={"weight", "baz"}, **options)

    def forward(self, x):
        return self.weight_norm_1(self.dense_2(self.weight_norm_0(self.dense_0(x))))


PAGE = {
    "WeightNorm_0": {"Dense_1/bias/scale": (4,), "Dense_1/kernel/scale": (4,)},
    "WeightNorm_1": {
        "Bar_0/Baz_0/Dense_0/bias/scale": (2,),
        "Bar_0/Baz_0/Dense_0/kernel/scale": (2,),
        "Bar_0/Baz_1/Dense_0/bias/scale": (2,),
        "Bar_0/Baz_1/Dense_0/kernel/scale": (2,),
        "Bar_0/Dense_0/kernel/scale": (3,),
        "Bar_0/Dense_1/kernel/scale": (3,),
    },
}


def path_in_flax(name):
    """Foo's names in Flax's: there a layer knows its own, and scales are found by one long key."""
    wrapped = {"weight_norm_0": "dense_1", "weight_norm_1": "bar_0"}
    first, *rest = name.replace("weight", "kernel").replace("kernel_norm", "weight_norm").split(".")
    if first in wrapped and rest[0] == "layer":
        path = [wrapped[first], *rest[1:]]
    elif first in wrapped:
        path = [first, f"{wrapped[first]}/{rest[0]}"]
    else:
        path = [first, *rest]
    capital = {"dense": "Dense", "baz": "Baz", "bar": "Bar", "weight_norm": "WeightNorm"}
    for word, theirs in capital.items():
        path = [part.replace(f"{word}_", f"{theirs}_") for part in path]
    return path


def test_the_example_has_the_scales_on_the_page_of_flax():
    found: dict[str, Any] = {}
    for name, p in Foo().named_parameters():
        if name.endswith("/scale"):
            module, key = path_in_flax(name)
            found.setdefault(module, {})[key] = p.shape
    assert found == PAGE


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_the_example_is_that_of_flax(epsilon, rng, flax):
    class Baz(flax.Module):
        @flax.compact
        def __call__(self, x):
            return flax.Dense(2)(x)

    class Bar(flax.Module):
        @flax.compact
        def __call__(self, x):
            x = flax.Dense(3)(Baz()(x))
            return flax.Dense(3)(Baz()(x))

    class FlaxFoo(flax.Module):
        @flax.compact
        def __call__(self, x):
            x = flax.Dense(3)(x)
            x = flax.WeightNorm(flax.Dense(4), epsilon=epsilon, variable_filter=None)(x)
            x = flax.Dense(5)(x)
            words = {"kernel", "Baz"}
            return flax.WeightNorm(Bar(), epsilon=epsilon, variable_filter=words)(x)

    ours = Foo(epsilon=epsilon)
    for p in ours.parameters():
        p.data = rng.uniform(0.5, 1.5, p.shape) * rng.choice([-1, 1], p.shape)
    x = rng.normal(size=(6, 2))
    to_flax = lambda name: (path_in_flax(name), np.transpose)  # noqa: E731
    assert_same_as_flax(ours, FlaxFoo(), to_flax, x, rng, second=epsilon == 0.1)
