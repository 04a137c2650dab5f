"""The laws as property tests: the truth breaks none, and each law has a fault that breaks it."""

from __future__ import annotations

import builtins
import unittest

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="the laws as tests are made with hypothesis")
from hypothesis import HealthCheck, Phase, given, settings

from minwn.oracle.checks.invariants import INVARIANTS
from minwn.oracle.properties import FORWARD_LAWS, WeightNormLaws, has, law_test, problems
from minwn.oracle.reference.slices import kept_axes

from . import implementations as a

LAWS = [law.id for law in (*INVARIANTS, *FORWARD_LAWS)]
# The same cases each time, as few as find every fault below, and not made smaller.
QUICK = settings(
    derandomize=True, max_examples=10, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def holds(law, function, **how):
    try:
        law_test(law, function, settings=QUICK, **how)()
    except AssertionError:
        return False
    return True


def broken(backward, forward=a.forward):
    return {x for x in LAWS if not holds(x, forward if x[0] == "F" else backward)}


@pytest.mark.slow
@pytest.mark.parametrize("name", a.BACKWARDS)
def test_right_implementations_break_no_law(name):
    assert broken(a.BACKWARDS[name]) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", a.FORWARDS)
def test_right_forwards_break_no_law(name):
    assert all(holds(law.id, a.FORWARDS[name]) for law in FORWARD_LAWS)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_dtypes_break_no_law(dtype):
    accumulate = "float32" if dtype == "float16" else None
    for law in LAWS:
        wide = (a.FORWARDS if law[0] == "F" else a.BACKWARDS)["wider"]
        assert holds(law, wide, dtype=dtype, accumulate=accumulate), law


# What a fault breaks: all of it and nothing else. I1 <v, v_bar> = 0 and I8 w_bar along v go
# together, as do I3 and I6 in g_bar: each is the other's special case.
V, G = a.RIGHT_V, a.RIGHT_G
FAULTS = {
    "I1": (("g/n * G",), "I1 I8"),
    "I2": (("g * (G - d/n**2 * v)",), "I2 I7"),
    "I3": ((V, "d"), "I3 I6"),
    "I4": (("abs(g)/n * (G - d/n**2 * v)",), "I4 I7"),
    "I5": ((V, "g * d/n"), "I5 I6"),
    "I6": ((V, "2 * d/n"), "I6"),
    "I7": (("2 * g/n * (G - d/n**2 * v)",), "I7"),
    "I8": (("g/n * (G - 2*d/n**2 * v)",), "I1 I8"),
    "I9": (("g/n*(1 + np.arange(v.shape[-1])/8) * (G - d/n**2 * v)",), "I1 I7 I9 I12"),
    "I10": ((V, "(d/n).sum() + 0*g"), "I6 I10"),
    "I11": ((V, "(1 + np.arange(len(v)).reshape(g.shape)) * d/n"), "I6 I11"),
    "I12": (("g/n * (G - d/n**2 * v) * np.sign(d)",), "I7 I12"),
}
FORWARDS = {
    "F1": (lambda v, g: 2 * a.forward(v, g), {"F1"}),
    "F2": (lambda v, g: a.forward(v, g) * np.sqrt((v * v).sum(1, keepdims=True)), {"F1", "F2"}),
    "F3": (lambda v, g: a.forward(v, abs(g)), {"F3"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", FAULTS)
def test_a_fault_breaks_its_law_and_only_what_goes_with_it(law):
    texts, laws = FAULTS[law]
    found = broken(a.wrong(*texts))
    assert law in found
    assert found == set(laws.split())


@pytest.mark.slow
@pytest.mark.parametrize("law", FORWARDS)
def test_a_fault_of_the_forward(law):
    forward, laws = FORWARDS[law]
    assert broken(a.correct, forward) == laws


def test_every_law_has_its_fault():
    assert {*FAULTS, *FORWARDS} == set(LAWS)


# ---- problems -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "rank"), [(0, 2), (1, 2), (None, 2), ((0, 2), 3), (-1, 3)])
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_problems_are_fit_to_be_evidence(axis, rank, dtype):
    axes = kept_axes(axis, rank) or ()

    @QUICK
    @given(problems(dtype, axis, rank))
    def look(p):
        assert p.v.dtype == p.g.dtype == p.w_bar.dtype == dtype
        assert p.v.ndim == rank
        assert p.g.shape == (
            () if axis is None else tuple(n if i in axes else 1 for i, n in enumerate(p.v.shape))
        )
        reduced = tuple(i for i in range(rank) if i not in axes)
        n = np.sqrt((p.v.astype("f8") ** 2).sum(reduced, keepdims=True)).reshape(p.g.shape)
        assert np.ptp(p.w_bar) > 0
        assert not np.isclose(n, 1, rtol=1e-3).any()
        assert not np.isclose(abs(p.g), n, rtol=1e-3).any()
        assert (p.v != 0).all()
        assert axis is None or len({p.v.shape[i] for i in axes} & {p.v.shape[reduced[0]]}) == 0
        again = eval(repr(p), {"np": np, "Problem": lambda **k: k})
        np.testing.assert_array_equal(again["v"], p.v)

    look()


# ---- how it is used -----------------------------------------------------------------------------


class TestOfTheFirstAxis(WeightNormLaws):
    settings = QUICK
    forward = staticmethod(a.forward)
    backward = staticmethod(a.correct)


class TestOfColumns(WeightNormLaws):
    axis, dtype, settings = 1, "float32", QUICK

    @staticmethod
    def backward(w_bar, v, g):
        v_bar, g_bar = a.correct(w_bar.T, v.T, g.T)
        return v_bar.T, g_bar.T


class TestOfTheWhole(WeightNormLaws):
    axis, form, eps, settings = None, "inside", 1e-2, QUICK

    @staticmethod
    def backward(w_bar, v, g):
        h, d = np.sqrt((v * v).sum() + 1e-2), (w_bar * v).sum()
        return g / h * (w_bar - d / h**2 * v), d / h


def test_a_class_has_the_laws_that_it_has():
    def laws(cls):
        return {name for name in dir(cls) if name.startswith("test_")}

    assert laws(TestOfTheFirstAxis) == {f"test_{law}" for law in LAWS}
    assert laws(TestOfColumns) == {f"test_{law.id}" for law in INVARIANTS}
    assert laws(TestOfTheWhole) == {f"test_I{i}" for i in (4, 5, 6, 7, 9, 12)}
    assert not laws(WeightNormLaws)
    assert not issubclass(WeightNormLaws, unittest.TestCase)


def test_what_is_no_law_of_a_form_is_said():
    assert not has("I1", 0, "inside")
    with pytest.raises(ValueError, match="no law of form='inside'"):
        law_test("I1", a.correct, form="inside", eps=1e-3)
    with pytest.raises(KeyError):
        law_test("I13", a.correct)


def test_without_hypothesis_the_way_to_get_it_is_said(monkeypatch):
    real = builtins.__import__

    def none(name, *args, **kwargs):
        if name.partition(".")[0] == "hypothesis":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(ImportError, match=r'pip install "minwn\[laws\]"'):
        law_test("I1", a.correct)
