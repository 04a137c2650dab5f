"""TEACHERS.md is up to date, and PyTorch prints what notebook 9 says."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from minwn.course.locations import sources, tutorials

from . import teachers

TEXT = (tutorials() / "TEACHERS.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", teachers.PARTS)
def test_a_part_is_what_would_be_written(name):
    found = TEXT.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    advice = "run python -m tests.course.teachers"
    assert found.strip().splitlines() == teachers.PARTS[name]().splitlines(), advice


def test_every_notebook_has_messages():
    for path in sources():
        heading = rf"### {int(path.name[:2])} .*\n\n\|.*\n\|---.*\n((?:\|.*\n)*)"
        rows = re.search(heading, TEXT)
        assert rows, path.name
        assert rows[1].count("\n") >= 4, path.name


def test_text_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="<!-- /outcomes -->, a line each"):
        teachers.written(TEXT.replace("<!-- /outcomes -->", ""))


@pytest.mark.slow
def test_pytorch_answers_as_notebook_9_says():
    torch = pytest.importorskip("torch", reason="the program of notebook 9 needs PyTorch")
    if not torch.__version__.startswith("2.13"):
        pytest.skip("the notebook speaks of PyTorch 2.13")
    (path,) = (path for path in sources() if path.name.startswith("09_"))
    text = re.sub(r"(?m)^# ?", "", path.read_text(encoding="utf-8"))
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    printed = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, path.name, "exec"), {})
    assert out.getvalue() == printed
