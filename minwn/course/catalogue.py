"""Judges of weight normalisation: the oracle finds the mistake, this file explains it to a learner.

The oracle's own report shows the right formula. A learner reads a sentence about the answer alone
instead, and then a number of the answer at the point

    v = (3, 4)    g = 10    w_bar = (5, 10)

which one can check on paper: n = 5, <w_bar, v> = 55.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..oracle import CATALOGUE, Diagnosis, check
from ..oracle.mistakes import Terms, kept_axes
from ..oracle.mistakes.layer_terms import LayerTerms, Rule
from ..oracle.mistakes.layers import LAYER_MISTAKES
from ..oracle.spec import make_spec
from ..validation import choice, door
from .exercise import Judge
from .judges import same

__all__ = ["layer_errors", "sentence", "weight_norm", "weight_norm_at"]

OF_MISTAKES = {m.id: m.sentence for m in CATALOGUE if m.sentence}
OF_DIAGNOSES = {  # by the ids of diagnoses outside the catalogue
    "coefficient": "your v_bar mixes w_bar and v as it should, but one of its two factors is wrong",
    "coefficient_of_v": "the factor of v in your v_bar is wrong; that of w_bar is right",
    "coefficient_of_w_bar": "the factor of w_bar in your v_bar is wrong; that of v is right",
    "coefficients": "both factors in your v_bar, that of w_bar and that of v, are wrong",
    "coefficient_of_v_bar": "your v_bar points the right way, but its length is wrong",
    "coefficient_of_g_bar": "your g_bar has a wrong factor",
    "coefficient_of_w": "your w points the right way, but its length is wrong",
    "lost_digits": "the formula is right, but digits are lost on the way; divide last",
    "axis/index": "rows get mixed: look at the axes of your sums, and at keepdims",
    "mutates_input": "your function changes its arguments; work on a copy",
    "low_precision": "the formula is right, but somewhere on the way numbers are float32",
    "eps_in_bwd_only": "there is an eps in your gradient that is not in the function",
}
WHERE = "at v = (3, 4), g = 10, w_bar = (5, 10)"
GROUPS = ("dyadic", "generic")


def sentence(id: str) -> str | None:
    """A learner's sentence about the mistake with this id; None where there is only its formula."""
    return OF_MISTAKES.get(id) or OF_DIAGNOSES.get(id)


def weight_norm(what: str = "backward", *, axis: int | None = 0) -> Judge:
    """The judge of a function that belongs to w = g v / ||v||.

    what: the function is
        "forward"    (v, g) -> w
        "backward"   (w_bar, v, g) -> (v_bar, g_bar)
        "v_bar"      (w_bar, v, g) -> v_bar
        "g_bar"      (w_bar, v, g) -> g_bar
    axis: 0 for one norm for each row of v (o, i) with g (o, 1); 1 for columns, with g (1, i); None
    for one vector v (i,) with a number g
    Raises ValueError for any other what or axis.
    """
    if not isinstance(what, str) or what not in ("forward", "backward", "v_bar", "g_bar"):
        raise ValueError(f"what={what!r}; choose forward, backward, v_bar or g_bar")

    ranks = (1,) if axis is None else (2,)
    make_spec(axis=axis, ranks=ranks, groups=GROUPS)

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            return "hand over the function itself, not what it returns"
        adapted = _Adapted(answer, what, axis)
        side = "forward" if what == "forward" else "backward"
        for dtype in ("float64", "float32"):
            how: dict[str, Any] = {"axis": axis, "ranks": ranks, "groups": GROUPS, "dtype": dtype}
            report = check(**{side: getattr(adapted, side)}, **how)
            adapted.reraise()
            if report.ok or not adapted.narrow:
                break
        return None if report.ok else _message(report.diagnosis, adapted)

    return judge


@door
def weight_norm_at(output: str, v: Any, g: Any, w_bar: Any, *, axis: int | None = 0) -> Judge:
    """The judge of one array, w, v_bar or g_bar, at one point."""
    choice("output", output, ("w", "v_bar", "g_bar"))
    t = Terms(v, g, w_bar, kept_axes(axis, np.ndim(v)))
    expected = getattr(t, output)()
    wrong = [(m, m.output(output, t)) for m in CATALOGUE if output in m.rules]
    common_errors = [
        (value, sentence(m.id) or _about_axes(m.formula))
        for m, value in wrong
        if value is not None and same(value, expected) is not None
    ]
    return lambda answer: same(answer, expected, f"your {output}", common_errors=common_errors)


def layer_errors(
    terms: Callable[..., LayerTerms], outputs: str | tuple[str, ...], shape: Any = None
) -> tuple[tuple[Callable[..., Any], str], ...]:
    """The mistakes of layers as `common_errors`: wrong functions, each with its sentence.

    terms: of the arguments of the exercise, the layer and its arrays
    outputs: what the function returns: "y", or ("x_bar", "w_bar", "b_bar")
    shape: makes the answer of an output of the layer, where that has axes that the exercise lacks
    """
    names = (outputs,) if isinstance(outputs, str) else outputs

    def answer(output: str, rule: Rule) -> Callable[..., Any]:
        def wrong(*arguments: Any) -> Any:
            try:
                found = rule(terms(*arguments))
            except (ValueError, IndexError):  # the mistake cannot be made in these sizes
                found = None
            found = shape(found) if shape is not None and found is not None else found
            if isinstance(outputs, str):
                return found
            return tuple(found if name == output else None for name in names)

        return wrong

    return tuple(
        (answer(output, rule), m.sentence)
        for m in LAYER_MISTAKES for output in names for rule in m.rules.get(output, ())
    )


