"""Exercises of notebook 2: a tape in 80 lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...ops import sum_to
from ..comparison import array_of
from ..exercise import Exercise, Judge
from ..judges import choice, function, number, same, varied

__all__ = ["EXERCISES"]

# ---- gradients, right ones and others -----------------------------------------------------------


class _Node:
    """A number with its inputs, and its derivative with respect to each."""

    def __init__(self, value: float, edges: tuple[tuple[_Node, float], ...] = ()) -> None:
        self.value, self.edges = value, edges

    def __add__(self, other: _Node) -> _Node:
        return _Node(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other: _Node) -> _Node:
        return _Node(self.value * other.value, ((self, other.value), (other, self.value)))

    def __pow__(self, p: float) -> _Node:
        return _Node(self.value**p, ((self, p * self.value ** (p - 1)),))

    def exp(self) -> _Node:
        return _Node(np.exp(self.value), ((self, np.exp(self.value)),))


def _walked(keep: str) -> Callable[..., tuple[float, ...]]:
    """gradient(f, z_bar, *xs) by a walk that adds up ("sum"), or makes a common error."""

    def gradient(f: Any, z_bar: float, *xs: float) -> tuple[float, ...]:
        leaves = [_Node(x) for x in xs]
        output = f(*leaves)
        bars = {output: 1.0 if keep == "ones" else z_bar}

        def send(node: _Node) -> None:
            for x, slope in node.edges:
                part = bars[node] * (1.0 if keep == "passed on" else slope)
                if keep == "last" or x not in bars:
                    bars[x] = 2 * part if keep == "double" else part
                elif keep != "first":
                    bars[x] += part
                if keep == "eager":
                    send(x)

        order = [output] if keep == "eager" else _sorted(output)
        for node in order:
            if node in bars:
                send(node)
        return tuple(bars.get(x, 0.0) for x in leaves)

    return gradient


def _sorted(output: _Node) -> list[_Node]:
    """The nodes that the output depends on, each before its inputs."""
    seen: list[_Node] = []

    def visit(node: _Node) -> None:
        if node not in seen:
            for x, _ in node.edges:
                visit(x)
            seen.append(node)

    visit(output)
    return seen[::-1]


def _diamond(x: Any, y: Any) -> Any:
    a = x * y
    return a * (a + x)


def _long(x: Any, y: Any) -> Any:
    a = x * x
    b = a + y
    return (a * b) * (b + x)


# the text of f, f, and its gradient, derived on paper
GRAPHS: tuple[tuple[str, Any, Any], ...] = (
    ("x * y", lambda x, y: x * y, lambda x, y: (y, x)),
    ("a * (a + x) with a = x * "
     "y", _diamond, lambda x, y: (2 * x * y**2 + 2 * x * y, 2 * x * x * y + x * x)),
    (
        "(a * b) * (b + x) with a = x * x, b = a + y", _long,
        lambda x, y: (
            2 * x * (x * x + y) * (x * x + y + x) + 2 * x**3 * (x * x + y + x)
            + x * x * (x * x + y) * (2 * x + 1),
            x * x * (2 * (x * x + y) + x),
        ),
    ),
)
ERRORS = (
    ("ones", "your walk starts from 1; it should start from the z_bar that is handed in"),
    ("passed on", "cotangents are handed on as they are: the rule of the operation is not used"),
    ("last", "a node that is used twice keeps only what came last; what comes back is added up"),
    ("first", "a node that is used twice keeps only what came first; what comes back is added up"),
    ("double", "what comes first is counted twice: an empty place should start from nothing"),
    (
        "eager",
        "a node answers before it has heard from all that use it, so some is sent back twice; "
        "walk the tape from its end",
    ),
)


def judge_gradient(answer: Any) -> str | None:
    """The learner's gradient function, on graphs from one product to two diamonds."""
    if not callable(answer):
        return "hand over the function gradient itself, not what it returns"
    asked = ((z_bar, x, y) for z_bar, x, y in ((-1.5, 2.0, 3.0), (0.7, 1.3, -0.4)))
    rows = [(name, f, paper, *numbers) for numbers in asked for name, f, paper in GRAPHS]
    for name, f, paper, z_bar, x, y in rows:
        got = answer(f, z_bar, x, y)
        if not isinstance(got, tuple | list) or len(got) != 2:
            return "gradient should return one array for each x; has its last line been changed?"
        right = np.array([z_bar * slope for slope in paper(x, y)])
        common_errors = [(np.array(_walked(keep)(f, z_bar, x, y)), text) for keep, text in ERRORS]
        common_errors = [
            (wrong, text) for wrong, text in common_errors if same(wrong, right) is not None
        ]
        common_errors += [
            (0 * right, "nothing comes back to x and y: does the walk begin at the output?")
        ]
        bars = [array_of(bar) for bar in got]
        found = np.array([bar.reshape(()) for bar in bars if bar is not None and bar.size == 1])
        if len(found) < len(got):
            return f"for {name}: each x is one number, and so is what comes back to it"
        message = same(found, right, "your gradient", common_errors=common_errors)
        if message:
            return f"for {name}: {message}"
    return None


