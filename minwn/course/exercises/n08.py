"""Exercises of notebook 8: the edge of the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...byhand.weight_norm import vjp
from ...oracle import expected
from ..exercise import Exercise
from ..judges import choice, function, number, same

__all__ = ["EXERCISES", "PLACES"]

PLACES = ("inside", "outside", "max")


def _n(v: np.ndarray) -> np.ndarray:
    return np.sqrt((v * v).sum(axis=1, keepdims=True))


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(axis=1, keepdims=True)


def _plain(v: np.ndarray, g: np.ndarray) -> np.ndarray:
    return g * v / _n(v)


def _largest(v: np.ndarray) -> np.ndarray:
    return np.abs(v).max(axis=1, keepdims=True)


# ---- any size -----------------------------------------------------------------------------------

SIZES = (  # of the three rows of v, and what they are called
    ((1.0, 1.0, 1.0), "of ordinary size"),
    ((1e200, 1e200, 1e200), "of size 1e200"),
    ((1e-200, 1e-200, 1e-200), "of size 1e-200"),
    ((1e200, 1.0, 1e-200), "of the sizes 1e200, 1 and 1e-200, one row each"),
)
SAFE_ERRORS = (
    (
        lambda v, g: _plain(v / v.max(axis=1, keepdims=True), g),
        "a row whose largest entry is negative is turned round: scale by an amount, without sign",
    ),
    (
        lambda v, g: _plain(v / v.sum(axis=1, keepdims=True), g),
        "a row with a negative sum is turned round: scale by an amount, without sign",
    ),
    (
        lambda v, g: _plain(v / np.abs(v).max(axis=0), g),
        "you scale each column by its own number, which turns the rows; scale each row",
    ),
    (
        lambda v, g: g * v / _n(v / _largest(v)),
        "your length is that of the scaled row, but what you divide by it is not scaled",
    ),
    (
        lambda v, g: g * (v / _largest(v)) / _n(v),
        "the row is scaled, but the length that divides it is that of the row before",
    ),
    (lambda v, g: g * v / _largest(v), "you divide by the largest entry, which is no length"),
    (lambda v, g: v / _largest(v), "this is the scaled row; now treat it as you would treat v"),
    (lambda v, g: v / _n(v), "the gain g is missing"),
)


def _rows(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    v, g, _ = _point(rng)
    v[1] = -abs(v[1])
    return v, g


def judge_safe(answer: Any) -> str | None:
    """First at numbers near 1, then for rows of every size."""
    with np.errstate(all="ignore"):
        message = function(
            _plain, _rows, "your w", common_errors=SAFE_ERRORS, examples=(
                ((np.array([[3.0, -4.0]]), np.array([[10.0]])), "w must be [[6, -8]]"),
            ),
        )(answer)
        return message or _sized(answer)


def _sized(answer: Any) -> str | None:
    v, g = _rows(np.random.default_rng(8))
    for sizes, called in SIZES:
        big = v * np.array(sizes)[:, None]
        got = np.asarray(answer(big.copy(), g.copy()), dtype="float64").reshape(v.shape)
        right = _plain(v, g)
        for k, row in enumerate(got):
            where = f"in row {k} of rows {called}" if len(set(sizes)) > 1 else f"for rows {called}"
            if same(row, right[k]) is None:
                continue
            if np.isnan(row).any():
                return f"{where} your w is NaN: something was divided by 0, or infinity by infinity"
            if np.isinf(row).any():
                return f"{where} your w is infinite: a length has become 0 on the way"
            if not row.any():
                return f"{where} your w is 0: a square has become infinite on the way"
            return f"{where} your w has the length {np.linalg.norm(row):.3g}, not |g|"
    return None


# ---- half precision -----------------------------------------------------------------------------


def judge_half(answer: Any) -> str | None:
    """float16 in and out, and rounded once: half a unit in the last place."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    rng = np.random.default_rng(16)
    g = np.tile(np.array([[1.7], [-0.6], [2.9]], dtype="float16"), (20, 1))
    worst, where = 0.0, ""
    for size in (1.0, 300.0, 30000.0, 2e-4, 2e-7):
        v = np.clip(rng.normal(size=(len(g), 16)) * size, -6e4, 6e4).astype("float16")
        v[:, 0] = np.maximum(v[:, 0], np.float16(6e-8))  # no row of zeros
        with np.errstate(all="ignore"):
            got = np.asarray(answer(v.copy(), g.copy()))
        if got.shape != v.shape:
            return f"your w has shape {got.shape}, and {v.shape} is asked for"
        if got.dtype != np.float16:
            return f"your w is {got.dtype}; what comes in as float16 must go out as float16"
        wide = v.astype("float64")
        right = np.asarray(expected(wide, g.astype("float64"), wide).w)
        x = got.astype("float64")
        called = f"where the entries of v are about {size:g}"
        if np.isnan(x).any():
            return f"{called} your w is NaN: infinity was divided by infinity"
        if np.isinf(x).any():
            return f"{called} your w is infinite: a length has become 0 on the way"
        if not x.any(axis=1).all():
            reason = ": on the way a number above 65504 became infinite, and something was divided "
            return f"{called} your w is 0" + (f"{reason}by it" if size > 1 else " in a whole row")
        unit = np.spacing(np.abs(right).astype("float16")).astype("float64")
        error = float((np.abs(x - right) / unit).max())
        if error > 30:
            return (size == 1 and _narrow(answer)) or (
                f"{called} your w is wrong by {error:.0f} units in the last place of float16"
            )
        if error > worst:
            worst, where = error, called
    if worst > 0.75:  # a float32 sum is right to 0.01 of a unit, and its rounding to 0.5
        return (
            f"{where} your w is off by {worst:.1f} units in its last place: more than the last "
            "step was rounded to float16"
        )
    return None


