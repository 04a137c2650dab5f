r"""The mistakes people make in the gradients of weight normalisation, as data.

With the symbols of `Terms`, the right answers of every form are

    w = g v / h        g_bar = d / h        v_bar = (g / h) (w_bar - p)        p = (d / h) y

where d = <w_bar, v>, h is the length by which v is divided and y = dh/dv; in the plain form h = n
and p = (d / n^2) v. A mistake is another right-hand side of one of these lines, or of several; it
is computed in float64 from the inputs alone, so that a wrong answer can be compared with it entry
by entry, as with the truth.

A mistake is added in one place: a row in `table`.
"""

from __future__ import annotations

from .table import ROWS, SECOND_ROWS
from .terms import OUTPUTS, Mistake, SecondMistake, Terms, second_order

__all__ = [
    "CATALOGUE", "OUTPUTS", "SECOND", "Mistake", "SecondMistake", "Terms", "by_id",
    "second_order",
]

CATALOGUE: tuple[Mistake, ...] = tuple(Mistake(*row) for row in ROWS)
SECOND: tuple[SecondMistake, ...] = tuple(SecondMistake(*row) for row in SECOND_ROWS)
_BY_ID = {mistake.id: mistake for mistake in CATALOGUE}


def by_id(name: str) -> Mistake:
    """The mistake of that name. Raises KeyError where there is none."""
    return _BY_ID[name]
