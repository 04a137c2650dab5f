"""Every mistake of the catalogue: wrong formulas, several at once; sums over the wrong axes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

from ..oracle.mistakes import CATALOGUE, by_id
from ..oracle.mistakes.table import PLACES
from .mutant import Mutant, committed, named

__all__ = ["formulas", "places"]

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


# Where axis 0 keeps the norm, the first of these is right, and the other is the last axis.
ON_AXIS_1 = ("first", "flipped")
RANKS = (1, 2, 3, 4, 5)


def formulas() -> Iterator[Mutant]:
    """Each alone, then in company."""
    for ids in (*((m.id,) for m in CATALOGUE if not m.place), *PAIRS, *WITH_FORWARD):
        mistakes = [by_id(id) for id in ids]
        lines = "; ".join(m.lines or m.formula for m in mistakes)
        yield Mutant(
            f"formula.{'+'.join(ids)}", " and ".join(m.formula for m in mistakes),
            functools.partial(committed, lines), named(*ids),
        )


def places() -> Iterator[Mutant]:
    """Sums over the wrong axes: in the function, in the norm, in the dot product, in n^2 alone;
    every place of the catalogue in every variant, on arrays of one to five axes."""
    for m in CATALOGUE:
        if m.place:
            axis = int(m.place in ON_AXIS_1)
            names = [m.id.replace(m.place, other, 1) for other in _same(m.place, axis)]
            make = functools.partial(committed, m.lines, axis, m.place)
            yield Mutant(
                f"axis.{m.id}", m.formula, make, named(names), axis=axis, ranks=RANKS
            )


def _same(place: str, axis: int) -> list[str]:
    """The place, and others that keep the same axes in arrays of any rank."""

    def kept(which: str) -> list[tuple[int, ...] | None]:
        return [PLACES[which][1](rank, (axis,)) for rank in RANKS]

    return [which for which in PLACES if kept(which) == kept(place)]
