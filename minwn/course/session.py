"""The functions a learner calls, and the record of what they have done."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..validation import instance, several, shown
from ..validation import path as path_of
from . import excerpt, raised, typed
from .exercise import Exercise, Feedback, Wrong, chapter, chapter_of, find
from .kept import FOLDER, Kept
from .state import GRADED, Session, cells
from .unfinished import Unfinished, is_empty
from .wire import Raised

__all__ = [
    "check", "given", "hint", "keep", "kept_answer", "predict", "progress", "reveal",
    "student", "verdict",
]

_session = Session()


def check(id: str, answer: Any) -> Feedback:
    """Judge an answer and print the verdict; for a wrong answer, print what it is instead.

    Does not raise for a wrong answer, and does not print the solution. Raises Unfinished for an
    empty answer, and KeyError for an unknown id.
    """
    exercise = find(id)
    _session.turn_to(chapter_of(id))
    if is_empty(answer):
        raise Unfinished(
            f"Exercise {id} is still empty. Put your answer in place of the three dots."
        )
    if GRADED in os.environ:
        print(f"{id} is judged outside")
        return Feedback(id, True)
    message = judged(exercise, answer, _session.numbers(exercise))
    left = len(exercise.hints) - _session.hints.get(id, 0)
    feedback = Feedback(id, message is None, message or exercise.explanation, left)
    known = _session.feedback.get(id)
    if not (feedback.ok and known is not None and known.ok):  # a cell that runs again is no try
        _session.tries[id] = _session.tries.get(id, 0) + 1
    _session.feedback[id] = feedback
    if feedback.ok and callable(answer):
        found = excerpt.record(id, cells())
        _session.answers |= {id: found} if found else {}
    _session.save(id)
    _say(feedback.ok, str(feedback))
    if not feedback.ok and left:
        print(
            f"    hint({id!r}) has {left} more for you" if left < 3 else f"    stuck? hint({id!r})"
        )
    if feedback.ok and exercise.reveals in _session.predictions:
        reveal(exercise.reveals)
    return feedback


def verdict(id: str, answer: Any) -> str | None:
    """What `check` would say of an answer, or None for a right one; nothing is noted."""
    exercise = find(id)
    with np.errstate(all="ignore"):
        return judged(exercise, answer, _session.numbers(exercise))


def kept_answer(id: str) -> dict[str, Any] | None:
    """The code of a right answer, from this kernel or from the files: its name and its lines."""
    _session.turn_to(chapter_of(id), again=True)
    return _session.answers.get(id)


def judged(exercise: Exercise, answer: Any, numbers: Mapping[str, Any]) -> str | None:
    """The judge's sentence, or None; an exception raised by the answer becomes a sentence."""
    try:
        return exercise.judge(answer, numbers) if exercise.variant else exercise.judge(answer)
    except Unfinished:
        raise
    except Wrong as wrong:
        return str(wrong)
    except Raised as error:
        if error.kind in ("Unfinished", "NotImplementedError"):
            raise Unfinished(error.text) from None
        return raised.sentence(error)
    except NotImplementedError as error:
        raise Unfinished(
            f"Exercise {exercise.id} is still empty. Write your answer in place of the line that "
            "raises NotImplementedError."
        ) from error
    except Exception as error:
        return raised.sentence(error)


def hint(id: str) -> None:
    """Print the next of three hints; none of them is the solution."""
    exercise = find(id)
    _session.turn_to(chapter_of(id))
    shown = _session.hints.get(id, 0)
    if not exercise.hints:
        print(f"{id} has no hints")
        return
    level = min(shown, len(exercise.hints) - 1)
    _session.hints[id] = level + 1
    _session.save(id)
    last = "; there are no more" if level + 1 == len(exercise.hints) else ""
    print(f"{id} hint {level + 1} of {len(exercise.hints)}: {exercise.hints[level]}{last}")


def predict(id: str, choice: Any, of: Sequence[str] = ()) -> None:
    """Store what you expect, before you look. `reveal(id)`, or a later check, compares.

    of: the choices offered
    Raises Unfinished for an empty choice, ValueError for one that was not offered.
    """
    exercise = find(id)
    options = tuple(several("of", of, "the choices, a list of texts")) or exercise.choices
    for option in options:
        instance("of", option, str | int | float, "the choices, a list of texts")
    offered = ", ".join(repr(option) for option in options)
    if is_empty(choice):
        raise Unfinished(
            f"Prediction {id} is still empty. In place of the three dots, put one of {offered}."
        )
    meant = typed.option(choice, [str(option) for option in options])
    if meant is None:
        raise ValueError(f"prediction {id}: {shown(choice)} is not among {offered}")
    choice = meant
    _session.turn_to(chapter_of(id))
    if id in _session.revealed and choice != _session.predictions[id]:
        print(f"{id} was revealed already; {_session.predictions[id]!r} stays your prediction")
        return
    _session.predictions[id] = choice
    _session.save(id)
    print(f"{id} noted: {choice!r}")


