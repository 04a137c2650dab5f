"""Cross entropy against its definition in many digits, at extreme logits, and with bad targets."""

from __future__ import annotations

import numpy as np
import pytest

import minwn
from minwn import Tensor, nn, ops, tensor
from minwn.byhand import softmax_cross_entropy as xent

U = 2.0**-53


def in_many_digits(logits, p):
    """The losses sum_j p_j (z - x_j) and the gradients s sum_j p_j - p, row by row."""
    mpmath = pytest.importorskip("mpmath", reason="the reference needs 50 digits")
    losses, bars = [], []
    with mpmath.workdps(50):
        for x, q in zip(logits.tolist(), p.tolist(), strict=True):
            z = mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(e)) for e in x))
            losses.append(float(mpmath.fsum(b * (z - e) for e, b in zip(x, q, strict=True) if b)))
            total = mpmath.fsum(q)
            bars.append([float(mpmath.exp(e - z) * total - b) for e, b in zip(x, q, strict=True)])
    return np.array(losses), np.array(bars)


@pytest.mark.parametrize("spread", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("kind", ["labels", "distributions", "weights"])
def test_losses_and_gradients_keep_their_digits(kind, spread, rng):
    logits = spread * rng.normal(size=(6, 5))
    labels = rng.integers(0, 5, 6)
    p = {"labels": np.eye(5)[labels], "distributions": rng.dirichlet(np.ones(5), 6),
         "weights": rng.normal(size=(6, 5))}[kind]
    targets = labels if kind == "labels" else p
    losses, bars = in_many_digits(logits, p)
    # z and x_j are rounded in units of the spread of their row
    np.testing.assert_allclose(
        xent.forward(logits, targets=targets, reduction="none"), losses,
        rtol=0, atol=20 * U * (1 + spread) * 4,
    )
    l_bar = rng.normal(size=6)
    found = xent.vjp(l_bar, logits, targets=targets, reduction="none")
    # the rounding of x - z, |x| u, becomes a relative error of s
    np.testing.assert_allclose(found, bars * l_bar[:, None], rtol=0, atol=40 * U * (1 + spread))
    mean = xent.forward(logits, targets=targets)
    np.testing.assert_allclose(mean, losses.mean(), rtol=0, atol=80 * U * (1 + spread))
    total = xent.forward(logits, targets=targets, reduction="sum")
    np.testing.assert_allclose(total, losses.sum(), rtol=0, atol=480 * U * (1 + spread))
    one = np.asarray(0.7)
    for reduction, share in (("mean", 0.7 / 6), ("sum", 0.7)):
        found = xent.vjp(one, logits, targets=targets, reduction=reduction)
        np.testing.assert_allclose(found, share * bars, rtol=0, atol=40 * U * (1 + spread))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_logits_stay_finite(dtype, size):
    logits = Tensor(np.array([[size, -size, 0.0], [-size, size, size]], dtype), True)
    for targets in (np.array([1, 2]), np.array([[0.0, 1, 0], [0, 0, 1]])):
        loss = xent.forward(logits, targets=targets, reduction="none")
        (bar,) = minwn.grad(loss, [logits], np.array([1.0, -2.0], dtype))
        assert loss.dtype == bar.dtype == dtype
        # log 2 is not lost beside 1e4: z and x_t are counted from the largest logit
        np.testing.assert_allclose(loss.data, [2 * size, np.log(2)], rtol=np.finfo(dtype).eps)
        np.testing.assert_allclose(
            bar.data, [[1, -1, 0], [0, -1, 1]], rtol=0, atol=2 * float(np.finfo(dtype).eps)
        )


def test_a_logit_of_minus_infinity_is_a_class_that_cannot_be():
    logits = np.array([[0.0, -np.inf, 1.0]])
    for targets in (np.array([2]), np.array([[0.0, 0.0, 1.0]])):
        np.testing.assert_allclose(xent.forward(logits, targets=targets), np.log1p(np.exp(-1)))
        bar = xent.vjp(np.asarray(1.0), logits, targets=targets)
        assert bar[0, 1] == 0.0
        assert np.isfinite(bar).all()


REDUCTIONS = ("mean", "sum", "none")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 5), (2, 3, 2, 2)])
def test_the_gradient_of_soft_targets_is_minus_log_s(shape, reduction, rng):
    x = tensor(rng.normal(size=shape), requires_grad=True)
    p = tensor(np.moveaxis(rng.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:])), -1, 1), True)
    losses = xent.forward(x, targets=p, reduction=reduction)
    l_bar = rng.normal(size=losses.shape)
    x_bar, p_bar = minwn.grad(losses, [x, p], l_bar, create_graph=True)
    minus_log_s = np.log(np.exp(x.data).sum(axis=1, keepdims=True)) - x.data
    each = l_bar[:, None] if reduction == "none" else l_bar
    share = 1 / (x.size / shape[1]) if reduction == "mean" else 1.0
    np.testing.assert_allclose(p_bar.data, share * each * minus_log_s, rtol=1e-13)
    array = xent.targets_vjp(l_bar, x.data, targets=p.data, reduction=reduction)
    np.testing.assert_allclose(array, p_bar.data, rtol=1e-14)
    # Again: d/dx_j of sum_i t_i (z - x_i) = s_j sum_i t_i - t_j, and d/dp of anything in x_bar.
    t = rng.normal(size=shape)
    s = np.exp(-minus_log_s)
    by_x, by_p = minwn.grad((p_bar * t).sum(), [x, p], retain_graph=True, allow_unused=True)
    expected = share * each * (s * t.sum(axis=1, keepdims=True) - t)
    np.testing.assert_allclose(by_x.data, expected, rtol=0, atol=1e-13)
    assert by_p is None  # linear in p
    mixed = minwn.grad((x_bar * t).sum(), p)
    expected = share * each * ((s * t).sum(axis=1, keepdims=True) - t)
    np.testing.assert_allclose(mixed.data, expected, rtol=0, atol=1e-13)


