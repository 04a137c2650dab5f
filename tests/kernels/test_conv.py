"""The tiles against the formula they compute. The formula still serves arrays that are not NumPy's,
so a Foreign array takes the one way and a NumPy array the other."""

from __future__ import annotations

import math
import threading
import tracemalloc

import numpy as np
import pytest

from minwn.byhand import conv
from minwn.kernels import conv as fast
from minwn.kernels import conv_windows

from ..byhand.test_twins import agree, derivatives
from ..helpers.foreign import Foreign

UNIT = {"float16": 2.0**-24, "float32": 2.0**-24, "float64": 2.0**-53, "complex128": 2.0**-51}


def channels_last(x):
    if x.ndim < 3:
        return x.copy()
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def every_second(x):
    wide = np.full([2 * n for n in x.shape], 99).astype(x.dtype)
    wide[(slice(None, None, 2),) * x.ndim] = x
    return wide[(slice(None, None, 2),) * x.ndim]


LAYOUTS = (np.copy, channels_last, read_only, every_second, lambda x: np.array(x, order="F"))


def draw(rng, d):
    """Shapes and options at random, where at least one window fits."""
    while True:
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        c, o = (int(n) * groups for n in (rng.integers(1, 14), rng.choice([1, 3, 9, 40])))
        kernel, stride, dilation = (
            tuple(map(int, rng.integers(1, top, d))) for top in ((9, 5, 4)[d - 1], 4, 4)
        )
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (d, 2)))
        size = tuple(map(int, rng.integers(1, (60, 14, 8)[d - 1], d)))
        lines = zip(size, padding, dilation, kernel, strict=True)
        if all(n + sum(p) > dil * (k - 1) for n, p, dil, k in lines):
            shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
            return (int(rng.integers(1, 4)), c, *size), (o, c // groups, *kernel), shape


def operands(rng, x_shape, w_shape, shape, dtype):
    """x, w, a bias for y, the cotangent of y, a bias for x: each in a layout of its own."""
    out = conv.forward(np.zeros(x_shape), np.zeros(w_shape), **shape).shape
    found = [rng.normal(size=s) for s in (x_shape, w_shape, w_shape[:1], out, x_shape[1:2])]
    if dtype == "complex128":
        found = [a + 1j * rng.normal(size=a.shape) for a in found]
    return [LAYOUTS[rng.integers(len(LAYOUTS))](a.astype(dtype)) for a in found]


def products(x, w, b, y, c, shape):
    """The three products, and how many terms an entry of each sums."""
    kernel, size = w.shape[2:], x.shape[2:]
    taps, outs = math.prod(kernel), y.shape[0] * math.prod(y.shape[2:])
    return (
        (conv.conv(x, w, b, **shape), w.shape[1] * taps),
        (conv.conv_input(y, w, c, size=size, **shape), w.shape[0] // shape["groups"] * taps),
        (conv.conv_weight(y, x, kernel=kernel, **shape), outs),
    )


@pytest.mark.parametrize("tile", [10, 3000, conv_windows.TILE])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("dtype", UNIT)
def test_tiles_agree_with_the_formula(dtype, d, tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    tried = 0
    while tried < 12:
        x_shape, w_shape, shape = draw(rng, d)
        arrays = operands(rng, x_shape, w_shape, shape, dtype)
        wide = "complex128" if dtype == "complex128" else "float64"
        truth = products(*(Foreign(a.astype(wide)) for a in arrays), shape)
        scale = products(*(Foreign(np.abs(a).astype("float64")) for a in arrays), shape)
        assert fast.conv(arrays[0], arrays[1], None, **shape) is not None
        tried += 1
        for (z, terms), (true, _), (sums, _) in zip(
            products(*arrays, shape), truth, scale, strict=True
        ):
            assert z.dtype == dtype
            # |sum's error| <= terms u sum |products|, in any order of the sum, Higham (3.5); a
            # product, the bias and the last rounding to the dtype make two more.
            allowed = (terms + 2) * UNIT[dtype] * sums.host
            if dtype == "float16":
                allowed += 2.0**-11 * np.abs(true.host) + 2.0**-25
            assert z.shape == true.shape
            assert (np.abs(z - true.host) <= allowed).all()


MANY = {
    "rows": ((3, 8, 5, 17), (16, 8, 3, 3), {"padding": (1, 2)}),
    "rows, dilated": ((2, 9, 40), (8, 9, 5), {"padding": 6, "dilation": 3}),
    "rows, strided": ((2, 9, 9, 10), (8, 9, 3, 2), {"stride": 2, "padding": 1}),
    "gathered": ((3, 8, 5, 4), (32, 8, 3, 3), {"padding": 1}),
    "whole picture": ((5, 8, 3, 4), (9, 8, 3, 4), {}),
    "kernel 1": ((2, 9, 4, 5), (12, 9, 1, 1), {}),
    "grouped": ((2, 16, 5, 17), (18, 8, 3, 3), {"groups": 2, "padding": 1}),
    "few": ((2, 3, 5, 6), (8, 3, 3, 2), {"padding": 1}),
    "depthwise": ((2, 6, 5, 6), (12, 1, 3, 3), {"groups": 6, "padding": 1}),
}
TILES = (200, conv_windows.TILE)  # in tiles of 200 numbers an image is in several


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("name", MANY)
def test_every_order_of_derivative_is_that_of_the_definition(name, tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    x_shape, w_shape, options = MANY[name]
    xs = [rng.normal(size=s) for s in (x_shape, w_shape, w_shape[:1])]
    u = rng.normal(size=conv.forward(*xs, **options).shape)
    ts = [rng.normal(size=x.shape) for x in xs]
    one, two = (
        derivatives(lambda *a, f=f: f(*a, **options), xs, u, ts)
        for f in (conv.composed, conv.forward)
    )
    agree(two[0], one[0])
    for order in (1, 2):
        for a, b in zip(two[order], one[order], strict=True):
            agree(a, b)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("tile", TILES)
def test_a_number_that_is_not_finite_reaches_only_the_windows_that_see_it(
    tile, name, bad, rng, monkeypatch
):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    # Windows across a seam see the ends of two rows, and are dropped.
    x_shape, w_shape, options = MANY[name]
    plain = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    full = conv.geometry(x_shape, w_shape, **(plain | options))
    x, w = rng.normal(size=x_shape), rng.normal(size=w_shape)
    for corner in (0, -1):
        x[(0, 0, *(corner,) * (x.ndim - 2))] = bad
    with np.errstate(invalid="ignore"):
        y, truth = conv.forward(x, w, **options), conv.conv(Foreign(x), Foreign(w), **full).host
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(truth))
        y_bar = rng.normal(size=y.shape)
        y_bar[0, 0, ..., -1] = bad
        x_bar = conv.conv_input(y_bar, w, size=x.shape[2:], **full)
        x_true = conv.conv_input(Foreign(y_bar), Foreign(w), size=x.shape[2:], **full).host
        np.testing.assert_array_equal(np.isfinite(x_bar), np.isfinite(x_true))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("name", MANY)
def test_results_are_new_arrays_and_inputs_stay(name, tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    x_shape, w_shape, options = MANY[name]
    x, w, b = (rng.normal(size=s) for s in (x_shape, w_shape, w_shape[:1]))
    x = channels_last(x)
    before = [a.copy() for a in (x, w, b)]
    y, again = (conv.forward(x, w, b, **options) for _ in range(2))
    bars = conv.vjp(y, x, w, b, **options)
    for result in (y, again, *bars):
        assert not any(np.shares_memory(result, a) for a in (x, w, b))
    assert not any(np.shares_memory(y, other) for other in (again, *bars))
    for a, was in zip((x, w, b), before, strict=True):
        np.testing.assert_array_equal(a, was)


def test_what_is_served():
    x, w = np.zeros((1, 8, 9)), np.zeros((8, 8, 3))
    plain = {"stride": (1,), "dilation": (1,), "padding": ((0, 0),), "groups": 1}

    def served(x, w, **options):
        return fast.conv(x, w, None, **plain | options) is not None

    assert served(x, w)
    assert served(x, w, stride=(2,))
    assert served(x, w, stride=(2,), dilation=(3,))
    assert not served(Foreign(x), Foreign(w))
    assert not served(x.astype(int), w.astype(int))
    assert not served(x.astype("float32"), w)


def test_outputs_have_their_channels_last_in_memory_and_feed_the_next(rng):
    x, w = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(8, 3, 3, 3))
    y = conv.forward(x, w, padding=1)
    z = conv.forward(np.maximum(y, 0), rng.normal(size=(9, 8, 3, 3)))
    for a in (y, z):
        assert np.moveaxis(a, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("c", [4, 16])
def test_memory_beyond_the_results_is_some_tiles(c, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", 1 << 15)
    x = channels_last(rng.normal(size=(64, c, 24, 24)).astype("float32"))
    w = rng.normal(size=(24, c, 3, 3)).astype("float32")
    y = conv.forward(x, w, padding=1)
    tracemalloc.start()
    try:
        conv.vjp(y, x, w, padding=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The windows alone would be 9 times x. z, its products and their copies are tiles.
    assert peak <= x.nbytes + 5 * 4 * conv_windows.TILE < 9 * x.nbytes


def test_threads_do_not_meet(rng):
    xs = [rng.normal(size=(8, 16, 12, 12)) for _ in range(4)]
    w = rng.normal(size=(24, 16, 3, 3))
    expected, found = [conv.forward(x, w) for x in xs], [None] * 4

    def work(i):
        for _ in range(5):
            found[i] = conv.forward(xs[i], w)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found, expected, strict=True):
        # BLAS may cut a product otherwise among its threads: the order of 144 terms may differ.
        np.testing.assert_allclose(a, b, rtol=0, atol=1000 * 2.0**-53)
