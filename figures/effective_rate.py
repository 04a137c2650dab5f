"""The effective learning rate eta / ||v||^2 forgets eta: it falls as 1 / sqrt(2 t)."""

from __future__ import annotations

import numpy as np

from minwn import Tensor, figure, nn, optim
from minwn import data as digits
from minwn.byhand import weight_norm

TITLE = "Learning rates collapse: what acts is η / ‖v‖²"
DESCRIPTION = (
    "Left: with random gradients, the effective rate, the learning rate over the squared norm of "
    "v, starts far apart for three learning rates and soon falls on one line, one over the root "
    "of twice the number of steps. Right: a network that learns digits from v of very different "
    "lengths. With one learning rate, a v that starts long learns slowly, and one that starts "
    "short grows until it hardly matters; with a rate in proportion to the squared length, all "
    "end at the same loss."
)
SEEDS = 8, 2

RATES = (0.1, 0.7, 5.0)
ENTRIES = 64
SCALES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of the first v
RATE = 0.3


def run(*, seeds, quick, progress):
    turns, steps = (1000, 60) if quick else (4000, 200)
    found = progress.map(one, seeds, turns, steps)
    return {
        "turn": instants(turns), "steps": steps, "scales": SCALES,
        "rates": {f"{rate:g}": [run["model"][k] for run in found] for k, rate in enumerate(RATES)},
        "loss": {key: [run[key] for run in found] for key in ("one rate", "rate × scale²")},
    }


def one(seed, turns, steps):
    found = {"model": [walked(seed, rate, turns) for rate in RATES]}
    found["one rate"] = [trained(seed, c, RATE, steps) for c in SCALES]
    found["rate × scale²"] = [trained(seed, c, RATE * c * c, steps) for c in SCALES]
    return found


def instants(turns):
    return np.unique(np.geomspace(1, turns, 60).astype(int))


def walked(seed, rate, turns):
    """eta / r^2 at some of the turns; random gradients, of length 1 across v at ||v|| = 1."""
    rng = np.random.default_rng(seed)
    v, g = rng.normal(size=(1, ENTRIES)), np.ones((1, 1))
    v /= np.linalg.norm(v)
    found = []
    for _ in range(turns):
        v_bar, _ = weight_norm.vjp(rng.normal(size=v.shape), v, g)
        v = v - rate * v_bar / (np.linalg.norm(v_bar) * np.linalg.norm(v))
        found.append(rate / float((v * v).sum()))
    return [found[t - 1] for t in instants(turns)]


def trained(seed, scale, rate, steps):
    """The loss at the end, on all digits to learn from; g and the biases have RATE throughout."""
    rng = np.random.default_rng(seed)
    images, labels = digits.digits()
    train, _ = digits.split(labels)
    pixels, labels = images[train].reshape(len(train), -1).astype("float64"), labels[train]
    layers = [nn.Linear(64, 32, rng=rng), nn.Linear(32, 10, rng=rng)]
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1]).to("float64")
    norm = nn.WeightNorm()
    for layer in layers:
        norm.apply(layer)
        layer.weight_v.data = scale * layer.weight_v.data
    directions = [layer.weight_v for layer in layers]
    others = [p for layer in layers for p in (layer.weight_g, layer.bias)]
    optimiser = optim.SGD([{"params": directions, "lr": rate}, {"params": others}], lr=RATE)

    def loss(rows):
        for layer in layers:
            norm.recompute(layer)
        return nn.cross_entropy(net(Tensor(pixels[rows])), labels[rows])

    for _ in range(steps):
        optimiser.zero_grad()
        loss(rng.choice(len(pixels), 64, replace=False)).backward()
        optimiser.step()
    return loss(slice(None)).item()


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.4)
    t = np.array(data["turn"])
    for k, (rate, runs) in enumerate(data["rates"].items()):
        figure.band(left, t, runs, k, label=f"η = {rate}")
    figure.expected(left, t, 1 / np.sqrt(2 * t), label="1 / √(2t)")
    left.set(xscale="log", yscale="log", xlabel="step t", ylabel="effective rate η / ‖v‖²",
             title="random gradients")
    left.set_yticks(
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]
    )
    left.minorticks_off()
    left.legend(loc="lower left")
    for k, (name, runs) in enumerate(data["loss"].items()):
        figure.band(right, data["scales"], runs, k, label=name)
    right.set(xscale="log", xlabel="length of the first v, against the usual",
              ylabel=f"loss after {data['steps']} steps [nats]",
              title="a network on digits", ylim=(0, None))
    right.set_xticks(data["scales"], ["⅛", "¼", "½", "1", "2", "4", "8"])
    right.minorticks_off()
    right.legend(loc="upper left")
    return fig


def claims(data):
    end = 1 / np.sqrt(2 * data["turn"][-1])
    rates = np.array(list(data["rates"].values()))[:, :, -1]
    one, scaled = (np.array(runs) for runs in data["loss"].values())
    return [
        ("random gradients: η / ‖v‖² ends within 3 % of 1 / √(2t) for all three η, in every run",
         np.abs(rates / end - 1).max() < 0.03),
        ("digits: with a rate in proportion to the squared length the loss is the same to 5 digits",
         np.ptp(scaled, axis=1).max() < 1e-5 * scaled.max()),
        ("digits: with one rate, the largest v ends at more than 1.3 times the loss of the usual",
         (one[:, -1] > 1.3 * one[:, SCALES.index(1.0)]).all()),
    ]


if __name__ == "__main__":
    figure.main(__file__)
