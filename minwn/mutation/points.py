"""Why a mutant survived: it is compared with the reference at the inputs the tests used.

A point hides a fault if the fault makes no difference there. Some points hide many: where g = ||v||
a missing g/n is no fault, where v is of unit length a missing power of n is none, and a cotangent
of ones is a sum. So the point is mended in one respect after the other, until the mutant shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import second
from .mutant import Implementation, Mutant, correct, forward

__all__ = ["COUNTS", "MENDINGS", "TRUTH", "Point", "differs", "missing"]

COUNTS = {"forward": 2, "backward": 3, "jvp": 4, "double_backward": 5}  # arrays of each function
TRUTH = Implementation(
    forward, correct, second.order_two("jvp").jvp,
    second.order_two("double_backward").double_backward,
)


@dataclass(frozen=True)
class Point:
    """The arrays of one call, slices along the first axis, g of v's rank."""

    role: str
    arrays: tuple[np.ndarray, ...]

    @property
    def place(self) -> tuple[int, int]:
        """The positions of v and g."""
        return (0, 1) if self.role in ("forward", "jvp") else (-2, -1)

    @property
    def v(self) -> np.ndarray:
        """v among the arrays of the call."""
        return self.arrays[self.place[0]]

    @property
    def g(self) -> np.ndarray:
        """g among the arrays of the call."""
        return self.arrays[self.place[1]]

    @property
    def n(self) -> np.ndarray:
        """||v||, slice by slice along axis 0, in float64."""
        v = self.v.astype("float64")
        return np.sqrt((v * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True))

    def with_(self, v: Any = None, g: Any = None, others: Any = None) -> Point:
        """The same with another v, another g, or the other arrays changed."""
        i, j = (x % len(self.arrays) for x in self.place)
        new = list(self.arrays)
        for k, x in enumerate(new):
            if k == i:
                new[k] = x if v is None else v
            elif k == j:
                new[k] = x if g is None else g
            elif others is not None:
                new[k] = others(x)
        return Point(self.role, tuple(new))


def _numbers(shape: Any, dtype: Any, seed: int = 0) -> np.ndarray:
    """Signed and of sizes from 1/2 to 2, in the dtype, or in float64 where it has no fractions."""
    rng = np.random.default_rng(seed)
    x = np.exp2(rng.uniform(-1, 1, shape)) * rng.choice([-1.0, 1.0], shape)
    return np.asarray(x, dtype if np.dtype(dtype).kind == "f" else "float64")


def _random_cotangents(p: Point) -> Point:
    return p.with_(others=lambda x: _numbers(x.shape, x.dtype, x.size))


def _other_lengths(p: Point) -> Point:
    n = p.v.dtype.type(1) if p.v.dtype.kind == "f" else 1.0
    steps = np.exp2((np.arange(len(p.v)) % 5 - 2) * 0.8 + 0.4)
    return p.with_(v=p.v * steps.reshape(p.g.shape).astype(type(n)))


def _other_gains(p: Point) -> Point:
    return p.with_(g=abs(_numbers(p.g.shape, p.g.dtype, 3)))


def _signed_gains(p: Point) -> Point:
    signs = np.where(np.arange(len(p.g)) % 2, 1, -1).reshape(p.g.shape)
    return p.with_(g=p.g * signs)


def _wide(p: Point, shape: tuple[int, ...], dtype: Any = None) -> Point:
    dtype = dtype or p.v.dtype
    g_shape = (shape[0],) + (1,) * (len(shape) - 1)

    def other(x: np.ndarray, seed: int) -> np.ndarray:
        return _numbers(g_shape if x.shape == p.g.shape and x.ndim else shape, dtype, seed)

    return Point(p.role, tuple(other(x, 7 + k) for k, x in enumerate(p.arrays)))


