"""Wrong right-hand sides of one line: of v_bar, of g_bar, or of w.

A row is all there is to say of a mistake: its id, its formula, how to mend it, what a learner reads
about it, and where it was seen. Its function, and the mutant that commits it, are read from the
formula; see `grammar`.
"""

from __future__ import annotations

from typing import Any

from .grammar import python
from .terms import Mistake, Rule, Terms

__all__ = ["FORMULAS"]

Row = tuple[str, str, str, str, str]

# ---- v_bar --------------------------------------------------------------------------------------

SUBTRACT = "subtract the component along v: v_bar = (g/n) (w_bar - (d/n^2) v), d = <w_bar, v>"
FACTOR = "multiply the whole bracket by g/n: v_bar = (g/n) (w_bar - (d/n^2) v)"
SQUARE = "divide d by n^2, the squared norm: v_bar = (g/n) (w_bar - (d/n^2) v)"
DOT = "take the dot product of the slice, d = <w_bar, v>: v_bar = (g/n) (w_bar - (d/n^2) v)"
MEAN = "sum where you take a mean: the cotangent is a sum"
INDEX = "put each g_bar where its slice is: mend the index"
SIGNED = "take no absolute value: it is signed"
GAIN = "compute g_bar = d/n, d = <w_bar, v>: one number for each slice"

_V_BAR: tuple[Row, ...] = (
    ("no_projection", "v_bar = (g/n) w_bar", SUBTRACT,
     "this is the gradient without the projection term: it treats n as a constant",
     "the derivative through the norm dropped: a detached norm; a complex step through |z|"),
    ("missing_g", "v_bar = (1/n) (w_bar - (d/n^2) v)", FACTOR,
     "the gain g is missing from your v_bar", "homework; equal to the truth at g = 1"),
    ("missing_1_over_n", "v_bar = g (w_bar - (d/n^2) v)", FACTOR,
     "your v_bar is not divided by n in front", "homework; equal to the truth at n = 1"),
    ("missing_g_over_n", "v_bar = w_bar - (d/n^2) v", FACTOR,
     "your v_bar has no factor in front; where g = n nobody would notice",
     "homework; equal to the truth at the usual start g = n"),
    ("no_projection_no_n", "v_bar = g w_bar", SUBTRACT,
     "your v_bar is g w_bar: both the length and the projection are missing", ""),
    ("no_projection_no_g", "v_bar = w_bar/n", SUBTRACT,
     "your v_bar is w_bar / n: both the gain and the projection are missing", ""),
    ("passed_through", "v_bar = w_bar", SUBTRACT, "your v_bar is w_bar, handed on unchanged",
     "a straight-through estimate; a hook that returns its cotangent"),
    ("proj_n0", "v_bar = (g/n) (w_bar - d v)", SQUARE,
     "your projection does not divide by the length of v; that is right only for unit v",
     "the projection of a unit vector, used with v: right only where n = 1"),
    ("proj_n1", "v_bar = (g/n) (w_bar - (d/n) v)", SQUARE,
     "your projection divides by n once; v occurs in it twice", "a root where its square is meant"),
    ("proj_n3", "v_bar = (g/n) (w_bar - (d/n^3) v)", SQUARE,
     "your projection divides by n once too often", "divided by n once too often"),
    ("proj_sign", "v_bar = (g/n) (w_bar + (d/n^2) v)", "turn the sign: " + SUBTRACT,
     "the sign of your projection term is wrong: it adds what it should take away",
     "caffe-windows 205"),
    ("proj_half", "v_bar = (g/n) (w_bar - (1/2) (d/n^2) v)", SUBTRACT,
     "your projection term is half of what it should be; the 1/2 of a root is left",
     "the derivative of a root, its 1/2 kept"),
    ("proj_twice", "v_bar = (g/n) (w_bar - 2 (d/n^2) v)", SUBTRACT,
     "your projection term is twice what it should be; the 2 of a square is left",
     "the derivative of the sum of squares, its 2 kept"),
    ("proj_g_lost", "v_bar = (g/n) w_bar - (d/n^3) v", FACTOR,
     "the factor g / n in front reaches only one of your two terms",
     "the factor applied to one of two terms"),
    ("proj_g_twice", "v_bar = (g/n) (w_bar - g (d/n^2) v)", FACTOR,
     "g occurs once too often in your projection term", ""),
    ("proj_on_w", "v_bar = (g/n) (w_bar - <w_bar, w> w)",
     "project on the unit vector v/n, not on w: w is longer by g",
     "you project on w, but w is not of unit length: it is longer by g",
     "the formula of a unit vector, used with w"),
    ("proj_uses_sum_not_dot", "v_bar = (g/n) (w_bar - (sum(w_bar)/n^2) v)", DOT,
     "your projection uses the sum of w_bar; it needs a dot product with v",
     "sum and mean confused with a dot product, as in layer norm"),
    ("proj_uses_mean_not_dot", "v_bar = (g/n) (w_bar - mean(w_bar))", DOT,
     "you take away the mean of w_bar; that is layer normalisation", "the formula of layer norm"),
    ("proj_dot_mean", "v_bar = (g/n) (w_bar - (d/(m n^2)) v)", DOT,
     "your dot product is a mean; it should be a sum", "mean in place of sum in the dot product"),
    ("proj_abs", "v_bar = (g/n) (w_bar - (|d|/n^2) v)", DOT,
     "the dot product in your projection has lost its sign", ""),
    ("proj_swapped", "v_bar = (g/n) (w_bar - (d/<w_bar, w_bar>) w_bar)", SUBTRACT,
     "you take away the part along w_bar; it should be the part along v",
     "the projection along w_bar, not along v"),
    ("factor_n2", "v_bar = (g/n^2) (w_bar - (d/n^2) v)", FACTOR,
     "the factor in front of your v_bar has n squared", "the norm squared once too often"),
    ("factor_g2", "v_bar = (g^2/n) (w_bar - (d/n^2) v)", FACTOR,
     "the factor in front of your v_bar has g squared", ""),
    ("factor_inverted", "v_bar = (n/g) (w_bar - (d/n^2) v)", FACTOR,
     "the factor in front of your v_bar is upside down", ""),
    ("factor_abs_g", "v_bar = (|g|/n) (w_bar - (d/n^2) v)",
     "g is signed: use g, not its absolute value",
     "your v_bar loses the sign of g; a gain may be negative", "a length taken for the gain"),
    ("v_bar_negated", "v_bar = -(g/n) (w_bar - (d/n^2) v)", "turn the sign of v_bar",
     "your v_bar has the wrong sign: a gradient points uphill",
     "a descent direction returned in place of a gradient"),
    ("v_bar_doubled", "v_bar = 2 (g/n) (w_bar - (d/n^2) v)",
     "add v_bar once: a second backward, or a consumer counted twice",
     "your v_bar is twice what it should be; something is added twice",
     "gradients added to those of the call before"),
    ("v_bar_averaged", "v_bar divided by the number of slices", MEAN,
     "your v_bar is divided by the number of rows; a cotangent is no mean", ""),
    ("v_bar_zero", "v_bar = 0", "write v_bar, and do not detach v", "your v_bar is zero",
     "a detached v"),
    ("v_bar_only_projection", "v_bar = (g/n) (d/n^2) v", SUBTRACT,
     "your v_bar is the part along v: the part to be taken away",
     "the component along v kept, the rest removed"),
)

