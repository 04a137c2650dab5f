"""Forward and backward products are adjoint: <w_dot, w_bar> = <v_dot, v_bar> + <g_dot, g_bar>.

Each answer may err by its bound, hence the sums by <|w_bar|, bound of w_dot> and so on; the sums
themselves are taken without rounding, of products that are rounded once. Where there is no jvp, the
entries of "differences" ask the same.

Passing this check is necessary, not sufficient: a product and a pullback that lack the same term
are adjoint, too.
"""

from __future__ import annotations

import math
from typing import Any

from ...gradcheck.numerical import adjoint_gap
from ...tolerance import ratio
from ..reference.error_bounds import second_bounds
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..run import Run

__all__ = ["adjoint"]


def adjoint(run: Run) -> CheckResult | None:
    """The check; None without a backward and a jvp."""
    if run.lacks("adjoint", "backward", "jvp"):
        return None
    spec, ratios = run.spec, []
    for c in spec.drawn("generic", "axes"):
        if not (c.v.size and spec.in_range(c)):
            continue
        try:
            (w_dot,) = map(as_float64, run.implementation.call("jvp", c.v, c.g, c.A, c.B))
            v_bar, g_bar = map(as_float64, run.implementation.call("backward", c.w_bar, c.v, c.g))
        except Exception:  # the checks that ask for these say so
            continue
        tol = spec.tolerance(c.v, c.g, c.w_bar)
        how: Any = {"form": spec.form, "eps": spec.eps, "accumulate": spec.accumulate}
        tol["w_dot"] = second_bounds(c, **how).w_dot
        answers = {"w_dot": (c.w_bar, w_dot), "v_bar": (c.A, v_bar), "g_bar": (c.B, g_bar)}
        pairs = [(as_float64(x), y.reshape(x.shape)) for x, y in answers.values()]
        gap, size = adjoint_gap(pairs[:1], pairs[1:])
        rounding = zip(answers, pairs, strict=True)
        allowed = math.fsum(float((abs(x) * tol[name]).sum()) for name, (x, _) in rounding)
        ratios.append(float(ratio(gap, allowed + 2.0**-53 * size)))
    if not ratios:
        return run.skip("adjoint", "no case was answered by both")
    return CheckResult("adjoint", len(ratios), sum(r > 1 for r in ratios), max(ratios))
