"""Modules of PyTorch, Flax, Equinox and Keras as sources: weights by name, their own autodiff.

Each question makes a new object, as for any other class (`classes`); Flax's are initialised with
an x of the question. Weights are found by the last part of their names: "linear.weight_v" is v. The
library's parametrizations keep g and v as original0 and original1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import classes, names
from .calling import Call, calls, parameters
from .engines import ENGINES
from .sources import ARRAYS, Source, another, numbers, renewed

__all__ = ["framework", "several", "sources", "weights"]

PARTS = {"original0": "g", "original1": "v"}
BASES = {  # the class by which an object belongs to a framework, and who reads it
    ("torch.autograd.function", "Function"): "autograd_function",
    ("torch.nn.modules.module", "Module"): "torch_module",
    ("flax.linen.module", "Module"): "linen", ("flax.nnx.module", "Module"): "nnx",
    ("equinox._module._module", "Module"): "equinox", ("equinox._module", "Module"): "equinox",
    ("keras.src.layers.layer", "Layer"): "keras",
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
    yield from READERS[str(framework(holder))](holder, name)


def _role(path: str, among: set[str]) -> str | None:
    """What a parameter is, by the last part of its name."""
    last = path.replace("/", ".").rpartition(".")[2]
    role = PARTS.get(last) or names.role(last)
    role = "g" if role == "log_g" else role
    return "v" if role == "w" and "g" in among else role


def _roles(paths: list[str]) -> dict[str, str]:
    """{role: path}; none where there are several weights, as of two layers."""
    if len(weights(paths)) > 1:
        return {}
    bare = {PARTS.get(p.replace("/", ".").rpartition(".")[2]) or names.role(
        p.replace("/", ".").rpartition(".")[2]) for p in paths}
    among = {"g" if r == "log_g" else r for r in bare if r}
    found: dict[str, str] = {}
    for path in paths:
        role = _role(path, among)
        if role in ("v", "g", "w", "b"):
            found.setdefault(role, path)
    return found


def weights(paths: Iterable[str]) -> list[str]:
    """The paths of weights, v or w, of one layer or of several; W1 and W2 are two."""
    found = []
    for path in paths:
        last = path.replace("/", ".").rpartition(".")[2]
        if (PARTS.get(last) or names.role(last.rstrip("0123456789_"))) in ("v", "w"):
            found.append(path)
    return found


def several(holder: Any) -> list[str]:
    """The weights of a class or object that has more than one, as of two layers."""
    ways = [*classes.makers(holder)] if isinstance(holder, type) else [lambda given: holder]
    for make in ways:
        with contextlib.suppress(Exception):
            first = make(classes.TRIAL)
            if hasattr(first, "named_parameters"):
                found = weights(path for path, _ in first.named_parameters())
            else:
                found = weights(".".join(map(str, path)) for path in numbers(first))
            if len(found) > 1:
                return found
    return []


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
        if not roles and len(weights(shapes)) > 1:
            return
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
            says=type(first).__name__,
            options=_options_of(first), asks=getattr(make, "asks", ()),
            autodiff="torch's",
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


def _options_of(first: Any) -> dict[str, Any]:
    """The options of a module, or of the first layer in it that has options."""
    found = classes.options_of(first)
    for _, inner in first.named_children() if hasattr(first, "named_children") else ():
        found = found or classes.options_of(inner)
    return {k: x if not isinstance(x, tuple) or len({*x}) > 1 else x[0] for k, x in found.items()}


# ---- JAX ----------------------------------------------------------------------------------------


def linen(holder: Any, name: str) -> Iterator[Source]:
    """apply with v and g in the place of its parameters, which init has named."""
    import jax
    from flax import traverse_util

    for make in _made(holder):
        first = make(classes.TRIAL)
        for x_shape in ((3, 4), (3, 9, 4), (3, 8, 7, 4), (3, 5, 6, 7, 4)):
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

        yield Source(
            name, takes, Run(type(first).__call__, _text(takes), False, run),
            engine=ENGINES["jax"], says=type(first).__name__,
            shapes={r: tuple(flat[p].shape) for r, p in roles.items() if r in takes},
            asks=getattr(make, "asks", ()), autodiff="jax's", layout="flax",
            settings=_length(first), options=classes.options_of(first),
        )


def _roles_of(paths: Mapping[str, str]) -> dict[str, str]:
    """{role: key} for keys "name@path"."""
    bare = {key: key.partition("@")[0].replace("/", ".") for key in paths}
    found = _roles(list(bare.values()))
    return {role: next(k for k, b in bare.items() if b == path) for role, path in found.items()}


def _length(module: Any) -> dict[str, Any]:
    """The form and eps of the library's own wrapper, as it documents them."""
    if type(module).__name__ == "WeightNorm" and type(module).__module__.startswith("flax"):
        return {"form": "inside", "eps": float(module.epsilon)}
    return {}


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: x for key, x in given.items() if key not in ARRAYS}


