"""What a function's arguments stand for, and the arrays in its answers.

    for call in calls(function, ("v", "g")):     the readings of its arguments, likeliest first
        answer = call({"v": v, "g": g})
    leaves(answer, returned(function))           every array in it, with its path and its name
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import names

__all__ = [
    "ASKED", "Bundle", "Call", "Context", "Leaf", "Params", "Path", "assigned", "calls", "leaves",
    "name_of", "parameters", "returned", "role_of", "saved_by", "shape_of",
    "whole",
]

Path = tuple[Any, ...]
ASKED = ("stride", "padding", "dilation", "groups", "output_padding")  # the options of a layer
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
MOST = 4  # arguments whose names say nothing: 4! orders are tried


class Context:
    """The ctx of `forward(ctx, ...)` and `backward(ctx, ...)`, as PyTorch's."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep the arrays as `saved_tensors`."""
        self.saved_tensors = self.saved = arrays


@dataclass(frozen=True, eq=False)
class Leaf:
    """An array in an answer, or on an object: where it is, its name or "", and itself.

    slot: whether the name is that of a key, an attribute or a function, and no variable's, as in
    `return x, d`: there the name is its author's word for something, and not for the answer
    """

    path: Path
    name: str
    value: Any
    slot: bool = True


class Named(dict[str, Any]):
    """A dict that is asked under any usual name: {"v": v}["weight_v"] is v."""

    def meaning(self, key: str) -> str | None:
        """The key under which this dict keeps what is asked as `key`; None where there is none."""
        raise NotImplementedError

    def __missing__(self, key: str) -> Any:
        found = self.meaning(key)
        if found is None or not dict.__contains__(self, found):
            raise KeyError(key)
        return dict.__getitem__(self, found)

    def get(self, key: str, default: Any = None) -> Any:
        with contextlib.suppress(KeyError):
            return self[key]
        return default

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or dict.__contains__(self, self.meaning(str(key)))


class Params(Named):
    """The parameters."""

    def meaning(self, key: str) -> str | None:
        """"v", "g", "b", ...: the role of a usual name."""
        found = names.role(key)
        if found == "log_g":
            return "g"
        return "v" if found == "w" and not dict.__contains__(self, "w") else found


class Bundle(Named):
    """The options."""

    def meaning(self, key: str) -> str | None:
        """"stride", "padding", ...: the option of a usual name."""
        return names.option(key)


@dataclass(frozen=True)
class Call:
    """A function, and what each of its arguments stands for."""

    function: Callable[..., Any]
    roles: tuple[tuple[str, str, bool], ...]  # (name, role, by keyword)
    guessed: bool = False  # whether names left something open

    def __call__(self, given: Mapping[str, Any], holder: Any = None) -> Any:
        function = self.function if holder is None else getattr(holder, self.function.__name__)
        positional = [given[role] for _, role, keyword in self.roles if not keyword]
        defaults = _defaults(self.function)
        return function(*positional, **{
            name: for_each(given[role], defaults.get(name))
            for name, role, keyword in self.roles if keyword and role in given
        })

    @property
    def text(self) -> str:
        """(v, g, w_bar): the roles, in their order."""
        shown = (role for _, role, keyword in self.roles if not keyword)
        return f"({', '.join(role.removeprefix('saved ') for role in shown)})"

    def has(self, role: str) -> bool:
        """Whether an argument has this role."""
        return any(r == role for _, r, _ in self.roles)

    def called(self, role: str) -> str:
        """What the function calls the array, or its usual letter."""
        return next((name for name, r, _ in self.roles if r == role and name), role)


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function; of an object that can be called, that of what it is made of."""
    function = whole(function)
    return str(getattr(function, "__name__", type(function).__name__))


def whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of which a `functools.partial` is made, and any other as it is."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def for_each(x: Any, default: Any) -> Any:
    """An option as the default has it: a number for each axis where that is a tuple."""
    return (x,) * len(default) if isinstance(default, tuple) and type(x) is int else x


@functools.cache
def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return {p.name: p.default for p in parameters(function) or ()}


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The arguments without self; None where Python does not know them."""
    try:
        found = list(inspect.signature(function).parameters.values())
        if isinstance(function, type) and any(p.kind in VARIABLE for p in found):
            found = _of_constructor(function)
    except (TypeError, ValueError):
        return None
    return [p for p in found if p.name not in ("self", "cls")]


