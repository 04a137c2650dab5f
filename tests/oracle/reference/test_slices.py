"""Which axes keep a norm, and where the slices are."""

from __future__ import annotations

import numpy as np
import pytest

from minwn.oracle.reference.slices import Slices, gain_shape, kept_axes, reduced_axes


def test_kept_axes():
    assert kept_axes((-1, 0), 3) == (0, 2)
    assert kept_axes(None, 2) is None
    with pytest.raises(IndexError, match="axis 2"):
        kept_axes(2, 2)


@pytest.mark.parametrize(
    ("shape", "axes", "reduced", "g_shape"),
    [
        ((3, 4), (0,), (1,), (3, 1)),
        ((3, 4), (1,), (0,), (1, 4)),
        ((3, 4), None, (0, 1), ()),
        ((3, 4), (), (0, 1), (1, 1)),
        ((2, 3, 4), (0, 2), (1,), (2, 1, 4)),
        ((5,), (0,), (), (5,)),
        ((2, 0, 3), (0,), (1, 2), (2, 1, 1)),
    ],
)
def test_slices(shape, axes, reduced, g_shape):
    assert reduced_axes(axes, len(shape)) == reduced
    assert gain_shape(shape, axes) == g_shape
    slices = Slices(shape, g_shape)
    assert (slices.kept, slices.axes, slices.reduced) == (axes or (), axes, reduced)
    x = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    np.testing.assert_array_equal(slices.total(x), x.sum(reduced, keepdims=True).reshape(g_shape))
    np.testing.assert_array_equal(slices.total(x).ravel(), slices.split(x).sum(axis=1))
    np.testing.assert_array_equal(slices.join(slices.split(x), "float64"), x)
