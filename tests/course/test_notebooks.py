"""Every notebook runs: solutions to the end, students' to the first empty answer. And grading."""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from minwn import site
from minwn.course import grading, without_network
from minwn.course.exercise import chapter
from minwn.course.grade import grade
from minwn.course.html import page
from minwn.course.locations import notebooks
from minwn.course.run import ANSI, execute

# To import these takes a second, which is left to the tests that need them.
pytestmark = [
    pytest.mark.skipif(find_spec(extra) is None, reason=f"notebooks need {extra}")
    for extra in ("ipykernel", "matplotlib", "nbclient")
]
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
    cells = (IMPORT, 'check("0.T1", 7)', "1 / 0", 'check("0.T1", 49)', 'check("0.T2", (3,))',
             "raise NotImplementedError()")
    report = grade(written(tmp_path, *cells))
    assert states(report) == {"0.T1": "not yet", "0.T2": "right"}
    assert (report["right"], report["of"]) == (1, 5)
    assert report["errors"] == [
        {"cell": 2, "message": "ZeroDivisionError: division by zero"},
        {"cell": 5, "message": "NotImplementedError"},
    ]
    assert report["problem"] == ""


@pytest.mark.slow
def test_past_a_cell_that_ends_the_kernel_grading_goes_on(tmp_path):
    cells = (IMPORT, 'check("0.T1", 7)', "import os; os._exit(3)", 'check("0.T2", (3,))')
    report = grade(written(tmp_path, *cells), timeout=60)
    assert states(report) == {"0.T1": "right", "0.T2": "right"}
    assert report["errors"] == [{"cell": 2, "message": "the kernel died in this cell"}]


@pytest.mark.slow
def test_past_a_cell_that_hangs_grading_goes_on(tmp_path):
    cells = (IMPORT, 'check("0.T1", 7)', "while True: pass", 'check("0.T2", (3,))')
    start = time.perf_counter()
    report = grade(written(tmp_path, *cells), timeout=40)
    assert states(report) == {"0.T1": "right", "0.T2": "right"}
    assert time.perf_counter() - start < 40


@pytest.mark.slow
def test_a_notebook_that_takes_too_long_keeps_what_was_judged(tmp_path):
    busy = "import time\nfor _ in range(20):\n    try: time.sleep(60)\n    except: pass"
    report = grade(written(tmp_path, IMPORT, 'check("0.T1", 7)', busy, busy, busy), timeout=15)
    assert states(report) == {"0.T1": "right"}
    assert "more than 15 s" in report["problem"]


