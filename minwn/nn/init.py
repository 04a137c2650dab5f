"""First values of parameters, as arrays on the host. Every draw is by an explicit `rng`: a
numpy Generator, a seed, or None for a new one. dtype: a float dtype.

fan_in = entries of the weight that one output sums over; fan_out = outputs that one input feeds;
both for a weight (out, in, *kernel), other layouts are the caller's to reorder.
"""

from __future__ import annotations

import math
from typing import Any

from .. import backend
from ..backend import Array, generator
from ..validation import not_negative, number, shape_of, shown, whole

__all__ = ["glorot", "he", "normal", "ones", "orthogonal", "uniform", "zeros"]

Shape = tuple[int, ...]


def sizes(**named: Any) -> tuple[int, ...]:
    """The values, where all are whole numbers >= 1; else a ValueError that names the first."""
    return tuple(whole(name, value) for name, value in named.items())


def _float(dtype: Any) -> Any:
    """The dtype.  Raises TypeError for one that is not floating."""
    known = backend.dtype_of(dtype)
    if backend.is_floating(known):
        return known
    raise TypeError(f"dtype={shown(dtype)}; give a float dtype, such as 'float32'")


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel).  Raises ValueError where one is empty."""
    shape = shape_of("shape", shape)
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"a weight of shape {shape} has no fans; give (out, in, ...), each >= 1")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def uniform(shape: Shape, bound: float, rng: Any = None, dtype: Any = "float32") -> Array:
    """U(-bound, bound).  Raises ValueError for a bound below 0."""
    shape, bound, dtype = shape_of("shape", shape), not_negative("bound", bound), _float(dtype)
    return generator(rng).uniform(-bound, bound, shape).astype(dtype)


def normal(shape: Shape, std: float = 0.05, rng: Any = None, dtype: Any = "float32") -> Array:
    """N(0, std^2). 0.05 is the paper's choice for v.  section 3, arXiv:1602.07868

    Raises ValueError for a std below 0.
    """
    shape, std, dtype = shape_of("shape", shape), not_negative("std", std), _float(dtype)
    return backend.asarray(std * generator(rng).standard_normal(shape)).astype(dtype)


def zeros(shape: Shape, rng: Any = None, dtype: Any = "float32") -> Array:
    """0 everywhere"""
    return backend.full(shape_of("shape", shape), 0.0, _float(dtype))


def ones(shape: Shape, rng: Any = None, dtype: Any = "float32") -> Array:
    """1 everywhere"""
    return backend.full(shape_of("shape", shape), 1.0, _float(dtype))


def he(shape: Shape, rng: Any = None, dtype: Any = "float32", *, slope: float = 0.0) -> Array:
    """N(0, 2 / ((1 + slope^2) fan_in)): keeps the second moment through (leaky) ReLUs.

    He et al. 2015, eq. 15, arXiv:1502.01852
    """
    slope = number("slope", slope)
    return normal(shape, math.sqrt(2.0 / ((1.0 + slope**2) * fans(shape)[0])), rng, dtype)


def glorot(shape: Shape, rng: Any = None, dtype: Any = "float32") -> Array:
    """U(-b, b) with b^2 = 6 / (fan_in + fan_out).  Glorot & Bengio 2010, eq. 16"""
    return uniform(shape, math.sqrt(6.0 / sum(fans(shape))), rng, dtype)


def orthogonal(
    shape: Shape, rng: Any = None, dtype: Any = "float32", *, gain: float = 1.0
) -> Array:
    """A random matrix (out, the rest) with orthonormal rows, or columns where those are fewer.

    Saxe et al. 2014, arXiv:1312.6120
    """
    fans(shape)  # raises unless the shape is that of a matrix
    gain, dtype = number("gain", gain), _float(dtype)
    rows, columns = shape[0], math.prod(shape[1:])
    draw = generator(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q = backend.orthonormal_columns(draw)
    q = q if rows >= columns else q.T
    return (gain * q).reshape(shape).astype(dtype)
