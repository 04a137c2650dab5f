"""What the README shows runs as printed."""

import re
from pathlib import Path

import minwn

README = Path(minwn.__file__).parents[1] / "README.md"


def test_the_python_of_the_readme_runs_in_order(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    shared: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), shared)
    assert "PASS" in capsys.readouterr().out


def test_every_module_on_the_map_is_there():
    house = README.read_text().partition("## The house")[2].partition("## Words")[0]
    rows = [row for row in house.splitlines() if re.match(r"\| \d", row)]
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`(\w+(?:/|\.py))`", row)}
    there = {
        path.name for path in (README.parent / "minwn").iterdir() if path.suffix in ("", ".py")
    }
    assert named == there - {"__init__.py", "__main__.py", "__pycache__"}


def test_the_map_names_files_that_have_what_it_says():
    house = README.read_text().partition("| where is ... |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in house.splitlines()[2:]]
    assert len(rows) >= 10
    for question, answer in rows:
        paths = re.findall(r"\]\((.*?)\)", answer)
        text = "".join((README.parent / path).read_text(encoding="utf-8") for path in paths)
        names = re.findall(r"`(\w+)`", answer)
        assert paths, question
        assert names, question
        for name in names:
            assert re.search(rf"^ *(def |class )?{name}\b[(:= ]", text, re.MULTILINE), (name, paths)
