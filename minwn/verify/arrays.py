"""The functions of `byhand` on arrays, outside any graph, against measurements and against their
definitions in ops."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy

from .. import byhand
from ..backend import Generator
from ..derivatives import grad
from ..gradcheck import gradcheck
from ..tensors import Tensor
from .cases import FROZEN, LABELS, SOFT, drawn, shapes_of
from .report import AUTODIFF, FIRST, PRODUCT, Finding, close, finding

__all__ = ["check"]


class ByHand(NamedTuple):
    """A function of arrays, its derivatives written by hand, and its definition in ops."""

    name: str
    forward: Callable[..., Any]
    inputs: tuple[Any, ...]
    backward: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    composed: Callable[..., Any] | None = None


def functions() -> Iterator[ByHand]:
    linear, conv = byhand.linear, byhand.conv
    for bias in ((4,), None):
        yield ByHand(
            "linear", linear.forward, ((2, 3), (4, 3), bias), linear.vjp,
            lambda x, w, b, x_dot, w_dot, b_dot: linear.jvp(x, w, x_dot, w_dot, b_dot),
            linear.composed,
        )
    settings: list[Any] = [((2,), {"stride": 2, "padding": ((1, 0),), "groups": 2}), (None, {})]
    for bias, how in settings:
        f = partial(conv.forward, **how)
        weight = (2, 4 // how.get("groups", 1), 2)
        yield ByHand(
            "conv", f, ((2, 4, 5), weight, bias), partial(conv.vjp, **how),
            lambda x, w, b, x_dot, w_dot, b_dot, how=how: conv.jvp(
                x, w, x_dot, w_dot, b_dot, **how
            ),
            partial(conv.composed, **how),
        )
    norm = byhand.mean_only_batch_norm
    for shape in ((4, 2), (2, 3, 2)):
        yield ByHand(
            "mean_only_batch_norm", norm.forward, (shape, shape[1:2]),
            lambda y_bar, t, b: norm.vjp(y_bar), None, norm.composed,
        )
    entropy, positions = byhand.softmax_cross_entropy, numpy.array([[2, 0], [1, 1]])
    for shape, targets in (((3, 4), LABELS), ((3, 4), SOFT), ((2, 3, 2), positions)):
        for reduction in entropy.REDUCTIONS:
            options: dict[str, Any] = {"targets": targets, "reduction": reduction}
            yield ByHand(
                "softmax_cross_entropy", partial(entropy.forward, **options), (shape,),
                partial(entropy.vjp, **options), None, partial(entropy.composed, **options),
            )
    x = numpy.array([[0.7, -1.2, 0.1, 2.0], [-0.5, 0.3, 0.9, -2.0], [1.1, 0.4, -0.6, 0.2]])
    for reduction in entropy.REDUCTIONS:
        yield ByHand(
            "softmax_cross_entropy.targets_vjp",
            lambda p, r=reduction: entropy.forward(x, targets=p, reduction=r), ((3, 4),),
            lambda l_bar, p, r=reduction: entropy.targets_vjp(l_bar, x, targets=p, reduction=r),
            None, lambda p, r=reduction: entropy.composed(x, targets=p, reduction=r),
        )
    for gains, name in itertools.product(
        ((2, 1), ()), ("weight_norm", "exponential_scale", "frozen_norm")
    ):
        hand: Any = getattr(byhand, name)
        # Measured, the norm is frozen only where it is given.
        how = {"n": FROZEN if gains else FROZEN[0, 0]} if name == "frozen_norm" else {}
        yield ByHand(
            name, partial(hand.forward, **how), ((2, 3), gains), partial(hand.vjp, **how),
            partial(hand.jvp, **how), None if how else hand.composed,
        )
        yield ByHand(
            f"{name}.double_vjp", partial(hand.vjp, **how), ((2, 3), (2, 3), gains),
            lambda bars, *point, hand=hand, how=how: hand.double_vjp(*bars, *point, **how),
        )


def check(rng: Generator) -> Iterator[Finding]:
    """The functions of `byhand` that work on arrays, outside any graph."""
    for name, forward, inputs, backward, jvp, composed in functions():
        arrays = [drawn(x, rng) for x in inputs]
        report = gradcheck(
            forward, arrays, backward=backward, jvp=jvp, cotangents=1, rng=rng,
            localise=False, name=f"byhand.{name} on arrays", raise_on_failure=False,
        )
        what, place = f"byhand.{name.partition('.')[0]}", shapes_of(arrays)
        for c in report.comparisons:
            yield finding(what, PRODUCT if c.note.startswith("jvp") else FIRST, c, place)
        if composed is not None:
            yield from against_composed(what, forward, backward, composed, arrays, rng)


def against_composed(
    what: str, forward: Any, backward: Any, composed: Any, inputs: list[Any], rng: Any
) -> Iterator[Finding]:
    """Value and gradient against the definition in ops, to 2^12 roundings of the largest entry."""
    place = f"{what} and its definition in ops, {{}}, {shapes_of(inputs)}"
    leaves = [x if x is None else Tensor(x, True) for x in inputs]
    y = composed(*leaves)
    yield close(what, AUTODIFF, place.format("value"), forward(*inputs), y.data)
    y_bar = drawn(tuple(y.shape), rng)
    bars = backward(y_bar, *inputs)
    bars = bars if isinstance(bars, tuple) else (bars,)
    wanted = [k for k, x in enumerate(leaves) if x is not None]
    found = grad(y, [leaves[k] for k in wanted], y_bar)
    for k, bar in zip(wanted, found, strict=True):
        yield close(what, AUTODIFF, place.format(f"cotangent {k}"), bars[k], bar.data)
