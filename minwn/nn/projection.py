"""Weights kept at one length from outside, between the steps: v <- v / h(v), without a gradient.

Weight normalisation lets ||v|| grow, and with it the steps on the sphere shrink. Two methods hold
the length:

    # EDM2, forced weight normalisation (arXiv:2312.02696): before every forward in training each
    # v gets root mean square 1, and the layer normalises it once more, so that its gradient is,
    # but for eps, at right angles to v.
    norm = WeightNorm(form="rms", eps=1e-4)
    normalise_(layer.weight_v, form="rms", eps=1e-4)
    norm.recompute(layer)

    # nGPT (arXiv:2410.01131): every matrix gets rows, or columns, of length 1, once at the start
    # and after every step. The gradient knows nothing of it.
    optimiser.step()
    normalise_(matrices)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..backend import is_floating, namespace, run
from ..byhand import weight_norm
from ..graph import raw
from ..tensors import Tensor
from ..validation import kind_of, several
from .weight_norm import Dim, WeightNorm, lengths

__all__ = ["normalise_"]


def normalise_(
    parameters: Tensor | Iterable[Tensor], dim: Dim = 0, *, eps: float = 0.0, form: str = "plain"
) -> None:
    """Assign v / h(v) to each parameter v: slices of length 1, or of root mean square 1 for "rms".

    parameters: one, or several. dim, eps, form: as in `WeightNorm`, except for "output".
    Raises TypeError for anything but a floating Tensor, ValueError for one that was computed or is
    not finite, IndexError for a dim that one lacks, ZeroNormError for slices of zeros without eps.
    Then nothing has been assigned.

    >>> v = nn.Parameter(np.array([[3.0, 4.0]]))
    >>> nn.normalise_(v)
    >>> v
    tensor([[0.6, 0.8]], requires_grad=True)
    """
    eps = WeightNorm(dim=dim, eps=eps, form=form).eps  # raises for settings that make no sense
    if isinstance(dim, str):
        raise ValueError("a parameter does not say which axis is its output; give dim as a number")
    wanted = "a Parameter, or several, such as module.parameters()"
    alone = isinstance(parameters, Tensor)
    given = [parameters] if alone else several("parameters", parameters, wanted)
    new = [run(raw(v), _normalised, i, v, dim, eps, form) for i, v in enumerate(given)]
    for v, unit in zip(given, new, strict=True):
        v.assign(unit)


def _normalised(i: int, v: Any, dim: Any, eps: float, form: str) -> Any:
    if not isinstance(v, Tensor):
        raise TypeError(f"item {i} is {kind_of(v)}; pass Parameters")
    if not is_floating(v.dtype):
        raise TypeError(f"item {i} is {v.dtype}; only floating parameters have a norm")
    if not v.is_leaf:
        how = f" by '{v._op.name}'" if v._op else ""
        raise ValueError(
            f"item {i}, of shape {v.shape}, was computed{how}; pass what it was computed from, "
            f"such as layer.weight_v"
        )
    xp, shape = namespace(v.data), weight_norm.kept_shape(v.shape, dim)
    ones = xp.ones_like(v.data, shape=shape)
    unit = weight_norm.forward(v.data, ones, eps=eps, form=form)
    if not xp.isfinite(unit).all():
        way_out = "choose another dim, or a form with eps, such as eps=1e-12, form='inside'"
        lengths(v.data, shape, eps, form, f"item {i}", way_out)
    return unit
