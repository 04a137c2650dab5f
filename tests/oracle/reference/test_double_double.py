"""The fast route to the truth is the truth, bit for bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from minwn.oracle.cases import cases
from minwn.oracle.reference import double_double
from minwn.oracle.reference.double_double import Double, bulk
from minwn.oracle.reference.truth import expected

DTYPES = ("float16", "float32", "float64")
FORMS = (
    ("plain", 0.0), ("inside", 0.3), ("outside", 0.3), ("rms", 0.3), ("max_q", 0.3), ("max_n", 0.3),
    ("max_n", 9.0),
)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_bulk_is_the_truth(form, eps, dtype):
    plain = form == "plain"
    for case in cases(dtype, axis="any" if plain else 0, quick=True):
        want, got = (f(case, form=form, eps=eps) for f in (expected, bulk))
        for x, y in zip(want, got, strict=True):
            assert x.dtype == y.dtype
            assert x.shape == y.shape
            np.testing.assert_array_equal(x, y, case.id)


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_slices_are_in_doubt(dtype, rng, monkeypatch):
    """2000 slices, nearly parallel ones among them; and what is in doubt is a small part."""
    slow, exact = [], double_double.answers
    monkeypatch.setattr(double_double, "answers", lambda *a: slow.append(0) or exact(*a))
    v = rng.normal(size=(2000, 6)).astype(dtype)
    g, w_bar = rng.normal(size=(2000, 1)).astype(dtype), rng.normal(size=v.shape).astype(dtype)
    w_bar[::2] = v[::2] * np.asarray(1 + rng.normal(size=(1000, 6)) * 1e-6, dtype)
    got = bulk(v, g, w_bar)
    # In float16 and float32, w_bar = v is frequent in the first half of these: v_bar = 0 exactly.
    assert len(slow) < {"float16": 1100, "float32": 100, "float64": 3}[dtype]
    want = expected(v[:300], g[:300], w_bar[:300], certify="")
    for x, y in zip(want, got, strict=True):
        np.testing.assert_array_equal(x, y[:300])


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "sqrt"])
def test_an_operation_loses_16_u2(name, rng):
    def numbers():
        hi = rng.normal(size=500) * 2.0 ** rng.integers(-30, 30, size=500)
        x, y = double_double._fast(hi, hi * rng.uniform(-1, 1, size=500) * 2.0**-54)
        return Double(x, y)

    a, b = numbers(), numbers()
    if name == "subtract":  # with cancellation
        b = Double(*double_double._fast(a.hi * (1 + 2.0**-40), b.lo * 0 + a.lo))
    if name == "sqrt":
        a = a * a
    got = {
        "add": lambda: a + b, "subtract": lambda: a + -b, "multiply": lambda: a * b,
        "divide": lambda: a / b, "sqrt": a.sqrt,
    }[name]()
    for i in range(500):
        x, y, z = (Fraction(float(d.hi[i])) + Fraction(float(d.lo[i])) for d in (a, b, got))
        if name == "sqrt":
            assert abs(z * z - x) <= 2 * 16 * x / 2**106
            continue
        true = {"add": x + y, "subtract": x - y, "multiply": x * y, "divide": x / y}[name]
        assert abs(z - true) <= abs(true) * 16 / 2**106