# ---- the other judges ---------------------------------------------------------------------------


def judge_unbroadcast(answer: Any) -> str | None:
    """The sum over the repeated axes, in the original shape, case by case."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    rng = np.random.default_rng(0)
    cases = (
        ((3, 4), (3, 4), "nothing was repeated"),
        ((3, 4), (4,), "a row was repeated for each of 3"),
        ((3, 4), (3, 1), "a column was repeated for each of 4"),
        ((3, 4), (), "one number was repeated everywhere"),
        ((2, 3, 4), (3, 1), "both happened: a new axis in front, and an axis of length 1"),
        ((2, 3, 4), (1, 3, 1), "two axes of length 1 were repeated"),
    )
    for full, shape, story in cases:
        x_bar = rng.normal(size=full)
        right = sum_to(x_bar, shape=shape)
        got = answer(x_bar.copy(), shape)
        where = f"from {full} to {shape} ({story})"
        if np.shape(got) != shape:
            return f"{where}, your result has the shape {np.shape(got)}"
        common_errors = [
            (right * (right.size / x_bar.size), "you take a mean; what comes back is added up"),
            (
                x_bar[(0,) * (len(full) - len(shape))][tuple(slice(0, n) for n in shape)],
                "you take the first of the copies; what comes back from all of them is added up",
            ),
            (np.full(shape, x_bar.sum()), "you sum over everything"),
        ]
        common_errors = [
            (wrong, text) for wrong, text in common_errors if same(wrong, right) is not None
        ]
        message = same(got, right, "your result", common_errors=common_errors)
        if message:
            return f"{where}: {message}"
    return None


# f, f', f'', f'''
CURVES: tuple[tuple[Any, ...], ...] = (
    (lambda x: x * x * x, lambda x: 3 * x * x, lambda x: 6 * x, lambda x: 6.0),
    (
        lambda x: (x * x).exp(),
        lambda x: 2 * x * np.exp(x * x),
        lambda x: (2 + 4 * x * x) * np.exp(x * x),
        lambda x: (12 * x + 8 * x**3) * np.exp(x * x),
    ),
    (lambda x: x**-2.0, lambda x: -2 * x**-3, lambda x: 6 * x**-4, lambda x: -24 * x**-5),
)


def judge_second(answer: Any) -> str | None:
    """The second derivative of functions that use the operators of the tape."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    points = [(curve, x) for curve in CURVES for x in (0.8, -1.1)]
    try:
        values = [array_of(answer(c[0], x)) for c, x in points]
    except KeyError as error:
        if error.args and getattr(error.args[0], "inputs", ()):
            return "you look up a Node that was made from x; the entry of x itself is asked for"
        return (
            "the second walk did not come to x: was a new Node made from the value of the first "
            "gradient? That Node does not remember x"
        )
    got = np.array([x.reshape(()) for x in values if x is not None and x.size == 1])
    if len(got) < len(points):
        return "return the second derivative as one number: the value of the Node, not the Node"
    first, right, third = (np.array([c[k](x) for c, x in points]) for k in (1, 2, 3))
    common_errors = (
        (first, "this is the first derivative; walk back once more, from it"),
        (first**2, "this is the square of the first derivative; its own derivative is asked for"),
        (third, "this is the third derivative: one walk too many"),
        (0 * right, "this is 0: the first gradient does not remember how it was computed"),
        (first * right, "your second walk starts from the first gradient, in place of 1"),
    )
    return same(got, right, "your second derivative", common_errors=common_errors)


def diamond(rng: np.random.Generator) -> dict[str, Any]:
    """x and k of 2.T1."""
    return {"x": float(rng.integers(2, 8)), "k": float(rng.integers(2, 6))}


