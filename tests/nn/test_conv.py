"""Convolution layers against their definition in ops, over random shapes and options."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minwn
from minwn import nn, tensor
from minwn.byhand import conv

LAYERS = {
    False: (nn.Conv1d, nn.Conv2d, nn.Conv3d),
    True: (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
}


@st.composite
def problems(draw: Any, transposed: bool) -> tuple[int, dict[str, Any], tuple[int, ...]]:
    """(dimensions, arguments of the layer, shape of an input that fits)"""
    d = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=d, max_size=d)))

    groups, kernel = draw(st.integers(1, 3)), each(1, 3)
    options: dict[str, Any] = {"stride": each(1, 3), "dilation": each(1, 2)}
    reach = [(k - 1) * e + 1 for k, e in zip(kernel, options["dilation"], strict=True)]
    if transposed:
        options["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in options["stride"])
        options["padding"] = tuple(draw(st.integers(0, (r - 1) // 2)) for r in reach)
        size = each(1, 4)
    else:
        options["padding"] = tuple(tuple(draw(st.integers(0, 2)) for _ in range(2)) for _ in kernel)
        size = tuple(
            draw(st.integers(max(r - sum(p), 1), r + 3))
            for r, p in zip(reach, options["padding"], strict=True)
        )
    inner, outer = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    options |= {"groups": groups, "bias": draw(st.booleans()), "kernel_size": kernel}
    options |= {"in_channels": inner, "out_channels": outer}
    return d, options, (draw(st.integers(1, 2)), inner, *size)


def composed(layer: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """What the layer computes, by the definition in ops."""
    options = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    options["groups"] = layer.groups
    if layer.output_axis == 0:
        return conv.composed(x, layer.weight, layer.bias, **options)
    return conv.composed_transpose(x, layer.weight, layer.bias, size=shape[2:], **options)


@pytest.mark.slow
@pytest.mark.parametrize("transposed", [False, True])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_layer_and_definition_agree(transposed, data):
    d, options, shape = data.draw(problems(transposed))
    rng = np.random.default_rng(0)
    layer = LAYERS[transposed][d - 1](**options, rng=rng, dtype="float64")
    x = tensor(rng.normal(size=shape), requires_grad=True)
    y = layer(x)
    z = composed(layer, x, y.shape)
    inputs, u = [x, *layer.parameters()], rng.normal(size=y.shape)
    pairs = [(y, z), *zip(minwn.grad(y, inputs, u), minwn.grad(z, inputs, u), strict=True)]
    for a, b in pairs:
        # Sums of at most a hundred products of numbers of order 1, in two orders.
        np.testing.assert_allclose(a.data, b.data, rtol=0, atol=1e-12)


def test_same_keeps_the_size_for_every_kernel(rng):
    for kernel in range(1, 6):
        for cls in (nn.Conv1d, nn.ConvTranspose1d):
            layer = cls(2, 3, kernel, padding="same", dilation=2, rng=rng)
            assert layer(rng.normal(size=(1, 2, 7)).astype("float32")).shape == (1, 3, 7)


def test_the_options_are_said_in_the_repr():
    layer = nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1, groups=2, bias=False)
    text = "ConvTranspose2d(2 -> 4, stride=2, output_padding=1, groups=2, weight(2, 2, 3, 3))"
    assert repr(layer) == text


def test_an_option_that_is_assigned_counts_from_then_on():
    layer, x = nn.Conv1d(2, 3, 3, rng=0), np.ones((1, 2, 9), "float32")
    assert layer(x).shape == (1, 3, 7)
    layer.stride, layer.padding = 2, 1
    assert layer(x).shape == (1, 3, 5)
    layer.padding = -1
    with pytest.raises(ValueError, match="padding=-1"):
        layer(x)
    layer.padding = "valid"
    assert layer(x).shape == (1, 3, 4)
    up = nn.ConvTranspose1d(2, 3, 3, rng=0)
    up.stride, up.output_padding = 2, 1
    assert up(x).shape == (1, 3, 20)


# ---- padding with entries of the input ----------------------------------------------------------


def test_a_convolution_reads_its_padding_from_the_input():
    x, w = np.arange(1.0, 5.0).reshape(1, 1, 4), np.ones((1, 1, 3))
    sums = {
        "zeros": [3, 6, 9, 7], "reflect": [5, 6, 9, 10], "replicate": [4, 6, 9, 11],
        "circular": [7, 6, 9, 8],
    }
    for mode, expected in sums.items():
        layer = nn.Conv1d(1, 1, 3, padding=1, bias=False, padding_mode=mode, dtype="float64")
        layer.load_state_dict({"weight": w})
        assert layer(x).numpy().tolist() == [[expected]]
        assert (f"padding_mode={mode!r}" in repr(layer)) == (mode != "zeros")
        assert list(copy.deepcopy(layer).state_dict()) == ["weight"]
        assert pickle.loads(pickle.dumps(layer))(x).numpy().tolist() == [[expected]]


def test_a_padding_mode_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="padding_mode='wrap'; choose from zeros, reflect"):
        nn.Conv1d(1, 1, 3, padding_mode="wrap")
    with pytest.raises(ValueError, match="mode='reflect' pads an axis of length 2 by at most 1"):
        nn.Conv1d(1, 1, 5, padding=2, padding_mode="reflect", rng=0)(np.ones((1, 1, 2), "f4"))
