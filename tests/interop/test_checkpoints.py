"""Checkpoints as people have them, made by the frameworks: folded, split, converted, and loaded
into the real models, which compute the same as before."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import WeightNorm, interop, nn, tensor
from minwn.interop import command

torch = pytest.importorskip("torch", reason="the checkpoints are PyTorch's")
pytest.importorskip("safetensors", reason="what is written")
EPS32 = np.finfo("float32").eps


def run(*words: Any) -> int:
    parser = argparse.ArgumentParser("minwn convert")
    command.arguments(parser)
    return command.main(parser.parse_args([str(word) for word in words]))


def hook(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and in every vocoder
        return torch.nn.utils.weight_norm(module, name, dim)


def parametrized(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    return torch.nn.utils.parametrizations.weight_norm(module, name, dim)


def unhooked(model: Any) -> Any:
    """The model as PyTorch itself folds it: one norm after the other, of either kind."""
    for module in model.modules():
        for name in [k.name for k in getattr(module, "_forward_pre_hooks", {}).values()
                     if isinstance(k, torch.nn.utils.weight_norm.__globals__["WeightNorm"])]:
            torch.nn.utils.remove_weight_norm(module, name)
        for name in list(getattr(module, "parametrizations", ())):
            torch.nn.utils.parametrize.remove_parametrizations(module, name)
    return model


def tensors(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: torch.from_numpy(np.array(x)) for name, x in state.items()}


def shaken(model: Any) -> Any:
    """The model with g of either sign and any size, so that a g that is lost shows."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("_g", "original0")):
                p.mul_(torch.empty_like(p).uniform_(0.5, 1.5, generator=draw))
                p.mul_(torch.where(torch.rand(p.shape, generator=draw) < 0.5, -1.0, 1.0))
    return model