def test_the_gradient_of_soft_targets_reaches_what_made_them(rng):
    """Distillation by a teacher that learns: cross entropy of softmax(x), with p = softmax(q)."""
    x, q = tensor(rng.normal(size=(3, 4))), tensor(rng.normal(size=(3, 4)), requires_grad=True)
    nn.cross_entropy(x, ops.softmax(q)).backward()
    p = np.exp(q.data) / np.exp(q.data).sum(axis=1, keepdims=True)
    p_bar = (np.log(np.exp(x.data).sum(axis=1, keepdims=True)) - x.data) / 3
    expected = p * (p_bar - (p * p_bar).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(q.grad.data, expected, rtol=1e-12)
    assert x.grad is None


def test_soft_targets_of_another_dtype_have_a_gradient_in_theirs(rng):
    x = tensor(rng.normal(size=(3, 4)), dtype="float32")
    p = tensor(rng.dirichlet(np.ones(4), 3), requires_grad=True)
    loss = nn.cross_entropy(x, p)
    assert loss.dtype == "float32"
    assert minwn.grad(loss, p).dtype == "float64"
    assert isinstance(nn.cross_entropy(x.data, p), Tensor)


@pytest.mark.parametrize("f", [xent.forward, xent.composed])
@pytest.mark.parametrize("create_graph", [False, True])
def test_soft_targets_beside_classes_that_cannot_be(f, create_graph):
    """p_bar is -log s_j, infinite where a class that cannot be has a share; without one it is 0."""
    x = tensor(np.array([[0.0, -np.inf, 1.0], [0.0, 1.0, 2.0]]), requires_grad=True)
    p = tensor(np.array([[0.25, 0.0, 0.75], [0.0, 0.0, 1.0]]), requires_grad=True)
    loss = f(x, targets=p, reduction="sum")
    x_bar, p_bar = minwn.grad(loss, [x, p], create_graph=create_graph)
    z = np.log([1 + np.e, 1 + np.e + np.e**2])
    np.testing.assert_allclose(loss.item(), z[0] - 0.75 + z[1] - 2, rtol=1e-14)
    expected = [[z[0], 0.0, z[0] - 1], [z[1], z[1] - 1, z[1] - 2]]
    np.testing.assert_allclose(p_bar.data, expected, rtol=1e-14)
    assert np.isfinite(x_bar.data).all()
    p = tensor(np.array([[0.25, 0.25, 0.5]]), requires_grad=True)
    p_bar = minwn.grad(f(x[:1].detach(), targets=p), p)
    np.testing.assert_allclose(p_bar.data, [[z[0], np.inf, z[0] - 1]], rtol=1e-14)


@pytest.mark.parametrize("kind", ["labels", "distributions"])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (2, 3, 0)])
def test_no_rows_have_a_sum_of_0_and_a_mean_of_nan(kind, shape):
    """As in PyTorch."""
    x = tensor(np.zeros(shape), requires_grad=True)
    positions = (shape[0], *shape[2:])
    targets = np.zeros(positions, int) if kind == "labels" else tensor(np.zeros(shape), True)
    assert xent.forward(x, targets=targets, reduction="none").shape == positions
    assert xent.forward(x, targets=targets, reduction="sum").item() == 0.0
    loss = nn.cross_entropy(x, targets)
    assert np.isnan(loss.item())
    assert minwn.grad(loss, x).shape == shape


