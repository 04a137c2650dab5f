"""Printed formulas read as Python: "(g/n) (w_bar - (d/n^2) v)", as people write them.

    sum      = ["-"] product {("+" | "-") product}
    product  = power {["/"] power}                      side by side is a product
    power    = atom ["^" number]
    atom     = number | name | name "(" sum {"," sum} ")" | "(" sum ")"
             | "|" sum "|"  | "||" sum "||"  |  "<" sum "," sum ">"

Names are w_bar, v, g, n, d = <w_bar, v>, w, m (the entries of a slice) and slices (how many).
|x| is an absolute value; for each slice, ||x|| is the length, <x, y> the dot product, and sum(x)
and mean(x) are what they say; grand_sum(x) is over all slices; roll and flip move slices.
"""

from __future__ import annotations

import re

__all__ = ["python"]

_TOKEN = re.compile(r"\s*(\d+|\w+|\|\||[-+/^()<>,|])")
_CLOSING = {")", ">", "|", "||", ",", "+", "-", "/", "^"}
_NAMES = {"w_bar", "v", "g", "n", "d", "w", "m", "slices"}
_FUNCTIONS = {"sum", "mean", "exp", "roll", "flip", "grand_sum"}


def python(text: str, v: str = "v") -> str:
    """The formula as a Python expression; `v` is called so in it.

    Raises ValueError for what is no formula.
    """
    reader = _Reader(text, v)
    found = reader.sum()
    if reader.tokens:
        raise reader.error()
    return found


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
