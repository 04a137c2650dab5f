"""Exercises of notebook 5: weight normalisation by three derivations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...oracle.mistakes import Terms, by_id
from ..catalogue import weight_norm
from ..exercise import Exercise
from ..judges import choice, function, number, same

__all__ = ["BLIND", "EXERCISES"]

Arrays = tuple[np.ndarray, ...]
NODES = ("r_bar", "g_bar", "n_bar", "s_bar", "v_bar")
# Mistakes that a good point shows, and a cause for each that stays hidden.
BLIND = {
    "missing_g": "g is 1 in every row",
    "missing_1_over_n": "n is 1 in every row",
    "missing_g_over_n": "g equals n in every row",
    "no_projection": "<w_bar, v> is 0 in every row",
    "proj_uses_sum_not_dot": "w_bar, or v, is constant in every row",
    "factor_abs_g": "no g is negative",
}


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


def judge_nodes(answer: Any) -> str | None:
    """The message for the first wrong node of the walk back; the catalogue judges v_bar."""
    rows = []
    for seed in range(3):
        arrays = point(np.random.default_rng(seed))
        got = answer(*(x.copy() for x in arrays))
        if not isinstance(got, dict) or not set(NODES) <= set(got):
            return f"return a dict with the keys {', '.join(NODES)}"
        rows.append((got, _nodes(*arrays), arrays))
    common_errors = {
        "n_bar": [(
            lambda x, w_bar, v, g: -x["r_bar"] * g / _n(v),
            "n_bar divides by n once: the derivative of g/n by n divides by it twice",
        )],
        "g_bar": [(lambda x, w_bar, v, g: x["r_bar"], "g_bar is r_bar: r = g/n has lost its n")],
        "s_bar": [(
            lambda x, w_bar, v, g: x["n_bar"] / (2 * _n(v) ** 2),
            "s_bar divides by s: it should be by its root",
        )],
    }
    for node in NODES[:-1]:
        for got, right, arrays in rows:
            known = [(rule(right, *arrays), text) for rule, text in common_errors.get(node, ())]
            message = same(got[node], right[node], node, common_errors=known)
            if message:
                return f"{message} (the nodes before it are right)" if node != "r_bar" else message
    judge = weight_norm("v_bar")
    return judge(lambda *arrays: answer(*arrays)["v_bar"])


def judge_point(answer: Any) -> str | None:
    """Whether every mistake of BLIND shows at a point (v, g, w_bar)."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        return "hand over three arrays: (v, g, w_bar)"
    v, g, w_bar = (np.asarray(x, dtype="float64") for x in answer)
    if v.ndim != 2 or w_bar.shape != v.shape or g.shape != (len(v), 1):
        return (
            f"v and w_bar are (o, i) and g is (o, 1); yours are {v.shape}, {w_bar.shape}, {g.shape}"
        )
    if not _n(v).all():
        return "a row of your v is zero, where w is not defined"
    t = Terms(v, g, w_bar)
    hidden = []
    for name, reason in BLIND.items():
        wrong = by_id(name).output("v_bar", t)
        error = np.abs(wrong - t.v_bar()).max()
        if error < 1e-6 * np.abs(t.v_bar()).max(initial=1e-300):
            hidden.append((name, reason))
    if not hidden:
        return None
    name, reason = hidden[0]
    more = f"; {len(hidden) - 1} more hide as well" if len(hidden) > 1 else ""
    return f"{name} hides at your point; one cause of that would be that {reason}{more}"


def numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Of 5.T1: a row whose length is a whole number."""
    a, b = ((3, 4), (6, 8), (5, 12), (8, 15))[rng.integers(4)]
    return {
        "v": (a, b),
        "g": int(rng.integers(2, 9)),
        "w_bar": tuple(int(x) for x in rng.choice([-3, -2, 2, 5], 2, replace=False)),
    }


def _d(x: dict[str, Any]) -> float:
    return float(np.dot(x["w_bar"], x["v"]))


def _length(x: dict[str, Any]) -> float:
    return float(np.hypot(*x["v"]))


def _g_bar(x: dict[str, Any]) -> float:
    return _d(x) / _length(x)


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
            ),
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
            ),
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
        ),
        (
            "of the three things that make up v_bar, g, n and the part across v, which change?",
            "the part across v depends on the direction of v alone",
            "try it: hand 10 * v to your function, and divide by what v gave",
        ),
        explanation="v_bar falls as 1/n. Notebook 6 is about what follows from that.",
    ),
)
