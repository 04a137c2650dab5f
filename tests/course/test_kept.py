"""Progress on disk: what survives, what is never overwritten, and what it has no part in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import minwn
from minwn import course
from minwn.course import session, state
from minwn.course.kept import FOLDER, Kept
from minwn.course.locations import notebooks


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in (state.GRADED, state.NBGRADER):
        monkeypatch.delenv(name, raising=False)
    return start(monkeypatch)


def start(monkeypatch, *cells):
    """A new kernel in this folder, in which these cells have run. Returns where it keeps files."""
    monkeypatch.setattr(session, "_session", state.Session())
    shell = types.SimpleNamespace(
        history_manager=types.SimpleNamespace(input_hist_parsed=["", *cells])
    )
    monkeypatch.setattr(state, "shell", lambda: shell)
    return Kept(Path.cwd() / FOLDER)


def length(v):
    return np.sqrt((v * v).sum(axis=1))


def test_a_restart_loses_nothing(monkeypatch, folder, capsys):
    course.student("ada")
    course.check("0.T1", 49)
    course.check("0.T1", 7)
    course.hint("0.2")
    course.predict("0.1", "(7,)")
    course.reveal("0.1")
    course.progress()
    before = capsys.readouterr().out.splitlines()[-7:]
    start(monkeypatch)
    course.check("0.T1", 7)
    course.hint("0.2")
    said = capsys.readouterr().out
    assert "0.2 hint 2 of 3" in said
    course.predict("0.1", "(3, 4)")
    assert "'(7,)' stays your prediction" in capsys.readouterr().out
    course.progress()
    after = capsys.readouterr().out.splitlines()
    assert [line.replace("2 hints", "1 hint") for line in after] == before
    assert json.loads((folder.folder / "00.json").read_text())["student"] == "ada"


def test_progress_is_over_all_notebooks(monkeypatch, capsys):
    course.check("5.T2", "zero")
    course.check("0.T1", 7)
    start(monkeypatch)
    capsys.readouterr()
    course.progress()
    first, second = capsys.readouterr().out.splitlines()
    assert first == "notebook  0: 1 of 5 right; to do: 0.2, 0.3, 0.T2, 0.T3"
    assert second.startswith("notebook  5: 1 of 9 right; to do: 5.2, ")
    course.check("0.T2", (3,))
    capsys.readouterr()
    course.progress()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["2 of 5 exercises are right", second]


def test_a_later_wrong_answer_keeps_the_code_of_the_right_one(monkeypatch, folder):
    cells = ("def length(v): return (v * v).sum(axis=1) ** 0.5", 'check("0.2", length)')
    start(monkeypatch, *cells)
    assert course.check("0.2", length)
    assert not course.check("0.2", lambda v: v)
    (record,) = folder.read("00").values()
    assert record["state"] == "not yet"
    assert record["answer"] == {"name": "length", "source": cells[0].splitlines()}


# ---- other programs, and people, have the files as well -----------------------------------------


def test_two_kernels_write_into_one_file(monkeypatch, folder):
    first, second = state.Session(), state.Session()
    monkeypatch.setattr(session, "_session", first)
    course.check("0.T1", 7)
    monkeypatch.setattr(session, "_session", second)
    course.check("0.T2", (3,))
    monkeypatch.setattr(session, "_session", first)
    course.hint("0.2")
    assert set(folder.read("00")) == {"0.T1", "0.T2", "0.2"}


def test_notebooks_that_run_at_once_lose_nothing(tmp_path):
    program = (
        "import sys; from minwn.course import keep, hint\n"
        f"keep({str(tmp_path / FOLDER)!r})\n"
        "for _ in range(40): hint(sys.argv[1])"
    )
    path = os.path.dirname(os.path.dirname(minwn.__file__))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, id], env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
        )
        for id in ("0.2", "5.2")
    ]
    assert [one.wait() for one in running] == [0, 0]
    for number, id in (("00", "0.2"), ("05", "5.2")):
        assert Kept(tmp_path / FOLDER).read(number)[id]["hints"] == 3


@pytest.mark.parametrize(
    "text", ["{", "", "[]", "null", '{"exercises": 3}', "\x00", "[" * 100_000, "\xff"]
)
def test_a_broken_file_is_moved_aside(monkeypatch, folder, capsys, text):
    folder.folder.mkdir()
    path = folder.folder / "00.json"
    for count in (1, 2):
        path.write_bytes(text.encode("latin-1"))
        monkeypatch.setattr(session, "_session", state.Session())
        assert course.check("0.T1", 7)
        aside = folder.folder / f"00.broken-{count}.json"
        assert aside.read_bytes() == text.encode("latin-1")
        assert f"It is now 00.broken-{count}.json" in capsys.readouterr().out
        assert set(folder.read("00")) == {"0.T1"}


@pytest.mark.parametrize("format", [2, None, "1"])
def test_a_file_of_another_format_is_left_alone(folder, capsys, format):
    folder.folder.mkdir()
    path = folder.folder / "00.json"
    text = json.dumps({"format": format, "exercises": {}})
    path.write_text(text)
    course.check("0.T1", 7)
    course.check("0.T2", (3,))
    assert path.read_text() == text
    assert capsys.readouterr().out.count("It is left as it is") == 1


def test_what_somebody_added_to_a_file_stays(folder):
    course.check("0.T1", 7)
    path = folder.folder / "00.json"
    data = json.loads(path.read_text())
    data["note"] = "mine"
    data["exercises"]["0.T1"]["why"] = "3, 4 and 5 double"
    data["exercises"]["0.99"] = {"of": "another edition"}
    path.write_text(json.dumps(data))
    course.check("0.T1", 49)
    data = json.loads(path.read_text())
    assert data["note"] == "mine"
    assert data["exercises"]["0.T1"]["why"] == "3, 4 and 5 double"
    assert data["exercises"]["0.T1"]["state"] == "not yet"
    assert data["exercises"]["0.99"] == {"of": "another edition"}


ODD = [
    {"state": "right", "message": 3, "tries": "many", "hints": -7, "prediction": [1], "answer": 5},
    {"state": ["right"], "tries": True, "hints": 1e9, "revealed": "yes", "answer": {"source": 3}},
    7,
    None,
]


@pytest.mark.parametrize("record", ODD)
def test_odd_records_do_no_harm(folder, capsys, record):
    folder.folder.mkdir()
    exercises = {"0.1": record, "0.2": record, "x": record}
    (folder.folder / "00.json").write_text(json.dumps({"format": 1, "exercises": exercises}))
    course.progress()
    course.hint("0.2")
    assert "0.2 hint 1 of 3" in capsys.readouterr().out
    course.predict("0.1", "(3, 4)")
    course.reveal("0.1")
    assert course.check("0.2", length)


@pytest.mark.parametrize("what", ["folder", "file", "no folder"])
def test_where_nothing_can_be_written_one_sentence_says_so(folder, capsys, what, monkeypatch):
    if what == "no folder":
        folder.folder.write_text("in the way")
    else:
        folder.folder.mkdir()
        path = folder.folder / "00.json"
        path.write_text('{"format": 1, "exercises": {}}')
        if what == "file":
            monkeypatch.setattr(os, "access", lambda *_: False)
        else:
            def refuse(*_):
                raise PermissionError(13, "Permission denied")

            monkeypatch.setattr(os, "replace", refuse)
    course.check("0.T1", 7)
    course.check("0.T2", (3,))
    said = capsys.readouterr().out
    assert said.count("Your progress cannot be kept") + said.count("It is left as it is") == 1
    assert said.count("right") == 2
    if what == "no folder":
        assert folder.folder.read_text() == "in the way"
    else:
        assert path.read_text() == '{"format": 1, "exercises": {}}'
        assert [one.name for one in folder.folder.iterdir()] == ["00.json"]


def test_keep_chooses_another_folder(folder, tmp_path):
    course.check("0.T1", 7)
    course.keep(tmp_path / "drive" / "mine")
    other = Kept(tmp_path / "drive" / "mine" / FOLDER)
    course.keep(other.folder)
    assert set(other.read("00")) == {"0.T1"}
    course.keep(None)
    course.check("0.T2", (3,))
    assert set(other.read("00")) == set(folder.read("00")) == {"0.T1"}


# ---- no part in a verdict -----------------------------------------------------------------------


@pytest.mark.parametrize("variable", [state.GRADED, state.NBGRADER])
def test_a_grader_neither_reads_nor_writes(monkeypatch, folder, capsys, variable):
    folder.write("00", {"0.T1": {"state": "right", "hints": 2}})
    before = (folder.folder / "00.json").read_bytes()
    monkeypatch.setenv(variable, "autograde")
    course.hint("0.T1")
    assert "0.T1 hint 1 of 3" in capsys.readouterr().out
    course.progress()
    assert "notebook" not in capsys.readouterr().out
    assert (folder.folder / "00.json").read_bytes() == before


def test_a_forged_file_makes_no_answer_right(folder):
    forged = {"state": "right", "message": "", "answer": {"name": "f", "source": ["f = 1"]}}
    folder.write("00", {"0.2": forged, "0.T1": forged}, student="eve")
    assert not course.check("0.2", lambda v: v)
    assert not course.check("0.T1", 49)
    assert folder.read("00")["0.T1"]["state"] == "not yet"


def test_outside_of_notebooks_nothing_is_kept(monkeypatch, folder):
    monkeypatch.setattr(state, "shell", lambda: None)
    course.check("0.T1", 7)
    assert not folder.folder.exists()


# ---- the learner's functions, in another notebook -----------------------------------------------

TABLES = """\
import numpy as np
SIZES = [1]
SIZES[0] = 2

