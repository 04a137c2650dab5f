"""A notebook as an HTML page: executed, with an alt text for each figure, and all in one file.

The page loads nothing: pictures and style are inside, and formulas are MathML, which browsers draw
themselves. It is dark where the reader's system is.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from string import Template
from typing import Any

from .run import execute

__all__ = ["FIGURE", "described", "mathml", "page", "spoken"]

FIGURE = re.compile(r"^\*\*Figure\.\*\*\s+(.*?)\s*(?:\n\s*\n|\Z)", re.DOTALL)
MISSING = re.compile(r'alt="No description has been provided for this image"')
NEEDED = "pages are made with nbconvert and latex2mathml; pip install 'minwn[notebooks]'"
TEMPLATE = Path(__file__).with_name("page.html")


def page(data: dict[str, Any], *, title: str, timeout: float = 60) -> str:
    """Run a notebook given as data, and return its page.

    Raises ImportError without nbconvert and latex2mathml, RuntimeError if a cell fails, and
    ValueError for a formula that browsers would not draw.
    """
    try:
        import latex2mathml  # noqa: F401
        from nbconvert import HTMLExporter
        from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
        from pygments.formatters import HtmlFormatter
    except ImportError:
        raise ImportError(NEEDED) from None

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return mathml(body)

        def block_math(self, body: str) -> str:
            return f'<div class="math">{mathml(body, block=True)}</div>'

    def rendered(text: str) -> str:
        renderer = Renderer(escape=False, exclude_anchor_links=True)
        return MarkdownWithMath(renderer=renderer).render(text)

    ran = execute(data, timeout=timeout)
    if ran.errors:
        index, message = ran.errors[0]
        raise RuntimeError(f"cell {index}: {message}")
    exporter = HTMLExporter(  # "basic" is the notebook alone, without scripts and style
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True
    )
    exporter.register_filter("markdown2html", rendered)
    body, _ = exporter.from_notebook_node(ran.notebook)
    texts = iter(described(ran.notebook))
    light, dark = (
        HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("tango", "github-dark")
    )
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title), light=light, dark=dark,
        body=MISSING.sub(lambda found: f'alt="{next(texts, "a figure")}"', body),
    )


def mathml(tex: str, *, block: bool = False) -> str:
    """A formula as MathML. Raises ValueError for a command that latex2mathml does not know."""
    from latex2mathml.converter import convert

    # MathML stretches brackets by itself, and latex2mathml does not know these as large.
    known = re.sub(r"\\[Bb]igg?[lr]?\\([lr]angle)", r"\\\1", tex)
    found = convert(known, display="block" if block else "inline")
    if "\\" in found:
        raise ValueError(f"a formula that would not be drawn: {tex}")
    return found


def described(notebook: Any) -> list[str]:
    """The caption below each picture, escaped for an attribute, in the order of the pictures."""
    texts = []
    for cell, below in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        pictures = [
            output
            for output in cell.get("outputs", ())
            if any(kind.startswith("image/") for kind in output.get("data", ()))
        ]
        found = FIGURE.match(below.source) if below is not None else None
        text = spoken(found[1]) if found else "a figure"
        texts += [html.escape(text, quote=True)] * len(pictures)
    return texts


LETTERS = {"alpha": "α", "delta": "δ", "lambda": "λ", "mu": "μ", "sigma": "σ", "varepsilon": "ε"}
RAISED = str.maketrans("-0123456789T", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ")


def spoken(caption: str) -> str:
    """Markdown as plain text, formulas included.

    Raises ValueError for a formula that plain text cannot say: a caption has to do without it.
    """
    parts = re.split(r"\$([^$]+)\$", caption)
    parts[::2] = [re.sub(r"[*`]", "", part) for part in parts[::2]]
    parts[1::2] = [_said(part) for part in parts[1::2]]
    return " ".join("".join(parts).split())


def _said(tex: str) -> str:
    text = re.sub(r"\\bar\s*{?(\w)}?", "\\1\N{COMBINING MACRON}", tex)
    text = re.sub(r"\\(\w+)\s*", lambda found: LETTERS.get(found[1], found[0]), text)
    text = re.sub(r"\^(?:{(-?\d+)}|([\dT]))", lambda m: (m[1] or m[2]).translate(RAISED), text)
    text = re.sub(r"\^{([^{}]*)}", r"^(\1)", text).replace("-", "−").replace("'", "′")
    if re.search(r"[\\{}]", text):
        raise ValueError(f"a caption has a formula that plain text cannot say: ${tex}$")
    return text
