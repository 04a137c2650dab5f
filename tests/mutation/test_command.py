"""`minwn mutate`: what it prints, and its exit codes."""

from __future__ import annotations

import argparse
import json

import pytest

from minwn.mutation import command
from minwn.mutation.measure import judge


def run(*argv):
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return command.main(parser.parse_args(argv))


def test_a_table_and_the_rows(capsys):
    ids = ("formula.no_projection", "strange.tanh", "range.cube", "equal.unit_vectors")
    assert run("--id", *ids, "--dtype", "float64", "--rows", "500") == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line}
    assert "1/1" in lines["formula"]
    assert "1 100 %" in lines["formula"]
    assert "1/1 seen as limits of range" in lines["range"]
    assert "1 proved equal, 0 accused" in lines["equal"]
    assert "500 rows" in said
    assert "0 false alarms" in said


def test_an_installation_has_no_right_implementations(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    some = ("--id", "formula.no_projection", "--dtype", "float64")
    assert run(*some) == 0
    assert "right implementations: not asked" in capsys.readouterr().out
    assert run(*some, "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] is None
    assert run(*some, "--rows", "0") == 0
    for asked in (("--rows", "500"), ("--long",)):
        capsys.readouterr()
        assert run(*some, *asked) == 2
        assert "needs a checkout of minwn" in capsys.readouterr().err


def test_json(capsys, tmp_path):
    path = tmp_path / "report.json"
    some = ("--id", "formula.no_projection", "--dtype", "float64", "--rows", "100", "--json")
    assert run(*some) == 0
    printed = json.loads(capsys.readouterr().out)
    assert run(*some, str(path)) == 0
    written = json.loads(path.read_text())
    for data in (printed, written):
        assert data["ok"] is True
        assert data["rows"]["alarms"] == 0
        assert data["mutants"][0]["found"] == ["no_projection"]


def test_a_survivor_is_said_and_is_exit_code_1(capsys, monkeypatch):
    class Blind:
        ok, verdict, diagnosis, notes = True, "PASS", (), ()

    monkeypatch.setattr(
        command, "measure",
        lambda mutants, dtypes: [judge(m, dtypes[0], lambda **k: Blind) for m in mutants],
    )
    assert run("--id", "formula.no_projection", "--rows", "0") == 1
    assert "survived  formula.no_projection (float64)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--tests", "x.py"], "go together"),
        (["--id", "formula.nothing"], "no mutant formula.nothing"),
        (["--tests", "x.py", "--target", "nothing.py"], "no such file"),
    ],
)
def test_usage(argv, words, capsys):
    assert run(*argv) == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def tested(tmp_path, monkeypatch):
    """The arguments for a file with this at its beginning, and a test that sees no mistake."""

    def made(first=""):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        (tmp_path / "layer.py").write_text(first + "def forward(v, g):\n    return v\n")
        (tmp_path / "test_layer.py").write_text(
            "import numpy, layer\n\ndef test_it():\n"
            "    assert layer.forward(numpy.ones((2, 3)), numpy.ones((2, 1))).shape == (2, 3)\n"
        )
        return "--tests", "test_layer.py", "--target", "layer.py", "--id", "formula.w_no_g"

    return made


@pytest.mark.slow
def test_a_target_that_prints_leaves_json_alone(tested, capsys):
    assert run(*tested("print('hello')\n\n"), "--json") == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.slow
def test_tests_of_ones_own(tested, tmp_path, capsys):
    some = tested()
    assert run(*some, "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["mutants"][0]["outcome"] == "survived"
    assert list(data["missing"].values()) == [["formula.w_no_g"]]
    assert run(*some) == 1
    said = capsys.readouterr().out
    assert "0 of 1 mutants are seen, 1 survive" in said
    assert "missing: a g that is not 1" in said
    (tmp_path / "test_layer.py").write_text("def test_red():\n    assert False\n")
    assert run(*some) == 2  # nothing was measured
    assert "imports layer.py" in capsys.readouterr().err
