"""A tutorial in three formats: plain, nbgrader and otter.

    plain      NN_title.ipynb for learners, and solutions/NN_title.ipynb
    nbgrader   one instructor's notebook: solution cells, then locked cells that `assert check(...)`
    otter      one instructor's notebook: a question for each exercise, with tests that call `check`

Both graders read the markers `# BEGIN SOLUTION` and `# END SOLUTION`. nbgrader does not read
`# SOLUTION` at the end of a line, so such a line becomes a block, below a line that keeps its name.
A locked cell imports `check`, so that a name assigned elsewhere does not take its place, and holds
nothing else: what follows in the source stands in a cell of its own, where it costs no points.

Below the title, each notebook has a cell that installs minwn where it is missing, and otherwise
does nothing. It is Python without a `%pip`, for graders read cells as Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .source import BEGIN, LINE, Cell, Tutorial, solution, student, written

__all__ = ["FORMATS", "INSTALL", "build"]

CHECK = re.compile(r"^check\(\s*\"([\w.]+)\",\s*(.+)\)[ \t]*$", re.MULTILINE)
PREDICT = re.compile(r"^predict\(\s*\"([\w.]+)\"", re.MULTILINE)


INSTALL = """\
# minwn needs Python 3.11, no GPU, and no network once it is there. Where it is missing, this cell
# installs it: from a wheel in this folder, a checkout of minwn around it, or the package index.
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path


def missing(name):
    found = find_spec(name)
    return found is None or found.origin is None  # a folder of that name has no origin


