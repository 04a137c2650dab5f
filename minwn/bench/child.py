"""In a new process: the memory that a work needs beyond that in use before.

    python -m minwn.bench.child WORK PEER

prints a number of bytes. Libraries are imported, thread pools and kernels woken by a smaller work
of the same group, the data and the parameters made; then the high-water mark of resident memory is
reset, and three steps are taken. That mark counts all memory, where tracemalloc sees only
Python's and NumPy's. `getrusage` reads the mark but cannot reset it, and on Linux a child inherits
its parent's, so it is used only where there is no /proc.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from pathlib import Path

from .works import BY_NAME

__all__ = ["peak"]

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
STEPS = 3


def peak(name: str, peer: str) -> int:
    """Bytes that the steps of a work needed at most, beyond those in use before."""
    work = BY_NAME[name]
    smallest = next(w for w in BY_NAME.values() if w.group == work.group)
    warm = smallest.peers[peer]()
    for _ in range(STEPS):
        warm()
    del warm
    step = work.peers[peer]()
    before = _forget_the_past()
    for _ in range(STEPS):
        step()
    return max(0, _high_water() - before)


def _forget_the_past() -> int:
    """Bytes in use now, with free memory given back and the high-water mark reset."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc only
    if not STATUS.exists():
        return _high_water()
    with contextlib.suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")
    return _status("VmRSS")


def _high_water() -> int:
    if STATUS.exists():
        return _status("VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(key: str) -> int:
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(key))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(peak(*sys.argv[1:]))
