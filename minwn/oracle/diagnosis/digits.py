"""Are digits missing? Errors of rounding look like no others:

    they vanish where nothing needs rounding, in the exact cases, for any dtype;
    they have both signs, because no simple formula of the inputs gives them;
    they are as large as a dtype makes them, all over: u S, with S from the bounds.

A smooth error is at fault in some dyadic case, and is larger in short slices than in long ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...terminal import counted
from ..reference.error_bounds import STORED, counts
from ..reference.rounding import FORMATS, Format
from .observation import SLACK, Diagnosis, Observation, fits

__all__ = ["NAMES", "few_digits", "narrow", "noisy"]

NAMES = LOW, LOST = "low_precision", "lost_digits"
NARROW = ("float32", "float16", "bfloat16")


def few_digits(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right formula, its error a few times what rounding may do."""
    residual = fits(seen, output, lambda o: o.expected[output])
    if residual == math.inf:
        return []
    within = f"within {SLACK * residual:.2g} times what rounding may do"
    return [_lost(seen, output, within, residual)]


def narrow(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right formula with the digits of a narrower dtype, or with errors that are noise."""
    first = seen[0]
    for name in NARROW:
        form = FORMATS[name]
        if form.u <= _inner(first):
            continue
        worst = max(_sizes(o, output, form).max(initial=0.0) / _probable(o) for o in seen)
        if worst > 1:
            continue
        stored, share = _stored(seen, output, form) if form.u > first.u else (False, 0.0)
        if (stored and share > 0.75) or not (stored or noisy(seen, output)):
            continue
        if not (stored or _even(seen, output, form)):
            return [_lost(seen, output, "errors are noise, 0 where nothing needs rounding", worst)]
        where = "every number is one of" if stored else "errors are as large as those of"
        return [
            Diagnosis(
                LOW, f"the right numbers, with the digits of {name}",
                f"keep {first.accumulate or first.dtype} from the first line to the last, and in "
                "every sum",
                f"{where} {name}, in {counted(len(seen), 'case')}", (output,), worst,
            )
        ]
    return []


def noisy(seen: Sequence[Observation], output: str) -> bool:
    """Whether errors that count have both signs, and are none where nothing is rounded."""
    exact = [o for o in seen if "exact" in o.flags and o.form == "plain"]
    if not exact or any(o.wrong(output).any() for o in exact):
        return False
    outwards = np.concatenate(
        [(abs(o.got[output]) - abs(o.expected[output]))[o.wrong(output)] for o in seen]
    )
    up, down = (outwards > 0).sum(), (outwards < 0).sum()
    return bool(min(up, down) > 0.1 * (up + down))


def _stored(seen: Sequence[Observation], output: str, form: Format) -> tuple[bool, float]:
    """Whether every number is one of a format; the share of those that do with two digits less.

    Of numbers that were rounded to the format these are a quarter; of whole numbers, all.
    """
    numbers = [np.ravel(o.got[output]) for o in seen if o.group != "dyadic"]
    x = np.concatenate(numbers) if numbers else np.zeros(1)
    short = form._replace(p=form.p - 2)
    return bool((form.round(x) == x).all()), float((short.round(x) == x).mean())


def _even(seen: Sequence[Observation], output: str, form: Format) -> bool:
    """Whether errors in short slices and in long ones are of one size, to a factor of 4."""
    lengths, sizes = [], []
    for o in seen:
        x = _sizes(o, output, form)
        n = np.broadcast_to(o.terms.n, x.shape)
        lengths.append(n[n > 0])
        sizes.append(x[n > 0])
    n, x = np.concatenate(lengths), np.concatenate(sizes)
    short, long = (np.sqrt(np.mean(x[part] ** 2)) for part in (n <= np.median(n), n > np.median(n)))
    return bool(max(short, long) <= 4 * min(short, long))


def _inner(o: Observation) -> float:
    return o.u if o.accumulate is None else Format.of(o.accumulate).u


def _sizes(o: Observation, output: str, form: Format) -> np.ndarray:
    """Errors in units of u S, for u of a narrower dtype."""
    inner = _inner(o)
    relative = counts(o.terms.m, o.form)[output] * inner
    relative += STORED[output] * o.u if inner < o.u else 0.0
    return o.ratio(output) * (relative / form.u)


def _probable(o: Observation) -> float:
    """The bound for independent roundings, as in `error_bounds`."""
    return 8 + 2 * math.sqrt(o.terms.m)


def _lost(seen: Sequence[Observation], output: str, within: str, residual: float) -> Diagnosis:
    return Diagnosis(
        LOST, "the right numbers, but for a few digits",
        "form no power of n beyond what is needed, and no difference of large numbers; divide last",
        f"{within}, in {counted(len(seen), 'case')}", (output,), residual,
    )
