"""Printed formulas read as Python: "(g/n) (w_bar - (d/n^2) v)", as people write them.

    lines    = line {";" line}
    line     = name ["=" sum]                               a name alone is the right line
    sum      = ["-"] product {("+" | "-") product}
    product  = power {["/"] power}                      side by side is a product
    power    = atom ["^" number]
    atom     = number | name | name "(" sum {"," sum} ")" | "(" sum ")"
             | "|" sum "|"  | "||" sum "||"  |  "<" sum "," sum ">"

A line names an answer, or what the lines after it are to take for n, d, v and so on: with
"n = roll(n); v_bar; g_bar" both gradients have the n of the neighbouring slice. A new v, g or w_bar
changes what is made of it, too.

Names are w_bar, v, g, n, d = <w_bar, v>, w, m (the entries of a slice) and slices (how many); along
is n dh/dv, which is v where n is the length; for the second order A, B, a = <A, v>, c = <A, w_bar>.
|x| is an absolute value; for each slice, ||x|| is the length, <x, y> the dot product, and sum(x),
mean(x) and max(x) are what they say; norm(x) is the length in the form of the spec; over(x) is the
sum over other axes, whose n and along are N and V, grand_sum(x) that over all slices; roll and flip
move slices, first(x) is of the first slice for all; but_last(x) has a last entry of 0 in each,
first_part(x) zeros in all but the first index of their first axis;
top(x) is the derivative of max(|x|).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

__all__ = ["Program", "python"]

_TOKEN = re.compile(r"\s*(\d+|\w+|\|\||[-+/^()<>,|])")
_CLOSING = {")", ">", "|", "||", ",", "+", "-", "/", "^"}
_INPUTS = {"v", "g", "w_bar"}
_NAMES = _INPUTS | {
    "n", "d", "w", "m", "slices", "along", "N", "D", "V", "A", "B", "a", "c", "v_dot", "g_dot",
}
_FUNCTIONS = {
    "sum", "mean", "max", "sqrt", "exp", "softplus", "sigmoid", "tanh", "sign", "norm", "over",
    "grand_sum", "roll", "flip", "first", "but_last", "first_part",
    "top",
}
Names = dict[str, Any]


def python(text: str, v: str = "v") -> str:
    """The formula as a Python expression; `v` is called so in it.

    Raises ValueError for what is no formula.
    """
    reader = _Reader(text, v)
    found = reader.sum()
    if reader.tokens:
        raise reader.error()
    return found


class Program:
    """Lines, read once, to be computed with anybody's numbers."""

    def __init__(self, text: str, right: Mapping[str, str]) -> None:
        """right: the right line for each answer. Raises ValueError for what cannot be read."""
        self.lines: list[tuple[str, CodeType]] = []
        self.right = right
        for line in filter(None, map(str.strip, text.split(";"))):
            name, _, formula = line.partition(" = ")
            if not (name in right or (formula and name in _NAMES)):
                raise ValueError(f"{line!r} is no line; write an answer, or name = formula")
            self.lines.append((name, _compiled(name, formula.partition(" = ")[0] or right[name])))
        self.answers = tuple(name for name, _ in self.lines if name in right)

    def answer(self, wanted: str, names: Names, at: Callable[..., Names]) -> Any:
        """One answer, right where no line says otherwise. at(v=..., g=..., w_bar=...): the names
        for other inputs."""
        if wanted not in self.answers:
            return eval(_compiled(wanted, self.right[wanted]), names)
        given: dict[str, Any] = {}
        for name, code in self.lines:
            if name == wanted:
                break
            if name in _INPUTS:
                given[name] = eval(code, names)
                names = at(**given)
            elif name not in self.answers:
                names = {**names, name: eval(code, names)}
        return eval(code, names)


@functools.cache
def _compiled(name: str, formula: str) -> CodeType:
    # In v_bar v is that of the projection, which in the plain form is v.
    code = python(formula, v="along" if name == "v_bar" else "v")
    return compile(code, code, "eval")


def _dot(x: str, y: str) -> str:
    x, y = (f"({part})" if " " in part else part for part in (x, y))
    return f"sum({x}*{y})"


class _Reader:
    """Tokens from left to right; each method reads one rule of the grammar."""

    def __init__(self, text: str, v: str) -> None:
        self.text, self.v = text, v
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise self.error()

    def error(self) -> ValueError:
        left = " ".join(self.tokens)
        return ValueError(f"{self.text!r} is no formula; it cannot be read from {left!r} on")

    def at(self, *tokens: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in tokens

    def take(self, *tokens: str) -> str:
        if not self.tokens or (tokens and self.tokens[0] not in tokens):
            raise self.error()
        return str(self.tokens.pop(0))

    def sum(self) -> str:
        found = self.take("-") if self.at("-") else ""
        found += self.product()
        while self.at("+", "-"):
            found += f" {self.take()} {self.product()}"
        return found

    def product(self) -> str:
        found = self.power()
        while self.tokens and (self.at("/") or not self.at(*_CLOSING)):
            found += (self.take() if self.at("/") else "*") + self.power()
        return found

    def power(self) -> str:
        found = self.atom()
        if self.at("^"):
            self.take()
            found += f"**{self.take()}"
        return found

    def atom(self) -> str:
        token = self.take()
        if token == "(":
            found = f"({self.sum()})"
            self.take(")")
            return found
        if token == "|":
            found = f"abs({self.sum()})"
            self.take("|")
            return found
        if token == "||":
            x = self.sum()
            self.take("||")
            return f"sqrt({_dot(x, x)})"
        if token == "<":
            x = self.sum()
            self.take(",")
            y = self.sum()
            self.take(">")
            return _dot(x, y)
        if token in _FUNCTIONS and self.at("("):
            return self.call(token)
        if token not in _NAMES and not token.isdecimal():
            self.tokens.insert(0, token)
            raise self.error()
        return self.v if token == "v" else token

    def call(self, name: str) -> str:
        self.take("(")
        given = [self.sum()]
        while self.at(","):
            self.take()
            given.append(self.sum())
        self.take(")")
        if name == "mean":
            return f"(sum({given[0]})/m)"
        return f"{name}({', '.join(given)})"
