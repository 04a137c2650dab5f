"""Measurements that need a new process: peak memory, and the time of an import.

Memory is that of `child`. An import is timed inside a new interpreter, after NumPy's where it is
minwn's, with byte code in place: a first child, not counted, leaves it in a folder that is thrown
away afterwards.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from . import step
from .work import Step, Work

__all__ = ["WORKS"]

EVERYTHING = "minwn.cli, minwn.data, minwn.gradcheck, minwn.interop, minwn.oracle, minwn.verify"
IMPORTS = {  # name -> (the code before, the import that is timed)
    "minwn": ("import numpy", "import minwn"),
    "minwn everything": ("import numpy", f"import {EVERYTHING}"),
    "numpy": ("pass", "import numpy"),
}
LIMIT = 0.030  # seconds for `import minwn`


def _python(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """The output of a new interpreter, which finds the modules that this one finds."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8",
        env={**(env or os.environ), "PYTHONPATH": path},
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def _memory(work: str, peer: str) -> Step:
    return lambda: float(_python("-m", "minwn.bench.child", work, peer))


def _import_time(before: str, statement: str) -> Any:
    code = (
        f"import time\n{before}\nt = time.perf_counter()\n{statement}\n"
        f"print(time.perf_counter() - t)"
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = _byte_code().name
    run = functools.partial(_python, "-c", code, env=env)
    run()
    return lambda: float(run())


@functools.cache
def _byte_code() -> tempfile.TemporaryDirectory[str]:
    """A folder that is deleted at the end of this process."""
    return tempfile.TemporaryDirectory(prefix="minwn-bench-")


def _memory_work(of: Work) -> Work:
    peers = ("minwn", "numpy by hand", "torch hook", "torch parametrization")
    return Work(
        group="memory",
        size=of.name.replace("/", "-"),
        what=of.what,
        peers={peer: functools.partial(_memory, of.name, peer) for peer in peers},
        targets={"torch": 1.0},
        counted=3,
        unit="B",
    )


WORKS = [
    *(_memory_work(work) for work in step.WORKS[2:] if work.name.endswith("sgd")),
    Work(
        group="import",
        size="minwn",
        what="import, after NumPy's",
        peers={name: functools.partial(_import_time, *code) for name, code in IMPORTS.items()},
        limits={"minwn": LIMIT},
        quick=True,
        counted=7,
    ),
]