_FORGOTTEN = "the inner derivative is missing: the chain rule has two factors"
# by the text of z: z, its slope by a, the slope with a part of it forgotten, and what that is
OPERATIONS: dict[str, tuple[Any, Any, Any, str]] = {
    "sin(k a)": (
        lambda a, k: np.sin(k * a), lambda a, k: k * np.cos(k * a), lambda a, k: np.cos(k * a),
        _FORGOTTEN,
    ),
    "e^(-k a^2)": (
        lambda a, k: np.exp(-k * a * a), lambda a, k: -2 * k * a * np.exp(-k * a * a),
        lambda a, k: np.exp(-k * a * a), _FORGOTTEN,
    ),
    "a e^(k a)": (
        lambda a, k: a * np.exp(k * a), lambda a, k: (1 + k * a) * np.exp(k * a),
        lambda a, k: k * np.exp(k * a),
        "the rule of a product has two parts, and a stands in front as well",
    ),
    "log(a^2 + k)": (
        lambda a, k: np.log(a * a + k), lambda a, k: 2 * a / (a * a + k),
        lambda a, k: 1 / (a * a + k), _FORGOTTEN,
    ),
    "1 / (a^2 + k)": (
        lambda a, k: 1 / (a * a + k), lambda a, k: -2 * a / (a * a + k) ** 2,
        lambda a, k: -1 / (a * a + k) ** 2, _FORGOTTEN,
    ),
    "(a^2 + k)^(1/2)": (
        lambda a, k: np.sqrt(a * a + k), lambda a, k: a / np.sqrt(a * a + k),
        lambda a, k: 0.5 / np.sqrt(a * a + k), _FORGOTTEN,
    ),
}


def operation(rng: np.random.Generator) -> dict[str, Any]:
    """z and k of 2.7."""
    return {"z": str(rng.choice(list(OPERATIONS))), "k": float(rng.choice([0.5, 1.5, 2.0, 3.0]))}


def _rule_of(numbers: Mapping[str, Any]) -> Judge:
    value, slope, forgotten, why = OPERATIONS[numbers["z"]]
    k = numbers["k"]
    return function(
        lambda z_bar, z, a: z_bar * slope(a, k),
        lambda rng: (lambda z_bar, a: (z_bar, value(a, k), a))(*rng.normal(size=(2, 4))),
        "your a_bar",
        common_errors=(
            (lambda z_bar, z, a: slope(a, k), "z_bar is missing: this is the slope itself"),
            (lambda z_bar, z, a: z_bar * z, "z_bar times z: this is no slope"),
            (lambda z_bar, z, a: z_bar * forgotten(a, k), why),
            (lambda z_bar, z, a: z_bar / slope(a, k), "you divide by the slope; multiply"),
            (lambda z_bar, z, a: z_bar * slope(z, k), "you take the slope at z; take it at a"),
            (lambda z_bar, z, a: z_bar * slope(a, 1.0), f"that would be for k = 1; yours is {k:g}"),
        ),
        examples=((
            (np.array([10.0]), np.array([value(0.5, k)]), np.array([0.5])),
            f"z is {value(0.5, k):.6g} at a = 0.5, and {value(0.501, k):.6g} at a = 0.501",
        ),),
    )


def _t1(x: Mapping[str, float]) -> float:
    return 3 * x["x"] ** 2 + 2 * x["k"] * x["x"]