def close(found: Any, expected: Any, steps: int = 40) -> None:
    """To a few roundings of float32 for each of some hundred products."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    atol = steps * EPS32 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


# ---- miniatures ---------------------------------------------------------------------------------


class ResBlock(torch.nn.Module):
    def __init__(self, norm: Callable[..., Any], c: int) -> None:
        super().__init__()
        self.convs1 = torch.nn.ModuleList(
            norm(torch.nn.Conv1d(c, c, 3, dilation=d, padding=d)) for d in (1, 3)
        )

    def forward(self, x: Any) -> Any:
        for conv in self.convs1:
            x = x + conv(torch.nn.functional.leaky_relu(x, 0.1))
        return x


class Generator(torch.nn.Module):
    """HiFi-GAN's names: conv_pre, ups, resblocks, conv_post."""

    def __init__(self, norm: Callable[..., Any] = hook) -> None:
        super().__init__()
        self.conv_pre = norm(torch.nn.Conv1d(5, 8, 7, padding=3))
        self.ups = torch.nn.ModuleList(
            norm(torch.nn.ConvTranspose1d(8 // 2**i, 4 // 2**i, 4, 2, 1)) for i in range(2)
        )
        self.resblocks = torch.nn.ModuleList(ResBlock(norm, c) for c in (4, 2))
        self.conv_post = norm(torch.nn.Conv1d(2, 1, 7, padding=3))

    def forward(self, x: Any) -> Any:
        x = self.conv_pre(x)
        for up, block in zip(self.ups, self.resblocks, strict=True):
            x = block(up(torch.nn.functional.leaky_relu(x, 0.1)))
        return torch.tanh(self.conv_post(x))


class PositionalConv(torch.nn.Module):
    """wav2vec2: encoder.pos_conv_embed.conv, in groups, a norm for each tap."""

    def __init__(self, norm: Callable[..., Any] = parametrized) -> None:
        super().__init__()
        conv = norm(torch.nn.Conv1d(8, 8, 4, padding=2, groups=2), dim=2)
        self.encoder = torch.nn.ModuleDict({"pos_conv_embed": torch.nn.ModuleDict({"conv": conv})})
        self.lm_head = torch.nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        y = self.encoder["pos_conv_embed"]["conv"](x)
        return self.lm_head(y.transpose(1, 2))


class Codec(torch.nn.Module):
    """DAC and EnCodec: encoder.block.N, snakes with alpha, a transposed convolution, an LSTM."""

    def __init__(self, norm: Callable[..., Any] = parametrized) -> None:
        super().__init__()
        self.encoder = torch.nn.ModuleDict({"block": torch.nn.Sequential(
            norm(torch.nn.Conv1d(1, 4, 7, padding=3)), torch.nn.ELU(),
            norm(torch.nn.Conv1d(4, 6, 4, 2, 1)))})
        self.lstm = torch.nn.LSTM(6, 6, 1)
        self.codebook = torch.nn.Embedding(5, 6)
        self.decoder = torch.nn.ModuleDict({"model": torch.nn.Sequential(
            norm(torch.nn.ConvTranspose1d(6, 4, 4, 2, 1)), torch.nn.ELU(),
            norm(torch.nn.Conv1d(4, 1, 7, padding=3)))})

    def forward(self, x: Any) -> Any:
        y = self.encoder["block"](x)
        z, _ = self.lstm(y.permute(2, 0, 1))
        return self.decoder["model"](z.permute(1, 2, 0) + self.codebook.weight.mean())


class TemporalBlock(torch.nn.Module):
    """The TCN: conv1 under its own name and again in net, so that its names are there twice."""

    def __init__(self, norm: Callable[..., Any] = hook) -> None:
        super().__init__()
        self.conv1, self.conv2 = (norm(torch.nn.Conv1d(4, 4, 2)) for _ in range(2))
        self.net = torch.nn.Sequential(self.conv1, torch.nn.ReLU(), self.conv2)
        self.downsample = torch.nn.Conv1d(4, 4, 1)

    def forward(self, x: Any) -> Any:
        return self.net(x) + self.downsample(x)[..., 2:]


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "HiFi-GAN": (Generator, (2, 5, 6)),
    "HiFi-GAN, parametrized": (lambda: Generator(parametrized), (2, 5, 6)),
    "wav2vec2": (PositionalConv, (2, 8, 6)),
    "wav2vec2, before 2.0": (lambda: PositionalConv(hook), (2, 8, 6)),
    "DAC": (Codec, (2, 1, 8)),
    "EnCodec": (lambda: Codec(hook), (2, 1, 8)),
    "TCN": (TemporalBlock, (2, 4, 6)),
}


def built(name: str) -> tuple[Any, Any]:
    """A model with a signed g, and an input for it."""
    build, shape = MODELS[name]
    torch.manual_seed(0)
    return shaken(build()).eval(), torch.randn(shape)


# ---- folded -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_folded_file_is_what_the_framework_folds(name: str, tmp_path: Path) -> None:
    model, x = built(name)
    y = model(x).detach()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert run(tmp_path / "model.pt", tmp_path / "plain.safetensors", "--to", "plain") == 0
    found = tensors(interop.read(tmp_path / "plain.safetensors")[0])
    plain = unhooked(model)
    expected = plain.state_dict()
    assert found.keys() == expected.keys()
    for key, w in expected.items():
        assert found[key].dtype == w.dtype
        # PyTorch's own weight has the roundings of a float32 norm, ours has one.
        np.testing.assert_allclose(found[key], w, rtol=20 * EPS32, atol=0)
    plain.load_state_dict(found)
    close(plain(x).detach(), y)


@pytest.mark.parametrize("name", MODELS)
def test_folded_and_split_again_it_is_the_same_model(name: str) -> None:
    model, x = built(name)
    y = model(x).detach()
    source = "parametrization" if "parametrizations" in "".join(model.state_dict()) else "torch"
    pairs = {p.rpartition(".")[0] for p in model.state_dict() if p.endswith(("_v", "original1"))}
    layers = {p.replace(".parametrizations.weight", "") for p in pairs}
    plain = interop.fold(model.state_dict(), source=source)
    again = interop.split(
        plain, target=source, names=layers, dim=2 if name.startswith("wav2vec2") else 0
    )
    assert sorted(again) == sorted(model.state_dict())
    model.load_state_dict(tensors(again))
    close(model(x).detach(), y)
    assert_equal(interop.fold(again, source=source), plain, rtol=2 * EPS32)


def assert_equal(found: Mapping[str, Any], expected: Mapping[str, Any], rtol: float) -> None:
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x, rtol=rtol, atol=0)


