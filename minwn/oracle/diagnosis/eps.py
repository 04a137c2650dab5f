"""Is it a form with an undeclared eps? Then the answers show how large it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...forms import FORMS
from ..mistakes import Terms
from .observation import SLACK, Candidate, Diagnosis, Observation, differs, fits
from .span import coefficients, rows_of

__all__ = [
    "NAMES", "Eps", "eps_missing", "eps_missing_at_zero", "measured_eps", "undeclared_eps",
]

# Its name, and eps from h, n, and the number of entries of a slice.
_EPS: dict[str, tuple[str, Callable[[Any, Any, Any], Any]]] = {
    "inside": ("eps_inside", lambda h, n, m: h * h - n * n),
    "outside": ("eps_outside", lambda h, n, m: h - n),
    "max_n": ("eps_max", lambda h, n, m: h),
    "rms": ("eps_rms", lambda h, n, m: h - n / np.sqrt(m)),
}
MISSING = "eps_missing"
NAMES = (*(name for name, _ in _EPS.values()), MISSING)

Eps = tuple[int, str, float]  # of few digits first: the form, and its eps


def measured_eps(seen: Sequence[Observation], output: str) -> Iterator[Eps]:
    """The candidates for eps, by the shortest slice of which an output shows it."""
    for h, n, k in _lengths_seen(seen, output):
        for form, (_, solve) in _EPS.items():
            with np.errstate(all="ignore"):
                eps = solve(h, n, k)
                least = 4 * seen[0].u * (n * n if form == "inside" else n)
                solved = np.flatnonzero(np.isfinite(eps) & (n > 0) & (eps > least))
            if solved.size:
                eps = float(eps[solved[np.argmin(n[solved])]])
                # The number that was probably written has few digits.
                written = [float(f"{eps:.{digits}e}") for digits in (0, 1, 2)]
                yield from ((i, form, x) for i, x in enumerate([*written, eps]))


def eps_missing(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The declared form without its eps, or the plain one, where it reproduces an output."""
    form = seen[0].form
    for other in dict.fromkeys((form, "plain")) if seen[0].eps else ():
        for d in _try_eps(seen, output, other, 0.0):
            return [_missing(form, other, d.evidence, (output,), d.residual)]
    return []


def eps_missing_at_zero(
    observations: Sequence[Observation], failing: Sequence[str]
) -> Diagnosis | None:
    """The same where nothing but a slice of zeros feels so small an eps: all is 0/0 there."""
    zero = [o for o in observations if o.eps and (o.terms.n == 0).any() and o.v.size]
    bad = [o for o in observations if any(o.worst(f) > 1 for f in failing if f in o.got)]
    if not bad or any(o not in zero for o in bad):
        return None
    for o in zero:
        for output, x in o.got.items():
            at = np.broadcast_to(o.terms.n == 0, x.shape)
            if np.isfinite(x[at]).any() or (o.wrong(output) & ~at).any():
                return None
    evidence = f"right but in slices of zeros, where every answer is 0/0: {zero[0].id}"
    return _missing(bad[0].form, "plain", evidence, tuple(failing))


def _missing(
    form: str, other: str, evidence: str, outputs: tuple[str, ...], residual: float = math.nan
) -> Diagnosis:
    h = "n/sqrt(m)" if other == "rms" else "n"
    return Diagnosis(
        MISSING, f"h = {h}, without eps",
        f"divide by h = {FORMS[form].h}, in every line, or declare form='plain' if no eps is meant",
        evidence, outputs, residual,
    )


def undeclared_eps(
    seen: Sequence[Observation], output: str, tried: Iterable[Eps]
) -> list[Diagnosis]:
    """The forms that reproduce an output, the one that does it best first."""
    found: dict[str, tuple[Diagnosis, float]] = {}
    for _, form, eps in sorted(set(tried)):
        if form not in found:
            name, text = _EPS[form][0], f"h = {FORMS[form].h}"
            for d in _try_eps(seen, output, form, eps):
                named = replace(d, id=name, formula=f"{text}, eps = {eps:.4g}")
                found[form] = named, _spread(seen, output, form, eps)
    every = sorted(found.values(), key=lambda entry: entry[0].residual)
    # A right evaluation of a form is within `error_bounds`, with 1.55 times the
    # roundings.
    every = [x for x in every if x[0].residual <= max(1.55 / SLACK, every[0][0].residual)]
    least = min((spread for _, spread in every), default=0.0)
    return [d for d, spread in every if spread <= 1.5 * least]


def _spread(seen: Sequence[Observation], output: str, form: str, eps: float) -> float:
    """The mean square of the relative errors. Of two eps that are hardly felt, both may explain the
    worst number, and one of them the others."""
    errors = []
    for o in seen:
        x = getattr(Terms(o.v, o.g, o.w_bar, o.axes, form, eps), output)()
        with np.errstate(all="ignore"):
            errors.append(np.ravel((o.got[output] - x) / x) ** 2)
    found = np.concatenate(errors)
    return float(np.median(found[np.isfinite(found)])) if output == "v_bar" else float(
        np.mean(found[np.isfinite(found)])
    )


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
                first.append(abs(g) * n / np.sqrt((rows_of(o, o.got["w"]) ** 2).sum(axis=1)))
            else:
                a, b, _ = coefficients(o, o.got["v_bar"])
                first.append(g / a)
                second.append(np.sqrt(g * d / (n * b)))
        ns.append(n)
        ms.append(np.full(n.shape, t.m))
    n, m = np.concatenate(ns), np.concatenate(ms)
    yield np.concatenate(first), n, m
    if second:
        yield np.concatenate(second), n, m


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
    without = fits(seen, output, lambda o: o.expected[output])
    for note, way in ways:
        residual = fits(seen, output, way)
        # It has to explain what rounding does not, or most of what is beyond it.
        if residual < math.inf and (residual < without / 4 or differs(seen, output, way)):
            return [
                Diagnosis(
                    "eps", "", f"declare form={form!r}, eps={eps:g} if it is meant; "
                    "else take it out of every line",
                    f"reproduces {output} with eps = {eps:.4g}{note}", (output,), residual,
                )
            ]
    return []
