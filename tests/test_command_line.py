"""The manners of the command line: every command, in every circumstance that all must bear."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minwn import cli, terminal

ROOT = Path(cli.__file__).parents[1]
WRONG = """
import numpy as np

def forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def backward(w_bar, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return (w_bar - g_bar * v / n) / n, g_bar
"""
# Words of each command that end within a few seconds, and the code that they end with.
SHORT = {
    "verify": (["--quick", "--no-plot", "--out", "new"], 0),
    "check": (["wrong.py", "--groups", "dyadic"], 1),
    "vectors": (["export", "--dtype", "float32", "--group", "generic", "--out", "new"], 0),
    "mutate": (["--id", "formula.missing_g", "--dtype", "float64", "--rows", "0"], 0),
    "tutorials": (["list"], 0),
    "grade": (["00_start.ipynb"], 1),
    "reproduce": (["--list"], 0),
    "site": (["new"], 2),
    "convert": (["in.npz", "new.npz", "--to", "plain"], 0),
    "bench": (["--list"], 0),
    "doctor": ([], 0),
}
QUICK = ("check", "tutorials", "reproduce", "convert", "bench", "doctor")


def test_every_command_is_here():
    assert SHORT.keys() == cli.COMMANDS.keys()


@pytest.fixture
def place(tmp_path):
    """A folder with something for every command to do."""
    import numpy as np

    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "right.py").write_text(WRONG.replace("(w_bar - g", "g * (w_bar - g"))
    np.savez(tmp_path / "in.npz", a_g=np.ones((2, 1)), a_v=np.ones((2, 3)))
    return tmp_path


def environment(**changed):
    """This one's, with the package of this checkout first, and without the test's own colours."""
    kept = {k: x for k, x in os.environ.items() if not k.startswith(("PYTHONIO", "LC_", "COLUMNS"))}
    return kept | {"PYTHONPATH": str(ROOT)} | changed


def minwn(words, place, shell="", **changed):
    """`minwn words`, in the folder; with a shell's redirection behind it, if any."""
    command = " ".join([sys.executable, "-m", "minwn", *(f"'{word}'" for word in words), shell])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=place, env=environment(**changed),
        capture_output=True, text=True, encoding="utf-8", errors="replace", check=False,
    )


def screen(words, place, columns):
    """(exit code, text) of a command in a terminal of so many columns."""
    termios = pytest.importorskip("termios", reason="Windows has other terminals")
    import fcntl
    import pty

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "minwn", *words], cwd=place, stdin=child, stdout=child,
        stderr=child, env=environment(TERM="xterm", NO_COLOR="1"), start_new_session=True,
    )
    os.close(child)
    text = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # the end, on Linux
            break
        text += data
        if not data:
            break
    os.close(parent)
    return process.wait(), text.decode("utf-8").replace("\r\n", "\n")


