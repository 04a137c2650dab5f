"""A report on one screen: the error, the wrong line and the right one, a case for paper.

Every line belongs to a block of some kind. Where the screen is too small, blocks are left out, the
kinds that matter least first; all of it is in the JSON and on the page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextvars import ContextVar, copy_context
from typing import Any

import numpy as np

from ..diagnosis import Diagnosis
from .data import Findings, MinimalCase
from .glossary import CHECKS, GRADES, LAWS, NEXT, correct_formulas, symbols

__all__ = ["HEIGHT", "WIDTH", "listed", "printable", "screen"]

HEIGHT, WIDTH = 24, 100
_width = ContextVar("width", default=WIDTH)  # of the screen that is being laid out
_INDENT = 12
_NARROW = 72  # columns; below, no words stand next to the counts of the checks

Block = tuple[str, list[str]]
KINDS = (  # the most important first
    "mistake", "next", "read as", "on paper", "checks", "letters", "evidence", "worst",
    "all right", "seen in", "gap", "skipped", "note",
)


def screen(r: Findings, width: int = WIDTH) -> str:
    """At most HEIGHT lines of at most `width` columns; more for what could not be called."""
    context = copy_context()
    context.run(_width.set, width)
    return context.run(_screen, r)


def _screen(r: Findings) -> str:
    if r.verdict == "REFUSED" and "wanted" in r.notes:  # it could not be called
        notes = [line for note in r.notes for line in _folded(note)]
        return "\n".join([_head(r), f"  {printable(r.headline)}", *notes])
    gap: Block = ("gap", [""])
    blocks: list[Block] = [("mistake", [_head(r), *_wrapped("", r.headline, indent=2)])]
    if r.verdict == "PASS" and r.grade:
        blocks.append(("mistake", _wrapped("grade", f"{r.grade}: {GRADES[r.grade]}")))
    read = [note.removeprefix("read as ") for note in r.notes if read_as(note)]
    blocks += [("read as", _wrapped("read as", note)) for note in read]
    for i, group in enumerate(r.rivals):
        blocks += _named(r, group, i)
    blocks += [gap, *_on_paper(r)]
    if r.worst is not None:
        w = r.worst
        size = f"error {abs(w.got - w.expected):.2g}   allowed {w.allowed:.2g}"
        lines = [
            *_wrapped("worst", w.location),
            *_wrapped("", f"got {w.got:.8g}   expected {w.expected:.8g}   {size}"),
        ]
        blocks.append(("worst", lines))
    notes = [note for note in r.notes if not read_as(note)]
    notes.sort(key=lambda note: not note.startswith("it printed"))  # the last are left out first
    blocks += [gap, *_checks(r), *_skipped(r)]
    blocks += [("note", _wrapped("note", note)) for note in notes]
    if r.verdict in NEXT and not r.layer:
        blocks.append(("next", _wrapped("next", NEXT[r.verdict])))
    return "\n".join(_fitted(blocks))


def read_as(note: str) -> bool:
    """Whether a note says how a target was read."""
    return note.startswith("read as ")


def _fitted(blocks: list[Block]) -> list[str]:
    shown, height = list(blocks), HEIGHT
    while sum(len(lines) for _, lines in shown) > height:
        del shown[max(range(len(shown)), key=lambda i: (KINDS.index(shown[i][0]), i))]
        height = HEIGHT - 1
    found: list[str] = []
    for _, lines in shown:
        if lines != [""] or found[-1]:
            found += lines
    found = found if found[-1] else found[:-1]
    return found if height == HEIGHT else [*found, *_wrapped("more", "in --html, or to_html()")]


def _head(r: Findings) -> str:
    tail = f"    {r.settings}, {r.seconds:.2f} s"
    width = max(_width.get() - len(r.title) - 2 - len(tail), 16)
    return f"{r.title}  {_clipped(printable(r.name), width)}{tail}"[: _width.get()].rstrip()


def _named(r: Findings, group: Sequence[Diagnosis], number: int) -> list[Block]:
    """One mistake, or several that look the same: the wrong line, the right one, the fix."""
    d = group[0]
    where = f", in {listed(d.outputs)}"
    word = "declared" if r.verdict == "ACCEPTABLE" else "mistake"
    if number > 1:
        return [("checks", _wrapped("also", f"{d.id}{where}: {d.formula}", 1))]
    blocks: list[Block] = []
    if len(group) == 1:
        blocks.append(("mistake", _wrapped(word, d.id + where)))
        label = "yours" if "=" in d.formula else "what"
        blocks.append(("mistake", _wrapped(label, d.formula)))
    else:
        text = f"these {len(group)} mistakes{where}: each explains every number seen"
        width = max(len(x.id) for x in group[:5])
        lines = [f"{'':{_INDENT}}{x.id:{width}}  {x.formula}" for x in group[:5]]
        lines += [f"{'':{_INDENT}}and {len(group) - 5} more"] if len(group) > 5 else []
        lines = [_clipped(printable(x), _width.get()) for x in lines]
        blocks.append(("mistake", [*_wrapped("one of", text), *lines]))
    formulas = correct_formulas(d, r.form, layer=bool(r.layer))
    if formulas:
        blocks.append(("mistake", _wrapped("right", formulas, 3)))
        if number == 0 and not set(d.outputs) & {"y", "x_bar", "w_bar", "b_bar"}:
            blocks.append(("letters", _wrapped("", f"({symbols(r.axis, d, r.form)})")))
    if r.verdict != "ACCEPTABLE":
        before = {x.fix for x in r.rivals[0]} if number else set()
        fixes = [x for x in dict.fromkeys(x.fix for x in group) if x not in before]
        blocks.append(("mistake", _wrapped("fix", "; or ".join(fixes))))
    if len(group) > 1:
        text = "to tell them apart, ask more: forward and backward, quick=False, ranks=range(1, 6)"
        blocks.append(("mistake", _wrapped("next", text)))
    else:
        blocks.append(("evidence", _wrapped("evidence", d.evidence)))
        blocks.append(("seen in", _wrapped("seen in", d.seen_in)))
    return [(kind, lines) for kind, lines in blocks if lines]


def _on_paper(r: Findings) -> list[Block]:
    """The smallest case: v, g, w_bar, and the output as it is and as it should be."""
    s = r.minimal_case
    if s is None:
        return []
    lines = _beside([_matrix(*_squeezed(name, x)) for name, x in s.inputs])
    wrong = s.ratio(r.dtype) > 1
    digits = _digits(s, wrong)
    got, expected = _squeezed(s.output, s.got), _squeezed("expected", s.expected)
    marked = None if wrong.all() else wrong.reshape(np.shape(got[1]))
    lines += _beside(
        [_matrix(f"{got[0]}: got", got[1], digits, marked), _matrix(*expected, digits)]
    )
    lines = [f"{'on paper' if i == 0 else '':10}{line}" for i, line in enumerate(lines)]
    if wrong.any() and not wrong.all():
        lines.append(f"{'':10}(* wrong)")
    return [("on paper", [_clipped(f"  {line}", _width.get()) for line in lines])]


def _squeezed(name: str, x: Any) -> tuple[str, Any]:
    """x[0, 0] in the place of an image of one sample and one channel."""
    array = np.asarray(x, "float64")
    lead = 0
    while array.ndim > 2 and len(array) == 1:
        array, lead = array[0], lead + 1
    return (f"{name}[{', '.join('0' * lead)}]" if lead else name), array


def _digits(s: MinimalCase, wrong: np.ndarray) -> int:
    """How many digits it takes for a wrong number to look wrong."""
    pairs = np.stack([np.asarray(s.got, "float64")[wrong], np.asarray(s.expected)[wrong]], axis=-1)
    for digits in (6, 9, 12):
        if all(f"{x:.{digits}g}" != f"{y:.{digits}g}" for x, y in pairs.reshape(-1, 2)):
            return digits
    return 17


def _matrix(name: str, x: Any, digits: int = 6, marked: np.ndarray | None = None) -> list[str]:
    """name = [[1, 2], one line to a row, numbers right-aligned; marked entries get a star."""
    array = np.asarray(x, "float64")
    texts = [f"{y:.{digits}g}" for y in array.ravel().tolist()]
    if marked is not None:
        texts = [t + (" *"[bool(m)]) for t, m in zip(texts, marked.ravel(), strict=True)]
    width = max(map(len, texts), default=0) if array.ndim > 1 and len(array) > 1 else 0
    cells = iter(texts)

    def nested(shape: tuple[int, ...]) -> str:
        if not shape:
            return next(cells).rjust(width)
        return "[" + ", ".join(nested(shape[1:]) for _ in range(shape[0])) + "]"

    head = f"{name} = "
    if array.ndim < 2 or not array.size:
        return [head + nested(array.shape)]
    rows = [nested(array.shape[1:]) for _ in range(array.shape[0])]
    last = len(rows) - 1
    return [
        (head if i == 0 else " " * len(head)) + "[ "[i > 0] + row + ("]" if i == last else ",")
        for i, row in enumerate(rows)
    ]


def _beside(blocks: Sequence[list[str]], gap: int = 3) -> list[str]:
    """Blocks of lines side by side, as far as they fit, then below."""
    bands: list[list[list[str]]] = []
    for block in blocks:
        used = sum(max(map(len, b)) + gap for b in bands[-1]) if bands else _width.get()
        if used + max(map(len, block)) <= _width.get() - _INDENT:
            bands[-1].append(block)
        else:
            bands.append([block])
    lines = []
    for band in bands:
        widths = [max(map(len, b)) for b in band]
        for i in range(max(map(len, band))):
            cells = [
                (b[i] if i < len(b) else "").ljust(w) for b, w in zip(band, widths, strict=True)
            ]
            lines.append((" " * gap).join(cells).rstrip())
    return lines


def _checks(r: Findings) -> list[Block]:
    """A line for each check that fails and one for the others; on a pass a line for each."""
    made = [x for x in r.checks if x.checked or x.failed]
    bad = [x for x in made if not x.ok]
    names = {x.name: _clipped(printable(x.name), 24) for x in made}
    counts = [f"{x.failed} of {x.checked} wrong" if bad else f"{x.checked} ok" for x in made]
    widths = max(map(len, names.values()), default=0), max(map(len, counts), default=0)
    blocks: list[Block] = []
    for x, count in zip(made, counts, strict=True):
        if bad and x.ok:
            continue
        about: str | list[str] = CHECKS.get(x.name) or x.note or "-"
        if x.name == "laws" and r.broken:
            about = [f"{law} {LAWS.get(law, '')}".strip() for law in r.broken]
        if _width.get() < _NARROW:
            text = f"{names[x.name]}: {count}"
            blocks.append(("checks", _wrapped("" if blocks else "checks", text)))
            continue
        head = f"{'' if blocks else 'checks':10}{names[x.name]:{widths[0]}}  {count:>{widths[1]}}"
        blocks.append(("checks", _wrapped(head, about, 3, indent=len(head) + 5)))
    good = [names[x.name] for x in made if x.ok]
    if bad and good:
        blocks.append(("all right", _wrapped("", f"all right: {', '.join(good)}")))
    return blocks


def _skipped(r: Findings) -> list[Block]:
    """What was not checked: a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for check, reason in r.skipped:
        by_reason.setdefault(reason, []).append(check)
    return [
        ("skipped", _wrapped("" if i else "skipped", f"{', '.join(checks)}: {reason}"))
        for i, (reason, checks) in enumerate(by_reason.items())
    ]


def _wrapped(
    label: str, text: str | list[str], most: int = 2, *, indent: int = _INDENT
) -> list[str]:
    """Lines with a label in front, at most so many; none for no text. A list keeps items whole."""
    if isinstance(text, str):
        text = printable(text)
    else:
        items, room = map(printable, text), _width.get() - indent
        text = "; ".join(x.replace(" ", "\xa0") if len(x) < room else x for x in items)
    if not text:
        return []
    lines = textwrap.wrap(
        f"  {label:<{indent - 2}}{text}", _width.get(), subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    if len(lines) > most:
        lines[most - 1 :] = [_clipped(lines[most - 1] + " ...", _width.get())]
    return [line.replace("\xa0", " ") for line in lines]


def _folded(note: str) -> list[str]:
    """A note with its own indent and columns, on as many lines as it takes."""
    indent = " " * (len(note) - len(note.lstrip()))
    return textwrap.wrap(
        f"  {indent}{printable(note.lstrip())}", _width.get(),
        subsequent_indent=f"  {indent}       ", break_on_hyphens=False,
    ) or [""]


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."


def printable(text: Any) -> str:
    """One line, with escapes for characters that do not print."""
    text = " ".join(str(text).splitlines())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def listed(words: Sequence[str]) -> str:
    """w, v_bar and g_bar"""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
