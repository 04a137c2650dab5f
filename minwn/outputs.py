"""Files that a command writes for its user. A file of others is not replaced by mistake.

    written(parser, "--html", mark="<!doctype html>", metavar="PATH", help="write one HTML file")

adds such an option, and `--force` with it. `claim_all` then looks at the files before the command
runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

__all__ = ["claim", "claim_all", "json_alone", "named", "written"]

HEAD = 4096  # bytes in which a file says what it is
Mark = str | None


def written(
    parser: argparse.ArgumentParser, name: str, *, mark: Mark = None, **options: Any
) -> None:
    """Add an option, or an argument, whose value is the path of a file to be written.

    mark: a regular expression that matches the beginning of what the command itself writes there,
    which it may replace; None where it may replace nothing
    """
    dest = parser.add_argument(name, **options).dest
    known = parser.get_default("written") or {}
    parser.set_defaults(written={**known, dest: mark})
    with contextlib.suppress(argparse.ArgumentError):  # it is there already
        parser.add_argument("--force", action="store_true", help="replace files of others")


def claim_all(args: argparse.Namespace) -> None:
    """Claim every file that the arguments name, before the work.  Raises OSError."""
    seen: dict[str, str] = {}
    for dest, path in named(args).items():
        other = seen.setdefault(os.path.realpath(path), dest)
        if other != dest and not _is_device(Path(path)):
            raise OSError(f"{path} cannot be both {other} and {dest}; name two files")
        claim(Path(path), args.written[dest], force=args.force)


def json_alone(path: str | None) -> AbstractContextManager[object]:
    """Where JSON is for stdout, "-", what a target prints in this process goes to stderr."""
    return contextlib.redirect_stdout(sys.stderr) if path == "-" else contextlib.nullcontext()


def named(args: argparse.Namespace) -> dict[str, str]:
    """{option: path} of the files that the arguments name."""
    given = {dest: getattr(args, dest) for dest in getattr(args, "written", {})}
    return {dest: path for dest, path in given.items() if path not in (None, "-")}


def claim(path: Path, mark: Mark, *also: Path, force: bool = False) -> None:
    """Make sure that a file can be written, and is not of others. Nothing is written.

    also: files that are replaced with it, and that are of others where it is
    Raises OSError.
    """
    try:
        head = _head(path)
        known = bool(mark and re.match(mark, head))
        others = [p for p in (path, *also) if p.is_file() and p.stat().st_size and not known]
        if others and not force:
            raise FileExistsError(
                0, "it exists, and is not what this command writes; name another place, or add "
                "--force to replace it", str(others[0]),
            )
        new = not path.exists()
        path.open("ab").close()
        if new:
            with contextlib.suppress(OSError):  # NUL of Windows is never there
                path.unlink()
    except OSError as error:
        raise OSError(f"cannot write {error.filename}: {error.strerror}") from None


def _head(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(HEAD).decode("utf-8", "replace")


def _is_device(path: Path) -> bool:
    """Whether it takes what is written without keeping it, as /dev/null and a pipe do."""
    return path.exists() and not path.is_file()