# ---- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_an_unknown_option_is_exit_code_2_and_what_was_meant_is_said(command, capsys):
    known = {"vectors": ["verify", "--certfy"], "tutorials": ["list", "--jsn"],
             "grade": ["x.ipynb", "--jbos", "2"], "site": ["out", "--quik"],
             "convert": ["a.npz", "b.npz", "--to", "flax", "--limitt", "3"]}
    words = known.get(command, ["--jsom"])
    assert cli.main([command, *words]) == 2
    out, err = capsys.readouterr()
    wrong = next(word for word in words if word.startswith("--") and word != "--to")
    assert (out, "Traceback" in err) == ("", False)
    assert wrong in err
    assert re.search(r"did you mean '--(json|certify|jobs|quick|limit)'\?", err), err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["chek", "x.py"], "check"),
        (["mutate", "--id", "formula.mising_g"], "formula.missing_g"),
        (["mutate", "--class", "formla"], "formula"),
        (["reproduce", "geometri"], "geometry"),
        (["bench", "weight-norm"], "weight_norm"),
        (["check", "torch.hok"], "torch.hook"),
        (["check", "wrong.py", "--accept", "mising_g"], "missing_g"),
        (["check", "wrong.py", "--form", "insde"], "inside"),
        (["check", "wrong.py", "--groups", "diadic"], "dyadic"),
        (["check", "wrong.py", "--dtype", "flaot32"], "float32"),
        (["check", "wrng.py"], "wrong.py"),
        (["check", "wrong.py:forwrd"], "forward"),
        (["check", "nmpy"], "numpy"),
        (["vectors", "exprt"], "export"),
        (["vectors", "export", "--group", "genric"], "generic"),
        (["tutorials", "lst"], "list"),
        (["convert", "in.npz", "out.npz", "--to", "flx"], "flax"),
        (["convert", "inn.npz", "out.npz", "--to", "flax"], "in.npz"),
        (["grade", "wrong.p"], "wrong.py"),
        (["vectors", "verify", "wrong.p"], "wrong.py"),
    ],
)
def test_what_was_meant(words, meant, place, monkeypatch, capsys):
    if words[0] == "grade":
        pytest.importorskip("nbclient", reason="notebooks are run with nbclient")
    monkeypatch.chdir(place)
    assert cli.main(words) == 2
    assert re.search(rf"did you mean '?{re.escape(meant)}'?\?", "".join(capsys.readouterr()))


@pytest.mark.parametrize(
    ("words", "names"), [([], ("check", "doctor")), (["vectors"], ("export", "verify")),
                         (["tutorials"], ("copy", "html"))],
)
def test_half_a_command_is_told_what_may_follow(words, names, capsys):
    assert cli.main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{' '.join(['minwn', *words])} --help describes them" in said
    for name in names:
        assert f" {name}" in said.partition("error:")[2]


