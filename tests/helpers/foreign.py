"""An array library that minwn has never heard of: arrays that offer `__array_namespace__`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .boxed import Boxed, boxed, function, opened

FROM_NUMPY = ("asarray", "array", "from_dlpack")  # the doors by which data comes in


class Foreign(Boxed):
    """A NumPy array in a box that NumPy cannot open."""

    origin = "Foreign"

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return namespace


class _Namespace:
    """NumPy's functions, for Foreign arrays only."""

    __name__ = "foreign"

    def add_at(self, x: Foreign, index: Any, values: Foreign) -> None:
        np.add.at(x.host, opened(index), Foreign.operand(values))

    def erf(self, x: Foreign) -> Foreign:
        return Foreign(np.vectorize(math.erf, otypes=[x.dtype])(x.host))

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type):
            return boxed(Foreign, found)
        return function(Foreign, found, door=name in FROM_NUMPY)


namespace = _Namespace()
