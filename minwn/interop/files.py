"""States in files: read as people have them, written as .npz and .safetensors, whole or not at all.

A file is data and never code: of a pickle, PyTorch reads the weights alone. Anything but named
arrays of plain numbers is refused, or left out and listed, before any of it is used. A write goes
to a new file next to the old one, is read again, and then replaces it, so that there is always one
whole file under the name.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..backend import to_numpy
from ..validation import instance, mapping, shown
from ..validation import path as path_of
from . import keras, pickles
from .flax_files import read_msgpack, read_orbax
from .metadata import below
from .names import natural
from .npz import read_npz, write_npz
from .plain import DTYPES, FileError, Selection, check_name
from .recognise import check_whole
from .safetensors import read_safetensors, write_safetensors

__all__ = [
    "FORMAT_VERSION", "LIMIT", "READABLE", "WRITABLE", "FileError", "read", "read_selection",
    "suffix_of", "write",
]

FORMAT_VERSION = 1
LIMIT = 2**32  # bytes that the arrays of a file may take in memory, by default
INDEX = ".index.json"  # what names the parts of a file that was cut

TEXTS = "a mapping from texts to texts"
ADVICE = "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
_READERS = {
    ".npz": read_npz, ".safetensors": read_safetensors,
    **dict.fromkeys(pickles.SUFFIXES, pickles.read_pickle), ".msgpack": read_msgpack,
    **dict.fromkeys(keras.SUFFIXES, keras.read_keras),
}
_WRITERS = {".npz": write_npz, ".safetensors": write_safetensors}
READABLE, WRITABLE = tuple(_READERS), tuple(_WRITERS)


def read(
    path: str | os.PathLike[str], *, limit: int = LIMIT, only: Iterable[str] = (),
    drop: Iterable[str] = (),
) -> tuple[dict[str, Any], dict]:
    """({name: array}, {key: text}): the state and metadata of a file.

    .npz; .safetensors; .pt, .pth, .bin and .ckpt of torch.save, through PyTorch and without code;
    .msgpack of Flax; .h5 and .keras of Keras; a folder of Orbax; the .index.json of several parts.
    The levels of nested states are joined by dots, and what is no array is left out.

    limit: the most bytes that all arrays together may take. The header of each array in a .npz may
    have 10,000 bytes, that of a .safetensors 16 MiB.
    only: prefixes; what is below one is read, under its name without it. drop: patterns of names,
    or of levels above them, that are not read.
    Raises FileError for anything but plain arrays under plain names, each once, and whole, and
    where a prefix or a pattern fits nothing; ImportError with the package that a file needs.
    """
    return read_selection(path, Selection(limit, only, drop), whole=False)


def read_selection(
    path: str | os.PathLike[str], selection: Selection, *, whole: bool = True
) -> tuple[dict[str, Any], dict]:
    """`read` of what is selected. whole: of each pair of g and v both or neither, or FileError."""
    path = path_of("path", path)
    try:
        state, metadata = _read(path, selection)
        selection.finish()
        if whole:
            check_whole(*selection.parts())
        metadata = below(metadata, selection.below) if selection.only else metadata
        for name in state:
            check_name(name, FileError)
    except FileError as error:
        raise FileError(f"{path}: {error}; nothing was loaded") from None
    version = metadata.get("format_version", str(FORMAT_VERSION))
    if "minwn_version" in metadata and version != str(FORMAT_VERSION):
        raise FileError(
            f"{path}: format {version}, written by minwn {metadata['minwn_version']}, which is "
            f"newer than this one; upgrade minwn. Nothing was loaded"
        )
    return state, metadata


def _read(path: Path, selection: Selection) -> tuple[dict[str, Any], dict]:
    if path.is_dir():
        return read_orbax(path, selection)
    suffix = suffix_of(path)
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileError("a pipe or a device; give a file")
        size = status.st_size
        if suffix == INDEX:
            return _read_parts(path, file, size, selection)
        return _READERS[suffix](path, file, size, selection)


def _read_parts(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """A file that was cut: the index says which array is in which file next to it."""
    if size > 2**26:
        raise FileError(f"an index of {size} bytes")
    try:
        found = json.loads(file.read())["weight_map"]
        parts = {str(name): str(part) for name, part in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FileError("no index: there is no weight_map in it") from None
    homes: dict[str, list[str]] = {}
    for name, part in parts.items():
        homes.setdefault(part, []).append(name)
    state: dict[str, Any] = {}
    for part in sorted(homes, key=natural):
        if Path(part).name != part or "\\" in part or part in ("", ".", "..") or ":" in part:
            raise FileError(f"{part!r} is not a plain name")
        if Path(part).suffix.lower() not in (".safetensors", *pickles.SUFFIXES):
            raise FileError(f"{part!r} is no .safetensors and no file of torch.save")
        if not (path.parent / part).is_file():
            raise FileError(f"its part {part!r} is missing")
        named = [selection.peek(name) for name in homes[part]]
        own = {name for name in named if name is not None}
        state |= (there := _read(path.parent / part, selection)[0])
        left = set() if selection.left is None else set(selection.left)
        wrong = own.symmetric_difference(there) - left
        if wrong:
            raise FileError(f"{min(wrong)!r} is not where the index says, in {part!r}")
    return state, {}


def write(
    path: str | os.PathLike[str],
    state: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write {name: array} to a .npz or .safetensors file, in place of the one that is there.

    The arrays are in the natural order of their names, so the same state gives the same bytes. The
    format's version and minwn's are added to the metadata. (A .npz has it in its comment, or, where
    that is too short, as bytes in the array `__metadata__`.)
    Raises ValueError for names and dtypes that could not be read again. Then, and where the write
    is interrupted or cannot be read back, the old file is untouched and the new one is gone.
    """
    path = path_of("path", path)
    mapping("state", state)
    for key, text in mapping("metadata", {} if metadata is None else metadata, TEXTS).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata[{shown(key)}]={shown(text)}; pass {TEXTS}")
    if path.suffix.lower() not in WRITABLE:
        raise ValueError(f"{path}: only .npz and .safetensors are written{_advice(path.suffix)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: a folder, a pipe or a device; give a file")
    arrays = {}
    for name, x in state.items():
        check_name(instance("a name", name, str, "text as names"), ValueError)
        if name == "__metadata__":
            raise ValueError("'__metadata__' is the name of the metadata; choose another")
        try:
            array = to_numpy(x)
        except (TypeError, ValueError):
            raise TypeError(f"{name} is {shown(x)}; a file holds arrays of numbers") from None
        if array.dtype.name not in DTYPES.values():
            raise ValueError(f"{name} is {array.dtype}; a file holds {', '.join(DTYPES.values())}")
        little = array.dtype.newbyteorder("<") if array.dtype.kind in "iuf" else array.dtype
        arrays[name] = np.asarray(array, dtype=little, order="C")
    arrays = {name: arrays[name] for name in sorted(arrays, key=natural)}
    stamped = dict(metadata or {}) | {
        "format_version": str(FORMAT_VERSION),
        "minwn_version": sys.modules["minwn"].__version__,
    }
    with _replacing(path) as file:
        _WRITERS[path.suffix.lower()](file, arrays, dict(sorted(stamped.items())))
        _read_back(path, file, arrays, stamped)


