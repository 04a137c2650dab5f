"""Fixtures for every test: random numbers, and the forms in which an array can arrive."""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

# Before NumPy and PyTorch are loaded: in many small products, threads only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from minwn import Tensor
from minwn.backend import move, to_numpy
from minwn.graph import Primitive

from .helpers import cuda, standin
from .helpers.foreign import Foreign


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="emulated", choices=("emulated", "cuda"),
        help="what stands for the GPU: CuPy's stand-in of the tests, or CuPy and a real one",
    )
    parser.addoption(
        "--cases", type=int, default=4, metavar="N",
        help="of a test with more cases, this many belong to the quick lane (default 4)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests live until the end: Python's collector of garbage would walk through these
    26,000 again and again, here and in every test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()  # the tests that are left out
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test with many cases, a few are quick and the others slow: drawn by their names, so that
    they are spread over all parameters, and the same in each run."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    count, slow = config.getoption("--cases"), pytest.mark.slow
    for cases in tests.values():
        if len(cases) > count:
            cases.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
            for item in cases[count:]:
                item.add_marker(slow)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the test's name alone, not on which tests ran before it."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The module `cupy` of `--device`: CuPy itself, or its stand-in for the time of a test."""
    if request.config.getoption("--device") == "cuda":
        import cupy

        yield cupy
    elif cuda.COMPILER is None:
        pytest.skip("the emulator needs g++ on Linux, x86-64")
    else:
        with standin.installed() as module:
            yield module


@pytest.fixture
def emulated(request: pytest.FixtureRequest) -> Any:
    """The stand-in, for what only an emulator can tell."""
    if request.config.getoption("--device") == "cuda":
        pytest.skip("tells of the emulator alone")
    return request.getfixturevalue("device")


@pytest.fixture
def asdevice(device: Any) -> Callable[[Any], Any]:
    """An array, copied to the device."""
    return lambda x: move(np.asarray(x), "cuda")


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.setflags(write=False)
    return x


def _strided(x: np.ndarray) -> np.ndarray:
    """The values of x, every second entry of a larger array, the last axis stored backwards."""
    if not x.ndim:
        return x.copy()
    wide = np.full([2 * n for n in x.shape], 99).astype(x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim][..., ::-1]
    view[...] = x
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": np.copy,
    "readonly": _read_only,
    "strided": _strided,
    "fortran": lambda x: np.array(x, order="F"),
    "foreign": Foreign,
}


@pytest.fixture(params=[*LAYOUTS, "device"])
def xp(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """A NumPy array, in one of the forms in which an operation may be handed it."""
    if request.param == "device":
        return request.getfixturevalue("asdevice")
    convert = LAYOUTS[request.param]
    return lambda x: convert(np.asarray(x))


@pytest.fixture
def host() -> Callable[[Any], np.ndarray]:
    """The NumPy array in a Tensor or an array of any kind."""

    def open_up(x: Any) -> np.ndarray:
        x = x.data if isinstance(x, Tensor) else x
        return x.host if isinstance(x, Foreign) else to_numpy(x)

    return open_up


@pytest.fixture(autouse=True)
def own_primitives() -> Iterator[None]:
    """Primitives that a test makes leave the registry with it; those of a late import stay."""
    yield
    for name, op in list(Primitive.registry.items()):
        if not op.forward.__module__.startswith("minwn"):
            del Primitive.registry[name]
