"""`minwn site OUT`: the reference, the derivations, the course, figures and findings as web pages.

Sphinx builds them, with the settings and pages in `tutorials/site`. The others are made here: one
for each public package and each derivation, from their docstrings; the notebooks, run with their
solutions, which are folded; the figures with what they claim; FINDINGS.md and FORMAT.md. Then every
link is followed. The pages need no network.
"""

from __future__ import annotations

import argparse
import base64
import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import figure
from .course.html import described
from .course.locations import PACKAGE, sources, tutorials
from .course.run import ANSI, execute, stop
from .course.source import Tutorial, notebook, read, solution, student

__all__ = ["API", "DERIVATIONS", "arguments", "broken", "build", "main"]

NEEDS = ("sphinx", "furo", "myst_parser", "latex2mathml")

# module -> the title of its page
API = {
    "minwn": "Tensors and derivatives",
    "minwn.nn": "Layers and losses",
    "minwn.nn.init": "First values of weights",
    "minwn.optim": "Optimisers",
    "minwn.ops": "Operations",
    "minwn.gradcheck": "Gradient checks",
    "minwn.oracle": "The oracle",
    "minwn.oracle.vectors": "Golden vectors",
    "minwn.interop": "Weights of other frameworks",
    "minwn.data": "The digits",
}
DERIVATIONS = {
    "minwn.byhand.weight_norm": "Weight normalisation, derived",
    "minwn.byhand.exponential_scale": "A gain that is never negative",
    "minwn.byhand.frozen_norm": "The norm held constant",
    "minwn.byhand.linear": "Linear maps",
    "minwn.byhand.conv": "Convolution",
    "minwn.byhand.softmax_cross_entropy": "Softmax and cross entropy",
    "minwn.byhand.mean_only_batch_norm": "Mean-only batch normalisation",
}

