"""torch.nn.utils.parametrizations.weight_norm: layer.weight is computed at each access."""

from __future__ import annotations

import functools
from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_torch import derivatives, holder, one_thread
from .torch_kernel import FIRST, dim_of

__all__ = ["PARAMETRIZATION"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    import torch

    @functools.cache
    def layer(shape: tuple[int, ...]) -> Any:
        ones = torch.ones(shape)
        return torch.nn.utils.parametrizations.weight_norm(holder(ones), dim=dim_of(axis, ones))

    def weight(v: Any, g: Any) -> Any:
        names = ("parametrizations.weight.original0", "parametrizations.weight.original1")
        parameters = dict(zip(names, (g, v), strict=True))
        return torch.func.functional_call(layer(v.shape), parameters, ())

    return derivatives(weight)


PARAMETRIZATION = Adapter(
    name="torch.parametrization", runs="torch.nn.utils.parametrizations.weight_norm(layer)",
    distribution="torch", functions=functions, axes=(0, -1, None), accumulate=FIRST.accumulate,
    within=one_thread,
)
