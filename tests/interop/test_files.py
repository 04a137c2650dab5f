"""Files: round trips, hostile ones refused with nothing loaded, and writes that are interrupted."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import WeightNorm, ZeroNormError, interop, nn
from minwn.interop import FileError, files
from minwn.interop.plain import DTYPES as PLAIN
from minwn.interop.safetensors import HEADER_LIMIT

pytest.importorskip("safetensors", reason="one of the two kinds of file")

SUFFIXES = ("npz", "safetensors")
DTYPES = [d for d in PLAIN.values() if d != "bfloat16"]


class Trap:
    """Reports that it was unpickled, as code in a pickle would run."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


def layer(rng: Any, **options: Any) -> nn.Module:
    module = nn.Linear(3, 2, rng=rng, **options)
    WeightNorm("weight", dim=0).apply(module)
    return module


def untouched(module: nn.Module, act: Callable[[], Any], error: Any, says: str) -> Any:
    """Run `act`, which must raise and leave the module as it was."""
    before = module.state_dict()
    weight = np.array(module.weight.data)
    with pytest.raises(error, match=says) as refusal:
        act()
    for name, x in module.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    np.testing.assert_array_equal(module.weight.data, weight)
    return refusal.value


# ---- round trips --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_dtype_and_shape_comes_back(suffix: str, rng: Any, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    state = {f"{d}.{i}": (rng.normal(size=s) * 9).astype(d) for d in DTYPES
             for i, s in enumerate([(), (1,), (0, 3), (2, 3, 4)])}
    state["fortran"] = np.asfortranarray(rng.normal(size=(3, 4)))
    state["strided"] = rng.normal(size=(6, 4))[::2, ::-1]
    state["big endian"] = rng.normal(size=3).astype(">f8")
    interop.write(path, state, {"said": "by whoever"})
    found, said = interop.read(path)
    assert said["said"] == "by whoever"
    assert found.keys() == state.keys()
    for name, x in state.items():
        assert found[name].dtype == x.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(found[name], x)
        assert found[name].flags.writeable
        assert found[name].flags.c_contiguous


def test_the_same_contents_are_the_same_npz(rng: Any, tmp_path: Path) -> None:
    state = {"a": rng.normal(size=3), "b": rng.normal(size=2)}
    for name in "xy":
        interop.write(tmp_path / f"{name}.npz", state, {"said": "by whoever"})
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_numpy_and_safetensors_open_the_files(rng: Any, tmp_path: Path) -> None:
    state = {"a/b.weight": rng.normal(size=(2, 3)), "n": np.array(3)}
    from safetensors.numpy import load_file, save_file

    interop.write(tmp_path / "x.npz", state)
    interop.write(tmp_path / "x.safetensors", state)
    for found in (
        np.load(tmp_path / "x.npz", allow_pickle=False),
        load_file(tmp_path / "x.safetensors"),
    ):
        assert set(found) == set(state)
        for name, x in state.items():
            np.testing.assert_array_equal(found[name], x)
    np.savez_compressed(tmp_path / "y.npz", **state)
    save_file(state, tmp_path / "y.safetensors")
    for suffix in SUFFIXES:
        found, said = interop.read(tmp_path / f"y.{suffix}")
        assert said == {}
        for name, x in state.items():
            np.testing.assert_array_equal(found[name], x)


def test_bfloat16_is_for_safetensors(rng: Any, tmp_path: Path) -> None:
    dtype = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes").bfloat16
    state = {"a": rng.normal(size=(2, 3)).astype(dtype)}
    interop.write(tmp_path / "x.safetensors", state)
    found = interop.read(tmp_path / "x.safetensors")[0]["a"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, state["a"])
    with pytest.raises(ValueError, match=r"write \.safetensors"):
        interop.write(tmp_path / "x.npz", state)
    np.savez(tmp_path / "x.npz", **state)  # which forgets what the bytes were
    with pytest.raises(FileError, match="an array of"):
        interop.read(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "onnx", ""])
def test_no_other_kind_of_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"only \.npz and \.safetensors") as refusal:
        interop.read(path)
    assert ("save_file" in str(refusal.value)) == (suffix not in ("onnx", ""))
    assert not Trap.sprung


