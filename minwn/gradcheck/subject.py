"""The function that is checked, at one point: arrays in, all outputs in one row.

Two things about f are found out here, for a measurement needs them: how it is best evaluated, and
how large its outputs are.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from .. import backend
from ..backend import Array, generator, quiet, to_numpy
from ..graph import Value, raw
from ..validation import instance, kind_of, shown, whole
from .numerical import noise_along, signed, sizes_of

__all__ = ["Subject", "as_tuple", "holds_floats", "names_of", "same"]

WIDE = numpy.dtype("float64")
MEMORY = 2**13  # numbers in the evaluations that are remembered, to be repeated


class Subject:
    """f at one point, as a function of one argument at a time, with its outputs in one row.

    wrap: what f's floating-point arguments are put into, Tensor or nothing.

    The gradient is judged in the checked dtype, `args`. Where that is shorter than float64, and f
    takes float64 copies of the same numbers and gives the same but for rounding, f is measured with
    these: `wide`. u_bar: the unit roundoff of the judged dtype. u: that of f as it is measured.
    """

    def __init__(
        self, f: Any, inputs: Any, argnums: Any, dtype: Any, batched: Any, wrap: Any
    ) -> None:
        if not callable(f):
            raise TypeError(f"gradcheck: f is {kind_of(f)}; pass a function and its inputs")
        if isinstance(inputs, Value) or backend.is_array(inputs) or not hasattr(inputs, "__iter__"):
            raise TypeError(
                f"gradcheck: inputs is a sequence, one item for each argument of f; this is "
                f"{shown(inputs)}"
            )
        if not (batched is None or isinstance(batched, bool) or callable(batched)):
            raise TypeError(f"gradcheck: batched={shown(batched)}; pass a function, or True for f")
        self.f, self.wrap, self.evaluations = f, wrap, 0
        self.batched = f if batched is True else batched or None
        self.dtype = backend.dtype_of(dtype)
        if not backend.is_floating(self.dtype):
            raise TypeError(f"gradcheck: dtype={shown(dtype)}; choose a float dtype")
        self.args = [self._taken(x) for x in inputs]
        self.names = names_of(f, len(self.args))
        self._floating = floating = [k for k, x in enumerate(self.args) if holds_floats(x)]
        self.checked = floating
        if argnums is not None:
            several = instance("argnums", argnums, (list, tuple, range), "a list of whole numbers")
            self.checked = [whole("argnums", k, least=0) for k in several]
        for k in self.checked:
            if k not in floating:
                raise ValueError(f"gradcheck: argument {k} is not among the floating {floating}")
        if not self.checked:
            raise ValueError("gradcheck: no input is a floating-point array; nothing to check")
        if not any(self.args[k].size for k in self.checked):
            raise ValueError("gradcheck: every input to be checked is empty; nothing to check")
        self.x = {k: to_numpy(self.args[k]).astype("float64") for k in self.checked}
        self._before = [x.copy() if backend.is_array(x) else x for x in self.args]
        with quiet():
            self.outputs = self._outputs(f, self.args)
        if any(y.dtype.kind == "c" for y in self.outputs):
            raise TypeError(
                "gradcheck: f returns complex numbers; return real and imaginary parts as two"
            )
        self.shapes = [y.shape for y in self.outputs]
        self.centre = _row(self.outputs)
        if not len(self.centre):
            raise ValueError(
                f"gradcheck: all that f returns is empty, {self.shapes}; no derivative"
            )
        dtypes = [y.dtype for y in self.outputs] + [self.dtype, WIDE]
        self.u = self.u_bar = max(map(backend.unit_roundoff, dtypes))
        self.narrow, self.wide = self.centre, False
        if self.u_bar > backend.unit_roundoff(WIDE):
            self._try_wide()
        self._noise: dict[int, numpy.ndarray] = {}
        self._remembered: list[tuple[int, numpy.ndarray, numpy.ndarray]] = []
        self._memory = MEMORY

    def _taken(self, x: Any) -> Any:
        """A private copy in the checked dtype; integers unchanged."""
        x = raw(x)
        if isinstance(x, float) or (isinstance(x, list | tuple) and holds_floats(numpy.asarray(x))):
            x = numpy.asarray(x)
        if not backend.is_array(x):
            if hasattr(x, "__dlpack__"):
                raise TypeError(
                    f"gradcheck: an input is a {type(x).__module__}.{type(x).__name__}; pass "
                    f"arrays, and the gradient to be judged as backward=, a function of arrays"
                )
            return x
        if x.dtype.kind == "c":
            raise TypeError("gradcheck: complex inputs; check real and imaginary parts as two")
        return backend.copy(x, self.dtype if holds_floats(x) else None)

    def _outputs(self, f: Any, args: Sequence[Any]) -> list[Array]:
        """What f returns, as arrays; to be called in `quiet`."""
        self.evaluations += 1
        wrap = self.wrap
        if wrap is raw:
            y = f(*args)
        else:
            y = f(*[wrap(x) if k in self._floating else x for k, x in enumerate(args)])
        found = [raw(z) for z in as_tuple(y)]
        found = [numpy.asarray(z) if isinstance(z, float | complex) else z for z in found]
        found = [z for z in found if holds_floats(z)]
        if not found:
            kind = f"{type(y).__module__}.{type(y).__name__}"
            raise TypeError(f"gradcheck: f returns no floating-point array, but a {kind}")
        return found

    def _try_wide(self) -> None:
        """Measure f in float64 if it takes that, and is the same function there."""
        wide = [backend.copy(x, WIDE) if holds_floats(x) else x for x in self.args]
        try:
            with quiet():
                outputs = self._outputs(self.f, wide)
        except Exception:  # f may say in any way that it is of one dtype
            return
        if [(y.shape, y.dtype) for y in outputs] != [(s, WIDE) for s in self.shapes]:
            return
        for y, rounded in zip(outputs, self.outputs, strict=True):
            y, rounded = to_numpy(y), to_numpy(rounded).astype(WIDE)
            room = 64 * self.u_bar * abs(y).max(initial=0.0)
            if not (abs(y - rounded) <= room).all():
                return
        self.wide, self.u = True, backend.unit_roundoff(WIDE)
        self._wide_args, self.centre = wide, _row(outputs)

    @contextlib.contextmanager
    def in_float64(self) -> Iterator[None]:
        """With the arguments and the cotangents in float64, where f is `wide`."""
        before = self.args, self.dtype, self.outputs
        self.args, self.dtype = list(self._wide_args), WIDE
        self.outputs = [y.astype(WIDE) for y in self.outputs]
        try:
            yield
        finally:
            self.args, self.dtype, self.outputs = before

    @property
    def _evaluated(self) -> list[Any]:
        """The arguments with which f is measured."""
        return list(self._wide_args if self.wide else self.args)

    def unsteady(self, count: int | None) -> str:
        """Why f is not a function; "" where the same inputs give the same again, to the bit.

        Called once more are f(x), and the first `count` of the other evaluations that are
        remembered (all, if None).
        """
        pairs = [(self.centre, self.at({}))]
        if self.wide:
            with quiet():
                pairs.append((self.narrow, _row(self._outputs(self.f, self.args))))
        for k, points, rows in self._remembered[:count]:
            pairs.append((rows, self._each(k, points)))
        for before, again in pairs:
            if not numpy.array_equal(before, again, equal_nan=True):
                with quiet():
                    apart = numpy.nan_to_num(abs(before - again), nan=numpy.inf).max()
                return f"two calls with the same inputs differ by {apart:.2e}"
        return ""

    def weights(self) -> numpy.ndarray:
        """Powers of two that bring outputs of very different sizes nearer to each other: (m,)

        The size of an output is that of its value, or of its change where the inputs move by a
        16th. Within 2^8 of the middle all weights are 1.
        """
        size, far = abs(self.centre), numpy.ones_like(self.centre)
        if _exponents(size, 8) is None:
            return far
        with quiet():
            moved = abs(self.at({k: x * 1.0625 for k, x in self.x.items()}) - self.centre)
            size = numpy.fmax(size, numpy.where(numpy.isfinite(moved), 4 * moved, 0.0))
        off = _exponents(size, 8)
        if off is None:
            return far
        most = 4 if self.dtype.itemsize == 2 else 32 if self.dtype.itemsize == 4 else 256
        return numpy.ldexp(far, -numpy.clip(off, -most, most))

    def effect_of(self, k: int) -> str:
        """Why a gradient of zero for argument k may hide another: "" unless f changes where the
        argument is as large as the largest of the others."""
        others = [float(abs(x).max(initial=0.0)) for i, x in self.x.items() if i != k]
        large = max(others, default=0.0)
        if large <= 256 * float(abs(self.x[k]).max(initial=0.0)):
            return ""
        t = signed(generator(0), self.x[k].shape)
        for x in (large * t, -large * t):
            with quiet():
                if (abs(self.at({k: x}) - self.centre) > 2.0**-30 * abs(self.centre)).any():
                    return f"here rounding hides what this input does to f; at {large:.1e} it does"
        return ""

    def noise(self, k: int) -> numpy.ndarray:
        """How far f is from a smooth function of argument k, where that is more than rounding of
        the outputs: (m,)

        So it is where f computes in a coarser dtype than it returns, cancels, or is ill-
        conditioned. Sixth differences tell, at spacings from 2^-44 of x on (see `noise_along`).
        Over 8 times the spacing noise stays what it is, and f moves 8 times as far; while the
        differences of a smooth function are 8^6 times what they were, those across a kink 8 times.
        An output in which no spacing up to 2^-14 shows that is coarser still: longer ones may.
        """
        if k not in self._noise:
            x, found = self.x[k], numpy.zeros_like(self.centre)
            t, i = signed(generator(0), x.shape) * sizes_of(x), numpy.arange(1.0, 10.0)
            spacings = 2.0 ** numpy.arange(-44, -4, 3)

            def along(spacing: float) -> numpy.ndarray:
                points = x + (i * spacing).reshape(-1, *(1,) * x.ndim) * t
                return self.each(k, points).real

            flat, before, slower = found, found, found
            with quiet():
                # What the longest spacing leaves as it is, to the bit, has no noise.
                unseen = numpy.ptp(along(spacings[-1]), axis=0) != 0
                for spacing in spacings if unseen.any() else ():
                    if spacing > 2.0**-14 and not unseen.any():
                        break
                    y = along(spacing)
                    noise, moved = noise_along(y), abs(numpy.diff(y, axis=0)).max(axis=0)
                    clear = (moved > 0) & (noise <= moved / 16)
                    same = (noise <= 4 * before + self.u * abs(y[0])) & (moved >= 4 * slower)
                    flat = numpy.where(clear, numpy.where(same & (flat > 0), flat + 1, 1), 0)
                    seen = (flat >= 3) if spacing <= 2.0**-14 else (flat >= 2) & unseen
                    found = numpy.where(seen, numpy.maximum(found, noise), found)
                    unseen &= ~seen
                    before, slower = noise, moved
            self._noise[k] = found
        return self._noise[k]

    def changed(self) -> list[int]:
        """The arguments that were written to."""
        pairs = enumerate(zip(self.args, self._before, strict=True))
        return [k for k, (x, y) in pairs if backend.is_array(x) and not same(x, y)]

    def put(self, k: int, x: numpy.ndarray) -> Array:
        """A host array in the judged dtype and on the device of argument k."""
        return self._put(k, x, self.dtype)

    def _put(self, k: int, x: numpy.ndarray, dtype: Any) -> Array:
        return backend.asarray(numpy.array(x, dtype), like=self.args[k])

    def _kind(self, x: numpy.ndarray) -> Any:
        """The dtype with which f is measured, real or complex as x is."""
        dtype = WIDE if self.wide else self.dtype
        return numpy.result_type(dtype, "complex64") if x.dtype.kind == "c" else dtype

    def at(self, changed: dict[int, numpy.ndarray]) -> numpy.ndarray:
        """All outputs with some arguments replaced: (m,)"""
        args = self._evaluated
        for k, x in changed.items():
            args[k] = self._put(k, x, self._kind(x))
        with quiet():
            return _row(self._outputs(self.f, args))

    def each(self, k: int, points: numpy.ndarray) -> numpy.ndarray:
        """f with each of the points for argument k, at once where f is batched, else one by one.

        points: (b, *x.shape) -> (b, m)
        """
        rows = self._each(k, points)
        if self._memory > 0:
            few = slice(None if self.batched else 1)  # those of a batch belong together
            self._remembered.append((k, points[few].copy(), rows[few].copy()))
            self._memory -= points[few].size + rows[few].size
        return rows

    def _each(self, k: int, points: numpy.ndarray) -> numpy.ndarray:
        args, kind = self._evaluated, self._kind(points)
        if points.dtype.kind == "c":  # all are complex where one is, or they would not mix
            args = [a.astype(kind) if holds_floats(a) else a for a in args]
        if self.batched is None:
            found, points = [], points.astype(kind)  # what f does to its input, it does to these
            with quiet():
                for i in range(len(points)):
                    args[k] = backend.asarray(points[i, ...], like=self.args[k])
                    found.append(_row(self._outputs(self.f, args)))
            return numpy.concatenate(found).reshape(len(points), -1)
        b = len(points)
        args = [
            backend.namespace(a).broadcast_to(a, (b, *a.shape)) if holds_floats(a) else a
            for a in args
        ]
        args[k] = self._put(k, points, kind)
        with quiet():
            outputs = self._outputs(self.batched, args)
        return numpy.concatenate([to_numpy(y).reshape(b, -1) for y in outputs], axis=1)

    def try_batched(self) -> None:
        """Raises ValueError where the batched function is not f, row by row."""
        for k in self.checked:
            points = numpy.stack([self.x[k] * (1 + e) for e in (0.0, 2.0**-6, -(2.0**-7))])
            together = self.each(k, points)
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

    def rounded(self, u: numpy.ndarray) -> numpy.ndarray:
        """A row of cotangents as the outputs' dtypes hold them, in float64."""
        if all(y.dtype == WIDE for y in self.outputs):
            return u
        return _row(self.split(u)).astype(WIDE)


