"""Measured against claimed, for one argument: the verdict, and the entry that speaks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy

from ..backend import Generator, quiet
from .analytic import forward_product
from .measure import Directions, Entries, Measurement, halves, random_directions
from .numerical import DISTRUST, Contraction, Measured
from .report import VERDICTS
from .slices import by_slices
from .subject import Subject

__all__ = ["Plan"]

FINE = 2.0**-40  # the unit roundoff of float64 is below, of all others above


def _verdict(
    found: Measured, claimed: numpy.ndarray, rtol: float, each: bool, slack: Any = 0.0
) -> tuple[str, int, int]:
    """The verdict over all rows, and the row and column that speak for it."""
    with quiet():
        ratio = abs(claimed - found.value) / (found.allowed(rtol) + slack)
    ratio = numpy.where(claimed == found.value, 0.0, numpy.nan_to_num(ratio, nan=numpy.inf))
    undefined = ~numpy.isfinite(found.value)
    whole = numpy.where(undefined, 0.0, found.scale).max()
    blunt = ~undefined & ~(100 * found.estimate <= numpy.maximum(5e-4 * whole, 100 * found.floor))
    kink = found.kink.copy()
    if not each and len(kink) > 1:  # over far too long a step, things look broken
        kink[0::2] &= kink[1::2].any()
    judges = ~(undefined | blunt | (found.kink & ~kink)).any(axis=1, keepdims=True)
    if not each and judges.any():  # every entry must be judged, but not by every direction
        ratio = numpy.where(judges, ratio, -1.0)
        undefined, blunt, kink = undefined & judges, blunt & judges, kink & judges
    wrong = (ratio > 1) & ~(undefined | blunt | kink)
    verdict, where = "pass", ~undefined
    for reason, at in zip(VERDICTS, (wrong, undefined, kink, blunt), strict=False):
        if at.any():
            verdict, where = reason, at
            break
    row, column = numpy.unravel_index(numpy.where(where, ratio, -2.0).argmax(), ratio.shape)
    return verdict, int(row), int(column)


@dataclass(frozen=True)
class Plan:
    """The options of gradcheck that say how to measure."""

    mode: str
    method: str
    directions: int
    rtol: float
    rng: Generator

    def measurement(self, subject: Subject, k: int, cotangents: Any) -> Measurement:
        x = subject.x[k]
        full = self.mode == "full"
        bits = 12 if subject.u < FINE else 4
        tangents = Entries(x) if full else random_directions(x, self.directions, self.rng, bits)
        return Measurement(subject, k, tangents, Contraction(cotangents), self.rtol)

    def settle(self, how: Measurement) -> None:
        """Whether to measure by complex step."""
        how.complex = self.method != "difference" and how.complex_step_holds(self.rng)
        if self.method == "complex" and not how.complex:
            raise ValueError(
                f"gradcheck: the complex step does not differentiate f by argument {how.k} (f "
                f"refuses complex numbers, or takes a modulus); use method='auto' or 'difference'"
            )

    def gradient(
        self, subject: Subject, k: int, bars: Any, noise: Callable[[], Any], u: Any
    ) -> dict[str, Any]:
        """How the gradient of one argument fares, as fields of a Comparison."""
        how = self.measurement(subject, k, u)
        every, shape = numpy.arange(how.tangents.count), subject.x[k].shape
        claimed = how.tangents.dot(bars, every)
        each = isinstance(how.tangents, Entries)
        found = None if each or self.method == "complex" else how.at_a_glance(claimed)
        company = 1
        if found is None:
            self.settle(how)
            together = by_slices(how, bars, self.rng) if each else None
            if together is None:
                found, _ = how(lambda rows: claimed[rows])
            else:
                found, company = together
                how.doubted(found, claimed)
        verdict, row, column = _verdict(found, claimed, self.rtol, each)
        if verdict != "pass" or subject.u > FINE:  # of coarser dtypes, rounding decides
            with quiet():
                slack = DISTRUST * how.tangents.bound(noise()[k], every)
            verdict, row, column = _verdict(found, claimed, self.rtol, each, slack)
            found.floor = found.floor + slack
        index = _index(row, shape) if each else None
        if verdict == "fail" and not each:
            how = replace(how, contract=Contraction(u[column : column + 1]))
            entry, there, claim = _located(how, how.tangents.tangent(row), bars[[column]])
            if there.contradicts(claim, self.rtol).all():
                found, claimed, row, column, index = there, claim, 0, 0, _index(entry, shape)
        fields = self._fields(verdict, index, how, found, claimed, (row, column))
        if company > 1:
            fields["method"] += f", {company} slices at a time"
        return fields

    def product(self, subject: Subject, k: int, jvp: Any) -> dict[str, Any]:
        """The same for a forward product J t, at each entry of the output."""
        how = self.measurement(subject, k, None)
        self.settle(how)
        tangent = how.tangents.tangent
        found, claimed = how(
            lambda rows: numpy.stack([forward_product(subject, jvp, {k: tangent(r)}) for r in rows])
        )
        each = isinstance(how.tangents, Entries)
        verdict, row, column = _verdict(found, claimed, self.rtol, each)
        along = f"entry {_index(row, subject.x[k].shape)}" if each else "a random direction"
        output, entry = 0, column
        while entry >= math.prod(subject.shapes[output]):
            entry -= math.prod(subject.shapes[output])
            output += 1
        index = _index(entry, subject.shapes[output])
        note = f"jvp along {along} of the input, at the index of output {output}"
        fields = self._fields(verdict, index, how, found, claimed, (row, column))
        return fields | {"note": note}

    def _fields(
        self, verdict: str, index: Any, how: Measurement, found: Measured, claimed: Any, at: Any
    ) -> dict[str, Any]:
        by = "complex step" if how.complex else "differences"
        if how.complex and found.estimate[at] > 0:
            by = "differences, as by complex step"
        return {
            "verdict": verdict,
            "index": index,
            "analytic": float(claimed[at]),
            "numeric": float(found.value[at]),
            "allowed": float(found.allowed(self.rtol)[at]),
            "estimate": float(found.estimate[at]),
            "sees": found.sees(self.rtol),
            "method": by,
        }


def _located(
    how: Measurement, tangent: Any, bar: numpy.ndarray
) -> tuple[int, Measured, numpy.ndarray]:
    """The entry to which halving the support of a tangent leads, always to the worse half, with
    the measurement and the claim there."""
    x = how.subject.x[how.k]
    support = numpy.arange(x.size)
    while len(support) > 1:
        pair = halves(x, tangent, support)
        found = replace(how, tangents=pair).once(numpy.arange(2))
        error = abs(pair.dot(bar, numpy.arange(2)) - found.value)
        worse = int(numpy.nan_to_num(error, nan=numpy.inf)[:, 0].argmax())
        support = numpy.array_split(support, 2)[worse]
    entry = int(support[0])
    unit = numpy.zeros((1, *x.shape))
    unit.flat[entry] = tangent.flat[entry]
    one = Directions(x, unit)
    found, claimed = replace(how, tangents=one)(lambda rows: one.dot(bar, rows))
    return entry, found.per(unit.flat[entry]), claimed / unit.flat[entry]


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in numpy.unravel_index(flat, shape))
