"""Everything but numbers: shapes, dtypes, memory, and whether a call depends on another one.

Bits are compared: no rounding excuses an input that changes, or two answers to one question.
"""

from __future__ import annotations

import numpy as np

from ..accused import NAMES, wide
from ..cases import Case
from ..mistakes import Terms
from ..report import Rung
from ..trial import Trial

__all__ = ["hygiene"]


def hygiene(trial: Trial) -> Rung | None:
    case = next(iter(trial.claim.drawn("generic")), None)
    if case is None:
        return None
    for what in ("forward", "backward"):
        if trial.accused.has(what):
            try:
                _examine(trial, what, case)
            except Exception as error:
                trial.fault("raises", what, f"{case.v.shape}: {type(error).__name__}: {error}")
    for what, found in trial.errors.items():
        if not any(set(NAMES[what]) & set(o.got) for o in trial.observations):
            trial.fault("raises", what, found[0])
        else:
            trial.notes.append(f"{what} raised in {len(found)} cases, such as {found[0]}")
    return Rung("hygiene", 6, len(trial.faults), float(len(trial.faults)))


def _examine(trial: Trial, what: str, case: Case) -> None:
    def arrays(scale: float = 1.0) -> list[np.ndarray]:
        # Another problem of the same shape: a cached norm would be of the wrong one.
        v = np.ascontiguousarray(np.flip(case.v)) * case.v.dtype.type(scale)
        w_bar = np.array(case.w_bar)
        return [v, np.array(case.g)] if what == "forward" else [w_bar, v, np.array(case.g)]

    accused = trial.accused
    given = arrays()
    before = [x.copy() for x in given]
    with np.errstate(all="ignore"):
        first = getattr(accused, what)(*given)
        first = tuple(first) if what == "backward" else (first,)
        kept = [np.array(x, copy=True) for x in first]
        if any((x != y).any() for x, y in zip(given, before, strict=True)):
            trial.fault("mutates_input", what, f"an input of shape {case.v.shape} was changed")
        for x in first:
            if isinstance(x, np.ndarray) and any(np.shares_memory(x, y) for y in given):
                trial.fault("aliases_input", what, "an answer shares memory with an input")
        accused.call(what, *arrays(2.0))
        if any((np.asarray(x) != y).any() for x, y in zip(first, kept, strict=True)):
            trial.fault("returns_cache", what, "a later call changed an earlier answer")
        if accused.has("forward") and what == "backward":
            accused.call("forward", *arrays(4.0)[1:])
        again = accused.call(what, *arrays())
    if not _same(kept, again):
        steady = _same(again, accused.call(what, *arrays()))
        trial.fault(
            "stale_state" if steady else "not_deterministic", what,
            "two calls with the same inputs differ, with other calls between",
        )  # fmt: skip
    elif _first_right_then_wrong(trial, what, case):
        trial.fault("stale_state", what, "the first call of a shape is right, the next one wrong")


def _same(x: list | tuple, y: list | tuple) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(x, y, strict=True))


def _first_right_then_wrong(trial: Trial, what: str, case: Case) -> bool:
    """In a shape that was not asked before, and then there again."""
    claim = trial.claim
    axis = Terms(case.v, case.g, case.w_bar, case.axes).reduced[-1]
    v, w_bar = (np.concatenate([x, x, x], axis=axis) for x in (case.v, case.w_bar))
    right = []
    for direction in (v, np.flip(v).copy()):
        output = NAMES[what][-1]
        inputs = (direction, case.g) if what == "forward" else (w_bar, direction, case.g)
        got = wide(trial.accused.call(what, *inputs)[-1])
        t = Terms(direction, case.g, w_bar, case.axes, claim.form, claim.eps)
        truth, room = getattr(t, output)(), claim.room(direction, case.g, w_bar)[output]
        right.append(bool((abs(got.reshape(truth.shape) - truth) <= 2 * room).all()))
    return right == [True, False]
