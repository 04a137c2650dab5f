"""Compares the numerical with the analytic derivative of one argument: verdict and worst entry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy

from ..backend import Generator, quiet
from ..tolerance import scaled_error
from .analytic import forward_product
from .measure import Measurement
from .numerical import (
    DISTRUST,
    Contraction,
    Directions,
    Entries,
    Measured,
    halves,
    random_directions,
    sizes_of,
)
from .report import VERDICTS
from .slices import by_slices
from .subject import Subject

__all__ = ["Comparer"]

FINE = 2.0**-40  # the unit roundoff of float64 is below, of all others above
THOUSANDTH = 5e-4  # of the terms: what a measurement may be wrong by and still call others wrong
MOST = 2.0**-5  # of the terms: a pass must have seen an error of so much, or of four times rtol


@dataclass(frozen=True)
class Judged:
    """Analytic against numerical derivatives, (b, k), as they were measured; and what rounding may
    do to the analytic ones, the slack."""

    how: Measurement
    found: Measured
    analytic: numpy.ndarray
    slack: Any = 0.0

    @cached_property
    def allowed(self) -> numpy.ndarray:
        return self.found.allowed(self.how.rtol) + self.slack

    @cached_property
    def limit(self) -> float:
        """The share of the terms that may be allowed at most, if a pass is to mean anything."""
        return max(MOST, 4 * self.how.rtol)

    @cached_property
    def sizes(self) -> numpy.ndarray | None:
        """Of the entries that were measured, (b, 1); None where these were directions."""
        x = self.how.subject.x[self.how.k]
        entries = isinstance(self.how.tangents, Entries) and len(self.analytic) == x.size
        return sizes_of(x).reshape(-1, 1) if entries else None

    @cached_property
    def reference(self) -> numpy.ndarray:
        """The size of the terms; of small entries, that of the largest, in units of x or not."""
        scale = numpy.where(numpy.isfinite(self.found.scale), self.found.scale, 0.0)
        if self.sizes is None:
            return scale
        largest = numpy.minimum(
            scale.max(axis=0), (scale * self.sizes).max(axis=0) / self.sizes
        )
        return numpy.maximum(scale, largest)

    @cached_property
    def hidden(self) -> numpy.ndarray:
        """Where so much is allowed that an error would not have been seen."""
        with quiet():
            return numpy.logical_not(self.allowed <= self.limit * self.reference)

    @cached_property
    def zero(self) -> numpy.ndarray:
        """Where both are zero but for rounding, and rounding is small relative to the slope of f at
        large: there is nothing to be seen."""
        how, found, allowed = self.how, self.found, self.allowed
        slope = how.contract.size(how.subject.centre) / (1.0 if self.sizes is None else self.sizes)
        with quiet():
            both = (abs(found.value) <= allowed) & (abs(self.analytic) <= self.slack)
            return both & (allowed <= self.limit * numpy.fmax(slope, found.secant))

    @property
    def all_zero(self) -> bool:
        return bool(self.hidden.all() and self.zero.all())

    def verdict(self) -> tuple[str, int, int]:
        """The verdict over all rows, and the row and column that speak for it. Every entry must be
        judged, but of directions one is enough."""
        found, analytic, allowed = self.found, self.analytic, self.allowed
        each = isinstance(self.how.tangents, Entries)
        excess = scaled_error(analytic, found.value, allowed)
        undefined = ~numpy.isfinite(found.value)
        # What is wrong by more than is allowed is wrong, where what is allowed can be believed.
        credible = numpy.maximum(THOUSANDTH * self.reference, DISTRUST * found.floor)
        blunt = ~undefined & ~(DISTRUST * found.estimate <= credible)
        unresolved = blunt | self.hidden
        if unresolved.any():
            unresolved &= ~self.zero
        kink = found.kink.copy()
        if not each and len(kink) > 1:  # over far too long a step, things look broken
            kink[0::2] &= kink[1::2].any()
        judges = ~(undefined | unresolved | (found.kink & ~kink)).any(axis=1, keepdims=True)
        if not each and judges.any():
            excess = numpy.where(judges, excess, -1.0)
            undefined, kink = undefined & judges, kink & judges
            blunt, unresolved = blunt & judges, unresolved & judges
        wrong = (excess > 1) & ~(undefined | blunt | kink)
        verdict, where = "pass", ~undefined
        for reason, at in zip(VERDICTS, (wrong, undefined, kink, unresolved), strict=False):
            if at.any():
                verdict, where = reason, at
                break
        if verdict == "unresolved":
            with quiet():
                excess = allowed / self.reference
        row, column = numpy.unravel_index(numpy.where(where, excess, -2.0).argmax(), excess.shape)
        return verdict, int(row), int(column)

    def sees(self) -> tuple[float, float]:
        """The error that would have been noticed in every entry, as a share of its terms; and, in
        entries too small for that, as a share of the largest. NaN: there are none."""
        scale, allowed = self.found.scale, self.allowed
        small, moves = ~(allowed <= self.limit * scale), self.found.secant > 0
        with quiet():
            share = (allowed / scale)[~small & moves]
            beside = (allowed / self.reference)[small & (moves | (self.analytic != 0))]
        worst, least = (float(x.max()) if len(x) else math.nan for x in (share, beside))
        return worst, least

    def note(self, verdict: str, row: int, column: int) -> str:
        """Why nothing could be resolved, or what a gradient of zero means."""
        at, found = (row, column), self.found
        allowed, size = self.allowed[at], self.reference[at]
        if verdict == "pass" and self.all_zero and self.allowed.max() > 0:
            return f"zero: any gradient up to {self.allowed.max():.1e} would be lost in rounding"
        if verdict != "unresolved":
            return ""
        slack = numpy.broadcast_to(self.slack, found.value.shape)
        causes = {
            "rounding in the derivative that is judged": slack[at],
            "rounding in f": found.floor[at],
            "no length of steps fits f": DISTRUST * found.estimate[at],
        }
        cause = max(causes, key=lambda name: causes[name])
        return f"errors up to {allowed:.1e} beside terms of {size:.1e} cannot be seen: {cause}"


@dataclass(frozen=True)
class Comparer:
    """How the arguments of a subject are measured and compared."""

    subject: Subject
    mode: str
    method: str
    directions: int
    rtol: float
    rng: Generator

    def measurement(self, k: int, cotangents: Any) -> Measurement:
        """Argument k measured: each entry of it, or random directions."""
        x, subject = self.subject.x[k], self.subject
        full = self.mode == "full"
        bits = 12 if subject.u_bar < FINE else 4
        tangents = Entries(x) if full else random_directions(x, self.directions, self.rng, bits)
        return Measurement(subject, k, tangents, Contraction(cotangents), self.rtol)

    def choose_method(self, how: Measurement) -> None:
        """Decide whether to measure by complex step."""
        how.complex = self.method != "difference" and how.complex_step_holds(self.rng)
        if self.method == "complex" and not how.complex:
            raise ValueError(
                f"gradcheck: the complex step does not differentiate f by argument {how.k} (f "
                f"refuses complex numbers, or takes a modulus); use method='auto' or 'difference'"
            )

    def gradient(self, k: int, u: Any, bars: Any, rounding: Callable[[], Any]) -> dict[str, Any]:
        """How the gradient of one argument fares, as fields of a Comparison.

        u: cotangents, (c, m). bars: what the derivative gives for them, (c, n). rounding: how far
        rounding moves it, to be asked for where it matters.
        """
        subject, how = self.subject, self.measurement(k, u)
        every, shape = numpy.arange(how.tangents.count), subject.x[k].shape
        analytic = how.tangents.dot(bars, every)
        each = isinstance(how.tangents, Entries)
        found = None if each or self.method == "complex" else how.at_a_glance(analytic)
        company = 1
        if found is None:
            self.choose_method(how)
            together = by_slices(how, bars, self.rng) if each else None
            if together is None:
                found, _ = how(lambda rows: analytic[rows])
            else:
                found, company = together
                how.recheck(found, analytic)
        judged = Judged(how, found, analytic)
        verdict, row, column = judged.verdict()
        # Of coarser dtypes, rounding decides.
        if verdict in ("fail", "unresolved") or subject.u_bar > FINE:
            with quiet():
                judged = replace(judged, slack=how.tangents.bound(rounding()[k], every))
            verdict, row, column = judged.verdict()
        hidden = subject.effect_of(k) if verdict == "pass" and judged.all_zero else ""
        index = _index(row, shape) if each else None
        if verdict == "fail" and not each:
            how = replace(how, contract=Contraction(u[column : column + 1]))
            entry, there, given = _located(how, how.tangents.tangent(row), bars[[column]])
            if there.contradicts(given, self.rtol).all():
                judged = Judged(how, there, given)
                row, column, index = 0, 0, _index(entry, shape)
        fields = self._fields(verdict, index, how, judged, (row, column))
        if company > 1:
            fields["method"] += f", {company} slices at a time"
        return fields | ({"verdict": "unresolved", "note": hidden} if hidden else {})

    def product(self, k: int, jvp: Any) -> dict[str, Any]:
        """The same for a forward product J t, at each entry of the output."""
        subject, how = self.subject, self.measurement(k, None)
        self.choose_method(how)
        tangent = how.tangents.tangent
        found, analytic = how(
            lambda rows: numpy.stack([forward_product(subject, jvp, {k: tangent(r)}) for r in rows])
        )
        each = isinstance(how.tangents, Entries)
        judged = Judged(how, found, analytic)
        verdict, row, column = judged.verdict()
        along = f"entry {_index(row, subject.x[k].shape)}" if each else "a random direction"
        output, entry = 0, column
        while entry >= math.prod(subject.shapes[output]):
            entry -= math.prod(subject.shapes[output])
            output += 1
        index = _index(entry, subject.shapes[output])
        fields = self._fields(verdict, index, how, judged, (row, column))
        place = f"jvp along {along} of the input, at the index of output {output}"
        return fields | {"note": "; ".join(filter(None, (place, fields["note"])))}

    def _fields(
        self, verdict: str, index: Any, how: Measurement, judged: Judged, at: Any
    ) -> dict[str, Any]:
        found = judged.found
        by = "complex step" if how.complex else "differences"
        if how.complex and found.estimate[at] > 0:
            by = "differences, as by complex step"
        sees, sees_beside = judged.sees()
        return {
            "verdict": verdict,
            "index": index,
            "analytic": float(judged.analytic[at]),
            "numeric": float(found.value[at]),
            "allowed": float(judged.allowed[at]),
            "estimate": float(found.estimate[at]),
            "sees": sees,
            "sees_beside": sees_beside,
            "method": by,
            "note": judged.note(verdict, *at),
        }


def _located(
    how: Measurement, tangent: Any, bar: numpy.ndarray
) -> tuple[int, Measured, numpy.ndarray]:
    """The entry to which halving the support of a tangent leads, always to the worse half, with
    the measurement and the analytic derivative there."""
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
    found, analytic = replace(how, tangents=one)(lambda rows: one.dot(bar, rows))
    return entry, found.per(unit.flat[entry]), analytic / unit.flat[entry]


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in numpy.unravel_index(flat, shape))
