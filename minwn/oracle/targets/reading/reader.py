"""From a target to a reading. What is looked for, in this order:

    1  functions of weight norm     2  classes     3  functions of layers

A class or function that is named ("file.py:Conv") is read alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from types import ModuleType
from typing import Any

import numpy as np

from ....validation import did_you_mean, shown
from ...layer_spec import shortest
from ..target import ROLES, Functions, TargetError, located, short
from . import classes, frameworks, functions, layer, names, options, probes, weight_norm
from .adapter import adapter
from .calling import Call, name_of, parameters, role_of
from .engines import engine_of
from .found import Found, Unreadable
from .functions import Pair
from .layer import LayerAttempt
from .sources import Source
from .weight_norm import Attempt

__all__ = ["understood"]

CONSTANTS = (
    "AXIS", "FORM", "EPS", "DTYPE", "RANKS", "KIND", "STRIDE", "PADDING", "DILATION", "GROUPS",
    "OUTPUT_PADDING",
)


def understood(
    target: Any, hints: Mapping[str, Any], loaded: Callable[[], None] = lambda: None
) -> Found:
    """The reading of a target. Raises Unreadable, and TargetError where there is nothing to read.

    loaded: called between loading and the first question
    """
    if isinstance(target, os.PathLike):
        target = os.fspath(target)
    hinted = [constant.lower() for constant in CONSTANTS]
    for key in hints:
        if key not in hinted:
            raise TypeError(
                f"read has no hint {key!r}{did_you_mean(key, hinted)}; it has {', '.join(hinted)}, "
                f"and what else check takes is for check"
            )
    holder, module, name = _named(target) if isinstance(target, str) else _given(target)
    loaded()
    settings = _settings(holder, module)
    if "eps" in settings and "form" not in {*settings, *hints} and _reads(module, "EPS"):
        del settings["eps"]  # a constant of the code, which does not say where it is added
    settings |= dict(hints)
    dtypes = settings.get("dtype")
    if isinstance(dtypes, tuple | list) and dtypes:  # read in the first, judged in each
        settings["dtype"] = dtypes[0]
    _valid(settings, name)
    candidates = [*_candidates(holder, module)]
    given = {r: f for r in ROLES if callable(f := getattr(holder, r, None))}
    if not candidates and given:  # a product or the second order alone
        return Found(name, "weight_norm", given, settings)
    if not candidates:
        raise TargetError(
            f"{name}: there is no function or class that looks like weight norm or a layer; found "
            f"{_listed(holder)}. Name it: FILE:name"
        )
    space = _space(holder, module)
    failures: list[Unreadable] = []
    for candidate in candidates:
        try:
            found = _read(candidate, name, space, settings, holder)
            _all_used(found, hints)
            declared = {"dtype": dtypes} if dtypes and "dtype" in found.settings else {}
            others: dict[str, Callable[[], bool]] = {
                _which(x): functools.partial(_proved, x, name, space, settings) for x in candidates
                if x is not candidate and not (isinstance(x, Pair) and not x.backward)
            }
            return dataclasses.replace(
                found, settings=found.settings | declared, which=_which(candidate), others=others)
        except Unreadable as error:
            error.adapter = adapter(
                candidate, str(target), _is_layer(candidate, space), space)
            failures.append(error)
    failures[0].hints = failures[0].hints or _hints(candidates[0], name, space, settings)
    raise failures[0]


def _all_used(found: Found, hints: Mapping[str, Any]) -> None:
    """Raises TargetError for an option of layers that what was read does not have."""
    spare = [
        key for key, x in hints.items()
        if key not in found.settings and (key == "kind" or shortest(x) != classes.PLAIN.get(key, x))
    ]
    if spare:
        kind = "weight norm alone" if found.kind == "weight_norm" else found.settings["kind"]
        raise TargetError(f"{found.name} was read as {kind}, which has no {', '.join(spare)}")


def _reads(module: Any, name: str) -> bool:
    """Whether a function or method of the module reads a global of that name."""
    found = list(vars(module).values()) if module is not None else []
    found += [x for kind in found if isinstance(kind, type) for x in vars(kind).values()]
    codes = [getattr(getattr(x, "__func__", x), "__code__", None) for x in found]
    return any(code is not None and name in code.co_names for code in codes)


def _valid(settings: Mapping[str, Any], name: str) -> None:
    """Raises TargetError for a setting that no check takes."""
    known = ("axis", "form", "eps", "dtype", "ranks")
    asked = {key: settings[key] for key in known if key in settings}
    if isinstance(asked.get("dtype"), tuple | list) and not asked["dtype"]:
        raise TargetError(f"{name}: DTYPE={asked['dtype']!r} is empty; give one, or several")
    if asked.get("axis") == "output":  # of a layer
        del asked["axis"]
    few = ("generic", "axes")  # of every rank; the cases that are judged are drawn elsewhere
    Functions(name=name).spec(**asked, groups=few)


def _which(candidate: Any) -> str:
    """A candidate, by the name that it has in its file."""
    return candidate.name if isinstance(candidate, Pair) else f"class {_name(candidate)}"


def _proved(
    candidate: Any, name: str, space: Mapping[str, Any], settings: dict[str, Any]
) -> bool:
    """Whether the other code of a file has a name there, and is weight norm or a layer."""
    code = candidate
    if isinstance(candidate, Pair):
        code = candidate.forward or candidate.backward[0]
    try:
        return space.get(name_of(code)) is code and (
            _read(candidate, name, space, settings).proved)
    except Unreadable as error:
        return error.proved


def _is_layer(candidate: Any, space: Mapping[str, Any]) -> bool:
    if isinstance(candidate, Pair):
        return candidate.layer
    with contextlib.suppress(Exception):
        return any("x" in s.takes for s in _sources(candidate, "", space)[0][0])
    forward, _ = classes.methods(candidate)  # nothing more is known, as its parameters are not
    found = parameters(getattr(candidate, forward)) if forward else None
    return any(names.role(p.name) == "x" for p in found or ())


def _hints(
    candidate: Any, name: str, space: Mapping[str, Any], settings: dict[str, Any]
) -> list[str]:
    """Options with which it can be read."""
    found = []
    fewer = {key: x for key, x in settings.items() if key != "ranks"}
    for other, hint in (
        ({**settings, "dtype": "float32"}, "--dtype float32"), (fewer, "--ranks {ranks}"),
    ):
        if other == settings:
            continue
        with contextlib.suppress(Unreadable):
            read = _read(candidate, name, space, other)
            ranks = ",".join(map(str, read.settings.get("ranks", ())))
            found.append(f"it can be called with {hint.format(ranks=ranks)}")
    return found


def _space(holder: Any, module: ModuleType | None) -> Mapping[str, Any]:
    """The names of the file, or what a function of it sees."""
    if module is not None:
        return vars(module)
    if isinstance(holder, tuple | list | dict):
        holder = next(iter(holder.values() if isinstance(holder, dict) else holder), None)
    return getattr(holder, "__globals__", None) or vars(
        sys.modules.get(getattr(holder, "__module__", ""), ModuleType("none")))


def _named(target: str) -> tuple[Any, ModuleType | None, str]:
    """The object, module and short name of a file or module given by name."""
    return *located(target), short(target)


def _given(target: Any) -> tuple[Any, ModuleType | None, str]:
    """The object, module and short name of a Python object."""
    if isinstance(target, tuple | list):
        good = _paired(target)
    elif isinstance(target, Mapping):
        good = all(isinstance(name, str) for name in target)
    else:
        good = not isinstance(target, bytes | Number | type(None))
    if not good or hasattr(target, "__array__"):
        raise TypeError(
            f"target={shown(target)}; pass the name of a file, a module, a function, a class, an "
            f"object, or (forward, backward)"
        )
    if isinstance(target, ModuleType):
        return target, target, target.__name__
    name = getattr(target, "__qualname__", type(target).__name__)
    return target, None, str(name).rpartition("<locals>.")[2]


def _paired(given: Sequence[Any]) -> bool:
    """Whether these are a forward and a backward, of which one may be None."""
    functions = [f for f in given if f is not None]
    return len(given) <= 2 and bool(functions) and all(map(callable, functions))


def _settings(holder: Any, module: ModuleType | None) -> dict[str, Any]:
    known = ((c, getattr(holder, c, getattr(module, c, ...))) for c in CONSTANTS)
    return {constant.lower(): value for constant, value in known if value is not ...}


def _candidates(holder: Any, module: ModuleType | None) -> Sequence[Any]:
    if isinstance(holder, ModuleType):
        space, own = vars(holder), holder.__name__
        found = functions.pairs(space, module=own)
        whole = [p for p in found if (p.forward and p.backward) or not p.forward]
        rest = [p for p in found if p not in whole]
        every = classes.classes(space, own)
        return [*whole, *every, *(p for p in rest if not (every and p.layer))]
    if isinstance(holder, Mapping):
        return functions.pairs(holder)
    if isinstance(holder, tuple | list):
        if not _paired(holder):
            return []
        f, b = (*holder, None)[:2]
        return [Pair(f, () if b is None else (b,), name_of(b if f is None else f), ())]
    if inspect.isfunction(holder) and module is not None:
        there = functions.pairs(vars(module), module=module.__name__)
        return [p for p in there if holder in (p.forward, *p.backward)] or [_alone(holder)]
    if inspect.isroutine(holder):
        return [_alone(holder)]
    return [holder] if any(classes.methods(holder)) or frameworks.framework(holder) else []


def _alone(f: Any) -> Pair:
    backward = names.stem(name_of(f))[1] == "backward"
    return Pair(None if backward else f, (f,) if backward else (), name_of(f), ())


def _listed(holder: Any) -> str:
    known = holder if isinstance(holder, Mapping) else getattr(holder, "__dict__", {})
    found = [name for name, x in known.items() if callable(x) and not name.startswith("_")]
    return ", ".join(found[:12]) or "no functions at all"


# ---- one candidate ------------------------------------------------------------------------------


def _read(
    candidate: Any, name: str, space: Mapping[str, Any], settings: dict[str, Any],
    holder: Any = None,
) -> Found:
    made, described = _sources(candidate, name, space)
    if not made:
        raise Unreadable(name, described, _nameless(candidate), hints=_of_several(candidate))
    later = {r: f for r in ROLES[2:] if callable(f := getattr(holder, r, None))}
    found: Found | None = None
    failure: Unreadable | None = None
    worth = 0
    for sources in made:
        # A framework's own dtype and a library's own eps count unless others were asked for.
        own = dict(sources[0].settings)
        if sources[0].engine is not None:
            own.setdefault("dtype", sources[0].engine.dtype())
        sources = [dataclasses.replace(x, later=later) for x in sources]
        read = _layer if "x" in sources[0].takes else _weight_norm
        try:
            each, points = read(sources, name, described, own | settings)
        except Unreadable as error:
            failure = failure or error
            continue
        if points > worth:
            found, worth = each, points
    if found is None:
        assert failure is not None
        raise failure
    return found


def _sources(
    candidate: Any, name: str, space: Mapping[str, Any]
) -> tuple[list[list[Source]], str]:
    """(the sources, for each framework that they may be meant for; what was found)."""
    if isinstance(candidate, Pair):
        make = functions.layers if candidate.layer else functions.sources
        found, described = [*make(candidate, name)], _described(candidate)
    else:
        described = f"{'class' if isinstance(candidate, type) else 'object'} {_name(candidate)}"
        reader = frameworks if frameworks.framework(candidate) else classes
        try:
            found = [*reader.sources(candidate, name)]
        except options.Beyond as error:
            raise Unreadable(name, described, [], hints=[str(error)]) from error
        except probes.FAILURES as error:
            said = f"{_name(candidate)}(...): {type(error).__name__}: {error}"
            raise Unreadable(name, described, [said]) from error
    if not found:
        return [], described
    engine = engine_of(space)
    if engine is None or found[0].engine is not None:
        return [found], described
    found = [dataclasses.replace(x, torchs=engine.name == "torch") for x in found]
    autodiff = "" if found[0].differentiates else f"{engine.name}'s"
    lifted = [
        dataclasses.replace(x, engine=engine, autodiff=autodiff, programs={}, answers={})
        for x in found
    ]
    numpys = any(x is np for x in space.values()) and engine.name == "torch"
    return ([found, lifted] if numpys else [lifted, found]), described


def _weight_norm(
    sources: list[Source], name: str, described: str, settings: dict[str, Any]
) -> tuple[Found, int]:
    rank = names.wanted_rank(_text(sources[0]))
    made = []
    if rank and settings.get("ranks") is None:
        made = weight_norm.best(sources, {**settings, "ranks": (rank,)})
    if not made or not made[0].evidence.worth:
        made = weight_norm.best(sources, settings)
    if not made or not made[0].evidence.worth:
        raise Unreadable(name, described, _tried(made))
    called = [made[0].source.says, *(name_of(c.function) for c in _calls(made[0].source))]
    proved = made[0].evidence.truth or any(map(names.about_weight_norm, called))
    if made[0].source.differentiates and not made[0].order:
        said = f"backward: {made[0].evidence.backward_raised}"
        raise Unreadable(name, described, [_how(made[0]) + ": " + said], proved=proved)
    first = _settled(made, name, described, settings)[0]
    found = dataclasses.replace(found_from(first, name, settings), proved=proved)
    return found, first.evidence.worth


def _layer(
    sources: list[Source], name: str, described: str, settings: dict[str, Any]
) -> tuple[Found, int]:
    """The reading of a layer, and of the same with other options where these can be asked for."""
    asks = {x for source in sources for x in source.asks}
    found: list[Found] = []
    tried: list[dict[str, Any]] = []
    worth = 0
    order: dict[str, Any] = {}
    for variant in layer.VARIANTS if asks else ({},):
        asked = {key: x for key, x in variant.items() if key in asks}
        if asked in tried or (not asked and tried):
            continue
        tried.append(asked)
        made = layer.best(sources, settings, asked)
        if made and (more := _more(made[0])):
            raise Unreadable(name, described, [], hints=[more])
        tuples = any(isinstance(x, tuple) for x in asked.values())
        if tuples and not made[0].evidence.truth:
            continue  # it takes numbers alone
        if made and not made[0].evidence.shape and not made[0].options and found:
            continue
        if tuples and order and not made[0].order:
            made[0].order = order  # backward raises with these alone: that is for the verdict
        if made and made[0].evidence.shape and made[0].source.differentiates and not made[0].order:
            said = made[0].evidence.backward_raised or "no gradient was found"
            raise Unreadable(
                name, described, [f"{_how(made[0])}: backward: {said}"], proved=_proves(made[0]))
        if made and (made[0].evidence.shape or _answers_of_known_options(made[0])):
            found.append(_of_layer(made[0], name, settings))
            even = None if order else layer.with_even_kernel(made[0], settings)
            if even is not None:
                found.append(_of_layer(even, name, settings))
            order = order or made[0].order
            worth = worth or made[0].evidence.worth
        elif not found:
            raise Unreadable(name, described, _tried(made))
    return dataclasses.replace(found[0], variants=found[1:]), worth


def _more(a: LayerAttempt) -> str:
    """What to bring in place of a framework's module that does more than its layer."""
    what, others = a.evidence.more, ", ".join(a.source.others)
    size = not a.evidence.shape and _answers_of_known_options(a)
    if not a.source.part or a.evidence.truth or not (what or others or size):
        return ""
    said = f"it applies {what}" if what else (
        f"it has more parts than its layer: {others}" if others else
        "y has another size than its layer's")
    return f"{said}; bring the layer alone: {a.source.part}"


