"""`minwn verify`: the reference proves itself, then trains on real data.

1. Every rule of the engine against measurements (`primitives`).
2. The gradients of g and v derived by hand, by five routes that share no formula, within bounds
   that are proved and not tuned (`weight_norm`); the same on real layers (`layers`).
3. A weight-normalised network learns to read handwritten digits; its gradients are checked at a
   real batch before and after (`digits`).

Numbers in the tables are the worst error as a multiple of its bound: above 1, a check has failed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy

from .. import __version__
from . import digits, layers, primitives, weight_norm
from .curve import draw
from .report import (
    AUTODIFF,
    DIGITS,
    FIRST,
    LAWS,
    TEST,
    Finding,
    Progress,
    caught,
    colours,
    columns,
    table,
    worst_of,
)  # fmt: skip

__all__ = ["Report", "arguments", "main", "run"]

SCHEMA = "minwn-verify/1"
SHOWN = 12  # failures shown in full; the JSON report has them all
RULES, HAND, LAYERS, DATA = "rules of the engine", "g and v by hand", "real layers", "real data"


@dataclass
class Report:
    """What was compared, section by section; `digits` holds the curve of the training."""

    quick: bool
    seed: int
    sections: dict[str, list[Finding]]
    digits: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def findings(self) -> list[Finding]:
        return [f for part in self.sections.values() for f in part]

    @property
    def failed(self) -> list[Finding]:
        return [f for f in self.findings if not f.ok]

    @property
    def ok(self) -> bool:
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
            "comparisons": len(self.findings),
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
        failed = self.failed
        parts += [str(f) for f in failed[:SHOWN]]
        if failed[SHOWN:]:
            parts.append(f"... and {len(failed) - SHOWN} more; the JSON report lists them all")
        return "\n\n".join(parts)

    def verdict(self) -> str:
        """The last line."""
        failed, count = self.failed, len(self.findings)
        if failed:
            names = dict.fromkeys(f"{f.what} ({f.route})" for f in failed)
            listed = ", ".join(list(names)[:4]) + (", ..." if len(names) > 4 else "")
            return f"FAIL: {len(failed)} of {count} comparisons, in {listed}; {self.seconds:.1f} s"
        worst = max(self.findings, key=lambda f: f.ratio)
        return (
            f"PASS: {count} comparisons, the worst at {worst.ratio:.2f} of its bound "
            f"({worst.what}, {worst.route}); {self.seconds:.1f} s"
        )


def _learned(summary: dict[str, Any]) -> str:
    rows = [["  epoch", "loss in training", "loss on test images", "accuracy"]]
    rows += [
        [f"  {e['epoch']}", f"{e['train_loss']:.4f}", f"{e['test_loss']:.4f}",
         f"{e['test_accuracy']:.4f}"] for e in summary["curve"]
    ]  # fmt: skip
    return (
        f"  handwritten digits: {summary['train_images']} images to learn from, "
        f"{summary['test_images']} to be tested on; {summary['required_accuracy']} is needed\n"
        f"{columns(rows, indent='')}"
    )


def versions() -> dict[str, str]:
    """Of everything that the numbers may depend on."""
    found = {"minwn": __version__, "Python": platform.python_version(), "numpy": numpy.__version__}
    for name in ("mpmath", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def run(*, quick: bool = False, seed: int = 0, progress: bool = False) -> Report:
    """All checks. quick: fewer points and epochs, but every kind. progress: a bar on stderr."""
    begin = time.perf_counter()
    rng = numpy.random.default_rng(seed)
    sections: dict[str, list[Finding]] = {name: [] for name in (RULES, HAND, LAYERS, DATA)}
    report = Report(quick, seed, sections)
    rules, kinds = primitives.registered(), list(layers.points(quick))
    points = list(weight_norm.points(quick))
    epochs = digits.QUICK_EPOCHS if quick else digits.EPOCHS
    bar = Progress(len(rules) + len(points) + len(kinds) + epochs + 4, progress)

    found = sections[RULES]
    for name, op in rules.items():
        bar.step(f"rule of {name}")
        with caught(found, primitives.room(op), FIRST, f"op '{name}'"):
            found += primitives.check(name, op, rng)
    bar.step("by hand, on arrays")
    with caught(found, "byhand", FIRST, "functions of arrays"):
        found += primitives.check_by_hand(rng)

    found = sections[HAND]
    for what, options in points:
        bar.step(what)
        with caught(found, what, AUTODIFF, f"byhand.weight_norm, {options}"):
            found += weight_norm.check(what, weight_norm.draw(rng, **options), rng)
    bar.step("50 digits")
    with caught(found, "decimal and mpmath", DIGITS, "the reference itself"):
        found += weight_norm.certify(rng)
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


# ---- command line -------------------------------------------------------------------------------


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn verify` to a parser."""
    parser.add_argument("--quick", action="store_true", help="fewer points and epochs")
    parser.add_argument("--seed", type=_seed, default=0, help="of everything random; default 0")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="PATH",
        help="write the report as JSON to PATH; without PATH, print it instead of the tables",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", help="put verify.json and digits.png here; default minwn-verify"
    )
    parser.add_argument("--no-plot", action="store_true", help="draw no digits.png")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 0")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Run `minwn verify`: 0 if everything holds, 1 if not, 2 where nothing can be written."""
    path = None if args.json in (None, "-") else Path(args.json)
    try:
        if args.out is not None:
            Path(args.out).mkdir(parents=True, exist_ok=True)
        if path is not None:
            path.open("a").close()  # now, not after a minute
    except OSError as error:
        print(f"minwn verify: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    printed = args.json == "-"
    report = run(quick=args.quick, seed=args.seed, progress=sys.stderr.isatty() and not printed)
    text = json.dumps(report.to_json(), indent=2, allow_nan=False)
    notes = _write(report, text, Path(args.out or "minwn-verify"), not args.no_plot)
    if path is not None:
        path.write_text(text + "\n", encoding="utf-8")
        notes.append(f"report: {path}")
    if printed:
        print(text)
    else:
        colour = ("\033[32m", "\033[31m") if colours(sys.stdout) else ("", "")
        end = "\033[0m" if colours(sys.stdout) else ""
        lines = "\n".join(f"  {note}" for note in notes)
        print(f"{report}\n\n{lines}\n\n{colour[not report.ok]}{report.verdict()}{end}")
    return 0 if report.ok else 1


def _write(report: Report, text: str, folder: Path, plot: bool) -> list[str]:
    """The report and the curve as files, as far as that is possible; what became of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verify.json").write_text(text + "\n", encoding="utf-8")
        notes = [f"report: {folder / 'verify.json'}"]
        if plot and report.digits:
            draw(report.digits, folder / "digits.png")
            notes.append(f"curve: {folder / 'digits.png'}")
    except OSError as error:
        return [f"no report in {folder}: {error.strerror}; choose a place with --out"]
    except ImportError as error:
        notes.append(f"no curve: {error}")
    return notes
