"""w = g v / ||v|| in the plane: w lies on a circle, and the gradient of v is tangent to one."""

from __future__ import annotations

import itertools

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm

TITLE = "The geometry of w, g and the projected gradient"
DESCRIPTION = (
    "Left: v points somewhere, w lies in the same direction on the circle of radius g, and the "
    "gradient of w splits into a part along v, which is the gradient of g, and a part across v, "
    "which g over the norm of v makes the gradient of v. Right: seven steps of plain SGD, each at "
    "a right angle to the v before it. They wind outwards like a snail, each the short side of a "
    "right triangle whose long side is the next v."
)
SEEDS = 64, 16

V, G, W_BAR = (1.4, 1.0), 1.0, (0.15, 0.8)
RATE, STEPS = 1.3, 7


def run(*, seeds, quick, progress):
    v, g, w_bar = np.array([V]), np.array([[G]]), np.array([W_BAR])
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    path = [v[0]]
    for _ in range(STEPS):  # against a gradient of w of length 1, that points clockwise
        x, y = path[-1] / np.linalg.norm(path[-1])
        bar, _ = weight_norm.vjp(np.array([[y, -x]]), path[-1][None], g)
        path.append(path[-1] - RATE * bar[0])
    found = np.array(progress.map(generic, seeds))
    return {
        "w": weight_norm.forward(v, g)[0], "v_bar": v_bar[0], "g_bar": g_bar.item(),
        "path": np.array(path), "across": found[:, 0], "length": found[:, 1], "split": found[:, 2],
    }


def generic(seed):
    """|<v_bar, v>|, ||w|| - |g|, and w_bar less its two parts, each relative to its terms."""
    rng = np.random.default_rng(seed)
    v, w_bar = rng.normal(size=(2, 5, 7))
    g = rng.normal(size=(5, 1))
    w = weight_norm.forward(v, g)
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    n = np.linalg.norm(v, axis=1, keepdims=True)
    size = abs(g) * np.linalg.norm(w_bar, axis=1, keepdims=True)
    across = abs((v_bar * v).sum(axis=1, keepdims=True)) / size
    length = abs(np.linalg.norm(w, axis=1, keepdims=True) / abs(g) - 1)
    split = abs(g_bar * v / n + n / g * v_bar - w_bar) / abs(w_bar).max()
    return [across.max(), length.max(), split.max()]


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.4)
    v, w, w_bar = (np.array(x) for x in (V, data["w"], W_BAR))
    blue, red, orange, purple = (look["color"] for look in figure.LOOKS[:4])

    circle(left, G)
    arrow(left, (0, 0), v, figure.GREY)
    arrow(left, (0, 0), w, blue, width=2.6)
    along = data["g_bar"] * v / np.linalg.norm(v)
    across = w_bar - along
    for tail, colour in ((w_bar, red), (along, orange), (across, purple)):
        arrow(left, w, w + tail, colour)
        guide(left, w + tail, w + w_bar)
    words(left, v, "v", (3, -10))
    words(left, (0, -0.2), "w = g v / ‖v‖", (-4, 0))
    words(left, w + w_bar, "w̄", (2, 4))
    words(left, w + along, "ḡ v / ‖v‖", (-18, -26))
    words(left, w + across, "(‖v‖ / g) v̄", (-58, 6))
    words(left, (-0.6, -0.8), "radius g", (10, 12))
    left.set(xlim=(-1.15, 1.95), ylim=(-1.15, 1.75), title="w̄ = a part along v + a part across v")

    path = np.array(data["path"])
    for p, q in itertools.pairwise(path):
        guide(right, (0, 0), q)
        arrow(right, p, q, purple)
    arrow(right, (0, 0), path[0], figure.GREY)
    circle(right, np.linalg.norm(path[0]))
    words(right, path[0], "first v", (6, -5))
    words(right, 0.5 * (path[0] + path[1]), "−η v̄", (6, 2))
    reach = 1.2 * np.linalg.norm(path[-1])
    right.set(xlim=(-reach, reach), ylim=(-reach, reach), title="plain SGD: ‖v‖ only grows")
    for axes in (left, right):
        axes.set_aspect("equal")
        axes.grid(False)
        axes.set(xlabel="first entry", ylabel="second entry")
    return fig


def guide(axes, start, end):
    axes.plot(*zip(start, end, strict=True), color=figure.GREY, lw=0.8, ls=":", marker="none")


def circle(axes, radius, width=1.0):
    turn = np.linspace(0, 2 * np.pi, 121)
    axes.plot(radius * np.cos(turn), radius * np.sin(turn), color=figure.GREY, lw=width,
              ls="--", marker="none")


def arrow(axes, tail, head, colour, width=1.6):
    axes.annotate("", head, tail, arrowprops={
        "arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0,
    })


def words(axes, at, text, shift):
    axes.annotate(text, at, shift, textcoords="offset points")


def claims(data):
    norms = np.linalg.norm(data["path"], axis=1)
    return [
        ("v_bar is at a right angle to v, to 1e-14 of its terms, at random points",
         max(data["across"]) < 1e-14),
        ("the norm of w is |g|, to 1e-14", max(data["length"]) < 1e-14),
        ("w_bar is g_bar v / n + (n / g) v_bar, to 1e-13", max(data["split"]) < 1e-13),
        ("each step of plain SGD makes v longer", bool((np.diff(norms) > 0).all())),
    ]


if __name__ == "__main__":
    figure.main(__file__)
