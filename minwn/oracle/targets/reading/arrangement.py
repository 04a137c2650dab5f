"""How the arrays of an implementation differ from the oracle's: the shape of g, the order of axes.

The oracle's g keeps v's rank, with 1 along every axis that a norm runs over. An arrangement gives
arrays as the implementation wants them, and takes its answers back. It only moves numbers, except
where the gain is stored as a logarithm s, g = e^s. Then

    w and v_bar are linear in g, g_bar = s_bar / g, and w(-g, v) = w(g, -v),

so a slice with g = 0 is asked with g = 1, and its answer is multiplied by 0; one with g < 0 is
asked with -g and -v. As s is rounded, e^s = g (1 + d): the answers are divided by 1 + d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["GAINS", "Arrangement", "Arrays", "Gain", "place"]

Arrays = dict[str, Any]  # by role: "v", "g", "x", ...


@dataclass(frozen=True)
class Gain:
    """One shape of the gain. give: from the oracle's g, of v's rank or 0-d."""

    says: str
    give: Callable[[np.ndarray], Any]


GAINS = {
    "kept": Gain("{g} as {shape}", lambda g: g),
    "flat": Gain("{g} as {shape}", lambda g: g.reshape(-1)),
    "one": Gain("{g} as {shape}", lambda g: g.reshape(1)),
    "number": Gain("{g} as a Python number", lambda g: float(g.reshape(-1)[0])),
}


@dataclass(frozen=True)
class Arrangement:
    """Where the norms are, and how g is given.

    axis: as in `check`. rank: of v where it is probed. log: whether the gain is a logarithm
    """

    axis: Any = 0
    rank: int = 2
    gain: str = "kept"
    log: bool = False

    def problem(self, arrays: Arrays) -> tuple[Arrays, Arrays]:
        """(the oracle's v and g as they are asked, the factors by which answers are multiplied)."""
        v, g = arrays["v"], arrays["g"]
        if not self.log:
            return {"v": v, "g": g}, {}
        sign = np.where(g < 0, -1, 1).astype(g.dtype)
        size = np.where(g == 0, 1, np.abs(g)).astype(g.dtype)
        s = np.log(size.astype("longdouble")).astype(g.dtype)
        asked = np.exp(s.astype("longdouble"))  # e^s; it differs from |g| by the rounding of s
        w = (size / asked) * (g != 0)
        factors = {"w": w, "v": w * sign, "g": sign / asked}
        return {"v": v * sign, "g": s}, factors

    def give(self, arrays: Arrays) -> Arrays:
        """v and g as the implementation wants them."""
        asked, _ = self.problem(arrays)
        return {"v": asked["v"], "g": GAINS[self.gain].give(asked["g"])}

    def result(self, w: Any, arrays: Arrays) -> Any:
        """The answer w as that of the oracle's v and g."""
        factors = self.problem(arrays)[1]
        return w if not factors else _times(w, factors["w"])

    def gradients(self, found: Arrays, arrays: Arrays) -> tuple[Any, Any]:
        """(v_bar, g_bar), in the shapes of the oracle's v and g; a wrong shape stays wrong."""
        factors = self.problem(arrays)[1]
        given = GAINS[self.gain].give(np.asarray(arrays["g"]))
        g_bar = place(found["g"], np.shape(given), np.shape(arrays["g"]))
        if not factors:
            return found["v"], g_bar
        return _times(found["v"], factors["v"]), _times(g_bar, factors["g"])

    def says(self, name: str = "g") -> str:
        """g flat, as (o,); a norm for each index of axis 0."""
        if self.axis is None:
            where, letters, count = "one norm of the whole", [], 0
        else:
            axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
            kept = [a % self.rank for a in axes]
            letters = ["o" if a in kept else "1" for a in range(self.rank)]
            count = len(kept)
            where = f"a norm for each index of axis {', '.join(map(str, axes))}"
            where = where if axes != (-1,) else "a norm for each index of the last axis"
        shape = {"kept": _tuple(letters), "flat": _tuple(["o"] * count), "one": "(1,)"}
        said = GAINS[self.gain].says.format(g=name, shape=shape.get(self.gain, ""))
        return f"{said}{', the logarithm of the gain' * self.log}; {where}"


def _tuple(letters: list[str]) -> str:
    return f"({', '.join(letters)}{',' * (len(letters) == 1)})"


def place(x: Any, theirs: tuple[int, ...], ours: tuple[int, ...]) -> Any:
    """x in our shape where it has theirs; any other x gets a shape that is wrong for us too."""
    if x is None or theirs == ours:
        return x
    x = np.asarray(x)
    if x.shape == theirs:
        return x.reshape(ours)
    return x[None] if x.shape == ours else x


def _times(x: Any, factor: Any) -> Any:
    x = np.asarray(x)
    return x if x.dtype.kind not in "f" else (x * factor).astype(x.dtype)
