"""Answers of notebook 5: weight normalisation by three derivations."""

from __future__ import annotations

from typing import Any

import numpy as np

from minwn.course.exercises.n05 import (
    Arrays,
    _across,
    _d,
    _dot,
    _g_bar,
    _length,
    _n,
    _nodes,
    _own_bars,
    _p_length,
    point,
)
from minwn.oracle.mistakes import by_id

from . import Answers


def _all_nodes(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> dict[str, Any]:
    nodes = _nodes(w_bar, v, g)
    return nodes | {"v_bar": w_bar * g / _n(v) + 2 * nodes["s_bar"] * v}


def _nodes_but(**changed: Any) -> Any:
    """The nodes with some replaced by functions of (nodes, w_bar, v, g)."""

    def answer(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> dict[str, Any]:
        nodes = _all_nodes(w_bar, v, g)
        return nodes | {name: rule(nodes, w_bar, v, g) for name, rule in changed.items()}

    return answer


def _closed(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    n, d = _n(v), _dot(w_bar, v)
    return g / n * (w_bar - d / n**2 * v), d / n


def _mistaken(name: str) -> Any:
    return lambda w_bar, v, g: by_id(name).compute(v, g, w_bar)


_W_BAR, _V, _G = point(np.random.default_rng(5))
_UNIT = _V / _n(_V)


def _row_by_row(w_bar: Any, v: Any, g: Any, p: int, k: float) -> Arrays:
    """v_bar and g_bar for n = (k + sum v^p)^(1/p), a row at a time, by the chain rule."""
    v_bar, g_bar = np.zeros_like(v), np.zeros_like(g)
    for j, row in enumerate(v):
        n = (k + np.sum(row**p)) ** (1 / p)
        n_bar = -g[j, 0] / n**2 * (w_bar[j] @ row)
        v_bar[j] = g[j, 0] / n * w_bar[j] + n_bar * (row / n) ** (p - 1)
        g_bar[j, 0] = w_bar[j] @ row / n
    return v_bar, g_bar


ANSWERS = {
    "5.1": Answers(
        right=("stays",),
        wrong=(("doubles", "divided out"), ("halves", "cancel"), ("both", "not a choice")),
    ),
    "5.2": Answers(
        right=(
            lambda v, g: g * v / _n(v),
            lambda v, g: v / _n(v) * g,
            lambda v, g: v * (g / np.linalg.norm(v, axis=1, keepdims=True)),
            lambda v, g: np.stack([g[k] * v[k] / np.sqrt(v[k] @ v[k]) for k in range(len(v))]),
            lambda v, g: np.einsum("oz,oi->oi", g, v / np.sqrt(np.diag(v @ v.T))[:, None]),
        ),
        wrong=(
            (lambda v, g: v / _n(v), "the gain g is missing"),
            (lambda v, g: g * v, "not divided by the length"),
            (lambda v, g: g * v / (v * v).sum(axis=1, keepdims=True), "the root is missing"),
            (lambda v, g: g * v / np.abs(v).sum(axis=1, keepdims=True), "sum of |v|"),
            (lambda v, g: g * v / np.linalg.norm(v), "over the whole array"),
            (lambda v, g: g * v / np.linalg.norm(v, axis=0, keepdims=True), "axis 0"),
            (lambda v, g: abs(g) * v / _n(v), "sign of g"),
            (lambda v, g: g * _n(v) * v, "multiplied by the length"),
            (lambda v, g: g * v / np.linalg.norm(v, axis=1), "could not be broadcast"),
        ),
    ),
    "5.3": Answers(
        right=(_all_nodes, _nodes_but(r_bar=lambda x, w_bar, v, g: x["r_bar"][:, 0])),
        wrong=(
            (_nodes_but(r_bar=lambda x, w_bar, v, g: w_bar * v), "its sum along axis 1"),
            (_nodes_but(n_bar=lambda x, w_bar, v, g: -x["n_bar"]), "n_bar has the right size and"),
            (
                _nodes_but(n_bar=lambda x, w_bar, v, g: -x["r_bar"] * g / _n(v)),
                "n_bar divides by n once",
            ),
            (_nodes_but(g_bar=lambda x, w_bar, v, g: x["r_bar"]), "has lost its n"),
            (
                _nodes_but(s_bar=lambda x, w_bar, v, g: x["n_bar"] / _n(v)),
                "s_bar is 2 times what it should be",
            ),
            (
                _nodes_but(s_bar=lambda x, w_bar, v, g: x["n_bar"] * 2 * _n(v)),
                "s_bar is [[-220]]",
            ),
            (_nodes_but(v_bar=lambda x, w_bar, v, g: w_bar * g / _n(v)), "without the projection"),
            (
                _nodes_but(v_bar=lambda x, w_bar, v, g: w_bar * g / _n(v) + x["s_bar"] * v),
                "half of what it should be",
            ),
            (
                _nodes_but(v_bar=lambda x, w_bar, v, g: 2 * x["s_bar"] * v),
                "has 0 where 1 belongs",
            ),
            (lambda w_bar, v, g: _closed(w_bar, v, g), "return a dict with the keys r_bar"),
        ),
    ),
    "5.4": Answers(
        right=("zero",),
        wrong=(("g_bar", "It is zero"), ("depends on w_bar", "every w_bar")),
    ),
    "5.5": Answers(
        right=(
            _closed,
            lambda w_bar, v, g: _closed(w_bar, v, g),
            lambda w_bar, v, g: [
                g * (w_bar * _dot(v, v) - _dot(w_bar, v) * v) / _n(v) ** 3,
                _dot(w_bar, v) / _n(v),
            ],
            lambda w_bar, v, g: (_closed(w_bar, v, g)[0], _closed(w_bar, v, g)[1][:, 0]),
            lambda w_bar, v, g: tuple(
                x.astype("float32") for x in _closed(*(y.astype("float32") for y in (w_bar, v, g)))
            ),
        ),
        wrong=(
            *(
                (_mistaken(name), text)
                for name, text in (
                    ("no_projection", "your <v_bar, v> is 110 and must be 0"),
                    ("missing_g", "the gain g is missing"),
                    ("missing_1_over_n", "not divided by n in front"),
                    ("missing_g_over_n", "where g = n nobody would notice"),
                    ("passed_through", "handed on unchanged"),
                    ("proj_n0", "right only for unit v"),
                    ("proj_n1", "divides by n once"),
                    ("proj_n3", "once too often"),
                    ("proj_sign", "adds what it should take away"),
                    ("proj_half", "half of what it should be"),
                    ("proj_twice", "twice what it should be"),
                    ("proj_g_lost", "reaches only one of your two terms"),
                    ("proj_on_w", "w is not of unit length"),
                    ("proj_uses_sum_not_dot", "needs a dot product with v"),
                    ("proj_uses_mean_not_dot", "layer normalisation"),
                    ("proj_swapped", "should be the part along v"),
                    ("factor_inverted", "upside down"),
                    ("v_bar_negated", "wrong sign"),
                    ("v_bar_only_projection", "the part to be taken away"),
                    ("g_bar_no_norm", "your g_bar is 55"),
                    ("g_bar_n2", "once too often"),
                    ("g_bar_times_g", "a factor g too many"),
                    ("g_bar_scalar_sum", "each row has its own"),
                    ("global_norm_and_dot", "over the whole array"),
                    ("flipped_norm_and_dot", "over axis 0 only"),
                )
            ),
            (lambda w_bar, v, g: _closed(w_bar, v, g)[0], "return 2 values"),
            (lambda w_bar, v, g: _closed(w_bar, v, g)[::-1], "exchanged"),
        ),
    ),
    "5.6": Answers(
        right=(
            _across,
            lambda x, v: x - _dot(x, v / _n(v)) * (v / _n(v)),
            lambda x, v: np.stack(
                [(np.eye(4) - np.outer(b, b) / (b @ b)) @ a for a, b in zip(x, v, strict=True)]
            ),
        ),
        wrong=(
            (lambda x, v: _dot(x, v) / _dot(v, v) * v, "keep the rest"),
            (lambda x, v: x - _dot(x, v) * v, "only where v has length 1"),
            (lambda x, v: x - _dot(x, v) / _n(v) * v, "occurs twice"),
            (lambda x, v: x - _dot(x, v) / _dot(x, x) * x, "along x"),
            (lambda x, v: x - (x * v).sum() / (v * v).sum() * v, "over all rows"),
            (lambda x, v: x + _dot(x, v) / _dot(v, v) * v, "taken away"),
            (lambda x, v: None, "is None"),
            (_across(_W_BAR, _V), "the function itself"),
        ),
    ),
    "5.7": Answers(
        right=("passes",),
        wrong=(("fails", "leaving out a 1"),),
    ),
    "5.8": Answers(
        right=(
            (_V, _G, _W_BAR),
            [_V[:2], np.array([[2.0], [-3.0]]), _W_BAR[:2]],
            (np.array([[3.0, 4.0]]), np.array([[-10.0]]), np.array([[5.0, 10.0]])),
        ),
        wrong=(
            ((_UNIT, np.ones((3, 1)), np.ones((3, 4))), "here g is 1 in every row"),
            ((_V, _n(_V), _W_BAR), "here g equals n in every row"),
            ((_V, abs(_G), _W_BAR), "no g is negative"),
            ((_V, _G, _across(_W_BAR, _V)), "no_projection hides at your point"),
            ((_UNIT, _G, _W_BAR), "n is 1 in every row"),
            ((_V, _G[:, 0], _W_BAR), "g is (o, 1)"),
            (_V, "hand over three arrays"),
        ),
    ),
    "5.T1": Answers(
        right=(_g_bar, lambda x: round(_g_bar(x), 3), lambda x: np.float32(_g_bar(x))),
        wrong=(
            (_d, "divided by a length"),
            (lambda x: _d(x) / _length(x) ** 2, "once too often"),
            (lambda x: x["g"] * _g_bar(x), "a factor g too many"),
            (lambda x: sum(x["w_bar"]) / _length(x), "multiply by v first"),
            (lambda x: -_g_bar(x), "wrong sign"),
            (lambda x: _g_bar(x) + 100, "too large"),
            (lambda x: "large", "a number is asked for"),
        ),
    ),
    "5.T2": Answers(
        right=("zero",),
        wrong=(
            ("w_bar", "if w were v"),
            ("(g/n) w_bar", "across v"),
            ("infinite", "divided by zero"),
            ("one", "not a choice"),
        ),
    ),
    "5.T3": Answers(
        right=(0.1, 1 / 10, np.float32(0.1), "0.1", [0.1]),
        wrong=(
            (10, "it shrinks"),
            (1, "turns a longer v by less"),
            (0.01, "count again"),
            (True, "a number is asked for"),
        ),
    ),
    "5.9": Answers(
        right=(
            lambda x: lambda w_bar, v, g: _own_bars(
                w_bar, v, g, x["p"], x["k"], x["p"] - 1, x["p"]
            ),
            lambda x: lambda w_bar, v, g: _row_by_row(w_bar, v, g, x["p"], x["k"]),
        ),
        wrong=(
            (lambda x: _closed, "these are the gradients for the usual length"),
            (
                lambda x: lambda w_bar, v, g: _row_by_row(w_bar, v, g, x["p"], 0.0),
                "k is missing in your n",
            ),
            (
                lambda x: lambda w_bar, v, g: _own_bars(w_bar, v, g, x["p"], x["k"], 1, 2),
                "the p-th root and the p-th powers",
            ),
            (
                lambda x: lambda w_bar, v, g: _own_bars(w_bar, v, g, x["p"], x["k"], 1, x["p"]),
                "belongs where you have v",
            ),
            (
                lambda x: lambda w_bar, v, g: _own_bars(
                    w_bar, v, g, x["p"], x["k"], x["p"] - 1, 2
                ),
                "the power of n in the second term",
            ),
            (
                lambda x: lambda w_bar, v, g: (
                    g / _p_length(v, **x) * w_bar, _dot(w_bar, v) / _p_length(v, **x)
                ),
                "you treat n as a constant",
            ),
            (lambda x: lambda w_bar, v, g: v, "return 2 values"),
        ),
    ),
}
