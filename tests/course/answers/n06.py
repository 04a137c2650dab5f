"""Answers of notebook 6: why the norm of v only grows."""

from __future__ import annotations

import numpy as np

from minwn.course.exercises.n06 import (
    GROWN,
    LAW,
    RATE,
    REST,
    _excess,
    _grown,
    _law,
    _of,
    _rate,
    _rest,
)

from . import Answers

ANSWERS = {
    "6.1": Answers(
        right=("grows",),
        wrong=(
            ("shrinks", "long side"),
            ("stays", "tangent"),
            ("depends", "whatever the loss"),
            ("up", "not a choice"),
        ),
    ),
    "6.2": Answers(
        right=(
            _grown,
            lambda n, size, lr: np.hypot(n, lr * size),
            lambda n, size, lr: n * np.sqrt(1 + (lr * size / n) ** 2),
        ),
        wrong=(
            *((f, text[:20]) for f, text in GROWN),
            (lambda *x: None, "is None"),
            (5.0, "the function itself"),
        ),
    ),
    "6.3": Answers(
        right=("a quarter",),
        wrong=(("the same", "w stays"), ("half", "two effects"), ("twice", "turns less")),
    ),
    "6.4": Answers(
        right=(_rate, lambda lr, c: c * lr * c, lambda lr, c: np.float32(_rate(lr, c))),
        wrong=(*((f, text[:20]) for f, text in RATE), (0.4, "the function itself")),
    ),
    "6.5": Answers(
        right=("about the same",),
        wrong=(("ten times as large", "nothing of its advantage"), ("a tenth", "cancel")),
    ),
    "6.6": Answers(
        right=(
            _law,
            lambda n_0, lr, size, t: np.sqrt(np.sqrt(n_0**4 + 2 * t * (lr * size) ** 2)),
            lambda n_0, lr, size, t: n_0 * (1 + 2 * t * (lr * size / n_0**2) ** 2) ** (1 / 4),
        ),
        wrong=(*((f, text[:20]) for f, text in LAW), (2.0, "the function itself")),
    ),
    "6.7": Answers(
        right=("larger steps",),
        wrong=(("smaller weights", "does not reach w"), ("nothing", "turns further")),
    ),
    "6.8": Answers(
        right=(
            _rest,
            lambda lr, lam, size: (lr * size**2 / (2 * lam - lr * lam**2)) ** (1 / 4),
        ),
        wrong=(*((f, text[:20]) for f, text in REST), (1.0, "the function itself")),
    ),
    "6.9": Answers(
        right=("yes",),
        wrong=(("no", "size of its own"),),
    ),
    "6.10": Answers(
        right=(
            _excess,
            lambda v, new: 2 * (v @ (new - v)),
            lambda v, new: np.array([(new**2).sum() - (v**2).sum() - ((new - v) ** 2).sum()]),
        ),
        wrong=(
            (lambda v, new: float(new @ new - v @ v), "whole growth"),
            (lambda v, new: float(v @ (new - v)), "2 a b"),
            (
                lambda v, new: np.linalg.norm(new) - np.linalg.norm(v) - np.linalg.norm(new - v),
                "about their squares",
            ),
            (lambda v, new: -_excess(v, new), "wrong sign"),
            (lambda v, new: v * (new - v), "is asked for"),
        ),
    ),
    "6.T1": Answers(
        right=(_of(_grown), lambda x: round(_of(_grown)(x)), lambda x: str(_of(_grown)(x))),
        wrong=(
            (_of(GROWN[0][0]), "as if the step were along v"),
            (_of(GROWN[2][0]), "square of the length"),
            (lambda x: x["length of v"], "infinitely small"),
            (lambda x: 1000, "too large"),
            (lambda x: "long", "a number is asked for"),
        ),
    ),
    "6.T2": Answers(
        right=(1600, 1600.0, "1600", 100 * 2**4),
        wrong=(
            (200, "in proportion"),
            (400, "square of the length"),
            (800, "third power"),
            (1500, "from here on"),
            (100, "too small"),
        ),
    ),
    "6.T3": Answers(
        right=("a learning rate",),
        wrong=(
            ("a penalty on w", "does not know"),
            ("a limit for g", "of its own"),
            ("no change at all", "turns further"),
        ),
    ),
}
