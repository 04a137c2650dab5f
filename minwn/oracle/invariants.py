"""Twelve laws of the pullback of weight normalisation that need no reference to be tested.

Each compares a backward with itself, or with 0, at inputs that the law relates; allowed is what
rounding may do on both sides. `laws(backward, ...)` tests them all; every wrong formula breaks
some of them, and which it breaks is close to a fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .mistakes.terms import Axes, Terms

__all__ = ["INVARIANTS", "Invariant", "Point", "laws"]

Backward = Callable[[Any, Any, Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Point:
    """A backward at one case. allowed(v, g, w_bar) gives what rounding may do to v_bar, g_bar."""

    backward: Backward
    allowed: Callable[[Any, Any, Any], tuple[Any, Any]]
    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    axes: Axes
    form: str = "plain"
    eps: float = 0.0

    def at(self, *, v: Any = None, g: Any = None, w_bar: Any = None) -> Answer:
        """The answer here, or with some of the inputs changed."""
        v = self.v if v is None else v
        g = self.g if g is None else g
        w_bar = self.w_bar if w_bar is None else w_bar
        got = self.backward(w_bar.copy(), v.copy(), g.copy())
        v_bar, g_bar = (np.asarray(x, dtype="float64") for x in got)
        terms = Terms(v, g, w_bar, self.axes, self.form, self.eps)
        return Answer(
            v_bar.reshape(v.shape), g_bar.reshape(g.shape), *self.allowed(v, g, w_bar), terms
        )

    @cached_property
    def here(self) -> Answer:
        """The answer with nothing changed, on which most laws look."""
        return self.at()

    @cached_property
    def at_twice_v(self) -> Answer:
        return self.at(v=2 * self.v)

    @cached_property
    def at_other_g(self) -> Answer:
        return self.at(g=-2 * self.g)


@dataclass(frozen=True)
class Answer:
    """(v_bar, g_bar), how far each may be from the truth, and the inputs."""

    v_bar: np.ndarray
    g_bar: np.ndarray
    v_allowed: np.ndarray
    g_allowed: np.ndarray
    terms: Terms


def ratio(difference: Any, allowed: Any) -> float:
    """The worst |difference| in units of what is allowed: above 1, the law is broken."""
    difference, allowed = np.broadcast_arrays(np.abs(difference), allowed)
    with np.errstate(all="ignore"):
        r = np.where(difference == 0, 0.0, difference / allowed)
    return float(np.nan_to_num(r, nan=np.inf).max(initial=0.0))


def _orthogonal_to_v(p: Point) -> float:
    a = p.here
    t = a.terms
    slack = 2 * t.m * 2.0**-53 * t.total(abs(t.v * a.v_bar))
    return ratio(t.total(t.v * a.v_bar), t.total(abs(t.v) * a.v_allowed) + slack)


def _degree_in_v(p: Point) -> float:
    a, b = p.here, p.at_twice_v
    return ratio(2 * b.v_bar - a.v_bar, a.v_allowed + 2 * b.v_allowed)


def _gain_degree_in_v(p: Point) -> float:
    a, b = p.here, p.at_twice_v
    return ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed)


def _degree_in_g(p: Point) -> float:
    a, b = p.here, p.at_other_g
    return ratio(b.v_bar + 2 * a.v_bar, 2 * a.v_allowed + b.v_allowed)


def _gain_without_g(p: Point) -> float:
    a, b = p.here, p.at_other_g
    return ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed)


def _euler(p: Point) -> float:
    a = p.here
    t = a.terms
    return ratio(t.g * a.g_bar - t.total(t.w_bar * t.w()),
                 2 * abs(t.g) * a.g_allowed)  # fmt: skip


def _across(p: Point) -> np.ndarray:
    """A cotangent that is orthogonal to v, exactly: pairs (-y, x) along a reduced axis."""
    t = Terms(p.v, p.g, p.w_bar, p.axes)
    axis = max(t.reduced, key=lambda a: p.v.shape[a])
    v = np.moveaxis(p.v, axis, 0)
    w_bar = np.zeros_like(v)
    pairs = len(v) // 2
    w_bar[: 2 * pairs : 2], w_bar[1 : 2 * pairs : 2] = -v[1 : 2 * pairs : 2], v[: 2 * pairs : 2]
    return np.ascontiguousarray(np.moveaxis(w_bar, 0, axis))


def _kept_across(p: Point) -> float:
    a = p.at(w_bar=_across(p))
    t = a.terms
    return ratio(a.v_bar - t.g / t.h * t.w_bar, 2 * a.v_allowed)


def _removed_along(p: Point) -> float:
    a = p.at(w_bar=-2 * p.v)
    return ratio(a.v_bar, a.v_allowed)


def _rotated(p: Point) -> float:
    """A rotation without rounding: the entries along one reduced axis reversed, and signs."""
    t = Terms(p.v, p.g, p.w_bar, p.axes)
    axis = max(t.reduced, key=lambda a: p.v.shape[a])
    size = p.v.shape[axis]
    signs = np.where(np.arange(size) % 3 == 0, -1, 1).astype(p.v.dtype)
    signs = signs.reshape([size if a == axis else 1 for a in range(p.v.ndim)])

    def turn(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(x, axis) * signs)

    a, b = p.here, p.at(v=turn(p.v), w_bar=turn(p.w_bar))
    return max(
        ratio(b.v_bar - turn(a.v_bar), turn(a.v_allowed) * np.sign(signs) + b.v_allowed),
        ratio(b.g_bar - a.g_bar, a.g_allowed + b.g_allowed),
    )


def _slice_independent(p: Point) -> float:
    axis = p.axes[0] if p.axes else 0
    first = [slice(None)] * p.v.ndim
    first[axis] = slice(0, 1)
    v, g, w_bar = p.v.copy(), p.g.copy(), p.w_bar.copy()
    v[tuple(first)] *= -2
    w_bar[tuple(first)] *= 2
    g[tuple(first)] *= 2
    a, b = p.here, p.at(v=v, g=g, w_bar=w_bar)
    rest = [slice(None)] * p.v.ndim
    rest[axis] = slice(1, None)
    at = tuple(rest)
    return max(
        ratio((b.v_bar - a.v_bar)[at], (a.v_allowed + b.v_allowed)[at]),
        ratio((b.g_bar - a.g_bar)[at], (a.g_allowed + b.g_allowed)[at]),
    )


def _slices_permuted(p: Point) -> float:
    axis = p.axes[0] if p.axes else 0

    def turn(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.roll(np.flip(x, axis), 1, axis))

    a, b = p.here, p.at(v=turn(p.v), g=turn(p.g), w_bar=turn(p.w_bar))
    return max(
        ratio(b.v_bar - turn(a.v_bar), turn(a.v_allowed) + b.v_allowed),
        ratio(b.g_bar - turn(a.g_bar), turn(a.g_allowed) + b.g_allowed),
    )


def _symmetric(p: Point) -> float:
    other = np.ascontiguousarray(np.flip(p.w_bar) + p.v)
    a, b = p.here, p.at(w_bar=other)
    t = a.terms
    x, y = b.terms.w_bar * a.v_bar, t.w_bar * b.v_bar
    slack = 2 * t.m * 2.0**-53 * t.total(abs(x) + abs(y))
    allowed = t.total(abs(b.terms.w_bar) * a.v_allowed + abs(t.w_bar) * b.v_allowed)
    return ratio(t.total(x - y), allowed + slack)


@dataclass(frozen=True)
class Invariant:
    """One law. plain: it holds in the plain form only. slices: it needs more than one slice."""

    id: str
    law: str
    test: Callable[[Point], float]
    plain: bool = False
    slices: bool = False

    def applies(self, p: Point) -> bool:
        """Whether the law can be tested at the point."""
        t = Terms(p.v, p.g, p.w_bar, p.axes)
        several = p.g.ndim > 0 and p.axes is not None and len(p.axes) > 0
        return (
            t.m > 1
            and (p.form == "plain" or not self.plain)
            and (not self.slices or (several and p.v.shape[p.axes[0]] > 1))  # type: ignore[index]
        )


INVARIANTS = (
    Invariant("I1", "<v, v_bar> = 0", _orthogonal_to_v, plain=True),
    Invariant("I2", "v_bar(2 v) = v_bar(v) / 2", _degree_in_v, plain=True),
    Invariant("I3", "g_bar(2 v) = g_bar(v)", _gain_degree_in_v, plain=True),
    Invariant("I4", "v_bar(-2 g) = -2 v_bar(g)", _degree_in_g),
    Invariant("I5", "g_bar(-2 g) = g_bar(g)", _gain_without_g),
    Invariant("I6", "g g_bar = <w_bar, w>", _euler),
    Invariant("I7", "w_bar across v: v_bar = (g/h) w_bar", _kept_across),
    Invariant("I8", "w_bar along v: v_bar = 0", _removed_along, plain=True),
    Invariant("I9", "slices turned: v_bar turned", _rotated),
    Invariant("I10", "a slice does not feel another", _slice_independent, slices=True),
    Invariant("I11", "slices permuted: answers permuted", _slices_permuted, slices=True),
    Invariant("I12", "<v_bar(a), b> = <v_bar(b), a>", _symmetric),
)


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
    """The worst error of each law that applies at (v, g, w_bar), in units of what is allowed."""
    p = Point(backward, allowed, v, g, w_bar, axes, form, eps)
    with np.errstate(all="ignore"):
        return {law.id: law.test(p) for law in INVARIANTS if law.applies(p)}
