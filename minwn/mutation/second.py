"""Right to first order; wrong in the forward product, or in the pullback of the pullback."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..oracle.mistakes import SECOND
from ..oracle.mistakes.grammar import Program
from ..oracle.mistakes.table import RIGHT
from .mutant import Implementation, Mutant, correct, forward, named, namespace

__all__ = ["mutants"]

ANSWERS = ("w_dot", "by_v", "by_g")
RIGHT_LINES = Program("", RIGHT)


def answers(program: Program, w_bar: Any, v: Any, g: Any, A: Any, B: Any) -> tuple[Any, Any, Any]:
    """(w_dot, by_v, by_g) with A and B in the place of tangents, or of cotangents."""

    def names(**new: Any) -> dict[str, Any]:
        known = namespace(**({"w_bar": w_bar, "v": v, "g": g} | new))
        a, c = known["sum"](A * known["v"]), known["sum"](A * known["w_bar"])
        return known | {"A": A, "B": B, "v_dot": A, "g_dot": B, "a": a, "c": c}

    w_dot, by_v, by_g = (program.answer(name, names(), names) for name in ANSWERS)
    return w_dot, by_v, by_g


def order_two(which: str, lines: str = "") -> Implementation:
    """A jvp, or a double backward, with these lines in the place of the right ones."""
    program = Program(lines, RIGHT)

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        return answers(program, v, v, g, v_dot, g_dot)[0]

    def double_backward(A: Any, B: Any, w_bar: Any, v: Any, g: Any) -> Any:
        return answers(program, w_bar, v, g, A, B)

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
        by_w_bar, by_v, by_g = answers(RIGHT_LINES, w_bar, v, g, A, B)
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


# Ids are permanent, also where the catalogue calls the mistake by a longer or another name.
IDS = {
    ("double_backward", "second_g_bar_no_projection"): "by_B_no_projection",
    ("double_backward", "product_sign"): "projection_sign",
}
# In no catalogue.
BY_B, FROZEN = "(B/n) (w_bar - (d/n^2) v)", "(g/n^3) (d A + a w_bar + c v)"
DOUBLE = {
    "no_gain": "w_dot = (g/n) (A - (a/n^2) v)",
    "no_s": f"by_v = {BY_B} - (g/n^3) (a w_bar + c v) + 3 (g a d/n^5) v",
    "no_a": f"by_v = {BY_B} - (g/n^3) (d A + c v) + 3 (g a d/n^5) v",
    "bend_sign": f"by_v = {BY_B} - {FROZEN} - 3 (g a d/n^5) v",
    "bend_twice": f"by_v = {BY_B} - {FROZEN} + 2 (g a d/n^5) v",
    "by_g_no_c": "by_g = -a d/n^3",
    "by_g_no_bend": "by_g = c/n",
    "by_g_sign": "by_g = c/n + a d/n^3",
    "by_B_sign": f"by_v = -{BY_B} - {FROZEN} + 3 (g a d/n^5) v",
    "projection_half": "w_dot = (g/n) (A - (1/2) (a/n^2) v) + (B/n) v",
}
JVP = {
    "half": "w_dot = (g/n) (A - (1/2) (a/n^2) v) + (B/n) v",
    "g_dot_twice": "w_dot = (g/n) (A - (a/n^2) v) + 2 (B/n) v",
    "no_v_dot": "w_dot = (B/n) v",
    "negated": "w_dot = -(g/n) (A - (a/n^2) v) - (B/n) v",
}
PLUMBED = (
    "A rolled", "w_bar of ones", "swapped", "by_g summed", "by_v zero", "first order again",
    "jvp by pullback", "jvp by differences", "jvp of v_dot alone",
)
NAMED: dict[str, tuple[str, ...]] = {
    "jvp by pullback": ("product_no_g_dot",), "swapped": ("answers_exchanged",),
    "by_v zero": ("coefficient_of_by_v",),
}


def mutants() -> Iterator[Mutant]:
    """The double backward, the forward product, and the wiring of both."""
    for mistake in SECOND:
        lines = mistake.lines or mistake.formula
        for which in ("double_backward", "jvp")[: 1 + ("w_dot" in mistake.where)]:
            slug = IDS.get((which, mistake.id), mistake.id.partition("_")[2])
            yield _mutant(which, slug, lines, mistake.formula, named(mistake.id))
    for which, table in (("double_backward", DOUBLE), ("jvp", JVP)):
        for slug, lines in table.items():
            output = lines.partition(" = ")[0]
            names = {f"coefficient_of_{output}"}
            if (which, output) == ("double_backward", "w_dot"):
                names = {"coefficient_of_by_w_bar", *(["product_no_g_dot"] * (slug == "no_gain"))}
            yield _mutant(which, slug, lines, lines, named(names))
    for how in PLUMBED:
        given = NAMED.get(how, ())
        yield Mutant(
            f"order2.{how.replace(' ', '_')}", how, functools.partial(plumbed, how),
            named(given) if given else None,
        )


def _mutant(which: str, slug: str, lines: str, what: str, faults: Any = None) -> Mutant:
    return Mutant(
        f"order2.{which}.{slug}", f"{which}: {what}", functools.partial(order_two, which, lines),
        faults,
    )
