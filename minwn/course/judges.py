"""Judges of values: is this number, array or function correct up to rounding?

An answer may have any order of evaluation, and any dtype that has the digits; see `comparison`.
The message for a wrong answer says what it is: a common error of this exercise, else a slip that
`slips` finds, such as an argument that does not count, else what comes out at one input that can be
checked by hand.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..validation import door, instance, not_negative, several, shown, whole
from ..validation import function as callable_
from . import slips, typed
from .comparison import Pair, array_of, plain, shape_of
from .exercise import Judge

__all__ = ["Formula", "Number", "array", "choice", "function", "number", "same", "varied"]

_PAIRS = "pairs of a wrong value and its sentence"
BARE = re.compile(r"which is too (large|small)$| is -?0$|the wrong sign$|is NaN")  # of a number
CommonError = tuple[Any, str]  # a wrong value, or a function that returns it, and its sentence


class Formula:
    """A function with its formula as text: what stands in a message for the f of an exercise."""

    def __init__(self, text: str, f: Callable[..., Any]) -> None:
        self.text, self.f = text, f

    def __call__(self, *arguments: Any) -> Any:
        return self.f(*arguments)


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
    pairs = [Pair(answer, expected, size, digits)]
    if pairs[0].right:
        return None
    return (
        _wrong_kind(pairs, name)
        or next((text for wrong, text in common_errors if pairs[0].agrees(wrong)), None)
        or _wrong_shape(pairs, name)
        or _wrong_value(pairs, name)
    )


def array(expected: Any, name: str = "your answer", **how: Any) -> Judge:
    """The judge of one array or number; see `same`.

    With a variant, `expected` is a function of the numbers.
    """

    def judge(answer: Any, *numbers: Any) -> str | None:
        return same(answer, expected(*numbers) if numbers else expected, name, **how)

    return judge


class Number:
    """The judge of a typed number, which needs `digits` significant digits.

    With a variant, `expected` and the wrong values are functions of the numbers. The example, what
    would be right for other numbers, is said where there is nothing better to say.
    """

    def __init__(
        self, expected: Any, name: str, digits: int, common_errors: Sequence[CommonError],
        example: str,
    ) -> None:
        self.expected, self.name, self.digits = expected, name, digits
        self.common_errors, self.example = common_errors, example

    def __call__(self, answer: Any, *numbers: Any) -> str | None:
        name = self.name
        if answer is None:
            return f"{name} is None, and a number is asked for"
        if isinstance(answer, bool | np.bool_):
            return f"{name} is {answer}, and a number is asked for"
        readings = [answer]
        if isinstance(answer, str):
            readings = list(typed.numbers(answer))
            if not readings:
                return f"{name} is {answer!r}, and a number is asked for"
        want, *wrong = self.values(*numbers)
        errors = [(value, text) for value, (_, text) in zip(wrong, self.common_errors, strict=True)]
        said = [
            same(reading, want, name, common_errors=errors, digits=self.digits)
            for reading in readings
        ]
        if None in said:
            return None
        message = str(said[0])
        if not BARE.search(message):
            return message
        made = ""
        if numbers and "which is too" in message:
            made = typed.made_of(readings[0], numbers[0], self.digits)
        if made:
            message = f"{name} is {float(readings[0]):.6g}, as {made} is; there is more to it"
        return f"{message}; {self.example}" if self.example else message

    def values(self, *numbers: Any) -> list[Any]:
        """The expected number, and the wrong ones that have a sentence, for these numbers."""
        found = (self.expected, *(wrong for wrong, _ in self.common_errors))
        return [one(*numbers) if numbers else one for one in found]

    def apart(self, numbers: Any) -> bool:
        """Whether these numbers tell the expected value and each of the wrong ones apart."""
        found = [float(x) for x in self.values(numbers)]
        return not any(
            Pair(x, y, digits=self.digits).right
            for k, x in enumerate(found) for y in found[:k]
        )


def number(
    expected: Any,
    name: str = "your answer",
    *,
    digits: int = 3,
    common_errors: Sequence[CommonError] = (),
    example: str = "",
) -> Number:
    """The judge of a typed number; see `Number`."""
    return Number(expected, name, digits, common_errors, example)


def choice(expected: str, wrong: Mapping[str, str]) -> Judge:
    """The judge of a choice: `expected`, or one of the wrong choices, each with its sentence."""

    def judge(answer: Any) -> str | None:
        options = sorted((expected, *wrong))
        found = typed.option(answer, options)
        if found == expected:
            return None
        if found is not None:
            return wrong[found]
        return f"{answer!r} is not a choice; they are {', '.join(map(repr, options))}"

    return judge


def function(
    reference: Callable[..., Any],
    draw: Callable[[np.random.Generator], tuple[Any, ...]],
    name: str | Sequence[str] = "your result",
    *,
    common_errors: Sequence[tuple[Callable[..., Any], str]] = (),
    points: int = 3,
    size: Callable[..., float] | None = None,
    examples: Sequence[tuple[tuple[Any, ...], str | tuple[str, ...]]] = (),
    quantities: Callable[..., Mapping[str, Any]] | None = None,
    equation: Callable[..., str] | None = None,
) -> Judge:
    """The judge of a function, compared with `reference` at random points and at the examples.

    The names of the reference's arguments stand in the messages.

    draw: of a random generator, the arguments at one point
    name: of the result; one name for each item of a tuple
    common_errors: wrong functions, each with the sentence for an answer that agrees everywhere
    size: of the terms of a sum, as a function of the arguments; see `same`
    examples: arguments that can be checked by hand, each with what must come out, and why; for
        several results, a text for each
    quantities: what a wrong result may have as a factor, by name, as a function of the arguments
    equation: of a wrong number and the arguments, what the equation of the task gives with it
    """
    callable_("reference", reference)
    callable_("draw", draw, "a function of a Generator that gives the arguments")
    points = whole("points", points)
    names = [name] if isinstance(name, str) else several("name", name, "text, or a list of texts")
    letters = list(inspect.signature(reference).parameters)

    def by_hand(answer: Any, k: int, alike: bool = False) -> str | None:
        return _by_hand(answer, reference, k, names, letters, examples, size, alike)

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            kind = _type_name(answer)
            return f"hand over the function itself, not what it returns (this is {kind})"
        calls, results = [], []
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
                listed = ", ".join(names)
                found = f"{_type_name(result)}{_of(result)}"
                return f"return {len(names)} values, {listed}, not {found}"
            calls.append(arguments)
            results.append(parts)
        sizes = [size(*x) if size else None for x in calls]
        table = [  # for each part, its pairs
            [
                Pair(parts[k], _part(reference(*x), k, names), room)
                for parts, x, room in zip(results, calls, sizes, strict=True)
            ]
            for k in range(len(names))
        ]
        wrong = [k for k, pairs in enumerate(table) if not all(pair.right for pair in pairs)]
        if not wrong:
            for k in range(len(names)):  # at the examples, options are 1 or 0 that no draw gives
                said = by_hand(answer, k, alike=True)
                if said:
                    return said
            return None
        k, pairs, one = wrong[0], table[wrong[0]], names[wrong[0]]
        named = [dict(zip(letters, x, strict=False)) for x in calls]
        others = [quantities(*x) for x in calls] if quantities else ()

        def part(*x: Any) -> Any:
            return _part(reference(*x), k, names)

        return (
            _wrong_kind(pairs, one, alone=len(names) == 1)
            or _common(table, calls, names, common_errors)
            or _exchanged(table, k, names)
            or _compared(pairs, one)
            or slips.simple(pairs, one)
            or slips.altered(pairs, one, part, named)
            or _wrong_shape(pairs, one, named)
            or slips.taken(pairs, one, named)
            or _not_finite(pairs, one)
            or slips.related(pairs, one, named, others)
            or _few_digits(pairs, one)
            or by_hand(answer, k)
            or _wrong_value(pairs, one, named, equation)
        )

    return judge


def varied(make: Callable[[Mapping[str, Any]], Judge]) -> Judge:
    """The judge of an answer for one student's numbers: make(numbers) is the judge for these."""
    callable_("make", make, "a function of the numbers that makes a judge")

    def judge(answer: Any, numbers: Mapping[str, Any]) -> str | None:
        return make(numbers)(answer)

    return judge


