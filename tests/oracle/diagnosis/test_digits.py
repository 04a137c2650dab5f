"""What looks like rounding, and what is only as small: lost digits, and smooth errors."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import oracle
from minwn.mutation.accumulation import differenced, narrow, saved

from .. import implementations as a


def changed(edit, which=0):
    """The right backward, one of its answers edited."""

    def backward(w_bar, v, g):
        answers = list(a.correct(w_bar, v, g))
        answers[which] = edit(answers[which]).astype(v.dtype)
        return tuple(answers)

    return backward


def cut_off(x):
    """bfloat16 by forgetting half of the bits of a float32: errors all point inwards."""
    return (x.astype("float32").view("uint32") & 0xFFFF0000).view("float32")


LOST = {
    "answers in float16": (changed(lambda x: x.astype("float16")), "float16"),
    "answers cut off to bfloat16": (changed(cut_off), "bfloat16"),
    "g_bar cut off to bfloat16": (changed(cut_off, 1), "bfloat16"),
    "sums in float16": (narrow("float16", "qd").backward, "float16"),
    "one sum in float16": (narrow("float16", "d").backward, "float16"),
    "norms saved in float16": (saved("float16", "n").backward, "float16"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LOST)
def test_digits_of_a_narrower_dtype(name, dtype):
    backward, narrower = LOST[name]
    (d,) = oracle.check(a.forward, backward, dtype=dtype).diagnosis
    assert d.id == "low_precision"
    assert d.formula.endswith(f"with the digits of {narrower}")


SMOOTH = {
    "a percent more from entry to entry": changed(lambda x: x * (1 + np.arange(x.shape[-1]) / 100)),
    "a thousandth too long": changed(lambda x: x * np.float32(1.001)),
    "a thousandth of its square": changed(lambda x: x + x * x / 1024),
    "one-sided differences": differenced(1e-2).backward,
    "finer one-sided differences": differenced(1e-4).backward,
    "eighths": changed(lambda x: np.rint(8 * x) / 8, 1),
    "multiples of 1/64": changed(lambda x: np.rint(64 * x) / 64),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SMOOTH)
def test_errors_that_are_as_small_but_no_rounding(name, dtype):
    found = oracle.check(a.forward, SMOOTH[name], dtype=dtype).diagnosis
    assert not {d.id for d in found} & {"low_precision", "lost_digits"}


@pytest.mark.slow
def test_sums_in_the_narrow_dtype_where_wider_ones_were_claimed():
    spec = {"dtype": "float16", "accumulate": "float32", "quick": False}
    report = oracle.check(backward=a.BACKWARDS["sequential"], **spec)
    assert {d.id for d in report.diagnosis} == {"long_slices", "lost_digits"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_noise_of_another_size_is_lost_digits(dtype):
    """n^2 as a difference of numbers 200 times as large: more is lost in short slices."""

    def backward(w_bar, v, g):
        c = v.dtype.type(16)
        m = v.dtype.type(v.shape[1])
        q = ((v + c) ** 2).sum(1, keepdims=True) - 2 * c * v.sum(1, keepdims=True) - m * c * c
        d = (w_bar * v).sum(1, keepdims=True)
        return g / np.sqrt(q) * (w_bar - d / q * v), d / np.sqrt(q)

    report = oracle.check(a.forward, backward, dtype=dtype)
    assert {d.id for d in report.diagnosis} == {"lost_digits"}, str(report)
