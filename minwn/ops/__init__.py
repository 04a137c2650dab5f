"""The differentiable operations. Each name is a function of arrays or Tensors; given arrays alone
it returns an array and records nothing."""

from .elementwise import *
from .elementwise import __all__ as _elementwise
from .matrix import *
from .matrix import __all__ as _matrix
from .reduce import *
from .reduce import __all__ as _reduce
from .shape import *
from .shape import __all__ as _shape
from .window import *
from .window import __all__ as _window

__all__ = [*_shape, *_elementwise, *_reduce, *_matrix, *_window]
