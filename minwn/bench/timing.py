"""How it is measured: all peers in turn, round after round.

A machine that others use slows down and speeds up by the second. So a round gives each step a
block of calls of about the same length, one right after the other, and only times of one round are
compared. Who begins changes from round to round. A block of many calls starts with one that is not
timed, which brings back caches and threads that a neighbour has driven out, and counts as the
median of its parts, so that a moment in which the machine did something else is left out. Python's
garbage collector works between the rounds, never inside them.

Before each block there is a rest. A thread of OpenBLAS that has nothing to do keeps its processor
busy for about a tenth of a second, waiting for the next product, and the step that comes next would
have to share: PyTorch took up to twice its time right behind a convolution of minwn's.
"""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..backend import clock
from .work import Step, Work

__all__ = ["Effort", "measure", "samples"]

Clock = Callable[[], float]
LEAST = 3  # rounds, whatever they take
PARTS = 20  # of a block


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, seconds for each block, for all, and of rest before a block."""

    rounds: int
    seconds: float
    limit: float = math.inf
    rest: float = 0.0


def samples(work: Work, steps: Mapping[str, Step], effort: Effort) -> dict[str, list[float]]:
    """Name -> one number for each round: seconds for one call, or a count."""
    if not work.counted:
        return measure(steps, effort, clock(work.device))
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(min(effort.rounds, work.counted)):
        for name, step in steps.items():
            found[name].append(step())
    return found


def measure(steps: Mapping[str, Step], effort: Effort, clock: Clock) -> dict[str, list[float]]:
    """Seconds for one call of each step, round by round, warm."""
    calls = {name: _calls(step, effort.seconds, clock) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    names, begin = list(steps), clock()
    with _without_collections() as collect:
        for k in range(effort.rounds):
            if k >= LEAST and clock() - begin > effort.limit:
                break
            first = k % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(effort.rest)
                times[name].append(_block(steps[name], calls[name], clock))
            collect()
    return times


def _calls(step: Step, seconds: float, clock: Clock) -> int:
    """How many calls take about so many seconds. The very first, which may compile, is free."""
    step()
    calls = 1
    while (took := _time(step, calls, clock)) < seconds / 4:
        calls *= 4
    return max(1, round(calls * seconds / took))


def _block(step: Step, calls: int, clock: Clock) -> float:
    """Seconds for a call: the median over parts of the block."""
    if calls > 1:
        step()
    parts = min(calls, PARTS)
    each = calls // parts
    return statistics.median(_time(step, each, clock) / each for _ in range(parts))


def _time(step: Step, calls: int, clock: Clock) -> float:
    start = clock()
    for _ in range(calls):
        step()
    return clock() - start


@contextlib.contextmanager
def _without_collections() -> Iterator[Callable[[], object]]:
    """No automatic garbage collection: only by explicit calls, and only of new objects."""
    was_on, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()  # libraries are large, and need not be searched after every round
    gc.disable()
    try:
        yield gc.collect
    finally:
        if not frozen:  # what the caller froze stays so
            gc.unfreeze()
        if was_on:
            gc.enable()