LOOP = "def f(v):\n    while True: pass"
CHEATS = {
    "another check": ("check = lambda *a: True", 'check("0.2", lambda v: v)'),
    "a check in the package": (
        "import minwn.course.session as s; s.judged = lambda *a: None", 'check("0.2", lambda v: v)',
    ),
    "an exit": ("def f(v): raise SystemExit(0)", 'check("0.2", f)'),
    "the end of the process": ("import os", 'check("0.2", lambda v: os._exit(0))'),
    "a forged verdict": (
        'import json\nrow = json.dumps({"records": {"0.2": {"ok": True, "message": ""}}})',
        "import os, sys\nfor n in (1, 2, 3): os.write(n, (row + chr(10)).encode())",
        "print(row); sys.__stdout__.write(row + chr(10)); sys.__stdout__.flush()",
        'check("0.2", lambda v: v)',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_a_notebook_cannot_reach_its_judge(tmp_path, name):
    cells = (IMPORT, *CHEATS[name], 'check("0.T1", 7)')
    report = grade(written(tmp_path, *cells), timeout=60)
    assert states(report) == {"0.2": "not yet", "0.T1": "right"}


@pytest.mark.slow
def test_a_notebook_has_no_network(tmp_path):
    script = [sys.executable, "-I", without_network.__file__, sys.executable, "-c"]
    left = "import socket; socket.create_server(('127.0.0.1', 0)); print(socket.if_nameindex())"
    if subprocess.run([*script, left], capture_output=True, text=True).stdout.count("(") != 1:
        pytest.skip("this system lets nobody leave its network")
    with socket.create_server(("127.0.0.1", 0)) as outside:
        outside.settimeout(0.1)
        reach = f"import socket; socket.create_connection({outside.getsockname()}, 5)"
        report = grade(written(tmp_path, IMPORT, reach, 'check("0.T1", 49)'), timeout=60)
        with pytest.raises(TimeoutError):
            outside.accept()
    assert [error["cell"] for error in report["errors"]] == [1]
    assert states(report) == {"0.T1": "not yet"}


@pytest.mark.slow
def test_where_the_network_cannot_be_left_a_notebook_runs_all_the_same(tmp_path, monkeypatch):
    script = tmp_path / "without_network.py"
    text = Path(without_network.__file__).read_text(encoding="utf-8")
    script.write_text(text.replace("libc.unshare(", "bool("), encoding="utf-8")
    assert text != script.read_text(encoding="utf-8")
    monkeypatch.setattr(without_network, "__file__", str(script))
    assert states(grade(written(tmp_path, IMPORT, 'check("0.T1", 7)'))) == {"0.T1": "right"}


@pytest.mark.slow
def test_an_endless_answer_costs_its_own_exercise_only(tmp_path):
    cells = (IMPORT, LOOP, 'check("0.2", f)', 'check("0.T1", 7)')
    report = grade(written(tmp_path, *cells), timeout=100)
    assert states(report) == {"0.2": "not yet", "0.T1": "right"}
    said = {row["id"]: row["message"] for row in report["exercises"]}["0.2"]
    assert said == "your answer ran for more than 20 s"


@pytest.mark.slow
def test_a_notebook_sees_no_secrets_and_writes_no_escape_sequences(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_SECRET", "swordfish")
    report = grade(written(
        tmp_path, IMPORT, "from minwn.course import student", 'student("\x1b[31mada")',
        "import os", "1 / (len([k for k in os.environ if 'SECRET' in k]))",
        'raise ValueError("\x1b[2J\x07 gone")', 'check("0.T1", "\x1b[1mseven")',
    ), timeout=60)
    assert report["student"] == "ada"
    assert [error["message"] for error in report["errors"]] == [
        "ZeroDivisionError: division by zero", "ValueError:  gone",
    ]
    assert "\x1b" not in json.dumps(report, ensure_ascii=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": [{}]}', '{"cells": 3}', "\x00"])
def test_what_is_no_notebook_is_a_problem_and_no_crash(tmp_path, text):
    path = tmp_path / "odd.ipynb"
    path.write_text(text, encoding="utf-8")
    report = grade(path)
    assert "this is not a notebook" in report["problem"]
    assert report["of"] == 0


def test_a_notebook_that_cannot_be_read_counts_for_its_number(tmp_path):
    path = tmp_path / "05_weight_normalisation.ipynb"
    path.write_text("{", encoding="utf-8")
    report = grade(path)
    assert (report["right"], report["of"]) == (0, 9)


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
    assert run(path, "--jobs", 0) == 2
    capsys.readouterr()
    assert run(path, path, "--jobs", 2, "--csv") == 1
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "notebook,student,right,of,problem,0.2,0.3,0.T1,0.T2,0.T3"
    assert lines == [f"{path},,0,5,,missing,missing,not yet,missing,missing"] * 2


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


@pytest.mark.slow
def test_a_page_loads_nothing_and_shows_its_formulas(monkeypatch):
    for name in ("nbconvert", "latex2mathml"):
        pytest.importorskip(name, reason="pages are made with nbconvert and latex2mathml")
    (path,) = (path for path in notebooks(solutions=True) if path.name.startswith("00_"))
    text = page(load(path), title="Start <here>")
    loaded = site._Page(text).loaded
    assert loaded
    assert all(one.startswith("data:") for one in loaded)
    assert not re.search(r"<script|@import|url\(", text)
    assert "<title>Start &lt;here&gt;</title>" in text
    assert "<math " in text
    assert "\\lVert" not in text
    assert "@media (prefers-color-scheme: dark)" in text
    monkeypatch.setitem(sys.modules, "latex2mathml", None)
    with pytest.raises(ImportError, match=r"pip install 'minwn\[notebooks\]'"):
        page(load(path), title="Start here")
