"""The laws of `invariants`, at two generic cases: no truth is needed, and no forward.

Allowed is what rounding may do to both sides, by the same bounds.
"""

from __future__ import annotations

import functools
from typing import Any

from ..report import CheckResult
from ..run import Run
from ..spec import Spec
from .invariants import INVARIANTS, laws_at
from .point import Point

__all__ = ["laws"]


def laws(run: Run) -> CheckResult | None:
    """The check; None without a backward."""
    if run.lacks("laws", "backward"):
        return None

    def answer(w_bar: Any, v: Any, g: Any) -> Any:
        return run.implementation.call("backward", w_bar, v, g, copy=False)  # they are copies

    for point in _points(run.spec):
        try:
            found = laws_at(point, answer)
        except Exception as error:
            run.failed("laws", "", error)
            continue
        for law, ratio in found.items():
            run.laws[law] = max(run.laws.get(law, 0.0), ratio)
    left = [law.id for law in INVARIANTS if law.id not in run.laws]
    if not run.laws:
        return run.skip("laws", f"no case stays in the range of {run.spec.accumulate}")
    if left:
        run.skip(
            f"laws {', '.join(left)}", "they hold in the plain form only, or take several slices "
            "or slices of several entries",
        )
    failed = sum(ratio > 1 for ratio in run.laws.values())
    return CheckResult("laws", len(run.laws), failed, max(run.laws.values(), default=0.0))


@functools.lru_cache(maxsize=16)
def _points(spec: Spec) -> tuple[Point, ...]:
    """The cases and the questions about them. Cached: they depend on the spec only."""

    def allowed(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
        found = spec.tolerance(v, g, w_bar)
        return found["v_bar"], found["g_bar"]

    return tuple(
        Point(c.v, c.g, c.w_bar, c.axes, spec.form, spec.eps, allowed)
        for c in spec.drawn("generic")[:2]
        if spec.in_range(c)
    )