# ---- what a wrong answer is ---------------------------------------------------------------------


def _parts(result: Any, count: int) -> tuple[Any, ...] | None:
    if count == 1:
        return (result,)
    return tuple(result) if isinstance(result, tuple | list) and len(result) == count else None


def _part(values: Any, k: int, names: Sequence[str]) -> Any:
    return values if len(names) == 1 else values[k]


def _of(result: Any) -> str:
    return f" of {len(result)}" if isinstance(result, tuple | list) else ""


def _common(
    table: Sequence[Sequence[Pair]], calls: Sequence[tuple[Any, ...]], names: Sequence[str],
    common_errors: Sequence[tuple[Callable[..., Any], str]],
) -> str | None:
    """The sentence of the wrong function that agrees in each of the parts that it gets wrong.

    One that gets the same parts wrong as the answer comes first.
    """
    wrong = [k for k, pairs in enumerate(table) if not all(pair.right for pair in pairs)]
    found = []
    for f, text in common_errors:
        try:
            values = [f(*x) for x in calls]
        except Exception:  # a wrong function need not know what to do with every argument
            continue
        differs = [
            k for k, pairs in enumerate(table)
            if not all(
                pair.of(_part(value, k, names)).right
                for pair, value in zip(pairs, values, strict=True)
            )
        ]
        if wrong[0] in differs and all(
            pair.agrees(_part(value, k, names))
            for k in differs for pair, value in zip(table[k], values, strict=True)
        ):
            found.append((differs != wrong, text))
    return min(found, key=lambda one: one[0])[1] if found else None


