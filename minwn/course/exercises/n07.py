"""Exercises of notebook 7: data-dependent initialisation and mean-only batch norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ...byhand.mean_only_batch_norm import forward, vjp
from ..exercise import Exercise, Judge
from ..judges import choice, function, number, same, varied

__all__ = ["EXERCISES"]

Numbers = dict[str, Any]
Layers = list[tuple[np.ndarray, np.ndarray]]


def outputs(rng: np.random.Generator) -> tuple[np.ndarray]:
    """t (batch, o): each output has its own mean and spread, neither 0 nor 1."""
    return (rng.normal(size=(7, 3)) * rng.uniform(1.5, 4, 3) + rng.uniform(1, 3, 3),)


def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return outputs(rng)[0], rng.normal(size=3) + 2.0


def cotangent(rng: np.random.Generator) -> tuple[np.ndarray]:
    return (rng.normal(size=(7, 3)) + rng.uniform(0.5, 2, 3),)


def network(rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """x (batch, i) and three v, none of them square, no row of length 1."""
    sizes = (5, 6, 4, 3)
    vs = [rng.normal(size=(o, i)) * rng.uniform(0.3, 3, (o, 1)) for i, o in pairwise(sizes)]
    return rng.normal(size=(40, 5)) + 0.5, vs


# ---- references and common errors ----------------------------------------------------------------


def _gain_and_bias(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    g = 1 / t.std(axis=0)
    return g, -g * t.mean(axis=0)


def _initialised(
    relu: bool = True, scaled: bool = True, unit: bool = True, apart: bool = False,
    ddof: int = 0, after: bool = False, then: Callable[..., np.ndarray] | None = None,
) -> Callable[..., Layers]:
    """relu: between layers. scaled: the next layer gets y = g t + b, or t. unit: t is v/n x, or v x
    apart: all layers are initialised from one pass through the uninitialised network. ddof: of the
    variance. after: g and b of relu(t). then: what the next layer gets, of t, g and b, if not
    relu(y)"""

    def initialise(x: np.ndarray, vs: list[np.ndarray]) -> Layers:
        found = []
        for v in vs:
            t = x @ (v / np.linalg.norm(v, axis=1, keepdims=True) if unit else v).T
            seen = np.maximum(t, 0) if after else t
            g = 1 / seen.std(axis=0, ddof=ddof)
            b = -g * seen.mean(axis=0)
            found.append((g, b))
            y = g * t + b if scaled and not apart else t
            x = then(t, g, b) if then else np.maximum(y, 0) if relu else y
        return found

    return initialise


def judge_initialise(answer: Any) -> str | None:
    """g and b of each layer; the message is about the first wrong layer."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    common_errors = (
        (
            _initialised(unit=False),
            "your g makes up for the length of v as well; let t be made with v / n, of length 1",
        ),
        (
            _initialised(scaled=False),
            "the first layer is right, but the next one was given t, or the old g and b; hand on "
            "what the layer gives now, with its new g and b",
        ),
        (_initialised(relu=False), "the first layer is right, but the ReLU after it is missing"),
        (_initialised(ddof=1), "your variance is divided by m - 1; divide it by m"),
        (_initialised(after=True), "your g and b are those of relu(t); they belong to t itself"),
        *(
            (_initialised(then=then), f"the first layer is right, but then comes {text}")
            for then, text in (
                (
                    lambda t, g, b: g * np.maximum(t, 0) + b,
                    "g relu(t) + b: the ReLU belongs around the whole of g t + b",
                ),
                (lambda t, g, b: np.maximum(g * t, 0), "relu(g t): b is missing"),
                (
                    lambda t, g, b: g * np.maximum(t, 0),
                    "g relu(t): b is missing, and the ReLU belongs around the whole of g t + b",
                ),
                (lambda t, g, b: abs(g * t + b), "|g t + b|: a ReLU makes 0 of what is negative"),
                (lambda t, g, b: t, "t: with g, b and the ReLU it is what the next layer gets"),
            )
        ),
    )
    rows = []
    for seed in range(3):
        x, vs = network(np.random.default_rng(seed))
        got = answer(x.copy(), [v.copy() for v in vs])
        if isinstance(got, list | tuple) and any(isinstance(one, dict) for one in got):
            return "return a list with a pair (g, b) for each layer; yours holds dicts"
        try:
            pairs = [(g, b) for g, b in got]
        except (TypeError, ValueError):
            return "return a list with a pair (g, b) for each layer"
        if len(pairs) != len(vs):
            return f"your list has {len(pairs)} pairs, and there are {len(vs)} layers"
        rows.append((pairs, x, vs))
    right = [_initialised()(x, vs) for _, x, vs in rows]
    if all(_alike(row[0], want) for row, want in zip(rows, right, strict=True)):
        return None
    if all(
        _alike([(g, b) for b, g in pairs], want)
        for (pairs, _, _), want in zip(rows, right, strict=True)
    ):
        return "your pairs are (b, g); make them (g, b)"
    for wrong, text in common_errors:
        if all(_alike(pairs, wrong(x, vs)) for pairs, x, vs in rows):
            return text
    for layer in range(len(right[0])):
        for (pairs, _, _), want in zip(rows, right, strict=True):
            for k, name in enumerate(("g", "b")):
                message = same(pairs[layer][k], want[layer][k], f"your {name} of layer {layer}")
                if message and layer:
                    return (
                        f"{message} (the layers before it are right, so look at what is handed on: "
                        "the ReLU of g t + b)"
                    )
                if message:
                    return message
    return None


