"""Activations and reductions that torch has too: its values, its gradients, its second order."""

from __future__ import annotations

import numpy as np
import pytest

import minwn
from minwn import ops, tensor

torch = pytest.importorskip("torch", reason="torch is the other implementation here")
F = torch.nn.functional

PAIRS = {
    "relu": (ops.relu, F.relu),
    "leaky_relu": (lambda x: ops.leaky_relu(x, slope=0.2), lambda x: F.leaky_relu(x, 0.2)),
    "elu": (lambda x: ops.elu(x, alpha=0.7), lambda x: F.elu(x, 0.7)),
    "gelu": (ops.gelu, F.gelu),
    "gelu tanh": (
        lambda x: ops.gelu(x, approximate="tanh"),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    "softplus": (ops.softplus, F.softplus),
    "tanh": (ops.tanh, torch.tanh),
    "erf": (ops.erf, torch.erf),
    "abs": (ops.abs, torch.abs),
    "clip": (lambda x: ops.clip(x, low=-0.5, high=0.5), lambda x: x.clip(-0.5, 0.5)),
    "logsumexp": (lambda x: ops.logsumexp(x, axis=-1), lambda x: torch.logsumexp(x, -1)),
    "var": (lambda x: ops.var(x, axis=(0, 2), ddof=1), lambda x: x.var((0, 2))),
    "std": (lambda x: ops.std(x, axis=(0, 2), ddof=1), lambda x: x.std((0, 2))),
    "prod": (lambda x: ops.prod(x, axis=1), lambda x: x.prod(1)),
    "cumsum": (lambda x: ops.cumsum(x, axis=1), lambda x: x.cumsum(1)),
    "amax": (lambda x: ops.max(x, axis=1), lambda x: torch.amax(x, 1)),
    "power": (lambda x: x**3, lambda x: x**3),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_gradients_and_second_order_agree_with_torch(name, rng):
    ours, theirs = PAIRS[name]
    # With zeros and ties among them: the conventions at the kinks are torch's.
    x = np.concatenate([rng.normal(size=(3, 4, 5)) * 3, np.zeros((3, 4, 1))], axis=-1)
    x[0, 1], x[1, 2, 0] = x[0, 2], 0.5
    mine, other = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    z, w = ours(mine), theirs(other)
    u, s = rng.normal(size=z.shape), rng.normal(size=x.shape)
    x_bar = minwn.grad(z, mine, u, create_graph=True)
    (y_bar,) = torch.autograd.grad(w, other, torch.tensor(u), create_graph=True)
    # Two correct evaluations in float64 differ by some roundings; torch's softplus is linear above
    # 20, which costs it e^-20 = 2e-9 of 20.
    tolerance = {"rtol": 1e-9 if name == "softplus" else 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(z.data, w.detach().numpy(), **tolerance)
    np.testing.assert_allclose(x_bar.data, y_bar.detach().numpy(), **tolerance)
    if x_bar.requires_grad and y_bar.requires_grad:
        (second,) = minwn.grad((x_bar * s).sum(), [mine], allow_unused=True)
        (other_second,) = torch.autograd.grad(
            (y_bar * torch.tensor(s)).sum(), other, allow_unused=True
        )
        found = np.zeros_like(x) if second is None else second.data
        expected = np.zeros_like(x) if other_second is None else other_second.numpy()
        smooth = x != 0  # at 0 the two take different sides for the second derivative of elu
        np.testing.assert_allclose(found[smooth], expected[smooth], rtol=1e-8, atol=1e-12)


REDUCED = ("var", "std", "prod", "cumsum", "amax", "logsumexp")
EDGES = [np.nan, -np.inf, -1.0, 0.0, 0.5, 1.0, np.inf]
ROWS = np.array([[np.nan, 1.0, 2.0], [2.0, np.nan, np.nan], [np.inf, -np.inf, np.inf]])


def agree_on(ours, theirs, *xs):
    mine = [tensor(np.array(x), requires_grad=True) for x in xs]
    others = [torch.tensor(x, requires_grad=True) for x in xs]
    z, w = ours(*mine), theirs(*others)
    bars = minwn.grad(z, mine, np.ones(z.shape))
    expected = torch.autograd.grad(w, others, torch.ones_like(w))
    np.testing.assert_allclose(z.data, w.detach().numpy(), rtol=1e-15)
    for bar, other in zip(bars, expected, strict=True):
        np.testing.assert_allclose(bar.data, other.numpy(), rtol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [n for n in PAIRS if n not in REDUCED])
def test_edges_agree_with_torch(name):
    agree_on(*PAIRS[name], np.array(EDGES))


def test_edges_of_maxima_agree_with_torch():
    x, y = (a.ravel() for a in np.meshgrid(EDGES, EDGES))
    agree_on(ops.maximum, torch.maximum, x, y)
    agree_on(ops.minimum, torch.minimum, x, y)
    for row in ROWS:  # torch.max of a row, not torch.amax, which makes every entry NaN
        agree_on(ops.max, torch.max, row)
        agree_on(ops.min, torch.min, row)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_edges_of_sums_and_deviations_agree_with_torch():
    for row in ROWS:
        agree_on(ops.cumsum, lambda x: x.cumsum(0), row)
        agree_on(lambda x: ops.std(x, ddof=1), torch.std, row)
    agree_on(lambda x: ops.std(x, axis=1, ddof=1), lambda x: x.std(1), np.full((2, 3), 7.0))


def test_products_beside_zeros_agree_with_torch_where_it_does_not_divide():
    """Where no entry is 0, torch divides: for (inf, 2, 3) its first cotangent is inf/inf."""
    for row in ([0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [np.inf, 2.0, 0.0], [np.nan, 0.0, 2.0]):
        with np.errstate(invalid="ignore"):
            agree_on(ops.prod, torch.prod, np.array(row))
    x = tensor(np.array([np.inf, 2.0, np.nan]), requires_grad=True)
    np.testing.assert_array_equal(minwn.grad(ops.prod(x), x).data, [np.nan, np.nan, np.inf])
    x = tensor(np.array([np.inf, 2.0, 3.0]), requires_grad=True)
    np.testing.assert_array_equal(minwn.grad(ops.prod(x), x).data, [6.0, np.inf, np.inf])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_edges_of_powers_agree_with_torch():
    bases = [np.nan, -np.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf]
    exponents = [np.nan, -np.inf, -3.0, -2.0, -1.5, -1.0, 0.0, 1.0, 1.5, 2.0, 3.0, np.inf]
    x, y = (a.ravel() for a in np.meshgrid(bases, exponents))
    agree_on(lambda x, y: x**y, lambda x, y: x**y, x, y)
    for exponent in exponents:
        agree_on(lambda x, p=exponent: x**p, lambda x, p=exponent: x**p, np.array(bases))
    for base in bases:
        agree_on(lambda y, b=base: b**y, lambda y, b=base: b**y, np.array(exponents))
