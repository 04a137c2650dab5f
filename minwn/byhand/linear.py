"""The affine map y = x w^T + b, and its derivatives on paper.

    x: (..., i)   w: (o, i)   b: (o,)   y: (..., o)

With m running over everything before the last axis,   y_mo = sum_i x_mi w_oi + b_o,   so

    y_dot  = x_dot w^T + x w_dot^T + b_dot

and in <y_bar, y_dot> = sum_mo y_bar_mo y_dot_mo each dotted letter meets

    x_bar_mi = sum_o y_bar_mo w_oi     w_bar_oi = sum_m y_bar_mo x_mi     b_bar_o = sum_m y_bar_mo

All three are again products of this kind, so they can be differentiated again.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..graph import primitive
from ..ops import add, matmul, transpose
from ..small import column_sums, product
from ..validation import door

__all__ = ["composed", "forward", "jvp", "vjp"]


@door
def composed(x: Any, w: Any, b: Any = None) -> Any:
    """The definition, in ops: autodiff finds the derivatives."""
    y = matmul(x, transpose(w))
    return y if b is None else add(y, b)


def forward(x: Any, w: Any, b: Any = None) -> Any:
    """y = x w^T + b.   x: (..., i)   w: (o, i)   b: (o,) or None   y: (..., o)

    Raises ValueError where the shapes do not fit.
    """
    return linear(x, w, b)


@primitive
def linear(x: Array, w: Array, b: Array | None) -> Array:
    """y = x w^T + b"""
    if x.shape[-1:] != w.shape[1:] or (b is not None and b.shape != w.shape[:1]):
        raise ValueError(
            f"linear: x {x.shape}, w {w.shape}, b {None if b is None else b.shape}; "
            f"expected x (..., i), w (o, i), b (o,)"
        )
    y: Array = product(x, w.T)  # (..., i), (o, i) -> (..., o)
    if b is not None:
        y += b
    return y


@linear.pullback
def _(y_bar, y, x, w, b):
    if x.ndim == 2:
        rows, sent = x, y_bar
    else:
        rows, sent = x.reshape((-1, x.shape[-1])), y_bar.reshape((-1, w.shape[0]))
    return (
        lambda: product(y_bar, w),  # (..., o), (o, i) -> (..., i)
        lambda: product(sent.T, rows),  # (m, o), (m, i) -> (o, i)
        None if b is None else lambda: column_sums(sent),  # (m, o) -> (o,)
    )


@door
def vjp(y_bar: Any, x: Any, w: Any, b: Any = None) -> tuple[Any, Any, Any]:
    """(x_bar, w_bar, b_bar) for the cotangent y_bar of y; b_bar is None without b."""
    return linear.vjp(y_bar, None, x, w, b)


@door
def jvp(x: Any, w: Any, x_dot: Any, w_dot: Any, b_dot: Any = None) -> Any:
    """y_dot = x_dot w^T + x w_dot^T + b_dot"""
    return forward(x_dot, w, b_dot) + forward(x, w_dot)
