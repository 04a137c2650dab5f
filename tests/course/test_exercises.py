"""Every exercise of the course knows its right answers, and names its wrong ones."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minwn.course.exercise import chapter
from minwn.course.places import sources
from minwn.course.session import judged

EXERCISES = [e for path in sources() for e in chapter(path.name[:2]).values()]
RIGHT = [(e, k) for e in EXERCISES for k in range(len(e.right))]
WRONG = [(e, k) for e in EXERCISES for k in range(len(e.wrong))]
SEEDS = range(5)  # of a variant


def verdicts(exercise, answer):
    """What the judge says: once, or for several students where each has numbers of his own."""
    if exercise.variant is None:
        return [judged(exercise, answer, {})]
    drawn = [exercise.variant(np.random.default_rng(seed)) for seed in SEEDS]
    return [judged(exercise, answer(numbers), numbers) for numbers in drawn]


def name(case):
    return f"{case[0].id}-{case[1]}"


@pytest.mark.parametrize("case", RIGHT, ids=name)
def test_a_right_answer_is_right(case):
    exercise, k = case
    assert set(verdicts(exercise, exercise.right[k])) == {None}


@pytest.mark.parametrize("case", WRONG, ids=name)
def test_a_wrong_answer_is_named(case):
    exercise, k = case
    answer, fragment = exercise.wrong[k]
    for said in verdicts(exercise, answer):
        assert said is not None
        assert fragment in said


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_an_exercise_is_complete(exercise):
    assert exercise.right
    assert exercise.wrong
    assert exercise.title
    if exercise.of:
        offered = {answer for answer in exercise.of if exercise.judge(answer) is None}
        assert len(offered) == 1
    if not exercise.prediction:
        assert len(set(exercise.hints)) == 3
    for text in (*exercise.hints, exercise.title, exercise.because):
        assert "!" not in text
        assert not re.search(r"\b(normaliz|color)", text)


def test_there_are_many_wrong_answers():
    assert len(WRONG) >= 30
