"""CuPy itself, as far as it goes without a GPU: its names and keywords are those that the stand-in
has, and its arrays (here over the host's memory) are what the backend and the kernels' rule see."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import re
from typing import Any

import numpy as np
import pytest

from minwn import backend
from minwn.kernels import weight_norm_cuda

from ..helpers import cupy_names as names
from ..helpers.cuda import COMPILER
from ..helpers.cuda import RawModule as Emulated
from .kernels import answers, misses, problem, served

cupy: Any = pytest.importorskip("cupy", reason="needs CuPy, not a GPU")


def keywords(f: Any) -> set[str]:
    """What f takes by keyword: by its signature, or by the first line of its documentation."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        first = (f.__doc__ or "").partition("\n")[0]
        return set(re.findall(r"(\w+)=", first))
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return {"dtype", "optimize", "out"}
    return {p.name for p in parameters}


@pytest.mark.parametrize(
    ("owner", "listed"),
    [(cupy, names.UFUNCS | names.FUNCTIONS), (cupy.ndarray, names.METHODS)],
    ids=["functions", "methods"],
)
def test_cupy_has_every_name_and_keyword_that_the_stand_in_has(owner, listed):
    for name, words in listed.items():
        assert hasattr(owner, name), name
        assert set(words.split()) <= keywords(getattr(owner, name)), name


def test_a_keyword_that_cupy_does_not_have_is_seen():
    assert "initial" not in keywords(cupy.ndarray.max)
    assert {"axis", "keepdims"} <= keywords(cupy.ndarray.max)
    assert "kind" in keywords(cupy.argsort)
    assert "stable" not in keywords(cupy.argsort)


def test_cupy_has_the_rest():
    assert all(hasattr(cupy.ndarray, name) for name in names.ATTRIBUTES)
    assert all(hasattr(cupy, name) for name in names.DTYPES)
    assert all(hasattr(cupy.cuda, name) for name in names.CUDA)
    for name, members in names.CUDA.items():
        assert all(hasattr(getattr(cupy.cuda, name), member) for member in members.split())
    assert all(hasattr(cupy.cuda.runtime, name) for name in names.RUNTIME)
    assert hasattr(pytest.importorskip("cupyx.scipy.special"), "erf")
    cupy.RawModule(code="", options=("-std=c++17",), name_expressions=("f<1>",))  # compiled later


# ---- arrays over the host's memory --------------------------------------------------------------


def over(x: np.ndarray) -> Any:
    """A CuPy array whose memory is the host's: nothing may be computed with it."""
    memory = cupy.cuda.UnownedMemory(x.ctypes.data, x.nbytes, x, 0)
    return cupy.ndarray(x.shape, x.dtype, memptr=cupy.cuda.MemoryPointer(memory, 0))


def under(x: Any) -> np.ndarray:
    """The numbers of such an array; no stride may be negative."""
    reach = sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)) + x.itemsize
    memory = (ctypes.c_char * reach).from_address(x.data.ptr)
    return np.ndarray(x.shape, x.dtype, memory, 0, x.strides)


def test_what_the_backend_sees_in_an_array():
    x = over(np.ones((3, 4), "float32"))
    assert backend.is_array(x)
    assert backend.is_cupy(x)
    assert backend.namespace(x, 1.0) is cupy
    assert backend.device(x) == "cuda:0"
    assert backend.is_floating(x.dtype)
    assert backend.accumulator(x.dtype) == "float32"
    with pytest.raises(TypeError, match=r"a cupy array and a numpy array meet.*\.to\('cpu'\)"):
        backend.namespace(x, np.ones(3))
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        np.asarray(x)
    assert served((x,), (x[:, :1],))


VIEWS: list[Any] = [
    lambda x: x.T,
    lambda x: x.real,
    lambda x: x.transpose(),
    lambda x: x.transpose(None),
    lambda x: x.transpose((2, 0, 1)),
    lambda x: x.swapaxes(-1, -2),
    lambda x: x.reshape((6, 4)),
    lambda x: x.reshape(-1),
    lambda x: x.reshape((-1, 2)),
    lambda x: x.reshape((2, 1, 3, 4)).squeeze(),
    lambda x: x[1],
    lambda x: x[-1, :, 2],
    lambda x: x[None, ..., 1:3],
    lambda x: x[()],
    lambda x: x[(slice(None), slice(0, 3, 2))],
    lambda x: x[..., :0],
    lambda x: x[1][None],
    lambda x: x.astype("float64", copy=False),
]


@pytest.mark.parametrize("k", range(len(VIEWS)))
def test_views_are_those_of_numpy(k):
    x = np.arange(24.0).reshape(2, 3, 4)
    found, wanted = VIEWS[k](over(x)), VIEWS[k](x)
    assert found.shape == wanted.shape
    if wanted.size:
        assert np.array_equal(under(found), wanted)
        assert found.data.ptr == wanted.ctypes.data
    assert found.flags.c_contiguous == wanted.flags.c_contiguous


FUNCTIONS: list[Any] = [
    lambda xp, x: xp.moveaxis(x, 1, -1),
    lambda xp, x: xp.broadcast_to(x, (5, 2, 3, 4)),
    lambda xp, x: xp.ascontiguousarray(x),
    lambda xp, x: xp.flip(x, axis=None),
    lambda xp, x: xp.flip(x, axis=(0, 2)),
]


@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
def test_functions_that_make_views_are_those_of_numpy(k):
    x = np.arange(24.0).reshape(2, 3, 4)
    found, wanted = FUNCTIONS[k](cupy, over(x)), FUNCTIONS[k](np, x)
    assert found.shape == wanted.shape
    assert found.strides == wanted.strides
    assert found.data.ptr == wanted.ctypes.data


@pytest.mark.skipif(COMPILER is None, reason="the emulator needs g++ on Linux, x86-64")
@pytest.mark.parametrize("name", ["rows of a filter", "columns in parts"])
def test_the_kernels_are_started_with_arrays_of_cupy(name, rng, monkeypatch):
    """All of `weight_norm_cuda` on CuPy's arrays; only the kernels run in the emulator."""
    kept = []

    def allocate(size: int) -> Any:
        kept.append(np.zeros(max(size, 1), "u1"))
        return over(kept[-1]).data

    class Module:
        def __init__(self, *, code: str, options: Any, name_expressions: Any) -> None:
            self.module = Emulated(code, options=options, name_expressions=name_expressions)

        def get_function(self, name: str) -> Any:
            f = self.module.get_function(name)
            return lambda grid, block, args: f(
                grid, block, [under(x) if isinstance(x, cupy.ndarray) else x for x in args]
            )

    p = problem(rng, name, "float32")
    monkeypatch.setattr(cupy, "RawModule", Module)
    monkeypatch.setattr(weight_norm_cuda, "on_device_of", lambda x: contextlib.nullcontext())
    weight_norm_cuda._kernel.cache_clear()
    before = cupy.cuda.get_allocator()
    cupy.cuda.set_allocator(allocate)
    try:
        given = [x.copy() for x in p]
        found = answers(type(p)(*map(over, given)))
    finally:
        cupy.cuda.set_allocator(before)
        weight_norm_cuda._kernel.cache_clear()
    hosted = {key: under(x) for key, x in found.items()}
    assert max(misses(hosted, p, "float32", flush=False).values()) <= 1
