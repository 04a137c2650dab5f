"""Exercises of notebook 11: a network of your own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ...data import digits, split
from ..comparison import array_of
from ..exercise import Exercise
from ..judges import choice, function, number, same

__all__ = ["ENOUGH", "EXERCISES"]

ENOUGH = 0.96  # of the test digits
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

# ---- softmax and cross entropy -------------------------------------------------------------------


def _log_p(a: np.ndarray, axis: int | None = 1) -> np.ndarray:
    """log softmax, over the axis, or over everything."""
    top = a.max(axis=axis, keepdims=True)
    return a - top - np.log(np.exp(a - top).sum(axis=axis, keepdims=True))


def _one_hot(a: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.eye(a.shape[1])[labels]


def _loss(a: np.ndarray, labels: np.ndarray) -> float:
    return float(-_log_p(a)[np.arange(len(a)), labels].mean())


def _loss_bar(a: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (np.exp(_log_p(a)) - _one_hot(a, labels)) / len(a)


def _rows(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(logits, labels): six rows of five classes, of which the last is no label."""
    return 2 * rng.normal(size=(6, 5)), np.array([2, 0, 3, 1, 2, 0])


def _picked(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return x[np.arange(len(x)), labels]


def _log_sum(a: np.ndarray) -> np.ndarray:
    return np.log(np.exp(a).sum(axis=1))


_LOSSES: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda a, t: len(a) * _loss(a, t), "this is the sum over the examples; take the mean"),
    (
        lambda a, t: _loss(a, t) / a.shape[1],
        "you divide by m k, the number of all entries: the mean is over the m examples only",
    ),
    (lambda a, t: -_loss(a, t), "this is the mean of log p; the loss is minus that"),
    (
        lambda a, t: -len(a) * _loss(a, t),
        "this is the sum of log p; the loss is minus the mean",
    ),
    (
        lambda a, t: _loss(a, t) - np.log(a.shape[1]),
        "inside of the logarithm you take a mean; it is the sum of the powers",
    ),
    (
        lambda a, t: -_picked(_log_p(a, 0), t).mean(),
        "your softmax is over the examples (axis 0): each row of p should have the sum 1, over its "
        "classes",
    ),
    (
        lambda a, t: -_picked(_log_p(a, None), t).mean(),
        "your softmax is over all entries at once: each row of p should have the sum 1",
    ),
    (
        lambda a, t: -_picked(a, t).mean(),
        "you take the logits for log p: the log of the sum of e^logit is missing",
    ),
    (
        lambda a, t: (_log_sum(a) - a.max(axis=1) - _picked(a, t)).mean(),
        "the largest logit is taken off before exp, and has to be added again after the log",
    ),
    (
        lambda a, t: -np.exp(_picked(_log_p(a), t)).mean(),
        "this is minus the mean of p; the logarithm is missing",
    ),
    (
        lambda a, t: 1 - np.exp(_picked(_log_p(a), t)).mean(),
        "this is 1 - p, on average; the loss is -log p",
    ),
    (
        lambda a, t: -np.log(np.exp(_picked(_log_p(a), t)).mean()),
        "this is the log of the mean; take the log of each p first, and then the mean",
    ),
    (
        lambda a, t: -_log_p(a).max(axis=1).mean(),
        "this is the loss of the likeliest class of each row; take the class that its label names",
    ),
    (
        lambda a, t: -_log_p(a).sum(axis=1).mean(),
        "you add up -log p of all classes; only that of the label counts",
    ),
    (
        lambda a, t: -_log_p(a).mean(),
        "you average -log p over all classes; only that of the label counts",
    ),
    (
        lambda a, t: -_picked(_log_p(a), t - 1).mean(),
        "your labels are one class too low: they count from 0, as the columns do",
    ),
    (
        lambda a, t: -_log_p(a)[:, t].mean(),
        "log_p[:, labels] takes these columns of every row; one entry of each row is meant: "
        "log_p[np.arange(m), labels]",
    ),
    (
        lambda a, t: -_log_p(a)[t].mean(),
        "log_p[labels] takes whole rows; one entry of each row is meant: log_p[np.arange(m), "
        "labels]",
    ),
    (
        lambda a, t: _loss(a, t) + 2 * _picked(a, t).mean(),
        "you add the logit of the label; it is taken away from the log of the sum",
    ),
    (
        lambda a, t: (_loss(a, t)) / np.log(2),
        "this is the loss in bits; take the natural logarithm",
    ),
    *(
        (
            lambda a, t, eps=eps: -np.log(_picked(np.exp(_log_p(a)), t) + eps).mean(),
            f"you add {eps:g} inside of the logarithm; nothing is needed there if the largest "
            "logit is taken off",
        )
        for eps in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
    ),
)
_loss_judge = function(
    lambda logits, labels: _loss(logits, labels), _rows, "your loss", common_errors=_LOSSES,
    examples=(
        (
            (np.array([[0.0, 0.0]]), np.array([1])),
            "two equal logits give the probability 1/2 each, and -log(1/2) is 0.6931",
        ),
        (
            (np.array([[np.log(3.0), 0.0]]), np.array([0])),
            "e^logit is 3 and 1, so p is 3/4 and 1/4, and -log(3/4) is 0.2877",
        ),
        (
            (np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([0, 1])),
            "in each row two equal logits give the probability 1/2 each, and -log(1/2) is 0.6931",
        ),
    ),
)
# (logits, labels, what stands in a row, and what to do): out of reach of exp, or of log.
_TOP = "e^1000 is more than float64 holds: take the largest logit of each row off before exp"
FAR = (
    (np.array([[1000.0, 999.0], [0.0, 2.0]]), np.array([0, 1]), "1000 and 999", _TOP),
    (
        np.array([[-1000.0, -999.0], [3000.0, 3002.0]]), np.array([1, 1]), "-1000 and -999",
        "e^-1000 is 0 in float64: each row has a largest logit of its own to be taken off",
    ),
    (
        np.array([[1000.0, 0.0], [0.0, 2.0]]), np.array([1, 1]), "1000 and 0",
        "the smaller p is 0 in float64, and has no log: write log p as a difference, without p",
    ),
)


