"""Measuring until there is no doubt: along what, and where a claim is contradicted, other steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy

from ..backend import Generator, quiet
from .numerical import Contraction, Measured, complex_step, ladder
from .subject import Subject

__all__ = [
    "Directions", "Entries", "Measurement", "halves", "power_of_two", "random_directions", "signed",
    "size_of", "sizes_of",
]  # fmt: skip

BLOCK = 2**16  # numbers in the outputs of one block of perturbations: they stay in cache


# ---- along what ----------------------------------------------------------------------------------


def power_of_two(x: numpy.ndarray) -> numpy.ndarray:
    """The power of two just below |x|; 0 where x is 0."""
    mantissa, exponent = numpy.frexp(abs(x))
    return numpy.where(mantissa > 0, numpy.ldexp(0.5, exponent), 0.0)


def size_of(x: numpy.ndarray) -> float:
    """The power of two just below the largest |x|; 1 for an array of zeros."""
    return float(power_of_two(abs(x).max())) or 1.0


def sizes_of(x: numpy.ndarray) -> numpy.ndarray:
    """The power of two just below each |x|; for a zero, the least of the others."""
    own = power_of_two(x)
    return numpy.where(own > 0, own, own.min(initial=size_of(x), where=own > 0))


def signed(rng: Generator, shape: tuple[int, ...], bits: int = 12) -> numpy.ndarray:
    """Random numbers of either sign with sizes from 1 to 2, of so many bits after the point."""
    fraction = rng.integers(-(2**bits), 2**bits, shape) / 2.0**bits
    return fraction + numpy.where(fraction < 0, -1.0, 1.0)


class Entries:
    """The unit vectors: one entry of x at a time."""

    def __init__(self, x: numpy.ndarray) -> None:
        self.x, self.count, self.size = x, x.size, size_of(x)

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        """x + h_b t_b: (b, *x.shape)"""
        y = numpy.empty((len(rows), self.x.size), h.dtype)
        y[:] = self.x.reshape(-1)
        y[numpy.arange(len(rows)), rows] += h
        return y.reshape(-1, *self.x.shape)

    def dot(self, x_bar: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """<x_bar_k, t_b>: (k, n) -> (b, k)"""
        return x_bar[:, rows].T

    def bound(self, error: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """sum_i |error_ki t_bi|: what errors of the entries come to along the tangents."""
        return error[:, rows].T

    def tangent(self, row: int) -> numpy.ndarray:
        return numpy.eye(1, self.x.size, row).reshape(self.x.shape)

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """Lengths over which f may change, the likeliest first, the finest last."""
        whole = numpy.full(len(rows), self.size)
        own = power_of_two(self.x.reshape(-1)[rows])
        own = numpy.where(own > 0, own, whole)
        return [whole, own, numpy.ones_like(whole), whole * 2.0**-11, whole * 2.0**-22]


class Directions:
    """Given tangents: (count, *x.shape)."""

    def __init__(self, x: numpy.ndarray, tangents: numpy.ndarray) -> None:
        self.x, self.count, self.size = x, len(tangents), size_of(x)
        self.tangents = tangents

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        return self.x + h.reshape(-1, *(1,) * self.x.ndim) * self.tangents[rows]

    def dot(self, x_bar: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """<x_bar_k, t_b>: (k, n), (b, n) -> (b, k)"""
        return self.tangents[rows].reshape(len(rows), -1) @ x_bar.T

    def bound(self, error: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        return abs(self.tangents[rows]).reshape(len(rows), -1) @ error.T

    def tangent(self, row: int) -> numpy.ndarray:
        return self.tangents[row]

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """As for Entries, but counted in lengths of the tangents."""
        one = numpy.ones(len(rows))  # all entries move: a quarter of what is right for one
        return [one / 4, one / self.size, one * 2.0**-11, one * 2.0**-22]


def random_directions(x: numpy.ndarray, count: int, rng: Generator, bits: int = 4) -> Directions:
    """Random tangents at x, with no component small enough to hide an error in it.

    Components are +-1 to 2 times a power of two, of a few bits, so that x + h t is computed without
    a rounding error that 1/h could magnify. They follow the size of the whole x and, in every
    second direction, the size of each entry. Two errors, equal but for the sign, hide where their
    components are equal: once in 2^bits.
    """
    tangents = signed(rng, (count, *x.shape), bits)
    tangents[0::2] *= size_of(x)
    tangents[1::2] *= sizes_of(x)
    return Directions(x, tangents)


def halves(x: numpy.ndarray, tangent: numpy.ndarray, support: numpy.ndarray) -> Directions:
    """The tangent restricted to either half of the entries listed in support."""
    pair = numpy.zeros((2, x.size))
    for half, entries in zip(pair, numpy.array_split(support, 2), strict=True):
        half[entries] = tangent.reshape(-1)[entries]
    return Directions(x, pair.reshape(2, *x.shape))


# ---- measuring -----------------------------------------------------------------------------------


@dataclass
class Measurement:
    """How one argument of a subject is measured, along which tangents, through which cotangents."""

    subject: Subject
    k: int
    tangents: Any
    contract: Contraction
    rtol: float
    complex: bool = False

    def __call__(self, claimed: Callable[..., Any]) -> tuple[Measured, numpy.ndarray]:
        """All rows, and what is claimed(rows) about them, in blocks that fit in memory."""
        width = len(self.subject.centre) * (1 if self.contract.cotangents is not None else 16)
        count = self.tangents.count
        blocks = min(count, -(-count * width // BLOCK))
        parts, claims = [], []
        for rows in numpy.array_split(numpy.arange(count), max(1, blocks)):
            with quiet():
                claims.append(claimed(rows))
            take = self.by_complex_step if self.complex else self.by_differences
            parts.append(take(rows, claims[-1]))
        columns = ([getattr(p, f.name) for p in parts] for f in fields(Measured))
        return Measured(*map(numpy.concatenate, columns)), numpy.concatenate(claims)

    def _line(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        return self.subject.each(self.k, self.tangents.shifted(rows, h))

    def once(self, rows: numpy.ndarray) -> Measured:
        """Without a second thought."""
        subject, length = self.subject, self.tangents.scales(rows)[0]
        if not self.complex:
            return self._ladder(rows, length)
        return complex_step(self._line, rows, length, subject.centre, self.contract, subject.u)

    def _ladder(self, rows: numpy.ndarray, length: numpy.ndarray) -> Measured:
        subject = self.subject
        return ladder(
            self._line, rows, length / 8, subject.centre, self.contract, subject.u, self.enough
        )

    @property
    def enough(self) -> float:
        """Errors of its own that change nothing: a tenth of what rounding is allowed."""
        return min(self.rtol / 10, 1e-6)

    def by_differences(self, rows: numpy.ndarray, claimed: numpy.ndarray) -> Measured:
        """Over one length after another while there is doubt: a claim contradicted, a kink, or
        steps too long. A claim that one ladder contradicts and a sharp one confirms, stands."""
        u, rtol = self.subject.u, self.rtol
        lengths = self.tangents.scales(rows)
        found = replace(self, complex=False).once(rows)
        for length in lengths[1:]:
            # Where rounding is the limit, only longer steps can sharpen the result.
            hope = ~found.settled() | (length > lengths[0])[:, None]
            doubt = found.contradicts(claimed, rtol) | found.kink | (~found.sharp(u) & hope)
            again = numpy.flatnonzero(doubt.any(axis=1))
            if not len(again):
                continue
            old, claim = found[again], claimed[again]
            new = self._ladder(rows[again], length[again])
            was, now = old.contradicts(claim, rtol), new.contradicts(claim, rtol)
            # A blunter measurement that agrees with a sharper one is no evidence against it.
            apart = ~new.agrees_with(old, rtol)
            better = new.clearer_than(old, u) | (was & ~now & new.sharp(u) & apart)
            better &= ~(now & ~was & old.sharp(u) & apart)
            # The finest steps are the first to lose sight of a kink in the rounding.
            kink = old.kink & (new.kink | (length is lengths[-1]))
            old[better] = new[better]
            old.kink = kink
            found[again] = old
        return found

    def at_a_glance(self, claimed: numpy.ndarray) -> Measured | None:
        """All rows by differences, where these leave no doubt at all; else None."""
        if claimed.size == 0 or self.subject.x[self.k].size == 0:
            return None
        found = replace(self, complex=False).once(numpy.arange(self.tangents.count))
        doubt = found.contradicts(claimed, self.rtol) | found.kink
        return found if found.crisp(self.enough) and not doubt.any() else None

    def doubted(self, found: Measured, claimed: numpy.ndarray) -> None:
        """Measure again, alone, the entries that were measured in company and are in doubt: the
        four of the largest error first, and the others where none of these is wrong."""
        u, rtol = self.subject.u, self.rtol
        wrong = found.contradicts(claimed, rtol).any(axis=1)
        doubt = wrong | found.kink.any(axis=1)
        if not self.complex:
            longer = self.tangents.size < 1
            doubt |= (~found.sharp(u) & (~found.settled() | longer)).any(axis=1)
        with quiet():
            ratio = (abs(claimed - found.value) / found.allowed(rtol)).max(axis=1)
        rows = numpy.flatnonzero(doubt)
        rows = rows[numpy.argsort(-numpy.nan_to_num(ratio[rows], nan=numpy.inf), kind="stable")]
        take = self.by_complex_step if self.complex else self.by_differences
        for part in (rows[:4], rows[4:]):
            if len(part):
                found[part] = take(part, claimed[part])
                confirmed = found[part].contradicts(claimed[part], rtol) & ~found[part].kink
                if confirmed.any():
                    break

    def by_complex_step(self, rows: numpy.ndarray, claimed: numpy.ndarray) -> Measured:
        """What it contradicts, or only rounding excuses, is measured by differences too: they know
        kinks. Where not even the worst four are wrong by both, all that it contradicts."""
        u, found = self.subject.u, self.once(rows)
        with quiet():
            excess = abs(claimed - found.value) / (self.rtol * found.scale)
        excess = numpy.nan_to_num(excess, nan=numpy.inf).max(axis=1, initial=0.0)
        worst = numpy.argsort(-excess)
        worst = worst[excess[worst] > 1]
        wrong = found.contradicts(claimed, self.rtol).any(axis=1)
        for part in (worst[:4], worst[4:][wrong[worst[4:]]]):
            if len(part):
                new, old = self.by_differences(rows[part], claimed[part]), found[part]
                claim, allowed = claimed[part], new.allowed(self.rtol)
                nothing = (abs(new.value) <= allowed) & (abs(claim) <= allowed)
                keep = ~(new.sharp(u) | new.kink | nothing)
                sharper = old.allowed(self.rtol) < allowed
                keep |= sharper & new.agrees_with(old, self.rtol) & ~(new.kink | nothing)
                new[keep] = old[keep]
                found[part] = new
                if (new.contradicts(claim, self.rtol) & ~new.kink).any():
                    break
        return found

    def complex_step_holds(self, rng: Generator) -> bool:
        """Whether it agrees with differences along two random directions."""
        subject, rows = self.subject, numpy.arange(2)
        tangents = random_directions(subject.x[self.k], 2, rng)
        probe = Measurement(subject, self.k, tangents, self.contract, 1e-6)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", numpy.exceptions.ComplexWarning)
                found = replace(probe, complex=True).once(rows)
        except Exception:  # f may say in any way that complex numbers are not for it
            return False
        check = probe.by_differences(rows, found.value)
        usable = (check.sharp(subject.u) | check.settled()).all(axis=1)
        agree = ~check.contradicts(found.value, 1e-6) & ~check.kink
        return bool(usable.any() and agree[usable].all())
