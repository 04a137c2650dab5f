"""Digits that are missing, and what has no name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .observation import SLACK, Diagnosis, Observation, fits

__all__ = ["few_digits", "narrow", "unknown"]


def few_digits(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right formula, its error a few times what rounding may do."""
    residual = fits(seen, output, lambda o: o.expected[output])
    if residual == math.inf:
        return []
    return [
        Diagnosis(
            "lost_digits", f"{output} is right but for a few digits",
            "form no power of n beyond what is needed, and no difference of large numbers; divide last",
            f"within {SLACK * residual:.2g} times what rounding may do, in {len(seen)} cases",
            (output,), residual,
        )
    ]  # fmt: skip


def narrow(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    worst = max(float((o.ratio(output) * o.u).max(initial=0.0)) for o in seen)
    for name, u in (("float32", 2.0**-24), ("float16", 2.0**-11), ("bfloat16", 2.0**-8)):
        if seen[0].u < u and worst <= 2 * u:
            return [
                Diagnosis(
                    "low_precision", f"{output} has the digits of {name}",
                    f"keep {seen[0].dtype} from the first line to the last",
                    f"right to {worst / u:.2g} of what {name} allows, in {len(seen)} cases",
                    (output,), worst / u,
                )
            ]  # fmt: skip
    return []


def unknown(seen: Sequence[Observation], output: str, broken: Sequence[str]) -> Diagnosis:
    coupled = [law for law in broken if law in ("I10", "I11")]
    laws = f"broken: {', '.join(broken)}" if broken else "no law is broken"
    if coupled:
        return Diagnosis(
            "axis/index", f"{output} depends on where in the array an entry or a slice stands",
            "look at the axes of the sums, at the indices, and at broadcasting", laws, (output,),
        )  # fmt: skip
    return Diagnosis(
        "unknown", f"{output} is wrong in a way that is in no catalogue",
        "compare line by line with g_bar = d/n, v_bar = (g/n) (w_bar - (d/n^2) v)",
        f"no formula, permutation, eps, coefficient or precision reproduces {output}; {laws}",
        (output,),
    )  # fmt: skip
