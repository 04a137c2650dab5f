"""Whether an answer depends on other calls, or lies in memory that is not its own.

Asked of every function: of weight normalisation (`hygiene`) and of whole layers
(`layers.checks`). Bits are compared: no rounding excuses an input that changes, or two answers
to one question.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..diagnosis import Diagnosis
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..targets.implementation import Lost

__all__ = ["LIFE", "Question", "depends", "first_calls", "late", "same_bits"]

FEW = 10  # calls: a fault after more of them is one of a later call
LIFE = 60  # calls of each function, at least
WORDS = ("accumulates", "stale_state", "not_deterministic", "returns_cache")

Array = np.ndarray
Found = tuple[str, str]  # the id of a fault, and its evidence


@dataclass(frozen=True)
class Question:
    """A function, and two problems of one shape that it is asked.

    answers: what it returns, which may share memory
    other: a problem in which every number of every answer is another
    forward: where the function is backward, forward of the same arrays
    new_shape: whether it is right in a shape that was not asked before, and then once more there,
    with other numbers
    u: the unit roundoff of the dtype
    """

    answers: Callable[[Sequence[Array]], Sequence[Any]]
    given: Sequence[Array]
    other: Sequence[Array]
    forward: Callable[[Sequence[Array]], Any] | None
    new_shape: Callable[[], Sequence[bool]]
    u: float

    def ask(self, arrays: Sequence[Array], *, copy: bool = True) -> list[Array]:
        """The answers, in memory of their own. copy: of the arrays, else they are handed over."""
        return [np.array(x) for x in self.answers(_copies(arrays) if copy else arrays)]

    def before(self, arrays: Sequence[Array]) -> None:
        """Call forward, which an object may keep something of."""
        if self.forward is not None:
            with contextlib.suppress(Exception):  # which is not backward's fault
                self.forward(arrays)


def depends(q: Question) -> Iterator[Found]:
    """The faults of a function. Raises what it raises."""
    given = _copies(q.given)
    first = q.answers(given)
    kept = [np.array(x) for x in first]
    changed = [x for x, y in zip(given, q.given, strict=True) if not same_bits([x], [y])]
    if changed:
        yield "mutates_input", f"an input of shape {changed[0].shape} was changed"
    if any(np.shares_memory(x, y) for x in first if isinstance(x, np.ndarray) for y in given):
        yield "aliases_input", "an answer shares memory with an input"
    q.ask(q.other)
    if not same_bits([np.asarray(x) for x in first], kept):
        yield "returns_cache", "a later call changed an earlier answer"
    q.before(_copies(q.other))
    # Two, three and four calls after the first: nothing that counts up to three hides.
    later = [q.ask(q.given) for _ in range(3)]
    if any(not same_bits(kept, x) for x in later):
        yield _unsteady(kept, later, q.u)
    elif _same_arrays(q):
        yield "stale_state", "the same arrays with other numbers in them have the old answers"
    elif [*q.new_shape()] == [True, False]:
        yield "stale_state", "the first call of a shape is right, the next one wrong"


def _copies(arrays: Sequence[Array]) -> list[Array]:
    return [np.array(x, order="C") for x in arrays]


def _unsteady(kept: list[Array], later: list[list[Array]], u: float) -> Found:
    if _adds_up(later, u):
        return "accumulates", "of equal calls in a row, each answers as much more"
    pairs = itertools.combinations([kept, *later], 2)
    word = "stale_state" if any(same_bits(x, y) for x, y in pairs) else "not_deterministic"
    return word, "calls with the same inputs differ, with other calls between"


def _adds_up(later: list[list[Array]], u: float) -> bool:
    """Whether an answer grows by the same from call to call, but for the rounding of its sum.

    A wider tolerance would call an answer that drifts slowly one that adds up.
    """
    for answers in zip(*later, strict=True):
        a, b, c = map(as_float64, answers)
        if not a.shape == b.shape == c.shape:
            continue
        rounding = 4 * u * (abs(a) + abs(b) + abs(c))
        if (abs(c - 2 * b + a) <= rounding).all() and (abs(b - a) > 4 * rounding).any():
            return True
    return False


def _same_arrays(q: Question) -> bool:
    """Whether the numbers in an array do not count where the array was seen before."""
    arrays, in_turn = _copies(q.given), (q.other, q.given, q.other)
    new = [q.ask(problem) for problem in in_turn]
    q.before(arrays)
    for problem, want in zip(in_turn, new, strict=True):
        for x, y in zip(arrays, problem, strict=True):
            x[...] = y
        if not same_bits(q.ask(arrays, copy=False), want):
            return True
    return False


def same_bits(x: Sequence[Any], y: Sequence[Any]) -> bool:
    """Whether the arrays of two answers are equal, NaN for NaN."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(x, y, strict=True))


