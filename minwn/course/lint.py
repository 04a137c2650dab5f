"""The rules for notebooks: required parts, and forbidden ones."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .exercise import Exercise, chapter
from .formats import build
from .html import FIGURE, spoken
from .source import Cell, Tutorial, read

__all__ = ["committed", "complaints"]

CALL = re.compile(r"\b(check|hint|predict|reveal|given)\(\s*[\"']([^\"']+)[\"']")
TASK = re.compile(r"^\s*# (\d+\.T?\d+): ", re.MULTILINE)
DRAWS = re.compile(r"\bplt\.(subplots|figure|plot|show)\b|\.savefig\(|\bdraw\.(?!panel)\w+\(")
SECTIONS = (
    ("## Exit ticket", "an exit ticket"),
    ("## Where this goes wrong in real libraries", "a true case"),
    ("## References", "what to read, with a link"),
)


def complaints(tutorial: Tutorial) -> list[str]:
    """The faults of a source, one sentence each."""
    known = chapter(tutorial.number)
    found = [*_opening(tutorial), *_headings(tutorial), *_parts(tutorial)]
    found += [*_figures(tutorial), *_ids(tutorial, known), *_words(tutorial)]
    return [f"{tutorial.stem}: {one}" for one in found]


def committed(source: Path, root: Path) -> list[str]:
    """The notebooks in `root` that differ from what the source makes, or hold outputs."""
    found = []
    for name, text in build(read(source)).items():
        path = root / name
        if not path.is_file():
            found.append(f"{name} is missing; run minwn tutorials build")
        elif path.read_text(encoding="utf-8") != text:
            cells = _cells(path)
            if any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
                found.append(f"{name} has outputs; run minwn tutorials build")
            else:
                found.append(f"{name} is not what its source makes; run minwn tutorials build")
    return found


def _cells(path: Path) -> list[dict]:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("cells", [])
    except (ValueError, AttributeError):
        return []


def _texts(tutorial: Tutorial, kind: str) -> list[Cell]:
    return [cell for cell in tutorial.cells if cell.kind == kind]


def _opening(tutorial: Tutorial) -> Iterator[str]:
    first = tutorial.cells[0] if tutorial.cells else Cell("code", "")
    text = first.source
    if first.kind != "markdown" or not text.startswith(f"# {int(tutorial.number)} "):
        yield f"the first cell does not begin with '# {int(tutorial.number)} Title'"
    if tutorial.minutes is None:
        yield "the first cell does not say '**45 minutes**'"
    if "**Before this:**" not in text:
        yield "the first cell does not say '**Before this:**' and what one must know"
    goals = text.partition("**You will be able to**")[2]
    if len(re.findall(r"(?m)^- ", goals)) < 2:
        yield "the first cell has not '**You will be able to**' and at least two goals in a list"
    code = _texts(tutorial, "code")
    if not code or "from minwn.course import" not in code[0].source:
        yield "the first code cell does not import from minwn.course"


def _headings(tutorial: Tutorial) -> Iterator[str]:
    levels = []
    for cell in _texts(tutorial, "markdown"):
        outside = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
        levels += [(len(m[1]), m[2]) for m in re.finditer(r"(?m)^(#+) (.+)$", outside)]
    if sum(level == 1 for level, _ in levels) != 1:
        yield "there is not exactly one heading of the first level"
    for (above, _), (level, text) in itertools.pairwise(levels):
        if level > above + 1:
            yield f"the heading {text!r} skips a level"


def _parts(tutorial: Tutorial) -> Iterator[str]:
    markdown = "\n\n".join(cell.source for cell in _texts(tutorial, "markdown"))
    code = "\n".join(cell.source for cell in _texts(tutorial, "code"))
    if "predict(" not in code:
        yield "nothing is predicted"
    if "# BEGIN SOLUTION" not in code:
        yield "nothing is implemented"
    if "**Modify.**" not in markdown:
        yield "there is no '**Modify.**': a number to change and look again"
    for heading, what in SECTIONS:
        if heading not in markdown:
            yield f"there is no {heading!r}: {what}"
    tickets = set(re.findall(r"check\(\s*\"(\d+\.T\d+)\"", code))
    if len(tickets) != 3:
        yield f"the exit ticket has {len(tickets)} checked questions, not 3"
    last = _texts(tutorial, "code")[-1:]
    if not last or "progress(" not in last[0].source:
        yield "the last code cell does not call progress()"


def _figures(tutorial: Tutorial) -> Iterator[str]:
    for index, cell in enumerate(tutorial.cells):
        if cell.kind == "code" and DRAWS.search(cell.source):
            below = tutorial.cells[index + 1 : index + 2]
            found = FIGURE.match(below[0].source) if below else None
            if not found or not re.search(r"\.\)?$", found[1]):
                yield f"cell {index} draws, and no '**Figure.** A sentence.' stands below it"
            else:
                try:
                    spoken(found[1])
                except ValueError as error:
                    yield f"cell {index}: {error}"
            labelled = "xlabel" in cell.source or "axis(" in cell.source or "draw." in cell.source
            if not labelled:  # the functions of draw ask for labels
                yield f"cell {index} draws, and its axes have no labels"


def _ids(tutorial: Tutorial, known: dict[str, Exercise]) -> Iterator[str]:
    code = "\n".join(cell.source for cell in _texts(tutorial, "code"))
    text = "\n".join(cell.source for cell in tutorial.cells)
    used: dict[str, set[str]] = {}
    for word, id in CALL.findall(code):
        used.setdefault(id, set()).add(word)
    for id in TASK.findall(code):
        used.setdefault(id, set()).add("todo")
    for id in sorted(set(used) - set(known)):
        yield f"{id} is not registered in exercises/n{tutorial.number}.py"
    for id, exercise in known.items():
        words = used.get(id, set())
        want = "predict" if exercise.prediction else "check"
        if want not in words:
            yield f"{id} is registered, and the notebook does not {want} it"
        settled = {e.reveals for e in known.values() if "check" in used.get(e.id, set())}
        if exercise.prediction and "reveal" not in words and id not in settled:
            yield f"{id} is predicted and never revealed"
        if not exercise.prediction and len(exercise.hints) != 3:
            yield f"{id} has {len(exercise.hints)} hints, not 3"
        for option in exercise.choices:
            if f'"{option}"' not in text:
                yield f"{id} knows the choice {option!r}, which the notebook does not offer"


def _words(tutorial: Tutorial) -> Iterator[str]:
    for index, cell in enumerate(tutorial.cells):
        if cell.kind == "markdown":
            prose = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|!\[", "", cell.source, flags=re.DOTALL)
            if "!" in prose:
                yield f"cell {index} has an exclamation mark"
        for number, line in enumerate(cell.source.splitlines(), 1):
            if cell.kind == "code" and len(line) > 100:
                yield f"cell {index}, line {number}: {len(line)} characters"
