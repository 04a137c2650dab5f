"""Where each framework keeps the axes of a weight, and of its g.

A layout is a word of letters: o outputs, i inputs, k the axes of the kernel, K those axes with each
reversed. From "oik" to "kio" is a transposition, from "iok" to "oiK" a transposition and a flip.
g travels as its weight does: with 1 along each axis that a norm runs over, it has the same axes.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..byhand.weight_norm import kept_shape

__all__ = ["KINDS", "LAYOUTS", "Axes", "bring", "bring_g", "choices", "output_axis", "restore",
           "restore_g"]

Shape = tuple[int, ...]
Axes = tuple[int, ...] | None  # that keep a norm each, in minwn's layout; None for the whole

# kind of layer -> the axes of its weight. "minwn" serves PyTorch and R torch too. A convolution in
# groups has in/groups inputs; a transposed one out/groups outputs, but in/groups inputs in Equinox,
# and Flax has none in groups.
LAYOUTS: dict[str, dict[str, str]] = {
    "linear":           {"minwn": "oi",  "flax": "io",  "equinox": "oi"},
    "conv":             {"minwn": "oik", "flax": "kio", "equinox": "oik"},
    "conv_transpose":   {"minwn": "iok", "flax": "Kio", "equinox": "oiK"},
    # Flax's ConvTranspose(transpose_kernel=True)
    "transpose_kernel": {"minwn": "iok", "flax": "koi", "equinox": "oiK"},
}
KINDS = (*LAYOUTS, "embedding", "norm", "other")  # the last three have the same axes everywhere


def output_axis(kind: str) -> int | None:
    """The axis of minwn's layout that is the output; None if unknown."""
    if kind in LAYOUTS:
        return LAYOUTS[kind]["minwn"].index("o")
    return {"embedding": 1, "norm": 0}.get(kind)


def choices(shape: Shape) -> list[Axes]:
    """All the axes that norms can be kept for in a weight of this shape, the fewest first.

    Raises ValueError for one with more than 10 axes, which has too many choices.
    """
    if len(shape) > 10:
        raise ValueError(f"a weight with {len(shape)} axes: say with dim which of them keep norms")
    axes = range(len(shape))
    return [None, *(c for n in axes for c in itertools.combinations(axes, n + 1))]


# ---- weights ------------------------------------------------------------------------------------


def bring(x: Any, kind: str, column: str, groups: int = 1) -> Any:
    """x, in minwn's layout, as the framework of that column keeps it; a view where it can be."""
    here, there = _words(kind, column)
    if here == there:
        return x
    if groups > 1 and here == "iok":
        x = _exchange(x, groups, column)  # (in, out/groups, k) -> (in/groups, out, k)
    return _permute(x, here, there)


def restore(x: Any, kind: str, column: str, groups: int = 1) -> Any:
    """The inverse of `bring`."""
    here, there = _words(kind, column)
    if here == there:
        return x
    x = _permute(x, there, here)
    if groups > 1 and here == "iok":  # (in/groups, out, k) -> (in, out/groups, k)
        x = _exchange(x.swapaxes(0, 1), groups, column).swapaxes(0, 1)
    return x


def _words(kind: str, column: str) -> tuple[str, str]:
    words = LAYOUTS.get(kind, {})
    return words.get("minwn", ""), words.get(column, "")


def _permute(x: Any, here: str, there: str) -> Any:
    extra = x.ndim - len(here) + 1 if "k" in here.lower() else 0  # "k" is all the kernel's axes
    letters, wanted = _spell(here, extra), _spell(there, extra)
    if len(letters) != x.ndim or ("k" in here.lower() and not extra):
        raise ValueError(f"a weight of shape {x.shape} cannot have the axes {here!r}")
    if ("K" in here) != ("K" in there):
        x = np.flip(x, tuple(a for a, c in enumerate(letters) if c[0] == "k"))
    return x.transpose([letters.index(c) for c in wanted])


def _spell(word: str, extra: int) -> list[str]:
    """One name for each axis: "Kio" with two axes of the kernel is k0 k1 i0 o0."""
    return [f"{c}{n}" for c in word.lower() for n in range(extra if c == "k" else 1)]


def _exchange(x: Any, groups: int, column: str) -> Any:
    """(G a, b, ...) -> (a, G b, ...)"""
    if column == "flax":
        raise ValueError(f"Flax has no transposed convolution in groups, and here groups={groups}")
    if x.shape[0] % groups:
        raise ValueError(f"groups={groups} does not divide the {x.shape[0]} channels of {x.shape}")
    a, b, rest = x.shape[0] // groups, x.shape[1], x.shape[2:]
    return x.reshape(groups, a, b, *rest).swapaxes(0, 1).reshape(a, groups * b, *rest)


# ---- gains --------------------------------------------------------------------------------------


def bring_g(
    g: Any, v: Shape, axes: Axes, kind: str, column: str, groups: int, *, flat: bool, whole: str
) -> Any:
    """g, of one norm for each index of `axes` of a weight of shape v, as a framework keeps it.

    flat: the kept axes alone, in the order that the framework has them in; or else all, with 1.
    whole: one norm of all as "0-d", or with "ones" along every axis.
    Raises ValueError where the framework's layout has no axes for such norms.
    """
    if axes is None:
        return g.reshape(() if flat or whole == "0-d" else (1,) * len(v))
    groups = _uncut(g.shape, v, kind, column, groups)
    moved = bring(g, kind, column, groups)
    if flat:
        moved = moved.reshape([moved.shape[a] for a in _positions(v, axes, kind, column)])
    return moved


def restore_g(
    g: Any, v: Shape, axes: Axes, kind: str, column: str, groups: int, *, flat: bool
) -> Any:
    """The inverse of `bring_g`."""
    shape = kept_shape(v, axes)
    if axes is None:
        return g.reshape(shape)
    groups = _uncut(shape, v, kind, column, groups)
    if flat:
        g = g.reshape(bring(np.broadcast_to(g.dtype.type(0), shape), kind, column, groups).shape)
    return restore(g, kind, column, groups)


def _positions(v: Shape, axes: Axes, kind: str, column: str) -> list[int]:
    """Where the axes are in the framework's layout."""
    marks = np.zeros([2 if a in (axes or ()) else 1 for a in range(len(v))])
    return [a for a, n in enumerate(bring(marks, kind, column).shape) if n == 2]


def _uncut(g: Shape, v: Shape, kind: str, column: str, groups: int) -> int:
    """groups, or 1 where g does not depend on them; an error where they cut through its norms."""
    here, there = _words(kind, column)
    if groups == 1 or here != "iok" or here == there or g[:2] == (1, 1):
        return 1
    if g[:2] != v[:2]:
        raise ValueError(
            f"norms of shape {g} for a transposed convolution in {groups} groups with the weight "
            f"{v}: {column} numbers its channels so that no axes keep just these"
        )
    return groups
