"""The wheel: what it holds, and that the documented commands work from it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minwn

wheel = pytest.importorskip("hatchling.builders.wheel", reason="wheels are built by hatchling")

ROOT = Path(minwn.__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as file:
        file.extractall(folder / "site")
    return folder / "site"


def python(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*.py")}


def test_it_holds_the_package_the_notebooks_and_the_figures(site):
    held = python(site / "minwn")
    assert {p for p in held if p[0] != "_" or p.startswith("__")} == python(ROOT / "minwn")
    for name in ("figures", "tutorials"):
        assert python(site / "minwn" / f"_{name}") == python(ROOT / name)
    assert len(list((site / "minwn/_tutorials").glob("*.ipynb"))) == 12
    for name in ("schema.json", "FORMAT.md", "data/index.json"):
        assert (site / "minwn/oracle/vectors" / name).is_file()


def test_it_holds_nothing_that_only_a_checkout_needs(site):
    """Tests, the answers of exercises, the right implementations by which the judge is judged."""
    tops = {p.name.partition("-")[0] for p in site.iterdir()}
    assert tops == {"minwn"}
    names = {p.name for p in site.rglob("*")}
    assert not {"tests", "answers", "conftest.py", "correct.py", "false_alarms.py"} & names
    assert not [name for name in names if name.startswith("test_")]
    sources = {p: p.read_text(encoding="utf-8") for p in site.rglob("*.py")}
    for word in ("ANSWERS = {", "CORRECT: tuple", "from tests", "import tests"):
        assert not [str(p) for p, text in sources.items() if word in text], word


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("reproduce --list", 0, "A variational autoencoder"),
        ("tutorials list", 0, "Be the oracle"),
        ("tutorials copy here", 0, "12 notebooks"),
        ("tutorials build", 2, "or work in a checkout of minwn"),
        ("bench --list", 0, "weight_norm/10x64"),
        ("bench weight_norm/10x64 --quick --rounds 1", 0, "minwn"),
        ("mutate --id formula.no_projection --dtype float64", 0, "1/1"),
        ("mutate --rows 100", 2, "needs a checkout of minwn"),
        ("check minwn.byhand", 0, "PASS"),
        ("vectors export --dtype float32 --group generic", 0, "4 files"),
    ],
)
def test_commands_work_from_it(command, code, said, site, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "minwn", *command.split()], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
