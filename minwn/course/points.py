"""Points (v, g, w_bar) that learners choose: whether they are points, and what is special there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..oracle.mistakes import Terms
from .comparison import array_of

__all__ = ["read", "special"]

Point = tuple[np.ndarray, np.ndarray, np.ndarray]


def read(answer: Any) -> Point | str:
    """(v, g, w_bar) of an answer, in float64; or the sentence that says why it is no point."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        return "hand over three arrays: (v, g, w_bar)"
    found = [array_of(x) for x in answer]
    if any(x is None or x.dtype.kind == "c" for x in found):
        return "hand over three arrays of real numbers: (v, g, w_bar)"
    v, g, w_bar = (np.asarray(x, dtype="float64") for x in found)
    if v.ndim != 2 or w_bar.shape != v.shape or g.shape != (len(v), 1):
        return (
            f"v and w_bar are (o, i) and g is (o, 1); yours are {v.shape}, {w_bar.shape}, {g.shape}"
        )
    if not v.size:
        return "there are no numbers in your v"
    if not all(np.isfinite(x).all() for x in (v, g, w_bar)):
        return "there is NaN or infinity in your point, and nothing can be compared with it"
    if not v.any(axis=1).all():
        return "a row of your v is zero, where w is not defined"
    return v, g, w_bar


def _close(x: Any, y: Any) -> bool:
    return bool(np.all(abs(x - y) <= 1e-6 * np.maximum(abs(x), abs(y))))


def _no_dot(t: Terms) -> bool:
    size = (abs(t.w_bar) * abs(t.v)).sum(axis=1, keepdims=True)
    return bool((abs(t.d) <= 1e-6 * size).all())


# What may be true of a point, and the mistakes that it hides; what hides most comes first.
_FACTS: tuple[tuple[str, Callable[[Terms], bool], tuple[str, ...]], ...] = (
    ("w_bar is 0", lambda t: not t.w_bar.any(), ()),
    ("g is 0 in every row", lambda t: not t.g.any(), ()),
    (
        "v_bar is 0 in every row: w_bar lies along v",
        lambda t: bool((abs(t.v_bar()) <= 1e-9 * abs(t.g * t.w_bar / t.n)).all()),
        ("missing_g", "missing_1_over_n", "missing_g_over_n", "factor_abs_g"),
    ),
    ("<w_bar, v> is 0 in every row", _no_dot, ("no_projection", "proj_n1", "proj_abs")),
    ("there is one row only", lambda t: len(t.v) == 1, (
        "g_bar_scalar_sum", "global_dot", "n_of_the_neighbour",
    )),
    ("g is 1 in every row", lambda t: _close(t.g, 1), ("missing_g", "g_bar_times_g")),
    ("n is 1 in every row", lambda t: _close(t.n, 1), ("missing_1_over_n", "proj_n1")),
    ("g equals n in every row", lambda t: _close(t.g, t.n), ("missing_g_over_n",)),
    (
        "sum(w_bar) is <w_bar, v> in every row",
        lambda t: _close(t.w_bar.sum(axis=1, keepdims=True), t.d), ("proj_uses_sum_not_dot",),
    ),
    ("no g is negative", lambda t: bool((t.g >= 0).all()), ("factor_abs_g",)),
    ("<w_bar, v> is nowhere negative", lambda t: bool((t.d >= 0).all()), ("proj_abs",)),
    ("all rows have the same length", lambda t: _close(t.n, t.n[0]), ("n_of_the_neighbour",)),
    ("the last row of v_bar is 0", lambda t: not abs(t.v_bar()[-1]).max() > 1e-12, (
        "last_row_zero",
    )),
    (
        "the first column of v, or of w_bar, is 0",
        lambda t: not (t.v[:, 0] * t.w_bar[:, 0]).any(), ("first_entry_missing",),
    ),
    ("v is very long", lambda t: bool((t.n > 1e3).all()), ("eps",)),
    (
        "the numbers are small and whole, and exact in float32",
        lambda t: all(_close(x, np.rint(x)) for x in (t.v, t.w_bar)), ("float32",),
    ),
)


def special(mistake: str, v: Any, g: Any, w_bar: Any) -> str:
    """Why this mistake cannot be seen at a point; "" where no reason is known.

    mistake: an id of the oracle's catalogue, or another key of the table
    """
    t = Terms(v, g, w_bar)
    for text, holds, hides in _FACTS:
        if (not hides or mistake in hides) and holds(t):
            return text
    return ""


def hidden(names: Sequence[str], mistake: str, point: Point) -> str:
    """The sentence for mistakes that are right at a point: the first of them, and why."""
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    fact = special(mistake, *point)
    hide = "hide" if more else "hides"
    return f"{names[0]}{more} {hide} at your point" + (f": here {fact}" if fact else "")
