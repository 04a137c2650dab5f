"""From sources to notebooks: nothing is lost, no solution is left in, and faults are found."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import types

import pytest

from minwn.course import command, formats, html, lint
from minwn.course.exercise import chapter
from minwn.course.formats import FORMATS, build
from minwn.course.locations import sources, tutorials
from minwn.course.source import read, solution, student, written

# To import it takes a second, which is left to the tests that need it.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jupytext") is None, reason="notebooks are built with jupytext"
)

SOURCE = """\
# %% [markdown]
# # 5 A title
#
# **10 minutes** · **Before this:** nothing
#
# **You will be able to**
#
# - do this
# - do that

# %%
import matplotlib.pyplot as plt
from minwn.course import check, predict, progress, reveal, todo

# %%
choice = "stays"  # SOLUTION
predict("5.1", choice, of=("doubles", "halves", "stays"))


# %%
def weight(v, g):
    # 5.2: return g v / n,
    # one n for each row
    # BEGIN SOLUTION
    secret = v * g
    return secret
    # END SOLUTION


# %%
check("5.2", weight)
"""


@pytest.fixture
def tutorial(tmp_path):
    return from_text(tmp_path, SOURCE)


def from_text(tmp_path, text):
    path = tmp_path / "05_title.py"
    path.write_text(text, encoding="utf-8")
    return read(path)


def code_of(tutorial):
    return "\n".join(cell.source for cell in tutorial.cells if cell.kind == "code")


def test_a_learner_gets_the_task_and_not_the_answer(tutorial):
    code = code_of(student(tutorial))
    assert 'todo("5.2", "return g v / n, one n for each row")' in code
    assert "choice = ...\n" in code
    assert not re.search(r"secret|SOLUTION|stays\"\s*$", code)


def test_a_solution_keeps_all_but_the_markers(tutorial):
    code = code_of(solution(tutorial))
    assert "secret = v * g" in code
    assert 'choice = "stays"\n' in code
    assert "# 5.2: return g v / n," in code
    assert "SOLUTION" not in code


def test_ids_are_the_same_in_both_and_move_with_their_cells(tutorial, tmp_path):
    ids = [cell["id"] for cell in json.loads(written(student(tutorial)))["cells"]]
    assert ids == [cell["id"] for cell in json.loads(written(solution(tutorial)))["cells"]]
    assert len(set(ids)) == len(ids)
    longer = from_text(tmp_path, SOURCE.replace("# %%\ncheck", "# %%\n1\n\n# %%\ncheck"))
    new = [cell.id for cell in longer.cells]
    assert [id for id in new if id in ids] == ids


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    # END SOLUTION\n", "", "without its END"),
        ("    # BEGIN SOLUTION\n", "", "without its BEGIN"),
        ("    secret", "    # BEGIN SOLUTION\n    secret", "within a solution"),
        ("    # 5.2: return g v / n,\n    # one n for each row\n", "", "write a comment like"),
    ],
)
def test_markers_astray_are_errors(tmp_path, old, new, words):
    with pytest.raises(ValueError, match=f"05_title.py: .*{words}"):
        from_text(tmp_path, SOURCE.replace(old, new))


# ---- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_formats_hold_the_same_text_and_are_valid(tutorial, form):
    nbformat = pytest.importorskip("nbformat", reason="nbformat validates notebooks")
    for text in build(tutorial, form).values():
        nbformat.validate(nbformat.reads(text, as_version=4))
        assert [c["source"] for c in json.loads(text)["cells"] if c["cell_type"] == "markdown"] == [
            cell.source.splitlines(keepends=True)
            for cell in tutorial.cells
            if cell.kind == "markdown"
        ]


def test_nbgrader_locks_the_checks_and_marks_the_solutions(tutorial):
    (text,) = build(tutorial, "nbgrader").values()
    cells = [c for c in json.loads(text)["cells"] if "nbgrader" in c["metadata"]]
    kinds = [
        (c["metadata"]["nbgrader"]["solution"], c["metadata"]["nbgrader"]["grade"]) for c in cells
    ]
    assert kinds == [(True, False), (True, False), (False, True)]
    assert re.match(
        r'choice = \.\.\. .*\n### BEGIN SOLUTION\nchoice = "stays"\n### END SOLUTION\n',
        "".join(cells[0]["source"]),
    )
    locked = "".join(cells[2]["source"])
    assert locked == 'from minwn.course import check\nassert check("5.2", weight)'
    assert len({c["metadata"]["nbgrader"]["grade_id"] for c in cells}) == 3


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_locked_cell_holds_its_checks_and_nothing_else(source):
    (text,) = build(read(source), "nbgrader").values()
    cells = json.loads(text)["cells"]
    for cell in cells:
        code = "".join(cell["source"])
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            first, *rest = code.splitlines()
            assert first == "from minwn.course import check"
            assert all(line.startswith("assert check(") for line in rest)
        elif cell["cell_type"] == "code":
            assert "assert check(" not in code
        else:
            assert "`todo`" not in code
    found = re.compile(r'assert check\("(.+?)"')
    graded = [id for c in cells for id in found.findall("".join(c["source"]))]
    assert graded == [e.id for e in chapter(source.name[:2]).values() if not e.prediction]


def test_otter_wraps_a_question_around_each_exercise(tutorial):
    (text,) = build(tutorial, "otter").values()
    cells = json.loads(text)["cells"]
    raw = ["".join(c["source"]).splitlines()[0] for c in cells if c["cell_type"] == "raw"]
    assert raw == [
        "# ASSIGNMENT CONFIG",
        *2 * ["# BEGIN QUESTION", "# BEGIN SOLUTION", "# END SOLUTION", "# BEGIN TESTS",
              "# END TESTS", "# END QUESTION"],
    ]
    assert "assert check('5.2', eval('weight', env))" in text


def test_no_other_format(tutorial):
    with pytest.raises(ValueError, match="choose plain, nbgrader, otter"):
        build(tutorial, "word")


# ---- the cell that installs ---------------------------------------------------------------------


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Runs the cell in an empty folder, where a name is missing until it is installed."""
    monkeypatch.chdir(tmp_path)

    def run(*names, works=True):
        gone, said = set(names), []
        spec = importlib.util.find_spec("json")

        def magic(kind, line):
            said.append((kind, line))
            if works:
                gone.clear()

        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name in gone else spec
        )
        shell = types.SimpleNamespace(run_line_magic=magic)
        try:
            exec(formats.INSTALL, {"get_ipython": lambda: shell})
        finally:
            monkeypatch.undo()
            monkeypatch.chdir(tmp_path)
        return said

    return run


