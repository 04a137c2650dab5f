"""All windows in one copy: against the formula, within the bound of a sum in any order."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minwn.byhand import conv
from minwn.kernels import conv as fast
from minwn.kernels import conv_im2col_whole, conv_row_stack

from ..helpers.foreign import Foreign
from .test_conv import LAYOUTS, UNIT, channels_last, draw

PLAIN = {"stride": (1, 1), "dilation": (1, 1), "padding": ((1, 1), (1, 1))}


def directly(x, w, b, y, shape):
    """The two products, whatever the rule says, and how many terms an entry of each sums."""
    z = np.empty((len(x), *y.shape[2:], len(w)), dtype=x.dtype)
    w_bar = np.empty_like(w, order="C")
    conv_im2col_whole.conv(x, w, b, z, **shape)
    conv_im2col_whole.conv_weight(y, x, w_bar, **shape)
    return (np.moveaxis(z, -1, 1), w[0].size), (w_bar, y[:, 0].size)


def by_formula(x, w, b, y, shape):
    x, w, b, y = map(Foreign, (x, w, b, y))
    shape = {**shape, "groups": 1}
    w_bar = conv.conv_weight(y, x, kernel=w.shape[2:], **shape)
    return conv.conv(x, w, b, **shape).host, w_bar.host


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_within_the_bound_of_a_sum(dtype, d, rng):
    tried = 0
    while tried < 12:
        x_shape, w_shape, shape = draw(rng, d)
        if shape.pop("groups") > 1:
            continue
        tried += 1
        out = conv.forward(np.zeros(x_shape), np.zeros(w_shape), **shape).shape
        arrays = [rng.normal(size=s) for s in (x_shape, w_shape, w_shape[:1], out)]
        if dtype == "complex128":
            arrays = [a + 1j * rng.normal(size=a.shape) for a in arrays]
        arrays = [LAYOUTS[rng.integers(len(LAYOUTS))](a.astype(dtype)) for a in arrays]
        wide = "complex128" if dtype == "complex128" else "float64"
        truth = by_formula(*(a.astype(wide) for a in arrays), shape)
        sums = by_formula(*(np.abs(a).astype("float64") for a in arrays), shape)
        for (z, terms), true, total in zip(directly(*arrays, shape), truth, sums, strict=True):
            assert z.dtype == dtype
            # Higham (3.5); a product and the bias make two roundings more.
            assert (np.abs(z - true) <= (terms + 2) * UNIT[dtype] * total).all()


def small(rng, dtype="float32"):
    """x, w, b and the cotangent of y, in the layout of a network."""
    shapes = (4, 16, 6, 5), (32, 16, 3, 3), (32,), (4, 32, 6, 5)
    return [channels_last(rng.normal(size=s).astype(dtype)) for s in shapes]


def test_it_is_what_conv_fast_calls(rng, monkeypatch):
    x, w, b, y = small(rng)
    (z, _), (w_bar, _) = directly(x, w, b, y, PLAIN)
    np.testing.assert_array_equal(fast.conv(x, w, b, groups=1, **PLAIN), z)
    found = fast.conv_weight(y, x, kernel=(3, 3), groups=1, **PLAIN)
    np.testing.assert_array_equal(found, w_bar)
    flipped = np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))
    x_bar = fast.conv_input(y, w, None, size=(6, 5), groups=1, **PLAIN)
    (z, _), _ = directly(y, flipped, None, x, PLAIN)
    np.testing.assert_array_equal(x_bar, z)
    monkeypatch.setattr(conv_im2col_whole, "windows", lambda *_, **__: 1 / 0)
    for f in (
        lambda: fast.conv(x, w, b, groups=1, **PLAIN),
        lambda: fast.conv_input(y, w, None, size=(6, 5), groups=1, **PLAIN),
        lambda: fast.conv_weight(y, x, kernel=(3, 3), groups=1, **PLAIN),
    ):
        with pytest.raises(ZeroDivisionError):
            f()


def test_what_it_serves():
    x = np.zeros((4, 16, 6, 5), dtype="float32")
    assert conv_im2col_whole.pays(x, (3, 3), (6, 5), 1)
    assert not conv_im2col_whole.pays(x, (3, 3), (6, 5), 2)
    assert not conv_im2col_whole.pays(x[..., 0], (3,), (6,), 1)
    assert not conv_im2col_whole.pays(x.astype("float16"), (3, 3), (6, 5), 1)
    many = conv_row_stack.TILE // (16 * 9 * 30)
    assert conv_im2col_whole.pays(np.zeros((many, 16, 6, 5)), (3, 3), (6, 5), 1)
    assert not conv_im2col_whole.pays(np.zeros((many + 1, 16, 6, 5)), (3, 3), (6, 5), 1)


def test_memory_beyond_the_results_is_the_windows_and_a_little(rng):
    x, w, b, y = small(rng)
    fast.conv(x, w, b, groups=1, **PLAIN)
    tracemalloc.start()
    try:
        fast.conv_weight(y, x, kernel=(3, 3), groups=1, **PLAIN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 9 * x.nbytes + 2 * x.nbytes + 2 * w.nbytes


def test_inputs_without_examples_or_of_any_layout_give_new_arrays(rng):
    x, w, b, y = small(rng, "float64")
    (z, _), (w_bar, _) = directly(x, w, b, y, PLAIN)
    (first, _), (again, _) = directly(*map(np.ascontiguousarray, (x, w, b, y)), PLAIN)
    np.testing.assert_array_equal(first, z)
    np.testing.assert_array_equal(again, w_bar)
    (none, _), (zero, _) = directly(x[:0], w, b, y[:0], PLAIN)
    assert none.shape == (0, 32, 6, 5)
    assert not zero.any()
