"""The case for paper: it still fails, is certified, and is as small as the fault lets it be."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm

from . import implementations as a


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A count of tries bounds the search here, and no clock: the result is the same everywhere."""
    monkeypatch.setattr(oracle.minimal_case, "SECONDS", 60.0)


def where(condition, factor=2.0):
    """The right backward, with one answer multiplied where condition(v, g) holds."""

    def backward(w_bar, v, g):
        v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
        return (v_bar * v.dtype.type(factor) if condition(v, g) else v_bar), g_bar

    return backward


def fourth_row(w_bar, v, g):
    v_bar, g_bar = a.correct(w_bar, v, g)
    if len(v) > 3 and v[0].size > 5:
        v_bar[3] = 0
    return v_bar, g_bar


def tail(w_bar, v, g):
    """A block of 40 entries, and nothing after it."""
    v_bar, g_bar = a.correct(w_bar, v, g)
    v_bar[:, 40:] = 0
    return v_bar, g_bar


# name: (backward, how it is checked, the shape of the smallest v)
SMALLEST = {
    "four rows": (where(lambda v, g: len(v) >= 4), {}, (4, 2)),
    "nine entries": (where(lambda v, g: v[0].size > 8), {}, (1, 9)),
    "four rows of six": (fourth_row, {}, (4, 6)),
    "after a block": (tail, {}, (1, 41)),
    "a large shape": (where(lambda v, g: v.size >= 600), {"shape": (30, 40)}, None),
    "one tuple of axes": (where(lambda v, g: len(v) > 1), {"axis": (0, 2)}, (2, 2, 1)),
    "two kept axes of four": (
        where(lambda v, g: True, 1.5), {"axis": (1, 2), "ranks": [4]}, (2, 1, 1, 1),
    ),
    "the whole": (where(lambda v, g: True), {"axis": None}, (2,)),
    "the whole of rank 3": (where(lambda v, g: v.ndim == 3), {"axis": None, "ranks": [3]}, None),
    "the last axis of 3": (where(lambda v, g: True), {"axis": 2}, (2, 1, 1)),
    "float32": (where(lambda v, g: len(v) >= 4), {"dtype": "float32"}, (4, 2)),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_shrunk_as_far_as_the_fault_lets_it(name):
    backward, how, shape = SMALLEST[name]
    report = oracle.check(backward=backward, **how)
    s = report.minimal_case
    assert s is not None, str(report)
    dtype = how.get("dtype", "float64")
    v, g, w_bar = (np.array(x, dtype) for x in (s.v, s.g, s.w_bar))
    assert shape is None or sorted(v.shape) == sorted(shape)
    assert shape is None or v.size == np.prod(shape)
    # On paper: small integers.
    for x in (v, g, w_bar):
        assert (x == np.round(x)).all()
        assert abs(x).max(initial=0) < 100
    # It fails again, and both routes to the truth say what is right.
    got = dict(zip(("v_bar", "g_bar"), backward(w_bar, v, g), strict=True))[s.output]
    np.testing.assert_array_equal(got, s.got)
    right = getattr(oracle.expected(v, g, w_bar), s.output)
    np.testing.assert_array_equal(right, s.expected)
    assert (abs(got - right) > np.array(s.allowed)).any()


def test_a_named_fault_keeps_its_name():
    """Where the gain is positive, |g| is g: the case that is shown must have another."""
    report = oracle.check(backward=a.wrong(*a.NAMED["factor_abs_g"]))
    assert np.min(report.minimal_case.g) < 0
    named = oracle.check(backward=a.wrong(*a.NAMED["proj_uses_sum_not_dot"]))
    s = named.minimal_case
    v, g, w_bar = map(np.array, (s.v, s.g, s.w_bar))
    said = oracle.mistakes.by_id("proj_uses_sum_not_dot").compute(v, g, w_bar)[0]
    np.testing.assert_allclose(s.got, said, rtol=1e-12)


def test_a_fault_of_memory_has_no_small_case():
    """An array of another layout is not told by its numbers."""
    assert oracle.check(a.forward, a.ignores_strides).minimal_case is None


def test_shrinking_is_bounded(monkeypatch):
    count = 0

    def counting(w_bar, v, g):
        nonlocal count
        count += 1
        return where(lambda v, g: v.size > 50)(w_bar, v, g)

    for tries in (300, 20):
        monkeypatch.setattr(oracle.minimal_case, "TRIES", tries)
        count = -tries
        oracle.check(backward=counting)
        assert count < 200  # of all checks, and the cross-checks
    shrinker = oracle.minimal_case.Shrinker(None, "v_bar", [], until=0.0)
    assert not shrinker.fails(None, (0,))  # its time is over: it asks nobody


@pytest.mark.parametrize("m", range(1, 70))
def test_rows_for_paper_have_integer_norms(m):
    row = oracle.minimal_case._row(m)
    norm = np.sqrt(np.square(row).sum())
    assert len(row) == m
    assert norm == int(norm)
    assert set(row) <= {1, 2, 3, 4}
