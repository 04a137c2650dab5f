"""From wrong numbers of a layer to the wrong step.

For each answer that is wrong, every row of `LAYER_MISTAKES` is tried, and for y and x_bar every
mistake of `CATALOGUE` in w; a name is given only if it reproduces all that was seen, to rounding.
Then, in this order:

    weight     the layer's own w is measured from y, and diagnosed; v_bar and g_bar are diagnosed
               with the true w_bar of the layer as their cotangent
    factors    the right answer times one number, plus weight decay, or after a step of training
    digits     right for integers, and elsewhere right to the digits of float32 or float16
    unknown    the features that the wrong cases and entries share

One mistake that explains several answers comes before one for each.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...terminal import counted
from ..diagnosis import diagnose
from ..diagnosis.digits import LOST, LOW
from ..diagnosis.eps import MISSING
from ..diagnosis.observation import SLACK, Diagnosis, Observation
from ..diagnosis.sizes import OF_SHAPES
from ..diagnosis.unknown import AXIS, UNKNOWN
from ..mistakes import CATALOGUE
from ..mistakes.layer_terms import ANSWERS, LayerMistake, LayerTerms, Rule
from ..mistakes.layers import LAYER_MISTAKES, through
from ..mistakes.terms import Terms
from ..reference.rounding import Format

__all__ = ["LAYER_NAMES", "Seen", "diagnose_layer"]

Array = np.ndarray
FACTOR, DECAY, STEPPED = "constant_factor", "weight_decay", "stepped_before_x_bar"
STEP = "stepped"  # the weights after a step, in place of their gradient
LAYER_NAMES = (*(m.id for m in LAYER_MISTAKES), FACTOR, DECAY, STEPPED, STEP)
VAGUE = 3  # the rank of a diagnosis without a formula
OF_FACTORS = {  # (formula, fix) of a constant factor
    0.0: ("{} is zero everywhere", "compute it, and write it where it is read"),
    -1.0: ("{} has the wrong sign", "turn the sign; a step is subtracted: w -= lr * w_bar"),
}
RATES = (2.0**30, 1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 1e-4)


def _unmeasured() -> None:
    """No weight: the layer cannot be asked again."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The answers of one case, in torch's layout; v_bar and g_bar as the view of the weight."""

    id: str
    group: str
    terms: LayerTerms
    got: dict[str, Array]
    expected: dict[str, Array]
    allowed: dict[str, Array]
    dtype: str
    exact: bool
    features: frozenset[str] = frozenset()
    measure: Callable[[], Array | None] = _unmeasured  # the layer's own w, from y

    def wrong(self, output: str) -> Array:
        """Mask of wrong entries; all of them where the shape is another."""
        got, want = self.got[output], self.expected[output]
        if got.shape != want.shape:
            return np.ones(want.shape, bool)
        tol = self.allowed[output]
        with np.errstate(all="ignore"):
            bad = ~(np.abs(got - want) <= tol) & ~(np.isnan(want) | ~np.isfinite(tol))
        return bad & (got != want)

    def bad(self, output: str) -> bool:
        """Whether the answer is there and an entry of it is wrong."""
        return output in self.got and bool(self.wrong(output).any())

    def near(self, output: str, candidate: Any) -> bool:
        """Whether the answer is the candidate, to the rounding of both."""
        got, candidate = self.got[output], np.asarray(candidate)
        if got.shape != candidate.shape:
            if [n for n in got.shape if n != 1] != [n for n in candidate.shape if n != 1]:
                return False
            candidate = candidate.reshape(got.shape)
        allowed = self.allowed[output]
        if allowed.shape != got.shape:
            allowed = allowed.max(initial=0.0)
        u = Format.of(self.dtype).u
        with np.errstate(all="ignore"):
            size = np.abs(np.where(np.isfinite(candidate), candidate, 0.0)).max(initial=0.0)
            tol = SLACK * np.maximum(allowed, 64 * u * size)
            both = (got == candidate) | (np.isnan(got) & np.isnan(candidate))
            return bool((both | (np.abs(got - candidate) <= tol)).all())


