"""The table of the implementations that can be judged by name."""

from __future__ import annotations

from .adapter import Adapter
from .equinox_wrapper import EQUINOX
from .flax_linen import LINEN
from .flax_nnx import NNX
from .minwn_byhand import BYHAND
from .minwn_composed import COMPOSED as MINWN_COMPOSED
from .minwn_layer import LAYER
from .numpy_composed import COMPOSED
from .numpy_fused import FUSED
from .paddle_hook import HOOK as PADDLE_HOOK
from .paddle_hook import WHOLE as PADDLE_WHOLE
from .torch_hook import HOOK
from .torch_kernel import FIRST, INNER, LAST, WHOLE
from .torch_parametrization import PARAMETRIZATION

__all__ = ["ADAPTERS", "families", "get"]

ADAPTERS: dict[str, Adapter] = {
    i.name: i
    for i in (
        HOOK, PARAMETRIZATION, FIRST, LAST, INNER, WHOLE, LINEN, NNX, EQUINOX,
        PADDLE_HOOK, PADDLE_WHOLE, COMPOSED, FUSED, BYHAND, MINWN_COMPOSED, LAYER,
    )
}


def families() -> list[str]:
    """The names that stand for several implementations, but for "all"."""
    return list(dict.fromkeys(i.family for i in ADAPTERS.values()))


def get(name: str) -> list[Adapter]:
    """The implementations of a family, the one of a full name, or "all". Raises KeyError."""
    if name in ADAPTERS:
        return [ADAPTERS[name]]
    found = [i for i in ADAPTERS.values() if name in (i.family, "all")]
    if not found:
        raise KeyError(
            f"no implementation {name!r}; choose from all, {', '.join(families())}, or "
            f"{', '.join(ADAPTERS)}"
        )
    return found
