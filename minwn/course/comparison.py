"""An answer and the expected one: do they agree, up to the rounding of the answer's format?

The room for a difference follows from the format. Sums in float64 or float32 may be taken in any
order, so there is room for `TERMS` roundings of the largest entry. float16 has too few digits for
that: there the answer is compared with the right one *rounded* to float16, entry by entry. Axes of
length 1 do not count. NaN and infinity agree with nothing but themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["FORMATS", "Pair", "array_of", "plain", "roundoff", "shape_of"]

TERMS = 1024  # roundings behind one entry; every exercise has far fewer
ROUNDED = 4  # units in the last place of float16
FORMATS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53, "complex64": 2.0**-24}
SUBNORMAL = 2.0**-24  # the smallest number of float16


@dataclass(frozen=True)
class Pair:
    """An answer and the expected one, at one point.

    size: of the terms of a sum that cancel; default: the largest entry of what is compared with
    digits: the number of significant digits required of a typed answer
    """

    answer: Any
    expected: Any
    size: float | None = None
    digits: int | None = None

    @property
    def right(self) -> bool:
        """Whether the answer is the expected one."""
        return self.agrees(self.expected)

    def agrees(self, other: Any, terms: float = TERMS) -> bool:
        """Whether the answer is `other` up to rounding, in the shape of `other`."""
        x, y = array_of(self.answer), array_of(other)
        if x is None or y is None or shape_of(x) != shape_of(y):
            return False
        x, y = plain(x).ravel(), plain(y).ravel()
        with np.errstate(all="ignore"):
            room = self._room(y, terms)
            return bool(np.all((x == y) | (np.isnan(x) & np.isnan(y)) | (abs(x - y) <= room)))

    def wrong(self) -> np.ndarray:
        """For each entry, in the shape of the expected array, whether it is wrong."""
        y = plain(self.expected)
        x = plain(array_of(self.answer)).reshape(y.shape)
        with np.errstate(all="ignore"):
            return ~((x == y) | (abs(x - y) <= self._room(y, TERMS)))

    def _room(self, y: np.ndarray, terms: float) -> Any:
        size = self.size
        if size is None:
            size = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
        if self.digits is not None:
            return 0.5 * 10.0 ** (1 - self.digits) * size
        u = roundoff(self.answer)
        if u == FORMATS["float16"]:
            return ROUNDED * u * np.abs(y) + SUBNORMAL
        return terms * u * size

    def few_digits(self) -> str:
        """The narrower format whose rounding alone explains a wrong answer; "" if there is none.

        Rounding goes up and down; an eps, or one term too many, goes to one side: it makes all
        sizes, or all numbers, smaller.
        """
        x, y = array_of(self.answer), plain(self.expected)
        if x is None or shape_of(x) != shape_of(y) or self.digits is not None:
            return ""
        x = plain(x).reshape(y.shape)
        for dtype in ("float32", "float16"):
            u = FORMATS[dtype]
            with np.errstate(all="ignore"):
                off = (np.abs(x) - np.abs(y)) / np.where(y == 0, 1, np.abs(y))
                stored = bool((x == x.astype(dtype)).all())
            both = x.size > 2 and off.min() < 0 < off.max() and (x - y).min() < 0 < (x - y).max()
            both &= bool(abs(off).max() > u / 16)  # more digits come of something else
            if roundoff(self.answer) < u and (stored or both) and (abs(off) <= ROUNDED * u).all():
                return dtype
        return ""

    def of(self, part: Any) -> Pair:
        """The same comparison with another answer."""
        return replace(self, answer=part)


def array_of(answer: Any) -> np.ndarray | None:
    """The numbers of an array of any library; None where there are none."""
    if answer is None or isinstance(answer, str | dict | set) or callable(answer):
        return None
    if hasattr(answer, "detach"):  # a torch.Tensor, or one of minwn, that requires gradients
        answer = answer.detach()
    elif hasattr(answer, "requires_grad"):
        answer = answer.data
    try:
        found = np.asarray(answer.get() if hasattr(answer, "get") else answer)
        return found if found.dtype.kind in "biufc" else found.astype("float64")
    except (ValueError, TypeError, AttributeError, RuntimeError):
        return None


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape without axes of length 1."""
    return tuple(n for n in np.shape(x) if n != 1)


def plain(x: Any) -> np.ndarray:
    """x in float64, or as it is where it is complex."""
    x = np.asarray(x)
    return x if x.dtype.kind == "c" else x.astype("float64")


def roundoff(answer: Any) -> float:
    """The largest relative error of one rounding in the answer's format; at least float64's."""
    x = array_of(answer)
    return FORMATS.get(x.dtype.name, 2.0**-53) if x is not None else 2.0**-53
