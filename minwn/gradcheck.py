"""Is this gradient the gradient of this function? Asked of the function itself, by measuring it.

For random signed cotangents u, every argument x of f, and every entry of it or a few random
directions t, the derivation and a measurement (see `differences`) must agree:

    | <x_bar, t> - <u, J t> |  <=  rtol S + 100 E + F,        S = sum_j |u_j (J t)_j|

E is the measurement's own estimate of its error, F what rounding in f can do to it, and 100 times
what rounding is seen to do to x_bar (where it is a small sum of large terms), and rtol,
u^0.56 or 1.2e-9 in float64, is what rounding in an honest gradient may cost. Every term has the
units of the derivative, so the rule is the same at 1e-150 and 1e150. Before anything is called
wrong it is measured again with other steps. Five verdicts:

    pass                 the two agree
    fail                 they do not, or a gradient has the wrong shape or dtype, or f is not a
                         function: its inputs change, or two calls differ
    not differentiable   f has a kink here (relu at 0, a tie of a maximum): move the point
    undefined            f is not finite here, or on one side of here
    unresolved           no step gives a derivative sharp enough to judge by

What agreement means: the gradient belongs to f. Whether f is what it claims to be, no gradient
check can know. The judge imports no operation; it has no opinion about any of them.
"""

from __future__ import annotations

import inspect
import math
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy

from . import backend
from .backend import Array, Generator, to_numpy
from .differences import (
    DISTRUST,
    Contraction,
    Directions,
    Entries,
    Measured,
    Measurement,
    Subject,
    as_tuple,
    halves,
    is_floating,
    random_directions,
    sizes_of,
)
from .graph import Primitive, Value, raw
from .tensor import Tensor, grad
from .tensor import jvp as graph_jvp

__all__ = [
    "Comparison", "GradcheckError", "GradcheckReport", "TaylorReport",
    "adjoint_test", "blame", "gradcheck", "taylor_test",
]  # fmt: skip

VERDICTS = ("fail", "undefined", "not differentiable", "unresolved", "pass")  # worst first


class GradcheckError(AssertionError):
    """A check that did not pass; its text is the report, its `report` too."""

    def __init__(self, report: Any) -> None:
        super().__init__(f"\n{report}")
        self.report = report


