"""Problems for the kernels of weight normalisation, and how far their answers may be off.

Each shape makes another plan: rows that one warp holds, and a block; rows that nobody holds; lines
of columns and long runs between axes, in one part and in several.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minwn.kernels import weight_norm as kernels
from minwn.kernels import weight_norm_cuda

from ..byhand.radial import ANSWERS, derivatives, roundings

Shape = tuple[int, ...]
EPS = {"plain": 0.0, "inside": 0.7, "outside": 0.3, "max_q": 0.5, "max_n": 0.6, "rms": 0.4}
DTYPES = ("float16", "bfloat16", "float32", "float64")
UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}
LEAST = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}
MOST = {"float16": 2.0**16, "bfloat16": 2.0**127, "float32": 2.0**127, "float64": 2.0**1023}
DIGITS = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}

# name: the shapes of v and g
SHAPES: dict[str, tuple[Shape, Shape]] = {
    "one number": ((1,), ()),
    "rows of one": ((5, 1), (5, 1)),
    "short rows": ((7, 5), (7, 1)),
    "rows of a filter": ((6, 2, 3, 3), (6, 1, 1, 1)),
    "rows of two vectors a thread": ((3, 256), (3, 1)),
    "rows of a block": ((2, 1536), (2, 1)),
    "odd rows": ((2, 1537), (2, 1)),
    "rows that no block holds": ((2, 16392), (2, 1)),
    "the whole": ((3, 4, 5), ()),
    "a whole that no block holds": ((5, 4099), ()),
    "two kept axes in front": ((3, 2, 4, 5), (3, 2, 1, 1)),
    "columns": ((5, 3), (1, 3)),
    "columns in parts": ((130, 6), (1, 6)),
    "a middle axis": ((6, 5, 3), (1, 5, 1)),
    "two kept axes in the middle": ((2, 3, 4, 2), (1, 3, 4, 1)),
    "columns of a transposed filter": ((70, 4, 3, 3), (1, 4, 1, 1)),
    "runs": ((3, 2, 136), (1, 2, 1)),
    "odd runs in parts": ((5, 2, 1031), (1, 2, 1)),
    "a last axis kept beside one of length 1": ((4, 1, 3), (1, 1, 3)),
}


class Problem(NamedTuple):
    """v, g, w_bar, and the cotangents A of v_bar and B of g_bar."""

    v: Any
    g: Any
    w_bar: Any
    A: Any
    B: Any


def problem(
    rng: np.random.Generator, name: str, dtype: Any, spread: tuple[float, float] = (-3, 3)
) -> Problem:
    """Numbers of order 1, v's slices 2^spread times as long; no two slices alike."""
    shape, kept = SHAPES[name]
    scale = 2.0 ** rng.uniform(*spread, kept)
    v, w_bar, A = (rng.normal(size=shape) for _ in range(3))
    g, B = rng.choice([-1, 1], kept) * rng.uniform(0.5, 3, kept), rng.normal(size=kept)
    return Problem(*(np.asarray(x).astype(dtype) for x in (v * scale, g, w_bar, A, B)))


def served(likes: tuple[Any, ...], gains: tuple[Any, ...]) -> bool:
    """Whether the kernels serve these arrays."""
    (v, *others), (g, gain) = likes, (*gains, None)[:2]
    way = kernels.way(v, g, 0.0, "plain", *others, gain=gain)
    return way is not None and way.name == "cuda"


def answers(p: Problem, eps: float = 0.0, form: str = "plain") -> dict[str, Any]:
    """All six by the kernels, whatever the rule says."""
    w = weight_norm_cuda.forward(p.v, p.g, eps, form)
    first = weight_norm_cuda.vjp(p.w_bar, p.v, p.g, eps, form)
    second = weight_norm_cuda.double_vjp(p.A, p.B, p.w_bar, p.v, p.g, eps, form)
    return dict(zip(ANSWERS, (w, *first, *second), strict=True))


def some_kernels(dtype: str, names: Iterable[str] = SHAPES, aligned: int = 16) -> Iterator[str]:
    """The kernels that serve these shapes, where addresses are multiples of `aligned`."""
    kind, size = weight_norm_cuda.TYPES[dtype], {"float32": 4, "float64": 8}.get(dtype, 2)
    found = set()
    for name, op in itertools.product(names, range(3)):
        plan = weight_norm_cuda._plan(op, *weight_norm_cuda._slices(*SHAPES[name]), size, aligned)
        if plan.rows:
            found.add(f"rows<{op}, {kind}, {plan.width}, {plan.held}>")
        else:
            columns = str(plan.columns).lower()
            found |= {f"{k}<{op}, {kind}, {plan.width}, {columns}>" for k in ("sums", "apply")}
            found.add(f"finish<{op}, {kind}>")
    yield from sorted(found)


def misses(
    found: dict[str, Any], p: Problem, dtype: str, eps: float = 0.0, form: str = "plain",
    flush: bool = True,
) -> dict[str, float]:
    """For each answer the largest error divided by what is allowed; infinite for NaN.

    Allowed are the roundings of `radial` in the type of the sums, one more to the type of the
    answer, and the least number. With `flush`, -ftz=true, what is subnormal in float counts as 0:
    inputs, so for the truth as well, and each number on the way. The truth has 11 bits more than
    float64. Where a term of it is out of range the answer may be anything.
    """
    wide = [np.asarray(x).astype("longdouble") for x in p]
    least = LEAST[dtype] * 2.0 ** -DIGITS[dtype]
    if flush and LEAST[dtype] == 2.0**-126:
        wide, least = [np.where(abs(x) < 2.0**-126, 0, x) for x in wide], 4 * 2.0**-126
    how = {"eps": np.longdouble(eps), "form": form}
    truth, size = (derivatives(*wide, sizes=sizes, **how) for sizes in (False, True))
    m = p.v.size // max(p.g.size, 1)
    u = UNITS["float32" if dtype in ("float16", "bfloat16") else dtype]
    worst = {}
    for name, x in found.items():
        error = abs(np.asarray(x).astype("longdouble") - truth[name])
        allowed = roundings(m, form)[name] * u * size[name]
        allowed = allowed + UNITS[dtype] * (abs(truth[name]) + allowed) + least
        ratio = np.nan_to_num(error / allowed, nan=np.inf)
        worst[name] = float(np.where(size[name] < MOST[dtype] / 4, ratio, 0).max())
    return worst
