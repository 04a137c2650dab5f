"""Another norm: another length in the place of n, or the right one over other axes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .terms import OUTPUTS, Axes, Mistake, Terms

__all__ = ["AXES", "LENGTHS", "elsewhere"]

# ---- another length -----------------------------------------------------------------------------

ROOT = "take the root of the sum of squares for the length of a slice: n = sqrt(sum v^2)"


def _largest(t: Terms) -> tuple[Any, Any]:
    h = np.abs(t.v).max(axis=t.reduced, keepdims=True).reshape(t.g.shape)
    top = (np.abs(t.v) == h) * np.sign(t.v)
    return h, top / t.total(np.abs(top))


_LENGTHS: tuple[tuple[str, str, Callable[[Terms], tuple[Any, Any]], str, str, str], ...] = (
    ("norm_squared", "sum v^2, without the root", lambda t: (t.n**2, 2 * t.v),
     "you divide by the sum of squares: the root is missing",
     "your length is the sum of squares: the root is missing",
     "a docstring of Equinox"),
    ("norm_l1", "sum |v|", lambda t: (t.total(abs(t.v)), np.sign(t.v)),
     "you divide by the sum of |v|; the length meant is the root of the sum of squares",
     "your length is the sum of |v|; meant is the root of the sum of squares", ""),
    ("norm_mean", "sqrt(mean v^2)", lambda t: (t.n / math.sqrt(t.m), t.v / t.n / math.sqrt(t.m)),
     "your length is the root of a mean of squares; a sum is meant",
     "your length is the root of a mean of squares; a sum is meant",
     "a root mean square in place of a norm"),
    ("norm_max", "max |v|", _largest,
     "your length is the largest |v|; the root of a sum of squares is meant",
     "your length is the largest |v|; the root of a sum of squares is meant", ""),
)


def _length_mistakes() -> Iterator[Mistake]:
    for name, text, length, of_function, in_formula, seen in _LENGTHS:

        def function(t: Terms, output: str, length: Any = length) -> Any:
            return t.of_function(*length(t))[output]

        def formula(t: Terms, length: Any = length) -> Any:
            h = length(t)[0]
            return t.g / h * (t.w_bar - t.d / h**2 * t.v)

        def gain(t: Terms, length: Any = length) -> Any:
            return t.d / length(t)[0]

        yield Mistake(
            name, f"the length of a slice is {text}: w, and its own gradient", ROOT,
            {o: functools.partial(function, output=o) for o in OUTPUTS}, seen, sentence=of_function,
        )
        yield Mistake(
            f"{name}_in_formula", f"v_bar = (g/n) (w_bar - (d/n^2) v) with {text} for n", ROOT,
            {"v_bar": formula, "g_bar": gain}, seen, sentence=in_formula,
        )


# ---- another axis -------------------------------------------------------------------------------


def elsewhere(which: str, t: Terms) -> Axes | str:
    """The axes that keep a norm in a mistake about them; "none" where it cannot be made."""
    rank, own = t.v.ndim, t.axes or ()
    if which == "global":
        return () if own else "none"
    if which == "elementwise":
        return tuple(range(rank))
    if which == "rank":  # a matrix is right, anything longer is summed over axis 1 only
        return tuple(a for a in range(rank) if a != 1) if rank > 2 else own
    if which == "first_only":  # summed over axis 0 only
        return tuple(range(1, rank)) if rank > 1 else "none"
    if which == "last_only":  # summed over the last axis only
        return tuple(range(rank - 1)) if rank > 2 else own
    k = {"first": 0, "second": 1, "last": rank - 1, "flipped": rank - 1 - own[0] if own else -1}
    axis = k[which]
    return (axis,) if 0 <= axis < rank else "none"


_PLACES = {
    "global": "the whole array",
    "first_only": "axis 0 only",
    "flipped": "the slices of the mirrored axis (rows for columns)",
    "first": "the slices of axis 0",
    "second": "the slices of axis 1",
    "last": "the slices of the last axis",
    "elementwise": "each entry alone",
    "rank": "axis 1 only, whatever the rank",
    "last_only": "the last axis only, whatever the rank",
}


def _axis_mistakes() -> Iterator[Mistake]:
    fix = "sum over every axis but the kept one: axis=tuple of the others, keepdims=True"
    for which, text in _PLACES.items():

        def lengths(t: Terms, which: str = which) -> tuple[Any, Any, Any]:
            axes = elsewhere(which, t)
            if axes == "none" or axes == t.axes:
                axes = "own"
            n, d = t.lengths(axes)
            return n, d, axes

        def function(t: Terms, output: str, lengths: Any = lengths) -> Any:
            n, _, axes = lengths(t)
            return t.of_function(n, t.v / n, axes)[output]

        def both(t: Terms, lengths: Any = lengths) -> Any:
            n, d, _ = lengths(t)
            return t.g / n * (t.w_bar - d / n**2 * t.v)

        def norm(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.g / n * (t.w_bar - t.d / n**2 * t.v)

        def dot(t: Terms, lengths: Any = lengths) -> Any:
            return t.g / t.n * (t.w_bar - lengths(t)[1] / t.n**2 * t.v)

        def inner(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.g / t.n * (t.w_bar - t.d / n**2 * t.v)

        def gain(t: Terms, lengths: Any = lengths) -> Any:
            n = lengths(t)[0]
            return t.total(t.w_bar * t.v / n)

        def both_gain(t: Terms, lengths: Any = lengths) -> Any:
            n, d, _ = lengths(t)
            return d / n

        def dot_gain(t: Terms, lengths: Any = lengths) -> Any:
            return lengths(t)[1] / t.n

        yield Mistake(
            f"{which}_function", f"the norm is over {text}: w, and its own gradient", fix,
            {o: functools.partial(function, output=o) for o in OUTPUTS}, family="axis",
        )
        yield Mistake(
            f"{which}_norm", f"n is over {text}, d over the slice", fix,
            {"v_bar": norm, "g_bar": gain}, family="axis",
        )
        yield Mistake(
            f"{which}_norm_and_dot", f"n and d are over {text}", fix,
            {"v_bar": both, "g_bar": both_gain if which == "global" else gain}, family="axis",
        )
        yield Mistake(
            f"{which}_dot", f"d = <w_bar, v> is over {text}, n over the slice", fix,
            {"v_bar": dot}, family="axis",
        )
        yield Mistake(
            f"{which}_n2", f"n^2 below d is over {text}", fix, {"v_bar": inner}, family="axis",
        )
        if which == "global":  # no other sum has the shape of g
            yield Mistake(
                f"{which}_dot_in_g_bar", f"d = <w_bar, v> is over {text} in g_bar", fix,
                {"g_bar": dot_gain}, family="axis",
            )


LENGTHS, AXES = tuple(_length_mistakes()), tuple(_axis_mistakes())
