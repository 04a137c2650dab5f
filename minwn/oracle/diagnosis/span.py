"""Is each slice of v_bar a w_bar - b v? Then a and b are fitted, and compared with the right ones.

Both are to be monomials (see `monomial`); of w and g_bar, the one factor is.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..mistakes.table import RIGHT
from ..reference.slices import Slices
from .monomial import ONE, ZERO, D, Monomial, monomials, totals
from .observation import Diagnosis, Observation, fits

__all__ = ["NAMES", "coefficients", "fitted", "rows_of"]


def rows_of(o: Observation, x: Any) -> np.ndarray:
    """x as (slices, entries)."""
    return Slices(o.v.shape, o.g.shape).split(np.asarray(x, dtype="float64"))


def coefficients(o: Observation, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, rest) per slice: x = a w_bar - b v + rest, by least squares."""
    x, v, w_bar = (rows_of(o, y) for y in (x, o.v, o.w_bar))

    def dot(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p * q).sum(axis=1, keepdims=True)

    with np.errstate(all="ignore"):
        e = v - dot(v, w_bar) / dot(w_bar, w_bar) * w_bar
        f = w_bar - dot(v, w_bar) / dot(v, v) * v
        a, b = dot(x, f) / dot(f, f), -dot(x, e) / dot(e, e)
        rest = x - a * w_bar + b * v
    return a[:, 0], b[:, 0], rest


