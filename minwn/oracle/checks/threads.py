"""Called from several threads at once, the same call gives the same bits. Only where it is asked.

No rounding excuses a difference: a thread sees the order of summation of its own call alone.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import numpy as np

from ..report import Rung
from ..run import Trial

__all__ = ["several_threads"]

ROUNDS = 5
SWITCH = 1e-6  # seconds until another thread has its turn; 5e-3 would hide most meetings


def several_threads(trial: Trial) -> Rung | None:
    if not trial.threads:
        return None
    cases = trial.claim.drawn("generic", "dyadic", "axes")[:12]
    checked = failed = 0
    for what in ("forward", "backward"):
        if trial.accused.has(what) and what not in trial.errors:
            problems = [(c.v, c.g) if what == "forward" else (c.w_bar, c.v, c.g) for c in cases]
            wrong = _meet(trial, what, problems)
            checked, failed = checked + trial.threads * ROUNDS * len(cases), failed + len(wrong)
            if wrong:
                trial.fault("not_thread_safe", what, wrong[0])
    return Rung("threads", checked, failed, float(failed)) if checked else None


def _meet(trial: Trial, what: str, problems: Sequence[tuple[np.ndarray, ...]]) -> list[str]:
    """What went wrong in threads that go through the problems at once, each from its own place."""
    alone = [trial.accused.call(what, *arrays) for arrays in problems]
    wrong: list[str] = []
    start = threading.Barrier(trial.threads)

    def work(k: int) -> None:
        start.wait()
        for j in range(ROUNDS * len(problems)):
            i = (j + k) % len(problems)
            where = f"{what} of shape {problems[i][-2].shape} in {trial.threads} threads"
            try:
                with np.errstate(all="ignore"):
                    got = trial.accused.call(what, *problems[i])
            except Exception as error:
                wrong.append(f"{where}: {type(error).__name__}: {error}")
                continue
            pairs = zip(got, alone[i], strict=True)
            if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
                wrong.append(f"{where} is not what it is alone")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(trial.threads)]
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
