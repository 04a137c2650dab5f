"""The norm of v under plain SGD: each step is a right triangle, so ||v||^2 adds up the steps."""

from __future__ import annotations

import numpy as np

from minwn import Tensor, figure, nn, optim
from minwn import data as digits
from minwn.byhand import weight_norm

TITLE = "The norm of v: Pythagoras, the law of the fourth power, and who breaks them"
DESCRIPTION = (
    "Left: norms of v while a small network learns digits. Under plain SGD the squared norm is "
    "the sum of the squared steps, as Pythagoras has it; momentum ends above that sum, and under "
    "Adam the norm grows by far more, though some steps make v shorter. Right: with random "
    "gradients, the fourth power of the norm grows in proportion to the number of steps, with and "
    "without momentum."
)
SEEDS = 8, 3

TRAINERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.5),
    "momentum 0.9": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.02),
}
MODEL = {"η = 0.1": (0.1, 0.0), "η = 1": (1.0, 0.0), "η = 0.1, momentum 0.9": (0.1, 0.9)}
ENTRIES = 64  # of v, in the model


def run(*, seeds, quick, progress):
    steps, turns = (80, 400) if quick else (400, 4000)
    found = progress.map(one, seeds, steps, turns)
    times = np.unique(np.geomspace(1, turns, 60).astype(int))
    return {
        "step": np.arange(0, steps + 1, max(1, steps // 40)),
        "network": {
            name: {
                key: [run["network"][name][key] for run in found] for key in ("ratio", "shorter")
            }
            for name in TRAINERS
        },
        "turn": times,
        "model": {name: [run["model"][name] for run in found] for name in MODEL},
    }


def one(seed, steps, turns):
    return {
        "network": {name: trained(seed, make, steps) for name, make in TRAINERS.items()},
        "model": {name: walked(seed, *how, turns) for name, how in MODEL.items()},
    }


def trained(seed, make, steps):
    """ratio: r^2 over r_0^2 + the squared steps so far, where r^2 is that of all rows together;
    shorter: the share of rows and steps in which a row of v became shorter."""
    rng = np.random.default_rng(seed)
    images, labels = digits.digits()
    pixels = images.reshape(len(images), -1).astype("float64")
    hidden, out = nn.Linear(64, 32, rng=rng), nn.Linear(32, 10, rng=rng)
    net = nn.Sequential(hidden, nn.ReLU(), out).to("float64")
    norm = nn.WeightNorm()
    norm.apply(hidden)
    optimiser = make(list(net.parameters()))
    first = previous = hidden.weight_v.data
    squares, shorter, ratio = squared(first), [], [1.0]
    for _ in range(steps):
        rows = rng.choice(len(pixels), 32, replace=False)
        norm.recompute(hidden)
        optimiser.zero_grad()
        nn.cross_entropy(net(Tensor(pixels[rows])), labels[rows]).backward()
        optimiser.step()
        v = hidden.weight_v.data
        squares = squares + squared(v - previous)
        shorter.append(squared(v) < squared(previous) * (1 - 1e-15))
        ratio.append(float((squared(v) / squares).mean()))
        previous = v
    return {"ratio": ratio[:: max(1, steps // 40)], "shorter": float(np.mean(shorter))}


def squared(v):
    return (v * v).sum(axis=1)


def walked(seed, rate, momentum, turns):
    """r at some of the turns; the gradient of w is random and of length 1 across v, at g = 1."""
    rng = np.random.default_rng(seed)
    v, g = rng.normal(size=(1, ENTRIES)), np.ones((1, 1))
    v /= np.linalg.norm(v)
    b, norms = np.zeros_like(v), []
    for _ in range(turns):
        w_bar = rng.normal(size=v.shape)
        v_bar, _ = weight_norm.vjp(w_bar, v, g)
        r = np.linalg.norm(v)
        b = momentum * b + v_bar / (np.linalg.norm(v_bar) * r)  # of length 1 / r
        v = v - rate * b
        norms.append(float(np.linalg.norm(v)))
    times = np.unique(np.geomspace(1, turns, 60).astype(int))
    return [norms[t - 1] for t in times]


def law(rate, momentum, times):
    """||v||^4 = 1 + 2 (eta / (1 - momentum))^2 t"""
    return (1 + 2 * (rate / (1 - momentum)) ** 2 * np.asarray(times)) ** 0.25


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.4)
    for k, (name, found) in enumerate(data["network"].items()):
        figure.band(left, data["step"], found["ratio"], k, label=name)
    figure.expected(left, data["step"], np.ones(len(data["step"])), label="Pythagoras")
    left.set(xlabel="step", ylabel="‖v‖² / (first ‖v‖² + squared steps)",
             title="a network on digits")
    left.set_ylim(0, 1.6 * max(np.max(found["ratio"]) for found in data["network"].values()))
    left.legend(loc="upper left")
    for k, (name, runs) in enumerate(data["model"].items()):
        figure.band(right, data["turn"], runs, k, label=name)
        figure.expected(right, data["turn"], law(*MODEL[name], data["turn"]),
                        label="‖v‖⁴ law" if k == 2 else None)
    right.set(xscale="log", yscale="log", xlabel="step t", ylabel="‖v‖", ylim=(0.9, 40),
              title="random gradients")
    right.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    right.minorticks_off()
    right.legend(loc="upper left")
    return fig


def claims(data):
    ends = {name: np.array(found["ratio"])[:, -1] for name, found in data["network"].items()}
    shorter = {name: found["shorter"] for name, found in data["network"].items()}
    off = {
        name: np.abs(np.array(runs)[:, -1] / law(*MODEL[name], data["turn"][-1]) - 1).max()
        for name, runs in data["model"].items()
    }
    sgd = np.array(data["network"]["SGD"]["ratio"])
    return [
        ("SGD: ||v||^2 is the first one and the squared steps, within 1e-5, in every run",
         np.abs(sgd - 1).max() < 1e-5),
        ("SGD: no row of v becomes shorter in any step", max(shorter["SGD"]) == 0),
        ("momentum 0.9: ||v||^2 ends above 1.3 times that sum, in every run",
         ends["momentum 0.9"].min() > 1.3),
        ("Adam: ||v||^2 ends above 1.3 times that sum, in every run", ends["Adam"].min() > 1.3),
        ("Adam: some steps make a row of v shorter, in every run", min(shorter["Adam"]) > 0),
        ("random gradients, SGD: ||v|| ends within 0.2 % of the law, in every run",
         max(off["η = 0.1"], off["η = 1"]) < 0.002),
        ("random gradients, momentum 0.9: within 5 % of the law with η / (1 − 0.9), in every run",
         off["η = 0.1, momentum 0.9"] < 0.05),
    ]


if __name__ == "__main__":
    figure.main(__file__)
