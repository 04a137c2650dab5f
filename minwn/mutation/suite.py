"""Mutation testing: mutants in the place of the functions that a test suite tests.

    survey = measured("tests/test_layer.py", "layer.py")

The tests run with each mutant in a new process, until one of them fails. First they run as
they are, then with a right implementation: where either run fails, no number that follows would
mean anything. Of a mutant that survives, it is then asked why, at the very points at
which the tests called: is it never called? equal to the truth there? different, and unseen?
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..oracle.targets.target import ROLES, load
from .measure import MUTANTS
from .mutant import Mutant, correct, fitted, forward
from .points import COUNTS, TRUTH, Point, missing

__all__ = ["SuiteError", "Survey", "Tested", "find", "fitted", "measured", "relevant", "touched"]

Function = Callable[..., Any]


class SuiteError(ValueError):
    """A suite that cannot be measured."""


@dataclass(frozen=True)
class Tested:
    """A mutant and the result of the tests: "killed", "survived", "timeout" or "broken"."""

    mutant: Mutant
    outcome: str
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        m = self.mutant
        return {"id": m.id, "class": m.kind, "what": m.what, "outcome": self.outcome,
                "why": self.why}


@dataclass(frozen=True)
class Survey:
    """The results for all mutants. seconds: of the suite without a mutant."""

    tests: str
    target: str
    seconds: float
    tested: list[Tested] = field(default_factory=list)

    @property
    def survivors(self) -> list[Tested]:
        """Those that no test saw."""
        return [t for t in self.tested if t.outcome == "survived"]

    @property
    def holes(self) -> dict[str, list[Tested]]:
        """The survivors by the check that is missing, the greatest hole first."""
        found: dict[str, list[Tested]] = {}
        for t in self.survivors:
            found.setdefault(t.why, []).append(t)
        return dict(sorted(found.items(), key=lambda hole: -len(hole[1])))


def find(name: str) -> Mutant:
    """The mutant of that id. Raises KeyError."""
    return next(m for m in MUTANTS if m.id == name)


# ---- which mutants ----------------------------------------------------------------------------


def relevant(mutant: Mutant, roles: Sequence[str]) -> bool:
    """Whether it is a fault of one of these functions that a test suite could see."""
    return not mutant.proof and not mutant.limit and mutant.axis == 0 and bool(
        touched(mutant, roles)
    )


def touched(mutant: Mutant, roles: Sequence[str] = ROLES) -> tuple[str, ...]:
    """The functions in which a mutant is wrong."""
    made = mutant.make()
    return tuple(
        role for role in roles if getattr(made, role) not in (None, forward, correct)
    )


# ---- running ------------------------------------------------------------------------------------


def measured(
    tests: str, target: str, mutants: Sequence[Mutant] = MUTANTS, *, jobs: int = 0,
    timeout: float = 0.0, step: Callable[[str], None] = lambda name: None,
) -> Survey:
    """Run the tests against every mutant that is relevant; `step` hears of each that is done.

    target: as in `minwn check`. jobs: processes at once. timeout: of one run in seconds; by
    default ten times what the suite takes as it is. Raises SuiteError where there is nothing to
    measure, TargetError where there is no target.
    """
    functions = load(target)
    spec = functions.spec(dtype="float64")
    if spec.form != "plain":
        raise SuiteError(f"{target} declares FORM = {spec.form!r}; mutants are of the plain form")
    roles = tuple(functions.given)
    chosen = [m for m in mutants if relevant(m, roles)]
    with tempfile.TemporaryDirectory() as folder:
        orders = {
            "tests": tests, "target": target, "axis": spec.axis,
            "points": f"{folder}/points.npz", "results": f"{folder}/results",
            "fork": hasattr(os, "fork"), "jobs": jobs or min(os.cpu_count() or 1, 4),
            "timeout": timeout,
        }
        names = ["", "control", *(m.id for m in chosen)]
        # Without fork each mutant needs its own pytest.
        found: dict[str, Ran] = {}
        for some in [names] if orders["fork"] else [[name] for name in names]:
            found |= _run(orders | {"mutants": some}, step)
            for name, complaint in (("", RED), ("control", NOT_THEIRS)):
                if name in found and found[name].outcome != "survived":
                    said = found[name].said or found[name].outcome
                    raise SuiteError(f"{complaint.format(tests=tests)}\n  {said}")
        heard = list(_points(Path(orders["points"]), orders["axis"]))
    tested = []
    for m in chosen:
        ran = found[m.id]
        survived = ran.outcome == "survived"
        why = (m.look or missing(m, heard, touched(m, roles))) if survived else ran.said
        tested.append(Tested(m, ran.outcome, why))
    return Survey(tests, target, found[""].seconds, tested)


RED = "{tests} is not green as it is; make it so first:"
NOT_THEIRS = (
    "{tests} fails for a right implementation in the place of yours; a mutant is of the kind "
    "forward(v, g) -> w, backward(w_bar, v, g) -> (v_bar, g_bar), in NumPy and without eps:"
)


class Ran(NamedTuple):
    """The result of the tests for one mutant, or for the reference in its place."""

    outcome: str
    said: str
    seconds: float


def _run(orders: dict[str, Any], step: Callable[[str], None]) -> dict[str, Ran]:
    """By one pytest; it stops early where the tests fail for the right functions."""
    results = Path(orders["results"])
    results.write_text("", encoding="utf-8")
    path, said = results.with_name("orders"), results.with_name("said")
    path.write_text(json.dumps(orders), encoding="utf-8")
    command = [
        sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-p",
        "minwn.mutation.plugin", orders["tests"],
    ]
    environment = os.environ | {"MINWN_MUTATE": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    found: dict[str, Ran] = {}
    with said.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        ended = False
        while not ended:
            ended = process.poll() is not None
            for line in results.read_text(encoding="utf-8").splitlines(keepends=True)[len(found) :]:
                if line.endswith("\n"):
                    name, *ran = json.loads(line)
                    found[name] = Ran(*ran)
                    step(name)
            time.sleep(0.02)
    if not found:
        text = "\n".join(said.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise SuiteError(f"pytest {orders['tests']} does not run:\n{text}")
    return found


def _points(path: Path, axis: Any) -> Iterator[Point]:
    """The points at which the tests called, as slices along the first axis."""
    if not path.exists():
        return
    with np.load(path, allow_pickle=False) as file:
        calls = sorted({key.rpartition("/")[0] for key in file})
        for call in calls:
            role = call.partition("/")[0]
            arrays = [file[f"{call}/{i}"] for i in range(COUNTS[role])]
            seen: list[tuple[np.ndarray, ...]] = []

            def catch(*given: np.ndarray, seen: Any = seen, role: str = role) -> Any:
                seen.append(given)
                return getattr(TRUTH, role)(*given)

            try:
                with np.errstate(all="ignore"):
                    fitted(role, catch, axis)(*arrays)
            except (ValueError, IndexError):
                continue  # a test of errors
            yield Point(role, seen[0])
