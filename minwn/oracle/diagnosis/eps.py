"""Is it a form with an eps that nobody declared? Then the answers say how large it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..mistakes import Terms
from .observation import Candidate, Diagnosis, Observation, differs, fits
from .span import coefficients, rows_of

__all__ = ["undeclared_eps"]

_EPS = {
    "inside": ("eps_inside", "h = sqrt(n^2 + eps)", lambda h, n, k: h * h - n * n),
    "outside": ("eps_outside", "h = n + eps", lambda h, n, k: h - n),
    "max_n": ("eps_max", "h = max(n, eps)", lambda h, n, k: h),
    "rms": ("eps_rms", "h = n / sqrt(m) + eps", lambda h, n, k: h - n / np.sqrt(k)),
}


def undeclared_eps(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
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
        if residual < math.inf and differs(seen, output, way):
            return [
                Diagnosis(
                    "eps", "", f"declare form={form!r}, eps={eps:g} if it is meant; "
                    "else take it out of every line",
                    f"reproduces {output} with eps = {eps:.4g}{note}", (output,), residual,
                )
            ]  # fmt: skip
    return []
