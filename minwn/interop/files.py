"""States in files, .npz and .safetensors: read with suspicion, written whole or not at all.

A file is data and never code: nothing is unpickled. Whatever is not exactly a set of named arrays
of plain numbers is refused before any of it is used. A write goes to a new file beside the old one
and takes its place at the end, so that there is always one whole file under the name.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..backend import dtype_of
from .names import FRAMEWORKS

__all__ = ["FORMAT_VERSION", "LIMIT", "FileError", "about", "framework", "lengths", "number",
           "read", "write"]  # fmt: skip

FORMAT_VERSION = 1
LIMIT = 2**32  # bytes that the arrays of a file may take in memory, unless told otherwise
HEADER_LIMIT = 2**24  # bytes of names and shapes at the beginning of a .safetensors

# safetensors' names for the dtypes that a state may hold.
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}  # fmt: skip
ADVICE = "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"


class FileError(ValueError):
    """A file that is damaged, too large, or not what its name says."""


def read(path: str | os.PathLike[str], *, limit: int = LIMIT) -> tuple[dict[str, Any], dict]:
    """({name: array}, {key: text}): the state in a .npz or .safetensors file, and what is said
    about it.

    limit: the most bytes that all arrays together may take. The header of each array in a .npz may
    have 10,000 bytes, that of a .safetensors 16 MiB.
    Raises FileError for anything but plain arrays under plain names, each once, and whole.
    """
    path = Path(path)
    reader = {".npz": _read_npz, ".safetensors": _read_safetensors}[_suffix(path)]
    with open(path, "rb") as file:
        try:
            state, metadata = reader(file, os.fstat(file.fileno()).st_size, limit)
        except FileError as error:
            raise FileError(f"{path}: {error}; nothing was loaded") from None
        for name in state:
            _check_name(name, FileError)
    version = metadata.get("format_version", str(FORMAT_VERSION))
    if "minwn_version" in metadata and version != str(FORMAT_VERSION):
        raise FileError(
            f"{path}: format {version}, written by minwn {metadata['minwn_version']}, which is "
            f"newer than this one; upgrade minwn. Nothing was loaded"
        )
    return state, metadata


def write(
    path: str | os.PathLike[str],
    state: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write {name: array} to a .npz or .safetensors file, in place of the one that is there.

    The format's version and minwn's are added to the metadata. (A .npz has it in its comment.)
    Raises ValueError for names and dtypes that could not be read again. Then, and where the write
    is interrupted, the old file is untouched and the new one is gone.
    """
    path = Path(path)
    writer = {".npz": _write_npz, ".safetensors": _write_safetensors}[_suffix(path)]
    arrays = {}
    for name, x in state.items():
        _check_name(name, ValueError)
        array = np.asarray(x)
        if array.dtype.name not in DTYPES.values():
            raise ValueError(f"{name} is {array.dtype}; a file holds {', '.join(DTYPES.values())}")
        little = array.dtype.newbyteorder("<") if array.dtype.kind in "iuf" else array.dtype
        arrays[name] = np.asarray(array, dtype=little, order="C")
    said = dict(metadata or {}) | {
        "format_version": str(FORMAT_VERSION),
        "minwn_version": sys.modules["minwn"].__version__,
    }
    with _replacing(path) as file:
        writer(file, arrays, said)


# ---- what a file says about its arrays ----------------------------------------------------------


