"""A factor that was measured slice by slice, as c n^p g^q m^r times a sum over the slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .observation import Observation

__all__ = ["ONE", "ZERO", "D", "Monomial", "monomials", "totals"]


@dataclass(frozen=True)
class Monomial:
    """c n^p g^q m^r sign(g)^s times a sum over the slice"""

    c: float
    p: float
    q: float
    r: float
    sign: bool
    sum: str = "1"

    def __str__(self) -> str:
        return self.times("" if self.sum == "1" else self.sum)

    def times(self, what: str) -> str:
        """All but the sum, in front of something: 3 n w_bar"""
        c = Fraction(self.c).limit_denominator(12)
        number = str(c) if abs(float(c) - self.c) <= 1e-9 * abs(self.c) else f"{self.c:.6g}"
        powers = zip("ngm", (self.p, self.q, self.r), strict=True)
        parts = [f"{x}^{e:g}" if e != 1 else x for x, e in powers if e]
        parts += ["sign(g)"] if self.sign else []
        parts += [what] if what else []
        if parts and number in ("1", "-1"):
            return number[:-1] + " ".join(parts)
        if "/" in number and parts:
            number = f"-({number[1:]})" if self.c < 0 else f"({number})"
        return " ".join([number, *parts])

    @property
    def is_one(self) -> bool:
        """Whether it is the right factor."""
        return self in (ONE, D)

    def at(self, o: Observation) -> np.ndarray:
        """Its value for each slice of an observation."""
        t = o.terms
        g = np.broadcast_to(t.g, t.n.shape)
        value = self.c * t.n**self.p * abs(g) ** self.q * float(t.m) ** self.r
        # An odd power of g keeps its sign; `sign` is one more.
        signs = np.sign(g) ** ((self.q % 2 == 1) + self.sign)
        return np.ravel(value * signs * totals(o)[self.sum])


def totals(o: Observation) -> dict[str, np.ndarray]:
    """The sums that may stand in the place of d = <w_bar, v>."""
    t = o.terms
    return {
        "d": t.d,
        "1": np.ones_like(t.d),
        "sum(w_bar)": t.total(t.w_bar),
        "sum(v)": t.total(t.v),
        "<w_bar, w_bar>": t.total(t.w_bar**2),
        "sum|w_bar v|": t.total(abs(t.w_bar * t.v)),
        "sum|w_bar|": t.total(abs(t.w_bar)),
        "|d|": abs(t.d),
        "d^2": t.d**2,
    }


def monomials(
    seen: Sequence[Observation],
    ratios: Sequence[np.ndarray],
    sums: Sequence[str],
    shares: Sequence[np.ndarray] | None = None,
) -> Iterator[Monomial]:
    """The monomials that a measured factor may be; they still have to be tried.

    shares: how much of the answer is due to the factor. Where that is little, the measured factor
    is rounding.
    """
    ns = np.concatenate([np.ravel(o.terms.n) for o in seen])
    gs = np.concatenate([np.ravel(np.broadcast_to(o.terms.g, o.terms.n.shape)) for o in seen])
    ms = np.concatenate([np.full(o.terms.n.size, float(o.terms.m)) for o in seen])
    measured = np.concatenate(ratios)
    share = np.ones_like(measured) if shares is None else np.concatenate(shares)
    for name in sums:
        with np.errstate(all="ignore"):
            base = np.concatenate([np.ravel(totals(o)[name]) for o in seen])
            x = measured / base
            logs = np.log(abs(x))
            good = np.isfinite(logs) & (share > 2.0**14 * seen[0].u) & (ns > 0) & (gs != 0)
        if good.sum() < 6:
            continue
        columns = [np.ones(good.sum()), np.log(ns[good]), np.log(abs(gs[good])), np.log(ms[good])]
        used = [np.ptp(column) > 1e-9 or i == 0 for i, column in enumerate(columns)]
        matrix = np.stack([c for c, use in zip(columns, used, strict=True) if use], axis=1)
        solved = iter(np.linalg.lstsq(matrix, logs[good], rcond=None)[0])
        fitted = [next(solved) if use else 0.0 for use in used]
        p, q, r = (round(2 * e) / 2 for e in fitted[1:])
        if max(abs(a - b) for a, b in zip(fitted[1:], (p, q, r), strict=True)) > 0.05:
            continue
        rest = logs[good] - (p * columns[1] + q * columns[2] + r * columns[3])
        best = rest[share[good] >= np.median(share[good])]
        c = math.exp(float(np.median(best)))
        signs = np.sign(x[good])
        by_g = np.sign(gs[good])
        odd = q % 2 == 1
        for sign in (False, True):
            s = signs * by_g ** (odd + sign)
            if abs(s.sum()) == len(s):
                simple = float(Fraction(c).limit_denominator(12))
                for value in dict.fromkeys((simple, c) if abs(simple - c) < 1e-2 * c else (c,)):
                    yield Monomial(float(s[0]) * value, p, q, r, sign, name)
                break


ZERO = Monomial(0.0, 0, 0, 0, False)
ONE, D = Monomial(1.0, 0, 0, 0, False), Monomial(1.0, 0, 0, 0, False, "d")