@pytest.mark.parametrize("form", FORMATS)
def test_the_cell_that_installs_stands_below_the_title(tutorial, form):
    for text in build(tutorial, form).values():
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] != "raw"]
        assert "".join(cells[0]["source"]).startswith("# 5 A title")
        assert "".join(cells[1]["source"]) == formats.INSTALL
        assert cells[1]["metadata"] == {}


def test_where_all_is_there_nothing_is_installed(install, tmp_path):
    (tmp_path / "minwn-9-py3-none-any.whl").touch()
    assert install() == []


@pytest.mark.parametrize("gone", ["minwn", "matplotlib"])
def test_what_is_missing_is_installed_from_what_is_near(install, tmp_path, monkeypatch, gone):
    assert install(gone) == [("pip", 'install --quiet "minwn[plot]"')]
    (tmp_path / "minwn" / "course").mkdir(parents=True)
    inside = tmp_path / "tutorials"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert install(gone) == [("pip", f'install --quiet "{tmp_path}[plot]"')]
    wheel = tmp_path / "minwn-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert install(gone) == [("pip", f'install --quiet "{wheel}[plot]"')]


def test_where_minwn_cannot_be_had_one_sentence_says_what_to_do(install):
    with pytest.raises(ModuleNotFoundError, match=r"put its wheel, minwn-\(version\)"):
        install("minwn", works=False)


