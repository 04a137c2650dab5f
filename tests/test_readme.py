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