def _of_constructor(cls: type) -> list[inspect.Parameter]:
    """The arguments of a class and, where it passes on *args and **kwargs, those of its bases."""
    found: dict[str, inspect.Parameter] = {}
    for init in (vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)):
        each = list(inspect.signature(init).parameters.values())
        for p in each:
            found.setdefault(p.name, p)
        if not any(p.kind in VARIABLE for p in each):
            break
    return [p for p in found.values() if p.kind not in VARIABLE]


def role_of(name: str, *, backward: bool, layer: bool, saved: Sequence[str] = ()) -> str | None:
    """What the name of an argument stands for, or None."""
    if names.is_context(name):
        return "ctx"
    if backward and names.is_upstream(name):
        return "upstream"
    if backward and names.cotangent(name) in ({"y"} if layer else {"w", "y"}):
        return "upstream"
    if names.is_cache(name):
        return "cache"
    if backward and name in saved:
        return f"saved {name}"
    known = names.role(name)
    if layer and names.option(name) and known not in ("x", "v", "g", "w", "b"):
        return names.option(name)
    if known is not None:
        return "g" if known == "log_g" else known
    if names.params(name):
        return "params"
    other = names.option(name)
    return other if layer or other in ("axis", "lr") else None


def calls(
    function: Callable[..., Any],
    wanted: Sequence[str],
    *,
    backward: bool = False,
    layer: bool = False,
    given: Sequence[str] = (),
    saved: Sequence[str] = (),
) -> Iterator[Call]:
    """The readings of a function's arguments: by names; where names say nothing, in every order.

    wanted: the arrays that it may take. given: those that it may leave out, as an object has them.
    saved: the names of other answers of forward, which backward may take
    """
    found = parameters(function)
    if found is None or any(p.kind is p.VAR_POSITIONAL for p in found):
        yield Call(function, tuple(("", role, False) for role in wanted))
        return
    roles: list[tuple[str, str | None, bool]] = []
    for p in found:
        if p.kind is p.VAR_KEYWORD:
            continue
        role = role_of(p.name, backward=backward, layer=layer, saved=saved)
        optional = p.default is not p.empty or p.kind is p.KEYWORD_ONLY
        may = (*wanted, "params", "lr", *((*ASKED, "bundle") if layer else ()))
        if optional and role not in may:
            continue
        if optional and isinstance(p.default, str):  # padding="valid": by words, not by numbers
            continue
        roles.append((p.name, role, optional))
    roles = _renamed(roles, wanted)
    known = [role for _, role, _ in roles if role is not None]
    missing = [role for role in wanted if role not in known and role not in given]
    if "params" in known:
        missing = [role for role in missing if role in ("x", "upstream")]
    if {"cache", "ctx"} & {*known}:
        missing = [role for role in missing if role == "upstream"]
    unknown = [i for i, (_, role, _) in enumerate(roles) if role is None]
    if len(unknown) > MOST or len(unknown) < len([r for r in missing if not backward]):
        return
    # For arguments whose names say nothing, arrays that may be left out are tried last.
    spare = [role for role in wanted if role not in known and role in given]
    spare += ["cache"] if backward and "cache" not in known else []
    choices = list(itertools.permutations(missing + spare, len(unknown)))
    choices.sort(key=lambda m: (sum(role in spare for role in m), [*missing, *spare].index(m[0])
                                if m else 0))
    for order in choices:
        if not backward and not {*missing} <= {*order}:
            continue
        filled: list[tuple[str, str, bool]] = []
        rest = iter(order)
        for name, role, optional in roles:
            filled.append((name, role if role is not None else next(rest), optional))
        yield Call(function, tuple(filled), guessed=bool(unknown))


def _renamed(
    roles: list[tuple[str, str | None, bool]], wanted: Sequence[str]
) -> list[tuple[str, str | None, bool]]:
    """The roles, corrected: with a gain, a `weight` or `kernel` is v. Where a backward has no
    upstream, that is what it calls w, next to v, or what has the letter of an option, as d.

    The second of two arguments with one role is unknown, and so is an array that is not wanted.
    """
    present = [role for _, role, _ in roles]
    alone = "upstream" in wanted and not {"upstream", None} & {*present}
    found: list[tuple[str, str | None, bool]] = []
    seen: set[str] = set()
    for name, role, optional in roles:
        if role == "w" and "w" not in wanted:
            role = "upstream" if alone and {"v", "cache"} & {*present} else (
                role if "v" in present else "v")
        if alone and role in ASKED and len(name) == 1 and not optional:
            role = "upstream"
        arrays = ("x", "v", "g", "w", "b", "y")
        if role in arrays and role not in wanted and role != "w":
            role = None
        if role in seen and role in (*arrays, "upstream"):
            role = None
        if role is not None:
            seen.add(role)
        found.append((name, role, optional))
    return found