def _narrow(answer: Any) -> str | None:
    """What is wrong with the formula itself, at numbers near 1."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(x.astype("float16") for x in _rows(rng))

    def reference(v: np.ndarray, g: np.ndarray) -> np.ndarray:
        return _plain(v.astype("float64"), g.astype("float64"))

    return function(
        reference, draw, "your w", common_errors=(
            (
                lambda v, g: g * v.astype("float64") / np.linalg.norm(v.astype("float64")),
                "your length is that of the whole array; each row has its own",
            ),
            *(
                (lambda v, g, f=f: f(v.astype("float64"), g.astype("float64")), text)
                for f, text in SAFE_ERRORS
            ),
        ),
    )(answer)


# ---- eps ----------------------------------------------------------------------------------------


def _length(v: np.ndarray, eps: float, place: str) -> np.ndarray:
    if place == "inside":
        return np.sqrt(_dot(v, v) + eps)
    return _n(v) + eps if place == "outside" else np.maximum(_n(v), eps)


_ON_THE_SUM = (
    lambda v, e: np.sqrt((v * v + e).sum(axis=1, keepdims=True)),
    "you add eps to every square, and so once for each entry; once for each row is meant",
)
LENGTH_ERRORS = {
    "inside": (
        (lambda v, e: np.sqrt(_dot(v, v) + e * e), "you add the square of eps below the root"),
        (lambda v, e: _n(v) + e, "here eps is added to the root, which is the place outside"),
        (lambda v, e: _n(v) + np.sqrt(e), "you take the root of each of the two and then add"),
        _ON_THE_SUM,
        (lambda v, e: _dot(v, v) + e, "the root itself is missing"),
    ),
    "outside": (
        (lambda v, e: np.sqrt(_dot(v, v) + e), "here eps is below the root, the place inside"),
        (lambda v, e: np.sqrt(_dot(v, v) + e) + e, "here eps is added twice, inside as well"),
        (lambda v, e: _dot(v, v) + e, "the root itself is missing"),
        (lambda v, e: _n(v) * (1 + e), "you multiply by 1 + eps; eps is added"),
    ),
    "max": (
        (
            lambda v, e: np.sqrt(np.maximum(_dot(v, v), e)),
            "you compare eps with the square of the length; this form exists, and its eps acts at "
            "the root of eps",
        ),
        (lambda v, e: np.minimum(_n(v), e), "you take the smaller of the two"),
        (lambda v, e: np.maximum(_dot(v, v), e), "the root itself is missing: eps meets a square"),
        (lambda v, e: np.maximum(_n(v) + e, e), "eps is added as well; compare with n alone"),
        (
            lambda v, e: np.where(_n(v) > e, _n(v), 0),
            "a row shorter than eps gets 0; it should get eps",
        ),
        (lambda v, e: np.maximum(_largest(v), e), "you compare with the largest entry of the row"),
        (
            lambda v, e: np.maximum(np.abs(v), e),
            "you lift each entry; the length of the whole row is meant",
        ),
    ),
}


LENGTH_FACTS = {
    "inside": "h is the root of 25 + 11, which is 6", "outside": "h is 5 + 11",
    "max": "h is the larger of 5 and 11",
}


def judge_length(answer: Any) -> str | None:
    """The message for the first wrong place."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    for place in PLACES:
        judge = function(
            lambda v, eps, place=place: _length(v, eps, place),
            _row_and_eps,
            f'with "{place}" your h',
            common_errors=[(f, f'with "{place}": {text}') for f, text in LENGTH_ERRORS[place]],
            examples=(((np.array([[3.0, 4.0]]), 11.0), LENGTH_FACTS[place]),),
        )
        message = judge(lambda v, e, place=place: answer(v, e, place))
        if message:
            return message
    return None


