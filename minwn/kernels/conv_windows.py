"""Shared by the ways of a convolution: its shapes, x with its zeros, and the outputs in blocks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..backend import Array, namespace
from .channels import last

__all__ = ["TILE", "Block", "Place", "Problem", "Shape", "Tile", "blocks", "examples", "framed"]

Shape = tuple[int, ...]
Place = tuple[Any, ...]  # an index
TILE = 1 << 19  # numbers: 2 MB of float32, about a core's cache


class Problem(NamedTuple):
    """T(y, w, x) but for the numbers.

    x: (n, c, *size)   w: (o, c/groups, *kernel)   y: (n, o, *out)
    """

    dtype: Any
    n: int
    c: int
    o: int
    groups: int
    size: Shape
    kernel: Shape
    out: Shape
    stride: Shape
    dilation: Shape
    padding: tuple[tuple[int, int], ...]
    padded: Shape  # the size with its padding
    inside: Place  # where x lies within it
    taps: int  # entries of a kernel


def framed(x: Array, p: Problem) -> Array:
    """x with its zeros around it, channels last.   (n, c, *size) -> (n, *padded, c)"""
    z = namespace(x).zeros((len(x), *p.padded, p.c), dtype=x.dtype)
    z[(slice(None), *p.inside)] = last(x)
    return z


class Tile(NamedTuple):
    """Some outputs of a block: where they are in y, and their number along each axis.

    near: the part of x with its zeros that their windows read
    """

    at: Place
    near: Place
    shape: Shape


class Block(NamedTuple):
    """Some examples, and their outputs in tiles."""

    examples: slice
    n: int
    tiles: tuple[Tile, ...]


def blocks(p: Problem, cost: int, least: int = 0) -> tuple[Block, ...]:
    """The outputs in tiles.   cost: the numbers of an output   least: those of a tile, or more"""
    return _blocks(p.n, p.out, p.stride, cost, max(TILE, least))


def examples(p: Problem, cost: int) -> tuple[Block, ...]:
    """Some examples at a time.   cost: the numbers of one"""
    return _blocks(p.n, (), (), cost, TILE)


@functools.lru_cache(maxsize=512)
def _blocks(n: int, out: Shape, stride: Shape, cost: int, tile: int) -> tuple[Block, ...]:
    found = []
    for at in _cut((n, *out), cost, tile):
        shape = tuple(a.stop - a.start for a in at)
        near = tuple(slice(a.start * s, None) for a, s in zip(at[1:], stride, strict=True))
        found.append(Tile(at, (..., *near), shape))
    return tuple(
        Block(some, some.stop - some.start, tuple(tiles))
        for some, tiles in itertools.groupby(found, key=lambda tile: tile.at[0])
    )


def _cut(sizes: Shape, cost: int, tile: int) -> Iterator[Place]:
    """An index space in parts that fit into a tile, whole along the last axes."""
    takes = []
    for n in reversed(sizes):
        most = min(n, max(1, tile // max(cost, 1)))
        takes.append(-(-n // -(-n // most)) if n else 1)  # parts of about one size
        cost *= takes[-1]
    starts = (range(0, n, t) for n, t in zip(sizes, reversed(takes), strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + t, n)) for a, t, n in zip(corner, reversed(takes), sizes, strict=True)
        )
