"""`minwn bench`: its options, and the files it leaves."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from ..backend import device_facts, is_device
from ..outputs import written
from ..terminal import Progress, at_least
from ..validation import did_you_mean
from . import picture, tables
from .machine import set_threads
from .report import run
from .timing import Effort
from .works import GROUPS, select

__all__ = ["arguments", "main"]

# Rounds; seconds of each peer, of one work after 3 rounds, and of rest before each block.
ROUNDS, SECONDS, LIMIT, REST = 25, 0.02, 20.0, 0.12
QUICK = Effort(3, 0.002, 0.5)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn bench` to a parser."""
    parser.add_argument(
        "works", nargs="*", metavar="WORK",
        help=f"a name from --list, or a group: {', '.join(GROUPS)}; default all",
    )
    parser.add_argument(
        "--device", type=_device, default="cpu", metavar="D",
        help="cpu, or cuda (cuda:1, ...) for the works of a GPU",
    )
    parser.add_argument("--list", action="store_true", help="name the works, and stop")
    parser.add_argument("--quick", action="store_true", help="small works, few and short rounds")
    parser.add_argument("--rounds", type=at_least(1), metavar="N", help=f"rounds; default {ROUNDS}")
    parser.add_argument(
        "--threads", type=at_least(1), metavar="N",
        help="threads of PyTorch; for NumPy set OPENBLAS_NUM_THREADS and the like beforehand",
    )
    written(
        parser, "--json", mark=r'\{\s*"schema": "minwn-bench', metavar="PATH",
        help="write the report here; '-' prints it",
    )
    written(
        parser, "--picture", mark=rf"[\s\S]*{picture.TITLE}", metavar="PATH",
        help="draw the report as .png or .svg",
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")


def _device(text: str) -> str:
    if not is_device(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no device; choose cpu, cuda or cuda:1, ...")
    return text


def main(args: argparse.Namespace) -> int:
    """Run `minwn bench`: 0 at any speed, 2 where something cannot be run or written."""
    try:
        works = select(args.works, args.quick, args.device)
        if not args.list:
            device_facts(args.device)  # raises where there is none
        if args.picture:
            picture.check(Path(args.picture))
    except KeyError as unknown:
        on = "" if args.device == "cpu" else f" --device {args.device}"
        known = select([], quick=False, device=args.device)
        near = did_you_mean(unknown.args[0], [*(work.name for work in known), *GROUPS])
        return _refuse(
            f"no work or group called {unknown}{near}; choose from `minwn bench{on} --list`"
        )
    except (ValueError, RuntimeError) as error:
        return _refuse(str(error))
    if args.list:
        print("\n".join(f"{work.name:<48}  {work.what}" for work in works))
        return 0
    note = set_threads(args.threads) if args.threads else ""
    if note:
        print(note, file=sys.stderr)
    effort = QUICK if args.quick else Effort(ROUNDS, SECONDS, LIMIT, REST)
    if args.rounds:
        effort = replace(effort, rounds=args.rounds)
    printed = args.json == "-"
    progress = Progress(len(works), on=sys.stderr.isatty() and not printed)
    try:
        report = run(works, effort, quick=args.quick, device=args.device, begin=progress.step)
    finally:
        progress.close()
    plain = json.dumps(report, indent=2, allow_nan=False)
    if args.json not in (None, "-"):
        Path(args.json).write_text(plain + "\n", encoding="utf-8")
    if args.picture:
        picture.draw(report, Path(args.picture))
    print(plain if printed else (tables.markdown if args.markdown else tables.text)(report))
    return 0


def _refuse(why: str) -> int:
    print(f"minwn bench: {why}", file=sys.stderr)
    return 2
