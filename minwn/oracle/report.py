"""What the judge says: on one screen, as JSON, as one HTML file.

Five verdicts:

    PASS         every rung holds. Grade: rounded (each number the nearest one), faithful (within
                 one unit in the last place), or stable (within the proven bound)
    FAIL         a rung does not hold
    ACCEPTABLE   what does not hold was declared, by its name
    UNDEFINED    nothing was asked that has an answer
    REFUSED      nothing could be judged: no function, or none that answers
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .diagnosis import Diagnosis
from .invariants import INVARIANTS

__all__ = ["Report", "Rung", "Smallest", "Worst", "page"]

_LAWS = {law.id: law.law for law in INVARIANTS}


@dataclass(frozen=True)
class Rung:
    """One kind of check: how many comparisons, how many failed, the worst error over allowed."""

    name: str
    checked: int
    failed: int
    ratio: float
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.failed == 0


@dataclass(frozen=True)
class Worst:
    """The entry that is furthest outside its bound."""

    case: str
    output: str
    index: tuple[int, ...]
    shape: tuple[int, ...]
    got: float
    expected: float
    allowed: float

    @property
    def ratio(self) -> float:
        error = abs(self.got - self.expected)
        return error / self.allowed if self.allowed and not math.isnan(error) else math.inf

    def __str__(self) -> str:
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return (
            f"{self.output}{at} of {self.case} {self.shape}: got {self.got:.8g}, expected "
            f"{self.expected:.8g}, allowed {self.allowed:.1e} ({self.ratio:.1e} x)"
        )


@dataclass(frozen=True)
class Smallest:
    """A failing case that can be done on paper; all values nested lists."""

    v: Any
    g: Any
    w_bar: Any
    output: str
    got: Any
    expected: Any


@dataclass(frozen=True)
class Report:
    """What `check` found. `bool(report)` is `report.ok`."""

    name: str
    verdict: str
    headline: str
    grade: str | None = None
    diagnosis: list[Diagnosis] = field(default_factory=list)
    ambiguous: bool = False
    rungs: list[Rung] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    worst: Worst | None = None
    smallest: Smallest | None = None
    laws: dict[str, float] = field(default_factory=dict)
    consistent: bool | None = None
    notes: list[str] = field(default_factory=list)
    dtype: str = "float64"
    form: str = "plain"
    eps: float = 0.0
    axis: Any = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong but what was declared."""
        return self.verdict in ("PASS", "ACCEPTABLE")

    def __bool__(self) -> bool:
        return self.ok

    @property
    def broken(self) -> list[str]:
        """The ids of the laws that do not hold."""
        return [name for name, ratio in self.laws.items() if ratio > 1]

    def to_json(self) -> dict[str, Any]:
        """Everything, in types that JSON has; inf and nan become null."""
        data = {
            "name": self.name, "verdict": self.verdict, "grade": self.grade, "ok": self.ok,
            "headline": self.headline, "dtype": self.dtype, "form": self.form, "eps": self.eps,
            "axis": list(self.axis) if isinstance(self.axis, tuple) else self.axis,
            "ambiguous": self.ambiguous, "consistent": self.consistent,
            "diagnosis": [d.to_json() for d in self.diagnosis],
            "rungs": [vars(r) | {"ok": r.ok} for r in self.rungs],
            "groups": self.groups, "laws": self.laws, "broken": self.broken,
            "worst": None if self.worst is None else vars(self.worst) | {"ratio": self.worst.ratio},
            "smallest": None if self.smallest is None else vars(self.smallest),
            "notes": self.notes, "seconds": self.seconds,
        }  # fmt: skip
        return _plain(data)

    def __str__(self) -> str:
        eps = f" eps={self.eps:g}" if self.form != "plain" else ""
        where = f"{self.form}{eps}, axis {self.axis}, {self.dtype}, {self.seconds:.2f} s"
        grade = f" ({self.grade})" if self.grade and self.verdict == "PASS" else ""
        lines = [f"{self.verdict}{grade}  {self.name}    {where}"]

        def add(label: str, text: str) -> None:
            lines.append(f"  {label:<9} {text}")

        add("verdict", self.headline)
        if self.worst is not None:
            add("worst", str(self.worst))
        if self.diagnosis and self.ambiguous:
            add("one of", "the evidence does not tell these apart:")
        for d in self.diagnosis[:4]:
            add("name", f"{d.id}  [{', '.join(d.outputs)}]")
            add("", d.formula)
            add("evidence", d.evidence)
            add("fix", d.fix)
            if d.seen_in:
                add("seen in", d.seen_in)
        if self.broken:
            add("broken", "; ".join(f"{name} {_LAWS[name]}" for name in self.broken[:4]))
            holds = [name for name in self.laws if name not in self.broken]
            rest = f"also {' '.join(self.broken[4:])}; " if self.broken[4:] else ""
            add("", f"{rest}holds: {' '.join(holds) or 'none'}")
        if self.smallest is not None:
            s = self.smallest
            add("on paper", f"v = {short(s.v)}  g = {short(s.g)}  w_bar = {short(s.w_bar)}")
            add("", f"{s.output}: got {short(s.got)}, expected {short(s.expected)}")
        add("rungs", "   ".join(f"{r.name} {_mark(r)}" for r in self.rungs))
        for note in self.notes[:6]:
            add("note", note)
        return "\n".join(lines)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML file that needs nothing else."""
        Path(path).write_text(page([self]), encoding="utf-8")


def short(x: Any) -> str:
    """Nested lists of numbers, integers without a point."""
    if isinstance(x, list | tuple):
        return "[" + ", ".join(short(y) for y in x) + "]"
    return f"{x:.6g}"


def _mark(r: Rung) -> str:
    if r.checked == 0:
        return "-"
    return "ok" if r.ok else f"{r.failed}/{r.checked} FAIL"


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(value) for value in x]
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x


# ---- one HTML file ------------------------------------------------------------------------------

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .7rem;border:1px solid #ccc}
th{text-align:left;font-weight:600}code,pre{font:13px/1.5 ui-monospace,monospace}
pre{background:#f6f6f6;padding:1rem;overflow-x:auto}
.ok{background:#dff2df}.fail{background:#f7d9d5}.limit{background:#fdf3d0}
.bar{fill:#c0392b}.good{fill:#3b7d3b}h2{margin-top:2.5rem}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#242424}
.ok{background:#1f3d1f}.fail{background:#4d211c}.limit{background:#453a12}}
"""


