"""A learner's own functions, brought from one notebook into another."""

from __future__ import annotations

import itertools
import json
import linecache
from collections.abc import Mapping
from typing import Any

from . import excerpt, session
from .exercise import chapter_of, find
from .locations import notebooks

__all__ = ["mine"]

_count = itertools.count(1)


def mine(id: str, *names: str) -> Any:
    """Your right answer to an exercise of another notebook; without one, that of the solution.

    `check` keeps the code of a right answer with the progress. It runs here, and is judged once
    more. One line says whose function it is.

    names: of other things that its notebook defines; the result is then (answer, *those)
    Raises KeyError for an unknown id, and ValueError where there is no such name.
    """
    find(id)
    kept = session.kept_answer(id)
    why = "no right answer of yours is kept here" if kept is None else ""
    found: tuple[Any, ...] = ()
    if kept is not None:
        try:
            found = _run(kept, f"your answer to {id}", names)
            message = session.verdict(id, found[0])
            why = f"what is kept is not right: {message}" if message else ""
        except Exception as error:
            why = f"what is kept does not run: {type(error).__name__}: {error}"
    if why:
        kept, found = _solution(id, names)
    whose = f"the reference takes its place ({why})" if why else "yours"
    print(f"{id:>5}  {kept['name'] if kept else '':16} {whose}")
    return found if names else found[0]


def _run(answer: Mapping[str, Any], title: str, names: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of the answer and of names, in a namespace of their own."""
    lines = [str(line) for line in answer["source"]]
    file = f"<{title}, {next(_count)}>"
    linecache.cache[file] = (0, None, [f"{line}\n" for line in lines], file)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n".join(lines), file, "exec"), space)
    missing = [name for name in names if name not in space]
    if missing:
        raise ValueError(f"{missing[0]!r} is not defined in {title}")
    return (eval(str(answer["name"]), space), *(space[name] for name in names))


def _solution(id: str, names: tuple[str, ...]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The right answer of the solution notebook. Raises FileNotFoundError without the notebooks."""
    cells: list[str] = []
    for path in notebooks(solutions=True):
        if path.name.startswith(chapter_of(id)):
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
                if cell["cell_type"] != "code":
                    continue
                cells.append("".join(cell["source"]))
                answer = excerpt.record(id, cells)
                if answer:
                    found = _run(answer, f"the solution of {id}", names)
                    if session.verdict(id, found[0]) is None:  # it may show a wrong one, too
                        return answer, found
    raise ValueError(f"this installation has no solution of {id}")
