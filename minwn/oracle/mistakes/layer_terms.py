"""The arrays of one case of a layer, and one mistake: what right and wrong answers are made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reference.layer import Layer
from .terms import Terms

__all__ = ["ANSWERS", "LayerMistake", "LayerTerms", "Norm", "Rule", "Rules"]

ANSWERS = ("y", "x_bar", "w_bar", "v_bar", "g_bar", "b_bar")
Array = np.ndarray


@dataclass(frozen=True)
class Norm:
    """How a weight is made of v and g, which have the shape of a view of it.

    to_weight: from the view to torch's layout; to_view: back
    """

    v: Array
    g: Array
    axes: tuple[int, ...] | None
    form: str
    eps: float
    to_weight: Callable[[Array], Array]
    to_view: Callable[[Array], Array]

    def terms(self, w_bar: Array) -> Terms:
        """The weight-norm side for a cotangent of w in torch's layout."""
        return Terms(self.v, self.g, self.to_view(w_bar), self.axes, self.form, self.eps)


@dataclass(frozen=True, eq=False)
class LayerTerms:
    """All that a right or a wrong answer of one case is made of."""

    layer: Layer
    x: Array
    w: Array
    b: Array | None
    y_bar: Array
    norm: Norm | None = None

    def __hash__(self) -> int:
        return id(self)

    # -- the answers with other inputs or another layer

    def y(self, layer: Layer | None = None, **other: Any) -> Array:
        """y, (n, o, *out), of this layer or another. other: x, w or b in place of its own."""
        x, w, b = (other.get(name, getattr(self, name)) for name in ("x", "w", "b"))
        return (layer or self.layer).y(x, w, b)

    def x_bar(self, layer: Layer | None = None, **other: Any) -> Array:
        """x_bar, (n, c, *size). other: y_bar or w in place of its own."""
        y_bar, w = (other.get(name, getattr(self, name)) for name in ("y_bar", "w"))
        return (layer or self.layer).x_bar(y_bar, w)

    def w_bar(self, layer: Layer | None = None, **other: Any) -> Array:
        """w_bar, of w's shape. other: y_bar or x in place of its own."""
        y_bar, x = (other.get(name, getattr(self, name)) for name in ("y_bar", "x"))
        return (layer or self.layer).w_bar(y_bar, x)

    def b_bar(self, y_bar: Array | None = None) -> Array:
        """b_bar, (o,), of this y_bar or another."""
        return self.layer.b_bar(self.y_bar if y_bar is None else y_bar)

    # -- parts

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.x)

    @property
    def d(self) -> int:
        """The axes that windows move along."""
        return len(self.layer.windows.size)

    @property
    def groups(self) -> int:
        """The number of groups of channels."""
        return self.layer.windows.groups

    @property
    def positions(self) -> int:
        """Entries of y for one sample and channel."""
        return math.prod(self.layer.size)

    def biased(self, y: Array) -> Array:
        """y + b"""
        return y if self.b is None else y + self.b.reshape(-1, *[1] * self.d)

    @functools.cached_property
    def _pulled(self) -> dict[bytes, dict[str, Array]]:
        return {}

    def pulled(self, output: str, w_bar: Array) -> Array | None:
        """v_bar or g_bar of a w_bar, by the right formula."""
        if self.norm is None or w_bar.shape != self.w.shape:
            return None
        key = w_bar.tobytes()
        if key not in self._pulled:
            t = self.norm.terms(w_bar)
            self._pulled[key] = {"v_bar": t.v_bar(), "g_bar": t.g_bar()}
        return self._pulled[key][output]

    @functools.cached_property
    def v(self) -> Array | None:
        """In torch's layout."""
        return None if self.norm is None else self.norm.to_weight(self.norm.v)

    def weight(self, make: Callable[[Terms], Any]) -> Array | None:
        """A weight that is made of v and g in another way; None where it cannot be."""
        if self.norm is None:
            return None
        found = make(self.norm.terms(self.w))
        if found is None or np.shape(found) != self.norm.v.shape:
            return None
        return self.norm.to_weight(np.asarray(found))


Rule = Callable[[LayerTerms], Any]
Rules = dict[str, tuple[Rule, ...]]


@dataclass(frozen=True)
class LayerMistake:
    """Its permanent name, what it says, how to mend it, a sentence for a learner.

    rules: by answer, the wrong answers that go by this name
    seen_in: where it was seen
    """

    id: str
    formula: str
    fix: str
    sentence: str
    rules: Rules
    seen_in: str = ""

    @property
    def where(self) -> tuple[str, ...]:
        """The answers that it shows in."""
        return tuple(self.rules)

    def variants(self, output: str, normalised: bool) -> tuple[Rule, ...]:
        """The candidates for an answer; v_bar and g_bar follow from those of w_bar."""
        if output in ("v_bar", "g_bar") and normalised:
            through = tuple(_pulled(rule, output) for rule in self.rules.get("w_bar", ()))
            return (*self.rules.get(output, ()), *through)
        return self.rules.get(output, ())


def _pulled(rule: Rule, output: str) -> Rule:
    def pulled(t: LayerTerms) -> Any:
        w_bar = rule(t)
        return None if w_bar is None else t.pulled(output, w_bar)

    return pulled
