"""`minwn verify`: its options, its output, and its files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..outputs import claim, written
from ..terminal import at_least, coloured
from . import Report, run
from .curve import draw

__all__ = ["arguments", "main"]

MARK = r'\{\s*"schema": "minwn-verify/'


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn verify` to a parser."""
    parser.add_argument("--quick", action="store_true", help="fewer points and epochs")
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="of all random numbers; default 0"
    )
    written(
        parser, "--json", mark=MARK, nargs="?", const="-", metavar="PATH",
        help="write the report as JSON to PATH; without PATH, print it instead of the tables",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="put verify.json and digits.png here; default minwn-verify"
    )
    parser.add_argument("--no-plot", action="store_true", help="draw no digits.png")


def main(args: argparse.Namespace) -> int:
    """Run `minwn verify`: 0 if everything holds, 1 if not, 2 where nothing can be written."""
    path = None if args.json in (None, "-") else Path(args.json)
    folder = Path(args.out or "minwn-verify")
    if args.out is not None or folder.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"cannot write {error.filename}: {error.strerror}") from None
        claim(folder / "verify.json", MARK, folder / "digits.png", force=args.force)
    printed = args.json == "-"
    report = run(quick=args.quick, seed=args.seed, progress=sys.stderr.isatty() and not printed)
    text = json.dumps(report.to_json(), indent=2, allow_nan=False)
    notes = _write(report, text, folder, not args.no_plot)
    if path is not None:
        path.write_text(text + "\n", encoding="utf-8")
        notes.append(f"report: {path}")
    if printed:
        print(text)
    else:
        lines = "\n".join(f"  {note}" for note in notes)
        print(f"{report}\n\n{lines}\n\n{coloured(report.verdict(), report.ok)}")
    return 0 if report.ok else 1


def _write(report: Report, text: str, folder: Path, plot: bool) -> list[str]:
    """Write the report and the curve, as far as possible; a line for each file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verify.json").write_text(text + "\n", encoding="utf-8")
        notes = [f"report: {folder / 'verify.json'}"]
        if plot and report.digits:
            draw(report.digits, folder / "digits.png")
            notes.append(f"curve: {folder / 'digits.png'}")
    except OSError as error:
        return [f"no report in {folder}: {error.strerror}; choose a place with --out"]
    except ImportError as error:
        notes.append(f"no curve: {error}")
    return notes
