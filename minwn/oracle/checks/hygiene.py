"""Everything but numbers: shapes, dtypes, memory, and whether a call depends on another one.

Bits are compared: no rounding excuses an input that changes, or two answers to one question.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import Format, as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Spec
from ..targets.implementation import NAMES

__all__ = ["hygiene"]


def hygiene(run: Run) -> CheckResult:
    """The check of all functions that were given."""
    case = run.spec.drawn("generic")[0]
    for what in ("forward", "backward"):
        if run.implementation.has(what):
            try:
                _examine(run, what, case)
            except Exception as error:
                run.fault("raises", what, f"{case.v.shape}: {type(error).__name__}: {error}")
    for what in ("forward", "backward"):
        run.complain(what)
    return CheckResult("hygiene", 6, len(run.faults), float(len(run.faults)))


def _examine(run: Run, what: str, case: Case) -> None:
    implementation = run.implementation
    given = _problem(case, what)
    before = [x.copy() for x in given]
    with np.errstate(all="ignore"):
        first = getattr(implementation, what)(*given)
        first = tuple(first) if what == "backward" else (first,)
        kept = [np.array(x, copy=True) for x in first]
        if any((x != y).any() for x, y in zip(given, before, strict=True)):
            run.fault("mutates_input", what, f"an input of shape {case.v.shape} was changed")
        for x in first:
            if isinstance(x, np.ndarray) and any(np.shares_memory(x, y) for y in given):
                run.fault("aliases_input", what, "an answer shares memory with an input")
        implementation.call(what, *_other(case, what))
        if any((np.asarray(x) != y).any() for x, y in zip(first, kept, strict=True)):
            run.fault("returns_cache", what, "a later call changed an earlier answer")
        if implementation.has("forward") and what == "backward":
            with contextlib.suppress(Exception):  # which is not backward's fault
                implementation.call("forward", *_other(case, "forward"))
        # Two, three and four calls after the first: nothing that counts up to three hides.
        later = [implementation.call(what, *_problem(case, what)) for _ in range(3)]
        found = _memory(run, what, case, kept, later)
    if found is not None:
        run.fault(found[0], what, found[1])


def _problem(case: Case, what: str) -> list[np.ndarray]:
    """Of a shape that was judged before: a cached norm would be of the wrong slices."""
    v, g, w_bar = np.ascontiguousarray(np.flip(case.v)), np.array(case.g), np.array(case.w_bar)
    return [v, g] if what == "forward" else [w_bar, v, g]


def _other(case: Case, what: str) -> list[np.ndarray]:
    """Of the same shape, and every number of every answer is another."""
    real = case.v.dtype.type
    v, g, w_bar = real(2) * case.v, real(-3) * case.g, np.ascontiguousarray(np.flip(case.w_bar))
    return [v, g] if what == "forward" else [w_bar, v, g]


def _memory(
    run: Run, what: str, case: Case, kept: list, later: list[tuple]
) -> tuple[str, str] | None:
    """The fault, and its evidence, where an answer depends on other calls."""
    if any(not _same(kept, x) for x in later):
        if _adds_up(later, Format.of(run.spec.dtype).u):
            return "accumulates", "of equal calls in a row, each answers as much more"
        pairs = itertools.combinations([kept, *later], 2)
        word = "stale_state" if any(_same(x, y) for x, y in pairs) else "not_deterministic"
        return word, "calls with the same inputs differ, with other calls between"
    if what in run.first:
        arrays, answers = run.first[what]
        if not _same(answers, run.implementation.call(what, *arrays)):
            return "stale_state", "the first call of all has another answer when it is repeated"
    if _first_right_then_wrong(run, what, case):
        return "stale_state", "the first call of a shape is right, the next one wrong"
    return None


def _same(x: Sequence[Any], y: Sequence[Any]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(x, y, strict=True))


def _adds_up(later: list[tuple], u: float) -> bool:
    """Whether an answer grows by the same from call to call, but for the rounding of its sum."""
    for answers in zip(*later, strict=True):
        a, b, c = map(as_float64, answers)
        rounding = 4 * u * (abs(a) + abs(b) + abs(c))
        if (abs(c - 2 * b + a) <= rounding).all() and (abs(b - a) > 4 * rounding).any():
            return True
    return False


def _first_right_then_wrong(run: Run, what: str, case: Case) -> bool:
    """In a shape that was not asked before, and then there again, with other numbers."""
    correct = []
    for p in _longer(run.spec, case):
        near = []
        for output, x in zip(
            NAMES[what], run.implementation.call(what, *p.given(what)), strict=True
        ):
            truth, tol = p.truth[output].ravel(), p.tolerance[output].ravel()
            off = abs(as_float64(x).ravel() - truth) if x.size == truth.size else np.inf
            near.append(np.all(off <= 2 * tol))
        correct.append(all(near))
    return correct == [True, False]


class Longer(NamedTuple):
    """A problem whose slices are three times as long, its truth to rounding, and its bounds."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    truth: dict[str, np.ndarray]
    tolerance: dict[str, np.ndarray]

    def given(self, what: str) -> tuple[np.ndarray, ...]:
        return (self.v, self.g) if what == "forward" else (self.w_bar, self.v, self.g)


@functools.lru_cache(maxsize=16)
def _longer(spec: Spec, case: Case) -> tuple[Longer, ...]:
    """Two of one shape. Cached: they depend on the spec only."""
    reduced = Terms(case.v, case.g, case.w_bar, case.axes).reduced
    if not reduced:  # every entry is a slice, and there are no longer ones
        return ()
    axis = reduced[-1]
    v, w_bar = (np.concatenate([x, x, x], axis=axis) for x in (case.v, case.w_bar))
    found = []
    other = (-2 * case.g).astype(case.g.dtype, copy=False)  # bfloat16 too, with any NumPy
    for direction, g in ((v, case.g), (np.flip(v).copy(), other)):
        t = Terms(direction, g, w_bar, case.axes, spec.form, spec.eps)
        truth = {"w": t.w(), "v_bar": t.v_bar(), "g_bar": t.g_bar()}
        found.append(Longer(direction, g, w_bar, truth, spec.tolerance(direction, g, w_bar)))
    return tuple(found)
