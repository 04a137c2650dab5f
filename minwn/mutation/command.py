"""`minwn mutate`: plant faults, and count how many the judge, or your own tests, find."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..oracle.targets.target import TargetError
from ..outputs import json_alone, written
from ..terminal import Progress, at_least, seconds
from ..validation import did_you_mean
from .measure import KINDS, MUTANTS, Outcome, elsewhere, measure, table
from .mutant import Mutant
from .suite import SuiteError, Survey, measured

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn mutate                                     every fault, judged by the oracle
  minwn mutate --class formula --dtype float64     some of them
  minwn mutate --rows 1000000                      does a right implementation ever fail?
  minwn mutate --tests tests/test_layer.py --target layer.py
                                                   which faults do your own tests detect?
"""
ROWS, LONG = 20_000, 1_000_000
CHECKOUT = Path(__file__).resolve().parents[2]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn mutate` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--class", dest="kinds", nargs="+", choices=KINDS, metavar="CLASS",
        help=f"classes of faults, of {', '.join(KINDS)}; default: all",
    )
    parser.add_argument("--id", dest="ids", nargs="+", metavar="ID", help="only these mutants")
    parser.add_argument(
        "--dtype", nargs="+", choices=("float64", "float32", "float16"),
        default=["float64", "float32"], help="default: float64 float32",
    )
    parser.add_argument(
        "--rows", type=at_least(0), metavar="N",
        help="give right implementations, which are in the tests of a checkout of minwn, this many "
        f"slices, none of which may fail; default there: {ROWS}",
    )
    parser.add_argument(
        "--long", dest="rows", action="store_const", const=LONG,
        help=f"--rows {LONG}, and the faults in ranks 3 and 4, and with one norm of the whole, too"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the rows; default 0")
    parser.add_argument(
        "--tests", metavar="PATH", help="measure your own tests, in place of the oracle"
    )
    parser.add_argument(
        "--target", metavar="FILE.py|MODULE", help="the functions that they test, as in minwn check"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=0.0, metavar="SECONDS",
        help="limit for the tests with one mutant; default: ten times their time without",
    )
    parser.add_argument(
        "--jobs", type=at_least(0), default=0, help="processes for --tests; default: cores"
    )
    written(
        parser, "--json", mark=r'\{\s*"ok": (true|false),\s*"(seconds|tests)": ', nargs="?",
        const="-", metavar="PATH",
        help="write everything as JSON to PATH; without PATH, print it instead of the table",
    )


def main(args: argparse.Namespace) -> int:
    """Run `minwn mutate`: 1 if a fault survived, 2 if nothing could be measured."""
    if (args.tests is None) != (args.target is None):
        print("minwn mutate: --tests and --target go together", file=sys.stderr)
        return 2
    known = [m.id for m in MUTANTS]
    for unknown in sorted({*(args.ids or ())} - {*known}):
        near = did_you_mean(unknown, known)
        print(f"minwn mutate: no mutant {unknown}{near}", file=sys.stderr)
        return 2
    if args.rows and not _in_checkout():
        print(
            f"minwn mutate: --rows {args.rows} needs a checkout of minwn: its tests have the right "
            f"implementations; {CHECKOUT} is none", file=sys.stderr,
        )
        return 2
    mutants = [
        m for m in MUTANTS
        if (not args.kinds or m.kind in args.kinds) and (not args.ids or m.id in args.ids)
    ]
    try:
        with json_alone(args.json):
            text, data, ok = _suite(args, mutants) if args.tests else _judge(args, mutants)
        if args.json not in (None, "-"):
            with open(args.json, "w", encoding="utf-8") as file:
                file.write(json.dumps(data, indent=2, allow_nan=False) + "\n")
    except (TargetError, SuiteError) as error:
        print(f"minwn mutate: {error}", file=sys.stderr)
        return 2
    print(json.dumps(data, indent=2, allow_nan=False) if args.json == "-" else text)
    return 0 if ok else 1


# ---- the judge ----------------------------------------------------------------------------------


def _in_checkout() -> bool:
    return (CHECKOUT / "tests" / "mutation" / "false_alarms.py").is_file()


def _alarms(rows: int, seed: int, step: Callable[[int], None]) -> Any:
    """What becomes of right implementations, by the tests of this checkout."""
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    tests = importlib.import_module("tests.mutation.false_alarms")
    return tests.alarms(rows, seed=seed, step=step)


def _everywhere(args: argparse.Namespace, mutants: Sequence[Mutant]) -> list[Mutant]:
    """The mutants, and with --long those of other ranks, and of one norm of the whole."""
    return [*mutants, *(elsewhere(mutants) if args.rows == LONG else ())]


def _judge(args: argparse.Namespace, mutants: Sequence[Mutant]) -> tuple[str, Any, bool]:
    start = time.perf_counter()
    rows = (ROWS if args.rows is None else args.rows) if _in_checkout() else 0
    count = sum(dtype in m.dtypes for m in _everywhere(args, mutants) for dtype in args.dtype)
    bar = Progress(count + rows // 1000, on=sys.stderr.isatty() and args.json != "-")
    outcomes: list[Outcome] = []
    for o in measure(_everywhere(args, mutants), args.dtype):
        outcomes.append(o)
        bar.step(o.mutant.id)
    found = None
    if _in_checkout():
        found = _alarms(rows, args.seed, lambda n: bar.step("what is right", n // 1000))
    bar.close()
    survivors = [o for o in outcomes if o.survived]
    accused = [o for o in outcomes if o.wronged]
    misnamed = [o for o in outcomes if o.naming == "wrong"]
    ok = not survivors and not accused and not misnamed and not (found and found.alarms)
    data = {
        "ok": ok, "seconds": time.perf_counter() - start, "table": table(outcomes),
        "rows": found and found.to_json(), "mutants": [o.to_json() for o in outcomes],
    }
    lines = [*_table(outcomes), "", _rows(found)]
    for title, some in (("survived", survivors), ("accused", accused), ("misnamed", misnamed)):
        for o in some:
            said = ", ".join(o.found) or o.verdict
            lines.append(f"  {title:9} {o.mutant.id} ({o.dtype}): {said}; {_short(o.mutant.what)}")
    lines += [f"            {text}" for text in found.first] if found else []
    return "\n".join(lines), data, ok


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    """Planted, caught, named: a line for each class and dtype."""
    head = f"{'class':14} {'dtype':8} {'planted':>7} {'caught':>9} {'named right':>14} {'vague':>6}"
    lines = [f"{head} {'wrong':>6}"]
    for r in table(outcomes):
        caught = f"{r['caught']}/{r['faults']}" if r["faults"] else "-"
        share = f" {100 * r['named'] / r['caught']:.0f} %" if r["caught"] else ""
        line = f"{r['class']:14} {r['dtype']:8} {r['planted']:7} {caught:>9}"
        line += f" {str(r['named']) + share if share else '-':>14} {r['vague']:6} {r['wrong']:6}"
        notes = [f"{r['limit']}/{r['limits']} seen as limits of range"] * bool(r["limits"])
        notes += [f"{r['equal']} proved equal, {r['accused']} accused"] * bool(r["equal"])
        lines.append(line + (f"   {'; '.join(notes)}" if notes and r["class"] != "all" else ""))
    return lines


def _rows(found: Any) -> str:
    if found is None:
        return "right implementations: not asked; they are in the tests of a checkout"
    worst = max(found.worst.values(), default=0.0)
    return (
        f"right implementations: {len(found.worst)} on {found.rows} rows, {found.judgements} "
        f"judgements, {found.alarms} false alarms, worst error {worst:.2g} of what is allowed"
    )


def _short(text: str, width: int = 76) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


# ---- someone's own tests ------------------------------------------------------------------------


def _suite(args: argparse.Namespace, mutants: Sequence[Mutant]) -> tuple[str, Any, bool]:
    bar = Progress(len(mutants), on=sys.stderr.isatty() and args.json != "-")
    survey = measured(
        args.tests, args.target, mutants, jobs=args.jobs or min(os.cpu_count() or 1, 4),
        timeout=args.timeout, step=bar.step,
    )
    bar.close()
    ok = not survey.survivors and all(t.outcome != "broken" for t in survey.tested)
    data = {
        "ok": ok, "tests": survey.tests, "target": survey.target, "seconds": survey.seconds,
        "mutants": [t.to_json() for t in survey.tested],
        "missing": {why: [t.mutant.id for t in some] for why, some in survey.holes.items()},
    }
    return "\n".join(_lines(survey)), data, ok


def _lines(survey: Survey) -> list[str]:
    """How many survive, and for each hole the check that is missing."""
    tested = survey.tested
    killed = sum(t.outcome in ("killed", "timeout") for t in tested)
    lines = [
        f"{survey.tests} on {survey.target}: green as it is ({survey.seconds:.1f} s), and with a "
        f"right implementation in its place",
        f"{killed} of {len(tested)} mutants are seen, {len(survey.survivors)} survive",
    ]
    late = sum(t.outcome == "timeout" for t in tested)
    lines += [f"{late} of those seen ran out of time"] * bool(late)
    for why, some in survey.holes.items():
        lines += ["", f"missing: {why}", f"  {len(some)} survive, such as"]
        lines += [f"    {t.mutant.id}: {_short(t.mutant.what)}" for t in some[:4]]
    for t in tested:
        if t.outcome == "broken":
            lines += ["", f"{t.mutant.id}: pytest itself failed", t.why]
    return lines
