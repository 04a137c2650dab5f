"""`minwn ...`: one command for each thing that minwn does by itself.

Exit codes: 0 all is well, 1 a check failed, 2 the command was not understood.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy

from . import __version__, backend, bench
from .interop import command as convert
from .verify import command as verify
from .verify import version_of

__all__ = ["main"]

EXTRAS = (
    "cupy", "cupy-cuda12x", "cupy-cuda13x", "flax", "hypothesis", "jax", "jupyterlab", "matplotlib",
    "ml_dtypes", "mpmath", "pytest", "safetensors", "scikit-learn", "torch", "tqdm",
)  # fmt: skip
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what was wrong, or printed the help
        return stop.code if isinstance(stop.code, int) else 2
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nminwn: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="minwn",
        description="Weight normalisation, written to be read, checked and trusted.",
        epilog="exit codes: 0 all is well, 1 a check failed, 2 the command was not understood",
    )
    parser.add_argument("--version", action="version", version=f"minwn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary, arguments, run in (
        ("verify", "prove every gradient, and train on real digits", verify.arguments, verify.main),
        ("convert", "translate weights between frameworks", convert.arguments, convert.main),
        ("bench", "time the work of minwn beside its peers", bench.arguments, bench.main),
        ("doctor", "say what is installed here and what is missing", _options, _doctor),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        arguments(command)
        command.set_defaults(run=run)
    return parser


# ---- doctor -------------------------------------------------------------------------------------


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def _doctor(args: argparse.Namespace) -> int:
    found = diagnosis()
    if args.json:
        print(json.dumps(found, indent=2))
        return 0 if found["ok"] else 1
    installed = {name: version for name, version in found["extras"].items() if version}
    rows = [
        ("minwn", found["minwn"]),
        ("Python", f"{found['python']} ({found['platform']})"),
        ("numpy", found["numpy"]),
        ("device", found["device"]),
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
    problems = []
    if int(numpy.__version__.partition(".")[0]) < 2:
        problems.append(f"numpy {numpy.__version__} is too old; pip install 'numpy>=2.0'")
    return {
        "minwn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": numpy.__version__,
        "extras": {name: version_of(name) for name in EXTRAS},
        "device": _device(),
        "processors": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREADS},
        "writable": _writable(),
        "problems": problems,
        "ok": not problems,
    }


def _device() -> str:
    """ "cuda:0" where arrays can be moved to a GPU; else "cpu", with the reason."""
    try:
        return backend.device(backend.move(numpy.zeros(1), "cuda"))
    except ImportError as error:
        return f"cpu ({error})"
    except Exception as error:  # a driver that is missing or too old says so in many ways
        return f"cpu (CuPy is installed, but: {type(error).__name__}: {error})"


def _writable() -> bool:
    try:
        with tempfile.TemporaryFile(dir="."):
            return True
    except OSError:
        return False
