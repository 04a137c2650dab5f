"""From wrong numbers to the wrong term.

Four questions, in this order, each asked of all the evidence at once:

    catalogue    is it, entry by entry, a formula of the catalogue, a form with an undeclared eps,
                 or the right answer permuted or computed from permuted inputs?
    index        are only some entries wrong, and always the same ones?
    span         is each slice of v_bar a w_bar - b v? Then a and b are compared with the right ones
                 and fitted: c n^p g^q m^r, and b also with other sums in place of <w_bar, v>
    precision    is it the right answer with the digits of a narrower dtype?

A name is given only if what it stands for reproduces every number seen, to rounding. Where several
do, all are given; where none does, the answer is "axis/index" if slices or entries are told apart
that should not be, and "unknown" otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..mistakes import CATALOGUE, OUTPUTS
from .catalogued import catalogued, rule
from .eps import undeclared_eps
from .index import masked, only_in_one_group
from .observation import Diagnosis, Observation, fits
from .permuted import permuted
from .rest import few_digits, narrow, unknown
from .span import fitted

__all__ = ["Diagnosis", "Observation", "diagnose"]


def diagnose(
    observations: Sequence[Observation],
    broken: Sequence[str] = (),
    *,
    forward_right: bool | None = None,
) -> tuple[list[Diagnosis], bool]:
    """The names, most likely first, and whether they are rivals of which only one can be right.

    broken: the ids of the laws that failed. forward_right: whether w was judged right; None where
    there was no forward.
    """
    evidence = [o for o in observations if o.terms.m > 1 and _telling(o)]
    evidence = evidence or list(observations)
    failing = [o for o in OUTPUTS if any(o in e.got and e.wrong(o).any() for e in observations)]
    if not failing:
        return [], False
    alone = only_in_one_group(observations, failing)
    if alone:
        return [alone], False
    found: dict[str, list[Diagnosis]] = {}
    for output in failing:
        seen = [o for o in evidence if output in o.got]
        if not any(o.wrong(output).any() for o in seen):
            seen = [o for o in observations if output in o.got]
        found[output] = _explain(seen, output, broken, forward_right) if seen else []
    return _combine(found, evidence)


def _telling(o: Observation) -> bool:
    return o.group not in ("range", "long", "angle", "undefined", "layout")


def _explain(
    seen: Sequence[Observation], output: str, broken: Sequence[str], forward_right: bool | None
) -> list[Diagnosis]:
    rounded = few_digits(seen, output)
    if rounded:
        return rounded
    for search in (catalogued, permuted, undeclared_eps):
        found = search(seen, output)
        if found and search is undeclared_eps and output != "w" and forward_right:
            return [replace(d, id="eps_in_bwd_only") for d in found]
        if found:
            return found
    for one in (masked, fitted, narrow):
        found = one(seen, output)
        if found:
            return found
    return [unknown(seen, output, broken)]


def _combine(
    found: dict[str, list[Diagnosis]], evidence: Sequence[Observation]
) -> tuple[list[Diagnosis], bool]:
    """One mistake that explains every failing output, before one for each."""
    lists = [d for d in found.values() if d]
    if not lists:
        return [], False
    shared = [d for d in lists[0] if all(any(d.id == e.id for e in rest) for rest in lists[1:])]
    if shared:
        shared = [replace(d, outputs=tuple(found)) for d in shared]
        exact = [d for d in shared if not _denied(d, evidence)]
        shared = exact or shared
        return shared, len({d.id for d in shared}) > 1
    ambiguous = False
    result: list[Diagnosis] = []
    for rivals in lists:
        exact = [d for d in rivals if not _denied(d, evidence)] or rivals
        ambiguous |= len({d.id for d in exact}) > 1
        result += exact
    return result, ambiguous


def _denied(d: Diagnosis, evidence: Sequence[Observation]) -> bool:
    """Whether the mistake would show in an output where it does not."""
    mistake = next((m for m in CATALOGUE if m.id == d.id), None)
    if mistake is None:
        return False
    for output in set(mistake.where) - set(d.outputs):
        seen = [o for o in evidence if output in o.got]
        if seen and fits(seen, output, rule(mistake, output)) == math.inf:
            return True
    return False
