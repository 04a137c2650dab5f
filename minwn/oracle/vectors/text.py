"""How numbers and tests are spelt: hexadecimal floats, and JSON that is the same on every rebuild.

A number is a string, "-0x1.8p+1" = -(1 + 8/16) 2^1, as C99's `%a` prints it, with no zero at the
end of its digits; "inf", "-inf" and "nan" are the others. A tolerance is a JSON number.
"""

from __future__ import annotations

import decimal
import json
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy

__all__ = ["canonical", "hexes", "spelt", "upwards", "value", "values"]

_ENDING_ZEROS = re.compile(r"\.?0+p")
_NUMBER = re.compile(r"-?(0x[01](\.[0-9a-f]*[1-9a-f])?p[+-][0-9]+|inf)|nan")
_THREE_DIGITS = decimal.Context(prec=3, rounding=decimal.ROUND_CEILING)


def spelt(x: float) -> str:
    """A number as text."""
    return _ENDING_ZEROS.sub("p", x.hex()) if math.isfinite(x) else str(x)


def value(text: str) -> float:
    """The number that `spelt` gives as this text. Raises ValueError for any other text."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'{text!r} is not a number as in "-0x1.8p+1", "inf" or "nan"')
    return float.fromhex(text)


def hexes(x: Any) -> list[str]:
    """The entries of an array, the last axis fastest."""
    return [spelt(y) for y in numpy.asarray(x).astype("float64").ravel().tolist()]


def values(texts: Iterable[str]) -> numpy.ndarray:
    """The float64 array of `hexes`, of one axis."""
    return numpy.array([value(text) for text in texts], dtype="float64")


def upwards(x: float) -> float | None:
    """A tolerance in three decimal digits, not below x; None where x allows everything."""
    return float(_THREE_DIGITS.create_decimal_from_float(x)) if math.isfinite(x) else None


def canonical(data: dict[str, Any], *, lines: int = 1) -> str:
    """JSON with `lines` levels of keys on lines of their own, and lists of objects entry by entry.

    Lists of anything else stay on one line, so that a line is an array.
    """
    return _object(data, lines) + "\n"


def _object(data: dict[str, Any], lines: int) -> str:
    rows = [f" {json.dumps(key)}: {_any(x, lines - 1)}" for key, x in data.items()]
    return "{\n" + ",\n".join(rows) + "\n}"


def _any(x: Any, lines: int) -> str:
    if isinstance(x, dict) and x and lines > 0:
        return _object(x, lines)
    if isinstance(x, list) and x and all(isinstance(y, dict) for y in x):
        return "[\n" + ",\n".join(_any(y, lines) for y in x) + "\n]"
    return json.dumps(x, allow_nan=False, separators=(",", ":"))
