"""States in .safetensors: a JSON header, checked here, and the bytes, which the package reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..backend import dtype_of
from .plain import DTYPES, FileError, Selection, check_name

__all__ = ["HEADER_LIMIT", "read_safetensors", "write_safetensors"]

HEADER_LIMIT = 2**24  # bytes of names and shapes at the beginning


def read_safetensors(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """The arrays and metadata of an open .safetensors of `size` bytes.  Raises FileError."""
    safetensors = _package()
    if size > selection.limit + HEADER_LIMIT:
        raise FileError(f"it has {size} bytes, over the limit of {selection.limit}")
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8:
        raise FileError("damaged, or no .safetensors: it ends within its header")
    if length > HEADER_LIMIT:
        raise FileError(f"its header has {length} bytes, over the limit of {HEADER_LIMIT}")
    text = file.read(length)
    header = _header(text)
    metadata = header.pop("__metadata__", {})
    wanted = {}
    for old, entry in header.items():
        _check_entry(old, entry)
        name = selection.name(old)
        if name is not None and entry["dtype"] not in DTYPES:
            selection.refuse(name, f"an array of {entry['dtype']!r}")
        elif name is not None:
            wanted[old] = name
    try:
        parts = safetensors.deserialize(start + text + file.read())
    except Exception as error:  # the package's own error, and any that its bindings raise
        raise FileError(f"damaged, or no .safetensors: {error}") from None
    found = {}
    for old, part in parts:
        if old in wanted:
            dtype = dtype_of(DTYPES[part["dtype"]])
            selection.take(old, tuple(part["shape"]), dtype.itemsize)
            x = np.frombuffer(part["data"], dtype).reshape(part["shape"])
            found[old] = x.astype(dtype.newbyteorder("="), order="C")
    # The package hands them out in another order each time; the header has one.
    return {name: found[old] for old, name in wanted.items()}, metadata


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
    check_name(name, FileError)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FileError(f"{name!r} is not described as an array")
    if not isinstance(entry["dtype"], str):
        raise FileError(f"{name!r} is {entry['dtype']!r}; a state holds {', '.join(DTYPES)}")


def write_safetensors(
    file: IO[bytes], arrays: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    """Write arrays and metadata to an open .safetensors."""
    _package()
    from safetensors.numpy import save

    # The package writes the metadata in another order each time, so they are put in here.
    plain = save(dict(arrays))
    end = 8 + int.from_bytes(plain[:8], "little")
    header = {"__metadata__": dict(metadata), **json.loads(plain[8:end])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    file.write(memoryview(plain)[end:])


def _package() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError(
            "a .safetensors file needs safetensors: pip install 'minwn[interop]'"
        ) from error
    return safetensors
