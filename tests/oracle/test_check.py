"""The judge, judged: every planted fault is caught and named, and nothing right fails."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.mutation import MUTANTS, memory
from minwn.mutation.mutant import written
from minwn.oracle.cases import cases
from minwn.oracle.diagnosis import Diagnosis, Observation, diagnose
from minwn.oracle.reference.error_bounds import bounds
from minwn.oracle.verdict import _declared

from . import implementations as a

DTYPES = ("float64", "float32")
RANKS = range(1, 6)
BY_ID = {m.id: m for m in MUTANTS}


def names(report):
    return [d.id for d in report.diagnosis]


# ---- nothing right fails -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("name", a.BACKWARDS)
def test_a_right_backward_passes(name, dtype):
    report = oracle.check(a.forward, a.BACKWARDS[name], dtype=dtype, ranks=RANKS)
    assert report.verdict == "PASS", str(report)
    assert report.ok
    assert report.consistent
    assert report.grade in ("rounded", "faithful", "stable")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", a.FORWARDS)
def test_a_right_forward_passes(name, dtype):
    report = oracle.check(a.FORWARDS[name], dtype=dtype, ranks=RANKS)
    assert report.verdict == "PASS", str(report)


def test_sums_in_a_wider_type_pass_as_such():
    wide = a.FORWARDS["wider"], a.BACKWARDS["wider"]
    report = oracle.check(*wide, dtype="float16", accumulate="float32")
    assert {r.name: r.ok for r in report.checks}["gradients"], str(report)


FORMS = [("plain", 0.0), ("inside", 1e-12), ("inside", 0.1), ("outside", 0.01), ("rms", 1e-3)]
FORMS += [("max_q", 0.25), ("max_n", 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axis", "form", "eps"),
    [(0, *f) for f in FORMS] + [(x, "plain", 0.0) for x in (1, -1, None, (0, 1), (0, 2))],
)
def test_all_of_a_right_implementation_passes(axis, form, eps):
    how = {"form": form, "eps": eps}
    report = oracle.check(
        lambda v, g: weight_norm.forward(v, g, **how),
        lambda w_bar, v, g: weight_norm.vjp(w_bar, v, g, **how),
        jvp=lambda *x: weight_norm.jvp(*x, **how),
        double_backward=lambda *x: weight_norm.double_vjp(*x, **how),
        axis=axis, ranks=RANKS, **how,
    )
    assert report.verdict == "PASS", str(report)
    assert {"product", "second order"} <= {r.name for r in report.checks}


# ---- every fault is caught, and named -----------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", a.NAMED)
def test_a_mistake_of_the_catalogue_is_named(name, dtype):
    report = oracle.check(a.forward, a.wrong(*a.NAMED[name]), dtype=dtype, ranks=range(1, 6))
    assert report.verdict == "FAIL"
    assert names(report)[0] == name, str(report)
    assert not report.ambiguous
    assert report.consistent is False
    d = report.diagnosis[0]
    assert d.formula
    assert d.fix
    assert d.evidence


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", a.EPS)
def test_an_undeclared_eps_is_measured(name, dtype):
    backward, eps = a.wrong(*a.EPS[name]), float(name.split()[-1])
    alone = oracle.check(backward=backward, dtype=dtype)
    assert names(alone)[0].startswith("eps_"), str(alone)
    assert f"eps = {eps:.4g}" in alone.diagnosis[0].formula
    beside = oracle.check(a.forward, backward, dtype=dtype)
    assert names(beside)[0] == "eps_in_bwd_only"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", a.FITTED)
def test_a_coefficient_of_v_bar_is_fitted(text, dtype):
    report = oracle.check(a.forward, a.wrong(text), dtype=dtype)
    assert names(report)[0].startswith(a.FITTED[text]), str(report)
    assert names(report)[0] != "coefficient"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", a.FITTED_G)
def test_a_coefficient_of_g_bar_is_fitted(text, dtype):
    report = oracle.check(a.forward, a.wrong(a.RIGHT_V, text), dtype=dtype)
    assert names(report) == ["coefficient_of_g_bar"], str(report)


def test_the_fit_says_the_exponents():
    report = oracle.check(a.forward, a.wrong("g/n * (G - 3*n*d/n**2 * v)"))
    assert report.diagnosis[0].formula == "v_bar = (g/n) (w_bar - 3 n (d/n^2) v)"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("texts", a.UNCLASSIFIED)
def test_what_is_in_no_catalogue_gets_no_wrong_name(texts, dtype):
    report = oracle.check(a.forward, a.wrong(*texts), dtype=dtype)
    assert report.verdict == "FAIL"
    assert names(report) == ["unknown"], str(report)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("make", "ids"), [x[1:] for x in a.WIRING], ids=[x[0] for x in a.WIRING])
def test_a_fault_of_plumbing_is_named(make, ids, dtype):
    report = oracle.check(a.forward, make(), dtype=dtype)
    assert report.verdict == ("REFUSED" if ids == {"raises"} else "FAIL")
    assert names(report)[0] in ids, str(report)


def test_whoever_overwrites_what_he_is_given_spoils_it_for_nobody_else():
    # Cases, truths and questions are kept from one implementation to the next.
    def vandal(f):
        def spoils(*arrays):
            answer = f(*arrays)
            for x in arrays:
                if x.flags.writeable:
                    x[...] = 7
            return answer

        return spoils

    before = oracle.check(a.forward, a.correct).to_json()
    report = oracle.check(vandal(a.forward), vandal(a.correct))
    assert "mutates_input" in names(report)
    after = oracle.check(a.forward, a.correct).to_json()
    assert before | {"seconds": 0} == after | {"seconds": 0}


def test_how_far_an_answer_is_off_in_units_of_what_is_allowed():
    inf, nan = np.inf, np.nan
    table = np.array([  # got, expected, allowed, ratio
        (3.0, 1.0, 4.0, 0.5), (1.0, 1.0, 0.0, 0.0), (1.0, 2.0, 0.0, inf), (1.0, 2.0, inf, 0.0),
        (inf, inf, 1.0, 0.0), (inf, -inf, 1.0, inf), (inf, 1.0, 1.0, inf), (1.0, inf, 1.0, inf),
        (inf, 1.0, inf, inf), (nan, 1.0, 1.0, inf), (nan, 1.0, inf, inf), (1.0, nan, 1.0, inf),
    ])

    def ratio(rows):
        got, right, allowed, _ = rows.T
        x = rows[:, :1]
        return Observation(
            "id", "generic", x, x, x, (0,), {"w": got}, {"w": right}, {"w": allowed}
        ).ratio("w")

    np.testing.assert_array_equal(ratio(table), table[:, 3])
    for row in table:  # alone: no NaN beside it to make anybody look
        np.testing.assert_array_equal(ratio(row[None]), row[3:])
    np.testing.assert_array_equal(ratio(table[:0]), [])


def test_two_mistakes_get_two_names():
    report = oracle.check(a.forward, a.wrong("g/n * G", "d / n**2"))
    assert set(names(report)) == {"no_projection", "g_bar_n2"}
    assert not report.ambiguous


def test_evidence_that_does_not_separate_gives_a_set():
    v = np.array([[0.6, 0.8, 0.0], [0.0, -1.0, 0.0]])  # of unit length: no power of n shows
    g, w_bar = np.array([[2.0], [-3.0]]), np.array([[1.0, 2.0, 3.0], [2.0, 1.0, -1.0]])
    truth = oracle.expected(v, g, w_bar)
    seen = Observation(
        "unit", "generic", v, g, w_bar, (0,), {"v_bar": g * w_bar}, {"v_bar": truth.v_bar},
        {"v_bar": bounds(v, g, w_bar).v_bar},
    )
    found, ambiguous = diagnose([seen])
    assert ambiguous
    assert {"no_projection", "no_projection_no_n"} <= {d.id for d in found}


def fraction_named(dtype, count=40):
    """How many random coefficients c n^p g^q, in front of w_bar and of v, are found out."""
    rng, right = np.random.default_rng(7), 0
    for _ in range(count):
        c, k = rng.choice([-3, -1.5, 0.3, 0.5, 1, 2, 5], 2)
        p, q, r, s = rng.integers(-3, 3, 4)
        text = f"g/n * ({c}*n**{p:.1f}*g**{q:.1f}*G - {k}*n**{r:.1f}*g**{s:.1f}*d/n**2*v)"
        report = oracle.check(a.forward, a.wrong(text), dtype=dtype)
        exact = all(d.residual <= 1 for d in report.diagnosis)
        right += exact and "coefficient" not in names(report) and not report.ambiguous
        # A name that is given must reproduce the numbers, whatever it is.
        assert exact or names(report) in (["coefficient"], ["unknown"]), str(report)
    return right / count


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_nine_of_ten_coefficients_out_of_the_catalogue_are_fitted(dtype):
    assert fraction_named(dtype) >= 0.9


W = {
    "w_no_g": "v/n", "w_no_norm": "g*v", "w_is_v": "v.copy()", "w_abs_g": "abs(g)*v/n",
    "w_exp_g": "np.exp(g)*v/n", "norm_squared": "g*v/n**2", "norm_l1": "g*v/sum(abs(v))",
    "norm_mean": "g*v/n*m**.5", "global_function": "g*v/N", "eps_outside": "g*v/(n+1e-3)",
    "eps_inside": "g*v/(n*n+1e-4)**.5", "coefficient_of_w": "3*g*v/n",
    "constant_added": "g*v/n + 0.1",
}


@pytest.mark.parametrize("name", W)
def test_a_wrong_forward_is_named(name):
    code = compile(W[name], "forward", "eval")

    def forward(v, g):
        return np.array(np.broadcast_to(eval(code, a.namespace(v, v, g)), v.shape))

    report = oracle.check(forward, a.correct)
    assert names(report)[0] == name, str(report)
    assert report.consistent is (name == "constant_added")  # a constant has no derivative


def test_an_eps_that_only_short_slices_feel():
    """Of the quick matrices one slice alone is shorter than 1/4, and it has one entry."""
    floor = {"w": "g*v/np.maximum(n, .25)", "g_bar": "d/np.maximum(n, .25)"}
    floor["v_bar"] = "g/np.maximum(n, .25) * (G - d/np.maximum(n, .25) * v/n*(n >= .25))"
    (d,) = oracle.check(*written(**floor)[:2]).diagnosis
    assert (d.id, d.formula) == ("eps_max", "h = max(n, eps), eps = 0.25")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", ["elementwise", "rank", "last_only", "global", "second"])
def test_a_right_forward_tells_a_wrong_formula_from_a_wrong_function(which, dtype):
    backward = BY_ID[f"axis.{which}_norm_and_dot"].make().backward
    report = oracle.check(a.forward, backward, dtype=dtype, ranks=RANKS)
    assert names(report) == [f"{which}_norm_and_dot"]
    assert not report.ambiguous
    assert not oracle.check(backward=backward, dtype=dtype, ranks=RANKS).ok


MEMORY = [m for m in BY_ID.values() if m.kind == "aliasing"]


@pytest.mark.parametrize("mutant", MEMORY, ids=lambda m: m.id)
def test_a_fault_of_memory_is_named(mutant):
    made = mutant.make()
    report = oracle.check(made.forward, made.backward)
    assert names(report)[0] in mutant.faults[0], str(report)


# ---- verdicts -----------------------------------------------------------------------------------


def whole(v, g):
    return g * v / np.sqrt((v * v).sum())


def whole_backward(w_bar, v, g):
    n = np.sqrt((v * v).sum())
    s = (g * w_bar * v).sum()
    g_bar = (w_bar * v).sum(axis=a.others(v, g), keepdims=True) / n
    return g * w_bar / n - s / n**3 * v, g_bar


def test_a_consistent_gradient_of_another_function_is_told_from_a_wrong_one():
    other = oracle.check(whole, whole_backward)
    assert other.consistent is True
    assert "consistent gradient of a different function" in other.headline
    assert names(other) == ["global_function"]
    wrong = oracle.check(a.forward, a.wrong("g/n * G"))
    assert wrong.consistent is False
    assert "wrong gradient" in wrong.headline


def test_a_declared_difference_is_acceptable():
    how = {"form": "inside", "eps": 1e-4}
    functions = (
        lambda v, g: weight_norm.forward(v, g, **how),
        lambda w_bar, v, g: weight_norm.vjp(w_bar, v, g, **how),
    )
    assert names(oracle.check(*functions)) == ["eps_inside"]
    declared = oracle.check(*functions, accept=["eps_inside"])
    assert (declared.verdict, declared.ok) == ("ACCEPTABLE", True)
    assert oracle.check(*functions, **how).verdict == "PASS"


def test_a_rival_of_what_is_declared_is_forgiven():
    """In float32 these numbers are as well those of a second form: one declaration is enough."""
    rivals = [Diagnosis(x, "h = ...", "", "", ("w",), 0.1) for x in ("eps_inside", "eps_outside")]
    other = Diagnosis("g_bar_n2", "g_bar = d/n^2", "", "", ("g_bar",), 0.1)
    assert _declared([*rivals, other], True, {"eps_outside"}) == ([rivals[1], other], False)
    assert _declared([*rivals, other], True, {"g_bar_n2"}) == ([*rivals, other], True)
    assert _declared(rivals, True, set()) == (rivals, True)


def test_nothing_to_judge():
    assert oracle.check().verdict == "REFUSED"
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        oracle.check(a.forward, dtype="int64")


def test_slices_of_zeros_have_no_answer_but_a_convention():
    assert oracle.check(a.forward, a.correct, groups=["undefined"]).verdict == "PASS"
    report = oracle.check(a.forward, a.correct)
    assert any("zero slice: w = NaN" in note for note in report.notes)

    def careless(v, g):  # one slice of zeros spoils all
        w = a.forward(v, g)
        return w if np.isfinite(w).all() else np.full_like(w, np.nan)

    assert names(oracle.check(careless)) == ["undefined_spreads"]


def test_a_function_of_matrices_is_judged_on_matrices():
    def forward(v, g):
        return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))

    assert oracle.check(forward).verdict == "PASS"
    assert names(oracle.check(forward, ranks=range(1, 6))) == ["rank_function"]


def test_exponents_at_the_edge_of_the_range_are_a_note_not_a_fault():
    report = oracle.check(a.forward, a.correct)
    assert any(note.startswith("range: wrong in") for note in report.notes)
    best = oracle.check(weight_norm.forward, lambda *x: weight_norm.vjp(*x))
    assert not any(note.startswith("range:") for note in best.notes), best.notes


# ---- second order -------------------------------------------------------------------------------


def test_a_frozen_norm_in_the_second_order_is_named():
    mistake = next(m for m in oracle.mistakes.SECOND if m.id == "second_frozen_norm")

    def double_backward(A, B, w_bar, v, g):
        found = mistake.compute(oracle.mistakes.Terms(v, g, w_bar, (0,)), A, B)
        return tuple(found[k] for k in ("by_w_bar", "by_v", "by_g"))

    report = oracle.check(a.forward, a.correct, double_backward=double_backward)
    assert names(report) == ["second_frozen_norm"]


def test_a_product_without_projection_is_named():
    def jvp(v, g, v_dot, g_dot):
        n = np.sqrt((v * v).sum(axis=a.others(v, g), keepdims=True))
        return g / n * v_dot + g_dot / n * v

    assert names(oracle.check(jvp=jvp)) == ["product_no_projection"]


def test_what_the_fast_mode_of_torch_misses_is_found_and_named():
    """The gradient without its projection, which passes for right at this size."""
    torch = pytest.importorskip("torch", reason="the check that misses it")

    class NoProjection(torch.autograd.Function):
        @staticmethod
        def forward(ctx, v, g):
            ctx.save_for_backward(v, g)
            return g * v / v.norm(dim=1, keepdim=True)

        @staticmethod
        def backward(ctx, w_bar):
            v, g = ctx.saved_tensors
            n = v.norm(dim=1, keepdim=True)
            return g / n * w_bar, (w_bar * v).sum(1, keepdim=True) / n

    rng = np.random.default_rng(0)
    shape = (128, 256)
    v, g = (torch.tensor(rng.normal(size=s), requires_grad=True) for s in (shape, (128, 1)))
    assert torch.autograd.gradcheck(NoProjection.apply, (v, g), fast_mode=True)
    report = oracle.check(a.forward, a.wrong("g/n * G"), shape=shape)
    assert report.diagnosis[0].id == "no_projection"


# ---- the report ---------------------------------------------------------------------------------


def test_the_report_fits_a_screen_and_shows_a_case_for_paper(tmp_path):
    report = oracle.check(a.forward, a.wrong("g/n * G"), name="mine")
    text = str(report)
    assert len(text.splitlines()) <= 24
    for words in ("FAIL  mine", "no_projection", "fix ", "I1 <v, v_bar> = 0", "v = [[3, 4]]"):
        assert words in text
    s = report.minimal_case
    assert (s.v, s.g, s.w_bar) == ([[3, 4]], [[10]], [[5, 10]])
    # On paper: n = 5, d = 55, (10/5) ((5, 10) - (55/25) (3, 4)) = (-3.2, 2.4)
    np.testing.assert_allclose(s.expected, [[-3.2, 2.4]], rtol=1e-15)
    np.testing.assert_array_equal(s.got, [[10, 20]])
    assert report.broken == ["I1", "I8"]
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["diagnosis"][0]["id"] == "no_projection"
    assert data["verdict"] == "FAIL"
    path = tmp_path / "report.html"
    report.to_html(path)
    page = path.read_text()
    assert "no_projection" in page
    assert "<svg" in page
    assert "http" not in page


def test_a_name_from_outside_is_escaped_in_html():
    report = oracle.check(a.forward, a.correct, name="<script>")
    assert "<script>" not in oracle.page([report])


def test_specimens_are_the_first_generic_matrices_that_show_it():
    report = oracle.check(a.forward, a.wrong("g/n * G", "d / n**2"))
    assert [s.output for s in report.examples] == ["v_bar", "g_bar"]
    case = next(cases("float64", ["generic"], quick=True))
    for s in report.examples:
        np.testing.assert_array_equal(s.v, case.v)
        assert np.shape(s.got) == np.shape(s.expected) == np.shape(s.allowed)
        assert (s.ratio() > 1).any()
    assert oracle.check(a.forward, a.correct).examples == []


def test_sentences():
    mutating = memory.normalises_v_in_place().backward
    assert oracle.check(backward=mutating).headline == "an input is changed"
    assert oracle.check(a.forward).headline == "nothing is wrong that these checks can see"

    def of_matrices(v, g):
        if len(v) != 3:
            raise ValueError("3 rows only")
        return a.forward(v, g)

    report = oracle.check(of_matrices, groups=["dyadic", "axes", "long"])
    assert report.name == "of_matrices"
    assert any(" cases, such as " in note for note in report.notes), report.notes
    found = oracle.check(a.forward, a.wrong("g/n * G")).diagnosis[0]
    assert found.evidence.endswith(" cases, to rounding")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("g/n * (G + 3*d/n**2 * v)", "(g/n) (w_bar + 3 (d/n^2) v)"),
        ("g/n * (-2*n*G - d*d/n**2 * v)", "(g/n) (-2 n w_bar - (d^2/n^2) v)"),
        ("g/n * (G/2 - 0.7*d/n**2 * v)", "(g/n) ((1/2) w_bar - (7/10) (d/n^2) v)"),
        ("-3*g/n**2 * (G - d/n**2 * v)", "-3 n^-1 (g/n) (w_bar - (d/n^2) v)"),
        ("3*g/n * G", "(g/n) (3 w_bar)"),
    ],
)
def test_a_fitted_formula_reads_like_one(text, formula):
    assert oracle.check(a.forward, a.wrong(text)).diagnosis[0].formula == f"v_bar = {formula}"


def test_the_oracle_imports_numpy_alone():
    code = (
        "import sys, minwn; assert 'minwn.oracle' not in sys.modules; minwn.oracle.check;"
        "print([m for m in ('torch', 'jax', 'mpmath', 'minwn.verify') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_answer_for_zeros_alone_is_told_from_one_that_spreads():
    """With an eps, the form has an answer at v = 0, and autodiff of a norm has NaN there."""
    eps = 1e-12

    def backward(w_bar, v, g):
        n = np.sqrt((v * v).sum(axis=1, keepdims=True))
        h, d = n + eps, (w_bar * v).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return g / h * (w_bar - d / h * (v / n)), d / h

    report = oracle.check(None, backward, form="outside", eps=eps)
    assert names(report) == ["zero_slice"]

    def spreads(w_bar, v, g):
        v_bar, g_bar = backward(w_bar, np.where(v == 0, 1e-300, v), g)
        return (v_bar * np.nan, g_bar) if (v == 0).all(axis=1).any() else (v_bar, g_bar)

    assert names(oracle.check(None, spreads, form="outside", eps=eps)) == ["undefined_spreads"]


def test_the_second_order_is_not_blamed_where_the_fifth_power_of_n_leaves_the_range():
    def jvp(v, g, v_dot, g_dot):
        n = np.sqrt((v * v).sum(axis=1, keepdims=True))
        a = (v * v_dot).sum(axis=1, keepdims=True)
        lost = (n**5 > 2.0**14) | (n**5 < 2.0**-14)  # as float16 would lose it
        w_dot = (g_dot / n) * v + (g / n) * (v_dot - a / n / n * v)
        return np.where(lost, 0, w_dot).astype(v.dtype)

    told = oracle.check(jvp=jvp, dtype="float16", accumulate="float16")
    assert told.ok
    assert any("n^5" in note for note in told.notes)
    assert not oracle.check(jvp=lambda *x: 2 * jvp(*x), dtype="float16").ok
