"""Faults that small arrays hide: past the end of a block, in squares, at zeros, without the eps."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import oracle
from minwn.mutation import MUTANTS
from minwn.mutation.mutant import correct, forward, written

from .. import implementations as a

DTYPES = ("float64", "float32")
OF_SIZE = [m for m in MUTANTS if m.kind == "size"]


def names(report):
    return [d.id for d in report.diagnosis]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", OF_SIZE, ids=lambda m: m.id)
def test_a_fault_of_size_is_seen_and_named(mutant):
    made = mutant.make()
    report = oracle.check(made.forward, made.backward)
    assert not report.ok
    (known,) = mutant.faults
    assert set(names(report)) <= known | {"unknown"}, str(report)
    assert mutant.id == "size.zero_over_d" or set(names(report)) <= known, str(report)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("form", "eps"),
    [
        ("inside", 1e-12), ("inside", 1e-3), ("inside", 0.1), ("outside", 1e-12), ("outside", 1e-2),
        ("rms", 1e-3), ("max_q", 0.25), ("max_n", 1e-12), ("max_n", 0.5),
    ],
)
def test_a_declared_eps_that_the_code_lacks_is_named_before_all_else(form, eps, dtype):
    report = oracle.check(forward, correct, form=form, eps=eps, dtype=dtype)
    assert names(report) == ["eps_missing"], str(report)


def test_a_root_mean_square_without_its_eps_is_no_other_mistake():
    texts = {"v_bar": "g/n*m**.5 * (G - d/n**2 * v)", "g_bar": "d/n*m**.5", "w": "g*v/n*m**.5"}
    report = oracle.check(*written(**texts)[:2], form="rms", eps=1e-3)
    assert names(report) == ["eps_missing"]
    assert report.diagnosis[0].formula == "h = n/sqrt(m), without eps"


@pytest.mark.parametrize("eps", [1e-7, 1e-6])
def test_an_eps_beside_the_root_that_float32_hardly_feels_is_no_other_eps(eps):
    h = f"(n + v.dtype.type({eps}))"
    texts = {"v_bar": f"g/{h} * (G - d/{h} * (v/n))", "g_bar": f"d/{h}", "w": f"g*v/{h}"}
    report = oracle.check(*written(**texts)[:2], dtype="float32")
    assert names(report) == ["eps_outside"]
    assert f"eps = {eps:g}" in report.diagnosis[0].formula


def test_a_branch_for_squares_is_no_fault_of_long_slices():
    def backward(w_bar, v, g):
        return correct(w_bar.T if v.shape[0] == v.shape[1] else w_bar, v, g)

    report = oracle.check(a.forward, backward)
    assert names(report) == ["square_only"]
    assert any(d.evidence.startswith("wrong in M-0000, N-") for d in report.diagnosis)


def test_what_is_wrong_there_is_said():
    report = oracle.check(a.forward, next(m for m in OF_SIZE if "square" in m.id).make().backward)
    assert report.diagnosis[0].evidence.endswith("; there: v_bar = (g/n) w_bar")


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("start", [32, 256])
def test_rows_from_a_block_on_in_every_rank(start, rank):
    def backward(w_bar, v, g):
        v_bar, g_bar = (np.array(x) for x in a.correct(w_bar, v, g))
        v_bar[start:] = 0
        return v_bar, g_bar

    report = oracle.check(a.forward, backward, ranks=(rank,))
    assert names(report) == ["wrong_from_row"]
    assert f"from number {start} on" in report.diagnosis[0].formula
