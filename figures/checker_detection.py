"""What a gradient check can see depends on the point at which it looks."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.gradcheck import gradcheck
from minwn.oracle import CATALOGUE

TITLE = "Which wrong gradients a check catches, by its design and its size"
DESCRIPTION = (
    "Every wrong formula for the gradients of weight normalisation in the catalogue of the oracle "
    "is put before a gradient checker, at points of several designs and shapes; the numbers are "
    "the percentages caught. A generic point with several rows and three axes catches all of "
    "them. A single row hides confusions between rows, two axes hide those between axes; g equal "
    "to the norm of v, a norm of 1, or a loss that is a square hide whole families in every "
    "shape. A loss that is the sum of w hid none of these at a generic point."
)
SEEDS = 3, 1

SIZES = ((1, 4), (2, 2), (4, 7), (3, 2, 4))
DESIGNS = {  # v's norm, g, and what is differentiated
    "generic": ("free", "free", "random"),
    "g = ‖v‖": ("free", "norm", "random"),
    "‖v‖ = 1": ("one", "free", "random"),
    "‖v‖ = 1 and g = 1": ("one", "one", "random"),
    "loss = sum of w": ("free", "free", "sum"),
    "loss = ‖w‖² / 2": ("free", "free", "square"),
}
# The function is right, its gradient is not; the norms belong to axis 0, so that to take them along
# the first axis is no mistake.
MISTAKES = [m for m in CATALOGUE if "w" not in m.where and not m.id.startswith("first_")]


def run(*, seeds, quick, progress):
    sizes = ((1, 3), (2, 2, 3)) if quick else SIZES
    mistakes = MISTAKES[::3] if quick else MISTAKES
    found = progress.map(one, seeds, sizes, [m.id for m in mistakes])
    return {
        "mistakes": len(mistakes), "sizes": sizes, "designs": list(DESIGNS),
        "missed": [run["missed"] for run in found], "accused": [run["accused"] for run in found],
    }


def one(seed, sizes, names):
    """missed: the names of what passes, (designs, sizes); accused: how often the truth does not."""
    missed, accused = [], 0
    for design in DESIGNS:
        missed.append([])
        for size in sizes:
            point = place(np.random.default_rng(seed), size, design)
            accused += not passes(None, design, *point)
            missed[-1].append(
                [m.id for m in MISTAKES if m.id in names and passes(m, design, *point)]
            )
    return {"missed": missed, "accused": accused}


def place(rng, size, design):
    of_v, of_g, _ = DESIGNS[design]
    v = rng.normal(size=size)
    n = norm(v)
    if of_v == "one":
        v, n = v / n, np.ones_like(n)
    if of_g == "free":
        sign = np.where(np.arange(len(n)) % 2, 1.0, -1.0).reshape(n.shape)
        return v, sign * n * rng.uniform(1.2, 3, n.shape)
    return v, n if of_g == "norm" else np.ones_like(n)


def norm(v):
    return np.sqrt(total(v * v))


def total(x):
    return x.sum(axis=tuple(range(1, x.ndim)), keepdims=True)


def passes(mistake, design, v, g):
    """Whether the checker calls this gradient right; None is the truth."""
    loss = DESIGNS[design][2]

    def weight(v, g):
        return g * v / norm(v)

    def forward(v, g):
        w = weight(v, g)
        return w if loss == "random" else w.sum() if loss == "sum" else (w * w).sum() / 2

    def backward(bar, v, g):
        w = weight(v, g)
        w_bar = bar if loss == "random" else bar * (np.ones_like(w) if loss == "sum" else w)
        if mistake is not None:
            return mistake.compute(v, g, w_bar)
        n = norm(v)
        g_bar = total(w_bar * v) / n
        return g / n * (w_bar - g_bar * v / n), g_bar

    report = gradcheck(forward, (v, g), backward=backward, raise_on_failure=False)
    return report.verdict == "pass"


def caught(data):
    """(seeds, designs, sizes): the share of mistakes that did not pass."""
    missed = [[[len(names) for names in row] for row in run] for run in data["missed"]]
    return 1 - np.array(missed) / data["mistakes"]


def draw(data):
    fig, axes = figure.new(height=3.3)
    share = caught(data)
    middle = np.median(share, axis=0)
    axes.imshow(middle, cmap="Greys_r", vmin=0.0, vmax=1.0, aspect="auto")
    for i, j in np.ndindex(middle.shape):
        low, high = (100 * f(share[:, i, j]) for f in (np.min, np.max))
        same = round(low) == round(high)
        # Rounded down, so that 100 means all.
        text = f"{int(100 * middle[i, j] + 1e-9)} %" + (
            "" if same else f"\n{low:.0f} to {high:.0f}"
        )
        axes.annotate(text, (j, i), ha="center", va="center",
                      color="white" if middle[i, j] < 0.5 else "black")
    axes.set_xticks(range(middle.shape[1]), [" × ".join(map(str, size)) for size in data["sizes"]])
    axes.set_yticks(range(middle.shape[0]), data["designs"])
    axes.set(xlabel="shape of v: rows × entries", ylabel="design of the point",
             title=f"caught, of {data['mistakes']} wrong gradients")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return fig


def claims(data):
    share = caught(data)
    large = share[:, :, -1]
    row = {name: large[:, k] for k, name in enumerate(data["designs"])}
    size = " x ".join(map(str, data["sizes"][-1]))
    return [
        (f"a generic point of {size} catches every mistake, with every seed",
         row["generic"].min() == 1),
        ("the right gradient is never accused", sum(data["accused"]) == 0),
        (f"g = ||v|| lets some pass at {size}", row["g = ‖v‖"].max() < 1),
        (f"||v|| = 1 and g = 1 lets at least 15 % pass at {size}",
         row["‖v‖ = 1 and g = 1"].max() <= 0.85),
        (f"the loss ||w||^2 / 2 lets at least 8 % pass at {size}",
         row["loss = ‖w‖² / 2"].max() <= 0.92),
        (f"the sum of w as loss lets none pass at {size}", row["loss = sum of w"].min() == 1),
        ("a single row lets at least 20 % pass in every design", share[:, :, 0].max() <= 0.8),
    ]


if __name__ == "__main__":
    figure.main(__file__)
