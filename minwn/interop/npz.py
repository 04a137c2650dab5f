"""States in .npz, a zip archive of .npy members, with metadata in its comment.

A comment holds 65,535 bytes. Longer metadata is a member too, `__metadata__`, of the bytes of its
JSON.

zipfile takes longer to import than the rest of minwn together, so it is imported where it is used.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .plain import DTYPES, FileError, Selection, check_name, check_shape

__all__ = ["read_npz", "write_npz"]


_LONG = "__metadata__"
_COMMENT = 2**16 - 1  # bytes


def read_npz(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """The arrays and metadata of an open .npz of `size` bytes.  Raises FileError."""
    import zipfile
    import zlib

    if file.read(4) not in (b"PK\3\4", b"PK\5\6"):
        raise FileError("this is no .npz, which begins with PK")
    state: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            wanted = {}
            for member in members:
                old = member.orig_filename.removesuffix(".npy")
                if old == member.orig_filename or member.filename != member.orig_filename:
                    raise FileError(f"the member {member.orig_filename!r} is no .npy")
                check_name(old, FileError)
                if old in wanted:
                    raise FileError(f"{old!r} is there twice")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise FileError(f"{old!r} is compressed in a way that NumPy does not use")
                wanted[old] = old if old == _LONG else selection.name(old)
            total = sum(m.file_size for m, n in zip(members, wanted.values(), strict=True) if n)
            if selection.taken + total > selection.limit:
                limit = selection.limit
                raise FileError(f"its arrays take {total} bytes, over the limit of {limit}")
            selection.taken += total
            for member, name in zip(members, wanted.values(), strict=True):
                if name is not None:
                    with archive.open(member) as stream:
                        array = _read_npy(stream, name, member.file_size, selection)
                    if array is not None:
                        state[name] = array
            # zipfile does not check the two numbers at the end of an archive.
            file.seek(-len(archive.comment) - 22, os.SEEK_END)
            _, _, _, _, count, _, _, length = struct.unpack("<4s4H2LH", file.read(22))
            if length != len(archive.comment) or count not in (len(members), 0xFFFF):
                raise FileError("damaged: it ends otherwise than it says")
            long = state.pop(_LONG, None)
            return state, _metadata(archive.comment if long is None else long.tobytes())
    except FileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError, struct.error, OverflowError) as error:
        raise FileError(f"damaged, or no .npz: {error}") from None


def _read_npy(stream: IO[bytes], name: str, size: int, selection: Selection) -> Any:
    """One array, or None for what is left out. Its header is checked against the member's size
    before memory is allocated."""
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
        code = ", which are pickled and can run any code" * dtype.hasobject
        selection.refuse(name, f"an array of {dtype}{'s' * dtype.hasobject}{code}")
        return None
    check_shape(name, shape, dtype.itemsize)
    count = math.prod(shape) * dtype.itemsize
    if count != size - stream.tell():
        raise FileError(f"{name!r} says {shape} of {dtype}, and has {size - stream.tell()} bytes")
    data = stream.read(count)  # to the end of the member, where its sum is compared
    array = np.frombuffer(data, dtype).reshape(shape[::-1] if fortran else shape)
    return (array.T if fortran else array).astype(dtype.newbyteorder("="), order="C")


def write_npz(file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata to an open .npz."""
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        comment = json.dumps(metadata).encode()
        if len(comment) > _COMMENT:
            arrays = {_LONG: np.frombuffer(comment, np.uint8), **arrays}
        else:
            archive.comment = comment
        for name, x in arrays.items():
            if x.dtype.name == "bfloat16":
                raise ValueError(f"{name} is bfloat16, which .npz cannot say; write .safetensors")
            # A real date would make two files with the same contents differ.
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, x, allow_pickle=False)


def _metadata(comment: bytes) -> dict[str, str]:
    """The metadata in the JSON of a .npz; empty where another program wrote a comment."""
    try:
        found = json.loads(comment)
    except (ValueError, RecursionError):
        if comment.startswith(b"{"):
            raise FileError("damaged: its comment is no JSON") from None
        return {}
    plain = isinstance(found, dict) and all(isinstance(x, str) for x in found.values())
    return found if plain else {}
