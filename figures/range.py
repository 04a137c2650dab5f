"""How large and how small v may be: the formula as written, and with its slices scaled."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm
from minwn.oracle import expected

TITLE = "The range of v: squares overflow long before v does"
DESCRIPTION = (
    "The error of the gradient of v for v of every size that the format has. As the formula is "
    "written, the squares under the root leave the range at about the root of it, near 1e154 and "
    "1e-154 in float64, 1e19 and 1e-19 in float32, and the answer is lost. With each slice scaled "
    "by a power of two it stays right to rounding from end to end."
)
SEEDS = 12, 4

FORMATS = {"float64": np.arange(-1000, 1001, 20), "float32": np.arange(-120, 121, 3)}  # powers of 2
WAYS = ("as written", "scaled")
LOST = 1.0  # drawn for an answer that is infinite, NaN, or wrong by more than all of it


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds)
    return {
        kind: {"power": powers} | {way: [run[kind][way] for run in found] for way in WAYS}
        for kind, powers in FORMATS.items()
    }


def one(seed):
    """The largest error of v_bar relative to its largest entry, for each size of v."""
    rng = np.random.default_rng(seed)
    answer = {}
    for kind, powers in FORMATS.items():
        v, w_bar = rng.normal(size=(2, 4, 9)).astype(kind)
        g = rng.normal(size=(4, 1)).astype(kind)
        # v_bar(c v) = v_bar(v) / c, and with a power of two that is no rounding.
        truth = expected(v, g, w_bar).v_bar.astype("float64")
        answer[kind] = {way: [] for way in WAYS}
        for power in powers:
            big = np.ldexp(v, power)
            for way, vjp in zip(WAYS, (written, weight_norm.vjp), strict=True):
                with np.errstate(all="ignore"):
                    v_bar, _ = vjp(w_bar, big, g)
                    back = np.ldexp(v_bar, power).astype("float64")
                error = np.abs(back - truth).max() / np.abs(truth).max()
                answer[kind][way].append(float(error) if error < LOST else LOST)
    return answer


def written(w_bar, v, g):
    """eq. 3 of the paper, letter by letter."""
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return g / n * w_bar - g * g_bar / n**2 * v, g_bar


def decimal(powers):
    """The exponents of ten for exponents of two."""
    return np.array(powers) * np.log10(2.0)


def draw(data):
    fig, panels = figure.new(1, 2, height=3.2)
    for axes, kind in zip(panels, FORMATS, strict=True):
        x = decimal(data[kind]["power"])
        for k, way in enumerate(WAYS[::-1]):
            figure.band(axes, x, np.array(data[kind][way]), k, label=way, marks=10)
        axes.axhline(LOST, color=figure.GREY, lw=0.8, ls=":")
        unit = np.finfo(kind).eps / 2
        figure.expected(axes, x, np.full(len(x), unit), label="unit roundoff")
        axes.set(yscale="log", xlabel="size of v", title=kind, ylim=(unit / 100, 30))
        ticks = (-300, -150, 0, 150, 300) if kind == "float64" else (-36, -18, 0, 18, 36)
        axes.set_xticks(ticks, [f"1e{k}" if k else "1" for k in ticks])
        for edge in (np.finfo(kind).tiny, np.finfo(kind).max):
            axes.axvline(np.log10(edge) / 2, color=figure.GREY, lw=0.8, ls=":")
    panels[0].set(ylabel="relative error of v̄ (1: lost)")
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig


def claims(data):
    told = []
    for kind, edge in (("float64", 160), ("float32", 20)):
        size = decimal(data[kind]["power"])
        unit = float(np.finfo(kind).eps)
        written, scaled = (np.array(data[kind][way]) for way in WAYS)
        out, inner = np.abs(size) > edge, np.abs(size) < 0.9 * edge
        told += [
            (f"{kind}, scaled: right to 8 ulp for v of every size from 1e{size[0]:.0f} to "
             f"1e{size[-1]:.0f}", scaled.max() < 8 * unit),
            (f"{kind}, as written: as right for v up to 1e±{0.9 * edge:.0f}",
             written[:, inner].max() < 8 * unit),
            (f"{kind}, as written: lost, or wrong by 1e-3 and more, beyond 1e±{edge}",
             written[:, out].min() > 1e-3),
        ]
    return told


if __name__ == "__main__":
    figure.main(__file__)
