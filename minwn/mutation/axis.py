"""Sums over the wrong axes: in the function, in the norm, in the dot product, in n^2 alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from .mutant import Mutant, named, written, written_for

__all__ = ["mutants"]

# The sums go over `R`, where they should go over a slice. On axis 0 the mirrored axis is the last.
PLACES = {
    "global": (0, ()),
    "first_only": (0, ()),
    "second": (0, ()),
    "last": (0, ("flipped",)),
    "elementwise": (0, ()),
    "rank": (0, ()),
    "last_only": (0, ()),
    "first": (1, ()),
    "flipped": (1, ()),
}
NORM, DOT = "np.sqrt(sum(v*v, R))", "sum(G*v, R)"
VARIANTS = {
    "function": {
        "w": f"g*v / {NORM}",
        "v_bar": f"g*G/{NORM} - sum(g*G*v, R)/{NORM}**3 * v",
        "g_bar": f"sum(G*v / {NORM})",
    },
    "norm": {"v_bar": f"g/{NORM} * (G - d/{NORM}**2 * v)", "g_bar": f"sum(G*v / {NORM})"},
    "norm_and_dot": {
        "v_bar": f"g/{NORM} * (G - {DOT}/{NORM}**2 * v)", "g_bar": f"sum(G*v / {NORM})",
    },
    "dot": {"v_bar": f"g/n * (G - {DOT}/n**2 * v)"},
    "n2": {"v_bar": f"g/n * (G - d/{NORM}**2 * v)"},
}


def mutants() -> Iterator[Mutant]:
    """Every place in every variant, on arrays of one to five axes."""
    for which, (axis, same) in PLACES.items():
        for variant, texts in VARIANTS.items():
            if (which, variant) == ("global", "norm_and_dot"):
                texts = texts | {"g_bar": "D / N"}
            yield _mutant(which, variant, texts, axis, same)
    yield _mutant("global", "dot_in_g_bar", {"g_bar": "D / n"}, 0, ())


def _mutant(
    which: str, variant: str, texts: dict[str, str], axis: int, same: tuple[str, ...]
) -> Mutant:
    placed = {output: text.replace("R)", f"place({which!r}))") for output, text in texts.items()}
    make = functools.partial(written, **placed)
    if axis:
        make = functools.partial(written_for, axis, **placed)
    return Mutant(
        f"axis.{which}_{variant}", "axis",
        "; ".join(f"{output} = {text}" for output, text in placed.items()),
        make,
        named([f"{x}_{variant}" for x in (which, *same)]), axis=axis, ranks=(1, 2, 3, 4, 5),
    )
