"""Reads the source of a notebook: py:percent, with the solutions in it.

    # %%
    def weight(v, g):
        # 5.2: return g v / n, with one length n for each row
        # BEGIN SOLUTION
        n = np.sqrt((v * v).sum(axis=1, keepdims=True))
        return g * v / n
        # END SOLUTION

    guess = "stays"  # SOLUTION

In the learner's notebook `todo("5.2", "return g v / n, ...")` replaces the comment and the block,
and `guess = ...` the line. The solution keeps everything except the markers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

__all__ = ["Cell", "Tutorial", "notebook", "read", "solution", "student", "written"]

BEGIN, END = re.compile(r"^\s*# BEGIN SOLUTION\s*$"), re.compile(r"^\s*# END SOLUTION\s*$")
TASK = re.compile(r"^(\s*)# (\d+\.T?\d+): (.+)$")
LINE = re.compile(r"^(\s*)([\w ,]+?) = .*\s# SOLUTION\s*$")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Cell:
    """kind: "markdown", "code" or "raw". id: changes only with the source."""

    kind: str
    source: str
    id: str = ""
    metadata: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Tutorial:
    """A source after reading: number "05", stem "05_weight_normalisation", and its cells."""

    stem: str
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        """The number as text, "05"."""
        return self.stem[:2]

    @property
    def title(self) -> str:
        """The first heading without its number."""
        first = self.cells[0].source.splitlines()[0] if self.cells else ""
        return re.sub(r"^#\s*(\d+\s+)?", "", first)

    @property
    def minutes(self) -> int | None:
        """How long it takes, as its first cell says; None where that does not."""
        found = re.search(r"\*\*(\d+) minutes\*\*", self.cells[0].source if self.cells else "")
        return int(found[1]) if found else None

    def map(self, change: Callable[[str], str]) -> Tutorial:
        """A copy in which `change` was applied to every code cell; ids stay."""
        cells = (replace(c, source=change(c.source)) if c.kind == "code" else c for c in self.cells)
        return replace(self, cells=tuple(cells))


def read(path: Path | str) -> Tutorial:
    """Read a source. Raises ImportError without jupytext, ValueError for unmatched markers."""
    try:
        import jupytext
    except ImportError:
        raise ImportError(
            "notebooks are built with jupytext; pip install 'minwn[notebooks]'"
        ) from None
    path = Path(path)
    found = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    cells = _identified(
        Cell(cell.cell_type, cell.source.rstrip()) for cell in found.cells if cell.source.strip()
    )
    tutorial = Tutorial(path.stem, tuple(cells))
    try:
        student(tutorial)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return tutorial


def _identified(cells: Iterable[Cell]) -> Iterable[Cell]:
    """The cells with ids made from their contents: an edit changes only its own cell's id."""
    seen: dict[str, int] = {}
    for cell in cells:
        digest = hashlib.sha256(f"{cell.kind}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = count = seen.get(digest, 0) + 1
        yield replace(cell, id=digest if count == 1 else f"{digest}-{count}")


# ---- for learners, and for teachers --------------------------------------------------------------


def student(tutorial: Tutorial) -> Tutorial:
    """Without the solutions. Raises ValueError for a marker without its partner or its task."""
    return tutorial.map(_emptied)


def solution(tutorial: Tutorial) -> Tutorial:
    """With the solutions, without the markers."""
    return tutorial.map(_unmarked)


def _emptied(source: str) -> str:
    result: list[str] = []
    inside = False
    for line in source.splitlines():
        if BEGIN.match(line):
            if inside:
                raise ValueError("BEGIN SOLUTION within a solution")
            inside = True
            result.append(_todo(result))
        elif END.match(line):
            if not inside:
                raise ValueError("END SOLUTION without its BEGIN")
            inside = False
        elif not inside:
            found = LINE.match(line)
            result.append(f"{found[1]}{found[2]} = ..." if found else line)
    if inside:
        raise ValueError("BEGIN SOLUTION without its END")
    return "\n".join(result)


def _todo(result: list[str]) -> str:
    """The call to `todo` for a solution; removes the comment with its task from `kept`."""
    more: list[str] = []
    while result and result[-1].lstrip().startswith("#"):
        line = result.pop()
        found = TASK.match(line)
        if found:
            task = " ".join([found[3], *more]).rstrip(".")
            return f"{found[1]}todo({json.dumps(found[2])}, {json.dumps(task, ensure_ascii=False)})"
        more.insert(0, line.strip().lstrip("# "))
    raise ValueError("above BEGIN SOLUTION write a comment like '# 5.2: return ...'")


def _unmarked(source: str) -> str:
    lines = (line for line in source.splitlines() if not (BEGIN.match(line) or END.match(line)))
    return "\n".join(re.sub(r"\s+# SOLUTION\s*$", "", line) for line in lines)


# ---- notebooks ----------------------------------------------------------------------------------


def notebook(tutorial: Tutorial) -> dict[str, Any]:
    """The notebook as data, in format 4.5, without outputs."""
    return {
        "cells": [_cell(cell) for cell in tutorial.cells],
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = {"cell_type": cell.kind}
    if cell.kind == "code":
        found["execution_count"] = None
    found |= {"id": cell.id, "metadata": dict(cell.metadata)}
    if cell.kind == "code":
        found["outputs"] = []
    return found | {"source": cell.source.splitlines(keepends=True)}


def written(tutorial: Tutorial) -> str:
    """The text of the notebook's file, identical at each build."""
    return json.dumps(notebook(tutorial), indent=1, ensure_ascii=False) + "\n"
