"""`minwn tutorials ...`: list, copy, build, html, lint."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from ..outputs import claim
from .formats import FORMATS, build
from .html import page
from .lint import committed, complaints
from .locations import PACKAGE, notebooks, sources, tutorials
from .source import notebook, read, solution

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn tutorials copy here && jupyter lab here
  minwn tutorials build --format nbgrader --out course
  minwn tutorials html --out pages
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `minwn tutorials` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    commands = parser.add_subparsers(metavar="WHAT", required=True, dest="what")

    one = commands.add_parser("list", help="the notebooks, with their minutes")
    one.add_argument("--json", action="store_true", help="print JSON instead of text")
    one.set_defaults(tutorials=_list)

    one = commands.add_parser("copy", help="put the notebooks into a directory, to work in")
    one.add_argument("directory", metavar="DIR")
    one.add_argument("--solutions", action="store_true", help="copy the solutions as well")
    one.add_argument("--force", action="store_true", help="overwrite existing notebooks")
    one.set_defaults(tutorials=_copy)

    one = commands.add_parser("build", help="make the notebooks from their sources")
    one.add_argument("--format", choices=FORMATS, default="plain")
    one.add_argument("--out", metavar="DIR", help="default: the folder of the plain ones")
    one.add_argument("--check", action="store_true", help="write nothing; 1 if something differs")
    one.add_argument("--force", action="store_true", help="overwrite notebooks in --out")
    one.set_defaults(tutorials=_build)

    one = commands.add_parser("html", help="run the solutions, and write a page for each")
    one.add_argument("numbers", nargs="*", metavar="NN", help="default: all")
    one.add_argument("--out", metavar="DIR", required=True)
    one.add_argument("--force", action="store_true", help="replace files of others")
    one.add_argument("--timeout", type=float, default=60, help="seconds for a cell (default 60)")
    one.set_defaults(tutorials=_html)

    one = commands.add_parser("lint", help="check the notebooks against the rules")
    one.set_defaults(tutorials=_lint)


def main(args: argparse.Namespace) -> int:
    """Run `minwn tutorials`; 1 where a notebook has a fault, 2 where nothing could be done."""
    try:
        return args.tutorials(args)
    except (_Usage, ImportError, OSError) as error:
        print(f"minwn tutorials {args.what}: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, ValueError) as error:
        print(f"minwn tutorials {args.what}: {error}", file=sys.stderr)
        return 1


class _Usage(ValueError):
    """The options do not go together."""


def _list(args: argparse.Namespace) -> int:
    rows = [_about(path) for path in notebooks()]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    width = max((len(row["title"]) for row in rows), default=0)
    for row in rows:
        minutes = f"{row['minutes']} minutes" if row["minutes"] else ""
        print(f"{row['number']}  {row['title']:{width}}  {minutes:>10}".rstrip())
    return 0


def _about(path: Path) -> dict[str, Any]:
    """Number, title and minutes, from the notebook itself, which needs no jupytext."""
    text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    minutes = re.search(r"\*\*(\d+) minutes\*\*", text)
    title = re.sub(r"^#\s*(\d+\s+)?", "", text.splitlines()[0])
    return {
        "number": path.name[:2],
        "title": title,
        "minutes": int(minutes[1]) if minutes else None,
        "file": path.name,
    }


def _copy(args: argparse.Namespace) -> int:
    target = Path(args.directory)
    root = tutorials()
    chosen = notebooks(root) + (notebooks(root, solutions=True) if args.solutions else [])
    pairs = [(path, target / path.relative_to(root)) for path in chosen]
    there = [str(new) for _, new in pairs if new.exists()]
    if there and not args.force:
        raise _Usage(
            f"{there[0]} exists already, and may hold answers; --force overwrites it"
        )
    for path, new in pairs:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(path.read_bytes())
    print(f"{len(pairs)} notebooks are in {target}; now: jupyter lab {target}")
    return 0


def _build(args: argparse.Namespace) -> int:
    if args.format != "plain" and args.out is None:
        raise _Usage(f"say where to put the {args.format} notebooks: --out DIR")
    target = tutorials() if args.out is None else Path(args.out)
    if target.parent == PACKAGE and not args.check:
        raise _Usage(f"{target} is installed: say --out DIR, or work in a checkout of minwn")
    built = {
        target / name: text for source in sources()
        for name, text in build(read(source), args.format).items()
    }
    differ = {
        path: text for path, text in built.items()
        if not (path.is_file() and path.read_text(encoding="utf-8") == text)
    }
    if args.out is not None and not args.check:
        for path in filter(Path.exists, differ):  # each may hold answers
            claim(path, None, force=args.force)
    for path, text in differ.items():
        print(path)
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    count = len(differ)
    if args.check:
        print(f"{count} notebooks are not what their sources make" if count else "all is built")
        return 1 if differ else 0
    print(f"{count} notebooks written")
    return 0


def _html(args: argparse.Namespace) -> int:
    found = {path.name[:2]: path for path in sources()}
    unknown = [number for number in args.numbers if number not in found]
    if unknown:
        raise _Usage(f"there is no notebook {unknown[0]}; there are {', '.join(found)}")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = [read(found[number]) for number in args.numbers or found]
    paths = [out / f"{tutorial.stem}.html" for tutorial in chosen]
    for tutorial, path in zip(chosen, paths, strict=True):
        claim(path, rf"[\s\S]*<title>{re.escape(tutorial.title)}</title>", force=args.force)
    for tutorial, path in zip(chosen, paths, strict=True):
        text = page(notebook(solution(tutorial)), title=tutorial.title, timeout=args.timeout)
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


def _lint(args: argparse.Namespace) -> int:
    root = tutorials()
    found = [
        line for path in sources(root) for line in complaints(read(path)) + committed(path, root)
    ]
    print("\n".join(found) or f"{len(sources(root))} notebooks, nothing is amiss")
    return 1 if found else 0
