"""The bounds: no honest evaluation is beyond them, and every wrong formula is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minwn.byhand import weight_norm as wn
from minwn.oracle.cases import cases
from minwn.oracle.reference.double_double import bulk
from minwn.oracle.reference.error_bounds import bounds, counts, excess, gamma, second_bounds
from minwn.oracle.reference.truth import expected, second

DTYPES = ("float16", "float32", "float64")
FORMS = (
    ("plain", 0.0), ("inside", 0.3), ("outside", 0.3), ("rms", 0.3), ("max_q", 0.3), ("max_n", 0.3),
)


def worst(answers, want, allowed):
    return max(excess(*each) for each in zip(answers, want, allowed, strict=True))


# ---- no false alarm -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_minwn_is_within(form, eps, dtype):
    plain = form == "plain"
    for case in cases(dtype, axis="any" if plain else 0, quick=True):
        if case.group == "range" and not plain:
            continue  # eps is beside these numbers, or they beside it
        how = {"form": form, "eps": eps}
        with np.errstate(over="ignore"):  # of the case whose true result overflows
            v_bar, g_bar = wn.vjp(case.w_bar, case.v, case.g, **how)
        found = wn.forward(case.v, case.g, **how), v_bar, g_bar
        want = expected(case, certify="", **how)
        accumulate = "float32" if dtype == "float16" else None
        for spec in {None, accumulate}:
            allowed = bounds(case, accumulate=spec, **how)
            assert worst(found, want, allowed) <= 1, case.id
        if case.exact and plain:
            for got, true in zip(found, want, strict=True):
                np.testing.assert_array_equal(got, true, case.id)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_minwn_is_within_to_second_order(form, eps, dtype):
    for case in cases(dtype, quick=True):
        if case.group == "range":
            continue  # squares and cubes of these are out of range
        how = {"form": form, "eps": eps}
        with np.errstate(over="ignore"):
            w_dot = wn.jvp(case.v, case.g, case.v_dot, case.g_dot, **how)
            found = w_dot, *wn.double_vjp(case.A, case.B, case.w_bar, case.v, case.g, **how)
        want, allowed = second(case, certify="", **how), second_bounds(case, **how)
        assert worst(found, want, allowed) <= 1, case.id


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_minwn_is_within_for_long_slices(dtype):
    for case in cases(dtype, ("long",)):
        found = wn.forward(case.v, case.g), *wn.vjp(case.w_bar, case.v, case.g)
        assert worst(found, bulk(case), bounds(case)) <= 1, case.id


def _orders(v, g, w_bar):
    """Honest evaluations, of rows: each operation rounds to the dtype."""

    def last(x):
        return x.cumsum(1, dtype=x.dtype)[:, -1:]  # one after the other: the worst order there is

    q, s = last(v * v), last(w_bar * v)
    n = np.sqrt(q)
    r = 1 / n
    yield g * v / n, g / n * (w_bar - v * (s / q)), s / n
    if v.dtype.itemsize > 2:  # in float16, 1 / n^3 and w_bar n^2 are out of range for norms of 64
        yield v * (g * r), g * (r * w_bar - r * r * r * (v * s)), s * r
        yield g * v / n, (g * (w_bar * q - s * v)) / (n * q), s / n
    x = v * r
    yield g * x, g * r * (w_bar - x * last(w_bar * x)), last(w_bar * x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_order_is_within(dtype):
    groups = ("dyadic", "generic", "angle", "long")
    for case in cases(dtype, groups, quick=True):
        if dtype == "float16" and case.v.shape[1] > 64:
            continue  # float16 sums of this length say nothing
        want, allowed = expected(case, certify=""), bounds(case)
        for found in _orders(case.v, case.g, case.w_bar):
            assert found[0].dtype == np.dtype(dtype)
            assert worst(found, want, allowed) <= 1, case.id


# ---- no miss ------------------------------------------------------------------------------------

WRONG = {
    "no projection": lambda v, g, G, q, n, s: (g / n * G, s / n),
    "no gain": lambda v, g, G, q, n, s: ((G - s / q * v) / n, s / n),
    "no norm": lambda v, g, G, q, n, s: (g * (G - s / q * v), s / n),
    "sign": lambda v, g, G, q, n, s: (g / n * (G + s / q * v), s / n),
    "half": lambda v, g, G, q, n, s: (g / n * (G - s / q * v / 2), s / n),
    "n for n^2": lambda v, g, G, q, n, s: (g / n * (G - s / n * v), s / n),
    "n^3 for n^2": lambda v, g, G, q, n, s: (g / n * (G - s / (q * n) * v), s / n),
    "sum for dot": lambda v, g, G, q, n, s: (g / n * (G - G.sum(1, keepdims=True) / q * v), s / n),
    "gain without norm": lambda v, g, G, q, n, s: (g / n * (G - s / q * v), s),
    "gain over n^2": lambda v, g, G, q, n, s: (g / n * (G - s / q * v), s / q),
    "gain summed": lambda v, g, G, q, n, s: (g / n * (G - s / q * v), 0 * g + (s / n).sum()),
    "gain rolled": lambda v, g, G, q, n, s: (g / n * (G - s / q * v), np.roll(s / n, 1, 0)),
    "eps": lambda v, g, G, q, n, s: (g / n * (G - s / (q + q * 1e-2) * v), s / n),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_wrong_formula_is_beyond(dtype, name):
    """In each case of "generic", but for the small one in the coarsest dtype; not just in one."""
    missed = 0
    for case in cases(dtype, ("generic",)):
        v, g, G = (x.astype("float64") for x in (case.v, case.g, case.w_bar))
        q, s = (v * v).sum(1, keepdims=True), (G * v).sum(1, keepdims=True)
        v_bar, g_bar = (x.astype(dtype) for x in WRONG[name](v, g, G, q, np.sqrt(q), s))
        want = expected(case, certify="")
        missed += worst((want.w, v_bar, g_bar), want, bounds(case)) <= 1
    assert missed == 0 or (name, dtype) == ("eps", "float16")


# ---- the numbers --------------------------------------------------------------------------------


def test_the_counts_of_the_docstring():
    assert counts(6, "plain") == {
        "w": 8.0, "g_bar": 14.0, "v_bar": 30.0, "w_dot": 30.0, "by_w_bar": 175.0,
        "by_v": 313.0, "by_g": 217.0,
    }


def test_gamma_gives_up():
    assert gamma(800, 2.0**-11) == pytest.approx(800 / (2048 - 800), rel=1e-15)
    assert gamma(2048, 2.0**-11) == math.inf


def test_bounds_grow_with_m_u_and_narrow_storage():
    (case,) = (c for c in cases("float32", ("generic",)) if c.id == "G-0003")
    assert all(counts(9, f)["v_bar"] > counts(8, f)["v_bar"] for f, _ in FORMS)
    own, wide = bounds(case), bounds(case, accumulate="float64")
    sharp = bounds(case, probable=True)
    for a, b, c in zip(own, wide, sharp, strict=True):
        assert (b < a).all()
        assert (c < a).all() or a is own.w  # w has fewer roundings than the grade allows
        assert (b > 2.0**-24 * 0).all()
    double = bounds(*(x.astype("float64") for x in (case.v, case.g, case.w_bar)))
    for a, b in zip(own, double, strict=True):
        np.testing.assert_allclose(a / b, 2.0**29, rtol=1e-4)  # but for C u in 1 - C u


def test_bounds_scale_with_the_slice():
    """By powers of two, exactly, also where squares leave the range: S is computed in range."""
    (case,) = (c for c in cases("float64", ("generic",)) if c.id == "G-0003")
    near = bounds(case)
    for e in (-600, 600):
        far = bounds(np.ldexp(case.v, e), case.g, case.w_bar)
        np.testing.assert_array_equal(far.w, near.w)
        np.testing.assert_array_equal(far.g_bar, near.g_bar)
        np.testing.assert_allclose(np.ldexp(far.v_bar, e), near.v_bar, rtol=1e-12)


@pytest.mark.parametrize(("form", "eps"), [("max_q", 25.0), ("max_n", 5.0)])
def test_nothing_is_told_at_a_kink(form, eps):
    v, g = np.array([[3.0, 4.0], [3.0, 5.0]]), np.ones((2, 1))
    allowed = bounds(v, g, v, form=form, eps=eps)
    assert np.isinf(allowed.v_bar).tolist() == [[True, True], [False, False]]
    assert np.isfinite(allowed.w).all()


def test_excess():
    want, allowed = np.array([1.0, np.nan, 3.0]), np.array([0.5, 1.0, np.inf])
    assert excess([1.25, 7.0, 99.0], want, allowed) == 0.5
    assert excess([np.nan, 7.0, 3.0], want, allowed) == math.inf
    assert excess(want, want, np.zeros(3)) == 0
    with pytest.raises(ValueError, match=r"shape \(2,\) to compare with \(3,\)"):
        excess([1.0, 2.0], want, allowed)
