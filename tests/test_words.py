"""The prose of today: no archaic words in documents, docstrings and comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import minwn

ROOT = Path(minwn.__file__).parent
PAGES = [
    *(ROOT.parent / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
    *sorted((ROOT.parent / "tutorials" / "site").glob("*.[mr]*")),
]
ARCHAIC = re.compile(
    r"\b(whoever|whomever|whosoever|nobody|somebody|likewise|anew|beside|besides|upon|thus|hitherto|"
    r"whence|thence|thereof|therein|thereby|hereby|lest|ere|forsooth)\b",
    re.IGNORECASE,
)


def prose(source: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of the docstrings and comments of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            for number, line in enumerate(str(first.value.value).splitlines()):
                yield first.lineno + number, line


def archaic(path: Path) -> list[str]:
    """One line, "file:line: word", for each archaic word."""
    text = path.read_text(encoding="utf-8")
    lines = prose(text) if path.suffix == ".py" else enumerate(text.splitlines(), 1)
    return [f"{path.name}:{n}: {word[0]}" for n, line in lines for word in ARCHAIC.finditer(line)]


@pytest.mark.parametrize(
    "source", ['"""Whoever calls."""', "x = 1  # made anew", 'def f():\n    """x beside y"""']
)
def test_an_archaic_word_is_found(source, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert len(archaic(path)) == 1


def test_code_and_messages_are_not_searched(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('beside = "whoever"')
    assert not archaic(path)


@pytest.mark.slow
def test_the_prose_is_of_today():
    notebooks = sorted((ROOT.parent / "tutorials" / "src").glob("*.py"))
    paths = [*PAGES, *notebooks, *sorted(ROOT.rglob("*.py"))]
    assert len(paths) > 200
    assert not [found for path in paths for found in archaic(path)]
