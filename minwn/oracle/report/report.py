"""The report of a check: `str(report)` is one screen; `to_html`, `to_json`, `to_junit`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...validation import path as path_of
from .data import CheckResult, Findings, MinimalCase
from .html import page
from .junit import junit
from .text import screen

__all__ = ["Report"]


@dataclass(frozen=True)
class Report(Findings):
    """What `check` found. `bool(report)` is `report.ok`, and `print(report)` one screen.

    verdict, headline: a word, "PASS" or "FAIL" for instance; and a sentence
    diagnosis: each wrong term, with id, formula, fix and evidence
    checks: what was checked, how often, and how often it failed
    worst: the entry that is farthest out of its tolerance
    minimal_case: a failing case that can be done on paper
    laws: the worst error in each law, in units of what is allowed
    """

    def __bool__(self) -> bool:
        return self.ok

    # Old names, which to_json() keeps.

    @property
    def rungs(self) -> list[CheckResult]:
        """`checks`"""
        return self.checks

    @property
    def smallest(self) -> MinimalCase | None:
        """`minimal_case`"""
        return self.minimal_case

    @property
    def specimens(self) -> list[MinimalCase]:
        """`examples`"""
        return self.examples

    def __str__(self) -> str:
        return screen(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML file that needs nothing else."""
        path_of("path", path).write_text(page([self]), encoding="utf-8")

    def to_junit(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JUnit XML, for a continuous integration that shows tests."""
        path_of("path", path).write_text(junit([self]), encoding="utf-8")
