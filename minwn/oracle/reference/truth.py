r"""What weight normalisation and its derivatives are, to the last bit of a format.

Let q = <v, v> for one slice of v, and phi(q) = 1 / h, so that w = g phi v. The inputs are binary
fractions, hence rational, and in every form phi and its derivatives by q need one square root, t:

    form         t^2        phi                 with
    plain        q          1 / t               e = 0, k = 1
    inside       q + eps    1 / t               e = 0, k = 1
    outside      q          1 / (t + e)         e = eps, k = 1
    rms          q / m      1 / (t + e)         e = eps, k = m
    max_q        q or eps   1 / t               the larger; phi' = phi'' = 0 where it is eps
    max_n        q or eps^2 1 / t               the same

    phi'  = -1 / (2 k t (t + e)^2)
    phi'' = (1 / (4 t^3 (t + e)^2) + 1 / (2 t^2 (t + e)^3)) / k^2

So each answer is x + y t with x and y rational: a combination of v, w_bar and A whose coefficients
are the same for a whole slice. With s = <w_bar, v>, a = <A, v>, c = <A, w_bar>,

    w        = g phi v
    g_bar    = phi s
    v_bar    = g phi w_bar + 2 g phi' s v
    w_dot    = g phi A + (B phi + 2 g phi' a) v                  tangents (A, B) of (v, g)
    by_w_bar = w_dot                                             cotangents (A, B) of (v_bar, g_bar)
    by_v     = (2 g phi' c + 4 g phi'' s a + 2 B phi' s) v + (2 g phi' a + B phi) w_bar
               + 2 g phi' s A
    by_g     = phi c + 2 phi' s a

which `exact` rounds correctly, with integers alone. `cross_check` is a second route, that shares
nothing with the first; where the two disagree, the oracle is at fault, and says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ... import forms
from ...validation import door, shown
from .cross_check import OracleFault, cross_check
from .exact import answers
from .rounding import FORMATS, Format, nearest
from .slices import Slices, arrays_of

__all__ = [
    "FORMATS", "FORMS", "Expected", "Format", "OracleFault", "Second", "Slices", "check_route",
    "expected", "nearest", "second",
]

FORMS = forms.NAMES


class Expected(NamedTuple):
    """The answers to first order, each the number of the dtype that is nearest to the truth.

    NaN where there is no truth (see `expected`), and an infinity where it is out of range.
    """

    w: numpy.ndarray
    v_bar: numpy.ndarray
    g_bar: numpy.ndarray


class Second(NamedTuple):
    """The forward product, and the pullback of the pullback, rounded in the same way."""

    w_dot: numpy.ndarray
    by_w_bar: numpy.ndarray
    by_v: numpy.ndarray
    by_g: numpy.ndarray


@door
def expected(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    certify: str = "decimal",
) -> Expected:
    """The correctly rounded w, v_bar and g_bar, for arrays or for a Case.

    v, w_bar: any shape   g: v's rank, with 1 along every axis that a norm runs over, or 0-d
    certify: "decimal", "mpmath", or "" for the exact route alone

    A slice with an infinity or a NaN in it has no truth, nor has one of zeros where h = 0; a slice
    without entries has g_bar = 0.
    Raises ValueError for an unknown form, or an eps that it cannot use; OracleFault where the two
    routes disagree, and ImportError for mpmath not installed.

    >>> oracle.expected(np.array([[3.0, 4.0]]), np.array([[10.0]]), w_bar=np.array([[5.0, 10.0]]))
    Expected(w=array([[6., 8.]]), v_bar=array([[-3.2,  2.4]]), g_bar=array([[11.]]))
    """
    v, g, w_bar = arrays_of("expected", v, g, w_bar)
    found = _rounded(("w", "v_bar", "g_bar"), v, g, w_bar, None, None, form, eps, certify)
    return Expected(**found)


@door
def second(
    v: Any,
    g: numpy.ndarray | None = None,
    w_bar: numpy.ndarray | None = None,
    A: numpy.ndarray | None = None,
    B: numpy.ndarray | None = None,
    *,
    form: str = "plain",
    eps: float = 0.0,
    certify: str = "decimal",
) -> Second:
    """The correctly rounded forward and double backward products, for arrays or for a Case.

    A, B: tangents of v and g, or cotangents of v_bar and g_bar. Otherwise as `expected`; by_v has
    no truth at v = 0 in the forms outside and rms, where the pullback is not differentiable.
    """
    v, g, w_bar, A, B = arrays_of("second", v, g, w_bar, A, B)
    if A is None or B is None:
        raise ValueError("second order needs A and B; give both, or a case that has them")
    found = _rounded(("w_dot", "by_v", "by_g"), v, g, w_bar, A, B, form, eps, certify)
    return Second(by_w_bar=found["w_dot"].copy(), **found)


def _rounded(
    names: tuple[str, ...], v: Any, g: Any, w_bar: Any, A: Any, B: Any, form: str, eps: float,
    certify: str,
) -> dict[str, numpy.ndarray]:
    eps = forms.check(form, eps)
    check_route(certify)
    for name, x, like in (("w_bar", w_bar, v), ("A", A, v), ("B", B, g)):
        if x is not None and x.shape != like.shape:
            raise ValueError(f"{name} of shape {x.shape}; it has the shape {like.shape}")
    slices, target = Slices(v.shape, g.shape), Format.of(v.dtype)
    A, B = (v, g) if A is None else (A, B)  # not used by the first order
    wide = [numpy.asarray(x).astype("float64") for x in (v, w_bar, A, g, B)]
    vectors, gains = [slices.split(x) for x in wide[:3]], [x.reshape(-1) for x in wide[3:]]
    found: dict[str, list[Any]] = {name: [] for name in names}
    for i in range(slices.rows):
        row = [x[i] for x in vectors]
        scalars = [float(x[i]) for x in gains]
        answer = answers(names, row, scalars, form, eps, target)
        if certify and slices.m and not any(map(_undefined, answer.values())):
            cross_check(answer, row, scalars, form, eps, target, certify)
        for name, x in answer.items():
            found[name].append(x)
    return {
        name: numpy.array(x, dtype="float64").reshape(g.shape).astype(v.dtype)
        if name in ("g_bar", "by_g")
        else slices.join(x, v.dtype)
        for name, x in found.items()
    }


def check_route(certify: Any) -> None:
    """Raise ValueError unless it names a second route to the truth, or none."""
    if not isinstance(certify, str) or certify not in ("decimal", "mpmath", ""):
        raise ValueError(f"certify={shown(certify)}; choose 'decimal', 'mpmath' or '' for neither")


def _undefined(x: Any) -> bool:
    return x != x if isinstance(x, float) else any(y != y for y in x)
