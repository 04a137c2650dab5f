"""minwn convert: exit codes, messages, and the files that it writes."""

from __future__ import annotations

import argparse
import errno
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


# ---- folded, split and cut ----------------------------------------------------------------------


def test_fold_and_split_in_files(torch_file: Path, tmp_path: Path, capsys: Any) -> None:
    plain, again = tmp_path / "plain.npz", tmp_path / "again.safetensors"
    assert run(torch_file, plain, "--to", "plain") == 0
    shown = capsys.readouterr().out
    assert "  up.weight_g (3, 1, 1), up.weight_v (3, 4, 2)  ->  up.weight (3, 4, 2)\n" in shown
    assert "  carried as they are, 1: out.weight\n" in shown
    assert "  read as torch's, by its names\n" in shown
    assert shown.endswith("plain.npz: 2 parameters, 1 folded\n")
    assert interop.read(plain)[1]["framework"] == "torch"
    words = (plain, again, "--from", "plain", "--to", "parametrization", "--normalise", "u*")
    assert run(*words, "--dim", "1", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert [(p["action"], sorted(p["to"])) for p in report["parameters"]] == [
        ("carried", ["out.weight"]),
        ("split", [f"up.parametrizations.weight.original{n}" for n in (0, 1)]),
    ]
    found = interop.read(again)[0]
    assert found["up.parametrizations.weight.original0"].shape == (1, 4, 1)
    w = interop.read(plain)[0]["up.weight"]
    np.testing.assert_array_equal(found["up.parametrizations.weight.original1"], w)
    words = (plain, again, "--from", "plain", "--to", "flax", "--kind", "up=conv_transpose")
    assert run(*words, "--normalise", "up") == 0  # over the layouts
    shown = capsys.readouterr().out
    assert "up.weight (3, 4, 2)  ->  params.WeightNorm_0.up/kernel/scale (4,), " in shown
    assert "2 parameters, 1 of them normalised, 1 of them split" in shown
    back = tmp_path / "back.npz"
    assert run(again, back, "--to", "plain") == 0
    assert run(back, tmp_path / "torch.npz", "--to", "torch") == 0  # the file knows the kind
    np.testing.assert_allclose(interop.read(tmp_path / "torch.npz")[0]["up.weight"], w, rtol=1e-15)


@pytest.mark.parametrize("target", interop.FRAMEWORKS)
def test_a_counter_that_one_framework_alone_has_is_dropped(
    target: str, tmp_path: Path, capsys: Any, rng: Any
) -> None:
    plain, normalised = tmp_path / "plain.npz", tmp_path / "normalised.npz"
    state = {"a.weight": rng.normal(size=(3, 2)), "norm.running_mean": np.ones(3),
             "norm.num_batches_tracked": np.array(7)}
    np.savez(plain, **state)
    np.savez(normalised, **interop.split(state, target="torch"))
    for words in ((plain, "--from", "plain"), (normalised, "--from", "torch")):
        out = tmp_path / f"{words[-1]}-out.npz"
        assert run(words[0], out, *words[1:], "--to", target, "--kind", "a=linear") == 0
        kept = [n for n in interop.read(out)[0] if "num_batches_tracked" in n]
        shown = capsys.readouterr().out
        assert bool(kept) == (target in ("torch", "parametrization", "r"))
        assert ("norm.num_batches_tracked ()  ->  dropped" in shown) == (not kept)
        back = tmp_path / f"{words[-1]}-back.npz"
        assert run(out, back, "--from", target, "--to", "torch", "--kind", "a=linear") == 0
        capsys.readouterr()
        w = interop.fold(interop.read(back)[0], source="torch")["a.weight"]
        np.testing.assert_allclose(w, state["a.weight"], rtol=1e-14)


def test_what_is_read_and_what_is_not(tmp_path: Path, capsys: Any, rng: Any) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(path, **{"gen.a.weight_g": np.ones((2, 1)), "gen.a.weight_v": np.ones((2, 3)),
                      "gen.loss_g": np.ones(3), "gen.loss_v": np.ones((5, 2)),
                      "gen.freqs": np.ones(2, complex), "disc.b": np.ones(1, "float32"),
                      "opt": np.ones(2)})
    assert run(path, out, "--to", "plain", "--only", "gen", "--dtype", "float16") == 0
    shown = capsys.readouterr().out
    for line in (
        "  carried as they are, 2: loss_g, loss_v",
        "  not read, 2: disc.b, opt",
        "  left out: freqs, an array of complex128",
        "  loss_g (3,) and loss_v (5, 2) are no weight norm: carried",
    ):
        assert f"{line}\n" in shown
    assert {n: str(x.dtype) for n, x in interop.read(out)[0].items()} == {
        "a.weight": "float16", "loss_g": "float16", "loss_v": "float16",
    }
    assert run(path, out, "--to", "plain", "--drop", "gen", "--drop", "o*") == 0
    assert list(interop.read(out)[0]) == ["disc.b"]
    assert run(path, out, "--to", "plain", "--only", "gen", "--except", "a") == 0
    assert "weight" not in "".join(n for n in interop.read(out)[0] if n[-2:] not in ("_g", "_v"))
    assert run(path, out, "--to", "plain", "--drop", "*") == 1
    assert "no array in it" in capsys.readouterr().err


def test_a_layout_that_nothing_proves_is_said(tmp_path: Path, capsys: Any, rng: Any) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    shapes = {"up.weight": (4, 4, 3), "up.bias": (4,), "sure.weight": (5, 4, 3), "sure.bias": (5,),
              "tok.weight": (7, 3), "lin.weight": (2, 3), "lin.bias": (2,)}
    np.savez(path, **{n: rng.normal(size=s) for n, s in shapes.items()})
    assert run(path, out, "--to", "flax") == 0
    shown = capsys.readouterr().out
    assert "taken as conv: up; one that is transposed needs --kind NAME=conv_transpose" in shown
    assert "taken as linear: tok; an embedding needs --kind NAME=embedding" in shown
    assert "read as torch's, for no name says otherwise" in shown
    told = ("--kind", "up=conv_transpose", "--kind", "tok=embedding")
    assert run(path, out, "--to", "flax", *told) == 0
    assert "taken as" not in capsys.readouterr().out
    back = tmp_path / "back.npz"
    assert run(out, back, "--to", "torch") == 0
    assert run(back, out, "--to", "flax") == 0  # the kinds have travelled
    assert interop.read(out)[0]["params.tok.embedding"].shape == (7, 3)
    found = interop.read(back)[0]
    for name, x in interop.read(path)[0].items():
        np.testing.assert_array_equal(found[name], x)
    np.savez(path, **{"u.weight": rng.normal(size=(6, 4, 3)), "u.bias": rng.normal(size=4)})
    assert run(path, out, "--to", "flax") == 1
    assert "say what it is, with --kind u=conv_transpose" in capsys.readouterr().err
    assert run(path, out, "--to", "parametrization") == 0  # the same layout


def test_a_convolution_that_could_be_transposed_in_groups_is_said(
    tmp_path: Path, capsys: Any, rng: Any
) -> None:
    """(8, 4, 3) with 8 outputs: 8 of 4 inputs, or 2 groups from 4 to 4 of a transposed one."""
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(path, **{"up.weight": rng.normal(size=(8, 4, 3)), "up.bias": rng.normal(size=8)})
    assert run(path, out, "--to", "flax") == 0
    assert "taken as conv: up;" in capsys.readouterr().out


def test_the_usual_axis_of_a_square_is_taken_and_said(
    tmp_path: Path, capsys: Any, rng: Any
) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    state = {f"params.{name}.kernel": rng.normal(size=shape) for name, shape in
             (("a", (4, 4)), ("b", (3, 4, 4)), ("up", (2, 4, 4)), ("sure", (5, 4)))}
    interop.write(path, interop.split(state, target="flax", kind={"up": "transpose_kernel"}))
    for target, more in (("plain", ()), ("torch", ()), ("plain", ("--dim", "a=output"))):
        words = (path, out, "--to", target, "--kind", "up=transpose_kernel", *more)
        assert run(*words) == 0
        shown = capsys.readouterr().out
        these = "b, up" if more else "a, b, up"
        assert f"taken along the usual axis: {these}; another needs --dim NAME=DIM" in shown
        if target == "plain":
            for name, x in interop.read(out)[0].items():
                np.testing.assert_allclose(x, state[name], rtol=1e-12)
    assert run(path, out, "--to", "plain", "--dim", "infer") == 1
    assert "--dim output; --dim a=0 is for this layer" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["flax", "equinox", "torch"])
