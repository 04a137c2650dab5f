"""Wrong formulas: every mistake of the catalogue, and several at once.

Those of one line are read from the catalogue's rows; the rest is written as people write it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

from ..oracle.mistakes.formulas import FORMULAS
from .mutant import Mutant, named, written

__all__ = ["mutants"]

# By id: each mistake of one line, as the catalogue's own row has it.
CODE = {mistake.id: mistake.code for mistake in FORMULAS}
# (v_bar, g_bar), or (v_bar, g_bar, w)
SEVERAL = {
    "v_bar_is_w_dot": ("g/n * (G - d/n**2 * v) + d/n * v/n",),
    "dot_of_neighbour": ("g/n * (G - roll(d)/n**2 * v)",),
    "w_for_v": ("g/abs(g) * (G - sum(G*w)/g**2 * w)", "sum(G*w) / abs(g)"),
    "norm_of_neighbour": ("g/roll(n) * (G - d/roll(n)**2 * v)", "d / roll(n)"),
    "first_norm_for_all": (
        "g/n[:1] * (G - d/n[:1]**2 * v)", "d / n[:1]", "g * v / n[:1]",
    ),
    "g_of_neighbour": ("roll(g)/n * (G - d/n**2 * v)", "d / n", "roll(g) * v / n"),
    "first_g_for_all": ("g[:1]/n * (G - d/n**2 * v)", "d / n", "g[:1] * v / n"),
    "norm_without_last": (
        "g/n1 * (G - d1/n1**2 * v)".replace("n1", "np.sqrt(sum((v*v)[..., :-1]))")
        .replace("d1", "sum((G*v)[..., :-1])"),
        "sum((G*v)[..., :-1]) / np.sqrt(sum((v*v)[..., :-1]))",
    ),
    "dot_without_last": (
        "g/n * (G - sum((G*v)[..., :-1])/n**2 * v)", "sum((G*v)[..., :-1]) / n",
    ),
}
# Another length h with the derivative y, in the function and in the formula of the gradient.
LENGTHS = {
    "norm_squared": ("n**2", "2*v"),
    "norm_l1": ("sum(abs(v))", "np.sign(v)"),
    "norm_mean": ("(n / m**.5)", "(v / n / m**.5)"),
    "norm_max": (
        "abs(v).max(own, keepdims=True)",
        "(np.sign(v) * (abs(v) == abs(v).max(own, keepdims=True)))",
    ),
}
# Two faults, or three, and each has to be found.
PAIRS = (
    ("no_projection", "g_bar_n2"), ("no_projection", "g_bar_times_g"),
    ("missing_g", "g_bar_no_norm"), ("missing_1_over_n", "g_bar_no_norm"),
    ("proj_n1", "g_bar_n2"), ("proj_sign", "g_bar_negated"), ("proj_half", "g_bar_mean"),
    ("factor_abs_g", "g_bar_abs"), ("proj_on_w", "g_bar_times_g"),
    ("missing_g_over_n", "g_bar_zero"), ("proj_uses_sum_not_dot", "g_bar_uses_sum"),
    ("v_bar_doubled", "g_bar_doubled"), ("v_bar_zero", "g_bar_zero"),
    ("proj_g_lost", "g_bar_over_g"), ("passed_through", "g_bar_sum_w_bar"),
)
WITH_FORWARD = tuple(
    itertools.product(("w_no_g", "w_abs_g", "w_times_n"), ("no_projection", "proj_n1", "g_bar_n2"))
)


def mutants() -> Iterator[Mutant]:
    """Each alone, then in company."""
    for mistake in FORMULAS:
        yield _one(mistake.id, mistake.formula, **mistake.code)
    for name, texts in SEVERAL.items():
        said = zip(("v_bar", "g_bar", "w"), texts, strict=False)
        yield _one(
            name, "; ".join(f"{k} = {x}" for k, x in said),
            **dict(zip(("v_bar", "g_bar", "w"), texts, strict=False)),
        )
    for name, (h, y) in LENGTHS.items():
        yield _one(
            name, f"w = g v / {h}, and its own gradient",
            v_bar=f"g*G/{h} - g*d/{h}**2 * {y}", g_bar=f"d / {h}", w=f"g*v / {h}",
        )
        yield _one(
            f"{name}_in_formula", f"n = {h} in the backward",
            v_bar=f"g/{h} * (G - d/{h}**2 * v)", g_bar=f"d / {h}",
        )
    for first, second in (*PAIRS, *WITH_FORWARD):
        codes = CODE[first] | CODE[second]
        yield Mutant(
            f"formula.{first}+{second}", "formula", " and ".join(codes.values()),
            functools.partial(written, **codes), named(first, second),
        )


def _one(name: str, what: str, **texts: str) -> Mutant:
    return Mutant(
        f"formula.{name}", "formula", what, functools.partial(written, **texts), named(name)
    )
