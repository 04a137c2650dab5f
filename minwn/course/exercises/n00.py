"""Exercises of notebook 0: start here."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import typed
from ..exercise import Exercise
from ..judges import choice, function, number

__all__ = ["EXERCISES"]


def matrix(rng: np.random.Generator) -> tuple[np.ndarray]:
    return (rng.normal(size=(3, 4)) * rng.uniform(0.5, 3, (3, 1)),)


def _n(v: np.ndarray) -> np.ndarray:
    return np.sqrt((v * v).sum(axis=1, keepdims=True))


def judge_shape(answer: Any) -> str | None:
    """Of 0.T2: the shape (3,), as a tuple, a list or one number."""
    found = typed.shape(answer)
    if found is None:
        return f"a shape is a tuple, such as (2, 4) or (2,); this is {answer!r}"
    if found == (3,):
        return None
    if found == (5,):
        return "axis 0 is the one with 5 entries, and it is summed away; which one is left?"
    if found in ((1, 3), (5, 1)):
        return "that would be with keepdims=True; without it, the summed axis is gone"
    if found == ():
        return "that would be the sum of everything, without an axis"
    return f"{found} is not it: one of the two axes goes, the other stays as it is"


EXERCISES = (
    Exercise(
        "0.1",
        "a column plus a row",
        choice("(3, 4)", {
            "(7,)": "It is (3, 4): each number of the column meets each of the row.",
            "an error": "There is no error: both are repeated until the shapes are (3, 4).",
        }),
        explanation="Both are repeated until the shapes are (3, 4).",
        choices=("(3, 4)", "(7,)", "an error"),
    ),
    Exercise(
        "0.2",
        "the length of each row",
        function(
            lambda v: _n(v)[:, 0],
            matrix,
            "your result",
            common_errors=(
                (lambda v: (v * v).sum(axis=1), "this is the sum of squares; the root is missing"),
                (lambda v: np.abs(v).sum(axis=1), "this is the sum of |v|, not of squares"),
                (lambda v: v.sum(axis=1), "this is the sum of the row; square its entries first"),
                (
                    lambda v: np.sqrt((v * v).mean(axis=1)),
                    "this is the root of the mean of squares; it should be of their sum",
                ),
                (lambda v: np.abs(v).max(axis=1), "this is the largest entry of each row"),
                (lambda v: np.linalg.norm(v, axis=0), "these are the lengths of the columns"),
                (lambda v: np.linalg.norm(v), "this is one length for the whole matrix"),
            ),
            examples=(
                (
                    (np.array([[3.0, 4.0], [6.0, 8.0]]),),
                    "by Pythagoras the lengths of (3, 4) and of (6, 8) are 5 and 10",
                ),
            ),
            quantities=lambda v: {"n": _n(v)[:, 0]},
        ),
        (
            "Pythagoras: square every entry, add up the squares of a row; one step is left",
            "the sum over a row is a sum along axis=1",
            "the step that is left is np.sqrt",
        ),
    ),
    Exercise(
        "0.3",
        "rows of length 1",
        function(
            lambda v: v / _n(v),
            matrix,
            "your result",
            common_errors=(
                (lambda v: v / np.linalg.norm(v), "you divide every row by the same length"),
                (
                    lambda v: v / np.linalg.norm(v, axis=0),
                    "you divide each column by its length; rows were meant",
                ),
                (lambda v: v / (v * v).sum(axis=1, keepdims=True), "the root is missing"),
                (lambda v: v * _n(v), "you multiply by the length; divide"),
                (
                    lambda v: v / abs(v).sum(axis=1, keepdims=True),
                    "you divide by the sum of |v|; the length is the root of the sum of squares",
                ),
                (
                    lambda v: v / abs(v).max(axis=1, keepdims=True),
                    "you divide by the largest entry of each row, which is no length",
                ),
                (_n, "these are the lengths; v is still to be divided by them"),
            ),
            examples=(
                (
                    (np.array([[3.0, 4.0]]),),
                    "the length of (3, 4) is 5, so the row must become (0.6, 0.8)",
                ),
            ),
            quantities=lambda v: {"n": _n(v)},
        ),
        (
            "print the shape of the lengths, and the shape of v: which of their axes have to meet?",
            "the lengths must be a column: of shape (o, 1), not (o,)",
            "keepdims=True in the sum keeps the summed axis, with length 1",
        ),
    ),
    Exercise(
        "0.T1",
        "the length of a vector",
        number(
            7, "your length",
            common_errors=(
                (49, "this is the sum of squares; the root is missing"),
                (11, "this is the sum of the entries; square them first"),
                (3, "this is how many entries there are; the length meant is that of the arrow"),
                (11**0.5, "this is the root of the sum of the entries; square them first"),
                (6, "this is the largest entry; all three count"),
                (36, "this is the largest square; all three count, and the root is taken last"),
                (49 / 3, "this is the mean of the squares; it is their sum, and then the root"),
                ((49 / 3) ** 0.5, "this is the root of the mean of the squares; sum them"),
            ),
        ),
        (
            "as in exercise 0.2, for one row",
            "the squares are 4, 9 and 36",
            "add the squares, then take the root",
        ),
    ),
    Exercise(
        "0.T2",
        "the shape of a sum",
        judge_shape,
        (
            "axis=0 names the axis that is summed away",
            "of the shape (5, 3), axis 0 is the 5",
            "what is left is one number for each column",
        ),
    ),
    Exercise(
        "0.T3",
        "what to look at first",
        choice("the order of the axes", {
            "the axis of a sum": "a sum would take an axis away; here both axes are there",
            "the number of digits": "a shape has nothing to do with digits",
        }),
        (
            "compare the two shapes, number by number",
            "both numbers are there, but where?",
            "what does v.T do to a shape?",
        ),
        explanation="The two axes have changed places: a transpose too many, or too few.",
        choices=("the axis of a sum", "the number of digits", "the order of the axes"),
    ),
)
