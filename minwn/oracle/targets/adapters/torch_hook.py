"""torch.nn.utils.weight_norm: a hook computes layer.weight of weight_g and weight_v at each call.

torch's dim is NumPy's axis where it is not negative; -1 is one norm of the whole, as None is.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

from .adapter import Adapter, Axis, Roles
from .autodiff_torch import derivatives, holder, one_thread
from .torch_kernel import FIRST, dim_of

__all__ = ["HOOK"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    import torch

    @functools.cache
    def layer(shape: tuple[int, ...]) -> Any:
        ones = torch.ones(shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it is deprecated, and in wide use
            return torch.nn.utils.weight_norm(holder(ones), dim=dim_of(axis, ones))

    def weight(v: Any, g: Any) -> Any:
        return torch.func.functional_call(layer(v.shape), {"weight_g": g, "weight_v": v}, ())

    return derivatives(weight)


HOOK = Adapter(
    name="torch.hook", runs="torch.nn.utils.weight_norm(layer)", distribution="torch",
    functions=functions, axes=(0, -1, None), accumulate=FIRST.accumulate,
    within=one_thread,
)
