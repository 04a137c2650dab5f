"""Layers, containers and losses, and the reparameterisation WeightNorm."""

from . import init
from .activation import *
from .activation import __all__ as _activation
from .container import *
from .container import __all__ as _container
from .conv import *
from .conv import __all__ as _conv
from .data_init import *
from .data_init import __all__ as _data_init
from .dora import *
from .dora import __all__ as _dora
from .exponential import *
from .exponential import __all__ as _exponential
from .folding import *
from .folding import __all__ as _folding
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
from .projection import *
from .projection import __all__ as _projection
from .recurrent import *
from .recurrent import __all__ as _recurrent
from .substitute import *
from .substitute import __all__ as _substitute
from .weight_norm import *
from .weight_norm import __all__ as _weight_norm
from .weight_norm_wrapper import *
from .weight_norm_wrapper import __all__ as _weight_norm_wrapper

__all__ = [
    "init", *_module, *_linear, *_conv, *_recurrent, *_activation, *_pooling, *_norm, *_container,
    *_loss, *_weight_norm, *_weight_norm_wrapper, *_exponential, *_dora, *_data_init,
    *_projection, *_substitute, *_folding,
]
