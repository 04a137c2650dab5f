"""The generators, by letter: each draws slices. The text of a function is its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from ..reference.rounding import Format
from .case import Draw
from .lcg import LCG

__all__ = ["ANGLES", "GENERATORS", "RANGE", "SIZES", "UNDEFINED", "ZEROS", "generic", "sized"]


def _table(lcg: LCG, a: int, b: int, rows: int, m: int) -> numpy.ndarray:
    """rows x m times real(a, b), slice by slice."""
    return lcg.array(a, b, rows * m).reshape(rows, m)


def _second(lcg: LCG, rows: int, m: int) -> tuple[numpy.ndarray, list[float]]:
    return _table(lcg, -1, 0, rows, m), lcg.reals(-1, 0, rows)


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
    v = _table(lcg, 0, 1, rows, m)
    for i in range(rows if step else 0):
        v[i] = numpy.ldexp(v[i], step * ((i + r) % rows) - step * (rows - 1) // 2)
    g = [math.copysign(x, -1 if (i + r) % 2 else 1) for i, x in enumerate(lcg.reals(-2, 1, rows))]
    w_bar = _table(lcg, 0, 1, rows, m)
    signs = numpy.where(numpy.arange(rows) // 2 % 2, -1.0, 1.0)[:, None]
    for j in range(3):
        x = w_bar[:, j::3]
        w_bar[:, j::3] = x / 4 if j == 2 else numpy.copysign(x, signs * v[:, j::3])
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
)


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
    ]
    gs = [math.ldexp(lcg.real(0, 1), e) * (name != "g zero") for _, e in by_row]
    w_bars = [[math.ldexp(lcg.real(0, 1), w_bar) for _ in range(m)] for _ in range(3)]
    return Draw(vs, gs, w_bars, *_second(lcg, 3, m), flags=(name,), alone=number % 3)


UNDEFINED = (
    "zero slice", "zeros", "negative zeros", "infinity in v", "NaN in v", "NaN in w_bar",
    "infinity in g", "NaN in g", "infinity in w_bar", "result overflows",
)


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
    v = _table(lcg, -2, -1, 2, m)
    g = lcg.reals(-1, 0, 2)
    w_bar = _table(lcg, -2, -1, 2, m)
    return Draw(v, g, w_bar, *_second(lcg, 2, m), flags=(f"m={m}",))


ZEROS = ("g zero", "every g zero", "v zero entry", "v single entry", "w_bar zero", "w_bar entry")


def zeros(number: int, target: Format) -> Draw:
    """ZEROS[number mod 6]: `generic` of letter O with rows = 4 and m = 5, where some numbers are 0.

    In slice i, k is the entry (i + number) mod 5; the g and the w_bar of slice 1 alone are 0, and
    every g in "every g zero". In "v zero entry" entry k of each slice of v is 0, in "v single
    entry" all but k, and in "w_bar entry" entry k of w_bar.
    """
    name, draw = ZEROS[number % 6], generic(number, target, "O", (4, 5))
    draw.flags, draw.alone = (name,), 1
    if name.endswith("g zero"):
        draw.g = [0.0 if i == 1 or name.startswith("every") else g for i, g in enumerate(draw.g)]
    elif name == "w_bar zero":
        draw.w_bar[1] = [0.0] * 5
    else:
        rows = draw.w_bar if name == "w_bar entry" else draw.v
        for i, row in enumerate(rows):
            k = (i + number) % 5
            rows[i] = [x * ((j == k) == (name == "v single entry")) for j, x in enumerate(row)]
    return draw


# Slices, and entries of each: one more than a block has, and squares. Then more of the same.
SIZES = (
    (33, 3), (257, 2), (2, 1024), (2, 1025), (1, 4097), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7),
    (65, 4), (129, 3), (1025, 2), (4097, 2), (2, 129), (2, 257), (3, 513), (2, 2049), (2, 4099),
    (1, 8193), (1, 16385), (8, 8), (16, 16), (32, 32), (64, 64), (96, 96),
)


def sized(number: int, target: Format, rows: int, m: int) -> Draw:
    """`generic` of letter N where rows = m. Else v and w_bar real(-2, -1), and g real(-1, 0); the
    last entry of each slice of both is multiplied by 8. That of w_bar, and every entry but those
    where j mod 3 = 2, takes the sign of v's.
    """
    if rows == m:
        return generic(number, target, "N", (rows, m))
    lcg = LCG("N", number, target.p)
    v = _table(lcg, -2, -1, rows, m)
    g = lcg.reals(-1, 0, rows)
    w_bar = _table(lcg, -2, -1, rows, m)
    v[:, -1] *= 8  # a sum that lacks them shows, however long it is
    w_bar[:, -1] *= 8
    for places in (slice(0, m, 3), slice(1, m, 3), slice(m - 1, m)):
        w_bar[:, places] = numpy.copysign(w_bar[:, places], v[:, places])
    return Draw(v, g, w_bar, *_second(lcg, rows, m))


# The function of a letter, how many cases there are, and how many of them are quick.
GENERATORS: dict[str, tuple[str, Callable[[int, Format], Draw], int, int]] = {
    "dyadic": ("D", dyadic, 120, 18),
    "generic": ("G", generic, 120, 12),
    "angle": ("A", angle, 64, 16),
    "range": ("R", extremes, 39, 13),
    "layout": ("L", lambda number, target: generic(number, target, "L"), 6, 6),
    "undefined": ("Z", undefined, 10, 10),
    "long": ("M", long, 8, 4),
    "zeros": ("O", zeros, 24, 6),
}
