"""States in .npz, a zip archive of .npy members, with metadata in its comment.

zipfile takes longer to import than the rest of minwn together, so it is imported where it is used.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from .plain import DTYPES, FileError, check_name

__all__ = ["read_npz", "write_npz"]


def read_npz(file: IO[bytes], size: int, limit: int) -> tuple[dict[str, Any], dict]:
    """The arrays and metadata of an open .npz of `size` bytes.  Raises FileError."""
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
                check_name(name, FileError)
                if name in state:
                    raise FileError(f"{name!r} is there twice")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise FileError(f"{name!r} is compressed in a way that NumPy does not use")
                with archive.open(member) as stream:
                    state[name] = _read_npy(stream, name, member.file_size)
            # zipfile does not check the two numbers at the end of an archive.
            file.seek(-len(archive.comment) - 22, os.SEEK_END)
            _, _, _, _, count, _, _, length = struct.unpack("<4s4H2LH", file.read(22))
            if length != len(archive.comment) or count not in (len(members), 0xFFFF):
                raise FileError("damaged: it ends otherwise than it says")
            return state, _metadata(archive.comment)
    except FileError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError, struct.error, OverflowError) as error:
        raise FileError(f"damaged, or no .npz: {error}") from None


def _read_npy(stream: IO[bytes], name: str, size: int) -> Any:
    """One array. Its header is checked against the member's size before memory is allocated."""
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


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    if not all(type(n) is int and n >= 0 for n in shape):
        raise FileError(f"an array of shape {shape}")
    return math.prod(shape) * dtype.itemsize


def write_npz(file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays and metadata to an open .npz."""
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = json.dumps(metadata).encode()
        for name, x in arrays.items():
            if x.dtype.name == "bfloat16":
                raise ValueError(f"{name} is bfloat16, which .npz cannot say; write .safetensors")
            # A real date would make two files with the same contents differ.
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, x, allow_pickle=False)


def _metadata(comment: bytes) -> dict[str, str]:
    """The metadata in the comment of a .npz; empty where another program wrote it."""
    try:
        found = json.loads(comment)
    except (ValueError, RecursionError):
        if comment.startswith(b"{"):
            raise FileError("damaged: its comment is no JSON") from None
        return {}
    plain = isinstance(found, dict) and all(isinstance(x, str) for x in found.values())
    return found if plain else {}
