"""`minwn doctor`: the installed and the missing packages."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
from typing import Any

import numpy

from . import __version__, backend

__all__ = [
    "THREADS",
    "arguments",
    "blas",
    "blas_line",
    "device_line",
    "diagnosis",
    "main",
    "version_of",
]

EXTRAS = (
    "cupy", "cupy-cuda12x", "cupy-cuda13x", "equinox", "flax", "furo", "h5py", "hypothesis", "jax",
    "joblib", "jsonschema", "jupyterlab", "jupytext", "latex2mathml", "matplotlib", "ml_dtypes",
    "mpmath", "myst-parser", "nbclient", "nbconvert", "orbax-checkpoint", "pytest", "safetensors",
    "scikit-learn", "sphinx", "threadpoolctl", "torch",
)
# Read when a library is loaded, so to be set before Python starts.
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn doctor` to a parser."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def main(args: argparse.Namespace) -> int:
    """Run `minwn doctor`; 1 where minwn cannot work here."""
    found = diagnosis()
    if args.json:
        print(json.dumps(found, indent=2))
        return 0 if found["ok"] else 1
    installed = {name: version for name, version in found["extras"].items() if version}
    rows = [
        ("minwn", found["minwn"]),
        ("Python", f"{found['python']} ({found['platform']})"),
        ("numpy", found["numpy"]),
        ("matrix products", blas_line(found["blas"])),
        ("device", found["device"]),
        ("processors", str(found["processors"])),
        *((name, value or "not set") for name, value in found["threads"].items()),
        ("writable here", "yes" if found["writable"] else "no; use --out with a directory that is"),
        *installed.items(),
        ("not installed", ", ".join(n for n, version in found["extras"].items() if not version)),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    if found["blas"]["hint"]:
        print(f"hint: {found['blas']['hint']}")
    for problem in found["problems"]:
        print(f"problem: {problem}")
    print("all is well" if found["ok"] else "minwn cannot work here")
    return 0 if found["ok"] else 1


def diagnosis() -> dict[str, Any]:
    """The abilities of this installation, ready for JSON; `problems` keep minwn from working."""
    gpu, device = _gpu()
    problems = []
    if int(numpy.__version__.partition(".")[0]) < 2:
        problems.append(f"numpy {numpy.__version__} is too old; pip install 'numpy>=2.0'")
    return {
        "minwn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": numpy.__version__,
        "blas": blas(),
        "extras": {name: version_of(name) for name in EXTRAS},
        "device": device,
        "gpu": gpu,
        "processors": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREADS},
        "writable": _writable(),
        "problems": problems,
        "ok": not problems,
    }


def blas() -> dict[str, Any]:
    """The library that multiplies NumPy's matrices, and, where threadpoolctl tells, for which
    processors its kernels were written; with a hint where this one could do better.
    """
    config = numpy.show_config(mode="dicts")
    built = config["Build Dependencies"]["blas"]
    found: dict[str, Any] = {
        "name": built["name"], "version": built["version"], "kernels": None, "threads": None,
        "hint": "",
    }
    try:
        import threadpoolctl
    except ImportError:
        return found
    for library in threadpoolctl.threadpool_info():
        if library["user_api"] == "blas" and "numpy" in library["filepath"]:
            found["kernels"] = library.get("architecture")
            found["threads"] = library["num_threads"]
    # NumPy's wheels hold a few of OpenBLAS's kernels; for AMD's Zen 4 and 5 they take Haswell's.
    if found["kernels"] == "Haswell" and "X86_V4" in config["SIMD Extensions"]["found"]:
        found["hint"] = (
            "this processor has AVX-512, and OpenBLAS does not use it; with OPENBLAS_CORETYPE="
            "SkylakeX set before Python starts, matrix products may take half the time"
        )
    return found


def blas_line(found: dict[str, Any]) -> str:
    """The result of `blas` in one line."""
    known = found["kernels"] is not None
    more = f", {found['kernels']} kernels, {found['threads']} threads" if known else ""
    return f"{found['name']} {found['version']}{more}"


def _gpu() -> tuple[dict[str, Any] | None, str]:
    """The GPU that can compute arrays, and its description; or none, and the reason."""
    try:
        found = backend.device_facts("cuda")
        x = backend.move(numpy.ones(2), "cuda")
        if backend.to_numpy(x + x).tolist() != [2.0, 2.0]:
            raise RuntimeError("1 + 1 is not 2 there")
        return found, device_line(found)
    except ImportError as error:
        return None, f"cpu ({error})"
    except Exception as error:  # a driver that is missing or too old says so in many ways
        return None, f"cpu (CuPy is installed, but: {type(error).__name__}: {error})"


def device_line(found: dict[str, Any]) -> str:
    """The result of `backend.device_facts` in one line."""
    memory, free = (found[name] / 2**30 for name in ("memory", "free"))
    return (
        f"{found['device']} of {found['devices']}: {found['name']}, compute capability "
        f"{found['compute capability']}, {memory:.1f} GiB, of which {free:.1f} free; "
        f"driver {found['driver']}, CUDA {found['runtime']}, CuPy {found['cupy']}"
    )


def _writable() -> bool:
    try:
        with tempfile.TemporaryFile(dir="."):
            return True
    except OSError:
        return False


def version_of(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
