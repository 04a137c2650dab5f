"""A run: the implementation, the spec, and the evidence as it is collected."""

from __future__ import annotations

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..backend import dtype_of
from ..terminal import counted
from .cases import LAYOUTS, Case, laid_out
from .diagnosis import Diagnosis, Observation
from .reference.rounding import as_float64
from .report import CheckResult, Skipped
from .spec import Prepared, Spec
from .targets.implementation import NAMES, Implementation, Lost

__all__ = ["FAULTS", "Asked", "Run"]

Arrays = tuple[np.ndarray, ...]

# Faults outside the formulas: (description, fix)
FAULTS = {
    "mutates_input": ("an input is changed", "write to arrays of your own, never to the inputs"),
    "aliases_input": ("an answer is an input, or a view of one", "return a new array, or a copy"),
    "returns_cache": (
        "an answer is memory that the next call writes to",
        "return a new array, or a copy",
    ),
    "accumulates": (
        "gradients are added to those of the calls before",
        "return the gradient of this call alone: assign, do not add, and let the caller add up",
    ),
    "stale_state": (
        "an answer depends on the calls before",
        "compute all of it from what is given, or key what is saved by its values",
    ),
    "late_call": (
        "right at first, and wrong in a later call",
        "let an answer depend on its inputs alone: look for what counts calls, or fills up",
    ),
    "not_deterministic": (
        "the same call gives different bits",
        "leave out what is random, and what counts calls",
    ),
    "not_thread_safe": (
        "called from several threads at once, the same call gives different bits",
        "share no buffer between calls: make the arrays of a call in the call",
    ),
    "answers_exchanged": (
        "v_bar and g_bar are returned in each other's place",
        "return v_bar first, and then g_bar",
    ),
    "wrong_shape": (
        "an answer has not the shape of what it belongs to",
        "give w and v_bar the shape of v, and g_bar that of g",
    ),
    "wrong_dtype": (
        "an answer has another dtype than the inputs",
        "return arrays of the dtype of v",
    ),
    "timeout": (
        "a call does not end",
        "look for a loop without an end; if it is only slow, allow more time: --timeout SECONDS",
    ),
    "crash": (
        "a call crashes the process",
        "look for indices out of bounds, and arrays of another dtype or layout, in native code",
    ),
    "exit": ("a call ends the process", "raise an exception in the place of the exit"),
    "raises": ("the function fails", "mend what the message says, or take such inputs, too"),
}


@dataclass
class Asked:
    """A question of the first order, with its answers, and what was seen in them."""

    what: str
    case: Case
    answers: Arrays
    observation: Observation
    in_range: bool

    @property
    def outputs(self) -> list[str]:
        """Those of its answers that could be judged."""
        return [output for output in NAMES[self.what] if output in self.observation.got]

    @property
    def id(self) -> str:
        """Of the case."""
        return self.case.id

    @property
    def wrong(self) -> bool:
        """Whether an answer is off by more than is allowed."""
        return any(self.observation.worst(output) > 1 for output in self.outputs)


