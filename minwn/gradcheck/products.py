"""Checks of another kind: of the two products against each other, and of Taylor's remainder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ..backend import Array, Generator, generator, is_array, to_numpy
from ..graph import raw
from ..tensors import Tensor
from ..validation import shown, whole
from .analytic import (
    draw_cotangents,
    forward_product,
    gradients_of,
    graph_product,
    judged_backward,
    name_of,
)
from .check import Options
from .numerical import adjoint_gap, random_directions, taylor_remainder
from .report import Comparison, GradcheckReport, Judgement
from .subject import Subject

__all__ = ["TaylorReport", "adjoint_test", "taylor_test"]


def adjoint_test(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    trials: int = 4,
    rtol: float | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    name: str | None = None,
    raise_on_failure: bool = True,
) -> GradcheckReport:
    """Whether <u, J t> = <J^T u, t>: the forward and the backward product are of one matrix.

    Necessary, never sufficient: two products that lack the same term agree. The arguments are
    those of gradcheck; both products from the graph, or both by hand.
    """
    if (backward is None) != (jvp is None):
        raise ValueError("adjoint_test: pass both backward= and jvp=, or neither")
    options = Options(
        backward, jvp, rtol=rtol, name=name, raise_on_failure=raise_on_failure
    )
    trials, rng = whole("trials", trials), generator(0 if rng is None else rng)
    subject = Subject(f, inputs, None, dtype, None, Tensor if backward is None else raw)
    judged, title = judged_backward(subject, backward), name or name_of(f)
    product = jvp or graph_product(subject)
    comparisons = []
    for u in draw_cotangents(rng, trials, len(subject.centre)):
        bars = gradients_of(subject, judged, u[None])
        dots = {k: random_directions(x, 1, rng).tangents[0] for k, x in subject.x.items()}
        y_dot = forward_product(subject, product, dots)
        inputs_dot = [(bars[k][0], t.reshape(-1)) for k, t in dots.items()]
        gap, scale = adjoint_gap([(u, y_dot)], inputs_dot)
        left = sum(float(bar @ t) for bar, t in inputs_dot)
        allowed = options.tolerance(subject.u_bar) * scale
        comparisons.append(
            Comparison(
                title, None, "", "pass" if abs(gap) <= allowed else "fail", None,
                left, left + gap, allowed, 0.0, "the forward product", note="<J^T u, t> = <u, J t>",
            )
        )
    report = GradcheckReport(title, tuple(comparisons), (), subject.evaluations)
    return report.raised() if raise_on_failure else report


@dataclass(frozen=True)
class TaylorReport(Judgement):
    """Remainders of <u, f(x + h t)> after the linear term, and how fast they vanish with h."""

    function: str
    verdict: str
    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    floors: tuple[float, ...]  # of rounding, below which a remainder says nothing
    slope: float | None  # None: f is linear (or constant) along t, all remainders are rounding

    def __str__(self) -> str:
        found = "linear here" if self.slope is None else f"slope {self.slope:.3f}, must be over 1.9"
        lines = [f"{self.verdict.upper()}  Taylor remainder of {self.function}: {found}"]
        for row in zip(self.steps, self.remainders, self.floors, strict=True):
            lines.append("    h {:.1e}   remainder {:.3e}   rounding {:.1e}".format(*row))
        return "\n".join(lines)


def taylor_test(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    tangents: Sequence[Any] | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    name: str | None = None,
    raise_on_failure: bool = True,
) -> TaylorReport:
    """Whether R(h) = <u, f(x + h t) - f(x)> - h <J^T u, t> vanishes as h^2 or faster.

    tangents: one for each input, None for those to leave alone; random ones of the inputs' size
    by default. Steps are relative to them. Where f is linear along t the remainders are rounding
    and have no slope: there they must stay within 100 times its floor instead.
    """
    Options(backward, name=name, raise_on_failure=raise_on_failure)
    rng = generator(0 if rng is None else rng)
    subject = Subject(f, inputs, None, dtype, None, Tensor if backward is None else raw)
    u = draw_cotangents(rng, 1, len(subject.centre))
    bars = gradients_of(subject, judged_backward(subject, backward), u)
    t = {k: random_directions(x, 1, rng).tangents[0] for k, x in subject.x.items()}
    for k, x in subject.x.items() if tangents is not None else ():
        t[k] = _tangent(k, tangents, x, len(subject.args))
    steps = [2.0**-4 / 4.0**level for level in range(9)]
    remainders, floors, slopes = [], [], []
    for h in steps:
        y = subject.at({k: x + h * t[k] for k, x in subject.x.items()})
        slope_terms = [(bars[k][0], h * t[k].reshape(-1)) for k in t]
        remainder, _ = taylor_remainder([(u[0], y)], [(u[0], subject.centre)], slope_terms)
        remainders.append(abs(remainder))
        size = abs(u[0]) @ numpy.maximum(abs(y), abs(subject.centre))
        along = sum(float(abs(bar) @ abs(step)) for bar, step in slope_terms)
        floors.append(float(8 * (subject.u * size + subject.u_bar * along)))
        if len(remainders) > 1 and remainders[-1] > 100 * floors[-1]:
            slopes.append(math.log(remainders[-2] / remainders[-1]) / math.log(4.0))
    slope = float(numpy.median(slopes[-3:])) if slopes else None
    within = all(r <= 100 * a for r, a in zip(remainders[1:], floors[1:], strict=True))
    verdict = "pass" if (within if slope is None else slope > 1.9) else "fail"
    report = TaylorReport(
        name or name_of(f), verdict, tuple(steps), tuple(remainders), tuple(floors), slope
    )
    return report.raised() if raise_on_failure else report


def _tangent(k: int, tangents: Any, x: Array, count: int) -> Array:
    """That of argument k, as an array of the shape of x."""
    if not isinstance(tangents, list | tuple) or len(tangents) != count:
        raise ValueError(
            f"taylor_test: tangents={shown(tangents)}; pass a list of {count}, one for each input, "
            f"None for those to leave alone"
        )
    if tangents[k] is None:
        return numpy.zeros_like(x)
    t = raw(tangents[k])
    if not is_array(t) or t.shape != x.shape or t.dtype.kind not in "biuf":
        raise ValueError(
            f"taylor_test: the tangent of input {k} is {shown(t)}; pass numbers of shape {x.shape}"
        )
    return to_numpy(t)
