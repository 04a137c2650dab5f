"""Modules of PyTorch, Flax, Equinox and Keras as sources: weights by name, their own autodiff.

Each question makes a new object, as for any other class (`classes`); Flax's are initialised with
an x of the question. Weights are found by the last part of their names: "linear.weight_v" is v. The
library's parametrizations keep g and v as original0 and original1.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import classes, names, options
from .calling import Call, calls, parameters
from .engines import ENGINES
from .layout import LAYOUTS
from .sources import ARRAYS, Source, another, numbers, renewed

__all__ = ["framework", "one_at_a_time", "several", "sources", "weights"]

PARTS = {"original0": "g", "original1": "v"}
BASES = {  # the class by which an object belongs to a framework, and who reads it
    ("torch.autograd.function", "Function"): "autograd_function",
    ("torch.nn.modules.module", "Module"): "torch_module",
    ("flax.linen.module", "Module"): "linen", ("flax.nnx.module", "Module"): "nnx",
    ("equinox._module._module", "Module"): "equinox", ("equinox._module", "Module"): "equinox",
    ("keras.src.layers.layer", "Layer"): "keras",
}
X_SHAPES = ((3, 4), (3, 9, 4), (3, 8, 7, 4), (3, 5, 6, 7, 4))  # to build a first layer with
WRAPPED = ("layer_instance",)  # where Flax's WeightNorm keeps its layer
LAST = {"linear": (("rows", "(i, o)"),), "conv": (("channels last", "(k, i, o)"),)}
OF_TRANSPOSED = {  # the weights of transposed layers; Equinox's is of the class that it is asked of
    "flax": ("(-k, i, o)", "(k, o, i)"), "keras": ("(k, o, i)",), "equinox": ("(o, i, -k)",),
}


@dataclass(frozen=True)
class Run(Call):
    """A call of a framework's module: arrays by role in, its result out."""

    run: Callable[[Mapping[str, Any]], Any] = field(default=lambda given: None)

    def __call__(self, given: Mapping[str, Any], holder: Any = None) -> Any:
        return self.run(given)


def framework(holder: Any) -> str | None:
    """What kind of framework's class or object it is, or None."""
    cls = holder if isinstance(holder, type) else type(holder)
    for base in cls.__mro__:
        found = BASES.get((base.__module__, base.__name__))
        if found:
            return found
    return None


def sources(holder: Any, name: str) -> Iterator[Source]:
    """The readings of a framework's class or object."""
    stem = name.rpartition(":")[2] if ":" in name else "model"
    stem = f"{holder.__name__}(...)" if isinstance(holder, type) else stem
    for source in READERS[str(framework(holder))](holder, name):
        if {"v", "w"} & {*source.takes}:
            if source.part:
                source.part = stem + source.part
            yield source


def _role(path: str, among: set[str]) -> str | None:
    """What a parameter is, by the last part of its name."""
    last = path.replace("/", ".").rpartition(".")[2]
    role = PARTS.get(last) or names.role(last)
    role = "g" if role == "log_g" else role
    return "v" if role == "w" and "g" in among else role


def _roles(paths: list[str]) -> dict[str, str]:
    """{role: path}. Raises Beyond where there are several weights, as of two layers."""
    found = weights(paths)
    if said := one_at_a_time(found):
        alone = part(found[:1])
        raise options.Beyond(said + (f", or bring a part alone, as model{alone}" if alone else ""))
    bare = {PARTS.get(p.replace("/", ".").rpartition(".")[2]) or names.role(
        p.replace("/", ".").rpartition(".")[2]) for p in paths}
    among = {"g" if r == "log_g" else r for r in bare if r}
    roles: dict[str, str] = {}
    for path in paths:
        role = _role(path, among)
        if role in ("v", "g", "w", "b"):
            roles.setdefault(role, path)
    return roles


def weights(paths: Iterable[str]) -> list[str]:
    """The paths of weights, v or w, of one layer or of several; W1 and W2 are two."""
    found = []
    for path in paths:
        last = path.replace("/", ".").rpartition(".")[2]
        if (PARTS.get(last) or names.role(last.rstrip("0123456789_"))) in ("v", "w"):
            found.append(path)
    return found


