"""`minwn verify`: the reference proves itself, then trains on real data.

1. Every rule of the engine against measurements (`primitives`).
2. The gradients of g and v derived by hand, by five routes that share no formula, within bounds
   that are stated and not tuned (`weight_norm`); the same on real layers (`layers`).
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from . import digits, layers, primitives, weight_norm
from .report import Finding, Progress, caught, colours, columns, table, worst_of

__all__ = ["arguments", "main", "run"]

SCHEMA = "minwn-verify/1"
SHOWN = 12  # failures shown in full; the JSON report has them all
RULES, HAND, LAYERS, DATA = "rules of the engine", "g and v by hand", "real layers", "real data"


def run(*, quick: bool = False, seed: int = 0, progress: bool = False) -> dict[str, Any]:
    """All checks. A report ready for JSON: `ok`, `rows` (the worst of each kind, and every
    failure), `digits` (the curve), `versions`, `seed`, `seconds`.

    quick: fewer points and epochs, and nothing left out. progress: draw a bar on stderr.
    """
    begin = time.perf_counter()
    rules, kinds = primitives.registered(), list(layers.points(quick))
    drawn = list(weight_norm.points(quick))
    epochs = digits.QUICK_EPOCHS if quick else digits.EPOCHS
    bar = Progress(len(rules) + len(drawn) + len(kinds) + epochs + 4, progress)
    sections: dict[str, list[Finding]] = {name: [] for name in (RULES, HAND, LAYERS, DATA)}
    rng = numpy.random.default_rng(seed)

    found = sections[RULES]
    for name, op in rules.items():
        bar.step(name)
        room = primitives.room(op)
        with caught(found, room, primitives.FIRST, f"op '{name}'"):
            found += primitives.check(name, op, rng)
    bar.step("byhand on arrays")
    with caught(found, "byhand", primitives.FIRST, "array functions"):
        found += primitives.check_by_hand(rng)

    found = sections[HAND]
    for what, options in drawn:
        bar.step(what)
        with caught(found, what, weight_norm.AUTODIFF, f"byhand.weight_norm, {options}"):
            found += weight_norm.check(what, weight_norm.draw(rng, **options), rng)
    bar.step("50 digits")
    with caught(found, "decimal and mpmath", weight_norm.DIGITS, "the reference itself"):
        found += weight_norm.certify(rng)

    found = sections[LAYERS]
    for kind, norm in kinds:
        bar.step(kind.name)
        with caught(found, kind.name, weight_norm.AUTODIFF, f"nn.{kind.name} with {norm}"):
            found += layers.check(kind, norm, rng)

    summary: dict[str, Any] = {}
    with caught(sections[DATA], "handwritten digits", "errors", "training"):
        summary, found = digits.run(quick, rng, bar.step)
        sections[DATA] += found
    bar.close()

    everything = [f for part in sections.values() for f in part]
    rows = [
        {"section": name} | f.to_json() for name, part in sections.items() for f in worst_of(part)
    ]
    return {
        "schema": SCHEMA,
        "ok": all(f.ok for f in everything),
        "quick": quick,
        "seed": seed,
        "comparisons": len(everything),
        "versions": versions(),
        "rows": rows,
        "digits": summary,
        "seconds": time.perf_counter() - begin,
    }


def versions() -> dict[str, str]:
    from importlib import metadata

    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("minwn", "numpy", "mpmath", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