@pytest.mark.slow
def test_a_training_file_of_hifi_gan(tmp_path: Path, capsys: Any) -> None:
    """The command of the README, on a file as train.py saves it from several GPUs."""
    model, x = built("HiFi-GAN")
    y = model(x).detach()
    optim = torch.optim.AdamW(model.parameters(), 2e-4, betas=(0.8, 0.99))
    model(x).sum().backward()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optim.step()
    torch.save({"generator": {f"module.{n}": before.get(n, p) for n, p in
                              model.state_dict().items()}}, tmp_path / "g_02500000.pth")
    torch.save(
        {"mpd": Generator().state_dict(), "msd": TemporalBlock().state_dict(),
         "generator": before, "optim_g": optim.state_dict(), "steps": 2_500_000, "epoch": 7},
        tmp_path / "do_02500000.pth",
    )
    plain = unhooked(model)
    for file in ("g_02500000.pth", "do_02500000.pth"):
        out = tmp_path / "generator.safetensors"
        assert run(tmp_path / file, out, "--only", "generator", "--to", "plain") == 0
        screen = capsys.readouterr().out
        assert "conv_pre.weight_g (8, 1, 1), conv_pre.weight_v (8, 5, 7)  ->" in screen
        assert "8 folded" in screen
        assert ("'module' of DataParallel" in screen) == (file[0] == "g")
        plain.load_state_dict(tensors(interop.read(out)[0]))
        close(plain(x).detach(), y)
    whole = tmp_path / "whole.safetensors"
    assert run(tmp_path / "do_02500000.pth", whole, "--drop", "optim_*", "--to", "plain") == 0
    screen = capsys.readouterr().out
    assert "left out: epoch, steps, of type int" in screen
    found = interop.read(whole)[0]
    assert {n.partition(".")[0] for n in found} == {"mpd", "msd", "generator"}
    assert not any(n.endswith(("_g", "_v")) for n in found)


def test_a_hugging_face_prefix_and_shards(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model, x = built("wav2vec2")
    state = {f"wav2vec2.{n}" * (n[0] == "e") or n: p for n, p in model.state_dict().items()}
    parts = {"model-00001-of-00002.safetensors": list(state)[:2],
             "model-00002-of-00002.safetensors": list(state)[2:]}
    for file, names in parts.items():
        save_file({n: state[n].contiguous() for n in names}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1},
                                 "weight_map": {n: f for f, ns in parts.items() for n in ns}}))
    out = tmp_path / "plain.npz"
    assert run(index, out, "--to", "plain", "--rename", "wav2vec2=") == 0
    y = model(x).detach()
    plain = unhooked(model)
    plain.load_state_dict(tensors(interop.read(out)[0]))
    close(plain(x).detach(), y)
    assert run(index, out, "--to", "plain", "--only", "wav2vec2") == 0
    assert all(n.startswith("encoder.") for n in interop.read(out)[0])


