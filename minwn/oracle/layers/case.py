"""Questions that a diagnosis of a layer asks: a case for paper, and the layer's own weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..cases.layers import Plan
from ..diagnosis import Diagnosis
from ..report import LayerMinimalCase
from .run import LayerObservation, LayerRun, Prepared, case_of, prepare

__all__ = ["layer_minimal_case", "measured_weight"]

Array = np.ndarray


def layer_minimal_case(
    run: LayerRun, output: str, found: list[Diagnosis]
) -> LayerMinimalCase | None:
    """The smallest case of integers in which an answer is wrong, in the declared layout."""
    what = "forward" if output == "y" else "backward"
    for p in itertools.chain(_small(run), (p for p in run.cases if p.case.group == "integers")):
        try:
            got = run.ask(what, p)
        except Exception:
            continue
        o = LayerObservation(p, got)
        if o.wrong(output) and got[output].shape == p.expected[output].shape:
            return _shown(run, o, output, what)
    return None


# (samples, channels and outputs of a group, taps along each axis, windows along the last axis and
# along the others)
_SIZES = (
    (1, 1, 1, 2, 2, 1), (1, 1, 1, 3, 2, 1), (1, 1, 1, 2, 2, 2), (2, 1, 1, 2, 2, 1),
    (1, 2, 1, 2, 2, 1), (1, 1, 2, 2, 2, 1), (2, 2, 1, 2, 2, 2), (2, 2, 2, 2, 3, 2),
)


def _small(run: LayerRun) -> Iterator[Prepared]:
    spec = run.spec
    for number, (n, c, o, taps, *windows) in enumerate(_SIZES):
        c, o = spec.channels or (c * spec.groups, o * spec.groups)
        kernel = spec.kernel or (taps,) * spec.dims
        size = (*[windows[1]] * (spec.dims - 1), *[windows[0]] * bool(spec.dims))
        if not (spec.transposed or isinstance(spec.padding, str)):
            options = zip(size, spec.stride, spec.dilation, kernel, spec.padding, strict=True)
            size = tuple(
                max((n - 1) * s + d * (k - 1) + 1 - sum(p), 1) for n, s, d, k, p in options
            )
        if spec.layer(size, kernel) is not None:
            case = case_of(spec, "K", 100 + number, Plan(n, c, o, size, kernel))
            if not run.functions.bias["forward"]:
                case = replace(case, b=np.zeros_like(case.b))
            yield prepare(spec, case)


def _shown(run: LayerRun, o: LayerObservation, output: str, what: str) -> LayerMinimalCase:
    p, arrays = o.prepared, run.handed(o.prepared)
    if not run.functions.bias[what]:
        del arrays["b"]
    if what == "forward":
        del arrays["y_bar"]
    lists: dict[str, Any] = {name: x.astype("float64").tolist() for name, x in arrays.items()}
    got, expected, allowed = (
        run.back(output, x, p).tolist()
        for x in (o.got[output], p.expected[output], p.allowed[output])
    )
    return LayerMinimalCase(
        lists.pop("v", None), lists.pop("g", None), None, output, got, expected, allowed, **lists
    )


def measured_weight(run: LayerRun, p: Prepared) -> Array | None:
    """The w that y is made of, in torch's layout; None where y is not linear in x in that way.

    y is asked without a bias, for enough inputs of integers to determine w. The linear equations
    are solved, and their residual must be no more than rounding.
    """
    case = p.case
    taps = math.prod(case.layer.windows.kernel)
    G = case.layer.windows.groups
    inputs = case.x.shape[1] // G
    count = max(3, 2 * -(-inputs * taps // math.prod(case.layer.size)) + 1)
    rng = np.arange(count * case.x[0].size, dtype="float64")
    x = ((rng * 7919) % 31 - 15 + (rng % 2)).reshape(count, *case.x.shape[1:])
    y_bar = np.zeros((count, *case.y_bar.shape[1:]))
    other = replace(case, x=x, b=np.zeros_like(case.b), y_bar=y_bar)
    asked = Prepared(other, p.terms, p.expected, p.allowed, False)
    try:
        y = run.functions.call("forward", run.handed(asked, "float64"))["y"]
        if y.dtype != np.float64 or case.lead:
            return None
        y = run.spec.ours("y", y)
    except Exception:
        return None
    if y.shape != (count, *case.y_bar.shape[1:]) or not np.isfinite(y).all():
        return None
    found = []
    alone = case.layer.but(groups=1)
    outputs = y.shape[1] // G
    for j in range(G):
        part = x[:, j * inputs : (j + 1) * inputs]
        shape = (inputs, 1) if case.layer.transposed else (1, inputs)
        units = np.eye(inputs * taps).reshape(-1, *shape, *case.layer.windows.kernel)
        matrix = np.stack([alone.y(part, unit).ravel() for unit in units], axis=1)
        right = np.moveaxis(y[:, j * outputs : (j + 1) * outputs], 1, -1).reshape(-1, outputs)
        solved, *_ = np.linalg.lstsq(matrix, right, rcond=None)
        if not np.allclose(matrix @ solved, right, rtol=1e-9, atol=1e-9 * np.abs(right).max()):
            return None
        solved = solved.T.reshape(outputs, inputs, *case.layer.windows.kernel)
        found.append(solved.swapaxes(0, 1) if case.layer.transposed else solved)
    return np.concatenate(found)
