"""The judge: one check after another of an implementation of weight normalisation.

    hygiene       shapes and dtypes, inputs left alone, no shared memory, the same answer twice
    dyadic        cases in which nothing is rounded
    forward       w against the truth, |error| <= C u S
    gradients     v_bar and g_bar against the truth, in the same way
    laws          twelve that need no truth (see `checks.invariants`)
    differences   v_bar and g_bar against differences of the implementation's own forward
    complex       the same by complex steps, to the last digits, where forward takes them
    taylor        the remainder of a step, below a proven bound
    adjoint       <w_dot, w_bar> = <v_dot, v_bar> + <g_dot, g_bar>
    product       the forward product w_dot
    second order  the pullback of the pullback
    threads       the same bits from several threads at once

All checks are made, so that a report also lists those that hold. Each is a file of `checks`, which
derives its tolerance.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import validation
from .checks import ALL_CHECKS
from .checks.memory import late
from .large import judge_large
from .report import Report
from .run import Run
from .spec import make_spec
from .targets.implementation import Implementation
from .verdict import IDS, verdict

__all__ = ["check"]

Function = Callable[..., Any]


def check(
    forward: Function | None = None,
    backward: Function | None = None,
    *,
    jvp: Function | None = None,
    double_backward: Function | None = None,
    axis: int | tuple[int, ...] | None = 0,
    form: str = "plain",
    eps: float = 0.0,
    name: str | None = None,
    dtype: Any = "float64",
    accumulate: Any = None,
    ranks: Iterable[int] | None = None,
    groups: Iterable[str] | None = None,
    shape: tuple[int, ...] | None = None,
    threads: int = 0,
    accept: Iterable[str] = (),
    quick: bool = True,
) -> Report:
    """Judge w = g v / h(v) and its derivatives, given as functions of NumPy arrays.

        forward(v, g) -> w
        backward(w_bar, v, g) -> (v_bar, g_bar)
        jvp(v, g, v_dot, g_dot) -> w_dot
        double_backward(v_bar_bar, g_bar_bar, w_bar, v, g) -> (w_bar_bar, v_bar, g_bar)

    g keeps v's rank, with 1 along every axis that a norm runs over, or is 0-d for axis=None.

    axis: the axes that keep a norm each
    form, eps: the length h that is meant, as in `byhand.weight_norm`
    dtype: of the arrays that are given; "bfloat16" needs ml_dtypes
    accumulate: the dtype of the sums, where it is wider than dtype
    ranks: of v, from 1 to 5; by default 2 alone, where a matrix has that axis, because many
    implementations support only matrices and would fail on other ranks; ranks=range(1, 6) for all.
    A function that always raises for one of these ranks does not pass
    groups: of cases; all by default
    shape: of v, where two more cases are judged
    threads: how many threads also call the functions at once; 0 for none
    accept: ids of differences that are declared, for a verdict of ACCEPTABLE
    quick: the first cases of each group, not all

    Raises OracleFault where the judge contradicts itself, TypeError for other dtypes than float16,
    bfloat16, float32 and float64, ImportError for bfloat16 without ml_dtypes, IndexError for an
    axis that no array in question has, and ValueError for an unknown form, group or id, an eps that
    the form cannot use, and ranks and groups that leave no case.

    >>> def forward(v, g):
    ...     return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))
    >>> def backward(w_bar, v, g):
    ...     n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    ...     return g / n * w_bar, (w_bar * v).sum(axis=1, keepdims=True) / n
    >>> report = oracle.check(forward, backward)
    >>> report.verdict, report.diagnosis[0].id
    ('FAIL', 'no_projection')
    >>> print(report.diagnosis[0].fix)
    subtract the component along v: v_bar = (g/n) (w_bar - (d/n^2) v), d = <w_bar, v>
    """
    start = time.perf_counter()
    functions = {
        "forward": forward, "backward": backward, "jvp": jvp, "double_backward": double_backward
    }
    for key, f in functions.items():
        if f is not None:
            validation.function(key, f, "a function of arrays")
    validation.flag("quick", quick)
    if name is not None:
        validation.instance("name", name, str, "text")
    accepted = set(validation.names("accept", accept, IDS, one="id", empty=True))
    spec = make_spec(
        axis=axis, form=form, eps=eps, dtype=dtype, accumulate=accumulate, ranks=ranks,
        groups=groups, shape=shape, quick=quick,
    )
    threads = validation.whole("threads", threads, 0)
    run = Run(Implementation(forward, backward, jvp, double_backward), spec, threads=threads)
    with np.errstate(all="ignore"):
        run.gather()
        judge_large(run)
        for made in ALL_CHECKS.values():
            result = made(run)
            if result is not None:
                run.checks.append(result)
        fresh = functools.partial(Run, run.implementation, run.spec, history=run.history)
        late(run, lambda name: ALL_CHECKS[name](fresh()))
        return verdict(run, name, accepted, start)
