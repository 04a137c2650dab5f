"""`minwn vectors export|verify`: right answers as files, and the proof of such files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ... import forms, validation
from ...outputs import claim
from ...terminal import Progress
from ..cases import Axis
from ..command import form
from ..reference.truth import FORMS, OracleFault
from . import DATA, DTYPES, GROUPS, export, texts, verify
from .content import here

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn vectors export --out vectors
  minwn vectors export --dtype float32 --group generic --group range
  minwn vectors export --form inside --eps 1e-12 --axis -1 --all
  minwn vectors verify                  the files that come with minwn
  minwn vectors verify vectors          a folder, or one file
"""


class _Usage(ValueError):
    """Options that contradict each other, or cannot be read."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn vectors` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("export", help="write the vectors, each answer certified")
    several: dict[str, Any] = {"action": "append", "metavar": "NAME"}
    make.add_argument("--out", default="minwn-vectors", metavar="DIR", help="default: %(default)s")
    make.add_argument("--dtype", **several, choices=DTYPES, help=f"of {', '.join(DTYPES)}")
    make.add_argument("--group", **several, choices=GROUPS, help=f"of {', '.join(GROUPS)}")
    make.add_argument(
        "--form", type=form, default="plain", metavar="FORM", help=f"of {', '.join(FORMS)}"
    )
    make.add_argument("--eps", default="0", help="for all forms but plain")
    make.add_argument("--axis", metavar="AXIS", help="that keeps a norm: 0, or 0,2, or 'whole'")
    make.add_argument("--force", action="store_true", help="replace files of others")
    make.add_argument("--all", action="store_true", help="every case, not the first of each group")
    prove = actions.add_parser("verify", help="prove schema, digests, inputs and answers")
    prove.add_argument("path", nargs="?", metavar="PATH", help="a folder or a file; minwn's own")
    for action in (make, prove):
        action.add_argument(
            "--certify", choices=("decimal", "mpmath"), default="decimal",
            help="the second route to the truth; default: decimal",
        )
        action.add_argument("--json", action="store_true", help="print JSON instead of text")


def main(args: argparse.Namespace) -> int:
    """Run `minwn vectors`: 0 if all is well, 1 if vectors are wrong, 2 for a wrong command line."""
    try:
        with closing(Progress(None, on=sys.stderr.isatty() and not args.json)) as bar:
            found = (_export if args.action == "export" else _verify)(args, bar.step)
    except (_Usage, ImportError, OSError) as error:
        print(f"minwn vectors: {error}", file=sys.stderr)
        return 2
    except (ValueError, OracleFault) as error:
        print(f"minwn vectors: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if args.json else _text(found))
    return 0 if found["ok"] else 1


def _export(args: argparse.Namespace, done: Callable[[str], None]) -> dict[str, Any]:
    try:
        eps = forms.check(args.form, forms.typed(args.eps))
    except ValueError as error:
        need = f"--eps {args.eps} needs a --form: " if args.form == "plain" else ""
        raise _Usage(f"{need}{error}") from None
    axis, out = _axis(args.axis), Path(args.out)
    dtypes, groups = args.dtype or list(filter(here, DTYPES)), args.group or GROUPS
    if out.exists():
        names = [f"{dtype}/{group}.json" for dtype in dtypes for group in groups]
        names += ["FORMAT.md", "schema.json"]
        mark = r'\{\s*"schema": "minwn-vectors-'
        claim(out / "index.json", mark, *(out / name for name in names), force=args.force)
    try:
        files = texts(
            dtypes, groups, form=args.form, eps=eps, axis=axis, quick=not args.all,
            certify=args.certify, done=done,
        )
    except (ValueError, IndexError) as error:
        raise _Usage(error) from None
    written = export(out, files)
    return {"ok": True, "action": "export", "out": args.out, "files": [str(p) for p in written],
            "bytes": sum(p.stat().st_size for p in written)}


def _verify(args: argparse.Namespace, done: Callable[[str], None]) -> dict[str, Any]:
    path = Path(args.path or DATA)
    if not path.exists():
        raise _Usage(validation.absent(path, "file or folder"))
    found = verify(path, certify=args.certify, done=done)
    return {"ok": found.ok, "action": "verify", "path": str(path)} | vars(found)


def _axis(text: str | None) -> Axis:
    if text is None or text == "whole":
        return "any" if text is None else None
    try:
        axes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise _Usage(f"--axis {text}: write an axis, 0,2 for several, or whole") from None
    return axes if len(axes) > 1 else axes[0]


def _text(found: dict[str, Any]) -> str:
    if found["action"] == "export":
        return f"{found['out']}: {len(found['files'])} files, {found['bytes']} bytes"
    lines = found["complaints"][:20]
    if len(found["complaints"]) > 20:
        lines.append(f"and {len(found['complaints']) - 20} more")
    if found["skipped"]:
        lines.append(f"left out, for want of ml_dtypes: {', '.join(found['skipped'])}")
    count = "{tests} tests with {numbers} answers in {files} files".format_map(found)
    return "\n".join([*lines, f"{count}: {'all proved' if found['ok'] else 'not proved'}"])
