"""`minwn bench --device cuda` from end to end, in sizes that the stand-in can bear."""

import json
import time

import numpy as np

from minwn import backend
from minwn.backend import to_numpy
from minwn.bench import step, weight_norm, works
from minwn.cli import main


def test_a_report_names_the_device_and_its_versions(device, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(weight_norm, "ON_DEVICE", ((64, 64), (6, 4, 3, 3)))
    path = tmp_path / "bench.json"
    options = ["--quick", "--rounds", "2", "--json", str(path), "--markdown"]
    assert main(["bench", "--device", "cuda", "weight_norm", *options]) == 0
    report, page = json.loads(path.read_text()), capsys.readouterr().out
    sizes = ("64x64-float32", "64x64-float16", "6x4x3x3-float32", "6x4x3x3-float16")
    assert {work["name"] for work in report["works"]} == {f"weight_norm/{size}" for size in sizes}
    for work in report["works"]:
        assert "minwn" in work["peers"]
        for spread in work["peers"].values():
            assert 0 < spread["low"] <= spread["median"]
        assert any(c["kind"] == "share" for c in work["comparisons"])
    found = report["machine"]["device"]
    assert found == backend.device_facts("cuda") | {"free": found["free"]}
    assert f"{found['name']}, compute capability {found['compute capability']}" in page


def test_the_works_of_a_device_compute_what_those_of_the_host_do(device):
    shape = (3, 4, 5)
    for dtype in ("float32", "float16"):
        ours, there = (weight_norm.with_minwn(shape, dtype, where)() for where in ("cpu", "cuda"))
        for a, b in zip(ours, there, strict=True):
            room = 8 * np.finfo(dtype).eps * abs(a.astype("f8")).max()
            np.testing.assert_allclose(to_numpy(b).astype("f8"), a.astype("f8"), rtol=0, atol=room)
    size = (6, 5, 4, 3), 7, "adam"
    ours, there = step.PEERS["minwn"](*size), step.PEERS["minwn"](*size, "cuda")
    losses = np.array([[ours(), there()] for _ in range(10)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)


def test_a_copy_is_a_copy(device):
    copy = weight_norm.on_the_device((4, 5), "float16", "cuda")
    target, source = copy.args
    target[...] = 0
    copy()
    assert np.array_equal(to_numpy(target), to_numpy(source))
    assert target.dtype == "float16"


def test_time_is_told_by_the_device(device):
    begin = time.perf_counter()
    found = backend.seconds("cuda", lambda: time.sleep(0.02))
    assert 0.019 < found < time.perf_counter() - begin + 0.001


def test_works_that_are_listed_need_the_device(emulated, capsys, monkeypatch):
    assert main(["bench", "--device", "cuda", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(works.on_device("cuda"))
    assert main(["bench", "--device", "cuda", "conv"]) == 2
    assert main(["bench", "--device", "cuda:7", "--list"]) == 2
    assert "finds no device 'cuda:7'" in capsys.readouterr().err
