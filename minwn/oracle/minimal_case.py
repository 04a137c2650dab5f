"""The smallest case that fails, for paper.

First small integer cases, in the order in which a person would try them. If the fault
does not show there, the case with the worst entry is shrunk for as long as it still fails: fewer
slices and entries, then integers in the place of other numbers. "Fails" means that the same output
is beyond its bound, and, if the fault is in the catalogue, that its formula still reproduces it.

Shrinking compares with a fast float64 evaluation; the case that is shown is certified by both
routes to the truth.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..backend import dtype_of
from .diagnosis import Diagnosis, Observation
from .mistakes import CATALOGUE, Terms
from .reference.rounding import as_float64
from .reference.slices import Slices, reduced_axes
from .reference.truth import expected
from .report import MinimalCase, Worst
from .run import Run
from .spec import Spec
from .targets.implementation import NAMES

__all__ = ["minimal_case"]

TRIES, SECONDS = 300, 0.25


class Problem(NamedTuple):
    """The inputs of a case."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray


def minimal_case(run: Run, worst: Worst, diagnosis: list[Diagnosis]) -> MinimalCase | None:
    """A failing case of small integers, or of as few and as simple numbers as could be had."""
    named = {d.id for d in diagnosis if worst.output in d.outputs}
    shrinker = Shrinker(run, worst.output, [m for m in CATALOGUE if m.id in named])
    for problem, axes in _small_cases(run.spec):
        if shrinker.fails(problem, axes):
            shown = shrinker.certified(problem)
            if shown is not None:
                return shown
    seen = next((p.case for p in run.spec.prepared() if p.case.id == worst.case), None)
    if seen is None:
        return None  # it takes a large array
    start = Problem(*(np.array(x) for x in (seen.v, seen.g, seen.w_bar)))
    if not shrinker.fails(start, seen.axes):
        return None  # it takes the layout of the array, or the call before
    shrinker.tries, shrinker.until = TRIES, time.perf_counter() + SECONDS
    steps = [start]
    for shrink in (_fewer, _paper, _simpler):
        for step in shrink(shrinker, steps[-1], seen.axes):
            steps.append(step)
    return next(filter(None, map(shrinker.certified, reversed(steps))), None)


@dataclass
class Shrinker:
    """Whether a problem still shows the fault."""

    run: Run
    output: str
    mistakes: list[Any]
    tries: int = TRIES
    until: float = field(default=math.inf)

    def answer(self, p: Problem) -> np.ndarray | None:
        what = "forward" if self.output == "w" else "backward"
        try:
            given = (p.v, p.g) if what == "forward" else (p.w_bar, p.v, p.g)
            answers = self.run.implementation.call(what, *given)
        except Exception:
            return None
        got = as_float64(answers[NAMES[what].index(self.output)])
        shape = p.g.shape if self.output == "g_bar" else p.v.shape
        return got.reshape(shape) if got.size == math.prod(shape) else None

    def fails(self, p: Problem, axes: Any) -> bool:
        """In float64, and three times as far off as is allowed: a truth that is not exact."""
        if self.tries <= 0 or time.perf_counter() > self.until:
            return False
        self.tries -= 1
        got = self.answer(p)
        if got is None:
            return False
        spec = self.run.spec
        v, g, w_bar = map(as_float64, p)
        with np.errstate(all="ignore"):
            truth = getattr(Terms(v, g, w_bar, axes, spec.form, spec.eps), self.output)()
            tol = spec.tolerance(*p)[self.output]
            none = ~np.isfinite(truth) | ~np.isfinite(tol)
            true, got = np.where(none, 0.0, truth), np.where(none, 0.0, got)
        o = Observation(
            "", "", v, g, w_bar, axes, {self.output: got}, {self.output: true},
            {self.output: tol}, spec.form, spec.eps, (), spec.dtype, spec.accumulate,
        )
        if not (o.ratio(self.output) > 3).any():
            return False
        formulas = [m.output(self.output, o.terms) for m in self.mistakes]
        return not formulas or any(
            x is not None and o.distance(self.output, np.where(none, 0.0, x)) <= 1 for x in formulas
        )

    def certified(self, p: Problem) -> MinimalCase | None:
        """The problem with the answer and the expected one, where both routes agree."""
        got, spec = self.answer(p), self.run.spec
        truth = expected(p.v, p.g, p.w_bar, form=spec.form, eps=spec.eps)
        true = as_float64(getattr(truth, self.output))
        if got is None:
            return None
        with np.errstate(all="ignore"):
            there = ~np.isnan(true)
            bad = ~(np.abs(got - true) <= spec.tolerance(*p)[self.output]) & there & (got != true)
        if not bad.any():
            return None
        v, g, w_bar = (as_float64(x).tolist() for x in p)
        allowed = spec.tolerance(*p)[self.output].tolist()
        return MinimalCase(v, g, w_bar, self.output, got.tolist(), true.tolist(), allowed)


# ---- fewer numbers ------------------------------------------------------------------------------


def _fewer(shrinker: Shrinker, p: Problem, axes: Any) -> Iterator[Problem]:
    """Fewer slices, then fewer entries: one, two or three, or a half, a quarter, ... less."""
    order = (*(axes or ()), *reduced_axes(axes, p.v.ndim))
    while True:
        before = p.v.shape
        for axis in order:
            for q in _along(shrinker, p, axis, axes):
                p = q
                yield p
        if p.v.shape == before:
            return


