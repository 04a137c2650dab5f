"""Is it, entry by entry, a formula of the catalogue?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes import CATALOGUE, Mistake
from .observation import Candidate, Diagnosis, Observation, differs, fits

__all__ = ["catalogued", "distinct", "rule"]


def rule(mistake: Mistake, output: str) -> Candidate:
    """What the mistake makes of the output, as a function of an observation."""
    return lambda o: mistake.output(output, o.terms)


def catalogued(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The mistakes of the catalogue that give the numbers of this output; close fits first."""
    found: list[tuple[float, Mistake]] = []
    for mistake in CATALOGUE:
        if output not in mistake.where:
            continue
        residual = fits(seen, output, rule(mistake, output), undefined=True)
        if residual == math.inf or not differs(seen, output, rule(mistake, output)):
            continue
        found.append((residual, mistake))
    found.sort(key=lambda entry: entry[0] > 0.5)
    count = sum(o.got[output].size for o in seen)
    return [
        Diagnosis(
            m.id, m.formula, m.fix,
            f"reproduces {count} values of {output} in {counted(len(seen), 'case')}, to rounding",
            (output,), r, m.seen_in,
        )
        for r, m in found
    ]


def distinct(found: Sequence[Diagnosis], evidence: Sequence[Observation]) -> list[Diagnosis]:
    """Without second descriptions of one computation: "the last axis", "axis 1" of a matrix."""
    kept: dict[Any, Diagnosis] = {}
    for d in found:
        m = next((m for m in CATALOGUE if m.id == d.id), None)
        same: Any = d.id
        if m is not None and m.family:
            numbers = [m.output(output, o.terms) for output in d.outputs for o in evidence]
            same = m.family, b"".join(np.asarray(x).tobytes() for x in numbers)
        kept.setdefault(same, d)
    return list(kept.values())
