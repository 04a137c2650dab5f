"""Where the notebooks are: next to the package in a checkout, inside it in an installation."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PACKAGE", "notebooks", "sources", "tutorials"]

PACKAGE = Path(__file__).resolve().parents[1]


def tutorials() -> Path:
    """The directory that holds src/, solutions/ and the notebooks for learners.

    Raises FileNotFoundError where this installation has none.
    """
    for directory in (PACKAGE.parent / "tutorials", PACKAGE / "_tutorials"):
        if (directory / "src").is_dir():
            return directory
    raise FileNotFoundError("this installation of minwn came without its notebooks")


def sources(root: Path | None = None) -> list[Path]:
    """src/NN_title.py of every notebook, in order."""
    return sorted(((root or tutorials()) / "src").glob("[0-9][0-9]_*.py"))


def notebooks(root: Path | None = None, solutions: bool = False) -> list[Path]:
    """NN_title.ipynb of every notebook, in order."""
    root = root or tutorials()
    return sorted((root / "solutions" if solutions else root).glob("[0-9][0-9]_*.ipynb"))
