"""What hides from a judge: inputs written to, arrays seen before, calls that come late."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.diagnosis import Diagnosis

from .. import implementations as a


def names(report):
    return [d.id for d in report.diagnosis]


def norm(v):
    return np.sqrt((v * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True))


# ---- inputs are written to, and the numbers judged all the same ----------------------------------


def in_place(w_bar, v, g, lost=0.0):
    """Right, or without a part of the projection; in the memory of v."""
    n = norm(v)
    v /= n
    d = (w_bar * v).sum(axis=a.others(v, g), keepdims=True)
    v *= (1 - lost) * d
    return g / n * (w_bar - v), d


def forward_in_place(v, g):
    v *= g / norm(v)
    return v.copy()


def test_in_place_arithmetic_is_one_fault_and_hides_no_other():
    assert names(oracle.check(a.forward, in_place)) == ["mutates_input"]
    for dtype in ("float64", "float32"):
        report = oracle.check(a.forward, lambda *x: in_place(*x, 1.0), dtype=dtype)
        assert names(report) == ["mutates_input", "no_projection"], str(report)
        report = oracle.check(a.forward, lambda *x: in_place(*x, 0.5), dtype=dtype)
        assert names(report) == ["mutates_input", "proj_half"], str(report)
    report = oracle.check(forward_in_place, a.correct)
    assert names(report) == ["mutates_input"]
    assert report.groups["layout"] == "ok"

    def doubled(v, g):
        return 2 * forward_in_place(v, g)

    assert names(oracle.check(doubled, a.correct)) == ["mutates_input", "coefficient_of_w"]


def test_an_unknown_mistake_in_place_is_not_hushed_up():
    def unknown(w_bar, v, g):
        v_bar, g_bar = in_place(w_bar, v, g)
        return v_bar + 0.01 * np.sin(w_bar), g_bar

    assert names(oracle.check(a.forward, unknown)) == ["mutates_input", "unknown"]


def test_memory_that_must_not_be_written_to_may_be_declined_without_writing():
    """As a typed memoryview of Cython does."""

    def cython(w_bar, v, g):
        if not (w_bar.flags.writeable and v.flags.writeable):
            raise ValueError("buffer source array is read-only")
        return a.correct(w_bar, v, g)

    report = oracle.check(a.forward, cython)
    assert report.verdict == "PASS", str(report)
    assert any("takes no read-only arrays" in note for note in report.notes)


def c_contiguous(x):
    if not x.flags.c_contiguous:
        raise ValueError("ndarray is not C-contiguous")


def positive_strides(x):  # as torch.from_numpy and torch.tensor do
    if min(x.strides, default=0) < 0:
        raise ValueError("at least one stride in the given array is negative")


@pytest.mark.parametrize("asked", [c_contiguous, positive_strides])
def test_a_layout_in_memory_may_be_declined(asked):
    """The same numbers in a plain copy are answered."""

    def forward(v, g):
        asked(v)
        return a.forward(v, g)

    def backward(w_bar, v, g, wrong=0.0):
        asked(w_bar)
        v_bar, g_bar = a.correct(w_bar, v, g)
        return v_bar * (1 + wrong), g_bar

    report = oracle.check(forward, backward)
    assert report.verdict == "PASS", str(report)
    for what in ("forward", "backward"):
        [note] = [x for x in report.notes if x.startswith(f"{what} ")]
        assert note.startswith(f"{what} takes no arrays that lie in memory as L-000")
        assert "ValueError" in note
    report = oracle.check(forward, functools.partial(backward, wrong=1.0))
    assert names(report) == ["v_bar_doubled"]


def test_one_that_raises_for_the_numbers_of_a_layout_fails():
    def forward(v, g):
        if v.shape == (4, 3):  # that of L-0004, in any layout
            raise ValueError("not today")
        return a.forward(v, g)

    report = oracle.check(forward, groups=["dyadic", "layout"])
    assert "raises" in names(report)
    assert not any("takes no arrays" in note for note in report.notes)


def test_who_writes_past_the_flags_spoils_it_for_nobody_else():
    def vandal(w_bar, v, g):
        answers = a.correct(w_bar, v, g)
        for x in (w_bar, v, g):
            x = x if x.base is None else x.base
            if x.flags.owndata:
                x.setflags(write=True)
                x[...] = 7
        return answers

    before = oracle.check(a.forward, a.correct).to_json()
    assert "mutates_input" in names(oracle.check(a.forward, vandal))
    after = oracle.check(a.forward, a.correct).to_json()
    assert before | {"seconds": 0} == after | {"seconds": 0}


# ---- the same array with other numbers in it ----------------------------------------------------


class ByIdentity:
    """Keeps the norm of the last v, and knows it by the object, or by its place in memory."""

    def __init__(self, key=id, kept_by=("forward", "backward")):
        self.key, self.kept_by, self.seen, self.n = key, kept_by, None, None

    def norm(self, v, who):
        if self.key(v) == self.seen:
            return self.n
        n = norm(v)
        if who in self.kept_by:
            self.seen, self.n, self.v = self.key(v), n, v  # v lives on: no other has its place
        return n

    def forward(self, v, g):
        return g * v / self.norm(v, "forward")

    def backward(self, w_bar, v, g):
        n = self.norm(v, "backward")
        d = (w_bar * v).sum(axis=a.others(v, g), keepdims=True)
        return g / n * (w_bar - d / n**2 * v), d / n


def place(v):
    return v.__array_interface__["data"]


@pytest.mark.parametrize("key", [id, place])
@pytest.mark.parametrize("kept_by", [("forward",), ("backward",), ("forward", "backward")])
def test_a_cache_by_identity_is_stale(kept_by, key):
    made = ByIdentity(key, kept_by)
    report = oracle.check(made.forward, made.backward)
    assert report.verdict == "FAIL"
    assert {*names(report)} == {"stale_state"}, str(report)
    assert "the same arrays" in report.diagnosis[0].evidence


def test_a_cache_by_identity_of_one_function_alone():
    made = ByIdentity()
    assert names(oracle.check(made.forward)) == ["stale_state"]
    assert names(oracle.check(backward=ByIdentity().backward)) == ["stale_state"]


def test_a_cache_by_value_is_right():
    kept = {}

    def backward(w_bar, v, g):
        n = kept.setdefault((v.tobytes(), v.shape, v.dtype), norm(v))
        d = (w_bar * v).sum(axis=a.others(v, g), keepdims=True)
        return g / n * (w_bar - d / n**2 * v), d / n

    assert oracle.check(a.forward, backward).verdict == "PASS"


# ---- late calls ---------------------------------------------------------------------------------


def counting(wrong, f=a.correct, spoilt=lambda w_bar, v, g: g / norm(v) * w_bar):
    """f, but in the calls of which `wrong(number)` holds: without the projection."""
    count = [0]

    def backward(w_bar, v, g):
        count[0] += 1
        v_bar, g_bar = f(w_bar, v, g)
        return (spoilt(w_bar, v, g) if wrong(count[0]) else v_bar), g_bar

    return backward


LATE = {
    "the 40th": lambda k: k == 40,
    "the 11th": lambda k: k == 11,
    "from the 40th on": lambda k: k >= 40,
    "from the 20th on": lambda k: k >= 20,
    "every 50th": lambda k: k % 50 == 0,
    "from the 120th on": lambda k: k >= 120,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("when", LATE)
def test_what_is_wrong_only_in_a_late_call(when, dtype):
    report = oracle.check(a.forward, counting(LATE[when]), dtype=dtype)
    assert report.verdict == "FAIL"
    # Where it meets a check of another kind, that one's name is as good.
    assert names(report) in (["late_call"], ["stale_state"][: when.startswith("every")]), report


@pytest.mark.parametrize("call", range(30, 115, 4))
def test_one_wrong_call_anywhere_is_found_and_gets_no_wrong_name(call):
    plus = lambda w_bar, v, g: g / norm(v) * w_bar + v  # noqa: E731
    report = oracle.check(a.forward, counting(lambda k: k == call, spoilt=plus))
    assert report.verdict == "FAIL", call
    assert {*names(report)} <= {"late_call", "stale_state", "not_deterministic"}, str(report)


def test_a_late_call_with_few_cases_and_in_every_role():
    report = oracle.check(backward=counting(lambda k: k >= 59), groups=["dyadic"], ranks=(2,))
    assert names(report) == ["late_call"]
    count = [0]

    def jvp(v, g, v_dot, g_dot):
        count[0] += 1
        n, d = norm(v), (v * v_dot).sum(axis=1, keepdims=True)
        return g / n * (v_dot - (count[0] < 55) * d / n**2 * v) + g_dot / n * v

    assert names(oracle.check(jvp=jvp)) == ["late_call"]


def test_a_formula_that_is_wrong_from_the_start_keeps_its_name():
    report = oracle.check(a.forward, a.wrong("g/n * G"))
    assert names(report) == ["no_projection"]
    early = counting(lambda k: k > 3)
    assert names(oracle.check(a.forward, early))[0] == "stale_state"


def test_a_formula_beside_a_late_fault():
    """g_bar is wrong from the start, v_bar from the 40th call on."""
    report = oracle.check(a.forward, counting(lambda k: k >= 40, a.wrong(a.RIGHT_V, "d / n**2")))
    assert "stale_state" in names(report) or "late_call" in names(report)
    assert "g_bar_n2" in names(report)


# ---- layouts beside each other ------------------------------------------------------------------


def one_order(w_bar, v, g):
    """Where v is in Fortran's order, w_bar is taken to be, too."""
    if v.ndim == 2 and v.flags.f_contiguous and not v.flags.c_contiguous:
        w_bar = w_bar.ravel(order="K").reshape(v.shape, order="F")
    return a.correct(w_bar, v, g)


