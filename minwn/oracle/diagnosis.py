"""From wrong numbers to the wrong term.

Four questions, in this order, each asked of all the evidence at once:

    catalogue    is it, entry by entry, a formula of the catalogue, a form with an undeclared eps,
                 or the right answer permuted or computed from permuted inputs?
    index        are only some entries wrong, and always the same ones?
    span         is each slice of v_bar a w_bar - b v? Then a and b are compared with the right ones
                 and fitted: c n^p g^q m^r, and b also with other sums in place of <w_bar, v>
    precision    is it the right answer with the digits of a narrower dtype?

A name is given only if what it stands for reproduces every number seen, to rounding. Where several
do, all are given; where none does, the answer is "axis/index" if slices or entries are told apart
that should not be, and "unknown" otherwise.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from .mistakes import CATALOGUE, OUTPUTS, Mistake, Terms

__all__ = ["Diagnosis", "Observation", "diagnose"]

SLACK = 4.0  # a candidate is computed in float64, and both it and the answer are rounded


@dataclass(frozen=True)
class Diagnosis:
    """One name for what is wrong. residual: the worst |got - formula| in units of rounding."""

    id: str
    formula: str
    fix: str
    evidence: str
    outputs: tuple[str, ...]
    residual: float = math.nan
    seen_in: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "id": self.id, "formula": self.formula, "fix": self.fix, "evidence": self.evidence,
            "outputs": list(self.outputs), "seen_in": self.seen_in,
            "residual": self.residual if math.isfinite(self.residual) else None,
        }  # fmt: skip


@dataclass(frozen=True)
class Observation:
    """One case: what was got, expected, and allowed, per output, in float64."""

    id: str
    group: str
    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray
    axes: tuple[int, ...] | None
    got: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    allowed: dict[str, np.ndarray]
    form: str = "plain"
    eps: float = 0.0
    flags: tuple[str, ...] = ()
    dtype: Any = np.float64

    @cached_property
    def terms(self) -> Terms:
        return Terms(self.v, self.g, self.w_bar, self.axes, self.form, self.eps)

    @property
    def u(self) -> float:
        return float(np.finfo(self.dtype).eps) / 2

    def ratio(self, output: str) -> np.ndarray:
        """|got - expected| in units of what is allowed, entry by entry; inf for NaN."""
        return self._ratio(output, self.expected[output], self.allowed[output])

    def wrong(self, output: str) -> np.ndarray:
        return self.ratio(output) > 1

    def distance(self, output: str, candidate: np.ndarray) -> float:
        """The worst |got - candidate| in units of what rounding may do to either."""
        t, allowed = self.terms, self.allowed[output]
        candidate = np.broadcast_to(candidate, self.got[output].shape)
        size = np.abs(candidate)
        if output != "g_bar" and size.size:
            size = size.max(axis=t.reduced, keepdims=True, initial=0.0)
        room = SLACK * np.maximum(allowed, (2.5 * t.m + 8) * self.u * size)
        return float(self._ratio(output, candidate, room).max(initial=0.0))

    def _ratio(self, output: str, reference: np.ndarray, room: np.ndarray) -> np.ndarray:
        got = self.got[output]
        with np.errstate(all="ignore"):
            error = np.abs(got - reference)
            r = np.where((error == 0) | (got == reference), 0.0, error / room)
        return np.where(np.isnan(r), np.inf, r)


Candidate = Callable[[Observation], Any]  # the array a formula gives, or None where it has none


def fits(evidence: Sequence[Observation], output: str, candidate: Candidate) -> float:
    """The worst distance over the evidence; inf where the candidate does not fit."""
    worst = 0.0
    for o in evidence:
        with np.errstate(all="ignore"):
            array = candidate(o)
        if array is None:
            return math.inf
        worst = max(worst, o.distance(output, array))
        if worst > 1:
            return math.inf
    return worst


def diagnose(
    observations: Sequence[Observation],
    broken: Sequence[str] = (),
    *,
    forward_right: bool | None = None,
) -> tuple[list[Diagnosis], bool]:
    """The names, most likely first, and whether they are rivals of which only one can be right.

    broken: the ids of the laws that failed. forward_right: whether w was judged right; None where
    there was no forward.
    """
    evidence = [o for o in observations if o.terms.m > 1 and _telling(o)]
    evidence = evidence or list(observations)
    failing = [o for o in OUTPUTS if any(o in e.got and e.wrong(o).any() for e in observations)]
    if not failing:
        return [], False
    alone = _only_in_one_group(observations, failing)
    if alone:
        return [alone], False
    found: dict[str, list[Diagnosis]] = {}
    for output in failing:
        seen = [o for o in evidence if output in o.got]
        if not any(o.wrong(output).any() for o in seen):
            seen = [o for o in observations if output in o.got]
        found[output] = _explain(seen, output, broken, forward_right) if seen else []
    return _combine(found, evidence)


def _telling(o: Observation) -> bool:
    return o.group not in ("range", "long", "angle", "undefined", "layout")


def _explain(
    seen: Sequence[Observation], output: str, broken: Sequence[str], forward_right: bool | None
) -> list[Diagnosis]:
    rounded = _rounding(seen, output)
    if rounded:
        return rounded
    for search in (_closed, _permuted, _eps):
        found = search(seen, output)
        if found and search is _eps and output != "w" and forward_right:
            return [replace(d, id="eps_in_bwd_only") for d in found]
        if found:
            return found
    for one in (_masked, _span, _narrow):
        found = one(seen, output)
        if found:
            return found
    return [_unknown(seen, output, broken)]


def _combine(
    found: dict[str, list[Diagnosis]], evidence: Sequence[Observation]
) -> tuple[list[Diagnosis], bool]:
    """One mistake that explains every failing output, before one for each."""
    lists = [d for d in found.values() if d]
    if not lists:
        return [], False
    shared = [d for d in lists[0] if all(any(d.id == e.id for e in rest) for rest in lists[1:])]
    if shared:
        shared = [replace(d, outputs=tuple(found)) for d in shared]
        exact = [d for d in shared if not _denied(d, evidence)]
        shared = exact or shared
        return shared, len({d.id for d in shared}) > 1
    ambiguous = False
    result: list[Diagnosis] = []
    for rivals in lists:
        exact = [d for d in rivals if not _denied(d, evidence)] or rivals
        ambiguous |= len({d.id for d in exact}) > 1
        result += exact
    return result, ambiguous


def _denied(d: Diagnosis, evidence: Sequence[Observation]) -> bool:
    """Whether the mistake would show in an output where it does not."""
    mistake = next((m for m in CATALOGUE if m.id == d.id), None)
    if mistake is None:
        return False
    for output in set(mistake.where) - set(d.outputs):
        seen = [o for o in evidence if output in o.got]
        if seen and fits(seen, output, _of(mistake, output)) == math.inf:
            return True
    return False


# ---- catalogue ----------------------------------------------------------------------------------


def _of(mistake: Mistake, output: str) -> Candidate:
    return lambda o: mistake.output(output, o.terms)


def _closed(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    found: list[tuple[float, bytes, Mistake]] = []
    for mistake in CATALOGUE:
        if output not in mistake.rules:
            continue
        residual = fits(seen, output, _of(mistake, output))
        if residual == math.inf or not _differs(seen, output, _of(mistake, output)):
            continue
        # Two descriptions of one computation, such as "the last axis" and "axis 1" of a matrix.
        digest = b"".join(np.asarray(mistake.output(output, o.terms)).tobytes() for o in seen)
        if not any(digest == other and mistake.family == m.family != "" for _, other, m in found):
            found.append((residual, digest, mistake))
    found.sort(key=lambda entry: entry[0] > 0.5)
    count = sum(o.got[output].size for o in seen)
    return [
        Diagnosis(
            m.id, m.formula, m.fix,
            f"reproduces {count} values of {output} in {len(seen)} cases, to {r:.2g} of rounding",
            (output,), r, m.seen_in,
        )
        for r, _, m in found
    ]  # fmt: skip


def _differs(seen: Sequence[Observation], output: str, candidate: Candidate) -> bool:
    """Whether the candidate is not the truth itself on this evidence."""
    for o in seen:
        truth = replace(o, got={output: o.expected[output]})
        array = candidate(o)
        if array is not None and truth.distance(output, array) > 1:
            return True
    return False


def _permuted(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right answer in other places, or from inputs in other places."""
    found = []
    rank = max(o.v.ndim for o in seen)
    moves: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = []
    for a in (*range(min(rank, 3)), -1, -2):
        for by in (1, -1):
            roll = functools.partial(np.roll, shift=by, axis=a)
            moves.append((f"rolled by {by:+d} along axis {a}", roll))
        moves.append((f"reversed along axis {a}", functools.partial(np.flip, axis=a)))
    moves.append(("read in column order", lambda x: x.T.reshape(x.shape)))
    moves.append(("read in row order from column order", lambda x: x.reshape(x.T.shape).T))
    for (text, move), what in itertools.product(moves, (output, "v", "w_bar", "g")):
        if what != output and (output == "w" and what == "w_bar"):
            continue

        def candidate(o: Observation, move: Any = move, what: str = what) -> Any:
            try:
                if what == output:
                    return move(o.expected[output])
                given = {"v": o.v, "g": o.g, "w_bar": o.w_bar}
                given[what] = move(given[what])
                t = Terms(given["v"], given["g"], given["w_bar"], o.axes, o.form, o.eps)
                return getattr(t, output)()
            except (ValueError, IndexError):
                return None

        useful = [o for o in seen if candidate(o) is not None]
        if useful and len(useful) * 2 >= len(seen):
            residual = fits(useful, output, candidate)
            if residual < math.inf and _differs(useful, output, candidate):
                word = text.split()[0] if "order" not in text else "transposed"
                found.append(
                    Diagnosis(
                        f"{what}_{word}", f"{what} is {text}", f"the index or the order of {what}",
                        f"the right {output}, with {what} {text}, in {len(useful)} cases",
                        (output,), residual,
                    )
                )  # fmt: skip
        if found:
            break
    return found


