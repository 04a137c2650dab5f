"""Answers of notebook 7: data-dependent initialisation and mean-only batch norm."""

from __future__ import annotations

import numpy as np

from minwn.course.exercises.n07 import _GAINS, _b, _gain_and_bias, _initialised

from . import Answers


def _centred(t: np.ndarray, b: np.ndarray) -> np.ndarray:
    return t - t.mean(axis=0) + b


def _back(y_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y_bar - y_bar.mean(axis=0), y_bar.sum(axis=0)


ANSWERS = {
    "7.1": Answers(
        right=("a thousandth",),
        wrong=(
            ("all of it", "throws away"),
            ("a half", "in each layer"),
            ("a thousand times", "nothing larger"),
        ),
    ),
    "7.2": Answers(
        right=(
            _gain_and_bias,
            lambda t: [
                (g := 1 / np.sqrt(t.var(axis=0, keepdims=True))),
                -(t.mean(axis=0, keepdims=True) * g),
            ],
            lambda t: (
                1 / np.sqrt(((t - t.mean(0)) ** 2).mean(0)),
                -t.mean(0) / np.sqrt((t * t).mean(0) - t.mean(0) ** 2),
            ),
        ),
        wrong=(
            *((f, text[:22]) for f, text in _GAINS),
            (lambda t: (1 / t.std(axis=1), -t.mean(axis=1) / t.std(axis=1)), "along axis 1"),
            (lambda t: 1 / t.std(axis=0), "return 2 values"),
            (lambda t: _gain_and_bias(t)[::-1], "exchanged"),
        ),
    ),
    "7.3": Answers(
        right=("only the first",),
        wrong=(("all", "any more"), ("none", "nothing before it")),
    ),
    "7.4": Answers(
        right=(
            _initialised(),
            lambda x, vs: tuple([g[None], b[None]] for g, b in _initialised()(x, vs)),
            lambda x, vs: np.array(_initialised()(x, vs), dtype=object),
        ),
        wrong=(
            (_initialised(unit=False), "the length of v as well"),
            (_initialised(apart=True), "hand on"),
            (_initialised(relu=False), "the ReLU after it is missing"),
            (lambda x, vs: _initialised()(x, vs)[:1], "1 pairs"),
            (lambda x, vs: None, "a pair (g, b) for each layer"),
            (lambda x, vs: [(2 * g, b) for g, b in _initialised()(x, vs)], "your g of layer 0"),
            (lambda x, vs: [(g, -b) for g, b in _initialised()(x, vs)], "wrong sign"),
            ([], "the function itself"),
        ),
    ),
    "7.5": Answers(
        right=("stays",),
        wrong=(("rises by 5", "as well"), ("rises by less", "just as much")),
    ),
    "7.6": Answers(
        right=(
            _centred,
            lambda t, b: t + (b - t.sum(axis=0, keepdims=True) / len(t)),
            lambda t, b: (np.eye(len(t)) - np.full((len(t), len(t)), 1 / len(t))) @ t + b,
        ),
        wrong=(
            (lambda t, b: t - t.mean() + b, "each output has its own"),
            (lambda t, b: t - t.mean(axis=0), "b is missing"),
            (lambda t, b: (t - t.mean(axis=0)) / t.std(axis=0) + b, "that is batch norm"),
            (lambda t, b: t - t.mean(axis=1, keepdims=True) + b, "over the batch"),
            (lambda t, b: t - t.mean(axis=1) + b, "could not be broadcast"),
            (lambda t, b: t - t.sum(axis=0) + b, "the sum, not the mean"),
            (lambda t, b: (t + b) - (t + b).mean(axis=0), "b is missing"),
        ),
    ),
    "7.7": Answers(
        right=(
            _back,
            lambda y_bar: [
                y_bar - y_bar.sum(axis=0, keepdims=True) / len(y_bar),
                y_bar.sum(axis=0, keepdims=True),
            ],
            lambda y_bar: (_centred(y_bar, np.zeros(3)), np.ones(len(y_bar)) @ y_bar),
        ),
        wrong=(
            (lambda y_bar: (y_bar, y_bar.sum(axis=0)), "the mean as a constant"),
            (lambda y_bar: (y_bar - y_bar.sum(axis=0), y_bar.sum(axis=0)), "1/m of a part"),
            (lambda y_bar: (y_bar + y_bar.mean(axis=0), y_bar.sum(axis=0)), "the sign"),
            (
                lambda y_bar: (y_bar * (1 - 1 / len(y_bar)), y_bar.sum(axis=0)),
                "its own y only",
            ),
            (lambda y_bar: (_back(y_bar)[0], y_bar.mean(axis=0)), "your b_bar is a mean"),
            (lambda y_bar: (_back(y_bar)[0], _back(y_bar)[0].sum(axis=0)), "which is 0"),
            (lambda y_bar: (_back(y_bar)[0], y_bar), "its sum along axis 0"),
            (lambda y_bar: _back(y_bar)[0], "return 2 values"),
        ),
    ),
    "7.8": Answers(
        right=("b",),
        wrong=(("t + b", "nothing is left"), ("an error", "b is left")),
    ),
    "7.T1": Answers(
        right=(_b, lambda x: str(_b(x)), lambda x: [_b(x)]),
        wrong=(
            (lambda x: -x["mean of t"], "g is missing"),
            (lambda x: -_b(x), "wrong sign"),
            (lambda x: 1 / x["standard deviation of t"], "this is g"),
            (lambda x: -x["mean of t"] * x["standard deviation of t"], "you multiply"),
            (lambda x: 1000, "too large"),
        ),
    ),
    "7.T2": Answers(
        right=("zero",),
        wrong=(
            ("the sum of y_bar", "after the mean is off"),
            ("the mean of y_bar", "look at"),
            ("one", "alike"),
        ),
    ),
    "7.T3": Answers(
        right=(0.75, 3 / 4, "0.75", np.float32(0.75)),
        wrong=(
            (1, "its own part"),
            (0, "mean of all four"),
            (-0.25, "other three"),
            (0.25, "to be taken off"),
            (1.25, "not added"),
            (True, "a number"),
        ),
    ),
    "7.9": Answers(
        right=(
            lambda x: lambda y_bar: (
                x["a"] * y_bar - x["c"] * y_bar.mean(axis=0), y_bar.sum(axis=0)
            ),
            lambda x: lambda y_bar: [
                x["a"] * y_bar - np.full((len(y_bar),) * 2, x["c"] / len(y_bar)) @ y_bar,
                np.ones((1, len(y_bar))) @ y_bar,
            ],
        ),
        wrong=(
            (lambda x: _back, "for a = 1 and c = 1"),
            (lambda x: lambda y_bar: (x["a"] * _back(y_bar)[0], y_bar.sum(axis=0)), "not a"),
            (
                lambda x: lambda y_bar: (
                    x["a"] * y_bar - y_bar.mean(axis=0), y_bar.sum(axis=0)
                ),
                "c is missing",
            ),
            (
                lambda x: lambda y_bar: (
                    y_bar - x["c"] * y_bar.mean(axis=0), y_bar.sum(axis=0)
                ),
                "a is missing",
            ),
            (
                lambda x: lambda y_bar: (
                    x["a"] * y_bar - x["c"] * y_bar.sum(axis=0), y_bar.sum(axis=0)
                ),
                "the mean has 1/m in it",
            ),
            (lambda x: lambda y_bar: (x["a"] * y_bar, y_bar.sum(axis=0)), "as a constant"),
            (
                lambda x: lambda y_bar: (
                    x["a"] * y_bar - x["c"] * y_bar.mean(axis=0), y_bar.mean(axis=0)
                ),
                "your b_bar is a mean",
            ),
            (lambda x: lambda y_bar: y_bar, "return 2 values"),
        ),
    ),
}
