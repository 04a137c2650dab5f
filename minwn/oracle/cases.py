r"""The inputs that an implementation is judged on, which any language can make again, bit for bit.

Random bits. The state x is an integer of 64 bits, 0 <= x < 2^64, and a draw is one step of

    x <- (6364136223846793005 x + 1442695040888963407) mod 2^64

A case is a letter and a number, "G-0007", and starts from x = 2^32 (code of the letter in ASCII)
+ number. `integer(a, b)` steps once, and is a + floor(floor(x / 2^32) (b - a + 1) / 2^32).
`real(a, b)` steps once, and takes from x the sign (minus where x >= 2^63) and K, the p - 1 bits
that follow; then e = integer(a, b). The number is sign (2^(p-1) + K) 2^(e-p+1), of size in
[2^e, 2^(e+1)). p is the number of digits of the dtype: 11 for float16, 24 for float32, 53 for
float64 (8 for bfloat16). A case thus has the same numbers in every dtype, cut off to its digits.

Slices. v, w_bar and A have `rows` slices of m entries, g and B one entry for each. They are drawn
slice by slice, entry by entry, in the order v, g, w_bar, A, B; a letter's page is its function
below, and A and B are real(-1, 0) in all but D. Then `arrange` puts slices along the axes that
are asked for.

    D  dyadic     all entries of v are powers of two, and norms too: no rounding, zero tolerance
    G  generic    both signs of g, norms 16x apart, no square shapes
    A  angle      w_bar at an angle of 2^-t to v, or to the perpendicular of v
    R  range      to the edges of the dtype, in one array and in one slice
    X  axes       ranks 1 to 5, every set of axes that keep a norm; axes of sizes 1 and 0
    L  layout     the same numbers in arrays that are not contiguous, or not to be written to
    Z  undefined  slices of zeros, infinities, NaN: the other slices of the array still count
    M  long       up to 8192 entries a slice

Numbers are never used again for other inputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy

from .truth import FORMATS, Format, Slices

__all__ = ["GROUPS", "LCG", "Case", "arrange", "cases"]

Axis = int | tuple[int, ...] | str | None


@dataclass(frozen=True, eq=False)
class Case:
    """One problem. The arrays are of one dtype, and not to be written to.

    exact: to first order nothing is rounded, so that only the true numbers are right
    defined: every slice has a truth in the plain form
    A, B: the tangents of v and g, or the cotangents of v_bar and g_bar
    """

    id: str
    group: str
    v: numpy.ndarray
    g: numpy.ndarray
    w_bar: numpy.ndarray
    A: numpy.ndarray
    B: numpy.ndarray
    axes: tuple[int, ...] | None
    flags: tuple[str, ...] = ()
    exact: bool = False
    defined: bool = True

    @property
    def v_dot(self) -> numpy.ndarray:
        return self.A

    @property
    def g_dot(self) -> numpy.ndarray:
        return self.B


class LCG:
    """The random bits of one case, as in the module's docstring."""

    def __init__(self, letter: str, number: int, p: int) -> None:
        self.x, self.p = (ord(letter) << 32) + number, p

    def step(self) -> int:
        self.x = (6364136223846793005 * self.x + 1442695040888963407) % 2**64
        return self.x

    def integer(self, a: int, b: int) -> int:
        return a + ((self.step() >> 32) * (b - a + 1) >> 32)

    def real(self, a: int, b: int) -> float:
        x, p = self.step(), self.p
        K = x >> (64 - p) & (1 << p - 1) - 1
        size = math.ldexp((1 << p - 1) + K, self.integer(a, b) - p + 1)
        return -size if x >> 63 else size

    def reals(self, a: int, b: int, count: int) -> list[float]:
        return [self.real(a, b) for _ in range(count)]


