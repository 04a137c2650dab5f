"""Tensor: a Value with operators.

One line a method; the operations are documented in `ops`, where they are defined.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from . import backend, ops
from .backend import Array, Axis, Host, Shape
from .graph import Primitive, Value, is_recording, raw, walk
from .small import one_like
from .validation import door, flag, shown, whole

__all__ = ["Argument", "Operand", "Tensor", "fitting", "like", "owned", "tensor", "walk_from"]

# NumPy's functions on Tensors: np.exp(x) is ops.exp(x) where both exist under one name.
_UFUNCS = {"absolute": "abs", "true_divide": "divide"}
# np.isnan(x), and array < x, are constants, like x < 0.
_COMPARISONS = {
    "equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "signbit",
}
_BITWISE = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}
_WHOLE = {"b", "i", "u"}  # kinds of dtype

# The other operand of a Tensor in arithmetic.
Operand: TypeAlias = "Tensor | Array | complex"
Method = Callable[["Tensor", Operand], "Tensor"]


def _infix(sign: str, name: str, operation: Callable[..., Tensor]) -> tuple[Method, ...]:
    """The methods for x + y, y + x and x += y, of any sign."""

    def left(self: Tensor, other: Operand) -> Tensor:
        return operation(self, other)

    def right(self: Tensor, other: Operand) -> Tensor:
        return operation(other, self)

    def in_place(self: Tensor, other: Operand) -> Tensor:
        return self._in_place(sign, operation, other)

    methods = (left, right, in_place)
    return tuple(_named(f"__{k}{name}__", f) for k, f in zip(("", "r", "i"), methods, strict=True))


def _constant_of(name: str, f: Callable[..., Any]) -> Method:
    """The method for x < y, or x & y: f of the arrays, as a constant."""
    of = _bitwise if name in ("and", "or", "xor") else _constant
    return door(_named(f"__{name}__", lambda self, other: of(f, self, other)))


def _named(name: str, f: Method) -> Method:
    """f with the name that it has in messages and tracebacks."""
    f.__name__, f.__qualname__ = name, f"Tensor.{name}"
    return f


def _constant(f: Callable[..., Any], *inputs: Any) -> Tensor:
    """f of the arrays, without a history."""
    first = next(x for x in inputs if isinstance(x, Tensor))
    return Tensor(backend.asarray(backend.run(first._data, f, *map(raw, inputs))))


def _bitwise(f: Callable[..., Any], *inputs: Any) -> Tensor:
    for x in map(raw, inputs):
        if not isinstance(x, int) and getattr(getattr(x, "dtype", x), "kind", "") not in _WHOLE:
            raise TypeError(
                f"&, |, ^ and ~ are for bool and whole numbers, and this is {shown(x)}; "
                f"compare first, as in (x > 0) & (y > 0)"
            )
    return _constant(f, *inputs)


class Tensor(Value):
    """An array that can be differentiated through. Make one with `minwn.tensor`.

    `data` is the array; assigning to it is an update, after which everything computed from
    the Tensor is older than it. `grad` is a Tensor, or None before a backward pass.

    Arrays that meet a Tensor in an operation, a batch or labels or an index, are kept by reference:
    do not write to them before the backward pass.
    """

    __slots__ = ()
    result_type: type[Tensor]
    _twin: Any = None  # the replacement of a Parameter; see nn.weight_norm

    # ---- what it holds --------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        data = raw(data)
        if data is None:
            raise TypeError(f"data=None for a Tensor of shape {self.shape}; give an array")
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
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(like(value, self))
            if value.shape != self.shape:
                raise ValueError(f"grad of shape {value.shape} for a Tensor of shape {self.shape}")
        self._grad = value

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the array."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._data.size

    @property
    def device(self) -> str:
        """Where the array is: "cpu", or a GPU such as "cuda:0"."""
        return backend.device(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor was given, not computed from others that require gradients."""
        return self._op is None

    def item(self) -> Any:
        """The entry of a Tensor of size 1, as a Python number.  Raises ValueError for others."""
        if self._data.size != 1:
            raise ValueError(
                f"a Tensor of shape {self.shape} is no number, only one of size 1 is; reduce it "
                f"first, with .sum() or .mean(), or take one entry"
            )
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
        """The same as `to`, for a dtype."""
        return self.to(dtype)

    # ---- derivatives ----------------------------------------------------------------------------

    @door
    def backward(
        self, gradient: Any = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add to the `grad` of every leaf the cotangent that `gradient` gives it.

        gradient: the cotangent of this Tensor, of its shape; 1 where this has one entry.
        Raises RuntimeError without a graph or with one freed before, ValueError for a gradient
        that is missing or of another shape.
        """
        bars = walk_from(self, gradient, None, retain_graph, create_graph)
        start = one_like(self._data) if gradient is None else gradient
        for leaf, bar in zip(bars, owned(bars.values(), start), strict=True):
            leaf._grad = bar if leaf._grad is None else leaf._grad + bar

    # ---- operators ------------------------------------------------------------------------------

    __hash__ = object.__hash__

    __add__, __radd__, __iadd__ = _infix("+", "add", ops.add)
    __sub__, __rsub__, __isub__ = _infix("-", "sub", ops.subtract)
    __mul__, __rmul__, __imul__ = _infix("*", "mul", ops.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _infix("/", "truediv", ops.divide)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _infix("//", "floordiv", ops.floor_divide)
    __mod__, __rmod__, __imod__ = _infix("%", "mod", ops.remainder)
    __pow__, __rpow__, __ipow__ = _infix("**", "pow", ops.power)
    __matmul__, __rmatmul__, __imatmul__ = _infix("@", "matmul", ops.matmul)
    __and__, __rand__, __iand__ = _infix("&", "and", _constant_of("and", operator.and_))
    __or__, __ror__, __ior__ = _infix("|", "or", _constant_of("or", operator.or_))
    __xor__, __rxor__, __ixor__ = _infix("^", "xor", _constant_of("xor", operator.xor))
    __eq__ = _constant_of("eq", operator.eq)  # type: ignore[assignment]
    __ne__ = _constant_of("ne", operator.ne)  # type: ignore[assignment]
    __lt__, __le__ = _constant_of("lt", operator.lt), _constant_of("le", operator.le)
    __gt__, __ge__ = _constant_of("gt", operator.gt), _constant_of("ge", operator.ge)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __pos__(self) -> Tensor:
        return ops.cast(self, dtype=self.dtype)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __divmod__(self, other: Operand) -> tuple[Tensor, Tensor]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Tensor, Tensor]:
        return ops.floor_divide(other, self), ops.remainder(other, self)

    def __round__(self, decimals: int | None = None) -> Tensor:
        return ops.round(self, decimals=decimals or 0)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index=index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "the entries of a Tensor are not assigned; ops.where(mask, value, x) gives a new "
            "Tensor, ops.put_at one of zeros beside the value, and x.data = array puts a new "
            "array in a leaf"
        )

    def __delitem__(self, index: Any) -> None:
        raise TypeError("the entries of a Tensor are not deleted; index those that are to stay")

    def __invert__(self) -> Tensor:
        return _bitwise(operator.invert, self)

    # ---- in place -------------------------------------------------------------------------------

    @property
    def assigned_in_place(self) -> bool:
        """Whether x += y assigns to x, and does not make a new Tensor."""
        return self.is_leaf and self.requires_grad

    def _in_place(self, sign: str, operation: Callable[..., Tensor], other: Operand) -> Tensor:
        """x += y: a new Tensor. But a Parameter, a Buffer, or a leaf that requires gradients stays
        itself and is assigned the result, of its shape and dtype.

        Raises RuntimeError where operations on it are recorded, or the result would have a history,
        ValueError for another shape, and TypeError for another dtype.
        """
        if not self.assigned_in_place:
            return operation(self, other)
        this = f"x {sign}= y of a {type(self).__name__} of shape {self.shape}"
        if self.requires_grad and is_recording():
            raise RuntimeError(
                f"{this} that requires gradients: step within `with no_grad():`, or by an "
                f"optimiser of minwn.optim; x = x {sign} y gives a new Tensor"
            )
        result = operation(self, other)
        if result.requires_grad:
            raise RuntimeError(
                f"{this}, by a Tensor that requires gradients, whose history it cannot keep; use "
                f"y.detach(), or step within `with no_grad():`"
            )
        if result.shape != self.shape:
            raise ValueError(f"{this} would give it the shape {result.shape}; it keeps its shape")
        if result.dtype != self.dtype:
            raise TypeError(
                f"{this} would make {result.dtype} of {self.dtype}; convert y, or assign "
                f"x.data = (x {sign} y).to({str(self.dtype)!r})"
            )
        self.assign(result._data)
        return self

    # ---- methods --------------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return ops.transpose(self)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, x.transpose(1, 0, 2) or of a tuple; reversed without any.

        Raises ValueError unless each axis is there once.  See `ops.transpose`.
        """
        return ops.transpose(self, axes=_spread(axes) or None)

    @door
    def swapaxes(self, a: int, b: int) -> Tensor:
        """Axes a and b in each other's place.  Raises IndexError for one that there is not."""
        order, a, b = list(range(self.ndim)), whole("a", a, None), whole("b", b, None)
        order[a], order[b] = order[b], order[a]
        return ops.transpose(self, axes=tuple(order))

    def reshape(self, *shape: Any, order: str = "C") -> Tensor:
        """The entries in another shape: x.reshape(2, -1), or of a tuple; one length may be -1.

        Raises ValueError where they do not fill it, or for another order.  See `ops.reshape`.
        """
        if order != "C":
            raise ValueError(f"reshape: order={order!r}; entries are read in the order 'C' only")
        return ops.reshape(self, shape=_spread(shape))

    @door
    def flatten(self, start: int = 0) -> Tensor:
        """The axes from `start` on made one.  Raises IndexError for a start that is no axis."""
        if not -self.ndim <= whole("start", start, None) < max(self.ndim, 1):
            raise IndexError(f"flatten: start={start} of a Tensor of shape {self.shape}")
        return ops.reshape(self, shape=(*self.shape[:start], math.prod(self.shape[start:])))

    def sum(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """The sum over axis: `ops.sum`."""
        _check_none("sum", others)
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """The mean over axis: `ops.mean`."""
        _check_none("mean", others)
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def var(
        self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, **others: Any
    ) -> Tensor:
        """The variance over axis: `ops.var`."""
        _check_none("var", others)
        return ops.var(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def std(
        self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, **others: Any
    ) -> Tensor:
        """The standard deviation over axis: `ops.std`."""
        _check_none("std", others)
        return ops.std(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def prod(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """The product over axis: `ops.prod`."""
        _check_none("prod", others)
        return ops.prod(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, **others: Any) -> Tensor:
        """The sums up to each entry along axis, of all entries where it is None: `ops.cumsum`."""
        _check_none("cumsum", others)
        return ops.cumsum(self, axis=axis)

    def max(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """The largest entry over axis: `ops.max`. Equal ones share the cotangent."""
        _check_none("max", others)
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """The smallest entry over axis: `ops.min`. Equal ones share the cotangent."""
        _check_none("min", others)
        return ops.min(self, axis=axis, keepdims=keepdims)

    @door
    def all(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """Whether all entries over axis are true; a constant, like a comparison."""
        _check_none("all", others)
        return _constant(lambda x: x.all(axis=axis, keepdims=keepdims), self)

    @door
    def any(self, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
        """Whether one entry over axis is true; a constant, like a comparison."""
        _check_none("any", others)
        return _constant(lambda x: x.any(axis=axis, keepdims=keepdims), self)

    @door
    def argmax(self, axis: int | None = None, **others: Any) -> Any:
        """The index of the first largest entry along axis, as an array; or of all, as a number."""
        _check_none("argmax", others)
        return self._data.argmax(axis=axis)

    def round(self, decimals: int = 0, **others: Any) -> Tensor:
        """Rounded to so many decimals, with derivative 0: `ops.round`."""
        _check_none("round", others)
        return ops.round(self, decimals=decimals)

    def exp(self) -> Tensor:
        """e^x, entry by entry."""
        return ops.exp(self)

    def log(self) -> Tensor:
        """The natural logarithm, entry by entry."""
        return ops.log(self)

    def sqrt(self) -> Tensor:
        """The square root, entry by entry."""
        return ops.sqrt(self)

    def abs(self) -> Tensor:
        """|x|, entry by entry, with derivative 0 at 0."""
        return ops.abs(self)

    def tanh(self) -> Tensor:
        """tanh x, entry by entry."""
        return ops.tanh(self)

    def relu(self) -> Tensor:
        """max(x, 0), entry by entry, with derivative 0 at 0."""
        return ops.relu(self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + e^-x), entry by entry."""
        return ops.sigmoid(self)

    # ---- manners --------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor of shape () is unsized, it has no axes; take its .item()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous; compare, then use "
                f".all() or .any(), as in (x > 0).all()"
            )
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.size != 1 or self.dtype.kind not in "biu":
            raise TypeError(f"{shown(self)} is no whole number; take one with int(x)")
        return int(self._data)

    def __trunc__(self) -> int:
        return int(self)

    def __format__(self, spec: str) -> str:
        """The number of a Tensor of one entry, as in f"{loss:.3f}"; without a spec, its repr."""
        if not spec:
            return str(self)
        if self.size != 1:
            raise TypeError(
                f"the format {spec!r} is for one number, and this Tensor has shape {self.shape}; "
                f"reduce it, or format its entries"
            )
        return format(self.item(), spec)

    def __repr__(self) -> str:
        text = repr(self._data).partition("(")[2].rpartition(")")[0] or str(self._data)
        note = f", from={self._op.name}" if self._op else ", requires_grad=True"
        return f"tensor({text}{note if self.requires_grad else ''})"

    def __copy__(self) -> Tensor:
        return type(self)(self._data, self.requires_grad and self._op is None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf with its own array and grad, and without the history."""
        copy = type(self)(backend.copy(self._data), self.requires_grad and self._op is None)
        if self._grad is not None:
            copy._grad = Tensor(backend.copy(self._grad.data))
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> Any:
        return type(self), (self._data, self.requires_grad and self._op is None)

    if not TYPE_CHECKING:  # or NumPy's annotations would make array * Tensor an array

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            if self.requires_grad:
                raise TypeError(
                    f"NumPy would take this Tensor of shape {self.shape} out of its graph "
                    f"silently; use .numpy(), or the function of the same name in minwn.ops"
                )
            array = backend.to_numpy(self._data)
            array = array if dtype is None else array.astype(dtype, copy=False)
            return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method == "__call__" and not kwargs:
            if name in _COMPARISONS:
                return _constant(ufunc, *inputs)
            if name in _BITWISE:
                return _bitwise(ufunc, *inputs)
            if name == "divmod":
                return ops.floor_divide(*inputs), ops.remainder(*inputs)
            op = Primitive.registry.get(_UFUNCS.get(name, name))
            if op is not None:
                return op(*inputs)
        way = "; a Tensor changes no array in place: a = a + x" if kwargs.get("out") else ""
        raise TypeError(
            f"numpy.{name} ({method}) does not know Tensors; use minwn.ops, or .numpy() first{way}"
        )

    def __dlpack__(self, **kwargs: Any) -> Any:
        data: Any = self._data
        if isinstance(data, Host) and not data.flags.writeable:
            if kwargs.get("copy") is False:
                raise BufferError(
                    f"the memory of this Tensor of shape {self.shape} is read-only, and is handed "
                    f"over as a copy; leave out copy=False"
                )
            data = backend.copy(data)  # the receiver does not know that it must not write there
        return data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        data: Any = self._data
        return data.__dlpack_device__()


Tensor.result_type = Tensor


class _Elsewhere:
    """A name that other libraries have; reading it raises an error that names minwn's.

    Not by `__getattr__`, which would make every attribute of a Tensor slower to read.
    """

    def __init__(self, name: str, here: str) -> None:
        self.name, self.here = name, here

    def __get__(self, x: Any, kind: type) -> Any:
        text = f"{kind.__name__} has no attribute {self.name!r}; write {self.here}"
        raise AttributeError(text, name=self.name, obj=x)


_ELSEWHERE = {
    "argmin": "(-x).argmax(axis)", "clone": "copy.deepcopy(x), or x + 0 in a graph",
    "contiguous": "x", "cpu": "x.to('cpu')", "cuda": "x.to('cuda')", "dim": "x.ndim",
    "double": "x.to('float64')", "expand": "ops.broadcast_to(x, shape=...)",
    "float": "x.to('float32')", "half": "x.to('float16')", "matmul": "x @ y",
    "permute": "x.transpose(...)", "pow": "x ** y", "softmax": "ops.softmax(x, axis=...)",
    "squeeze": "x.reshape(...)", "t": "x.T",
    "tolist": "x.numpy().tolist()", "type": "x.to(dtype)", "unsqueeze": "x[None]",
    "view": "x.reshape(...)", "zero_": "x.grad = None for gradients",
}
for _name, _here in _ELSEWHERE.items():
    setattr(Tensor, _name, _Elsewhere(_name, _here))


class Argument(Tensor):
    """A leaf by which a function is differentiated. In the function it is like any other Tensor:
    x += y gives a new one."""

    __slots__ = ()
    assigned_in_place = False


def _check_none(name: str, others: dict[str, Any]) -> None:
    """np.sum(x) calls x.sum(axis=..., out=None). Raises TypeError for any other argument."""
    for key, value in others.items():
        if key in ("dim", "keepdim"):
            here = "axis" if key == "dim" else "keepdims"
            raise TypeError(f"{name}: {key}={shown(value)} is called {here} here, as in NumPy")
        if value is not None:
            raise TypeError(f"{name}: {key}={shown(value)} is no argument of a Tensor's {name}")


def _spread(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    """f(2, 3) and f((2, 3)) mean the same, and so do f() and f(None)."""
    if len(numbers) == 1 and numbers[0] is None:
        return ()
    together = len(numbers) == 1 and isinstance(numbers[0], tuple | list)
    return tuple(numbers[0]) if together else numbers


def like(x: Any, other: Tensor) -> Any:
    """x, or the array that its numbers make in the dtype and library of the other."""
    known = isinstance(x, Value) or backend.is_array(x)
    return x if known else backend.asarray(x, like=other._data, dtype=other.dtype)


@door
def tensor(data: Any, requires_grad: bool = False, *, dtype: Any = None) -> Tensor:
    """A Tensor of the data: an array of any library, a Tensor, or numbers in nested lists.

    Arrays keep their dtype and are copied; Python's floats become float32, like parameters.
    Raises TypeError for data that has no numeric dtype, or integers that require gradients.

    >>> w = tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([6., 8.], dtype=float32)
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
    """Cotangents as Tensors with their own memory, apart from the cotangent they came from.

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
    if retain is not False or create is not False:
        retain, create = flag("retain_graph", retain), flag("create_graph", create)
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise RuntimeError(
            "nothing to differentiate: the output does not depend on a Tensor that requires "
            "gradients, or was computed under no_grad"
        )
    cotangent = fitting(cotangent, output)
    if not create:
        cotangent = raw(cotangent)
    elif not isinstance(cotangent, Tensor):
        cotangent = Tensor(cotangent)
    options = {"retain_graph": retain, "create_graph": create}
    return backend.run(output._data, walk, output, cotangent, targets, **options)


def fitting(cotangent: Any, output: Tensor) -> Any:
    """The cotangent of an output: 1 for None, an array for numbers in lists.

    Raises ValueError where it is not of the output's shape and dtype, or where None is given for
    an output of many entries.
    """
    data = output._data
    if cotangent is None:
        if data.size != 1:
            raise ValueError(
                f"an output of shape {data.shape} has many gradients; pass its cotangent, "
                f"an array of that shape, or reduce it to one number"
            )
        return one_like(data)
    cotangent = like(cotangent, output)
    backend.namespace(raw(cotangent), data)
    if cotangent.shape != data.shape or cotangent.dtype != data.dtype:
        raise ValueError(
            f"cotangent {cotangent.dtype} {cotangent.shape} for an output "
            f"{data.dtype} {data.shape}; they must agree"
        )
    return cotangent
