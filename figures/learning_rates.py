"""Plain, weight-normalised and batch-normalised, at every learning rate: what is the gain?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minwn import Tensor, figure, nn, optim
from minwn import data as digits

start = figure.load(Path(__file__).with_name("_start.py"))
Started, WAYS = start.Started, start.WAYS

TITLE = "The same network at many learning rates"
DESCRIPTION = (
    "Training loss of a network of four layers on digits after the same number of steps, against "
    "the learning rate, for SGD on the left and Adam on the right; lines are medians of the seeds, "
    "bands reach from the lowest to the highest run. At small rates, weight normalisation that "
    "starts with v = w follows the plain curve, and with the short v of the paper it follows the "
    "dotted line: the plain curve, moved to the left as far as the shorter v lengthens a step. At "
    "larger rates, where that line is grey, it does not: at 0.03 and 0.1 it ends below half of "
    "what the line says. Under SGD all three fail at the largest rates, and the short v "
    "fails first; under Adam the normalised networks still learn at rate 1, where plain weights do "
    "not. Batch normalisation learns at all of the larger rates."
)
SEEDS = 3, 2

PLAIN, PAPER, MATCHED, BATCH = WAYS
TRAINERS = {"SGD": optim.SGD, "Adam": optim.Adam}
RATES = {
    "SGD": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    "Adam": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0),
}
SMALL = {"SGD": 5, "Adam": 5}  # so many rates are small: plain weights learn at them, steadily
LAWFUL = {"SGD": 3, "Adam": 4}  # and at so many, plain weights learn at the rate of the short v
LAWLESS = 0.03, 0.1  # at the rates that foretold() gives for these, plain weights fail
SHIFTED = "plain, rate × (g/‖v‖)², Adam: × g/‖v‖"
WORST = 100.0  # a loss above, or none at all, counts as this


def run(*, seeds, quick, progress):
    steps, every = (20, 4) if quick else (150, 1)
    rates = {name: those[::every] for name, those in RATES.items()}
    found = progress.map(one, seeds, rates, steps)
    return {
        "quick": quick, "steps": steps, "rates": rates,
        "first": {way: [run["first"][way] for run in found] for way in WAYS},
        "stretch": [run["stretch"] for run in found],
        "loss": {
            name: {way: [run["loss"][name][way] for run in found] for way in WAYS} for name in rates
        },
    }


def one(seed, rates, steps):
    """first: the loss over the first batch before any step;
    stretch: (g / ||v||)^2 as the paper starts, the median over each layer's rows."""
    first = {}
    for way, how in WAYS.items():
        net, batch, labels = started(seed, how)
        first[way] = nn.cross_entropy(net(batch), labels).item()
        if how == "paper":
            stretch = [float(np.median(squared_gain(layer))) for layer in net.layers]
    loss = {
        name: {way: [trained(seed, how, name, rate, steps) for rate in those]
               for way, how in WAYS.items()}
        for name, those in rates.items()
    }
    return {"first": first, "stretch": stretch, "loss": loss}


def squared_gain(layer):
    return (layer.weight_g.data / np.linalg.norm(layer.weight_v.data, axis=1, keepdims=True)) ** 2


def to_learn():
    images, labels = digits.digits()
    train, _ = digits.split(labels)
    return images[train].reshape(len(train), -1), labels[train]


def started(seed, how):
    """64 -> 64 -> 64 -> 64 -> 10, and the batch that scaled it: both set by the seed alone."""
    rng = np.random.default_rng(seed)
    pixels, labels = to_learn()
    layers = []
    for width in (64, 64, 64, 10):
        layers.append(nn.Linear(64, width, bias=how != "drawn", rng=rng))
        if how == "drawn":
            layers.append(nn.BatchNorm(width))
        layers.append(nn.LeakyReLU(0.1))
    rng = np.random.default_rng([seed, 1])
    rows = rng.choice(len(pixels), 500, replace=False)
    batch = Tensor(pixels[rows])
    return Started(nn.Sequential(*layers[:-1]), how, [batch], rng), batch, labels[rows]


def trained(seed, how, name, rate, steps):
    """The loss over all digits to learn from, in the mode in which they were learnt."""
    pixels, labels = to_learn()
    net, *_ = started(seed, how)
    rng = np.random.default_rng([seed, 2])
    optimiser = TRAINERS[name](net.parameters(), lr=rate)
    for _ in range(steps):
        rows = rng.choice(len(pixels), 100, replace=False)
        optimiser.zero_grad()
        loss = nn.cross_entropy(net(Tensor(pixels[rows])), labels[rows])
        if not np.isfinite(loss.item()):
            return WORST
        loss.backward()
        optimiser.step()
    last = nn.cross_entropy(net(Tensor(pixels)), labels).item()
    return min(last, WORST) if np.isfinite(last) else WORST


