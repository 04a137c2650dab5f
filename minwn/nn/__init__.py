"""Things that own parameters: layers, containers, losses, and the reparameterisation WeightNorm."""

from . import init
from .linear import *
from .linear import __all__ as _linear
from .module import *
from .module import __all__ as _module
from .weight_norm import *
from .weight_norm import __all__ as _weight_norm

__all__ = ["init", *_module, *_linear, *_weight_norm]
