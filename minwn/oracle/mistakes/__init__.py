r"""The mistakes people make in the gradients of weight normalisation, as data.

With the symbols of `Terms`, the right answers of every form are

    w = g v / h        g_bar = d / h        v_bar = (g / h) (w_bar - p)        p = (d / h) y

where d = <w_bar, v>, h is the length by which v is divided and y = dh/dv; in the plain form h = n
and p = (d / n^2) v. A mistake is another right-hand side of one of these lines, or of several; it
is computed in float64 from the inputs alone, so that a wrong answer can be compared with it entry
by entry, as with the truth.
"""

from __future__ import annotations

from .formulas import FORMULAS
from .norms import AXES, LENGTHS, elsewhere
from .second import SECOND, SecondMistake
from .terms import OUTPUTS, Mistake, Terms, kept_axes
from .wiring import WIRING

__all__ = [
    "CATALOGUE", "OUTPUTS", "SECOND", "Mistake", "SecondMistake", "Terms", "by_id", "elsewhere",
    "kept_axes",
]

CATALOGUE: tuple[Mistake, ...] = (*FORMULAS, *WIRING, *LENGTHS, *AXES)
_BY_ID = {mistake.id: mistake for mistake in CATALOGUE}


def by_id(name: str) -> Mistake:
    """The mistake of that name. Raises KeyError where there is none."""
    return _BY_ID[name]
