"""`minwn bench`: the same work by minwn and by its peers, side by side in one process.

Each peer is built from the same first values and returns `step`, a function that does one training
step and gives the loss back, so that the tests can hold the peers to the same numbers. A round
times every peer in turn, each for about the same time; what is reported is the median over the
rounds of minwn's time divided by the peer's in that round. Below 1, minwn is ahead. Machines are
shared, so a time by itself says little.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import nn, ops, optim
from .tensor import tensor

Step = Callable[[], float]
Layers = tuple[int, ...]

# name -> (widths, batch): weight-normalised ReLU networks, cross entropy, plain SGD
MLPS: dict[str, tuple[Layers, int]] = {
    "mlp-64-32-10": ((64, 32, 10), 32),
    "mlp-784-256-256-10": ((784, 256, 256, 10), 64),
    "mlp-784-1024-1024-10": ((784, 1024, 1024, 10), 128),
}
RATE = 0.05


def problem(widths: Layers, batch: int) -> tuple[Any, Any, list[tuple[Any, Any, Any]]]:
    """Inputs, labels, and the first (v, g, b) of each layer, the same for every peer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
    labels = rng.integers(0, widths[-1], batch)
    layers = []
    for i, o in itertools.pairwise(widths):
        v = (rng.standard_normal((o, i)) * (2 / i) ** 0.5).astype(np.float32)
        g = np.linalg.norm(v, axis=1, keepdims=True)
        layers.append((v, g, np.zeros(o, np.float32)))
    return x, labels, layers


# ---- the peers ----------------------------------------------------------------------------------


class _Network(nn.Module):
    def __init__(self, layers: list[tuple[Any, Any, Any]]) -> None:
        self.norm = nn.WeightNorm("weight", dim=0)
        self.layers = [nn.Linear(v.shape[1], v.shape[0], rng=0) for v, _, _ in layers]
        for layer, (v, g, b) in zip(self.layers, layers, strict=True):
            self.norm.apply(layer)
            layer.load_state_dict({"weight_v": v, "weight_g": g, "bias": b})

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            self.norm.recompute(layer)
        for layer in self.layers[:-1]:
            x = ops.relu(layer(x))
        return self.layers[-1](x)


