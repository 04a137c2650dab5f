"""Weight normalisation, w = g v / ||v||, written to be read, checked and trusted."""

from . import byhand, nn, ops
from .graph import no_grad
from .nn.weight_norm import StaleWeightError, WeightNorm, ZeroNormError
from .tensor import Tensor, grad, jvp, tensor, vjp

__version__ = "0.1.0"

__all__ = [
    "StaleWeightError",
    "Tensor",
    "WeightNorm",
    "ZeroNormError",
    "byhand",
    "grad",
    "jvp",
    "nn",
    "no_grad",
    "ops",
    "tensor",
    "vjp",
]
