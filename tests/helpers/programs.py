"""Programs in other languages, compiled or found; where there are none, the test is skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def compiled(source: Path, folder: Path, *flags: str) -> Path:
    """A C99 program, built without a warning."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("there is no C compiler here (cc, gcc or clang)")
    program = folder / source.stem
    strict = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = [compiler, *strict, *flags, str(source), "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def found(name: str) -> str:
    """The path of an interpreter."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} here")
    return path