# ---- g_bar --------------------------------------------------------------------------------------

_G_BAR: tuple[Row, ...] = (
    ("g_bar_no_norm", "g_bar = d", GAIN,
     "your g_bar is <w_bar, v>: it is not divided by the length of v", "the norm forgotten"),
    ("g_bar_n2", "g_bar = d/n^2", GAIN, "your g_bar is divided by n once too often",
     "the squared norm"),
    ("g_bar_times_g", "g_bar = g d/n = <w_bar, w>",
     "use the unit vector, not w: g_bar = <w_bar, v/n>",
     "your g_bar is <w_bar, w>: it has a factor g too many", "w used in place of v/n"),
    ("g_bar_over_g", "g_bar = d/(g n)", GAIN, "your g_bar is divided by g, too", ""),
    ("g_bar_uses_sum", "g_bar = sum(w_bar)/n", GAIN,
     "your g_bar sums w_bar alone; v / n has to meet it in a dot product", ""),
    ("g_bar_sum_w_bar", "g_bar = sum(w_bar)", GAIN,
     "your g_bar is the sum of w_bar: that would be the gradient of a bias",
     "the gradient of a bias"),
    ("g_bar_mean", "g_bar = mean(w_bar v)/n", GAIN, "your g_bar takes a mean; it should be a sum",
     "mean for sum"),
    ("g_bar_scalar_sum", "g_bar = sum over all slices of d/n",
     "keep one number for each slice: sum over the slice only",
     "your g_bar is summed over all rows; each row has its own", "summed to a scalar"),
    ("g_bar_averaged", "g_bar divided by the number of slices", MEAN,
     "your g_bar is divided by the number of rows", ""),
    ("g_bar_rolled", "g_bar of the neighbouring slice", INDEX,
     "your g_bar belongs to the neighbouring row", ""),
    ("g_bar_rolled_back", "g_bar of the neighbouring slice", INDEX,
     "your g_bar belongs to the neighbouring row", ""),
    ("g_bar_reversed", "g_bar of the slices in reverse", INDEX,
     "the rows of your g_bar are in reverse", ""),
    ("g_bar_ones", "g_bar = 1", GAIN, "your g_bar is 1 everywhere",
     "g set aside as a constant one"),
    ("g_bar_zero", "g_bar = 0", "write g_bar, and do not detach g", "your g_bar is zero",
     "a g that is not trained"),
    ("g_bar_negated", "g_bar = -d/n", "turn the sign of g_bar", "your g_bar has the wrong sign",
     ""),
    ("g_bar_doubled", "g_bar = 2 d/n",
     "add g_bar once: a second backward, or a consumer counted twice",
     "your g_bar is twice what it should be", ""),
    ("g_bar_abs", "g_bar = |d|/n", SIGNED, "your g_bar has lost its sign", ""),
    ("g_bar_norm_of_w_bar", "g_bar = ||w_bar||", GAIN,
     "your g_bar is the length of w_bar; only its part along v counts", ""),
    ("g_bar_times_sign_g", "g_bar = |g| d/(g n)", "g is signed: do not take its length",
     "the sign of g has slipped into your g_bar", "||w|| taken for the gain"),
)

