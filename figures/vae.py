"""The paper's second experiment in miniature: a variational autoencoder, with its controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minwn import Tensor, figure, nn, ops, optim

_bound = figure.load(Path(__file__).with_name("_bound.py"))
Started = figure.load(Path(__file__).with_name("_start.py")).Started

TITLE = "A variational autoencoder: the gap is a learning rate"
DESCRIPTION = (
    "Left: the lower bound of the log-likelihood of test digits by epoch, for a small variational "
    "autoencoder; lines are medians of the seeds and bands reach from the lowest to the highest "
    "run. All end above the bound of a model that knows only the mean of each pixel, the dotted "
    "line. Right: the same, less that of plain weights with the same seed. Weight normalisation "
    "with the short v of the paper is ahead by a few tenths of a nat, as in the paper; started "
    "with v = w it lies on the line of plain weights; and plain weights at four times the learning "
    "rate are ahead by more. In these runs the gain is one of learning rate."
)
SEEDS = 3, 1

# how the weights start, and the learning rate
WAYS = {
    "plain": ("plain", 0.002),
    "WN, v of the paper": ("paper", 0.002),
    "WN, v = w": ("matched", 0.002),
    "plain, rate × 4": ("plain", 0.008),
}
PLAIN, PAPER, MATCHED, TUNED = WAYS
CODE, WIDTH = 8, 128


class Autoencoder(nn.Module):
    """x -> q(z | x) = N(mean, exp(log variance)) -> Bernoulli logits of x, by one sample of z."""

    def __init__(self, rng):
        self.encoder = nn.Sequential(
            nn.Linear(64, WIDTH, rng=rng), nn.ELU(), nn.Linear(WIDTH, WIDTH, rng=rng), nn.ELU(),
            nn.Linear(WIDTH, 2 * CODE, rng=rng),
        )
        self.decoder = nn.Sequential(
            nn.Linear(CODE, WIDTH, rng=rng), nn.ELU(), nn.Linear(WIDTH, WIDTH, rng=rng), nn.ELU(),
            nn.Linear(WIDTH, 64, rng=rng),
        )

    def forward(self, x, noise):
        mean, log_variance = ops.split(self.encoder(x), 2, axis=-1)
        return self.decoder(_bound.sample(mean, log_variance, noise)), mean, log_variance


def bound(net, x, noise):
    """-> (n,)"""
    logits, mean, log_variance = net(x, noise)
    return _bound.fit(logits, x) - _bound.divergence(mean, log_variance)


def run(*, seeds, quick, progress):
    epochs, every = (2, 1) if quick else (60, 3)
    found = progress.map(one, seeds, epochs, every)
    return {
        "quick": quick,
        "epoch": np.arange(0, epochs + 1, every),
        "tested": len(_bound.pixels()[1]),
        "marginal bound": _bound.marginal_bound(),
        "bound": {way: [run[way] for run in found] for way in WAYS},
    }


def one(seed, epochs, every):
    return {way: trained(seed, *how, epochs, every) for way, how in WAYS.items()}


def trained(seed, how, rate, epochs, every):
    """The mean bound over the test images, before the first epoch and after every `every`-th.

    The noise of the test is one draw for each image, the same at every epoch and for every way.
    """
    train, test = _bound.pixels()
    judged = np.random.default_rng(0).standard_normal((len(test), CODE)).astype("float32")
    rng = np.random.default_rng([seed, 0])

    def some(rows):
        return Tensor(train[rows]), rng.standard_normal((len(rows), CODE)).astype("float32")

    batch = some(rng.choice(len(train), 500, replace=False))
    net = Started(Autoencoder(rng), how, batch, np.random.default_rng([seed, 1]))
    optimiser = optim.Adamax(net.parameters(), lr=rate)
    found = [bound(net, Tensor(test), judged).data.mean()]
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(train)), len(train) // 100):
            optimiser.zero_grad()
            (-bound(net, *some(rows)).mean()).backward()
            optimiser.step()
        if (epoch + 1) % every == 0:
            found.append(bound(net, Tensor(test), judged).data.mean())
    return found


def ahead(data, way):
    """By how much a way is above plain weights of the same seed.   -> (seeds, epochs)"""
    return np.array(data["bound"][way]) - np.array(data["bound"][PLAIN])


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.6)
    epoch = np.array(data["epoch"])
    for k, (way, runs) in enumerate(data["bound"].items()):
        figure.band(left, epoch[1:], np.array(runs)[:, 1:], k, label=way)
        if way != PLAIN:
            figure.band(right, epoch[1:], ahead(data, way)[:, 1:], k)
    marginal = np.full(2, data["marginal bound"])
    figure.expected(left, epoch[[0, -1]], marginal, label="mean of each pixel")
    figure.expected(right, epoch[[0, -1]], np.zeros(2), label="plain")
    left.set(xlabel="epoch", ylim=(-30, -24), title="test bound",
             ylabel=f"bound of log p(x), n = {data['tested']} [nats]")
    right.set(xlabel="epoch", ylabel="ahead of plain [nats]", title="the same, less that of plain")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig


def claims(data):
    bound = {way: np.array(runs) for way, runs in data["bound"].items()}
    first = np.array([runs[:, 0] for runs in bound.values()])
    told = [("before the first step all four have the same bound, to 4 digits",
             np.ptp(first, axis=0).max() < 1e-4 * np.abs(first).max())]
    if data["quick"]:
        return told
    short, matched, tuned = (ahead(data, way) for way in (PAPER, MATCHED, TUNED))
    ends = np.array([runs[:, -1] for runs in bound.values()])
    early, late = short[:, data["epoch"].index(21)].min(), short[:, -1].min()
    control = tuned - short
    return [
        *told,
        (f"WN with the short v is more than 0.2 nat ahead of plain after 21 epochs, in every run "
         f"(at least {early:.2f})", early > 0.2),
        (f"and by more than 0.1 nat at the end (at least {late:.2f})", late > 0.1),
        (f"WN with v = w is within 0.15 nat of plain at every epoch, in every run "
         f"({np.abs(matched).max():.2f})", np.abs(matched).max() < 0.15),
        (f"plain at 4 times the rate is at no epoch 0.1 nat below WN with the short v, in any run "
         f"({control.min():.2f} at the least)", control.min() > -0.1),
        (f"and ends above it, in every run (by at least {control[:, -1].min():.2f})",
         control[:, -1].min() > 0),
        ("all end more than 1 nat above the bound of a model that knows the mean of each pixel",
         ends.min() > data["marginal bound"] + 1),
    ]


if __name__ == "__main__":
    figure.main(__file__)
