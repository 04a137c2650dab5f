"""NumPy or CuPy: which library an array belongs to, and the few things the two spell differently.

This is the only file that names the two. Everything above gets a namespace from it,

    xp = namespace(x, y)        # the module whose functions accept x and y

and then writes `xp.exp(x)` once. CuPy is imported only when needed: a CuPy array can exist
only where CuPy has been imported already. Any other array that offers the array API's
`__array_namespace__` is served through it.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, TypeVar

import numpy

if TYPE_CHECKING:
    from numpy.random import Generator as Generator
else:
    Generator = Any  # numpy.random is slow to import, and not needed to import minwn

Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None  # None: all axes
Host = numpy.ndarray
HostScalar = numpy.generic
FLOAT32, FLOAT64 = numpy.dtype("float32"), numpy.dtype("float64")
_HOST = (numpy.ndarray, numpy.generic)
_REDUCED = ("float16", "bfloat16")
_DLPACK_CUDA = 2  # kDLCUDA
_erf = numpy.frompyfunc(math.erf, 1, 1)


# The C library returns the memory of a large array to the system when it is freed, and fetching
# it again, page by page, takes longer than most arithmetic. glibc learns from the first large
# block that it sees freed: from then on it keeps up to twice that size for the next array.
numpy.empty((1 << 25) - (1 << 16), dtype="uint8")


# ---- types --------------------------------------------------------------------------------------

R = TypeVar("R")

# What arithmetic with arrays gives: an Array to mypy, and Any to others. To compare each of NumPy's
# overloads with a result that refers back to Array takes pyright, and editors with it, minutes.
MYPY = False  # a name that mypy takes for true
if not MYPY:
    Result: TypeAlias = Any
else:
    Result: TypeAlias = "Array"


class Array(Protocol):
    """numpy.ndarray, cupy.ndarray, or an array with __array_namespace__: what is asked of each.

    But for `real`, which pyright does not find in NumPy's arrays of unknown dtype.
    """

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def strides(self) -> Shape: ...
    @property
    def flags(self) -> Any: ...
    @property
    def T(self) -> Array: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, index: Any, /) -> Result: ...
    def __setitem__(self, index: Any, value: Any, /) -> None: ...
    def astype(self, dtype: Any, /, *, copy: bool = ...) -> Result: ...
    def copy(self) -> Array: ...
    def item(self) -> Any: ...
    def reshape(self, shape: Any, /, *more: Any) -> Result: ...
    def transpose(self, *axes: Any) -> Result: ...
    def swapaxes(self, a: int, b: int, /) -> Array: ...
    def round(self, decimals: int = ..., /) -> Result: ...
    def sum(self, *, axis: Any = ..., keepdims: Any = ..., dtype: Any = ...) -> Result: ...
    def prod(self, *, axis: Any = ..., keepdims: Any = ...) -> Result: ...
    def cumsum(self, *, axis: Any = ...) -> Result: ...
    def max(self, *, axis: Any = ..., keepdims: Any = ...) -> Result: ...
    def min(self, *, axis: Any = ..., keepdims: Any = ...) -> Result: ...
    def all(self, *, axis: Any = ..., keepdims: Any = ...) -> Any: ...
    def any(self, *, axis: Any = ..., keepdims: Any = ...) -> Any: ...
    def argmax(self, *, axis: Any = ...) -> Any: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __neg__(self) -> Result: ...
    def __abs__(self) -> Result: ...
    def __add__(self, other: Any, /) -> Result: ...
    def __radd__(self, other: Any, /) -> Result: ...
    def __sub__(self, other: Any, /) -> Result: ...
    def __rsub__(self, other: Any, /) -> Result: ...
    def __mul__(self, other: Any, /) -> Result: ...
    def __rmul__(self, other: Any, /) -> Result: ...
    def __truediv__(self, other: Any, /) -> Result: ...
    def __rtruediv__(self, other: Any, /) -> Result: ...
    def __floordiv__(self, other: Any, /) -> Result: ...
    def __mod__(self, other: Any, /) -> Result: ...
    def __pow__(self, other: Any, /) -> Result: ...
    def __rpow__(self, other: Any, /) -> Result: ...
    def __matmul__(self, other: Any, /) -> Result: ...
    def __and__(self, other: Any, /) -> Result: ...
    def __or__(self, other: Any, /) -> Result: ...
    def __xor__(self, other: Any, /) -> Result: ...
    def __lt__(self, other: Any, /) -> Result: ...
    def __le__(self, other: Any, /) -> Result: ...
    def __gt__(self, other: Any, /) -> Result: ...
    def __ge__(self, other: Any, /) -> Result: ...
    def __eq__(self, other: Any, /) -> Result: ...  # type: ignore[override]
    def __ne__(self, other: Any, /) -> Result: ...  # type: ignore[override]


class Namespace(Protocol):
    """The module of an array library: its functions return arrays."""

    __name__: str
    lib: Any  # with NumPy's stride_tricks

    def __hash__(self) -> int: ...
    def __getattr__(self, name: str) -> Callable[..., Array]: ...


# ---- which library, device and dtype ------------------------------------------------------------


def is_array(x: Any) -> TypeGuard[Array]:
    """Whether x is an array (or a NumPy scalar), not a Python number, list or Tensor."""
    return isinstance(x, _HOST) or _is_cupy(type(x)) or hasattr(x, "__array_namespace__")


def _is_cupy(kind: type) -> bool:
    return "cupy" in sys.modules and kind.__module__.partition(".")[0] == "cupy"


def namespace(*arrays: Any) -> Namespace:
    """The module that computes with these arrays; Python numbers belong to every module.

    Raises TypeError where arrays of two libraries meet, or of two devices.
    """
    if len(arrays) == 1 and type(arrays[0]) is numpy.ndarray:
        return numpy
    found: Any = None
    place: int | None = None
    for x in arrays:
        if isinstance(x, _HOST):
            xp: Any = numpy
        elif _is_cupy(type(x)):
            xp, there = sys.modules["cupy"], x.device.id
            if place not in (None, there):
                raise TypeError(
                    f"an array on cuda:{place} and one on cuda:{there} meet in one operation; "
                    f"move one of them first, with .to('cuda:{place}') or .to('cuda:{there}')"
                )
            place = there
        elif hasattr(x, "__array_namespace__"):
            xp = x.__array_namespace__()
        else:
            continue
        if found is not None and xp is not found:
            raise TypeError(
                f"a {found.__name__} array and a {xp.__name__} array meet in one operation; "
                f"move one of them first, with .to('cpu') or .to('cuda')"
            )
        found = xp
    return numpy if found is None else found


def is_numpy(*arrays: Any) -> bool:
    """Whether these arrays are NumPy's. Raises TypeError where arrays of two libraries meet."""
    return namespace(*arrays) is numpy


