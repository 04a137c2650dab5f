"""Whether a folder of vectors is what it says: schema, digests, inputs, and every right answer.

jsonschema reads the schema. By hand is what no schema can say: what a hexadecimal number is worth,
the digests, and what keys mean together, such as an id and the dtype of its file, or a flag and its
note.

Nothing in a file is believed. A test is made again from its name alone: inputs by the generator,
bit for bit, answers by exact arithmetic and by a second route. What was withdrawn is
allowed to be wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...validation import function
from ...validation import path as path_of
from ..reference.truth import check_route
from .content import here, make
from .files import DATA, read
from .schema import complaints

__all__ = ["Verification", "verify"]


@dataclass
class Verification:
    """How much was verified, what is wrong, a sentence each, and files that need ml_dtypes."""

    files: int = 0
    tests: int = 0
    numbers: int = 0
    complaints: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to complain of, and something was verified."""
        return not self.complaints


def verify(
    path: str | Path = DATA,
    *,
    certify: str = "decimal",
    done: Callable[[str], None] = lambda name: None,
) -> Verification:
    """Prove a folder with its index, or a single file of tests.

    certify: the second route to the truth, as in `oracle.expected`
    done: called with the id of each test that was made again
    Raises ValueError for what is not JSON, OSError for what cannot be read, OracleFault where the
    two routes disagree, ImportError without jsonschema.
    """
    check_route(certify)
    found, path = Verification(), path_of("path", path)
    function("done", done, "a function of a name")
    if path.name == "index.json":
        path = path.parent
    withdrawn: set[str] = set()
    paths = [path]
    if path.is_dir():
        index = read(path / "index.json")
        said = list(complaints(index, "index"))
        found.complaints += [f"index.json: {text}" for text in said]
        if said:
            return found
        found.complaints += _listed(path, index)
        withdrawn = {erratum["id"] for erratum in index["errata"]}
        paths = [path / entry["path"] for entry in index["files"]]
    seen: set[str] = set()
    for file in filter(Path.is_file, paths):
        data = read(file)
        said = [f"{file.name}: {text}" for text in complaints(data, "file")]
        if not said and not here(data["dtype"]):
            found.skipped.append(str(file))
            seen |= {test["id"] for test in data["tests"]}
            continue
        found.files += 1
        found.complaints += said or _tests(data, found, seen, withdrawn, certify, done)
    unknown = sorted(withdrawn - seen)
    found.complaints += [f"index.json withdraws {name}, which is in no file" for name in unknown]
    return found


def _listed(folder: Path, index: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the files that an index lists."""
    for entry in index["files"]:
        file = folder / entry["path"]
        if not file.is_file():
            yield f"{entry['path']} is in the index, and not in {folder}"
            continue
        text = file.read_bytes()
        if hashlib.sha256(text).hexdigest() != entry["sha256"]:
            yield f"{entry['path']} has another SHA-256 than the index says; it was changed"
        tests = len(read(file).get("tests", ()))
        if (tests, len(text)) != (entry["tests"], entry["bytes"]):
            yield (
                f"{entry['path']} has {tests} tests in {len(text)} bytes; the index says "
                f"{entry['tests']} in {entry['bytes']}"
            )


def _tests(
    data: dict[str, Any], found: Verification, seen: set[str], withdrawn: set[str], certify: str,
    done: Callable[[str], None],
) -> list[str]:
    said = []
    for test in data["tests"]:
        name = test["id"]
        if name in seen:
            said.append(f"{name} is there twice; a name belongs to one test")
        seen.add(name)
        if f"/{data['dtype']}/" not in f"{name}/":
            said.append(f"{name} is in a file of {data['dtype']}")
        try:
            expected = make(name, data["group"], certify=certify)
        except ValueError as error:
            said.append(str(error))
            continue
        done(name)
        found.tests += 1
        found.numbers += sum(map(len, expected["expected"].values()))
        if name not in withdrawn:
            said += [f"{name}: {text}" for text in _differences(test, expected, "")]
        said += [f"{name}: no note about {x!r}" for x in test["flags"] if x not in data["notes"]]
    return said


def _differences(test: Any, expected: Any, at: str) -> Iterator[str]:
    """Where two values differ."""
    if isinstance(expected, dict) and isinstance(test, dict):
        for key in expected | test:
            here = f"{at}.{key}".lstrip(".")
            if key not in test or key not in expected:
                yield f"{here} is {'missing' if key in expected else 'too much'}"
            else:
                yield from _differences(test[key], expected[key], here)
    elif isinstance(expected, list) and isinstance(test, list) and len(expected) == len(test):
        for i, (x, y) in enumerate(zip(test, expected, strict=True)):
            yield from _differences(x, y, f"{at}[{i}]")
    elif not _same(test, expected):
        source = "the generator gives" if at.startswith("inputs") else "it must be"
        yield f"{at} is {test!r}; {source} {expected!r}"


def _same(x: Any, y: Any) -> bool:
    """Equal; tolerances, which are counted in float64, but for one unit of their three digits."""
    if isinstance(x, float) and isinstance(y, float):
        return abs(x - y) <= 0.0101 * max(abs(x), abs(y))
    return type(x) is type(y) and x == y  # 4.0 is an integer to JSON Schema, and no size to NumPy
