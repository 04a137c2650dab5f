"""`minwn grade NOTEBOOK...`: the right answers in each, as text or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .grade import grade
from .run import MISSING

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn grade handed_in/*.ipynb
  minwn grade handed_in/*.ipynb --json > grades.json

The code of a notebook is run as it is: grade strangers' notebooks in a container.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn grade` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--timeout", type=float, default=300, help="seconds for a notebook (default 300)"
    )


def main(args: argparse.Namespace) -> int:
    """Run `minwn grade`; 1 where an answer is not right, 2 where no notebook can be run."""
    if find_spec("nbclient") is None:
        print(f"minwn grade: {MISSING}", file=sys.stderr)
        return 2
    absent = [path for path in args.notebooks if not Path(path).is_file()]
    if absent:
        print(f"minwn grade: {absent[0]}: there is no such file", file=sys.stderr)
        return 2
    reports = []
    for path in args.notebooks:
        report = grade(path, timeout=args.timeout)
        reports.append(report)
        if not args.json:
            print(_report(report), flush=True)
    if args.json:
        print(json.dumps(reports, indent=2, ensure_ascii=False))
    well = all(not r["problem"] and r["right"] == r["of"] for r in reports)
    return 0 if well else 1


def _report(report: dict[str, Any]) -> str:
    lines = [f"{report['notebook']}: {report['right']} of {report['of']} ({report['seconds']} s)"]
    if report["problem"]:
        lines.append(f"  problem: {report['problem']}")
    for row in report["exercises"]:
        message = f": {row['message']}" if row["state"] == "not yet" else ""
        lines.append(f"  {row['id']:>5}  {row['state']:8}{row['title']}{message}")
    errors = report["errors"]
    for error in errors[:5]:
        lines.append(f"  cell {error['cell']}: {error['message']}")
    if len(errors) > 5:
        lines.append(f"  and {len(errors) - 5} more cells that failed")
    return "\n".join(lines)