@dataclass(frozen=True)
class Found:
    """A name for one answer. rank: 0 and 1 for formulas of the catalogues, 2 for fitted numbers."""

    id: str
    formula: str
    fix: str
    seen_in: str
    evidence: str
    rank: int


def diagnose_layer(seen: Sequence[Seen]) -> tuple[list[Diagnosis], bool]:
    """The names, and whether they are alternatives, of which only one can be right."""
    failing = [output for output in ANSWERS if any(s.bad(output) for s in seen)]
    names = {output: _of_layer(seen, output) for output in failing}
    missing = [output for output in failing if not names[output]]
    of_weight: dict[str, list[Found]] = {}
    if missing and seen[0].terms.norm is not None:
        of_weight = _of_weight(seen, missing)
    for output in missing:
        names[output] = (
            [f for f in of_weight.get(output, []) if f.rank < VAGUE]
            or _fitted(seen, output) or _digits(seen, output) or of_weight.get(output, [])
        )
    return _combined(seen, names)


# ---- the catalogue ------------------------------------------------------------------------------


def _plain(t: LayerTerms) -> Terms | None:
    """Weight norm without eps, where it is declared with one."""
    if t.norm is None or t.norm.form == "plain":
        return None
    return replace(t.norm, form="plain", eps=0.0).terms(t.w_bar())


def _without_eps(output: str) -> Rule:
    def rule(t: LayerTerms) -> Any:
        terms = _plain(t)
        return None if terms is None else getattr(terms, output)()

    return rule


def _w_without_eps(t: LayerTerms) -> Any:
    w = _without_eps("w")(t)
    return None if w is None or t.norm is None else t.norm.to_weight(w)


_NO_EPS = LayerMistake(
    MISSING, "h = n, without eps", "divide by the declared length h",
    "your length has no eps; one is declared",
    through(_w_without_eps) | {name: (_without_eps(name),) for name in ("v_bar", "g_bar")},
)


@functools.cache
def _rows() -> tuple[tuple[LayerMistake, int], ...]:
    """The layers' mistakes, then those of w, which a layer shows in y and x_bar."""
    rows = [(m, 0) for m in (_NO_EPS, *LAYER_MISTAKES)]
    for m in CATALOGUE:
        if "w" in m.where:
            rules = through(functools.partial(_wrong_w, m))
            rows.append((LayerMistake(m.id, m.formula, m.fix, m.sentence, rules, m.seen_in), 1))
    return tuple(rows)


def _wrong_w(m: Any, t: LayerTerms) -> Array | None:
    if t.norm is None:
        return None
    return t.weight(lambda terms: m.output("w", terms))


def _of_layer(seen: Sequence[Seen], output: str) -> list[Found]:
    relevant = sorted((s for s in seen if output in s.got), key=lambda s: not s.bad(output))
    normalised = seen[0].terms.norm is not None
    found = []
    for m, rank in _rows():
        if any(_explains(rule, relevant, output) for rule in m.variants(output, normalised)):
            size = sum(s.got[output].size for s in relevant)
            evidence = (
                f"reproduces {size} values of {output} in {counted(len(relevant), 'case')}"
            )
            found.append(Found(m.id, m.formula, m.fix, m.seen_in, evidence, rank))
    best = min((f.rank for f in found), default=0)
    return [f for f in found if f.rank == best]


def _explains(rule: Rule, seen: Sequence[Seen], output: str) -> bool:
    for s in seen:
        with np.errstate(all="ignore"):
            try:
                candidate = rule(s.terms)
            except (ValueError, IndexError):  # the mistake cannot be made in these sizes
                candidate = None
        if candidate is None:
            if s.bad(output):
                return False
        elif not s.near(output, candidate):
            return False
    return True


# ---- the weight ---------------------------------------------------------------------------------


def _of_weight(seen: Sequence[Seen], outputs: Sequence[str]) -> dict[str, list[Found]]:
    """What the diagnosis of weight normalisation says, where it has a name."""
    found: dict[str, list[Found]] = {}
    behind = [o for o in outputs if o in ("v_bar", "g_bar")]
    if behind:
        found |= _named(_observations(seen, behind), behind)
    if "y" in outputs:
        measured = {s.id: s.measure() for s in seen if "y" in s.got}
        if measured and all(w is not None for w in measured.values()):
            observations = list(_of_w(seen, measured))
            named = _named(observations, ["w"]).get("w", [])
            if named:
                found["y"] = named
                if "x_bar" in outputs and all(
                    s.near("x_bar", s.terms.x_bar(w=measured[s.id]))
                    for s in seen if "x_bar" in s.got
                ):
                    found["x_bar"] = named
    return found


