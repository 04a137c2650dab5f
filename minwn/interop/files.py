"""States in files, .npz and .safetensors: checked when read, written whole or not at all.

A file is data and never code: nothing is unpickled. Anything but a set of named arrays of
plain numbers is refused before any of it is used. A write goes to a new file next to the old one,
which it replaces at the end, so that there is always one whole file under the name.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..backend import to_numpy
from ..validation import instance, mapping, shown, whole
from ..validation import path as path_of
from .npz import read_npz, write_npz
from .plain import DTYPES, FileError, check_name
from .safetensors import read_safetensors, write_safetensors

__all__ = ["FORMAT_VERSION", "LIMIT", "FileError", "read", "write"]

FORMAT_VERSION = 1
LIMIT = 2**32  # bytes that the arrays of a file may take in memory, by default

TEXTS = "a mapping from texts to texts"
ADVICE = "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"


def read(path: str | os.PathLike[str], *, limit: int = LIMIT) -> tuple[dict[str, Any], dict]:
    """({name: array}, {key: text}): the state and metadata of a .npz or .safetensors file.

    limit: the most bytes that all arrays together may take. The header of each array in a .npz may
    have 10,000 bytes, that of a .safetensors 16 MiB.
    Raises FileError for anything but plain arrays under plain names, each once, and whole.
    """
    path, limit = path_of("path", path), whole("limit", limit, least=0)
    reader = {".npz": read_npz, ".safetensors": read_safetensors}[_suffix(path)]
    with open(path, "rb") as file:
        try:
            state, metadata = reader(file, os.fstat(file.fileno()).st_size, limit)
        except FileError as error:
            raise FileError(f"{path}: {error}; nothing was loaded") from None
        for name in state:
            check_name(name, FileError)
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
    path = path_of("path", path)
    mapping("state", state)
    for key, text in mapping("metadata", {} if metadata is None else metadata, TEXTS).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata[{shown(key)}]={shown(text)}; pass {TEXTS}")
    writer = {".npz": write_npz, ".safetensors": write_safetensors}[_suffix(path)]
    arrays = {}
    for name, x in state.items():
        check_name(instance("a name", name, str, "text as names"), ValueError)
        try:
            array = to_numpy(x)
        except (TypeError, ValueError):
            raise TypeError(f"{name} is {shown(x)}; a file holds arrays of numbers") from None
        if array.dtype.name not in DTYPES.values():
            raise ValueError(f"{name} is {array.dtype}; a file holds {', '.join(DTYPES.values())}")
        little = array.dtype.newbyteorder("<") if array.dtype.kind in "iuf" else array.dtype
        arrays[name] = np.asarray(array, dtype=little, order="C")
    stamped = dict(metadata or {}) | {
        "format_version": str(FORMAT_VERSION),
        "minwn_version": sys.modules["minwn"].__version__,
    }
    with _replacing(path) as file:
        writer(file, arrays, stamped)


def _suffix(path: Path) -> str:
    if path.suffix in (".npz", ".safetensors"):
        return path.suffix
    advice = ""
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"):
        advice = f". A pickle can run any code: export it where you trust it, with {ADVICE}"
    raise ValueError(f"{path}: only .npz and .safetensors are read and written{advice}")


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
