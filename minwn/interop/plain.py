"""The contents that a file may have: arrays of plain numbers, under plain names."""

from __future__ import annotations

__all__ = ["DTYPES", "FileError", "check_name"]

# safetensors' names for the dtypes that a state may hold.
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}


class FileError(ValueError):
    """A file that is damaged, too large, or not of the format in its name."""


def check_name(name: str, error: type[ValueError]) -> None:
    """Raise if the name could be a path out of the folder, in any tool that opens it."""
    parts = name.split("/")
    if not all(parts) or ".." in parts or "." in parts or "\\" in name or name[1:2] == ":":
        raise error(f"{name!r} is not a plain name")
    if not name.isprintable():
        raise error(f"{name!r} has characters that do not print")