# ---- reports ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One argument of one function: the worst entry or direction, and the two numbers there."""

    function: str
    argument: int | None  # None: the function as a whole
    name: str
    verdict: str
    index: Any = None  # of the entry; a direction has none
    analytic: float = math.nan
    numeric: float = math.nan
    allowed: float = math.nan
    estimate: float = math.nan
    method: str = ""
    order: int = 1
    note: str = ""

    @property
    def error(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def ratio(self) -> float:
        """error / allowed: above 1 where the gradient is wrong."""
        if self.error == 0:
            return 0.0
        return self.error / self.allowed if self.allowed else math.inf

    @property
    def place(self) -> str:
        """Where: "op 'tanh', input 0 (x)"."""
        kind = "op" if self.function in Primitive.registry else "function"
        where = f"{kind} '{self.function}'"
        if self.argument is not None:
            where += f", input {self.argument}" + (f" ({self.name})" if self.name else "")
        return where + (f", order {self.order}" if self.order > 1 else "")

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.place}"]
        if self.note:
            lines.append(f"    {self.note}")
        if self.method:
            at = "a random direction" if self.index is None else f"index {self.index}"
            lines.append(f"    at {at}, by {self.method} (estimated error {self.estimate:.1e})")
            lines.append(f"    analytic {self.analytic: .12g}")
            lines.append(f"    numeric  {self.numeric: .12g}")
            lines.append(
                f"    error {self.error:.2e}   allowed {self.allowed:.2e}   ratio {self.ratio:.2e}"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class GradcheckReport:
    """What was compared, argument by argument, and the verdict over all of it."""

    function: str
    comparisons: tuple[Comparison, ...]
    blamed: tuple[Comparison, ...] = ()  # the operations whose own rule is wrong
    evaluations: int = 0

    @property
    def verdict(self) -> str:
        return min((c.verdict for c in self.comparisons), key=VERDICTS.index, default="pass")

    @property
    def ok(self) -> bool:
        return self.verdict == "pass"

    @property
    def worst(self) -> Comparison:
        """The comparison that decided the verdict; of equal ones, that of the largest ratio."""
        decisive = [c for c in self.comparisons if c.verdict == self.verdict]
        return max(decisive, key=lambda c: c.ratio if c.ratio == c.ratio else math.inf)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{self.verdict.upper()}  gradient of {self.function}"]
        for c in self.comparisons:
            if c.verdict != "pass":
                lines.append(str(c))
        passed = [c for c in self.comparisons if c.verdict == "pass" and c.method]
        width = max((len(c.place) for c in passed), default=0)
        for c in passed:
            lines.append(f"pass: {c.place:{width}}  largest ratio {c.ratio:.1e}  by {c.method}")
        for c in self.blamed:
            lines.append(f"the fault is in {c.place}: {str(c).partition(chr(10))[2].strip()}")
        return "\n".join(lines)


# ---- what is claimed ----------------------------------------------------------------------------


class _WrongForm(Exception):
    """A claim that cannot be compared: the argument, and what is wrong with it."""


def _cotangents(rng: Generator, count: int, m: int) -> numpy.ndarray:
    """Signed, away from 0 and from each other: (count, m)"""
    return rng.choice([-1.0, 1.0], (count, m)) * rng.uniform(0.5, 1.5, (count, m))


def _recorded(subject: Subject) -> tuple[list[Tensor], list[Tensor]]:
    """New leaves for the checked arguments, and the outputs computed from them."""
    args = [Tensor(x, k in subject.x) if is_floating(x) else x for k, x in enumerate(subject.args)]
    with backend.quiet():
        outputs = [z for z in as_tuple(subject.f(*args)) if is_floating(raw(z))]
    if not all(isinstance(z, Tensor) for z in outputs):
        raise TypeError(
            "gradcheck: f returns plain arrays, which have no gradient of their own; return "
            "Tensors, or pass the gradient to be judged as backward= or jvp="
        )
    return [args[k] for k in subject.checked], outputs


def _pulled(outputs: Any, leaves: Any, cotangents: Any, create_graph: bool = False) -> list[Any]:
    """The cotangents of the leaves, summed over the outputs; None where nothing arrives."""
    bars: list[Any] = [None] * len(leaves)
    for z, u in zip(outputs, cotangents, strict=True):
        if z.requires_grad:
            options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
            for i, bar in enumerate(grad(z, leaves, u, **options)):
                bars[i] = bar if bars[i] is None else bars[i] if bar is None else bars[i] + bar
    return bars


def _by_graph(subject: Subject, leaves: Any, outputs: Any) -> Callable[..., Any]:
    """The gradients from the graph, in the form of a backward written by hand."""

    def backward(*parts: Any) -> list[Any]:
        found = dict(zip(subject.checked, _pulled(outputs, leaves, parts), strict=True))
        return [found.get(k) for k in range(len(subject.args))]

    return backward


def _gradients(
    subject: Subject, backward: Callable[..., Any], cotangents: numpy.ndarray
) -> dict[int, numpy.ndarray]:
    """What backward(u) claims for each argument: (k, n), after a look at its form."""
    bars = {k: numpy.zeros((len(cotangents), x.size)) for k, x in subject.x.items()}
    for row, u in enumerate(cotangents):
        found = as_tuple(backward(*subject.split(u)))
        if len(found) != len(subject.args):
            count = f"{len(found)} gradients for {len(subject.args)} inputs"
            raise _WrongForm(None, f"backward returns {count}")
        for k, bar in bars.items():
            if found[k] is not None:  # None is a claim, too: that the gradient is zero
                bar[row] = _of_form(found[k], subject.args[k], k, "gradient")
    return bars


def _noise(
    subject: Subject, backward: Any, u: numpy.ndarray, bars: Any, rng: Generator
) -> dict[int, numpy.ndarray]:
    """How far rounding moves each entry of a gradient: (k, n).

    A gradient that is zero by cancellation (of a shift before a normalisation) is a sum of large
    terms, of which neither f nor the sum tells. A point and a cotangent next to the given ones
    round it anew; a step of 2^-42 is too short to show anything else.
    """
    worst = {k: numpy.zeros_like(bar) for k, bar in bars.items()}
    args = subject.args
    for _ in range(4):
        subject.args = list(args)
        for k, x in subject.x.items():
            step = 2.0**11 * subject.u * sizes_of(x) if x.size else 0.0
            subject.args[k] = subject.put(k, x + step * rng.uniform(-1, 1, x.shape))
        try:
            nearby = u * (1 + 8 * subject.u * rng.uniform(-1, 1, u.shape))
            moved = _gradients(subject, _judged(subject, backward), nearby)
        finally:
            subject.args = args
        for k, bar in bars.items():
            worst[k] = numpy.maximum(worst[k], numpy.nan_to_num(abs(moved[k] - bar)))
    for k, x in subject.x.items():
        if x.size:
            size = sizes_of(x).reshape(-1)
            worst[k] = (worst[k] * size).max(axis=1, keepdims=True) / size
    return worst


def _forward(subject: Subject, jvp: Any, tangents: dict[int, numpy.ndarray]) -> numpy.ndarray:
    """What jvp claims for J t, in one row, after a look at its form: (m,)"""
    dots: list[Any] = [None] * len(subject.args)
    for k, x in subject.x.items():
        dots[k] = subject.put(k, tangents.get(k, numpy.zeros_like(x)))
    found = as_tuple(jvp(*subject.args, *dots))
    if len(found) != len(subject.outputs):
        raise _WrongForm(None, f"jvp returns {len(found)} tangents of {len(subject.outputs)}")
    pairs = zip(found, subject.outputs, strict=True)
    return numpy.concatenate([_of_form(y_dot, y, None, "tangent") for y_dot, y in pairs])


def _of_form(found: Any, like: Array, k: int | None, what: str) -> numpy.ndarray:
    found = raw(found)
    shape, dtype = getattr(found, "shape", ()), getattr(found, "dtype", type(found).__name__)
    if shape != like.shape:
        raise _WrongForm(k, f"{what} of shape {shape}, expected {like.shape}")
    if dtype != like.dtype:
        raise _WrongForm(k, f"{what} of dtype {dtype}, expected {like.dtype}")
    return to_numpy(found).astype("float64").reshape(-1)


# ---- the comparison -----------------------------------------------------------------------------


def _verdict(
    found: Measured, claimed: numpy.ndarray, rtol: float, each: bool, slack: Any = 0.0
) -> tuple[str, int, int]:
    """The verdict over all rows, and the row and column that speak for it."""
    with backend.quiet():
        ratio = abs(claimed - found.value) / (found.allowed(rtol) + slack)
    ratio = numpy.where(claimed == found.value, 0.0, numpy.nan_to_num(ratio, nan=numpy.inf))
    undefined = ~numpy.isfinite(found.value)
    whole = numpy.where(undefined, 0.0, found.scale).max()
    blunt = ~undefined & ~(100 * found.estimate <= numpy.maximum(5e-4 * whole, 100 * found.floor))
    kink = found.kink.copy()
    if not each and len(kink) > 1:  # over far too long a step, things look broken
        kink[0::2] &= kink[1::2].any()
    judges = ~(undefined | blunt | (found.kink & ~kink)).any(axis=1, keepdims=True)
    if not each and judges.any():  # every entry must be judged, but not by every direction
        ratio = numpy.where(judges, ratio, -1.0)
        undefined, blunt, kink = undefined & judges, blunt & judges, kink & judges
    wrong = (ratio > 1) & ~(undefined | blunt | kink)
    verdict, where = "pass", ~undefined
    for reason, at in zip(VERDICTS, (wrong, undefined, kink, blunt), strict=False):
        if at.any():
            verdict, where = reason, at
            break
    row, column = numpy.unravel_index(numpy.where(where, ratio, -2.0).argmax(), ratio.shape)
    return verdict, int(row), int(column)


@dataclass(frozen=True)
class _Plan:
    """The options of gradcheck that say how to measure."""

    mode: str
    method: str
    directions: int
    rtol: float
    rng: Generator

    def measurement(self, subject: Subject, k: int, cotangents: Any) -> Measurement:
        x = subject.x[k]
        full = self.mode == "full"
        tangents = Entries(x) if full else random_directions(x, self.directions, self.rng)
        how = Measurement(subject, k, tangents, Contraction(cotangents), self.rtol)
        how.complex = self.method != "difference" and how.complex_step_holds(self.rng)
        if self.method == "complex" and not how.complex:
            raise ValueError(
                f"gradcheck: the complex step does not differentiate f by argument {k} (f refuses "
                f"complex numbers, or takes a modulus); use method='auto' or 'difference'"
            )
        return how

    def gradient(self, subject: Subject, k: int, bars: Any, noise: Any, u: Any) -> dict[str, Any]:
        """How the gradient of one argument fares, as fields of a Comparison."""
        how = self.measurement(subject, k, u)
        found, claimed = how(lambda rows: how.tangents.dot(bars, rows))
        each, shape = isinstance(how.tangents, Entries), subject.x[k].shape
        slack = DISTRUST * how.tangents.bound(noise, numpy.arange(len(claimed)))
        verdict, row, column = _verdict(found, claimed, self.rtol, each, slack)
        found.floor = found.floor + slack
        index = _index(row, shape) if each else None
        if verdict == "fail" and not each:
            how = replace(how, contract=Contraction(u[column : column + 1]))
            entry, there, claim = _located(how, how.tangents.tangent(row), bars[[column]])
            if there.contradicts(claim, self.rtol).all():
                found, claimed, row, column, index = there, claim, 0, 0, _index(entry, shape)
        return self._fields(verdict, index, how, found, claimed, (row, column))

    def product(self, subject: Subject, k: int, jvp: Any) -> dict[str, Any]:
        """The same for a forward product J t, at each entry of the output."""
        how = self.measurement(subject, k, None)
        tangent = how.tangents.tangent
        found, claimed = how(
            lambda rows: numpy.stack([_forward(subject, jvp, {k: tangent(r)}) for r in rows])
        )
        each = isinstance(how.tangents, Entries)
        verdict, row, column = _verdict(found, claimed, self.rtol, each)
        along = f"entry {_index(row, subject.x[k].shape)}" if each else "a random direction"
        output, entry = 0, column
        while entry >= math.prod(subject.shapes[output]):
            entry -= math.prod(subject.shapes[output])
            output += 1
        index = _index(entry, subject.shapes[output])
        note = f"jvp along {along} of the input, at the index of output {output}"
        fields = self._fields(verdict, index, how, found, claimed, (row, column))
        return fields | {"note": note}

    def _fields(
        self, verdict: str, index: Any, how: Measurement, found: Measured, claimed: Any, at: Any
    ) -> dict[str, Any]:
        by = "complex step" if how.complex else "differences"
        if how.complex and found.estimate[at] > 0:
            by = "differences, as by complex step"
        return {
            "verdict": verdict,
            "index": index,
            "analytic": float(claimed[at]),
            "numeric": float(found.value[at]),
            "allowed": float(found.allowed(self.rtol)[at]),
            "estimate": float(found.estimate[at]),
            "method": by,
        }


def _located(
    how: Measurement, tangent: Any, bar: numpy.ndarray
) -> tuple[int, Measured, numpy.ndarray]:
    """The entry to which halving the support of a tangent leads, always to the worse half, with
    the measurement and the claim there."""
    x = how.subject.x[how.k]
    support = numpy.arange(x.size)
    while len(support) > 1:
        pair = halves(x, tangent, support)
        found = replace(how, tangents=pair).once(numpy.arange(2))
        error = abs(pair.dot(bar, numpy.arange(2)) - found.value)
        worse = int(numpy.nan_to_num(error, nan=numpy.inf)[:, 0].argmax())
        support = numpy.array_split(support, 2)[worse]
    entry = int(support[0])
    unit = numpy.zeros((1, *x.shape))
    unit.flat[entry] = tangent.flat[entry]
    one = Directions(x, unit)
    found, claimed = replace(how, tangents=one)(lambda rows: one.dot(bar, rows))
    return entry, found.per(unit.flat[entry]), claimed / unit.flat[entry]


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in numpy.unravel_index(flat, shape))


