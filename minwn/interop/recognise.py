"""The framework whose names a state has: by its pairs of g and v, or else by its other names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .names import excluded_names, leaf_of, normalised_pairs
from .plain import FileError

__all__ = ["check_layout", "check_source", "check_whole", "misnamed", "recognise", "unwrapped"]

# framework -> whose pairs it has. The hook's names are those of R torch, and minwn's own.
_PAIRS = {"minwn": ("minwn", "torch"), "torch": ("torch",), "r": ("torch",),
          "parametrization": ("parametrization",), "flax": ("flax",), "equinox": ("equinox",)}
_KINDS = ("torch", "parametrization", "flax", "equinox", "minwn")


def recognise(state: Mapping[str, Any], exclude: Iterable[str] = ()) -> str | None:
    """The framework whose pairs, or other names, a state has; None where several would fit.

    The names of the hook are shared by PyTorch, R torch and minwn: they count as "torch".
    Raises ValueError where layers have the names of two frameworks.
    """
    kinds = _by_kind(_without_excluded(state, exclude))
    found = [kind for kind in _KINDS if kinds[kind]]
    if len(found) > 1 and set(found) != {"minwn", "torch"}:
        raise ValueError(f"{_examples(kinds, found)}; {_APART}")
    if found:
        return "minwn" if "minwn" in found else found[0]
    leaves = {leaf_of(name) for name in state}
    collections = any(name.startswith(("params.", "batch_stats.")) for name in state)
    if collections or ("kernel" in leaves and "weight" not in leaves):
        return "flax"
    return None


def check_source(state: Mapping[str, Any], source: str, exclude: Iterable[str] = ()) -> None:
    """ValueError where layers have the names of another framework than the source.

    source: a framework, or "plain", which has no normalised layer.
    """
    kinds = _by_kind(_without_excluded(state, exclude))
    own = _PAIRS.get(source, ())
    other = [kind for kind in _KINDS if kinds[kind] and kind not in own]
    mine = [kind for kind in own if kinds[kind]]
    if mine == ["torch"] and other == ["minwn"]:  # the source is torch, or R torch
        mine = []
    if other and mine:
        raise ValueError(f"{_examples(kinds, [*mine, *other])}; {_APART}")
    if other and source == "plain":
        raise ValueError(
            f"{_examples(kinds, other)}: it is normalised already; fold it first"
        )
    if other:
        raise ValueError(
            f"source={source!r}, but {_examples(kinds, other)}; give source={other[0]!r}"
        )
    if source == "flax":
        check_layout(state, "source")


def check_whole(read: Iterable[str], unread: Iterable[str]) -> None:
    """FileError where one name of a pair was read, and not the other: v alone is another weight.

    Only for the pairs whose v has the name of a plain weight; `locate` finds half of any other.
    """
    read, names = set(read), dict.fromkeys([*read, *unread])
    for kind in ("flax", "equinox", "minwn"):
        for v, g in normalised_pairs(names, kind).items():
            if not v.endswith("_v") and (v in read) != (g in read):
                one, other = (v, g) if v in read else (g, v)
                raise FileError(
                    f"{one!r} would be read without {other!r}, and only both give the weight; "
                    f"select a level above both, or convert the whole file first"
                )


def misnamed(state: Mapping[str, Any], exclude: Iterable[str] = ()) -> list[str]:
    """A line for each x_g and x_v whose shapes are not those of a weight norm."""
    state = _without_excluded(state, exclude)
    by_name = normalised_pairs(dict.fromkeys(state), "torch")
    by_shape = normalised_pairs(state, "torch")
    return [
        f"{g} {tuple(state[g].shape)} and {v} {tuple(state[v].shape)} are no weight norm: carried"
        for v, g in by_name.items() if v not in by_shape
    ]


def unwrapped(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The state without the levels that PyTorch's wrappers add to names, and a line for each.

    `_orig_mod`, of torch.compile, anywhere; `module`, of DataParallel and AveragedModel, where
    every name begins with it (but the counter n_averaged).
    """
    lines, names = [], {name: name for name in state}
    for wrapper, of in (("_orig_mod", "torch.compile"), ("module", "DataParallel")):
        below = [x for x in names.values() if x != "n_averaged"]
        if wrapper == "module" and not (below and all(x.startswith("module.") for x in below)):
            continue
        new = {old: _without(x, wrapper) for old, x in names.items()}
        count = sum(new[old] != x for old, x in names.items())
        if count and len(set(new.values())) == len(new):
            names = new
            lines.append(f"{wrapper!r} of {of} left out of {count} names")
    return {names[old]: x for old, x in state.items()}, lines


def _without(name: str, wrapper: str) -> str:
    if wrapper == "module":
        return name.removeprefix("module.")
    return ".".join(level for level in name.split(".") if level != wrapper)


_APART = (
    "a source has names of one kind: convert the layers of each apart, with `only` or `drop`"
)


def check_layout(state: Mapping[str, Any], argument: str) -> None:
    """ValueError for the weights of PyTorch, which Flax's layout would transpose.

    argument: the one that says "flax"
    """
    weights = [n for n, x in state.items() if leaf_of(n) == "weight" and len(x.shape) > 1]
    if weights and not any(leaf_of(n) in ("kernel", "embedding") for n in state):
        raise ValueError(
            f"{argument}='flax', but {weights[0]!r} looks like a weight of PyTorch, where Flax has "
            f"a kernel; give {argument}='torch'"
        )


def _without_excluded(state: Mapping[str, Any], exclude: Iterable[str]) -> Mapping[str, Any]:
    excluded = {key for kind in _KINDS for key in excluded_names(state, kind, exclude)}
    return {name: x for name, x in state.items() if name not in excluded}


def _by_kind(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """{framework: one name of each of its pairs}, each pair for one framework."""
    kinds, seen = {}, set()
    for kind in _KINDS:
        pairs = normalised_pairs(state, kind)
        new = {v: g for v, g in pairs.items() if (g, v) not in seen}
        seen |= {(g, v) for v, g in new.items()}
        kinds[kind] = list(new.values())
    return kinds


def _examples(kinds: Mapping[str, list[str]], found: list[str]) -> str:
    return " and ".join(f"{kinds[kind][0]!r} looks like {kind}'s" for kind in found)