def _observations(seen: Sequence[Seen], outputs: Sequence[str]) -> list[Observation]:
    found = []
    for s in seen:
        t, norm = s.terms, s.terms.norm
        names = [o for o in outputs if o in s.got and s.got[o].shape == s.expected[o].shape]
        if norm is None or not names:
            continue
        parts = ({k: x[k] for k in names} for x in (s.got, s.expected, s.allowed))
        found.append(_observation(s, norm.to_view(t.w_bar()), *parts))
    return found


def _of_w(seen: Sequence[Seen], measured: dict[str, Any]) -> Iterator[Observation]:
    for s in seen:
        norm = s.terms.norm
        if norm is not None and s.id in measured:
            w, true = norm.to_view(measured[s.id]), norm.to_view(s.terms.w)
            room = np.full(w.shape, 1e-11 * np.abs(true).max(initial=0.0))
            w_bar = norm.to_view(s.terms.w_bar())
            yield replace(
                _observation(s, w_bar, {"w": w}, {"w": true}, {"w": room}), dtype="float64"
            )


def _observation(s: Seen, w_bar: Array, got: Any, expected: Any, allowed: Any) -> Observation:
    norm, group = s.terms.norm, {"integers": "dyadic", "reals": "generic"}.get(s.group, s.group)
    assert norm is not None
    return Observation(
        s.id, group, norm.v, norm.g, w_bar, norm.axes, got, expected, allowed, norm.form, norm.eps,
        ("exact",) if s.exact else (), s.dtype,
    )


def _named(observations: list[Observation], outputs: Sequence[str]) -> dict[str, list[Found]]:
    """What the diagnosis of weight normalisation names, without unknown mistakes and wrong axes."""
    # Divisions by an entry or a part of v that is 0 hide the formula they belong to.
    finite = [o for o in observations if all(np.isfinite(x).all() for x in o.got.values())]
    if not finite:
        return {}
    diagnoses, _ = diagnose(finite)
    found: dict[str, list[Found]] = {}
    for d in diagnoses:
        for output in d.outputs:
            # The few shapes of a layer's cases do not tell what a mistake depends on.
            if output in outputs and d.id not in (UNKNOWN, AXIS, "coefficient", *OF_SHAPES):
                evidence = f"behind a right w_bar: {d.evidence}" if output != "w" else d.evidence
                rank = VAGUE if d.id.startswith("coefficient") else 1
                made = Found(d.id, d.formula, d.fix, d.seen_in, evidence, rank)
                found.setdefault(output, []).append(made)
    return found


# ---- numbers that are fitted --------------------------------------------------------------------


def _fitted(seen: Sequence[Seen], output: str) -> list[Found]:
    relevant = [
        s for s in seen if output in s.got and s.got[output].shape == s.expected[output].shape
    ]
    if len(relevant) < len([s for s in seen if output in s.got]):
        return []
    for name, formula, fix, part in _parts(output):
        c = _one_number(relevant, output, part)
        if c is not None:
            text = formula.format(f"{c + 1 if name == FACTOR else c:.4g}")
            if name == FACTOR and round(c + 1, 9) in OF_FACTORS:
                formula, fix = OF_FACTORS[round(c + 1, 9)]
                text = formula.format(output)
            return [Found(name, text, fix, "", f"one number for {counted(len(relevant), 'case')}",
                          2)]
    own = _of_terms(OWN.get(output, lambda t: None))
    if all(own(s) is not None for s in relevant):
        c = _one_number(relevant, output, lambda s: s.expected[output], own)
        if c is not None:
            name = output.removesuffix("_bar")
            return [Found(
                STEP, f"{output} is {name} after a step of rate {-c:.4g}, and no gradient",
                "return the gradient, and leave the step to the optimiser", "W - lr * dW",
                f"one rate for {counted(len(relevant), 'case')}", 2,
            )]
    if output == "x_bar":
        for rate in RATES:
            if all(any(s.near(output, x) for x in _stepped(s.terms, rate)) for s in relevant):
                return [Found(
                    STEPPED, f"x_bar is that of the weights after a step of rate {rate:g}",
                    "compute x_bar before the weights are changed", "backward(grad, lr)",
                    f"one rate for {counted(len(relevant), 'case')}", 2,
                )]
    return []


