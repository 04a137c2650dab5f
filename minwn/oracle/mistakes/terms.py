"""The terms of one case, and one mistake: what right and wrong formulas are made of."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ... import forms
from ..reference.slices import Axes, kept_axes, reduced_axes
from .grammar import Program
from .table import PLACES, RIGHT

__all__ = [
    "LIMITS", "OUTPUTS", "Mistake", "SecondMistake", "Terms", "second_order",
]

OUTPUTS = ("w", "v_bar", "g_bar")
LIMITS = tuple(digit * 10.0**k for k in range(-1, 4) for digit in (1, 2, 5))  # usual, of clip
LATER = ("w_dot", "by_w_bar", "by_v", "by_g")


class Terms:
    """The terms of one case in float64: all that a right or a wrong formula is made of."""

    def __init__(
        self, v: Any, g: Any, w_bar: Any, axes: Axes = (0,), form: str = "plain", eps: float = 0.0
    ) -> None:
        v, g, w_bar = (np.asarray(x, dtype="float64") for x in (v, g, w_bar))
        self.v, self.g, self.w_bar, self.axes = v, g, w_bar, axes
        self.form, self.eps = form, forms.check(form, eps)
        self.reduced = reduced_axes(axes, v.ndim)
        with np.errstate(all="ignore"):
            self.n, self.d = self.length(v), self.total(w_bar * v)
            self.h, self.y = self.radius(self.n)
            self.p = self.d / self.h * self.y
        self.m = v.size // max(self.n.size, 1)
        self._places: dict[str, dict[str, Any]] = {}

    def total(self, x: Any, axes: Axes | Literal["own"] = "own") -> np.ndarray:
        """The sum of x over a slice, with the shape of g; or over other slices, dimensions kept."""
        if axes == "own":
            return np.asarray(x.sum(axis=self.reduced, keepdims=True).reshape(self.g.shape))
        return x.sum(axis=reduced_axes(axes, self.v.ndim), keepdims=True)

    def length(self, x: Any, axes: Axes | Literal["own"] = "own") -> np.ndarray:
        """||x|| of each slice, with the shape of g; or of other slices, dimensions kept."""
        top = np.abs(x).max(initial=0.0) or 1.0  # a square must not leave the range
        return np.asarray(np.sqrt(self.total((x / top) ** 2, axes)) * top)

    def radius(self, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h and y = dh/dv of slices of v whose lengths are n, in the form of the spec."""
        form, eps, v = self.form, self.eps, self.v
        unit = v / np.where(n == 0, 1.0, n)
        if form == "plain":
            return n, unit
        if form == "inside":
            h = np.sqrt(n * n + eps)
            return h, v / h
        if form == "outside":
            return n + eps, unit
        if form == "rms":
            k = math.sqrt(v.size // max(n.size, 1))
            return n / k + eps, unit / k
        if form in ("max_q", "max_n"):
            floor = math.sqrt(eps) if form == "max_q" else eps
            return np.maximum(n, floor), unit * (n >= floor)
        raise forms.unknown(form)

    def at(self, v: Any = None, g: Any = None, w_bar: Any = None) -> Terms:
        """The terms at other inputs."""
        v, g = (self.v if v is None else v), (self.g if g is None else g)
        w_bar = self.w_bar if w_bar is None else w_bar
        return Terms(v, g, w_bar, self.axes, self.form, self.eps)

    @functools.cached_property
    def names(self) -> dict[str, Any]:
        """What a formula is evaluated with; see `grammar`."""
        slices = self.axes[0] if self.axes and self.g.ndim else None
        return {
            "w_bar": self.w_bar, "v": self.v, "g": self.g, "n": self.h, "d": self.d, "w": self.w(),
            "along": self.v if self.form == "plain" else self.h * self.y,
            "m": self.m, "slices": max(self.n.size, 1),
            "sum": self.total, "grand_sum": np.sum, "max": self.largest,
            "norm": lambda x: self.radius(self.length(x))[0],
            "top": self._top, "abs": np.abs, "sign": np.sign,
            "sqrt": np.sqrt, "exp": np.exp, "flip": np.flip, "tanh": np.tanh,
            "softplus": lambda x: np.logaddexp(0.0, x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
            "roll": lambda x, by=1: np.roll(x, by, axis=slices),
            "first": lambda x: np.full_like(x, np.ravel(x)[0]), "but_last": self._but_last,
            "first_part": self._first_part,
        }

    def over(self, place: str) -> dict[str, Any]:
        """The names with those of the slices of a place; of one's own where it has none."""
        if place not in self._places:
            self._places[place] = self.names | self._place(place)
        return self._places[place]

    def _place(self, place: str) -> dict[str, Any]:
        axes = PLACES[place][1](self.v.ndim, self.axes or ())
        at: Axes | Literal["own"] = "own" if axes is None or axes == self.axes else axes
        N, y = self.radius(self.length(self.v, at))
        along = self.v if self.form == "plain" else N * y
        return {"over": lambda x: self.total(x, at), "N": N, "V": along}

    def largest(self, x: Any) -> np.ndarray:
        """The largest entry of each slice, with the shape of g."""
        return np.asarray(x.max(axis=self.reduced, keepdims=True).reshape(self.g.shape))

    def _top(self, x: Any) -> np.ndarray:
        found = np.sign(x) * (np.abs(x) == self.largest(np.abs(x)))
        return found / self.total(np.abs(found))

    def _first_part(self, x: Any) -> np.ndarray:
        """x with zeros but for the first index of the first axis that a norm runs over."""
        found, rest = np.array(x), [slice(None)] * x.ndim
        if self.reduced:
            rest[self.reduced[0]] = slice(1, None)
            found[tuple(rest)] = 0
        return found

    def _but_last(self, x: Any) -> np.ndarray:
        found, last = np.array(x), [slice(None)] * x.ndim
        if self.reduced:
            last[self.reduced[-1]] = slice(-1, None)
            found[tuple(last)] = 0
        return found

    # -- the right answers

    def w(self) -> np.ndarray:
        """g v / h."""
        return self.g * self.v / self.h

    def v_bar(self) -> np.ndarray:
        """(g / h) (w_bar - p)."""
        return self.g / self.h * (self.w_bar - self.p)

    def g_bar(self) -> np.ndarray:
        """d / h."""
        return self.d / self.h


@dataclass(frozen=True)
class _Mistake:
    """A row of the table, with what it computes."""

    id: str
    formula: str
    fix: str
    sentence: str = ""
    seen_in: str = ""
    lines: str = ""
    place: str = ""

    @functools.cached_property
    def program(self) -> Program:
        """What is computed, ready to run."""
        return Program(self.lines or self.formula, RIGHT)

    @property
    def where(self) -> tuple[str, ...]:
        """The outputs it shows in."""
        return self.program.answers


class Mistake(_Mistake):
    """A wrong formula: its permanent name, what it says, how to mend it, where it was seen.

    sentence: what a learner reads; empty where the formula tells it best
    lines: what is computed, where the formula does not say it all; see `grammar`
    """

    @property
    def family(self) -> str:
        """ "axis" where the sums are over other axes, and "gain" where it is another number: of
        these, several may be the same computation."""
        gain = self.id.startswith(("gain_", "w_exp_g", "w_abs_g", "factor_abs_g", "factor_g2"))
        return "axis" if self.place else "gain" if gain else ""

    def output(self, name: str, t: Terms) -> np.ndarray | None:
        """What the mistake makes of an output; None where it leaves it right."""
        if name not in self.where:
            return None
        with np.errstate(all="ignore"):
            shape = t.g.shape if name == "g_bar" else t.v.shape
            try:
                found = self.program.answer(
                    name, self._names(t), lambda **new: self._names(t.at(**new))
                )
                return np.broadcast_to(np.asarray(found, dtype="float64"), shape)
            except ValueError:
                return None  # the mistake cannot be made in this shape

    def _names(self, t: Terms) -> dict[str, Any]:
        return t.over(self.place) if self.place else t.names

    def compute(
        self, v: Any, g: Any, w_bar: Any, axes: Axes = (0,), form: str = "plain", eps: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """(v_bar, g_bar) as the mistake gives them, right where it does not show; float64."""
        t = Terms(v, g, w_bar, kept_axes(axes, np.ndim(v)), form, eps)
        v_bar, g_bar = self.output("v_bar", t), self.output("g_bar", t)
        return t.v_bar() if v_bar is None else v_bar, t.g_bar() if g_bar is None else g_bar


class SecondMistake(_Mistake):
    """A wrong forward product, or a wrong pullback of the pullback."""

    def compute(self, t: Terms, A: Any, B: Any) -> dict[str, Any]:
        """w_dot, by_w_bar, by_v and by_g as `second_order` has them, but for the mistake."""
        return second_order(t, A, B, self.program)


def second_order(t: Terms, A: Any, B: Any, program: Program | None = None) -> dict[str, Any]:
    """w_dot, by_w_bar, by_v and by_g in the plain form, as the program says, or right.

    A, B: tangents of v and g, or cotangents of v_bar and g_bar
    """
    plain, program = Terms(t.v, t.g, t.w_bar, t.axes), program or Program("", RIGHT)

    def names(**new: Any) -> dict[str, Any]:
        t = plain.at(**new) if new else plain
        a, c = t.total(A * t.v), t.total(A * t.w_bar)
        return t.names | {"A": A, "B": B, "v_dot": A, "g_dot": B, "a": a, "c": c}

    known = names()
    found = {name: program.answer(name, known, names) for name in LATER}
    if "w_dot" in program.answers:  # who forgets a term of the product forgets it in both
        found["by_w_bar"] = found["w_dot"]
    return found