def one_at_a_time(found: list[str]) -> str:
    """What to do where several layers are in one class or function; "" for one."""
    return "" if len(found) < 2 else (
        f"{', '.join(found[:4])} are the weights of {len(found)} layers, and one is judged at a "
        f"time: put each into a class or a pair of functions of its own, and name it, as FILE:name")


def several(holder: Any) -> list[str]:
    """The weights of a class or object that has more than one, as of two layers."""
    ways = [*classes.makers(holder)] if isinstance(holder, type) else [lambda given: holder]
    for make in ways:
        with contextlib.suppress(Exception):
            first = make(classes.TRIAL)
            found = weights(".".join(map(str, path)) for path in numbers(first))
            if len(found) > 1:
                return found
    return []


def part(paths: Iterable[str]) -> str:
    """The part of a module that has all of the parameters: "[0]", ".conv"; "" for itself.

    A wrapper that normalises a layer is one part with it.
    """
    found, several = [], [*paths]  # Flax names the gain after the whole path of its weight
    for path in [p for p in several if "/" not in p] or several:
        path = re.sub(r"parametrizations\.(\w+)\.original\d", r"\1", path)
        path = re.sub(r"layers_(\d+)", r"layers|\1", path.removeprefix("params|"))
        found.append(_pieces(path)[:-1])
    same = itertools.takewhile(lambda each: len({*each}) == 1, zip(*found, strict=False))
    pieces = [each[0] for each in same if each[0] not in WRAPPED]
    return "".join(f"[{x}]" if x.isdecimal() else f".{x}" for x in pieces)


def _at(first: Any, layer: str) -> Any:
    """The part of a module by its text, as of `part`; the module where it is no attribute."""
    if framework(first) == "linen" and not type(first).__module__.startswith("flax."):
        return next((x for x in _called_in(first) if options.options_of(x)), first)
    try:
        return _found(first, layer)
    except AttributeError:
        return first


def _found(first: Any, path: str) -> Any:
    """What a module has at a path."""
    for piece in _pieces(path):
        first = first[int(piece)] if piece.isdecimal() else getattr(first, piece)
    return first


