"""Is this implementation of weight normalisation right? If not, which term is wrong?

    report = minwn.oracle.check(forward=forward, backward=backward)
    print(report)

    print(minwn.oracle.read("homework.py").check())

judges functions of NumPy arrays, or code as people write it, against answers that are right to the
last bit. A wrong one gets the name of its mistake, the formula that reproduces its numbers, and the
smallest case that shows it. The judge imports neither a framework nor minwn's own weight
normalisation. CATALOGUE holds every Mistake that it knows by name, INVARIANTS the laws by which it
finds others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attributes
from . import bounds, truth  # noqa: F401  (old names of modules)
from .check import check
from .checks.invariants import INVARIANTS, laws
from .diagnosis import Diagnosis
from .mistakes import CATALOGUE, Mistake
from .reference.truth import OracleFault, expected
from .report import Report, page

__all__ = [
    "CATALOGUE", "INVARIANTS", "Diagnosis", "Mistake", "OracleFault", "Reading", "Report",
    "Unreadable", "check", "check_layer", "expected", "laws", "page", "read",
]

if TYPE_CHECKING:
    from .layers.check import check_layer
    from .reading import Reading, Unreadable, read
else:
    __getattr__, __dir__ = attributes(__name__, {
        "check_layer": "layers.check", "Reading": "reading", "Unreadable": "reading",
        "read": "reading",
    })
