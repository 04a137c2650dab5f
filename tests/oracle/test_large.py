"""A shape of any size: judged to the last entry, in memory and time that grow with it alone."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.oracle.reference.truth import expected
from minwn.oracle.spec import LARGE

from . import implementations as a

SHAPE = (300, 300)


def backward(w_bar, v, g):
    return weight_norm.vjp(w_bar, v, g)


def edited(index, by=1.5):
    """Right in every shape but one."""

    def of(w_bar, v, g):
        v_bar, g_bar = (np.array(x) for x in backward(w_bar, v, g))
        if v.shape == SHAPE:
            v_bar[index] *= by
        return v_bar, g_bar

    return of


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_what_is_right_passes_and_every_entry_is_compared(axis, dtype):
    report = oracle.check(weight_norm.forward, backward, axis=axis, dtype=dtype, shape=SHAPE)
    without = oracle.check(weight_norm.forward, backward, axis=axis, dtype=dtype)
    assert report.verdict == "PASS", str(report)
    assert report.groups["shape"] == "ok"
    made, before = ({x.name: x.checked for x in r.checks} for r in (report, without))
    assert made["forward"] - before["forward"] == 2 * 90_000
    gains = 1 if axis is None else 300
    assert made["gradients"] - before["gradients"] == 2 * (90_000 + gains)


@pytest.mark.parametrize("index", [(0, 0), (299, 299), (150, 7), np.s_[256:]])
def test_one_wrong_entry_of_many_is_seen(index):
    report = oracle.check(weight_norm.forward, edited(index), shape=SHAPE)
    assert [d.id for d in report.diagnosis] == ["this_shape"]
    start = index[0] if isinstance(index, tuple) else 256
    first, _, end = report.worst.case.partition("[")[2].rstrip("]").partition(":")
    assert int(first) <= start + report.worst.index[0] < int(end)
    assert int(first) + report.worst.index[0] >= start
    assert report.minimal_case is None


def test_a_formula_has_its_name_in_a_large_shape_too():
    report = oracle.check(a.forward, a.wrong("g/n * G"), shape=SHAPE)
    assert [d.id for d in report.diagnosis] == ["no_projection"]
    assert report.groups["shape"] == "FAIL"


def test_an_answer_of_another_size_is_said():
    def short(v, g):
        return weight_norm.forward(v, g)[: 256 if v.size > LARGE else None]

    report = oracle.check(short, shape=SHAPE)
    assert [d.id for d in report.diagnosis] == ["wrong_shape"]


def test_the_truth_of_long_slices_is_that_of_the_exact_route(rng):
    from minwn.oracle.reference.double_double import PART, bulk

    v, w_bar = rng.normal(size=(2, 1, 2 * PART + 3))
    g = rng.normal(size=(1, 1))
    for form, eps in (("plain", 0.0), ("rms", 1e-3)):
        fast = bulk(v, g, w_bar, form=form, eps=eps)
        exact = expected(v, g, w_bar, form=form, eps=eps, certify="")
        for x, y in zip(fast, exact, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_memory_is_a_few_times_that_of_the_arrays_and_time_is_linear():
    seconds = {}
    oracle.check(weight_norm.forward, backward)
    for n in (512, 1024):
        tracemalloc.start()
        oracle.check(weight_norm.forward, backward, shape=(n, n))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * 2 * 8 * n * n
        start = time.process_time()
        oracle.check(weight_norm.forward, backward, shape=(n, n))
        seconds[n] = time.process_time() - start
    assert seconds[1024] < 8 * seconds[512]
