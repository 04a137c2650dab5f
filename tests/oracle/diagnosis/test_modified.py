"""Right but for one thing more, two mistakes at once, and the terms of the second order."""

from __future__ import annotations

import pytest

from minwn import oracle
from minwn.mutation import MUTANTS
from minwn.mutation.mutant import V_BAR, committed, correct, forward, written
from minwn.mutation.second import DOUBLE, JVP, order_two

DTYPES = ("float64", "float32")
EXTRA = [m for m in MUTANTS if m.kind == "extra"]


def names(report):
    return [d.id for d in report.diagnosis]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mutant", EXTRA, ids=lambda m: m.id)
def test_one_thing_more_has_a_name(mutant, dtype):
    made = mutant.make()
    report = oracle.check(made.forward, made.backward, dtype=dtype)
    assert {*names(report)} == {*mutant.faults[0]}, str(report)


@pytest.mark.parametrize(
    ("id", "formula"),
    [
        ("loss_scale", "v_bar and g_bar 1024 times what they should be"),
        ("batch", "v_bar and g_bar divided by 32"),
        ("twice_w", "w = 2 g v/n, and its own gradient"),
        ("decay_of_v", "v_bar = (g/n) (w_bar - (d/n^2) v) + 0.01 v"),
        ("decay_of_g", "g_bar = d/n + 0.05 g"),
        ("clipped", "w = clip(g, -1, 1) v/n"),
    ],
)
def test_the_number_in_it_is_measured(id, formula):
    made = next(m for m in EXTRA if m.id == f"extra.{id}").make()
    assert oracle.check(made.forward, made.backward).diagnosis[0].formula == formula


# v_bar, and the two that it is
TWO = {
    "1/n * (G + d/n**2 * v)": {"missing_g", "proj_sign"},
    "g*g/n * (G - d/n**2 * v/2)": {"factor_g2", "proj_half"},
    "abs(g)/n * (G - d/n * v)": {"factor_abs_g", "proj_n1"},
    "g * (G - 2*d/n**2 * v)": {"missing_1_over_n", "proj_twice"},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", TWO)
def test_two_mistakes_in_one_line_have_both_names(text, dtype):
    report = oracle.check(*written(text)[:2], dtype=dtype)
    assert {*names(report)} == TWO[text], str(report)
    assert not report.ambiguous


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        ("d = roll(d); v_bar = (1/n) (w_bar - (d/n^2) v)", {"dot_of_neighbour", "missing_g"}),
        ("n = first(n); v_bar = (g/n) w_bar; g_bar", {"first_norm_for_all", "no_projection"}),
    ],
)
def test_a_wrong_number_in_a_wrong_formula_has_both_names(lines, ids):
    assert {*names(oracle.check(*committed(lines)[:2]))} == ids


def test_one_wrong_factor_is_not_two_mistakes():
    # Twice and half of it would be a name as well.
    report = oracle.check(*written("g/n * (2*G - d/n**2 * v)")[:2])
    assert names(report) == ["coefficient_of_w_bar"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", [("v_bar",), ("g_bar",), ("v_bar", "g_bar")])
def test_numbers_that_are_not_finite_are_no_mistake_of_an_axis(where, number):
    def backward(w_bar, v, g):
        v_bar, g_bar = correct(w_bar, v, g)
        v_bar = v_bar * number if "v_bar" in where else v_bar
        return v_bar, g_bar * number if "g_bar" in where else g_bar

    report = oracle.check(forward, backward)
    assert report.verdict == "FAIL"
    assert {(d.id, "NaN or infinite" in d.formula) for d in report.diagnosis} == {("unknown", True)}
    assert {output for d in report.diagnosis for output in d.outputs} == {*where}


# ---- the second order ---------------------------------------------------------------------------

ORDER_TWO = [("jvp", *x) for x in JVP.items()] + [("double_backward", *x) for x in DOUBLE.items()]


@pytest.mark.parametrize(("which", "slug", "lines"), ORDER_TWO, ids=[x[1] for x in ORDER_TWO])
def test_a_wrong_term_is_named_and_only_its_answer_accused(which, slug, lines):
    made = order_two(which, lines)
    report = oracle.check(**{k: f for k, f in made._asdict().items() if f is not None})
    output = lines.partition(" = ")[0]
    output = "by_w_bar" if (which, output) == ("double_backward", "w_dot") else output
    (d,) = report.diagnosis
    assert d.id in (f"coefficient_of_{output}", "product_no_g_dot")
    assert d.outputs == (output,)


def test_the_formula_of_a_wrong_term_is_printed():
    made = order_two("jvp", JVP["half"])
    (d,) = oracle.check(jvp=made.jvp).diagnosis
    assert d.formula == "w_dot = (g/n) v_dot - (1/2) (g/n) (<v, v_dot>/n^2) v + (g_dot/n) v"
    assert "only (g/n) (<v, v_dot>/n^2) v is not as it should be" in d.evidence


@pytest.mark.parametrize("form", ["inside", "outside", "rms"])
def test_a_term_of_a_product_is_named_in_every_form(form):
    from minwn.byhand import weight_norm

    def jvp(v, g, v_dot, g_dot):
        how = {"form": form, "eps": 1e-2}
        return weight_norm.jvp(v, g, v_dot, 3 * g_dot, **how)

    assert names(oracle.check(jvp=jvp, form=form, eps=1e-2)) == ["coefficient_of_w_dot"]


def test_answers_in_each_others_place():
    made = next(m for m in MUTANTS if m.id == "order2.swapped").make()
    report = oracle.check(double_backward=made.double_backward)
    assert names(report) == ["answers_exchanged"]
    assert report.diagnosis[0].outputs == ("by_w_bar", "by_v")


def test_a_constant_of_w_is_in_no_product_of_powers():
    report = oracle.check(*written(f"{V_BAR} - 0.25")[:2])
    assert report.diagnosis[0].formula == "v_bar = (g/n) (w_bar - (d/n^2) v) - 0.25"
