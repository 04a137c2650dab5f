"""Does backward belong to forward? Differences of the accused's own forward, entry by entry.

In float64 whatever is judged, for differences have half the digits of what they are made of.
Ridders' extrapolation (1982) of central differences, with steps relative to the norm, estimates its
own error. Allowed is 100 times that, 64 roundings of what was divided, and what rounding may do to
backward; the first is no theorem, but an extrapolation of six rows is rarely ten times worse than
it says.

A backward that contradicts the truth but not its own forward is the consistent gradient of a
different function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import Rung
from ..run import Trial
from ..spec import Claim
from ..targets.implementation import Accused

__all__ = ["differences", "keeps_float64", "ridders"]


def differences(trial: Trial) -> Rung | None:
    if not trial.given("forward", "backward"):
        return None
    claim = trial.claim.in_float64()
    longer = [c for c in claim.drawn("axes") if c.v.ndim == 3 and c.v.size > 6]
    chosen = claim.drawn("generic")[: 1 if claim.quick else 2] + longer[:1]
    if chosen and not keeps_float64(trial.accused, chosen[0]):
        trial.notes.append(
            "differences, complex and Taylor steps: not taken, for w has not the digits of float64"
        )
        return None
    checked, failed, worst = 0, 0, 0.0
    for case in chosen:
        try:
            ratios = _ratios(trial.accused, case, claim)
        except Exception:  # a backward that knows one dtype or shape only; hygiene says so
            continue
        checked += len(ratios)
        failed += sum(r > 1 for r in ratios)
        worst = max(worst, *ratios)
    if not checked:
        return None
    trial.consistent = failed == 0
    return Rung("differences", checked, failed, worst)


def keeps_float64(accused: Accused, case: Case) -> bool:
    """Whether w is not rounded to a narrower dtype, where float64 is asked for."""
    try:
        (w,) = accused.call("forward", case.v, case.g)
    except Exception:
        return True  # each rung meets the error itself
    return w.dtype == np.float64 and bool((w != w.astype("float32")).any())


def _ratios(accused: Accused, case: Case, claim: Claim) -> list[float]:
    """The error of each entry of v_bar and g_bar, in units of what is allowed."""
    v, g, w_bar = (np.array(x) for x in (case.v, case.g, case.w_bar))
    v_bar, g_bar = map(as_float64, accused.call("backward", w_bar, v, g))
    room = claim.room(v, g, w_bar)
    n = Terms(v, g, w_bar, case.axes).n
    found = []
    for x, x_bar, step, limit in (
        (v, v_bar.reshape(v.shape), np.broadcast_to(0.1 * n, v.shape), room["v_bar"]),
        (g, g_bar.reshape(g.shape), 0.25 * abs(g), room["g_bar"]),
    ):
        for i in np.ndindex(x.shape):

            def L(t: float, x: np.ndarray = x, i: Any = i) -> float:
                kept = x[i]
                x[i] = kept + t
                (w,) = accused.call("forward", v, g)
                x[i] = kept
                return math.fsum((w_bar * w.reshape(v.shape)).ravel().tolist())

            value, error, size = ridders(L, float(step[i]))
            allowed = 100 * error + float(limit[i]) + 64 * 2.0**-53 * size
            wrong = abs(float(x_bar[i]) - value)
            found.append(wrong / allowed if math.isfinite(wrong) else math.inf)
    return found


def ridders(f: Callable[[float], float], h: float) -> tuple[float, float, float]:
    """(f'(0), its estimated error, the size of what was divided)"""
    rows: list[list[float]] = []
    best, error = math.nan, math.inf
    size = 0.0
    for i in range(6):
        up, down = f(h), f(-h)
        size = max(size, (abs(up) + abs(down)) / (2 * h))
        row = [(up - down) / (2 * h)]
        for j in range(i):
            factor = 4.0 ** (j + 1)
            row.append((factor * row[j] - rows[-1][j]) / (factor - 1))
            e = max(abs(row[-1] - row[-2]), abs(row[-1] - rows[-1][j]))
            if e <= error:
                best, error = row[-1], e
        if error <= 2.0**-50 * size:  # what rounding leaves of it: smaller steps find no more
            break
        rows.append(row)
        h /= 2
    return best, error, size