def _far(answer: Any, reference: Any) -> str | None:
    """The message for an answer that is right, but not for logits that are far from 0 or apart."""
    for a, labels, text, advice in FAR:
        size = float(np.abs(a).max())  # a loss is a difference of logits
        with np.errstate(all="ignore"):
            got = answer(a.copy(), labels.copy())
        if same(got, reference(a, labels), size=size):
            return f"right for small logits, but not where a row is {text}: {advice}"
    return None


def judge_loss(answer: Any) -> str | None:
    """The loss at ordinary logits, and then at large ones."""
    return _loss_judge(answer) or _far(answer, _loss)


_LOSS_BARS: tuple[tuple[Callable[..., Any], str], ...] = (
    (
        lambda a, t: len(a) * _loss_bar(a, t),
        "1/m is missing: the loss is a mean over the m examples",
    ),
    (
        lambda a, t: _loss_bar(a, t) / a.shape[1],
        "you divide by m k; the mean is over the m examples only",
    ),
    (lambda a, t: -_loss_bar(a, t), "the sign is wrong: it is p minus the one-hot rows"),
    (
        lambda a, t: -len(a) * _loss_bar(a, t),
        "the sign is wrong: it is p minus the one-hot rows; and 1/m is missing",
    ),
    (
        lambda a, t: np.exp(_log_p(a)) / len(a),
        "the 1 of the right class is not taken off yet",
    ),
    (
        lambda a, t: np.exp(_log_p(a)),
        "the 1 of the right class is not taken off yet, and 1/m is missing",
    ),
    (
        lambda a, t: -_one_hot(a, t) / len(a),
        "that is the part of the logit of the label; the log of the sum moves, too, by p",
    ),
    (
        lambda a, t: np.exp(_log_p(a)) - _one_hot(a, t) / len(a),
        "only the one-hot rows are divided by m: p - one_hot / m needs brackets",
    ),
    (
        lambda a, t: np.exp(_log_p(a)) / len(a) - _one_hot(a, t),
        "only p is divided by m, and the one-hot rows are not",
    ),
    *(
        (
            lambda a, t, axis=axis, m=m: (np.exp(_log_p(a, axis)) - _one_hot(a, t)) / (
                len(a) if m else 1
            ),
            f"your softmax is over {what}: each row of p should have the sum 1"
            + ("" if m else "; and 1/m is missing"),
        )
        for axis, what in ((0, "the examples (axis 0)"), (None, "all entries at once"))
        for m in (True, False)
    ),
    (
        lambda a, t: (np.exp(_log_p(a)) - 1) / len(a),
        "you take 1 off every class; only that of the label has it",
    ),
    (
        lambda a, t: (
            np.exp(_log_p(a)) - np.isin(np.arange(a.shape[1]), t).astype("float64")
        ) / len(a),
        "p[:, labels] -= 1 takes 1 off these columns in every row: write "
        "p[np.arange(m), labels] -= 1",
    ),
    *(
        (lambda a, t, m=m: (np.exp(_log_p(a)) - t[:, None]) / (len(a) if m else 1),
         "you take off the number of the class; take 1 off, in the column that it names")
        for m in (True, False)
    ),
    (
        lambda a, t: (np.exp(_log_p(a)) - np.isin(np.arange(len(a)), t)[:, None]) / len(a),
        "p[labels] -= 1 takes 1 off whole rows: write p[np.arange(m), labels] -= 1",
    ),
    (
        lambda a, t: np.where(_one_hot(a, t) > 0, -1, np.exp(_log_p(a))) / len(a),
        "p[np.arange(m), labels] = -1 puts -1 there; take 1 off what is there, with -=",
    ),
    (
        lambda a, t: (np.exp(_log_p(a)) - _one_hot(a, t - 1)) / len(a),
        "your labels are one class too low: they count from 0, as the columns do",
    ),
    (
        lambda a, t: (np.exp(_log_p(a)) - _one_hot(a, a.argmax(axis=1))) / len(a),
        "you take 1 off the likeliest class of each row; take it off the class of the label",
    ),
    (
        lambda a, t: -_one_hot(a, t) / np.exp(_log_p(a)) / len(a),
        "this is the derivative of -log p by p; go on, through the softmax to the logits",
    ),
    (
        lambda a, t: (_log_p(a) - _one_hot(a, t)) / len(a),
        "that is log p minus the one-hot rows; it is p itself",
    ),
    (
        lambda a, t: (a - _one_hot(a, t)) / len(a),
        "these are the logits minus the one-hot rows; the softmax is missing",
    ),
)
_loss_bar_judge = function(
    lambda logits, labels: _loss_bar(logits, labels), _rows, "your logits_bar",
    common_errors=_LOSS_BARS,
    examples=((
        (np.array([[0.0, 0.0]]), np.array([1])),
        "p is 1/2 for both classes, and the label is the second: [[0.5, -0.5]]",
    ),),
)


