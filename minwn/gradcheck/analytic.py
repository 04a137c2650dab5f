"""The derivatives under test: gradients and forward products, by hand or from a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy

from .. import backend
from ..backend import Array, Generator, to_numpy
from ..derivatives import grad, jvp
from ..graph import Primitive, Value, raw
from ..tensors import Argument, Tensor
from ..validation import shown
from .numerical import DISTRUST, sizes_of
from .subject import Subject, as_tuple, holds_floats, same

__all__ = [
    "WrongForm", "by_graph", "draw_cotangents", "forward_product", "gradient_function",
    "gradients_of", "graph_product", "judged_backward", "name_of", "operations",
    "pulled", "recorded", "rounding_of",
]


class WrongForm(Exception):
    """A derivative that cannot be compared: the argument, and what is wrong with it."""


def draw_cotangents(rng: Generator, count: int, m: int) -> numpy.ndarray:
    """Signed, away from 0 and from each other: (count, m)"""
    u = rng.uniform(-1, 1, (count, m))
    return u + numpy.copysign(0.5, u)


def gradients_of(
    subject: Subject, backward: Callable[..., Any], cotangents: numpy.ndarray
) -> dict[int, numpy.ndarray]:
    """What backward(u) returns for each argument: (c, n).

    Raises WrongForm where it has not the form of a gradient, or backward writes to u.
    """
    bars = {k: numpy.zeros((len(cotangents), x.size)) for k, x in subject.x.items()}
    for row, u in enumerate(cotangents):
        parts, before = subject.split(u), subject.split(u)
        found = as_tuple(backward(*parts))
        if len(found) != len(subject.args):
            count = f"{len(found)} gradients for {len(subject.args)} inputs"
            raise WrongForm(None, f"backward returns {count}")
        for k, bar in bars.items():
            if found[k] is not None:  # None stands for zero
                bar[row] = _of_form(found[k], subject.args[k], k, "gradient")
        for part, was in zip(parts, before, strict=True):
            if not same(part, was):
                raise WrongForm(None, "the derivative writes to its cotangent")
    return bars


def rounding_of(
    subject: Subject, backward: Any, u: numpy.ndarray, bars: Any, rng: Generator
) -> dict[int, numpy.ndarray]:
    """How far rounding may move each entry of a gradient: (c, n).

    A gradient that is zero by cancellation (of a shift before a normalisation) is a sum of large
    terms, of which neither f nor the sum tells. In a short dtype, the same backward in float64
    tells what rounding did, and 4 times as much is allowed. Else points and cotangents next to the
    given ones round it again: a step of 2^-42, or 4 roundings of a shorter dtype, is too short to
    show anything else. Of four such differences, 100 times the largest is allowed.
    """
    found = {k: numpy.zeros_like(bar) for k, bar in bars.items()}
    moved: Iterable[dict[int, numpy.ndarray]]
    wide = _in_float64(subject, backward, u)
    if wide is not None:
        moved, factor = [wide], 4.0
    else:
        moved, factor = _nearby(subject, backward, u, rng), DISTRUST
    for there in moved:
        for k, bar in bars.items():
            found[k] = numpy.maximum(found[k], numpy.nan_to_num(abs(there[k] - bar)))
    return {k: factor * _among_smaller(found[k], abs(bar)) for k, bar in bars.items()}


def _among_smaller(noise: numpy.ndarray, size: numpy.ndarray) -> numpy.ndarray:
    """For each entry, the largest noise among those that are no larger than 2^10 times it: what
    happens to one may happen to the others, but large ones tell nothing of small ones. (c, n)"""
    worst = numpy.empty_like(noise)
    for row, (own, of) in enumerate(zip(noise, size, strict=True)):
        order = of.argsort()
        most = numpy.maximum.accumulate(own[order])
        worst[row] = most[numpy.searchsorted(of[order], 2.0**10 * of, side="right") - 1]
    return worst


def _in_float64(subject: Subject, backward: Any, u: numpy.ndarray) -> Any:
    """The gradients as the same backward computes them in float64; None where it does not."""
    if not subject.wide:
        return None
    try:
        with subject.in_float64():
            return gradients_of(subject, judged_backward(subject, backward), u)
    except Exception:  # it may say in any way that it is of one dtype
        return None


def _nearby(
    subject: Subject, backward: Any, u: numpy.ndarray, rng: Generator
) -> Iterator[dict[int, numpy.ndarray]]:
    """The gradients at points and cotangents as near as rounding."""
    far = 2.0**11 if subject.u_bar < 2.0**-40 else 4.0
    args = subject.args
    for _ in range(4):
        subject.args = list(args)
        for k, x in subject.x.items():
            step = far * subject.u_bar * sizes_of(x) if x.size else 0.0
            subject.args[k] = subject.put(k, x + step * rng.uniform(-1, 1, x.shape))
        try:
            nearby = u * (1 + 8 * subject.u_bar * rng.uniform(-1, 1, u.shape))
            yield gradients_of(subject, judged_backward(subject, backward), nearby)
        finally:
            subject.args = args


def forward_product(
    subject: Subject, jvp: Any, tangents: dict[int, numpy.ndarray]
) -> numpy.ndarray:
    """What jvp returns for J t, in one row: (m,)

    Raises WrongForm where it has not the form of the outputs, or jvp writes to t.
    """
    dots: list[Any] = [None] * len(subject.args)
    for k, x in subject.x.items():
        dots[k] = subject.put(k, tangents.get(k, numpy.zeros_like(x)))
    before: list[Any] = [t if t is None else backend.copy(t) for t in dots]
    found = as_tuple(jvp(*subject.args, *dots))
    if len(found) != len(subject.outputs):
        raise WrongForm(None, f"jvp returns {len(found)} tangents of {len(subject.outputs)}")
    pairs = zip(found, subject.outputs, strict=True)
    rows = [_of_form(y_dot, y, None, "tangent") for y_dot, y in pairs]
    for k in subject.x:
        if not same(dots[k], before[k]):
            raise WrongForm(k, "the derivative writes to its tangent")
    return numpy.concatenate(rows)


def _of_form(found: Any, like: Array, k: int | None, what: str) -> numpy.ndarray:
    found = raw(found)
    shape, dtype = getattr(found, "shape", ()), getattr(found, "dtype", type(found).__name__)
    if shape != like.shape:
        raise WrongForm(k, f"{what} of shape {shape}, expected {like.shape}")
    if dtype != like.dtype:
        raise WrongForm(k, f"{what} of dtype {dtype}, expected {like.dtype}")
    return to_numpy(found).astype("float64").reshape(-1)


def judged_backward(subject: Subject, backward: Any) -> Callable[..., Any]:
    """The backward to be judged, as a function of cotangents alone."""
    if backward is None:
        return by_graph(subject, *recorded(subject))
    return lambda *parts: backward(parts[0] if len(parts) == 1 else parts, *subject.args)


def name_of(f: Any) -> str:
    """The name under which f is reported."""
    return getattr(f, "name", None) or getattr(f, "__name__", None) or type(f).__name__


# ---- from a graph --------------------------------------------------------------------------------


def recorded(subject: Subject) -> tuple[list[Tensor], list[Tensor]]:
    """New leaves for the checked arguments, and the outputs computed from them."""
    args = [
        Argument(x, k in subject.x) if holds_floats(x) else x for k, x in enumerate(subject.args)
    ]
    with backend.quiet():
        outputs = [z for z in as_tuple(subject.f(*args)) if holds_floats(raw(z))]
    if not all(isinstance(z, Tensor) for z in outputs):
        raise TypeError(
            "gradcheck: f returns plain arrays, which have no gradient of their own; return "
            "Tensors, or pass the gradient to be judged as backward= or jvp="
        )
    return [args[k] for k in subject.checked], outputs


def pulled(outputs: Any, leaves: Any, cotangents: Any, create_graph: bool = False) -> list[Any]:
    """The cotangents of the leaves, summed over the outputs; None where nothing arrives."""
    bars: list[Any] = [None] * len(leaves)
    for z, u in zip(outputs, cotangents, strict=True):
        if z.requires_grad:
            options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
            for i, bar in enumerate(grad(z, leaves, u, **options)):
                bars[i] = bar if bars[i] is None else bars[i] if bar is None else bars[i] + bar
    return bars


def by_graph(subject: Subject, leaves: Any, outputs: Any) -> Callable[..., Any]:
    """The gradients from the graph, in the form of a backward written by hand."""

    def backward(*parts: Any) -> list[Any]:
        found = dict(zip(subject.checked, pulled(outputs, leaves, parts), strict=True))
        return [found.get(k) for k in range(len(subject.args))]

    return backward


def _tensors(subject: Subject, xs: Sequence[Tensor]) -> list[Any]:
    """All arguments, with these in the place of the checked ones, and constants for the others."""
    full = [Tensor(x) if holds_floats(x) else x for x in subject.args]
    for k, x in zip(subject.checked, xs, strict=True):
        full[k] = x
    return full


def graph_product(subject: Subject) -> Callable[..., Any]:
    """J t from the graph, in the form of a jvp written by hand."""

    def product(*args: Any) -> Any:
        def output(i: int, *xs: Tensor) -> Tensor:
            return as_tuple(subject.f(*_tensors(subject, xs)))[i]

        primals = [args[k] for k in subject.checked]
        dots = [args[len(subject.args) + k] for k in subject.checked]
        count = range(len(subject.outputs))
        return tuple(jvp(partial(output, i), primals, dots)[1].data for i in count)

    return product


def gradient_function(subject: Subject, u: numpy.ndarray) -> tuple[Any, list[Array]]:
    """(x, u) -> J(x)^T u as a function of Tensors, and a point of it."""
    n = len(subject.checked)

    def gradient(*args: Tensor) -> tuple[Tensor, ...]:
        leaves = [
            x.reshape(x.shape) if x.requires_grad else Argument(x.data, True) for x in args[:n]
        ]
        full = _tensors(subject, leaves)
        outputs = [z for z in as_tuple(subject.f(*full)) if holds_floats(raw(z))]
        bars = pulled(outputs, leaves, args[n:], any(x.requires_grad for x in args))
        return tuple(
            Tensor(backend.zeros_like(x.data)) if bar is None else bar
            for x, bar in zip(leaves, bars, strict=True)
        )

    return gradient, [subject.args[k] for k in subject.checked] + subject.split(u)


def operations(output: Any) -> Iterator[tuple[Primitive, list[Any], list[int], dict[str, Any]]]:
    """Each operation behind an output, once for every set of shapes and parameters it was used
    with: its inputs as arrays, which of them want a gradient, its parameters.

    Raises RuntimeError where the graph has been freed.
    """
    seen, done, stack = set(), set(), list(as_tuple(output))
    if not stack or not all(isinstance(z, Value) for z in stack):
        raise TypeError(f"output={shown(output)}; pass a Tensor with its graph, or several")
    while stack:
        z = stack.pop()
        if not isinstance(z, Value) or id(z) in seen:
            continue
        seen.add(id(z))
        if z._record is None:
            continue
        op, inputs, _, params = z._record
        if inputs is None:
            raise RuntimeError(
                f"blame: the graph behind '{op.name}' was freed by a backward pass; run the "
                f"forward pass again, or keep the graph with retain_graph=True"
            )
        stack.extend(inputs)
        wanted = [k for k, x in enumerate(inputs) if isinstance(x, Value) and x.requires_grad]
        shapes = tuple(getattr(raw(x), "shape", x) for x in inputs)
        key = (op.name, shapes, tuple(wanted), repr(params))
        if key not in done:
            done.add(key)
            yield op, [raw(x) for x in inputs], wanted, params