def _along(shrinker: Shrinker, p: Problem, axis: int, axes: Any) -> Iterator[Problem]:
    size = p.v.shape[axis]
    for few in (1, 2, 3):
        if few < size:
            q = _taken(p, axis, list(range(few)))
            if shrinker.fails(q, axes):
                yield q
                return
    part = size // 2
    while part:
        start = 0
        while start < size and size > part:
            q = _taken(p, axis, [i for i in range(size) if not start <= i < start + part])
            if shrinker.fails(q, axes):
                p = q
                yield p
                size = p.v.shape[axis]
            else:
                start += part
        part //= 2


def _taken(p: Problem, axis: int, indices: list[int]) -> Problem:
    v, w_bar = (np.take(x, indices, axis=axis) for x in (p.v, p.w_bar))
    own = p.g.ndim > 0 and p.g.shape[axis] == p.v.shape[axis]
    return Problem(v, np.take(p.g, indices, axis=axis) if own else p.g, w_bar)


# ---- simpler numbers ----------------------------------------------------------------------------


def _paper(shrinker: Shrinker, p: Problem, axes: Any) -> Iterator[Problem]:
    """Slices of integer norm, small integers for the rest: all, or what of it still fails."""
    g, v = p.g, p.v
    slices = Slices(v.shape, g.shape)
    rows, m = slices.rows, slices.m
    row = _row(m)
    signs = [[(-1) ** (i * j % 3 == 1) for j in range(m)] for i in range(rows)]
    V = [[signs[i][j] * row[(i + j) % m] * (1 + i % 2) for j in range(m)] for i in range(rows)]
    W = [[(3 * j + 2 * i + 1) % 5 - 1 for j in range(m)] for i in range(rows)]
    G = [(-1) ** i * (2 + i % 3) * int(math.hypot(*row)) for i in range(rows)]

    simple = Problem(
        slices.join(V, v.dtype), np.array(G, "float64").reshape(g.shape).astype(g.dtype),
        slices.join(W, v.dtype),
    )
    for parts in ("v g w_bar", "v w_bar", "g w_bar", "v g", "w_bar", "v", "g"):
        q = p._replace(**{part: getattr(simple, part) for part in parts.split()})
        if shrinker.fails(q, axes):
            yield q
            return


def _row(m: int) -> list[int]:
    """m integers of at most 4, nearly all 1, with an integer norm: (3, 4), (1, 2, 2), ..."""
    for norm in itertools.count(math.isqrt(m)):
        rest = norm * norm - m
        for c, b in itertools.product(range(rest // 15 + 1), range(rest // 8 + 1)):
            a, left = divmod(rest - 15 * c - 8 * b, 3)
            if left == 0 and a >= 0 and a + b + c <= m:
                return [1] * (m - a - b - c) + [2] * a + [3] * b + [4] * c
    raise AssertionError  # unreachable: itertools.count ends never


def _simpler(shrinker: Shrinker, p: Problem, axes: Any) -> Iterator[Problem]:
    """Entry by entry: 1, an integer near, a power of two near, the first that still fails."""
    for part in ("v", "g", "w_bar"):
        for i in np.ndindex(getattr(p, part).shape):
            x = float(getattr(p, part)[i])
            if not math.isfinite(x) or x == 0 or (x.is_integer() and abs(x) < 100):
                continue
            near = math.copysign(2.0 ** round(math.log2(abs(x))), x)
            tries = [math.copysign(1.0, x), *([float(round(x))] if 1 < abs(x) < 100 else []), near]
            for value in tries:
                array = getattr(p, part).copy()
                array[i] = value
                q = p._replace(**{part: array})
                if value != x and shrinker.fails(q, axes):
                    p = q
                    yield p
                    break


# ---- small integer cases ------------------------------------------------------------------------

# (v, g, w_bar) with norms 5, 3, 10, 13.
_SMALL: tuple[tuple[list[list[float]], list[float], list[list[float]]], ...] = (
    ([[3, 4]], [10], [[5, 10]]),
    ([[3, 4]], [-10], [[10, -5]]),
    ([[1, 2, 2]], [6], [[3, 0, 3]]),
    ([[3, 4], [8, 6]], [10, -5], [[5, 10], [0, 5]]),
    ([[3, 4, 0], [2, 1, 2]], [10, -6], [[5, 10, 2], [0, 3, 6]]),
    ([[3, 4, 0], [2, 1, 2], [0, 6, 8]], [10, -6, 5], [[5, 10, 2], [0, 3, 6], [1, 5, 0]]),
    ([[3, 4, 0, 0], [2, 1, 2, 4], [1, 1, 1, 1]], [10, -5, 2],
     [[5, 10, 2, 1], [0, 5, 5, 1], [1, 3, 0, 2]]),
)


def _small_cases(spec: Spec) -> Iterator[tuple[Problem, Any]]:
    """Where a matrix, or a vector for one norm of the whole, has the axis of the spec."""
    dtype = dtype_of(spec.dtype)
    axis = spec.axis[0] if isinstance(spec.axis, tuple) and len(spec.axis) == 1 else spec.axis
    for rows, gains, cotangents in _SMALL:
        v, w_bar, g = (np.array(x, "float64").astype(dtype) for x in (rows, cotangents, gains))
        if axis is None and len(g) == 1 and 1 in spec.ranks:
            yield Problem(v[0], g.reshape(()), w_bar[0]), None
        elif axis in (0, -2) and 2 in spec.ranks:
            yield Problem(v, g.reshape(-1, 1), w_bar), (0,)
        elif axis in (1, -1) and 2 in spec.ranks:
            v, w_bar = (np.ascontiguousarray(x.T) for x in (v, w_bar))
            yield Problem(v, g.reshape(1, -1), w_bar), (1,)
