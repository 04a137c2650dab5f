"""fold: the same function with plain weights, for inference."""

from __future__ import annotations

import copy
from typing import Any

from ..graph import no_grad
from .dora import DoRALinear
from .module import Module, Parameter
from .substitute import rebuilt
from .weight_norm_wrapper import WeightNormWrapper, cast_buffers

__all__ = ["fold"]


def fold(model: Module) -> Module:
    """A copy of the model in which every weight that was computed is a plain parameter.

    WeightNorm is removed, of every name; a WeightNormWrapper gives way to its layer with the
    normalised weights, a DoRALinear to the equivalent Linear. The copy computes what the
    model computes, to the rounding of its weights, shares nothing with it, and is in the same mode;
    the model stays as it is. A wrapped layer gets the one dtype that its parameters are
    promoted to, and no longer promotes its inputs. Where the model calls recompute() on a layer,
    the copy may go on doing so: that is the weight it has.
    Raises TypeError for anything but a Module, ZeroNormError where v / ||v|| is undefined.

    >>> nn.fold(WeightNorm().apply(nn.Linear(3, 2, rng=0)))
    Linear(3 -> 2, weight(2, 3), bias(2,))
    """
    if not isinstance(model, Module):
        raise TypeError(f"fold({model!r:.60}); pass a Module")
    with no_grad():
        plain: Module = _folded(copy.deepcopy(model), {})
    return plain


def _folded(value: Any, known: dict[int, tuple[Any, Any]]) -> Any:
    """The value with plain modules in it. `known` also keeps the old ones, so their ids, alive."""
    if isinstance(value, Module):
        if id(value) not in known:
            plain = _plain(value)
            known[id(value)] = known[id(plain)] = value, plain
            for name, x in list(vars(plain).items()):
                plain.__dict__[name] = _folded(x, known)
        return known[id(value)][1]
    if isinstance(value, list):
        value[:] = [_folded(x, known) for x in value]
    elif isinstance(value, dict):
        value.update({key: _folded(x, known) for key, x in value.items()})
    elif isinstance(value, tuple):
        return getattr(value, "_make", type(value))([_folded(x, known) for x in value])
    return value


def _plain(module: Module) -> Module:
    """The module without its own computed weights; its submodules are left."""
    while isinstance(module, WeightNormWrapper):
        # New parameters, for outside of the wrapper the old ones may be in use as they are.
        weights, dtype = module.replacements()
        module = rebuilt(module.layer, {v: Parameter(w.data) for v, w in weights.items()}, {})
        for below in module.modules() if dtype is not None else ():
            cast_buffers(below, dtype)
    if isinstance(module, DoRALinear):
        return module.merge()
    declared = {name: computed.declared for name, computed in module._computed.items()}
    for name, norm in declared.items():
        norm.remove(module, name)
    if declared:
        module.__dict__["_folded"] = declared  # recompute() finds this in place of g and v
    return module
