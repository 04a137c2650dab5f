"""Data-dependent initialisation: gains and biases from one batch, layer by layer.

    t = <v, x> / ||v||      g = init_scale / sqrt(Var t)      b = -g E t      so  y = g t + b

has mean 0 and variance init_scale^2, which is 1 in the paper, over the batch, for every output.
Salimans & Kingma 2016, eq. 5 and 6, arXiv:1602.07868. Mean and variance run over everything but the
outputs, positions included; the variance is that of the population, divided by the number.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ..backend import Array, accumulator, namespace, quiet, run, to_numpy, unit_roundoff
from ..byhand import weight_norm
from ..graph import no_grad, raw
from ..ops import mean, var
from ..validation import instance, not_negative, positive
from .conv import Convolution, ConvTranspose
from .linear import Linear
from .module import Module

__all__ = ["data_dependent_init"]

M = TypeVar("M", bound=Module)


def data_dependent_init(model: M, *inputs: Any, eps: float = 0.0, init_scale: float = 1.0) -> M:
    """Set g and b of every layer with a WeightNorm from the batch's statistics; return the model.

    The model is called once with the inputs. Each layer is set at its first call, from the
    inputs that reach it through the layers before it, and computes with its new g and b. A layer
    without bias only gets a g: its outputs have that variance, and their own mean. eps is added to
    the variance of t. v, the rest of the model, its running statistics and the random numbers of
    its Dropout stay as they are. init_scale is the standard deviation that every output gets, as in
    openai's weightnorm.

    The layers are Linear, convolutions and transposed convolutions, normalised along their output
    axis (WeightNorm(dim="output")); not transposed convolutions with groups, whose outputs share
    gains. Raises TypeError for other layers and for anything but a Module; ValueError for a model
    without any, another dim, a layer that is not called or shares only its bias, and outputs that
    do not vary over the batch (unless eps > 0). Then nothing has changed.

    >>> layer, x = nn.Linear(3, 2, rng=0), np.random.default_rng(0).normal(size=(50, 3))
    >>> model = nn.Sequential(WeightNorm(dim="output").apply(layer)).to("float64")
    >>> y = nn.data_dependent_init(model, x)(x)
    >>> abs(y.mean(axis=0)).round(9).numpy(), y.std(axis=0).round(9).numpy()
    (array([0., 0.]), array([1., 1.]))
    """
    instance("model", model, Module, "a Module")
    eps, init_scale = not_negative("eps", eps), positive("init_scale", init_scale)
    trial, done = copy.deepcopy(model), set[int]()
    watches = [
        _Watch(name or type(layer).__name__, layer, done, eps, init_scale)
        for name, layer in trial.named_modules()
        if layer._computed
    ]
    if not watches:
        raise ValueError(
            f"{type(model).__name__} has no layer with a WeightNorm; apply one to its layers first"
        )
    with no_grad():
        trial(*inputs)
    missed = [watch.name for watch in watches if id(watch.scale) not in done]
    if missed:
        raise ValueError(
            f"the model did not call {', '.join(missed)}; call data_dependent_init on the part "
            f"that does, or with inputs that do"
        )
    for own, found in zip(model.parameters(), trial.parameters(), strict=True):
        if id(found) in done:
            own.data = found.data
    model._recompute()
    return model


class _Watch:
    """Stands in for the forward of one layer, and sets the layer the first time."""

    def __init__(
        self, name: str, layer: Any, done: set[int], eps: float, init_scale: float
    ) -> None:
        _check(name, layer)
        self.name, self.layer, self.done, self.eps = name, layer, done, eps
        self.init_scale = init_scale
        self.computed = layer._computed["weight"]
        self.v = vars(layer)[self.computed.v_name]
        self.scale, self.bias = vars(layer)[self.computed.g_name], layer.bias
        self.forward = layer.forward
        # An attribute of the object comes before the method of its class.
        layer.__dict__["forward"] = self

    def __call__(self, x: Any) -> Any:
        ours = {id(p) for p in (self.scale, self.bias) if p is not None}
        if not ours <= self.done:  # else the layer, or one that it is tied to, was called before
            if ours & self.done:
                raise ValueError(
                    f"{self.name} shares its g or its bias, but not both, with a layer called "
                    f"before; tie both, or neither"
                )
            run(self.v.data, self.set, x)
            self.done |= ours
        self.computed.recompute(self.layer)
        return self.forward(x)

    def set(self, x: Any) -> None:
        """g = init_scale / sqrt(Var t + eps), b = -g E t"""
        xp = namespace(self.v.data)
        self.computed.put_gain(self.layer, xp.ones_like(self.scale.data))
        if self.bias is not None:
            self.bias.data = xp.zeros_like(self.bias.data)
        self.computed.recompute(self.layer)
        t = raw(self.forward(x))
        t = t.astype(accumulator(t.dtype), copy=False)
        outputs = t.ndim - 1 if isinstance(self.layer, Linear) else 1
        batch = tuple(a for a in range(t.ndim) if a != outputs)
        with quiet():
            centre, spread = mean(t, axis=batch), var(t, axis=batch)
        if self.eps == 0:
            self.check_spread(t, batch, spread)
        g = self.init_scale / (spread + self.eps) ** 0.5
        self.computed.put_gain(self.layer, g)
        if self.bias is not None:
            self.bias.data = (-g * centre).astype(self.bias.dtype)

    def check_spread(self, t: Array, batch: tuple[int, ...], spread: Array) -> None:
        """Raise ValueError where an output varies by no more than rounding makes it."""
        terms = self.v.size // self.scale.size
        rounding = 4.0 * terms**0.5 * unit_roundoff(t.dtype) * abs(t).max(axis=batch)
        still = ~(spread**0.5 > rounding)
        if still.any():
            named = ", ".join(str(int(i)) for i in to_numpy(namespace(t).argwhere(still))[:5, 0])
            raise ValueError(
                f"{self.name}: {int(still.sum())} of {still.size} outputs do not vary over the "
                f"batch, or are not finite ({named}{', ...' if still.sum() > 5 else ''}); give a "
                f"larger or more varied batch, or an eps such as 1e-10"
            )


def _check(name: str, layer: Module) -> None:
    """Raise an error where g and b cannot give each output mean 0 and variance 1."""
    if not isinstance(layer, Linear | Convolution) or set(layer._computed) != {"weight"}:
        raise TypeError(
            f"{name}: {sorted(layer._computed)} of a {type(layer).__name__} normalised; "
            f"data_dependent_init knows the weight of Linear and convolution layers"
        )
    computed = layer._computed["weight"]
    v = vars(layer)[computed.v_name]
    if isinstance(layer, ConvTranspose) and layer.groups > 1:
        raise ValueError(
            f"{name}: {type(layer).__name__} with groups={layer.groups}; one gain serves an output "
            f"of each group there, and cannot give each of them variance 1"
        )
    if computed.shape != weight_norm.kept_shape(v.shape, layer.output_axis):
        raise ValueError(
            f"{name}: dim={computed.used.dim!r} gives gains of shape {computed.shape} for a weight "
            f"of shape {v.shape}; one for each output is needed, WeightNorm(dim='output')"
        )
