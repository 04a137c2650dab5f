"""The training step of `mlp` by other libraries, each used as its documentation shows.

A row whose units are all dead meets the kink of the next layer exactly, so max(a, 0) is written
with the slope 0 there, as in PyTorch; `maximum` of JAX and autograd has 1/2.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from .mlp import RATES, Layers, problem, updater
from .work import Step, torch_for

__all__ = ["with_autograd", "with_jax", "with_mygrad", "with_torch_hook", "with_torch_parameters"]


def with_torch_hook(widths: Layers, batch: int, rule: str, device: str = "cpu") -> Step:
    """`torch.nn.utils.weight_norm`, which recomputes the weight before each forward."""
    torch = torch_for(device)

    def normalised(linear: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hook is deprecated, and still in wide use
            torch.nn.utils.weight_norm(linear)
        return linear.weight_v, linear.weight_g

    return _with_torch(widths, batch, rule, device, normalised)


def with_torch_parameters(widths: Layers, batch: int, rule: str, device: str = "cpu") -> Step:
    """`torch.nn.utils.parametrizations.weight_norm`, which recomputes at each access."""
    torch = torch_for(device)

    def normalised(linear: Any) -> Any:
        torch.nn.utils.parametrizations.weight_norm(linear)
        parts = linear.parametrizations.weight
        return parts.original1, parts.original0

    return _with_torch(widths, batch, rule, device, normalised)


def _with_torch(widths: Layers, batch: int, rule: str, device: str, normalised: Any) -> Step:
    torch = torch_for(device)

    x, labels, layers = problem(widths, batch)
    modules: list[Any] = []
    for v, g, b in layers:
        linear = torch.nn.Linear(v.shape[1], v.shape[0])
        for parameter, value in zip((*normalised(linear), linear.bias), (v, g, b), strict=True):
            parameter.data = torch.tensor(value)
        modules += [linear, torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1]).to(device)
    inputs, targets = torch.tensor(x, device=device), torch.tensor(labels, device=device)
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[rule]
    optimiser = make(network.parameters(), lr=RATES[rule])

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(network(inputs), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def with_jax(widths: Layers, batch: int, rule: str) -> Step:
    """The whole step, update included, as one compiled function; the parameters are donated."""
    import jax
    from jax import numpy as jnp

    put, lr = partial(jax.device_put, device=jax.devices("cpu")[0]), RATES[rule]
    x, labels, layers = put(problem(widths, batch))

    def mean_loss(layers: Any) -> Any:
        h = x
        for k, (v, g, b) in enumerate(layers):
            w = g * v / jnp.sqrt((v * v).sum(axis=1, keepdims=True))
            a = h @ w.T + b  # (n, i), (o, i) -> (n, o)
            h = jax.nn.relu(a) if k < len(layers) - 1 else a
        log_s = h - jax.nn.logsumexp(h, axis=1, keepdims=True)
        return -jnp.take_along_axis(log_s, labels[:, None], axis=1).mean()

    def sgd(layers: Any, state: Any) -> Any:
        loss, bars = jax.value_and_grad(mean_loss)(layers)
        return loss, jax.tree.map(lambda w, bar: w - lr * bar, layers, bars), state

    def adam(layers: Any, state: Any) -> Any:
        loss, bars = jax.value_and_grad(mean_loss)(layers)
        t, m, q = state
        t = t + 1
        m = jax.tree.map(lambda m, bar: m + 0.1 * (bar - m), m, bars)
        q = jax.tree.map(lambda q, bar: 0.999 * q + 0.001 * bar * bar, q, bars)
        rate, scale = lr / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
        moved = jax.tree.map(
            lambda w, m, q: w - rate * m / (jnp.sqrt(q) * scale + 1e-8), layers, m, q
        )
        return loss, moved, (t, m, q)

    compiled = jax.jit({"sgd": sgd, "adam": adam}[rule], donate_argnums=(0, 1))
    zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)]
    state = put((jnp.zeros(()), *zeros) if rule == "adam" else ())

    def step() -> float:
        nonlocal layers, state
        loss, layers, state = jax.block_until_ready(compiled(layers, state))
        return float(loss)

    return step


def with_autograd(widths: Layers, batch: int, rule: str) -> Step:
    """HIPS autograd: NumPy's functions, traced."""
    import autograd
    from autograd import numpy as anp

    x, labels, layers = problem(widths, batch)
    rows = anp.arange(batch)

    def mean_loss(layers: Any) -> Any:
        h = x
        for k, (v, g, b) in enumerate(layers):
            w = g * v / anp.sqrt((v * v).sum(axis=1, keepdims=True))
            a = anp.dot(h, w.T) + b  # (n, i), (o, i) -> (n, o)
            h = anp.where(a > 0, a, 0) if k < len(layers) - 1 else a
        top = h.max(axis=1, keepdims=True)
        log_s = h - top - anp.log(anp.exp(h - top).sum(axis=1, keepdims=True))
        return -log_s[rows, labels].mean()

    loss_and_gradient = autograd.value_and_grad(mean_loss)
    update = updater([array for layer in layers for array in layer], rule)

    def step() -> float:
        loss, bars = loss_and_gradient(layers)
        update([bar for layer in bars for bar in layer])
        return float(loss)

    return step


def with_mygrad(widths: Layers, batch: int, rule: str) -> Step:
    """A step of MyGrad."""
    import mygrad
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    x, labels, arrays = problem(widths, batch)
    layers = [[mygrad.tensor(array, copy=False) for array in layer] for layer in arrays]
    parameters = [parameter for layer in layers for parameter in layer]
    update = updater([parameter.data for parameter in parameters], rule)

    def step() -> float:
        h: Any = x
        for k, (v, g, b) in enumerate(layers):
            w = g * v / mygrad.sqrt((v * v).sum(axis=1, keepdims=True))
            a = mygrad.matmul(h, w.T) + b  # (n, i), (o, i) -> (n, o)
            h = relu(a) if k < len(layers) - 1 else a
        loss = softmax_crossentropy(h, labels)
        loss.backward()
        update([parameter.grad for parameter in parameters])
        return loss.item()

    return step
