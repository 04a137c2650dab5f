"""From wrong numbers to the wrong term.

Questions, in this order, each for all the evidence at once:

    eps          is the declared eps not in the code?
    catalogue    is it, entry by entry, a formula of the catalogue, a form with an undeclared eps,
                 or the right answer permuted or computed from permuted inputs?
    digits       are its errors those of rounding, to a narrower dtype or too often?
    index        are only some entries wrong, and always the same ones?
    modified     is it right but for a factor, a term, a rough root or a clipped gain?
    sizes        is it wrong from some size on, in squares, or past the end of the blocks?
    pairs        is it two formulas of the catalogue at once?
    span         is each slice of v_bar a w_bar - b v? Then a and b are compared with the right ones
                 and fitted: c n^p g^q m^r, and b also with other sums in place of <w_bar, v>

A name is given only if its formula reproduces every number seen, to rounding. Where several do, all
are given; where none does, the answer is "axis/index" if slices or entries are treated differently
that should be treated alike, and "unknown" otherwise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..mistakes import CATALOGUE, OUTPUTS
from .catalogued import catalogued, distinct, rule
from .digits import NAMES as DIGITS
from .digits import few_digits, narrow, noisy
from .eps import NAMES as EPS
from .eps import Eps, eps_missing, eps_missing_at_zero, measured_eps, undeclared_eps
from .index import NAMES as INDEX
from .index import OF_GROUPS, masked, only_in_one_group
from .modified import NAMES as MODIFIED
from .modified import all_scaled, modified
from .observation import Diagnosis, Observation, fits
from .pairs import two_at_once
from .permuted import NAMES as PERMUTED
from .permuted import permuted
from .sizes import NAMES as SIZES
from .sizes import blocks, shapes
from .span import NAMES as SPAN
from .span import fitted
from .unknown import NAMES as UNKNOWN
from .unknown import unknown

__all__ = ["NAMES", "OF_GROUPS", "Diagnosis", "Observation", "diagnose"]

IN_BACKWARD = "eps_in_bwd_only"
# All that `diagnose` may answer.
NAMES = (
    *(mistake.id for mistake in CATALOGUE), IN_BACKWARD, *EPS, *PERMUTED, *DIGITS, *INDEX, *SIZES,
    *MODIFIED, *SPAN, *UNKNOWN,
)


def diagnose(
    observations: Sequence[Observation],
    broken: Sequence[str] = (),
    *,
    forward_ok: bool | None = None,
) -> tuple[list[Diagnosis], bool]:
    """The names, most likely first, and whether they are rivals of which only one can be right.

    broken: the ids of the laws that failed. forward_right: whether w was judged right; None where
    there was no forward.
    """
    failing = [o for o in OUTPUTS if any(o in e.got and e.worst(o) > 1 for e in observations)]
    if not failing:
        return [], False
    alone = eps_missing_at_zero(observations, failing) or only_in_one_group(observations, failing)
    if alone:
        return [alone], False
    seen = {output: _evidence(observations, output) for output in failing}
    scaled = all_scaled(seen, observations)
    if scaled:
        return [scaled], False

    @functools.cache
    def tried() -> list[Eps]:  # one eps for all: some outputs tell it better than others
        return [eps for output in failing for eps in measured_eps(seen[output], output)]

    found = {}
    for output in failing:
        found[output] = _formula(seen[output], output, tried, forward_ok)
        if not found[output]:
            alone = only_in_one_group(observations, [output])
            found[output] = [alone] if alone else _no_formula(
                observations, seen[output], output, broken
            )
    return _combine(found, _telling(observations) or list(observations))


def _telling(observations: Sequence[Observation], least: int = 2) -> list[Observation]:
    """Slices of more than one entry, in groups that are there to tell formulas apart."""
    others = ("range", "long", "angle", "undefined", "layout", "zeros", "sizes")
    return [
        o for o in observations
        if o.terms.m >= least and o.group not in others and o.sizes is None
    ]


def _evidence(observations: Sequence[Observation], output: str) -> list[Observation]:
    """The telling cases, if the fault shows there; else with slices of one entry; else all."""
    for some in (_telling(observations), _telling(observations, 1)):
        seen = [o for o in some if output in o.got]
        if any(o.worst(output) > 1 for o in seen):
            return seen
    return [o for o in observations if output in o.got and (o.sizes is None or o.fails)]


def _formula(
    seen: Sequence[Observation], output: str, tried: Callable[[], list[Eps]],
    forward_ok: bool | None,
) -> list[Diagnosis]:
    """The right formula, but for a few digits, or a wrong one."""
    missing = eps_missing(seen, output)
    if missing:
        return missing
    few = few_digits(seen, output)
    if few and noisy(seen, output):
        return few
    for search in (catalogued, permuted):
        found = search(seen, output)
        if found:
            return found
    found = undeclared_eps(seen, output, tried())
    if found and output != "w" and forward_ok:
        return [replace(found[0], id=IN_BACKWARD)]
    return found or few


def _no_formula(
    every: Sequence[Observation], seen: Sequence[Observation], output: str, broken: Sequence[str]
) -> list[Diagnosis]:
    return (
        blocks(every, output)
        or (narrow(seen, output) if seen == _telling(seen, 1) else [])
        or masked(seen, output)
        or modified(seen, output)
        or shapes(every, output)
        or _coefficients(seen, output)
        or [unknown(seen, output, broken)]
    )


def _coefficients(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """One wrong factor is simpler than two mistakes; two factors are not."""
    found = fitted(seen, output)
    one = found and found[0].id not in ("coefficient", "coefficients")
    return found if one else two_at_once(seen, output) or found


def _combine(
    found: dict[str, list[Diagnosis]], evidence: Sequence[Observation]
) -> tuple[list[Diagnosis], bool]:
    """One mistake that explains every failing output, before one for each."""
    lists = list(found.values())
    pairs = any(len(some) > 1 and math.isnan(some[0].residual) for some in lists)
    shared = [] if pairs else [
        d for d in lists[0] if all(any(d.id == e.id for e in rest) for rest in lists[1:])
    ]
    if shared:
        lists = [[replace(d, outputs=tuple(found)) for d in shared]]
    result: list[Diagnosis] = []
    ambiguous = False
    for rivals in lists:
        exact = [d for d in rivals if not _denied(d, evidence)] or rivals
        exact = distinct(exact, evidence)
        ambiguous |= len({d.id for d in exact if not math.isnan(d.residual)}) > 1
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
