"""torch._weight_norm(v, g, dim), which the hook and the parametrization call.

One kernel for the first and for the last dim, which keeps half-precision sums in float32; a
composition, v * (g / norm), for any other and for the whole. dim=-2 of a matrix is its first dim by
the composition: a negative dim is not looked up before the choice.
"""

from __future__ import annotations

from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_torch import derivatives, one_thread

__all__ = ["FIRST", "INNER", "LAST", "WHOLE", "dim_of"]


def dim_of(axis: Axis, v: Any) -> int | None:
    """torch's dim for NumPy's axis: -1 would be the whole, and is the last."""
    if isinstance(axis, tuple):
        raise ValueError(f"axis={axis}: torch keeps norms along one axis, or none")
    return v.ndim - 1 if axis == -1 else axis


def functions(axis: Axis, form: str, eps: float) -> Roles:
    import torch

    def weight(v: Any, g: Any) -> Any:
        dim = dim_of(axis, v)
        if g.numel() == 0:  # the kernel divides by their number: SIGFPE ends the process
            raise ZeroDivisionError("v has no slices, of which this kernel dies")
        return torch._weight_norm(v, g, -1 if dim is None else dim)

    return derivatives(weight)


def _path(name: str, axis: Axis, runs: str, **fields: Any) -> Adapter:
    return Adapter(
        name=f"torch.{name}", runs=f"torch._weight_norm(v, g, {runs})", distribution="torch",
        functions=functions, axes=(axis,), within=one_thread, **fields,
    )


WIDE = {"accumulate": {"float16": "float32", "bfloat16": "float32"}}
FIRST, LAST = _path("first", 0, "0", **WIDE), _path("last", -1, "v.ndim - 1", **WIDE)
INNER, WHOLE = _path("inner", -2, "-2"), _path("whole", None, "-1")
