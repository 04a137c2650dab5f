"""Does a correct implementation ever fail? A great many rows, each given to every correct one.

The truth of a batch comes from `double_double`, at a moderate scale; a batch is then moved by
powers of two, v by 2^a, w_bar by 2^b and g by 2^c, with which the truth moves exactly:

    w 2^c        g_bar 2^b        v_bar 2^(b + c - a)

so that the scales of a whole dtype cost no more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minwn.oracle.reference.double_double import bulk
from minwn.oracle.reference.error_bounds import bounds
from minwn.tolerance import ratio

from .correct import CORRECT, CorrectImplementation

__all__ = ["Alarms", "Batch", "alarms", "batches"]

DTYPES = ("float64", "float32", "float16")
LENGTHS = (2, 3, 4, 5, 7, 8, 16, 17, 31, 64)
# Exponents to which v, w_bar and g are moved: as far as the third power of n stays in range.
REACH = {"float64": 200, "float32": 20, "float16": 3}
# Sums in float16 itself are asked of short rows of moderate numbers alone: a square of 2^-8 is
# subnormal there, and 2.5 m u is 1 at m = 800.
SHORT = (2, 3, 4, 5, 7, 8, 16)


def _every_second(x: Any) -> Any:
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    wide[::2, ::2] = x
    return wide[::2, ::2]


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x,
    "columns": np.asfortranarray,
    "every second": _every_second,
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
}


@dataclass(frozen=True)
class Batch:
    """Rows of one length, dtype, layout and scale, with the truth and the tolerance."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    truth: tuple[np.ndarray, ...]
    allowed: tuple[np.ndarray, ...]
    allowed_wide: tuple[np.ndarray, ...]
    layout: str
    scale: tuple[int, int, int]
    moderate: bool

    def asked(self, f: CorrectImplementation) -> bool:
        """Whether an implementation has to be right here."""
        return f.widens or self.v.dtype.itemsize > 2 or self.moderate

    def excess(self, f: CorrectImplementation) -> np.ndarray:
        """The worst |error| / allowed of each row, over w, v_bar and g_bar. Above 1 is an alarm."""
        worst = np.zeros(len(self.v))
        narrow = f.widens and self.v.dtype.itemsize < 8
        allowed = self.allowed_wide if narrow else self.allowed
        with np.errstate(all="ignore"):
            got = f(self.w_bar.copy(), self.v.copy(), self.g.copy())
            for x, truth, tol in zip(got, self.truth, allowed, strict=True):
                there = np.isfinite(truth) & np.isfinite(tol)
                off = np.where(there, ratio(np.asarray(x, "float64") - truth, tol), 0.0)
                worst = np.maximum(worst, off.max(axis=1))
        return worst


@dataclass(frozen=True)
class Alarms:
    """The results of some rows: how many were judged, how often an implementation failed."""

    rows: int
    judgements: int
    alarms: int
    worst: dict[str, float]
    dtypes: dict[str, int]
    first: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return vars(self) | {"first": list(self.first)}


def batches(rows: int, rng: np.random.Generator, size: int = 0) -> Iterator[Batch]:
    """`rows` rows, in batches of one kind each; longer rows in smaller batches."""
    made = number = 0
    size = size or min(max(rows // 240, 8), 4000)
    while made < rows:
        dtype, i = DTYPES[number % 3], number // 3
        moderate = dtype == "float16" and i % 2 == 0
        m = SHORT[i // 2 % len(SHORT)] if moderate else LENGTHS[i % len(LENGTHS)]
        count = min(max(size * 8 // m, size // 4), rows - made)
        yield _batch(rng, dtype, m, count, tuple(LAYOUTS)[number % len(LAYOUTS)], moderate)
        made, number = made + count, number + 1


def _batch(
    rng: np.random.Generator, dtype: str, m: int, count: int, layout: str, moderate: bool
) -> Batch:
    small = 0.0 if moderate else 0.05
    v, g, w_bar = (_numbers(rng, (count, k), small) for k in (m, 1, m))
    # A third of the rows with w_bar close to v, or across it, where digits cancel.
    k = count // 6
    near = 2.0 ** -rng.integers(1, 12, (k, 1))
    w_bar[:k] = rng.choice([-1, 1], (k, 1)) * v[:k] + near * w_bar[:k]
    across = v[k : 2 * k, ::-1] * np.where(np.arange(m) < m / 2, -1, 1)
    if m % 2:
        across[:, m // 2] = 0
    w_bar[k : 2 * k] = across + near * w_bar[k : 2 * k]
    v, g, w_bar = (x.astype(dtype) for x in (v, g, w_bar))
    truth = bulk(v, g, w_bar)
    reach = 0 if moderate else REACH[dtype]
    a, b, c = (int(rng.integers(-reach, reach + 1)) for _ in range(3))
    moved = {"w": c, "v_bar": b + c - a, "g_bar": b}
    v, g, w_bar = (np.ldexp(x, e).astype(dtype) for x, e in ((v, a), (g, c), (w_bar, b)))
    if dtype == "float16":  # subnormal answers are rounded once more by the move
        truth = bulk(v, g, w_bar)
        moved = dict.fromkeys(moved, 0)
    truths = (getattr(truth, name).astype("float64") for name in moved)
    expected = tuple(map(np.ldexp, truths, moved.values()))
    wide = bounds(v, g, w_bar, accumulate={"float16": "float32"}.get(dtype, "float64"))
    tol = bounds(v, g, w_bar)
    lay = LAYOUTS[layout]
    return Batch(
        lay(v), lay(g), lay(w_bar), expected, tuple(tol), tuple(wide), layout, (a, b, c), moderate
    )


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], small: float) -> np.ndarray:
    """Signed, of sizes from 1/2 to 2; a fraction `small` of them 64 times smaller."""
    x = np.exp2(rng.uniform(-1, 1, shape)) * rng.choice([-1.0, 1.0], shape)
    return x * np.where(rng.random(shape) < small, 2.0**-6, 1.0)


def alarms(
    rows: int,
    *,
    seed: int = 0,
    implementations: Sequence[CorrectImplementation] = CORRECT,
    step: Callable[[int], None] = lambda count: None,
) -> Alarms:
    """Judge every implementation on that many rows. `step` hears how many are done."""
    rng = np.random.default_rng(seed)
    worst = {f.name: 0.0 for f in implementations}
    dtypes = dict.fromkeys(DTYPES, 0)
    judgements = count = 0
    first: list[str] = []
    for batch in batches(rows, rng):
        dtype = str(batch.v.dtype)
        dtypes[dtype] += len(batch.v)
        for f in implementations:
            if not batch.asked(f):
                continue
            ratio = batch.excess(f)
            judgements += len(ratio)
            worst[f.name] = max(worst[f.name], float(ratio.max(initial=0.0)))
            bad = np.flatnonzero(ratio > 1)
            count += len(bad)
            if len(bad) and len(first) < 5:
                i = int(bad[0])
                first.append(
                    f"{f.name}, {dtype}, {batch.layout}, moved by 2^{batch.scale}: v = "
                    f"{batch.v[i].tolist()}, g = {batch.g[i].tolist()}, w_bar = "
                    f"{batch.w_bar[i].tolist()}, {ratio[i]:.3g} times what is allowed"
                )
        step(len(batch.v))
    return Alarms(rows, judgements, count, worst, dtypes, tuple(first))
