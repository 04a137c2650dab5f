"""The routes that measure: differences of `forward`, and the complex step of its composed twin.

A measurement adds its own floor to the bound, and 100 times its own estimate of its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy

from .. import byhand
from ..backend import Generator
from ..gradcheck.numerical import (
    DISTRUST,
    Contraction,
    Entries,
    Line,
    central_differences,
    complex_step,
)
from .bounds import U64, Bounds
from .points import Problem, place
from .report import COMPLEX, DIFFERENCES, Finding, compare

__all__ = ["by_complex_step", "by_differences", "places"]

MEASURED = 12  # entries of v that are measured, at most


def batched(f: Callable[..., Any], p: Problem) -> Callable[..., numpy.ndarray]:
    """f(v, g) for a batch of v, or of g: -> (b, everything f returns)"""

    def at(v: numpy.ndarray, g: numpy.ndarray) -> numpy.ndarray:
        b = max(len(v) if v.ndim > p.v.ndim else 1, len(g) if g.ndim > p.g.ndim else 1)
        v = numpy.broadcast_to(v, (b, *p.v.shape))
        g = numpy.broadcast_to(g, (b, *p.g.shape)).reshape((b, *(p.g.shape or (1,) * p.v.ndim)))
        return numpy.concatenate([y.reshape(b, -1) for y in f(v, g)], axis=1)

    return at


def line(at: Callable[..., numpy.ndarray], p: Problem, entries: Entries) -> Line:
    """at, along entries of v or of g"""

    def along(rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        x = entries.shifted(rows, h)
        if entries.x is p.v:
            return at(x, p.g.astype(x.dtype))
        return at(p.v.astype(x.dtype), x)

    return along


def places(p: Problem, rng: Generator) -> list[Any]:
    """What is measured of v and of g: the entries, their numbers, the lengths for the steps."""
    rows, gains = sample(p, rng), numpy.arange(p.g.size)[:MEASURED]
    return [
        (Entries(p.v), rows, norms_at(p, rows)),
        (Entries(p.g), gains, abs(p.g).reshape(-1)[gains]),
    ]


def sample(p: Problem, rng: Generator) -> numpy.ndarray:
    """Some entries of v, among them those of the least and the largest size."""
    flat = abs(p.v).reshape(-1)
    drawn = rng.permutation(flat.size)[:MEASURED]
    return numpy.unique([flat.argmin(), flat.argmax(), *drawn])


def norms_at(p: Problem, rows: numpy.ndarray) -> numpy.ndarray:
    """||slice|| for entries of v: the length over which everything changes."""
    n = numpy.sqrt(p.total(p.v * p.v))
    return numpy.broadcast_to(n, p.v.shape).reshape(-1)[rows]


def by_differences(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, rng: Generator
) -> Iterator[Finding]:
    wide, wn = p.wide(), byhand.weight_norm

    def forward(v: Any, g: Any) -> Any:
        return (wn.forward(v, g, **p.how),)

    def backward(v: Any, g: Any) -> Any:
        return wn.vjp(numpy.broadcast_to(wide.w_bar, v.shape), v, g, **p.how)

    both = numpy.concatenate([wide.A.reshape(-1), wide.B.reshape(-1)])
    for f, u, names in (
        (forward, wide.w_bar, ("v_bar", "g_bar")),
        (backward, both, ("by_v", "by_g")),
    ):
        at, contract = batched(f, wide), Contraction(u.reshape(1, -1))
        centre = at(wide.v, wide.g)[0]
        for name, (entries, rows, lengths) in zip(names, places(wide, rng), strict=True):
            if bounds.judged(name) and numpy.isfinite(centre).all():
                m = central_differences(
                    line(at, wide, entries), rows, lengths / 8, centre, contract, U64
                )
                own = bounds[name].reshape(-1)[rows]
                allowed = own + DISTRUST * m.estimate[:, 0] + m.floor[:, 0]
                claimed, where = found[name].reshape(-1)[rows], place(name, p)
                named = rows, entries.x.shape
                yield compare(
                    what, DIFFERENCES, where, claimed, m.value[:, 0], allowed, entries=named
                )

    if bounds.judged("w_dot"):
        at = batched(forward, wide)

        def along(rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
            return at(wide.v + h[0] * wide.A, wide.g + h[0] * wide.B)

        squares = wide.total(wide.v * wide.v) / wide.total(wide.A * wide.A)
        length = numpy.sqrt(squares.min()).reshape(1)  # of h, for which h A is as long as v
        centre = at(wide.v, wide.g)[0]
        m = central_differences(along, numpy.arange(1), length / 8, centre, Contraction(None), U64)
        allowed = bounds["w_dot"].reshape(-1) + DISTRUST * m.estimate[0] + m.floor[0]
        claimed, where = found["w_dot"].reshape(-1), place("w_dot", p)
        yield compare(what, DIFFERENCES, where, claimed, m.value[0], allowed)


def by_complex_step(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, rng: Generator
) -> Iterator[Finding]:
    """A complex operation is at most four real ones: 4 times the count of the composed twin."""
    wide = p.wide()
    # The step's 2^-66 of q must not underflow.
    if (wide.total(wide.v * wide.v) < 1e-260).any():
        return
    at = batched(lambda v, g: (byhand.weight_norm.composed(v, g, **p.how),), wide)
    contract, centre = Contraction(wide.w_bar.reshape(1, -1)), at(wide.v, wide.g)[0]
    for name, (entries, rows, lengths) in zip(("v_bar", "g_bar"), places(wide, rng), strict=True):
        if bounds.judged(name):
            m = complex_step(line(at, wide, entries), rows, lengths, centre, contract, U64)
            allowed = (bounds[name] + 4 * bounds.composed(name)).reshape(-1)[rows]
            claimed, where = found[name].reshape(-1)[rows], place(name, p)
            allowed, named = allowed + m.floor[:, 0], (rows, entries.x.shape)
            yield compare(what, COMPLEX, where, claimed, m.value[:, 0], allowed, entries=named)
