"""Reports as one HTML file that needs nothing else: the matrix, and each failure with its evidence.

No script and no network. Colours come with words and signs, so that grey paper and any eye will do.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...validation import several, shown
from ..diagnosis import Diagnosis
from .data import Findings, MinimalCase
from .glossary import (
    CHECKS,
    GRADES,
    GROUPS,
    LAWS,
    NEXT,
    ORDERS,
    VERDICTS,
    correct_formulas,
    symbols,
)
from .picture import pictures
from .text import listed, printable, screen

__all__ = ["page"]

_STYLE = Path(__file__).with_name("page.css")


def page(reports: Iterable[Findings]) -> str:
    """The matrix of implementations and groups of cases, and for each failure its evidence."""
    reports = several("reports", reports, "a list of Reports")
    for report in reports:
        if not isinstance(report, Findings):
            raise TypeError(f"reports: {shown(report)} is no Report; pass what check() returned")
    title = "Weight normalisation, judged"
    sections = "\n".join(_section(i, r, alone=len(reports) == 1) for i, r in enumerate(reports))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f'<body>\n<main>\n<h1 id="top">{title}</h1>\n{_summary(reports)}\n{_matrix(reports)}\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


def _esc(text: Any) -> str:
    return html.escape(printable(text))


# ---- the matrix ---------------------------------------------------------------------------------

# a cell: (class, sign, words)
_CELLS = {
    "ok": ("ok", "✓", "right"),
    "FAIL": ("fail", "✗", "wrong"),
    "limit": ("limit", "△", "wrong at the edges only: beyond the range of a square, or empty"),
    "declared": ("limit", "≈", "different, as declared"),
    "": ("none", "–", "not asked"),
}
_SIGNS = {"PASS": "✓", "FAIL": "✗", "ACCEPTABLE": "≈"}


def _summary(reports: Sequence[Findings]) -> str:
    counts = {v: sum(r.verdict == v for r in reports) for v in VERDICTS}
    states = ", ".join(f"<b>{n}</b> {v}" for v, n in counts.items() if n)
    many = "implementation" if len(reports) == 1 else "implementations"
    return (
        f'<p class="lead">w = g v / ‖v‖ and its derivatives, compared with answers that are right '
        f"to the last bit.</p>\n<p>{len(reports)} {many}: {states or 'nothing to show'}.</p>"
    )


def _matrix(reports: Sequence[Findings]) -> str:
    seen = dict.fromkeys(group for r in reports for group in r.groups)
    groups = sorted(seen, key=lambda x: [*GROUPS, x].index(x))
    orders = {
        word: check
        for word, check in ORDERS.items()
        if any(x.name == check for r in reports for x in r.checks)
    }
    bands = "".join(
        f'<th scope="colgroup" colspan="{len(x)}">{word}</th>'
        for word, x in (("answers", orders), ("groups of cases", groups))
        if x
    )
    heads = "".join(f'<th scope="col">{_esc(word)}</th>' for word in (*orders, *groups))
    rows = "\n".join(_row(i, r, orders, groups) for i, r in enumerate(reports))
    signs = ", ".join(f"<b>{sign}</b> {words}" for _, sign, words in _CELLS.values())
    meanings = [(word, CHECKS.get(check, "")) for word, check in orders.items()]
    meanings += [(group, GROUPS.get(group, "")) for group in groups]
    meanings += [(f"PASS ({grade})", text) for grade, text in GRADES.items()]
    legend = "".join(f"<dt>{_esc(name)}</dt><dd>{_esc(text)}</dd>" for name, text in meanings)
    return (
        f'<p class="signs">{signs}. A name leads to its report.</p>\n'
        '<div class="scroll" role="region" aria-label="Implementations and groups of cases" '
        'tabindex="0">\n<table class="matrix">\n<caption>What each implementation gets right'
        "</caption>\n<thead>\n"
        f'<tr><th scope="col" rowspan="2">implementation</th>'
        f'<th scope="col" rowspan="2">verdict</th>{bands}</tr>\n<tr>{heads}</tr>\n</thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n"
        f"<details><summary>What the columns mean</summary>\n<dl>{legend}</dl></details>"
    )


def _row(i: int, r: Findings, orders: dict[str, str], groups: Sequence[str]) -> str:
    checks = {x.name: "" if not x.checked else "ok" if x.ok else "FAIL" for x in r.checks}
    states = [checks.get(check, "") for check in orders.values()]
    states += [r.groups.get(group, "") for group in groups]
    cells = "".join(_cell("declared" if x == "FAIL" and r.ok else x) for x in states)
    return (
        f'<tr><th scope="row"><a href="#r{i}">{_named(r.name)}</a>'
        f"<small>{_esc(r.settings)}</small></th><td>{_badge(r)}</td>{cells}</tr>"
    )


def _cell(state: str) -> str:
    css, sign, words = _CELLS.get(state, ("none", "?", state))
    return (
        f'<td class="{css}"><span class="sign" aria-hidden="true">{sign}</span>'
        f'<span class="unseen">{_esc(words)}</span></td>'
    )


def _named(name: str) -> str:
    """A name that may be broken at its dots and strokes."""
    return re.sub(r"([._/:])(?=\w)", r"\1<wbr>", _esc(name))


def _badge(r: Findings) -> str:
    css = {"PASS": "ok", "FAIL": "fail"}.get(r.verdict, "limit")
    sign = _SIGNS.get(r.verdict, "?")
    return (
        f'<span class="badge {css}"><span aria-hidden="true">{sign}</span> {_esc(r.title)}</span>'
    )


# ---- one report ---------------------------------------------------------------------------------


def _section(i: int, r: Findings, *, alone: bool) -> str:
    """A failure in the open, anything else folded, unless there is nothing else to see."""
    head = f"<h2>{_named(r.name)}</h2> {_badge(r)}"
    meta = f'<p class="meta">{_esc(r.settings)}, {r.seconds:.2f} s</p>'
    body = "\n".join([meta, *_body(i, r), '<p class="back"><a href="#top">↑ to the matrix</a></p>'])
    if r.verdict == "FAIL":
        return f'<section id="r{i}">\n<header>{head}</header>\n{body}\n</section>'
    shown = " open" if alone else ""
    return f'<details class="report" id="r{i}"{shown}><summary>{head}</summary>\n{body}\n</details>'


def _body(i: int, r: Findings) -> Iterator[str]:
    yield f'<p class="headline">{_esc(r.headline)}</p>'
    if r.verdict in NEXT and not r.layer:
        yield f"<p>{_esc(NEXT[r.verdict])}</p>"
    for group in r.rivals:
        yield _mistake(r, group)
    if r.verdict in ("FAIL", "ACCEPTABLE"):
        drawn = [
            f"<figure>{p.svg(f'r{i}p{k}')}<figcaption><b>{_esc(p.title)}</b>{_keys(p.legend)}"
            "</figcaption></figure>"
            for k, p in enumerate(pictures(r))
        ]
        if drawn:
            yield f'<div class="figures">{"".join(drawn)}</div>'
    if r.minimal_case is not None:
        yield _paper(r, r.minimal_case)
    if r.worst is not None:
        yield f'<p>Furthest out: <span class="code">{_esc(r.worst)}</span></p>'
    yield _checks(r)
    if r.skipped:
        yield f"<h3>Not judged</h3><ul>{''.join(f'<li>{_esc(x)}</li>' for x in r.skipped)}</ul>"
    if r.notes:
        yield f"<h3>Notes</h3><ul>{''.join(f'<li>{_esc(note)}</li>' for note in r.notes)}</ul>"
    text = html.escape(screen(r))
    yield f"<details><summary>As on the screen</summary><pre>{text}</pre></details>"


def _keys(legend: Iterable[tuple[str, str, str]]) -> str:
    keys = "".join(
        f'<li><span class="key {css}" aria-hidden="true">{sign}</span> {_esc(text)}</li>'
        for css, sign, text in legend
    )
    return f'<ul class="keys">{keys}</ul>'


def _mistake(r: Findings, group: Sequence[Diagnosis]) -> str:
    """The wrong line and the right one, the fix, and the evidence."""
    first = group[0]
    declared = r.verdict == "ACCEPTABLE"
    names = " or ".join(f"<code>{_esc(d.id)}</code>" for d in group)
    word = "Declared" if declared else "Mistake" if len(group) == 1 else "One of these mistakes"
    parts = [f"<h3>{word}: {names}<small> in {_esc(listed(first.outputs))}</small></h3>"]
    formulas = correct_formulas(first, r.form, layer=bool(r.layer))
    for d in group:
        yours, own = _both_marked(d.formula, formulas)
        label = "yours" if "=" in d.formula else "what"
        parts.append(f'<dl class="formula"><dt>{label}</dt><dd class="yours">{yours}</dd>')
        if own:
            parts.append(f'<dt>right</dt><dd class="own">{own}</dd>')
        parts.append("</dl>")
    if formulas and not set(first.outputs) & {"y", "x_bar", "w_bar", "b_bar"}:
        parts.append(f'<p class="letters">{_esc(symbols(r.axis, first, r.form))}</p>')
    facts = [] if declared else [("Fix", "; or ".join(dict.fromkeys(d.fix for d in group)))]
    facts += [("Evidence", d.evidence) for d in group]
    facts += [("Seen in", text) for text in dict.fromkeys(d.seen_in for d in group)]
    rows = "".join(f"<dt>{label}</dt><dd>{_esc(text)}</dd>" for label, text in facts if text)
    return f'<div class="mistake">{"".join(parts)}<dl class="facts">{rows}</dl></div>'


def _both_marked(wrong: str, formulas: Sequence[str]) -> tuple[str, str]:
    """Both formulas, with the differences marked."""
    head = wrong.split("=")[0].strip()
    partner = next((x for x in formulas if x.split("=")[0].strip() == head), None)
    if partner is None:
        return f"<code>{_esc(wrong)}</code>", _lines(formulas)
    a, b = (re.findall(r"\s+|\w+|[^\w\s]", x) for x in (wrong, partner))
    yours, own = "", ""
    for kind, i, j, m, n in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        yours += _marked("".join(a[i:j]), kind != "equal")
        own += _marked("".join(b[m:n]), kind != "equal")
    rest = [x for x in formulas if x != partner]
    return f"<code>{yours}</code>", f"<code>{own}</code> {_lines(rest)}"


def _marked(text: str, mark: bool) -> str:
    return f"<mark>{html.escape(text)}</mark>" if mark and text.strip() else html.escape(text)


def _lines(formulas: Sequence[str]) -> str:
    return " ".join(f"<code>{_esc(x)}</code>" for x in formulas)


# ---- the smallest case, and the checks ----------------------------------------------------------


def _paper(r: Findings, s: MinimalCase) -> str:
    wrong = s.ratio(r.dtype) > 1
    tables = [_array(name, x) for name, x in s.inputs]
    tables.append('<span class="arrow" aria-hidden="true">→</span>')
    tables.append(_array(f"{s.output}, got", s.got, wrong))
    tables.append(_array(f"{s.output}, expected", s.expected))
    return f'<h3>On paper</h3><div class="paper">{"".join(tables)}</div>'


def _array(name: str, x: Any, wrong: np.ndarray | None = None) -> str:
    """A small table: a row for each index of axis 0; wrong entries carry a cross."""
    array = np.asarray(x, "float64")
    rows = array.reshape(array.shape[0] if array.ndim > 1 else 1, -1)
    marks = np.zeros(rows.shape, bool) if wrong is None else wrong.reshape(rows.shape)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="wrong">{y:.9g} <span aria-label="wrong">✗</span></td>'
            if bad else f"<td>{y:.9g}</td>"
            for y, bad in zip(row.tolist(), mark, strict=True)
        )
        + "</tr>"
        for row, mark in zip(rows, marks, strict=True)
    )
    return f'<table class="array"><caption>{_esc(name)}</caption><tbody>{body}</tbody></table>'


def _checks(r: Findings) -> str:
    if not r.checks:
        return ""
    rows = []
    for x in r.checks:
        css, sign, words = _CELLS["" if not x.checked and x.ok else "ok" if x.ok else "FAIL"]
        worst = f"{x.ratio:.2g}" if x.checked else ""
        rows.append(
            f'<tr><th scope="row">{_esc(x.name)}</th><td class="{css}">'
            f'<span aria-hidden="true">{sign}</span> {words}</td><td class="n">{x.failed}</td>'
            f'<td class="n">{x.checked}</td><td class="n">{worst}</td>'
            f"<td>{_esc(CHECKS.get(x.name) or x.note)}</td></tr>"
        )
    laws = "".join(
        f'<tr><th scope="row">{_esc(name)}</th><td class="{"fail" if ratio > 1 else "ok"}">'
        f'{"✗ broken" if ratio > 1 else "✓ holds"}</td><td class="n">{ratio:.2g}</td>'
        f"<td>{_esc(LAWS.get(name, ''))}</td></tr>"
        for name, ratio in r.laws.items()
    )
    found = (
        '<h3>Checks</h3><div class="scroll" role="region" aria-label="Checks" tabindex="0">'
        '<table><thead><tr><th scope="col">check</th><th scope="col">result</th>'
        '<th scope="col">wrong</th><th scope="col">of</th><th scope="col">error ÷ allowed</th>'
        '<th scope="col">what it asks</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    if not laws:
        return found
    return (
        f"{found}<details><summary>The laws: {len(r.broken)} of {len(r.laws)} broken</summary>"
        '<div class="scroll" role="region" aria-label="Laws" tabindex="0"><table><thead><tr>'
        '<th scope="col">law</th><th scope="col">result</th><th scope="col">error ÷ allowed</th>'
        f'<th scope="col">it says</th></tr></thead><tbody>{laws}</tbody></table></div></details>'
    )