# ---- the checks ---------------------------------------------------------------------------------


def gradcheck(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    mode: str = "full",
    order: int = 1,
    method: str = "auto",
    batched: bool | Callable[..., Any] | None = None,
    argnums: Sequence[int] | None = None,
    cotangents: int = 2,
    directions: int = 4,
    rtol: float | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    names: Sequence[str] | None = None,
    name: str | None = None,
    localise: bool = True,
    raise_on_failure: bool = True,
) -> GradcheckReport:
    """Judge the gradient of f at the inputs, by the rule at the head of this file.

        gradcheck(lambda v, g: g * v / (v * v).sum(1, keepdims=True).sqrt(), [v, g])
        gradcheck(forward, [v, g], backward=backward)     # arrays: (w_bar, v, g) -> (v_bar, g_bar)
        gradcheck(forward, [v, g], jvp=jvp)               # arrays: (v, g, v_dot, g_dot) -> w_dot

    inputs: arrays, Tensors or Python numbers. All floating ones are checked (or those in
    `argnums`), as copies of `dtype`; integers are passed on. Without `backward` and `jvp`, f takes
    and returns Tensors and is differentiated by its graph. A None from `backward` claims a
    gradient of zero. f may return a tuple; `backward` then takes a tuple of cotangents.

    mode: "full" measures every entry; "random" measures `directions` of each, and on a
    failure halves the direction until one entry is left. method: "complex", "difference", or
    "auto", the complex step where differences confirm it. batched: f over a leading axis of all
    its arguments, or True where f itself is that. order: 2 judges the gradient, a function of the
    inputs and the cotangent, in the same way, after the function; and so on.

    When a gradient from the graph is wrong, the operations in it are judged one by one (`blame`),
    unless `localise` is False.
    Raises GradcheckError with the report unless the verdict is "pass" (or `raise_on_failure` is
    False), TypeError or ValueError for what is not a question. Everything random comes from
    `rng`, by default one of seed 0.
    """
    if mode not in ("full", "random"):
        raise ValueError(f"gradcheck: mode={mode!r}; choose 'full' or 'random'")
    if method not in ("auto", "complex", "difference"):
        raise ValueError(f"gradcheck: method={method!r}; choose 'auto', 'complex' or 'difference'")
    if order < 1 or cotangents < 1 or directions < 1:
        raise ValueError(f"gradcheck: {order=}, {cotangents=}, {directions=}; each is at least 1")
    tensors = backward is None and jvp is None
    if order > 1 and not tensors:
        raise ValueError(
            "gradcheck: order=2 needs the graph; to judge a hand-written second derivative, pass "
            "the gradient as f and its own pullback as backward="
        )
    rng = rng or numpy.random.default_rng(0)
    title = name or _name(f)
    subject = Subject(f, inputs, argnums, dtype, batched, Tensor if tensors else raw)
    labels = [*(names or _names(f)), *[""] * len(inputs)]
    plan = _Plan(mode, method, directions, subject.u**0.56 if rtol is None else rtol, rng)

    def entry(k: int | None, **found: Any) -> Comparison:
        return Comparison(title, k, "" if k is None else labels[k], **found)

    def first_order() -> list[Comparison]:
        unclean = _hygiene(subject)
        if unclean:
            k, verdict, note = unclean
            return [entry(k, verdict=verdict, note=note)]
        u = _cotangents(rng, cotangents, len(subject.centre))
        try:
            with backend.quiet():
                if judged is not None:
                    bars = _gradients(subject, judged, u)
                    noise = _noise(subject, backward, u, bars, rng)
                if jvp is not None:
                    _forward(subject, jvp, {})
        except _WrongForm as wrong:
            k, note = wrong.args
            return [entry(k, verdict="fail", note=note)]
        except Exception as error:
            note = f"the derivative raised {type(error).__name__}: {error}"
            return [entry(None, verdict="fail", note=note)]
        written = "the derivative writes to this input"
        found = [entry(k, verdict="fail", note=written) for k in subject.changed()]
        for k in subject.checked if not found else ():
            if not subject.x[k].size or not subject.centre.size:
                continue
            if judged is not None:
                found.append(entry(k, **plan.gradient(subject, k, bars[k], noise[k], u)))
            if jvp is not None:
                found.append(entry(k, **plan.product(subject, k, jvp)))
        return found

    outputs: list[Tensor] = []
    judged: Any = None
    if tensors:
        leaves, outputs = _recorded(subject)
        judged = _by_graph(subject, leaves, outputs)
    elif backward is not None:
        judged = _judged(subject, backward)
    if subject.batched is not None:
        subject.try_batched()
    answer = GradcheckReport(title, tuple(first_order()), (), subject.evaluations)
    if order > 1 and answer.ok:
        higher = gradcheck(
            *_gradient_function(subject, rng), mode=mode, method="difference", order=order - 1,
            cotangents=cotangents, directions=directions, rtol=rtol, dtype=dtype, rng=rng,
            names=[*(labels[k] for k in subject.checked), "cotangent"], name=title,
            localise=False, raise_on_failure=False,
        )  # fmt: skip
        deeper = tuple(replace(c, order=c.order + 1) for c in higher.comparisons)
        answer = replace(
            answer,
            comparisons=answer.comparisons + deeper,
            evaluations=answer.evaluations + higher.evaluations,
        )
    if answer.verdict == "fail" and outputs and localise and not isinstance(f, Primitive):
        found = blame(outputs, rng, order=max(c.order for c in answer.comparisons), dtype=dtype)
        answer = replace(answer, blamed=tuple(found))
    if raise_on_failure and not answer.ok:
        raise GradcheckError(answer)
    return answer


