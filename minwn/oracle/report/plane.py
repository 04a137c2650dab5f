"""One slice of a wrong v_bar in the plane of v and w_bar, as arrows.

In the plain form <v, v_bar> = 0, so that the right v_bar stands across v: it is (g/n) w_bar without
its part along v. A missing projection is a slanted arrow, a wrong factor one of the wrong length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .data import MinimalCase
from .svg import TALL, WIDE, Picture, line, text

__all__ = ["plane"]


def plane(s: MinimalCase, *, plain: bool) -> Picture | None:
    """The slice that is furthest out, as arrows; v points to the right."""
    found = [x for x in _slices(s) if x[1][0].size > 1 and all(np.isfinite(y).all() for y in x[1])]
    if not found:
        return None
    i, (v, w_bar, got, expected), g = max(
        found, key=lambda x: float(np.abs(x[1][2] - x[1][3]).max())
    )
    n = _length(v)
    if n == 0:
        return None
    along = v / n
    across = _unit(along, w_bar, got, expected)
    shown = {"got": got, "expected": expected} | ({"w_bar": g / n * w_bar} if plain else {})
    ends = {name: (float(x @ along), float(x @ across)) for name, x in shown.items()}
    size = max(math.hypot(*ends[k]) for k in ends if k != "got") or math.hypot(*ends["got"])
    length = math.hypot(*ends["got"])
    shortened = length > 3 * size > 0
    drawn = dict(ends)
    if shortened:
        x, y = ends["got"]
        drawn["got"] = (3 * size / length * x, 3 * size / length * y)
    drawn["v"] = (0.6 * max(size, *(math.hypot(*x) for x in drawn.values())), 0.0)
    return Picture(
        f"Slice {i} of v_bar in the plane of v and w_bar",
        f"v points to the right. Expected v_bar: {_place(ends['expected'])}. "
        f"Got: {_place(ends['got'])}.",
        tuple(_legend(ends, got, along, across, shortened)),
        *_arrows(drawn, shortened),
    )


def _slices(s: MinimalCase) -> Iterator[tuple[int, list[np.ndarray], float]]:
    """(number, [v, w_bar, got, expected], g) of each slice, flat."""
    g = np.asarray(s.g, "float64")
    arrays = [np.asarray(x, "float64") for x in (s.v, s.w_bar, s.got, s.expected)]
    axes = [a for a in range(g.ndim) if g.shape[a] > 1]
    count = math.prod(g.shape[a] for a in axes)
    rows = [np.moveaxis(x, axes, range(len(axes))).reshape(count, -1) for x in arrays]
    for i, gain in enumerate(g.ravel().tolist()):
        yield i, [x[i] for x in rows], gain


def _length(x: np.ndarray) -> float:
    return math.hypot(*x.tolist())  # no square leaves the range


def _unit(along: np.ndarray, *candidates: np.ndarray) -> np.ndarray:
    """A unit vector across v, in the plane of the first candidate that is not along v."""
    for x in candidates:
        rest = x - (x @ along) * along
        rest -= (rest @ along) * along
        if _length(rest) > 1e-9 * _length(x):
            return rest / _length(rest)
    rest = np.zeros_like(along)
    rest[np.argmin(np.abs(along))] = 1
    rest -= (rest @ along) * along
    return rest / _length(rest)


def _place(x: Sequence[float]) -> str:
    a, b = (0.0 if abs(y) < 1e-9 * math.hypot(*x) else y for y in x)
    return f"{a:.4g} along v, {b:.4g} across v"


def _legend(
    ends: dict[str, tuple[float, float]], got: np.ndarray, along: np.ndarray, across: np.ndarray,
    shortened: bool,
) -> Iterator[tuple[str, str, str]]:
    yield "right", "⇾", f"expected v_bar: {_place(ends['expected'])}"
    note = ", drawn shorter" if shortened else ""
    yield "wrong", "➤", f"got: {_place(ends['got'])}{note}"
    out = _length(got - (got @ along) * along - (got @ across) * across)
    if out > 1e-6 * _length(got):
        yield "wrong", "⊙", f"got also leaves this plane, by {out:.4g}"
    if "w_bar" in ends:
        yield "faint", "⇢", "(g/n) w_bar: without its part along v it is the expected v_bar"
        yield "faint", "┊", "across v: where v_bar must end, for <v, v_bar> = 0"
    yield "ink", "→", "v, its direction only"


def _arrows(ends: dict[str, tuple[float, float]], shortened: bool) -> tuple[str, float]:
    """The drawing and its height."""
    width, margin = WIDE, 34
    xs, ys = ([0.0, *(e[k] for e in ends.values())] for k in (0, 1))
    spans = (max(max(xs) - min(xs), 1e-300), max(max(ys) - min(ys), 1e-300))
    scale = min((width - 2 * margin) / spans[0], (TALL - 2 * margin) / spans[1])
    height = max(scale * spans[1] + 2 * margin, 130.0)
    left = (width - scale * (max(xs) + min(xs))) / 2
    base = (height + scale * (max(ys) + min(ys))) / 2

    def at(x: Sequence[float]) -> tuple[float, float]:
        return left + scale * x[0], base - scale * x[1]

    o = at((0, 0))
    parts = [
        line((o[0], 4), (o[0], height - 4), "guide"),
        line((4, o[1]), (width - 4, o[1]), "guide"),
    ]
    for name, css in (("w_bar", "faint"), ("v", "ink"), ("expected", "right"), ("got", "wrong")):
        if name in ends:
            parts.append(_arrow(o, at(ends[name]), css, broken=name == "got" and shortened))
    if "w_bar" in ends:
        parts.append(line(at(ends["w_bar"]), at(ends["expected"]), "fall"))
    words = {"w_bar": "(g/n) w_bar"}
    labels = [
        (*at(end), words.get(name, name), {"got": "wrong", "expected": "right"}.get(name, "ink"))
        for name, end in ends.items()
    ]
    return "".join(parts) + _labels(labels, width, height), height


def _arrow(a: tuple[float, float], b: tuple[float, float], css: str, *, broken: bool) -> str:
    """A shaft and a head; a dot where the arrow has no length."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    if length < 1.5:
        return f'<circle class="{css} dot" cx="{b[0]:.1f}" cy="{b[1]:.1f}" r="5"/>'
    x, y = dx / length, dy / length
    head = min(11.0, 0.8 * length)
    base = (b[0] - head * x, b[1] - head * y)
    sides = [(base[0] + s * 0.42 * head * y, base[1] - s * 0.42 * head * x) for s in (1, -1)]
    points = " ".join(f"{p[0]:.1f},{p[1]:.1f}" for p in (b, *sides))
    shaft = line(a, base, f"{css} shaft" + (" broken" if broken else ""))
    return f'{shaft}<polygon class="{css} head" points="{points}"/>'


def _labels(labels: Sequence[tuple[float, float, str, str]], width: float, height: float) -> str:
    """Words at the ends of arrows, moved apart where they would touch."""
    boxes: list[tuple[float, float, float]] = []
    parts = []
    for x, y, word, css in labels:
        long = 8.0 * len(word)
        left = min(max(x + (7 if x >= width / 2 else -7 - long), 2), width - long - 4)
        top = min(max(y - 6, 14), height - 6)
        for step in (0, 15, -15, 30, -30, 45, -45):
            spot = top + step
            free = all(
                abs(spot - b) >= 14 or left > right or left + long < start
                for start, right, b in boxes
            )
            if free and 12 <= spot <= height - 4:
                break
        boxes.append((left, left + long, spot))
        parts.append(text(left, spot, word, f"{css} word"))
    return "".join(parts)
