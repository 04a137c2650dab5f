"""Every derivation twice: `composed`, which autodiff differentiates, and the fused node, which
carries the formulas. Their values and derivatives of first and second order must be the same."""

from __future__ import annotations

import numpy as np
import pytest

import minwn
from minwn import Tensor
from minwn.backend import asarray
from minwn.byhand import (
    conv,
    exponential_scale,
    frozen_norm,
    linear,
    mean_only_batch_norm,
    softmax_cross_entropy,
    weight_norm,
)
from minwn.graph import raw

LABELS = np.array([2, 0, 3, 3, 1])
MAPS = np.array([[2, 0, 3], [3, 1, 1]])
SOFT = np.random.default_rng(0).dirichlet(np.ones(4), 5)

STRIDED = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2}


def cross_entropy(targets, **options):
    def given(x):
        """The targets where the logits are: nothing is moved behind one's back."""
        return {"targets": asarray(targets, like=raw(x)), **options}

    return (
        lambda x: softmax_cross_entropy.composed(x, **given(x)),
        lambda x: softmax_cross_entropy.forward(x, **given(x)),
        lambda l_bar, x: (softmax_cross_entropy.vjp(l_bar, x, **given(x)),),
    )


def soft_targets(**options):
    """The distributions are an input as well."""
    return (
        lambda x, p: softmax_cross_entropy.composed(x, targets=p, **options),
        lambda x, p: softmax_cross_entropy.forward(x, targets=p, **options),
        lambda l_bar, x, p: (
            softmax_cross_entropy.vjp(l_bar, x, targets=p, **options),
            softmax_cross_entropy.targets_vjp(l_bar, x, targets=p, **options),
        ),
    )


def with_options(file, **options):
    return (
        lambda *xs: file.composed(*xs, **options),
        lambda *xs: file.forward(*xs, **options),
        lambda bar, *xs: file.vjp(bar, *xs, **options),
    )


def length(file, form, eps):
    return (*with_options(file, form=form, eps=eps), ((4, 3, 2), (4, 1, 1)))


def transposed(size, **options):
    return (
        lambda *xs: conv.composed_transpose(*xs, size=size, **options),
        lambda *xs: conv.conv_input(*xs, size=size, **conv.geometry(
            xs[0].shape, xs[1].shape, **{"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
            | options)),
        None,
    )


def centred(bar, *xs):
    return mean_only_batch_norm.vjp(bar)


# name: composed, fused, vjp on arrays (or None), shapes of the inputs
TWINS = {
    "linear": (*with_options(linear), ((4, 3), (5, 3), (5,))),
    "linear, no bias": (*with_options(linear), ((4, 3), (5, 3))),
    "linear, one row": (*with_options(linear), ((3,), (5, 3), (5,))),
    "linear, deep": (*with_options(linear), ((2, 3, 4), (5, 4), (5,))),
    "conv 1d": (*with_options(conv), ((2, 3, 7), (4, 3, 3), (4,))),
    "conv 2d": (*with_options(conv), ((2, 3, 5, 6), (4, 3, 3, 2), (4,))),
    "conv 2d, no bias": (*with_options(conv), ((2, 3, 5, 6), (4, 3, 3, 2))),
    "conv 2d, options": (*with_options(conv, **STRIDED), ((2, 4, 5, 6), (6, 2, 3, 2), (6,))),
    "conv 2d, same": (*with_options(conv, padding="same"), ((2, 2, 4, 3), (3, 2, 2, 3), (3,))),
    "conv 2d, depthwise": (*with_options(conv, groups=3), ((2, 3, 4, 4), (6, 1, 2, 2), (6,))),
    "conv 2d, kernel 1": (*with_options(conv, stride=2), ((2, 3, 5, 4), (4, 3, 1, 1), (4,))),
    "conv 3d": (*with_options(conv, stride=2, padding=1), ((1, 2, 4, 3, 5), (3, 2, 2, 3, 2), (3,))),
    "transposed 1d": (*transposed((8,), stride=3), ((2, 4, 3), (4, 3, 2), (3,))),
    "transposed 2d": (
        *transposed((9, 6), stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2), groups=2),
        ((2, 6, 4, 7), (6, 2, 3, 2), (4,)),
    ),
    "cross entropy": (*cross_entropy(targets=LABELS), ((5, 4),)),
    "cross entropy, sum": (*cross_entropy(targets=LABELS, reduction="sum"), ((5, 4),)),
    "cross entropy, none": (*cross_entropy(targets=LABELS, reduction="none"), ((5, 4),)),
    "cross entropy, soft": (*cross_entropy(targets=SOFT), ((5, 4),)),
    "cross entropy, soft none": (*cross_entropy(targets=SOFT, reduction="none"), ((5, 4),)),
    "cross entropy, unnormalised": (*cross_entropy(targets=3 * SOFT - 0.2), ((5, 4),)),
    "cross entropy, maps": (*cross_entropy(targets=MAPS), ((2, 4, 3),)),
    "cross entropy, maps none": (*cross_entropy(targets=MAPS, reduction="none"), ((2, 4, 3),)),
    "cross entropy, soft maps": (
        *cross_entropy(targets=np.stack([SOFT[:3], SOFT[2:]], axis=2), reduction="sum"),
        ((3, 4, 2),),
    ),
    "cross entropy, learned targets": (*soft_targets(), ((5, 4), (5, 4))),
    "cross entropy, learned none": (*soft_targets(reduction="none"), ((5, 4), (5, 4))),
    "cross entropy, learned maps": (*soft_targets(reduction="sum"), ((2, 4, 3), (2, 4, 3))),
    "mean-only batch norm": (*with_options(mean_only_batch_norm)[:2], centred, ((5, 3), (3,))),
    "mean-only batch norm, maps": (
        *with_options(mean_only_batch_norm)[:2], centred, ((3, 2, 4, 2), (2,)),
    ),
    "frozen norm": (*with_options(frozen_norm), ((4, 3, 2), (1, 3, 1))),
    "frozen norm, whole": (*with_options(frozen_norm), ((4, 3), ())),
    **{
        f"{name} {form}": length(file, form, eps)
        for name, file in [("weight norm", weight_norm), ("exponential scale", exponential_scale)]
        for form, eps in [("plain", 0.0), ("inside", 0.7), ("outside", 0.3), ("max_q", 4.0),
                          ("max_n", 2.0), ("rms", 0.4)]
    },
}


