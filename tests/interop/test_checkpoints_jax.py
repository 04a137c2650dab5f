"""Checkpoints of Flax, nnx, Equinox and Keras, in their own files: folded, converted, and back."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import interop, nn
from tests.interop.test_checkpoints import EPS32, assert_equal, close, run, tensors

# To import it takes a second, which is left to the tests that need it.
pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="Flax and Equinox stand on jax")


def signed(tree: Any, seed: int = 0) -> Any:
    """The tree with numbers of either sign, of size 0.5 to 1.5."""
    import jax

    rng = np.random.default_rng(seed)

    def draw(x: Any) -> Any:
        return (rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1, 1], x.shape)).astype("float32")

    return jax.tree.map(draw, tree)


# ---- Flax ---------------------------------------------------------------------------------------


def linen_models() -> tuple[Any, Any, Any, Any]:
    """(normalised, the same without the norm, variables, input)"""
    import jax

    linen = pytest.importorskip("flax.linen", reason="flax is the framework here")

    class Net(linen.Module):
        norm: bool

        @linen.compact
        def __call__(self, x: Any) -> Any:
            wrap = (lambda layer: linen.WeightNorm(layer)) if self.norm else (lambda layer: layer)
            x = wrap(linen.Conv(6, (3,), name="Conv_0"))(x)
            x = wrap(linen.ConvTranspose(6, (4,), (2,), name="up"))(x)
            x = linen.LayerNorm(name="LayerNorm_0")(linen.tanh(x))
            return linen.Sequential([wrap(linen.Dense(6)), linen.tanh, wrap(linen.Dense(3))])(x)

    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")
    model, plain = Net(True), Net(False)
    like = jax.eval_shape(model.init, jax.random.key(0), x)
    return model, plain, signed(like), x


@pytest.mark.slow
def test_a_flax_model_is_folded_and_split(tmp_path: Path) -> None:
    import jax
    from flax import serialization
    from flax.core import freeze

    model, plain, variables, x = linen_models()
    y = model.apply(variables, x)
    for given in (variables, freeze(variables), variables["params"]):
        with pytest.raises(ValueError, match="could be for dim"):  # 6 channels in and out
            interop.fold(given, source="flax")
        found = interop.fold(given, source="flax", dim="output")
        params = found.get("params", found)
        close(plain.apply({"params": params}, x), y)
    expected = jax.eval_shape(plain.init, jax.random.key(0), x)
    assert jax.tree.map(np.shape, {"params": params}) == jax.tree.map(np.shape, expected)
    layers = ["Conv_0", "up", "Dense_?"]
    again = interop.split(params, target="flax", names=layers, kind={"up": "conv_transpose"})
    order = [f"WeightNorm_{n}" for n in (0, 3, 1, 2)]  # of calls; in the natural one up is last
    given = {f"WeightNorm_{n}": again.pop(old) for n, old in enumerate(order)}
    assert jax.tree.map(np.shape, {"params": again | given}) == jax.tree.map(np.shape, variables)
    close(model.apply({"params": again | given}, x), y)
    (tmp_path / "m.msgpack").write_bytes(serialization.to_bytes(variables))
    out = tmp_path / "plain.npz"
    assert run(tmp_path / "m.msgpack", out, "--to", "plain", "--dim", "output") == 0
    close(plain.apply(interop.unflatten(interop.read(out)[0]), x), y)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["msgpack", "orbax"])
def test_a_training_state_of_flax(kind: str, tmp_path: Path, capsys: Any) -> None:
    from flax import serialization

    model, plain, variables, x = linen_models()
    state = {"params": variables["params"], "opt_state": {"0": {"mu": variables["params"]}},
             "step": 3}
    path = tmp_path / "state.msgpack"
    if kind == "msgpack":
        path.write_bytes(serialization.to_bytes(state))
    else:
        orbax = pytest.importorskip("orbax.checkpoint", reason="Orbax writes the folder")
        path = tmp_path / "state"
        with orbax.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(path, state)
    out = tmp_path / "plain.safetensors"
    assert run(path, out, "--to", "plain", "--dim", "output", "--drop", "opt_state") == 0
    found = interop.unflatten(interop.read(out)[0])
    close(plain.apply({"params": found["params"]}, x), model.apply(variables, x))
    assert run(path, out, "--to", "torch", "--dim", "output", "--only", "params", "--kind",
               "up=conv_transpose") == 0
    names = set(interop.read(out)[0])
    assert {"Conv_0.weight_g", "up.weight_v", "Dense_1.weight_g"} <= names
    assert not any("opt_state" in name for name in names)
    capsys.readouterr()
    assert run(path, out, "--to", "torch", "--dim", "output") == 1
    assert "'opt_state.0.mu" in capsys.readouterr().err


@pytest.mark.slow
def test_nnx_names(tmp_path: Path) -> None:
    import jax

    nnx = pytest.importorskip("flax.nnx", reason="nnx is the framework here")

    class Net(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.h = nnx.WeightNorm(nnx.Linear(4, 5, rngs=rngs), rngs=rngs)
            self.norm = nnx.BatchNorm(5, use_running_average=True, rngs=rngs)
            self.layers = nnx.List([nnx.Linear(5, 2, rngs=rngs)])

        def __call__(self, x: Any) -> Any:
            return self.layers[0](self.norm(nnx.tanh(self.h(x))))

    model = Net(nnx.Rngs(0))
    nnx.update(model, jax.tree.map(abs, signed(nnx.state(model))))
    x = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    y = np.asarray(model(x))
    state = nnx.state(model)
    weights = interop.fold(state, source="flax")
    assert {name: x.shape for name, x in interop.flatten(weights, "minwn").items()} == {
        "h.kernel": (4, 5), "h.bias": (5,), "layers.0.kernel": (5, 2), "layers.0.bias": (2,),
        "norm.scale": (5,), "norm.bias": (5,), "norm.mean": (5,), "norm.var": (5,),
    }
    found = interop.convert(state, "flax", "torch")
    assert {"h.weight_g", "h.weight_v", "norm.running_mean", "norm.weight"} <= set(found)
    torch = pytest.importorskip("torch", reason="what the weights are converted to")
    theirs = torch.nn.ModuleDict({
        "h": torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 5)),
        "norm": torch.nn.BatchNorm1d(5), "layers": torch.nn.ModuleList([torch.nn.Linear(5, 2)]),
    }).eval()
    state = interop.convert(nnx.to_pure_dict(nnx.state(model)), "flax", "parametrization")
    state["norm.num_batches_tracked"] = np.array(0)
    theirs.load_state_dict(tensors(state))
    z = theirs["layers"][0](theirs["norm"](torch.tanh(theirs["h"](torch.tensor(x)))))
    close(z.detach(), y)
    orbax = pytest.importorskip("orbax.checkpoint", reason="Orbax writes the folder")
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "nnx", nnx.to_pure_dict(nnx.state(model)))
    assert run(tmp_path / "nnx", tmp_path / "plain.npz", "--to", "plain") == 0
    assert_equal(interop.read(tmp_path / "plain.npz")[0], interop.flatten(weights, "minwn"), 0)


# ---- Equinox ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_equinox_model_is_folded_and_split(tmp_path: Path) -> None:
    import jax

    eqx = pytest.importorskip("equinox", reason="equinox is the framework here")

    def build(norm: bool) -> Any:
        wrap = (lambda layer: eqx.nn.WeightNorm(layer)) if norm else (lambda layer: layer)
        keys = jax.random.split(jax.random.key(0), 3)
        return eqx.nn.Sequential([
            wrap(eqx.nn.Conv1d(3, 4, 2, key=keys[0])), eqx.nn.Lambda(jax.nn.tanh),
            wrap(eqx.nn.ConvTranspose1d(4, 4, 3, 2, key=keys[1])),
            eqx.nn.Conv1d(4, 1, 1, key=keys[2]),
        ])

    def name(path: Any) -> str:
        return jax.tree_util.keystr(path, simple=True, separator=".")

    def state_of(model: Any) -> Any:
        leaves = jax.tree_util.tree_flatten_with_path(eqx.filter(model, eqx.is_array))[0]
        return {name(path): np.asarray(x) for path, x in leaves}

    def filled(model: Any, state: Any) -> Any:
        arrays, rest = eqx.partition(model, eqx.is_array)
        assert {name(p) for p, _ in jax.tree_util.tree_flatten_with_path(arrays)[0]} == set(state)
        arrays = jax.tree_util.tree_map_with_path(lambda p, _: state[name(p)], arrays)
        return eqx.combine(jax.tree.map(jax.numpy.asarray, arrays), rest)

    state = signed(state_of(build(True)))
    x = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    y = filled(build(True), state)(x)
    interop.write(tmp_path / "in.npz", state)
    assert run(tmp_path / "in.npz", tmp_path / "plain.npz", "--to", "plain") == 0
    plain, said = interop.read(tmp_path / "plain.npz")
    assert said["framework"] == "equinox"
    close(filled(build(False), plain)(x), y)
    layers = ("--normalise", "layers.0", "--normalise", "layers.2", "--kind",
              "layers.2=conv_transpose")
    words = (tmp_path / "plain.npz", tmp_path / "again.npz", "--from", "plain", "--to", "equinox")
    assert run(*words, *layers) == 0
    again = interop.read(tmp_path / "again.npz")[0]
    close(filled(build(True), again)(x), y)
    assert_equal(interop.fold(again, source="equinox"), plain, rtol=2 * EPS32)


# ---- Keras --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")
@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "h5"])
def test_a_keras_model_goes_to_torch(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is the framework here")
    pytest.importorskip("h5py", reason="h5py reads the file")
    torch = pytest.importorskip("torch", reason="what the weights are converted to")
    model = keras.Sequential([
        keras.Input((8, 3)), keras.layers.Conv1D(4, 3, name="first"),
        keras.layers.BatchNormalization(name="norm"), keras.layers.ReLU(),
        keras.layers.Conv1DTranspose(4, 2, name="up"), keras.layers.Dense(2, name="last"),
    ])
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    path = tmp_path / f"m.{suffix}"
    if suffix == "weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
    out = tmp_path / "torch.safetensors"
    assert run(path, out, "--to", "torch", "--rename", "last=out") == 0
    part, expected = tmp_path / "part.safetensors", interop.read(out)[0]["up.weight"]
    assert run(path, part, "--to", "torch", "--only", "up") == 0
    np.testing.assert_array_equal(interop.read(part)[0]["weight"], expected)
    layer = nn.ConvTranspose1d(4, 4, 2, rng=0)
    interop.load(layer, path, source="flax", only=["up"])
    np.testing.assert_array_equal(layer.weight.data, expected)
    theirs = torch.nn.ModuleDict({
        "first": torch.nn.Conv1d(3, 4, 3), "norm": torch.nn.BatchNorm1d(4, eps=1e-3),
        "up": torch.nn.ConvTranspose1d(4, 4, 2), "out": torch.nn.Linear(4, 2),
    }).eval()
    found = interop.read(out)[0] | {"norm.num_batches_tracked": np.array(0)}
    theirs.load_state_dict(tensors(found))
    x = rng.normal(size=(2, 8, 3)).astype("float32")
    with torch.no_grad():
        y = torch.relu(theirs["norm"](theirs["first"](torch.tensor(x).transpose(1, 2))))
        y = theirs["out"](theirs["up"](y).transpose(1, 2))
    close(y, keras.ops.convert_to_numpy(model(x)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")
@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "h5"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_depthwise_kernel_of_keras_is_one_in_groups(
    suffix: str, bias: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is the framework here")
    pytest.importorskip("h5py", reason="h5py reads the file")
    torch = pytest.importorskip("torch", reason="what the weights are converted to")
    layer = keras.layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=bias, name="each")
    model = keras.Sequential([keras.Input((5, 6, 3)), layer])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    path, out = tmp_path / f"m.{suffix}", tmp_path / "torch.safetensors"
    (model.save_weights if suffix == "weights.h5" else model.save)(path)
    assert run(path, out, "--to", "torch") == 0
    theirs = torch.nn.ModuleDict({"each": torch.nn.Conv2d(3, 6, 2, groups=3, bias=bias)})
    theirs.load_state_dict(tensors(interop.read(out)[0]))
    x = rng.normal(size=(2, 5, 6, 3)).astype("float32")
    with torch.no_grad():
        y = theirs["each"](torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    close(y, keras.ops.convert_to_numpy(model(x)))


def test_a_numbered_file_of_keras(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py writes the file")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for group, own, shapes in (("dense", "first", [(3, 4), (4,)]), ("odd", "odd", [(2,)]),
                                   ("wrapped/layer", "dense_7", [(4, 1), (1,)])):
            numbered = file.create_group(f"layers/{group}/vars")
            numbered.attrs["name"] = own
            for n, shape in enumerate(shapes):
                numbered[str(n)] = np.ones(shape, ">f4")
    assert {n: x.shape for n, x in interop.read(tmp_path / "m.weights.h5")[0].items()} == {
        "first.kernel": (3, 4), "first.bias": (4,), "odd.0": (2,),
        "wrapped.dense_7.kernel": (4, 1), "wrapped.dense_7.bias": (1,),
    }
