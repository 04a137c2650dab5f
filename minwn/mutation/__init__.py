"""Faults planted on purpose: how many of them does a judge see, or a test suite?

    outcomes = list(measure())          # `check`, on every mutant in float64 and float32
    table(outcomes)

`MUTANTS` are implementations of weight normalisation, each with one fault that is known, or with
a proof that it has none. `suite` puts mutants in the place of someone's own functions and runs
their tests. In a checkout, `tests/mutation/false_alarms.py` tests the converse: right
implementations never fail.
"""

from .measure import KINDS, MUTANTS, Outcome, measure, table
from .mutant import Implementation, Mutant

__all__ = ["KINDS", "MUTANTS", "Implementation", "Mutant", "Outcome", "measure", "table"]
