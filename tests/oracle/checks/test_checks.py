"""Each check sees what it is for, and blames no implementation for what it cannot ask."""

from __future__ import annotations

import time

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm
from minwn.gradcheck.numerical import ridders
from minwn.oracle.cases import of_shape
from minwn.oracle.checks import ALL_CHECKS
from minwn.oracle.checks.taylor import _ratio, _step
from minwn.oracle.run import Run
from minwn.oracle.spec import Spec
from minwn.oracle.targets.implementation import Implementation

from .. import implementations as a


def checks(report):
    return {r.name: r.ok for r in report.checks}


def off_by(factor):
    def backward(w_bar, v, g):
        v_bar, g_bar = a.correct(w_bar, v, g)
        return v_bar * (1 + factor), g_bar

    return backward


def test_every_rung_has_its_place():
    report = oracle.check(
        weight_norm.forward, weight_norm.vjp, jvp=weight_norm.jvp,
        double_backward=weight_norm.double_vjp, threads=2,
    )
    assert [r.name for r in report.checks] == list(ALL_CHECKS)
    assert report.verdict == "PASS"


# ---- how small an error each sees ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (1e-15, set()),
        (1e-12, {"gradients", "complex"}),
        (1e-7, {"gradients", "complex", "differences"}),
        (1e-3, {"gradients", "complex", "differences", "taylor"}),
    ],
)
def test_an_error_is_seen_by_the_rungs_that_can(error, seen):
    found = checks(oracle.check(a.forward, off_by(error)))
    names = {"gradients", "complex", "differences", "taylor"}
    assert {name for name in names if not found[name]} == seen


# ---- complex steps ------------------------------------------------------------------------------


def absolute(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)


def real(v, g):
    if v.dtype.kind == "c":
        raise TypeError("real numbers only")
    return a.forward(v, g)


def cast(v, g):
    return a.forward(v.astype("float64"), g.astype("float64"))


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (absolute, "is not analytic: a norm of absolute values?"),
        (real, "takes no complex numbers"),
        (cast, "takes no complex numbers"),
    ],
)
def test_what_cannot_be_asked_in_complex_numbers_is_a_note(forward, reason):
    report = oracle.check(forward, a.correct)
    assert report.verdict == "PASS"
    assert "complex" not in checks(report)
    assert any(note.endswith(reason) for note in report.notes), report.notes


def test_a_step_through_absolute_values_would_have_praised_a_wrong_gradient():
    """Im f(v + i h e) / h is the gradient without projection there: no check relies on it."""
    report = oracle.check(absolute, a.wrong("g/n * G"))
    assert not report.ok
    assert checks(report)["differences"] is False


# ---- Taylor -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "eps"), [("plain", 0.0), ("inside", 1e-3), ("inside", 3.0)])
def test_the_bound_of_the_remainder_holds(form, eps, rng):
    """A theorem, at random points, and for steps as long as it allows: half of h."""
    how = {"form": form, "eps": eps}
    implementation = Implementation(
        lambda v, g: weight_norm.forward(v, g, **how),
        lambda w_bar, v, g: weight_norm.vjp(w_bar, v, g, **how),
    )
    spec = Spec(0, form, eps, "float64", "float64", frozenset({2}), ())
    worst = 0.0
    for shape in [(1, 2), (3, 4), (2, 9)] * 20:
        case = next(of_shape(shape))
        random = {x: rng.normal(size=getattr(case, x).shape) for x in ("v", "w_bar", "A", "g", "B")}
        case = type(case)("S", "shape", axes=(0,), **random)
        for t in (1.0, 0.1, 1e-3, 1e-6):
            worst = max(worst, _ratio(Run(implementation, spec), case, _step(spec, case, t)))
    assert worst <= 1
    assert worst > 0.05  # and is no idle one


def test_no_bound_no_rung():
    how = {"form": "outside", "eps": 0.1}
    functions = (
        lambda v, g: weight_norm.forward(v, g, **how),
        lambda w_bar, v, g: weight_norm.vjp(w_bar, v, g, **how),
    )
    assert "taylor" not in checks(oracle.check(*functions, **how))
    assert "taylor" not in checks(oracle.check(lambda v, g: 2 * a.forward(v, g), a.correct))


def test_ridders_knows_its_error():
    for f, slope in ((np.exp, 1.0), (np.sin, 1.0), (lambda x: 1 / (1 + x), -1.0)):
        found = ridders(f, 0.1)
        assert abs(found.value - slope) <= 100 * found.estimate + 64 * 2.0**-53 / 0.003


# ---- adjoint ------------------------------------------------------------------------------------


def flat_product(v, g, v_dot, g_dot):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    return g / n * v_dot + g_dot / n * v


def test_a_product_and_a_pullback_that_are_not_adjoint():
    right = oracle.check(backward=a.correct, jvp=weight_norm.jvp)
    assert checks(right)["adjoint"]
    assert not checks(oracle.check(backward=a.wrong("g/n * G"), jvp=weight_norm.jvp))["adjoint"]
    assert not checks(oracle.check(backward=a.correct, jvp=flat_product))["adjoint"]
    # Both without projection: adjoint, and wrong.
    both = oracle.check(backward=a.wrong("g/n * G"), jvp=flat_product)
    assert checks(both)["adjoint"]
    assert not both.ok


# ---- threads ------------------------------------------------------------------------------------


class Racy:
    """Keeps its norm where every thread can reach it."""

    def __call__(self, w_bar, v, g):
        self.n = np.sqrt((v * v).sum(axis=1, keepdims=True))
        time.sleep(0)  # another thread may have its turn
        d = (w_bar * v).sum(axis=1, keepdims=True)
        return g / self.n * (w_bar - d / self.n**2 * v), d / self.n


def test_a_buffer_that_threads_share_is_found_where_it_is_asked_for():
    assert oracle.check(a.forward, Racy()).verdict == "PASS"
    report = oracle.check(a.forward, Racy(), threads=4)
    assert [d.id for d in report.diagnosis] == ["not_thread_safe"]
    assert oracle.check(a.forward, a.correct, threads=4).verdict == "PASS"


# ---- what does not know float64 -----------------------------------------------------------------


def test_differences_are_not_taken_of_what_is_rounded():
    functions = a.in_float32(a.forward), a.in_float32(a.correct)
    report = oracle.check(*functions, dtype="float32")
    assert report.verdict == "PASS", str(report)
    assert report.consistent is None
    assert any("has not the digits of float64" in note for note in report.notes)
    assert oracle.check(*functions).diagnosis[0].id == "low_precision"


# ---- a shape of one's own -----------------------------------------------------------------------


def tiled(w_bar, v, g):
    """Tiles of 300 rows; the rows that are left over are forgotten."""
    v_bar, g_bar = a.correct(w_bar, v, g)
    if len(v) > 300:
        v_bar[len(v) // 300 * 300 :] = 0
    return v_bar, g_bar


def test_a_fault_of_one_shape_is_found_there():
    assert oracle.check(a.forward, tiled).verdict == "PASS"
    assert oracle.check(a.forward, tiled, shape=(300, 5)).verdict == "PASS"
    report = oracle.check(a.forward, tiled, shape=(305, 5))
    assert report.verdict == "FAIL"
    assert report.diagnosis[0].id == "this_shape"
    assert report.groups["shape"] == "FAIL"
    with pytest.raises(IndexError, match=r"axis 2 of a weight of shape \(3, 4\); choose from -2"):
        oracle.check(a.forward, axis=2, shape=(3, 4))
