"""Right and wrong answers to every exercise, one file for each notebook: ANSWERS, by id.

They are here and not in the package: a learner who installs minwn cannot import them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answers:
    """Answers that must be right, and wrong ones, each with a part of the message that it must get.

    Where the exercise has a variant, each answer is a function of the numbers.
    """

    right: tuple[Any, ...]
    wrong: tuple[tuple[Any, str], ...]


def answers(number: str) -> dict[str, Answers]:
    """The answers to the exercises of one notebook, "05", by id."""
    found: dict[str, Answers] = importlib.import_module(f"{__package__}.n{number}").ANSWERS
    return found
