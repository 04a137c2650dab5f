"""What a verdict rests on: digits, signs, NaN, dtypes; and what a sentence names."""

from __future__ import annotations

import numpy as np
import pytest

from minwn.course.exercise import chapter, drawn, find
from minwn.course.locations import sources
from minwn.course.session import judged

from .answers import answers

EXERCISES = [e for path in sources() for e in chapter(path.name[:2]).values()]
V, G = np.array([[3.0, 4.0, 1, 2], [1, 2, 2, 5], [4, 1, 7, 3]]), np.array([[1.7], [-0.6], [2.9]])
B = np.array([[0.3, -1.0, 2, 1], [1, 0.4, -2, 3], [2, -1.1, 0.5, 1]])


def said(id, answer):
    with np.errstate(all="ignore"):
        return judged(find(id), answer, {})


def length(v):
    return np.sqrt((v * v).sum(axis=1, keepdims=True))


# ---- digits -------------------------------------------------------------------------------------

HALF = {
    "7.7": lambda y: (y.astype("f2"), y.sum(0).astype("f2")),
    "6.6": lambda n, lr, G, t: np.float16(n),
    "0.2": lambda v: np.abs(v).max(axis=1).astype("f2"),
    "6.2": lambda n, s, lr: np.float16(n + lr * s),
    "3.3": lambda y_bar, x, w: tuple(
        z.astype("f2") for z in (y_bar @ w, 1.4 * y_bar.T @ x, 1.4 * y_bar.sum(0))
    ),
}
NEAR = {
    "7.7": lambda y: (y - y.sum(0) / (len(y) - 1), y.sum(0)),
    "6.6": lambda n, lr, G, t: (n**4 + 2 * lr**2 * G**2 * (t - 1)) ** 0.25,
    "7.2": lambda t: (1 / (t.std(0) + 1e-5), -t.mean(0) / (t.std(0) + 1e-5)),
    "1.6": lambda f, x, h: ((f(x + h) - f(x)) / h) / ((f(x) - f(x - h)) / h),
    "6.2": lambda n, s, lr: np.hypot(n, lr * s) * 1.03,
    "0.3": lambda v: v / (length(v) + 1e-8),
}


@pytest.mark.parametrize("id", HALF)
def test_a_wrong_answer_in_float16_is_wrong(id):
    assert said(id, HALF[id]) is not None


@pytest.mark.parametrize("id", NEAR)
def test_a_wrong_formula_is_not_said_to_be_right_to_some_digits(id):
    assert "right to the digits" not in said(id, NEAR[id])


def values_of(exercise):
    """The right answers of an exercise whose answer is a function, and makes arrays."""
    for answer in answers(f"{int(exercise.id.split('.')[0]):02d}")[exercise.id].right:
        if callable(answer) and exercise.variant is None:
            yield answer


def changed(change, x):
    """change(array) of each array in an answer."""
    if isinstance(x, dict):
        return {key: changed(change, one) for key, one in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(changed(change, one) for one in x)
    return change(np.asarray(x)) if not isinstance(x, str | bool) and not callable(x) else x


def wrapped(answer, change):
    return lambda *arguments: changed(change, answer(*arguments))


def poisoned(value):
    def change(x):
        x = np.array(x, dtype="float64")
        x[(-1,) * x.ndim] = value
        return x

    return change


OTHER = ("9.2", "9.6", "10.8")  # they return True or False, or a dict with a function in it
FUNCTIONS = [
    e for e in EXERCISES if e.id not in OTHER and next(values_of(e), None) is not None
]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_nan_and_inf_never_pass(exercise, value):
    answer = next(values_of(exercise))
    assert said(exercise.id, wrapped(answer, poisoned(value))) is not None


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_one_per_cent_is_seen_in_every_format(exercise):
    answer = next(values_of(exercise))
    for dtype in ("float64", "float32", "float16"):
        def off(x, dtype=dtype):
            return (1.01 * x).astype(dtype)

        if exercise.id != "4.2" or dtype != "float16":
            assert said(exercise.id, wrapped(answer, off)) is not None


@pytest.mark.parametrize("dtype", ["float32", "longdouble"])
@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_what_is_right_is_right_in_other_formats(exercise, dtype):
    if exercise.id in ("8.2", "8.4", "10.6"):
        pytest.skip("it asks for sizes or digits that float32 has not, or for float16")
    answer = next(values_of(exercise))
    assert said(exercise.id, wrapped(answer, lambda x: x.astype(dtype))) is None


@pytest.mark.parametrize("id", ["0.2", "6.2", "6.8", "7.2", "7.7", "3.3"])
def test_the_right_answer_rounded_to_float16_is_right(id):
    answer = next(values_of(find(id)))
    assert said(id, wrapped(answer, lambda x: x.astype("float16"))) is None


@pytest.mark.parametrize("id", ["3.2", "7.6"])
def test_nan_is_called_nan(id):
    answer = next(values_of(find(id)))
    assert "NaN in" in said(id, lambda *arguments: np.nan * answer(*arguments))


# ---- signs --------------------------------------------------------------------------------------

SIZES = {  # exercises whose answer is nowhere negative
    "0.2", "1.3", "1.7", "4.2", "4.8", "6.2", "6.4", "6.6", "6.8", "8.6", "11.2",
    "11.8",
}


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_the_sign_of_an_answer_counts(exercise):
    answer = next(values_of(exercise))
    if exercise.id not in SIZES:
        assert said(exercise.id, wrapped(answer, np.abs)) is not None
    assert said(exercise.id, wrapped(answer, lambda x: -x)) is not None


# ---- points -------------------------------------------------------------------------------------

NOT_FINITE = {
    "5.8": (np.full((3, 4), np.nan), [[1.7], [-0.6], [2.9]], np.ones((3, 4))),
    "1.10": ([[np.nan, 4.0]], [[2.0]], [[-4.0, 3.0]]),
    "9.3": (V, G, np.full((3, 4), np.inf)),
}


@pytest.mark.parametrize("id", NOT_FINITE)
def test_a_point_has_finite_numbers(id):
    assert "NaN or infinity" in said(id, NOT_FINITE[id])


@pytest.mark.parametrize("point", [(2 * np.ones((3, 4)), G, B), (V, G, np.ones((3, 4)))])
def test_no_mistake_hides_where_only_the_reason_given_holds(point):
    assert said("5.8", point) is None


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ((np.ones((3, 4)), G, B), "sum(w_bar) is <w_bar, v> in every row"),
        ((V, G, 0 * V), "w_bar is 0"),
        ((np.ones((3, 1)), G, np.ones((3, 1))), "v_bar is 0"),
        ((V, np.ones((3, 1)), B), "g is 1 in every row"),
    ],
)
def test_what_is_at_the_point_is_said(point, words):
    assert words in said("5.8", point)


