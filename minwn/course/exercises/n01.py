"""Exercises of notebook 1: gradients you can trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import points
from ..comparison import array_of
from ..exercise import Exercise
from ..judges import Formula, choice, function, number

__all__ = ["EXERCISES"]

Real = Callable[[Any], Any]


def curve(rng: np.random.Generator) -> tuple[Formula, float, float]:
    """A smooth f of real and complex numbers, rising or falling, a point x, a coarse step h."""
    a, c = round(rng.uniform(1, 2), 2), round(rng.uniform(1, 3), 2)
    x, h, sign = rng.uniform(0.5, 1), rng.uniform(0.1, 0.2), rng.choice([1, -1])
    text = f"{'-' if sign < 0 else ''}(sin({a} x) + {c} exp(x/2))"
    return Formula(text, lambda x: sign * (np.sin(a * x) + c * np.exp(x / 2))), x, h


def bent(rng: np.random.Generator) -> tuple[Formula, float, float]:
    """The same, with a kink near x or far from it, upwards or downwards."""
    f, x, h = curve(rng)
    at = x + rng.choice([0.0, 0.4 * h, 5 * h])
    sign = rng.choice([1, -1])
    text = f"{f.text} {'+' if sign > 0 else '-'} |x - {at:.6g}|"
    return Formula(text, lambda x: f(x) + sign * abs(x - at)), x, h


def pairs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two gradients: tiny, large, of two signs, one of them zero, both of them zero."""
    a = rng.normal(size=9) * 10.0 ** np.array([0, -3, -9, -150, 5, 0, 0, 0, 1])
    b = a * rng.uniform(0.5, 2, 9)
    b[4], a[5], a[6], b[6], b[7] = -a[4], 0, 0, 0, 0
    return a, b


def layer(rng: np.random.Generator) -> tuple[Real, np.ndarray, np.ndarray, float]:
    """f: (3, 2) -> (3, 4), a point, a cotangent and a coarse step."""
    mix = rng.normal(size=(2, 4))
    x, y_bar = rng.normal(size=(3, 2)), rng.normal(size=(3, 4))
    return lambda x: np.tanh(x @ mix), x, y_bar, rng.uniform(0.1, 0.2)


def _central(f: Real, x: float, h: float) -> float:
    return (f(x + h) - f(x - h)) / (2 * h)


def _complex(f: Real, x: float) -> float:
    return f(x + 1e-20j).imag / 1e-20


def _gap(f: Real, x: float, h: float) -> float:
    return (f(x + h) - f(x)) / h - (f(x) - f(x - h)) / h


def _relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    larger = np.maximum(abs(a), abs(b))
    return abs(a - b) / np.where(larger == 0, 1, larger)


