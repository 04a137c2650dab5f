"""The words of a report explained, and the right formulas, for readers new to the code.

    w = g v / h      g_bar = d / h      v_bar = (g / h) (w_bar - (d / h) y)      d = <w_bar, v>

h is the length that v is divided by and y = dh/dv; in the plain form h = n = ||v||, y = v/n.
"""

from __future__ import annotations

from typing import Any

from ...forms import FORMS
from ..diagnosis import Diagnosis
from ..mistakes.table import RIGHT

__all__ = [
    "CHECKS", "GRADES", "GROUPS", "LAWS", "NEXT", "ORDERS", "VERDICTS", "correct_formulas",
    "symbols",
]

VERDICTS = {
    "PASS": "every check holds",
    "FAIL": "a check does not hold",
    "ACCEPTABLE": "what does not hold was declared beforehand, by its name",
    "UNDEFINED": "nothing was asked that has an answer",
    "REFUSED": "there is no function, or one that answers nothing",
}

GRADES = {
    "rounded": "each number is the nearest one to the truth",
    "faithful": "each number is one of the two nearest to the truth",
    "stable": "every result is within its proven rounding-error bound",
}

# The next step, where there is no mistake to fix.
NEXT = {
    "UNDEFINED": "ask for cases without slices of zeros, inf or NaN: groups=['dyadic', 'generic']",
    "REFUSED": "give functions that answer: forward(v, g) -> w, backward(w_bar, v, g) -> (v_bar, "
    "g_bar), jvp(v, g, v_dot, g_dot) -> w_dot, or double_backward; or widen groups and ranks",
}

CHECKS = {
    "hygiene": "shapes, dtypes, inputs left alone, same answer twice",
    "dyadic": "numbers at which nothing is rounded",
    "forward": "w against the true w",
    "gradients": "v_bar, g_bar against the true ones",
    "laws": "equations that every right gradient obeys",
    "differences": "v_bar, g_bar against differences of your forward",
    "complex": "v_bar, g_bar against complex steps of your forward",
    "taylor": "Taylor remainder within a proven bound",
    "adjoint": "<w_dot, w_bar> = <v_dot, v_bar> + <g_dot, g_bar>",
    "product": "w_dot, the forward product, against the true one",
    "second order": "the double backward against the true one",
    "threads": "the same bits from several threads at once",
    # of a layer
    "integers": "numbers at which nothing is rounded",
    "output": "y against the true y",
    "cotangents": "the gradients against the true ones",
    "layer laws": "equations that every right layer obeys",
    "own forward": "the gradients against differences of your y",
}

LAWS = {
    "I1": "<v, v_bar> = 0",
    "I2": "v_bar(2 v) = v_bar(v) / 2",
    "I3": "g_bar(2 v) = g_bar(v)",
    "I4": "v_bar(-2 g) = -2 v_bar(g)",
    "I5": "g_bar(-2 g) = g_bar(g)",
    "I6": "g g_bar = <w_bar, w>",
    "I7": "w_bar across v: v_bar = (g/h) w_bar",
    "I8": "w_bar along v: v_bar = 0",
    "I9": "slices turned: v_bar turned",
    "I10": "a slice does not feel another",
    "I11": "slices permuted: answers permuted",
    "I12": "<v_bar(a), b> = <v_bar(b), a>",
    "Y1": "y(x + z) - y(z) = y(x) - y(0)",
    "Y2": "twice y_bar: twice the gradients",
    "Y3": "<y_bar, y(z) - y(0)> = <x_bar, z>",
    "Y4": "<y_bar, y> = <x, x_bar> + <b, b_bar>",
    "Y5": "<g, g_bar>, or <w, w_bar>, = <x, x_bar>",
    "Y6": "a sample does not feel another",
    "Y7": "gradients of samples add up",
    "Y8": "x moved by a stride: y moved by one",
}

# The columns of the matrix that are checks: how the answers come, and the orders of derivative.
ORDERS = {
    "hygiene": "hygiene",
    "w": "forward",
    "gradients": "gradients",
    "JVP": "product",
    "double backward": "second order",
}

GROUPS = {
    "dyadic": "numbers at which nothing is rounded: only the exact answer is right",
    "generic": "ordinary numbers, of both signs",
    "angle": "w_bar nearly along v, or nearly across it",
    "range": "numbers at the edges of the dtype",
    "axes": "other ranks and axes, and axes of size 1 and 0",
    "layout": "arrays that are transposed, strided or read-only",
    "undefined": "slices of zeros, inf and NaN, among ordinary slices",
    "long": "slices of thousands of entries",
    "zeros": "g, w_bar or entries of v that are 0: each has an answer",
    "sizes": "one slice, or one entry, more than a block has; squares",
    "shape": "the given shape",
    "integers": "layers of integers: only the exact answer is right",
    "reals": "layers of ordinary numbers",
}

_PLAIN = {name: f"{name} = {line}" for name, line in RIGHT.items()}
_OTHER = {
    "w": "w = g v/h",
    "v_bar": "v_bar = (g/h) (w_bar - (d/h) y)",
    "g_bar": "g_bar = d/h",
}
_LAYER = {
    "y": "y[p] = sum_k w[k] x[stride p + dilation k - padding] + b",
    "x_bar": "x_bar[q] = sum of w[k] y_bar[p] over all p, k that read x[q]",
    "w_bar": "w_bar[k] = sum_p y_bar[p] x[stride p + dilation k - padding]",
    "b_bar": "b_bar = sum of y_bar over samples and positions",
}
_LENGTHS = {name: f"h = {form.h}, y = {form.y}" for name, form in FORMS.items() if form.takes_eps}


def correct_formulas(d: Diagnosis, form: str = "plain", *, layer: bool = False) -> list[str]:
    """The right formulas for the outputs of a mistake; none where no formula is at fault."""
    if layer and not set(d.outputs) <= {"v_bar", "g_bar"}:
        return [_LAYER[output] for output in d.outputs if output in _LAYER]
    if d.formula.startswith("h ="):
        return [f"h = {FORMS[form].h}"]
    table = _PLAIN if form == "plain" else _PLAIN | _OTHER
    return [table[output] for output in d.outputs if output in table]


def symbols(axis: Any, d: Diagnosis, form: str = "plain") -> str:
    """The symbols of the formulas: "n = ||v||, d = <w_bar, v>, over each slice v[i] of ..."."""
    names = ["n = ||v||", "d = <w_bar, v>"]
    if any(output.startswith("by_") for output in d.outputs):
        names += ["a = <A, v>", "c = <A, w_bar>; A, B the cotangents of v_bar, g_bar"]
    slices = {
        None: "the whole of v, m entries",
        0: "each slice v[i] of m entries",
        1: "each slice v[:, i] of m entries",
        -1: "each slice v[..., i] of m entries",
    }
    where = slices.get(axis, f"each slice of m entries: one for each index along axis {axis}")
    text = f"{', '.join(names)}, over {where}"
    if form in _LENGTHS:
        return f"{_LENGTHS[form]}; {text}"
    return f"v is divided by h; {text}" if d.formula.startswith("h =") else text
