"""minwn convert: exit codes, messages, and the files that it writes."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import interop
from minwn.interop import command


def run(*words: Any) -> int:
    parser = argparse.ArgumentParser("minwn convert")
    command.arguments(parser)
    return command.main(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def torch_file(rng: Any, tmp_path: Path) -> Path:
    """What a user has: a state of PyTorch, in a file that does not say so."""
    path = tmp_path / "in.npz"
    np.savez(
        path,
        **{
            "up.weight_g": rng.normal(size=(3, 1, 1)),
            "up.weight_v": rng.normal(size=(3, 4, 2)),
            "out.weight": rng.normal(size=(5, 4)),
        },
    )
    return path


def test_there_and_back(torch_file: Path, tmp_path: Path, capsys: Any) -> None:
    there, back = tmp_path / "there.npz", tmp_path / "back.npz"
    told = ["--kind", "up=conv_transpose", "--dim", "up=0"]
    assert run(torch_file, there, "--from", "torch", "--to", "flax", "--epsilon", 0, *told) == 0
    shown = capsys.readouterr().out
    assert (
        "up.weight_g (3, 1, 1), up.weight_v (3, 4, 2)  ->  params.WeightNorm_0.up/kernel/scale (3,)"
        in shown
    )
    assert "2 parameters, 1 of them normalised" in shown
    arrays, said = interop.read(there)
    assert said["framework"] == "flax"
    assert said["epsilon"] == "0.0"
    assert arrays["params.up.kernel"].shape == (2, 3, 4)
    assert run(there, back, "--to", "torch", *told) == 0
    found = interop.read(back)[0]
    for name, x in interop.read(torch_file)[0].items():
        np.testing.assert_array_equal(found[name], x)


def test_rename_like_and_json(torch_file: Path, tmp_path: Path, capsys: Any) -> None:
    like, out = tmp_path / "like.npz", tmp_path / "out.npz"
    rename = ("--rename", "up=ConvTranspose_0", "--rename", "out=Dense_0")
    kind = ("--kind", "ConvTranspose_0=conv_transpose")
    interop.write(like, {"params.norm.ConvTranspose_0/kernel/scale": np.zeros(3),
                         "params.ConvTranspose_0.kernel": np.zeros((2, 3, 4)),
                         "params.Dense_0.kernel": np.zeros((4, 5))})
    words = (torch_file, out, "--from", "torch", "--to", "flax", *rename, *kind)
    assert run(*words, "--like", like, "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parameters"][0]["to"] == {
        "params.norm.ConvTranspose_0/kernel/scale": [3], "params.ConvTranspose_0.kernel": [2, 3, 4],
    }
    assert run(*words, "--json", tmp_path / "report.json") == 0
    assert json.loads((tmp_path / "report.json").read_text())["output"] == str(out)


def test_the_lengths_travel(tmp_path: Path, rng: Any) -> None:
    state = {"weight_g": rng.normal(size=(4, 1)), "weight_v": rng.normal(size=(4, 4))}
    files = [tmp_path / f"{n}.npz" for n in range(4)]
    interop.write(files[0], state)
    assert run(files[0], files[1], "--from", "torch", "--to", "flax", "--epsilon", 0.1) == 0
    assert run(files[1], files[2], "--to", "minwn", "--dim", "output", "--eps", 0.1) == 0
    arrays, said = interop.read(files[2])
    assert json.loads(said["weight_norm"]) == {"weight_g": ["inside", 0.1]}
    assert np.abs(arrays["weight_g"] / state["weight_g"] - 1).min() > 1e-4
    assert run(files[2], files[3], "--to", "torch") == 0
    # Over two quotients of lengths
    np.testing.assert_allclose(interop.read(files[3])[0]["weight_g"], state["weight_g"], rtol=2e-15)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--to", "flax", "--limit", "much"], 2, "such as 8G"),
        (["--to", "flax", "--dtype", "int8"], 2, "choose from float64"),
        (["--to", "plain", "--normalise", "up"], 2, "--from plain"),
        (["--from", "plain", "--to", "flax"], 1, "'up.weight_g' looks like torch's"),
        (["--from", "parametrization", "--to", "flax"], 1, "give --from torch"),
        (["--to", "flax", "--only", "dow"], 1, "there are up, out"),
        (["--to", "flax", "--drop", "ou"], 1, "did you mean 'out'"),
        (["--to", "flax", "--except", "out"], 1, "--except: 'out' fits no pair"),
        (["--to", "plain", "--limit", "100"], 1, "over the limit of 100"),
        (["--from", "plain", "--to", "torch", "--normalise", "q", "--drop", "up"], 1, "'q' fits"),
        (["--from", "torch", "--to", "flax", "--dim", "up=first"], 2, "--dim first"),
        (["--from", "torch", "--to", "flax", "--kind", "up"], 2, "write NAME=VALUE"),
        (["--from", "torch", "--to", "flax", "--kind", "up=x"], 2, "choose from"),
        (["--from", "torch", "--to", "flax", "--groups", "up=0"], 2, "1 or more"),
        (["--from", "torch", "--to", "flax", "--like", "no.npz"], 2, "no such file"),
        (["--from", "torch", "--to", "flax", "--dim", "up=1"], 1, r"has (1, 4, 1)"),
        (["--from", "torch", "--to", "flax", "--rename", "in=x"], 1, "nothing begins with 'in'"),
        (["--from", "torch", "--to", "equinox", "--like", "IN"], 1, "\n  unexpected"),
        (["--from", "torch", "--to", "parametrization", "--kind", "q=conv"], 1, "fits no layer"),
    ],
)
def test_refusals(
    words: list[str], code: int, says: str, torch_file: Path, tmp_path: Path, capsys: Any
) -> None:
    if says.endswith("unexpected"):
        interop.write(tmp_path / "like.npz", {"other": np.zeros(3)})
        words = [w.replace("IN", str(tmp_path / "like.npz")) for w in words]
    before = sorted(os.listdir(tmp_path))
    assert run(torch_file, tmp_path / "out.npz", *words) == code
    shown = capsys.readouterr()
    assert shown.err.startswith("minwn convert: ")
    assert says in shown.err
    assert shown.out == ""
    assert sorted(os.listdir(tmp_path)) == before


def test_files_that_are_none(tmp_path: Path, capsys: Any) -> None:
    both = ("--from", "torch", "--to", "flax")
    assert run(tmp_path / "in.npz", tmp_path / "out.npz", *both) == 2
    assert run(tmp_path / "in.pkl", tmp_path / "out.npz", *both) == 2
    (tmp_path / "in.npz").write_bytes(b"no archive")
    assert run(tmp_path / "in.npz", tmp_path / "out.npz", *both) == 1
    assert run(tmp_path / "in.npz", tmp_path / "no" / "out.npz", *both) == 1
    lines = capsys.readouterr().err.splitlines()
    for line, says in zip(
        lines, ("no such file", ".safetensors", "no .npz", "no .npz"), strict=True
    ):
        assert says in line
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "in.npz", tmp_path / "out.npz", "--to", "keras")
    assert stop.value.code == 2
