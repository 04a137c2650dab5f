"""The training on digits as a picture: loss and accuracy, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import figure

__all__ = ["draw"]


def draw(summary: dict[str, Any], path: Path) -> None:
    """Write the curve of `digits.run` as a PNG.  Raises ImportError without matplotlib."""
    curve, needed = summary["curve"], summary["required_accuracy"]
    epochs, reached = [e["epoch"] for e in curve], [e["test_accuracy"] for e in curve]
    with figure.style():
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        sheet, (loss, accuracy) = figure.new(columns=2)
        sheet.suptitle(
            f"Weight-normalised network on handwritten digits: test accuracy "
            f"{summary['test_accuracy']:.1%}"
        )
        on_test = figure.LOOKS[1]
        for key, label, look in (
            ("train_loss", f"in training ({summary['train_images']} images)", figure.LOOKS[0]),
            ("test_loss", f"on test images ({summary['test_images']})", on_test),
        ):
            loss.plot(epochs, [e[key] for e in curve], label=label, **look)
        loss.set(yscale="log", ylabel="cross entropy (log scale)")
        accuracy.plot(epochs, reached, label="test images", **on_test)
        accuracy.axhline(needed, color=figure.GREY, linewidth=1, label=f"required: {needed:.0%}")
        accuracy.set(ylabel="accuracy on test images", ylim=(min(*reached, needed) - 0.01, 1.0))
        accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes, corner in ((loss, "upper right"), (accuracy, "lower right")):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(loc=corner)
        sheet.savefig(path)
