"""Answers of notebook 10: be the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minwn.course.exercises.n10 import (
    _backward,
    _forward,
    _part,
    port,
    their_gradients,
    their_weight,
)

from . import Answers


def _right(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Any:
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return g / n * (w_bar - g_bar * v / n), g_bar


def _gradients_with(eps: float) -> Callable[..., dict[str, np.ndarray]]:
    return lambda weight_grad, kernel, scale: their_gradients(weight_grad, kernel, scale, eps)


def _no_projection(weight_grad: np.ndarray, kernel: np.ndarray, scale: np.ndarray) -> Any:
    norm = np.sqrt((kernel**2).sum(axis=0))
    scale_grad = (weight_grad * kernel / norm).sum(axis=0)
    return {"scale": scale_grad, "kernel": scale / norm * weight_grad}


_CASE: dict[str, Any] = {
    "v": [[3, 4], [8, 6]], "g": [[10], [-5]], "w_bar": [[5, 10], [0, 5]],
}


def _report(**changed: Any) -> dict[str, Any]:
    case = _CASE | {key: changed[key] for key in ("v", "g", "w_bar") if key in changed}
    v, g, w_bar = (np.array(case[key], dtype="float64") for key in ("v", "g", "w_bar"))
    full = case | {
        "mistake": "global_dot",
        "got": port(w_bar, v, g)[0],
        "expected": _right(w_bar, v, g)[0],
        "fix": _right,
    }
    return full | changed


_THEIRS = [[-10.4, -7.2], [3.4, 0.05]]
_TRUE = [[-3.2, 2.4], [1.2, -1.6]]


ANSWERS = {
    "10.1": Answers(
        right=("passes",),
        wrong=(("fails", "one part in a million"), ("both", "not a choice")),
    ),
    "10.2": Answers(
        right=(
            _forward,
            lambda v, g: np.transpose(their_weight(np.transpose(v), np.ravel(g))),
            lambda v, g: g * v / np.linalg.norm(v, axis=1, keepdims=True),
        ),
        wrong=(
            (lambda v, g: their_weight(v.T, g[:, 0]), "transposed"),
            (lambda v, g: their_weight(v, g[:, 0]), "could not be broadcast"),
            (lambda v, g: their_weight(v.T, g), "could not be broadcast"),
            (lambda v, g: their_weight(v.T, abs(g[:, 0])).T, "sign of g"),
            (lambda v, g: their_weight(v.T, np.ones(len(v))).T, "have not arrived"),
            (their_weight, "their columns are your rows"),
        ),
    ),
    "10.3": Answers(
        right=(
            _backward,
            lambda *arrays: list(_backward(*arrays)),
            lambda w_bar, v, g: (
                their_gradients(w_bar.T, v.T, g.ravel())["kernel"].T,
                their_gradients(w_bar.T, v.T, g.ravel())["scale"].reshape(-1, 1),
            ),
        ),
        wrong=(
            (lambda w_bar, v, g: their_gradients(w_bar.T, v.T, g[:, 0]), "their dict"),
            (
                lambda w_bar, v, g: tuple(their_gradients(w_bar.T, v.T, g[:, 0]).values()),
                "g_bar first",
            ),
            (
                lambda w_bar, v, g: (
                    their_gradients(w_bar.T, v.T, g[:, 0])["kernel"],
                    _backward(w_bar, v, g)[1],
                ),
                "still their kernel",
            ),
            (
                lambda *arrays: (_backward(*arrays)[0], _backward(*arrays)[1][:, 0]),
                "your g_bar has shape (3,)",
            ),
            (_right, "has mended"),
            (lambda w_bar, v, g: _backward(v, w_bar, g), "have changed places"),
            (lambda w_bar, v, g: _backward(w_bar, v, g)[0], "return two arrays"),
        ),
    ),
    "10.4": Answers(
        right=("eps_in_bwd_only", " eps_in_bwd_only "),
        wrong=(
            ("eps_outside", "in the function as well"),
            ("eps_inside", "below the root"),
            ("low_precision", "float32"),
            ("no_projection", "the projection is there"),
            ("h = n + eps, eps = 1e-06", "more than the id"),
            ("proj_n1", "is not what the report names"),
            (3, "a text such as"),
        ),
    ),
    "10.5": Answers(
        right=(1e-6, "1e-6", 0.000001),
        wrong=(
            (1e-12, "its square"),
            (1e-3, "its root"),
            (-1e-6, "wrong sign"),
            (1e-5, "too large"),
            ("small", "a number is asked for"),
        ),
    ),
    "10.6": Answers(
        right=(
            _gradients_with(0.0),
            lambda w, k, s: {"more": 1, **their_gradients(w, k, s, eps=0.0)},
        ),
        wrong=(
            (their_gradients, "still an eps of 1e-06"),
            (_gradients_with(1e-12), "still an eps of 1e-12"),
            (_no_projection, "without the projection"),
            (
                lambda weight_grad, kernel, scale: {
                    k: abs(x) for k, x in their_gradients(weight_grad, kernel, scale, 0.0).items()
                },
                "your",
            ),
            (lambda w, k, s: tuple(their_gradients(w, k, s, eps=0.0).values()), "return a dict"),
        ),
    ),
    "10.7": Answers(
        right=("yes",),
        wrong=(("no", "It passed"), ("maybe", "not a choice")),
    ),
    "10.8": Answers(
        right=(
            _report(),
            lambda: _report(got=_THEIRS, expected=_TRUE),
            _report(v=[[1], [2]], g=[[3], [1]], w_bar=[[1], [4]]),
        ),
        wrong=(
            (_report(mistake="no_projection"), "mistake: 'no_projection'"),
            (_report(v=[[3, 4]], g=[[10]], w_bar=[[5, 10]]), "with one row, port is right"),
            (
                _report(v=[[3, 4, 1], [8, 6, 1]], w_bar=[[5, 10, 0], [0, 5, 2]]),
                "v has 6 numbers",
            ),
            (_report(w_bar=[[5, 10.5], [0, 5]]), "take whole numbers"),
            (_report(w_bar=[[4, -3], [3, -4]]), "here port gives the true"),
            (_report() | {"g": [10, -5]}, "g is (o, 1)"),
            (_report(got=_TRUE), "got: this is the true v_bar"),
            (_report(expected=_THEIRS), "expected: this is what port gives"),
            (_report(fix=port), "fix: "),
            (_report(fix=lambda *a: (_right(*a)[0], 0 * _right(*a)[1])), "fix: your g_bar is zero"),
            (_report(fix="use sum"), "fix: hand over a function"),
            ({"mistake": "global_dot"}, "has no 'v'"),
            ("global_dot", "return a dict"),
        ),
    ),
    "10.T1": Answers(
        right=("only the gradient check",),
        wrong=(
            ("both", "is not weight normalisation"),
            ("only the oracle", "who does not"),
            ("neither", "belongs to its function"),
            ("yes", "not a choice"),
        ),
    ),
    "10.T2": Answers(
        right=(_part, lambda x: round(_part(x), 4)),
        wrong=(
            (lambda x: x["eps"] / x["n"], "nearly it"),
            (lambda x: x["n"] / (x["n"] + x["eps"]), "that is left"),
            (lambda x: x["eps"], "this is eps"),
            (lambda x: 100 * _part(x), "percentage"),
            (lambda x: -_part(x), "wrong sign"),
        ),
    ),
    "10.T3": Answers(
        right=("nothing",),
        wrong=(
            ("a bug", "twice as much"),
            ("a lost digit", "that was there"),
            ("all", "not a choice"),
        ),
    ),
}
