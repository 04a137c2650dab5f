"""fold and split: the same weights without the norm, and with it, under the names of one framework.

    fold     w = g v / h(v), in place of g and v
    split    v = w and g = h(w), so that g v / h(v) is w again

Names and layout stay those of the framework; `convert` changes them. Norms and weights are computed
in float64 and rounded once. `minwn.nn.fold` does the same to a module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..backend import dtype_of, is_floating
from ..nn.module import join
from ..validation import texts
from .convert import (
    Conversion,
    Options,
    Settings,
    add,
    arrays_of,
    as_wanted,
    match_like,
    names_of,
    near,
    renamed,
    row_of,
)
from .names import COLLECTIONS, layer_of, leaf_of, locate, place, plain_name, unflatten
from .recognise import check_layout, check_source
from .stored import folded, narrowed, norms

__all__ = ["cast", "fold", "folding", "split", "splitting"]


def fold(
    state: Mapping[str, Any],
    *,
    source: str,
    names: Any = None,
    dim: Any = "infer",
    kind: Any = None,
    groups: Any = 1,
    rename: Mapping[str, str] | None = None,
    exclude: Iterable[str] = (),
    form: Any = "plain",
    eps: Any = 0.0,
    epsilon: float = 1e-12,
    dtype: Any = None,
) -> dict[str, Any]:
    """The state with plain weights w = g v / h(v) under plain names; new NumPy arrays.

    "a.weight_g" and "a.weight_v" become "a.weight"; the names of other frameworks change in the
    same way, without the level of a wrapper. Other arrays are carried over. A nested state stays
    nested.

    source: the framework of the names. names: patterns of layers or parameters; None for all.
    dim, kind, groups, rename, exclude, form, eps, epsilon: see `convert`. A kind is needed only to
    read `dim`. dtype: of the floating arrays; None leaves each as it is.
    Raises ZeroNormError where v is zero in a slice and h has no eps, ValueError for names of
    another framework, for a g that fits no axes of its v and for weights beyond the dtype.
    """
    found = folding(state, source, Options(
        dim, kind, groups, rename, None, form, eps, epsilon, exclude, names, _floating(dtype),
    )).arrays
    return _as_given(found, state, source)


def split(
    state: Mapping[str, Any],
    *,
    target: str,
    names: Any = None,
    dim: Any = "default",
    kind: Any = None,
    groups: Any = 1,
    rename: Mapping[str, str] | None = None,
    exclude: Iterable[str] = (),
    form: Any = "plain",
    eps: Any = 0.0,
    epsilon: float = 1e-12,
    dtype: Any = None,
) -> dict[str, Any]:
    """The state with g = h(w) and v = w in place of weights w; new NumPy arrays.

    target: the framework of the names and layouts, which those of the plain state are too.
    names: patterns of layers ("decoder.*") or of parameters ("rnn.weight_hh"), or one; never of
    biases. None for every weight with two axes or more.
    dim: the axes that keep a norm each, in minwn's numbering and layout, or "output"; "default" for
    the target's own: its axis 0, and the output of a layer in Flax.
    kind, groups, rename, exclude, form, eps, epsilon: see `convert`. dtype: see `fold`.
    Raises ZeroNormError where w is zero in a slice and h has no eps, ValueError for a state that is
    normalised already, a pattern that fits no weight, and norms beyond the dtype.
    """
    found = splitting(state, target, Options(
        dim, kind, groups, rename, None, form, eps, epsilon, exclude, names, _floating(dtype),
    )).arrays
    return _as_given(found, state, target)


def folding(state: Mapping[str, Any], source: str, options: Options) -> Conversion:
    """`fold`, with an account of what became of every array."""
    row, exclude = row_of(source), texts("exclude", options.exclude)
    arrays, others = _parted(state, source, source, exclude)
    old = locate(arrays, source, exclude)
    located, plain = renamed(old, options.rename), plain_name(arrays, source, exclude)
    plain = {new: _moved(plain[p], p, new) for p, new in zip(old, located, strict=True)}
    pairs = [p for p, keys in located.items() if len(keys) == 2]
    chosen = _chosen(options.names, pairs, located, "parameter that is normalised")
    settings = Settings(arrays, located, options)
    result, dtype = Conversion(kinds=settings.kinds), options.dtype
    for p, keys in located.items():
        if p in chosen:
            one = settings.stored(row, keys, p)
            v, g, _ = settings.read(one, [arrays[key] for key in keys], p, result)
            w = folded(g, v, one, p, v.dtype if dtype is None else dtype_of(dtype))
            if not np.isfinite(w).all():
                count = int((~np.isfinite(w)).sum())
                result.notes.append(f"{p}: {count} of {w.size} entries are not finite")
            add(result, p, keys, (plain[p],), "folded", one.write(w, None, None, p, 0))
        else:
            new = (plain[p],) if len(keys) == 1 else keys
            if len(keys) == 2 and p not in old:  # it was renamed
                new = place(settings.kinds, {p}, source)[p]
            add(result, p, keys, new, "carried", [cast(arrays[key], dtype, key) for key in keys])
    return _finished(result, others, state, source, options)


def splitting(state: Mapping[str, Any], target: str, options: Options) -> Conversion:
    """`split`, with an account of what became of every array."""
    row, exclude = row_of(target), texts("exclude", options.exclude)
    arrays, others = _parted(state, target, "plain", exclude)
    if target == "flax":
        check_layout(arrays, "target")
    located = renamed(locate(arrays, target, exclude), options.rename)
    names, dtype = options.names, options.dtype
    weights = [p for p, keys in located.items() if _is_weight(p, arrays[keys[0]], names)]
    chosen = _chosen(names, weights, located, "weight with two axes or more")
    wanted = names_of(options.like, target)
    settings = Settings(arrays, located, options, wanted)
    leaves = {p: leaf_of(keys[0]) for p, keys in located.items()} if target == "flax" else {}
    places = as_wanted(place(settings.kinds, chosen, target, leaves), wanted)
    result = Conversion(kinds=settings.kinds)
    for p, keys in located.items():
        x = cast(arrays[keys[0]], dtype, keys[0])
        if p not in chosen:
            add(result, p, keys, places[p], "carried", [x])
            continue
        other = settings.stored(row, places[p], p)
        v, _, _ = settings.stored(row, keys, p).read([x], p, None)
        kind, dim = other.layout(p)[0], settings.dims[p]
        if isinstance(dim, str) and dim in ("default", "infer", "usual"):
            dim = other.usual_axis(kind, v.ndim)
        axes = other.axes(v.shape, kind, dim)
        made = other.write(v, norms(v, axes, other.length, p), axes, p, 0)
        add(result, p, keys, places[p], "split", made)
    return _finished(result, others, state, target, options)


def cast(x: Any, dtype: Any, name: str) -> Any:
    """A copy of x, in a dtype where x is floating. ValueError where a number is beyond it."""
    if dtype is None or not is_floating(x.dtype):
        return x.copy(order="C")
    return narrowed(x, dtype_of(dtype), name)


def _floating(dtype: Any) -> Any:
    """The dtype, or None. TypeError for one in which weights would be rounded to whole numbers."""
    if dtype is not None and not is_floating(dtype_of(dtype)):
        raise TypeError(f"dtype={dtype!r}; choose from float64, float32, float16, bfloat16")
    return dtype


# ---- which ones ---------------------------------------------------------------------------------


def _parted(
    state: Mapping[str, Any], framework: str, source: str, exclude: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of a model, and those in other collections of Flax, such as an optimiser's."""
    arrays = arrays_of(state, framework, lenient=True)
    check_source(arrays, source, exclude)
    if framework != "flax":
        return arrays, {}
    ours = {name: x for name, x in arrays.items() if name.startswith(COLLECTIONS)}
    return ours, {name: x for name, x in arrays.items() if name not in ours}


