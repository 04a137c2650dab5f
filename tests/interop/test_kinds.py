"""Files of torch.save, Flax, Keras and in parts, and those that lie: what is read, what is refused,
what is left out by name; and what a killed write leaves."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import interop
from minwn.interop import FileError, files
from minwn.interop.plain import Selection
from tests.interop.test_files import SUFFIXES, Trap, entry, header, npy, said, tensors, zipped

pytest.importorskip("safetensors", reason="one of the two kinds of file")


def torch_or_skip() -> Any:
    return pytest.importorskip("torch", reason="torch writes the file")


class Shell:
    def __reduce__(self) -> Any:
        return os.system, ("exit 3",)


# ---- torch.save ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt", "PT"])
@pytest.mark.parametrize("new", [True, False])
def test_nested_states_of_torch(suffix: str, new: bool, tmp_path: Path) -> None:
    torch = torch_or_skip()
    a = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    tree = {
        "model": OrderedDict({"a.weight": torch.nn.Parameter(a), "t": a.t(), "tied": a}),
        "list": [{"x": torch.zeros(2, dtype=torch.int8)}, (torch.tensor(True),)],
        "optim": {"state": {0: {"exp_avg": torch.ones(2, dtype=torch.float16)}}},
        "steps": 3, "lr": 1e-3, "name": "run", "none": None, "size": torch.Size([2]),
        "empty": torch.zeros(0, 3), "view": torch.arange(10.0)[2:8:2],
    }
    path = tmp_path / f"x.{suffix}"
    torch.save(tree, path, _use_new_zipfile_serialization=new)
    found, metadata = interop.read(path)
    assert metadata == {}
    assert {n: (x.shape, str(x.dtype)) for n, x in found.items()} == {
        "model.a.weight": ((2, 3), "float32"), "model.t": ((3, 2), "float32"),
        "model.tied": ((2, 3), "float32"), "list.0.x": ((2,), "int8"), "list.1.0": ((), "bool"),
        "optim.state.0.exp_avg": ((2,), "float16"), "empty": ((0, 3), "float32"),
        "view": ((3,), "float32"),
    }
    np.testing.assert_array_equal(found["model.t"], a.t())
    np.testing.assert_array_equal(found["view"], [2, 4, 6])
    found["model.t"][...] = 0  # a copy
    assert all(x.flags.c_contiguous for x in found.values())
    only, _ = interop.read(path, only=["model"], drop=["t*"])
    assert list(only) == ["a.weight"]


def test_what_a_state_cannot_hold_is_named(tmp_path: Path) -> None:
    torch = torch_or_skip()
    one = torch.ones(2)
    odd = {
        "complex": torch.ones(2, dtype=torch.complex64), "sparse": torch.eye(2).to_sparse(),
        "float8": one.to(torch.float8_e4m3fn), "meta": torch.ones(2, device="meta"),
    }
    torch.save({"good": one} | odd, tmp_path / "x.pt")
    for name in odd:
        others = [n for n in odd if n != name]
        with pytest.raises(FileError, match=f"'{name}' is a tensor"):
            interop.read(tmp_path / "x.pt", drop=others)
    left: dict[str, str] = {}
    found, _ = files.read_selection(tmp_path / "x.pt", Selection(100, left=left))
    assert list(found) == ["good"]
    assert set(left) == set(odd)


def test_a_pickle_that_needs_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    torch = torch_or_skip()
    path = tmp_path / "x.pt"

    class Model(torch.nn.Module):
        pass

    for tree, new in ((Trap(), True), ({"w": torch.ones(2), "t": Trap()}, False)):
        torch.save(tree, path, _use_new_zipfile_serialization=new)
        with pytest.raises(FileError, match=r"it needs the code of .*setattr") as refusal:
            interop.read(path)
        assert "torch.save(model.state_dict(), 'weights.pt')" in str(refusal.value)
    torch.save({"args": __import__("argparse").Namespace(x=1)}, path)
    with pytest.raises(FileError, match=r"the code of argparse\.Namespace"):
        interop.read(path)
    torch.save({"w": torch.ones(2), "t": Shell()}, path)
    with pytest.raises(FileError, match=rf"the code of {os.name}\.system"):  # PyTorch blocks it
        interop.read(path)
    for content in (pickle.dumps(Trap()), b"", b"garbage", b"PK\3\4", b"PK\5\6" + bytes(18)):
        path.write_bytes(content)
        with pytest.raises(FileError, match=r"damaged|needs the code"):
            interop.read(path)
    assert not Trap.sprung
    torch.save(torch.ones(2), path)
    with pytest.raises(FileError, match="holds a Tensor and no names"):
        interop.read(path)


def test_a_model_of_torchscript_is_code(tmp_path: Path) -> None:
    torch = torch_or_skip()
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("x/code/__torch__/m.py", "class M: pass")
        file.writestr("x/data.pkl", b"")
    with pytest.raises(FileError, match=r"TorchScript, which is code; .*export the weights"):
        interop.read(tmp_path / "x.pt")
    assert torch


def test_a_file_without_sums_is_read(tmp_path: Path) -> None:
    torch = torch_or_skip()
    config = pytest.importorskip("torch.utils.serialization", reason="it has the switch").config
    with config.patch({"save.compute_crc32": False}):
        torch.save({"a": torch.arange(5.0)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as file:
        assert not any(member.CRC for member in file.infolist())
    np.testing.assert_array_equal(interop.read(tmp_path / "x.pt")[0]["a"], np.arange(5.0))


def test_trees_that_lie(tmp_path: Path) -> None:
    torch = torch_or_skip()
    loop: dict[str, Any] = {"a": torch.ones(1)}
    loop["again"] = loop
    torch.save(loop, tmp_path / "x.pt")
    with pytest.raises(FileError, match="contains itself"):
        interop.read(tmp_path / "x.pt")
    for tree in ({"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)},
                 {1: torch.ones(1), "1": torch.ones(1)}):
        torch.save(tree, tmp_path / "x.pt")
        with pytest.raises(FileError, match="there twice"):
            interop.read(tmp_path / "x.pt")
    for name in ("../a", "a\nb", "", "/etc/x"):
        torch.save({name: torch.ones(1)}, tmp_path / "x.pt")
        with pytest.raises(FileError, match=r"not a plain name|do not print"):
            interop.read(tmp_path / "x.pt")
    # Few bytes in the file, and 4 TB as an array
    torch.save({"a": torch.ones(1).expand(10**12), "b": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(FileError, match="over the limit"):
        interop.read(tmp_path / "x.pt")
    assert list(interop.read(tmp_path / "x.pt", drop="a")[0]) == ["b"]


@pytest.mark.slow
def test_lists_in_lists_are_counted(tmp_path: Path) -> None:
    torch = torch_or_skip()
    for leaf in (torch.zeros(0), []):
        tree: Any = [leaf]
        for _ in range(40):
            tree = [tree] * 10
        torch.save({"a": tree}, tmp_path / "x.pt")
        with pytest.raises(FileError, match="more than 200,000 items"):
            interop.read(tmp_path / "x.pt")
    torch.save({"a" * 2000: torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(FileError, match="a name of 2000 letters"):
        interop.read(tmp_path / "x.pt")


def test_numbers_that_changed_on_the_disk_are_noticed(tmp_path: Path) -> None:
    torch = torch_or_skip()
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(64.0)}, path)
    content = path.read_bytes()
    at = content.index(torch.arange(64.0).numpy().tobytes()) + 80
    path.write_bytes(content[:at] + b"\x55" + content[at + 1 :])
    with pytest.raises(FileError, match="the sum of 'x/data/0' is wrong"):
        interop.read(path)


def test_a_compressed_archive_is_no_file_of_torch(tmp_path: Path) -> None:
    torch = torch_or_skip()
    torch.save({"a": torch.zeros(10**5)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as old, zipfile.ZipFile(
        tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED
    ) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(FileError, match="is compressed"):
        interop.read(tmp_path / "bomb.pt")


@pytest.mark.slow
def test_a_damaged_file_of_torch_raises_nothing_else(tmp_path: Path) -> None:
    torch = torch_or_skip()
    for new in (True, False):
        path = tmp_path / "x.pt"
        torch.save({"a": torch.ones(2, 3)}, path, _use_new_zipfile_serialization=new)
        whole = path.read_bytes()
        rng = np.random.default_rng(0)
        for cut in rng.choice(len(whole), 60, replace=False):
            path.write_bytes(whole[:cut])
            with pytest.raises(FileError):
                interop.read(path)
        for at in rng.choice(len(whole), 200, replace=False):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                found, _ = interop.read(path, limit=10**6)
            except FileError:
                continue
            assert all(x.nbytes <= 10**6 for x in found.values())


@pytest.mark.parametrize(
    ("suffix", "package", "says"),
    [
        ("pt", "torch", "pip install 'torch>=2.6'"), ("msgpack", "flax", "pip install flax"),
        ("h5", "h5py", "pip install h5py"), ("keras", "h5py", "pip install h5py"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line(
    suffix: str, package: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=says):
        interop.read(tmp_path / f"x.{suffix}")


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = torch_or_skip()
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1")
    with pytest.raises(ImportError, match="CVE-2025-32434"):
        interop.read(tmp_path / "x.pt")


# ---- Flax, Orbax, Keras -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_msgpack_that_lies(tmp_path: Path) -> None:
    serialization = pytest.importorskip("flax.serialization", reason="Flax writes the file")
    path = tmp_path / "x.msgpack"
    good = {"params": {"a": np.ones((2, 3), "float32")}, "step": 3, "name": "run"}
    path.write_bytes(serialization.msgpack_serialize(good))
    assert {n: x.shape for n, x in interop.read(path)[0].items()} == {"params.a": (2, 3)}
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileError):
            interop.read(path)
    for content in (b"\x80", b"\x93\1\2\3", serialization.msgpack_serialize([1, 2]), b"\x01",
                    b"\x81\xa1a" * 500 + b"\x01", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff"):
        path.write_bytes(content)
        with contextlib.suppress(FileError):
            assert interop.read(path)[0] == {}
    path.write_bytes(serialization.msgpack_serialize({"a": np.ones(10**5)}))
    with pytest.raises(FileError, match="over the limit"):
        interop.read(path, limit=1000)
    path.write_bytes(serialization.msgpack_serialize({"a": np.ones(2, complex)}))
    with pytest.raises(FileError, match="'a' is an array of complex128"):
        interop.read(path)


@pytest.mark.slow
def test_folders_that_are_not_of_orbax(tmp_path: Path) -> None:
    for make in (lambda: None, lambda: (tmp_path / "x.txt").write_text("x"),
                 lambda: (tmp_path / "sub").mkdir()):
        make()
        with pytest.raises(FileError, match="a folder, and not one of Orbax"):
            interop.read(tmp_path)
    pytest.importorskip("orbax.checkpoint", reason="Orbax reads the folder")
    (tmp_path / "_METADATA").write_text("{")
    with pytest.raises(FileError, match="damaged, or not of Orbax"):
        interop.read(tmp_path)


@pytest.mark.slow
def test_orbax_steps(tmp_path: Path) -> None:
    orbax = pytest.importorskip("orbax.checkpoint", reason="Orbax writes the folder")
    with orbax.CheckpointManager(tmp_path / "run") as manager:
        for step in (5, 12):
            manager.save(step, args=orbax.args.StandardSave({"a": np.full(3, step, "float32")}))
    with pytest.raises(FileError, match=r"steps 12, 5; give one, such as .*12"):
        interop.read(tmp_path / "run")
    np.testing.assert_array_equal(interop.read(tmp_path / "run" / "5")[0]["a"], 5)
    with pytest.raises(FileError, match="over the limit"):
        interop.read(tmp_path / "run" / "5", limit=8)


@pytest.mark.slow
def test_of_orbax_only_what_is_selected_gets_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orbax = pytest.importorskip("orbax.checkpoint", reason="Orbax writes the folder")
    tree = {"params": {"b": np.arange(3.0), "a": np.ones(2)}, "opt": {"mu": np.ones(1000)}}
    with orbax.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "x", tree)
    found: list[Any] = []
    restore = orbax.PyTreeCheckpointer.restore
    monkeypatch.setattr(orbax.PyTreeCheckpointer, "restore",
                        lambda *args, **more: found.append(restore(*args, **more)) or found[-1])
    state, _ = interop.read(tmp_path / "x", only=["params"], limit=40)
    assert {name: list(x) for name, x in state.items()} == {"a": [1, 1], "b": [0, 1, 2]}
    assert found[0]["opt"]["mu"] is orbax.PLACEHOLDER
    assert interop.read(tmp_path / "x", drop=["opt", "*.a"])[0].keys() == {"params.b"}


def test_an_hdf5_that_lies(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py writes the file")
    path, other = tmp_path / "x.h5", tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(3)
    with h5py.File(path, "w") as file:
        file["a/kernel"] = np.ones(3, "float32")
        file["link"] = h5py.ExternalLink(str(other), "secret")
        file["soft"] = h5py.SoftLink("/a/kernel")
        file["loop"] = file["/"]
    assert list(interop.read(path)[0]) == ["a.kernel"]
    (tmp_path / "raw").write_bytes(bytes(24))
    for name in ("huge", "external", "virtual", "text", "complex"):
        with h5py.File(path, "w") as file:
            if name == "huge":
                file.create_dataset(name, (10**6, 10**6), "float32", chunks=(10, 10))
            elif name == "external":
                file.create_dataset(name, 3, "float64", external=[(str(tmp_path / "raw"), 0, 24)])
            elif name == "virtual":
                layout = h5py.VirtualLayout((3,), "float64")
                layout[:] = h5py.VirtualSource(str(other), "secret", (3,))
                file.create_virtual_dataset(name, layout)
            else:
                file[name] = "hello" if name == "text" else np.ones(2, complex)
        with pytest.raises(FileError, match=r"limit|another file|an array of"):
            interop.read(path)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileError):
            interop.read(path)
    for suffix in ("h5", "keras"):
        (tmp_path / f"y.{suffix}").write_bytes(b"no such file")
        with pytest.raises(FileError, match="damaged"):
            interop.read(tmp_path / f"y.{suffix}")
    (tmp_path / "y.keras").write_bytes(zipped(("config.json", b"{}")))
    with pytest.raises(FileError, match=r"no model\.weights\.h5"):
        interop.read(tmp_path / "y.keras")


# ---- parts --------------------------------------------------------------------------------------


def indexed(folder: Path, weight_map: Any, **parts: dict[str, Any]) -> Path:
    for name, state in parts.items():
        interop.write(folder / f"{name}.safetensors", state)
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": weight_map}))
    return path


def test_parts_are_one_state(tmp_path: Path) -> None:
    one, two = {"a": np.ones(2)}, {"m.b": np.zeros(3), "m.c": np.ones(1)}
    where = {"a": "p1.safetensors", "m.b": "p2.safetensors", "m.c": "p2.safetensors"}
    path = indexed(tmp_path, where, p1=one, p2=two)
    assert list(interop.read(path)[0]) == ["a", "m.b", "m.c"]
    assert list(interop.read(path, only=["m"])[0]) == ["b", "c"]
    with pytest.raises(FileError, match="over the limit of 40"):
        interop.read(path, limit=40)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"a": "../p1.safetensors"}, "not a plain name"),
        ({"a": "/etc/p1.safetensors"}, "not a plain name"),
        ({"a": "p3.safetensors"}, "is missing"),
        ({"a": "model.safetensors.index.json"}, "no .safetensors"),
        ({"a": "p1.safetensors", "b": "p1.safetensors"}, "'b' is not where the index says"),
        ({}, None),
        ({"a": 3}, "no .safetensors"),
        ([], "no weight_map"),
        ("x", "no weight_map"),
    ],
)
def test_an_index_that_lies(where: Any, says: str | None, tmp_path: Path) -> None:
    path = indexed(tmp_path, where, p1={"a": np.ones(2)})
    if says is None:
        assert interop.read(path)[0] == {}
        return
    with pytest.raises(FileError, match=says):
        interop.read(path)
    path.write_bytes(b"[" * 10**5)
    with pytest.raises(FileError, match="no weight_map"):
        interop.read(path)


# ---- what is read of a file ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_and_drop(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    names = ["gen.a.w", "gen.b.w", "genx.a", "disc.a.w", "params.gen.c", "batch_stats.gen.d"]
    interop.write(path, {n: np.full(1, i) for i, n in enumerate(names)})
    # Flax's collections stay above what is below them.
    assert set(interop.read(path, only="gen")[0]) == {"a.w", "b.w", "params.c", "batch_stats.d"}
    assert set(interop.read(path, only=["gen.a."])[0]) == {"w"}
    assert set(interop.read(path, only=["gen"], drop=["params", "batch*", "a"])[0]) == {"b.w"}
    with pytest.raises(FileError, match=r"would both be called 'a\.w'"):
        interop.read(path, only=["gen", "disc"])
    for only, drop, says in (
        (["ge"], [], "nothing is below 'ge'; did you mean 'gen'"),
        (["gen.a.w"], [], "nothing is below 'gen.a.w'"),
        ([], ["*.v"], r"nothing to drop fits '\*\.v'; at the top there are batch_stats, disc, gen"),
    ):
        with pytest.raises(FileError, match=says):
            interop.read(path, only=only, drop=drop)
    interop.write(path, {"g.a": np.ones(1), "g.g.b": np.ones(1)})
    assert set(interop.read(path, only=["g", "g.g"])[0]) == {"a", "b"}  # below the longer one
    with pytest.raises(TypeError, match="only="):
        interop.read(path, only=[3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("npz", zipped(("a.npy", header(said((0, 2**62)))))),
        ("npz", zipped(("a.npy", header(said((0,) * 40))))),
        ("safetensors", tensors({"a": entry(shape=(0, 2**62), offsets=(0, 0))})),
        ("safetensors", tensors({"a": entry(shape=(0,) * 70, offsets=(0, 0))})),
    ],
)
def test_shapes_that_cannot_be(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(content)
    with pytest.raises(FileError, match="which no array can have"):
        interop.read(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("npz", zipped(("good.npy", npy(np.ones(2))), ("c.npy", npy(np.ones(2, complex))),
                       ("t.npy", npy(np.array(["a"]))),
                       ("o.npy", npy(np.array([Trap()]), allow_pickle=True)))),
        ("safetensors", tensors({"good": entry(), "c": entry("C64", (1,), (8, 16)),
                                 "t": entry("F8_E4M3", (8,), (16, 24)),
                                 "o": entry("F8_E5M2", (8,), (24, 32))}, bytes(32))),
    ],
)
def test_one_odd_array_is_left_out_by_name(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(content)
    left: dict[str, str] = {}
    selection = Selection(1000, left=left)
    found, _ = files.read_selection(tmp_path / f"x.{suffix}", selection)
    assert list(found) == ["good"]
    assert set(left) == {"c", "t", "o"}
    assert list(interop.read(tmp_path / f"x.{suffix}", drop=["c", "t", "o"])[0]) == ["good"]
    assert not Trap.sprung


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes as POSIX has them")
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    pipe, device = tmp_path / "x.npz", tmp_path / "y.safetensors"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        with pytest.raises(FileError, match="a pipe or a device"):
            interop.read(path)
        with pytest.raises(ValueError, match="a pipe or a device"):
            interop.write(path, {"a": np.ones(1)})
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    (tmp_path / "z.npz").mkdir()
    with pytest.raises(ValueError, match="a folder"):
        interop.write(tmp_path / "z.npz", {"a": np.ones(1)})


# ---- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*SUFFIXES, "NPZ"])
def test_the_same_state_is_the_same_bytes(suffix: str, rng: Any, tmp_path: Path) -> None:
    state = {f"l{n}": rng.normal(size=3).astype(d) for n, d in
             ((2, "float32"), (10, "float64"), (1, "float16"))}
    metadata = {f"key{n}": "x" * n for n in range(12)}
    contents = set()
    for _ in range(8):
        for names, keys in ((list(state), list(metadata)), (list(state)[::-1], sorted(metadata))):
            interop.write(tmp_path / f"x.{suffix}", {n: state[n] for n in names},
                          {k: metadata[k] for k in keys})
            contents.add((tmp_path / f"x.{suffix}").read_bytes())
    assert len(contents) == 1
    found, back = interop.read(tmp_path / f"x.{suffix}")
    assert metadata.items() <= back.items()
    if suffix != "safetensors":
        assert list(found) == ["l1", "l2", "l10"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("length", [65_000, 66_000, 10**6])
def test_metadata_of_any_length_comes_back(suffix: str, length: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    metadata = {"long": "ä" * (length // 6)}
    interop.write(path, {"a": np.ones(2)}, metadata)
    found, back = interop.read(path)
    assert list(found) == ["a"]
    assert back["long"] == metadata["long"]
    if suffix == "npz":
        with np.load(path, allow_pickle=False) as archive:
            assert set(archive) <= {"a", "__metadata__"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_cannot_be_read_again_replaces_none(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"x.{suffix}"
    interop.write(path, {"a": np.ones(2)})
    before = path.read_bytes()
    if suffix == "safetensors":
        with pytest.raises(ValueError, match="could not be read again: its header has"):
            interop.write(path, {"a": np.ones(3)}, {"long": "x" * 2**25})
    writer = files._WRITERS[f".{suffix}"]
    monkeypatch.setitem(
        files._WRITERS, f".{suffix}",
        lambda file, arrays, metadata: writer(file, {n: -x for n, x in arrays.items()}, metadata),
    )
    with pytest.raises(OSError, match="is not what was given"):
        interop.write(path, {"a": np.ones(3)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(ValueError, match="the name of the metadata"):
        interop.write(path, {"__metadata__": np.ones(3)})


KILLED = """
import os, signal, sys, numpy as np
from minwn import interop
from minwn.interop import files
def wait(*args):
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    signal.pause()
os.{where} = wait
interop.write(sys.argv[1], {{"a": np.ones(10**5)}})
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_what_a_killed_write_leaves_goes_with_the_next(where: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    interop.write(path, {"a": np.zeros(1)})
    path.chmod(0o600)
    before = path.read_bytes()
    words = [sys.executable, "-c", KILLED.format(where=where), str(path)]
    processes = []
    for _ in range(2):
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        processes.append(process)
    left = [x for x in tmp_path.iterdir() if x != path]
    assert len(left) == 2
    assert {stat.S_IMODE(x.stat().st_mode) for x in left} == {0o600}
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    assert path.read_bytes() == before
    interop.write(tmp_path / "other.npz", {"b": np.ones(1)})
    left = [x for x in tmp_path.iterdir() if x.name.endswith("tmp")]
    assert len(left) == 1  # that of the process that lives
    processes[1].send_signal(signal.SIGKILL)
    processes[1].wait()
    for process in processes:
        process.stdout.close()  # type: ignore[union-attr]
    interop.write(path, {"a": np.ones(1)})
    assert sorted(os.listdir(tmp_path)) == ["other.npz", "x.npz"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_files_that_only_look_like_leftovers_stay(tmp_path: Path) -> None:
    names = [".x.npz.tmp", ".x.npz.12.tmp", "x.0123456789abcdef.minwn-tmp", ".a.minwn-tmp"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".x.0123456789abcdef.minwn-tmp").mkdir()
    interop.write(tmp_path / "x.npz", {"a": np.ones(1)})
    assert len(os.listdir(tmp_path)) == 6
