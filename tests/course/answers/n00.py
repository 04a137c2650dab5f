"""Answers of notebook 0: start here."""

from __future__ import annotations

import numpy as np

from minwn.course.exercises.n00 import _n

from . import Answers

ANSWERS = {
    "0.1": Answers(
        right=("(3, 4)",),
        wrong=(("(7,)", "each number of the column"), ("an error", "repeated")),
    ),
    "0.2": Answers(
        right=(
            lambda v: np.sqrt((v * v).sum(axis=1)),
            _n,
            lambda v: np.linalg.norm(v, axis=1),
            lambda v: [float(np.sqrt(sum(x * x for x in row))) for row in v],
            lambda v: np.sqrt(np.einsum("oi,oi->o", v, v)).astype("float32"),
        ),
        wrong=(
            (lambda v: (v * v).sum(axis=1), "the root is missing"),
            (lambda v: np.abs(v).sum(axis=1), "sum of |v|"),
            (lambda v: v.sum(axis=1), "square its entries"),
            (lambda v: np.sqrt((v * v).mean(axis=1)), "mean of squares"),
            (lambda v: np.abs(v).max(axis=1), "largest entry"),
            (lambda v: np.linalg.norm(v, axis=0), "lengths of the columns"),
            (lambda v: np.linalg.norm(v), "one length for the whole"),
            (lambda v: 2 * _n(v), "2 times what it should be"),
            (lambda v: _n(v.astype("float32")).astype("float64"), "digits of float32"),
            (lambda v: print(end=""), "is None"),
            (lambda v: v.lengths, "AttributeError"),
            (lambda v: np.sqrt(np.multiply(v, v, out=v).sum(axis=1)), "changes its arguments"),
            (5.0, "the function itself"),
        ),
    ),
    "0.3": Answers(
        right=(
            lambda v: v / _n(v),
            lambda v: v / np.linalg.norm(v, axis=1)[:, None],
            lambda v: (v.T / np.linalg.norm(v, axis=1)).T,
            lambda v: np.stack([row / np.sqrt(row @ row) for row in v]),
        ),
        wrong=(
            (lambda v: v / np.linalg.norm(v), "the same length"),
            (lambda v: v / np.linalg.norm(v, axis=0), "rows were meant"),
            (lambda v: v / (v * v).sum(axis=1, keepdims=True), "the root is missing"),
            (lambda v: v * _n(v), "you multiply"),
            (lambda v: v / np.linalg.norm(v, axis=1), "could not be broadcast"),
            (lambda v: (v / _n(v)).T, "transposed"),
            (lambda v: -v / _n(v), "wrong sign"),
        ),
    ),
    "0.T1": Answers(
        right=(7, 7.0, "7", np.float32(7), [7]),
        wrong=(
            (49, "root is missing"),
            (11, "square them"),
            (3, "the arrow"),
            (-7, "wrong sign"),
            (8, "too large"),
        ),
    ),
    "0.T2": Answers(
        right=((3,), [3], 3, "3", "(3,)"),
        wrong=(
            ((5,), "summed away"),
            ((1, 3), "keepdims"),
            ((), "everything"),
            ("three", "a tuple"),
            ((8,), "one of the two axes"),
        ),
    ),
    "0.T3": Answers(
        right=("the order of the axes",),
        wrong=(("the axis of a sum", "both axes"), ("the number of digits", "nothing to do")),
    ),
}
