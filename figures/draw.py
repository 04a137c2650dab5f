"""The paper's third experiment in miniature: DRAW without attention, its gap taken apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minwn import figure, nn, no_grad, ops, optim

_bound = figure.load(Path(__file__).with_name("_bound.py"))

TITLE = "DRAW: first the scale of the weights, then the learning rate"
DESCRIPTION = (
    "The lower bound of the log-likelihood of test digits by epoch, for a small DRAW network "
    "without attention; lines are medians of the seeds, bands reach from the lowest to the highest "
    "run. Plain weights drawn from N(0, 0.01^2) stop at the bound of a model that knows only the "
    "mean of each pixel, the dotted line: the code says nothing. Weight normalisation with the "
    "same v and g = 1 goes far beyond, as in the paper, which does not say how g began. With v = w "
    "it stops where plain weights do. Plain weights with rows of length 1 make up for about half "
    "of the gap or more, weight normalisation adds nothing to those, and three times the learning "
    "rate makes up for most of the rest."
)
SEEDS = 3, 1

# the rows of the first weights, their parameterisation, the learning rate
WAYS = {
    "plain, N(0, 0.01²)": ("short", "plain", 0.001),
    "WN, v = w": ("short", "matched", 0.001),
    "WN, same v, g = 1": ("short", "unit gain", 0.001),
    "plain, unit rows": ("unit", "plain", 0.001),
    "WN, v = w, unit rows": ("unit", "matched", 0.001),
    "plain, unit rows, rate × 3": ("unit", "plain", 0.003),
}
SHORT, MATCHED, UNIT_GAIN, UNIT, UNIT_MATCHED, TUNED = WAYS
TURNS, HIDDEN, CODE = 5, 64, 6


class Draw(nn.Module):
    """A canvas c, filled in turns.  x: (n, 64)   noise: (turns, n, code)

    encoder: LSTM of (x, x - sigmoid(c), last state of the decoder) -> q(z) = N(mean, exp(s))
    decoder: LSTM of z -> what is added to c
    """

    def __init__(self, rng):
        self.encoder = nn.LSTMCell(64 + 64 + HIDDEN, HIDDEN, rng=rng)
        self.code = nn.Linear(HIDDEN, 2 * CODE, rng=rng)
        self.decoder = nn.LSTMCell(CODE, HIDDEN, rng=rng)
        self.write = nn.Linear(HIDDEN, 64, rng=rng)

    def forward(self, x, noise):
        """(the logits of the pixels, the sum of the KL divergences of each row)"""
        canvas, divergence = np.zeros(x.shape, x.dtype), 0.0
        read = write = None
        seen = np.zeros((len(x), HIDDEN), dtype=x.dtype)
        for turn in noise:
            error = x - ops.sigmoid(canvas)
            read = self.encoder(ops.concatenate([x, error, seen], axis=1), read)
            mean, s = ops.split(self.code(read[0]), 2, axis=-1)
            write = self.decoder(_bound.sample(mean, s, turn), write)
            seen = write[0]
            canvas = canvas + self.write(seen)
            divergence = divergence + _bound.divergence(mean, s)
        return canvas, divergence


def bound(net, x, noise):
    """-> (n,)"""
    logits, divergence = net(x, noise)
    return _bound.fit(logits, x) - divergence


def started(rows, how, rng):
    """The network with weights of N(0, 0.01^2), or those with each row made of length 1; biases 0
    but for the forget gates, 1. And what brings its weights up to date."""
    net = Draw(rng)
    weights = [
        (layer, name)
        for layer in (net.encoder, net.code, net.decoder, net.write)
        for name, _ in list(layer.own_parameters())
        if name.startswith("weight")
    ]
    for parameter in net.parameters():
        parameter.data = np.zeros_like(parameter.data)
    for cell in (net.encoder, net.decoder):
        cell.bias_ih.data = np.repeat(np.float32([0, 1, 0, 0]), HIDDEN)
    norms = []
    for layer, name in weights:
        w = nn.init.normal(getattr(layer, name).shape, 0.01, rng)
        if rows == "unit":
            w /= np.linalg.norm(w, axis=1, keepdims=True)
        getattr(layer, name).data = w
        if how != "plain":
            norm = nn.WeightNorm(name)
            norm.apply(layer)
            norms.append((norm, layer))
        if how == "unit gain":
            g = getattr(layer, f"{name}_g")
            g.data = np.ones_like(g.data)

    def refresh():
        for norm, layer in norms:
            norm.recompute(layer)

    return net, refresh


def run(*, seeds, quick, progress):
    epochs = 1 if quick else 20
    found = progress.map(one, seeds, epochs)
    return {
        "quick": quick,
        "epoch": np.arange(epochs + 1),
        "tested": len(_bound.pixels()[1]),
        "marginal bound": _bound.marginal_bound(),
        "bound": {way: [run[way] for run in found] for way in WAYS},
    }


def one(seed, epochs):
    return {way: trained(seed, *how, epochs) for way, how in WAYS.items()}


def trained(seed, rows, how, rate, epochs):
    """The mean bound over the test images, before the first epoch and after each."""
    train, test = _bound.pixels()
    judged = np.random.default_rng(0).standard_normal((TURNS, len(test), CODE)).astype("float32")
    rng = np.random.default_rng([seed, 0])
    net, refresh = started(rows, how, rng)
    optimiser = optim.Adam(net.parameters(), lr=rate)

    def tested():
        refresh()
        with no_grad():
            return bound(net, test, judged).data.mean()

    found = [tested()]
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(train)), len(train) // 100):
            noise = rng.standard_normal((TURNS, len(rows), CODE)).astype("float32")
            optimiser.zero_grad()
            refresh()
            (-bound(net, train[rows], noise).mean()).backward()
            optimiser.step()
        found.append(tested())
    return found


def draw(data):
    fig, axes = figure.new(height=4.0)
    epoch = np.array(data["epoch"])
    for k, (way, runs) in enumerate(data["bound"].items()):
        figure.band(axes, epoch[1:], np.array(runs)[:, 1:], k, label=way)
    marginal = np.full(2, data["marginal bound"])
    figure.expected(axes, epoch[[0, -1]], marginal, label="mean of each pixel")
    axes.set(xlabel="epoch", ylim=(-34, -24), xticks=epoch[:: max(1, len(epoch) // 5)],
             ylabel=f"test bound of log p(x), n = {data['tested']} [nats]")
    axes.legend(loc="lower right")
    return fig


def claims(data):
    bound = {way: np.array(runs) for way, runs in data["bound"].items()}

    def one_start(*ways):
        first = np.array([bound[way][:, 0] for way in ways])
        return np.ptp(first, axis=0).max() < 1e-4 * np.abs(first).max()

    told = [
        ("before the first step, plain and WN with v = w have the same bound, to 4 digits",
         one_start(SHORT, MATCHED)),
        ("and so have the four with rows, or g, of 1",
         one_start(UNIT_GAIN, UNIT, UNIT_MATCHED, TUNED)),
    ]
    if data["quick"]:
        return told
    stuck = np.abs(bound[SHORT][:, -5:] - data["marginal bound"]).max()
    matched = np.abs(bound[MATCHED][:, -1] - data["marginal bound"]).max()
    last = {way: runs[:, -1] for way, runs in bound.items()}
    gap = last[UNIT_GAIN] - last[SHORT]
    apart = np.abs(bound[UNIT_MATCHED] - bound[UNIT]).max()
    scale, both = ((last[way] - last[SHORT]) / gap for way in (UNIT, TUNED))
    return [
        *told,
        (f"plain weights, N(0, 0.01²), stop within 0.1 nat of the mean of each pixel, in every run "
         f"({stuck:.2f})", stuck < 0.1),
        (f"WN with the same v and g = 1 ends more than 1.5 nats above them, in every run "
         f"({gap.min():.2f})", gap.min() > 1.5),
        (f"WN with v = w ends within 0.15 nat of the mean of each pixel as well ({matched:.2f})",
         matched < 0.15),
        (f"plain weights with rows of length 1 make up for more than 0.4 of that gap, in every run "
         f"({scale.min():.2f} to {scale.max():.2f})", scale.min() > 0.4),
        (f"WN with v = w is within 0.15 nat of those at every epoch, in every run ({apart:.2f})",
         apart < 0.15),
        (f"at 3 times the rate they make up for more than 0.75 of the gap, in every run "
         f"({both.min():.2f} to {both.max():.2f})", both.min() > 0.75),
    ]


if __name__ == "__main__":
    figure.main(__file__)
