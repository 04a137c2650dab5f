"""The benchmark does the same work with every peer. How long it takes is never a test."""

import json

import numpy as np
import pytest

from minwn import bench
from minwn.cli import main

SMALL = ((6, 5, 4, 3), 7)


@pytest.mark.parametrize("peer", [name for name in bench.PEERS if name != "minwn"])
def test_every_peer_takes_the_same_steps(peer):
    if peer not in bench.available():
        pytest.skip(f"the library of {peer!r} is not installed")
    ours, theirs = bench.with_minwn(*SMALL), bench.PEERS[peer](*SMALL)
    losses = np.array([[ours(), theirs()] for _ in range(20)])
    # float32 in two orders of operations, twenty steps on: 1e-5 relative, about 100 roundings.
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert losses[-1, 0] < losses[0, 0]


def test_a_round_times_every_peer_and_the_ratio_is_of_one_round():
    calls = []
    steps = {name: (lambda name=name: calls.append(name) or 0.0) for name in ("minwn", "other")}
    times = bench.measure(steps, rounds=3, seconds=1e-4)
    assert {name: len(seen) for name, seen in times.items()} == {"minwn": 3, "other": 3}
    assert all(t > 0 for seen in times.values() for t in seen)
    assert set(calls) == {"minwn", "other"}


def test_the_command_writes_a_report(tmp_path, capsys):
    path = tmp_path / "bench.json"
    assert main(["bench", "mlp-64-32-10", "--quick", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    report = json.loads(path.read_text())
    (work,) = report["works"]
    assert set(work["peers"]) == set(bench.available())
    assert work["peers"]["minwn"]["ratio"] == 1.0
    assert all(f"{peer['ratio']:.2f}" in printed for peer in work["peers"].values())
    assert "threads" in report["machine"]


def test_a_work_that_does_not_exist_is_a_usage_error(capsys):
    assert main(["bench", "mlp-1-2-3"]) == 2
    assert "mlp-1-2-3" in capsys.readouterr().err
