"""`minwn ...`: one command for each task.

Exit codes: 0 all is well, 1 a check failed, 2 it could not be done.

What all commands share is here: what cannot be understood or done is one sentence on stderr and
exit code 2, an interrupt one line and 130; output fits the terminal and its characters, and a
reader that goes away does not change the exit code; files of others are not replaced.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import NoReturn

from . import __version__
from .outputs import claim_all, named
from .terminal import Progress, streams, width
from .validation import did_you_mean

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
# These count what they do in a bar of their own; for the others the seconds are counted.
BARS = ("verify", "check", "vectors", "mutate", "reproduce", "bench")
WAIT = 2.0  # seconds before they are


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    with streams() as out:
        code = _main(list(words))
        out.flush()
        fault = out.fault
        if fault is not None and not isinstance(fault, BrokenPipeError):
            print(f"minwn: cannot write to stdout: {fault.strerror}", file=sys.stderr)
            code = code or 2
    return code


def _main(words: Sequence[str]) -> int:
    command = next((word for word in words if word in COMMANDS), "")
    prog = f"minwn {command}".rstrip()
    args = argparse.Namespace()
    try:
        try:
            args = _parser(command).parse_args(words)
        except SystemExit as stop:  # argparse has printed the error or the help
            return stop.code if isinstance(stop.code, int) else 2
        printed = getattr(args, "json", None) in (True, "-") or getattr(args, "csv", False)
        if printed:
            sys.stdout.fits = False  # type: ignore[union-attr]
        waits = command not in BARS and sys.stderr.isatty() and not printed
        claim_all(args)
        with closing(Progress(None, waits, WAIT, prog)):
            code: int = args.run(args)
            return code
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        place = error.filename or (error.strerror and ", ".join(named(args).values()))
        print(f"{prog}: {f'{place}: {error.strerror}' if place else error}", file=sys.stderr)
    except ImportError as error:
        print(f"{prog}: {error}", file=sys.stderr)
    except SystemExit as stop:
        print(f"{prog}: code that it called has ended it, with {stop.code!r}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
        print(f"{prog}: this is a fault of minwn, and no result", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors name what was meant."""

    chosen: argparse.ArgumentParser | None = None

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message)
        unknown = re.match(r"unrecognized arguments: .*?(--[\w-]+)", message)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and message.endswith(
                f"are required: {action.metavar}"
            ):
                message = f"{action.metavar} is missing: {', '.join(action.choices)}"
                message += f"; {self.prog} --help describes them"
        if choice:
            message += did_you_mean(choice[1], re.findall(r"[^\s',]+", choice[2]))
        elif unknown:
            message += did_you_mean(unknown[1], _options(self.chosen or self))
        super().error(message)

    def format_help(self) -> str:
        """The help, with the prose of its epilog in paragraphs that fit."""
        self.epilog = self.epilog and _filled(self.epilog, min(width(), 100) - 2)
        return super().format_help()


def _filled(text: str, columns: int) -> str:
    """The text with lines at the margin joined, and broken to fit; indented lines stay."""
    lines: list[str] = []
    for prose, found in groupby(text.splitlines(), lambda line: line[:1] not in ("", " ")):
        run = list(found)
        lines += textwrap.wrap(" ".join(run), columns, break_on_hyphens=False) if prose else run
    return "\n".join(lines)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a parser, and of those for its actions."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options(below)


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The parser. Of the commands, only the chosen one is imported, so that it starts at once."""
    parser = _Parser(
        prog="minwn",
        description="Weight normalisation, written to be read, checked and trusted.",
        epilog="exit codes: 0 all is well, 1 a check failed, 2 it could not be done",
    )
    parser.add_argument("--version", action="version", version=f"minwn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (summary, home) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        if name == chosen:
            parser.chosen = command
            module = importlib.import_module(f".{home}", __package__)
            module.arguments(command)
            command.set_defaults(run=module.main)
    return parser