@dataclass
class Draw:
    """Slices as lists, before they are arranged."""

    v: list[list[float]]
    g: list[float]
    w_bar: list[list[float]]
    A: list[list[float]]
    B: list[float]
    flags: tuple[str, ...] = ()
    exact: bool = False
    defined: bool = True
    alone: int = 0  # the slice that is taken where one norm of the whole is asked for


def _second(lcg: LCG, rows: int, m: int) -> tuple[list[list[float]], list[float]]:
    return [lcg.reals(-1, 0, m) for _ in range(rows)], lcg.reals(-1, 0, rows)


# ---- the letters --------------------------------------------------------------------------------

# Ones, twos and fours whose squares add up to 4, 16 or 64. As all entries are powers of two, it is
# exact to divide by the largest, too, or by a running one, as some norms do.
DYADIC = (
    (1, 1, 1, 1),
    (1, 1, 1, 1, 2, 2, 2),
    (1, 1, 1, 1, 1, 1, 1, 1, 2, 2),
    (1, 1, 1, 1, 2, 2, 2, 4, 4, 4),
    (1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 4, 4),
)
# Norms that are integers: 4, 8, 5, 3 and 7. To check on paper, not without rounding.
PAPER = ((1, 1, 1, 2, 3), (1, 1, 2, 3, 7), (3, 4), (1, 2, 2), (2, 3, 6))


