"""Weight decay on v is a learning rate that grows exponentially, and nothing else."""

from __future__ import annotations

import numpy as np

from minwn import Tensor, figure, nn, optim
from minwn import data as digits

TITLE = "Weight decay on v is an exponential learning rate"
DESCRIPTION = (
    "Two trainings on digits: one with weight decay on v, one with none but a learning rate for v "
    "that grows exponentially. Left: their losses lie on each other, equal to rounding. Right: "
    "their norms of v do not; the ratio is the exponential that theory gives."
)
SEEDS = 8, 2

RATE, DECAY = 0.2, 0.01
A = 1 - RATE * DECAY


def run(*, seeds, quick, progress):
    steps = 150 if quick else 600
    found = progress.map(one, seeds, steps)
    return {
        "step": shown(steps),
        **{
            f"{key} {kind}": [run[kind][key] for run in found]
            for key in ("loss", "norm") for kind in ("decay", "rate")
        },
        "apart": [run["apart"] for run in found],
        "unlike": [run["unlike"] for run in found],
    }


def shown(steps):
    return np.arange(0, steps, max(1, steps // 50))


def one(seed, steps):
    """apart: the largest relative difference of the two losses; unlike: that to a third training,
    with neither decay nor a growing rate."""
    loss, found = {}, {}
    for kind in ("decay", "rate", "neither"):
        losses, norms = trained(seed, kind, steps)
        loss[kind] = np.array(losses)
        at = shown(steps)
        found[kind] = {"loss": loss[kind][at].tolist(), "norm": np.array(norms)[at].tolist()}
    found["apart"] = float(np.abs(loss["rate"] / loss["decay"] - 1).max())
    found["unlike"] = float(np.abs(loss["neither"] / loss["decay"] - 1).max())
    return found


def trained(seed, kind, steps):
    """(losses, norms of all v together) before each step. With decay lambda on v and a rate eta,
    v_t is a^t times what the rate eta a^-(2t + 1) makes without decay, a = 1 - eta lambda."""
    rng = np.random.default_rng(seed)
    images, labels = digits.digits()
    pixels = images.reshape(len(images), -1).astype("float64")
    layers = [nn.Linear(64, 32, rng=rng), nn.Linear(32, 10, rng=rng)]
    net = nn.Sequential(layers[0], nn.Tanh(), layers[1]).to("float64")
    norm = nn.WeightNorm()
    for layer in layers:
        norm.apply(layer)
    directions = [layer.weight_v for layer in layers]
    others = [p for layer in layers for p in (layer.weight_g, layer.bias)]
    decay = DECAY if kind == "decay" else 0.0
    optimiser = optim.SGD(
        [{"params": directions, "weight_decay": decay}, {"params": others}], lr=RATE
    )
    losses, norms = [], []
    for t in range(steps):
        if kind == "rate":
            optimiser.param_groups[0]["lr"] = RATE * A ** -(2 * t + 1)
        for layer in layers:
            norm.recompute(layer)
        rows = rng.choice(len(pixels), 64, replace=False)
        optimiser.zero_grad()
        loss = nn.cross_entropy(net(Tensor(pixels[rows])), labels[rows])
        loss.backward()
        losses.append(loss.item())
        norms.append(float(np.sqrt(sum((v.data**2).sum() for v in directions))))
        optimiser.step()
    return losses, norms


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.2)
    x = np.array(data["step"])
    names = {"decay": f"decay λ = {DECAY}", "rate": "growing rate"}
    for k, (kind, label) in enumerate(names.items()):
        figure.band(left, x, data[f"loss {kind}"], k, label=label)
        figure.band(right, x, data[f"norm {kind}"], k, label=label)
    product = np.median(data["norm decay"], axis=0) * A**-x
    figure.expected(right, x, product, label=r"decayed ‖v‖ × $a^{-t}$")
    left.set(xlabel="step t", ylabel="loss of the batch [nats]", yscale="log",
             title=f"losses: equal to {max(data['apart']):.0e}")
    left.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    left.minorticks_off()
    right.set(xlabel="step t", ylabel="‖v‖ of all layers", yscale="log", title="norms: not")
    right.set_yticks([2, 5, 10, 20], ["2", "5", "10", "20"])
    right.minorticks_off()
    left.legend()
    right.legend()
    return fig


def claims(data):
    ratio = np.array(data["norm rate"]) / np.array(data["norm decay"])
    law = A ** -np.array(data["step"], dtype=float)
    return [
        ("the losses are equal to 1e-11 at every step, in every run", max(data["apart"]) < 1e-11),
        ("without decay and growth they are not: they come to differ by more than 1 %",
         min(data["unlike"]) > 0.01),
        ("the ratio of the norms is a^-t, a = 1 − η λ, to 1e-4",
         np.abs(ratio / law - 1).max() < 1e-4),
    ]


if __name__ == "__main__":
    figure.main(__file__)
