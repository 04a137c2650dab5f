"""Files written by minwn and opened by the real frameworks: the same outputs and the same gradients
of every parameter, at signed random g and v; and back, bit by bit."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from minwn import WeightNorm, grad, interop, nn, tensor

safetensors = pytest.importorskip("safetensors", reason="the files are .safetensors too")

EPS = 1e-3  # large enough to be seen: over ||v|| of order 1 it moves a weight by 5e-4


class Layer(NamedTuple):
    """A layer in minwn's words; the builders below say it in those of the others."""

    kind: str
    ours: Callable[..., Any]
    ins: int
    outs: int
    kernel: tuple[int, ...] = ()
    stride: int = 1
    groups: int = 1

    def build(self, dtype: str) -> nn.Module:
        if not self.kernel:
            return self.ours(self.ins, self.outs, dtype=dtype, rng=0)
        options = {"stride": self.stride, "groups": self.groups}
        return self.ours(self.ins, self.outs, self.kernel, **options, dtype=dtype, rng=0)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (2, self.ins, *(6, 5)[: len(self.kernel)])

    def axis(self, dim: int | None, column: str) -> int | None:
        """Where minwn's axis is in the layout of another framework, counted here by hand."""
        if dim is None:
            return None
        if column == "flax":  # (..., in, out), of Linear and of every kernel
            first = -2 if self.kind == "conv_transpose" else -1
            return (first, -3 - first)[dim] if dim < 2 else dim - 2
        return 1 - dim if self.kind == "conv_transpose" and dim < 2 else dim


LAYERS = {
    "Linear": Layer("linear", nn.Linear, 3, 5),
    "Conv1d in groups": Layer("conv", nn.Conv1d, 4, 6, (3,), 2, groups=2),
    "Conv2d": Layer("conv", nn.Conv2d, 3, 5, (2, 4)),
    "ConvTranspose1d": Layer("conv_transpose", nn.ConvTranspose1d, 4, 5, (3,), 2),
    "ConvTranspose2d": Layer("conv_transpose", nn.ConvTranspose2d, 3, 5, (2, 4)),
    "ConvTranspose1d in groups": Layer("conv_transpose", nn.ConvTranspose1d, 4, 6, (3,), groups=2),
}
Opened = tuple[Any, Mapping[str, Any], Any]  # output, {name: gradient}, gradient of x


# ---- the frameworks: (layer, dim, {name: array} from the file, x, cotangent) -> Opened ----------


def with_torch(hook: bool) -> Callable[..., Opened]:
    def run(
        layer: Layer, dim: int | None, state: Mapping, x: Any, y_bar: Any, eps: float
    ) -> Opened:
        torch = pytest.importorskip("torch", reason="torch is the other implementation here")
        utils, name = torch.nn.utils, layer.ours.__name__
        if layer.kernel:
            options = {"stride": layer.stride, "groups": layer.groups}
            theirs = getattr(torch.nn, name)(layer.ins, layer.outs, layer.kernel, **options)
        else:
            theirs = torch.nn.Linear(layer.ins, layer.outs)
        ndim = len(layer.kernel) + 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hook is deprecated, and still in wide use
            wrap = utils.weight_norm if hook else utils.parametrizations.weight_norm
            theirs = wrap(theirs, dim=interop.dim_to_torch(dim, ndim)).to(torch.tensor(x).dtype)
        theirs.load_state_dict({n: torch.from_numpy(a) for n, a in state.items()}, strict=True)
        x = torch.tensor(x, requires_grad=True)
        y = theirs(x)
        y.backward(torch.tensor(y_bar))
        return y.detach().numpy(), {n: p.grad for n, p in theirs.named_parameters()}, x.grad.numpy()

    return run


