"""load and save: a minwn module from and to the file of any framework."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backend import is_floating, quiet
from ..nn import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Embedding, Module
from ..nn.weight_norm_wrapper import WeightNormWrapper
from ..tensor import Tensor
from .convert import convert, parameters
from .files import LIMIT, about, framework, lengths, number, read, write
from .names import flatten, locate

__all__ = ["load", "save", "settings"]

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def save(
    module: Module,
    path: str | os.PathLike[str],
    *,
    target: str = "minwn",
    rename: Mapping[str, str] | None = None,
    like: Mapping[str, Any] | None = None,
    epsilon: float = 1e-12,
) -> None:
    """Write the parameters and buffers of a module to a .npz or .safetensors file.

    target: the framework that will read it, for which names and layouts are converted.
    rename, like, epsilon: see `convert`. The old file is replaced whole, or not at all.
    Raises what `convert` and `write` raise.
    """
    _check_scales(module, target)
    state, told = module.state_dict(), settings(module)
    names = parameters(state, "minwn", rename).items()
    told = {s: {new: x[old] for new, old in names if old in x} for s, x in told.items()}
    found: Mapping[str, Any] = state
    if target != "minwn" or rename or like is not None:
        found = convert(state, "minwn", target, rename=rename, like=like, epsilon=epsilon, **told)
    write(path, flatten(found, target), about(target, epsilon, _lengths(told)))


def load(
    module: Module,
    path: str | os.PathLike[str],
    *,
    source: str | None = None,
    rename: Mapping[str, str] | None = None,
    epsilon: float | None = None,
    limit: int = LIMIT,
) -> None:
    """Put the state in a .npz or .safetensors file into a module, entirely or not at all.

    source: the framework that the names and layouts are of; None for what the file says, or else
    minwn. The module itself says which axes are kept, and the layout of each layer.
    rename: {old: new} for the beginnings of names, old in the file. epsilon: Flax's.
    limit: the most bytes that the arrays may take.
    Raises FileError for a file that is not to be trusted, KeyError with the missing, unexpected
    and closest names, TypeError for dtypes, ValueError for shapes and values out of range,
    ZeroNormError for a v of zero. Then nothing was loaded.
    """
    arrays, said = read(path, limit=limit)
    source = framework(said, source) or "minwn"
    if epsilon is None:
        epsilon = number(said, "epsilon", 1e-12)
    _check_scales(module, source)
    names, told, model = parameters(arrays, source, rename), settings(module), module.state_dict()
    told = {s: {p: x[p] for p in names if p in x} for s, x in told.items()}
    if source == "minwn":
        saved = lengths(said)
        for p, length in _lengths(told).items():
            if saved.get(names[p], length) != length:
                raise ValueError(
                    f"{p} was saved over the length {saved[names[p]]} and the module has {length}, "
                    f"with which the weight is another; give its WeightNorm the same form and eps"
                )
    state = convert(arrays, source, "minwn", rename=rename, like=model, epsilon=epsilon, **told)
    state = {name: _as(x, model[name].dtype, name) for name, x in state.items()}
    for prefix, layer in module.named_modules():
        for computed in layer._computed.values():
            g, v = (state[f"{prefix}.{n}".lstrip(".")] for n in (computed.g_name, computed.v_name))
            computed.used._lengths(layer, Tensor(v), g.shape)  # raises where there is none
    module.load_state_dict(state)


def settings(module: Module) -> dict[str, dict[str, Any]]:
    """What `convert` is to be told of a module: dim, kind, groups, form and eps, by parameter."""
    names = locate(module.state_dict(), "minwn")
    parameter = {key: p for p, keys in names.items() for key in keys}
    found: dict[str, dict[str, Any]] = {s: {} for s in ("dim", "kind", "groups", "form", "eps")}
    for prefix, layer in module.named_modules():
        start = f"{prefix}." if prefix else ""
        for name, _ in layer.own_parameters():
            p = parameter[start + name]
            if isinstance(layer, _TRANSPOSED):
                found["kind"][p] = "conv_transpose"
                found["groups"][p] = layer.groups
            elif isinstance(layer, Embedding):
                found["kind"][p] = "embedding"
        for computed in layer._computed.values():
            p, used = parameter[start + computed.v_name], computed.used
            output = getattr(layer, "output_axis", None)
            found["dim"][p] = output if used.dim == "output" else used.dim
            found["form"][p], found["eps"][p] = used.form, used.eps
        if isinstance(layer, WeightNormWrapper) and layer.use_scale:
            for path, _, axes in layer._matches():
                p = parameter[f"{start}{path}/scale"]
                found["dim"][p] = axes or None
                found["form"][p], found["eps"][p] = "inside", layer.epsilon
    return found


def _check_scales(module: Module, framework: str) -> None:
    for name, layer in module.named_modules():
        bare = isinstance(layer, WeightNormWrapper) and not layer.use_scale
        if bare and framework not in ("minwn", "flax"):
            raise ValueError(
                f"{name or 'the module'} normalises without a scale, which only minwn and Flax do; "
                f"make its WeightNormWrapper with use_scale=True"
            )


def _lengths(about: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, float]]:
    """{parameter: (form, eps)}, which the arrays of a minwn state do not show."""
    return {p: (form, about["eps"][p]) for p, form in about["form"].items()}


def _as(x: Any, dtype: Any, name: str) -> Any:
    """x in the dtype that the module has; an error where it is of another kind, or too large."""
    if is_floating(x.dtype) != is_floating(dtype) or (x.dtype != dtype and not is_floating(dtype)):
        raise TypeError(f"{name} is {x.dtype} in the file, and {dtype} in the module")
    with quiet():
        result = x.astype(dtype)
    if not np.isfinite(result[np.isfinite(x)]).all():
        raise ValueError(f"{name} has values out of range for {dtype}; convert the module first")
    return result
