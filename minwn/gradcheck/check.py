"""The check itself: argument by argument, order by order; and whom to blame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, wraps
from typing import Any

import numpy

from .. import backend
from ..backend import Array, Generator, generator
from ..graph import Primitive, raw
from ..tensors import Tensor
from ..validation import shown, whole
from .analytic import (
    WrongForm,
    by_graph,
    check_options,
    draw_cotangents,
    forward_product,
    gradient_function,
    gradients_of,
    judged_backward,
    name_of,
    names_of,
    noise_of,
    operations,
    recorded,
)
from .compare import Plan
from .report import Comparison, GradcheckError, GradcheckReport
from .subject import Subject

__all__ = ["blame", "gradcheck"]


def _where_the_inputs_are(check: Callable[..., GradcheckReport]) -> Callable[..., GradcheckReport]:
    """The check, with the device of the inputs as the current one for functions of arrays."""

    @wraps(check)
    def there(f: Callable[..., Any], inputs: Sequence[Any], **options: Any) -> GradcheckReport:
        given = inputs if isinstance(inputs, list | tuple) else ()
        with backend.on_device_of(next(filter(backend.is_cupy, map(raw, given)), None)):
            return check(f, inputs, **options)

    return there


@_where_the_inputs_are
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
    `argnums`), as copies of `dtype`; integers are passed on. Without `backward` and `jvp`, f takes
    and returns Tensors and is differentiated by its graph. A None from `backward` claims a
    gradient of zero. f may return a tuple; `backward` then takes a tuple of cotangents.

    mode: "full" measures every entry, one of each independent slice at a time; "random" measures
    `directions` of each argument, and on a failure halves the direction until one entry is left.
    method: "complex", "difference", or "auto", the complex step where differences confirm it (and
    where, along random directions, they do not suffice). batched: f over a leading axis of all its
    arguments, or True where f itself is that. order: 2 judges the gradient, a function of the
    inputs and the cotangent, in the same way, after the function; and so on.

    When a gradient from the graph is wrong, the operations in it are judged one by one (`blame`),
    unless `localise` is False.
    Raises GradcheckError with the report unless the verdict is "pass" (or `raise_on_failure` is
    False), TypeError or ValueError for what is not a question. Everything random comes from
    `rng`, by default one of seed 0.
    """
    if not isinstance(mode, str) or mode not in ("full", "random"):
        raise ValueError(f"gradcheck: mode={shown(mode)}; choose 'full' or 'random'")
    if not isinstance(method, str) or method not in ("auto", "complex", "difference"):
        raise ValueError(
            f"gradcheck: method={shown(method)}; choose 'auto', 'complex' or 'difference'"
        )
    order, cotangents = whole("order", order), whole("cotangents", cotangents)
    directions = whole("directions", directions)
    check_options(
        backward=backward, jvp=jvp, rtol=rtol, names=names, name=name,
        localise=localise, raise_on_failure=raise_on_failure,
    )  # fmt: skip
    tensors = backward is None and jvp is None
    if order > 1 and not tensors:
        raise ValueError(
            "gradcheck: order=2 needs the graph; to judge a hand-written second derivative, pass "
            "the gradient as f and its own pullback as backward="
        )
    rng = generator(0 if rng is None else rng)
    title = name or name_of(f)
    subject = Subject(f, inputs, argnums, dtype, batched, Tensor if tensors else raw)
    labels = [*(names or names_of(f)), *[""] * len(inputs)]
    plan = Plan(mode, method, directions, subject.u**0.56 if rtol is None else rtol, rng)

    # A function of the user's may be called tanh, too; only a name that was given counts.
    kind = "op" if isinstance(f, Primitive) or name in Primitive.registry else "function"

    def entry(k: int | None, **found: Any) -> Comparison:
        return Comparison(title, k, "" if k is None else labels[k], kind=kind, **found)

    def first_order() -> list[Comparison]:
        unclean = _hygiene(subject)
        if unclean:
            k, verdict, note = unclean
            return [entry(k, verdict=verdict, note=note)]
        u = draw_cotangents(rng, cotangents, len(subject.centre))
        try:
            with backend.quiet():
                if judged is not None:
                    bars = gradients_of(subject, judged, u)
                if jvp is not None:
                    forward_product(subject, jvp, {})
        except WrongForm as wrong:
            k, note = wrong.args
            return [entry(k, verdict="fail", note=note)]
        except Exception as error:
            note = f"the derivative raised {type(error).__name__}: {error}"
            return [entry(None, verdict="fail", note=note)]

        @cache
        def noise() -> dict[int, Array]:
            with backend.quiet():
                return noise_of(subject, backward, u, bars, rng)

        written = "the derivative writes to this input"
        found = [entry(k, verdict="fail", note=written) for k in subject.changed()]
        for k in subject.checked if not found else ():
            if not subject.x[k].size:
                nothing = {"analytic": 0.0, "numeric": 0.0, "allowed": 0.0}
                note = "empty: nothing to compare"
                found.append(entry(k, verdict="pass", note=note, **nothing))
                continue
            if judged is not None:
                found.append(entry(k, **plan.gradient(subject, k, bars[k], noise, u)))
            if jvp is not None:
                found.append(entry(k, **plan.product(subject, k, jvp)))
        return found

    outputs: list[Tensor] = []
    judged: Any = None
    if tensors:
        leaves, outputs = recorded(subject)
        judged = by_graph(subject, leaves, outputs)
    elif backward is not None:
        judged = judged_backward(subject, backward)
    if subject.batched is not None:
        subject.try_batched()
    answer = GradcheckReport(title, tuple(first_order()), (), subject.evaluations)
    if order > 1 and answer.ok:
        u = draw_cotangents(rng, 1, len(subject.centre))[0]
        higher = gradcheck(
            *gradient_function(subject, u), mode=mode, method="difference", order=order - 1,
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
        )  # fmt: skip
        found += [c for c in report.comparisons if c.verdict == "fail"]
    return found
