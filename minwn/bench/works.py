"""All that can be measured, by name."""

from __future__ import annotations

from collections.abc import Sequence

from . import conv, epoch, gradcheck, process, scaling, step, weight_norm
from .scaling import Sweep
from .work import Work

__all__ = ["ALL", "BY_NAME", "GROUPS", "MEANS", "on_device", "select"]

WORKS = [
    *step.WORKS, *conv.WORKS, *conv.KINDS, *weight_norm.WORKS, *gradcheck.WORKS, *process.WORKS,
    *epoch.WORKS,
]
BY_NAME = {work.name: work for work in WORKS}
ALL: dict[str, Work | Sweep] = {**BY_NAME, **{sweep.name: sweep for sweep in scaling.SWEEPS}}
GROUPS = list(dict.fromkeys(work.group for work in ALL.values()))

# Geometric means over several works: what, their names, the peer, the ratio to reach.
MEANS: list[tuple[str, list[str], str, float]] = [
    ("conv, the first six", conv.FIRST_SIX, "torch", 0.8),
    ("conv, all seven", [work.name for work in conv.WORKS], "torch", 1.0),
]


def on_device(where: str) -> dict[str, Work | Sweep]:
    """All that can be measured on a GPU, by name."""
    works = [*weight_norm.on_device(where), *step.on_device(where), *epoch.on_device(where)]
    return {work.name: work for work in works}


def select(names: Sequence[str], quick: bool, device: str = "cpu") -> list[Work | Sweep]:
    """The works of these names or groups, in order; without names all, or those of `quick`.

    Raises KeyError with the first name that is not known.
    """
    every = ALL if device == "cpu" else on_device(device)
    for name in names:
        if name not in every and name not in {work.group for work in every.values()}:
            raise KeyError(name)
    if names:
        return [work for work in every.values() if {work.name, work.group} & set(names)]
    return [work for work in every.values() if work.quick or not quick]
