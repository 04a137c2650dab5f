"""Two mistakes at once, each of them in the catalogue: both are named, if no other two explain it.

One is in what a formula is made of: n, d, g or the eps of the declared form; the other in the
formula. Or one is in the factor of v_bar, and the other in its projection.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes import CATALOGUE, Mistake, Terms
from .catalogued import rule
from .observation import Candidate, Diagnosis, Observation, differs, fits
from .span import coefficients

__all__ = ["two_at_once"]


def two_at_once(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """Both names, or none where several pairs explain the numbers as well."""
    seen = [o for o in seen if o.terms.m > 2] or list(seen)
    # The first few decide for most: ordinary numbers, of which each term shows.
    seen.sort(key=lambda o: (o.group != "generic", not o.wrong(output).any(), o.v.size))
    found = []
    for pair, candidate in (*_wired(seen, output), *_multiplied(seen, output)):
        if fits(seen[:3], output, candidate) < math.inf:
            residual = fits(seen, output, candidate)
            here = residual < math.inf and differs(seen, output, candidate)
            if here and all(_shows(m, seen, output) for m in pair):
                found.append((pair, residual))
    if len({frozenset(m.id for m in pair) for pair, _ in found}) != 1:
        return []
    pair, residual = found[0]
    evidence = f"both at once reproduce {output} in {counted(len(seen), 'case')}, to rounding"
    return [
        Diagnosis(m.id, m.formula, m.fix, evidence, (output,), math.nan, m.seen_in) for m in pair
    ]


def _shows(m: Mistake, seen: Sequence[Observation], output: str) -> bool:
    """Whether the mistake is in the other gradient, too, if it shows there."""
    others = [(x, [o for o in seen if x in o.got]) for x in m.where if x not in (output, "w")]
    return all(not some or fits(some, x, rule(m, x)) < math.inf for x, some in others)


Pair = tuple[tuple[Mistake, Mistake], Candidate]


@functools.cache
def _wirings() -> tuple[Mistake, ...]:
    """Those that leave the formula of each answer as it is, and change what is in it."""
    return tuple(
        m for m in CATALOGUE if m.lines and all(
            " = " not in line or line.split(" = ")[0] not in m.where
            for line in map(str.strip, m.lines.split(";"))
        )
    )


def _wired(seen: Sequence[Observation], output: str) -> list[Pair]:
    """A formula of the catalogue with n, d or g that another row has."""
    found: list[Pair] = []
    wirings = [m for m in _wirings() if output in m.where and not m.place]
    formulas = [m for m in CATALOGUE if m.where == (output,) and not m.place and not m.lines]
    for wiring, formula in itertools.product(wirings, formulas):
        if any(line.startswith("along") for line in wiring.lines.split("; ")):
            continue
        lines = [x for x in wiring.lines.split("; ") if " = " in x]
        both = Mistake(formula.id, formula.formula, formula.fix,
                       lines="; ".join([*lines, formula.formula]))

        def candidate(o: Observation, both: Mistake = both) -> Any:
            return both.output(output, o.terms)

        found.append(((wiring, formula), candidate))
    return found


def _multiplied(seen: Sequence[Observation], output: str) -> list[Pair]:
    """Two that change the factors of w_bar and of v, or the one factor of w or g_bar."""
    o = seen[0]
    some = [m for m in CATALOGUE if m.where == (output,) and not m.place]
    with np.errstate(all="ignore"):
        shares = {m.id: share for m in some if (share := _share(m, o, output)) is not None}
        got = _factors(o, output, o.got[output])
    found: list[Pair] = []
    if got is None:
        return []
    for m, k in itertools.combinations([m for m in some if m.id in shares], 2):
        with np.errstate(all="ignore"):
            near = np.isclose(shares[m.id] * shares[k.id], got, rtol=1e-3, atol=1e-6)
        if near.all():

            def candidate(o: Observation, m: Mistake = m, k: Mistake = k) -> Any:
                a, b = _share(m, o, output), _share(k, o, output)
                if a is None or b is None:
                    return None
                made = np.asarray(_made(o, output, a * b))
                # Where w_bar is along v, or d is 0, no factor can be told.
                return np.where(np.isfinite(made), made, o.got[output])

            found.append(((m, k), candidate))
    return found


def _right(t: Terms, output: str) -> Any:
    return getattr(t, output)()


def _factors(o: Observation, output: str, x: Any) -> np.ndarray | None:
    """Of each slice, what its parts are multiplied by, in units of the right ones; None where x is
    not made of them."""
    right = _right(o.terms, output)
    if output == "v_bar":
        a, b, rest = coefficients(o, x)
        A, B, _ = coefficients(o, right)
        if not (abs(rest) <= 1e-6 * abs(np.asarray(x)).max(initial=0.0)).all():
            return None
        return np.stack([a / A, b / B])
    ratio = np.asarray(x) / right
    rows = ratio.reshape(o.g.size, -1) if output == "g_bar" else ratio.reshape(-1, 1)
    if output == "w":
        # One number for each slice.
        t = o.terms
        found = t.total(np.asarray(x) * o.v) / t.total(right * o.v)
        if not np.allclose(found * right, x, rtol=1e-6, atol=0):
            return None
        return np.ravel(found)[None]
    return rows.reshape(1, -1)


def _share(m: Mistake, o: Observation, output: str) -> np.ndarray | None:
    x = m.output(output, o.terms)
    return None if x is None else _factors(o, output, x)


def _made(o: Observation, output: str, factors: np.ndarray) -> Any:
    right, shape = _right(o.terms, output), o.terms.n.shape
    if output == "v_bar":
        A, B, _ = coefficients(o, right)
        a, b = ((x * y).reshape(shape) for x, y in zip(factors, (A, B), strict=True))
        return a * o.w_bar - b * o.v
    return factors[0].reshape(shape) * right
