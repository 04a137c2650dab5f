"""The terms of one case, and one mistake: what right and wrong formulas are made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import forms, validation

__all__ = ["OUTPUTS", "Axes", "Mistake", "Rule", "Terms", "kept_axes"]

OUTPUTS = ("w", "v_bar", "g_bar")
Axes = tuple[int, ...] | None
Rule = Callable[["Terms"], Any]


def kept_axes(axis: int | tuple[int, ...] | None, ndim: int) -> Axes:
    """The axes that keep a norm each, counted from 0; None for one norm of the whole.

    Raises IndexError for an axis out of range, ValueError for what is none.
    """
    kept = validation.axes("axis", axis, ndim)
    return None if kept is None else tuple(sorted(set(kept)))


class Terms:
    """The terms of one case in float64: all that a right or a wrong formula is made of."""

    def __init__(
        self, v: Any, g: Any, w_bar: Any, axes: Axes = (0,), form: str = "plain", eps: float = 0.0
    ) -> None:
        v, g, w_bar = (np.asarray(x, dtype="float64") for x in (v, g, w_bar))
        self.v, self.g, self.w_bar, self.axes = v, g, w_bar, axes
        self.form, self.eps = form, forms.check(form, eps)
        self.reduced = tuple(a for a in range(v.ndim) if a not in (axes or ()))
        with np.errstate(all="ignore"):
            self.n, self.d = self.lengths(axes)
            self.h, self.y = self.radius(form, self.eps)
            self.p = self.d / self.h * self.y
        self.m = v.size // max(self.n.size, 1)

    def total(self, x: Any, axes: Axes | str = "own") -> np.ndarray:
        """The sum of x over a slice, with the shape of g; or over other slices, dimensions kept."""
        if axes == "own":
            return np.asarray(x.sum(axis=self.reduced, keepdims=True).reshape(self.g.shape))
        reduced = tuple(a for a in range(self.v.ndim) if a not in (axes or ()))
        return x.sum(axis=reduced, keepdims=True)

    def lengths(self, axes: Axes | str = "own") -> tuple[np.ndarray, np.ndarray]:
        """n and d, over slices of one's own or others."""
        axes = "own" if axes == self.axes else axes
        largest = np.abs(self.v).max(initial=0.0) or 1.0  # a square must not leave the range
        n = np.sqrt(self.total((self.v / largest) ** 2, axes)) * largest
        return n, self.total(self.w_bar * self.v, axes)

    def radius(self, form: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
        """h and y = dh/dv of any form."""
        n, v = self.n, self.v
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

    @functools.cached_property
    def names(self) -> dict[str, Any]:
        """What a formula is evaluated with; see `grammar`. along: h y, the v of a projection."""
        slices = self.axes[0] if self.axes and self.g.ndim else None
        return {
            "w_bar": self.w_bar, "v": self.v, "g": self.g, "n": self.h, "d": self.d, "w": self.w(),
            "along": self.v if self.form == "plain" else self.h * self.y,
            "m": self.m, "slices": max(self.n.size, 1),
            "sum": self.total, "grand_sum": np.sum, "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp,
            "roll": lambda x, by=1: np.roll(x, by, axis=slices), "flip": np.flip,
        }

    # -- the right answers

    def w(self) -> np.ndarray:
        return self.g * self.v / self.h

    def v_bar(self) -> np.ndarray:
        return self.g / self.h * (self.w_bar - self.p)

    def g_bar(self) -> np.ndarray:
        return self.d / self.h

    def of_function(self, h: Any, y: Any, axes: Axes | str = "own") -> dict[str, Any]:
        """w = g v / h and its own gradient, for a length h over `axes` with dh/dv = y."""
        s = self.total(self.g * self.w_bar * self.v, axes)
        return {
            "w": self.g * self.v / h,
            "v_bar": self.g * self.w_bar / h - s / (h * h) * y,
            "g_bar": self.total(self.w_bar * self.v / h),
        }


@dataclass(frozen=True)
class Mistake:
    """A wrong formula: its permanent name, what it says, how to mend it, where it was seen.

    sentence: what a learner reads; empty where the formula tells it best
    code: the formula as Python, by output, where it has one line; see `grammar`
    """

    id: str
    formula: str
    fix: str
    rules: dict[str, Rule]
    seen_in: str = ""
    family: str = ""
    sentence: str = ""
    code: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> tuple[str, ...]:
        """The outputs it shows in."""
        return tuple(self.rules)

    def output(self, name: str, t: Terms) -> np.ndarray | None:
        """What the mistake makes of an output; None where it leaves it right."""
        if name not in self.rules:
            return None
        with np.errstate(all="ignore"):
            shape = t.g.shape if name == "g_bar" else t.v.shape
            try:
                return np.broadcast_to(np.asarray(self.rules[name](t), dtype="float64"), shape)
            except ValueError:
                return None  # the mistake cannot be made in this shape

    def compute(
        self, v: Any, g: Any, w_bar: Any, axes: Axes = (0,), form: str = "plain", eps: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """(v_bar, g_bar) as the mistake gives them, right where it does not show; float64."""
        t = Terms(v, g, w_bar, kept_axes(axes, np.ndim(v)), form, eps)
        v_bar, g_bar = self.output("v_bar", t), self.output("g_bar", t)
        return t.v_bar() if v_bar is None else v_bar, t.g_bar() if g_bar is None else g_bar
