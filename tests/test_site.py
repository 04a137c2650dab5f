"""The web pages: docstrings come out as they are, links lead somewhere, all is there."""

from __future__ import annotations

import importlib.util
import inspect
import re

import pytest

from minwn import cli, site
from minwn.course.locations import tutorials
from minwn.course.source import Cell, Tutorial


@pytest.fixture
def conf():
    pytest.importorskip("latex2mathml", reason="of the extra site")
    spec = importlib.util.spec_from_file_location("conf", tutorials() / "site" / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def html_of(rst):
    from docutils.core import publish_parts

    strict = {"report_level": 2, "halt_level": 2, "file_insertion_enabled": False}
    return publish_parts("\n".join(rst), writer="html5", settings_overrides=strict)["body"]


@pytest.mark.parametrize(
    "text",
    [
        "g_bar = <w_bar, x>", "<y, v_dot> and <a>", "|x|, ||v|| and |x", "x: (n, *size) and *k",
        "x_ and y__, _z and normalise_", "2 * x * y", r"a \ b", "`x", "1. one", ":x: y", "x:: y",
        "x::", "- x", "(i) x", ".. x", "**x**",
    ],
)
def test_text_survives(text, conf):
    from html import unescape

    page = html_of(conf.as_rst([text], "minwn.ops"))
    assert unescape(re.sub(r"<[^>]*>", "", page)).split() == text.split()


def test_arguments_have_rows_and_blocks_stay_blocks(conf):
    lines = [
        "w = g v.", "", "x: (n, c)   y: (n,)", "eps, form: of h", "and more", "Raises ValueError.",
        "", "    a = <b, c>", "", "    d = e", "", "    f(1)", "", ">>> x", "[1", "      2]", "",
        "y",
    ]
    assert conf.as_rst(lines, "minwn.ops") == [
        r"\ w = g v.", "",
        "| \\ **x**: (n, c)\N{EM SPACE}**y**: (n,)", r"| \ **eps, form**: of h and more",
        r"| \ Raises ValueError.", "",
        ".. code-block:: text", "", "    a = <b, c>", "", "    d = e", "", "    f(1)", "",
        ">>> x", "[1", "      2]", "", r"\ y", "",
    ]
    assert conf.as_rst(["    f(1)"], "minwn.ops")[0] == ".. code-block:: python"


def test_names_become_links(conf):
    text = "As `pad`, `nn.Linear` and `minwn.optim`; not `x += y`."
    (line, _) = conf.as_rst([text], "minwn.ops.sum")
    assert re.findall(r":py:obj:`[\w.]+ <([\w.]+)>`", line) == [
        "minwn.ops.pad", "minwn.nn.Linear", "minwn.optim"
    ]
    assert "``x += y``" in line


def test_dead_links_and_foreign_scripts_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"><a href="b.html#there"><a href="https://example.org">'
        '<a href="#gone"><a href="b.html#gone"><a href="c.html"><img src="none.png">'
        '<script src="https://cdn.example.org/x.js"></script><img src="data:image/png;base64,AA">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">')
    assert site.broken(tmp_path) == [
        "a.html links to #gone, which is not there",
        "a.html links to b.html#gone, which is not there",
        "a.html links to c.html, which is not there",
        "a.html loads https://cdn.example.org/x.js, which is not in the site",
        "a.html links to none.png, which is not there",
    ]


def test_a_solution_is_folded_below_its_task(tmp_path):
    lines = "def f(v):", "# 1.1: return 2 v", "# BEGIN SOLUTION", "return 2 * v", "# END SOLUTION"
    cells = Cell("markdown", "# 1 X"), Cell("code", "\n    ".join(lines)), Cell("code", "f")
    tutorial = Tutorial("01_x", cells)
    first, own, task, summary, answer, _, plain = site._cells(tutorial, None, tmp_path)
    assert (first, "01_x.ipynb" in own, "<summary>" in summary) == ("# 1 X", True, True)
    assert 'todo("1.1", "return 2 v")' in task
    assert "return 2 * v" not in task
    assert "return 2 * v" in answer
    assert plain == "```python\nf\n```"


def test_without_sphinx_the_way_out_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["site", str(tmp_path / "new")]) == 2
    assert "pip install 'minwn[site]'" in capsys.readouterr().err


def test_a_folder_that_is_no_site_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("x")
    assert cli.main(["site", str(tmp_path)]) == 2
    assert f"{tmp_path} exists and is not a site" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_the_site_holds_all_that_is_public(tmp_path):
    for name in site.NEEDS:
        pytest.importorskip(name, reason="of the extra site")
    assert site.build(tmp_path, quick=True) == []
    ids = {id for path in tmp_path.glob("*.html") for id in site._Page(path.read_text("utf-8")).ids}
    text = (tmp_path / "minwn.oracle.html").read_text("utf-8")
    for module in site.API | site.DERIVATIONS:
        home = importlib.import_module(module)
        for name in home.__all__:
            thing = getattr(home, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                moved = f"minwn.nn.{name}"  # where two modules offer it
                assert f"{module}.{name}" in ids or moved in ids, f"{module}.{name}"
    assert "&lt;w_bar, v&gt;" in re.sub(r"<[^>]*>", "", text)
