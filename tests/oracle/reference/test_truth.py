"""The truth: rounded as Python and NumPy round, certified by a second route, known where it is."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from minwn.oracle.cases import cases
from minwn.oracle.reference import truth
from minwn.oracle.reference.exact import Surd
from minwn.oracle.reference.rounding import FORMATS, Format, nearest
from minwn.oracle.reference.truth import OracleFault, expected, second

DTYPES = ("float16", "float32", "float64")
# Large eps, so that it shows; and each side of the maxima.
FORMS = (
    ("plain", 0.0), ("inside", 0.3), ("outside", 0.3), ("rms", 0.3), ("max_q", 0.3),
    ("max_q", 1e3), ("max_n", 0.3), ("max_n", 40.0),
)


def rational(x: Fraction, dtype: str) -> float:
    return nearest(x.numerator, 0, 0, x.denominator, FORMATS[dtype])


# ---- rounding -----------------------------------------------------------------------------------


def test_rational_numbers_round_as_python_divides(rng):
    for _ in range(2000):
        a, b = (int(rng.integers(1, 2**62)) << int(rng.integers(0, 900)) for _ in range(2))
        a = -a if rng.integers(2) else a
        assert rational(Fraction(a, b), "float64") == a / b


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rational_numbers_round_as_numpy_casts(dtype, rng):
    """Subnormal numbers, overflow, and numbers in the middle of two, too."""
    form = FORMATS[dtype]
    e = rng.integers(form.quantum - 3, form.largest + 3, size=3000)
    x = np.ldexp(rng.uniform(-2, 2, size=3000), e)
    step = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - form.p, form.quantum) - 1)
    x = np.concatenate([x, np.round(x / step) * step, [0.0, -0.0]])
    with np.errstate(over="ignore"):
        want = x.astype(dtype).astype("float64")
    got = [rational(Fraction(float(y)), dtype) for y in x]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_surds_round_to_the_nearest(dtype, rng):
    """Squares decide: between the midpoints to its neighbours there is only the number."""
    form = FORMATS[dtype]
    for _ in range(300):
        x, y = (int(rng.integers(-(2**40), 2**40)) for _ in range(2))
        d, c = int(rng.integers(2, 1000)), int(rng.integers(1, 2**45))
        if math.isqrt(d) ** 2 == d:
            continue
        if rng.integers(3) == 0:  # x and y sqrt(d) cancel but for 1e-12 of them
            x = -math.isqrt(y * y * d) if y > 0 else math.isqrt(y * y * d)
        got = nearest(x, y, d, c, form)
        here, half = Fraction(got), Fraction(2) ** (form.ulp(got) - 1)
        assert _sign(x, y, d, c, here - half) >= 0 >= _sign(x, y, d, c, here + half)


def _sign(x: int, y: int, d: int, c: int, at: Fraction) -> int:
    """The sign of (x + y sqrt(d)) / c - at, from squares."""
    rest = at * c - x  # against y sqrt(d)
    if (rest > 0) != (y > 0) or not rest:
        return 1 if y > 0 else -1
    larger = y * y * d > rest * rest
    return 1 if larger == (y > 0) else -1


def test_surds_are_a_field():
    def parts(a: Surd) -> tuple[int, int, int]:
        return a.x, a.y, a.z

    a, t = Surd(14, -15, 21, 3), Surd.root(Fraction(3))  # 2/3 - 5/7 sqrt(3)
    assert parts(a * a.inverse()) == (1, 0, 1)
    assert parts(t * t) == (3, 0, 1)
    assert parts(a + Fraction(1, 7) * t) == (14, -12, 21)
    assert parts(Surd.root(Fraction(9, 4))) == (3, 0, 2)
    assert parts(Surd(4, -6, -10, 3)) == (-2, 3, 5)


# ---- the two routes -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_the_routes_agree(form, eps, dtype):
    for case in cases(dtype, ("generic", "angle", "axes", "undefined"), quick=True):
        expected(case, form=form, eps=eps)
        second(case, form=form, eps=eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_routes_agree_to_the_edges_of_the_dtype(dtype):
    for case in cases(dtype, ("range",)):
        expected(case)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_mpmath_agrees(form, eps):
    pytest.importorskip("mpmath", reason="a third arithmetic")
    for case in cases("float64", ("generic", "angle"), quick=True):
        expected(case, form=form, eps=eps, certify="mpmath")
    second(case, form=form, eps=eps, certify="mpmath")


@pytest.mark.parametrize("name", ["w", "v_bar", "g_bar", "w_dot", "by_v", "by_g"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_bit_makes_a_fault(name, dtype, monkeypatch):
    """The tester tested: where the exact route is one ulp off, the oracle blames itself."""
    honest = truth.answers

    def off(*arguments):
        answer = honest(*arguments)
        if name in answer:
            x = np.asarray(answer[name])
            x = np.nextafter(x.astype(dtype), np.asarray(np.inf, dtype)).astype("float64")
            answer[name] = x.tolist()
        return answer

    monkeypatch.setattr(truth, "answers", off)
    (case, *_) = cases(dtype, ("generic",), quick=True)
    function = expected if name in ("w", "v_bar", "g_bar") else second
    with pytest.raises(OracleFault, match=rf"{name}\[0\] is .* by decimal"):
        function(case)


# ---- values known otherwise ---------------------------------------------------------------------


def test_on_paper():
    """v = (3, 4), g = 10, w_bar = (1, 2): n = 5, g_bar = 11 / 5, v_bar = 2 (w_bar - 11 v / 25)."""
    v, g, w_bar = np.array([[3.0, 4.0]]), np.array([[10.0]]), np.array([[1.0, 2.0]])
    w, v_bar, g_bar = expected(v, g, w_bar)
    assert w.tolist() == [[6.0, 8.0]]
    assert g_bar.tolist() == [[11 / 5]]
    assert v_bar.tolist() == [[-16 / 25, 12 / 25]]


def test_answers_keep_shape_and_dtype():
    v = np.arange(1, 25, dtype="float32").reshape(2, 3, 4)
    for shape in ((), (1, 3, 1), (2, 1, 4), (1, 1, 1)):
        g = np.ones(shape, "float32")
        w, v_bar, g_bar = expected(v, g, v)
        assert w.shape == v_bar.shape == v.shape
        assert g_bar.shape == shape
        assert {x.dtype for x in (w, v_bar, g_bar)} == {np.dtype("float32")}
        np.testing.assert_allclose(g_bar, _norms(v, shape), rtol=1e-6)  # <v, v> / n = n


def _norms(v, shape):
    axes = tuple(a for a in range(3) if not shape or shape[a] == 1)
    return np.sqrt((v * v).sum(axis=axes, keepdims=True)).reshape(shape)


@pytest.mark.parametrize("flag", ["zero slice", "infinity in v", "NaN in w_bar", "infinity in g"])
def test_a_slice_without_truth_is_alone(flag):
    (case,) = (c for c in cases("float32", ("undefined",)) if c.flags == (flag,))
    for x in expected(case) + second(case):
        undefined = np.isnan(x).reshape(4, -1)
        assert undefined[1].all()
        assert not undefined[[0, 2, 3]].any()


@pytest.mark.parametrize("form", ["inside", "outside", "rms", "max_q", "max_n"])
def test_eps_defines_a_slice_of_zeros(form):
    """w = 0, g_bar = 0 and v_bar = g w_bar / h(0), which is h of the numbers below."""
    (case,) = (c for c in cases("float64", ("undefined",)) if c.flags == ("zero slice",))
    w, v_bar, g_bar = expected(case, form=form, eps=0.25)
    h = 0.5 if form in ("inside", "max_q") else 0.25
    assert not w[1].any()
    assert not g_bar[1].any()
    np.testing.assert_allclose(v_bar[1], case.g[1] * case.w_bar[1] / h, rtol=1e-15)
    differentiable = form not in ("outside", "rms")
    assert np.isfinite(second(case, form=form, eps=0.25).by_v[1]).all() == differentiable


def test_out_of_range_is_infinite():
    (case,) = (c for c in cases("float64", ("undefined",)) if c.flags == ("result overflows",))
    v_bar = expected(case).v_bar[1]
    assert np.isinf(v_bar).any()
    assert not np.isnan(v_bar).any()


def test_slices_without_entries():
    w, v_bar, g_bar = expected(np.ones((2, 0)), np.ones((2, 1)), np.ones((2, 0)))
    assert w.shape == v_bar.shape == (2, 0)
    assert g_bar.tolist() == [[0.0], [0.0]]


def test_errors_say_what_to_do():
    v = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"g of shape \(3,\) for v of shape \(2, 3\); g keeps"):
        expected(v, np.ones(3), v)
    with pytest.raises(TypeError, match="dtype int64; choose from float16"):
        Format.of("int64")
    with pytest.raises(ValueError, match="second order needs A and B"):
        second(v, np.ones((2, 1)), v)
