"""Is it, entry by entry, a formula of the catalogue?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..mistakes import CATALOGUE, Mistake
from .observation import Candidate, Diagnosis, Observation, differs, fits

__all__ = ["catalogued", "rule"]


def rule(mistake: Mistake, output: str) -> Candidate:
    return lambda o: mistake.output(output, o.terms)


def catalogued(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    found: list[tuple[float, bytes, Mistake]] = []
    for mistake in CATALOGUE:
        if output not in mistake.rules:
            continue
        residual = fits(seen, output, rule(mistake, output))
        if residual == math.inf or not differs(seen, output, rule(mistake, output)):
            continue
        # Two descriptions of one computation, such as "the last axis" and "axis 1" of a matrix.
        digest = b"".join(np.asarray(mistake.output(output, o.terms)).tobytes() for o in seen)
        if not any(digest == other and mistake.family == m.family != "" for _, other, m in found):
            found.append((residual, digest, mistake))
    found.sort(key=lambda entry: entry[0] > 0.5)
    count = sum(o.got[output].size for o in seen)
    return [
        Diagnosis(
            m.id, m.formula, m.fix,
            f"reproduces {count} values of {output} in {counted(len(seen), 'case')}, to rounding",
            (output,), r, m.seen_in,
        )
        for r, _, m in found
    ]  # fmt: skip