@pytest.mark.parametrize("words", [["grade", "."], ["check", "./"], ["convert", "in.npz", "."]])
def test_a_folder_is_not_said_to_be_missing(words, place, monkeypatch, capsys):
    if words[0] == "grade":
        pytest.importorskip("nbclient", reason="notebooks are run with nbclient")
    monkeypatch.chdir(place)
    assert cli.main([*words, "--to", "plain"] if words[0] == "convert" else words) == 2
    said = capsys.readouterr().err
    assert "no such file" not in said
    assert "did you mean" not in said


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (["site", "new"], "sphinx", "site"),
        (["grade", "x.ipynb"], "nbclient", "notebooks"),
        (["tutorials", "html", "00", "--out", "new"], "nbclient", "notebooks"),
        (["tutorials", "html", "00", "--out", "new"], "nbconvert", "notebooks"),
        (["tutorials", "html", "00", "--out", "new"], "jupytext", "notebooks"),
        (["tutorials", "build", "--out", "new"], "jupytext", "notebooks"),
        (["tutorials", "lint"], "jupytext", "notebooks"),
        (["reproduce", "step_size", "--quick"], "matplotlib", "plot"),
        (["reproduce", "step_size", "--quick", "--jobs", "2"], "joblib", "jobs"),
        (["bench", "step", "--quick", "--picture", "new.svg"], "matplotlib", "plot"),
        (["bench", "step", "--quick", "--device", "cuda"], "cupy", "cuda"),
        (["convert", "in.safetensors", "new.npz", "--to", "flax"], "safetensors", "interop"),
        (["convert", "in.h5", "new.npz", "--to", "flax"], "h5py", "h5py"),
        (["vectors", "verify", "--certify", "mpmath"], "mpmath", "oracle"),
        (["vectors", "verify"], "jsonschema", "vectors"),
        (["check", "torch.hook"], "torch", "torch"),
        (["check", "wrong.py", "--dtype", "bfloat16"], "ml_dtypes", "interop"),
    ],
)
def test_a_missing_extra_is_exit_code_2_with_its_line(words, missing, extra, place):
    hidden = place / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n"
        "import importlib.util as u\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == {missing!r} else find(name, *a)\n"
        "import importlib.metadata as m\nversion = m.version\n"
        f"def hidden(name):\n    if name == {missing!r}:\n"
        "        raise m.PackageNotFoundError(name)\n    return version(name)\n"
        "m.version = hidden\n")
    for name in ("in.h5", "in.safetensors", "x.ipynb"):
        (place / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    done = minwn(words, place, PYTHONPATH=f"{hidden}{os.pathsep}{ROOT}")
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (2, False), said
    assert "pip install" in said
    assert extra in said


def test_a_fault_of_our_own_is_no_verdict(monkeypatch, capsys):
    monkeypatch.setattr("minwn.doctor.diagnosis", lambda: 1 / 0)
    assert cli.main(["doctor"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_code_that_exits_is_no_verdict(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (place / "exits.py").write_text(WRONG.replace("    n = ", "    raise SystemExit(0)\n    n = "))
    for how in ([], ["--in-process"]):
        assert cli.main(["check", "exits.py", *how]) in (1, 2)


# ---- streams ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*QUICK, "help"])
@pytest.mark.parametrize("shell", ["", "| head -n 1", ">&-", "> /dev/full", "2> /dev/full", "2>&-"])
def test_the_exit_code_outlives_its_reader(command, shell, place):
    words, code = SHORT.get(command, (["--help"], 0))
    words = words if command == "help" else [command, *words]
    done = minwn(words, place, shell)
    full = shell == "> /dev/full"
    assert done.returncode == (code or 2 if full else code), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert ("No space left" in done.stderr) == full
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.parametrize("command", [*QUICK, "help"])
@pytest.mark.parametrize(
    "changed",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "cp437"},
     {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["ascii", "cp1252", "cp437", "C"],
)
def test_a_terminal_without_our_letters(command, changed, place):
    words, code = SHORT.get(command, (["--help"], 0))
    words = words if command == "help" else [command, *words]
    names = {"wrong.py": "prüf‖η.py"}
    (place / "prüf‖η.py").write_text(WRONG)
    done = minwn([names.get(word, word) for word in words], place, **changed)
    assert (done.returncode, done.stderr) == (code, "")
    if command == "check" and changed.get("PYTHONIOENCODING") == "cp1252":
        assert "||eta.py" in done.stdout
    if command == "reproduce":
        assert "||v||" in done.stdout or changed.get("PYTHONIOENCODING") is None


def test_letters_in_the_answer_of_grade_are_json_in_ascii(place):
    pytest.importorskip("nbclient", reason="notebooks are run with nbclient")
    (place / "é.ipynb").write_text("no notebook")
    done = minwn(["grade", "é.ipynb", "--json"], place, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)[0]["notebook"] == "é.ipynb"


@pytest.mark.parametrize(
    "words",
    [["check", "wrong.py", "right.py", "nowhere.py"], ["check", "printing.py"],
     ["doctor"], ["tutorials", "list"],
     ["convert", "in.npz", "new.npz", "--to", "plain"],
     ["mutate", "--id", "formula.missing_g", "--dtype", "float64", "--rows", "0"],
     ["vectors", "export", "--dtype", "float32", "--group", "generic", "--out", "new"]],
)
def test_json_is_json_and_nothing_else_on_a_narrow_terminal_too(words, place):
    (place / "printing.py").write_text("print('hello')\n" + WRONG)
    option = ["--json", "-"] if words[0] in ("check", "convert", "mutate") else ["--json"]
    code, text = screen([*words, *option], place, 40)
    if "nowhere.py" in words:
        assert (code, text.split()[:2]) == (2, ["minwn", "check:"])
    else:
        json.loads(text)


# ---- the screen ---------------------------------------------------------------------------------

TABLES = [
    ["--help"], ["check", "--help"], ["convert", "--help"], ["mutate", "--help"],
    ["bench", "--help"], ["check", "wrong.py"], ["check", "wrong.py", "right.py", "numpy.fused"],
    ["check", "--list"], ["bench", "--list"], ["reproduce", "--list"], ["doctor"],
    ["tutorials", "list"], ["convert", "in.npz", "new.npz", "--to", "plain"], ["chek"],
    ["check", "nowhere"],
    ["mutate", "--id", "formula.missing_g", "--dtype", "float64", "--rows", "0"],
]


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("words", TABLES, ids=" ".join)
def test_lines_fit_the_terminal(words, columns, place):
    _, text = screen(words, place, columns)
    for line in text.splitlines():
        line = line.rpartition("\r")[2]
        assert len(line) <= columns or len(line.split()) == 1, line
    assert "Traceback" not in text


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_prose_of_a_help_is_broken_at_the_edge_only(columns, place):
    _, text = screen(["check", "--help"], place, columns)
    end = text[text.index("Files and modules run"):].splitlines()
    for line, following in itertools.pairwise(end):
        if line and following:
            assert len(line) + 1 + len(following.split()[0]) > columns - 2, line


@pytest.mark.parametrize("room", [30, 40, 45, 46])
def test_a_table_that_is_too_wide_comes_in_parts_with_the_first_column(room, monkeypatch):
    rows = [("a rule", "first order", "second", "laws", "80 digits"), ("x", "1", "2", "3", "4")]
    whole = terminal.columns(rows)
    monkeypatch.setattr(sys.stdout, "fits", True, raising=False)
    monkeypatch.setenv("COLUMNS", str(room))
    lines = terminal.columns(rows).splitlines()
    assert all(len(line) <= room for line in lines)
    assert "".join(lines[1::2]).split().count("x") == len(lines) // 2
    for head, number in zip(rows[0][1:], rows[1][1:], strict=True):
        (i,) = (i for i, line in enumerate(lines) if head in line)
        assert lines[i + 1][lines[i].index(head) + len(head) - 1] == number
    assert (terminal.columns(rows) == whole) == (room == 46)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_verdict_comes_first(columns, place):
    code, text = screen(["check", "wrong.py"], place, columns)
    assert (code, text.split()[:2]) == (1, ["FAIL", "wrong.py"])
    assert len(text.splitlines()) <= 24
    assert "missing_g" in text
    assert "multiply the whole bracket" in " ".join(text.split())
    code, text = screen(["check", "wrong.py", "right.py"], place, columns)
    table = text.partition("\n\n")[0]
    assert {"FAIL", "PASS"} <= set(table.split())
    if columns <= 80:
        assert table.startswith("FAIL missing_g  wrong.py")


@pytest.mark.parametrize("command", ["grade", "site", "tutorials", "convert", "doctor"])
def test_two_seconds_of_silence_are_not_borne(command, place, monkeypatch, capsys):
    monkeypatch.setattr(cli, "WAIT", 0.05)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    home = f"minwn.{cli.COMMANDS[command][1]}.main"
    monkeypatch.setattr(home, lambda args: time.sleep(0.5) or print("done") or 0)
    words = {"grade": ["x"], "site": ["x"], "tutorials": ["list"], "convert": ["a", "b", "--to",
             "flax"], "doctor": []}[command]
    assert cli.main([command, *words]) == 0
    out, err = capsys.readouterr()
    assert out == "done\n"
    assert f"minwn {command}" in err
    assert err.endswith("\r")


# ---- files --------------------------------------------------------------------------------------

OUTPUTS = {
    "check --json": ["check", "right.py", "--groups", "dyadic", "--json"],
    "check --html": ["check", "right.py", "--groups", "dyadic", "--html"],
    "check --junit": ["check", "right.py", "--groups", "dyadic", "--junit"],
    "mutate --json": ["mutate", "--id", "formula.missing_g", "--rows", "0", "--json"],
    "verify --json": ["verify", "--quick", "--no-plot", "--json"],
    "bench --json": ["bench", "weight_norm/10x64", "--quick", "--rounds", "1", "--json"],
    "bench --picture": ["bench", "weight_norm/10x64", "--quick", "--rounds", "1", "--picture"],
    "convert --json": ["convert", "in.npz", "new.npz", "--to", "plain", "--json"],
    "convert OUT": ["convert", "in.npz", "--to", "plain"],
}
FOLDERS = {
    "verify": (["verify", "--quick", "--out", "there"], ["verify.json", "digits.png"]),
    "reproduce": (["reproduce", "geometry", "--quick", "--seeds", "1", "--out", "there"],
                  ["geometry.json", "geometry.svg"]),
    "vectors": (["vectors", "export", "--dtype", "float32", "--group", "generic", "--out", "there"],
                ["index.json", "float32/generic.json", "schema.json", "FORMAT.md"]),
    "site": (["site", "there"], ["objects.inv", "index.html"]),
    "tutorials copy": (["tutorials", "copy", "there"], ["00_start_here.ipynb"]),
    "tutorials build": (["tutorials", "build", "--out", "there"], ["00_start_here.ipynb"]),
    "tutorials html": (["tutorials", "html", "00", "--out", "there"], ["00_start_here.html"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("option", OUTPUTS)
def test_a_file_of_somebody_is_kept(option, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    name = {"convert OUT": "a.npz", "bench --picture": "a.svg"}.get(option, "a.py")
    page = "<!doctype html>\n<title>mine</title>\n"
    for text in ("import minwn\n", '{"ok": 1}\n', page, "<svg>"):
        (place / name).write_text(text)
        words = [*OUTPUTS[option], name]
        assert cli.main(words) == 2
        err = capsys.readouterr().err
        assert (name in err, "--force" in err) == (True, True)
        assert (place / name).read_text() == text
    if not option.startswith(("verify", "bench")):  # which take their time
        assert cli.main([*words, "--force"]) == 0
        assert (place / name).read_bytes() != text.encode()
        assert cli.main(words) == 0  # now it is a report of its own
        assert cli.main([*OUTPUTS[option], os.devnull if name != "a.npz" else "b.npz"]) == 0


@pytest.mark.parametrize("command", FOLDERS)
def test_files_in_a_folder_of_somebody_are_kept(command, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    words, names = FOLDERS[command]
    for name in names:
        path = place / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        assert cli.main(words) == 2
        assert "there" in capsys.readouterr().err
        assert path.read_text() == "mine"
        path.unlink()


@pytest.mark.parametrize("option", ["check --json", "check --html", "mutate --json"])
def test_a_full_disk_is_a_sentence(option, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert cli.main([*OUTPUTS[option], "/dev/full"]) == 2
    err = capsys.readouterr().err
    assert err.endswith("/dev/full: No space left on device\n")
    assert err.count("\n") == 1


def test_a_command_that_fails_leaves_no_empty_file(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = sorted(os.listdir(place))
    assert cli.main(["check", "nowhere.py", "--json", "a", "--html", "b", "--junit", "c"]) == 2
    assert cli.main(["check", "right.py", "--json", "a", "--html", "a"]) == 2
    assert "name two files" in capsys.readouterr().err
    assert sorted(os.listdir(place)) == before


def test_no_notebook_that_can_be_read_is_no_grade(place, capsys):
    pytest.importorskip("nbclient", reason="grade runs notebooks")
    (place / "damaged.ipynb").write_text("{}")
    assert cli.main(["grade", str(place / "damaged.ipynb"), str(place / "right.py")]) == 2
    assert capsys.readouterr().out.count("this is not a notebook that can be read") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "syntax.py"], "syntax.py"),
        (["check", "raises.py"], "raises.py"),
        (["check", "no/where.py"], "no/where.py"),
        (["check", "right.py", "--html", "no/a.html"], "no/a.html"),
        (["check", "right.py", "--json", "folder"], "folder"),
        (["mutate", "--tests", "test_red.py", "--target", "right.py"], "test_red.py"),
        (["mutate", "--tests", "no/test.py", "--target", "right.py"], "no/test.py"),
        (["mutate", "--tests", "test_red.py", "--target", "no/where.py"], "no/where.py"),
        (["grade", "syntax.py"], "syntax.py"),
        (["grade", "no/where.ipynb"], "no/where.ipynb"),
        (["grade", "reads.ipynb"], "reads.ipynb"),
        (["convert", "syntax.py", "a.npz", "--to", "flax"], "syntax.py"),
        (["convert", "broken.npz", "a.npz", "--to", "flax"], "broken.npz"),
        (["convert", "in.npz", "no/a.npz", "--to", "plain"], "no/a.npz"),
        (["convert", "in.npz", "folder.npz", "--to", "plain"], "folder.npz"),
        (["convert", "in.npz", "a.npz", "--to", "plain", "--json", "no/a"], "no/a"),
        (["vectors", "verify", "broken"], "broken"),
        (["vectors", "verify", "no/where"], "no/where"),
        (["vectors", "export", "--group", "generic", "--out", "syntax.py/a"], "syntax.py"),
        (["verify", "--quick", "--out", "syntax.py"], "syntax.py"),
        (["reproduce", "geometry", "--quick", "--out", "syntax.py/a"], "syntax.py"),
        (["reproduce", "geometry", "--redraw", "--out", "folder"], "folder/geometry.json"),
        (["tutorials", "copy", "syntax.py"], "syntax.py"),
        (["tutorials", "html", "00", "--out", "syntax.py"], "syntax.py"),
        (["site", "syntax.py"], "syntax.py"),
        (["bench", "step", "--quick", "--picture", "no/a.svg"], "no/a.svg"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_paths_are_the_users(words, said, place):
    (place / "temporary").mkdir()
    for folder in ("folder", "folder.npz", "broken"):
        (place / folder).mkdir()
    for name, text in {
        "syntax.py": "def forward(v, g:", "raises.py": "x = 1 / 0", "broken.npz": "no archive",
        "broken/index.json": "{", "test_red.py": "def test_it():\n    assert 0\n",
    }.items():
        (place / name).write_text(text)
    cell = {"cell_type": "code", "source": "check('0.2', open('x.txt'))", "metadata": {},
            "outputs": [], "execution_count": None, "id": "a"}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (place / "reads.ipynb").write_text(json.dumps(book))
    done = minwn(words, place, TMPDIR=str(place / "temporary"))
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in (1, 2)
    assert said in text
    assert "Traceback" not in text
    assert f"{place}{os.sep}" not in text  # nor the temporary's, nor as it is resolved
    assert len(done.stderr.splitlines()) <= 8


# ---- an interrupt -------------------------------------------------------------------------------

LONG = {
    "verify": ["--out", "new"],
    "check": ["slow.py"],
    "vectors": ["export", "--all", "--out", "new"],
    "mutate": ["--rows", "1000000"],
    "grade": ["slow.ipynb", "slow.ipynb", "--jobs", "2"],
    "reproduce": ["learning_rates", "--out", "new"],
    "bench": ["step"],
    "site": ["new"],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", LONG)
def test_an_interrupt_is_one_line(command, place):
    slow = "    __import__('time').sleep(1)\n    n = "
    (place / "slow.py").write_text(WRONG.replace("    n = ", slow))
    cell = {"cell_type": "code", "source": "import time\ntime.sleep(60)", "metadata": {},
            "outputs": [], "execution_count": None, "id": "a"}
    (place / "slow.ipynb").write_text(json.dumps(
        {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    (place / "hidden").mkdir()
    (place / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['jax'] = None\n")
    process = subprocess.Popen(  # without JAX, which swallows an interrupt while it is imported
        [sys.executable, "-m", "minwn", command, *LONG[command]], cwd=place, text=True,
        env=environment(PYTHONPATH=f"{place / 'hidden'}{os.pathsep}{ROOT}"), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    time.sleep(2.5)
    os.killpg(process.pid, signal.SIGINT)
    start = time.monotonic()
    try:
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - start < 10
    assert err.strip().splitlines() == [f"minwn {command}: stopped"]
    # A shell says 130 of both; Python chooses the second where C has run code that was interrupted.
    assert process.returncode in (130, -signal.SIGINT)
