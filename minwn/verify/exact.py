"""The route of 80 digits: every answer against the definition, slice by slice.

`oracle.reference.cross_check` differences L = <w_bar, w> with 80 digits, and knows no
derivative. The error that is left is below 1e-28 of the terms: nothing beside the 1e-16 of what is
judged. `decimal` is in the standard library; where mpmath is installed, it repeats the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from ..backend import Generator
from ..byhand.weight_norm import FORMS
from ..oracle.reference.cross_check import DIGITS as KEPT
from ..oracle.reference.cross_check import definition, numbers
from ..oracle.reference.slices import Slices
from .bounds import Bounds
from .points import Problem, draw, place
from .report import DIGITS, Finding, compare

__all__ = ["by_digits", "certify"]

NAMES = ("w", "v_bar", "g_bar", "w_dot", "by_v", "by_g")


def by_digits(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, library: str = "decimal"
) -> Iterator[Finding]:
    reference = true_answers(p, library)
    for name in found:
        if bounds.judged(name):
            given = found[name].astype("float64")
            exact = numpy.frompyfunc(lambda x, t: float(abs(type(t)(float(x)) - t)), 2, 1)
            error = numpy.asarray(exact(given, reference[name]), dtype="float64")
            closest = numpy.asarray(reference[name]).astype("float64")
            where = place(name, p)
            yield compare(what, DIGITS, where, given, closest, bounds[name], error=error)


def true_answers(p: Problem, library: str = "decimal") -> dict[str, numpy.ndarray]:
    """The answers as arrays of numbers of 80 digits; no slice of v may be zero."""
    wide, slices, arithmetic = p.wide(), Slices(p.v.shape, p.g.shape), numbers(library)
    rows = zip(*(slices.split(x).tolist() for x in (wide.v, wide.w_bar, wide.A)), strict=True)
    gains = zip(wide.g.reshape(-1).tolist(), wide.B.reshape(-1).tolist(), strict=True)
    found: dict[str, list[Any]] = {name: [] for name in NAMES}
    with arithmetic.context(KEPT):
        for row, scalars in zip(rows, gains, strict=True):
            for name, _, values in definition(
                arithmetic, NAMES, list(row), list(scalars), p.form, p.eps
            ):
                found[name] += values
    answer = {
        name: _objects(x).reshape(p.g.shape) if name in ("g_bar", "by_g") else _joined(x, slices)
        for name, x in found.items()
    }
    return answer | {"by_w_bar": answer["w_dot"]}


def certify(rng: Generator) -> Iterator[Finding]:
    """Two arithmetics of 80 digits, by different authors, must agree to 20; where mpmath is."""
    try:
        import mpmath
    except ImportError:
        return
    for form in FORMS:
        eps = 0.0 if form == "plain" else 0.25
        p = draw(rng, (2, 6), 0, form=form, eps=eps, v_scale=1e-150, g_scale=1e150)
        S, ours, theirs = Bounds(p).S, true_answers(p), true_answers(p, "mpmath")
        for name in ours:
            with mpmath.workdps(KEPT):
                apart = numpy.frompyfunc(lambda x, y: float(abs(mpmath.mpf(str(x)) - y)), 2, 1)
                error = numpy.asarray(apart(ours[name], theirs[name]), dtype="float64")
            left, right = (x[name].astype("float64") for x in (ours, theirs))
            where = f"{name} of {p}"
            yield compare(
                "decimal and mpmath", DIGITS, where, left, right, 1e-20 * S[name], error=error
            )


def _joined(flat: list[Any], slices: Slices) -> numpy.ndarray:
    moved = _objects(flat).reshape([slices.shape[a] for a in slices.order])
    return moved.transpose(numpy.argsort(slices.order))


def _objects(items: list[Any]) -> numpy.ndarray:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array
