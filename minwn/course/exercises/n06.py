"""Exercises of notebook 6: why the norm of v only grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..exercise import Exercise
from ..judges import choice, function, number

__all__ = ["EXERCISES"]

Numbers = dict[str, Any]


def side(rng: np.random.Generator) -> tuple[float, ...]:
    """n, the length of v_bar, lr: all different, none of them 1."""
    return tuple(float(x) for x in rng.uniform((1.5, 2.0, 0.2), (3.0, 4.0, 0.7)))


def factor(rng: np.random.Generator) -> tuple[float, ...]:
    """lr, c"""
    return float(rng.uniform(0.05, 0.4)), float(rng.uniform(1.5, 5.0))


def walk(rng: np.random.Generator) -> tuple[float, ...]:
    """n_0, lr, G, t: late enough for growth, early enough for n_0 to count."""
    found = rng.uniform((1.5, 0.2, 1.2, 10), (2.5, 0.6, 2.0, 60))
    return (*(float(x) for x in found[:3]), int(found[3]))


def decay(rng: np.random.Generator) -> tuple[float, ...]:
    """lr, decay, G, with lr decay large enough for its square to show"""
    return tuple(float(x) for x in rng.uniform((0.2, 0.2, 1.2), (0.7, 0.7, 2.0)))


def vectors(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    v = rng.normal(size=5)
    return v, v + rng.normal(size=5)


def _grown(n: float, size: float, lr: float) -> float:
    return float(np.sqrt(n**2 + (lr * size) ** 2))


def _rate(lr: float, c: float) -> float:
    return lr * c**2


def _law(n_0: float, lr: float, G: float, t: int) -> float:
    return float((n_0**4 + 2 * lr**2 * G**2 * t) ** 0.25)


def _rest(lr: float, decay: float, G: float) -> float:
    """n' = n, where n'^2 = (1 - lr decay)^2 n^2 + lr^2 G^2 / n^2"""
    return float((lr**2 * G**2 / (1 - (1 - lr * decay) ** 2)) ** 0.25)


def _at_rest(n: float, lr: float, decay: float, G: float) -> str:
    """What the equation of a length at rest gives with the length n."""
    if not n:
        return "a length is not 0"
    after = (1 - lr * decay) ** 2 * n**2 + (lr * G / n) ** 2
    return (
        f"a step takes its square from {n * n:.4g} to {after:.4g}; at rest the two are the same"
    )


def _excess(v: np.ndarray, new: np.ndarray) -> float:
    step = new - v
    return float(new @ new - v @ v - step @ step)


GROWN: tuple[tuple[Callable[..., float], str], ...] = (
    (
        lambda n, size, lr: n + lr * size,
        "you add the lengths, as if the step were along v; it is across v",
    ),
    (
        lambda n, size, lr: n - lr * size,
        "you take the step off the length, as if it were along v; it is across v",
    ),
    (lambda n, size, lr: n**2 + (lr * size) ** 2, "this is the square of the length"),
    (
        lambda n, size, lr: float(np.sqrt(n**2 + lr * size**2)),
        "lr is not squared; the side of the triangle is lr times the gradient",
    ),
    (lambda n, size, lr: float(np.sqrt(n**2 + size**2)), "the step is lr times the gradient"),
    (
        lambda n, size, lr: float(np.sqrt(n**2 - (lr * size) ** 2)),
        "you take the square away; v and the step are the short sides of the triangle",
    ),
    (lambda n, size, lr: n, "you leave the length as it is; that is so for infinitely small steps"),
    (
        lambda n, size, lr: n * (1 + lr * size),
        "you let the length grow in proportion to itself; the step has a length of its own",
    ),
    (
        lambda n, size, lr: lr * float(np.hypot(n, size)),
        "lr multiplies the whole; the step alone is lr times the gradient",
    ),
)
RATE: tuple[tuple[Callable[..., float], str], ...] = (
    (lambda lr, c: lr, "with the same lr a longer v turns by less"),
    (
        lambda lr, c: lr * c,
        "this makes up for one of two effects: v_bar is shorter, and a step turns a longer v less",
    ),
    (lambda lr, c: lr / c**2, "this is the wrong way round: a longer v needs longer steps"),
    (lambda lr, c: lr / c, "this is the wrong way round: a longer v needs longer steps"),
)
LAW: tuple[tuple[Callable[..., float], str], ...] = (
    (
        lambda n_0, lr, size, t: float((n_0**4 + lr**2 * size**2 * t) ** 0.25),
        "your growth is half of what it is; where n^2 moves by a, n^4 moves by 2 n^2 a",
    ),
    (
        lambda n_0, lr, size, t: float(np.sqrt(n_0**2 + lr**2 * size**2 * t)),
        "this is for steps of equal length; here they become shorter as n grows",
    ),
    (
        lambda n_0, lr, size, t: float((n_0**4 + 2 * lr * size**2 * t) ** 0.25),
        "lr is not squared",
    ),
    (
        lambda n_0, lr, size, t: float((2 * lr**2 * size**2 * t) ** 0.25),
        "the start is missing: at t = 0 this is 0, and not n_0",
    ),
    (lambda n_0, lr, size, t: float(np.sqrt(n_0**4 + 2 * lr**2 * size**2 * t)),
     "this is the square of the length; the fourth root is asked for"),
    (lambda n_0, lr, size, t: n_0**4 + 2 * lr**2 * size**2 * t, "this is the fourth power of it"),
    (
        lambda n_0, lr, size, t: n_0 + float((2 * lr**2 * size**2 * t) ** 0.25),
        "n_0 belongs under the root, to the fourth power",
    ),
)
REST: tuple[tuple[Callable[..., float], str], ...] = (
    (
        lambda lr, lam, size: float((lr * size**2 / (2 * lam)) ** 0.25),
        "this is right where lr decay is small; here keep its square as well",
    ),
    (
        lambda lr, lam, size: _rest(lr, lam, size) ** 4,
        "this is the fourth power of the length",
    ),
    (
        lambda lr, lam, size: _rest(lr, lam, size) ** 2,
        "this is the square of the length; does the step in your equation have its n below?",
    ),
    (
        lambda lr, lam, size: float((lr**2 * size**2 / (1 - (1 - lr * lam))) ** 0.25),
        "v is multiplied by 1 - lr decay, and so its square by the square of that",
    ),
    (
        lambda lr, lam, size: float((lr**2 * size**2 / (1 - (1 - lam) ** 2)) ** 0.25),
        "a step takes off lr decay times v, not decay times v",
    ),
)


def numbers(rng: np.random.Generator) -> Numbers:
    """Of 6.T1: a triangle of whole numbers."""
    a, b = ((3, 4), (4, 3), (6, 8), (5, 12), (8, 15))[rng.integers(5)]
    lr = (0.5, 0.25, 2.0)[rng.integers(3)]
    return {"length of v": a, "lr": lr, "length of v_bar": b / lr}


def _of(f: Callable[..., float]) -> Callable[[Numbers], float]:
    return lambda x: f(x["length of v"], x["length of v_bar"], x["lr"])


EXERCISES = (
    Exercise(
        "6.1",
        "what a step does to the length",
        choice("grows", {
            "shrinks": "It grows: the step is across v, and the new v is the long side of a "
            "triangle.",
            "stays": "It grows, if only a little: the step leaves the circle along its tangent.",
            "depends": "It grows, whatever the loss: the step is across v in every case.",
        }),
        explanation="The step is across v, so the new v is the long side of a triangle.",
        choices=("grows", "shrinks", "stays", "depends"),
    ),
    Exercise(
        "6.2",
        "the length after a step",
        function(
            _grown, side, "your length", common_errors=GROWN, points=5,
            examples=(
                ((3.0, 4.0, 1.0), "short sides of 3 and 4 have a long side of 5"),
                ((3.0, 2.0, 2.0), "short sides of 3 and 2 times 2 have a long side of 5"),
            ),
        ),
        (
            "draw v, the step, and the new v: where is the right angle?",
            "v and the step are the short sides; how long is the step?",
            "the step has the length lr times that of v_bar; then Pythagoras",
        ),
        explanation="Each step adds its own square to that of the length: nothing is ever taken "
        "away.",
        reveals="6.1",
    ),
    Exercise(
        "6.3",
        "how far a longer v turns",
        choice("a quarter", {
            "the same": "It is a quarter: w stays, but the gradient is half as long, and a step "
            "turns a vector of twice the length half as far.",
            "half": "It is a quarter: there are two effects, and each of them halves it.",
            "twice": "It is a quarter: a longer vector turns less.",
        }),
        explanation="The gradient is half as long, and a step turns a vector of twice the length "
        "half as far.",
        choices=("the same", "half", "a quarter", "twice"),
    ),
    Exercise(
        "6.4",
        "the learning rate for a longer v",
        function(
            _rate, factor, "your lr", common_errors=RATE, points=5,
            examples=(
                ((0.3, 1.0), "with c = 1 nothing has changed, and lr stays 0.3"),
                (
                    (1.0, 2.0),
                    "v_bar is half as long, and a step turns a v of twice the length half as far: "
                    "two halves are to be made up for",
                ),
            ),
        ),
        (
            "the angle of a step is lr times the length of v_bar, divided by n; which of the "
            "three change when v becomes c v?",
            "v_bar is divided by c (exit ticket of notebook 5), and n is multiplied by c",
            "so the angle is divided by c twice; which lr makes up for that?",
        ),
        explanation="What counts is lr / n^2, the effective learning rate.",
        reveals="6.3",
    ),
    Exercise(
        "6.5",
        "ten times the learning rate, in the end",
        choice("about the same", {
            "ten times as large": "In the end it is the same: the larger lr has made v longer, "
            "until nothing of its advantage is left.",
            "a tenth": "In the end it is the same: v is longer, but just so much that the two "
            "cancel.",
        }),
        explanation="The larger lr has made v longer, until nothing of its advantage is left.",
        choices=("ten times as large", "about the same", "a tenth"),
    ),
    Exercise(
        "6.6",
        "the law of the fourth power",
        function(
            _law, walk, "your length", common_errors=LAW, points=5,
            examples=(
                ((2.0, 0.5, 1.0, 0), "before the first step the length is n_0"),
                (
                    (1.0, 0.5, 4.0, 10),
                    "n^4 is 1 at first and grows by 8 in each of 10 steps, to 81, which is 3^4",
                ),
            ),
        ),
        (
            "write s for n^2: in one step s becomes s + lr^2 G^2 / s",
            "and then s^2 becomes s^2 + 2 lr^2 G^2 and a small rest; that is the same number in "
            "each step",
            "so after t steps s^2, which is n^4, has grown by t times that number; take the "
            "fourth root",
        ),
        explanation="The fourth power of the length grows in proportion to the number of steps.",
    ),
    Exercise(
        "6.7",
        "what decay of v does",
        choice("larger steps", {
            "smaller weights": "It makes for larger steps: the length of v does not reach w, so "
            "there is nothing for decay to make smaller but v.",
            "nothing": "It makes for larger steps: w is not changed by it, but a shorter v turns "
            "further in each step.",
        }),
        explanation="The length of v does not reach w; but a shorter v turns further in each step.",
        choices=("smaller weights", "larger steps", "nothing"),
    ),
    Exercise(
        "6.8",
        "the length at rest",
        function(
            _rest, decay, "your length", common_errors=REST, points=5, equation=_at_rest
        ),
        (
            "Pythagoras again: one short side is (1 - lr decay) n, the other lr G / n; the long "
            "side is the new length",
            "at rest the new length is the old: write n^2 on the left",
            "multiply by n^2, and bring all n^4 to one side",
        ),
        explanation="There the growth by steps and the loss by decay are equal.",
        reveals="6.7",
    ),
    Exercise(
        "6.9",
        "whether Adam can make v shorter",
        choice("yes", {
            "no": "It can: Adam divides each entry by a size of its own, and so its step is not "
            "across v any more.",
        }),
        explanation="Adam divides each entry by a size of its own: its step is not across v any "
        "more.",
        choices=("yes", "no"),
    ),
    Exercise(
        "6.10",
        "what is not Pythagoras",
        function(
            _excess, vectors, "your rest",
            common_errors=(
                (
                    lambda v, new: float(new @ new - v @ v),
                    "this is the whole growth; the square of the step is to be taken away",
                ),
                (
                    lambda v, new: float(new @ new - (new - v) @ (new - v)),
                    "the square of the old length is to be taken away, too",
                ),
                (
                    lambda v, new: float(np.linalg.norm(new) - np.linalg.norm(v)
                                         - np.linalg.norm(new - v)),
                    "these are lengths; Pythagoras is about their squares",
                ),
                (
                    lambda v, new: float(v @ (new - v)),
                    "your rest is half of what it is: (a + b)^2 has the term 2 a b",
                ),
                (
                    lambda v, new: float(v @ v - new @ new + (new - v) @ (new - v)),
                    "your rest has the wrong sign: it is the growth less the square of the step",
                ),
                (
                    lambda v, new: float((new - v) @ (new - v)),
                    "this is the square of the step alone; begin with how much the square grew",
                ),
                (
                    lambda v, new: float(new @ new - v @ v + (new - v) @ (new - v)),
                    "you add the square of the step; it is to be taken away",
                ),
                (
                    lambda v, new: float(new @ new + v @ v - (new - v) @ (new - v)),
                    "you add the square of the old length; it is to be taken away",
                ),
                (
                    lambda v, new: float(np.linalg.norm(new) - np.linalg.norm(v)),
                    "this is how much the length grew; Pythagoras is about its square",
                ),
                (lambda v, new: float(v @ new), "this is <v, new>; build it from three squares"),
            ),
            points=5,
            examples=(
                (
                    (np.array([3.0, 0.0]), np.array([3.0, 4.0])),
                    "the step (0, 4) is across v, and the rest must be 0",
                ),
                (
                    (np.array([3.0, 0.0]), np.array([5.0, 0.0])),
                    "the squares are 25, 9, and 4 of the step: 25 - 9 - 4 = 12",
                ),
            ),
        ),
        (
            "three squares of lengths: of new, of v, and of the step",
            "the step is new - v",
            "growth of the square, less the square of the step",
        ),
        explanation="It is 2 <v, step>, and 0 for a step across v.",
    ),
    Exercise(
        "6.T1",
        "a step on paper",
        number(
            _of(_grown), "your length",
            common_errors=(
                *((_of(f), text) for f, text in GROWN if text[:12] != "you take the"),
                (_of(lambda n, size, lr: lr * size), "this is the length of the step alone"),
                (
                    _of(lambda n, size, lr: float(np.sqrt(abs(n**2 - (lr * size) ** 2)))),
                    "you take one square from the other; both are short sides, so add them",
                ),
                (
                    _of(lambda n, size, lr: float(np.sqrt(n + lr * size))),
                    "you add the two lengths below the root; add their squares",
                ),
                (
                    _of(lambda n, size, lr: n - lr * size),
                    "you take the step off the length, as if it were along v; it is across v",
                ),
            ),
            example="for a v of length 12, a v_bar of length 50 and lr = 0.1 it would be 13",
        ),
        (
            "first the length of the step",
            "then a triangle with a right angle",
            "the root of the sum of two squares; with these numbers it is a whole number",
        ),
        variant=numbers,
    ),
    Exercise(
        "6.T2",
        "steps to twice the length",
        number(
            1600, "your number of steps",
            common_errors=(
                (200, "that would be growth in proportion to the steps; it is slower"),
                (400, "that would be for the square of the length; it is its fourth power that "
                 "grows evenly"),
                (800, "that would be for the third power; it is the fourth that grows evenly"),
                (1500, "these are the steps from here on; all steps from the start are asked for"),
            ),
            example="for three times the length it would be 8100",
        ),
        (
            "n^4 grows in proportion to the number of steps",
            "n is to be twice as large; by what factor is n^4?",
            "that factor, times the 100 steps that were needed so far",
        ),
        explanation="Growth never ends, but it becomes very slow.",
    ),
    Exercise(
        "6.T3",
        "what decay of v is",
        choice("a learning rate", {
            "a penalty on w": "w does not know the length of v; a penalty on w is one on g",
            "a limit for g": "g is a parameter of its own; decay of v does not touch it",
            "no change at all": "v at rest is shorter, and a shorter v turns further in each step",
        }),
        (
            "what does w lose when v becomes shorter?",
            "and what does a step do to a shorter v?",
            "look at the right-hand side of the last figure but one",
        ),
        explanation="Decay of v sets how far each step turns v, and nothing else.",
        choices=("a penalty on w", "a limit for g", "a learning rate", "no change at all"),
    ),
)
