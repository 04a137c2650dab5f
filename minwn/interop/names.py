"""The names of g and v of a weight in each framework.

    framework          g                                    v
    minwn, torch, r    a.weight_g                           a.weight_v
    parametrization    a.parametrizations.weight.original0  a.parametrizations.weight.original1
    equinox            a.g                                  a.layer.weight
    flax               params.WeightNorm_0.a/kernel/scale   params.a.kernel
    flax, of nnx       a.scales.kernel                      a.layer_instance.kernel

A state is a mapping from such names to arrays. Flax nests its own; here, and in files, the levels
are joined by dots, and the items of a list are levels called 0, 1, ... The names of an Equinox
model are those that `jax.tree_util.keystr(path, simple=True, separator=".")` gives.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..backend import is_floating
from ..nn.module import join
from ..validation import choice, instance, mapping

__all__ = [
    "COLLECTIONS",
    "FRAMEWORKS",
    "Framework",
    "excluded_names",
    "flatten",
    "layer_of",
    "leaf_of",
    "locate",
    "natural",
    "normalised_pairs",
    "place",
    "plain_name",
    "unflatten",
]


@dataclass(frozen=True)
class Framework:
    """One row of the table.

    g, v: the names for the parameter {name} of the layer {path}, which is "" or ends in a dot.
    log: that of log g, which ExponentialWeightNorm has in place of g.
    child: the level at which a wrapper that has a scale for each weight holds the layer. column: of
    the layouts. flat: g has the kept axes alone. whole: the shape of g for one norm of all, "0-d"
    or "ones". many: several axes can keep norms together. mixed: g and v may differ in dtype.
    owned: a name without a meaning elsewhere. tag: the "format" that other tools look for.
    """

    g: str = ""
    v: str = ""
    log: str = ""
    child: str = ""
    column: str = "minwn"
    flat: bool = False
    whole: str = "0-d"
    many: bool = False
    mixed: bool = False
    owned: str = ""
    tag: str = ""


_COUNTER = "num_batches_tracked"

FRAMEWORKS = {
    "minwn": Framework(
        "{path}{name}_g", "{path}{name}_v", log="{path}{name}_s", child="layer", many=True
    ),
    "torch": Framework("{path}{name}_g", "{path}{name}_v", owned=_COUNTER, tag="pt"),
    "parametrization": Framework(
        "{path}parametrizations.{name}.original0",
        "{path}parametrizations.{name}.original1",
        owned=_COUNTER,
        tag="pt",
    ),
    "r": Framework("{path}{name}_g", "{path}{name}_v", owned=_COUNTER),
    "equinox": Framework("{path}g", "{path}layer.{name}", column="equinox", whole="ones"),
    "flax": Framework(
        child="layer_instance", column="flax", flat=True, many=True, mixed=True, tag="flax"
    ),
}

# Flax's collection and name -> the name elsewhere.
FLAX_NAMES = {
    ("params", "kernel"): "weight",
    ("params", "embedding"): "weight",
    ("params", "scale"): "weight",
    ("batch_stats", "mean"): "running_mean",
    ("batch_stats", "var"): "running_var",
}
COLLECTIONS = ("params.", "batch_stats.")
FLAX_WEIGHTS = {"embedding": "embedding", "norm": "scale"}  # by kind of layer; others have a kernel

_NNX = re.compile(r"(?P<prefix>(?:.*\.)?)scales\.(?P<path>.+)")

Keys = tuple[str, ...]  # the names of one parameter in a state: (itself,), or (g, v)


# ---- reading ------------------------------------------------------------------------------------


def locate(
    names: Iterable[str], framework: str, exclude: Iterable[str] = ()
) -> dict[str, Keys]:
    """{parameter: its names} for the names of a state.

    A parameter is called as it is in a minwn model without weight norm, "encoder.0.weight"; the
    level that a wrapper adds (`layer`, `layer_instance`) is left out. Of a mapping, the shapes
    count too: an x_g and x_v, or g and layer.weight, are a pair only where g has the axes of norms
    of v. The names weight and bias are enough by themselves.
    exclude: patterns of parameters or layers that have no pair, whatever their names.
    Raises ValueError for half a pair, where two names stand for one parameter, and for a pattern
    that excludes nothing.
    """
    shapes = _shapes(names) if isinstance(names, Mapping) else {}
    names, row = list(names), FRAMEWORKS[framework]
    excluded = excluded_names(names, framework, exclude)
    for pattern in exclude:
        if not excluded_names(names, framework, [pattern]):
            raise ValueError(f"exclude: {pattern!r} fits no pair of g and v, nor half of one")
    certain = [name for name in names if name not in excluded]
    pairs, wrapped = _suffixes(certain, row, shapes)
    if row.child:
        _scales(certain, row.child, pairs, wrapped)
    known, levels = set(names), {prefix.removesuffix(".") for prefix in wrapped}
    gains = set(pairs.values())
    found: dict[str, Keys] = {}
    for name in names:
        if name in gains:
            continue
        keys: Keys = (pairs[name], name) if name in pairs else (name,)
        parameter = _parameter(name, framework, name in pairs, levels, known)
        if parameter in found:
            both = " and ".join(", ".join(x) for x in (found[parameter], keys))
            raise ValueError(f"{both} both stand for {parameter!r}")
        found[parameter] = keys
    return found


def normalised_pairs(state: Mapping[str, Any], framework: str) -> dict[str, str]:
    """{v: g} of the pairs that a framework's names make of a state; no half of one is an error."""
    row, shapes = FRAMEWORKS[framework], _shapes(state)
    pairs, wrapped = _suffixes(list(state), row, shapes, halves=True)
    if row.child:
        _scales(list(state), row.child, pairs, wrapped, halves=True)
    return pairs


