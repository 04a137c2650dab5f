"""Weight decay on v finds a norm of its own, and with it an angle per step."""

from __future__ import annotations

import numpy as np

from minwn import figure, nn, optim
from minwn.byhand import weight_norm

TITLE = "Weight decay on v: one norm, and one angle per step, whatever the start"
DESCRIPTION = (
    "Left: with weight decay and random gradients, norms of v that start four times too small or "
    "too large settle on the same level, which the learning rate and the decay predict. Right: "
    "the angle that v turns by at each step settles too, at the root of twice the rate times the "
    "decay; momentum makes the norm larger and the angle smaller."
)
SEEDS = 8, 3

RATE, DECAY, ENTRIES = 0.1, 0.02, 256
STARTS = (0.25, 1.0, 4.0)  # against the predicted norm
MOMENTA = {"SGD": 0.0, "momentum 0.9": 0.9}


def run(*, seeds, quick, progress):
    steps = 1500 if quick else 4000
    found = progress.map(one, seeds, steps)
    return {
        "step": shown(steps), "starts": STARTS,
        "norm": {name: [run[name][0] for run in found] for name in MOMENTA},
        "angle": {name: [run[name][1] for run in found] for name in MOMENTA},
    }


def shown(steps):
    return np.linspace(1, steps, 60).astype(int)


def one(seed, steps):
    """By name: norms and angles, both (starts, shown steps)."""
    return {
        name: list(zip(*(walked(seed, c, momentum, steps) for c in STARTS), strict=True))
        for name, momentum in MOMENTA.items()
    }


def norm_of(momentum):
    """r^4 = eta G^2 / (2 lambda (1 - momentum)), for gradients of length G / r, G = 1; and, for
    plain SGD, eta / (2 lambda - eta lambda^2)."""
    less = RATE * DECAY**2 if momentum == 0 else 0.0
    return (RATE / ((2 * DECAY - less) * (1 - momentum))) ** 0.25


def angle_of(momentum):
    """rms angle of a step = sqrt(2 eta lambda / (1 + momentum))"""
    return (2 * RATE * DECAY / (1 + momentum)) ** 0.5


def walked(seed, start, momentum, steps):
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(1, ENTRIES))
    v = nn.Parameter(start * norm_of(momentum) * v / np.linalg.norm(v))
    g = np.ones((1, 1))
    optimiser = optim.SGD([v], lr=RATE, momentum=momentum, weight_decay=DECAY)
    norms, cosines = [], []
    for _ in range(steps):
        v_bar, _ = weight_norm.vjp(rng.normal(size=v.shape), v.data, g)
        before, r = v.data, np.linalg.norm(v.data)
        v.grad = v_bar / (np.linalg.norm(v_bar) * r)
        optimiser.step()
        n = np.linalg.norm(v.data)
        cosines.append(float((before * v.data).sum() / (r * n)))
        norms.append(float(n))
    # The rms over the latest hundred steps: a single step is noisy where there is momentum.
    squares = np.cumsum(np.arccos(np.clip(cosines, -1, 1)) ** 2)
    earlier = np.concatenate([np.zeros(100), squares[:-100]])
    rms = np.sqrt((squares - earlier) / np.minimum(np.arange(1, steps + 1), 100))
    at = shown(steps) - 1
    return np.array(norms)[at].tolist(), rms[at].tolist()


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.4)
    x = np.array(data["step"])
    for axes, key, law in ((left, "norm", norm_of), (right, "angle", angle_of)):
        for k, (name, momentum) in enumerate(MOMENTA.items()):
            runs = np.array(data[key][name], dtype=float)
            for j in range(len(STARTS)):
                figure.band(axes, x, runs[:, j], k, label=name if j == 0 else None, markersize=4)
            figure.expected(axes, x, np.full(len(x), law(momentum)),
                            label="predicted" if k else None)
        axes.set(xlabel="step", yscale="log")
        axes.legend(loc="upper right")
    left.set(ylabel="‖v‖", title="norm, from three starts")
    left.set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
    right.set(ylabel="angle per step [rad], rms of 100", title="angle")
    right.set_yticks([0.002, 0.01, 0.05, 0.2, 1], ["0.002", "0.01", "0.05", "0.2", "1"])
    for axes in (left, right):
        axes.minorticks_off()
    return fig


def claims(data):
    def off(key, law, name):
        last = np.array(data[key][name], dtype=float)[:, :, -1]
        return np.abs(last / law(MOMENTA[name]) - 1).max()

    return [
        ("SGD: the norm ends within 1 % of the prediction, from every start, in every run",
         off("norm", norm_of, "SGD") < 0.01),
        ("SGD: the angle per step ends within 1 % of the root of 2 η λ, likewise",
         off("angle", angle_of, "SGD") < 0.01),
        ("momentum 0.9: the norm ends within 5 %", off("norm", norm_of, "momentum 0.9") < 0.05),
        ("momentum 0.9: the angle ends within 10 %", off("angle", angle_of, "momentum 0.9") < 0.1),
    ]


if __name__ == "__main__":
    figure.main(__file__)
