"""`minwn bench --device cuda`, on the stand-in where there is no GPU: the same works, tiny."""

import json
import time

import numpy as np
import pytest

from minwn import backend
from minwn.backend import to_numpy
from minwn.bench import gpu, tables
from minwn.cli import main

SMALL = ["cuda_weight_norm/64x64-float32", "cuda_weight_norm/64x64-float16",
         "cuda_step/64-32-10-sgd"]  # fmt: skip


def test_a_report_names_the_gpu_and_its_versions(device, tmp_path, capsys):
    path = tmp_path / "bench.json"
    options = ["--quick", "--rounds", "2", "--json", str(path), "--markdown"]
    assert main(["bench", "--device", "cuda", *SMALL, *options]) == 0
    report, page = json.loads(path.read_text()), capsys.readouterr().out
    assert [work["name"] for work in report["works"]] == SMALL
    for work in report["works"]:
        assert {"minwn"} <= set(work["peers"])
        for spread in work["peers"].values():
            assert 0 < spread["low"] <= spread["median"]
    (share,) = (c for c in report["works"][0]["comparisons"] if c["kind"] == "share")
    assert share["peer"] == "copy into warm memory"
    assert share["target"] is None  # too small to be judged
    found = report["machine"]["gpu"]
    assert found == backend.gpu() | {"free": found["free"]}
    assert f"{found['name']}, compute capability {found['compute capability']}" in page
    assert f"driver {found['driver']}, CUDA {found['runtime']}, CuPy {found['cupy']}" in page
    assert page.count("| (64, 64) float") == sum(
        len(work["comparisons"]) for work in report["works"][:2]
    )
    assert "share of copy into warm memory" in tables.text(report)


def test_works_of_the_gpu_are_listed_where_there_is_none(capsys):
    assert main(["bench", "--device", "cuda", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(gpu.WORKS)
    assert main(["bench", "--device", "cuda", "--list", "conv"]) == 2


def test_without_cupy_the_line_to_install_it_is_shown(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    assert main(["bench", "--device", "cuda"]) == 2
    assert "pip install 'minwn[cuda12]'" in capsys.readouterr().err


def test_without_a_gpu_what_cupy_says_is_shown(emulated, capsys, monkeypatch):
    def missing(device=None):
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    monkeypatch.setattr(emulated.cuda, "Device", missing)
    assert main(["bench", "--device", "cuda"]) == 2
    assert "no GPU: cudaErrorNoDevice" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("peer", ["with_torch", "with_torch_compile"])
def test_every_peer_computes_the_same_weight(peer, dtype, device, monkeypatch):
    torch = pytest.importorskip("torch", reason="the peer is PyTorch")
    monkeypatch.setattr(
        torch, "compile", lambda f: f
    )  # compilation takes long, and changes nothing
    shape = (3, 4, 5)
    ours, theirs = gpu.with_minwn(shape, dtype)(), getattr(gpu, peer)(shape, dtype, "cpu")()
    # Of a dozen numbers of size 1: a few roundings of the largest.
    u = np.finfo(dtype).eps
    for own, other in zip(ours, theirs, strict=True):
        own, other = to_numpy(own).astype("f8"), other.numpy().astype("f8")
        assert own.shape == other.shape
        np.testing.assert_allclose(own, other, rtol=0, atol=8 * u * abs(own).max())


def test_a_copy_is_a_copy(device):
    target, source = gpu.a_copy((4, 5), "float16").args
    gpu.a_copy((4, 5), "float16").func(target, source)
    assert np.array_equal(to_numpy(target), to_numpy(source))
    assert target.dtype == "float16"


def test_the_clock_of_the_gpu_counts_seconds(device):
    read = backend.gpu_clock()
    begin, start = time.perf_counter(), read()
    time.sleep(0.02)
    end, passed = read(), time.perf_counter() - begin
    assert 0.019 < end - start < passed + 0.001  # the resolution of events is far below


def test_steps_on_the_gpu_are_those_on_the_cpu(device):
    from minwn.bench import step

    size = (6, 5, 4, 3), 7, "adam"
    ours, there = step.with_minwn(*size), step.with_minwn(*size, "cuda")
    losses = np.array([[ours(), there()] for _ in range(10)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
