"""Functions of each entry by itself. Inputs broadcast; a cotangent is summed back where they did.

At a kink the derivative is the one of the branch named in the docstring, or the mean of both
sides where it says "shared". Where an input is NaN, the cotangent goes where PyTorch sends it: on
through relu, elu, maximum and minimum, nowhere from abs and clip.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

from .. import backend
from ..backend import Array, Host, namespace
from ..graph import Primitive, Value, raw
from ..small import zero_beside
from .shape import sum_to

__all__ = [
    "abs", "add", "clip", "cos", "divide", "elu", "erf", "exp", "floor_divide", "gelu",
    "leaky_relu", "log", "maximum", "minimum", "multiply", "negative", "power", "relu", "remainder",
    "round", "sigmoid", "sin", "softplus", "sqrt", "subtract", "tanh", "where",
]


class elementwise(Primitive):
    """A primitive whose inputs broadcast against each other."""

    advice = "lengths must be equal, or one of them 1, counted from the last axis"

    def fit(self, x_bar: Any, shape: tuple[int, ...]) -> Any:
        try:
            return sum_to(x_bar, shape=shape)
        except ValueError:
            return super().fit(x_bar, shape)  # it names the operation


# ---- arithmetic ---------------------------------------------------------------------------------


@elementwise
def add(x: Array, y: Array) -> Array:
    """z = x + y"""
    return x + y


@add.pullback
def _(z_bar, z, x, y):
    return z_bar, z_bar


@elementwise
def subtract(x: Array, y: Array) -> Array:
    """z = x - y"""
    return x - y


@subtract.pullback
def _(z_bar, z, x, y):
    return z_bar, lambda: -z_bar


@elementwise
def multiply(x: Array, y: Array) -> Array:
    """z = x y"""
    return x * y


@multiply.pullback
def _(z_bar, z, x, y):
    return lambda: z_bar * y, lambda: z_bar * x


@elementwise
def divide(x: Array, y: Array) -> Array:
    """z = x / y"""
    return x / y


@divide.pullback
def _(z_bar, z, x, y):
    return lambda: z_bar / y, lambda: -z_bar * z / y


@elementwise
def negative(x: Array) -> Array:
    """z = -x"""
    return -x


@negative.pullback
def _(z_bar, z, x):
    return (-z_bar,)


@elementwise
def power(x: Array, y: Array) -> Array:
    """z = x^y. At x = 0 the derivative by y, z log x, is its limit: 0 where y > 0, infinite where
    y < 0; and 0 where y = 0, where z is constant."""
    return x**y


@power.pullback
def _(z_bar, z, x, y):
    # At y = 0 the exponent stays 0: 0 x^-1 would be 0/0 at x = 0.
    return lambda: z_bar * y * x ** (y - (raw(y) != 0)), lambda: z_bar * z * _log(x, y)


def _log(x: Any, y: Any) -> Any:
    """log x; but 0 where x = 0 <= y, so that z log x is not 0 times infinity."""
    if not isinstance(x, int | float):
        return log(x + ((raw(x) == 0) & (raw(y) >= 0)))
    if x == 0:
        return where(raw(y) >= 0, namespace(raw(y)).zeros_like(raw(y)), -math.inf)
    return math.log(x) if x > 0 else math.nan


# ---- rounding -----------------------------------------------------------------------------------

# Between its jumps each of these is constant in its rounded input; at a jump the derivative is
# taken as 0 too, so that a gradient that passes through one is zeros.


@elementwise
def round(x: Array, *, decimals: int = 0) -> Array:
    """z = x rounded to so many decimals, halves to the even one; with derivative 0"""
    whole = x.dtype.kind in "biu" and decimals >= 0  # NumPy makes float16 of bool
    return x.copy() if whole else x.round(decimals)


@round.pullback
def _(z_bar, z, x, *, decimals=0):
    return (_nothing(z_bar, z),)


@elementwise
def floor_divide(x: Array, y: Array) -> Array:
    """z = the largest whole number <= x / y, with derivative 0"""
    return x // y


@floor_divide.pullback
def _(z_bar, z, x, y):
    return lambda: _nothing(z_bar, z), lambda: _nothing(z_bar, z)


@elementwise
def remainder(x: Array, y: Array) -> Array:
    """z = x - y (x // y), which has the sign of y; with dz/dx = 1 and dz/dy = -(x // y)"""
    return x % y


@remainder.pullback
def _(z_bar, z, x, y):
    return z_bar, lambda: -z_bar * floor_divide(x, y)


def _nothing(z_bar: Any, z: Any) -> Any:
    """Zeros, of an infinite z_bar as well, and linear in it for higher orders."""
    return masked(z_bar, namespace(raw(z)).zeros_like(raw(z), dtype=bool))


# ---- exponentials and roots ---------------------------------------------------------------------


@elementwise
def exp(x: Array) -> Array:
    """z = e^x"""
    return namespace(x).exp(x)


@exp.pullback
def _(z_bar, z, x):
    return (z_bar * z,)


@elementwise
def log(x: Array) -> Array:
    """z = log x, the natural logarithm"""
    return namespace(x).log(x)


@log.pullback
def _(z_bar, z, x):
    return (z_bar / x,)


@elementwise
def sqrt(x: Array) -> Array:
    """z = x^(1/2)"""
    return namespace(x).sqrt(x)


@sqrt.pullback
def _(z_bar, z, x):
    return (z_bar / (2.0 * z),)


@elementwise
def sin(x: Array) -> Array:
    """z = sin x"""
    return namespace(x).sin(x)


@sin.pullback
def _(z_bar, z, x):
    return (z_bar * cos(x),)


@elementwise
def cos(x: Array) -> Array:
    """z = cos x"""
    return namespace(x).cos(x)


@cos.pullback
def _(z_bar, z, x):
    return (-z_bar * sin(x),)


@elementwise
def tanh(x: Array) -> Array:
    """z = tanh x"""
    return namespace(x).tanh(x)


@tanh.pullback
def _(z_bar, z, x):
    return (z_bar * (1.0 - z * z),)


@elementwise
def sigmoid(x: Array) -> Array:
    """z = 1 / (1 + e^-x), computed as e^-log(1 + e^-x), which keeps its digits in both tails"""
    xp, x = namespace(x), fractional(x)
    if x.dtype.kind == "c":
        return 1.0 / (1.0 + xp.exp(-x))
    return xp.exp(-xp.logaddexp(xp.zeros_like(x), -x))


@sigmoid.pullback
def _(z_bar, z, x):
    return (z_bar * z * sigmoid(-x),)


@elementwise
def softplus(x: Array) -> Array:
    """z = log(1 + e^x)"""
    xp, x = namespace(x), fractional(x)
    if x.dtype.kind == "c":
        return xp.log(1.0 + xp.exp(x))
    return xp.logaddexp(xp.zeros_like(x), x)


@softplus.pullback
def _(z_bar, z, x):
    return (z_bar * sigmoid(x),)


@elementwise
def erf(x: Array) -> Array:
    """z = 2/sqrt(pi) times the integral of e^-t^2 from 0 to x"""
    return backend.erf(x)


@erf.pullback
def _(z_bar, z, x):
    near = clip(x, low=-30.0, high=30.0)  # beyond, e^-x^2 is 0, and x^2 might overflow
    return (z_bar * exp(-near * near) * (2.0 / math.sqrt(math.pi)),)


def fractional(x: Array) -> Array:
    """x, or integers in the dtype of e^x: unsigned ones and booleans have no -x."""
    return x.astype(backend.floating(x.dtype)) if x.dtype.kind in "biu" else x


def masked(z_bar: Any, mask: Array) -> Any:
    """z_bar where the mask holds, and 0 elsewhere. (In z_bar * mask an infinity would give NaN.)"""
    if isinstance(z_bar, Value):
        return where(mask, z_bar, 0.0)
    if type(z_bar) is Host:
        flat = z_bar.reshape(-1)
        if cmath.isfinite(flat.dot(flat)):  # so are all of them, and a product is faster
            return z_bar * mask
    return namespace(z_bar).where(mask, z_bar, 0.0)


# ---- piecewise ----------------------------------------------------------------------------------


@elementwise
def where(condition: Array, x: Array, y: Array) -> Array:
    """z = x where the condition holds, y elsewhere; only the chosen side receives a cotangent"""
    if condition is None or x is None or y is None:
        raise TypeError("where: None cannot be chosen; pass arrays, Tensors or numbers")
    xp = namespace(condition, x, y)
    return xp.where(condition, _beside(xp, x, y), _beside(xp, y, x))


def _beside(xp: Any, x: Any, y: Any) -> Any:
    """x; a Python number as an array, of the dtype that it has in arithmetic with the array y."""
    if hasattr(x, "dtype") or not hasattr(y, "dtype"):
        return x
    return xp.asarray(x, dtype=backend.promoted(y.dtype, x))


@where.pullback
def _(z_bar, z, condition, x, y):
    return (
        None,
        lambda: where(raw(condition), z_bar, 0.0),
        lambda: where(raw(condition), 0.0, z_bar),
    )


@elementwise
def abs(x: Array) -> Array:
    """z = |x|, with derivative 0 at 0 and at NaN"""
    return namespace(x).abs(x)


@abs.pullback
def _(z_bar, z, x):
    x = raw(x)
    sign = (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)  # `sign` of a NaN is NaN
    return (z_bar * sign,)


@elementwise
def relu(x: Array) -> Array:
    """z = max(x, 0), with derivative 0 at 0"""
    return namespace(x).maximum(x, zero_beside(x))


@relu.pullback
def _(z_bar, z, x):
    z = raw(z)
    return (masked(z_bar, z != zero_beside(z)),)  # above 0, or NaN


@elementwise
def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """z = x where x > 0, slope x elsewhere"""
    return namespace(x).where(x.real > 0, x, slope * x)  # type: ignore[attr-defined]


@leaky_relu.pullback
def _(z_bar, z, x, *, slope=0.01):
    return (where(raw(x) > 0, z_bar, slope * z_bar),)


@elementwise
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """z = x where x > 0, alpha (e^x - 1) elsewhere"""
    xp, above = namespace(x), x.real > 0  # type: ignore[attr-defined]
    below = xp.where(above, xp.zeros_like(x), x)  # e^x would overflow above
    return xp.where(above, x, alpha * xp.expm1(below))


@elu.pullback
def _(z_bar, z, x, *, alpha=1.0):
    return (where(raw(x) <= 0, z_bar * (z + alpha), z_bar),)


@elementwise
def gelu(x: Array, *, approximate: str = "none") -> Array:
    """z = x P(N <= x) for a standard normal N; approximate="tanh" gives the older formula
    z = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).  Hendrycks & Gimpel 2016, arXiv:1606.08415
    """
    if not isinstance(approximate, str) or approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate={approximate!r:.60}; choose 'none' or 'tanh'")
    if approximate == "none":
        return x * (0.5 * (1.0 + backend.erf(x * math.sqrt(0.5))))
    return 0.5 * x * (1.0 + namespace(x).tanh(_gelu_inner(clip(x, low=-10.0, high=10.0))))


def _gelu_inner(x: Any) -> Any:
    """The argument of tanh. Beyond |x| = 10 that is 1 to 1e-37, and x^3 might overflow."""
    return math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)


