"""Drawings in SVG: a body of marks, a legend, and words for those who do not see it.

Colours are classes, set by the page; every mark has a shape or a word as well as a colour.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["TALL", "WIDE", "Picture", "line", "text"]

WIDE, TALL = 340, 250


@dataclass(frozen=True)
class Picture:
    """One drawing; the legend as (class, sign, text)."""

    title: str
    description: str
    legend: tuple[tuple[str, str, str], ...]
    body: str
    height: float
    width: float = WIDE

    def svg(self, id: str) -> str:
        """The drawing, with its title and description for those who do not see it."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" '
            f'height="{self.height:g}" role="img" aria-labelledby="{id}t {id}d">'
            f'<title id="{id}t">{html.escape(self.title)}</title>'
            f'<desc id="{id}d">{html.escape(self.description)}</desc>{self.body}</svg>'
        )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    style = f' class="{css}"' if css else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{html.escape(words)}</text>'
    )


def line(a: Sequence[float], b: Sequence[float], css: str) -> str:
    """A line from a to b."""
    return f'<path class="{css}" d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}"/>'
