"""The laws of weight normalisation as property tests, for any implementation.

    from minwn.oracle.properties import WeightNormLaws

    class TestMine(WeightNormLaws):
        forward = staticmethod(mine.forward)
        backward = staticmethod(mine.backward)

is a test for each law, which hypothesis tries to break. All examples are fit to be evidence: both
signs, no v of unit length, no g = ||v||, no cotangent that is the same everywhere, nothing square.
`law_test` makes one such test, and `problems` is the strategy, for your own laws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import forms
from ..validation import whole
from .checks.invariants import INVARIANTS, Invariant, asking, ratio
from .checks.point import Point
from .reference.error_bounds import bounds
from .reference.slices import Slices, gain_shape, kept_axes, reduced_axes

__all__ = ["FORWARD_LAWS", "ForwardLaw", "Problem", "WeightNormLaws", "law_test", "problems"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class Problem:
    """One choice of (v, g, w_bar), printed so that it can be pasted."""

    v: np.ndarray
    g: np.ndarray
    w_bar: np.ndarray

    def __repr__(self) -> str:
        arrays = ", ".join(f"{k}=np.array({x.tolist()})" for k, x in vars(self).items())
        return f"Problem({arrays})"


@dataclass(frozen=True)
class ForwardLaw:
    """A law of w itself, in the plain form: test(forward, problem, allowed, axes) -> ratio."""

    id: str
    law: str
    test: Callable[[Function, Problem, Callable[..., Any], tuple[int, ...]], float]


def _length(f: Function, p: Problem, allowed: Callable[..., Any], axes: tuple[int, ...]) -> float:
    w = _wide(f(p.v.copy(), p.g.copy()), p.v)
    tol, g = allowed(p.v, p.g, p.w_bar).w, _wide(p.g, p.g)
    n = np.sqrt((w * w).sum(axis=axes, keepdims=True)).reshape(g.shape)
    slack = 2.0**-52 * w.size * abs(g)  # the sum above is rounded as well
    change = np.sqrt((tol * tol).sum(axis=axes, keepdims=True)).reshape(g.shape)
    return ratio(n - abs(g), change + slack)


def _same_for_2v(
    f: Function, p: Problem, allowed: Callable[..., Any], axes: tuple[int, ...]
) -> float:
    a, b = (_wide(f(v.copy(), p.g.copy()), v) for v in (p.v, 2 * p.v))
    return ratio(b - a, allowed(p.v, p.g, p.w_bar).w + allowed(2 * p.v, p.g, p.w_bar).w)


def _linear_in_g(
    f: Function, p: Problem, allowed: Callable[..., Any], axes: tuple[int, ...]
) -> float:
    a, b = (_wide(f(p.v.copy(), g.copy()), p.v) for g in (p.g, -2 * p.g))
    return ratio(b + 2 * a, 2 * allowed(p.v, p.g, p.w_bar).w + allowed(p.v, 2 * p.g, p.w_bar).w)


FORWARD_LAWS = (
    ForwardLaw("F1", "||w|| = |g|", _length),
    ForwardLaw("F2", "w(2 v) = w(v)", _same_for_2v),
    ForwardLaw("F3", "w(-2 g) = -2 w(g)", _linear_in_g),
)
_LAWS: dict[str, Invariant | ForwardLaw] = {law.id: law for law in (*INVARIANTS, *FORWARD_LAWS)}


def _wide(x: Any, like: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype="float64").reshape(like.shape)


_NUMBERS = [sign * k / 8 for k in range(1, 17) for sign in (1, -1) if k != 8]


def _hypothesis() -> Any:
    try:
        import hypothesis
        import hypothesis.strategies  # noqa: F401
    except ImportError as error:
        raise ImportError('the laws as tests need hypothesis: pip install "minwn[laws]"') from error
    return hypothesis


def problems(dtype: Any = "float64", axis: int | tuple[int, ...] | None = 0, rank: int = 2) -> Any:
    """A strategy of Problems whose slices keep `axis`, fit to be evidence.

    Entries are k/8, 0 < |k| <= 16, of which those of v are multiplied by a power of two for each
    slice: they shrink to numbers that a person can read. Raises ImportError without hypothesis.
    """
    st = _hypothesis().strategies
    dtype, axes = np.dtype(dtype), kept_axes(axis, rank)
    kept = axes or ()
    number = st.sampled_from(_NUMBERS)

    @st.composite
    def problem(draw: Callable[[Any], Any]) -> Problem:
        # No slice has as many entries as there are slices.
        sizes = [st.integers(2, 3) if a in kept else st.integers(4, 5) for a in range(rank)]
        shape = [draw(size) for size in sizes]
        g_shape = gain_shape(tuple(shape), axes)

        def numbers(size: tuple[int, ...]) -> np.ndarray:
            count = math.prod(size)
            drawn = draw(st.lists(number, min_size=count, max_size=count))
            return np.array(drawn, dtype).reshape(size)

        v, g, w_bar = numbers(tuple(shape)), numbers(g_shape), numbers(tuple(shape))
        scales = draw(st.lists(st.integers(-2, 2), min_size=g.size, max_size=g.size))
        return Problem(np.ldexp(v, np.reshape(scales, g_shape)), g, w_bar)

    return problem().filter(_fit)


def _fit(p: Problem) -> bool:
    """Whether no mistake hides in the choice of the point."""
    q = Slices(p.v.shape, p.g.shape).total(p.v.astype("float64") ** 2)
    return bool(
        np.ptp(p.w_bar) > 0
        and (abs(q - 1) > 0.01).all()
        and (abs(abs(p.g) - np.sqrt(q)) > 0.01).all()
    )


def law_test(
    law: str,
    function: Function,
    *,
    axis: int | tuple[int, ...] | None = 0,
    dtype: Any = "float64",
    form: str = "plain",
    eps: float = 0.0,
    accumulate: Any = None,
    rank: int = 2,
    settings: Any = None,
) -> Function:
    """A test of one law: "I1" ... "I12" of a backward(w_bar, v, g), "F1" ... "F3" of a forward.

    test_euler = law_test("I6", mine.backward)

    settings: of hypothesis; by default no deadline, and else those of the profile
    Raises KeyError for an unknown law, ValueError for one that the form or the axis has not, an
    unknown form, or an eps that it cannot use, and IndexError for an axis out of range.
    """
    known, eps = _LAWS[law], forms.check(form, eps)
    axes = kept_axes(axis, whole("rank", rank))
    hypothesis = _hypothesis()
    if not has(law, axis, form):
        raise ValueError(f"{law}, {known.law}, is no law of form={form!r} and axis={axis}")
    reduced = reduced_axes(axes, rank)

    def allowed(v: Any, g: Any, w_bar: Any) -> Any:
        return bounds(v, g, w_bar, form=form, eps=eps, accumulate=accumulate)

    def measured(p: Problem) -> float:
        if isinstance(known, ForwardLaw):
            return known.test(function, p, allowed, reduced)

        def both(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
            found = allowed(v, g, w_bar)
            return found.v_bar, found.g_bar

        point = Point(p.v, p.g, p.w_bar, axes, form, eps, both)
        return known.test(asking(function), point)

    @(settings or hypothesis.settings(deadline=None))
    @hypothesis.given(problem=problems(dtype, axis, rank))
    def test(problem: Problem) -> None:
        __tracebackhide__ = True
        with np.errstate(all="ignore"):
            excess = measured(problem)
        assert excess <= 1, f"{law}, {known.law}: off by {excess:.3g} times what rounding may do"

    test.__name__ = test.__qualname__ = f"test_{law}"
    test.__doc__ = known.law
    return test


def has(law: str, axis: Any, form: str) -> bool:
    """Whether an implementation of that form, with norms along that axis, obeys the law."""
    known = _LAWS[law]
    if isinstance(known, ForwardLaw):
        return form == "plain"
    several = axis is not None and axis != ()
    return (form == "plain" or not known.plain) and (several or not known.slices)


class WeightNormLaws:
    """Subclass it, say what to test, and pytest finds a test for each law.

    forward, backward: static methods, as for `check`; either may be left out
    axis, dtype, form, eps, accumulate: as for `check`; rank: of v; settings: of hypothesis
    """

    forward: ClassVar[Function | None] = None
    backward: ClassVar[Function | None] = None
    axis: ClassVar[int | tuple[int, ...] | None] = 0
    dtype: ClassVar[Any] = "float64"
    form: ClassVar[str] = "plain"
    eps: ClassVar[float] = 0.0
    accumulate: ClassVar[Any] = None
    rank: ClassVar[int] = 2
    settings: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        forms.check(cls.form, cls.eps)
        kept_axes(cls.axis, whole("rank", cls.rank))
        names = ("axis", "dtype", "form", "eps", "accumulate", "rank", "settings")
        given = {name: getattr(cls, name) for name in names}
        for law in _LAWS:
            function = cls.forward if law.startswith("F") else cls.backward
            if function is not None and has(law, cls.axis, cls.form):
                setattr(cls, f"test_{law}", staticmethod(law_test(law, function, **given)))
