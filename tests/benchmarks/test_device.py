"""The works of a GPU, built on the host: the same numbers from every peer."""

import importlib.util

import numpy as np
import pytest

from minwn import backend, doctor
from minwn.bench import epoch, report, step, tables, weight_norm, works
from minwn.bench.timing import Effort
from minwn.bench.work import Unavailable, Work
from minwn.cli import main

FACTS = {
    "device": "cuda:0", "name": "A GPU", "compute capability": "9.0", "memory": 80 << 30,
    "free": 79 << 30, "driver": "13.0", "runtime": "13.0", "cupy": "14.2.0",
}  # fmt: skip


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
        "cuda:0, A GPU, compute capability 9.0, 80 GiB, 79 free; "
        "CUDA driver 13.0, runtime 13.0, CuPy 14.2.0"
    )
    assert line in tables.text(found)
    assert line in tables.markdown(found)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
@pytest.mark.parametrize("more", [["cuda"], ["cuda:1", "--list"]])
def test_without_cupy_the_command_says_what_to_install(more, capsys):
    assert main(["bench", "--device", *more]) == 2
    assert "pip install 'minwn[cuda12]'" in capsys.readouterr().err


def test_host_seconds_are_those_of_the_clock(monkeypatch):
    ticks = iter([3.0, 5.5])
    monkeypatch.setattr(backend.time, "perf_counter", lambda: next(ticks))
    assert backend.seconds("cpu", lambda: None) == 2.5
    assert backend.device_facts("cpu") == {}
