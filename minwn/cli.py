"""`minwn ...`: one command for each task.

Exit codes: 0 all is well, 1 a check failed, 2 the command was not understood.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from . import __version__

__all__ = ["main"]

# name -> (help text, the module with its `arguments` and `main`)
COMMANDS = {
    "verify": ("prove every gradient, and train on real digits", "verify.command"),
    "check": ("judge implementations, and name the wrong term", "oracle.command"),
    "vectors": ("write and prove golden vectors, for any language", "oracle.vectors.command"),
    "mutate": ("plant faults, and count how many are found", "mutation.command"),
    "tutorials": ("the course: list, copy, build, show and lint its notebooks", "course.command"),
    "grade": ("run notebooks, and count the exercises that are right", "course.grading"),
    "reproduce": ("run an experiment again, and draw its figure", "reproduce"),
    "site": ("build the reference, the course and the findings as web pages", "site"),
    "convert": ("translate weights between frameworks", "interop.command"),
    "bench": ("time minwn against its peers", "bench.command"),
    "doctor": ("list the installed and the missing packages", "doctor"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        args = _parser(next((word for word in words if word in COMMANDS), "")).parse_args(words)
    except SystemExit as stop:  # argparse has printed the error or the help
        return stop.code if isinstance(stop.code, int) else 2
    if sys.stdout is None:  # it was closed, as by `>&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except OSError as error:  # what was printed could not be written
        with contextlib.suppress(OSError):  # so that Python does not try again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader closed it, as `| head` does
            return 0
        print(f"minwn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nminwn: stopped", file=sys.stderr)
        return 130


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The parser. Of the commands, only the chosen one is imported, so that it starts at once."""
    parser = argparse.ArgumentParser(
        prog="minwn",
        description="Weight normalisation, written to be read, checked and trusted.",
        epilog="exit codes: 0 all is well, 1 a check failed, 2 the command was not understood",
    )
    parser.add_argument("--version", action="version", version=f"minwn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (summary, home) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        if name == chosen:
            module = importlib.import_module(f".{home}", __package__)
            module.arguments(command)
            command.set_defaults(run=module.main)
    return parser