def foretold(data, name):
    """The loss of the short v at each rate, and what plain weights have at the rate that counts.

    A step of SGD moves w across v by eta (g / r)^2 times the gradient. Adam's are as long for any
    gradient, and g / r is what such a step of v is worth in w.
    """
    power = {"SGD": 1.0, "Adam": 0.5}[name]
    stretch = np.exp(np.log(data["stretch"]).mean(axis=1)) ** power  # (seeds,)
    rates, found = np.array(data["rates"][name]), data["loss"][name]
    plain = [
        np.exp(np.interp(np.log(rates * s), np.log(rates), np.log(runs), right=np.nan))
        for s, runs in zip(stretch, found[PLAIN], strict=True)
    ]
    return np.array(found[PAPER]), np.array(plain)


def draw(data):
    fig, panels = figure.new(1, 2, height=3.9, sharey=True)
    for axes, (name, found) in zip(panels, data["loss"].items(), strict=True):
        for k, (way, runs) in enumerate(found.items()):
            figure.band(axes, data["rates"][name], runs, k, marks=20, label=way)
        rates, law = np.array(data["rates"][name]), np.median(foretold(data, name)[1], axis=0)
        last = LAWFUL[name]
        figure.expected(axes, rates[:last], law[:last], label=f"{SHIFTED}")
        figure.expected(axes, rates[last - 1 :], law[last - 1 :], color=figure.GREY,
                        label="the same, where it fails")
        axes.set(xscale="log", yscale="log", xlabel="learning rate", title=name)
    panels[0].set_ylabel(f"training loss after {data['steps']} steps [nats]")
    panels[0].set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "≥ 100"])
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def claims(data):
    first = np.array(list(data["first"].values()))
    told = [("before the first step all four have one loss over the first batch, to 4 digits",
             np.ptp(first, axis=0).max() < 1e-4 * first.max())]
    if data["quick"]:
        return told
    loss = {name: {way: np.array(runs) for way, runs in found.items()}
            for name, found in data["loss"].items()}
    rates = data["rates"]
    off = max(
        np.abs(found[MATCHED] / found[PLAIN] - 1)[:, : SMALL[name]].max()
        for name, found in loss.items()
    )
    ahead = max((found[PAPER] / found[PLAIN])[:, :3].max() for found in loss.values())
    short, plain = zip(*(foretold(data, name) for name in loss), strict=True)
    law = max(
        np.abs(np.log(a[:, :n] / b[:, :n])).max()
        for a, b, n in zip(short, plain, LAWFUL.values(), strict=True)
    )
    lawless = max(
        (a / b)[:, np.isin(those, LAWLESS)].max()
        for a, b, those in zip(short, plain, rates.values(), strict=True)
    )
    best = {name: {way: np.median(runs, axis=0).min() for way, runs in found.items()}
            for name, found in loss.items()}
    sgd, adam, third = loss["SGD"], loss["Adam"], rates["SGD"].index(0.3)
    large = max(sgd[BATCH][:, third - 1 :].max(), adam[BATCH][:, rates["Adam"].index(0.01) :].max())
    most_of_batch = 10 * sgd[BATCH][:, -1].max()
    return [
        *told,
        (f"v = w: at rates up to 0.1 (SGD) and 0.001 (Adam) within 10 % of plain, in every run "
         f"({100 * off:.1f} %)", off < 0.1),
        (f"short v: at the three smallest rates less than 0.9 times the plain loss, in every run "
         f"({ahead:.2f})", ahead < 0.9),
        (f"and up to 0.01 (SGD) and 0.0003 (Adam) what plain weights have at the rate times "
         f"(g/‖v‖)², or g/‖v‖ for Adam, within a factor of 2, in every run ({np.exp(law):.2f})",
         law < np.log(2)),
        (f"short v: at rates 0.03 and 0.1 this law fails; it ends below half of what the law says, "
         f"in every run ({lawless:.2f})", lawless < 0.5),
        ("at the best rate of each, plain weights end below twice the loss of either WN (medians)",
         all(b[PLAIN] < 2 * min(b[PAPER], b[MATCHED]) for b in best.values())),
        ("SGD: the short v fails at rate 0.3, where plain weights learn, in every run",
         sgd[PAPER][:, third].min() > 1 > 10 * sgd[PLAIN][:, third].max()),
        ("SGD: at rate 3 plain and both WN fail, batch norm learns, in every run",
         min(sgd[way][:, -1].min() for way in (PLAIN, PAPER, MATCHED)) > 1 > most_of_batch),
        (f"batch norm: at every rate from 0.1 (SGD) or 0.01 (Adam) below 0.1 nat, in every run "
         f"({large:.2f})", large < 0.1),
        ("Adam: at rate 1 plain weights end above 10 times the loss of either WN, in every run",
         (adam[PLAIN][:, -1] > 10 * np.maximum(adam[PAPER], adam[MATCHED])[:, -1]).all()),
    ]


if __name__ == "__main__":
    figure.main(__file__)
