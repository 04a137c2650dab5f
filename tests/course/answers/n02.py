"""Answers of notebook 2: a tape in 80 lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from minwn.course.exercises.n02 import ERRORS, OPERATIONS, _t1, _walked
from minwn.derivatives import grad
from minwn.tensors import tensor

from . import Answers


def _unbroadcast(x_bar: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    extra = x_bar.ndim - len(shape)
    x_bar = x_bar.sum(axis=tuple(range(extra)))
    ones = tuple(k for k, n in enumerate(shape) if n == 1 and x_bar.shape[k] != 1)
    return x_bar.sum(axis=ones, keepdims=True)


def _by_minwn(f: Any, z_bar: float, *xs: float) -> tuple[Any, ...]:
    leaves = [tensor(np.array(x), requires_grad=True) for x in xs]
    found = grad(f(*leaves), leaves, np.array(float(z_bar)), allow_unused=True)
    return tuple(0.0 if bar is None else bar.numpy() for bar in found)


def _second(f: Any, x: float, *, start: str = "") -> float:
    leaf = tensor(np.array(x), requires_grad=True)
    first = grad(f(leaf), leaf, create_graph=True)
    return float(grad(first, leaf, first.detach() if start else None).numpy())


ANSWERS = {
    "2.1": Answers(
        right=("the sum",),
        wrong=(("the last one", "both ways"), ("the larger one", "both ways")),
    ),
    "2.2": Answers(
        right=(
            lambda z_bar, z, a, b: (z_bar * b, z_bar * a),
            lambda z_bar, z, a, b: [b * z_bar, a * z_bar],
            lambda z_bar, z, a, b: tuple(z_bar * x for x in (b, a)),
        ),
        wrong=(
            (lambda z_bar, z, a, b: (z_bar * a, z_bar * b), "its own value"),
            (lambda z_bar, z, a, b: (b, a), "z_bar is missing"),
            (lambda z_bar, z, a, b: (z_bar, z_bar), "the rule of a sum"),
            (lambda z_bar, z, a, b: (z_bar * z, z_bar * z), "z_bar times z"),
            (lambda z_bar, z, a, b: (z_bar + b, z_bar + a), "multiplied by a slope"),
            (lambda z_bar, z, a, b: (z_bar / b, z_bar / a), "you divide"),
            (lambda z_bar, z, a, b: z_bar * b, "return 2 values"),
            (
                lambda z_bar, z, a, b: (z_bar * b, -z_bar * a),
                "b_bar has the right size and the wrong",
            ),
        ),
    ),
    "2.3": Answers(
        right=(_by_minwn, _walked("sum")),
        wrong=(
            *((_walked(keep), text[:30]) for keep, text in ERRORS),
            (lambda f, z_bar, x, y: (0.0, 0.0), "nothing comes back"),
            (lambda f, z_bar, x, y: [-bar for bar in _by_minwn(f, z_bar, x, y)], "wrong sign"),
            (lambda f, z_bar, x, y: _by_minwn(f, z_bar, x, y)[0], "one array for each x"),
            (lambda f, z_bar, x, y: {}[x], "KeyError"),
            (3.0, "function gradient itself"),
        ),
    ),
    "2.4": Answers(
        right=("3",),
        wrong=(("1", "It is 3"), ("2", "and not 2")),
    ),
    "2.5": Answers(
        right=(
            _unbroadcast,
            lambda x_bar, shape: np.einsum(
                x_bar,
                list(range(x_bar.ndim)),
                [k for k, n in enumerate((1,) * (x_bar.ndim - len(shape)) + shape) if n != 1],
            ).reshape(shape),
        ),
        wrong=(
            (lambda x_bar, shape: x_bar, "has the shape (3, 4)"),
            (lambda x_bar, shape: x_bar.sum(axis=0), "(nothing was repeated)"),
            (
                lambda x_bar, shape: x_bar.sum(axis=tuple(range(x_bar.ndim - len(shape)))),
                "from (3, 4) to (3, 1)",
            ),
            (
                lambda x_bar, shape: _unbroadcast(x_bar, shape) * (np.prod(shape) / x_bar.size),
                "you take a mean",
            ),
            (
                lambda x_bar, shape: x_bar[(0,) * (x_bar.ndim - len(shape))][
                    tuple(slice(0, n) for n in shape)
                ],
                "the first of the copies",
            ),
            (
                lambda x_bar, shape: x_bar if x_bar.shape == shape else np.full(shape, x_bar.sum()),
                "sum over everything",
            ),
            (lambda x_bar, shape: np.squeeze(_unbroadcast(x_bar, shape)), "has the shape (3,)"),
            (lambda x_bar, shape: x_bar.reshape(shape), "cannot reshape"),
        ),
    ),
    "2.6": Answers(
        right=(_second, lambda f, x: np.array([_second(f, x)])),
        wrong=(
            (lambda f, x: _by_minwn(f, 1.0, x)[0], "the first derivative"),
            (lambda f, x: _by_minwn(f, 1.0, x)[0] ** 2, "the square of the first"),
            (lambda f, x: 0.0, "does not remember how"),
            (lambda f, x: {}[x], "did not come to x"),
            (lambda f, x: _second(f, x, start="first"), "in place of 1"),
            (lambda f, x: -_second(f, x), "wrong sign"),
            (lambda f, x: _second(f, x) / 2, "1/2 times what it should be"),
        ),
    ),
    "2.T1": Answers(
        right=(_t1, lambda x: str(_t1(x))),
        wrong=(
            (lambda x: x["x"] ** 2, "through the factor x alone"),
            (lambda x: 2 * x["x"] * (x["x"] + x["k"]), "through a alone"),
            (lambda x: x["x"] * (x["x"] + x["k"]) + x["x"] ** 2, "used twice as well"),
            (lambda x: _t1(x) + 1, "too large"),
            (lambda x: None, "None"),
        ),
    ),
    "2.T2": Answers(
        right=("the sum over the 32 rows",),
        wrong=(
            ("the mean over the 32 rows", "a loss that is a mean"),
            ("its last row", "none counts more"),
        ),
    ),
    "2.T3": Answers(
        right=("only the second",),
        wrong=(("both", "nothing but numbers"), ("neither", "no longer remembers")),
    ),
    "2.7": Answers(
        right=(
            lambda x: lambda z_bar, z, a: z_bar * OPERATIONS[x["z"]][1](a, x["k"]),
            lambda x: lambda z_bar, z, a: OPERATIONS[x["z"]][1](a, x["k"]) * z_bar,
        ),
        wrong=(
            (lambda x: lambda z_bar, z, a: OPERATIONS[x["z"]][1](a, x["k"]), "z_bar is missing"),
            (
                lambda x: lambda z_bar, z, a: z_bar * OPERATIONS[x["z"]][2](a, x["k"]),
                " has two ",  # factors, or parts
            ),
            (lambda x: lambda z_bar, z, a: z_bar * z, "no slope"),
            (lambda x: lambda z_bar, z, a: z_bar / OPERATIONS[x["z"]][1](a, x["k"]), "you divide"),
            (
                lambda x: lambda z_bar, z, a: -z_bar * OPERATIONS[x["z"]][1](a, x["k"]),
                "wrong sign",
            ),
            (lambda x: lambda z_bar, z, a: None, "return in your function"),
        ),
    ),
}
