"""Convolution against loops, the closed family of three products, and options that do not fit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minwn import Tensor
from minwn.byhand import conv

PLAIN = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}

# shape of x, shape of w, options
CASES = {
    "1d": ((2, 3, 6), (2, 3, 3), {}),
    "1d strided": ((1, 2, 9), (3, 2, 2), {"stride": 3, "dilation": 2}),
    "1d padded": ((2, 2, 4), (2, 2, 3), {"padding": ((2, 0),)}),
    "2d": ((2, 2, 4, 5), (3, 2, 2, 3), {"padding": (1, 2)}),
    "2d all": (
        (2, 4, 6, 5), (6, 2, 3, 2),
        {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2},
    ),
    "2d same, even kernel": ((1, 2, 4, 5), (2, 2, 2, 4), {"padding": "same"}),
    "2d same, dilated": ((1, 2, 6, 5), (2, 2, 3, 2), {"padding": "same", "dilation": (2, 3)}),
    "2d valid": ((1, 1, 3, 3), (1, 1, 3, 2), {"padding": "valid"}),
    "2d depthwise": ((2, 3, 4, 4), (6, 1, 2, 2), {"groups": 3, "stride": 2}),
    "3d": ((1, 2, 3, 4, 3), (2, 2, 2, 2, 3), {"padding": 1, "stride": (1, 2, 1)}),
}
# Sums of some tens of products of numbers of order 1, in two orders: some tens of u = 2^-53.
CLOSE = {"rtol": 0, "atol": 200 * 2.0**-53}


def by_loops(x, w, *, stride, padding, dilation, groups):
    """The sentence in the file's docstring, entry by entry."""
    (n, _, *size), (o, per, *kernel) = x.shape, w.shape
    out = [
        (s + sum(p) - d * (k - 1) - 1) // st + 1
        for s, p, d, k, st in zip(size, padding, dilation, kernel, stride, strict=True)
    ]
    y = np.zeros((n, o, *out))
    for b, i, p in itertools.product(range(n), range(o), np.ndindex(*out)):
        first = i // (o // groups) * per  # the group's first channel
        for j, k in itertools.product(range(per), np.ndindex(*kernel)):
            q = [
                st * a + d * e - before
                for st, a, d, e, (before, _) in zip(stride, p, dilation, k, padding, strict=True)
            ]
            if all(0 <= a < s for a, s in zip(q, size, strict=True)):
                y[(b, i, *p)] += w[(i, j, *k)] * x[(b, first + j, *q)]
    return y


def case(name, rng):
    x_shape, w_shape, options = CASES[name]
    full = conv.geometry(x_shape, w_shape, **(PLAIN | options))
    return rng.normal(size=x_shape), rng.normal(size=w_shape), options, full


