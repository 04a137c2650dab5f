"""The command line: what it prints, and the code it leaves with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata

import pytest

import minwn
from minwn import cli, doctor


def test_python_m_minwn():
    command = [sys.executable, "-m", "minwn", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"minwn {minwn.__version__}\n"


def test_the_script_is_this_function():
    scripts = metadata.entry_points(group="console_scripts", name="minwn")
    for script in scripts:  # none where minwn is not installed
        assert script.value == "minwn.cli:main"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "COMMAND"),
        (["verifi"], "verifi"),
        (["verify", "--sed", "1"], "--sed"),
        (["verify", "--seed", "-1"], "--seed"),
        (["verify", "--seed", "1.5"], "1.5"),
        (["verify", "a", "b"], "a b"),
        (["doctor", "--quick"], "--quick"),
    ],
)
def test_what_is_not_understood_exits_2(command, words, capsys):
    assert cli.main(command) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert not said.out


@pytest.mark.parametrize("command", [["--help"], ["verify", "--help"], ["bench", "-h"]])
def test_help_exits_0(command, capsys):
    assert cli.main(command) == 0
    assert "usage: minwn" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(option, tmp_path, capsys):
    taken = tmp_path / "file"
    taken.write_text("")
    assert cli.main(["verify", option, str(taken / "below")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_directory_is_no_place_for_json(tmp_path, capsys):
    assert cli.main(["verify", "--json", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_doctor(capsys):
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"{minwn.__version__}\n" in said
    assert "OMP_NUM_THREADS" in said
    assert said.endswith("all is well\n")


def test_doctor_in_json(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert found["problems"] == []
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert found["writable"] is True
    assert list(tmp_path.iterdir()) == []
    assert set(found["extras"]) == set(doctor.EXTRAS)


class Threadpools:
    """The module threadpoolctl, where NumPy's OpenBLAS has chosen these kernels."""

    def __init__(self, kernels):
        self.kernels = kernels

    def threadpool_info(self):
        other = {"user_api": "blas", "filepath": "/scipy.libs/x.so", "num_threads": 9}
        ours = {"user_api": "blas", "filepath": "/numpy.libs/x.so", "num_threads": 2}
        return [{**ours, "architecture": self.kernels}, {**other, "architecture": "Zen"}]


@pytest.mark.parametrize(
    ("kernels", "found", "hint"),
    [("Haswell", ["X86_V4"], True), ("Haswell", [], False), ("SkylakeX", ["X86_V4"], False)],
)
def test_doctor_hints_at_kernels_that_a_processor_is_too_good_for(
    kernels, found, hint, capsys, monkeypatch
):
    config = doctor.numpy.show_config(mode="dicts")
    config["SIMD Extensions"]["found"] = found
    monkeypatch.setattr(doctor.numpy, "show_config", lambda mode: config)
    monkeypatch.setitem(sys.modules, "threadpoolctl", Threadpools(kernels))
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"{kernels} kernels, 2 threads" in said
    assert ("hint: this processor has AVX-512" in said) is hint
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert doctor.blas()["kernels"] is None


def test_doctor_names_what_keeps_minwn_from_working(capsys, monkeypatch):
    monkeypatch.setattr(doctor.numpy, "__version__", "1.26.4")
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "numpy 1.26.4 is too old" in said
    assert "minwn cannot work here" in said


def test_an_interrupt_is_no_traceback(capsys, monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "main", interrupted)
    assert cli.main(["doctor"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m minwn doctor --json | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full disk to write to")
@pytest.mark.parametrize(
    ("where", "code", "says"),
    [("/dev/full", 2, "minwn: cannot write to stdout: No space left"), (None, 0, "")],
)
def test_a_screen_that_takes_nothing_is_no_traceback(where, code, says):
    end = f"> {where}" if where else ">&-"
    command = f"{sys.executable} -m minwn doctor --json {end}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(says)
    assert "Traceback" not in done.stderr