def _parts(output: str) -> Iterator[tuple[str, str, str, Callable[[Seen], Any]]]:
    """(name, formula, fix, what is added to the right answer, times one number)"""
    yield (
        FACTOR, f"{output} is {{}} times what it should be",
        "leave the factor out", lambda s: s.expected[output],
    )
    if output == "y":
        yield (
            FACTOR, "the bias is {} times in y", "add b once, as it is",
            _of_terms(lambda t: None if t.b is None else t.y() - t.y(b=None)),
        )
    decayed = {output.removesuffix("_bar"): OWN[output]} if output in OWN else {}
    if output == "v_bar":
        decayed["w"] = lambda t: t.norm and t.norm.to_view(t.w)
    for name, make in decayed.items():
        yield (
            DECAY, f"{{}} {name} is added to {output}: weight decay",
            "leave weight decay to the optimiser", _of_terms(make),
        )


def _of_terms(make: Callable[[LayerTerms], Any]) -> Callable[[Seen], Any]:
    return lambda s: make(s.terms)


OWN: dict[str, Callable[[LayerTerms], Any]] = {  # the array that a gradient is of
    "w_bar": lambda t: t.w, "b_bar": lambda t: t.b,
    "v_bar": lambda t: t.norm and t.norm.v, "g_bar": lambda t: t.norm and t.norm.g,
}


def _one_number(
    seen: Sequence[Seen], output: str, part: Callable[[Seen], Any],
    start: Callable[[Seen], Any] | None = None,
) -> float | None:
    """c such that every answer is the right one, or a start, plus c times a part."""
    c = None
    for s in seen:
        base, first = part(s), s.expected[output] if start is None else start(s)
        if base is None or not np.abs(base).max(initial=0.0):
            if s.bad(output):
                return None
            continue
        if c is None:
            at = int(np.abs(base).argmax())
            c = float((s.got[output] - first).flat[at] / base.flat[at])
            if not math.isfinite(c) or abs(c) < 1e-9:
                return None
            written = (float(f"{c:.{digits}g}") for digits in (2, 3, 6))
            c = next((x for x in written if s.near(output, first + x * base)), c)
        if not s.near(output, first + c * base):
            return None
    return c


def _stepped(t: LayerTerms, rate: float) -> Iterator[Array]:
    """x_bar after a step, by sums over the batch and by means."""
    for n in (1, t.n):
        w_bar = t.w_bar() / n
        if t.norm is None:
            yield t.x_bar(w=t.w - rate * w_bar)
            continue
        terms = t.norm.terms(w_bar)
        v, g = t.norm.v - rate * terms.v_bar(), t.norm.g - rate * terms.g_bar()
        moved = Terms(v, g, terms.w_bar, t.norm.axes, t.norm.form, t.norm.eps)
        yield t.x_bar(w=t.norm.to_weight(moved.w()))


def _digits(seen: Sequence[Seen], output: str) -> list[Found]:
    """The name of lost digits: answers that are right for integers, and inexact for reals."""
    relevant = [s for s in seen if output in s.got]
    if any(s.got[output].shape != s.expected[output].shape for s in relevant):
        return []
    if any(s.bad(output) for s in relevant if s.exact):
        return []
    u, worst = Format.of(relevant[0].dtype).u, 0.0
    for s in relevant:
        with np.errstate(all="ignore"):
            off = np.abs(s.got[output] - s.expected[output]) / s.allowed[output]
        worst = max(worst, float(np.where(np.isnan(off), 0.0, off).max(initial=0.0)))
    if worst <= SLACK:
        text, name = "the right numbers, but for a few digits", LOST
    elif worst <= 2.0**-24 / u:
        text, name = "the right numbers, with the digits of float32", LOW
    elif worst <= 2.0**-11 / u:
        text, name = "the right numbers, with the digits of float16", LOW
    else:
        return []
    fix = "keep the dtype of x from the first line to the last, and in every sum"
    return [Found(name, text, fix, "", f"at most {worst:.2g} times what rounding may do", 2)]


