"""The site's settings for Sphinx. `minwn site` puts the pages together, and builds them.

Docstrings are plain text, as `help` prints it: paragraphs, `code` and indented blocks. `as_rst`
writes it in Sphinx's markup, where <x, y>, |x|, *size and x_ would mean something else. Formulas
become MathML, which browsers draw themselves. So no page loads what is not in the site.
"""

import ast
import pydoc
import re
import textwrap

from docutils import nodes

from minwn import __version__
from minwn.course.html import mathml

project, release, author = "minwn", __version__, "The minwn authors"
copyright = "the minwn authors, MIT licence"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["amsmath", "attrs_block", "dollarmath"]
myst_heading_anchors = 3
autodoc_default_options = {
    "members": True, "imported-members": True, "member-order": "bysource",
    "inherited-members": "BaseException, Module, Optimizer, Tensor",  # but not from these
}
autodoc_inherit_docstrings = smartquotes = False
autodoc_preserve_defaults = True
autodoc_typehints = "none"
html_theme, html_title = "furo", f"minwn {__version__}"
html_static_path, html_css_files = ["static"], ["site.css"]
html_copy_source = html_show_sphinx = False
html_math_renderer = "mathml"
pygments_style, pygments_dark_style = "tango", "github-dark"

# "x: (n, c)" at the start of a line, or after three blanks: an argument, or a shape.
ARGUMENT = re.compile(r"(^|   +)([A-Za-z][\w\\]*(?:, [A-Za-z][\w\\]*)*):(?= )")


def as_rst(lines, name):
    """The lines of the docstring of `name`, in reStructuredText."""
    return [line for block in _blocks(lines) for line in [*_block(block, name), ""]]


def _blocks(lines):
    """Paragraphs and examples, up to a blank line; indented blocks, with blank lines in them."""
    block = []
    for line in lines:
        if not line.strip():
            block += [""] if block else []
            continue
        indented = line.startswith("    ")
        if block:
            ended, inside = not block[-1], block[0].startswith("    ")
            example = block[0].startswith(">>> ") and not ended
            if not example and (indented != inside or (ended and not inside)):
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _block(lines, name):
    text = "\n".join(lines).rstrip()
    if text.startswith(">>> "):
        return text.splitlines()
    if text.startswith("    "):
        language = "python" if _is_python(textwrap.dedent(text)) else "text"
        return [f".. code-block:: {language}", "", *text.splitlines()]
    rows = []
    for line in text.splitlines():  # a row for each argument; other lines continue theirs
        if rows and not ARGUMENT.match(line) and not line.startswith("Raises "):
            rows[-1] += f" {line}"
        else:
            rows.append(line)
    rows = [_inline(row, name) for row in rows]
    return rows if len(rows) == 1 else [f"| {row}" for row in rows]


def _is_python(text):
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _inline(text, name):
    """A row: the names of arguments in bold, and `code` as code, with a link if it is a name."""
    words = re.split(r"`([^`]+)`", text)
    words[::2] = [_escaped(word) for word in words[::2]]
    words[1::2] = [_code(word, name) for word in words[1::2]]
    row = re.sub("::$", r":\\:", "".join(words))  # which would announce a block
    return rf"\ {row}"  # or it might begin a list


def _escaped(text):
    text = ARGUMENT.sub(r"\1**\2**:", re.sub(r"[\\*_|<>`]", r"\\\g<0>", text))
    return re.sub(r"(?<=\S)  +", "\N{EM SPACE}", text)


def _code(text, name):
    if re.fullmatch(r"[A-Za-z_][\w.]*", text):
        above = name.split(".")
        for end in range(len(above), -1, -1):
            full = ".".join([*above[:end], text])
            if pydoc.locate(full) is not None:
                return rf"\ :py:obj:`{text} <{full}>`\ "
    return rf"\ ``{text}``\ "


def _mathml(block):
    def visit(self, node):
        formula = mathml(node.astext(), block=block)
        self.body.append(f'<div class="math">{formula}</div>' if block else formula)
        raise nodes.SkipNode

    return visit, None


def _process(app, what, name, thing, options, lines):
    lines[:] = as_rst(lines, name)


def _skip(app, what, name, *_):
    return True if name == "result_type" else None  # for type checkers


def setup(app):
    app.add_html_math_renderer("mathml", _mathml(block=False), _mathml(block=True))
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-skip-member", _skip)
