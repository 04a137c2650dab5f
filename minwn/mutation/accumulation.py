"""Sums that lose digits, or parts: narrow accumulators, lost blocks, cancellation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .mutant import (
    DTYPES,
    Implementation,
    Mutant,
    correct,
    forward,
    named,
    norm,
    of_texts,
    total,
)

__all__ = ["mutants"]

LOW = named({"low_precision", "lost_digits"})
BLOCKS = {
    "whole blocks": "tail_lost", "first block": "first_block_only", "last block": "last_block_only",
}


Dot = Callable[[Any, Any], Any]


def dot(a: Any, b: Any) -> Any:
    """d, right."""
    return total(a * b)


def square(v: Any) -> Any:
    """n^2, right."""
    return dot(v, v)


def summed(square: Callable[[Any], Any] = square, dot: Dot = dot) -> Implementation:
    """The right formula with sums of one's own."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        q, d = square(v).astype(v.dtype), dot(w_bar, v).astype(v.dtype)
        n = np.sqrt(q)
        return g / n * (w_bar - d / q * v), d / n

    return Implementation(forward, backward)


def narrow(to: str, where: str) -> Implementation:
    """Products and sums in a narrower dtype."""

    def narrow_dot(a: Any, b: Any) -> Any:
        return total(a.astype(to) * b.astype(to), to)

    return summed(
        (lambda v: narrow_dot(v, v)) if "q" in where else square,
        narrow_dot if "d" in where else dot,
    )


def saved(to: str, which: str) -> Implementation:
    """n or the answers stored in a narrower dtype, the sums right."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        n = norm(v)
        if which == "n":
            return correct(w_bar, v, g, n.astype(to).astype(v.dtype))
        return tuple(x.astype(to).astype(v.dtype) for x in correct(w_bar, v, g, n))

    return Implementation(forward, backward)


def _flat(x: Any) -> Any:
    return x.reshape(len(x), -1)


def in_blocks(size: int, keep: str) -> Implementation:
    """Both sums over blocks of `size` entries, of which some get lost."""

    def blocked(a: Any, b: Any) -> Any:
        products = _flat(a * b) if a.size else a * b
        m = products.shape[-1]
        cut = {
            "whole blocks": products[:, : max(m // size, 1) * size],
            "first block": products[:, :size],
            "last block": products[:, (m - 1) // size * size :],
        }[keep]
        return cut.sum(axis=1).reshape([len(a)] + [1] * (a.ndim - 1))

    return summed(lambda v: blocked(v, v), blocked)


def shifted(by: float, what: str) -> Implementation:
    """Sums that are differences of large numbers."""

    def shifted_square(v: Any) -> Any:
        c, m = v.dtype.type(by), v.dtype.type(v[0].size)
        return square(v + c) - 2 * c * total(v) - m * c * c

    def shifted_dot(a: Any, b: Any) -> Any:
        c = a.dtype.type(by)
        return (square(c * a + b) - square(c * a - b)) / (4 * c)

    return summed(shifted_square) if what == "q" else summed(dot=shifted_dot)


def compensated_wrongly(a: Any, b: Any) -> Any:
    """Kahan's sum with the sign of its correction turned: it doubles the error and adds more."""
    products = _flat(a * b)
    found, rest = np.zeros(len(a), a.dtype), np.zeros(len(a), a.dtype)
    for column in products.T:
        y = column + 4096 * rest
        new = found + y
        rest = (new - found) - y
        found = new
    return found.reshape([len(a)] + [1] * (a.ndim - 1))


def differenced(step: float) -> Implementation:
    """v_bar by one-sided differences of the forward."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        h = v.dtype.type(step)
        v_bar = np.zeros_like(v)
        for i in np.ndindex(v.shape):
            moved = v.copy()
            moved[i] += h
            v_bar[i] = (w_bar * (forward(moved, g) - forward(v, g))).sum() / h
        return v_bar, dot(w_bar, v) / norm(v)

    return Implementation(forward, backward)


def mutants() -> Iterator[Mutant]:
    """Narrow sums, narrow storage, lost blocks, cancellation."""
    for to, dtypes in (("float32", DTYPES[:1]), ("float16", DTYPES)):
        for where, text in (("q", "n^2"), ("d", "d"), ("qd", "n^2 and d")):
            yield _mutant(
                f"{to}.{where}", f"{text} summed in {to}", narrow, to, where, names=LOW,
                dtypes=dtypes,
            )
        for which in ("n", "answers"):
            yield _mutant(
                f"{to}.saved_{which}", f"{which} stored in {to}", saved, to, which, names=LOW,
                dtypes=dtypes,
            )
    for size, keep in (
        (4, "whole blocks"), (4, "first block"), (2, "last block"), (32, "first block"),
        (16, "whole blocks"), (32, "last block"),
    ):
        yield _mutant(
            f"blocks_of_{size}.{keep.replace(' ', '_')}",
            f"sums over blocks of {size}: only the {keep} count", in_blocks, size, keep,
            names=named(BLOCKS[keep]),
        )
    for what, by in (("q", 1e4), ("d", 1e6), ("q", 1e6)):
        yield _mutant(
            f"shifted_{what}.{by:g}",
            f"{'n^2' if what == 'q' else 'd'} as a difference of numbers {by:g} times as large",
            shifted, by, what, names=LOW,
        )
    yield _mutant(
        "kahan_turned", "a compensated sum with the sign of its correction turned", summed, square,
        compensated_wrongly, names=LOW,
    )
    for step in (1e-2, 1e-4):
        yield _mutant(
            f"differences.{step:g}", f"v_bar by one-sided differences of the forward, step {step}",
            differenced, step,
        )
    yield of_texts(
        "accumulation.integers", {"v_bar": "g/n * (G - np.rint(d)/n**2 * v)"},
        what="d rounded to whole numbers",
    )


def _mutant(
    slug: str, what: str, make: Any, *given: Any, names: Any = None, dtypes: Any = DTYPES
) -> Mutant:
    make = functools.partial(make, *given)
    return Mutant(f"accumulation.{slug}", what, make, names, dtypes=dtypes)
