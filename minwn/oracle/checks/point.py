"""Where the laws of `invariants` ask: a case, and others that the laws relate to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..mistakes import Terms
from ..reference.slices import Axes

__all__ = ["Point", "Question"]


@dataclass(frozen=True, eq=False)
class Question:
    """Inputs of a backward, in letters too, and what rounding may do to v_bar and g_bar."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    terms: Terms
    v_allowed: np.ndarray
    g_allowed: np.ndarray


@dataclass(frozen=True, eq=False)
class Point:
    """One case, and the questions that the laws relate to it.

    They do not depend on who is asked, so each is made once. allowed(v, g, w_bar) gives what
    rounding may do to v_bar and g_bar.
    """

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    axes: Axes
    form: str
    eps: float
    allowed: Callable[[Any, Any, Any], tuple[Any, Any]]

    def at(self, *, v: Any = None, g: Any = None, w_bar: Any = None) -> Question:
        """The question here, or with some of the inputs changed."""
        # Twice an array of bfloat16 is float32 to NumPy before 2.2.
        v = self.v if v is None else v.astype(self.v.dtype, copy=False)
        g = self.g if g is None else g.astype(self.g.dtype, copy=False)
        w_bar = self.w_bar if w_bar is None else w_bar.astype(self.w_bar.dtype, copy=False)
        terms = Terms(v, g, w_bar, self.axes, self.form, self.eps)
        return Question(v, g, w_bar, terms, *self.allowed(v, g, w_bar))

    @cached_property
    def here(self) -> Question:
        """The question as it is."""
        return self.at()

    @cached_property
    def at_twice_v(self) -> Question:
        """v doubled."""
        return self.at(v=2 * self.v)

    @cached_property
    def at_other_g(self) -> Question:
        """g times -2."""
        return self.at(g=-2 * self.g)

    @cached_property
    def across(self) -> Question:
        """A cotangent that is orthogonal to v, exactly: pairs (-y, x) along a reduced axis."""
        v = np.moveaxis(self.v, self.longest, 0)
        w_bar = np.zeros_like(v)
        pairs = len(v) // 2
        w_bar[: 2 * pairs : 2], w_bar[1 : 2 * pairs : 2] = -v[1 : 2 * pairs : 2], v[: 2 * pairs : 2]
        return self.at(w_bar=np.ascontiguousarray(np.moveaxis(w_bar, 0, self.longest)))

    @cached_property
    def along(self) -> Question:
        """A cotangent along v."""
        return self.at(w_bar=-2 * self.v)

    @cached_property
    def turned(self) -> Question:
        """v and the cotangent turned by `turn`."""
        return self.at(v=self.turn(self.v), w_bar=self.turn(self.w_bar))

    @cached_property
    def first_moved(self) -> Question:
        """All of the first slice changed, and of no other."""
        first = tuple(slice(0, 1) if a == self.kept else slice(None) for a in range(self.v.ndim))
        v, g, w_bar = self.v.copy(), self.g.copy(), self.w_bar.copy()
        v[first] *= -2
        w_bar[first] *= 2
        g[first] *= 2
        return self.at(v=v, g=g, w_bar=w_bar)

    @cached_property
    def permuted(self) -> Question:
        """The slices in the order of `permute`."""
        permute = self.permute
        return self.at(v=permute(self.v), g=permute(self.g), w_bar=permute(self.w_bar))

    @cached_property
    def at_other_w_bar(self) -> Question:
        """Another cotangent."""
        return self.at(w_bar=np.ascontiguousarray(np.flip(self.w_bar) + self.v))

    def turn(self, x: np.ndarray) -> np.ndarray:
        """A rotation without rounding: the entries along one reduced axis reversed, and signs."""
        size = self.v.shape[self.longest]
        signs = np.where(np.arange(size) % 3 == 0, -1, 1).astype(self.v.dtype)
        signs = signs.reshape([size if a == self.longest else 1 for a in range(self.v.ndim)])
        return np.ascontiguousarray(np.flip(x, self.longest) * signs)

    def permute(self, x: np.ndarray) -> np.ndarray:
        """The slices in another order."""
        return np.ascontiguousarray(np.roll(np.flip(x, self.kept), 1, self.kept))

    @property
    def kept(self) -> int:
        """An axis that keeps a norm, where there is one."""
        return self.axes[0] if self.axes else 0

    @property
    def longest(self) -> int:
        """The longest of the axes that a norm runs over."""
        return max(self.here.terms.reduced, key=lambda a: self.v.shape[a])
