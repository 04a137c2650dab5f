"""Slips of learners whose message was vague or led astray: what it must say, and must not."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

from minwn.course import number
from minwn.course.exercise import drawn, find
from minwn.course.exercises.n04 import _count, _matrix, _windows
from minwn.course.judges import function
from minwn.course.session import judged


def said(id, answer):
    """The message; an answer to an exercise with a variant is a function of its numbers."""
    exercise = find(id)
    numbers = drawn(exercise, np.random.default_rng(3)) if exercise.variant else {}
    with np.errstate(all="ignore"):
        return judged(exercise, answer(numbers) if numbers else answer, numbers)


def length(v):
    return np.sqrt((v * v).sum(axis=1, keepdims=True))


def softmax(a):
    p = np.exp(a - a.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def adam(new, w, w_bar, mean, square, t, lr):
    """A step of Adam with the line of the learner: new(w, m / (1 - 0.9^t), root, lr)."""
    mean, square = 0.9 * mean + 0.1 * w_bar, 0.999 * square + 0.001 * w_bar**2
    root = np.sqrt(square / (1 - 0.999**t))
    return new(w, mean / (1 - 0.9**t), root, lr), mean, square


def nodes(w_bar, v, g):
    n = length(v)
    r_bar = (w_bar * v).sum(axis=1, keepdims=True)
    n_bar = -r_bar * g / n**2
    s_bar = n_bar / (2 * n)
    v_bar = r_bar * v + 2 * s_bar * v
    return {"r_bar": r_bar, "g_bar": r_bar / n, "n_bar": n_bar, "s_bar": s_bar, "v_bar": v_bar}


def read_backwards(y_bar, w, size, stride, padding, dilation):
    x = np.zeros(size + 2 * padding)
    for p in range(len(y_bar)):
        for k in range(len(w)):
            x[stride * p + dilation * k] += w[-k] * y_bar[p]
    return x[padding : padding + size]


def padded_twice(x, kernel, stride, padding, dilation):
    out = _count(len(x), kernel, stride, padding, dilation)
    wide = np.pad(x, 2 * padding)
    starts = [dilation * k for k in range(kernel)]
    return np.stack([wide[a : a + stride * (out - 1) + 1 : stride] for a in starts])


def without_brackets(f, x, y_bar, h):
    found = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[index] = h
        found[index] = (y_bar * f(x + step)).sum() - (y_bar * f(x - step)).sum() / (2 * h)
    return found


def only_dilated(size, kernel, stride, padding, dilation):
    return _count(size, kernel, stride, padding, dilation) if dilation > 1 else 0


# what a message must say, by the id of the exercise and the answer
SAYS = [
    ("1.2", lambda f, x, h: (f(x + h) - f(x - h)) // (2 * h), "cut to a whole number"),
    ("1.3", lambda u, F, M: (2 * u * F / M) ** (1 / 3), "the cube root of 2/3 times"),
    ("1.7", lambda a, b: abs(a - b) / max(abs(a), abs(b)), "np.maximum"),
    ("1.7", lambda a, b: abs(a - b) / (np.maximum(abs(a), abs(b)) + 1e-12), "hides it"),
    ("1.7", lambda a, b: np.nan_to_num(abs((a - b) / a)), "at a = [1], b = [2]"),
    ("1.8", lambda f, x, y_bar, h: y_bar * (f(x + h) - f(x - h)) / (2 * h), "all entries at once"),
    ("1.8", without_brackets, "at f(x) = 2 x"),
    ("1.T1", lambda x: 3 * x["x"] ** 2 + 3 * x["h"], "for x = 2 and h = 1"),
    ("2.2", lambda z_bar, z, a, b: (z_bar + a, z_bar + b), "at z_bar = [10]"),
    ("2.2", lambda z_bar, z, a, b: np.stack([z_bar * b, z_bar * a]), "not one array"),
    ("2.7", lambda x: lambda z_bar, z, a: z_bar * a, "at z_bar = [10]"),
    ("3.3", lambda y_bar, x, w: (y_bar @ w, y_bar.T @ x, y_bar.sum(axis=1)),
     "b_bar is the sum of y_bar along axis 1"),
    ("3.4", lambda y_bar, x, w: (
        y_bar @ w, np.einsum("bmo,bmi->oi", y_bar, x), y_bar.sum(axis=(0, 1))
    ), "for x of shape (5, 3)"),
    ("3.5", lambda x, w, x_dot, w_dot, b_dot: b_dot, "your y_dot is b_dot itself"),
    ("3.7", lambda x: lambda y_bar, a, w: (
        x["p"] * a ** (x["p"] - 1) * (y_bar @ w), (y_bar.T @ a) ** x["p"], x["c"] * y_bar.sum(0)
    ), "your w_bar is [["),
    ("4.3", padded_twice, "2 padding places before x[0]"),
    ("4.5", lambda w, size, stride, padding, dilation: _matrix(
        w, size + 2 * padding, stride, 0, dilation
    ), "still has the columns of the padding"),
    ("4.5", lambda w, size, *how: np.concatenate(
        [w @ _windows(unit, len(w), *how) for unit in np.eye(size)]
    ), "one after another"),
    ("4.7", read_backwards, "w[-k]"),
    ("4.8", lambda f, back, x, y_bar: abs(back(f(x)) - x).max(), "the gap is 7"),
    ("4.8", lambda f, back, x, y_bar: abs(f(x) @ y_bar - x @ back(y_bar)) < 1e-9,
     "True or False"),
    ("5.3", lambda w_bar, v, g: {
        **nodes(w_bar, v, g), "r_bar": g / np.sqrt((v * v).sum(axis=1)) * v
    }, "keepdims"),
    ("5.3", nodes, "w_bar has to come into it"),
    ("5.6", lambda x, v: x - (x @ v.T) / (v @ v.T) @ v, "at x = [[1, 2], [3, 5]]"),
    ("5.T1", lambda x: x["g"] / float(np.hypot(*x["v"])), ", as (g) / (the length of v) is;"),
    ("5.9", lambda x: lambda w_bar, v, g: (lambda n, d: (
        g / n * (w_bar + d * v ** (x["p"] - 1) / n ** x["p"]), d / n
    ))((x["k"] + (v ** x["p"]).sum(1, keepdims=True)) ** (1 / x["p"]),
       (w_bar * v).sum(1, keepdims=True)), "the sign of the second term"),
    ("6.2", lambda n, size, lr: n ^ 2 if isinstance(n, int) else n * 1.0 ^ 2, "**, not ^"),
    ("6.4", lambda lr, c: lr / (2 * c), "1/(2 c^3)"),
    ("7.2", lambda t: (1 / t.std(axis=1), -t.mean(axis=1) / t.std(axis=1)), "along axis 1"),
    ("7.2", lambda t: (
        1 / abs(t - t.mean(0)).mean(0), -t.mean(0) / abs(t - t.mean(0)).mean(0)
    ), "the variance is 20/5"),
    ("7.9", lambda x: lambda y_bar: ((x["a"] - x["c"]) * y_bar, y_bar.sum(axis=0)),
     "at y_bar = [[1], [3]]"),
    ("8.2", lambda v, g: g * v / v.sum(1, keepdims=True) / length(v / v.sum(1, keepdims=True)),
     "turned round"),
    ("8.4", lambda v, g: (v.astype("f4") / length(v.astype("f4"))).astype("f2"),
     "the gain g is missing"),
    ("8.4", lambda v, g: (g * v / np.abs(v).max(axis=1, keepdims=True)).astype("f2"),
     "the largest entry"),
    ("8.6", lambda v, eps, place: {
        "inside": np.sqrt((v * v).sum(1, keepdims=True) + eps), "outside": length(v) + eps,
        "max": np.maximum((v * v).sum(1, keepdims=True), eps),
    }[place], "the root"),
    ("11.2", lambda a, t: (
        a.max(axis=1) + np.log(np.exp(a - a.max()).sum(axis=1)) - a[np.arange(len(a)), t]
    ).mean(), "at logits = [[0, 0], [5, 5]]"),
    ("11.4", lambda a, t: softmax(a) - t[:, None], "the number of the class"),
    ("11.6", lambda *x: adam(lambda w, m, root, lr: w - lr * m / root + 1e-8, *x), "bracket"),
    ("11.6", lambda w, w_bar, mean, square, t, lr: (
        adam(lambda w, m, root, lr: w - lr * m / (root + 1e-8), w, w_bar, mean, square, t, lr)[0],
        mean, square,
    ), "as they came"),
    ("11.T3", 0.1, "the first gradient is 8"),
]
# and what it must not say, for it is not so
NOT_SAID = [
    ("3.T1", lambda x: np.array(x["y_bar"]).sum(axis=0), "repeated"),
    ("4.3", padded_twice, "all of your padding is in front"),
    ("3.5", lambda x, w, p, q, r: (
        (x + 1e-4 * p) @ (w + 1e-4 * q).T - (x - 1e-4 * p) @ (w - 1e-4 * q).T
    ) / 2e-4 + r, "float32"),
    ("6.T1", lambda x: x["length of v"] + x["length of v_bar"], "a little"),
    ("8.4", lambda v, g: np.zeros_like(v), "65504"),
    ("11.6", lambda *x: adam(lambda w, m, root, lr: w - lr * m / root + 1e-8, *x), "float32"),
]


@pytest.mark.parametrize(("id", "answer", "words"), SAYS)
def test_a_message_leads_to_the_slip(id, answer, words):
    assert words in said(id, answer)


@pytest.mark.parametrize(("id", "answer", "words"), NOT_SAID)
def test_a_message_says_nothing_that_is_not_so(id, answer, words):
    assert words not in said(id, answer)


def test_an_answer_must_be_right_at_the_examples_too():
    judge = function(
        lambda x: x + 1, lambda rng: (rng.uniform(1, 2),), "y", examples=(((0.0,), "it is 1"),)
    )
    assert judge(lambda x: x + 1) is None
    assert judge(lambda x: x + 1 if x else 0.0) == "at x = 0 y is 0; it is 1"
    assert judge(lambda x: x + 1 if x else 1 / x) is None  # what fails there alone is not blamed
    assert "there are 3" in said("4.2", only_dilated)


def test_two_roundings_to_float16_are_seen():
    def twice(v, g):
        wide = v.astype("f4")
        return g * (wide / length(wide)).astype("f2")

    assert "more than the last step" in said("8.4", twice)


def test_fewer_digits_are_called_fewer_digits():
    judge = number(0.1234, "your x", example="for 1 it would be 2")
    assert judge(0.1) == (
        "your x is 0.1, which is too small: it is right to 1 digit, and 3 are asked for"
    )
    assert judge(0.13) == "your x is 0.13, which is too large; for 1 it would be 2"
    assert judge(0.1234) is None


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(("id", "slip"), [
    ("3.T1", lambda x: sum(abs(row[0]) for row in x["y_bar"])),
    ("4.T1", lambda x: (
        x["size"] + 2 * x["padding"] - x["dilation"] * x["kernel"]
    ) // x["stride"]),
    ("6.T1", lambda x: abs(
        x["length of v"] ** 2 - (x["lr"] * x["length of v_bar"]) ** 2
    ) ** 0.5),
])
def test_no_numbers_make_a_slip_look_like_another(id, slip, seed):
    exercise = find(id)
    numbers = drawn(exercise, np.random.default_rng(seed))
    message = judged(exercise, slip(numbers), numbers)
    assert message is not None
    assert not any(words in message for words in ("counted once", "below the root; add"))


def test_a_row_for_a_column_is_not_taken_for_a_sum():
    """keepdims is advice for a sum; where there is none, the column can be made."""
    message = said("3.5", lambda x, w, x_dot, w_dot, b_dot: w @ x_dot.T + w_dot @ x.T + b_dot)
    assert "[:, None]" in message


def test_a_missing_key_gets_advice():
    source = "def walk(z_bar, z, a, b):\n    return {}[a.size]\n"
    linecache.cache["<walk>"] = (0, None, source.splitlines(True), "<walk>")
    space = {}
    exec(compile(source, "<walk>", "exec"), space)
    assert "before you read it" in said("2.2", space["walk"])


def test_every_name_gets_numbers_in_a_moment():
    """Numbers whose columns both have the sum 0 are drawn again, once."""
    for seed in range(400):
        numbers = drawn(find("3.T1"), np.random.default_rng(seed))
        assert sum(row[0] for row in numbers["y_bar"])
