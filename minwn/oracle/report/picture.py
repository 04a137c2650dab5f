"""One failing case as a picture, in SVG: where it is wrong, by how much, and in which direction.

    plane     a slice of v_bar and the right one, as arrows (see `plane`)
    heat      every entry of the case, with the power of ten by which it is out
    numbers   got and expected, on one line for each entry
    shares    how many answers of each check are wrong, where there is no case to show

The first three are drawn for every example of a report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .data import CheckResult, Findings, MinimalCase
from .plane import plane
from .svg import WIDE, Picture, line, text

__all__ = ["pictures"]


def pictures(r: Findings) -> list[Picture]:
    """The pictures of a failure: of its examples, or else of its minimal case."""
    cases = r.examples or ([] if r.minimal_case is None else [r.minimal_case])
    if not cases:
        return [_shares(r.checks)] if r.checks else []
    drawn: list[Picture | None] = []
    for case in cases:
        ratio = case.ratio(r.dtype)
        if case.output == "v_bar":
            drawn.append(plane(case, plain=r.form == "plain"))
        drawn += [_heat(case, ratio), _numbers(case, ratio)]
    return [p for p in drawn if p is not None]


# ---- every entry --------------------------------------------------------------------------------

_MOST = 24
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _heat(s: MinimalCase, ratio: np.ndarray) -> Picture:
    """|error| / allowed, entry by entry, in powers of ten."""
    rows = ratio.reshape(ratio.shape[0] if ratio.ndim > 1 else 1, -1)
    got = np.asarray(s.got, "float64").reshape(rows.shape)
    shown = rows[:_MOST, :_MOST]
    left, top = 30.0, 20.0
    width = min(56.0, (WIDE - left) / max(shown.shape[1], 1))
    height = min(width, 32.0)
    level, legend = _levels(shown)
    parts = []
    for j in range(shown.shape[1]) if width >= 20 else ():
        parts.append(text(left + width * (j + 0.5), 14, str(j), "tick", "middle"))
    for i, row in enumerate(shown.tolist()):
        y = top + height * i
        if height >= 14:
            parts.append(text(left - 6, y + height / 2 + 4, str(i), "tick", "end"))
        for j, x in enumerate(row):
            k, number = level[i, j], got[i, j]
            parts.append(
                f'<rect class="heat{k}" x="{left + width * j:.1f}" y="{y:.1f}" '
                f'width="{width - 2:.1f}" height="{height - 2:.1f}" rx="2"/>'
            )
            word = "✓" if k == 0 else _power(x) if math.isfinite(number) else f"{number:g}"
            if width >= 38 or (k == 0 and width >= 12):
                spot = (left + width * (j + 0.5) - 1, y + height / 2 + 4)
                parts.append(text(*spot, word, f"on{k}", "middle"))
    wrong = int((rows > 1).sum())
    largest = float(rows[np.isfinite(rows)].max(initial=0.0))
    far = f", by up to {largest:.1e} times what rounding may do" if largest > 1 else ""
    flat = ", axes after the first in one line" if ratio.ndim > 2 else ""
    cut = ", the upper left corner" if shown.size < rows.size else ""
    return Picture(
        f"Where {s.output} is wrong, and how many times further than rounding may go{flat}{cut}",
        f"{wrong} of {rows.size} entries of {s.output} are wrong{far}.",
        legend,
        "".join(parts),
        top + height * shown.shape[0],
    )


def _levels(ratio: np.ndarray) -> tuple[np.ndarray, tuple[tuple[str, str, str], ...]]:
    """0 where an entry is right, else 1 to 5 by its power of ten; and the legend of the levels."""
    wrong = ratio > 1
    finite = wrong & np.isfinite(ratio)
    powers = np.floor(np.log10(np.where(finite, ratio, 1.0))).astype(int)
    low, high = (int(f(powers[finite])) if finite.any() else 0 for f in (np.min, np.max))
    step = (high - low) // 5 + 1
    level = np.where(wrong, 5 - np.where(finite, high - powers, 0) // step, 0)
    legend = [("heat0", "✓", "right, within rounding")] if not wrong.all() else []
    for k in sorted(set(level[finite].tolist())):
        last = high - (5 - k) * step
        first = f"{_raised(last - step + 1)} to " if step > 1 else ""
        legend.append((f"heat{k}", "", f"{first}{_raised(last)} times"))
    if (wrong & ~finite).any():
        legend.append(("heat5", "", "not a number, or infinite"))
    return level, tuple(legend)


def _power(x: float) -> str:
    return _raised(math.floor(math.log10(x))) if math.isfinite(x) else "∞"


def _raised(power: int) -> str:
    return "10" + str(power).translate(_RAISED)


# ---- got and expected ---------------------------------------------------------------------------

_ROWS = 10


def _numbers(s: MinimalCase, ratio: np.ndarray) -> Picture:
    """A ring where an entry should be, a diamond where it is, on one scale."""
    got, expected = ({i: float(y) for i, y in np.ndenumerate(x)} for x in (s.got, s.expected))
    order = sorted(got, key=lambda i: (not ratio[i] > 1, i))[:_ROWS]
    order.sort()
    finite = [x for i in order for x in (got[i], expected[i]) if math.isfinite(x)] + [0.0]
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    left, width, step = 62.0, WIDE - 62.0 - 16.0, 24.0

    def at(x: float) -> float:
        return left + width * (x - low) / span

    height = step * len(order) + 30
    parts = [line((at(0), 2), (at(0), height - 22), "guide")]
    for k, i in enumerate(order):
        y = step * k + 16
        name = f"[{', '.join(map(str, i))}]" if i else s.output
        parts.append(text(left - 14, y + 4, name, "tick", "end"))
        a, b = got[i], expected[i]
        if math.isfinite(b):
            if math.isfinite(a):
                parts.append(line((at(a), y), (at(b), y), "gap"))
            parts.append(f'<circle class="right ring" cx="{at(b):.1f}" cy="{y:.1f}" r="6.5"/>')
        if math.isfinite(a):
            x = at(a)
            css = "wrong" if ratio[i] > 1 else "fine"
            points = (
                f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
            )
            parts.append(f'<polygon class="{css} head" points="{points}"/>')
        else:
            parts.append(text(WIDE - 14, y + 4, str(a), "wrong word", "end"))
    ticks = dict.fromkeys((low, high) if low * high >= 0 else (low, 0.0, high))
    for x in ticks:
        if x != 0 or min(abs(at(x) - at(y)) for y in (low, high)) > 40 or x in (low, high):
            anchor = "start" if x == low else "end" if x == high else "middle"
            parts.append(text(at(x), height - 6, f"{x:.4g}", "tick", anchor))
    more = f"; {len(order)} of {len(got)} entries" if len(order) < len(got) else ""
    pairs = "; ".join(f"{list(i)} got {got[i]:.6g}, expected {expected[i]:.6g}" for i in order)
    return Picture(
        f"{s.output}: got and expected{more}", f"{pairs}.",
        (
            ("right", "○", "expected"), ("wrong", "◆", "got, wrong"),
            *([("fine", "◆", "got, right")] if (ratio <= 1).any() else []),
        ),
        "".join(parts), height,
    )


# ---- checks -------------------------------------------------------------------------------------


def _shares(checks: Sequence[CheckResult]) -> Picture:
    """A bar for each check: the part of its answers that is wrong."""
    made = [r for r in checks if r.checked or r.failed]
    left, width, step = 104.0, 130.0, 26.0
    parts = []
    for i, r in enumerate(made):
        y = step * i + 4
        share = min(r.failed / max(r.checked, 1), 1.0)
        wrong = max(width * share, 3.0) if r.failed else 0.0
        parts.append(text(left - 8, y + 13, r.name, "tick", "end"))
        parts.append(f'<rect class="heat0" x="{left}" y="{y}" width="{width}" height="18"/>')
        if wrong:
            parts.append(
                f'<rect class="heat4" x="{left}" y="{y}" width="{wrong:.1f}" height="18"/>'
            )
        label = f"{r.failed} of {r.checked}" if r.failed else "✓ right"
        parts.append(text(left + width + 6, y + 13, label, "wrong word" if r.failed else "tick"))
    return Picture(
        "How much of each check is wrong",
        "; ".join(f"{r.name}: {r.failed} of {r.checked} wrong" for r in made) + ".",
        (("heat4", "", "wrong"), ("heat0", "", "right")),
        "".join(parts), step * len(made) + 8,
    )