def with_flax(
    layer: Layer, dim: int | None, state: Mapping, x: Any, y_bar: Any, eps: float
) -> Opened:
    jax = pytest.importorskip("jax", reason="Flax stands on jax")
    linen = pytest.importorskip("flax.linen", reason="flax is the other implementation here")
    if layer.kind == "linear":
        theirs = linen.Dense(layer.outs, param_dtype=x.dtype)
    else:
        groups = {"feature_group_count": layer.groups} if layer.kind == "conv" else {}
        make = linen.Conv if layer.kind == "conv" else linen.ConvTranspose
        strides = (layer.stride,) * len(layer.kernel)
        theirs = make(
            layer.outs, layer.kernel, strides, padding="VALID", param_dtype=x.dtype, **groups
        )
    axis = layer.axis(dim, "flax")
    model = linen.WeightNorm(theirs, epsilon=eps, feature_axes=axis, param_dtype=x.dtype)
    variables = interop.unflatten(state)
    x, y_bar = np.moveaxis(x, 1, -1), np.moveaxis(y_bar, 1, -1)
    expected = jax.eval_shape(model.init, jax.random.key(0), x)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, expected)
    y, pull = jax.vjp(model.apply, variables, x)
    state_bar, x_bar = pull(y_bar)
    return np.moveaxis(y, -1, 1), state_bar, np.moveaxis(x_bar, -1, 1)


def with_equinox(
    layer: Layer, dim: int | None, state: Mapping, x: Any, y_bar: Any, eps: float
) -> Opened:
    jax = pytest.importorskip("jax", reason="Equinox stands on jax")
    eqx = pytest.importorskip("equinox", reason="equinox is the other implementation here")
    options: dict[str, Any] = {"key": jax.random.key(0), "dtype": x.dtype}
    sizes: tuple[Any, ...] = (layer.ins, layer.outs)
    if layer.kernel:
        options |= {"stride": layer.stride, "groups": layer.groups}
        sizes += (layer.kernel,)
    make, axis = getattr(eqx.nn, layer.ours.__name__), layer.axis(dim, "equinox")
    model = eqx.filter_eval_shape(lambda: eqx.nn.WeightNorm(make(*sizes, **options), axis=axis))

    def name(path: Any) -> str:
        return jax.tree_util.keystr(path, simple=True, separator=".")

    arrays, rest = eqx.partition(model, lambda a: isinstance(a, jax.ShapeDtypeStruct))
    known = jax.tree_util.tree_flatten_with_path(arrays)[0]
    assert {name(p): a.shape for p, a in known} == {n: a.shape for n, a in state.items()}
    arrays = jax.tree_util.tree_map_with_path(
        lambda p, _: jax.numpy.asarray(state[name(p)]), arrays
    )
    y, pull = jax.vjp(lambda a, x: jax.vmap(eqx.combine(a, rest))(x), arrays, x)
    arrays_bar, x_bar = pull(jax.numpy.asarray(y_bar))
    return y, {name(p): a for p, a in jax.tree_util.tree_flatten_with_path(arrays_bar)[0]}, x_bar


FRAMEWORKS = {  # R torch has the names of the hook
    "torch": with_torch(hook=True),
    "parametrization": with_torch(hook=False),
    "flax": with_flax,
    "equinox": with_equinox,
}


def wide(framework: str) -> Any:
    """Where jax has float64."""
    if framework not in ("flax", "equinox"):
        return contextlib.nullcontext()
    return pytest.importorskip("jax", reason="Flax and Equinox stand on jax").enable_x64(True)


# ---- the tests ----------------------------------------------------------------------------------


def normalised(layer: Layer, dim: Any, rng: np.random.Generator, dtype: str, **form: Any) -> Any:
    """minwn's layer with signed random values everywhere, and its WeightNorm."""
    module = layer.build(dtype)
    norm = WeightNorm("weight", dim, **form)
    norm.apply(module)
    randomise(module, rng)
    return module, norm


def randomise(module: nn.Module, rng: np.random.Generator) -> None:
    """Entries of 0.5 to 1.5 in size, for at a tiny v the gradients lose their digits."""
    module.load_state_dict(
        {
            n: rng.uniform(0.5, 1.5, a.shape) * rng.choice([-1, 1], a.shape)
            for n, a in module.state_dict().items()
        }
    )


