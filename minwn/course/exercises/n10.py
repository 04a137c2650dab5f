"""Exercises of notebook 10: be the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...byhand.weight_norm import vjp
from ...oracle import expected
from ..catalogue import weight_norm
from ..exercise import Exercise, Wrong
from ..judges import choice, function, number, same

__all__ = ["EXERCISES"]

Arrays = tuple[np.ndarray, ...]
EPS = 1e-6

# ---- the two implementations under test, as in the notebook -------------------------------------


def their_weight(kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return kernel * (scale / np.sqrt((kernel**2).sum(axis=0)))


def their_gradients(
    weight_grad: np.ndarray, kernel: np.ndarray, scale: np.ndarray, eps: float = EPS
) -> dict[str, np.ndarray]:
    norm = np.sqrt((kernel**2).sum(axis=0)) + eps
    unit = kernel / norm
    scale_grad = (weight_grad * unit).sum(axis=0)
    return {"scale": scale_grad, "kernel": scale / norm * (weight_grad - scale_grad * unit)}


def port(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    n = np.linalg.norm(v, axis=1, keepdims=True)
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return g / n * (w_bar - np.vdot(w_bar, v) / n**2 * v), g_bar


# ---- adapters -----------------------------------------------------------------------------------


def _forward(v: np.ndarray, g: np.ndarray) -> np.ndarray:
    return their_weight(v.T, g[:, 0]).T


def _backward(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    found = their_gradients(w_bar.T, v.T, g[:, 0])
    return found["kernel"].T, found["scale"][:, None]


def _point(rng: np.random.Generator) -> Arrays:
    """w_bar, v, g; the rows are so short that eps shows."""
    g = np.array([[1.7], [-0.6], [2.9]]) * rng.uniform(0.8, 1.2, (3, 1))
    return rng.normal(size=(3, 4)), 0.01 * rng.normal(size=(3, 4)), g


def _v_g(rng: np.random.Generator) -> Arrays:
    return _point(rng)[1:]


def judge_backward(answer: Any) -> str | None:
    """Their gradients in our order and shapes, with their mistake."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    got = answer(*_point(np.random.default_rng(0)))
    if isinstance(got, dict):
        return "your adapter returns their dict; the oracle asks for a pair, v_bar and g_bar"
    if not isinstance(got, tuple | list) or len(got) != 2:
        return "return two arrays, v_bar and g_bar"
    v_bar, g_bar = got
    if np.shape(v_bar) == (4, 3):
        return "your v_bar has shape (4, 3): it is still their kernel, one column for each output"
    if np.size(v_bar) == 3 and np.size(g_bar) == 12:
        return "you return g_bar first; the oracle asks for v_bar, then g_bar"
    if np.shape(g_bar) != (3, 1):
        return f"your g_bar has shape {np.shape(g_bar)}, and g has (3, 1)"
    mended = "your adapter has mended their mistake; it should hand it on"
    return function(
        _backward,
        _point,
        ("your v_bar", "your g_bar"),
        common_errors=(
            (vjp, mended),
            (
                lambda w_bar, v, g: (_backward(w_bar, v, abs(g))[0], _backward(w_bar, v, g)[1]),
                "the sign of g is lost on the way",
            ),
            (lambda w_bar, v, g: _backward(v, w_bar, g), "w_bar and v have changed places"),
        ),
    )(answer)


# ---- what the report says -----------------------------------------------------------------------


def judge_id(answer: Any) -> str | None:
    """Of 10.4: eps_in_bwd_only."""
    answer = getattr(answer, "id", answer)  # a Diagnosis says it, too
    if not isinstance(answer, str):
        return "hand over the id, a text such as 'no_projection'; it follows the word mistake"
    known = {
        "eps_outside": "that would be an eps in the function as well; what does the second line "
        "of the report say of forward?",
        "eps_inside": "that would be an eps in the function as well, below the root",
        "low_precision": "that would be errors of the size of float32; look at the line evidence",
        "no_projection": "the projection is there: <v_bar, v> is small, if not 0",
    }
    word = answer.strip().strip(".").lower()
    if word == "eps_in_bwd_only":
        return None
    if " " in word:
        return "this is more than the id; the id is one word, with underscores"
    return known.get(word, f"{word!r} is not what the report names first")


