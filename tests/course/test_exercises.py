"""Every exercise accepts its right answers, and has a sentence for its wrong ones."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from minwn.course import exercises
from minwn.course.exercise import Exercise, chapter, drawn
from minwn.course.locations import sources
from minwn.course.session import judged

from .answers import answers

NUMBERS = [path.name[:2] for path in sources()]
EXERCISES = [exercise for number in NUMBERS for exercise in chapter(number).values()]
ANSWERS = {id: found for number in NUMBERS for id, found in answers(number).items()}
RIGHT = [(e, k) for e in EXERCISES for k in range(len(ANSWERS[e.id].right))]
WRONG = [(e, k) for e in EXERCISES for k in range(len(ANSWERS[e.id].wrong))]
SEEDS = range(5)  # of a variant


def verdicts(exercise, answer):
    """The judge's verdicts: one, or one for each of several students with their own numbers."""
    if exercise.variant is None:
        return [judged(exercise, answer, {})]
    several = [drawn(exercise, np.random.default_rng(seed)) for seed in SEEDS]
    return [judged(exercise, answer(numbers), numbers) for numbers in several]


def name(case):
    return f"{case[0].id}-{case[1]}"


@pytest.mark.parametrize("case", RIGHT, ids=name)
def test_a_right_answer_is_right(case):
    exercise, k = case
    assert set(verdicts(exercise, ANSWERS[exercise.id].right[k])) == {None}


@pytest.mark.parametrize("case", WRONG, ids=name)
def test_a_wrong_answer_is_named(case):
    exercise, k = case
    answer, fragment = ANSWERS[exercise.id].wrong[k]
    for said in verdicts(exercise, answer):
        assert said is not None
        assert fragment in said


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_an_exercise_is_complete(exercise):
    assert ANSWERS[exercise.id].right
    assert ANSWERS[exercise.id].wrong
    assert exercise.title
    if exercise.choices:
        offered = {answer for answer in exercise.choices if exercise.judge(answer) is None}
        assert len(offered) == 1
    if not exercise.prediction:
        assert len(set(exercise.hints)) == 3
    for text in (*exercise.hints, exercise.title, exercise.explanation):
        assert "!" not in text
        assert not re.search(r"\b(normaliz|color)", text)


def test_there_are_many_wrong_answers():
    assert len(WRONG) >= 30


# ---- where the answers are ----------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_every_exercise_has_its_answers_here(number):
    assert list(answers(number)) == list(chapter(number))


def test_an_exercise_holds_no_answers():
    assert not {"right", "wrong"} & {field.name for field in dataclasses.fields(Exercise)}


@pytest.mark.parametrize("number", NUMBERS)
def test_what_only_the_answers_need_is_not_in_the_package(number):
    """Each function and constant of an exercise file is used in it, or by the notebook."""
    path = Path(exercises.__path__[0], f"n{number}.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    made = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    made |= {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    used = {
        name.id
        for name in ast.walk(tree)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)
    }
    (exported,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert made - used <= {"__all__", *exported}