def test_every_position_behind_the_classes_is_a_row(rng):
    logits, labels = rng.normal(size=(2, 4, 3, 5)), rng.integers(0, 4, (2, 3, 5))
    flat = np.moveaxis(logits, 1, -1).reshape(-1, 4)
    one = xent.forward(logits, targets=labels, reduction="none")
    two = xent.forward(flat, targets=labels.reshape(-1), reduction="none")
    assert one.shape == (2, 3, 5)
    np.testing.assert_array_equal(one.reshape(-1), two)
    l_bar = rng.normal(size=(2, 3, 5))
    bar = xent.vjp(l_bar, logits, targets=labels, reduction="none")
    flat_bar = xent.vjp(l_bar.reshape(-1), flat, targets=labels.reshape(-1), reduction="none")
    np.testing.assert_array_equal(np.moveaxis(bar, 1, -1).reshape(-1, 4), flat_bar)
    soft = np.moveaxis(np.eye(4)[labels], -1, 1)
    np.testing.assert_allclose(
        xent.forward(logits, targets=soft, reduction="none"), one, atol=8 * U
    )


X = np.zeros((3, 4))
BAD = {
    "label too large": ({"targets": np.array([0, 4, 1])}, r"labels from 0 to 4 for 4 classes"),
    "label negative": ({"targets": np.array([0, -1, 1])}, r"labels from -1 to 1 for 4 classes"),
    "too few": ({"targets": np.array([0, 1])}, r"targets int64 \(2,\) for logits \(3, 4\)"),
    "fractions for labels": ({"targets": np.ones(3)}, r"targets float64 \(3,\)"),
    "transposed": ({"targets": np.ones((4, 3))}, r"expected integer labels \(3,\), or distrib"),
    "bool": ({"targets": np.ones(3, bool)}, r"targets bool"),
    "reduction": ({"targets": np.array([0, 1, 2]), "reduction": "avg"}, r"reduction='avg'; choose"),
}


@pytest.mark.parametrize("name", BAD)
def test_targets_that_do_not_fit_are_named(name):
    options, words = BAD[name]
    for f in (xent.forward, xent.composed, lambda x, **o: xent.vjp(np.asarray(1.0), x, **o)):
        with pytest.raises(ValueError, match=words):
            f(X, **options)


def test_logits_need_two_axes():
    with pytest.raises(ValueError, match=r"logits of shape \(4,\); expected \(n, k\)"):
        xent.forward(X[0], targets=np.array([1]))
    with pytest.raises(ValueError, match=r"logits of shape \(2, 0\); .* k >= 1"):
        xent.forward(np.zeros((2, 0)), targets=np.zeros((2, 0)))


def test_labels_have_no_cotangent():
    with pytest.raises(ValueError, match=r"labels of shape \(3,\) have no cotangent"):
        xent.targets_vjp(np.asarray(1.0), X, targets=np.array([0, 1, 2]))
