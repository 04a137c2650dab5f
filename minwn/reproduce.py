"""`minwn reproduce NAME`: run the experiment of a figure again, and see whether its claims hold."""

from __future__ import annotations

import argparse
import sys

from . import figure
from .terminal import columns
from .validation import did_you_mean

__all__ = ["arguments", "main"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn reproduce` to a parser."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="name of a figure, or all")
    parser.add_argument("--list", action="store_true", help="list the figures, and stop")
    figure.arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run `minwn reproduce`: 0 if all claims hold, 1 if one fails, 2 where nothing can be made."""
    known = figure.names()
    if args.list:
        rows = []
        for name in known:
            module = figure.load(name)
            rows.append((name, f"{module.SEEDS[0]} seeds", module.TITLE))
        width = max(len(title) for *_, title in rows)
        print(columns([(name, seeds, title.ljust(width)) for name, seeds, title in rows]))
        return 0
    wanted = known if args.names == ["all"] else args.names
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        names = ", ".join(map(repr, unknown))
        near = did_you_mean(unknown[0], known) if unknown else ""
        problem = f"no figure {names}" if unknown else "name a figure, or all"
        print(f"minwn reproduce: {problem}; there are {', '.join(known)}{near}", file=sys.stderr)
        return 2
    return max(figure.make(name, args, args.out or "minwn-figures") for name in wanted)
