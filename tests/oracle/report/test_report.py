"""One screen leads to the fix: what it says, and that it fits."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from minwn.byhand import weight_norm
from minwn.oracle.cases import GROUPS as CASES
from minwn.oracle.checks import ALL_CHECKS
from minwn.oracle.diagnosis import Diagnosis
from minwn.oracle.layers.checks import LAYER_CHECKS
from minwn.oracle.report import CheckResult, MinimalCase, Report
from minwn.oracle.report.glossary import (
    CHECKS,
    GRADES,
    GROUPS,
    NEXT,
    ORDERS,
    VERDICTS,
    correct_formulas,
    symbols,
)

from . import reports
from .reports import FAILING, MAKERS, report


@pytest.mark.parametrize("name", MAKERS)
def test_a_report_fits_one_screen(name):
    lines = str(report(name)).split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert lines[0].startswith(report(name).verdict)


@pytest.mark.parametrize("name", sorted(set(FAILING) - {"nasty", "ambiguous"}))
def test_the_screen_names_the_mistake_the_right_line_and_the_fix(name):
    r, text = report(name), str(report(name))
    for d in r.diagnosis[:2]:
        assert d.id in text
        for formula in (*correct_formulas(d, r.form), d.formula):
            assert formula in text
        assert d.fix[:60] in " ".join(text.split())
    for result in r.checks:
        assert (f"{result.failed} of {result.checked} wrong" in text) == (not result.ok)
        assert result.name in text or (result.ok and "more      in --html" in text)


def test_a_screen_read_as_a_whole():
    r = dataclasses.replace(report("no_projection"), name="mine", notes=[], seconds=0.1, worst=None)
    assert str(r).split("\n")[:12] == [
        "FAIL  mine    axis 0, float64, 0.10 s",
        "  a wrong gradient of a right forward",
        "  mistake   no_projection, in v_bar",
        "  yours     v_bar = (g/n) w_bar",
        "  right     v_bar = (g/n) (w_bar - (d/n^2) v)",
        "            (n = ||v||, d = <w_bar, v>, over each slice v[i] of m entries)",
        f"  fix       {r.diagnosis[0].fix}",
        f"  evidence  {r.diagnosis[0].evidence}",
        f"  seen in   {r.diagnosis[0].seen_in}",
        "",
        "  on paper  v = [[3, 4]]   g = [[10]]   w_bar = [[5, 10]]",
        "            v_bar: got = [[10, 20]]   expected = [[-3.2, 2.4]]",
    ]


def test_matrices_stand_in_columns_and_only_wrong_numbers_are_starred():
    s = MinimalCase([[3, 4], [8, 6]], [[10], [-5]], [[5, 10], [0, 5]], "v_bar",
                 [[-3.2, 0], [1.2, -1.6]], [[-3.2, 2.4], [1.2, -1.6]])
    text = str(Report("x", "FAIL", "a wrong gradient", minimal_case=s))
    assert text.split("\n")[3:] == [
        "  on paper  v = [[3, 4],   g = [[10],   w_bar = [[ 5, 10],",
        "                 [8, 6]]        [-5]]            [ 0,  5]]",
        "            v_bar: got = [[-3.2 ,    0*],   expected = [[-3.2,  2.4],",
        "                          [ 1.2 , -1.6 ]]               [ 1.2, -1.6]]",
        "            (* wrong)",
    ]


def test_a_wrong_number_looks_wrong():
    """Six digits would hide an error in the eighth; seventeen would hide that 3.8 is 3.8."""
    s = MinimalCase([3.0], 1.0, [1.0], "v_bar", [3.8000001, 11.0], [3.8, 11.0])
    text = str(Report("x", "FAIL", "a wrong gradient", minimal_case=s))
    assert "v_bar: got = [3.8000001*, 11 ]   expected = [3.8, 11]" in text


def test_what_is_allowed_decides_what_is_wrong():
    s = MinimalCase([1.0], 1.0, [1.0], "w", [1.0, 1.1, np.nan, 3.0], [1.0, 1.0, 1.0, 2.0])
    np.testing.assert_array_equal(s.ratio() > 1, [False, True, True, True])
    wide = dataclasses.replace(s, allowed=[0.0, 0.2, 0.2, 0.5])
    np.testing.assert_allclose(wide.ratio(), [0, 0.5, np.inf, 2])


def test_an_ambiguous_set_is_told_as_one_and_how_to_tell_it_apart():
    text = str(report("ambiguous"))
    assert "one of    these 2 mistakes, in v_bar" in text
    assert "no_projection       v_bar = (g/n) w_bar" in text
    assert "no_projection_no_n  v_bar = g w_bar" in text
    assert "next      to tell them apart" in text
    assert "mistake   g_bar_n2, in g_bar" in text
    assert [len(group) for group in report("ambiguous").rivals] == [2, 1]


@pytest.mark.parametrize("name", ["refused", "undefined"])
def test_where_there_is_no_mistake_the_screen_says_what_to_do(name):
    assert NEXT[report(name).verdict][:50] in str(report(name))


def test_a_declared_difference_is_no_mistake():
    text = str(report("declared"))
    assert "declared  eps_inside" in text
    assert "mistake" not in text
    assert "fix" not in text


def test_what_matters_most_is_kept_where_the_screen_is_too_small():
    lines = str(reports.nasty()).split("\n")
    assert sum(line.startswith("  mistake") for line in lines) == 2
    assert any(line.startswith("  fix       fix") for line in lines)
    assert lines[-1] == "  more      in --html, or to_html()"


def test_a_check_without_answers_is_left_out():
    r = Report(
        "x",
        "FAIL",
        "w is wrong",
        checks=[CheckResult("forward", 5, 1, 2.0), CheckResult("laws", 0, 0, 0)],
    )
    assert "laws" not in str(r)


@pytest.mark.parametrize("name", MAKERS)
def test_json_holds_everything(name):
    r = report(name)
    data = json.loads(json.dumps(r.to_json(), allow_nan=False))
    keys = {"checks": "rungs", "minimal_case": "smallest", "examples": "specimens"}
    fields = {keys.get(f.name, f.name) for f in dataclasses.fields(r)}
    assert fields | {"ok", "broken"} == set(data)
    assert (r.rungs, r.smallest, r.specimens) == (r.checks, r.minimal_case, r.examples)
    assert (data["verdict"], data["ok"]) == (r.verdict, bool(r))


def test_files(tmp_path):
    r = report("no_projection")
    r.to_html(tmp_path / "report.html")
    r.to_junit(tmp_path / "report.xml")
    assert "no_projection" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no_projection" in (tmp_path / "report.xml").read_text(encoding="utf-8")


# ---- the glossary -------------------------------------------------------------------------------


def test_every_word_of_a_report_is_explained():
    assert set(GROUPS) == {*CASES, "shape", "integers", "reals"}  # asked for; those of layers
    for name in set(MAKERS) - {"nasty"}:
        r = report(name)
        assert {result.name for result in r.checks} <= set(CHECKS)
        assert r.verdict in VERDICTS
        assert r.grade is None or r.grade in GRADES
    assert set(CHECKS) == {*ALL_CHECKS, *LAYER_CHECKS}
    assert set(ORDERS.values()) <= set(CHECKS)
    assert max(map(len, CHECKS.values())) <= 53  # one line of the screen


def python(text):
    """A formula as people write it, for Python: "(3 a d/n^2) v" is (3 * a * d/n**2) * v."""
    text = text.split("=", 1)[1].replace(" or 0", "").replace("<v, v_dot>", "(v @ v_dot)")
    return re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", text.strip()).replace("^", "**")


FORMS = [("plain", 0.0), ("inside", 0.3), ("outside", 0.2), ("rms", 0.1), ("max_q", 0.2)]


@pytest.mark.parametrize(("form", "eps"), [*FORMS, ("max_n", 0.3)])
def test_the_right_formulas_are_right(form, eps, rng):
    v, w_bar, v_dot = rng.standard_normal((3, 5))
    g, g_dot = np.array(-1.7), np.array(0.6)
    A, B = v_dot, g_dot
    known = {
        "sqrt": np.sqrt, "max": max, "v": v, "w_bar": w_bar, "v_dot": v_dot, "g": g, "g_dot": g_dot,
        "n": np.linalg.norm(v), "d": w_bar @ v, "m": 5, "eps": eps, "A": A, "B": B, "a": A @ v,
        "c": A @ w_bar,
    }
    how = {"form": form, "eps": eps}
    right = {"w": weight_norm.forward(v, g, **how)}
    right |= zip(("v_bar", "g_bar"), weight_norm.vjp(w_bar, v, g, **how), strict=True)
    if form == "plain":
        right["w_dot"] = weight_norm.jvp(v, g, v_dot, g_dot)
        found = weight_norm.double_vjp(A, B, w_bar, v, g)
        right |= zip(("by_w_bar", "by_v", "by_g"), found, strict=True)
    everything = Diagnosis("x", "", "", "", tuple(right))
    if form != "plain":
        for line in symbols(0, everything, form).split(";")[0].replace(", y", "; y").split("; "):
            known[line[0]] = eval(python(line), known)
    for output, formula in zip(right, correct_formulas(everything, form), strict=True):
        assert formula.startswith(f"{output} = ")
        # A handful of roundings, in numbers of order 1.
        np.testing.assert_allclose(eval(python(formula), known), right[output], rtol=1e-12)


@pytest.mark.parametrize(
    ("axis", "words"),
    [(0, "each slice v[i] "), (1, "v[:, i]"), (None, "the whole of v"), ((0, 2), "axis (0, 2)")],
)
def test_the_letters_say_what_a_slice_is(axis, words):
    assert words in symbols(axis, Diagnosis("x", "", "", "", ("v_bar",)))
