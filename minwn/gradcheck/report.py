"""What a gradient check found: comparisons, and the verdict over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from ..tolerance import ratio

__all__ = ["VERDICTS", "Comparison", "GradcheckError", "GradcheckReport", "Judgement"]

VERDICTS = ("fail", "undefined", "not differentiable", "unresolved", "pass")  # worst first


class GradcheckError(AssertionError):
    """A check that did not pass; its text is the report, its `report` too."""

    def __init__(self, report: Any) -> None:
        super().__init__(f"\n{report}")
        self.report = report


class Judgement:
    """What the reports have in common: a verdict, which is true only if it is "pass"."""

    verdict: Any

    @property
    def ok(self) -> bool:
        """Whether the verdict is "pass"."""
        return bool(self.verdict == "pass")

    def __bool__(self) -> bool:
        return self.ok

    def raised(self) -> Self:
        """The report itself. Raises GradcheckError with it unless it is ok."""
        if not self.ok:
            raise GradcheckError(self)
        return self


@dataclass(frozen=True)
class Comparison:
    """One argument of one function: the worst entry or direction, and the two numbers there."""

    function: str
    argument: int | None  # None: the function as a whole
    name: str
    verdict: str
    index: Any = None  # of the entry; a direction has none
    analytic: float = math.nan
    numeric: float = math.nan
    allowed: float = math.nan
    estimate: float = math.nan
    method: str = ""
    order: int = 1
    note: str = ""
    kind: str = "function"  # or "op", where it is one of the engine's
    sees: float = math.nan  # the relative error that would have been noticed in any entry
    # The same for entries below a millionth of the largest, as a share of the largest; NaN: none.
    sees_beside: float = math.nan

    @property
    def error(self) -> float:
        """|analytic - numeric|."""
        return abs(self.analytic - self.numeric)

    @property
    def ratio(self) -> float:
        """error / allowed: above 1 where the gradient is wrong."""
        return float(ratio(self.error, self.allowed))

    @property
    def place(self) -> str:
        """Where: "op 'tanh', input 0 (x)"."""
        where = f"{self.kind} '{self.function}'"
        if self.argument is not None:
            where += f", input {self.argument}" + (f" ({self.name})" if self.name else "")
        return where + (f", order {self.order}" if self.order > 1 else "")

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.place}"]
        if self.note:
            lines.append(f"    {self.note}")
        if self.method:
            at = "a random direction" if self.index is None else f"index {self.index}"
            lines.append(f"    at {at}, by {self.method} (estimated error {self.estimate:.1e})")
            lines.append(f"    analytic {self.analytic: .12g}")
            lines.append(f"    numeric  {self.numeric: .12g}")
            lines.append(
                f"    error {self.error:.2e}   allowed {self.allowed:.2e}   ratio {self.ratio:.2e}"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class GradcheckReport(Judgement):
    """What was compared, argument by argument, and the verdict over all of it."""

    function: str
    comparisons: tuple[Comparison, ...]
    blamed: tuple[Comparison, ...] = ()  # the operations whose own rule is wrong
    evaluations: int = 0

    @property
    def verdict(self) -> str:
        """The worst of the verdicts of the comparisons."""
        return min((c.verdict for c in self.comparisons), key=VERDICTS.index, default="pass")

    @property
    def worst(self) -> Comparison:
        """The comparison that decided the verdict; of equal ones, that of the largest ratio."""
        decisive = [c for c in self.comparisons if c.verdict == self.verdict]
        return max(decisive, key=lambda c: c.ratio)

    def __str__(self) -> str:
        lines = [f"{self.verdict.upper()}  gradient of {self.function}"]
        for c in self.comparisons:
            if c.verdict != "pass":
                lines.append(str(c))
        passed = [c for c in self.comparisons if c.verdict == "pass"]
        width = max((len(c.place) for c in passed), default=0)
        for c in passed:
            sees = f", sees errors of {c.sees:.1e}" if c.sees == c.sees else ""
            if c.sees_beside == c.sees_beside:
                sees += f" (in small entries, {c.sees_beside:.1e} of the largest)"
            how = f"largest ratio {c.ratio:.1e}{sees}  by {c.method}" if c.method else ""
            lines.append(f"pass: {c.place:{width}}  {'; '.join(filter(None, (how, c.note)))}")
        for c in self.blamed:
            lines.append(f"the fault is in {c.place}: {str(c).partition(chr(10))[2].strip()}")
        return "\n".join(lines)
