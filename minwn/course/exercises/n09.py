"""Exercises of notebook 9: break it to test it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...oracle import expected
from ...oracle.mutate import MUTANTS as ALL
from ..exercise import Exercise
from ..judges import choice, number

__all__ = ["EXERCISES", "MUTANTS", "backward"]

Arrays = tuple[np.ndarray, ...]
NAMES = {  # by the ids that the oracle gives them
    "no projection": "formula.no_projection",
    "no g": "formula.missing_g",
    "no 1/n": "formula.missing_1_over_n",
    "no g/n": "formula.missing_g_over_n",
    "n for n^2": "formula.proj_n1",
    "|d| for d": "formula.proj_abs",
    "sum for dot": "formula.proj_uses_sum_not_dot",
    "|g| for g": "formula.factor_abs_g",
    "g_bar times g": "formula.g_bar_times_g",
    "g_bar summed": "formula.g_bar_scalar_sum",
    "d of all rows": "axis.global_dot",
    "n of the next row": "index.n_of_the_neighbour_in_the_factor",
    "last row zero": "index.v_bar.last_row_zero",
    "first entry lost": "index.the_first_entry_is_missing_from_d",
    "eps": "eps.outside.backward.1e-06",
    "float32": "accumulation.float32.qd",
}
_FOUND = {mutant.id: mutant for mutant in ALL}
MUTANTS: dict[str, Callable[..., Arrays]] = {
    name: _FOUND[id].make().backward for name, id in NAMES.items()
}
LEAST = 4  # entries of v: with one row, or one column, some of the mutants are right


def backward(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    """v_bar and g_bar, right."""
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    d = (w_bar * v).sum(axis=1, keepdims=True)
    return g / n * (w_bar - d / n**2 * v), d / n


def survivors(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, room: float = 1e-12) -> list[str]:
    """The mutants that are right at a point, to so small a part of the largest number."""
    right = expected(v, g, w_bar)
    rights = [np.asarray(x, dtype="float64") for x in (right.v_bar, right.g_bar)]
    found = []
    for name, mutant in MUTANTS.items():
        with np.errstate(all="ignore"):
            got = mutant(w_bar.copy(), v.copy(), g.copy())
        if all(abs(x - y).max() <= room * abs(y).max() for x, y in zip(got, rights, strict=True)):
            found.append(name)
    return found


if __name__ == "__main__":
    pass