def test_split_into_the_names_of_a_model(
    target: str, tmp_path: Path, capsys: Any, rng: Any
) -> None:
    """In Flax the layers are numbered as they are called, which only the model knows."""
    path, like, out = (tmp_path / f"{name}.npz" for name in ("in", "like", "out"))
    state = {f"{name}.weight": rng.normal(size=(4, 3)) for name in ("a", "b")}
    norm = {"flax": {"params.WeightNorm_1.a/kernel/scale": (4,), "params.a.kernel": (3, 4),
                     "params.WeightNorm_0.b/kernel/scale": (4,), "params.b.kernel": (3, 4)},
            "equinox": {"a.g": (4, 1), "a.layer.weight": (4, 3), "b.g": (4, 1),
                        "b.layer.weight": (4, 3)},
            "torch": {"a.weight_g": (4, 1), "a.weight_v": (4, 3), "b.weight_g": (4, 1),
                      "b.weight_v": (4, 3)}}[target]
    interop.write(path, state)
    interop.write(like, {name: np.zeros(shape) for name, shape in norm.items()})
    assert run(path, out, "--from", "plain", "--to", target, "--like", like) == 0
    assert {name: x.shape for name, x in interop.read(out)[0].items()} == norm
    assert ("numbered as in" in capsys.readouterr().out) == (target == "flax")
    interop.write(path, interop.fold(interop.read(out)[0], source=target))
    assert run(path, out, "--from", "plain", "--to", target, "--like", like) == 0  # alone
    assert interop.read(out)[0].keys() == norm.keys()
    interop.write(like, {"other": np.zeros(3)})
    assert run(path, out, "--from", "plain", "--to", target, "--like", like) == 1
    assert "do not match" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("of", "option", "own", "other"),
    [("minwn", "--eps", "0.1", "0.2"), ("minwn", "--eps", None, "0.2"),
     ("flax", "--epsilon", "0.1", "0.2"), ("flax", "--epsilon", None, "0.2")],
)
@pytest.mark.parametrize("target", ["minwn", "flax", "torch", "plain"])
def test_a_number_that_the_file_contradicts_is_refused(
    of: str, option: str, own: str | None, other: str, target: str, tmp_path: Path, capsys: Any,
    rng: Any,
) -> None:
    """Read with another number, the same arrays are another weight."""
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    interop.write(path, {"a.weight_g": rng.normal(size=(4, 1)), "a.weight_v": np.ones((4, 3))})
    assert run(path, path, "--from", "torch", "--to", of, "--force", *([option, own] if own else [])
               ) == 0
    assert run(path, out, "--to", target, option, other) == 1
    assert f"leave {option} out" in capsys.readouterr().err
    if own:
        assert run(path, out, "--to", target, option, own) == 0


