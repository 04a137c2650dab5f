"""The places of a convolution in tiles, so that its windows are never all in memory at once.

A tile is some examples, or some rows of one: of the first axis of the output. Its windows read
these rows of the input, of which some may be padding:

    output rows p ... q - 1    read    stride p - padding  ...  stride (q - 1) + reach - padding

with reach = dilation (kernel - 1). Tiles do not share outputs; inputs they may share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..ops.window import window_counts

__all__ = ["TILE", "Tile", "tiles"]

Shape = tuple[int, ...]
TILE = 1 << 24  # numbers in the windows of a tile, unless a single row of the output has more


class Tile(NamedTuple):
    """Where the outputs and the inputs of a tile are, and the padding around these inputs."""

    outputs: tuple[Any, ...]
    inputs: tuple[Any, ...]
    padding: tuple[tuple[int, int], ...]


def tiles(
    x: Shape, kernel: Shape, *, stride: Shape, dilation: Shape, padding: Any, groups: int
) -> Iterator[Tile]:
    """The tiles of the windows of an input of shape x: (n, c, *size)."""
    n, size = x[0], x[2:]
    out = window_counts(size, kernel, stride, dilation, padding) or (1,)
    row = x[1] * math.prod(kernel) * math.prod(out[1:])
    rows = max(1, TILE // max(row, 1))
    if rows >= out[0] or not size:
        some = max(1, rows // out[0])
        for i in range(0, n, some):
            yield Tile((slice(i, i + some),), (slice(i, i + some),), padding)
        return
    before, reach = padding[0][0], dilation[0] * (kernel[0] - 1)
    for i in range(n):
        for p in range(0, out[0], rows):
            q = min(p + rows, out[0])
            first, last = stride[0] * p - before, stride[0] * (q - 1) + reach - before + 1
            low, high = (min(max(end, 0), size[0]) for end in (first, last))
            above = max(0, min(last, 0) - first)
            around = above, last - first - (high - low) - above
            examples = (slice(i, i + 1), slice(None))
            yield Tile(
                (*examples, slice(p, q)), (*examples, slice(low, high)), (around, *padding[1:])
            )