def judge_loss_bar(answer: Any) -> str | None:
    """The gradient at ordinary logits, and then at large ones."""
    return _loss_bar_judge(answer) or _far(answer, _loss_bar)


# ---- ReLU and Adam ------------------------------------------------------------------------------


@np.errstate(invalid="ignore")
def _adam(
    w: np.ndarray, w_bar: np.ndarray, m: np.ndarray, q: np.ndarray, t: int, lr: float,
    *, change: str = "",
) -> tuple[np.ndarray, ...]:
    """A step of Adam, right or with one mistake. For the tests the mistakes have names."""
    beta1, beta2 = (BETA2, BETA1) if change == "betas" else (BETA1, BETA2)
    old = m, q
    m = beta1 * m + (1 if change == "m grows" else 1 - beta1) * w_bar
    q = beta2 * q + (1 if change == "q grows" else 1 - beta2) * (
        w_bar if change == "no square" else w_bar**2
    )
    late = t - 1 if change == "t - 1" else t + 1 if change == "t + 1" else t
    first, second = 1 - beta1**late, 1 - beta2**late
    if change == "multiplied":
        first, second = 1 / first, 1 / second
    if change == "1 - beta t":
        first, second = 1 - beta1 * t, 1 - beta2 * t
    if change == "1 - beta":
        first, second = 1 - beta1, 1 - beta2
    if change == "(1 - beta)^t":
        first, second = (1 - beta1) ** t, (1 - beta2) ** t
    if change == "m (1 - beta)^t":
        first = (1 - beta1) ** t
    if change == "beta1 for both":
        second = 1 - beta1**t
    if change in ("uncorrected", "m uncorrected"):
        first = 1.0
    if change in ("uncorrected", "q uncorrected"):
        second = 1.0
    eps = float(change[4:]) if change in _OTHER_EPS else EPS
    below = np.sqrt(q / second + EPS) if change == "eps inside" else np.sqrt(q / second) + eps
    if change == "no root":
        below = q / second + EPS
    if change == "no eps":
        below = np.sqrt(q / second)
    if change == "root of all":
        below = np.sqrt(q) / second + EPS
    step = lr * (w_bar if change == "no momentum" else m / first) / below
    new = w + step if change == "uphill" else w - step
    if change == "eps outside":
        new = w - lr * m / first / np.sqrt(q / second) + EPS
    if change == "old kept":
        m, q = old
    return (new, m / first, q / second) if change == "corrected kept" else (new, m, q)