def with_minwn(widths: Layers, batch: int) -> Step:
    x, labels, layers = problem(widths, batch)
    network, inputs = _Network(layers), tensor(x)
    optimiser = optim.SGD(network.parameters(), lr=RATE)

    def step() -> float:
        loss = nn.cross_entropy(network(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def with_numpy(widths: Layers, batch: int) -> Step:
    """The step written out by hand, as one would for this network alone."""
    x, labels, layers = problem(widths, batch)
    rows = np.arange(batch)

    def step() -> float:
        h, seen = x, []
        for k, (v, g, b) in enumerate(layers):
            n = np.sqrt((v * v).sum(axis=1, keepdims=True))
            u = v / n
            w = g * u
            a = h @ w.T + b
            seen.append((h, n, u, w, a))
            h = np.maximum(a, 0) if k < len(layers) - 1 else a
        e = np.exp(h - h.max(axis=1, keepdims=True))
        s = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(s[rows, labels]).mean()
        s[rows, labels] -= 1
        a_bar = s / batch
        for k in reversed(range(len(layers))):
            (v, g, b), (h, n, u, w, a) = layers[k], seen[k]
            w_bar = a_bar.T @ h
            b_bar = a_bar.sum(axis=0)
            g_bar = (w_bar * u).sum(axis=1, keepdims=True)
            v_bar = g / n * (w_bar - g_bar * u)
            if k > 0:
                a_bar = (a_bar @ w) * (seen[k - 1][4] > 0)
            layers[k] = (v - RATE * v_bar, g - RATE * g_bar, b - RATE * b_bar)
        return float(loss)

    return step


def with_torch(widths: Layers, batch: int, *, parametrize: bool) -> Step:
    import warnings

    import torch

    x, labels, layers = problem(widths, batch)
    modules: list[Any] = []
    for v, g, b in layers:
        linear = torch.nn.Linear(v.shape[1], v.shape[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hook is deprecated, and still in wide use
            if parametrize:
                torch.nn.utils.parametrizations.weight_norm(linear)
                parts = linear.parametrizations.weight
                pairs = ((parts.original0, g), (parts.original1, v), (linear.bias, b))
            else:
                torch.nn.utils.weight_norm(linear)
                pairs = ((linear.weight_g, g), (linear.weight_v, v), (linear.bias, b))
        for parameter, value in pairs:
            parameter.data = torch.tensor(value)
        modules += [linear, torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    inputs, targets = torch.tensor(x), torch.tensor(labels)
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(network(inputs), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


PEERS: dict[str, Callable[[Layers, int], Step]] = {
    "minwn": with_minwn,
    "numpy by hand": with_numpy,
    "torch hook": functools.partial(with_torch, parametrize=False),
    "torch parametrization": functools.partial(with_torch, parametrize=True),
}


def available() -> list[str]:
    """The peers whose library is installed here."""
    return [p for p in PEERS if not p.startswith("torch") or importlib.util.find_spec("torch")]


# ---- measuring ----------------------------------------------------------------------------------


def measure(steps: dict[str, Step], *, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Seconds per step of each, round by round; a round gives each about `seconds` of work."""
    repeats = {}
    for name, step in steps.items():
        step()  # warm up
        start = time.perf_counter()
        for _ in range(3):
            step()
        repeats[name] = max(1, int(3 * seconds / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                step()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return times


def run(names: list[str], *, rounds: int = 25, seconds: float = 0.02) -> dict[str, Any]:
    """Measure the named works with every peer that is installed; a report of plain numbers."""
    works = []
    for name in names:
        widths, batch = MLPS[name]
        steps = {peer: PEERS[peer](widths, batch) for peer in available()}
        times = measure(steps, rounds=rounds, seconds=seconds)
        peers = {
            peer: {
                "microseconds": statistics.median(seen) * 1e6,
                "ratio": statistics.median(
                    m / s for m, s in zip(times["minwn"], seen, strict=True)
                ),
            }
            for peer, seen in times.items()
        }
        works.append({"work": f"{name} batch {batch}, SGD step", "peers": peers})
    return {"machine": machine(), "rounds": rounds, "works": works}


def machine() -> dict[str, Any]:
    """What the times depend on."""
    threads = {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")}
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "threads": threads,
    }
    found |= {"processor": platform.machine(), "cores": os.cpu_count()}
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found |= {"torch": torch.__version__, "torch threads": torch.get_num_threads()}
    return found


def text(report: dict[str, Any]) -> str:
    """The report as a table."""
    lines = []
    for work in report["works"]:
        lines.append(work["work"])
        for peer, seen in work["peers"].items():
            time = f"{seen['microseconds']:>12.1f} us"
            lines.append(f"  {peer:<24}{time}   minwn / this  {seen['ratio']:>6.2f}")
    known = ", ".join(f"{key} {value}" for key, value in report["machine"].items() if value)
    return "\n".join([*lines, f"medians of {report['rounds']} interleaved rounds; {known}"])


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn bench` to a parser."""
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"any of {', '.join(MLPS)}")
    parser.add_argument("--quick", action="store_true", help="few, short rounds")
    parser.add_argument("--json", metavar="PATH", help="write the report here; '-' prints it")


def main(args: argparse.Namespace) -> int:
    """Run `minwn bench`; 0, or 2 for a work that does not exist."""
    unknown = [name for name in args.works if name not in MLPS]
    if unknown:
        names = ", ".join(MLPS)
        print(f"minwn bench: no work called {unknown[0]!r}; choose from {names}", file=sys.stderr)
        return 2
    rounds, seconds = (3, 0.002) if args.quick else (25, 0.02)
    report = run(args.works or list(MLPS), rounds=rounds, seconds=seconds)
    if args.json == "-":
        print(json.dumps(report, indent=2))
        return 0
    print(text(report))
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0
