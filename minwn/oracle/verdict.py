"""From the evidence of a run to one word, a sentence, and a name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import dtype_of
from ..terminal import counted
from .cases import GROUPS, fits
from .diagnosis import NAMES, OF_GROUPS, Diagnosis, Observation, diagnose
from .diagnosis.second import NAMES as LATER
from .minimal_case import minimal_case
from .mistakes import OUTPUTS, SECOND
from .report import CheckResult, MinimalCase, Report, Skipped, Worst
from .run import FAULTS, Run
from .spec import RANKS
from .targets.implementation import NAMES as OUTPUTS_OF

__all__ = ["IDS", "verdict"]

# Every name that a diagnosis may have.
IDS = tuple(dict.fromkeys((*NAMES, *(mistake.id for mistake in SECOND), *LATER, *FAULTS)))
UNSTEADY = {"accumulates", "stale_state", "late_call", "not_deterministic", "returns_cache"}
VAGUE = {"unknown", "axis/index", "coefficient", *OF_GROUPS}


def verdict(run: Run, name: str | None, accept: set[str], start: float) -> Report:
    """The report on a run in which every check has been made."""
    spec, checks = run.spec, [r for r in run.checks if r.checked or r.failed]
    fields: dict[str, Any] = {
        "name": name or run.implementation.name, "dtype": spec.dtype, "form": spec.form,
        "eps": spec.eps, "axis": spec.axis, "checks": checks, "skipped": _skipped(run),
    }
    later = any(r.checked for r in checks if r.name in ("product", "second order"))
    if not run.judged and not later and not run.faults:
        undefined = bool(run.observations or run.out_of_range)
        return Report(
            verdict="UNDEFINED" if undefined else "REFUSED",
            headline="no case has a true answer" if undefined
            else "no case could be judged" if run.asked
            else "no function was given",
            notes=[f"{what}: {found[0]}" for what, found in run.errors.items()],
            seconds=time.perf_counter() - start, **fields,
        )
    diagnosis, ambiguous = _declared(*_names(run), accept)
    silent = run.silent()
    wrong = [d for d in diagnosis if d.id not in accept]
    if silent and all(d.id == "raises" and set(d.outputs) <= set(silent) for d in wrong):
        # Accepted or not: no answer is no pass.
        return Report(
            verdict="REFUSED", headline=f"{' and '.join(silent)} answered nothing",
            diagnosis=diagnosis, groups=_by_group(run), notes=_notes(run),
            seconds=time.perf_counter() - start, **fields,
        )
    if not wrong:
        for what, evidence in run.declined.items():
            run.fault("raises", what, evidence)
            diagnosis = [*diagnosis, run.faults[-1]]
        wrong = [d for d in diagnosis if d.id not in accept]
    count = len(run.faults)
    fields["checks"] = [
        replace(r, failed=count, ratio=float(count)) if r.name == "hygiene" else r for r in checks
    ]
    word = "FAIL" if wrong else "ACCEPTABLE" if diagnosis else "PASS"
    worst = _worst(run.observations)
    return Report(
        verdict=word, headline=_headline(word, run, diagnosis),
        grade=_grade(run.observations, spec.dtype) if word == "PASS" else None,
        diagnosis=diagnosis, ambiguous=ambiguous, groups=_by_group(run),
        worst=worst, minimal_case=None if worst is None else minimal_case(run, worst, diagnosis),
        examples=_examples(run.observations), laws=run.laws, consistent=run.consistent,
        notes=_notes(run), seconds=time.perf_counter() - start, **fields,
    )


def _names(run: Run) -> tuple[list[Diagnosis], bool]:
    broken = [law for law, ratio in run.laws.items() if ratio > 1]
    forward = run.result("forward")
    forward_ok = None if forward is None or not forward.checked else forward.ok
    found, ambiguous = diagnose(run.observations, broken, forward_ok=forward_ok)
    if any(f.id in UNSTEADY for f in run.faults):  # then numbers mean little
        found = [d for d in found if d.id not in VAGUE]
    elif not found and not run.faults and not run.later:
        found = _contradictions(run, broken)
    late = {output for f in run.faults if f.id == "late_call" for output in f.outputs}
    later = [d for d in run.later if d.id not in VAGUE or not _of(late) & {*d.outputs}]
    return [*run.faults, *found, *later], ambiguous


def _of(functions: set[str]) -> set[str]:
    """The answers of some functions."""
    return {output for what in functions for output in OUTPUTS_OF[what]}


def _declared(
    found: list[Diagnosis], ambiguous: bool, accept: set[str]
) -> tuple[list[Diagnosis], bool]:
    """Without the rivals of a declared mistake: it explains the numbers."""
    known = {d.outputs for d in found if d.id in accept}
    if not ambiguous or not known:
        return found, ambiguous
    left = [d for d in found if d.id in accept or d.outputs not in known]
    return left, len({d.outputs for d in left}) < len(left)


def _contradictions(run: Run, broken: Sequence[str]) -> list[Diagnosis]:
    """Checks that fail where every number with a reference value is right."""
    if broken:
        return [Diagnosis(
            "unknown", "right where it was compared with the truth, but not elsewhere",
            "look for what the inputs of the broken laws have in common",
            f"broken: {', '.join(broken)}", ("v_bar", "g_bar"),
        )]
    failed = [r.name for r in run.checks if not r.ok]
    if failed and run.spec.dtype != "float64" and {*failed} <= {"differences", "complex"}:
        run.notes.append(
            f"{', '.join(failed)}: the gradient is not that of its own forward in float64, which "
            f"was not asked for"
        )
        return []
    return [Diagnosis(
        "unknown", "the gradient is not that of its own forward in float64",
        "compare forward and backward in float64", f"checks: {', '.join(failed)}",
        ("v_bar", "g_bar"),
    )] if failed else []


def _headline(word: str, run: Run, found: list[Diagnosis]) -> str:
    if word == "PASS":
        return "nothing is wrong that these checks can see"
    if word == "ACCEPTABLE":
        return f"declared: {', '.join(d.id for d in found)}"
    forward, gradients = _made(run, "forward"), _made(run, "gradients")
    bad_w = forward is not None and not forward.ok
    bad_gradient = gradients is not None and not gradients.ok
    if bad_w and bad_gradient and run.consistent:
        return "a consistent gradient of a different function: w is not what was declared"
    if bad_w and bad_gradient and run.consistent is False:
        return "w is not what was declared, and the gradient does not belong to w either"
    if bad_w and bad_gradient:
        return "w and its gradient are wrong"
    if bad_gradient:
        return "a wrong gradient" + (" of a right forward" if forward is not None else "")
    if bad_w:
        return "w is wrong" + ("; the gradient is that of weight norm" if gradients else "")
    return "; ".join(dict.fromkeys(d.formula for d in found))


def _made(run: Run, name: str) -> CheckResult | None:
    result = run.result(name)
    return result if result is not None and result.checked else None


def _grade(seen: Sequence[Observation], dtype: str) -> str:
    """rounded, faithful or stable, over all cases in range."""
    grade = "rounded"
    for o in seen:
        for output, x in o.got.items():
            if not o.worst(output):  # entry by entry the right number
                continue
            grade = "faithful"
            a, b = (y.astype(dtype_of(dtype)) for y in (x, o.expected[output]))
            with np.errstate(all="ignore"):
                if ((np.nextafter(a, b) != b) & (a != b)).any():
                    return "stable"
    return grade


def _by_group(run: Run) -> dict[str, str]:
    """ok or FAIL, and "limit" where only cases out of range are wrong."""
    found: dict[str, str] = {}
    for o in run.observations:
        if o.fails or o.group not in found:
            found[o.group] = "FAIL" if o.fails else "ok"
    for o in run.out_of_range:
        if found.setdefault(o.group, "ok") == "ok" and o.fails:
            found[o.group] = "limit"
    return found


def _worst(seen: Sequence[Observation]) -> Worst | None:
    """The entry furthest out, of the generic and dyadic cases if one of them is wrong."""
    found: list[tuple[bool, float, Worst]] = []
    for o in filter(lambda o: o.fails, seen):
        for output, x in o.got.items():
            ratio = o.ratio(output)
            top = float(ratio.max(initial=0.0))
            if top > 1:
                at = np.unravel_index(int(ratio.argmax()), ratio.shape)
                worst = Worst(
                    o.id, output, tuple(int(i) for i in at), x.shape, float(x[at]),
                    float(o.expected[output][at]), float(o.allowed[output][at]),
                )
                found.append((o.group in ("generic", "dyadic"), top, worst))
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _examples(seen: Sequence[Observation]) -> list[MinimalCase]:
    """For each output that is wrong, the first generic matrix that shows it; else a small case."""
    found = []
    for output in OUTPUTS:
        wrong = [
            o for o in seen
            if o.fails and o.v.size <= 256 and output in o.got and o.wrong(output).any()
        ]
        wrong.sort(key=lambda o: (o.group != "generic", o.v.ndim != 2))
        for o in wrong[:1]:
            got, expected, allowed = (x[output].tolist() for x in (o.got, o.expected, o.allowed))
            v, g, w_bar = (x.tolist() for x in (o.v, o.g, o.w_bar))
            found.append(MinimalCase(v, g, w_bar, output, got, expected, allowed))
    return found


def _skipped(run: Run) -> list[Skipped]:
    """What was not checked, by a check's own account, and by the spec."""
    spec, found = run.spec, list(run.skipped)
    left = [group for group in GROUPS if group not in spec.groups]
    if left:
        found += [Skipped(f"cases: {', '.join(left)}", "not among groups=")]
    ranks = [str(rank) for rank in RANKS if rank not in spec.ranks and fits(spec.axis, rank)]
    if ranks:
        found += [Skipped(f"ranks {', '.join(ranks)}", "not asked for: give ranks=")]
    if spec.quick:
        found += [Skipped("most cases", "quick=True: the first of each group")]
    for group, count in run.unbounded.items():
        bounded = f"{counted(count, 'number')} may be anything in {spec.accumulate}, by rounding"
        found += [Skipped(f"cases: {group}", bounded)]
    raised = [o for o in run.out_of_range if o.fails and o.v.size]
    if raised:
        found += [Skipped("range", "a square leaves the range: wrong numbers there are a note")]
    return list(dict.fromkeys(found))


def _notes(run: Run) -> list[str]:
    notes = list(dict.fromkeys(run.notes))
    skipped = [group for group in run.spec.groups if group != "axes"]
    if skipped and run.spec.rank is None:
        notes.append(
            f"skipped: {', '.join(skipped)}: in every rank that was asked for, all axes keep a "
            f"norm, so that no slice has more than one entry"
        )
    out = [o for o in run.out_of_range if o.fails]
    if any(not o.v.size for o in out):
        notes.append("empty slices: g_bar is not 0")
    out = [o for o in out if o.v.size]
    if out:
        flags = dict.fromkeys(flag for o in out for flag in o.flags)
        notes.append(
            f"range: wrong in {counted(len(out), 'case')} at the edges of "
            f"{run.spec.dtype}, where a square leaves the range ({', '.join(list(flags)[:4])})"
        )
    if run.conventions:
        answers = ", ".join(f"{output} = {kind}" for output, kind in run.conventions.items())
        notes.append(f"zero slice: {answers}")
    return notes
