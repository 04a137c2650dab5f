"""When large arrays are taken by blocks of rows, and that every row is taken once."""

from __future__ import annotations

import numpy as np
import pytest

from minwn.blocks import by_rows, is_large
from minwn.kernels.weight_norm import way

from .helpers.foreign import Foreign


@pytest.mark.parametrize(
    ("shape", "answer"),
    [((1024, 257), True), ((127, 257), False), ((128, 257), True), ((1024, 256), False),
     ((1025, 256), True), ((1, 1 << 18), True), ((0, 5), False), ((5, 0), False)],
)
def test_rows_are_large_when_they_fill_a_block_or_are_long_and_fill_an_eighth(shape, answer):
    assert is_large(*shape) is answer


def test_large_rows_are_numpy_arrays_in_order_and_alike():
    def by_blocks(v, *likes):
        found = way(v, v[:, :1], 0.0, "plain", *likes)
        return found is not None and found.name == "blocks of rows"

    x = np.ones((600, 512), "float32")
    assert by_blocks(x, x.copy())
    for other in (x.astype("float64"), x[:, ::-1], x.reshape(512, 600), np.asfortranarray(x)):
        assert not by_blocks(x, other)
    for stranger in (Foreign(x), x.astype(complex), x.view(np.matrix)):
        assert not by_blocks(stranger)


@pytest.mark.parametrize("shape", [(1025, 257), (2, 1 << 19), (3000, 200)])
def test_blocks_cover_every_row_once_and_in_order(shape):
    x, seen = np.arange(shape[0] * shape[1]).reshape(shape), []
    size = np.getbufsize()
    by_rows(lambda x, y: seen.append((x, y, np.getbufsize())), x, x[:, :1])
    assert np.array_equal(np.concatenate([rows for rows, _, _ in seen]), x)
    for rows, column, inside in seen:
        assert np.array_equal(rows[:, :1], column)
        assert rows.size <= max(1 << 18, shape[1])
        assert inside == (size if shape[1] <= 256 else 256)
    assert np.getbufsize() == size