def page(reports: Sequence[Report]) -> str:
    """The matrix of implementations and groups of cases, and for each failure its evidence."""
    groups = list(dict.fromkeys(group for r in reports for group in r.groups))
    head = "".join(f"<th>{html.escape(group)}</th>" for group in groups)
    rows = []
    for i, r in enumerate(reports):
        cells = "".join(
            f'<td class="{r.groups.get(group, "").lower()}">{r.groups.get(group, "-")}</td>'
            for group in groups
        )
        verdict = f"{r.verdict}{f' ({r.grade})' if r.grade and r.verdict == 'PASS' else ''}"
        style = "ok" if r.ok else "fail"
        rows.append(
            f'<tr><th><a href="#r{i}">{html.escape(r.name)}</a></th>'
            f'<td class="{style}">{verdict}</td>{cells}</tr>'
        )
    sections = "".join(_section(i, r) for i, r in enumerate(reports))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Weight normalisation, judged</title><style>{_STYLE}</style>"
        "<h1>Weight normalisation, judged</h1>"
        f"<table><tr><th></th><th>verdict</th>{head}</tr>{''.join(rows)}</table>{sections}</html>\n"
    )


def _section(i: int, r: Report) -> str:
    return f'<h2 id="r{i}">{html.escape(r.name)}</h2><pre>{html.escape(str(r))}</pre>{_picture(r)}'


def _picture(r: Report) -> str:
    """The errors of the laws on a logarithmic scale: a line at 1, where a law breaks."""
    if not r.laws:
        return ""
    width, step = 420.0, 20

    def x(ratio: float) -> float:
        return width * min(max((math.log10(max(ratio, 1e-2)) + 2) / 18, 0.0), 1.0)

    bars = []
    for j, (name, ratio) in enumerate(r.laws.items()):
        style = "bar" if ratio > 1 else "good"
        length = x(ratio if math.isfinite(ratio) else 1e16)
        bars.append(
            f'<text x="4" y="{step * j + 15}" font-size="12" fill="currentColor">{name}</text>'
            f'<rect class="{style}" x="40" y="{step * j + 5}" width="{length:.1f}" height="12"/>'
            f'<text x="{46 + length:.1f}" y="{step * j + 15}" font-size="11" fill="currentColor">'
            f"{html.escape(_LAWS[name])}</text>"
        )
    height = step * len(r.laws) + 8
    line = f'<path d="M{40 + x(1.0):.1f} 0V{height}" stroke="currentColor" stroke-dasharray="3"/>'
    return (
        f'<svg viewBox="0 0 760 {height}" width="760" role="img" '
        f'aria-label="errors of the laws">{"".join(bars)}{line}</svg>'
    )
