"""Many reports on one screen: a line for each, a column for each group of cases and each order.

ok      every number is within its bound
FAIL    some are not
limit   some are not, where a square leaves the range of the dtype, or at an empty slice
none    the library has no such derivative
-       not checked
zero    zeros where v is zero and so is the declared length
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .data import Findings
from .glossary import GROUPS

__all__ = ["matrix"]

ORDERS = {"product": "jvp", "second order": "2nd"}
_NONE = {"product": "no forward mode:", "second order": "no second order:"}
_COLOURS = {"ok": 32, "PASS": 32, "FAIL": 31, "limit": 33, "none": 33, "ACCEPTABLE": 33}


def matrix(
    reports: Sequence[Findings], *, colour: bool = False, width: int | None = None
) -> str:
    """The table as text; where it is wider than `width`, what is not right in words."""
    groups = [group for group in GROUPS if any(group in r.groups for r in reports)]
    rows = [["", "axis", "dtype", *groups, *ORDERS.values(), "zero", "verdict"]]
    for r in reports:
        cells = [_cell(r.groups.get(group, "-")) for group in groups]
        orders = [_order(r, check) for check in ORDERS]
        axis = "whole" if r.axis is None else str(r.axis).replace(" ", "")
        rows.append([r.name, axis, r.dtype, *cells, *orders, _zero(r), _verdict(r)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None and sum(widths) + 2 * len(widths) - 2 > width:
        rows = [_in_words(rows[0], row) for row in rows[1:]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(map(_coloured, cells) if colour else cells).rstrip())
    return "\n".join(lines)


def _in_words(head: Sequence[str], row: Sequence[str]) -> list[str]:
    """Verdict, name, axis, dtype, and which columns are not ok."""
    name, axis, dtype, *cells, verdict = row
    seen: dict[str, list[str]] = {}
    for column, cell in zip(head[3:-1], cells, strict=True):
        if cell not in ("ok", "-"):
            seen.setdefault(cell, []).append(column)
    words = "; ".join(f"{cell}: {', '.join(columns)}" for cell, columns in seen.items())
    return [verdict, name, f"axis {axis}", dtype, words]


def _cell(found: str) -> str:
    return found if found in ("ok", "FAIL", "limit") else "-"


def _order(r: Findings, check: str) -> str:
    for found in r.checks:
        if found.name == check and found.checked:
            return "ok" if found.ok else "FAIL"
    return "none" if any(note.startswith(_NONE[check]) for note in r.notes) else "-"


def _zero(r: Findings) -> str:
    """NaN, 0, inf or finite: w, and in brackets the gradients where they are something else."""
    note = next((n for n in r.notes if n.startswith("zero slice: ")), "")
    zeros = dict(re.findall(r"(\w+) = ([^,]+)", note))
    if not zeros:  # then they have a true answer, and the group "undefined" says whether it came
        return "-"
    w, rest = zeros.get("w", "-"), [x for output, x in zeros.items() if output != "w"]
    return w if set(rest) <= {w} else f"{w} ({', '.join(dict.fromkeys(rest))})"


def _verdict(r: Findings) -> str:
    name = f" {r.diagnosis[0].id}" if r.diagnosis else ""
    return f"{r.verdict}{name or (f' {r.grade}' if r.grade else '')}"


def _coloured(cell: str) -> str:
    code = _COLOURS.get(cell.split(" ")[0])
    return f"\033[{code}m{cell}\033[0m" if code else cell
