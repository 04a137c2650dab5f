"""The right numbers at wrong indices: ends of loops, neighbours, rows that are swapped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .mutant import Implementation, Mutant, correct, forward, named, of_texts

__all__ = ["mutants"]

Index = Any
ROWS: dict[str, Index] = {
    "first": 0, "last": -1, "even": np.s_[::2], "odd": np.s_[1::2],
}
ENTRIES: dict[str, Index] = {
    "first": np.s_[..., 0], "last": np.s_[..., -1], "even": np.s_[..., ::2], "odd": np.s_[..., 1::2]
}


def edited(which: str, index: Index, how: str) -> Implementation:
    """Some entries of an answer that are 0, or are twice what they should be."""

    def edit(x: Any) -> Any:
        x[index] = 0 if how == "zero" else 2 * x[index]
        return x

    if which == "w":
        return Implementation(lambda v, g: edit(forward(v, g)), correct)

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        v_bar, g_bar = correct(w_bar, v, g)
        return (edit(v_bar), g_bar) if which == "v_bar" else (v_bar, edit(g_bar))

    return Implementation(forward, backward)


def moved(what: str, move: Callable[[Any], Any]) -> Implementation:
    """Right, but for one input, or one answer, that is moved."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        given = {"w_bar": w_bar, "v": v, "g": g}
        if what in given:
            return correct(*(given | {what: move(given[what])}).values())
        v_bar, g_bar = correct(w_bar, v, g)
        return (move(v_bar), g_bar) if what == "v_bar" else (v_bar, move(g_bar))

    return Implementation(
        (lambda v, g: move(forward(v, g))) if what == "w" else forward,
        correct if what == "w" else backward,
    )


def _swap(x: Any) -> Any:
    return x[[1, 0, *range(2, len(x))]] if len(x) > 1 else x


def _clamped(x: Any) -> Any:
    return x[np.minimum(np.arange(len(x)) + 1, len(x) - 1)]


# what is moved: how, and its name; () where there is none
MOVES: dict[str, tuple[str, Callable[[Any], Any], tuple[str, ...]]] = {
    "w_bar rows reversed": ("w_bar", lambda x: x[::-1], ("w_bar_reversed",)),
    "w_bar entries reversed": ("w_bar", lambda x: x[..., ::-1], ("w_bar_reversed",)),
    "w_bar rows rolled": ("w_bar", lambda x: np.roll(x, 1, 0), ("w_bar_rolled",)),
    "w_bar entries rolled": ("w_bar", lambda x: np.roll(x, -1, -1), ("w_bar_rolled",)),
    "w_bar read by columns": (
        "w_bar", lambda x: x.ravel(order="F").reshape(x.shape), ("w_bar_transposed",),
    ),
    "w_bar rows swapped": ("w_bar", _swap, ()),
    "w_bar off by one at the end": ("w_bar", _clamped, ()),
    "v_bar rows reversed": ("v_bar", lambda x: x[::-1], ("v_bar_reversed",)),
    "v_bar rows rolled": ("v_bar", lambda x: np.roll(x, 1, 0), ("v_bar_rolled",)),
    "v_bar entries reversed": ("v_bar", lambda x: x[..., ::-1], ("v_bar_reversed",)),
    "v_bar written by columns": (
        "v_bar", lambda x: x.ravel().reshape(x.shape, order="F"), ("v_bar_transposed",),
    ),
    "v_bar rows swapped": ("v_bar", _swap, ()),
    "v_bar off by one at the end": ("v_bar", _clamped, ()),
    "g_bar slices swapped": ("g_bar", _swap, ()),
    "g_bar off by one at the end": ("g_bar", _clamped, ()),
    "v entries rolled": ("v", lambda x: np.roll(x, 1, -1), ("v_rolled",)),
    "v rows reversed": ("v", lambda x: x[::-1], ("v_reversed",)),
    "g swapped": ("g", _swap, ()),
    "g reversed": ("g", lambda x: x[::-1], ("g_reversed",)),
    "w rows rolled": ("w", lambda x: np.roll(x, 1, 0), ("w_rolled",)),
    "w entries reversed": ("w", lambda x: x[..., ::-1], ("w_reversed",)),
    "w read by columns": ("w", lambda x: x.ravel(order="F").reshape(x.shape), ("w_transposed",)),
    "w rows swapped": ("w", _swap, ()),
}
# In sums: what is left out, or counted twice.
SUMS = {
    "the first entry is missing from d": "g/n * (G - sum((G*v)[..., 1:])/n**2 * v)",
    "the first entry is counted twice in d": "g/n * (G - (d + (G*v)[..., :1])/n**2 * v)",
    "d of the slice after": "g/n * (G - roll(d, -1)/n**2 * v)",
    "n^2 of the neighbour below d": "g/n * (G - d/roll(n)**2 * v)",
    "v of the neighbour": "g/n * (G - d/n**2 * roll(v))",
    "w_bar of the neighbour in the bracket": "g/n * (roll(G) - d/n**2 * v)",
    "n of the neighbour in the factor": "g/roll(n) * (G - d/n**2 * v)",
}


def mutants() -> Iterator[Mutant]:
    """Entries that are not written, things that are moved, sums that lack an entry."""
    for which in ("v_bar", "g_bar", "w"):
        for name, index in ROWS.items():
            for how in ("zero", "twice"):
                yield _edited(which, index, f"{name} row", how)
    for which in ("v_bar", "w"):
        for name, index in ENTRIES.items():
            yield _edited(which, index, f"{name} elem", "zero" if name != "odd" else "twice")
    for text, (what, move, names) in MOVES.items():
        make = functools.partial(moved, what, move)
        yield Mutant(f"index.{text.replace(' ', '_')}", text, make, named(names) if names else None)
    for text, v_bar in SUMS.items():
        what = f"{text}: v_bar = {v_bar}"
        yield of_texts(f"index.{text.replace(' ', '_')}", {"v_bar": v_bar}, what=what)


def _edited(which: str, index: Index, where: str, how: str) -> Mutant:
    place = where.replace(" ", "_")
    return Mutant(
        f"index.{which}.{place}_{how}",
        f"{which}: the {where} is {'0' if how == 'zero' else 'twice what it should be'}",
        functools.partial(edited, which, index, how),
        named(f"{place}_{'zero' if how == 'zero' else 'off'}"),
    )
