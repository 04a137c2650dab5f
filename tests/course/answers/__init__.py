"""Right and wrong answers to every exercise, one file for each notebook: ANSWERS, by id.

They are not in the package, so that a learner who installs minwn cannot import them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answers:
    """Right answers, and pairs (a wrong answer, a part of its message).

    If the exercise has a variant, each answer is a function of the student's numbers.
    """

    right: tuple[Any, ...]
    wrong: tuple[tuple[Any, str], ...]


def answers(number: str) -> dict[str, Answers]:
    """The answers to the exercises of one notebook, "05", by id."""
    found: dict[str, Answers] = importlib.import_module(f"{__package__}.n{number}").ANSWERS
    return found
