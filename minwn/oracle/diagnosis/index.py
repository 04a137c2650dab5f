"""Are only some entries wrong, or only some cases, and always the same ones?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ...terminal import counted
from .digits import few_digits
from .observation import Diagnosis, Observation

__all__ = ["NAMES", "OF_GROUPS", "masked", "only_in_one_group"]

_ZERO = (
    "zero_slice",
    "the form has an answer for a slice of zeros, and this is another",
    "where n = 0: w = 0, v_bar = g w_bar/h and g_bar = 0, with no division by n on the way",
)
_GROUPS = {
    "layout": (
        "layout", "the strides of an input are ignored",
        "read inputs through their strides, or copy them first: numpy.ascontiguousarray",
    ),
    "undefined": (
        "undefined_spreads", "a slice that has no answer spoils the others",
        "keep slices apart: no sum, maximum or test over more than one of them",
    ),
    "zeros": (
        "zero_input", "a number that is 0 spoils the answer",
        "divide by n alone, never by g, w_bar or an entry of v: each may be 0",
    ),
    "shape": (
        "this_shape",
        "right in every case but those of the given shape",
        "look at blocks, tiles and buffers: what is left over where they do not divide the shape?",
    ),
    "angle": (
        "cancellation", "digits are lost where w_bar is nearly along v, or across it",
        "subtract once, (d/n^2) v from w_bar, and multiply afterwards",
    ),
}
_ZEROS = {
    "zero_gain": (
        {"g zero", "every g zero"}, "wrong where g = 0, which is a usual start",
        "divide by n, never by g or w: g_bar = d/n, d = <w_bar, v>",
    ),
    "zero_entry": (
        {"v zero entry", "v single entry"}, "wrong where an entry of v is 0",
        "divide by n, never by an entry of v or w: v_bar = (g/n) (w_bar - (d/n^2) v)",
    ),
    "zero_cotangent": (
        {"w_bar zero", "w_bar entry"}, "wrong where w_bar, or an entry of it, is 0",
        "divide by n, never by w_bar or d: they are 0 where a gradient vanishes",
    ),
}


def only_in_one_group(
    observations: Sequence[Observation], failing: Sequence[str]
) -> Diagnosis | None:
    """A fault that formulas do not explain, for in every other group they are right."""
    bad = [o for o in observations if any(f in o.got and o.wrong(f).any() for f in failing)]
    groups = {o.group for o in bad}
    if len(groups) != 1 or not groups <= set(_GROUPS) or {o.group for o in observations} == groups:
        return None
    if groups <= {"layout", "undefined", "shape"} and all(few_digits(bad, f) for f in failing):
        return None  # a little beyond what rounding may do
    name, text, fix = _ZERO if all(_at_zero(o, failing) for o in bad) else _GROUPS[groups.pop()]
    flags = sorted({flag for o in bad for flag in o.flags})
    if name == "zero_input":
        some = [(x, *about) for x, (known, *about) in _ZEROS.items() if known >= set(flags)]
        name, text, fix = some[0] if some else (name, text, fix)
    evidence = f"wrong only in {', '.join(o.id for o in bad[:4])} ({', '.join(flags[:4])})"
    return Diagnosis(name, text, fix, evidence, tuple(failing))


def _at_zero(o: Observation, failing: Sequence[str]) -> bool:
    """Whether no entry is wrong but those of slices of zeros."""
    zero = o.terms.n == 0
    wrong = (o.wrong(f) for f in failing if f in o.got)
    return all(not (w & ~np.broadcast_to(zero, w.shape)).any() for w in wrong)


_SUBSETS: dict[str, Callable[[int], set[int]]] = {
    "last": lambda n: {n - 1},
    "first": lambda n: {0},
    "odd": lambda n: set(range(1, n, 2)),
    "even": lambda n: set(range(0, n, 2)),
}


_PARTS, _HOW = ("row", "column", "elem"), ("zero", "off")
OF_GROUPS = (_ZERO[0], *(name for name, _, _ in _GROUPS.values()), *_ZEROS)
NAMES = (
    *OF_GROUPS,
    *("_".join(parts) for parts in itertools.product(_SUBSETS, _PARTS, _HOW)),
)


def masked(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """Only some indices along an axis are wrong, the same in every case."""
    matrices = [o for o in seen if o.got[output].ndim == 2 and min(o.v.shape) > 2]
    wrong = [(o, o.wrong(output)) for o in matrices]
    if not wrong or not any(w.any() for _, w in wrong):
        return []
    for axis, (name, subset) in itertools.product((0, 1), _SUBSETS.items()):
        if any(o.got[output].shape[axis] < 2 for o, _ in wrong):
            continue
        counts = [
            (set(np.flatnonzero(w.any(axis=1 - axis)).tolist()), subset(w.shape[axis]))
            for _, w in wrong
        ]
        if not all(bad <= want for bad, want in counts):
            continue
        if sum(bad == want for bad, want in counts) * 2 < len(counts):
            continue
        zero = all(not o.got[output][w].any() for o, w in wrong)
        slice_axis = bool(matrices[0].axes) and axis == matrices[0].axes[0]  # type: ignore[index]
        what = "row" if slice_axis else "elem"
        if axis > 0 and slice_axis:
            what = "column"
        how = "zero" if zero else "off"
        return [
            Diagnosis(
                f"{name}_{what}_{how}", f"{output}: only the {name} along axis {axis}"
                + (" and these are 0" if zero else ""),
                "mend the range of the loop or the block, or the index",
                f"every other entry of {output} is right in {counted(len(wrong), 'case')}",
                (output,),
            )
        ]
    return []
