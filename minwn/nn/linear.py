"""Layers whose weight is a matrix: Linear and Embedding."""

from __future__ import annotations

from typing import Any

from ..backend import Array, Generator, beside, generator, run, within
from ..byhand import linear
from ..graph import raw
from ..ops import getitem
from ..tensors import Tensor
from ..validation import flag
from . import init
from .module import Module, Parameter

__all__ = ["Embedding", "Linear"]


class Linear(Module):
    """y = x w^T + b.   x: (..., in_features)   weight: (out, in)   bias: (out,)   y: (..., out)

    weight and bias are drawn from U(-1/sqrt(in), 1/sqrt(in)), as in PyTorch, by `rng`.
    Raises ValueError for sizes < 1, and for inputs that do not fit.

    >>> nn.Linear(3, 2, rng=0)(np.ones((5, 3), "float32")).shape
    (5, 2)
    """

    output_axis = 0
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Generator | int | None = None,
        dtype: Any = "float32",
    ) -> None:
        in_features, out_features = init.sizes(in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        rng = generator(rng)
        bound = in_features**-0.5
        self.weight = Parameter(init.uniform((out_features, in_features), bound, rng, dtype))
        wanted = flag("bias", bias)
        self.bias = Parameter(init.uniform((out_features,), bound, rng, dtype)) if wanted else None

    def forward(self, x: Tensor | Array) -> Tensor:
        y: Tensor = linear.forward(x, self.weight, self.bias)
        return y

    def describe(self) -> str:
        return f"{self.in_features} -> {self.out_features}"


class Embedding(Module):
    """Row i of a table for each index i.   x: integers (...)   weight: (n, d)   y: (..., d)

    The rows are drawn from N(0, 1) by `rng`. Raises IndexError for an index that is not in the
    table, TypeError for indices that are not integers.

    >>> nn.Embedding(10, 4, rng=0)(np.array([3, 1, 3])).shape
    (3, 4)
    """

    output_axis = 1

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: Generator | int | None = None,
        dtype: Any = "float32",
    ) -> None:
        shape = init.sizes(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = shape
        self.weight = Parameter(init.normal(shape, 1.0, generator(rng), dtype))

    def forward(self, x: Any) -> Tensor:
        index = beside(raw(x), self.weight.data)
        if index.dtype.kind not in "iu":
            raise TypeError(f"Embedding takes integer indices, got {index.dtype}")
        # A GPU would not raise: it takes an index modulo the number of rows.
        if not within(index, 0, self.num_embeddings - 1):
            low, high = (int(run(index, f)) for f in (index.min, index.max))
            raise IndexError(
                f"indices from {low} to {high} for a table of {self.num_embeddings} rows"
            )
        return getitem(self.weight, index=index)

    def describe(self) -> str:
        return f"{self.num_embeddings} x {self.embedding_dim}"
