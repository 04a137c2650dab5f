"""The noise that a batch adds: that of mean-only batch norm is Gaussian, batch norm's is not."""

from __future__ import annotations

import numpy as np

from minwn import Tensor, figure, nn, no_grad
from minwn import data as digits

TITLE = "The noise of mean-only batch norm and of batch norm"
DESCRIPTION = (
    "How heavy the tails of a batch's noise are, by batch size. Left, Gaussian pre-activations: "
    "subtracting the mean of the batch adds Gaussian noise, of excess kurtosis 0; dividing by its "
    "standard deviation as well makes it Student's t, of excess kurtosis 6 over (size - 5), which "
    "is nearly gone at a hundred. Right, pre-activations of a layer on digits, which are not "
    "Gaussian: the noise of the mean nearly is all the same, and that of batch norm has tails "
    "heavier than on the left."
)
SEEDS = 8, 3

SIZES = (10, 14, 20, 32, 50, 100)
KINDS = ("batch norm", "mean-only")


UNITS = 50  # of the layer on digits


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds, 30_000 if quick else 100_000)
    return {"sizes": SIZES} | {
        source: {kind: [run[source][kind] for run in found] for kind in KINDS}
        for source in ("gaussian", "digits")
    }


def one(seed, samples):
    """Excess kurtosis of the noise for each size, by source and kind."""
    rng = np.random.default_rng(seed)
    images, _ = digits.digits()
    t = images.reshape(len(images), -1) @ rng.normal(size=(64, UNITS))  # (n, i), (i, o) -> (n, o)
    answer = {source: {kind: [] for kind in KINDS} for source in ("gaussian", "digits")}
    for size in SIZES:
        noise = noise_of(rng.normal(size=(size, samples)))
        batches = t[rng.integers(len(t), size=(size, samples // UNITS))]
        real = noise_of(batches.reshape(size, -1))
        for kind in KINDS:
            answer["gaussian"][kind].append(kurtosis(noise[kind]).item())
            per_unit = kurtosis(real[kind].reshape(-1, UNITS))  # units differ in scale
            answer["digits"][kind].append(float(np.median(per_unit)))
    return answer


def noise_of(t):
    """What the layers add where the pre-activation is 0: -m, and -m / s.   t: (size, channels)

    Each is a straight line in t for one batch; that of batch norm is found from its two ends.
    """
    mean_only, batch = nn.MeanOnlyBatchNorm(t.shape[1]), nn.BatchNorm(t.shape[1], eps=1e-12)
    with no_grad():
        shifted = mean_only.to("float64")(Tensor(t)).numpy()
        scaled = batch.to("float64")(Tensor(t)).numpy()
    slope = np.ptp(scaled, axis=0) / np.ptp(t, axis=0)
    return {"mean-only": shifted[0] - t[0], "batch norm": scaled[0] - slope * t[0]}


def kurtosis(x):
    """Excess kurtosis of each column."""
    x = x - x.mean(axis=0)
    return (x**4).mean(axis=0) / (x**2).mean(axis=0) ** 2 - 3


def draw(data):
    fig, panels = figure.new(1, 2, height=3.2, sharey=True)
    x = np.array(data["sizes"], dtype=float)
    for axes, source in zip(panels, ("gaussian", "digits"), strict=True):
        for k, kind in enumerate(KINDS):
            figure.band(axes, x, data[source][kind], k, marks=6, label=kind)
        axes.set(xscale="log", xlabel="batch size m")
        axes.set_xticks(x, [f"{int(m)}" for m in x])
        axes.minorticks_off()
    fine = np.geomspace(x[0], x[-1], 60)
    figure.expected(panels[0], fine, 6 / (fine - 5), label="6 / (m − 5)")
    figure.expected(panels[0], fine, 0 * fine, label="0")
    panels[0].set(ylabel="excess kurtosis of the noise", title="Gaussian pre-activations")
    panels[1].set(title="a layer on digits, median unit")
    for axes in panels:
        axes.legend(loc="upper right")
    return fig


def claims(data):
    sizes = np.array(data["sizes"])
    batch, mean_only = (np.median(data["gaussian"][kind], axis=0) for kind in KINDS)
    law = 6 / (sizes - 5)
    real = {kind: np.median(data["digits"][kind], axis=0) for kind in KINDS}
    return [
        ("Gaussian, mean-only: the median excess kurtosis is 0, within 0.05, at every size",
         np.abs(mean_only).max() < 0.05),
        ("Gaussian, batch norm: it is 6 / (m − 5), within 15 % of that and 0.05",
         (np.abs(batch - law) < 0.15 * law + 0.05).all()),
        ("Gaussian, m = 100: the two differ by less than 0.15", batch[-1] - mean_only[-1] < 0.15),
        ("digits, mean-only: the median excess kurtosis is 0, within 0.2, at every size",
         np.abs(real["mean-only"]).max() < 0.2),
        ("digits, batch norm: it is above that of the Gaussian case at every size",
         (real["batch norm"] > batch).all()),
    ]


if __name__ == "__main__":
    figure.main(__file__)
