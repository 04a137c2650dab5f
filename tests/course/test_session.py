"""check, hint, predict, reveal and progress: what a learner sees."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest

from minwn import course
from minwn.course import session, state
from minwn.course.exercise import Feedback, chapter_of, find


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(session, "_session", state.Session())
    monkeypatch.delenv(state.GRADED, raising=False)


def lengths(v):
    return np.sqrt((v * v).sum(axis=1))


def test_right_and_wrong_begin_with_a_mark(capsys):
    assert course.check("0.2", lengths)
    assert capsys.readouterr().out in ("\u2713 0.2 right\n", "+ 0.2 right\n")
    assert not course.check("0.2", lambda v: lengths(v) ** 2)
    first, second = capsys.readouterr().out.splitlines()
    assert first[1:] == " 0.2 not yet: this is the sum of squares; the root is missing"
    assert second.strip() == "stuck? hint('0.2')"


def test_feedback_is_plain_and_shows_once():
    feedback = course.check("0.T1", 49)
    assert repr(feedback).startswith("0.T1 not yet: this is the sum of squares")
    assert (feedback.ok, feedback.id, feedback.hints_left) == (False, "0.T1", 3)
    assert feedback._ipython_display_() is None


def test_a_failing_answer_is_a_sentence():
    def broken(v):
        return v @ v

    said = course.check("0.2", broken).message
    assert said.startswith("your answer raised ValueError: matmul")


@pytest.mark.parametrize("empty", [..., (..., 1.0)])
def test_an_empty_answer_stops_with_one_sentence(empty):
    with pytest.raises(course.Unfinished, match=r"Exercise 0\.T1 is still empty\. Put"):
        course.check("0.T1", empty)


def test_todo_stops_inside_an_answer_too():
    def lengths(v):
        course.todo("0.2", "return the length of each row")

    with pytest.raises(course.Unfinished) as stop:
        course.check("0.2", lengths)
    assert stop.value._render_traceback_() == [
        "Exercise 0.2 is still empty. In place of the line todo('0.2', ...): return the length of "
        "each row."
    ]


def test_what_a_grader_leaves_in_place_of_a_solution_is_unfinished():
    def lengths(v):
        raise NotImplementedError

    with pytest.raises(course.Unfinished, match="raises NotImplementedError"):
        course.check("0.2", lengths)


def test_three_hints_and_no_more(capsys):
    for _ in range(4):
        course.hint("0.2")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:15] for line in lines] == [f"0.2 hint {k} of 3" for k in (1, 2, 3, 3)]
    assert lines[-1].endswith("there are no more")
    assert course.check("0.2", lambda v: v).hints_left == 0
    course.hint("0.1")
    assert "no hints" in capsys.readouterr().out


def test_a_prediction_is_stored_then_compared(capsys):
    course.reveal("5.1")
    assert "predict first" in capsys.readouterr().out
    course.predict("5.1", "doubles", of=("doubles", "halves", "stays"))
    assert capsys.readouterr().out == "5.1 noted: 'doubles'\n"
    course.check("5.2", lambda v, g: g * v / lengths(v)[:, None])
    said = capsys.readouterr().out
    assert "5.2 right" in said
    assert "5.1 a surprise: you predicted 'doubles'. w stays" in said
    assert not any(mark in said for mark in ("\u2717", "- 5.1"))  # a prediction is never wrong
    course.predict("5.1", "stays")
    assert "stays your prediction" in capsys.readouterr().out
    with pytest.raises(ValueError, match="'up' is not among 'doubles', 'halves', 'stays'"):
        course.predict("5.1", "up")
    with pytest.raises(course.Unfinished, match="put one of 'doubles'"):
        course.predict("5.1", ...)


def test_progress_tells_and_saves(capsys, tmp_path):
    course.progress()
    assert capsys.readouterr().out == "nothing is done yet\n"
    course.check("0.T1", 49)
    course.check("0.T1", 7)
    course.hint("0.2")
    course.predict("0.1", "(7,)")
    capsys.readouterr()
    course.progress(save=tmp_path / "progress.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 of 5 exercises are right"
    assert any(
        line.split()[0] == "0.T1" and "right" in line and "2 tries" in line for line in lines
    )
    assert any(line.split()[0] == "0.2" and "1 hint" in line for line in lines)
    saved = json.loads((tmp_path / "progress.json").read_text())
    assert saved["answers"]["0.T1"]["ok"] is True
    assert saved["predictions"] == {"0.1": "(7,)"}


def test_each_student_has_numbers_of_their_own():
    drawn = {}
    for name in ("ada", "grace", "emmy", "sofia", "ada"):
        course.student(name)
        drawn.setdefault(name, []).append(course.given("5.T1"))
    assert drawn["ada"][0] == drawn["ada"][1]
    assert len({str(numbers) for (numbers, *_) in drawn.values()}) > 1
    numbers = course.given("5.T1")
    right = np.dot(numbers["v"], numbers["w_bar"]) / np.hypot(*numbers["v"])
    assert course.check("5.T1", right)
    with pytest.raises(ValueError, match="same numbers for everyone"):
        course.given("5.T3")


def test_where_a_notebook_is_graded_its_own_checks_judge_nothing(monkeypatch, capsys):
    monkeypatch.setenv(state.GRADED, "1")
    assert course.check("0.T1", 49)
    assert capsys.readouterr().out == "0.T1 is judged outside\n"
    with pytest.raises(course.Unfinished):
        course.check("0.T1", ...)


@pytest.mark.parametrize(
    ("id", "words"),
    [("5.22", "no exercise '5.22'; the nearest are"), ("99.1", "no exercise"), ("x", "is not the")],
)
def test_an_unknown_id_is_told_the_nearest(id, words):
    with pytest.raises(KeyError, match=words):
        find(id)


def test_colours_only_where_they_are_shown(monkeypatch):
    class OutStream(io.StringIO):
        """What a kernel has in place of a terminal."""

    OutStream.__module__ = "ipykernel.iostream"
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", OutStream())
    course.check("0.T1", 7)
    monkeypatch.setenv("NO_COLOR", "1")
    course.check("0.T1", 7)
    assert sys.stdout.getvalue() == ("\033[1;32m\u2713 0.T1 right\033[0m\n\u2713 0.T1 right\n")


def test_small_things():
    assert chapter_of("5.T1") == "05"
    assert str(Feedback("1.1", True)) == "1.1 right"