def test_a_folder_named_minwn_is_not_minwn(tmp_path):
    (tmp_path / "minwn").mkdir()
    cell = formats.INSTALL.partition("if missing")[0] + 'print(missing("minwn"))'
    done = subprocess.run(
        [sys.executable, "-S", "-c", cell], cwd=tmp_path, env={}, capture_output=True, text=True,
        check=True,
    )
    assert done.stdout == "True\n"


# ---- captions and formulas ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        (r"$P\bar w$ at *the* `tip` of $v$", "Pw̄ at the tip of v"),
        (r"near $10^{-16}$, $n^2$ and $w^T$", "near 10⁻¹⁶, n² and wᵀ"),
        (r"$f = e^{-x^2/2}$ and $f''$ at $-1$", "f = e^(−x²/2) and f′′ at −1"),
        (r"longer than $\delta$, by $\delta/n$", "longer than δ, by δ/n"),
    ],
)
def test_a_caption_is_said_in_plain_text(caption, text):
    assert html.spoken(caption) == text


def test_an_alt_text_ends_with_the_caption():
    picture = {"data": {"image/png": "x"}}
    below = "**Figure.** A line\nthat rises.\n\n**Modify.** Set $\\bar v$ to 3."
    cells = [
        types.SimpleNamespace(source="draw()", get=lambda *_: [picture]),
        types.SimpleNamespace(source=below, get=lambda *_: []),
    ]
    assert html.described(types.SimpleNamespace(cells=cells)) == ["A line that rises."]


def test_a_formula_that_nobody_could_read_is_an_error():
    pytest.importorskip("latex2mathml", reason="formulas are converted with latex2mathml")
    assert html.mathml("x").startswith("<math ")
    assert 'display="block"' in html.mathml(r"\Bigl\langle x \Bigr\rangle", block=True)
    with pytest.raises(ValueError, match="would not be drawn"):
        html.mathml(r"\nosuchthing x")
    with pytest.raises(ValueError, match="plain text cannot say"):
        html.spoken(r"a $\frac{1}{2}$")


# ---- what is committed --------------------------------------------------------------------------


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_what_is_committed_is_what_the_source_makes(source):
    assert lint.committed(source, tutorials()) == []


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_lint_finds_nothing(source):
    assert lint.complaints(read(source)) == []


FAULTS = [
    ("05_", "# # 5 Weight", "# # Weight", "does not begin with '# 5 Title'"),
    ("05_", "**60 minutes**", "an hour", "45 minutes"),
    ("05_", "**Before this:**", "First:", "Before this"),
    ("05_", "# - compute $w", "# Compute $w", None),
    ("05_", "**You will be able to**", "Goals", "at least two goals"),
    ("05_", "# ## 2 First", "# #### 2 First", "skips a level"),
    ("05_", "# ## 2 First", "# # 2 First", "exactly one heading"),
    ("05_", "**Modify.**", "Change.", "Modify"),
    ("05_", "# ## Exit ticket", "# ## Questions", "an exit ticket"),
    ("05_", 'check("5.T3", factor)', "factor", "2 checked questions"),
    ("05_", 'check("5.6", across)', "across", "5.6 is registered"),
    ("05_", 'check("5.6", across)', 'check("5.61", across)', "5.61 is not registered"),
    ("05_", "# ## Where this goes wrong", "# ## Where", "a true case"),
    ("05_", "progress()\n", "pass\n", "does not call progress"),
    ("05_", "**Figure.** On", "On", "draws, and no"),
    ("05_", "draw.arrows(\n", "plt.plot(\n", "no labels"),
    ("05_", "# ## References", "# ## To read", "what to read"),
    ("05_", "**Figure.** On", "**Figure.** $\\frac{1}{2}$ On", "plain text cannot say"),
    ("05_", "# Three derivations, and", "# Look! Three derivations, and", "exclamation"),
    ("05_", '"zero", "g_bar", "depends on w_bar"', '"zero", "g_bar"', "does not offer"),
    ("00_", 'reveal("0.1")', "pass", "never revealed"),
]