_OTHER_EPS = {
    f"eps {eps}": f"your eps is {eps}; it should be 1e-8"
    for eps in ("1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-9", "1e-10")
}
_ADAMS = {
    "1 - beta t": "you correct by 1 - beta t; it is 1 - beta**t, a power",
    "1 - beta": "you correct by 1 - beta; it is 1 - beta**t, which depends on the step",
    "(1 - beta)^t": "you correct by (1 - beta)**t; it is 1 - beta**t",
    "m (1 - beta)^t": "you correct mean by (1 - beta1)**t; it is 1 - beta1**t",
    "beta1 for both": "you correct square with beta1; its own is beta2 = 0.999",
    "eps outside": "a bracket is missing: your eps is added to the new w, not to the root",
    "old kept": "you return mean and square as they came; the new ones take in w_bar",
    "uncorrected": "mean and square are not corrected: both began with zeros, so divide them "
                   "by 1 - beta^t in the step",
    "m uncorrected": "mean is not corrected: divide it by 1 - beta1^t in the step",
    "q uncorrected": "square is not corrected: divide it by 1 - beta2^t in the step",
    "corrected kept": "you return mean and square corrected; the next step needs them as they "
                      "were before the correction",
    "multiplied": "you multiply by 1 - beta^t; divide by it, for mean and square are too small at "
                  "first",
    "t - 1": "your t is one too small: the first step has t = 1",
    "t + 1": "your t is one too large: the first step has t = 1",
    "eps inside": "your eps is inside of the root; it is added to the root",
    "no eps": "eps is missing below the fraction: where square is 0 you would get 0/0",
    "no root": "the root of square is missing",
    "root of all": "your square is corrected after the root; divide by 1 - beta2^t first",
    "no momentum": "your step uses w_bar itself; it is the corrected mean that is divided",
    "uphill": "you step uphill: take the step away from w",
    "betas": "the two betas are exchanged: 0.9 belongs to mean, and 0.999 to square",
    "m grows": "mean takes in the whole w_bar; it should be (1 - beta1) w_bar",
    "q grows": "square takes in the whole w_bar^2; it should be (1 - beta2) w_bar^2",
    "no square": "square takes in w_bar; it should be w_bar^2",
    **_OTHER_EPS,
}