def _hygiene(subject: Subject) -> tuple[int | None, str, str] | None:
    """What disqualifies f before any derivative: the argument, the verdict, the reason."""
    again, changed = subject.at({}), subject.changed()
    if changed:
        return changed[0], "fail", "f writes to this input"
    if not numpy.array_equal(subject.centre, again, equal_nan=True):
        apart = abs(subject.centre - again).max()
        return None, "fail", f"two calls with the same inputs differ by {apart:.2e}"
    lost = numpy.flatnonzero(~numpy.isfinite(again))
    if len(lost):
        note = f"{len(lost)} of {len(again)} outputs are not finite here, number {lost[0]} first"
        return None, "undefined", note
    return None


def _gradient_function(subject: Subject, rng: Generator) -> tuple[Any, list[Array]]:
    """(x, u) -> J(x)^T u as a function of Tensors, and a point of it."""
    n = len(subject.checked)

    def gradient(*args: Tensor) -> tuple[Tensor, ...]:
        leaves = [x.reshape(x.shape) if x.requires_grad else Tensor(x.data, True) for x in args[:n]]
        given = dict(zip(subject.checked, leaves, strict=True))
        full = [
            given.get(k, Tensor(x) if is_floating(x) else x) for k, x in enumerate(subject.args)
        ]
        outputs = [z for z in as_tuple(subject.f(*full)) if is_floating(raw(z))]
        bars = _pulled(outputs, leaves, args[n:], any(x.requires_grad for x in args))
        return tuple(
            Tensor(backend.namespace(x.data).zeros_like(x.data)) if bar is None else bar
            for x, bar in zip(leaves, bars, strict=True)
        )

    u = subject.split(_cotangents(rng, 1, len(subject.centre))[0])
    return gradient, [subject.args[k] for k in subject.checked] + u


