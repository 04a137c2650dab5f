"""Reports of every kind, for the tests of what the judge says: made once, shared by all."""

from __future__ import annotations

import functools
import math

import numpy as np

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.oracle.diagnosis import Diagnosis
from minwn.oracle.report import CheckResult, MinimalCase, Report, Worst

from .. import implementations as a

INSIDE = {"form": "inside", "eps": 1e-4}
WIRING = {name: make for name, make, _ in a.WIRING}


def _eps_forward(v, g):
    return weight_norm.forward(v, g, **INSIDE)


def _eps_backward(w_bar, v, g):
    return weight_norm.vjp(w_bar, v, g, **INSIDE)


def _l1(v, g):
    return g * v / abs(v).sum(axis=a.others(v, g), keepdims=True)


def _frozen(A, B, w_bar, v, g):
    mistake = next(m for m in oracle.mistakes.SECOND if m.id == "second_frozen_norm")
    found = mistake.compute(oracle.mistakes.Terms(v, g, w_bar, (0,)), A, B)
    return tuple(found[k] for k in ("by_w_bar", "by_v", "by_g"))


def _raises_at_times(w_bar, v, g):
    if v.shape[1] == 8:
        raise ValueError("not of eight columns")
    return a.correct(w_bar, v, g)


def _ambiguous():
    rivals = [
        Diagnosis("no_projection", "v_bar = (g/n) w_bar", "subtract", "fits", ("v_bar",), 0.1),
        Diagnosis("no_projection_no_n", "v_bar = g w_bar", "subtract", "fits", ("v_bar",), 0.2),
    ]
    one = Diagnosis("g_bar_n2", "g_bar = d/n^2", "divide by n", "fits", ("g_bar",), 0.1)
    return Report("ambiguous", "FAIL", "a wrong gradient", diagnosis=[*rivals, one],
                  ambiguous=True, checks=[CheckResult("gradients", 9, 4, 1e9)])


def nasty():
    """As much of everything as there may be, and worse."""
    long = "a" * 300
    many = [Diagnosis(f"id{i}", long, f"fix {long}", long, ("v_bar",)) for i in range(20)]
    big = np.full((9, 12), -1.2345678e-123).tolist()
    return Report(
        f"<script>{long}\x1b[31m\n\ud800", "FAIL", f"bad \x00 news {long}", diagnosis=many,
        checks=[CheckResult(f"check {i} {long}", 10**12, 10**11, math.inf, long) for i in range(9)],
        groups={f"group {i}": "FAIL" for i in range(9)},
        worst=Worst(long, "v_bar", (1,) * 9, (2,) * 9, math.nan, 1.0, 0.0),
        minimal_case=MinimalCase(big, [[1.0]] * 9, big, "v_bar", [[math.nan] * 12] * 9, big),
        laws={"I1": math.inf, "Ix": math.nan}, notes=[f"note\x07\n{long}"] * 50, axis=(0, 2),
        form="rms", eps=1e-3,
    )


# name: how to make the report
MAKERS = {
    "pass": lambda: oracle.check(a.forward, a.correct),
    "pass at all orders": lambda: oracle.check(
        weight_norm.forward,
        lambda *x: weight_norm.vjp(*x),
        jvp=lambda *x: weight_norm.jvp(*x),
        double_backward=lambda *x: weight_norm.double_vjp(*x),
    ),
    "pass of a form": lambda: oracle.check(_eps_forward, _eps_backward, **INSIDE),
    "pass of zeros": lambda: oracle.check(a.forward, a.correct, groups=["undefined"]),
    "no_projection": lambda: oracle.check(a.forward, a.wrong(*a.NAMED["no_projection"])),
    "proj_sign": lambda: oracle.check(a.forward, a.wrong(*a.NAMED["proj_sign"])),
    "global_norm": lambda: oracle.check(a.forward, a.wrong(*a.NAMED["global_norm"])),
    "g_bar_rolled": lambda: oracle.check(a.forward, a.wrong(*a.NAMED["g_bar_rolled"])),
    "two mistakes": lambda: oracle.check(a.forward, a.wrong("g/n * G", "d / n**2")),
    "coefficient": lambda: oracle.check(a.forward, a.wrong("g/n * (G - 3*n*d/n**2 * v)")),
    "unknown": lambda: oracle.check(a.forward, a.wrong("g/n * (G - d/n**2 * v) + 0.01")),
    "not in the plane": lambda: oracle.check(a.forward, a.wrong("g/n * (G - d/n**2 * abs(v))")),
    "wrong forward": lambda: oracle.check(_l1, a.correct),
    "undeclared eps": lambda: oracle.check(_eps_forward, _eps_backward),
    "last element": lambda: oracle.check(a.forward, WIRING["last element not written"]()),
    "narrow": lambda: oracle.check(a.forward, WIRING["narrower dtype"]()),
    "mutates": lambda: oracle.check(a.forward, WIRING["mutates v"]()),
    "raises": lambda: oracle.check(a.forward, _raises_at_times),
    "silent": lambda: oracle.check(a.forward, WIRING["raises"]()),
    "second order": lambda: oracle.check(a.forward, a.correct, double_backward=_frozen),
    "whole": lambda: oracle.check(backward=lambda w_bar, v, g: (w_bar, g), axis=None),
    "columns": lambda: oracle.check(backward=lambda w_bar, v, g: (w_bar + v, g), axis=1),
    "declared": lambda: oracle.check(_eps_forward, _eps_backward, accept=["eps_inside"]),
    "refused": lambda: oracle.check(),
    "undefined": lambda: Report("zeros", "UNDEFINED", "no case has a true answer"),
    "ambiguous": _ambiguous,
    "nasty": nasty,
}
FAILING = (
    "no_projection", "proj_sign", "global_norm", "g_bar_rolled", "two mistakes", "coefficient",
    "unknown", "not in the plane", "wrong forward", "undeclared eps", "last element", "narrow",
    "mutates", "raises", "second order", "whole", "columns", "ambiguous", "nasty",
)


@functools.cache
def report(name: str) -> Report:
    return MAKERS[name]()


def everything() -> list[Report]:
    return [report(name) for name in MAKERS]