def assert_close(found: Any, expected: Any, dtype: str) -> None:
    """To 40 roundings of the largest entry: sums of up to a few hundred products of numbers of
    order 1, in another order. A wrong term, axis or flip shows at 1e-1."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == dtype
    atol = 40 * np.finfo(dtype).eps * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


FULLY = ("Linear", "ConvTranspose1d", "ConvTranspose1d in groups")
CASES = [
    pytest.param(framework, name, dim, dtype, id=f"{framework}, {name}, dim {dim}, {dtype}")
    for framework in FRAMEWORKS
    for name in LAYERS
    for dim in (0, 1, None, 3)
    for dtype in ("float64", "float32")
    if dim != 3 or name == "Conv2d"
    if dtype == "float64" or (name, dim) == ("Conv1d in groups", 0)
    # jax compiles each case anew, so there every dim of a matrix and of one kernel, and of the rest
    # the axes that those have not
    if framework in ("torch", "parametrization") or dim in (0, 3) or name in FULLY
]


@pytest.mark.slow
@pytest.mark.parametrize(("framework", "name", "dim", "dtype"), CASES)
def test_a_file_is_the_same_model_there_and_comes_back_bit_by_bit(
    framework: str, name: str, dim: int | None, dtype: str, tmp_path: Path, rng: Any
) -> None:
    layer = LAYERS[name]
    grouped = layer.kind == "conv_transpose" and layer.groups > 1
    path = tmp_path / ("x.npz" if framework in ("torch", "flax") else "x.safetensors")
    form = {"eps": EPS, "form": "inside"} if framework == "flax" else {}
    module, norm = normalised(layer, dim, rng, dtype, **form)
    epsilon = {"epsilon": EPS} if framework == "flax" else {}
    if grouped and (framework == "flax" or (framework == "equinox" and dim is not None)):
        with pytest.raises(ValueError, match=r"in groups|in 2 groups"):
            interop.save(module, path, target=framework, **epsilon)
        assert not path.exists()
        return
    interop.save(module, path, target=framework, **epsilon)
    x = tensor(rng.normal(size=layer.x_shape).astype(dtype), requires_grad=True)
    norm.recompute(module)
    y = module(x)
    y_bar = rng.normal(size=y.shape).astype(dtype)
    bars = dict(zip(["x", *dict(module.named_parameters())], grad(
        y, [x, *module.parameters()], cotangent=y_bar), strict=True))

    with wide(framework):
        state, said = interop.read(path)
        assert said["framework"] == framework
        theirs = FRAMEWORKS[framework](layer, dim, state, x.data, y_bar, EPS)
        assert_close(theirs[0], y.data, dtype)
        assert_close(theirs[2], bars.pop("x").data, dtype)
        # A gradient has the layout of its parameter, so it is converted like one.
        told = {"dim": dim, "kind": layer.kind, "groups": layer.groups}
        found = interop.convert(theirs[1], framework, "minwn", **told, **epsilon, **form)
    assert found.keys() == bars.keys()
    for parameter, bar in bars.items():
        assert_close(found[parameter], bar.data, dtype)

    again, _ = normalised(layer, dim, rng, dtype, **form)
    interop.load(again, path)
    for parameter, a in module.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[parameter], a)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("name", ["Linear", "ConvTranspose1d"])
def test_to_flax_from_a_norm_without_eps_the_weight_is_kept(
    name: str, dim: int | None, tmp_path: Path, rng: Any
) -> None:
    # At eps = 0.1 a scale that was carried over as it is would move the output by several percent.
    layer = LAYERS[name]
    module, norm = normalised(layer, dim, rng, "float64")
    interop.save(module, tmp_path / "x.npz", target="flax", epsilon=0.1)
    x = rng.normal(size=layer.x_shape)
    norm.recompute(module)
    y = module(tensor(x)).data
    with wide("flax"):
        state, _ = interop.read(tmp_path / "x.npz")
        found = with_flax(layer, dim, state, x, rng.normal(size=y.shape), 0.1)
    assert_close(found[0], y, "float64")
    again, norm = normalised(layer, dim, rng, "float64")
    interop.load(again, tmp_path / "x.npz")
    # Two quotients of lengths, each correct to about 3 roundings.
    np.testing.assert_allclose(again.weight_g.data, module.weight_g.data, rtol=8 * 2.0**-53, atol=0)
    np.testing.assert_array_equal(again.weight_v.data, module.weight_v.data)


@pytest.mark.slow
def test_the_documented_flax_model(rng: Any, tmp_path: Path) -> None:
    """Foo, Bar and Baz of Flax's documentation, in minwn's modules: names by `like`, `rename`."""
    jax = pytest.importorskip("jax", reason="Flax stands on jax")
    linen = pytest.importorskip("flax.linen", reason="flax is the other implementation here")

    class Baz(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.Dense(2)(x)

    class Bar(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.Dense(3)(Baz()(x))
            return linen.Dense(3)(Baz()(x))

    class Foo(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.Dense(3)(x)
            x = linen.WeightNorm(linen.Dense(4), variable_filter=None)(x)
            x = linen.Dense(5)(x)
            return linen.WeightNorm(Bar(), variable_filter={"kernel", "Baz"})(x)

    class Norms(nn.Module):
        """The layers of Foo under its names, each normalised parameter by a WeightNorm."""

        def __init__(self) -> None:
            def linear(i: int, o: int, *names: str) -> nn.Module:
                layer = nn.Linear(i, o, rng=rng)
                for name in names:
                    WeightNorm(name, dim=0, eps=1e-12, form="inside").apply(layer)
                return layer

            both = ("weight", "bias")
            self.Dense_0, self.Dense_1 = linear(2, 3), linear(3, 4, *both)
            self.Dense_2 = linear(4, 5)
            self.Bar_0 = nn.Sequential(
                {
                    "Baz_0": nn.Sequential({"Dense_0": linear(5, 2, *both)}),
                    "Dense_0": linear(2, 3, "weight"),
                    "Baz_1": nn.Sequential({"Dense_0": linear(3, 2, *both)}),
                    "Dense_1": linear(2, 3, "weight"),
                }
            )

        def forward(self, x: Any) -> Any:
            for layer in self.modules():
                layer._recompute()
            return self.Bar_0(self.Dense_2(self.Dense_1(self.Dense_0(x))))

    model, ours = Foo(), Norms()
    randomise(ours, rng)
    x = rng.normal(size=(3, 2)).astype("float32")
    like = jax.eval_shape(model.init, jax.random.key(0), x)
    interop.save(ours, tmp_path / "foo.npz", target="flax", like=like)
    variables = interop.unflatten(interop.read(tmp_path / "foo.npz")[0])
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, like)
    assert_close(model.apply(variables, x), ours(tensor(x)).data, "float32")

    filled = jax.tree.map(lambda a: rng.uniform(0.5, 1.5, a.shape).astype(a.dtype), like)
    state = interop.convert(
        filled, "flax", "minwn", dim={"*": "output", "*.bias": 0}, form="inside", eps=1e-12
    )
    ours.load_state_dict(state)
    assert_close(model.apply(filled, x), ours(tensor(x)).data, "float32")


@pytest.mark.slow
def test_a_flax_kernel_that_is_transposed_and_not_flipped(rng: Any) -> None:
    jax = pytest.importorskip("jax", reason="Flax stands on jax")
    linen = pytest.importorskip("flax.linen", reason="flax is the other implementation here")
    layer = nn.ConvTranspose1d(3, 4, 5, stride=2, rng=rng)
    state = interop.convert(layer.state_dict(), "minwn", "flax", kind="transpose_kernel")
    x = rng.normal(size=(2, 3, 6)).astype("float32")
    model = linen.ConvTranspose(4, (5,), (2,), padding="VALID", transpose_kernel=True)
    with jax.enable_x64(False):
        y = model.apply(state, np.moveaxis(x, 1, -1))
    assert_close(np.moveaxis(y, -1, 1), layer(tensor(x)).data, "float32")


@pytest.mark.slow
def test_the_wrapper_is_the_layer_of_flax(rng: Any, tmp_path: Path) -> None:
    """WeightNormWrapper to Flax's Sequential, whose wrapped layers are each a layer_instance."""
    jax = pytest.importorskip("jax", reason="Flax stands on jax")
    linen = pytest.importorskip("flax.linen", reason="flax is the other implementation here")
    ours = nn.Sequential(
        nn.WeightNormWrapper(nn.Linear(3, 3, rng=rng), epsilon=EPS),
        nn.Tanh(),
        nn.WeightNormWrapper(nn.Linear(3, 2, rng=rng), epsilon=EPS),
    )
    model = linen.Sequential(
        [
            linen.WeightNorm(linen.Dense(3), epsilon=EPS),
            linen.tanh,
            linen.WeightNorm(linen.Dense(2), epsilon=EPS),
        ]
    )
    randomise(ours, rng)
    x = rng.normal(size=(4, 3)).astype("float32")
    like = jax.eval_shape(model.init, jax.random.key(0), x)
    rename = {"0": "layers_0", "2": "layers_2"}
    path = tmp_path / "x.safetensors"
    interop.save(ours, path, target="flax", rename=rename, like=like, epsilon=EPS)
    variables = interop.unflatten(interop.read(path)[0])
    assert "layer_instance/kernel/scale" in variables["params"]["layers_0"]
    assert_close(model.apply(variables, x), ours(tensor(x)).data, "float32")
    before = ours.state_dict()
    randomise(ours, rng)
    interop.load(ours, path, rename={new: old for old, new in rename.items()})
    for name, a in before.items():
        np.testing.assert_array_equal(ours.state_dict()[name], a)


