"""What comes in at a door: a value in the form in which the code uses it, or a sentence.

Each function takes the argument's name and its value, and returns the value; or raises an error
that names the argument, shows the value, and says what to give in its place. NumPy's scalars come
out as Python's, so a rate from `numpy.linspace` is as weak as one that was typed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

__all__ = ["choice", "not_negative", "number", "positive", "share", "shown", "whole"]


def shown(value: Any) -> str:
    """The value in at most 60 letters: an array or Tensor by its dtype and shape, else its repr."""
    if hasattr(value, "dtype") and isinstance(getattr(value, "shape", ()), tuple) and value.shape:
        return f"a {value.dtype} {type(value).__name__} of shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def number(
    name: str,
    value: Any,
    wanted: str = "a finite number",
    fits: Callable[[float], bool] = math.isfinite,
) -> float:
    """value as a Python number.  Raises ValueError unless it is a real number that `fits`."""
    if isinstance(value, Real) and not isinstance(value, bool):
        plain = int(value) if isinstance(value, Integral) else float(value)
        if fits(plain):
            return plain
    raise ValueError(f"{name}={shown(value)}; give {wanted}")


def positive(name: str, value: Any) -> float:
    """value, a finite number > 0"""
    return number(name, value, "a finite number > 0", lambda x: 0 < x < math.inf)


def not_negative(name: str, value: Any) -> float:
    """value, a finite number >= 0"""
    return number(name, value, "a finite number >= 0", lambda x: 0 <= x < math.inf)


def share(name: str, value: Any) -> float:
    """value, a number from 0 to 1"""
    return number(name, value, "a number from 0 to 1", lambda x: 0 <= x <= 1)


def whole(name: str, value: Any, least: int = 1) -> int:
    """value as a Python int.  Raises ValueError unless it is a whole number >= least."""
    if isinstance(value, Integral) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise ValueError(f"{name}={shown(value)}; give a whole number >= {least}")


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """value.  Raises ValueError unless it is one of the choices."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"{name}={shown(value)}; choose from {', '.join(known)}")
