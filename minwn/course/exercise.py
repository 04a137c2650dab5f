"""An exercise: its title, its judge, its hints.

A judge is a function of an answer. It returns None for a right answer, otherwise the sentence that
the learner reads: what the answer is, with a number from the answer itself, and never the solution.
`judges` and `catalogue` make judges.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..validation import shown

__all__ = ["Exercise", "Feedback", "Judge", "Wrong", "chapter", "chapter_of", "drawn", "find"]

Judge = Callable[..., str | None]


class Wrong(ValueError):
    """Raised within a judge where an answer is seen to be wrong; its text is the message."""


@dataclass(frozen=True)
class Exercise:
    """One question of the course, or one prediction.

    id: "5.2", or "5.T1" in the exit ticket; the number before the dot is the notebook's
    title: a few words, for `progress`
    judge: returns None for a right answer, otherwise a sentence
    hints: three, from a nudge to all but the answer
    explanation: shown after a right answer
    choices: of a prediction or of a question with choices
    reveals: the id of the prediction that a right answer reveals
    variant: of a random generator, one student's numbers; the judge then gets (answer, numbers)

    Right and wrong answers, for the tests, are in tests/course/answers.
    """

    id: str
    title: str
    judge: Judge
    hints: tuple[str, str, str] | tuple[()] = ()
    explanation: str = ""
    choices: tuple[str, ...] = ()
    reveals: str = ""
    variant: Callable[[Any], Mapping[str, Any]] | None = None

    @property
    def prediction(self) -> bool:
        """Whether it is a prediction: stored first, compared later, without hints."""
        return bool(self.choices) and not self.hints

    @property
    def ticket(self) -> bool:
        """Whether it is a question of the exit ticket."""
        return ".T" in self.id


def drawn(exercise: Exercise, rng: np.random.Generator) -> Mapping[str, Any]:
    """One student's numbers; {} for an exercise without a variant.

    They are drawn again until the judge can tell the usual slips apart.
    """
    if exercise.variant is None:
        return {}
    apart = getattr(exercise.judge, "apart", None)
    for _ in range(1000):
        numbers = exercise.variant(rng)
        if apart is None or apart(numbers):
            return numbers
    raise ValueError(f"exercise {exercise.id}: its variant never tells the common errors apart")


@dataclass(frozen=True)
class Feedback:
    """What `check` found. `bool(feedback)` is `feedback.ok`."""

    id: str
    ok: bool
    message: str = ""
    hints_left: int = 0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = f"{self.id} {'right' if self.ok else 'not yet'}"
        return f"{verdict}: {self.message}" if self.message else verdict

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        """Show nothing: `check` has already printed the feedback."""


def chapter_of(id: str) -> str:
    """The notebook of an exercise: "05" for "5.2" and "5.T1". Raises KeyError for other texts."""
    found = re.fullmatch(r"(\d+)\.(T?\d+)", str(id))
    if not found:
        raise KeyError(f"{id!r} is not the id of an exercise; they look like '5.2' and '5.T1'")
    return f"{int(found[1]):02d}"


@cache
def chapter(number: str) -> dict[str, Exercise]:
    """The exercises of one notebook, "05", by id; {} for an unknown notebook."""
    name = f"{__package__}.exercises.n{number}"
    if importlib.util.find_spec(name) is None:
        return {}
    exercises: tuple[Exercise, ...] = importlib.import_module(name).EXERCISES
    found = {exercise.id: exercise for exercise in exercises}
    if len(found) < len(exercises):
        raise ValueError(f"{name}: two exercises have the same id")
    return found


def find(id: str) -> Exercise:
    """The exercise with this id. Raises KeyError, which names the nearest ids."""
    if not isinstance(id, str):
        raise KeyError(f"{shown(id)} is not the id of an exercise; give it as text, such as '5.2'")
    known = chapter(chapter_of(id))
    if id not in known:
        near = difflib.get_close_matches(id, known, n=3, cutoff=0.0)
        advice = f"; the nearest are {', '.join(sorted(near))}" if near else ""
        raise KeyError(f"there is no exercise {id!r}{advice}")
    return known[id]