# ---- w ------------------------------------------------------------------------------------------

WEIGHT = "compute w = g v/n, n = ||v|| over the slice"

_W: tuple[Row, ...] = (
    ("w_no_g", "w = v/n", WEIGHT, "your w has length 1: the gain g is missing", ""),
    ("w_no_norm", "w = g v", WEIGHT, "your w is g v: it is not divided by the length of v", ""),
    ("w_is_v", "w = v", WEIGHT, "your w is v itself", ""),
    ("w_abs_g", "w = |g| v/n", SIGNED, "your w loses the sign of g; a gain may be negative", ""),
    ("w_exp_g", "w = exp(g) v/n", "multiply by g itself: it is no logarithm",
     "your w uses e^g for the gain; here g is the gain itself",
     "the exponential scale of the paper's section 2.1"),
    ("w_one_plus_g", "w = (1 + g) v/n", "multiply by g itself, without the 1",
     "your w uses 1 + g for the gain; here g is the gain itself",
     "a gain stored as its difference from 1"),
    ("w_negated", "w = -g v/n", "turn the sign of w", "your w points the wrong way: a sign is lost",
     ""),
    ("w_times_n", "w = g n v", WEIGHT, "your w is multiplied by the length of v, not divided by it",
     "multiplied, not divided"),
)

# Rows whose text is no formula, and the formula to read in its place.
READ = {
    "v_bar_averaged": "(g/n) (w_bar - (d/n^2) v)/slices",
    "g_bar_scalar_sum": "grand_sum(d/n)",
    "g_bar_averaged": "d/n/slices",
    "g_bar_rolled": "roll(d/n)",
    "g_bar_rolled_back": "roll(d/n, -1)",
    "g_bar_reversed": "flip(d/n)",
}


def _listed(output: str, table: tuple[Row, ...]) -> list[Mistake]:
    return [_mistake(output, *row) for row in table]


def _mistake(output: str, id: str, formula: str, fix: str, sentence: str, seen_in: str) -> Mistake:
    text = READ.get(id) or formula.split(" = ")[1]
    rule = _rule(python(text, v="along" if output == "v_bar" else "v"))
    return Mistake(
        id, formula, fix, {output: rule}, seen_in, sentence=sentence, code={output: python(text)}
    )


def _rule(code: str) -> Rule:
    compiled = compile(code, code, "eval")

    def rule(t: Terms) -> Any:
        return eval(compiled, t.names)

    return rule


FORMULAS = (*_listed("v_bar", _V_BAR), *_listed("g_bar", _G_BAR), *_listed("w", _W))
