"""Is it the right answer with one thing more: a factor, a term, a rough root, a clipped gain?

Each has a number in it, which is measured, and then has to reproduce every answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes.table import RIGHT
from ..mistakes.terms import LIMITS
from ..reference.slices import Slices
from .observation import Candidate, Diagnosis, Observation, differs, fits
from .span import coefficients, rows_of

__all__ = ["NAMES", "all_scaled", "modified"]

SCALED = {
    "w_scaled": (
        "w = {c} g v/n, and its own gradient", "take the factor out of w: w = g v/n",
    ),
    "loss_scale": (
        "v_bar and g_bar {c} times what they should be", "divide by the scale of the loss again",
    ),
    "divided_by_batch": (
        "v_bar and g_bar divided by {n}",
        "divide the loss by the size of the batch: then w_bar has the division in it already",
    ),
}
ADDED = {
    "weight_decay": "leave the decay to the optimiser: a pullback gives the gradient of the loss",
    "constant_added": "take the constant out: a pullback is linear in w_bar",
}
ROUGH, CLIPPED, CUT, STEPPED = "rough_norm", "gain_clipped", "clipped", "stepped"
NAMES = (*SCALED, *ADDED, ROUGH, CLIPPED, CUT, STEPPED)
ROUGHEST = 2.0**-6  # of a table, or a fast reciprocal root


def _named(
    seen: Sequence[Observation], output: str, candidate: Candidate, id: str, text: str, fix: str
) -> list[Diagnosis]:
    """The diagnosis, where the candidate reproduces every number, and is not the truth."""
    residual = fits(seen, output, candidate)
    if residual == math.inf or not differs(seen, output, candidate):
        return []
    cases = counted(len(seen), "case")
    return [Diagnosis(
        id, text, fix, f"reproduces {output} in {cases}, to rounding", (output,), residual
    )]


# ---- one factor for all -------------------------------------------------------------------------


def all_scaled(
    seen: dict[str, list[Observation]], observations: Sequence[Observation]
) -> Diagnosis | None:
    """One constant factor in all that is wrong: in w and its gradient, or in both gradients."""
    outputs = tuple(seen)
    if not {"v_bar", "g_bar"} <= {*outputs}:
        return None
    factors = [_factor(seen[output], output) for output in outputs]
    c = factors[0]
    if c is None or any(x is None or abs(x - c) > 1e-3 * abs(c) for x in factors):
        return None
    near = Fraction(c).limit_denominator(4096)
    c = float(near) if abs(float(near) - c) <= 1e-4 * abs(c) else c
    id = _kind(c, "w" in outputs)
    residuals = [
        fits(some, output, lambda o, output=output: c * o.expected[output])  # type: ignore[misc]
        for output, some in seen.items()
    ]
    if id is None or max(residuals) == math.inf:
        return None
    text, fix = SCALED[id]
    return Diagnosis(
        id, text.format(c=f"{c:g}" if c != -1 else "-1", n=f"{1 / c:g}"), fix,
        f"one factor in {', '.join(outputs)}, in {counted(len(observations), 'case')}", outputs,
        max(residuals),
    )


def _kind(c: float, in_w: bool) -> str | None:
    if in_w:
        return "w_scaled"
    if c >= 8 and math.log2(c).is_integer():
        return "loss_scale"
    return "divided_by_batch" if 0 < c < 0.6 and abs(1 / c - round(1 / c)) < 1e-6 else None


def _factor(seen: Sequence[Observation], output: str) -> float | None:
    """The constant that most entries agree on."""
    with np.errstate(all="ignore"):
        found = np.concatenate([
            np.ravel(o.got[output] / o.expected[output])[np.ravel(
                abs(o.expected[output]) > 1e3 * o.allowed[output]
            )] for o in seen
        ])
    found = found[np.isfinite(found)]
    return float(np.median(found)) if found.size > 4 else None


# ---- one output ---------------------------------------------------------------------------------


def modified(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The diagnosis of an added term, of clipping, or of a rough root; [] where none fits."""
    for search in (_added, _stepped, _clipped, _rough, _cut_off, _shortened):
        found = search(seen, output)
        if found:
            return found
    return []


