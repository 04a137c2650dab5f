"""Is it the right answer permuted, or computed from permuted inputs?"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...terminal import counted
from ..mistakes import OUTPUTS, Terms
from .observation import Diagnosis, Observation, differs, fits

__all__ = ["NAMES", "permuted"]

_WORDS = ("rolled", "reversed", "transposed")
NAMES = tuple(f"{what}_{word}" for what in ("v", "w_bar", "g", *OUTPUTS) for word in _WORDS)


def permuted(seen: Sequence[Observation], output: str) -> list[Diagnosis]:
    """The right answer permuted, or computed from permuted inputs."""
    found = []
    rank = max(o.v.ndim for o in seen)
    moves: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = []
    for a in (*range(min(rank, 3)), -1, -2):
        for by in (1, -1):
            roll = functools.partial(np.roll, shift=by, axis=a)
            moves.append((f"rolled by {by:+d} along axis {a}", roll))
        moves.append((f"reversed along axis {a}", functools.partial(np.flip, axis=a)))
    moves.append(("read in column order", lambda x: x.T.reshape(x.shape)))
    moves.append(("read in row order from column order", lambda x: x.reshape(x.T.shape).T))
    for (text, move), what in itertools.product(moves, (output, "v", "w_bar", "g")):
        if what != output and (output == "w" and what == "w_bar"):
            continue

        def candidate(o: Observation, move: Any = move, what: str = what) -> Any:
            try:
                if what == output:
                    return move(o.expected[output])
                given = {"v": o.v, "g": o.g, "w_bar": o.w_bar}
                given[what] = move(given[what])
                t = Terms(given["v"], given["g"], given["w_bar"], o.axes, o.form, o.eps)
                return getattr(t, output)()
            except (ValueError, IndexError):
                return None

        useful = [o for o in seen if candidate(o) is not None]
        if useful and len(useful) * 2 >= len(seen):
            residual = fits(useful, output, candidate)
            if residual < math.inf and differs(useful, output, candidate):
                cases = counted(len(useful), "case")
                word = text.split()[0] if "order" not in text else "transposed"
                found.append(
                    Diagnosis(
                        f"{what}_{word}", f"{what} is {text}",
                        f"mend the index or the order of {what}",
                        f"the right {output}, with {what} {text}, in {cases}", (output,), residual,
                    )
                )
        if found:
            break
    return found
