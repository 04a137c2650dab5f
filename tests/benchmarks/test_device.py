"""The works of a GPU, built on the host: the same numbers from every peer."""

import json
import sys
import time

import numpy as np
import pytest

from minwn import backend, doctor
from minwn.bench import epoch, report, step, tables, weight_norm, works
from minwn.bench.timing import Effort
from minwn.bench.work import Unavailable, Work
from minwn.cli import main

FACTS = {
    "device": "cuda:0", "name": "A GPU", "compute capability": "9.0", "devices": 2,
    "memory": 80 << 30, "free": 79 << 30, "driver": "13.0", "runtime": "13.0", "cupy": "14.2.0",
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("peer", ["torch", "torch compiled"])
def test_every_peer_computes_the_same_weight(peer, dtype):
    pytest.importorskip("torch", reason="the peer is PyTorch")
    peers = weight_norm.peers_on("cpu", (4, 6), dtype)
    try:
        theirs = peers[peer]()()
    except Unavailable as error:
        pytest.skip(str(error))
    # Of a dozen numbers of size 1: a few roundings of the largest.
    room = 8 * np.finfo(dtype).eps
    for own, other in zip(peers["minwn"]()(), theirs, strict=True):
        assert own.dtype == dtype
        own, other = np.float64(own), np.float64(other)
        np.testing.assert_allclose(own, other, rtol=0, atol=room * abs(own).max())


def test_works_of_a_device_are_those_of_the_host_in_other_sizes():
    found = [*weight_norm.on_device("cuda"), *step.on_device("cuda"), *epoch.on_device("cuda")]
    assert len({work.name for work in found}) == len(found)
    assert {work.group for work in found} <= set(works.GROUPS)
    assert {work.device for work in found} == {"cuda"}
    for work in found:
        assert {"minwn"} < set(work.peers)
        assert work.targets == {"torch": 1.0}
    judged = {work.size for work in found if work.share}
    assert "4096x4096-float32" in judged  # 64 MiB
    assert "4096x4096-float16" not in judged


def test_a_peer_that_cannot_take_part_is_named_with_the_reason(tmp_path):
    def unable():
        raise Unavailable("no GPU is seen")

    peers = {"minwn": lambda: lambda: None, "numpy by hand": unable}
    work = Work("weight_norm", "2x2", "(2, 2)", peers, targets={"numpy": 1.0})
    found = report.run([work], Effort(1, 1e-4), quick=True, begin=lambda name: None)
    (measured,) = found["works"]
    assert list(measured["peers"]) == ["minwn"]
    assert measured["left_out"] == {"numpy by hand": "no GPU is seen"}
    for words in (tables.text(found), tables.markdown(found)):
        assert "left out: weight_norm/2x2, numpy by hand: no GPU is seen" in words


def test_torch_without_a_gpu_says_so():
    torch = pytest.importorskip("torch", reason="the peer is PyTorch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Unavailable, match="sees no GPU"):
        weight_norm.peers_on("cuda", (4, 6), "float32")["torch"]()


def test_the_device_is_in_the_report():
    found = report.run([], Effort(1, 1e-4), quick=True, begin=lambda name: None)
    assert found["machine"]["device"] == {}
    assert "A GPU" not in tables.text(found)
    found["machine"]["device"] = FACTS
    line = doctor.device_line(FACTS)
    assert line == (
        "cuda:0 of 2: A GPU, compute capability 9.0, 80.0 GiB, of which 79.0 free; "
        "driver 13.0, CUDA 13.0, CuPy 14.2.0"
    )
    assert line in tables.text(found)
    assert line in tables.markdown(found)


def test_works_are_listed_where_there_is_no_gpu(capsys):
    assert main(["bench", "--device", "cuda:1", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(works.on_device("cuda:1"))
    assert main(["bench", "--device", "cuda", "--list", "conv"]) == 2
    assert "minwn bench --device cuda --list" in capsys.readouterr().err


def test_without_cupy_the_command_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main(["bench", "--device", "cuda"]) == 2
    assert "pip install 'minwn[cuda12]'" in capsys.readouterr().err


def test_without_a_gpu_the_command_says_what_cupy_says(emulated, capsys):
    assert main(["bench", "--device", "cuda:7"]) == 2
    assert "finds no device 'cuda:7': cudaErrorInvalidDevice" in capsys.readouterr().err


# ---- on the device, or on what stands for it ----------------------------------------------------


@pytest.mark.slow
def test_a_report_names_the_gpu_and_its_versions(device, tmp_path, capsys):
    path, small = tmp_path / "bench.json", ["weight_norm/64x64-float16", "step/64-32-10-sgd"]
    options = ["--quick", "--rounds", "2", "--json", str(path), "--markdown"]
    assert main(["bench", "--device", "cuda", *small, *options]) == 0
    found, page = json.loads(path.read_text()), capsys.readouterr().out
    assert {work["name"] for work in found["works"]} == set(small)
    for work in found["works"]:
        assert "minwn" in work["peers"]
        for spread in work["peers"].values():
            assert 0 < spread["low"] <= spread["median"]
    facts = found["machine"]["device"]
    assert facts == backend.device_facts("cuda") | {"free": facts["free"]}
    assert f"{facts['name']}, compute capability {facts['compute capability']}" in page
    assert "share of copy on the device" in page


@pytest.mark.slow
def test_the_works_of_the_device_compute_what_those_of_the_host_do(device):
    for dtype in ("float32", "float16"):
        ours, there = (
            weight_norm.with_minwn((3, 4, 5), dtype, where)() for where in ("cpu", "cuda")
        )
        for own, other in zip(ours, map(backend.to_numpy, there), strict=True):
            own, other = np.float64(own), np.float64(other)
            room = 8 * np.finfo(dtype).eps * abs(own).max()
            np.testing.assert_allclose(other, own, rtol=0, atol=room)
    size = (6, 5, 4, 3), 7, "adam"
    ours, there = step.with_minwn(*size), step.with_minwn(*size, "cuda")
    losses = np.array([[ours(), there()] for _ in range(10)])
    # float32 in two orders of operations, ten steps on.
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)


def test_a_copy_is_a_copy(device):
    copy = weight_norm.on_the_device((4, 5), "float16", "cuda")
    copy()
    target, source = copy.args
    assert np.array_equal(backend.to_numpy(target), backend.to_numpy(source))
    assert target.dtype == "float16"


def test_the_clock_of_the_device_counts_seconds(device):
    read = backend.clock("cuda")
    begin, start = time.perf_counter(), read()
    time.sleep(0.02)
    end, passed = read(), time.perf_counter() - begin
    assert 0.019 < end - start < passed + 0.001  # the resolution of events is far below
