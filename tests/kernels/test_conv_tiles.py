"""The formula of convolution in tiles: the same sums, and no more windows at once than a tile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minwn.backend import move, to_numpy
from minwn.byhand import conv
from minwn.kernels import conv_tiles

from ..helpers.standin import ndarray
from .ways import by_formula

SHAPES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "1d": ((5, 3, 40), (4, 3, 3), {"padding": 1}),
    "2d": ((3, 4, 13, 7), (6, 4, 3, 2), {}),
    "strided, dilated": ((2, 4, 13, 9), (6, 2, 3, 2), {
        "stride": (2, 1), "padding": ((3, 1), (0, 1)), "dilation": (2, 3), "groups": 2,
    }),
    "a kernel of 1 in much padding": ((2, 3, 4, 3), (2, 3, 1, 1), {"padding": (3, 0)}),
    "strides over entries": ((2, 2, 12), (3, 2, 2), {"stride": 5}),
    "3d": ((2, 2, 6, 5, 4), (3, 2, 2, 3, 2), {"stride": (1, 2, 1), "padding": 1}),
    "depthwise": ((2, 6, 9, 4), (6, 1, 3, 3), {"groups": 6, "padding": "same"}),
}
TILES = [1, 40, 150, 1000, 1 << 20]
every_shape = pytest.mark.parametrize("name", SHAPES)


def problem(name: str, rng: np.random.Generator, dtype: Any = "float64") -> tuple[Any, ...]:
    x_shape, w_shape, options = SHAPES[name]
    x, w = (rng.normal(size=s).astype(dtype) for s in (x_shape, w_shape))
    options = conv.geometry(x.shape, w.shape, **options)
    y_bar = rng.normal(size=conv.conv(x, w, **options).shape).astype(dtype)
    return x, w, y_bar, options


def products(x: Any, w: Any, y_bar: Any, options: Any) -> list[Any]:
    return [
        conv.conv(x, w, **options),
        conv.conv_input(y_bar, w, size=x.shape[2:], **options),
        conv.conv_weight(y_bar, x, kernel=w.shape[2:], **options),
    ]


@every_shape
@pytest.mark.parametrize("tile", TILES)
def test_every_tile_gives_the_products_of_the_fast_path(name, tile, rng, monkeypatch):
    given = problem(name, rng)
    wanted = products(*given)
    monkeypatch.setattr(conv_tiles, "TILE", tile)
    with by_formula():
        found = products(*given)
    for x, y in zip(found, wanted, strict=True):
        # sums of up to 500 products of numbers of order 1, in another order
        np.testing.assert_allclose(x, y, rtol=0, atol=500 * 2.0**-53 * abs(y).max())


@every_shape
def test_tiles_cover_each_output_once(name, monkeypatch):
    x, w, options = SHAPES[name]
    options = conv.geometry(x, w, **options)
    for tile in TILES:
        monkeypatch.setattr(conv_tiles, "TILE", tile)
        seen = np.zeros(conv.conv(np.zeros(x), np.zeros(w), **options).shape, int)
        for found in conv_tiles.tiles(x, w[2:], **options):
            seen[found.outputs] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize("name", ["1d", "2d", "3d", "depthwise"])
def test_no_more_windows_at_once_than_a_tile_on_a_gpu(name, emulated, rng, monkeypatch):
    x, w, y_bar, options = problem(name, rng)
    out = y_bar.shape[2:]
    row = x.shape[1] * math.prod(w.shape[2:]) * math.prod(out[1:])
    everything = len(x) * out[0] * row
    tile = everything // 5
    moved = [move(a, "cuda") for a in (x, w, y_bar)]
    made = []

    own = ndarray.__init__

    def made_anew(self: ndarray, host: Any) -> None:
        own(self, host)
        made.append(self.size)

    monkeypatch.setattr(ndarray, "__init__", made_anew)
    monkeypatch.setattr(conv_tiles, "TILE", tile)
    found = products(*moved, options)
    # A tile's product with the weights, and its inputs with the padding, are no larger than these.
    assert max(made) <= max(tile, row, x.size, w.size, y_bar.size) < everything
    for a, b in zip(found, products(x, w, y_bar, options), strict=True):
        np.testing.assert_allclose(to_numpy(a), b, rtol=0, atol=500 * 2.0**-53 * abs(b).max())


def test_weights_are_summed_over_tiles_in_float32(rng, monkeypatch):
    x, w, y_bar, options = problem("1d", rng, "float16")
    wanted = conv.conv_weight(
        y_bar.astype("f8"), x.astype("f8"), kernel=w.shape[2:], **options
    )
    monkeypatch.setattr(conv_tiles, "TILE", 30)
    with by_formula():
        found = conv.conv_weight(y_bar, x, kernel=w.shape[2:], **options)
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, wanted, rtol=0, atol=20 * 2.0**-11)
