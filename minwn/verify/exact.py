"""The route of 50 digits: every answer against the definition, slice by slice (see `truth`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from ..backend import Generator
from ..byhand.weight_norm import FORMS
from .bounds import Bounds, sizes
from .points import Problem, draw, place
from .report import DIGITS, Finding, compare
from .truth import DIGITS as KEPT
from .truth import truth

__all__ = ["by_digits", "certify"]


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
    """The answers as arrays of numbers of 50 digits."""
    wide = p.wide()
    slices = [_rows(x, p) for x in (wide.v, wide.w_bar, wide.A)]
    gains = wide.g.reshape(-1), wide.B.reshape(-1)
    truths = [
        truth(v.tolist(), g, w_bar.tolist(), A.tolist(), B, **p.how, library=library)
        for v, w_bar, A, g, B in zip(*slices, *gains, strict=True)
    ]
    whole = {
        "w": "w", "v_bar": "v_bar", "w_dot": "w_dot", "by_w_bar": "w_dot", "by_v": "by_v",
    }  # fmt: skip
    answer = {
        name: _unrows([getattr(t, field) for t in truths], p) for name, field in whole.items()
    }
    for name in ("g_bar", "by_g"):
        answer[name] = _objects([getattr(t, name) for t in truths]).reshape(p.g.shape)
    return answer


def certify(rng: Generator) -> Iterator[Finding]:
    """Two arithmetics of 50 digits, by different authors, must agree to 20; where mpmath is."""
    try:
        import mpmath
    except ImportError:
        return
    for form in FORMS:
        eps = 0.0 if form == "plain" else 0.25
        p = draw(rng, (2, 6), 0, form=form, eps=eps, v_scale=1e-150, g_scale=1e150)
        S, ours, theirs = sizes(p), true_answers(p), true_answers(p, "mpmath")
        for name in ours:
            with mpmath.workdps(KEPT):
                apart = numpy.frompyfunc(lambda x, y: float(abs(mpmath.mpf(str(x)) - y)), 2, 1)
                error = numpy.asarray(apart(ours[name], theirs[name]), dtype="float64")
            left, right = (x[name].astype("float64") for x in (ours, theirs))
            where = f"{name} of {p}"
            yield compare(
                "decimal and mpmath", DIGITS, where, left, right, 1e-20 * S[name], error=error
            )


def _order(p: Problem) -> tuple[int, ...]:
    """The axes of v, those that g keeps first."""
    if p.g.shape == ():
        return tuple(range(p.v.ndim))
    kept = [a for a in range(p.v.ndim) if p.g.shape[a] == p.v.shape[a]]
    return (*kept, *(a for a in range(p.v.ndim) if a not in kept))


def _rows(x: numpy.ndarray, p: Problem) -> numpy.ndarray:
    """(slices, m), in the order of the entries of g"""
    return x.transpose(_order(p)).reshape(p.g.size, p.m)


def _unrows(rows: list[list[Any]], p: Problem) -> numpy.ndarray:
    order = _order(p)
    flat = _objects([x for row in rows for x in row])
    return flat.reshape([p.v.shape[a] for a in order]).transpose(numpy.argsort(order))


def _objects(items: list[Any]) -> numpy.ndarray:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array
