"""The implementation under test: functions of arrays, which may do anything with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backend import is_floating

__all__ = ["NAMES", "Implementation"]

Function = Callable[..., Any]

# The answers of each function, in order.
NAMES = {
    "forward": ("w",),
    "backward": ("v_bar", "g_bar"),
    "jvp": ("w_dot",),
    "double_backward": ("by_w_bar", "by_v", "by_g"),
}


@dataclass(frozen=True)
class Implementation:
    """The functions to judge; each is called with new arrays, and may fail."""

    forward: Function | None = None
    backward: Function | None = None
    jvp: Function | None = None
    double_backward: Function | None = None

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

    def call(self, what: str, *arrays: np.ndarray, copy: bool = True) -> tuple[np.ndarray, ...]:
        """The answers as arrays. Raises the function's own exceptions."""
        arguments = [np.array(x, order="C") if copy else x for x in arrays]
        answer = getattr(self, what)(*arguments)
        count = len(NAMES[what])
        if count == 1:
            return (_array(answer),)
        if not isinstance(answer, tuple | list) or len(answer) != count:
            raise TypeError(f"{what} must return {count} arrays, got {type(answer).__name__}")
        return tuple(_array(x) for x in answer)


def _array(x: Any) -> np.ndarray:
    x = np.array(x)  # a copy: the next call may write to the same memory
    if not (x.dtype.kind in "iub" or is_floating(x.dtype)):
        raise TypeError(f"an answer of dtype {x.dtype}; return arrays of floating numbers")
    return x