@gelu.pullback
def _(z_bar, z, x, *, approximate="none"):
    if approximate == "none":
        below = 0.5 * (1.0 + erf(x * math.sqrt(0.5)))
        near = clip(x, low=-40.0, high=40.0)  # beyond, the density is 0
        density = exp(-0.5 * near * near) * (1.0 / math.sqrt(2.0 * math.pi))
        return (z_bar * (below + x * density),)
    near = clip(x, low=-10.0, high=10.0)
    t = tanh(_gelu_inner(near))
    slope = math.sqrt(2.0 / math.pi) * (1.0 + 3 * 0.044715 * near * near)
    return (z_bar * 0.5 * (1.0 + t + x * (1.0 - t * t) * slope),)


@elementwise
def maximum(x: Array, y: Array) -> Array:
    """z = the larger of x and y, NaN where one is; equal ones share the cotangent"""
    return namespace(x, y).maximum(x, y)


@elementwise
def minimum(x: Array, y: Array) -> Array:
    """z = the smaller of x and y, NaN where one is; equal ones share the cotangent"""
    return namespace(x, y).minimum(x, y)


@maximum.pullback
def _(z_bar, z, x, y):
    return (
        lambda: _won(z_bar, raw(x), raw(y), raw(x) < raw(y)),
        lambda: _won(z_bar, raw(x), raw(y), raw(y) < raw(x)),
    )


