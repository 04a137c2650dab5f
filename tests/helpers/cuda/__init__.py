"""CUDA kernels on the CPU: their very source, compiled by g++, every thread a fibre.

    module = RawModule(code=source, options=("-std=c++17",), name_expressions=("scale<float>",))
    kernel = module.get_function("scale<float>")
    kernel(grid, block, args)            # as CuPy's
    with schedule("reversed"):           # or "forward", or a seed: in which order threads run
        kernel(grid, block, args)
    with traffic() as moved:             # how many bytes it read and wrote
        kernel(grid, block, args)
    read, written = moved(x)

A launch raises `Fault`, which says where, for what a GPU forbids or leaves undefined: a read or
write outside of the arrays, a misaligned vector, a barrier or a shuffle that some threads do not
reach, an overflow of signed integers. A missing barrier shows in another way: results depend on the
order, which `in_every_order` refuses. Shared memory holds NaN (all bits set) when a block begins.
With the option -ftz=true, which CuPy always gives, subnormal numbers of float count as 0; with
-fmad=true, which nvcc takes for granted, a * b + c may be one operation.

Not seen: a race that none of the orders brings out; the end of a __shared__ array, where another
begins and a pointer runs over it; more registers or static shared memory than a GPU has;
`__launch_bounds__`; and rounding: nvcc need not contract where g++ does, and some of CUDA's
functions (rsqrtf, exp, ...) differ from the C library's in the last bits.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import math
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
_HERE = sys.platform.startswith("linux") and platform.machine() == "x86_64"
COMPILER = shutil.which("g++") if _HERE else None
FLAGS = ("-O1", "-w", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off")
RUNTIME = ("-std=c++17", "-U_FORTIFY_SOURCE")  # which refuses to jump from stack to stack
CHECKED = (  # kernels; -g1 is for the lines in messages
    "-g1", "-I", HERE, "-include", HERE / "emulator.h", "-fsanitize=kernel-address",
    "-fsanitize=alignment,bounds,integer-divide-by-zero,shift,signed-integer-overflow",
)
DYNAMIC = 48 << 10  # bytes of dynamic shared memory that a kernel gets without asking for more
ORDERS = ("forward", "reversed", 0, 1)
FLUSH, CONTRACT = "-ftz=true", "-fmad=true"

_order: str | int = "forward"
_moved: list[Any] | None = None  # by each launch, while somebody counts


class Fault(RuntimeError):
    """What a kernel did that a GPU forbids or leaves undefined."""


class CompileError(RuntimeError):
    """The compiler's messages."""


@contextlib.contextmanager
def schedule(order: str | int) -> Iterator[None]:
    """Launches within run their threads "forward", "reversed", or as a seed (0, 1, ...) draws."""
    global _order
    before, _order = _order, order
    try:
        yield
    finally:
        _order = before


@contextlib.contextmanager
def traffic() -> Iterator[Callable[[Any], tuple[int, int]]]:
    """A function that tells how many bytes of an array kernels have read and written within.

    What a thread does again to a place that it has just used is not counted again.
    """
    global _moved
    kept = _moved = []  # with the arrays, so that no other comes to the same address

    def moved(x: Any) -> tuple[int, int]:
        start = np.lib.array_utils.byte_bounds(getattr(x, "host", x))[0]
        seen = [row[1:] for _, rows in kept for row in rows if row[0] == start]
        return sum(read for read, _ in seen), sum(written for _, written in seen)

    try:
        yield moved
    finally:
        _moved = None


def in_every_order(run: Callable[[], Any]) -> Any:
    """run(), which returns one new array or several, in four orders; Fault where bits differ."""
    results = []
    for order in ORDERS:
        with schedule(order):
            result = run()
        arrays = result if isinstance(result, tuple | list) else [result]
        results.append([np.asarray(getattr(x, "host", x)).tobytes() for x in arrays])
        if results[-1] != results[0]:
            raise Fault(f"the order of threads changes the results: {ORDERS[0]} and {order} differ")
    return result


