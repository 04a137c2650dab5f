"""Answers of notebook 4: convolution is a matrix."""

from __future__ import annotations

import numpy as np

from minwn.course.exercises.n04 import (
    COUNTS,
    _conv,
    _count,
    _flipped,
    _gap,
    _matrix,
    _scattered,
    _windows,
    _with,
)

from . import Answers


def _filled(w: np.ndarray, size: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    """The matrix of a convolution, entry by entry."""
    a = np.zeros((_count(size, len(w), stride, padding, dilation), size))
    for p in range(len(a)):
        for k in range(len(w)):
            q = stride * p + dilation * k - padding
            if 0 <= q < size:
                a[p, q] = w[k]
    return a


def _back(
    y_bar: np.ndarray, w: np.ndarray, size: int, stride: int, padding: int, dilation: int
) -> np.ndarray:
    return _filled(w, size, stride, padding, dilation).T @ y_bar


ANSWERS = {
    "4.1": Answers(
        right=("4", 4, " 4 "),
        wrong=(
            ("3", "start at"), ("5", "would need"), ("8", "with stride 1"),
            ("four", "not a choice"),
        ),
    ),
    "4.2": Answers(
        right=(
            _count,
            lambda size, kernel, stride, padding, dilation: len(
                range(0, size + 2 * padding - dilation * (kernel - 1), stride)
            ),
            lambda *how: np.array([float(_count(*how))]),
        ),
        wrong=(
            *((f, text[:24]) for f, text in COUNTS),
            (lambda *how: None, "is None"),
            (4, "the function itself"),
        ),
    ),
    "4.3": Answers(
        right=(
            _windows,
            lambda x, kernel, stride, padding, dilation: [
                [
                    x[q] if 0 <= q < len(x) else 0.0
                    for p in range(_count(len(x), kernel, stride, padding, dilation))
                    for q in [stride * p + dilation * k - padding]
                ]
                for k in range(kernel)
            ],
            lambda x, *how: _windows(x.astype("float32"), *how),
        ),
        wrong=(
            (_with(_windows, step=1), "the dilation is missing"),
            (
                lambda x, kernel, stride, padding, dilation: _windows(
                    x, kernel, stride, padding, dilation, pad=(0, 2 * padding)
                ),
                "starts at x[0]",
            ),
            (
                lambda x, kernel, stride, padding, dilation: _windows(
                    np.pad(x, padding, mode="edge"), kernel, stride, 0, dilation
                ),
                "should be 0",
            ),
            (lambda x, *how: _windows(x, *how)[::-1], "from right to left"),
            (lambda x, *how: _windows(x, *how).T, "transposed"),
            (
                lambda x, kernel, stride, padding, dilation: _windows(
                    x, kernel, stride, 0, dilation
                ),
                "padding does not count in it",
            ),
            (
                lambda x, kernel, stride, padding, dilation: _windows(
                    x, kernel, 1, padding, dilation
                ),
                "stride does not count in it",
            ),
        ),
    ),
    "4.4": Answers(
        right=("3",),
        wrong=(("1000", "each row"), ("2998", "again and again"), ("1000000", "nearly all")),
    ),
    "4.5": Answers(
        right=(
            _matrix,
            _filled,
            lambda w, size, *how: (
                np.array([w @ _windows(np.eye(size)[q], len(w), *how) for q in range(size)]).T
            ),
        ),
        wrong=(
            (lambda w, *how: _matrix(w, *how).T, "transposed"),
            (lambda w, *how: _matrix(w[::-1], *how), "run backwards"),
            (
                lambda w, size, stride, padding, dilation: _matrix(w, size, stride, 0, dilation),
                "padding does not count in it",
            ),
            (lambda w, *how: (_matrix(w, *how) != 0).astype(float), "ones in them"),
            (lambda w, size, *how: w, "is asked for"),
        ),
    ),
    "4.6": Answers(
        right=("zero",),
        wrong=(("copied", "no window reads"), ("averaged", "neighbours")),
    ),
    "4.7": Answers(
        right=(
            _back,
            _scattered(),
            lambda y_bar, w, size, *how: np.einsum("pq,p->q", _filled(w, size, *how), y_bar),
        ),
        wrong=(
            (_scattered(add=False), "overwrites the earlier"),
            (_scattered(shift=False), "shifted by the padding"),
            (_flipped, "run backwards"),
            (
                lambda y_bar, w, size, *how: _back(y_bar, np.ones_like(w), size, *how),
                "multiplied by a weight",
            ),
            (
                lambda y_bar, w, size, stride, padding, dilation: np.pad(
                    _back(y_bar, w, size, stride, padding, dilation), padding
                ),
                "is asked for",
            ),
            (lambda y_bar, w, size, *how: -_back(y_bar, w, size, *how), "wrong sign"),
            (lambda y_bar, w, size, *how: print(end=""), "is None"),
        ),
    ),
    "4.8": Answers(
        right=(
            _gap,
            lambda f, b, x, y_bar: np.abs(np.sum(f(x) * y_bar) - np.sum(x * b(y_bar))),
        ),
        wrong=(
            (lambda f, b, x, y_bar: f(x) @ y_bar - x @ b(y_bar), "take its size"),
            (lambda f, b, x, y_bar: abs(f(x).sum() - b(y_bar).sum()), "two sums"),
            (lambda f, b, x, y_bar: abs(x @ b(y_bar)), "one side only"),
            (lambda f, b, x, y_bar: abs(f(x) @ y_bar + x @ b(y_bar)), "you add"),
            (lambda f, b, x, y_bar: abs(f(x) @ x), "raised ValueError"),
            (lambda f, b, x, y_bar: abs(f(x) * y_bar - b(y_bar)[:3]), "is asked for"),
        ),
    ),
    "4.9": Answers(
        right=("passes",),
        wrong=(("fails", "only the sum"),),
    ),
    "4.10": Answers(
        right=(
            _conv,
            lambda x, w, stride, padding, dilation, groups: np.stack(
                [
                    sum(
                        w[o, c]
                        @ _windows(
                            x[o // (len(w) // groups) * w.shape[1] + c],
                            w.shape[2],
                            stride,
                            padding,
                            dilation,
                        )
                        for c in range(w.shape[1])
                    )
                    for o in range(len(w))
                ]
            ),
        ),
        wrong=(
            (
                _with(_conv, reads=lambda i, few, groups: slice(i, None, groups)),
                "takes neighbours",
            ),
            (_with(_conv, reads=lambda i, few, groups: slice(0, few)), "channels of the first"),
            (lambda x, w, *how: _conv(x, w, *how)[[0, 3, 1, 4, 2, 5]], "wrong order"),
            (lambda x, w, *how: _conv(x, w, *how) / w.shape[1], "a mean"),
            (lambda x, w, *how: _conv(x, w, *how).T, "transposed"),
            (
                lambda x, w, stride, padding, dilation, groups: _conv(
                    x[:2], w, stride, padding, dilation, 1
                ),
                "channels of the first",
            ),
            (
                lambda x, w, stride, padding, dilation, groups: _conv(
                    x, w[:3], stride, padding, dilation, 1
                ),
                "is asked for",
            ),
        ),
    ),
    "4.T1": Answers(
        right=(lambda x: _count(**x), lambda x: str(_count(**x)), lambda x: float(_count(**x))),
        wrong=(
            (lambda x: _count(**x) - 1, "the first window"),
            (
                lambda x: x["size"] + 2 * x["padding"] - x["dilation"] * (x["kernel"] - 1),
                "with stride 1",
            ),
            (lambda x: 500, "too large"),
            (lambda x: "many", "a number is asked for"),
        ),
    ),
    "4.T2": Answers(
        right=("(16, 8)", (16, 8), "(16,8)"),
        wrong=(
            ("(8, 16)", "A itself"),
            ("(3, 8)", "windows"),
            ("(16, 16)", "not square"),
            ((16,), "not a choice"),
        ),
    ),
    "4.T3": Answers(
        right=("B is the transpose of A",),
        wrong=(
            ("A is right", "compares A with B"),
            ("A and B are right", "both use"),
            ("nothing", "no room for chance"),
        ),
    ),
}
