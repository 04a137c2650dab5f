"""Whatever ranks and axes are asked for, every function is called there, or does not pass."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.oracle.cases import GROUPS
from minwn.oracle.spec import make_spec

RANKS = [(1,), (2,), (3,), (4,), (5,), (2, 3), (3, 5), range(1, 6), None]
AXES = [None, (), 0, 1, 2, -1, -2, (0,), (0, 1), (0, -1), (0, -2), (1, 2), (0, 1, 2)]


def vjp(w_bar, v, g):
    return weight_norm.vjp(w_bar, v, g)


RIGHT = {
    "forward": weight_norm.forward, "backward": vjp, "jvp": weight_norm.jvp,
    "double_backward": weight_norm.double_vjp,
}


def possible(axis, ranks):
    """Whether some array in question has the axes, each once."""
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    if ranks is None:
        ranks = (2,) if axis in (-2, -1, 0, 1) else range(1, 6)
    return any(len({a % n for a in axes if -n <= a < n}) == len(axes) for n in ranks)


PLACES = [(axis, ranks) for axis in AXES for ranks in RANKS if possible(axis, ranks)]


def raises(*arrays):
    raise RuntimeError("planted")


@pytest.mark.parametrize("role", RIGHT)
@pytest.mark.parametrize(("axis", "ranks"), PLACES, ids=str)
def test_what_always_raises_never_passes(axis, ranks, role):
    groups = ["generic", "axes"]
    report = oracle.check(**RIGHT | {role: raises}, axis=axis, ranks=ranks, groups=groups)
    assert (report.verdict, report.ok) == ("REFUSED", False)
    assert [d.id for d in report.diagnosis] == ["raises"]
    assert "planted" in report.diagnosis[0].evidence


@pytest.mark.parametrize(("axis", "ranks"), PLACES, ids=str)
def test_what_is_right_passes_everywhere_and_hygiene_is_looked_at(axis, ranks):
    report = oracle.check(**RIGHT, axis=axis, ranks=ranks)
    assert report.verdict == "PASS", report
    assert {"hygiene", "forward", "gradients", "product", "second order"} <= {
        r.name for r in report.checks if r.checked
    }
    if make_spec(axis=axis, ranks=ranks).rank is None:
        assert any(note.startswith("skipped: dyadic, generic, angle") for note in report.notes)
    else:
        assert {*GROUPS} - {"axes"} <= {*report.groups}


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("role", RIGHT)
def test_a_rank_that_is_asked_for_and_never_answered(role, rank):
    def some(*arrays):
        if max(x.ndim for x in arrays) == rank:
            raise RuntimeError("planted")
        return RIGHT[role](*arrays)

    for ranks in ((2, 3, 4), range(1, 6)):
        report = oracle.check(**RIGHT | {role: some}, ranks=ranks)
        assert report.verdict == "FAIL"
        assert [d.id for d in report.diagnosis] == ["raises"]
        assert "planted" in report.diagnosis[0].evidence
        assert not next(r for r in report.checks if r.name == "hygiene").ok
    others = tuple({2, 3, 4} - {rank})
    assert oracle.check(**RIGHT | {role: some}, ranks=others).verdict == "PASS"


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [0, -1, None])
def test_faults_that_only_some_groups_show_are_seen_in_every_rank(rank, axis):
    kept = {}

    def stale(w_bar, v, g):
        return vjp(w_bar, v, kept.setdefault(v.shape, np.array(g)))

    assert oracle.check(backward=stale, axis=axis, ranks=(rank,)).verdict == "FAIL"

    def strided(v, g):  # the strides of v are ignored
        memory = np.array(v, order="K")
        return weight_norm.forward(np.ravel(memory, order="K").reshape(v.shape), g)

    report = oracle.check(strided, axis=axis, ranks=(rank,), groups=["generic", "layout"])
    assert report.ok or report.groups["layout"] == "FAIL"
    assert report.groups.keys() == {"generic", "layout"}

    def spread(v, g):  # one NaN spoils all
        return weight_norm.forward(v, g) + 0 * v.sum()

    report = oracle.check(spread, axis=axis, ranks=(rank,))
    assert report.verdict == ("FAIL" if axis is not None else "PASS"), report


def test_cases_are_those_of_before_where_a_matrix_is_asked_for():
    for spec in (make_spec(axis=0), make_spec(axis=0, ranks=range(1, 6))):
        assert {c.v.ndim for c in spec.chosen() if c.group != "axes"} == {2}
    assert make_spec(axis=0).ranks == {2}
    deep, flat = make_spec(axis=0, ranks=(4,)), make_spec(axis=None, ranks=(3,))
    assert {c.v.ndim for c in deep.chosen()} == {4}
    assert {(c.v.ndim, c.g.shape) for c in flat.chosen()} == {(3, ())}
    pairs = zip(make_spec(axis=0).drawn("generic"), deep.drawn("generic"), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a.v.ravel(), b.v.ravel())


def test_shapes():
    for shape in (3, "34", (2.5, 3), (-1, 3), (True, 3)):
        with pytest.raises(ValueError, match=r"^shape="):
            oracle.check(vjp, shape=shape)
    with pytest.raises(IndexError, match=r"axis 3 of a weight of shape \(2, 3\); choose from -2"):
        oracle.check(vjp, axis=3, shape=(2, 3))
    with pytest.raises(ValueError, match="no case is left"):
        oracle.check(vjp, axis=3, ranks=(2,), shape=(2, 0, 2, 2))
    whole = oracle.check(**RIGHT, axis=(0, 1, 2, 3), ranks=(4,), shape=(2, 3, 2, 2))
    assert (whole.verdict, [*whole.groups]) == ("PASS", ["shape"])


def test_threads_are_counted():
    for threads in (-1, 1.5, "2", None):
        with pytest.raises(ValueError, match=r"threads=.*; give a whole number >= 0"):
            oracle.check(**RIGHT, threads=threads)
