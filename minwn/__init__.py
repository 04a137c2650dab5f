"""Weight normalisation, w = g v / ||v||, written to be read, checked and trusted."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name -> the module that it is in. Each is imported when first asked for, so that `import minwn`
# costs nothing, to pytest's plugin and the command line as well.
_HOME = {
    "Tensor": "tensors", "tensor": "tensors",
    "grad": "derivatives", "jvp": "derivatives", "vjp": "derivatives",
    "no_grad": "graph",
    "StaleWeightError": "nn.weight_norm", "WeightNorm": "nn.weight_norm",
    "ZeroNormError": "nn.weight_norm",
}
_SHELVES = ("byhand", "gradcheck", "interop", "nn", "ops", "optim", "oracle")

__all__ = [
    "StaleWeightError", "Tensor", "WeightNorm", "ZeroNormError", "byhand", "grad", "gradcheck",
    "interop", "jvp", "nn", "no_grad", "ops", "optim", "oracle", "tensor", "vjp",
]

if TYPE_CHECKING:
    from . import byhand, gradcheck, interop, nn, ops, optim, oracle
    from .derivatives import grad, jvp, vjp
    from .graph import no_grad
    from .nn.weight_norm import StaleWeightError, WeightNorm, ZeroNormError
    from .tensors import Tensor, tensor
else:  # to a type checker, a module with `__getattr__` has every name

    def __getattr__(name: str) -> Any:
        if name in _SHELVES:
            return importlib.import_module(f".{name}", __name__)
        if name in _HOME:
            found = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
            globals()[name] = found
            return found
        raise AttributeError(f"module 'minwn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
