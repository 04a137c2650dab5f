"""DoRALinear: a trained Linear, fine-tuned by its lengths and a low-rank change of its directions.

    w = m v / ||v||      v = W0 + (alpha / rank) B A      one length for each row

W0 stays as it is; m, A and B are trained. At the start B = 0 and m = ||W0||, so w = W0. The norm is
a constant to the backward pass, which saves memory and is not the gradient of w: the difference is
in `byhand.frozen_norm`. The paper writes one length for each column; its code, and this layer, have
one for each row of the weight (out, in), that is for each output.
"""

from __future__ import annotations

from typing import Any

from ..backend import (
    Array,
    Generator,
    asarray,
    copy,
    generator,
    namespace,
    on_device_of,
    quiet,
    run,
)
from ..byhand import frozen_norm, linear, weight_norm
from ..graph import no_grad
from ..ops import matmul
from ..tensors import Tensor
from ..validation import flag, positive, shown
from . import init
from .linear import Linear
from .module import Module, Parameter
from .weight_norm import lengths

__all__ = ["DoRALinear"]


class DoRALinear(Module):
    """y = x w^T + b with w = m v / ||v||, v = W0 + (alpha / rank) B A, W0 and b from `base`.

    m: (out, 1)   A: (rank, in)   B: (out, rank)   weight, which is W0: (out, in), frozen   bias:
    (out,), frozen   x: (..., in)   y: (..., out)

    base: left as it is; it shares nothing with this layer. alpha: None for rank, so the factor is
    1. frozen_norm: False for the gradient of weight normalisation in its place. rng: for A, drawn
    from U(-1/sqrt(in), 1/sqrt(in)).
    Raises TypeError where base is not a Linear, ValueError where it is weight-normalised, a norm is
    out of range, or rank or alpha are, ZeroNormError for rows of zeros, here and in merge().
    Liu et al. 2024, arXiv:2402.09353

    >>> [name for name, _ in nn.DoRALinear(nn.Linear(3, 2, rng=0), rank=1).named_parameters()]
    ['weight', 'bias', 'm', 'A', 'B']
    """

    output_axis = 0

    def __init__(
        self,
        base: Linear,
        rank: int,
        alpha: float | None = None,
        *,
        frozen_norm: bool = True,
        rng: Generator | int | None = None,
    ) -> None:
        if not isinstance(base, Linear):
            raise TypeError(f"base={shown(base)}; DoRALinear is for a Linear")
        if base._computed:
            raise ValueError(
                f"the weights {sorted(base._computed)} of base are normalised by WeightNorm; "
                f"remove() it first"
            )
        (self.rank,) = init.sizes(rank=rank)
        alpha = positive("alpha", self.rank if alpha is None else alpha)
        self.alpha, self.frozen_norm = alpha, flag("frozen_norm", frozen_norm)
        w0 = base.weight.data
        n = _lengths(w0)
        with quiet(), on_device_of(w0):
            m = n.astype(w0.dtype)
            finite = bool(namespace(m).isfinite(m).all())
        if not finite:
            raise ValueError(f"a row of base has norm {float(n.max()):g}, too long for {w0.dtype}")
        (o, i), rng = w0.shape, generator(rng)
        self.in_features, self.out_features = i, o
        self.weight = Parameter(copy(w0), requires_grad=False)
        self.bias = None if base.bias is None else Parameter(copy(base.bias.data), False)
        self.m = Parameter(m)
        self.A = Parameter(asarray(init.uniform((rank, i), i**-0.5, rng, w0.dtype), like=w0))
        self.B = Parameter(asarray(init.zeros((o, rank), dtype=w0.dtype), like=w0))

    def direction(self) -> Tensor:
        """v = W0 + (alpha / rank) B A"""
        # (o, r), (r, i) -> (o, i)
        return self.weight + matmul(self.B, self.A) * (self.alpha / self.rank)

    def forward(self, x: Tensor | Array) -> Tensor:
        formula = frozen_norm if self.frozen_norm else weight_norm
        y: Tensor = linear.forward(x, formula.forward(self.direction(), self.m), self.bias)
        return y

    def merge(self) -> Linear:
        """The same function as a plain Linear, with weight w; this layer stays as it is."""
        with no_grad():
            v = self.direction().data
            _lengths(v)
            w = run(v, frozen_norm.forward, v, self.m.data)
        plain = Linear(self.in_features, self.out_features, bias=False, rng=0, dtype=w.dtype)
        plain.weight = Parameter(w)
        plain.bias = None if self.bias is None else Parameter(copy(self.bias.data))
        plain.training = self.training
        return plain

    def describe(self) -> str:
        frozen = "frozen norm" if self.frozen_norm else "norm not frozen"
        sizes = f"{self.in_features} -> {self.out_features}"
        return f"{sizes}, rank={self.rank}, alpha={self.alpha}, {frozen}"


def _lengths(v: Any) -> Any:
    shape = (v.shape[0], 1)
    return lengths(v, shape, 0.0, "plain", "DoRALinear.weight", "or leave this layer as it is")