# ---- sentences ----------------------------------------------------------------------------------

SENTENCES = [
    ("6.8", lambda lr, lam, G: lr * G / lam, "at lr = "),
    ("1.3", lambda u, F, M: (3 * u * F / M) ** 1 / 3, "** (1 / 3)"),
    ("6.6", lambda n_0, lr, G, t: (n_0**4 + 2 * lr**2 * G**2 * t) ** 1 / 4, "** (1 / 4)"),
    ("6.2", lambda n, s, lr: (n**2 + (lr * s) ** 2) ** 1 / 2, "** (1 / 2)"),
    ("1.4", lambda f, x, h=1e-20: f(x + 1j * h) / h, ".imag"),
    ("5.2", lambda v, g: g * v / np.sqrt((v * v).sum(axis=1)), "keepdims"),
    ("5.2", lambda v, g: g * v / np.linalg.norm(v), "over the whole array"),
    ("5.2", lambda v, g: (g * v / length(v), length(v)), "return w alone"),
    ("5.2", lambda v, g: g * v / (length(v) + 1e-8), "eps = 1e-08"),
    ("5.2", lambda v, g: np.divide(v, length(v), out=v) * g, "changes its arguments"),
    ("5.6", lambda x, v: v - (x * v).sum(1, keepdims=True) / (x * x).sum(1, keepdims=True) * x,
     "exchanged"),
]


@pytest.mark.parametrize(("id", "answer", "words"), SENTENCES)
def test_a_common_slip_is_named(id, answer, words):
    assert words in said(id, answer)


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("1.T3", " A kink "), ("1.T3", "kink"), ("1.T2", "Zeros"), ("6.T3", "learning rate"),
        ("4.T2", "(16,8)"), ("4.T2", (16, 8)), ("4.T2", [16, 8]), ("0.T3", "Order of the axes."),
        ("5.T3", "1/10"), ("5.T3", "0,1"), ("7.T3", "3/4"), ("6.T2", "1,600"), ("0.T2", "(3,)"),
        ("3.T2", "(7, 4)"), ("10.4", "Eps_in_bwd_only"),
    ],
)
def test_how_an_answer_is_typed_does_not_matter(id, answer):
    assert said(id, answer) is None


def test_nothing_typed_is_not_taken_for_a_function():
    assert "return" not in said("0.T1", None)


def test_an_id_may_be_typed_as_a_number(capsys):
    from minwn.course import check

    assert "5.T3" in str(check("5.T3", 0.1))
    with pytest.raises(KeyError, match=r"give it as text, such as '5\.2'"):
        check(5.2, 0.1)


TYPED = [e for e in EXERCISES if e.variant and hasattr(e.judge, "apart")]
WRITTEN = [e for e in EXERCISES if e.variant and not hasattr(e.judge, "apart")]


@pytest.mark.parametrize("exercise", TYPED, ids=lambda e: e.id)
def test_no_common_slip_coincides_with_another_or_with_the_answer(exercise):
    for seed in range(200):
        assert exercise.judge.apart(drawn(exercise, np.random.default_rng(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.id)
def test_the_function_of_another_student_is_wrong(exercise):
    (right, *_) = answers(f"{int(exercise.id.split('.')[0]):02d}")[exercise.id].right
    several = [drawn(exercise, np.random.default_rng(seed)) for seed in range(12)]
    assert len({str(numbers) for numbers in several}) > 6
    for mine in several:
        for theirs in several:
            with np.errstate(all="ignore"):
                found = judged(exercise, right(theirs), mine)
            assert (found is None) == (mine == theirs)


# ---- the judge itself ---------------------------------------------------------------------------

SPOILED = (
    lambda x: x[..., ::-1] if np.ndim(x) else x + 1, lambda x: np.roll(x, 1), lambda x: x + 0.37,
    lambda x: np.sqrt(abs(x)) + 1, lambda x: x * (1 + 0.1 * np.sin(x)), np.round, np.sum,
    lambda x: np.stack([x, x]), lambda x: np.transpose(x) + 0.1, lambda x: x + 0.1j, str,
    lambda x: None, lambda x: [x], lambda x: x[:0] if np.ndim(x) else np.zeros(0),
    lambda x: 1.0000001 * x,
)


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_no_judge_fails_at_a_strange_answer(exercise):
    """What a judge cannot make sense of must not be blamed on the learner's code."""
    answer = next(values_of(exercise))
    for change in SPOILED:
        message = said(exercise.id, wrapped(answer, change))
        assert message is None or "raised" not in message