def _over(denominator: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """|a - b| over another denominator; 0 in place of 0 / 0."""

    def wrong(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.where((a == 0) & (b == 0), 0, abs(a - b) / denominator(a, b))

    return wrong


def _measured(f: Real, x: Any, y_bar: Any, h: float, how: str = "") -> np.ndarray:
    """The pullback by differences. how: a common error in it, or "" for none."""
    x, x_bar = x.copy(), np.zeros_like(x)
    weights = np.ones_like(y_bar) if how == "ones" else y_bar
    for index in np.ndindex(*x.shape):
        moved = np.zeros_like(x)
        moved[... if how == "all" else index[:1] if how == "rows" else index] = h
        start = 0 * x if how == "from 0" else x
        up, down = f(start + moved), f(x if how == "one-sided" else start - moved)
        x_bar[index] = (weights * (up - down)).sum() / (
            h if how in ("one-sided", "no 2") else 2 * h
        )
        if how == "stays":
            x = x + moved
    return x_bar


def _mistaken(how: str) -> Callable[..., np.ndarray]:
    return lambda f, x, y_bar, h: _measured(f, x, y_bar, h, how)


def judge_complex(answer: Any) -> str | None:
    """The judge of 1.4, which also recognises a difference by its lost digits."""
    known = function(
        _complex,
        lambda rng: curve(rng)[:2],
        "your derivative",
        points=6,
        common_errors=(
            (lambda f, x: f(x + 1e-20j).imag, "you have the imaginary part, not divided by h"),
            (lambda f, x: f(x) / 1e-20, "this is the real part, f(x), over h; take .imag"),
            (
                lambda f, x: f(x + 1e-20j).imag * 1e-20,
                "you multiply by h; the imaginary part is h f'(x), so divide by h",
            ),
            (
                lambda f, x: f(1e-20j).imag / 1e-20,
                "this is the derivative at 0: the step must start from x",
            ),
            (
                lambda f, x: f(x + 1j).imag,
                "your step is 1; it should be tiny, and what comes out is then divided by it",
            ),
            (lambda f, x: 0.0, "your result is 0: has the step left the imaginary axis?"),
            (
                lambda f, x: f(x + 1e-20j).imag / 2e-20,
                "you divide by 2 h, as for two points; there is only one here",
            ),
        ),
        examples=((
            (Formula("x^2", lambda x: x * x), 3.0), "the derivative of x^2 at 3 is 6",
        ),),
    )
    message = known(answer)
    if message and callable(answer):
        f, x = curve(np.random.default_rng(0))[:2]
        got, right = array_of(answer(f, x)), _complex(f, x)
        if got is None or got.size != 1:
            return message
        if np.iscomplexobj(got):
            return (
                f"your derivative is complex, {complex(np.ravel(got)[0]):.3g}; it is in the "
                "imaginary part of f(x + i h) alone: take .imag, and divide by h"
            )
        off = abs(float(got.reshape(())) - right) / abs(right)
        if 0 < off < 1e-2:
            return (
                f"your derivative is wrong by {off:.0e} of itself: either something is still "
                "subtracted, or the step is not tiny"
            )
    return message


def judge_relative(answer: Any) -> str | None:
    """The judge of 1.7, without NumPy's warnings about 0/0."""
    known = function(
        _relative,
        pairs,
        "your error",
        common_errors=(
            (
                _over(lambda a, b: abs(a)),
                "you divide by |a| alone; a and b should be treated alike",
            ),
            (
                _over(lambda a, b: abs(b)),
                "you divide by |b| alone; a and b should be treated alike",
            ),
            (
                _over(lambda a, b: abs(a) + abs(b)),
                "you divide by |a| + |b|; asked for is the larger of the two",
            ),
            (
                _over(lambda a, b: np.maximum(1, np.maximum(abs(a), abs(b)))),
                "your denominator is never below 1: of a gradient of 1e-9 you would see nothing",
            ),
            (
                lambda a, b: np.where(a == b, 0, (a - b) / np.maximum(abs(a), abs(b)).clip(1e-300)),
                "your error has a sign: a negative one is below every limit",
            ),
            (lambda a, b: abs(a - b), "this is the absolute error: it is not divided by anything"),
            (
                _over(lambda a, b: np.maximum(a, b)),
                "your denominator is the larger of a and b; take it of |a| and |b|",
            ),
            (
                _over(lambda a, b: np.minimum(abs(a), abs(b))),
                "you divide by the smaller of |a| and |b|; the larger is asked for",
            ),
            (
                lambda a, b: abs(a - b) / max(abs(a).max(), abs(b).max()),
                "you divide all entries by one number; each entry has a denominator of its own",
            ),
            (
                lambda a, b: np.where(a == 0, 0, _relative(a, b)),
                "where a is 0 and b is not, the error is 1; only where both are 0 is it 0",
            ),
            (
                lambda a, b: np.where((a == 0) | (b == 0), 0, _relative(a, b)),
                "where one of the two is 0, the error is 1; only where both are 0 is it 0",
            ),
        ),
        examples=tuple(
            ((np.array([a]), np.array([b])), fact)
            for a, b, fact in (
                (1.0, 2.0, "they differ by 1, which is half of the larger"),
                (2.0, 1.0, "they differ by 1, which is half of the larger"),
                (-1.0, 1.0, "they differ by 2, and the larger of |a| and |b| is 1"),
                (3.0, 0.0, "they differ by 3, and the larger of |a| and |b| is 3"),
                (0.0, 0.0, "where both are 0, the error is 0"),
            )
        ),
    )
    with np.errstate(all="ignore"):
        message = known(answer)
        if message and ("wrong in" in message or "off by" in message):
            for a in (2e-9, 2e-150):
                got = float(np.ravel(answer(np.array([a]), np.array([a / 2])))[0])
                if got < 0.45:
                    return (
                        f"for a = {a:g}, b = {a / 2:g} your error is {got:.2g}: what you add to "
                        "the denominator hides it"
                    )
    return message


def judge_fooled(answer: Any) -> str | None:
    """Whether the gradient without the projection is right at this point, and not 0."""
    found = points.read(answer)
    if isinstance(found, str):
        return found
    v, g, w_bar = found
    if not g.all():
        return "where g is 0 every v_bar is 0, and the checker sees nothing at all; take another g"
    if not w_bar.any(axis=1).all():
        return "a row of your w_bar is zero: nothing is pulled back, so every gradient passes"
    d = (w_bar * v).sum(axis=1)
    size = (abs(w_bar) * abs(v)).sum(axis=1)
    seen = abs(d) > 1e-10 * size
    if seen.any():
        row = int(np.argmax(seen))
        return (
            f"the checker sees it: in row {row} your <w_bar, v> is {d[row]:.4g}, and the term that "
            "the wrong gradient lacks is a multiple of that"
        )
    return None


def cube(rng: np.random.Generator) -> dict[str, Any]:
    """x and h of 1.T1."""
    return {"x": float(rng.integers(2, 10)), "h": float(rng.choice([0.1, 0.2, 0.5]))}


def _slope(x: Mapping[str, float]) -> float:
    return _central(lambda t: t**3, x["x"], x["h"])


EXERCISES = (
    Exercise(
        "1.1",
        "the error while the step shrinks",
        choice("first falls, then rises", {
            "keeps falling": "It falls and then rises: the difference of two nearly equal numbers "
            "has few digits left, and it is divided by a small step.",
            "stays the same": "It falls and then rises: first the curve is less and less bent "
            "between the points, then rounding takes over.",
        }),
        explanation="The curve is less bent between closer points, until rounding takes over.",
        choices=("keeps falling", "stays the same", "first falls, then rises"),
    ),
    Exercise(
        "1.2",
        "the central difference",
        function(
            _central,
            curve,
            "your slope",
            points=6,
            common_errors=(
                (
                    lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h,
                    "you multiply by h: /2*h divides by 2 and then multiplies; write / (2 * h)",
                ),
                (
                    lambda f, x, h: (f(x + h) - f(x - h)) / h,
                    "your slope is twice what it should be: how far apart are the two points?",
                ),
                (lambda f, x, h: (f(x + h) - f(x)) / h,
                 "this is the one-sided quotient, to the right"),
                (lambda f, x, h: (f(x) - f(x - h)) / h,
                 "this is the one-sided quotient, to the left"),
                (
                    lambda f, x, h: (f(x + h) - 2 * f(x) + f(x - h)) / h**2,
                    "this is the second difference, for the second derivative",
                ),
                (lambda f, x, h: _central(f, x, h / 2), "your points are h/2 away from x, not h"),
                (lambda f, x, h: _central(f, x, 1e-5), "your step is not the h that is given"),
                (lambda f, x, h: f(x + h) - f(x - h),
                 "this is the difference; divide by the distance"),
                (
                    lambda f, x, h: (f(x + h) - f(x - h)) / 2,
                    "you divide by 2, as for a mean; divide by the distance of the points, 2 h",
                ),
                (
                    lambda f, x, h: (f(x + h) + f(x - h)) / (2 * h),
                    "you add the two values; a slope is made from their difference",
                ),
                (
                    lambda f, x, h: (f(x + h) - f(x)) / (2 * h),
                    "you divide by 2 h, but your points, x and x + h, are h apart",
                ),
                (
                    lambda f, x, h: f(x + h) - f(x - h) / (2 * h),
                    "only f(x - h) is divided; put the difference in brackets",
                ),
                (
                    lambda f, x, h: (f(x + h / 2) - f(x - h / 2)) / (2 * h),
                    "your points are h apart, h/2 on each side, and you divide by 2 h",
                ),
                (
                    lambda f, x, h: (f(x + 2 * h) - f(x - 2 * h)) / (2 * h),
                    "your points are 2 h away from x on each side, not h",
                ),
            ),
            examples=(
                ((Formula("x", lambda x: x), 2.0, 0.25), "the slope of this line is 1"),
                (
                    (Formula("x^2", lambda x: x * x), 3.0, 0.5),
                    "the points are (2.5, 6.25) and (3.5, 12.25), so the slope is 6",
                ),
            ),
        ),
        (
            "the same idea as one_sided, with one point to the right of x and one to the left",
            "the points are x + h and x - h; how far is it from one to the other?",
            "mind the brackets: a/2*h is not a/(2*h)",
        ),
    ),
    Exercise(
        "1.3",
        "the best step",
        function(
            lambda u, F, M: (3 * u * F / M) ** (1 / 3),
            lambda rng: (2.0 ** -rng.integers(20, 54), rng.uniform(1, 50), rng.uniform(1, 50)),
            "your step",
            common_errors=(
                (
                    lambda u, F, M: (u * F / M) ** (1 / 3),
                    "a factor under the root is missing; differentiate h^2 and 1/h once more",
                ),
                (
                    lambda u, F, M: (6 * u * F / M) ** (1 / 3),
                    "this is where the two terms are equal; the sum is smallest elsewhere",
                ),
                (lambda u, F, M: u ** (1 / 3), "your step knows neither F nor M"),
                (
                    lambda u, F, M: (3 * u * F / M) ** 0.5,
                    "that is a square root; count the powers of h again",
                ),
                (lambda u, F, M: np.sqrt(u), "that is the rule for a one-sided quotient"),
                (lambda u, F, M: 3 * u * F / M, "this is h cubed; a root is missing"),
                (
                    lambda u, F, M: (3 * u * M / F) ** (1 / 3),
                    "your F and M have changed places: more rounding asks for a larger step",
                ),
                (lambda u, F, M: u,
                 "with h = u the points x + h and x are the same number, or nearly"),
                (
                    lambda u, F, M: 3 * (u * F / M) ** (1 / 3),
                    "the factor 3 stands in front of the root; it belongs under it",
                ),
            ),
            points=5,
            examples=((
                (1.0, 1.0, 3.0), "h^2/2 + 1/h is smallest where its slope, h - 1/h^2, is 0: at 1",
            ),),
            equation=lambda h, u, F, M: (
                f"there the slope of M h^2/6 + u F/h is {M * h / 3 - u * F / h**2:.3g}; where it "
                "is smallest, the slope is 0"
            ),
        ),
        (
            "where a sum is smallest, its derivative by h is zero",
            "the derivative of M h^2/6 is M h/3; that of u F/h has a minus sign and h^2 below",
            "setting the two equal gives h cubed",
        ),
        explanation="In float64, with F and M near 1, it is about 7e-6; in float32 it is about "
        "6e-3.",
    ),
    Exercise(
        "1.4",
        "the complex step",
        judge_complex,
        (
            "evaluate f at x + 1j * h, once",
            "of the result, the derivative stands in the imaginary part: .imag",
            "look at the series above: what multiplies i f'(x)?",
        ),
    ),
    Exercise(
        "1.5",
        "a complex step through np.linalg.norm",
        choice("another number", {
            "the derivative": "It is another number. np.linalg.norm takes |z| of each entry first, "
            "and |z| does not feel a tiny imaginary part: the norm is treated as a constant.",
            "an error": "There is no error, and that is the danger: the norm takes |z| of each "
                        "entry "
            "first, which does not feel a tiny imaginary part.",
        }),
        explanation="The norm takes |z| of each entry first, and is thus treated as a constant.",
        choices=("the derivative", "another number", "an error"),
    ),
    Exercise(
        "1.6",
        "the gap between two slopes",
        function(
            _gap,
            bent,
            "your gap",
            size=lambda f, x, h: (abs(f(x)) + 1) / h,
            common_errors=(
                (
                    lambda f, x, h: (f(x + h) - f(x)) / h - (f(x - h) - f(x)) / h,
                    "your left slope has the wrong sign: from x - h to x, f rises by f(x) - f(x - "
                    "h)",
                ),
                (lambda f, x, h: _gap(f, x, h) / h, "you divide by h once too often"),
                (lambda f, x, h: _gap(f, x, h) * h,
                 "this is the gap of the rises; a slope is rise over h"),
                (lambda f, x, h: -_gap(f, x, h), "this is left minus right; take right minus left"),
                (lambda f, x, h: _gap(f, x, h) / 2, "your gap is half of what it should be"),
                (_central, "this is the mean of the two slopes; take their difference"),
                (
                    lambda f, x, h: (f(x + h) - f(x)) / h,
                    "this is the right slope alone; the left one is to be taken away",
                ),
                (
                    lambda f, x, h: ((f(x + h) - f(x)) / h) / ((f(x) - f(x - h)) / h),
                    "this is one slope over the other; take their difference",
                ),
                (
                    lambda f, x, h: (f(x + h) - f(x) - f(x) - f(x - h)) / h,
                    "a bracket is missing: the left rise is f(x) - f(x - h), and all of it goes "
                    "away",
                ),
            ),
            points=6,
            examples=(
                (
                    (Formula("|x|", abs), 0.0, 0.5),
                    "to the right the slope is 1, to the left it is -1, so the gap is 2",
                ),
                (
                    (Formula("-x^2", lambda x: -x * x), 1.0, 0.5),
                    "to the right the slope is -2.5, to the left it is -1.5",
                ),
            ),
        ),
        (
            "the right slope is the quotient one_sided(f, x, h)",
            "the left slope is the rise from x - h to x, over h",
            "subtract: a smooth curve has nearly the same slope on both sides",
        ),
    ),
    Exercise(
        "1.7",
        "the relative error",
        judge_relative,
        (
            "the denominator is the larger of |a| and |b|: np.maximum",
            "where both are zero the denominator is zero, too; replace it there before you divide",
            "np.where(larger == 0, 1, larger) is a denominator that is never zero",
        ),
    ),
    Exercise(
        "1.8",
        "a gradient by measuring",
        function(
            _measured,
            layer,
            "your gradient",
            common_errors=(
                (
                    _mistaken("ones"),
                    "you sum the outputs: that is a cotangent of ones, whatever y_bar is",
                ),
                (_mistaken("one-sided"), "your difference is one-sided"),
                (
                    _mistaken("no 2"),
                    "your gradient is twice what it should be: the two points are 2 h apart",
                ),
                (
                    _mistaken("all"),
                    "you move all entries at once; each has a derivative of its own",
                ),
                (
                    _mistaken("stays"),
                    "the entries that you have moved stay moved; put each back before the next",
                ),
                *(
                    (all_at_once, "you move all entries at once; each has a derivative of its own")
                    for all_at_once in (
                        lambda f, x, y_bar, h: y_bar * (f(x + h) - f(x - h)) / (2 * h),
                        lambda f, x, y_bar, h: (y_bar * (f(x + h) - f(x - h))).sum() / (2 * h),
                        lambda f, x, y_bar, h: (f(x + h) - f(x - h)) / (2 * h),
                    )
                ),
                (
                    lambda f, x, y_bar, h: _measured(f, x, y_bar, h) / y_bar.size,
                    "you take a mean over the outputs; <y_bar, y> is a sum",
                ),
                (_mistaken("rows"), "you move a whole row at once; each entry has its own slope"),
                (
                    _mistaken("from 0"),
                    "you measure around 0: the step must be added to x",
                ),
            ),
            examples=((
                (
                    Formula("2 x", lambda x: 2 * x), np.array([[1.0, 5.0]]),
                    np.array([[1.0, 10.0]]), 0.25,
                ),
                "each output moves by 2 when its x moves by 1, so with y_bar it must be [[2, 20]]",
            ),),
        ),
        (
            "loop over the entries of x: for index in np.ndindex(*x.shape)",
            "move one entry only: step = np.zeros_like(x); step[index] = h",
            "the number whose slope you want is (y_bar * f(x)).sum(); central takes its difference",
        ),
    ),
    Exercise(
        "1.9",
        "five mistakes at a handy point",
        choice("1", {
            "5": "It is 1. With n = 1, g = 1 and w_bar = 1, what is left out, or put in, is a 1.",
            "3": "It is 1. With n = 1, g = 1 and w_bar = 1, what is left out, or put in, is a 1.",
        }),
        explanation="With n = 1, g = 1 and w_bar = 1, what is left out, or put in, is a 1.",
        choices=("1", "3", "5"),
    ),
    Exercise(
        "1.10",
        "fool the checker",
        judge_fooled,
        (
            "the wrong gradient lacks one term; when is that term zero?",
            "the term is a multiple of <w_bar, v>, in each row",
            "take a v with two entries, and turn it by a right angle",
        ),
        explanation="A cotangent across v cannot see the projection: draw cotangents at random.",
    ),
    Exercise(
        "1.T1",
        "a central difference on paper",
        number(
            _slope, "your quotient", digits=6,
            common_errors=(
                (lambda x: 3 * x["x"] ** 2,
                 "that is the derivative; the quotient has an error, too"),
                (
                    lambda x: 3 * x["x"] ** 2 + 3 * x["x"] * x["h"] + x["h"] ** 2,
                    "that is the one-sided quotient, to the right",
                ),
                (lambda x: 2 * _slope(x), "divide by the distance of the two points, which is 2 h"),
                (
                    lambda x: 2 * x["h"] * _slope(x),
                    "this is the difference; divide by the distance of the points, which is 2 h",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 - x["h"] ** 2,
                    "the sign of the error is wrong: in (x + h)^3 - (x - h)^3 both h^3 add up",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 + 3 * x["h"] ** 2,
                    "h^3 occurs once in (x + h)^3, not three times",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 + x["h"],
                    "the error is not h: divide 2 h^3 by 2 h",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 + x["h"] ** 2 / 6,
                    "the error is a sixth of h^2 times the third derivative, which is 6 here",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 + 2 * x["h"] ** 2,
                    "2 h^3 over 2 h is not 2 h^2",
                ),
                (
                    lambda x: 3 * x["x"] ** 2 - 3 * x["x"] * x["h"] + x["h"] ** 2,
                    "that is the one-sided quotient, to the left",
                ),
                (lambda x: x["x"] ** 3, "this is x^3 itself; a slope is asked for"),
                (lambda x: 6 * x["x"], "this is the second derivative"),
                (
                    lambda x: 2 * x["h"] * _slope(x) / 2 * x["h"],
                    "you multiply by h: /2*h divides by 2 and then multiplies; write / (2 * h)",
                ),
                (lambda x: 3 * x["x"] ** 2 + x["h"] ** 3, "divide h^3 by h, too"),
            ),
            example="for x = 2 and h = 1 it would be 13, as 3^3 - 1^3 is 26 and the points are 2 "
            "apart",
        ),
        (
            "write x^3 at x + h and at x - h, and subtract",
            "(x + h)^3 = x^3 + 3 x^2 h + 3 x h^2 + h^3; in the difference, two of the four are "
            "left",
            "divide by 2 h: one term is the derivative, the other is the error",
        ),
        variant=cube,
        explanation="The error is h^2, a sixth of h^2 times the third derivative, which is 6.",
    ),
    Exercise(
        "1.T2",
        "the cotangent of ones and softmax",
        choice("zeros", {
            "ones": "the outputs always sum to 1; by how much does that sum change when x does?",
            "p": "try it: pull ones back by measuring, with your function of exercise 1.8",
        }),
        (
            "pulling ones back gives the gradient of the sum of the outputs",
            "what is the sum of the outputs, for any x?",
            "what is the gradient of something that never changes?",
        ),
        explanation="So a gradient that is twice too large, or zero, or negative, passes such a "
        "check.",
        choices=("zeros", "ones", "p"),
    ),
    Exercise(
        "1.T3",
        "one entry in 500 disagrees",
        choice("a kink", {
            "a wrong formula": "a wrong formula is wrong at every step size; this one goes away",
            "rounding": "rounding grows when the step shrinks, and it is not of the size of 0.3",
        }),
        (
            "which of the three would go away with a smaller step?",
            "a rounding error grows when h shrinks",
            "think of relu, and of an input that is 0.0005 away from 0",
        ),
        explanation="It lay between x - h and x + h, and no longer does when h is smaller.",
        choices=("a wrong formula", "rounding", "a kink"),
    ),
)
