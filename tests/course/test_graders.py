"""nbgrader and otter themselves, on two hand-ins each. They are run where they are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import minwn
from minwn.course.formats import build
from minwn.course.locations import sources
from minwn.course.source import read

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("jupytext") is None, reason="notebooks are built with jupytext"),
]
NAME = "05_weight_normalisation"
EMPTY = "def across"  # exercise 5.6, which the second learner leaves empty
WRONG = ("factor", "factor = 10.0")  # and 5.T3, which is wrong


def written(tmp_path, form):
    (source,) = (path for path in sources() if path.stem == NAME)
    for name, text in build(read(source), form).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


def handed_in(release, solution, path, *, good):
    """The released notebook with the answers of the solution, by the ids of the cells."""
    answers = {cell["id"]: cell["source"] for cell in solution["cells"]}
    data = json.loads(json.dumps(release))
    for cell in data["cells"]:
        code = "".join(cell["source"])
        open_ = cell["cell_type"] == "code" and ("NotImplementedError" in code or "..." in code)
        answer = "".join(answers.get(cell["id"], cell["source"]))
        if open_ and (good or EMPTY not in answer):
            wrong = not good and f"{WRONG[0]} =" in answer
            cell["source"] = WRONG[1] if wrong else answer
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def run(*words, cwd):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(minwn.__file__).parents[1])}
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_nbgrader_gives_each_point_that_is_due(tmp_path):
    api = pytest.importorskip("nbgrader.api", reason="nbgrader is not installed")
    solution = cells_of(written(tmp_path, "nbgrader"))
    run("nbgrader", "generate_assignment", NAME, "--create", cwd=tmp_path)
    release = cells_of(tmp_path / "release" / NAME / f"{NAME}.ipynb")
    for student, good in (("ada", True), ("empty", False)):
        path = tmp_path / "submitted" / student / NAME / f"{NAME}.ipynb"
        handed_in(release, solution, path, good=good)
    run("nbgrader", "autograde", NAME, "--create", cwd=tmp_path)
    with api.Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        points = {s.student_id: (s.score, s.max_score) for s in book.assignment_submissions(NAME)}
    assert points == {"ada": (9, 9), "empty": (7, 9)}


def test_otter_gives_each_point_that_is_due(tmp_path):
    pytest.importorskip("otter", reason="otter-grader is not installed")
    path = written(tmp_path, "otter")
    solution = cells_of(path)
    run("otter", "assign", path.name, "dist", "--no-run-tests", cwd=path.parent)
    dist = path.parent / "dist"
    release = cells_of(dist / "student" / path.name)
    (archive,) = (dist / "autograder").glob("*.zip")
    for student, good, due in (("ada", True, 9), ("empty", False, 7)):
        own = tmp_path / student / path.name
        handed_in(release, solution, own, good=good)
        run("otter", "run", "-a", str(archive), "-o", str(own.parent), str(own), cwd=tmp_path)
        result = json.loads((own.parent / "results.json").read_text(encoding="utf-8"))
        assert sum(test.get("score", 0) for test in result["tests"]) == due