def dyadic(number: int, target: Format) -> Draw:
    """Three slices, of the entries of DYADIC[number mod 6], or of PAPER[floor(number / 6) mod 5].

    Each is shuffled: for j = m - 1, ..., 1 the entries j and integer(0, j) change places. Then its
    signs: minus where integer(0, 1) = 1. Then all of it is multiplied by 2^integer(-1, 1).
    g = +-integer(1, 3), minus in slice 1. Entries of w_bar and A are integer(-3, 3), and B too.
    """
    lcg = LCG("D", number, target.p)
    kind = number % 6
    base = DYADIC[kind] if kind < 5 else PAPER[number // 6 % 5]
    v = []
    for _ in range(3):
        row = list(base)
        for j in range(len(row) - 1, 0, -1):
            k = lcg.integer(0, j)
            row[j], row[k] = row[k], row[j]
        signed = [-x if lcg.integer(0, 1) else x for x in row]
        scale = 2.0 ** lcg.integer(-1, 1)
        v.append([x * scale for x in signed])
    g = [float(lcg.integer(1, 3)) * (-1 if i == 1 else 1) for i in range(3)]
    small = [[[float(lcg.integer(-3, 3)) for _ in base] for _ in range(3)] for _ in range(2)]
    B = [float(lcg.integer(-3, 3)) for _ in range(3)]
    exact, flag = kind < 5, "exact" if kind < 5 else "paper"
    return Draw(v, g, small[0], small[1], B, (flag,), exact)


def generic(number: int, target: Format, letter: str = "G", shape: Any = None) -> Draw:
    """rows = integer(4, 5), m = integer(2, 8), and m + 5 in its place where it equals rows.

    v: real(0, 1), slice i times 2^(2 ((i + r) mod rows) - rows + 1) with r = integer(0, rows - 1)
    g: real(-2, 1), minus where i + r is odd
    w_bar: real(0, 1); where j mod 3 = 2, this divided by 4; the others take the sign of
    (-1)^floor(i / 2) v[i, j], so that w_bar is far from perpendicular to v
    """
    lcg = LCG(letter, number, target.p)
    rows, m = (lcg.integer(4, 5), lcg.integer(2, 8)) if shape is None else shape
    m = m + 5 if shape is None and m == rows else m
    r = lcg.integer(0, max(rows - 1, 0))
    # Not more than 2^-4 to 2^4, for the squares in float16.
    step = 2 if rows <= 5 else 0
    v = [
        [
            math.ldexp(x, step * ((i + r) % rows) - step * (rows - 1) // 2)
            for x in lcg.reals(0, 1, m)
        ]
        for i in range(rows)
    ]
    g = [math.copysign(x, -1 if (i + r) % 2 else 1) for i, x in enumerate(lcg.reals(-2, 1, rows))]
    w_bar = [lcg.reals(0, 1, m) for _ in range(rows)]
    for i, row in enumerate(w_bar):
        for j in range(m):
            if j % 3 == 2:
                row[j] /= 4
            else:
                row[j] = math.copysign(row[j], -v[i][j] if i // 2 % 2 else v[i][j])
    return Draw(v, g, w_bar, *_second(lcg, rows, m))


ANGLES = (0, 3, 7, 10, 13, 17, 20, 23)


def angle(number: int, target: Format) -> Draw:
    """t = ANGLES[floor(number / 2) mod 8], four slices of six entries. No case where t > p - 1.

    v: the sign of x as in real, and the size 5/4 + K 2^(1-p), K the p - 2 bits that follow
    g: real(-1, 1)
    w_bar: v + z 2^-t, rounded to the dtype, with z = integer(-1, 1) for each entry. Where number is
    odd, (v1, -v0, v3, -v2, v5, -v4) + z 2^-t.
    """
    lcg, t = LCG("A", number, target.p), ANGLES[number // 2 % 8]
    p = target.p

    def near() -> float:
        x = lcg.step()
        size = 1.25 + math.ldexp(x >> (65 - p) & (1 << p - 2) - 1, 1 - p)
        return -size if x >> 63 else size

    v = [[near() for _ in range(6)] for _ in range(4)]
    g = lcg.reals(-1, 1, 4)
    w_bar = []
    for row in v:
        turned = (
            [x for a, b in zip(row[::2], row[1::2], strict=True) for x in (b, -a)]
            if number % 2
            else row
        )
        w_bar.append([_round(x + lcg.integer(-1, 1) * 2.0**-t, target) for x in turned])
    name = "perpendicular" if number % 2 else "parallel"
    return Draw(v, g, w_bar, *_second(lcg, 4, 6), flags=(name, f"2^-{t}"))


def _round(x: float, target: Format) -> float:
    """x rounded to p digits, ties to even. Exact in float64, for which x is already rounded."""
    unit = math.frexp(x)[1] - target.p
    return math.ldexp(round(math.ldexp(x, -unit)), unit)


RANGE = (
    "v top", "v^2 overflows", "v^2 underflows", "v least normal", "v subnormal", "g top",
    "g least normal", "w_bar top", "balanced top", "balanced small", "mixed slices",
    "mixed entries", "g zero",
)  # fmt: skip


def extremes(number: int, target: Format) -> Draw:
    """RANGE[number mod 13], three slices of 4 + floor(number / 13) entries, all real(0, 1) with
    p = 6, and then times powers of two that depend on the dtype. Its largest number is just below
    2^(L+1), its least normal number is 2^(1-L), and its least number 2^Q.

        exponents         v                    g                   w_bar
        v top             L - 4                0                   0
        v^2 overflows     floor(L / 2) + 2     0                   0
        v^2 underflows    -floor(3 L / 4)      0                   0
        v least normal    1 - L                -9                  0
        v subnormal       Q + 6                Q + L - 8           0
        g top             0                    L - 6               -6
        g least normal    0                    1 - L               6
        w_bar top         0                    -6                  L - 8
        balanced top      E = L - 6            floor(E / 2)        E - floor(E / 2)
        balanced small    E = p + 5 - L        floor(E / 2)        E - floor(E / 2)
        mixed slices      L - 6, 1 - L, 0      0, -9, 0            0
        mixed entries     0, -p, -floor(L / 2), 1 - L, 0 ...       0, 0
        g zero            0                    g = 0               0
    """
    lcg, name, L, Q = LCG("R", number, 6), RANGE[number % 13], target.largest, target.quantum
    m, p = 4 + number // 13, target.p
    top, small = L - 6, p + 5 - L
    v, g, w_bar = {
        "v top": (L - 4, 0, 0),
        "v^2 overflows": (L // 2 + 2, 0, 0),
        "v^2 underflows": (-(3 * L // 4), 0, 0),
        "v least normal": (1 - L, -9, 0),
        "v subnormal": (Q + 6, Q + L - 8, 0),
        "g top": (0, L - 6, -6),
        "g least normal": (0, 1 - L, 6),
        "w_bar top": (0, -6, L - 8),
        "balanced top": (top, top // 2, top - top // 2),
        "balanced small": (small, small // 2, small - small // 2),
    }.get(name, (0, 0, 0))
    by_row = ((top, 0), (1 - L, -9), (0, 0)) if name == "mixed slices" else ((v, g),) * 3
    within = [0] * m
    if name == "mixed entries":
        within[:4] = [0, -p, -(L // 2), 1 - L]
    vs = [
        [math.ldexp(lcg.real(0, 1), e + part) for part in within] for e, _ in by_row
    ]  # fmt: skip
    gs = [math.ldexp(lcg.real(0, 1), e) * (name != "g zero") for _, e in by_row]
    w_bars = [[math.ldexp(lcg.real(0, 1), w_bar) for _ in range(m)] for _ in range(3)]
    return Draw(vs, gs, w_bars, *_second(lcg, 3, m), flags=(name,), alone=number % 3)


UNDEFINED = (
    "zero slice", "zeros", "negative zeros", "infinity in v", "NaN in v", "NaN in w_bar",
    "infinity in g", "NaN in g", "infinity in w_bar", "result overflows",
)  # fmt: skip


def undefined(number: int, target: Format) -> Draw:
    """UNDEFINED[number mod 10]: `generic` of letter Z with rows = 4 and m = 3, spoilt in slice 1.

    "zeros" has zeros in every slice. Single entries are spoilt in place 1 of the slice. In "result
    overflows" slice 1 of v is 2^(4 - floor(L / 2) + j), with squares in range, and g[1] = -2^L.
    """
    name, draw = UNDEFINED[number % 10], generic(number, target, "Z", (4, 3))
    draw.flags, draw.defined, draw.alone = (name,), False, 1
    if name.startswith(("zero", "negative")):
        for i in range(4) if name == "zeros" else (1,):
            draw.v[i] = [-0.0 if name == "negative zeros" else 0.0] * 3
    elif name == "result overflows":
        draw.v[1] = [math.ldexp(1.0, 4 - target.largest // 2 + j) for j in range(3)]
        draw.g[1] = -math.ldexp(1.0, target.largest)
    else:
        bad, _, where = name.partition(" in ")
        value = math.inf if bad == "infinity" else math.nan
        if where == "g":
            draw.g[1] = value
        else:
            getattr(draw, where)[1][1] = value
    return draw


LENGTHS = (2, 3, 17, 64, 257, 1024, 4096, 8192)


def long(number: int, target: Format) -> Draw:
    """m = LENGTHS[number mod 8], two slices; v and w_bar real(-2, -1), g real(-1, 0)."""
    lcg, m = LCG("M", number, target.p), LENGTHS[number % 8]
    v = [lcg.reals(-2, -1, m) for _ in range(2)]
    g = lcg.reals(-1, 0, 2)
    w_bar = [lcg.reals(-2, -1, m) for _ in range(2)]
    return Draw(v, g, w_bar, *_second(lcg, 2, m), flags=(f"m={m}",))


# ---- shapes -------------------------------------------------------------------------------------

# No two axes that could be taken for each other are of one size.
SHAPES = (
    (5,), (3, 4), (2, 3, 4), (2, 5, 3, 4), (2, 3, 1, 5, 4), (1, 4), (4, 1), (3, 1, 2), (1, 1),
    (0, 3), (3, 0), (2, 0, 3),
)  # fmt: skip


def _sets(rank: int) -> Iterator[tuple[int, ...] | None]:
    yield None
    for count in range(1, min(rank, 3) + 1):
        yield from itertools.combinations(range(rank), count)


# The number of a case of X is its place in this list.
AXES: tuple[tuple[tuple[int, ...], tuple[int, ...] | None], ...] = tuple(
    (shape, kept) for shape in SHAPES for kept in _sets(len(shape))
)


def axes_case(number: int, target: Format) -> Case:
    """AXES[number], drawn as `generic` of letter X with that many rows and entries.

    With more than 5 rows, the norms are not set apart, and no slice of v is multiplied.
    """
    shape, kept = AXES[number]
    g_shape = () if kept is None else tuple(n if a in kept else 1 for a, n in enumerate(shape))
    slices = Slices(shape, g_shape)
    draw = generic(number, target, "X", (slices.rows, slices.m))
    flags = tuple(f"size {n}" for n in (0, 1) if n in shape)
    return _case(
        f"X-{number:04d}", "axes", replace(draw, flags=flags), shape, g_shape, kept, target
    )


def arrange(rows: int, m: int, axis: int | tuple[int, ...]) -> tuple[tuple[int, ...], Any]:
    """(shape, kept axes) of an array whose slices keep the given axes, counted as NumPy counts.

    The array has the least rank that has such axes and one more. The first of the kept axes has
    size `rows`, or, if there are others and rows is even, 2, and the next one rows / 2. The last
    axis that is not kept has size m. All others have size 1.
    """
    given = axis if isinstance(axis, tuple) else (axis,)
    rank = max([a + 1 if a >= 0 else -a for a in given] + [len(set(given)) + 1])
    kept = sorted({a % rank for a in given})
    shape = [1] * rank
    shape[kept[0]] = rows
    if len(kept) > 1 and rows % 2 == 0:
        shape[kept[0]], shape[kept[1]] = 2, rows // 2
    shape[max(a for a in range(rank) if a not in kept)] = m
    return tuple(shape), tuple(kept)


def _case(
    id: str, group: str, draw: Draw, shape: Any, g_shape: Any, kept: Any, target: Format,
) -> Case:  # fmt: skip
    dtype, slices = _dtype(target), Slices(shape, g_shape)
    g, B = (
        numpy.array(x, dtype="float64").reshape(g_shape).astype(dtype) for x in (draw.g, draw.B)
    )
    v, w_bar, A = (slices.join(x, dtype) for x in (draw.v, draw.w_bar, draw.A))
    for x in (v, g, w_bar, A, B):
        x.setflags(write=False)
    return Case(id, group, v, g, w_bar, A, B, kept, draw.flags, draw.exact, draw.defined)


def _dtype(target: Format) -> Any:
    return numpy.dtype(next(name for name, known in FORMATS.items() if known == target))


# ---- layouts ------------------------------------------------------------------------------------


def _strided(x: numpy.ndarray, step: int = 2) -> numpy.ndarray:
    """The values of x in every second entry of a larger array, or, for -1, stored backwards."""
    if not x.ndim:
        return x.copy()
    parts = (slice(None, None, step),) * x.ndim
    wide = numpy.full([abs(step) * n for n in x.shape], 99).astype(x.dtype)
    wide[parts] = x
    return wide[parts]


def _broadcast(x: numpy.ndarray) -> numpy.ndarray:
    """The values at 0 along axis 0, again and again."""
    return numpy.broadcast_to(x[:1], x.shape) if x.ndim else x.copy()


LAYOUTS: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "writeable": numpy.copy,
    "read-only": lambda x: x,
    "Fortran": lambda x: numpy.array(x, order="F"),
    "every second": _strided,
    "backwards": lambda x: _strided(x, -1),
    "broadcast": _broadcast,
}


def _laid_out(case: Case, name: str) -> Case:
    lay = LAYOUTS[name]
    arrays: dict[str, Any] = {part: lay(getattr(case, part)) for part in ("v", "w_bar", "A")}
    small: dict[str, Any] = {
        part: _broadcast(getattr(case, part)) if name == "broadcast" else lay(getattr(case, part))
        for part in ("g", "B")
    }
    for x in (*arrays.values(), *small.values()):
        x.setflags(write=name == "writeable")
    return replace(case, flags=(name,), **arrays, **small)


# ---- all of it ----------------------------------------------------------------------------------

# The function of a letter, how many cases there are, and how many of them are quick.
LETTERS: dict[str, tuple[str, Callable[[int, Format], Draw], int, int]] = {
    "dyadic": ("D", dyadic, 120, 18),
    "generic": ("G", generic, 120, 12),
    "angle": ("A", angle, 64, 16),
    "range": ("R", extremes, 39, 13),
    "layout": ("L", lambda number, target: generic(number, target, "L"), 6, 6),
    "undefined": ("Z", undefined, 10, 10),
    "long": ("M", long, 8, 4),
}
GROUPS = ("dyadic", "generic", "angle", "range", "axes", "layout", "undefined", "long")


def cases(
    dtype: Any = "float64",
    groups: Iterable[str] | None = None,
    *,
    axis: Axis = 0,
    quick: bool = False,
) -> Iterator[Case]:
    """The cases of some groups, or of all, for weights that keep a norm along `axis`.

    axis: an axis, a tuple of axes, None for one norm of the whole, or "any": axis 0, and all of X.
    For None, one slice is taken: 0, but number mod 3 in R, and 1 in Z.
    quick: the first of each group; the others are more of the same
    Raises TypeError for a dtype that is not a floating one, ValueError for an unknown group.
    """
    target = Format.of(dtype)
    wanted = GROUPS if groups is None else tuple(groups)
    for unknown in (x for x in wanted if x not in GROUPS):
        raise ValueError(f"group {unknown!r}; choose from {', '.join(GROUPS)}")
    if isinstance(axis, str) and axis != "any":
        raise ValueError(f"axis={axis!r}; choose an int, a tuple of them, None or 'any'")
    for group in GROUPS:
        if group not in wanted:
            continue
        if group == "axes":
            yield from _axes(target, axis)
            continue
        letter, make, every, few = LETTERS[group]
        for number in range(few if quick else every):
            if group == "angle" and ANGLES[number // 2 % 8] > target.p - 1:
                continue
            yield _placed(f"{letter}-{number:04d}", group, make(number, target), axis, target)


def _axes(target: Format, axis: Axis) -> Iterator[Case]:
    for number, (shape, kept) in enumerate(AXES):
        if axis == "any" or _same(axis, kept, len(shape)):
            yield axes_case(number, target)


def _same(axis: Axis, kept: tuple[int, ...] | None, rank: int) -> bool:
    if axis is None or kept is None:
        return axis is kept
    given: Any = axis if isinstance(axis, tuple) else (axis,)
    return all(-rank <= a < rank for a in given) and {a % rank for a in given} == set(kept)


def _placed(id: str, group: str, draw: Draw, axis: Any, target: Format) -> Case:
    rows, m = len(draw.v), len(draw.v[0])
    if axis is None:
        i = draw.alone
        parts: dict[str, Any] = {
            part: [getattr(draw, part)[i]] for part in ("v", "g", "w_bar", "A", "B")
        }
        shape: Any = (m,)
        g_shape: Any = ()
        kept = None
        draw = replace(draw, **parts)
    else:
        shape, kept = arrange(rows, m, 0 if axis == "any" else axis)
        g_shape = tuple(n if a in kept else 1 for a, n in enumerate(shape))
    case = _case(id, group, draw, shape, g_shape, kept, target)
    return _laid_out(case, tuple(LAYOUTS)[int(id[2:])]) if group == "layout" else case
