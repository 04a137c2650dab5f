"""Writes the parts of tutorials/TEACHERS.md that come from the notebooks and the exercises.

    python -m tests.course.teachers            # write them
    python -m tests.course.teachers --check    # exit 1 if they are not up to date

Each part stands between two comments, <!-- outcomes --> and <!-- /outcomes -->, and so on. The
messages come from the wrong answers in `answers`, which only a checkout has.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minwn.course.exercise import Exercise, chapter, drawn
from minwn.course.locations import notebooks, tutorials
from minwn.course.session import judged

from .answers import answers

__all__ = ["PARTS", "messages", "written"]

COMMON = 4  # messages for each exercise, whose wrong answers begin with the most common
FORMAL = re.compile(
    r"hand over|is not a choice|is asked for|raised \w+Error|is None;|, which is too "
)


def _first_cell(path: Path) -> str:
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])


def _chapters() -> list[tuple[str, str]]:
    """("05", its first cell) for every notebook."""
    return [(path.name[:2], _first_cell(path)) for path in notebooks()]


def _title(text: str) -> str:
    return text.splitlines()[0].removeprefix("# ")


def messages(
    exercise: Exercise, wrong: tuple[tuple[Any, str], ...], common: int = COMMON
) -> list[str]:
    """The messages for the most common wrong answers, each once."""
    numbers = drawn(exercise, np.random.default_rng(0))
    found: list[str] = []
    for answer, _ in wrong:
        if len(found) == common:
            break
        with np.errstate(all="ignore"):
            said = judged(exercise, answer(numbers) if exercise.variant else answer, numbers)
        if said and said not in found and not FORMAL.search(said):
            found.append(said)
    return found


def _outcomes() -> str:
    lines = []
    for _, text in _chapters():
        found = re.search(r"\*\*(\d+) minutes\*\*", text)
        goals = text.partition("**You will be able to**")[2].split("\n\n")
        bullets = re.sub(r"\n  ", " ", goals[1] if len(goals) > 1 else "")
        lines += [f"**{_title(text)}** ({found[1] if found else '?'} minutes)", "", bullets, ""]
    return "\n".join(lines).strip()


def _answers() -> str:
    lines = []
    for number, text in _chapters():
        lines += [
            f"### {_title(text)}",
            "",
            "| | exercise | what the student reads |",
            "|---|---|---|",
        ]
        for exercise in chapter(number).values():
            if exercise.prediction:
                continue
            for k, said in enumerate(messages(exercise, answers(number)[exercise.id].wrong)):
                head = f"{exercise.id} | {_cell(exercise.title)}" if k == 0 else " | "
                lines.append(f"| {head} | `{_cell(said)}` |")
        lines.append("")
    return "\n".join(lines).strip()


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _variants() -> str:
    ids = [e.id for number, _ in _chapters() for e in chapter(number).values() if e.variant]
    return f"Exercises with numbers of their own: {', '.join(ids)}."


PARTS: dict[str, Callable[[], str]] = {
    "outcomes": _outcomes, "variants": _variants, "answers": _answers,
}


def written(text: str) -> str:
    """The text with each part up to date. Raises ValueError for a part without its comments."""
    for name, part in PARTS.items():
        head, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- /{name} -->\n")
        if not begin or not end:
            raise ValueError(f"write <!-- {name} --> and <!-- /{name} -->, a line each")
        text = f"{head}{begin}\n{part()}\n\n{end}{tail}"
    return text


def main(arguments: list[str]) -> int:
    """Write the file, or with --check only compare."""
    path = tutorials() / "TEACHERS.md"
    old = path.read_text(encoding="utf-8")
    new = written(old)
    if old == new:
        return 0
    if "--check" in arguments:
        print(f"{path} is not up to date; run python -m tests.course.teachers", file=sys.stderr)
        return 1
    path.write_text(new, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
