"""Arrays of PyTorch and JAX for code that takes nothing else, and their autodiff.

    lift      from NumPy, in the same dtype where the framework has it
    lower     to NumPy
    gradients of sum(y_bar * y) by each array, y = f(arrays)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ....backend import dtype_of

__all__ = ["ENGINES", "Engine", "engine_of", "lower"]


def _as_it_is(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, not compiled."""
    return f


@dataclass(frozen=True)
class Engine:
    """A framework that has arrays of its own."""

    name: str
    lift: Callable[[np.ndarray], Any]
    gradients: Callable[[Callable[..., Any], Sequence[Any], Any], Sequence[Any]]
    dtype: Callable[[], str]  # in which it computes by default
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = _as_it_is
    wide: Callable[[], AbstractContextManager[Any]] = nullcontext  # float64 is float64


def lower(x: Any) -> Any:
    """A tensor as a NumPy array; anything else as it is."""
    if type(x).__module__.partition(".")[0] == "torch" and hasattr(x, "detach"):
        x = x.detach().cpu().resolve_conj()
        if str(x.dtype) == "torch.bfloat16":  # NumPy's is of another library: the bits are moved
            return x.view(sys.modules["torch"].int16).numpy().view(dtype_of("bfloat16"))
        return x.numpy()
    if type(x).__module__.partition(".")[0] in ("jax", "jaxlib"):
        return np.array(x)
    return x


def _torch_lift(x: np.ndarray) -> Any:
    import torch

    x = np.array(x, order="C")  # a copy: no negative strides
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view("int16")).view(torch.bfloat16)
    return torch.from_numpy(x)


def _torch_gradients(f: Callable[..., Any], arrays: Sequence[Any], y_bar: Any) -> Sequence[Any]:
    import torch

    leaves = [x.detach().clone().requires_grad_() for x in arrays]
    y = f(*leaves)
    return torch.autograd.grad(y, leaves, y_bar.reshape(y.shape), allow_unused=True)


def _jax_lift(x: np.ndarray) -> Any:
    import jax

    return jax.device_put(np.array(x))  # jax.numpy.asarray compiles a program for each shape


def _jax_gradients(f: Callable[..., Any], arrays: Sequence[Any], y_bar: Any) -> Sequence[Any]:
    import jax

    y, pull = jax.vjp(f, *arrays)
    return pull(jax.numpy.asarray(y_bar, y.dtype).reshape(y.shape))


def _jax_compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for each shape; not compiled where it branches on values."""
    import jax

    fast = jax.jit(f)

    def call(*arrays: Any) -> Any:
        try:
            return fast(*arrays)
        except jax.errors.ConcretizationTypeError:
            return f(*arrays)

    return call


def _jax_wide() -> AbstractContextManager[Any]:
    import jax

    return jax.enable_x64(True)


def _jax_dtype() -> str:
    import jax

    return "float64" if jax.config.jax_enable_x64 else "float32"


ENGINES = {
    "torch": Engine("torch", _torch_lift, _torch_gradients, lambda: "float64"),
    "jax": Engine("jax", _jax_lift, _jax_gradients, _jax_dtype, _jax_compiled, _jax_wide),
}
OF = {"torch": "torch", "jax": "jax", "flax": "jax", "equinox": "jax"}


def engine_of(space: Mapping[str, Any]) -> Engine | None:
    """The framework that a file has imported, where it has one."""
    for value in space.values():
        found = value.__name__ if isinstance(value, ModuleType) else getattr(
            value, "__module__", None) or ""
        top = str(found).partition(".")[0]
        if top in OF and top in sys.modules:
            return ENGINES[OF[top]]
    return None
