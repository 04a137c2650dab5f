"""Right to first order; wrong in the forward product, or in the pullback of the pullback."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .mutant import Implementation, Mutant, correct, forward, named

__all__ = ["mutants"]

Terms = dict[str, float]
# Factors of the terms of the second order; all are 1 in the right formula.
ONES: Terms = dict.fromkeys(
    ("along", "dot", "gain", "frozen_s", "frozen_a", "frozen_c", "bend", "by_B", "by_B_dot",
     "g_c", "g_as"), 1.0,
)


def parts(v: Any, g: Any, G: Any, A: Any, B: Any, f: Terms) -> tuple[Any, Any, Any]:
    """(w_dot, by_v, by_g) with A and B in the place of tangents, or of cotangents."""
    axes = tuple(range(1, v.ndim))

    def total(x: Any) -> Any:
        return x.sum(axis=axes, keepdims=True)

    n = np.sqrt(total(v * v))
    s, a, c = total(G * v), total(A * v), total(A * G)
    w_dot = g / n * (f["along"] * A - f["dot"] * a / n**2 * v) + f["gain"] * B / n * v
    by_v = -g / n**3 * (f["frozen_s"] * s * A + f["frozen_a"] * a * G + f["frozen_c"] * c * v)
    by_v = by_v + f["bend"] * 3 * g * s * a / n**5 * v
    by_v = by_v + f["by_B"] * B / n * (G - f["by_B_dot"] * s / n**2 * v)
    return w_dot, by_v, f["g_c"] * c / n - f["g_as"] * a * s / n**3


def order_two(which: str, **factors: float) -> Implementation:
    """A jvp, or a double backward, with some factors other than 1."""
    f = ONES | factors

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        return parts(v, g, v, v_dot, g_dot, f)[0]

    def double_backward(A: Any, B: Any, w_bar: Any, v: Any, g: Any) -> Any:
        return parts(v, g, w_bar, A, B, f)

    if which == "jvp":
        return Implementation(forward, correct, jvp)
    return Implementation(forward, correct, None, double_backward)


def plumbed(how: str) -> Implementation:
    """The right answers, but of other inputs, or at other indices."""

    def double_backward(A: Any, B: Any, w_bar: Any, v: Any, g: Any) -> Any:
        if how == "A rolled":
            A = np.roll(A, 1, axis=0)
        if how == "w_bar of ones":
            w_bar = np.ones_like(w_bar)
        by_w_bar, by_v, by_g = parts(v, g, w_bar, A, B, ONES)
        if how == "swapped":
            return by_v, by_w_bar, by_g
        if how == "by_g summed":
            return by_w_bar, by_v, np.zeros_like(by_g) + by_g.sum()
        if how == "by_v zero":
            return by_w_bar, 0 * by_v, by_g
        if how == "first order again":
            return w_bar.copy(), *correct(A, v, g)
        return by_w_bar, by_v, by_g

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        if how == "jvp by pullback":  # symmetric in w_bar and v_dot, but blind to g_dot
            return correct(v_dot, v, g)[0]
        if how == "jvp by differences":
            h = v.dtype.type(1e-3)
            return (forward(v + h * v_dot, g + h * g_dot) - forward(v, g)) / h
        return forward(v_dot, g)

    if how.startswith("jvp"):
        return Implementation(forward, correct, jvp)
    return Implementation(forward, correct, None, double_backward)


# id: the factors, and the names that are right; () where there is none
DOUBLE: dict[str, tuple[Terms, tuple[str, ...]]] = {
    "frozen_norm": ({"frozen_c": 0, "bend": 0, "by_B_dot": 0}, ("second_frozen_norm",)),
    "no_bend": ({"bend": 0}, ("second_no_bend",)),
    "bend_once": ({"bend": 1 / 3}, ("second_bend_once",)),
    "no_g_bar": ({"by_B": 0}, ("second_no_g_bar",)),
    "no_c": ({"frozen_c": 0}, ("second_no_c",)),
    "no_projection": ({"dot": 0}, ("product_no_projection",)),
    "no_gain": ({"gain": 0}, ()),
    "no_s": ({"frozen_s": 0}, ()),
    "no_a": ({"frozen_a": 0}, ()),
    "bend_sign": ({"bend": -1}, ()),
    "bend_twice": ({"bend": 2 / 3}, ()),
    "by_g_no_c": ({"g_c": 0}, ()),
    "by_g_no_bend": ({"g_as": 0}, ()),
    "by_g_sign": ({"g_as": -1}, ()),
    "by_B_no_projection": ({"by_B_dot": 0}, ("second_g_bar_no_projection",)),
    "by_B_sign": ({"by_B": -1}, ()),
    "projection_sign": ({"dot": -1}, ("product_sign",)),
    "projection_half": ({"dot": 0.5}, ()),
}
JVP: dict[str, tuple[Terms, tuple[str, ...]]] = {
    "no_projection": ({"dot": 0}, ("product_no_projection",)),
    "sign": ({"dot": -1}, ("product_sign",)),
    "no_g_dot": ({"gain": 0}, ("product_no_g_dot",)),
    "half": ({"dot": 0.5}, ()),
    "g_dot_twice": ({"gain": 2}, ()),
    "no_v_dot": ({"along": 0, "dot": 0}, ()),
    "negated": ({"along": -1, "dot": -1, "gain": -1}, ()),
}
PLUMBED = (
    "A rolled", "w_bar of ones", "swapped", "by_g summed", "by_v zero", "first order again",
    "jvp by pullback", "jvp by differences", "jvp of v_dot alone",
)


def mutants() -> Iterator[Mutant]:
    """The double backward, the forward product, and the wiring of both."""
    for which, table in (("double_backward", DOUBLE), ("jvp", JVP)):
        for slug, (factors, names) in table.items():
            said = ", ".join(f"{term} x {factor:.2g}" for term, factor in factors.items())
            yield Mutant(
                f"order2.{which}.{slug}", "order2", f"{which}: {said}",
                functools.partial(order_two, which, **factors), named(names) if names else None,
            )
    for how in PLUMBED:
        names = ("product_no_g_dot",) if how == "jvp by pullback" else ()
        yield Mutant(
            f"order2.{how.replace(' ', '_')}", "order2", how, functools.partial(plumbed, how),
            named(names) if names else None,
        )
