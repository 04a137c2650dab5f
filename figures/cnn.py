"""The paper's first experiment in miniature: five ways to normalise a small ConvPool network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minwn import Tensor, figure, nn, optim
from minwn import data as digits

Started = figure.load(Path(__file__).with_name("_start.py")).Started

TITLE = "ConvPool-CNN in miniature: training error, and what is left of it in the test"
DESCRIPTION = (
    "Left: training error by epoch of a small convolutional network on digits, in five ways at one "
    "learning rate, and with plain weights at three times that rate; lines are medians of the "
    "seeds, bands reach from the lowest to the highest run. At the shared rate batch norm and "
    "weight norm with mean-only batch norm are first, then comes weight norm alone, then plain "
    "weights and mean-only batch norm, much as in the paper. Plain weights at three times the rate "
    "are ahead of weight norm early on and end below it. Right: the test error of each run, with "
    "the medians as black strokes. One image is 0.28 points, and the four that learn faster lie "
    "within a few images of one another: a test of this size cannot rank them."
)
SEEDS = 3, 1

# how the weights start, what follows each layer, and the learning rate
WAYS = {
    "plain": ("plain", None, 0.001),
    "WN": ("paper", None, 0.001),
    "batch norm": ("drawn", nn.BatchNorm, 0.001),
    "mean-only BN": ("plain", nn.MeanOnlyBatchNorm, 0.001),
    "WN + mean-only BN": ("paper", nn.MeanOnlyBatchNorm, 0.001),
    "plain, rate × 3": ("plain", None, 0.003),
}
PLAIN, WN, BATCH, MEAN, BOTH, TUNED = WAYS


def run(*, seeds, quick, progress):
    epochs, images = (2, 300) if quick else (20, None)
    found = progress.map(one, seeds, epochs, images)
    return {
        "quick": quick,
        "epoch": np.arange(1, epochs + 1),
        "tested": found[0][PLAIN]["tested"],
        "first": {way: [run[way]["first"] for run in found] for way in WAYS},
        "training error": {way: [run[way]["training error"] for run in found] for way in WAYS},
        "wrong": {way: [run[way]["wrong"] for run in found] for way in WAYS},
    }


def one(seed, epochs, images):
    return {way: trained(seed, *how, epochs, images) for way, how in WAYS.items()}


class Noise(nn.Module):
    """x + N(0, std^2), in training."""

    def __init__(self, std, rng):
        self.std, self.rng = std, rng

    def forward(self, x):
        if not self.training:
            return x
        return x + (self.std * self.rng.standard_normal(x.shape)).astype(x.dtype)


def network(how, after, rng):
    def block(inputs, outputs, size):
        layers = [nn.Conv2d(inputs, outputs, size, padding="same", bias=after is None, rng=rng)]
        return [*layers, *([after(outputs)] if after else []), nn.LeakyReLU(0.1)]

    layers = [Noise(0.15, rng), *block(1, 16, 3), *block(16, 16, 3), *block(16, 16, 3)]
    layers += [nn.MaxPool2d(2), nn.Dropout(0.2, rng=rng)]
    layers += [*block(16, 32, 3), *block(32, 32, 3), *block(32, 32, 3)]
    layers += [nn.MaxPool2d(2), nn.Dropout(0.2, rng=rng)]
    layers += [*block(32, 32, 1), *block(32, 32, 1), nn.GlobalAvgPool(), nn.Flatten()]
    layers += [nn.Linear(32, 10, bias=after is None, rng=rng), *([after(10)] if after else [])]
    return nn.Sequential(*layers)


def trained(seed, how, after, rate, epochs, count):
    """first: the loss over the batch that scaled the network, before any step;
    training error: of each epoch, as it was met, with noise and Dropout; wrong: of the test."""
    images, labels = digits.digits()
    train, test = digits.split(labels)
    train = train[:count]
    rng = np.random.default_rng([seed, 0])  # of the order, the noise and the Dropout
    body = network(how, after, rng)
    rows = rng.choice(train, min(500, len(train)), replace=False)
    net = Started(body, how, [Tensor(images[rows])], np.random.default_rng([seed, 1]))
    first = nn.cross_entropy(net(Tensor(images[rows])), labels[rows]).item()
    optimiser = optim.Adam(net.parameters(), lr=rate)
    errors, half = [], epochs // 2
    for epoch in range(epochs):
        if epoch >= half:  # as in the paper: less momentum, and a rate that falls to 0
            left = (epochs - epoch) / (epochs - half)
            optimiser.param_groups[0] |= {"lr": rate * left, "betas": (0.5, 0.999)}
        wrong = 0
        for rows in np.array_split(rng.permutation(train), len(train) // 100):
            optimiser.zero_grad()
            logits = net(Tensor(images[rows]))
            nn.cross_entropy(logits, labels[rows]).backward()
            optimiser.step()
            wrong += missed(logits, labels[rows])
        errors.append(wrong / len(train))
    net.eval()
    wrong = missed(net(Tensor(images[test])), labels[test])
    return {"first": first, "training error": errors, "wrong": wrong, "tested": len(test)}


def missed(logits, labels):
    return int((logits.data.argmax(axis=1) != labels).sum())


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.8, width_ratios=(3, 2))
    percent = 100 / data["tested"]
    for k, (way, runs) in enumerate(data["training error"].items()):
        figure.band(left, data["epoch"], 100 * np.array(runs), k, label=way)
        wrong = np.array(data["wrong"][way])
        look = {key: figure.LOOKS[k][key] for key in ("color", "marker")}
        apart = 0.15 * (np.arange(len(wrong)) - (len(wrong) - 1) / 2)
        right.plot(percent * wrong, k + apart, linestyle="none", **look)
        right.plot(percent * np.median(wrong), k, "|", color="#222222", markersize=14)
    left.set(xlabel="epoch", ylabel="training error [%]", yscale="log",
             title="training, with noise and dropout")
    left.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    left.minorticks_off()
    right.set(
        xlabel=f"test error, n = {data['tested']} [%]", title="test, each run", xlim=(0, None)
    )
    right.set_yticks([])
    right.invert_yaxis()
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def claims(data):
    first = np.array([data["first"][way] for way in (PLAIN, WN, TUNED)])
    told = [("before the first step plain weights and WN have one loss, to 4 digits",
             np.ptp(first, axis=0).max() < 1e-4 * first.max())]
    if data["quick"]:
        return told
    error = {way: 100 * np.array(runs) for way, runs in data["training error"].items()}
    third = {way: runs[:, data["epoch"].index(3)] for way, runs in error.items()}
    last = {way: runs[:, -5:].mean(axis=1) for way, runs in error.items()}
    fast = np.maximum(third[BATCH], third[BOTH])
    slow = np.minimum(third[PLAIN], third[MEAN])
    medians = [np.median(data["wrong"][way]) for way in (WN, BATCH, BOTH, TUNED)]
    return [
        *told,
        (f"after 3 epochs at one rate WN has at least 5 points less training error than plain and "
         f"mean-only BN, in every run ({(slow - third[WN]).min():.1f})",
         (slow - third[WN]).min() > 5),
        (f"and batch norm and WN + mean-only BN at least 5 points less than WN "
         f"({(third[WN] - fast).min():.1f})",
         (third[WN] - fast).min() > 5),
        ("over the last 5 epochs plain and mean-only BN have more than 1.4 times the training "
         "error of WN, in every run",
         (np.minimum(last[PLAIN], last[MEAN]) > 1.4 * last[WN]).all()),
        ("plain at 3 times the rate has less training error than WN after 3 epochs, in every run",
         (third[TUNED] < third[WN]).all()),
        ("and over the last 5 epochs", (last[TUNED] < last[WN]).all()),
        (f"the test medians of WN, batch norm, WN + mean-only BN and plain at 3 times the rate lie "
         f"within 3 of {data['tested']} images ({np.ptp(medians):.0f})", np.ptp(medians) <= 3),
    ]


if __name__ == "__main__":
    figure.main(__file__)
