"""Kernels of one channel, of one entry, strides, and short rows, against the formula."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minwn.byhand import conv
from minwn.kernels import conv as fast
from minwn.kernels import conv_depthwise, conv_im2col, conv_windows
from minwn.kernels.conv_im2col import Im2col

from ..helpers.foreign import Foreign
from .test_conv import UNIT, operands, products
from .ways import by_formula, names, problem


def depthwise(rng, d):
    """Eight channels or more, each a group of its own, with one output or several."""
    groups, kernel = int(rng.integers(8, 12)), tuple(map(int, rng.integers(1, 4, d)))
    stride = tuple(map(int, rng.integers(1, 4, d)))
    dilation = tuple(map(int, rng.integers(1, 3, d)))
    if stride[-1] > 1:
        dilation = (*dilation[:-1], 1)
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (d, 2)))
    size = tuple(map(int, rng.integers(5, (40, 9, 7)[d - 1], d)))
    shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w = (int(rng.integers(0, 7)), groups, *size), (groups * int(rng.integers(1, 4)), 1, *kernel)
    return x, w, shape


def pointwise(rng, d):
    groups, c, o = map(int, rng.integers((1, 2, 1), (4, 9, 9)))
    shape = {
        "stride": (1,) * d, "padding": ((0, 0),) * d, "dilation": (2,) * d, "groups": groups
    }
    x = (*map(int, rng.integers((0, 1), (4, 2))), *map(int, rng.integers(1, 9, d)))
    return (x[0], c * groups, *x[2:]), (o * groups, c, *(1,) * d), shape


def phased(rng, d):
    """Any size of x: some of its entries may be read by no window."""
    stride = (*map(int, rng.integers(1, 4, d - 1)), int(rng.integers(2, 4)))
    kernel = tuple(s * int(t) for s, t in zip(stride, rng.integers(1, 3, d), strict=True))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (d, 2)))
    size = tuple(map(int, rng.integers(6, (40, 12, 9)[d - 1], d)))
    shape = {"stride": stride, "padding": padding, "dilation": (1,) * d, "groups": 1}
    c, o = int(rng.integers(8, 12)), int(rng.choice([1, 7, 20]))
    return (int(rng.integers(0, 4)), c, *size), (o, c, *kernel), shape


def strided(rng, d):
    """Strides that divide the kernel or not, larger ones too; gaps in some, groups in some."""
    groups, c = int(rng.choice([1, 1, 2])), int(rng.integers(8, 11))
    kernel, stride = (tuple(map(int, rng.integers(1, n, d))) for n in (6, 4))
    stride = (*stride[:-1], int(rng.integers(2, 5)))
    dilation = (*map(int, rng.choice([1, 1, 2], d - 1)), 1)
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 6, (d, 2)))
    size = tuple(map(int, rng.integers(9, (40, 14, 11)[d - 1], d)))
    shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    o = groups * int(rng.choice([1, 7, 12]))
    return (int(rng.integers(0, 4)), groups * c, *size), (o, c, *kernel), shape


def short(rng, d):
    """Short rows, also of a picture that the kernel covers, and rows with gaps."""
    groups, c, kernel = (
        int(rng.choice([1, 2])),
        int(rng.integers(8, 11)),
        (int(rng.integers(2, 5)),),
    )
    kernel = (*map(int, rng.integers(1, 4, d - 1)), *kernel)
    dilation = tuple(map(int, rng.choice([1, 1, 2], d)))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (d, 2)))
    size = tuple(map(int, rng.integers(7, 12, d)))
    shape = {"stride": (1,) * d, "padding": padding, "dilation": dilation, "groups": groups}
    return (int(rng.integers(0, 5)), groups * c, *size), (groups * 24, c, *kernel), shape


def out_of_bound(given, shape, dtype):
    """For each product, whether an entry is further from the formula than the sums allow."""
    wide = "complex128" if dtype == "complex128" else "float64"
    truth = products(*(Foreign(a.astype(wide)) for a in given), shape)
    scale = products(*(Foreign(np.abs(a).astype("float64")) for a in given), shape)
    found = []
    for (z, terms), (true, _), (sums, _) in zip(products(*given, shape), truth, scale, strict=True):
        assert z.dtype == dtype
        assert z.shape == true.shape
        allowed = (terms + 2) * UNIT[dtype] * sums.host
        if dtype == "float16":
            allowed += 2.0**-11 * np.abs(true.host) + 2.0**-25
        found.append(bool((np.abs(z - true.host) > allowed).any()))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("tile", [10, conv_windows.TILE])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("draw", [depthwise, phased, pointwise, short, strided])
def test_within_the_bound_of_a_sum(draw, dtype, d, tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    for _ in range(8):
        x_shape, w_shape, shape = draw(rng, d)
        given = operands(rng, x_shape, w_shape, shape, dtype)
        assert out_of_bound(given, shape, dtype) == [False] * 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@np.errstate(invalid="ignore")  # BLAS fills its blocks up with zeros, and inf times 0 is a warning
def test_a_number_that_is_not_finite_reaches_only_the_windows_that_see_it(bad, rng):
    for draw in (depthwise, phased, pointwise, short, strided):
        x_shape, w_shape, shape = draw(rng, 2)
        x, w = rng.normal(size=(3, *x_shape[1:])), rng.normal(size=w_shape)
        x[0, 0, -1, -1] = bad
        y, truth = conv.conv(x, w, None, **shape), conv.conv(Foreign(x), Foreign(w), **shape).host
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(truth))
        y = rng.normal(size=y.shape)
        y[0, 0, -1, 0] = bad
        x, truth = (
            conv.conv_input(a, b, size=x_shape[2:], **shape)
            for a, b in ((y, w), (Foreign(y), Foreign(w)))
        )
        np.testing.assert_array_equal(np.isfinite(x), np.isfinite(truth.host))


def test_a_shifted_box_and_a_wrong_channel_are_out_of_the_bound(rng, monkeypatch):
    shape = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 8}
    given = operands(rng, (2, 8, 6, 7), (16, 1, 3, 3), shape, "float32")
    right = conv_depthwise.taps
    swapped = {(0, 1): (1, 0), (1, 0): (0, 1)}
    monkeypatch.setattr(
        conv_depthwise, "taps", lambda *a: ((swapped.get(e, e), place) for e, place in right(*a))
    )
    assert out_of_bound(given, shape, "float32") == [True] * 3
    monkeypatch.undo()
    assert out_of_bound(given, shape, "float32") == [False] * 3
    monkeypatch.setattr(conv_depthwise, "_numbers", lambda w, f=conv_depthwise._numbers: f(w[::-1]))
    assert out_of_bound(given, shape, "float32")[:2] == [True] * 2


def test_groups_that_see_each_other_are_out_of_the_bound(rng, monkeypatch):
    shape = {"stride": (1, 1), "padding": ((0, 0),) * 2, "dilation": (1, 1), "groups": 2}
    right = conv_im2col._by_group
    for channels in (3, 9):  # first, and last
        given = operands(rng, (2, 2 * channels, 4, 5), (4, channels, 1, 1), shape, "float32")
        assert out_of_bound(given, shape, "float32") == [False] * 3
        monkeypatch.setattr(conv_im2col, "_by_group", lambda y, p: right(y, p)[::-1])
        assert out_of_bound(given, shape, "float32") == [True] * 3
        monkeypatch.undo()


def test_windows_added_in_each_others_place_are_out_of_the_bound(rng, monkeypatch):
    shape = {"stride": (2, 2), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    swapped = {(0, 1): (1, 0), (1, 0): (0, 1)}
    right = conv_im2col.taps
    for channels in (3, 8):
        given = operands(rng, (2, channels, 9, 8), (5, channels, 3, 3), shape, "float32")
        assert out_of_bound(given, shape, "float32") == [False] * 3
        monkeypatch.setattr(
            conv_im2col, "taps", lambda *a: ((swapped.get(e, e), place) for e, place in right(*a))
        )
        assert out_of_bound(given, shape, "float32") == [False, True, False]
        monkeypatch.undo()


def test_windows_in_another_order_and_windows_left_out_are_out_of_the_bound(rng, monkeypatch):
    shape = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    given = operands(rng, (2, 16, 8, 8), (9, 16, 3, 3), shape, "float32")
    monkeypatch.setattr(conv_windows, "TILE", 1 << 10)  # so that there are several blocks
    assert out_of_bound(given, shape, "float32") == [False] * 3
    right, whole = Im2col._windows, conv_im2col.blocks
    monkeypatch.setattr(Im2col, "_windows", lambda *a: ((at, z[:, :, ::-1]) for at, z in right(*a)))
    assert out_of_bound(given, shape, "float32") == [True] * 3
    monkeypatch.setattr(Im2col, "_windows", right)
    monkeypatch.setattr(
        conv_im2col, "blocks",
        lambda *a: tuple(b._replace(tiles=b.tiles[:-1]) for b in whole(*a)),
    )
    assert out_of_bound(given, shape, "float32")[2]


def test_windows_are_in_memory_a_tile_at_a_time(rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", 1 << 13)
    x = np.moveaxis(rng.normal(size=(64, 24, 24, 8)), -1, 1)
    w = rng.normal(size=(8, 8, 3, 3))
    y = conv.forward(x, w, stride=2, padding=1)
    tracemalloc.start()
    try:
        conv.vjp(y, x, w, stride=2, padding=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # x_bar, windows with what they are cut out of, and products
    assert peak <= 2 * x.nbytes + 5 * 8 * conv_windows.TILE < 2 * x.nbytes + 9 * x.nbytes / 4


def test_what_is_served():
    def by(product, x, w, **options):
        shape = conv.geometry(x, w, **options)
        y = conv.forward(np.ones(x), np.ones(w), **shape)
        return names(product, problem(np.ones(x), np.ones(w), y, **shape))[0]

    for product in ("conv", "conv_input", "conv_weight"):
        assert by(product, (1, 8, 5, 5), (8, 1, 3, 3), groups=8) == "depthwise"
        assert by(product, (1, 8, 5, 5), (16, 1, 1, 1), groups=8) == "depthwise"
        assert by(product, (1, 7, 5, 5), (7, 1, 3, 3), groups=7) == "im2col, channels first"
        assert by(product, (1, 7, 5, 5), (64, 7, 3, 3)) == "im2col, channels first"
        assert by(product, (1, 8, 5, 5), (8, 8, 3, 3), stride=2) == "im2col, channels last"
    for product in ("conv", "conv_weight"):
        for kernel in ((1, 1), (3, 3), (5, 5)):
            assert by(product, (1, 8, 5, 5), (8, 8, *kernel)) == "im2col, channels last"
    for options, way in (
        ({}, "flipped kernel"),
        ({"padding": 2}, "flipped kernel"),
        ({"padding": 3}, "im2col, channels last"),  # more than the kernel reaches
        ({"stride": (1, 2)}, "im2col, channels last"),
        ({"dilation": 2}, "flipped kernel"),
    ):
        assert by("conv_input", (1, 8, 5, 5), (8, 8, 3, 3), **options) == way
    assert by("conv_input", (1, 8, 5, 5), (33, 8, 3, 3)) == "im2col, channels last"


def test_where_no_way_serves_the_formula_does(rng):
    x, w = rng.normal(size=(2, 8, 5, 6)), rng.normal(size=(9, 8, 3, 3))
    y = conv.forward(x, w)
    with by_formula():
        assert fast.conv(x, w, None, **conv.geometry(x.shape, w.shape)) is None
        np.testing.assert_allclose(conv.forward(x, w), y, rtol=0, atol=1e-13)


def test_a_pointwise_kernel_needs_no_memory_but_the_results(rng):
    x, y = (np.moveaxis(rng.normal(size=(16, 32, 32, 32)), -1, 1) for _ in "xy")
    w = rng.normal(size=(32, 32, 1, 1))
    conv.vjp(y, x, w)
    tracemalloc.start()
    try:
        conv.vjp(y, x, w)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= x.nbytes + 4 * w.nbytes + 20_000