# A link, or a picture, that leads out of the folder of a page.
OUTSIDE = re.compile(r"(!?)\[([^\]]*)\]\(\.\./[^)]*?([^/)]*)\)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn site` to a parser."""
    parser.add_argument("out", metavar="OUT", help="folder for the pages: new, or an older site")
    parser.add_argument("--quick", action="store_true", help="do not run the notebooks")


def main(args: argparse.Namespace) -> int:
    """Run `minwn site`: 0 if all is well, 1 for warnings and dead links, 2 without a site."""
    out = Path(args.out)
    if out.exists() and not _own(out) and not _empty(out):
        raise FileExistsError(f"{out} exists and is not a site of minwn; name another folder")
    try:
        complaints = build(out, quick=args.quick)
    except RuntimeError as error:
        print(f"minwn site: {error}", file=sys.stderr)
        return 2
    print("\n".join(complaints) or f"open {out / 'index.html'}")
    return 1 if complaints else 0


def _own(folder: Path) -> bool:
    """Whether minwn built the site in it, by the list of its names."""
    names = folder / "objects.inv"
    return names.is_file() and b"# Project: minwn\n" in names.read_bytes()


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def build(out: Path, *, quick: bool = False) -> list[str]:
    """Write the site to a folder, and return a sentence for each warning and each dead link.

    quick: the notebooks without what they print
    Raises ImportError without Sphinx and what goes with it, or without what runs notebooks, and
    RuntimeError where a cell fails.
    """
    if not all(map(importlib.util.find_spec, NEEDS)):
        raise ImportError("the pages are built by Sphinx; pip install 'minwn[site]'")
    with tempfile.TemporaryDirectory() as folder:
        source, site, trees, log = (Path(folder) / part for part in ("src", "site", "trees", "log"))
        _pages(source, quick)
        path = os.environ.get("PYTHONPATH", "")
        options = ["-q", "-w", str(log), "-d", str(trees), str(source), str(site)]
        done = subprocess.run(  # in a process of its own, for autodoc changes what it imports
            [sys.executable, "-m", "sphinx", *options], capture_output=True, check=False,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": f"{PACKAGE.parent}{os.pathsep}{path}"},
        )
        if done.returncode:
            raise RuntimeError(f"Sphinx failed: {done.stderr.strip()}")
        warnings = log.read_text(encoding="utf-8").replace(f"{source}{os.sep}", "").splitlines()
        complaints = [*warnings, *broken(site)]
        shutil.copytree(site, out, dirs_exist_ok=True)
    return complaints


# ---- the pages ----------------------------------------------------------------------------------


def _pages(out: Path, quick: bool) -> None:
    """All sources of the site, in a new folder."""
    shutil.copytree(tutorials() / "site", out, ignore=shutil.ignore_patterns("__pycache__"))
    own = re.findall(r"auto\w+:: (\w+)", (out / "weight_norm.rst").read_text(encoding="utf-8"))
    for module, title in (API | DERIVATIONS).items():
        text = f"{title}\n{'=' * len(title)}\n\n.. automodule:: {module}\n"
        _write(out / f"{module}.rst", f"{text}   :exclude-members: {', '.join(own)}")
    oracle = PACKAGE / "oracle"
    documents = (
        oracle / "FINDINGS.md", oracle / "vectors" / "FORMAT.md", tutorials() / "TEACHERS.md"
    )
    pages = {path.name: path.name.lower() for path in documents}
    for path in documents:
        shutil.copy(path, out / pages[path.name])

    def inside(link: re.Match[str]) -> str:
        """The link to what the site has, and plain text for what only a checkout has."""
        picture, text, name = link.groups()
        there = picture or name in pages
        return f"{picture}[{text}]({pages.get(name, name)})" if there else text

    for page in out.glob("*.md"):
        _write(page, OUTSIDE.sub(inside, page.read_text(encoding="utf-8")).rstrip())
    _write(out / "figures.md", "\n\n".join(["# Figures", *_figures(out)]))
    with ThreadPoolExecutor(2) as workers:  # each notebook runs in a process of its own
        try:
            list(workers.map(lambda path: _notebook(path, out, quick), sources()))
        except KeyboardInterrupt:
            stop()
            raise


def _write(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _figures(out: Path) -> Iterator[str]:
    for name in figure.names():
        record = json.loads((figure.folder() / f"{name}.json").read_text(encoding="utf-8"))
        shutil.copy(figure.folder() / f"{name}.svg", out)
        claims = "\n".join(f"- {claim['sentence']}" for claim in record["claims"])
        yield (
            f"## {record['title']}\n\n![{record['description']}]({name}.svg)\n\n"
            f"{record['description']}\n\nIts claims, which are tests:\n\n{claims}\n\n"
            f"`minwn reproduce {name}` runs it again."
        )


def _notebook(path: Path, out: Path, quick: bool) -> None:
    """The page of a notebook, and the notebook itself."""
    tutorial, ran = read(path), None
    if not quick:
        done = execute(notebook(solution(tutorial)))
        if done.errors:
            raise RuntimeError(f"{path.name}: cell {done.errors[0][0]}: {done.errors[0][1]}")
        ran = done.notebook
    shutil.copy(tutorials() / f"{path.stem}.ipynb", out)
    _write(out / f"{path.stem}.md", "\n\n".join(_cells(tutorial, ran, out)))


def _cells(tutorial: Tutorial, ran: Any, out: Path) -> Iterator[str]:
    """The learner's cells; below one with a task its solution, folded; and what that prints."""
    texts = iter(described(ran) if ran else ())
    pairs = zip(student(tutorial).cells, solution(tutorial).cells, strict=True)
    for i, (cell, solved) in enumerate(pairs):
        if cell.kind != "code":
            yield cell.source
            if i == 0:
                yield f"To work in it, take [the notebook itself]({tutorial.stem}.ipynb)."
            continue
        yield f"```python\n{cell.source}\n```"
        if solved.source != cell.source:
            yield "<details>\n<summary>A solution</summary>"
            yield f"```python\n{solved.source}\n```"
            yield "</details>"
        for k, output in enumerate(ran.cells[i].get("outputs", ()) if ran else ()):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{tutorial.stem}-{i}-{k}.png"
                (out / name).write_bytes(base64.b64decode(data["image/png"]))
                yield f"![{html.unescape(next(texts))}]({name})"
            else:
                text = ANSI.sub("", output.get("text") or data.get("text/plain", ""))
                yield f"{{.output}}\n```text\n{text.rstrip()}\n```"


# ---- the links ----------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The ids of a page, what it links to, and what a browser loads to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        self.loaded |= {found["src"]} if "src" in found else set()
        if "href" in found:
            loaded = tag != "a" and found.get("rel") in ("stylesheet", "icon", "preload")
            (self.loaded if loaded else self.links).add(found["href"])


def broken(site: Path) -> list[str]:
    """A sentence for each link of a site that leads nowhere, or loads what is not in it."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = []
    for path, page in sorted(pages.items()):
        for link in sorted(page.links | page.loaded):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = not parts.fragment or target not in pages or (
                unquote(parts.fragment) in pages[target].ids
            )
            if parts.scheme != "data" and (parts.scheme or parts.netloc):
                if link in page.loaded:
                    found.append(f"{path.relative_to(site)} loads {link}, which is not in the site")
            elif parts.scheme != "data" and not (target.is_file() and there):
                found.append(f"{path.relative_to(site)} links to {link}, which is not there")
    return found
