"""An epoch of the network of `minwn verify` on the digits, and the same network in PyTorch."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from .. import data, optim
from ..backend import move
from ..verify.digits import BATCH, RATE, Reader, one_epoch
from .work import Step, Work, torch_for

__all__ = ["WORKS", "on_device"]


def problem() -> tuple[Reader, Any, Any, Any]:
    """The network, images, labels, and the order in which the images are shown."""
    rng = np.random.default_rng(0)
    images, labels = data.digits()
    net = Reader(rng)
    return net, images, labels, rng.permutation(data.split(labels)[0])


def with_minwn(device: str = "cpu") -> Step:
    net, *arrays = problem()
    images, labels, order = (move(x, device) for x in arrays)
    net.to(device)
    optimiser = optim.Adam(net.parameters(), lr=RATE)
    return lambda: list(one_epoch(net, optimiser, images, labels, order))


def with_torch(device: str = "cpu") -> Step:
    torch = torch_for(device)
    ours, images, labels, order = problem()
    conv1, conv2 = torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.Conv2d(16, 32, 3, padding=1)
    out = torch.nn.Linear(32 * 4 * 4, 10)
    relu, pool = torch.nn.ReLU(), torch.nn.MaxPool2d(2)
    net = torch.nn.Sequential(conv1, relu, pool, conv2, relu, torch.nn.Flatten(), out)
    for layer, own in ((conv1, ours.conv1), (conv2, ours.conv2), (out, ours.out)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hook is deprecated, and faster than its heir
            torch.nn.utils.weight_norm(layer)
        values = {name: torch.tensor(value) for name, value in own.state_dict().items()}
        layer.load_state_dict(values)
    net.to(device)
    images, labels, order = (torch.tensor(x, device=device) for x in (images, labels, order))
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)

    def step() -> list[float]:
        losses = []
        for k in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[k : k + BATCH]
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(images[rows]), labels[rows])
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    return step


def on_device(device: str) -> list[Work]:
    """The same epoch on any device."""
    return [
        Work(
            group="epoch",
            size="digits",
            what="digits, 45 batches of 32, Adam",
            peers={"minwn": partial(with_minwn, device), "torch hook": partial(with_torch, device)},
            targets={"torch": 1.0},
            device=device,
        )
    ]


WORKS = on_device("cpu")
