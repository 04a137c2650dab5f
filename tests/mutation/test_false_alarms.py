"""Correct implementations never fail; wrong ones do, on the same rows.

MINWN_LONG=1 draws a million rows, and not twenty thousand.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from minwn.oracle import expected

from .correct import CORRECT, CorrectImplementation, fused
from .false_alarms import DTYPES, LAYOUTS, alarms, batches

ROWS = 1_000_000 if os.environ.get("MINWN_LONG") else 20_000


def test_no_false_alarm():
    found = alarms(ROWS)
    assert found.alarms == 0, found.first
    assert len(found.worst) >= 10
    assert min(found.dtypes.values()) > ROWS // 5
    assert found.judgements > 10 * ROWS
    assert all(0 < worst < 1 for worst in found.worst.values())


def half_projected(w_bar, v, g):
    w, v_bar, g_bar = fused(w_bar, v, g)
    return w, v_bar + g / np.sqrt((v * v).sum(1, keepdims=True)) * 1e-2 * v, g_bar


def narrow(w_bar, v, g):
    to = {"float64": "float32"}.get(str(v.dtype), "float16")
    return tuple(x.astype(v.dtype) for x in fused(*(x.astype(to) for x in (w_bar, v, g))))


def one_g_bar(w_bar, v, g):
    w, v_bar, g_bar = fused(w_bar, v, g)
    g_bar = g_bar.copy()
    g_bar[-1] *= 1.5
    return w, v_bar, g_bar


@pytest.mark.parametrize("wrong", [half_projected, narrow, one_g_bar], ids=lambda f: f.__name__)
def test_a_fault_is_an_alarm(wrong):
    found = alarms(4000, implementations=[CorrectImplementation(wrong.__name__, wrong)])
    assert found.alarms > 0
    assert found.first


def test_the_moved_truth_is_the_truth():
    rng = np.random.default_rng(5)
    kinds = set()
    for number, batch in enumerate(batches(24_000, rng, size=100)):
        if number >= 24:
            break
        kinds.add((str(batch.v.dtype), batch.layout))
        v, g, w_bar = (np.ascontiguousarray(x[:3]) for x in (batch.v, batch.g, batch.w_bar))
        exact = expected(v, g, w_bar, certify="")
        for got, want in zip(batch.truth, exact, strict=True):
            # to the bit, but for answers that the move makes subnormal: half of the least number
            want = want.astype("float64")
            least = float(np.finfo(v.dtype).smallest_subnormal)
            np.testing.assert_allclose(got[:3], want, rtol=0, atol=least)
    assert len(kinds) == len(DTYPES) * len(LAYOUTS)


def test_there_are_ten_orders_of_evaluation():
    assert len({f.name for f in CORRECT}) == len(CORRECT) >= 10
