"""Answers of notebook 1: gradients you can trust."""

from __future__ import annotations

import numpy as np

from minwn.course.exercises.n01 import (
    _central,
    _complex,
    _gap,
    _measured,
    _mistaken,
    _over,
    _relative,
    _slope,
)

from . import Answers

ANSWERS = {
    "1.1": Answers(
        right=("first falls, then rises",),
        wrong=(("keeps falling", "few digits left"), ("stays the same", "less bent")),
    ),
    "1.2": Answers(
        right=(
            _central,
            lambda f, x, h: f(x + h) / (2 * h) - f(x - h) / (2 * h),
            lambda f, x, h: 0.5 * (f(x + h) - f(x - h)) / h,
            lambda f, x, h: ((f(x + h) - f(x)) / h + (f(x) - f(x - h)) / h) / 2,
        ),
        wrong=(
            (lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h, "you multiply by h"),
            (lambda f, x, h: (f(x + h) - f(x - h)) / h, "how far apart"),
            (lambda f, x, h: (f(x + h) - f(x)) / h, "to the right"),
            (lambda f, x, h: (f(x) - f(x - h)) / h, "to the left"),
            (lambda f, x, h: (f(x + h) - 2 * f(x) + f(x - h)) / h**2, "second difference"),
            (lambda f, x, h: _central(f, x, 1e-5), "not the h that is given"),
            (lambda f, x, h: (f(x - h) - f(x + h)) / (2 * h), "wrong sign"),
            (lambda f, x, h: f(x + h) - f(x - h), "divide by the distance"),
            (lambda f, x, h: None, "is None"),
            (0.5, "the function itself"),
        ),
    ),
    "1.3": Answers(
        right=(
            lambda u, F, M: (3 * u * F / M) ** (1 / 3),
            lambda u, F, M: np.cbrt(3 * u * F / M),
            lambda u, F, M: np.exp(np.log(3 * u * F / M) / 3),
        ),
        wrong=(
            (lambda u, F, M: (u * F / M) ** (1 / 3), "factor under the root"),
            (lambda u, F, M: (6 * u * F / M) ** (1 / 3), "the two terms are equal"),
            (lambda u, F, M: u ** (1 / 3), "neither F nor M"),
            (lambda u, F, M: (3 * u * F / M) ** 0.5, "square root"),
            (lambda u, F, M: 3 * u * F / M, "h cubed"),
            (lambda u, F, M: (3 * u * M / F) ** (1 / 3), "changed places"),
            (lambda u, F, M: u, "the same number"),
        ),
    ),
    "1.4": Answers(
        right=(
            _complex,
            lambda f, x: np.imag(f(complex(x, 1e-30))) / 1e-30,
            lambda f, x: f(x + 1e-200j).imag * 1e200,
        ),
        wrong=(
            (lambda f, x: f(x + 1e-20j).imag, "not divided by h"),
            (lambda f, x: f(x + 1e-20j).real / 1e-20, "real part"),
            (lambda f, x: (f(x + 1e-20) - f(x)) / 1e-20, "left the imaginary axis"),
            (lambda f, x: _central(f, x, 1e-5), "still subtracted"),
            (lambda f, x: f(x + 1e-3j).imag / 1e-3, "not tiny"),
            (lambda f, x: f(x + 1e-20j).imag / 2e-20, "as for two points"),
            (lambda f, x: -f(x + 1e-20j).imag / 1e-20, "wrong sign"),
        ),
    ),
    "1.5": Answers(
        right=("another number",),
        wrong=(("the derivative", "as a constant"), ("an error", "the danger")),
    ),
    "1.6": Answers(
        right=(
            _gap,
            lambda f, x, h: (f(x + h) - 2 * f(x) + f(x - h)) / h,
            lambda f, x, h: (f(x + h) - f(x)) / h - (f(x - h) - f(x)) / -h,
        ),
        wrong=(
            (lambda f, x, h: (f(x + h) - f(x)) / h - (f(x - h) - f(x)) / h, "left slope"),
            (lambda f, x, h: (f(x + h) - 2 * f(x) + f(x - h)) / h**2, "once too often"),
            (lambda f, x, h: f(x + h) - 2 * f(x) + f(x - h), "rise over h"),
            (lambda f, x, h: -_gap(f, x, h), "right minus left"),
            (_central, "the mean of the two"),
        ),
    ),
    "1.7": Answers(
        right=(
            _relative,
            lambda a, b: [
                abs(x - y) / max(abs(x), abs(y)) if x or y else 0.0
                for x, y in zip(a, b, strict=True)
            ],
            lambda a, b: np.divide(
                abs(a - b),
                np.maximum(abs(a), abs(b)),
                where=(a != 0) | (b != 0),
                out=np.zeros(len(a)),
            ),
        ),
        wrong=(
            (lambda a, b: abs(a - b) / np.maximum(abs(a), abs(b)), "is NaN in 1 of 9"),
            (_over(lambda a, b: abs(a)), "|a| alone"),
            (_over(lambda a, b: abs(b)), "|b| alone"),
            (_over(lambda a, b: abs(a) + abs(b)), "the larger of the two"),
            (_over(lambda a, b: np.maximum(1, np.maximum(abs(a), abs(b)))), "never below 1"),
            (_over(lambda a, b: np.maximum(abs(a), abs(b)) + 1e-8), "to the denominator hides it"),
            (
                lambda a, b: (a - b) / np.maximum(np.maximum(abs(a), abs(b)), 1e-300),
                "has a sign",
            ),
            (lambda a, b: abs(a - b), "absolute error"),
            (lambda a, b: _relative(a, b).max(), "(9,) is asked for"),
        ),
    ),
    "1.8": Answers(
        right=(
            _measured,
            lambda f, x, y_bar, h: np.array(
                [
                    np.vdot(y_bar, (f(x + h * e) - f(x - h * e)) / (2 * h))
                    for e in np.eye(x.size).reshape(-1, *x.shape)
                ]
            ).reshape(x.shape),
        ),
        wrong=(
            (_mistaken("ones"), "a cotangent of ones"),
            (_mistaken("one-sided"), "one-sided"),
            (_mistaken("no 2"), "2 h apart"),
            (_mistaken("all"), "all entries at once"),
            (_mistaken("stays"), "stay moved"),
            (lambda f, x, y_bar, h: _measured(f, x, y_bar, h) / 12, "<y_bar, y> is a sum"),
            (lambda f, x, y_bar, h: _measured(f, x, y_bar, h).ravel(), "(6,), not (3, 2)"),
            (lambda f, x, y_bar, h: np.add(x, h, out=x), "changes its arguments"),
            (lambda f, x, y_bar, h: f(x), "(3, 4), and (3, 2)"),
        ),
    ),
    "1.9": Answers(
        right=("1",),
        wrong=(("5", "It is 1"), ("3", "It is 1"), ("2", "not a choice")),
    ),
    "1.10": Answers(
        right=(
            (np.array([[3.0, 4.0]]), np.array([[2.0]]), np.array([[-4.0, 3.0]])),
            ([[1.0, 0.0], [0.0, 2.0]], [[1.0], [-1.0]], [[0.0, 5.0], [1.0, 0.0]]),
        ),
        wrong=(
            (([[3.0, 4.0]], [[2.0]], [[1.0, 1.0]]), "your <w_bar, v> is 7"),
            (([[3.0, 4.0]], [[0.0]], [[1.0, 1.0]]), "take another g"),
            (([[3.0, 4.0]], [[2.0]], [[0.0, 0.0]]), "nothing is pulled back"),
            (([[0.0, 0.0]], [[2.0]], [[1.0, 1.0]]), "not defined"),
            (([3.0, 4.0], 2.0, [-4.0, 3.0]), "g is (o, 1)"),
            (([[3.0, 4.0]], [[-4.0, 3.0]]), "three arrays"),
        ),
    ),
    "1.T1": Answers(
        right=(_slope, lambda x: 3 * x["x"] ** 2 + x["h"] ** 2, lambda x: str(round(_slope(x), 6))),
        wrong=(
            (lambda x: 3 * x["x"] ** 2, "that is the derivative"),
            (lambda x: 3 * x["x"] ** 2 + 3 * x["x"] * x["h"] + x["h"] ** 2, "one-sided"),
            (lambda x: 2 * _slope(x), "which is 2 h"),
            (lambda x: -_slope(x), "wrong sign"),
            (lambda x: _slope(x) + 1, "too large"),
            (lambda x: "large", "a number is asked for"),
        ),
    ),
    "1.T2": Answers(
        right=("zeros",),
        wrong=(("ones", "always sum to 1"), ("p", "try it"), ("0", "not a choice")),
    ),
    "1.T3": Answers(
        right=("a kink",),
        wrong=(("a wrong formula", "goes away"), ("rounding", "not of the size")),
    ),
}
