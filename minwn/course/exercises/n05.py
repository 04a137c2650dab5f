"""Exercises of notebook 5: weight normalisation by three derivations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...oracle.mistakes import Terms, by_id
from .. import points
from ..catalogue import weight_norm
from ..exercise import Exercise, Judge
from ..judges import choice, function, number, varied

__all__ = ["BLIND", "EXERCISES"]

Arrays = tuple[np.ndarray, ...]
NODES = ("r_bar", "g_bar", "n_bar", "s_bar", "v_bar")
# mistakes that a good point shows
BLIND = (
    "missing_g", "missing_1_over_n", "missing_g_over_n", "no_projection", "proj_uses_sum_not_dot",
    "factor_abs_g",
)


def point(rng: np.random.Generator) -> Arrays:
    """w_bar, v, g: all numbers different, g of both signs, n neither 1 nor |g|."""
    g = np.array([[1.7], [-0.6], [2.9]]) * rng.uniform(0.8, 1.2, (3, 1))
    return rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), g


def _n(v: np.ndarray) -> np.ndarray:
    return np.sqrt((v * v).sum(axis=1, keepdims=True))


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(axis=1, keepdims=True)


def _nodes(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> dict[str, np.ndarray]:
    """All but v_bar, which the catalogue judges."""
    n, r_bar = _n(v), _dot(w_bar, v)
    n_bar = -r_bar * g / n**2
    return {"r_bar": r_bar, "g_bar": r_bar / n, "n_bar": n_bar, "s_bar": n_bar / (2 * n)}


def _across(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    return x - _dot(x, v) / _dot(v, v) * v


# wrong rules for a node, of the right nodes and the arrays
NODE_ERRORS: dict[str, tuple[tuple[Any, str], ...]] = {
    "n_bar": ((
        lambda x, w_bar, v, g: -x["r_bar"] * g / _n(v),
        "n_bar divides by n once: the derivative of g/n by n divides by it twice",
    ),),
    "g_bar": ((lambda x, w_bar, v, g: x["r_bar"], "g_bar is r_bar: r = g/n has lost its n"),),
    "s_bar": ((
        lambda x, w_bar, v, g: x["n_bar"] / (2 * _n(v) ** 2),
        "s_bar divides by s: it should be by its root",
    ),),
}
# of one row that can be checked by hand
NODE_FACTS = {
    "r_bar": "r multiplies all of v, and <w_bar, v> is 55",
    "g_bar": "r = g/n rises by 1/5 when g rises by 1, and r_bar is 55",
    "n_bar": "r = g/n falls by 10/25 for each unit of n, and r_bar is 55",
    "s_bar": "n rises by 1/10 for each unit of s, as n = 5 is the root of s, and n_bar is -22",
}


def _node(node: str) -> Any:
    """The judge of one node, where those before it are right."""

    def rule(of: Any) -> Any:
        return lambda w_bar, v, g: of(_nodes(w_bar, v, g), w_bar, v, g)

    def reference(w_bar: Any, v: Any, g: Any) -> Any:
        return _nodes(w_bar, v, g)[node]

    def lengths(w_bar: Any, v: Any, g: Any) -> dict[str, Any]:
        return {"n": _n(v), "r_bar": _dot(w_bar, v)}

    known = [(rule(of), text) for of, text in NODE_ERRORS.get(node, ())]
    by_hand = tuple(np.array([x]) for x in ([5.0, 10.0], [3.0, 4.0], [10.0]))
    return function(
        reference, point, node, common_errors=known, quantities=lengths,
        examples=((by_hand, NODE_FACTS[node]),),
    )


def judge_nodes(answer: Any) -> str | None:
    """The message for the first wrong node of the walk back; the catalogue judges v_bar."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    got = answer(*(x.copy() for x in point(np.random.default_rng(0))))
    if not isinstance(got, dict) or not set(NODES) <= set(got):
        return f"return a dict with the keys {', '.join(NODES)}"
    for node in NODES[:-1]:
        message = _node(node)(lambda *arrays, node=node: answer(*arrays)[node])
        if message:
            return f"{message} (the nodes before it are right)" if node != "r_bar" else message
    judge = weight_norm("v_bar")
    return judge(lambda *arrays: answer(*arrays)["v_bar"])


def judge_point(answer: Any) -> str | None:
    """Whether every mistake of BLIND shows at a point (v, g, w_bar)."""
    found = points.read(answer)
    if isinstance(found, str):
        return found
    t = Terms(*found)
    size = max(np.abs(t.v_bar()).max(), 1e-9 * np.abs(t.g * t.w_bar / t.n).max())
    hidden = [
        name for name in BLIND
        if not np.abs(by_id(name).output("v_bar", t) - t.v_bar()).max() > 1e-6 * size
    ]
    return points.hidden(hidden, hidden[0], found) if hidden else None


def numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Of 5.T1: a row whose length is a whole number."""
    a, b = ((3, 4), (6, 8), (5, 12), (8, 15))[rng.integers(4)]
    return {
        "v": (a, b),
        "g": int(rng.integers(3, 9)),
        "w_bar": tuple(int(x) for x in rng.choice([-3, -2, 2, 5], 2, replace=False)),
    }


def _d(x: dict[str, Any]) -> float:
    return float(np.dot(x["w_bar"], x["v"]))


def _length(x: dict[str, Any]) -> float:
    return float(np.hypot(*x["v"]))


def _g_bar(x: dict[str, Any]) -> float:
    return _d(x) / _length(x)


def own_length(rng: np.random.Generator) -> dict[str, Any]:
    """p and k of 5.9."""
    return {"p": int(rng.choice([4, 6, 8])), "k": float(rng.choice([0.5, 1.5, 2.0, 3.0, 5.0]))}


def _p_length(v: Any, p: int, k: float) -> Any:
    return (k + (v**p).sum(axis=1, keepdims=True)) ** (1 / p)


def _own_bars(w_bar: Any, v: Any, g: Any, p: int, k: float, power: int, depth: int) -> Arrays:
    """v_bar and g_bar for n = (k + sum v^p)^(1/p), with v^power / n^depth in the second term."""
    n = _p_length(v, p, k)
    d = _dot(w_bar, v)
    return g / n * (w_bar - d * v**power / n**depth), d / n


def _own_length(numbers: Mapping[str, Any]) -> Judge:
    p, k = numbers["p"], numbers["k"]
    at = np.array([[10.0, 1.0]]), np.array([[1.0, 1.5]]), np.array([[3.0]])

    def risen(by: float) -> float:
        """<w_bar, w> of the example, where the first entry of v is larger by so much."""
        w_bar, v, g = at[0], at[1] + [[by, 0.0]], at[2]
        return float((w_bar * g * v / _p_length(v, p, k)).sum())

    def terms(w_bar: Any, v: Any, g: Any) -> tuple[Any, Any, Any]:
        """The two terms of v_bar, and g_bar."""
        n, d = _p_length(v, p, k), _dot(w_bar, v)
        return g / n * w_bar, g / n * d * v ** (p - 1) / n**p, d / n

    return function(
        lambda w_bar, v, g: _own_bars(w_bar, v, g, p, k, p - 1, p), point,
        ("your v_bar", "your g_bar"),
        common_errors=(
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, 2, 0.0, 1, 2),
                "these are the gradients for the usual length; yours has another power, and k",
            ),
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, p, 0.0, p - 1, p),
                "k is missing in your n",
            ),
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, p, k, 1, 2),
                "the second term of your v_bar is that of the usual length: differentiate the p-th "
                "root and the p-th powers",
            ),
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, p, k, 1, p),
                "v^(p - 1) belongs where you have v: that is what v^p leaves",
            ),
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, p, k, p - 1, 2),
                "the power of n in the second term is that of the usual length; count it again",
            ),
            (
                lambda w_bar, v, g: _own_bars(w_bar, v, g, p, k, p, p),
                "the power of v in the second term is one too high",
            ),
            (
                lambda w_bar, v, g: (
                    g / _p_length(v, p, k) * w_bar, _dot(w_bar, v) / _p_length(v, p, k)
                ),
                "you treat n as a constant: the second term of v_bar is missing",
            ),
            *(
                (lambda w_bar, v, g, f=f: (f(*terms(w_bar, v, g), v, g), _dot(w_bar, v)
                                           / _p_length(v, p, k)), text)
                for f, text in (
                    (
                        lambda a, b, g_bar, v, g: a + b,
                        "the sign of the second term of your v_bar is wrong",
                    ),
                    (
                        lambda a, b, g_bar, v, g: a - p * b,
                        "a factor p is too much in the second term: the p-th root takes it off",
                    ),
                    (
                        lambda a, b, g_bar, v, g: a - b / p,
                        "a factor p is missing in the second term: v^p brings one",
                    ),
                    (
                        lambda a, b, g_bar, v, g: a - b * _p_length(v, p, k) / g,
                        "the factor g/n reaches only the first of your two terms",
                    ),
                    (
                        lambda a, b, g_bar, v, g: a - b * _p_length(v, p, k),
                        "the power of n in the second term is one too low",
                    ),
                    (
                        lambda a, b, g_bar, v, g: a - b / _p_length(v, p, k),
                        "the power of n in the second term is one too high",
                    ),
                )
            ),
        ),
        quantities=lambda w_bar, v, g: {"n": _p_length(v, p, k)},
        examples=((at, (
            f"<w_bar, w> is {risen(0.0):.6g} there, and {risen(0.001):.6g} where the first entry "
            "of v is 0.001 larger",
            f"<w_bar, w> is {risen(0.0):.6g} there, and twice as large for g = 6",
        )),),
    )


EXERCISES = (
    Exercise(
        "5.1",
        "what doubling v does to w",
        choice("stays", {
            "doubles": "w stays: the length of v is divided out, so only its direction counts.",
            "halves": "w stays: v doubles and so does its length, and the two cancel.",
        }),
        explanation="The length of v is divided out.",
        choices=("doubles", "halves", "stays"),
    ),
    Exercise(
        "5.2",
        "w from v and g",
        weight_norm("forward"),
        (
            "each row has a length of its own; how many lengths are there for v of shape (3, 4)?",
            "sum the squares along axis=1; keepdims=True keeps the shape (o, 1) that g has",
            "three steps: square and sum, take the root, then divide g v by it",
        ),
        reveals="5.1",
    ),
    Exercise(
        "5.3",
        "first derivation: node by node",
        judge_nodes,
        (
            "start with w = r v: r is one number for a whole row, so a sum reaches it",
            "d(g/n)/dn is negative, with n squared below; d(sqrt s)/ds is one over twice the root",
            "v feeds two nodes: w gets it times r, s gets it squared; add what both send back",
        ),
    ),
    Exercise(
        "5.4",
        "the dot product of v_bar with v",
        choice("zero", {
            "g_bar": "It is zero. Stretching v leaves w alone, and so the loss.",
            "depends on w_bar": "It is zero for every w_bar. Stretching v leaves w alone, so the "
            "loss cannot change along v.",
        }),
        explanation="Stretching v leaves w alone, so the loss does not change along v.",
        choices=("zero", "g_bar", "depends on w_bar"),
    ),
    Exercise(
        "5.5",
        "second derivation: the closed form",
        weight_norm("backward"),
        (
            "put the formula of each node into the next, until only w_bar, v, g and n are left",
            "your v_bar has two terms, one along w_bar and one along v; both have g/n in common",
            "in the second term v occurs twice, so n must occur there twice more",
        ),
        reveals="5.4",
    ),
    Exercise(
        "5.6",
        "third derivation: the part across v",
        function(
            _across,
            lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))),
            "your part across v",
            common_errors=(
                (lambda x, v: _dot(x, v) / _dot(v, v) * v, "it is the part along v; keep the rest"),
                (
                    lambda x, v: x - _dot(x, v) * v,
                    "this is right only where v has length 1; here it has any length",
                ),
                (
                    lambda x, v: x - _dot(x, v) / _n(v) * v,
                    "you divide by n once; the unit vector v/n occurs twice",
                ),
                (
                    lambda x, v: x - _dot(x, v) / _dot(x, x) * x,
                    "you take away a part along x; it should be the part along v",
                ),
                (
                    lambda x, v: x - (x * v).sum() / (v * v).sum() * v,
                    "your sums run over all rows; each row has a direction of its own",
                ),
                (
                    lambda x, v: x + _dot(x, v) / _dot(v, v) * v,
                    "you add the part along v; it should be taken away",
                ),
                (
                    lambda x, v: x - x @ v.T @ v,
                    "x @ v.T mixes the rows, and v has any length; each row of x meets its own "
                    "row of v",
                ),
                (lambda x, v: x - v, "you take away v itself, not the part of x along it"),
                (
                    lambda x, v: x - v / _n(v),
                    "you take away a unit vector; it is to be as long as the part of x along it",
                ),
                (
                    lambda x, v: x - _dot(x, v) / _n(v) ** 2,
                    "you take a number off each entry; the part along v is that number times v",
                ),
                (
                    lambda x, v: x - _dot(x, v) / _n(v) ** 3 * v,
                    "you divide by n three times; the unit vector v/n occurs twice",
                ),
                *(
                    (f, "the product of x and v has to be summed over each row")
                    for f in (
                        lambda x, v: x - x * v / _n(v) ** 2 * v,
                        lambda x, v: x * v / _n(v) ** 2 * v,
                        lambda x, v: x - x * v / _n(v),
                    )
                ),
                (
                    lambda x, v: x - (x * v).sum(axis=0) / (v * v).sum(axis=0) * v,
                    "your sums run down the columns; each row has a direction of its own",
                ),
            ),
            examples=(
                (
                    (np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]])),
                    "v points to the right, so what is across it is [[0, 1]]",
                ),
                (
                    (np.array([[3.0, 4.0]]), np.array([[3.0, 4.0]])),
                    "x lies along v, and nothing of it is across",
                ),
                (
                    (np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])),
                    "each row has its own direction: (1, 2) loses (1, 0), and (3, 5) loses (4, 4)",
                ),
            ),
            quantities=lambda x, v: {"n": _n(v), "<x, v>": _dot(x, v)},
        ),
        (
            "the part along a unit vector u is <x, u> u; what is left is across it",
            "u is v divided by its length, for each row",
            "what you return has a dot product of 0 with v, row by row; print it",
        ),
    ),
    Exercise(
        "5.7",
        "a missing factor, looked for at g = n",
        choice("passes", {
            "fails": "It passes: at g = n the factor g/n is 1, and leaving out a 1 is no change.",
        }),
        explanation="At g = n the factor g/n is 1, and leaving out a 1 changes nothing.",
        choices=("passes", "fails"),
    ),
    Exercise(
        "5.8",
        "a point at which nothing hides",
        judge_point,
        (
            "look for a column in which a mistake shows an error of 0; what is special there?",
            "a factor hides where it is 1; a sign hides where everything is positive",
            "draw v, g and w_bar at random; then look whether one of your g is negative",
        ),
        explanation="No number in it is special, so no mistake can hide behind one.",
        reveals="5.7",
    ),
    Exercise(
        "5.T1",
        "g_bar on paper",
        number(
            _g_bar, "your g_bar",
            common_errors=(
                (_d, "you have <w_bar, v>; it still has to be divided by a length"),
                (lambda x: _d(x) / _length(x) ** 2, "you have divided by n once too often"),
                (lambda x: x["g"] * _g_bar(x), "this is <w_bar, w>: a factor g too many"),
                (lambda x: sum(x["w_bar"]) / _length(x), "you summed w_bar; multiply by v first"),
                (_length, "this is n, the length of v; <w_bar, v> is to be divided by it"),
                (lambda x: x["g"], "this is g itself, the number that g_bar belongs to"),
                (lambda x: 2 * _g_bar(x), "this is twice what it should be"),
                (lambda x: _g_bar(x) / x["g"], "you divide by g, which does not come into it"),
                (
                    lambda x: x["w_bar"][0] * x["v"][0] / _length(x),
                    "the product of the second entries is missing from your <w_bar, v>",
                ),
                (
                    lambda x: x["w_bar"][1] * x["v"][1] / _length(x),
                    "the product of the first entries is missing from your <w_bar, v>",
                ),
                (lambda x: _d(x) / x["g"], "you divide by g; divide by the length of v"),
                (
                    lambda x: _d(x) / sum(x["v"]),
                    "you divide by the sum of v; its length is the root of the sum of squares",
                ),
                (lambda x: _d(x) * _length(x), "you multiply by the length of v; divide by it"),
                (lambda x: sum(x["w_bar"]), "you summed w_bar; multiply by v first, then divide"),
                (
                    lambda x: _d(x) / np.dot(x["w_bar"], x["w_bar"]) ** 0.5,
                    "you divide by the length of w_bar; divide by that of v",
                ),
            ),
            example="for v = (3, 4), g = 7, w_bar = (5, 10) it would be 11",
        ),
        (
            "w is g times the unit vector v/n; what does w become when g grows by 1?",
            "first n, from the squares of the two numbers in v",
            "the dot product of w_bar with the unit vector along v",
        ),
        variant=numbers,
    ),
    Exercise(
        "5.T2",
        "v_bar where w_bar lies along v",
        choice("zero", {
            "w_bar": "that would be the gradient if w were v; what part of w_bar survives P?",
            "(g/n) w_bar": "that is the answer for w_bar across v; what does P do to the rest?",
            "infinite": "nothing is divided by zero here; what part of w_bar survives P?",
        }),
        (
            "use the third derivation: split w_bar into the part along v and the part across it",
            "which of the two parts does P keep?",
            "put w_bar = 2 v into your function of exercise 5.5 and look",
        ),
        explanation="P keeps only what is across v.",
        choices=("zero", "w_bar", "(g/n) w_bar", "infinite"),
    ),
    Exercise(
        "5.T3",
        "v_bar of a v that is ten times as long",
        number(
            0.1, "your factor",
            common_errors=(
                (10.0, "it shrinks: the longer v is, the less a step of v turns it"),
                (1.0, "w stays as it is, but a step of v turns a longer v by less"),
                (0.01, "count again: g/n has one n, and the part across v has none"),
            ),
            example="for a v that is twice as long it would be a half",
        ),
        (
            "of the three things that make up v_bar, g, n and the part across v, which change?",
            "the part across v depends on the direction of v alone",
            "try it: hand 10 * v to your function, and divide by what v gave",
        ),
        explanation="v_bar falls as 1/n. Notebook 6 is about what follows from that.",
    ),
    Exercise(
        "5.9",
        "the gradients for a length of your own",
        varied(_own_length),
        (
            "only the nodes s and n change: which derivatives do they have now?",
            "the derivative of your n by v_i is v_i^(p - 1) / n^(p - 1)",
            "v_bar is g/n times (w_bar - d v^(p - 1) / n^p), and g_bar is d/n as before",
        ),
        variant=own_length,
    ),
)
