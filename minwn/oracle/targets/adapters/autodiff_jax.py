"""The derivatives of a function of arrays by JAX, compiled, as functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .adapter import Roles

__all__ = ["derivatives"]


def derivatives(weight: Callable[[Any, Any], Any]) -> Roles:
    """forward, backward, jvp and double_backward of weight(v, g) -> w, in the arrays' dtype."""
    import jax

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        return jax.vjp(weight, v, g)[1](w_bar)

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        return jax.jvp(weight, (v, g), (v_dot, g_dot))[1]

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        return jax.vjp(backward, w_bar, v, g)[1]((v_bar_bar, g_bar_bar))

    def of_arrays(f: Callable[..., Any]) -> Callable[..., Any]:
        compiled = jax.jit(f)

        def call(*arrays: Any) -> Any:
            with jax.enable_x64(True):  # or float64 would be float32
                return jax.tree.map(numpy.array, compiled(*map(numpy.asarray, arrays)))

        return call

    return {"forward": of_arrays(weight), "backward": of_arrays(backward), "jvp": of_arrays(jvp),
            "double_backward": of_arrays(double_backward)}
