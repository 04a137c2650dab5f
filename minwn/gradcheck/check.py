"""The check itself: argument by argument, order by order; and which operation is at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy

from .. import backend
from ..backend import Generator, generator
from ..graph import Primitive, raw
from ..tensors import Tensor
from ..validation import flag, function, instance, not_negative, shown, whole
from .analytic import (
    WrongForm,
    by_graph,
    draw_cotangents,
    forward_product,
    gradient_function,
    gradients_of,
    judged_backward,
    name_of,
    operations,
    recorded,
    rounding_of,
)
from .compare import Comparer
from .report import Comparison, GradcheckReport
from .subject import Subject, names_of

__all__ = ["Check", "Options", "blame", "gradcheck"]

FEW = 3  # evaluations that are repeated where nothing is in doubt
METHODS = ("auto", "complex", "difference")


@dataclass(frozen=True)
class Options:
    """The options of `gradcheck`, where they are explained; some are those of the other tests, too.

    Raises TypeError or ValueError for what cannot be meant.
    """

    backward: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    mode: str = "full"
    order: int = 1
    method: str = "auto"
    batched: bool | Callable[..., Any] | None = None
    argnums: Sequence[int] | None = None
    cotangents: int = 2
    directions: int = 2
    rtol: float | None = None
    dtype: Any = "float64"
    rng: Any = None
    names: Sequence[str] | None = None
    name: str | None = None
    localise: bool = True
    raise_on_failure: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in ("full", "random"):
            raise ValueError(f"gradcheck: mode={shown(self.mode)}; choose 'full' or 'random'")
        if not isinstance(self.method, str) or self.method not in METHODS:
            raise ValueError(
                f"gradcheck: method={shown(self.method)}; choose 'auto', 'complex' or 'difference'"
            )
        for count in ("order", "cotangents", "directions"):
            whole(count, getattr(self, count))
        if self.backward is not None:
            function("backward", self.backward, "a function (y_bar, *inputs) -> gradients")
        if self.jvp is not None:
            function("jvp", self.jvp, "a function (*inputs, *tangents) -> y_dot")
        if self.rtol is not None:
            not_negative("rtol", self.rtol)
        if self.name is not None:
            instance("name", self.name, str, "text")
        if self.names is not None:
            for one in instance("names", self.names, (list, tuple), "a list of texts"):
                instance("names", one, str, "a list of texts")
        flag("localise", self.localise)
        flag("raise_on_failure", self.raise_on_failure)
        if self.order > 1 and not self.by_graph:
            raise ValueError(
                "gradcheck: order=2 needs the graph; to judge a hand-written second derivative, "
                "pass the gradient as f and its own pullback as backward="
            )

    @property
    def by_graph(self) -> bool:
        """Whether f takes and returns Tensors, and its own graph is judged."""
        return self.backward is None and self.jvp is None

    def tolerance(self, u: float) -> float:
        """rtol, or what rounding with the unit roundoff u may do to a right derivative."""
        return u**0.56 if self.rtol is None else self.rtol


class Check:
    """One function, at one point, with its derivative: what is judged, and how it is measured.

    `report` does it all. `first_order` compares the derivative with f, `higher_order` the
    derivative's own derivative with the derivative, and `localise` finds the operation at fault.
    """

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], options: Options) -> None:
        self.f, self.options = f, options
        self.rng = generator(0 if options.rng is None else options.rng)
        self.title = options.name or name_of(f)
        self.subject = subject = Subject(
            f, inputs, options.argnums, options.dtype, options.batched,
            Tensor if options.by_graph else raw,
        )
        self.labels = [*(options.names or subject.names), *[""] * len(subject.args)]
        # A function of the user's may be called tanh, too; only a name that was given counts.
        known = isinstance(f, Primitive) or options.name in Primitive.registry
        self.kind = "op" if known else "function"
        self.outputs: list[Tensor] = []  # with their graph, where that is judged
        self.backward: Callable[..., Any] | None = None  # of cotangents alone
        if options.by_graph:
            leaves, self.outputs = recorded(subject)
            self.backward = by_graph(subject, leaves, self.outputs)
        elif options.backward is not None:
            self.backward = judged_backward(subject, options.backward)
        if subject.batched is not None:
            subject.try_batched()

    def report(self) -> GradcheckReport:
        """All that `gradcheck` does, but raise."""
        answer = GradcheckReport(self.title, self.first_order(), (), self.subject.evaluations)
        if self.options.order > 1 and answer.ok:
            higher = self.higher_order()
            deeper = tuple(replace(c, order=c.order + 1) for c in higher.comparisons)
            answer = replace(
                answer,
                comparisons=answer.comparisons + deeper,
                evaluations=answer.evaluations + higher.evaluations,
            )
        if answer.verdict == "fail" and self.options.localise:
            answer = replace(answer, blamed=self.localise(max(c.order for c in answer.comparisons)))
        return answer

    # ---- the first order ----

    def first_order(self) -> tuple[Comparison, ...]:
        """The gradient, and J t where there is a jvp, of every checked argument; or, where f or its
        derivative is not a function at all, only that."""
        return self._unfit() or self._compared()

    def _compared(self) -> tuple[Comparison, ...]:
        found = self._measured()
        if self.subject.changed():
            return found
        doubt = any(c.verdict != "pass" for c in found)
        reason = self.subject.unsteady(None if doubt else FEW)
        if reason:
            return (self._entry(None, verdict="fail", note=reason),)
        return found

    def _entry(self, k: int | None, **found: Any) -> Comparison:
        label = "" if k is None else self.labels[k]
        return Comparison(self.title, k, label, kind=self.kind, **found)

    def _unfit(self) -> tuple[Comparison, ...]:
        """What disqualifies f before any derivative."""
        subject = self.subject
        reason, changed = subject.unsteady(0), subject.changed()
        if changed:
            return (self._entry(changed[0], verdict="fail", note="f writes to this input"),)
        if reason:
            return (self._entry(None, verdict="fail", note=reason),)
        y = subject.narrow
        lost = numpy.flatnonzero(~numpy.isfinite(y))
        if len(lost):
            note = f"{len(lost)} of {len(y)} outputs are not finite here, number {lost[0]} first"
            return (self._entry(None, verdict="undefined", note=note),)
        return ()

    def _measured(self) -> tuple[Comparison, ...]:
        try:
            return tuple(self._comparisons())
        except WrongForm as wrong:
            k, note = wrong.args
            return (self._entry(k, verdict="fail", note=note),)

    def _comparisons(self) -> Iterator[Comparison]:
        subject, options = self.subject, self.options
        u = draw_cotangents(self.rng, options.cotangents, len(subject.centre)) * subject.weights()
        u = numpy.stack([subject.rounded(row) for row in u])
        try:
            with backend.quiet():
                bars = None if self.backward is None else gradients_of(subject, self.backward, u)
                if options.jvp is not None:
                    forward_product(subject, options.jvp, {})
        except WrongForm:
            raise
        except Exception as error:
            raise WrongForm(
                None, f"the derivative raised {type(error).__name__}: {error}"
            ) from error
        changed = subject.changed()
        if changed:
            raise WrongForm(changed[0], "the derivative writes to this input")

        @cache
        def rounding() -> dict[int, numpy.ndarray]:
            with backend.quiet():
                return rounding_of(subject, options.backward, u, bars, self.rng)

        compare = Comparer(
            subject, options.mode, options.method, options.directions,
            options.tolerance(subject.u_bar), self.rng,
        )
        for k in subject.checked:
            if not subject.x[k].size:
                nothing = {"analytic": 0.0, "numeric": 0.0, "allowed": 0.0}
                yield self._entry(k, verdict="pass", note="empty: nothing to compare", **nothing)
                continue
            if bars is not None:
                yield self._entry(k, **compare.gradient(k, u, bars[k], rounding))
            if options.jvp is not None:
                yield self._entry(k, **compare.product(k, options.jvp))

    # ---- and the others ----

    def higher_order(self) -> GradcheckReport:
        """The same check of the gradient, a function of the inputs and the cotangent."""
        subject, options = self.subject, self.options
        u = draw_cotangents(self.rng, 1, len(subject.centre))[0]
        labels = [*(self.labels[k] for k in subject.checked), "cotangent"]
        deeper = replace(
            options, order=options.order - 1, method="difference", batched=None, argnums=None,
            rng=self.rng, names=labels, name=self.title, localise=False,
        )
        return Check(*gradient_function(subject, u), deeper).report()

    def localise(self, order: int = 1) -> tuple[Comparison, ...]:
        """The operations in the graph whose own rule is wrong, up to this order."""
        if not self.outputs or isinstance(self.f, Primitive):
            return ()
        return tuple(blame(self.outputs, self.rng, order=order, dtype=self.options.dtype))


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
    directions: int = 2,
    rtol: float | None = None,
    dtype: Any = "float64",
    rng: Generator | None = None,
    names: Sequence[str] | None = None,
    name: str | None = None,
    localise: bool = True,
    raise_on_failure: bool = True,
) -> GradcheckReport:
    """Judge the gradient of f at the inputs, by the rule in the docstring of this package.

        gradcheck(lambda v, g: g * v / (v * v).sum(1, keepdims=True).sqrt(), [v, g])
        gradcheck(forward, [v, g], backward=backward)     # arrays: (w_bar, v, g) -> (v_bar, g_bar)
        gradcheck(forward, [v, g], jvp=jvp)               # arrays: (v, g, v_dot, g_dot) -> w_dot

    inputs: arrays, Tensors or Python numbers. All floating ones are checked (or those in
    `argnums`), as copies of `dtype` ("float64", "float32", "float16", "bfloat16", ...); integers
    are passed on. Without `backward` and `jvp`, f takes and returns Tensors and is differentiated
    by its graph. A None from `backward` stands for a gradient of zero. f may return a tuple;
    `backward` then takes a tuple of cotangents.

    mode: "full" measures every entry, one of each independent slice at a time; "random" measures
    `directions` of each argument, and on a failure halves the direction until one entry is left.
    method: "complex", "difference", or "auto", the complex step where differences confirm it (and
    where, along random directions, they do not suffice).
    batched: f over a leading axis of all its arguments, or True where f itself is that.
    order: 2 judges the gradient, a function of the inputs and the cotangent, in the same way, after
    the function; and so on.

    When a gradient from the graph is wrong, the operations in it are judged one by one (`blame`),
    unless `localise` is False.
    Raises GradcheckError with the report unless the verdict is "pass" (or `raise_on_failure` is
    False; the report is then true only for "pass"), TypeError or ValueError for options that
    cannot be meant. Everything random comes from `rng`, by default one of seed 0.

    >>> def half_of_it(y_bar, x):
    ...     return y_bar * x
    >>> report = gradcheck(lambda x: x * x, [3.0], backward=half_of_it, raise_on_failure=False)
    >>> report.verdict, round(report.worst.analytic / report.worst.numeric, 6)
    ('fail', 0.5)
    """
    options = Options(
        backward, jvp, mode, order, method, batched, argnums, cotangents, directions, rtol, dtype,
        rng, names, name, localise, raise_on_failure,
    )
    given = inputs if isinstance(inputs, list | tuple) else ()
    # Functions of arrays make new ones on the current device.
    with backend.on_device_of(next(filter(backend.is_cupy, map(raw, given)), None)):
        answer = Check(f, inputs, options).report()
    return answer.raised() if raise_on_failure else answer


def blame(
    output: Any, rng: Generator | None = None, *, order: int = 1, dtype: Any = "float64"
) -> list[Comparison]:
    """The operations behind an output whose own rules are wrong, each at its recorded inputs.

    output: a Tensor with its graph, or several. Each operation is judged once for every set of
    shapes and parameters it was used with, alone, along random directions; at `order` 2, the
    derivative of its rule as well. Raises RuntimeError where the graph has been freed.
    """
    found = []
    for op, inputs, wanted, params in operations(output):
        if not any(inputs[k].size for k in wanted):
            continue
        report = gradcheck(
            lambda *xs, op=op, params=params: op(*xs, **params), inputs, argnums=wanted,
            mode="random", order=order, dtype=dtype, rng=rng, localise=False,
            names=names_of(op.forward), name=op.name, raise_on_failure=False,
        )
        found += [c for c in report.comparisons if c.verdict == "fail"]
    return found
