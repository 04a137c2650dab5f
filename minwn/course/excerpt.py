"""The part of a notebook that one answer needs: its definition, what that uses, and no more."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["answer_of", "calls", "excerpt", "record"]

MAGIC = re.compile(r"(?m)^\s*[%!?].*$")
COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")


@dataclass(frozen=True)
class _Statement:
    """A statement at the top level of a cell.

    binds: the names that it assigns, defines or imports
    changes: the names of what it assigns into, as `RULES` in `RULES["relu"] = rule`
    now, later: the names that it reads when it runs, and when its functions run
    """

    text: str
    binds: frozenset[str]
    changes: frozenset[str]
    now: frozenset[str]
    later: frozenset[str]


def calls(source: str, *names: str) -> Iterator[tuple[str, ast.Call]]:
    """(name, call) for each call of one of these functions in a cell, outside of definitions."""
    for statement in _parsed(source)[0]:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in names:
                    yield name, node


def answer_of(call: ast.Call) -> str | None:
    """The answer or choice in a call of `check` or `predict`, as an expression, or None."""
    named = [k.value for k in call.keywords if k.arg in ("answer", "choice")]
    found = [*call.args[1:2], *named]
    return ast.unparse(found[0]) if found else None


def record(id: str, cells: Sequence[str]) -> dict[str, Any] | None:
    """{"name": expression, "source": lines} of the answer in `check(id, answer)` of the last cell.

    None where that cell has no such call.
    """
    found = None
    for _, call in calls(cells[-1] if cells else "", "check"):
        if isinstance(call.args[0], ast.Constant) and call.args[0].value == id:
            found = answer_of(call) or found
    if found is None:
        return None
    return {"name": found, "source": excerpt(cells, found).splitlines()}


def excerpt(cells: Sequence[str], expression: str) -> str:
    """The statements of the cells that the names of an expression need, in their order.

    Where a name is defined more than once, what runs at once takes the last definition above it,
    and the body of a function the last of all. Names without a definition are left out.

    cells: sources, in the order in which they ran
    """
    statements = [one for cell in cells for one in _statements(cell)]
    taken: set[int] = set()
    now, later, _ = _names(expression)
    wanted = [(name, len(statements)) for name in now | later]
    done: set[tuple[str, int]] = set()
    while wanted:
        name, limit = wanted.pop()
        if (name, limit) in done:
            continue
        done.add((name, limit))
        at = max((k for k in range(limit) if name in statements[k].binds), default=None)
        if at is None:
            continue
        changes = (k for k in range(at + 1, limit) if name in statements[k].changes)
        for k in {at, *changes} - taken:
            taken.add(k)
            wanted += [(other, k) for other in statements[k].now]
            wanted += [(other, len(statements)) for other in statements[k].later]
    return "\n\n".join(statements[k].text for k in sorted(taken))


@lru_cache(maxsize=1000)
def _statements(cell: str) -> tuple[_Statement, ...]:
    return tuple(_read(*_parsed(cell)))


def _parsed(cell: str) -> tuple[list[ast.stmt], list[str]]:
    """The statements and lines of a cell, without magics; ([], []) where it is no Python."""
    for source in (cell, MAGIC.sub("", cell)):
        try:
            return ast.parse(source).body, source.splitlines()
        except (SyntaxError, ValueError):
            continue
    return [], []


def _read(body: Sequence[ast.stmt], lines: Sequence[str]) -> Iterator[_Statement]:
    for node in body:
        if isinstance(node, ast.Expr):
            continue
        decorators = [one.lineno for one in getattr(node, "decorator_list", ())]
        first, last = min([node.lineno, *decorators]), node.end_lineno or node.lineno
        alone = not any(
            other is not node and other.lineno <= last and (other.end_lineno or 0) >= first
            for other in body
        )
        text = "\n".join(lines[first - 1 : last]) if alone else ast.unparse(node)
        now, later, binds = _names(text)
        changes = frozenset(_changed(node))  # symtable does not say that `n += 1` reads n
        yield _Statement(text, binds, changes, now | changes, later)


def _changed(node: ast.stmt) -> Iterator[str]:
    """The names of what a statement assigns into, by an index or an attribute, or adds to."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return  # these change something when they are called
    for one in ast.walk(node):
        if isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            yield one.target.id
        if isinstance(one, ast.Subscript | ast.Attribute) and isinstance(one.ctx, ast.Store):
            target: ast.expr = one
            while isinstance(target, ast.Subscript | ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                yield target.id


def _names(text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The names that a text reads at once, those that its functions read, and those it binds."""
    top = symtable.symtable(text, "cell", "exec")
    now: set[str] = set()
    later: set[str] = set()
    binds: set[str] = set()
    for symbol in top.get_symbols():
        if symbol.is_referenced():
            now.add(symbol.get_name())
        if symbol.is_assigned() or symbol.is_imported():
            binds.add(symbol.get_name())

    def enter(scope: symtable.SymbolTable, found: set[str]) -> None:
        for child in scope.get_children():
            at_once = child.get_type() == "class" or child.get_name() in COMPREHENSIONS
            into = found if at_once else later
            into.update(s.get_name() for s in child.get_symbols() if s.is_global())
            enter(child, into)

    enter(top, now)
    return frozenset(now), frozenset(later), frozenset(binds)
