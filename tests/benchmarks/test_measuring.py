"""The measuring itself, on a clock that is turned by hand."""

import gc
import math
import subprocess
import sys
from pathlib import Path

import pytest

from minwn.bench import process, report, scaling, tables, timing
from minwn.bench.timing import Effort, measure, samples
from minwn.bench.work import Spread, Work, compare


class Clock:
    """Time passes only in steps, and the calls are written down."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def step(self, name, *costs):
        """Each call takes the next of the costs, the last one for ever after."""
        left = list(costs)

        def call():
            self.calls.append((name, gc.isenabled()))
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_times_are_of_one_call_and_the_first_call_is_free():
    clock = Clock()
    steps = {"minwn": clock.step("minwn", 100.0, 0.5), "torch": clock.step("torch", 2.0)}
    times = measure(steps, Effort(rounds=4, seconds=1.0), clock)
    assert times == {"minwn": [0.5] * 4, "torch": [2.0] * 4}


def test_a_block_takes_about_its_seconds_and_a_hiccup_is_left_out():
    clock = Clock()
    step = clock.step("minwn", *[0.01] * 150, 5.0, 0.01)
    (seen,) = measure({"minwn": step}, Effort(rounds=3, seconds=1.0), clock).values()
    assert seen == pytest.approx([0.01] * 3)
    assert 3 * 100 <= len(clock.calls) <= 3 * 101 + 200


def test_rounds_interleave_and_begin_with_another_each_time():
    clock = Clock()
    steps = {name: clock.step(name, 1.0) for name in "abc"}
    measure(steps, Effort(rounds=3, seconds=1.0), clock)
    order = "".join(name for name, _ in clock.calls)
    assert order.endswith("abcbcacab")


def test_there_is_a_rest_before_each_block(monkeypatch):
    clock, rests = Clock(), []
    monkeypatch.setattr(timing.time, "sleep", lambda s: rests.append((s, len(clock.calls))))
    steps = {name: clock.step(name, 1.0) for name in "ab"}
    measure(steps, Effort(rounds=2, seconds=1.0, rest=0.12), clock)
    first = rests[0][1]  # after what is not timed
    assert rests == [(0.12, first + k) for k in range(4)]


def test_no_garbage_is_collected_inside_a_round():
    clock = Clock()
    assert gc.isenabled()
    measure({"a": clock.step("a", 1.0)}, Effort(rounds=3, seconds=1.0), clock)
    assert gc.isenabled()
    assert [on for _, on in clock.calls[-3:]] == [False] * 3


@pytest.mark.parametrize("frozen", [False, True])
def test_what_was_frozen_before_and_nothing_else_stays_frozen(frozen):
    clock = Clock()
    (gc.freeze if frozen else gc.unfreeze)()
    try:
        measure({"a": clock.step("a", 1.0)}, Effort(rounds=1, seconds=1.0), clock)
        assert bool(gc.get_freeze_count()) is frozen
    finally:
        gc.freeze()


@pytest.mark.slow
def test_a_long_work_stops_early_but_not_before_three_rounds():
    clock = Clock()
    long, short = (
        measure({"a": clock.step("a", cost)}, Effort(30, 1.0, limit=10.0), clock)["a"]
        for cost in (100.0, 1.0)
    )
    assert len(long) == timing.LEAST
    assert 10 <= len(short) <= 12


def work(**options):
    peers = dict.fromkeys(("minwn", "torch hook", "jax jit"))
    return Work("group", "size", "what", {**peers, **options.pop("peers", {})}, **options)


def test_ratios_are_made_in_each_round_and_the_target_is_found_by_library():
    # The machine slows down fourfold in the middle: every single ratio is still 1/2.
    planted = {"minwn": [1.0, 4.0, 2.0], "torch hook": [2.0, 8.0, 4.0], "jax jit": [1.0, 2.0, 8.0]}
    torch, jax = compare(work(targets={"torch": 0.5}), planted)
    assert (torch.spread, torch.target, torch.met) == (Spread(0.5, 0.5, 0.5), 0.5, True)
    assert (jax.spread, jax.target, jax.met) == (Spread(1.0, 0.625, 1.5), None, None)
    (missed, _) = compare(work(targets={"torch": 0.49}), planted)
    assert missed.met is False


def test_a_share_of_the_copy_rate_counts_passes_and_must_be_large():
    yardsticks = {"copy": None}
    planted = {"minwn": [10.0, 20.0], "torch hook": [1.0, 1.0], "copy": [2.0, 4.0]}
    for share, met in ((0.5, True), (0.51, False)):
        found = compare(work(yardsticks=yardsticks, passes=5, share=share), planted)
        (copy,) = (c for c in found if c.kind == "share")
        # Five arrays in 10 seconds, where a copy moves two in 2.
        assert copy.spread.median == pytest.approx((5 / 10) / (2 / 2))
        assert copy.met is met


def test_limits_are_on_values_by_themselves():
    found = compare(work(limits={"minwn": 3.0}), {"minwn": [2.0, 3.0, 9.0], "jax jit": [1.0]})
    assert [(c.ours, c.kind, c.met) for c in found] == [
        ("minwn", "value", True), ("jax jit", "value", None),
    ]
    assert found[0].spread.median == 3.0


def test_what_is_counted_is_not_timed():
    numbers = iter(range(100))
    counted = Work("g", "s", "w", {"minwn": lambda: lambda: next(numbers)}, counted=3)
    steps, left_out = counted.build()
    assert left_out == {}
    assert samples(counted, steps, Effort(rounds=9, seconds=1.0)) == {"minwn": [0, 1, 2]}


def test_the_mean_is_geometric_and_of_all_or_none():
    def measured(name, ratio):
        comparison = {"peer": "torch", "kind": "ratio", "median": ratio}
        return {"name": name, "comparisons": [comparison, {**comparison, "peer": "numpy"}]}

    seen = [measured("a", 0.5), measured("b", 2.0), measured("other", 77.0)]
    found = report.mean("a and b", ["a", "b"], "torch", 1.0, seen)
    assert found["mean"] == pytest.approx(1.0)
    assert report.mean("more", ["a", "b", "c"], "torch", 1.0, seen) is None


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_slope_is_the_exponent_once_what_is_constant_does_not_count(exponent):
    sizes = [1, 10, 100, 1000, 10_000]
    costs = [1e-3 * n**exponent for n in sizes]
    assert scaling.slope(sizes, costs) == pytest.approx(exponent)
    assert scaling.slope(sizes, [1e3, 1e3, *costs[2:]]) == pytest.approx(exponent)


def test_a_sweep_is_judged_by_its_slopes(monkeypatch):
    # Time grows with the square, memory with the root; by hand, time grows with the cube.
    monkeypatch.setattr(scaling, "_seconds", lambda steps, repeats: [1e-6 * x for x in steps])
    monkeypatch.setattr(scaling, "_bytes", lambda step: 8.0 * step**0.25)
    sizes = (1, 2, 4, 8, 16)
    for bounds, met in (((2.0, 0.5), [True, True]), ((1.8, 0.3), [False, False])):
        sweep = scaling.Sweep("size", "what", lambda n: n**2, sizes, bounds, lambda n: n**3)
        slopes = sweep.run(1, quick=False)["slopes"]
        assert [slopes[kind]["met"] for kind in ("seconds", "bytes")] == met
        assert slopes["seconds"]["slope"] == pytest.approx(2.0)
        assert slopes["seconds"]["by hand"] == pytest.approx(3.0)
        assert slopes["bytes"]["by hand"] is None


def test_a_size_counts_with_its_least_time_and_every_other_call_is_free(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scaling.time, "perf_counter", clock)
    steps = [clock.step("minwn", 9, 3, 9, 1), clock.step("numpy", 9, 2, 9, 4)]
    assert scaling._seconds(steps, 2) == [1, 2]
    assert [name for name, _ in clock.calls] == ["minwn", "minwn", "numpy", "numpy"] * 2


@pytest.mark.parametrize(
    ("x", "unit", "words"),
    [
        (2.5, "s", "2.50 s"), (0.0123, "s", "12.3 ms"), (3.4e-4, "s", "340 us"),
        (2e-7, "s", "0.20 us"), (0.0, "B", "0.00 KiB"), (3 * 2**20, "B", "3.00 MiB"),
    ],
)
def test_amounts_have_units(x, unit, words):
    assert tables.amount(x, unit) == words


def test_small_ratios_keep_two_digits():
    assert [tables.number(x) for x in (12.3456, 0.123, 0.0123)] == ["12.35", "0.12", "0.012"]


@pytest.mark.slow
def test_the_high_water_mark_sees_what_was_allocated_and_freed_since():
    if not sys.platform.startswith("linux"):
        pytest.skip("the mark can be reset on Linux only")
    code = (
        "import numpy as np\n"
        "from minwn.bench import child\n"
        "x = np.ones(2**25); del x\n"  # 256 MiB, before
        "before = child._forget_the_past()\n"
        "x = np.ones(2**23); del x\n"  # 64 MiB, since
        "print(child._high_water() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 63 < int(done.stdout) / 2**20 < 72  # the kernel counts pages by the hundred


def test_a_child_that_fails_says_why():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        process._python("-c", "1 / 0")


def test_imports_are_timed_with_byte_code_in_place(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    seconds = process._import_time("pass", "import json")()
    assert 0 < seconds < math.inf
    assert list(Path(process._byte_code().name).rglob("json/__init__*.pyc"))