def test_without_the_package_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interop.write(tmp_path / "x.safetensors", {"a": np.zeros(1)})
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    for act in (
        lambda: interop.read(tmp_path / "x.safetensors"),
        lambda: interop.write(tmp_path / "y.safetensors", {"a": np.zeros(1)}),
    ):
        with pytest.raises(ImportError, match=r"pip install 'minwn\[interop\]'"):
            act()
    assert os.listdir(tmp_path) == ["x.safetensors"]
    interop.write(tmp_path / "x.npz", {"a": np.zeros(1)})  # which needs nothing


# ---- hostile .npz -------------------------------------------------------------------------------


def npy(x: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(x), **options)
    return stream.getvalue()


def header(text: str, version: tuple[int, int] = (1, 0), data: bytes = b"") -> bytes:
    """A .npy with this header, true or not."""
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text.encode() + data


def said(shape: Any, dtype: str = "'<f8'", padding: int = 0) -> str:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"
    return text + " " * padding + "\n"


def zipped(*members: tuple[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that is there twice
        with zipfile.ZipFile(stream, "w", how) as archive:
            for name, data in members:
                info = zipfile.ZipInfo("x")
                info.filename, info.compress_type = name, how  # past ZipInfo's own cleaning
                archive.writestr(info, data)
    return stream.getvalue()


GOOD = npy(np.ones((2, 3)))
NPZ = {
    "a pickled object": (zipped(("a.npy", npy(np.array([Trap()]), allow_pickle=True))), "objects"),
    "an object, said in a header": (zipped(("a.npy", header(said("(1,)", "'|O'")))), "objects"),
    "a structure of objects": (
        zipped(("a.npy", header(said("(1,)", "[('f', '|O')]"), data=bytes(8)))), "an array of"
    ),
    "a structure": (zipped(("a.npy", npy(np.zeros(1, [("f", "f8")])))), "an array of"),
    "text": (zipped(("a.npy", npy("hello"))), "an array of"),
    "bytes": (zipped(("a.npy", npy(np.zeros(3, "V2")))), "an array of"),
    "dates": (zipped(("a.npy", npy(np.zeros(1, "M8[s]")))), "an array of"),
    "complex numbers": (zipped(("a.npy", npy(np.zeros(1, "c16")))), "an array of"),
    "long doubles": (zipped(("a.npy", npy(np.zeros(1, np.longdouble)))), "an array of"),
    "an absolute path": (zipped(("/etc/a.npy", GOOD)), "not a plain name"),
    "a way up": (zipped(("../a.npy", GOOD)), "not a plain name"),
    "a way up inside": (zipped(("a/../../b.npy", GOOD)), "not a plain name"),
    "a backslash": (zipped(("a\\b.npy", GOOD)), "not a plain name"),
    "a drive": (zipped(("C:a.npy", GOOD)), "not a plain name"),
    "no name": (zipped((".npy", GOOD)), "not a plain name"),
    "a line break": (zipped(("a\nb.npy", GOOD)), "do not print"),
    "a zero in a name": (zipped(("a.npy\0.npy", GOOD)), "no .npy"),
    "a name twice": (zipped(("a.npy", GOOD), ("a.npy", GOOD)), "there twice"),
    "something else inside": (zipped(("a.npy", GOOD), ("run.py", b"import os")), "no .npy"),
    "a header of 20 kB": (
        zipped(("a.npy", header(said("(0,)", padding=20_000)))), "a damaged header"
    ),
    "a header of 4 GB": (zipped(("a.npy", GOOD[:6] + b"\2\0\xff\xff\xff\xff")), "a damaged header"),
    "code in a header": (
        zipped(("a.npy", header("__import__('os').getcwd()\n"))), "a damaged header"
    ),
    "a header of brackets": (zipped(("a.npy", header("[" * 5000 + "\n"))), "a damaged header"),
    "too large a shape": (zipped(("a.npy", header(said("(10**6, 10**9)")))), "a damaged header"),
    "a shape without its data": (zipped(("a.npy", header(said((10**6, 10**9))))), "has 0 bytes"),
    "two minuses": (zipped(("a.npy", header(said((-2, -3)), data=bytes(48)))), "of shape"),
    "data too many": (zipped(("a.npy", GOOD + b"\0")), "has 49 bytes"),
    "data too few": (zipped(("a.npy", GOOD[:-1])), "has 47 bytes"),
    "version 3": (zipped(("a.npy", header(said("(0,)"), (3, 0)))), "version"),
    "another compression": (zipped(("a.npy", GOOD), how=zipfile.ZIP_LZMA), "compressed"),
    "a bomb": (zipped(("a.npy", npy(np.zeros(10**6))), how=zipfile.ZIP_DEFLATED), "over the limit"),
    "nothing": (b"", "no .npz"),
    "a pickle": (pickle.dumps(Trap()), "no .npz"),
    "a .npy": (GOOD, "no .npz"),
    "its beginning alone": (b"PK\3\4", "no .npz"),
}


def test_a_damaged_comment_is_not_taken_for_none(rng: Any, tmp_path: Path) -> None:
    path, module = tmp_path / "x.npz", layer(rng)
    interop.save(module, path, target="torch")
    path.write_bytes(path.read_bytes().replace(b'"framework"', b'"framework '))
    untouched(module, lambda: interop.load(module, path), FileError, "its comment is no JSON")


@pytest.mark.parametrize("name", NPZ)
def test_a_hostile_npz_is_refused(name: str, rng: Any, tmp_path: Path) -> None:
    content, says = NPZ[name]
    path, module = tmp_path / "x.npz", layer(rng)
    path.write_bytes(content)
    error = untouched(module, lambda: interop.load(module, path, limit=10**6), FileError, says)
    assert "nothing was loaded" in str(error)
    assert str(path) in str(error)
    assert not Trap.sprung
    assert os.listdir(tmp_path) == ["x.npz"]


@pytest.mark.slow
def test_a_damaged_npz_is_refused_or_makes_no_difference(rng: Any, tmp_path: Path) -> None:
    """Cut at any byte, or with any byte changed: an archive knows the sums of its members."""
    path = tmp_path / "x.npz"
    state = {"a.weight": rng.normal(size=(2, 3)), "b": np.arange(3)}
    interop.write(path, state)
    whole, survived = path.read_bytes(), 0
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileError):
            interop.read(path)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = interop.read(path)[0]
        except FileError:
            continue
        survived += 1
        assert found.keys() == state.keys()
        assert all((found[n] == x).all() for n, x in state.items())
    assert survived < len(whole) / 2  # dates, flags, and what is said in the comment


# ---- hostile .safetensors -----------------------------------------------------------------------


def tensors(entries: Any, data: bytes = b"", size: int | None = None) -> bytes:
    """A file with this header, text or what becomes JSON; `size`: the length that it claims."""
    text = entries.encode() if isinstance(entries, str) else json.dumps(entries).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> Any:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets} | more


