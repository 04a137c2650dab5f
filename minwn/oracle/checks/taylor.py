"""Taylor's theorem: L(v + s, g + b) - L(v, g) - <v_bar, s> - <g_bar, b> is small, by a bound.

Let L = <w_bar, w>. In the forms plain and inside, w = g x where x belongs to a vector of unit
length, that of v and sqrt(eps) divided by h. On a step s of at most h / 2, hence, |x'| <= 2 |s| / h
and |x''| <= 12 |s|^2 / h^2, and slice by slice the remainder is below

    |w_bar| (2 |b| |s| / h + 6 (|g| + |b|) |s|^2 / h^2)

Added are the bounds of the two w, and those of v_bar and g_bar over the step. The rate at which a
remainder shrinks, which is often taken for the test, is not asked: it is 1 and not 2 along v, where
L is constant, and along g, where it is linear, also for a right gradient.

The other forms, and a forward that differs from the spec, have no such bound: no check is made.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ...gradcheck.numerical import taylor_remainder
from ...tolerance import ratio
from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..run import Run
from ..spec import Spec
from .differences import NARROW, keeps_float64

__all__ = ["taylor"]

STEPS = (2.0**-8, 2.0**-14, 2.0**-20)  # of half the shortest h, relative to the longest slice of A


def taylor(run: Run) -> CheckResult | None:
    """The check; None where forward is wrong, or the form has no bound."""
    forward = run.result("forward")
    if run.lacks("taylor", "forward", "backward"):
        return None
    if forward is None or not forward.ok:
        return run.skip("taylor", "w is wrong, and the bound is that of the right one")
    if run.spec.form not in ("plain", "inside"):
        return run.skip("taylor", f"no bound is proven for the form {run.spec.form}")
    spec, ratios = run.spec.in_float64(), []
    for case in spec.drawn("generic")[:2]:
        if not keeps_float64(run.implementation, case):
            return run.skip("taylor", NARROW)
        try:
            ratios += [_ratio(run, case, step) for step in _steps(spec, case)]
        except Exception:  # the checks that ask for these say so
            continue
    if not ratios:
        return run.skip("taylor", "backward answers nothing in float64")
    return CheckResult("taylor", len(ratios), sum(r > 1 for r in ratios), max(ratios))


class Step(NamedTuple):
    """Where a step leads, the step, and what the remainder may be but for the rounding of it."""

    v: np.ndarray
    g: np.ndarray
    s: np.ndarray
    b: np.ndarray
    allowed: float


@functools.lru_cache(maxsize=32)
def _steps(spec: Spec, case: Case) -> list[Step]:
    """Cached: it depends on the spec only."""
    return [_step(spec, case, t) for t in STEPS]


def _step(spec: Spec, case: Case, t: float) -> Step:
    v, g, w_bar = case.v, case.g, case.w_bar
    T = Terms(v, g, w_bar, case.axes, spec.form, spec.eps)
    t *= float(T.h.min()) / 2 / float(np.sqrt(T.total(case.A**2)).max())
    there, gains = v + t * case.A, g + t * case.B
    s, b = there - v, gains - g  # rounded again: counted in `_ratio`
    tol, after = spec.tolerance(v, g, w_bar), spec.tolerance(there, gains, w_bar)
    rounding = [abs(w_bar) * (tol["w"] + after["w"]), abs(s) * tol["v_bar"]]
    rounding += [abs(b) * tol["g_bar"]]
    size, length = (np.sqrt(T.total(x * x)) for x in (w_bar, s))
    curve = 2 * abs(b) * length / T.h + 6 * (abs(g) + abs(b)) * (length / T.h) ** 2
    allowed = float((size * curve).sum()) + math.fsum(float(x.sum()) for x in rounding)
    return Step(there, gains, s, b, allowed)


def _ratio(run: Run, case: Case, step: Step) -> float:
    """The remainder, in units of what it may be. Both are asked again: answers may have changed."""
    v, g, w_bar = case.v, case.g, case.w_bar
    (here,), (there,) = (run.implementation.call("forward", *x) for x in ((v, g), (step.v, step.g)))
    v_bar, g_bar = run.implementation.call("backward", w_bar, v, g)
    pairs = ((w_bar, there), (w_bar, here), (step.s, v_bar), (step.b, g_bar))
    after, before, *slope = ((x, as_float64(y).reshape(x.shape)) for x, y in pairs)
    remainder, size = taylor_remainder([after], [before], slope)
    return float(ratio(remainder, step.allowed + 2 * 2.0**-53 * size))
