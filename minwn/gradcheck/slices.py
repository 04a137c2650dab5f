"""Entries measured many at a time: one of every slice that keeps to itself.

Where each output depends on one slice of x alone, a row of v, say, or a sample of a batch, the
Jacobian is block diagonal, and one evaluation measures an entry of every slice, each seen through
the outputs of its own (Curtis, Powell & Reid 1974, doi:10.1093/imamat/13.1.117):

    t_c = sum_s e_sc,        x_bar_sc = sum_{j in s} u_j (J t_c)_j

The blocks are a property of f, found and verified by f; the gradient on trial has no say in it.

1.  For every bit of the number of a slice, the slices with that bit set move, each entry by a
    random length, then those without. An output that both halves move belongs to no slice, and
    nothing is measured this way. "Moves" is to the last bit, real or imaginary. Two slices differ
    in some bit, so an output that passes stood still, once, while each foreign slice moved.
2.  Along random directions through all entries at once, what each slice's outputs do must be what
    its own entries, as measured, say. An entry that reaches into another slice breaks that sum.
3.  Whatever then is in doubt is measured again, entry by entry, alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy

from ..backend import Generator, quiet
from .measure import Measurement
from .numerical import (
    Contraction,
    Directions,
    Measured,
    power_of_two,
    signed,
    size_of,
    sizes_of,
    spread,
)
from .subject import Subject

__all__ = ["by_slices"]

WORTH = 16  # entries; below that, one by one is as fast


def by_slices(how: Measurement, bars: numpy.ndarray, rng: Generator) -> tuple[Measured, int] | None:
    """Every entry of the argument, (n, k), and how many slices there are; None where these do not
    keep to themselves."""
    x, u = how.subject.x[how.k], how.contract.cotangents
    if x.size < WORTH or u is None:
        return None
    axes, owner = _owners(how.subject, how.k, how.complex, rng)
    if not axes:
        return None
    slices = Slices(x, axes)
    groups = _Groups(u, owner, slices.number)
    part = replace(how, tangents=slices, contract=groups)
    claimed = slices.folded(bars)
    with quiet():
        found = slices.unfolded(part(lambda rows: claimed[rows])[0])
        return (found, slices.number) if _adds_up(part, found, slices, rng) else None


class Slices:
    """One entry of each slice at a time, by the power of two below the largest of the slice."""

    def __init__(self, x: numpy.ndarray, axes: list[int]) -> None:
        self.x, self.number = x, math.prod(x.shape[a] for a in axes)
        order = [a for a in range(x.ndim) if a not in axes] + axes
        entries = numpy.arange(x.size).reshape(x.shape).transpose(order)
        self.entries = entries.reshape(-1, self.number)  # (c, s) -> the entry
        self.count = len(self.entries)
        lengths = power_of_two(abs(x.reshape(-1)[self.entries]).max(axis=0))
        self.lengths = numpy.where(lengths > 0, lengths, size_of(x))  # (s,)
        self.spread = spread(x)

    def shifted(self, rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        """x + h_b t_b: (b, *x.shape)"""
        y = numpy.empty((len(rows), self.x.size), h.dtype)
        y[:] = self.x.reshape(-1)
        y[numpy.arange(len(rows))[:, None], self.entries[rows]] += h[:, None] * self.lengths
        return y.reshape(-1, *self.x.shape)

    def least(self, rows: numpy.ndarray) -> numpy.ndarray:
        return numpy.full(len(rows), self.spread)

    def scales(self, rows: numpy.ndarray) -> list[numpy.ndarray]:
        """As for Entries, but counted in the lengths."""
        one = numpy.ones(len(rows))
        return [one, one / size_of(self.x), *(one * 2.0**-e for e in (11, 22, 33))]

    def folded(self, bars: numpy.ndarray) -> numpy.ndarray:
        """Claims about the entries as claims about what is measured: (k, n) -> (c, s k)"""
        claims = bars.T[self.entries] * self.lengths[:, None]  # (c, s, k)
        return claims.reshape(self.count, -1)

    def unfolded(self, found: Measured) -> Measured:
        """What was measured, entry by entry: (c, s k) -> (n, k)"""
        order = self.entries.reshape(-1).argsort()
        lengths = numpy.tile(self.lengths, self.count)[order, None]
        return found.apply(lambda a: a.reshape(self.x.size, -1)[order]).per(lengths)


class _Groups(Contraction):
    """Each slice's own outputs through each cotangent: (..., m) -> (..., s k)"""

    def __init__(self, cotangents: numpy.ndarray, owner: numpy.ndarray, number: int) -> None:
        super().__init__(cotangents)
        counts = numpy.bincount(owner, minlength=number)
        order = numpy.argsort(owner, kind="stable")
        place = numpy.arange(len(owner)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        # As many places as the largest group needs; what is left over has a weight of zero.
        self.outputs = numpy.zeros((number, counts.max()), int)
        self.weights = numpy.zeros((number, counts.max(), len(cotangents)))
        self.outputs[owner[order], place] = order
        self.weights[owner[order], place] = cotangents.T[order]

    def __call__(self, y: numpy.ndarray) -> numpy.ndarray:
        return self._sums(y, self.weights)

    def size(self, y: numpy.ndarray, out: numpy.ndarray | None = None) -> numpy.ndarray:
        return self._sums(numpy.abs(y, out=out), abs(self.weights))

    def _sums(self, y: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
        own = numpy.moveaxis(y[..., self.outputs].reshape(-1, *self.outputs.shape), 1, 0)
        sums = numpy.moveaxis(own @ weights, 0, 1)  # (s, b, j), (s, j, k) -> (s, b, k)
        return sums.reshape(*y.shape[:-1], -1)


def _owners(
    subject: Subject, k: int, complex: bool, rng: Generator
) -> tuple[list[int], numpy.ndarray]:
    """The axes along which the slices of x keep to themselves, and the slice of each output."""
    x, m = subject.x[k], len(subject.centre)
    t = signed(rng, x.shape) * sizes_of(x) / 16 * (1 + 2.0**-60 * 1j if complex else 1)
    still = subject.each(k, (x + 0 * t)[None])[0]

    def moved(which: numpy.ndarray) -> numpy.ndarray:
        return subject.each(k, numpy.where(which, x + t, x)[None])[0] != still

    def along(axis: int) -> numpy.ndarray | None:
        length, answers = x.shape[axis], numpy.zeros(m, bool)
        number = numpy.arange(length).reshape(-1, *(1,) * (x.ndim - 1 - axis))
        owner = numpy.zeros(m, int)
        for bit in range((length - 1).bit_length()):
            on, off = (moved((number >> bit & 1) == half) for half in (1, 0))
            if (on & off).any() or (bit and ((on | off) != answers).any()):
                return None
            answers, owner = on | off, owner | on.astype(int) << bit
        # What nothing moves may belong to anybody; `_adds_up` sees to it that it has no derivative.
        idle = ~answers
        owner[idle] = numpy.arange(idle.sum()) % length
        return owner if (owner < length).all() else None

    axes, owner = [], numpy.zeros(m, int)
    for axis in range(x.ndim):
        own = along(axis) if x.shape[axis] > 1 else None
        if own is not None:
            axes.append(axis)
            owner = owner * x.shape[axis] + own
    # A group far larger than the others would make `_Groups` larger than the outputs are.
    number = math.prod(x.shape[a] for a in axes)
    even = number * numpy.bincount(owner, minlength=1).max(initial=0) <= 4 * m + number
    return (axes if even else []), owner


def _adds_up(how: Measurement, found: Measured, slices: Slices, rng: Generator) -> bool:
    """Whether the entries account for what each slice's outputs do along two random directions."""
    x, entries = slices.x, slices.entries
    tangents = numpy.empty((2, x.size))
    tangents[:, entries] = signed(rng, (2, *entries.shape)) * slices.lengths / 64
    seen = replace(how, tangents=Directions(x, tangents.reshape(2, *x.shape))).once(numpy.arange(2))

    def total(of_entries: numpy.ndarray, t: numpy.ndarray) -> numpy.ndarray:
        sums = numpy.einsum("dcs,csk->dsk", t[:, entries], of_entries[entries])
        return sums.reshape(2, -1)

    size = abs(tangents)
    allowed = seen.allowed(how.rtol) + total(found.allowed(how.rtol), size)
    apart = abs(seen.value - total(found.value, tangents))
    return bool((apart <= allowed).all())