def excluded_names(names: Iterable[str], framework: str, patterns: Iterable[str]) -> set[str]:
    """The names of the g and v of the parameters, or of their layers, that fit a pattern."""
    row, found = FRAMEWORKS[framework], set()
    patterns = list(patterns)
    for name in names if patterns else ():
        ends = [name, name.removesuffix("/scale")] if name.endswith("/scale") else []
        for template in filter(None, (row.g, row.v, row.log)):
            match = _pattern(template).fullmatch(name)
            ends += [match["path"] + match.groupdict().get("name", "weight")] if match else []
        words = [x for end in ends for x in (end, layer_of(end))]
        if any(fnmatchcase(x, pattern) for pattern in patterns for x in words):
            found.add(name)
    return found


def _shapes(state: Mapping[str, Any]) -> dict[str, Any]:
    """{name: shape}, with None for what is no floating array; without what has no shape."""
    arrays = {name: x for name, x in state.items() if hasattr(x, "shape")}
    return {
        name: tuple(x.shape) if is_floating(getattr(x, "dtype", np.dtype("float64"))) else None
        for name, x in arrays.items()
    }


def _fits(g: str, v: str, shapes: Mapping[str, Any]) -> bool:
    """Whether g can be norms of v: floating both, with v's size or 1 along each axis, and 1 along
    one at least. True where shapes are not known."""
    if g not in shapes or v not in shapes:
        return True
    one, other = shapes[g], shapes[v]
    if one is None or not other:  # numbers that have no norm
        return False
    return one in ((), (1,)) or (
        len(one) == len(other) and 1 in one
        and all(n in (1, m) for n, m in zip(one, other, strict=True))
    )


def _suffixes(
    names: list[str], row: Framework, shapes: Mapping[str, Any], halves: bool = False
) -> tuple[dict[str, str], list[str]]:
    """{v: g} for the pairs named by the row's patterns, and the levels that hold a layer."""
    pairs: dict[str, str] = {}
    known = set(names)
    if row.column == "equinox":  # a plain `g` belongs to the weight
        ends = [name for name in names if name == "g" or name.endswith(".g")]
        pairs = {f"{g[:-1]}layer.weight": g for g in ends if f"{g[:-1]}layer.weight" in known}
        pairs = {v: g for v, g in pairs.items() if _fits(g, v, shapes)}
        return pairs, [v.removesuffix("weight") for v in pairs]
    for name in names if row.g else ():
        for one, others in ((row.v, (row.g, row.log)), (row.g, (row.v,))):
            match = _pattern(one).fullmatch(name)
            if match is None:
                continue
            partners = [other.format(**match.groupdict()) for other in others if other]
            partner = next((p for p in partners if p in known), None)
            certain = match["name"].startswith(("weight", "bias")) or "parametrizations." in one
            if partner is not None and one is row.v:
                if certain or _fits(partner, name, shapes):
                    pairs[name] = partner
            elif partner is None and certain and not halves:
                raise ValueError(
                    f"{name!r} without its {partners[0]!r}; both are needed, or, where it is no "
                    f"weight norm, exclude={match['path'] + match['name']!r}"
                )
    return pairs, []


