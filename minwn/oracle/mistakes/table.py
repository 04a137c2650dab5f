"""The mistakes: one row for each, and nothing of one anywhere else.

A row is all there is to say of a mistake: its id, its formula, how to mend it, what a learner reads
about it, and where it was seen. What the oracle compares an answer with, the mutant that commits
the mistake, and the learner's sentence are all made of the row. Where the formula that a report
prints is prose, or is not all, `lines` says what to compute; see `grammar`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..reference.slices import Axes, reduced_axes

__all__ = ["PLACES", "RIGHT", "ROWS", "SECOND_ROWS", "Row"]

# The right lines, as reports print them. A mistake is another right-hand side, or one of these with
# other numbers in it.
RIGHT = {
    "w": "g v/n",
    "v_bar": "(g/n) (w_bar - (d/n^2) v)",
    "g_bar": "d/n",
    "w_dot": "(g/n) (v_dot - (<v, v_dot>/n^2) v) + (g_dot/n) v",
    "by_w_bar": "(g/n) (A - (a/n^2) v) + (B/n) v",
    "by_v": "(g/n^3) ((3 a d/n^2) v - d A - a w_bar - c v) + (B/n) (w_bar - (d/n^2) v)",
    "by_g": "(c - a d/n^2)/n",
}


class Row(NamedTuple):
    """One mistake. Ids are permanent; a new row may stand in any table below.

    lines: what to compute, where the formula does not say it all. place: whose axes `over` takes
    """

    id: str
    formula: str
    fix: str
    sentence: str = ""
    seen_in: str = ""
    lines: str = ""
    place: str = ""


# ---- v_bar --------------------------------------------------------------------------------------

SUBTRACT = "subtract the component along v: v_bar = (g/n) (w_bar - (d/n^2) v), d = <w_bar, v>"
FACTOR = "multiply the whole bracket by g/n: v_bar = (g/n) (w_bar - (d/n^2) v)"
SQUARE = "divide d by n^2, the squared norm: v_bar = (g/n) (w_bar - (d/n^2) v)"
DOT = "take the dot product of the slice, d = <w_bar, v>: v_bar = (g/n) (w_bar - (d/n^2) v)"
MEAN = "sum where you take a mean: the cotangent is a sum"
INDEX = "put each g_bar where its slice is: mend the index"
SIGNED = "take no absolute value: it is signed"
GAIN = "compute g_bar = d/n, d = <w_bar, v>: one number for each slice"

_V_BAR = (
    Row("no_projection", "v_bar = (g/n) w_bar", SUBTRACT,
        "this is the gradient without the projection term: it treats n as a constant",
        "the derivative through the norm dropped: a detached norm; a complex step through |z|"),
    Row("missing_g", "v_bar = (1/n) (w_bar - (d/n^2) v)", FACTOR,
        "the gain g is missing from your v_bar", "homework; equal to the truth at g = 1"),
    Row("missing_1_over_n", "v_bar = g (w_bar - (d/n^2) v)", FACTOR,
        "your v_bar is not divided by n in front", "homework; equal to the truth at n = 1"),
    Row("missing_g_over_n", "v_bar = w_bar - (d/n^2) v", FACTOR,
        "your v_bar has no factor in front; where g = n nobody would notice",
        "homework; equal to the truth at the usual start g = n"),
    Row("no_projection_no_n", "v_bar = g w_bar", SUBTRACT,
        "your v_bar is g w_bar: both the length and the projection are missing"),
    Row("no_projection_no_g", "v_bar = w_bar/n", SUBTRACT,
        "your v_bar is w_bar / n: both the gain and the projection are missing"),
    Row("passed_through", "v_bar = w_bar", SUBTRACT, "your v_bar is w_bar, handed on unchanged",
        "a straight-through estimate; a hook that returns its cotangent"),
    Row("proj_n0", "v_bar = (g/n) (w_bar - d v)", SQUARE,
        "your projection does not divide by the length of v; that is right only for unit v",
        "the projection of a unit vector, used with v: right only where n = 1"),
    Row("proj_n1", "v_bar = (g/n) (w_bar - (d/n) v)", SQUARE,
        "your projection divides by n once; v occurs in it twice",
        "a root where its square is meant"),
    Row("proj_n3", "v_bar = (g/n) (w_bar - (d/n^3) v)", SQUARE,
        "your projection divides by n once too often", "divided by n once too often"),
    Row("proj_sign", "v_bar = (g/n) (w_bar + (d/n^2) v)", "turn the sign: " + SUBTRACT,
        "the sign of your projection term is wrong: it adds what it should take away",
        "caffe-windows 205"),
    Row("proj_half", "v_bar = (g/n) (w_bar - (1/2) (d/n^2) v)", SUBTRACT,
        "your projection term is half of what it should be; the 1/2 of a root is left",
        "the derivative of a root, its 1/2 kept"),
    Row("proj_twice", "v_bar = (g/n) (w_bar - 2 (d/n^2) v)", SUBTRACT,
        "your projection term is twice what it should be; the 2 of a square is left",
        "the derivative of the sum of squares, its 2 kept"),
    Row("proj_g_lost", "v_bar = (g/n) w_bar - (d/n^3) v", FACTOR,
        "the factor g / n in front reaches only one of your two terms",
        "the factor applied to one of two terms"),
    Row("proj_g_twice", "v_bar = (g/n) (w_bar - g (d/n^2) v)", FACTOR,
        "g occurs once too often in your projection term"),
    Row("proj_on_w", "v_bar = (g/n) (w_bar - <w_bar, w> w)",
        "project on the unit vector v/n, not on w: w is longer by g",
        "you project on w, but w is not of unit length: it is longer by g",
        "the formula of a unit vector, used with w"),
    Row("proj_uses_sum_not_dot", "v_bar = (g/n) (w_bar - (sum(w_bar)/n^2) v)", DOT,
        "your projection uses the sum of w_bar; it needs a dot product with v",
        "sum and mean confused with a dot product, as in layer norm"),
    Row("proj_uses_mean_not_dot", "v_bar = (g/n) (w_bar - mean(w_bar))", DOT,
        "you take away the mean of w_bar; that is layer normalisation",
        "the formula of layer norm"),
    Row("proj_dot_mean", "v_bar = (g/n) (w_bar - (d/(m n^2)) v)", DOT,
        "your dot product is a mean; it should be a sum",
        "mean in place of sum in the dot product"),
    Row("proj_abs", "v_bar = (g/n) (w_bar - (|d|/n^2) v)", DOT,
        "the dot product in your projection has lost its sign"),
    Row("proj_all_slices", "v_bar = (g/n) (w_bar - (sum of g_bar/n) v), the sum over all slices",
        "take g_bar of the same slice: v_bar = (g/n) (w_bar - (g_bar/n) v)",
        "your projection adds up the g_bar of all rows; each row has its own",
        lines="v_bar = (g/n) (w_bar - (grand_sum(d/n)/n) v)"),
    Row("proj_swapped", "v_bar = (g/n) (w_bar - (d/<w_bar, w_bar>) w_bar)", SUBTRACT,
        "you take away the part along w_bar; it should be the part along v",
        "the projection along w_bar, not along v"),
    Row("factor_n2", "v_bar = (g/n^2) (w_bar - (d/n^2) v)", FACTOR,
        "the factor in front of your v_bar has n squared", "the norm squared once too often"),
    Row("factor_g2", "v_bar = (g^2/n) (w_bar - (d/n^2) v)", FACTOR,
        "the factor in front of your v_bar has g squared"),
    Row("factor_inverted", "v_bar = (n/g) (w_bar - (d/n^2) v)", FACTOR,
        "the factor in front of your v_bar is upside down"),
    Row("factor_abs_g", "v_bar = (|g|/n) (w_bar - (d/n^2) v)",
        "g is signed: use g, not its absolute value",
        "your v_bar loses the sign of g; a gain may be negative", "a length taken for the gain"),
    Row("v_bar_negated", "v_bar = -(g/n) (w_bar - (d/n^2) v)", "turn the sign of v_bar",
        "your v_bar has the wrong sign: a gradient points uphill",
        "a descent direction returned in place of a gradient"),
    Row("v_bar_doubled", "v_bar = 2 (g/n) (w_bar - (d/n^2) v)",
        "add v_bar once: a second backward, or a consumer counted twice",
        "your v_bar is twice what it should be; something is added twice",
        "gradients added to those of the call before"),
    Row("v_bar_averaged", "v_bar divided by the number of slices", MEAN,
        "your v_bar is divided by the number of rows; a cotangent is no mean",
        lines="v_bar = (g/n) (w_bar - (d/n^2) v)/slices"),
    Row("v_bar_zero", "v_bar = 0", "write v_bar, and do not detach v", "your v_bar is zero",
        "a detached v"),
    Row("v_bar_only_projection", "v_bar = (g/n) (d/n^2) v", SUBTRACT,
        "your v_bar is the part along v: the part to be taken away",
        "the component along v kept, the rest removed"),
)

# ---- g_bar --------------------------------------------------------------------------------------

_G_BAR = (
    Row("g_bar_no_norm", "g_bar = d", GAIN,
        "your g_bar is <w_bar, v>: it is not divided by the length of v", "the norm forgotten"),
    Row("g_bar_n2", "g_bar = d/n^2", GAIN, "your g_bar is divided by n once too often",
        "the squared norm"),
    Row("g_bar_times_g", "g_bar = g d/n = <w_bar, w>",
        "use the unit vector, not w: g_bar = <w_bar, v/n>",
        "your g_bar is <w_bar, w>: it has a factor g too many", "w used in place of v/n"),
    Row("g_bar_over_g", "g_bar = d/(g n)", GAIN, "your g_bar is divided by g, too"),
    Row("g_bar_uses_sum", "g_bar = sum(w_bar)/n", GAIN,
        "your g_bar sums w_bar alone; v / n has to meet it in a dot product"),
    Row("g_bar_sum_w_bar", "g_bar = sum(w_bar)", GAIN,
        "your g_bar is the sum of w_bar: that would be the gradient of a bias",
        "the gradient of a bias"),
    Row("g_bar_mean", "g_bar = mean(w_bar v)/n", GAIN,
        "your g_bar takes a mean; it should be a sum", "mean for sum"),
    Row("g_bar_scalar_sum", "g_bar = sum over all slices of d/n",
        "keep one number for each slice: sum over the slice only",
        "your g_bar is summed over all rows; each row has its own", "summed to a scalar",
        lines="g_bar = grand_sum(d/n)"),
    Row("g_bar_averaged", "g_bar divided by the number of slices", MEAN,
        "your g_bar is divided by the number of rows",
        lines="g_bar = d/n/slices"),
    Row("g_bar_rolled", "g_bar of the neighbouring slice", INDEX,
        "your g_bar belongs to the neighbouring row",
        lines="g_bar = roll(d/n)"),
    Row("g_bar_rolled_back", "g_bar of the neighbouring slice", INDEX,
        "your g_bar belongs to the neighbouring row",
        lines="g_bar = roll(d/n, -1)"),
    Row("g_bar_reversed", "g_bar of the slices in reverse", INDEX,
        "the rows of your g_bar are in reverse",
        lines="g_bar = flip(d/n)"),
    Row("g_bar_ones", "g_bar = 1", GAIN, "your g_bar is 1 everywhere",
        "g set aside as a constant one"),
    Row("g_bar_zero", "g_bar = 0", "write g_bar, and do not detach g", "your g_bar is zero",
        "a g that is not trained"),
    Row("g_bar_negated", "g_bar = -d/n", "turn the sign of g_bar", "your g_bar has the wrong sign"),
    Row("g_bar_doubled", "g_bar = 2 d/n",
        "add g_bar once: a second backward, or a consumer counted twice",
        "your g_bar is twice what it should be"),
    Row("g_bar_abs", "g_bar = |d|/n", SIGNED, "your g_bar has lost its sign"),
    Row("g_bar_norm_of_w_bar", "g_bar = ||w_bar||", GAIN,
        "your g_bar is the length of w_bar; only its part along v counts"),
    Row("g_bar_times_sign_g", "g_bar = |g| d/(g n)", "g is signed: do not take its length",
        "the sign of g has slipped into your g_bar", "||w|| taken for the gain"),
)

# ---- w ------------------------------------------------------------------------------------------

WEIGHT = "compute w = g v/n, n = ||v|| over the slice"

_W = (
    Row("w_no_g", "w = v/n", WEIGHT, "your w has length 1: the gain g is missing"),
    Row("w_no_norm", "w = g v", WEIGHT, "your w is g v: it is not divided by the length of v"),
    Row("w_is_v", "w = v", WEIGHT, "your w is v itself"),
    Row("w_abs_g", "w = |g| v/n", SIGNED, "your w loses the sign of g; a gain may be negative"),
    Row("w_abs_v", "w = |v| g/n", SIGNED, "your w loses the signs of v"),
    Row("w_exp_g", "w = exp(g) v/n", "multiply by g itself: it is no logarithm",
        "your w uses e^g for the gain; here g is the gain itself",
        "the exponential scale of the paper's section 2.1"),
    Row("w_one_plus_g", "w = (1 + g) v/n", "multiply by g itself, without the 1",
        "your w uses 1 + g for the gain; here g is the gain itself",
        "a gain stored as its difference from 1"),
    Row("w_negated", "w = -g v/n", "turn the sign of w",
        "your w points the wrong way: a sign is lost"),
    Row("w_times_n", "w = g n v", WEIGHT,
        "your w is multiplied by the length of v, not divided by it", "multiplied, not divided"),
)

# ---- another gain -------------------------------------------------------------------------------

AS_IT_IS = "multiply by g itself, as it is given"
# Of each: what it is, and its derivative; the sentence.
_GAINS = {
    "gain_exp": ("exp(g)", "exp(g)", "you take g for a logarithm; here g is the gain itself"),
    "gain_softplus": ("softplus(g)", "sigmoid(g)", "your gain is log(1 + e^g); g itself is meant"),
    "gain_sigmoid": (
        "sigmoid(g)", "sigmoid(g) (1 - sigmoid(g))",
        "your gain is squeezed between 0 and 1; g itself is meant",
    ),
    "gain_tanh": (
        "tanh(g)", "(1 - tanh(g)^2)", "your gain is squeezed between -1 and 1; g itself is meant",
    ),
    "gain_squared": ("g^2", "2 g", "your gain is squared; g itself is meant"),
    "gain_abs": ("|g|", "sign(g)", "your gain has lost its sign; a gain may be negative"),
}


def _gain_rows() -> tuple[Row, ...]:
    return tuple(
        Row(id, f"w = {gain} v/n, and its own gradient", AS_IT_IS, sentence,
            lines=f"g_bar = {slope} d/n; g = {gain}; w; v_bar")
        for id, (gain, slope, sentence) in _GAINS.items()
    )


# ---- the right lines on wrong numbers ------------------------------------------------------------

UNCENTRED = "divide v itself by its length: leave its mean in"
END = "sum to the end of the slice: mend the upper end of the loop or the block"

_WIRING = (
    Row("w_for_v", "w in place of v in the whole of the backward",
        "keep v for the backward: it was overwritten by w, or w was saved in its place",
        "you use w where v is meant", "the normalised weight written back into v",
        lines="v = w; v_bar; g_bar"),
    Row("v_centred", "v - mean(v) in place of v", UNCENTRED,
        "you take the mean of v away first; weight normalisation leaves it in",
        "weight standardisation", "v = v - mean(v); w; v_bar; g_bar"),
    Row("norm_of_w_bar", "n = ||w_bar|| in the whole of the backward",
        "take the length of v: n = ||v||", "your length is that of w_bar; it is that of v",
        "w_bar and v taken for each other", "n = norm(w_bar); v_bar; g_bar"),
    Row("norm_of_neighbour", "n of the neighbouring slice",
        "use n of the same slice: mend its index",
        "the length is that of the neighbouring row", lines="n = roll(n); v_bar; g_bar"),
    Row("dot_of_neighbour", "d of the neighbouring slice",
        "use d of the same slice: mend its index",
        "the dot product is that of the neighbouring row", lines="d = roll(d); v_bar"),
    Row("g_of_neighbour", "g of the neighbouring slice", "use g of the same slice: mend its index",
        "the gain is that of the neighbouring row", lines="g = roll(g); w; v_bar"),
    Row("first_norm_for_all", "n of the first slice for every slice",
        "use n of the same slice: keep one norm for each",
        "the length of the first row is used for every row", lines="n = first(n); w; v_bar; g_bar"),
    Row("first_g_for_all", "g of the first slice for every slice",
        "use g of the same slice: keep one gain for each",
        "the gain of the first row is used for every row", lines="g = first(g); w; v_bar"),
    Row("norm_without_last", "the last entry of each slice is missing from n and d", END,
        "the last entry of each row is left out of the length",
        lines="n = norm(but_last(v)); d = <w_bar, but_last(v)>; v_bar; g_bar"),
    Row("dot_without_last", "the last entry of each slice is missing from d", END,
        "the last entry of each row is left out of the dot product",
        lines="d = <w_bar, but_last(v)>; v_bar; g_bar"),
    Row("divided_by_m", "v_bar and g_bar divided by m, the entries of a slice", MEAN,
        "your gradients are divided by the number of entries in a row; a cotangent is no mean",
        lines="v_bar = (1/m) (g/n) (w_bar - (d/n^2) v); g_bar = d/(m n)"),
    Row("v_bar_is_w_dot",
        "v_bar = (g/n) w_bar + ... , the forward product in place of the pullback",
        "take g_bar v/n out again: v_bar is no tangent of w",
        "your v_bar pushes forward; a cotangent is pulled back",
        lines="v_bar = (g/n) (w_bar - (d/n^2) v) + (d/n) v/n"),
)

# ---- another length ------------------------------------------------------------------------------

ROOT = "take the root of the sum of squares for the length of a slice: n = sqrt(sum v^2)"

# Of each: what it is, n, and n dh/dv, which is v where n is the length; the two sentences; seen in.
_LENGTHS = {
    "norm_squared": (
        "sum v^2, without the root", "sum(v v)", "2 n v",
        "you divide by the sum of squares: the root is missing",
        "your length is the sum of squares: the root is missing", "a docstring of Equinox",
    ),
    "norm_l1": (
        "sum |v|", "sum(|v|)", "n sign(v)",
        "you divide by the sum of |v|; the length meant is the root of the sum of squares",
        "your length is the sum of |v|; meant is the root of the sum of squares", "",
    ),
    "norm_mean": (
        "sqrt(mean v^2)", "sqrt(mean(v v))", "v/m",
        "your length is the root of a mean of squares; a sum is meant",
        "your length is the root of a mean of squares; a sum is meant",
        "a root mean square in place of a norm",
    ),
    "norm_std": (
        "the standard deviation of v", "sqrt(mean((v - mean(v)) (v - mean(v))))", "(v - mean(v))/m",
        "you divide by the standard deviation of v; the root of its sum of squares is meant",
        "your length is the standard deviation of v; the root of its sum of squares is meant",
        "v.std(), as in weight standardisation",
    ),
    "norm_max": (
        "max |v|", "max(|v|)", "n top(v)",
        "your length is the largest |v|; the root of a sum of squares is meant",
        "your length is the largest |v|; the root of a sum of squares is meant", "",
    ),
    "norm_but_last": (
        "the norm of all entries but the last", "norm(but_last(v))", "but_last(v)",
        "the last entry of each row is left out of the length",
        "the last entry of each row is left out of the length", "a loop that ends too early",
    ),
    "norm_of_first": (
        "the norm of the first entry or channel alone", "norm(first_part(v))", "first_part(v)",
        "your length is that of the first channel; it runs over all of them",
        "your length is that of the first channel; it runs over all of them", "v[:, 0]",
    ),
}


def _length_rows() -> tuple[Row, ...]:
    found = []
    for id, (text, n, along, of_function, in_formula, seen_in) in _LENGTHS.items():
        found += [
            Row(id, f"the length of a slice is {text}: w, and its own gradient", ROOT, of_function,
                seen_in, f"n = {n}; along = {along}; w; v_bar; g_bar"),
            Row(f"{id}_in_formula", f"v_bar = (g/n) (w_bar - (d/n^2) v) with {text} for n", ROOT,
                in_formula, seen_in, f"n = {n}; v_bar; g_bar"),
        ]
    return tuple(found)


# ---- other axes ----------------------------------------------------------------------------------

KEEP = "sum over every axis but the kept one: axis=tuple of the others, keepdims=True"
# What a sum is over, and of v's rank and its own kept axes, the axes that keep a norm there; None
# where the mistake cannot be made.
PLACES: dict[str, tuple[str, Callable[[int, tuple[int, ...]], Axes]]] = {
    "global": ("the whole array", lambda rank, own: () if own else None),
    "first_only": ("axis 0 only", lambda rank, own: reduced_axes((0,), rank) if rank > 1 else None),
    "flipped": (
        "the slices of the mirrored axis (rows for columns)",
        lambda rank, own: (rank - 1 - own[0],) if own else None,
    ),
    "first": ("the slices of axis 0", lambda rank, own: (0,) if rank else None),
    "second": ("the slices of axis 1", lambda rank, own: (1,) if rank > 1 else None),
    "last": ("the slices of the last axis", lambda rank, own: (rank - 1,) if rank else None),
    "elementwise": ("each entry alone", lambda rank, own: tuple(range(rank))),
    "rank": (  # a matrix is right, anything longer is summed over axis 1 only
        "axis 1 only, whatever the rank",
        lambda rank, own: reduced_axes((1,), rank) if rank > 2 else own,
    ),
    "last_only": (
        "the last axis only, whatever the rank",
        lambda rank, own: reduced_axes((rank - 1,), rank) if rank > 2 else own,
    ),
}
# id, formula and lines, where {} is the place, `over` a sum over it, and N and V are n and along of
# it.
_VARIANTS = {
    "function": (
        "the norm is over {}: w, and its own gradient",
        "n = N; w; D = over(g w_bar v); along = V; v_bar = (g/n) w_bar - (D/n^3) v; "
        "g_bar = sum(w_bar v/n)",
    ),
    "norm": (
        "n is over {}, d over the slice", "n = N; along = V; v_bar; g_bar = sum(w_bar v/n)",
    ),
    "norm_and_dot": (
        "n and d are over {}",
        "n = N; along = V; d = over(w_bar v); v_bar; g_bar = sum(w_bar v/n)",
    ),
    "dot": ("d = <w_bar, v> is over {}, n over the slice", "d = over(w_bar v); v_bar"),
    "n2": ("n^2 below d is over {}", "v_bar = (g/n) (w_bar - (d/N^2) v)"),
}
_OF_ALL = {  # no other sum has the shape of g
    "norm_and_dot": (
        "n and d are over {}", "n = N; along = V; d = over(w_bar v); v_bar; g_bar",
    ),
    "dot_in_g_bar": ("d = <w_bar, v> is over {} in g_bar", "d = over(w_bar v); g_bar"),
}


def _axis_rows() -> tuple[Row, ...]:
    return tuple(
        Row(f"{place}_{variant}", formula.format(text), KEEP, lines=lines, place=place)
        for place, (text, _) in PLACES.items()
        for variant, (formula, lines) in
        (_VARIANTS | _OF_ALL if place == "global" else _VARIANTS).items()
    )


# ---- the forward product, and the pullback of the pullback ---------------------------------------

SECOND_ROWS = (
    Row("second_frozen_norm", "the pullback differentiated with n held constant",
        "n depends on v there too: differentiate through it, or do not save it as a constant",
        seen_in="PyTorch, the fused kernel under create_graph",
        lines="by_v = (B/n) w_bar - (g/n^3) (d A + a w_bar)"),
    Row("second_no_bend", "the term 3 (g/n) (a s/n^4) v is missing from by_v",
        "differentiate 1/n^2 as well",
        lines="by_v = (B/n) (w_bar - (d/n^2) v) - (g/n^3) (d A + a w_bar + c v)"),
    Row("second_bend_once", "the term 3 (g/n) (a s/n^4) v counted once, not 3 times",
        "differentiate every n",
        lines="by_v = (B/n) (w_bar - (d/n^2) v) - (g/n^3) (d A + a w_bar + c v) + (g a d/n^5) v"),
    Row("second_no_g_bar", "the cotangent of g_bar is not pulled back to v",
        "g_bar depends on v as well: add (B/n) (w_bar - (d/n^2) v)",
        lines="by_v = 3 (g a d/n^5) v - (g/n^3) (d A + a w_bar + c v)"),
    Row("second_g_bar_no_projection", "the cotangent of g_bar is pulled back to v as (B/n) w_bar",
        "differentiate 1/n as well: (B/n) (w_bar - (d/n^2) v)",
        seen_in="the norm in g_bar held constant",
        lines="by_v = (B/n) w_bar - (g/n^3) (d A + a w_bar + c v) + 3 (g a d/n^5) v"),
    Row("second_no_c", "the term -(g/n) (c/n^2) v is missing from by_v", "differentiate g/n by v",
        lines="by_v = (B/n) (w_bar - (d/n^2) v) - (g/n^3) (d A + a w_bar) + 3 (g a d/n^5) v"),
    Row("product_no_projection", "w_dot = (g/n) v_dot + (g_dot/n) v",
        "subtract the component along v: (g/n) (v_dot - (<v, v_dot>/n^2) v)",
        seen_in="the derivative through the norm dropped"),
    Row("product_sign", "w_dot = (g/n) (v_dot + (<v, v_dot>/n^2) v) + (g_dot/n) v",
        "subtract the component along v, do not add it"),
    Row("product_no_g_dot", "g_dot is missing from w_dot", "add (g_dot/n) v",
        lines="g_dot = 0; w_dot; B = 0; by_v"),
)

ROWS = (
    *_V_BAR, *_G_BAR, *_W, *_gain_rows(), *_WIRING, *_length_rows(), *_axis_rows(),
)
