"""The training on digits as a picture: loss and accuracy, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..terminal import matplotlib

# Okabe & Ito's palette, which keeps its contrasts for colour-blind readers.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"


def draw(summary: dict[str, Any], path: Path) -> None:
    """Write the curve of `digits.run` as a PNG.  Raises ImportError without matplotlib."""
    figure = matplotlib().figure.Figure(figsize=(8.0, 3.4), dpi=150, layout="constrained")
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    curve = summary["curve"]
    epochs = [e["epoch"] for e in curve]
    figure.suptitle(
        f"Weight-normalised network on handwritten digits: test accuracy "
        f"{summary['test_accuracy']:.1%}",
        fontsize=11,
    )
    loss, accuracy = figure.subplots(1, 2)

    for key, label, colour, marker in (
        ("train_loss", f"in training ({summary['train_images']} images)", BLUE, "o"),
        ("test_loss", f"on test images ({summary['test_images']})", ORANGE, "s"),
    ):
        values = [e[key] for e in curve]
        loss.plot(epochs, values, color=colour, marker=marker, markersize=4, label=label)
    loss.set(yscale="log", ylabel="cross entropy (log scale)")
    loss.legend(frameon=False, fontsize=9)

    needed = summary["required_accuracy"]
    values = [e["test_accuracy"] for e in curve]
    accuracy.plot(epochs, values, color=ORANGE, marker="s", markersize=4, label="test images")
    accuracy.axhline(
        needed, color=GREY, linestyle="--", linewidth=1, label=f"required: {needed:.0%}"
    )
    accuracy.set(ylabel="accuracy on test images", ylim=(min(*values, needed) - 0.01, 1.0))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    accuracy.legend(frameon=False, fontsize=9, loc="lower right")

    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