def _moments(rng: np.random.Generator) -> tuple[Any, ...]:
    w, w_bar, m = rng.normal(size=(3, 2, 3))
    return w, w_bar, 0.3 * m, rng.uniform(0.2, 1.0, (2, 3)), int(rng.integers(2, 9)), 0.05


_FIRST = (np.array([1.0]), np.array([8.0]), np.array([0.0]), np.array([0.0]), 1, 0.1)
_FIRST_FACTS = (
    "at the first step the corrected mean is 8 and the corrected square is 64, so w falls by 0.1 "
    "to 0.9",
    "it is 0.9 * 0 + 0.1 * 8 = 0.8",
    "it is 0.999 * 0 + 0.001 * 64 = 0.064",
)
_adam_judge = function(
    lambda w, w_bar, mean, square, t, lr: _adam(w, w_bar, mean, square, t, lr), _moments,
    ("your new w", "your new mean", "your new square"),
    common_errors=tuple(
        (lambda *x, change=change: _adam(*x, change=change), text)
        for change, text in _ADAMS.items()
    ),
    examples=((_FIRST, _FIRST_FACTS),),
)
_kept_judge = function(
    lambda w, w_bar, mean, square, t, lr: _adam(w, w_bar, mean, square, t, lr)[1:], _moments,
    ("your new mean", "your new square"),
    common_errors=((
        lambda w, w_bar, mean, square, t, lr: (mean, square),
        "you return mean and square as they came; the new ones take in w_bar",
    ),),
    examples=((_FIRST, _FIRST_FACTS[1:]),),
)


def judge_adam(answer: Any) -> str | None:
    """The step; where it is no known mistake, mean and square first, of which w is made."""
    said = _adam_judge(answer)
    if said is None or "your new w" not in said or re.search("exchanged|^return", said):
        return said
    return _kept_judge(lambda *x: tuple(answer(*x))[1:]) or said


# ---- the network --------------------------------------------------------------------------------


