"""The drawings of the notebooks: the notebook says what is drawn, and this module how.

    draw.show(draw.panel(x="step", y="length", lines={"measured": (steps, lengths)}), ...)

A panel is one pair of axes. Every other function here draws one whole figure.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "arrows", "boxes", "circle", "filters", "graph", "histograms", "kills", "matrices", "panel",
    "show", "swarms",
]

RED, BLUE, PURPLE = "#e42536", "#5790fc", "#964a8b"
Series = Mapping[str, tuple[Any, Any]]


def _plt() -> Any:
    import matplotlib.pyplot as plt

    return plt


def _figure(function: Callable[..., None]) -> Callable[..., None]:
    """A function that draws a whole figure, in the style of minwn, and shows it."""

    @functools.wraps(function)
    def drawn(*given: Any, **options: Any) -> None:
        with _plt().style.context("minwn.minwn"):
            function(*given, **options)
            _plt().show()

    return drawn


def panel(
    *, x: str, y: str, lines: Series | None = None, points: Series | None = None,
    theory: Mapping[str, Any] | None = None, log: str = "", at: Sequence[float] = (),
    floor: float = 0.0, title: str = "", ticks: Mapping[float, str] | None = None, **limits: Any,
) -> Callable[[Any], None]:
    """What `show` draws into one pair of axes: {name: (x, y)} each, and the labels of both axes.

    lines, points: in the colours and markers of the style
    theory: dotted and black; a name may have a list of curves
    log: the axes that are logarithmic, "x", "y" or "xy"; at: dotted verticals; floor: below it all
    is rounding; ticks: those of y; limits: xlim and ylim
    """

    def fill(axes: Any) -> None:
        for k, (name, (across, up)) in enumerate((lines or {}).items()):
            every = max(1, len(np.atleast_1d(across)) // 9)
            axes.plot(across, up, markevery=(k * every // 3, every), label=name)
        for name, (across, up) in (points or {}).items():
            axes.plot(across, up, linestyle="", label=name)
        dotted = {"linestyle": ":", "color": "black", "marker": "", "linewidth": 1.2, "zorder": 3}
        for name, curves in (theory or {}).items():
            for k, (across, up) in enumerate(curves if isinstance(curves, list) else [curves]):
                axes.plot(across, up, label=None if k else name, **dotted)
        for where in at:
            axes.axvline(where, color="0.5", linestyle=":", marker="")
        if floor:
            axes.axhspan(floor / 1e9, floor, color="0.9", zorder=0, label="rounding")
        scales = {f"{axis}scale": "log" for axis in log}
        axes.set(xlabel=x, ylabel=y, title=title, **scales, **limits)
        if ticks:
            axes.set_yticks(list(ticks), list(ticks.values()))
        if axes.get_legend_handles_labels()[1]:
            axes.legend()

    return fill


@_figure
def show(*panels: Callable[[Any], None], height: float = 3.4) -> None:
    """Draw panels next to each other."""
    width = 6.4 if len(panels) == 1 else 4.0 * len(panels)
    _, grid = _plt().subplots(1, len(panels), figsize=(width, height), squeeze=False)
    for axes, fill in zip(grid[0], panels, strict=True):
        fill(axes)


@_figure
def circle(before: np.ndarray, after: np.ndarray) -> None:
    """Rows of two numbers before and after a change, and the circle of all of length 1."""
    _, axes = _plt().subplots(figsize=(4.2, 4.2))
    _ring(axes, 1.0, label="length 1")
    for pair in zip(before, after, strict=True):
        axes.plot(*np.transpose(pair), color="0.7", marker="", zorder=1)
    axes.plot(*np.transpose(before), "o", color=BLUE, label="a row before")
    axes.plot(*np.transpose(after), "s", color=RED, label="the same row after")
    axes.set(aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
    axes.set(xlabel="first entry", ylabel="second entry")
    axes.legend(loc="lower left")


def _ring(axes: Any, radius: float, **options: Any) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    look = {"color": "0.5", "marker": "", "linewidth": 1} | options
    axes.plot(radius * np.cos(angle), radius * np.sin(angle), ":", **look)


@_figure
def arrows(**panels: tuple[np.ndarray, Mapping[str, np.ndarray]]) -> None:
    """For each name a vector from the origin, {label: vector} at its tip, and its circle."""
    _, grid = _plt().subplots(1, len(panels), figsize=(3.8 * len(panels), 4.2), squeeze=False)
    looks = ((RED, "--"), (BLUE, "-"), (PURPLE, ":"))
    for axes, (name, (tip, others)) in zip(grid[0], panels.items(), strict=True):
        _arrow(axes, np.zeros(2), tip, "", "black", "-")
        axes.annotate(f"${name}$", tip / 2, (-9, 5), textcoords="offset points")
        for (label, vector), look in zip(others.items(), looks[: len(others)], strict=True):
            _arrow(axes, tip, tip + vector, label, *look)
        _ring(axes, float(np.linalg.norm(tip)))
        axes.set(aspect="equal", xlim=(-0.5, 3), ylim=(-0.5, 3), title=f"at the tip of ${name}$")
        axes.set(xlabel="first entry", ylabel="second entry")


def _arrow(axes: Any, start: Any, end: Any, label: str, color: str, style: str) -> None:
    if not np.allclose(start, end):
        look = {"arrowstyle": "-|>", "color": color, "linestyle": style, "lw": 1.8, "shrinkB": 0}
        axes.annotate("", end, start, arrowprops=look)
        away = 13 * (end - start) / np.linalg.norm(end - start)
        axes.annotate(label, end, away, textcoords="offset points", ha="center", va="center")


@_figure
def graph(nodes: Mapping[str, tuple[float, float]], sent: Sequence[tuple[str, str, float]]) -> None:
    """Boxes with a text, {text: place}, and arrows between them with what is sent along each.

    sent: (text of the box it leaves, of the box it reaches, number); a pair may occur twice
    """
    _, axes = _plt().subplots(figsize=(6.4, 3.0))
    for text, place in nodes.items():
        box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": "#555555"}
        axes.text(*place, text, ha="center", va="center", bbox=box, zorder=3)
    pairs = [(start, end) for start, end, _ in sent]
    for k, (start, end, number) in enumerate(sent):
        twice, second = pairs.count((start, end)) > 1, (start, end) in pairs[:k]
        bend = (0.25 if second else -0.25) if twice else 0.0
        there, back = np.array(nodes[end]), np.array(nodes[start])
        look = {"arrowstyle": "-|>", "color": RED, "shrinkA": 29, "shrinkB": 29}
        axes.annotate("", there, back, arrowprops=look | {"connectionstyle": f"arc3,rad={bend}"})
        aside = np.array([there[1] - back[1], back[0] - there[0]]) * bend / 2
        axes.text(
            *((back + there) / 2 + aside), f"{number:g}", color=RED, ha="center", va="center",
            zorder=4, bbox={"fc": "white", "ec": "none", "pad": 1.5},
        )
    places = np.array(list(nodes.values()))
    (left, low), (right, high) = places.min(axis=0), places.max(axis=0)
    axes.set(xlim=(left - 0.6, right + 0.5), ylim=(low - 0.5, high + 0.5))
    axes.axis("off")


@_figure
def boxes(products: Sequence[Sequence[Any]], length: Mapping[str, int]) -> None:
    """Products of matrices, drawn to scale: (result, factor, factor, what follows) for each.

    A matrix is (name, letter of its rows, letter of its columns), and `length` says how long each
    letter is; "" is 1.
    """
    colours = {"y": BLUE, "x": "#f89c20", "w": RED, "b": PURPLE, "o": "#9c9ca1"}

    def box(axes: Any, left: float, matrix: tuple[str, str, str]) -> float:
        name, rows, columns = matrix
        colour = colours[name.replace("\\bar", "").strip("$ ")[0]]
        high, wide = length.get(rows, 1), length.get(columns, 1)
        axes.add_patch(_plt().Rectangle((left, -high / 2), wide, high, fc=colour, alpha=0.35))
        axes.add_patch(_plt().Rectangle((left, -high / 2), wide, high, fc="none", ec=colour))
        axes.text(left + wide / 2, 0.0, name, ha="center", va="center")
        axes.text(left - 0.3, 0.0, rows, ha="right", va="center", color="0.35")
        axes.text(left + wide / 2, high / 2 + 0.2, columns, ha="center", color="0.35")
        return left + wide

    _, grid = _plt().subplots(2, 2, figsize=(7.4, 2.9))
    for axes, (result, first, second, more) in zip(grid.flat, products, strict=True):
        end = box(axes, 0.0, result)
        axes.text(end + 0.9, 0.0, "=", ha="center", va="center")
        end = box(axes, end + 2.9, first)
        end = box(axes, end + 1.5, second)
        axes.text(end + 0.5, 0.0, more, va="center")
        axes.set(xlim=(-1.2, 21), ylim=(-2.7, 3.6), aspect="equal")
        axes.axis("off")


@_figure
def matrices(
    pictures: Mapping[str, np.ndarray], *, x: str, y: str, every: int = 2, numbers: bool = False,
    counts: str = "", height: float = 3.2,
) -> None:
    """{title: array} as pictures, orange below zero and purple above.

    every: of the ticks; numbers: written into the fields; counts: what is counted, for arrays of
    numbers >= 0, with a scale
    """
    figure, grid = _plt().subplots(
        1, len(pictures), figsize=(min(3.5 * len(pictures), 8.6), height), squeeze=False
    )
    for axes, (title, a) in zip(grid[0], pictures.items(), strict=True):
        most = np.abs(a).max()
        look = {"cmap": "viridis", "vmin": 0} if counts else {"cmap": "PuOr", "vmin": -most}
        shown = axes.imshow(a, vmax=most, **look)
        if counts:
            figure.colorbar(shown, ax=axes, label=counts, shrink=0.8, ticks=np.unique(a))
        for (p, q), value in np.ndenumerate(a) if numbers else ():
            if value:
                ink = "white" if abs(value) == most else "black"
                axes.text(q, p, f"{value:g}", ha="center", va="center", fontsize=8, color=ink)
        axes.set(title=title, xlabel=x, ylabel=y, xticks=range(0, a.shape[1], every))
        axes.set_yticks(range(0, a.shape[0], 1 if numbers else every))
        axes.grid(visible=False)


@_figure
def swarms(groups: Mapping[str, np.ndarray], *, x: str, y: str, **limits: Any) -> None:
    """A row of points for each group, on a logarithmic axis, spread a little so that all show."""
    rng = np.random.default_rng(0)
    _, axes = _plt().subplots(figsize=(6.4, 3.0))
    for k, values in enumerate(groups.values()):
        axes.plot(values, k + rng.uniform(-0.25, 0.25, len(values)), linestyle="", markersize=4)
    axes.set(xscale="log", xlabel=x, ylabel=y, **limits)
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()


@_figure
def histograms(rows: Mapping[str, Sequence[np.ndarray]], *, x: str, columns: str) -> None:
    """{name of a row: arrays}: the share of each value in -4 .. 4, and the normal distribution."""
    edges = np.linspace(-4, 4, 49)
    count = len(next(iter(rows.values())))
    figure, grid = _plt().subplots(len(rows), count, figsize=(8.6, 4.6), sharex=True, sharey=True)
    for k, axes in enumerate(grid[0], 1):
        axes.set_title(f"{columns} {k}")
    for line, (name, arrays) in zip(grid, rows.items(), strict=True):
        for axes, values in zip(line, arrays, strict=True):
            axes.hist(np.clip(np.ravel(values), -4, 4), edges, density=True, color=BLUE)
            axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), ":k", marker="")
            axes.set(ylim=(0, 1), xticks=(-3, 0, 3))
        line[0].set_ylabel(name)
    figure.supxlabel(x, fontsize=9)


@_figure
def kills(
    survivors: Mapping[str, Sequence[str]], mutants: Sequence[str], *, x: str, y: str
) -> None:
    """{point: its survivors}: a cross for a mutant that is killed, a disc for one that is not."""
    _, axes = _plt().subplots(figsize=(6.4, 4.6))
    for column, alive in enumerate(survivors.values()):
        for row, name in enumerate(mutants):
            if name in alive:
                axes.plot(column, row, "o", color=RED, markersize=11)
            else:
                axes.plot(column, row, "x", color="0.6", markersize=5)
        killed = f"{len(mutants) - len(alive)} of {len(mutants)}"
        axes.text(column, -1.2, killed, ha="center", va="center")
    axes.set_yticks(range(len(mutants)), mutants)
    axes.set_xticks(range(len(survivors)), survivors)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.5, len(survivors) - 0.5), ylim=(len(mutants) - 0.5, -2))
    axes.set_title("cross: killed, disc: survived; on top: how many were killed")


@_figure
def filters(
    kernels: np.ndarray, images: np.ndarray, titles: Sequence[str], *, places: int = 8
) -> None:
    """Above, kernels (k, height, width) in two colours; below, images with a title each."""
    figure = _plt().figure(figsize=(8.6, 3.9))
    above, below = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    for kernel, axes in zip(kernels, above.subplots(1, len(kernels)), strict=True):
        most = np.abs(kernel).max()
        axes.imshow(kernel, cmap="PuOr", vmin=-most, vmax=most)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    above.supxlabel(f"{len(kernels)} kernels: orange is negative, violet is positive", fontsize=9)
    row = below.subplots(1, places)
    for axes in row:
        axes.axis("off")
    for axes, image, title in zip(row, images, titles, strict=False):
        axes.imshow(image, cmap="gray_r")
        axes.set_title(title, fontsize=8)