def reveal(id: str) -> None:
    """Compare your prediction with the result."""
    exercise = find(id)
    _session.turn_to(chapter_of(id))
    choice = _session.predictions.get(id)
    if choice is None:
        print(f"{id}: predict first, then look")
        return
    message = exercise.judge(choice)
    _session.revealed.add(id)
    text = f"you predicted {choice!r}. {message or exercise.explanation}"
    feedback = Feedback(id, message is None, text)
    _session.feedback[id] = feedback
    _session.save(id)
    said = "as predicted" if feedback.ok else "a surprise"  # which is no mistake
    _say(feedback.ok or None, f"{id} {said}: {feedback.message}")


def given(id: str) -> dict[str, Any]:
    """Your numbers for an exercise that draws them for each student; see `student`.

    Raises ValueError for an exercise whose numbers are the same for everyone.
    """
    exercise = find(id)
    if exercise.variant is None:
        raise ValueError(f"exercise {id} has the same numbers for everyone")
    return dict(_session.numbers(exercise))


def student(name: str) -> None:
    """Set your name, the seed of exercises with numbers for each student."""
    _session.name = str(name)


def keep(folder: str | os.PathLike[str] | None) -> None:
    """Keep progress in `minwn-progress` in this folder from now on; None keeps none.

    Without this call it is kept in `minwn-progress` in the folder of the notebook.
    """
    if folder is None:
        _session.files = None
    else:
        path = path_of("folder", folder)
        _session.files = Kept(path if path.name == FOLDER else path / FOLDER)
    _session.chosen = True
    _session.opened.clear()
    for id in sorted(_session.touched):
        _session.turn_to(chapter_of(id))
        _session.save(id)


def progress(save: str | os.PathLike[str] | None = None) -> None:
    """Print the state of each exercise of this notebook, and a line for each other notebook.

    save: a JSON file to write the answers, tries, hints and predictions of these notebooks to
    """
    here = sorted({chapter_of(id) for id in _session.touched})
    files = _session.store()
    known = sorted({*here, *(files.numbers() if files else ())})
    for number in known:
        _session.turn_to(number, again=True)
    rows = [
        (exercise.id, exercise.title, _session.state(exercise), _helped(exercise))
        for number in here
        for exercise in chapter(number).values()
    ]
    width = max((len(title) for _, title, _, _ in rows), default=0)
    for id, title, state, helped in rows:
        print(f"{id:>5}  {title:{width}}  {state:11}  {helped}".rstrip())
    if rows:
        questions = [exercise for number in here for exercise in _questions(number)]
        right = sum(_session.state(exercise) == "right" for exercise in questions)
        print(f"{right} of {len(questions)} exercises are right")
    lines = [_summary(number) for number in known if number not in here and chapter(number)]
    for line in lines:
        print(line)
    if not rows and not lines:
        print("nothing is done yet")
    if save is not None:
        path_of("save", save).write_text(json.dumps(_saved(), indent=2) + "\n", encoding="utf-8")


def _questions(number: str) -> list[Exercise]:
    return [exercise for exercise in chapter(number).values() if not exercise.prediction]


def _summary(number: str) -> str:
    """notebook 5: 6 of 8 right; to do: 5.6, 5.T3"""
    questions = _questions(number)
    left = [exercise.id for exercise in questions if _session.state(exercise) != "right"]
    right = f"notebook {int(number):2}: {len(questions) - len(left)} of {len(questions)} right"
    return f"{right}; to do: {', '.join(left)}" if left else right


def _helped(exercise: Exercise) -> str:
    tries, hints = (d.get(exercise.id, 0) for d in (_session.tries, _session.hints))
    words = [f"{tries} tries"] if tries > 1 else []
    return ", ".join([*words, f"{hints} hint{'s' * (hints > 1)}"] if hints else words)


def _saved() -> dict[str, Any]:
    return {
        "student": _session.name,
        "answers": {id: {"ok": f.ok, "message": f.message} for id, f in _session.feedback.items()},
        "tries": _session.tries,
        "hints": _session.hints,
        "predictions": _session.predictions,
    }


def _say(ok: bool | None, text: str) -> None:
    """Print one line with a mark, in colour where the output shows colours."""
    in_notebook = type(sys.stdout).__module__.startswith("ipykernel")
    coloured = "NO_COLOR" not in os.environ and (in_notebook or sys.stdout.isatty())
    mark = {True: "\u2713", False: "\u2717", None: "\u2022"}[ok]
    if not in_notebook and (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        mark = {True: "+", False: "-", None: "*"}[ok]
    colour = {True: "1;32", False: "1;31", None: "1"}[ok]
    start, end = (f"\033[{colour}m", "\033[0m") if coloured else ("", "")
    head, colon, rest = text.partition(":")
    print(f"{start}{mark} {head}{end}{colon}{rest}")
