"""A part of a file means what it meant in the whole: its norms, and what the file says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import WeightNorm, interop, nn

from .test_command import run


def pair(**norm: Any) -> nn.Module:
    """Two layers, and the plain weights that they compute."""
    model = nn.Module()
    model.enc, model.dec = nn.Linear(3, 2, rng=0), nn.ConvTranspose1d(2, 2, 3, rng=1)
    for layer in (model.enc, model.dec):
        WeightNorm(**norm).apply(layer)
    return model


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_length_of_a_norm_stays_with_its_layer(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="what is written")
    model, path, out = pair(form="inside", eps=1.0), tmp_path / f"m{suffix}", tmp_path / "enc.npz"
    expected = np.array(model.enc.weight.data)
    interop.save(model, path)
    assert run(path, out, "--only", "enc", "--to", "plain") == 0
    np.testing.assert_allclose(interop.read(out)[0]["weight"], expected, rtol=1e-6)
    layer = nn.Linear(3, 2, rng=5)
    interop.load(layer, path, only=["enc"])
    np.testing.assert_allclose(layer.weight.data, expected, rtol=1e-6)
    plain = WeightNorm().apply(nn.Linear(3, 2, rng=5))
    with pytest.raises(ValueError, match="saved over the length"):
        interop.load(plain, path, only=["enc"])
    same = WeightNorm(form="inside", eps=1.0).apply(nn.Linear(3, 2, rng=5))
    interop.load(same, path, only=["enc"])
    np.testing.assert_allclose(same.weight.data, expected, rtol=1e-6)


def test_kinds_and_names_stay_with_their_layers(tmp_path: Path, capsys: Any) -> None:
    """A transposed kernel with as many inputs as outputs: only the metadata knows what it is."""
    flax, torch, again = (tmp_path / f"{name}.npz" for name in ("flax", "torch", "again"))
    state = {"net.dec.scale": np.ones(5), "net.dec.weight_g": np.ones((1, 2, 1)),
             "net.dec.weight_v": np.arange(12.0).reshape(2, 2, 3), "net.dec.bias": np.ones(2)}
    interop.write(torch, state)
    kind = ("--kind", "net.dec=conv_transpose")
    assert run(torch, flax, "--from", "torch", "--to", "flax", *kind) == 0
    for only in (("--only", "net"), ("--only", "net", "--rename", "dec=up")):
        assert run(flax, again, "--to", "torch", "--dim", "output", *only) == 0
        found, layer = interop.read(again)[0], "up" if "--rename" in only else "dec"
        np.testing.assert_array_equal(found[f"{layer}.weight_v"], state["net.dec.weight_v"])
        np.testing.assert_array_equal(found[f"{layer}.scale"], state["net.dec.scale"])
        assert "taken as conv" not in capsys.readouterr().out


SIZES = {"linear": (3, 4), "embedding": (4, 4), "conv": (4, 4, 3), "conv_transpose": (4, 4, 3)}


@pytest.mark.parametrize("seed", range(40))
def test_any_chain_of_commands_keeps_the_weights(seed: int, tmp_path: Path) -> None:
    """Frameworks, prefixes and names in a row, with lengths that differ: the kinds, the lengths and
    the names that no array shows travel in the metadata."""
    pytest.importorskip("safetensors", reason="what is written")
    rng = np.random.default_rng(seed)
    kinds = {f"{a}.{b}": str(rng.choice(list(SIZES))) for a in ("net.2", "net.10") for b in "xy"}
    weights = {f"{p}.weight": rng.normal(size=SIZES[kind]) for p, kind in kinds.items()}
    state = interop.split(weights, target="torch", kind=kinds, dim="output",
                          names=[p for n, p in enumerate(kinds) if not n or rng.random() < 0.7])
    path, of = tmp_path / "0.npz", "torch"
    interop.write(path, state)
    below, cut = rng.choice(["", "net", "net.2"]), rng.integers(3)
    for n in range(3):
        of, before = str(rng.choice(["minwn", "torch", "parametrization", "flax", "equinox"])), of
        words = ["--eps", "0.3"] if of == "minwn" != before else []
        words += ["--epsilon", "0.7"] if of == "flax" != before else []
        if below and n == cut:
            words += ["--only", below]
            kinds = {p.removeprefix(f"{below}."): kind for p, kind in kinds.items()
                     if p.startswith(f"{below}.")}
        if n == 0:
            words += [word for p, kind in kinds.items() for word in ("--kind", f"{p}={kind}")]
        out = tmp_path / f"{n + 1}.{rng.choice(['npz', 'safetensors'])}"
        assert run(path, out, "--to", of, *words) == 0
        path = out
    assert run(path, tmp_path / "plain.npz", "--to", "plain") == 0
    assert run(tmp_path / "plain.npz", tmp_path / "torch.npz", "--to", "torch") == 0
    found = interop.read(tmp_path / "torch.npz")[0]
    expected = {name.removeprefix(f"{below}."): x for name, x in weights.items()
                if not below or name.startswith(f"{below}.")}
    assert found.keys() == expected.keys()
    for name, x in found.items():
        np.testing.assert_allclose(x, expected[name], rtol=1e-12)


FLAX = {"params.WeightNorm_0.up/kernel/scale": (3,), "params.up.kernel": (2, 4, 3),
        "params.up.bias": (3,)}
EQUINOX = {"up.g": (3, 1), "up.layer.weight": (3, 4)}


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (FLAX, ["--only", "up"]),
        (FLAX, ["--drop", "*scale"]),
        (FLAX, ["--drop", "params.WeightNorm_0.*"]),
        (EQUINOX, ["--only", "up.layer"]),
        (EQUINOX, ["--drop", "*.g"]),
        ({"up.weight_g": (3, 1), "up.weight_v": (3, 4)}, ["--drop", "*_g"]),
        ({"up.layer.weight": (3, 4), "up.layer.weight/scale": (3,)}, ["--drop", "*scale"]),
        ({"up/weight/scale": (3,), "layer.up.weight": (3, 4)}, ["--only", "layer"]),
    ],
)
@pytest.mark.parametrize("target", ["plain", "torch"])
def test_a_weight_is_not_read_without_its_norm(
    shapes: dict[str, Any], words: list[str], target: str, rng: Any, tmp_path: Path, capsys: Any
) -> None:
    """v alone is another weight, under a name that says nothing of it."""
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    interop.write(path, {name: rng.normal(size=shape) for name, shape in shapes.items()})
    assert run(path, out, "--to", target, *words) == 1
    assert "without" in capsys.readouterr().err
    assert not out.exists()
    options = {words[0].removeprefix("--"): [words[1]]}
    with pytest.raises((ValueError, KeyError), match=r"without|unexpected 'up\.weight_v'"):
        interop.load(nn.Linear(4, 3, rng=0), path, **options)
    assert interop.read(path, **options)[0]  # to look at it
