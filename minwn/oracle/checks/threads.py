"""Called from several threads at once, the same call gives the same bits. Only where it is asked.

No rounding excuses a difference: a thread sees the order of summation of its own call alone.
"""

from __future__ import annotations

from ..report import CheckResult
from ..run import Run
from ..targets.threads import ROUNDS

__all__ = ["several_threads"]


def several_threads(run: Run) -> CheckResult | None:
    """The check; None where no threads were asked for."""
    if not run.threads:
        return run.skip("threads", "not asked for: threads=0")
    cases = run.spec.drawn("generic", "dyadic", "axes")[:12]
    checked = failed = 0
    for what in ("forward", "backward"):
        if run.implementation.has(what) and what not in run.errors:
            wrong = run.implementation.meet(what, [c.given(what) for c in cases], run.threads)
            checked, failed = checked + run.threads * ROUNDS * len(cases), failed + len(wrong)
            if wrong:
                run.fault("not_thread_safe", what, wrong[0])
    return CheckResult("threads", checked, failed, float(failed)) if checked else None
