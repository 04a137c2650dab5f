"""Answers of notebook 9: break it to test it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minwn.course.exercises.n09 import _score, point
from minwn.oracle import expected

from . import Answers


def _pairs(gradient: Any, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> Any:
    """Pairs (v_bar, expected) and (g_bar, expected) of a gradient."""
    right = expected(v, g, w_bar)
    return tuple(
        zip(gradient(w_bar, v, g), (np.asarray(right.v_bar), np.asarray(right.g_bar)), strict=True)
    )


def _checks(rule: Callable[..., Any], of: slice = slice(None)) -> Callable[..., bool]:
    """A check of an entry-wise rule (x, y)."""
    return lambda *arguments: all(bool(rule(x, y)) for x, y in _pairs(*arguments)[of])


def _good(x: np.ndarray, y: np.ndarray) -> Any:
    return np.abs(x - y).max() <= 1e-10 * np.abs(y).max()


def _untouched(gradient: Any, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> bool:
    before = [x.copy() for x in (w_bar, v, g)]
    gradient(w_bar, v, g)
    return all(np.array_equal(x, y) for x, y in zip((w_bar, v, g), before, strict=True))


def _untouched_but(compare: Callable[..., Any], of: int = 3) -> Callable[..., bool]:
    def answer(gradient: Any, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> bool:
        arrays = (w_bar, v, g)
        before = [x.copy() for x in arrays]
        gradient(*arrays)
        pairs = list(zip(arrays, before, strict=True))
        return bool(all(compare(x, y) for x, y in pairs[:of]))

    return answer


def _same_objects(gradient: Any, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> bool:
    before = w_bar
    gradient(w_bar, v, g)
    return np.array_equal(before, w_bar)


_V, _G, _W_BAR = point(9)
_N = np.linalg.norm(_V, axis=1, keepdims=True)
_SMALL = (
    np.array([[0.3, 0.7], [1.1, -0.4]]),
    np.array([[1.3], [-2.1]]),
    np.array([[0.9, 0.2], [-1.7, 0.6]]),
)
_WHOLE = (
    np.array([[3.0, 4.0], [8.0, 6.0]]),
    np.array([[10.0], [-5.0]]),
    np.array([[5.0, 10.0], [1.0, -5.0]]),
)


ANSWERS = {
    "9.1": Answers(
        right=("11 or fewer",),
        wrong=(("all 16", "It is 9"), ("12 to 15", "It is 9"), ("none", "not a choice")),
    ),
    "9.2": Answers(
        right=(
            _checks(_good),
            _checks(lambda x, y: np.allclose(x, y, rtol=1e-9, atol=1e-11 * np.abs(y).max())),
            _checks(lambda x, y: np.linalg.norm(x - y) < 1e-9 * np.linalg.norm(y)),
        ),
        wrong=(
            (_checks(np.array_equal), "leave them a little room"),
            (
                _checks(lambda x, y: not np.abs(x - y).max() > 1e-10 * np.abs(y).max()),
                "lets NaN pass",
            ),
            (_checks(lambda x, y: (x - y).max() <= 1e-10 * np.abs(y).max()), "has no sign"),
            (_checks(_good, slice(1)), "does not look at g_bar"),
            (_checks(_good, slice(1, 2)), "a v_bar"),
            (
                _checks(lambda x, y: abs(x.sum() - y.sum()) <= 1e-10 * np.abs(y).sum()),
                "cancel each other",
            ),
            (_checks(lambda x, y: _good(x[:1], y[:1])), "last entry"),
            (_checks(lambda x, y: np.abs(x - y).max() <= 1e-9), "numbers are large"),
            (_checks(lambda x, y: np.allclose(x, y, rtol=1e-9)), "numbers are small"),
            (
                _checks(lambda x, y: np.abs(x - y).max() <= 1e-3 * np.abs(y).max()),
                "one part in ten thousand",
            ),
            (
                _checks(lambda x, y: np.abs(x - y).max() <= 1e-6 * np.abs(y).max()),
                "an error of 1e-8",
            ),
            (lambda *arguments: True, "lets a v_bar"),
            (lambda *arguments: False, "rejects the right gradient"),
            (lambda *arguments: None, "True or False"),
            (True, "the function itself"),
        ),
    ),
    "9.3": Answers(
        right=((_V, _G, _W_BAR), [x.tolist() for x in (_V, _G, _W_BAR)], _SMALL),
        wrong=(
            ((_V / _N, np.ones((3, 1)), np.ones((3, 4))), "g is 1 in every row"),
            ((_V, _N, _W_BAR), "g equals n"),
            ((_V[:1], _G[:1], _W_BAR[:1]), "nothing shows that mixes rows"),
            ((abs(_V), abs(_G), abs(_W_BAR)), "nowhere negative"),
            ((_V[:, :1], _G, _W_BAR[:, :1]), "a row of one entry"),
            (_WHOLE, "exact in float32"),
            ((_V, _G[:, 0], _W_BAR), "g is (o, 1)"),
            ((0 * _V, _G, _W_BAR), "is zero"),
            (_V, "three arrays"),
        ),
    ),
    "9.4": Answers(
        right=(
            _SMALL,
            tuple(x + 0.01 for x in _SMALL),
            (_V[:2, :2], np.array([[1.7], [-0.6]]), np.array([[0.9, 0.2], [-1.7, -0.6]])),
        ),
        wrong=(
            ((_V, _G, _W_BAR), "12 entries; fewer will do"),
            ((_V[:1, :2], _G[:1], _W_BAR[:1, :2]), "survive"),
            ((_V[:2, :1], _G[:2], _W_BAR[:2, :1]), "a row of one entry"),
            (_WHOLE, "exact in float32"),
            ((_SMALL[0], abs(_SMALL[1]), _SMALL[2]), "no g is negative"),
        ),
    ),
    "9.5": Answers(
        right=("nothing",),
        wrong=(
            ("a better point", "closed form is back"),
            ("less room", "closed form is back"),
            ("patience", "not a choice"),
        ),
    ),
    "9.6": Answers(
        right=(
            _untouched,
            _untouched_but(lambda x, y: (x == y).all()),
            _untouched_but(lambda x, y: x.tobytes() == y.tobytes()),
        ),
        wrong=(
            (_same_objects, "a copy that was taken before"),
            (_untouched_but(np.array_equal, 1), "that v is overwritten"),
            (_untouched_but(np.array_equal, 2), "that g is overwritten"),
            (_untouched_but(np.allclose), "a change of 1e-9"),
            (
                _untouched_but(lambda x, y: np.isclose(x.sum(), y.sum(), atol=0, rtol=1e-12)),
                "change places",
            ),
            (lambda *arguments: False, "the right gradient changes something"),
            (lambda *arguments: None, "return True or False"),
        ),
    ),
    "9.T1": Answers(
        right=(_score, lambda x: round(_score(x), 3)),
        wrong=(
            (lambda x: x["killed"] / x["planted"], "no test can kill these"),
            (lambda x: (x["killed"] + x["equal"]) / x["planted"], "leave it out"),
            (lambda x: 1 - _score(x), "that survives"),
            (lambda x: 100 * _score(x), "percentage"),
            (lambda x: "most", "a number is asked for"),
        ),
    ),
    "9.T2": Answers(
        right=("nothing",),
        wrong=(
            ("the gradient is right", "passed as well"),
            ("the mutants are right", "no test looks"),
            ("there are too few mutants", "would more"),
            ("all", "not a choice"),
        ),
    ),
    "9.T3": Answers(
        right=("the point",),
        wrong=(
            ("the room", "last digit"),
            ("the mutant", "keep it"),
            ("the truth", "mutant is, too"),
            ("the weather", "not a choice"),
        ),
    ),
}
