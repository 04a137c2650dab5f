"""The result of a reading: functions that `check` or `check_layer` takes, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..target import TargetError

__all__ = ["CONTRACT", "Found", "Unreadable"]

CONTRACT = (  # in six lines
    "forward(v, g) -> w                         w = g v / ||v||, as NumPy arrays",
    "backward(w_bar, v, g) -> (v_bar, g_bar)    the gradients of sum(w_bar * w); one is enough",
    "  v (o, ...), g (o, 1, ...), one norm for each index of axis 0; or declare AXIS = -1, ...",
    "forward(x, v, g, b) -> y                   or a whole layer; x, w, b for a plain one",
    "backward(y_bar, x, v, g, b) -> (x_bar, v_bar, g_bar, b_bar)",
    "  constants of the file: KIND = 'linear', 'conv2d', ..., STRIDE = 2, PADDING = 1, ...",
)


@dataclass(frozen=True)
class Found:
    """The arguments of `check(**functions, **settings)`, or of `check_layer`.

    kind: "weight_norm" or "layer". statement: how it was read, in lines. variants: other settings
    in which the same layer is judged, such as another stride
    proved: whether forward is right, or has the right shape and a name that says what it is
    which: the name of the code in a file. others: the file's other code, by names, each as a
    question whether it is proved
    """

    name: str
    kind: str
    functions: dict[str, Callable[..., Any]]
    settings: dict[str, Any]
    statement: list[str] = field(default_factory=list)
    variants: list[Found] = field(default_factory=list)
    proved: bool = False
    which: str = ""
    others: dict[str, Callable[[], bool]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """The statement, and the code that is not judged: it may be what the author meant."""
        if not self.others:
            return self.statement
        more = f" and {len(self.others) - 4} more" if len(self.others) > 4 else ""
        note = f"not judged: {', '.join([*self.others][:4])}{more}; name one, as FILE:name"
        return [*self.statement, note]


class Unreadable(TargetError):
    """The target has code, but the oracle cannot call it as it was read.

    found: what there is. tried: each reading, and what it said. adapter: the text of a file that
    calls it, with lines to fill in. hints: options that may help. proved: as of `Found`, where
    backward alone is what cannot be called
    """

    def __init__(
        self, name: str, found: str, tried: list[str], adapter: str = "",
        hints: list[str] | None = None, proved: bool = False,
    ) -> None:
        self.name, self.found, self.tried, self.adapter = name, found, tried, adapter
        self.hints, self.proved = hints or [], proved
        super().__init__(f"{name}: cannot be called as it was read: {found}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.found, self.tried, self.adapter, self.hints,
                            self.proved)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """What is printed: found, tried, hints, the contract."""
        tried = [f"tried  {line}" for line in self.tried[:3]]
        more = len(self.tried) - 3
        return [
            f"{self.name}: cannot be called as it was read", f"found  {self.found}", *tried,
            *([f"       and {more} more"] if more > 0 else []),
            *(f"hint   {hint}" for hint in self.hints), "wanted",
            *(f"  {line}" for line in CONTRACT),
            "--adapter OUT.py writes a file that calls it, with the lines to fill in",
        ]