def same(x: Array, y: Array) -> bool:
    """Whether two arrays of one dtype and shape hold the same numbers, NaN included."""
    x, y = to_numpy(x), to_numpy(y)
    return bool(((x == y) | ((x != x) & (y != y))).all())


def holds_floats(x: Any) -> bool:
    """Whether x is an array of floating-point numbers, complex ones included."""
    return backend.is_array(x) and (x.dtype.kind == "c" or backend.is_floating(x.dtype))


def _exponents(size: numpy.ndarray, near: int) -> numpy.ndarray | None:
    """How many powers of two more than `near` each size is from the middle, 0 for a size of 0;
    None where no two are so far apart."""
    exponent, known = numpy.frexp(size)[1], size > 0
    if not known.any() or numpy.ptp(exponent[known]) <= 2 * near:
        return None
    off = exponent - int(numpy.median(exponent[known]))
    return numpy.where(known, numpy.sign(off) * numpy.maximum(abs(off) - near, 0), 0)


def names_of(f: Any, count: int | None = None) -> list[str]:
    """The names of f's arguments, as far as it has a signature that tells.

    Raises TypeError where that does not take `count` inputs.
    """
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return []
    known = signature.parameters
    try:
        if count is not None:
            signature.bind(*range(count))
    except TypeError:
        raise TypeError(
            f"gradcheck: f({', '.join(known)}) does not take {count} inputs; give one for each "
            f"argument"
        ) from None
    return [
        name for name, p in known.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]


def as_tuple(y: Any) -> tuple[Any, ...]:
    """y as a tuple: of its items, or of itself alone."""
    return tuple(y) if isinstance(y, tuple | list) else (y,)


def _row(outputs: Sequence[Array]) -> numpy.ndarray:
    """All outputs, one after another, in an array of its own."""
    rows = [to_numpy(y).reshape(-1) for y in outputs]
    rows = [r if r.dtype.kind == "c" else r.astype(WIDE) for r in rows]
    return numpy.concatenate(rows) if len(rows) > 1 or rows[0].dtype.kind == "c" else rows[0]
