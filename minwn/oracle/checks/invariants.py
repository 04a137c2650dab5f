"""Twelve laws of the pullback of weight normalisation that need no reference to be tested.

Each compares a backward with itself, or with 0, at inputs that the law relates; allowed is what
rounding may do on both sides. `laws(backward, ...)` tests them all; every wrong formula breaks
some of them, and which it breaks is close to a fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ... import forms, tolerance
from ...validation import door, function
from ..mistakes import Terms
from ..reference.slices import Axes, kept_axes
from ..report.glossary import LAWS
from .point import Point, Question

__all__ = ["INVARIANTS", "Ask", "Invariant", "asking", "laws", "laws_at"]

Backward = Callable[[Any, Any, Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Answer:
    """(v_bar, g_bar), how far each may be from the truth, and the inputs."""

    v_bar: np.ndarray
    g_bar: np.ndarray
    v_allowed: np.ndarray
    g_allowed: np.ndarray
    terms: Terms


Ask = Callable[[Question], Answer]


def asking(backward: Backward) -> Ask:
    """The answers of a backward; each question is asked once, for several laws look at it."""

    @cache
    def ask(q: Question) -> Answer:
        got = backward(q.w_bar.copy(), q.v.copy(), q.g.copy())
        v_bar, g_bar = (np.asarray(x, dtype=np.float64) for x in got)
        return Answer(
            v_bar.reshape(q.v.shape), g_bar.reshape(q.g.shape), q.v_allowed, q.g_allowed, q.terms
        )

    return ask


def ratio(difference: Any, allowed: Any) -> float:
    """The worst |difference| in units of what is allowed: above 1, the law is broken."""
    return float(np.max(tolerance.ratio(difference, allowed), initial=0.0))


def _orthogonal_to_v(ask: Ask, p: Point) -> float:
    a = ask(p.here)
    t = a.terms
    slack = 2 * t.m * 2.0**-53 * t.total(abs(t.v * a.v_bar))
    return ratio(t.total(t.v * a.v_bar), t.total(abs(t.v) * a.v_allowed) + slack)


def _degree_in_v(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.at_twice_v)
    return ratio(2 * b.v_bar - a.v_bar, a.v_allowed + 2 * b.v_allowed)


def _gain_degree_in_v(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.at_twice_v)
    return ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed)


def _degree_in_g(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.at_other_g)
    return ratio(b.v_bar + 2 * a.v_bar, 2 * a.v_allowed + b.v_allowed)


def _gain_without_g(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.at_other_g)
    return ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed)


def _euler(ask: Ask, p: Point) -> float:
    a = ask(p.here)
    t = a.terms
    return ratio(t.g * a.g_bar - t.total(t.w_bar * t.w()),
                 2 * abs(t.g) * a.g_allowed)


def _kept_across(ask: Ask, p: Point) -> float:
    a = ask(p.across)
    t = a.terms
    return ratio(a.v_bar - t.g / t.h * t.w_bar, 2 * a.v_allowed)


def _removed_along(ask: Ask, p: Point) -> float:
    a = ask(p.along)
    return ratio(a.v_bar, a.v_allowed)


def _rotated(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.turned)
    return max(
        ratio(b.v_bar - p.turn(a.v_bar), abs(p.turn(a.v_allowed)) + b.v_allowed),
        ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed),
    )


def _slice_independent(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.first_moved)
    rest = tuple(slice(1, None) if k == p.kept else slice(None) for k in range(p.v.ndim))
    return max(
        ratio((b.v_bar - a.v_bar)[rest], (a.v_allowed + b.v_allowed)[rest]),
        ratio((b.g_bar - a.g_bar)[rest], (a.g_allowed + b.g_allowed)[rest]),
    )


def _slices_permuted(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.permuted)
    return max(
        ratio(b.v_bar - p.permute(a.v_bar), p.permute(a.v_allowed) + b.v_allowed),
        ratio(b.g_bar - p.permute(a.g_bar), p.permute(a.g_allowed) + b.g_allowed),
    )


def _symmetric(ask: Ask, p: Point) -> float:
    a, b = ask(p.here), ask(p.at_other_w_bar)
    t = a.terms
    x, y = b.terms.w_bar * a.v_bar, t.w_bar * b.v_bar
    slack = 2 * t.m * 2.0**-53 * t.total(abs(x) + abs(y))
    allowed = t.total(abs(b.terms.w_bar) * a.v_allowed + abs(t.w_bar) * b.v_allowed)
    return ratio(t.total(x - y), allowed + slack)


@dataclass(frozen=True)
class Invariant:
    """One law. plain: it holds in the plain form only. slices: it needs more than one slice."""

    id: str
    test: Callable[[Ask, Point], float]
    plain: bool = False
    slices: bool = False

    @property
    def law(self) -> str:
        """The equation, as a report prints it."""
        return LAWS[self.id]

    def applies(self, p: Point) -> bool:
        """Whether the law can be tested at the point."""
        several = p.g.ndim > 0 and p.axes is not None and len(p.axes) > 0
        return (
            p.here.terms.m > 1
            and (p.form == "plain" or not self.plain)
            and (not self.slices or (several and p.v.shape[p.axes[0]] > 1))  # type: ignore[index]
        )


INVARIANTS = (
    Invariant("I1", _orthogonal_to_v, plain=True),
    Invariant("I2", _degree_in_v, plain=True),
    Invariant("I3", _gain_degree_in_v, plain=True),
    Invariant("I4", _degree_in_g),
    Invariant("I5", _gain_without_g),
    Invariant("I6", _euler),
    Invariant("I7", _kept_across),
    Invariant("I8", _removed_along, plain=True),
    Invariant("I9", _rotated),
    Invariant("I10", _slice_independent, slices=True),
    Invariant("I11", _slices_permuted, slices=True),
    Invariant("I12", _symmetric),
)


@door
def laws(
    backward: Backward,
    v: np.ndarray,
    g: np.ndarray,
    w_bar: np.ndarray,
    *,
    axes: Axes = (0,),
    form: str = "plain",
    eps: float = 0.0,
    allowed: Callable[[Any, Any, Any], tuple[Any, Any]],
) -> dict[str, float]:
    """The worst error of each law that applies at (v, g, w_bar), in units of what is allowed.

    Raises ValueError for an unknown form, or an eps that it cannot use, and IndexError for axes
    that v has not.
    """
    function("backward", backward, "a function (w_bar, v, g) -> (v_bar, g_bar)")
    function("allowed", allowed, "a function (v, g, w_bar) -> what each may be off by")
    axes, eps = kept_axes(axes, v.ndim), forms.check(form, eps)
    return laws_at(Point(v, g, w_bar, axes, form, eps, allowed), backward)


def laws_at(p: Point, backward: Backward) -> dict[str, float]:
    """The same at a point whose questions may have been made before."""
    ask = asking(backward)
    with np.errstate(all="ignore"):
        return {law.id: law.test(ask, p) for law in INVARIANTS if law.applies(p)}