def _alike(pairs: Layers, want: Layers) -> bool:
    return all(
        same(x, y) is None
        for pair, right in zip(pairs, want, strict=True)
        for x, y in zip(pair, right, strict=True)
    )


def numbers(rng: np.random.Generator) -> Numbers:
    """Of 7.T1: numbers for mental arithmetic."""
    return {
        "mean of t": int(rng.integers(2, 10)),
        "standard deviation of t": float(rng.choice([0.2, 0.25, 0.4, 0.5, 1.25, 2.5, 4.0, 5.0])),
    }


def _b(x: Numbers) -> float:
    return -x["mean of t"] / x["standard deviation of t"]


_GAINS = (
    (
        lambda t: (1 / t.var(axis=0), -t.mean(axis=0) / t.var(axis=0)),
        "your g is 1 over the variance; it scales t itself, and so its root is needed",
    ),
    (
        lambda t: (t.std(axis=0), -t.mean(axis=0) * t.std(axis=0)),
        "your g multiplies by the spread; it should take it out",
    ),
    (
        lambda t: (1 / t.std(axis=0, ddof=1), -t.mean(axis=0) / t.std(axis=0, ddof=1)),
        "your variance is divided by m - 1; the variance of this very batch is divided by m",
    ),
    (
        lambda t: (np.full(3, 1 / t.std()), -t.mean(axis=0) / t.std()),
        "your spread is one for all outputs; each output has its own",
    ),
    (
        lambda t: (1 / np.sqrt((t * t).mean(axis=0)), np.zeros(3)),
        "your spread is taken around 0; take it around the mean",
    ),
    (
        lambda t: (1 / t.std(axis=0), -t.mean(axis=0)),
        "your b takes off the mean of t; but t is multiplied by g before b is added",
    ),
    (
        lambda t: (1 / t.std(axis=0), t.mean(axis=0) / t.std(axis=0)),
        "your b has the wrong sign: it doubles the mean",
    ),
    (
        lambda t: (-1 / t.std(axis=0), t.mean(axis=0) / t.std(axis=0)),
        "your g is negative: mean and variance are as asked, but a positive g is asked for",
    ),
    (
        lambda t: (1 / t.std(axis=0), 0 * t.mean(axis=0)),
        "your b is 0: then the mean of g t stays",
    ),
    (
        lambda t: (1 / t.std(axis=0), -t.mean(axis=0) * t.std(axis=0)),
        "your b multiplies the mean by the spread; but y = g t + b, so divide by it",
    ),
    (
        lambda t: (1 / (t.std(axis=0) + 1e-5), -t.mean(axis=0) / (t.std(axis=0) + 1e-5)),
        "you add 1e-5 to the spread; here no eps is asked for, and the variance is not quite 1",
    ),
    (
        lambda t: (1 / np.sqrt(t.var(axis=0) + 1e-5), -t.mean(axis=0) / np.sqrt(t.var(axis=0)
                                                                               + 1e-5)),
        "you add 1e-5 to the variance; here no eps is asked for, and the variance is not quite 1",
    ),
    (
        lambda t: (
            1 / np.sqrt(((t - t.mean(axis=0)) ** 2).sum(axis=0)),
            -t.mean(axis=0) / np.sqrt(((t - t.mean(axis=0)) ** 2).sum(axis=0)),
        ),
        "your variance is a sum of squares; divide it by m",
    ),
    (
        lambda t: (1 / t.std(axis=1), -t.mean(axis=1) / t.std(axis=1)),
        "your mean and spread run along axis 1, over the outputs of one example; take them over "
        "the batch, axis 0",
    ),
    (
        lambda t: (1 / t.std(), -t.mean() / t.std()),
        "your mean and spread are of all numbers; each output has its own: axis=0",
    ),
    (
        lambda t: ((t - t.mean(axis=0)) / t.std(axis=0), t.mean(axis=0)),
        "your g is y itself; g is one number for each output, 1 over the spread",
    ),
)


