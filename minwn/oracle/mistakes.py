r"""The mistakes people make in the gradients of weight normalisation, as data.

With the letters of `Terms`, the right answers of every form are

    w = g v / h        g_bar = d / h        v_bar = (g / h) (w_bar - p)        p = (d / h) y

where d = <w_bar, v>, h is the length by which v is divided and y = dh/dv; in the plain form h = n
and p = (d / n^2) v. A mistake is another right-hand side of one of these lines, or of several; it
is computed in float64 from the inputs alone, so that a wrong answer can be compared with it entry
by entry, as with the truth.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "CATALOGUE",
    "OUTPUTS",
    "SECOND",
    "Mistake",
    "SecondMistake",
    "Terms",
    "by_id",
    "elsewhere",
    "kept_axes",
]

OUTPUTS = ("w", "v_bar", "g_bar")
Axes = tuple[int, ...] | None
Rule = Callable[["Terms"], Any]


def kept_axes(axis: int | tuple[int, ...] | None, ndim: int) -> Axes:
    """The axes that keep a norm each, counted from 0; None for one norm of the whole.

    Raises IndexError for an axis out of range.
    """
    if axis is None:
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise IndexError(f"axis {a} of an array with {ndim} axes")
    return tuple(sorted({a % ndim for a in axes}))


class Terms:
    """One case in float64, in letters: all that a right or a wrong formula is made of."""

    def __init__(
        self, v: Any, g: Any, w_bar: Any, axes: Axes = (0,), form: str = "plain", eps: float = 0.0
    ) -> None:
        v, g, w_bar = (np.asarray(x, dtype="float64") for x in (v, g, w_bar))
        self.v, self.g, self.w_bar, self.axes = v, g, w_bar, axes
        self.form, self.eps = form, eps
        self.reduced = tuple(a for a in range(v.ndim) if a not in (axes or ()))
        with np.errstate(all="ignore"):
            self.n, self.d = self.lengths(axes)
            self.h, self.y = self.radius(form, eps)
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
        floor = math.sqrt(eps) if form == "max_q" else eps
        return np.maximum(n, floor), unit * (n >= floor)

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
    """A wrong formula: its permanent name, what it says, where it was seen, how to mend it."""

    id: str
    formula: str
    fix: str
    rules: dict[str, Rule]
    seen_in: str = ""
    family: str = ""

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
        t = Terms(v, g, w_bar, axes, form, eps)
        v_bar, g_bar = self.output("v_bar", t), self.output("g_bar", t)
        return t.v_bar() if v_bar is None else v_bar, t.g_bar() if g_bar is None else g_bar


# ---- v_bar --------------------------------------------------------------------------------------

SUBTRACT = "subtract the component along v: v_bar = (g/n) (w_bar - (d/n^2) v), d = <w_bar, v>"
FACTOR = "multiply the whole bracket by g/n: v_bar = (g/n) (w_bar - (d/n^2) v)"
SQUARE = "divide d by n^2, the squared norm: v_bar = (g/n) (w_bar - (d/n^2) v)"
DOT = "d is the dot product <w_bar, v> of the slice: v_bar = (g/n) (w_bar - (d/n^2) v)"
GAIN = "g_bar = d/n, d = <w_bar, v>: one number for each slice"

_V_BAR: tuple[tuple[str, str, str, Rule, str], ...] = (
    ("no_projection", "v_bar = (g/n) w_bar", SUBTRACT,
     lambda t: t.g / t.h * t.w_bar,
     "the derivative through the norm dropped: a detached norm; a complex step through |z|"),
    ("missing_g", "v_bar = (1/n) (w_bar - (d/n^2) v)", FACTOR,
     lambda t: (t.w_bar - t.p) / t.h, "homework; equal to the truth at g = 1"),
    ("missing_1_over_n", "v_bar = g (w_bar - (d/n^2) v)", FACTOR,
     lambda t: t.g * (t.w_bar - t.p), "homework; equal to the truth at n = 1"),
    ("missing_g_over_n", "v_bar = w_bar - (d/n^2) v", FACTOR,
     lambda t: t.w_bar - t.p, "homework; equal to the truth at the usual start g = n"),
    ("no_projection_no_n", "v_bar = g w_bar", SUBTRACT, lambda t: t.g * t.w_bar, ""),
    ("no_projection_no_g", "v_bar = w_bar/n", SUBTRACT, lambda t: t.w_bar / t.h, ""),
    ("passed_through", "v_bar = w_bar", SUBTRACT, lambda t: t.w_bar,
     "a straight-through estimate; a hook that returns its cotangent"),
    ("proj_n0", "v_bar = (g/n) (w_bar - d v)", SQUARE,
     lambda t: t.g / t.h * (t.w_bar - t.p * t.n * t.n),
     "the projection of a unit vector, used with v: right only where n = 1"),
    ("proj_n1", "v_bar = (g/n) (w_bar - (d/n) v)", SQUARE,
     lambda t: t.g / t.h * (t.w_bar - t.p * t.n), "a root where its square is meant"),
    ("proj_n3", "v_bar = (g/n) (w_bar - (d/n^3) v)", SQUARE,
     lambda t: t.g / t.h * (t.w_bar - t.p / t.n), "divided by n once too often"),
    ("proj_sign", "v_bar = (g/n) (w_bar + (d/n^2) v)", "the sign: " + SUBTRACT,
     lambda t: t.g / t.h * (t.w_bar + t.p), "caffe-windows 205"),
    ("proj_half", "v_bar = (g/n) (w_bar - (1/2) (d/n^2) v)", SUBTRACT,
     lambda t: t.g / t.h * (t.w_bar - t.p / 2), "the derivative of a root, its 1/2 kept"),
    ("proj_twice", "v_bar = (g/n) (w_bar - 2 (d/n^2) v)", SUBTRACT,
     lambda t: t.g / t.h * (t.w_bar - 2 * t.p), "the derivative of the sum of squares, its 2 kept"),
    ("proj_g_lost", "v_bar = (g/n) w_bar - (d/n^3) v", FACTOR,
     lambda t: t.g / t.h * t.w_bar - t.p / t.h, "the factor applied to one of two terms"),
    ("proj_g_twice", "v_bar = (g/n) (w_bar - g (d/n^2) v)", FACTOR,
     lambda t: t.g / t.h * (t.w_bar - t.g * t.p), ""),
    ("proj_on_w", "v_bar = (g/n) (w_bar - <w_bar, w> w)",
     "project on the unit vector v/n, not on w: w is longer by g",
     lambda t: t.g / t.h * (t.w_bar - t.total(t.w_bar * t.w()) * t.w()),
     "the formula of a unit vector, used with w"),
    ("proj_uses_sum_not_dot", "v_bar = (g/n) (w_bar - (sum(w_bar)/n^2) v)", DOT,
     lambda t: t.g / t.h * (t.w_bar - t.total(t.w_bar) / t.h * t.y),
     "sum and mean confused with a dot product, as in layer norm"),
    ("proj_uses_mean_not_dot", "v_bar = (g/n) (w_bar - mean(w_bar))", DOT,
     lambda t: t.g / t.h * (t.w_bar - t.total(t.w_bar) / t.m), "the formula of layer norm"),
    ("proj_dot_mean", "v_bar = (g/n) (w_bar - (d/(m n^2)) v)", DOT,
     lambda t: t.g / t.h * (t.w_bar - t.p / t.m), "mean in place of sum in the dot product"),
    ("proj_abs", "v_bar = (g/n) (w_bar - (|d|/n^2) v)", DOT,
     lambda t: t.g / t.h * (t.w_bar - abs(t.d) / t.h * t.y), ""),
    ("proj_swapped", "v_bar = (g/n) (w_bar - (d/<w_bar, w_bar>) w_bar)", SUBTRACT,
     lambda t: t.g / t.h * (t.w_bar - t.d / t.total(t.w_bar * t.w_bar) * t.w_bar),
     "the projection along w_bar, not along v"),
    ("factor_n2", "v_bar = (g/n^2) (w_bar - (d/n^2) v)", FACTOR,
     lambda t: t.g / t.h**2 * (t.w_bar - t.p), "the norm squared once too often"),
    ("factor_g2", "v_bar = (g^2/n) (w_bar - (d/n^2) v)", FACTOR,
     lambda t: t.g**2 / t.h * (t.w_bar - t.p), ""),
    ("factor_inverted", "v_bar = (n/g) (w_bar - (d/n^2) v)", FACTOR,
     lambda t: t.h / t.g * (t.w_bar - t.p), ""),
    ("factor_abs_g", "v_bar = (|g|/n) (w_bar - (d/n^2) v)",
     "g is signed: use g, not its absolute value",
     lambda t: abs(t.g) / t.h * (t.w_bar - t.p), "a length taken for the gain"),
    ("v_bar_negated", "v_bar = -(g/n) (w_bar - (d/n^2) v)", "the sign of v_bar",
     lambda t: -t.v_bar(), "a descent direction returned in place of a gradient"),
    ("v_bar_doubled", "v_bar = 2 (g/n) (w_bar - (d/n^2) v)",
     "accumulate v_bar once: a second backward, or a consumer counted twice",
     lambda t: 2 * t.v_bar(), "gradients added to those of the call before"),
    ("v_bar_averaged", "v_bar divided by the number of slices",
     "the cotangent is a sum, never a mean", lambda t: t.v_bar() / max(t.n.size, 1), ""),
    ("v_bar_zero", "v_bar = 0", "v_bar is never written, or v is detached",
     lambda t: 0 * t.v, "a detached v"),
    ("v_bar_only_projection", "v_bar = (g/n) (d/n^2) v", SUBTRACT,
     lambda t: t.g / t.h * t.p, "the component along v kept, the rest removed"),
)  # fmt: skip

# ---- g_bar --------------------------------------------------------------------------------------

_G_BAR: tuple[tuple[str, str, str, Rule, str], ...] = (
    ("g_bar_no_norm", "g_bar = d", GAIN, lambda t: t.d, "the norm forgotten"),
    ("g_bar_n2", "g_bar = d/n^2", GAIN, lambda t: t.d / t.h**2, "the squared norm"),
    ("g_bar_times_g", "g_bar = g d/n = <w_bar, w>",
     "use the unit vector, not w: g_bar = <w_bar, v/n>",
     lambda t: t.g * t.d / t.h, "w used in place of v/n"),
    ("g_bar_over_g", "g_bar = d/(g n)", GAIN, lambda t: t.d / t.h / t.g, ""),
    ("g_bar_uses_sum", "g_bar = sum(w_bar)/n", GAIN, lambda t: t.total(t.w_bar) / t.h, ""),
    ("g_bar_sum_w_bar", "g_bar = sum(w_bar)", GAIN, lambda t: t.total(t.w_bar),
     "the gradient of a bias"),
    ("g_bar_mean", "g_bar = mean(w_bar v)/n", GAIN, lambda t: t.d / t.h / t.m, "mean for sum"),
    ("g_bar_scalar_sum", "g_bar = sum over all slices of d/n",
     "keep one number for each slice: sum over the slice only",
     lambda t: t.g_bar().sum(), "summed to a scalar"),
    ("g_bar_averaged", "g_bar divided by the number of slices",
     "the cotangent is a sum, never a mean", lambda t: t.g_bar() / max(t.n.size, 1), ""),
    ("g_bar_rolled", "g_bar of the neighbouring slice", "the index of the slice",
     lambda t: np.roll(t.g_bar(), 1, axis=t.axes[0] if t.axes and t.g.ndim else None), ""),
    ("g_bar_rolled_back", "g_bar of the neighbouring slice", "the index of the slice",
     lambda t: np.roll(t.g_bar(), -1, axis=t.axes[0] if t.axes and t.g.ndim else None), ""),
    ("g_bar_reversed", "g_bar of the slices in reverse", "the index of the slice",
     lambda t: np.flip(t.g_bar()), ""),
    ("g_bar_ones", "g_bar = 1", GAIN, lambda t: 1 + 0 * t.g, "g set aside as a constant one"),
    ("g_bar_zero", "g_bar = 0", "g is detached, or its gradient is never written",
     lambda t: 0 * t.g, "a g that is not trained"),
    ("g_bar_negated", "g_bar = -d/n", "the sign of g_bar", lambda t: -t.g_bar(), ""),
    ("g_bar_doubled", "g_bar = 2 d/n", "accumulate g_bar once", lambda t: 2 * t.g_bar(), ""),
    ("g_bar_abs", "g_bar = |d|/n", "g_bar is signed", lambda t: abs(t.g_bar()), ""),
    ("g_bar_norm_of_w_bar", "g_bar = ||w_bar||", GAIN,
     lambda t: np.sqrt(t.total(t.w_bar * t.w_bar)), ""),
    ("g_bar_times_sign_g", "g_bar = |g| d/(g n)", "g is signed: do not take its length",
     lambda t: np.sign(t.g) * t.g_bar(), "||w|| taken for the gain"),
)  # fmt: skip

# ---- w ------------------------------------------------------------------------------------------

WEIGHT = "w = g v/n, n = ||v|| over the slice"

_W: tuple[tuple[str, str, str, Rule, str], ...] = (
    ("w_no_g", "w = v/n", WEIGHT, lambda t: t.v / t.h, ""),
    ("w_no_norm", "w = g v", WEIGHT, lambda t: t.g * t.v, ""),
    ("w_is_v", "w = v", WEIGHT, lambda t: t.v, ""),
    ("w_abs_g", "w = |g| v/n", "g is signed", lambda t: abs(t.g) * t.v / t.h, ""),
    ("w_exp_g", "w = exp(g) v/n", "g is the gain itself, not its logarithm",
     lambda t: np.exp(t.g) * t.v / t.h, "the exponential scale of the paper's section 2.1"),
    ("w_one_plus_g", "w = (1 + g) v/n", "g is the gain itself", lambda t: (1 + t.g) * t.v / t.h,
     "a gain stored as its difference from 1"),
    ("w_negated", "w = -g v/n", "the sign of w", lambda t: -t.w(), ""),
    ("w_times_n", "w = g n v", WEIGHT, lambda t: t.g * t.n * t.v, "multiplied, not divided"),
)  # fmt: skip

# ---- another length -----------------------------------------------------------------------------

ROOT = "the length of a slice is the root of its sum of squares: n = sqrt(sum v^2)"


def _largest(t: Terms) -> tuple[Any, Any]:
    h = np.abs(t.v).max(axis=t.reduced, keepdims=True).reshape(t.g.shape)
    top = (np.abs(t.v) == h) * np.sign(t.v)
    return h, top / t.total(np.abs(top))


_LENGTHS: tuple[tuple[str, str, Callable[[Terms], tuple[Any, Any]], str], ...] = (
    ("norm_squared", "sum v^2, without the root", lambda t: (t.n**2, 2 * t.v),
     "a docstring of Equinox"),
    ("norm_l1", "sum |v|", lambda t: (t.total(abs(t.v)), np.sign(t.v)), ""),
    ("norm_mean", "sqrt(mean v^2)", lambda t: (t.n / math.sqrt(t.m), t.v / t.n / math.sqrt(t.m)),
     "a root mean square in place of a norm"),
    ("norm_max", "max |v|", _largest, ""),
)  # fmt: skip


def _length_mistakes() -> Iterator[Mistake]:
    for name, text, length, seen in _LENGTHS:

        def function(t: Terms, output: str, length: Any = length) -> Any:
            return t.of_function(*length(t))[output]

        def formula(t: Terms, length: Any = length) -> Any:
            h = length(t)[0]
            return t.g / h * (t.w_bar - t.d / h**2 * t.v)

        def gain(t: Terms, length: Any = length) -> Any:
            return t.d / length(t)[0]

        yield Mistake(
            name, f"the length of a slice is {text}: w, and its own gradient", ROOT,
            {o: functools.partial(function, output=o) for o in OUTPUTS}, seen,
        )  # fmt: skip
        yield Mistake(
            f"{name}_in_formula", f"v_bar = (g/n) (w_bar - (d/n^2) v) with {text} for n", ROOT,
            {"v_bar": formula, "g_bar": gain}, seen,
        )  # fmt: skip


# ---- another axis -------------------------------------------------------------------------------


def elsewhere(which: str, t: Terms) -> Axes | str:
    """The axes that keep a norm in a mistake about them; "none" where it cannot be made."""
    rank, own = t.v.ndim, t.axes or ()
    if which == "global":
        return () if own else "none"
    if which == "elementwise":
        return tuple(range(rank))
    if which == "rank":  # a matrix is right, anything longer is summed over axis 1 only
        return tuple(a for a in range(rank) if a != 1) if rank > 2 else own
    if which == "first_only":  # summed over axis 0 only
        return tuple(range(1, rank)) if rank > 1 else "none"
    if which == "last_only":  # summed over the last axis only
        return tuple(range(rank - 1)) if rank > 2 else own
    k = {"first": 0, "second": 1, "last": rank - 1, "flipped": rank - 1 - own[0] if own else -1}
    axis = k[which]
    return (axis,) if 0 <= axis < rank else "none"


_PLACES = {
    "global": "the whole array",
    "first_only": "axis 0 only",
    "flipped": "the slices of the mirrored axis (rows for columns)",
    "first": "the slices of axis 0",
    "second": "the slices of axis 1",
    "last": "the slices of the last axis",
    "elementwise": "each entry alone",
    "rank": "axis 1 only, whatever the rank",
    "last_only": "the last axis only, whatever the rank",
}


def _axis_mistakes() -> Iterator[Mistake]:
    fix = "sum over every axis but the kept one: axis=tuple of the others, keepdims=True"
    for which, text in _PLACES.items():

        def lengths(t: Terms, which: str = which) -> tuple[Any, Any, Any]:
            axes = elsewhere(which, t)
            if axes == "none" or axes == t.axes:
                axes = "own"
            n, d = t.lengths(axes)
            return n, d, axes

        def function(t: Terms, output: str, lengths: Any = lengths) -> Any:
            n, _, axes = lengths(t)
            return t.of_function(n, t.v / n, axes)[output]

        def both(t: Terms, lengths: Any = lengths) -> Any:
            n, d, _ = lengths(t)
            return t.g / n * (t.w_bar - d / n**2 * t.v)

        def norm(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.g / n * (t.w_bar - t.d / n**2 * t.v)

        def dot(t: Terms, lengths: Any = lengths) -> Any:
            return t.g / t.n * (t.w_bar - lengths(t)[1] / t.n**2 * t.v)

        def inner(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.g / t.n * (t.w_bar - t.d / n**2 * t.v)

        def gain(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.total(t.w_bar * t.v / n)

        def both_gain(t: Terms, lengths: Any = lengths) -> Any:
            n, d, _ = lengths(t)
            return d / n

        def dot_gain(t: Terms, lengths: Any = lengths) -> Any:
            return lengths(t)[1] / t.n

        yield Mistake(
            f"{which}_function", f"the norm is over {text}: w, and its own gradient", fix,
            {o: functools.partial(function, output=o) for o in OUTPUTS}, family="axis",
        )  # fmt: skip
        yield Mistake(
            f"{which}_norm", f"n is over {text}, d over the slice", fix,
            {"v_bar": norm, "g_bar": gain}, family="axis",
        )  # fmt: skip
        yield Mistake(
            f"{which}_norm_and_dot", f"n and d are over {text}", fix,
            {"v_bar": both, "g_bar": both_gain if which == "global" else gain}, family="axis",
        )  # fmt: skip
        yield Mistake(
            f"{which}_dot", f"d = <w_bar, v> is over {text}, n over the slice", fix,
            {"v_bar": dot}, family="axis",
        )  # fmt: skip
        yield Mistake(
            f"{which}_n2", f"n^2 below d is over {text}", fix, {"v_bar": inner}, family="axis",
        )  # fmt: skip
        if which == "global":  # no other sum has the shape of g
            yield Mistake(
                f"{which}_dot_in_g_bar", f"d = <w_bar, v> is over {text} in g_bar", fix,
                {"g_bar": dot_gain}, family="axis",
            )  # fmt: skip


# ---- index and plumbing -------------------------------------------------------------------------


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


_PLUMBING: tuple[tuple[str, str, str, dict[str, Rule], str], ...] = (
    ("w_for_v", "w in place of v in the whole of the backward",
     "keep v for the backward: it was overwritten by w, or w was saved in its place",
     {"v_bar": lambda t: _sliced_v(t, t.w(), t.w_bar).v_bar(),
      "g_bar": lambda t: _sliced_v(t, t.w(), t.w_bar).g_bar()},
     "the normalised weight written back into v"),
    ("norm_of_neighbour", "n of the neighbouring slice", "the index of the saved norm",
     {"v_bar": lambda t: t.g / _rolled(t.n, t) * (t.w_bar - t.d / _rolled(t.n, t)**2 * t.v),
      "g_bar": lambda t: t.d / _rolled(t.n, t)}, ""),
    ("dot_of_neighbour", "d of the neighbouring slice", "the index of d",
     {"v_bar": lambda t: t.g / t.n * (t.w_bar - _rolled(t.d, t) / t.n**2 * t.v)}, ""),
    ("g_of_neighbour", "g of the neighbouring slice", "the index of g",
     {"v_bar": lambda t: _rolled(t.g, t) / t.n * (t.w_bar - t.p),
      "w": lambda t: _rolled(t.g, t) * t.v / t.n}, ""),
    ("first_norm_for_all", "n of the first slice for every slice", "the index of the saved norm",
     {"v_bar": lambda t: t.g / t.n.flat[0] * (t.w_bar - t.d / t.n.flat[0]**2 * t.v),
      "g_bar": lambda t: t.d / t.n.flat[0], "w": lambda t: t.g * t.v / t.n.flat[0]}, ""),
    ("first_g_for_all", "g of the first slice for every slice", "the index of g",
     {"v_bar": lambda t: t.g.flat[0] / t.n * (t.w_bar - t.p),
      "w": lambda t: t.g.flat[0] * t.v / t.n}, ""),
    ("norm_without_last", "the last entry of each slice is missing from n and d",
     "the upper end of a loop or a block",
     {"v_bar": lambda t: _shortened(t).v_bar(t), "g_bar": lambda t: _shortened(t).g_bar(t)}, ""),
    ("dot_without_last", "the last entry of each slice is missing from d",
     "the upper end of a loop or a block",
     {"v_bar": lambda t: t.g / t.n * (t.w_bar - _shortened(t).d / t.n**2 * t.v),
      "g_bar": lambda t: _shortened(t).d / t.n}, ""),
    ("v_bar_is_w_dot", "v_bar = (g/n) w_bar + ... , the forward product in place of the pullback",
     "v_bar takes nothing from g_bar; it is not the tangent of w",
     {"v_bar": lambda t: t.v_bar() + t.g_bar() * t.v / t.n}, ""),
)  # fmt: skip


def _catalogue() -> tuple[Mistake, ...]:
    tables = (("v_bar", _V_BAR), ("g_bar", _G_BAR), ("w", _W))
    listed = [
        Mistake(name, formula, fix, {output: rule}, seen)
        for output, table in tables
        for name, formula, fix, rule, seen in table
    ]
    listed += [Mistake(name, text, fix, rules, seen) for name, text, fix, rules, seen in _PLUMBING]
    return (*listed, *itertools.chain(_length_mistakes(), _axis_mistakes()))


CATALOGUE: tuple[Mistake, ...] = _catalogue()
_BY_ID = {mistake.id: mistake for mistake in CATALOGUE}


def by_id(name: str) -> Mistake:
    """The mistake of that name. Raises KeyError where there is none."""
    return _BY_ID[name]


# ---- second order -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SecondMistake:
    """A wrong pullback of the pullback; A and B are the cotangents of v_bar and g_bar."""

    id: str
    formula: str
    fix: str
    seen_in: str
    rule: Callable[[Terms, Any, Any], tuple[Any, Any, Any, Any]]

    def compute(self, t: Terms, A: Any, B: Any) -> dict[str, Any]:
        """w_dot, by_w_bar, by_v and by_g, in the plain form."""
        return dict(zip(("w_dot", "by_w_bar", "by_v", "by_g"), self.rule(t, A, B), strict=True))


def _second(
    t: Terms, A: Any, B: Any, *, c: float = 1, s: float = 1, a: float = 1, bend: float = 1,
    b: float = 1, dot: float = 1,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """The right answers; each number is the factor of one term."""
    n, q, r = t.n, t.n**2, t.g / t.n
    AG, Av = t.total(A * t.w_bar), t.total(A * t.v)
    w_dot = r * (A - dot * Av / q * t.v) + B / n * t.v
    terms = s * t.d * A + a * Av * t.w_bar + c * AG * t.v
    by_v = -r * terms / q + bend * 3 * r * Av * t.d / q**2 * t.v
    by_v = by_v + B / n * (t.w_bar - b * t.d / q * t.v)
    return w_dot, w_dot, by_v, (AG - Av * t.d / q) / n


def _second_variant(**factors: float) -> Callable[[Terms, Any, Any], tuple[Any, Any, Any, Any]]:
    return lambda t, A, B: _second(t, A, B, **factors)


SECOND: tuple[SecondMistake, ...] = (
    SecondMistake(
        "second_frozen_norm", "the pullback differentiated with n held constant",
        "n depends on v there too: differentiate through it, or do not save it as a constant",
        "PyTorch, the fused kernel under create_graph", _second_variant(c=0, bend=0, b=0),
    ),
    SecondMistake(
        "second_no_bend", "the term 3 (g/n) (a s/n^4) v is missing from by_v",
        "differentiate 1/n^2 as well", "", _second_variant(bend=0),
    ),
    SecondMistake(
        "second_bend_once", "the term 3 (g/n) (a s/n^4) v counted once, not 3 times",
        "differentiate every n", "", _second_variant(bend=1 / 3),
    ),
    SecondMistake(
        "second_no_g_bar", "the cotangent of g_bar is not pulled back to v",
        "g_bar depends on v as well: add (B/n) (w_bar - (d/n^2) v)", "", _second_variant(b=0),
    ),
    SecondMistake(
        "second_no_c", "the term -(g/n) (c/n^2) v is missing from by_v",
        "differentiate g/n by v", "", _second_variant(c=0),
    ),
    SecondMistake(
        "product_no_projection", "w_dot = (g/n) v_dot + (g_dot/n) v",
        "subtract the component along v: (g/n) (v_dot - (<v, v_dot>/n^2) v)",
        "the derivative through the norm dropped", _second_variant(dot=0),
    ),
    SecondMistake(
        "product_sign", "w_dot = (g/n) (v_dot + (<v, v_dot>/n^2) v) + (g_dot/n) v",
        "the sign of the projection", "", _second_variant(dot=-1),
    ),
    SecondMistake(
        "product_no_g_dot", "g_dot is missing from w_dot", "add (g_dot/n) v", "",
        lambda t, A, B: _second(t, A, 0 * B),
    ),
)  # fmt: skip