def test_v_in_the_order_of_fortran_beside_w_bar_in_that_of_c():
    report = oracle.check(a.forward, one_order)
    assert names(report) == ["layout"], str(report)
    assert "alone in C's order" in report.diagnosis[0].evidence


# ---- every rank that is claimed -----------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, -1, None])
@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5])
def test_hygiene_in_every_rank_that_is_claimed(rank, axis):
    if rank == 1 and axis is not None:
        pytest.skip("every entry is a slice")

    def right(w_bar, v, g):
        axes = None if axis is None else tuple(i for i in range(v.ndim) if i != axis % v.ndim)
        keep = axis is not None
        n = np.sqrt((v * v).sum(axis=axes, keepdims=keep))
        d = (w_bar * v).sum(axis=axes, keepdims=keep)
        return g / n * (w_bar - d / n**2 * v), d / n

    assert oracle.check(backward=right, axis=axis, ranks=range(1, 6)).verdict == "PASS"
    kept = {}

    def buffered(w_bar, v, g):
        answers = right(w_bar, v, g)
        if v.ndim != rank:
            return answers
        v_bar = kept.setdefault((v.shape, v.dtype), np.empty_like(v))
        v_bar[...] = answers[0]
        return v_bar, answers[1]

    report = oracle.check(backward=buffered, axis=axis, ranks=range(1, 6))
    assert names(report) == ["returns_cache"], str(report)

    def writes(w_bar, v, g):
        answers = right(w_bar, v, g)
        if v.ndim == rank and v.flags.writeable:
            v *= 2
        return answers

    report = oracle.check(backward=writes, axis=axis, ranks=range(1, 6))
    assert names(report) == ["mutates_input"], str(report)


