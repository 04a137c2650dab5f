"""`minwn doctor`: what is installed here, and what is missing."""

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

__all__ = ["arguments", "device_line", "diagnosis", "main", "version_of"]

EXTRAS = (
    "cupy", "cupy-cuda12x", "cupy-cuda13x", "equinox", "flax", "hypothesis", "jax", "joblib",
    "jupyterlab", "jupytext", "matplotlib", "ml_dtypes", "mpmath", "nbclient", "nbconvert",
    "pytest", "safetensors", "scikit-learn", "torch", "tqdm",
)  # fmt: skip
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


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
        ("device", device_line(found["device"]) or f"cpu ({found['no device']})"),
        ("processors", str(found["processors"])),
        *((name, value or "not set") for name, value in found["threads"].items()),
        ("writable here", "yes" if found["writable"] else "no; use --out with a directory that is"),
        *installed.items(),
        ("not installed", ", ".join(n for n, version in found["extras"].items() if not version)),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    for problem in found["problems"]:
        print(f"problem: {problem}")
    print("all is well" if found["ok"] else "minwn cannot work here")
    return 0 if found["ok"] else 1


def diagnosis() -> dict[str, Any]:
    """What this installation can do, ready for JSON; `problems` keep minwn from working."""
    device, why_not = _device()
    problems = []
    if int(numpy.__version__.partition(".")[0]) < 2:
        problems.append(f"numpy {numpy.__version__} is too old; pip install 'numpy>=2.0'")
    return {
        "minwn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": numpy.__version__,
        "extras": {name: version_of(name) for name in EXTRAS},
        "device": device,
        "no device": why_not,
        "processors": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREADS},
        "writable": _writable(),
        "problems": problems,
        "ok": not problems,
    }


def _device() -> tuple[dict[str, Any], str]:
    """What the GPU is on which arrays can be computed with; or nothing, and the reason."""
    try:
        found = backend.device_facts("cuda")
        backend.move(numpy.zeros(1), "cuda") + 1
        return found, ""
    except (ImportError, RuntimeError) as error:
        return {}, str(error)
    except Exception as error:  # a library of CUDA that is missing says so in many ways
        return {}, f"CuPy is installed, but: {type(error).__name__}: {error}"


def device_line(facts: dict[str, Any]) -> str:
    """What `backend.device_facts` found, in one line; "" for nothing."""
    if not facts:
        return ""
    return (
        f"{facts['device']}, {facts['name']}, compute capability {facts['compute capability']}, "
        f"{facts['memory'] / 2**30:.0f} GiB, {facts['free'] / 2**30:.0f} free; "
        f"CUDA driver {facts['driver']}, runtime {facts['runtime']}, CuPy {facts['cupy']}"
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
