"""Where eps stands: each place bends the length of w, and the right angle, in its own way."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm

TITLE = "Where eps stands, and what it bends"
DESCRIPTION = (
    "Three places for a small number that keeps a norm from zero, set to take effect at the same "
    "length delta. Left: how much shorter than g the weight is. Right: how much of the gradient "
    "of v still points along v. Outside the root, the error falls with the first power of the "
    "norm and reaches far; inside it, with the second; a maximum is exact above delta, and below "
    "it the gradient along v is all there."
)
SEEDS = 16, 4

DELTA = 1e-6
NORMS = DELTA * 10.0 ** np.arange(-2.875, 7, 0.25)  # not at delta, where a maximum has a corner
# eps such that each form begins to act at n = delta
FORMS = {"inside: √(n² + δ²)": ("inside", DELTA**2), "outside: n + δ": ("outside", DELTA),
         "maximum: max(n, δ)": ("max_n", DELTA)}


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds)
    return {"norm": NORMS / DELTA} | {
        key: {name: [run[key][name] for run in found] for name in FORMS}
        for key in ("short", "radial")
    }


def one(seed):
    """short: 1 - ||w|| / |g|; radial: <v_bar, v> / (g <w_bar, v / n>), for each norm of v."""
    rng = np.random.default_rng(seed)
    direction, w_bar = rng.normal(size=(2, 1, 8))
    u = direction / np.linalg.norm(direction)
    v, g = NORMS[:, None] * u, np.full((len(NORMS), 1), rng.normal())
    bars = np.broadcast_to(w_bar, v.shape)
    answer = {"short": {}, "radial": {}}
    for name, (form, eps) in FORMS.items():
        w = weight_norm.forward(v, g, eps=eps, form=form)
        v_bar, _ = weight_norm.vjp(bars, v, g, eps=eps, form=form)
        answer["short"][name] = (1 - np.linalg.norm(w, axis=1) / np.abs(g[:, 0])).tolist()
        radial = (v_bar * v).sum(axis=1) / (g[:, 0] * (w_bar * u).sum())
        answer["radial"][name] = radial.tolist()
    return answer


def laws(x):
    """short and radial of each form, for x = n / delta."""
    inside, outside = x / np.hypot(x, 1), x / (x + 1)
    below = np.where(x < 1, x, 0.0)  # v_bar = (g / delta) w_bar there, and no projection
    return {
        "short": dict(zip(FORMS, (1 - inside, 1 - outside, np.maximum(1 - x, 0)), strict=True)),
        "radial": dict(zip(FORMS, (x / np.hypot(x, 1) ** 3, x / (x + 1) ** 2, below), strict=True)),
    }


FLOOR = 1e-16


def draw(data):
    fig, panels = figure.new(1, 2, height=3.6)
    x = np.array(data["norm"])
    law = laws(x)
    titles = {"short": "w is shorter than g", "radial": "v̄ has a part along v"}
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        for k, name in enumerate(FORMS):
            runs = np.maximum(np.abs(np.array(data[key][name], dtype=float)), FLOOR)
            figure.band(axes, x, runs, k, label=name, linestyle="none", marks=13, markersize=4)
            figure.expected(axes, x, np.maximum(law[key][name], FLOOR),
                            label="law" if k == 2 else None)
        axes.set(xscale="log", yscale="log", xlabel="‖v‖ / δ", title=title, ylim=(FLOOR / 5, 20))
        axes.axvline(1, color=figure.GREY, lw=0.8, ls=":")
    panels[0].set(ylabel="1 − ‖w‖ / |g|")
    panels[1].set(ylabel="⟨v̄, v⟩ / (g ⟨w̄, v⟩ / ‖v‖)")
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
               columnspacing=1, handletextpad=0.4)
    return fig


def claims(data):
    x = np.array(data["norm"])
    law = laws(x)
    off = {
        (key, name): np.abs(np.array(data[key][name], dtype=float) - law[key][name]).max()
        for key in ("short", "radial")
        for name in FORMS
    }
    far = np.argmin(np.abs(x - 1e3))
    one, two = x[far] ** -1, x[far] ** -2
    inside, outside, maximum = (np.array(data["radial"][n])[:, far] for n in FORMS)
    return [
        *((f"{name}: both errors follow their law, within 1e-5", max(off["short", name],
           off["radial", name]) < 1e-5) for name in FORMS),
        ("near a thousand times delta, eps outside leaves delta / n along v and eps inside its "
         "square, within 1 %",
         np.abs(outside / one - 1).max() < 0.01 and np.abs(inside / two - 1).max() < 0.01),
        ("there the maximum leaves less than 1e-14", np.abs(maximum).max() < 1e-14),
    ]


if __name__ == "__main__":
    figure.main(__file__)