def _added(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """A constant times an input, or alone, that was added."""
    gain = output == "g_bar"
    terms: dict[str, tuple[str, Callable[[Observation], Any]]] = {
        "g" if gain else "v": ("weight_decay", lambda o: o.g if gain else o.v),
        "w": ("weight_decay", lambda o: o.terms.w()),
        "sign(g)" if gain else "sign(v)": (
            "weight_decay", lambda o: np.sign(o.g if gain else o.v),
        ),
        "": ("constant_added", lambda o: np.ones_like(o.expected[output])),
    }
    for text, (id, term) in terms.items():
        if (output == "w" and id == "weight_decay") or (gain and text == "w"):
            continue
        with np.errstate(all="ignore"):
            c = _slope(seen, output, term)
        if c is None:
            continue
        for number in dict.fromkeys((float(f"{c:.2g}"), float(f"{c:.4g}"), c)):
            size = f"{abs(number):.4g} {text}".rstrip()
            found = _named(
                seen, output, lambda o, c=number, of=term: o.expected[output] + c * of(o),  # type: ignore[misc]
                id, f"{output} = {RIGHT[output]} {'-' if number < 0 else '+'} {size}", ADDED[id],
            )
            if found:
                return found
    return []


def _slope(
    seen: Sequence[Observation], output: str, term: Callable[[Observation], Any]
) -> float | None:
    """c of got = expected + c term, where it shows best."""
    best: tuple[float, float] | None = None
    for o in seen:
        x = np.broadcast_to(term(o), o.got[output].shape)
        sure = np.abs(x) / np.where(o.allowed[output] > 0, o.allowed[output], math.inf)
        if sure.size:
            at = np.unravel_index(int(np.argmax(sure)), sure.shape)
            c = float((o.got[output][at] - o.expected[output][at]) / x[at])
            if math.isfinite(c) and c and (best is None or sure[at] > best[0]):
                best = float(sure[at]), c
    return None if best is None else best[1]


def _stepped(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The array after a step along its gradient, in place of the gradient."""
    name = output.removesuffix("_bar")
    if name == output:
        return []
    with np.errstate(all="ignore"):
        moved = [
            replace(o, expected={output: np.broadcast_to(getattr(o, name), o.got[output].shape)})
            for o in seen
        ]
        c = _slope(moved, output, lambda o: getattr(o.terms, output)())
    for number in () if c is None else (float(f"{c:.3g}"), c):
        found = _named(
            seen, output,
            lambda o, c=number: getattr(o, name) + c * o.expected[output],  # type: ignore[misc]
            STEPPED, f"{output} = {name} {'-' if number < 0 else '+'} {abs(number):.4g} "
            f"({RIGHT[output]}): {name} after a step",
            "return the gradient, and leave the step to the optimiser",
        )
        if found:
            return found
    return []


@dataclass(frozen=True)
class _Measured:
    """What the answers of one case imply, slice by slice."""

    gain: np.ndarray  # that of w, or of v_bar, times the length
    g: np.ndarray


def _measured(seen: Sequence[Observation], output: str) -> Iterator[_Measured]:
    for o in seen:
        t = o.terms
        if output == "w":
            v = rows_of(o, o.v)
            factor = (rows_of(o, o.got["w"]) * v).sum(axis=1) / (v * v).sum(axis=1)
        else:
            factor = coefficients(o, o.got["v_bar"])[0]
        yield _Measured(factor * np.ravel(t.h), np.ravel(np.broadcast_to(t.g, t.n.shape)))


def _clipped(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """w = clip(g, a, b) v/n, with or without the gradient of it."""
    with np.errstate(all="ignore"):
        if output == "g_bar":
            pairs = [
                (np.ravel(np.broadcast_to(o.g, o.got["g_bar"].shape)), np.ravel(o.got["g_bar"]))
                for o in seen
            ]
            g = np.concatenate([g for g, x in pairs])
            there = np.concatenate([x for _, x in pairs]) != 0
            if there.all() or there.sum() < 4:
                return []
            low, high = float(g[there].min()), float(g[there].max())
        else:
            found = [x for x in _measured(seen, output) if np.isfinite(x.gain).all()]
            if not found:
                return []
            gain, g = (np.concatenate([getattr(x, k) for x in found]) for k in ("gain", "g"))
            low, high = float(gain.min()), float(gain.max())
            if (abs(gain - g) <= 1e-4 * abs(g)).sum() < 4:
                return []

    def simple(x: float) -> float:
        near = float(f"{x:.3g}")
        return near if abs(near - x) <= 2e-6 * abs(x) else x

    ends = simple(low), simple(high)

    def candidate(o: Observation) -> Any:
        if output == "g_bar":
            inside = (o.g >= low) & (o.g <= high)
            return np.where(inside, o.expected["g_bar"], 0.0)
        return getattr(o.terms.at(g=np.clip(o.g, *ends)), output)()

    shown = [
        f"{x:.4g}" if x in every else word
        for x, word, every in ((ends[0], "-inf", _ends(g, ends, 0)), (ends[1], "inf",
                                                                     _ends(g, ends, 1)))
    ]
    where = f"clip(g, {', '.join(shown)})"
    text = f"w = {where} v/n" if output == "w" else f"{output} as of w = {where} v/n"
    return _named(seen, output, candidate, CLIPPED, text, "multiply by g as it is, or clip it "
                  "outside, where it is updated")


def _ends(g: np.ndarray, ends: tuple[float, float], side: int) -> tuple[float, ...]:
    """The end, where some g is beyond it."""
    beyond = g.min() < ends[0] if side == 0 else g.max() > ends[1]
    return (ends[side],) if beyond else ()


def _cut_off(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The answer, or w_bar, cut off at one of the usual limits."""
    fix = "leave clipping to the optimiser: a pullback is linear in w_bar"
    for limit in LIMITS:
        ends = -limit, limit
        candidates: dict[str, Candidate] = {
            output: lambda o, ends=ends: np.clip(o.expected[output], *ends),  # type: ignore[misc]
            "w_bar": lambda o, ends=ends: getattr(  # type: ignore[misc]
                o.terms.at(w_bar=np.clip(o.w_bar, *ends)), output)(),
        }
        for what, candidate in candidates.items():
            text = f"{output} of clip({what}, -{limit:g}, {limit:g})"
            found = _named(seen, output, candidate, CUT, text, fix)
            if found:
                return found
    return []


def _shortened(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The answer, shortened where its norm is above a limit; the norms of two show the limit."""
    norms = [(float(np.linalg.norm(o.got[output])), float(np.linalg.norm(o.expected[output])))
             for o in seen]
    limit = max((got for got, want in norms if got < want), default=math.inf)
    limit = float(f"{limit:.6g}")
    short = [abs(got - limit) <= 1e-5 * limit and want > 1.01 * got for got, want in norms]
    if not 0 < limit < math.inf or sum(short) < 3:
        return []

    def candidate(o: Observation) -> Any:
        x = o.expected[output]
        return x / max(1.0, float(np.linalg.norm(x)) / limit)

    return _named(
        seen, output, candidate, CUT, f"{output}, shortened to a norm of {limit:g} at most",
        "leave clipping to the optimiser: a pullback is linear in w_bar",
    )


def _rough(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """n, or 1/n, to a few digits only: a fast reciprocal root, or a table."""
    errors, useful = [], [o for o in seen if o.terms.m > (2 if output == "v_bar" else 0)]
    with np.errstate(all="ignore"):
        for o in useful:
            r, spread = _roughness(o, output)
            if not spread:
                return []
            errors.append(r)
    found = np.concatenate(errors) if errors else np.zeros(0)
    found = found[np.isfinite(found)]
    size = float(abs(found).max(initial=0.0))
    u = seen[0].u
    # The same everywhere is a factor, and one that fades with n an eps.
    if not 64 * u < size < ROUGHEST or found.size < 8 or np.std(found) < size / 16:
        return []
    return [Diagnosis(
        ROUGH, f"n, or 1/n, has an error of up to {size:.1g} in some slices, and that shows in "
        f"{output}",
        "take the square root of the platform, or a Newton step more after a fast reciprocal root",
        f"{output} is as it should be but for one factor near 1 in each slice, in "
        f"{counted(len(useful), 'case')}", (output,),
    )]


def _roughness(o: Observation, output: str) -> tuple[np.ndarray, bool]:
    """(relative error of 1/n in each slice, whether it explains the answer)"""
    t = o.terms
    if output == "g_bar":
        r = np.ravel(o.got["g_bar"] * t.h / t.d) - 1
        return r, True
    slices = Slices(o.v.shape, o.g.shape)
    if output == "w":
        v = rows_of(o, o.v)
        r = (rows_of(o, o.got["w"]) * v).sum(axis=1) / (v * v).sum(axis=1)
        r = r * np.ravel(t.h / t.g) - 1
        found = (1 + r).reshape(slices.g_shape) * t.w()
        return r, o.distance("w", np.where(np.isfinite(found), found, o.got["w"])) <= 1
    a, b, _ = coefficients(o, o.got["v_bar"])
    a, b = a.reshape(slices.g_shape), b.reshape(slices.g_shape)
    found = a * o.w_bar - b * o.v
    r = np.ravel(a * t.h / t.g) - 1
    A, B, _ = coefficients(o, t.v_bar())
    s = np.ravel(b) / B - 1
    # Where w_bar is along v, or across it, the two cannot be told apart, or one is not there.
    clear = (rest_of(o, A, B) > 2.0**-6) & np.isfinite(r) & np.isfinite(s)
    near = o.distance("v_bar", np.where(np.isfinite(found), found, o.got["v_bar"])) <= 1
    return r[clear], near and bool((abs(s[clear]) < 4 * ROUGHEST).all())


def rest_of(o: Observation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How much of v_bar, and of the smaller of its terms, the larger one leaves in each slice."""
    sizes = [np.sqrt((rows_of(o, x) ** 2).sum(axis=1)) for x in (o.terms.v_bar(), o.w_bar, o.v)]
    return np.minimum(sizes[0], abs(b) * sizes[2]) / (abs(a) * sizes[1])