def _chosen(names: Any, fit: list[str], located: Mapping[str, Any], what: str) -> set[str]:
    """The parameters among `fit` that a pattern names, or whose layer it names."""
    if names is None:
        return set(fit)
    found: set[str] = set()
    for pattern in texts("names", names):
        these = {p for p in fit if fnmatchcase(p, pattern) or fnmatchcase(layer_of(p), pattern)}
        if not these:
            known = {x: None for p in fit for x in (layer_of(p), p) if x} or located
            raise ValueError(f"names: {pattern!r} fits no {what}{near(pattern, known)}")
        found |= these
    return found


def _is_weight(p: str, x: Any, names: Any) -> bool:
    """Whether a pattern may mean it: a weight with two axes or more; with one, by its full name."""
    if not is_floating(x.dtype) or leaf_of(p).startswith("bias"):
        return False
    if names is not None and p in texts("names", names):
        return x.ndim > 0
    return x.ndim > 1 and leaf_of(p).startswith(("weight", "kernel", "embedding"))


# ---- names --------------------------------------------------------------------------------------


def _moved(plain: str, old: str, new: str) -> str:
    """The plain name of a parameter that was renamed."""
    if plain == old:
        return new
    collection, leaf = plain.partition(".")[0], leaf_of(plain)
    return join(collection, layer_of(new), leaf if leaf_of(new) == leaf_of(old) else leaf_of(new))


def _finished(
    result: Conversion, others: Mapping[str, Any], state: Mapping[str, Any], framework: str,
    options: Options,
) -> Conversion:
    """The result with the other collections; without the collection params, where the given state
    of Flax has none; matched with the model that it must be like."""
    for name, x in others.items():
        add(result, name, (name,), (name,), "carried", [cast(x, options.dtype, name)])
    if framework == "flax" and not any(f"{name}.".startswith(COLLECTIONS) for name in state):
        for step in result.steps:
            step.old, step.new = (
                tuple(key.removeprefix("params.") for key in keys) for keys in (step.old, step.new)
            )
        result.arrays = {name.removeprefix("params."): x for name, x in result.arrays.items()}
    match_like(result.arrays, options.like, framework)
    return result


def _as_given(flat: dict[str, Any], state: Mapping[str, Any], framework: str) -> dict[str, Any]:
    """The result with the levels that the given state has."""
    if framework == "flax":
        nested = any(isinstance(x, Mapping) for x in state.values())
        return unflatten(flat) if nested else flat
    result: dict[str, Any] = {}
    for name, x in flat.items():
        here, given, rest = result, state, name
        while True:
            level = next((k for k, below in given.items()
                          if isinstance(below, Mapping) and rest.startswith(f"{k}.")), None)
            if level is None:
                break
            here, given = here.setdefault(level, {}), given[level]
            rest = rest.removeprefix(f"{level}.")
        here[rest] = x
    return result