def test_compiled_and_averaged_models(tmp_path: Path, capsys: Any) -> None:
    torch.manual_seed(0)
    model, x = shaken(TemporalBlock(parametrized)).eval(), torch.randn(2, 4, 6)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    torch.save({f"_orig_mod.{n}": p for n, p in model.state_dict().items()}, tmp_path / "c.pt")
    torch.save({"model": model.state_dict(), "model_ema": averaged.state_dict()}, tmp_path / "e.pt")
    y = model(x).detach()
    plain = unhooked(model)
    for file, *more in (("c.pt",), ("e.pt", "--only", "model_ema"), ("e.pt", "--only", "model")):
        assert run(tmp_path / file, tmp_path / "o.npz", "--to", "plain", *more) == 0
        found = interop.read(tmp_path / "o.npz")[0]
        assert ("n_averaged" in found) == ("model_ema" in more)
        found.pop("n_averaged", None)
        plain.load_state_dict(tensors(found))
        close(plain(x).detach(), y)
    assert "'_orig_mod' of torch.compile left out of" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_sixteen_bits_are_folded_in_float64_and_rounded_once(dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    model, _ = built("HiFi-GAN")
    model = model.to(getattr(torch, dtype))
    state = {n: p.double().numpy() for n, p in model.state_dict().items()}
    torch.save(model.state_dict(), tmp_path / "m.pt")
    for asked in (dtype, "float32"):
        out = tmp_path / f"{asked}.safetensors"
        assert run(tmp_path / "m.pt", out, "--to", "plain", "--dtype", asked) == 0
        found = interop.read(out)[0]
        for layer in ("conv_pre", "ups.1"):
            g, v = (state[f"{layer}.weight_{letter}"] for letter in "gv")
            exact = g * v / np.sqrt((v * v).sum((1, 2), keepdims=True))
            w = found[f"{layer}.weight"]
            assert w.dtype == asked
            # In float64 there is a rounding for each of the four operations, and none in others.
            rtol = 8 * np.finfo("float64").eps if asked == "float64" else 0
            np.testing.assert_allclose(w.astype("float64"), exact.astype(w.dtype), rtol=rtol)


# ---- loaded into modules of minwn ---------------------------------------------------------------


def ours(normalised: bool) -> Any:
    """The TCN's block in minwn, with or without its norms."""
    block = nn.Sequential(nn.Conv1d(4, 4, 2, rng=0), nn.ReLU(), nn.Conv1d(4, 4, 2, rng=1))
    if normalised:
        for layer in (block[0], block[2]):
            WeightNorm("weight", 0).apply(layer)
    return block


@pytest.mark.parametrize("there", [True, False], ids=["normalised file", "plain file"])
@pytest.mark.parametrize("here", [True, False], ids=["normalised module", "plain module"])
@pytest.mark.parametrize("names", ["torch", "parametrization"])
def test_a_file_loads_into_a_module_with_norms_or_without(
    there: bool, here: bool, names: str, tmp_path: Path, capsys: Any
) -> None:
    torch.manual_seed(0)
    model = TemporalBlock(hook if names == "torch" else parametrized)
    model = (shaken(model) if there else unhooked(model)).eval()
    x = torch.randn(2, 4, 6)
    torch.save(model.state_dict(), tmp_path / "tcn.pt")
    module = ours(here)
    interop.load(module, tmp_path / "tcn.pt", only="net")
    said = capsys.readouterr().err
    assert ("folded" in said) == (there and not here)
    assert ("split" in said) == (here and not there)
    assert len(said.splitlines()) == (here != there)
    close(module(tensor(x.numpy())).data, model.net(x).detach())


def test_a_plain_file_into_every_kind_of_norm(tmp_path: Path, capsys: Any) -> None:
    def build() -> Any:
        return nn.Sequential(*[nn.Linear(3, 3, rng=n, dtype="float64") for n in range(4)])

    plain, module = build(), build()
    WeightNorm("weight", None, eps=1e-3, form="outside").apply(module[0])
    nn.ExponentialWeightNorm("weight", 1).apply(module[1])
    wrapped = nn.Sequential(*[nn.WeightNormWrapper(x) if n == 2 else x
                              for n, x in enumerate(module[n] for n in range(4))])
    interop.save(plain, tmp_path / "plain.npz")
    interop.load(wrapped, tmp_path / "plain.npz")
    assert "3 weights split" in capsys.readouterr().err
    x = np.random.default_rng(0).normal(size=(5, 3))
    # The scale of the wrapper is float32.
    np.testing.assert_allclose(wrapped(tensor(x)).data, plain(tensor(x)).data, rtol=1e-6)
    interop.save(wrapped, tmp_path / "normalised.npz")
    again = build()
    interop.load(again, tmp_path / "normalised.npz")
    assert "3 weights folded" in capsys.readouterr().err
    np.testing.assert_allclose(again(tensor(x)).data, wrapped(tensor(x)).data, rtol=1e-12)