def inputs(name, rng):
    return [rng.normal(size=shape) for shape in TWINS[name][3]]


def agree(x, y, u=2.0**-53):
    """Both sides sum at most some hundred products of numbers of order 1 to 10, each rounded once
    or twice: a thousand roundings. A wrong coefficient is off by more than 1e-3."""
    assert x.shape == y.shape
    assert np.max(np.abs(x - y), initial=0.0) <= 1000 * u * (1 + np.max(np.abs(y), initial=0.0))


def derivatives(f, xs, u, ts):
    """f(xs); its pullback of u; and what that gives u and xs for the cotangents ts."""
    xs, u = [Tensor(x, True) for x in xs], Tensor(u, True)
    y = f(*xs)
    bars = minwn.grad(y, xs, u, create_graph=True)
    total = sum(((bar * t).sum() for bar, t in zip(bars, ts, strict=True)), start=0.0)
    second = minwn.grad(total, [u, *xs], allow_unused=True)
    return y.data, [bar.data for bar in bars], [
        np.zeros(x.shape) if s is None else s.data for s, x in zip(second, [u, *xs], strict=True)
    ]


@pytest.mark.parametrize("name", TWINS)
def test_twins_agree_in_value_first_and_second_order(name, rng):
    composed, fused, by_hand, _ = TWINS[name]
    xs = inputs(name, rng)
    y = fused(*xs)
    u, ts = rng.normal(size=y.shape), [rng.normal(size=x.shape) for x in xs]
    one, two = (derivatives(f, xs, u, ts) for f in (composed, fused))
    agree(y, one[0])
    agree(two[0], one[0])
    for order in (1, 2):
        for a, b in zip(two[order], one[order], strict=True):
            agree(a, b)
    if by_hand is not None:
        for a, b in zip((x for x in by_hand(u, *xs) if x is not None), one[1], strict=True):
            agree(a, b)


@pytest.mark.parametrize("name", TWINS)
def test_twins_agree_on_forward_products(name, rng):
    composed, fused, _, _ = TWINS[name]
    xs = inputs(name, rng)
    ts = [rng.normal(size=x.shape) for x in xs]
    (_, one), (_, two) = (minwn.jvp(f, xs, ts) for f in (composed, fused))
    agree(two.data, one.data)
    file = {"l": linear, "c": conv}.get(name[0])
    if file and file.forward and name.startswith(("linear", "conv 1d")):
        bias = ts[2] if len(ts) == 3 else None
        agree(file.jvp(*xs[:2], *ts[:2], bias), one.data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWINS)
def test_the_form_in_which_an_array_arrives_changes_nothing(name, xp, host, rng):
    _, fused, _, _ = TWINS[name]
    xs = inputs(name, rng)
    y = fused(*xs)
    u = rng.normal(size=y.shape)
    bars = [b.data for b in minwn.vjp(fused, *xs)[1](u)]
    arrived = [xp(x) for x in xs]
    agree(host(fused(*arrived)), np.asarray(y))
    for found, bar in zip(minwn.vjp(fused, *arrived)[1](xp(u)), bars, strict=True):
        agree(host(found), bar)
    for x, y in zip(arrived, xs, strict=True):
        assert np.array_equal(host(x), y)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", TWINS)
def test_a_narrow_dtype_is_kept(name, dtype, rng):
    _, fused, _, _ = TWINS[name]
    narrow = [x.astype(dtype) for x in inputs(name, rng)]
    wide = [x.astype("float64") for x in narrow]
    y = fused(*wide)
    u = rng.normal(size=y.shape).astype(dtype)
    z, pullback = minwn.vjp(fused, *narrow)
    found, truth = pullback(u), minwn.vjp(fused, *wide)[1](u.astype("float64"))
    # float16 sums of a hundred products, kept in float16: some tens of roundings
    for a, b in zip((z, *found), (Tensor(np.asarray(y)), *truth), strict=True):
        assert a.dtype == dtype
        u = 2.0**-24 if dtype == "float32" else 2.0**-11 / 20
        agree(a.data.astype("float64"), b.data, u)
