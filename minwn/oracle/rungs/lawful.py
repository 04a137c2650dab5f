"""The laws of `invariants`, at two generic cases: no truth is needed, and no forward.

Allowed is what rounding may do to both sides, by the same bounds.
"""

from __future__ import annotations

from typing import Any

from ..invariants import laws
from ..report import Rung
from ..trial import Trial

__all__ = ["lawful"]


def lawful(trial: Trial) -> Rung | None:
    if not trial.accused.has("backward"):
        return None
    claim = trial.claim

    def room(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
        found = claim.room(v, g, w_bar)
        return found["v_bar"], found["g_bar"]

    def answer(w_bar: Any, v: Any, g: Any) -> Any:
        return trial.accused.call("backward", w_bar, v, g)

    for case in filter(claim.ordinary, claim.drawn("generic")[:2]):
        how: Any = {"axes": case.axes, "form": claim.form, "eps": claim.eps, "allowed": room}
        try:
            found = laws(answer, case.v, case.g, case.w_bar, **how)
        except Exception as error:
            trial.failed("laws", "", error)
            continue
        for law, ratio in found.items():
            trial.laws[law] = max(trial.laws.get(law, 0.0), ratio)
    failed = sum(ratio > 1 for ratio in trial.laws.values())
    return Rung("laws", len(trial.laws), failed, max(trial.laws.values(), default=0.0))
