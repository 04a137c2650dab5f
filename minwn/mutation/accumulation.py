"""Sums that lose digits, or parts: narrow accumulators, lost blocks, cancellation."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .mutant import DTYPES, Implementation, Mutant, forward, named, written

__all__ = ["mutants"]

LOW = named({"low_precision", "lost_digits"})
BLOCKS = {
    "whole blocks": "tail_lost", "first block": "first_block_only", "last block": "last_block_only",
}


def summed(square: Any, dot: Any) -> Implementation:
    """The right formula with sums of one's own: square(v, axes), dot(w_bar, v, axes)."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        axes = tuple(range(1, v.ndim))
        q, d = square(v, axes).astype(v.dtype), dot(w_bar, v, axes).astype(v.dtype)
        n = np.sqrt(q)
        return g / n * (w_bar - d / q * v), d / n

    return Implementation(forward, backward)


def _plain(a: Any, b: Any, axes: Any) -> Any:
    return (a * b).sum(axis=axes, keepdims=True)


def _square(v: Any, axes: Any) -> Any:
    return _plain(v, v, axes)


def _narrow(to: str, a: Any, b: Any, axes: Any) -> Any:
    return (a.astype(to) * b.astype(to)).sum(axis=axes, keepdims=True, dtype=to)


def narrow(to: str, where: str) -> Implementation:
    """Products and sums in a narrower dtype."""
    dot = functools.partial(_narrow, to)
    return summed(
        (lambda v, axes: dot(v, v, axes)) if "q" in where else _square,
        dot if "d" in where else _plain,
    )


def saved(to: str, which: str) -> Implementation:
    """n or the answers stored in a narrower dtype, the sums right."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        axes = tuple(range(1, v.ndim))
        n, d = np.sqrt(_square(v, axes)), _plain(w_bar, v, axes)
        n = n.astype(to).astype(v.dtype) if which == "n" else n
        answers = g / n * (w_bar - d / n**2 * v), d / n
        if which == "answers":
            return tuple(x.astype(to).astype(v.dtype) for x in answers)
        return answers

    return Implementation(forward, backward)


def _flat(x: Any) -> Any:
    return x.reshape(len(x), -1)


def blocked(size: int, keep: str, a: Any, b: Any, axes: Any) -> Any:
    """A sum over blocks of `size` entries, of which some get lost."""
    products = _flat(a * b) if a.size else a * b
    m = products.shape[-1]
    cut = {
        "whole blocks": products[:, : max(m // size, 1) * size],
        "first block": products[:, :size],
        "last block": products[:, (m - 1) // size * size :],
    }[keep]
    return cut.sum(axis=1).reshape([len(a)] + [1] * (a.ndim - 1))


def in_blocks(size: int, keep: str) -> Implementation:
    """Both sums over blocks."""
    dot = functools.partial(blocked, size, keep)
    return summed(lambda v, axes: dot(v, v, axes), dot)


def shifted(by: float, what: str) -> Implementation:
    """Sums that are differences of large numbers."""

    def square(v: Any, axes: Any) -> Any:
        c = v.dtype.type(by)
        m = v.dtype.type(v[0].size)
        return _square(v + c, axes) - 2 * c * v.sum(axis=axes, keepdims=True) - m * c * c

    def dot(a: Any, b: Any, axes: Any) -> Any:
        c = a.dtype.type(by)
        return (_square(c * a + b, axes) - _square(c * a - b, axes)) / (4 * c)

    return summed(square if what == "q" else _square, dot if what == "d" else _plain)


def compensated_wrongly(a: Any, b: Any, axes: Any) -> Any:
    """Kahan's sum with the sign of its correction turned: it doubles the error and adds more."""
    products = _flat(a * b)
    total, rest = np.zeros(len(a), a.dtype), np.zeros(len(a), a.dtype)
    for column in products.T:
        y = column + 4096 * rest
        new = total + y
        rest = (new - total) - y
        total = new
    return total.reshape([len(a)] + [1] * (a.ndim - 1))


def differenced(step: float) -> Implementation:
    """v_bar by one-sided differences of the forward."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        h = v.dtype.type(step)
        v_bar = np.zeros_like(v)
        for i in np.ndindex(v.shape):
            moved = v.copy()
            moved[i] += h
            v_bar[i] = (w_bar * (forward(moved, g) - forward(v, g))).sum() / h
        n = np.sqrt(_square(v, tuple(range(1, v.ndim))))
        return v_bar, _plain(w_bar, v, tuple(range(1, v.ndim))) / n

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
        "kahan_turned", "a compensated sum with the sign of its correction turned", summed, _square,
        compensated_wrongly, names=LOW,
    )
    for step in (1e-2, 1e-4):
        yield _mutant(
            f"differences.{step:g}", f"v_bar by one-sided differences of the forward, step {step}",
            differenced, step,
        )
    yield Mutant(
        "accumulation.integers", "accumulation", "d rounded to whole numbers",
        functools.partial(written, "g/n * (G - np.rint(d)/n**2 * v)"),
    )


def _mutant(
    slug: str, what: str, make: Any, *given: Any, names: Any = None, dtypes: Any = DTYPES
) -> Mutant:
    return Mutant(
        f"accumulation.{slug}", "accumulation", what, functools.partial(make, *given), names,
        dtypes=dtypes,
    )
