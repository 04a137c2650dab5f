"""The tests of a file of vectors, made of the cases of `oracle.cases` and of their exact truth.

A test has a name that says how to make it again: `G-0007/axis=0/float32/plain` is case G-0007 of
the generator, with a norm kept along axis 0, in float32, for the plain length; `inside=1.5` at the
end is the form "inside" with that eps. A name means the same numbers for ever. The tests of whole
layers are those of `layers`.

Small arrays are in the file; of larger ones eight entries, and a digest of the inputs, which the
generator makes.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy

from ...backend import dtype_of
from ..cases import GENERATORS, Axis, Case, cases
from ..cases import GROUPS as ALL_GROUPS
from ..reference.error_bounds import bounds, second_bounds
from ..reference.rounding import Format
from ..reference.slices import Slices
from ..reference.truth import FORMS, expected, second
from .layers import FLAGS, LAYER_DTYPES, make_layer, names_of_layers
from .text import hexes, upwards

__all__ = ["DTYPES", "GROUPS", "SCHEMA", "document", "find", "has", "here", "make", "names"]

SCHEMA, LAYER_SCHEMA = "minwn-vectors-1", "minwn-layer-vectors-1"
GENERATOR = "minwn.oracle.vectors 1.0"

DTYPES = ("float16", "bfloat16", "float32", "float64")
# A file has no layout of memory. "forms" are lengths other than the plain one, "layers" tests of
# another kind.
GROUPS = (
    *(x for x in ALL_GROUPS if x not in ("layout", "zeros", "sizes")), "forms", "layers",
)
# To second order, so many numbers of a group, in dtypes whose bounds then still say something.
SECOND = {"dyadic": 6, "generic": 6, "axes": 6, "forms": 99}

# A shape that is not square, and a slice of zeros; an eps that is exact and seen in every dtype,
# and lies, as its square does, between the squared norms of the slices.
FORMS_CASES, FORMS_EPS = ("X-0003", "Z-0000"), 3.0

LARGE = 48  # entries
PLACES = 8  # of a larger array

ABOUT = {
    "dyadic": "entries and norms are powers of two, so that nothing is rounded; or small integers",
    "generic": "both signs of g, norms 16x apart, no square shapes",
    "angle": "w_bar almost parallel to v, or almost perpendicular: the gradient cancels",
    "range": "numbers up to the edges of the dtype",
    "axes": "ranks 1 to 5, every set of up to three axes that keep a norm; sizes 1 and 0",
    "undefined": "slices of zeros, infinities and NaN: the other slices still count",
    "long": "up to 8192 entries in a slice",
    "forms": "lengths other than the plain one, with a large eps, and a slice of zeros",
    "layers": "whole layers, weight normalised or plain: nothing is rounded, so got == expected",
}

# What goes wrong where a test has this flag: the kind of mistake, and what is seen of it.
NOTES: dict[str, tuple[str, str]] = {
    "exact": ("FORMULA", "+, -, *, / and sqrt round nothing, in any order: got == expected"),
    "paper": ("FORMULA", "small integers with an integer norm; to check on paper"),
    "parallel": ("CANCELLATION", "v_bar is a small difference of large terms"),
    "perpendicular": ("CANCELLATION", "g_bar is a small sum of large terms"),
    "v top": ("RANGE", "v near the largest number: v^2 overflows, and g / n is small"),
    "v^2 overflows": ("RANGE", "v in range, its squares just not: w = 0 or NaN"),
    "v^2 underflows": ("RANGE", "v in range, its squares not: n = 0, then inf or NaN"),
    "v least normal": ("RANGE", "v at the least normal number: 1 / n is near the largest"),
    "v subnormal": ("RANGE", "v below the least normal number; wrong if flushed to 0"),
    "g top": ("RANGE", "g near the largest number"),
    "g least normal": ("RANGE", "g at the least normal number"),
    "w_bar top": ("RANGE", "w_bar near the largest number: <w_bar, v> may overflow"),
    "balanced top": ("RANGE", "v, g and w_bar are large, the results in range"),
    "balanced small": ("RANGE", "v, g and w_bar are small, the results in range"),
    "mixed slices": ("RANGE", "a huge, a tiny and an ordinary slice in one array"),
    "mixed entries": ("RANGE", "huge and tiny entries in one slice"),
    "g zero": ("RANGE", "g = 0: w = v_bar = 0, and g_bar as ever"),
    "size 0": ("SHAPE", "an empty array, or empty slices, with g_bar = 0, an empty sum"),
    "size 1": ("SHAPE", "axes of size 1"),
    "zero slice": ("UNDEFINED", "v = 0 in slice 1"),
    "zeros": ("UNDEFINED", "v = 0 in every slice"),
    "negative zeros": ("UNDEFINED", "v = -0 in slice 1"),
    "infinity in v": ("UNDEFINED", "v[1, 1] is infinite"),
    "NaN in v": ("UNDEFINED", "v[1, 1] is not a number"),
    "NaN in w_bar": ("UNDEFINED", "w_bar[1, 1] is not a number; w does not know"),
    "infinity in g": ("UNDEFINED", "g of slice 1 is infinite"),
    "NaN in g": ("UNDEFINED", "g of slice 1 is not a number"),
    "infinity in w_bar": ("UNDEFINED", "w_bar[1, 1] is infinite"),
    "result overflows": ("UNDEFINED", "w of slice 1 is beyond the largest number"),
    "long": ("ACCUMULATION", "rounding errors add up, an accumulator may be too narrow"),
    "eps": ("EPS", "eps is large, so that its place in the formula shows"),
    "narrow": ("RANGE", "n^3 <w_bar, v> or the like may leave the range of this dtype"),
    **FLAGS,
}


# ---- names --------------------------------------------------------------------------------------

_NAME = re.compile(
    r"(?P<case>[A-Z]-[0-9]{4})/axis=(?P<axis>whole|-?[0-9]+(,-?[0-9]+)*)/(?P<dtype>b?float[0-9]+)"
    r"/(?P<form>[a-z_]+)(=(?P<eps>[0-9.e+-]+))?"
)
_GROUP_OF = {letter: group for group, (letter, *_) in GENERATORS.items()} | {"X": "axes"}


def name_of(case: Case, dtype: str, form: str, eps: float) -> str:
    axis = "whole" if case.axes is None else ",".join(map(str, case.axes))
    return f"{case.id}/axis={axis}/{dtype}/{form}{f'={eps!r}' if form != 'plain' else ''}"


def find(name: str) -> tuple[Case, str, float]:
    """The case, form and eps that a name stands for. Raises ValueError for what is no name."""
    match = _NAME.fullmatch(name)
    if match is None or match["form"] not in FORMS or match["dtype"] not in DTYPES:
        raise ValueError(f"{name!r} is no name of a test, such as G-0007/axis=0/float32/plain")
    axes = None if match["axis"] == "whole" else tuple(map(int, match["axis"].split(",")))
    group = _GROUP_OF.get(match["case"][0], "")
    known = _cases(match["dtype"], group, "any" if group == "axes" else axes) if group else {}
    case = known.get(match["case"])
    if case is None or case.axes != axes:
        raise ValueError(f"{name!r}: the generator has no such case")
    return case, match["form"], float(match["eps"] or 0.0)


def here(dtype: str) -> bool:
    """Whether there can be arrays of the dtype; bfloat16 is none of NumPy's own."""
    try:
        dtype_of(dtype)
    except ImportError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _cases(dtype: str, group: str, axis: Axis, quick: bool = False) -> Mapping[str, Case]:
    return {case.id: case for case in cases(dtype, (group,), axis=axis, quick=quick)}


