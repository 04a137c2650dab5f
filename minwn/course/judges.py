"""Judges of values: is this number, array or function the right one, but for rounding?

An answer may come in any order of evaluation, dtype and shape that mean the same: it is compared in
units of its own rounding, and axes of length 1 do not count. A wrong one is told what it is: the
negative, the transpose, twice, half, in float32, a value that somebody else got, too.
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

TERMS = 1024  # roundings on the longest way to one entry, which no exercise comes near
FACTORS = tuple(f for k in range(2, 65) for f in (Fraction(k), Fraction(1, k)))
FORMATS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}
_SLIPS = "pairs of a wrong value and its sentence"
Slip = tuple[Any, str]  # a wrong value, or a function that gives it, and what to say of it


@door
def same(
    answer: Any,
    right: Any,
    name: str = "your answer",
    *,
    slips: Sequence[Slip] = (),
    size: float | None = None,
    digits: int | None = None,
) -> str | None:
    """None where the answer is right but for rounding, else the sentence that says what it is.

    slips: wrong values that are common, each with its sentence
    size: of the terms that were added, where they cancel; default: the largest entry of `right`
    digits: how many significant ones are asked for, where the answer was typed
    """
    for pair in several("slips", slips, _SLIPS):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"slips: {shown(pair)} is no pair; pass {_SLIPS}")
    instance("name", name, str, "what the answer is called, text")
    size = None if size is None else not_negative("size", size)
    digits = None if digits is None else whole("digits", digits)
    wrongs = [([wrong], text) for wrong, text in slips]
    return _judged([_Pair(answer, right, size, digits)], name, wrongs)


def array(right: Any, name: str = "your answer", **how: Any) -> Judge:
    """The judge of one array or number: see `same`. right: or a function of the numbers."""
    return lambda answer, *given: same(answer, right(*given) if given else right, name, **how)


def number(
    right: Any,
    name: str = "your answer",
    *,
    digits: int = 3,
    slips: Sequence[Slip] = (),
) -> Judge:
    """The judge of a number that was typed, to so many significant digits.

    With a variant, `right` and the slips are functions of the numbers given.
    """

    def judge(answer: Any, *given: Any) -> str | None:
        if isinstance(answer, bool | np.bool_):
            return f"{name} is {answer}, and a number is asked for"
        if isinstance(answer, str):
            try:
                answer = float(answer)
            except ValueError:
                return f"{name} is {answer!r}, and a number is asked for"
        known = [(wrong(*given) if given else wrong, text) for wrong, text in slips]
        want = right(*given) if given else right
        return same(answer, want, name, slips=known, digits=digits)

    return judge


def choice(right: str, wrong: Mapping[str, str]) -> Judge:
    """The judge of one choice out of several; each wrong one has its sentence."""

    def judge(answer: Any) -> str | None:
        if answer == right:
            return None
        if isinstance(answer, str) and answer in wrong:
            return wrong[answer]
        options = ", ".join(repr(option) for option in sorted((right, *wrong)))
        return f"{answer!r} is not a choice; they are {options}"

    return judge


def function(
    reference: Callable[..., Any],
    draw: Callable[[np.random.Generator], tuple[Any, ...]],
    name: str | Sequence[str] = "your result",
    *,
    slips: Sequence[tuple[Callable[..., Any], str]] = (),
    points: int = 3,
    size: Callable[..., float] | None = None,
) -> Judge:
    """The judge of a function, at random points: `draw(rng)` gives the arguments of one.

    name: what it returns; several names for a function that returns a tuple
    slips: wrong functions, each with what to say of an answer that agrees with it everywhere
    size: of the terms that are added, a function of the arguments; see `same`
    """
    callable_("reference", reference)
    callable_("draw", draw, "a function of a Generator that gives the arguments")
    points = whole("points", points)
    names = [name] if isinstance(name, str) else several("name", name, "text, or a list of texts")

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            return f"hand over the function itself, not what it returns (this is {_kind(answer)})"
        rows = []
        for seed in range(points):
            arguments = draw(np.random.default_rng(seed))
            copies = [np.copy(x) if isinstance(x, np.ndarray) else x for x in arguments]
            got = answer(*copies)
            if any(
                isinstance(x, np.ndarray) and not np.array_equal(x, y)
                for x, y in zip(arguments, copies, strict=True)
            ):
                return "your function changes its arguments; work on a copy"
            parts = _parts(got, len(names))
            if parts is None:
                return f"return {len(names)} values, {', '.join(names)}, not {_kind(got)}"
            rows.append((arguments, parts))
        for k, one in enumerate(names):
            pairs = [
                _Pair(parts[k], _part(reference(*x), k, names), size(*x) if size else None)
                for x, parts in rows
            ]
            wrongs = [([_part(f(*x), k, names) for x, _ in rows], text) for f, text in slips]
            said = _judged(pairs, one, wrongs)
            if said:
                return said
        return None

    return judge


def _parts(got: Any, count: int) -> tuple[Any, ...] | None:
    if count == 1:
        return (got,)
    return tuple(got) if isinstance(got, tuple | list) and len(got) == count else None


def _part(values: Any, k: int, names: Sequence[str]) -> Any:
    return values if len(names) == 1 else values[k]


# ---- one comparison -----------------------------------------------------------------------------


@dataclass
class _Pair:
    """An answer beside the right one, at one point."""

    answer: Any
    right: Any
    size: float | None = None
    digits: int | None = None

    def agrees(self, other: Any, u: float | None = None) -> bool:
        """Whether the answer is `other`, but for rounding."""
        x, y = _array(self.answer), _array(other)
        if x is None or y is None or _shape(x) != _shape(y):
            return False
        x, y = _wide(x).ravel(), _wide(y).ravel()
        size = self.size
        if size is None:
            size = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
        if self.digits is None:
            room = TERMS * (u or _roundoff(self.answer)) * size
        else:
            room = 0.5 * 10.0 ** (1 - self.digits) * size
        with np.errstate(all="ignore"):
            return bool(np.all((x == y) | (np.isnan(x) & np.isnan(y)) | (abs(x - y) <= room)))


def _judged(pairs: list[_Pair], name: str, wrongs: list[tuple[list[Any], str]]) -> str | None:
    if all(pair.agrees(pair.right) for pair in pairs):
        return None
    for pair in pairs:
        said = _unfit(pair, name)
        if said:
            return said
    for values, text in wrongs:
        found = zip(pairs, values, strict=True)
        if all(value is not None and pair.agrees(value) for pair, value in found):
            return text
    return _slip(pairs, name) or _where(pairs, name)


def _unfit(pair: _Pair, name: str) -> str | None:
    """Not an array of numbers of the right shape."""
    x, y = _array(pair.answer), np.asarray(pair.right)
    if pair.answer is None:
        return f"{name} is None; is there a return in your function?"
    if callable(pair.answer) and x is None:
        return f"{name} is a function; hand over what it returns"
    if x is None:
        return f"{name} is {_kind(pair.answer)}, and numbers are asked for"
    if _shape(x) != _shape(y):
        if x.ndim == 2 and x.T.shape == y.shape and _Pair(x.T, y, pair.size).agrees(y):
            return f"{name} has the right values, but is transposed: its shape is {x.shape}"
        return f"{name} has shape {x.shape}, and {y.shape} is asked for"
    bad = np.isnan(_wide(x)) & ~np.isnan(_wide(y).reshape(x.shape))
    if bad.any():
        return f"{name} is NaN in {int(bad.sum())} of {x.size} entries"
    return None


def _slip(pairs: list[_Pair], name: str) -> str | None:
    """The right answer, but for a sign, a transpose, a factor or its digits."""
    if all(pair.agrees(-_wide(pair.right)) for pair in pairs):
        return f"{name} has the right size and the wrong sign"
    for pair in pairs:
        y = np.asarray(pair.right)
        if y.ndim != 2 or y.shape[0] != y.shape[1] or not pair.agrees(y.T):
            break
    else:
        return f"{name} has the right values, but is transposed"
    told = sum(np.size(pair.right) for pair in pairs) > 1  # one number would be given away
    for factor in FACTORS if told else ():
        if all(pair.agrees(float(factor) * _wide(pair.right)) for pair in pairs):
            return f"{name} is {factor} times what it should be"
    if all(pair.digits is None for pair in pairs):
        for dtype in ("float32", "float16"):
            u = FORMATS[dtype]
            if all(_roundoff(p.answer) < u and p.agrees(p.right, u / 16) for p in pairs):
                return f"{name} is right to the digits of {dtype} only; keep float64 all the way"
    return None


def _where(pairs: list[_Pair], name: str) -> str:
    """How much is wrong, and one entry of the answer itself."""
    pair = next(pair for pair in pairs if not pair.agrees(pair.right))
    x, y = _wide(_array(pair.answer)), _wide(pair.right)
    if x.size == 1:
        value = float(x.reshape(-1)[0])
        if pair.digits and math.isfinite(value) and value:
            right = float(y.reshape(-1)[0])
            side = "too large" if value > right else "too small"
            return f"{name} is {value:.6g}, which is {side}"
        return f"{name} is {value:.6g}, and that is not it"
    x = x.reshape(y.shape)
    size = pair.size or float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
    wrong = ~(abs(x - y) <= TERMS * _roundoff(pair.answer) * size)
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = ", ".join(map(str, index))
    return f"{name} is wrong in {int(wrong.sum())} of {x.size} entries; [{place}] is {x[index]:.6g}"


def _array(answer: Any) -> np.ndarray | None:
    """The numbers of an array of any kind; None where there are none."""
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


def _wide(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x if x.dtype.kind == "c" else x.astype("float64")


def _roundoff(answer: Any) -> float:
    x = _array(answer)
    return FORMATS.get(x.dtype.name, 2.0**-53) if x is not None else 2.0**-53


def _kind(answer: Any) -> str:
    if answer is None:
        return "None"
    word = type(answer).__name__
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
