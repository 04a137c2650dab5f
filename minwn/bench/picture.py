"""The report as one picture: ratios, the share of the copy rate, and how cost grows.

A ratio is a marker on a logarithmic axis with its quartiles as a line; the tick is the target.
Every peer has its own marker and shade, so the picture works in grey and for colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..terminal import matplotlib

__all__ = ["TITLE", "check", "draw"]

TITLE = "minwn bench"  # in the file, so that it is known again

BLACK, GREY = "#000000", "#777777"
# Okabe & Ito's palette, from dark to light; hollow markers for second forms of one library.
STYLES = {
    "numpy by hand": ("#0072B2", "o", True),
    "torch": ("#D55E00", "s", True),
    "torch hook": ("#D55E00", "s", True),
    "torch parametrization": ("#D55E00", "s", False),
    "torch slow": ("#D55E00", "s", True),
    "torch fast": ("#D55E00", "D", False),
    "torch compiled": ("#009E73", "D", False),
    "jax jit": ("#009E73", "^", True),
    "autograd": ("#CC79A7", "v", True),
    "mygrad": ("#E69F00", "P", True),
    "copy into warm memory": ("#0072B2", "o", True),
    "copy into a new array": ("#56B4E9", "o", False),
    "copy on the device": ("#0072B2", "o", True),
}
SWEEPS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
PANELS = (
    ("step", "ratio", "Training step"),
    ("conv", "ratio", "Convolution, forward and backward"),
    ("conv_kinds", "ratio", "Convolution of other kinds"),
    ("weight_norm", "ratio", "Weight norm, forward and backward"),
    ("weight_norm", "share", "Weight norm against copying"),
    ("gradcheck", "ratio", "Checking a gradient"),
    ("memory", "ratio", "Peak memory of a training step"),
    ("epoch", "ratio", "An epoch on the digits"),
)


def check(path: Path) -> None:
    """Raises ValueError for other than .png and .svg, and ImportError without matplotlib."""
    if path.suffix.lower() not in (".png", ".svg"):
        raise ValueError(f"a picture is a .png or an .svg, not {path.name!r}")
    matplotlib()


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the panels for which the report has data."""
    panels: list[tuple[int, Callable[[Any], None]]] = []  # lines that it needs, and how to draw it
    for group, kind, title in PANELS:
        rows = _rows(report, group, kind)
        if rows:
            needed = sum(max(2, len(comparisons)) for _, comparisons in rows)
            panels.append((needed, partial(_dots, rows=rows, kind=kind, title=title)))
    if report["scaling"]:  # two panels, side by side
        after = len(panels) // 2 * 2
        for kind, label in (("bytes", "memory at most [B]"), ("seconds", "time of a step [s]")):
            panels.insert(
                after, (14, partial(_lines, sweeps=report["scaling"], kind=kind, label=label))
            )
    grid = [panels[k : k + 2] for k in range(0, len(panels), 2)]
    heights = [0.17 * max(size for size, _ in line) + 1.2 for line in grid]
    figure = matplotlib().figure.Figure(
        figsize=(12.8, sum(heights) + 0.6), dpi=130, layout="constrained"
    )
    m = report["machine"]
    place = m["device"].get("name") or f"{m['processor']}, {m['processors']} processors"
    figure.suptitle(
        f"minwn {m['minwn']} against its peers: medians and quartiles; below 1, minwn is ahead\n"
        f"{place}, NumPy {m['libraries']['numpy']}",
        fontsize=10,
    )
    shape = figure.add_gridspec(max(len(grid), 1), 2, height_ratios=heights or None)
    for i, line in enumerate(grid):
        for j, (_, panel) in enumerate(line):
            axes = figure.add_subplot(shape[i, j])
            panel(axes)
            axes.grid(alpha=0.3, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
    with matplotlib().rc_context({"svg.fonttype": "none"}):  # letters stay letters: half the size
        figure.savefig(path, metadata={"Title": TITLE})


def _rows(report: dict[str, Any], group: str, kind: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """(words on the left, comparisons): a row for each work, and for each of ours in it."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for work in report["works"]:
        for c in work["comparisons"]:
            if work["group"] == group and c["kind"] == kind:
                own = c["ours"].partition(" ")[2]
                rows.setdefault(f"{work['what']}{f': {own}' if own else ''}", []).append(c)
    return list(rows.items())


def _dots(axes: Any, rows: list[tuple[str, list[dict[str, Any]]]], kind: str, title: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    seen: set[str] = set()
    for y, (_, comparisons) in enumerate(rows):
        for k, c in enumerate(comparisons):
            colour, marker, filled = STYLES[c["peer"]]
            place = y + 0.7 * ((k + 0.5) / len(comparisons) - 0.5)
            axes.plot([c["low"], c["high"]], [place, place], color=colour, linewidth=1.4)
            label = None if c["peer"] in seen else c["peer"]
            seen.add(c["peer"])
            axes.plot(
                c["median"], place, marker, color=colour, markersize=5.5, label=label,
                markerfacecolor=colour if filled else "white", linestyle="none",
            )
            if c["target"] is not None:
                axes.plot(c["target"], place, "|", color=BLACK, markersize=8, markeredgewidth=1.6)
    axes.plot([], [], "|", color=BLACK, markersize=8, markeredgewidth=1.6, label="target")
    axes.axvline(1.0, color=GREY, linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)), [words for words, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for edge in range(len(rows) - 1):
        axes.axhline(edge + 0.5, color=GREY, linewidth=0.4, alpha=0.5)
    if kind == "ratio":
        axes.set(xscale="log", xlabel="minwn's cost / peer's cost (log scale)")
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, 0.4), max(right, 2.5))
        wide = right > 1000 * left  # then 1, 2, 5 would not fit in one row
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1,) if wide else (1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set(xlim=(0, None), xlabel="bytes per second, as a share of a copy of that size")
    axes.tick_params(axis="x", labelsize=8)
    _head(axes, title)


def _lines(axes: Any, sweeps: list[dict[str, Any]], kind: str, label: str) -> None:
    for sweep, (colour, marker) in zip(sweeps, SWEEPS, strict=False):
        s = sweep["slopes"][kind]["slope"]
        axes.loglog(
            sweep["sizes"], sweep[kind], marker=marker, color=colour, markersize=4, linewidth=1.2,
            label=f"{sweep['name'].partition('/')[2]}: slope {s:.2f}",
        )
    axes.set(xlabel="width, depth, batch or length (log scale)", ylabel=f"{label} (log scale)")
    axes.tick_params(labelsize=8)
    _head(axes, f"How {'time' if kind == 'seconds' else 'memory'} grows")


def _head(axes: Any, title: str) -> None:
    """The title, and under it the legend, both above the panel, where no marker can be."""
    lines = -(-len(axes.get_legend_handles_labels()[1]) // 3)
    axes.set_title(title, fontsize=10, loc="left", pad=6 + 13 * lines)
    legend = axes.legend(
        fontsize=7.5, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1),
        borderaxespad=0.2, columnspacing=1.2, handletextpad=0.4,
    )
    legend.set_in_layout(False)  # it may be wider than the panel, which keeps its width