def _row_and_eps(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Three rows: longer than eps, shorter than eps, and zero."""
    v = rng.normal(size=(3, 4)) * np.array([[1.0], [0.02], [0.0]])
    return v, 0.3


def _inside_v_bar(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray, eps: float) -> np.ndarray:
    return vjp(w_bar, v, g, eps=eps, form="inside")[0]


def _point(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """v, g, w_bar."""
    g = np.array([[1.7], [-0.6], [2.9]]) * rng.uniform(0.8, 1.2, (3, 1))
    return rng.normal(size=(3, 4)), g, rng.normal(size=(3, 4))


def _inside_point(rng: np.random.Generator) -> tuple[Any, ...]:
    v, g, w_bar = _point(rng)
    return w_bar, v, g, 0.4


def _h(v: np.ndarray, e: float) -> np.ndarray:
    return np.sqrt(_dot(v, v) + e)


INSIDE_ERRORS = (
    (
        lambda w_bar, v, g, e: g / _n(v) * (w_bar - _dot(w_bar, v) / _n(v) ** 2 * v),
        "this is the gradient without eps, and the function has one",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - _dot(w_bar, v) / _n(v) ** 2 * v),
        "the factor in front has eps, the projection has not: below <w_bar, v> you have n^2",
    ),
    (
        lambda w_bar, v, g, e: g / _n(v) * (w_bar - _dot(w_bar, v) / _h(v, e) ** 2 * v),
        "the projection has eps, the factor in front has not",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - _dot(w_bar, v) / (_h(v, e) * _n(v)) * v),
        "below <w_bar, v> you have h n: that is the slope of h = n + eps, not of this h",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - _dot(w_bar, v) / _h(v, e) * v),
        "your projection divides by h once; count how often v occurs in it",
    ),
    (lambda w_bar, v, g, e: g / _h(v, e) * w_bar, "the projection is missing: h moves with v"),
    (
        lambda w_bar, v, g, e: 1 / _h(v, e) * (w_bar - _dot(w_bar, v) / _h(v, e) ** 2 * v),
        "the gain g is missing from your v_bar",
    ),
    (
        lambda w_bar, v, g, e: vjp(w_bar, v, g, eps=e, form="outside")[0],
        "this is the gradient for h = n + eps; here eps is below the root",
    ),
    (
        lambda w_bar, v, g, e: (
            g / (_n(v) + e) * (w_bar - _dot(w_bar, v) / (_n(v) + e) ** 2 * v)
        ),
        "you take n + eps for h; here eps is below the root",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - (w_bar * v).sum() / _h(v, e) ** 2 * v),
        "your <w_bar, v> is over the whole array; each row has its own",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar + _dot(w_bar, v) / _h(v, e) ** 2 * v),
        "the sign of your projection is wrong: it adds what it should take away",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - _dot(w_bar, v) * v),
        "your projection does not divide by h; count how often v occurs in it",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * (w_bar - _dot(w_bar, v) / _h(v, e) ** 3 * v),
        "your projection divides by h three times; count how often v occurs in it",
    ),
    (
        lambda w_bar, v, g, e: g / _h(v, e) * w_bar - _dot(w_bar, v) / _h(v, e) ** 2 * v,
        "the factor g/h reaches only the first of your two terms; a bracket is missing",
    ),
    (
        lambda w_bar, v, g, e: (
            g / _h(v, e) * (w_bar - _dot(w_bar, v) / (_n(v) ** 2 + e * e) * v)
        ),
        "below <w_bar, v> you have n^2 + eps^2; the square of h is n^2 + eps",
    ),
)

# ---- numbers for each student -------------------------------------------------------------------


def row(rng: np.random.Generator) -> dict[str, Any]:
    """Of 8.T1: a row too large for its squares, with a length that is a round number."""
    a, b, n = ((3, 4, 5), (6, 8, 10), (5, 12, 13), (8, 15, 17))[rng.integers(4)]
    size = ("e170", "e200", "e-170", "e-200")[rng.integers(4)]
    return {"v": (float(f"{a}{size}"), float(f"{b}{size}")), "g": n * int(rng.integers(2, 6))}


def _first(x: dict[str, Any]) -> float:
    a, b = (y / max(x["v"]) for y in x["v"])
    return x["g"] * a / float(np.hypot(a, b))


def _second(x: dict[str, Any]) -> float:
    a, b = (y / max(x["v"]) for y in x["v"])
    return x["g"] * b / float(np.hypot(a, b))


EXERCISES = (
    Exercise(
        "8.1",
        "the formula, where squares overflow",
        choice("zeros", {
            "(3, 4)": "It is zeros: the squares are infinite, and a number over infinity is 0.",
            "infinity": "It is zeros: the length is infinite, but one divides by it.",
            "an error": "There is no error, only zeros; NumPy may warn, and many others do not.",
        }),
        explanation="The squares are infinite, so is their root, and a number over infinity is 0.",
        choices=("(3, 4)", "zeros", "infinity", "an error"),
    ),
    Exercise(
        "8.2",
        "w for rows of every size",
        judge_safe,
        (
            "w does not change when a row of v is multiplied by a positive number; choose a good "
            "one",
            "divide each row by its own largest entry, by amount: then no square exceeds 1",
            "np.abs(v).max(axis=1, keepdims=True) is (o, 1); with the new rows, do as before",
        ),
        explanation="A row may be scaled by any positive number, and so it may be scaled first.",
    ),
    Exercise(
        "8.3",
        "where float16 ends",
        choice("181", {
            "65504": "It is 181. The largest float16 is 65504, but the squares come before it.",
            "256": "It is 181: the square of 256 is too large by itself, but two are summed.",
            "16": "It is 181: two squares of 181 make 65522; the largest float16 is 65504.",
        }),
        explanation="Two squares of 181 make 65522, and the largest float16 is 65504.",
        choices=("16", "181", "256", "65504"),
    ),
    Exercise(
        "8.4",
        "float16 in, float16 out, right in between",
        judge_half,
        (
            "the answer fits into float16; only what happens on the way does not",
            "convert v and g first, before anything is squared",
            "float32 has room for the square of any float16; convert back once, at the end",
        ),
        explanation="Compute in float32, and round once.",
    ),
    Exercise(
        "8.5",
        "a row of zeros with the gain 0",
        choice("NaN", {
            "zeros": "It is NaN: 0 over 0. That g is 0 comes too late, for 0 times NaN is NaN.",
            "infinity": "It is NaN: 0 over 0. Infinity would be another number over 0.",
        }),
        explanation="0 over 0 is NaN, and NaN times 0 is NaN.",
        choices=("zeros", "NaN", "infinity"),
    ),
    Exercise(
        "8.6",
        "three places for eps",
        judge_length,
        (
            "each place is one line; only the order of sum, root, and eps differs",
            "inside: eps joins the sum of squares before the root, once for each row",
            'outside: the root first; and np.maximum compares two numbers, for the place "max"',
        ),
    ),
    Exercise(
        "8.7",
        "where an eps inside the root begins to act",
        choice("1e-6", {
            "1e-12": "It is 1e-6: below the root stand squares, and 1e-12 is the square of 1e-6.",
            "1e-24": "It is 1e-6: below the root stand squares, and 1e-12 is the square of 1e-6.",
        }),
        explanation="Below the root stand squares, and 1e-12 is the square of 1e-6.",
        choices=("1e-24", "1e-12", "1e-6"),
    ),
    Exercise(
        "8.8",
        "the gradient with eps inside the root",
        function(
            _inside_v_bar,
            _inside_point,
            "your v_bar",
            common_errors=INSIDE_ERRORS,
            examples=((
                (np.array([[5.0, 10.0]]), np.array([[3.0, 4.0]]), np.array([[36.0]]), 11.0),
                "h is the root of 25 + 11, which is 6, and <w_bar, v> is 55; v_bar must be "
                "6 w_bar less 55/6 v",
            ),),
            quantities=lambda w_bar, v, g, eps: {"h": _h(v, eps), "n": _n(v)},
        ),
        (
            "only the length has changed: w = g v / h; how does h move when v does?",
            "the slope of the root of (n^2 + eps) by v is v / h; there is no n left in it",
            "take the closed form of notebook 5, and ask of each n whether it came from the "
            "length or from its slope",
        ),
        explanation="Here the slope of h is v/h, so that h takes the place of every n.",
        reveals="8.7",
    ),
    Exercise(
        "8.T1",
        "w of a row that is far from 1",
        number(
            _first, "your first entry of w",
            common_errors=(
                (lambda x: 0.0, "this is what the formula as written gives for large rows"),
                (_second, "this is the second entry of w"),
                (lambda x: x["v"][0], "this is v itself"),
                (lambda x: _first(x) / x["g"], "the gain g is missing"),
                (lambda x: x["g"], "this is g, the length of w"),
                (lambda x: x["g"] * x["v"][0] / max(x["v"]),
                 "this is g times the first entry over the largest; one divides by the length"),
            ),
            example="for v = (5e300, 12e300) and g = 26 it would be 10",
        ),
        (
            "multiply the row by a number that makes it handy; w does not notice",
            "after scaling, the two entries and the length are whole numbers",
            "the first entry over the length, times g",
        ),
        variant=row,
    ),
    Exercise(
        "8.T2",
        "how far a row of zeros reaches",
        choice("one row", {
            "nothing": "a length of 0 is divided by somewhere; which numbers use it?",
            "everything": "each row has a length of its own; whose is 0?",
            "one column": "is a length shared along a row, or along a column?",
        }),
        (
            "write down w for two rows, of which one is zero",
            "which entries of w are divided by the length 0?",
            "try it: put a row of zeros into your v of section 1",
        ),
        explanation="Each row is divided by its own length, and no other.",
        choices=("nothing", "one row", "one column", "everything"),
    ),
    Exercise(
        "8.T3",
        "an eps for a shortest length",
        number(
            1e-8, "your eps",
            common_errors=(
                (1e-4, "that eps acts at the length 0.01: below the root stand squares"),
                (1e-2, "that eps acts at the length 0.1: below the root stand squares"),
                (1e-16, "that eps acts at the length 1e-8; you have squared once too often"),
            ),
            example="for a shortest length of 0.1 it would be 0.01",
        ),
        (
            "inside the root, eps is compared with the square of the length",
            "eps and the square of the length are to be equal",
            "the square of 1e-4",
        ),
        explanation="Inside the root an eps is a square of a length.",
    ),
)
