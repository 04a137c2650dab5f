"""Derivatives that are measured: what the gradient checker compares a derivation with.

Central differences over a ladder of steps, extrapolated to h = 0 (Richardson), with the rung
whose error estimate is least (Ridders 1982, doi:10.1016/S0141-1195(82)80057-0):

    D(h) = (f(x + h t) - f(x - h t)) / 2h = f'(x) t + c2 h^2 + c4 h^4 + ...

and the complex step, which subtracts nothing (Squire & Trapp 1998, doi:10.1137/S003614459631241X):

    Im f(x + i h t) / h = f'(x) t + O(h^2).

The complex step is right only where f never takes a modulus or a conjugate. Through
`numpy.linalg.norm` it returns, exactly and without a warning, the gradient of weight
normalisation without its projection. So it is never believed unverified.

A `line(rows, h)` evaluates f at x + h_b t_b for the tangents t_b named by rows: (b,) -> (b, m).
Where a measurement contradicts a claim, it is taken again with other steps (`measure`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy

from .. import backend
from ..backend import Array, Generator, quiet, to_numpy
from ..graph import Value, raw

Line = Callable[[numpy.ndarray, numpy.ndarray], numpy.ndarray]

RUNGS, RATIO = 5, 4.0  # five steps, each a quarter of the one before
COMPLEX_STEP = 2.0**-66  # relative; its square is far below the unit roundoff
BLOCK = 2**16  # numbers in the outputs of one block of perturbations: they stay in cache
DISTRUST = 100.0  # the estimate is of the right order, but has been seen too low by 30


class Contraction:
    """Outputs seen through k cotangents: (b, m), (k, m) -> (b, k); through none, themselves."""

    def __init__(self, cotangents: numpy.ndarray | None) -> None:
        self.cotangents = cotangents

    def __call__(self, y: numpy.ndarray) -> numpy.ndarray:
        return y if self.cotangents is None else y @ self.cotangents.T

    def size(self, y: numpy.ndarray) -> numpy.ndarray:
        """The same sum over absolute values: no cancellation hides in it."""
        y = numpy.abs(y)
        return y if self.cotangents is None else y @ numpy.abs(self.cotangents).T


@dataclass
class Measured:
    """Derivatives along b tangents through k cotangents, each field of shape (b, k).

    value: NaN where f was not finite on either side. estimate: of the extrapolation's error.
    floor: what rounding in f can do to it. scale: sum |u_j| |J_ji|, the size of the terms that
    add up to the value. kink: the two one-sided derivatives differ.
    """

    value: numpy.ndarray
    estimate: numpy.ndarray
    floor: numpy.ndarray
    scale: numpy.ndarray
    kink: numpy.ndarray

    def allowed(self, rtol: float) -> numpy.ndarray:
        """How far a correct derivative may be from the value."""
        return rtol * self.scale + DISTRUST * self.estimate + self.floor

    def __getitem__(self, rows: Any) -> Measured:
        return Measured(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def __setitem__(self, rows: Any, other: Measured) -> None:
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)

    def per(self, length: float) -> Measured:
        """The same derivatives along tangents shorter by this factor."""
        size = abs(length)
        return Measured(
            self.value / length, self.estimate / size, self.floor / size, self.scale / size,
            self.kink,
        )  # fmt: skip

    def sharp(self, u: float) -> Any:
        """Whether it could see an error of a thousandth."""
        return self.allowed(u**0.56) <= min(1e4 * u**0.56, 5e-4) * self.scale

    def settled(self) -> Any:
        """Whether rounding, not the length of the steps, is what limits it."""
        return self.estimate <= self.floor

    def clearer_than(self, other: Measured, u: float) -> Any:
        """Sizes of error alone do not tell: over far too long a step, everything is small."""
        sharp, with_sharp = self.sharp(u), other.sharp(u)
        with quiet():
            finer = self.estimate / self.scale < other.estimate / other.scale
        lost = ~numpy.isfinite(other.value)
        unsharp = ~other.settled() & (self.settled() | finer | lost)
        closer = self.allowed(u**0.56) < other.allowed(u**0.56)
        return numpy.where(sharp != with_sharp, sharp, numpy.where(sharp, closer, unsharp))

    def contradicts(self, claimed: numpy.ndarray, rtol: float) -> Any:
        with quiet():
            return numpy.logical_not(abs(claimed - self.value) <= self.allowed(rtol))


def ladder(
    line: Line,
    rows: numpy.ndarray,
    step: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
) -> Measured:
    """Extrapolated central differences from the given first steps: (b,) -> Measured (b, k).

    centre: f(x), (m,). u: the unit roundoff of f's arithmetic. Costs 2 RUNGS evaluations a row.
    """
    above: list[numpy.ndarray] = []
    bends, candidates = [], []
    with quiet():
        for rung in range(RUNGS):
            h = (step / RATIO**rung)[:, None]
            up, down = line(rows, h[:, 0]), line(rows, -h[:, 0])
            floor = 8 * u * contract.size(numpy.maximum(abs(up), abs(down))) / h
            scale = contract.size(up - down) / (2 * h)
            # The difference of the one-sided quotients. It shrinks with h, but not at a kink.
            bends.append(abs(contract((up - centre) - (centre - down))) / h)
            here = [contract(up - down) / (2 * h)]
            for j, coarser in enumerate(above, 1):
                here.append(here[-1] + (here[-1] - coarser) / (RATIO ** (2 * j) - 1))
                estimate = numpy.maximum(abs(here[-1] - here[-2]), abs(here[-1] - coarser))
                candidates.append((here[-1], estimate, floor, scale))
            above = here
        value, estimate, floor, scale = map(numpy.stack, zip(*candidates, strict=True))
        doubt = estimate + floor
        best = numpy.where(numpy.isfinite(doubt), doubt, numpy.inf).argmin(axis=0)[None]
        kink = (
            (bends[-1] > 0.7 * bends[-2])
            & (bends[-2] > 0.7 * bends[-3])
            & (bends[-1] > 16 * floor[-1] + 1e-9 * scale[-1])
        )
    value, estimate, floor, scale = (
        numpy.take_along_axis(a, best, axis=0)[0] for a in (value, estimate, floor, scale)
    )
    return Measured(value, estimate, floor, scale, kink)


def complex_step(
    line: Line,
    rows: numpy.ndarray,
    length: numpy.ndarray,
    centre: numpy.ndarray,
    contract: Contraction,
    u: float,
) -> Measured:
    """Im f(x + i h t) / h, h far below the length over which f changes: (b,) -> Measured (b, k).

    Raises TypeError where f answers a complex argument with real numbers.
    """
    h = (length * COMPLEX_STEP)[:, None]
    y = line(rows, 1j * h[:, 0])
    if y.dtype.kind != "c":
        raise TypeError("f answers complex arguments with real numbers")
    with quiet():
        rise = numpy.ascontiguousarray(y.imag)
        value, scale = contract(rise) / h, contract.size(rise) / h
        floor = 16 * u * contract.size(centre[None]) / length[:, None]
        nothing = numpy.zeros_like(value)
        return Measured(value, nothing, floor, scale, nothing.astype(bool))


# ---- tangents -----------------------------------------------------------------------------------


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
        one = numpy.ones(len(rows))
        return [one, one / self.size, one * 2.0**-11, one * 2.0**-22]


def random_directions(x: numpy.ndarray, count: int, rng: numpy.random.Generator) -> Directions:
    """Random tangents at x, with no component small enough to hide an error in it.

    Components are +-16/16 ... 31/16 of a power of two, so that x + h t is computed without a
    rounding error that 1/h could magnify. They follow the size of the whole x and, in every second
    direction, the size of each entry.
    """
    shape = (count, *x.shape)
    tangents = rng.choice([-1.0, 1.0], shape) * rng.integers(16, 32, shape) / 16
    tangents[0::2] *= size_of(x)
    tangents[1::2] *= sizes_of(x)
    return Directions(x, tangents)


def halves(x: numpy.ndarray, tangent: numpy.ndarray, support: numpy.ndarray) -> Directions:
    """The tangent restricted to either half of the entries listed in support."""
    pair = numpy.zeros((2, x.size))
    for half, entries in zip(pair, numpy.array_split(support, 2), strict=True):
        half[entries] = tangent.reshape(-1)[entries]
    return Directions(x, pair.reshape(2, *x.shape))


# ---- f, to be measured --------------------------------------------------------------------------


class Subject:
    """f at one point, as a function of one argument at a time, with its outputs in one row.

    wrap: what f's floating-point arguments are put into, Tensor or nothing.
    """

    def __init__(
        self, f: Any, inputs: Any, argnums: Any, dtype: Any, batched: Any, wrap: Any
    ) -> None:
        if not callable(f):
            raise TypeError(f"gradcheck: f is a {type(f).__name__}; pass a function and its inputs")
        if isinstance(inputs, Value) or backend.is_array(inputs) or not hasattr(inputs, "__iter__"):
            raise TypeError("gradcheck: inputs is a sequence, one item for each argument of f")
        self.f, self.wrap, self.evaluations = f, wrap, 0
        self.batched = f if batched is True else batched or None
        self.dtype = numpy.dtype(dtype)
        self.args = [self._taken(x) for x in inputs]
        floating = [k for k, x in enumerate(self.args) if is_floating(x)]
        self.checked = floating if argnums is None else list(argnums)
        for k in self.checked:
            if k not in floating:
                raise ValueError(f"gradcheck: argument {k} is not among the floating {floating}")
        if not self.checked:
            raise ValueError("gradcheck: no input is a floating-point array; nothing to check")
        self.x = {k: to_numpy(self.args[k]).astype("float64") for k in self.checked}
        self._before = [x.copy() if backend.is_array(x) else x for x in self.args]
        self.outputs = self._outputs(f, self.args)
        self.shapes = [y.shape for y in self.outputs]
        self.centre = _row(self.outputs)
        self.u = max(backend.unit_roundoff(y.dtype) for y in [*self.outputs, *self.x.values()])
        self.u = max(self.u, backend.unit_roundoff(self.dtype))

    def _taken(self, x: Any) -> Any:
        """A copy that nobody else can change, in the checked dtype; integers as they are."""
        x = raw(x)
        if isinstance(x, float) or (isinstance(x, list | tuple) and is_floating(numpy.asarray(x))):
            x = numpy.asarray(x)
        if not backend.is_array(x):
            return x
        if x.dtype.kind == "c":
            raise TypeError("gradcheck: complex inputs; check real and imaginary parts as two")
        return backend.namespace(x).array(x, dtype=self.dtype if is_floating(x) else None)

    def _outputs(self, f: Any, args: Sequence[Any]) -> list[Array]:
        self.evaluations += 1
        with quiet():
            y = f(*(self.wrap(x) if is_floating(x) else x for x in args))
        found = [raw(z) for z in as_tuple(y)]
        found = [numpy.asarray(z) if isinstance(z, float | complex) else z for z in found]
        found = [z for z in found if is_floating(z)]
        if not found:
            raise TypeError(f"gradcheck: f returns no floating-point array, but {type(y).__name__}")
        return found

    def changed(self) -> list[int]:
        """The arguments that somebody has written to."""
        pairs = enumerate(zip(self.args, self._before, strict=True))
        return [
            k
            for k, (x, y) in pairs
            if backend.is_array(x) and to_numpy(x).tobytes() != to_numpy(y).tobytes()
        ]

    def put(self, k: int, x: numpy.ndarray) -> Array:
        """A host array in the dtype and on the device of argument k."""
        return backend.asarray(numpy.array(x, self._kind(x)), like=self.args[k])

    def _kind(self, x: numpy.ndarray) -> Any:
        return numpy.result_type(self.dtype, "complex64") if x.dtype.kind == "c" else self.dtype

    def at(self, changed: dict[int, numpy.ndarray]) -> numpy.ndarray:
        """All outputs with some arguments replaced: (m,)"""
        args = list(self.args)
        for k, x in changed.items():
            args[k] = self.put(k, x)
        return _row(self._outputs(self.f, args))

    def line(self, k: int, tangents: Any) -> Line:
        """f along tangents of argument k; at once where f is batched, else one by one."""

        return lambda rows, h: self._rows(k, tangents.shifted(rows, h))

    def _rows(self, k: int, points: numpy.ndarray) -> numpy.ndarray:
        """f with each of the points for argument k: (b, *x.shape) -> (b, m)"""
        args, kind = list(self.args), self._kind(points)
        if points.dtype.kind == "c":  # all are complex where one is, or they would not mix
            args = [a.astype(kind) if is_floating(a) else a for a in args]
        if self.batched is None:
            found = []
            for x in points:
                args[k] = self.put(k, x)
                found.append(_row(self._outputs(self.f, args)))
            return numpy.stack(found)
        b = len(points)
        args = [
            backend.namespace(a).broadcast_to(a, (b, *a.shape)) if is_floating(a) else a
            for a in args
        ]
        args[k] = self.put(k, points)
        outputs = self._outputs(self.batched, args)
        return numpy.concatenate([to_numpy(y).reshape(b, -1) for y in outputs], axis=1)

    def try_batched(self) -> None:
        """Raises ValueError where the batched function is not f, row by row."""
        for k in self.checked:
            points = numpy.stack([self.x[k] * (1 + e) for e in (0.0, 2.0**-6, -(2.0**-7))])
            together = self._rows(k, points)
            apart = numpy.stack([self.at({k: x}) for x in points])
            slack = 1e4 * self.u * abs(apart).max(initial=0.0)
            if together.shape != apart.shape or (abs(together - apart) > slack).any():
                raise ValueError(
                    f"gradcheck: batched is not f over a leading axis of argument {k}: "
                    f"{together.shape} where f gives {apart.shape}, or other values"
                )

    def split(self, u: numpy.ndarray) -> list[Array]:
        """A row of cotangents as one array for each output."""
        ends = numpy.cumsum([math.prod(s) for s in self.shapes])[:-1]
        return [
            backend.asarray(part.reshape(y.shape).astype(y.dtype), like=y)
            for part, y in zip(numpy.split(u, ends), self.outputs, strict=True)
        ]


def is_floating(x: Any) -> bool:
    """Whether x is an array of floating-point numbers, complex ones included."""
    return backend.is_array(x) and (x.dtype.kind == "c" or backend.is_floating(x.dtype))


def as_tuple(y: Any) -> tuple[Any, ...]:
    return tuple(y) if isinstance(y, tuple | list) else (y,)


def _row(outputs: Sequence[Array]) -> numpy.ndarray:
    rows = [to_numpy(y).reshape(-1) for y in outputs]
    return numpy.concatenate([r if r.dtype.kind == "c" else r.astype("float64") for r in rows])


# ---- measuring until there is no doubt ----------------------------------------------------------


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

    def _line(self) -> Line:
        return self.subject.line(self.k, self.tangents)

    def once(self, rows: numpy.ndarray) -> Measured:
        """Without a second thought."""
        subject, length = self.subject, self.tangents.scales(rows)[0]
        take, length = (complex_step, length) if self.complex else (ladder, length / 8)
        return take(self._line(), rows, length, subject.centre, self.contract, subject.u)

    def by_differences(self, rows: numpy.ndarray, claimed: numpy.ndarray) -> Measured:
        """Over one length after another while there is doubt: a claim contradicted, a kink, or
        steps too long. A claim that one ladder contradicts and a sharp one confirms, stands."""
        line, u, rtol = self._line(), self.subject.u, self.rtol
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
            new = ladder(
                line, rows[again], length[again] / 8, self.subject.centre, self.contract, u
            )
            was, now = old.contradicts(claim, rtol), new.contradicts(claim, rtol)
            better = new.clearer_than(old, u) | (was & ~now & new.sharp(u))
            better &= ~(now & ~was & old.sharp(u))
            # The finest steps are the first to lose sight of a kink in the rounding.
            kink = old.kink & (new.kink | (length is lengths[-1]))
            old[better] = new[better]
            old.kink = kink
            found[again] = old
        return found

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