# A weakness of a point: its test, and its remedy.
Lacks = Callable[[Point], bool]
MENDINGS: tuple[tuple[str, Lacks, Callable[[Point], Point]], ...] = (
    (
        "a cotangent whose entries differ (these are all the same, as of a sum or a mean)",
        lambda p: p.role != "forward" and all(
            np.ptp(x) == 0 for x in p.arrays if x.shape == p.v.shape and x is not p.v
        ),
        _random_cotangents,
    ),
    (
        "a cotangent of its own (this one is w or v again, as of a sum of squares)",
        lambda p: p.role == "backward" and _parallel(p.arrays[0], p.v),
        _random_cotangents,
    ),
    (
        "a v that is not of unit length",
        lambda p: bool(np.allclose(p.n, 1, rtol=1e-3)),
        _other_lengths,
    ),
    (
        "slices of different lengths",
        lambda p: bool(np.allclose(p.n, p.n.flat[0], rtol=1e-3)) and len(p.v) > 1,
        _other_lengths,
    ),
    (
        "a g that is not ||v||, as it is right after the start",
        lambda p: bool(np.allclose(p.g, p.n, rtol=1e-3)),
        _other_gains,
    ),
    ("a g that is not 1", lambda p: bool(np.allclose(p.g, 1, rtol=1e-3)), _other_gains),
    (
        "a g that differs from slice to slice",
        lambda p: len(p.g) > 1 and np.ptp(p.g) == 0,
        _other_gains,
    ),
    ("a negative g", lambda p: bool((p.g >= 0).all()), _signed_gains),
    ("more than one slice", lambda p: len(p.v) == 1, lambda p: _wide(p, (3, *p.v.shape[1:]))),
    (
        "entries of v of both signs",
        lambda p: bool((p.v >= 0).all()),
        lambda p: p.with_(v=abs(p.v) * np.sign(_numbers(p.v.shape, p.v.dtype, 5))),
    ),
    (
        "a weight that is not square",
        lambda p: p.v.ndim == 2 and p.v.shape[0] == p.v.shape[1],
        lambda p: _wide(p, (len(p.v), p.v.shape[1] + 2)),
    ),
    (
        "a weight with more than two axes, as of a convolution",
        lambda p: p.v.ndim <= 2,
        lambda p: _wide(p, (4, 3, 2)),
    ),
    ("arrays of float64", lambda p: p.v.dtype != np.float64, lambda p: _wide(p, p.v.shape, "f8")),
    (
        "a v that is shorter than 1/10",
        lambda p: bool((p.n > 0.1).all()),
        lambda p: p.with_(v=p.v / (32 * max(p.n.max(), 1.0))),
    ),
    (
        "longer slices", lambda p: p.v[0].size < 64, lambda p: _wide(p, (3, 300)),
    ),
)


def _parallel(a: np.ndarray, b: np.ndarray) -> bool:
    x, y = (np.ravel(z).astype("float64") for z in (a, b))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return size > 0 and abs(x @ y) > 0.999 * size


OUTPUTS = {
    "forward": ("w",), "jvp": ("w_dot",), "backward": ("v_bar", "g_bar"),
    "double_backward": ("by_w_bar", "by_v", "by_g"),
}


def differs(mutant: Mutant, p: Point) -> dict[str, float]:
    """The largest error of each answer at the point, relative to the answer's largest entry."""
    f, truth = (getattr(x, p.role) for x in (mutant.make(), TRUTH))
    if f is None:
        return {}
    found = {}
    with np.errstate(all="ignore"):
        try:
            got, want = (_tuple(g(*(x.copy() for x in p.arrays))) for g in (f, truth))
        except Exception:
            return dict.fromkeys(OUTPUTS[p.role], np.inf)
        for name, x, y in zip(OUTPUTS[p.role], got, want, strict=True):
            size = float(np.abs(y).max(initial=0.0)) or 1.0
            error = np.nan_to_num(np.abs(x - y), nan=0.0).max(initial=0.0)
            found[name] = float(error) / size if np.shape(x) == np.shape(y) else np.inf
    return found


def _tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def missing(mutant: Mutant, heard: Sequence[Point], roles: Sequence[str]) -> str:
    """The check that is missing: words that follow "missing: "."""
    points = [p for p in heard if p.role in roles and p.v.size]
    if not points:
        return f"a test that calls {' or '.join(roles)}"
    seen = dict.fromkeys(
        name for p in points for name, size in differs(mutant, p).items() if size > _visible(p)
    )
    if seen:
        return (
            f"a close comparison of {' and '.join(seen)} with what is right: at points at which "
            "these tests call, it differs, and they do not look"
        )
    for text, lacks, mend in MENDINGS:
        if all(lacks(p) for p in points) and any(_shows(mutant, mend(p)) for p in points[:8]):
            return text
    lacking = [text for text, lacks, _ in MENDINGS if all(lacks(p) for p in points)]
    if lacking and any(_shows(mutant, _everything(p)) for p in points[:2]):
        return "all of these at once: " + "; ".join(lacking)
    return "cases like those of `minwn check`"


def _shows(mutant: Mutant, p: Point) -> bool:
    return max(differs(mutant, p).values(), default=0.0) > _visible(p)


def _everything(p: Point) -> Point:
    return _other_lengths(_wide(p, (4, 3, 2), "f8"))


def _visible(p: Point) -> float:
    """A change that no rounding makes."""
    return 1e3 * float(np.finfo(p.v.dtype if p.v.dtype.kind == "f" else "f8").eps)
