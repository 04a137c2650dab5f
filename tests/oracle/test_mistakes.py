"""The catalogue as data: complete, told apart by the cases, and each with its broken laws."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minwn
from minwn.mutation import MUTANTS
from minwn.oracle.cases import cases
from minwn.oracle.checks.invariants import INVARIANTS, laws
from minwn.oracle.mistakes import (
    CATALOGUE,
    OUTPUTS,
    SECOND,
    Terms,
    by_id,
    second_order,
)
from minwn.oracle.mistakes.grammar import Program, python
from minwn.oracle.mistakes.table import RIGHT
from minwn.oracle.reference.error_bounds import bounds, second_bounds
from minwn.oracle.run import FAULTS

from . import implementations as a

GROUPS = ("generic", "dyadic", "axes")
LATER = ("w_dot", "by_w_bar", "by_v", "by_g")
CASES = [c for c in cases("float64", GROUPS, quick=True) if c.v.size]
OTHERS = [c for c in cases("float64", GROUPS, axis=1, quick=True) if c.v.size]


def test_ids_are_unique_and_entries_complete():
    assert len({m.id for m in CATALOGUE}) == len(CATALOGUE)
    for m in CATALOGUE:
        assert m.formula
        assert m.fix
        assert set(m.where) <= set(OUTPUTS)
        assert by_id(m.id) is m


def test_every_name_is_given_once():
    """Names are permanent, and shared by reports, vectors and lists of what is accepted."""
    ids = [m.id for m in CATALOGUE] + [m.id for m in SECOND] + list(FAULTS)
    assert len(set(ids)) == len(ids)
    for m in SECOND:
        assert m.formula
        assert m.fix


def second_right(
    t, A, B, *, c=1, s=1, a=1, bend=1, b=1, by_g_bar=1, dot=1, g_dot=1
):
    """The right answers; each number is the factor of one term."""
    n, q, r = t.n, t.n**2, t.g / t.n
    AG, Av = t.total(A * t.w_bar), t.total(A * t.v)
    w_dot = r * (A - dot * Av / q * t.v) + g_dot * B / n * t.v
    terms = s * t.d * A + a * Av * t.w_bar + c * AG * t.v
    by_v = -r * terms / q + bend * 3 * r * Av * t.d / q**2 * t.v
    by_v = by_v + by_g_bar * B / n * (t.w_bar - b * t.d / q * t.v)
    return dict(zip(LATER, (w_dot, w_dot, by_v, (AG - Av * t.d / q) / n), strict=True))


FACTORS = {
    "second_frozen_norm": {"c": 0, "bend": 0, "b": 0},
    "second_no_bend": {"bend": 0},
    "second_bend_once": {"bend": 1 / 3},
    "second_no_g_bar": {"by_g_bar": 0},
    "second_g_bar_no_projection": {"b": 0},
    "second_no_c": {"c": 0},
    "product_no_projection": {"dot": 0},
    "product_sign": {"dot": -1},
    "product_no_g_dot": {"by_g_bar": 0, "g_dot": 0},
}


def test_each_mistake_of_the_second_order_is_a_factor_of_a_term():
    assert {m.id for m in SECOND} == set(FACTORS)
    for c in CASES[:20]:
        t = Terms(c.v, c.g, c.w_bar, c.axes)
        pairs = [(second_order(t, c.A, c.B), second_right(t, c.A, c.B))]
        pairs += [(m.compute(t, c.A, c.B), second_right(t, c.A, c.B, **FACTORS[m.id]))
                  for m in SECOND]
        for said, want in pairs:
            for output in LATER:
                # two float64 evaluations of sums of a few terms, of at most ten entries a slice
                np.testing.assert_allclose(said[output], want[output], rtol=1e-9, atol=1e-10)


def test_what_is_missing_of_the_second_order_is_what_the_text_says():
    c = next(c for c in CASES if c.group == "generic")
    t = Terms(c.v, c.g, c.w_bar, c.axes)
    right = second_right(t, c.A, c.B)["by_v"]
    told = {
        "second_no_g_bar": c.B / t.n * (t.w_bar - t.d / t.n**2 * t.v),
        "second_g_bar_no_projection": -c.B / t.n * t.d / t.n**2 * t.v,
        "second_no_c": -t.g / t.n * t.total(c.A * t.w_bar) / t.n**2 * t.v,
    }
    for id, missing in told.items():
        by_v = next(m for m in SECOND if m.id == id).compute(t, c.A, c.B)["by_v"]
        # two float64 evaluations of sums of a few terms
        np.testing.assert_allclose(right - by_v, missing, rtol=1e-10, atol=1e-12)


DTYPES = {"float64": None, "float32": None, "float16": "float32", "bfloat16": "float32"}


@functools.cache
def told(dtype):
    """(mistake, output) -> the ids of cases in which it is four times as far off as is allowed.

    In the dtype, with sums in float32 where that is a narrow one.
    """
    found = {}
    for axis in (0, 1):
        for c in (c for c in cases(dtype, GROUPS, axis=axis, quick=True) if c.v.size):
            t, how = Terms(c.v, c.g, c.w_bar, c.axes), {"accumulate": DTYPES[dtype]}
            tol = bounds(c, **how)._asdict() | second_bounds(c, **how)._asdict()
            A, B = (np.asarray(x, "float64") for x in (c.A, c.B))
            with np.errstate(all="ignore"):
                right = second_right(t, A, B)
                wrong = [(m.id, o, m.output(o, t), getattr(t, o)()) for m in CATALOGUE
                         for o in m.where]
                wrong += [(m.id, o, m.compute(t, A, B)[o], right[o]) for m in SECOND for o in LATER]
                for id, output, x, y in wrong:
                    seen = found.setdefault((id, output), set())
                    if x is not None and (abs(x - y) > 4 * tol[output]).any():
                        seen.add(c.id)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_some_case_tells_every_mistake_from_the_truth(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 for NumPy")
    found = told(dtype)
    assert [key for m in CATALOGUE for o in m.where if not found[key := (m.id, o)]] == []
    assert [m.id for m in SECOND if not any(found[m.id, o] for o in LATER)] == []


@pytest.mark.slow
def test_some_case_tells_every_mistake_from_every_other():
    """Two names of one computation would be a coin tossed."""
    seen = {}
    for m in CATALOGUE:
        numbers = []
        for c in CASES + OTHERS:
            t = Terms(c.v, c.g, c.w_bar, c.axes)
            for output in OUTPUTS:
                x = m.output(output, t)
                x = getattr(t, output)() if x is None else x
                # Eight digits: formulas are not evaluated in the same order.
                numbers += [f"{y + 0.0:.8g}" for y in np.ravel(x)]
        seen.setdefault("|".join(numbers), []).append(m.id)
    assert [ids for ids in seen.values() if len(ids) > 1] == []


@pytest.mark.parametrize("name", a.NAMED)
def test_the_formula_is_the_mistake(name):
    """What people write, against what the catalogue says they wrote."""
    for c in CASES[:20]:
        with np.errstate(all="ignore"):
            got = a.wrong(*a.NAMED[name])(c.w_bar, c.v, c.g)
        said = by_id(name).compute(c.v, c.g, c.w_bar, c.axes)
        for x, y in zip(got, said, strict=True):
            # two float64 evaluations of one short formula, of at most ten entries a slice
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", a.W)
def test_the_formula_of_w_is_the_mistake(name):
    for c in CASES[:20]:
        got = a.written(w=a.W[name]).forward(c.v, c.g)
        said = by_id(name).output("w", Terms(c.v, c.g, c.w_bar, c.axes))
        np.testing.assert_allclose(got, said, rtol=1e-9, atol=1e-11)


def as_people_write(mistake):
    """The mistake in expressions that share nothing with the catalogue."""
    texts = a.V_BAR | a.G_BAR | a.W
    if mistake.id in texts:
        return a.written(**{mistake.where[0]: texts[mistake.id]})
    h, y = a.LENGTHS.get(mistake.id, ("", ""))
    if h:
        return a.written(f"g*G/{h} - g*d/{h}**2 * {y}", f"d / {h}", f"g*v / {h}")
    return a.written(*(a.NAMED | a.OVER | a.SEVERAL)[mistake.id])


@pytest.mark.parametrize("name", a.OVER)
def test_the_formula_over_other_axes_is_the_mistake(name):
    for c in CASES:
        if c.axes == (0,) and c.v.ndim > 2:
            got = a.written(*a.OVER[name]).backward(c.w_bar, c.v, c.g)
            said = by_id(name).compute(c.v, c.g, c.w_bar, c.axes)
            for x, y in zip(got, said, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


# "flipped" is planted where the second axis keeps the norm.
@pytest.mark.parametrize(
    "mistake",
    [m for m in CATALOGUE if not m.place or (m.id in a.OVER and m.place != "flipped")],
    ids=lambda m: m.id,
)
def test_a_mutant_is_made_of_the_same_row(mistake):
    """As people write it, too, but for the order of the operations."""
    kind = "axis" if mistake.place else "formula"
    mutant = next(m for m in MUTANTS if m.id == f"{kind}.{mistake.id}").make()
    own = as_people_write(mistake)
    for c in CASES[:20]:
        if c.axes == (0,):
            with np.errstate(all="ignore"):
                got = mutant.forward(c.v, c.g), *mutant.backward(c.w_bar, c.v, c.g)
                want = own.forward(c.v, c.g), *own.backward(c.w_bar, c.v, c.g)
            for x, y in zip(got, want, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", ["inside", "outside", "rms", "max_q", "max_n"])
def test_in_other_forms_n_is_h_and_the_v_of_a_projection_h_y(form):
    c = next(c for c in CASES if c.group == "generic")
    t = Terms(c.v, c.g, c.w_bar, c.axes, form, 0.3)
    for name, want in {
        "no_projection": t.g / t.h * t.w_bar,
        "proj_sign": t.g / t.h * (t.w_bar + t.p),
        "proj_n1": t.g / t.h * (t.w_bar - t.d * t.y),
        "proj_on_w": t.g / t.h * (t.w_bar - t.total(t.w_bar * t.w()) * t.w()),
        "v_bar_doubled": 2 * t.v_bar(),
        "g_bar_n2": t.d / t.h**2,
        "g_bar_mean": t.d / t.h / t.m,
        "w_times_n": t.g * t.h * t.v,
        "w_negated": -t.w(),
    }.items():
        m = by_id(name)
        np.testing.assert_allclose(m.output(m.where[0], t), want, rtol=1e-13)


@pytest.mark.parametrize("form", ["inside", "outside", "rms"])
def test_in_other_forms_the_slices_of_a_place_have_their_own_h(form):
    c = next(c for c in CASES if c.group == "generic")
    over = Terms(c.v, c.g, c.w_bar, c.axes, form, 0.3).over("global")
    n = np.sqrt((c.v**2).sum())
    h = {"inside": (n * n + 0.3) ** 0.5, "outside": n + 0.3, "rms": n / c.v.size**0.5 + 0.3}[form]
    np.testing.assert_allclose(over["N"], h, rtol=1e-14)
    y = {"inside": c.v / h, "outside": c.v / n, "rms": c.v / n / c.v.size**0.5}[form]
    np.testing.assert_allclose(over["V"], h * y, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(g/n) (w_bar - (d/n^2) v)", "(g/n)*(w_bar - (d/n**2)*v)"),
        ("g v/n", "g*v/n"),
        ("d/(m n^2)", "d/(m*n**2)"),
        ("|g| d/(g n)", "abs(g)*d/(g*n)"),
        ("||w_bar||", "sqrt(sum(w_bar*w_bar))"),
        ("||v - w||", "sqrt(sum((v - w)*(v - w)))"),
        ("w_bar - <w_bar, w> w", "w_bar - sum(w_bar*w)*w"),
        ("mean(w_bar v)/n", "(sum(w_bar*v)/m)/n"),
        ("-exp(g) roll(v, -1)", "-exp(g)*roll(v, -1)"),
    ],
)
def test_a_formula_is_read(text, code):
    assert python(text) == code
    assert python(text, v="x") == re.sub(r"\bv\b", "x", code)


@pytest.mark.parametrize("text", ["", "g +", "(g", "<g, v", "|g", "g v_bar", "g % n", "g) n", "2^"])
def test_what_is_no_formula_is_said(text):
    with pytest.raises(ValueError, match="is no formula; it cannot be read from"):
        python(text)


def test_lines_are_read_in_order():
    c = CASES[0]
    t = Terms(c.v, c.g, c.w_bar, c.axes)

    def names(**new):
        return t.at(**new).names

    def answer(text, output):
        return Program(text, RIGHT).answer(output, t.names, names)

    np.testing.assert_array_equal(answer("", "g_bar"), t.d / t.n)
    np.testing.assert_array_equal(answer("n = 2 n; g_bar", "g_bar"), t.d / (2 * t.n))
    np.testing.assert_array_equal(answer("g_bar; n = 2 n; w", "g_bar"), t.d / t.n)
    # What follows from an input changes with it, and what no line names is right.
    np.testing.assert_array_equal(answer("v = 2 v; w_bar = 3 w_bar; g_bar", "g_bar"), 3 * t.d / t.n)
    np.testing.assert_array_equal(answer("v = 2 v; g_bar", "w"), t.g * t.v / t.n)
    assert Program("n = 2 n; w; g_bar = d/n", RIGHT).answers == ("w", "g_bar")


@pytest.mark.parametrize("text", ["x = 2 n", "n; w", "speed", "n = 2 n: w"])
def test_what_is_no_line_is_said(text):
    with pytest.raises(ValueError, match=r"is no (line|formula)"):
        Program(text, RIGHT)


# The fingerprint of each: the laws that it breaks.
BREAKS = {
    "no_projection": "I1 I8", "proj_sign": "I1 I8", "proj_half": "I1 I8", "proj_twice": "I1 I8",
    "missing_g": "I4 I7", "missing_1_over_n": "I2 I7", "missing_g_over_n": "I2 I4 I7",
    "proj_n1": "I1 I2 I8", "proj_n3": "I1 I2 I8", "proj_g_lost": "I1 I4 I8",
    "proj_on_w": "I1 I4 I8", "g_bar_no_norm": "I3 I6", "g_bar_n2": "I3 I6",
    "g_bar_times_g": "I5 I6", "g_bar_scalar_sum": "I6 I10", "g_bar_rolled": "I6 I10 I11",
}


def broken(backward, case):
    def allowed(v, g, w_bar):
        tol = bounds(v, g, w_bar)
        return tol.v_bar, tol.g_bar

    found = laws(backward, case.v, case.g, case.w_bar, axes=case.axes, allowed=allowed)
    assert set(found) == {law.id for law in INVARIANTS}
    return {name for name, ratio in found.items() if ratio > 1}


@pytest.mark.parametrize("name", BREAKS)
def test_the_laws_a_mistake_breaks(name):
    case = next(c for c in CASES if c.group == "generic")
    assert set(BREAKS[name].split()) <= broken(a.wrong(*a.NAMED[name]), case)


@pytest.mark.parametrize("name", a.BACKWARDS)
def test_the_truth_breaks_none(name):
    for case in [c for c in CASES if c.group == "generic"][:6]:
        assert broken(a.BACKWARDS[name], case) == set()


@pytest.mark.parametrize("name", a.NAMED)
def test_every_mistake_breaks_some_law(name):
    generic = [c for c in CASES if c.group == "generic"][:4]
    silent = {"rank_norm", "rank_dot"}  # right for matrices
    found = set().union(*(broken(a.wrong(*a.NAMED[name]), c) for c in generic))
    assert bool(found) == (name not in silent)


# ---- a mistake is one row -----------------------------------------------------------------------

NEW_ROW = """
_V_BAR = (
    Row("g_per_entry", "v_bar = (g/(m n)) (w_bar - (d/n^2) v)", FACTOR, "your gain is shared out"),
"""
ASK = """
from minwn import oracle
from minwn.course.catalogue import sentence
import minwn
from minwn.mutation import MUTANTS

mutant = next(m for m in MUTANTS if m.id == "formula.g_per_entry")
report = oracle.check(mutant.make().forward, mutant.make().backward)
print([d.id for d in report.diagnosis], report.diagnosis[0].formula, sentence("g_per_entry"))
"""


def test_one_row_is_a_diagnosis_a_mutant_and_a_sentence(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(minwn.__file__).parent, tmp_path / "minwn", ignore=ignore)
    table = tmp_path / "minwn/oracle/mistakes/table.py"
    before = table.read_text(encoding="utf-8")
    table.write_text(before.replace("\n_V_BAR = (\n", NEW_ROW), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.strip() == (
        "['g_per_entry'] v_bar = (g/(m n)) (w_bar - (d/n^2) v) your gain is shared out"
    )
