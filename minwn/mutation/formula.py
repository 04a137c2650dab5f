"""Wrong formulas: every mistake of the catalogue, and several at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

from ..oracle.mistakes import CATALOGUE, by_id
from .mutant import Mutant, committed, named

__all__ = ["mutants"]

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
    """Each alone, then in company; those about axes are in `axis`."""
    for mistake in CATALOGUE:
        if not mistake.place:
            yield _mutant(mistake.id)
    for pair in (*PAIRS, *WITH_FORWARD):
        yield _mutant(*pair)


def _mutant(*ids: str) -> Mutant:
    mistakes = [by_id(id) for id in ids]
    lines = "; ".join(mistake.lines or mistake.formula for mistake in mistakes)
    return Mutant(
        f"formula.{'+'.join(ids)}", "formula", " and ".join(m.formula for m in mistakes),
        functools.partial(committed, lines), named(*ids),
    )