def judge_reader(answer: Any) -> str | None:
    """Whether a function reads at least ENOUGH of the test digits; else what it reads wrong."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    images, labels = digits()
    _, test = split(labels)
    shown, right = images[test, 0].astype("float64"), labels[test]
    got = array_of(answer(shown.copy()))
    if got is None or got.dtype.kind == "c" or not np.isfinite(got).all():
        return "your function should return one digit for each image, as an array of numbers"
    if got.shape == (len(test), 10):
        return "your function returns ten numbers for each image; .argmax(axis=1) is the digit"
    if got.shape != (len(test),):
        return f"your function returns the shape {got.shape} for {len(test)} images"
    share = float((got == right).mean())
    if share >= ENOUGH:
        return None
    said = f"it reads {share:.1%} of the test digits, {(got == right).sum()} of {len(test)}"
    if len(np.unique(got)) == 1:
        return f"{said}: whatever the image is, it says {got[0]:g}"
    pairs, counts = np.unique(
        np.stack([right, got])[:, got != right], axis=1, return_counts=True
    )
    is_, read = pairs[:, counts.argmax()]
    often = f"most often {is_:g} is read as {read:g}, {counts.max()} times"
    return f"{said}, and {ENOUGH:.0%} are asked for; {often}"


def share(rng: np.random.Generator) -> dict[str, Any]:
    """Of 11.T1: the probability of the right class, and the number of examples."""
    return {"p": float(rng.choice([0.2, 0.3, 0.4, 0.6, 0.7])), "m": int(rng.choice([4, 5, 8]))}


EXERCISES = (
    Exercise(
        "11.1",
        "the loss of a network that knows nothing",
        choice("about 2.3", {
            "0": "It is about 2.3: the loss is 0 where the right digit has the probability 1.",
            "about 0.1": "It is about 2.3: 0.1 is the probability of each digit, and -log 0.1 is "
                         "2.3.",
            "about 10": "It is about 2.3: the probability of each digit is 1/10, and the loss is "
                        "the log of 10.",
        }),
        explanation="Each digit has about the probability 1/10, and -log(1/10) is 2.3.",
        choices=("0", "about 0.1", "about 2.3", "about 10"),
    ),
    Exercise(
        "11.2",
        "cross entropy",
        judge_loss,
        (
            "log p of the label is its logit less the log of the sum of e^logit over its row",
            "logits[np.arange(m), labels] is the logit of the label, for each row",
            "with top = logits.max(axis=1, keepdims=True), the log of the sum is top plus the log "
            "of the sum of e^(logits - top)",
        ),
        reveals="11.1",
    ),
    Exercise(
        "11.3",
        "the sum of a row of the gradient",
        choice("zero", {
            "one": "It is zero: p has the sum 1, and the one-hot row takes 1 off again.",
            "it depends": "It is zero for every label: p has the sum 1, and the one-hot row takes "
                          "1 off again.",
        }),
        explanation="p has the sum 1, and the one-hot row takes 1 off again: adding the same to "
        "all logits of a row changes nothing.",
        choices=("zero", "one", "it depends"),
    ),
    Exercise(
        "11.4",
        "the gradient of cross entropy",
        judge_loss_bar,
        (
            "the derivative of the log of a sum of exponentials by one logit is a probability",
            "each row is p, less 1 at its label; and the loss is a mean",
            "p[np.arange(m), labels] -= 1, on a p of your own, and then p / m",
        ),
        reveals="11.3",
    ),
    Exercise(
        "11.5",
        "the rule of ReLU",
        function(
            lambda y_bar, t: y_bar * (t > 0),
            lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
            "your t_bar",
            common_errors=(
                (lambda y_bar, t: y_bar, "y_bar is handed on everywhere; where t < 0, y is 0 "
                 "whatever t does"),
                (lambda y_bar, t: y_bar * (y_bar > 0), "you look at the sign of y_bar; it is t "
                 "that was cut off at 0"),
                (lambda y_bar, t: y_bar * (t < 0), "it is the other way round: where "
                 "t > 0, y is t"),
                (lambda y_bar, t: y_bar * np.maximum(t, 0), "y_bar is multiplied by y; the slope "
                 "is 1 where t > 0"),
                (lambda y_bar, t: (t > 0) * 1.0, "this is the slope; y_bar is missing"),
                (lambda y_bar, t: np.maximum(y_bar, 0), "this is the ReLU of y_bar; it is t that "
                 "was cut off at 0"),
                (lambda y_bar, t: y_bar * np.sign(t), "the slope is 0 where t < 0, not -1"),
            ),
            examples=((
                (np.array([[5.0, 5.0]]), np.array([[2.0, -2.0]])),
                "y is t in the first entry, and 0 in the second: [[5, 0]]",
            ),),
        ),
        (
            "by how much does max(t, 0) move when t moves by a little: for t = 2, and for t = -2?",
            "the slope is 1 where t > 0, and 0 elsewhere",
            "t > 0 is an array of True and False, which count as 1 and 0 in a product",
        ),
    ),
    Exercise(
        "11.6",
        "a step of Adam",
        judge_adam,
        (
            "four lines: the new mean, the new square, both corrected, and the step",
            "corrected is mean / (1 - beta1**t), and so for square; return them as they were",
            "w - lr * mean_corrected / (np.sqrt(square_corrected) + eps)",
        ),
        explanation="The size of the gradient is divided out; the step is about lr.",
    ),
    Exercise(
        "11.7",
        "how soon nine of ten digits are read",
        choice("after 1 pass", {
            "after 10 passes": "It takes one or two: a pass is 45 steps, each of them for all "
                               "weights.",
            "never": "It takes one or two passes; the network has 3,000 numbers for 64 pixels.",
        }),
        explanation="One pass is 45 steps, each of them for all weights.",
        choices=("after 1 pass", "after 10 passes", "never"),
    ),
    Exercise(
        "11.8",
        f"{ENOUGH:.0%} of the test digits",
        judge_reader,
        (
            "for each parameter: its bar, one step of adam, and what adam returns is stored",
            "bars[node].value is the gradient of a parameter, if node is its Node",
            "params[k], means[k], squares[k] = adam(params[k], bars[nodes[k]].value, means[k], "
            "squares[k], t, rate)",
        ),
        explanation="All of it is yours: each number that goes in, and each that comes back.",
        reveals="11.7",
    ),
    Exercise(
        "11.T1",
        "one entry of the gradient",
        number(
            lambda x: (x["p"] - 1) / x["m"], "your entry",
            common_errors=(
                (lambda x: x["p"] - 1, "1/m is missing: the loss is a mean over the examples"),
                (lambda x: (1 - x["p"]) / x["m"], "the sign is wrong: raising the logit of the "
                 "right class lowers the loss"),
                (lambda x: 1 - x["p"], "the sign is wrong, and 1/m is missing"),
                (lambda x: x["p"] / x["m"], "that would be a class other than the label"),
                (lambda x: x["p"], "that would be a class other than the label, and 1/m is "
                 "missing"),
                (lambda x: -1 / (x["p"] * x["m"]), "that is the derivative by p, not by the logit"),
                (lambda x: -1 / x["m"], "the log of the sum moves as well, by p"),
                (lambda x: x["p"] / x["m"] - 1, "1 is taken off p before it is divided by m"),
                (lambda x: x["p"] - 1 / x["m"], "p is divided by m as well: a bracket is missing"),
                (lambda x: -np.log(x["p"]) / x["m"], "this is its part of the loss, not of the "
                 "gradient"),
            ),
            example="for p = 0.9 and m = 10 it would be -0.01",
        ),
        (
            "a row of the gradient is p less the one-hot row, over m",
            "at the class of the label the one-hot row is 1",
            "p less 1, divided by m",
        ),
        variant=share,
    ),
    Exercise(
        "11.T2",
        "Adam with a gradient that lacks 1/m",
        choice("the same", {
            "m times as large": "that is what plain SGD would do; what does Adam divide by?",
            "m times as small": "the gradient is m times as large; what does Adam divide by?",
        }),
        (
            "if all gradients are m times as large, so is their mean; what of the other root?",
            "the step is their ratio",
            "try it: train with 32 times the gradient",
        ),
        explanation="Above and below the fraction all is m times as large. Training goes on as "
        "before, and hides the mistake.",
        choices=("the same", "m times as large", "m times as small"),
    ),
    Exercise(
        "11.T3",
        "the first step of Adam",
        number(
            0.01, "your step",
            common_errors=(
                (10.0, "that would be plain SGD; Adam divides by the root of the mean square"),
                (1.0, "this is lr times the mean, not corrected; it is divided by a root"),
                (0.001, "the mean is corrected, too: its 0.1 is divided by 1 - 0.9"),
                (0.0316, "mean and square are corrected first, which began with zeros"),
                (0.316, "the square is corrected, too: its 0.001 is divided by 1 - 0.999"),
                (1e-5, "the root of the mean square is missing"),
                (1000.0, "this is the gradient; the step is lr times a ratio"),
            ),
            example="for lr = 0.3, where the first gradient is 8, it would be 0.3",
        ),
        (
            "work out mean and square after the first step, from zeros",
            "the corrected mean is the gradient, and the corrected square its square",
            "the ratio of the gradient and its size is 1 or -1",
        ),
        explanation="Its size is lr, whatever the gradient is.",
    ),
)