ONE = json.dumps(entry())
SAFETENSORS = {
    "a name twice": (tensors(f'{{"a": {ONE}, "a": {ONE}}}', bytes(8)), "'a' is there twice"),
    "a key twice": (
        tensors('{"a": {"dtype": "F32", "dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}',
                bytes(8)), "'dtype' is there twice"
    ),
    "a header longer than the file": (tensors({}, size=10**6), "within its header"),
    "a header longer than anything": (tensors({}, size=2**64 - 1), "within its header"),
    "a header over the limit": (tensors(" " * (HEADER_LIMIT + 1)), "over the limit"),
    "a file over the limit": (tensors({"a": entry()}, bytes(2 * 10**7)), "over the limit"),
    "no JSON": (tensors("{'a': 1}"), "no JSON"),
    "not UTF-8": (b"\2" + bytes(7) + b"\xff\xfe", "no JSON"),
    "brackets": (tensors("[" * 10**5), "no JSON"),
    "a list": (tensors("[]"), "header is not"),
    "a number": (tensors({"a": 1}), "not described"),
    "more than an array has": (tensors({"a": entry(code="x")}, bytes(8)), "not described"),
    "metadata that is no text": (tensors({"__metadata__": {"a": 1}}), "header is not"),
    "metadata that is a list": (tensors({"__metadata__": []}), "header is not"),
    "float8": (tensors({"a": entry("F8_E4M3", (8,))}, bytes(8)), "'F8_E4M3'"),
    "an unknown dtype": (tensors({"a": entry(["F32"])}, bytes(8)), "a state holds"),
    "a dtype of objects": (tensors({"a": entry("O")}, bytes(8)), "a state holds"),
    "an absolute path": (tensors({"/etc/a": entry()}, bytes(8)), "not a plain name"),
    "a way up": (tensors({"a/../b": entry()}, bytes(8)), "not a plain name"),
    "a backslash": (tensors({"a\\b": entry()}, bytes(8)), "not a plain name"),
    "no name": (tensors({"": entry()}, bytes(8)), "not a plain name"),
    "another shape than its data": (tensors({"a": entry(shape=(3,))}, bytes(8)), "damaged"),
    "a negative size": (tensors({"a": entry(shape=(-2,))}, bytes(8)), "damaged"),
    "a fraction of a size": (tensors({"a": entry(shape=(2.5,))}, bytes(8)), "damaged"),
    "sizes whose product overflows": (tensors({"a": entry(shape=(2**62, 4))}, bytes(8)), "damaged"),
    "offsets beyond the end": (tensors({"a": entry(shape=(4,), offsets=(0, 16))}, bytes(8)),
                               "damaged"),
    "offsets backwards": (tensors({"a": entry(offsets=(8, 0))}, bytes(8)), "damaged"),
    "two arrays in one place": (tensors({"a": entry(), "b": entry()}, bytes(8)), "damaged"),
    "a hole": (tensors({"a": entry(offsets=(8, 16))}, bytes(16)), "damaged"),
    "data too many": (tensors({"a": entry()}, bytes(9)), "damaged"),
    "nothing": (b"", "within its header"),
    "a pickle": (pickle.dumps(Trap()), "within its header"),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_a_hostile_safetensors_is_refused(name: str, rng: Any, tmp_path: Path) -> None:
    content, says = SAFETENSORS[name]
    path, module = tmp_path / "x.safetensors", layer(rng)
    path.write_bytes(content)
    limit = 10**6 if len(content) < HEADER_LIMIT + 100 else 1000
    error = untouched(module, lambda: interop.load(module, path, limit=limit), FileError, says)
    assert "nothing was loaded" in str(error)
    assert not Trap.sprung


def test_a_damaged_safetensors_raises_nothing_else(rng: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    interop.write(path, {"a.weight": rng.normal(size=(2, 3)), "b": np.arange(3)})
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileError):
            interop.read(path)
    end_of_header = 8 + int.from_bytes(whole[:8], "little")
    for at in range(end_of_header):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        try:
            found = interop.read(path)[0]
        except FileError:
            continue
        assert sum(x.nbytes for x in found.values()) == len(whole) - end_of_header


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_limit_is_what_the_arrays_take(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    interop.write(path, {"a": np.zeros(10**5)})
    assert interop.read(path, limit=10**6)[0]["a"].size == 10**5
    if suffix == "npz":
        with pytest.raises(FileError, match="800128 bytes, over the limit of 800000"):
            interop.read(path, limit=800_000)


# ---- writing ------------------------------------------------------------------------------------


def _fail(*args: Any, **kwargs: Any) -> Any:
    raise OSError("no space left")


def _interrupt(*args: Any, **kwargs: Any) -> Any:
    raise KeyboardInterrupt


def _halfway(stream: Any, *args: Any, **kwargs: Any) -> None:
    stream.write(b"\x93NUMPY half of an arr")
    raise OSError("no space left")


FAILURES = [
    ("npz", "numpy.lib.format.write_array", _halfway),
    ("npz", "zipfile.ZipFile._write_end_record", _interrupt),
    ("safetensors", "safetensors.numpy.save", _fail),
    *((suffix, f"os.{name}", act) for suffix in SUFFIXES for name in ("fsync", "replace", "fdopen")
      for act in (_fail, _interrupt)),
]


@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "a new file"])
@pytest.mark.parametrize(("suffix", "what", "act"), FAILURES)
def test_an_interrupted_write_leaves_the_old_file_and_no_litter(
    old: bool, suffix: str, what: str, act: Any, rng: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, module = tmp_path / f"x.{suffix}", layer(rng)
    if old:
        interop.save(module, path)
        before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(what, act)
        with pytest.raises((OSError, KeyboardInterrupt)):
            interop.save(layer(rng), path)
    assert os.listdir(tmp_path) == ([path.name] if old else [])
    if old:
        assert path.read_bytes() == before
    interop.save(layer(rng), path)  # and the next one succeeds
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"a": np.array([None])}, "a is object"),
        ({"a": np.zeros(1, complex)}, "a is complex128"),
        ({"a": np.zeros(1, [("f", "f8")])}, "a file holds"),
        ({"../a": np.zeros(1)}, "not a plain name"),
        ({"a\x1bb": np.zeros(1)}, "do not print"),
        ({"": np.zeros(1)}, "not a plain name"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_could_not_be_read_is_not_written(
    suffix: str, state: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        interop.write(tmp_path / f"x.{suffix}", {"good": np.zeros(1)} | state)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="links and modes as POSIX has them")
def test_links_and_modes_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "x.npz", tmp_path / "link.npz"
    old = os.umask(0o027)
    try:
        interop.write(path, {"a": np.zeros(1)})
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    link.symlink_to(path)
    interop.write(link, {"a": np.ones(1)})
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert interop.read(path)[0]["a"] == 1


# ---- what a file says of itself, and what a module takes ----------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_says_what_it_is(suffix: str, rng: Any, tmp_path: Path) -> None:
    path, module = tmp_path / f"x.{suffix}", layer(rng)
    interop.save(module, path, target="parametrization")
    told = interop.read(path)[1]
    assert told["framework"] == "parametrization"
    assert told["format"] == "pt"
    assert told["format_version"] == "1"
    assert told["minwn_version"]
    again = layer(rng)
    interop.load(again, path)
    np.testing.assert_array_equal(again.weight.data, module.weight.data)
    untouched(again, lambda: interop.load(again, path, source="torch"), FileError, "not 'torch'")


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"framework": "keras"}, FileError, "'keras', which is unknown"),
        ({"epsilon": "tiny"}, FileError, "no number"),
        ({"weight_norm": "[1"}, FileError, "damaged"),
        ({"weight_norm": "[1]"}, FileError, "damaged"),
        ({"weight_norm": '{"weight_g": ["inside", 0.1]}'}, ValueError, "the same form and eps"),
    ],
)
def test_what_a_file_says_wrongly(
    told: Any, error: Any, says: str, rng: Any, tmp_path: Path
) -> None:
    module = layer(rng)
    interop.write(tmp_path / "x.npz", layer(rng).state_dict(), told)
    untouched(module, lambda: interop.load(module, tmp_path / "x.npz"), error, says)


