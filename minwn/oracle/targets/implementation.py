"""The implementation under test: functions of arrays, which may do anything with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import is_floating
from .threads import met

__all__ = ["NAMES", "Implementation", "Lost"]

Function = Callable[..., Any]

# The answers of each function, in order.
NAMES = {
    "forward": ("w",),
    "backward": ("v_bar", "g_bar"),
    "jvp": ("w_dot",),
    "double_backward": ("by_w_bar", "by_v", "by_g"),
}


class Lost(RuntimeError):
    """The implementation is gone, and no later call is answered: a process ended, or it hung.

    id: of the fault
    """

    id = "raises"


@dataclass(frozen=True)
class Implementation:
    """The functions to judge; each is called with new arrays, and may fail.

    exchanged: v_bar and g_bar are returned in each other's place, and are put right here
    calls: how many there were of each function
    """

    forward: Function | None = None
    backward: Function | None = None
    jvp: Function | None = None
    double_backward: Function | None = None
    exchanged: bool = False
    calls: Counter[str] = field(default_factory=Counter, compare=False)

    @property
    def name(self) -> str:
        """The name of the first function that was given."""
        for f in (self.backward, self.forward, self.jvp, self.double_backward):
            if f is not None:
                name = getattr(f, "__qualname__", type(f).__name__)
                return str(name).rpartition("<locals>.")[2]
        return "nothing"

    def has(self, what: str) -> bool:
        """Whether that function was given."""
        return getattr(self, what) is not None

    def call(
        self, what: str, *arrays: np.ndarray, copy: bool = True, order: Any = "C"
    ) -> tuple[np.ndarray, ...]:
        """The answers as arrays. Raises the function's own exceptions.

        order: of the copies in memory; "K" is that of the arrays
        """
        arguments = [np.array(x, order=order) if copy else x for x in arrays]
        return tuple(_array(x) for x in self.answers(what, *arguments))

    def answers(self, what: str, *arrays: np.ndarray) -> tuple[Any, ...]:
        """The answers themselves, which may share memory. Raises the function's own exceptions."""
        self.calls[what] += 1
        answer = getattr(self, what)(*arrays)
        count = len(NAMES[what])
        if count == 1:
            answer = (answer,)
        elif not isinstance(answer, tuple | list) or len(answer) != count:
            raise TypeError(f"{what} must return {count} arrays, got {type(answer).__name__}")
        answer = tuple(answer[::-1] if self.exchanged and what == "backward" else answer)
        none = [name for name, x in zip(NAMES[what], answer, strict=True) if x is None]
        if none:
            way = "; oracle.read judges one gradient alone" if what == "backward" else ""
            raise TypeError(f"{what} answers None for {' and '.join(none)}; return arrays{way}")
        return answer

    def meet(self, what: str, problems: Sequence[Any], threads: int) -> list[str]:
        """What went wrong in calls from several threads at once, which are made where it runs."""
        return met(getattr(self, what), what, problems, threads)


def _array(x: Any) -> np.ndarray:
    x = np.array(x)  # a copy: the next call may write to the same memory
    if not (x.dtype.kind in "iub" or is_floating(x.dtype)):
        raise TypeError(f"an answer of dtype {x.dtype}; return arrays of floating numbers")
    return x