class RawModule:
    """A source and the names of its kernels, compiled when the first of them is asked for."""

    def __init__(
        self, code: str, *, options: Sequence[str] = (), name_expressions: Sequence[str] = ()
    ) -> None:
        self._key = code, tuple(options), tuple(name_expressions)

    def get_function(self, name: str) -> Kernel:
        names = self._key[2]
        if name not in names:
            raise ValueError(f"{name!r} is not among the name_expressions {names}")
        code, options, _ = self._key
        passed = tuple(option for option in options if option != FLUSH)
        names = _together.get((code, passed, name), names)
        return Kernel(name, _library(code, passed, names), names.index(name), FLUSH in options)


_together: dict[tuple[str, tuple[str, ...], str], tuple[str, ...]] = {}


def compile_ahead(code: str, options: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Have kernels of these names compiled together, whichever module asks for the first."""
    _together.update(((code, options, name), names) for name in names)


# emulator.h's structures of these names.
class _Region(ctypes.Structure):
    _fields_ = (
        ("low", ctypes.c_size_t), ("high", ctypes.c_size_t), ("writable", ctypes.c_int),
        ("name", ctypes.c_char_p), ("read", ctypes.c_uint64), ("written", ctypes.c_uint64),
    )


class _Launch(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("dynamic", ctypes.c_size_t),
        ("order", ctypes.c_uint64), ("regions", ctypes.POINTER(_Region)), ("count", ctypes.c_int),
        ("flush", ctypes.c_int),
    )


class _Parameter(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_char), ("pointee", ctypes.c_char), ("size", ctypes.c_short),
        ("pointee_size", ctypes.c_short),
    )


class Kernel:
    """A kernel: (grid, block, args, shared_mem=0) runs it to its end.

    An array, or the array `host` of an object, is passed as its address; None as a null pointer; an
    int as a long long, a float as a double, and a NumPy scalar as it is.
    """

    def __init__(self, name: str, library: ctypes.PyDLL, index: int, flush: bool) -> None:
        self.name, self._file, self._flush = name, library._name, flush
        self._run, parameters = library[f"launch_{index}"], library[f"parameters_{index}"]
        self._run.restype = ctypes.c_char_p
        parameters.restype = ctypes.POINTER(_Parameter)
        every = parameters()  # the list ends with zeros
        count = next(i for i in range(1 << 10) if every[i].kind == b"\0")
        self._parameters = every[:count]

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], shared_mem: int = 0
    ) -> None:
        grid, block = (*grid, 1, 1)[:3], (*block, 1, 1)[:3]
        most = (2**31 - 1, 65535, 65535, 1024, 1024, 64)  # CUDA's
        fits = all(1 <= n <= limit for n, limit in zip(grid + block, most, strict=True))
        if not fits or math.prod(block) > 1024 or not 0 <= shared_mem <= DYNAMIC:
            raise ValueError(f"{self.name}: no GPU launches {grid=}, {block=}, {shared_mem=}")
        if len(args) != len(self._parameters):
            wanted = len(self._parameters)
            raise TypeError(f"{self.name} takes {wanted} arguments, and {len(args)} were given")
        args = [getattr(x, "host", x) for x in args]
        values, regions, arrays = [], [], []
        for i, (x, parameter) in enumerate(zip(args, self._parameters, strict=True)):
            values.append(self._value(i, x, parameter))
            if isinstance(x, np.ndarray):
                ends, name = np.lib.array_utils.byte_bounds(x), f"argument {i}, a {x.dtype} array"
                regions.append(_Region(*ends, x.flags.writeable, name.encode()))
                arrays.append(x)
        order = {"forward": 0, "reversed": 1}[_order] if isinstance(_order, str) else _order + 2
        table = (_Region * len(regions))(*regions)
        double = any(isinstance(x, np.ndarray) and x.dtype == "float64" for x in args)
        flush = self._flush and not double  # CUDA never flushes doubles
        launch = _Launch(grid, block, shared_mem, order, table, len(regions), flush)
        places = (ctypes.c_void_p * len(args))(*(v.ctypes.data for v in values))
        error = self._run(ctypes.byref(launch), places)
        if _moved is not None:
            _moved.append((arrays, [(r.low, r.read, r.written) for r in table]))
        if error:
            text = re.sub(r"code (0x\w+)", lambda found: self._line(found[1]), error.decode())
            raise Fault(f"{self.name}: {text}")

    def _value(self, i: int, x: Any, parameter: _Parameter) -> np.ndarray:
        """Argument i as the kernel finds it, an array as its address."""
        kind, size = parameter.kind, parameter.size
        if x is None or isinstance(x, np.ndarray):
            value = np.array(0 if x is None else x.ctypes.data, np.uintp)
            fits = kind == b"p"
            if x is not None and parameter.pointee == b"s":  # a vector, say, of x's numbers
                fits = fits and parameter.pointee_size % x.itemsize == 0
            elif x is not None and parameter.pointee_size > 1:
                fits = fits and parameter.pointee_size == x.itemsize
                fits = fits and (parameter.pointee != b"f" or x.dtype.kind == "f")
            given = "None" if x is None else f"a {x.dtype} array"
        else:
            value = np.array(x, {int: np.int64, float: np.float64}.get(type(x)))
            letter = {"f": b"f", "i": b"i", "u": b"i", "b": b"i"}.get(value.dtype.kind, b"s")
            fits = size == value.itemsize and (kind == letter or kind == b"s")
            given = f"of type {value.dtype}"
        if not fits:
            what = {b"f": "a float", b"i": "an integer", b"p": "a pointer", b"s": "a structure"}
            wanted = f"{what[kind]} of {size} bytes"
            if kind == b"p":
                wanted = f"a pointer to {what[parameter.pointee]} of {parameter.pointee_size} bytes"
            raise TypeError(f"{self.name}: argument {i} is {given}, the kernel takes {wanted}")
        return value

    def _line(self, address: str) -> str:
        """The line of the source that the return address belongs to."""
        before = hex(int(address, 16) - 1)
        command = ["addr2line", "-s", "-e", self._file, before]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="minwn-cuda-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compile(*arguments: object) -> None:
    if COMPILER is None:
        raise CompileError("the emulator needs g++ on Linux, x86-64")
    command = [COMPILER, *FLAGS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(done.stderr)


@functools.cache
def _runtime() -> Path:
    """runtime.cpp, compiled without the checks."""
    target = _folder() / "runtime.o"
    _compile(*RUNTIME, "-c", HERE / "runtime.cpp", "-o", target)
    return target


@functools.cache
def _library(code: str, options: tuple[str, ...], names: tuple[str, ...]) -> ctypes.PyDLL:
    """The kernels as a shared library. (A PyDLL keeps the GIL: one launch at a time.)"""
    dynamic = r"\bextern\s+__shared__\s+(?:__align__\s*\(\w+\)\s*)?([^;]*?)\b(\w+)\s*\[\s*\]\s*;"
    body = re.sub(dynamic, r"auto const \2 = static_cast<\1*>(emulator::dynamic_shared());", code)
    entries = [f"EMULATOR_ENTRY({i}, {name})" for i, name in enumerate(names)]
    place = Path(tempfile.mkdtemp(dir=_folder()))
    source, compiled, target = (place / f"kernel.{end}" for end in ("cu", "o", "so"))
    source.write_text("\n".join(['#line 1 "kernel.cu"', body, *entries, ""]))
    given = [o for o in options if o != CONTRACT]
    if CONTRACT in options:
        given += ["-ffp-contract=fast", "-fexpensive-optimizations", "-mfma"]
    _compile(*CHECKED, *given, "-c", "-x", "c++", source, "-o", compiled)
    _compile("-shared", "-Wl,-z,defs", "-T", HERE / "shared.ld", compiled, _runtime(), "-o", target)
    return ctypes.PyDLL(str(target))
