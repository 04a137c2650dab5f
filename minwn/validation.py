"""What comes in at a door: a value in the form in which the code uses it, or a sentence.

Each function takes the argument's name and its value, and returns the value; or raises an error
that names the argument, shows the value, and says what to give in its place. NumPy's scalars come
out as Python's, so a rate from `numpy.linspace` is as weak as one that was typed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

__all__ = [
    "axes", "choice", "did_you_mean", "names", "not_negative", "number", "positive", "share",
    "shown", "whole",
]  # fmt: skip


def shown(value: Any) -> str:
    """The value in at most 60 letters: an array or Tensor by its dtype and shape, else its repr."""
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape != ():
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


def names(
    name: str, value: Any, known: Iterable[str], *, one: str, empty: bool = False
) -> tuple[str, ...]:
    """value, several names, as a tuple. one: what each of them is called.

    Raises ValueError for one that is not known, and for none at all unless they may be `empty`.
    """
    known = list(known)
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise ValueError(f"{name}={shown(value)}; give a list of names, such as {known[:1]}")
    given = tuple(value)
    for x in given:
        if not isinstance(x, str) or x not in known:
            near = did_you_mean(x, known) if isinstance(x, str) else ""
            more = f", and {len(known) - 8} more" if len(known) > 8 else ""
            raise ValueError(
                f"{name}: no {one} {shown(x)}; choose from {', '.join(known[:8])}{more}{near}"
            )
    if not given and not empty:
        raise ValueError(f"{name}={shown(value)} is empty; choose from {', '.join(known)}")
    return given


def axes(name: str, value: Any, v: int | tuple[int, ...] | None = None) -> tuple[int, ...] | None:
    """value, the axes of an array v that keep a norm each, as a tuple; None for the whole.

    v: its shape, or how many axes it has, from which axes are counted from 0; or None, where it is
    not known yet
    Raises ValueError for what is no axis, or one that is there twice, IndexError for one that v has
    not.
    """
    if value is None:
        return None
    given = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(a, Integral) and not isinstance(a, bool) for a in given):
        raise ValueError(
            f"{name}={shown(value)}; give an axis, a tuple of axes, or None for one norm of the "
            f"whole"
        )
    found = tuple(map(int, given))
    if len(set(found)) < len(found):
        raise ValueError(f"{name}={value} names an axis twice; name each axis once")
    if v is None:
        return found
    rank = v if isinstance(v, int) else len(v)
    what = f"of shape {v}" if rank is not v else f"with {v} axis" if v == 1 else f"with {v} axes"
    for a in found:
        if not -rank <= a < rank:
            ways = f"choose from {-rank} to {rank - 1}, a tuple of these, or" if rank else "give"
            raise IndexError(
                f"{name} {a} of a weight {what}; {ways} None for one norm of the whole"
            )
    return tuple(a % rank for a in found)


def did_you_mean(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """ "; did you mean 'weight'?" for the closest of the names, or "" where none is close."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""
