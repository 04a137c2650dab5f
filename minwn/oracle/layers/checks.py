"""The checks of a whole layer.

    hygiene      shapes and dtypes, inputs left alone, no shared memory, the same answer twice
    integers     cases in which nothing is rounded: only the exact answers are right
    output       y against the truth, |error| <= gamma(C) S
    cotangents   the gradients against the truth, in the same way
    layer laws   equations that need no truth
    own forward  the gradients against differences of the implementation's own y
    threads      the same bits from several threads at once, where it is asked

Bounds are those of `reference.layer`, with the proof there. An answer that is inexact among the
integers, but within its bound, is a note and not a failure: sums by fast transforms round.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...gradcheck.numerical import ridders
from ...tolerance import ratio
from ..cases.layers import Plan
from ..checks import memory
from ..layer_spec import LayerSpec
from ..reference.rounding import Format
from ..report import CheckResult, Skipped
from ..targets.implementation import Lost
from ..targets.threads import ROUNDS
from .run import LayerObservation, LayerRun, Prepared, case_of, prepare, prepared_cases

__all__ = ["LAYER_CHECKS"]

Array = np.ndarray
ROLES = ("forward", "backward")


# ---- hygiene ------------------------------------------------------------------------------------


def hygiene(run: LayerRun) -> CheckResult:
    p = _reals(run)[0]
    for what in ROLES:
        if what in run.answered:
            try:
                with np.errstate(all="ignore"):
                    for id, evidence in memory.depends(_question(run, what, p)):
                        run.fault(id, what, evidence)
            except Lost as error:
                run.lost(what, "called again: ", error)
            except Exception as error:
                if not any(f.id == "wrong_shape" and "y" in f.outputs for f in run.faults):
                    run.fault("raises", what, f"called again: {type(error).__name__}: {error}")
    if not run.faults and run.right:
        _large_numbers(run)
    for what in ROLES:
        memory.first_calls(run, what)
    return CheckResult("hygiene", 6, len(run.faults), float(len(run.faults)))


def _reals(run: LayerRun) -> list[Prepared]:
    """Cases of real numbers, those in which everything answers first."""
    failed = [*run.refused.values(), *run.raised.values()]
    silent = {id(p) for each in failed for p, _ in each}
    found = [p for p in run.cases if p.case.group == "reals"]
    return sorted(found, key=lambda p: id(p) in silent)


def _question(run: LayerRun, what: str, p: Prepared) -> memory.Question:
    functions, names = run.functions, run.functions.takes(what)
    given, other = run.handed(p), run.handed(_other(p))

    def answers(arrays: Any) -> list[Any]:
        answer = functions.answers_to(what, arrays)
        found = answer if isinstance(answer, tuple | list) else (answer,)
        return [x for x in found if x is not None]

    def forward(arrays: Any) -> Any:
        there = {**given, **dict(zip(names, arrays, strict=True))}
        return functions.answers_to("forward", [there[name] for name in functions.takes("forward")])

    return memory.Question(
        answers, [given[name] for name in names], [other[name] for name in names],
        forward if what == "backward" and functions.has("forward") else None,
        lambda: _in_a_new_shape(run, what, p), Format.of(run.spec.dtype).u,
    )


def _other(p: Prepared) -> Any:
    """Of the same shapes, and every number of every answer is another."""
    case = p.case
    changed: dict[str, Any] = {
        "x": 2 * np.flip(case.x), "y_bar": -3 * np.flip(case.y_bar), "b": case.b + 1,
    }
    weight = {"v": case.v, "g": case.g, "w": case.w}
    changed |= {name: -2 * np.flip(x) for name, x in weight.items() if x is not None}
    return replace(p, case=replace(case, **changed))


def _in_a_new_shape(run: LayerRun, what: str, p: Prepared) -> list[bool]:
    """Whether the answers are right in two cases of a shape that was not asked before."""
    found = []
    with contextlib.suppress(Exception):  # of a layer that takes no such size
        for new in _longer(run.spec, run.cases.index(p), run.functions.bias["forward"]):
            o = LayerObservation(new, run.ask(what, new))
            found.append(not any(map(o.wrong, o.got)))
    return found


@functools.lru_cache(maxsize=16)
def _longer(spec: LayerSpec, index: int, bias: bool) -> list[Prepared]:
    """A case with more samples, and more channels where these are free; and one of its shape.

    The second is the first with samples and channels in reversed order, v doubled, and g or w and b
    halved. It has no number that is larger, but for v: what cuts off the numbers of one of
    them does so in both.
    """
    case = prepared_cases(spec, bias)[index].case
    (n, c, *size), kernel, G = case.x.shape, case.layer.windows.kernel, spec.groups
    c, o = spec.channels or (c + G, len(case.b) + G)
    new = case_of(spec, "N", 0, Plan(n + 1, c, o, tuple(size), kernel))
    new = new if bias else replace(new, b=0 * new.b)
    other: dict[str, Any] = {
        "x": np.flip(new.x, (0, 1)), "y_bar": np.flip(new.y_bar, (0, 1)), "b": np.flip(new.b) / 2,
    }
    if new.w is not None:
        other["w"] = np.flip(new.w, (0, 1)) / 2
    if new.v is not None and new.g is not None:
        each = (new.v, np.broadcast_to(new.g, new.v.shape))
        v, g = (spec.view(np.flip(spec.weight(x), (0, 1))) for x in each)
        first = tuple(slice(n) for n in new.g.shape) or (0,) * v.ndim
        other |= {"v": 2 * v, "g": np.array(g[first]).reshape(new.g.shape) / 2}
    return [prepare(spec, new), prepare(spec, replace(new, **other))]


def _large_numbers(run: LayerRun) -> None:
    """Where all is right so far: the numbers of the cases are small, and below what clips them."""
    large = _large(run.spec, run.cases.index(_reals(run)[0]), run.functions.bias["forward"])
    largest = max(float(np.abs(x).max(initial=0.0)) for x in large.expected.values())
    if largest < 2.0 ** (Format.of(run.spec.dtype).largest - 2):
        run.judge(large)


@functools.lru_cache(maxsize=16)
def _large(spec: LayerSpec, index: int, bias: bool) -> Prepared:
    """x, y_bar, b and the gain or weight times 64."""
    p = prepared_cases(spec, bias)[index]
    scaled = {name: getattr(p.case, name) for name in ("x", "y_bar", "b", "g", "w")}
    return p.but(spec, **{name: 64 * x for name, x in scaled.items() if x is not None})


# ---- against the truth --------------------------------------------------------------------------


def integers(run: LayerRun) -> CheckResult:
    seen = [o for o in run.observations if o.prepared.case.group == "integers"]
    result = _compared("integers", seen)
    exact = [o for o in seen if o.prepared.exact]
    inexact = sum(
        int((x != o.prepared.expected[name]).sum())
        for o in exact for name, x in o.got.items() if x.shape == o.prepared.expected[name].shape
    )
    if inexact and result.ok:
        note = f"integers: {inexact} numbers are not exact, though sums and products do not round"
        run.notes.append(note)
        return CheckResult(result.name, result.checked, 0, result.ratio, note)
    return result


def output(run: LayerRun) -> CheckResult:
    return _compared("output", run.observations, ("y",))


def cotangents(run: LayerRun) -> CheckResult:
    names = ("x_bar", "w_bar", "v_bar", "g_bar", "b_bar")
    return _compared("cotangents", run.observations, names)


def _compared(name: str, seen: list, outputs: tuple[str, ...] | None = None) -> CheckResult:
    checked, failed, worst = 0, 0, 0.0
    for o in seen:
        for key in o.got:
            if outputs is None or key in outputs:
                found = o.ratio(key)
                checked, failed = checked + found.size, failed + int((found > 1).sum())
                worst = max(worst, float(found.max(initial=0.0)))
    return CheckResult(name, checked, failed, worst)


# ---- laws ---------------------------------------------------------------------------------------


def layer_laws(run: LayerRun) -> CheckResult | None:
    """The laws at one case of real numbers, each allowed what rounding may do on both sides."""
    for p in _reals(run)[:1]:
        point = Point(run, p)
        for name, law in LAWS.items():
            try:
                with np.errstate(all="ignore"):
                    found = law(point)
            except Exception:  # other checks make these calls, and report the error
                continue
            if found is not None:
                run.laws[name] = found
    if not run.laws:
        return None
    failed = sum(x > 1 for x in run.laws.values())
    return CheckResult("layer laws", len(run.laws), failed, max(run.laws.values()))


class Point:
    """A case, and the answers to questions about it, each asked once."""

    def __init__(self, run: LayerRun, p: Prepared) -> None:
        self.run, self.here = run, p
        self._asked: dict[tuple[str, int], dict[str, Array]] = {}
        self._kept: list[Prepared] = []

    def ask(self, what: str, p: Prepared) -> dict[str, Array]:
        key = what, id(p)
        if key not in self._asked:
            self._kept.append(p)
            self._asked[key] = self.run.ask(what, p)
        return self._asked[key]

    def has(self, *wanted: str) -> bool:
        return all(self.run.functions.has(what) and what in self.run.answered for what in wanted)

    def questions(self) -> dict[str, Any]:
        bias = self.run.functions.bias["forward"]
        return _questions(self.run.spec, self.run.cases.index(self.here), bias)


@functools.lru_cache(maxsize=16)
def _questions(spec: LayerSpec, index: int, bias: bool) -> dict[str, Any]:
    """Cases that the laws relate to one. Cached: they depend on the spec only."""
    from_run = prepared_cases(spec, bias)[index]
    case, layer = from_run.case, from_run.case.layer
    # Multiples of x, entry by entry, so that z and x + z are numbers of the dtype.
    z = case.x * np.resize([-2.0, 1.0, -0.5, -1.0, 1.0], case.x.shape)
    found: dict[str, Any] = {
        "z": from_run.but(spec, x=z), "x + z": from_run.but(spec, x=case.x + z),
        "0": from_run.but(spec, x=0 * case.x), "2 y_bar": from_run.but(spec, y_bar=2 * case.y_bar),
    }
    found["samples"] = [
        from_run.but(spec, x=case.x[i : i + 1], y_bar=case.y_bar[i : i + 1])
        for i in range(len(case.x))
    ] if not case.lead else []
    d = len(layer.windows.size)
    step = 1 if layer.transposed else layer.windows.stride[-1] if d else 0
    if d and case.x.shape[-1] > step and case.y_bar.shape[-1] > layer.windows.stride[-1]:
        still = case.x.copy()
        still[..., -step:] = 0
        found["still"] = from_run.but(spec, x=still)
        found["moved"] = from_run.but(spec, x=np.roll(still, step, axis=-1))
    return found


def _ratio(error: Any, allowed: Any) -> float:
    """The largest entry of `ratio`."""
    return float(np.max(ratio(error, allowed), initial=0.0))


def _linear_in_x(t: Point) -> float | None:
    if not t.has("forward"):
        return None
    q = t.questions()
    all_of = (q["x + z"], q["z"], t.here, q["0"])
    a, b, c, e = (t.ask("forward", p)["y"] for p in all_of)
    return _ratio(a - b - c + e, sum(p.allowed["y"] for p in all_of) * (1 + 2.0**-50))


def _linear_in_y_bar(t: Point) -> float | None:
    if not t.has("backward"):
        return None
    twice = t.questions()["2 y_bar"]
    a, b = t.ask("backward", t.here), t.ask("backward", twice)
    return max(_ratio(b[k] - 2 * a[k], 2 * t.here.allowed[k] + twice.allowed[k]) for k in a)


def _dot(x: Array, y: Array) -> float:
    return math.fsum((x * y).ravel().tolist())


def _adjoint(t: Point) -> float | None:
    if not t.has("forward", "backward") or "x_bar" not in t.ask("backward", t.here):
        return None
    z, zero, y_bar = t.questions()["z"], t.questions()["0"], t.here.case.y_bar
    y = t.ask("forward", z)["y"] - t.ask("forward", zero)["y"]
    x_bar, allowed = t.ask("backward", t.here)["x_bar"], t.here.allowed["x_bar"]
    slack = _dot(abs(y_bar), z.allowed["y"] + zero.allowed["y"]) + _dot(abs(z.case.x), allowed)
    return _ratio(_dot(y_bar, y) - _dot(x_bar, z.case.x), slack * (1 + 2.0**-20))


def _euler(t: Point) -> float | None:
    if not t.has("forward", "backward"):
        return None
    got, case, allowed = t.ask("backward", t.here), t.here.case, t.here.allowed
    if "x_bar" not in got or "b_bar" not in got:
        return None
    y = t.ask("forward", t.here)["y"]
    off = _dot(case.y_bar, y) - _dot(case.x, got["x_bar"]) - _dot(case.b, got["b_bar"])
    slack = _dot(abs(case.y_bar), allowed["y"]) + _dot(abs(case.x), allowed["x_bar"])
    return _ratio(off, (slack + _dot(abs(case.b), allowed["b_bar"])) * (1 + 2.0**-20))


def _scale(t: Point) -> float | None:
    got = t.ask("backward", t.here) if t.has("backward") else {}
    case, allowed = t.here.case, t.here.allowed
    weight, bar = (case.g, "g_bar") if case.g is not None else (case.w, "w_bar")
    if "x_bar" not in got or bar not in got:
        return None
    off = _dot(weight, got[bar]) - _dot(case.x, got["x_bar"])  # type: ignore[arg-type]
    slack = _dot(abs(weight), allowed[bar]) + _dot(abs(case.x), allowed["x_bar"])  # type: ignore
    return _ratio(off, slack * (1 + 2.0**-20))


def _samples_apart(t: Point) -> float | None:
    worst = []
    for i, p in enumerate(t.questions()["samples"]):
        for what, name in (("forward", "y"), ("backward", "x_bar")):
            if t.has(what) and name in t.ask(what, t.here):
                whole, alone = t.ask(what, t.here)[name][i], t.ask(what, p)[name][0]
                worst.append(_ratio(whole - alone, t.here.allowed[name][i] + p.allowed[name][0]))
    return max(worst) if worst else None


def _samples_add_up(t: Point) -> float | None:
    samples = t.questions()["samples"]
    if not t.has("backward") or len(samples) < 2:
        return None
    whole, parts = t.ask("backward", t.here), [t.ask("backward", p) for p in samples]
    names = [name for name in whole if name != "x_bar"]
    return max((
        _ratio(
            whole[k] - sum(part[k] for part in parts),
            t.here.allowed[k] + sum(p.allowed[k] for p in samples) * (1 + 2.0**-50),
        ) for k in names
    ), default=None)


def _moved(t: Point) -> float | None:
    q = t.questions()
    if "moved" not in q or not t.has("forward"):
        return None
    layer = t.here.case.layer
    step = layer.windows.stride[-1] if layer.transposed else 1
    a, b = t.ask("forward", q["still"])["y"], t.ask("forward", q["moved"])["y"]
    allowed = q["still"].allowed["y"][..., :-step] + q["moved"].allowed["y"][..., step:]
    return _ratio(b[..., step:] - a[..., :-step], allowed)


LAWS: dict[str, Callable[[Point], float | None]] = {
    "Y1": _linear_in_x, "Y2": _linear_in_y_bar, "Y3": _adjoint, "Y4": _euler, "Y5": _scale,
    "Y6": _samples_apart, "Y7": _samples_add_up, "Y8": _moved,
}


# ---- differences of its own forward -------------------------------------------------------------


def own_forward(run: LayerRun) -> CheckResult | None:
    """The gradients against differences of forward, along one direction for each input, in float64.

    y is linear in x, b, g and a plain w: there one difference has no error but rounding. Along v,
    Ridders' extrapolation is used, as in `differences`.
    """
    if not {"forward", "backward"} <= run.answered:
        return None
    case = _reals(run)[0].case
    p = prepare(replace(run.spec, dtype="float64"), case)
    try:
        with np.errstate(all="ignore"):
            y = run.functions.call("forward", run.handed(p, "float64"))["y"]
            if y.dtype != np.float64 or not (y != y.astype("float32")).any():
                run.skipped.append(Skipped("own forward", "y has not the digits of float64"))
                return None
            if y.size != p.expected["y"].size:
                return None
            bars = run.ask("backward", p, "float64")
            ratios = [_difference(run, p, name, bar) for name, bar in bars.items()]
    except Exception:  # other checks make these calls, and report the error
        return None
    if not ratios:
        return None
    failed = sum(r > 1 for r in ratios)
    run.consistent = failed == 0
    return CheckResult("own forward", len(ratios), failed, max(ratios))


def _difference(run: LayerRun, p: Prepared, name: str, bar: Array) -> float:
    """The error of one gradient along a direction, in units of what is allowed."""
    argument, case = name.removesuffix("_bar"), p.case
    at = getattr(case, argument)
    if bar.shape != at.shape:
        return math.inf
    direction = at * np.resize([1.0, -0.5, -1.0, -1.0, 0.5], at.shape)

    def L(t: float) -> float:
        there = replace(p, case=replace(case, **{argument: at + t * direction}))
        return _dot(case.y_bar, run.ask("forward", there, "float64")["y"])

    if argument == "v":
        slope = ridders(L, 2.0**-4)
        value, error, size = slope.value, slope.estimate, slope.size
    else:
        up, down = L(1.0), L(-1.0)
        value, error, size = (up - down) / 2, 0.0, (abs(up) + abs(down)) / 2
    allowed = 100 * error + _dot(abs(direction), p.allowed[name]) + 64 * 2.0**-53 * size
    if argument != "v":  # the bounds of y at both points, each at most twice the bound here
        allowed += 2 * _dot(abs(case.y_bar), p.allowed["y"])
    found = abs(_dot(bar, direction) - value)
    return found / allowed if math.isfinite(found) else math.inf


# ---- threads ------------------------------------------------------------------------------------


def several_threads(run: LayerRun) -> CheckResult | None:
    """As in `checks.threads`. Only where it is asked."""
    checked = failed = 0
    for what in run.answered if run.threads else ():
        problems = [run.functions.arguments(what, run.handed(x.prepared))
                    for x in run.asked_of(what)]
        wrong = run.functions.meet(what, problems, run.threads)
        checked, failed = checked + run.threads * ROUNDS * len(problems), failed + len(wrong)
        if wrong:
            run.fault("not_thread_safe", what, wrong[0])
    return CheckResult("threads", checked, failed, float(failed)) if checked else None


LAYER_CHECKS: dict[str, Callable[[LayerRun], CheckResult | None]] = {
    "hygiene": hygiene, "integers": integers, "output": output, "cotangents": cotangents,
    "layer laws": layer_laws, "own forward": own_forward, "threads": several_threads,
}