def test_a_newer_format_is_refused(
    rng: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FORMAT_VERSION", 2)
    interop.save(layer(rng), tmp_path / "x.npz")
    monkeypatch.undo()
    with pytest.raises(FileError, match="upgrade minwn"):
        interop.read(tmp_path / "x.npz")


WRONG = {
    "names": ({"weigth_g": (2, 1), "weight_g": None}, KeyError, "did you mean 'weight_g'"),
    "one missing": ({"bias": None}, KeyError, "missing 'bias'"),
    "one more": ({"extra": (3,)}, KeyError, "unexpected 'extra'"),
    "a shape": ({"bias": (3,)}, ValueError, r"bias: shape \(3,\) for \(2,\)"),
    "the shape of g": ({"weight_g": (1, 3)}, ValueError, r"weight_g: shape \(1, 3\) for \(2, 1\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_state_that_does_not_fit_is_refused_whole(name: str, rng: Any, tmp_path: Path) -> None:
    change, error, says = WRONG[name]
    module, state = layer(rng), layer(rng).state_dict()
    for key, shape in change.items():
        state.pop(key, None)
        if shape is not None:
            state[key] = rng.normal(size=shape)
    interop.write(tmp_path / "x.npz", state)
    untouched(module, lambda: interop.load(module, tmp_path / "x.npz"), error, says)


@pytest.mark.parametrize(
    ("name", "change", "error", "says"),
    [
        ("weight_v", lambda x: x.astype("int32"), TypeError, "int32 in the file, and float32"),
        ("bias", lambda x: x > 0, TypeError, "bool in the file"),
        ("weight_g", lambda x: x.astype("float64") * 1e300, ValueError, "out of range for float32"),
        ("weight_v", lambda x: x * [[0], [1]], ZeroNormError, "v is zero"),
        ("weight_v", lambda x: x.astype("float64") * 1e-60, ZeroNormError, "v is zero"),
        ("weight_v", lambda x: x * [[np.nan], [1]], ValueError, "not finite"),
    ],
)
def test_values_that_a_module_cannot_take(
    name: str, change: Any, error: Any, says: str, rng: Any, tmp_path: Path
) -> None:
    module, state = layer(rng), layer(rng).state_dict()
    state[name] = change(state[name])
    interop.write(tmp_path / "x.npz", state)
    untouched(module, lambda: interop.load(module, tmp_path / "x.npz"), error, says)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_another_width_is_converted(dtype: str, rng: Any, tmp_path: Path) -> None:
    wide, module = layer(rng, dtype=dtype), layer(rng)
    interop.save(wide, tmp_path / "x.npz")
    interop.load(module, tmp_path / "x.npz")
    assert module.weight_v.dtype == "float32"
    np.testing.assert_array_equal(module.weight_v.data, wide.weight_v.data.astype("float32"))


@pytest.mark.parametrize("rename", [None, {"0": "a"}])
def test_modules_of_every_kind_come_back(rename: Any, rng: Any, tmp_path: Path) -> None:
    def build(rng: Any) -> nn.Module:
        inner = nn.Sequential(nn.Conv1d(2, 3, 2, rng=rng), nn.Embedding(4, 3, rng=rng))
        model = nn.Sequential(
            {"0": nn.Linear(3, 3, rng=rng)}
            | {"w": nn.WeightNormWrapper(inner, rng=rng), "n": nn.BatchNorm1d(3)}
            | {"e": nn.Linear(3, 3, rng=rng), "u": nn.ConvTranspose1d(4, 6, 2, groups=2, rng=rng)}
        )
        WeightNorm("weight", "output", eps=1e-5, form="max_n").apply(model["0"])
        WeightNorm("bias", 0).apply(model["0"])
        nn.ExponentialWeightNorm("weight", None).apply(model["e"])
        WeightNorm("weight", (0, 1)).apply(model["u"])
        return model

    one, other = build(rng), build(rng)
    interop.save(one, tmp_path / "x.npz", rename=rename)
    interop.load(other, tmp_path / "x.npz", rename={b: a for a, b in (rename or {}).items()})
    for name, x in one.state_dict().items():
        if name == "e.weight_s" and rename:  # by way of g
            np.testing.assert_allclose(other.state_dict()[name], x, rtol=4 * 2.0**-24, atol=0)
        else:
            np.testing.assert_array_equal(other.state_dict()[name], x)


def test_the_module_says_which_axis_a_square_has(rng: Any, tmp_path: Path) -> None:
    one, other = nn.Linear(3, 3, rng=rng), nn.Linear(3, 3, rng=rng)
    for module in (one, other):
        WeightNorm("weight", "output").apply(module)
    interop.save(one, tmp_path / "x.npz", target="flax", epsilon=0.0)
    interop.load(other, tmp_path / "x.npz")
    np.testing.assert_array_equal(other.weight_g.data, one.weight_g.data)
    np.testing.assert_array_equal(other.weight.data, one.weight.data)


def test_a_wrapper_without_scales_has_no_other_name(rng: Any, tmp_path: Path) -> None:
    module = nn.WeightNormWrapper(nn.Linear(3, 2, rng=rng), use_scale=False)
    with pytest.raises(ValueError, match="use_scale=True"):
        interop.save(module, tmp_path / "x.npz", target="torch")
    assert os.listdir(tmp_path) == []
