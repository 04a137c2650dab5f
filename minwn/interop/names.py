"""What each framework calls g and v of a weight.

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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FRAMEWORKS", "Framework", "flatten", "locate", "place", "unflatten"]


@dataclass(frozen=True)
class Framework:
    """One row of the table.

    g, v: the names for the parameter {name} of the layer {path}, which is "" or ends in a dot.
    child: the level at which a wrapper that has a scale for each weight holds the layer. column: of
    the layouts. flat: g has the kept axes alone. whole: the shape of g for one norm of all, "0-d"
    or "ones". many: several axes can keep norms together. mixed: g and v may differ in dtype.
    owned: a name that means nothing elsewhere. tag: what other tools look for as "format".
    """

    g: str = ""
    v: str = ""
    child: str = ""
    column: str = "minwn"
    flat: bool = False
    whole: str = "0-d"
    many: bool = False
    mixed: bool = False
    owned: str = ""
    tag: str = ""


_HOOK = {"g": "{path}{name}_g", "v": "{path}{name}_v"}
_ORIGINAL = {
    "g": "{path}parametrizations.{name}.original0",
    "v": "{path}parametrizations.{name}.original1",
}
_COUNTER = "num_batches_tracked"

FRAMEWORKS = {
    "minwn": Framework(**_HOOK, child="layer", many=True),
    "torch": Framework(**_HOOK, owned=_COUNTER, tag="pt"),
    "parametrization": Framework(**_ORIGINAL, owned=_COUNTER, tag="pt"),
    "r": Framework(**_HOOK, owned=_COUNTER),
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
    gains, found = set(pairs.values()), {}
    for name in names:
        if name in gains:
            continue
        keys = (pairs[name], name) if name in pairs else (name,)
        parameter = _parameter(name, framework, name in pairs, wrapped)
        if parameter in found:
            raise ValueError(f"{found[parameter]} and {keys} both stand for {parameter!r}")
        found[parameter] = keys
    return found


def _suffixes(names: list[str], row: Framework) -> tuple[dict[str, str], list[str]]:
    """{v: g} for the pairs named by the row's patterns, and the levels that hold a layer."""
    pairs: dict[str, str] = {}
    if row.column == "equinox":  # `g` does not say which parameter it belongs to: the weight
        ends = [name for name in names if name == "g" or name.endswith(".g")]
        pairs = {f"{g[:-1]}layer.weight": g for g in ends if f"{g[:-1]}layer.weight" in names}
        return pairs, [v.removesuffix("weight") for v in pairs]
    known = set(names)
    for name in names if row.g else ():
        for one, other in ((row.g, row.v), (row.v, row.g)):
            match = _pattern(one).fullmatch(name)
            if match is None:
                continue
            partner = other.format(**match.groupdict())
            if partner in known:
                pairs[name if one is row.v else partner] = partner if one is row.v else name
            elif match["name"].startswith(("weight", "bias")):
                raise ValueError(f"{name!r} without its {partner!r}; both are needed")
    return pairs, []


def _scales(names: list[str], child: str, pairs: dict[str, str], wrapped: list[str]) -> None:
    """Add the pairs of wrappers: "a.b/weight/scale" is the g of a.child.b.weight, or, in Flax, of
    the b that stands beside a."""
    known = set(names)
    for g in (name for name in names if name.endswith("/scale")):
        scope, _, path = g.removesuffix("/scale").rpartition(".")
        path = path.replace("/", ".")
        prefix, beside = f"{scope}." if scope else "", ""
        if child == "layer":
            v = f"{prefix}layer.{path}"
            wrapped.append(f"{prefix}layer.")
        else:
            v, beside = f"{prefix}{path}", f"{scope.rpartition('.')[0]}.{path}"
            if v in known:
                wrapped.append(f"{prefix}{path.partition('.')[0]}.")
            else:
                v = beside
        if v not in known:
            raise ValueError(
                f"{g!r} is the scale of no parameter: there is no {v!r}"
                + (". Levels must be joined by dots: flatten_dict(params, sep='.')" * bool(beside))
            )
        pairs[v] = g


def _parameter(name: str, framework: str, is_pair: bool, wrapped: list[str]) -> str:
    for prefix in sorted(set(wrapped), key=len, reverse=True):  # the innermost wrapper first
        if name.startswith(prefix):
            name = f"{prefix[:-1].rpartition('.')[0]}.{name.removeprefix(prefix)}".lstrip(".")
    if framework == "flax":
        collection, _, rest = name.partition(".")
        path, dot, leaf = rest.rpartition(".")
        return path + dot + FLAX_NAMES.get((collection, leaf), leaf)
    match = _pattern(FRAMEWORKS[framework].v).fullmatch(name) if is_pair else None
    return match["path"] + match["name"] if match else name


def _pattern(template: str) -> re.Pattern[str]:
    path, name = r"(?P<path>(?:.*\.)?)", r"(?P<name>[^.]+)"
    return re.compile(re.escape(template).replace(r"\{path\}", path).replace(r"\{name\}", name))


# ---- writing ------------------------------------------------------------------------------------


def place(kinds: Mapping[str, str], pairs: set[str], framework: str) -> dict[str, Keys]:
    """{parameter: its names} in a framework, for {parameter: kind of its layer}.

    Flax: each normalised layer has a WeightNorm of its own beside it, numbered in their order;
    where the layer is the whole model it is called layer_instance, as Flax does.
    Raises ValueError where Equinox would need two for one layer.
    """
    row, found = FRAMEWORKS[framework], {}
    wrapped: list[str] = []  # the paths that have a pair
    numbers: dict[str, int] = {}
    for parameter in pairs:
        wrapped.append(parameter.rpartition(".")[0])
    for parameter, kind in kinds.items():
        path, dot, name = parameter.rpartition(".")
        if framework == "flax":
            found[parameter] = _flax(path, name, kind, parameter in pairs, wrapped, numbers)
        elif parameter in pairs:
            part = {"path": path + dot, "name": name}
            found[parameter] = (row.g.format(**part), row.v.format(**part))
        elif framework == "equinox" and path in wrapped:
            found[parameter] = (f"{path}{dot}layer.{name}",)
        else:
            found[parameter] = (parameter,)
    if framework == "equinox" and (len(set(wrapped)) < len(wrapped) or _not_weights(pairs)):
        raise ValueError(
            f"Equinox's names have room for the norm of one `weight` in a layer, not for "
            f"{sorted(pairs)}"
        )
    return found
