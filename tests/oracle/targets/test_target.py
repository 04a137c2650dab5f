"""Files, objects and modules, as a person names them; and what is said where that fails."""

import subprocess
import sys

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.targets.target import Functions, TargetError, load

RIGHT = """
import numpy as np

def forward(v, g):
    return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))

def backward(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return g / n * (w_bar - g_bar * v / n), g_bar
"""
CLASS = (
    "EPS = 1e-3\n\nclass Norm:\n    FORM = 'outside'\n    def forward(self, v, g):\n"
    "        return g * v\n"
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="homework.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def test_a_file_is_judged(write):
    found = load(write(RIGHT))
    assert (found.name, set(found.given), found.settings) == (
        "homework.py", {"forward", "backward"}, {},
    )
    assert found.jvp is None
    assert oracle.check(**found.given, **found.settings).ok


@pytest.mark.parametrize("name", ["Norm", "it", "room.it"])
def test_a_class_and_an_object_do_as_well(write, name):
    text = CLASS + "\nit = Norm()\n\nclass room:\n    it = it\n"
    found = load(write(text) + ":" + name)
    assert found.name == f"homework.py:{name}"
    assert found.settings == {"form": "outside", "eps": 1e-3}
    assert found.forward(2.0, 3.0) == 6.0
    assert set(found.given) == {"forward"}


def test_constants_declare_what_is_meant(write):
    text = "AXIS = None\nFORM = 'inside'\nEPS = 0.1\nDTYPE = 'float32'\n" + RIGHT
    assert load(write(text)).settings == {
        "axis": None, "form": "inside", "eps": 0.1, "dtype": "float32",
    }


FAILS = {
    "there is no such file": ("nowhere.py", None),
    "no forward(v, g)": ("homework.py", "def fwd(v, g): pass\ndef _hidden(): pass\n"),
    "found fwd.": ("homework.py", "def fwd(v, g): pass\ndef _hidden(): pass\n"),
    "no functions at all": ("homework.py", "x = 3\n"),
    "has no 'Nrm'; it has Norm": ("homework.py:Nrm", CLASS),
    "forward is 3, of type int": ("homework.py", "forward = 3\n"),
    "line 2: ZeroDivisionError: division by zero": ("homework.py", "x = 1\nx / 0\n"),
    "line 2: SyntaxError": ("homework.py", "x = 1\ndef f(:\n"),
    "ModuleNotFoundError: No module named 'nosuchthing'": ("homework.py", "import nosuchthing\n"),
    "SystemExit: 3": ("homework.py", "import sys\nsys.exit(3)\n"),
    "made without arguments": ("homework.py:A", "class A:\n    def __init__(self, x): pass\n"),
}


@pytest.mark.parametrize("said", FAILS)
def test_what_fails_says_why(write, tmp_path, said):
    spec, text = FAILS[said]
    if text is not None:
        write(text)
    before, path = set(sys.modules), list(sys.path)
    with pytest.raises(TargetError) as error:
        load(str(tmp_path / spec))
    assert said in str(error.value)
    assert "homework.py" in str(error.value) or text is None
    assert sys.path == path
    assert {m for m in set(sys.modules) - before if not m.startswith("minwn_target_")} == set()


@pytest.mark.parametrize(
    ("spec", "said"),
    [("nosuchmodule:x", "No module named 'nosuchmodule'"), ("a b", "ends in .py, or module:name"),
     ("math:nothing", "math has no 'nothing'"), ("math", "no forward(v, g)")],
)
def test_a_module_that_fails_says_why(spec, said):
    with pytest.raises(TargetError, match="^" + spec.split(":")[0]) as error:
        load(spec)
    assert said in str(error.value)


def test_neighbours_can_be_imported_and_are_not_left_behind(write, tmp_path):
    for folder, factor in (("one", 2), ("two", 3)):
        write(f"k = {factor}\n", f"{folder}/neighbour.py")
        write(
            "from neighbour import k\nfrom .neighbour import k as same\n"
            "def forward(v, g): return k * same * g * v\n",
            f"{folder}/json.py",  # the name of a module that is in use
        )
    import json

    before = set(sys.modules)
    one, two = (load(str(tmp_path / folder / "json.py")) for folder in ("one", "two"))
    assert (one.forward(1, 1), two.forward(1, 1)) == (4, 9)
    assert sys.modules["json"] is json
    assert all(m.startswith("minwn_target_") for m in set(sys.modules) - before)
    assert not list(tmp_path.rglob("__pycache__"))
    assert not sys.dont_write_bytecode or sys.flags.dont_write_bytecode


def test_a_file_that_was_edited_is_read_again(write):
    for k in (2, 3):  # of the same size, and within the same second
        path = write(f"from dataclasses import dataclass\ndef forward(v, g): return {k}\n")
        assert load(path).forward(0, 0) == k


def test_a_dataclass_in_a_file_finds_its_module(write):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        "@dataclass\nclass Norm:\n    eps: float = 0.0\n"
        "    def forward(self, v, g): return g * v\n"
    )
    assert load(write(text) + ":Norm").forward(2, 2) == 4


def test_a_module_of_the_working_directory(write, tmp_path):
    write(RIGHT, "mine.py")
    code = (
        "from minwn.oracle.targets.target import load;"
        " f = load('mine'); print(f.name, sorted(f.given))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "mine ['backward', 'forward']"


def test_functions_hold_nothing_by_default():
    assert Functions().given == {}
    assert np.isscalar(Functions().name)
