"""Weight normalisation, w = g v / ||v||, written to be read, checked and trusted."""

from . import ops
from .graph import no_grad
from .tensor import Tensor, grad, jvp, tensor, vjp

__version__ = "0.1.0"

__all__ = ["Tensor", "grad", "jvp", "no_grad", "ops", "tensor", "vjp"]
