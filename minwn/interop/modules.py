"""load and save: a minwn module from and to the file of any framework."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import forms
from ..backend import is_floating, quiet
from ..nn import Embedding, Module, WeightNormWrapper
from ..nn.conv import ConvTranspose
from ..nn.module import join
from ..tensors import Tensor
from ..validation import choice, instance, mapping
from .convert import convert, match, parameters
from .files import LIMIT, read, write
from .metadata import about, framework, lengths, number
from .names import FRAMEWORKS, flatten, locate

__all__ = ["load", "save", "settings"]


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
    Raises the errors of `convert` and `write`.
    """
    state = instance("module", module, Module, "a Module").state_dict()
    choice("target", target, FRAMEWORKS)
    if rename is not None:
        mapping("rename", rename, "a mapping of names, {old: new}")
    if like is not None:
        mapping("like", like)
    epsilon = forms.check("inside", epsilon, name="epsilon")
    if target == "minwn" and not rename and like is None:
        write(path, state, about(target, epsilon, _lengths(module)))
        return
    _check_scales(module, target)
    options, names = settings(module), parameters(state, "minwn", rename).items()
    options = {s: {new: x[old] for new, old in names if old in x} for s, x in options.items()}
    found = convert(state, "minwn", target, rename=rename, like=like, epsilon=epsilon, **options)
    flat = flatten(found, target)
    pairs = {p: keys[0] for p, keys in locate(flat, target).items() if p in options["form"]}
    known = {g: (options["form"][p], options["eps"][p]) for p, g in pairs.items()}
    write(path, flat, about(target, epsilon, known))


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

    source: the framework of the names and layouts; None for the one in the file's metadata, or else
    minwn. The axes of the norms and the layout of each layer are the module's.
    rename: {old: new} for the beginnings of names, old in the file. epsilon: Flax's.
    limit: the most bytes that the arrays may take.
    Raises FileError for a damaged or unsafe file, KeyError with the missing, unexpected
    and closest names, TypeError for dtypes, ValueError for shapes and values out of range,
    ZeroNormError for a v of zero. Then nothing was loaded.
    """
    instance("module", module, Module, "a Module")
    if source is not None:
        choice("source", source, FRAMEWORKS)
    if rename is not None:
        mapping("rename", rename, "a mapping of names, {old: new}")
    if epsilon is not None:
        epsilon = forms.check("inside", epsilon, name="epsilon")
    arrays, metadata = read(path, limit=limit)
    source = framework(metadata, source) or "minwn"
    if epsilon is None:
        epsilon = number(metadata, "epsilon", 1e-12)
    model, gains = module.state_dict(), {}
    if source == "minwn" and not rename:
        match(arrays, model)
        state, gains = arrays, {g: g for g in model}
    else:
        _check_scales(module, source)
        options, names = settings(module), parameters(arrays, source, rename)
        options = {s: {p: x[p] for p in names if p in x} for s, x in options.items()}
        state = convert(
            arrays, source, "minwn", rename=rename, like=model, epsilon=epsilon, **options
        )
        old, new = locate(arrays, source), locate(model, "minwn")
        gains = {new[p][0]: old[names[p]][0] for p in names if p in new}
    saved = lengths(metadata)
    for g, length in _lengths(module).items():
        if saved.get(gains[g], length) != length:
            raise ValueError(
                f"{g} was saved over the length {saved[gains[g]]} and the module has {length}, "
                f"with which the weight is another; give its WeightNorm the same form and eps"
            )
    state = {name: _as(x, model[name].dtype, name) for name, x in state.items()}
    for prefix, layer in module.named_modules():
        for computed in layer._computed.values():
            computed.check_norms(layer, Tensor(state[join(prefix, computed.v_name)]))
    module.load_state_dict(state)


def settings(module: Module) -> dict[str, dict[str, Any]]:
    """The arguments of `convert` for a module: dim, kind, groups, form and eps, by parameter."""
    names = locate(module.state_dict(), "minwn")
    parameter = {key: p for p, keys in names.items() for key in keys}
    found: dict[str, dict[str, Any]] = {s: {} for s in ("dim", "kind", "groups", "form", "eps")}
    for g, (form, eps) in _lengths(module).items():
        found["form"][parameter[g]], found["eps"][parameter[g]] = form, eps
    for prefix, layer in module.named_modules():
        for name, _ in layer.own_parameters():
            p = parameter[join(prefix, name)]
            if isinstance(layer, ConvTranspose):
                found["kind"][p] = "conv_transpose"
                found["groups"][p] = layer.groups
            elif isinstance(layer, Embedding):
                found["kind"][p] = "embedding"
        for computed in layer._computed.values():
            dim, output = computed.used.dim, getattr(layer, "output_axis", None)
            found["dim"][parameter[join(prefix, computed.g_name)]] = (
                output if dim == "output" else dim
            )
        if isinstance(layer, WeightNormWrapper) and layer.use_scale:
            for path, axes in layer.axes.items():
                found["dim"][parameter[join(prefix, f"{path}/scale")]] = axes or None
    return found


def _lengths(module: Module) -> dict[str, tuple[str, float]]:
    """{name of g: (form, eps)}, which the arrays of a minwn state do not show."""
    found = {}
    for prefix, layer in module.named_modules():
        for computed in layer._computed.values():
            found[join(prefix, computed.g_name)] = (computed.used.form, computed.used.eps)
        if isinstance(layer, WeightNormWrapper) and layer.use_scale:
            for path in layer.axes:
                found[join(prefix, f"{path}/scale")] = ("inside", layer.epsilon)
    return found


def _check_scales(module: Module, framework: str) -> None:
    for name, layer in module.named_modules():
        bare = isinstance(layer, WeightNormWrapper) and not layer.use_scale
        if bare and framework not in ("minwn", "flax"):
            raise ValueError(
                f"{name or 'the module'} normalises without a scale, which only minwn and Flax do; "
                f"make its WeightNormWrapper with use_scale=True"
            )


def _as(x: Any, dtype: Any, name: str) -> Any:
    """x in the dtype that the module has; an error where it is of another kind, or too large."""
    if is_floating(x.dtype) != is_floating(dtype) or (x.dtype != dtype and not is_floating(dtype)):
        raise TypeError(f"{name} is {x.dtype} in the file, and {dtype} in the module")
    with quiet():
        result = x.astype(dtype)
    if not np.isfinite(result[np.isfinite(x)]).all():
        raise ValueError(f"{name} has values out of range for {dtype}; convert the module first")
    return result