def asarray(data: Any, *, like: Any = None, dtype: Any = None) -> Array:
    """data as an array of the library (and on the device) of `like`.

    Where `like` is None an array stays what it is, another library's tensor on a GPU becomes CuPy's
    by DLPack, and everything else NumPy's.
    """
    if isinstance(data, _HOST) and (like is None or isinstance(like, _HOST)):
        return numpy.asarray(data, dtype=dtype)
    xp = namespace(data if like is None else like)
    if not is_array(data) and hasattr(data, "__dlpack__"):
        if like is None and data.__dlpack_device__()[0] == _DLPACK_CUDA:
            xp = _cupy()
        data = xp.from_dlpack(data)
    with on_device_of(data if like is None else like):
        try:
            return xp.asarray(data, dtype=dtype)
        except (TypeError, ValueError) as error:
            trace = error.__traceback__
            if trace is not None and trace.tb_next is not None:  # data's own error has the reason
                raise
            ragged = ", for its shape is inhomogeneous" if isinstance(data, list | tuple) else ""
            raise type(error)(
                f"{data!r:.60} makes no array{ragged}; pass an array, or numbers in lists of one "
                f"length"
            ) from None


def beside(data: Any, other: Array, dtype: Any = None) -> Array:
    """data as an array that may meet the other: numbers in lists become one, an array stays itself.

    Raises TypeError where it is of another library, or on another device: nothing is moved.
    """
    if is_array(data):
        namespace(data, other)
        return data
    return asarray(data, like=other, dtype=dtype)


