"""Answers of notebook 8: the edge of the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minwn.course.exercises.n08 import (
    _ON_THE_SUM,
    INSIDE_ERRORS,
    LENGTH_ERRORS,
    SAFE_ERRORS,
    _dot,
    _first,
    _h,
    _largest,
    _length,
    _n,
    _plain,
    _second,
)

from . import Answers


def _inside_v_bar(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray, eps: float) -> np.ndarray:
    h = np.sqrt(_dot(v, v) + eps)
    return g / h * (w_bar - _dot(w_bar, v) / h**2 * v)


def _safe(v: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _plain(v / _largest(v), g)


def _wide(v: np.ndarray, g: np.ndarray) -> np.ndarray:
    return _plain(v.astype("float32"), g.astype("float32")).astype("float16")


def _lengths_but(**rules: Any) -> Any:
    """The lengths with some places replaced by functions of (v, eps)."""
    return lambda v, eps, place: rules[place](v, eps) if place in rules else _length(v, eps, place)


ANSWERS = {
    "8.1": Answers(
        right=("zeros",),
        wrong=(
            ("(3, 4)", "squares are infinite"),
            ("infinity", "one divides by it"),
            ("an error", "no error"),
            ("0", "not a choice"),
        ),
    ),
    "8.2": Answers(
        right=(
            _safe,
            lambda v, g: g * (v / _largest(v)) / np.linalg.norm(v / _largest(v), axis=1)[:, None],
            lambda v, g: _plain(np.ldexp(v, -np.frexp(_largest(v))[1]), g),
            lambda v, g: np.stack(
                [
                    g[k] * row / np.abs(row).max() / np.sqrt(((row / np.abs(row).max()) ** 2).sum())
                    for k, row in enumerate(v)
                ]
            ),
        ),
        wrong=(
            (_plain, "rows of size 1e200 your w is 0"),
            (lambda v, g: _plain(v / np.abs(v).max(), g), "one row each your w is"),
            *zip(
                (f for f, _ in SAFE_ERRORS),
                (
                    "turned round",
                    "a negative sum",
                    "scale each row",
                    "is not scaled",
                    "row before",
                    "no length",
                    "treat it as",
                    "gain g is missing",
                ),
                strict=True,
            ),
            (lambda v, g: _plain(np.where(_n(v) > 1e100, v / 1e200, v), g), "size 1e-200 your w"),
            (lambda v, g: g * v / np.maximum(_n(v), 1e-12), "size 1e200 your w is 0"),
            (_safe(np.ones((2, 3)), np.ones((2, 1))), "the function itself"),
        ),
    ),
    "8.3": Answers(
        right=("181", 181),
        wrong=(
            ("65504", "the squares come before"), ("256", "two are summed"), ("16", "65522"),
            ("1e19", "not a choice"),
        ),
    ),
    "8.4": Answers(
        right=(
            _wide,
            lambda v, g: _plain(v.astype("float64"), g.astype("float64")).astype("float16"),
            lambda v, g: (
                g * (v / np.linalg.norm(v.astype("float32"), axis=1, keepdims=True))
            ).astype("float16"),
        ),
        wrong=(
            (_plain, "about 300 your w is 0"),
            (lambda v, g: _plain(v.astype("float32"), g), "your w is float32"),
            (
                lambda v, g: (
                    g * v / np.sqrt((v * v).sum(axis=1, keepdims=True, dtype="float32"))
                ).astype("float16"),
                "about 300 your w is 0",
            ),
            (
                lambda v, g: g * v / _n(v.astype("float32")).astype("float16"),
                "infinity was divided by infinity",
            ),
            (lambda v, g: _safe(v, g), "units in its last place"),
            (lambda v, g: _wide(v, g).T, "has shape"),
            (lambda v, g: v, "is v itself"),
        ),
    ),
    "8.5": Answers(
        right=("NaN",),
        wrong=(("zeros", "comes too late"), ("infinity", "0 over 0"), ("one", "not a choice")),
    ),
    "8.6": Answers(
        right=(
            _length,
            lambda v, eps, place: _length(v, eps, place)[:, 0],
            lambda v, eps, place: {
                "inside": lambda n: np.hypot(n, np.sqrt(eps)),
                "outside": lambda n: n + eps,
                "max": lambda n: np.where(n > eps, n, eps),
            }[place](np.linalg.norm(v, axis=1)),
        ),
        wrong=(
            *(
                (_lengths_but(**{place: rule}), fragment)
                for place, rule, fragment in (
                    ("inside", LENGTH_ERRORS["inside"][0][0], "the square of eps"),
                    ("inside", LENGTH_ERRORS["inside"][1][0], "which is the place outside"),
                    ("inside", LENGTH_ERRORS["inside"][2][0], "the root of each of the two"),
                    ("inside", _ON_THE_SUM[0], "once for each entry"),
                    ("inside", LENGTH_ERRORS["inside"][4][0], "root itself is missing"),
                    ("outside", LENGTH_ERRORS["outside"][0][0], "below the root"),
                    ("outside", LENGTH_ERRORS["outside"][1][0], "added twice"),
                    ("max", LENGTH_ERRORS["max"][0][0], "with the square of the length"),
                    ("max", LENGTH_ERRORS["max"][1][0], "the smaller of the two"),
                    ("max", LENGTH_ERRORS["max"][5][0], "with the largest entry"),
                )
            ),
            (lambda v, eps, place: np.linalg.norm(v) + 0 * _n(v), "the root of 25 + 11"),
            (lambda v, eps, place: None, "is None"),
        ),
    ),
    "8.7": Answers(
        right=("1e-6",),
        wrong=(("1e-12", "stand squares"), ("1e-24", "stand squares"), ("never", "not a choice")),
    ),
    "8.8": Answers(
        right=(
            _inside_v_bar,
            lambda w_bar, v, g, eps: (
                g * w_bar / _h(v, eps) - g * _dot(w_bar, v) / (_dot(v, v) + eps) ** 1.5 * v
            ),
            lambda w_bar, v, g, eps: np.stack(
                [
                    g[k]
                    / np.sqrt(v[k] @ v[k] + eps)
                    * (w_bar[k] - (w_bar[k] @ v[k]) / (v[k] @ v[k] + eps) * v[k])
                    for k in range(len(v))
                ]
            ),
        ),
        wrong=(
            *zip(
                (f for f, _ in INSIDE_ERRORS),
                (
                    "without eps",
                    "below <w_bar, v> you have n^2",
                    "factor in front has not",
                    "slope of h = n + eps",
                    "divides by h once",
                    "projection is missing",
                    "gain g is missing",
                    "for h = n + eps",
                    "you take n + eps for h",
                    "each row has its own",
                    "adds what it should take away",
                    "does not divide by h",
                    "three times",
                    "a bracket is missing",
                    "the square of h",
                ),
                strict=True,
            ),
            (
                lambda w_bar, v, g, e: (_inside_v_bar(w_bar, v, g, e), _dot(w_bar, v) / _h(v, e)),
                "return v_bar alone",
            ),
        ),
    ),
    "8.T1": Answers(
        right=(_first, lambda x: round(_first(x), 3)),
        wrong=(
            (lambda x: 0, "as written"),
            (_second, "second entry"),
            (lambda x: x["g"], "the length of w"),
            (lambda x: _first(x) / x["g"], "g is missing"),
            (lambda x: -_first(x), "wrong sign"),
            (lambda x: x["v"][0], "v itself"),
            (lambda x: "inf", "a number is asked for"),
            (lambda x: float("inf"), "your first entry of w is infinite"),
        ),
    ),
    "8.T2": Answers(
        right=("one row",),
        wrong=(
            ("nothing", "divided by somewhere"),
            ("everything", "length of its own"),
            ("one column", "shared along"),
            ("two rows", "not a choice"),
        ),
    ),
    "8.T3": Answers(
        right=(1e-8, "1e-8", np.float64(1e-4) ** 2, [1e-8]),
        wrong=(
            (1e-4, "acts at the length 0.01"),
            (1e-2, "length 0.1"),
            (1e-16, "too often"),
            (-1e-8, "wrong sign"),
            (True, "a number is asked for"),
        ),
    ),
}