def _read_back(
    path: Path, file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    """ValueError where what was written does not come back as it is."""
    file.flush()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        found, said = _READERS[path.suffix.lower()](path, file, size, Selection(size))
    except FileError as error:
        raise ValueError(f"such a file could not be read again: {error}; not written") from None
    if said != metadata or found.keys() != arrays.keys() or any(
        found[n].shape != x.shape or found[n].dtype != x.dtype or found[n].tobytes() != x.tobytes()
        for n, x in arrays.items()
    ):
        raise OSError("what was written is not what was given, so the old file stays")


def suffix_of(path: Path) -> str:
    """The suffix of a file that can be read; ValueError for any other."""
    if path.name.lower().endswith(INDEX):
        return INDEX
    suffix = path.suffix.lower()
    if suffix in READABLE:
        return suffix
    raise ValueError(
        f"{path}: only .npz and .safetensors are read and written, and of others only "
        f"{', '.join(READABLE[2:])}, {INDEX} and a folder of Orbax are read{_advice(suffix)}"
    )


def _advice(suffix: str) -> str:
    if suffix in (".pkl", ".pickle", *pickles.SUFFIXES):
        return f". A pickle can run any code: export it where you trust it, with {ADVICE}"
    return ""


# ---- one whole file under the name --------------------------------------------------------------

_BINARY = getattr(os, "O_BINARY", 0)
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.minwn-tmp")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that becomes `path` when the block ends, and vanishes where it is left early."""
    path = Path(os.path.realpath(path))  # of a link, the file that it leads to
    _sweep(path.parent)
    new = path.with_name(f".{path.name[-200:]}.{os.urandom(8).hex()}.minwn-tmp")
    mode = stat.S_IMODE(path.stat().st_mode) & 0o777 if path.exists() else None
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY
    try:
        descriptor = os.open(new, flags, 0o666 if mode is None else mode & 0o700)
        with os.fdopen(descriptor, "w+b") as file:
            _lock(file)
            if not os.fstat(descriptor).st_nlink:  # another write swept it before it was locked
                raise OSError(f"{path}: another process writes here too; try again")
            yield file
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.chmod(new, mode)
            if os.name != "nt":  # still locked, so that no other write takes it for a leftover
                os.replace(new, path)
        if os.name == "nt":  # where an open file cannot be moved
            os.replace(new, path)
    except BaseException as error:  # an interrupt from the keyboard too
        new.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:
            error.filename = str(path)  # a full disk does not say where
        raise
    with contextlib.suppress(OSError):  # so that the new name outlives a crash; not on all systems
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _sweep(folder: Path) -> None:
    """Remove what a killed write left: the temporaries that no process holds."""
    with contextlib.suppress(OSError):
        for old in folder.iterdir():
            if _TEMPORARY.fullmatch(old.name) and old.is_file() and not old.is_symlink():
                with contextlib.suppress(OSError), open(old, "rb") as file:
                    _lock(file, wait=False)
                    old.unlink()


def _lock(file: IO[bytes], wait: bool = True) -> None:
    """A lock that ends with the process. OSError where another has it, and `wait` is False.

    Windows needs none: there a file that is open cannot be removed.
    """
    try:
        import fcntl
    except ImportError:
        return
    with contextlib.suppress(OSError) if wait else contextlib.nullcontext():  # not on all disks
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
