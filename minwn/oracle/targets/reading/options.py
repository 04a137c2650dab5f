"""The options of a layer as its object has them, and as `check_layer` means them.

A transposed layer is either the gradient of a convolution, whose padding is cut off y (PyTorch,
Paddle, Keras, Equinox), or a convolution of a spread x, whose padding is put around it (Flax). With
reach = dilation * (kernel - 1), the one is reach minus the other. Keras and Equinox have lengths of
y of their own. Where this asks for the kernel, the options hold for that kernel alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from ...layer_spec import shortest
from . import names
from .calling import ASKED

__all__ = ["Beyond", "held", "inner", "of_made", "options_of"]

OTHERS = {  # attributes of a framework's layer that `check_layer` has no word for
    "padding_mode": "zeros", "input_dilation": "1", "activation": "linear", "mask": "None",
}
DEPTH = 4  # of modules in a module: a wrapper, of a layer, in a list


class Beyond(ValueError):
    """A layer that is none of those that `check_layer` judges."""


def options_of(first: Any) -> dict[str, Any]:
    """The options among an object's attributes."""
    found: dict[str, Any] = {}
    for name, value in vars(first).items() if hasattr(first, "__dict__") else ():
        known = names.option(name)
        if known in ASKED and isinstance(value, int | np.integer | tuple | list | str) and (
            not isinstance(value, bool)
        ):
            found.setdefault(known, shortest(value))
    return found


def of_made(
    make: Callable[[Mapping[str, Any]], Any], read: Callable[[Any], dict[str, Any]] = options_of
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The options of an object made for what is asked: a padding may follow the kernel."""
    known: dict[str, dict[str, Any]] = {}

    def options(asked: Mapping[str, Any]) -> dict[str, Any]:
        key = repr(asked)
        if key not in known:
            known[key] = read(make(asked))
        return known[key]

    return options


def inner(first: Any) -> Any:
    """The layer that has the options: the module itself, or the first in it that has some."""
    level = [first]
    for _ in range(DEPTH):
        if found := [x for x in level if options_of(x)]:
            return found[0]
        level = [part for x in level for part in _parts(x)]
    return first


def _parts(x: Any) -> list[Any]:
    """The modules in a module, also in a list of it."""
    if hasattr(x, "named_children"):
        return [*x.children()]
    values = list(vars(x).values())
    values += [y for each in values if isinstance(each, list | tuple) for y in each]
    return [y for y in values if hasattr(y, "__dict__") and not (
        isinstance(y, type | ModuleType) or inspect.isroutine(y))]


def held(first: Any, library: str, *, transposed: bool) -> tuple[dict[str, Any], bool]:
    """(the options of a framework's layer, whether they hold for its own kernel alone).

    Raises Beyond for one that is no layer of `check_layer`.
    """
    for name, usual in OTHERS.items():
        value = getattr(first, name, usual)
        said = str(shortest(getattr(value, "__name__", value)))
        if said.lower() not in (usual.lower(), "none"):
            raise Beyond(f"{name}={said}: check_layer judges layers with {name} {usual} alone")
    options = options_of(first)
    for name in ("strides", "kernel_dilation") if library == "flax" else ():
        if getattr(first, name, ...) is None:
            options[str(names.option(name))] = 1
    kernel = getattr(first, "kernel_size", None)
    if kernel is None or "padding" not in options:
        return options, False
    kernel = kernel if isinstance(kernel, tuple | list) else (kernel,)
    dilations = _each(options, "dilation", 1, kernel)
    reach = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    way = _spread if transposed else _around
    changed = way(options, library, reach)
    word = changed.get("padding", options["padding"])
    if isinstance(word, str) and word.lower() not in ("same", "valid"):
        raise Beyond(f"padding={word}: check_layer judges layers with padding by zeros alone")
    return options | changed, bool(changed)


def _each(options: Mapping[str, Any], name: str, usual: int, kernel: Any) -> tuple[int, ...]:
    found = options.get(name, usual)
    return tuple(found) if isinstance(found, tuple) else (found,) * len(kernel)


def _around(options: Mapping[str, Any], library: str, reach: list[int]) -> dict[str, Any]:
    """The padding of x, where its word is none of XLA's."""
    word = str(options["padding"]).lower()
    if word == "causal":
        return {"padding": tuple((r, 0) for r in reach)}
    if word == "same_lower":
        if options.get("stride", 1) != 1:
            raise Beyond("padding=SAME_LOWER with a stride: give the pairs of numbers that it is")
        return {"padding": tuple((r - r // 2, r // 2) for r in reach)}
    return {}


def _spread(options: Mapping[str, Any], library: str, reach: list[int]) -> dict[str, Any]:
    """The padding and output_padding of a transposed layer."""
    padding = options["padding"]
    word = padding.lower() if isinstance(padding, str) else ""
    strides = _each(options, "stride", 1, reach)
    extra = _each(options, "output_padding", 0, reach)
    each = zip(reach, strides, extra, strict=True)
    if library == "flax" and not word:
        pads = padding if isinstance(padding, tuple) else (padding,) * len(reach)
        pairs = [p if isinstance(p, tuple) else (p, p) for p in pads]
        around = zip(reach, pairs, strict=True)
        return _cut([(r - p[0], r - p[1]) for r, p in around])
    if library == "keras" and word and "output_padding" in options:
        if word == "valid":
            return {"padding": 0}
        more = [r + 1 + (r + 1) % 2 - 2 + a for r, _, a in each]  # around the spread x
        before = [min(n - n // 2, r) for n, r in zip(more, reach, strict=True)]
        rows = zip(reach, more, before, strict=True)
        return _cut([(r - b, r - (n - b)) for r, n, b in rows])
    if library == "equinox" and word == "valid":
        return {"padding": 0}
    if library == "equinox" and word:
        lower = word == "same_lower"
        cut = [r - s + a + 1 for r, s, a in each]
        return _cut([
            ((n + lower) // 2, n - (n + lower) // 2) if n > 0 else (0, n) for n in cut])
    return {}


def _cut(pads: list[tuple[int, int]]) -> dict[str, Any]:
    """What is cut off y, before and after; what is put after it is output_padding."""
    if any(before < 0 for before, _ in pads):
        raise Beyond("padding that is wider than the kernel reaches: y begins with the bias alone")
    return {
        "padding": tuple((before, max(after, 0)) for before, after in pads),
        "output_padding": shortest(tuple(max(-after, 0) for _, after in pads)),
    }