# ---- calls that come early or late --------------------------------------------------------------


class Asked(Protocol):
    """A question that was asked, and what was seen in its answers."""

    @property
    def id(self) -> str: ...
    @property
    def wrong(self) -> bool: ...
    @property
    def in_range(self) -> bool: ...
    @property
    def answers(self) -> Sequence[Array]: ...


class Evidence(Protocol):
    """The part of a run that is needed here."""

    faults: list[Diagnosis]
    checks: list[CheckResult]

    @property
    def first(self) -> Mapping[str, tuple[Callable[[], Sequence[Array]], Sequence[Array]]]: ...
    @property
    def calls(self) -> Counter[str]: ...
    @property
    def right(self) -> bool: ...
    def fault(self, id: str, output: str, evidence: str) -> None: ...
    def lost(self, what: str, where: str, error: Lost) -> None: ...
    def asked_of(self, what: str) -> Sequence[Any]: ...
    def repeat(self, asked: Any) -> Sequence[Array]: ...
    def forget(self, what: str, first: int) -> None: ...


def first_calls(run: Evidence, what: str) -> None:
    """Whether a call was right or wrong because of when it was made: those in doubt are repeated.

    Then the answers from the first wrong one on say nothing about a formula.
    """
    if any(f.id in WORDS and what in f.outputs for f in run.faults):
        return
    asked: Sequence[Asked] = run.asked_of(what)
    wrong = [i for i, x in enumerate(asked) if x.wrong and x.in_range]
    edges = [i for i, x in enumerate(asked) if x.wrong and not x.in_range]
    with np.errstate(all="ignore"):
        doubtful = [i for i in (*wrong[:3], *edges, 0) if i < len(asked)]
        changed = [i for i in doubtful if not _repeats(run, asked[i])]
    if not changed:
        return
    first = min((*wrong, *filter(None, changed)), default=len(asked))
    if first < FEW:
        evidence = "the first call of all has another answer when it is repeated"
        run.fault("stale_state", what, evidence)
        return
    later = f"call {first + 1} ({asked[first].id})" if first < len(asked) else "a later call"
    run.fault("late_call", what, f"the first {first} calls are right, {later} is not")
    run.forget(what, first)


def _repeats(run: Evidence, asked: Asked) -> bool:
    """Whether a question has the same answers when it is asked again, to rounding."""
    try:
        return same_bits(asked.answers, run.repeat(asked))
    except Lost:  # before, or now: nothing can be learnt from it
        return True
    except Exception:
        return False


def late(run: Evidence, again: Callable[[str], CheckResult | None]) -> None:
    """After all else: the first call again, at the end of at least LIFE; and what failed, again.

    again: the result of a check, made once more
    """
    for what, (ask, answers) in run.first.items():
        if any(what in f.outputs for f in run.faults):
            continue
        try:
            with np.errstate(all="ignore"):
                found = ask()
                while run.calls[what] < LIFE and same_bits(answers, found):
                    found = ask()
        except Lost as error:
            run.lost(what, "the first call again: ", error)
            continue
        except Exception as error:
            found, text = answers, f"{type(error).__name__}: {error}"
            run.fault("late_call", what, f"the first call again, at the end: {text}")
        if not same_bits(answers, found):
            count = run.calls[what]
            run.fault("late_call", what, f"call {count} is the first again, with another answer")
    if run.faults or not run.right:
        return
    for result in run.checks:
        made = None if result.ok else again(result.name)
        if made is not None and made.ok:
            what = "backward" if "backward" in run.first else "forward"
            run.fault("late_call", what, f"{result.name}: wrong once, and right when repeated")
