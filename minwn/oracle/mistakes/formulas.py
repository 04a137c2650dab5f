"""Wrong right-hand sides of one line: of v_bar, of g_bar, or of w."""

from __future__ import annotations

import numpy as np

from .terms import Mistake, Rule

__all__ = ["FORMULAS"]

# ---- v_bar --------------------------------------------------------------------------------------

SUBTRACT = "subtract the component along v: v_bar = (g/n) (w_bar - (d/n^2) v), d = <w_bar, v>"
FACTOR = "multiply the whole bracket by g/n: v_bar = (g/n) (w_bar - (d/n^2) v)"
SQUARE = "divide d by n^2, the squared norm: v_bar = (g/n) (w_bar - (d/n^2) v)"
DOT = "take the dot product of the slice, d = <w_bar, v>: v_bar = (g/n) (w_bar - (d/n^2) v)"
MEAN = "sum where you take a mean: the cotangent is a sum"
INDEX = "put each g_bar where its slice is: mend the index"
SIGNED = "take no absolute value: it is signed"
GAIN = "compute g_bar = d/n, d = <w_bar, v>: one number for each slice"

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
    ("proj_sign", "v_bar = (g/n) (w_bar + (d/n^2) v)", "turn the sign: " + SUBTRACT,
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
    ("v_bar_negated", "v_bar = -(g/n) (w_bar - (d/n^2) v)", "turn the sign of v_bar",
     lambda t: -t.v_bar(), "a descent direction returned in place of a gradient"),
    ("v_bar_doubled", "v_bar = 2 (g/n) (w_bar - (d/n^2) v)",
     "add v_bar once: a second backward, or a consumer counted twice",
     lambda t: 2 * t.v_bar(), "gradients added to those of the call before"),
    ("v_bar_averaged", "v_bar divided by the number of slices",
     MEAN, lambda t: t.v_bar() / max(t.n.size, 1), ""),
    ("v_bar_zero", "v_bar = 0", "write v_bar, and do not detach v",
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
     MEAN, lambda t: t.g_bar() / max(t.n.size, 1), ""),
    ("g_bar_rolled", "g_bar of the neighbouring slice", INDEX,
     lambda t: np.roll(t.g_bar(), 1, axis=t.axes[0] if t.axes and t.g.ndim else None), ""),
    ("g_bar_rolled_back", "g_bar of the neighbouring slice", INDEX,
     lambda t: np.roll(t.g_bar(), -1, axis=t.axes[0] if t.axes and t.g.ndim else None), ""),
    ("g_bar_reversed", "g_bar of the slices in reverse", INDEX,
     lambda t: np.flip(t.g_bar()), ""),
    ("g_bar_ones", "g_bar = 1", GAIN, lambda t: 1 + 0 * t.g, "g set aside as a constant one"),
    ("g_bar_zero", "g_bar = 0", "write g_bar, and do not detach g",
     lambda t: 0 * t.g, "a g that is not trained"),
    ("g_bar_negated", "g_bar = -d/n", "turn the sign of g_bar", lambda t: -t.g_bar(), ""),
    ("g_bar_doubled", "g_bar = 2 d/n",
     "add g_bar once: a second backward, or a consumer counted twice",
     lambda t: 2 * t.g_bar(), ""),
    ("g_bar_abs", "g_bar = |d|/n", SIGNED, lambda t: abs(t.g_bar()), ""),
    ("g_bar_norm_of_w_bar", "g_bar = ||w_bar||", GAIN,
     lambda t: np.sqrt(t.total(t.w_bar * t.w_bar)), ""),
    ("g_bar_times_sign_g", "g_bar = |g| d/(g n)", "g is signed: do not take its length",
     lambda t: np.sign(t.g) * t.g_bar(), "||w|| taken for the gain"),
)  # fmt: skip

# ---- w ------------------------------------------------------------------------------------------

WEIGHT = "compute w = g v/n, n = ||v|| over the slice"

_W: tuple[tuple[str, str, str, Rule, str], ...] = (
    ("w_no_g", "w = v/n", WEIGHT, lambda t: t.v / t.h, ""),
    ("w_no_norm", "w = g v", WEIGHT, lambda t: t.g * t.v, ""),
    ("w_is_v", "w = v", WEIGHT, lambda t: t.v, ""),
    ("w_abs_g", "w = |g| v/n", SIGNED, lambda t: abs(t.g) * t.v / t.h, ""),
    ("w_exp_g", "w = exp(g) v/n", "multiply by g itself: it is no logarithm",
     lambda t: np.exp(t.g) * t.v / t.h, "the exponential scale of the paper's section 2.1"),
    ("w_one_plus_g", "w = (1 + g) v/n", "multiply by g itself, without the 1",
     lambda t: (1 + t.g) * t.v / t.h, "a gain stored as its difference from 1"),
    ("w_negated", "w = -g v/n", "turn the sign of w", lambda t: -t.w(), ""),
    ("w_times_n", "w = g n v", WEIGHT, lambda t: t.g * t.n * t.v, "multiplied, not divided"),
)  # fmt: skip


def _listed(output: str, table: tuple[tuple[str, str, str, Rule, str], ...]) -> list[Mistake]:
    return [Mistake(name, text, fix, {output: rule}, seen) for name, text, fix, rule, seen in table]


FORMULAS = (*_listed("v_bar", _V_BAR), *_listed("g_bar", _G_BAR), *_listed("w", _W))