# ---- answers ------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def returned(function: Callable[..., Any]) -> list[str]:
    """The names in the last `return a, b` of a function: ["a", "b"], "" for what has no name."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return []
    own = [node for node in ast.walk(tree) if isinstance(node, ast.Return)]
    if not own or own[-1].value is None:
        return []
    value = max(own, key=lambda node: node.lineno).value
    elements = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    return [_name(x) for x in elements]


def saved_by(forward: Callable[..., Any] | None) -> list[str]:
    """The names of what forward answers, which backward may take by that name.

    The only answer of a function that works in place has the name of an argument: there an
    argument of backward is the array that was given to forward.
    """
    found = [name for name in returned(forward) if name] if forward is not None else []
    own = {p.name for p in (parameters(forward) or ())} if forward is not None else set()
    return found if len(found) > 1 else [name for name in found if name not in own]


def _name(x: Any) -> str:
    if isinstance(x, ast.Name):
        return x.id
    return x.attr if isinstance(x, ast.Attribute) else ""


def leaves(
    answer: Any, called: Sequence[str] = (), path: Path = (), *, slot: bool = False
) -> list[Leaf]:
    """Every array in an answer, tuples, dicts and named tuples opened.

    called: the names of variables; slot: of keys
    """
    fields = getattr(answer, "_fields", None)
    if fields and isinstance(answer, tuple):
        answer = dict(zip(fields, answer, strict=True))
    if isinstance(answer, Mapping):
        return [
            x for key, value in answer.items()
            for x in leaves(value, [str(key)], (*path, key), slot=True)
        ]
    if isinstance(answer, tuple | list) and not _numbers(answer):
        own = [*called] if len(called) == len(answer) else [""] * len(answer)
        return [
            x for i, value in enumerate(answer)
            for x in leaves(value, [own[i]], (*path, i), slot=slot)
        ]
    if answer is None:
        return []
    return [Leaf(path, called[0] if len(called) == 1 else "", answer, slot)]


def _of_weight(name: str) -> str | None:
    """v for dw, where no argument is the weight itself."""
    return "v" if "w" in (names.cotangent(name), names.role(name)) else None


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a framework's too, or of a number."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def _numbers(x: Sequence[Any]) -> bool:
    """Whether a list is an array written as a list."""
    if isinstance(x, tuple) or not x:
        return False
    return isinstance(x[0], int | float | list) and not isinstance(x[0], bool)


def assigned(
    found: Sequence[Leaf], wanted: Mapping[str, tuple[int, ...]], default: Sequence[str] = ()
) -> dict[str, Path]:
    """{array: the path of its gradient}: by names; where names say nothing, by shapes.

    The name of a slot decides, and may say that its array is none of those that are wanted. The
    name of a variable decides between answers whose shapes are right, and leaves none out.
    wanted: the shape of each array, in the usual order of gradients. default: the arrays of
    answers whose shapes decide nothing either
    """
    order: dict[str, Path] = {}
    rest = [*found]

    def take(role: str, leaf: Leaf) -> None:
        order[role] = leaf.path
        rest.remove(leaf)

    def by_names(*, slot: bool, fits: bool) -> None:
        for meaning in (names.cotangent, names.role, _of_weight):
            for leaf in [x for x in rest if x.slot == slot and x.name]:
                role = meaning(leaf.name)
                role = "g" if role == "log_g" else role
                if role is None or role not in wanted or role in order:
                    continue
                if not fits or shape_of(leaf.value) == wanted[role]:
                    take(role, leaf)

    by_names(slot=True, fits=False)
    by_names(slot=False, fits=True)
    rest = [x for x in rest if not (x.slot and (names.cotangent(x.name) or names.role(x.name)))]
    for role in [r for r in wanted if r not in order]:
        same = [x for x in rest if shape_of(x.value) == wanted[role]]
        if same:
            take(role, same[0])
    by_names(slot=False, fits=False)
    left = [r for r in (default or wanted) if r not in order]
    return order | {role: leaf.path for role, leaf in zip(left, rest, strict=False)}
