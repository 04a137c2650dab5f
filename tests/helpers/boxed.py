"""NumPy arrays in boxes that NumPy cannot open: array libraries to test with, where there is none.

A library is a class of boxes and a namespace of functions. Its arrays compute by unwrapping, in
their namespace only, as a CuPy array does in `cupy`: every NumPy protocol refuses, reductions and
comparisons give 0-d arrays and no scalars, and a box meets no NumPy array except where a door of
the library takes one in. So a stray `np.` on a device array fails without a device.
"""

from __future__ import annotations

import operator
from typing import Any, ClassVar

import numpy as np

ATTRIBUTES = ("shape", "dtype", "ndim", "size", "flags")
VIEWS = ("reshape", "squeeze", "swapaxes", "transpose")
METHODS = (
    "all", "any", "argmax", "argmin", "astype", "copy", "cumsum", "max", "mean", "min", "prod",
    "repeat", "round", "sum",
)
BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
)
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


class Boxed:
    """A NumPy array in a box; `.host` opens it."""

    __array_ufunc__ = None
    origin: ClassVar[str]  # what messages call it

    def __init__(self, host: Any) -> None:
        self.host = np.asarray(host)

    # ---- hooks of a library ---------------------------------------------------------------------

    @classmethod
    def operand(cls, x: Any) -> Any:
        """The NumPy form of what may meet an array of this class: another, or a number."""
        if isinstance(x, np.ndarray | np.generic):
            raise TypeError(f"a NumPy {type(x).__name__} meets a {cls.origin} array")
        return within(cls.operand, x)

    def view(self, host: Any) -> Any:
        """Another array over the same memory."""
        return type(self)(host)

    @classmethod
    def check_method(cls, name: str, keywords: Any) -> None:
        """Raise TypeError for a keyword that the method of this name does not have."""

    # ---- what NumPy must not do -----------------------------------------------------------------

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"a NumPy function was called on a {self.origin} array")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"a NumPy function was called on a {self.origin} array")

    # ---- what an array offers -------------------------------------------------------------------

    @property
    def base(self) -> Any:
        return self.host.base

    @property
    def real(self) -> Any:
        return self.view(self.host.real)

    @property
    def imag(self) -> Any:
        return self.view(self.host.imag)

    @property
    def T(self) -> Any:
        return self.view(self.host.T)

    def item(self) -> Any:
        return self.host.item()

    def __getitem__(self, index: Any) -> Any:
        found = self.host[opened(index)]
        shares = isinstance(found, np.ndarray) and np.may_share_memory(found, self.host)
        return self.view(found) if shares else type(self)(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[opened(index)] = self.operand(value)

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

    def __neg__(self) -> Any:
        return type(self)(-self.operand(self))

    def __abs__(self) -> Any:
        return type(self)(abs(self.operand(self)))

    def __invert__(self) -> Any:
        return type(self)(~self.operand(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r})"

    __hash__ = None  # type: ignore[assignment]


def within(f: Any, x: Any) -> Any:
    """f of every item where x is a tuple or a list; the array of a box; anything else as it is."""
    if isinstance(x, tuple | list):
        return type(x)(map(f, x))
    return x.host if isinstance(x, Boxed) else x


def opened(x: Any) -> Any:
    """x with every box in it opened."""
    return within(opened, x)


def boxed(kind: type[Boxed], x: Any) -> Any:
    """x with every array in it in a box."""
    if isinstance(x, np.ndarray | np.generic):
        return kind(x)
    return type(x)(boxed(kind, y) for y in x) if isinstance(x, tuple | list) else x


def _binary(name: str) -> Any:
    forward = getattr(operator, f"__{name}__")

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Boxed | np.ndarray | np.generic | complex | float | int):
            return NotImplemented  # a Tensor, say, knows what to do
        return type(self)(forward(self.operand(self), self.operand(other)))

    def mirrored(self: Any, other: Any) -> Any:
        return type(self)(forward(self.operand(other), self.operand(self)))

    def in_place(self: Any, other: Any) -> Any:
        self.host[...] = forward(self.operand(self), self.operand(other))
        return self

    return method, mirrored, in_place


def _method(name: str, is_view: bool) -> Any:
    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        self.check_method(name, keywords)
        own = self.host
        found = getattr(own, name)(*self.operand(args), **keywords)
        if is_view and np.may_share_memory(found, own):
            return self.view(found)
        if name != "copy":
            self.operand(self)  # raises where it may not be computed with
        return type(self)(found)

    return method


for _name in BINARY:
    for _prefix, _made in zip(("", "r", "i"), _binary(_name), strict=True):
        setattr(Boxed, f"__{_prefix}{_name}__", _made)
for _name in COMPARISONS:
    setattr(Boxed, f"__{_name}__", _binary(_name)[0])
for _name in ATTRIBUTES:
    setattr(Boxed, _name, property(lambda self, name=_name: getattr(self.host, name)))
for _name in VIEWS + METHODS:
    setattr(Boxed, _name, _method(_name, _name in VIEWS))


def function(kind: type[Boxed], f: Any, *, door: bool = False) -> Any:
    """A NumPy function for boxes of one kind only; a door lets NumPy's arrays in as well."""
    enter = opened if door else kind.operand

    def call(*args: Any, **keywords: Any) -> Any:
        return boxed(kind, f(*enter(args), **{k: enter(v) for k, v in keywords.items()}))

    return call
