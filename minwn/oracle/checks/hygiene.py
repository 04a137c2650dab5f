"""Everything but numbers: shapes, dtypes, memory, and whether a call depends on another one.

Bits are compared: no rounding excuses an input that changes, or two answers to one question.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import Format, as_float64
from ..report import CheckResult
from ..run import Asked, Run
from ..spec import Spec, prepare
from ..targets.implementation import NAMES, Lost

__all__ = ["hygiene", "late", "same_bits"]

ROLES = ("forward", "backward")
FEW = 10  # calls: a fault after more of them is one of a later call
LIFE = 60  # calls of each function, at least

Checks = Mapping[str, Callable[[Run], CheckResult | None]]


def hygiene(run: Run) -> CheckResult:
    """The check of all functions that were given."""
    _mixed_layouts(run)
    for what in ROLES:
        for case in _ordinary(run.spec) if run.implementation.has(what) else ():
            try:
                _examine(run, what, case)
            except Lost as error:
                run.lost(what, f"{case.v.shape}: ", error)
            except Exception as error:
                run.unable(what, f"{case.v.shape}: ", error)
    if not (run.faults or run.silent() or any(o.fails for o in run.observations)):
        _large_numbers(run)
    for what in ROLES:
        if run.implementation.has(what):
            _first_calls(run, what)
        run.complain(what)
    return CheckResult("hygiene", 6, len(run.faults), float(len(run.faults)))


def _ordinary(spec: Spec) -> list[Case]:
    """A case of every rank that is claimed."""
    drawn = [replace(spec, ranks=frozenset({rank})).drawn("generic") for rank in sorted(spec.ranks)]
    return [cases[0] for cases in drawn if cases] or spec.drawn("generic")[:1]


def _examine(run: Run, what: str, case: Case) -> None:
    implementation = run.implementation
    given = _problem(case, what)
    before = [x.copy() for x in given]
    with np.errstate(all="ignore"):
        first = implementation.answers(what, *given)
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


def _mixed_layouts(run: Run) -> None:
    """More layouts: v in Fortran's order and w_bar in C's, and the other way around."""
    for prepared in run.spec.prepared() if run.implementation.has("backward") else ():
        case = prepared.case
        if case.flags == ("Fortran",) and sum(n > 1 for n in case.v.shape) > 1:
            for part in ("v", "w_bar"):
                rows: Any = {part: np.ascontiguousarray(getattr(case, part))}
                mixed = replace(case, flags=(f"{part} alone in C's order",), **rows)
                run.judge(replace(prepared, case=mixed), "backward")


def _large_numbers(run: Run) -> None:
    """g and w_bar times 64, where all is right so far: the numbers of the cases are small, and
    below what clips them. A mistake that has shown needs no more of them."""
    for case in _ordinary(run.spec):
        large = replace(
            case, g=(64 * case.g).astype(case.g.dtype, copy=False),
            w_bar=(64 * case.w_bar).astype(case.w_bar.dtype, copy=False), flags=("g, w_bar * 64",),
        )
        if run.spec.in_range(large):
            wanted = [what for what in ROLES if run.implementation.has(what)]
            run.judge(prepare(run.spec, [large])[0], *wanted)


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
    if any(not same_bits(kept, x) for x in later):
        if _adds_up(later, Format.of(run.spec.dtype).u):
            return "accumulates", "of equal calls in a row, each answers as much more"
        pairs = itertools.combinations([kept, *later], 2)
        word = "stale_state" if any(same_bits(x, y) for x, y in pairs) else "not_deterministic"
        return word, "calls with the same inputs differ, with other calls between"
    if _same_arrays(run, what, case):
        return "stale_state", "the same arrays with other numbers in them have the old answers"
    if _first_right_then_wrong(run, what, case):
        return "stale_state", "the first call of a shape is right, the next one wrong"
    return None


def _same_arrays(run: Run, what: str, case: Case) -> bool:
    """Whether the numbers in an array do not count where the array was seen before."""
    implementation, arrays = run.implementation, _problem(case, what)
    in_turn = (_other, _problem, _other)
    new = [implementation.call(what, *problem(case, what)) for problem in in_turn]
    if what == "backward" and implementation.has("forward"):
        with contextlib.suppress(Exception):
            implementation.call("forward", *arrays[1:], copy=False)
    for problem, want in zip(in_turn, new, strict=True):
        for x, y in zip(arrays, problem(case, what), strict=True):
            x[...] = y
        if not same_bits(implementation.call(what, *arrays, copy=False), want):
            return True
    return False


def _first_calls(run: Run, what: str) -> None:
    """Whether a call was right or wrong because of when it was made: those in doubt are repeated.

    Then the answers from the first wrong one on say nothing about a formula.
    """
    unsteady = {"accumulates", "stale_state", "not_deterministic", "returns_cache"}
    if any(f.id in unsteady and what in f.outputs for f in run.faults):
        return
    asked = [x for x in run.history if x.what == what]
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
    later = f"call {first + 1} ({asked[first].case.id})" if first < len(asked) else "a later call"
    run.fault("late_call", what, f"the first {first} calls are right, {later} is not")
    run.forget(what, first)


def _repeats(run: Run, asked: Asked) -> bool:
    """Whether a question has the same answers when it is asked again, to rounding."""
    try:
        return same_bits(asked.answers, run.again(asked.what, asked.case))
    except Lost:  # before, or now: nothing can be learnt from it
        return True
    except Exception:
        return False


def late(run: Run, checks: Checks) -> None:
    """After all else: the first call again, at the end of at least LIFE; and what failed, again."""
    for what, (arrays, answers) in run.first.items():
        if any(what in f.outputs for f in run.faults):
            continue
        try:
            with np.errstate(all="ignore"):
                found = run.implementation.call(what, *arrays)
                while run.implementation.calls[what] < LIFE:
                    found = run.implementation.call(what, *arrays)
        except Lost as error:
            run.lost(what, "the first call again: ", error)
            continue
        except Exception as error:
            found, text = answers, f"{type(error).__name__}: {error}"
            run.fault("late_call", what, f"the first call again, at the end: {text}")
        if not same_bits(answers, found):
            count = run.implementation.calls[what]
            run.fault("late_call", what, f"call {count} is the first again, with another answer")
    if run.faults or any(o.fails for o in run.observations):
        return
    for result in run.checks:
        if not result.ok and result.name in checks:
            again = checks[result.name](Run(run.implementation, run.spec, history=run.history))
            if again is not None and again.ok:
                what = "backward" if run.implementation.has("backward") else "forward"
                run.fault("late_call", what, f"{result.name}: wrong once, and right when repeated")


def same_bits(x: Sequence[Any], y: Sequence[Any]) -> bool:
    """Whether the arrays of two answers are equal, NaN for NaN."""
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