def _tiny(seen: Sequence[Observation], x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> bool:
    return all(
        not (abs(a) > 64 * o.terms.m * o.u * abs(b)).any()
        for o, a, b in zip(seen, x, y, strict=True)
    )


def fitted(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """A factor that is c n^p g^q m^r times a sum, where it should be another."""
    sums = list(totals(seen[0]))
    units = [_units(o) for o in seen]
    if output in ("w", "g_bar"):
        over = ["1"] if output == "w" else sums
        with np.errstate(all="ignore"):
            measured = [
                _factor(o, output) / np.ravel(unit[output])
                for o, unit in zip(seen, units, strict=True)
            ]
        for one in monomials(seen, measured, over):
            residual = fits(seen, output, functools.partial(_scaled, output=output, factor=one))
            if residual < math.inf:
                what = f"{one.sum}/n" if output == "g_bar" else "g v/n"
                text = f"{output} = {one.times(what)}"
                return [_coefficient(output, output, text, one, residual)]
        return []
    wide = [o for o in seen if o.terms.m > 2]
    shown = any(o.wrong("v_bar").any() for o in wide)
    if not shown or fits(wide, "v_bar", _in_span) == math.inf:
        return []
    got = [coefficients(o, o.got["v_bar"]) for o in wide]
    units = [_units(o) for o in wide]
    with np.errstate(all="ignore"):
        a_s = [a / np.ravel(unit["a"]) for (a, _, _), unit in zip(got, units, strict=True)]
        b_s = [b / np.ravel(unit["b"]) for (_, b, _), unit in zip(got, units, strict=True)]
    a_shares = [_share(o, a, o.w_bar) for o, (a, _, _) in zip(wide, got, strict=True)]
    b_shares = [_share(o, b, o.v) for o, (_, b, _) in zip(wide, got, strict=True)]
    ds = [np.ravel(totals(o)["sum|w_bar v|"]) for o in wide]
    no_a, no_b = _tiny(wide, a_s, [np.ones_like(d) for d in ds]), _tiny(wide, b_s, ds)
    a_tries = [ZERO] if no_a else [ONE, *monomials(wide, a_s, ("1", "d", "d^2"), a_shares)]
    b_tries = [ZERO] if no_b else [D, *monomials(wide, b_s, sums, b_shares)]
    for a, b in itertools.product(a_tries, b_tries):

        def candidate(o: Observation, a: Monomial = a, b: Monomial = b) -> np.ndarray:
            unit, shape = _units(o), o.terms.n.shape
            x, y = unit["a"] * a.at(o).reshape(shape), unit["b"] * b.at(o).reshape(shape)
            return x * o.w_bar - y * o.v

        residual = fits(wide, "v_bar", candidate)
        if residual < math.inf:
            same = replace(a, sum="d") == b
            text = f"v_bar = {a.times(_bracket(ONE, D)) if same else _bracket(a, b)}"
            which = "whole" if same else "v" if a.is_one else "w_bar" if b.is_one else "w_bar and v"
            return [_coefficient(output, which, text, b if a.is_one else a, residual)]
    return [
        Diagnosis(
            COEFFICIENT, "v_bar = a w_bar - b v in each slice, with a wrong a or b",
            f"compute v_bar = {RIGHT['v_bar']}",
            "no product of powers of n, g and m: one of the numbers that a and b are made of is "
            "of another slice, or is not what it is thought to be", ("v_bar",),
        )
    ]


def _bracket(a: Monomial, b: Monomial) -> str:
    """(g/n) (2 w_bar - 3 n (d/n^2) v)"""
    first = a.times("w_bar" if a.sum == "1" else f"{a.sum} w_bar")
    second = replace(b, c=abs(b.c)).times(f"({b.sum}/n^2) v")
    parts = [first] * (a.c != 0) + [f"{'-' if b.c > 0 else '+'} {second}"] * (b.c != 0)
    return f"(g/n) ({' '.join(parts)})"


def _share(o: Observation, factor: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The size of factor x, in units of that of v_bar, per slice."""
    size, whole = (np.sqrt((rows_of(o, y) ** 2).sum(axis=1)) for y in (x, o.got["v_bar"]))
    with np.errstate(all="ignore"):
        return np.nan_to_num(abs(factor) * size / whole)


def _units(o: Observation) -> dict[str, np.ndarray]:
    """The factors, but for 1 or d: v_bar = a w_bar - b d v, g_bar = (1/h) d, w = f v."""
    t = o.terms
    with np.errstate(all="ignore"):
        slope = np.sqrt(t.total(t.y * t.y)) / t.n
        return {"a": t.g / t.h, "b": t.g / t.h**2 * slope, "g_bar": 1 / t.h, "w": t.g / t.h}


# The array that the factor multiplies, and the name of the mistake.
_COEFFICIENTS = {
    "w_bar and v": "coefficients", "whole": "coefficient_of_v_bar",
    "v": "coefficient_of_v", "w_bar": "coefficient_of_w_bar",
    "g_bar": "coefficient_of_g_bar", "w": "coefficient_of_w",
}
COEFFICIENT = "coefficient"
NAMES = (COEFFICIENT, *_COEFFICIENTS.values())


def _coefficient(
    output: str, which: str, text: str, factor: Monomial, residual: float
) -> Diagnosis:
    return Diagnosis(
        _COEFFICIENTS[which], text,
        f"compute {output} = {RIGHT[output]}",
        f"fitted: {factor} in place of {'d' if which in ('g_bar', 'v') else '1'}, and exact to "
        "rounding in every slice",
        (output,), residual,
    )


def _factor(o: Observation, output: str) -> np.ndarray:
    if output == "g_bar":
        return np.ravel(o.got["g_bar"])
    x, v = rows_of(o, o.got["w"]), rows_of(o, o.v)
    return (x * v).sum(axis=1) / (v * v).sum(axis=1)


def _scaled(o: Observation, output: str, factor: Monomial) -> np.ndarray:
    value = _units(o)[output] * factor.at(o).reshape(o.terms.n.shape)
    return value if output == "g_bar" else value * o.v


def _in_span(o: Observation) -> np.ndarray:
    """The nearest a w_bar - b v; the answer itself where the two are parallel."""
    a, b, _ = coefficients(o, o.got["v_bar"])
    shape = o.terms.n.shape
    found = a.reshape(shape) * o.w_bar - b.reshape(shape) * o.v
    return np.where(np.isfinite(found), found, o.got["v_bar"])
