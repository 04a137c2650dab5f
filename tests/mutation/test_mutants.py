"""The mutants: faults are faults, equals are equal, and the judge is measured by them.

MINWN_LONG=1 puts every mutant before the judge in float64 and float32, not one in twelve.
"""

from __future__ import annotations

import os
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from minwn.mutation import KINDS, MUTANTS, measure, table
from minwn.mutation.measure import VAGUE, elsewhere, judge, naming
from minwn.mutation.mutant import Implementation
from minwn.mutation.points import Point, differs
from minwn.oracle.mistakes import CATALOGUE, SECOND

LONG = bool(os.environ.get("MINWN_LONG"))
FAULTS = [m for m in MUTANTS if not m.proof and not m.limit]
BY_ID = {m.id: m for m in MUTANTS}


def numbers(shape, seed, dtype="float64"):
    """Signed, of sizes from 1/8 to 4."""
    rng = np.random.default_rng(seed)
    return (np.exp2(rng.uniform(-3, 2, shape)) * rng.choice([-1, 1], shape)).astype(dtype)


def points(dtype="float64"):
    """Calls of all four functions, on shapes in which no two axes are alike."""
    for k, shape in enumerate(((4, 7), (5, 3), (5, 3, 2), (2, 3, 4, 5), (3, 300))):
        g_shape = (shape[0],) + (1,) * (len(shape) - 1)
        for scale in (1.0, 2.0**-6):
            v, w_bar, A = (numbers(shape, 3 * k + i, dtype) for i in range(3))
            g, B = numbers(g_shape, 40 + k, dtype), numbers(g_shape, 60 + k, dtype)
            v = v * v.dtype.type(scale)
            yield Point("forward", (v, g))
            yield Point("backward", (w_bar, v, g))
            yield Point("jvp", (v, g, A, B))
            yield Point("double_backward", (A, B, w_bar, v, g))


POINTS = list(points())


def test_there_are_two_hundred_faults_of_every_kind_and_ids_are_unique():
    assert len(BY_ID) == len(MUTANTS)
    assert len(FAULTS) >= 200
    assert set(KINDS) >= {
        "formula", "coefficient", "axis", "index", "eps", "accumulation", "aliasing", "layout",
        "order2", "range", "strange",
    }
    assert min(Counter(m.kind for m in MUTANTS).values()) >= 7
    assert all(m.id.startswith(f"{m.kind}.") and " " not in m.id and m.what for m in MUTANTS)


def test_every_mistake_of_the_catalogue_is_planted():
    planted = {name for m in MUTANTS for fault in m.faults or () for name in fault}
    assert {m.id for m in CATALOGUE} | {m.id for m in SECOND} <= planted


# Numbers of these are right at every first call: what is wrong is memory.
VISIBLE = [m for m in FAULTS if not m.look and m.axis == 0]


@pytest.mark.parametrize("mutant", VISIBLE, ids=lambda m: m.id)
def test_a_fault_makes_a_difference(mutant):
    # 1e-13 is 100 times what two float64 evaluations of such sums differ by; eps=1e-12 does more.
    assert any(max(differs(mutant, p).values(), default=0) > 1e-13 for p in POINTS)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.proof], ids=lambda m: m.id)
def test_what_is_proved_equal_makes_none(mutant):
    # The projections cancel up to 2^6 of their terms on these points: 1e3 u of the largest entry.
    assert all(max(differs(mutant, p).values(), default=0) < 1e-13 for p in POINTS)


def test_mutants_share_no_state():
    mutant = BY_ID["aliasing.remembers.gradients_added_up"]
    v, g, w_bar = numbers((3, 4), 0), numbers((3, 1), 1), numbers((3, 4), 2)
    first = mutant.make().backward(w_bar, v, g)[0]
    made = mutant.make()
    np.testing.assert_array_equal(made.backward(w_bar, v, g)[0], first)
    np.testing.assert_array_equal(made.backward(w_bar, v, g)[0], 2 * first)


# ---- measuring ----------------------------------------------------------------------------------


def says(*found, ok=False):
    """A judge that says the same of everybody."""
    report = SimpleNamespace(
        ok=ok, verdict="PASS" if ok else "FAIL", notes=[],
        diagnosis=[SimpleNamespace(id=x) for x in found],
    )
    return lambda **functions: report


