"""The laws of `invariants`, at two generic cases: no truth is needed, and no forward.

Allowed is what rounding may do to both sides, by the same bounds.
"""

from __future__ import annotations

import functools
from typing import Any

from ..report import Rung
from ..run import Trial
from ..spec import Claim
from .invariants import laws_at
from .point import Point

__all__ = ["lawful"]


def lawful(trial: Trial) -> Rung | None:
    if not trial.accused.has("backward"):
        return None

    def answer(w_bar: Any, v: Any, g: Any) -> Any:
        return trial.accused.call("backward", w_bar, v, g, copy=False)  # they are copies

    for point in _points(trial.claim):
        try:
            found = laws_at(point, answer)
        except Exception as error:
            trial.failed("laws", "", error)
            continue
        for law, ratio in found.items():
            trial.laws[law] = max(trial.laws.get(law, 0.0), ratio)
    failed = sum(ratio > 1 for ratio in trial.laws.values())
    return Rung("laws", len(trial.laws), failed, max(trial.laws.values(), default=0.0))


@functools.lru_cache(maxsize=16)
def _points(claim: Claim) -> tuple[Point, ...]:
    """The cases and the questions about them, which are the same for everybody who claims this."""

    def allowed(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
        found = claim.room(v, g, w_bar)
        return found["v_bar"], found["g_bar"]

    return tuple(
        Point(c.v, c.g, c.w_bar, c.axes, claim.form, claim.eps, allowed)
        for c in claim.drawn("generic")[:2]
        if claim.ordinary(c)
    )