def _exchanged(table: Sequence[Sequence[Pair]], k: int, names: Sequence[str]) -> str | None:
    """The message for a part that is what another part should be."""
    for j, pairs in enumerate(table):
        if j == k or not all(a.agrees(b.expected) for a, b in zip(table[k], pairs, strict=True)):
            continue
        if all(
            a.of(b.expected).agrees(-plain(a.expected))
            for a, b in zip(table[k], pairs, strict=True)
        ):
            continue  # a lost sign is the better guess
        if all(b.agrees(a.expected) for a, b in zip(table[k], pairs, strict=True)):
            order = ", ".join(one.removeprefix("your ") for one in names)
            return f"{names[k]} and {names[j]} are exchanged; return them in the order {order}"
        return f"{names[k]} is what {names[j]} should be"
    return None


def _wrong_kind(pairs: Sequence[Pair], name: str, *, alone: bool = False) -> str | None:
    """The message for an answer other than an array of numbers."""
    pair = pairs[0]
    answer = pair.answer
    if answer is None:
        return f"{name} is None; is there a return in your function?"
    if isinstance(answer, tuple | list) and alone:
        for k, x in enumerate(answer):
            if np.ndim(x) == np.ndim(pair.expected) and all(
                isinstance(p.answer, tuple | list) and len(p.answer) == len(answer)
                and p.of(p.answer[k]).right for p in pairs
            ):
                what = name.removeprefix("your ")
                return (
                    f"you return {len(answer)} values, and one of them is right: "
                    f"return {what} alone"
                )
    x = array_of(answer)
    if callable(answer) and x is None:
        return f"{name} is a function; hand over what it returns"
    if x is None:
        return f"{name} is {_type_name(answer)}, and numbers are asked for"
    found = [array_of(p.answer) for p in pairs]
    if any(z is not None and np.iscomplex(z).any() for z in found):
        return f"{name} is complex: is there a root of something negative, or is .imag missing?"
    return None