def blame(
    output: Any, rng: Generator | None = None, *, order: int = 1, dtype: Any = "float64"
) -> list[Comparison]:
    """The operations behind an output whose own rules are wrong, each at its recorded inputs.

    output: a Tensor with its graph, or several. Each operation is judged once for every set of
    shapes and parameters it was used with, alone, along random directions; at `order` 2, the
    derivative of its rule as well. Raises RuntimeError where the graph has been freed.
    """
    found, seen, done = [], set(), set()
    stack = list(as_tuple(output))
    while stack:
        z = stack.pop()
        if not isinstance(z, Value) or id(z) in seen:
            continue
        seen.add(id(z))
        op, inputs, params = z._op, z._inputs, z._params
        if op is None:
            continue
        if inputs is None or params is None:
            raise RuntimeError(
                f"blame: the graph behind '{op.name}' was freed by a backward pass; run the "
                f"forward pass again, or keep the graph with retain_graph=True"
            )
        stack.extend(inputs)
        wanted = [k for k, x in enumerate(inputs) if isinstance(x, Value) and x.requires_grad]
        shapes = tuple(getattr(raw(x), "shape", x) for x in inputs)
        key = (op.name, shapes, tuple(wanted), repr(params))
        if key in done:
            continue
        done.add(key)
        report = gradcheck(
            lambda *xs, op=op, params=params: op(*xs, **params), [raw(x) for x in inputs],
            argnums=wanted, mode="random", order=order, dtype=dtype, rng=rng, localise=False,
            names=_names(op.forward), name=op.name, raise_on_failure=False,
        )  # fmt: skip
        found += [c for c in report.comparisons if c.verdict == "fail"]
    return found


