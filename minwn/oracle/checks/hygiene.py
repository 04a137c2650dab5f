"""Everything but numbers: shapes, dtypes, memory, and whether a call depends on another one."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import Format, as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Spec, prepare
from ..targets.implementation import NAMES, Lost
from . import memory

__all__ = ["hygiene"]

ROLES = ("forward", "backward")


def hygiene(run: Run) -> CheckResult:
    """The check of all functions that were given."""
    _mixed_layouts(run)
    for what in ROLES:
        for case in _ordinary(run.spec) if run.implementation.has(what) else ():
            try:
                with np.errstate(all="ignore"):
                    for id, evidence in memory.depends(_question(run, what, case)):
                        run.fault(id, what, evidence)
            except Lost as error:
                run.lost(what, f"{case.v.shape}: ", error)
            except Exception as error:
                run.unable(what, f"{case.v.shape}: ", error)
    if not run.faults and not run.silent() and run.right:
        _large_numbers(run)
    for what in ROLES:
        if run.implementation.has(what):
            memory.first_calls(run, what)
        run.complain(what)
    return CheckResult("hygiene", 6, len(run.faults), float(len(run.faults)))


def _ordinary(spec: Spec) -> list[Case]:
    """A case of every rank that is claimed."""
    drawn = [replace(spec, ranks=frozenset({rank})).drawn("generic") for rank in sorted(spec.ranks)]
    return [cases[0] for cases in drawn if cases] or spec.drawn("generic")[:1]


def _question(run: Run, what: str, case: Case) -> memory.Question:
    implementation = run.implementation

    def forward(arrays: Any) -> Any:
        return implementation.call("forward", *arrays[1:], copy=False)

    return memory.Question(
        lambda arrays: implementation.answers(what, *arrays), _problem(case, what),
        _other(case, what), forward if what == "backward" and run.given("forward") else None,
        lambda: _in_a_new_shape(run, what, case), Format.of(run.spec.dtype).u,
    )


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


def _in_a_new_shape(run: Run, what: str, case: Case) -> list[bool]:
    """Whether the answers are right in two cases of a shape that was not asked before."""
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
    return correct


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
    """Two of one shape. Cached: they depend on the spec only.

    The second is the first in reversed order, v doubled and g halved. It has no number that is
    larger, but for v: what cuts off the numbers of one of them does so in both.
    """
    reduced = Terms(case.v, case.g, case.w_bar, case.axes).reduced
    if not reduced:  # every entry is a slice, and there are no longer ones
        return ()
    axis = reduced[-1]
    v, w_bar = (np.concatenate([x, x, x], axis=axis) for x in (case.v, case.w_bar))
    found = []
    half = (np.flip(case.g) / 2).astype(case.g.dtype, copy=False)  # bfloat16 too, with any NumPy
    twice = (2 * np.flip(v)).astype(v.dtype, copy=False)
    for direction, g, bar in ((v, case.g, w_bar), (twice, half, np.flip(w_bar).copy())):
        t = Terms(direction, g, bar, case.axes, spec.form, spec.eps)
        truth = {"w": t.w(), "v_bar": t.v_bar(), "g_bar": t.g_bar()}
        found.append(Longer(direction, g, bar, truth, spec.tolerance(direction, g, bar)))
    return tuple(found)
