"""Real data: a weight-normalised convolutional network learns to read handwritten digits, and its
gradients are checked at a real batch, before and after.

Every check before this one was at random points, chosen to be kind or unkind. A network in
training is where the gradients are used: correlated inputs, dead units, saturated probabilities.
There, all g and v are measured along random directions, through the loss in float64, and compared
entry by entry with the same network composed of ops, to 2^12 roundings of the largest entry.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from .. import byhand, data, nn, ops, optim
from ..backend import Generator
from ..derivatives import grad
from ..gradcheck import gradcheck
from ..graph import no_grad
from ..nn import WeightNorm
from ..tensors import Tensor
from .report import AUTODIFF, DIFFERENCES, TEST, Finding, close, findings

ACCURACY = 0.96  # the least, on the test images
BATCH, CHECKED = 32, 24
RATE, SETTLED = 5e-3, 0.1  # Adam's rate, and the part of it that is left in the last epoch
EPOCHS, QUICK_EPOCHS = 8, 6


class Reader(nn.Module):
    """Two convolutions and a linear layer, each with one norm for every output.

    x: (n, 1, 8, 8)   logits: (n, 10)
    """

    def __init__(self, rng: Generator) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, rng=rng)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, rng=rng)
        self.out = nn.Linear(32 * 4 * 4, 10, rng=rng)
        self.pool = nn.MaxPool2d(2)
        self.norm = WeightNorm(dim="output")
        for layer in (self.conv1, self.conv2, self.out):
            self.norm.apply(layer)

    def forward(self, x: Any) -> Tensor:
        for layer in (self.conv1, self.conv2, self.out):
            self.norm.recompute(layer)  # the optimiser has moved g and v since
        x = self.pool(ops.relu(self.conv1(x)))  # (n, 1, 8, 8) -> (n, 16, 4, 4)
        return self.out(flat(self.conv2(x)))


def flat(t: Any) -> Any:
    """max(t, 0), a row for each image"""
    return ops.reshape(ops.relu(t), shape=(t.shape[0], -1))


def run(
    quick: bool, rng: Generator, step: Callable[[str], None]
) -> tuple[dict[str, Any], list[Finding]]:
    """Train, check, report. The curve as JSON, and the findings."""
    begin = time.perf_counter()
    images, labels = data.digits()
    train, test = data.split(labels)
    net = nn.data_dependent_init(Reader(rng), Tensor(images[train[::4]]))
    batch = images[train[:CHECKED]], labels[train[:CHECKED]]
    step("digits: gradients before")
    found = check_gradients("before training", net, *batch, rng)
    curve: list[dict[str, float]] = []
    optimiser = optim.Adam(net.parameters(), lr=RATE)
    epochs = QUICK_EPOCHS if quick else EPOCHS
    for epoch in range(epochs):
        step(f"digits: epoch {epoch + 1} of {epochs}")
        for group in optimiser.param_groups:
            group["lr"] = RATE * SETTLED ** (epoch / (epochs - 1))
        losses = list(one_epoch(net, optimiser, images, labels, rng.permutation(train)))
        curve.append({
            "epoch": epoch + 1,
            "train_loss": float(numpy.mean(losses)),
            **{f"test_{k}": v for k, v in evaluate(net, images[test], labels[test]).items()},
        })
    step("digits: gradients after")
    found += check_gradients("after training", net, *batch, rng)
    accuracy = curve[-1]["test_accuracy"]
    wrong = round((1 - accuracy) * len(test))
    place = f"test accuracy {accuracy:.4f} ({wrong} of {len(test)} wrong) after {epochs} epochs"
    allowed = (1 - ACCURACY) * len(test)
    found.append(Finding("digits, held out", TEST, place, wrong, 0.0, allowed, float(wrong)))
    summary = {
        "network": repr(net),
        "train_images": len(train),
        "test_images": len(test),
        "batch": BATCH,
        "epochs": epochs,
        "test_accuracy": accuracy,
        "required_accuracy": ACCURACY,
        "curve": curve,
        "seconds": time.perf_counter() - begin,
    }
    return summary, found


def one_epoch(
    net: Reader, optimiser: Any, images: Any, labels: Any, order: numpy.ndarray
) -> Iterator[float]:
    for k in range(0, len(order) - BATCH + 1, BATCH):
        rows = order[k : k + BATCH]
        optimiser.zero_grad()
        loss = nn.cross_entropy(net(Tensor(images[rows])), labels[rows])
        loss.backward()
        optimiser.step()
        yield loss.item()


def evaluate(net: Reader, images: Any, labels: Any) -> dict[str, float]:
    with no_grad():
        logits = net(Tensor(images))
        loss = nn.cross_entropy(logits, labels).item()
    return {"loss": loss, "accuracy": float((logits.numpy().argmax(axis=1) == labels).mean())}


# ---- gradients ----------------------------------------------------------------------------------


def check_gradients(
    when: str, net: Reader, images: Any, labels: Any, rng: Generator
) -> list[Finding]:
    """All g and v, in float64, at one batch."""
    net = copy.deepcopy(net).to("float64")
    images = images.astype("float64")
    names = [f"{k}.weight_{x}" for k in ("conv1", "conv2", "out") for x in "gv"]
    named = dict(net.named_parameters())
    what = f"digits, {when}"

    def loss(*parts: Tensor) -> Tensor:
        """The real thing, with these in the place of g and v."""
        replaced = dict(zip((named[name] for name in names), parts, strict=True))
        return nn.cross_entropy(nn.substitute(net, replaced)(Tensor(images)), labels)

    values = [named[name].data for name in names]
    report = gradcheck(
        loss, values, mode="random", directions=2, cotangents=1, method="difference", rng=rng,
        name="the loss", names=names, localise=False, raise_on_failure=False,
    )
    found = list(findings(what, (DIFFERENCES, DIFFERENCES), report, when))

    leaves = [Tensor(x, True) for x in values]
    own = [bar.data for bar in grad(loss(*leaves), leaves)]
    twins = [Tensor(x, True) for x in values]
    biases = [getattr(net, k).bias.data for k in ("conv1", "conv2", "out")]
    logits = composed(images, twins, biases)
    mean_loss = byhand.softmax_cross_entropy.composed(logits, targets=labels)
    references = [bar.data for bar in grad(mean_loss, twins)]
    for name, x, reference in zip(names, own, references, strict=True):
        found.append(close(what, AUTODIFF, f"{name}, {when}", x, reference))
    return found


def composed(x: Any, parts: list[Any], biases: list[Any]) -> Any:
    """The network from its definition: parts are g and v of each layer, in turn."""
    norm, conv = byhand.weight_norm.composed, byhand.conv.composed
    w1, w2, w3 = (norm(parts[2 * k + 1], parts[2 * k]) for k in range(3))
    x = halved(ops.relu(conv(x, w1, biases[0], padding=1)))
    return byhand.linear.composed(flat(conv(x, w2, biases[1], padding=1)), w3, biases[2])


def halved(x: Any) -> Any:
    """The largest entry of each 2 x 2 square, of equal ones the first: -> (n, c, h/2, w/2)"""
    n, c, height, width = x.shape
    x = ops.reshape(x, shape=(n, c, height // 2, 2, width // 2, 2))
    x = ops.reshape(
        ops.transpose(x, axes=(0, 1, 2, 4, 3, 5)), shape=(n, c, height // 2, width // 2, 4)
    )
    first = x.data.argmax(axis=-1)[..., None] == numpy.arange(4)
    return ops.sum(ops.where(first, x, 0.0), axis=-1)