def _scales(
    names: list[str], child: str, pairs: dict[str, str], wrapped: list[str], halves: bool = False
) -> None:
    """Add the pairs of wrappers: "a.b/weight/scale" is the g of a.child.b.weight, or, in Flax, of
    the b at the level of a; in nnx "a.scales.kernel" that of "a.layer_instance.kernel"."""
    known = set(names)
    for match in filter(None, map(_NNX.fullmatch, names if child == "layer_instance" else ())):
        v = f"{match['prefix']}{child}.{match['path']}"
        if v in known:
            pairs[v] = match[0]
            wrapped.append(f"{match['prefix']}{child}.")
    for g in (name for name in names if name.endswith("/scale")):
        scope, _, path = g.removesuffix("/scale").rpartition(".")
        if path.endswith("/scale"):
            if halves:
                continue
            raise ValueError(f"{g!r} is the scale of a scale; no other framework has that")
        path = path.replace("/", ".")
        prefix = f"{scope}." if scope else ""
        if child == "layer":
            v = f"{prefix}layer.{path}"
            wrapped.append(f"{prefix}layer.")
        else:
            v, beside = prefix + path, join(scope.rpartition(".")[0], path)
            if v in known:
                wrapped.append(f"{prefix}{path.partition('.')[0]}.")
            else:
                v = beside
        if v not in known:
            if halves:
                continue
            raise ValueError(f"{g!r} is the scale of no parameter: there is no {v!r}")
        pairs[v] = g


def plain_name(state: Iterable[str], framework: str, exclude: Iterable[str] = ()) -> dict[str, str]:
    """{parameter: its name where nothing is normalised}, in the framework's own words."""
    located = locate(state, framework, exclude)
    if framework != "flax":
        return {p: p for p in located}
    found = {}
    for p, keys in located.items():
        collection = keys[-1].partition(".")[0]
        found[p] = join(collection, join(layer_of(p), leaf_of(keys[-1])))
    return found


def _parameter(
    name: str, framework: str, is_pair: bool, wrapped: set[str], known: set[str]
) -> str:
    levels, given = name.split("."), layer_of(name)
    for n in range(len(levels) - 1, 0, -1):  # the innermost wrapper first
        if ".".join(levels[:n]) in wrapped:
            del levels[n - 1]
    name = ".".join(levels)
    if framework == "flax":
        collection, _, rest = name.partition(".")
        path, _, leaf = rest.rpartition(".")
        statistics = {join(collection, path, x) for x in ("mean", "var")}
        if leaf in ("mean", "var") and statistics <= known:
            collection = "batch_stats"  # in nnx they stand with the parameters
        weights = [x for x in ("kernel", "embedding", "scale") if join(given, x) in known]
        if leaf in weights[1:]:  # the weight is another; this is a parameter called so
            return join(path, leaf)
        return join(path, FLAX_NAMES.get((collection, leaf), leaf))
    match = _pattern(FRAMEWORKS[framework].v).fullmatch(name) if is_pair else None
    return match["path"] + match["name"] if match else name


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    path, name = r"(?P<path>(?:.*\.)?)", r"(?P<name>[^.]+)"
    return re.compile(re.escape(template).replace(r"\{path\}", path).replace(r"\{name\}", name))


def layer_of(parameter: str) -> str:
    """The layer: "a.b" of "a.b.weight"."""
    return parameter.rpartition(".")[0]


def leaf_of(parameter: str) -> str:
    """Its own name: "weight" of "a.b.weight"."""
    return parameter.rpartition(".")[2]


# ---- writing ------------------------------------------------------------------------------------


def natural(name: str) -> list[tuple[int, str, str]]:
    """The key by which names are sorted: numbers in them count as numbers, so 2 is before 10."""
    words = enumerate(re.split(r"([0-9]+)", name))
    return [(len(x.lstrip("0")), x.lstrip("0"), x) if n % 2 else (-1, x, "") for n, x in words]