def nnx(holder: Any, name: str) -> Iterator[Source]:
    """A module merged again with v and g in the place of its parameters."""
    from flax import nnx as library

    for make in _made(holder):
        first = make(classes.TRIAL)
        state = list(library.to_flat_state(library.split(first)[1]))
        shapes = {".".join(map(str, path)): tuple(x.shape) for path, x in state}
        roles = _roles(list(shapes))
        takes = _takes(roles, bool(parameters(type(first).__call__)))

        def run(given: Mapping[str, Any], make: Any = make, roles: Any = roles) -> Any:
            module = make(_numbers(given))

            def call(given: Mapping[str, Any]) -> Any:
                for role, path in roles.items():
                    if role in given:
                        part = module
                        *inner, last = path.split(".")
                        for piece in inner:
                            part = part[int(piece)] if piece.isdecimal() else getattr(part, piece)
                        getattr(part, last)[...] = given[role]
                return module(*((given["x"],) if "x" in given else ()))

            return _lived_in(module, call, given)

        yield Source(
            name, takes, Run(type(first).__call__, _text(takes), False, run),
            engine=ENGINES["jax"], says=type(first).__name__,
            shapes={r: shapes[p] for r, p in roles.items() if r in takes}, layout="flax",
            asks=getattr(make, "asks", ()), autodiff="jax's", settings=_length(first),
        )


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
                        for piece in path.split("."):
                            m = getattr(m, piece)
                        return m

                    module = library.tree_at(where, module, given[role])
            return jax.vmap(module)(given["x"]) if "x" in given else module()

        yield Source(
            name, takes, Run(type(first).__call__, _text(takes), False, run),
            engine=ENGINES["jax"], says=type(first).__name__,
            shapes={r: tuple(found[p].shape) for r, p in roles.items() if r in takes},
            asks=getattr(make, "asks", ()), autodiff="jax's", options=_options_of(first),
        )


def keras(holder: Any, name: str) -> Iterator[Source]:
    """stateless_call with v and g in the place of its weights; Keras's backend must be jax."""
    for make in _made(holder):
        first = make(classes.TRIAL)
        first.build((None, 4) if names.kind(type(first).__name__) == "linear" else (None, 8, 7, 4))
        roles = _roles([w.name for w in first.trainable_variables])
        shapes = {w.name: tuple(w.shape) for w in first.trainable_variables}
        order = [w.name for w in first.trainable_variables]
        takes = _takes(roles, True)

        def run(
            given: Mapping[str, Any], make: Any = make, roles: Any = roles, order: Any = order
        ) -> Any:
            layer = make(_numbers(given))
            layer.build(tuple(given["x"].shape))
            of = {path: given[role] for role, path in roles.items() if role in given}
            return layer.stateless_call([of[n] for n in order], [], given["x"])[0]

        yield Source(
            name, takes, Run(first.call, _text(takes), False, run), engine=ENGINES["jax"],
            says=type(first).__name__, layout="keras", asks=getattr(make, "asks", ()),
            shapes={r: shapes[p] for r, p in roles.items() if r in takes}, autodiff="jax's",
        )


READERS = {
    f.__name__: f
    for f in (autograd_function, torch_module, linen, nnx, equinox, keras)
}
