"""A run of the benchmark, as numbers ready for JSON."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from .machine import machine
from .scaling import Sweep
from .timing import Effort, samples
from .work import Comparison, Spread, Work, compare, library
from .works import MEANS

__all__ = ["mean", "run"]

SCHEMA = "minwn-bench/1"
REPEATS, QUICK_REPEATS = 7, 2  # steps of which a sweep keeps the fastest


def run(
    works: Sequence[Work | Sweep],
    effort: Effort,
    *,
    quick: bool,
    device: str = "cpu",
    begin: Callable[[str], None],
) -> dict[str, Any]:
    """Measure; `begin` is called with the name of each work before it starts."""
    start = time.perf_counter()
    measured, sweeps = [], []
    for work in works:
        begin(work.name)
        if isinstance(work, Sweep):
            sweeps.append(work.run(QUICK_REPEATS if quick else REPEATS, quick))
        else:
            measured.append(measure(work, effort))
    means = [found for given in MEANS if (found := mean(*given, measured))]
    return {
        "schema": SCHEMA,
        "quick": quick,
        "machine": machine(device),
        "works": measured,
        "means": means,
        "scaling": sweeps,
        "seconds": time.perf_counter() - start,
    }


def measure(work: Work, effort: Effort) -> dict[str, Any]:
    """One work by all its peers: medians and quartiles, and every comparison."""
    steps, left_out = work.build()
    found = samples(work, steps, effort)
    return {
        "name": work.name,
        "group": work.group,
        "what": work.what,
        "unit": work.unit,
        "rounds": len(next(iter(found.values()))),
        "peers": {name: dataclasses.asdict(Spread.of(seen)) for name, seen in found.items()},
        "comparisons": [_plain(c) for c in compare(work, found)],
        "left_out": left_out,
    }


def _plain(c: Comparison) -> dict[str, Any]:
    return {
        "ours": c.ours, "peer": c.peer, "kind": c.kind, **dataclasses.asdict(c.spread),
        "target": c.target, "met": c.met,
    }


def mean(
    what: str, names: Sequence[str], peer: str, target: float, measured: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """The geometric mean of the ratios to a peer; None where one of the works is missing."""
    ratios = {
        work["name"]: c["median"]
        for work in measured
        for c in work["comparisons"]
        if work["name"] in names and library(c["peer"]) == peer and c["kind"] == "ratio"
    }
    if set(ratios) != set(names):
        return None
    found = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    return {"what": what, "peer": peer, "mean": found, "target": target, "met": found <= target}
