"""An error of Python or NumPy, raised by an answer, as a sentence: what to look at, and where."""

from __future__ import annotations

import linecache
import re
import types
from pathlib import Path
from typing import Any

import numpy as np

from .wire import Raised

__all__ = ["sentence"]

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = (Path(np.__file__).resolve().parent, PACKAGE)
OF_TEXTS = (  # by what NumPy or Python says
    (
        "truth value of an array",
        "max, min, if and `and` take one number; np.maximum, np.minimum and np.where work entry by "
        "entry",
    ),
    ("return arrays must be", "np.maximum takes two arrays; a third is where it puts the result"),
    (
        "cannot be interpreted as an integer",
        "np.max(x, axis) is the largest of one array; np.maximum(x, y) compares two",
    ),
    ("not 'Node'", "a number or an array is asked for there: hand over the .value of the Node"),
    ("unhashable type: 'dict'", "a dict stands where one of its entries is meant"),
    ("must have the same shape", "rows of different lengths make no array: where do they end?"),
    ("for ^", "a power is written **, not ^"),
    ("'^'", "a power is written **, not ^"),
)
OF_KINDS = {
    "KeyError": "it is not in the dict: ask with `in` before you read it",
    "IndexError": "the last index is one less than the size, and one below 0 counts from the end",
}


def sentence(error: BaseException) -> str:
    """What an answer raised, the line that raised it, the shapes there, and what to do."""
    kind = error.kind if isinstance(error, Raised) else type(error).__name__
    said = str(error).strip()
    if kind == "ValueError" and "read-only" in said:
        return "your function changes its arguments; work on a copy"
    frame, line = (None, error.line) if isinstance(error, Raised) else _where(error)
    advice = _advice(kind, said, frame)
    sizes = re.search(r"matmul: .*\(size (\d+) is different from (\d+)\)", said)
    if sizes:
        said = f"matmul (@): an axis of {sizes[2]} meets one of {sizes[1]}"
    text = f"your answer raised {kind}: {said}"
    place = f", in the line `{line}`" if line and not advice else ""
    advice = advice or next((a for words, a in OF_TEXTS if words in said), OF_KINDS.get(kind, ""))
    return f"{text}{place}{f'; {advice}' if advice else ''}"


def _where(error: BaseException) -> tuple[types.FrameType | None, str]:
    """The deepest frame of the learner's own code, and its line."""
    found, number = None, 0
    step = error.__traceback__
    while step is not None:
        path = Path(step.tb_frame.f_code.co_filename)
        if not any(library in path.parents for library in LIBRARIES):
            found, number = step.tb_frame, step.tb_lineno
        step = step.tb_next
    if found is None:
        return None, ""
    line = linecache.getline(found.f_code.co_filename, number).strip()
    return found, line if len(line) <= 80 else ""


def _advice(kind: str, text: str, frame: types.FrameType | None) -> str:
    if kind == "ValueError" and "broadcast together" in text:
        return _broadcast(re.findall(r"\(([\d,]*)\)", text), frame)
    if kind == "ValueError" and ("matmul" in text or "not aligned" in text):
        return (
            "in a @ b the last axis of a is summed with the first of b, so the two must be alike"
            f"{_shapes(frame)}; does one of them need .T?"
        )
    if kind == "ValueError" and "reshape" in text:
        return f"a new shape must hold as many numbers as the old{_shapes(frame)}"
    if kind == "TypeError" and re.search(r"positional argument|keyword argument", text):
        return "give your function the arguments of the task, in their order"
    if kind == "NameError":
        return "is the name spelled as above, and is its cell run?"
    return ""


def _broadcast(found: list[str], frame: types.FrameType | None) -> str:
    shapes = [tuple(int(n) for n in text.split(",") if n) for text in found[:2]]
    if len(shapes) == 2:
        small, large = sorted(shapes, key=len)
        if len(small) == 1 and len(large) == 2 and small[0] == large[0]:
            return (
                f"{_shown(small)} is read as a row; one number for each row of {_shown(large)} "
                f"is a column, ({small[0]}, 1): keepdims=True in the sum makes one, or [:, None]"
            )
        square = next((s for s in shapes if len(s) == 2 and s[0] == s[1]), None)
        if square and square[0] in (shapes[0][0], shapes[1][0]) and small[:1] == large[:1]:
            return (
                f"if the {_shown(square)} came of ({square[0]}, 1) and ({square[0]},), sum with "
                f"keepdims=True{_shapes(frame)}"
            )
        if small == large[::-1]:
            return "one of the two is transposed: which of them needs .T?"
    return f"shapes are lined up from the right, and each pair must be alike or 1{_shapes(frame)}"


def _shapes(frame: types.FrameType | None) -> str:
    """; here v is (3, 4), g is (3, 1)"""
    if frame is None:
        return ""
    count = frame.f_code.co_argcount
    arrays = [(name, frame.f_locals.get(name)) for name in frame.f_code.co_varnames[:count]]
    said = [f"{name} is {_shown(x.shape)}" for name, x in arrays if isinstance(x, np.ndarray)]
    return f" (here {', '.join(said)})" if said else ""


def _shown(shape: Any) -> str:
    return str(tuple(shape))
