"""The habits of Windows, planted on any machine: no fork, no signals, cp1252, drives, CRLF."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest

from minwn import cli
from minwn.interop import files
from minwn.oracle.targets import pipe, target

from .test_command_line import WRONG

ROOT = Path(cli.__file__).parents[1]
# What a process of Python there does not have. Text files are cp1252 where nothing else is said;
# a file that minwn opens without saying it is an error.
HABITS = """
import os, signal, subprocess, sys, warnings
import multiprocessing, multiprocessing.popen_spawn_posix
for name in ("fork", "forkpty", "killpg", "setsid", "getpgid", "O_NONBLOCK",
             "sched_getaffinity", "fchmod", "nice", "mkfifo"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "alarm", "setitimer"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("resource", "fcntl", "termios", "pty", "pwd", "grp"):
    sys.modules[name] = None
multiprocessing.get_all_start_methods = lambda: ["spawn"]
warnings.filterwarnings("error", category=EncodingWarning, module=r"minwn(\\..*)?$")
"""


@pytest.fixture
def there(tmp_path):
    """Run `minwn words` in a folder, on a machine with the habits: the finished process."""
    (tmp_path / "habits").mkdir()
    (tmp_path / "habits" / "sitecustomize.py").write_text(HABITS, encoding="utf-8")
    (tmp_path / "prüf.py").write_text("# ‖v‖ = η\n" + WRONG, encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path / "habits"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "cp1252",
                   "PYTHONWARNDEFAULTENCODING": "1",
                   "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0",
                   "PYTHONCOERCECLOCALE": "0"}

    def there(*words):
        return subprocess.run(
            [sys.executable, "-m", "minwn", *words], cwd=tmp_path, capture_output=True,
            encoding="cp1252", env=environment, check=False,
        )

    there.folder = tmp_path
    return there


def test_the_habits_are_planted(there):
    code = "import os, subprocess, sys; print(hasattr(os, 'fork')); open('x', 'w').close()"
    done = subprocess.run(
        [sys.executable, "-c", f"__name__ = 'minwn.x'\n{code}"], cwd=there.folder, text=True,
        env={**os.environ, "PYTHONPATH": str(there.folder / "habits"),
             "PYTHONWARNDEFAULTENCODING": "1"}, capture_output=True, check=False,
    )
    assert done.stdout == "False\n"
    assert "EncodingWarning" in done.stderr


ALL = ("--json", "a.json", "--html", "a.html", "--junit", "a.xml")


@pytest.mark.parametrize("words", [ALL, ()])
def test_check(there, words):
    done = there("check", "prüf.py", "--groups", "dyadic", *words)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAIL  prüf.py")
    assert "missing_g" in done.stdout
    if words:
        assert json.loads((there.folder / "a.json").read_text(encoding="utf-8"))["reports"]
        assert "‖v‖" in (there.folder / "a.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_ends_a_process_is_seen(there):
    (there.folder / "exits.py").write_text(
        WRONG.replace("    n = ", "    __import__('os')._exit(3)\n    n = "), encoding="utf-8")
    (there.folder / "loops.py").write_text("while True: pass", encoding="utf-8")
    done = there("check", "exits.py", "--groups", "dyadic")
    assert (done.returncode, "exit code 3" in done.stdout) == (1, True)
    done = there("check", "loops.py", "--timeout", "1")
    assert (done.returncode, "no end within 1 s" in done.stdout) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["verify", "--quick"], 0), (["doctor"], 0), (["doctor", "--json"], 0),
        (["reproduce", "--list"], 0), (["reproduce", "geometry", "--quick", "--out", "f"], 0),
        (["tutorials", "list"], 0), (["tutorials", "copy", "here"], 0), (["tutorials", "lint"], 0),
        (["tutorials", "build", "--out", "built"], 0),
        (["vectors", "export", "--dtype", "float32", "--group", "generic"], 0),
        (["mutate", "--id", "formula.missing_g", "--rows", "0"], 0),
        (["bench", "weight_norm/10x64", "--quick", "--rounds", "1", "--picture", "b.svg"], 0),
        (["convert", "in.npz", "out.npz", "--to", "plain"], 0),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else str(x),
)
def test_commands(there, words, code):
    np.savez(there.folder / "in.npz", a_g=np.ones((2, 1)), a_v=np.ones((2, 3)))
    done = there(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


@pytest.mark.slow
def test_the_tests_of_a_homework(there):
    (there.folder / "test_it.py").write_text(
        "import numpy as np\nfrom right import backward, forward\n\n"
        "def test_it():\n    v, g = np.array([[3.0, 4.0]]), np.array([[10.0]])\n"
        "    assert np.allclose(forward(v, g), [[6, 8]])\n", encoding="utf-8")
    right = WRONG.replace("(w_bar - g_bar", "g * (w_bar - g_bar")
    (there.folder / "right.py").write_text(right, encoding="utf-8")
    done = there("mutate", "--tests", "test_it.py", "--target", "right.py", "--id",
                 "formula.missing_g")
    assert (done.returncode, "1 survive" in done.stdout) == (1, True), done.stderr


@pytest.mark.slow
def test_a_notebook_is_graded(there):
    assert there("tutorials", "copy", "here").returncode == 0
    notebook = next((there.folder / "here").glob("00_*.ipynb"))
    done = there("grade", str(notebook), "--json")
    (report,) = json.loads(done.stdout)
    assert (done.returncode, report["problem"], report["of"] > 0) == (1, "", True)


# ---- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "name"),
    [
        (r"C:\homework\mine.py", r"C:\homework\mine.py", ""),
        (r"C:\homework\mine.py:layer.it", r"C:\homework\mine.py", "layer.it"),
        ("C:/homework/mine.py:it", "C:/homework/mine.py", "it"),
        (r"..\mine.py:it", r"..\mine.py", "it"),
        ("package.module:it", "package.module", "it"),
    ],
)
def test_the_colon_of_a_drive_is_no_separator(text, where, name, monkeypatch):
    assert target._split(text) == (where, name)
    monkeypatch.setattr(target, "Path", PureWindowsPath)
    assert target.short(text) == ":".join(
        filter(None, ("mine.py" if where.endswith(".py") else where, name)))


def on_windows(monkeypatch, module):
    """`os` as one module sees it, with the name that it has on Windows."""
    monkeypatch.setattr(module, "os", types.SimpleNamespace(**{**vars(os), "name": "nt"}))


def test_backslashes_in_a_command_are_kept(monkeypatch):
    assert pipe.Pipe(r"./a.out 'x y'").words == ["./a.out", "x y"]
    on_windows(monkeypatch, pipe)
    assert pipe.Pipe(r"C:\prog\a.exe -x").words == [r"C:\prog\a.exe", "-x"]
    assert pipe.Pipe(r'"C:\my programs\a.exe" "two words"').words == [
        r"C:\my programs\a.exe", "two words"]


def test_a_file_is_replaced_when_it_is_closed(monkeypatch, tmp_path):
    path = tmp_path / "x.npz"
    files.write(path, {"a": np.ones(2)})
    on_windows(monkeypatch, files)
    replace = os.replace

    def closed(old, new):
        opened = Path("/proc/self/fd")
        if opened.exists():
            assert os.path.realpath(old) not in {os.path.realpath(f) for f in opened.iterdir()}
        replace(old, new)

    files.os.replace = closed
    files.write(path, {"a": np.zeros(2)})
    assert files.read(path)[0]["a"].tolist() == [0.0, 0.0]
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def test_names_of_files_are_allowed_everywhere():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    names = list(filter(None, tracked.stdout.split("\0"))) or [
        p.relative_to(ROOT).as_posix() for p in (ROOT / "minwn").rglob("*")]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        for part in PurePosixPath(name).parts:
            assert not RESERVED.fullmatch(part), name
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), name


OPENS = ("open", "read_text", "write_text", "fdopen", "NamedTemporaryFile")
BYTES = ("os.open", "tempfile.NamedTemporaryFile", "archive.open")
BINARY = re.compile(r"[rwax]\+?b\+?")
CALLS = re.compile("|".join([*OPENS, r"\btext\s*=", "universal_newlines"]))  # in few files


@pytest.mark.parametrize("name", ["minwn", "figures", "tutorials"])
def test_text_is_read_and_written_in_utf_8(name):
    for path in (ROOT / name).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if CALLS.search(source) else ():
            if not isinstance(node, ast.Call):
                continue
            of = node.func
            called = of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")
            modes = [x.value for x in node.args if isinstance(x, ast.Constant)]
            binary = any(isinstance(mode, str) and BINARY.fullmatch(mode) for mode in modes)
            text = called in OPENS and not binary and isinstance(of, ast.Attribute | ast.Name)
            text &= ast.unparse(of) not in BYTES
            if text or any(k.arg in ("text", "universal_newlines") for k in node.keywords):
                said = {k.arg for k in node.keywords}
                assert "encoding" in said, f"{path}:{node.lineno}: {ast.unparse(node)[:80]}"