def own_norm(rng: np.random.Generator) -> dict[str, Any]:
    """a and c of 7.9."""
    a, c = rng.choice([0.5, 1.5, 2.0, 3.0, 4.0], 2, replace=False)
    return {"a": float(a), "c": float(c)}


def _own_norm(numbers: Mapping[str, Any]) -> Judge:
    a, c = numbers["a"], numbers["c"]

    def bars(y_bar: np.ndarray, a: float, c: float, over: Any = np.mean) -> tuple[np.ndarray, ...]:
        return a * y_bar - c * over(y_bar, axis=0), y_bar.sum(axis=0)

    return function(
        lambda y_bar: bars(y_bar, a, c), lambda rng: (rng.normal(size=(5, 3)) + 0.5,),
        ("your t_bar", "your b_bar"),
        common_errors=(
            (lambda y_bar: bars(y_bar, 1, 1), "this is the way back for a = 1 and c = 1"),
            (lambda y_bar: bars(y_bar, a, 1), f"c is missing in your t_bar; it is {c:g}"),
            (lambda y_bar: bars(y_bar, 1, c), f"a is missing in your t_bar; it is {a:g}"),
            (lambda y_bar: bars(y_bar, a, a), "the mean has the factor c, not a"),
            (lambda y_bar: bars(y_bar, a, a * c), "the mean is that of t, without the factor a"),
            (lambda y_bar: bars(y_bar, c, a), "a and c are exchanged"),
            (lambda y_bar: bars(y_bar, a, 0), "you treat the mean as a constant"),
            (lambda y_bar: bars(y_bar, a, c, np.sum), "the mean has 1/m in it; this is the sum"),
            (lambda y_bar: bars(y_bar, a, -c), "the mean is taken away, there and back"),
            (
                lambda y_bar: (bars(y_bar, a, c)[0], y_bar.mean(axis=0)),
                "your b_bar is a mean; b is added to each example, so it is the sum",
            ),
            (
                lambda y_bar: (a * y_bar - c * y_bar.mean(), y_bar.sum(axis=0)),
                "you take off one mean for all outputs; each output has its own",
            ),
            (
                lambda y_bar: (
                    a * y_bar - c * y_bar.mean(axis=1, keepdims=True), y_bar.sum(axis=0)
                ),
                "your mean runs over the outputs of one example; it should run over the batch",
            ),
        ),
        examples=((
            (np.array([[1.0], [3.0]]),),
            (
                f"when the first t rises by 1, the first y rises by {a:g} - {c:g}/2 and the second "
                f"falls by {c:g}/2; y_bar is 1 and 3",
                "b moved both examples, so it must be 1 + 3",
            ),
        ),),
    )