def place(
    kinds: Mapping[str, str], pairs: set[str], framework: str, leaves: Mapping[str, str] = {}
) -> dict[str, Keys]:
    """{parameter: its names} in a framework, for {parameter: kind of its layer}.

    In Flax each normalised layer has its own WeightNorm at the same level, numbered in the natural
    order of the layers; a normalised layer that is the whole model is its layer_instance. That is
    how Flax names them, where it calls the layers in that order. leaves: {parameter: Flax's name
    for it} where that is known.
    Raises ValueError where Equinox has no name for the norm of a parameter.
    """
    row = FRAMEWORKS[framework]
    normalised = {layer_of(p) for p in pairs}
    norms: dict[str, dict[str, int]] = {}  # in Flax: level -> the numbers of its layers' norms
    for layer in sorted(normalised, key=natural):
        there = norms.setdefault(layer_of(layer), {})
        there[layer] = len(there)
    found = {}
    for parameter, kind in kinds.items():
        path, dot, name = parameter.rpartition(".")
        if framework == "flax":
            leaf = leaves.get(parameter) or _flax_leaf(name, kind)
            found[parameter] = _flax(
                path, name, leaf, parameter in pairs, path in normalised, norms
            )
        elif parameter in pairs:
            part = {"path": path + dot, "name": name}
            found[parameter] = (row.g.format(**part), row.v.format(**part))
        elif framework == "equinox" and path in normalised:
            found[parameter] = (f"{path}{dot}layer.{name}",)
        else:
            found[parameter] = (parameter,)
    other = [p for p in pairs if framework == "equinox" and leaf_of(p) != "weight"]
    if other:
        raise ValueError(f"Equinox's names say `g` for the norm of `weight` alone, not of {other}")
    return found


def _flax_leaf(name: str, kind: str) -> str:
    if name == "weight":
        return FLAX_WEIGHTS.get(kind, "kernel")
    return name.removeprefix("running_") if name in ("running_mean", "running_var") else name


def _flax(
    path: str, name: str, leaf: str, is_pair: bool, normalised: bool,
    norms: Mapping[str, Mapping[str, int]],
) -> Keys:
    collection = "batch_stats" if name in ("running_mean", "running_var") else "params"
    level, _, layer = path.rpartition(".")
    scope = "params"
    if normalised and not path:
        layer = "layer_instance"
    elif normalised:
        scope = join("params", level, f"WeightNorm_{norms[level][path]}")
    key = join(collection, level, layer, leaf)
    return (f"{scope}.{layer}/{leaf}/scale", key) if is_pair else (key,)


# ---- Flax's nesting -----------------------------------------------------------------------------


def flatten(state: Mapping[str, Any], framework: str, *, lenient: bool = False) -> dict[str, Any]:
    """The state with its levels joined by dots; of Flax, beginning with the collection.

    A level is a mapping (a FrozenDict, an nnx.State) or a list of arrays; a tree of parameters
    alone is taken for the collection params.
    lenient: leave collections other than params and batch_stats, which no conversion can place.
    Raises ValueError for names that would be read as other levels than they are, or stand twice.
    """
    flat: dict[str, Any] = {}
    for name, x in _leaves(mapping("state", state), ""):
        if name in flat:
            raise ValueError(f"{name!r} is there twice, as one name and as a name in a level")
        flat[name] = x
    choice("framework", framework, FRAMEWORKS)
    if framework != "flax":
        return flat
    if not any(name.startswith(COLLECTIONS) for name in flat):
        flat = {f"params.{name}": x for name, x in flat.items()}
    for name in flat:
        if "/" in name and not name.endswith("/scale"):
            raise ValueError(f"{name!r}: join the levels by dots, flatten_dict(params, sep='.')")
        if not name.startswith(COLLECTIONS) and not lenient:
            raise ValueError(
                f"{name!r} is in neither of the collections params and batch_stats; leave it out, "
                f"with drop={name.partition('.')[0]!r}"
            )
    return flat


def _leaves(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, x in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        if isinstance(name, int) and not isinstance(name, bool):  # of a list, and of one in nnx
            name = str(name)
        elif isinstance(name, tuple) and name and all(isinstance(n, str) and n for n in name):
            name = ".".join(name)  # the path of a scale in nnx
        if not isinstance(name, str) or not name:
            raise ValueError(f"{prefix}{name!r} cannot be a name; names are text")
        if hasattr(x, "get_value"):  # a variable of nnx
            x = x.get_value()
        if isinstance(x, Mapping) or _is_level(x):
            if "." in name:
                raise ValueError(f"the level {name!r} has a dot, which parts the levels in a name")
            yield from _leaves(x, f"{prefix}{name}.")
        else:
            yield prefix + name, x


def _is_level(x: Any) -> bool:
    """Whether it is a list of levels and arrays, and not of numbers."""
    return isinstance(x, list | tuple) and bool(x) and all(
        isinstance(item, Mapping) or hasattr(item, "shape") or _is_level(item) for item in x
    )


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested mapping whose levels are the parts of the names between the dots."""
    tree: dict[str, Any] = {}
    for name, x in mapping("flat", flat).items():
        *levels, last = instance("a name", name, str, "text as names").split(".")
        here = tree
        for level in levels:
            here = here.setdefault(level, {})
            if not isinstance(here, dict):
                raise ValueError(f"{name!r}: the level {level!r} is an array already")
        here[last] = x
    return tree