# ---- eps ----------------------------------------------------------------------------------------

_EPS = {
    "inside": ("eps_inside", "h = sqrt(n^2 + eps)", lambda h, n, k: h * h - n * n),
    "outside": ("eps_outside", "h = n + eps", lambda h, n, k: h - n),
    "max_n": ("eps_max", "h = max(n, eps)", lambda h, n, k: h),
    "rms": ("eps_rms", "h = n / sqrt(m) + eps", lambda h, n, k: h - n / np.sqrt(k)),
}


def _eps(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """Another form, its eps measured on the shortest slice and tried on all."""
    lengths = _lengths_seen(seen, output)
    found: list[Diagnosis] = []
    if seen[0].form != "plain":
        tried = _try_eps(seen, output, "plain", 0.0)
        found += [replace(d, id="eps_missing", formula="h = n, without eps") for d in tried]
    for h, n, k in lengths:
        for form, (name, text, solve) in _EPS.items():
            with np.errstate(all="ignore"):
                eps = solve(h, n, k)
            order = np.argsort(n)[:5]
            least = 64 * seen[0].u * (n * n if form == "inside" else n)
            measured = eps[order][np.isfinite(eps[order]) & (eps > least)[order]]
            if not measured.size:
                continue
            for value in _rounded(float(measured[0])):
                tried = _try_eps(seen, output, form, value)
                if tried:
                    found += [
                        replace(d, id=name, formula=f"{text}, eps = {value:.4g}") for d in tried
                    ]
                    break
            if found:
                return found[:1]
    return found[:1]


def _lengths_seen(
    seen: Sequence[Observation], output: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(h, n, m) per slice, as the answers imply: h from the factor, and from what d is over."""
    first, second, ns, ms = [], [], [], []
    for o in seen:
        t = o.terms
        n, g, d = (np.ravel(x) for x in (t.n, t.g, t.d))
        with np.errstate(all="ignore"):
            if output == "g_bar":
                first.append(d / np.ravel(o.got["g_bar"]))
            elif output == "w":
                first.append(abs(g) * n / np.sqrt((_slices(o, o.got["w"]) ** 2).sum(axis=1)))
            else:
                a, b, _ = _coefficients(o, o.got["v_bar"])
                first.append(g / a)
                second.append(np.sqrt(g * d / (n * b)))
        ns.append(n)
        ms.append(np.full(n.shape, t.m))
    n, m = np.concatenate(ns), np.concatenate(ms)
    yield np.concatenate(first), n, m
    if second:
        yield np.concatenate(second), n, m


def _rounded(eps: float) -> Iterator[float]:
    """The number that was probably written: few digits first."""
    for digits in (0, 1, 2):
        yield float(f"{eps:.{digits}e}")
    yield eps


def _try_eps(seen: Sequence[Observation], output: str, form: str, eps: float) -> list[Diagnosis]:
    def terms(o: Observation) -> Terms:
        return Terms(o.v, o.g, o.w_bar, o.axes, form, eps)

    def mixed(o: Observation, factor: str, below: str) -> Any:
        t, s = terms(o), o.terms
        outer, inner = ({"h": t.h, "n": s.n}[x] for x in (factor, below))
        return s.g / outer * (s.w_bar - s.d / inner**2 * s.v)

    ways: list[tuple[str, Candidate]] = [("", lambda o: getattr(terms(o), output)())]
    if output == "v_bar":
        ways += [
            (", dh/dv taken for v/h", lambda o: mixed(o, "h", "h")),
            (", in g/h only", lambda o: mixed(o, "h", "n")),
            (", below d only", lambda o: mixed(o, "n", "h")),
        ]
    for note, way in ways:
        residual = fits(seen, output, way)
        if residual < math.inf and _differs(seen, output, way):
            return [
                Diagnosis(
                    "eps", "", f"declare form={form!r}, eps={eps:g} if it is meant; "
                    "else take it out of every line",
                    f"reproduces {output} with eps = {eps:.4g}{note}", (output,), residual,
                )
            ]  # fmt: skip
    return []


# ---- index --------------------------------------------------------------------------------------


_GROUPS = {
    "layout": (
        "layout", "the strides of an input are ignored",
        "read inputs through their strides, or copy them first: numpy.ascontiguousarray",
    ),
    "undefined": (
        "undefined_spreads", "a slice that has no answer spoils the others",
        "keep slices apart: no sum, maximum or test over more than one of them",
    ),
    "long": (
        "long_slices", "long slices lose digits, or parts of them are left out",
        "accumulate in the dtype of v at least; look at the ends of blocks",
    ),
    "angle": (
        "cancellation", "digits are lost where w_bar is nearly along v, or across it",
        "subtract once, (d/n^2) v from w_bar, and multiply afterwards",
    ),
}  # fmt: skip


def _only_in_one_group(
    observations: Sequence[Observation], failing: Sequence[str]
) -> Diagnosis | None:
    """A fault that formulas do not explain, for in every other group they are right."""
    bad = [o for o in observations if any(f in o.got and o.wrong(f).any() for f in failing)]
    groups = {o.group for o in bad}
    if len(groups) != 1 or not groups <= set(_GROUPS) or {o.group for o in observations} == groups:
        return None
    name, text, fix = _GROUPS[groups.pop()]
    flags = sorted({flag for o in bad for flag in o.flags})
    evidence = f"wrong only in {', '.join(o.id for o in bad[:4])} ({', '.join(flags[:4])})"
    return Diagnosis(name, text, fix, evidence, tuple(failing))


_SUBSETS: dict[str, Callable[[int], set[int]]] = {
    "last": lambda n: {n - 1},
    "first": lambda n: {0},
    "odd": lambda n: set(range(1, n, 2)),
    "even": lambda n: set(range(0, n, 2)),
}


def _masked(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """Only some indices along an axis are wrong, the same in every case."""
    matrices = [o for o in seen if o.got[output].ndim == 2 and min(o.v.shape) > 2]
    wrong = [(o, o.wrong(output)) for o in matrices]
    if not wrong or not any(w.any() for _, w in wrong):
        return []
    for axis, (name, subset) in itertools.product((0, 1), _SUBSETS.items()):
        if any(o.got[output].shape[axis] < 2 for o, _ in wrong):
            continue
        told = [
            (set(np.flatnonzero(w.any(axis=1 - axis)).tolist()), subset(w.shape[axis]))
            for _, w in wrong
        ]
        if not all(bad <= want for bad, want in told):
            continue
        if sum(bad == want for bad, want in told) * 2 < len(told):
            continue
        zero = all(not o.got[output][w].any() for o, w in wrong)
        slice_axis = bool(matrices[0].axes) and axis == matrices[0].axes[0]  # type: ignore[index]
        what = "row" if slice_axis else "elem"
        if axis > 0 and slice_axis:
            what = "column"
        how = "zero" if zero else "off"
        word = name.replace(" ", "_")
        return [
            Diagnosis(
                f"{word}_{what}_{how}", f"{output}: only the {name} along axis {axis}"
                + (" and these are 0" if zero else ""),
                "the range of a loop or of a block, or an index",
                f"every other entry of {output} is right in {len(wrong)} cases", (output,),
            )
        ]  # fmt: skip
    return []


# ---- span ---------------------------------------------------------------------------------------


def _slices(o: Observation, x: Any) -> np.ndarray:
    """x as (slices, entries)."""
    kept = o.axes or ()
    x = np.moveaxis(np.asarray(x, dtype="float64"), kept, range(len(kept)))
    count = math.prod(x.shape[: len(kept)])
    return x.reshape(count, -1)


def _coefficients(o: Observation, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, rest) per slice: x = a w_bar - b v + rest, by least squares."""
    x, v, w_bar = (_slices(o, y) for y in (x, o.v, o.w_bar))

    def dot(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p * q).sum(axis=1, keepdims=True)

    with np.errstate(all="ignore"):
        e = v - dot(v, w_bar) / dot(w_bar, w_bar) * w_bar
        f = w_bar - dot(v, w_bar) / dot(v, v) * v
        a, b = dot(x, f) / dot(f, f), -dot(x, e) / dot(e, e)
        rest = x - a * w_bar + b * v
    return a[:, 0], b[:, 0], rest


@dataclass(frozen=True)
class Monomial:
    """c n^p g^q m^r sign(g)^s times a sum over the slice"""

    c: float
    p: float
    q: float
    r: float
    sign: bool
    sum: str = "1"

    def __str__(self) -> str:
        c = Fraction(self.c).limit_denominator(12)
        number = str(c) if abs(float(c) - self.c) <= 1e-9 * abs(self.c) else f"{self.c:.6g}"
        powers = zip("ngm", (self.p, self.q, self.r), strict=True)
        parts = [f"{x}^{e:g}" if e != 1 else x for x, e in powers if e]
        parts += ["sign(g)"] if self.sign else []
        parts += [self.sum] if self.sum != "1" else []
        if parts and number == "1":
            return " ".join(parts)
        return " ".join([f"({number})" if "/" in number and parts else number, *parts])

    @property
    def is_one(self) -> bool:
        return self in (ONE, D)

    def at(self, o: Observation) -> np.ndarray:
        t = o.terms
        g = np.broadcast_to(t.g, t.n.shape)
        value = self.c * t.n**self.p * abs(g) ** self.q * float(t.m) ** self.r
        # An odd power of g keeps its sign; `sign` is one more.
        signs = np.sign(g) ** ((self.q % 2 == 1) + self.sign)
        return np.ravel(value * signs * _sums(o)[self.sum])


def _sums(o: Observation) -> dict[str, np.ndarray]:
    """What may stand in the place of d = <w_bar, v>."""
    t = o.terms
    return {
        "d": t.d,
        "1": np.ones_like(t.d),
        "sum(w_bar)": t.total(t.w_bar),
        "sum(v)": t.total(t.v),
        "<w_bar, w_bar>": t.total(t.w_bar**2),
        "sum|w_bar v|": t.total(abs(t.w_bar * t.v)),
        "sum|w_bar|": t.total(abs(t.w_bar)),
        "|d|": abs(t.d),
        "d^2": t.d**2,
    }


def _monomials(
    seen: Sequence[Observation],
    ratios: Sequence[np.ndarray],
    sums: Sequence[str],
    shares: Sequence[np.ndarray] | None = None,
) -> Iterator[Monomial]:
    """The monomials that a measured factor may be; they still have to be tried.

    shares: how much of the answer is due to the factor. Where that is little, what is measured of
    it is rounding.
    """
    ns = np.concatenate([np.ravel(o.terms.n) for o in seen])
    gs = np.concatenate([np.ravel(np.broadcast_to(o.terms.g, o.terms.n.shape)) for o in seen])
    ms = np.concatenate([np.full(o.terms.n.size, float(o.terms.m)) for o in seen])
    measured = np.concatenate(ratios)
    share = np.ones_like(measured) if shares is None else np.concatenate(shares)
    for name in sums:
        with np.errstate(all="ignore"):
            base = np.concatenate([np.ravel(_sums(o)[name]) for o in seen])
            x = measured / base
            logs = np.log(abs(x))
            good = np.isfinite(logs) & (share > 2.0**14 * seen[0].u)
        if good.sum() < 6:
            continue
        columns = [np.ones(good.sum()), np.log(ns[good]), np.log(abs(gs[good])), np.log(ms[good])]
        used = [np.ptp(column) > 1e-9 or i == 0 for i, column in enumerate(columns)]
        matrix = np.stack([c for c, use in zip(columns, used, strict=True) if use], axis=1)
        solved = iter(np.linalg.lstsq(matrix, logs[good], rcond=None)[0])
        fitted = [next(solved) if use else 0.0 for use in used]
        p, q, r = (round(2 * e) / 2 for e in fitted[1:])
        if max(abs(a - b) for a, b in zip(fitted[1:], (p, q, r), strict=True)) > 0.05:
            continue
        rest = logs[good] - (p * columns[1] + q * columns[2] + r * columns[3])
        best = rest[share[good] >= np.median(share[good])]
        c = math.exp(float(np.median(best)))
        signs = np.sign(x[good])
        by_g = np.sign(gs[good])
        odd = q % 2 == 1
        for sign in (False, True):
            s = signs * by_g ** (odd + sign)
            if abs(s.sum()) == len(s):
                simple = float(Fraction(c).limit_denominator(12))
                for value in dict.fromkeys((simple, c) if abs(simple - c) < 1e-2 * c else (c,)):
                    yield Monomial(float(s[0]) * value, p, q, r, sign, name)
                break


def _tiny(seen: Sequence[Observation], x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> bool:
    return all(
        not (abs(a) > 64 * o.terms.m * o.u * abs(b)).any()
        for o, a, b in zip(seen, x, y, strict=True)
    )


ZERO = Monomial(0.0, 0, 0, 0, False)
ONE, D = Monomial(1.0, 0, 0, 0, False), Monomial(1.0, 0, 0, 0, False, "d")


def _span(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """A factor that is c n^p g^q m^r times a sum, where it should be another."""
    sums = list(_sums(seen[0]))
    units = [_units(o) for o in seen]
    if output in ("w", "g_bar"):
        over = ["1"] if output == "w" else sums
        with np.errstate(all="ignore"):
            measured = [
                _factor(o, output) / np.ravel(unit[output])
                for o, unit in zip(seen, units, strict=True)
            ]
        for one in _monomials(seen, measured, over):
            residual = fits(seen, output, functools.partial(_scaled, output=output, factor=one))
            if residual < math.inf:
                text = f"g_bar = ({one}) / n" if output == "g_bar" else f"w = ({one}) g v/n"
                return [_coefficient(output, output, text, one, residual)]
        return []
    wide = [o for o in seen if o.terms.m > 2]
    if not wide or fits(wide, "v_bar", _in_span) == math.inf:
        return []
    got = [_coefficients(o, o.got["v_bar"]) for o in wide]
    units = [_units(o) for o in wide]
    with np.errstate(all="ignore"):
        a_s = [a / np.ravel(unit["a"]) for (a, _, _), unit in zip(got, units, strict=True)]
        b_s = [b / np.ravel(unit["b"]) for (_, b, _), unit in zip(got, units, strict=True)]
    a_shares = [_share(o, a, o.w_bar) for o, (a, _, _) in zip(wide, got, strict=True)]
    b_shares = [_share(o, b, o.v) for o, (_, b, _) in zip(wide, got, strict=True)]
    ds = [np.ravel(_sums(o)["sum|w_bar v|"]) for o in wide]
    no_a, no_b = _tiny(wide, a_s, [np.ones_like(d) for d in ds]), _tiny(wide, b_s, ds)
    a_tries = [ZERO] if no_a else [ONE, *_monomials(wide, a_s, ("1", "d", "d^2"), a_shares)]
    b_tries = [ZERO] if no_b else [D, *_monomials(wide, b_s, sums, b_shares)]
    for a, b in itertools.product(a_tries, b_tries):

        def candidate(o: Observation, a: Monomial = a, b: Monomial = b) -> np.ndarray:
            unit, shape = _units(o), o.terms.n.shape
            x, y = unit["a"] * a.at(o).reshape(shape), unit["b"] * b.at(o).reshape(shape)
            return x * o.w_bar - y * o.v

        residual = fits(wide, "v_bar", candidate)
        if residual < math.inf:
            text = f"v_bar = (g/n) (({a}) w_bar - ({b}) v/n^2)"
            same = replace(a, sum="d") == b
            which = "whole" if same else "v" if a.is_one else "w_bar" if b.is_one else "w_bar and v"
            return [_coefficient(output, which, text, b if a.is_one else a, residual)]
    return [
        Diagnosis(
            "coefficient", "v_bar = a w_bar - b v in each slice, with a wrong a or b",
            "v_bar = (g/n) (w_bar - (d/n^2) v)",
            "no product of powers of n, g and m: one of the numbers that a and b are made of is "
            "of another slice, or is not what it is thought to be", ("v_bar",),
        )
    ]  # fmt: skip


def _share(o: Observation, factor: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The size of factor x, in units of that of v_bar, per slice."""
    size, whole = (np.sqrt((_slices(o, y) ** 2).sum(axis=1)) for y in (x, o.got["v_bar"]))
    with np.errstate(all="ignore"):
        return np.nan_to_num(abs(factor) * size / whole)


def _units(o: Observation) -> dict[str, np.ndarray]:
    """What each factor is, but for 1 or d: v_bar = a w_bar - b d v, g_bar = (1/h) d, w = f v."""
    t = o.terms
    with np.errstate(all="ignore"):
        slope = np.sqrt(t.total(t.y * t.y)) / t.n
        return {"a": t.g / t.h, "b": t.g / t.h**2 * slope, "g_bar": 1 / t.h, "w": t.g / t.h}


def _coefficient(
    output: str, which: str, text: str, factor: Monomial, residual: float
) -> Diagnosis:
    name = {"w_bar and v": "coefficients", "whole": "coefficient_of_v_bar"}
    return Diagnosis(
        name.get(which, f"coefficient_of_{which}"), text,
        {"w": "w = g v/n", "g_bar": "g_bar = d/n"}.get(output, "v_bar = (g/n) (w_bar - (d/n^2) v)"),
        f"fitted: {factor} in place of {'d' if which in ('g_bar', 'v') else '1'}, and exact to "
        "rounding in every slice",
        (output,), residual,
    )  # fmt: skip


def _factor(o: Observation, output: str) -> np.ndarray:
    if output == "g_bar":
        return np.ravel(o.got["g_bar"])
    x, v = _slices(o, o.got["w"]), _slices(o, o.v)
    return (x * v).sum(axis=1) / (v * v).sum(axis=1)


def _scaled(o: Observation, output: str, factor: Monomial) -> np.ndarray:
    value = _units(o)[output] * factor.at(o).reshape(o.terms.n.shape)
    return value if output == "g_bar" else value * o.v


def _in_span(o: Observation) -> np.ndarray:
    """The nearest a w_bar - b v; the answer itself where the two are parallel."""
    a, b, _ = _coefficients(o, o.got["v_bar"])
    shape = o.terms.n.shape
    found = a.reshape(shape) * o.w_bar - b.reshape(shape) * o.v
    return np.where(np.isfinite(found), found, o.got["v_bar"])


# ---- precision, and the rest --------------------------------------------------------------------


def _rounding(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right formula, its error a few times what rounding may do."""
    residual = fits(seen, output, lambda o: o.expected[output])
    if residual == math.inf:
        return []
    return [
        Diagnosis(
            "lost_digits", f"{output} is right but for a few digits",
            "no power of n beyond what is needed, no difference of large numbers; divide last",
            f"within {SLACK * residual:.2g} times what rounding may do, in {len(seen)} cases",
            (output,), residual,
        )
    ]  # fmt: skip


def _narrow(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
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


def _unknown(seen: Sequence[Observation], output: str, broken: Sequence[str]) -> Diagnosis:
    coupled = [law for law in broken if law in ("I10", "I11")]
    laws = f"broken: {', '.join(broken)}" if broken else "no law is broken"
    if coupled:
        return Diagnosis(
            "axis/index", f"{output} depends on where in the array an entry or a slice stands",
            "the axes of the sums, the indices, broadcasting", laws, (output,),
        )  # fmt: skip
    return Diagnosis(
        "unknown", f"{output} is wrong in a way that is in no catalogue",
        "compare line by line with g_bar = d/n, v_bar = (g/n) (w_bar - (d/n^2) v)",
        f"no formula, permutation, eps, coefficient or precision reproduces {output}; {laws}",
        (output,),
    )  # fmt: skip
