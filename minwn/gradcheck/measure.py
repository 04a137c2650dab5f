"""Measuring until there is no doubt: along which tangents, with which steps, and which to believe.

A measurement that contradicts the analytic derivative, that sees a kink, or that is not precise, is
made again with other steps. Which of the two stands is decided by `RULES`, a table of what limits
either of them (`Quality`) and whether they agree with each other and with the analytic derivative.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy

from ..backend import Generator, generator, quiet
from ..tolerance import scaled_error
from .numerical import (
    COMPLEX_STEP,
    DISTRUST,
    Contraction,
    Measured,
    central_differences,
    complex_step,
    random_directions,
)
from .subject import Subject

__all__ = [
    "RULES", "Measurement", "Quality", "Rule", "deciding", "quality",
]

# ---- which measurement to believe ---------------------------------------------------------------


class Quality(enum.IntEnum):
    """What limits a measurement."""

    LOST = 0  # f is not finite within the steps
    COARSE = 1  # the length of the steps: its own estimate of the error is too large
    NOISY = 2  # rounding in f
    SHARP = 3  # nothing that matters: it would see an error of a thousandth, and less in float64


def is_sharp(found: Measured, u: float) -> numpy.ndarray:
    """Where the Quality is SHARP."""
    return found.allowed(u**0.56) <= min(1e4 * u**0.56, 5e-4) * found.scale


def quality(found: Measured, u: float) -> numpy.ndarray:
    """The Quality of each derivative, where f computes with the unit roundoff u."""
    with quiet():
        sharp, noisy = is_sharp(found, u), found.estimate <= found.floor
    blunt = numpy.where(noisy, Quality.NOISY, Quality.COARSE)
    lost = numpy.where(numpy.isfinite(found.value), blunt, Quality.LOST)
    return numpy.where(sharp, Quality.SHARP, lost)


class Rule(NamedTuple):
    """Where the old and the new measurement are of these kinds, and the condition holds: take new.

    None stands for every quality, "" for no condition.
    """

    old: Quality | None
    new: Quality | None
    condition: str
    new_stands: bool


# The first rule that fits decides.
RULES = (
    # Two that disagree: the sharp one that confirms the analytic derivative stands.
    Rule(None, Quality.SHARP, "only the new one confirms", True),
    Rule(Quality.SHARP, None, "only the old one confirms", False),
    # Of two sharp ones, the more precise; a sharp one before any other.
    Rule(Quality.SHARP, Quality.SHARP, "the new one allows less", True),
    Rule(Quality.SHARP, None, "", False),
    Rule(None, Quality.SHARP, "", True),
    # None is sharp. A small error alone says little: over far too long a step, all is small.
    Rule(Quality.LOST, None, "", True),
    Rule(None, Quality.LOST, "", False),
    Rule(Quality.COARSE, Quality.NOISY, "the new one allows less, or a smaller share", True),
    Rule(None, None, "the new one allows a smaller share", True),
    Rule(None, None, "", False),
)


def deciding(
    old: Measured, new: Measured, analytic: numpy.ndarray, rtol: float, u: float
) -> numpy.ndarray:
    """The number of the rule that decides between two measurements of each derivative: (b, k)"""
    was, now = quality(old, u), quality(new, u)
    refuted, refutes = old.contradicts(analytic, rtol), new.contradicts(analytic, rtol)
    before, after = old.allowed(rtol), new.allowed(rtol)
    with quiet():
        # One that agrees with a more precise one, only with a larger tolerance, overrules nothing.
        apart = ~(abs(new.value - old.value) <= before + after)
        smaller = after / new.scale < before / old.scale
        conditions = {
            "": numpy.True_,
            "only the new one confirms": apart & refuted & ~refutes,
            "only the old one confirms": apart & refutes & ~refuted,
            "the new one allows less": new.allowed(u**0.56) < old.allowed(u**0.56),
            "the new one allows less, or a smaller share": (after < before) | smaller,
            "the new one allows a smaller share": smaller,
        }
    fits = [
        conditions[rule.condition]
        & (True if rule.old is None else was == rule.old)
        & (True if rule.new is None else now == rule.new)
        for rule in RULES
    ]
    return numpy.argmax([numpy.broadcast_to(fit, was.shape) for fit in fits], axis=0)


NEW_STANDS = numpy.array([rule.new_stands for rule in RULES])


# ---- measuring ----------------------------------------------------------------------------------

BLOCK = 2**16  # numbers in the outputs of one block of perturbations: they stay in cache


@dataclass
class Measurement:
    """How one argument of a subject is measured, along which tangents, through which cotangents."""

    subject: Subject
    k: int
    tangents: Any
    contract: Contraction
    rtol: float
    complex: bool = False
    noise: numpy.ndarray | None = None  # of f, once it has been measured, where it matters

    def __call__(self, analytic: Callable[..., Any]) -> tuple[Measured, numpy.ndarray]:
        """All rows, and analytic(rows) about them, in blocks that fit in memory."""
        width = len(self.subject.centre) * (1 if self.contract.cotangents is not None else 16)
        count = self.tangents.count
        blocks = min(count, -(-count * width // BLOCK))
        parts, given = [], []
        for rows in numpy.array_split(numpy.arange(count), max(1, blocks)):
            with quiet():
                given.append(analytic(rows))
            take = self.by_complex_step if self.complex else self.by_differences
            parts.append(take(rows, given[-1]))
        return Measured.joined(parts), numpy.concatenate(given)

    def _line(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        return self.subject.each(self.k, self.tangents.shifted(rows, h))

    def once(self, rows: numpy.ndarray) -> Measured:
        """One measurement, no retry."""
        length = self.tangents.scales(rows)[0]
        return self._complex(rows, length) if self.complex else self._differences(rows, length)

    def _complex(self, rows: numpy.ndarray, length: numpy.ndarray, nearby: Any = None) -> Measured:
        """By complex step, at x or, times numbers near 1, at a point nearby."""
        subject = self.subject

        def line(rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
            points = self.tangents.shifted(rows, h)
            return subject.each(self.k, points if nearby is None else points * nearby)

        contract, least = self.contract, self.tangents.least(rows)
        return complex_step(line, rows, length, subject.centre, contract, subject.u, least)

    def _complex_noise(self, rows: numpy.ndarray, found: Measured) -> numpy.ndarray:
        """What rounding in f is seen to do to the complex step: (b, k)

        The floor of `complex_step` is that of the whole of f, and hides small entries. Points as
        near as rounding tell more: 100 times the largest of three differences.
        """
        shape, u = self.subject.x[self.k].shape, self.subject.u
        length = self.tangents.scales(rows)[0]
        noise = 16 * u * found.scale
        for rng in map(generator, range(3)):
            there = self._complex(rows, length, 1 + 8 * u * rng.uniform(-1, 1, shape))
            noise = numpy.maximum(noise, DISTRUST * abs(there.value - found.value))
        return noise

    def _differences(self, rows: numpy.ndarray, length: numpy.ndarray) -> Measured:
        subject, contract, noise = self.subject, self.contract, self.noise
        found = central_differences(
            self._line, rows, length / 8, subject.centre, contract, subject.u, self.enough, noise
        )
        if noise is not None:  # a gradient is computed no better than f
            size = float(contract.size(subject.centre).sum())
            share = float(contract.size(noise).sum()) / size if size else 0.0
            found.floor += max(0.0, share**0.56 - self.rtol) * found.scale
        return found

    @property
    def enough(self) -> float:
        """Errors of its own that change nothing: a tenth of what rounding is allowed."""
        return min(self.rtol / 10, 1e-6)

    def by_differences(self, rows: numpy.ndarray, analytic: numpy.ndarray) -> Measured:
        """Over one length after another while there is doubt: a contradiction, a kink, or too
        little precision."""
        u, lengths = self.subject.u, self.tangents.scales(rows)
        found = replace(self, complex=False).once(rows)
        again = numpy.flatnonzero(self._doubt(found, analytic, True))
        if not len(again):
            return found
        if self.noise is None:
            self.noise = self._noise()
            if self.noise is not None:
                found[again] = self._differences(rows[again], lengths[0][again])
        first = found.bend.copy()
        for length in lengths[1:]:
            # Where rounding is the limit, only longer steps can be more precise.
            longer = (length > lengths[0])[:, None]
            again = numpy.flatnonzero(self._doubt(found, analytic, longer))
            if not len(again):
                continue
            old, given = found[again], analytic[again]
            new = self._differences(rows[again], length[again])
            better = NEW_STANDS[deciding(old, new, given, self.rtol, u)]
            # A kink is withdrawn by steps that would have seen it, and by those that show a jump:
            # it grows as 1/h, as at poles nearby; at a kink not at all, under a root as its power.
            shorter = (lengths[0] / length)[again, None]
            with quiet():
                seen = new.least_bend <= old.bend * numpy.fmax(1.0, new.scale / old.scale)
                jump = (shorter >= 16) & (new.bend > first[again] * shorter**0.75)
                if self.noise is not None:
                    jump |= new.bend > 4 * old.bend
            bend = numpy.where(numpy.where(new.kink, jump, seen), 0.0, old.bend)
            old[better] = new[better]
            old.bend = bend
            found[again] = old
        return found

    def _doubt(self, found: Measured, analytic: numpy.ndarray, longer: Any) -> numpy.ndarray:
        """Whether a row should be measured again, where the steps would be `longer` or not: (b,)"""
        limited = quality(found, self.subject.u)
        blunt = (limited < Quality.NOISY) | ((limited == Quality.NOISY) & longer)
        return (found.contradicts(analytic, self.rtol) | found.kink | blunt).any(axis=1)

    def _noise(self) -> numpy.ndarray | None:
        """The noise of f, if it is more than rounding of the outputs would be."""
        subject, noise = self.subject, self.subject.noise(self.k)
        usual = 8 * subject.u * self.contract.size(subject.centre)
        return noise if (self.contract.size(noise) > usual).any() else None

    def at_a_glance(self, analytic: numpy.ndarray) -> Measured | None:
        """All rows by differences, where these leave no doubt at all; else None."""
        if analytic.size == 0 or self.subject.x[self.k].size == 0:
            return None
        found = replace(self, complex=False).once(numpy.arange(self.tangents.count))
        with quiet():
            precise = found.allowed(0.0) <= self.enough * found.scale
        doubt = found.contradicts(analytic, self.rtol) | found.kink
        return found if precise.all() and not doubt.any() else None

    def recheck(self, found: Measured, analytic: numpy.ndarray) -> None:
        """Measure again, alone, the entries that were measured in company and are in doubt: the
        four of the largest error first, and the others where none of these is wrong."""
        rtol = self.rtol
        doubt = found.contradicts(analytic, rtol).any(axis=1) | found.kink.any(axis=1)
        if not self.complex:
            doubt = self._doubt(found, analytic, self.tangents.size < 1)
        excess = scaled_error(analytic, found.value, found.allowed(rtol)).max(axis=1)
        rows = numpy.flatnonzero(doubt)
        rows = rows[numpy.argsort(-excess[rows], kind="stable")]
        take = self.by_complex_step if self.complex else self.by_differences
        for part in (rows[:4], rows[4:]):
            if len(part):
                found[part] = take(part, analytic[part])
                confirmed = found[part].contradicts(analytic[part], rtol) & ~found[part].kink
                if confirmed.any():
                    break

    def by_complex_step(self, rows: numpy.ndarray, analytic: numpy.ndarray) -> Measured:
        """What it contradicts, or only rounding excuses, is measured by differences too: they know
        kinks. Where not even the worst four are wrong by both, all that it contradicts."""
        u, found = self.subject.u, self.once(rows)
        with quiet():
            moves = (found.scale > 0) | (analytic != 0)
            blunt = numpy.flatnonzero((~is_sharp(found, u) & moves).any(axis=1))
            if len(blunt):
                part = found[blunt]
                part.floor = numpy.fmin(part.floor, self._complex_noise(rows[blunt], part))
                found[blunt] = part
            # Here 0 / 0 comes first: where f is flat to a complex step, a kink may be.
            excess = abs(analytic - found.value) / (self.rtol * found.scale)
        excess = numpy.nan_to_num(excess, nan=numpy.inf).max(axis=1, initial=0.0)
        worst = numpy.argsort(-excess)
        worst = worst[excess[worst] > 1]
        wrong = numpy.any(found.contradicts(analytic, self.rtol), axis=1)
        for part in (worst[:4], worst[4:][wrong[worst[4:]]]):
            if len(part):
                new, old = self.by_differences(rows[part], analytic[part]), found[part]
                given, allowed = analytic[part], new.allowed(self.rtol)
                # What is left where the derivative is 0: terms of the order h^2.
                nothing = abs(old.value) <= COMPLEX_STEP * new.secant
                nothing &= (abs(new.value) <= allowed) & (abs(given) <= allowed)
                keep = ~((quality(new, u) == Quality.SHARP) | new.kink | nothing)
                agree = abs(new.value - old.value) <= allowed + old.allowed(self.rtol)
                keep |= (old.allowed(self.rtol) < allowed) & agree & ~(new.kink | nothing)
                new[keep] = old[keep]
                found[part] = new
                if (new.contradicts(given, self.rtol) & ~new.kink).any():
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
        usable = (quality(check, subject.u) >= Quality.NOISY).all(axis=1)
        agree = ~check.contradicts(found.value, 1e-6) & ~check.kink
        return bool(usable.any() and agree[usable].all())
