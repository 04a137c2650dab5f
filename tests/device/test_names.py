"""No line of minwn asks CuPy for a name that it has not, whether a test runs that line or not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import minwn

from ..helpers.cupy_names import DTYPES, FUNCTIONS, METHODS, UFUNCS

ROOT = Path(minwn.__file__).parent
ROOMS = (
    "backend.py",
    "tensors.py",
    "derivatives.py",
    "optim.py",
    "ops",
    "kernels",
    "byhand",
    "nn",
    "bench/weight_norm.py",
)
HOST = {  # these are for NumPy's arrays alone
    "conv.py", "conv_depthwise.py", "conv_im2col.py", "conv_windows.py", "conv_winograd.py",
}
OTHERS = {"add_at", "erf", "vecdot"}  # of libraries that are neither; asked for before use


def sources() -> list[Path]:
    found = [ROOT / room for room in ROOMS]
    files = [f for path in found for f in (path.glob("*.py") if path.is_dir() else [path])]
    return [f for f in files if f.parent.name != "kernels" or f.name not in HOST]


def asked(text: str) -> set[str]:
    """The names that are asked of a namespace."""
    text = re.sub(r"#.*", "", text)
    return set(re.findall(r"\bxp\.([a-z]\w*)", text)) | set(
        re.findall(r"\bnamespace\([^()]*(?:\([^()]*\))?[^()]*\)\.([a-z]\w*)", text)
    )


def test_names_are_found():
    assert asked("xp.exp(x)  # xp.log\nnamespace(f(x)).sin(x)\nnamespace(x).empty") == {
        "exp", "sin", "empty",
    }
    assert len(set().union(*(asked(f.read_text()) for f in sources()))) > 30


@pytest.mark.parametrize("file", sources(), ids=lambda f: str(f.relative_to(ROOT)))
def test_every_name_is_one_of_cupy(file):
    known = {*UFUNCS, *FUNCTIONS, *DTYPES, *OTHERS}
    assert asked(file.read_text()) <= known, file


def test_no_name_is_listed_for_nothing():
    text = "\n".join(f.read_text() for f in ROOT.rglob("*.py"))
    unused = {n for n in (*FUNCTIONS, *UFUNCS, *METHODS) if not re.search(rf"\b{n}\b", text)}
    assert not unused
