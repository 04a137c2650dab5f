"""The judges of values: a right answer passes in any form, a wrong one gets its sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minwn import tensor
from minwn.course import array, choice, function, number, same, weight_norm, weight_norm_at
from minwn.course.catalogue import OF_DIAGNOSES, OF_MISTAKES, sentence
from minwn.oracle import CATALOGUE
from minwn.oracle.mistakes import Terms

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize(
    "answer",
    [
        X, X.tolist(), X.astype("float32"), X.astype("float16"), np.asfortranarray(X), X[:, None],
        X * 3 / 3, tensor(X), X + 0j, X.astype(object),
    ],
    ids=["array", "list", "float32", "float16", "columns", "axis of 1", "other order", "Tensor",
         "complex", "object"],
)
def test_the_same_values_in_another_form(answer):
    assert same(answer, X) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (-X, "wrong sign"),
        (X.T, "transposed"),
        (2 * X, "2 times what"),
        (X / 3, "1/3 times what"),
        (32 * X, "32 times what"),
        (X[:2], r"shape \(2, 4\), and \(3, 4\)"),
        (X + 1, "1 too large, everywhere"),
        (X + 0.1 * X**3, r"wrong in 12 of 12 entries; \[0, 0\] is"),
        (np.where(X[1, 2] == X, 0, X), r"wrong in 1 of 12 entries; \[1, 2\] is 0"),
        (np.where(X[1, 2] == X, np.nan, X), "NaN in 1 of 12"),
        (X.astype("float32").astype("float64"), "digits of float32 only"),
        (X.astype("float16").astype("float64"), "digits of float16 only"),
        (None, "None; is there a return"),
        ("X", "a str, and numbers"),
        ({"X": X}, "a dict, and numbers"),
        (lambda: X, "is a function"),
    ],
)
def test_a_wrong_array_is_named(answer, words):
    assert re.search(words, same(answer, X))


def test_a_square_transpose_is_named():
    assert "transposed" in same(X[:, :3].T, X[:, :3])


def test_the_right_value_is_never_told():
    assert "5" not in same(3.0, 5.0)
    assert same(10.0, 5.0) == "your answer is 10, and that is not it"
    assert number(5.0)(10.0) == "your answer is 10, which is too large"


def test_common_errors_come_first_and_must_fit_everywhere():
    judge = function(
        lambda x: x**3,
        lambda rng: (rng.normal(),),
        "y",
        common_errors=[(lambda x: x**2, "squared")],
    )
    assert judge(lambda x: x * x * x) is None
    assert judge(lambda x: x * x) == "squared"
    assert judge(lambda x: x) == "y is 1/x^2 times what it should be"
    assert "that is not it" in judge(lambda x: x + 0.3 * x**2)
    assert judge(lambda x: 4 * x**3) == "y is 4 times what it should be"


def test_a_size_makes_room_where_terms_cancel():
    assert same(3e-14, 0.0) is not None
    assert same(3e-14, 0.0, size=1.0) is None


def test_a_function_of_two_results():
    judge = function(lambda x: (x, -x), lambda rng: (rng.normal(size=3),), ("a", "b"))
    assert judge(lambda x: [x, -x]) is None
    assert judge(lambda x: (x, x)) == "b has the right size and the wrong sign"
    assert judge(lambda x: x) == "return 2 values, a, b, not one array of shape (3,)"

    def spoils(x):
        x += 1
        return x - 1, 1 - x

    assert judge(spoils) == "your function changes its arguments; work on a copy"


def test_typed_numbers_and_choices():
    judge = number(np.pi, common_errors=[(2 * np.pi, "the whole turn")])
    assert judge(3.14) is None
    assert judge("3.142") is None
    assert judge(6.28) == "the whole turn"
    assert "too small" in judge(3.1)
    assert "a number is asked for" in judge("three")
    assert array(X)(X) is None
    with_wrong = choice("a", {"b": "no"})
    assert (with_wrong("a"), with_wrong("b")) == (None, "no")
    assert with_wrong("c") == "'c' is not a choice; they are 'a', 'b'"


# ---- weight normalisation -----------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, None])
def test_right_functions_pass_along_every_axis(axis):
    kept = None if axis is None else (axis,)

    def terms(w_bar, v, g):
        return Terms(v, g, w_bar, kept)

    assert weight_norm("forward", axis=axis)(lambda v, g: terms(v, v, g).w()) is None
    assert weight_norm("v_bar", axis=axis)(lambda *x: terms(*x).v_bar()) is None
    assert weight_norm("g_bar", axis=axis)(lambda *x: terms(*x).g_bar()) is None
    both = weight_norm("backward", axis=axis)
    assert both(lambda *x: (terms(*x).v_bar(), np.ravel(terms(*x).g_bar()))) is None


def test_every_mistake_of_the_catalogue_has_its_sentence():
    named = {m.id for m in CATALOGUE if m.family != "axis"}
    assert named == set(OF_MISTAKES)
    for text in (*OF_MISTAKES.values(), *OF_DIAGNOSES.values()):
        assert not text.endswith((".", "?"))
        assert "!" not in text


BACKWARD = [m for m in CATALOGUE if set(m.where) & {"v_bar", "g_bar"}]
# For a matrix and axis 0 these are not mistakes: they take the right axis.
HARMLESS = ("first_", "rank_", "last_only_")


@pytest.mark.parametrize("mistake", BACKWARD, ids=lambda m: m.id)
def test_every_wrong_gradient_is_named(mistake):
    judge = weight_norm("backward")
    said = judge(lambda w_bar, v, g: mistake.compute(v, g, w_bar))
    if mistake.family == "axis" and mistake.id.startswith(HARMLESS) and said is None:
        return
    assert said
    assert "unknown" not in said
    if mistake.family != "axis":
        rivals = {sentence(m.id) for m in BACKWARD if m.family != "axis"}
        assert said.startswith(sentence(mistake.id)) or said.split("; at v")[0] in rivals
    assert "slice" not in said


def test_a_number_of_the_answer_is_shown():
    judge = weight_norm("v_bar")
    said = judge(lambda w_bar, v, g: g / np.linalg.norm(v, axis=1, keepdims=True) * w_bar)
    assert said == (
        "this is the gradient without the projection term: it treats n as a constant; at "
        "v = (3, 4), g = 10, w_bar = (5, 10) your <v_bar, v> is 110 and must be 0"
    )


def test_one_array_at_one_point():
    w_bar, v, g = X, X[::-1] + 1, np.array([[2.0], [-3.0], [0.5]])
    t = Terms(v, g, w_bar)
    judge = weight_norm_at("v_bar", v, g, w_bar)
    assert judge(t.v_bar().astype("float32")) is None
    assert "without the projection" in judge(t.g / t.n * w_bar)


def test_a_judge_that_is_none():
    with pytest.raises(ValueError, match="choose forward"):
        weight_norm("sideways")
    assert "the function itself" in weight_norm()(X)
