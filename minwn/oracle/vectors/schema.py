"""Whether JSON is of `schema.json`, as jsonschema reads it.

The schema has the keys, the types, the words and the spelling of a number. A schema cannot say what
a number is worth, nor how two keys go together: that is in `verify`, and in `text.value`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["SCHEMA_FILE", "complaints"]

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def complaints(data: Any, kind: str) -> Iterator[str]:
    """What keeps parsed JSON from being an "index", or a "file": the test, the key, the value.

    Raises ImportError without jsonschema.
    """
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise ImportError(
            "the schema of vectors is read by jsonschema: pip install 'minwn[vectors]'"
        ) from error
    whole = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    one = {"$ref": f"#/$defs/{kind}", "$defs": whole["$defs"]}
    for found in Draft202012Validator(one).iter_errors(data):
        said = found.message.replace(repr(found.instance), _short(found.instance))
        if found.validator == "const":  # whose message leaves out what is there
            said = f"{_short(found.instance)}; {said}"
        yield f"{_place(data, found.absolute_path)}: {said}"


def _place(data: Any, path: Iterable[str | int]) -> str:
    """tests[3] (G-0003/axis=0/float32/plain).expected.w[0]"""
    said = ""
    for part in path:
        said += f"[{part}]" if isinstance(part, int) else f".{part}"
        data = data[part]
        if isinstance(data, dict) and isinstance(data.get("id"), str):
            said += f" ({data['id']})"
    return said.removeprefix(".") or "the whole"


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) <= 60 else f"{text[:57]}..."