def _name(f: Any) -> str:
    return getattr(f, "name", None) or getattr(f, "__name__", None) or type(f).__name__


def _names(f: Any) -> list[str]:
    """The names of f's arguments, as far as it has a signature that tells."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


# ---- checks of another kind ---------------------------------------------------------------------


def adjoint_test(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    trials: int = 4,
    rtol: float | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    name: str | None = None,
    raise_on_failure: bool = True,
) -> GradcheckReport:
    """Whether <u, J t> = <J^T u, t>: the forward and the backward product are of one matrix.

    Necessary, never sufficient: two products that lack the same term agree. The arguments are
    those of gradcheck; both products from the graph, or both by hand.
    """
    if (backward is None) != (jvp is None):
        raise ValueError("adjoint_test: pass both backward= and jvp=, or neither")
    rng = rng or numpy.random.default_rng(0)
    subject = Subject(f, inputs, None, dtype, None, Tensor if backward is None else raw)
    judged, title = _judged(subject, backward), name or _name(f)
    product = jvp or _graph_product(subject)
    comparisons = []
    for u in _cotangents(rng, trials, len(subject.centre)):
        bars = _gradients(subject, judged, u[None])
        dots = {k: random_directions(x, 1, rng).tangents[0] for k, x in subject.x.items()}
        terms = numpy.concatenate([bars[k][0] * t.reshape(-1) for k, t in dots.items()])
        y_dot = _forward(subject, product, dots)
        left, right = float(terms.sum()), float(u @ y_dot)
        scale = float(abs(terms).sum() + abs(u * y_dot).sum())
        allowed = (subject.u**0.56 if rtol is None else rtol) * scale
        comparisons.append(
            Comparison(
                title, None, "", "pass" if abs(left - right) <= allowed else "fail", None,
                left, right, allowed, 0.0, "the forward product", note="<J^T u, t> = <u, J t>",
            )
        )  # fmt: skip
    report = GradcheckReport(title, tuple(comparisons), (), subject.evaluations)
    if raise_on_failure and not report.ok:
        raise GradcheckError(report)
    return report


def _judged(subject: Subject, backward: Any) -> Callable[..., Any]:
    """The backward to be judged, as a function of cotangents alone."""
    if backward is None:
        return _by_graph(subject, *_recorded(subject))
    return lambda *parts: backward(parts[0] if len(parts) == 1 else parts, *subject.args)


def _graph_product(subject: Subject) -> Callable[..., Any]:
    """J t from the graph, in the form of a jvp written by hand."""

    def product(*args: Any) -> Any:
        def output(i: int, *xs: Tensor) -> Tensor:
            full = [Tensor(x) if is_floating(x) else x for x in subject.args]
            for k, x in zip(subject.checked, xs, strict=True):
                full[k] = x
            return as_tuple(subject.f(*full))[i]

        primals = [args[k] for k in subject.checked]
        dots = [args[len(subject.args) + k] for k in subject.checked]
        count = range(len(subject.outputs))
        return tuple(graph_jvp(partial(output, i), primals, dots)[1].data for i in count)

    return product


@dataclass(frozen=True)
class TaylorReport:
    """Remainders of <u, f(x + h t)> after the linear term, and how fast they vanish with h."""

    function: str
    verdict: str
    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    floors: tuple[float, ...]  # of rounding, below which a remainder says nothing
    slope: float | None  # None: f is linear (or constant) along t, all remainders are rounding

    @property
    def ok(self) -> bool:
        return self.verdict == "pass"

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        found = "linear here" if self.slope is None else f"slope {self.slope:.3f}, must be over 1.9"
        lines = [f"{self.verdict.upper()}  Taylor remainder of {self.function}: {found}"]
        for row in zip(self.steps, self.remainders, self.floors, strict=True):
            lines.append("    h {:.1e}   remainder {:.3e}   rounding {:.1e}".format(*row))
        return "\n".join(lines)


def taylor_test(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    tangents: Sequence[Any] | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    name: str | None = None,
    raise_on_failure: bool = True,
) -> TaylorReport:
    """Whether R(h) = <u, f(x + h t) - f(x)> - h <J^T u, t> vanishes as h^2 or faster.

    tangents: one for each input, None for those to leave alone; random ones of the inputs' size
    by default. Steps are relative to them. Where f is linear along t the remainders are rounding
    and have no slope: there they must stay within 100 times its floor instead.
    """
    rng = rng or numpy.random.default_rng(0)
    subject = Subject(f, inputs, None, dtype, None, Tensor if backward is None else raw)
    u = _cotangents(rng, 1, len(subject.centre))
    bars = _gradients(subject, _judged(subject, backward), u)
    t = {k: random_directions(x, 1, rng).tangents[0] for k, x in subject.x.items()}
    if tangents is not None:
        for k, x in subject.x.items():
            t[k] = numpy.zeros_like(x) if tangents[k] is None else to_numpy(raw(tangents[k]))
    terms = numpy.concatenate([bars[k][0] * t[k].reshape(-1) for k in t])
    steps = [2.0**-4 / 4.0**level for level in range(9)]
    remainders, floors, slopes = [], [], []
    for h in steps:
        y = subject.at({k: x + h * t[k] for k, x in subject.x.items()})
        remainders.append(float(abs(u[0] @ (y - subject.centre) - h * terms.sum())))
        size = abs(u[0]) @ numpy.maximum(abs(y), abs(subject.centre)) + h * abs(terms).sum()
        floors.append(float(8 * subject.u * size))
        if len(remainders) > 1 and remainders[-1] > 100 * floors[-1]:
            slopes.append(math.log(remainders[-2] / remainders[-1]) / math.log(4.0))
    slope = float(numpy.median(slopes[-3:])) if slopes else None
    ok = (
        slope > 1.9
        if slope is not None
        else all(r <= 100 * a for r, a in zip(remainders[1:], floors[1:], strict=True))
    )
    verdict = "pass" if ok else "fail"
    report = TaylorReport(
        name or _name(f), verdict, tuple(steps), tuple(remainders), tuple(floors), slope
    )
    if raise_on_failure and not report.ok:
        raise GradcheckError(report)
    return report


class _Callable(types.ModuleType):
    """The module as a function: minwn.gradcheck(f, inputs) is minwn.gradcheck.gradcheck(...)."""

    def __call__(self, *args: Any, **kwargs: Any) -> GradcheckReport:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
