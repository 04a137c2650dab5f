"""The forward product w_dot, and the pullback of the pullback, against the truth.

|error| <= C u S with the counts of `error_bounds` for the second order, which hold for autodiff
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...terminal import counted
from ...tolerance import ratio
from ..diagnosis import Diagnosis
from ..mistakes import SECOND, Terms
from ..reference.error_bounds import STORED
from ..reference.rounding import Format, as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Prepared, Spec
from ..targets.implementation import NAMES

__all__ = ["product", "second_order"]

Seen = Sequence[tuple[Prepared, dict[str, np.ndarray]]]


def product(run: Run) -> CheckResult | None:
    return _judged(run, "jvp", "product") if run.given("jvp") else None


def second_order(run: Run) -> CheckResult | None:
    if not run.given("double_backward"):
        return None
    return _judged(run, "double_backward", "second order")


def _judged(run: Run, what: str, name: str) -> CheckResult:
    checked, failed, worst, out_of_range = 0, 0, 0.0, 0
    blamed: set[str] = set()
    seen: list[tuple[Prepared, dict[str, np.ndarray]]] = []
    for prepared in run.spec.prepared_second():
        c = prepared.case
        arrays = (c.v, c.g, c.A, c.B) if what == "jvp" else (c.A, c.B, c.w_bar, c.v, c.g)
        run.asked += 1
        where = f"{c.id} {c.v.shape}: "
        try:
            answers = run.ask(what, where, *arrays, ordinary=prepared.in_range)
        except Exception as error:
            run.failed(what, "", error)
            continue
        got, wrong = {}, dict.fromkeys(NAMES[what], 0)
        for output, x in zip(NAMES[what], answers, strict=True):
            expected, limit = prepared.expected[output], prepared.allowed[output]
            if x.size != expected.size:
                run.fault("wrong_shape", output, f"{c.id}: {output} is {x.shape}")
                failed += 1
                continue
            got[output] = as_float64(x).reshape(expected.shape)
            with np.errstate(all="ignore"):
                off = np.asarray(ratio(got[output] - expected, limit))
            checked, wrong[output] = checked + off.size, int((off > 1).sum())
            worst = max(worst, float(off.max(initial=0.0))) if prepared.in_range else worst
        if any(wrong.values()) and not prepared.in_range:
            out_of_range += 1
            continue
        failed += sum(wrong.values())
        blamed |= {output for output, count in wrong.items() if count}
        seen.append((prepared, got))
    if out_of_range:
        run.notes.append(
            f"{name}: wrong in {counted(out_of_range, 'case')} where n^5 leaves the range of "
            f"{run.spec.accumulate}"
        )
    run.complain(what)
    if failed:
        run.later.append(_named(seen, NAMES[what], blamed, run.spec))
    return CheckResult(name, checked, failed, worst)


def _named(seen: Seen, outputs: Sequence[str], blamed: set[str], spec: Spec) -> Diagnosis:
    """The mistake that reproduces every number; "unknown" where there is none, of what is wrong."""
    for mistake in SECOND:
        if all(_fits(mistake, p, got, spec) for p, got in seen):
            return Diagnosis(
                mistake.id, mistake.formula, mistake.fix,
                f"reproduces {', '.join(outputs)} in {counted(len(seen), 'case')}", tuple(outputs),
                seen_in=mistake.seen_in,
            )
    outputs = [output for output in outputs if output in blamed] or outputs
    return Diagnosis(
        "unknown", f"{', '.join(outputs)}: wrong in a way that is in no catalogue",
        "compare line by line with the derivation in byhand.weight_norm", "", tuple(outputs),
    )


def _fits(mistake: Any, prepared: Prepared, got: dict[str, np.ndarray], spec: Spec) -> bool:
    case = prepared.case
    t = Terms(case.v, case.g, case.w_bar, case.axes, spec.form, spec.eps)
    with np.errstate(all="ignore"):
        answers = mistake.compute(t, as_float64(case.A), as_float64(case.B))
    u, inner = Format.of(spec.dtype).u, Format.of(spec.accumulate).u
    for output, x in got.items():
        candidate = np.broadcast_to(answers[output], x.shape)
        relative = (5 * t.m + 40) * inner + (STORED[output] * u if inner < u else 0.0)
        size = float(np.abs(candidate).max(initial=0.0))
        tol = 4 * np.maximum(prepared.allowed[output], relative * size)
        if not (np.abs(x - candidate) <= tol).all():
            return False
    return True
