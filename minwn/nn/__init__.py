"""Things that own parameters: layers, containers, losses, and the reparameterisation WeightNorm."""

from . import init
from .activation import *
from .activation import __all__ as _activation
from .container import *
from .container import __all__ as _container
from .conv import *
from .conv import __all__ as _conv
from .linear import *
from .linear import __all__ as _linear
from .loss import *
from .loss import __all__ as _loss
from .module import *
from .module import __all__ as _module
from .norm import *
from .norm import __all__ as _norm
from .pooling import *
from .pooling import __all__ as _pooling
from .weight_norm import *
from .weight_norm import __all__ as _weight_norm

__all__ = [
    "init", *_module, *_linear, *_conv, *_activation, *_pooling, *_norm, *_container, *_loss,
    *_weight_norm,
]  # fmt: skip