def copy(x: Array, dtype: Any = None) -> Array:
    """A copy on the device of x. (CuPy's own would be on the current device.)"""
    with on_device_of(x):
        return namespace(x).array(x, dtype=dtype)


def zeros_like(x: Array, shape: tuple[int, ...] | None = None) -> Array:
    """Zeros of the shape of x, or of another, of its dtype and on its device."""
    with on_device_of(x):
        return namespace(x).zeros_like(x, shape=x.shape if shape is None else shape)


def is_floating(dtype: numpy.dtype) -> bool:
    """Whether dtype is real floating point, bfloat16 included."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def dtype_of(spec: Any) -> numpy.dtype:
    """The dtype named by a string, a type or a dtype. "bfloat16" needs the package ml_dtypes.

    Raises TypeError for anything that names no dtype of numbers.
    """
    if isinstance(spec, str) and spec == "bfloat16":
        try:
            import ml_dtypes
        except ImportError as error:
            raise ImportError(
                "the dtype 'bfloat16' needs ml_dtypes: pip install 'minwn[interop]'"
            ) from error
        spec = numpy.dtype(ml_dtypes.bfloat16)
    dtype = spec if isinstance(spec, numpy.dtype) else None
    if isinstance(spec, str | type):  # not None, which is float64 to NumPy
        with contextlib.suppress(TypeError):
            dtype = numpy.dtype(spec)
    if dtype is None or not (dtype.kind in "biufc" or dtype.name == "bfloat16"):
        raise TypeError(f"{spec!r:.60} is no dtype; name one, such as 'float32'")
    return dtype


@functools.cache
def accumulator(dtype: Any) -> Any:
    """The dtype in which sums of `dtype` are kept: float32 for the 16-bit types, else itself."""
    return numpy.dtype("float32") if dtype.name in _REDUCED else dtype


@functools.cache
def unit_roundoff(dtype: Any) -> float:
    """u = half the distance from 1 to the next number: 2^-53 for float64, 2^-8 for bfloat16."""
    if dtype.name == "bfloat16":
        return 2.0**-8
    return float(numpy.finfo(dtype).eps) / 2


@functools.cache
def largest(dtype: Any) -> float:
    """The largest finite number of dtype."""
    if dtype.name == "bfloat16":
        return (2 - 2.0**-7) * 2.0**127
    return float(numpy.finfo(dtype).max)


@functools.cache
def smallest_normal(dtype: Any) -> float:
    """The least positive number that carries the full precision of dtype."""
    return 2.0**-126 if dtype.name == "bfloat16" else float(numpy.finfo(dtype).smallest_normal)


def device(x: Any) -> str:
    """ "cpu", or "cuda:0", "cuda:1", ... for an array on a GPU."""
    return f"cuda:{x.device.id}" if _is_cupy(type(x)) else "cpu"


def is_device(spec: Any) -> bool:
    """Whether spec names a device ("cpu", "cuda", "cuda:1") and not a dtype."""
    return isinstance(spec, str) and spec.partition(":")[0] in ("cpu", "cuda")


def move(x: Any, where: str) -> Any:
    """x on the device `where` ("cpu", "cuda", "cuda:1"); x itself where it is there already."""
    if where.partition(":")[0] == "cpu":
        return x.get() if _is_cupy(type(x)) else x
    with _place(where):
        return _cupy().asarray(x)


def _place(where: str) -> Any:
    """CuPy's device of this name, a context."""
    return _cupy().cuda.Device(int(where.partition(":")[2] or 0))


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            "the device 'cuda' needs CuPy: pip install 'minwn[cuda12]' (or 'minwn[cuda13]')"
        ) from error
    return cupy


def on_device_of(x: Any) -> Any:
    """A context in which new arrays are made, and functions run, on the device of x."""
    return x.device if _is_cupy(type(x)) else contextlib.nullcontext()


def use_device_of(x: Any) -> None:
    """Make the device of x the current one, until the context around this is left."""
    if _is_cupy(type(x)):
        x.device.use()