@minimum.pullback
def _(z_bar, z, x, y):
    return (
        lambda: _won(z_bar, raw(x), raw(y), raw(y) < raw(x)),
        lambda: _won(z_bar, raw(x), raw(y), raw(x) < raw(y)),
    )


def _won(z_bar: Any, x: Any, y: Any, lost: Any) -> Any:
    """z_bar where this side has not lost, half of it at a tie. Next to a NaN neither side loses."""
    return where(lost, 0.0, where(x == y, 0.5 * z_bar, z_bar))


@elementwise
def clip(x: Array, *, low: float | None = None, high: float | None = None) -> Array:
    """z = min(max(x, low), high), with derivative 1 at low and at high, 0 at NaN"""
    if raw(low) is not low or raw(high) is not high:
        raise TypeError("clip: low and high are numbers; ops.maximum and minimum take Tensors")
    if low is not None and high is not None and low > high:
        raise ValueError(f"clip: low={low} is above high={high}")
    z = x if low is None else namespace(x).maximum(x, low)
    return z if high is None else namespace(x).minimum(z, high)


@clip.pullback
def _(z_bar, z, x, *, low=None, high=None):
    # Not where x = z: a limit may be rounded to an x that is beyond it.
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    return (where((raw(x) >= low) & (raw(x) <= high), z_bar, 0.0),)
