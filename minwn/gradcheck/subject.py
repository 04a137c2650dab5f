"""The function that is checked, at one point: arrays in, all outputs in one row."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy

from .. import backend
from ..backend import Array, quiet, to_numpy
from ..graph import Value, raw
from ..validation import instance, kind_of, shown, whole

__all__ = ["Subject", "as_tuple", "holds_floats"]


class Subject:
    """f at one point, as a function of one argument at a time, with its outputs in one row.

    wrap: what f's floating-point arguments are put into, Tensor or nothing.
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
        _check_count(f, len(self.args))
        floating = [k for k, x in enumerate(self.args) if holds_floats(x)]
        self.checked = floating
        if argnums is not None:
            several = instance("argnums", argnums, list | tuple | range, "a list of whole numbers")
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
        self.shapes = [y.shape for y in self.outputs]
        self.centre = _row(self.outputs)
        if not len(self.centre):
            raise ValueError(
                f"gradcheck: all that f returns is empty, {self.shapes}; no derivative"
            )
        self.u = max(backend.unit_roundoff(y.dtype) for y in [*self.outputs, *self.x.values()])
        self.u = max(self.u, backend.unit_roundoff(self.dtype))

    def _taken(self, x: Any) -> Any:
        """A copy that nobody else can change, in the checked dtype; integers as they are."""
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
        y = f(*[self.wrap(x) if holds_floats(x) else x for x in args])
        found = [raw(z) for z in as_tuple(y)]
        found = [numpy.asarray(z) if isinstance(z, float | complex) else z for z in found]
        found = [z for z in found if holds_floats(z)]
        if not found:
            kind = f"{type(y).__module__}.{type(y).__name__}"
            raise TypeError(f"gradcheck: f returns no floating-point array, but a {kind}")
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
        with quiet():
            return _row(self._outputs(self.f, args))

    def each(self, k: int, points: numpy.ndarray) -> numpy.ndarray:
        """f with each of the points for argument k, at once where f is batched, else one by one.

        points: (b, *x.shape) -> (b, m)
        """
        args, kind = list(self.args), self._kind(points)
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
        args[k] = self.put(k, points)
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


def holds_floats(x: Any) -> bool:
    """Whether x is an array of floating-point numbers, complex ones included."""
    return backend.is_array(x) and (x.dtype.kind == "c" or backend.is_floating(x.dtype))


def _check_count(f: Any, count: int) -> None:
    """Raise TypeError where f has a signature that tells that it does not take so many inputs."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        raise TypeError(
            f"gradcheck: f({', '.join(signature.parameters)}) does not take {count} inputs; "
            f"give one for each argument"
        ) from None


def as_tuple(y: Any) -> tuple[Any, ...]:
    return tuple(y) if isinstance(y, tuple | list) else (y,)


def _row(outputs: Sequence[Array]) -> numpy.ndarray:
    """All outputs, one after another, in an array of its own."""
    rows = [to_numpy(y).reshape(-1) for y in outputs]
    rows = [r if r.dtype.kind == "c" else r.astype("float64") for r in rows]
    return numpy.concatenate(rows) if len(rows) > 1 or rows[0].dtype.kind == "c" else rows[0]
