"""How wrong a measured derivative is, by the step it was measured with."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm

TITLE = "The error of a measured derivative against its step"
DESCRIPTION = (
    "Derivatives of weight normalisation along v, measured with steps from 1 down to 1e-16. "
    "Forward and central differences first become better with smaller steps, then worse, as "
    "rounding takes over: float32 never gets below about one part in a hundred thousand, float64 "
    "gets to one in ten thousand million. The complex step subtracts nothing and stays exact down "
    "to any step, unless the code takes a modulus: then it is quite wrong, at every step."
)
SEEDS = 20, 6

STEPS = 10.0 ** -np.arange(0, 16.5, 0.5)
METHODS = ("forward, float32", "central, float32", "forward, float64", "central, float64",
           "complex step", "complex, through |z|")


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds)
    return {
        "step": STEPS, "error": {name: [run[name] for run in found] for name in METHODS},
    }


def one(seed):
    """Relative error of <v_bar, direction> for every method and step."""
    rng = np.random.default_rng(seed)
    v, w_bar, t = rng.normal(size=(3, 4, 6))
    g = rng.normal(size=(4, 1))
    v_bar, _ = weight_norm.vjp(w_bar, v, g)
    truth = (v_bar * t).sum()
    size = np.abs(v_bar * t).sum()  # so that a small truth is no excuse

    def loss(v, kind="float64"):
        return (w_bar.astype(kind) * weight_norm.forward(v, g.astype(kind))).sum()

    def modulus(v):
        n = np.linalg.norm(v, axis=1, keepdims=True)  # takes |z|: real for complex v
        return (w_bar * (g * v / n)).sum()

    found = {name: [] for name in METHODS}
    for h in STEPS:
        for kind in ("float32", "float64"):
            x, dx = v.astype(kind), (h * t).astype(kind)
            up, down, here = (loss(y, kind) for y in (x + dx, x - dx, x))
            found[f"forward, {kind}"].append((float(up) - float(here)) / h)
            found[f"central, {kind}"].append((float(up) - float(down)) / (2 * h))
        z = v + 1j * h * t
        composed = (w_bar * (g * z / np.sqrt((z * z).sum(axis=1, keepdims=True)))).sum()
        found["complex step"].append(composed.imag / h)
        found["complex, through |z|"].append(modulus(z).imag / h)
    # An error of 0 cannot be drawn; half a unit roundoff stands for it.
    return {
        name: np.maximum(np.abs(np.array(x) - truth) / size, 2.0**-54).tolist()
        for name, x in found.items()
    }


def draw(data):
    fig, axes = figure.new(height=4.0)
    for k, name in enumerate(METHODS):
        figure.band(axes, data["step"], data["error"][name], k, marks=9, label=name)
    for power, text in ((1 / 2, "√u"), (1 / 3, "∛u")):
        for bits in (24, 53):
            h = 2.0 ** (-bits * power)
            low, side = (0.12, -11) if (bits, text) == (53, "√u") else (0.02, 2)
            axes.axvline(h, color=figure.GREY, lw=0.8, ls=":")
            axes.annotate(f"{text}, float{32 if bits == 24 else 64}", (h, low), (side, 0),
                          textcoords="offset points", xycoords=("data", "axes fraction"),
                          rotation=90, color=figure.GREY)
    axes.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative error",
             xlim=(2e-17, 2), ylim=(1e-17, 3e3))
    axes.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 1.2), columnspacing=1)
    return fig


def claims(data):
    error = {name: np.median(runs, axis=0) for name, runs in data["error"].items()}
    best = {name: x.min() for name, x in error.items()}
    small = np.array(data["step"]) < 1e-7
    return [
        ("central, float64: the best step gives 1e-9 or better, in the median",
         best["central, float64"] < 1e-9),
        ("forward, float64: the best gives between 1e-10 and 1e-6, in the median",
         1e-10 < best["forward, float64"] < 1e-6),
        ("float32: no step gives better than 1e-6, in the median",
         min(best["forward, float32"], best["central, float32"]) > 1e-6),
        ("central differences in float64 are wrong by more than 1 % at a step of 1e-16",
         error["central, float64"][-1] > 0.01),
        ("complex step: below 1e-14 at every step under 1e-7, in the median",
         error["complex step"][small].max() < 1e-14),
        ("complex step through |z|: more than 5 % wrong at every step up to 0.1, in the median",
         error["complex, through |z|"][np.array(data["step"]) <= 0.1].min() > 0.05),
    ]


if __name__ == "__main__":
    figure.main(__file__)