def names(
    dtype: str, group: str, *, form: str = "plain", eps: float = 0.0, axis: Axis = "any",
    quick: bool = True,
) -> Iterator[str]:
    """The names of the tests of one file, in order; by default those that are published."""
    if group == "forms":
        for other in FORMS[1:]:
            for key in FORMS_CASES:
                case = _cases(dtype, _GROUP_OF[key[0]], "any")[key]
                yield name_of(case, dtype, other, FORMS_EPS)
        return
    if group == "layers":
        yield from names_of_layers(dtype)
        return
    for case in _cases(dtype, group, axis, quick and group != "long").values():
        if not quick or case.v.ndim <= 3 or len(case.axes or ()) <= 1:
            yield name_of(case, dtype, form, eps)


# ---- tests --------------------------------------------------------------------------------------


def has(dtype: str, group: str, published: bool) -> bool:
    """Whether there is such a file. published: nothing but the plain form and any axis is wanted"""
    if group == "layers" and dtype not in LAYER_DTYPES:
        return False
    return published or group not in ("forms", "layers")


def document(dtype: str, group: str, tests: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A file: what its tests have in common, and the tests."""
    tests = list(tests)
    flags = sorted({flag for test in tests for flag in test["flags"]})
    return {
        "schema": LAYER_SCHEMA if group == "layers" else SCHEMA,
        "generator": GENERATOR,
        "dtype": dtype,
        "group": group,
        "comment": ABOUT[group],
        "notes": {flag: dict(zip(("bug", "effect"), NOTES[flag], strict=True)) for flag in flags},
        "tests": tests,
    }


def make(name: str, group: str, *, certify: str = "decimal") -> dict[str, Any]:
    """A test, its expected numbers certified by two routes: see `oracle.expected`.

    Raises OracleFault where the routes disagree, ValueError for a name that is none.
    """
    if group == "layers":
        return make_layer(name, certify=certify)
    case, form, eps = find(name)
    later = case.v.dtype.itemsize > 2 and int(case.id[2:]) < SECOND.get(group, 0)
    with numpy.errstate(all="ignore"):
        answers = expected(case, form=form, eps=eps, certify=certify)._asdict()
        tol = bounds(case, form=form, eps=eps)._asdict()
        if later:
            answers |= second(case, form=form, eps=eps, certify=certify)._asdict()
            tol |= second_bounds(case, form=form, eps=eps)._asdict()
    inputs = {"v": case.v, "g": case.g, "w_bar": case.w_bar}
    if later:
        inputs |= {"A": case.A, "B": case.B}
    flags, result = _judged(case, form, answers)
    large = case.v.size > LARGE
    places = [k * (case.v.size - 1) // (PLACES - 1) for k in range(PLACES)] if large else None
    test: dict[str, Any] = {
        "id": name,
        "comment": _comment(case),
        "flags": flags,
        "result": result,
        "exact": case.exact and form == "plain",
        "axis": None if case.axes is None else list(case.axes),
        "form": form,
        "eps": hexes(eps)[0],
        "shape": list(case.v.shape),
        "g_shape": list(case.g.shape),
    }
    if large:
        test |= {"places": places, "sha256": digest(inputs)}

    def listed(x: Any) -> Any:
        x = numpy.asarray(x).astype("float64")
        return x.ravel()[places] if large and x.shape == case.v.shape else x.ravel()

    test["inputs"] = {key: hexes(listed(x)) for key, x in inputs.items()}
    test["expected"] = {key: hexes(listed(x)) for key, x in answers.items() if key != "by_w_bar"}
    test["allowed"] = {
        key: [
            upwards(limit) if numpy.isfinite(y) else None
            for limit, y in zip(listed(tol[key]).tolist(), listed(x).tolist(), strict=True)
        ]
        for key, x in answers.items()
    }
    return test


def digest(inputs: Mapping[str, numpy.ndarray]) -> str:
    """SHA-256 of all inputs: bytes in the dtype, low ones first, the last axis fastest."""
    found = hashlib.sha256()
    for x in inputs.values():
        bits = numpy.ascontiguousarray(x).view(f"u{x.itemsize}")
        found.update(bits.astype(f"<u{x.itemsize}").tobytes())
    return found.hexdigest()


def _judged(case: Case, form: str, answers: Mapping[str, Any]) -> tuple[list[str], str]:
    """(flags, result)"""
    flags = [flag for flag in case.flags if flag in NOTES]
    flags += ["long"] if case.group == "long" else ["eps"] if form != "plain" else []
    if any(not numpy.isfinite(x.astype("float64")).all() for x in answers.values()):
        return flags, "undefined"
    if case.group == "range" or not case.v.size:
        return flags, "acceptable"
    if _narrow(case):
        return [*flags, "narrow"], "acceptable"
    return flags, "valid"


def _narrow(case: Case) -> bool:
    """Whether n^3 <w_bar, v>, or the like, may leave the range of the dtype."""
    top = Format.of(case.v.dtype).largest + 1
    with numpy.errstate(divide="ignore"):
        sizes = [abs(numpy.log2(abs(x.astype("float64")))) for x in (case.v, case.g, case.w_bar)]
    return any((4.5 * x[numpy.isfinite(x)] >= top).any() for x in sizes)


def _comment(case: Case) -> str:
    """For people, in decimal: the norms of the first slices."""
    v = Slices(case.v.shape, case.g.shape).split(case.v).astype("float64")
    with numpy.errstate(all="ignore"):
        scale = abs(v).max(axis=1, initial=0.0, keepdims=True)
        n = scale[:, 0] * numpy.sqrt(((v / numpy.where(scale == 0, 1, scale)) ** 2).sum(axis=1))
    norms = [f"{x:.4g}" for x in n[:3].tolist()] + ["..."] * (len(n) > 3)
    return f"norms {', '.join(norms)}" if len(n) else "empty"
