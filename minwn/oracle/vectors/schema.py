"""Whether JSON is of a schema, for the words of JSON Schema that `schema.json` uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["SCHEMA_FILE", "complaints"]

SCHEMA_FILE = Path(__file__).with_name("schema.json")

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
    "boolean": bool, "null": type(None),
}
_WORDS = {
    "$ref", "type", "const", "enum", "pattern", "minimum", "items", "required", "properties",
    "additionalProperties",
}


def complaints(data: Any, kind: str) -> Iterator[str]:
    """What keeps parsed JSON from being an "index", or a "file", with the place of each."""
    definitions = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    return _against(data, definitions[kind], definitions, "")


def _against(
    data: Any, schema: dict[str, Any], definitions: dict[str, Any], at: str
) -> Iterator[str]:
    for word in schema.keys() - _WORDS:
        raise ValueError(f"schema.json uses {word!r}, which is not read here")
    if "$ref" in schema:
        yield from _against(data, definitions[schema["$ref"].rpartition("/")[2]], definitions, at)
        return
    here = at or "the whole"
    if "const" in schema and data != schema["const"]:
        yield f"{here} is {data!r}, not {schema['const']!r}"
    if "enum" in schema and data not in schema["enum"]:
        yield f"{here} is {data!r}, none of {', '.join(map(repr, schema['enum']))}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(data, kind) for kind in kinds):
        yield f"{here} is {_short(data)}, not of type {' or '.join(kinds)}"
        return
    if isinstance(data, str) and not re.search(schema.get("pattern", ""), data):
        yield f"{here} is {data!r}, which does not match {schema['pattern']}"
    if "minimum" in schema and data is not None and data < schema["minimum"]:
        yield f"{here} is {data!r}, below {schema['minimum']}"
    if isinstance(data, list):
        for i, x in enumerate(data):
            yield from _against(x, schema.get("items", {}), definitions, f"{at}[{i}]")
    if isinstance(data, dict):
        for key in schema.get("required", ()):
            if key not in data:
                yield f"{here} has no {key!r}"
        rest = schema.get("additionalProperties", {})
        for key, x in data.items():
            inner = schema.get("properties", {}).get(key, rest)
            if inner is False:
                yield f"{here} has a key {key!r}, which means nothing"
            else:
                yield from _against(x, inner, definitions, f"{at}.{key}".lstrip("."))


def _is(data: Any, kind: str) -> bool:
    if isinstance(data, bool):
        return kind == "boolean"
    return isinstance(data, _TYPES[kind])


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 40 else text[:37] + "..."
