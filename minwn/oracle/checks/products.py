"""The forward product w_dot, and the pullback of the pullback, against the truth.

|error| <= C u S with the counts of `error_bounds` for the second order, which hold for autodiff
too.
"""

from __future__ import annotations

import numpy as np

from ...terminal import counted
from ...tolerance import ratio
from ..diagnosis.second import Later, name_later
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Prepared, Spec
from ..targets.implementation import NAMES

__all__ = ["product", "second_order"]


def product(run: Run) -> CheckResult | None:
    """The check of w_dot; None without a jvp."""
    return None if run.lacks("product", "jvp") else _judged(run, "jvp", "product")


def second_order(run: Run) -> CheckResult | None:
    """The check of double_backward; None without one."""
    if run.lacks("second order", "double_backward"):
        return None
    return _judged(run, "double_backward", "second order")


def _judged(run: Run, what: str, name: str) -> CheckResult:
    checked, failed, worst, out_of_range = 0, 0, 0.0, 0
    blamed: set[str] = set()
    seen: list[Later] = []
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
        seen.append(_later(prepared, got, run.spec))
    if out_of_range:
        run.notes.append(
            f"{name}: wrong in {counted(out_of_range, 'case')} where n^5 leaves the range of "
            f"{run.spec.accumulate}"
        )
    run.complain(what)
    if failed:
        run.later += name_later(seen, NAMES[what], blamed)
    return CheckResult(name, checked, failed, worst)


def _later(prepared: Prepared, got: dict[str, np.ndarray], spec: Spec) -> Later:
    case = prepared.case
    terms = Terms(case.v, case.g, case.w_bar, case.axes, spec.form, spec.eps)
    return Later(
        terms, as_float64(case.A), as_float64(case.B), got, prepared.expected, prepared.allowed,
        spec.dtype, spec.accumulate,
    )
