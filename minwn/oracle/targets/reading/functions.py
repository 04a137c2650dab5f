"""The functions of a file that belong together, and the sources they make.

Three ways to belong: the contract's own names, forward and backward; one stem and two directions,
weightnorm_forward and weightnorm_backward, or weight_norm and weight_norm_grad; usual names alone,
as wn and vjp. One function for each gradient, grad_v and grad_g, counts as one backward.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import names
from .calling import ASKED, Call, calls, name_of, parameters, saved_by, whole
from .sources import Source

__all__ = ["Pair", "layers", "pairs", "sources"]

Function = Callable[..., Any]
V_AND_G = ("v", "g")
LAYERS = (("x", "v", "g", "b"), ("x", "w", "b"), ("x", "v", "g"), ("x", "w"))


@dataclass(frozen=True)
class Pair:
    """A forward, and the backward, or backwards, that belong to it; either may be missing."""

    forward: Function | None
    backward: tuple[Function, ...]
    name: str
    order: tuple[int, ...]  # the smaller, the likelier

    @property
    def layer(self) -> bool:
        """Whether it takes an x, by its names."""
        for f in (self.forward, *self.backward):
            found = [p.name for p in (parameters(f) or ())] if f else []
            known = {names.role(name) for name in found}
            if "x" in known and (known & {"v", "w"} or any(map(names.params, found))):
                return True
        return bool(names.kind(self.name)) and not names.about_weight_norm(self.name)


def pairs(space: Mapping[str, Any], *, module: str | None = None) -> list[Pair]:
    """The pairs among some functions, likeliest first. module: whose own functions count."""
    own = {
        name: f for name, f in space.items()
        if callable(f) and not isinstance(f, type) and not name.startswith("_")
        and (module is None or getattr(whole(f), "__module__", module) == module)
        and (inspect.isfunction(f) or not inspect.isbuiltin(f))
    }
    plain = {names.plain(name) for name in own}
    stems: dict[str, dict[str, list[Function]]] = {}
    for name, f in own.items():
        rest, way = names.stem(name)
        if not way and _differentiates(f, name, own):
            rest, way = names.plain(name)[1:] if names.plain(name)[1:] in plain else "", "backward"
        of = None if way == "forward" else names.cotangent(name)  # grad_b, whose b is no backward
        of = of or (names.role(rest) if way == "backward" else None)
        if of in ("v", "g", "w", "b", "x", "log_g"):
            rest, way = _norm_stem(own), "part"
        stems.setdefault(names.plain(rest), {}).setdefault(way or "plain", []).append(f)
    found = []
    for rest, ways in stems.items():
        forward = next(iter([*ways.get("forward", []), *ways.get("plain", [])]), None)
        backward = tuple(ways.get("backward", [])[:1] or ways.get("part", []))
        found.append((rest, forward, backward))
    forwards = [(r, f) for r, f, _ in found if f is not None and _may_be_forward(f, r)]
    lone = [(r, b) for r, f, b in found if b and f is None]
    made = [_pair(r, f, b) for r, f, b in found if f is not None and b]
    for rest, backward in lone:
        partners = sorted(forwards, key=lambda rf: _rank(rf[0], rf[1], True))
        if partners and not any(p.backward for p in made):
            made.append(_pair(rest or partners[0][0], partners[0][1], backward))
        elif not made:
            made.append(_pair(rest, None, backward))
    paired = {id(p.forward) for p in made}
    made += [_pair(r, f, ()) for r, f in forwards if id(f) not in paired]
    if not made:  # layers without a backward; where there is more they are parts of it
        made = [p for p in (_pair(r, f, ()) for r, f, _ in found if f is not None) if p.layer]
    return sorted(made, key=lambda p: p.order)


def _differentiates(f: Function, name: str, own: Mapping[str, Any]) -> bool:
    """Whether a function is a backward by its arguments, or as dweight_norm is of weight_norm."""
    whole = names.plain(name)
    if whole.startswith("d") and whole[1:] in {names.plain(other) for other in own}:
        return True
    found = [p.name for p in (parameters(f) or ())]
    arrays = any(names.role(x) in ("v", "g", "w", "x") or names.is_cache(x) for x in found)
    return arrays and any(
        names.is_upstream(x) or names.cotangent(x) in ("w", "y") for x in found)


def _norm_stem(own: Mapping[str, Any]) -> str:
    """The stem of the forward to which grad_v and grad_g belong: the only one there is."""
    found = [names.stem(n) for n in own]
    return next((rest for rest, way in found if way == "forward"), "")


def _may_be_forward(f: Function, rest: str) -> bool:
    """Whether a lone forward may be the target: by its name or arguments."""
    known = {names.role(p.name) for p in (parameters(f) or ())}
    gain = known & {"g", "log_g"}
    return bool((gain and known & {"v", "w"}) or names.stem(name_of(f))[1] == "forward"
                or names.about_weight_norm(name_of(f))
                or (len(parameters(f) or ()) == 2 and not known - {None, "v", "g", "w"}))


def _pair(rest: str, forward: Function | None, backward: tuple[Function, ...]) -> Pair:
    return Pair(forward, backward, name_of(forward or backward[0]),
                _rank(rest, forward, bool(backward)))


def _rank(rest: str, forward: Function | None, both: bool) -> tuple[int, ...]:
    known = {names.role(p.name) for p in (parameters(forward) or ())} if forward else set()
    contract = forward is not None and name_of(forward) == "forward"
    gains = bool(known & {"g", "log_g"})
    about = 0 if gains or names.about_weight_norm(rest) else 1 if known & {"v", "w"} else 2
    return (0 if both else 1, about, 0 if contract else 1, len(rest))


def sources(pair: Pair, name: str) -> Iterator[Source]:
    """The readings of a pair as weight norm, by names first."""
    forwards: list[Call | None] = [None]
    if pair.forward is not None:
        forwards = [*calls(pair.forward, V_AND_G)]
    saved = saved_by(pair.forward)
    for forward in forwards:
        called = {r: forward.called(r) for r in V_AND_G} if forward else {}
        for backward in _backwards(pair, saved):
            if forward is None:
                called = {r: backward[0].called(r) for r in V_AND_G}
            yield Source(name, V_AND_G, forward, backward, called=called)


def _backwards(
    pair: Pair, saved: list[str], takes: tuple[str, ...] = V_AND_G
) -> Iterator[tuple[Call, ...]]:
    def read(f: Function) -> Iterator[Call]:
        return calls(f, ("upstream", *takes), backward=True, layer="x" in takes, given=takes,
                     saved=saved)

    if not pair.backward:
        yield ()
    elif len(pair.backward) == 1:
        for call in read(pair.backward[0]):
            yield (call,)
    else:
        found = [next(read(f), None) for f in pair.backward]
        if all(found):
            yield tuple(call for call in found if call is not None)


def layers(pair: Pair, name: str) -> Iterator[Source]:
    """The readings of a pair as a whole layer."""
    if pair.forward is None:
        return
    saved = saved_by(pair.forward)
    for takes in LAYERS:
        for forward in calls(pair.forward, takes, layer=True):
            arrays = [r for _, r, _ in forward.roles if r in ("x", "v", "g", "w", "b")]
            if {*takes} != {*arrays} and not forward.has("params"):
                continue
            called = {r: forward.called(r) for r in takes}
            asks = tuple(r for _, r, _ in forward.roles if r in ASKED)
            asks = ASKED[:2] if forward.has("bundle") else asks
            for backward in _backwards(pair, saved, takes):
                yield Source(
                    name, takes, forward, backward, called=called, says=pair.name, asks=asks)
