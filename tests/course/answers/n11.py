"""Answers of notebook 11: a network of your own."""

from __future__ import annotations

from typing import Any

import numpy as np

from minwn.course.exercises.n11 import (
    _ADAMS,
    _LOSS_BARS,
    _LOSSES,
    _adam,
    _loss,
    _loss_bar,
    _one_hot,
)
from minwn.data import digits

from . import Answers


def _by_rows(a: np.ndarray, labels: np.ndarray) -> float:
    total = 0.0
    for row, label in zip(a, labels, strict=True):
        rest = row - row.max()
        total += np.log(np.sum(np.exp(rest))) - rest[label]
    return total / len(a)


def _softmax(a: np.ndarray) -> np.ndarray:
    p = np.exp(a - a.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _by_rows_bar(a: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = _softmax(a)
    for row, label in zip(p, labels, strict=True):
        row[label] -= 1
    return p / len(labels)


def _in_place(a: np.ndarray, labels: np.ndarray) -> np.ndarray:
    a -= a.max(axis=1, keepdims=True)
    return _loss_bar(a, labels)


def _all_columns(a: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = _softmax(a)
    p[:, labels] -= 1
    return p / len(a)


def _adam_by_hand(
    w: Any, w_bar: Any, mean: Any, square: Any, t: int, lr: float
) -> list[np.ndarray]:
    mean = mean + (w_bar - mean) / 10
    square = square - 0.001 * square + w_bar * w_bar / 1000
    rate = lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
    eps = 1e-8 * (1 - 0.999**t) ** 0.5
    return [w - rate * mean / (np.sqrt(square) + eps), mean, square]


def _nearest(images: np.ndarray) -> np.ndarray:
    """The label of the same image in the data: it reads everything."""
    known, labels = digits()
    apart = ((images[:, None] - known[None, :, 0]) ** 2).sum(axis=(2, 3))
    return labels[apart.argmin(axis=1)]


def _some(images: np.ndarray) -> np.ndarray:
    found = _nearest(images)
    found[np.flatnonzero(found == 8)[:20]] = 1
    return found


ANSWERS = {
    "11.1": Answers(
        right=("about 2.3",),
        wrong=(("0", "probability 1"), ("about 0.1", "-log 0.1"), ("about 10", "the log of 10")),
    ),
    "11.2": Answers(
        right=(
            _loss,
            _by_rows,
            lambda a, t: np.array([_by_rows(a, t)]),
            lambda a, t: (np.logaddexp.reduce(a, axis=1) - a[np.arange(len(a)), t]).mean(),
        ),
        wrong=(
            *((f, text[:40]) for f, text in _LOSSES),
            (
                lambda a, t: -np.log(_softmax(a))[np.arange(len(a)), t].mean(),
                "write log p as a difference",
            ),
            (
                lambda a, t: (
                    np.log(np.exp(a).sum(axis=1)) - a[np.arange(len(a)), t]
                ).mean(),
                "right for small logits, but not where a row is 1000 and 999",
            ),
            (
                lambda a, t: (
                    a.max() + np.log(np.exp(a - a.max()).sum(axis=1)) - a[np.arange(len(a)), t]
                ).mean(),
                "the largest logit of each row off before exp",
            ),
            (lambda a, t: -np.log(_softmax(a))[np.arange(len(a)), t], "its mean along axis 0"),
            (lambda a, t: None, "return in your function"),
            (3.0, "the function itself"),
        ),
    ),
    "11.3": Answers(
        right=("zero",),
        wrong=(("one", "takes 1 off again"), ("it depends", "for every label")),
    ),
    "11.4": Answers(
        right=(
            _loss_bar,
            _by_rows_bar,
            lambda a, t: _softmax(a) / len(a) - _one_hot(a, t) / len(t),
        ),
        wrong=(
            *((f, text[:40]) for f, text in _LOSS_BARS),
            (_all_columns, "takes 1 off these columns in every row"),
            (_in_place, "changes its arguments"),
            (
                lambda a, t: (
                    np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) - _one_hot(a, t)
                ) / len(a),
                "right for small logits",
            ),
            (
                lambda a, t: _softmax(a)[np.arange(len(a)), t] - 1,
                "has shape (6,)",
            ),
            (lambda a, t: _loss(a, t), "has shape ()"),
        ),
    ),
    "11.5": Answers(
        right=(
            lambda y_bar, t: y_bar * (t > 0),
            lambda y_bar, t: np.where(t < 0, 0.0, y_bar),
            lambda y_bar, t: y_bar * np.heaviside(t, 0.5),
        ),
        wrong=(
            (lambda y_bar, t: y_bar, "handed on everywhere"),
            (lambda y_bar, t: y_bar * (y_bar > 0), "you look at the sign of y_bar"),
            (lambda y_bar, t: y_bar * (t < 0), "the other way round"),
            (lambda y_bar, t: y_bar * np.maximum(t, 0), "multiplied by y"),
            (lambda y_bar, t: (t > 0) * 1.0, "y_bar is missing"),
            (lambda y_bar, t: y_bar * np.sign(t), "not -1"),
            (lambda y_bar, t: -y_bar * (t > 0), "wrong sign"),
            (lambda y_bar, t: t > 0, "y_bar is missing"),
        ),
    ),
    "11.6": Answers(
        right=(_adam, _adam_by_hand),
        wrong=(
            *(
                (lambda *x, change=change: _adam(*x, change=change), text[:40])
                for change, text in _ADAMS.items()
            ),
            (lambda *x: _adam(*x)[0], "return 3 values"),
            (lambda *x: _adam(*x)[::-1], "exchanged"),
            (lambda w, w_bar, m, q, t, lr: (w, *_adam(w, w_bar, m, q, t, lr)[1:]), "your new w"),
        ),
    ),
    "11.7": Answers(
        right=("after 1 pass",),
        wrong=(("after 10 passes", "one or two"), ("never", "64 pixels")),
    ),
    "11.8": Answers(
        right=(_nearest, lambda images: _nearest(images).astype(float)),
        wrong=(
            (_some, "most often 8 is read as 1, 20 times"),
            (lambda images: np.zeros(len(images)), "whatever the image is, it says 0"),
            (lambda images: np.eye(10)[_nearest(images)], ".argmax(axis=1)"),
            (lambda images: _nearest(images)[:3], "the shape (3,)"),
            (lambda images: None, "one digit for each image"),
            (lambda images: _nearest(images) * np.nan, "one digit for each image"),
            (lambda images: 9 - _nearest(images), "of the test digits"),
            (0.99, "the function itself"),
        ),
    ),
    "11.T1": Answers(
        right=(lambda x: (x["p"] - 1) / x["m"], lambda x: f"({x['p']} - 1) / {x['m']}"),
        wrong=(
            (lambda x: x["p"] - 1, "1/m is missing"),
            (lambda x: (1 - x["p"]) / x["m"], "the sign is wrong"),
            (lambda x: x["p"] / x["m"], "other than the label"),
            (lambda x: -1 / (x["p"] * x["m"]), "by p, not by the logit"),
            (lambda x: -1 / x["m"], "moves as well"),
            (lambda x: -7, "too"),
        ),
    ),
    "11.T2": Answers(
        right=("the same",),
        wrong=(("m times as large", "plain SGD"), ("m times as small", "divide by")),
    ),
    "11.T3": Answers(
        right=(0.01, "0.01", 1e-2, "1/100"),
        wrong=(
            (10, "plain SGD"),
            (0.001, "the mean is corrected"),
            (0.0316, "which began with zeros"),
            (1e-5, "the root of the mean square"),
            (1, "lr times the mean"),
            (1000, "this is the gradient"),
            (-0.01, "wrong sign"),
        ),
    ),
}
