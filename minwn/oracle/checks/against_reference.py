"""Three checks of the same answers: against the truth, entry by entry, |error| <= C u S.

    dyadic       w, v_bar and g_bar where nothing is rounded. Inexact results are reported as a
                 note, not as a failure
    forward      w in every case in range
    gradients    v_bar and g_bar in the same cases

C, u and S are those of `error_bounds`, with the proof there.
"""

from __future__ import annotations

from ..report import CheckResult
from ..run import Run

__all__ = ["dyadic", "forward", "gradients"]


def dyadic(run: Run) -> CheckResult:
    """The check where nothing is rounded."""
    seen = [o for o in run.observations if o.group == "dyadic"]
    if not seen:
        run.skip("dyadic", "no such case was asked for, or answered")
    result = _compared("dyadic", ("w", "v_bar", "g_bar"), seen)
    inexact = 0
    for o in seen if run.spec.form == "plain" else ():
        if "exact" in o.flags:
            inexact += sum(int((x != o.expected[output]).sum()) for output, x in o.got.items())
    if inexact and result.ok:
        note = (
            f"dyadic: {inexact} numbers are not exact, though +, -, *, / and sqrt, in any "
            f"order, would not round here"
        )
        run.notes.append(note)
        return CheckResult(result.name, result.checked, result.failed, result.ratio, note)
    return result


def forward(run: Run) -> CheckResult:
    """The check of w."""
    run.lacks("forward", "forward")
    return _compared("forward", ("w",), run.observations)


def gradients(run: Run) -> CheckResult:
    """The check of v_bar and g_bar."""
    run.lacks("gradients", "backward")
    return _compared("gradients", ("v_bar", "g_bar"), run.observations)


def _compared(name: str, outputs: tuple[str, ...], seen: list) -> CheckResult:
    checked, failed, worst = 0, 0, 0.0
    for o in seen:
        for output in outputs:
            if output in o.got:
                checked += o.size(output)
                if o.worst(output) > 1:
                    failed += int(o.wrong(output).sum())
                worst = max(worst, o.worst(output))
    return CheckResult(name, checked, failed, worst)
