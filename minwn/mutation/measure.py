"""How many faults a judge finds, and how many it calls by their names."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..oracle.check import check
from . import accumulation, catalogued, coefficient, eps, index, memory, second, size, unclassified
from .mutant import Implementation, Mutant, correct, fitted, forward

__all__ = ["KINDS", "MUTANTS", "Outcome", "elsewhere", "judge", "measure", "table"]

MAKERS = (
    catalogued.formulas, coefficient.mutants, catalogued.places, index.mutants, eps.mutants,
    accumulation.mutants, size.mutants, memory.mutants, second.mutants, unclassified.mutants,
)
MUTANTS: tuple[Mutant, ...] = tuple(m for mutants in MAKERS for m in mutants())
KINDS: tuple[str, ...] = tuple(dict.fromkeys(m.kind for m in MUTANTS))

VAGUE = ("unknown", "axis/index", "coefficient")  # no name, but where to look

Judge = Callable[..., Any]


@dataclass(frozen=True)
class Outcome:
    """A judge's verdict on a mutant in one dtype.

    caught: it did not pass; limit: it passed, with a note on the edges of the range
    naming: "right", "vague", "wrong", or "" where there was nothing to name
    """

    mutant: Mutant
    dtype: str
    verdict: str
    found: tuple[str, ...]
    caught: bool
    limit: bool
    naming: str
    seconds: float

    @property
    def survived(self) -> bool:
        """Whether a fault was not seen at all."""
        m = self.mutant
        return not m.proof and not (self.limit if m.limit else self.caught)

    @property
    def wronged(self) -> bool:
        """Whether a correct implementation failed."""
        return self.caught and bool(self.mutant.proof or self.mutant.limit)

    def to_json(self) -> dict[str, Any]:
        """The fields, in types that JSON has."""
        m = self.mutant
        return {
            "id": m.id, "class": m.kind, "what": m.what, "dtype": self.dtype,
            "verdict": self.verdict, "found": list(self.found),
            "expected": None if m.faults is None else [sorted(x) for x in m.faults],
            "caught": self.caught, "limit": self.limit, "naming": self.naming,
            "survived": self.survived, "proof": m.proof or None,
        }


def judge(mutant: Mutant, dtype: str, judge: Judge = check) -> Outcome:
    """One mutant before the judge: `check`, or anything with its arguments and its report."""
    start = time.perf_counter()
    made = mutant.make()
    report = judge(
        **{role: f for role, f in made._asdict().items() if f is not None},
        name=mutant.id, dtype=dtype, axis=mutant.axis, ranks=mutant.ranks,
    )
    found = tuple(d.id for d in report.diagnosis)
    limit = any(note.startswith("range: wrong") for note in report.notes)
    return Outcome(
        mutant, dtype, report.verdict, found, not report.ok, report.ok and limit,
        "" if mutant.proof or mutant.limit or report.ok else naming(mutant, found),
        time.perf_counter() - start,
    )


def naming(mutant: Mutant, found: Sequence[str]) -> str:
    """Whether the first names are the right ones: one for each fault."""
    if mutant.faults is None:
        given = [x for x in found if x not in VAGUE and not x.startswith("coefficient")]
        return "wrong" if given else "right"
    first = found[: len(mutant.faults)]
    if all(any(x in names for x in first) for names in mutant.faults):
        return "right"
    known = frozenset().union(*mutant.faults)
    return "wrong" if any(x not in known and x not in VAGUE for x in first) else "vague"


def measure(
    mutants: Iterable[Mutant] = MUTANTS, dtypes: Sequence[str] = ("float64", "float32"),
    judged_by: Judge = check,
) -> Iterator[Outcome]:
    """Every mutant in every dtype in which it is one."""
    for mutant in mutants:
        for dtype in dtypes:
            if dtype in mutant.dtypes:
                yield judge(mutant, dtype, judged_by)


# Of these classes the functions take arrays of any rank.
ELSEWHERE = ("formula", "extra", "size")


def elsewhere(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
    """The same mutants on arrays of rank 3 and 4, and with one norm of the whole where it shows."""
    for m in mutants:
        of_matrices = m.kind == "size" and ("entry" in m.id or "transposed" in m.id)
        if m.kind not in ELSEWHERE or m.axis != 0 or m.ranks is not None or of_matrices:
            continue
        for rank in (3, 4):
            yield replace(m, id=f"{m.id}@rank_{rank}", ranks=(rank,))
        if m.kind != "size" and _shows_alone(m):
            make = functools.partial(_of_the_whole, m.make)
            yield replace(m, id=f"{m.id}@whole", axis=None, make=make)


def _of_the_whole(make: Callable[[], Implementation]) -> Implementation:
    made = make()._asdict()
    return Implementation(
        **{role: f and fitted(role, f, None) for role, f in made.items()}
    )


def _shows_alone(m: Mutant) -> bool:
    """Whether it is a fault where there is one slice only."""
    rng, made = np.random.default_rng(0), m.make()
    v, w_bar, g = rng.normal(size=(1, 5)), rng.normal(size=(1, 5)), np.array([[-1.5]])
    with np.errstate(all="ignore"):
        got = ((made.forward or forward)(v, g), *(made.backward or correct)(w_bar, v, g))
        right = (forward(v, g), *correct(w_bar, v, g))
    return not all(np.allclose(x, y, rtol=1e-9) for x, y in zip(got, right, strict=True))


def table(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """A row of numbers for each class and dtype, and one for all."""
    rows = []
    for dtype in dict.fromkeys(o.dtype for o in outcomes):
        here = [o for o in outcomes if o.dtype == dtype]
        for kind in (*dict.fromkeys(o.mutant.kind for o in here), "all"):
            some = [o for o in here if kind in (o.mutant.kind, "all")]
            faults = [o for o in some if not o.mutant.proof and not o.mutant.limit]
            called = [o for o in faults if o.caught]
            rows.append({
                "class": kind, "dtype": dtype, "planted": len(some), "faults": len(faults),
                "caught": len(called), "limit": sum(o.limit for o in some if o.mutant.limit),
                "limits": sum(o.mutant.limit for o in some),
                "equal": sum(bool(o.mutant.proof) for o in some),
                "named": sum(o.naming == "right" for o in called),
                "vague": sum(o.naming == "vague" for o in called),
                "wrong": sum(o.naming == "wrong" for o in called),
                "accused": sum(o.wronged for o in some),
            })
    return rows
