"""The catalogue as data: complete, told apart by the cases, and each with its broken laws."""

from __future__ import annotations

import numpy as np
import pytest

from minwn.oracle.bounds import bounds
from minwn.oracle.cases import cases
from minwn.oracle.invariants import INVARIANTS, laws
from minwn.oracle.mistakes import CATALOGUE, OUTPUTS, Terms, by_id, kept_axes

from . import accused as a

GROUPS = ("generic", "dyadic", "axes")
CASES = [c for c in cases("float64", GROUPS, quick=True) if c.v.size]
OTHERS = [c for c in cases("float64", GROUPS, axis=1, quick=True) if c.v.size]


def test_ids_are_unique_and_entries_complete():
    assert len({m.id for m in CATALOGUE}) == len(CATALOGUE)
    for m in CATALOGUE:
        assert m.formula
        assert m.fix
        assert set(m.where) <= set(OUTPUTS)
        assert by_id(m.id) is m


@pytest.mark.parametrize("mistake", CATALOGUE, ids=lambda m: m.id)
def test_some_case_tells_a_mistake_from_the_truth(mistake):
    apart = dict.fromkeys(mistake.where, False)
    for c in CASES + OTHERS:
        t = Terms(c.v, c.g, c.w_bar, c.axes)
        room = bounds(c.v, c.g, c.w_bar)
        for output in mistake.where:
            wrong = mistake.output(output, t)
            if wrong is not None:
                with np.errstate(all="ignore"):
                    off = abs(wrong - getattr(t, output)()) > 4 * getattr(room, output)
                apart[output] |= bool(off.any())
    assert all(apart.values()), apart


@pytest.mark.parametrize("name", a.NAMED)
def test_the_formula_is_the_mistake(name):
    """What people write, against what the catalogue says they wrote."""
    for c in CASES[:20]:
        got = a.wrong(*a.NAMED[name])(c.w_bar, c.v, c.g)
        said = by_id(name).compute(c.v, c.g, c.w_bar, c.axes)
        for x, y in zip(got, said, strict=True):
            # two float64 evaluations of one short formula, of at most ten entries a slice
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


# The fingerprint of each: the laws that it breaks.
BREAKS = {
    "no_projection": "I1 I8", "proj_sign": "I1 I8", "proj_half": "I1 I8", "proj_twice": "I1 I8",
    "missing_g": "I4 I7", "missing_1_over_n": "I2 I7", "missing_g_over_n": "I2 I4 I7",
    "proj_n1": "I1 I2 I8", "proj_n3": "I1 I2 I8", "proj_g_lost": "I1 I4 I8",
    "proj_on_w": "I1 I4 I8", "g_bar_no_norm": "I3 I6", "g_bar_n2": "I3 I6",
    "g_bar_times_g": "I5 I6", "g_bar_scalar_sum": "I6 I10", "g_bar_rolled": "I6 I10 I11",
}  # fmt: skip


def broken(backward, case):
    def allowed(v, g, w_bar):
        room = bounds(v, g, w_bar)
        return room.v_bar, room.g_bar

    found = laws(backward, case.v, case.g, case.w_bar, axes=case.axes, allowed=allowed)
    assert set(found) == {law.id for law in INVARIANTS}
    return {name for name, ratio in found.items() if ratio > 1}


@pytest.mark.parametrize("name", BREAKS)
def test_the_laws_a_mistake_breaks(name):
    case = next(c for c in CASES if c.group == "generic")
    assert set(BREAKS[name].split()) <= broken(a.wrong(*a.NAMED[name]), case)


@pytest.mark.parametrize("backward", a.BACKWARDS, ids=lambda f: f.__name__)
def test_the_truth_breaks_none(backward):
    for case in [c for c in CASES if c.group == "generic"][:6]:
        assert broken(backward, case) == set()


@pytest.mark.parametrize("name", a.NAMED)
def test_every_mistake_breaks_some_law(name):
    generic = [c for c in CASES if c.group == "generic"][:4]
    silent = {"rank_norm", "rank_dot"}  # right for matrices
    found = set().union(*(broken(a.wrong(*a.NAMED[name]), c) for c in generic))
    assert bool(found) == (name not in silent)


def test_kept_axes():
    assert kept_axes((-1, 0), 3) == (0, 2)
    assert kept_axes(None, 2) is None
    with pytest.raises(IndexError, match="axis 2"):
        kept_axes(2, 2)
