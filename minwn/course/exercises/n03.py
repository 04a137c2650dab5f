"""Exercises of notebook 3: a linear layer by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...byhand import linear
from ...oracle.mistakes.layer_terms import LayerTerms
from ...oracle.reference.layer import Layer
from .. import raised, typed
from ..catalogue import layer_errors
from ..exercise import Exercise, Judge
from ..judges import choice, function, number, varied

__all__ = ["EXERCISES"]

Arrays = tuple[np.ndarray, ...]
NAMES = ("x_bar", "w_bar", "b_bar")


def layer(rng: np.random.Generator) -> Arrays:
    """x (5, 3), w (4, 3), b (4,): three different sizes."""
    return rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)


def back(rng: np.random.Generator) -> Arrays:
    """y_bar (5, 4), x (5, 3), w (4, 3)."""
    x, w, _ = layer(rng)
    return rng.normal(size=(5, 4)), x, w


def tangents(rng: np.random.Generator) -> Arrays:
    """x, w, and the tangents of x, w and b."""
    return (*layer(rng)[:2], *layer(rng))


def _back(y_bar: Any, x: Any, w: Any) -> Arrays:
    return linear.vjp(y_bar, x, w, np.zeros(len(w)))


def _but(k: int, rule: Any) -> Any:
    """The right pullback with one of its three parts replaced."""

    def answer(y_bar: Any, x: Any, w: Any) -> Any:
        parts = list(_back(y_bar, x, w))
        parts[k] = rule(y_bar, x, w)
        return tuple(parts)

    return answer


# wrong pullbacks, each with its sentence
ERRORS = (
    (_but(1, lambda y_bar, x, w: _back(y_bar, x, w)[1] / len(x)),
     "your w_bar is a mean over the rows of x; it is a sum"),
    (_but(1, lambda y_bar, x, w: np.ones_like(y_bar).T @ x), "your w_bar does not use y_bar"),
    (_but(2, lambda y_bar, x, w: y_bar.mean(axis=0)),
     "your b_bar is a mean over the rows; b moved all of them, so what comes back is added up"),
    (_but(2, lambda y_bar, x, w: np.full(4, len(y_bar))),
     "your b_bar counts the rows: that is right for a y_bar of ones only"),
    (_but(2, lambda y_bar, x, w: np.ones(4)),
     "your b_bar is 1 everywhere; y_bar has to come into it"),
    (_but(2, lambda y_bar, x, w: y_bar[0]),
     "your b_bar is the first row of y_bar; b moved all rows"),
    (_but(2, lambda y_bar, x, w: y_bar[-1]),
     "your b_bar is the last row of y_bar; b moved all rows"),
    (_but(2, lambda y_bar, x, w: np.full(4, y_bar.sum())),
     "your b_bar sums over the outputs as well; each has a bias of its own"),
)

# arguments that can be checked on paper, with what must come out, for each of the three
EXAMPLES = (
    (
        (np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), np.array([[5.0]])),
        (
            "each row of y_bar goes back through w = 5, so it must be [[5], [10]]",
            "1 times 3 from the first row and 2 times 4 from the second must make 11",
            "1 from the first row and 2 from the second must make 3",
        ),
    ),
)


def _terms(y_bar: Any, x: Any, w: Any) -> LayerTerms:
    layer = Layer.of((), (), stride=(), dilation=(), pads=())
    assert layer is not None  # without axes there is always one position
    return LayerTerms(layer, x, w, None, y_bar)


_judge_back = function(
    _back, back, NAMES, common_errors=(*ERRORS, *layer_errors(_terms, NAMES)), examples=EXAMPLES
)


def judge_back(answer: Any) -> str | None:
    """The pullback; NumPy's errors about shapes become a sentence in the notebook's words."""
    try:
        return _judge_back(answer)
    except ValueError as error:
        if "matmul" not in str(error) and "shapes" not in str(error):
            raise
        return (
            "two axes meet that are not alike; write the letters under each array: "
            "y_bar is (m, o), x is (m, i), w is (o, i), and the letter that is summed must stand "
            "at both"
        )


def judge_batched(answer: Any) -> str | None:
    """The pullback for any leading axes: first two axes in all, then three, one, and no rows."""
    try:
        message = judge_back(answer)
    except (ValueError, IndexError) as error:
        message = raised.sentence(error)
    if message:
        return f"for x of shape (5, 3): {message}"
    for front, words in (
        ((2, 5), "two axes in front"),
        ((), "no axis in front"),
        ((0,), "no rows"),
    ):

        def draw(rng: np.random.Generator, front: tuple[int, ...] = front) -> Arrays:
            return tuple(rng.normal(size=s) for s in ((*front, 4), (*front, 3), (4, 3)))

        try:
            message = function(
                _back, draw, NAMES,
                common_errors=(
                    (
                        _but(1, lambda y_bar, x, w: _front(y_bar)[0].T @ _front(x)[0]),
                        "your w_bar is that of the first batch alone",
                    ),
                ),
            )(answer)
        except (ValueError, IndexError) as error:
            message = raised.sentence(error)
        if message:
            return f"for x of shape {(*front, 3)}, with {words}: {message}"
    return None


def _front(x: Any) -> Any:
    """x with exactly two axes before the last."""
    return x if x.ndim == 3 else x.reshape((1,) * (3 - x.ndim) + x.shape)


def judge_shape(answer: Any) -> str | None:
    """Of 3.T2: the shape (7, 4) of w_bar."""
    found = typed.shape(answer)
    if found is None:
        return f"a shape is a tuple, such as (2, 4); this is {answer!r}"
    if found == (7, 4):
        return None
    if found == (4, 7):
        return "that is transposed: a cotangent has the shape of what it belongs to"
    if found == (9, 7):
        return "that is the shape of y, and of y_bar"
    if found == (9, 4):
        return "that is the shape of x, and of x_bar"
    return f"{found} is not it: compare with the shape of w"


def column(rng: np.random.Generator) -> dict[str, Any]:
    """y_bar of 3.T1, three rows of two, of numbers whose sums hardly ever coincide."""
    numbers = [-41, -37, -29, -23, -17, -13, 11, 19, 26, 31, 47, 53]
    return {"y_bar": rng.permutation(numbers)[:6].reshape(3, 2).tolist()}


def _t1(x: Mapping[str, Any]) -> float:
    return float(sum(row[0] for row in x["y_bar"]))


def own_layer(rng: np.random.Generator) -> dict[str, Any]:
    """p and c of 3.7."""
    return {"p": int(rng.choice([2, 3, 4])), "c": float(rng.choice([-3.0, -2.0, 0.5, 2.5, 4.0]))}


def _own_back(y_bar: Any, x: Any, w: Any, p: int, c: float) -> Arrays:
    return p * x ** (p - 1) * (y_bar @ w), y_bar.T @ x**p, c * y_bar.sum(axis=0)


def _own_layer(numbers: Mapping[str, Any]) -> Judge:
    p, c = numbers["p"], numbers["c"]

    def but(**changed: Any) -> Any:
        def wrong(y_bar: Any, x: Any, w: Any) -> Arrays:
            right = dict(zip(NAMES, _own_back(y_bar, x, w, p, c), strict=True))
            return tuple((right | {k: f(y_bar, x, w) for k, f in changed.items()}).values())

        return wrong

    return function(
        lambda y_bar, x, w: _own_back(y_bar, x, w, p, c), back, [f"your {one}" for one in NAMES],
        common_errors=(
            (
                but(x_bar=lambda y_bar, x, w: y_bar @ w),
                "your x_bar is that of x itself: x^p moves by p x^(p - 1) for each unit of x",
            ),
            (
                but(x_bar=lambda y_bar, x, w: x ** (p - 1) * (y_bar @ w)),
                f"your x_bar lacks the factor p, which is {p}",
            ),
            (
                but(x_bar=lambda y_bar, x, w: p * x**p * (y_bar @ w)),
                "the power in your x_bar is one too high",
            ),
            (
                but(w_bar=lambda y_bar, x, w: y_bar.T @ x),
                "your w_bar has x in it; what w meets in the layer is x^p",
            ),
            (
                but(b_bar=lambda y_bar, x, w: y_bar.sum(axis=0)),
                f"your b_bar lacks the factor c, which is {c:g}",
            ),
            (
                but(b_bar=lambda y_bar, x, w: c * y_bar.mean(axis=0)),
                "your b_bar is a mean; b is used in every row, so it is the sum",
            ),
            (_back, "these are the cotangents of y = x w^T + b; yours has x^p and c b"),
        ),
        examples=((
            (np.array([[10.0], [1.0]]), np.array([[2.0], [1.0]]), np.array([[3.0]])),
            (
                f"with x = [[2], [1]] y is [[{3 * 2**p}], [3]], and [[{3 * 2.001**p:.6g}], "
                f"[{3 * 1.001**p:.6g}]] where x is 0.001 larger; y_bar is 10 and 1",
                f"y rises by 2^{p} = {2**p} in the first row and by 1 in the second when w rises "
                "by 1; y_bar is 10 and 1",
                f"y rises by {c:g} in both rows when b rises by 1; y_bar is 10 and 1",
            ),
        ),),
    )


EXERCISES = (
    Exercise(
        "3.1",
        "the shape of y",
        choice("(5, 4)", {
            "(4, 5)": "It is (5, 4): a row for each row of x, with a number for each output.",
            "(5, 3)": "It is (5, 4): the 3 inputs are summed away, and the 4 outputs are left.",
        }),
        explanation="A row for each row of x, and in it a number for each output.",
        choices=("(5, 3)", "(4, 5)", "(5, 4)"),
    ),
    Exercise(
        "3.2",
        "the layer",
        function(
            linear.forward,
            layer,
            "your y",
            common_errors=(
                (lambda x, w, b: x @ w.T, "the bias b is missing"),
                (lambda x, w, b: x @ w.T - b, "you subtract the bias"),
                (lambda x, w, b: (x @ w.T) * b, "you multiply by the bias; add it"),
                (lambda x, w, b: x @ w.T / x.shape[1] + b, "you take a mean over i; it is a sum"),
                (lambda x, w, b: x @ w.T + b.sum(), "every output gets the sum of all biases"),
                (lambda x, w, b: x @ abs(w).T + b, "the signs of w are lost"),
                (
                    lambda x, w, b: x @ (w + b[:, None]).T,
                    "b is multiplied by x; it is added after the product, once for each output",
                ),
                (
                    lambda x, w, b: np.maximum(x @ w.T + b, 0),
                    "there is a ReLU in it; the layer itself has none",
                ),
            ),
            examples=(
                (
                    (np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([10.0])),
                    "1 times 3 and 2 times 4, and the bias 10, must make 21",
                ),
            ),
        ),
        (
            "for one row of x: a dot product with each row of w, and then the biases",
            "x @ w needs the last axis of x and the first of w to be alike; which axis of w is i?",
            "w.T has the shape (i, o)",
        ),
        reveals="3.1",
    ),
    Exercise(
        "3.3",
        "three cotangents",
        judge_back,
        (
            "x_bar has the shape (m, i). Which of y_bar (m, o), x (m, i), w (o, i) have o to sum "
            "over?",
            "w_bar (o, i): here m is summed, and it stands first in y_bar and in x, so one is "
            "transposed",
            "b_bar (o,): b went into each row, so the rows of y_bar are added up",
        ),
    ),
    Exercise(
        "3.4",
        "any axes in front",
        judge_batched,
        (
            "for x_bar nothing changes: @ takes the last axes, and leaves those in front alone",
            "w was used in every row of every batch: all axes in front are summed, as m was",
            "x.reshape(-1, x.shape[-1]) makes one m of all axes in front; the same for y_bar",
        ),
        explanation="To the weights it does not matter how the rows are arranged.",
    ),
    Exercise(
        "3.5",
        "the forward product",
        function(
            linear.jvp,
            tangents,
            "your y_dot",
            common_errors=(
                (lambda x, w, p, q, r: p @ w.T + r, "x w_dot^T is missing: w moves as well"),
                (lambda x, w, p, q, r: x @ q.T + r, "x_dot w^T is missing: x moves as well"),
                (lambda x, w, p, q, r: p @ w.T + x @ q.T, "b_dot is missing: b moves as well"),
                (
                    lambda x, w, p, q, r: p @ q.T + r,
                    "you multiply the two changes; in a product one factor moves at a time",
                ),
                (
                    lambda x, w, p, q, r: linear.jvp(x, w, p, q, r) + p @ q.T,
                    "x_dot w_dot^T is too much: it is small of second order",
                ),
                (
                    lambda x, w, p, q, r: linear.jvp(x, w, p, q, r) + x @ w.T,
                    "x w^T itself is in your sum; a change has only terms with a dot",
                ),
                (
                    lambda x, w, p, q, r: x @ w.T + r,
                    "x w^T itself is in your sum; a change has only terms with a dot",
                ),
                (
                    lambda x, w, p, q, r: (x + p) @ (w + q).T + r,
                    "this is y after the change; asked for is the change alone",
                ),
            ),
            examples=tuple(
                (tuple(np.array(z) for z in numbers), f"only {letter} moves, by 1, and y must {by}")
                for numbers, letter, by in (
                    (([[2.0]], [[3.0]], [[1.0]], [[0.0]], [0.0]), "x", "move by w = 3"),
                    (([[2.0]], [[3.0]], [[0.0]], [[1.0]], [0.0]), "w", "move by x = 2"),
                    (([[2.0]], [[3.0]], [[0.0]], [[0.0]], [1.0]), "b", "move by 1"),
                )
            ),
        ),
        (
            "it is the product rule: (x w^T)' has one term for x and one for w",
            "each term has exactly one letter with a dot",
            "three terms: one for x_dot, one for w_dot, one for b_dot",
        ),
    ),
    Exercise(
        "3.6",
        "both halves forget the bias",
        choice("passes", {
            "fails": "It passes. Both halves belong to the same function, x w^T, which is not the "
                     "layer.",
        }),
        explanation="Both halves belong to the same function, x w^T, which is not the layer.",
        choices=("passes", "fails"),
    ),
    Exercise(
        "3.T1",
        "b_bar on paper",
        number(
            _t1, "your b_bar",
            common_errors=(
                (lambda x: _t1(x) / 3, "that is a mean; what comes back is added up"),
                (lambda x: float(sum(x["y_bar"][0])),
                 "that is the sum of a row; b_1 is in a column"),
                (lambda x: float(sum(row[1] for row in x["y_bar"])), "that is the other bias"),
                (lambda x: float(sum(map(sum, x["y_bar"]))), "that is the sum of everything"),
                (lambda x: 3.0, "that is the number of rows: right for a y_bar of ones"),
                (lambda x: float(sum(abs(row[0]) for row in x["y_bar"])), "the signs count"),
                (lambda x: float(x["y_bar"][0][0]), "that is what the first example sends back; "
                 "there are three"),
            ),
            example="for y_bar = [[1, 10], [2, 20], [-5, 30]] it would be -2",
        ),
        (
            "b_1 was added to the first entry of each row",
            "what comes back from the three rows is added up",
            "it is the sum of the first column",
        ),
        variant=column,
    ),
    Exercise(
        "3.T2",
        "the shape of w_bar",
        judge_shape,
        (
            "no formula is needed",
            "what shape does the gradient of anything have?",
            "that of w",
        ),
        explanation="A cotangent has the shape of what it belongs to.",
    ),
    Exercise(
        "3.T3",
        "a transpose in a square layer",
        choice("differences", {
            "the shapes": "x, w and y_bar are all (4, 4), and so is every product of them",
            "more digits": "the numbers are exact; they stand in the wrong places",
        }),
        (
            "what shapes have y_bar.T @ x and x.T @ y_bar, if both are (4, 4)?",
            "which of the three looks at numbers, entry by entry?",
            "notebook 1 was about it",
        ),
        explanation="And a layer that is not square would have told you for nothing.",
        choices=("the shapes", "differences", "more digits"),
    ),
    Exercise(
        "3.7",
        "the three cotangents of a layer of your own",
        varied(_own_layer),
        (
            "sort the sum over y_bar y_dot once more: what stands beside x_dot, w_dot and b_dot?",
            "x^p moves by p x^(p - 1) x_dot; w meets x^p; b is multiplied by c",
            "x_bar is p x^(p - 1) times y_bar w, entry by entry",
        ),
        variant=own_layer,
    ),
)
