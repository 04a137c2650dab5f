"""The names of g and v of a weight in each framework.

    framework          g                                    v
    minwn, torch, r    a.weight_g                           a.weight_v
    parametrization    a.parametrizations.weight.original0  a.parametrizations.weight.original1
    equinox            a.g                                  a.layer.weight
    flax               params.WeightNorm_0.a/kernel/scale   params.a.kernel

A state is a mapping from such names to arrays. Flax nests its own; here, and in files, the levels
are joined by dots. The names of an Equinox model are those that
`jax.tree_util.keystr(path, simple=True, separator=".")` gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..nn.module import join
from ..validation import choice, instance, mapping

__all__ = [
    "FRAMEWORKS",
    "Framework",
    "flatten",
    "layer_of",
    "leaf_of",
    "locate",
    "place",
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
FLAX_WEIGHTS = {"embedding": "embedding", "norm": "scale"}  # by kind of layer; others have a kernel

Keys = tuple[str, ...]  # the names of one parameter in a state: (itself,), or (g, v)


# ---- reading ------------------------------------------------------------------------------------


def locate(names: Iterable[str], framework: str) -> dict[str, Keys]:
    """{parameter: its names} for the names of a state.

    A parameter is called as it is in a minwn model without weight norm, "encoder.0.weight"; the
    level that a wrapper adds (`layer`, `layer_instance`) is left out.
    Raises ValueError for half a pair, and where two names stand for one parameter.
    """
    names, row = list(names), FRAMEWORKS[framework]
    pairs, wrapped = _suffixes(names, row)
    if row.child:
        _scales(names, row.child, pairs, wrapped)
    gains = set(pairs.values())
    found: dict[str, Keys] = {}
    for name in names:
        if name in gains:
            continue
        keys: Keys = (pairs[name], name) if name in pairs else (name,)
        parameter = _parameter(name, framework, name in pairs, wrapped)
        if parameter in found:
            raise ValueError(f"{found[parameter]} and {keys} both stand for {parameter!r}")
        found[parameter] = keys
    return found


def _suffixes(names: list[str], row: Framework) -> tuple[dict[str, str], list[str]]:
    """{v: g} for the pairs named by the row's patterns, and the levels that hold a layer."""
    pairs: dict[str, str] = {}
    known = set(names)
    if row.column == "equinox":  # a plain `g` belongs to the weight
        ends = [name for name in names if name == "g" or name.endswith(".g")]
        pairs = {f"{g[:-1]}layer.weight": g for g in ends if f"{g[:-1]}layer.weight" in known}
        return pairs, [v.removesuffix("weight") for v in pairs]
    for name in names if row.g else ():
        for one, others in ((row.v, (row.g, row.log)), (row.g, (row.v,))):
            match = _pattern(one).fullmatch(name)
            if match is None:
                continue
            partners = [other.format(**match.groupdict()) for other in others if other]
            partner = next((p for p in partners if p in known), None)
            if partner is not None and one is row.v:
                pairs[name] = partner
            elif partner is None and match["name"].startswith(("weight", "bias")):
                raise ValueError(f"{name!r} without its {partners[0]!r}; both are needed")
    return pairs, []


def _scales(names: list[str], child: str, pairs: dict[str, str], wrapped: list[str]) -> None:
    """Add the pairs of wrappers: "a.b/weight/scale" is the g of a.child.b.weight, or, in Flax, of
    the b at the level of a."""
    known = set(names)
    for g in (name for name in names if name.endswith("/scale")):
        scope, _, path = g.removesuffix("/scale").rpartition(".")
        if path.endswith("/scale"):
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
            raise ValueError(f"{g!r} is the scale of no parameter: there is no {v!r}")
        pairs[v] = g


def _parameter(name: str, framework: str, is_pair: bool, wrapped: list[str]) -> str:
    for prefix in sorted(set(wrapped), key=len, reverse=True):  # the innermost wrapper first
        if name.startswith(prefix):
            name = join(prefix[:-1].rpartition(".")[0], name.removeprefix(prefix))
    if framework == "flax":
        collection, _, rest = name.partition(".")
        path, _, leaf = rest.rpartition(".")
        return join(path, FLAX_NAMES.get((collection, leaf), leaf))
    match = _pattern(FRAMEWORKS[framework].v).fullmatch(name) if is_pair else None
    return match["path"] + match["name"] if match else name


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


def place(kinds: Mapping[str, str], pairs: set[str], framework: str) -> dict[str, Keys]:
    """{parameter: its names} in a framework, for {parameter: kind of its layer}.

    In Flax each normalised layer has its own WeightNorm at the same level, numbered in order; a
    normalised layer that is the whole model is its layer_instance. That is how Flax names them.
    Raises ValueError where Equinox has no name for the norm of a parameter.
    """
    row = FRAMEWORKS[framework]
    normalised = {layer_of(p) for p in pairs}
    norms: dict[str, list[str]] = {}  # in Flax: level -> the normalised layers there
    found = {}
    for parameter, kind in kinds.items():
        path, dot, name = parameter.rpartition(".")
        if framework == "flax":
            found[parameter] = _flax(
                path, name, kind, parameter in pairs, path in normalised, norms
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


def _flax(
    path: str, name: str, kind: str, is_pair: bool, normalised: bool, norms: dict[str, list[str]]
) -> Keys:
    collection = "batch_stats" if name.startswith("running_") else "params"
    leaf = FLAX_WEIGHTS.get(kind, "kernel") if name == "weight" else name.removeprefix("running_")
    level, _, layer = path.rpartition(".")
    scope = "params"
    if normalised and not path:
        layer = "layer_instance"
    elif normalised:
        there = norms.setdefault(level, [])
        if path not in there:
            there.append(path)
        scope = join("params", level, f"WeightNorm_{there.index(path)}")
    key = join(collection, level, layer, leaf)
    return (f"{scope}.{layer}/{leaf}/scale", key) if is_pair else (key,)


# ---- Flax's nesting -----------------------------------------------------------------------------


def flatten(state: Mapping[str, Any], framework: str) -> dict[str, Any]:
    """The state with its levels joined by dots; of Flax, beginning with the collection.

    Raises ValueError for names that would be read as other levels than they are.
    """
    flat = dict(_leaves(mapping("state", state), ""))
    choice("framework", framework, FRAMEWORKS)
    if framework != "flax":
        return flat
    if not any(name.startswith("params.") for name in flat):
        flat = {f"params.{name}": x for name, x in flat.items()}
    for name in flat:
        if "/" in name and not name.endswith("/scale"):
            raise ValueError(f"{name!r}: join the levels by dots, flatten_dict(params, sep='.')")
        if not name.startswith(("params.", "batch_stats.")):
            raise ValueError(f"{name!r} is in neither of the collections params and batch_stats")
    return flat


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, x in tree.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{prefix}{name!r} cannot be a name; names are text")
        if isinstance(x, Mapping):
            if "." in name:
                raise ValueError(f"the level {name!r} has a dot, which parts the levels in a name")
            yield from _leaves(x, f"{prefix}{name}.")
        else:
            yield prefix + name, x


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