def _called_in(first: Any) -> list[Any]:
    """The library's own modules that a module of Linen calls: they are no attributes of it."""
    import flax.linen as nn
    import jax

    seen: list[Any] = []

    def noted(f: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        if type(context.module).__module__.startswith("flax."):
            seen.append(context.module)
        return f(*arguments, **keywords)

    for x_shape in X_SHAPES:
        with contextlib.suppress(Exception), nn.intercept_methods(noted):
            jax.eval_shape(lambda x: first.init(jax.random.key(0), x), np.zeros(x_shape, "float32"))
            break
        seen.clear()
    return seen


def _pieces(path: str) -> list[str]:
    """["layers", "0", "weight"], of layers[0].weight as of layers.0.weight"""
    return re.findall(r"[^.|\[\]]+", path)


def others(first: Any, layer: str) -> tuple[str, ...]:
    """The names of a module's other parts, as activations. layer: the part that is one"""
    if hasattr(first, "named_modules"):
        parts = [m for n, m in first.named_modules() if n and "parametrizations" not in n
                 and not [*m.parameters()] and not [*m.children()]]
    else:
        parts = [*first.layers] if type(first).__name__ == "Sequential" else []
        parts = [getattr(x, "fn", x) for i, x in enumerate(parts) if f".layers[{i}]" != layer]
    return tuple(getattr(x, "__name__", type(x).__name__) for x in parts)


def _takes(roles: Mapping[str, str], x: bool) -> tuple[str, ...]:
    order = ("v", "g", "b") if "v" in roles and "g" in roles else ("w", "b")
    return (*(("x",) if x else ()), *(r for r in order if r in roles and (x or r != "b")))


def _text(takes: tuple[str, ...]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((role, role, False) for role in takes)


def _lived_in(
    module: Any, call: Callable[[Mapping[str, Any]], Any], given: Mapping[str, Any]
) -> Any:
    """What a module answers after another question: what it keeps from that one is stale now."""
    if not renewed(module):
        with contextlib.suppress(Exception):  # of that question, and not of this one
            call(another(given))
    return call(given)


# ---- PyTorch ------------------------------------------------------------------------------------


def autograd_function(holder: Any, name: str) -> Iterator[Source]:
    """Its own backward, called by autograd through apply."""
    for takes in (("v", "g"), ("x", "v", "g", "b"), ("x", "w", "b"), ("x", "w")):
        layer = "x" in takes
        for call in calls(holder.forward, takes, layer=layer):
            arrays = [role for _, role, _ in call.roles if role != "ctx"]
            if {*takes} != {*arrays}:
                continue

            def run(given: Mapping[str, Any], arrays: list[str] = arrays) -> Any:
                return holder.apply(*(given[role] for role in arrays))

            roles = tuple((n, r, k) for n, r, k in call.roles if r != "ctx")
            called = {r: call.called(r) for r in takes}
            yield Source(
                name, takes, Run(holder.apply, roles, call.guessed, run), called=called,
                engine=ENGINES["torch"], says=holder.__name__, autodiff="its own, by autograd",
            )


def torch_module(holder: Any, name: str) -> Iterator[Source]:
    """functional_call with v and g in the place of its parameters."""
    import torch

    for make in _made(holder):
        first = make(classes.TRIAL)
        shapes = {n: tuple(p.shape) for n, p in first.named_parameters()}
        roles = _roles(list(shapes))
        if not roles:  # a function of v and g, written as a module
            for call in calls(first.forward, ("v", "g")):
                yield Source(
                    name, ("v", "g"), call, engine=ENGINES["torch"], autodiff="torch's",
                    called={r: call.called(r) for r in ("v", "g")},
                )
            return
        taken = parameters(first.forward) or []
        takes = _takes(roles, any(
            p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in taken))
        ones = [n == 1 for n in shapes.get(roles.get("g", ""), ())]

        def run(
            given: Mapping[str, Any], make: Any = make, roles: Any = roles, ones: Any = ones
        ) -> Any:
            if "g" in given:
                _check_gain(given["v"].shape, given["g"].shape, ones)
            module = make(given).to(given["v" if "v" in given else "w"].dtype)

            def ask(given: Mapping[str, Any]) -> Any:
                weights = {path: given[role] for role, path in roles.items() if role in given}
                return torch.func.functional_call(
                    module, weights, (given["x"],) if "x" in given else ())

            return _lived_in(module, ask, given)

        yield Source(
            name, takes, Run(first.forward, _text(takes), False, run), engine=ENGINES["torch"],
            called={r: roles[r].rpartition(".")[2] for r in takes if r in roles},
            shapes={r: shapes[p] for r, p in roles.items() if r in takes},
            autodiff="torch's", **_convention(first, make, "torch", roles.values()),
        )


def _check_gain(v: Any, g: Any, ones: list[bool]) -> None:
    """Raise before PyTorch is given a g of a wrong shape: it would read beyond its end."""
    own = tuple(1 if one else n for one, n in zip(ones, v, strict=False))
    if len(g) != len(ones) or (len(g) == len(v) and tuple(g) != own):
        raise ValueError(f"g has the shape {tuple(g)}, another than its own")


def _made(holder: Any) -> list[Callable[[Mapping[str, Any]], Any]]:
    """The ways to make a module that work."""
    if not isinstance(holder, type):
        return [lambda given: holder]
    found, error = [], None
    for make in classes.makers(holder):
        try:
            make(classes.TRIAL)
            found.append(make)
        except Exception as caught:
            error = error or caught
    if not found and error is not None:
        raise error
    return found


def _convention(
    first: Any, make: Any, library: str, paths: Iterable[str]
) -> dict[str, Any]:
    """What the framework says of a layer: its options, its layouts, the axis of its norms.

    paths: of its parameters
    """
    layer_part = part(paths)
    layer = options.inner(_at(first, layer_part))
    bases = [base.__name__ for base in type(layer).__mro__]
    said = next(filter(names.kind, bases), type(first).__name__)
    transposed = "transpose" in (names.kind(said) or "")
    _, fixed = options.held(layer, library, transposed=transposed)

    def held(first: Any) -> dict[str, Any]:
        layer = options.inner(_at(first, layer_part))
        return options.held(layer, library, transposed=transposed)[0]

    layouts: dict[str, Any] = {}
    if library in ("flax", "keras"):
        weights = OF_TRANSPOSED[library]
        if hasattr(layer, "transpose_kernel"):
            weights = weights[layer.transpose_kernel :][:1]
        layouts = LAST | {"transposed": tuple(("channels last", w) for w in weights)}
        if getattr(layer, "data_format", "") == "channels_first":
            layouts = {
                key: tuple((x.replace("last", "first"), w) for x, w in pairs)
                for key, pairs in layouts.items()
            }
    elif library == "equinox":
        own = any(base.__module__.startswith("equinox.nn") for base in type(layer).__mro__)
        weights = OF_TRANSPOSED[library]
        rest = () if own and transposed else LAYOUTS["transposed"][:1]
        layouts = {"transposed": (*(("channels first", w) for w in weights), *rest)}
    axis: Any = ...
    settings: dict[str, Any] = {}
    if type(first).__name__ == "WeightNorm" and type(first).__module__.startswith("flax"):
        axis = None if first.feature_axes in (None, ()) else first.feature_axes
        settings = {"form": "inside", "eps": float(first.epsilon)}
    return {
        "says": said, "options": options.of_made(make, held), "fixed": fixed, "layouts": layouts,
        "asks": getattr(make, "asks", ()), "axis": axis, "settings": settings,
        "part": layer_part, "others": others(first, layer_part) if layer_part else (),
    }


# ---- JAX ----------------------------------------------------------------------------------------


def _of_jax(
    name: str, takes: tuple[str, ...], call: Any, run: Any, there: Mapping[str, Any],
    roles: Mapping[str, str], first: Any, make: Any, library: str,
) -> Source:
    """A module whose arrays and autodiff are JAX's. there: its arrays, or shapes, by path"""
    shapes = {role: tuple(getattr(there[p], "shape", there[p])) for role, p in roles.items()}
    return Source(
        name, takes, Run(call, _text(takes), False, run), engine=ENGINES["jax"], autodiff="jax's",
        shapes={role: shape for role, shape in shapes.items() if role in takes},
        **_convention(first, make, library, roles.values()),
    )


def linen(holder: Any, name: str) -> Iterator[Source]:
    """apply with v and g in the place of its parameters, which init has named."""
    import jax
    from flax import traverse_util

    for make in _made(holder):
        first = make(classes.TRIAL)
        for x_shape in X_SHAPES:
            try:
                shaped = jax.eval_shape(
                    lambda x, m=first: m.init(jax.random.key(0), x), np.zeros(x_shape, "float32"))
                break
            except Exception:
                continue
        else:
            continue
        flat = traverse_util.flatten_dict(shaped, sep="|")
        paths = {path.rpartition("|")[2] + "@" + path: path for path in flat}
        roles = {r: paths[p] for r, p in _roles_of(paths).items()}
        takes = _takes(roles, True)

        def run(given: Mapping[str, Any], make: Any = make, roles: Any = roles) -> Any:
            weights = {path: given[role] for role, path in roles.items() if role in given}
            return make(_numbers(given)).apply(traverse_util.unflatten_dict(weights, sep="|"),
                                               given["x"])

        yield _of_jax(name, takes, type(first).__call__, run, flat, roles, first, make, "flax")


def _roles_of(paths: Mapping[str, str]) -> dict[str, str]:
    """{role: key} for keys "name@path"."""
    bare = {key: key.partition("@")[0].replace("/", ".") for key in paths}
    found = _roles(list(bare.values()))
    return {role: next(k for k, b in bare.items() if b == path) for role, path in found.items()}


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: x for key, x in given.items() if key not in ARRAYS}


def nnx(holder: Any, name: str) -> Iterator[Source]:
    """A module merged again with v and g in the place of its parameters.

    It is split and merged for each question: a Param is never changed inside another's trace.
    """
    from flax import nnx as library

    for make in _made(holder):
        first = make(classes.TRIAL)
        paths = {
            _dotted(path): x for path, x in library.to_flat_state(library.split(first)[1])}
        roles = _roles(list(paths))
        takes = _takes(roles, bool(parameters(type(first).__call__)))

        def run(given: Mapping[str, Any], make: Any = make, roles: Any = roles) -> Any:
            graph, state = library.split(make(_numbers(given)))
            module = library.merge(graph, state, copy=True)

            def call(given: Mapping[str, Any]) -> Any:
                new = {roles[r]: x for r, x in given.items() if r in roles}
                library.update(module, library.from_flat_state(
                    (path, x.replace(new[_dotted(path)]) if hasattr(x, "replace") else
                     new[_dotted(path)])
                    for path, x in library.to_flat_state(state) if _dotted(path) in new
                ))
                return module(*((given["x"],) if "x" in given else ()))

            return _lived_in(module, call, given)

        yield _of_jax(name, takes, type(first).__call__, run, paths, roles, first, make, "flax")


def _dotted(path: Any) -> str:
    """A path as one text; the scale of WeightNorm is kept under the path of its kernel."""
    return ".".join("scale" if isinstance(part, tuple) else str(part) for part in path)


def equinox(holder: Any, name: str) -> Iterator[Source]:
    """A module with its leaves replaced, over a batch by vmap."""
    import equinox as library
    import jax

    for make in _made(holder):
        first = make(classes.TRIAL)
        found = {
            jax.tree_util.keystr(path).lstrip("."): x
            for path, x in jax.tree_util.tree_leaves_with_path(first) if library.is_array(x)
        }
        roles = _roles(list(found))
        takes = _takes(roles, bool(parameters(type(first).__call__)))

        def run(given: Mapping[str, Any], make: Any = make, roles: Any = roles) -> Any:
            module = make(_numbers(given))
            for role, path in roles.items():
                if role in given:
                    def where(m: Any, path: str = path) -> Any:
                        return _found(m, path)

                    module = library.tree_at(where, module, given[role])
            return jax.vmap(module)(given["x"]) if "x" in given else module()

        yield _of_jax(name, takes, type(first).__call__, run, found, roles, first, make, "equinox")


def keras(holder: Any, name: str) -> Iterator[Source]:
    """stateless_call with v and g in the place of its weights; Keras's backend must be jax.

    A layer that was given is made again from its configuration: one that is built keeps its sizes.
    """
    ways = _made(holder)
    if not isinstance(holder, type):
        ways = [lambda given: type(holder).from_config(holder.get_config())]
    for make in ways:
        first = _built(make)
        there = {w.name: tuple(w.shape) for w in first.trainable_variables}
        roles, order = _roles([*there]), [*there]
        takes = _takes(roles, True)

        def run(
            given: Mapping[str, Any], make: Any = make, roles: Any = roles, order: Any = order
        ) -> Any:
            layer = make(_numbers(given))
            layer.build(tuple(given["x"].shape))
            of = {path: given[role] for role, path in roles.items() if role in given}
            return layer.stateless_call([of[n] for n in order], [], given["x"])[0]

        yield _of_jax(name, takes, first.call, run, there, roles, first, make, "keras")


def _built(make: Callable[[Mapping[str, Any]], Any]) -> Any:
    """A first layer, built for the first x that it takes. Raises what it raises for the last."""
    for x_shape in X_SHAPES:
        layer = make(classes.TRIAL)
        channels_first = getattr(layer, "data_format", "") == "channels_first"
        shape = (None, x_shape[-1], *x_shape[1:-1]) if channels_first else (None, *x_shape[1:])
        rank = getattr(layer, "rank", None)  # of a convolution: it may build for another
        if rank is not None and rank != len(x_shape) - 2:
            continue
        try:
            layer.build(shape)
        except Exception:
            if x_shape == X_SHAPES[-1]:
                raise
            continue
        return layer
    raise ValueError(f"no layer of rank {rank} is judged")


READERS = {
    f.__name__: f
    for f in (autograd_function, torch_module, linen, nnx, equinox, keras)
}