# ---- one mistake for several answers ------------------------------------------------------------


def _combined(
    seen: Sequence[Seen], names: dict[str, list[Found]]
) -> tuple[list[Diagnosis], bool]:
    left, result, ambiguous = dict(names), [], False
    while any(left.values()):
        shares: dict[tuple[str, str], list[str]] = {}
        for output, found in left.items():
            for f in found:
                shares.setdefault((f.id, f.formula), []).append(output)
        most = max(map(len, shares.values()))
        best = [(key, outputs) for key, outputs in shares.items() if len(outputs) == most]
        outputs = best[0][1]
        rivals = [key for key, other in best if other == outputs]
        ambiguous |= len(rivals) > 1
        for key in rivals:
            f = next(f for f in left[outputs[0]] if (f.id, f.formula) == key)
            residual = 0.0 if len(rivals) > 1 else math.nan
            result.append(Diagnosis(
                f.id, f.formula, f.fix, f.evidence, tuple(outputs), residual, f.seen_in
            ))
        left = {output: found for output, found in left.items() if output not in outputs}
    if left:
        result.append(_unknown(seen, list(left)))
    return result, ambiguous


def _unknown(seen: Sequence[Seen], outputs: list[str]) -> Diagnosis:
    """Where the errors are, in place of a name."""
    facts = [fact for output in outputs for fact in _facts(seen, output)]
    right = [o for o in ANSWERS if any(o in s.got for s in seen) and o not in outputs
             and not any(s.bad(o) for s in seen)]
    if right:
        facts.append(f"{', '.join(right)}: right")
    return Diagnosis(
        UNKNOWN, f"{', '.join(outputs)}: wrong in a way that is in no catalogue",
        "compare with the definition: y[p] = sum_k w[k] x[stride p + dilation k - padding] + b",
        "; ".join(facts), tuple(outputs),
    )


WORDS = {
    "remainder": "a stride leaves a remainder", "kernel": "the kernel is not square",
    "size": "x is not square",
}
AXES = ("sample", "channel")


def _facts(seen: Sequence[Seen], output: str) -> Iterator[str]:
    relevant = [s for s in seen if output in s.got]
    bad = [s for s in relevant if s.bad(output)]
    good = [s for s in relevant if not s.bad(output)]
    if good:
        common = frozenset.intersection(*(s.features for s in bad))
        told = [f for f in common if not any(f in s.features for s in good)]
        where = f"only where {' and '.join(WORDS[f] for f in told)}" if told else (
            f"in {', '.join(s.id for s in bad[:4])}, not in {', '.join(s.id for s in good[:4])}"
        )
        yield f"{output} is wrong {where}"
    shapes = [s for s in bad if s.got[output].shape != s.expected[output].shape]
    if shapes:
        s = shapes[0]
        yield f"{output} has shape {s.got[output].shape}, not {s.expected[output].shape}"
        return
    if not any(np.isfinite(s.got[output][s.wrong(output)]).any() for s in bad):
        yield f"the wrong entries of {output} are NaN or infinite; is an entry of v or x 0 there?"
        return
    for axis, side in itertools.product(range(bad[0].expected[output].ndim), ("first", "last")):
        if all(_only_at(s.wrong(output), axis, side) for s in bad):
            image = output in ("y", "x_bar") and axis < 2
            place = AXES[axis] if image else f"index along axis {axis}"
            yield f"{output} is wrong at the {side} {place} alone"
            return
    if all(s.wrong(output).all() for s in bad):
        yield f"every entry of {output} is wrong in these cases" if good else (
            f"every entry of {output} is wrong"
        )


def _only_at(wrong: Array, axis: int, side: str) -> bool:
    if wrong.shape[axis] < 2:
        return False
    at = 0 if side == "first" else wrong.shape[axis] - 1
    rest = np.delete(wrong, at, axis=axis)
    return not rest.any()