def run(like: Any, f: Callable[..., R], *args: Any, **params: Any) -> R:
    """f(*args, **params) on the device of the array `like`."""
    if type(like) is numpy.ndarray:
        return f(*args, **params)
    with on_device_of(like):
        return f(*args, **params)


def is_cupy(x: Any) -> bool:
    """Whether x is a CuPy array."""
    return _is_cupy(type(x))


def compiled(source: str, name: str) -> Callable[..., None]:
    """The CUDA kernel of this name, template arguments in it, in a C++ source.

    It is called with (grid, block, arguments); arrays are passed as pointers, a Python int as a
    long long, a float as a double. CuPy keeps what it has compiled on disk. A kernel is started in
    CuPy's current stream.
    """
    module = _cupy().RawModule(code=source, options=("-std=c++17",), name_expressions=(name,))
    kernel: Callable[..., None] = module.get_function(name)
    return kernel


def clock(where: str) -> Callable[[], float]:
    """A clock in seconds: the host's, or one that a GPU keeps, by events in CuPy's current stream.

    To read a GPU's is to wait for all that was begun before.
    """
    if where == "cpu":
        return time.perf_counter
    event = _cupy().cuda.Event
    passed: float = 0.0
    with _place(where):
        last = event()
        last.record()

    def read() -> float:
        nonlocal last, passed
        with _place(where):
            now = event()
            now.record()
            now.synchronize()
        passed += _cupy().cuda.get_elapsed_time(last, now) / 1000  # short times keep their digits
        last = now
        return float(passed)

    return read


def device_facts(where: str) -> dict[str, Any]:
    """A device, its driver, and CuPy's version, from CuPy; memory in bytes. Empty for "cpu".

    Raises ImportError without CuPy, and RuntimeError where CuPy finds no such device.
    """
    if where == "cpu":
        return {}
    cupy = _cupy()
    runtime = cupy.cuda.runtime
    try:
        place = _place(where)
        with place:
            name = runtime.getDeviceProperties(place.id)["name"].decode()
            free, total = place.mem_info
            digits, count = place.compute_capability, runtime.getDeviceCount()
            versions = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    except RuntimeError as error:
        raise RuntimeError(f"CuPy {cupy.__version__} finds no device {where!r}: {error}") from error
    driver, own = (f"{v // 1000}.{v % 1000 // 10}" for v in versions)
    return {
        "device": f"cuda:{place.id}",
        "devices": count,
        "name": name,
        "compute capability": f"{digits[:-1]}.{digits[-1]}",
        "memory": total,
        "free": free,
        "driver": driver,
        "runtime": own,
        "cupy": cupy.__version__,
    }


def to_numpy(x: Any) -> Host:
    """x as a NumPy array, copied from the device where it lives on one."""
    return numpy.asarray(move(x, "cpu"))


def quiet() -> numpy.errstate:
    """A context in which 0 / 0 is NaN and not also a warning. (CuPy never warns.)

    As a decorator, `@quiet()`, it costs half as much.
    """
    return numpy.errstate(all="ignore")


def within(x: Array, low: float, high: float) -> bool:
    """Whether low <= every entry <= high; false where one is NaN."""
    if isinstance(x, numpy.ndarray):  # argmin is the fast way, and stops at a NaN
        return x.size == 0 or (x.item(x.argmin()) >= low and x.item(x.argmax()) <= high)
    with on_device_of(x):
        return bool(((x >= low) & (x <= high)).all())


def largest_entry(x: Array, axes: tuple[int, ...]) -> Array:
    """The largest entry over axes, each kept with length 1; 0 where there is none."""
    if isinstance(x, _HOST):
        return numpy.asarray(x.max(axis=axes, keepdims=True, initial=0))
    if x.size:
        return x.max(axis=axes, keepdims=True)  # CuPy's has no `initial`
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return namespace(x).zeros(kept, dtype=x.dtype)


def dot_rows(x: Array, y: Any) -> Array:
    """<x_i, y_i> for the rows of two real matrices.   x, y: (rows, m)   -> (rows, 1)"""
    if type(x) is numpy.ndarray:
        return numpy.vecdot(x, y)[:, None]  # type: ignore[no-any-return]
    xp = namespace(x)
    return xp.vecdot(x, y)[:, None] if hasattr(xp, "vecdot") else (x * y).sum(axis=1, keepdims=True)