def _compared(pairs: Sequence[Pair], name: str) -> str | None:
    """The message for what a comparison returns."""
    found = [array_of(pair.answer) for pair in pairs]
    if all(x is not None and x.dtype.kind == "b" for x in found):
        return f"{name} is True or False; numbers are asked for, not a comparison"
    return None


def _wrong_shape(
    pairs: Sequence[Pair], name: str, points: Sequence[slips.Arguments] = ()
) -> str | None:
    for pair in pairs:
        x, y = array_of(pair.answer), np.asarray(pair.expected)
        if x is None or shape_of(x) == shape_of(y):
            continue
        taken = slips.taken(pairs, name, points) if points else None
        return slips.reshaped(pair, name) or (
            f"{taken}: it has shape {x.shape}, and {y.shape} is asked for" if taken
            else f"{name} has shape {x.shape}, and {y.shape} is asked for"
        )
    return None


def _not_finite(pairs: Sequence[Pair], name: str) -> str | None:
    """The message for NaN and infinity, and for an answer of another kind at a later point."""
    for pair in pairs:
        found = array_of(pair.answer)
        if found is None:
            return f"{name} is {_type_name(pair.answer)} at one of the points"
        x, y = plain(found), plain(pair.expected).reshape(found.shape)
        for bad, what, why in (
            (np.isnan, "NaN", "0/0, or a root of something negative"),
            (np.isinf, "infinite", "a division by 0"),
        ):
            wrong = bad(x) & ~bad(y)
            if wrong.any():
                if x.size == 1:
                    return f"{name} is {what}: {why}"
                return f"{name} is {what} in {int(wrong.sum())} of {x.size} entries: {why}"
    return None


def _few_digits(pairs: Sequence[Pair], name: str) -> str | None:
    found = {pair.few_digits() for pair in pairs if not pair.right}
    if len(found) == 1 and "" not in found:
        return f"{name} is right to the digits of {found.pop()} only; keep float64 all the way"
    off = 0.0
    for pair in pairs:
        x, y = plain(array_of(pair.answer)).ravel(), plain(pair.expected).ravel()
        size = np.abs(y).max(initial=0.0)
        off = max(off, float(np.abs(x - y).max(initial=0.0) / size) if size else math.inf)
    if off < 1e-3 and all(pair.digits is None for pair in pairs):
        return (
            f"{name} is off by {off:.0e} of its size: too much for rounding; is there an eps, a "
            "coarse step, or one term too many?"
        )
    return None


def _by_hand(
    answer: Callable[..., Any], reference: Callable[..., Any], k: int, names: Sequence[str],
    letters: Sequence[str], examples: Sequence[tuple[tuple[Any, ...], str | tuple[str, ...]]],
    size: Callable[..., float] | None, alike: bool,
) -> str | None:
    """The message for an input that can be checked on paper, where the answer is wrong there.

    alike: only for an answer of the right shape; another is right for the sizes of the exercise
    """
    for arguments, fact in examples:
        copies = [np.copy(x) if isinstance(x, np.ndarray) else x for x in arguments]
        try:
            parts = _parts(answer(*copies), len(names))
        except Exception:  # it did not fail at the points that count
            continue
        want = _part(reference(*arguments), k, names)
        if parts is None or Pair(parts[k], want, size(*arguments) if size else None).right:
            continue
        got = array_of(parts[k])
        if alike and (got is None or shape_of(got) != shape_of(want)):
            continue
        if got is not None and _listed(got) == _listed(want):
            continue  # the difference would not be seen
        where = _spoken(dict(zip(letters, arguments, strict=False)))
        if got is not None and got.size <= 12:
            text = fact if isinstance(fact, str) else fact[k]
            return f"at {where} {names[k]} is {_listed(got)}; {text}"
    return None


