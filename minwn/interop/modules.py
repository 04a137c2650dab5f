"""load and save: a minwn module from and to the file of any framework."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from glob import escape
from typing import Any, NamedTuple

import numpy as np

from .. import forms
from ..backend import is_floating, quiet
from ..nn import Embedding, Module, WeightNormWrapper
from ..nn.conv import ConvTranspose
from ..nn.module import join
from ..tensors import Tensor
from ..validation import choice, instance, mapping
from .convert import Options, convert, match, parameters, renamed, translate, with_names
from .files import LIMIT, read_selection, write
from .fold import fold as fold_state
from .fold import split as split_state
from .metadata import about, framework, lengths, number, texts
from .names import FRAMEWORKS, flatten, locate
from .plain import Selection
from .recognise import recognise, unwrapped

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
    given = Options(rename=rename, like=like, epsilon=epsilon, **options)
    found = translate(state, "minwn", target, given)
    pairs = {p: keys[0] for p, keys in locate(found.arrays, target).items() if p in options["form"]}
    known = {g: (options["form"][p], options["eps"][p]) for p, g in pairs.items()}
    write(path, found.arrays, about(target, epsilon, known, found.kinds, found.names))


def load(
    module: Module,
    path: str | os.PathLike[str],
    *,
    source: str | None = None,
    rename: Mapping[str, str] | None = None,
    epsilon: float | None = None,
    limit: int = LIMIT,
    only: Iterable[str] = (),
    drop: Iterable[str] = (),
) -> None:
    """Put the state in a file into a module, entirely or not at all.

    The file is of any kind that `read` knows. Where it is normalised and the module is plain, its
    weights are folded; where it is plain and the module has a WeightNorm, they are split, into
    v = w and g = ||w||. A line on stderr says so.

    source: the framework of the names and layouts; None for the one in the file's metadata, or
    that of its names, or else minwn. The axes of norms and the layouts are the module's.
    rename: {old: new} for the beginnings of names, old in the file. epsilon: Flax's.
    limit, only, drop: see `read`.
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
    arrays, metadata = read_selection(path, Selection(limit, only, drop))
    source = framework(metadata, source)
    if "framework" not in metadata and source not in ("flax", "equinox"):
        arrays, _ = unwrapped(arrays)
    if source is None:
        known = recognise(arrays)
        source = "minwn" if known in (None, "torch") else known
    epsilon = number(metadata, "epsilon", epsilon, 1e-12)
    model, saved, called = module.state_dict(), lengths(metadata), texts(metadata, "names")
    if called:
        rename = with_names(rename, called, locate(flatten(arrays, source), source))
    kinds = texts(metadata, "kinds")
    found = _fitted(module, model, flatten(arrays, source), source, rename, epsilon, saved, kinds)
    for g, length in _lengths(module).items():
        given = saved.get(found.gains.get(g, g), length)
        if given != length:
            raise ValueError(
                f"{g} was saved over the length {given} and the module has {length}, "
                f"with which the weight is another; give its WeightNorm the same form and eps"
            )
    state = {name: _as(x, model[name].dtype, name) for name, x in found.state.items()}
    for prefix, layer in module.named_modules():
        for computed in layer._computed.values():
            computed.check_norms(layer, Tensor(state[join(prefix, computed.v_name)]))
    module.load_state_dict(state)
    for done, these in (("folded, for the module is plain", found.folded),
                        ("split into g and v, for the module is normalised", found.split)):
        if these:
            more = f", {', '.join(these[:3])}{', ...' * bool(these[3:])}"
            what = "1 weight" if len(these) == 1 else f"{len(these)} weights"
            print(f"{path}: {what} {done}{more}", file=sys.stderr)


class _Fitted(NamedTuple):
    """The state for a module, {its g: the g in the file}, and what was folded and split for it."""

    state: Mapping[str, Any]
    gains: dict[str, str]
    folded: list[str]
    split: list[str]


def _fitted(
    module: Module, model: Mapping[str, Any], arrays: dict[str, Any], source: str,
    rename: Mapping[str, str] | None, epsilon: float, saved: Mapping[str, tuple[str, float]],
    kinds: Mapping[str, str],
) -> _Fitted:
    """The arrays of a file under the names of the module, normalised where it is."""
    try:
        old = locate(arrays, source)
    except ValueError:  # half a pair: of a name that is misspelt, for instance
        if source == "minwn" and not rename:
            match(arrays, model)
        raise
    new = locate(model, "minwn")
    names = {p: keys[0] for p, keys in renamed({p: (p,) for p in old}, rename).items()}
    both = {p: (len(old[q]), len(new[p])) for p, q in names.items() if p in new}
    fold = [p for p, (there, here) in both.items() if there > here]
    split = [p for p, (there, here) in both.items() if there < here]
    if source == "minwn" and not rename and not fold and not split:
        match(arrays, model)
        return _Fitted(arrays, {g: g for g in model}, fold, split)
    _check_scales(module, source)
    options = {s: {p: x[p] for p in names if p in x} for s, x in settings(module).items()}
    options["kind"] |= {p: kinds[q] for p, q in names.items() if q in kinds}
    gains = {new[p][0]: old[names[p]][0] for p in both}
    if fold:
        arrays = _folded(arrays, source, [names[p] for p in fold], saved, epsilon)
    if split:
        plain = {s: options[s] for s in ("kind", "groups")}
        arrays = convert(arrays, source, "minwn", rename=rename, epsilon=epsilon, **plain)
        arrays, source, rename = _split(arrays, split, options), "minwn", None
    state = convert(
        arrays, source, "minwn", rename=rename, like=model, epsilon=epsilon, **options
    )
    return _Fitted(state, gains, fold, split)


def _folded(
    arrays: Mapping[str, Any], source: str, names: list[str],
    saved: Mapping[str, tuple[str, float]], epsilon: float,
) -> dict[str, Any]:
    """The state with these parameters folded, in float64; the module rounds them to its dtype."""
    located = locate(arrays, source)
    known = {p: saved[located[p][0]] for p in names if located[p][0] in saved}
    return fold_state(
        arrays, source=source, names=[escape(p) for p in names], dim="usual", epsilon=epsilon,
        form={escape(p): form for p, (form, _) in known.items()},
        eps={escape(p): eps for p, (_, eps) in known.items()}, dtype="float64",
    )


def _split(
    state: Mapping[str, Any], names: list[str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The plain state with these parameters split as the module has them, in float64."""
    chosen = {s: {escape(p): x[p] for p in names if p in x} for s, x in options.items()}
    return split_state(
        state, target="minwn", names=[escape(p) for p in names], dim=chosen["dim"],
        form=chosen["form"], eps=chosen["eps"], dtype="float64",
    )


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
