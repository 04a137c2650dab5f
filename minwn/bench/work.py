"""A piece of work, its peers, and minwn's targets against them.

A peer is a function that builds a `step`: called, it does the work once and returns the numbers it
found. The tests hold all peers of a work to the same numbers, so all are timed at the same
work. The first word of a peer's name is the library it needs. Those that begin with "minwn" are
ours, and are compared with all others:

    ratio   ours / theirs              below 1, minwn is ahead; the target is a largest ratio
    share   passes copy / (2 ours)     how much of the copy rate is reached, where the work must
                                       read or write `passes` arrays and a copy does so with 2;
                                       the target is a smallest share
    value   by itself                  the target is a largest value
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

__all__ = [
    "Build", "Comparison", "Spread", "Step", "Unavailable", "Work", "compare", "library",
    "torch_for",
]

Step = Callable[[], Any]
Build = Callable[[], Step]


class Unavailable(Exception):
    """The reason why an installed peer cannot take part here."""


def torch_for(device: str) -> Any:
    """The module torch. Raises Unavailable where it does not see the device."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise Unavailable(f"PyTorch {torch.__version__} sees no GPU; install a CUDA build of it")
    return torch


@dataclass(frozen=True)
class Work:
    """One task, in one size, and the peers that can do it.

    targets: a peer's name, or its first word -> the ratio to reach; limits: a name -> the value to
    stay below, in a work whose values are not compared. yardsticks: copies, which do not do the
    work. quick: part of `--quick`. A work that is `counted`, so many times at most, is not timed:
    the numbers that its steps return are reported. device: runs the work, and times it.
    """

    group: str
    size: str
    what: str
    peers: Mapping[str, Build]
    targets: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    yardsticks: Mapping[str, Build] = field(default_factory=dict)
    passes: int = 0
    share: float | None = None
    quick: bool = False
    counted: int = 0
    unit: str = "s"
    device: str = "cpu"

    @property
    def name(self) -> str:
        """group/size, as it is asked for."""
        return f"{self.group}/{self.size}"

    def available(self) -> list[str]:
        """The peers whose library is installed here."""
        return [name for name in self.peers if importlib.util.find_spec(library(name))]

    def build(self) -> tuple[dict[str, Step], dict[str, str]]:
        """A step of each peer and yardstick that can be had, and why the others cannot."""
        steps: dict[str, Step] = {}
        left_out: dict[str, str] = {}
        for name in self.available():
            try:
                steps[name] = self.peers[name]()
            except Unavailable as error:
                left_out[name] = str(error)
        return steps | {name: build() for name, build in self.yardsticks.items()}, left_out


def library(peer: str) -> str:
    """ "torch hook" -> "torch" """
    return peer.partition(" ")[0]


@dataclass(frozen=True)
class Spread:
    """The median over the rounds, and the quartiles."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """The spread of these values."""
        low, median, high = numpy.percentile(values, (25, 50, 75)).tolist()
        return Spread(median, low, high)


@dataclass(frozen=True)
class Comparison:
    """How one of ours stands against a peer or a yardstick; or anyone, against nothing: ""."""

    ours: str
    peer: str
    kind: str
    spread: Spread
    target: float | None

    @property
    def met(self) -> bool | None:
        """None without a target."""
        if self.target is None:
            return None
        found = self.spread.median
        return found >= self.target if self.kind == "share" else found <= self.target


def compare(work: Work, samples: Mapping[str, Sequence[float]]) -> list[Comparison]:
    """Every comparison of a work, each made round by round: only neighbours in time are compared.

    samples: name -> one number for each round.
    """
    if work.limits:
        return [
            Comparison(name, "", "value", Spread.of(seen), work.limits.get(name))
            for name, seen in samples.items()
        ]
    found = []
    for ours in (name for name in samples if library(name) == "minwn"):
        for peer in (name for name in samples if library(name) != "minwn"):
            pairs = list(zip(samples[ours], samples[peer], strict=True))
            if peer in work.yardsticks:
                spread = Spread.of([work.passes * copy / (2 * own) for own, copy in pairs])
                found.append(Comparison(ours, peer, "share", spread, work.share))
            else:
                spread = Spread.of([own / other for own, other in pairs])
                target = work.targets.get(peer, work.targets.get(library(peer)))
                found.append(Comparison(ours, peer, "ratio", spread, target))
    return found
