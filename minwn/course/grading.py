"""`minwn grade NOTEBOOK...`: the right answers in each, as text, JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import validation
from ..terminal import seconds
from .grade import UNREADABLE, grade, stop
from .run import MISSING

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn grade handed_in/*.ipynb
  minwn grade handed_in/*.ipynb --jobs 4 --csv > grades.csv
  minwn grade handed_in/*.ipynb --json > grades.json

A notebook cannot reach its judge, but its code runs with your rights: grade strangers' notebooks in
a container.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn grade` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of text")
    form.add_argument("--csv", action="store_true", help="print a line for each notebook, as CSV")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="notebooks at a time (default 1)"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=300, help="seconds for a notebook (default 300)"
    )


def main(args: argparse.Namespace) -> int:
    """Run `minwn grade`; 1 where an answer is not right, 2 where no notebook can be run."""
    if find_spec("nbclient") is None:
        print(f"minwn grade: {MISSING}", file=sys.stderr)
        return 2
    absent = [path for path in args.notebooks if not Path(path).is_file()]
    if absent:
        print(f"minwn grade: {validation.absent(absent[0])}", file=sys.stderr)
        return 2
    if args.jobs < 1:
        print(f"minwn grade: --jobs {args.jobs}; give a number >= 1", file=sys.stderr)
        return 2
    reports = []
    with ThreadPoolExecutor(args.jobs) as pool:
        try:
            for report in pool.map(lambda path: grade(path, timeout=args.timeout), args.notebooks):
                reports.append(report)
                if not (args.json or args.csv):
                    print(_report(report), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
    if args.json:
        print(json.dumps(reports, indent=2))
    if args.csv:
        _table(reports)
    if all(r["problem"].startswith(UNREADABLE) for r in reports):
        return 2
    well = all(not r["problem"] and r["right"] == r["of"] for r in reports)
    return 0 if well else 1


def _table(reports: Sequence[dict[str, Any]]) -> None:
    """A line for each notebook, and a column for each exercise of any of them."""
    ids = list(dict.fromkeys(row["id"] for report in reports for row in report["exercises"]))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["notebook", "student", "right", "of", "problem", *ids])
    for report in reports:
        states = {row["id"]: row["state"] for row in report["exercises"]}
        known = (_cell(report[key]) for key in ("notebook", "student", "right", "of", "problem"))
        writer.writerow([*known, *(states.get(id, "") for id in ids)])


def _cell(x: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{x}" if isinstance(x, str) and x[:1] in "=+-@\t" and x else x


def _report(report: dict[str, Any]) -> str:
    who = f", {report['student']}" if report["student"] else ""
    head = f"{report['notebook']}{who}: {report['right']} of {report['of']}"
    lines = [f"{head} ({report['seconds']} s)"]
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
