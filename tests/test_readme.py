"""What the README shows runs as printed."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import minwn
from minwn import cli

README = Path(minwn.__file__).parents[1] / "README.md"
HOUSE = README.parent / "tutorials" / "site" / "house.md"
DOCUMENTS = [
    *README.parent.glob("*.md"), *(README.parent / "tutorials").rglob("*.md"),
    *(README.parent / "minwn").rglob("*.md"), *(README.parent / "tests").rglob("*.md"),
]
LINK = re.compile(r"(?<!`)\[(?:[^][]|\\.)*\]\(([^)\s]+)\)")


def test_the_python_of_the_readme_runs_in_order(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    shared: dict = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), shared)
    assert "PASS" in capsys.readouterr().out


def test_the_verdict_on_the_first_screen_is_what_the_command_prints(tmp_path, monkeypatch, capsys):
    shown = re.search(r"```text\n\$ minwn (.*?)\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\n"
        "def forward(v, g):\n"
        "    return g * v / np.linalg.norm(v, axis=1, keepdims=True)\n\n"
        "def backward(w_bar, v, g):\n"
        "    n = np.linalg.norm(v, axis=1, keepdims=True)\n"
        "    return g / n * w_bar, (w_bar * v).sum(axis=1, keepdims=True) / n\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main(shown[1].split()) == 1
    seconds = re.compile(r", [\d.]+ s$", re.MULTILINE)
    printed = seconds.sub("", capsys.readouterr().out).splitlines()
    lines = seconds.sub("", shown[2]).splitlines()
    assert len(lines) >= 8
    assert [line for line in printed if line in lines] == lines


def commands(text):
    """The words of each `minwn ...` in a document, of blocks for the shell and of inline code."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    shell = [block for kind, block in blocks if kind in ("", "sh", "console")]
    lines = [line.strip("$ ") for block in shell for line in block.splitlines()]
    inline = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines += [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", inline)]
    for line in lines:
        for part in re.split(r"&&|\||;", line):
            part = part.partition(" > ")[0].strip()
            if re.match(r"(\.venv/bin/)?minwn \w+ (?!\.\.\.)", part):
                yield shlex.split(part, comments=True)[1:]


@pytest.mark.parametrize(  # the changelog speaks of options, and shows no commands
    "path", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"],
    ids=lambda p: str(p.relative_to(README.parent)),
)
def test_the_commands_in_documents_are_understood(path, capsys):
    for words in commands(path.read_text(encoding="utf-8")):
        try:
            cli._parser(words[0]).parse_args(words)
        except SystemExit:
            pytest.fail(f"minwn {' '.join(words)}: {capsys.readouterr().err}")


def test_the_readme_shows_most_commands():
    shown = {words[0] for words in commands(README.read_text())}
    assert len(shown & set(cli.COMMANDS)) >= 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(README.parent)))
def test_links_lead_to_files(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in LINK.findall(text) if not urlsplit(link).scheme and link[0] != "#"]
    missing = [link for link in links if not (path.parent / link.partition("#")[0]).is_file()]
    if path.parent == HOUSE.parent:  # pages that `minwn site` makes
        missing = [link for link in missing if "/" in link]
    assert not missing


def test_a_package_index_gets_no_links_into_the_repository(tmp_path):
    if find_spec("hatch_fancy_pypi_readme") is None:
        pytest.skip("hatch-fancy-pypi-readme is not installed; it is in the extra test")
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    metadata = ProjectMetadata(str(README.parent), PluginManager())
    text = metadata.core.readme
    assert text.count("\n") > 100
    assert "[TEACHERS" not in text
    assert "TEACHERS.md" in text
    assert [link for link in LINK.findall(text) if not urlsplit(link).scheme] == []


def test_every_module_on_the_map_is_there():
    rows = [row for row in HOUSE.read_text().splitlines() if re.match(r"\| \d", row)]
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`(\w+(?:/|\.py))`", row)}
    there = {
        path.name for path in (README.parent / "minwn").iterdir() if path.suffix in ("", ".py")
    }
    assert named == there - {"__init__.py", "__main__.py", "__pycache__"}


def test_the_map_names_files_that_have_what_it_says():
    house = HOUSE.read_text().partition("| where is ... |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in house.splitlines()[2:]]
    assert len(rows) >= 10
    for question, answer in rows:
        paths = re.findall(r"\]\((.*?)\)", answer)
        text = "".join((HOUSE.parent / path).read_text(encoding="utf-8") for path in paths)
        names = re.findall(r"`(\w+)`", answer)
        assert paths, question
        assert names, question
        for name in names:
            assert re.search(rf"^ *(def |class )?{name}\b[(:= ]", text, re.MULTILINE), (name, paths)
