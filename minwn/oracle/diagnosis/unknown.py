"""Errors without a name: the place to look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...terminal import counted
from ..mistakes.table import RIGHT
from .observation import Diagnosis, Observation

__all__ = ["AXIS", "NAMES", "UNKNOWN", "unknown"]

AXIS, UNKNOWN = "axis/index", "unknown"
NAMES = (AXIS, UNKNOWN)


def unknown(seen: Sequence[Observation], output: str, broken: Sequence[str]) -> Diagnosis:
    """The diagnosis of numbers that no formula gives, by what they are and the laws they break."""
    coupled = [law for law in broken if law in ("I10", "I11")]
    laws = f"broken: {', '.join(broken)}" if broken else "no law is broken"
    wrong = [x for o in seen if output in o.got for x in o.got[output][o.wrong(output)]]
    if wrong and not np.isfinite(wrong).any():  # which breaks every law
        return Diagnosis(
            UNKNOWN, f"{output} is NaN or infinite wherever it is wrong",
            "look for a division by 0, a root of a negative number, and numbers out of range",
            f"{counted(len(wrong), 'wrong number')}, none of them finite; {laws}", (output,),
        )
    if coupled:
        return Diagnosis(
            AXIS, f"{output} depends on where in the array an entry or a slice stands",
            "look at the axes of the sums, at the indices, and at broadcasting", laws, (output,),
        )
    return Diagnosis(
        UNKNOWN, f"{output} is wrong in a way that is in no catalogue",
        f"compare line by line with g_bar = {RIGHT['g_bar']}, v_bar = {RIGHT['v_bar']}",
        f"no formula, permutation, eps, coefficient or precision reproduces {output}; {laws}",
        (output,),
    )
