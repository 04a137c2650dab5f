"""Every rule of the engine against measurements: no primitive without a case (see `cases`).

The pullback of a case is judged by `minwn.gradcheck`, at first and at second order (so on arrays
and on Tensors), along random directions, in which every wrong entry shows; its forward product by
the adjoint identity, and its float32 gradient by the float64 one. Where a function has a kink,
nothing can be measured; the derivative that its docstring chooses there is compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy

from ..backend import Generator, unit_roundoff
from ..derivatives import grad
from ..gradcheck import adjoint_test, gradcheck
from ..gradcheck.subject import holds_floats, names_of
from ..graph import Primitive, raw
from ..tensors import Tensor
from .cases import CASES, KINKS, drawn, shapes_of
from .report import FIRST, KINK, PRODUCT, SECOND, SINGLE, Finding, close, compare, findings

__all__ = ["check", "module_of", "registered"]


def registered() -> dict[str, Primitive]:
    """The primitives of minwn itself; others may have been registered by its users."""
    return {
        name: op
        for name, op in Primitive.registry.items()
        if op.forward.__module__.partition(".")[0] == "minwn"
    }


def module_of(op: Primitive) -> str:
    """The row of the table: the module that the primitive is in."""
    return op.forward.__module__.removeprefix("minwn.")


def check(op: Primitive, rng: Generator) -> list[Finding]:
    """Every case of one primitive, and its kinks."""
    if op.name not in CASES:
        note = "it has no case in minwn/verify/cases.py; write one"
        return [Finding(module_of(op), FIRST, f"primitive '{op.name}'", note=note)]
    found: list[Finding] = []
    for number, (shapes, params) in enumerate(CASES[op.name]):
        inputs = [drawn(x, rng) for x in shapes]
        place = f"case {number}, {shapes_of(inputs)}"
        found += judged(op, inputs, params, place, rng)
        found += in_float32(op, inputs, params, place, rng)
    for name, inputs, params, z_bar, expected in KINKS:
        if name == op.name:
            found += at_kink(op, inputs, params, z_bar, expected)
    return found


def judged(
    op: Primitive, inputs: list[Any], params: dict[str, Any], place: str, rng: Generator
) -> Iterator[Finding]:
    """The gradient, the gradient's gradient, and the forward product."""
    f = partial(op, **params)
    report = gradcheck(
        f, inputs, order=2, mode="random", directions=2, cotangents=1, rng=rng, name=op.name,
        names=names_of(op.forward), localise=False, raise_on_failure=False,
    )
    yield from findings(module_of(op), (FIRST, SECOND), report, place)
    if report.ok:
        report = adjoint_test(f, inputs, trials=1, rng=rng, name=op.name, raise_on_failure=False)
        yield from findings(module_of(op), (PRODUCT, PRODUCT), report, place)


def in_float32(
    op: Primitive, inputs: list[Any], params: dict[str, Any], place: str, rng: Generator
) -> Iterator[Finding]:
    """The same gradient in float32: its dtype, and 2^12 roundings of the largest entry.

    That is more than any of these functions of a few entries needs; wrong lines are for the other
    routes to find. Here, a number that has become float64 on the way is.
    """
    if "dtype" in params:
        return
    z = op(*inputs, **params)
    z_bar = drawn(tuple(z.shape), rng)
    in_float64 = _bars(op, inputs, params, z_bar, "float64")
    for create_graph in (False, True):
        bars = _bars(op, inputs, params, z_bar, "float32", create_graph)
        for k, (x, reference) in enumerate(zip(bars, in_float64, strict=True)):
            at = f"op '{op.name}', input {k}, {place}"
            yield close(module_of(op), SINGLE, at, x, reference, "float32")


def _bars(
    op: Primitive,
    inputs: list[Any],
    params: dict[str, Any],
    z_bar: numpy.ndarray,
    dtype: str,
    create_graph: bool = False,
) -> list[numpy.ndarray]:
    """The cotangents of the floating inputs."""
    leaves = [Tensor(x.astype(dtype), True) if holds_floats(x) else x for x in inputs]
    wanted = [x for x in leaves if isinstance(x, Tensor)]
    z = op(*leaves, **params)
    bars = grad(z, wanted, z_bar.astype(raw(z).dtype), create_graph=create_graph, allow_unused=True)
    return [
        numpy.zeros(x.shape) if bar is None else bar.numpy()
        for x, bar in zip(wanted, bars, strict=True)
    ]


def at_kink(
    op: Primitive, inputs: list[Any], params: dict[str, Any], z_bar: Any, expected: Any
) -> Iterator[Finding]:
    """The promised cotangents, to 16 roundings of the largest, by both kinds of walk."""
    xs, u = [numpy.asarray(x) for x in inputs], unit_roundoff(numpy.dtype("float64"))
    for create_graph in (False, True):
        bars = _bars(op, xs, params, numpy.asarray(z_bar), "float64", create_graph)
        for k, (bar, promised) in enumerate(zip(bars, expected, strict=True)):
            place = f"op '{op.name}', input {k}, inputs {inputs} {params or ''}, cotangent {k}"
            allowed = 16 * u * numpy.abs(promised).max()
            yield compare(module_of(op), KINK, place, bar, promised, allowed)
