"""`minwn doctor` about the GPU: what there is, or why there is none."""

import json

import pytest

from minwn import backend
from minwn.cli import main
from minwn.doctor import device_line, diagnosis

from ..helpers.standin import ndarray


def test_the_gpu_is_named_with_its_versions(device, capsys):
    found = diagnosis()["device"]
    assert found["device"] == "cuda:0"
    assert found["memory"] >= found["free"] > 0
    assert main(["doctor"]) == 0
    assert device_line(found)[:60] in capsys.readouterr().out


def test_versions_are_those_of_cuda(emulated, monkeypatch):
    monkeypatch.setattr(emulated.cuda.runtime, "driverGetVersion", lambda: 12090)
    monkeypatch.setattr(emulated.cuda.Device, "compute_capability", "121")
    found = backend.device_facts("cuda")
    assert (found["driver"], found["runtime"]) == ("12.9", "13.0")
    assert found["compute capability"] == "12.1"


@pytest.mark.parametrize("error", [RuntimeError("cudaErrorNoDevice"), OSError("no libnvrtc.so.13")])
def test_a_gpu_that_cannot_be_used_is_no_problem_but_said(error, emulated, monkeypatch, capsys):
    def fail(self, other):
        raise error

    monkeypatch.setattr(ndarray, "__add__", fail)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"] == {}
    assert found["ok"]
    assert str(error) in found["no device"]


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    found = diagnosis()
    assert found["device"] == {}
    assert "pip install 'minwn[cuda12]'" in found["no device"]
