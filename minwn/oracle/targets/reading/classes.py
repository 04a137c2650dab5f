"""Classes with state as sources: forward(x) or forward(), backward(dout), and arrays in attributes.

Each question makes a new object of a class. Its constructor's arguments are known by their
names: sizes come from the arrays of the question, options from what is asked. An object that was
given is copied. Where forward and backward both take all arrays, nothing need be kept, and the
methods of one object are functions like any others.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from . import names
from .calling import ASKED, VARIABLE, Bundle, calls, for_each, parameters, saved_by
from .options import of_made
from .sources import Source, at, fresh, get

__all__ = ["PLAIN", "TRIAL", "classes", "makers", "methods", "sources"]

TRIAL = {  # sizes to make a first object with
    "inputs": 4, "outputs": 6, "kernel": 3, "kernel_height": 3, "kernel_width": 3, "bias": True,
    "axis": 0, "shape": (6, 4), "input_shape": (4, 8, 8),
}
PLAIN = {  # of layers, and what they are unless they are given
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0,
}


def methods(holder: Any) -> tuple[str | None, str | None]:
    """The names of a class's forward and backward methods."""
    plain = isinstance(holder, type) and "__call__" not in _defined(holder)
    there = {names.plain(name): name for name in dir(holder) if not name.startswith("_")}

    def first(known: tuple[str, ...]) -> str | None:
        own = [name for name in known if not (plain and name == "__call__")]
        own += [there[n] for n in map(names.plain, own) if n in there]  # back_prop is backprop
        return next((name for name in own if callable(getattr(holder, name, None))), None)

    return first(names.FORWARD_METHODS), first(names.BACKWARD_METHODS)


def _defined(cls: type) -> set[str]:
    return {name for base in cls.__mro__[:-1] for name in vars(base)}


def classes(space: Mapping[str, Any], module: str) -> list[type]:
    """The classes of a module that may be weight norm or a layer, likeliest first."""
    own = [
        c for c in space.values()
        if isinstance(c, type) and c.__module__ == module and any(methods(c))
    ]
    bases = {base for c in own for base in c.__mro__[1:]}
    own = [c for c in own if c not in bases]
    return sorted(own, key=lambda c: (
        methods(c)[1] is None, not names.about_weight_norm(c.__name__),
        names.kind(c.__name__) is None,
    ))


def sources(holder: Any, name: str) -> Iterator[Source]:
    """The readings of a class or an object, and the errors of those that cannot be made."""
    forward, backward = methods(holder)
    cls = holder if isinstance(holder, type) else type(holder)
    ways = [fresh(holder)] if cls is not holder else [*makers(cls)]
    errors: list[Exception] = []
    for make in ways:
        try:
            first = make(TRIAL)
        except Exception as error:
            errors.append(error)
            continue
        yield from _of_object(first, make, name, forward, backward)
    if errors and len(errors) == len(ways):
        raise errors[0]


def _of_object(
    first: Any, make: Callable[[Mapping[str, Any]], Any], name: str, forward: str | None,
    backward: str | None,
) -> Iterator[Source]:
    state = at(first)
    f = getattr(first, forward) if forward else None
    b = getattr(first, backward) if backward else None
    x = _takes_x(f, state, type(first).__name__)
    if "v" in state and "g" in state:
        state.pop("w", None)
    elif "w" in state and "g" in state:
        state["v"] = state.pop("w")
    elif "w" in state:
        state.pop("v", None)
    arrays = tuple(r for r in (("v", "g", "b") if "v" in state else ("w", "b")) if r in state)
    if not x and not state:
        arrays = ("v", "g")
    takes = ("x", *arrays) if x else tuple(r for r in arrays if r != "b") or ("v", "g")
    own = _keeps(takes, x)
    saved = saved_by(f)
    for call in calls(f, takes, layer=x, given=own(state)) if f else [None]:
        kept = {r: path for r, path in state.items() if call is None or not call.has(r)}
        there = {*kept} | {r for _, r, _ in call.roles} if call is not None else {*takes}
        if not x and not {*takes} <= there and not _made_with(type(first), takes):
            continue
        for back in _backward(b, takes, x, saved):
            stateless = not kept and call is not None and back and all(
                each.has("v") and each.has("g") for each in back
            )
            called = {r: str(path[0]) for r, path in state.items()}
            called |= {r: call.called(r) for r in takes if call is not None and call.has(r)}
            yield Source(
                name, takes, call, back, None if stateless else make,
                kept, called, says=type(first).__name__, options=of_made(make),
                shapes={r: np.shape(get(first, path)) for r, path in state.items()},
                asks=getattr(make, "asks", ()),
            )


def _keeps(takes: tuple[str, ...], x: bool) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda state: [r for r in takes if r in state or (x and r != "x")]


