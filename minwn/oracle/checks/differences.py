"""Does backward belong to forward? Differences of its own forward, entry by entry.

Always in float64, because differences have half the digits of the values they are made of.
Ridders' extrapolation (1982) of central differences, with steps relative to the norm, estimates its
own error. Allowed is 100 times that, 64 roundings of what was divided, and what rounding may do to
backward; the first is no theorem, but an extrapolation of six rows is rarely ten times worse than
it says.

A backward that contradicts the truth but not its own forward is the consistent gradient of a
different function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...gradcheck.numerical import DISTRUST, ridders
from ...tolerance import ratio
from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Spec
from ..targets.implementation import Implementation

__all__ = ["NARROW", "differences", "keeps_float64"]

NARROW = "w has not the digits of float64"


def differences(run: Run) -> CheckResult | None:
    """The check; None without a forward and a backward in float64."""
    if run.lacks("differences", "forward", "backward"):
        return None
    spec = run.spec.in_float64()
    longer = [c for c in spec.drawn("axes") if c.v.ndim == 3 and c.v.size > 6]
    chosen = spec.drawn("generic")[: 1 if spec.quick else 2] + longer[:1]
    if chosen and not keeps_float64(run.implementation, chosen[0]):
        run.notes.append(f"differences, complex and Taylor steps: not taken, for {NARROW}")
        return run.skip("differences", NARROW)
    checked, failed, worst = 0, 0, 0.0
    for case in chosen:
        try:
            ratios = _ratios(run.implementation, case, spec)
        except Exception:  # a backward that knows one dtype or shape only; hygiene says so
            continue
        checked += len(ratios)
        failed += int((ratios > 1).sum())
        worst = max(worst, float(ratios.max(initial=0.0)))
    if not checked:
        return run.skip("differences", "backward answers nothing in float64")
    run.consistent = failed == 0
    return CheckResult("differences", checked, failed, worst)


def keeps_float64(implementation: Implementation, case: Case) -> bool:
    """Whether w is not rounded to a narrower dtype, where float64 is asked for."""
    try:
        (w,) = implementation.call("forward", case.v, case.g)
    except Exception:
        return True  # each check meets the error itself
    return w.dtype == np.float64 and bool((w != w.astype("float32")).any())


def _ratios(implementation: Implementation, case: Case, spec: Spec) -> np.ndarray:
    """The error of each entry of v_bar and g_bar, in units of what is allowed."""
    v, g, w_bar = (np.array(x) for x in (case.v, case.g, case.w_bar))
    v_bar, g_bar = map(as_float64, implementation.call("backward", w_bar, v, g))
    tol = spec.tolerance(v, g, w_bar)
    n = Terms(v, g, w_bar, case.axes).n
    off, allowed = [], []
    for x, x_bar, step, limit in (
        (v, v_bar.reshape(v.shape), np.broadcast_to(0.1 * n, v.shape), tol["v_bar"]),
        (g, g_bar.reshape(g.shape), 0.25 * abs(g), tol["g_bar"]),
    ):
        for i in np.ndindex(x.shape):

            def L(t: float, x: np.ndarray = x, i: Any = i) -> float:
                kept = x[i]
                x[i] = kept + t
                (w,) = implementation.call("forward", v, g)
                x[i] = kept
                return math.fsum((w_bar * w.reshape(v.shape)).ravel().tolist())

            slope = ridders(L, float(step[i]))
            off.append(float(x_bar[i]) - slope.value)
            allowed.append(
                DISTRUST * slope.estimate + float(limit[i]) + 64 * 2.0**-53 * slope.size
            )
    return np.asarray(ratio(off, allowed))
