"""Every notebook runs: solutions to the end, students' to the first empty answer. And grading."""

from __future__ import annotations

import argparse
import json
import time

import pytest

from minwn.course import grading
from minwn.course.exercise import chapter
from minwn.course.locations import notebooks

for extra in ("ipykernel", "matplotlib"):
    pytest.importorskip(extra, reason=f"notebooks need {extra}")
pytest.importorskip("nbclient", reason="notebooks are run with nbclient")

from minwn.course.grade import grade  # noqa: E402
from minwn.course.html import page  # noqa: E402
from minwn.course.run import ANSI, execute  # noqa: E402

LIMIT = 60  # seconds for a notebook on two processors


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(solutions=True), ids=lambda path: path.stem)
def test_a_solution_runs_and_is_right(path):
    start = time.perf_counter()
    report = grade(path)
    assert report["problem"] == ""
    assert report["errors"] == []
    states = {row["id"]: row["state"] for row in report["exercises"] + report["predictions"]}
    assert set(states) == set(chapter(path.name[:2]))
    assert set(states.values()) == {"right"}, states
    assert time.perf_counter() - start < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_learners_notebook_stops_with_a_sentence(path):
    ran = execute(load(path))
    assert len(ran.errors) == 1
    (outputs,) = (
        [o for o in cell.outputs if o.output_type == "error"]
        for cell in ran.notebook.cells
        if any(o.output_type == "error" for o in cell.get("outputs", ()))
    )
    (error,) = outputs
    assert error.ename == "Unfinished"
    (line,) = error.traceback
    assert "\n" not in ANSI.sub("", line)
    assert "is still empty" in line


# ---- grading ------------------------------------------------------------------------------------


def written(tmp_path, *sources):
    path = tmp_path / "handed_in.ipynb"
    cells = [
        {"cell_type": "code", "id": f"c{k}", "metadata": {}, "outputs": [], "execution_count": None,
         "source": source}
        for k, source in enumerate(sources)
    ]
    data = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


IMPORT = "from minwn.course import check"


def states(report):
    return {row["id"]: row["state"] for row in report["exercises"] if row["state"] != "missing"}


@pytest.mark.slow
def test_past_an_error_grading_goes_on_and_the_last_answer_counts(tmp_path):
    cells = (IMPORT, 'check("0.T1", 7)', "1 / 0", 'check("0.T1", 49)', 'check("0.T2", (3,))')
    report = grade(written(tmp_path, *cells))
    assert states(report) == {"0.T1": "not yet", "0.T2": "right"}
    assert (report["right"], report["of"]) == (1, 5)
    assert report["errors"] == [{"cell": 2, "message": "ZeroDivisionError: division by zero"}]
    assert report["problem"] == ""


@pytest.mark.slow
def test_a_kernel_that_dies_leaves_what_was_judged(tmp_path):
    cells = (IMPORT, 'check("0.T1", 7)', "import os; os._exit(3)", 'check("0.T2", (3,))')
    report = grade(written(tmp_path, *cells), timeout=60)
    assert states(report) == {"0.T1": "right"}
    assert "kernel died" in report["problem"]


@pytest.mark.slow
def test_a_notebook_that_hangs_is_stopped(tmp_path):
    cells = (IMPORT, 'check("0.T1", 7)', "while True: pass")
    start = time.perf_counter()
    report = grade(written(tmp_path, *cells), timeout=15)
    assert states(report) == {"0.T1": "right"}
    assert "more than 15 s" in report["problem"]
    assert time.perf_counter() - start < 60


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": [{}]}', '{"cells": 3}', "\x00"])
def test_what_is_no_notebook_is_a_problem_and_no_crash(tmp_path, text):
    path = tmp_path / "odd.ipynb"
    path.write_text(text, encoding="utf-8")
    report = grade(path)
    assert "this is not a notebook" in report["problem"]
    assert report["of"] == 0


def run(*words):
    parser = argparse.ArgumentParser()
    grading.arguments(parser)
    return grading.main(parser.parse_args([str(word) for word in words]))


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    path = written(tmp_path, IMPORT, 'check("0.T1", 49)')
    assert run(path, "--json") == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["notebook"] == str(path)
    assert run(path) == 1
    said = capsys.readouterr().out
    assert "0 of 5" in said
    assert "0.T1  not yet" in said
    assert run(tmp_path / "absent.ipynb") == 2


def test_without_nbclient_nobody_is_graded(monkeypatch, capsys):
    monkeypatch.setattr(grading, "find_spec", lambda name: None)
    assert run(notebooks()[0]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install 'minwn[notebooks]'" in err


@pytest.mark.slow
def test_a_page_describes_its_figures():
    pytest.importorskip("nbconvert", reason="pages are made with nbconvert")
    (path,) = (path for path in notebooks(solutions=True) if path.name.startswith("00_"))
    text = page(load(path), title="Start here")
    assert 'alt="Each of the three rows, drawn as a round point' in text
    assert "No description has been provided" not in text
