"""Sums of channels, in the order in which they lie in memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minwn import Tensor
from minwn.kernels.channels import channels_last, last, second, totals


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (70, 3, 8, 8), (2, 5), (0, 3, 4), (4, 1, 9)])
def test_totals_are_right_to_the_rounding_of_any_order(shape, dtype, rng):
    x = (rng.normal(size=shape) * 1e3 ** rng.uniform(-3, 3, shape)).astype(dtype)
    u = 2.0**-24 if dtype == "float32" else 2.0**-53
    for array in (x, second(np.ascontiguousarray(last(x)))):
        sums = totals(array)
        assert sums.dtype == dtype
        assert sums.shape == shape[1:2]
        for k, s in enumerate(sums):
            line = x[:, k].ravel().tolist()
            allowed = max(len(line) - 1, 0) * u * math.fsum(map(abs, line))
            assert abs(float(s) - math.fsum(line)) <= allowed


def test_totals_of_a_tensor_can_be_differentiated_and_other_dtypes_are_kept(rng):
    x = channels_last(rng.normal(size=(2, 3, 4, 4)))
    assert isinstance(totals(Tensor(second(x), True)), Tensor)
    assert totals(second(x.astype("float16"))).dtype == "float16"
    assert totals(np.ones((2, 3, 4), "int32")).tolist() == [8, 8, 8]


def test_views_there_and_back(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(last(x), np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(second(last(x)), x)
    assert np.shares_memory(second(last(x)), x)
