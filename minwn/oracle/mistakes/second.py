"""Wrong forward products, and wrong pullbacks of the pullback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .terms import Terms

__all__ = ["SECOND", "SecondMistake"]


@dataclass(frozen=True)
class SecondMistake:
    """A wrong pullback of the pullback; A and B are the cotangents of v_bar and g_bar."""

    id: str
    formula: str
    fix: str
    seen_in: str
    rule: Callable[[Terms, Any, Any], tuple[Any, Any, Any, Any]]

    def compute(self, t: Terms, A: Any, B: Any) -> dict[str, Any]:
        """w_dot, by_w_bar, by_v and by_g, in the plain form."""
        return dict(zip(("w_dot", "by_w_bar", "by_v", "by_g"), self.rule(t, A, B), strict=True))


def _second(
    t: Terms, A: Any, B: Any, *, c: float = 1, s: float = 1, a: float = 1, bend: float = 1,
    b: float = 1, by_g_bar: float = 1, dot: float = 1,
) -> tuple[Any, Any, Any, Any]:
    """The right answers; each number is the factor of one term."""
    n, q, r = t.n, t.n**2, t.g / t.n
    AG, Av = t.total(A * t.w_bar), t.total(A * t.v)
    w_dot = r * (A - dot * Av / q * t.v) + B / n * t.v
    terms = s * t.d * A + a * Av * t.w_bar + c * AG * t.v
    by_v = -r * terms / q + bend * 3 * r * Av * t.d / q**2 * t.v
    by_v = by_v + by_g_bar * B / n * (t.w_bar - b * t.d / q * t.v)
    return w_dot, w_dot, by_v, (AG - Av * t.d / q) / n


def _second_variant(**factors: float) -> Callable[[Terms, Any, Any], tuple[Any, Any, Any, Any]]:
    return lambda t, A, B: _second(t, A, B, **factors)


SECOND: tuple[SecondMistake, ...] = (
    SecondMistake(
        "second_frozen_norm", "the pullback differentiated with n held constant",
        "n depends on v there too: differentiate through it, or do not save it as a constant",
        "PyTorch, the fused kernel under create_graph", _second_variant(c=0, bend=0, b=0),
    ),
    SecondMistake(
        "second_no_bend", "the term 3 (g/n) (a s/n^4) v is missing from by_v",
        "differentiate 1/n^2 as well", "", _second_variant(bend=0),
    ),
    SecondMistake(
        "second_bend_once", "the term 3 (g/n) (a s/n^4) v counted once, not 3 times",
        "differentiate every n", "", _second_variant(bend=1 / 3),
    ),
    SecondMistake(
        "second_no_g_bar", "the cotangent of g_bar is not pulled back to v",
        "g_bar depends on v as well: add (B/n) (w_bar - (d/n^2) v)", "",
        _second_variant(by_g_bar=0),
    ),
    SecondMistake(
        "second_g_bar_no_projection", "the cotangent of g_bar is pulled back to v as (B/n) w_bar",
        "differentiate 1/n as well: (B/n) (w_bar - (d/n^2) v)", "the norm in g_bar held constant",
        _second_variant(b=0),
    ),
    SecondMistake(
        "second_no_c", "the term -(g/n) (c/n^2) v is missing from by_v",
        "differentiate g/n by v", "", _second_variant(c=0),
    ),
    SecondMistake(
        "product_no_projection", "w_dot = (g/n) v_dot + (g_dot/n) v",
        "subtract the component along v: (g/n) (v_dot - (<v, v_dot>/n^2) v)",
        "the derivative through the norm dropped", _second_variant(dot=0),
    ),
    SecondMistake(
        "product_sign", "w_dot = (g/n) (v_dot + (<v, v_dot>/n^2) v) + (g_dot/n) v",
        "subtract the component along v, do not add it", "", _second_variant(dot=-1),
    ),
    SecondMistake(
        "product_no_g_dot", "g_dot is missing from w_dot", "add (g_dot/n) v", "",
        lambda t, A, B: _second(t, A, 0 * B),
    ),
)