class _Adapted:
    """The answer with the signature that the oracle calls; keeps an exception for `reraise`."""

    def __init__(self, answer: Callable[..., Any], what: str, axis: int | None) -> None:
        self.answer, self.what, self.axis = answer, what, axis
        self.error: Exception | None = None
        self.narrow = False  # whether float64 arguments gave a float32 result

    def reraise(self) -> None:
        if self.error is not None:
            raise self.error

    def _call(self, *arguments: Any) -> Any:
        try:
            return self.answer(*arguments)
        except Exception as error:
            self.error = self.error or error
            raise

    def _shaped(self, x: Any, like: Any) -> Any:
        """x with the axes of length 1 that `like` has."""
        if x is None:
            return x
        x = np.array(x)  # a copy: an answer may return its argument
        self.narrow |= x.dtype == np.float32 and like.dtype == np.float64
        x_shape, shape = (tuple(n for n in y.shape if n != 1) for y in (x, like))
        return x.reshape(like.shape) if x_shape == shape else x

    def forward(self, v: Any, g: Any) -> Any:
        return self._shaped(self._call(v, self._gain(g)), v)

    def backward(self, w_bar: Any, v: Any, g: Any) -> tuple[Any, Any]:
        result = self._call(w_bar, v, self._gain(g))
        if self.what == "backward":
            if not isinstance(result, tuple | list) or len(result) != 2:
                self.error = TypeError("return two arrays, v_bar and g_bar")
                raise self.error
            v_bar, g_bar = result
        else:
            t = Terms(v, g, w_bar, None if self.axis is None else (self.axis,))
            v_bar = result if self.what == "v_bar" else t.v_bar()
            g_bar = result if self.what == "g_bar" else t.g_bar()
        return self._shaped(v_bar, v), self._shaped(g_bar, g)

    def _gain(self, g: Any) -> Any:
        return g[()] if np.ndim(g) == 0 else g

    def at_point(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        """The answer as (v, w_bar) -> (v_bar, g_bar) for vectors of two, with g = 10."""
        shape = {0: (1, 2), 1: (2, 1), None: (2,)}[self.axis]
        g = np.full({0: (1, 1), 1: (1, 1), None: ()}[self.axis], 10.0)

        def pull(v: Any, w_bar: Any) -> tuple[Any, Any]:
            v_bar, g_bar = self.backward(w_bar.reshape(shape), v.reshape(shape), g)
            return np.ravel(np.asarray(v_bar)), float(np.ravel(np.asarray(g_bar))[0])

        return pull


def _message(diagnoses: list[Diagnosis], adapted: _Adapted) -> str:
    """The sentence for the first diagnosis, with a number from the answer."""
    if not diagnoses:
        return "this is not it, and the oracle cannot say why"
    d = diagnoses[0]
    output = d.outputs[0] if d.outputs else ""
    if d.id == "wrong_shape":
        return f"{d.evidence.partition(': ')[2] or d.evidence}"
    text = sentence(d.id)
    if text is None and output in d.formula.split("=")[0]:
        text = f"your {d.formula}"
    text = text or _about_axes(d.formula)
    number = _number(output, adapted) if output in ("v_bar", "g_bar") else ""
    return f"{text}; {number}" if number else text


def _about_axes(formula: str) -> str:
    formula = formula.replace("the slice", "each row")
    if formula.startswith(("the norm is", "n ", "d ", "n^2 ")):
        return f"in your answer {formula.partition(': ')[0]}; look at the axes of your sums"
    return f"in your answer {formula}"


def _number(output: str, adapted: _Adapted) -> str:
    """One number of the answer, and what it must be; "" where the answer is right at this point."""
    pull = adapted.at_point()
    v, w_bar = np.array([3.0, 4.0]), np.array([5.0, 10.0])
    try:
        v_bar, g_bar = pull(v, w_bar)
        if output == "g_bar":
            if abs(g_bar - 11) > 1e-9:
                rise = "<w_bar, w> rises by 11 when g rises by 1"
                return f"{WHERE} your g_bar is {g_bar:.4g}, but {rise}"
            return ""
        along = float(v_bar @ v)
        if abs(along) > 1e-9:
            return f"{WHERE} your <v_bar, v> is {along:.4g} and must be 0"
        across = float(v_bar @ np.array([-4.0, 3.0]) / 5)
        if abs(across - 4) > 1e-9:
            return (
                f"{WHERE} a small step of v across itself raises <w_bar, w> by 4 for each unit, "
                f"and your v_bar says {across:.4g}"
            )
    except Exception:  # the oracle has judged the answer; it need not take vectors of two
        return ""
    return ""