@dataclass
class Run:
    """The evidence so far. Each check adds to it, and none takes away."""

    implementation: Implementation
    spec: Spec
    observations: list[Observation] = field(default_factory=list)
    out_of_range: list[Observation] = field(default_factory=list)  # wrong there is only a note
    faults: list[Diagnosis] = field(default_factory=list)
    history: list[Asked] = field(default_factory=list)  # in the order of the calls
    first: dict[str, tuple[Callable[[], Arrays], Arrays]] = field(default_factory=dict)  # calls
    later: list[Diagnosis] = field(default_factory=list)  # of products and the second order
    errors: dict[str, list[str]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    raised: dict[str, list[str]] = field(default_factory=dict)
    declined: dict[str, str] = field(default_factory=dict)  # the same, of ordinary cases
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unbounded: dict[str, int] = field(default_factory=dict)  # numbers without a bound, by group
    checks: list[CheckResult] = field(default_factory=list)
    laws: dict[str, float] = field(default_factory=dict)
    consistent: bool | None = None  # whether backward belongs to forward
    conventions: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    threads: int = 0  # from how many at once it is called; 0 for one after the other
    judged: int = 0

    @functools.cached_property
    def dtype(self) -> Any:
        """The dtype of the spec. (Looking up its name takes longer than making an array.)"""
        return dtype_of(self.spec.dtype)

    @property
    def calls(self) -> Counter[str]:
        """How many there were of each function."""
        return self.implementation.calls

    @property
    def right(self) -> bool:
        """Whether no answer is wrong so far."""
        return not any(o.fails for o in self.observations)

    def fault(self, id: str, output: str, evidence: str) -> None:
        """Note a fault once for each output."""
        if any(f.id == id and output in f.outputs for f in self.faults):
            return
        text, fix = FAULTS[id]
        self.faults.append(Diagnosis(id, text, fix, evidence, (output,)))

    def failed(self, what: str, where: str, error: Exception) -> None:
        """Note that a function raised."""
        self.errors.setdefault(what, []).append(f"{where}{type(error).__name__}: {error}")

    def lost(self, what: str, where: str, error: Lost) -> None:
        """A fault where the implementation is gone; once, because later calls say the same."""
        if not any(f.evidence.endswith(str(error)) for f in self.faults):
            self.fault(error.id, what, f"{where}{error}")

    def ask(
        self, what: str, where: str, *arrays: Any, ordinary: bool = True, keep: bool = True,
        **how: Any,
    ) -> Arrays:
        """The answers of a function; its exceptions are recorded.

        ordinary: there is an answer, and a function that raises is wrong. keep: the first call
        of all, to be repeated. how: of the call
        """
        try:
            answers = self.implementation.call(what, *arrays, **how)
        except Lost as error:
            self.lost(what, where, error)
            raise
        except Exception as error:
            self.unable(what, where, error, ordinary=ordinary)
            raise
        self.answered.add(what)
        if keep:
            self._first(what, arrays, answers)
        return answers

    def _first(self, what: str, arrays: Arrays, answers: Arrays) -> None:
        """Keep the first call of all, and its answers."""
        again = functools.partial(self.implementation.call, what, *arrays)
        self.first.setdefault(what, (again, answers))

    def unable(self, what: str, where: str, error: Exception, *, ordinary: bool = True) -> None:
        """It raised."""
        message = f"{where}{type(error).__name__}: {error}"
        self.raised.setdefault(what, []).append(message)
        if ordinary:
            self.declined.setdefault(what, message)

    def silent(self) -> list[str]:
        """The functions that raised in every call."""
        return [what for what in self.raised if what not in self.answered]

    def complain(self, what: str) -> None:
        """A fault where a function has answered nothing, a note where it raised at times."""
        messages = self.raised.get(what, [])
        if messages and what not in self.answered:
            self.fault("raises", what, messages[0])
        elif messages:
            such = ", such as" if len(messages) > 1 else ":"
            count = counted(len(messages), "case")
            self.notes.append(f"{what} raised in {count}{such} {messages[0]}")

    def given(self, *wanted: str) -> bool:
        """Whether all of these functions were given."""
        return all(self.implementation.has(what) for what in wanted)

    def skip(self, check: str, reason: str) -> CheckResult | None:
        """A check, or a part of one, that is not made, and has no result."""
        self.skipped.append(Skipped(check, reason))
        return None

    def lacks(self, check: str, *wanted: str) -> bool:
        """Whether a check cannot be made, for one of the functions was not given."""
        missing = [what for what in wanted if not self.implementation.has(what)]
        if missing:
            self.skip(check, f"no {' and no '.join(missing)} was given")
        return bool(missing)

    def result(self, name: str) -> CheckResult | None:
        """The result of the check of that name, where it was made."""
        return next((r for r in self.checks if r.name == name), None)

    # -- the evidence of the first order

    def gather(self) -> None:
        """Every case once: the answers and the truth."""
        wanted = [what for what in ("forward", "backward") if self.implementation.has(what)]
        for prepared in self.spec.prepared() if wanted else ():
            self.judge(prepared, *wanted)

    def judge(self, prepared: Prepared, *wanted: str) -> None:
        """One case of the first order: some functions are asked, and their answers filed."""
        answers = {what: x for what in wanted if (x := self._ask(what, prepared)) is not None}
        if answers:
            got: dict[str, np.ndarray] = {}
            for what, found in answers.items():
                got |= zip(NAMES[what], found, strict=True)
            seen = self.file(prepared, got)
            for what, found in answers.items():
                self.history.append(Asked(what, prepared.case, found, seen, prepared.in_range))

    def asked_of(self, what: str) -> list[Asked]:
        """The questions of a function, in the order of the calls."""
        return [x for x in self.history if x.what == what]

    def repeat(self, asked: Asked) -> Arrays:
        """The answers to a question, in new arrays. Raises the function's exceptions.

        They can be written to: whether inputs are changed is looked at elsewhere, and the numbers
        of a function that works in place count, too.
        """
        *layouts, plain = _ways(asked.case)
        for how in layouts:
            with contextlib.suppress(Exception):
                return self.implementation.call(asked.what, *_given(asked.case, asked.what), **how)
        return self.implementation.call(asked.what, *_given(asked.case, asked.what), **plain)

    def _ask(self, what: str, prepared: Prepared) -> Arrays | None:
        case = prepared.case
        self.asked += 1
        where = f"{case.id} {case.v.shape}: "
        ordinary = prepared.in_range and not any(x.any() for x in prepared.undefined.values())
        try:
            answers = self._answers(what, case, where, ordinary)
        except Exception as error:
            self.failed(what, where, error)
            return None
        if what == "backward" and _exchanged(case, answers):
            shapes = " and ".join(str(x.shape) for x in answers)
            self.fault("answers_exchanged", what, f"{where}the answers have the shapes {shapes}")
            self.implementation = replace(self.implementation, exchanged=True)
            answers = answers[::-1]
            del self.first[what]
            self._first(what, case.given(what), answers)
        return answers

    def _answers(self, what: str, case: Case, where: str, ordinary: bool) -> Arrays:
        """Asked in arrays that lie in memory as those of the case do, or else in plain copies.

        A function may decline a layout, for that is no wrong number, where it answers the copies
        and declines the layout each time.
        """
        *layouts, plain = _ways(case)
        declined: Exception | None = None  # of the first layout
        for how in layouts:
            try:
                answers = self.ask(what, where, *_given(case, what), ordinary=False, **how)
                break
            except Lost:
                raise
            except Exception as error:
                self.raised[what].pop()
                declined = declined or error
        else:
            answers = self.ask(what, where, *_given(case, what), ordinary=ordinary, **plain)
        if declined is not None:
            try:
                self.implementation.call(what, *_given(case, what), **layouts[0])
            except Exception:
                self._declines(what, case, declined)
            else:
                self.unable(what, where, declined, ordinary=ordinary)
        return answers

    def _declines(self, what: str, case: Case, error: Exception) -> None:
        """It raises where arrays lie in memory as those of a case: a fault where it writes."""
        text = f"{case.id} ({case.flags[0]}): {type(error).__name__}: {error}"
        if "buffer source" in str(error):  # a memoryview of Cython, which need not write
            self.notes.append(f"{what} takes no read-only arrays: {error}")
        elif "read-only" in str(error):
            self.fault("mutates_input", what, text)
        elif not any(note.startswith(f"{what} takes no arrays that lie") for note in self.notes):
            self.notes.append(f"{what} takes no arrays that lie in memory as {text}")

    def file(self, prepared: Prepared, got: dict[str, np.ndarray]) -> Observation:
        """Add the answers to a case to the evidence."""
        case, spec, allowed = prepared.case, self.spec, prepared.allowed
        shaped: dict[str, np.ndarray] = {}
        for output, x in self._shaped(prepared, got):
            none = prepared.undefined[output]
            missing = int(np.count_nonzero(none))
            if case.group == "undefined" and case.flags[0] == "zero slice":
                self._convention(output, x[np.isnan(prepared.expected[output])])
            self.judged += none.size - missing
            if missing and prepared.in_range and case.group != "undefined":
                self.unbounded[case.group] = self.unbounded.get(case.group, 0) + missing
            shaped[output] = np.where(none, 0.0, x) if missing else x
        expected = {output: prepared.expected_or_zero[output] for output in shaped}
        v, g, w_bar = map(as_float64, (case.v, case.g, case.w_bar))
        o = Observation(
            case.id, case.group, v, g, w_bar, case.axes, shaped, expected, allowed, spec.form,
            spec.eps, case.flags, spec.dtype, spec.accumulate,
        )
        (self.observations if prepared.in_range else self.out_of_range).append(o)
        return o

    def forget(self, what: str, first: int) -> None:
        """Leave out the answers of a function from its call of that index on."""
        late = {id(x.observation) for x in self.asked_of(what)[first:]}
        for seen in (self.observations, self.out_of_range):
            for i, o in enumerate(seen):
                if id(o) in late:
                    got = {name: x for name, x in o.got.items() if name not in NAMES[what]}
                    seen[i] = replace(o, got=got)

    def _shaped(
        self, prepared: Prepared, got: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, np.ndarray]]:
        for output, x in got.items():
            want, id = prepared.expected[output].shape, prepared.case.id
            if x.shape != want and x.size == math.prod(want) == 0:  # a list of no rows
                self.notes.append(f"no entries: {output} has shape {x.shape}, not {want}")
                continue
            if x.shape != want:
                text = f"{id}: {output} has shape {x.shape}, not {want}"
                self.fault("wrong_shape", output, text)
                if x.size != math.prod(want):
                    continue
            if x.dtype != self.dtype and x.dtype.name != self.spec.dtype:
                self.fault("wrong_dtype", output, f"{id}: {output} is {x.dtype}")
            yield output, as_float64(x).reshape(want)

    def _convention(self, output: str, there: np.ndarray) -> None:
        """The answers where nothing is right."""
        kinds = set()
        for y in there.ravel().tolist():
            if math.isfinite(y):
                kinds.add("finite" if y else "0")
            else:
                kinds.add("NaN" if math.isnan(y) else "inf")
        if kinds:
            self.conventions[output] = "/".join(sorted(kinds))


def _ways(case: Case) -> list[dict[str, Any]]:
    """How arrays of a case are handed over, one way after another until it is answered: as they
    lie in memory, which is not to be written to; in copies that lie so; in plain copies."""
    if case.group != "layout":
        return [{"order": "C"}]
    as_they_lie = [{"copy": False}] if case.flags[0] in LAYOUTS else []
    return [*as_they_lie, {"order": "K"}, {"order": "C"}]


def _given(case: Case, what: str) -> tuple[np.ndarray, ...]:
    """The arguments of a function, in new memory where it is laid out in some way."""
    laid = case.flags and case.flags[0] in LAYOUTS
    return (laid_out(case, case.flags[0]) if laid else case).given(what)


def _exchanged(case: Case, answers: Arrays) -> bool:
    """Whether the answers have the sizes of (g_bar, v_bar)."""
    v, g = case.v.size, case.g.size
    return v != g and [x.size for x in answers] == [g, v]
