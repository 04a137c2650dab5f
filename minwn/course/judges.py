"""Judges of values: is this number, array or function correct up to rounding?

An answer may have any order of evaluation and any dtype: the tolerance follows from its own
rounding. Axes of length 1 are ignored. The message for a wrong answer says what it is: the
negative, the transpose, twice, half, in float32, or a common error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..validation import door, instance, not_negative, several, shown, whole
from ..validation import function as callable_
from .exercise import Judge

__all__ = ["array", "choice", "function", "number", "same"]

TERMS = 1024  # roundings behind one entry; every exercise has far fewer
FACTORS = tuple(f for k in range(2, 65) for f in (Fraction(k), Fraction(1, k)))
FORMATS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
_PAIRS = "pairs of a wrong value and its sentence"
CommonError = tuple[Any, str]  # a wrong value, or a function that returns it, and its sentence


@door
def same(
    answer: Any,
    expected: Any,
    name: str = "your answer",
    *,
    common_errors: Sequence[CommonError] = (),
    size: float | None = None,
    digits: int | None = None,
) -> str | None:
    """None where the answer is `expected` up to rounding, else a sentence that says what it is.

    common_errors: wrong values, each with its sentence
    size: of the terms of a sum that cancel; default: the largest entry of `expected`
    digits: the number of significant digits required of a typed answer
    """
    for pair in several("common_errors", common_errors, _PAIRS):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"common_errors: {shown(pair)} is no pair; pass {_PAIRS}")
    instance("name", name, str, "what the answer is called, text")
    size = None if size is None else not_negative("size", size)
    digits = None if digits is None else whole("digits", digits)
    wrongs = [([wrong], text) for wrong, text in common_errors]
    return _judged([_Pair(answer, expected, size, digits)], name, wrongs)


def array(expected: Any, name: str = "your answer", **how: Any) -> Judge:
    """The judge of one array or number; see `same`.

    With a variant, `expected` is a function of the numbers.
    """

    def judge(answer: Any, *numbers: Any) -> str | None:
        return same(answer, expected(*numbers) if numbers else expected, name, **how)

    return judge


def number(
    expected: Any,
    name: str = "your answer",
    *,
    digits: int = 3,
    common_errors: Sequence[CommonError] = (),
) -> Judge:
    """The judge of a typed number, which needs `digits` significant digits.

    With a variant, `expected` and the wrong values are functions of the numbers.
    """

    def judge(answer: Any, *numbers: Any) -> str | None:
        if isinstance(answer, bool | np.bool_):
            return f"{name} is {answer}, and a number is asked for"
        if isinstance(answer, str):
            try:
                answer = float(answer)
            except ValueError:
                return f"{name} is {answer!r}, and a number is asked for"
        want = expected(*numbers) if numbers else expected
        errors = [(wrong(*numbers) if numbers else wrong, text) for wrong, text in common_errors]
        return same(answer, want, name, common_errors=errors, digits=digits)

    return judge


def choice(expected: str, wrong: Mapping[str, str]) -> Judge:
    """The judge of a choice: `expected`, or one of the wrong choices, each with its sentence."""

    def judge(answer: Any) -> str | None:
        if answer == expected:
            return None
        if isinstance(answer, str) and answer in wrong:
            return wrong[answer]
        options = ", ".join(repr(option) for option in sorted((expected, *wrong)))
        return f"{answer!r} is not a choice; they are {options}"

    return judge


def function(
    reference: Callable[..., Any],
    draw: Callable[[np.random.Generator], tuple[Any, ...]],
    name: str | Sequence[str] = "your result",
    *,
    common_errors: Sequence[tuple[Callable[..., Any], str]] = (),
    points: int = 3,
    size: Callable[..., float] | None = None,
) -> Judge:
    """The judge of a function, compared with `reference` at random points.

    draw: of a random generator, the arguments at one point
    name: of the result; one name for each item of a tuple
    common_errors: wrong functions, each with the sentence for an answer that agrees everywhere
    size: of the terms of a sum, as a function of the arguments; see `same`
    """
    callable_("reference", reference)
    callable_("draw", draw, "a function of a Generator that gives the arguments")
    points = whole("points", points)
    names = [name] if isinstance(name, str) else several("name", name, "text, or a list of texts")

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            kind = _type_name(answer)
            return f"hand over the function itself, not what it returns (this is {kind})"
        rows = []
        for seed in range(points):
            arguments = draw(np.random.default_rng(seed))
            copies = [np.copy(x) if isinstance(x, np.ndarray) else x for x in arguments]
            result = answer(*copies)
            if any(
                isinstance(x, np.ndarray) and not np.array_equal(x, y)
                for x, y in zip(arguments, copies, strict=True)
            ):
                return "your function changes its arguments; work on a copy"
            parts = _parts(result, len(names))
            if parts is None:
                return f"return {len(names)} values, {', '.join(names)}, not {_type_name(result)}"
            rows.append((arguments, parts))
        for k, one in enumerate(names):
            pairs = [
                _Pair(parts[k], _part(reference(*x), k, names), size(*x) if size else None)
                for x, parts in rows
            ]
            wrongs = [
                ([_part(f(*x), k, names) for x, _ in rows], text) for f, text in common_errors
            ]
            message = _judged(pairs, one, wrongs)
            if message:
                return message
        return None

    return judge


def _parts(result: Any, count: int) -> tuple[Any, ...] | None:
    if count == 1:
        return (result,)
    return tuple(result) if isinstance(result, tuple | list) and len(result) == count else None


def _part(values: Any, k: int, names: Sequence[str]) -> Any:
    return values if len(names) == 1 else values[k]


# ---- one comparison -----------------------------------------------------------------------------


@dataclass
class _Pair:
    """An answer and the expected one, at one point."""

    answer: Any
    expected: Any
    size: float | None = None
    digits: int | None = None

    def agrees(self, other: Any, u: float | None = None) -> bool:
        """Whether the answer is `other` up to rounding."""
        x, y = _array(self.answer), _array(other)
        if x is None or y is None or _shape(x) != _shape(y):
            return False
        x, y = _float64(x).ravel(), _float64(y).ravel()
        size = self.size
        if size is None:
            size = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
        if self.digits is None:
            tolerance = TERMS * (u or _roundoff(self.answer)) * size
        else:
            tolerance = 0.5 * 10.0 ** (1 - self.digits) * size
        with np.errstate(all="ignore"):
            return bool(np.all((x == y) | (np.isnan(x) & np.isnan(y)) | (abs(x - y) <= tolerance)))


def _judged(pairs: list[_Pair], name: str, wrongs: list[tuple[list[Any], str]]) -> str | None:
    if all(pair.agrees(pair.expected) for pair in pairs):
        return None
    for pair in pairs:
        message = _wrong_kind(pair, name)
        if message:
            return message
    for values, text in wrongs:
        found = zip(pairs, values, strict=True)
        if all(value is not None and pair.agrees(value) for pair, value in found):
            return text
    return _simple_error(pairs, name) or _wrong_entry(pairs, name)


def _wrong_kind(pair: _Pair, name: str) -> str | None:
    """The message for an answer other than an array of numbers of the expected shape."""
    x, y = _array(pair.answer), np.asarray(pair.expected)
    if pair.answer is None:
        return f"{name} is None; is there a return in your function?"
    if callable(pair.answer) and x is None:
        return f"{name} is a function; hand over what it returns"
    if x is None:
        return f"{name} is {_type_name(pair.answer)}, and numbers are asked for"
    if _shape(x) != _shape(y):
        if x.ndim == 2 and x.T.shape == y.shape and _Pair(x.T, y, pair.size).agrees(y):
            return f"{name} has the right values, but is transposed: its shape is {x.shape}"
        return f"{name} has shape {x.shape}, and {y.shape} is asked for"
    bad = np.isnan(_float64(x)) & ~np.isnan(_float64(y).reshape(x.shape))
    if bad.any():
        return f"{name} is NaN in {int(bad.sum())} of {x.size} entries"
    return None


def _simple_error(pairs: list[_Pair], name: str) -> str | None:
    """The message for a wrong sign, a transpose, a factor or too few digits."""
    if all(pair.agrees(-_float64(pair.expected)) for pair in pairs):
        return f"{name} has the right size and the wrong sign"
    for pair in pairs:
        y = np.asarray(pair.expected)
        if y.ndim != 2 or y.shape[0] != y.shape[1] or not pair.agrees(y.T):
            break
    else:
        return f"{name} has the right values, but is transposed"
    several_numbers = sum(np.size(pair.expected) for pair in pairs) > 1
    for factor in FACTORS if several_numbers else ():  # with one, the factor gives it away
        if all(pair.agrees(float(factor) * _float64(pair.expected)) for pair in pairs):
            return f"{name} is {factor} times what it should be"
    if all(pair.digits is None for pair in pairs):
        for dtype in ("float32", "float16"):
            u = FORMATS[dtype]
            if all(_roundoff(p.answer) < u and p.agrees(p.expected, u / 16) for p in pairs):
                return f"{name} is right to the digits of {dtype} only; keep float64 all the way"
    return None


def _wrong_entry(pairs: list[_Pair], name: str) -> str:
    """The message for any other wrong answer: how much is wrong, and one entry of the answer."""
    pair = next(pair for pair in pairs if not pair.agrees(pair.expected))
    x, y = _float64(_array(pair.answer)), _float64(pair.expected)
    if x.size == 1:
        value = float(x.reshape(-1)[0])
        if pair.digits and math.isfinite(value) and value:
            expected = float(y.reshape(-1)[0])
            side = "too large" if value > expected else "too small"
            return f"{name} is {value:.6g}, which is {side}"
        return f"{name} is {value:.6g}, and that is not it"
    x = x.reshape(y.shape)
    size = pair.size or float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
    wrong = ~(abs(x - y) <= TERMS * _roundoff(pair.answer) * size)
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = ", ".join(map(str, index))
    return f"{name} is wrong in {int(wrong.sum())} of {x.size} entries; [{place}] is {x[index]:.6g}"


def _array(answer: Any) -> np.ndarray | None:
    """The numbers of an array of any library; None where there are none."""
    answer = getattr(answer, "data", answer) if hasattr(answer, "requires_grad") else answer
    if answer is None or isinstance(answer, str | dict | set) or callable(answer):
        return None
    try:
        found = np.asarray(answer.get() if hasattr(answer, "get") else answer)
        return found if found.dtype.kind in "biufc" else found.astype("float64")
    except (ValueError, TypeError, AttributeError):
        return None


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(n for n in np.shape(x) if n != 1)


def _float64(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x if x.dtype.kind == "c" else x.astype("float64")


def _roundoff(answer: Any) -> float:
    x = _array(answer)
    return FORMATS.get(x.dtype.name, 2.0**-53) if x is not None else 2.0**-53


def _type_name(answer: Any) -> str:
    if answer is None:
        return "None"
    word = type(answer).__name__
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