def about(framework: str, epsilon: float, lengths: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a state: whose names it has, and the lengths that the arrays do not show.

    epsilon: Flax's. lengths: {name of g: (form, eps)} in minwn.
    """
    said = {"framework": framework, "format": FRAMEWORKS[framework].tag or "minwn"}
    if framework == "flax":
        said["epsilon"] = repr(float(epsilon))
    if framework == "minwn":
        said["weight_norm"] = json.dumps(dict(lengths))
    return said


def framework(said: Mapping[str, str], asked: str | None) -> str | None:
    """The framework that a file is for: what is asked, or what it says itself; not two things."""
    told = said.get("framework", asked)
    if asked not in (None, told):
        raise FileError(f"the file says that it is for {told!r}, not {asked!r}; leave that out")
    if told is not None and told not in FRAMEWORKS:
        raise FileError(f"the file says that it is for {told!r}, which is unknown")
    return told


def lengths(said: Mapping[str, str]) -> dict[str, tuple[str, float]]:
    """{name of g: (form, eps)}, as `about` was told."""
    try:
        found = json.loads(said.get("weight_norm", "{}"))
        return {p: (str(form), float(eps)) for p, (form, eps) in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise FileError("what the file says of its weight norms is damaged") from None


def number(said: Mapping[str, str], key: str, default: float) -> float:
    try:
        return float(said.get(key, default))
    except ValueError:
        raise FileError(f"the file says {key}={said[key]!r}, which is no number") from None


# ---- names --------------------------------------------------------------------------------------


def _suffix(path: Path) -> str:
    if path.suffix in (".npz", ".safetensors"):
        return path.suffix
    advice = ""
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"):
        advice = f". A pickle can run any code: export it where you trust it, with {ADVICE}"
    raise ValueError(f"{path}: only .npz and .safetensors are read and written{advice}")


def _check_name(name: str, error: type[ValueError]) -> None:
    """Raise unless the name can be no path that leads elsewhere, in whatever tool opens it."""
    parts = name.split("/")
    if not all(parts) or ".." in parts or "." in parts or "\\" in name or name[1:2] == ":":
        raise error(f"{name!r} is not a plain name")
    if not name.isprintable():
        raise error(f"{name!r} has characters that do not print")


# ---- .npz ---------------------------------------------------------------------------------------
# A zip archive of .npy members. zipfile takes longer to import than the rest of minwn together, so
# it is imported where it is used.


def _read_npz(file: IO[bytes], size: int, limit: int) -> tuple[dict[str, Any], dict]:
    import zipfile
    import zlib

    if file.read(4) not in (b"PK\3\4", b"PK\5\6"):
        raise FileError("this is no .npz, which begins with PK")
    state: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > limit:
                raise FileError(f"its arrays take {total} bytes, over the limit of {limit}")
            for member in members:
                name = member.orig_filename.removesuffix(".npy")
                if name == member.orig_filename or member.filename != member.orig_filename:
                    raise FileError(f"the member {member.orig_filename!r} is no .npy")
                _check_name(name, FileError)
                if name in state:
                    raise FileError(f"{name!r} is there twice")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise FileError(f"{name!r} is compressed in a way that NumPy does not use")
                with archive.open(member) as stream:
                    state[name] = _read_npy(stream, name, member.file_size)
            # zipfile does not compare the two numbers at the end of an archive with what is there.
            file.seek(-len(archive.comment) - 22, os.SEEK_END)
            _, _, _, _, count, _, _, length = struct.unpack("<4s4H2LH", file.read(22))
            if length != len(archive.comment) or count not in (len(members), 0xFFFF):
                raise FileError("damaged: it ends otherwise than it says")
            return state, _metadata(archive.comment)
    except FileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError, struct.error, OverflowError) as error:  # fmt: skip
        raise FileError(f"damaged, or no .npz: {error}") from None


def _read_npy(stream: IO[bytes], name: str, size: int) -> Any:
    """One array. Its header is checked against the size of the member before room is made."""
    version = np.lib.format.read_magic(stream)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if header is None:
        raise FileError(f"{name!r} is in version {version} of .npy, which plain arrays do not need")
    try:
        shape, fortran, dtype = header(stream)
    except Exception as error:  # it is read by Python's parser, which can raise many things
        raise FileError(f"{name!r} has a damaged header: {str(error)[:80]}") from None
    if dtype.name not in DTYPES.values():
        raise FileError(
            f"{name!r} is an array of {dtype}, and a state holds {', '.join(DTYPES.values())}"
            + "; objects are pickled, and a pickle can run any code" * dtype.hasobject
        )
    count = _bytes(shape, dtype)
    if count != size - stream.tell():
        raise FileError(f"{name!r} says {shape} of {dtype}, and has {size - stream.tell()} bytes")
    data = stream.read(count)  # to the end of the member, where its sum is compared
    array = np.frombuffer(data, dtype).reshape(shape[::-1] if fortran else shape)
    return (array.T if fortran else array).astype(dtype.newbyteorder("="), order="C")


def _write_npz(file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = json.dumps(metadata).encode()
        for name, x in arrays.items():
            if x.dtype.name == "bfloat16":
                raise ValueError(f"{name} is bfloat16, which .npz cannot say; write .safetensors")
            # A date of its own would make two files with the same contents differ.
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, x, allow_pickle=False)


def _metadata(comment: bytes) -> dict[str, str]:
    """What the comment of a .npz says; nothing where others wrote it."""
    try:
        found = json.loads(comment)
    except (ValueError, RecursionError):
        if comment.startswith(b"{"):
            raise FileError("damaged: its comment is no JSON") from None
        return {}
    plain = isinstance(found, dict) and all(isinstance(x, str) for x in found.values())
    return found if plain else {}


# ---- .safetensors -------------------------------------------------------------------------------


def _read_safetensors(file: IO[bytes], size: int, limit: int) -> tuple[dict[str, Any], dict]:
    safetensors = _package()
    if size > limit + HEADER_LIMIT:
        raise FileError(f"it has {size} bytes, over the limit of {limit}")
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8:
        raise FileError("damaged, or no .safetensors: it ends within its header")
    if length > HEADER_LIMIT:
        raise FileError(f"its header has {length} bytes, over the limit of {HEADER_LIMIT}")
    text = file.read(length)
    header = _header(text)
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        _check_entry(name, entry)
    try:
        parts = safetensors.deserialize(start + text + file.read())
    except Exception as error:  # the package's own kind, and whatever its bindings raise
        raise FileError(f"damaged, or no .safetensors: {error}") from None
    state = {
        name: np.frombuffer(part["data"], dtype_of(DTYPES[part["dtype"]])).reshape(part["shape"])
        for name, part in parts
    }
    return {name: x.astype(x.dtype.newbyteorder("="), order="C") for name, x in state.items()}, (
        metadata
    )


def _header(text: bytes) -> dict[str, Any]:
    """The JSON of a header, with each key once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
            raise FileError(f"{twice!r} is there twice")
        return found

    try:
        header = json.loads(text, object_pairs_hook=once)
    except FileError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileError(f"damaged, or no .safetensors: its header is no JSON, {error}") from None
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(x, str) for x in metadata.values()):
        raise FileError("its header is not that of a .safetensors")
    return header


def _check_entry(name: str, entry: Any) -> None:
    _check_name(name, FileError)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FileError(f"{name!r} is not described as an array")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise FileError(f"{name!r} is {entry['dtype']!r}; a state holds {', '.join(DTYPES)}")


def _write_safetensors(
    file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    _package()
    from safetensors.numpy import save

    file.write(save(dict(arrays), metadata=dict(metadata)))


def _package() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "a .safetensors file needs safetensors: pip install 'minwn[interop]'"
        ) from error
    return safetensors


# ---- both ---------------------------------------------------------------------------------------


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise FileError(f"an array of shape {shape}")
    return math.prod(shape) * dtype.itemsize


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that becomes `path` when the block ends, and vanishes where it is left early."""
    path = Path(os.path.realpath(path))  # of a link, the file that it leads to
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(new, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(new, path.stat().st_mode & 0o777)
        os.replace(new, path)
    except BaseException:  # an interrupt from the keyboard too
        new.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # so that the new name outlives a crash; not on all systems
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
