"""The differentiable operations. Each name is a function of arrays or Tensors; given arrays alone
it returns an array and records nothing.

Data are positional, options go by keyword: ops.sum(x, axis=0). Functions of each entry broadcast as
NumPy's do, and the gradient is summed back. `axis` is a number, several, or None for all.
Raises TypeError for anything but arrays, Tensors and Python's numbers, ValueError for shapes that
do not fit, and IndexError for an axis that there is not.
"""

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
