"""From a wrong forward product, or a wrong pullback of the pullback, to the wrong term.

Every answer is a sum of a few terms. If no mistake of the catalogue reproduces an answer, each of
its terms gets a factor, fitted over all cases at once: a right term has the factor 1, a missing one
0. Only an answer that is wrong is accused.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes import SECOND, Terms
from ..mistakes.table import RIGHT
from ..reference.error_bounds import STORED
from ..reference.rounding import Format
from .observation import Diagnosis

__all__ = ["NAMES", "Later", "name_later"]

EXCHANGED = "answers_exchanged"
NAMES = (*(f"coefficient_of_{x}" for x in ("w_dot", "by_w_bar", "by_v", "by_g")), EXCHANGED)


@dataclass(frozen=True)
class Later:
    """One case: its terms, A and B, the answers, the expected ones and the tolerances."""

    terms: Terms
    A: np.ndarray
    B: np.ndarray
    got: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    allowed: dict[str, np.ndarray]
    dtype: str
    accumulate: str

    def near(self, output: str, candidate: Any) -> bool:
        """Whether an answer is that, to rounding."""
        x, m = self.got[output], self.terms.m
        candidate = np.broadcast_to(candidate, x.shape)
        u, inner = Format.of(self.dtype).u, Format.of(self.accumulate).u
        relative = (5 * m + 40) * inner + (STORED[output] * u if inner < u else 0.0)
        size = float(np.abs(candidate).max(initial=0.0))
        tol = 4 * np.maximum(self.allowed[output], relative * size)
        return bool((np.abs(x - candidate) <= tol).all())


Term = tuple[str, int, Callable[[Later], Any]]  # as it is printed, its factor, and its value


def _of_product(v_dot: str, g_dot: str, a: str) -> tuple[Term, ...]:
    """By h and y = dh/dv, in which every form has the same terms."""
    return (
        (f"(g/n) {v_dot}", 1, lambda s: s.terms.g / s.terms.h * s.A),
        (f"(g/n) ({a}/n^2) v", -1, lambda s: (
            s.terms.g / s.terms.h**2 * s.terms.total(s.terms.y * s.A) * s.terms.v
        )),
        (f"({g_dot}/n) v", 1, lambda s: s.B / s.terms.h * s.terms.v),
    )


def _a(s: Later) -> Any:
    return s.terms.total(s.A * s.terms.v)


def _c(s: Later) -> Any:
    return s.terms.total(s.A * s.terms.w_bar)


_TERMS: dict[str, tuple[Term, ...]] = {
    "w_dot": _of_product("v_dot", "g_dot", "<v, v_dot>"),
    "by_w_bar": _of_product("A", "B", "a"),
    "by_v": (
        ("(B/n) w_bar", 1, lambda s: s.B / s.terms.n * s.terms.w_bar),
        ("(B/n) (d/n^2) v", -1, lambda s: s.B * s.terms.d / s.terms.n**3 * s.terms.v),
        ("(g/n^3) d A", -1, lambda s: s.terms.g * s.terms.d / s.terms.n**3 * s.A),
        ("(g/n^3) a w_bar", -1, lambda s: s.terms.g * _a(s) / s.terms.n**3 * s.terms.w_bar),
        ("(g/n^3) c v", -1, lambda s: s.terms.g * _c(s) / s.terms.n**3 * s.terms.v),
        ("(g a d/n^5) v", 3, lambda s: (
            s.terms.g * _a(s) * s.terms.d / s.terms.n**5 * s.terms.v
        )),
    ),
    "by_g": (
        ("c/n", 1, lambda s: _c(s) / s.terms.n),
        ("a d/n^3", -1, lambda s: _a(s) * s.terms.d / s.terms.n**3),
    ),
}


def name_later(seen: Sequence[Later], outputs: Sequence[str], wrong: set[str]) -> list[Diagnosis]:
    """The names of the mistakes in some answers, of which some are wrong."""
    blamed = [output for output in outputs if output in wrong] or list(outputs)
    seen = [s for s in seen if s.terms.form == "plain" or set(blamed) <= {"w_dot", "by_w_bar"}]
    with np.errstate(all="ignore"):
        return _named(seen, outputs, blamed) if seen else [_unknown(output) for output in blamed]


def _named(seen: Sequence[Later], outputs: Sequence[str], blamed: list[str]) -> list[Diagnosis]:
    answers = {m.id: [m.compute(s.terms, s.A, s.B) for s in seen] for m in SECOND}

    def fits(id: str, *some: str) -> bool:
        return all(
            s.near(output, x[output])
            for s, x in zip(seen, answers[id], strict=True) for output in some if output in s.got
        )

    def catalogued(*some: str) -> Diagnosis | None:
        """A mistake of the catalogue, in answers of which some are right."""
        for m in SECOND if seen[0].terms.form == "plain" else ():
            if fits(m.id, *some):
                count = counted(len(seen), "case")
                evidence = f"reproduces {', '.join(some)} in {count}"
                return Diagnosis(
                    m.id, m.formula, m.fix, evidence, tuple(blamed), seen_in=m.seen_in
                )
        return None

    found = catalogued(*outputs)
    if found is not None:
        return [found]
    for a, b in itertools.combinations(blamed, 2):
        if all(
            s.got[a].shape == s.got[b].shape and s.near(a, s.expected[b])
            and s.near(b, s.expected[a]) for s in seen
        ):
            return [Diagnosis(
                EXCHANGED, f"{a} and {b} are returned in each other's place",
                f"return {', '.join(outputs)}, in this order", "", (a, b),
            )]
    each = []
    for output in blamed:
        one = catalogued(output)
        each.append(replace(one, outputs=(output,)) if one else _fitted(seen, output))
    return each


def _fitted(seen: Sequence[Later], output: str) -> Diagnosis:
    terms = _TERMS[output]
    rows, sides = [], []
    for s in seen:
        weight = np.where(s.allowed[output] > 0, s.allowed[output], math.inf)
        parts = [sign * np.broadcast_to(of(s), weight.shape) for _, sign, of in terms]
        rows.append(np.stack([np.ravel(x / weight) for x in parts], axis=1))
        sides.append(np.ravel(s.got[output] / weight))
    matrix, side = np.concatenate(rows), np.concatenate(sides)
    there = np.isfinite(matrix).all(axis=1) & np.isfinite(side)
    if there.sum() < 2 * len(terms):
        return _unknown(output)
    solved = np.linalg.lstsq(matrix[there], side[there], rcond=None)[0].tolist()
    simple = [float(Fraction(x).limit_denominator(12)) for x in solved]
    close = [b if abs(a - b) <= 1e-2 else a for a, b in zip(solved, simple, strict=True)]
    for factors in (close, solved):
        if all(
            s.near(output, sum(c * sign * of(s) for c, (_, sign, of) in
                               zip(factors, terms, strict=True)))
            for s in seen
        ):
            off = [text for c, (text, *_) in zip(factors, terms, strict=True) if c != 1]
            return Diagnosis(
                f"coefficient_of_{output}", f"{output} = {_sum(factors, terms)}",
                f"compute {output} = {RIGHT[output]}",
                f"fitted, and exact to rounding in {counted(len(seen), 'case')}: only "
                f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} not as it should be",
                (output,),
            )
    return _unknown(output)


def _sum(factors: Sequence[float], terms: Sequence[Term]) -> str:
    """(g/n) v_dot - (1/2) (g/n) (a/n^2) v"""
    parts = []
    for c, (text, factor, _) in zip(factors, terms, strict=True):
        c *= factor
        if c:
            known = Fraction(abs(c)).limit_denominator(12)
            number = str(known) if abs(float(known) - abs(c)) < 1e-9 else f"{abs(c):.6g}"
            number = f"({number})" if "/" in number else number
            parts.append(f"{'-' if c < 0 else '+'} {'' if number == '1' else number + ' '}{text}")
    text = " ".join(parts) or "0"
    return text.removeprefix("+ ") if text[0] == "+" else text.replace("- ", "-", 1) if (
        text[0] == "-"
    ) else text


def _unknown(output: str) -> Diagnosis:
    return Diagnosis(
        "unknown", f"{output} is wrong in a way that is in no catalogue",
        f"compare line by line with {output} = {RIGHT[output]}",
        "neither a factor of one of its terms nor a mistake of the catalogue", (output,),
    )
