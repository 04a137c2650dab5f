"""Error over tolerance, at the numbers where a division would answer something else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minwn.tolerance import ratio, scaled_error


@pytest.mark.parametrize(
    ("error", "tolerance", "expected"),
    [
        (1.0, 4.0, 0.25), (-1.0, 4.0, 0.25), (3, 2, 1.5),
        (0.0, 0.0, 0.0), (0.0, math.nan, 0.0), (0.0, math.inf, 0.0),
        (1e-300, 0.0, math.inf), (1.0, math.nan, math.inf), (1.0, math.inf, 0.0),
        (math.nan, 1.0, math.inf), (math.nan, 0.0, math.inf), (math.nan, math.inf, math.inf),
        (math.inf, 1.0, math.inf), (-math.inf, 0.0, math.inf), (math.inf, math.inf, math.inf),
        (1e308, 1e-308, math.inf),
    ],
)
def test_ratio(error, tolerance, expected):
    found = ratio(error, tolerance)
    assert isinstance(found, float)
    assert found == expected


def test_ratio_of_arrays():
    found = ratio(np.float32([[1, 2], [0, np.nan]]), [[2.0], [0.0]])
    assert found.dtype == "float64"
    assert found.tolist() == [[0.5, 1.0], [0.0, math.inf]]
    assert ratio([], 0.0).shape == (0,)


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "want"),
    [
        (1.0, 3.0, 4.0, 0.5), (2.0, 2.0, 0.0, 0.0), (2.0, 1.0, 0.0, math.inf),
        (math.inf, math.inf, 1.0, 0.0), (math.inf, math.inf, math.nan, 0.0),
        (math.inf, -math.inf, 1.0, math.inf), (math.inf, 1.0, 1.0, math.inf),
        (math.nan, math.nan, 1.0, math.inf), (math.nan, 1.0, math.inf, math.inf),
        (1.0, math.inf, math.inf, math.inf), (1.0, 2.0, math.inf, 0.0),
    ],
)
def test_scaled_error(got, expected, tolerance, want):
    found = scaled_error(got, expected, tolerance)
    assert isinstance(found, float)
    assert found == want


def test_scaled_error_of_arrays():
    found = scaled_error([[1.0, math.inf], [math.nan, 4.0]], [[1.0, math.inf], [0.0, 2.0]], [1, 4])
    assert found.tolist() == [[0.0, 0.0], [math.inf, 0.5]]
    assert scaled_error([], [], 0.0).shape == (0,)
