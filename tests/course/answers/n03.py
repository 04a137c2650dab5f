"""Answers of notebook 3: a linear layer by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from minwn.course.exercises.n03 import _but, _front, _own_back, _t1

from . import Answers


def _linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w.T + b


def _back(y_bar: Any, x: Any, w: Any) -> Any:
    rows, sent = x.reshape(-1, x.shape[-1]), y_bar.reshape(-1, y_bar.shape[-1])
    return y_bar @ w, sent.T @ rows, sent.sum(axis=0)


def _dot(x: Any, w: Any, x_dot: Any, w_dot: Any, b_dot: Any) -> Any:
    return x_dot @ w.T + x @ w_dot.T + b_dot


ANSWERS = {
    "3.1": Answers(
        right=("(5, 4)",),
        wrong=(("(4, 5)", "a row for each row"), ("(5, 3)", "summed away")),
    ),
    "3.2": Answers(
        right=(
            _linear,
            lambda x, w, b: np.einsum("mi,oi->mo", x, w) + b[None, :],
            lambda x, w, b: [[float(r @ w[o] + b[o]) for o in range(len(w))] for r in x],
            lambda x, w, b: (w @ x.T + b[:, None]).T,
        ),
        wrong=(
            (lambda x, w, b: x @ w + b, "ValueError"),
            (lambda x, w, b: x @ w.T, "b is missing"),
            (lambda x, w, b: w @ x.T + b[:, None], "transposed"),
            (lambda x, w, b: x @ w.T / 3 + b, "it is a sum"),
            (lambda x, w, b: x @ w.T + b.sum(), "sum of all biases"),
            (lambda x, w, b: (x @ w.T) * b, "multiply by the bias"),
            (lambda x, w, b: x @ w.T - b, "subtract"),
            (lambda x, w, b: x[0] @ w.T + b, "(4,), and (5, 4)"),
        ),
    ),
    "3.3": Answers(
        right=(
            _back,
            lambda y_bar, x, w: (
                np.einsum("mo,oi->mi", y_bar, w),
                np.einsum("mo,mi->oi", y_bar, x),
                y_bar.sum(0),
            ),
            lambda y_bar, x, w: [(w.T @ y_bar.T).T, (x.T @ y_bar).T, np.ones(len(x)) @ y_bar],
            lambda y_bar, x, w: (
                y_bar @ w,
                sum(np.outer(a, b) for a, b in zip(y_bar, x, strict=True)),
                y_bar.sum(axis=0, keepdims=True),
            ),
        ),
        wrong=(
            (_but(0, lambda y_bar, x, w: y_bar @ w.T), "two axes meet"),
            (
                _but(0, lambda y_bar, x, w: (y_bar @ w).T),
                "x_bar has the right values, but is trans",
            ),
            (_but(0, lambda y_bar, x, w: np.ones_like(y_bar) @ w), "right for a y_bar of ones"),
            (_but(1, lambda y_bar, x, w: x.T @ y_bar), "w_bar has the right values, but is trans"),
            (_but(1, lambda y_bar, x, w: y_bar.T @ x / 5), "w_bar is a mean"),
            (_but(1, lambda y_bar, x, w: np.ones_like(y_bar).T @ x), "does not use y_bar"),
            (_but(2, lambda y_bar, x, w: y_bar), "sum along axis 0"),
            (_but(2, lambda y_bar, x, w: y_bar.mean(axis=0)), "b_bar is a mean"),
            (_but(2, lambda y_bar, x, w: y_bar.sum(axis=1)), "(5,), and (4,)"),
            (_but(2, lambda y_bar, x, w: np.full(4, 5)), "counts the rows"),
            (_but(2, lambda y_bar, x, w: np.ones(4)), "1 everywhere"),
            (_but(2, lambda y_bar, x, w: y_bar[-1]), "the last row"),
            (lambda y_bar, x, w: _back(y_bar, x, w)[:2], "return 3 values"),
        ),
    ),
    "3.4": Answers(
        right=(
            _back,
            lambda y_bar, x, w: (
                y_bar @ w,
                np.tensordot(y_bar, x, (range(x.ndim - 1), range(x.ndim - 1))),
                y_bar.sum(axis=tuple(range(x.ndim - 1))),
            ),
        ),
        wrong=(
            (
                lambda y_bar, x, w: (y_bar @ w, y_bar.T @ x, y_bar.sum(axis=0)),
                "(2, 5, 3), with two axes",
            ),
            (
                lambda y_bar, x, w: (
                    y_bar @ w,
                    np.swapaxes(y_bar, -1, -2) @ x,
                    y_bar.reshape(-1, 4).sum(0),
                ),
                "its sum along axis 0",
            ),
            (
                lambda y_bar, x, w: (y_bar @ w, _back(y_bar, x, w)[1], y_bar.sum(axis=0)),
                "its sum along axis 0",
            ),
            (
                lambda y_bar, x, w: (
                    y_bar @ w,
                    np.tensordot(y_bar, x, ((0, 1), (0, 1))) if x.ndim == 3 else y_bar.T @ x,
                    _back(y_bar, x, w)[2],
                ),
                "with no axis in front",
            ),
            (
                lambda y_bar, x, w: (
                    y_bar @ w,
                    _front(y_bar)[0].T @ _front(x)[0],
                    _back(y_bar, x, w)[2],
                ),
                "the first batch alone",
            ),
            (
                lambda y_bar, x, w: (
                    y_bar @ w,
                    *(p / max(len(x), 1) for p in _back(y_bar, x, w)[1:]),
                ),
                "w_bar is a mean",
            ),
            (
                lambda y_bar, x, w: (
                    y_bar @ w,
                    _back(y_bar, x, w)[1],
                    y_bar.reshape(-1, 4).mean(axis=0),
                ),
                "b_bar is a mean",
            ),
        ),
    ),
    "3.5": Answers(
        right=(
            _dot,
            lambda x, w, p, q, r: _linear(p, w, r) + _linear(x, q, 0),
            lambda x, w, p, q, r: np.einsum("mi,oi->mo", p, w) + np.einsum("oi,mi->mo", q, x) + r,
        ),
        wrong=(
            (lambda x, w, p, q, r: p @ w.T + r, "w moves as well"),
            (lambda x, w, p, q, r: x @ q.T + r, "x moves as well"),
            (lambda x, w, p, q, r: p @ w.T + x @ q.T, "b moves as well"),
            (lambda x, w, p, q, r: p @ q.T + r, "one factor moves at a time"),
            (lambda x, w, p, q, r: _dot(x + p, w, p, q, r), "x_dot w_dot^T is too much"),
            (lambda x, w, p, q, r: _dot(x, w, p, q, r) + x @ w.T, "terms with a dot"),
            (lambda x, w, p, q, r: _dot(x, w, p, q, r).T, "transposed"),
        ),
    ),
    "3.6": Answers(
        right=("passes",),
        wrong=(("fails", "It passes"),),
    ),
    "3.T1": Answers(
        right=(_t1, lambda x: np.sum(x["y_bar"], axis=0)[0]),
        wrong=(
            (lambda x: _t1(x) / 3, "mean"),
            (lambda x: 1000, "too large"),
            (lambda x: -_t1(x), ""),
            (lambda x: "b", "a number is asked for"),
        ),
    ),
    "3.T2": Answers(
        right=((7, 4), [7, 4], "7, 4"),
        wrong=(
            ((4, 7), "transposed"),
            ((9, 7), "y_bar"),
            ((9, 4), "x_bar"),
            ((7,), "shape of w"),
            ("28 numbers", "a tuple"),
        ),
    ),
    "3.T3": Answers(
        right=("differences",),
        wrong=(("the shapes", "every product"), ("more digits", "the wrong places")),
    ),
    "3.7": Answers(
        right=(
            lambda x: lambda y_bar, a, w: _own_back(y_bar, a, w, **x),
            lambda x: lambda y_bar, a, w: [
                np.einsum("mo,oi->mi", y_bar, w) * x["p"] * a ** x["p"] / a,
                np.einsum("mo,mi->oi", y_bar, a ** x["p"]),
                x["c"] * np.ones(len(a)) @ y_bar,
            ],
        ),
        wrong=(
            (lambda x: _back, "of y = x w^T + b"),
            (
                lambda x: lambda y_bar, a, w: (
                    y_bar @ w, *_own_back(y_bar, a, w, **x)[1:]
                ),
                "your x_bar is that of x itself",
            ),
            (
                lambda x: lambda y_bar, a, w: (
                    a ** (x["p"] - 1) * (y_bar @ w), *_own_back(y_bar, a, w, **x)[1:]
                ),
                "lacks the factor p",
            ),
            (
                lambda x: lambda y_bar, a, w: (
                    _own_back(y_bar, a, w, **x)[0], y_bar.T @ a, x["c"] * y_bar.sum(axis=0)
                ),
                "your w_bar has x in it",
            ),
            (
                lambda x: lambda y_bar, a, w: (
                    *_own_back(y_bar, a, w, **x)[:2], y_bar.sum(axis=0)
                ),
                "lacks the factor c",
            ),
            (
                lambda x: lambda y_bar, a, w: (
                    *_own_back(y_bar, a, w, **x)[:2], x["c"] * y_bar.mean(axis=0)
                ),
                "your b_bar is a mean",
            ),
            (lambda x: lambda y_bar, a, w: y_bar @ w, "return 3 values"),
        ),
    ),
}
