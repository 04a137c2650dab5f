"""Called from several threads at once, the same call gives the same bits. Only where it is asked.

No rounding excuses a difference: a thread sees the order of summation of its own call alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import numpy as np

from ..report import CheckResult
from ..run import Run

__all__ = ["several_threads"]

ROUNDS = 5
SWITCH = 1e-6  # seconds until another thread has its turn; 5e-3 would hide most meetings


def several_threads(run: Run) -> CheckResult | None:
    if not run.threads:
        return run.skip("threads", "not asked for: threads=0")
    cases = run.spec.drawn("generic", "dyadic", "axes")[:12]
    checked = failed = 0
    for what in ("forward", "backward"):
        if run.implementation.has(what) and what not in run.errors:
            problems = [(c.v, c.g) if what == "forward" else (c.w_bar, c.v, c.g) for c in cases]
            wrong = _meet(run, what, problems)
            checked, failed = checked + run.threads * ROUNDS * len(cases), failed + len(wrong)
            if wrong:
                run.fault("not_thread_safe", what, wrong[0])
    return CheckResult("threads", checked, failed, float(failed)) if checked else None


def _meet(run: Run, what: str, problems: Sequence[tuple[np.ndarray, ...]]) -> list[str]:
    """What went wrong in threads that go through the problems at once, each from its own place."""
    alone = [run.implementation.call(what, *arrays) for arrays in problems]
    wrong: list[str] = []
    start = threading.Barrier(run.threads)

    def work(k: int) -> None:
        start.wait()
        for j in range(ROUNDS * len(problems)):
            i = (j + k) % len(problems)
            where = f"{what} of shape {problems[i][-2].shape} in {run.threads} threads"
            try:
                with np.errstate(all="ignore"):
                    got = run.implementation.call(what, *problems[i])
            except Exception as error:
                wrong.append(f"{where}: {type(error).__name__}: {error}")
                continue
            pairs = zip(got, alone[i], strict=True)
            if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
                wrong.append(f"{where} is not what it is alone")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(run.threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return wrong
