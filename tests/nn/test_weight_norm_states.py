"""Any order of apply, assign, recompute, load, copy, swap and remove, against a plain model of it.

The model knows for each layer which g and v (the objects and their dates) its weight was computed
from, what that weight is in NumPy, and whether it was recorded and used up since. From this follows
whether a forward that reads the weight must raise StaleWeightError, and else what it returns.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest

from minwn import StaleWeightError, WeightNorm, nn, no_grad
from minwn.nn import ExponentialWeightNorm

NORMS = [
    WeightNorm(dim=0), WeightNorm(dim=1), WeightNorm(dim=None), ExponentialWeightNorm(),
    WeightNorm(eps=0.1, form="inside"),
]
AXES: dict[Any, tuple[int, ...]] = {0: (1,), 1: (0,), None: (0, 1)}
X = np.array([[1.0, -2.0, 0.5]])


class Reader(nn.Module):
    """Reads the weight of a layer that it does not call."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        return x @ self.layer.weight.T + self.layer.bias


class Parts(NamedTuple):
    """What a weight was computed from."""

    g: Any
    v: Any
    dates: tuple[int, int]


class Model:
    """One layer and what must be true of it."""

    def __init__(self, layer):
        self.layer, self.norm = layer, None

    def parts(self):
        g, v = getattr(self.layer, f"weight_{self.norm._letter}"), self.layer.weight_v
        return Parts(g, v, (g._time, v._time))

    def exact(self):
        if self.norm is None:
            return self.layer.weight.data
        g, v = (x.data for x in self.parts()[:2])
        q = (v * v).sum(axis=AXES[self.norm.dim], keepdims=self.norm.dim is not None)
        return (np.exp(g) if self.norm._letter == "s" else g) * v / np.sqrt(q + self.norm.eps)

    def computed(self, recorded=True):
        """Take note of a weight that was computed just now."""
        if self.norm is None:
            return
        g, v, _ = self.used = self.parts()
        self.recorded = recorded and (g.requires_grad or v.requires_grad)
        self.used_up, self.w = False, self.exact()
        np.testing.assert_allclose(self.layer.weight.data, self.w, rtol=1e-12)

    def stale(self, recording):
        if self.norm is None:
            return False
        g, v, dates = self.parts()
        if g is not self.used.g or v is not self.used.v or dates != self.used.dates:
            return True
        wanted = g.requires_grad or v.requires_grad
        return recording and (self.used_up or (wanted and not self.recorded))

    # ---- what may happen ------------------------------------------------------------------------

    def apply(self, rng, others):
        if self.norm is None:
            norm = NORMS[rng.integers(len(NORMS))]
            w = self.layer.weight.data
            norm.apply(self.layer)
            self.norm = norm
            self.computed()
            np.testing.assert_allclose(self.w, w, rtol=1e-12)

    def remove(self, rng, others):
        if self.norm is not None:
            w = self.exact()
            self.norm.remove(self.layer)
            self.norm = None
            np.testing.assert_allclose(self.layer.weight.data, w, rtol=1e-12)
            assert [n for n, _ in self.layer.named_parameters()] == ["weight", "bias"]

    def assign(self, rng, others):
        if self.norm is not None:
            part = self.parts()[rng.integers(2)]
            part.data = 1.1 * part.data + 0.01

    def swap(self, rng, others):
        other = others[rng.integers(len(others))]
        if self.norm is not None and other.norm == self.norm:
            setattr(self.layer, f"weight_{self.norm._letter}", other.parts().g)

    def freeze(self, rng, others):
        if self.norm is not None:
            for part in self.parts()[:2]:
                part.requires_grad = bool(rng.integers(2))

    def recompute(self, rng, others):
        if self.norm is not None:
            self.norm.recompute(self.layer)
            self.computed()

    def recompute_without_graph(self, rng, others):
        if self.norm is not None:
            with no_grad():
                self.norm.recompute(self.layer)
            self.computed(recorded=False)

    def load(self, rng, others):
        self.layer.load_state_dict({n: 1.01 * x for n, x in self.layer.state_dict().items()})
        self.computed()

    def convert(self, rng, others):
        self.layer.to("float64")
        self.computed()

    def duplicate(self, rng, others):
        self.layer = pickle.loads(pickle.dumps(copy.deepcopy(self.layer)))
        self.computed()

    def fold(self, rng, others):
        np.testing.assert_allclose(
            nn.fold(self.layer)(X).data, X @ self.exact().T + self.layer.bias.data, rtol=1e-10
        )

    def call(self, rng, others):
        forward = self.layer if rng.integers(2) else Reader(self.layer)
        recording = bool(rng.integers(2))
        with contextlib.nullcontext() if recording else no_grad():
            if self.stale(recording):
                with pytest.raises(StaleWeightError):
                    forward(X)
                return
            y = forward(X)
        w = self.layer.weight.data if self.norm is None else self.w
        np.testing.assert_allclose(y.data, X @ w.T + self.layer.bias.data, rtol=1e-10)
        if recording and rng.integers(2):
            y.sum().backward()
            self.used_up = self.norm is not None and self.recorded


STEPS = [
    Model.apply, Model.remove, Model.assign, Model.swap, Model.freeze, Model.recompute,
    Model.recompute_without_graph, Model.load, Model.convert, Model.duplicate, Model.fold,
    Model.call, Model.call, Model.call,
]


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_calls(seed):
    rng = np.random.default_rng(seed)
    models = [Model(nn.Linear(3, 2, rng=rng, dtype="float64")) for _ in range(3)]
    for _ in range(60):
        STEPS[rng.integers(len(STEPS))](models[rng.integers(3)], rng, models)
