"""Complex steps: Im f(v + i h e) / h is the derivative of an analytic f, and nothing cancels.

So each entry of backward is compared with its own forward to the last digits, where "differences"
has but half of them. Allowed is five times the bound of backward: once for backward,
and four times for the forward in complex numbers, whose products round three times and whose roots
and quotients round no more than four; and 64 roundings of the terms of the sum that is taken.

A forward that takes no complex numbers is not asked, nor is one that is not analytic: a norm of
absolute values, as `numpy.linalg.norm` takes, has no derivative in the complex plane, and a step
through it gives the gradient without its projection. Real differences tell which it is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...gradcheck.numerical import central_difference, complex_derivative
from ...tolerance import ratio
from ..cases import Case
from ..mistakes import Terms
from ..reference.rounding import as_float64
from ..report import CheckResult
from ..run import Run
from .differences import NARROW, keeps_float64

__all__ = ["complex_step"]

NEAR = 1e-5  # of analytic functions, real differences agree to about 1e-9 of their terms


def complex_step(run: Run) -> CheckResult | None:
    """The check; None where forward takes no complex numbers."""
    if run.lacks("complex", "forward", "backward"):
        return None
    spec = run.spec.in_float64()
    ratios: list[float] = []
    for case in spec.drawn("generic")[:2]:
        if not keeps_float64(run.implementation, case):
            return run.skip("complex", NARROW)
        try:
            v_bar, g_bar = map(
                as_float64, run.implementation.call("backward", case.w_bar, case.v, case.g)
            )
            v_bar, g_bar = v_bar.reshape(case.v.shape), g_bar.reshape(case.g.shape)
        except Exception:  # the checks that ask for backward say so, and what shape it should have
            continue
        tol = spec.tolerance(case.v, case.g, case.w_bar)
        n = np.broadcast_to(Terms(case.v, case.g, case.w_bar, case.axes).n, case.v.shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of complex numbers cast to real ones
                ratios += _ratios(run, case, "v", v_bar, tol["v_bar"], n)
                ratios += _ratios(run, case, "g", g_bar, tol["g_bar"], np.ones_like(case.g))
        except NotAnalytic as reason:
            run.notes.append(f"complex steps: not taken, for forward {reason}")
            return run.skip("complex", f"forward {reason}")
    if not ratios:
        return run.skip("complex", "backward answers nothing in float64")
    return CheckResult("complex", len(ratios), sum(r > 1 for r in ratios), max(ratios))


class NotAnalytic(Exception):
    """There is no derivative in the complex plane to be had."""


def _ratios(
    run: Run, case: Case, part: str, x_bar: np.ndarray, limit: np.ndarray, length: np.ndarray
) -> list[float]:
    """The error of each entry of v_bar or g_bar, in units of what is allowed."""
    off, allowed = [], []
    for i in np.ndindex(x_bar.shape):

        def terms(t: complex, i: Any = i) -> np.ndarray:
            return _terms(run, case, part, i, t)

        slopes = complex_derivative(terms, float(length[i]))
        value, size = float(slopes.sum()), float(abs(slopes).sum())
        off.append(float(x_bar[i]) - value)
        allowed.append(5 * float(limit[i]) + 64 * 2.0**-53 * size)
        if not abs(off[-1]) <= allowed[-1]:
            real = central_difference(lambda t: terms(complex(t)).real, NEAR * float(length[i]))
            if not abs(float(real.sum()) - value) <= NEAR * size:
                raise NotAnalytic("is not analytic: a norm of absolute values?")
    return [float(x) for x in ratio(off, allowed)]


def _terms(run: Run, case: Case, part: str, i: Any, step: complex) -> np.ndarray:
    """w_bar times w, at v or g moved in one entry."""
    inputs = {"v": case.v.astype("complex128"), "g": case.g.astype("complex128")}
    inputs[part][i] += step
    try:
        w = np.array(run.implementation.forward(inputs["v"], inputs["g"]))  # type: ignore[misc]
    except Exception:
        raise NotAnalytic("takes no complex numbers") from None
    if w.dtype != np.complex128:
        raise NotAnalytic("takes no complex numbers")
    return np.ravel(case.w_bar * w.reshape(case.v.shape))
