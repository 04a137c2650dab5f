"""`minwn verify`: the reference proves itself, then trains on real data.

1. Every rule of the engine against measurements (`primitives`).
2. The gradients of g and v before the oracle, as they were derived by hand, and by autodiff
   (`weight_norm`); on real layers, against exact answers, definitions, measurements and laws
   (`layers`).
3. A weight-normalised network learns to read handwritten digits; its gradients are checked at a
   real batch before and after (`digits`).

Numbers in the tables are the worst error as a multiple of its bound: above 1, a check has failed.
Those of weight normalisation are proved; for the rest see each section.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, field
from typing import Any

import numpy

from .. import __version__
from ..doctor import version_of
from ..terminal import Progress, columns
from . import arrays, digits, layers, primitives, weight_norm
from .report import (
    AUTODIFF,
    FIRST,
    LAWS,
    TEST,
    Finding,
    caught,
    table,
    worst_of,
)

__all__ = ["Report", "run"]

SCHEMA = "minwn-verify/1"
SHOWN = 12  # failures shown in full; the JSON report has them all
RULES, HAND, ENGINE, LAYERS, DATA = SECTIONS = (
    "rules of the engine", "g and v by hand", "g and v by autodiff", "real layers", "real data",
)


@dataclass
class Report:
    """The comparisons, section by section; `digits` holds the curve of the training."""

    quick: bool
    seed: int
    sections: dict[str, list[Finding]]
    digits: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def findings(self) -> list[Finding]:
        """All findings, section by section."""
        return [f for part in self.sections.values() for f in part]

    @property
    def comparisons(self) -> int:
        """How many numbers were compared."""
        return sum(f.count for f in self.findings)

    @property
    def failed(self) -> list[Finding]:
        """The findings that are wrong."""
        return [f for f in self.findings if not f.ok]

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and no section is empty."""
        return not self.failed and all(self.sections.values())

    def to_json(self) -> dict[str, Any]:
        """rows: the worst of each row and column of the tables, and everything that failed."""
        rows = [
            {"section": name} | f.to_json()
            for name, part in self.sections.items()
            for f in worst_of(part)
        ]
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "quick": self.quick,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "versions": versions(),
            "comparisons": self.comparisons,
            "rows": rows,
            "digits": self.digits,
        }

    def __str__(self) -> str:
        known = ", ".join(f"{name} {version}" for name, version in versions().items())
        parts = [
            f"minwn verify, seed {self.seed}: {known}",
            'The worst error as a multiple of its bound; above 1 fails. "-": does not apply.',
            *(table(name, found) for name, found in self.sections.items()),
        ]
        if self.digits:
            parts.append(_learned(self.digits))
        shown, count = self.first_failures(), len(self.failed)
        parts += map(str, shown)
        if len(shown) < count:
            parts.append(f"... and {count - len(shown)} more; the JSON report lists them all")
        return "\n\n".join(parts)

    def first_failures(self) -> list[Finding]:
        """The failures in reading order: one of each row of the tables, then a second, ...

        A fault in one place fails by several routes; the first of them names it.
        """
        found: list[tuple[int, Finding]] = []
        for part in self.sections.values():
            places: dict[str, set[str]] = {}
            for f in part:
                before = places.setdefault(f.what, set())
                if not f.ok and f.place not in before:
                    found.append((len(before), f))
                    before.add(f.place)
        return [f for _, f in sorted(found, key=lambda entry: entry[0])][:SHOWN]

    def verdict(self) -> str:
        """The last line."""
        failed, count = self.failed, len(self.findings)
        if failed:
            names = dict.fromkeys(f"{f.what} ({f.route})" for f in failed)
            listed = ", ".join(list(names)[:4]) + (", ..." if len(names) > 4 else "")
            return f"FAIL: {len(failed)} of {count} checks, in {listed}; {self.seconds:.1f} s"
        worst = max(self.findings, key=lambda f: f.ratio)
        return (
            f"PASS: {self.comparisons:,} comparisons, the worst at {worst.ratio:.2f} of its bound "
            f"({worst.what}, {worst.route}); {self.seconds:.1f} s"
        )


def _learned(summary: dict[str, Any]) -> str:
    rows = [["  epoch", "loss in training", "loss on test images", "accuracy"]]
    rows += [
        [f"  {e['epoch']}", f"{e['train_loss']:.4f}", f"{e['test_loss']:.4f}",
         f"{e['test_accuracy']:.4f}"] for e in summary["curve"]
    ]
    return (
        f"  handwritten digits: {summary['train_images']} images to learn from, "
        f"{summary['test_images']} to be tested on; {summary['required_accuracy']} is needed\n"
        f"{columns(rows, indent='')}"
    )


def versions() -> dict[str, str]:
    """Of everything that the numbers may depend on."""
    found = {"minwn": __version__, "Python": platform.python_version(), "numpy": numpy.__version__}
    extras = {name: version_of(name) for name in ("mpmath", "matplotlib")}
    return found | {name: version for name, version in extras.items() if version is not None}


def run(*, quick: bool = False, seed: int = 0, progress: bool = False) -> Report:
    """All checks. quick: fewer points and epochs, but every kind. progress: a bar on stderr."""
    begin = time.perf_counter()
    rng = numpy.random.default_rng(seed)
    sections: dict[str, list[Finding]] = {name: [] for name in SECTIONS}
    report = Report(quick, seed, sections)
    rules, kinds = primitives.registered(), list(layers.points(quick))
    settings = list(weight_norm.settings(quick))
    epochs = digits.QUICK_EPOCHS if quick else digits.EPOCHS
    bar = Progress(len(rules) + len(settings) + len(kinds) + epochs + 4, progress)

    found = sections[RULES]
    for name, op in rules.items():
        bar.step(f"rule of {name}")
        with caught(found, primitives.module_of(op), FIRST, f"op '{name}'"):
            found += primitives.check(op, rng)
    bar.step("by hand, on arrays")
    with caught(found, "byhand", FIRST, "functions of arrays"):
        found += arrays.check(rng)

    for setting in settings:
        hand = setting.way == weight_norm.HAND
        bar.step(f"{setting.what}, {setting.way}")
        with caught(found := sections[HAND if hand else ENGINE], setting.what, FIRST, str(setting)):
            found += weight_norm.check(setting)
    found = sections[HAND]
    bar.step("the oracle itself")
    with caught(found, "the oracle itself", FIRST, "exact answers"):
        found += weight_norm.the_oracle_itself()
    with caught(found, "a zero slice", LAWS, "byhand.weight_norm"):
        found += weight_norm.at_zero(rng)

    found = sections[LAYERS]
    for kind, norm in kinds:
        bar.step(kind.name)
        with caught(found, kind.name, AUTODIFF, f"nn.{kind.name} with {norm}"):
            found += layers.check(kind, norm, rng)

    with caught(sections[DATA], "digits", TEST, "training"):
        report.digits, learned = digits.run(quick, rng, bar.step)
        sections[DATA] += learned
    bar.close()
    report.seconds = time.perf_counter() - begin
    return report
