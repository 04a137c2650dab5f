"""An array class NumPy must not touch, so that a stray `np.` on a device array fails without a GPU.

Every NumPy protocol refuses. The class computes by unwrapping, through its own namespace, as a
CuPy array does through `cupy`: reductions and comparisons give 0-d arrays and no scalars, and it
meets no NumPy array except where `asarray`, `array` or an index takes one in.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

ATTRIBUTES = ("shape", "dtype", "ndim", "size", "flags")
METHODS = (
    "all", "any", "argmax", "astype", "copy", "cumsum", "max", "mean", "min", "prod", "repeat",
    "reshape", "squeeze", "sum", "swapaxes", "transpose",
)  # fmt: skip
BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
)  # fmt: skip
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
FROM_NUMPY = ("asarray", "array", "from_dlpack")  # the doors by which data comes in


class Foreign:
    """A NumPy array in a box that NumPy cannot open; `.host` opens it."""

    __array_ufunc__ = None

    def __init__(self, host: Any) -> None:
        self.host = np.asarray(host)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return namespace

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a NumPy function was called on a Foreign array")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a NumPy function was called on a Foreign array")

    @property
    def base(self) -> Any:
        return self.host.base

    @property
    def real(self) -> Foreign:
        return Foreign(self.host.real)

    @property
    def imag(self) -> Foreign:
        return Foreign(self.host.imag)

    @property
    def T(self) -> Foreign:
        return Foreign(self.host.T)

    def item(self) -> Any:
        return self.host.item()

    def __getitem__(self, index: Any) -> Foreign:
        return Foreign(self.host[_open(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[_open(index)] = _operand(value)

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __index__(self) -> int:
        return operator.index(self.host)

    def __neg__(self) -> Foreign:
        return Foreign(-self.host)

    def __abs__(self) -> Foreign:
        return Foreign(abs(self.host))

    def __invert__(self) -> Foreign:
        return Foreign(~self.host)

    def __repr__(self) -> str:
        return f"Foreign({self.host!r})"

    __hash__ = None  # type: ignore[assignment]


def _open(x: Any) -> Any:
    """x with every Foreign in it unwrapped."""
    if isinstance(x, Foreign):
        return x.host
    if isinstance(x, tuple | list):
        return type(x)(map(_open, x))
    return x


def _operand(x: Any) -> Any:
    """The NumPy form of what may meet a Foreign array: another, or a number."""
    if isinstance(x, np.ndarray | np.generic):
        raise TypeError(f"a NumPy {type(x).__name__} meets a Foreign array")
    if isinstance(x, tuple | list):
        return type(x)(map(_operand, x))
    return _open(x)


def _shut(x: Any) -> Any:
    """x with every array in it wrapped."""
    if isinstance(x, np.ndarray | np.generic):
        return Foreign(x)
    return type(x)(map(_shut, x)) if isinstance(x, tuple | list) else x


def _binary(name: str) -> Any:
    forward = getattr(operator, f"__{name}__")

    def method(self: Foreign, other: Any) -> Foreign:
        return Foreign(forward(self.host, _operand(other)))

    def mirrored(self: Foreign, other: Any) -> Foreign:
        return Foreign(forward(_operand(other), self.host))

    def in_place(self: Foreign, other: Any) -> Foreign:
        self.host[...] = forward(self.host, _operand(other))
        return self

    return method, mirrored, in_place


for _name in BINARY:
    for _prefix, _method in zip(("", "r", "i"), _binary(_name), strict=True):
        setattr(Foreign, f"__{_prefix}{_name}__", _method)
for _name in COMPARISONS:
    setattr(Foreign, f"__{_name}__", _binary(_name)[0])
for _name in ATTRIBUTES:
    setattr(Foreign, _name, property(lambda self, name=_name: getattr(self.host, name)))
for _name in METHODS:
    setattr(
        Foreign,
        _name,
        lambda self, *args, _name=_name, **kwargs: _shut(
            getattr(self.host, _name)(*_operand(args), **kwargs)
        ),
    )


class _Namespace:
    """NumPy's functions, for Foreign arrays only."""

    __name__ = "foreign"

    def add_at(self, x: Foreign, index: Any, values: Foreign) -> None:
        np.add.at(x.host, _open(index), _operand(values))

    def erf(self, x: Foreign) -> Foreign:
        return Foreign(np.vectorize(math.erf, otypes=[x.dtype])(x.host))

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function
        enter = _open if name in FROM_NUMPY else _operand

        def call(*args: Any, **kwargs: Any) -> Any:
            return _shut(function(*enter(args), **{k: enter(v) for k, v in kwargs.items()}))

        return call


namespace = _Namespace()
