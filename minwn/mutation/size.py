"""Right in the arrays that tests use: wrong from a row, an entry or a length on, in squares, at 0.

And right but for one thing more: a factor, a term, a rough root.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from .accumulation import in_blocks
from .index import edited
from .mutant import V_BAR, Implementation, Mutant, correct, forward, named, of_texts, written

__all__ = ["mutants"]

WITHOUT = "g/n * G"


def from_place(which: str, axis: int, start: int) -> Implementation:
    """What an answer has from an index on is twice what it should be, or is not written."""
    place = (slice(None),) * axis + (slice(start, None),)
    return edited(which, place, "zero" if which == "w" else "twice")


def where(condition: Callable[[Any], bool], v_bar: str) -> Implementation:
    """Another v_bar in some shapes."""
    other = written(v_bar).backward

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        return other(w_bar, v, g) if condition(v) else correct(w_bar, v, g)  # type: ignore[misc]

    return Implementation(forward, backward)


def transposed(w_bar: Any, v: Any, g: Any) -> Any:
    """Only a square fits."""
    return correct(w_bar.T if v.shape == v.shape[::-1] and v.ndim == 2 else w_bar, v, g)


def _entries(v: Any) -> int:
    return int(v.size // max(len(v), 1))


# condition: what holds of v, the names, and what a test would have to give
WHERE: dict[str, tuple[Callable[[Any], bool], tuple[str, ...], str]] = {
    "from_4096": (
        lambda v: v.size >= 4096, ("wrong_from_size", "wrong_from_length"), "4096 entries",
    ),
    "long": (lambda v: _entries(v) > 512, ("wrong_from_length",), "a slice of 1024 entries"),
    "left_over": (
        lambda v: _entries(v) > 64 and _entries(v) % 64 > 0, ("size_tail", "wrong_from_length"),
        "slices of 1025 entries, or of 4097",
    ),
    "many": (lambda v: len(v) > 16, ("wrong_from_count",), "more than 32 slices"),
    "square": (lambda v: len(v) == _entries(v) > 2, ("square_only",), "a square matrix"),
}
ZEROS = {
    "by_w": (
        "g/n * (G - sum(G*w)/sum(w*w) * w)", "sum(G*w) / g", ("zero_gain",), "a gain of 0",
    ),
    "along_w": ("g/n * (G - d/n**2 * v) + 0*w", "d/n * sum(w*w)/g**2", ("zero_gain",),
                "a gain of 0"),
    "w_over_v": ("w/v * (G - d/n**2 * v)", "d / n", ("zero_entry",), "an entry of v that is 0"),
    "over_d": (
        "g/n * (G - d/n**2 * v) * (d/d)", "d / n", ("zero_cotangent",), "a w_bar of zeros",
    ),
}
ROUGH = "((1 + {e}*np.sin(1000*np.log(n))) / n)"
EXTRA: dict[str, tuple[str, dict[str, str]]] = {
    "loss_scale": ("loss_scale", {"v_bar": f"1024 * {V_BAR}", "g_bar": "1024 * d/n"}),
    "batch": ("divided_by_batch", {"v_bar": f"{V_BAR} / 32", "g_bar": "d/n / 32"}),
    "twice_w": ("w_scaled", {"v_bar": f"2 * {V_BAR}", "g_bar": "2*d/n", "w": "2*g*v/n"}),
    "decay_of_v": ("weight_decay", {"v_bar": f"{V_BAR} + 0.01*v"}),
    "decay_of_w": ("weight_decay", {"v_bar": f"{V_BAR} + 5e-4*w"}),
    "decay_of_g": ("weight_decay", {"g_bar": "d/n + 0.05*g"}),
    "constant": ("constant_added", {"v_bar": f"{V_BAR} + 0.01"}),
    "constant_in_w": ("constant_added", {"w": "g*v/n + 0.1"}),
    "clipped": (
        "gain_clipped",
        {"v_bar": "np.clip(g, -1, 1)/n * (G - d/n**2 * v)", "g_bar": "d/n * (abs(g) <= 1)",
         "w": "np.clip(g, -1, 1)*v/n"},
    ),
    "step_of_v": ("stepped", {"v_bar": "v - 0.1 * (g/n * (G - d/n**2 * v))"}),
    "step_of_g": ("stepped", {"g_bar": "g - 0.01*d/n"}),
    "shortened": ("clipped", {
        "v_bar": "(g/n * (G - d/n**2 * v)) / np.maximum(1, "
                 "np.sqrt(((g/n * (G - d/n**2 * v))**2).sum()))",
    }),
    **{
        f"rough_{e:g}": ("rough_norm", {
            output: text.replace("R", ROUGH.format(e=e)) for output, text in (
                ("v_bar", "g*R * (G - d*R**2 * v)"), ("g_bar", "d*R"), ("w", "g*v*R"),
            )
        })
        for e in (1e-3, 2e-5)
    },
}


def mutants() -> Iterator[Mutant]:
    """By size, at zeros, and with something more."""
    for which, axis, start in (
        ("v_bar", 0, 32), ("v_bar", 0, 256), ("g_bar", 0, 256), ("w", 0, 32), ("v_bar", 1, 1024),
        ("w", 1, 1024),
    ):
        what = ("row", "entry")[axis]
        yield _mutant(
            f"{which}.{what}_{start}", f"{which}: {what} {start} and those after it",
            from_place, which, axis, start, names=(f"wrong_from_{what}",),
            look=f"give more than {start} {'slices' if axis == 0 else 'entries in a slice'}",
        )
    for size in (256, 1024, 4096):
        yield _mutant(
            f"tail_of_{size}", f"sums over whole blocks of {size}", in_blocks, size,
            "whole blocks", names=("tail_lost",), look=f"give slices of {size + 1} entries",
        )
    for slug, (condition, names, what) in WHERE.items():
        yield _mutant(
            slug, f"no projection: {what}", where, condition, WITHOUT, names=names,
            look=f"give {what}",
        )
    yield _mutant(
        "square_transposed", "w_bar is transposed where that fits", Implementation, forward,
        transposed, names=("square_only",), look="give a square matrix",
    )
    for slug, (v_bar, g_bar, names, what) in ZEROS.items():
        texts = {"v_bar": v_bar, "g_bar": g_bar}
        yield of_texts(f"size.zero_{slug}", texts, names, look=f"give {what}")
    for slug, (name, texts) in EXTRA.items():
        yield of_texts(f"extra.{slug}", texts, name)


def _mutant(
    slug: str, what: str, make: Any, *given: Any, names: tuple[str, ...], look: str
) -> Mutant:
    return Mutant(f"size.{slug}", what, functools.partial(make, *given), named(names), look=look)