def judge_mended(answer: Any) -> str | None:
    """Of 10.6: their gradients without the mistake, in their shapes."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"

    def adapted(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
        found = answer(w_bar.T, v.T, g[:, 0])
        if not isinstance(found, dict) or {"kernel", "scale"} - set(found):
            raise Wrong("return a dict with the keys 'kernel' and 'scale', as they do")
        if np.shape(found["kernel"]) != v.T.shape or np.shape(found["scale"]) != g[:, 0].shape:
            raise Wrong("keep their shapes: kernel as theirs, and scale with one axis")
        return np.asarray(found["kernel"]).T, np.asarray(found["scale"])[:, None]

    message = weight_norm("backward")(adapted)
    if message and "eps = " in message:
        size = message.partition("eps = ")[2].partition(";")[0].rstrip(".")
        return f"there is still an eps of {size} in your gradients, and none in their_weight"
    return message


# ---- the bug report -----------------------------------------------------------------------------

KEYS = ("mistake", "v", "g", "w_bar", "got", "expected", "fix")


def judge_report(answer: Any) -> str | None:
    """Of 10.8, part by part: the id, the case, the numbers, the fix."""
    found = answer() if callable(answer) else answer
    if not isinstance(found, dict):
        return f"return a dict with the keys {', '.join(KEYS)}"
    absent = [key for key in KEYS if key not in found]
    if absent:
        return f"your report has no {absent[0]!r}"
    if found["mistake"] != "global_dot":
        return f"mistake: {found['mistake']!r} is not what the oracle names; print its report"
    v, g, w_bar = (np.asarray(found[key], dtype="float64") for key in ("v", "g", "w_bar"))
    return (
        _case(v, g, w_bar)
        or _numbers(found["got"], found["expected"], v, g, w_bar)
        or _fix(found["fix"])
    )


def _case(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> str | None:
    if v.ndim != 2 or w_bar.shape != v.shape or g.shape != (len(v), 1):
        shapes = f"{v.shape}, {g.shape}, {w_bar.shape}"
        return f"case: v and w_bar are (o, i), g is (o, 1); yours (v, g, w_bar) are {shapes}"
    if not v.any(axis=1).all():
        return "case: a row of v is zero, where nothing is defined"
    if len(v) == 1:
        return "case: with one row, port is right; there are no others to mix it up with"
    if v.size > 4:
        return f"case: v has {v.size} numbers; two rows of two show it as well"
    for name, x in (("v", v), ("g", g), ("w_bar", w_bar)):
        if (x != np.rint(x)).any():
            return f"case: {name} has {x[x != np.rint(x)][0]:.3g} in it; take whole numbers"
    right = np.asarray(expected(v, g, w_bar).v_bar)
    if np.abs(port(w_bar, v, g)[0] - right).max() <= 1e-9 * max(1.0, np.abs(right).max()):
        return "case: here port gives the true v_bar; the <w_bar, v> of the other row must not be 0"
    return None


def _numbers(got: Any, wanted: Any, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray) -> str | None:
    theirs, right = port(w_bar, v, g)[0], np.asarray(expected(v, g, w_bar).v_bar)
    message = same(got, theirs, "got: your v_bar", digits=3)
    if message and same(got, right, digits=3) is None:
        return "got: this is the true v_bar; what port gives belongs here"
    if message:
        return message
    message = same(wanted, right, "expected: your v_bar", digits=3)
    if message and same(wanted, theirs, digits=3) is None:
        return "expected: this is what port gives; the true v_bar belongs here"
    return message


def _fix(fix: Any) -> str | None:
    if not callable(fix):
        return "fix: hand over a function (w_bar, v, g) -> (v_bar, g_bar)"
    message = weight_norm("backward")(fix)
    return f"fix: {message}" if message else None


# ---- numbers for each student -------------------------------------------------------------------


def lengths(rng: np.random.Generator) -> dict[str, Any]:
    """Of 10.T2: a length, and an eps that is not small in comparison."""
    return {
        "n": (0.004, 0.006, 0.01, 0.02)[rng.integers(4)],
        "eps": (0.001, 0.002)[rng.integers(2)],
    }


def _part(x: dict[str, Any]) -> float:
    return x["eps"] / (x["n"] + x["eps"])


EXERCISES = (
    Exercise(
        "10.1",
        "a check that leaves room for one part in a thousand",
        choice("passes", {
            "fails": "It passes: the gradient is wrong by less than one part in a million.",
        }),
        explanation="What is wrong with it is smaller than the room that the check leaves.",
        choices=("passes", "fails"),
    ),
    Exercise(
        "10.2",
        "their weight, adapted",
        function(
            _forward,
            _v_g,
            "your w",
            common_errors=(
                (lambda v, g: abs(g) * _forward(v, g) / g, "the sign of g is lost on the way"),
                (lambda v, g: _forward(v, np.ones_like(g)), "the gains have not arrived"),
                (
                    lambda v, g: g * v / np.linalg.norm(v, axis=0),
                    "each column of v has been divided by its length; their columns are your rows",
                ),
                (
                    lambda v, g: np.abs(g[0]) / g[0] * _forward(v, np.full_like(g, g[0, 0])),
                    "every row has the gain of the first; g[:, 0] has one for each",
                ),
                (
                    lambda v, g: _forward(v, np.full_like(g, g[0, 0])),
                    "every row has the gain of the first; g[:, 0] has one for each",
                ),
                (
                    lambda v, g: g * _forward(v, g),
                    "the gains have come in twice: their_weight has them already",
                ),
            ),
        ),
        (
            "what shape has their kernel, and what shape has v? and scale, and g?",
            "v.T has one column for each output; g[:, 0] has one axis",
            "translate both, call their_weight, and translate back what it returns",
        ),
        explanation="Translated, called, translated back.",
    ),
    Exercise(
        "10.3",
        "their gradients, adapted",
        judge_backward,
        (
            "as before: w_bar and v turn into their shapes; then look what comes back",
            "their function returns a dict; the oracle asks for a pair, (v_bar, g_bar)",
            "kernel is to be transposed back, and scale to get an axis: scale[:, None] is (o, 1)",
        ),
        explanation="Theirs, to the last digit, with whatever is wrong in it.",
    ),
    Exercise(
        "10.4",
        "what the oracle names",
        judge_id,
        (
            "the report has a line that begins with the word mistake",
            "report.diagnosis is a list of what was named, the most likely first",
            "report.diagnosis[0].id is the id, as a text",
        ),
        explanation="There is an eps in the gradient, and none in the function.",
    ),
    Exercise(
        "10.5",
        "how large their eps is",
        number(
            EPS, "your eps",
            common_errors=(
                (1e-12, "this is its square; is their eps below the root?"),
                (1e-3, "this is its root; is their eps below the root?"),
            ),
        ),
        (
            "the line yours of the report states it",
            "in the figure, at n = 1, the error is eps itself",
            "it is the number that is added to the root in their_gradients",
        ),
    ),
    Exercise(
        "10.6",
        "their gradients, mended",
        judge_mended,
        (
            "which line of their_gradients has something that their_weight has not?",
            "take it out of that line, and leave everything else as it is",
            "a smaller eps is still an eps: the oracle sees 1e-12 as well",
        ),
        explanation="The gradient belongs to the function again.",
    ),
    Exercise(
        "10.7",
        "a test with one neuron",
        choice("yes", {
            "no": "It passed: with one row, the sum over the whole array is the sum over the row.",
        }),
        explanation="With one row, the sum over the whole array is the sum over the row.",
        choices=("yes", "no"),
    ),
    Exercise(
        "10.8",
        "the bug report",
        judge_report,
        (
            "run the oracle on port and print the report: it has the id, and a case on paper",
            "report.smallest has v, g, w_bar, got and expected; yours may be another case, as "
            "small",
            "np.vdot adds up everything; a sum along axis=1 with keepdims=True has a number for "
            "each row",
        ),
        explanation="A case that anybody can follow, a name, and a fix that holds.",
    ),
    Exercise(
        "10.T1",
        "what a gradient check cannot say",
        choice("only the gradient check", {
            "both": "the oracle compares w as well, and this w is not weight normalisation",
            "only the oracle": "the oracle knows what w should be; who does not?",
            "neither": "the gradient belongs to its function; is that not what the check asks?",
        }),
        (
            "what does a gradient check compare, and with what?",
            "it has no idea which function you meant; it only looks at the one that you gave",
            "and the oracle: which answers does it compare with the truth?",
        ),
        explanation="The gradient belongs to its function; but it is not the function that was "
        "meant.",
        choices=("both", "only the gradient check", "only the oracle", "neither"),
    ),
    Exercise(
        "10.T2",
        "how much an eps takes away",
        number(
            _part, "your part",
            common_errors=(
                (lambda x: x["eps"] / x["n"],
                 "that is nearly it where eps is small; here it is not: one divides by n + eps"),
                (lambda x: x["n"] / (x["n"] + x["eps"]), "this is the part that is left"),
                (lambda x: x["eps"], "this is eps; it counts for more next to a short row"),
                (lambda x: 100 * _part(x), "this is the percentage; a part of 1 is asked for"),
            ),
        ),
        (
            "write down g_bar twice: d / n, and with eps",
            "the second over the first is n / (n + eps); how much is missing from 1?",
            "eps over what one divides by",
        ),
        variant=lengths,
    ),
    Exercise(
        "10.T3",
        "an error smaller than rounding",
        choice("nothing", {
            "a bug": "rounding alone may do twice as much",
            "a lost digit": "rounding alone may do twice as much; no digit is lost that was there",
        }),
        (
            "compare the two numbers of the line worst",
            "the error is smaller than what rounding may do",
            "could a right implementation give this number?",
        ),
        explanation="A right implementation may give this number as well.",
        choices=("a bug", "a lost digit", "nothing"),
    ),
)
