"""Taylor's theorem: L(v + s, g + b) - L(v, g) - <v_bar, s> - <g_bar, b> is small, by a bound.

Let L = <w_bar, w>. In the forms plain and inside, w = g x where x belongs to a vector of unit
length, that of v and sqrt(eps) divided by h. On a step s of at most h / 2, hence, |x'| <= 2 |s| / h
and |x''| <= 12 |s|^2 / h^2, and slice by slice the remainder is below

    |w_bar| (2 |b| |s| / h + 6 (|g| + |b|) |s|^2 / h^2)

Added are the bounds of the two w, and those of v_bar and g_bar over the step. The rate at which a
remainder shrinks, which is often taken for the test, is not asked: it is 1 and not 2 along v, where
L is constant, and along g, where it is linear, also for a right gradient.

The other forms, and a forward that is not what was claimed, have no such bound, and are not asked.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import Rung
from ..run import Trial
from ..spec import Claim
from .differences import keeps_float64

__all__ = ["taylor"]

STEPS = (2.0**-8, 2.0**-14, 2.0**-20)  # of half the shortest h, relative to the longest slice of A


def taylor(trial: Trial) -> Rung | None:
    forward = trial.rung("forward")
    if not trial.given("forward", "backward") or forward is None or not forward.ok:
        return None
    if trial.claim.form not in ("plain", "inside"):
        return None
    claim, ratios = trial.claim.in_float64(), []
    for case in claim.drawn("generic")[:2]:
        if not keeps_float64(trial.accused, case):
            return None
        try:
            ratios += [_ratio(trial, case, step) for step in _steps(claim, case)]
        except Exception:  # the rungs that ask for these say so
            continue
    if not ratios:
        return None
    return Rung("taylor", len(ratios), sum(r > 1 for r in ratios), max(ratios))


class Step(NamedTuple):
    """Where a step leads, the step, and what the remainder may be but for the rounding of it."""

    v: np.ndarray
    g: np.ndarray
    s: np.ndarray
    b: np.ndarray
    allowed: float


@functools.lru_cache(maxsize=32)
def _steps(claim: Claim, case: Case) -> list[Step]:
    """The same for everybody who claims this."""
    return [_step(claim, case, t) for t in STEPS]


def _step(claim: Claim, case: Case, t: float) -> Step:
    v, g, w_bar = case.v, case.g, case.w_bar
    T = Terms(v, g, w_bar, case.axes, claim.form, claim.eps)
    t *= float(T.h.min()) / 2 / float(np.sqrt(T.total(case.A**2)).max())
    there, gains = v + t * case.A, g + t * case.B
    s, b = there - v, gains - g  # rounded again: counted in `_ratio`
    room, beside = claim.room(v, g, w_bar), claim.room(there, gains, w_bar)
    rounding = [abs(w_bar) * (room["w"] + beside["w"]), abs(s) * room["v_bar"]]
    rounding += [abs(b) * room["g_bar"]]
    size, length = (np.sqrt(T.total(x * x)) for x in (w_bar, s))
    curve = 2 * abs(b) * length / T.h + 6 * (abs(g) + abs(b)) * (length / T.h) ** 2
    allowed = float((size * curve).sum()) + math.fsum(float(x.sum()) for x in rounding)
    return Step(there, gains, s, b, allowed)


def _ratio(trial: Trial, case: Case, step: Step) -> float:
    """The remainder, in units of what it may be. All is asked anew: an answer may have changed."""
    v, g, w_bar = case.v, case.g, case.w_bar
    (here,), (there,) = (trial.accused.call("forward", *x) for x in ((v, g), (step.v, step.g)))
    v_bar, g_bar = trial.accused.call("backward", w_bar, v, g)
    pairs = ((w_bar, there), (-w_bar, here), (-step.s, v_bar), (-step.b, g_bar))
    terms = [np.ravel(x * as_float64(y).reshape(x.shape)) for x, y in pairs]
    off = math.fsum(x for each in terms for x in each.tolist())
    allowed = step.allowed + 2 * 2.0**-53 * sum(float(abs(each).sum()) for each in terms)
    return abs(off) / allowed if math.isfinite(off) else math.inf