def test_norms_that_are_only_carried_are_not_numbered(
    tmp_path: Path, capsys: Any, rng: Any
) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    norm = {"WeightNorm_0.a/kernel/scale": (4,), "a.kernel": (3, 4),
            "WeightNorm_1.b/kernel/scale": (4,), "b.kernel": (3, 4)}
    interop.write(path, {f"{top}.{name}": rng.normal(size=shape)
                         for top in ("params", "opt_state.0.mu") for name, shape in norm.items()})
    assert run(path, out, "--to", "plain") == 0
    assert "numbered" not in capsys.readouterr().out
    assert run(path, out, "--to", "torch") == 1
    assert "leave it out, with --drop opt_state" in capsys.readouterr().err
    assert run(path, out, "--to", "torch", "--drop", "opt_state") == 0


def test_what_is_no_array_is_told_by_its_kind(tmp_path: Path, capsys: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch.save writes the file")
    tree = {"w": torch.ones(2), "lr": 0.1, "groups": [{"n": n} for n in range(200)]}
    torch.save(tree, tmp_path / "x.pt")
    report = tmp_path / "report.json"
    assert run(tmp_path / "x.pt", tmp_path / "o.npz", "--to", "plain", "--json", report) == 0
    shown = capsys.readouterr().out
    assert "left out: groups.0.n, groups.1.n, groups.2.n and 197 more, of type int" in shown
    assert "left out: lr, of type float" in shown
    assert len(shown.splitlines()) < 8
    assert len(json.loads(report.read_text())["left out"]) == 201
    torch.save({"a": torch.ones(2, device="meta"), "b": torch.ones(2, device="meta")},
               tmp_path / "x.pt")
    assert run(tmp_path / "x.pt", tmp_path / "o.npz", "--to", "plain") == 1
    assert "no array in it; left out: a, b, a tensor on the device meta" in capsys.readouterr().err


def test_a_full_disk_is_named_and_leaves_no_litter(
    torch_file: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(os.listdir(tmp_path))
    assert run(torch_file, tmp_path / "out.npz", "--to", "plain") == 1
    assert f"No space left on device: '{tmp_path / 'out.npz'}'" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == before


def test_long_lists_of_names_are_cut(tmp_path: Path, capsys: Any) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "o.npz"
    interop.write(path, {f"layer{n}.weight": np.ones((2, 2)) for n in range(500)})
    assert run(path, out, "--from", "plain", "--to", "torch", "--normalise", "q") == 1
    assert "and 990 more" in capsys.readouterr().err


def test_half_a_pair_names_the_way_out(tmp_path: Path, capsys: Any) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "o.npz"
    interop.write(path, {"a.weight_v": np.ones((2, 2)), "b.weight": np.ones(2)})
    assert run(path, out, "--to", "plain") == 1
    assert "where it is no weight norm, --except a.weight" in capsys.readouterr().err
    assert run(path, out, "--to", "plain", "--except", "a.weight") == 0


def test_names_that_flax_could_not_read_again(tmp_path: Path, capsys: Any) -> None:
    interop.write(tmp_path / "in.npz", {"a/b.weight": np.ones((2, 2))})
    assert run(tmp_path / "in.npz", tmp_path / "o.npz", "--to", "flax") == 1
    assert "'params.a/b.kernel': join the levels by dots" in capsys.readouterr().err


def test_names_come_back_from_flax(tmp_path: Path, rng: Any) -> None:
    path, there, back = (tmp_path / f"{n}.npz" for n in ("in", "there", "back"))
    shapes = {"norm.scale": (4,), "att.kernel": (4, 3), "tok.embedding": (5, 3), "l.weight": (4, 3),
              "scale": (2,), "s.weight_g": (4, 1), "s.weight_v": (4, 3), "s.kernel_x": (2, 2)}
    interop.write(path, {n: rng.normal(size=s) for n, s in shapes.items()})
    told = ("--dim", "output", "--epsilon", 0)
    assert run(path, there, "--from", "torch", "--to", "flax", "--epsilon", 0) == 0
    assert run(there, back, "--to", "torch", *told) == 0
    found = interop.read(back)[0]
    assert found.keys() == shapes.keys()
    for name, x in interop.read(path)[0].items():
        np.testing.assert_array_equal(found[name], x)
    assert run(there, back, "--to", "torch", *told, "--rename", "norm=ln") == 0
    assert "ln.scale" in interop.read(back)[0]


def test_the_order_in_the_file_changes_nothing(tmp_path: Path, capsys: Any, rng: Any) -> None:
    arrays = {f"l{n}.weight_{c}": rng.normal(size=s) for n in (2, 10, 1)
              for c, s in (("g", (4, 1)), ("v", (4, 3)))}
    contents, screens = set(), set()
    for turn, suffix in enumerate(("npz", "safetensors", "npz", "safetensors")):
        names = list(arrays)[:: -1 if turn > 1 else 1]
        path, out = tmp_path / f"in{turn}.{suffix}", tmp_path / "out.safetensors"
        if suffix == "npz":
            np.savez(path, **{n: arrays[n] for n in names})
        else:
            interop.write(path, {n: arrays[n] for n in names})
        for _ in range(3):
            assert run(path, out, "--to", "flax") == 0
            contents.add(out.read_bytes())
            screens.add(capsys.readouterr().out)
    assert len(contents) == len(screens) == 1
    assert "numbered in the natural order of the layers" in screens.pop()
    like = tmp_path / "like.npz"
    swapped = interop.read(out)[0]
    swapped = {n.replace("WeightNorm_0.l1/", "WeightNorm_5.l1/"): x for n, x in swapped.items()}
    interop.write(like, swapped)
    assert run(path, out, "--to", "flax", "--like", like) == 0
    assert f"numbered as in {like}" in capsys.readouterr().out
    assert "params.WeightNorm_5.l1/kernel/scale" in interop.read(out)[0]


def test_what_would_be_lost(torch_file: Path, tmp_path: Path, capsys: Any) -> None:
    before = torch_file.read_bytes()
    link = tmp_path / "link.npz"
    link.symlink_to(torch_file)
    for out in (torch_file, link, tmp_path / "." / "in.npz"):
        assert run(torch_file, out, "--to", "plain") == 2
        assert "OUT is IN" in capsys.readouterr().err
    assert run(torch_file, tmp_path / "o.npz", "--to", "plain", "--json", torch_file) == 2
    assert "would replace IN" in capsys.readouterr().err
    assert run(torch_file, tmp_path / "o.npz", "--to", "plain", "--json", tmp_path / "o.npz") == 2
    assert run(torch_file, tmp_path / "o.npz", "--to", "plain", "--like", tmp_path / "no.npz") == 2
    assert torch_file.read_bytes() == before
    assert not (tmp_path / "o.npz").exists()
    assert run(torch_file, torch_file, "--to", "plain", "--force") == 0
    assert set(interop.read(torch_file)[0]) == {"up.weight", "out.weight"}


def test_values_are_told_truly(tmp_path: Path, capsys: Any) -> None:
    path, out = tmp_path / "in.npz", tmp_path / "out.npz"
    v = np.ones((4, 3))
    v[2] = 0
    np.savez(path, **{"a.weight_g": np.ones((4, 1)), "a.weight_v": v})
    assert run(path, out, "--to", "plain") == 1
    assert "a.weight: v is zero in 1 of 4 slices (2)" in capsys.readouterr().err
    v[2] = np.nan
    np.savez(path, **{"a.weight_g": np.ones((4, 1)), "a.weight_v": v})
    assert run(path, out, "--to", "flax") == 1
    assert "v is not finite in 1 of 4 slices" in capsys.readouterr().err
    assert run(path, out, "--to", "plain") == 0
    assert "a.weight: 3 of 12 entries are not finite" in capsys.readouterr().out


def test_a_missing_package_is_an_error_of_use(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.pt").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert run(tmp_path / "x.pt", tmp_path / "o.npz", "--to", "plain") == 2
    assert "pip install 'torch>=2.6'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "count"),
    [("100", 100), ("8G", 2**33), ("1.5k", 1536), ("2GiB", 2**31), ("3MB", 3 * 2**20),
     pytest.param("9" * 400, int("9" * 400), id="400 digits")],
)
def test_limits_are_written_as_people_do(text: str, count: int) -> None:
    assert command._bytes(text) == count


def test_a_narrow_terminal_gets_narrow_lines() -> None:
    report: Any = {
        "output": "o.npz", "to": "plain", "dropped": [], "notes": ["word " * 30],
        "parameters": [{"action": "folded", "from": {"a" * 40: [3, 1], "b" * 30: [3, 4]},
                        "to": {"c" * 40: [3, 4]}}],
    }
    wide = command._text(report)
    narrow = command._text(report, 60)
    assert max(map(len, wide.splitlines())) > 120
    assert max(map(len, narrow.splitlines())) <= 92  # two names side by side
    assert " ".join(narrow.split()) == " ".join(wide.split())
