"""A mutant: an implementation of weight normalisation with a fault that is known.

A mutant is plain NumPy, most often two or three expressions in the names below, as people write
them, with the id that a judge should report. Nothing here knows the judge but the
table of its mistakes.

    G   w_bar            n   the norm of each slice    N, D   n and d of the whole array
    v   the direction    d   <G, v> of each slice      rows   how many slices, m   their entries
    g   the gain         w   g v / n                   sum    over a slice
    own   the axes of a slice                          roll   to the next slice

One that is a row of the catalogue is made of the row: its lines, computed in the dtype of v.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..oracle.mistakes.grammar import Program, python
from ..oracle.mistakes.table import PLACES, RIGHT

__all__ = [
    "V_BAR", "Implementation", "Mutant", "committed", "correct", "fitted", "forward", "named",
    "namespace", "norm", "of_texts", "total", "written",
]

Function = Callable[..., Any]
FORMULAS = {name: python(RIGHT[name]) for name in ("w", "v_bar", "g_bar")}
W, V_BAR, G_BAR = FORMULAS.values()
DTYPES = ("float64", "float32")


class Implementation(NamedTuple):
    """Functions as `check` takes them; None where there is none."""

    forward: Function | None = None
    backward: Function | None = None
    jvp: Function | None = None
    double_backward: Function | None = None


@dataclass(frozen=True)
class Mutant:
    """One fault, or several.

    id: permanent; never given to another fault; it begins with the class of the fault
    what: the formula, or a description
    make: new functions, which share no state with those made before
    faults: for each fault the names that are right for it; None where no catalogue has a name
    axis, ranks: the axis that keeps norms, None for one norm of the whole, and the ranks of v that
        it shows on
    dtypes: in which it is a fault at all
    proof: why it is none, where it is equal to the truth
    limit: right but at the edges of the range, which is a limit and not a fault
    look: how a test can detect it, where no number is wrong
    """

    id: str
    what: str
    make: Callable[[], Implementation]
    faults: tuple[frozenset[str], ...] | None = None
    axis: int | None = 0
    ranks: tuple[int, ...] | None = None
    dtypes: tuple[str, ...] = DTYPES
    proof: str = ""
    limit: bool = False
    look: str = ""

    @property
    def kind(self) -> str:
        """The class of the fault."""
        return self.id.partition(".")[0]


def of_texts(
    id: str, texts: Mapping[str, str], *faults: str | Iterable[str], what: str = "", **more: Any
) -> Mutant:
    """A mutant of expressions, by output, as `written` takes them; faults: as in `named`."""
    what = what or "; ".join(f"{output} = {text}" for output, text in texts.items())
    return Mutant(id, what, functools.partial(written, **texts), named(*faults) or None, **more)


def named(*faults: str | Iterable[str]) -> tuple[frozenset[str], ...]:
    """`faults` of a mutant: each one name, or several that are as right."""
    return tuple(frozenset([x] if isinstance(x, str) else x) for x in faults)


def namespace(w_bar: Any, v: Any, g: Any, axis: int = 0, place: str = "") -> dict[str, Any]:
    """All that a formula is made of, also one of the catalogue; see `oracle.mistakes.grammar`."""
    whole = tuple(range(v.ndim))
    own = tuple(a for a in whole if a != axis % max(v.ndim, 1))

    def total(x: Any, axes: Any = own) -> Any:
        return x.sum(axis=axes, keepdims=True)

    def over(x: Any) -> Any:
        return total(x, _summed(place, v.ndim, axis))

    n, d = np.sqrt(total(v * v)), total(w_bar * v)
    real = n.dtype.type
    return {
        "np": np, "G": w_bar, "v": v, "g": g, "n": n, "d": d, "w": g * v / n, "own": own,
        "sum": total, "N": np.sqrt(total(v * v, whole)), "D": total(w_bar * v, whole),
        "m": real(v.size // max(v.shape[axis], 1)), "rows": real(v.shape[axis]),
        "w_bar": w_bar, "slices": real(v.shape[axis]), "along": v,
        "abs": np.abs, "sign": np.sign, "exp": np.exp, "sqrt": np.sqrt, "flip": np.flip,
        "tanh": np.tanh, "softplus": lambda x: np.logaddexp(0 * x, x),
        "sigmoid": lambda x: real(1) / (real(1) + np.exp(-x)),
        "grand_sum": np.sum, "norm": lambda x: np.sqrt(total(x * x)),
        "max": lambda x: x.max(axis=own, keepdims=True),
        "first": lambda x: np.full_like(x, np.ravel(x)[0]),
        "roll": lambda x, by=1: np.roll(x, by, axis=axis),
        "top": lambda x: np.sign(x) * (abs(x) == abs(x).max(axis=own, keepdims=True)),
        "but_last": lambda x: _kept(x, own, -1, lambda i, size: i < size - 1),
        "first_part": lambda x: _kept(x, own, 0, lambda i, size: i == 0),
    } | ({} if not place else {"over": over, "N": np.sqrt(over(v * v)), "V": v})


def _kept(x: Any, own: tuple[int, ...], which: int, where: Any) -> Any:
    """x with zeros but where an index along the first or last axis of a slice is kept."""
    if not own:
        return x
    axis = own[which]
    index = np.arange(x.shape[axis]).reshape(-1, *[1] * (x.ndim - 1 - axis))
    return np.where(where(index, x.shape[axis]), x, 0 * x)


def _summed(place: str, rank: int, axis: int) -> tuple[int, ...]:
    """The axes of a sum over a place of the catalogue; those of a slice where it has none."""
    kept = PLACES[place][1](rank, (axis,))
    return tuple(a for a in range(rank) if a not in ((axis,) if kept is None else kept))


def committed(lines: str, axis: int = 0, place: str = "") -> Implementation:
    """The mistake of which these are the lines; `forward` and `correct` where it leaves them so."""
    program = Program(lines, RIGHT)

    def answer(name: str, like: Any, w_bar: Any, v: Any, g: Any) -> Any:
        def names(**new: Any) -> dict[str, Any]:
            return namespace(**({"w_bar": w_bar, "v": v, "g": g} | new), axis=axis, place=place)

        return _as(program.answer(name, names(), names), like, v.dtype)

    def of_w(v: Any, g: Any) -> Any:
        return answer("w", v, v, v, g)

    def of_bars(w_bar: Any, v: Any, g: Any) -> Any:
        return answer("v_bar", v, w_bar, v, g), answer("g_bar", g, w_bar, v, g)

    shown = set(program.answers)
    return Implementation(
        of_w if axis or "w" in shown else forward, of_bars if axis or shown - {"w"} else correct
    )


def written(v_bar: str = V_BAR, g_bar: str = G_BAR, w: str = W) -> Implementation:
    """An implementation of three expressions; `forward` and `correct` themselves where they are."""
    at_w, at_v, at_g = (compile(text.strip(), text, "eval") for text in (w, v_bar, g_bar))

    def of_w(v: Any, g: Any) -> Any:
        return _as(eval(at_w, namespace(v, v, g)), v, v.dtype)

    def of_bars(w_bar: Any, v: Any, g: Any) -> Any:
        known = namespace(w_bar, v, g)
        return _as(eval(at_v, known), v, v.dtype), _as(eval(at_g, known), g, v.dtype)

    return Implementation(
        forward if w == W else of_w, correct if (v_bar, g_bar) == (V_BAR, G_BAR) else of_bars
    )


def _as(x: Any, like: Any, dtype: Any) -> Any:
    return np.array(np.broadcast_to(x, like.shape), dtype=dtype)


def total(x: Any, dtype: Any = None) -> Any:
    """The sum over each slice along the first axis."""
    return x.sum(axis=tuple(range(1, x.ndim)), keepdims=True, dtype=dtype)


def norm(v: Any) -> Any:
    """n, for the first axis."""
    return np.sqrt(total(v * v))


def forward(v: Any, g: Any) -> Any:
    """w, right, for the first axis."""
    return g * v / norm(v)


def correct(w_bar: Any, v: Any, g: Any, n: Any = None) -> tuple[Any, Any]:
    """v_bar and g_bar, right, for the first axis. n: the norm, where it is another."""
    n, d = norm(v) if n is None else n, total(w_bar * v)
    return g / n * (w_bar - d / n**2 * v), d / n


def fitted(role: str, f: Function, axis: int | tuple[int, ...] | None) -> Function:
    """f, which keeps norms along the first axis and g's rank, for another axis and shape of g."""

    def called(*arrays: np.ndarray) -> Any:
        v = arrays[0] if role in ("forward", "jvp") else arrays[-2]
        g = arrays[1] if role in ("forward", "jvp") else arrays[-1]
        if axis in (0, -v.ndim) and g.ndim == v.ndim:
            return f(*arrays)
        kept = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
        kept = tuple(sorted(a % v.ndim for a in kept))
        order = (*kept, *(a for a in range(v.ndim) if a not in kept))
        moved_shape = tuple(v.shape[a] for a in order)
        rows = (int(np.prod(moved_shape[: len(kept)])), *moved_shape[len(kept) :])

        def there(x: np.ndarray) -> np.ndarray:
            if x.shape == v.shape and x.ndim == v.ndim and x is not g:
                return x.transpose(order).reshape(rows)
            return x.reshape((rows[0],) + (1,) * (len(rows) - 1))

        def back(x: np.ndarray, last: bool = False) -> np.ndarray:
            if last or x.size != v.size:  # g's is the last of several
                return x.reshape(g.shape)
            return x.reshape(moved_shape).transpose(np.argsort(order))

        answer = f(*map(there, arrays))
        if not isinstance(answer, tuple):
            return back(answer)
        return (*map(back, answer[:-1]), back(answer[-1], last=True))

    return called
