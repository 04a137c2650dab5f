"""Wrong formulas: every mistake of the catalogue as people write it, and several at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

from .mutant import Mutant, named, written

__all__ = ["mutants"]

V_BAR = {
    "no_projection": "g/n * G",
    "missing_g": "(G - d/n**2 * v) / n",
    "missing_1_over_n": "g * (G - d/n**2 * v)",
    "missing_g_over_n": "G - d/n**2 * v",
    "no_projection_no_n": "g * G",
    "no_projection_no_g": "G / n",
    "passed_through": "G.copy()",
    "proj_n0": "g/n * (G - d * v)",
    "proj_n1": "g/n * (G - d/n * v)",
    "proj_n3": "g/n * (G - d/n**3 * v)",
    "proj_sign": "g/n * (G + d/n**2 * v)",
    "proj_half": "g/n * (G - d/n**2 * v / 2)",
    "proj_twice": "g/n * (G - 2*d/n**2 * v)",
    "proj_g_lost": "g/n * G - d/n**3 * v",
    "proj_g_twice": "g/n * (G - g*d/n**2 * v)",
    "proj_on_w": "g/n * (G - sum(G*w) * w)",
    "proj_uses_sum_not_dot": "g/n * (G - sum(G)/n**2 * v)",
    "proj_uses_mean_not_dot": "g/n * (G - sum(G)/m)",
    "proj_dot_mean": "g/n * (G - d/m/n**2 * v)",
    "proj_abs": "g/n * (G - abs(d)/n**2 * v)",
    "proj_swapped": "g/n * (G - d/sum(G*G) * G)",
    "factor_n2": "g/n**2 * (G - d/n**2 * v)",
    "factor_g2": "g*g/n * (G - d/n**2 * v)",
    "factor_inverted": "n/g * (G - d/n**2 * v)",
    "factor_abs_g": "abs(g)/n * (G - d/n**2 * v)",
    "v_bar_negated": "-g/n * (G - d/n**2 * v)",
    "v_bar_doubled": "2*g/n * (G - d/n**2 * v)",
    "v_bar_averaged": "g/n * (G - d/n**2 * v) / rows",
    "v_bar_zero": "0 * v",
    "v_bar_only_projection": "g/n * d/n**2 * v",
    "v_bar_is_w_dot": "g/n * (G - d/n**2 * v) + d/n * v/n",
    "dot_of_neighbour": "g/n * (G - roll(d)/n**2 * v)",
}
G_BAR = {
    "g_bar_no_norm": "d",
    "g_bar_n2": "d / n**2",
    "g_bar_times_g": "sum(G * w)",
    "g_bar_over_g": "d / (g*n)",
    "g_bar_uses_sum": "sum(G) / n",
    "g_bar_sum_w_bar": "sum(G)",
    "g_bar_mean": "d / n / m",
    "g_bar_scalar_sum": "(d/n).sum()",
    "g_bar_averaged": "d / n / rows",
    "g_bar_rolled": "roll(d / n)",
    "g_bar_rolled_back": "roll(d / n, -1)",
    "g_bar_reversed": "(d / n)[::-1]",
    "g_bar_ones": "1 + 0*g",
    "g_bar_zero": "0*g",
    "g_bar_negated": "-d / n",
    "g_bar_doubled": "2*d / n",
    "g_bar_abs": "abs(d) / n",
    "g_bar_norm_of_w_bar": "np.sqrt(sum(G*G))",
    "g_bar_times_sign_g": "np.sign(g) * d / n",
}
W = {
    "w_no_g": "v / n",
    "w_no_norm": "g * v",
    "w_is_v": "v.copy()",
    "w_abs_g": "abs(g) * v / n",
    "w_exp_g": "np.exp(g) * v / n",
    "w_one_plus_g": "(1 + g) * v / n",
    "w_negated": "-g * v / n",
    "w_times_n": "g * n * v",
}
# (v_bar, g_bar), or (v_bar, g_bar, w)
SEVERAL = {
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
}  # fmt: skip
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
)  # fmt: skip
WITH_FORWARD = tuple(
    itertools.product(("w_no_g", "w_abs_g", "w_times_n"), ("no_projection", "proj_n1", "g_bar_n2"))
)


def mutants() -> Iterator[Mutant]:
    """Each alone, then in company."""
    for name, text in V_BAR.items():
        yield _one(name, f"v_bar = {text}", v_bar=text)
    for name, text in G_BAR.items():
        yield _one(name, f"g_bar = {text}", g_bar=text)
    for name, text in W.items():
        yield _one(name, f"w = {text}", w=text)
    for name, texts in SEVERAL.items():
        said = zip(("v_bar", "g_bar", "w"), texts, strict=False)
        yield _one(
            name, "; ".join(f"{k} = {x}" for k, x in said),
            **dict(zip(("v_bar", "g_bar", "w"), texts, strict=False)),
        )  # fmt: skip
    for name, (h, y) in LENGTHS.items():
        yield _one(
            name, f"w = g v / {h}, and its own gradient",
            v_bar=f"g*G/{h} - g*d/{h}**2 * {y}", g_bar=f"d / {h}", w=f"g*v / {h}",
        )  # fmt: skip
        yield _one(
            f"{name}_in_formula", f"n = {h} in the backward",
            v_bar=f"g/{h} * (G - d/{h}**2 * v)", g_bar=f"d / {h}",
        )  # fmt: skip
    for first, second in PAIRS:
        yield Mutant(
            f"formula.{first}+{second}", "formula", f"{V_BAR[first]} and {G_BAR[second]}",
            functools.partial(written, V_BAR[first], G_BAR[second]), named(first, second),
        )  # fmt: skip
    for w, other in WITH_FORWARD:
        backward = {"v_bar": V_BAR[other]} if other in V_BAR else {"g_bar": G_BAR[other]}
        yield Mutant(
            f"formula.{w}+{other}", "formula", f"{W[w]} and {', '.join(backward.values())}",
            functools.partial(written, w=W[w], **backward), named(w, other),
        )  # fmt: skip


def _one(name: str, what: str, **texts: str) -> Mutant:
    return Mutant(
        f"formula.{name}", "formula", what, functools.partial(written, **texts), named(name)
    )
