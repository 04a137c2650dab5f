"""Sums over the wrong axes: in the function, in the norm, in the dot product, in n^2 alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from ..oracle.mistakes import CATALOGUE
from ..oracle.mistakes.table import PLACES
from .mutant import Mutant, committed, named

__all__ = ["mutants"]

# Where axis 0 keeps the norm, the first of these is right, and the other is the last axis.
ON_AXIS_1 = ("first", "flipped")
RANKS = (1, 2, 3, 4, 5)


def mutants() -> Iterator[Mutant]:
    """Every place of the catalogue in every variant, on arrays of one to five axes."""
    for mistake in CATALOGUE:
        place = mistake.place
        if place:
            axis, lines = int(place in ON_AXIS_1), mistake.lines
            names = [mistake.id.replace(place, other, 1) for other in _same(place, axis)]
            yield Mutant(
                f"axis.{mistake.id}", "axis", mistake.formula,
                functools.partial(committed, lines, axis, place), named(names), axis=axis,
                ranks=RANKS,
            )


def _same(place: str, axis: int) -> list[str]:
    """The place, and others that keep the same axes in arrays of any rank."""

    def kept(which: str) -> list[tuple[int, ...] | None]:
        return [PLACES[which][1](rank, (axis,)) for rank in RANKS]

    return [which for which in PLACES if kept(which) == kept(place)]
