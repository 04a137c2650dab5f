"""Right formulas on wrong numbers: of another slice, of too short a one, or overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .terms import Mistake, Rule, Terms

__all__ = ["WIRING"]


def _along(t: Terms) -> int:
    return t.axes[0] if t.axes else 0


def _rolled(x: Any, t: Terms, by: int = 1) -> Any:
    return np.roll(x, by, axis=_along(t)) if x.ndim else x


def _sliced_v(t: Terms, v: Any, w_bar: Any) -> Terms:
    return Terms(v, t.g, w_bar, t.axes, t.form, t.eps)


@dataclass(frozen=True)
class _Sums:
    """n and d of slices that lack an entry."""

    n: np.ndarray
    d: np.ndarray

    def v_bar(self, t: Terms) -> Any:
        return t.g / self.n * (t.w_bar - self.d / self.n**2 * t.v)

    def g_bar(self, t: Terms) -> Any:
        return self.d / self.n


def _shortened(t: Terms) -> _Sums:
    mask = np.ones(t.v.shape)
    if t.reduced:
        last = [slice(None)] * t.v.ndim
        last[t.reduced[-1]] = slice(-1, None)
        mask[tuple(last)] = 0
    return _Sums(np.sqrt(t.total(t.v * t.v * mask)), t.total(t.w_bar * t.v * mask))


_WIRING: tuple[tuple[str, str, str, dict[str, Rule], str, str], ...] = (
    ("w_for_v", "w in place of v in the whole of the backward",
     "keep v for the backward: it was overwritten by w, or w was saved in its place",
     {"v_bar": lambda t: _sliced_v(t, t.w(), t.w_bar).v_bar(),
      "g_bar": lambda t: _sliced_v(t, t.w(), t.w_bar).g_bar()},
     "you use w where v is meant",
     "the normalised weight written back into v"),
    ("norm_of_neighbour", "n of the neighbouring slice", "use n of the same slice: mend its index",
     {"v_bar": lambda t: t.g / _rolled(t.n, t) * (t.w_bar - t.d / _rolled(t.n, t)**2 * t.v),
      "g_bar": lambda t: t.d / _rolled(t.n, t)},
     "the length is that of the neighbouring row", ""),
    ("dot_of_neighbour", "d of the neighbouring slice", "use d of the same slice: mend its index",
     {"v_bar": lambda t: t.g / t.n * (t.w_bar - _rolled(t.d, t) / t.n**2 * t.v)},
     "the dot product is that of the neighbouring row", ""),
    ("g_of_neighbour", "g of the neighbouring slice", "use g of the same slice: mend its index",
     {"v_bar": lambda t: _rolled(t.g, t) / t.n * (t.w_bar - t.p),
      "w": lambda t: _rolled(t.g, t) * t.v / t.n},
     "the gain is that of the neighbouring row", ""),
    ("first_norm_for_all", "n of the first slice for every slice",
     "use n of the same slice: keep one norm for each",
     {"v_bar": lambda t: t.g / t.n.flat[0] * (t.w_bar - t.d / t.n.flat[0]**2 * t.v),
      "g_bar": lambda t: t.d / t.n.flat[0], "w": lambda t: t.g * t.v / t.n.flat[0]},
     "the length of the first row is used for every row", ""),
    ("first_g_for_all", "g of the first slice for every slice",
     "use g of the same slice: keep one gain for each",
     {"v_bar": lambda t: t.g.flat[0] / t.n * (t.w_bar - t.p),
      "w": lambda t: t.g.flat[0] * t.v / t.n},
     "the gain of the first row is used for every row", ""),
    ("norm_without_last", "the last entry of each slice is missing from n and d",
     "sum to the end of the slice: mend the upper end of the loop or the block",
     {"v_bar": lambda t: _shortened(t).v_bar(t), "g_bar": lambda t: _shortened(t).g_bar(t)},
     "the last entry of each row is left out of the length", ""),
    ("dot_without_last", "the last entry of each slice is missing from d",
     "sum to the end of the slice: mend the upper end of the loop or the block",
     {"v_bar": lambda t: t.g / t.n * (t.w_bar - _shortened(t).d / t.n**2 * t.v),
      "g_bar": lambda t: _shortened(t).d / t.n},
     "the last entry of each row is left out of the dot product", ""),
    ("v_bar_is_w_dot", "v_bar = (g/n) w_bar + ... , the forward product in place of the pullback",
     "take g_bar v/n out again: v_bar is no tangent of w",
     {"v_bar": lambda t: t.v_bar() + t.g_bar() * t.v / t.n},
     "your v_bar pushes forward; a cotangent is pulled back", ""),
)


WIRING = tuple(
    Mistake(name, text, fix, rules, seen, sentence=sentence)
    for name, text, fix, rules, sentence, seen in _WIRING
)
