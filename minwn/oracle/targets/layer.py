"""The layer under test: a forward and a backward of arrays, with or without a bias."""

from __future__ import annotations

import inspect
import linecache
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backend import is_floating
from .threads import met

__all__ = ["LayerFunctions", "on_purpose", "takes_bias"]

Function = Callable[..., Any]

OPTIONS = (
    "stride", "strides", "padding", "pad", "dilation", "groups", "output_padding", "eps", "form",
    "axis", "dim", "kernel_size", "cache", "ctx", "training",
)


@dataclass(frozen=True)
class LayerFunctions:
    """Two functions, and how they are called: with which arguments, and g in which shape.

    bias: whether each takes b as its last argument   gain: which of the spec's shapes of g
    calls: how many there were of each function
    """

    forward: Function | None
    backward: Function | None
    normalised: bool
    bias: dict[str, bool]
    gain: int = 0
    calls: Counter[str] = field(default_factory=Counter, compare=False)

    def has(self, what: str) -> bool:
        """Whether it has a "forward" or a "backward"."""
        return getattr(self, what) is not None

    @property
    def name(self) -> str:
        """Of the function that says most."""
        for f in (self.backward, self.forward):
            if f is not None:
                name = getattr(f, "__qualname__", type(f).__name__)
                return str(name).rpartition("<locals>.")[2]
        return "nothing"

    def answers(self, what: str) -> tuple[str, ...]:
        """The names of the answers, in order."""
        if what == "forward":
            return ("y",)
        weights = ("v_bar", "g_bar") if self.normalised else ("w_bar",)
        return ("x_bar", *weights, "b_bar")

    def takes(self, what: str) -> list[str]:
        """The names of the arguments, in order."""
        names = ["y_bar"] * (what == "backward") + ["x"]
        names += ["v", "g"] if self.normalised else ["w"]
        return names + ["b"] * self.bias[what]

    def arguments(self, what: str, arrays: dict[str, Any]) -> list[Any]:
        """The arguments in order, in memory of their own."""
        return [np.array(arrays[name], order="C") for name in self.takes(what)]

    def call(self, what: str, arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        """The answers by name, without those that are None. Raises what the function raises."""
        return self.named(what, self.answers_to(what, self.arguments(what, arrays)))

    def answers_to(self, what: str, arguments: Sequence[Any]) -> Any:
        """What the function itself returns, which may share memory. Raises what it raises."""
        self.calls[what] += 1
        return getattr(self, what)(*arguments)

    def meet(self, what: str, problems: Sequence[Any], threads: int) -> list[str]:
        """What went wrong in calls from several threads at once, which are made where it runs."""
        return met(getattr(self, what), what, problems, threads)

    def named(self, what: str, answer: Any) -> dict[str, np.ndarray]:
        """The answers of a call, as arrays of their own."""
        names = self.answers(what)
        if what == "backward":
            if not isinstance(answer, tuple | list) or len(answer) not in (
                len(names), len(names) - 1
            ):
                raise TypeError(f"backward must return {', '.join(names)}; got {_kind(answer)}")
        else:
            if isinstance(answer, tuple | list) and len(answer) != 1:
                raise TypeError(f"forward must return y alone; got {_kind(answer)}")
            answer = answer if isinstance(answer, tuple | list) else (answer,)
        return {
            name: _array(x) for name, x in zip(names, answer, strict=False) if x is not None
        }


def takes_bias(f: Function | None, usual: int) -> bool | None:
    """Whether the function takes b as its last argument, by its signature; None: unknown.

    usual: how many arguments it has with b
    """
    if f is None:
        return True
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(places) < usual:
        return False
    last = places[usual - 1]
    return last.default is last.empty or last.name.lower() not in OPTIONS


def on_purpose(error: Exception) -> bool:
    """Whether the function itself says that it does not take such sizes.

    That is a `raise` of a ValueError or NotImplementedError, or an `assert`, in its own code. What
    NumPy or another library raises, and any other error, is an accident.
    """
    if hasattr(error, "on_purpose"):  # it was raised in another process
        return bool(error.on_purpose)
    if not isinstance(error, AssertionError | NotImplementedError | ValueError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    file = trace.tb_frame.f_code.co_filename
    line = linecache.getline(file, trace.tb_lineno).strip()
    library = "site-packages" in file or "<" in file
    return not library and line.startswith(("raise ", "assert "))


def _kind(answer: Any) -> str:
    if isinstance(answer, tuple | list):
        return f"{len(answer)} answers"
    return type(answer).__name__


def _array(x: Any) -> np.ndarray:
    x = np.array(x)  # a copy: the next call may write to the same memory
    if not (x.dtype.kind in "iub" or is_floating(x.dtype)):
        raise TypeError(f"an answer of dtype {x.dtype}; return arrays of floating numbers")
    return x
