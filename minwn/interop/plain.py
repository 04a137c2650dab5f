"""The contents that a file may have: arrays of plain numbers, under plain names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..validation import did_you_mean, texts, whole

__all__ = ["DTYPES", "FileError", "Selection", "check_name", "check_shape", "leaves"]

# safetensors' names for the dtypes that a state may hold.
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}
_COLLECTIONS = ("params", "batch_stats")  # of Flax, above all levels of a model


class FileError(ValueError):
    """A file that is damaged, too large, or not of the format in its name."""


class Selection:
    """Which arrays of a file are read, under which names, and how much memory they may take.

    only: prefixes; what is below one is read, under its name without it. drop: patterns of names,
    or of levels above them, that are not read. left: where to note, by name, what is no array of
    numbers; None to raise FileError for it.
    """

    def __init__(
        self, limit: int, only: Iterable[str] = (), drop: Iterable[str] = (),
        left: dict[str, str] | None = None,
    ) -> None:
        self.limit, self.taken, self.left = whole("limit", limit, least=0), 0, left
        prefixes = (prefix.rstrip(".") for prefix in texts("only", only))
        longest = sorted(prefixes, key=len, reverse=True)
        self.only = dict.fromkeys(longest, False)  # of two that fit, the longer counts
        self.drop = dict.fromkeys(texts("drop", drop), False)
        self.dropped: list[str] = []
        self._old: dict[str, str] = {}  # new name -> old

    def peek(self, old: str) -> str | None:
        """The name under which an array is read, or None where it is not."""
        new = self.below(old)
        if new is None:
            return None
        levels = [new, *_above(new)]
        fits = [x for x in self.drop if any(fnmatchcase(level, x) for level in levels)]
        self.drop |= dict.fromkeys(fits, True)
        return None if fits else new

    def name(self, old: str) -> str | None:
        """`peek`, with a note of what becomes of the array."""
        new = self.peek(old)
        if new is None:
            self.dropped.append(old)
        elif self._old.setdefault(new, old) != old:
            raise FileError(f"{self._old[new]!r} and {old!r} would both be called {new!r}")
        return new

    def below(self, old: str) -> str | None:
        """The name without the prefix that it is below; None where it is below none."""
        if not self.only:
            return old
        collection, _, rest = old.partition(".")
        for prefix in self.only:
            for given, above in ((old, ""), (rest, f"{collection}.")):
                if given.startswith(f"{prefix}.") and (not above or collection in _COLLECTIONS):
                    self.only[prefix] = True
                    return above + given.removeprefix(f"{prefix}.")
        return None

    def take(self, name: str, shape: Sequence[int], itemsize: int) -> None:
        """Count the bytes of an array, before there is any memory for it."""
        check_shape(name, shape, itemsize)
        self.taken += math.prod(shape) * itemsize
        if self.taken > self.limit:
            raise FileError(
                f"its arrays take {self.taken} bytes and more, over the limit of {self.limit}"
            )

    def refuse(self, name: str, why: str) -> None:
        """Leave out an array that a state cannot hold, or raise FileError for it."""
        if self.left is None:
            held = ", ".join(DTYPES.values())
            raise FileError(f"{name!r} is {why}, and a state holds {held}")
        self.left[name] = why

    def gather(
        self, items: Iterable[tuple[str, Any]], array: Callable[[Any], Any], *,
        refused: Callable[[Any], str | None] = lambda x: None, counted: bool = False,
    ) -> dict[str, Any]:
        """{name: array(value)} of what is selected of (name, value), each name once.

        What has no dtype is left out. refused: what a value is, where a state cannot hold it.
        counted: its memory is already.
        """
        state, seen = {}, set()
        for old, x in items:
            if old in seen:
                raise FileError(f"{old!r} is there twice")
            seen.add(old)
            name = self.name(old)
            if name is None:
                continue
            if not hasattr(x, "dtype") or not hasattr(x, "shape"):
                if self.left is not None:
                    self.left[name] = "None" if x is None else f"of type {type(x).__name__}"
                continue
            dtype = getattr(x.dtype, "name", str(x.dtype).removeprefix("torch."))
            why = refused(x) or (None if dtype in DTYPES.values() else f"an array of {dtype}")
            if why:
                self.refuse(name, why)
                continue
            if not counted:
                self.take(name, tuple(x.shape), x.dtype.itemsize)
            state[name] = array(x)
        return state

    def parts(self) -> tuple[set[str], set[str]]:
        """The names in the file of the arrays that were read, and of those that were not."""
        left = {self._old[name] for name in self.left or ()}
        return set(self._old.values()) - left, left.union(self.dropped)

    def finish(self) -> None:
        """Raise FileError where a prefix or a pattern fits nothing in the file."""
        names = [*self._old.values(), *self.dropped, *(self.left or ())]
        levels = [level for name in names for level in _above(name)]
        for prefix, used in self.only.items():
            if not used:
                raise FileError(f"nothing is below {prefix!r}{_near(prefix, levels or names)}")
        for pattern, used in self.drop.items():
            if not used:
                raise FileError(f"nothing to drop fits {pattern!r}{_near(pattern, names + levels)}")


def _above(name: str) -> list[str]:
    """ "a.b" and "a" for "a.b.c"."""
    levels = name.split(".")
    return [".".join(levels[:n]) for n in range(len(levels) - 1, 0, -1)]


def _near(name: str, names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    top = list(dict.fromkeys(x.partition(".")[0] for x in known))
    more = f" and {len(top) - 8} more" * (len(top) > 8)
    there = f"; at the top there are {', '.join(top[:8])}{more}" if top else "; the file is empty"
    return did_you_mean(name, known) or there


def check_name(name: str, error: type[ValueError]) -> None:
    """Raise if the name could be a path out of the folder, in any tool that opens it."""
    if len(name) > 1000:
        raise error(f"a name of {len(name)} letters, {name[:40]!r}...")
    parts = name.split("/")
    if not all(parts) or ".." in parts or "." in parts or "\\" in name or name[1:2] == ":":
        raise error(f"{name!r} is not a plain name")
    if not name.isprintable():
        raise error(f"{name!r} has characters that do not print")


def check_shape(name: str, shape: Any, itemsize: int) -> None:
    """Raise FileError for a shape that no array can have, even one without entries."""
    if not isinstance(shape, Sequence) or not all(type(n) is int and n >= 0 for n in shape):
        raise FileError(f"{name!r} is an array of shape {shape}")
    if len(shape) > 32 or math.prod(n for n in shape if n) * itemsize >= 2**63:
        raise FileError(f"{name!r} has the shape {_short(shape)}, which no array can have")


def _short(shape: Sequence[int]) -> str:
    return str(tuple(shape)) if len(shape) <= 8 else f"of {len(shape)} axes"


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) for what is in nested mappings and lists, the levels joined by dots.

    Raises FileError for a tree that contains itself, has more than 64 levels or 200,000 items: one
    list may stand in another many times.
    """
    return _leaves(tree, prefix, (), itertools.count())


def _leaves(
    tree: Any, prefix: str, above: tuple[int, ...], visited: Iterator[int]
) -> Iterator[tuple[str, Any]]:
    if id(tree) in above or len(above) > 64:
        raise FileError(f"{prefix[:80]!r} contains itself, or has more than 64 levels")
    items: Any = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    for key, x in items:
        if next(visited) >= 200_000:
            raise FileError("it has more than 200,000 items")
        name = f"{prefix}{'.'.join(map(str, key)) if isinstance(key, tuple) else key}"
        if isinstance(x, Mapping | list | tuple) and not hasattr(x, "dtype"):
            yield from _leaves(x, f"{name}.", (*above, id(tree)), visited)
        else:
            yield name, x
