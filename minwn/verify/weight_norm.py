"""The hand-derived derivatives of w = g v / h(v), by five routes that share no formula.

    autodiff       `composed`, differentiated by the engine
    differences    extrapolated central differences of `forward` (`measured`)
    complex step   of `composed` (`measured`)
    laws           what must hold whatever the numbers are (`laws`)
    80 digits      the definition, differenced with 80 digits (`exact`)

How far a route and the derivation may be apart is worked out in `bounds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from .. import byhand
from ..backend import Generator, quiet
from ..derivatives import grad, jvp
from ..tensors import Tensor
from .bounds import Bounds
from .exact import by_digits
from .laws import by_laws
from .measured import by_complex_step, by_differences
from .points import Problem, answers, place
from .report import AUTODIFF, Finding, compare

__all__ = ["check"]


def check(what: str, p: Problem, rng: Generator) -> list[Finding]:
    """All routes at one point."""
    bounds = Bounds(p)
    with quiet():
        found = answers(p)
        return [
            *by_autodiff(what, p, found, bounds),
            *by_differences(what, p, found, bounds, rng),
            *by_complex_step(what, p, found, bounds, rng),
            *by_laws(what, p, found, bounds),
            *by_digits(what, p, found, bounds),
        ]


def by_autodiff(what: str, p: Problem, found: dict[str, Any], bounds: Bounds) -> Iterator[Finding]:
    wide = p.wide()
    v, g, w_bar = (Tensor(x, True) for x in (wide.v, wide.g, wide.w_bar))
    w = byhand.weight_norm.composed(v, g, **p.how)
    v_bar, g_bar = grad(w, [v, g], w_bar, create_graph=True)
    twin = {"w": w.data, "v_bar": v_bar.data, "g_bar": g_bar.data}
    # q^2 appears in the second pullback of the composed twin: in range for norms of 1e+-70 only.
    n = numpy.sqrt(wide.total(wide.v * wide.v))
    if n.min() > 1e-70 and n.max() < 1e70:
        pulled = (v_bar * Tensor(wide.A)).sum() + (g_bar * Tensor(wide.B)).sum()
        by_w_bar, by_v, by_g = grad(pulled, [w_bar, v, g])
        twin |= {"by_w_bar": by_w_bar.data, "by_v": by_v.data, "by_g": by_g.data}
        composed = byhand.weight_norm.composed
        along = jvp(lambda v, g: composed(v, g, **p.how), [wide.v, wide.g], [wide.A, wide.B])
        twin["w_dot"] = along[1].data
    for name, reference in twin.items():
        if bounds.judged(name):
            allowed = bounds[name] + bounds.composed(name)
            yield compare(what, AUTODIFF, place(name, p), found[name], reference, allowed)
