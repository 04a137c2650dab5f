"""w = g v / h(v) and its derivatives before the oracle, in three ways:

    by hand     `byhand.weight_norm`: forward, vjp, jvp and double_vjp, of arrays
    autodiff    `WeightNorm.recompute`, the walk back, and the walk over that walk
    composed    the definition in ops, and its derivatives by autodiff

`oracle.check` has its own formulas, exact answers and proved tolerances. Its checks become the
columns of the table:

    first order, second order, forward product
                     the answers against the exact ones, and the adjoint identity
    laws             identities that hold for all numbers; inputs unchanged, dtypes and shapes kept
    differences, complex step
                     the gradients against measurements of their forward
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy

from .. import byhand, oracle
from ..backend import Generator, quiet
from ..forms import NAMES
from ..oracle.cases import cases
from ..oracle.reference.double_double import bulk
from ..oracle.reference.truth import second
from ..oracle.targets import adapters
from .cases import drawn
from .report import COMPLEX, DIFFERENCES, FIRST, LAWS, PRODUCT, SECOND, Finding, compare

__all__ = ["Setting", "at_zero", "check", "settings", "the_oracle_itself"]

COLUMN = {
    "forward": FIRST, "gradients": FIRST, "dyadic": FIRST, "second order": SECOND,
    "product": PRODUCT, "adjoint": PRODUCT, "hygiene": LAWS, "laws": LAWS,
    "differences": DIFFERENCES, "taylor": DIFFERENCES, "complex": COMPLEX,
    "backward": FIRST, "jvp": PRODUCT, "double_backward": SECOND,  # which raises
}
HAND, AUTODIFF, COMPOSED = WAYS = ("minwn.byhand", "minwn.layer", "minwn.composed")
# The definition squares, and divides 0 by 0: nothing is claimed at the edges of the range.
GROUPS = {COMPOSED: ("dyadic", "generic", "angle", "axes", "layout", "long")}
FUNCTION = {
    "w": "forward", "v_bar": "vjp", "g_bar": "vjp", "w_dot": "jvp", "by_w_bar": "double_vjp",
    "by_v": "double_vjp", "by_g": "double_vjp",
}
# In every way; and by hand alone, where it is not quick.
EPS = {
    "plain": (0.0,), "inside": (0.25, 1e-12), "rms": (0.5, 1e-4), "max_q": (0.25, 900.0),
    "max_n": (0.25, 900.0),
}


class Setting(NamedTuple):
    """A row of the table: the function and the dtype, and which way it is computed."""

    what: str
    way: str
    form: str = "plain"
    eps: float = 0.0
    axis: Any = 0
    dtype: str = "float64"


def settings(quick: bool) -> Iterator[Setting]:
    """Every form, in every way; axes and dtypes in the plain form. Not quick: more of each."""
    for form in NAMES:
        eps, *more = EPS.get(form, (0.25,))
        ways = WAYS if form == "plain" or not quick else (HAND,)
        yield from (Setting(f"form {form}", way, form, eps) for way in ways)
        if not quick:
            yield from (Setting(f"form {form}", HAND, form, eps) for eps in more)
    for axis in ((0, -1), None):
        yield Setting(f"axis {axis}", HAND, axis=axis)
    for dtype in ("float16", "float32"):
        yield Setting(dtype, HAND, dtype=dtype)
    yield Setting("axis (0, -1)", AUTODIFF, axis=(0, -1))
    yield Setting("float16", AUTODIFF, dtype="float16")
    if not quick:
        yield Setting("axis -1", HAND, axis=-1)
        yield Setting("axis None", AUTODIFF, axis=None)
        yield Setting("float16", HAND, "outside", 1e-3, dtype="float16")
        yield Setting("float32", HAND, "outside", 1e-3, dtype="float32")
        yield Setting("float32", AUTODIFF, dtype="float32")
        if importlib.util.find_spec("ml_dtypes"):
            yield Setting("bfloat16", HAND, dtype="bfloat16")


def check(s: Setting) -> Iterator[Finding]:
    """Every check of the oracle, on arrays of one to five axes, as a Finding.

    Its numbers are in units of the tolerance; the note of a failure is the oracle's diagnosis.
    """
    [way] = adapters.get(s.way)
    found = oracle.check(
        **way.functions(s.axis, s.form, s.eps), axis=s.axis, form=s.form, eps=s.eps, dtype=s.dtype,
        accumulate=way.accumulate.get(s.dtype), ranks=range(1, 6), groups=GROUPS.get(s.way),
        name=way.runs,
    )
    place, message = f"{found.name}, {found.settings}", "" if found.ok else diagnosis(s, found)
    for r in found.checks:
        part = Finding(s.what, COLUMN[r.name], place, allowed=1.0, error=r.ratio, count=r.checked)
        if not r.ok:
            note = f"{r.name}: {r.failed} of {r.checked} failed\n{message}"
            part = replace(part, error=r.ratio if r.ratio > 1 else math.inf, note=note)
        yield part
    if message and all(r.ok for r in found.checks):
        outputs = [output for d in found.diagnosis for output in d.outputs]
        column = COLUMN.get(outputs[0], FIRST) if outputs else FIRST
        yield Finding(s.what, column, place, note=f"{found.verdict}: {message}")


def diagnosis(s: Setting, found: oracle.Report) -> str:
    """The error: where, its name, its fix, and the worst number."""
    lines = [found.headline]
    for d in found.diagnosis:
        functions = dict.fromkeys(f".{FUNCTION.get(x, x)}" for x in d.outputs)
        who = ", ".join(f"{found.name}{f if s.way == HAND else ''}" for f in functions)
        lines += [f"{', '.join(d.outputs)} of {who}: {d.id}", f"    {d.formula}"]
        lines += [f"    {d.evidence}"] if d.evidence else []
        lines += [f"    to mend it: {d.fix}"]
    return "\n".join(lines if found.worst is None else [*lines, str(found.worst)])


def the_oracle_itself() -> Iterator[Finding]:
    """The exact answers against the definition, differenced with 80 digits: OracleFault, if not.

    The digits are those of `decimal`, and of mpmath, by other authors, where it is installed. And
    `bulk`, which has the answers for many slices at once, gives the same bits.
    """
    what, case = "the oracle itself", next(cases("float64", ["generic"]))
    libraries = ["decimal", *(["mpmath"] if importlib.util.find_spec("mpmath") else [])]
    for form, library in itertools.product(NAMES, libraries):
        how: dict[str, Any] = {"form": form, "eps": EPS.get(form, (0.25,))[0]}
        expected = oracle.expected(case, **how, certify=library)
        at_once = bulk(case, **how)
        for name, x, y in zip(expected._fields, at_once, expected, strict=True):
            yield compare(what, FIRST, f"{name}, form {form}, {library}", x, y, 0.0)
        twice = second(case, **how, certify=library)
        count = sum(x.size for x in twice)
        yield Finding(what, SECOND, f"form {form}, {library}", 0.0, 0.0, 0.0, 0.0, count=count)


def at_zero(rng: Generator) -> Iterator[Finding]:
    """Where v is zero the plain form is undefined: NaN in that slice, and in no other.

    The count of entries that are NaN where they should not be, or not NaN where they should.
    """
    wn = byhand.weight_norm
    zeros = {(3, 1, 1): numpy.s_[1], (1, 4, 1): numpy.s_[:, 2], (3, 4, 1): (2, 0)}
    for g_shape, zero in zeros.items():
        for scale in (1.0, 1e-120):
            w_bar, v, A, g, B = (drawn(x, rng) for x in (*[(3, 4, 2)] * 3, g_shape, g_shape))
            v[zero] = 0.0
            v, A = scale * v, scale * A
            reduced = tuple(axis for axis, n in enumerate(g_shape) if n == 1)
            undefined = (v == 0).all(axis=reduced, keepdims=True)
            with quiet():
                answers = {
                    "forward": wn.forward(v, g), "vjp": wn.vjp(w_bar, v, g),
                    "jvp": wn.jvp(v, g, A, B), "double_vjp": wn.double_vjp(A, B, w_bar, v, g),
                }
            for name, found in answers.items():
                for k, x in enumerate(found if isinstance(found, tuple) else (found,)):
                    wrong = (numpy.isnan(x) != undefined).sum()
                    where = f"byhand.weight_norm.{name}, answer {k}, v (3, 4, 2), g {g_shape}"
                    text = f"{where}: entries that are not NaN exactly where the slice is 0"
                    yield compare("a zero slice", LAWS, text, wrong, 0.0, 0.0)
