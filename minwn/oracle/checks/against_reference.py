"""Three rungs on the same answers: against the truth, entry by entry, |error| <= C u S.

    dyadic       w, v_bar and g_bar where nothing is rounded. Nor may anything be wrong: but as an
                 evaluation that rounds is honest too, a number that is not exact is a note
    forward      w in every case of ordinary range
    gradients    v_bar and g_bar likewise

C, u and S are those of `error_bounds`, with the proof there.
"""

from __future__ import annotations

from ..report import Rung
from ..run import Trial

__all__ = ["dyadic", "forward", "gradients"]


def dyadic(trial: Trial) -> Rung:
    seen = [o for o in trial.observations if o.group == "dyadic"]
    rung = _compared("dyadic", ("w", "v_bar", "g_bar"), seen)
    inexact = 0
    for o in seen if trial.claim.form == "plain" else ():
        if "exact" in o.flags:
            inexact += sum(int((x != o.expected[output]).sum()) for output, x in o.got.items())
    if inexact and rung.ok:
        note = (
            f"dyadic: {inexact} numbers are not exact, though +, -, *, / and sqrt, in any "
            f"order, would not round here"
        )
        trial.notes.append(note)
        return Rung(rung.name, rung.checked, rung.failed, rung.ratio, note)
    return rung


def forward(trial: Trial) -> Rung:
    return _compared("forward", ("w",), trial.observations)


def gradients(trial: Trial) -> Rung:
    return _compared("gradients", ("v_bar", "g_bar"), trial.observations)


def _compared(name: str, outputs: tuple[str, ...], seen: list) -> Rung:
    checked, failed, worst = 0, 0, 0.0
    for o in seen:
        for output in outputs:
            if output in o.got:
                checked += o.got[output].size
                if o.worst(output) > 1:
                    failed += int(o.wrong(output).sum())
                worst = max(worst, o.worst(output))
    return Rung(name, checked, failed, worst)