def test_a_whole_torch_model_with_layers_of_every_kind(rng: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    ours = nn.Sequential(
        nn.Conv2d(2, 4, 3, rng=rng), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 2, rng=rng), nn.Flatten(), nn.Linear(75, 3, rng=rng),
        nn.LayerNorm(3),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 3, 2), torch.nn.Flatten(), torch.nn.Linear(75, 3),
        torch.nn.LayerNorm(3),
    )
    for n in (0, 3, 5):
        torch.nn.utils.parametrizations.weight_norm(theirs[n])
        WeightNorm("weight", 0).apply(ours[n])
    theirs(
        torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    )  # running statistics
    saved = pytest.importorskip("safetensors.torch", reason="writes torch's own file").save_file
    saved(theirs.state_dict(), tmp_path / "theirs.safetensors")
    interop.load(ours, tmp_path / "theirs.safetensors", source="parametrization")
    x = rng.normal(size=(2, 2, 6, 6)).astype("float32")
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    assert_close(ours.eval()(tensor(x)).data, expected, "float32")


def test_two_weights_of_one_cell(rng: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    ours, theirs = nn.LSTMCell(3, 4, rng=rng), torch.nn.LSTMCell(3, 4)
    for name in ("weight_ih", "weight_hh"):
        WeightNorm(name, "output").apply(ours)
        torch.nn.utils.parametrizations.weight_norm(theirs, name)
    randomise(ours, rng)
    interop.save(ours, tmp_path / "x.npz", target="parametrization")
    state = interop.read(tmp_path / "x.npz")[0]
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in state.items()}, strict=True)
    x = rng.normal(size=(2, 3)).astype("float32")
    for found, expected in zip(ours(tensor(x)), theirs(torch.tensor(x)), strict=True):
        assert_close(found.data, expected.detach().numpy(), "float32")


def test_bfloat16_goes_to_torch_and_comes_from_it(rng: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    load_file = pytest.importorskip("safetensors.torch", reason="reads the file").load_file
    state = {"a.weight": rng.normal(size=(3, 4)).astype(ml_dtypes.bfloat16)}
    interop.write(tmp_path / "x.safetensors", state)
    found = load_file(tmp_path / "x.safetensors")
    assert found["a.weight"].dtype == torch.bfloat16
    again = interop.convert(found, "torch", "minwn")["a.weight"]
    assert again.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(again, state["a.weight"])
    np.testing.assert_array_equal(
        interop.read(tmp_path / "x.safetensors")[0]["a.weight"], state["a.weight"]
    )