@pytest.mark.parametrize(("stem", "old", "new", "words"), FAULTS, ids=lambda x: str(x)[:25])
def test_lint_finds_a_planted_fault(tmp_path, stem, old, new, words):
    (path,) = (path for path in sources() if path.name.startswith(stem))
    text = path.read_text(encoding="utf-8")
    assert old in text
    planted = tmp_path / path.name
    planted.write_text(text.replace(old, new), encoding="utf-8")
    found = lint.complaints(read(planted))
    if words is None:
        assert found == []
    else:
        assert any(words in one for one in found), found


def test_lint_finds_outputs_and_edits(tmp_path):
    source = sources()[0]
    for name, text in build(read(source)).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    notebook = tmp_path / f"{source.stem}.ipynb"
    data = json.loads(notebook.read_text(encoding="utf-8"))
    assert lint.committed(source, tmp_path) == []
    data["cells"][1]["execution_count"] = 1
    notebook.write_text(json.dumps(data), encoding="utf-8")
    assert "has outputs" in lint.committed(source, tmp_path)[0]
    notebook.write_text("{}", encoding="utf-8")
    assert "is not what its source makes" in lint.committed(source, tmp_path)[0]
    notebook.unlink()
    assert "is missing" in lint.committed(source, tmp_path)[0]


# ---- the command --------------------------------------------------------------------------------


def run(*words):
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return command.main(parser.parse_args(words))


def test_list(capsys):
    assert run("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["number"] for row in rows] == [path.name[:2] for path in sources()]
    assert all(isinstance(row["minutes"], int) for row in rows)
    assert run("list") == 0
    assert "05  Weight normalisation by three derivations" in capsys.readouterr().out


def test_copy_writes_over_nobodys_answers(tmp_path, capsys):
    assert run("copy", str(tmp_path / "here")) == 0
    assert "jupyter lab" in capsys.readouterr().out
    first = tmp_path / "here" / "00_start_here.ipynb"
    first.write_text("mine", encoding="utf-8")
    assert run("copy", str(tmp_path / "here")) == 2
    assert "--force" in capsys.readouterr().err
    assert first.read_text(encoding="utf-8") == "mine"
    assert run("copy", str(tmp_path / "here"), "--force", "--solutions") == 0
    assert (tmp_path / "here" / "solutions" / "00_start_here.ipynb").is_file()
    assert first.read_text(encoding="utf-8") != "mine"


@pytest.mark.slow
def test_build_and_lint(tmp_path, capsys):
    assert run("build", "--check") == 0
    assert run("build", "--check", "--out", str(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []
    assert run("build", "--format", "otter") == 2
    assert "--out" in capsys.readouterr().err
    assert run("build", "--format", "nbgrader", "--out", str(tmp_path)) == 0
    assert (tmp_path / "source" / "00_start_here" / "00_start_here.ipynb").is_file()
    assert run("lint") == 0
    assert "nothing is amiss" in capsys.readouterr().out
    assert run("html", "77", "--out", str(tmp_path)) == 2


def test_without_jupytext_a_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    for words in (("build", "--check"), ("lint",), ("html", "--out", str(tmp_path))):
        assert run(*words) == 2
        assert "pip install 'minwn[notebooks]'" in capsys.readouterr().err
    assert run("list") == 0


def test_an_installation_finds_its_own_notebooks(tmp_path, monkeypatch):
    from minwn.course import locations

    monkeypatch.setattr(locations, "PACKAGE", tmp_path / "site" / "minwn")
    with pytest.raises(FileNotFoundError, match="without its notebooks"):
        locations.tutorials()
    inside = tmp_path / "site" / "minwn" / "_tutorials"
    (inside / "src").mkdir(parents=True)
    assert locations.tutorials() == inside
