"""What a learner has typed: a number, a shape or a choice, whatever its spelling.

`3/4`, `0,75` and `10^-1` are numbers; capitals, articles, spaces and a full stop at the end of a
choice do not count.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["made_of", "numbers", "option", "shape"]

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow,
}


def numbers(text: str) -> list[float]:
    """The numbers that a text may mean: none, one or two ("1,600" is 1600 or 1.6)."""
    text = re.sub(r"\s", "", text).replace("\u2212", "-").replace("^", "**").rstrip(".")
    spellings = [text]
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", text):
        spellings = [text.replace(",", ""), text.replace(",", ".", 1)]
    elif re.fullmatch(r"[-+]?\d*,\d+(e[-+]?\d+)?", text, re.IGNORECASE):
        spellings = [text.replace(",", ".")]
    found = []
    for spelling in spellings:
        try:
            value = _value(ast.parse(spelling, mode="eval").body)
        except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
            continue
        if math.isfinite(value):
            found.append(value)
    return found


def _value(node: ast.AST) -> float:
    """Arithmetic with numbers, and nothing else. Raises ValueError for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return float(_OPERATORS[type(node.op)](_value(node.left), _value(node.right)))
    raise ValueError("this is more than arithmetic")


def made_of(value: Any, given: Mapping[str, Any], digits: int) -> str:
    """How a typed number is made of the given numbers; "" where it is not clear.

    One of them, or two of them in one operation; only if no other operation gives the same.
    """
    letters = {name: float(x) for name, x in given.items() if isinstance(x, int | float)}
    for name, x in given.items():
        if isinstance(x, tuple) and all(isinstance(y, int | float) for y in x):
            letters[f"the sum of {name}"] = float(sum(x))
            letters[f"the length of {name}"] = math.hypot(*x)
    try:
        value = float(value)
    except (TypeError, ValueError):
        return ""
    one = letters | {f"-({name})": -x for name, x in letters.items()}
    two: dict[str, float] = {}
    for (a, x), (b, y) in itertools.permutations(letters.items(), 2):
        two |= {f"({a}) / ({b})": x / y if y else math.inf, f"({a}) - ({b})": x - y}
    for (a, x), (b, y) in itertools.combinations(letters.items(), 2):
        two |= {f"({a}) ({b})": x * y, f"({a}) + ({b})": x + y}
    for level in (one, two):
        room = 0.5 * 10.0 ** (1 - digits) * abs(value)
        found = [text for text, x in level.items() if abs(x - value) <= room]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def shape(answer: Any) -> tuple[int, ...] | None:
    """A shape given as a tuple, a list, a number, or the text of one; None for anything else."""
    if isinstance(answer, str):
        if not re.fullmatch(r"\s*[([]?[\d\s,]*[)\]]?\s*", answer):
            return None
        return tuple(int(n) for n in re.findall(r"\d+", answer))
    if isinstance(answer, int | np.integer) and not isinstance(answer, bool):
        return (int(answer),)
    if isinstance(answer, tuple | list | np.ndarray):
        sizes = list(answer)
        if all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes):
            return tuple(int(n) for n in sizes)
    return None


def option(answer: Any, options: Iterable[str]) -> str | None:
    """The option that a text means, as the options spell it; None where it means none."""
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, list | tuple | np.ndarray):
        answer = tuple(x.item() if isinstance(x, np.generic) else x for x in answer)
    exact = [one for one in options if str(answer) == one]
    alike = exact or [one for one in options if _key(answer) == _key(one)]
    return alike[0] if len(alike) == 1 else None


def _key(text: Any) -> str:
    words = str(text).casefold().strip().strip("\"'").rstrip(".").strip()
    words = re.sub(r"^(a|an|the)\s+", "", words)
    return re.sub(r"\s+", " ", re.sub(r"\s*([(),/=])\s*", r"\1", words))
