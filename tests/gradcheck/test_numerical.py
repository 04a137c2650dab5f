"""Numerical differentiation by itself: values, estimates, and the identities."""

import math

import numpy as np
import pytest

from minwn.gradcheck.numerical import (
    DISTRUST,
    Contraction,
    Directions,
    Entries,
    adjoint_gap,
    central_difference,
    central_differences,
    complex_derivative,
    complex_step,
    noise_along,
    ridders,
    taylor_remainder,
)

U = 2.0**-53
FUNCTIONS = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "a quintic": (lambda x: x**5 - 3 * x**2, lambda x: 5 * x**4 - 6 * x),
    "1/x": (lambda x: 1 / x, lambda x: -1 / x**2),
}


def line(f, tangents):
    return lambda rows, h: f(tangents.shifted(rows, h)).reshape(len(rows), -1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_differences_are_as_right_as_they_say(name):
    f, slope = FUNCTIONS[name]
    x = np.array([0.7, -1.3, 2.1])
    entries, rows = Entries(x), np.arange(3)
    contract = Contraction(np.eye(3))
    found = central_differences(line(f, entries), rows, np.full(3, 0.1), f(x), contract, U)
    error = abs(found.value - np.diag(slope(x)))
    assert (error <= DISTRUST * found.estimate + found.floor).all()
    assert (error <= 1e-9 * np.diag(abs(slope(x))) + 1e-13).all()
    assert not found.kink.any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_step_is_exact(name):
    f, slope = FUNCTIONS[name]
    x = np.array([0.7, -1.3, 2.1])
    directions = Directions(x, np.array([[1.0, 2.0, -1.0]]))
    found = complex_step(line(f, directions), np.arange(1), np.ones(1), f(x), Contraction(None), U)
    assert found.value[0] == pytest.approx(slope(x) * [1, 2, -1], rel=4e-16)
    assert complex_derivative(lambda t: f(0.7 + t), 1.0) == pytest.approx(slope(0.7), rel=4e-16)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ridders(name):
    f, slope = FUNCTIONS[name]
    found = ridders(lambda t: float(f(0.7 + t)), 0.1)
    error = abs(found.value - slope(0.7))
    assert error <= DISTRUST * found.estimate + 8 * U * found.size
    assert error <= 1e-10 * abs(slope(0.7))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_central_difference(name):
    f, slope = FUNCTIONS[name]
    x = np.array([0.7, -1.3])
    found = central_difference(lambda t: f(x + t), 1e-5)
    # h^2/6 times a third derivative of at most 130, and rounding of f over h.
    np.testing.assert_allclose(found, slope(x), rtol=0, atol=1e-8)


def test_ridders_stops_where_rounding_is_all_that_is_left():
    calls = []
    found = ridders(lambda t: calls.append(t) or 3.0 * t, 0.1)
    assert (found.value, len(calls)) == (pytest.approx(3.0, rel=1e-15), 4)


def test_a_kink_has_two_derivatives():
    x = np.array([0.0])
    found = central_differences(
        line(abs, Entries(x)), np.arange(1), np.full(1, 0.1), abs(x), Contraction(None), U
    )
    assert found.bend[0, 0] == pytest.approx(2.0)


def test_steps_that_meet_the_grid_of_a_staircase_are_not_believed():
    """The first two slopes are 1 exactly, the others 0."""
    x = np.array([1.01])
    found = central_differences(
        line(lambda x: np.round(8 * x) / 8, Entries(x)), np.arange(1), np.full(1, 0.25),
        np.round(8 * x) / 8, Contraction(None), U,
    )
    assert found.estimate[0, 0] > 0.5 * found.scale[0, 0]


def test_noise_is_told_from_curvature(rng):
    t = np.arange(1000.0)[:, None] * 1e-3
    clean = np.exp(t)
    for sigma in (1e-6, 1e-3):
        noisy = clean + sigma * rng.normal(size=t.shape)
        # The largest of some 1,000 normal deviates.
        assert sigma < noise_along(noisy)[0] < 6 * sigma
    assert noise_along(clean)[0] < 1e-15 * 64


def test_adjoint_gap_is_summed_without_rounding():
    a = np.array([1e16, 1.0, -1e16])
    gap, size = adjoint_gap([(a, np.ones(3))], [(np.array([3.0]), np.array([0.25]))])
    assert (gap, size) == (0.25, 2e16 + 1.75)
    J = np.arange(6.0).reshape(2, 3)
    u, t = np.array([0.5, -1.5]), np.array([1.0, 2.0, -0.25])
    assert adjoint_gap([(u, J @ t)], [(J.T @ u, t)])[0] == 0.0
    assert math.isnan(adjoint_gap([(u, J @ t * np.nan)], [])[0])


def test_taylor_remainder_is_of_second_order():
    x, u, t = np.array([0.3, 1.1]), np.array([1.0, -0.5]), np.array([1.0, 2.0])
    remainders = [
        taylor_remainder(
            [(u, np.exp(x + h * t))], [(u, np.exp(x))], [(u * np.exp(x), h * t)]
        )[0]
        for h in (1e-3, 1e-4)
    ]
    assert remainders[0] == pytest.approx(100 * remainders[1], rel=1e-2)