def add_at(x: Array, index: Any, values: Any) -> None:
    """x[index] += values, in place, with repeated indices counted each time.

    On a GPU threads would add in the order in which they come, and sums of floating-point numbers
    depend on their order; so there the values are sorted by index first, and each run is summed.
    Sums of 16-bit numbers are kept in float32.
    """
    if _is_cupy(type(x)):
        _add_runs(x, index, values)
    elif isinstance(x, numpy.ndarray):
        wide = x.astype(accumulator(x.dtype), copy=False)
        numpy.add.at(wide, index, values)
        if wide is not x:
            x[...] = wide
    else:
        namespace(x).add_at(x, index, values)


def _add_runs(x: Array, index: Any, values: Array) -> None:
    """`add_at` in an order that depends on the indices alone, by halves of runs.

    Not by CuPy's add.reduceat, which takes differences of one long cumulative sum: there the digits
    of a small run are lost next to a large one, and a NaN spreads to all that follow.
    """
    xp, flat = namespace(x), x.reshape(-1)
    places = xp.arange(flat.size).reshape(x.shape)[index]
    if not places.size:
        return
    sums = xp.broadcast_to(values, places.shape).reshape(-1).astype(accumulator(x.dtype))
    places = places.reshape(-1)
    order = xp.argsort(places, kind="stable")
    places, sums = places[order], sums[order]
    starts = xp.flatnonzero(xp.concatenate((xp.ones(1, bool), places[1:] != places[:-1])))
    longest = int((xp.concatenate((starts[1:], starts[:1] + places.size)) - starts).max())
    step = 1
    while step < longest:  # sums[i] is that of the values i to i + step - 1, as far as its run goes
        sums[:-step] += xp.where(places[step:] == places[:-step], sums[step:], 0)
        step *= 2
    places = places[starts]
    flat[places] = (flat[places] + sums[starts]).astype(x.dtype)
    if not x.flags.c_contiguous:  # then flat was a copy
        x[...] = flat.reshape(x.shape)


def erf(x: Array) -> Array:
    """The error function. NumPy has none: the standard library's serves, element by element."""
    if _is_cupy(type(x)):
        from cupyx.scipy.special import erf as device_erf

        return device_erf(x)  # type: ignore[no-any-return]
    if isinstance(x, _HOST):
        return numpy.asarray(_erf(x)).astype(floating(x.dtype))
    return namespace(x).erf(x)


def floating(dtype: Any) -> Any:
    """The dtype of e^x for x of `dtype`: itself, but for integers one that holds fractions."""
    return numpy.exp.resolve_dtypes((dtype, None))[1] if dtype.kind in "biu" else dtype


def promoted(dtype: Any, number: complex) -> Any:
    """The dtype of an array of `dtype` times a Python number, which is weak."""
    known = is_floating(dtype) and not isinstance(number, complex)
    return dtype if known else numpy.result_type(dtype, number)


def uniform(rng: Generator, shape: tuple[int, ...], *, like: Array) -> Array:
    """Numbers drawn evenly from [0, 1), of the dtype and on the device of `like`.

    Drawn on the host, so that one seed gives one result on every device.
    """
    return asarray(rng.random(shape).astype(like.dtype), like=like)


def generator(seed: Generator | int | None) -> Generator:
    """A Generator as it is; a new one from a seed, or from the operating system's for None."""
    try:
        return numpy.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"rng={seed!r:.60}; give a Generator, a whole number >= 0 as seed, or None"
        ) from error


def full(shape: Shape, value: float, dtype: Any) -> Host:
    """A new array on the host, `value` everywhere."""
    return numpy.full(shape, value, dtype=dtype)


def orthonormal_columns(x: Host) -> Host:
    """The Q of x = Q R with R's diagonal positive, which makes Q uniform for a normal x."""
    q, r = numpy.linalg.qr(x)
    return q * numpy.where(numpy.diagonal(r) < 0, -1.0, 1.0)
