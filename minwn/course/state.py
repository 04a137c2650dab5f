"""What a learner has done: in this kernel, and in those before it, which the files keep."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .exercise import Exercise, Feedback, chapter, chapter_of, drawn, find
from .kept import FOLDER, Kept

__all__ = ["GRADED", "NBGRADER", "Session", "cells", "shell"]

GRADED = "MINWN_COURSE_GRADED"  # set where `minwn grade` judges, from outside
STATES = ("right", "not yet", "foreseen", "surprised")
NBGRADER = "NBGRADER_EXECUTION"  # set where nbgrader runs a notebook


@dataclass
class Session:
    """The answers, hints and predictions of this process, and of those before it that were kept."""

    name: str = ""
    feedback: dict[str, Feedback] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    hints: dict[str, int] = field(default_factory=dict)
    predictions: dict[str, str | int | float] = field(default_factory=dict)
    revealed: set[str] = field(default_factory=set)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # the code of right ones
    touched: set[str] = field(default_factory=set)  # the exercises of this process
    opened: set[str] = field(default_factory=set)  # the notebooks whose file was read
    files: Kept | None = None
    chosen: bool = False  # whether `keep` has said where the files are

    def numbers(self, exercise: Exercise) -> Mapping[str, Any]:
        """This student's numbers for an exercise: the same at each call."""
        seed = zlib.crc32(f"{self.name}:{exercise.id}".encode())
        return drawn(exercise, np.random.default_rng(seed))

    def store(self) -> Kept | None:
        """The files; None outside of notebooks, and where a notebook is graded."""
        if not self.chosen:
            self.chosen = True
            graded = GRADED in os.environ or NBGRADER in os.environ
            if shell() is not None and not graded:
                self.files = Kept(Path.cwd() / FOLDER)
        return self.files

    def turn_to(self, number: str, *, again: bool = False) -> None:
        """Take up what was kept of a notebook; what was done in this process comes first.

        again: read the file once more, as another kernel may have written to it
        """
        files = self.store()
        if files is None or (number in self.opened and not again):
            return
        self.opened.add(number)
        for id, record in files.read(number).items():
            if id not in chapter(number) or id in self.touched:
                continue
            state, message = str(record.get("state", "")), str(record.get("message", ""))
            if state in STATES:
                self.feedback[id] = Feedback(id, state in ("right", "foreseen"), message)
            for name in ("tries", "hints"):
                if type(record.get(name)) is int and record[name] > 0:
                    getattr(self, name)[id] = record[name]
            if isinstance(record.get("prediction"), str | int | float):
                self.predictions[id] = record["prediction"]
                if record.get("revealed") is True:
                    self.revealed.add(id)
            answer = record.get("answer")
            if isinstance(answer, dict) and isinstance(answer.get("source"), list):
                self.answers[id] = answer

    def save(self, id: str) -> None:
        """Keep what was done in this process with the notebook of an exercise."""
        self.touched.add(id)
        files, number = self.store(), chapter_of(id)
        if files is not None:
            about = {"student": self.name} if self.name else {}
            own = sorted(one for one in self.touched if chapter_of(one) == number)
            files.write(number, {one: self._record(one) for one in own}, **about)

    def state(self, exercise: Exercise) -> str:
        """One of STATES, "predicted" for what is not revealed yet, or "-"."""
        feedback = self.feedback.get(exercise.id)
        if exercise.prediction:
            if feedback is not None:
                return "foreseen" if feedback.ok else "surprised"
            return "predicted" if exercise.id in self.predictions else "-"
        return "-" if feedback is None else "right" if feedback.ok else "not yet"

    def _record(self, id: str) -> dict[str, Any]:
        feedback = self.feedback.get(id)
        found = {
            "state": None if feedback is None else self.state(find(id)),
            "message": None if feedback is None else feedback.message,
            "prediction": self.predictions.get(id),
            "revealed": id in self.revealed or None,
            "tries": self.tries.get(id),
            "hints": self.hints.get(id),
            "answer": self.answers.get(id),
        }
        return {key: x for key, x in found.items() if x is not None}


def shell() -> Any:
    """The IPython shell in which this runs, or None."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def cells() -> list[str]:
    """The cells that have run in this kernel, in their order, up to this one."""
    return list(getattr(getattr(shell(), "history_manager", None), "input_hist_parsed", ()))
