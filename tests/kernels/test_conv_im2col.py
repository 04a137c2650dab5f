"""im2col in both layouts: against the formula, within the bound of a sum in any order."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minwn.byhand import conv
from minwn.kernels import conv as fast
from minwn.kernels import conv_windows
from minwn.kernels.conv_im2col import CHANNELS_FIRST, CHANNELS_LAST, Im2col

from ..helpers.foreign import Foreign
from .test_conv import UNIT, channels_last, draw, operands
from .ways import problem, without

LAYOUTS_OF_WINDOWS = (CHANNELS_FIRST, CHANNELS_LAST)
PLAIN = {"stride": (1, 1), "dilation": (1, 1), "padding": ((1, 1), (1, 1)), "groups": 1}


def directly(layout, x, w, b, y, c, shape):
    """The three products, whatever the rule says, and how many terms an entry of each sums."""
    p = problem(x, w, y, **shape)
    return (
        (layout.conv(p, x, w, b), w[0].size),
        (layout.conv_input(p, y, w, c), w[:, 0].size // p.groups),
        (layout.conv_weight(p, y, x), y[:, 0].size),
    )


def by_formula(x, w, b, y, c, shape):
    x, w, b, y, c = map(Foreign, (x, w, b, y, c))
    x_bar = conv.conv_input(y, w, c, size=x.shape[2:], **shape)
    w_bar = conv.conv_weight(y, x, kernel=w.shape[2:], **shape)
    return conv.conv(x, w, b, **shape).host, x_bar.host, w_bar.host


@pytest.mark.parametrize("tile", [1, 3000, conv_windows.TILE])
@pytest.mark.parametrize("layout", LAYOUTS_OF_WINDOWS, ids=["channels first", "channels last"])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_within_the_bound_of_a_sum(dtype, d, layout, tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    tried = 0
    while tried < 8:
        x_shape, w_shape, shape = draw(rng, d)
        tried += 1
        arrays = operands(rng, x_shape, w_shape, shape, dtype)
        wide = "complex128" if dtype == "complex128" else "float64"
        truth = by_formula(*(a.astype(wide) for a in arrays), shape)
        sums = by_formula(*(np.abs(a).astype("float64") for a in arrays), shape)
        for (z, terms), true, total in zip(
            directly(layout, *arrays, shape), truth, sums, strict=True
        ):
            assert z.dtype == dtype
            # Higham (3.5); a product and the bias make two roundings more.
            assert (np.abs(z - true) <= (terms + 2) * UNIT[dtype] * total).all()


def small(rng, dtype="float32"):
    """x, w, b, the cotangent of y, and a bias for x, in the layout of a network."""
    shapes = (4, 16, 6, 5), (32, 16, 3, 3), (32,), (4, 32, 6, 5), (16,)
    return [channels_last(rng.normal(size=s).astype(dtype)) for s in shapes]


def test_it_is_what_conv_calls(rng, monkeypatch):
    x, w, b, y, c = small(rng)
    (z, _), _, (w_bar, _) = directly(CHANNELS_LAST, x, w, b, y, c, PLAIN)
    np.testing.assert_array_equal(fast.conv(x, w, b, **PLAIN), z)
    np.testing.assert_array_equal(fast.conv_weight(y, x, kernel=(3, 3), **PLAIN), w_bar)
    flipped = np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))
    x_bar = fast.conv_input(y, w, None, size=(6, 5), **PLAIN)
    (z, _), *_ = directly(CHANNELS_LAST, y, flipped, None, x, None, PLAIN)
    np.testing.assert_array_equal(x_bar, z)
    with without("flipped kernel"):
        x_bar = fast.conv_input(y, w, c, size=(6, 5), **PLAIN)
    np.testing.assert_array_equal(x_bar, directly(CHANNELS_LAST, x, w, b, y, c, PLAIN)[1][0])
    monkeypatch.setattr(Im2col, "_windows", lambda *_, **__: 1 / 0)
    for f in (
        lambda: fast.conv(x, w, b, **PLAIN),
        lambda: fast.conv_input(y, w, None, size=(6, 5), **PLAIN),
        lambda: fast.conv_weight(y, x, kernel=(3, 3), **PLAIN),
    ):
        with pytest.raises(ZeroDivisionError):
            f()


def test_memory_beyond_the_results_is_the_windows_and_a_little(rng):
    x, w, _, y, _ = small(rng)
    fast.conv_weight(y, x, kernel=(3, 3), **PLAIN)
    tracemalloc.start()
    try:
        fast.conv_weight(y, x, kernel=(3, 3), **PLAIN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 9 * x.nbytes + 2 * x.nbytes + 2 * w.nbytes


def test_inputs_without_examples_or_of_any_layout_give_new_arrays(rng):
    x, w, b, y, c = small(rng, "float64")
    (z, _), (x_bar, _), (w_bar, _) = directly(CHANNELS_LAST, x, w, b, y, c, PLAIN)
    arrays = map(np.ascontiguousarray, (x, w, b, y, c))
    (first, _), (second, _), (third, _) = directly(CHANNELS_LAST, *arrays, PLAIN)
    np.testing.assert_array_equal(first, z)
    np.testing.assert_array_equal(second, x_bar)
    np.testing.assert_array_equal(third, w_bar)
    for layout in LAYOUTS_OF_WINDOWS:
        (none, _), _, (zero, _) = directly(layout, x[:0], w, b, y[:0], c, PLAIN)
        assert none.shape == (0, 32, 6, 5)
        assert not zero.any()


def test_a_view_of_windows_that_overlap_is_copied(rng):
    # One example without padding: windows are a view in which rows share memory, no matrix to BLAS.
    x, w = rng.normal(size=(1, 9, 4000)), rng.normal(size=(8, 9, 3))
    for _, cols in CHANNELS_LAST._windows(
        problem(x, w, np.zeros((1, 8, 3998)), stride=(1,), dilation=(1,), padding=((0, 0),)), x
    ):
        assert cols[0].strides[0] >= cols.shape[-1] * cols.itemsize
