"""A module `cupy` for machines without a GPU: NumPy arrays in boxes, kernels in the emulator.

    with installed():                     # `import cupy` finds the stand-in
        x = minwn.tensor([1.0, 2.0]).to("cuda:1")

As in CuPy, a kernel or function works on the current device's arrays only, a copy goes to the
current device, NumPy arrays come in through `asarray` and out through `get`, and kernels are
compiled with -ftz=true. It has two devices. It is stricter: NumPy's functions do not reach its
arrays, and it has no name and no keyword that is not listed in `cupy_names`.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import cuda as emulator
from .boxed import Boxed, function, opened
from .cupy_names import DTYPES, FUNCTIONS, METHODS, UFUNCS

COUNT = 2  # devices
OPTIONS = ("-ftz=true",)  # what CuPy adds to those that a module asks for


class _Current(threading.local):
    id = 0


_current = _Current()


class Device:
    """cupy.cuda.Device"""

    compute_capability = "90"
    mem_info = (3 << 30, 4 << 30)

    def __init__(self, device: int | None = None) -> None:
        self.id = _current.id if device is None else int(device)
        if not 0 <= self.id < COUNT:
            raise RuntimeError(f"cudaErrorInvalidDevice: invalid device ordinal {self.id}")
        self._before: list[int] = []

    def __enter__(self) -> Device:
        self._before.append(_current.id)
        self.use()
        return self

    def __exit__(self, *error: Any) -> None:
        _current.id = self._before.pop()

    def use(self) -> None:
        _current.id = self.id

    def synchronize(self) -> None:
        pass


class ndarray(Boxed):
    """cupy.ndarray"""

    origin = "cupy"

    def __init__(self, host: Any) -> None:
        super().__init__(host)
        self._place = _current.id

    def view(self, host: Any) -> ndarray:
        found = type(self)(host)
        found._place = self._place
        return found

    @classmethod
    def operand(cls, x: Any) -> Any:
        if isinstance(x, ndarray) and x._place != _current.id:
            raise ValueError(
                f"Array device must be same as the current device: array device = {x._place} "
                f"while current = {_current.id}"
            )
        if isinstance(x, np.generic):
            return x
        return super().operand(x)

    @classmethod
    def check_method(cls, name: str, keywords: Any) -> None:
        _check(name, METHODS[name], keywords)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.operand(self)
        super().__setitem__(index, value)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self) -> np.ndarray:
        return self.host.copy()

    @property
    def device(self) -> Device:
        return Device(self._place)

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.host.ctypes.data)

    @property
    def itemsize(self) -> int:
        return self.host.itemsize

    @property
    def nbytes(self) -> int:
        return self.host.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        return self.host.strides

    def __dlpack__(self, **options: Any) -> Any:
        return self.host.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._place  # kDLCUDA


ndarray.__module__ = "cupy"


def _check(name: str, allowed: str, keywords: Any) -> None:
    unknown = set(keywords) - set(allowed.split())
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")


def _listed(name: str, allowed: str) -> Any:
    """NumPy's function of this name, with these keywords."""
    call = function(ndarray, getattr(np, name))

    @functools.wraps(getattr(np, name), updated=())
    def checked(*args: Any, **keywords: Any) -> Any:
        _check(name, allowed, keywords)
        return call(*args, **keywords)

    return checked


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """a on the current device; itself where it is there already."""
    if isinstance(a, ndarray) and a._place == _current.id:
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    return ndarray(np.array(opened(a), dtype=dtype))


def array(a: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    return ndarray(np.array(opened(a), dtype=dtype)) if copy else asarray(a, dtype)


def from_dlpack(a: Any) -> ndarray:
    """Without a copy, on the device that the other names."""
    kind, place = a.__dlpack_device__()
    if kind != 2:
        raise BufferError("only arrays of a GPU come without a copy; use asarray")
    host = types.SimpleNamespace(
        __dlpack__=lambda **options: a.__dlpack__(), __dlpack_device__=lambda: (1, 0)
    )
    with Device(place):
        return ndarray(np.from_dlpack(host))


def argsort(a: ndarray, axis: int = -1, kind: str | None = None) -> ndarray:
    """Always stable; CuPy knows no other kind."""
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return ndarray(np.argsort(ndarray.operand(a), axis=axis, kind="stable"))


def erf(x: ndarray) -> ndarray:
    """cupyx.scipy.special.erf"""
    return ndarray(np.vectorize(math.erf, otypes=[x.dtype])(ndarray.operand(x)))


# ---- cupy.cuda and kernels ----------------------------------------------------------------------


class Event:
    """cupy.cuda.Event, by the clock of the host."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds."""
    return 1000 * (end.at - start.at)


class RawModule:
    """cupy.RawModule"""

    def __init__(
        self, *, code: str, options: tuple[str, ...] = (), name_expressions: Any = None
    ) -> None:
        if not isinstance(options, tuple):
            raise TypeError("Argument 'options' has incorrect type (expected tuple)")
        self._module = emulator.RawModule(
            code=code, options=(*options, *OPTIONS), name_expressions=name_expressions
        )

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self._module.get_function(name))


def compile_ahead(code: str, names: tuple[str, ...]) -> None:
    """Compile these kernels together, for all modules of one of them: much faster than by itself.

    The options are those of minwn's modules.
    """
    options = tuple(option for option in ("-std=c++17", *OPTIONS) if option != emulator.FLUSH)
    emulator.compile_ahead(code, options, names)


class RawKernel:
    """cupy.RawKernel"""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        if not (isinstance(grid, tuple) and isinstance(block, tuple)):
            raise TypeError("grid and block must be tuples")
        for x in args:
            if not (x is None or isinstance(x, ndarray | int | float | np.generic)):
                raise TypeError(f"Unsupported type {type(x)}")
        self._kernel(grid, block, [ndarray.operand(x) for x in args], shared_mem)


# ---- the modules --------------------------------------------------------------------------------


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


def _modules() -> dict[str, types.ModuleType]:
    runtime = _module(
        "cupy.cuda.runtime",
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        getDeviceCount=lambda: COUNT,
        getDeviceProperties=lambda device: {"name": b"stand-in", "totalGlobalMem": 4 << 30},
    )
    cuda = _module(
        "cupy.cuda", runtime=runtime, Device=Device, Event=Event, get_elapsed_time=get_elapsed_time
    )
    functions = {name: _listed(name, words) for name, words in (UFUNCS | FUNCTIONS).items()}
    functions |= {"asarray": asarray, "array": array, "from_dlpack": from_dlpack}
    functions |= {"argsort": argsort}
    dtypes = {name: getattr(np, name) for name in DTYPES}
    cupy = _module(
        "cupy", __version__="0 (stand-in)", ndarray=ndarray, cuda=cuda, RawModule=RawModule,
        newaxis=None, **functions, **dtypes,
    )
    special = _module("cupyx.scipy.special", erf=erf)
    scipy = _module("cupyx.scipy", special=special)
    return {
        "cupy": cupy, "cupy.cuda": cuda, "cupy.cuda.runtime": runtime,
        "cupyx": _module("cupyx", scipy=scipy), "cupyx.scipy": scipy,
        "cupyx.scipy.special": special,
    }


MODULES = _modules()


@contextlib.contextmanager
def installed() -> Iterator[types.ModuleType]:
    """Within this context `import cupy` finds the stand-in."""
    before = {name: sys.modules.get(name) for name in MODULES}
    sys.modules.update(MODULES)
    try:
        yield MODULES["cupy"]
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
