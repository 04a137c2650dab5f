"""The text of an adapter: a file that calls an author's code as the contract asks.

It has the names of that code, and a mark on every line that only its author can fill in. Where all
names are known there is no mark, and `minwn check` judges the file as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .calling import name_of, parameters, role_of
from .classes import methods
from .functions import Pair

__all__ = ["MARK", "adapter"]

MARK = "# <-- fill in"
HEAD = '''"""Calls {where} for `minwn check`. Fill in what is marked, then: minwn check OUT.py

{arrays}v (o, ...) and g (o, 1, ...) are NumPy arrays;
w = g v / ||v||, a norm for each index of AXIS.
"""

{imports}

AXIS = 0
'''
WEIGHT_NORM = ("v", "g")
LAYER = ("x", "v", "g", "b")
OF_LAYER = "x (batch, c, ...), b (o,), "
OPTIONS = """KIND = "linear"  # or conv1d, conv2d, conv3d, conv_transpose1d, ...
STRIDE, PADDING, DILATION, GROUPS = 1, 0, 1, 1
"""


def adapter(candidate: Any, where: str, layer: bool, space: Mapping[str, Any]) -> str:
    """The text for a pair of functions, or a class, of a file or module with these names."""
    if isinstance(candidate, Pair):
        body = _of_pair(candidate, layer, {id(x): name for name, x in space.items()})
    else:
        cls = candidate if isinstance(candidate, type) else type(candidate)
        body = _of_class(cls, layer)
    head = HEAD.format(
        where=Path(where).name, imports=_imports(where), arrays=OF_LAYER if layer else "")
    return head + (OPTIONS if layer else "") + "\n\n" + body


def _imports(where: str) -> str:
    file, _, _ = where.rpartition(":") if not where.endswith(".py") else (where, "", "")
    path = Path(file or where)
    if path.suffix != ".py":
        return f"import {file or where} as theirs"
    if path.stem.isidentifier():
        folder = str(path.resolve().parent)
        return f"import sys\n\nsys.path.insert(0, {folder!r})\nimport {path.stem} as theirs"
    return (
        "import runpy\nfrom types import SimpleNamespace\n\n"
        f"theirs = SimpleNamespace(**runpy.run_path({str(path.resolve())!r}))"
    )


def _of_pair(pair: Pair, layer: bool, known: Mapping[int, str]) -> str:
    takes = LAYER if layer else WEIGHT_NORM
    result, gradients = ("y_bar", "x_bar, v_bar, g_bar, b_bar") if layer else (
        "w_bar", "v_bar, g_bar")
    lines = []

    def call(f: Any, takes: Sequence[str], backward: bool) -> str:
        return f"theirs.{known.get(id(f), name_of(f))}({_arguments(f, takes, backward, layer)})"

    if pair.forward is not None:
        lines += [f"def forward({', '.join(takes)}):",
                  f"    return {call(pair.forward, takes, False)}", "", ""]
    if pair.backward:
        lines.append(f"def backward({result}, {', '.join(takes)}):")
        for i, f in enumerate(pair.backward):
            text = call(f, ("upstream", *takes), True).replace("upstream", result)
            if "cache" in text and pair.forward is not None and i == 0:
                lines.append(f"    out, cache = {call(pair.forward, takes, False)}")
            name = gradients if len(pair.backward) == 1 else f"answer_{i}"
            lines.append(f"    {name} = {text}  # in the order of its answers")
        if len(pair.backward) > 1:
            made = ", ".join(f"answer_{i}" for i in range(len(pair.backward)))
            lines.append(f"    {gradients} = {made}  {MARK}: which is which")
        lines += [f"    return {gradients}", ""]
    return "\n".join(lines)


def _arguments(f: Any, takes: Sequence[str], backward: bool, layer: bool) -> str:
    """The text v, g; an argument that no table knows gets a guess and a mark."""
    found = [p for p in (parameters(f) or []) if p.default is p.empty
             and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    roles = [(p.name, role_of(p.name, backward=backward, layer=layer)) for p in found]
    known = (*takes, "cache")
    spare = [t for t in takes if t not in [r for _, r in roles]]
    if all(role in known for _, role in roles):
        return ", ".join(str(role) for _, role in roles)
    parts = []
    for name, role in roles:
        if role in known:
            parts.append(f"        {role},")
        else:
            guess = spare.pop(0) if spare else "None"
            parts.append(f"        {guess},  {MARK}: {name}")
    return "\n".join(["", *parts, "    "])


def _of_class(cls: type, layer: bool) -> str:
    takes = LAYER if layer else WEIGHT_NORM
    forward, backward = methods(cls)
    try:
        signature = str(inspect.signature(cls))
    except (TypeError, ValueError):
        signature = "(...)"
    call = "" if forward == "__call__" else f".{forward or 'forward'}"
    result, gradients = ("y_bar", "x_bar, v_bar, g_bar, b_bar") if layer else (
        "w_bar", "v_bar, g_bar")
    own = {"x": "x_bar"} if layer else {}
    set_ = "\n".join(f"    it.{t} = {t}  {MARK}: its own name" for t in takes if t != "x")
    given = "x" if layer else ""
    lines = [
        f"def made({', '.join(takes)}):",
        f"    it = theirs.{cls.__name__}()  {MARK}: {signature}", set_, "    return it", "", "",
        f"def forward({', '.join(takes)}):",
        f"    return made({', '.join(takes)}){call}({given})", "", "",
    ]
    if backward:
        rest = [f"{t}_bar" for t in takes if t not in own]
        lines += [
            f"def backward({result}, {', '.join(takes)}):", f"    it = made({', '.join(takes)})",
            f"    it{call}({given})",
            f"    {'x_bar = ' if layer else ''}it.{backward}({result})",
            f"    {', '.join(rest)} = {', '.join(f'it.d{t[:-4]}' for t in rest)}  {MARK}: "
            f"where its gradients are",
            f"    return {gradients}", "",
        ]
    return "\n".join(lines)
