"""What a graph claims: gradients and forward products, of every order, and the operations in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .. import backend
from ..backend import Array
from ..derivatives import grad, jvp
from ..graph import Primitive, Value, raw
from ..tensors import Argument, Tensor
from .subject import Subject, as_tuple, holds_floats

__all__ = ["by_graph", "gradient_function", "graph_product", "operations", "pulled", "recorded"]


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


def graph_product(subject: Subject) -> Callable[..., Any]:
    """J t from the graph, in the form of a jvp written by hand."""

    def product(*args: Any) -> Any:
        def output(i: int, *xs: Tensor) -> Tensor:
            full = [Tensor(x) if holds_floats(x) else x for x in subject.args]
            for k, x in zip(subject.checked, xs, strict=True):
                full[k] = x
            return as_tuple(subject.f(*full))[i]

        primals = [args[k] for k in subject.checked]
        dots = [args[len(subject.args) + k] for k in subject.checked]
        count = range(len(subject.outputs))
        return tuple(jvp(partial(output, i), primals, dots)[1].data for i in count)

    return product


def gradient_function(subject: Subject, u: Array) -> tuple[Any, list[Array]]:
    """(x, u) -> J(x)^T u as a function of Tensors, and a point of it."""
    n = len(subject.checked)

    def gradient(*args: Tensor) -> tuple[Tensor, ...]:
        leaves = [
            x.reshape(x.shape) if x.requires_grad else Argument(x.data, True) for x in args[:n]
        ]
        given = dict(zip(subject.checked, leaves, strict=True))
        full = [
            given.get(k, Tensor(x) if holds_floats(x) else x) for k, x in enumerate(subject.args)
        ]
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
