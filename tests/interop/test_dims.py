"""The axis that keeps norms, in the numbering of PyTorch and of R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minwn import interop


@pytest.mark.parametrize(
    ("dim", "expected"), [(None, None), (-1, None), (0, 0), (2, 2), (-2, 1), (-3, 0)]
)
def test_from_torch(dim: int | None, expected: int | None) -> None:
    assert interop.dim_from_torch(dim, 3) == expected


@pytest.mark.parametrize(
    ("dim", "expected"), [(None, None), (-1, None), (1, 0), (3, 2), (-2, 1), (-3, 0)]
)
def test_from_r(dim: int | None, expected: int | None) -> None:
    assert interop.dim_from_r(dim, 3) == expected


@pytest.mark.parametrize("dim", [None, 0, 1, 2])
def test_there_and_back(dim: int | None) -> None:
    assert interop.dim_from_torch(interop.dim_to_torch(dim, 3), 3) == dim
    assert interop.dim_from_r(interop.dim_to_r(dim, 3), 3) == dim


def test_the_last_axis_does_not_become_the_whole() -> None:
    assert interop.dim_to_torch(-1, 3) == interop.dim_to_torch((2,), 3) == 2
    assert interop.dim_to_r(-1, 3) == 3


@pytest.mark.parametrize(
    ("translate", "dim", "error", "says"),
    [
        (interop.dim_from_torch, 3, IndexError, "0 to 2, -3 to -2"),
        (interop.dim_from_torch, -4, IndexError, "dim=-4"),
        (interop.dim_from_torch, 0.0, TypeError, "as a number"),
        (interop.dim_from_torch, True, TypeError, "as a number"),
        (interop.dim_from_r, 0, IndexError, "R counts from 1"),
        (interop.dim_from_r, 4, IndexError, "1 to 3"),
        (interop.dim_from_r, -4, IndexError, "dim=-4"),
        (interop.dim_to_torch, (0, 1), ValueError, "keep one axis"),
        (interop.dim_to_torch, 3, IndexError, "-3 to 2"),
        (interop.dim_to_r, "output", TypeError, "as a number"),
    ],
)
def test_refusals(translate: Any, dim: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        translate(dim, 3)


@pytest.mark.parametrize("dim", [None, -3, -2, -1, 0, 1, 2])
def test_torch_means_the_same_axis(dim: int | None, rng: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is asked what its dim means")
    v = rng.normal(size=(2, 3, 4))
    theirs = torch.norm_except_dim(torch.tensor(v), 2, -1 if dim is None else dim).numpy()
    axis = interop.dim_from_torch(dim, 3)
    others = tuple(a for a in range(3) if a != axis)
    ours = np.sqrt((v * v).sum(axis=others, keepdims=axis is not None))
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs, ours, rtol=1e-15, atol=0)  # sums of 24 squares