def _answers_of_known_options(a: LayerAttempt) -> bool:
    """Whether it can be judged, though its y has a wrong shape."""
    return a.evidence.raised is None and bool(a.options)


def _chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a reading leaves as they are."""
    return {key: settings[key] for key in ("form", "eps", "dtype") if key in settings}


def _of_layer(a: LayerAttempt, name: str, settings: dict[str, Any]) -> Found:
    roles: dict[str, Any] = {"forward": a.forward}
    if a.source.differentiates and a.order:
        roles["backward"] = a.backward
    chosen = _chosen(settings)
    chosen |= {"kind": a.layout.kind, "normalised": a.normalised, **a.options}
    if a.normalised and a.layout.torch_axis != "output":
        chosen["axis"] = a.layout.torch_axis
    chosen |= {k: x for k, x in (("kernel", a.kernel), ("channels", a.channels)) if x is not None}
    return Found(name, "layer", roles, chosen, _layer_statement(a), proved=_proves(a))


def _proves(a: LayerAttempt) -> bool:
    """Whether y is right, or has the right shape and a name that says what it is."""
    said = names.kind(a.source.says) is not None
    return a.evidence.truth or (said and a.evidence.shape and not a.evidence.more)


def _layer_statement(a: LayerAttempt) -> list[str]:
    call = a.source.forward
    said = "" if call is None else f"{name_of(call.function)}{call.text}"
    taps = {"kernel": 1} if a.kernel and {*a.kernel} == {1} else {}
    options = ", ".join(f"{key} {x}" for key, x in (a.options | taps).items())
    lines = [f"read as {a.layout.kind}, {said}; {a.layout.says}; {options or 'no options'}"]
    if not a.source.differentiates:
        lines.append("no backward was found: y alone is judged")
    if a.source.autodiff:
        lines.append(f"gradients by autodiff: {a.source.autodiff}")
    elif a.order:
        lines.append("gradients: " + ", ".join(
            f"{role}_bar from {_at(path, a.source)}" for role, path in a.order.items()))
        left = [f"{r}_bar" for r in a.roles if r not in a.order]
        lines += [f"{', '.join(left)}: none is answered, none is judged"] if left else []
    return [*lines, *_of_dtype(a.source, a.settings)]


def _at(path: tuple[Any, ...], source: Source) -> str:
    if path[0] == "returned" or isinstance(path[0], int):
        i = 0 if path[0] == "returned" else path[0]
        who = name_of(source.backward[i].function) if len(source.backward) > 1 else "backward"
        return f"what {who} returns" + "".join(f"[{part!r}]" for part in path[1:])
    if path[0] == "step":
        return "its own step"
    return ".".join(map(str, path))


def _of_dtype(source: Source, settings: Mapping[str, Any]) -> list[str]:
    if source.engine is None or source.engine.name != "jax" or settings.get("dtype") != "float32":
        return []
    return ["in float32, as jax computes; jax_enable_x64 in the file, or --dtype float64, for more"]


def _name(candidate: Any) -> str:
    return candidate.__name__ if isinstance(candidate, type) else type(candidate).__name__


def _settled(
    made: list[Attempt], name: str, described: str, settings: dict[str, Any]
) -> list[Attempt]:
    """Without a g_bar, w alone does not tell whether g is given by rows and the norm is over the
    wrong axis, or g by columns; with it, one norm of the whole may be that of one rank alone: then
    the text decides, or the person who asks."""
    first = made[0]
    axis, rank = first.arrangement.axis, first.arrangement.rank
    own = first.source.differentiates and not first.source.autodiff and first.evidence.gain
    others = [
        x for x in made if x.arrangement.axis == 0 and x.arrangement.rank == rank
        and x.evidence.shape and not x.evidence.truth
    ]
    if own:
        others = weight_norm.doubts(made) if axis is None else []
    if "axis" in settings or axis == 0 or not first.evidence.truth or not others:
        return made
    told = names.wanted_axis(_text(first.source))
    if told == axis:
        return made
    if told in {x.arrangement.axis for x in others}:
        return [x for x in others if x.arrangement.axis == told]
    shown, other = ("none" if a is None else str(a) for a in (axis, others[0].arrangement.axis))
    raise Unreadable(
        name, described,
        [f"{other.arrangement.says()}: w is not g v / ||v||" for other in others[:1]]
        + [f"{first.arrangement.says()}: w is g v / ||v||"],
        hints=[f"if the second is meant, declare it: AXIS = {axis} in the file, or --axis={shown}; "
               f"if the first is, --axis={other} names the mistake"],
    )


def _calls(source: Source) -> list[Call]:
    return [call for call in (source.forward, *source.backward) if call is not None]


def _text(source: Source) -> str:
    """The text of the functions, for what it says of shapes."""
    found = []
    for call in _calls(source):
        with contextlib.suppress(OSError, TypeError):
            found.append(inspect.getsource(call.function))
    return "\n".join(found)


def found_from(attempt: Attempt, name: str, settings: dict[str, Any]) -> Found:
    """The reading of an attempt that was proved, or is the best there is."""
    source, a = attempt.source, attempt.arrangement
    roles: dict[str, Any] = {}
    if source.forward is not None:
        roles["forward"] = attempt.forward
    if source.differentiates and attempt.order:
        roles["backward"] = attempt.backward
    left_out = []
    for role, f in attempt.later().items():
        try:
            f(*probes.later(a.axis, a.rank, role, settings.get("dtype", "float64")))
            roles[role] = f
        except Exception as error:
            if role in source.later:
                roles[role] = f
            else:
                left_out.append(f"no {role}: {type(error).__name__}: {str(error)[:100]}")
    ranks = settings.get("ranks") or (a.rank,)
    chosen = _chosen(settings)
    chosen |= {"axis": settings.get("axis", a.axis), "ranks": ranks}
    return Found(name, "weight_norm", roles, chosen, [*_statement(attempt), *left_out])


def _statement(attempt: Attempt) -> list[str]:
    source, a = attempt.source, attempt.arrangement
    said = []
    if source.forward is not None:
        said.append(f"{name_of(source.forward.function)}{source.forward.text}")
    for call in source.backward:
        said.append(f"{name_of(call.function)}{call.text.replace('upstream', 'w_bar')}")
    lines = [f"read as {' and '.join(said)}; {a.says(source.called.get('g', 'g'))}"]
    if not source.differentiates:
        lines.append("no backward was found: w alone is judged")
    if attempt.order:
        order = sorted(attempt.order, key=lambda r: [*map(str, attempt.order[r])])
        named = ", ".join(f"{r}_bar" for r in order)
        lines[0] += f"; answers ({named})" if len(order) > 1 else f"; answers {named} alone"
        lines += [f"{r}_bar: none is answered, none is judged" for r in ("v", "g")
                  if r not in attempt.order]
    if source.autodiff:
        lines[0] = lines[0].partition("; answers")[0]
        lines[0] += f"; gradients by autodiff: {source.autodiff}"
    return [*lines, *_of_dtype(source, attempt.settings)]


def _described(pair: Pair) -> str:
    said = []
    for f in (pair.forward, *pair.backward):
        if f is not None:
            said.append(f"{name_of(f)}{inspect.signature(f)}")
    return ", ".join(said)


def _nameless(candidate: Any) -> list[str]:
    """The arguments that no table knows, where no reading of them is left."""
    if not isinstance(candidate, Pair):
        return ["no attribute has a name that is known"]
    lines = []
    for f, backward in ((candidate.forward, False), *((b, True) for b in candidate.backward)):
        asked = [
            p.name for p in (parameters(f) or () if f is not None else ())
            if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
            and role_of(p.name, backward=backward, layer=candidate.layer) is None
        ]
        if f is not None and asked:
            lines.append(f"{name_of(f)} asks for {', '.join(asked)}, which no table of names knows")
    return lines or ["its arguments are neither those of a weight norm nor of a layer"]


def _of_several(candidate: Any) -> list[str]:
    if isinstance(candidate, Pair):
        asked = [p.name for p in parameters(candidate.forward) or ()] if candidate.forward else []
        said = frameworks.one_at_a_time(frameworks.weights(asked))
    else:
        said = frameworks.one_at_a_time(frameworks.several(candidate))
    return [said] if said else []


def _tried(made: Sequence[Attempt | LayerAttempt]) -> list[str]:
    """What the readings said, each message once, with the first reading that said it."""
    said: dict[str, list[str]] = {}
    for a in made:
        message = a.evidence.raised or a.evidence.backward_raised or "an answer of another shape"
        said.setdefault(message, []).append(_how(a))
    return [
        f"{hows[0]}{f', and {len(hows) - 1} more readings' * (len(hows) > 1)}: {message}"
        for message, hows in said.items()
    ]


def _how(a: Attempt | LayerAttempt) -> str:
    text = a.source.forward.text if a.source.forward else ""
    if isinstance(a, LayerAttempt):
        return f"{a.layout.kind} {text}, {a.layout.says}"
    return f"{text}, v of rank {a.arrangement.rank}, {a.arrangement.says()}"