@pytest.mark.parametrize("name", CASES)
def test_the_forward_is_the_loops_of_the_definition(name, rng):
    x, w, options, full = case(name, rng)
    b = rng.normal(size=w.shape[:1])
    expected = by_loops(x, w, **full)
    np.testing.assert_allclose(conv.forward(x, w, **options), expected, **CLOSE)
    expected += b.reshape((-1,) + (1,) * (x.ndim - 2))
    np.testing.assert_allclose(conv.forward(x, w, b, **options), expected, **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_the_three_products_are_one_trilinear_form(name, rng):
    # T(y, w, x) = <y, conv(x, w)> = <x, conv_input(y, w)> = <w, conv_weight(y, x)>
    x, w, options, full = case(name, rng)
    y = rng.normal(size=conv.forward(x, w, **options).shape)
    form = (y * conv.conv(x, w, None, **full)).sum()
    by_x = (x * conv.conv_input(y, w, None, size=x.shape[2:], **full)).sum()
    by_w = (w * conv.conv_weight(y, x, kernel=w.shape[2:], **full)).sum()
    scale = (np.abs(y) * conv.conv(np.abs(x), np.abs(w), None, **full)).sum()
    assert abs(form - by_x) <= 10 * 2.0**-53 * scale
    assert abs(form - by_w) <= 10 * 2.0**-53 * scale


@pytest.mark.parametrize("name", CASES)
def test_vjp_and_jvp_are_transposes(name, rng):
    x, w, options, _ = case(name, rng)
    b = rng.normal(size=w.shape[:1])
    y_bar = rng.normal(size=conv.forward(x, w, **options).shape)
    x_dot, w_dot, b_dot = (rng.normal(size=a.shape) for a in (x, w, b))
    bars = conv.vjp(y_bar, x, w, b, **options)
    there = (y_bar * conv.jvp(x, w, x_dot, w_dot, b_dot, **options)).sum()
    back = sum((p * q).sum() for p, q in zip(bars, (x_dot, w_dot, b_dot), strict=True))
    scale = sum(np.abs(p * q).sum() for p, q in zip(bars, (x_dot, w_dot, b_dot), strict=True))
    assert abs(there - back) <= 50 * 2.0**-53 * scale
    assert conv.vjp(y_bar, x, w, **options)[2] is None


@pytest.mark.parametrize("name", [n for n in CASES if "same" not in n])
def test_transpose_is_the_adjoint_of_forward_once_the_size_is_given_back(name, rng):
    x, w, options, full = case(name, rng)
    y = rng.normal(size=conv.forward(x, w, **options).shape)
    # Several sizes of x give one size of y; output_padding says which.
    spare = tuple(
        (s + sum(p) - d * (k - 1) - 1) % st
        for s, p, d, k, st in zip(
            x.shape[2:], full["padding"], full["dilation"], w.shape[2:], full["stride"], strict=True
        )
    )
    back = conv.transpose(y, w, output_padding=spare, **options)
    assert back.shape == x.shape
    there = (y * conv.forward(x, w, **options)).sum()
    scale = (np.abs(y) * conv.forward(np.abs(x), np.abs(w), **options)).sum()
    assert abs((back * x).sum() - there) <= 10 * 2.0**-53 * scale
    b = rng.normal(size=x.shape[1:2])
    shifted = conv.transpose(y, w, b, output_padding=spare, **options)
    along = b.reshape((-1,) + (1,) * (x.ndim - 2))
    np.testing.assert_allclose(shifted, back + along, **CLOSE)


def test_same_keeps_the_size_and_puts_an_odd_entry_of_padding_after():
    kernel = np.zeros((1, 1, 4))
    kernel[0, 0, 1] = 1.0  # before every output lies one entry of padding, behind it two
    x = np.arange(1.0, 6.0).reshape(1, 1, 5)
    np.testing.assert_array_equal(conv.forward(x, kernel, padding="same"), x)


def test_windows_that_fall_short_of_the_end_leave_the_last_entries_without_gradient(rng):
    x, w = rng.normal(size=(1, 1, 8)), rng.normal(size=(1, 1, 3))
    x_bar, _, _ = conv.vjp(rng.normal(size=(1, 1, 2)), x, w, stride=4)
    assert (x_bar[0, 0] != 0).tolist() == [True, True, True, False, True, True, True, False]


X, W = np.zeros((2, 4, 5, 6)), np.zeros((6, 2, 3, 2))
BAD = {
    "stride": ({"stride": 0}, r"stride=0; expected a number >= 1, or 2 of them"),
    "stride length": ({"stride": (1, 2, 3)}, r"stride=\(1, 2, 3\)"),
    "stride fraction": ({"stride": 1.5}, r"stride=1.5"),
    "dilation": ({"dilation": (1, 0)}, r"dilation=\(1, 0\)"),
    "padding": ({"padding": -1}, r"padding=-1; expected a number >= 0"),
    "padding word": ({"padding": "full"}, r"padding='full'; choose 'same', 'valid' or numbers"),
    "padding pairs": ({"padding": ((1, 1),)}, r"padding=\(\(1, 1\),\); expected 2 pairs"),
    "padding triple": ({"padding": ((1, 1, 1), (0, 0))}, r"padding=\(1, 1, 1\)"),
    "padding mixed": ({"padding": ((1, 1), 2)}, r"padding=\(\(1, 1\), 2\)"),
    "padding fraction": ({"padding": ((0.5, 0), (0, 0))}, r"padding=\(0.5, 0\)"),
    "same strided": ({"padding": "same", "stride": 2}, r"'same' needs stride 1, got .*\(2, 2\)"),
    "groups": ({"groups": 4}, r"groups=4 for a weight of shape \(6, 2, 3, 2\); it must divide 6"),
    "groups zero": ({"groups": 0}, r"groups=0"),
    "channels": ({"groups": 1}, r"\(2, 4, 5, 6\) has 4 channels.*\(6, 2, 3, 2\) takes 2"),
    "window": ({"dilation": (3, 1)}, r"3 entries, dilation 3, does not fit into 5"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_option_that_does_not_fit_is_named_with_its_value(name):
    options, words = BAD[name]
    for x, w in ((X, W), (Tensor(X, True), Tensor(W, True))):
        with pytest.raises(ValueError, match=words):
            conv.forward(x, w, **({"groups": 2} | options))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"input of shape \(4, 5, 6\).*expected \(n, c\) and 2"):
        conv.forward(X[0], W)
    with pytest.raises(ValueError, match=r"bias of shape \(5,\) for 6 output channels"):
        conv.forward(X, W, np.zeros(5), groups=2)
    y = np.zeros((2, 6, 3, 3))
    with pytest.raises(ValueError, match=r"has 5 channels.*takes 6"):
        conv.transpose(y[:, :5], W)
    with pytest.raises(ValueError, match=r"bias of shape \(6,\) for 4 output channels"):
        conv.transpose(y, W, np.zeros(6), groups=2)
    with pytest.raises(ValueError, match=r"output_padding \(2, 2\) must be smaller than stride"):
        conv.transpose(y, W, stride=2, output_padding=2)
    with pytest.raises(ValueError, match=r"output_padding=-1"):
        conv.transpose(y, W, stride=2, output_padding=-1)
    with pytest.raises(ValueError, match=r"would have size \(-1, 0\)"):
        conv.transpose(y, W, padding=(3, 2))


def test_an_empty_batch_is_a_batch(rng):
    x, w = np.zeros((0, 4, 5, 5)), rng.normal(size=(6, 2, 3, 3))
    y = conv.forward(x, w, groups=2)
    assert y.shape == (0, 6, 3, 3)
    x_bar, w_bar, _ = conv.vjp(y, x, w, groups=2)
    assert x_bar.shape == x.shape
    np.testing.assert_array_equal(w_bar, np.zeros_like(w))
    assert conv.transpose(np.zeros((0, 6, 3, 3)), w, groups=2).shape == (0, 4, 5, 5)
