"""substitute: a module with other Tensors in the place of some of its parameters, for one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy as copied
from typing import Any

from ..graph import Value
from ..ops import reshape
from ..tensors import Tensor
from ..validation import instance
from .module import Module, Parameter

__all__ = ["substitute"]


def substitute(module: Module, replaced: Mapping[Parameter, Tensor]) -> Module:
    """The module with other Tensors in the place of some of its parameters, for one call.

    The module itself is untouched, so any number of threads may do this at once. Parameters that
    are not replaced, buffers and everything else are shared: running statistics move on. Modules
    are found where `parameters` finds them; an attribute that holds one in another way, such as a
    function, still uses the original, and an attribute that `forward` assigns is lost.
    Raises TypeError for anything but a Module and a mapping.
    """
    instance("module", module, Module, "a Module")
    instance("replaced", replaced, Mapping, "a mapping from Parameters to Tensors")
    copy: Module = rebuilt(module, {v: _StandIn(w) for v, w in replaced.items()}, {})
    return copy


class _StandIn(Parameter):
    """A Parameter with a history. Module finds it where it would find the one it stands for, so
    a wrapper inside a wrapper normalises what the outer one gave it."""

    __slots__ = ()

    def __init__(self, w: Tensor) -> None:
        super().__init__(w, requires_grad=False)
        w = reshape(w, shape=w.shape)  # a leaf remains the one that receives the gradient
        for slot in Value.__slots__:
            setattr(self, slot, getattr(w, slot))


def rebuilt(value: Any, replaced: Mapping[Parameter, Tensor], known: dict[int, Any]) -> Any:
    """The value with its replacements; itself where there are none. known: modules done, by id"""
    if isinstance(value, Parameter):
        return replaced.get(value, value)
    if isinstance(value, Module):
        if id(value) not in known:  # a layer that appears twice is still one layer
            known[id(value)] = copy = object.__new__(type(value))
            for name, x in vars(value).items():
                copy.__dict__[name] = rebuilt(x, replaced, known)
            if value._computed:  # a copy that recomputes leaves the weight of the original alone
                own = {name: copied(computed) for name, computed in value._computed.items()}
                copy.__dict__["_computed"] = own
        return known[id(value)]
    return each_item(lambda x: rebuilt(x, replaced, known), value)


def each_item(f: Callable[[Any], Any], value: Any) -> Any:
    """A list, tuple or dict with f of each item; itself where none changes, and anything else."""
    if isinstance(value, dict):
        changed = {k: new for k, x in value.items() if (new := f(x)) is not x}
        return value | changed if changed else value
    if isinstance(value, list | tuple):
        items = [f(x) for x in value]
        if all(new is x for new, x in zip(items, value, strict=True)):
            return value
        return getattr(value, "_make", type(value))(items)
    return value
