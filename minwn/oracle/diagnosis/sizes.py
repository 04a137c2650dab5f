"""Does it depend on how large an array is: are parts of long sums lost, or some shapes wrong?

First the sums: n and d over whole blocks only, the first one or the last one, reproduce every
number. Then the shapes: all of those that are wrong have what no right one has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes import CATALOGUE
from ..reference.slices import Slices
from .catalogued import rule
from .observation import Diagnosis, Observation, differs, fits
from .span import rows_of

__all__ = ["GROUPS", "NAMES", "OF_SHAPES", "blocks", "shapes"]

GROUPS = ("generic", "dyadic", "axes", "long", "sizes", "shape")
BLOCKS = tuple(2**k for k in range(1, 14))
LEAST = 8  # rows or entries: below, too few shapes tell a threshold from a formula

_END = "go to the end of each slice: add up what is left over after the last whole block"
# What is kept of a slice of m entries, by indices 0, ..., m - 1, in blocks of B.
_KEPT: dict[str, tuple[str, Callable[[np.ndarray, int, int], np.ndarray]]] = {
    "tail_lost": (
        "the entries after the last whole block of {} are missing from {}",
        lambda i, m, B: (i < m // B * B) | (m < B),
    ),
    "first_block_only": (
        "only the first block of {} entries counts in {}", lambda i, m, B: i < B,
    ),
    "last_block_only": (
        "only the last block of {} entries counts in {}", lambda i, m, B: i >= (m - 1) // B * B,
    ),
}
_PARTS = {"n and d": (True, True), "d": (False, True), "n": (True, False)}

_LOOP = "mend the range of the loop, the grid or the block"
_BRANCH = "look for what is done in these shapes only: a branch, a kernel, a block left over"
_SHAPES = {
    "wrong_from_row": ("{output}: slices from number {k} on are wrong, counted from 0", _LOOP),
    "wrong_from_entry": ("{output}: entries from number {k} of a slice on are wrong", _LOOP),
    "square_only": (
        "{output} is wrong only where there are as many slices as entries in one",
        "look for a transposed array, or axes exchanged, which only then have a shape that fits",
    ),
    "size_tail": (
        "{output} is wrong where a slice does not divide into blocks, of {k} entries or more", _END,
    ),
    "wrong_from_length": ("{output} is wrong in slices of {k} entries or more", _BRANCH),
    "wrong_from_count": ("{output} is wrong in arrays of {k} slices or more", _BRANCH),
    "wrong_from_size": ("{output} is wrong in arrays of {k} entries or more", _BRANCH),
    "more_slices_only": (
        "{output} is wrong where there are more slices than entries in one", _BRANCH,
    ),
    "fewer_slices_only": (
        "{output} is wrong where there are fewer slices than entries in one", _BRANCH,
    ),
    "long_slices": (
        "long slices lose digits, or parts of them are left out",
        "accumulate in the dtype of v at least; look at the ends of blocks",
    ),
    "some_sizes": ("{output} is right in small arrays, and wrong in others", _BRANCH),
}
OF_SHAPES = tuple(_SHAPES)  # found by which shapes are wrong, and not by numbers
NAMES = (*_KEPT, *OF_SHAPES)


def blocks(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """Sums over n and d from which parts are missing, in blocks of some size."""
    useful = _useful(seen, output)
    # The first that are wrong decide for most candidates.
    useful.sort(key=lambda o: (not o.wrong(output).any(), o.v.size))
    for id, (text, kept) in _KEPT.items():
        for part in ("n",) if output == "w" else _PARTS:
            sums, found = _PARTS[part], {}
            for B in BLOCKS:

                def candidate(o: Observation, kept: Any = kept, B: int = B, of: Any = sums) -> Any:
                    return _without(o, output, kept, B, *of)

                residual = fits(useful, output, candidate)
                if residual < math.inf and differs(useful, output, candidate):
                    found[B] = residual
            if found:
                sizes = " or ".join(map(str, found))
                return [Diagnosis(
                    id, text.format(sizes, part), _END,
                    f"reproduces {output} in {counted(len(useful), 'case')}, to rounding",
                    (output,), max(found.values()),
                )]
    return []


def _without(
    o: Observation, output: str, kept: Callable[..., np.ndarray], B: int, in_n: bool, in_d: bool
) -> np.ndarray | None:
    """The answer with sums over a part of each slice; None where n is 0 then."""
    slices, t = Slices(o.v.shape, o.g.shape), o.terms
    keep = kept(np.arange(slices.m), slices.m, B)
    if keep.all():
        return np.asarray(getattr(t, output)())
    part = slices.join(np.where(keep, slices.split(o.v), 0.0), "float64")
    h, y = t.radius(t.length(part)) if in_n else (t.h, t.y)
    d = t.total(o.w_bar * part) if in_d else t.d
    if output == "w":
        return np.asarray(o.g * o.v / h)
    if output == "g_bar":
        return np.asarray(d / h)
    return np.asarray(o.g / h * (o.w_bar - d / h * y))


def shapes(observations: Sequence[Observation], output: str) -> list[Diagnosis]:
    """What the wrong shapes have in common, and no right one has."""
    useful = _useful(observations, output)
    wrong = [o for o in useful if o.wrong(output).any()]
    if not wrong or len(wrong) == len(useful):
        return []
    for id, k in _candidates(useful, wrong, output):
        text, fix = _SHAPES[id]
        ids = ", ".join(o.id for o in wrong[:4])
        evidence = f"wrong in {ids}{' ...' * (len(wrong) > 4)}, and right in " + counted(
            len(useful) - len(wrong), "other case"
        )
        return [Diagnosis(
            id, text.format(output=output, k=k), fix, evidence + _there(wrong, output), (output,),
        )]
    return []


def _useful(seen: Sequence[Observation], output: str) -> list[Observation]:
    return [
        o for o in seen
        if output in o.got and o.group in GROUPS and o.v.size and o.sizes is None
    ]


def _candidates(
    useful: list[Observation], wrong: list[Observation], output: str
) -> Iterator[tuple[str, int]]:
    """The names that hold, and their numbers."""
    def at(o: Observation) -> tuple[int, int]:
        t = o.terms
        return max(t.n.size, 1), t.m

    right = [at(o) for o in useful if not o.wrong(output).any()]
    bad = [at(o) for o in wrong]
    for id, axis in (("wrong_from_row", 0), ("wrong_from_entry", 1)):
        if axis and output == "g_bar":
            continue
        places = [np.flatnonzero(_split(o, o.wrong(output)).any(axis=1 - axis)) for o in wrong]
        k = min(int(x[0]) for x in places)
        longer = [o for o in useful if at(o)[axis] > k]
        if k >= LEAST and len(longer) <= len(wrong) + len(wrong) // 4:
            yield id, k
    if all(rows == m for rows, m in bad) and not any(rows == m > 2 for rows, m in right):
        yield "square_only", 0
    for B in (2, 4, *BLOCKS[2:]):
        good, left_over = {m for _, m in right}, [m for _, m in right if m % B and m > B]
        beside = any(m - 1 in good for _, m in bad)
        if beside and all(m % B and m > B for _, m in bad) and len(bad) > 1 and not left_over:
            yield "size_tail", B
    for id, size, least in (
        ("wrong_from_length", lambda rows, m: m, LEAST),
        ("wrong_from_count", lambda rows, m: rows, LEAST),
        ("wrong_from_size", lambda rows, m: rows * m, LEAST * LEAST),
    ):
        k = min(size(*x) for x in bad)
        if k >= least and all(size(*x) < k for x in right):
            yield id, k
    for id, sign in (("more_slices_only", 1), ("fewer_slices_only", -1)):
        if len(bad) > 2 and all(sign * (rows - m) > 0 for rows, m in bad) and not any(
            sign * (rows - m) > 0 for rows, m in right if min(rows, m) > 1
        ):
            yield id, 0
    if {o.group for o in wrong} <= {"long", "sizes", "shape"}:
        yield "long_slices" if all(m >= 16 for _, m in bad) else "some_sizes", 0


def _split(o: Observation, x: np.ndarray) -> np.ndarray:
    """A mask as (slices, entries), or (slices, 1)."""
    return x.reshape(-1, 1) if x.shape == o.g.shape != o.v.shape else rows_of(o, x) > 0


def _there(wrong: list[Observation], output: str) -> str:
    """The mistake that explains the numbers where they are wrong, if one does."""
    named = [
        m for m in CATALOGUE
        if output in m.where and fits(wrong, output, rule(m, output)) < math.inf
    ]
    return f"; there: {named[0].formula}" if len(named) == 1 else ""