def _backward(b: Any, takes: tuple[str, ...], x: bool, saved: list[str]) -> Iterator[Any]:
    if b is None:
        yield ()
        return
    for call in calls(b, ("upstream", *takes), backward=True, layer=x, given=takes, saved=saved):
        yield (call,)


def _takes_x(f: Any, state: Mapping[str, Any], name: str) -> bool:
    """Whether forward is that of a layer."""
    found = parameters(f) if f is not None else None
    if not found:
        return False
    first = [p for p in found if not names.is_context(p.name)][:1]
    known = names.role(first[0].name) if first else None
    weights = bool({"v", "w"} & {*state})
    return (known == "x" and (weights or len(found) > 1)) or (
        known is None and len(found) == 1 and weights)


def _made_with(cls: type, takes: tuple[str, ...]) -> bool:
    """Whether the constructor takes the arrays."""
    found = {names.role(p.name) for p in (parameters(cls) or ())}
    return {*takes} <= {*found, "g" if "log_g" in found else ""}


# ---- constructors -------------------------------------------------------------------------------


def makers(cls: type) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
    """Ways to make an object: arguments by name; where names are silent, (inputs, outputs)."""
    every = [p for p in parameters(cls) or [] if p.kind not in VARIABLE]
    if "__init__" not in _defined(cls):
        every = []
    own = set(inspect.signature(cls).parameters)
    alone = [p for p in every if p.name in own]  # where it passes on what its base asks for
    for found in (every, alone) if len(alone) < len(every) else (every,):
        yield from _guesses(cls, found)


def _guesses(
    cls: type, found: list[inspect.Parameter]
) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
    nameless = [p for p in found if p.default is p.empty and _meaning(p) is None]
    ways: dict[int, list[tuple[str, ...]]] = {
        0: [()], 1: [("outputs",), ("kernel",), ("inputs",)],
        2: [("inputs", "outputs"), ("outputs", "inputs"), ("outputs", "kernel")],
        3: [("inputs", "outputs", "kernel"), ("outputs", "inputs", "kernel")],
    }
    for guess in ways.get(len(nameless), []):
        meaning = {p.name: _meaning(p) for p in found}
        meaning |= dict(zip((p.name for p in nameless), guess, strict=True))
        yield _maker(cls, found, meaning)


def _meaning(p: inspect.Parameter) -> str | None:
    """What an argument of a constructor stands for."""
    if names.params(p.name) and p.default is p.empty:
        return "params"
    known = names.option(p.name)
    if known is None or (known == "bundle" and p.default is not p.empty):
        role = names.role(p.name)
        return "g" if role == "log_g" else role if role != "x" else None
    return known


def _maker(
    cls: type, found: list[inspect.Parameter], meaning: Mapping[str, str | None]
) -> Callable[[Mapping[str, Any]], Any]:
    kinds = {p.kind for p in inspect.signature(cls).parameters.values()}
    in_order = kinds == {inspect.Parameter.VAR_POSITIONAL}

    def make(given: Mapping[str, Any]) -> Any:
        keywords = {}
        known = {**TRIAL, **PLAIN, **given}
        for p in found:
            what = meaning[p.name]
            if what == "seed" and p.default is not p.empty:
                continue
            if what == "seed":
                keywords[p.name] = _seed(p.name)
            elif what == "bundle":
                keywords[p.name] = Bundle({k: known[k] for k in ASKED})
            elif what == "lr":
                keywords[p.name] = given.get("lr", p.default if p.default is not p.empty else 1.0)
            elif what in known and (what in given or p.default is p.empty):
                keywords[p.name] = for_each(known[what], p.default)
            elif p.default is p.empty:
                if what in ("v", "g", "w", "b"):
                    keywords[p.name] = _sample(what)
                else:
                    raise TypeError(f"{cls.__name__} asks for {p.name}, which no table knows")
        return cls(*keywords.values()) if in_order else cls(**keywords)

    make.asks = tuple(dict.fromkeys(  # type: ignore[attr-defined]
        ASKED[:2] if "bundle" in meaning.values() else [
            str(meaning[p.name]) for p in found
            if meaning[p.name] in ASKED and not isinstance(p.default, str)
        ]
    ))
    return make


def _seed(name: str) -> Any:
    """What a constructor draws from: a key of jax, Rngs of nnx, a Generator, or a number."""
    known: dict[str, tuple[str, Any]] = {
        "rngs": ("flax.nnx", lambda m: m.Rngs(0)), "key": ("jax", lambda m: m.random.key(0)),
        "rng": ("numpy", lambda m: m.random.default_rng(0)),
        "generator": ("numpy", lambda m: m.random.default_rng(0)),
    }
    module, make = known.get(name, ("", None))
    return 0 if make is None or module not in sys.modules else make(sys.modules[module])


def _sample(role: str) -> Any:
    """An array to make a first object with."""
    return np.ones({"v": (6, 4), "w": (6, 4), "g": (6, 1), "b": (6,)}[role])
