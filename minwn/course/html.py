"""A notebook as an HTML page: executed, with an alt text for each figure."""

from __future__ import annotations

import html
import re
from typing import Any

from .run import execute

__all__ = ["FIGURE", "described", "page"]

FIGURE = re.compile(r"^\*\*Figure\.\*\*\s+(.*)", re.DOTALL)
MISSING = re.compile(r'alt="No description has been provided for this image"')


def page(data: dict[str, Any], *, title: str, timeout: float = 60) -> str:
    """Run a notebook given as data, and return its page.

    Raises ImportError without nbconvert, and RuntimeError if a cell fails.
    """
    try:
        from nbconvert import HTMLExporter
    except ImportError:
        raise ImportError("pages are made with nbconvert; pip install 'minwn[notebooks]'") from None
    ran = execute(data, timeout=timeout)
    if ran.errors:
        index, message = ran.errors[0]
        raise RuntimeError(f"cell {index}: {message}")
    body, _ = HTMLExporter().from_notebook_node(ran.notebook, {"metadata": {"name": title}})
    texts = iter(described(ran.notebook))
    return MISSING.sub(lambda found: f'alt="{next(texts, "a figure")}"', body)


def described(notebook: Any) -> list[str]:
    """The caption below each picture, in the order of the pictures."""
    texts = []
    for cell, below in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        pictures = [
            output
            for output in cell.get("outputs", ())
            if any(kind.startswith("image/") for kind in output.get("data", ()))
        ]
        found = FIGURE.match(below.source) if below is not None else None
        text = re.sub(r"[$*`]", "", found[1]) if found else "a figure"
        texts += [html.escape(" ".join(text.split()), quote=True)] * len(pictures)
    return texts
