"""Code as people write it, judged as it is: `read(target).check()`.

    reading = minwn.oracle.read("homework.py")
    print(*reading.statement, sep="\\n")     how it was read
    print(reading.check())

A target is a file or module by name, as in `minwn check`, or a function, a pair of functions, a
dict of them, a class, an object, or a module of PyTorch, Flax, Equinox or Keras.

Names are read first; where they decide too little, cheap probes do (`targets.reading.probes`). No
probe asks whether a gradient is right. `read` permutes positional arguments and answers, never
named slots (keys, attributes, .grad). It takes the axis from g's shape, and a logarithmic gain only
where the argument is not called g or gain. It never fits form, eps or the side of a padding.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from .. import validation
from .check import check
from .report import Report
from .targets import reading
from .targets.reading import Found, Unreadable

__all__ = ["Reading", "Unreadable", "read", "refused"]


FOR_LAYERS = (
    "accept", "quick", "shape", "dtype", "form", "eps", "kernel", "channels", "threads",
)


class Reading(Found):
    """A target that was understood."""

    def check(self, **options: Any) -> Report:
        """The report of `check`, or of `check_layer`; the statement is its first note.

        options: those of either, before what was read.
        """
        given = {key: x for key, x in options.items() if x is not None or key == "axis"}
        if self.kind == "layer":
            given = {key: x for key, x in given.items() if key in FOR_LAYERS}
        reports = []
        for each in (self, *self.variants):
            judge: Any = check if each.kind == "weight_norm" else _of_layers()
            how: dict[str, Any] = {**each.functions, **each.settings, **given}
            reports.append(judge(name=self.name, **how))
            if not reports[-1].ok:
                return _with_notes(reports[-1], each.notes)
        also = [f"judged as well with {_options(each)}" for each in self.variants]
        return _with_notes(reports[0], [*self.notes, *also])

    def stated(self, report: Report) -> Report:
        """A report with how the target was read.  Raises TypeError for anything else."""
        validation.instance("report", report, Report, "a Report of check")
        return _with_notes(report, self.notes)


def _of_layers() -> Any:
    """check_layer, which most readings do without."""
    return importlib.import_module(".layers.check", __package__).check_layer


def _with_notes(report: Report, notes: list[str]) -> Report:
    return dataclasses.replace(report, notes=[*notes, *report.notes])


def _options(found: Found) -> str:
    known = ("stride", "padding", "dilation", "groups", "output_padding", "kernel")
    return ", ".join(f"{key} {found.settings[key]}" for key in known if key in found.settings)


def refused(error: Unreadable) -> Report:
    """The report on a target that cannot be read."""
    first, *lines = error.lines
    return Report(error.name, "REFUSED", first.partition(": ")[2], notes=lines)


def read(target: Any, **hints: Any) -> Reading:
    """How a target can be judged: functions, settings, and a statement of how it was read.

    hints: settings that are known, before what would be found: axis, form, eps, dtype, ranks, or of
    a layer kind, stride, padding, dilation, groups, output_padding

    Raises Unreadable where there is something that cannot be called as it was read, TargetError
    where there is nothing, or a hint does not fit, and TypeError for other hints.
    """
    return Reading(**vars(reading.understood(target, hints)))
