"""float16 and bfloat16, all checks: sums in float32 are no fault, and mistakes keep their names."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.oracle.cases import cases
from minwn.oracle.reference.rounding import FORMATS, Format
from minwn.oracle.reference.truth import nearest

from . import implementations as a

NARROW = ("float16", "bfloat16")
RANKS = range(1, 6)


@pytest.fixture(params=NARROW)
def dtype(request):
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes", reason="bfloat16 for NumPy")
    return request.param


@pytest.mark.parametrize("name", a.BACKWARDS)
def test_a_right_backward_passes(name, dtype):
    functions = a.in_float32(a.forward), a.in_float32(a.BACKWARDS[name])
    report = oracle.check(*functions, dtype=dtype, accumulate="float32", ranks=RANKS)
    assert report.verdict == "PASS", str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", a.BACKWARDS)
def test_sums_in_the_narrow_dtype_pass_where_nothing_else_is_claimed(name, dtype):
    if dtype == "bfloat16" and name in ("einsum", "product", "jacobian"):
        pytest.skip("NumPy has no einsum of bfloat16, and promotes its matrix products")
    report = oracle.check(a.forward, a.BACKWARDS[name], dtype=dtype)
    assert report.verdict == "PASS", str(report)


def test_all_of_minwn_passes(dtype):
    report = oracle.check(
        weight_norm.forward, weight_norm.vjp, jvp=weight_norm.jvp,
        double_backward=weight_norm.double_vjp, dtype=dtype, accumulate="float32", ranks=RANKS,
    )
    assert report.verdict == "PASS", str(report)
    assert {"product", "second order", "adjoint", "laws"} <= {r.name for r in report.checks}


def test_what_is_handed_over_is_of_the_dtype_that_is_claimed(dtype):
    """With any NumPy: before 2.2, twice an array of bfloat16 was float32. Derivatives of a function
    of numbers are measured in float64."""
    met = set()

    def noted(f):
        return lambda *xs: met.update(x.dtype.name for x in xs) or f(*xs)

    functions = noted(a.in_float32(a.forward)), noted(a.in_float32(a.correct))
    report = oracle.check(*functions, dtype=dtype, accumulate="float32", ranks=RANKS, quick=False)
    assert report.ok
    assert dtype in met <= {dtype, "float64", "complex128"}


@pytest.mark.parametrize("name", a.NAMED)
def test_a_mistake_of_the_catalogue_is_named(name, dtype):
    functions = a.in_float32(a.forward), a.in_float32(a.wrong(*a.NAMED[name]))
    report = oracle.check(*functions, dtype=dtype, accumulate="float32", ranks=RANKS)
    assert report.verdict == "FAIL"
    assert report.diagnosis[0].id == name, str(report)
    assert not report.ambiguous


@pytest.mark.slow
def test_a_norm_that_is_stored_is_no_fault_and_sums_in_the_narrow_dtype_are(dtype):
    """Up to the powers of n counted in `error_bounds.STORED`; sums of 64 exceed them."""

    def stored(w_bar, v, g):
        n = np.sqrt((v.astype("float32") ** 2).sum(axis=a.others(v, g), keepdims=True))
        n = n.astype(v.dtype).astype("float32")
        v, w_bar, g = (x.astype("float32") for x in (v, w_bar, g))
        d = (w_bar * v).sum(axis=a.others(v, g), keepdims=True)
        return tuple(x.astype(dtype) for x in (g / n * (w_bar - d / n**2 * v), d / n))

    assert oracle.check(backward=stored, dtype=dtype, accumulate="float32").ok
    narrow = oracle.check(
        backward=a.BACKWARDS["sequential"], dtype=dtype, accumulate="float32", quick=False
    )
    assert narrow.verdict == "FAIL"


@pytest.mark.parametrize("mistake", oracle.mistakes.SECOND, ids=lambda m: m.id)
def test_a_mistake_of_second_order_is_named(mistake, dtype):
    outputs = ("by_w_bar", "by_v", "by_g")

    def double_backward(A, B, w_bar, v, g):
        found = mistake.compute(oracle.mistakes.Terms(v, g, w_bar, (0,)), *map(np.float64, (A, B)))
        return tuple(found[k].astype(v.dtype) for k in outputs)

    report = oracle.check(double_backward=double_backward, dtype=dtype, accumulate="float32")
    assert report.verdict == "FAIL"
    assert report.diagnosis[0].id == mistake.id, str(report)


def test_without_ml_dtypes_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "ml_dtypes":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"ml_dtypes: pip install 'minwn\["):
        oracle.check(a.forward, dtype="bfloat16")


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_rounding_many_numbers_is_rounding_each(name, rng):
    """Ties, subnormal numbers and overflow among them; bfloat16 from float64 at once."""
    form = FORMATS[name]
    x = np.ldexp(rng.uniform(-2, 2, 2000), rng.integers(form.quantum - 2, form.largest + 2, 2000))
    step = np.ldexp(1.0, np.maximum(np.frexp(x)[1] - form.p, form.quantum) - 1)
    ties = np.round(x / step) * step
    x = np.concatenate([x, ties, np.nextafter(ties, np.inf), [0.0]])
    want = [nearest(*_fraction(y), form) for y in x]
    np.testing.assert_array_equal(form.round(x), want)


def _fraction(y):
    p, q = float(y).as_integer_ratio()
    return p, 0, 0, q


def test_the_cases_of_bfloat16_are_those_of_float64_cut_off():
    pytest.importorskip("ml_dtypes", reason="bfloat16 for NumPy")
    for narrow, wide in zip(
        cases("bfloat16", ("generic",)), cases("float64", ("generic",)), strict=True
    ):
        x, y = narrow.v.astype("float64"), wide.v
        assert (abs(x) <= abs(y)).all()
        assert (abs(y - x) < 2 * Format.of("bfloat16").u * abs(y)).all()
