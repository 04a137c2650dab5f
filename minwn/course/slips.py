"""The slip behind a wrong function: what would have to be changed to make the answer right?

Two ways to ask, at all points at once. Is the wrong result related to the right one: its negative,
its square, its transpose, some number times it? Or is it the right result for other arguments:
with two of them exchanged, or one left out, halved, squared, or reversed?
A sentence is used only if it holds at every point, so it is true, whatever the learner has done.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .comparison import Pair, array_of, plain, shape_of

__all__ = ["Arguments", "altered", "product", "related", "reshaped", "simple", "taken"]

Arguments = Mapping[str, Any]
Candidate = tuple[str, Any]  # a sentence, and the result for which it is true
FACTORS = tuple(f for k in range(2, 65) for f in (Fraction(k), Fraction(1, k)))
FACTORS += tuple(Fraction(p, q) for p in range(2, 10) for q in range(2, 10) if math.gcd(p, q) == 1)
POWERS = (1, -1, 2, -2, 0.5, -0.5, 3, -3, 4, -4, 0.25, -0.25)


def _first(pairs: Sequence[Pair], candidates: Sequence[Iterator[Candidate]]) -> str | None:
    """The first sentence that is true at every point."""
    with np.errstate(all="ignore"):  # here: a generator would leave it on between its values
        for one in zip(*candidates, strict=True):
            (text, _), *_ = one
            if all(pair.agrees(value) for pair, (_, value) in zip(pairs, one, strict=True)):
                return text
    return None


# ---- the right result for other arguments --------------------------------------------------------


def altered(
    pairs: Sequence[Pair], name: str, reference: Callable[..., Any], points: Sequence[Arguments]
) -> str | None:
    """The arguments for which the answer would be right, as a sentence."""
    found: list[list[Candidate]] = []
    with np.errstate(all="ignore"):
        sentences = [text for text, _ in _alterations(name, points[0])]
        for point in points:
            rows = []
            for text, arguments in _alterations(name, point):
                try:
                    value = reference(*arguments)
                    finite = np.isfinite(plain(array_of(value))).all()
                except Exception:  # the reference need not know what to do with such arguments
                    finite, value = False, None
                rows.append((text, value if finite else None))
            found.append(rows)
    if any([text for text, _ in rows] != sentences for rows in found):
        return None
    return _first(pairs, [iter(rows) for rows in found])


def _alterations(name: str, point: Arguments) -> Iterator[tuple[str, list[Any]]]:
    names, values = list(point), list(point.values())

    def put(changes: Mapping[int, Any]) -> list[Any]:
        return [changes.get(k, value) for k, value in enumerate(values)]

    for i, j in itertools.combinations(range(len(values)), 2):
        a, b = values[i], values[j]
        if _alike(a, b):
            yield (
                f"{name} is right for exchanged arguments: {names[j]} where {names[i]} belongs, "
                f"and {names[i]} where {names[j]} belongs", put({i: b, j: a}),
            )
            yield (
                f"{name} is right for {names[j]} = {names[i]}: {names[i]} is used where "
                f"{names[j]} belongs", put({j: a}),
            )
            yield (
                f"{name} is right for {names[i]} = {names[j]}: {names[j]} is used where "
                f"{names[i]} belongs", put({i: b}),
            )
    for k, value in enumerate(values):
        for text, other in _changes(names[k], value):
            yield f"{name} is right for {text}", put({k: other})


def _alike(a: Any, b: Any) -> bool:
    if _number(a) and _number(b):
        return isinstance(a, int | np.integer) == isinstance(b, int | np.integer)
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape


def _number(x: Any) -> bool:
    return isinstance(x, int | float | np.integer | np.floating) and not isinstance(x, bool)


def _changes(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """("a y_bar of ones", the ones): other values for one argument."""
    whole = isinstance(x, int | np.integer)
    if _number(x):
        yield f"{name} = 1: {name} does not count in it", type(x)(1)
        yield f"{name} = 0: {name} does not count in it", type(x)(0)
        yield f"2 {name} in place of {name}", 2 * x
        yield f"-{name} in place of {name}: is there a wrong sign?", -x
        yield f"{name}^2 in place of {name}", x * x
        yield f"{name} - 1 in place of {name}: one too few", x - 1
        yield f"{name} + 1 in place of {name}: one too many", x + 1
        if not whole:
            yield f"{name}/2 in place of {name}", x / 2
            yield f"1/{name} in place of {name}: upside down", 1 / x if x else x
            yield f"the root of {name} in place of {name}", math.sqrt(abs(x))
            yield f"the fourth root of {name} in place of {name}", abs(x) ** 0.25
            yield f"{name}^4 in place of {name}", x**4
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        yield f"{name} = 0: {name} does not count in it", np.zeros_like(x)
        yield f"a {name} of ones: {name} itself does not count in it", np.ones_like(x)
        yield f"-{name} in place of {name}: is there a wrong sign?", -x
        yield f"|{name}| in place of {name}: its signs are lost", abs(x)
        yield f"2 {name} in place of {name}: it counts twice", 2 * x
        yield f"{name}/2 in place of {name}: it counts half", x / 2
        yield f"{name}^2 in place of {name}, entry by entry", x * x
        yield f"1/{name} in place of {name}, entry by entry", 1 / x
        yield f"the roots of {name} in place of {name}", np.sqrt(abs(x))
        for axis in range(x.ndim):
            along = f" along its axis {axis}" if x.ndim > 1 else ""
            yield f"{name} turned round{along}, the last entry first", np.flip(x, axis)
            yield (
                f"{name}[-k] in place of {name}[k]{along}: is there a minus in an index?",
                np.roll(np.flip(x, axis), 1, axis),
            )
            yield (
                f"a {name} that is replaced by its mean{along}",
                np.broadcast_to(x.mean(axis=axis, keepdims=True), x.shape).copy(),
            )
            yield (
                f"a {name} that is replaced by its sum{along}",
                np.broadcast_to(x.sum(axis=axis, keepdims=True), x.shape).copy(),
            )
            first = np.take(x, [0], axis=axis)
            yield (
                f"a {name} whose first entry{along} stands for all",
                np.broadcast_to(first, x.shape).copy(),
            )
        if x.ndim > 1:
            yield f"a {name} that is replaced by its mean", np.full_like(x, x.mean())
            yield f"a {name} that is replaced by its sum", np.full_like(x, x.sum())
        if x.ndim == 2 and x.shape[0] == x.shape[1]:
            yield f"{name} transposed", x.T


# ---- a result that is related to the right one -------------------------------------------------


def simple(pairs: Sequence[Pair], name: str) -> str | None:
    """The sign, a power, or a factor: what may be wrong with a result in any exercise."""
    many = sum(np.size(pair.expected) for pair in pairs) > 1
    sentence = _first(pairs, [_signs(plain(pair.expected), name) for pair in pairs])
    if sentence or not many:
        return sentence
    powers = _first(pairs, [_powers(plain(pair.expected), name) for pair in pairs])
    return powers or _factor(pairs, name) or _offset(pairs, name)


def related(
    pairs: Sequence[Pair], name: str, points: Sequence[Arguments] = (),
    others: Sequence[Mapping[str, Any]] = (),
) -> str | None:
    """How the answer is made from the expected one, as a sentence.

    points: the arguments, at each point
    others: what else a result may be multiplied by, such as {"n": ...}, at each point
    """
    if sum(np.size(pair.expected) for pair in pairs) == 1:
        return None  # one number is related to another in many ways
    lone = all(np.size(pair.expected) == 1 for pair in pairs)
    sentence = None
    quantities = [_quantities(point) for point in points] or [{} for _ in pairs]
    if others:
        quantities = [{**a, **b} for a, b in zip(quantities, others, strict=True)]
    if not sentence and quantities[0]:
        sentence = _monomial(pairs, name, quantities) if lone else _first(
            pairs,
            [_scaled(plain(p.expected), name, q) for p, q in zip(pairs, quantities, strict=True)],
        )
        sentence = sentence or _first(
            pairs,
            [_shifted(plain(p.expected), name, q) for p, q in zip(pairs, quantities, strict=True)],
        )
    return sentence or _first(pairs, [_arranged(plain(p.expected), name) for p in pairs])


def _signs(y: np.ndarray, name: str) -> Iterator[Candidate]:
    yield f"{name} has the right size and the wrong sign", -y
    yield f"{name} has the right size, but its sign is lost: it is never negative", abs(y)
    yield f"{name} is 0 everywhere" if y.size > 1 else f"{name} is 0", 0 * y


def _powers(y: np.ndarray, name: str) -> Iterator[Candidate]:
    yield (
        f"{name} is cut to a whole number: is there a //, or an int?",
        None if (y == np.rint(y)).all() else np.floor(y),
    )
    for k, power in ((2, "square"), (3, "third power"), (4, "fourth power")):
        yield (
            f"{name} is 1/{k} of the {power} of what it should be; if you have written "
            f"a**1/{k}, that is (a**1)/{k}: write a ** (1 / {k})", y**k / k,
        )
    yield f"{name} is the square of what it should be", y * y
    yield f"{name} is the root of what it should be", np.sqrt(abs(y))
    yield f"{name} is 1 over what it should be: it is upside down", 1 / y
    yield f"{name} is minus 1 over what it should be", -1 / y
    yield f"{name} is the third power of what it should be", y**3
    yield f"{name} is the fourth power of what it should be", y**4
    yield f"{name} is the fourth root of what it should be", np.sqrt(np.sqrt(abs(y)))
    yield f"{name} is what it should be to the power of 3/2", abs(y) ** 1.5
    yield f"{name} is what it should be to the power of 9", y**9
    yield f"{name} is the logarithm of what it should be", np.log(abs(y))


def _ratio(pairs: Sequence[Pair]) -> float:
    """The answer over the expected value, where that is largest."""
    x, y = (plain(array_of(z)).ravel() for z in (pairs[0].answer, pairs[0].expected))
    if x.size != y.size or not x.size or x.dtype.kind == "c":
        return math.nan
    at = int(np.argmax(abs(y)))
    return float(x[at] / y[at]) if y[at] else math.nan


def _factor(pairs: Sequence[Pair], name: str) -> str | None:
    c = _ratio(pairs)
    if not math.isfinite(c) or c == 0:
        return None
    if not all(pair.agrees(c * plain(pair.expected)) for pair in pairs):
        return None
    if abs(abs(c) - 1) < 1e-3:  # an eps or too few digits: this is no factor in a formula
        return None
    return f"{name} is {_text(c)} times what it should be"


def _text(c: float) -> str:
    """1/3, the root of 2, 1.03"""
    sign, size = ("-" if c < 0 else ""), abs(c)
    for f in FACTORS:
        if abs(float(f) - size) < 1e-6 * size:
            return f"{sign}{f}"
    for power, root in ((2, "root"), (3, "cube root"), (4, "fourth root")):
        for f in FACTORS:
            if abs(f ** (1 / power) - size) < 1e-6 * size:
                return f"{'minus ' if sign else ''}the {root} of {f}"
    return f"{c:.4g}"


def _offset(pairs: Sequence[Pair], name: str) -> str | None:
    x, y = (plain(array_of(z)) for z in (pairs[0].answer, pairs[0].expected))
    if x.size != y.size or not x.size or x.dtype.kind == "c":
        return None
    c = float(np.ravel(x)[0] - np.ravel(y)[0])
    if not math.isfinite(c) or not c:
        return None
    if not all(pair.agrees(plain(pair.expected) + c) for pair in pairs):
        return None
    return f"{name} is {abs(c):.4g} too {'large' if c > 0 else 'small'}, everywhere"


def _quantities(point: Arguments) -> dict[str, Any]:
    return {
        name: x for name, x in point.items()
        if _number(x) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
    }


def _monomial(
    pairs: Sequence[Pair], name: str, quantities: Sequence[Mapping[str, Any]]
) -> str | None:
    """A result that is c a^p b^q times what it should be, for one or two of the numbers a, b."""
    names = [k for k in quantities[0] if all(np.ndim(q[k]) == 0 and q[k] > 0 for q in quantities)]
    tries: list[tuple[tuple[str, float], ...]] = [((a, p),) for a in names for p in POWERS]
    tries += [
        ((a, p), (b, q))
        for a, b in itertools.combinations(names, 2) for p in POWERS[:6] for q in POWERS[:6]
    ]
    for factors in tries:
        sizes = [math.prod(float(q[k]) ** p for k, p in factors) for q in quantities]
        c = _ratio(pairs) / sizes[0]
        known = any(abs(abs(c) - f) < 1e-9 * f for f in (1.0, *map(float, FACTORS[:8])))
        if known and all(
            pair.agrees(c * size * plain(pair.expected))
            for pair, size in zip(pairs, sizes, strict=True)
        ):
            return f"{name} is {product(factors, c)} times what it should be"
    return None


def product(factors: Sequence[tuple[str, float]], c: float = 1.0) -> str:
    """2 lr^2 / G"""
    above: list[str] = []
    below: list[str] = []
    for name, p in factors:
        size = abs(p)
        whole = int(size) if size == int(size) else 0
        one = name if size == 1 else f"{name}^{whole or Fraction(size)}"
        one = f"{name}^(1/{round(1 / size)})" if not whole else one
        (above if p > 0 else below).append(one)
    size = abs(c)
    if below and size < 1 and abs(1 / size - round(1 / size)) < 1e-9:
        below, c = [str(round(1 / size)), *below], math.copysign(1.0, c)
    head = "" if abs(c - 1) < 1e-9 else "-" if abs(c + 1) < 1e-9 else f"{_text(c)} "
    text = head + (" ".join(above) or ("1" if below and not head.strip(" -") else ""))
    under = below[0] if len(below) == 1 else f"({' '.join(below)})"
    return f"{text.strip()}/{under}" if below else text


def _fits(y: np.ndarray, q: Any) -> np.ndarray | None:
    """q repeated to the shape of y, or None."""
    q = np.asarray(q, dtype="float64")
    try:
        return np.broadcast_to(q, y.shape) if q.size > 1 or y.size > 1 else q.reshape(y.shape)
    except ValueError:
        return None


def _scaled(y: np.ndarray, name: str, quantities: Mapping[str, Any]) -> Iterator[Candidate]:
    """A result times a factor: an argument, its square, its root, or 1 over these."""
    fitting = {k: _fits(y, q) for k, q in quantities.items()}
    for k, q in fitting.items():
        for p in POWERS[:6]:
            for c in (1.0, -1.0, 2.0, 0.5):
                value = None if q is None else c * y * _power(q, p)
                yield f"{name} is {product(((k, p),), c)} times what it should be", value
    for (a, qa), (b, qb) in itertools.combinations(fitting.items(), 2):
        for i, j in itertools.product((1, -1, 2, -2), repeat=2):
            value = None if qa is None or qb is None else y * qa**i * qb**j
            yield f"{name} is {product(((a, i), (b, j)))} times what it should be", value


def _power(q: np.ndarray, p: float) -> np.ndarray:
    return q**p if p == int(p) else np.where(q > 0, q, np.nan) ** p


def _shifted(y: np.ndarray, name: str, quantities: Mapping[str, Any]) -> Iterator[Candidate]:
    """A result that has an argument too many, or too few, as a term."""
    for k, q in quantities.items():
        fits = _fits(y, q)
        for c, text in (
            (1, f"{name} has the term {k} too much"),
            (-1, f"{name} lacks the term {k}"),
            (2, f"{name} has the term {k} too much, twice"),
            (-2, f"{name} is too small by 2 {k}: should {k} be added, not taken away?"),
        ):
            yield text, None if fits is None else y + c * fits


def _arranged(y: np.ndarray, name: str) -> Iterator[Candidate]:
    """The right numbers in the wrong places, or one number in all of them."""
    square = y.ndim == 2 and y.shape[0] == y.shape[1]
    yield f"{name} has the right values, but is transposed", y.T if square else None
    yield f"{name} has a 0 in the place of each negative number", np.maximum(y, 0)
    for axis in range(y.ndim):
        along = f" along axis {axis}" if y.ndim > 1 else ""
        yield f"{name} has the right values, but turned round{along}", np.flip(y, axis)
        for step in (1, -1):
            moved = np.roll(y, step, axis)
            yield f"{name} has the right values, moved by one place{along}", moved
        for text, value in (
            ("sum", y.sum(axis=axis, keepdims=True)), ("mean", y.mean(axis=axis, keepdims=True)),
        ):
            yield (
                f"{name} has the {text}{along} of what it should be in every place",
                np.broadcast_to(value, y.shape) + 0,
            )
    yield f"{name} has one sum in every place; each entry should have its own", 0 * y + y.sum()
    yield f"{name} has one mean in every place; each entry should have its own", 0 * y + y.mean()


def taken(pairs: Sequence[Pair], name: str, points: Sequence[Arguments]) -> str | None:
    """The message for an answer that is an argument, or a sum of it along an axis."""
    for k, x in points[0].items():
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.ndim:
            continue
        if all(pair.agrees(point[k]) for pair, point in zip(pairs, points, strict=True)):
            return f"{name} is {k} itself"
        for axis in (*range(x.ndim), None):
            for word in ("sum", "mean"):
                if all(
                    pair.agrees(getattr(point[k], word)(axis=axis))
                    for pair, point in zip(pairs, points, strict=True)
                ):
                    along = "" if axis is None or x.ndim == 1 else f" along axis {axis}"
                    return f"{name} is the {word} of {k}{along}"
    return None


def reshaped(pair: Pair, name: str) -> str | None:
    """How an answer of another shape is related to the right one: a sum too few or too many."""
    x, y = plain(array_of(pair.answer)), plain(pair.expected)
    if x.ndim == 2 and x.T.shape == y.shape and pair.of(x.T).agrees(y):
        return f"{name} has the right values, but is transposed: its shape is {x.shape}"
    if shape_of(x) == shape_of(y) or not x.size or not y.size:
        return None
    for axis in range(x.ndim):
        for word, value in (("sum", x.sum(axis=axis)), ("mean", x.mean(axis=axis))):
            if pair.of(value).agrees(y):
                return f"{name} has shape {x.shape}; its {word} along axis {axis} would be right"
        for k, word in ((0, "first"), (-1, "last")):
            one = np.take(x, [k], axis)
            if pair.of(np.squeeze(one, axis)).agrees(y):
                if (x == one).all():
                    return f"{name} has shape {x.shape}: right, but repeated along axis {axis}"
                return (
                    f"{name} has shape {x.shape}; only what is {word} along axis {axis} is asked "
                    "for"
                )
    if x.ndim == 2 and x.shape[0] == x.shape[1] and pair.of(np.diag(x)).agrees(y):
        return f"{name} has shape {x.shape}; only its diagonal is what is asked for"
    if x.size == y.size and pair.of(x.reshape(y.shape)).agrees(y):
        return f"{name} has the right values in another shape: {x.shape}, not {y.shape}"
    if x.size == y.size and y.ndim == 2 and pair.of(x.reshape(y.T.shape).T).agrees(y):
        return (
            f"{name} has the right columns, but one after another: its shape is {x.shape}, not "
            f"{y.shape}"
        )
    for axis in (*range(y.ndim), None):
        for word, value in (("sum", y.sum(axis=axis)), ("mean", y.mean(axis=axis))):
            if pair.agrees(value):
                along = "of all numbers" if axis is None else f"along axis {axis}"
                return (
                    f"{name} has shape {x.shape}: it is the {word} {along} of what is asked for, "
                    f"which has shape {y.shape}"
                )
    return None