if missing("minwn") or missing("matplotlib"):
    here = Path.cwd()
    wheels = sorted(here.glob("minwn-*.whl"))
    checkouts = [path for path in (here, *here.parents) if (path / "minwn" / "course").is_dir()]
    what = [*wheels[-1:], *checkouts, "minwn"][0]
    get_ipython().run_line_magic("pip", f'install --quiet "{what}[plot]"')
    invalidate_caches()
    if missing("minwn"):
        raise ModuleNotFoundError(
            "minwn was not found: put its wheel, minwn-(version)-py3-none-any.whl, into the folder "
            "of this notebook and run this cell again; in a checkout of minwn, the command "
            "`pip wheel --no-deps .` makes it"
        )"""


def build(tutorial: Tutorial, form: str = "plain") -> dict[Path, str]:
    """The files of one notebook in a format, by path relative to the target directory.

    Raises ValueError for an unknown format.
    """
    if form not in FORMATS:
        raise ValueError(f"format {form!r}; choose {', '.join(FORMATS)}")
    title, *cells = tutorial.cells
    install = Cell("code", INSTALL, "install")
    return FORMATS[form](replace(tutorial, cells=(title, install, *cells)))


def _plain(tutorial: Tutorial) -> dict[Path, str]:
    name = f"{tutorial.stem}.ipynb"
    return {
        Path(name): written(student(tutorial)),
        Path("solutions", name): written(solution(tutorial)),
    }


# ---- nbgrader -----------------------------------------------------------------------------------


def _nbgrader(tutorial: Tutorial) -> dict[Path, str]:
    cells: list[Cell] = []
    for cell in _parted(tutorial):
        if cell.kind == "code" and _solved(cell.source):
            cells.append(replace(_marked(cell, solution=True), source=_blocks(cell.source)))
        elif cell.kind == "code" and CHECK.match(cell.source):
            cells += _locked(cell)
        elif cell.kind == "markdown":
            cells.append(replace(cell, source=_reworded(cell.source)))
        else:
            cells.append(cell)
    path = Path("source", tutorial.stem, f"{tutorial.stem}.ipynb")
    return {path: written(replace(tutorial, cells=tuple(cells)))}


def _locked(cell: Cell) -> list[Cell]:
    """The checks of a cell, locked and graded; whatever else it holds follows in a cell below."""
    checks = [match[0].rstrip() for match in CHECK.finditer(cell.source)]
    tested = "\n".join(["from minwn.course import check", *(f"assert {one}" for one in checks)])
    graded = replace(_marked(cell, grade=True, points=len(checks)), source=tested)
    rest = CHECK.sub("", cell.source).strip()
    return [graded, replace(cell, source=rest, id=f"{cell.id}-rest")] if rest else [graded]


def _reworded(text: str) -> str:
    """The text, where nbgrader's line stands in place of that of the learners' notebooks."""
    text = text.replace("the line that says `todo`", "the line that raises `NotImplementedError`")
    return text.replace("places that say `todo`", "places that raise `NotImplementedError`")


def _marked(cell: Cell, *, solution: bool = False, grade: bool = False, points: int = 0) -> Cell:
    """The cell with nbgrader's metadata, schema 3."""
    data: dict[str, Any] = {
        "grade": grade,
        "grade_id": f"cell-{cell.id}",
        "locked": grade,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if grade:
        data["points"] = points
    return replace(cell, metadata=(("nbgrader", data),))


def _blocks(source: str) -> str:
    """`name = value  # SOLUTION` as a block between markers, below a line that keeps the name."""
    lines = []
    for line in source.splitlines():
        found = LINE.match(line)
        if found:
            bare = re.sub(r"\s+# SOLUTION\s*$", "", line)
            lines += [
                f"{found[1]}{found[2]} = ...  # your answer; then delete the line that raises",
                f"{found[1]}### BEGIN SOLUTION", bare, f"{found[1]}### END SOLUTION",
            ]
        else:
            lines.append(re.sub(r"^(\s*)# (BEGIN|END) SOLUTION", r"\1### \2 SOLUTION", line))
    return "\n".join(lines)


# ---- otter --------------------------------------------------------------------------------------


def _otter(tutorial: Tutorial) -> dict[Path, str]:
    config = (
        "# ASSIGNMENT CONFIG\nexport_cell: false\ncheck_all_cell: false\ntests:\n  ok_format: false"
    )
    cells = [Cell("raw", config, "assignment-config")]
    parts = list(_parted(tutorial))
    index = 0
    while index < len(parts):
        cell, follower = parts[index], parts[index + 1 : index + 2]
        predicted = PREDICT.search(cell.source)
        if cell.kind != "code" or not _solved(cell.source):
            cells.append(cell)
        elif follower and follower[0].kind == "code" and CHECK.search(follower[0].source):
            cells += _question(cell, follower[0])
            index += 1
        elif predicted:
            cells += _wrapped(cell, "p" + predicted[1], 0, ["def test_predicted():\n    pass"])
        else:
            raise ValueError("a solution that is neither checked nor predicted", cell.source)
        index += 1
    path = Path(tutorial.stem, f"{tutorial.stem}.ipynb")
    return {path: written(replace(tutorial, cells=tuple(cells)))}


def _question(answer: Cell, tests: Cell) -> list[Cell]:
    """An answer and its checks; the other lines of the checks' cell follow in a cell below."""
    found = list(CHECK.finditer(tests.source))
    bodies = [
        f"def test_{k}(env):\n"
        "    from minwn.course import check\n"
        f"    assert check({match[1]!r}, eval({match[2]!r}, env))"
        for k, match in enumerate(found)
    ]
    cells = _wrapped(answer, "q" + found[0][1], len(found), bodies)
    rest = CHECK.sub("", tests.source).strip()
    return [*cells, replace(tests, source=rest)] if rest else cells


def _wrapped(answer: Cell, name: str, points: int, tests: list[str]) -> list[Cell]:
    """An answer between the raw cells that mark a question for otter."""
    name = re.sub(r"\W", "_", name)
    texts = (
        f"# BEGIN QUESTION\nname: {name}\npoints: {points}",
        "# BEGIN SOLUTION", "# END SOLUTION", "# BEGIN TESTS", "# END TESTS", "# END QUESTION",
    )
    begin, solve, solved, test, tested, end = (
        Cell("raw", text, f"{answer.id}-raw{k}") for k, text in enumerate(texts)
    )
    bodies = [Cell("code", body, f"{answer.id}-test{k}") for k, body in enumerate(tests)]
    return [begin, solve, answer, solved, test, *bodies, tested, end]


# ---- both ---------------------------------------------------------------------------------------


def _solved(source: str) -> bool:
    return any(BEGIN.match(line) or LINE.match(line) for line in source.splitlines())


def _parted(tutorial: Tutorial) -> Iterator[Cell]:
    """The cells; one that holds an answer and its check becomes two, as graders lock the second."""
    for cell in tutorial.cells:
        lines = cell.source.splitlines()
        first = next((k for k, line in enumerate(lines) if CHECK.match(line)), None)
        if cell.kind == "code" and first and _solved(cell.source):
            above, below = "\n".join(lines[:first]).rstrip(), "\n".join(lines[first:])
            yield replace(cell, source=above)
            yield replace(cell, source=below, id=f"{cell.id}-check")
        else:
            yield cell


FORMATS = {"plain": _plain, "nbgrader": _nbgrader, "otter": _otter}
