"""Tensor: a Value with operators.

One line a method; what a method does is said where the operation is defined, in `ops`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import backend, ops
from .backend import Array, Host
from .graph import Primitive, Value, raw, walk
from .small import one_like

__all__ = ["Tensor", "like", "owned", "tensor", "walk_from"]

# NumPy's functions on Tensors: np.exp(x) is ops.exp(x) where both exist under one name.
_UFUNCS = {"absolute": "abs", "true_divide": "divide"}
# array < tensor asks the Tensor, from the other side.
_MIRRORED = {
    "equal": "__eq__", "not_equal": "__ne__", "less": "__gt__", "greater": "__lt__",
    "less_equal": "__ge__", "greater_equal": "__le__",
}  # fmt: skip


class Tensor(Value):
    """An array that can be differentiated through. Make one with `minwn.tensor`.

    `data` is the array; assigning to it is an update, and makes whatever was computed from the
    Tensor older than it. `grad` is a Tensor, or None before a backward pass.
    """

    __slots__ = ()

    # ---- what it holds --------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        data = raw(data)
        if not backend.is_array(data):
            data = backend.asarray(data, like=self._data, dtype=self._data.dtype)
        if data.shape != self._data.shape:
            raise ValueError(f"data of shape {data.shape} for a Tensor of shape {self._data.shape}")
        if self.requires_grad and not backend.is_floating(data.dtype):
            raise TypeError(f"data of {data.dtype} for a Tensor that requires gradients")
        self.assign(data if data.shape else backend.asarray(data, like=data))  # never a scalar

    @property
    def grad(self) -> Tensor | None:
        """The cotangent that backward passes have added up here, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(like(value, self))
            if value.shape != self.shape:
                raise ValueError(f"grad of shape {value.shape} for a Tensor of shape {self.shape}")
        self._grad = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> Any:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def device(self) -> str:
        return backend.device(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor was given, not computed from others that require gradients."""
        return self._op is None

    def item(self) -> Any:
        return self._data.item()

    def numpy(self) -> Any:
        """The array itself, or a copy of it on the host; no longer part of the graph."""
        return backend.to_numpy(self._data)

    def detach(self) -> Tensor:
        """The same array in a Tensor without a history."""
        return Tensor(self._data)

    def to(self, where: Any) -> Tensor:
        """On another device ("cpu", "cuda", "cuda:1") or in another dtype; itself if already so."""
        if backend.is_device(where):
            at = f"{where}:0" if where == "cuda" else where
            return self if self.device == at else ops.move(self, device=where)
        dtype = backend.dtype_of(where)
        if dtype == self.dtype:
            return self
        return ops.cast(self if backend.is_floating(dtype) else self.detach(), dtype=dtype)

    def astype(self, dtype: Any) -> Tensor:
        return self.to(dtype)

    # ---- derivatives ----------------------------------------------------------------------------

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add to the `grad` of every leaf the cotangent that `gradient` gives it.

        gradient: the cotangent of this Tensor, of its shape; 1 where this has one entry.
        Raises RuntimeError without a graph or with one freed before, ValueError for a gradient
        that is missing or of another shape.
        """
        bars = walk_from(self, gradient, None, retain_graph, create_graph)
        for leaf, bar in zip(bars, owned(bars.values(), gradient), strict=True):
            leaf._grad = bar if leaf._grad is None else leaf._grad + bar

    # ---- operators ------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index=index)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return _compared(operator.eq, self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return _compared(operator.ne, self, other)

    def __lt__(self, other: Any) -> Tensor:
        return _compared(operator.lt, self, other)

    def __le__(self, other: Any) -> Tensor:
        return _compared(operator.le, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _compared(operator.gt, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _compared(operator.ge, self, other)

    # ---- methods --------------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:
        return ops.transpose(self)

    def transpose(self, *axes: Any) -> Tensor:
        return ops.transpose(self, axes=_spread(axes) or None)

    def swapaxes(self, a: int, b: int) -> Tensor:
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return ops.transpose(self, axes=tuple(order))

    def reshape(self, *shape: Any) -> Tensor:
        return ops.reshape(self, shape=_spread(shape))

    def flatten(self, start: int = 0) -> Tensor:
        return ops.reshape(self, shape=(*self.shape[:start], math.prod(self.shape[start:])))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
        return ops.var(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Array:
        return self._data.argmax(axis=axis)

    def exp(self) -> Tensor:
        return ops.exp(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def abs(self) -> Tensor:
        return ops.abs(self)

    def tanh(self) -> Tensor:
        return ops.tanh(self)

    def relu(self) -> Tensor:
        return ops.relu(self)

    def sigmoid(self) -> Tensor:
        return ops.sigmoid(self)

    # ---- manners --------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self._data.__index__()

    def __repr__(self) -> str:
        text = repr(self._data).partition("(")[2].rpartition(")")[0] or str(self._data)
        note = f", from={self._op.name}" if self._op else ", requires_grad=True"
        return f"tensor({text}{note if self.requires_grad else ''})"

    def __copy__(self) -> Tensor:
        return type(self)(self._data, self.requires_grad and self._op is None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf with an array and a grad of its own; what it was computed from stays behind."""
        copy = type(self)(backend.copy(self._data), self.requires_grad and self._op is None)
        if self._grad is not None:
            copy._grad = Tensor(backend.copy(self._grad.data))
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> Any:
        return type(self), (self._data, self.requires_grad and self._op is None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.requires_grad:
            raise TypeError(
                f"NumPy would take this Tensor of shape {self.shape} out of its graph silently; "
                f"use .numpy(), or the function of the same name in minwn.ops"
            )
        array = backend.to_numpy(self._data)
        array = array if dtype is None else array.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method == "__call__" and not kwargs:
            if name in _MIRRORED and isinstance(inputs[1], Tensor):
                return getattr(inputs[1], _MIRRORED[name])(inputs[0])
            op = Primitive.registry.get(_UFUNCS.get(name, name))
            if op is not None:
                return op(*inputs)
        raise TypeError(
            f"numpy.{name} ({method}) does not know Tensors; use minwn.ops, or .numpy() first"
        )

    def __dlpack__(self, **kwargs: Any) -> Any:
        data = self._data
        if isinstance(data, Host) and not data.flags.writeable:
            data = backend.copy(data)  # who takes it does not know that it must not write there
        return data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()


Tensor.result_type = Tensor


def _compared(f: Callable[..., Any], x: Tensor, other: Any) -> Tensor:
    return Tensor(backend.asarray(backend.run(x._data, f, x._data, raw(other))))


def _spread(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    together = len(numbers) == 1 and isinstance(numbers[0], tuple | list)
    return tuple(numbers[0]) if together else numbers


def like(x: Any, other: Tensor) -> Any:
    """x, or the array that its numbers make in the dtype and library of the other."""
    known = isinstance(x, Value) or backend.is_array(x)
    return x if known else backend.asarray(x, like=other._data, dtype=other.dtype)


def tensor(data: Any, requires_grad: bool = False, *, dtype: Any = None) -> Tensor:
    """A Tensor of the data: an array of any library, a Tensor, or numbers in nested lists.

    Arrays keep their dtype and are copied; Python's floats become float32, like parameters.
    Raises TypeError for data that has no numeric dtype, or integers that require gradients.
    """
    data = raw(data)
    if dtype is not None:
        dtype = backend.dtype_of(dtype)
    array = backend.asarray(data)
    if array.dtype.kind not in "biufc" and not backend.is_floating(array.dtype):
        raise TypeError(f"a Tensor cannot hold {array.dtype}: {str(data)[:60]}")
    if dtype is None and not hasattr(data, "dtype") and array.dtype == "float64":
        dtype = backend.dtype_of("float32")
    return Tensor(backend.copy(array, dtype), requires_grad)


def owned(bars: Iterable[Any], cotangent: Any) -> list[Tensor]:
    """Cotangents as Tensors with memory of their own, apart from the cotangent they came from.

    On its way one may be a scalar, a view of another, or the same array for two inputs.
    """
    taken, found = {id(raw(cotangent))}, []
    for bar in bars:
        data = bar._data if isinstance(bar, Value) else bar
        if id(data) in taken or getattr(data, "base", None) is not None:
            bar = ops.cast(bar, dtype=data.dtype)
            data = raw(bar)
        if bar is data:
            bar = Tensor(data if data.shape else backend.asarray(data, like=data))
        taken.add(id(bar._data))
        found.append(bar)
    return found


def walk_from(output: Any, cotangent: Any, targets: Any, retain: bool, create: bool) -> Any:
    """`graph.walk`, from a Tensor, once its cotangent has been found to fit."""
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise RuntimeError(
            "nothing to differentiate: the output does not depend on a Tensor that requires "
            "gradients, or was computed under no_grad"
        )
    data = output._data
    if cotangent is None:
        if data.size != 1:
            raise ValueError(
                f"an output of shape {data.shape} has many gradients; pass its cotangent, "
                f"an array of that shape, or reduce it to one number"
            )
        one = one_like(data)
        cotangent = Tensor(one) if create else one
        return walk(output, cotangent, targets, retain_graph=retain, create_graph=create)
    cotangent = like(cotangent, output)
    backend.namespace(raw(cotangent), data)
    if cotangent.shape != data.shape or cotangent.dtype != data.dtype:
        raise ValueError(
            f"cotangent {cotangent.dtype} {cotangent.shape} for an output "
            f"{data.dtype} {data.shape}; they must agree"
        )
    if create:
        cotangent = cotangent if isinstance(cotangent, Tensor) else Tensor(cotangent)
    else:
        cotangent = raw(cotangent)
    return walk(output, cotangent, targets, retain_graph=retain, create_graph=create)
