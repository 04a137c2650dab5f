"""A training step of a weight-normalised network: minwn's, and the sizes that are timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from .. import nn, ops, optim
from ..backend import move
from ..tensors import tensor
from .mlp import RATES, Layers, problem, with_numpy
from .mlp_peers import (
    with_autograd,
    with_jax,
    with_mygrad,
    with_torch_hook,
    with_torch_parameters,
)
from .work import Step, Work

__all__ = ["PEERS", "WORKS", "on_device"]


class Network(nn.Module):
    """x: (n, i)   logits: (n, o)"""

    def __init__(self, layers: list[tuple[Any, Any, Any]]) -> None:
        self.norm = nn.WeightNorm("weight", dim=0)
        self.layers = [nn.Linear(v.shape[1], v.shape[0], rng=0) for v, _, _ in layers]
        for layer, (v, g, b) in zip(self.layers, layers, strict=True):
            self.norm.apply(layer)
            layer.load_state_dict({"weight_v": v, "weight_g": g, "bias": b})

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            self.norm.recompute(layer)
        for layer in self.layers[:-1]:
            x = ops.relu(layer(x))
        return self.layers[-1](x)


def with_minwn(widths: Layers, batch: int, rule: str, device: str = "cpu") -> Step:
    x, labels, layers = problem(widths, batch)
    network, inputs, labels = Network(layers).to(device), tensor(x).to(device), move(labels, device)
    make: Any = {"sgd": optim.SGD, "adam": optim.Adam}[rule]
    optimiser = make(network.parameters(), lr=RATES[rule])

    def step() -> float:
        loss = nn.cross_entropy(network(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


PEERS: dict[str, Callable[..., Step]] = {
    "minwn": with_minwn,
    "numpy by hand": with_numpy,
    "torch hook": with_torch_hook,
    "torch parametrization": with_torch_parameters,
    "jax jit": with_jax,
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}


EAGER = ("minwn", "torch hook", "torch parametrization")  # the peers that run on a GPU


def _works(
    widths: Layers, batch: int, targets: dict[str, float], quick: Sequence[str],
    device: str = "cpu", names: Iterable[str] = PEERS,
) -> list[Work]:
    """One network with each rule. quick: the rules that are part of `--quick`."""
    where = () if device == "cpu" else (device,)  # most peers know no other device
    return [
        Work(
            group="step",
            size=f"{'-'.join(map(str, widths))}-{rule}",
            what=f"{' '.join(map(str, widths))}, batch {batch}, {rule.upper()}",
            peers={name: partial(PEERS[name], widths, batch, rule, *where) for name in names},
            targets=targets,
            quick=rule in quick,
            device=device,
        )
        for rule in RATES
    ]


def _reach(numpy: float, torch: float) -> dict[str, float]:
    return {"numpy": numpy, "torch": torch, "autograd": 0.3, "mygrad": 0.3}


WORKS = [
    *_works((64, 32, 10), 32, _reach(1.6, 0.5), ("sgd", "adam")),
    *_works((784, 256, 256, 10), 64, _reach(1.3, 1.0), ("sgd",)),
    *_works((784, 1024, 1024, 10), 128, _reach(1.3, 1.0), ()),
]


def on_device(device: str) -> list[Work]:
    """The works of a GPU: a network that is large enough for one, and a small one."""
    reach = {"torch": 1.0}
    return [
        *_works((64, 32, 10), 32, reach, ("sgd", "adam"), device, EAGER),
        *_works((4096, 4096, 4096), 256, reach, (), device, EAGER),
    ]