def test_a_judge_that_sees_nothing_lets_every_fault_survive():
    outcomes = [judge(m, "float64", says(ok=True)) for m in MUTANTS]
    assert {o.mutant.id for o in outcomes if o.survived} == {
        m.id for m in MUTANTS if not m.proof
    }
    assert not any(o.wronged or o.naming for o in outcomes)


def test_a_judge_that_accuses_everybody_wrongs_the_right_ones():
    outcomes = [judge(m, "float64", says("unknown")) for m in MUTANTS]
    assert {o.mutant.id for o in outcomes if o.wronged} == {
        m.id for m in MUTANTS if m.proof or m.limit
    }
    total = next(row for row in table(outcomes) if row["class"] == "all")
    assert total["caught"] == total["faults"] == len(FAULTS)
    assert total["named"] == sum(m.faults is None for m in FAULTS)
    assert total["wrong"] == 0


@pytest.mark.parametrize(
    ("id", "found", "verdict"),
    [
        ("formula.no_projection", ["no_projection"], "right"),
        ("formula.no_projection", ["proj_half", "no_projection"], "wrong"),
        ("formula.no_projection", ["unknown"], "vague"),
        ("formula.no_projection+g_bar_n2", ["g_bar_n2", "no_projection"], "right"),
        ("formula.no_projection+g_bar_n2", ["no_projection"], "vague"),
        ("formula.no_projection+g_bar_n2", ["no_projection", "g_bar_zero"], "wrong"),
        ("coefficient.v.3", ["coefficient_of_v"], "right"),
        ("coefficient.v.3", ["coefficient"], "vague"),
        ("strange.tanh", ["unknown"], "right"),
        ("strange.tanh", ["axis/index"], "right"),
        ("strange.tanh", ["coefficient_of_v"], "right"),
        ("strange.tanh", ["proj_n1"], "wrong"),
    ],
)
def test_naming(id, found, verdict):
    assert naming(BY_ID[id], found) == verdict


def test_the_functions_that_are_given_are_those_of_the_mutant():
    def seen(**given):
        assert set(given) >= {"forward", "backward", "double_backward", "dtype", "axis"}
        assert "jvp" not in given
        return says(ok=True)()

    judge(BY_ID["order2.double_backward.no_bend"], "float64", seen)
    assert VAGUE
    assert Implementation().backward is None


# ---- the judge ----------------------------------------------------------------------------------


def sample(dtype):
    """All, or of each class one in twelve, others in each dtype."""
    if LONG:
        return list(MUTANTS)
    start = {"float64": 0, "float32": 6}[dtype]
    return [
        m for kind in KINDS for m in [x for x in MUTANTS if x.kind == kind][start::12]
    ]


@pytest.fixture(scope="module", params=["float64", "float32"])
def outcomes(request):
    return list(measure(sample(request.param), [request.param]))


def told(outcomes):
    return [f"{o.mutant.id} {o.dtype}: {o.verdict} {o.found}" for o in outcomes]


@pytest.mark.slow
def test_the_judge_sees_every_fault(outcomes):
    assert not told(o for o in outcomes if o.survived)


@pytest.mark.slow
def test_the_judge_accuses_nothing_that_is_right(outcomes):
    assert not told(o for o in outcomes if o.wronged)


@pytest.mark.slow
def test_the_judge_gives_no_wrong_name(outcomes):
    assert not told(o for o in outcomes if o.naming == "wrong")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("formula", 0.95), ("coefficient", 0.9)])
def test_the_judge_names_what_it_sees(outcomes, kind, share):
    some = [o for o in outcomes if o.mutant.kind == kind]
    right = sum(o.naming == "right" for o in some)
    assert right >= share * len(some), told(o for o in some if o.naming != "right")


@pytest.mark.slow
def test_other_ranks_and_one_norm_of_the_whole_have_the_same_names():
    some = [BY_ID[x] for x in ("formula.proj_sign", "formula.v_bar_averaged", "size.tail_of_256",
                               "size.v_bar.entry_1024", "extra.loss_scale")]
    found = {m.id: m for m in elsewhere(some)}
    assert "formula.proj_sign@whole" in found
    assert "formula.v_bar_averaged@whole" not in found  # of one slice it is the truth
    assert {(m.axis, m.ranks) for m in found.values()} == {(0, (3,)), (0, (4,)), (None, None)}
    assert not any("entry" in x for x in found)
    for m in found.values():
        assert judge(m, "float64").naming == "right", m.id
