"""How long the signal is after many layers: the gains that keep it, and those that do not."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm

TITLE = "Forward-scale laws: which gains keep the signal through many layers"
DESCRIPTION = (
    "Left: the length of the signal through a plain ReLU network of weight-normalised layers. "
    "With gains of 1 it halves every two layers; with gains of root 2 it stays, up to a wander. "
    "Right: through residual blocks. Branches of gain 1 double the squared length at each block; "
    "branches of gain one over the root of the number of blocks add up to the root of e."
)
SEEDS = 16, 3

WIDTH, INPUTS = 256, 16
LAYERS, BLOCKS = 20, 40
PLAIN = {"g = 1": 1.0, "g = √2": np.sqrt(2.0)}
RESIDUAL = {"branch gain 1": 1.0, "branch gain 1 / √B": 1 / np.sqrt(BLOCKS)}


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds, WIDTH)
    return {
        kind: {name: [run[kind][name] for run in found] for name in table}
        for kind, table in (("plain", PLAIN), ("residual", RESIDUAL))
    }


def one(seed, width):
    """Mean length of the signal after each layer or block, over that of the input."""
    rng = np.random.default_rng(seed)

    def layer(h, gain):
        v = rng.normal(size=(width, width))
        return h @ weight_norm.forward(v, np.full((width, 1), gain)).T  # (n, i), (o, i) -> (n, o)

    def lengths(count, block):
        h = rng.normal(size=(INPUTS, width))
        first, found = np.linalg.norm(h, axis=1), [1.0]
        for _ in range(count):
            h = block(h)
            found.append(float(np.sqrt(np.mean((np.linalg.norm(h, axis=1) / first) ** 2))))
        return found

    def branch(gain):
        return lambda h: h + layer(np.maximum(layer(h, np.sqrt(2.0)), 0), gain)

    return {
        "plain": {
            name: lengths(LAYERS, lambda h, g=g: np.maximum(layer(h, g), 0))
            for name, g in PLAIN.items()
        },
        "residual": {name: lengths(BLOCKS, branch(g)) for name, g in RESIDUAL.items()},
    }


def law(kind, gain, count):
    """(g / sqrt 2)^L through plain ReLU layers, (1 + c^2)^(B / 2) through residual blocks."""
    count = np.asarray(count, dtype=float)
    return (gain**2 / 2) ** (count / 2) if kind == "plain" else (1 + gain**2) ** (count / 2)


def draw(data):
    fig, panels = figure.new(1, 2, height=3.2)
    for axes, (kind, table) in zip(panels, (("plain", PLAIN), ("residual", RESIDUAL)), strict=True):
        for k, (name, gain) in enumerate(table.items()):
            runs = np.array(data[kind][name])
            x = np.arange(runs.shape[1])
            figure.band(axes, x, runs, k, label=name)
            figure.expected(axes, x, law(kind, gain, x), label="law" if k else None)
        axes.set(yscale="log", ylabel="length of the signal / input's")
        axes.legend(loc="upper left" if kind == "residual" else "lower left")
    panels[0].set(xlabel="layer", title="ReLU network")
    panels[1].set(xlabel="block", title=f"B = {BLOCKS} residual blocks")
    for axes in panels:
        axes.minorticks_off()
        axes.xaxis.get_major_locator().set_params(integer=True)
    return fig


def claims(data):
    off = {
        name: np.array(data[kind][name])[:, -1] / law(kind, gain, count)
        for kind, table, count in (("plain", PLAIN, LAYERS), ("residual", RESIDUAL, BLOCKS))
        for name, gain in table.items()
    }

    def near(name, middle, every):
        log = np.log(off[name])
        return abs(np.median(log)) < np.log(middle) and np.abs(log).max() < np.log(every)

    wander = "within a factor of 1.4 in the median and 3 in every run"
    return [
        (f"ReLU, gains 1: after 20 layers 2^-10 of the input's length, {wander}",
         near("g = 1", 1.4, 3)),
        (f"ReLU, gains √2: the input's length, {wander}", near("g = √2", 1.4, 3)),
        (f"40 blocks of gain 1: 2^20 times the input's, {wander}", near("branch gain 1", 1.4, 3)),
        ("40 blocks of gain 1/√40: (1 + 1/40)^20 = 1.64, near √e, within 2 % in the median "
         "and 10 % in every run", near("branch gain 1 / √B", 1.02, 1.1)),
    ]


if __name__ == "__main__":
    figure.main(__file__)
