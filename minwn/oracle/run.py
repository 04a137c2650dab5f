"""A run: the implementation, the spec, and the evidence as it is collected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..backend import dtype_of
from ..terminal import counted
from .diagnosis import Diagnosis, Observation
from .reference.rounding import as_float64
from .report import CheckResult
from .spec import Prepared, Spec
from .targets.implementation import NAMES, Implementation

__all__ = ["FAULTS", "Run"]

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
    "not_deterministic": (
        "the same call gives different bits",
        "leave out what is random, and what counts calls",
    ),
    "not_thread_safe": (
        "called from several threads at once, the same call gives different bits",
        "share no buffer between calls: make the arrays of a call in the call",
    ),
    "wrong_shape": (
        "an answer has not the shape of what it belongs to",
        "give w and v_bar the shape of v, and g_bar that of g",
    ),
    "wrong_dtype": (
        "an answer has another dtype than the inputs",
        "return arrays of the dtype of v",
    ),
    "raises": ("the function fails", "mend what the message says, or take such inputs, too"),
}


@dataclass
class Run:
    """The evidence so far. Each check adds to it, and none takes away."""

    implementation: Implementation
    spec: Spec
    observations: list[Observation] = field(default_factory=list)
    out_of_range: list[Observation] = field(default_factory=list)  # wrong there is only a note
    faults: list[Diagnosis] = field(default_factory=list)
    first: dict[str, tuple[Arrays, Arrays]] = field(default_factory=dict)  # call, and answer
    later: list[Diagnosis] = field(default_factory=list)  # of products and the second order
    errors: dict[str, list[str]] = field(default_factory=dict)
    answered: set[tuple[str, int]] = field(default_factory=set)  # what, and of which rank
    raised: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    laws: dict[str, float] = field(default_factory=dict)
    consistent: bool | None = None  # whether backward belongs to forward
    conventions: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    threads: int = 0  # from how many at once it is called; 0 for one after the other
    judged: int = 0

    @cached_property
    def dtype(self) -> Any:
        """The dtype of the spec. (Looking up its name takes longer than making an array.)"""
        return dtype_of(self.spec.dtype)

    def fault(self, id: str, output: str, evidence: str) -> None:
        """Note a fault once for each output."""
        if any(f.id == id and output in f.outputs for f in self.faults):
            return
        text, fix = FAULTS[id]
        self.faults.append(Diagnosis(id, text, fix, evidence, (output,)))

    def failed(self, what: str, where: str, error: Exception) -> None:
        """Note that a function raised."""
        self.errors.setdefault(what, []).append(f"{where}{type(error).__name__}: {error}")

    def ask(self, what: str, rank: int, where: str, *arrays: Any, copy: bool = True) -> Arrays:
        """The answers of a function for v of that rank; its exceptions are recorded."""
        try:
            answers = self.implementation.call(what, *arrays, copy=copy)
        except Exception as error:
            message = f"{where}{type(error).__name__}: {error}"
            self.raised.setdefault((what, rank), []).append(message)
            raise
        self.answered.add((what, rank))
        return answers

    def complain(self, what: str) -> None:
        """A fault where a function has answered nothing, a note where it raised at times."""
        raised = [each for (name, _), each in self.raised.items() if name == what]
        messages = [message for each in raised for message in each]
        if messages and not any(name == what for name, _ in self.answered):
            self.fault("raises", what, messages[0])
        elif messages:
            such = ", such as" if len(messages) > 1 else ":"
            count = counted(len(messages), "case")
            self.notes.append(f"{what} raised in {count}{such} {messages[0]}")

    def unanswered(self) -> Iterator[tuple[str, str]]:
        """(function, evidence) where it raised in every case of a rank."""
        for (what, rank), messages in self.raised.items():
            if (what, rank) not in self.answered:
                yield what, f"in every case of rank {rank}: {messages[0]}"

    def given(self, *wanted: str) -> bool:
        """Whether all of these functions were given."""
        return all(self.implementation.has(what) for what in wanted)

    def result(self, name: str) -> CheckResult | None:
        """The result of the check of that name, where it was made."""
        return next((r for r in self.checks if r.name == name), None)

    # -- the evidence of the first order

    def gather(self) -> None:
        """Every case once: the answers and the truth."""
        wanted = [what for what in ("forward", "backward") if self.implementation.has(what)]
        for prepared in self.spec.prepared() if wanted else ():
            got: dict[str, np.ndarray] = {}
            for what in wanted:
                got |= self._ask(what, prepared)
            if got:
                self._file(prepared, got)

    def _ask(self, what: str, prepared: Prepared) -> dict[str, np.ndarray]:
        case = prepared.case
        self.asked += 1
        arrays = (case.v, case.g) if what == "forward" else (case.w_bar, case.v, case.g)
        where, copy = f"{case.id} {case.v.shape}: ", case.v.flags.writeable
        try:
            answers = self.ask(what, case.v.ndim, where, *arrays, copy=copy)
            self.first.setdefault(what, (arrays, answers))
        except Exception as error:
            self.failed(what, where, error)
            if case.group == "layout" and "read-only" in str(error):
                self.fault("mutates_input", what, f"{case.id} ({case.flags[0]}): {error}")
            return {}
        return dict(zip(NAMES[what], answers, strict=True))

    def _file(self, prepared: Prepared, got: dict[str, np.ndarray]) -> None:
        case, spec, allowed = prepared.case, self.spec, prepared.allowed
        shaped: dict[str, np.ndarray] = {}
        for output, x in self._shaped(prepared, got):
            none = prepared.undefined[output]
            missing = int(np.count_nonzero(none))
            if case.group == "undefined" and case.flags[0] == "zero slice":
                self._convention(output, x[np.isnan(prepared.expected[output])])
            self.judged += none.size - missing
            shaped[output] = np.where(none, 0.0, x) if missing else x
        expected = {output: prepared.expected_or_zero[output] for output in shaped}
        v, g, w_bar = map(as_float64, (case.v, case.g, case.w_bar))
        o = Observation(
            case.id, case.group, v, g, w_bar, case.axes, shaped, expected, allowed, spec.form,
            spec.eps, case.flags, spec.dtype, spec.accumulate,
        )
        (self.observations if prepared.in_range else self.out_of_range).append(o)

    def _shaped(
        self, prepared: Prepared, got: dict[str, np.ndarray]
    ) -> Iterator[tuple[str, np.ndarray]]:
        for output, x in got.items():
            want, id = prepared.expected[output].shape, prepared.case.id
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
