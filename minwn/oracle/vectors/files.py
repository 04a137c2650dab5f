"""A folder of vectors: an index, and one file for each dtype and group.

index.json              paths, digests, errata
float32/generic.json    tests
FORMAT.md schema.json   what it all means
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ... import forms, validation
from ..cases import Axis
from ..reference.truth import check_route
from ..spec import RANKS, make_spec
from . import content
from .schema import SCHEMA_FILE
from .text import canonical

__all__ = ["DATA", "export", "read", "texts"]

DATA = Path(__file__).with_name("data")
FORMAT = Path(__file__).with_name("FORMAT.md")

# Tests that were found to be wrong: {"id", "withdrawn": "2030-12-31", "reason", "instead"}. They
# stay in their files, and count for nothing.
ERRATA: list[dict[str, Any]] = []


def texts(
    dtypes: Iterable[str] = content.DTYPES,
    groups: Iterable[str] = content.GROUPS,
    *,
    form: str = "plain",
    eps: float = 0.0,
    axis: Axis = "any",
    quick: bool = True,
    certify: str = "decimal",
    done: Callable[[str], None] = lambda name: None,
) -> Iterator[tuple[str, str]]:
    """(path, text) of every file, the index last. As it stands, what is published.

    groups: "forms" has forms of its own, and "layers" one form; both are left out where a form or
    an axis is asked for. "layers" is there in float32 and float64.
    quick: False for all cases that there are, not the first of each group
    certify: the second route to the truth, as in `oracle.expected`
    done: called with the name of each test that is made
    Raises ValueError for an unknown dtype, group or form, an eps that the form cannot use, or what
    is no axis; IndexError for an axis that no case has. Then, as the files are made, OracleFault
    where the two routes disagree, ImportError for bfloat16 without ml_dtypes.
    """
    dtypes = validation.names("dtypes", dtypes, content.DTYPES, one="dtype")
    groups = validation.names("groups", groups, content.GROUPS, one="group")
    eps = forms.check(form, eps)
    validation.flag("quick", quick)
    validation.function("done", done, "a function of a name")
    check_route(certify)
    if not isinstance(axis, str) or axis != "any":
        make_spec(axis=axis, ranks=RANKS)
    return _texts(dtypes, groups, form, eps, axis, quick, certify, done)


def _texts(
    dtypes: tuple[str, ...], groups: tuple[str, ...], form: str, eps: float, axis: Axis,
    quick: bool, certify: str, done: Callable[[str], None],
) -> Iterator[tuple[str, str]]:
    listed = []
    published = form == "plain" and axis == "any"
    for dtype in dtypes:
        for group in groups:
            if not content.has(dtype, group, published):
                continue
            tests = []
            for name in content.names(dtype, group, form=form, eps=eps, axis=axis, quick=quick):
                tests.append(content.make(name, group, certify=certify))
                done(name)
            path = f"{dtype}/{group}.json"
            text = canonical(content.document(dtype, group, tests), lines=2)
            listed.append(
                {
                    "path": path, "sha256": hashlib.sha256(text.encode()).hexdigest(),
                    "bytes": len(text), "tests": len(tests),
                }
            )
            yield path, text
    index = {
        "schema": content.SCHEMA, "generator": content.GENERATOR, "files": listed, "errata": ERRATA,
    }
    yield "index.json", canonical(index)


def export(out: Path, files: Iterable[tuple[str, str]]) -> list[Path]:
    """Write files and their explanation into a folder; the paths."""
    out, written = validation.path("out", out), []
    pairs = validation.several("files", files, "pairs (path, text), such as texts() gives")
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and [type(x) for x in pair] == [str, str]):
            raise TypeError(f"files: {validation.shown(pair)} is no pair (path, text)")
    for path, text in pairs:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())  # bytes: no other line ends on any system
        written.append(target)
    return written + [
        Path(shutil.copyfile(source, out / source.name)) for source in (FORMAT, SCHEMA_FILE)
    ]


def read(path: Path) -> Any:
    """The JSON in a file. Raises ValueError, with its place, for what is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