EXERCISES = (
    Exercise(
        "2.1",
        "what comes back where two ways meet",
        choice("the sum", {
            "the last one": "It is the sum: when x moves, both ways carry the change to the "
                            "output.",
            "the larger one": "It is the sum: when x moves, both ways carry the change to the "
                              "output.",
        }),
        explanation="When x moves, both ways carry the change to the output.",
        choices=("the last one", "the larger one", "the sum"),
    ),
    Exercise(
        "2.2",
        "the rule of a product",
        function(
            lambda z_bar, z, a, b: (z_bar * b, z_bar * a),
            lambda rng: (
                rng.normal(size=3), *(lambda a, b: (a * b, a, b))(*rng.normal(size=(2, 3)))
            ),
            ("a_bar", "b_bar"),
            common_errors=(
                (
                    lambda z_bar, z, a, b: (z_bar * a, z_bar * b),
                    "each input gets its own value; when a moves by 1, a b moves by what?",
                ),
                (
                    lambda z_bar, z, a, b: (b, a),
                    "z_bar is missing: this is the slope of the product, not yet what it sends "
                    "back",
                ),
                (
                    lambda z_bar, z, a, b: (z_bar, z_bar),
                    "z_bar is handed on unchanged; that is the rule of a sum",
                ),
                (
                    lambda z_bar, z, a, b: (z_bar * z, z_bar * z),
                    "z_bar times z: the slope of a b by a is not a b",
                ),
                (lambda z_bar, z, a, b: (z_bar + b, z_bar + a),
                 "a cotangent is multiplied by a slope"),
                (lambda z_bar, z, a, b: (z_bar / b, z_bar / a),
                 "you divide; a slope is multiplied"),
                (
                    lambda z_bar, z, a, b: (z * b, z * a),
                    "you multiply by z, the value; what is sent back starts with z_bar",
                ),
            ),
            examples=(
                (
                    (np.array([10.0]), np.array([6.0]), np.array([2.0]), np.array([3.0])),
                    (
                        "when a rises by 1, z = a b rises by 3, and the loss by 10 times that",
                        "when b rises by 1, z = a b rises by 2, and the loss by 10 times that",
                    ),
                ),
            ),
        ),
        (
            "keep b fixed and move a by a little: by how much does z = a b move?",
            "a_bar is z_bar times the slope of z by a",
            "the slope of a b by a is b",
        ),
    ),
    Exercise(
        "2.3",
        "the walk back",
        judge_gradient,
        (
            "RULES[z.op](bars[z], z, *z.inputs, *z.extra) is a tuple: one cotangent for each input",
            "for each input: if it is in bars already, add; if it is not, put it there",
            "bars[x] = bars[x] + x_bar if x in bars else x_bar",
        ),
        reveals="2.1",
        explanation="Whatever is made of these operations has a gradient now.",
    ),
    Exercise(
        "2.4",
        "backward twice",
        choice("3", {
            "1": "It is 3: c had kept its 1, received another, and sent the 2 on to a, which had "
                 "1.",
            "2": "It is 3, and not 2: c had kept its 1 and received another, and it sends on the "
                 "2.",
        }),
        explanation="c had kept its 1, received another, and sent the 2 on to a, which had 1.",
        choices=("1", "2", "3"),
    ),
    Exercise(
        "2.5",
        "the way back from broadcasting",
        judge_unbroadcast,
        (
            "two things were repeated: axes that x did not have, and axes where x had length 1",
            "first sum over the axes in front that are too many: "
            "x_bar.sum(axis=tuple(range(extra)))",
            "then, for each axis where shape says 1 and x_bar does not, x_bar.sum(axis=k, "
            "keepdims=True)",
        ),
        explanation="Repeating on the way there is summing on the way back.",
    ),
    Exercise(
        "2.6",
        "the second derivative",
        judge_second,
        (
            "backward hands you a dict of Nodes; the entry of x is the first derivative",
            "that Node was computed on the tape as well, so you can walk back from it",
            "first = backward(y, 1.0)[x], and the same line once more with first in place of y",
        ),
        explanation="The walk is written in operations of the tape, so it was recorded.",
    ),
    Exercise(
        "2.T1",
        "a diamond on paper",
        number(
            _t1, "your x_bar", digits=6,
            common_errors=(
                (lambda x: x["x"] ** 2, "that is what comes through the factor x alone"),
                (
                    lambda x: 2 * x["x"] * (x["x"] + x["k"]),
                    "that is what comes through a alone; x is used outside of a, too",
                ),
                (
                    lambda x: x["x"] + x["k"] + x["x"] ** 2,
                    "that is a_bar plus what comes directly; a_bar still has to pass through a = "
                    "x x",
                ),
                (
                    lambda x: x["x"] * (x["x"] + x["k"]) + x["x"] ** 2,
                    "in a = x x, x is used twice as well",
                ),
                (lambda x: _t1(x) / 2, "that is half of it"),
                (
                    lambda x: x["x"] ** 2 * (x["x"] + x["k"]),
                    "this is z itself; by how much does it move when x does?",
                ),
            ),
            example="for x = 1 and k = 10 it would be 23: z is 11 there, and 11.0231 where x is "
            "1.001",
        ),
        (
            "there are two diamonds: x goes into a twice, and a and x both go on into z",
            "the slope of z by a is x + k; what comes directly to x is a",
            "what comes to x through a is a_bar times 2 x",
        ),
        variant=diamond,
    ),
    Exercise(
        "2.T2",
        "what a bias gets",
        choice("the sum over the 32 rows", {
            "the mean over the 32 rows": "a mean would come from a loss that is a mean, not from "
                                         "the sum x + b",
            "its last row": "each of the 32 rows was moved by the same b; none counts more",
        }),
        (
            "b was repeated: for how many rows?",
            "when one entry of b moves, 32 entries of y move",
            "what comes back from all of them is added up",
        ),
        explanation="b moves all rows at once.",
        choices=("the sum over the 32 rows", "the mean over the 32 rows", "its last row"),
    ),
    Exercise(
        "2.T3",
        "a value where a Node should be",
        choice("only the second", {
            "both": "the first derivative needs nothing but numbers, and the numbers are right",
            "neither": "the first walk no longer remembers that b was used; what of the second?",
        }),
        (
            "try it: change the rule, and check 2.3 and 2.6 again",
            "for the first derivative, only the value of the rule matters",
            "for the second, the result of the rule has to remember where it came from",
        ),
        explanation="The first walk has the right numbers, and forgets that they came from b.",
        choices=("both", "only the second", "neither"),
    ),
    Exercise(
        "2.7",
        "the rule of an operation of your own",
        varied(_rule_of),
        (
            'given("2.7") has the formula of z; what is its slope by a?',
            "the chain rule: the slope of the outer function, times that of the inner one",
            "return z_bar times that slope, entry by entry",
        ),
        variant=operation,
    ),
)