def root(x):
    return x ** (1 / SIZES[0])"""
LENGTH = "def length(v):\n    return root((v * v).sum(axis=AXIS))"


def answered(monkeypatch, *cells):
    """check("0.2", length) after these cells, and then a new kernel."""
    code = [*cells, 'check("0.2", length)']
    start(monkeypatch, *code)
    space = {}
    for cell in cells:
        exec(cell, space)
    course.check("0.2", space["length"])
    start(monkeypatch)


def test_a_function_comes_with_what_it_needs(monkeypatch, capsys):
    answered(monkeypatch, TABLES, LENGTH, "AXIS = 0", "print('no')", "AXIS = 1; x = 3")
    capsys.readouterr()
    own, root, sizes = course.mine("0.2", "root", "SIZES")
    assert capsys.readouterr().out == "  0.2  length           yours\n"
    assert own(np.array([[3.0, 4.0]])) == 5
    assert (root(9.0), sizes) == (3, [2])
    assert "x" not in own.__globals__


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no right answer of yours is kept here"),
        ({"name": "length", "source": ["def length(v): return v"]}, "is not right: your result"),
        ({"name": "length", "source": ["length = other"]}, "does not run: NameError"),
        ({"name": "length", "source": ["def length(v:"]}, "does not run: SyntaxError"),
        ({"source": ["length = 1"]}, "does not run: KeyError"),
    ],
)
def test_the_reference_takes_the_place_of_an_answer(folder, capsys, answer, why):
    folder.write("00", {"0.2": {"answer": answer}})
    own = course.mine("0.2")
    assert own(np.array([[3.0, 4.0]])) == 5
    said = capsys.readouterr().out
    assert "the reference takes its place (" in said
    assert why in said


def test_an_answer_that_another_kernel_has_given_since_is_found(folder, capsys):
    course.mine("0.2")
    assert "the reference takes its place" in capsys.readouterr().out
    source = ["def length(v): return (v * v).sum(axis=1) ** 0.5"]
    folder.write("00", {"0.2": {"state": "right", "answer": {"name": "length", "source": source}}})
    course.mine("0.2")
    assert "yours" in capsys.readouterr().out


def test_a_name_that_a_notebook_has_lost_is_the_references(monkeypatch, capsys):
    answered(monkeypatch, TABLES, LENGTH, "AXIS = 1")
    with pytest.raises(ValueError, match="'spam' is not defined in the solution"):
        course.mine("0.2", "spam")
    with pytest.raises(KeyError, match="no exercise"):
        course.mine("0.22")


def printed(folder, *cells):
    """What a notebook of these cells prints, run in a kernel of its own in this folder."""
    nbclient = pytest.importorskip("nbclient", reason="notebooks are run with nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="notebooks need a kernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.slow
def test_in_a_kernel(tmp_path):
    printed(
        tmp_path, "from minwn.course import check", "%precision 3\ntwo = 2",
        "def length(v):\n    return (v**two).sum(axis=1) ** 0.5", 'check("0.2", length)',
    )
    said = printed(tmp_path, "from minwn.course import mine", 'mine("0.2")')
    assert "0.2  length           yours" in said
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["00.json"]


@pytest.mark.slow
def test_the_last_notebook_trains_with_the_learners_own_functions(tmp_path):
    pytest.importorskip("matplotlib", reason="notebooks need matplotlib")
    said = {}
    for path in notebooks(solutions=True):
        if path.name[:2] in ("05", "11"):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            said[path.name[:2]] = printed(tmp_path, *code)
    lines = [line.split(maxsplit=2) for line in said["11"].splitlines()]
    whose = {line[0]: line[2] for line in lines if len(line) == 3 and line[0][:2] != "11"}
    assert whose["5.2"] == whose["5.5"] == "yours"
    for id in ("2.3", "3.2", "3.3", "4.3", "4.7", "7.2", "7.6", "7.7"):
        assert whose[id].startswith("the reference takes its place (no right answer of yours")
    assert "WRONG" not in said["11"]
    assert "notebook  5: 9 of 9 right" in said["11"]
    assert "8 of 8 exercises are right" in said["11"]