EXERCISES = (
    Exercise(
        "7.1",
        "what twenty layers leave of a signal",
        choice("a thousandth", {
            "all of it": "About a thousandth: a row of length 1 keeps the size of what it is "
            "given, but each ReLU throws away about half of its square.",
            "a half": "About a thousandth: it is a half of the square in each layer, and there "
            "are twenty.",
            "a thousand times": "About a thousandth: rows of length 1 make nothing larger, and "
            "each ReLU throws away about half of the square.",
        }),
        explanation="Each ReLU throws away about half of the square: 20 layers leave the root of "
        "one millionth.",
        choices=("all of it", "a half", "a thousandth", "a thousand times"),
    ),
    Exercise(
        "7.2",
        "gain and bias from a batch",
        function(
            _gain_and_bias, outputs, ("your g", "your b"), common_errors=_GAINS,
            examples=(
                (
                    (np.array([[1.0], [3.0]]),),
                    (
                        "the deviation is 1 already, so g must be 1",
                        "the mean is 2 and g is 1, so b must be -2",
                    ),
                ),
                (
                    (np.array([[0.0], [0.0], [0.0], [0.0], [5.0]]),),
                    (
                        "the mean is 1 and the variance is 20/5, so g must be 1/2",
                        "the mean of g t is 1/2, so b is -1/2",
                    ),
                ),
            ),
            quantities=lambda t: {
                "the spread": t.std(axis=0), "the mean": t.mean(axis=0),
                "the root of m": len(t) ** 0.5,
            },
        ),
        (
            "adding b moves the mean, and only g changes the spread: begin with g",
            "y = g t + b has the standard deviation |g| times that of t, and the mean "
            "g mean(t) + b",
            "the first has to be 1, the second 0; mean and standard deviation run along axis=0",
        ),
        explanation="y = g t + b has mean 0 and variance 1 for each output.",
    ),
    Exercise(
        "7.3",
        "all layers from one pass",
        choice("only the first", {
            "all": "Only the first: the second was set for inputs that the first does not give "
            "any more.",
            "none": "The first has it: nothing before it has changed. The others have not.",
        }),
        explanation="The second layer was set for inputs that the first does not give any more.",
        choices=("all", "only the first", "none"),
    ),
    Exercise(
        "7.4",
        "layer by layer",
        judge_initialise,
        (
            "a loop over vs: unit rows, t, then gain_and_bias(t)",
            "what does the next layer see? Not t, and not y: what is between two layers?",
            "at the end of the loop x becomes the ReLU of g t + b, with the g and b just found",
        ),
        explanation="Each layer was set by what reaches it through the layers before, as they are "
        "now.",
        reveals="7.3",
    ),
    Exercise(
        "7.5",
        "a constant added before centring",
        choice("stays", {
            "rises by 5": "It stays: the mean rises by 5 as well, and is taken off.",
            "rises by less": "It stays: the mean rises by just as much, and is taken off.",
        }),
        explanation="The mean rises by just as much, and is taken off.",
        choices=("rises by 5", "rises by less", "stays"),
    ),
    Exercise(
        "7.6",
        "mean-only batch norm, forward",
        function(
            forward, batch, "your y",
            common_errors=(
                (
                    lambda t, b: t - t.mean() + b,
                    "you take off one mean for all outputs; each output has its own",
                ),
                (lambda t, b: t - t.mean(axis=0), "the bias b is missing, or the mean takes it off "
                 "again"),
                (lambda t, b: t - t.mean(axis=0) - b, "b is to be added"),
                (lambda t, b: t + t.mean(axis=0) + b, "the mean is to be taken off, not added"),
                (
                    lambda t, b: (t - t.mean(axis=0)) / t.std(axis=0) + b,
                    "you divide by the spread as well: that is batch norm; this one takes off the "
                    "mean only",
                ),
                (
                    lambda t, b: t - t.mean(axis=1, keepdims=True) + b,
                    "your mean runs over the outputs of one example; it should run over the batch",
                ),
                (lambda t, b: t - t.sum(axis=0) + b, "you take off the sum, not the mean"),
                (lambda t, b: t + b, "the mean is not taken off"),
                (lambda t, b: t - b, "the mean is not taken off, and b is to be added"),
                (
                    lambda t, b: t - np.median(t, axis=0) + b,
                    "you take off the median, not the mean",
                ),
                (
                    lambda t, b: t.mean(axis=0) - t + b,
                    "you take t off the mean; take the mean off t",
                ),
                (
                    lambda t, b: (t - t.mean(axis=0)) * b, "you multiply by b; b is to be added",
                ),
            ),
            examples=((
                (np.array([[1.0], [3.0]]), np.array([10.0])),
                "the mean is 2: take it off, add 10, and it must be [[9], [11]]",
            ),),
            quantities=lambda t, b: {"the mean": t.mean(axis=0)},
        ),
        (
            "t is (batch, o); along which axis does the mean run, so that o numbers are left?",
            "axis=0; NumPy then repeats the o numbers, and b, for each example",
            "t, less its mean, plus b",
        ),
        explanation="The mean of y over the batch is b, whatever the layer before it does.",
        reveals="7.5",
    ),
    Exercise(
        "7.7",
        "mean-only batch norm, backward",
        function(
            vjp, cotangent, ("your t_bar", "your b_bar"),
            common_errors=(
                (
                    lambda y_bar: (y_bar, y_bar.sum(axis=0)),
                    "your t_bar is y_bar, handed on: it treats the mean as a constant; but the "
                    "mean moves with every t",
                ),
                (
                    lambda y_bar: (y_bar - y_bar.sum(axis=0), y_bar.sum(axis=0)),
                    "you take off the sum of y_bar; each t has only 1/m of a part in the mean",
                ),
                (
                    lambda y_bar: (y_bar + y_bar.mean(axis=0), y_bar.sum(axis=0)),
                    "the sign of the mean is lost: it is taken off on the way forward",
                ),
                (
                    lambda y_bar: (y_bar * (1 - 1 / len(y_bar)), y_bar.sum(axis=0)),
                    "you let each t move its own y only; through the mean it moves all of them",
                ),
                (
                    lambda y_bar: (y_bar - y_bar.mean(axis=1, keepdims=True), y_bar.sum(axis=0)),
                    "your mean runs over the outputs of one example; it should run over the batch",
                ),
                (
                    lambda y_bar: (vjp(y_bar)[0], y_bar.mean(axis=0)),
                    "your b_bar is a mean; b is added to every example, so what comes back is a "
                    "sum",
                ),
                (
                    lambda y_bar: (vjp(y_bar)[0], vjp(y_bar)[0].sum(axis=0)),
                    "your b_bar is the sum of t_bar, which is 0; b is added after the mean is off",
                ),
                (
                    lambda y_bar: (y_bar - y_bar.sum(axis=0) / (len(y_bar) - 1), vjp(y_bar)[1]),
                    "you divide by m - 1; a mean over the batch divides by m",
                ),
                (
                    lambda y_bar: (y_bar - y_bar.mean(), vjp(y_bar)[1]),
                    "you take off one mean for all outputs; each output has its own",
                ),
                (
                    lambda y_bar: (y_bar - 1 / len(y_bar), vjp(y_bar)[1]),
                    "you take off 1/m; it is 1/m of the sum of y_bar that goes off",
                ),
                (
                    lambda y_bar: (0 * y_bar, vjp(y_bar)[1]),
                    "your t_bar is 0: only its sum over the batch is",
                ),
                (
                    lambda y_bar: (y_bar - y_bar[0], vjp(y_bar)[1]),
                    "you take off the first row of y_bar; take off the mean of all rows",
                ),
            ),
            examples=((
                (np.array([[1.0], [3.0]]),),
                (
                    "the mean is 2, and with it off it must be [[-1], [1]]",
                    "b moved both examples, so it must be 1 + 3",
                ),
            ),),
            size=lambda y_bar: float(np.abs(y_bar).sum(axis=0).max()),
        ),
        (
            "t_j reaches y in two ways: directly its own y_j, and through the mean every y",
            "through the mean, each y_k changes by -1/m when t_j rises by 1",
            "so t_bar_j is y_bar_j less 1/m of a sum; and b, which is added to all, gets a sum",
        ),
        explanation="The gradient is centred, too: its mean over the batch is 0.",
    ),
    Exercise(
        "7.8",
        "a batch of one",
        choice("b", {
            "t + b": "It gives b: the mean of one number is that number, and nothing is left.",
            "an error": "There is no error: the mean of one number is that number, and b is left.",
        }),
        explanation="The mean of one number is that number; nothing of the example is left.",
        choices=("t + b", "b", "an error"),
    ),
    Exercise(
        "7.T1",
        "a bias on paper",
        number(
            _b, "your b",
            common_errors=(
                (lambda x: -x["mean of t"], "g is missing: t is scaled before b is added"),
                (lambda x: x["mean of t"] / x["standard deviation of t"],
                 "it has the wrong sign: b is to take the mean away"),
                (lambda x: 1 / x["standard deviation of t"], "this is g; b is asked for"),
                (lambda x: -x["mean of t"] * x["standard deviation of t"],
                 "you multiply by the spread; g takes it out"),
                (lambda x: -x["mean of t"] / x["standard deviation of t"] ** 2,
                 "you divide by the variance; g is 1 over its root"),
                (lambda x: x["mean of t"], "this is the mean of t; b has to take that of g t away"),
                (lambda x: x["standard deviation of t"], "this is the spread; 1 over it is g"),
                (lambda x: -1 / x["standard deviation of t"],
                 "this is -g; b has the mean of t in it, too"),
                (lambda x: -x["standard deviation of t"] / x["mean of t"],
                 "this is upside down: g divides by the spread, and b is -g times the mean"),
                (lambda x: 0.0, "with b = 0 the mean of g t stays"),
            ),
            example="for a mean of 3 and a deviation of 10 it would be -0.3",
        ),
        (
            "first g: what makes the standard deviation 1?",
            "the mean of g t is g times the mean of t",
            "b has to bring that mean to 0",
        ),
        variant=numbers,
    ),
    Exercise(
        "7.T2",
        "a bias before the mean is taken off",
        choice("zero", {
            "the sum of y_bar": "that is b_bar of the bias that is added after the mean is off",
            "the mean of y_bar": "look at the sum of your t_bar over the batch",
            "one": "a bias before it moves all t alike, and the mean as well",
        }),
        (
            "a bias in the layer before is added to every t; what does y do?",
            "its gradient is the sum of t_bar over the batch",
            "print t_bar.sum(axis=0) for the t_bar of exercise 7.7",
        ),
        explanation="It moves every t and the mean alike, and y stays: such a bias cannot learn.",
        choices=("the sum of y_bar", "the mean of y_bar", "zero", "one"),
    ),
    Exercise(
        "7.T3",
        "a centred gradient",
        number(
            0.75, "your number",
            common_errors=(
                (1.0, "its own part through the mean is missing"),
                (0.0, "that is the mean of all four; one of them is asked for"),
                (-0.25, "that is the entry of the other three"),
                (0.25, "that is the mean of y_bar; it is to be taken off"),
                (1.25, "the mean is to be taken off, not added"),
            ),
            example="in a batch of two with y_bar = (6, 2) it would be 2",
        ),
        (
            "the mean of y_bar over the batch comes first",
            "the mean of 1, 0, 0, 0 is a quarter",
            "take it off the first entry",
        ),
        explanation="And the other three get -0.25 each, though their y_bar is 0: they move the "
        "mean.",
    ),
    Exercise(
        "7.9",
        "the way back of a normalisation of your own",
        varied(_own_norm),
        (
            "t_j reaches its own y_j with the factor a, and every y of its output through the mean",
            "the mean moves by 1/m for each unit of t_j, and each y by -c times that",
            "t_bar is a times y_bar, less c times its mean over the batch",
        ),
        variant=own_norm,
    ),
)
