"""Weight normalisation, w = g v / ||v||, written to be read, checked and trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import attributes

__version__ = "0.1.0"

# name -> the module that it is in, "" for a module. Each is imported when first asked for, so that
# `import minwn` costs nothing, to pytest's plugin and the command line as well.
_HOME = {
    "Tensor": "tensors", "tensor": "tensors",
    "grad": "derivatives", "jvp": "derivatives", "vjp": "derivatives",
    "no_grad": "graph",
    "StaleWeightError": "nn.weight_norm", "WeightNorm": "nn.weight_norm",
    "ZeroNormError": "nn.weight_norm",
    **dict.fromkeys(("byhand", "gradcheck", "interop", "nn", "ops", "optim", "oracle"), ""),
}

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
    __getattr__, __dir__ = attributes(__name__, _HOME)