def _wrong_value(
    pairs: Sequence[Pair], name: str, points: Sequence[slips.Arguments] = (),
    equation: Callable[..., str] | None = None,
) -> str | None:
    """The message for any other wrong answer: how much is wrong, and one entry of the answer."""
    single = all(np.size(pair.expected) == 1 for pair in pairs)
    if not points:
        said = (
            _not_finite(pairs, name) or slips.simple(pairs, name) or slips.related(pairs, name)
            or _few_digits(pairs, name)
        )
        if said:
            return said
    index, pair = next((k, pair) for k, pair in enumerate(pairs) if not pair.right)
    where = _spoken(points[index]) if points else ""
    at = f"at {where} " if where else ""
    x, y = plain(array_of(pair.answer)), plain(pair.expected)
    if single:
        value = float(x.reshape(-1)[0])
        if pair.digits and math.isfinite(value) and value:
            want = float(y.reshape(-1)[0])
            side = "too large" if value > want else "too small"
            for few in range(1, pair.digits):
                if value == float(f"{want:.{few - 1}e}"):
                    digits = f"{few} digit{'s' * (few > 1)}, and {pair.digits} are asked for"
                    return f"{name} is {value:.6g}, which is {side}: it is right to {digits}"
            return f"{name} is {value:.6g}, which is {side}"
        if equation and points:
            return f"{at}{name} is {value:.4g}, and {equation(value, *points[index].values())}"
        return f"{at}{name} is {value:.6g}, and that is not it"
    wrong = pair.wrong()
    x = x.reshape(y.shape)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = ", ".join(map(str, first))
    text = f"{at}{name} is wrong in {int(wrong.sum())} of {x.size} entries"
    text += f"; [{place}] is {x[first]:.6g}"
    return text + _source(x, y, first, points[index] if points else {}) + _pattern(wrong)


def _source(
    x: np.ndarray, y: np.ndarray, index: tuple[int, ...], point: slips.Arguments
) -> str:
    """Where a wrong entry comes from, if it is an entry of an argument."""
    for name, array in point.items():
        if not isinstance(array, np.ndarray) or not x[index]:
            continue
        found = np.argwhere(array == x[index])
        if len(found) == 1:
            place = ", ".join(map(str, found[0]))
            text = f", which is {name}[{place}]"
            late = found[0][-1] >= array.shape[-1] / 2
            if not y[index] and late and array.ndim == 1:
                return f"{text}: an index below 0 counts from the end"
            return text
    return ""


def _pattern(wrong: np.ndarray) -> str:
    """Which entries are wrong, where they are whole rows or columns."""
    if wrong.ndim != 2 or wrong.all():
        return ""
    for axis, word in ((1, "row"), (0, "column")):
        each = wrong.all(axis=axis)
        if (wrong.any(axis=axis) == each).all():
            right = [str(k) for k in np.flatnonzero(~each)]
            return f"; {word}{'s' * (len(right) > 1)} {', '.join(right)} " + (
                "are right" if len(right) > 1 else "is right"
            )
    return ""


def _spoken(point: slips.Arguments) -> str:
    """The arguments as text: f(x) = x^2, x = 3, w = [[1, 2]]; "" where there are too many."""
    said = []
    for name, x in point.items():
        if isinstance(x, Formula):
            said.append(f"{name}(x) = {x.text}")
        elif (isinstance(x, np.ndarray) and x.size <= 6) or (np.ndim(x) == 0 and not callable(x)):
            said.append(f"{name} = {_listed(x)}")
        else:
            return ""
    return ", ".join(said)


def _listed(x: Any) -> str:
    """4 digits of each number, in brackets as in a list."""
    x = np.asarray(x)
    if x.ndim == 0:
        return f"{x.item():.4g}" if x.dtype.kind in "iuf" else str(x.item())
    return f"[{', '.join(_listed(one) for one in x)}]"


def _type_name(answer: Any) -> str:
    if answer is None:
        return "None"
    if isinstance(answer, np.ndarray):
        return f"one array of shape {answer.shape}"
    word = type(answer).__name__
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
