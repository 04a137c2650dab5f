"""The machine behind the times: processor, libraries, and the threads that each may use."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..backend import device_facts
from ..doctor import THREADS, blas, version_of

__all__ = ["machine", "set_threads"]


def machine(device: str = "cpu") -> dict[str, Any]:
    """The machine behind the times, after the works have run: with the libraries' versions."""
    used = ("torch", "jax", "autograd", "mygrad")
    return {
        "minwn": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "processors": os.cpu_count(),
        "blas": blas(),
        "device": device_facts(device),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "libraries": {
            "numpy": np.__version__,
            **{name: version_of(name) for name in used if name in sys.modules},
        },
        "threads": {
            **{name: os.environ.get(name, "not set") for name in THREADS},
            **({"torch": torch.get_num_threads()} if (torch := sys.modules.get("torch")) else {}),
        },
    }


def set_threads(count: int) -> str:
    """Set the number of PyTorch's threads. A note about other libraries' threads, or ""."""
    try:
        import torch

        torch.set_num_threads(count)
    except ImportError:
        pass
    if str(count) in (os.environ.get(name) for name in THREADS):
        return ""
    return (
        f"--threads {count} is for PyTorch; NumPy's BLAS reads its number when it is loaded: "
        f"OPENBLAS_NUM_THREADS={count} OMP_NUM_THREADS={count} minwn bench ..."
    )


def _processor() -> str:
    """The model, where the system tells, as on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
