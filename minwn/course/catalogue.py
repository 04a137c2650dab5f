"""Judges of weight normalisation: the oracle finds the mistake, this file explains it to a learner.

The oracle's own report shows the right formula. A learner reads a sentence about the answer alone
instead, and then a number of the answer at the point

    v = (3, 4)    g = 10    w_bar = (5, 10)

which one can check on paper: n = 5, <w_bar, v> = 55.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..oracle import CATALOGUE, Diagnosis, check
from ..oracle.mistakes import Terms
from ..oracle.mistakes.layer_terms import LayerTerms, Rule
from ..oracle.mistakes.layers import LAYER_MISTAKES
from ..oracle.reference.slices import kept_axes
from ..oracle.spec import make_spec
from ..validation import choice, door
from .comparison import array_of, plain
from .exercise import Judge
from .judges import function, same

__all__ = ["layer_errors", "sentence", "weight_norm", "weight_norm_at"]

OF_MISTAKES = {m.id: m.sentence for m in CATALOGUE if m.sentence}
OF_DIAGNOSES = {  # by the ids of diagnoses outside the catalogue
    "coefficient": "your v_bar is a sum of w_bar and v, and at least one of the factors is wrong",
    "coefficient_of_v": "the factor of v in your v_bar is wrong; that of w_bar is right",
    "coefficient_of_w_bar": "the factor of w_bar in your v_bar is wrong; that of v is right",
    "coefficients": "both factors in your v_bar, that of w_bar and that of v, are wrong",
    "coefficient_of_v_bar": "your v_bar points the right way, but its length is wrong",
    "coefficient_of_g_bar": "your g_bar has a wrong factor",
    "coefficient_of_w": "your w points the right way, but its length is wrong",
    "lost_digits": "the formula is right, but digits are lost on the way; divide last",
    "axis/index": "rows get mixed: look at the axes of your sums, and at keepdims",
    "mutates_input": "your function changes its arguments; work on a copy",
    "answers_exchanged": "your two answers are exchanged: return v_bar first, and then g_bar",
    "late_call": "your function is right at first and wrong later; let it keep nothing of a call",
    "low_precision": "the formula is right, but somewhere on the way numbers are float32",
    "eps_in_bwd_only": "there is an eps in your gradient that is not in the function",
}
OF_AXES = {  # by the first part of the ids of mistakes about axes
    "global": "the whole array", "first_only": "axis 0 only", "flipped": "columns, not rows",
    "first": "axis 0", "second": "axis 1", "last": "the last axis", "last_only": "the last axis",
    "elementwise": "each entry alone", "rank": "axis 1",
}
OF_SUMS = {  # by the rest of the ids
    "function": "the norm is", "norm": "n is", "norm_and_dot": "n and d = <w_bar, v> are",
    "dot": "d = <w_bar, v> is", "n2": "the n^2 below d = <w_bar, v> is",
    "dot_in_g_bar": "d = <w_bar, v> in your g_bar is",
}
FACTORS = {  # of a fitted coefficient: what has which factor too many
    "coefficient_of_v": "in the factor of v, your v_bar has {got} where {right} belongs (with "
    "d = <w_bar, v>); the factor of w_bar is right",
    "coefficient_of_w_bar": "in the factor of w_bar, your v_bar has {got} where {right} belongs; "
    "the factor of v is right",
    "coefficient_of_v_bar": "your v_bar points the right way, and is {got} times what it should be",
    "coefficient_of_g_bar": "your g_bar has {got} where {right} belongs (with d = <w_bar, v>)",
    "coefficient_of_w": "your w points the right way, and is {got} times what it should be",
}
VAGUE = ("raises", "wrong_shape", "unknown", "coefficient", "axis/index", "not_finite", "dtype")
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
    plainly = _compared(what, axis)

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            return "hand over the function itself, not what it returns"
        said = plainly(answer)  # what can be said without the oracle
        adapted = _Adapted(answer, what, axis)
        side = "forward" if what == "forward" else "backward"
        for dtype in ("float64", "float32"):
            how: dict[str, Any] = {"axis": axis, "ranks": ranks, "groups": GROUPS, "dtype": dtype}
            report = check(**{side: getattr(adapted, side)}, **how)
            if report.ok or not adapted.narrow:
                break
        if report.ok and said is None:
            return None
        named = [d for d in report.diagnosis if d.id not in VAGUE]
        if named and not adapted.error:
            return _message(named[0], adapted)
        if said and not BARE.search(said):
            return said
        adapted.reraise()
        return _vaguely(report.diagnosis, adapted, said)

    return judge


def _compared(what: str, axis: int | None) -> Judge:
    """The judge of the same function at generic points: shapes, slips and changed arguments."""
    kept = None if axis is None else (axis,)
    names = {"forward": "your w", "backward": ("your v_bar", "your g_bar")}

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        shape = (4,) if axis is None else (3, 4)
        ones = () if axis is None else (3, 1) if axis == 0 else (1, 4)
        w_bar, v = rng.normal(size=(2, *shape))
        signs = np.where(np.arange(math.prod(ones)) % 2, -1, 1).reshape(ones)
        g = (rng.uniform(0.5, 3, ones) * signs)[()]
        return (v, g) if what == "forward" else (w_bar, v, g)

    def forward(v: Any, g: Any) -> Any:
        return Terms(v, g, v, kept).w()

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        t = Terms(v, g, w_bar, kept)
        found = {"v_bar": t.v_bar(), "g_bar": t.g_bar()}
        return found.get(what, tuple(found.values()))

    def lengths(*arrays: Any) -> dict[str, Any]:
        v = arrays[0] if what == "forward" else arrays[1]
        t = Terms(v, arrays[-1], arrays[0], kept)
        found = {"n": t.total(v * v, kept or ()) ** 0.5}
        return found if what == "forward" else {**found, "d": t.total(arrays[0] * v, kept or ())}

    return function(
        forward if what == "forward" else backward, draw, names.get(what, f"your {what}"),
        quantities=lengths,
    )


@door
def weight_norm_at(output: str, v: Any, g: Any, w_bar: Any, *, axis: int | None = 0) -> Judge:
    """The judge of one array, w, v_bar or g_bar, at one point."""
    choice("output", output, ("w", "v_bar", "g_bar"))
    t = Terms(v, g, w_bar, kept_axes(axis, np.ndim(v)))
    expected = getattr(t, output)()
    wrong = [(m, m.output(output, t)) for m in CATALOGUE if output in m.where]
    common_errors = [
        (value, sentence(m.id) or _about_axes(m.id, axis))
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
        found = array_of(x)
        if found is None:
            raise TypeError(f"{type(x).__name__} where an array of numbers is asked for")
        x = np.array(found)  # a copy: an answer may return its argument
        self.narrow |= x.dtype == np.float32 and like.dtype == np.float64
        if x.dtype.kind in "iuf":
            x = x.astype(like.dtype)
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

    def w_at_point(self) -> np.ndarray:
        """w of v = (3, 4) and g = 10."""
        shape = {0: (1, 2), 1: (2, 1), None: (2,)}[self.axis]
        g = np.full({0: (1, 1), 1: (1, 1), None: ()}[self.axis], 10.0)
        return np.ravel(plain(self.forward(np.array([3.0, 4.0]).reshape(shape), g)))

    def along(self) -> str:
        """The sentence for a v_bar that is a multiple of w_bar, or of v, at two points."""
        if self.what not in ("backward", "v_bar"):
            return ""
        pull = self.at_point()
        w_bar, vs = np.array([5.0, 10.0]), (np.array([3.0, 4.0]), np.array([1.0, -2.0]))
        try:
            found = [pull(v, w_bar)[0] for v in vs]
        except Exception:  # it need not take vectors of two
            return ""
        for name, other, ways in (("w_bar", "v", (w_bar, w_bar)), ("v", "w_bar", vs)):
            if all(
                abs(x[0] * y[1] - x[1] * y[0]) < 1e-9 < abs(x).max()
                for x, y in zip(found, ways, strict=True)
            ):
                return f"your v_bar points along {name}: {other} has to come into it"
        return ""


# What `function` says of a wrong answer in which it has found nothing.
BARE = re.compile(r"wrong in \d+ of|that is not it|is off by")


def _message(d: Diagnosis, adapted: _Adapted) -> str:
    """The sentence for a diagnosis, with a number from the answer."""
    output = d.outputs[0] if d.outputs else ""
    fitted = re.match(r"fitted: (.+) in place of ([d1])", d.evidence)
    if d.id in FACTORS and fitted:
        text = FACTORS[d.id].format(got=fitted[1], right=fitted[2])
    else:
        text = sentence(d.id) or _about_eps(d) or _about_axes(d.id, adapted.axis)
    number = _number(output, adapted) if output in ("w", "v_bar", "g_bar") else ""
    return f"{text}; {number}" if number else text


def _vaguely(diagnoses: list[Diagnosis], adapted: _Adapted, said: str | None) -> str:
    """The message for an answer without a diagnosis: what comes out at the point by hand."""
    d = diagnoses[0] if diagnoses else None
    output = d.outputs[0] if d and d.outputs else ""
    text = sentence(d.id) if d else None
    along = adapted.along()
    if along:
        text = along
    number = _number(output, adapted) if output in ("w", "v_bar", "g_bar") else ""
    found = [x for x in (text, number) if x]
    return "; ".join(found) or said or "your answer is wrong, and nothing more can be said of it"


def _about_eps(d: Diagnosis) -> str | None:
    where, found, size = d.formula.partition("eps = ")
    if not found:
        return None
    return f"there is an eps where none is asked for: {where.strip(' ,')}, with eps = {size}"


def _about_axes(id: str, axis: int | None) -> str:
    """The sentence of a mistake about axes; its id is made of the two keys."""
    for key in sorted(OF_AXES, key=len, reverse=True):
        if id.startswith(f"{key}_") and id.removeprefix(f"{key}_") in OF_SUMS:
            what = OF_SUMS[id.removeprefix(f"{key}_")]
            own = "there is one for all of v"
            if axis is not None:
                own = f"each {'column' if axis else 'row'} has its own"
            return (
                f"in your answer {what} over {OF_AXES[key]}; {own}: look at the axes of your sums, "
                "and at keepdims"
            )
    return f"your answer is wrong in the way {id!r} of the oracle"


def _number(output: str, adapted: _Adapted) -> str:
    """One number of the answer, and what it must be; "" where the answer is right at this point."""
    pull = adapted.at_point()
    v, w_bar = np.array([3.0, 4.0]), np.array([5.0, 10.0])
    try:
        if output == "w":
            w = adapted.w_at_point()
            size = float(np.hypot(*w))
            text = f"at v = (3, 4), g = 10 your w is ({w[0]:.4g}, {w[1]:.4g})"
            if f"{size:.4g}" != "10":
                return f"{text}, of length {size:.4g}, and it must be of length 10"
            across = abs(w[0] * 4 - w[1] * 3) > 1e-9
            return f"{text}, and it must point along v" if across else ""
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
