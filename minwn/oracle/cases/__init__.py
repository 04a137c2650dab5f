r"""The inputs that an implementation is judged on, which any language can make again, bit for bit.

Random bits. The state x is an integer of 64 bits, 0 <= x < 2^64, and a draw is one step of

    x <- (6364136223846793005 x + 1442695040888963407) mod 2^64

A case is a letter and a number, "G-0007", and starts from x = 2^32 (code of the letter in ASCII)
+ number. `integer(a, b)` steps once, and is a + floor(floor(x / 2^32) (b - a + 1) / 2^32).
`real(a, b)` steps once, and takes from x the sign (minus where x >= 2^63) and K, the p - 1 bits
that follow; then e = integer(a, b). The number is sign (2^(p-1) + K) 2^(e-p+1), of size in
[2^e, 2^(e+1)). p is the number of digits of the dtype: 11 for float16, 24 for float32, 53 for
float64 (8 for bfloat16). So a case has the same numbers in every dtype, cut off to its digits.

Slices. v, w_bar and A have `rows` slices of m entries, g and B one entry for each. They are drawn
slice by slice, entry by entry, in the order v, g, w_bar, A, B; a letter's page is its function
below, and A and B are real(-1, 0) in all but D. Then `arrange` puts slices along the requested
axes.

    D  dyadic     all entries of v are powers of two, and norms too: no rounding, zero tolerance
    G  generic    both signs of g, norms 16x apart, no square shapes
    A  angle      w_bar at an angle of 2^-t to v, or to the perpendicular of v
    R  range      to the edges of the dtype, in one array and in one slice
    X  axes       ranks 1 to 5, every set of axes that keep a norm; axes of sizes 1 and 0
    L  layout     the same numbers in arrays that are not contiguous, or not to be written to
    Z  undefined  slices of zeros, infinities, NaN: the other slices of the array still count
    M  long       up to 8192 entries a slice
    O  zeros      g, w_bar or entries of v that are 0: each has an answer
    N  sizes      a slice, or an entry, more than a block of 32, 256, 1024 or 4096; squares
    S             a shape that the caller gives (`of_shape`)

Numbers are never used again for other inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ... import validation
from ..reference.rounding import Format
from ..reference.slices import kept_axes
from .case import Case, Draw, arrange, fits, laid_in
from .generators import ANGLES, GENERATORS, RANGE, SIZES, UNDEFINED, ZEROS, generic
from .layouts import AXES, LAYOUTS, SHAPES, axes_case, laid_out, shape_case, sizes_case
from .lcg import LCG

__all__ = [
    "ANGLES",
    "AXES",
    "GENERATORS",
    "GROUPS",
    "LAYOUTS",
    "LCG",
    "RANGE",
    "SHAPES",
    "SIZES",
    "UNDEFINED",
    "ZEROS",
    "Axis",
    "Case",
    "arrange",
    "cases",
    "fits",
    "generic",
    "laid_out",
    "of_shape",
]

Axis = int | tuple[int, ...] | str | None
GROUPS = (
    "dyadic", "generic", "angle", "range", "axes", "layout", "undefined", "long", "zeros", "sizes",
)
QUICK_SIZES = 10


def cases(
    dtype: Any = "float64",
    groups: Iterable[str] | None = None,
    *,
    axis: Axis = 0,
    quick: bool = False,
    rank: int | None = None,
) -> Iterator[Case]:
    """The cases of some groups, or of all, for weights that keep a norm along `axis`.

    axis: an axis, a tuple of axes, None for one norm of the whole, or "any": axis 0, and all of X.
    For None and (), one slice is used: 0, but number mod 3 in R, and 1 in Z and O; N uses all.
    quick: the first of each group; the others are more of the same
    rank: of the arrays, but for those of X; None for the least there is
    Raises TypeError for a dtype that is not a floating one, ValueError for an unknown group, no
    groups, or anything but axes.
    """
    target = Format.of(dtype)
    wanted = GROUPS if groups is None else validation.names("groups", groups, GROUPS, one="group")
    if axis != "any":
        validation.axes("axis", axis)
    return _cases(target, wanted, axis, quick, rank)


def _cases(
    target: Format, wanted: tuple[str, ...], axis: Axis, quick: bool, rank: int | None
) -> Iterator[Case]:
    for group in GROUPS:
        if group not in wanted:
            continue
        if group == "axes":
            yield from _axes(target, axis)
            continue
        if group == "sizes":
            for number in range(QUICK_SIZES if quick else len(SIZES)):
                yield sizes_case(number, 0 if axis == "any" else axis, target, rank)
            continue
        letter, make, every, few = GENERATORS[group]
        for number in range(few if quick else every):
            if group == "angle" and ANGLES[number // 2 % 8] > target.p - 1:
                continue
            id, draw = f"{letter}-{number:04d}", make(number, target)
            yield _arranged(id, group, draw, axis, target, rank)


def of_shape(
    shape: tuple[int, ...], dtype: Any = "float64", *, axis: int | tuple[int, ...] | None = 0
) -> Iterator[Case]:
    """Two cases of one shape, drawn as those of X with the letter S; no part of any group.

    Raises IndexError for an axis that the shape has not.
    """
    axes = kept_axes(axis, shape)
    for number in range(2):
        yield shape_case(number, shape, axes, Format.of(dtype))


def _axes(target: Format, axis: Axis) -> Iterator[Case]:
    for number, (shape, axes) in enumerate(AXES):
        if axis == "any" or _same(axis, axes, len(shape)):
            yield axes_case(number, target)


def _same(axis: Axis, axes: tuple[int, ...] | None, rank: int) -> bool:
    if axis is None or axes is None:
        return axis is axes
    wanted: Any = axis if isinstance(axis, tuple) else (axis,)
    return all(-rank <= a < rank for a in wanted) and {a % rank for a in wanted} == set(axes)


def _arranged(id: str, group: str, draw: Draw, axis: Any, target: Format, rank: int | None) -> Case:
    rows, m = len(draw.v), len(draw.v[0])
    if axis in (None, ()):
        i = draw.alone
        parts: dict[str, Any] = {
            part: [getattr(draw, part)[i]] for part in ("v", "g", "w_bar", "A", "B")
        }
        shape: Any = (1,) * ((rank or 1) - 1) + (m,)
        axes = axis
        draw = replace(draw, **parts)
    else:
        shape, axes = arrange(rows, m, 0 if axis == "any" else axis, rank)
    case = laid_in(id, group, draw, shape, axes, target)
    return laid_out(case, tuple(LAYOUTS)[int(id[2:])]) if group == "layout" else case