# ---- answers in each other's place --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("ranks", [None, range(1, 6)])
def test_exchanged_answers_are_named_and_judged(ranks, dtype):
    def exchanged(f):
        return lambda *x: f(*x)[::-1]

    report = oracle.check(a.forward, exchanged(a.correct), ranks=ranks, dtype=dtype)
    assert names(report) == ["answers_exchanged"], str(report)
    assert report.consistent
    wrong = exchanged(a.wrong("g/n * G"))
    assert names(oracle.check(a.forward, wrong, ranks=ranks, dtype=dtype)) == [
        "answers_exchanged", "no_projection",
    ]

    def flat(w_bar, v, g):
        v_bar, g_bar = a.correct(w_bar, v, g)
        return g_bar.ravel(), v_bar

    assert names(oracle.check(a.forward, flat, dtype=dtype)) == ["answers_exchanged", "wrong_shape"]


def test_each_name_has_a_sentence_and_a_fix():
    for name, make in {
        "late_call": lambda: oracle.check(a.forward, counting(lambda k: k == 40)),
        "answers_exchanged": lambda: oracle.check(a.forward, lambda *x: a.correct(*x)[::-1]),
    }.items():
        report = make()
        (d,) = report.diagnosis
        assert isinstance(d, Diagnosis)
        assert (d.id, bool(d.formula), bool(d.fix), bool(d.evidence)) == (name, True, True, True)
        assert d.formula in str(report)
        assert oracle.check(a.forward, a.correct, accept=[name]).verdict == "PASS"


