"""From the evidence of a layer's run to one word, a sentence, and a name."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ...terminal import counted
from ..diagnosis import Diagnosis
from ..report import Report, Skipped, Worst
from ..report.glossary import LAWS
from ..verdict import IDS, UNSTEADY, VAGUE
from .case import layer_minimal_case, measured_weight
from .diagnosis import LAYER_NAMES, Seen, diagnose_layer
from .run import LayerRun, Prepared

__all__ = ["LAYER_IDS", "layer_verdict"]

# Every name that a diagnosis of a layer may have.
LAYER_IDS = tuple(dict.fromkeys((*LAYER_NAMES, *IDS)))


def layer_verdict(run: LayerRun, name: str | None, accept: set[str], start: float) -> Report:
    """The report on a run in which every check has been made."""
    spec = run.spec
    fields: dict[str, Any] = {
        "name": name or run.functions.name, "dtype": spec.dtype, "form": spec.form,
        "eps": spec.eps, "axis": spec.axis, "layer": spec.settings,
        "checks": [r for r in run.checks if r.checked or r.failed],
    }
    silent = list(_silent(run))
    judged = {output for o in run.observations for output in o.got}
    if not judged and run.gone is not None:
        return Report(
            verdict="FAIL", headline=run.faults[0].formula, diagnosis=run.faults, notes=run.notes,
            seconds=time.perf_counter() - start, **fields,
        )
    if not judged:
        return Report(
            verdict="REFUSED", headline="; ".join(silent) or "no function was given",
            notes=[*run.notes, CONTRACT[spec.normalised]], seconds=time.perf_counter() - start,
            **fields,
        )
    _raised(run)
    found, ambiguous = diagnose_layer(list(_seen(run)))
    broken = [f"{law} {LAWS[law]}" for law, ratio in run.laws.items() if ratio > 1]
    if broken:
        found = [
            replace(d, evidence=f"{d.evidence}; broken: {'; '.join(broken)}")
            if d.id == "unknown" else d for d in found
        ]
    if any(f.id in UNSTEADY for f in run.faults):
        found = [d for d in found if d.id not in VAGUE]
    elif not found and not run.faults:
        found = list(_contradictions(run))
    shapes = [f for f in run.faults if f.id == "wrong_shape"]
    named = {output for d in found if d.id not in VAGUE for output in d.outputs}
    faults = [f for f in run.faults if f not in shapes or not set(f.outputs) <= named]
    covered = {output for f in faults for output in f.outputs if f.id == "wrong_shape"}
    found = [d for d in found if d.id != "unknown" or not set(d.outputs) <= covered]
    after = [f for f in faults if f.id in ("raises", "wrong_shape", "wrong_dtype")]
    diagnosis = [*(f for f in faults if f not in after), *found, *after]
    wrong = [d for d in diagnosis if d.id not in accept]
    if not wrong and silent:
        return Report(
            verdict="REFUSED", headline="; ".join(silent), diagnosis=diagnosis,
            notes=[*run.notes, CONTRACT[spec.normalised]], laws=run.laws,
            seconds=time.perf_counter() - start, **fields,
        )
    word = "FAIL" if wrong else "ACCEPTABLE" if diagnosis else "PASS"
    worst = _worst(run)
    return Report(
        verdict=word, headline=_headline(word, run, diagnosis), diagnosis=diagnosis,
        ambiguous=ambiguous, groups=_groups(run), worst=worst, laws=run.laws,
        grade="stable" if word == "PASS" else None,
        minimal_case=None if worst is None else layer_minimal_case(run, worst.output, found),
        consistent=run.consistent, notes=[*run.notes, *silent], skipped=_skipped(run),
        seconds=time.perf_counter() - start, **fields,
    )


CONTRACT = {
    True: "asked for: forward(x, v, g, b) -> y, backward(y_bar, x, v, g, b) -> (x_bar, v_bar, "
          "g_bar, b_bar)",
    False: "asked for: forward(x, w, b) -> y, backward(y_bar, x, w, b) -> (x_bar, w_bar, b_bar)",
}


def _silent(run: LayerRun) -> Any:
    """What never answered, and why."""
    for what in ("forward", "backward") if run.gone is None else ():
        if run.functions.has(what) and what not in run.answered:
            messages = [m for kind in (run.raised, run.refused) for _, m in kind.get(what, [])]
            if messages:
                yield f"{what} raised in every case: {messages[0]}"
            elif what == "backward" and any("y" in o.got for o in run.observations):
                if not any(f.id == "wrong_shape" for f in run.faults):
                    yield f"{what} answered nothing but None"
            else:
                yield f"{what} answered nothing but None"


def _raised(run: LayerRun) -> None:
    """A fault where a function answered in some cases and raised in others."""
    for what, messages in run.raised.items():
        if what in run.answered:
            bad = [p for p, _ in messages]
            where = _common(run, bad)
            run.fault("raises", what, f"{where}{messages[0][1]}")


def _common(run: LayerRun, bad: list[Prepared]) -> str:
    """The features that the bad cases share and the other cases lack, as text."""
    words = {
        "remainder": "where a stride leaves a remainder",
        "kernel": "where the kernel is not square", "size": "where x is not square",
    }
    rest = [p for p in run.cases if not any(p is q for q in bad)]
    shared = set.intersection(*(p.case.features for p in bad))
    told = [f for f in sorted(shared) if not any(f in p.case.features for p in rest)]
    head = f"in {counted(len(bad), 'case')} of {len(run.cases)}"
    return f"{head}, {' and '.join(words[f] for f in told)}: " if told else f"{head}: "


def _seen(run: LayerRun) -> Any:
    for o in run.observations:
        p = o.prepared
        yield Seen(
            p.case.id, p.case.group, p.terms, o.got, p.expected, p.allowed, run.spec.dtype, p.exact,
            frozenset(p.case.features), functools.partial(measured_weight, run, p),
        )


def _contradictions(run: LayerRun) -> Any:
    """Checks that fail where every number with a reference value is right."""
    broken = [law for law, ratio in run.laws.items() if ratio > 1]
    failed = [r.name for r in run.checks if not r.ok]
    if run.spec.dtype != "float64" and set(failed) == {"own forward"}:
        run.notes.append(
            "own forward: not the gradient of its own y in float64, which was not asked for"
        )
        return
    if broken or failed:
        what = f"broken: {', '.join(broken)}" if broken else f"checks: {', '.join(failed)}"
        yield Diagnosis(
            "unknown", "right where it was compared with the truth, but not elsewhere",
            "look for what depends on the number of samples, or on earlier calls", what,
            ("y", "x_bar"),
        )


def _headline(word: str, run: LayerRun, found: list[Diagnosis]) -> str:
    if word == "PASS":
        return "nothing is wrong that these checks can see"
    if word == "ACCEPTABLE":
        return f"declared: {', '.join(d.id for d in found)}"
    wrong = [name for name in ("y", "x_bar", "w_bar", "v_bar", "g_bar", "b_bar")
             if any(o.wrong(name) for o in run.observations)]
    if "y" in wrong and len(wrong) == 1:
        return "y is wrong; the gradients are right: mend the forward only"
    if "y" in wrong and run.consistent:
        return "y is not what was declared; the gradients are those of this y: mend both alike"
    if "y" in wrong and run.consistent is False:
        return f"y is wrong, and the gradients are not those of this y: {', '.join(wrong)}"
    if wrong:
        right = "" if "y" in wrong or "forward" not in run.answered else "; y is right"
        return f"wrong: {', '.join(wrong)}{right}"
    return "; ".join(dict.fromkeys(d.formula for d in found))


def _groups(run: LayerRun) -> dict[str, str]:
    found: dict[str, str] = {}
    for o in run.observations:
        bad = any(o.wrong(name) for name in o.got)
        if bad or o.prepared.case.group not in found:
            found[o.prepared.case.group] = "FAIL" if bad else "ok"
    return found


def _skipped(run: LayerRun) -> list[Skipped]:
    """What was not judged, and why."""
    found = list(run.skipped)
    if not run.functions.has("backward"):
        found.append(Skipped("the gradients", "there is no backward"))
    if not run.functions.has("forward"):
        found.append(Skipped("y", "there is no forward"))
    for what, messages in run.refused.items():
        text = f"refuses {counted(len(messages), 'case')}, such as {messages[0][1]}"
        found.append(Skipped(what, text))
    if "backward" in run.answered:
        wanted = run.functions.answers("backward")
        seen = {name for o in run.observations for name in o.got}
        missing = [name for name in wanted if name not in seen]
        if not run.functions.bias["forward"]:
            missing = [name for name in missing if name != "b_bar"]
        if missing:
            found.append(Skipped(", ".join(missing), "not answered"))
    return found


def _worst(run: LayerRun) -> Worst | None:
    """The entry furthest out, in the declared layout."""
    found = []
    for o in run.observations:
        p = o.prepared
        for output in o.got:
            if o.wrong(output) and o.got[output].shape == p.expected[output].shape:
                got, want, tol, ratio = (
                    _theirs(run, output, x, p)
                    for x in (o.got[output], p.expected[output], p.allowed[output], o.ratio(output))
                )
                at = np.unravel_index(int(ratio.argmax()), ratio.shape)
                worst = Worst(
                    o.id, output, tuple(map(int, at)), ratio.shape, float(got[at]),
                    float(want[at]), float(tol[at]),
                )
                found.append((o.prepared.case.group == "reals", float(ratio.max()), worst))
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _theirs(run: LayerRun, output: str, x: Any, p: Prepared) -> np.ndarray:
    return np.asarray(run.back(output, x, p))
