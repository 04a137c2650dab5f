"""Data-dependent initialisation: every layer's pre-activations get mean 0 and variance 1."""

from __future__ import annotations

import numpy as np

from minwn import Tensor, figure, nn, no_grad
from minwn import data as digits

TITLE = "Pre-activations layer by layer, before and after data-dependent initialisation"
DESCRIPTION = (
    "Histograms of the pre-activations in six ReLU layers, for digits. Before, with the "
    "directions drawn small and gains equal to their norms, they shrink to a spike at zero from "
    "layer to layer. After one batch has set gains and biases, every layer has mean 0 and "
    "variance 1; on other digits nearly so."
)
SEEDS = 8, 3

LAYERS, WIDTH, STD = 6, 64, 0.05
BATCH = 500
EDGES = np.linspace(-4, 4, 65)


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds, WIDTH)
    return {
        key: [run[key] for run in found] for key in ("before", "after", "other")
    } | {"edges": EDGES, "histograms": found[0]["histograms"]}


def one(seed, width):
    """Mean and standard deviation of each layer: before, after, and after on other digits."""
    rng = np.random.default_rng(seed)
    images, _ = digits.digits()
    order = rng.permutation(len(images))
    pixels = images.reshape(len(images), -1).astype("float64")[order]
    net = network(rng, width)
    found = {"histograms": {}}
    for when in ("before", "after", "other"):
        if when == "after":
            nn.data_dependent_init(net, Tensor(pixels[:BATCH]))
        t = preactivations(net, pixels[BATCH : 2 * BATCH] if when == "other" else pixels[:BATCH])
        # Each unit is set to mean 0 and variance 1; what is kept is the worst unit of a layer.
        found[when] = {
            "mean": [float(np.abs(x.mean(axis=0)).max()) for x in t],
            "low": [float(x.std(axis=0).min()) for x in t],
            "high": [float(x.std(axis=0).max()) for x in t],
            "std": [float(x.std()) for x in t],
        }
        found["histograms"][when] = [
            np.histogram(np.clip(x, -4, 4), EDGES, density=True)[0].round(4).tolist() for x in t
        ]
    return found


def network(rng, width):
    norm, layers = nn.WeightNorm(), []
    for _ in range(LAYERS):
        layer = nn.Linear(64 if not layers else width, width, rng=rng)
        layer.weight.data = nn.init.normal(layer.weight.shape, STD, rng)
        layer.bias.data = nn.init.zeros(layer.bias.shape)
        layers += [norm.apply(layer), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to("float64")


def preactivations(net, x):
    """What each Linear gives, before its ReLU."""
    found, h = [], Tensor(x)
    with no_grad():
        for part in net:
            h = part(h)
            if isinstance(part, nn.Linear):
                found.append(h.numpy())
    return found


def draw(data):
    fig, panels = figure.new(1, 3, height=3.6, sharey=True)
    edges = np.array(data["edges"])
    titles = ("before", "after, same digits", "after, other digits")
    for axes, when, look, title in zip(
        panels, ("before", "after", "other"), figure.LOOKS, titles, strict=False
    ):
        for k, heights in enumerate(data["histograms"][when]):
            top = np.array(heights) / max(heights) * 0.85
            axes.stairs(LAYERS - k + top, edges, baseline=LAYERS - k, fill=True,
                        color=look["color"], alpha=0.75)
            axes.stairs(LAYERS - k + top, edges, baseline=LAYERS - k, color="#222222", lw=0.6)
            spread = np.median([run["std"][k] for run in data[when]])
            axes.annotate(
                f"σ = {spread:.2g}" if when == "before" else f"σ = {spread:.2f}",
                (4, LAYERS - k + 0.45),
                ha="right",
                fontsize=9,
            )
        axes.set(title=title, xlabel="pre-activation", xlim=(-4, 4))
        axes.grid(False, axis="y")
    panels[0].set_yticks([LAYERS - k for k in range(LAYERS)], [str(k + 1) for k in range(LAYERS)])
    panels[0].set_ylabel("layer (heights scaled to its peak)")
    return fig


def claims(data):
    last = [run["std"][-1] for run in data["before"]]
    own = [x for run in data["after"] for x in run["low"] + run["high"]]
    means = [x for run in data["after"] for x in run["mean"]]
    other = [x for run in data["other"] for x in run["std"]]
    return [
        ("before: the last layer's standard deviation is below 1e-3, in every run",
         max(last) < 1e-3),
        ("after: every unit of every layer has standard deviation 1, to 1e-5",
         np.abs(np.array(own) - 1).max() < 1e-5),
        ("after: and mean 0, to 1e-12", max(means) < 1e-12),
        ("on other digits every layer's standard deviation is within 10 % of 1",
         np.abs(np.array(other) - 1).max() < 0.1),
    ]


if __name__ == "__main__":
    figure.main(__file__)