# ---- raising ------------------------------------------------------------------------------------


def raising(when):
    def backward(w_bar, v, g):
        if when(v):
            raise ValueError("no such weight")
        return a.correct(w_bar, v, g)

    return backward


def test_a_function_that_always_raises_is_refused_and_one_that_sometimes_does_fails():
    report = oracle.check(a.forward, raising(lambda v: True))
    assert (report.verdict, names(report)) == ("REFUSED", ["raises"])
    assert "no such weight" in str(report)
    report = oracle.check(a.forward, raising(lambda v: True), accept=["raises"])
    assert report.verdict == "REFUSED"
    report = oracle.check(a.forward, raising(lambda v: v.shape[1] == 3))
    assert (report.verdict, names(report)) == ("FAIL", ["raises"])
    report = oracle.check(a.forward, raising(lambda v: v.shape[1] == 3), accept=["raises"])
    assert (report.verdict, names(report)) == ("ACCEPTABLE", ["raises"])
    assert oracle.check(a.forward, raising(lambda v: v.size == 0)).verdict == "PASS"
    no_slice = raising(lambda v: not v.any(axis=1).all())
    assert oracle.check(a.forward, no_slice).verdict == "PASS"
    assert oracle.check(a.forward, raising(lambda v: not v.all())).verdict == "FAIL"


def test_an_answer_that_is_none_is_named():
    report = oracle.check(a.forward, lambda *x: (a.correct(*x)[0], None))
    assert report.verdict == "REFUSED"
    (found,) = report.diagnosis
    assert "backward answers None for g_bar" in found.evidence
    report = oracle.check(lambda v, g: None, a.correct)
    assert report.verdict == "REFUSED"
    assert "forward answers None for w" in report.diagnosis[0].evidence


def test_a_wrong_number_beside_a_function_that_always_raises_is_a_failure():
    report = oracle.check(lambda v, g: 2 * a.forward(v, g), raising(lambda v: True))
    assert report.verdict == "FAIL"
    assert "coefficient_of_w" in names(report)


# ---- larger numbers than those of the cases ------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clipped_numbers_are_found(dtype):
    def clipped(v, g):
        return np.clip(a.forward(v, g), -5, 5)

    def clipped_gradients(w_bar, v, g):
        return tuple(np.clip(x, -500, 500) for x in a.correct(w_bar, v, g))

    assert oracle.check(a.forward, a.correct, dtype=dtype).ok
    assert oracle.check(clipped, a.correct, dtype=dtype).verdict == "FAIL"
    assert oracle.check(a.forward, clipped_gradients, dtype=dtype).verdict == "FAIL"
