"""Questions to an implementation whose names decide too little, and what each answer proves.

    shape       w has the shape of v; an answer of backward belongs to the array of its shape
    truth of w  of the readings that are left, the one whose w is g v / h(v), to three digits. It
                tells the axis, the shape of g, a logarithm, and the order of v and g
    gain        g_bar has the shape of the g that was given; else g should have another shape
    degrees     2 w_bar doubles both gradients, 2 g doubles v_bar alone, 2 v halves v_bar alone:
                which of the arguments without names is which

None of them asks whether a gradient is right, so that no wrong gradient is read as a right one.
The reading that is chosen by the truth of w is judged afterwards, to the last digit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...mistakes import Terms
from ...mistakes.terms import kept_axes

__all__ = ["FAILURES", "Evidence", "activation", "close", "later", "shaped", "weight_norm"]

FAILURES = (Exception, SystemExit)  # of the code that is asked

SHAPES = {1: (5,), 2: (3, 5), 3: (3, 4, 5), 4: (3, 4, 2, 5), 5: (3, 2, 4, 1, 5)}


@dataclass(frozen=True)
class Problem:
    """Inputs of no special values, and w to rounding."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    w: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """v and g, new each time: code that works in place changes no problem."""
        return {"v": self.v.copy(), "g": self.g.copy()}


@functools.cache
def weight_norm(axis: Any, rank: int, form: str, eps: float, dtype: str) -> Problem:
    """A problem of a rank, of axes of different sizes. Raises IndexError for an axis it has not."""
    rng, shape = np.random.default_rng(7), SHAPES[rank]
    axes = kept_axes(axis, rank)
    g_shape = () if axes is None else tuple(n if a in axes else 1 for a, n in enumerate(shape))
    v, w_bar = rng.normal(size=shape), rng.normal(size=shape)
    g = rng.uniform(1.25, 3.5, size=g_shape)
    v, g, w_bar = (np.asarray(x, dtype="float32").astype(dtype) for x in (v, g, w_bar))
    return Problem(v, g, w_bar, Terms(v, g, w_bar, axes, form, eps).w())


def later(axis: Any, rank: int, role: str, dtype: str) -> tuple[np.ndarray, ...]:
    """Inputs for a product, or for the second order."""
    p = weight_norm(axis, rank, "plain", 0.0, dtype)
    A, B = p.w_bar[..., ::-1].copy(), np.array(p.g[..., ::-1] if p.g.ndim else p.g)
    return (p.v, p.g, A, B) if role == "jvp" else (A, B, p.w_bar, p.v, p.g)


def close(x: Any, truth: np.ndarray) -> bool:
    """Whether x is the truth, to three digits. `check` judges the other digits."""
    x = _array(x)
    if x is None or x.shape != truth.shape:
        return False
    return bool(np.allclose(x, truth, rtol=2e-3, atol=2e-3 * np.abs(truth).max(initial=0.0)))


def activation(y: np.ndarray, truth: np.ndarray) -> bool:
    """Whether y is a function of each entry of the truth: flatter than 2 t, and no a t + b."""
    order = np.argsort(truth, axis=None)
    t, found = truth.reshape(-1)[order], y.reshape(-1)[order]
    rounding = 1e-5 * np.abs(t).max(initial=0.0)
    if not (np.abs(np.diff(found)) <= 2 * np.diff(t) + rounding).all():
        return False
    line = np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyfit(t, found, 1))
    return not close(found, line)


def shaped(x: Any, like: Any) -> bool:
    """Whether x has the shape of another array, and numbers in it."""
    x = _array(x)
    return x is not None and x.shape == np.shape(like)


def _array(x: Any) -> np.ndarray | None:
    try:
        x = np.asarray(x)
    except Exception:
        return None
    return x if x.dtype.kind in "fiub" or x.dtype.name == "bfloat16" else None


@dataclass(frozen=True)
class Evidence:
    """What the probes of one reading said. None: a probe was not made."""

    raised: str | None = None
    truth: bool = False
    shape: bool = False
    gain: bool | None = None
    degrees: int | None = None  # how many of the three hold
    backward_raised: str | None = None
    more: str = ""  # what it does more than a layer, where its y is that of one all the same
    local: bool | None = None  # of a w that is not true: a slice of it depends on that of v alone

    @property
    def worth(self) -> int:
        """More for a reading with more on its side; 0 for one that cannot be judged."""
        if self.raised is not None:
            return 0
        agreed = self.gain is not False and self.degrees in (None, 3)
        if self.truth:
            return 5 if agreed and self.backward_raised is None else 3
        if self.shape:
            return 4 if agreed and self.backward_raised is None and self.gain is not None else 2
        return 1

    @property
    def rank(self) -> tuple[int, int, bool]:
        """The key by which readings are sorted."""
        return self.worth, self.degrees or 0, bool(self.local)
